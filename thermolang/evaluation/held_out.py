"""What every method says of a task that was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thermolang.calibration.support import Support
from thermolang.calibration.temperature import fit_task_temperature, task_nll
from thermolang.evaluation.folds import Fold, Reading
from thermolang.evaluation.labelled import LABELLED
from thermolang.evaluation.meaning_methods import SAMPLED
from thermolang.evaluation.methods import UNLABELLED, Method, Ours, Prediction

if TYPE_CHECKING:
    from thermolang.calibration.task import TaskFeatures

METHODS: tuple[Method, ...] = (*UNLABELLED, *SAMPLED, *LABELLED)
"""Everything that is compared."""

INPUTS = (1, 3, 10, 30, 100)
"""Numbers of unlabelled inputs after which a temperature is looked at."""

DRAWS = 10


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was seen of one held-out task."""

    reading: Reading
    predictions: dict[str, list[Prediction]]
    scale: tuple[float, float]
    oracle: tuple[float, float]
    novelty: float
    half_width: float
    excess: dict[int, float]

    @property
    def task(self) -> TaskFeatures:
        """The task itself."""
        return self.reading.task


def predict(fold: Fold) -> list[HeldOut]:
    """Fit every method on a fold's training tasks and apply it to the held-out ones."""
    ours = Ours.learn(fold)
    fitted = {method.name: method.fit(fold) for method in METHODS}
    support = Support.fit([r.task.hidden for r in fold.training])
    found = []
    for reading in fold.testing:
        task = reading.task
        predictions = {name: p for name, predict in fitted.items() if (p := predict(reading)) is not None}
        scale = ours.scale(reading, None)
        found.append(
            HeldOut(
                reading,
                predictions,
                scale,
                fit_task_temperature(task, bias=task.self_check),
                float(support.novelty(task.hidden).mean()),
                ours.half_width,
                _excess(reading, ours, scale),
            )
        )
    return found


def _excess(reading: Reading, ours: Ours, scale: tuple[float, float]) -> dict[int, float]:
    """NLL above that of the temperature from all inputs, if only n inputs had been seen; mean over random orders."""
    task, rng = reading.task, np.random.default_rng(len(reading.task))
    everything = task_nll(task, *scale)
    found = {}
    for n in INPUTS:
        if n <= len(task):
            drawn = [ours.scale(reading, rng.permutation(len(task))[:n].tolist()) for _ in range(DRAWS)]
            found[n] = float(np.mean([task_nll(task, *s) for s in drawn])) - everything
    return found
