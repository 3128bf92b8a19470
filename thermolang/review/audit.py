"""The hash chain over all events of a store: writing it, verifying it, and deleting texts so that it still verifies.

Each event is one line of the chain. A line has a public part, which stays, and a private one, the texts, of which it
holds a salted digest. The head after a line is the hash of the head before it and of the line, so whoever changes,
removes or inserts a line changes all heads after it. A purge deletes texts and salt: the digest stays, and without the
salt nobody can find out by guessing what it is of.

Whoever holds the database can compute everything anew. Against that, and against lines cut off the end, helps only a
head that is kept elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session, lazyload

from thermolang.errors import InvalidInputError
from thermolang.review import statements
from thermolang.review.records import event_row
from thermolang.review.schema import STATUS_AFTER, ChainRow, DraftRow, EventRow, ItemRow, VerdictRow

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore

START = "0" * 64
"""The head of an empty chain."""

PRIVATE = ("corrected_answer", "note")
"""Keys of an event's detail that hold texts of people."""

PURGED = "[purged]"
"""Stands for a correction that was purged: the table demands one."""

MOST_PROBLEMS = 20

_KEPT = (
    *("value", "raw", "temperature", "bias", "interval", "source", "task", "task_version", "supported", "novelty"),
    *("reason_code", "calibrator", "seconds", "basis"),
)
"""What stays of a confidence."""

_FACTS = (
    *("task", "model", "confidence", "reason_code", "decision_action", "decision_threshold", "decision_code"),
    *("decision_mode", "calibrator", "task_version", "policy", "audit", "audit_rate"),
)
"""Columns of an item that stay."""

_TEXTS = ("question", "context", "answer", "confidence_record", "reason", "reason_ja", "decision_fields", "draw")
"""Columns of an item that a purge deletes, or cuts."""


class Head(NamedTuple):
    """The end of a chain at some time: whoever keeps it can tell later that nothing before it was changed.

    Attributes:
        length: Number of lines.
        hash: 64 hexadecimal digits.
    """

    length: int
    hash: str

    def __str__(self) -> str:
        return f"{self.length}:{self.hash}"

    @classmethod
    def parse(cls, written: str) -> Head:
        """Read what ``str`` wrote.

        Raises:
            InvalidInputError: It is something else.
        """
        length, _, found = written.strip().partition(":")
        if not (length.isdecimal() and len(found) == len(START) and set(found) <= set("0123456789abcdef")):
            msg = "a head is the number of lines, a colon and 64 hexadecimal digits, as `audit head` prints it"
            raise InvalidInputError(f"{msg}; not {written!r}")
        return cls(int(length), found)


@dataclass(frozen=True)
class Problem:
    """Something in a store that is not as it was written.

    Attributes:
        position: Line of the chain; None for what is not in it.
        item_id: The item; empty if it is about the chain as a whole.
        what: What is wrong, as a sentence.
    """

    position: int | None
    item_id: str
    what: str


@dataclass(frozen=True)
class Verification:
    """What a look at the whole chain found.

    Attributes:
        head: Its end.
        purged: Items whose texts were deleted.
        before: Events from before there was a chain, about which nothing can be said.
        problems: What is wrong, at most 20; empty if all is as it was written.
    """

    head: Head
    purged: int
    before: int
    problems: tuple[Problem, ...]


def seal(session: Session, events: Iterable[EventRow]) -> None:
    """Append the events of a transaction to the chain; other writers wait from here until the commit."""
    fresh = list(events)
    if not fresh:
        return
    chain = statements.end_of_chain(session)
    length, head = chain.length, chain.head
    for row in fresh:
        item = session.get(ItemRow, row.item_id) if row.what == "submitted" else None
        row.salt = secrets.token_hex(16)
        row.private = _digest(row.salt, _private(row, item))
        row.position = length = length + 1
        row.head = head = _next_head(head, row, item)
    statements.write_events(session, chain.id, fresh, length, head)


def head(store: ReviewStore) -> Head:
    """The end of the chain now; keep it where nobody who can write to the database can."""
    with store._transaction() as session:
        return _head(session)


def verify(store: ReviewStore, kept: Head | None = None) -> Verification:
    """Compute the whole chain anew and compare it, and the items and verdicts, with what is stored.

    Args:
        store: The store.
        kept: A head from earlier, kept elsewhere: the chain must have passed through it.
    """
    with store._transaction() as session:
        return _Verifier(session, kept).verification()


def purge(
    store: ReviewStore, *, older_than: timedelta, now: datetime, actor: str = "thermolang purge"
) -> tuple[int, int]:
    """Delete the texts of old items: question, context, answer, reasons, corrections, notes and drafts.

    What stays: ids, times, tasks, numbers of the confidence, decisions, versions, and who decided what. Items that wait
    for a verdict are left alone.

    Args:
        store: The store.
        older_than: Age from which an item is purged, since it was submitted.
        now: The time now, aware.
        actor: Who purges, for the audit trail.

    Returns:
        How many items were purged, and how many of that age still wait for a verdict.

    Raises:
        InvalidInputError: The age is negative.
    """
    if older_than < timedelta(0):
        msg = f"an age is not negative, got {older_than}"
        raise InvalidInputError(msg)
    old = [ItemRow.purged_at.is_(None), ItemRow.created_at < now - older_than]
    purged = 0
    # In parts, so that the desk's writers need not wait for all of them.
    while part := _purge_some(store, [*old, ItemRow.status != "pending"], now, actor):
        purged += part
    with store._transaction() as session:
        waiting = session.scalar(select(func.count()).select_from(ItemRow).where(*old, ItemRow.status == "pending"))
    if purged:
        _forget_pages(store)
    return purged, waiting or 0


def _purge_some(store: ReviewStore, where: Sequence[Any], now: datetime, actor: str) -> int:
    with store._transaction() as session:
        items = session.scalars(select(ItemRow).where(*where).limit(500)).all()
        for item in items:
            _empty(session, item, now)
            session.add(event_row(item.id, actor=actor, what="purged", detail={}))
        return len(items)


def _empty(session: Session, item: ItemRow, now: datetime) -> None:
    """Delete the texts of one item."""
    item.question = item.context = item.answer = item.reason = item.reason_ja = ""
    record = item.confidence_record
    item.confidence_record = {key: record[key] for key in _KEPT if key in record}
    item.decision_fields, item.draw, item.purged_at = [], None, now
    if item.verdict is not None:
        item.verdict.note = ""
        if item.verdict.corrected_answer is not None:
            item.verdict.corrected_answer = PURGED
    for row in session.scalars(select(EventRow).where(EventRow.item_id == item.id)):
        row.detail = {key: value for key, value in row.detail.items() if key not in PRIVATE}
        row.salt = ""
    session.execute(delete(DraftRow).where(DraftRow.item_id == item.id))
    if session.get_bind().dialect.name == "sqlite" and _has_text_index(session):
        session.execute(text("DELETE FROM items_text WHERE item_id = :id"), {"id": item.id})


def _has_text_index(session: Session) -> bool:
    return session.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'items_text'")).first() is not None


def _forget_pages(store: ReviewStore) -> None:
    """Let SQLite overwrite what was deleted; a server's own vacuum does that by and by."""
    if store._engine.dialect.name != "sqlite":
        return
    with store._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'items_text'").first():
            connection.exec_driver_sql("INSERT INTO items_text(items_text) VALUES ('optimize')")
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


class _Verifier:
    """One walk along the chain."""

    def __init__(self, session: Session, kept: Head | None) -> None:
        self._session, self._kept = session, kept
        self._chain = session.scalars(select(ChainRow)).one()
        self._purged = set(session.scalars(select(ItemRow.id).where(ItemRow.purged_at.is_not(None))))
        self._problems: list[Problem] = []
        self._end, self._unsalted = Head(0, START), list[tuple[int, str]]()
        self._passed = kept == self._end
        self._purges: set[str] = set()
        self._verdicts: set[tuple[str, str, str, str, str]] = set()

    def verification(self) -> Verification:
        self._walk()
        self._outside()
        self._compare_verdicts()
        found = Head(self._chain.length, self._chain.head)
        before = self._count(EventRow.position.is_(None), EventRow.id <= self._chain.begun_after)
        return Verification(found, len(self._purged), before, tuple(self._problems[:MOST_PROBLEMS]))

    def _walk(self) -> None:
        query = select(EventRow, ItemRow).outerjoin(ItemRow, ItemRow.id == EventRow.item_id)
        query = query.where(EventRow.position.is_not(None)).order_by(EventRow.position)
        rows = self._session.execute(query.options(lazyload(ItemRow.verdict)).execution_options(yield_per=500))
        # Closed at the first line that is wrong, too: after it nothing can be said.
        with closing(rows):
            for row, item in rows:
                if not self._follows(row, item if row.what == "submitted" else None):
                    return
        if self._end != (self._chain.length, self._chain.head):
            said = f"the chain ends at line {self._end.length}, but {self._chain.length} were written"
            self._say(None, "", said)
        if self._kept and not self._passed:
            self._say(self._kept.length, "", "the chain does not pass through the head that was kept")
        for position, item_id in self._unsalted:
            if item_id not in self._purges:
                self._say(position, item_id, "its texts are gone, but no purge deleted them")

    def _follows(self, row: EventRow, item: ItemRow | None) -> bool:
        """Whether a line is the next one of the chain."""
        length = self._end.length + 1
        if row.position != length:
            self._say(length, "", f"lines are missing: after line {length - 1} comes {row.position}")
            return False
        self._end = Head(length, _next_head(self._end.hash, row, item))
        if self._end.hash != row.head:
            self._say(length, row.item_id, "the line, or the item that it submitted, is not as it was written")
            return False
        if not row.salt:
            self._unsalted.append((length, row.item_id))
        elif row.private != _digest(row.salt, _private(row, item)):
            self._say(length, row.item_id, "its texts are not those that were written")
        self._passed = self._passed or self._kept == self._end
        self._note(row)
        return True

    def _note(self, row: EventRow) -> None:
        if row.what == "purged":
            self._purges.add(row.item_id)
        texts = (row.detail.get("corrected_answer") or "", row.detail.get("note") or "")
        self._verdicts.add((row.item_id, row.actor, row.what, *texts))

    def _outside(self) -> None:
        """What stands beside the chain although it was written after it began."""
        late = self._count(EventRow.position.is_(None), EventRow.id > self._chain.begun_after)
        if late:
            self._say(None, "", f"{late} events were added without the chain")
        told = select(EventRow.id).where(EventRow.item_id == ItemRow.id, EventRow.what == "submitted")
        for item_id in self._session.scalars(select(ItemRow.id).where(~told.exists()).limit(MOST_PROBLEMS)):
            self._say(None, item_id, "no event tells of this item")

    def _compare_verdicts(self) -> None:
        """Each verdict of an item in the chain must be one that an event tells of."""
        chained = select(EventRow.item_id).where(EventRow.what == "submitted", EventRow.position.is_not(None))
        for verdict in self._session.scalars(select(VerdictRow).where(VerdictRow.item_id.in_(chained))):
            gone = verdict.item_id in self._purged
            texts = ("", "") if gone else (verdict.corrected_answer or "", verdict.note)
            if (verdict.item_id, verdict.operator, STATUS_AFTER[verdict.action], *texts) not in self._verdicts:
                self._say(None, verdict.item_id, f"no event tells of the verdict by {verdict.operator}")

    def _count(self, *where: Any) -> int:
        return self._session.scalar(select(func.count()).select_from(EventRow).where(*where)) or 0

    def _say(self, position: int | None, item_id: str, what: str) -> None:
        self._problems.append(Problem(position, item_id, what))


def _head(session: Session) -> Head:
    chain = session.scalars(select(ChainRow)).one()
    return Head(chain.length, chain.head)


def _next_head(before: str, row: EventRow, item: ItemRow | None) -> str:
    """The head after a line: a hash of the one before, the line's public part and the digest of its private one."""
    detail = {key: value for key, value in row.detail.items() if key not in PRIVATE}
    facts = {name: getattr(item, name) for name in _FACTS} | {"at": _time(item.created_at)} if item else {}
    line = [before, row.item_id, _time(row.at), row.actor, row.what, detail, facts, row.private]
    return hashlib.sha256(_written(line)).hexdigest()


def _private(row: EventRow, item: ItemRow | None) -> dict[str, Any]:
    """What a purge deletes of a line, and of the item that it submitted."""
    found = {key: row.detail[key] for key in PRIVATE if key in row.detail}
    return found | ({name: getattr(item, name) for name in _TEXTS} if item else {})


def _digest(salt: str, private: dict[str, Any]) -> str:
    return hmac.new(salt.encode(), _written(private), hashlib.sha256).hexdigest()


def _written(record: Any) -> bytes:
    """JSON that is the same for the same record, on every database."""
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
