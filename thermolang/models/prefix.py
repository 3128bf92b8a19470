"""What several prompts begin with, computed once: a system prompt, a passage with many questions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from thermolang.models.decoding import left_padded

SHORTEST = 8
"""Fewer shared tokens than this are not worth a forward pass of their own."""


@dataclass(frozen=True)
class Prefix:
    """The KV cache of the token ids that several prompts begin with.

    Attributes:
        ids: The shared token ids.
        values: The transformers cache of these tokens, one row; None if there are none.
    """

    ids: tuple[int, ...] = ()
    values: Any = None

    def batch(self, prompts: Sequence[Sequence[int]], pad: int, device: Any) -> dict[str, Any]:
        """Inputs of a forward pass over what follows the prefix in each prompt.

        Args:
            prompts: Token ids of B conversations, each longer than the prefix and beginning with it.
            pad: Id that fills the left side.
            device: Where the model lies.

        Returns:
            ``input_ids`` and ``position_ids`` (B, longest rest), ``attention_mask`` (B, prefix + longest rest), and
            ``past_key_values``: B rows that share nothing with the prefix's own cache but memory that is never written.
        """
        start = len(self.ids)
        inputs: dict[str, Any] = dict(left_padded([p[start:] for p in prompts], pad, device))
        if start:
            mask = inputs["attention_mask"]
            inputs["attention_mask"] = torch.cat([mask.new_ones(len(prompts), start), mask], dim=1)
            inputs["position_ids"] = inputs["position_ids"] + start
            inputs["past_key_values"] = twin(self.values)
            inputs["past_key_values"].batch_repeat_interleave(len(prompts))
        return inputs


def twin(cache: Any) -> Any:
    """A copy of a transformers cache that may grow and shrink; its tensors are shared and never written."""
    other = copy.copy(cache)
    other.layers = [copy.copy(layer) for layer in cache.layers]
    return other


def shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many token ids all prompts begin with, leaving each at least one of its own; 0 if hardly any.

    >>> shared_length([[*range(9), 1, 2], [*range(9), 3]])
    9
    >>> shared_length([[1, 2, 3], [1, 2, 4]])
    0
    """
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)  # what the extremes of a sorted list share, all share
    most = min(map(len, prompts)) - 1
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), most)
    return min(length, most) if min(length, most) >= SHORTEST else 0
