"""Items with their verdicts into files, and answers from files into the queue."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import literal, select, tuple_

from thermolang.errors import InvalidInputError, StoreError, TaskFormatError, complaint, require
from thermolang.review.checks import LONGEST
from thermolang.review.records import item_from, item_id_of
from thermolang.review.schema import ItemRow, RepeatRow, UtcDateTime
from thermolang.review.store import ReviewStore
from thermolang.tasks.rows import file_rows
from thermolang.types import Confidence, Decision

# Rows that are read, or written to a file, at once.
PART = 500
SHOWN = 5
"""Bad lines that an error names."""

COLUMNS: dict[str, type] = {
    **dict.fromkeys(("id", "created_at", "task", "question", "context", "answer", "model"), str),
    **dict.fromkeys(("confidence", "raw", "temperature", "interval_low", "interval_high", "novelty"), float),
    "supported": bool,
    "source": str,
    "calibrator": str,
    "task_version": int,
    "reason_code": str,
    "reason": str,
    "action": str,
    "threshold": float,
    "status": str,
    "version": int,
    "flagged": bool,
    "purged": bool,
    **dict.fromkeys(("verdict", "corrected_answer", "reject_reason", "operator", "note", "decided_at"), str),
}
"""What is exported of an item, in this order."""

FOR_LEADS: dict[str, type] = {"audit": bool, "audit_rate": float}
"""What is exported beside it for leads: operators must not be able to tell an audited answer."""

_PLACE = tuple_(ItemRow.created_at, ItemRow.id)
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def harmless(value: Any) -> Any:
    """What a spreadsheet does not take for a formula: a text that begins like one gets an apostrophe before it.

    >>> harmless("=1+1"), harmless("1+1"), harmless(-1)
    ("'=1+1", '1+1', -1)
    """
    if not isinstance(value, str):
        return value
    starts = value.startswith(("\t", "\r", "\n")) or value.lstrip().startswith(_FORMULA)
    return f"'{value}" if starts else value


def records(store: ReviewStore, *, task: str | None = None, for_leads: bool = False) -> Iterator[dict[str, Any]]:
    """Items with their verdicts as flat records, oldest first; copies that test how people judge are left out.

    They are read in parts, so that any number of them needs little memory and no writer waits.

    Args:
        store: Where they are.
        task: Only items of this task.
        for_leads: Also whether an answer was drawn by the audit, which operators must not learn.

    Yields:
        The columns of ``COLUMNS`` by their names; times are in ISO format and UTC. Texts that were purged are empty.
    """
    query = select(ItemRow).order_by(ItemRow.created_at, ItemRow.id).limit(PART)
    query = query.where(ItemRow.id.not_in(select(RepeatRow.item_id)))
    if task is not None:
        query = query.where(ItemRow.task == task)
    last: tuple[datetime, str] | None = None
    while True:
        after = query if last is None else query.where(tuple_(literal(last[0], UtcDateTime), last[1]) < _PLACE)
        with store._transaction() as session:
            rows = session.scalars(after).all()
        yield from (_record(row, for_leads) for row in rows)
        if len(rows) < PART:
            return
        last = rows[-1].created_at, rows[-1].id


def _record(row: ItemRow, for_leads: bool) -> dict[str, Any]:
    item, purged = item_from(row), row.purged_at is not None
    scored, verdict = item.confidence, item.verdict
    low, high = scored.interval or (None, None)
    found: dict[str, Any] = {
        **{name: getattr(item, name) for name in ("id", "task", "question", "context", "answer", "model")},
        **{name: getattr(scored, name) for name in ("raw", "temperature", "novelty", "supported", "source")},
        **{name: getattr(item, name) for name in ("reason_code", "reason", "status", "version", "flagged")},
        "confidence": scored.value,
        "interval_low": low,
        "interval_high": high,
        "purged": purged,
        "calibrator": item.decision.calibrator,
        "task_version": item.decision.task_version,
        "created_at": item.created_at.isoformat(),
        "action": item.decision.action,
        "threshold": item.decision.threshold,
    }
    if verdict is not None:
        found |= {"verdict": verdict.action, "operator": verdict.operator, "note": verdict.note}
        found |= {"reject_reason": verdict.reason_code or None, "decided_at": verdict.created_at.isoformat()}
        # The table holds a mark in its place.
        found["corrected_answer"] = None if purged else verdict.corrected_answer
    if for_leads:
        found |= {"audit": row.audit, "audit_rate": row.audit_rate}
    return {name: found.get(name) for name in _columns(for_leads)}


def _columns(for_leads: bool) -> dict[str, type]:
    return COLUMNS | FOR_LEADS if for_leads else COLUMNS


def export_file(store: ReviewStore, target: Path, *, task: str | None = None, for_leads: bool = False) -> int:
    """Write items with their verdicts to a file; there is the whole file or none.

    In CSV, texts that a spreadsheet would take for formulas get an apostrophe before them.

    Args:
        store: Where the items are.
        target: Ends in ``.jsonl``, ``.csv`` or ``.parquet``; a file that is there already is replaced.
        task: Only items of this task.
        for_leads: As for ``records``.

    Returns:
        How many items were written.

    Raises:
        InvalidInputError: The file ends otherwise.
        MissingExtraError: Parquet without the extra ``files``.
        OSError: The file cannot be written.
    """
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        msg = f"{target}: an export ends in {', '.join(_WRITERS)}, not {target.suffix!r}"
        raise InvalidInputError(msg)
    with _whole(target) as part:
        return write(part, records(store, task=task, for_leads=for_leads), _columns(for_leads))


def export_dataset(store: ReviewStore, target: Path, *, task: str | None = None, for_leads: bool = False) -> int:
    """Write items with their verdicts as a Hugging Face dataset, which ``datasets.load_from_disk`` reads.

    Args:
        store: Where the items are.
        target: A folder that does not exist yet, or is empty.
        task: Only items of this task.
        for_leads: As for ``records``.

    Returns:
        How many items were written.

    Raises:
        InvalidInputError: The folder holds something.
        MissingExtraError: ``datasets`` is not installed.
        OSError: The folder cannot be written.
    """
    datasets = require("datasets", "eval")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        msg = f"{target} is there already: name a folder that does not exist, or is empty"
        raise InvalidInputError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that it only has to be renamed; by way of a file, so that not all is in memory.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        table = Path(folder) / "items.parquet"
        count = export_file(store, table, task=task, for_leads=for_leads)
        found = datasets.Dataset.from_parquet(str(table), cache_dir=str(Path(folder) / "cache"))
        found.save_to_disk(str(Path(folder) / "dataset"))
        if target.exists():
            target.rmdir()
        shutil.move(Path(folder) / "dataset", target)
    return count


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A file that takes the target's name if all went well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _write_jsonl(path: Path, rows: Iterable[dict[str, Any]], columns: dict[str, type]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for count, row in enumerate(rows, 1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    return count


def _write_csv(path: Path, rows: Iterable[dict[str, Any]], columns: dict[str, type]) -> int:
    count = 0
    # Spreadsheets take a file for UTF-8 if it begins with a mark.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for count, row in enumerate(rows, 1):  # noqa: B007
            writer.writerow(map(harmless, row.values()))
    return count


def _write_parquet(path: Path, rows: Iterable[dict[str, Any]], columns: dict[str, type]) -> int:
    arrow, parquet = require("pyarrow", "files"), require("pyarrow.parquet", "files")
    kinds = {str: arrow.string(), float: arrow.float64(), int: arrow.int64(), bool: arrow.bool_()}
    schema, count, left = arrow.schema([(name, kinds[kind]) for name, kind in columns.items()]), 0, iter(rows)
    with parquet.ParquetWriter(path, schema) as writer:
        while part := list(islice(left, PART)):
            writer.write_table(arrow.Table.from_pylist(part, schema=schema))
            count += len(part)
    return count


_Writer = Callable[[Path, Iterable[dict[str, Any]], dict[str, type]], int]
_WRITERS: dict[str, _Writer] = {".jsonl": _write_jsonl, ".csv": _write_csv, ".parquet": _write_parquet}


def _limited(name: str) -> Any:
    return Field("", max_length=LONGEST[name])


class _Line(BaseModel):
    """A line of a file of answers; other keys are ignored."""

    model_config = ConfigDict(strict=True)
    question: str = Field(max_length=LONGEST["question"])
    answer: str = Field(max_length=LONGEST["answer"])
    context: str = _limited("context")
    model: str = _limited("model")
    task: str = _limited("task")
    id: str = Field("", max_length=1000)
    confidence: float | dict[str, Any] | None = None
    decision: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _holds(self) -> _Line:
        if not (self.question.strip() or self.answer.strip()):
            raise ValueError("question and answer are empty")
        try:
            value, _ = self.scored().value, self.decided()
        except ValidationError as error:
            raise ValueError(f"confidence or decision: {complaint(error)}") from error
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"a confidence lies between 0 and 1, got {value}")
        return self

    def scored(self) -> Confidence:
        """The confidence, which may be written as a number alone."""
        if isinstance(self.confidence, dict):
            return Confidence.from_dict(self.confidence)
        return Confidence(self.confidence, task=self.task)

    def decided(self) -> Decision:
        """The decision; without one the answer was chosen by hand, whatever its confidence is."""
        if self.decision is None:
            return Decision("accept", "imported", 0.0, reason_ja="取り込まれました")
        return Decision.from_dict(self.decision)

    def texts(self) -> dict[str, str]:
        """As a store takes them."""
        task = self.task or self.scored().task
        return {**{name: getattr(self, name) for name in ("question", "answer", "context", "model")}, "task": task}

    def key(self) -> str:
        """What names the line, so that it is not added twice; without an id its texts do."""
        return self.id or json.dumps(list(self.texts().values()))


@dataclass(frozen=True)
class Imported:
    """What became of the lines of a file.

    Attributes:
        lines: How many there were.
        added: Items that are new in the queue.
        known: Lines that were there already.
        accepted: Lines whose decision accepts the answer: the audit drew some of them, which ``added`` does not count.
    """

    lines: int
    added: int
    known: int
    accepted: int


def import_items(store: ReviewStore, source: Path) -> Imported:
    """Put the answers of a file into the queue; run again, it adds nothing twice.

    All lines are checked before the first one is written. Each is then written by itself: what is interrupted goes on
    when it is run again. A line has ``question`` and ``answer``, and may have ``context``, ``model``, ``task``, ``id``,
    ``confidence`` (a number, null, or what ``Confidence.to_dict`` wrote) and ``decision`` (what ``Decision.to_dict``
    wrote), so that what ``thermolang score`` writes can be imported. An answer that its decision accepts is offered to
    the audit, all others wait in the queue.

    Args:
        store: Where to.
        source: JSON lines.

    Raises:
        TaskFormatError: Lines that cannot be read, by their numbers; nothing was written.
        StoreError: The database cannot be written.
    """
    lines = _checked(source)
    known = added = accepted = 0
    for line in _lines(source):
        decision, scored = line.decided(), line.scored()
        if line.decision is not None and decision.action == "accept":
            accepted += 1
            store.submit_accepted(**line.texts(), confidence=scored, decision=decision, key=line.id)
        elif _has(store, item_id_of(line.key())):
            known += 1
        else:
            added += 1
            store.submit(**line.texts(), confidence=scored, decision=decision, key=line.key())
    return Imported(lines, added, known, accepted)


def _has(store: ReviewStore, item_id: str) -> bool:
    with store._transaction() as session:
        return session.scalar(select(ItemRow.id).where(ItemRow.id == item_id)) is not None


def _checked(source: Path) -> int:
    """Count the lines, or say which of them cannot be read."""
    lines, bad, first = 0, 0, list[str]()
    for found in file_rows(source):
        lines += 1
        try:
            if found.problem:
                raise ValueError(found.problem)
            _Line.model_validate(found.row)
        except (ValueError, RecursionError) as error:
            bad += 1
            first += [f"{found.place}: {_said(error)}"] if bad <= SHOWN else []
    if bad:
        more = f"; and {bad - SHOWN} more" if bad > SHOWN else ""
        msg = f"{'; '.join(first)}{more}. Nothing was written: correct these lines, or take them out"
        raise TaskFormatError(msg)
    return lines


def _said(error: Exception) -> str:
    """What is wrong with a line, without what stands there: it may be long or private."""
    return complaint(error) if isinstance(error, ValidationError) else str(error)


def _lines(source: Path) -> Iterator[_Line]:
    return (_Line.model_validate(found.row) for found in file_rows(source))


def backup(store: ReviewStore, target: Path) -> None:
    """Copy an SQLite database into a new file, as it is at one moment; nobody who writes to it waits for long.

    Args:
        store: The store; what others commit while it is copied may be in the copy or not, but never by half.
        target: The copy. It is a whole database, with users, tokens and the audit trail.

    Raises:
        InvalidInputError: The target exists, or the store is none of SQLite.
        StoreError: The copy cannot be written, or the database not be read.
        OSError: The file cannot be made.
    """
    if store._engine.dialect.name != "sqlite":
        msg = "only SQLite is copied like this: for PostgreSQL, use pg_dump"
        raise InvalidInputError(msg)
    if target.exists():
        msg = f"{target} is there already: name a file that does not exist"
        raise InvalidInputError(msg)
    with _whole(target) as part, store._engine.connect() as connection:
        # Answers are private: only its owner may read the copy.
        part.touch(mode=0o600)
        source: Any = connection.connection.driver_connection
        try:
            with closing(sqlite3.connect(part)) as copy:
                source.backup(copy)
        except sqlite3.Error as error:
            msg = f"the copy {target} could not be written: {error}"
            raise StoreError(msg) from error
