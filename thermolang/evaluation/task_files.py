"""The user's own files of questions, and the rows of JSONL and CSV files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from thermolang.errors import TaskFormatError
from thermolang.models.prompts import LETTERS
from thermolang.types import Example, Task

Row = dict[str, Any]
"""One row as JSON has it: names of columns and what stands in them."""

EXPECTED = "expected `question` and either `answers` (list of texts) or `choices` (list of texts) with `answer`"


def read_task(path: str | Path) -> Task:
    """Read one task from a JSONL or CSV file; the file's name is the task's.

    Each row has ``question``, optionally ``context``, and either ``answers`` (accepted texts; in CSV
    separated by ``|``) or ``choices`` with ``answer`` as one of the texts or as an index from 0. A text that
    could be both is one of the texts; a number in JSON is an index, unless the choices are numbers.

    Raises:
        TaskFormatError: Naming the file, the line and what was expected.
    """
    path = Path(path)
    rows = read_rows(path)
    if not rows:
        msg = f"{path}: holds no questions; {EXPECTED}"
        raise TaskFormatError(msg)
    return Task(path.stem, tuple(own_example(place, row) for place, row in rows))


def read_rows(path: Path, ending: str = "") -> list[tuple[str, Row]]:
    """Read the rows of a JSONL or CSV file, each with its place: the file and the line.

    Args:
        path: The file.
        ending: ``".jsonl"`` or ``".csv"``; the file's own if empty.

    Raises:
        TaskFormatError: Another ending, an unreadable file, or a line that is not JSON or not CSV.
    """
    readers, ending = {".jsonl": _jsonl_rows, ".csv": _csv_rows}, ending or path.suffix.lower()
    if ending not in readers:
        msg = f"{path}: a file of questions ends in .jsonl or .csv, not {path.suffix!r}"
        raise TaskFormatError(msg)
    try:
        return [(f"{path}, line {line}", row) for line, row in readers[ending](path)]
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise TaskFormatError(msg) from error


def _jsonl_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                msg = f"{path}, line {number}: not JSON ({error}); {EXPECTED}"
                raise TaskFormatError(msg) from error
            if not isinstance(row, dict):
                msg = f"{path}, line {number}: a JSON object is expected, found {type(row).__name__}"
                raise TaskFormatError(msg)
            yield number, row


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader, header, number = csv.reader(file, strict=True), None, 1
        try:
            for cells in reader:
                if cells and header is None:
                    header = [name.strip() for name in cells]
                elif cells and header:
                    yield number, _csv_row(path, number, header, cells)
                number = reader.line_num + 1
        except csv.Error as error:
            msg = f"{path}, line {number}: not CSV ({error}); {EXPECTED}"
            raise TaskFormatError(msg) from error


def _csv_row(path: Path, line: int, header: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) > len(header):
        wanted = "a comma inside a text needs quotes around the text"
        msg = f"{path}, line {line}: {len(header)} columns are expected, found {len(cells)}; {wanted}"
        raise TaskFormatError(msg)
    row = {name: cell for name, cell in zip(header, cells, strict=False) if cell}
    return row | {name: row[name].split("|") for name in ("answers", "choices") if name in row}


def own_example(place: str, row: Row) -> Example:
    """Make a question of a row of the user's own; what ``read_task`` accepts.

    Raises:
        TaskFormatError: Naming the place, what was found and what was expected.
    """
    question = row.get("question")
    answers, choices = _texts(row.get("answers")), _texts(row.get("choices"))
    answers = tuple(a for a in answers if a)
    if not isinstance(question, str) or not question.strip() or bool(answers) == bool(choices):
        msg = f"{place}: {EXPECTED}; found {sorted(map(str, row))}"
        raise TaskFormatError(msg)
    label = _label(place, row, choices) if choices else None
    return Example(question, answers, choices, label, str(row.get("context") or ""))


def _texts(value: Any) -> tuple[str, ...]:
    """The texts of a list, numbers among them; nothing if there is anything else."""
    values = value if isinstance(value, list) else [value]
    return tuple(str(v).strip() for v in values) if all(isinstance(v, str | int | float) for v in values) else ()


def _label(place: str, row: Row, choices: tuple[str, ...]) -> int:
    answer = row.get("answer")
    if not 2 <= len(choices) <= len(LETTERS) or len(set(choices)) != len(choices) or "" in choices:
        msg = f"{place}: 2 to {len(LETTERS)} distinct choices are expected, found {list(choices)}"
        raise TaskFormatError(msg)
    text = str(answer).strip() if answer is not None else ""
    # A JSON number beside choices that are texts is an index, even where one of the texts looks like it.
    is_index = type(answer) is int and all(isinstance(choice, str) for choice in row["choices"])
    if text in choices and not is_index:
        return choices.index(text)
    if text.isdecimal() and len(text) <= len(str(len(LETTERS))) and int(text) < len(choices):
        return int(text)
    msg = f"{place}: `answer` must be one of the choices or an index below {len(choices)}, found {answer!r}"
    raise TaskFormatError(msg)
