"""Temperature scaling with labels: one temperature for all tasks, or one for a task of its own.

A temperature always goes as the pair (1/T, bias); the bias, in log-odds, is 0 except for self-checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import gamma, norm

from thermolang.calibration.laplace import (
    LARGEST_SPREAD,
    SMALLEST_SPREAD,
    label_likelihood,
    laplace,
    largest_evidence,
    log_scale,
    prior_factor,
)
from thermolang.calibration.task import TaskFeatures
from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.calibration.training import TrainingConfig
    from thermolang.types import FloatArray

LOG_TEMPERATURES = (-3.0, 3.5)
BIASES = (-10.0, 10.0)
"""Where the best temperature and bias of a task are looked for; one that is right throughout has none."""


def task_nll(task: TaskFeatures, inverse_temperature: float, bias: float) -> float:
    """Mean negative log-likelihood, in nats, of a task's labels; the bias is added to the first option's logit."""
    scaled = np.asarray(task.logits, dtype=np.float64) * inverse_temperature
    scaled[:, 0] += bias
    return float(-log_softmax(scaled, axis=-1)[np.arange(len(task.labels)), task.labels].mean())


def fit_temperature(tasks: Sequence[TaskFeatures], config: TrainingConfig) -> tuple[float, float]:
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
        inverse, bias = float(np.exp(x[0])), float(x[1]) if config.bias else 0.0
        prior = gamma.logpdf(1 / inverse, config.gamma_shape, scale=config.gamma_scale)
        if config.bias:
            prior += norm.logpdf(bias, scale=config.bias_scale)
        return float(np.mean([task_nll(t, inverse, bias) for t in tasks]) - config.prior_weight * prior)

    start = np.zeros(2 if config.bias else 1)
    found: Any = minimize(loss, start, method="L-BFGS-B", bounds=[(-5.0, 5.0), (-10.0, 10.0)][: len(start)])
    return float(np.exp(found.x[0])), float(found.x[1]) if config.bias else 0.0


def fit_task_temperature(
    task: TaskFeatures,
    *,
    bias: bool,
    centre: tuple[float, float] | None = None,
    spread: tuple[float, float] | None = None,
) -> tuple[float, float]:
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
        bounds = [LOG_TEMPERATURES, BIASES if bias else (0.0, 0.0)]
        found: Any = minimize(lambda x: likelihood(x)[:2], np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds)
        return float(np.exp(-found.x[0])), float(found.x[1])
    if centre is None or spread is None or not min(spread[: 1 + bias]) > 0:
        msg = f"centre and spread go together, and standard deviations are above 0; got {centre} and {spread}"
        raise InvalidInputError(msg)
    mean, factor = log_scale(centre, 1)[0], prior_factor(spread[0], spread[1] if bias else 0.0)
    x = mean + factor @ laplace(likelihood, mean, factor).mode
    return float(np.exp(-x[0])), float(x[1])


def spread_of(
    tasks: Sequence[TaskFeatures], centre: tuple[float, float] | Sequence[tuple[float, float]], *, bias: bool
) -> tuple[float, float]:
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
