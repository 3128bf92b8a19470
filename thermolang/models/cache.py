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


def can_be_cut(cache: Any) -> bool:
    """Whether rows and positions of this kind of cache can be taken apart and put together again.

    Not those of a sliding window, which forgets and counts what it forgot, nor those of recurrent layers.
    """
    layers = getattr(cache, "layers", [])
    return bool(getattr(cache, "is_croppable", False)) and not any(getattr(x, "is_sliding", False) for x in layers)


def row_of(cache: Any, row: int, present: torch.Tensor) -> Any:
    """The cache of one row of a batch, without its padding; the batch may go on and change.

    Args:
        cache: A transformers cache of B rows and T positions.
        row: Which of them.
        present: Shape (T,), bool; False at padding.

    Returns:
        A cache of one row; None if this kind of cache cannot be cut.
    """
    if not can_be_cut(cache):
        return None
    alone = twin(cache)
    if bool(present.all()) and alone.layers[0].keys.shape[0] == 1:
        return alone
    for layer in alone.layers:
        layer.keys, layer.values = (x[row : row + 1, :, present] for x in (layer.keys, layer.values))
    return alone
