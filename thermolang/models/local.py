"""A local Hugging Face chat model: answers with log-probabilities, option logits, self-checks."""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from thermolang.errors import ModelError
from thermolang.hashing import digest
from thermolang.models.decoding import Row, Sampling, decode, left_padded
from thermolang.models.loading import load
from thermolang.models.prompts import (
    PROBES,
    PROMPT_VERSION,
    SENTINEL,
    YES_NO,
    question_messages,
    self_check_messages,
)
from thermolang.types import Example, Generation, Message, ModelIdentity, OptionScores

if TYPE_CHECKING:
    from thermolang.types import FloatArray

_taps: WeakKeyDictionary[Any, threading.local] = WeakKeyDictionary()


@dataclass(frozen=True)
class _KVCache:
    """What a self-check needs to continue a generation."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    values: Any


class LocalModel:
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
        if not getattr(tokenizer, "chat_template", None):
            msg = "the tokenizer has no chat template: use a chat (instruct) model, or set tokenizer.chat_template"
            raise ModelError(msg)
        self.model, self.tokenizer = model, tokenizer
        self.name = name or str(getattr(model.config, "_name_or_path", "")) or type(model).__name__
        self._tap = _tap(model)
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
        sampling = Sampling(max_new_tokens, temperature, top_p, seed, tuple(stop))
        return self.generate_batch([messages], sampling)[0]

    @torch.inference_mode()
    def generate_batch(self, conversations: Sequence[Sequence[Message]], sampling: Sampling) -> list[Generation]:
        """Answer several conversations in one padded batch; each answer is as if it were alone."""
        prompts = [self._checked(self.encode(self.render(messages))) for messages in conversations]
        inputs = left_padded(prompts, self._pad_id, self.model.device)
        rows = decode(self._forward, inputs, sampling, end_ids=self._end_ids, text_of=self._text)
        return [self._generation(p, row, sampling) for p, row in zip(prompts, rows, strict=True)]

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

    def self_check_batch(self, pairs: Sequence[tuple[Sequence[Message], str]]) -> list[OptionScores]:
        """Self-check several (conversation, answer text) pairs with one forward pass."""
        texts = [self.render(self_check_messages(messages, answer)) for messages, answer in pairs]
        prompts = [self._checked(self.encode(text)) for text in texts]
        return self.read(prompts, [self._yes_no] * len(prompts), [("yes", "no")] * len(prompts))

    @torch.inference_mode()
    def read(
        self,
        prompts: Sequence[Sequence[int]],
        option_ids: Sequence[list[list[int]]],
        options: Sequence[tuple[str, ...]],
    ) -> list[OptionScores]:
        """Read the next-token options after each prompt, with one forward pass over a left-padded batch.

        Args:
            prompts: Token ids of B conversations.
            option_ids: For each prompt, the token ids of each option's spellings.
            options: For each prompt, the options' names.
        """
        inputs = left_padded(prompts, self._pad_id, self.model.device)
        logits, hidden = self._last_position(**inputs)
        rows = zip(logits, hidden, prompts, option_ids, options, strict=True)
        return [_scores(z, h, ids, names, tokens=len(p)) for z, h, p, ids, names in rows]

    def option_ids(self, spellings: Sequence[Sequence[str]], *, names: Sequence[str]) -> list[list[int]]:
        """Token ids of each option, bare and with a leading space.

        Args:
            spellings: For each option, the texts that count as it.
            names: What the options are called in errors.

        Raises:
            ModelError: Fewer than two options, an option of several tokens, or two options that share one.
        """
        if len(spellings) < 2:
            msg = f"at least two choices are needed, got {list(names)}"
            raise ModelError(msg)
        found = [self._single_tokens(texts) for texts in spellings]
        owner: dict[int, str] = {}
        for name, ids in zip(names, found, strict=True):
            if not ids:
                msg = f"the choice {name!r} is not a single token of {self.name}; ask with letters, such as A, B, C"
                raise ModelError(msg)
            if shared := next((owner[i] for i in ids if i in owner), None):
                msg = f"the choices {shared!r} and {name!r} share a token of {self.name}; use distinct choices"
                raise ModelError(msg)
            owner.update(dict.fromkeys(ids, name))
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
            template=digest(self.render(self_check_messages(sample, "Paris"))),
            prompt_version=PROMPT_VERSION,
        )

    def probe(self) -> tuple[FloatArray, FloatArray]:
        """Hidden states (8, d) and option logits (8, 2) on eight fixed self-checks: a fingerprint of the weights."""
        pairs = [(question_messages(Example(question)), answer) for question, answer in PROBES]
        scores = [self.self_check_batch([pair])[0] for pair in pairs]  # one by one: no padding in a fingerprint
        return np.stack([s.hidden for s in scores]), np.stack([s.logits for s in scores])

    def render(self, messages: Sequence[Message]) -> str:
        """Text of a conversation up to where the answer starts; a trailing assistant message is continued."""
        prefill = bool(messages) and messages[-1]["role"] == "assistant"
        how = {"continue_final_message": True} if prefill else {"add_generation_prompt": True}
        try:
            return str(self.tokenizer.apply_chat_template(list(messages), tokenize=False, **how))
        except Exception as error:  # templates are programs of others and raise anything
            msg = f"the chat template of {self.name} refuses these messages: {error}"
            raise ModelError(msg) from error

    def encode(self, text: str) -> list[int]:
        """Token ids of rendered text; templates write their own special tokens, so none are added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @property
    def context_length(self) -> int:
        """Most tokens a conversation may have."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 0)) or 2**31

    def _checked(self, ids: list[int]) -> list[int]:
        if len(ids) >= self.context_length:
            limit = f"{self.name} takes at most {self.context_length}"
            msg = f"the conversation has {len(ids)} tokens, but {limit}; shorten it"
            raise ModelError(msg)
        return ids

    def _generation(self, prompt: list[int], row: Row, sampling: Sampling) -> Generation:
        text = self._text(row.token_ids)
        cut = min((text.find(s) for s in sampling.stop if s in text), default=len(text))
        cache = _KVCache(tuple(prompt), self._ids_of(text[:cut], row.token_ids), row.cache) if row.cache else None
        return Generation(
            text=text[:cut].strip(),
            token_ids=tuple(row.token_ids),
            logprobs=tuple(row.logprobs),
            finish_reason="stop" if row.finish_reason == "stop" else "length",
            prompt_tokens=len(prompt),
            cache=cache,
        )

    def _ids_of(self, text: str, token_ids: list[int]) -> tuple[int, ...]:
        """The sampled ids that spell the kept text: without the end token and without a stop string."""
        end = len(token_ids)
        while end and len(self._text(token_ids[:end])) > len(text.rstrip()):
            end -= 1
        while end < len(token_ids) and self._text(token_ids[:end]) != text.rstrip():
            end += 1
        return tuple(i for i in token_ids[:end] if i not in self._end_ids)

    @torch.inference_mode()
    def _continue(self, messages: Sequence[Message], answer: Generation) -> OptionScores | None:
        """Self-check on the generation's own KV cache, or None where it cannot be continued."""
        kept = answer.cache
        if not isinstance(kept, _KVCache) or not kept.values.is_croppable or self._text(kept.answer) != answer.text:
            return None
        before, found, after = self.render(self_check_messages(messages, SENTINEL)).partition(SENTINEL)
        if not found or self.encode(before) != list(kept.prompt):
            return None
        cache = _shallow_copy(kept.values)
        usable = min(cache.get_seq_length(), len(kept.prompt) + len(kept.answer))
        cache.crop(usable - cache.get_seq_length())
        new = [*kept.answer[usable - len(kept.prompt) :], *self.encode(after)]
        self._checked([0] * (usable + len(new)))
        inputs = {
            "input_ids": torch.tensor([new]),
            "attention_mask": torch.ones(1, usable + len(new), dtype=torch.long),
            "position_ids": torch.arange(usable, usable + len(new))[None],
        }
        logits, hidden = self._last_position(
            **{k: v.to(self.model.device) for k, v in inputs.items()}, past_key_values=cache
        )
        return _scores(logits[0], hidden[0], self._yes_no, ("yes", "no"), tokens=len(new), cache_reused=True)

    def _last_position(self, **inputs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, V) and hidden state (B, d) of the last column, float32 on the CPU."""
        out = self._forward(**inputs, logits_to_keep=1)
        hidden = self._tap.hidden[:, -1].float().cpu()
        del self._tap.hidden
        return out.logits[:, -1].float().cpu(), hidden

    def _forward(self, **inputs: Any) -> Any:
        return self.model(**{name: value for name, value in inputs.items() if name in self._accepted})

    def _text(self, token_ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True)).strip()

    def _single_tokens(self, texts: Sequence[str]) -> list[int]:
        encoded = [self.encode(form) for text in texts for form in (text, f" {text}")]
        return sorted({ids[0] for ids in encoded if len(ids) == 1})

    @cached_property
    def _yes_no(self) -> list[list[int]]:
        return self.option_ids(YES_NO, names=("yes", "no"))

    @cached_property
    def _end_ids(self) -> frozenset[int]:
        declared = getattr(self.model.generation_config, "eos_token_id", None)
        ids = declared if isinstance(declared, list) else [declared]
        return frozenset(i for i in [*ids, self.tokenizer.eos_token_id] if i is not None)

    @property
    def _pad_id(self) -> int:
        # Padded positions are masked, so any id will do where a tokenizer has none.
        return int(self.tokenizer.pad_token_id or 0)


def _tap(model: Any) -> threading.local:
    """Keep the input of the output embeddings, per thread: the hidden state after the final norm.

    The hook is registered once per model and stays; one hook per call would see other threads' passes.
    """
    if model not in _taps:
        head = model.get_output_embeddings()
        if head is None:
            msg = f"{type(model).__name__} has no output embeddings: a causal language model is needed"
            raise ModelError(msg)
        tap = threading.local()

        def keep(_module: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            tap.hidden = inputs[0].detach()

        head.register_forward_pre_hook(keep)
        _taps[model] = tap
    return _taps[model]


def _shallow_copy(cache: Any) -> Any:
    """A cache that may grow and shrink without touching the original; tensors are shared, never written."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin


def _scores(
    logits: torch.Tensor,
    hidden: torch.Tensor,
    option_ids: list[list[int]],
    options: tuple[str, ...],
    *,
    tokens: int,
    cache_reused: bool = False,
) -> OptionScores:
    """Sum each option's spellings; logits (V,), hidden (d,)."""
    z = torch.stack([logits[ids].logsumexp(-1) for ids in option_ids])  # (K,)
    mass = float((z - logits.logsumexp(-1)).exp().sum())
    return OptionScores(options, z.numpy(), hidden.numpy(), mass, tokens, cache_reused)
