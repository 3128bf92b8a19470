"""Ridge logistic regression with an offset and a penalty of its own for each coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

STEPS = 100
TOLERANCE = 1e-8
"""A Newton step that would gain fewer nats than this, summed over the items, is the last."""


def fit_logistic(
    x: FloatArray, right: np.ndarray[Any, Any], penalty: FloatArray, *, offset: FloatArray | float = 0.0
) -> FloatArray:
    """Coefficients b that minimise the summed NLL of sigmoid(offset + x b) plus 1/2 sum_j penalty_j b_j^2.

    That is the posterior mode under b_j ~ N(0, 1 / penalty_j), by Newton's method with halved steps (iteratively
    reweighted least squares; McCullagh & Nelder, 1989). scikit-learn's LogisticRegression has neither an offset nor
    penalties by column.

    Args:
        x: Shape (N, p).
        right: Shape (N,), 0 or 1.
        penalty: Shape (p,), all > 0: without one, columns that separate right from wrong have no finite optimum.
        offset: Shape (N,), in the log-odds as it is.

    Returns:
        Shape (p,), float64.

    Raises:
        InvalidInputError: A penalty is not positive, or the numbers are too large for an optimum to be found.
    """
    if not np.all(np.asarray(penalty) > 0):
        msg = f"every column needs a penalty above 0, the smallest is {np.min(penalty)}"
        raise InvalidInputError(msg)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(right, dtype=np.float64)

    def objective(b: FloatArray) -> float:
        odds = offset + x @ b
        return float(np.logaddexp(0, odds).sum() - y @ odds + 0.5 * penalty @ b**2)

    b = np.zeros(x.shape[1])
    loss = objective(b)
    for _ in range(STEPS):
        p = expit(offset + x @ b)
        gradient = x.T @ (p - y) + penalty * b
        hessian = (x.T * (p * (1 - p))) @ x + np.diag(penalty)
        step = cho_solve(cho_factor(hessian), gradient)
        if gradient @ step < 2 * TOLERANCE:
            return np.asarray(b - step)
        while (lower := objective(b - step)) > loss:
            step = step / 2
        b, loss = b - step, lower
    largest = float(np.abs(x).max())
    msg = f"logistic regression of {x.shape} items and columns found no optimum; the largest number is {largest:.3g}"
    raise InvalidInputError(msg)
