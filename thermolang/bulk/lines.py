"""The lines of a file of answers, as the estimator takes them, and in the batches that a model reads together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from thermolang.answers.grading import given_choice
from thermolang.applying import TaskKey
from thermolang.calibration.task_state import TaskVersion
from thermolang.errors import TaskFormatError, complaint
from thermolang.estimator import task_of
from thermolang.models.chat_template import final_answer
from thermolang.models.families import Family
from thermolang.models.prompts import LETTERS, question_messages
from thermolang.routing.policy import Policy
from thermolang.tasks.columns import Columns, Row, require_columns, told, values
from thermolang.tasks.rows import file_rows
from thermolang.types import Example, Message

EXPECTED = (
    "expected `answer` (text) and either `question` (text; with `context`, if there is one) or "
    "`messages` (list of objects with `role` and `content`, both texts)"
)


def count_lines(source: Path, columns: Columns | None = None) -> int:
    """Count the lines that hold anything; in other files than JSON lines the rows.

    Raises:
        TaskFormatError: The file cannot be read, holds no lines, or lacks a column that the user named.
    """
    if first := next((found for found in file_rows(source, columns) if not found.problem), None):
        require_columns(first.place, first.row, columns or {})
    if count := sum(1 for _ in file_rows(source, columns)):
        return count
    msg = f"{source}: holds no lines; {EXPECTED} in each"
    raise TaskFormatError(msg)


def described(source: Path, columns: Columns | None = None) -> str:
    """Say which columns of a file are question and answer, by its first line that can be read."""
    first = next((found.row for found in file_rows(source, columns) if not found.problem), {})
    return told(first, columns or {}, one_answer=True)


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
    def _agrees(self, info: ValidationInfo) -> _Row:
        if (self.question is None) == (self.messages is None):
            raise ValueError("one of `question` and `messages` is needed")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError("two of the `choices` are the same")
        # None: its thoughts have no end, as the estimator will say.
        said = final_answer(self.answer, (info.context or {}).get("family"))
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
        start: Bytes of its line in the target, up to the value of ``confidence``.
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
    def key(self) -> TaskKey:
        """Name and kind of the task whose temperature it is scored with."""
        return self.task or task_of(self.messages), "choice" if self.choices else "self_check"


@dataclass(frozen=True)
class Reading:
    """How the lines of a source are read.

    Attributes:
        task: The task of lines that name none.
        policy: Whether an earlier decision is left out, as a new one is written.
        family: That of the model, which tells thoughts from answers.
        columns: Names of columns as the user gave them.
    """

    task: str | None = None
    policy: Policy | None = None
    family: Family | None = None
    columns: Columns = field(default_factory=dict)


def lines_of(source: Path, how: Reading) -> Iterator[Line]:
    """Each line of a file as the estimator takes it."""
    for found in file_rows(source, how.columns):
        row: Row = found.row
        try:
            if found.problem:
                raise ValueError(found.problem)
            json.dumps(row)  # fails for what is nested too deeply to be written again
            line = _asked(found.number, row, how)
        except (ValueError, RecursionError) as error:
            line = Line(found.number, f"{found.place}: {complaint(error)}; {EXPECTED}")
            row = {"raw": found.raw} if found.problem else row
        # An earlier decision goes with the confidence it was about; a key of that name alone is the user's own.
        old = {"confidence", "decision"} if how.policy or "confidence" in row else {"confidence"}
        kept = encoded({key: value for key, value in row.items() if key not in old})
        # The closing brace is left to ``SoFar.added``.
        yield replace(line, start=kept[:-1] + (b", " if len(kept) > 2 else b"") + b'"confidence": ')


def _asked(number: int, row: Row, how: Reading) -> Line:
    found = values(row, how.columns, one_answer=True)
    named = {("answer" if what == "answers" else what): value for what, value in found.items()}
    if "messages" in row and "question" not in row:
        named.pop("question", None)  # a column of another name is no second question
    # Tables that were exported write null and [] for what a row does not have.
    known = {key: value for key, value in (row | named).items() if value not in (None, [])}
    own = _Row.model_validate(known, context={"family": how.family})
    choices, task = tuple(own.choices), own.task or how.task
    if own.question is None:
        return Line(number, "", row["messages"], own.answer, choices, task=task)
    messages = question_messages(Example(own.question, choices=choices, context=own.context))
    given = given_choice(final_answer(own.answer, how.family) or "", choices)
    letter = own.answer if given is None else LETTERS[given]
    return Line(number, "", messages, letter, tuple(LETTERS[: len(choices)]), choices, task)


def encoded(record: dict[str, Any]) -> bytes:
    """JSON in UTF-8, never with what only Python takes for JSON."""
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can write
        return json.dumps(record, allow_nan=False).encode()


class Batch(NamedTuple):
    """Lines that go through the model together.

    Attributes:
        lines: The lines; all of one task and with the same choices, or all unreadable.
        written: How many of them, from the first on, are in the target already.
    """

    lines: list[Line]
    written: int


@dataclass(frozen=True)
class Work:
    """What is left to score of a file; it can be pickled.

    Attributes:
        source: The file.
        reading: How its lines are read.
        versions: By task and kind, the version of the task's state to score under.
        own_answers: Whether the model itself wrote the answers.
        batch_size: Lines that go through the model together.
        skip: Lines that are written already.
    """

    source: Path
    reading: Reading
    versions: Mapping[TaskKey, TaskVersion]
    own_answers: bool = False
    batch_size: int = 8
    skip: int = 0

    def batches(self) -> Iterator[Batch]:
        """The batches of a run from the start, without those that are written.

        A model's last digits depend on what it reads at the same time, so an interrupted batch comes as a whole.
        """
        lines, skip = lines_of(self.source, self.reading), self.skip
        for _, run in groupby(lines, key=lambda line: (bool(line.problem), line.task, line.choices)):
            while batch := list(islice(run, self.batch_size)):
                if skip < len(batch):
                    yield Batch(batch, skip)
                skip = max(0, skip - len(batch))
