"""Reading a local model at one position: option logits of a prompt or an answer, and self-checks.

The KV cache of a generation is continued where that is possible.
"""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import torch

from thermolang.errors import ModelError
from thermolang.models.chat_template import CLOSE, OPEN, UNFINISHED, ChatTokenizer, final_answer
from thermolang.models.decoding import Prefix, can_be_cut, fitting, inputs_after, left_padded, shared_length, twin
from thermolang.models.prompts import SENTINEL, YES_NO, self_check_messages
from thermolang.types import Generation, Message, OptionScores

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


class Reader(ChatTokenizer):
    """A causal language model and its tokenizer, read at the places calibration needs.

    Any number of threads may share one instance; forward passes take turns.

    Args:
        model: A transformers causal language model, in evaluation mode.
        tokenizer: Its tokenizer, with a chat template.
        name: Short name for people; the model's own by default.

    Raises:
        ModelError: The tokenizer has no chat template, or the model is no causal language model.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "") -> None:
        super().__init__(model, tokenizer, name=name)
        language_only(model)
        self._tap, self._lock = hidden_tap(model)
        self._accepted = set(inspect.signature(model.forward).parameters)

    @torch.inference_mode()
    def prefix(self, prompts: Sequence[Sequence[int]]) -> Prefix:
        """Compute once what all these token ids begin with; nothing, if the model's cache cannot be put together."""
        ids = list(prompts[0][: shared_length(prompts)]) if prompts else []
        if not ids:
            return Prefix()
        inputs = left_padded([ids], self._pad_id, self.model.device)
        out = self._forward(**inputs, use_cache=True, logits_to_keep=1)
        return Prefix(tuple(ids), out.past_key_values) if can_be_cut(out.past_key_values) else Prefix()

    def choice_logits(
        self, messages: Sequence[Message], choices: Sequence[str], answer: Generation | None = None
    ) -> OptionScores:
        """Read the options' logits at the answer position.

        Args:
            messages: The conversation. If it ends with an assistant message, that one is continued.
            choices: Texts the answer may start with, such as ``["A", "B", "C"]``; each must be one token.
            answer: This model's answer to the conversation, if there is one: then what it was chosen from is read,
                without another forward pass.

        Returns:
            Scores in the order of ``choices``. An option's logit sums over its spellings with and
            without a leading space.

        Raises:
            ModelError: An option is no single token, two options share one, or the prompt is too long.
        """
        ids = self.option_ids([(choice,) for choice in choices], names=choices)
        names = tuple(choices)
        if answer is not None and isinstance(kept := answer.cache, KVCache) and self._is_of(kept, messages):
            if CLOSE not in answer.text:
                return option_scores(*kept.start, ids, names, tokens=0)
            prompt = [*kept.prompt, *self._thoughts(answer)]
            prefixes = [] if kept.values is None else [self._before(kept, len(prompt) - 1)]
            return self.read([prompt], [ids], [names], prefixes=prefixes)[0]
        prompt = self._checked(self.encode(self.render(messages, at_once=True)))
        return self.read([prompt], [ids], [names])[0]

    def self_check(self, messages: Sequence[Message], answer: Generation | str) -> OptionScores:
        """Ask the model whether its answer is correct (P(True), Kadavath et al., 2022, arXiv 2207.05221).

        With a ``Generation`` of this model the KV cache is continued, and only the tokens after the
        answer are computed. With a text, or where a template rewrites what came before, the whole
        conversation is read once; ``cache_reused`` tells which it was.

        Returns:
            Scores of the options ``("yes", "no")``.

        Raises:
            ModelError: The conversation is too long, or a reasoning model's answer holds thoughts only.
        """
        return self.self_check_batch([(messages, answer)])[0]

    def self_check_batch(
        self,
        pairs: Sequence[tuple[Sequence[Message], Generation | str]],
        *,
        prefixes: Sequence[Prefix] = (),
        middle: int | None = None,
    ) -> list[OptionScores]:
        """Self-check several (conversation, answer) pairs with one forward pass.

        Args:
            pairs: As ``self_check`` takes them.
            prefixes: What each conversation begins with, computed before; one for each, or none.
            middle: Also keep the output of this layer, counted from 1.
        """
        given = prefixes or [Prefix()] * len(pairs)
        continued = [self._continued(messages, answer) for messages, answer in pairs]
        found = [
            again or (self._whole(*pair), prefix) for pair, again, prefix in zip(pairs, continued, given, strict=True)
        ]
        scores = self.read(
            [ids for ids, _ in found],
            [self._yes_no] * len(found),
            [("yes", "no")] * len(found),
            prefixes=[prefix for _, prefix in found],
            middle=middle,
            spans=[
                None if again or prefixes else self._span(*pair, ids)
                for pair, again, (ids, _) in zip(pairs, continued, found, strict=True)
            ],
        )
        return [replace(s, cache_reused=c is not None) for s, c in zip(scores, continued, strict=True)]

    def read(
        self,
        prompts: Sequence[Sequence[int]],
        option_ids: Sequence[list[list[int]]],
        options: Sequence[tuple[str, ...]],
        **how: Any,
    ) -> list[OptionScores]:
        """Read the next-token options at the end of each prompt; further arguments as in ``read_at``."""
        return [scores[0] for scores in self.read_at(prompts, option_ids, options, **how)]

    @torch.inference_mode()
    def read_at(
        self,
        prompts: Sequence[Sequence[int]],
        option_ids: Sequence[list[list[int]]],
        options: Sequence[tuple[str, ...]],
        *,
        ends: Sequence[int] = (0,),
        prefixes: Sequence[Prefix] = (),
        middle: int | None = None,
        spans: Sequence[range | None] = (),
    ) -> list[list[OptionScores]]:
        """Read the next-token options after each prompt, with one forward pass over a left-padded batch.

        Args:
            prompts: Token ids of B conversations.
            option_ids: For each prompt, the token ids of each option's spellings.
            options: For each prompt, the options' names.
            ends: Where to read: how many tokens before the end of every prompt.
            prefixes: What each prompt begins with, computed before; one for each, or none.
            middle: Also keep the output of this layer, counted from 1.
            spans: For each prompt, which of its tokens spell an answer whose probability is wanted; or none.

        Returns:
            For each prompt the scores at each of ``ends``.
        """
        asked = spans or [None] * len(prompts)
        # How far before the end a prompt must be read for the probability of a token: the logits stand one before it.
        places_of = [[len(p) - t for t in span or ()] for p, span in zip(prompts, asked, strict=True)]
        reads = list(dict.fromkeys((*ends, *itertools.chain(*places_of))))
        inputs = inputs_after(prefixes, prompts, self._pad_id, self.model.device)
        known = [len(p.ids) for p in fitting(prefixes, prompts)]
        width = inputs["input_ids"].shape[1]
        places = torch.tensor([width - 1 - end for end in reads], device=self.model.device)
        logits, hidden, between = self._positions(places, middle, **inputs)
        found = []
        for row, (prompt, ids, names) in enumerate(zip(prompts, option_ids, options, strict=True)):
            at = [
                option_scores(
                    logits[row, i].float().cpu(),
                    hidden[row, i],
                    ids,
                    names,
                    tokens=len(prompt) - known[row],
                    middle=None if between is None else between[row, i],
                )
                for i in range(len(ends))
            ]
            if span := asked[row]:
                columns = [reads.index(end) for end in places_of[row]]
                logprob = spelled(logits[row, columns].float(), [prompt[t] for t in span])
                at = [replace(scores, answer_logprob=logprob) for scores in at]
            found.append(at)
        return found

    def _is_of(self, kept: KVCache, messages: Sequence[Message]) -> bool:
        return kept.owner is self.model and list(kept.messages) == list(messages)

    def _continued(self, messages: Sequence[Message], answer: Generation | str) -> tuple[list[int], Prefix] | None:
        """Ids of a self-check on a generation's own KV cache, or None where that cannot be continued."""
        kept = answer.cache if isinstance(answer, Generation) else None
        if not isinstance(kept, KVCache) or kept.owner is not self.model or kept.values is None:
            return None
        text = answer.text  # type: ignore[union-attr]
        if self._text(kept.answer) != text or CLOSE in text or final_answer(text) is None:
            return None
        check = self.render(self_check_messages(messages, SENTINEL), at_once=True)
        before, found, after = check.partition(SENTINEL)
        if not found or self.encode(before) != list(kept.prompt):
            return None
        ids = self._checked([*kept.prompt, *kept.answer, *self.encode(after)])
        return ids, self._before(kept, len(kept.prompt) + len(kept.answer))

    def _whole(self, messages: Sequence[Message], answer: Generation | str) -> list[int]:
        """Ids of a self-check that reads the whole conversation."""
        cut = isinstance(answer, Generation) and answer.finish_reason == "length"
        text = answer.text if isinstance(answer, Generation) else answer
        said = final_answer(text)
        if said is None or (cut and CLOSE not in text and self._opens_thinking(messages)):
            raise ModelError(UNFINISHED)
        return self._checked(self.encode(self.render(self_check_messages(messages, said), at_once=True)))

    def _span(self, messages: Sequence[Message], answer: Generation | str, ids: Sequence[int]) -> range | None:
        """Which of a self-check's ids spell an answer whose log-probabilities are not known yet."""
        if isinstance(answer, Generation) and answer.logprobs:
            return None
        before, _, after = self.render(self_check_messages(messages, SENTINEL), at_once=True).partition(SENTINEL)
        return answer_span(ids, self.encode(before), self.encode(after), self._end_ids)

    def _before(self, kept: KVCache, length: int) -> Prefix:
        """The first ids of a generation, as far as its cache goes."""
        cache = twin(kept.values)
        usable = min(cache.get_seq_length(), length)
        cache.crop(usable - cache.get_seq_length())
        return Prefix((*kept.prompt, *kept.answer)[:usable], cache)

    def _thoughts(self, answer: Generation) -> list[int]:
        """Ids of a reasoning model's answer up to where it begins to say something."""
        ids = list(answer.token_ids)
        end = next(i for i in range(1, len(ids) + 1) if CLOSE in self._decoded(ids[:i]))
        while end < len(ids) and not self.tokenizer.decode(ids[end : end + 1]).strip():
            end += 1
        return ids[:end]

    def _opens_thinking(self, messages: Sequence[Message]) -> bool:
        return self._can_think and self.render(messages).rstrip().endswith(OPEN)

    def _positions(
        self, places: torch.Tensor, middle: int | None, **inputs: Any
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Logits (B, P, V) of P columns as they come; hidden states of two layers (B, P, d), float32 on the CPU."""
        out = self._forward(**inputs, logits_to_keep=places, output_hidden_states=middle is not None)
        hidden = self._hidden().float().cpu()
        between = None if middle is None else out.hidden_states[middle][:, places].float().cpu()
        return out.logits, hidden, between

    def _hidden(self) -> torch.Tensor:
        """What this thread's latest forward pass left in the tap."""
        hidden = self._tap.hidden
        del self._tap.hidden
        return hidden

    def _forward(self, **inputs: Any) -> Any:
        known = {k: v for k, v in inputs.items() if k in self._accepted or k == "output_hidden_states"}
        with self._lock:
            return self.model(**known)

    @cached_property
    def _yes_no(self) -> list[list[int]]:
        return self.option_ids(YES_NO, names=("yes", "no"))
