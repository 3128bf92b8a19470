"""A true partition of answers into meanings: it depends on the set of answers only, not on their order or number."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

    BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
    IntArray = np.ndarray[Any, np.dtype[np.int64]]

CUT = 0.5
"""Two groups are one meaning while the mean probability that their answers mean the same is above this."""

APART = 1e12
"""Distance of a forbidden pair: its mean over all pairs of two large groups still is far above the cut."""

JITTER = 1e-9
"""Equal distances are told apart by the texts themselves, so that an answer more cannot turn a tie."""


def partition(texts: Sequence[str], same: FloatArray, must: BoolArray, cannot: BoolArray) -> IntArray:
    """Group distinct texts by average linkage (Sokal & Michener, 1958) under pairwise constraints.

    Texts that must be together are, whatever their mean distance, unless two of them must not; then the pairs decide.
    Two texts that must not be together never are.

    Args:
        texts: N distinct texts.
        same: Shape (N, N), symmetric, in [0, 1]: probability that two texts mean the same.
        must: Shape (N, N), symmetric: pairs that surely mean the same.
        cannot: Shape (N, N), symmetric: pairs that surely do not; stronger than ``must``.

    Returns:
        Shape (N,): the group of each text; groups are numbered in the order of their first text when sorted.

    Raises:
        InvalidInputError: Texts repeat, or the shapes do not fit.

    Example:
        >>> never = np.zeros((3, 3), dtype=bool)
        >>> partition(["b", "a", "c"], np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]), never, never).tolist()
        [0, 0, 1]
    """
    n = len(texts)
    shapes = {np.shape(x) for x in (same, must, cannot)}
    if len(set(texts)) < n or shapes != {(n, n)}:
        msg = f"{n} distinct texts with matrices ({n}, {n}) are needed, got {len(set(texts))} distinct and {shapes}"
        raise InvalidInputError(msg)
    if n < 2:
        return np.zeros(n, dtype=np.int64)
    order = np.array(sorted(range(n), key=texts.__getitem__))
    block = np.ix_(order, order)
    distance = _distances([texts[i] for i in order], same[block], must[block], cannot[block])
    tree = linkage(squareform(distance, checks=False), method="average")
    found = np.empty(n, dtype=np.int64)
    found[order] = _numbered(fcluster(tree, CUT, criterion="distance"))
    return found


def _distances(texts: Sequence[str], same: FloatArray, must: BoolArray, cannot: BoolArray) -> FloatArray:
    distance: FloatArray = np.where(must, 0.0, 1.0 - np.asarray(same, dtype=np.float64)) + JITTER * _noise(texts)
    _, atom = connected_components(must & ~cannot, directed=False)
    together = atom[:, None] == atom[None, :]
    # An atom with a forbidden pair inside is none; its pairs stay as they are.
    broken = np.isin(atom, atom[(together & cannot).any(axis=1)])
    distance[together & ~broken[:, None]] = 0.0
    distance[cannot] = APART
    np.fill_diagonal(distance, 0.0)
    return distance


def _noise(texts: Sequence[str]) -> FloatArray:
    """A symmetric matrix of numbers in [0, 1) that depends on the two texts of each entry only."""
    words = [hashlib.sha256(text.encode("utf-8", "replace")).digest()[:6] for text in texts]
    x = np.array([int.from_bytes(word, "big") for word in words], dtype=np.float64) / 2**48
    return np.asarray(np.modf((x[:, None] + x[None, :]) * 1e5 + x[:, None] * x[None, :] * 1e6)[0])


def _numbered(labels: Any) -> IntArray:
    """The same groups, numbered in the order in which they first appear."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int64)
