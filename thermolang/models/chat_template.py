"""A model's chat template and tokenizer: prompts, thoughts of reasoning models, tool calls as templates write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from thermolang.errors import ModelError
from thermolang.models.prompts import FIXED_DATE
from thermolang.types import Message

OPEN, CLOSE = "<think>", "</think>"

UNFINISHED = "the answer ended while the model was still thinking: allow more tokens, or switch its thinking off"


def final_answer(text: str) -> str | None:
    """What a reasoning model says after its thoughts; None if it never came to that.

    >>> final_answer("<think>France, then.</think> Paris")
    'Paris'
    >>> final_answer("Paris")
    'Paris'
    >>> final_answer("<think>France") is None
    True
    """
    thought, closed, said = text.rpartition(CLOSE)
    if closed:
        return said.strip()
    return None if thought or text.lstrip().startswith(OPEN) else text.strip()


def closed(prompt: str, *, can_think: bool) -> str:
    """A rendered prompt whose answer starts at once: open thoughts are closed, and none are begun.

    Args:
        prompt: The text up to where the answer starts.
        can_think: Whether the model knows thinking at all.
    """
    if not can_think or prompt.rstrip().endswith(CLOSE):
        return prompt
    begun = prompt.rstrip().removesuffix(OPEN) if prompt.rstrip().endswith(OPEN) else prompt
    return f"{begun}{OPEN}\n\n{CLOSE}\n\n"


BEGIN, END = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class Parsed:
    """An answer with its tool calls apart.

    Attributes:
        text: What is said before the first call.
        calls: Name and arguments of each call.
        broken: What stands where a call should, and is none.
    """

    text: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def parse(answer: str) -> Parsed:
    """Find calls between tool_call tags, the form of Hermes, Qwen 2.5 and 3 and SmolLM3.

    >>> parse('Let me see. <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>').calls
    [('add', {'a': 1})]
    """
    text, found, rest = answer.partition(BEGIN)
    parsed = Parsed(text.strip())
    for part in _parts(rest) if found else ():
        try:
            record = json.loads(part)
            arguments = record.get("arguments", record.get("parameters", {}))
            if not isinstance(record["name"], str) or not isinstance(arguments, dict):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError):
            parsed.broken.append(part)
            continue
        parsed.calls.append((record["name"], arguments))
    return parsed


def visible(text: str) -> str:
    """What may be shown of a growing answer that may call tools."""
    said = text.partition(BEGIN)[0]
    held = max((n for n in range(1, len(BEGIN)) if said.endswith(BEGIN[:n])), default=0)
    return said[: len(said) - held].rstrip()


def _parts(text: str) -> Iterator[str]:
    for part in text.split(BEGIN):
        yield part.partition(END)[0].strip()


class ChatTokenizer:
    """Renders conversations with a model's own template, and knows its limits and special tokens.

    Args:
        model: The model whose configuration says how long a conversation may be.
        tokenizer: Its tokenizer, with a chat template.
        name: Short name for people; the model's own by default.

    Raises:
        ModelError: The tokenizer has no chat template.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "") -> None:
        if not getattr(tokenizer, "chat_template", None):
            msg = "the tokenizer has no chat template: use a chat (instruct) model, or set tokenizer.chat_template"
            raise ModelError(msg)
        self.model, self.tokenizer = model, tokenizer
        self._ids_of_options = lru_cache(maxsize=256)(self._option_ids)  # of a chain they are always the same
        self.name = name or str(getattr(model.config, "_name_or_path", "")) or type(model).__name__

    def render(
        self,
        messages: Sequence[Message],
        *,
        fixed_date: bool = False,
        tools: Sequence[dict[str, Any]] = (),
        at_once: bool = False,
    ) -> str:
        """Text of a conversation up to where the answer starts; a trailing assistant message is continued.

        Args:
            messages: The conversation.
            fixed_date: Some templates (Llama 3's) write today's date; this keeps it out of what must not change
                overnight.
            tools: JSON schemas of functions that the model may call.
            at_once: A reasoning model must answer without thinking first.

        Raises:
            ModelError: There are no messages, or the template refuses them or has no place for tools.
        """
        if not messages:
            msg = "the conversation is empty: give at least one message"
            raise ModelError(msg)
        template = str(self.tokenizer.get_chat_template())
        how: dict[str, Any] = {"continue_final_message": True}
        prefill = messages[-1]["role"] == "assistant"
        if not prefill:
            how = {"add_generation_prompt": True} | ({"enable_thinking": False} if at_once else {})
        if tools:
            if "tools" not in template:
                msg = f"the chat template of {self.name} has no place for tools: use a model made for them"
                raise ModelError(msg)
            how["tools"] = list(tools)
        try:
            if fixed_date:
                how["chat_template"] = FIXED_DATE + template
            text = str(self.tokenizer.apply_chat_template(list(messages), tokenize=False, **how))
        except Exception as error:  # templates are programs of others and raise anything
            msg = f"the chat template of {self.name} refuses these messages: {error}"
            raise ModelError(msg) from error
        return closed(text, can_think=self._can_think) if at_once and not prefill else text

    def encode(self, text: str) -> list[int]:
        """Token ids of rendered text; templates write their own special tokens, so none are added."""
        try:
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        except (TypeError, UnicodeError) as error:  # what tokenizers say of half a surrogate pair
            msg = f"the tokenizer of {self.name} cannot read this text (is it valid Unicode?): {error}"
            raise ModelError(msg) from error

    def option_ids(self, spellings: Sequence[Sequence[str]], *, names: Sequence[str]) -> list[list[int]]:
        """Token ids of each option; see ``single_token_ids``."""
        return self._ids_of_options(tuple(map(tuple, spellings)), tuple(names))

    def _option_ids(self, spellings: tuple[tuple[str, ...], ...], names: tuple[str, ...]) -> list[list[int]]:
        return single_token_ids(spellings, self.encode, names=names, model_name=self.name)

    @cached_property
    def _can_think(self) -> bool:
        return OPEN in str(self.tokenizer.get_chat_template()) or OPEN in self.tokenizer.get_added_vocab()

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

    def token(self, token_id: int) -> str:
        """Text of one token."""
        return str(self.tokenizer.decode([token_id]))

    def _decoded(self, token_ids: Sequence[int]) -> str:
        """Text of an answer's ids; white space at its end may be (part of) a stop string and stays."""
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True)).lstrip()

    def _text(self, token_ids: Sequence[int]) -> str:
        return self._decoded(token_ids).rstrip()

    @cached_property
    def _end_ids(self) -> frozenset[int]:
        declared = getattr(self.model.generation_config, "eos_token_id", None)
        ids = declared if isinstance(declared, list) else [declared]
        return frozenset(i for i in [*ids, self.tokenizer.eos_token_id] if i is not None)

    @property
    def _pad_id(self) -> int:
        # Padded positions are masked, so any id will do where a tokenizer has none.
        return int(self.tokenizer.pad_token_id or 0)


def single_token_ids(
    spellings: Sequence[Sequence[str]], encode: Callable[[str], list[int]], *, names: Sequence[str], model_name: str
) -> list[list[int]]:
    """Token ids of each option, bare and with a leading space; spellings of several tokens are left out.

    Args:
        spellings: For each option, the texts that count as it.
        encode: Token ids of a text.
        names: What the options are called in errors.
        model_name: What the model is called in errors.

    Raises:
        ModelError: Fewer than two options, an option of several tokens, or two options that share one.
    """
    if len(spellings) < 2:
        msg = f"at least two choices are needed, got {list(names)}"
        raise ModelError(msg)
    encoded = [[encode(form) for t in texts if t.strip() for form in (t, f" {t}")] for texts in spellings]
    found = [sorted({ids[0] for ids in forms if len(ids) == 1}) for forms in encoded]
    owner: dict[int, str] = {}
    for name, ids in zip(names, found, strict=True):
        if not ids:
            msg = f"the choice {name!r} is not a single token of {model_name}; ask with letters, such as A, B, C"
            raise ModelError(msg)
        if (shared := next((owner[i] for i in ids if i in owner), None)) is not None:
            msg = f"the choices {shared!r} and {name!r} share a token of {model_name}; use distinct choices"
            raise ModelError(msg)
        owner.update(dict.fromkeys(ids, name))
    return found
