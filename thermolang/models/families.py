"""Model families: what cannot be found by rendering a model's chat template, as one table.

Most of what tells chat models apart is found by ``turns.rules_of``, which renders small conversations: whether the
template takes a system turn, demands that turns alternate, has a place for tools. The forms of tool calls are a table
of their own, ``tool_calls.CALL_FORMS``. What is left is what a model writes around its thoughts. Each kind that does
not write ``<think>`` and ``</think>`` is one ``Family``, recognised by texts in the chat template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ThinkingTags:
    """What a reasoning model writes around its thoughts, and around the answer that follows them.

    Attributes:
        open: Before the thoughts.
        close: After them.
        answer: Before and after the answer; empty where nothing stands there.
    """

    open: str = "<think>"
    close: str = "</think>"
    answer: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Family:
    """One kind of chat model.

    Attributes:
        name: For people.
        marks: Texts that all stand in the chat template of every model of this family.
        thinking: Tags around thoughts; a model that never thinks never writes them.
        no_thinking: Template arguments that ask for an answer without thoughts; templates ignore what they do not know.
        reads_images: Whether models of this family that also read images are scored on text alone; else they are
            refused.
    """

    name: str
    marks: tuple[str, ...] = ()
    thinking: ThinkingTags = ThinkingTags()
    no_thinking: Mapping[str, Any] = field(default_factory=lambda: {"enable_thinking": False, "thinking": False})
    reads_images: bool = False


DEFAULT = Family("default")
"""For chat templates that no row of the table recognises: ChatML, Llama, Gemma, Mistral, Phi, Qwen, DeepSeek, SmolLM,
OLMo, Command R and others."""

FAMILIES: list[Family] = [
    Family(
        "granite-3.2",
        marks=("<|start_of_role|>", "Here is my thought process:"),
        thinking=ThinkingTags("Here is my thought process:", "Here is my response:"),
    ),
    Family(
        "granite-3.3",
        marks=("<|start_of_role|>", "<response>"),
        thinking=ThinkingTags(answer=("<response>", "</response>")),
    ),
    Family("magistral", marks=("[INST]", "[THINK]"), thinking=ThinkingTags("[THINK]", "[/THINK]")),
    Family(
        "command-r7b",
        marks=("<|START_OF_TURN_TOKEN|>", "<|START_THINKING|>"),
        thinking=ThinkingTags(
            "<|START_THINKING|>", "<|END_THINKING|>", answer=("<|START_RESPONSE|>", "<|END_RESPONSE|>")
        ),
    ),
]
"""Tried from the first to the last; put a family before a more general one whose marks its templates hold, too."""


def family_of(template: str) -> Family:
    """The first family of the table whose marks all stand in a chat template, else ``DEFAULT``.

    >>> family_of("{% for m in messages %}[INST]...[THINK]...").name
    'magistral'
    >>> family_of("{% for m in messages %}<|im_start|>{{ m.role }}...").name
    'default'
    """
    return next((family for family in FAMILIES if all(mark in template for mark in family.marks)), DEFAULT)
