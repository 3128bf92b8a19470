"""The review store: doubtful answers, people's verdicts on them, and an audit trail of both."""

from __future__ import annotations

import builtins  # within the class, ``list`` is the method
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, NamedTuple, NoReturn

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from thermolang.errors import ConflictError, RefusedError, StoreError
from thermolang.review import statements
from thermolang.review.audit import seal
from thermolang.review.checks import check, check_lengths, check_verdict, check_version, clean_text
from thermolang.review.database import in_line, open_engine, parse_url, store_errors, without_password, without_waiting
from thermolang.review.feedback import Audit
from thermolang.review.records import (
    Event,
    ReviewItem,
    Verdict,
    confidence_record,
    decision_columns,
    event_from,
    event_row,
    item_from,
    item_id_of,
    utc_now,
)
from thermolang.review.schema import (
    STATUS_AFTER,
    STATUSES,
    EventRow,
    ItemRow,
    RejectCode,
    Status,
    VerdictAction,
    band_of,
    ordinary,
)
from thermolang.storage import default_store_url
from thermolang.types import Confidence, Decision


class _Session(Session):
    """A session that holds its events back until they have their place in the chain: each is then written once."""


@event.listens_for(_Session, "before_flush")
def _hold_events(session: Session, *_: object) -> None:
    for row in list(session.new):
        if isinstance(row, EventRow) and row.position is None:
            session.expunge(row)
            session.info.setdefault("events", []).append(row)


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
        self._quick = without_waiting(self._engine, timeout)
        self._turn: AbstractContextManager[Any] = in_line(self._engine, timeout)
        self._closed = False

    @property
    def url(self) -> str:
        """Where the items are, without passwords."""
        return without_password(self._url)

    def close(self) -> None:
        """Close all connections; the store cannot be used afterwards."""
        self._closed = True
        self._engine.dispose()
        self._quick.dispose()

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
        with self._transaction(write=True) as session:
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
        with self._transaction(write=True) as session:
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
            **decision_columns(decision, confidence, self._text),
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
        with self._transaction(write=True) as session:
            given = Verdict(action, operator, utc_now(), corrected_answer, note, reason_code)
            self._record(session, item_id, given, version)
            return item_from(self._row(session, item_id))

    def _record(self, session: Session, item_id: str, given: Verdict, version: int | None) -> None:
        """Write a verdict and its event within a transaction."""
        check_verdict(given.action, given.operator, given.corrected_answer, given.note, given.reason_code)
        check_version(version)
        corrected = None if given.corrected_answer is None else self._text(given.corrected_answer)
        operator, note = clean_text(given.operator.strip()), self._text(given.note)
        verdict = replace(given, corrected_answer=corrected, operator=operator, note=note)
        status = STATUS_AFTER[given.action]
        if not statements.claim(session, item_id, status, version):
            self._refuse(session, item_id, version)
        statements.write_verdict(session, item_id, verdict)
        detail = {"action": given.action, "corrected_answer": verdict.corrected_answer, "note": verdict.note}
        if verdict.reason_code:
            detail["reason_code"] = verdict.reason_code
        session.add(event_row(item_id, actor=verdict.operator, what=status, detail=detail))

    def events(self, item_id: str) -> builtins.list[Event]:
        """Return an item's audit trail, oldest first.

        Raises:
            StoreError: There is no such item.
        """
        query = select(EventRow).where(EventRow.item_id == item_id).order_by(EventRow.id)
        with self._transaction() as session:
            self._row(session, item_id)
            return [event_from(row) for row in session.scalars(query)]

    @contextmanager
    def _transaction(self, *, write: bool = False, durable: bool = True) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back by any error.

        Args:
            write: Wait in line with other writers; for what many do at once.
            durable: Whether it must survive a power cut. What one has taken or looked at need not; verdicts must.
        """
        if self._closed:
            msg = "this review store is closed; open a new one"
            raise StoreError(msg)
        with (
            store_errors(self._url),
            self._turn if write else nullcontext(),
            _Session(self._engine if durable else self._quick, expire_on_commit=False) as session,
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

    def _refuse(self, session: Session, item_id: str, version: int | None) -> NoReturn:
        """Say why an item could not be changed."""
        raise ConflictError(_conflict(item_from(self._row(session, item_id)), version))


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
