"""transformers KV caches: a copy that may grow and shrink, and one row of a batch."""

from __future__ import annotations

import copy
from typing import Any

import torch


def twin(cache: Any) -> Any:
    """A copy of a transformers cache that may grow and shrink; its tensors are shared and never written."""
    other = copy.copy(cache)
    other.layers = [copy.copy(layer) for layer in cache.layers]
    return other


def row_of(cache: Any, row: int, present: torch.Tensor) -> Any:
    """The cache of one row of a batch, without its padding; the batch may go on and change.

    Args:
        cache: A transformers cache of B rows and T positions.
        row: Which of them.
        present: Shape (T,), bool; False at padding.

    Returns:
        A cache of one row; None if this kind of cache cannot be cut.
    """
    if cache is None or not getattr(cache, "is_croppable", False):
        return None
    alone = twin(cache)
    if any(layer.keys.shape[2] != len(present) for layer in alone.layers):  # a sliding window forgot some
        return None
    if bool(present.all()) and alone.layers[0].keys.shape[0] == 1:
        return alone
    for layer in alone.layers:
        layer.keys, layer.values = (x[row : row + 1, :, present] for x in (layer.keys, layer.values))
    return alone
