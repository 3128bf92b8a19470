"""A task's temperature and bias, or the random intercept of its head, after a few verdicts.

The prior is centred on what the Thermometer predicts for the task; verdicts move it by Bayes' rule. It mixes a learned
normal distribution with a wider one, so that a task unlike the training tasks is recognised after about ten verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import pchip_interpolate
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, log_expit, logit, logsumexp
from scipy.stats import norm

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.kinds import SELF_CHECK, AnswerKind
from thermolang.calibration.temperature import (
    LARGEST_SPREAD,
    SMALLEST_SPREAD,
    answer_log_odds,
    laplace,
    largest_evidence,
    log_scale,
    prior_factor,
    softplus,
    verdict_likelihood,
)
from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.types import FloatArray

STEPS = np.linspace(-6.0, 6.0, 25)
"""Nodes of a dimension, in posterior standard deviations: the trapezoidal rule is exact to about 1e-8 with them."""

LARGEST_CORRELATION = 0.95
BIAS_GAIN = 2.0
"""Nats of marginal likelihood that a bias of choices must bring, one for each parameter it adds (Akaike, 1974)."""

EDGE = 1e-9
"""A mean is kept this far from 0 and 1, where only an infinite intercept would do."""

SPREADS = (0.05, 3.0)
"""Within which the spread of tasks' intercepts is looked for, in log-odds."""

DOUBT = 0.2
"""Prior probability that a task is not of the training tasks' kind."""

WIDE = (1.0, 2.0)
"""Standard deviations of log T and of the bias in the wide component; a choice whose prior has no bias gets none."""


@dataclass(frozen=True)
class VerdictPrior:
    """How far a task's own (log T, bias) lies from what was predicted for it.

    Attributes:
        sd_log_temperature: Standard deviation of log T, above 0.
        sd_bias: Standard deviation of the bias in log-odds; 0 if tasks have no bias of their own.
        correlation: Between the two, in (-1, 1).
    """

    sd_log_temperature: float
    sd_bias: float = 0.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if not (self.sd_log_temperature > 0 and self.sd_bias >= 0 and abs(self.correlation) < 1):
            msg = f"expected standard deviations > 0 and >= 0 and a correlation within -1 and 1, got {self}"
            raise InvalidInputError(msg)


def fit_verdict_prior(tasks: Sequence[TaskFeatures], centres: Sequence[Scale]) -> VerdictPrior:
    """Learn the prior from labelled tasks and from what was predicted for each of them without its labels.

    Empirical Bayes: the prior under which the verdicts on all tasks are likeliest, each task's own temperature
    and bias integrated out by Laplace's approximation. Self-checks get a bias; choices only if it raises the log
    marginal likelihood by more than ``BIAS_GAIN``.

    Args:
        tasks: At least two, all choices or all self-checks.
        centres: The scale of each task, out of fold: predicted by a network that has not seen the task.

    Raises:
        NotEnoughDataError: Fewer than two tasks.
        InvalidInputError: Choices and self-checks together, or not one centre for each task.
    """
    kinds = {t.kind for t in tasks}
    if len(kinds) > 1:
        msg = "a prior is for choices or for self-checks; these tasks are of both kinds"
        raise InvalidInputError(msg)
    means = log_scale(centres, len(tasks))
    likelihoods = [verdict_likelihood(t.logits, t.right, t.kind) for t in tasks]
    sd = (float(np.log(SMALLEST_SPREAD)), float(np.log(LARGEST_SPREAD)))
    rho = (-float(np.arctanh(LARGEST_CORRELATION)), float(np.arctanh(LARGEST_CORRELATION)))
    # Without a bias first: the search with one starts from there and must beat that evidence.
    small, without = largest_evidence(likelihoods, means, lambda x: prior_factor(*np.exp(x)), [np.log(0.3)], [sd])

    # Logarithms and artanh leave the search with no constraint but its bounds.
    def prior(x: FloatArray) -> VerdictPrior:
        return VerdictPrior(float(np.exp(x[0])), float(np.exp(x[1])), float(np.tanh(x[2])))

    def factor(x: FloatArray) -> FloatArray:
        return _factor(prior(x))

    start = [float(small[0]), float(np.log(0.3)), 0.0]
    large, with_bias = largest_evidence(likelihoods, means, factor, start, [sd, sd, rho])
    if SELF_CHECK in kinds or with_bias > without + BIAS_GAIN:
        return prior(large)
    return VerdictPrior(float(np.exp(small[0])))


@dataclass(frozen=True, eq=False)
class Posterior:
    """What is known of a task's (log T, bias) after verdicts, on a grid; calling code needs no more than ``predict``.

    Attributes:
        log_temperature: Shape (G,).
        bias: Shape (G, H), in log-odds; H = 1 if the bias is known.
        weights: Shape (G, H), the probability of each node; they sum to 1.
        log_evidence: Log probability, in nats, of all verdicts together before any was seen.
        kind: Of the task's answers.
    """

    log_temperature: FloatArray = field(repr=False)
    bias: FloatArray = field(repr=False)
    weights: FloatArray = field(repr=False)
    log_evidence: float
    kind: AnswerKind

    @property
    def mean(self) -> Scale:
        """1/T at the mean of log T, and the mean bias."""
        log_t = float(self.weights.sum(1) @ self.log_temperature)
        return Scale(float(np.exp(-log_t)), float((self.weights * self.bias).sum()))

    def interval(self, level: float = 0.9) -> tuple[tuple[float, float], tuple[float, float]]:
        """Central credible intervals of 1/T and of the bias, (lower, upper) each, for a level in (0, 1)."""
        if not 0 < level < 1:
            msg = f"level must be between 0 and 1, not {level}"
            raise InvalidInputError(msg)
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        # 1/T falls as log T rises, so the tails change places.
        inverse = np.exp(-_quantiles(self.log_temperature[None], self.weights.sum(1)[None], tails[::-1]))
        known = self.bias.shape[1] == 1
        bias = np.full(2, self.bias[0, 0]) if known else _quantiles(self.bias, self.weights, tails)
        return (float(inverse[0]), float(inverse[1])), (float(bias[0]), float(bias[1]))

    def predict(self, logits: FloatArray) -> FloatArray:
        """P(the given answer is right), shape (M,), of items with logits (M, K): the mean over the posterior.

        Unlike P at the mean temperature, it becomes less certain the less is known of the task.
        """
        odds, _ = answer_log_odds(self.kind.gaps(self.kind.check(logits)), np.exp(-self.log_temperature))  # (G, M)
        # One row of T at a time: the whole cube (G, H, M) would be gigabytes for a long list of items.
        rows = (w @ expit(o + b[:, None]) for w, b, o in zip(self.weights, self.bias, odds, strict=True))
        return np.asarray(sum(rows))

    def accuracy_moments(self, logits: FloatArray) -> tuple[float, float]:
        """Mean and mean square of the log-odds of the accuracy that items with logits (M, K) have together."""
        odds, _ = answer_log_odds(self.kind.gaps(self.kind.check(logits)), np.exp(-self.log_temperature))  # (G, M)
        accuracy = np.stack([expit(o + b[:, None]).mean(1) for o, b in zip(odds, self.bias, strict=True)])  # (G, H)
        log_odds = logit(np.clip(accuracy, 1e-12, 1 - 1e-12))
        return float((self.weights * log_odds).sum()), float((self.weights * log_odds**2).sum())


def posterior(
    prior: VerdictPrior,
    centre: Scale,
    logits: FloatArray,
    right: np.ndarray[Any, Any] | Sequence[bool],
    kind: AnswerKind,
) -> Posterior:
    """Bayes' rule for n verdicts, in a few milliseconds for a hundred.

    Args:
        prior: Of tasks of this kind.
        centre: The scale that the Thermometer predicts for this task.
        logits: Shape (n, K), of the answers with a verdict; n may be 0.
        right: Shape (n,), the verdicts; their order does not matter.
        kind: Of the answers.

    Raises:
        InvalidInputError: Logits that are not finite or not (n, K >= 2), or not one verdict of 0 or 1 for each.
    """
    gaps, r = kind.gaps(kind.check(logits)), np.asarray(right, dtype=np.float64)
    if r.shape != gaps.shape[:1] or not np.isin(r, (0, 1)).all():
        msg = f"expected a verdict of 0 or 1 (False or True) for each of {len(gaps)} answers, got shape {r.shape}"
        raise InvalidInputError(msg)
    mean, factor = log_scale(centre, 1)[0], _factor(prior)
    found = laplace(verdict_likelihood(logits, r, kind), mean, factor)
    log_t, bias, log_weights = _grid(found.mode, found.precision, mean, factor)
    odds, _ = answer_log_odds(gaps, np.exp(-log_t))  # (G, n)
    for row, (o, b) in enumerate(zip(odds, bias, strict=True)):
        at = o + b[:, None]  # (H, n)
        log_weights[row] += (r * at - softplus(at)).sum(1)
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    return Posterior(log_t, bias, weights / weights.sum(), float(top + np.log(weights.sum())), kind)


def _factor(prior: VerdictPrior) -> FloatArray:
    return prior_factor(prior.sd_log_temperature, prior.sd_bias, prior.correlation)


def _grid(
    mode: FloatArray, precision: FloatArray, mean: FloatArray, factor: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes around the mode, log T (G,) and bias (G, H), and the log prior mass of each node's cell (G, H).

    A grid that stood around the prior would have a whole posterior of many verdicts between two nodes.
    """
    scale = np.linalg.cholesky(np.linalg.inv(precision))  # (d, d)
    axes = np.meshgrid(*[STEPS] * len(mode), indexing="ij")
    # v is (d, G, H) and x is (2, G, H), with H = 1 where d = 1.
    v = mode[:, None, None] + np.tensordot(scale, np.stack([a.reshape(len(STEPS), -1) for a in axes]), axes=1)
    x = mean[:, None, None] + np.tensordot(factor, v, axes=1)
    # The log of a cell's volume in v: the determinant of a triangular matrix is the product of its diagonal.
    cell = len(mode) * np.log(STEPS[1] - STEPS[0]) + float(np.log(np.diag(scale)).sum())
    density = -(v**2).sum(0) / 2 - len(mode) * np.log(2 * np.pi) / 2
    # Both matrices are lower triangular, so log T does not change along the second axis.
    return x[0, :, 0], x[1], density + cell


def _quantiles(values: FloatArray, weights: FloatArray, levels: FloatArray) -> FloatArray:
    """Quantiles of a distribution on rows of evenly spaced nodes (G, H), each the middle of a cell."""
    half = (values[:, 1:2] - values[:, :1]) / 2
    edges = np.concatenate([values[:, :1] - half, values + half], axis=1)
    below = np.concatenate([np.zeros((len(values), 1)), np.cumsum(weights, axis=1)], axis=1)
    # Every row has nodes of its own; their cumulative weights can be added up only at common points.
    points = np.linspace(edges.min(), edges.max(), 1000)
    rows = zip(edges, below, strict=True)
    total = sum(pchip_interpolate(e, b, np.clip(points, e[0], e[-1])) for e, b in rows)
    return np.asarray(np.interp(levels, total, points))


def anchor(head_logits: ArrayLike, target_mean: float) -> float:
    """The constant c with mean sigmoid(head_logits + c) = target_mean.

    Args:
        head_logits: Shape (N,), log-odds of a task's inputs.
        target_mean: Within [0, 1]; for a task without labels, the mean confidence of its task temperature.

    Raises:
        InvalidInputError: The target is no probability, or a log-odds is not finite.
        NotEnoughDataError: No inputs.

    Example:
        >>> round(anchor([-1.0, 0.0, 1.0], 0.5), 6) + 0.0
        0.0
    """
    odds = _finite("head_logits", head_logits)
    if not odds.size:
        msg = "a task's mean needs at least 1 input to be anchored, got none"
        raise NotEnoughDataError(msg)
    if not 0 <= target_mean <= 1:
        msg = f"target_mean must be a probability within [0, 1], not {target_mean}"
        raise InvalidInputError(msg)
    target = float(np.clip(target_mean, EDGE, 1 - EDGE))
    level = np.log(target / (1 - target))
    # At the lowest c every sigmoid is below the target, at the highest every one is above it: a bracket of the root.
    lowest, highest = level - odds.max() - 1e-6, level - odds.min() + 1e-6
    return float(brentq(lambda c: expit(odds + c).mean() - target, lowest, highest, xtol=1e-12))


def intercept_posterior(head_logits: ArrayLike, right: ArrayLike, tau: float) -> tuple[float, float, float]:
    """Mean and standard deviation of a task's intercept u after verdicts, with u ~ N(0, tau^2) before them.

    Each verdict has P(right_i) = sigmoid(head_logits_i + u). Without verdicts it is (0, tau). The third number is the
    log probability, in nats, of all verdicts together before any was seen.

    Args:
        head_logits: Shape (n,), log-odds of the answers judged; with the task's anchor added, if it has one.
        right: Shape (n,), 0 or 1.
        tau: Spread of the intercepts of other tasks, > 0, in log-odds.

    Raises:
        InvalidInputError: Shapes differ, a verdict is neither 0 nor 1, or tau is not positive and finite.
    """
    odds, verdicts = _finite("head_logits", head_logits), _finite("right", right)
    if odds.shape != verdicts.shape or not np.isin(verdicts, (0, 1)).all():
        msg = f"right must be 0 or 1 for each of {odds.size} log-odds, got {verdicts.size} verdicts {verdicts[:5]}"
        raise InvalidInputError(msg)
    if not (np.isfinite(tau) and tau > 0):
        msg = f"tau must be positive and finite, not {tau}"
        raise InvalidInputError(msg)
    if not odds.size:
        return 0.0, float(tau), 0.0
    reach = odds.size * tau**2  # the verdicts' pull is at most one each
    mode = brentq(lambda u: (verdicts - expit(odds + u)).sum() - u / tau**2, -reach, reach)
    p = expit(odds + mode)
    width = 1 / np.sqrt((p * (1 - p)).sum() + 1 / tau**2)
    # Where all verdicts agree the posterior is skewed: the mode and this width only say where to look.
    # A step of .2 widths is fine for a smooth density: the sum over an even grid converges exponentially.
    grid = mode + np.linspace(-12, 12, 121) * width
    log_density = _log_likelihood(odds, verdicts, grid) + norm.logpdf(grid, scale=tau)
    total = logsumexp(log_density)
    weight = np.exp(log_density - total)
    # The sum over the grid times its step, returned below as a log, is the integral: the evidence.
    mean = float(weight @ grid)
    return mean, float(np.sqrt(weight @ (grid - mean) ** 2)), float(total + np.log(grid[1] - grid[0]))


def intercept_spread(head_logits: Sequence[FloatArray], right: Sequence[np.ndarray[Any, Any]]) -> float:
    """Standard deviation tau of tasks' intercepts u_k ~ N(0, tau^2), by maximum marginal likelihood.

    Args:
        head_logits: For each task its log-odds (N_k,), which must not know the task's labels.
        right: For each task (N_k,), 0 or 1.

    Returns:
        Within ``SPREADS``.
    """

    def loss(log_tau: float) -> float:
        return -float(evidence(np.array([np.exp(log_tau)])).sum())

    evidence = intercept_evidence(head_logits, right)
    found: Any = minimize_scalar(loss, bounds=tuple(np.log(SPREADS)), method="bounded")
    return float(np.exp(found.x))


def intercept_evidence(
    head_logits: Sequence[FloatArray], right: Sequence[np.ndarray[Any, Any]]
) -> Callable[[FloatArray], FloatArray]:
    """A function from spreads tau (m,) to log marginal likelihoods (tasks, m) of tasks' verdicts, u_k ~ N(0, tau^2).

    Args:
        head_logits: For each task its log-odds (N_k,), which must not know the task's labels.
        right: For each task (N_k,), 0 or 1.
    """
    grid = np.linspace(-4, 4, 801) * SPREADS[1]
    table = np.stack([_log_likelihood(o, r, grid) for o, r in zip(head_logits, right, strict=True)])  # (tasks, 801)

    def evidence(taus: FloatArray) -> FloatArray:
        # Normalised on the grid, as its step of 0.03 is coarse for the smallest tau.
        priors = norm.logpdf(grid, scale=np.asarray(taus)[:, None])  # (m, 801)
        priors -= logsumexp(priors, axis=1, keepdims=True)
        return np.stack([logsumexp(table + prior, axis=1) for prior in priors], axis=1)

    return evidence


def _log_likelihood(odds: FloatArray, right: np.ndarray[Any, Any], intercepts: FloatArray) -> FloatArray:
    """Log-likelihood of the verdicts (n,) under each of the intercepts, shape of ``intercepts``."""
    signed = np.where(right, 1.0, -1.0)[:, None] * (np.asarray(odds)[:, None] + intercepts)
    return np.asarray(log_expit(signed).sum(0))


def _finite(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        msg = f"{name} must be finite numbers, one for each item, not shape {array.shape} with {array.ravel()[:5]}"
        raise InvalidInputError(msg)
    return array


@dataclass(frozen=True, eq=False)
class RobustPosterior:
    """What is known of a task's (log T, bias) after verdicts, averaged over the learned prior and the wide one.

    Attributes:
        parts: The posterior under the learned prior, and that under the wide one.
        weights: Shape (2,), their probabilities given the verdicts; they sum to 1.
    """

    parts: tuple[Posterior, Posterior]
    weights: FloatArray

    @property
    def mean(self) -> Scale:
        """1/T at the mean of log T, and the mean bias."""
        inverse, bias = np.array([p.mean for p in self.parts]).T
        return Scale(float(np.exp(self.weights @ np.log(inverse))), float(self.weights @ bias))

    def predict(self, logits: FloatArray) -> FloatArray:
        """P(the given answer is right), shape (M,), of items with logits (M, K): the mean over the posterior."""
        return np.asarray(self.weights @ np.stack([p.predict(logits) for p in self.parts]))

    def spread(self, logits: FloatArray) -> float:
        """Standard deviation of the log-odds of the accuracy that items with logits (M, K) have together."""
        mean, square = self.weights @ np.array([p.accuracy_moments(logits) for p in self.parts])
        return float(np.sqrt(max(square - mean**2, 0.0)))


def robust_posterior(
    prior: VerdictPrior,
    centre: Scale,
    logits: FloatArray,
    right: np.ndarray[Any, Any] | Sequence[bool],
    kind: AnswerKind,
) -> RobustPosterior:
    """Bayes' rule for n verdicts under the learned prior and the wide one together; arguments as for ``posterior``.

    Raises:
        InvalidInputError: As ``posterior``.
    """
    # The wide prior is never narrower than the learned one.
    wide_bias = max(prior.sd_bias, WIDE[1]) if prior.sd_bias else 0.0
    wide = VerdictPrior(max(prior.sd_log_temperature, WIDE[0]), wide_bias)
    usual, doubtful = (posterior(p, centre, logits, right, kind) for p in (prior, wide))
    return RobustPosterior((usual, doubtful), _weights(usual.log_evidence, doubtful.log_evidence))


def robust_intercept(head_logits: FloatArray, right: np.ndarray[Any, Any], tau: float) -> tuple[float, float]:
    """Mean and standard deviation of a task's intercept; arguments as for ``intercept_posterior``."""
    moments = [intercept_posterior(head_logits, right, sd) for sd in (tau, max(tau, WIDE[1]))]
    means, spreads, evidence = np.array(moments).T
    weights = _weights(*evidence)
    # Mean and variance of a mixture: the variance is the mean square less the squared mean.
    mean = float(weights @ means)
    return mean, float(np.sqrt(weights @ (spreads**2 + means**2) - mean**2))


def _weights(usual: float, wide: float) -> FloatArray:
    """Probabilities of the two components, from the log evidence of each."""
    # Posterior odds are prior odds times the Bayes factor.
    doubt = expit(np.log(DOUBT / (1 - DOUBT)) + wide - usual)
    return np.array([1 - doubt, doubt])
