"""Temperature scaling with labels: one temperature for all tasks, or one for a task of its own.

Also the maps from a confidence to a better one (Platt, isotonic), and Laplace's approximation of what labels or
verdicts say of a task. Every task has two numbers, x = (log T, bias); the bias, in log-odds, is 0 except for
self-checks. Their prior is normal with mean ``mean`` (2,) and covariance A A', where ``factor`` A is (2, d): d = 2, or
d = 1 when the bias is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import log_softmax, logit
from scipy.stats import gamma, norm
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.kinds import AnswerKind
from thermolang.calibration.metrics import as_answers, as_floats
from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.types import Scale

if TYPE_CHECKING:
    from typing import Self

    from thermolang.calibration.training import TrainingConfig
    from thermolang.types import FloatArray

Likelihood = Callable[["FloatArray"], "tuple[float, FloatArray, FloatArray]"]
"""x (2,) to the NLL in nats summed over the items, its gradient (2,) and its Fisher information (2, 2)."""

SMALLEST_SPREAD = 0.02
LARGEST_SPREAD = 3.0
"""Bounds of a standard deviation between tasks: a prior is never certain, and never wider than is useful."""

CLOSEST = 1e-6
"""How close to 0 or 1 a confidence is taken before its log-odds; half precision often reaches 1."""

LOG_TEMPERATURES = (-3.0, 3.5)

BIASES = (-10.0, 10.0)
"""Where the best log T and bias of a task are looked for; a task without a wrong answer has no finite optimum."""


def log_scale(centre: Scale | Sequence[Scale], tasks: int) -> FloatArray:
    """(log T, bias) of each task, (tasks, 2), from one scale for all or one for each.

    Raises:
        InvalidInputError: Not one pair for each task, not finite, or a 1/T that is not positive.
    """
    pairs = np.asarray(centre, dtype=np.float64)
    if pairs.shape not in {(2,), (tasks, 2)} or not (np.isfinite(pairs).all() and (pairs[..., 0] > 0).all()):
        msg = f"expected a finite (1/T > 0, bias), for all or for each of {tasks} tasks, not {centre}"
        raise InvalidInputError(msg)
    return np.broadcast_to(np.stack([-np.log(pairs[..., 0]), pairs[..., 1]], axis=-1), (tasks, 2))


def answer_log_odds(gaps: FloatArray, inverse_temperature: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log-odds of the given answer without a bias, -log sum_j exp(gap_j / T), and its derivative by log T.

    Args:
        gaps: Shape (N, K - 1), as ``AnswerKind.gaps`` returns them.
        inverse_temperature: 1 / T, or several of shape (G,).

    Returns:
        Two arrays of shape (N,), or (G, N).
    """
    scaled = np.asarray(inverse_temperature)[..., None, None] * gaps  # (N, K - 1) or (G, N, K - 1)
    top = scaled.max(-1, keepdims=True)
    weights = np.exp(scaled - top)
    total = weights.sum(-1)
    # d(1/T) / d(log T) = -1/T, which cancels the minus sign.
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
        # Expected logit under p and probability of the first option, (N,) each.
        mean, p0 = (p * z).sum(1), p[:, 0]
        gradient = np.array([s * (target - mean).sum(), (p0 - first).sum()])
        variance = (p * (z - mean[:, None]) ** 2).sum()
        covariance = -s * (p0 * (z[:, 0] - mean)).sum()
        fisher = np.array([[s * s * variance, covariance], [covariance, (p0 * (1 - p0)).sum()]])
        return float(np.log(total).sum() - scaled[rows, labels].sum()), gradient, fisher

    return likelihood


def verdict_likelihood(logits: FloatArray, right: np.ndarray[Any, Any], kind: AnswerKind) -> Likelihood:
    """sigmoid(log-odds of the given answer at T + bias) that it is right, for logits (N, K) and right (N,)."""
    gaps, r = kind.gaps(logits), np.asarray(right, dtype=np.float64)

    def likelihood(x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        odds, slope = answer_log_odds(gaps, np.exp(-x[0]))
        odds = odds + x[1]
        p = np.exp(-softplus(-odds))
        jacobian = np.stack([slope, np.ones_like(slope)])  # (2, N): by log T and by the bias
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
    """The normal distribution at a posterior's mode, in v: x = mean + factor v, with a standard normal prior on v.

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
        # Armijo's condition, with `not` so that a NaN counts as too far.
        while not found[0] <= value - 1e-4 * gain and gain > 1e-9:
            step, gain = step / 2, gain / 2
            found = objective(v + step)
        v, (value, gradient, precision) = v + step, found
    # The normalisers (2 pi)^(d/2) of the prior and of the approximation cancel.
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


Answers = Sequence[tuple[ArrayLike, ArrayLike]]
"""(confidence, right) of each task, (n,) in [0, 1] and (n,) in {0, 1}."""


class ConfidenceMap(Protocol):
    """Learns P(right) as a function of any confidence in [0, 1]."""

    def fit(self, tasks: Answers) -> Self:
        """Learn from labelled tasks, which all weigh the same."""
        ...

    def __call__(self, confidence: ArrayLike) -> FloatArray:
        """P(right), strictly between 0 and 1, of each confidence (n,)."""
        ...


class Platt:
    """sigmoid(a * logit(confidence) + b), by logistic regression (Platt, 1999).

    With Platt's targets: a right answer counts as right with (n_right + 1) / (n_right + 2) and a wrong one with
    1 / (n_wrong + 2), so answers that are all right, or told apart without error, still give a finite map.
    """

    def __init__(self) -> None:
        # In effect no ridge: the soft targets alone keep the map finite.
        self._model = LogisticRegression(C=1e8, tol=1e-8, max_iter=1000)

    def fit(self, tasks: Answers) -> Self:
        """Learn from labelled tasks, which all weigh the same."""
        p, r, weight = _pooled(tasks)
        good = r.sum()
        target = np.where(r == 1, (good + 1) / (good + 2), 1 / (r.size - good + 2))
        # scikit-learn takes no soft targets: every item stands there as right and as wrong, weighted by its target.
        odds = np.tile(_log_odds(p), 2)[:, None]
        self._model.fit(odds, np.repeat([1, 0], r.size), np.concatenate([weight * target, weight * (1 - target)]))
        return self

    def __call__(self, confidence: ArrayLike) -> FloatArray:
        """P(right), strictly between 0 and 1, of each confidence (n,)."""
        odds = _log_odds(as_floats("confidence", confidence, 1))[:, None]
        return np.asarray(self._model.predict_proba(odds)[:, 1])


class Isotonic:
    """The best non-decreasing step function (Zadrozny & Elkan, 2002), kept 1 / (n + 2) away from 0 and 1.

    Confidences outside those learned from get the nearest one's value.
    """

    def fit(self, tasks: Answers) -> Self:
        """Learn from labelled tasks, which all weigh the same."""
        p, r, weight = _pooled(tasks)
        edge = 1 / (r.size + 2)
        self._model = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(p, r, weight)
        return self

    def __call__(self, confidence: ArrayLike) -> FloatArray:
        """P(right), strictly between 0 and 1, of each confidence (n,)."""
        return np.asarray(self._model.predict(as_floats("confidence", confidence, 1)), dtype=np.float64)


def _pooled(tasks: Answers) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Confidences, verdicts and weights of all tasks' items; each task's weights sum to the mean task's size."""
    if not tasks:
        msg = "a map needs at least one labelled task to be fitted on, got none"
        raise NotEnoughDataError(msg)
    checked = [as_answers(p, r) for p, r in tasks]
    mean = float(np.mean([r.size for _, r in checked]))
    p, r = (np.concatenate([pair[i] for pair in checked]) for i in (0, 1))
    return p, r, np.concatenate([np.full(r.size, mean / r.size) for _, r in checked])


def _log_odds(p: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(p, CLOSEST, 1 - CLOSEST)))


def task_nll(task: TaskFeatures, inverse_temperature: float, bias: float) -> float:
    """Mean negative log-likelihood, in nats, of a task's labels; the bias is added to the first option's logit."""
    scaled = np.asarray(task.logits, dtype=np.float64) * inverse_temperature
    scaled[:, 0] += bias
    return float(-log_softmax(scaled, axis=-1)[np.arange(len(task.labels)), task.labels].mean())


def fit_temperature(tasks: Sequence[TaskFeatures], config: TrainingConfig) -> Scale:
    """Temperature scaling over several tasks that weigh the same (Guo et al., 2017), under Thermometer's priors.

    With ``config.bias`` also a bias: Platt scaling (Platt, 1999) of the self-check's log-odds.

    Args:
        tasks: Labelled tasks; their mean NLL is minimised, plus the priors as in ``training.objective``.
        config: Weights of the priors, and whether there is a bias.

    Returns:
        1/T > 0 and the bias in log-odds; 0 without one.

    Raises:
        NotEnoughDataError: No tasks.
    """
    if not tasks:
        msg = "a temperature needs at least one task to be fitted on, got none"
        raise NotEnoughDataError(msg)

    def loss(x: FloatArray) -> float:
        # Here x[0] is log(1/T), unlike in the likelihoods above, where it is log T.
        inverse, bias = float(np.exp(x[0])), float(x[1]) if config.bias else 0.0
        prior = gamma.logpdf(1 / inverse, config.gamma_shape, scale=config.gamma_scale)
        if config.bias:
            prior += norm.logpdf(bias, scale=config.bias_scale)
        return float(np.mean([task_nll(t, inverse, bias) for t in tasks]) - config.prior_weight * prior)

    start = np.zeros(2 if config.bias else 1)
    found: Any = minimize(loss, start, method="L-BFGS-B", bounds=[(-5.0, 5.0), (-10.0, 10.0)][: len(start)])
    return Scale(float(np.exp(found.x[0])), float(found.x[1]) if config.bias else 0.0)


def fit_task_temperature(
    task: TaskFeatures,
    *,
    bias: bool,
    centre: Scale | None = None,
    spread: tuple[float, float] | None = None,
) -> Scale:
    """Temperature scaling of one task with its own labels, shrunk towards ``centre``.

    The maximum of sum_i log p(label_i) + log N(log T; log T_centre, spread[0]^2) + log N(bias; bias_centre,
    spread[1]^2). With few labels it stays near the centre, with many it goes to the maximum of the likelihood
    (Guo et al., 2017), which it is without a centre; then log T stays within ``LOG_TEMPERATURES``.

    Args:
        task: The labelled items.
        bias: Whether to fit a bias too; without one the bias is that of the centre, or 0.
        centre: 1/T and bias expected before any label.
        spread: Standard deviations, between tasks, of log T and of the bias around such a centre; see ``spread_of``.

    Raises:
        InvalidInputError: A centre without a spread or the other way round, or one that is not positive.
    """
    likelihood = label_likelihood(task.logits, task.labels)
    if centre is None and spread is None:
        # Equal bounds keep the bias at 0.
        bounds = [LOG_TEMPERATURES, BIASES if bias else (0.0, 0.0)]
        found: Any = minimize(lambda x: likelihood(x)[:2], np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds)
        return Scale(float(np.exp(-found.x[0])), float(found.x[1]))
    if centre is None or spread is None or not min(spread[: 1 + bias]) > 0:
        msg = f"centre and spread go together, and standard deviations are above 0; got {centre} and {spread}"
        raise InvalidInputError(msg)
    mean, factor = log_scale(centre, 1)[0], prior_factor(spread[0], spread[1] if bias else 0.0)
    x = mean + factor @ laplace(likelihood, mean, factor).mode
    return Scale(float(np.exp(-x[0])), float(x[1]))


def spread_of(tasks: Sequence[TaskFeatures], centre: Scale | Sequence[Scale], *, bias: bool) -> tuple[float, float]:
    """How far tasks lie from where they were expected: standard deviations of log T and of the bias between tasks.

    Empirical Bayes: the two numbers maximise the marginal likelihood of all tasks' labels, each task's own
    temperature integrated out by Laplace's approximation. So the noise of a task's few labels is not counted.

    Args:
        tasks: Labelled tasks, at least two.
        centre: 1/T and bias expected of every task, or one pair for each, made without that task's labels.
        bias: Whether tasks have a bias of their own.

    Returns:
        Both within ``SMALLEST_SPREAD`` and ``LARGEST_SPREAD``; ``SMALLEST_SPREAD`` for a bias that is not there.

    Raises:
        NotEnoughDataError: Fewer than two tasks.
        InvalidInputError: Not as many centres as tasks, or a 1/T that is not positive.
    """
    means = log_scale(centre, len(tasks))
    likelihoods = [label_likelihood(t.logits, t.labels) for t in tasks]
    bounds = [(float(np.log(SMALLEST_SPREAD)), float(np.log(LARGEST_SPREAD)))] * (1 + bias)
    start = [float(np.log(0.3))] * (1 + bias)
    x, _ = largest_evidence(likelihoods, means, lambda x: prior_factor(*np.exp(x)), start, bounds)
    return float(np.exp(x[0])), float(np.exp(x[1])) if bias else SMALLEST_SPREAD
