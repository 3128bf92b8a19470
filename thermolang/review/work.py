"""Who works on what, for leads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from thermolang.review.queue import LEASE
from thermolang.review.schema import ItemRow, LeaseRow, ordinary
from thermolang.review.search import EXCERPT

MOST_ROWS = 200


@dataclass(frozen=True)
class Work:
    """An undecided item that somebody has, or that waits for a lead.

    Attributes:
        id: The item's id.
        task: Name of the task.
        question: The beginning of the question.
        answer: The beginning of the answer.
        flagged: Whether it waits for a lead.
        operator: Who has it; empty if nobody.
        until: When that ends by itself, in UTC; None if nobody has it.
        assigned: Whether a lead gave it to that person, and it is not only open there.
    """

    id: str
    task: str
    question: str
    answer: str
    flagged: bool
    operator: str = ""
    until: datetime | None = None
    assigned: bool = False


def find(session: Session, at: datetime, item_id: str | None = None) -> list[Work]:
    """What somebody has, by operator, and after that what waits for a lead; up to 200 of each.

    Args:
        session: Of the database.
        at: The time now.
        item_id: Also this item, first, if it is undecided.
    """
    query = select(
        ItemRow.id,
        ItemRow.task,
        func.substr(ItemRow.question, 1, EXCERPT).label("question"),
        func.substr(ItemRow.answer, 1, EXCERPT).label("answer"),
        ItemRow.flagged,
        LeaseRow.operator,
        LeaseRow.until,
    )
    live = (LeaseRow.item_id == ItemRow.id) & (LeaseRow.until > at)
    query = query.where(ItemRow.status == "pending", ordinary())
    taken = query.join(LeaseRow, live).order_by(LeaseRow.operator, LeaseRow.until, ItemRow.id).limit(MOST_ROWS)
    free = query.outerjoin(LeaseRow, live)
    flagged = free.where(ItemRow.flagged).order_by(ItemRow.id).limit(MOST_ROWS)
    asked = [free.where(ItemRow.id == item_id)] if item_id else []
    rows = {row.id: row for statement in (*asked, taken, flagged) for row in session.execute(statement)}
    return [
        Work(
            row.id,
            row.task,
            row.question,
            row.answer,
            row.flagged,
            row.operator or "",
            row.until,
            assigned=row.until is not None and row.until > at + LEASE,
        )
        for row in rows.values()
    ]
