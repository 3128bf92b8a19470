"""The per-answer head: the probability of being right, for each answer of a task.

log-odds(right) = logit p_T + a logit p_T + w1 margin + w2 entropy + w3 logprob + v . h + c + u_task,
u_task ~ N(0, tau^2): a ridge logistic regression with a random intercept for each task, on the features of
one answer's logits at its task's temperature, on the probability of its tokens (self-checks only) and on its hidden
state. p_T is the answer's probability by the task's temperature and bias alone. ``head_training`` decides which of
these terms are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import entr, log_softmax

from thermolang.calibration.kinds import AnswerKind
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray, Scale

ANSWER_FEATURES = ("log_odds", "margin", "entropy")
"""What ``answer_features`` returns, in order."""

REACH = 30.0
"""Log-odds are clipped to +-30, where a probability is within 1e-13 of 0 or 1."""


def answer_features(logits: FloatArray, scale: Scale, kind: AnswerKind) -> FloatArray:
    """Log-odds of p_T, lead of the best option and entropy of each answer; the order of choices never matters.

    Args:
        logits: Shape (N, K), K >= 2; of a self-check (N, 2) in the order yes, no.
        scale: Of the task; its bias is added to the log-odds of yes and means nothing to choices.
        kind: Of the answers.

    Returns:
        Shape (N, 3): the log-odds of p_T (the top option's probability, or that of yes), within +-``REACH``; the gap
        of the two largest scaled logits, >= 0; the entropy of the options' probabilities over log K, in [0, 1].

    Raises:
        InvalidInputError: Logits are not finite or of another shape, or the scale is no usable one.
    """
    inverse, bias = scale
    z = kind.check(logits)
    if not (np.isfinite(inverse) and inverse > 0 and np.isfinite(bias)):
        msg = f"a task's scale is its 1/T > 0 and its bias, both finite, not {scale}"
        raise InvalidInputError(msg)
    z = z * inverse
    if kind.has_bias:
        # In place: the product above is a copy, so the caller's logits stay as they are.
        z[:, 0] += bias
    # (N, K). Sums of sorted options do not depend on the order of the options, not even in the last digit.
    ordered = np.sort(z, axis=1)
    odds = kind.log_odds(z)
    entropy = entr(np.exp(log_softmax(ordered, axis=1))).sum(1) / np.log(z.shape[1])
    return np.stack([np.clip(odds, -REACH, REACH), ordered[:, -1] - ordered[:, -2], entropy], axis=1)


@dataclass(frozen=True)
class Hyperparameters:
    """What a regression may use, and how far.

    Attributes:
        features: How many of the features, the first ones.
        feature_spread: Prior standard deviation of what a feature one standard deviation high adds to the log-odds.
        components: Number of principal components of the hidden state.
        hidden_spread: Prior standard deviation of what the hidden state adds to the log-odds.
    """

    features: int = 0
    feature_spread: float = 0.0
    components: int = 0
    hidden_spread: float = 0.0


@dataclass(frozen=True, eq=False)
class Head:
    """P(right) of one answer, given its task's scale and intercept.

    Attributes:
        coefficients: Shape (4,), float32: the constant, and a weight for each of ``ANSWER_FEATURES``; their sum is
            added to the log-odds of p_T.
        weights: Shape (d,), float32, of the hidden state; 0 where it does not help.
        kind: Of the answers.
        tau: Standard deviation, in log-odds, of the random intercepts of tasks left out in training, around 0.
        tau_anchored: The same around the intercept at which the head's mean over a task equals the mean of p_T. A new
            task starts at whichever of the two has the smaller standard deviation.
        hyperparameters: What was chosen; all 0 for p_T itself.
        gain: By how many nats the NLL on left-out tasks is below that of p_T, mean over groups, once each task's mean
            is shifted to that of p_T. It is the best of several candidates, so slightly too good.
        gain_error: Standard error of the gain, over groups.
        auroc_gain: The mean rise in AUROC within a left-out task.
        logprob_weight: Weight in the log-odds of exp(mean token log-probability) of an answer; self-checks only.
        usual_logprob: Mean of exp(mean token log-probability) over the training tasks, used where it is unknown.
        training_odds: Out-of-fold log-odds of each training task's answers, shape (N_k,) each, with the task's
            intercept if ``anchored``. Not saved: empty in a head that was loaded.
    """

    coefficients: FloatArray
    weights: FloatArray
    kind: AnswerKind
    tau: float
    tau_anchored: float
    hyperparameters: Hyperparameters
    gain: float
    gain_error: float
    auroc_gain: float
    logprob_weight: float = 0.0
    usual_logprob: float = 0.0
    training_odds: tuple[FloatArray, ...] = ()

    @property
    def chosen(self) -> bool:
        """Whether anything helped; otherwise the head is p_T itself."""
        return self.hyperparameters != Hyperparameters()

    @property
    def anchored(self) -> bool:
        """Whether a task's intercept starts where the head's mean over the task equals the mean of p_T, and not at 0.

        Always so for choices; for self-checks if tasks left out in training were nearer to that intercept than to 0.
        """
        return self.kind.is_choice or self.tau_anchored < self.tau

    @property
    def spread(self) -> float:
        """Standard deviation of the random intercepts of left-out tasks around the one that a task starts at."""
        return self.tau_anchored if self.anchored else self.tau

    def logit_offset(self, hidden: FloatArray, logprob: FloatArray | None = None) -> FloatArray:
        """The part of the log-odds that does not come from the logits, shape (N,); it does not depend on the task.

        Args:
            hidden: Shape (N, d).
            logprob: Shape (N,), exp of each answer's mean token log-probability; NaN, or None for all, where unknown.

        Raises:
            InvalidInputError: Another shape, or a number is not finite.
        """
        h = np.asarray(hidden, dtype=np.float64)
        if h.ndim != 2 or h.shape[1] != len(self.weights) or not np.isfinite(h).all():
            expected = f"(N, {len(self.weights)})"
            msg = f"hidden states must be finite and {expected}, got {h.shape}, finite: {np.isfinite(h).all()}"
            raise InvalidInputError(msg)
        # A sum along rows, unlike a matrix product, does not depend on which other answers are in the batch.
        known = np.full(len(h), np.nan) if logprob is None else np.asarray(logprob, dtype=np.float64)
        known = np.where(np.isnan(known), self.usual_logprob, known)
        return np.asarray((h * self.weights).sum(1) + self.logprob_weight * known)

    def odds(self, logits: FloatArray, logit_offset: FloatArray, scale: Scale) -> FloatArray:
        """Log-odds of a right answer at intercept 0, shape (N,), from logits (N, K) and ``logit_offset`` (N,)."""
        features = answer_features(logits, scale, self.kind)
        if np.shape(logit_offset) != (len(features),):
            msg = f"expected a logit offset for each of {len(features)} answers, got shape {np.shape(logit_offset)}"
            raise InvalidInputError(msg)
        # Column 0 is the log-odds of p_T; slopes of 0 leave it as it is.
        constant, *slopes = self.coefficients.astype(np.float64)
        return np.asarray(features[:, 0] + constant + (features * slopes).sum(1) + logit_offset)
