"""What several prompts begin with, computed once: a system prompt, a passage with many questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from thermolang.models.cache import twin
from thermolang.models.decoding import left_padded

SHORTEST = 8
"""Fewer shared tokens than this are not worth a forward pass of their own."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """The KV cache of the token ids that several prompts begin with.

    Attributes:
        ids: The shared token ids.
        values: The transformers cache of these tokens, one row; None if there are none.
    """

    ids: tuple[int, ...] = ()
    values: Any = None


def inputs_after(prefixes: Sequence[Prefix], prompts: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, Any]:
    """Inputs of a forward pass over what follows each prompt's prefix.

    Args:
        prefixes: One for each prompt, or none at all. A prompt that does not begin with its prefix, as a template may
            render what came before differently later on, is computed whole.
        prompts: Token ids of B conversations.
        pad: Id that fills the left side.
        device: Where the model lies.

    Returns:
        ``input_ids`` and ``position_ids`` (B, longest rest), ``attention_mask`` (B, longest prefix + longest rest), and
        ``past_key_values`` of B rows, padded on the left, if there is a prefix.
    """
    prefixes = fitting(prefixes, prompts)
    lengths = [len(p.ids) for p in prefixes]
    inputs: dict[str, Any] = dict(left_padded([p[n:] for p, n in zip(prompts, lengths, strict=True)], pad, device))
    if longest := max(lengths):
        mask = inputs["attention_mask"]
        start = torch.tensor(lengths, device=device)[:, None]
        present = torch.arange(longest, device=device)[None] >= longest - start
        inputs["attention_mask"] = torch.cat([present.to(mask.dtype), mask], dim=1)
        inputs["position_ids"] = inputs["position_ids"] + start
        inputs["past_key_values"] = _stacked(prefixes, longest)
    return inputs


def fitting(prefixes: Sequence[Prefix], prompts: Sequence[Sequence[int]]) -> list[Prefix]:
    """Each prompt's prefix if it begins with it and is longer, else an empty one."""
    given = prefixes or [Prefix()] * len(prompts)
    begins = [
        len(ids) > len(p.ids) and tuple(ids[: len(p.ids)]) == p.ids for p, ids in zip(given, prompts, strict=True)
    ]
    return [p if fits else Prefix() for p, fits in zip(given, begins, strict=True)]


def _stacked(prefixes: Sequence[Prefix], longest: int) -> Any:
    """One cache of all rows; a shorter prefix stands at the right, as the mask says."""
    cache = twin(next(p.values for p in prefixes if p.values is not None))
    if len(prefixes) == 1:
        return cache  # nothing to pad, nothing to copy
    for i, layer in enumerate(cache.layers):
        for name in ("keys", "values"):
            like = getattr(layer, name)
            rows = like.new_zeros((len(prefixes), like.shape[1], longest, like.shape[3]))
            for row, prefix in zip(rows, prefixes, strict=True):
                if prefix.values is not None:
                    row[:, longest - len(prefix.ids) :] = getattr(prefix.values.layers[i], name)[0]
            setattr(layer, name, rows)
    return cache


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many token ids all prompts begin with, leaving each at least one of its own; 0 if hardly any.

    >>> shared_length([[*range(9), 1, 2], [*range(9), 3]])
    9
    >>> shared_length([[1, 2, 3], [1, 2, 4]])
    0
    """
    if len(prompts) < 2:
        return 0
    first, last = (
        min(map(list, prompts)),
        max(map(list, prompts)),
    )  # what the extremes of a sorted list share, all share
    most = min(map(len, prompts)) - 1
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), most)
    return min(length, most) if min(length, most) >= SHORTEST else 0
