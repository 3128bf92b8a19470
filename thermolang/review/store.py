"""The review store: doubtful answers, people's verdicts on them, and an audit trail of both."""

from __future__ import annotations

import builtins  # within the class, ``list`` is the method
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from thermolang.answers.json_fields import unchanged
from thermolang.errors import ConflictError, StoreError
from thermolang.review.database import open_engine, parse_url, store_errors, without_password
from thermolang.review.schema import (
    ACTIONS,
    STATUS_AFTER,
    STATUSES,
    EventRow,
    ItemRow,
    Status,
    VerdictAction,
    VerdictRow,
)
from thermolang.storage import default_store_url
from thermolang.types import Confidence, Decision, DecisionCode

__all__ = ["Event", "ReviewItem", "ReviewStore", "Verdict"]


@dataclass(frozen=True)
class Verdict:
    """What a person decided about an answer.

    Attributes:
        action: One of ``thermolang.review.ACTIONS``.
        operator: Who decided.
        created_at: When, in UTC.
        corrected_answer: The right answer; None unless the action is ``"correct"``.
        note: What the operator added.
    """

    action: VerdictAction
    operator: str
    created_at: datetime
    corrected_answer: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Event:
    """One line of an item's audit trail.

    Attributes:
        item_id: The item.
        at: When it happened, in UTC.
        actor: Who did it: the operator, or the model that submitted the answer.
        what: ``"submitted"``, or the status that the item got.
        detail: Plain JSON: the confidence and the decision, or the verdict.
    """

    item_id: str
    at: datetime
    actor: str
    what: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class ReviewItem:
    """A doubtful answer and what became of it.

    Attributes:
        id: 32 hex digits.
        created_at: When it was submitted, in UTC.
        task: Name of the task.
        question: What was asked.
        answer: What the model answered.
        confidence: The confidence of the answer, with all that was kept of it.
        decision: What the policy decided, and why a person should look at the answer.
        status: ``"pending"`` until somebody decides.
        version: Grows with each change; ``ReviewStore.decide`` compares it.
        context: The passage the question is about.
        model: Name of the model.
        verdict: The decision of a person, once there is one.
    """

    id: str
    created_at: datetime
    task: str
    question: str
    answer: str
    confidence: Confidence
    decision: Decision
    status: Status
    version: int
    context: str = ""
    model: str = ""
    verdict: Verdict | None = None

    @property
    def reason(self) -> str:
        """Why the answer is doubtful, as one sentence."""
        return self.decision.reason

    @property
    def lessons(self) -> builtins.list[tuple[Confidence, bool]]:
        """What the verdict says of the answer and of each field of a structured one; empty without a verdict.

        ``ConfidenceEstimator.learn`` takes it. Of a corrected answer, fields that were changed or taken out were wrong,
        the others right. Of a rejected one nothing is known of its fields.
        """
        if self.verdict is None:
            return []
        accepted, fields = self.verdict.action == "accept", self.confidence.fields
        whole = [(self.confidence, accepted)]
        if accepted or self.verdict.action == "reject" or not fields:
            return whole + [(one, True) for one in fields.values() if accepted]
        kept = unchanged(self.answer, self.verdict.corrected_answer or "")
        return whole if kept is None else whole + [(one, path in kept) for path, one in fields.items()]


class ReviewStore:
    """Doubtful answers, the verdicts of people on them and an audit trail, in SQLite or PostgreSQL.

    Only ``StoreError`` and its subclass ``ConflictError`` leave a store. One store may be shared by threads.

    Args:
        url: Such as ``sqlite:///review.db`` or ``postgresql://user@host/name``; the default is
            THERMOLANG_STORE or a file in the user's data folder. A missing SQLite file is created.
        timeout: Seconds to wait for a locked database or a server.

    Example:
        >>> with ReviewStore("sqlite://") as store:
        ...     item = store.submit(
        ...         "Capital of Australia?",
        ...         "Sydney",
        ...         confidence=Confidence(0.41),
        ...         decision=Decision("review", "0.41 is below 0.80", 0.80),
        ...     )
        ...     done = store.decide(item.id, "correct", operator="ann", corrected_answer="Canberra")
        >>> done.status
        'corrected'
    """

    def __init__(self, url: str | None = None, *, timeout: float = 10.0) -> None:
        self._url = parse_url(url or default_store_url())
        self._engine = open_engine(self._url, timeout=timeout)
        self._closed = False

    @property
    def url(self) -> str:
        """Where the items are, without passwords."""
        return without_password(self._url)

    def close(self) -> None:
        """Close all connections; the store cannot be used afterwards."""
        self._closed = True
        self._engine.dispose()

    def __enter__(self) -> ReviewStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(
        self,
        question: str,
        answer: str,
        *,
        confidence: Confidence,
        decision: Decision,
        context: str = "",
        model: str = "",
        task: str | None = None,
    ) -> ReviewItem:
        """Add a doubtful answer; when this returns, it is on the disk.

        NUL characters and halves of surrogate pairs, which no database can hold, are replaced.

        Args:
            question: What was asked.
            answer: What the model answered.
            confidence: Its confidence.
            decision: Why a person should look at it.
            context: The passage the question is about.
            model: Name of the model.
            task: Name of the task; by default that of the confidence.

        Returns:
            The item as it was written.

        Raises:
            StoreError: The confidence is outside [0, 1], or the database cannot be written.
        """
        with self._transaction() as session:
            # Inside the transaction, where an error of JSON becomes a StoreError.
            record = _confidence_record(confidence)
            value = record["value"]
            _check(value is None or 0 <= value <= 1, f"a confidence lies between 0 and 1, got {value}")
            row = ItemRow(
                id=uuid.uuid4().hex,
                created_at=_now(),
                task=_text(confidence.task if task is None else task),
                question=_text(question),
                context=_text(context),
                answer=_text(answer),
                model=_text(model),
                confidence=value,
                confidence_record=record,
                reason=_text(decision.reason),
                decision_action=decision.action,
                decision_threshold=decision.threshold,
                status="pending",
                version=1,
                verdict=None,
            )
            session.add(row)
            session.flush()
            detail = {"value": value, "decision": row.decision_action}
            session.add(_event(row.id, actor=row.model or "thermolang", what="submitted", detail=detail))
            return _item_from(row)

    def get(self, item_id: str) -> ReviewItem:
        """Return one item.

        Raises:
            StoreError: There is no such item.
        """
        with self._transaction() as session:
            return _item_from(self._row(session, item_id))

    def list(
        self, *, status: Status | None = "pending", task: str | None = None, limit: int = 100, offset: int = 0
    ) -> builtins.list[ReviewItem]:
        """Return items, the most doubtful first: without a confidence, then by ascending confidence.

        Args:
            status: Only this status; None for all.
            task: Only this task; None for all.
            limit: At most so many.
            offset: Skip so many.

        Raises:
            StoreError: There is no such status, or a number is negative.
        """
        _check(status is None or status in STATUSES, f"unknown status {status!r}; one of {', '.join(STATUSES)}")
        _check(limit >= 0 and offset >= 0, f"limit and offset must not be negative, got {limit} and {offset}")
        # The id settles ties, so that pages neither overlap nor leave an item out.
        doubt = ItemRow.confidence.asc().nulls_first()
        query = select(ItemRow).order_by(doubt, ItemRow.created_at, ItemRow.id).limit(limit).offset(offset)
        if status is not None:
            query = query.where(ItemRow.status == status)
        if task is not None:
            query = query.where(ItemRow.task == task)
        with self._transaction() as session:
            return [_item_from(row) for row in session.scalars(query)]

    def counts(self, task: str | None = None) -> dict[str, int]:
        """Return the number of items by status; every status is a key."""
        query = select(ItemRow.status, func.count()).group_by(ItemRow.status)
        if task is not None:
            query = query.where(ItemRow.task == task)
        counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
        with self._transaction() as session:
            for status, count in session.execute(query):
                counts[status] = count
        return counts

    def decide(
        self,
        item_id: str,
        action: VerdictAction,
        *,
        operator: str,
        corrected_answer: str | None = None,
        note: str = "",
        version: int | None = None,
    ) -> ReviewItem:
        """Record a person's verdict; of several at once exactly one wins.

        Args:
            item_id: The item.
            action: One of ``thermolang.review.ACTIONS``.
            operator: Who decides.
            corrected_answer: The right answer; with ``"correct"`` and only there.
            note: What the operator wants to add.
            version: Refuse if the item has changed since this version was read; None does not compare.

        Returns:
            The item with its verdict.

        Raises:
            ConflictError: Somebody else decided first; the message names who and when.
            StoreError: There is no such item, or the verdict is incomplete.
        """
        _check_verdict(action, operator, corrected_answer)
        verdict = VerdictRow(
            item_id=item_id,
            action=action,
            corrected_answer=None if corrected_answer is None else _text(corrected_answer),
            operator=_text(operator.strip()),
            note=_text(note),
            created_at=_now(),
        )
        with self._transaction() as session:
            self._claim(session, item_id, STATUS_AFTER[action], version)
            detail = {"action": action, "corrected_answer": verdict.corrected_answer, "note": verdict.note}
            event = _event(item_id, actor=verdict.operator, what=STATUS_AFTER[action], detail=detail)
            # Flushed, so that the item is read together with its new verdict.
            session.add_all([verdict, event])
            session.flush()
            return _item_from(self._row(session, item_id))

    def events(self, item_id: str) -> builtins.list[Event]:
        """Return an item's audit trail, oldest first.

        Raises:
            StoreError: There is no such item.
        """
        query = select(EventRow).where(EventRow.item_id == item_id).order_by(EventRow.id)
        with self._transaction() as session:
            self._row(session, item_id)
            return [_event_from(row) for row in session.scalars(query)]

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back by any error."""
        _check(not self._closed, "this review store is closed; open a new one")
        with (
            store_errors(self._url),
            Session(self._engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def _row(self, session: Session, item_id: str) -> ItemRow:
        row = session.get(ItemRow, item_id)
        if row is None:
            msg = f"there is no item {item_id!r} in {self.url}"
            raise StoreError(msg)
        return row

    def _claim(self, session: Session, item_id: str, status: Status, version: int | None) -> None:
        """Move a pending item to its new status in one statement, so that two callers cannot both do it."""
        claim = update(ItemRow).where(ItemRow.id == item_id, ItemRow.status == "pending")
        if version is not None:
            claim = claim.where(ItemRow.version == version)
        changes = {"status": status, "version": ItemRow.version + 1}
        # No item is loaded yet that would have to follow the change.
        result: Any = session.execute(claim.values(changes).execution_options(synchronize_session=False))
        if result.rowcount == 1:
            return
        row = self._row(session, item_id)
        raise ConflictError(_conflict(_item_from(row), version))


def _confidence_record(confidence: Confidence) -> dict[str, Any]:
    """The confidence as plain JSON; a number that is not finite becomes null, as not every database takes it."""
    text = json.dumps(confidence.to_dict(), default=float)
    record: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    if record["interval"] and None in record["interval"]:
        record["interval"] = None
    return record


def _item_from(row: ItemRow) -> ReviewItem:
    """The record of a row, for use after the session has ended."""
    return ReviewItem(
        id=row.id,
        created_at=row.created_at,
        task=row.task,
        question=row.question,
        answer=row.answer,
        confidence=Confidence.from_dict(row.confidence_record),
        decision=_decision_from(row),
        status=row.status,
        version=row.version,
        context=row.context,
        model=row.model,
        verdict=_verdict_from(row.verdict) if row.verdict else None,
    )


def _decision_from(row: ItemRow) -> Decision:
    """What was decided; the doubtful fields are those that the confidence names."""
    fields = Confidence.from_dict(row.confidence_record).doubtful_fields(row.decision_threshold)
    code: DecisionCode | None = "doubtful_field" if fields else None
    return Decision(row.decision_action, row.reason, row.decision_threshold, code, fields=fields)


def _verdict_from(row: VerdictRow) -> Verdict:
    return Verdict(row.action, row.operator, row.created_at, row.corrected_answer, row.note)


def _event_from(row: EventRow) -> Event:
    return Event(row.item_id, row.at, row.actor, row.what, row.detail)


def _conflict(item: ReviewItem, version: int | None) -> str:
    """Why a verdict came too late, as one sentence."""
    if item.verdict is None:
        return f"the item has changed since it was read: version {item.version}, not {version}; read it again"
    verdict = item.verdict
    return f"already decided by {verdict.operator} at {verdict.created_at:%Y-%m-%d %H:%M} UTC: {item.status}"


def _check_verdict(action: str, operator: str, corrected_answer: str | None) -> None:
    """Refuse a verdict that is incomplete or contradicts itself."""
    _check(action in ACTIONS, f"unknown action {action!r}; one of {', '.join(ACTIONS)}")
    _check(operator.strip() != "", "a verdict needs the name of its operator")
    if action == "correct":
        _check((corrected_answer or "").strip() != "", "a correction needs the corrected answer")
    else:
        _check(corrected_answer is None, f"a corrected answer goes with action 'correct', not {action!r}")


def _check(holds: bool, message: str) -> None:
    """Raise a StoreError with the message unless the condition holds."""
    if not holds:
        raise StoreError(message)


def _event(item_id: str, *, actor: str, what: str, detail: dict[str, Any]) -> EventRow:
    return EventRow(item_id=item_id, at=_now(), actor=actor, what=what, detail=detail)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _text(text: str) -> str:
    """Replace what no database can hold (NUL, half of a surrogate pair): an odd answer must not be lost."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
