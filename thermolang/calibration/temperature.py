"""One temperature, and for self-checks one bias, for all tasks at once: what every new task starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import gamma, norm

from thermolang.calibration.task import TaskFeatures
from thermolang.calibration.training import TrainingConfig
from thermolang.errors import NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray


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
