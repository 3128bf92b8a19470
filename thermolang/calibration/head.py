"""Who is right within a task: a probability of its own for each answer.

log-odds(right) = logit p_T + a logit p_T + w1 margin + w2 entropy + w3 logprob + v . h + c + u_task,
u_task ~ N(0, tau^2): a ridge logistic regression with a random intercept for each task, on what one answer shows under
its task's temperature, on how probable its tokens were (self-checks only) and on its hidden state. ``head_fitting``
decides how much of that is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import entr, log_softmax, logsumexp

from thermolang.errors import CalibratorFormatError, InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

CUES = ("log_odds", "margin", "entropy")

REACH = 30.0
"""Log-odds stop here, at a probability of 1e-13 from certainty."""


def answer_cues(logits: FloatArray, scale: tuple[float, float], *, self_check: bool) -> FloatArray:
    """Log-odds of p_T, lead of the best option and entropy of each answer; the order of choices never matters.

    Args:
        logits: Shape (N, K), K >= 2; of a self-check (N, 2) in the order yes, no.
        scale: 1/T and bias of the task; the bias is added to the log-odds of yes and means nothing to choices.
        self_check: Whether the options are yes and no about an answer.

    Returns:
        Shape (N, 3): the log-odds of p_T (the top option's probability, or that of yes), within +-``REACH``; the gap
        of the two largest scaled logits, >= 0; the entropy of the options' probabilities over log K, in [0, 1].

    Raises:
        InvalidInputError: Logits are not finite or of another shape, or the scale is no usable one.
    """
    inverse, bias = scale
    z = np.array(logits, dtype=np.float64)
    if z.ndim != 2 or z.shape[1] < 2 or (self_check and z.shape[1] != 2) or not np.isfinite(z).all():
        expected = "(N, 2)" if self_check else "(N, K) with K >= 2"
        msg = f"logits must be finite and of shape {expected}, got shape {z.shape}, finite: {np.isfinite(z).all()}"
        raise InvalidInputError(msg)
    if not (np.isfinite(inverse) and inverse > 0 and np.isfinite(bias)):
        msg = f"a task's scale is its 1/T > 0 and its bias, both finite, not {scale}"
        raise InvalidInputError(msg)
    z *= inverse
    if self_check:
        z[:, 0] += bias
    ordered = np.sort(z, axis=1)
    odds = z[:, 0] - z[:, 1] if self_check else ordered[:, -1] - logsumexp(ordered[:, :-1], axis=1)
    entropy = entr(np.exp(log_softmax(ordered, axis=1))).sum(1) / np.log(z.shape[1])
    return np.stack([np.clip(odds, -REACH, REACH), ordered[:, -1] - ordered[:, -2], entropy], axis=1)


@dataclass(frozen=True)
class Recipe:
    """What a regression may use, and how far.

    Attributes:
        cues: How many of the cues, the first ones.
        cue_spread: Prior standard deviation of what each cue adds to the log-odds, for a cue one deviation high.
        components: Number of principal components of the hidden state.
        hidden_spread: Prior standard deviation of what the hidden state adds to the log-odds.
    """

    cues: int = 0
    cue_spread: float = 0.0
    components: int = 0
    hidden_spread: float = 0.0


@dataclass(frozen=True, eq=False)
class Head:
    """P(right) of one answer, given its task's scale and intercept.

    Attributes:
        coefficients: Shape (4,), float32: the constant, and what ``cues.CUES`` add to the log-odds of p_T.
        weights: Shape (d,), float32, of the hidden state; 0 where it does not help.
        self_check: Whether the answers are self-checks, with logits of yes and no.
        tau: Spread of the intercepts that left-out tasks needed, in log-odds, if theirs started at 0.
        tau_anchored: The same, if theirs started at the anchor that keeps the mean of p_T. Start where it is smaller.
        recipe: What was chosen; all 0 for p_T itself.
        gain: NLL in nats that the choice took off p_T's on left-out tasks, mean over groups; both anchored to the mean
            of p_T. It is the best of several candidates, so a little too good.
        gain_error: Standard error of the gain, over groups.
        auroc_gain: The mean rise in AUROC within a left-out task.
        logprob_weight: What an answer's exp of its mean token log-probability adds to the log-odds; self-checks only.
        usual_logprob: Stands for one that is unknown: the training tasks' mean.
        training_odds: Log-odds of each training task's answers out of fold, (N_k,) each, anchored if the head is; empty
            once it was saved and read again.
    """

    coefficients: FloatArray
    weights: FloatArray
    self_check: bool
    tau: float
    tau_anchored: float
    recipe: Recipe
    gain: float
    gain_error: float
    auroc_gain: float
    logprob_weight: float = 0.0
    usual_logprob: float = 0.0
    training_odds: tuple[FloatArray, ...] = ()

    @property
    def chosen(self) -> bool:
        """Whether anything helped; otherwise the head is p_T itself."""
        return self.recipe != Recipe()

    @property
    def anchored(self) -> bool:
        """Whether a task's level starts where the mean of p_T is kept.

        Always for choices; for self-checks where left-out tasks were nearer to that level than to 0.
        """
        return not self.self_check or self.tau_anchored < self.tau

    @property
    def spread(self) -> float:
        """Spread of the levels that left-out tasks needed, around the one they start at."""
        return self.tau_anchored if self.anchored else self.tau

    def beside(self, hidden: FloatArray, logprob: FloatArray | None = None) -> FloatArray:
        """What else than the logits adds to the log-odds, shape (N,), whatever the task's scale.

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

    def odds(self, logits: FloatArray, beside: FloatArray, scale: tuple[float, float]) -> FloatArray:
        """Log-odds of a right answer at level 0, shape (N,), from logits (N, K) and ``beside`` (N,)."""
        cues = answer_cues(logits, scale, self_check=self.self_check)
        if np.shape(beside) != (len(cues),):
            msg = f"expected what the hidden states add for each of {len(cues)} answers, got {np.shape(beside)}"
            raise InvalidInputError(msg)
        constant, *slopes = self.coefficients.astype(np.float64)
        return np.asarray(cues[:, 0] + constant + (cues * slopes).sum(1) + beside)

    def to_tensors(self) -> dict[str, FloatArray]:
        """The arrays, for safetensors."""
        return {"coefficients": self.coefficients, "weights": self.weights}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON types."""
        left_out = ("coefficients", "weights", "training_odds")
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, FloatArray], config: Mapping[str, Any]) -> Head:
        """Put a head together from ``to_tensors`` and ``to_dict``.

        Raises:
            CalibratorFormatError: Something is missing, unknown or not finite.
        """
        try:
            parts: dict[str, Any] = {**config, "recipe": Recipe(**config["recipe"])}
            parts |= {name: np.asarray(tensors[name], dtype=np.float32) for name in ("coefficients", "weights")}
            head = cls(**parts)
            usable = head.coefficients.shape == (1 + len(CUES),) and head.weights.ndim == 1
            numbers = [*head.coefficients, *head.weights, head.tau, head.tau_anchored]
            numbers += [head.logprob_weight, head.usual_logprob]
            usable = usable and bool(np.isfinite(numbers).all()) and min(head.tau, head.tau_anchored) > 0
        except (KeyError, TypeError, ValueError) as error:
            msg = f"a head cannot be read: {error!r}; calibrate the model again"
            raise CalibratorFormatError(msg) from error
        if not usable:
            msg = f"a head has unusable numbers: coefficients {head.coefficients}, tau {head.tau}; calibrate again"
            raise CalibratorFormatError(msg)
        return head
