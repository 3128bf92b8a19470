"""The two kinds of answers, and everything that is different between them.

A *choice* is the option with the largest logit: the task's temperature alone sets its probability, and accuracy
cannot change. A *self-check* has two options, yes and no, about an answer that was given before: it has a bias as well
as a temperature, since with two options no temperature moves P(yes) across one half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit, logit, logsumexp

from thermolang.errors import InvalidInputError
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.types import FloatArray

KindName = Literal["choice", "self_check"]


def choice_probabilities(logits: FloatArray, inverse_temperature: float | FloatArray) -> FloatArray:
    """softmax(z / T) of option logits (..., K); the order of the options never changes."""
    scaled = np.asarray(logits, dtype=np.float64) * inverse_temperature
    # The shift changes no probability and keeps exp from overflowing.
    shifted = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


def self_check_probability(
    logits: FloatArray, inverse_temperature: float | FloatArray, bias: float | FloatArray = 0.0
) -> FloatArray:
    """P(the answer is right) from self-check logits (..., 2) in the order yes, no.

    The log-odds are (z_yes - z_no) / T + bias.

    >>> float(self_check_probability(np.array([2.0, 2.0]), 0.5))
    0.5
    """
    z = np.asarray(logits, dtype=np.float64)
    odds = (z[..., 0] - z[..., 1]) * inverse_temperature + bias
    # exp overflows float64 beyond 709.
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -700, 700))))


def with_probability(probabilities: FloatArray, option: int, p: float) -> FloatArray:
    """The options' probabilities (K,) with p for one of them; the others keep their proportions.

    >>> with_probability(np.array([0.5, 0.25, 0.25]), 0, 0.8).round(3).tolist()
    [0.8, 0.1, 0.1]
    """
    rest = 1.0 - probabilities[option]
    if probabilities[option] == p:
        return probabilities
    # Where that option had a probability of exactly 1, the others have no proportions to keep.
    even = np.full(len(probabilities), (1.0 - p) / (len(probabilities) - 1))
    found = probabilities * ((1.0 - p) / rest) if rest > 0 else even
    found[option] = p
    return np.asarray(found)


@dataclass(frozen=True)
class AnswerKind:
    """What calibration must know of a kind of answers; there are two: ``CHOICE`` and ``SELF_CHECK``.

    Attributes:
        name: As in ``Confidence.source`` and in files.
        plural: As in sentences for people.
        has_bias: Whether a bias is learned as well as a temperature.
    """

    name: KindName
    plural: str
    has_bias: bool

    @property
    def is_choice(self) -> bool:
        """Whether the answer is the option with the largest logit."""
        return not self.has_bias

    def check(self, logits: FloatArray) -> FloatArray:
        """The logits as float64, if they are finite and (N, K) with the K of this kind.

        Raises:
            InvalidInputError: They are not.
        """
        z = np.asarray(logits, dtype=np.float64)
        if z.ndim != 2 or z.shape[1] < 2 or (self.has_bias and z.shape[1] != 2) or not np.isfinite(z).all():
            expected = "(N, 2)" if self.has_bias else "(N, K) with K >= 2"
            msg = f"logits must be finite and of shape {expected}, got shape {z.shape}, finite: {np.isfinite(z).all()}"
            raise InvalidInputError(msg)
        return z

    def given(self, logits: FloatArray) -> np.ndarray[Any, Any]:
        """Index of the option that is the answer, shape (N,): the largest logit of a choice, yes of a self-check."""
        return np.zeros(len(logits), dtype=np.intp) if self.has_bias else np.asarray(np.argmax(logits, axis=-1))

    def chance(self, options: int) -> float:
        """Accuracy of guessing among K options: 1 / K for choices, 0 for free-form answers."""
        return 0.0 if self.has_bias else 1.0 / options

    def gaps(self, logits: FloatArray) -> FloatArray:
        """Logits of the other options less that of the answer, (N, K - 1), from (N, K)."""
        z = np.asarray(logits, dtype=np.float64)
        if self.has_bias:
            return z[:, 1:] - z[:, :1]
        # Sorted, the answer of a choice is the last column.
        z = np.sort(z, axis=1)
        return z[:, :-1] - z[:, -1:]

    def log_odds(self, logits: FloatArray) -> FloatArray:
        """Log-odds of the answer against all other options, shape (N,), from scaled logits (N, K)."""
        if self.has_bias:
            return np.asarray(logits[:, 0] - logits[:, 1])
        ordered = np.sort(logits, axis=1)
        return np.asarray(ordered[:, -1] - logsumexp(ordered[:, :-1], axis=1))

    def probability(self, logits: FloatArray, scale: Scale | tuple[float, float]) -> FloatArray:
        """P(the answer is right), shape (N,), from logits (N, K) under a task's temperature and bias.

        A choice gets a bias only from verdicts; it is added to the log-odds of its largest option.
        """
        inverse, bias = scale
        if self.has_bias:
            return self_check_probability(logits, inverse, bias)
        p = choice_probabilities(logits, inverse).max(-1)
        return np.asarray(expit(logit(p) + bias)) if bias else np.asarray(p)

    def option_probabilities(self, logits: FloatArray, scale: Scale | tuple[float, float]) -> FloatArray:
        """Probabilities of the options of one answer, shape (K,), from logits (K,); of a self-check yes and no."""
        inverse, bias = scale
        if not self.has_bias:
            return choice_probabilities(logits, inverse)
        yes = float(self_check_probability(logits, inverse, bias))
        return np.array([yes, 1.0 - yes])


CHOICE = AnswerKind("choice", "choices", has_bias=False)
SELF_CHECK = AnswerKind("self_check", "self-checks", has_bias=True)
KINDS = {kind.name: kind for kind in (CHOICE, SELF_CHECK)}
