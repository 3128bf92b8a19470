"""Tasks from wherever questions are kept: benchmarks' own files, the Hugging Face hub, the user's own files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from thermolang.errors import InvalidInputError, TaskFormatError, require
from thermolang.tasks.columns import Columns, Row, told
from thermolang.tasks.formats import EXPECTED, Located, format_of, known_formats, tasks_of
from thermolang.tasks.rows import ENDINGS, FileRow, Rows, csv_rows, document_rows, file_rows, json_document
from thermolang.types import Example, Task

QUESTIONS_PER_CONTEXT = 8
"""Most questions that are drawn about one passage, so that a task has many passages."""

HUB = "hf:"
SPLITS = ("validation", "test", "train")
"""Splits of a hub data set, first choice first: test splits often come without answers."""

OPTIONS = ("A", "B", "C", "D")
"""MMLU's letters of the right option."""

_SPLIT_ENDING = re.compile(r"_(?:test|val|dev)$")
_NOT_A_NAME = re.compile(
    r"v?[\d.]+|test|dev|devtest|val|valid|validation|train|trainmodel|rand|split|rebuilt|grouped|olmo|mc|task|data",
    re.IGNORECASE,
)
_ONE_WORD_LABEL = re.compile(r"^\s*\w+:\s*$")
_LAST_LABEL = re.compile(r"[^\n]*:\s*$")


def load_tasks(
    source: str | Path, *, limit: int | None = None, seed: int = 0, columns: Columns | None = None
) -> list[Task]:
    """Read the tasks of a benchmark or of the user's own file.

    What is recognised, by looking at it:

    - a folder of MMLU's CSV files, or its parent with ``test/``: one task a subject;
    - a BIG-bench ``task.json``, or a folder of such files: one task a file;
    - files of ARC, CommonsenseQA, JCommonsenseQA, JMMLU, MedMCQA, TruthfulQA, SQuAD, JSQuAD, BoolQ, CoQA, DROP,
      NQ-open, WebQuestions, TriviaQA, GSM8K and SimpleQA, as published or as on the hub;
    - ``"hf:NAME[:CONFIG][:SPLIT]"``: the same from the Hugging Face hub (extra ``eval``);
    - the user's own file, which is one task of its name. A row has a question, perhaps a context, and either accepted
      answers or choices with the right one: its text, its letter, or its index from 0. A text that could be both is
      one of the texts; a number in JSON is an index, unless the choices are numbers. Columns are told by their names
      (``columns.NAMES``) or named in ``columns``; in a table several answers or choices are separated by ``|``.

    Files are JSON lines, JSON, CSV with any separator, Excel or Parquet, as ``rows.file_rows`` reads them.

    Rows without a gold answer are left out, and so are rows whose number of options is not the task's most
    common one, as in the paper's code. Where the right option stands in the same place in every row, the
    options are shuffled, always in the same way. The user's own rows are taken as they are.

    Args:
        source: A path, or ``"hf:..."``.
        limit: Most items a task, drawn at random; of a passage at most eight questions, next to each other. A
            greater limit adds items to those of a smaller one.
        seed: Of the drawing.
        columns: Names of the columns that are not told by theirs, such as ``{"question": "Q", "answers": "A"}``; the
            file is then the user's own.

    Raises:
        TaskFormatError: Naming file, line or example, what was found and what was expected.
        InvalidInputError: ``limit`` is below 1.
        MissingExtraError: A hub data set without the extra ``eval``, Excel or Parquet without ``files``.
    """
    if limit is not None and limit < 1:
        msg = f"limit={limit}: at least 1 item a task is needed; None takes all"
        raise InvalidInputError(msg)
    path = Path(source)
    if path.is_dir() and not str(source).startswith(HUB):
        tasks = _folder_tasks(path)
    else:
        rows = read_source(source, columns)
        known = None if columns else format_of(rows[0][1])
        own_name = _hub_name(str(source)) if str(source).startswith(HUB) else _name(path) if known else path.stem
        tasks = tasks_of(own_name, rows, columns)
    return tasks if limit is None else [replace(t, examples=drawn(t.examples, limit, seed)) for t in tasks]


def read_source(source: str | Path, columns: Columns | None = None) -> list[Located]:
    """Read the rows of a file or of a hub data set, each with its place; at least one.

    Args:
        source: A path, or ``"hf:..."`` as ``load_tasks`` takes it.
        columns: As in ``load_tasks``.

    Raises:
        TaskFormatError: It cannot be read, a row of it cannot, or it holds nothing.
        MissingExtraError: As in ``load_tasks``.
    """
    rows = _hub_rows(str(source)) if str(source).startswith(HUB) else _file_rows(Path(source), columns)
    if not rows:
        msg = f"{source}: holds no questions; the known formats: {known_formats()}"
        raise TaskFormatError(msg)
    return rows


def first_row(path: Path, columns: Columns | None = None) -> Row:
    """The first row of a file, without reading the others where that is possible; empty if there is none.

    Raises:
        TaskFormatError: It cannot be read.
    """
    if path.suffix.lower() == ".csv" and not columns and _is_mmlu(path):
        return next(_mmlu_row(path, *row)[1] for row in csv_rows(path))
    with closing(file_rows(path, columns)) as rows:
        return next((_good(row)[1] for row in rows), {})


def described(path: Path, columns: Columns | None = None) -> str:
    """Say how a file is understood: its format, or which of its columns is what.

    Raises:
        TaskFormatError: It cannot be read.
    """
    row = first_row(path, columns)
    known = None if columns else format_of(row)
    return f"read as {known.name}" if known else told(row, columns or {})


def drawn(examples: Sequence[Example], limit: int, seed: int) -> tuple[Example, ...]:
    """Draw whole passages, with up to eight of their questions, until there are ``limit`` items."""
    groups: dict[str | int, list[Example]] = {}
    for i, example in enumerate(examples):
        groups.setdefault(example.context or i, []).append(example)
    rng, found, passages = np.random.default_rng(seed), list[Example](), list(groups.values())
    for g in rng.permutation(len(passages)):
        chosen = rng.permutation(len(passages[g]))[:QUESTIONS_PER_CONTEXT]
        found += [passages[g][i] for i in sorted(chosen)]
        if len(found) >= limit:
            break
    return tuple(found[:limit])


def _folder_tasks(folder: Path) -> list[Task]:
    tables = sorted((folder / "test" if (folder / "test").is_dir() else folder).glob("*.csv"))
    files = sorted(folder.glob("*.json")) or sorted(folder.glob("*/task.json"))
    if tables:
        return [task for path in tables for task in tasks_of(path.stem, _mmlu_rows(path))]
    contents = {path: json_document(path) for path in files}
    odd = next((path for path, c in contents.items() if not (isinstance(c, dict) and "examples" in c)), None)
    if odd or not files:
        wanted = "a folder holds MMLU's .csv files or BIG-bench's .json files; name any other file itself"
        msg = f"{odd or folder}: {wanted}"
        raise TaskFormatError(msg)
    return [task for path, c in contents.items() for task in tasks_of(_name(path), _bigbench_rows(path, c))]


def _file_rows(path: Path, columns: Columns | None) -> list[Located]:
    if not path.exists() or path.suffix.lower() not in ENDINGS:
        found = f"not {path.suffix!r}" if path.exists() else "and there is nothing of this name"
        msg = f"{path}: a folder, a file that ends in {', '.join(ENDINGS)}, or {HUB}NAME is expected, {found}"
        raise TaskFormatError(msg)
    if path.suffix.lower() == ".csv" and not columns and _is_mmlu(path):
        return _mmlu_rows(path)
    if path.suffix.lower() != ".json":
        return _all_good(file_rows(path, columns))
    content = json_document(path)
    if isinstance(content, dict) and "examples" in content:
        return _bigbench_rows(path, content)
    return _all_good(document_rows(path, content))


def _all_good(rows: Rows) -> list[Located]:
    with closing(rows):  # the first bad row ends it, and the file is still open
        return [_good(row) for row in rows]


def _good(row: FileRow) -> Located:
    if row.problem:
        msg = f"{row.place}: {row.problem}; {EXPECTED}"
        raise TaskFormatError(msg)
    return row.place, row.row


def _hub_parts(source: str) -> tuple[str, str, str]:
    """Name, configuration and split of a hub data set; the last two are empty if not named."""
    name, *rest = source.removeprefix(HUB).split(":")
    if len(rest) == 1 and rest[0] in SPLITS:
        rest = ["", *rest]
    config, split, *more = rest + [""] * (2 - len(rest))
    if not name or more:
        msg = f"{source!r}: expected {HUB}NAME, {HUB}NAME:CONFIG, {HUB}NAME:SPLIT or {HUB}NAME:CONFIG:SPLIT"
        raise TaskFormatError(msg)
    return name, config, split


def _hub_name(source: str) -> str:
    name, config, _ = _hub_parts(source)
    short = name.rstrip("/").rsplit("/", 1)[-1]
    return f"{short}-{config}" if config else short


def _hub_rows(source: str) -> list[Located]:
    name, config, split = _hub_parts(source)
    try:
        found = require("datasets", "eval").load_dataset(name, config or None, split=split or None)
    except (OSError, ValueError, RuntimeError) as error:
        msg = f"{source}: cannot be loaded: {error}"
        raise TaskFormatError(msg) from error
    if isinstance(found, dict):
        found = found[next((s for s in SPLITS if s in found), next(iter(found)))]
    return [(f"{source}, row {i}", dict(row)) for i, row in enumerate(found, 1)]


def _objects(path: Path, entries: Any) -> list[Row]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        msg = f"{path}: a list of objects is expected, by itself or as `data` or `examples`"
        raise TaskFormatError(msg)
    return entries


def _bigbench_rows(path: Path, task: Row) -> list[Located]:
    """Examples with the task's instructions around them; labels such as "Passage:" and "Answer:" are left out."""
    instructions, before, after = (
        str(task.get(key) or "") for key in ("task_prefix", "example_input_prefix", "example_output_prefix")
    )
    before, after = _ONE_WORD_LABEL.sub("", before).strip(), _LAST_LABEL.sub("", after)
    rows = []
    for i, example in enumerate(_objects(path, task["examples"]), 1):
        asked = f"{str(example.get('input') or '').strip()}{after if after[:1].isspace() else f' {after}'}"
        lines = [part for part in (instructions.strip(), before, asked.strip()) if part]
        rows.append((f"{path}, example {i}", {**example, "input": "\n".join(lines)}))
    return rows


def _is_mmlu(path: Path) -> bool:
    """Whether a table has no header, but a question, its four options and a letter in its first row."""
    return next((len(cells) == 6 and cells[-1] in OPTIONS for _, cells in csv_rows(path)), False)


def _mmlu_rows(path: Path) -> list[Located]:
    if rows := [_mmlu_row(path, line, cells) for line, cells in csv_rows(path)]:
        return rows
    msg = f"{path}: holds no questions"
    raise TaskFormatError(msg)


def _mmlu_row(path: Path, line: int, cells: list[str]) -> Located:
    if not (len(cells) == 6 and cells[-1] in OPTIONS):
        msg = f"{path}, line {line}: MMLU's question, 4 options and A, B, C or D are expected, found {cells}"
        raise TaskFormatError(msg)
    question, *choices, letter = cells
    row = {"question": question, "choices": choices, "answer": OPTIONS.index(letter)}
    return f"{path}, line {line}", row | {"subject": _SPLIT_ENDING.sub("", path.stem)}


def _name(path: Path) -> str:
    """A name for people: the file's without split and version, or the folder's if nothing is left."""
    for text in (path.stem, *(parent.name for parent in path.absolute().parents)):
        words = re.split(r"([-_. ])", text)
        while words and (_NOT_A_NAME.fullmatch(words[-1]) or words[-1] in "-_. "):
            words.pop()
        while words and (_NOT_A_NAME.fullmatch(words[0]) or words[0] in "-_. "):
            words.pop(0)
        if words:
            return "".join(words)
    return path.stem
