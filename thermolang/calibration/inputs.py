"""What the metrics accept: arrays are checked once, here, so that bad input never becomes a number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thermolang.errors import InvalidInputError, NotEnoughDataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from summing to one: half-precision softmax stays within it."""


def as_floats(name: str, values: ArrayLike, ndim: int) -> FloatArray:
    """Return ``values`` as a finite, non-empty float64 array of ``ndim`` dimensions, within [0, 1]."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{name} must be numbers: {error}"
        raise InvalidInputError(msg) from error
    if array.ndim != ndim:
        msg = f"{name} must have {ndim} dimension(s), not shape {array.shape}"
        raise InvalidInputError(msg)
    if array.size == 0:
        msg = f"{name} is empty: at least 1 item is needed"
        raise NotEnoughDataError(msg)
    # A comparison with NaN is false, so this one line also refuses NaN and infinities.
    if not (array.min() >= 0 and array.max() <= 1):
        msg = f"{name} must be finite and within [0, 1], but reaches from {array.min()} to {array.max()}"
        raise InvalidInputError(msg)
    return array


def as_answers(confidence: ArrayLike, right: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check the binary view: two vectors (n,), the first in [0, 1], the second in {0, 1}."""
    p, r = as_floats("confidence", confidence, 1), as_floats("right", right, 1)
    if p.size != r.size:
        msg = f"confidence has {p.size} items, right has {r.size}"
        raise InvalidInputError(msg)
    if not np.isin(r, (0, 1)).all():
        msg = "right must be 0 or 1 (False or True) for every item"
        raise InvalidInputError(msg)
    return p, r


def as_classes(probabilities: ArrayLike, labels: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Check the multi-class view: rows (n, K) that sum to one, and integer labels (n,) in 0..K-1."""
    p = as_floats("probabilities", probabilities, 2)
    n, k = p.shape
    y = np.asarray(labels)
    if y.shape != (n,) or not np.issubdtype(y.dtype, np.integer):
        msg = f"labels must be {n} integers, one per row of probabilities, not {y.dtype} of shape {y.shape}"
        raise InvalidInputError(msg)
    if y.min() < 0 or y.max() >= k:
        msg = f"labels must be within 0..{k - 1}, but reach from {y.min()} to {y.max()}"
        raise InvalidInputError(msg)
    if (worst := float(np.abs(p.sum(axis=1) - 1).max())) > SUM_TOLERANCE:
        msg = f"each row of probabilities must sum to 1; one is off by {worst:.3g}"
        raise InvalidInputError(msg)
    return p, y.astype(np.intp)
