"""The level of a task's log-odds: set by a known mean, or by verdicts, around what other tasks needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit, logsumexp
from scipy.stats import norm

from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

EDGE = 1e-9
"""A mean is kept this far from 0 and 1, where only an infinite intercept would do."""

SPREADS = (0.05, 3.0)
"""Within which the spread of tasks' intercepts is looked for, in log-odds."""


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
    # With every input at the level of the largest the mean is too low, at that of the smallest too high.
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
    grid = mode + np.linspace(-12, 12, 801) * width
    log_density = _log_likelihood(odds, verdicts, grid) + norm.logpdf(grid, scale=tau)
    total = logsumexp(log_density)
    weight = np.exp(log_density - total)
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
    grid = np.linspace(-4, 4, 801) * SPREADS[1]
    table = np.stack([_log_likelihood(o, r, grid) for o, r in zip(head_logits, right, strict=True)])

    def loss(log_tau: float) -> float:
        prior = norm.logpdf(grid, scale=np.exp(log_tau))
        return -float(logsumexp(table + prior - logsumexp(prior), axis=1).sum())

    found: Any = minimize_scalar(loss, bounds=tuple(np.log(SPREADS)), method="bounded")
    return float(np.exp(found.x))


def _log_likelihood(odds: FloatArray, right: np.ndarray[Any, Any], intercepts: FloatArray) -> FloatArray:
    """Log-likelihood of the verdicts (n,) under each of the intercepts, shape of ``intercepts``."""
    signed = np.where(right, 1.0, -1.0)[:, None] * (np.asarray(odds)[:, None] + intercepts)
    return np.asarray(-np.logaddexp(0, -signed).sum(0))


def _finite(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        msg = f"{name} must be finite numbers, one for each item, not shape {array.shape} with {array.ravel()[:5]}"
        raise InvalidInputError(msg)
    return array
