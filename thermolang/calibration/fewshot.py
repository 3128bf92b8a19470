"""A task's temperature and bias after a few verdicts, with the Thermometer as prior.

A verdict says that a given answer was right or wrong, nothing more. For choices and self-checks alike

    P(right) = sigmoid(logit(p_T) + bias),    (log T, bias) ~ N(centre, covariance),

where p_T is the largest of softmax(z / T) for a choice and sigmoid((z_yes - z_no) / T) for a self-check. The
centre is what the Thermometer says of this task, the covariance how far it was off on tasks it had not seen.
Bayes' rule does the rest, on a grid around the posterior's mode: there is nothing to sample or to tune.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.interpolate import pchip_interpolate
from scipy.special import expit, logit

from thermolang.calibration.laplace import (
    LARGEST_SPREAD,
    SMALLEST_SPREAD,
    answer_gaps,
    answer_log_odds,
    laplace,
    largest_evidence,
    log_scale,
    prior_factor,
    softplus,
    verdict_likelihood,
)
from thermolang.calibration.task import TaskFeatures
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

STEPS = np.linspace(-6.0, 6.0, 25)
"""Nodes of a dimension, in posterior standard deviations: the trapezoidal rule is exact to about 1e-8 with them."""

LARGEST_CORRELATION = 0.95
BIAS_GAIN = 2.0
"""Nats of marginal likelihood that a bias of choices must bring, one for each parameter it adds (Akaike, 1974)."""


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


def fit_verdict_prior(tasks: Sequence[TaskFeatures], centres: Sequence[tuple[float, float]]) -> VerdictPrior:
    """Learn the prior from labelled tasks and from what was predicted for each of them without its labels.

    Empirical Bayes: the prior under which the verdicts on all tasks are likeliest, each task's own temperature
    and bias integrated out by Laplace's approximation. Self-checks get a bias; choices only if it raises the log
    marginal likelihood by more than ``BIAS_GAIN``.

    Args:
        tasks: At least two, all choices or all self-checks.
        centres: (1/T, bias) of each task, out of fold: predicted by a network that has not seen the task.

    Raises:
        NotEnoughDataError: Fewer than two tasks.
        InvalidInputError: Choices and self-checks together, or not one centre for each task.
    """
    kinds = {t.self_check for t in tasks}
    if len(kinds) > 1:
        msg = "a prior is for choices or for self-checks; these tasks are of both kinds"
        raise InvalidInputError(msg)
    means = log_scale(centres, len(tasks))
    likelihoods = [verdict_likelihood(t.logits, t.right, self_check=t.self_check) for t in tasks]
    sd = (float(np.log(SMALLEST_SPREAD)), float(np.log(LARGEST_SPREAD)))
    rho = (-float(np.arctanh(LARGEST_CORRELATION)), float(np.arctanh(LARGEST_CORRELATION)))
    small, without = largest_evidence(likelihoods, means, lambda x: prior_factor(*np.exp(x)), [np.log(0.3)], [sd])

    def prior(x: FloatArray) -> VerdictPrior:
        return VerdictPrior(float(np.exp(x[0])), float(np.exp(x[1])), float(np.tanh(x[2])))

    def factor(x: FloatArray) -> FloatArray:
        return _factor(prior(x))

    start = [float(small[0]), float(np.log(0.3)), 0.0]
    large, with_bias = largest_evidence(likelihoods, means, factor, start, [sd, sd, rho])
    if True in kinds or with_bias > without + BIAS_GAIN:
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
        self_check: Whether the task's readings are self-checks.
    """

    log_temperature: FloatArray = field(repr=False)
    bias: FloatArray = field(repr=False)
    weights: FloatArray = field(repr=False)
    log_evidence: float
    self_check: bool

    @property
    def mean(self) -> tuple[float, float]:
        """1/T at the mean of log T, and the mean bias."""
        log_t = float(self.weights.sum(1) @ self.log_temperature)
        return float(np.exp(-log_t)), float((self.weights * self.bias).sum())

    def interval(self, level: float = 0.9) -> tuple[tuple[float, float], tuple[float, float]]:
        """Central credible intervals of 1/T and of the bias, (lower, upper) each, for a level in (0, 1)."""
        if not 0 < level < 1:
            msg = f"level must be between 0 and 1, not {level}"
            raise InvalidInputError(msg)
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        inverse = np.exp(-_quantiles(self.log_temperature[None], self.weights.sum(1)[None], tails[::-1]))
        known = self.bias.shape[1] == 1
        bias = np.full(2, self.bias[0, 0]) if known else _quantiles(self.bias, self.weights, tails)
        return (float(inverse[0]), float(inverse[1])), (float(bias[0]), float(bias[1]))

    def predict(self, logits: FloatArray) -> FloatArray:
        """P(the given answer is right), shape (M,), of items with logits (M, K): the mean over the posterior.

        Other than P at the mean temperature it says less the less is known.
        """
        odds, _ = answer_log_odds(_gaps(logits, self_check=self.self_check), np.exp(-self.log_temperature))
        # One row of T at a time: the whole cube (G, H, M) would be gigabytes for a long list of items.
        rows = (w @ expit(o + b[:, None]) for w, b, o in zip(self.weights, self.bias, odds, strict=True))
        return np.asarray(sum(rows))

    def level_moments(self, logits: FloatArray) -> tuple[float, float]:
        """Mean and mean square of the log-odds of the accuracy that items with logits (M, K) have together."""
        odds, _ = answer_log_odds(_gaps(logits, self_check=self.self_check), np.exp(-self.log_temperature))
        accuracy = np.stack([expit(o + b[:, None]).mean(1) for o, b in zip(odds, self.bias, strict=True)])  # (G, H)
        level = logit(np.clip(accuracy, 1e-12, 1 - 1e-12))
        return float((self.weights * level).sum()), float((self.weights * level**2).sum())


def posterior(
    prior: VerdictPrior,
    centre: tuple[float, float],
    logits: FloatArray,
    right: np.ndarray[Any, Any] | Sequence[bool],
    *,
    self_check: bool,
) -> Posterior:
    """Bayes' rule for n verdicts, in a few milliseconds for a hundred.

    Args:
        prior: Of tasks of this kind.
        centre: 1/T and bias that the Thermometer predicts for this task.
        logits: Shape (n, K), of the answers with a verdict; n may be 0.
        right: Shape (n,), the verdicts; their order does not matter.
        self_check: Whether the logits are (yes, no) about an answer, or those of the options of a choice.

    Raises:
        InvalidInputError: Logits that are not finite or not (n, K >= 2), or not one verdict of 0 or 1 for each.
    """
    gaps, r = _gaps(logits, self_check=self_check), np.asarray(right, dtype=np.float64)
    if r.shape != gaps.shape[:1] or not np.isin(r, (0, 1)).all():
        msg = f"expected a verdict of 0 or 1 (False or True) for each of {len(gaps)} answers, got shape {r.shape}"
        raise InvalidInputError(msg)
    mean, factor = log_scale(centre, 1)[0], _factor(prior)
    found = laplace(verdict_likelihood(logits, r, self_check=self_check), mean, factor)
    log_t, bias, log_weights = _grid(found.mode, found.precision, mean, factor)
    odds, _ = answer_log_odds(gaps, np.exp(-log_t))
    for row, (o, b) in enumerate(zip(odds, bias, strict=True)):
        at = o + b[:, None]
        log_weights[row] += (r * at - softplus(at)).sum(1)
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    return Posterior(log_t, bias, weights / weights.sum(), float(top + np.log(weights.sum())), self_check)


def _factor(prior: VerdictPrior) -> FloatArray:
    return prior_factor(prior.sd_log_temperature, prior.sd_bias, prior.correlation)


def _gaps(logits: FloatArray, *, self_check: bool) -> FloatArray:
    z = np.asarray(logits, dtype=np.float64)
    if z.ndim != 2 or z.shape[1] < 2 or (self_check and z.shape[1] != 2) or not np.isfinite(z).all():
        msg = f"expected finite logits (n, K), K = 2 for self-checks and at least 2 for choices, not shape {z.shape}"
        raise InvalidInputError(msg)
    return answer_gaps(z, self_check=self_check)


def _grid(
    mode: FloatArray, precision: FloatArray, mean: FloatArray, factor: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes around the mode, log T (G,) and bias (G, H), and the log prior mass of each node's cell (G, H).

    A grid that stood around the prior would have a whole posterior of many verdicts between two nodes.
    """
    scale = np.linalg.cholesky(np.linalg.inv(precision))
    axes = np.meshgrid(*[STEPS] * len(mode), indexing="ij")
    v = mode[:, None, None] + np.tensordot(scale, np.stack([a.reshape(len(STEPS), -1) for a in axes]), axes=1)
    x = mean[:, None, None] + np.tensordot(factor, v, axes=1)
    cell = len(mode) * np.log(STEPS[1] - STEPS[0]) + float(np.log(np.diag(scale)).sum())
    density = -(v**2).sum(0) / 2 - len(mode) * np.log(2 * np.pi) / 2
    return x[0, :, 0], x[1], density + cell


def _quantiles(values: FloatArray, weights: FloatArray, levels: FloatArray) -> FloatArray:
    """Quantiles of a distribution on rows of evenly spaced nodes (G, H), each the middle of a cell."""
    half = (values[:, 1:2] - values[:, :1]) / 2
    edges = np.concatenate([values[:, :1] - half, values + half], axis=1)
    below = np.concatenate([np.zeros((len(values), 1)), np.cumsum(weights, axis=1)], axis=1)
    points = np.linspace(edges.min(), edges.max(), 1000)
    rows = zip(edges, below, strict=True)
    total = sum(pchip_interpolate(e, b, np.clip(points, e[0], e[-1])) for e, b in rows)
    return np.asarray(np.interp(levels, total, points))
