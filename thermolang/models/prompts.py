"""thermolang's own prompts. They are part of a calibrator's identity: change one, raise PROMPT_VERSION."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from typing import Any

from thermolang.types import Example, Message

PROMPT_VERSION = "1"

LETTERS = string.ascii_uppercase
"""Names of the options of a multiple-choice question; more options than letters cannot be asked."""

SHORT_ANSWER = "Answer in as few words as possible."

ANSWER_PREFIX = "The answer is"
"""Begins the assistant's turn in the ``prefix`` form of a multiple-choice prompt."""

HOW_SURE = "How sure are you that your answer above is correct? Reply with one digit only, from 0 (wrong) to 9 (right)."
"""Asks for a verbalised confidence (Lin et al., 2022, arXiv 2205.14334) that one forward pass can read."""

DIGITS = string.digits

SELF_CHECK = "Is your answer above correct? Reply with yes or no only."

JSON_ANSWER = "Answer with one JSON object that follows this JSON schema:"
"""Tells a model of the form that its answer will have."""

CALL_ANSWER = 'Answer with a call of one of these functions, as {"name": ..., "arguments": {...}}:'
"""Tells a model of functions whose chat template has no place for them."""

FIELD_CHECK = "{about}\nYour answer was {value}. Is that correct? Reply with yes or no only."
"""Asks about one field of a JSON answer. The field's description stands in it again, since the schema is far above."""

YES_NO: tuple[tuple[str, ...], ...] = (("Yes", "yes"), ("No", "no"))
"""Spellings of the two options of a self-check, summed."""

SENTINEL = "\u2402answer\u2403"
"""Stands for the answer while a template is rendered; no tokenizer's template produces it."""

FIXED_DATE = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}"
"""Put before a chat template, it stands for the clock that some templates read."""

PROBES: tuple[tuple[str, str], ...] = (
    ("What is the capital of France?", "Paris"),
    ("What is the capital of France?", "Berlin"),
    ("How many days are in a week?", "Seven"),
    ("What is 17 + 25?", "32"),
    ("Which gas do plants take in?", "Carbon dioxide"),
    ("Who wrote Hamlet?", "Charles Dickens"),
    ("Is the sun a star? Explain in one sentence.", "Yes, it is a star made mostly of hydrogen."),
    ("日本の首都はどこですか。", "東京"),
)
"""Fixed question-answer pairs whose hidden states tell one set of weights from another."""


def question_messages(example: Example) -> list[Message]:
    """Ask one question as the user would: free form, or with lettered options."""
    if example.choices:
        return choice_messages(example.question, example.choices, context=example.context)
    text = f"{example.context}\n\n{example.question}" if example.context else example.question
    return [{"role": "system", "content": SHORT_ANSWER}, {"role": "user", "content": text}]


def choice_messages(question: str, choices: Sequence[str], *, context: str = "") -> list[Message]:
    """Ask a multiple-choice question whose answer is a letter."""
    letters = LETTERS[: len(choices)]
    named = ", ".join(letters[:-1]) + f" or {letters[-1]}"
    options = [f"{letter}. {choice}" for letter, choice in zip(letters, choices, strict=False)]
    head = [context] if context else []
    text = "\n".join([*head, f"Answer with the letter {named} only.", f"Question: {question}", *options])
    return [{"role": "user", "content": text}]


def how_sure_messages(messages: Sequence[Message], answer: str) -> list[Message]:
    """Continue a conversation by asking for a verbalised confidence in its answer."""
    return [*messages, {"role": "assistant", "content": answer}, {"role": "user", "content": HOW_SURE}]


def self_check_messages(messages: Sequence[Message], answer: str, question: str = SELF_CHECK) -> list[Message]:
    """Continue a conversation by asking whether its answer is correct (P(True), Kadavath et al., 2022)."""
    return [*messages, {"role": "assistant", "content": answer}, {"role": "user", "content": question}]


def json_messages(messages: Sequence[Message], schema: Mapping[str, Any]) -> list[Message]:
    """The conversation with the schema of the answer at the end of the user's last message."""
    return _told(messages, f"{JSON_ANSWER}\n{json.dumps(without_titles(schema), ensure_ascii=False)}")


def call_messages(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> list[Message]:
    """The conversation with the descriptions of functions at the end of the user's last message."""
    described = [json.dumps(without_titles(tool["function"]), ensure_ascii=False) for tool in tools]
    return _told(messages, "\n".join([CALL_ANSWER, *described]))


def _told(messages: Sequence[Message], more: str) -> list[Message]:
    """With something more at the end of the user's last message: small models forget what stands above a passage."""
    last = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=None)
    if last is None:
        return [*messages, {"role": "user", "content": more}]
    told = {**messages[last], "content": f"{messages[last]['content']}\n\n{more}"}
    return [*messages[:last], told, *messages[last + 1 :]]


def without_titles(schema: Any) -> Any:
    """A JSON schema without the titles that pydantic gives to each field, which say nothing new."""
    if isinstance(schema, list):
        return [without_titles(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {k: without_titles(v) for k, v in schema.items() if k != "title" or not isinstance(v, str)}


def field_check(path: str, value: Any, description: str = "") -> str:
    """Ask whether one field of a JSON answer is right; the path tells which one of several it is."""
    nested = "." in path or "[" in path
    about = f"{path}: {description}" if nested and description else description or path
    return FIELD_CHECK.format(about=about, value=json.dumps(value, ensure_ascii=False))
