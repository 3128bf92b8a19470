"""The lines of a file of answers, as the estimator takes them; a bad one says what was expected."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from thermolang.answers.choice import given_choice
from thermolang.errors import TaskFormatError
from thermolang.estimator import task_of
from thermolang.evaluation.task_files import Row
from thermolang.models.prompts import LETTERS, question_messages
from thermolang.models.thinking import final_answer
from thermolang.routing.policy import Policy
from thermolang.types import Example, Message, Source

EXPECTED = (
    "expected `answer` (text) and either `question` (text; with `context`, if there is one) or "
    "`messages` (list of objects with `role` and `content`, both texts)"
)

Key = tuple[str, Source]


def count_lines(source: Path) -> int:
    """Count the lines that hold anything.

    Raises:
        TaskFormatError: The file cannot be read, or holds no lines.
    """
    if count := sum(1 for _ in raw_lines(source)):
        return count
    msg = f"{source}: holds no lines; {EXPECTED} in each"
    raise TaskFormatError(msg)


class _Message(BaseModel):
    model_config = ConfigDict(strict=True)
    role: str
    content: str


class _Row(BaseModel):
    model_config = ConfigDict(strict=True)
    answer: str
    question: str | None = None
    context: str = ""
    messages: list[_Message] | None = None
    choices: list[str] = Field([], min_length=2, max_length=len(LETTERS))
    task: str = ""

    @model_validator(mode="after")
    def _agrees(self) -> _Row:
        if (self.question is None) == (self.messages is None):
            raise ValueError("one of `question` and `messages` is needed")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("two of the `choices` are the same")
        said = final_answer(self.answer)  # None: its thoughts have no end, as the estimator will say
        if self.choices and said is not None and given_choice(said, self.choices) is None:
            raise ValueError(f"the `answer` {said[:40]!r} is none of the `choices`")
        return self


@dataclass(frozen=True)
class Line:
    """A line of the source as the estimator takes it.

    Attributes:
        number: Where it stands, from 1.
        problem: Why it cannot be scored; empty if it can.
        messages: The conversation.
        answer: The answer; a letter where the options are lettered.
        choices: The options as the model reads them.
        options: What lettered choices stand for.
        task: The task, if it has a name.
        start: What it becomes in the target, up to its confidence.
    """

    number: int
    problem: str = ""
    messages: Sequence[Message] = ()
    answer: str = ""
    choices: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    task: str | None = None
    start: bytes = b""

    @property
    def key(self) -> Key:
        """Whose T* it is scored with."""
        return self.task or task_of(self.messages), "choice" if self.choices else "self_check"


def raw_lines(source: Path) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line that holds anything."""
    try:
        with source.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if text := (raw.removeprefix(BOM_UTF8) if number == 1 else raw).strip():
                    yield number, text
    except OSError as error:
        msg = f"{source}: cannot be read: {error}"
        raise TaskFormatError(msg) from error


def lines_of(source: Path, task: str | None, policy: Policy | None) -> Iterator[Line]:
    """Each line as the estimator takes it; ``task`` is for those that name none."""
    for number, raw in raw_lines(source):
        row: Row = {"raw": raw.decode("utf-8", "replace")}
        try:
            row = _object(raw)
            line = _asked(number, row, task)
        except (ValueError, RecursionError) as error:
            line = Line(number, f"{source}, line {number}: {_complaint(error)}; {EXPECTED}")
        # An earlier decision goes with the confidence it was about; a key of that name alone is the user's own.
        old = {"confidence", "decision"} if policy or "confidence" in row else {"confidence"}
        kept = encoded({key: value for key, value in row.items() if key not in old})
        yield replace(line, start=kept[:-1] + (b", " if len(kept) > 2 else b"") + b'"confidence": ')


def _object(raw: bytes) -> Row:
    row = json.loads(raw.decode("utf-8"))
    json.dumps(row)  # fails for what is nested too deeply to be written again
    if not isinstance(row, dict):
        raise ValueError(f"found {type(row).__name__}, not an object")
    return row


def _asked(number: int, row: Row, task: str | None) -> Line:
    # Tables that were exported write null and [] for what a row does not have.
    own = _Row.model_validate({key: value for key, value in row.items() if value not in (None, [])})
    choices, task = tuple(own.choices), own.task or task
    if own.question is None:
        return Line(number, "", row["messages"], own.answer, choices, task=task)
    messages = question_messages(Example(own.question, choices=choices, context=own.context))
    given = given_choice(final_answer(own.answer) or "", choices)
    letter = own.answer if given is None else LETTERS[given]
    return Line(number, "", messages, letter, tuple(LETTERS[: len(choices)]), choices, task)


def _complaint(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return (f"`{where}`: " if where else "") + first["msg"].removeprefix("Value error, ")
    return f"not JSON ({error})" if isinstance(error, UnicodeDecodeError | json.JSONDecodeError) else str(error)


def encoded(record: dict[str, Any]) -> bytes:
    """JSON in UTF-8."""
    try:
        return json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can write
        return json.dumps(record).encode()
