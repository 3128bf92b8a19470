"""Finds items for a list: filters, text, order and pages, with limits that hold for 100,000 items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Select, Text, column, func, literal_column, select, table
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import InstrumentedAttribute, Session

from thermolang.review.checks import check, check_lengths, clean_text
from thermolang.review.schema import BAND_LIMITS, STATUSES, ItemRow, LeaseRow, Status, VerdictRow
from thermolang.review.settings import Settings

Band = Literal["very_low", "low", "medium", "high", "unknown"]
Order = Literal["confidence", "oldest", "newest"]
BANDS: tuple[Band, ...] = get_args(Band)
ORDERS: tuple[Order, ...] = get_args(Order)

MAX_LIMIT = 200
MAX_OFFSET = 1_000_000
# Counting goes on up to here; who has more hits needs a narrower filter, not an exact number.
MAX_COUNT = 1_000
# Characters of question and answer in a list.
EXCERPT = 300
# Up to so many hits the index of the text leads the way; with more of them the queue's own order is quicker.
_FEW_HITS = 2_000
# The indexes of text are of three letters in a row. SQLite can list the groups that begin with fewer; PostgreSQL has
# another index for those.
_GROUP = 3
_LAST_LETTER = "\U0010ffff"
# As the migrations index it.
_BODIES = {
    "sqlite": literal_column("substr(items.question || char(10) || items.answer, 1, 20000)", Text),
    "postgresql": literal_column("substr(items.question || chr(10) || items.answer, 1, 20000)", Text),
}
_ORDER = {
    "confidence": (ItemRow.place, ItemRow.created_at, ItemRow.id),
    "oldest": (ItemRow.created_at, ItemRow.id),
    "newest": (ItemRow.created_at.desc(), ItemRow.id.desc()),
}
_TEXT_INDEX = table("items_text", column("item_id"), column("body"), column("rowid"))
_TERMS = table("items_text_terms", column("term"), column("doc"))


@dataclass(frozen=True)
class Filter:
    """Which items; what is left at its default does not restrict.

    Attributes:
        text: Is part of the question or the answer, in any case; up to 500 characters.
        task: Name of the task.
        status: ``"pending"`` by default; None for all.
        band: Of the confidence: ``"very_low"`` (below 0.25), ``"low"`` (below 0.5), ``"medium"`` (below 0.75),
            ``"high"``, or ``"unknown"`` (there is none).
        reason_code: Why the item waits; see ``ReviewItem.reason_code``.
        operator: Who decided it.
        flagged: Only items that wait for a lead.
    """

    text: str = ""
    task: str | None = None
    status: Status | None = "pending"
    band: Band | None = None
    reason_code: str | None = None
    operator: str | None = None
    flagged: bool = False


@dataclass(frozen=True)
class Row:
    """One item in a list.

    Attributes:
        id: The item's id.
        version: The item's version.
        created_at: When it was submitted, in UTC.
        task: Name of the task.
        question: The beginning of the question.
        answer: The beginning of the answer.
        confidence: In [0, 1]; None if there is none, or if it is hidden until the verdict.
        threshold: The confidence from which answers are accepted; None if it is hidden.
        reason_code: Why it waits; empty if it is hidden.
        status: What became of it.
        flagged: Whether it waits for a lead.
        operator: Who decided it, or who works on it now; empty if nobody.
        blind: Whether the confidence and all that tells of it are hidden until the verdict.
    """

    id: str
    version: int
    created_at: datetime
    task: str
    question: str
    answer: str
    confidence: float | None
    threshold: float | None
    reason_code: str
    status: Status
    flagged: bool
    operator: str
    blind: bool = False


@dataclass(frozen=True)
class Page:
    """A part of a list.

    Attributes:
        rows: The items.
        total: How many items the filter finds; counted up to 1,000.
        more: Whether there are more than ``total``.
    """

    rows: tuple[Row, ...]
    total: int
    more: bool


def check_filter(chosen: Filter) -> None:
    """Refuse a filter that names what does not exist."""
    status, band = chosen.status, chosen.band
    check(status is None or status in STATUSES, f"unknown status {status!r}; one of {', '.join(STATUSES)}")
    check(band is None or band in BANDS, f"unknown band {band!r}; one of {', '.join(BANDS)}")
    check_lengths(search=chosen.text, task=chosen.task or "", operator=chosen.operator or "")


def restrict(
    session: Session, chosen: Filter, *, queue_band: int | None = None, few: bool = False
) -> list[ColumnElement[bool]]:
    """A filter as conditions on ``ItemRow``.

    Args:
        session: Of the database.
        chosen: The filter.
        queue_band: Also only items of this band of the queue.
        few: Whether other conditions name few items already, so that no index of this one helps.
    """
    text, few_hits = _text_condition(session, chosen.text)
    few = few_hits or (few and session.get_bind().dialect.name == "sqlite")

    def equal(column: InstrumentedAttribute[Any], value: Any) -> ColumnElement[bool]:
        # SQLite takes every index for a narrow one. Where few ids are known already, a plus keeps it from the others.
        free: ColumnElement[Any] = literal_column(f"+items.{column.key}", column.type)
        alike: ColumnElement[bool] = free == value if few else column == value
        return alike

    found = list(text)
    for where, value in (
        (ItemRow.status, chosen.status),
        (ItemRow.task, chosen.task),
        (ItemRow.reason_code, chosen.reason_code),
        (ItemRow.band, queue_band),
        (ItemRow.flagged, chosen.flagged or None),
    ):
        if value is not None:
            found.append(equal(where, value))
    if chosen.operator is not None:
        decided = select(VerdictRow.item_id).where(VerdictRow.operator == chosen.operator)
        found.append(ItemRow.id.in_(decided))
    return found + _in_band(chosen.band)


def _in_band(band: Band | None) -> list[ColumnElement[bool]]:
    if band is None:
        return []
    if band == "unknown":
        return [ItemRow.confidence.is_(None)]
    # Of the place, by which lists are ordered, so that the same index does both.
    index = BANDS.index(band)
    low = BAND_LIMITS[index - 1] if index else 0.0
    limits = [ItemRow.place >= low, ItemRow.confidence.is_not(None)]
    return limits if index == len(BAND_LIMITS) - 1 else [*limits, ItemRow.place < BAND_LIMITS[index]]


def without_hidden(settings: Settings, chosen: Filter) -> list[ColumnElement[bool]]:
    """Where a filter asks for what is hidden until the verdict, it must not find such items."""
    asks = chosen.band is not None or chosen.reason_code is not None
    return [~settings.hides()] if asks and settings.may_hide(chosen.task) else []


def find(
    session: Session,
    chosen: Filter,
    order: Order,
    limit: int,
    offset: int,
    *,
    at: datetime,
    settings: Settings,
    seen: Sequence[ColumnElement[bool]] = (),
) -> Page:
    """A page of the items that a filter finds.

    Args:
        session: Of the database.
        chosen: The filter.
        order: The order of the list; where confidences may be hidden, "confidence" is by age: an order tells, too.
        limit: At most so many rows, up to 200.
        offset: Skip so many.
        at: The time now: leases that ended before are over.
        settings: Say what is hidden.
        seen: Further conditions on what the reader may see.

    Raises:
        StoreError: The filter, the order or a number is unknown.
    """
    check_filter(chosen)
    check(order in ORDERS, f"unknown order {order!r}; one of {', '.join(ORDERS)}")
    check(0 < limit <= MAX_LIMIT, f"a page has 1 to {MAX_LIMIT} rows, got {limit}")
    check(0 <= offset <= MAX_OFFSET, f"a page starts at 0 to {MAX_OFFSET:,}, got {offset}")
    where = [*restrict(session, chosen), *without_hidden(settings, chosen), *seen]
    if order == "confidence" and chosen.status in (None, "pending") and settings.may_hide(chosen.task):
        order = "oldest"
    capped = select(literal_column("1")).select_from(ItemRow).where(*where).limit(MAX_COUNT + 1).subquery()
    total = session.scalar(select(func.count()).select_from(capped)) or 0
    # First which items: of those that are skipped PostgreSQL would look up verdict and lease as well.
    page = select(ItemRow.id).where(*where).order_by(*_ORDER[order]).limit(limit).offset(offset).correlate(None)
    rows = session.execute(_listed(page, at).order_by(*_ORDER[order])).all() if total else []
    return Page(tuple(_masked(Row(*row), settings) for row in rows), min(total, MAX_COUNT), total > MAX_COUNT)


def _masked(row: Row, settings: Settings) -> Row:
    """A row as it may be seen; by chance hidden ones are all hidden in lists."""
    if row.status != "pending" or settings.of(row.task).mode == "shown":
        return row
    return replace(row, confidence=None, threshold=None, reason_code="", blind=True)


def tasks(session: Session) -> list[str]:
    """Names of all tasks; each is found by one step in the index, however many items it has."""
    names: list[str] = []
    while (name := session.scalar(_first_task(names[-1] if names else None))) is not None:
        names.append(name)
    return names


def _text_condition(session: Session, text: str) -> tuple[list[ColumnElement[bool]], bool]:
    """The condition that a text occurs, and whether it names few items; no condition for an empty text."""
    text = clean_text(text.strip())
    dialect = session.get_bind().dialect.name
    if not text:
        return [], False
    hits = _indexed(session, text)
    if hits is not None:
        few = select(func.count()).select_from(hits.limit(_FEW_HITS).subquery())
        if (session.scalar(few) or 0) < _FEW_HITS:
            if dialect == "sqlite":
                hits = select(_TEXT_INDEX.c.item_id).where(_TEXT_INDEX.c.rowid.in_(hits))
            return [ItemRow.id.in_(hits)], dialect == "sqlite"
    pattern = "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
    body = _BODIES[dialect]
    # SQLite's LIKE ignores case by itself; its ``lower`` would cost a copy of each text.
    like = body.like(pattern, escape="!") if dialect == "sqlite" else body.ilike(pattern, escape="!")
    return [like], False


def _indexed(session: Session, text: str) -> Select[Any] | None:
    """Which texts hold this one, as the database's index numbers them; None if it has none for so many letters."""
    if session.get_bind().dialect.name == "sqlite":
        if not _has_text_index(session):
            return None
        return _phrase(text) if len(text) >= _GROUP else _beginnings(text)
    # PostgreSQL finds by itself when its index of three letters helps.
    return _letters(text) if len(text) < _GROUP and _has_letters_index(session) else None


def _phrase(text: str) -> Select[Any]:
    """Numbers of the texts that hold a text of three letters or more."""
    # In FTS5 a string between quotes is taken as it is.
    phrase = '"' + text.replace('"', '""') + '"'
    return select(_TEXT_INDEX.c.rowid).where(_TEXT_INDEX.c.body.op("MATCH")(phrase))


def _beginnings(text: str) -> Select[Any]:
    """Numbers of the texts that hold one or two letters: each letter of a text begins a group of three."""
    # As the index folds them: each by itself.
    folded = "".join(letter.lower() for letter in text)
    return select(_TERMS.c.doc).distinct().where(_TERMS.c.term >= folded, _TERMS.c.term < folded + _LAST_LETTER)


def _letters(text: str) -> Select[Any]:
    """Ids of the items that hold one or two letters, in PostgreSQL."""
    held: Any = func.thermolang_letters(_BODIES["postgresql"])
    # ``correlate``: its own look at the items, wherever it stands.
    return select(ItemRow.id).where(held.op("@>")(array([func.lower(text)]))).correlate(None)


def _has_letters_index(session: Session) -> bool:
    query = "SELECT to_regclass('items_letters') IS NOT NULL"
    return bool(session.connection().exec_driver_sql(query).scalar())


def _has_text_index(session: Session) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE name = 'items_text'"
    return session.connection().exec_driver_sql(query).first() is not None


def _first_task(after: str | None) -> Select[Any]:
    query = select(ItemRow.task).order_by(ItemRow.task).limit(1)
    return query if after is None else query.where(ItemRow.task > after)


def _listed(page: Select[Any], at: datetime) -> Select[Any]:
    """Columns of ``Row`` of some ids."""
    decided = select(VerdictRow.operator).where(VerdictRow.item_id == ItemRow.id).scalar_subquery()
    leased = select(LeaseRow.operator).where(LeaseRow.item_id == ItemRow.id, LeaseRow.until > at).scalar_subquery()
    return select(
        ItemRow.id,
        ItemRow.version,
        ItemRow.created_at,
        ItemRow.task,
        func.substr(ItemRow.question, 1, EXCERPT),
        func.substr(ItemRow.answer, 1, EXCERPT),
        ItemRow.confidence,
        ItemRow.decision_threshold,
        ItemRow.reason_code,
        ItemRow.status,
        ItemRow.flagged,
        func.coalesce(decided, leased, ""),
    ).where(ItemRow.id.in_(page))
