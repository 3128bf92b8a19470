"""The review store: doubtful answers, people's verdicts on them, and an audit trail of both."""

from __future__ import annotations

import builtins  # within the class, ``list`` is the method
import json
import random
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from types import TracebackType
from typing import Any, Literal, NamedTuple, NoReturn, cast

from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from thermolang.answers.json_fields import unchanged
from thermolang.errors import ConflictError, RefusedError, StoreError
from thermolang.review.audit import seal
from thermolang.review.checks import check, check_lengths, check_verdict, check_version, clean_text
from thermolang.review.database import open_engine, parse_url, store_errors, without_password
from thermolang.review.feedback import Audit
from thermolang.review.schema import (
    STATUS_AFTER,
    STATUSES,
    EventRow,
    ItemRow,
    RejectCode,
    Status,
    VerdictAction,
    VerdictRow,
    band_of,
    ordinary,
)
from thermolang.storage import default_store_url, digest
from thermolang.types import Confidence, Decision, DecisionCode, JsonRecord

__all__ = ["Event", "ReviewItem", "ReviewStore", "Verdict"]

CHOSEN, CHOSEN_JA = "chosen for review", "確認の対象に選ばれました"
"""All that an operator is told of an answer that the audit has drawn."""


@dataclass(frozen=True)
class Verdict:
    """What a person decided about an answer.

    Attributes:
        action: One of ``thermolang.review.ACTIONS``.
        operator: Who decided.
        created_at: When, in UTC.
        corrected_answer: The right answer; None unless the action is ``"correct"``.
        note: What the operator added.
        reason_code: One of ``thermolang.review.REJECT_CODES`` if the answer was rejected for one of these reasons;
            empty otherwise.
    """

    action: VerdictAction
    operator: str
    created_at: datetime
    corrected_answer: str | None = None
    note: str = ""
    reason_code: RejectCode | Literal[""] = ""


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
class ReviewItem(JsonRecord):
    """A doubtful answer and what became of it.

    Attributes:
        id: 32 hex digits.
        created_at: When it was submitted, in UTC.
        task: Name of the task.
        question: What was asked.
        answer: What the model answered.
        confidence: The confidence of the answer, with all that was kept of it.
        decision: What the policy decided, why a person should look at the answer, and the versions of calibrator, task
            state and policy. Of an answer that the audit has drawn it says no more than of one chosen by hand.
        status: ``"pending"`` until somebody decides.
        version: Grows with each change; ``ReviewStore.decide`` compares it.
        context: The passage the question is about.
        model: Name of the model.
        verdict: The decision of a person, once there is one.
        reason_code: Why a person should look at it, for programs: the ``ReasonCode`` of the confidence, or
            ``"no_value"``, ``"new_input"`` (unlike the training data), ``"below_threshold"``, ``"below_rejection"``
            (the policy would reject it) or ``"chosen"`` (the policy would accept it).
        flagged: Whether it waits for a lead, because a reviewer could not tell.
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
    reason_code: str = ""
    flagged: bool = False

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
        # The confidence of a whole structured answer is made of its fields', so only they have something to learn.
        whole = [] if fields else [(self.confidence, accepted)]
        if accepted or self.verdict.action == "reject" or not fields:
            return whole + [(one, True) for one in fields.values() if accepted]
        kept = unchanged(self.answer, self.verdict.corrected_answer or "")
        return whole if kept is None else whole + [(one, path in kept) for path, one in fields.items()]


class _Session(Session):
    """A session that knows which events it has written."""


@event.listens_for(_Session, "before_flush")
def _note_events(session: Session, *_: object) -> None:
    session.info.setdefault("events", []).extend(row for row in session.new if isinstance(row, EventRow))


class _Given(NamedTuple):
    """The texts of a submitted answer, and what names this occurrence of it."""

    question: str
    answer: str
    context: str
    model: str
    task: str
    key: str = ""


class ReviewStore:
    """Doubtful answers, the verdicts of people on them and an audit trail, in SQLite or PostgreSQL.

    Only ``StoreError`` and its subclasses leave a store. One store may be shared by threads.

    Args:
        url: Such as ``sqlite:///review.db`` or ``postgresql://user@host/name``; the default is
            THERMOLANG_STORE or a file in the user's data folder. A missing SQLite file is created.
        timeout: Seconds to wait for a locked database or a server.
        audit: How many of the accepted answers are drawn at random for review; 5 % by default, ``Audit(0)`` draws none.
        redact: Changes every text of users, models and operators before it is stored, such as names into blanks. What
            it leaves out is nowhere: operators see the redacted text, and agents get it as well.

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

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout: float = 10.0,
        audit: Audit | None = None,
        redact: Callable[[str], str] | None = None,
    ) -> None:
        self.audit, self._redact = audit or Audit(), redact
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
        key: str = "",
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
            key: Names this occurrence, such as a request's id: with a key that was there before nothing is added, and
                the item of that time is returned, whatever the texts are. 32 hexadecimal digits are taken as the
                item's id.

        Returns:
            The item as it was written.

        Raises:
            StoreError: The confidence is outside [0, 1], a text is too long, or the database cannot be written.
        """
        given = _Given(question, answer, context, model, confidence.task if task is None else task, key)
        with self._transaction() as session:
            return self._add(session, given, confidence, decision)

    def submit_accepted(
        self,
        question: str,
        answer: str,
        *,
        confidence: Confidence,
        decision: Decision,
        context: str = "",
        model: str = "",
        task: str | None = None,
        key: str = "",
    ) -> ReviewItem | None:
        """Offer an accepted answer to the audit, which keeps a random share of them for review.

        Whether it is drawn depends on its task, question, context, answer and ``key`` alone, so neither on when it
        came nor on what came before; one that is there already is not stored twice.

        Args:
            question: What was asked.
            answer: What the model answered.
            confidence: Its confidence.
            decision: The policy's; its action is ``"accept"``.
            context: The passage the question is about.
            model: Name of the model.
            task: Name of the task; by default that of the confidence.
            key: Names this occurrence, such as a request's id, so that the same answer to the same question is drawn
                each time anew.

        Returns:
            The item, if the answer was drawn. To an operator it looks like any other.

        Raises:
            StoreError: The decision is another one, or as for ``submit``.
        """
        check(decision.action == "accept", f"the audit is of accepted answers, not of one with {decision.action!r}")
        given = _Given(question, answer, context, model, confidence.task if task is None else task, key)
        # Most answers end here, without the database.
        if self.audit.draw(*self._texts_of(given)) >= self.audit.rate:
            return None
        with self._transaction() as session:
            return self._add(session, given, confidence, decision, audit=True)

    def _add(
        self, session: Session, given: _Given, confidence: Confidence, decision: Decision, *, audit: bool = False
    ) -> ReviewItem:
        """Write an item and its first event within a transaction."""
        check_lengths(
            question=given.question,
            answer=given.answer,
            context=given.context,
            model=given.model,
            task=given.task,
            reason=decision.reason,
        )
        # Inside the transaction, where an error of JSON becomes a StoreError.
        record = confidence_record(confidence, self._text)
        value = record["value"]
        check(value is None or 0 <= value <= 1, f"a confidence lies between 0 and 1, got {value}")
        draw = self.audit.draw(*self._texts_of(given))
        if audit:
            again = select(ItemRow).where(ItemRow.audit, ItemRow.draw == draw, ItemRow.task == clean_text(given.task))
            if (known := session.scalars(again).first()) is not None:
                return item_from(known)
        item_id = item_id_of(given.key) if given.key and not audit else uuid.uuid4().hex
        if given.key and not audit and (before := session.get(ItemRow, item_id)) is not None:
            return item_from(before)
        # An audited answer stands anywhere in the queue: at its own place, the last ones, it would wait for ever.
        place = _another_place(session) if value is None or audit else value
        row = ItemRow(
            id=item_id,
            created_at=utc_now(),
            task=clean_text(given.task),
            question=self._text(given.question),
            context=self._text(given.context),
            answer=self._text(given.answer),
            model=clean_text(given.model),
            confidence=value,
            confidence_record=record,
            status="pending",
            version=1,
            verdict=None,
            place=place,
            band=band_of(place),
            reason_code="chosen" if audit else _reason_code(record, decision),
            flagged=False,
            audit=audit,
            draw=draw,
            audit_rate=self.audit.rate,
            **_decision_columns(decision, confidence, self._text),
        )
        session.add(row)
        session.flush()
        item = item_from(row)
        detail = {"value": value, "decision": item.decision.action}
        session.add(event_row(row.id, actor=row.model or "thermolang", what="submitted", detail=detail))
        return item

    def _text(self, text: str) -> str:
        """A text as it is stored: redacted, and without what no database can hold."""
        if self._redact is None or not text:
            return clean_text(text)
        try:
            redacted = self._redact(text)
        except Exception as error:
            msg = f"redact failed, so nothing was stored: {type(error).__name__}: {error}"
            raise StoreError(msg) from error
        if not isinstance(redacted, str):
            msg = f"redact returns the text to store, not {type(redacted).__name__}; nothing was stored"
            raise StoreError(msg)
        return clean_text(redacted)

    def _texts_of(self, given: _Given) -> tuple[str, ...]:
        """What decides whether an answer is drawn; as it is stored, so that the number gives nothing else away."""
        texts = (self._text(text) for text in (given.question, given.context, given.answer))
        return (clean_text(given.task), *texts, given.key)

    def get(self, item_id: str) -> ReviewItem:
        """Return one item.

        Raises:
            StoreError: There is no such item.
        """
        with self._transaction() as session:
            return item_from(self._row(session, item_id))

    def list(
        self, *, status: Status | None = "pending", task: str | None = None, limit: int = 100, offset: int = 0
    ) -> builtins.list[ReviewItem]:
        """Return items by ascending confidence; those without one are spread evenly among the others.

        Copies that test how people judge are left out; see ``LeadService``.

        Args:
            status: Only this status; None for all.
            task: Only this task; None for all.
            limit: At most so many.
            offset: Skip so many.

        Raises:
            StoreError: There is no such status, or a number is negative.
        """
        check(status is None or status in STATUSES, f"unknown status {status!r}; one of {', '.join(STATUSES)}")
        check(limit >= 0 and offset >= 0, f"limit and offset must not be negative, got {limit} and {offset}")
        # The id settles ties, so that pages neither overlap nor leave an item out.
        query = select(ItemRow).order_by(ItemRow.place, ItemRow.created_at, ItemRow.id).limit(limit).offset(offset)
        query = query.where(ordinary())
        if status is not None:
            query = query.where(ItemRow.status == status)
        if task is not None:
            query = query.where(ItemRow.task == task)
        with self._transaction() as session:
            return [item_from(row) for row in session.scalars(query)]

    def counts(self, task: str | None = None) -> dict[str, int]:
        """Return the number of items by status; every status is a key."""
        query = select(ItemRow.status, func.count()).where(ordinary()).group_by(ItemRow.status)
        if task is not None:
            query = query.where(ItemRow.task == task)
        counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
        with self._transaction() as session:
            for status, count in session.execute(query):
                counts[status] = count
        return counts

    def newest_calibrator(self) -> str:
        """Id of the calibrator that scored the newest answer here; empty if none names one."""
        query = select(ItemRow.calibrator).where(ItemRow.calibrator != "").order_by(ItemRow.created_at.desc()).limit(1)
        with self._transaction() as session:
            return session.scalar(query) or ""

    def decide(
        self,
        item_id: str,
        action: VerdictAction,
        *,
        operator: str,
        corrected_answer: str | None = None,
        note: str = "",
        reason_code: RejectCode | Literal[""] = "",
        version: int | None = None,
    ) -> ReviewItem:
        """Record a person's verdict; of several at once exactly one wins.

        Args:
            item_id: The item.
            action: One of ``thermolang.review.ACTIONS``.
            operator: Who decides.
            corrected_answer: The right answer; with ``"correct"`` and only there.
            note: What the operator wants to add.
            reason_code: One of ``thermolang.review.REJECT_CODES``; with ``"reject"`` and only there.
            version: Refuse if the item has changed since this version was read; None does not compare.

        Returns:
            The item with its verdict.

        Raises:
            ConflictError: Somebody else decided first; the message names who and when.
            StoreError: There is no such item, or the verdict is incomplete.
        """
        with self._transaction() as session:
            given = Verdict(action, operator, utc_now(), corrected_answer, note, reason_code)
            return self._record(session, item_id, given, version)

    def _record(self, session: Session, item_id: str, given: Verdict, version: int | None) -> ReviewItem:
        """Write a verdict and its event within a transaction."""
        check_verdict(given.action, given.operator, given.corrected_answer, given.note, given.reason_code)
        check_version(version)
        verdict = VerdictRow(
            item_id=item_id,
            action=given.action,
            corrected_answer=None if given.corrected_answer is None else self._text(given.corrected_answer),
            operator=clean_text(given.operator.strip()),
            note=self._text(given.note),
            created_at=given.created_at,
            reason_code=given.reason_code,
        )
        status = STATUS_AFTER[given.action]
        self._claim(session, item_id, status, version)
        detail = {"action": given.action, "corrected_answer": verdict.corrected_answer, "note": verdict.note}
        if verdict.reason_code:
            detail["reason_code"] = verdict.reason_code
        # Flushed, so that the item is read together with its new verdict.
        session.add_all([verdict, event_row(item_id, actor=verdict.operator, what=status, detail=detail)])
        session.flush()
        return item_from(self._row(session, item_id))

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
        if self._closed:
            msg = "this review store is closed; open a new one"
            raise StoreError(msg)
        with (
            store_errors(self._url),
            _Session(self._engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session
            session.flush()
            # Last, as from here to the commit all other writers wait.
            seal(session, session.info.get("events", ()))

    def _row(self, session: Session, item_id: str) -> ItemRow:
        row = session.get(ItemRow, item_id)
        if row is None:
            msg = f"there is no item {item_id!r} in {self.url}"
            raise RefusedError(msg)
        return row

    def _claim(self, session: Session, item_id: str, status: Status, version: int | None) -> None:
        """Move a pending item to its new status in one statement, so that two callers cannot both do it."""
        claim = update(ItemRow).where(ItemRow.id == item_id, ItemRow.status == "pending")
        if version is not None:
            claim = claim.where(ItemRow.version == version)
        changes = {"status": status, "version": ItemRow.version + 1, "flagged": False}
        # No item is loaded yet that would have to follow the change.
        result: Any = session.execute(claim.values(changes).execution_options(synchronize_session=False))
        if result.rowcount != 1:
            self._refuse(session, item_id, version)

    def _refuse(self, session: Session, item_id: str, version: int | None) -> NoReturn:
        """Say why an item could not be changed."""
        raise ConflictError(_conflict(item_from(self._row(session, item_id)), version))


def item_id_of(key: str) -> str:
    """The id of the item that was, or would be, submitted with a key."""
    return key if re.fullmatch("[0-9a-f]{32}", key) else digest(f"key {key}", 32)


def confidence_record(confidence: Confidence, text: Callable[[str], str]) -> dict[str, Any]:
    """The confidence as plain JSON; a number that is not finite becomes null, as not every database takes it.

    Args:
        confidence: Of the answer.
        text: Redacts the texts in it.
    """
    written = json.dumps(confidence.to_dict(), default=float)
    record: dict[str, Any] = json.loads(written, parse_constant=lambda _: None)
    _change_texts(record, text)
    return record


def _change_texts(record: dict[str, Any], text: Callable[[str], str]) -> None:
    if record["interval"] and None in record["interval"]:
        record["interval"] = None
    record["reason"] = text(record["reason"])
    for part in (*record["alternatives"], *record["sentences"]):
        part["text"] = text(part["text"])
    for one in record["fields"].values():
        _change_texts(one, text)


def _decision_columns(decision: Decision, confidence: Confidence, text: Callable[[str], str]) -> dict[str, Any]:
    """What an item keeps of a decision; of one that no policy made, the versions are those of the confidence."""
    versions: Decision | Confidence = decision if decision.calibrator else confidence
    return {
        "reason": text(decision.reason),
        "reason_ja": text(decision.reason_ja),
        "decision_action": decision.action,
        "decision_threshold": decision.threshold,
        "decision_code": decision.code or "",
        "decision_mode": decision.mode,
        "decision_fields": [clean_text(path) for path in decision.fields],
        "calibrator": clean_text(versions.calibrator),
        "task_version": versions.task_version if versions.calibrator else None,
        "policy": clean_text(decision.policy),
    }


def item_from(row: ItemRow) -> ReviewItem:
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
        reason_code=row.reason_code,
        flagged=row.flagged,
    )


def _decision_from(row: ItemRow) -> Decision:
    """What was decided, as operators may see it."""
    confidence = Confidence.from_dict(row.confidence_record)
    code = cast("DecisionCode | None", row.decision_code or None)
    # From before they were kept: those that the confidence names.
    old = row.decision_fields is None
    fields = confidence.doubtful_fields(row.decision_threshold) if old else tuple(row.decision_fields or ())
    found = Decision(
        row.decision_action,
        row.reason,
        row.decision_threshold,
        code or ("doubtful_field" if fields else None),
        value=confidence.value if code else None,
        novelty=confidence.novelty if code else None,
        mode=row.decision_mode,
        reason_ja=row.reason_ja,
        fields=fields,
        calibrator=row.calibrator,
        task_version=row.task_version,
        policy=row.policy,
    )
    if not row.audit:
        return found
    return replace(found, action="review", reason=CHOSEN, reason_ja=CHOSEN_JA, code=None, value=None, novelty=None)


def _verdict_from(row: VerdictRow) -> Verdict:
    code = cast(RejectCode, row.reason_code)
    return Verdict(row.action, row.operator, row.created_at, row.corrected_answer, row.note, code)


def _event_from(row: EventRow) -> Event:
    return Event(row.item_id, row.at, row.actor, row.what, row.detail)


def _conflict(item: ReviewItem, version: int | None) -> str:
    """Why a verdict came too late, as one sentence."""
    if item.verdict is None:
        return f"the item has changed since it was read: version {item.version}, not {version}; read it again"
    verdict = item.verdict
    return f"already decided by {verdict.operator} at {verdict.created_at:%Y-%m-%d %H:%M} UTC: {item.status}"


def _another_place(session: Session) -> float:
    """The place of an item drawn at random; ids are random, so those that follow a random id are."""
    start = f"{random.getrandbits(128):032x}"
    for half in (ItemRow.id >= start, ItemRow.id < start):
        others = select(ItemRow.confidence).where(half, ~ItemRow.audit)
        places = session.execute(others.order_by(ItemRow.id).limit(20))
        for (place,) in places:
            if place is not None:
                return float(place)
    return 0.5


def _reason_code(record: dict[str, Any], decision: Decision) -> str:
    """Why a person should look at an answer, as a code; see ``ReviewItem.reason_code``."""
    if record["reason_code"]:
        return str(record["reason_code"])
    if record["value"] is None:
        return "no_value"
    if not record["supported"]:
        return "new_input"
    if decision.action == "reject":
        return "below_rejection"
    return "below_threshold" if record["value"] < decision.threshold else "chosen"


def event_row(item_id: str, *, actor: str, what: str, detail: dict[str, Any]) -> EventRow:
    return EventRow(item_id=item_id, at=utc_now(), actor=actor, what=what, detail=detail)


def utc_now() -> datetime:
    return datetime.now(timezone.utc)
