"""Scoring at one position: what a model thinks of each of a few options as its next token.

The options of a multiple-choice question are scored where the answer starts. A free-form answer is scored by a
self-check: the model is asked whether it is correct, and the options are yes and no. Where possible the KV cache of the
answer is continued, so that only the tokens of that question are computed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from thermolang.errors import ModelError
from thermolang.models.caches import WORTH_KEEPING, Prefix, copy_cache, fitting_prefixes, shared_length
from thermolang.models.chat_template import UNFINISHED, ChatTokenizer, final_answer
from thermolang.models.constrained import Fork
from thermolang.models.families import Family
from thermolang.models.forward import watch_hidden_states
from thermolang.models.prompts import SELF_CHECK, SENTINEL, YES_NO, self_check_messages
from thermolang.models.rotations import averaged, shifts, with_rotated_options
from thermolang.models.scheduler import Scheduler, scheduler_of
from thermolang.types import Generation, Message, OptionScores

MIN_ANSWER_MASS = 0.01
"""Below this share of the next-token probability the options are not what the model wants to say."""

LONGEST_SPAN = 32
"""Tokens of an answer given as text whose probability is computed: each costs logits over the whole vocabulary."""


@dataclass(frozen=True)
class KVCache:
    """What is kept of a generation, so that a self-check or more samples can continue it.

    Attributes:
        owner: The transformers model that filled it; another model's weights must not continue it.
        prompt: Token ids of the prompt.
        answer: Token ids that spell the answer, without an end token or a stop string.
        values: The transformers cache of all tokens but the last sampled one; None if it cannot be continued.
        start: Logits (V,) and hidden state (d,) at the position where the answer starts.
        messages: The conversation; the scores of another one must not be taken from here.
        forks: By the place of a token in the answer, what a grammar allowed there; where these were few.
    """

    owner: Any
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    values: Any
    start: tuple[torch.Tensor, torch.Tensor]
    messages: tuple[Message, ...]
    forks: Mapping[int, Fork] = field(default_factory=dict)


class OptionScorer(ChatTokenizer):
    """A causal language model that scores options: after a prompt, after the start of an answer, or in a self-check.

    Any number of threads may share one instance: what they ask for at the same time shares forward passes.

    Args:
        model: A transformers causal language model, in evaluation mode.
        tokenizer: Its tokenizer, with a chat template.
        name: Short name for people; the model's own by default.
        template_arguments: Further arguments of the chat template, such as ``{"enable_thinking": False}``.

    Raises:
        ModelError: The tokenizer has no chat template, or the model is no causal language model.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, name: str = "", template_arguments: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(model, tokenizer, name=name, template_arguments=template_arguments)
        check_language_only(model, self.family)
        watch_hidden_states(model)

    @torch.inference_mode()
    def prefix(self, prompts: Sequence[Sequence[int]], after: Prefix | None = None) -> Prefix:
        """Compute once what several prompts begin with.

        Args:
            prompts: Token ids of each.
            after: What they begin with and was computed before.

        Returns:
            The token ids that all of them begin with and their KV cache; empty, or ``after``, if there are hardly any
            more, and empty if the model's cache cannot be cut.
        """
        ids = list(prompts[0][: shared_length(prompts)]) if prompts else []
        if not ids:
            return after or Prefix()
        if after is None:
            return self.scheduler.prefix(ids)
        saved = (len(ids) - len(after.ids)) * (len(prompts) - 1)
        return self.scheduler.prefix(ids, after) if saved >= WORTH_KEEPING else after

    def choice_logits(
        self,
        messages: Sequence[Message],
        choices: Sequence[str],
        answer: Generation | None = None,
        *,
        rotations: int = 1,
    ) -> OptionScores:
        """Score the options of a multiple-choice question where its answer starts.

        Args:
            messages: The conversation. If it ends with an assistant message, that one is continued.
            choices: Texts the answer may start with, such as ``["A", "B", "C"]``; each must be one token.
            answer: This model's answer to the conversation, if there is one: then the scores are those that its first
                token was chosen by, without another forward pass.
            rotations: Average the logits over so many rotated orders of the options, which are read in one batch; what
                their prompts begin with is computed once. The hidden state is that of the given order.

        Returns:
            Scores in the order of ``choices``. An option's logit sums over its spellings with and
            without a leading space.

        Raises:
            ModelError: An option is no single token, two options share one, or the prompt is too long; or the answer
                begins with thoughts, which are about one order.
            InvalidInputError: ``rotations`` is none, or the options stand in no lines that could be moved; see
                ``rotations.with_rotated_options``.
        """
        ids = self.option_ids([(choice,) for choice in choices], names=choices)
        options = tuple(choices)
        if rotations != 1:
            return self._over_orders(messages, options, ids, answer, shifts(len(options), rotations))
        if answer is not None and isinstance(kept := answer.cache, KVCache) and self._is_of(kept, messages):
            if not self._has_thoughts(answer.text):
                return option_scores(*kept.start, ids, options, tokens=0)
            prompt = [*kept.prompt, *self._thoughts(answer)]
            # All but the last token, which must be computed for the logits after it.
            prefixes = [] if kept.values is None else [self._computed(kept, len(prompt) - 1)]
            return self.read([prompt], [ids], [options], prefixes=prefixes)[0]
        prompt = self._checked(self.encode(self.render(messages, at_once=True)))
        return self.read([prompt], [ids], [options])[0]

    def choice_logits_batch(
        self, conversations: Sequence[Sequence[Message]], choices: Sequence[str]
    ) -> list[OptionScores]:
        """Score the options of several questions with one forward pass.

        Args:
            conversations: As ``choice_logits`` takes them; what their prompts begin with is computed once.
            choices: The options, the same ones for all.

        Raises:
            ModelError: As ``choice_logits``, for any of them.
        """
        ids, count = self.option_ids([(choice,) for choice in choices], names=choices), len(conversations)
        prompts = [self._checked(self.encode(self.render(messages, at_once=True))) for messages in conversations]
        prefixes = [self.prefix(prompts)] * count if count > 1 else []
        return self.read(prompts, [ids] * count, [tuple(choices)] * count, prefixes=prefixes)

    def self_check(self, messages: Sequence[Message], answer: Generation | str) -> OptionScores:
        """Ask the model whether its answer is correct (P(True), Kadavath et al., 2022, arXiv 2207.05221).

        With a ``Generation`` of this model the KV cache is continued, and only the tokens after the answer are
        computed. With a text, or where a template rewrites what came before, the whole conversation is computed;
        ``cache_reused`` tells which it was.

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
        questions: Sequence[str] = (),
        prefixes: Sequence[Prefix] = (),
        middle: int | None = None,
    ) -> list[OptionScores]:
        """Self-check several (conversation, answer) pairs with one forward pass.

        Args:
            pairs: As ``self_check`` takes them.
            questions: What the model is asked of each, such as about a part of its answer; to be answered by yes or no.
            prefixes: What each conversation begins with, computed before; one for each, or none.
            middle: Also keep the output of this layer, counted from 1.
        """
        asked = questions or [SELF_CHECK] * len(pairs)
        continued = [self._continued_check(*pair, question) for pair, question in zip(pairs, asked, strict=True)]
        whole = [
            [] if check else self._whole_check(*pair, question)
            for pair, question, check in zip(pairs, asked, continued, strict=True)
        ]
        spans = [
            self._answer_span(*pair, ids) if ids and not prefixes else None
            for pair, ids in zip(pairs, whole, strict=True)
        ]
        given = prefixes or [self._shared(whole, spans)] * len(pairs)
        checks = [check or (ids, prefix) for check, ids, prefix in zip(continued, whole, given, strict=True)]
        scores = self.read(
            [ids for ids, _ in checks],
            [self._yes_no] * len(checks),
            [("yes", "no")] * len(checks),
            prefixes=[prefix for _, prefix in checks],
            middle=middle,
            spans=spans,
        )
        return [replace(s, cache_reused=check is not None) for s, check in zip(scores, continued, strict=True)]

    def read(
        self,
        prompts: Sequence[Sequence[int]],
        option_ids: Sequence[list[list[int]]],
        options: Sequence[tuple[str, ...]],
        **settings: Any,
    ) -> list[OptionScores]:
        """Score the options as the next token after each prompt; all arguments are those of ``read_at``."""
        return [scores[0] for scores in self.read_at(prompts, option_ids, options, **settings)]

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
        """Score options as the next token at several positions, with one forward pass over a left-padded batch.

        Args:
            prompts: Token ids of B conversations.
            option_ids: For each prompt, the token ids of each option's spellings.
            options: For each prompt, the options' names.
            ends: The positions: how many tokens before the end of every prompt.
            prefixes: What each prompt begins with, computed before; one for each, or none.
            middle: Also keep the output of this layer, counted from 1.
            spans: For each prompt, which of its tokens spell an answer whose probability is wanted; or none.

        Returns:
            For each prompt the scores at each of ``ends``.
        """
        spans = spans or [None] * len(prompts)
        # A token of a span was chosen by the logits one position before its own.
        chosen_at = [[len(p) - t for t in span or ()] for p, span in zip(prompts, spans, strict=True)]
        # ``ends`` come first, so that the scores at ends[i] are in column i.
        offsets = list(dict.fromkeys((*ends, *itertools.chain(*chosen_at))))
        # (B, P, V), (B, P, d) and (B, P, d), with P offsets.
        logits, hidden, middles = self.scheduler.read(prompts, prefixes, offsets, middle)
        computed = [len(p) - len(x.ids) for p, x in zip(prompts, fitting_prefixes(prefixes, prompts), strict=True)]
        batch: list[list[OptionScores]] = []
        for row, (prompt, ids, names, span) in enumerate(zip(prompts, option_ids, options, spans, strict=True)):
            scores = [
                option_scores(
                    logits[row, i].float().cpu(),
                    hidden[row, i],
                    ids,
                    names,
                    tokens=computed[row],
                    middle=None if middles is None else middles[row, i],
                )
                for i in range(len(ends))
            ]
            if span:
                columns = [offsets.index(offset) for offset in chosen_at[row]]
                probability = mean_probability(logits[row, columns].float(), [prompt[t] for t in span])
                # ``answer_span`` gives no longer one; at the limit there may be more before it.
                cut = len(span) >= LONGEST_SPAN
                scores = [replace(s, answer_logprob=probability, answer_cut=cut) for s in scores]
            batch.append(scores)
        return batch

    def _over_orders(
        self,
        messages: Sequence[Message],
        options: tuple[str, ...],
        ids: list[list[int]],
        answer: Generation | None,
        moved: Sequence[int],
    ) -> OptionScores:
        if answer is not None and self._has_thoughts(answer.text):
            msg = "the answer's thoughts are about the given order of the options: score it with rotations=1"
            raise ModelError(msg)
        orders = [with_rotated_options(messages, options, shift) for shift in moved]
        prompts = [self._checked(self.encode(self.render(order, at_once=True))) for order in orders]
        prefix, n = self.prefix(prompts), len(prompts)
        found = averaged(self.read(prompts, [ids] * n, [options] * n, prefixes=[prefix] * n), moved)
        return replace(found, tokens_computed=found.tokens_computed + len(prefix.ids))

    @cached_property
    def _yes_no(self) -> list[list[int]]:
        return self.option_ids(YES_NO, names=("yes", "no"))

    def _is_of(self, kept: KVCache, messages: Sequence[Message]) -> bool:
        return kept.owner is self.model and list(kept.messages) == list(messages)

    def _has_thoughts(self, text: str) -> bool:
        return self.family.thinking.close in text

    def _continued_check(
        self, messages: Sequence[Message], answer: Generation | str, question: str = SELF_CHECK
    ) -> tuple[list[int], Prefix] | None:
        """Token ids of a self-check, and the answer's own KV cache; None where it cannot be continued."""
        if not isinstance(answer, Generation) or not isinstance(kept := answer.cache, KVCache):
            return None
        if kept.owner is not self.model or kept.values is None or self._text(kept.answer) != answer.text:
            return None
        if self._has_thoughts(answer.text) or final_answer(answer.text, self.family) is None:
            return None
        before, sentinel, after = self._around_answer(messages, question)
        # A template may render the conversation differently with more messages, and the cache is of what was rendered.
        if not sentinel or self.encode(before) != list(kept.prompt):
            return None
        ids = self._checked([*kept.prompt, *kept.answer, *self.encode(after)])
        return ids, self._computed(kept, len(kept.prompt) + len(kept.answer))

    def _whole_check(
        self, messages: Sequence[Message], answer: Generation | str, question: str = SELF_CHECK
    ) -> list[int]:
        """Token ids of a self-check, from the start of the conversation."""
        text = answer.text if isinstance(answer, Generation) else answer
        said = final_answer(text, self.family)
        if said is None or (isinstance(answer, Generation) and self._all_thought(messages, answer)):
            raise ModelError(UNFINISHED)
        return self._checked(self.encode(self.render(self_check_messages(messages, said, question), at_once=True)))

    def _all_thought(self, messages: Sequence[Message], answer: Generation) -> bool:
        """Whether an answer was cut within thoughts that the prompt began."""
        if answer.finish_reason != "length" or self._has_thoughts(answer.text) or not self._can_think:
            return False
        if isinstance(kept := answer.cache, KVCache):  # the prompt may have asked for an answer at once
            return str(self.tokenizer.decode(list(kept.prompt[-16:]))).rstrip().endswith(self.family.thinking.open)
        return self.opens_thinking(messages)

    def _shared(self, prompts: Sequence[Sequence[int]], spans: Sequence[range | None]) -> Prefix:
        """What prompts begin with, except where it tells how probable an answer is; empty ones do not count."""
        # ``prefix`` leaves one token of each: here the one whose logits chose the first of the answer.
        ends = [span.start if span else len(ids) for ids, span in zip(prompts, spans, strict=True)]
        return self.prefix([ids[:end] for ids, end in zip(prompts, ends, strict=True) if ids], after=Prefix())

    def _answer_span(self, messages: Sequence[Message], answer: Generation | str, ids: Sequence[int]) -> range | None:
        """Which token ids of a self-check spell an answer whose log-probabilities are not known yet."""
        if isinstance(answer, Generation) and answer.logprobs:
            return None
        before, _, after = self._around_answer(messages)
        return answer_span(ids, self.encode(before), self.encode(after), self._end_ids)

    def _around_answer(self, messages: Sequence[Message], question: str = SELF_CHECK) -> tuple[str, str, str]:
        """What a self-check's template writes before the answer, a stand-in for the answer, and what comes after it."""
        return self.render(self_check_messages(messages, SENTINEL, question), at_once=True).partition(SENTINEL)

    def _computed(self, kept: KVCache, length: int) -> Prefix:
        """The first token ids of a generation with their KV cache, as far as it goes."""
        cache = copy_cache(kept.values)
        usable = min(cache.get_seq_length(), length)
        # crop takes minus the number of tokens to remove.
        cache.crop(usable - cache.get_seq_length())
        return Prefix((*kept.prompt, *kept.answer)[:usable], cache)

    def _thoughts(self, answer: Generation) -> list[int]:
        """Token ids of a reasoning model's answer up to where it begins to say something."""
        ids = list(answer.token_ids)
        end = next(i for i in range(1, len(ids) + 1) if self._has_thoughts(self._decoded(ids[:i])))
        # White space after the thoughts is not yet the answer.
        while end < len(ids) and not self.tokenizer.decode(ids[end : end + 1]).strip():
            end += 1
        return ids[:end]

    @cached_property
    def scheduler(self) -> Scheduler:
        """What runs the model's forward passes, for all that share the model."""
        return scheduler_of(self.model)


def check_language_only(model: Any, family: Family) -> None:
    """Refuse models that do not read text from left to right.

    Raises:
        ModelError: It is an encoder-decoder, or reads images and its family is not known to be scored on text alone.
    """
    kind = ""
    if getattr(model.config, "is_encoder_decoder", False):
        kind = "an encoder-decoder (seq2seq) model"
    elif getattr(model.config, "vision_config", None) is not None and not family.reads_images:
        kind = "a vision model"
    if kind:
        msg = f"{type(model).__name__} is {kind}: use a causal language model for chat, such as Qwen2.5-Instruct"
        raise ModelError(msg)


def option_scores(
    logits: torch.Tensor,
    hidden: torch.Tensor,
    option_ids: list[list[int]],
    options: tuple[str, ...],
    *,
    tokens: int,
    middle: torch.Tensor | None = None,
) -> OptionScores:
    """The scores of K options at one position.

    Args:
        logits: Shape (V,).
        hidden: Hidden state of the last layer, shape (d,).
        option_ids: For each option, the token ids that count as it; their probabilities are added up.
        options: The options' names.
        tokens: How many tokens were computed for this.
        middle: Hidden state of another layer, shape (d,).
    """
    option_logits = torch.stack([logits[ids].logsumexp(-1) for ids in option_ids])  # (K,)
    # The sum may round to just above 1.
    mass = float((option_logits - logits.logsumexp(-1)).exp().sum().clamp(max=1.0))
    return OptionScores(
        options, option_logits.numpy(), hidden.numpy(), mass, tokens, middle=None if middle is None else middle.numpy()
    )


def mean_probability(logits: torch.Tensor, token_ids: Sequence[int]) -> float:
    """Exp of the mean log-probability of n tokens, from the logits (n, V) that each was chosen by."""
    logprobs = logits.log_softmax(-1)[range(len(token_ids)), list(token_ids)]
    return float(logprobs.mean().exp())


def spelling_ids(text: str, token_ids: Sequence[int], text_of: Callable[[Sequence[int]], str]) -> tuple[int, ...]:
    """The fewest first token ids that spell a text: without an end token, a stop string or white space after it.

    Where a stop string begins inside a token no ids spell the text; then the nearest ones are returned.

    Args:
        text: What they spell.
        token_ids: Of an answer that begins with the text.
        text_of: Decodes token ids.
    """
    end = len(token_ids)
    while end and len(text_of(token_ids[:end])) > len(text):
        end -= 1
    while end and text_of(token_ids[: end - 1]) == text:
        end -= 1
    return tuple(token_ids[:end])


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
    return range(max(len(before), end - LONGEST_SPAN), end)
