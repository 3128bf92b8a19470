"""What labels or verdicts say of a task's temperature and bias, and its normal approximation under a prior.

Every task has two numbers, x = (log T, bias). Their prior is normal with mean ``mean`` (2,) and covariance
A A', where ``factor`` A is (2, d): d = 2, or d = 1 when the bias is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize

from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

Likelihood = Callable[["FloatArray"], "tuple[float, FloatArray, FloatArray]"]
"""x (2,) to the NLL in nats summed over the items, its gradient (2,) and its Fisher information (2, 2)."""

SMALLEST_SPREAD = 0.02
LARGEST_SPREAD = 3.0
"""Bounds of a standard deviation between tasks: a prior is never certain, and never wider than any use."""


def log_scale(centre: tuple[float, float] | Sequence[tuple[float, float]], tasks: int) -> FloatArray:
    """(log T, bias) of each task, (tasks, 2), from one pair (1/T, bias) for all or one for each.

    Raises:
        InvalidInputError: Not one pair for each task, not finite, or a 1/T that is not positive.
    """
    pairs = np.asarray(centre, dtype=np.float64)
    if pairs.shape not in {(2,), (tasks, 2)} or not (np.isfinite(pairs).all() and (pairs[..., 0] > 0).all()):
        msg = f"expected a finite (1/T > 0, bias), for all or for each of {tasks} tasks, not {centre}"
        raise InvalidInputError(msg)
    return np.broadcast_to(np.stack([-np.log(pairs[..., 0]), pairs[..., 1]], axis=-1), (tasks, 2))


def answer_gaps(logits: FloatArray, *, self_check: bool) -> FloatArray:
    """Logits of the other options less that of the given answer, (N, K - 1), from (N, K).

    The given answer is the largest logit of a choice, and the first option of a self-check.
    """
    z = np.asarray(logits, dtype=np.float64)
    if self_check:
        return z[:, 1:] - z[:, :1]
    z = np.sort(z, axis=1)
    return z[:, :-1] - z[:, -1:]


def answer_log_odds(gaps: FloatArray, inverse_temperature: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log-odds of the given answer without a bias, -log sum_j exp(gap_j / T), and its derivative by log T.

    Args:
        gaps: Shape (N, K - 1), as ``answer_gaps`` returns them.
        inverse_temperature: 1 / T, or several of shape (G,).

    Returns:
        Two arrays of shape (N,), or (G, N).
    """
    scaled = np.asarray(inverse_temperature)[..., None, None] * gaps
    top = scaled.max(-1, keepdims=True)
    weights = np.exp(scaled - top)
    total = weights.sum(-1)
    return -(top[..., 0] + np.log(total)), (weights * scaled).sum(-1) / total


def softplus(x: FloatArray) -> FloatArray:
    """log(1 + exp(x)) without overflow; several times faster than ``numpy.logaddexp``."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def label_likelihood(logits: FloatArray, labels: np.ndarray[Any, Any]) -> Likelihood:
    """softmax(z / T + bias * (1, 0, ...)) of the right option, for logits (N, K) and labels (N,)."""
    z, rows = np.asarray(logits, dtype=np.float64), np.arange(len(labels))
    target, first = z[rows, labels], labels == 0

    def likelihood(x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        s = np.exp(-x[0])
        scaled = z * s
        scaled[:, 0] += x[1]
        scaled -= scaled.max(1, keepdims=True)
        p = np.exp(scaled)
        total = p.sum(1)
        p /= total[:, None]
        mean, p0 = (p * z).sum(1), p[:, 0]
        gradient = np.array([s * (target - mean).sum(), (p0 - first).sum()])
        variance = (p * (z - mean[:, None]) ** 2).sum()
        covariance = -s * (p0 * (z[:, 0] - mean)).sum()
        fisher = np.array([[s * s * variance, covariance], [covariance, (p0 * (1 - p0)).sum()]])
        return float(np.log(total).sum() - scaled[rows, labels].sum()), gradient, fisher

    return likelihood


def verdict_likelihood(logits: FloatArray, right: np.ndarray[Any, Any], *, self_check: bool) -> Likelihood:
    """sigmoid(log-odds of the given answer at T + bias) that it is right, for logits (N, K) and right (N,)."""
    gaps, r = answer_gaps(logits, self_check=self_check), np.asarray(right, dtype=np.float64)

    def likelihood(x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        odds, slope = answer_log_odds(gaps, np.exp(-x[0]))
        odds = odds + x[1]
        p = np.exp(-softplus(-odds))
        jacobian = np.stack([slope, np.ones_like(slope)])
        return float((softplus(odds) - r * odds).sum()), jacobian @ (p - r), (jacobian * (p * (1 - p))) @ jacobian.T

    return likelihood


def prior_factor(sd_log_temperature: float, sd_bias: float = 0.0, correlation: float = 0.0) -> FloatArray:
    """Lower triangular A (2, d) with A A' the covariance; d = 1 if the bias has no spread."""
    if sd_bias == 0:
        return np.array([[sd_log_temperature], [0.0]])
    across = np.sqrt(1 - correlation**2)
    return np.array([[sd_log_temperature, 0.0], [correlation * sd_bias, across * sd_bias]])


@dataclass(frozen=True, eq=False)
class Laplace:
    """The normal distribution at a posterior's mode, in v where x = mean + factor v and v is standard normal before.

    Attributes:
        mode: Shape (d,).
        precision: Shape (d, d), Fisher information plus the prior's.
        log_evidence: Approximate log marginal likelihood, in nats.
    """

    mode: FloatArray
    precision: FloatArray
    log_evidence: float


def laplace(likelihood: Likelihood, mean: FloatArray, factor: FloatArray) -> Laplace:
    """Mode and Laplace approximation of a posterior (Tierney & Kadane, 1986), by Fisher scoring from the prior mean.

    Fisher information in place of the Hessian keeps every step a descent; a step that goes too far is halved.
    """
    identity = np.eye(factor.shape[1])

    def objective(v: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        value, gradient, fisher = likelihood(mean + factor @ v)
        return value + float(v @ v) / 2, factor.T @ gradient + v, factor.T @ fisher @ factor + identity

    v = np.zeros(factor.shape[1])
    value, gradient, precision = objective(v)
    for _ in range(200):
        step = -np.linalg.solve(precision, gradient)
        gain = -float(gradient @ step)
        if gain < 1e-9:
            break
        found = objective(v + step)
        while not found[0] <= value - 1e-4 * gain and gain > 1e-9:
            step, gain = step / 2, gain / 2
            found = objective(v + step)
        v, (value, gradient, precision) = v + step, found
    return Laplace(v, precision, -value - float(np.linalg.slogdet(precision)[1]) / 2)


def largest_evidence(
    likelihoods: Sequence[Likelihood],
    means: FloatArray,
    factor: Callable[[FloatArray], FloatArray],
    start: Sequence[float],
    bounds: Sequence[tuple[float, float]],
) -> tuple[FloatArray, float]:
    """Empirical Bayes (Robbins, 1956): the parameters of a prior that make what was seen in all tasks likeliest.

    Args:
        likelihoods: One for each task.
        means: Shape (tasks, 2), the prior mean of each task.
        factor: From the parameters to the prior's ``factor``.
        start: Where the search begins.
        bounds: Of each parameter.

    Returns:
        The parameters, and the log marginal likelihood there, summed over tasks.

    Raises:
        NotEnoughDataError: Fewer than two tasks, which say nothing of a spread between tasks.
    """
    if len(likelihoods) < 2:
        msg = f"a spread between tasks needs at least 2 tasks, got {len(likelihoods)}"
        raise NotEnoughDataError(msg)

    def loss(parameters: FloatArray) -> float:
        a = factor(parameters)
        return -sum(laplace(f, m, a).log_evidence for f, m in zip(likelihoods, means, strict=True))

    found: Any = minimize(
        loss, np.asarray(start), method="L-BFGS-B", bounds=bounds, options={"eps": 1e-3, "ftol": 1e-7}
    )
    return found.x, -float(found.fun)
