"""``LocalModel``: a local Hugging Face chat model that answers, samples, streams and scores, and knows its identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermolang.errors import ModelError
from thermolang.models.caches import Prefix
from thermolang.models.constrained import Constraint, Grammar, grammar_tokenizer
from thermolang.models.decoding import Ending, Row, Sampling
from thermolang.models.fields import SpelledAnswer
from thermolang.models.loading import load
from thermolang.models.prompts import PROBES, PROMPT_VERSION, question_messages, self_check_messages
from thermolang.models.rotations import averaged, shifts, with_rotated_options
from thermolang.models.scoring import KVCache, OptionScorer, spelling_ids
from thermolang.models.tool_calls import visible, without_beginning_of
from thermolang.storage import digest
from thermolang.types import Example, Generation, Message, ModelIdentity, OptionScores

if TYPE_CHECKING:
    import threading

    from thermolang.types import FloatArray


SAMPLES_AT_ONCE = 32
"""Sampled answers of one batch: each needs a KV cache for the prompt and for itself."""


class LocalModel(OptionScorer):
    """A causal language model and its tokenizer: generates answers, and scores options and answers.

    Any number of threads may share one instance: their answers grow in one batch, as ``scheduler`` says.

    Args:
        model: A transformers causal language model, in evaluation mode.
        tokenizer: Its tokenizer, with a chat template.
        name: Short name for people; the model's own by default.
        template_arguments: Further arguments of the chat template, such as ``{"enable_thinking": False}``.

    Raises:
        ModelError: The tokenizer has no chat template, or the model no output embeddings.
    """

    _probed: tuple[tuple[tuple[int, int], ...], tuple[FloatArray, FloatArray]] | None = None

    @classmethod
    def load(
        cls,
        name: str,
        *,
        device: str | None = None,
        dtype: torch.dtype | str | None = None,
        model_kwargs: Mapping[str, Any] | None = None,
        template_arguments: Mapping[str, Any] | None = None,
    ) -> LocalModel:
        """Load by path, short name or hub id; see ``thermolang.models.loading.load``."""
        model, tokenizer, source = load(name, device=device, dtype=dtype, model_kwargs=model_kwargs)
        return cls(model, tokenizer, name=source.name, template_arguments=template_arguments)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        grammar: Grammar | None = None,
    ) -> Generation:
        """Answer a conversation.

        Args:
            messages: The conversation; its last message is the question.
            max_new_tokens: At most this many tokens.
            temperature: 0 is greedy.
            top_p: Nucleus sampling; 1 keeps all tokens.
            seed: Of this answer's own random numbers; the global generators are left alone.
            stop: The answer ends before the first of these strings.
            grammar: What the answer must look like (``constrained.json_grammar``); a reasoning model then answers at
                once, and ``stop`` plays no part. An answer with ``finish_reason="stop"`` is complete.

        Raises:
            ModelError: The conversation does not fit the context, or the logits are not finite.
        """
        ends = (stop,) if isinstance(stop, str) else tuple(stop)
        sampling = Sampling(max_new_tokens, temperature, top_p, seed, ends)
        return self.generate_batch([messages], sampling, grammars=[grammar])[0]

    def sample(
        self,
        messages: Sequence[Message],
        n: int = 8,
        *,
        max_new_tokens: int = 256,
        temperature: float = 1.0,
        top_p: float = 0.9,
        seed: int | None = None,
        stop: Sequence[str] = (),
        answer: Generation | None = None,
        after: int = 0,
    ) -> list[Generation]:
        """Answer a conversation N times, independently; its prompt is computed once, or not at all.

        Args:
            messages: The conversation; its last message is the question.
            n: Number of answers; with a seed, a larger n only adds answers to those of a smaller n.
            max_new_tokens: At most this many tokens each.
            temperature: 0 gives N times the same answer, from which nothing can be learned.
            top_p: Nucleus sampling; 1 keeps all tokens. Temperature 1 and 0.9 are those of Farquhar et al. (2024).
            seed: Of all the answers together; each has random numbers of its own.
            stop: An answer ends before the first of these strings.
            answer: This model's answer to the conversation, if there is one: its KV cache holds the prompt already.
            after: Leave out so many of the first answers, because they were drawn before.

        Raises:
            ModelError: As ``generate``.
        """
        ends = (stop,) if isinstance(stop, str) else tuple(stop)
        sampling = Sampling(max_new_tokens, temperature, top_p, None, ends)
        seeds, prefix = row_seeds(seed, n)[after:], self._prompt_computed(messages, answer)
        samples: list[Generation] = []
        for start in range(0, len(seeds), SAMPLES_AT_ONCE):
            part = seeds[start : start + SAMPLES_AT_ONCE]
            samples += self.generate_batch([messages] * len(part), sampling, prefixes=[prefix] * len(part), seeds=part)
        return samples

    def generate_batch(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        prefixes: Sequence[Prefix] = (),
        seeds: Sequence[int | None] | None = None,
        tools: Sequence[dict[str, Any]] = (),
        grammars: Sequence[Grammar | None] = (),
        cancelled: threading.Event | None = None,
    ) -> list[Generation]:
        """Answer several conversations in one padded batch; each answer is as if it were alone.

        Args:
            conversations: B conversations.
            sampling: How tokens are chosen.
            prefixes: What each conversation begins with, computed before; one for each, or none.
            seeds: One for each; by default each has the seed of ``sampling``.
            tools: JSON schemas of functions that the model may call.
            grammars: What each answer must look like; one or None for each, or none at all.
            cancelled: Once it is set, the generation stops at the next token.

        Raises:
            ModelError: A conversation does not fit the context, the logits are not finite, or it was cancelled.
        """
        forms = grammars or [None] * len(conversations)
        prompts = [
            self._prompt(m, tools, sampling, at_once=form is not None)
            for m, form in zip(conversations, forms, strict=True)
        ]
        if not prefixes and len(prompts) > 1 and all(p == prompts[0] for p in prompts):  # answers to one question
            prefixes = [self.prefix(prompts)] * len(prompts)
        rows = self._rows(prompts, sampling, seeds=seeds, grammars=forms)
        for _ in self.scheduler.answers(rows, prefixes):
            if cancelled is not None and cancelled.is_set():
                msg = "the call was cancelled"
                raise ModelError(msg)
        return [
            self._generation(messages, prompt, row, sampling)
            for messages, prompt, row in zip(conversations, prompts, rows, strict=True)
        ]

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        tools: Sequence[dict[str, Any]] = (),
        grammar: Grammar | None = None,
    ) -> Iterator[str | Generation]:
        """Answer a conversation piece by piece.

        Yields:
            Pieces of text that add up to the answer's, or to what it says before it calls a tool, and at last the whole
            ``Generation``. To stop the generation, stop iterating.

        Raises:
            ModelError: As ``generate``; it reaches the caller at once.
        """
        prompt, said = self._prompt(messages, tools, sampling, at_once=grammar is not None), ""
        (row,) = self._rows([prompt], sampling, grammars=[grammar])
        for _ in self.scheduler.answers([row], first=True):
            generation = self._generation(messages, prompt, row, sampling) if row.finish_reason else None
            text = generation.text if generation else self._certain(row, () if grammar else sampling.stop)
            shown = visible(text, self.family) if tools else text
            # A text that was yielded cannot be taken back, so only what continues it is yielded.
            if shown.startswith(said) and len(shown) > len(said):
                yield shown[len(said) :]
                said = shown
            if generation:
                yield generation
                return  # it may have been finished since the scheduler told of the token before

    def choices_at_once(
        self, questions: Sequence[tuple[Sequence[Message], Sequence[str]]], *, rotations: int = 1
    ) -> list[OptionScores]:
        """Score the options of several questions in one batch; what their prompts begin with is computed once.

        Args:
            questions: Conversation and choices of each, as ``choice_logits`` takes them.
            rotations: As for ``choice_logits``; a question with fewer choices is read in as many orders as it has.

        Raises:
            ModelError: As ``choice_logits``.
            InvalidInputError: As ``choice_logits``.
        """
        moved = [shifts(len(choices), min(rotations, len(choices))) for _, choices in questions]
        ids = [self.option_ids([(choice,) for choice in choices], names=choices) for _, choices in questions]
        orders = [
            (i, messages if shift == 0 else with_rotated_options(messages, choices, shift))
            for i, ((messages, choices), own) in enumerate(zip(questions, moved, strict=True))
            for shift in own
        ]
        prompts = [self._checked(self.encode(self.render(order, at_once=True))) for _, order in orders]
        prefix = self.prefix(prompts)
        named = [tuple(questions[i][1]) for i, _ in orders]
        found = iter(self.read(prompts, [ids[i] for i, _ in orders], named, prefixes=[prefix] * len(prompts)))
        scores = [averaged([next(found) for _ in own], own) for own in moved]
        # The shared part belongs to the first question.
        return [
            replace(s, tokens_computed=s.tokens_computed + len(prefix.ids) * (i == 0)) for i, s in enumerate(scores)
        ]

    def spelled(self, answer: Generation) -> SpelledAnswer:
        """The answer token by token, where it was generated under a grammar."""
        return SpelledAnswer(answer, self._decoded)

    @cached_property
    def identity(self) -> ModelIdentity:
        """What a calibrator is matched against."""
        config = self.model.config.get_text_config()
        sample = question_messages(Example(PROBES[0][0]))
        return ModelIdentity(
            architecture=type(self.model).__name__,
            hidden_size=int(config.hidden_size),
            num_layers=int(config.num_hidden_layers),
            vocab_size=int(config.vocab_size),
            tokenizer=digest(str(self.encode(" ".join(q + a for q, a in PROBES)))),
            # A template that writes today's date must not change the identity every day.
            template=digest(self.render(self_check_messages(sample, "Paris"), fixed_date=True)),
            prompt_version=PROMPT_VERSION,
        )

    def probe(self) -> tuple[FloatArray, FloatArray]:
        """Hidden states (8, d) and option logits (8, 2) on eight fixed self-checks: a fingerprint of the weights.

        It is measured again only if the weights have changed.
        """
        # Every change in place raises a tensor's version; adapters are tensors, too.
        stamp = tuple((id(p), p._version) for p in self.model.parameters())
        if self._probed is None or self._probed[0] != stamp:
            self._probed = stamp, self._measured()
        return self._probed[1]

    @property
    def parameters(self) -> int:
        """How many parameters the model has."""
        return int(self.model.num_parameters())

    @property
    def middle_layer(self) -> int:
        """The layer two thirds up, counted from 1: there linear probes for truthfulness often work best."""
        return max(1, round(2 * self.identity.num_layers / 3))

    def _measured(self) -> tuple[FloatArray, FloatArray]:
        checks = [self_check_messages(question_messages(Example(question)), answer) for question, answer in PROBES]
        prompts = [self._checked(self.encode(self.render(check, fixed_date=True))) for check in checks]
        # One by one: no padding in a fingerprint.
        scores = [self.read([prompt], [self._yes_no], [("yes", "no")])[0] for prompt in prompts]
        return np.stack([s.hidden for s in scores]), np.stack([s.logits for s in scores])

    def _prompt(
        self,
        messages: Sequence[Message],
        tools: Sequence[dict[str, Any]] = (),
        sampling: Sampling | None = None,
        *,
        at_once: bool = False,
    ) -> list[int]:
        at_once = at_once or (sampling is not None and not sampling.thoughts)
        return self._checked(self.encode(self.render(messages, tools=tools, at_once=at_once)))

    def _prompt_computed(self, messages: Sequence[Message], answer: Generation | None) -> Prefix:
        """The KV cache of all tokens of a prompt but the last, which must be computed anew to go on from it."""
        prompt = self._prompt(messages)
        kept = answer.cache if answer is not None else None
        if not isinstance(kept, KVCache) or kept.values is None or not self._is_of(kept, messages):
            # Twice, as ``prefix`` computes what several prompts share and leaves each one token of its own.
            return self.prefix([prompt, prompt])
        same = list(kept.prompt) == prompt  # another template, or tools, may render it differently
        return self._computed(kept, len(prompt) - 1) if same else self.prefix([prompt, prompt])

    @cached_property
    def _grammar_tokenizer(self) -> Any:
        return grammar_tokenizer(self.tokenizer, self._end_ids)

    def _rows(
        self,
        prompts: Sequence[list[int]],
        sampling: Sampling,
        *,
        seeds: Sequence[int | None] | None = None,
        grammars: Sequence[Grammar | None] = (),
    ) -> list[Row]:
        """An answer for each prompt, without tokens yet."""
        ending = Ending(self._end_ids, self._decoded)
        return [
            Row.of(
                prompt,
                sampling,
                ending,
                context_length=self.context_length,
                seed=seed,
                constraint=Constraint(grammar, self._grammar_tokenizer) if grammar else None,
            )
            for prompt, seed, grammar in zip(
                prompts, seeds or [sampling.seed] * len(prompts), grammars or [None] * len(prompts), strict=True
            )
        ]

    def _certain(self, row: Row, stop: Sequence[str]) -> str:
        """The text of a growing answer that no later token can change or cut off."""
        text = self._text(row.token_ids).rstrip("\ufffd")  # half a character
        return without_beginning_of(text, *stop).rstrip()

    def _generation(self, messages: Sequence[Message], prompt: list[int], row: Row, sampling: Sampling) -> Generation:
        ended = row.token_ids[-1] in self._end_ids
        said = row.token_ids[:-1] if ended else row.token_ids  # not every model marks its end tokens as special
        text = self._decoded(said)
        stops = () if row.constraint else sampling.stop
        cut = min((text.find(s) for s in stops if s in text), default=len(text))
        answer = spelling_ids(text[:cut].strip(), said, self._text)
        asked = tuple(dict(m) for m in messages)
        return Generation(
            text=text[:cut].strip(),
            token_ids=tuple(row.token_ids),
            logprobs=tuple(row.logprobs),
            finish_reason="stop" if row.finish_reason == "stop" else "length",
            prompt_tokens=len(prompt),
            cache=KVCache(self.model, tuple(prompt), answer, row.cache, row.start, asked, row.forks)
            if row.start
            else None,
        )


def row_seeds(seed: int | None, n: int) -> list[int]:
    """N independent seeds; a larger N only adds seeds to those of a smaller N.

    >>> row_seeds(7, 9)[:2] == row_seeds(7, 2)
    True
    """
    # 63 bits, as seeds are signed numbers of 64 bits.
    return [int(word >> 1) for word in np.random.SeedSequence(seed).generate_state(n, np.uint64)]
