"""A local Hugging Face chat model: answers with log-probabilities, option logits, self-checks."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from thermolang.hashing import digest
from thermolang.models.chat_tokenizer import ChatTokenizer
from thermolang.models.decoding import Row, Sampling, decode, left_padded
from thermolang.models.loading import load
from thermolang.models.prefix import Prefix, fitting, inputs_after, shared_length, twin
from thermolang.models.prompts import (
    PROBES,
    PROMPT_VERSION,
    SENTINEL,
    YES_NO,
    question_messages,
    self_check_messages,
)
from thermolang.models.reading import KVCache, hidden_tap, ids_of, option_scores
from thermolang.types import Example, Generation, Message, ModelIdentity, OptionScores

if TYPE_CHECKING:
    from thermolang.types import FloatArray


class LocalModel(ChatTokenizer):
    """A causal language model and its tokenizer, read at the places calibration needs.

    Any number of threads may share one instance.

    Args:
        model: A transformers causal language model, in evaluation mode.
        tokenizer: Its tokenizer, with a chat template.
        name: Short name for people; the model's own by default.

    Raises:
        ModelError: The tokenizer has no chat template, or the model no output embeddings.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "") -> None:
        super().__init__(model, tokenizer, name=name)
        self._tap = hidden_tap(model)
        self._accepted = set(inspect.signature(model.forward).parameters)

    @classmethod
    def load(cls, name: str, *, device: str | None = None, dtype: torch.dtype | None = None) -> LocalModel:
        """Load by path, short name or hub id; see ``thermolang.models.loading.load``."""
        model, tokenizer, source = load(name, device=device, dtype=dtype)
        return cls(model, tokenizer, name=source.name)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Generation:
        """Answer a conversation.

        Args:
            messages: The conversation; its last message is the question.
            max_new_tokens: At most this many tokens.
            temperature: 0 is greedy.
            top_p: Nucleus sampling; 1 keeps all tokens.
            seed: Of this answer's own random numbers; the global generators are left alone.
            stop: The answer ends before the first of these strings.

        Raises:
            ModelError: The conversation does not fit the context, or the logits are not finite.
        """
        ends = (stop,) if isinstance(stop, str) else tuple(stop)
        sampling = Sampling(max_new_tokens, temperature, top_p, seed, ends)
        return self.generate_batch([messages], sampling)[0]

    @torch.inference_mode()
    def generate_batch(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        prefixes: Sequence[Prefix] = (),
    ) -> list[Generation]:
        """Answer several conversations in one padded batch; each answer is as if it were alone."""
        prompts = [self._checked(self.encode(self.render(messages))) for messages in conversations]
        rows = decode(
            self._forward,
            inputs_after(prefixes, prompts, self._pad_id, self.model.device),
            sampling,
            end_ids=self._end_ids,
            text_of=self._decoded,
            context_length=self.context_length,
        )
        return [self._generation(p, row, sampling) for p, row in zip(prompts, rows, strict=True)]

    @torch.inference_mode()
    def prefix(self, prompts: Sequence[Sequence[int]]) -> Prefix:
        """Compute once what all these token ids begin with."""
        ids = list(prompts[0][: shared_length(prompts)]) if prompts else []
        if not ids:
            return Prefix()
        inputs = left_padded([ids], self._pad_id, self.model.device)
        out = self._forward(**inputs, use_cache=True, logits_to_keep=1)
        return Prefix(tuple(ids), out.past_key_values)

    def choice_logits(self, messages: Sequence[Message], choices: Sequence[str]) -> OptionScores:
        """Read the options' logits at the answer position.

        Args:
            messages: The conversation. If it ends with an assistant message, that one is continued.
            choices: Texts the answer may start with, such as ``["A", "B", "C"]``; each must be one token.

        Returns:
            Scores in the order of ``choices``. An option's logit sums over its spellings with and
            without a leading space.

        Raises:
            ModelError: An option is no single token, two options share one, or the prompt is too long.
        """
        ids = self.option_ids([(choice,) for choice in choices], names=choices)
        return self.read([self._checked(self.encode(self.render(messages)))], [ids], [tuple(choices)])[0]

    def self_check(self, messages: Sequence[Message], answer: Generation | str) -> OptionScores:
        """Ask the model whether its answer is correct (P(True), Kadavath et al., 2022, arXiv 2207.05221).

        With a ``Generation`` of this model the KV cache is continued, and only the tokens after the
        answer are computed. With a text, or where a template rewrites what came before, the whole
        conversation is read once; ``cache_reused`` tells which it was.

        Returns:
            Scores of the options ``("yes", "no")``.
        """
        if isinstance(answer, Generation):
            continued = self._continue(messages, answer)
            if continued is not None:
                return continued
            answer = answer.text
        return self.self_check_batch([(messages, answer)])[0]

    def self_check_batch(
        self,
        pairs: Sequence[tuple[Sequence[Message], str]],
        *,
        prefixes: Sequence[Prefix] = (),
        middle: int | None = None,
    ) -> list[OptionScores]:
        """Self-check several (conversation, answer text) pairs with one forward pass."""
        texts = [self.render(self_check_messages(messages, answer)) for messages, answer in pairs]
        prompts = [self._checked(self.encode(text)) for text in texts]
        options = [("yes", "no")] * len(prompts)
        return self.read(prompts, [self._yes_no] * len(prompts), options, prefixes=prefixes, middle=middle)

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
    ) -> list[list[OptionScores]]:
        """Read the next-token options after each prompt, with one forward pass over a left-padded batch.

        Args:
            prompts: Token ids of B conversations.
            option_ids: For each prompt, the token ids of each option's spellings.
            options: For each prompt, the options' names.
            ends: Where to read: how many tokens before the end of every prompt.
            prefixes: What each prompt begins with, computed before; one for each, or none.
            middle: Also keep the output of this layer, counted from 1.

        Returns:
            For each prompt the scores at each of ``ends``.
        """
        inputs = inputs_after(prefixes, prompts, self._pad_id, self.model.device)
        known = [len(p.ids) for p in fitting(prefixes, prompts)]
        width = inputs["input_ids"].shape[1]
        places = torch.tensor([width - 1 - end for end in ends], device=self.model.device)
        logits, hidden, between = self._positions(places, middle, **inputs)
        found = []
        for row, (prompt, ids, names) in enumerate(zip(prompts, option_ids, options, strict=True)):
            at = [
                option_scores(
                    logits[row, i],
                    hidden[row, i],
                    ids,
                    names,
                    tokens=len(prompt) - known[row],
                    middle=None if between is None else between[row, i],
                )
                for i in range(len(ends))
            ]
            found.append(at)
        return found

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
            template=digest(self.render(self_check_messages(sample, "Paris"), fixed_date=True)),
            prompt_version=PROMPT_VERSION,
        )

    def probe(self) -> tuple[FloatArray, FloatArray]:
        """Hidden states (8, d) and option logits (8, 2) on eight fixed self-checks: a fingerprint of the weights."""
        checks = [self_check_messages(question_messages(Example(question)), answer) for question, answer in PROBES]
        prompts = [self._checked(self.encode(self.render(check, fixed_date=True))) for check in checks]
        # One by one: no padding in a fingerprint.
        scores = [self.read([prompt], [self._yes_no], [("yes", "no")])[0] for prompt in prompts]
        return np.stack([s.hidden for s in scores]), np.stack([s.logits for s in scores])

    @property
    def middle_layer(self) -> int:
        """The layer two thirds up, counted from 1: where probes of truth often read best."""
        return max(1, round(2 * self.identity.num_layers / 3))

    def _generation(self, prompt: list[int], row: Row, sampling: Sampling) -> Generation:
        ended = row.token_ids[-1] in self._end_ids
        said = row.token_ids[:-1] if ended else row.token_ids  # not every model marks its end tokens as special
        text = self._decoded(said)
        cut = min((text.find(s) for s in sampling.stop if s in text), default=len(text))
        cache = None
        if row.cache is not None:
            answer = ids_of(text[:cut].strip(), said, self._text)
            cache = KVCache(self.model, tuple(prompt), answer, row.cache)
        return Generation(
            text=text[:cut].strip(),
            token_ids=tuple(row.token_ids),
            logprobs=tuple(row.logprobs),
            finish_reason="stop" if row.finish_reason == "stop" else "length",
            prompt_tokens=len(prompt),
            cache=cache,
        )

    @torch.inference_mode()
    def _continue(self, messages: Sequence[Message], answer: Generation) -> OptionScores | None:
        """Self-check on the generation's own KV cache, or None where it cannot be continued."""
        kept = answer.cache
        if not isinstance(kept, KVCache) or kept.owner is not self.model or not kept.values.is_croppable:
            return None
        if self._text(kept.answer) != answer.text:
            return None
        before, found, after = self.render(self_check_messages(messages, SENTINEL)).partition(SENTINEL)
        if not found or self.encode(before) != list(kept.prompt):
            return None
        ids = self._checked([*kept.prompt, *kept.answer, *self.encode(after)])
        cache = twin(kept.values)
        usable = min(cache.get_seq_length(), len(kept.prompt) + len(kept.answer))
        cache.crop(usable - cache.get_seq_length())
        prefix = Prefix(tuple(ids[:usable]), cache)
        (scores,) = self.read([ids], [self._yes_no], [("yes", "no")], prefixes=[prefix])
        return replace(scores, cache_reused=True)

    def _positions(
        self, places: torch.Tensor, middle: int | None, **inputs: Any
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Logits (B, P, V) and hidden states (B, P, d) of P columns, float32 on the CPU; and of a middle layer."""
        out = self._forward(**inputs, logits_to_keep=places, output_hidden_states=middle is not None)
        hidden = self._tap.hidden.float().cpu()
        del self._tap.hidden
        between = None if middle is None else out.hidden_states[middle][:, places].float().cpu()
        return out.logits.float().cpu(), hidden, between

    def _forward(self, **inputs: Any) -> Any:
        return self.model(**{k: v for k, v in inputs.items() if k in self._accepted or k == "output_hidden_states"})

    @cached_property
    def _yes_no(self) -> list[list[int]]:
        return self.option_ids(YES_NO, names=("yes", "no"))
