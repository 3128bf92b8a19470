"""Scores of the fields of a structured answer: options at their own place, everything else by a check of that field.

A field with a few options was decided where its tokens were chosen; their logits were kept on the way (``Fork``). Of
any other field the model is asked whether it is right, all fields of an answer with one forward pass that continues
the answer's KV cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from thermolang.answers.json_fields import JsonField
from thermolang.models.constrained import Fork
from thermolang.models.scoring import KVCache
from thermolang.types import Generation, OptionScores

CONTEXT = 8
"""Tokens before a place that are decoded with those at it: some tokenizers write a token alone differently."""


class SpelledAnswer:
    """An answer that was generated under a grammar, token by token.

    Args:
        answer: The answer, with what was kept of its generation.
        text_of: Decodes token ids.
    """

    def __init__(self, answer: Generation, text_of: Callable[[Sequence[int]], str]) -> None:
        self._answer, self._text_of = answer, text_of
        kept = answer.cache
        self._ids: tuple[int, ...] = kept.answer if isinstance(kept, KVCache) else ()
        self._forks = kept.forks if isinstance(kept, KVCache) else {}

    @cached_property
    def ends(self) -> list[int]:
        """Where each token ends in the text."""
        # Half a character decodes to a replacement character, which is not there yet.
        return [len(self._text_of(self._ids[: i + 1]).rstrip("\ufffd")) for i in range(len(self._ids))]

    def probability(self, field: JsonField) -> float:
        """Exp of the mean log-probability of the tokens that spell a field, and end it; NaN where unknown."""
        # The quote that opens a text is no choice of the model's.
        start = field.start + isinstance(field.value, str)
        values = [self._answer.logprobs[i] for i in self._places(start, field.end)]
        return math.exp(math.fsum(values) / len(values)) if values else math.nan

    def options(self, field: JsonField) -> OptionScores | None:
        """Scores of a field's options at the place where they part.

        An option's logit is the log of its probability among the allowed tokens, over all spellings of its first
        tokens. Options that no token told apart, as the answer went another way before, share their probability evenly.

        Returns:
            The scores, in the order of the options; None if the field has none, or their logits were not kept.
        """
        alive, base = set(range(len(field.options))), 1.0
        masses, parted = np.zeros(len(field.options)), None
        for place in self._places(field.start, field.end):
            fork = self._forks.get(place)
            if len(alive) < 2 or fork is None:
                continue
            fits = self._fitting(fork, place, field, alive)
            chosen = int(np.flatnonzero(fork.ids == self._ids[place])[0])
            shares = base * _softmax(fork.logits)
            for i, (share, of) in enumerate(zip(shares, fits, strict=True)):
                if i != chosen:
                    masses[list(of)] += share / max(len(of), 1)
            parted = parted or (fork if fits[chosen] != alive else None)
            base, alive = float(shares[chosen]), fits[chosen]
        if parted is None:
            return None
        masses[list(alive)] += base / max(len(alive), 1)
        return OptionScores(field.options, _logs(masses), parted.hidden.numpy(), parted.mass)

    def _places(self, start: int, end: int) -> list[int]:
        """The tokens that spell some of the text between two characters."""
        begins = [0, *self.ends]
        return [i for i, own in enumerate(self.ends) if own > start and begins[i] < end]

    def _fitting(self, fork: Fork, place: int, field: JsonField, alive: set[int]) -> list[set[int]]:
        """For each token of a fork, which options it may be the next part of."""
        before = list(self._ids[max(0, place - CONTEXT) : place])
        said = len(self._text_of(before))
        offset = (self.ends[place - 1] if place else 0) - field.start
        rests = {i: field.options[i][max(offset, 0) :] for i in alive}
        found = []
        for token in fork.ids.tolist():
            # Where a token begins before the field does, with a blank, only the rest of it counts.
            text = self._text_of([*before, token])[said + max(-offset, 0) :]
            found.append({i for i, rest in rests.items() if rest.startswith(text) or text.startswith(rest)})
        return found


def _logs(masses: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Logs of probabilities; of 0 a number that is finite."""
    return np.asarray(np.log(np.maximum(masses, 1e-40)))


def _softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    return np.asarray(shifted / shifted.sum())
