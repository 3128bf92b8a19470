"""The words for verdicts and the tables of the review database; ``migrations/`` creates the tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, Literal, get_args

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from thermolang.types import Action

# What a person can do with an item, and what the item then is: the only place where these words are listed. Both are
# in the same order; an item without a verdict is pending.
VerdictAction = Literal["accept", "correct", "reject"]
Status = Literal["pending", "accepted", "corrected", "rejected"]

ACTIONS: tuple[VerdictAction, ...] = get_args(VerdictAction)
STATUSES: tuple[Status, ...] = get_args(Status)
STATUS_AFTER: dict[VerdictAction, Status] = dict(zip(ACTIONS, STATUSES[1:], strict=True))

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


def _one_of(column: str, words: Iterable[str], *, name: str) -> CheckConstraint:
    """A check that a column holds one of the words."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=name)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on every database; SQLite itself forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC."""
        return value.astimezone(timezone.utc) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return UTC."""
        if value is None:
            return None
        return value.astimezone(timezone.utc) if value.tzinfo else value.replace(tzinfo=timezone.utc)


class Base(DeclarativeBase):
    """Declarative base that holds the metadata."""

    metadata = MetaData(naming_convention=_NAMES)


class ItemRow(Base):
    """One doubtful answer."""

    __tablename__ = "items"
    __table_args__ = (
        _one_of("status", STATUSES, name="status"),
        _one_of("decision_action", get_args(Action), name="decision_action"),
        CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence"),
        CheckConstraint("version >= 1", name="version"),
        # Two indexes: the desk's queue with and without a task, in the order in which it is read.
        Index(None, "status", "confidence", "created_at", "id"),
        Index(None, "task", "status", "confidence"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    task: Mapped[str] = mapped_column(Text)
    question: Mapped[str] = mapped_column(Text)
    context: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float | None] = mapped_column(Double)
    confidence_record: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    decision_action: Mapped[Action] = mapped_column(String(10))
    decision_threshold: Mapped[float] = mapped_column(Double)
    status: Mapped[Status] = mapped_column(String(10))
    version: Mapped[int]

    verdict: Mapped[VerdictRow | None] = relationship(lazy="joined")


class VerdictRow(Base):
    """What a person decided about an item: at most one each."""

    __tablename__ = "verdicts"
    __table_args__ = (
        _one_of("action", ACTIONS, name="action"),
        CheckConstraint("(action = 'correct') = (corrected_answer IS NOT NULL)", name="correction"),
        CheckConstraint("corrected_answer <> ''", name="corrected_answer"),
        CheckConstraint("operator <> ''", name="operator"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), unique=True)
    action: Mapped[VerdictAction] = mapped_column(String(10))
    corrected_answer: Mapped[str | None] = mapped_column(Text)
    operator: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EventRow(Base):
    """One line of the audit trail; rows are added and never changed."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "item_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(Text)
    what: Mapped[str] = mapped_column(String(20))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
