"""The level of a task: its accuracy, estimated from what its unlabelled answers look like.

Within a task the per-answer head tells right from wrong; how many are right altogether it cannot tell. That is
learned here *between* tasks (the within-between decomposition of Mundlak, 1978): a ridge logistic regression from what
a few cheap signals of a task's answers are on the whole to its accuracy. With n inputs the estimate is shrunk
towards the training tasks' accuracy by as much as n inputs were worth on tasks left out, and its standard error is how
far it was off on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.head import REACH
from thermolang.calibration.head_training import MIN_GROUPS, fit_logistic, group_folds
from thermolang.calibration.kinds import CHOICE
from thermolang.calibration.posterior import SPREADS, intercept_evidence
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures
    from thermolang.types import FloatArray

SIGNALS = {"self_check": ("self_check", "logprob"), "choice": ("log_odds",)}
"""What is read of each answer. Of a self-check: log-odds of yes at T = 1; natural log of the mean token probability,
NaN if unknown. Of a choice: log-odds of the most probable option at T = 1."""

SUMMARY = 2
"""Numbers that say what a task's signals are on the whole: both means, or the mean and the standard deviation of one.

A model that is as sure of its choices everywhere guesses more than one that is sure of some and unsure of others."""

CANDIDATES = {"self_check": ((1,), (0, 1)), "choice": ((0,), (0, 1))}
"""Columns of the summary that the regression may use; tasks left out decide which."""

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
CONSTANT_PENALTY = 1e-3

SIZES = (1, 3, 10, 30, 100)
"""Numbers of inputs at which shrinkage and error are measured; in between they are interpolated."""

DRAWS = 8
"""Random subsets of each task for each of ``SIZES``."""

COVERAGE = 0.9

WITHIN = 1.35
"""A spread is believed up to the largest whose log-likelihood is so few nats below the best: 95 % one-sided (Wilks)."""


def answer_signals(logits: FloatArray, mean_probability: FloatArray | None) -> FloatArray:
    """The signals of N self-checked answers, shape (N, 2), in the order of ``SIGNALS``.

    Args:
        logits: Shape (N, 2), of yes and no.
        mean_probability: Shape (N,), exp of each answer's mean token log-probability, NaN where unknown; None for all.
    """
    z = np.asarray(logits, dtype=np.float64)
    known = np.full(len(z), np.nan) if mean_probability is None else np.asarray(mean_probability, dtype=np.float64)
    return np.stack([z[:, 0] - z[:, 1], np.log(np.clip(known, 1e-9, 1.0))], axis=1)


def choice_signals(logits: FloatArray) -> FloatArray:
    """The signal of N choices, shape (N, 1), from logits (N, K)."""
    return np.clip(CHOICE.log_odds(CHOICE.check(logits)), -REACH, REACH)[:, None]


def task_signals(task: TaskFeatures) -> FloatArray:
    """``answer_signals`` or ``choice_signals`` of a task's answers."""
    if task.kind.is_choice:
        return choice_signals(task.logits)
    return answer_signals(task.logits, task.signals.get("mean_logprob"))


def summary(signals: FloatArray) -> FloatArray:
    """What signals (N, 2) of self-checks or (N, 1) of choices are on the whole, shape (``SUMMARY``,); N >= 1."""
    return signals.mean(0) if signals.shape[1] == SUMMARY else np.array([signals.mean(), signals.std()])


@dataclass(frozen=True)
class Step:
    """What n inputs of a task are worth.

    Attributes:
        inputs: n.
        weight: How far the estimate goes from the training tasks' accuracy towards the regression's, in [0, 1].
        sd: Standard deviation, in log-odds, of a new task's accuracy around the estimate.
        half_width: Of the interval that covers the accuracy of ``COVERAGE`` of new tasks, in log-odds.
    """

    inputs: int
    weight: float
    sd: float
    half_width: float


@dataclass(frozen=True)
class Estimate:
    """The accuracy of a task, or of one kind of its inputs, as far as they tell.

    Attributes:
        log_odds: Of the accuracy.
        sd: Standard deviation of what it really is around this, in log-odds.
        half_width: Of its interval, in log-odds.
    """

    log_odds: float
    sd: float
    half_width: float

    @property
    def accuracy(self) -> float:
        """In (0, 1)."""
        return float(expit(self.log_odds))


@dataclass(frozen=True)
class Level:
    """From the signals of a task's unlabelled answers to its accuracy.

    Attributes:
        start: Log-odds of the training tasks' accuracy: the estimate before any input.
        coefficients: The constant and a weight for each number of ``summary``, 0 where it is not used.
        steps: Ascending in ``inputs``; the first has none.
    """

    start: float
    coefficients: tuple[float, ...]
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        numbers = [self.start, *self.coefficients]
        numbers += [x for s in self.steps for x in (s.weight, s.sd, s.half_width)]
        if len(self.coefficients) != 1 + SUMMARY or not self.steps or not np.isfinite(numbers).all():
            msg = f"a level needs {1 + SUMMARY} finite coefficients and its steps, got {self}"
            raise InvalidInputError(msg)

    def estimate(self, signals: FloatArray) -> Estimate:
        """The accuracy of a task from its inputs' signals, (n, 2) or (n, 1) as of ``task_signals``; n may be 0.

        Self-checked answers without a log-probability, which tells most, do not count as inputs.
        """
        known = signals[np.isfinite(signals).all(axis=1)]
        weight, sd, half_width = self._at(len(known))
        if not len(known):
            return Estimate(self.start, sd, half_width)
        regressed = self.coefficients[0] + float(summary(known) @ np.array(self.coefficients[1:]))
        return Estimate(self.start + weight * (regressed - self.start), sd, half_width)

    def _at(self, inputs: int) -> tuple[float, float, float]:
        """Weight, sd and half width at a number of inputs: linear in its logarithm between the steps."""
        x = np.log1p([s.inputs for s in self.steps])
        rows = np.array([(s.weight, s.sd, s.half_width) for s in self.steps])
        weight, sd, half_width = (float(np.interp(math.log1p(inputs), x, column)) for column in rows.T)
        return weight, sd, half_width


@dataclass(frozen=True, eq=False)
class _Tasks:
    """Labelled tasks as the regression between tasks sees them: signals (N_k, S) and right (N_k,) of each."""

    signals: list[FloatArray]
    right: list[np.ndarray[Any, Any]]
    weights: FloatArray  # (tasks,), one vote a group

    @property
    def accuracy(self) -> FloatArray:
        """Shape (tasks,)."""
        # Half an answer more right and wrong: a task may have one kind only.
        return np.array([(r.sum() + 0.5) / (len(r) + 1) for r in self.right])

    def start(self, keep: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
        """Log-odds of the mean accuracy of some tasks."""
        return float(logit(np.average(self.accuracy[keep], weights=self.weights[keep])))

    def regression(
        self, keep: np.ndarray[Any, np.dtype[np.bool_]], columns: Sequence[int], penalty: float
    ) -> FloatArray:
        """The constant and the coefficients of the signals' summary that fit some of the tasks, shape (3,)."""
        x = np.stack([summary(s) for s, k in zip(self.signals, keep, strict=True) if k])[:, columns]
        w = self.weights[keep]
        center = np.average(x, axis=0, weights=w)
        scale = np.maximum(np.sqrt(np.average((x - center) ** 2, axis=0, weights=w)), 1e-6)
        design = np.column_stack([np.ones(len(x)), (x - center) / scale])
        penalties = np.array([CONSTANT_PENALTY, *[penalty] * len(columns)])
        b = fit_logistic(design, self.accuracy[keep], penalties, weights=w)
        found = np.zeros(1 + SUMMARY)
        found[1 + np.array(columns)] = b[1:] / scale
        found[0] = b[0] - center @ (b[1:] / scale)
        return found


def fit_level(tasks: Sequence[TaskFeatures], groups: Sequence[str], *, folds: int = 10, seed: int = 0) -> Level | None:
    """Learn how the accuracy of tasks depends on what their answers look like.

    Args:
        tasks: Labelled tasks, all self-checks or all choices.
        groups: For each task its group: groups are left out together, and each has one vote.
        folds: In how many parts groups are left out, to choose the signals and to measure the error.
        seed: Of the parts and of the subsets drawn.

    Returns:
        None if tasks of fewer than three groups have all signals.
    """
    kept = [i for i, s in enumerate(map(task_signals, tasks)) if np.isfinite(s).all(axis=1).any()]
    if len({groups[i] for i in kept}) < MIN_GROUPS:
        return None
    data = _tasks([tasks[i] for i in kept], [groups[i] for i in kept])
    part = np.array(group_folds([groups[i] for i in kept], folds, seed))
    columns, penalty = _chosen(data, part, CANDIDATES[tasks[0].kind.name])
    everything = np.ones(len(part), dtype=bool)
    steps = _steps(data, part, columns, penalty, np.random.default_rng([seed, 11]))
    coefficients = data.regression(everything, columns, penalty)
    return Level(data.start(everything), tuple(coefficients.tolist()), steps)


def _tasks(tasks: Sequence[TaskFeatures], groups: Sequence[str]) -> _Tasks:
    signals, right = [], []
    for task in tasks:
        found = task_signals(task)
        known = np.isfinite(found).all(axis=1)
        signals.append(found[known])
        right.append(task.right[known])
    _, number, size = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return _Tasks(signals, right, 1.0 / size[number])


def _chosen(
    data: _Tasks, part: np.ndarray[Any, Any], columns: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], float]:
    """Columns and penalty with the lowest NLL of the left-out tasks' accuracies, one vote a group."""
    x = np.stack([summary(s) for s in data.signals])

    def loss(candidate: tuple[tuple[int, ...], float]) -> float:
        odds = np.empty(len(part))
        for fold in np.unique(part):
            out = part == fold
            constant, *weights = data.regression(~out, *candidate)
            odds[out] = constant + x[out] @ np.array(weights)
        return _nll(odds, data)

    return min(((c, p) for c in columns for p in PENALTIES), key=loss)


def _nll(odds: FloatArray, data: _Tasks) -> float:
    """Mean NLL of the tasks' accuracies under log-odds (tasks,), one vote a group."""
    return float(np.average(np.logaddexp(0, odds) - data.accuracy * odds, weights=data.weights))


def _steps(
    data: _Tasks, part: np.ndarray[Any, Any], columns: Sequence[int], penalty: float, rng: np.random.Generator
) -> tuple[Step, ...]:
    """What 0, 1, 3, ... inputs are worth, measured on each task by the regression without its part."""
    parts = np.unique(part)
    start = np.array([{p: data.start(part != p) for p in parts}[q] for q in part])
    regressions = {p: data.regression(part != p, columns, penalty) for p in parts}
    steps = [_step(data, 0, start[:, None], start)]
    for size in SIZES:
        regressed = np.empty((len(part), DRAWS))
        for k, signals in enumerate(data.signals):
            constant, *weights = regressions[part[k]]
            for j in range(DRAWS):
                drawn = signals[rng.permutation(len(signals))[:size]]
                regressed[k, j] = constant + summary(drawn) @ np.array(weights)
        steps.append(_step(data, size, regressed, start))
    return tuple(steps)


def _step(data: _Tasks, inputs: int, regressed: FloatArray, start: FloatArray) -> Step:
    """Weight, sd and half width for the regression's log-odds (tasks, draws) and log-odds without inputs (tasks,)."""

    def shrunk(weight: float) -> FloatArray:
        return np.asarray(start[:, None] + weight * (regressed - start[:, None]))

    grid = np.linspace(0.0, 1.0, 21) if inputs else np.zeros(1)
    weight = float(min(grid, key=lambda w: np.mean([_nll(odds, data) for odds in shrunk(w).T])))
    odds = shrunk(weight)
    sd = _spread(odds[:, 0], data)
    p = expit(odds)
    # The accuracy of N answers has a standard error of its own, which is no fault of the estimate.
    noise = 1.0 / (np.array([len(r) for r in data.right])[:, None] * p * (1 - p))
    errors = np.abs(logit(data.accuracy)[:, None] - odds) / np.sqrt(sd**2 + noise)
    votes = np.broadcast_to(data.weights[:, None], errors.shape)
    return Step(inputs, weight, sd, sd * _upper_quantile(errors.ravel(), votes.ravel(), float(data.weights.sum())))


def _spread(odds: FloatArray, data: _Tasks) -> float:
    """The largest standard deviation of the tasks' accuracies around log-odds (tasks,) that is still believable.

    A few dozen tasks do not tell the spread well, and an interval from too small a one would promise too much.
    """
    taus = np.geomspace(*SPREADS, 60)
    constant = [np.full(len(r), o) for r, o in zip(data.right, odds, strict=True)]
    total = data.weights @ intercept_evidence(constant, data.right)(taus)
    return float(taus[total >= total.max() - WITHIN][-1])


def _upper_quantile(errors: FloatArray, votes: FloatArray, groups: float) -> float:
    """The error that a new one exceeds with probability 1 - ``COVERAGE`` (split conformal prediction; Vovk, 2005)."""
    order = np.argsort(errors)
    # The new group counts among the exchangeable ones.
    reached = np.cumsum(votes[order]) / votes.sum() >= min(COVERAGE * (groups + 1) / groups, 1.0)
    return float(errors[order][int(np.argmax(reached))]) if reached.any() else float(errors.max())
