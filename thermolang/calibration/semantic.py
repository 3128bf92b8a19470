"""P(the meaning of an answer is right), from how often sampled answers mean the same and from the self-check.

log-odds(right) = c + w . features + u_task, u_task ~ N(0, tau^2): a ridge logistic regression with a random intercept
for each training task. Each number of samples in ``ROUNDS`` has a regression of its own, because agreement among few
samples says less than agreement among many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.fit import conformal_quantile, log_odds_error
from thermolang.calibration.head_training import fit_logistic, group_folds
from thermolang.calibration.metrics import auroc
from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

ROUNDS = (2, 4, 8)
"""Numbers of samples after which an adaptive confidence is looked at."""

SEMANTIC_FEATURES = ("self_check", "share", "entropy", "lead", "logprob")

SPREADS = (5.0, 1.0, 0.5)
"""Prior standard deviations, in log-odds: of the constant, of what a feature one deviation high adds, of u_task."""

REACHES = (2.0, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25)
LOSS = 0.01
"""AUROC that stopping early may cost on left-out training tasks."""

MIN_GROUPS = 2


@dataclass(frozen=True, eq=False)
class Evidence:
    """How far N sampled answers to each of M questions agree with the given answer.

    Attributes:
        samples: N.
        share: Shape (M,), share of the samples that mean what the given answer means, in [0, 1].
        entropy: Shape (M,), semantic entropy over log N, in [0, 1].
        lead: Shape (M,), ``share`` minus the largest share of another meaning, in [-1, 1].
    """

    samples: int
    share: FloatArray
    entropy: FloatArray
    lead: FloatArray


@dataclass(frozen=True, eq=False)
class SampledTask:
    """A labelled task with samples.

    Attributes:
        group: Tasks of one group are left out together.
        right: Shape (M,), whether the given answer is right.
        self_check: Shape (M,), calibrated log-odds of the self-check; of a training task out of fold.
        logprob: Shape (M,), exp of the answer's mean token log-probability, in [0, 1]; NaN where unknown.
        rounds: Evidence by number of samples, for each of ``ROUNDS``.
    """

    group: str
    right: np.ndarray[Any, np.dtype[np.bool_]]
    self_check: FloatArray
    logprob: FloatArray
    rounds: Mapping[int, Evidence]


@dataclass(frozen=True)
class SemanticFit:
    """What was learned about the meanings of a model's answers.

    Attributes:
        coefficients: For each number of samples the constant and one weight for each of ``SEMANTIC_FEATURES``; for 0
            samples the weights of agreement are 0.
        logprob: Stands for an unknown log-probability: the training tasks' mean.
        spreads: For each number of samples below the last, 0 among them, how far the log-odds still moves until the
            last: standard deviation on left-out tasks.
        reach: How many such deviations from the threshold a log-odds must be to be final.
        half_width: Of the predictive interval, in log-odds.
        base_rate: Mean accuracy of the training tasks.
        tasks: Number of training tasks.
    """

    coefficients: Mapping[int, tuple[float, ...]]
    logprob: float
    spreads: Mapping[int, float]
    reach: float
    half_width: float
    base_rate: float
    tasks: int

    def log_odds(self, evidence: Evidence, self_check: FloatArray, logprob: FloatArray) -> FloatArray:
        """Log-odds that each of M answers is right.

        Args:
            evidence: Of any number of samples; with few, the coefficients of few are used.
            self_check: Shape (M,), calibrated log-odds of the self-check.
            logprob: Shape (M,), in [0, 1]; NaN where unknown.

        Raises:
            InvalidInputError: Numbers are missing or not finite.
        """
        # Those of 0 samples know no agreement, so a single sample is weighted like two.
        size = max(n for n in self.coefficients if n <= max(evidence.samples, ROUNDS[0]))
        known = np.where(np.isnan(logprob), self.logprob, logprob)
        constant, *weights = self.coefficients[size]
        # A sum over the last axis, unlike a matrix product, does not depend on which other answers there are.
        return np.asarray(constant + (semantic_features(evidence, self_check, known) * np.array(weights)).sum(-1))

    def alone(self, self_check: FloatArray, logprob: FloatArray) -> FloatArray:
        """Log-odds that each of M answers is right before anything is sampled, on the same scale as ``log_odds``."""
        constant, of_check, *_, of_logprob = self.coefficients[0]
        known = np.where(np.isnan(logprob), self.logprob, logprob)
        return np.asarray(constant + of_check * np.asarray(self_check) + of_logprob * known)

    def is_final(self, log_odds: FloatArray, samples: int, threshold: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether more samples would hardly move an answer across a threshold."""
        if samples >= ROUNDS[-1]:
            return np.ones(np.shape(log_odds), dtype=bool)
        size = max(n for n in self.spreads if n <= samples)
        level = float(logit(np.clip(threshold, 1e-6, 1 - 1e-6)))
        return np.asarray(np.abs(np.asarray(log_odds) - level) > self.reach * self.spreads[size])

    def __post_init__(self) -> None:
        numbers = [x for row in self.coefficients.values() for x in row]
        numbers += [*self.spreads.values(), self.logprob, self.half_width]
        sizes = {len(row) for row in self.coefficients.values()}
        known = {0, *ROUNDS} <= set(self.coefficients) and {0, *ROUNDS[:-1]} <= set(self.spreads)
        if sizes != {1 + len(SEMANTIC_FEATURES)} or not known or not np.isfinite(numbers).all():
            msg = "a fit of meanings is not usable: it needs finite coefficients and spreads for each number of samples"
            raise InvalidInputError(msg)


def semantic_features(evidence: Evidence, self_check: FloatArray, logprob: FloatArray) -> FloatArray:
    """The features of M answers, shape (M, 5), in the order of ``SEMANTIC_FEATURES``.

    A share k / N counts as the log-odds of (k + 1/2) / (N + 1): two samples that agree count for less than eight.

    Raises:
        InvalidInputError: A number is not finite, or fewer than one sample.
    """
    n = evidence.samples
    if n < 1:
        msg = "a share needs at least 1 sample, got 0"
        raise InvalidInputError(msg)
    share = logit((evidence.share * n + 0.5) / (n + 1))
    found = np.stack([self_check, share, evidence.entropy, evidence.lead, np.asarray(logprob)], axis=-1)
    if not np.isfinite(found).all():
        bad = [name for name, ok in zip(SEMANTIC_FEATURES, np.isfinite(found).all(axis=0), strict=True) if not ok]
        msg = f"the features of a meaning must be finite, but {bad} are not"
        raise InvalidInputError(msg)
    return np.asarray(found, dtype=np.float64)


def fit_semantic(tasks: Sequence[SampledTask]) -> SemanticFit:
    """Learn from labelled tasks how far agreement among samples tells right from wrong.

    Args:
        tasks: Labelled tasks of at least two groups.

    Raises:
        NotEnoughDataError: Fewer than two groups.
    """
    groups = [t.group for t in tasks]
    if len(set(groups)) < MIN_GROUPS:
        msg = f"a fit of meanings needs tasks of at least {MIN_GROUPS} groups, got {sorted(set(groups))}"
        raise NotEnoughDataError(msg)
    known = np.concatenate([t.logprob[np.isfinite(t.logprob)] for t in tasks])
    typical = float(known.mean()) if len(known) else 0.5
    # As many folds as groups: each group is left out alone.
    folds = group_folds(groups, len(set(groups)), seed=0)
    left_out = _left_out(tasks, folds, typical)
    spreads = {n: _spread(left_out[n], left_out[ROUNDS[-1]]) for n in (0, *ROUNDS[:-1])}
    fit = SemanticFit(
        coefficients={
            n: _coefficients([_features(t, n, typical) for t in tasks], [t.right for t in tasks]) for n in (0, *ROUNDS)
        },
        logprob=typical,
        spreads=spreads,
        reach=REACHES[0],
        half_width=conformal_quantile(
            [log_odds_error(t.right, expit(o)) for t, o in zip(tasks, left_out[ROUNDS[-1]], strict=True)]
        ),
        base_rate=float(np.mean([t.right.mean() for t in tasks])),
        tasks=len(tasks),
    )
    return _with_reach(fit, tasks, left_out)


def adaptive(
    fit: SemanticFit, rounds: Sequence[FloatArray], threshold: float
) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.int64]]]:
    """What an adaptive confidence ends with, given the log-odds that each further round of samples would give.

    Args:
        fit: What was learned.
        rounds: Log-odds (M,) after 0 samples and after each of ``ROUNDS``.
        threshold: Of the decision, in (0, 1).

    Returns:
        The log-odds (M,) at the first round that is final, and how many samples that took, (M,).
    """
    sizes = (0, *ROUNDS)
    odds, used = np.array(rounds[0], dtype=np.float64), np.zeros(len(rounds[0]), dtype=np.int64)
    going = ~fit.is_final(odds, 0, threshold)
    for size, found in zip(sizes[1:], rounds[1:], strict=True):
        odds[going], used[going] = np.asarray(found)[going], size
        going &= ~fit.is_final(odds, size, threshold)
    return odds, used


def _with_reach(
    fit: SemanticFit, tasks: Sequence[SampledTask], left_out: Mapping[int, Sequence[FloatArray]]
) -> SemanticFit:
    """The fit with the shortest reach that costs hardly any AUROC on left-out training tasks."""
    rights = [t.right for t in tasks]
    full = _mean_auroc(left_out[ROUNDS[-1]], rights)
    best = fit
    for reach in REACHES:
        candidate = replace(fit, reach=reach)
        found = [
            adaptive(candidate, [left_out[n][i] for n in (0, *ROUNDS)], fit.base_rate)[0] for i in range(len(tasks))
        ]
        # Even shorter reaches stop even earlier, so the search ends here.
        if _mean_auroc(found, rights) < full - LOSS:
            break
        best = candidate
    return best


def _mean_auroc(odds: Sequence[FloatArray], rights: Sequence[np.ndarray[Any, Any]]) -> float:
    found = np.array([auroc(expit(o), r) for o, r in zip(odds, rights, strict=True)])
    return float(np.nanmean(found)) if np.isfinite(found).any() else 0.0


def _left_out(tasks: Sequence[SampledTask], folds: Sequence[int], typical: float) -> dict[int, list[FloatArray]]:
    """For each number of samples, every task's log-odds by the coefficients of the other folds."""
    found: dict[int, list[FloatArray]] = {}
    for n in (0, *ROUNDS):
        features = [_features(t, n, typical) for t in tasks]
        rows = {}
        for fold in set(folds):
            others = [i for i, f in enumerate(folds) if f != fold]
            rows[fold] = np.array(_coefficients([features[i] for i in others], [tasks[i].right for i in others]))
        # Features c are (M, 5) and a row is the constant and 5 weights.
        found[n] = [rows[f][0] + c @ rows[f][1:] for f, c in zip(folds, features, strict=True)]
    return found


def _features(task: SampledTask, n: int, typical: float) -> FloatArray:
    known = np.where(np.isnan(task.logprob), typical, task.logprob)
    if n == 0:  # nothing is known of agreement: constant columns get no weight
        nothing = np.zeros(len(known))
        return np.stack([task.self_check, nothing, nothing, nothing, known], axis=-1)
    return semantic_features(task.rounds[n], task.self_check, known)


def _coefficients(features: Sequence[FloatArray], rights: Sequence[np.ndarray[Any, Any]]) -> tuple[float, ...]:
    """Constant and weights of the ridge regression with a random intercept for each task."""
    x, y = np.concatenate(features), np.concatenate(rights)
    center, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    tasks = np.repeat(np.eye(len(features)), [len(c) for c in features], axis=0)
    # (N, 1 + 5 + tasks), N the answers of all tasks.
    columns = np.concatenate([np.ones((len(x), 1)), (x - center) / scale, tasks], axis=1)
    wide = np.repeat(SPREADS, [1, x.shape[1], len(features)])
    b = fit_logistic(columns, y, 1 / wide**2)
    # Back to the features as they are; the training tasks' intercepts are dropped.
    weights = b[1 : 1 + x.shape[1]] / scale
    return (float(b[0] - weights @ center), *map(float, weights))


def _spread(now: Sequence[FloatArray], later: Sequence[FloatArray]) -> float:
    return float(np.concatenate([b - a for a, b in zip(now, later, strict=True)]).std())
