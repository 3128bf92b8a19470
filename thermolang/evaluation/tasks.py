"""Reading tasks from the user's own files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thermolang.errors import TaskFormatError
from thermolang.models.prompts import LETTERS
from thermolang.types import Example, Task

EXPECTED = "expected `question` and either `answers` (list of texts) or `choices` (list of texts) with `answer`"


def read_task(path: str | Path) -> Task:
    """Read one task from a JSONL or CSV file; the file's name is the task's.

    Each row has ``question``, optionally ``context``, and either ``answers`` (accepted texts; in CSV
    separated by ``|``) or ``choices`` with ``answer`` as an index from 0 or as one of the texts.

    Raises:
        TaskFormatError: Naming the file, the line and what was expected.
    """
    path = Path(path)
    readers = {".jsonl": _jsonl_rows, ".csv": _csv_rows}
    if path.suffix.lower() not in readers:
        msg = f"{path}: a file of questions ends in .jsonl or .csv, not {path.suffix!r}"
        raise TaskFormatError(msg)
    try:
        rows = list(readers[path.suffix.lower()](path))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise TaskFormatError(msg) from error
    if not rows:
        msg = f"{path}: holds no questions; {EXPECTED}"
        raise TaskFormatError(msg)
    return Task(path.stem, tuple(_example(path, line, row) for line, row in rows))


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                msg = f"{path}, line {number}: not JSON ({error.msg}); {EXPECTED}"
                raise TaskFormatError(msg) from error
            if not isinstance(row, dict):
                msg = f"{path}, line {number}: a JSON object is expected, found {type(row).__name__}"
                raise TaskFormatError(msg)
            yield number, row


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            lists = {key: row[key].split("|") for key in ("answers", "choices") if row.get(key)}
            yield reader.line_num, {key: value for key, value in row.items() if value} | lists


def _example(path: Path, line: int, row: dict[str, Any]) -> Example:
    question = row.get("question")
    answers, choices = _texts(row.get("answers")), _texts(row.get("choices"))
    if not isinstance(question, str) or not question.strip() or bool(answers) == bool(choices):
        msg = f"{path}, line {line}: {EXPECTED}; found {sorted(map(str, row))}"
        raise TaskFormatError(msg)
    label = _label(path, line, row.get("answer"), choices) if choices else None
    return Example(question, answers, choices, label, str(row.get("context") or ""))


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    return tuple(str(v).strip() for v in values if str(v).strip())


def _label(path: Path, line: int, answer: Any, choices: tuple[str, ...]) -> int:
    if not 2 <= len(choices) <= len(LETTERS) or len(set(choices)) != len(choices):
        msg = f"{path}, line {line}: 2 to {len(LETTERS)} distinct choices are expected, found {list(choices)}"
        raise TaskFormatError(msg)
    text = str(answer).strip() if answer is not None else ""
    if text in choices:
        return choices.index(text)
    if text.isdecimal() and int(text) < len(choices):
        return int(text)
    msg = f"{path}, line {line}: `answer` must be one of the choices or an index below {len(choices)}, found {answer!r}"
    raise TaskFormatError(msg)
