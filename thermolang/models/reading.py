"""Reading options and hidden states at one position of a model, and the KV cache a reading continues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch

from thermolang.errors import ModelError
from thermolang.types import Message, OptionScores

MIN_ANSWER_MASS = 0.01
"""Below this share of the next-token probability the options are not what the model wants to say."""

LONGEST_SPELLED = 32
"""Tokens of an answer given as text whose probability is read: each costs logits over the whole vocabulary."""


class Tap(threading.local):
    """The input of a model's output embeddings in the latest forward of this thread."""

    hidden: torch.Tensor


_taps: WeakKeyDictionary[Any, tuple[Tap, threading.Lock]] = WeakKeyDictionary()


@dataclass(frozen=True)
class KVCache:
    """What a self-check needs to continue a generation.

    Attributes:
        owner: The transformers model that filled it; another model's weights must not continue it.
        prompt: Token ids of the prompt.
        answer: Token ids that spell the answer, without an end token or a stop string.
        values: The transformers cache of all tokens but the last sampled one; None if it cannot be continued.
        start: Logits (V,) and hidden state (d,) at the answer position.
        messages: The conversation; a reading of another one must not take these for its own.
    """

    owner: Any
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    values: Any
    start: tuple[torch.Tensor, torch.Tensor]
    messages: tuple[Message, ...]


def hidden_tap(model: Any) -> tuple[Tap, threading.Lock]:
    """Keep the input of the output embeddings, per thread: the hidden state after the final norm.

    The hook is registered once per model and stays; one hook per call would see other threads' passes.

    Returns:
        The tap, and a lock for forward passes: two of them at a time on the same cores take far longer than one after
        the other.

    Raises:
        ModelError: The model has no output embeddings.
    """
    if model not in _taps:
        head = model.get_output_embeddings()
        if head is None:
            msg = f"{type(model).__name__} has no output embeddings: a causal language model is needed"
            raise ModelError(msg)
        tap = Tap()

        def keep(_module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            tap.hidden = inputs[0].detach()

        head.register_forward_pre_hook(keep)
        _taps[model] = tap, threading.Lock()
    return _taps[model]


def ids_of(text: str, token_ids: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> tuple[int, ...]:
    """The fewest first ids that spell a text: without an end token, a stop string or white space after it.

    Where a stop string begins inside a token no ids spell the text; then the nearest ones are returned.
    """
    end = len(token_ids)
    while end and len(text_of(token_ids[:end])) > len(text):
        end -= 1
    while end and text_of(token_ids[: end - 1]) == text:
        end -= 1
    return tuple(token_ids[:end])


def option_scores(
    logits: torch.Tensor,
    hidden: torch.Tensor,
    option_ids: list[list[int]],
    options: tuple[str, ...],
    *,
    tokens: int,
    middle: torch.Tensor | None = None,
) -> OptionScores:
    """Sum each option's spellings; logits (V,), hidden and middle (d,)."""
    z = torch.stack([logits[ids].logsumexp(-1) for ids in option_ids])  # (K,)
    mass = float((z - logits.logsumexp(-1)).exp().sum().clamp(max=1.0))  # the sum may round to just above 1
    between = None if middle is None else middle.numpy()
    return OptionScores(options, z.numpy(), hidden.numpy(), mass, tokens, middle=between)


def language_only(model: Any) -> None:
    """Refuse models that are read in another way than from left to right, as text."""
    kind = ""
    if getattr(model.config, "is_encoder_decoder", False):
        kind = "an encoder-decoder (seq2seq) model"
    elif getattr(model.config, "vision_config", None) is not None:
        kind = "a vision model"
    if kind:
        msg = f"{type(model).__name__} is {kind}: use a causal language model for chat, such as Qwen2.5-Instruct"
        raise ModelError(msg)


def answer_span(
    ids: Sequence[int], before: Sequence[int], after: Sequence[int], end_ids: Collection[int]
) -> range | None:
    """Which of a conversation's ids spell an answer, with the token that ends it; the last ones of a long answer.

    Args:
        ids: Of the conversation with the answer in it.
        before: Of what the template writes before an answer.
        after: Of what it writes after it.
        end_ids: Tokens that end an answer.

    Returns:
        None where the answer's tokens merge with the template's, so that it cannot be told.
    """
    end = len(ids) - len(after)
    if list(ids[: len(before)]) != list(before) or list(ids[end:]) != list(after) or end <= len(before):
        return None
    end += bool(after) and after[0] in end_ids
    return range(max(len(before), end - LONGEST_SPELLED), end)


def spelled(logits: torch.Tensor, token_ids: Sequence[int]) -> float:
    """Exp of the mean log-probability of n tokens, from the logits (n, V) that each was chosen by."""
    logprobs = logits.log_softmax(-1)[range(len(token_ids)), list(token_ids)]
    return float(logprobs.mean().exp())
