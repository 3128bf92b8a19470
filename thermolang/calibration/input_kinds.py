"""Kinds of input within one stream, told apart by the hidden state: easy and hopeless ones may share a task's name.

The hidden state is projected on the directions along which training tasks differ most for how much the answers of one
task differ (linear discriminant analysis; Fisher, 1936), each scaled to a deviation of 1 within a task. Inputs of one
kind lie close together there, and are found by average-linkage clustering.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.cluster.hierarchy import average, fcluster
from scipy.linalg import eigh

from thermolang.calibration.head_training import Projection, group_folds
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

COMPONENTS = 64
"""Principal components of the hidden state that the discriminant directions are looked for in."""

DIRECTIONS = 6

RIDGE = 0.1
"""Part of the mean variance that is added to the covariance within tasks: it is measured on few answers."""

MAIN = 0.9
"""The radius is so large that this share of a left-out task's inputs are of one kind, for this share of the tasks."""

SMALLEST = 0.1
"""Part of a stream's inputs that a kind must have more of; fewer belong to the nearest larger kind."""

FAR = 1.5
"""An input is of no known kind if it is farther from all of them than so many radii."""

MOST = 300
"""Inputs that are clustered; of more, as many evenly spaced ones."""


@dataclass(frozen=True, eq=False)
class KindSpace:
    """The space that inputs are compared in.

    Attributes:
        center: Shape (d,).
        axes: Shape (d, r); along each, answers of one task have a standard deviation of about 1.
        radius: Mean distance up to which inputs are of one kind.
    """

    center: FloatArray
    axes: FloatArray
    radius: float

    @classmethod
    def fit(cls, hidden: Sequence[FloatArray], groups: Sequence[str], *, folds: int = 10, seed: int = 0) -> KindSpace:
        """Learn the space from tasks' hidden states, (N_k, d) each; groups are left out together to find the radius."""
        part = np.array(group_folds(groups, folds, seed))
        heights = []
        for fold in np.unique(part):
            center, axes = _discriminants([h for h, p in zip(hidden, part, strict=True) if p != fold])
            left_out = [h for h, p in zip(hidden, part, strict=True) if p == fold]
            heights += [_height((h - center) @ axes) for h in left_out]
        # As they are saved, so that a loaded calibrator gives the same places.
        center, axes = (x.astype(np.float32) for x in _discriminants(hidden))
        return cls(center, axes, max(float(np.quantile(heights, MAIN)), 1e-6))

    def __post_init__(self) -> None:
        if self.axes.shape[:1] != self.center.shape or not self.radius > 0:
            msg = f"expected axes (d, r) for a center (d,) and a radius > 0, got {self.axes.shape}, {self.center.shape}"
            raise InvalidInputError(msg)

    def place(self, hidden: FloatArray) -> FloatArray:
        """Coordinates (N, r) of hidden states (N, d)."""
        # A sum along rows, unlike a matrix product, does not depend on which other answers are in the batch.
        moved = np.asarray(hidden, dtype=np.float64) - self.center
        return np.stack([(moved * axis).sum(-1) for axis in self.axes.T.astype(np.float64)], axis=-1)

    def split(self, places: FloatArray) -> list[FloatArray]:
        """Centers of the kinds of input in a stream, (r,) each, from the places (n, r) of its inputs.

        Clusters closer than ``radius`` on average are one kind. The largest comes first.
        """
        step = max(1, -(-len(places) // MOST))
        some = places[::step]
        if len(some) < 2:
            return list(some)
        label = fcluster(average(some), self.radius, criterion="distance")
        sizes = np.bincount(label)
        largest = np.argsort(-sizes, kind="stable")
        kept = [k for i, k in enumerate(largest) if i == 0 or sizes[k] > SMALLEST * len(some)]
        return [some[label == k].mean(0) for k in kept]

    def nearest(
        self, places: FloatArray, centers: Sequence[FloatArray]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Index of the nearest center, and whether it is near enough, for each of the places (n, r)."""
        distance = np.linalg.norm(places[:, None] - np.stack(centers)[None], axis=-1)
        return distance.argmin(1), distance.min(1) <= FAR * self.radius


def _discriminants(hidden: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Center (d,) and axes (d, r) that tell the tasks apart, largest ratio of between to within variance first."""
    projection = Projection.fit(hidden, COMPONENTS)
    components = [projection(h) for h in hidden]
    means = np.stack([c.mean(0) for c in components])
    between = np.cov(means.T)
    within = np.mean([(c - m).T @ (c - m) / len(c) for c, m in zip(components, means, strict=True)], axis=0)
    within += RIDGE * np.trace(within) / len(within) * np.eye(len(within))
    size = len(within)
    count = min(DIRECTIONS, size, len(hidden) - 1)
    _, vectors = eigh(between, within, subset_by_index=(size - count, size - 1))
    return projection.center, projection.axes @ vectors[:, ::-1]


def _height(places: FloatArray) -> float:
    """The distance at which ``MAIN`` of the places (n, r) are in one cluster."""
    tree = average(places)
    sizes = tree[:, 3]
    return float(tree[np.argmax(sizes >= MAIN * len(places)), 2])
