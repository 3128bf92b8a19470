"""The probe baseline: is the answer right, from the frozen hidden state alone?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from thermolang.calibration.head_fitting import HeadConfig, task_groups
from thermolang.calibration.regression import Answers, Recipe, Regression, group_folds, group_means, leaving_out
from thermolang.calibration.task import TaskFeatures
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray


@dataclass(frozen=True, eq=False)
class Probe:
    """Logistic regression on hidden states, pooled over tasks (as in Azaria & Mitchell, 2023, and Kapoor et al., 2024).

    Attributes:
        constant: Log-odds where the hidden state is 0.
        weights: Shape (d,).
        recipe: What was chosen.
    """

    constant: float
    weights: FloatArray
    recipe: Recipe

    def predict(self, hidden: FloatArray) -> FloatArray:
        """P(right) from hidden states (N, d), shape (N,).

        Raises:
            InvalidInputError: The shape does not fit, or a number is not finite.
        """
        h = np.asarray(hidden, dtype=np.float64)
        if h.ndim != 2 or h.shape[1] != len(self.weights) or not np.isfinite(h).all():
            finite = np.isfinite(h).all()
            msg = f"hidden states must be finite and (N, {len(self.weights)}), got {h.shape}, finite: {finite}"
            raise InvalidInputError(msg)
        return np.asarray(expit(self.constant + (h * self.weights).sum(1)))


def fit_probe(
    tasks: Sequence[TaskFeatures], groups: Sequence[str] | None = None, *, config: HeadConfig | None = None
) -> Probe:
    """Fit a probe; components and ridge have the lowest NLL on left-out tasks, mean over groups.

    Args:
        tasks: Labelled tasks.
        groups: For each task its group, left out together; by default as the tasks say.
        config: Candidates, folds and seed; its cues are not used.

    Raises:
        NotEnoughDataError: Tasks of fewer than three groups.
        InvalidInputError: Tasks and groups do not fit together.
    """
    config = config or HeadConfig()
    names = task_groups(tasks, groups)
    answers = [Answers(t.hidden, t.right, np.zeros(len(t)), np.zeros((len(t), 0))) for t in tasks]
    left_out = leaving_out(answers, group_folds(names, config.folds, config.seed), max(config.components), None)

    def loss(recipe: Recipe) -> float:
        odds = left_out(recipe)
        nll = [np.logaddexp(0, np.where(a.right, -o, o)).mean() for o, a in zip(odds, answers, strict=True)]
        return float(group_means(np.array(nll), names).mean())

    best = min(
        (Recipe(components=r, hidden_spread=s) for r in config.components for s in config.hidden_spreads), key=loss
    )
    line = Regression(answers, best.components, None).fit(best)
    return Probe(line.constant, line.hidden, best)
