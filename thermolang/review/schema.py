"""The words for verdicts and the tables of the review database; ``migrations/`` creates the tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, Literal, get_args

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    ColumnElement,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    false,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from thermolang.types import Action, PolicyMode

# What a person can do with an item, and what the item then is: the only place where these words are listed. Both are
# in the same order; an item without a verdict is pending.
VerdictAction = Literal["accept", "correct", "reject"]
Status = Literal["pending", "accepted", "corrected", "rejected"]

# Why a person rejects an answer.
RejectCode = Literal["wrong", "unsupported", "incomplete", "off_topic", "harmful", "bad_question", "other"]
# How a person leaves an item undecided.
PassKind = Literal["skip", "cannot_tell"]
Role = Literal["reviewer", "lead", "admin"]
# Whether operators see the confidence before they decide: always, never, or by chance.
ShowMode = Literal["shown", "blind", "random"]
# Why an item comes a second time: its answer is known to be right or wrong, or a second person is to judge it.
RepeatKind = Literal["probe", "second"]
# What a webhook is told of, and what became of telling it.
DeliveryKind = Literal["item_waits", "decided", "alarm"]
DeliveryState = Literal["waiting", "delivered", "given_up"]

ACTIONS: tuple[VerdictAction, ...] = get_args(VerdictAction)
STATUSES: tuple[Status, ...] = get_args(Status)
STATUS_AFTER: dict[VerdictAction, Status] = dict(zip(ACTIONS, STATUSES[1:], strict=True))
REJECT_CODES: tuple[RejectCode, ...] = get_args(RejectCode)
# From the least to the most that a person may do.
ROLES: tuple[Role, ...] = get_args(Role)

# The queue is cut into bands, the most doubtful first; each has the confidences below its limit.
BAND_LIMITS = (0.25, 0.5, 0.75, float("inf"))


def band_of(place: float) -> int:
    """Index of the band that a place in the queue, in [0, 1], belongs to."""
    return next(index for index, limit in enumerate(BAND_LIMITS) if place < limit)


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
        # Lists by doubt and by age, of one status or of all; lists of a task are cut from these.
        Index(None, "status", "place", "created_at", "id"),
        Index(None, "place", "created_at", "id"),
        Index(None, "status", "created_at", "id"),
        Index(None, "created_at", "id"),
        Index(None, "task", "status", "place", "created_at", "id"),
        # The next item of an operator: in a band, from a place in the circle of ids on that is the operator's own.
        Index(None, "status", "band", "id"),
        Index(None, "task", "status", "band", "id"),
        Index(None, "reason_code", "status", "band", "id"),
        Index(None, "flagged", "status", "band", "id"),
        # The audit's own items, to be counted and to find out whether an answer was drawn before.
        Index(None, "audit", "draw"),
        # What is old enough to be purged.
        Index(None, "purged_at", "created_at"),
        # How many would pass a threshold, without reading the texts.
        Index(None, "status", "confidence", "decision_threshold"),
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
    # Where the item stands in the queue: its confidence, or, without one, the place of another item drawn at random.
    place: Mapped[float] = mapped_column(Double, server_default="0.5")
    band: Mapped[int] = mapped_column(server_default="2")
    reason_code: Mapped[str] = mapped_column(String(30), server_default="")
    # Whether it waits for a lead, because a reviewer could not tell.
    flagged: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # What the decision said and rested on; empty where no policy decided, and in items from before it was kept.
    decision_code: Mapped[str] = mapped_column(String(30), server_default="")
    decision_mode: Mapped[PolicyMode] = mapped_column(String(10), server_default="enforce")
    # None in items from before they were kept.
    decision_fields: Mapped[list[str] | None] = mapped_column(JSON)
    reason_ja: Mapped[str] = mapped_column(Text, server_default="")
    calibrator: Mapped[str] = mapped_column(Text, server_default="")
    task_version: Mapped[int | None]
    policy: Mapped[str] = mapped_column(String(64), server_default="")
    # Whether it was drawn at random from the accepted answers; the number in [0, 1) that it was drawn by, and the
    # rate at that time. None for items from before there was an audit.
    audit: Mapped[bool] = mapped_column(Boolean, server_default=false())
    draw: Mapped[float | None] = mapped_column(Double)
    audit_rate: Mapped[float | None] = mapped_column(Double)
    # When its texts were deleted.
    purged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    verdict: Mapped[VerdictRow | None] = relationship(lazy="joined")


class VerdictRow(Base):
    """What a person decided about an item: at most one each."""

    __tablename__ = "verdicts"
    __table_args__ = (
        _one_of("action", ACTIONS, name="action"),
        CheckConstraint("(action = 'correct') = (corrected_answer IS NOT NULL)", name="correction"),
        CheckConstraint("corrected_answer <> ''", name="corrected_answer"),
        CheckConstraint("operator <> ''", name="operator"),
        Index(None, "operator"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), unique=True)
    action: Mapped[VerdictAction] = mapped_column(String(10))
    corrected_answer: Mapped[str | None] = mapped_column(Text)
    operator: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason_code: Mapped[str] = mapped_column(String(30), server_default="")


class EventRow(Base):
    """One line of the audit trail; rows are added and never changed, except that a purge deletes texts and salt."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "item_id", "id"), Index(None, "position", unique=True))

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(Text)
    what: Mapped[str] = mapped_column(String(20))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    # Its place in the hash chain, the salted digest of what a purge deletes, and the chain's head after this line; see
    # ``audit``. Lines from before there was a chain have none.
    position: Mapped[int | None]
    salt: Mapped[str] = mapped_column(String(32), server_default="")
    private: Mapped[str] = mapped_column(String(64), server_default="")
    head: Mapped[str] = mapped_column(String(64), server_default="")


class ChainRow(Base):
    """The end of the hash chain over all events; there is one such row."""

    __tablename__ = "chain"

    id: Mapped[int] = mapped_column(primary_key=True)
    length: Mapped[int]
    head: Mapped[str] = mapped_column(String(64))
    # Id of the last event from before there was a chain.
    begun_after: Mapped[int]


class LearnedRow(Base):
    """An item's verdict that a calibrator has learned from; a later verdict belongs to a later version of the item."""

    __tablename__ = "learned"

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    calibrator: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class LeaseRow(Base):
    """Who works on an item, and until when: a lease in the past hides nothing."""

    __tablename__ = "leases"
    __table_args__ = (Index(None, "operator", "until"),)

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    operator: Mapped[str] = mapped_column(String(200))
    until: Mapped[datetime] = mapped_column(UtcDateTime)


class PassRow(Base):
    """An operator left an item undecided; the queue does not offer it to that operator again while others wait."""

    __tablename__ = "passes"
    __table_args__ = (_one_of("kind", get_args(PassKind), name="kind"),)

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    operator: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[PassKind] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class DraftRow(Base):
    """What an operator has typed about an item and not yet decided."""

    __tablename__ = "drafts"

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    operator: Mapped[str] = mapped_column(String(200), primary_key=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class TaskSettingRow(Base):
    """How the items of a task are reviewed."""

    __tablename__ = "task_settings"
    __table_args__ = (_one_of("mode", get_args(ShowMode), name="mode"),)

    task: Mapped[str] = mapped_column(String(500), primary_key=True)
    mode: Mapped[ShowMode] = mapped_column(String(10))
    blind_share: Mapped[float] = mapped_column(Double)
    probe_share: Mapped[float] = mapped_column(Double)
    double_share: Mapped[float] = mapped_column(Double)
    changed_by: Mapped[str] = mapped_column(String(200))
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ShowingRow(Base):
    """An item was shown to an operator, with its confidence or without."""

    __tablename__ = "showings"

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    operator: Mapped[str] = mapped_column(String(200), primary_key=True)
    with_number: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    # From the last time that it was shown to the verdict.
    seconds: Mapped[float | None] = mapped_column(Double)


class ProbeRow(Base):
    """A decided item whose answer is known to be right or wrong; copies of it test how people judge."""

    __tablename__ = "probes"

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    known_right: Mapped[bool] = mapped_column(Boolean)
    marked_by: Mapped[str] = mapped_column(String(200))
    marked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RepeatRow(Base):
    """An item that is a copy of another one, for one operator; for nobody where the operator is empty."""

    __tablename__ = "repeats"
    __table_args__ = (_one_of("kind", get_args(RepeatKind), name="kind"), Index(None, "operator"))

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    original_id: Mapped[str] = mapped_column(ForeignKey("items.id"), index=True)
    kind: Mapped[RepeatKind] = mapped_column(String(10))
    operator: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


def ordinary() -> ColumnElement[bool]:
    """The condition that an item is no repeat."""
    return ItemRow.id.not_in(select(RepeatRow.item_id))


class DoubleRow(Base):
    """A decided item that a second person judges without knowing the first verdict."""

    __tablename__ = "doubles"

    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    first_operator: Mapped[str] = mapped_column(String(200))
    first_right: Mapped[bool] = mapped_column(Boolean)
    copy_id: Mapped[str | None] = mapped_column(ForeignKey("items.id"), unique=True)
    second_operator: Mapped[str | None] = mapped_column(String(200))
    second_right: Mapped[bool | None] = mapped_column(Boolean)
    settled_by: Mapped[str | None] = mapped_column(String(200))
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UserRow(Base):
    """Somebody who may use the desk."""

    __tablename__ = "users"
    __table_args__ = (_one_of("role", ROLES, name="role"),)

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    role: Mapped[Role] = mapped_column(String(10))
    password_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SessionRow(Base):
    """A login; the token itself is only in the browser, its hash is here."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_name: Mapped[str] = mapped_column(ForeignKey("users.name"), index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FailedLoginRow(Base):
    """A login that failed, to slow down those who guess."""

    __tablename__ = "failed_logins"
    __table_args__ = (Index(None, "key", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(300))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class AlarmRow(Base):
    """A change that a monitor noticed; see ``routing.Alarm``."""

    __tablename__ = "alarms"
    __table_args__ = (Index(None, "seen_at", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    # One of ``routing.monitor.AlarmCode``, which is not imported here: it would bring numpy along.
    code: Mapped[Any] = mapped_column(String(20), nullable=False)
    item: Mapped[int]
    since: Mapped[int]
    # None for infinite.
    evidence: Mapped[float | None] = mapped_column(Double)
    reason: Mapped[str] = mapped_column(Text)
    seen_by: Mapped[str | None] = mapped_column(String(200))
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TokenRow(Base):
    """A program that may submit answers; the token itself is only there, its hash is here."""

    __tablename__ = "tokens"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WebhookRow(Base):
    """How far along the chain of events a webhook was told."""

    __tablename__ = "webhooks"

    url: Mapped[str] = mapped_column(String(2000), primary_key=True)
    position: Mapped[int]


class DeliveryRow(Base):
    """Something that a webhook is told; texts are read when it is sent, and are not here."""

    __tablename__ = "deliveries"
    __table_args__ = (
        _one_of("kind", get_args(DeliveryKind), name="kind"),
        _one_of("state", get_args(DeliveryState), name="state"),
        Index(None, "state", "next_at"),
        Index(None, "created_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    kind: Mapped[DeliveryKind] = mapped_column(String(20))
    item_id: Mapped[str | None] = mapped_column(ForeignKey("items.id"))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[DeliveryState] = mapped_column(String(10))
    attempts: Mapped[int]
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # What the receiver answered last, or why it could not be reached.
    said: Mapped[str] = mapped_column(String(300))
