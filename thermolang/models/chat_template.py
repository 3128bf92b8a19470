"""A model's chat template and tokenizer: from messages to token ids, and from an answer to what it says and calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from thermolang.errors import ModelError
from thermolang.models.families import DEFAULT, Family, FunctionCall, family_of
from thermolang.models.prompts import FIXED_DATE
from thermolang.types import Message

UNFINISHED = "the answer ended while the model was still thinking: allow more tokens, or switch its thinking off"


@dataclass(frozen=True)
class Parsed:
    """An answer, and the tool calls in it.

    Attributes:
        text: What is said before the first call.
        calls: Name and arguments of each call.
        broken: What stands where a call should, but is none.
    """

    text: str
    calls: list[FunctionCall] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def final_answer(text: str, family: Family | None = None) -> str | None:
    """What a reasoning model says after its thoughts; None if the text ends before they do.

    Args:
        text: All that the model generated.
        family: The model's; ``families.DEFAULT`` by default, here and in the functions below.

    >>> final_answer("<think>France, then.</think> Paris")
    'Paris'
    >>> final_answer("Paris")
    'Paris'
    >>> final_answer("<think>France") is None
    True
    """
    tags = (family or DEFAULT).thinking
    before, close, after = text.rpartition(tags.close)
    if close:
        return after.strip()
    return None if before or text.lstrip().startswith(tags.open) else text.strip()


def without_thinking(prompt: str, family: Family | None = None) -> str:
    r"""A prompt after which a reasoning model answers at once: its thoughts are opened and closed already.

    >>> without_thinking("<|im_start|>assistant\n<think>")
    '<|im_start|>assistant\n<think>\n\n</think>\n\n'
    """
    tags = (family or DEFAULT).thinking
    ended = prompt.rstrip()
    if ended.endswith(tags.close):
        return prompt
    start = ended.removesuffix(tags.open) if ended.endswith(tags.open) else prompt
    return f"{start}{tags.open}\n\n{tags.close}\n\n"


def parse(answer: str, family: Family | None = None) -> Parsed:
    """Find the tool calls of an answer.

    >>> parse('Let me see. <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>').calls
    [('add', {'a': 1})]
    """
    syntax = (family or DEFAULT).tools
    text, *rest = answer.split(syntax.begin)
    parsed = Parsed(text.strip())
    for part in rest:
        written = (part.partition(syntax.end)[0] if syntax.end else part).strip()
        try:
            parsed.calls.extend(syntax.parse(written))
        except (ValueError, LookupError, TypeError, AttributeError):  # a model writes anything where a call should be
            parsed.broken.append(written)
    return parsed


def visible(text: str, family: Family | None = None) -> str:
    """The part of a growing answer that may be shown: what is said before it calls, or may begin to call, a tool."""
    begin = (family or DEFAULT).tools.begin
    return without_beginning_of(text.partition(begin)[0], begin).rstrip()


def without_beginning_of(text: str, *ends: str) -> str:
    """A growing text without what its next tokens may make one of some strings.

    >>> without_beginning_of("Wait. <tool", "<tool_call>")
    'Wait. '
    """
    held = max((n for end in ends for n in range(1, len(end)) if text.endswith(end[:n])), default=0)
    return text[: len(text) - held]


def as_turns(messages: Sequence[Message], family: Family) -> list[Message]:
    """A conversation in the roles, and in the order of turns, that a family's templates take."""
    turns: list[Message] = []
    for message in messages:
        role = "user" if message["role"] == "system" and not family.system_role else message["role"]
        turn, last = {**message, "role": role}, turns[-1] if turns else {}
        # Only plain messages: tool calls and their results belong to one message each.
        if family.alternates and role == last.get("role") and turn.keys() == last.keys() == {"role", "content"}:
            turns[-1] = {"role": role, "content": f"{last['content']}\n\n{turn['content']}"}
        else:
            turns.append(turn)
    return turns


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
        self.name = name or str(getattr(model.config, "_name_or_path", "")) or type(model).__name__

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take along: not what is made anew from the tokenizer."""
        return {k: v for k, v in vars(self).items() if k not in ("_cached_option_ids", "_grammar_tokenizer")}

    @property
    def family(self) -> Family:
        """The model family that the chat template belongs to."""
        return family_of(self._template)

    @property
    def context_length(self) -> int:
        """Most tokens a conversation may have."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 0)) or 2**31

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
        begun = messages[-1]["role"] == "assistant"
        at_once = at_once and not begun
        options: dict[str, Any] = {"continue_final_message": True} if begun else {"add_generation_prompt": True}
        if at_once:
            options |= self.family.no_thinking
        if tools:
            options |= self._describing(tools)
        try:
            if fixed_date:
                options["chat_template"] = FIXED_DATE + self._template
            turns = as_turns(messages, self.family)
            text = str(self.tokenizer.apply_chat_template(turns, tokenize=False, **options))
        except Exception as error:  # templates are programs of others and raise anything
            msg = f"the chat template of {self.name} refuses these messages: {error}"
            raise ModelError(msg) from error
        return without_thinking(text, self.family) if at_once and self._can_think else text

    def encode(self, text: str) -> list[int]:
        """Token ids of rendered text; templates write their own special tokens, so none are added."""
        try:
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        except (TypeError, UnicodeError) as error:  # what tokenizers say of half a surrogate pair
            msg = f"the tokenizer of {self.name} cannot read this text (is it valid Unicode?): {error}"
            raise ModelError(msg) from error

    def option_ids(self, spellings: Sequence[Sequence[str]], *, names: Sequence[str]) -> list[list[int]]:
        """Token ids of each option; see ``single_token_ids``."""
        return self._cached_option_ids(tuple(map(tuple, spellings)), tuple(names))

    def token(self, token_id: int) -> str:
        """Text of one token."""
        return str(self.tokenizer.decode([token_id]))

    @property
    def _template(self) -> str:
        return str(self.tokenizer.get_chat_template())

    @cached_property
    def _can_think(self) -> bool:
        tag = self.family.thinking.open
        return tag in self._template or tag in self.tokenizer.get_added_vocab()

    def _describing(self, tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Template arguments that describe tools."""
        variable = self.family.tools.variable
        if variable not in self._template:
            msg = f"the chat template of {self.name} has no place for tools: use a model made for them"
            raise ModelError(msg)
        return {variable: list(tools)}

    @cached_property
    def _cached_option_ids(self) -> Callable[[tuple[tuple[str, ...], ...], tuple[str, ...]], list[list[int]]]:
        # The questions of one chain have the same options.
        return lru_cache(maxsize=256)(
            lambda spellings, names: single_token_ids(spellings, self.encode, names=names, model_name=self.name)
        )

    def _checked(self, ids: list[int]) -> list[int]:
        """The same token ids, if they fit the context."""
        if len(ids) >= self.context_length:
            limit = f"{self.name} takes at most {self.context_length}"
            msg = f"the conversation has {len(ids)} tokens, but {limit}; shorten it"
            raise ModelError(msg)
        return ids

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
    options = [sorted({ids[0] for ids in forms if len(ids) == 1}) for forms in encoded]
    owner: dict[int, str] = {}
    for name, ids in zip(names, options, strict=True):
        if not ids:
            msg = f"the choice {name!r} is not a single token of {model_name}; ask with letters, such as A, B, C"
            raise ModelError(msg)
        if (shared := next((owner[i] for i in ids if i in owner), None)) is not None:
            msg = f"the choices {shared!r} and {name!r} share a token of {model_name}; use distinct choices"
            raise ModelError(msg)
        owner.update(dict.fromkeys(ids, name))
    return options
