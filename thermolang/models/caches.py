"""KV caches of several prompts and answers: padding them, putting them together and taking them apart.

A ``Prefix`` is what prompts begin with; ``PrefixCache`` remembers those of earlier prompts.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

SHORTEST_PREFIX = 8
"""Fewer shared tokens than this are not worth a forward pass of their own."""

WORTH_KEEPING = 64
"""Where fewer tokens than this would be saved, a prompt is computed whole: that is as fast."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """The KV cache of the token ids that several prompts begin with.

    Attributes:
        ids: The shared token ids.
        values: The transformers cache of these tokens, one row; None if there are none.
    """

    ids: tuple[int, ...] = ()
    values: Any = None


def left_padded(sequences: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, torch.Tensor]:
    """Stack token ids with padding on the left, so that the last column is every row's last token.

    Returns:
        ``input_ids``, ``attention_mask`` and ``position_ids``, each of shape (B, longest).
    """
    width = max(map(len, sequences))
    ids = torch.tensor([[pad] * (width - len(s)) + list(s) for s in sequences])
    mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in sequences])
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return {k: v.to(device) for k, v in {"input_ids": ids, "attention_mask": mask, "position_ids": positions}.items()}


def inputs_after(prefixes: Sequence[Prefix], prompts: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, Any]:
    """Inputs of a forward pass over what follows each prompt's prefix.

    Args:
        prefixes: One for each prompt, or none at all. A prompt that does not begin with its prefix is computed whole;
            some templates render earlier messages differently later on.
        prompts: Token ids of B conversations.
        pad: Id that fills the left side.
        device: Where the model lies.

    Returns:
        ``input_ids`` and ``position_ids`` (B, longest rest), ``attention_mask`` (B, longest prefix + longest rest), and
        ``past_key_values`` of B rows, padded on the left, if there is a prefix.
    """
    prefixes = fitting_prefixes(prefixes, prompts)
    lengths = [len(p.ids) for p in prefixes]
    inputs: dict[str, Any] = dict(left_padded([p[n:] for p, n in zip(prompts, lengths, strict=True)], pad, device))
    if longest := max(lengths):
        mask = inputs["attention_mask"]
        start = torch.tensor(lengths, device=device)[:, None]  # (B, 1)
        present = torch.arange(longest, device=device)[None] >= longest - start  # (B, longest)
        inputs["attention_mask"] = torch.cat([present.to(mask.dtype), mask], dim=1)
        inputs["position_ids"] = inputs["position_ids"] + start
        inputs["past_key_values"] = _stacked(prefixes, longest)
    return inputs


def fitting_prefixes(prefixes: Sequence[Prefix], prompts: Sequence[Sequence[int]]) -> list[Prefix]:
    """Each prompt's prefix if it begins with it and is longer, else an empty one."""
    given = prefixes or [Prefix()] * len(prompts)
    begins = [
        len(ids) > len(p.ids) and tuple(ids[: len(p.ids)]) == p.ids for p, ids in zip(given, prompts, strict=True)
    ]
    return [p if fits else Prefix() for p, fits in zip(given, begins, strict=True)]


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many token ids all prompts begin with, leaving each at least one of its own; 0 if hardly any.

    >>> shared_length([[*range(9), 1, 2], [*range(9), 3]])
    9
    >>> shared_length([[1, 2, 3], [1, 2, 4]])
    0
    """
    if len(prompts) < 2:
        return 0
    # What the first and the last of a sorted list share, all share.
    first, last = min(map(list, prompts)), max(map(list, prompts))
    most = min(map(len, prompts)) - 1
    differs = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), most)
    length = min(differs, most)
    return length if length >= SHORTEST_PREFIX else 0


def copy_cache(cache: Any) -> Any:
    """A copy of a transformers cache that may grow and shrink; its tensors are shared and never written."""
    other = copy.copy(cache)
    other.layers = [copy.copy(layer) for layer in cache.layers]
    return other


def can_be_cut(cache: Any) -> bool:
    """Whether rows and positions of a transformers cache can be taken apart and put together again.

    A sliding window forgets positions and counts them, and recurrent layers mix them: those cannot be cut.
    """
    layers = getattr(cache, "layers", [])
    return bool(getattr(cache, "is_croppable", False)) and not any(getattr(x, "is_sliding", False) for x in layers)


def cut_row(cache: Any, row: int, present: torch.Tensor) -> Any:
    """The cache of one row of a batch, without its padding; the batch's own may go on and change.

    Args:
        cache: A transformers cache of B rows and T positions.
        row: Which of them.
        present: Shape (T,), bool; False at padding.

    Returns:
        A cache of one row; None if this kind of cache cannot be cut.
    """
    if not can_be_cut(cache):
        return None
    alone = copy_cache(cache)
    if bool(present.all()) and alone.layers[0].keys.shape[0] == 1:
        return alone
    for layer in alone.layers:
        # Both are (B, heads, T, width of a head).
        layer.keys, layer.values = (x[row : row + 1, :, present] for x in (layer.keys, layer.values))
    return alone


def _stacked(prefixes: Sequence[Prefix], longest: int) -> Any:
    """One cache of all rows; a shorter prefix stands at the right, as the mask says."""
    cache = copy_cache(next(p.values for p in prefixes if p.values is not None))
    if len(prefixes) == 1:
        return cache  # nothing to pad, nothing to copy
    for i, layer in enumerate(cache.layers):
        for name in ("keys", "values"):
            like = getattr(layer, name)
            # (B, heads, longest, width of a head)
            rows = like.new_zeros((len(prefixes), like.shape[1], longest, like.shape[3]))
            for row, prefix in zip(rows, prefixes, strict=True):
                if prefix.values is not None:
                    row[:, longest - len(prefix.ids) :] = getattr(prefix.values.layers[i], name)[0]
            setattr(layer, name, rows)
    return cache


def joined(first: Any, second: Any) -> Any:
    """One cache of the rows of two that can be cut; the shorter one is padded on the left.

    Args:
        first: A transformers cache of A rows and some positions.
        second: Another of the same model, of B rows.

    Returns:
        A cache of A + B rows with as many positions as the longer one.
    """
    width = max(first.get_seq_length(), second.get_seq_length())
    both = copy_cache(first)
    for layer, other in zip(both.layers, second.layers, strict=True):
        layer.keys = torch.cat([_padded(layer.keys, width), _padded(other.keys, width)])
        layer.values = torch.cat([_padded(layer.values, width), _padded(other.values, width)])
    return both


def without_first(cache: Any, positions: int) -> Any:
    """A cache without its first positions, which are padding in every row; it must be one that can be cut."""
    shorter = copy_cache(cache)
    for layer in shorter.layers if positions else []:
        layer.keys, layer.values = layer.keys[:, :, positions:], layer.values[:, :, positions:]
    return shorter


def cache_bytes(cache: Any) -> int:
    """How many bytes the keys and values of a cache take."""
    return sum(int(layer.keys.nbytes + layer.values.nbytes) for layer in cache.layers)


def _padded(x: torch.Tensor, width: int) -> torch.Tensor:
    """(B, heads, T, width of a head) with zeros in front, so that T is ``width``."""
    missing = width - x.shape[2]
    return x if not missing else torch.cat([x.new_zeros((*x.shape[:2], missing, x.shape[3])), x], dim=2)


class PrefixCache:
    """KV caches of the latest prompts by their token ids: what a new prompt shares with one need not be computed.

    System prompts, tools and passages come again and again. The prompt that was not used for longest is forgotten
    first.

    Args:
        most_bytes: All kept caches together take at most so many; 0 keeps none.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._bytes = most_bytes, 0
        self._kept: OrderedDict[tuple[int, ...], tuple[Any, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._bytes = 0

    def longest(self, prompt: Sequence[int]) -> Prefix:
        """The longest beginning of a prompt that is known, but for its last token; empty if it is short."""
        shared, ids = max(((_common(prompt, ids), ids) for ids in self._kept), default=(0, ()))
        length = min(shared, len(prompt) - 1)
        if length < WORTH_KEEPING:
            return Prefix()
        self._kept.move_to_end(ids)
        values = copy_cache(self._kept[ids][0])
        if length < len(ids):
            values.crop(length - len(ids))
        return Prefix(ids[:length], values)

    def keep(self, prompt: Sequence[int], cut: Callable[[], Any]) -> None:
        """Remember a prompt that was computed, if it is long enough.

        Args:
            prompt: Its token ids.
            cut: Returns the transformers cache of exactly these, one row that can be cut.
        """
        ids = tuple(prompt)
        if len(ids) <= WORTH_KEEPING or ids in self._kept or not self._most:
            return
        values = cut()
        if (size := cache_bytes(values)) > self._most:
            return
        self._kept[ids] = values, size
        self._bytes += size
        while self._bytes > self._most:
            self._bytes -= self._kept.popitem(last=False)[1][1]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many items two sequences begin with alike."""
    most = min(len(a), len(b))
    if tuple(a[:most]) == tuple(b[:most]):
        return most
    return next(i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
