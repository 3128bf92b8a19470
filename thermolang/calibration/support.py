"""Is an input like what the calibrator was trained on?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from thermolang.types import FloatArray


@dataclass(frozen=True, eq=False)
class Support:
    """A box-shaped picture of the training inputs: each coordinate's centre and spread.

    Attributes:
        center: Shape (d,), mean of the training hidden states, tasks weighted equally.
        scale: Shape (d,), > 0, their standard deviation.
        radius: The distance that 99 % of the inputs of a task left out of the picture stay within.
    """

    center: FloatArray
    scale: FloatArray
    radius: float

    @classmethod
    def fit(cls, hidden: Sequence[FloatArray]) -> Support:
        """Describe the tasks' hidden states, each of shape (N_k, d).

        With three tasks or more the radius comes from leaving each task out in turn, so that it says how far
        a *new* task usually is.
        """
        center, scale = _picture(hidden)
        distances = [_distance(np.concatenate(hidden), center, scale)]
        if len(hidden) >= 3:
            others = [_picture([h for j, h in enumerate(hidden) if j != i]) for i in range(len(hidden))]
            distances = [_distance(task, *picture) for task, picture in zip(hidden, others, strict=True)]
        # Training inputs that are all the same have distance 0; any other input is then far away.
        return cls(center, scale, max(float(np.quantile(np.concatenate(distances), 0.99)), 1e-6))

    def novelty(self, hidden: FloatArray) -> FloatArray:
        """Distance of hidden states (..., d) from the training inputs; above 1 is beyond 99 % of new tasks' inputs."""
        return np.asarray(_distance(hidden, self.center, self.scale) / self.radius)


def _picture(hidden: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    center = np.mean([h.mean(0) for h in hidden], axis=0)
    scale = np.sqrt(np.mean([((h - center) ** 2).mean(0) for h in hidden], axis=0))
    # A coordinate that never moved in training must not make every new input infinitely novel.
    return center, np.maximum(scale, 0.1 * scale.mean() + 1e-6)


def _distance(hidden: FloatArray, center: FloatArray, scale: FloatArray) -> FloatArray:
    """Root mean square of the standardised coordinates, shape (...)."""
    return np.asarray(np.sqrt((((hidden - center) / scale) ** 2).mean(-1)))
