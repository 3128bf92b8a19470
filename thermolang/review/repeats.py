"""Items that come a second time: probes, whose answer is known, and second reviews.

A repeat is a copy of an item with an id of its own, for one operator. It goes the way of every other item, so that
neither the page nor what the desk sends or how long that takes tells it from one. Copies are made when the operator's
page asks for changes, not when the item is taken.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, false, func, select, update
from sqlalchemy.orm import Session, aliased

from thermolang.review.records import event_row
from thermolang.review.schema import (
    DoubleRow,
    EventRow,
    ItemRow,
    LeaseRow,
    PassRow,
    ProbeRow,
    RepeatKind,
    RepeatRow,
    ShowingRow,
    VerdictRow,
)
from thermolang.review.settings import Settings

# How many copies of each kind wait for an operator.
STOCK = 3
# A second review that its operator has not begun in that time goes to another one.
STALE = timedelta(hours=4)


def visible_to(operator: str, *, others: bool) -> list[ColumnElement[bool]]:
    """Conditions on the items of an operator's lists.

    Args:
        operator: Sees the own repeats, and nobody else's.
        others: Whether also what others have decided; who is to judge an item a second time must not find the first
            verdict.
    """
    hidden = select(RepeatRow.item_id).where(_of_others(operator))
    conditions: list[ColumnElement[bool]] = [ItemRow.id.not_in(hidden)]
    if not others:
        own = select(VerdictRow.item_id).where(VerdictRow.operator == operator)
        conditions.append((ItemRow.status == "pending") | ItemRow.id.in_(own))
    return conditions


def waiting(operator: ColumnElement[Any]) -> Select[Any, Any, Any]:
    """The repeats that the operator has not passed, oldest first, with their kinds; the caller adds the filter."""
    passed = exists().where(PassRow.item_id == ItemRow.id, PassRow.operator == operator)
    query = select(ItemRow.id, ItemRow.task, RepeatRow.kind).join(RepeatRow, RepeatRow.item_id == ItemRow.id)
    query = query.where(RepeatRow.operator == operator, _unflagged(), ~passed)
    return query.order_by(RepeatRow.at, ItemRow.id)


def hidden_counts(session: Session, operator: str) -> dict[str, int]:
    """Numbers of items by status that are repeats of others, and of the flagged ones among them."""
    # An outer join, so that the database begins with the few repeats.
    query = select(ItemRow.status, ItemRow.flagged, func.count()).select_from(RepeatRow)
    query = query.outerjoin(ItemRow, RepeatRow.item_id == ItemRow.id)
    query = query.where(_of_others(operator)).group_by(ItemRow.status, ItemRow.flagged)
    counts: dict[str, int] = {}
    for status, flagged, count in session.execute(query):
        for name in (status, "flagged") if flagged else (status,):
            counts[name] = counts.get(name, 0) + count
    return counts


def prepare(session: Session, settings: Settings, operator: str, at: datetime) -> None:
    """Copy probes and items that want a second review for an operator, up to ``STOCK`` of each."""
    for kind, query in (("probe", _probes_for(settings, operator)), ("second", _doubles_for(operator))):
        missing = STOCK - _stock(session, operator, kind)
        if missing <= 0:
            continue
        for original in session.scalars(query.limit(missing)).all():
            copy = _copy(session, original, at)
            session.add(RepeatRow(item_id=copy.id, original_id=original.id, kind=kind, operator=operator, at=at))
            if kind == "second":
                session.get_one(DoubleRow, original.id).copy_id = copy.id
    if _stock(session, operator, "second") < STOCK:
        _take_over(session, operator, at)


def after_verdict(
    session: Session,
    settings: Settings,
    item_id: str,
    task: str,
    operator: str,
    *,
    kind: RepeatKind | None,
    right: bool,
    draw: float,
) -> None:
    """Note a second verdict, or choose an item for a second review.

    Args:
        session: Of the verdict.
        settings: Of the tasks.
        item_id: The item that was decided.
        task: Its task.
        operator: Who decided it.
        kind: Of repeat that it is; None if it is none.
        right: Whether the operator accepted the answer.
        draw: A random number in [0, 1).
    """
    if kind is None:
        if draw < settings.of(task).double_share:
            session.merge(DoubleRow(item_id=item_id, first_operator=operator, first_right=right))
    elif kind == "second":
        second = {"second_operator": operator, "second_right": right}
        session.execute(update(DoubleRow).where(DoubleRow.copy_id == item_id).values(second))


def after_undo(session: Session, item_id: str) -> None:
    """Forget what ``after_verdict`` noted; a copy that nobody has decided yet is for nobody any more."""
    second = {"second_operator": None, "second_right": None}
    session.execute(update(DoubleRow).where(DoubleRow.copy_id == item_id).values(second))
    if (double := session.get(DoubleRow, item_id)) is not None:
        session.delete(double)
        withdraw(session, item_id)


def withdraw(session: Session, original_id: str) -> None:
    """Undecided copies of an item are for nobody any more."""
    undecided = select(ItemRow.id).where(ItemRow.id == RepeatRow.item_id, ItemRow.status == "pending")
    gone = update(RepeatRow).where(RepeatRow.original_id == original_id, undecided.exists()).values(operator="")
    session.execute(gone.execution_options(synchronize_session=False))


def _of_others(operator: str) -> ColumnElement[bool]:
    """The condition that a repeat is somebody else's, or nobody's."""
    return (RepeatRow.operator != operator) | (RepeatRow.operator == "")


def _stock(session: Session, operator: str, kind: str) -> int:
    query = select(func.count()).select_from(RepeatRow).join(ItemRow, ItemRow.id == RepeatRow.item_id)
    query = query.where(RepeatRow.operator == operator, RepeatRow.kind == kind, _is_pending())
    return session.scalar(query.where(_unflagged())) or 0


# SQLite takes the indexes of status and flag for narrow ones; of a function's result it has none.
def _unflagged() -> ColumnElement[bool]:
    return func.coalesce(ItemRow.flagged, false()).is_(false())


def _is_pending() -> ColumnElement[bool]:
    return func.coalesce(ItemRow.status, "") == "pending"


def _unknown_to(operator: str, item_id: Any) -> list[ColumnElement[bool]]:
    """Conditions that an operator has neither seen nor decided an item."""
    seen = exists().where(ShowingRow.item_id == item_id, ShowingRow.operator == operator)
    decided = exists().where(VerdictRow.item_id == item_id, VerdictRow.operator == operator)
    return [~seen, ~decided]


def _probes_for(settings: Settings, operator: str) -> Select[Any]:
    """Probes that an operator does not know and has not had, in random order."""
    had = select(RepeatRow.original_id).where(RepeatRow.operator == operator)
    query = select(ItemRow).join(ProbeRow, ProbeRow.item_id == ItemRow.id)
    query = query.where(settings.has_probes(), ProbeRow.marked_by != operator, ItemRow.id.not_in(had))
    return query.where(*_unknown_to(operator, ItemRow.id)).order_by(func.random())


def _doubles_for(operator: str) -> Select[Any]:
    query = select(ItemRow).join(DoubleRow, DoubleRow.item_id == ItemRow.id)
    query = query.where(DoubleRow.copy_id.is_(None), DoubleRow.first_operator != operator)
    return query.where(*_unknown_to(operator, ItemRow.id)).order_by(ItemRow.created_at, ItemRow.id)


def _take_over(session: Session, operator: str, at: datetime) -> None:
    """One second review that its operator has left alone."""
    leased = exists().where(LeaseRow.item_id == RepeatRow.item_id, LeaseRow.until > at)
    query = select(RepeatRow).join(ItemRow, ItemRow.id == RepeatRow.item_id)
    query = query.join(DoubleRow, DoubleRow.copy_id == RepeatRow.item_id)
    query = query.where(_is_pending(), RepeatRow.operator.not_in(["", operator]), ~leased)
    query = query.where(RepeatRow.at < at - STALE, DoubleRow.first_operator != operator)
    query = query.where(*_unknown_to(operator, RepeatRow.original_id)).order_by(RepeatRow.at).limit(1)
    if (repeat := session.scalar(query)) is not None:
        repeat.operator, repeat.at = operator, at


def _copy(session: Session, original: ItemRow, at: datetime) -> ItemRow:
    """The item once more, undecided, as old as some other one that waits."""
    other = aliased(ItemRow)
    age = select(other.created_at).where(other.status == "pending").order_by(func.random()).limit(1)
    # Only among the youngest thousand, so that the whole queue is not sorted.
    young = select(other.id).where(other.status == "pending").order_by(other.created_at.desc()).limit(1000)
    values: dict[str, Any] = {
        column.key: getattr(original, column.key) for column in ItemRow.__table__.columns if column.key != "id"
    }
    created = session.scalar(age.where(other.id.in_(young))) or at
    values |= {"id": uuid.uuid4().hex, "created_at": created, "status": "pending", "version": 1, "flagged": False}
    copy = ItemRow(**values, verdict=None)
    session.add(copy)
    session.flush()
    detail = {"value": copy.confidence, "decision": copy.decision_action}
    event: EventRow = event_row(copy.id, actor=copy.model or "thermolang", what="submitted", detail=detail)
    session.add(event)
    return copy
