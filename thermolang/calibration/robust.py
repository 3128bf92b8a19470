"""Verdicts against a prediction that may be further off than training showed: a prior with heavy tails.

The learned prior says how far tasks *like the training tasks* are from what is predicted for them. A task of another
kind can be much further off, and then a few dozen verdicts would hardly move it. So a part of the prior's mass lies in
a wide component around the same centre (a contaminated normal, as the robust priors of Schmidli et al., 2014,
Biometrics 70). Verdicts that agree with the prediction make it vanish, others make it take over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from thermolang.calibration.fewshot import Posterior, VerdictPrior, posterior
from thermolang.calibration.intercept import intercept_posterior

if TYPE_CHECKING:
    from thermolang.types import FloatArray

DOUBT = 0.2
"""Prior probability that a task is not of the training tasks' kind."""

WIDE = (1.0, 2.0)
"""Standard deviations of log T and of the bias in the wide component; a choice whose prior has no bias gets none."""


@dataclass(frozen=True, eq=False)
class RobustPosterior:
    """What is known of a task's (log T, bias) after verdicts, under both components.

    Attributes:
        parts: The posterior under the learned prior, and that under the wide one.
        weights: Shape (2,), their probabilities given the verdicts; they sum to 1.
    """

    parts: tuple[Posterior, Posterior]
    weights: FloatArray

    @property
    def mean(self) -> tuple[float, float]:
        """1/T at the mean of log T, and the mean bias."""
        inverse, bias = np.array([p.mean for p in self.parts]).T
        return float(np.exp(self.weights @ np.log(inverse))), float(self.weights @ bias)

    def predict(self, logits: FloatArray) -> FloatArray:
        """P(the given answer is right), shape (M,), of items with logits (M, K): the mean over the posterior."""
        return np.asarray(self.weights @ np.stack([p.predict(logits) for p in self.parts]))

    def spread(self, logits: FloatArray) -> float:
        """Standard deviation of the log-odds of the accuracy that items with logits (M, K) have together."""
        mean, square = self.weights @ np.array([p.level_moments(logits) for p in self.parts])
        return float(np.sqrt(max(square - mean**2, 0.0)))


def robust_posterior(
    prior: VerdictPrior,
    centre: tuple[float, float],
    logits: FloatArray,
    right: np.ndarray[Any, Any] | Sequence[bool],
    *,
    self_check: bool,
) -> RobustPosterior:
    """Bayes' rule for n verdicts under the learned prior and the wide one together; arguments as for ``posterior``.

    Raises:
        InvalidInputError: As ``fewshot.posterior``.
    """
    wide_bias = max(prior.sd_bias, WIDE[1]) if prior.sd_bias else 0.0
    wide = VerdictPrior(max(prior.sd_log_temperature, WIDE[0]), wide_bias)
    usual, doubtful = (posterior(p, centre, logits, right, self_check=self_check) for p in (prior, wide))
    return RobustPosterior((usual, doubtful), _weights(usual.log_evidence, doubtful.log_evidence))


def robust_intercept(head_logits: FloatArray, right: np.ndarray[Any, Any], tau: float) -> tuple[float, float]:
    """Mean and standard deviation of a task's intercept; arguments as for ``intercept.intercept_posterior``."""
    moments = [intercept_posterior(head_logits, right, sd) for sd in (tau, max(tau, WIDE[1]))]
    means, spreads, evidence = np.array(moments).T
    weights = _weights(*evidence)
    mean = float(weights @ means)
    return mean, float(np.sqrt(weights @ (spreads**2 + means**2) - mean**2))


def _weights(usual: float, wide: float) -> FloatArray:
    """Probabilities of the two components, from the log evidence of each."""
    doubt = expit(np.log(DOUBT / (1 - DOUBT)) + wide - usual)
    return np.array([1 - doubt, doubt])
