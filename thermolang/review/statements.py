"""The statements of taking and deciding, built once.

An operator waits for them, and to build one takes several times as long as to execute it. They are of SQLAlchemy's core
and go to ``session.connection()``: nothing that the session still holds is flushed before, and no object of the session
follows what they change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import BindParameter, Table, bindparam, case, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from thermolang.review.records import ReviewItem, Verdict, item_of
from thermolang.review.schema import (
    ChainRow,
    DraftRow,
    EventRow,
    ItemRow,
    LeaseRow,
    RepeatKind,
    RepeatRow,
    SessionRow,
    ShowingRow,
    Status,
    TaskSettingRow,
    UserRow,
    VerdictRow,
)

_ITEM, _VERDICT, _LEASE, _DRAFT, _SHOWING, _REPEAT, _CHAIN, _EVENT, _USER, _LOGIN = (
    cast("Table", row.__table__)
    for row in (
        *(ItemRow, VerdictRow, LeaseRow, DraftRow, ShowingRow),
        *(RepeatRow, ChainRow, EventRow, UserRow, SessionRow),
    )
)
# Parameters must not be named as columns that are changed.
_item: BindParameter[str] = bindparam("the_item")
_who: BindParameter[str] = bindparam("who")
_now = bindparam("now", type_=_LEASE.c.until.type)


class Seen(NamedTuple):
    """An item, and what an operator and others have to do with it.

    Attributes:
        item: The item.
        operator: Who has it; None if nobody.
        until: When that ends.
        draft: What the operator has typed about it.
        with_number: Whether it was shown to the operator with its confidence; None if it was not shown.
        shown: When it was shown last.
        repeat: Whether it is a copy; None if it is none.
    """

    item: ReviewItem
    operator: str | None
    until: datetime | None
    draft: dict[str, Any] | None
    with_number: bool | None
    shown: datetime | None
    repeat: RepeatKind | None


_LOOK = (
    select(
        *_ITEM.c,
        *(column.label(f"verdict_{column.key}") for column in _VERDICT.c),
        _LEASE.c.operator.label("lease_operator"),
        _LEASE.c.until.label("lease_until"),
        _DRAFT.c.content.label("draft"),
        _SHOWING.c.with_number.label("with_number"),
        _SHOWING.c.at.label("shown_at"),
        _REPEAT.c.kind.label("repeat_kind"),
    )
    .select_from(
        _ITEM.outerjoin(_VERDICT, _VERDICT.c.item_id == _ITEM.c.id)
        .outerjoin(_LEASE, (_LEASE.c.item_id == _ITEM.c.id) & (_LEASE.c.until > _now))
        .outerjoin(_DRAFT, (_DRAFT.c.item_id == _ITEM.c.id) & (_DRAFT.c.operator == _who))
        .outerjoin(_SHOWING, (_SHOWING.c.item_id == _ITEM.c.id) & (_SHOWING.c.operator == _who))
        .outerjoin(_REPEAT, _REPEAT.c.item_id == _ITEM.c.id)
    )
    .where(_ITEM.c.id == _item)
)
_CLAIMED = {"status": bindparam("becomes"), "version": _ITEM.c.version + 1, "flagged": False}
_CLAIM = update(_ITEM).where(_ITEM.c.id == _item, _ITEM.c.status == "pending").values(_CLAIMED)
_CLAIM_VERSION = _CLAIM.where(_ITEM.c.version == bindparam("was"))
_WRITE_VERDICT = insert(_VERDICT)
_FREE = delete(_LEASE).where(_LEASE.c.item_id == _item)
_FORGET_DRAFT = delete(_DRAFT).where(_DRAFT.c.item_id == _item, _DRAFT.c.operator == _who)
_TOOK = update(_SHOWING).where(_SHOWING.c.item_id == _item, _SHOWING.c.operator == _who)
_TOOK = _TOOK.values(seconds=bindparam("took"))
_SETTINGS = select(TaskSettingRow.__table__)
_END_OF_CHAIN = select(_CHAIN).with_for_update()
_MOVE_END = (
    update(_CHAIN).where(_CHAIN.c.id == bindparam("which")).values(length=bindparam("long"), head=bindparam("at"))
)
_WRITE_EVENTS = insert(_EVENT)
_USER_OF = (
    select(_USER.c.name, _USER.c.role)
    .select_from(_USER.join(_LOGIN, _LOGIN.c.user_name == _USER.c.name))
    .where(_LOGIN.c.token_hash == bindparam("hash"), _LOGIN.c.expires_at > _now)
)


def _upserts(table: Any, changes: Any, where: Any = None) -> dict[str, Any]:
    """Insert a row, or change the one with its key; for each database.

    Args:
        table: The table.
        changes: From the row that could not be inserted to what is changed.
        where: From the same to a condition without which nothing is changed.
    """
    found = {}
    for dialect in (sqlite, postgresql):
        statement = dialect.insert(table)
        conflict = {"set_": changes(statement.excluded), "where": where(statement.excluded) if where else None}
        statement = statement.on_conflict_do_update(index_elements=list(table.primary_key), **conflict)
        # Not told for inserts, unless one asks for it.
        found[dialect.dialect.name] = statement.execution_options(preserve_rowcount=True)
    return found


_TAKE = _upserts(
    _LEASE,
    # What a lead has given to somebody stays so for its own time.
    lambda new: {
        "operator": new.operator,
        "until": case((_LEASE.c.until > new.until, _LEASE.c.until), else_=new.until),
    },
    lambda new: (_LEASE.c.until <= _now) | (_LEASE.c.operator == new.operator),
)
_SHOW = _upserts(_SHOWING, lambda new: {"at": new.at})


def look(session: Session, item_id: str, operator: str, at: datetime) -> Seen:
    """An item that is there, whoever has it."""
    row: Any = session.connection().execute(_LOOK, {"the_item": item_id, "who": operator, "now": at}).one()
    lease = (row.lease_operator, row.lease_until)
    return Seen(item_of(row, _verdict(row)), *lease, row.draft, row.with_number, row.shown_at, row.repeat_kind)


def _verdict(row: Any) -> Verdict | None:
    if row.verdict_action is None:
        return None
    texts = (row.verdict_corrected_answer, row.verdict_note, row.verdict_reason_code)
    return Verdict(row.verdict_action, row.verdict_operator, row.verdict_created_at, *texts)


def claim(session: Session, item_id: str, status: Status, version: int | None) -> bool:
    """Move a pending item to its new status in one statement, so that two callers cannot both do it.

    Returns:
        Whether it was pending, and of this version if one is given.
    """
    given = {"the_item": item_id, "becomes": status}
    statement, more = (_CLAIM, {}) if version is None else (_CLAIM_VERSION, {"was": version})
    return session.connection().execute(statement, given | more).rowcount == 1


def write_verdict(session: Session, item_id: str, verdict: Verdict) -> None:
    """Write a verdict."""
    values = {name: getattr(verdict, name) for name in ("action", "operator", "created_at", "corrected_answer")}
    more = {"item_id": item_id, "note": verdict.note, "reason_code": verdict.reason_code}
    session.connection().execute(_WRITE_VERDICT, values | more)


def take(session: Session, item_id: str, operator: str, at: datetime, until: datetime) -> bool:
    """Lease an item, or renew the lease; False if it is somebody else's."""
    statement = _TAKE[session.get_bind().dialect.name]
    values = {"item_id": item_id, "operator": operator, "until": until, "now": at}
    return session.connection().execute(statement, values).rowcount == 1


def show(session: Session, item_id: str, operator: str, at: datetime, *, with_number: bool) -> None:
    """Note that an item is shown; whether with its number stays as it was the first time."""
    values = {"item_id": item_id, "operator": operator, "with_number": with_number, "at": at}
    session.connection().execute(_SHOW[session.get_bind().dialect.name], values)


def free(session: Session, item_id: str) -> None:
    """Nobody has an item any more."""
    session.connection().execute(_FREE, {"the_item": item_id})


def forget_draft(session: Session, item_id: str, operator: str) -> None:
    """What an operator has typed about an item is done with."""
    session.connection().execute(_FORGET_DRAFT, {"the_item": item_id, "who": operator})


def took(session: Session, item_id: str, operator: str, seconds: float) -> None:
    """Note how long an item was shown before it was decided."""
    session.connection().execute(_TOOK, {"the_item": item_id, "who": operator, "took": seconds})


def settings(session: Session) -> list[Any]:
    """The rows of all settings of tasks."""
    return list(session.connection().execute(_SETTINGS))


def end_of_chain(session: Session) -> Any:
    """The end of the chain of events; other writers wait from here until the commit."""
    return session.connection().execute(_END_OF_CHAIN).one()


def write_events(session: Session, chain_id: int, events: list[EventRow], length: int, head: str) -> None:
    """Write events that have their places in the chain, and its new end."""
    connection, names = session.connection(), [column.key for column in _EVENT.c if column.key != "id"]
    connection.execute(_MOVE_END, {"which": chain_id, "long": length, "at": head})
    connection.execute(_WRITE_EVENTS, [{name: getattr(row, name) for name in names} for row in events])


def user_of(session: Session, token_hash: str, at: datetime) -> Any:
    """Name and role of the user that a token belongs to; None if it is unknown or its session has ended."""
    return session.connection().execute(_USER_OF, {"hash": token_hash, "now": at}).first()
