"""A probe: P(right) from the hidden state alone, learned from labels, from agreement, or from both in turn.

Agreement needs no labels: the share of sampled answers that mean what the answer means. A probe that starts from one
fitted to agreement needs fewer labels (EliCal; arXiv 2510.17509).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.head import Hyperparameters
from thermolang.calibration.head_training import (
    Answers,
    HeadConfig,
    Regression,
    group_folds,
    group_means,
    leaving_out,
    task_groups,
)
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray


@dataclass(frozen=True, eq=False)
class Probe:
    """Logistic regression on hidden states, pooled over tasks (as in Azaria & Mitchell, 2023, and Kapoor et al., 2024).

    Attributes:
        constant: Log-odds where the hidden state is 0.
        weights: Shape (d,).
        hyperparameters: What was chosen.
    """

    constant: float
    weights: FloatArray
    hyperparameters: Hyperparameters

    def log_odds(self, hidden: FloatArray) -> FloatArray:
        """Log-odds of a right answer from hidden states (N, d), shape (N,).

        Raises:
            InvalidInputError: The shape does not fit, or a number is not finite.
        """
        h = np.asarray(hidden, dtype=np.float64)
        if h.ndim != 2 or h.shape[1] != len(self.weights) or not np.isfinite(h).all():
            finite = np.isfinite(h).all()
            msg = f"hidden states must be finite and (N, {len(self.weights)}), got {h.shape}, finite: {finite}"
            raise InvalidInputError(msg)
        return np.asarray(self.constant + (h * self.weights).sum(1))

    def predict(self, hidden: FloatArray) -> FloatArray:
        """P(right) from hidden states (N, d), shape (N,); errors as ``log_odds``."""
        return np.asarray(expit(self.log_odds(hidden)))


def fit_probe(
    tasks: Sequence[TaskFeatures],
    groups: Sequence[str] | None = None,
    *,
    agreement: bool = False,
    start: Probe | None = None,
    config: HeadConfig | None = None,
) -> Probe:
    """Fit a probe; components and ridge have the lowest NLL on left-out tasks, mean over groups.

    Args:
        tasks: Labelled tasks; for ``agreement`` with the signal ``share`` of ``training.samples.with_samples``.
        groups: For each task its group, left out together; by default as the tasks say.
        agreement: Fit the share of sampled answers that mean what the answer means, and look at no label. Answers that
            were not sampled take no part.
        start: A probe to start from: the fit is shrunk towards it and not towards the base rate.
        config: Candidates, folds and seed; its features are not used.

    Raises:
        NotEnoughDataError: Tasks of fewer than three groups.
        InvalidInputError: Tasks and groups do not fit together, or there are no sampled answers.
    """
    config = config or HeadConfig()
    tasks = [_sampled(t) for t in tasks] if agreement else tasks
    names = task_groups(tasks, groups)
    answers = [_answers(t, t.signals["share"] if agreement else t.right, start) for t in tasks]
    left_out = leaving_out(answers, group_folds(names, config.folds, config.seed), max(config.components), None)

    def loss(hyperparameters: Hyperparameters) -> float:
        pairs = zip(left_out(hyperparameters), answers, strict=True)
        return float(group_means(np.array([(np.logaddexp(0, o) - a.right * o).mean() for o, a in pairs]), names).mean())

    candidates = [
        Hyperparameters(components=r, hidden_spread=s) for r in config.components for s in config.hidden_spreads
    ]
    best = min([Hyperparameters(), *candidates] if start else candidates, key=loss)
    line = Regression(answers, max(config.components), None).fit(best)
    constant, weights = (start.constant, start.weights) if start else (0.0, 0.0)
    return Probe(line.constant + constant, line.hidden + weights, best)


def _answers(task: TaskFeatures, target: np.ndarray[Any, Any], start: Probe | None) -> Answers:
    offset = start.log_odds(task.hidden) if start else np.zeros(len(task))
    return Answers(task.hidden, target, offset, np.zeros((len(task), 0)))


def _sampled(task: TaskFeatures) -> TaskFeatures:
    """The answers of a task that were sampled."""
    known = np.flatnonzero(np.isfinite(task.signals.get("share", np.full(len(task), np.nan))))
    if len(known) < 2:
        msg = f"task {task.name!r} has {len(known)} answers with samples; collect it with --samples 8"
        raise InvalidInputError(msg)
    return task.take(known)
