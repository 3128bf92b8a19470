"""The directions in which hidden states vary most: standardised, then principal components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh

if TYPE_CHECKING:
    from thermolang.types import FloatArray


@dataclass(frozen=True, eq=False)
class Projection:
    """An affine map from hidden states to their leading principal components.

    Before the smaller components are dropped, a training input has a mean square length of at most 1. So weights
    that are independently N(0, s^2) move the log-odds by about s, whatever d is.

    Attributes:
        center: Shape (d,), mean of the training inputs, tasks weighing the same.
        axes: Shape (d, r), the largest component first.
    """

    center: FloatArray
    axes: FloatArray

    @classmethod
    def fit(cls, hidden: Sequence[FloatArray], components: int) -> Projection:
        """Find the components of several tasks' hidden states.

        Args:
            hidden: Shape (N_k, d) for each task.
            components: At most this many; fewer if the inputs do not span as many.
        """
        center = np.mean([np.mean(h, axis=0, dtype=np.float64) for h in hidden], axis=0)
        x = np.concatenate(hidden) - center
        scale = np.sqrt(np.mean(x**2, axis=0))
        # A coordinate that hardly moves in training must not be blown up in new inputs.
        scale = np.maximum(scale, 0.1 * scale.mean() + 1e-6) * np.sqrt(x.shape[1])
        return cls(center, _leading(x / scale, components) / scale[:, None])

    def __call__(self, hidden: FloatArray) -> FloatArray:
        """Hidden states (N, d) to components (N, r), float64."""
        return np.asarray((np.asarray(hidden, dtype=np.float64) - self.center) @ self.axes)


def _leading(x: FloatArray, components: int) -> FloatArray:
    """Orthonormal principal axes (d, r) of rows (N, d), from the smaller of the two cross products."""
    n, d = x.shape
    product = x.T @ x if n >= d else x @ x.T
    size = len(product)
    values, vectors = eigh(product, subset_by_index=(max(size - components, 0), size - 1))
    spanned = values > 1e-9 * values[-1]
    values, vectors = values[spanned][::-1], vectors[:, spanned][:, ::-1]
    return np.asarray(vectors if n >= d else x.T @ (vectors / np.sqrt(values)))
