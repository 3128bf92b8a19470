"""What the options of one answer tell about it, under its task's temperature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import entr, log_softmax, logsumexp

from thermolang.errors import InvalidInputError

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
