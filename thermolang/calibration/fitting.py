"""From labelled tasks to a usable fit: the network, and how far it is off on tasks it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermolang.calibration.support import Support
from thermolang.calibration.thermometer import Thermometer, choice_probabilities, self_check_probability
from thermolang.calibration.training import TaskFeatures, TrainingConfig, leave_one_out, train
from thermolang.errors import NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

MIN_TASKS = 3
LEVEL = 0.9


@dataclass(frozen=True)
class Prior:
    """What is known about a new task before its first input, from tasks left out in training.

    Attributes:
        inverse_temperature: Mean 1/T over the left-out tasks.
        bias: Mean bias, in log-odds; 0 for choices.
        inputs: How many of a task's own inputs weigh as much as this prior.
        half_width: Half width, in log-odds, of the 90 % predictive interval of a task's accuracy.
        base_rate: Mean accuracy of the training tasks.
        tasks: Number of training tasks.
    """

    inverse_temperature: float
    bias: float
    inputs: float
    half_width: float
    base_rate: float
    tasks: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained Thermometer for one kind of reading, with its prior and its support."""

    network: Thermometer
    prior: Prior
    support: Support


def fit(
    tasks: Sequence[TaskFeatures],
    config: TrainingConfig,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Fit:
    """Train on all tasks, and on all but one in turn to learn how far a new task is off.

    Args:
        tasks: Labelled features of at least three tasks.
        config: See ``TrainingConfig``; ``config.bias`` says whether these are self-checks.
        progress: Called with (step, steps).

    Raises:
        NotEnoughDataError: Fewer than three tasks.
    """
    if len(tasks) < MIN_TASKS:
        msg = f"a calibrator needs at least {MIN_TASKS} tasks of one kind, got {len(tasks)}: {[t.name for t in tasks]}"
        raise NotEnoughDataError(msg)
    folds = [list(range(len(tasks))), *leave_one_out(len(tasks))]
    network, *left_out = train(tasks, folds, config, progress=progress)
    readings = [n.predict(t.hidden) for n, t in zip(left_out, tasks, strict=True)]
    return Fit(network, _prior(tasks, readings, bias=config.bias), Support.fit([t.hidden for t in tasks]))


def probability_right(logits: FloatArray, inverse_temperature: float, bias: float, *, self_check: bool) -> FloatArray:
    """P(the given answer is right), shape (N,), from logits (N, K)."""
    if self_check:
        return self_check_probability(logits, inverse_temperature, bias)
    return np.asarray(choice_probabilities(logits, inverse_temperature).max(-1))


def _prior(tasks: Sequence[TaskFeatures], readings: Sequence[tuple[FloatArray, FloatArray]], *, bias: bool) -> Prior:
    means = np.array([[s.mean(), b.mean()] for s, b in readings])  # (tasks, 2)
    rights = [(t.labels == 0) if bias else t.right for t in tasks]
    misses = []
    for task, (s, b), right in zip(tasks, means, rights, strict=True):
        expected = probability_right(task.logits, s, b, self_check=bias).mean()
        accuracy = (right.sum() + 0.5) / (len(right) + 1)  # Jeffreys: no infinite log-odds at 0 or 1
        misses.append(abs(_log_odds(float(accuracy)) - _log_odds(float(expected))))
    return Prior(
        inverse_temperature=float(means[:, 0].mean()),
        bias=float(means[:, 1].mean()),
        inputs=_prior_inputs([s for s, _ in readings]),
        half_width=_conformal_quantile(misses),
        base_rate=float(np.mean([r.mean() for r in rights])),
        tasks=len(tasks),
    )


def _prior_inputs(inverse: Sequence[FloatArray]) -> float:
    """Variance within a task over variance between tasks: how many inputs outweigh the prior (Robbins, 1956)."""
    within = float(np.mean([s.var() for s in inverse]))
    between = float(np.var([s.mean() for s in inverse]))
    return float(np.clip(within / max(between, 1e-12), 0.0, 100.0))


def _conformal_quantile(misses: Sequence[float]) -> float:
    """Smallest half width that covers a new exchangeable task with probability LEVEL (Vovk et al., 2005).

    With fewer than nine tasks no finite width has that guarantee; the largest miss is taken.
    """
    rank = math.ceil((len(misses) + 1) * LEVEL)
    return float(sorted(misses)[min(rank, len(misses)) - 1])


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))
