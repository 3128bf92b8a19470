"""A model's chat template and tokenizer: from messages to token ids, and from an answer to what it says and calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from thermolang.errors import ModelError
from thermolang.models.families import DEFAULT, Family, family_of
from thermolang.models.prompts import FIXED_DATE
from thermolang.models.tool_calls import CallForm, Parsed, form_of, marks, parse
from thermolang.models.turns import TurnRules, check_results, described, placed, rules_of, with_calls
from thermolang.types import Message

logger = logging.getLogger(__name__)

UNLIMITED = 2**31
"""Stands for a context length that a model's configuration does not tell."""

UNFINISHED = (
    "the answer ended while the model was still thinking: allow more tokens, or switch its thinking off "
    "(template_arguments)"
)


def final_answer(text: str, family: Family | None = None) -> str | None:
    """What a reasoning model says after its thoughts; None if the text ends before they do.

    Args:
        text: All that the model generated.
        family: The model's; ``families.DEFAULT`` by default, here and below.

    >>> final_answer("<think>France, then.</think> Paris")
    'Paris'
    >>> final_answer("Paris")
    'Paris'
    >>> final_answer("<think>France") is None
    True
    """
    tags = (family or DEFAULT).thinking
    _, close, after = text.rpartition(tags.close)
    if not close and text.lstrip().startswith(tags.open):
        return None
    begin, end = tags.answer
    return after.strip().removeprefix(begin).removesuffix(end).strip()


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


class ChatTokenizer:
    """Renders conversations with a model's own template, and knows its limits and special tokens.

    Args:
        model: The model whose configuration says how long a conversation may be.
        tokenizer: Its tokenizer, with a chat template.
        name: Short name for people; the model's own by default.
        template_arguments: Further arguments of the chat template, such as ``{"enable_thinking": False}``.

    Raises:
        ModelError: The tokenizer has no chat template.
    """

    _rules: tuple[str, TurnRules] | None = None
    _told = False

    def __init__(
        self, model: Any, tokenizer: Any, *, name: str = "", template_arguments: Mapping[str, Any] | None = None
    ) -> None:
        if not getattr(tokenizer, "chat_template", None):
            msg = "the tokenizer has no chat template: use a chat (instruct) model, or set tokenizer.chat_template"
            raise ModelError(msg)
        self.model, self.tokenizer = model, tokenizer
        self.template_arguments = dict(template_arguments or {})
        self.name = name or str(getattr(model.config, "_name_or_path", "")) or type(model).__name__

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take along: not what is made anew from the tokenizer."""
        return {k: v for k, v in vars(self).items() if k not in ("_cached_option_ids", "_grammar_tokenizer")}

    @property
    def family(self) -> Family:
        """The model family that the chat template belongs to."""
        return family_of(self._templates)

    @property
    def rules(self) -> TurnRules:
        """Which turns the chat template takes; found out once for each template."""
        template = self._templates
        if self._rules is None or self._rules[0] != template:
            self._rules = template, rules_of(self._applied, self.call_form)
        return self._rules[1]

    @property
    def call_form(self) -> CallForm:
        """How the model is taught to write tool calls, as far as its chat template speaks of it."""
        return form_of(self._templates)

    @property
    def context_length(self) -> int:
        """Most tokens a conversation may have; ``UNLIMITED`` if it is not known."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 0)) or UNLIMITED

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
        check_results(messages)
        if tools and self.rules.tools is None:
            msg = f"the chat template of {self.name} has no place for tools: use a model made for them"
            raise ModelError(msg)
        begun = messages[-1]["role"] == "assistant"
        at_once = at_once and not begun
        options: dict[str, Any] = dict(self.family.no_thinking) if at_once else {}
        if begun:
            options["continue_final_message"] = True
        if fixed_date:
            options["chat_template"] = FIXED_DATE + self._template
        turns = placed(messages, self.rules)
        if not fixed_date and turns != list(messages):
            self._tell()
        try:
            turns = with_calls(turns, self.rules, self.call_form)
            if tools:
                turns, told = described(turns, tools, str(self.rules.tools))
                options |= told
            elif isinstance(self.tokenizer.chat_template, dict) and any(turn["role"] == "tool" for turn in turns):
                options["tools"] = []  # Command R has a template of its own for such conversations
            text = self._applied(turns, **options)
        except Exception as error:  # templates are programs of others and raise anything
            msg = f"the chat template of {self.name} refuses these messages: {self._hint(turns) or error}"
            raise ModelError(msg) from error
        closes = at_once and self._can_think and self.rules.thinks_unasked
        return without_thinking(text, self.family) if closes else text

    def opens_thinking(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]] = ()) -> bool:
        """Whether the template itself begins the thoughts, so that an answer that was cut may be all thought."""
        return self._can_think and self.render(messages, tools=tools).rstrip().endswith(self.family.thinking.open)

    def parse(self, messages: Sequence[Message], answer: str, tools: Sequence[dict[str, Any]] = ()) -> Parsed:
        """What an answer to a conversation says, and which tools it calls; see ``tool_calls.parse``."""
        found = parse(answer, self.family, tools)
        calls = found.calls or found.broken
        if calls and self.family.thinking.close not in answer and self.opens_thinking(messages, tools):
            return Parsed(answer)
        return found

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

    @property
    def _templates(self) -> str:
        """All templates of the tokenizer: Command R has one for tools beside the other."""
        found = self.tokenizer.chat_template
        return "\n".join(found.values()) if isinstance(found, dict) else self._template

    @cached_property
    def _can_think(self) -> bool:
        tag = self.family.thinking.open
        return tag in self._templates or tag in self.tokenizer.get_added_vocab()

    def _applied(self, turns: Sequence[Message], **options: Any) -> str:
        """What the template makes of turns; it raises anything."""
        ends = {} if options.get("continue_final_message") else {"add_generation_prompt": True}
        arguments = {**ends, **self.template_arguments, **options}
        return str(self.tokenizer.apply_chat_template(list(turns), tokenize=False, **arguments))

    def _tell(self) -> None:
        """Say once that a conversation is not given to the model as it came."""
        if not self._told:
            self._told = True
            logger.warning(
                "the chat template of %s does not take these turns as they are: system turns go in front of the "
                "user's words, and neighbouring turns of one role are joined where turns must alternate",
                self.name,
            )

    def _hint(self, turns: Sequence[Message]) -> str:
        """What to do about turns that the template refuses, where the reason is known."""
        first = next((turn["role"] for turn in turns if turn["role"] != "system"), "")
        if self.rules.alternates and first == "assistant":
            return "a conversation begins with the user's turn: cut the history with trim_messages(start_on='human')"
        return ""

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
        if (hidden := self._hidden_ids) is None:
            return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=True)).lstrip()
        return str(self.tokenizer.decode([i for i in token_ids if i not in hidden])).lstrip()

    def _text(self, token_ids: Sequence[int]) -> str:
        return self._decoded(token_ids).rstrip()

    @cached_property
    def _hidden_ids(self) -> frozenset[int] | None:
        """Special tokens that are no text, where some others are: marks of calls and thoughts. None where none is."""
        added, tags = self.tokenizer.added_tokens_decoder, self.family.thinking
        texts = {*marks(), tags.open, tags.close}
        shown = {i for i, token in added.items() if token.content in texts}
        special = {*self.tokenizer.all_special_ids, *(i for i, token in added.items() if token.special)}
        return frozenset(special - shown) if special & shown else None

    @cached_property
    def _end_ids(self) -> frozenset[int]:
        declared = getattr(self.model.generation_config, "eos_token_id", None)
        ids = declared if isinstance(declared, list) else [declared]
        return frozenset(i for i in [*ids, self.tokenizer.eos_token_id] if i is not None)


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
