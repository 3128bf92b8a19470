"""Model families: what the chat models of one kind have in common, as one table.

Kinds of chat models differ in the tags around their thoughts, in the way they write tool calls, in whether they take
system messages. Each kind is one ``Family``, recognised by texts in the model's chat template. To support another kind,
add a row to ``FAMILIES``: nothing else in thermolang looks at templates or tags.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from thermolang.errors import InvalidInputError

FunctionCall: TypeAlias = tuple[str, dict[str, Any]]
"""The name of a function and its arguments."""


def json_call(text: str) -> list[FunctionCall]:
    """Read one call written as a JSON object with ``name`` and ``arguments`` (or ``parameters``).

    Raises:
        ValueError: The text is no such object.

    >>> json_call('{"name": "add", "arguments": {"a": 1}}')
    [('add', {'a': 1})]
    """
    call = json.loads(text)
    if isinstance(call, dict):
        name, arguments = call.get("name"), call.get("arguments", call.get("parameters", {}))
        if isinstance(name, str) and isinstance(arguments, dict):
            return [(name, arguments)]
    msg = f"expected a JSON object with a name and arguments, got {text!r}"
    raise InvalidInputError(msg)


@dataclass(frozen=True)
class ThinkingTags:
    """What a reasoning model writes around its thoughts, as decoded without special tokens."""

    open: str = "<think>"
    close: str = "</think>"


@dataclass(frozen=True)
class ToolSyntax:
    """How a chat template is told of tools, and how the model calls them.

    The defaults are those of Hermes, Qwen 2.5 and 3 and SmolLM3.

    Attributes:
        begin: Written before a call, as decoded without special tokens.
        end: Written after a call; empty if a call goes on to the next ``begin`` or to the end of the answer.
        parse: From the text between them to the calls it holds; raises ValueError for what is none.
        variable: The template's variable for the JSON schemas of the functions; templates that never mention it have
            no place for tools.
    """

    begin: str = "<tool_call>"
    end: str = "</tool_call>"
    parse: Callable[[str], list[FunctionCall]] = json_call
    variable: str = "tools"


@dataclass(frozen=True)
class Family:
    """One kind of chat model.

    The defaults fit most models: every turn is written alike, thoughts and tool calls stand between tags.

    Attributes:
        name: For people.
        marks: Texts that all stand in the chat template of every model of this family.
        thinking: Tags around thoughts; a model that never thinks never writes them.
        tools: How tools are described and called.
        system_role: Whether the template takes system messages. If not, they are given as the user's.
        alternates: Whether user and assistant must take turns. If so, neighbouring messages of one role are joined.
        no_thinking: Template arguments that ask for an answer without thoughts; templates ignore what they do not know.
        reads_images: Whether models of this family that also read images are scored on text alone; else they are
            refused.
    """

    name: str
    marks: tuple[str, ...] = ()
    thinking: ThinkingTags = ThinkingTags()
    tools: ToolSyntax = ToolSyntax()
    system_role: bool = True
    alternates: bool = False
    no_thinking: Mapping[str, Any] = field(default_factory=lambda: {"enable_thinking": False})
    reads_images: bool = False


DEFAULT = Family("default")
"""For chat templates that no row of the table recognises."""

FAMILIES: list[Family] = [
    Family("chatml", marks=("<|im_start|>",)),
    Family("llama-3", marks=("<|start_header_id|>",)),
]
"""Tried from the first to the last; put a family before a more general one whose marks its templates hold, too."""


def family_of(template: str) -> Family:
    """The first family of the table whose marks all stand in a chat template, else ``DEFAULT``.

    >>> family_of("{% for m in messages %}<|im_start|>{{ m.role }}...").name
    'chatml'
    """
    return next((family for family in FAMILIES if all(mark in template for mark in family.marks)), DEFAULT)
