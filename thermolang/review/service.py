"""What an operator does at the desk, without the web: take the next item, decide, undo, keep a draft, search."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from thermolang.errors import ConflictError
from thermolang.review import queue, repeats, statements
from thermolang.review import search as searching
from thermolang.review.checks import check, check_lengths, check_operator, check_version
from thermolang.review.database import upsert
from thermolang.review.queue import ASSIGNED, LEASE
from thermolang.review.records import ReviewItem, Verdict, event_row, item_from, utc_now
from thermolang.review.schema import (
    STATUSES,
    DraftRow,
    EventRow,
    ItemRow,
    LeaseRow,
    PassKind,
    PassRow,
    ProbeRow,
    RejectCode,
    RepeatRow,
    VerdictAction,
    VerdictRow,
)
from thermolang.review.search import Filter, Order, Page
from thermolang.review.settings import Settings, read_settings
from thermolang.review.statements import Seen
from thermolang.review.store import ReviewStore

UNDO = timedelta(seconds=60)


@dataclass(frozen=True)
class Draft:
    """What an operator has typed about an item and not yet decided.

    Attributes:
        correction: The corrected answer so far; None if the editor was not opened.
        note: The note so far.
    """

    correction: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Lease:
    """An item that is an operator's to decide, for a while.

    Attributes:
        item: The item.
        operator: Whose it is; somebody else's is read-only.
        until: When it becomes free, unless it is renewed; in UTC. None if it is decided.
        draft: What the operator had typed about it.
        with_number: Whether the operator may see the confidence and what tells of it; see ``TaskSettings.mode``.
    """

    item: ReviewItem
    operator: str
    until: datetime | None
    draft: Draft
    with_number: bool = True


class ReviewService:
    """The queue for several operators at once: each gets other items, and nobody decides what was not shown.

    An item that an operator takes is leased: others do not get it until it is decided, given back, or the lease ends.
    A lease that nobody renews ends by itself, so that no item stays hidden.

    Args:
        store: Where the items are; it stays open.
        clock: Returns the time now, aware.
        draw: Returns random numbers in [0, 1), which decide on probes and second reviews.

    Example:
        >>> from thermolang import Confidence, Decision
        >>> with ReviewStore("sqlite://") as store:
        ...     item = store.submit("1+1?", "3", confidence=Confidence(0.2), decision=Decision("review", "low", 0.8))
        ...     desk = ReviewService(store)
        ...     taken = desk.next("ann").item
        ...     desk.decide(taken.id, taken.version, "correct", operator="ann", corrected_answer="2").status
        'corrected'
    """

    def __init__(
        self,
        store: ReviewStore,
        *,
        clock: Callable[[], datetime] = utc_now,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._draw = draw
        self._counted: tuple[int, dict[str, int]] = (-1, {})

    def next(self, operator: str, chosen: Filter | None = None) -> Lease | None:
        """Lease the next item: the operator's own lease if there is one, otherwise the most doubtful band's.

        Within a band of confidence each operator goes through the items in another order. Items that the operator
        passed come last, those of others' leases and those that wait for a lead not at all. Where the settings ask
        for probes and second reviews, these come among the others, and some items come from other bands. Where
        confidences may be hidden, the bands come in random order.

        Args:
            operator: Who asks.
            chosen: Which items; its status and operator do not matter. ``flagged`` gives those that wait for a lead.

        Returns:
            The item under a lease; None if there is none to be had, of which ``stats`` tells the reason.

        Raises:
            StoreError: The filter is unknown or the database cannot be used.
        """
        check_operator(operator)
        chosen = replace(chosen or Filter(), status="pending", operator=None)
        searching.check_filter(chosen)
        at = self._clock()
        with self._store._transaction(write=True, durable=False) as session:
            settings = read_settings(session)
            mine = queue.held(session, settings, operator, chosen, at)
            if mine and (held := self._lease(session, mine, operator, at)):
                return self._shown(session, settings, held, operator, at)
            for item_id in queue.offers(session, settings, operator, chosen, at, self._draw):
                if held := self._lease(session, item_id, operator, at):
                    return self._shown(session, settings, held, operator, at)
        return None

    def open(self, item_id: str, operator: str) -> Lease:
        """Show one item, and lease it if it is undecided and free.

        Returns:
            The item; ``operator`` says whose it is.

        Raises:
            StoreError: There is no such item.
        """
        check_operator(operator)
        at = self._clock()
        with self._store._transaction(write=True, durable=False) as session:
            row = self._store._row(session, item_id)
            if row.status != "pending":
                whose = row.verdict.operator if row.verdict else ""
                return Lease(item_from(row), whose, None, _draft(session, item_id, operator))
            seen = self._lease(session, item_id, operator, at) or statements.look(session, item_id, operator, at)
            return self._shown(session, read_settings(session), seen, operator, at)

    def renew(self, item_id: str, operator: str) -> bool:
        """Keep a lease alive; the page calls it while it is open.

        Returns:
            Whether the item is still the operator's.
        """
        at = self._clock()
        with self._store._transaction(write=True, durable=False) as session:
            return self._lease(session, item_id, operator, at) is not None

    def release(self, item_id: str, operator: str) -> None:
        """Give an item back without a word about it; one that a lead has given to the operator stays."""
        mine = [LeaseRow.item_id == item_id, LeaseRow.operator == operator, LeaseRow.until <= self._clock() + LEASE]
        with self._store._transaction(write=True, durable=False) as session:
            session.execute(delete(LeaseRow).where(*mine))

    def assign(self, item_id: str, to: str, *, operator: str) -> None:
        """Give an undecided item to somebody, whoever has it now; for leads, which the caller checks.

        It comes next for that person, and to nobody else for four hours, or until that person skips it. What others
        have typed about it stays.

        Raises:
            ConflictError: Somebody has decided it.
            StoreError: There is no such item, or it is a copy that tests how one person judges.
        """
        check_operator(operator)
        check_operator(to)
        with self._store._transaction(write=True) as session:
            row = self._store._row(session, item_id)
            check(session.get(RepeatRow, item_id) is None, "the item is a copy for one person, and stays with that one")
            if row.status != "pending":
                self._store._refuse(session, item_id, None)
            values = {"item_id": item_id, "operator": to, "until": self._clock() + ASSIGNED}
            upsert(session, LeaseRow, values, ("operator", "until"))
            session.add(event_row(item_id, actor=operator, what="assigned", detail={"to": to}))

    def decide(
        self,
        item_id: str,
        version: int,
        action: VerdictAction,
        *,
        operator: str,
        corrected_answer: str | None = None,
        note: str = "",
        reason_code: RejectCode | Literal[""] = "",
    ) -> ReviewItem:
        """Record a verdict on an item as it was shown.

        Args:
            item_id: The item.
            version: The version that was shown.
            action: One of ``thermolang.review.ACTIONS``.
            operator: Who decides.
            corrected_answer: The right answer; with ``"correct"`` and only there.
            note: What the operator wants to add.
            reason_code: One of ``thermolang.review.REJECT_CODES``; with ``"reject"`` and only there.

        Returns:
            The item with its verdict.

        Raises:
            ConflictError: Somebody else decided it, is working on it, or it has changed; the message says who and when.
            StoreError: There is no such item, or the verdict is incomplete.
        """
        check(version is not None, "a verdict carries the version of the item that was shown")
        at = self._clock()
        with self._store._transaction(write=True) as session:
            given = Verdict(action, operator, at, corrected_answer, note, reason_code)
            # First the verdict, which locks the item; then the look at who else is on it.
            self._store._record(session, item_id, given, version)
            seen = self._refuse_others(session, item_id, operator, at)
            self._forget(session, item_id, operator, seen)
            if seen.shown is not None:
                statements.took(session, item_id, operator, (at - seen.shown).total_seconds())
            settings, right, kind = read_settings(session), action == "accept", seen.repeat
            draw = self._draw()
            repeats.after_verdict(
                session, settings, item_id, seen.item.task, operator, kind=kind, right=right, draw=draw
            )
            return seen.item

    def leave(self, item_id: str, version: int, kind: PassKind, *, operator: str, note: str = "") -> None:
        """Leave an item undecided: skip it, or say that one cannot tell, which passes it to a lead.

        Args:
            item_id: The item.
            version: The version that was shown.
            kind: ``"skip"`` or ``"cannot_tell"``.
            operator: Who leaves it.
            note: For the lead.

        Raises:
            ConflictError: Somebody else decided it, is working on it, or it has changed.
            StoreError: There is no such item or kind.
        """
        check(kind in ("skip", "cannot_tell"), f"unknown way to leave an item {kind!r}; skip or cannot_tell")
        check_operator(operator)
        check_lengths(note=note)
        check_version(version)
        at = self._clock()
        with self._store._transaction(write=True) as session:
            # ``skip`` changes nothing, but the item must be as it was shown.
            changes: dict[str, Any] = {"flagged": True, "version": ItemRow.version + 1}
            self._change(session, item_id, version, changes if kind == "cannot_tell" else {"version": ItemRow.version})
            seen = self._refuse_others(session, item_id, operator, at)
            values = {"item_id": item_id, "operator": operator, "kind": kind, "at": at}
            upsert(session, PassRow, values, ("kind", "at"))
            if kind == "cannot_tell":
                detail = {"note": self._store._text(note)}
                session.add(event_row(item_id, actor=operator, what="cannot_tell", detail=detail))
                self._forget(session, item_id, operator, seen)
            else:
                statements.free(session, item_id)

    def undo(self, item_id: str, version: int, *, operator: str) -> Lease:
        """Take one's own verdict back, within a minute.

        Args:
            item_id: The item.
            version: The version that ``decide`` returned.
            operator: Who decided it.

        Returns:
            The item, undecided, under a lease.

        Raises:
            ConflictError: The minute is over, somebody else decided it, or it has changed since.
            StoreError: There is no such item.
        """
        at = self._clock()
        with self._store._transaction(write=True) as session:
            row = self._store._row(session, item_id)
            if row.verdict is None or row.verdict.operator != operator:
                msg = "only one's own verdict can be undone; a lead can reopen an item"
                raise ConflictError(msg)
            if at - row.verdict.created_at > UNDO:
                msg = f"a verdict can be undone for {UNDO.seconds} seconds; a lead can reopen the item"
                raise ConflictError(msg)
            draft = {"correction": row.verdict.corrected_answer, "note": row.verdict.note}
            self._take_back(session, row, version, actor=operator, what="undone", note="")
            repeats.after_undo(session, item_id)
            upsert(session, DraftRow, _draft_values(item_id, operator, draft, at), ("content", "at"))
            held = self._lease(session, item_id, operator, at) or statements.look(session, item_id, operator, at)
            return self._shown(session, read_settings(session), held, operator, at)

    def reopen(self, item_id: str, version: int, *, operator: str, note: str = "") -> ReviewItem:
        """Make a decided item pending again; for leads, which the caller checks.

        Raises:
            ConflictError: The item has changed since this version.
            StoreError: There is no such item, or nobody has decided it.
        """
        check_operator(operator)
        check_lengths(note=note)
        with self._store._transaction(write=True) as session:
            row = self._store._row(session, item_id)
            check(row.verdict is not None, "the item is undecided: there is nothing to reopen")
            self._take_back(session, row, version, actor=operator, what="reopened", note=note)
            repeats.after_undo(session, item_id)
            return item_from(row)

    def save_draft(self, item_id: str, operator: str, draft: Draft) -> None:
        """Keep what an operator has typed; it is there again whatever happens to the page.

        Raises:
            StoreError: It is too long, or there is no such item.
        """
        check_operator(operator)
        check_lengths(note=draft.note, corrected_answer=draft.correction or "")
        correction = None if draft.correction is None else self._store._text(draft.correction)
        content = {"correction": correction, "note": self._store._text(draft.note)}
        with self._store._transaction(write=True) as session:
            self._store._row(session, item_id)
            values = _draft_values(item_id, operator, content, self._clock())
            upsert(session, DraftRow, values, ("content", "at"))

    def draft(self, item_id: str, operator: str) -> Draft:
        """What an operator has typed about an item; empty if nothing."""
        with self._store._transaction() as session:
            return _draft(session, item_id, operator)

    def search(
        self,
        chosen: Filter | None = None,
        *,
        operator: str = "",
        others: bool = True,
        order: Order = "confidence",
        limit: int = 50,
        offset: int = 0,
    ) -> Page:
        """A page of items.

        Args:
            chosen: Which items; by default all that are pending.
            operator: Who asks: sees the own repeats, and nobody else's.
            others: Whether also items that others decided.
            order: ``"confidence"`` (the most doubtful first), ``"oldest"`` or ``"newest"``.
            limit: Rows, 1 to 200.
            offset: Skip so many.

        Raises:
            StoreError: The filter, the order or a number is unknown.
        """
        seen = repeats.visible_to(operator, others=others)
        with self._store._transaction() as session:
            settings, at = read_settings(session), self._clock()
            found = chosen or Filter()
            return searching.find(session, found, order, limit, offset, at=at, settings=settings, seen=seen)

    def prepare(self, operator: str) -> None:
        """Make copies of probes and of items for a second review, which ``next`` then mixes into the operator's work.

        The desk does so now and then for every reviewer whose page is open; others call it themselves.
        """
        check_operator(operator)
        with self._store._transaction(write=True) as session:
            repeats.prepare(session, read_settings(session), operator, self._clock())

    def changes(self) -> int:
        """A number that grows with everything that happens to items; cheap enough to ask every second."""
        with self._store._transaction() as session:
            return session.scalar(select(func.max(EventRow.id))) or 0

    def stats(self, operator: str = "") -> dict[str, int]:
        """Numbers for the head of the page.

        Args:
            operator: Whose passes are counted.

        Returns:
            A number for each status, and of the pending items ``"flagged"`` (wait for a lead), ``"leased"`` (others
            are on them) and ``"passed"`` (by the operator); and ``"changes"``.
        """
        at, changes = self._clock(), self.changes()
        with self._store._transaction() as session:
            counts = self._counts(session, changes)
            others = select(func.count()).where(LeaseRow.until > at, LeaseRow.operator != operator)
            passed = select(func.count()).select_from(PassRow).join(ItemRow, ItemRow.id == PassRow.item_id)
            passed = passed.where(PassRow.operator == operator, ItemRow.status == "pending", ~ItemRow.flagged)
            hidden = repeats.hidden_counts(session, operator)
            counts = {name: count - hidden.get(name, 0) for name, count in counts.items()}
            work = {"leased": session.scalar(others) or 0, "passed": session.scalar(passed) or 0}
            return {**counts, **work, "changes": changes}

    def tasks(self) -> list[str]:
        """Names of all tasks that items have."""
        with self._store._transaction() as session:
            return searching.tasks(session)

    def _counts(self, session: Session, changes: int) -> dict[str, int]:
        """Items by status; counted again only after a change."""
        if self._counted[0] == changes:
            return self._counted[1]
        query = select(ItemRow.status, func.count()).group_by(ItemRow.status)
        counts: dict[str, int] = dict.fromkeys(STATUSES, 0)
        counts.update((status, count) for status, count in session.execute(query))
        flagged = select(func.count()).where(ItemRow.status == "pending", ItemRow.flagged)
        counts["flagged"] = session.scalar(flagged) or 0
        self._counted = (changes, counts)
        return counts

    def _lease(self, session: Session, item_id: str, operator: str, at: datetime) -> Seen | None:
        """Lease an item, or renew the lease; None if it is somebody else's or decided."""
        if not statements.take(session, item_id, operator, at, at + LEASE):
            return None
        # Read after the lease is written: who decided in between was first.
        seen = statements.look(session, item_id, operator, at)
        if seen.item.status == "pending":
            return seen
        statements.free(session, item_id)
        return None

    def _shown(self, session: Session, settings: Settings, seen: Seen, operator: str, at: datetime) -> Lease:
        """The item as the operator sees it; what is seen is noted if it is the operator's to decide."""
        item, number = seen.item, seen.with_number
        # Once seen with its number, an item stays so.
        if number is None:
            number = settings.shows_number(item.id, item.task, operator)
        if seen.operator == operator:
            statements.show(session, item.id, operator, at, with_number=number)
        return Lease(item, seen.operator or "", seen.until, _draft_of(seen.draft), number)

    def _refuse_others(self, session: Session, item_id: str, operator: str, at: datetime) -> Seen:
        """Raise, and so roll back, if somebody else's lease is alive."""
        seen = statements.look(session, item_id, operator, at)
        if seen.until is not None and seen.operator != operator:
            msg = f"{seen.operator} is working on this item until {seen.until:%H:%M:%S} UTC; take another one"
            raise ConflictError(msg)
        return seen

    def _change(self, session: Session, item_id: str, version: int | None, changes: dict[str, Any]) -> None:
        """Change a pending item of this version, or raise."""
        where = [ItemRow.id == item_id, ItemRow.status == "pending", ItemRow.version == version]
        change = update(ItemRow).where(*where).values(changes).execution_options(synchronize_session=False)
        result: Any = session.execute(change)
        if result.rowcount != 1:
            self._store._refuse(session, item_id, version)

    def _take_back(self, session: Session, row: ItemRow, version: int, *, actor: str, what: str, note: str) -> None:
        """Make a decided item pending again, with its verdict kept in the audit trail."""
        check_version(version)
        check(session.get(ProbeRow, row.id) is None, "the item is a probe: its verdict is known; unmark it first")
        where = [ItemRow.id == row.id, ItemRow.version == version, ItemRow.status != "pending"]
        changes = {"status": "pending", "version": ItemRow.version + 1}
        change = update(ItemRow).where(*where).values(changes).execution_options(synchronize_session=False)
        result: Any = session.execute(change)
        if result.rowcount != 1:
            msg = f"the item has changed since it was read: version {row.version}, not {version}; read it again"
            raise ConflictError(msg)
        detail = {"verdict": row.verdict.action if row.verdict else "", "note": self._store._text(note)}
        session.execute(delete(VerdictRow).where(VerdictRow.item_id == row.id))
        session.add(event_row(row.id, actor=actor, what=what, detail=detail))
        session.flush()
        session.refresh(row)

    def _forget(self, session: Session, item_id: str, operator: str, seen: Seen) -> None:
        """After a decision nobody works on the item, and the operator's draft is done with."""
        statements.free(session, item_id)
        if seen.draft is not None:
            statements.forget_draft(session, item_id, operator)


def _draft_values(item_id: str, operator: str, content: dict[str, Any], at: datetime) -> dict[str, Any]:
    return {"item_id": item_id, "operator": operator, "content": content, "at": at}


def _draft_of(content: dict[str, Any] | None) -> Draft:
    return Draft(**content) if content else Draft()


def _draft(session: Session, item_id: str, operator: str) -> Draft:
    row = session.get(DraftRow, (item_id, operator), populate_existing=True)
    return _draft_of(row.content if row else None)
