"""What leads do at the desk, without the web: settings, probes, disagreements, and what the figures say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, aliased

from thermolang.review import alarms, repeats, work
from thermolang.review.alarms import StoredAlarm
from thermolang.review.checks import check, check_lengths, check_operator
from thermolang.review.records import ReviewItem, Verdict, event_row, item_from, utc_now
from thermolang.review.schema import DoubleRow, ItemRow, ProbeRow, RepeatRow, ShowingRow, TaskSettingRow, VerdictRow
from thermolang.review.service import ReviewService
from thermolang.review.settings import Settings, TaskSettings, read_settings
from thermolang.review.store import ReviewStore
from thermolang.review.work import Work

if TYPE_CHECKING:
    from thermolang.review.dashboard import Day, Quality, Wait
    from thermolang.review.insight import Agreement, Help, Trial

MOST_ROWS = 200


@dataclass(frozen=True)
class Probe:
    """An item whose answer is known.

    Attributes:
        item: The item; its verdict says what is known.
        known_right: Whether the answer is right.
        marked_by: Who said so.
        judged: By how many operators it has been judged since.
        judged_well: By how many of them well.
    """

    item: ReviewItem
    known_right: bool
    marked_by: str
    judged: int
    judged_well: int


@dataclass(frozen=True)
class Disagreement:
    """Two people who judge the same answer differently.

    Attributes:
        first: The item with the first verdict, which counts until a lead says otherwise.
        second: The copy with the second one.
    """

    first: ReviewItem
    second: ReviewItem


class LeadService:
    """Settings, probes, disagreements and figures; the caller checks that a lead asks.

    What computes figures is imported with the first of them: it takes more memory than all else at a desk.

    Args:
        store: Where the items are; it stays open.
        clock: Returns the time now, aware.

    Example:
        >>> from thermolang import Confidence, Decision
        >>> with ReviewStore("sqlite://") as store:
        ...     item = store.submit("1+1?", "3", confidence=Confidence(0.7), decision=Decision("review", "low", 0.8))
        ...     done = store.decide(item.id, "reject", operator="lea")
        ...     leads = LeadService(store)
        ...     leads.mark_probe(item.id, operator="lea")
        ...     leads.set_settings("*", TaskSettings(mode="random", probe_share=0.05), operator="lea")
        ...     [probe.known_right for probe in leads.probes()]
        [False]
    """

    def __init__(self, store: ReviewStore, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._clock = clock
        self._desk = ReviewService(store, clock=clock)

    def settings(self) -> Settings:
        """The settings of all tasks."""
        with self._store._transaction() as session:
            return read_settings(session)

    def set_settings(self, task: str, settings: TaskSettings | None, *, operator: str) -> None:
        """Change how a task is reviewed; showings that have begun stay as they were.

        Args:
            task: Name of the task; ``"*"`` for all tasks without their own settings.
            settings: The new ones; None takes the task's own settings away.
            operator: Who changes them.

        Raises:
            StoreError: The mode or a share is not allowed.
        """
        check_operator(operator)
        check_lengths(task=task)
        if settings is not None:
            settings.check()
        with self._store._transaction() as session:
            row = session.get(TaskSettingRow, task)
            if row is not None:
                session.delete(row)
                session.flush()
            if settings is not None:
                changed = {"changed_by": operator, "changed_at": self._clock()}
                session.add(TaskSettingRow(task=task, **asdict(settings), **changed))

    def mark_probe(self, item_id: str, *, operator: str) -> None:
        """Let a decided item test how people judge: it was right if its verdict accepts it, and wrong otherwise.

        Raises:
            StoreError: There is no such item, it is undecided, or it is a copy of another one.
        """
        check_operator(operator)
        with self._store._transaction() as session:
            row = self._store._row(session, item_id)
            check(row.verdict is not None, "a probe needs a known answer: decide the item first")
            check(session.get(RepeatRow, item_id) is None, "the item is a copy of another one, which can be a probe")
            assert row.verdict is not None
            right, at = row.verdict.action == "accept", self._clock()
            session.merge(ProbeRow(item_id=item_id, known_right=right, marked_by=operator, marked_at=at))
            session.add(event_row(item_id, actor=operator, what="probe", detail={"known_right": right}))

    def unmark_probe(self, item_id: str, *, operator: str) -> None:
        """Take a probe back; what was judged of it does not count any more.

        Raises:
            StoreError: There is no such probe.
        """
        check_operator(operator)
        with self._store._transaction() as session:
            probe = session.get(ProbeRow, item_id)
            check(probe is not None, "the item is no probe")
            session.delete(probe)
            repeats.withdraw(session, item_id)
            session.add(event_row(item_id, actor=operator, what="no_probe", detail={}))

    def is_probe(self, item_id: str) -> bool:
        """Whether an item is a probe."""
        with self._store._transaction() as session:
            return session.get(ProbeRow, item_id) is not None

    def probes(self) -> list[Probe]:
        """The probes, the newest first, up to 200."""
        copy, well = (
            aliased(ItemRow),
            func.sum(case(((VerdictRow.action == "accept") == ProbeRow.known_right, 1), else_=0)),
        )
        counted = (
            select(RepeatRow.original_id, func.count(), well)
            .join(copy, copy.id == RepeatRow.item_id)
            .join(VerdictRow, VerdictRow.item_id == copy.id)
            .join(ProbeRow, ProbeRow.item_id == RepeatRow.original_id)
            .where(RepeatRow.kind == "probe")
            .group_by(RepeatRow.original_id)
        )
        query = select(ItemRow, ProbeRow).join(ProbeRow, ProbeRow.item_id == ItemRow.id)
        query = query.order_by(ProbeRow.marked_at.desc(), ItemRow.id).limit(MOST_ROWS)
        with self._store._transaction() as session:
            counts = {row[0]: (row[1], row[2]) for row in session.execute(counted)}
            return [
                Probe(item_from(row), probe.known_right, probe.marked_by, *counts.get(row.id, (0, 0)))
                for row, probe in session.execute(query)
            ]

    def trials(self) -> list[Trial]:
        """What operators made of probes, the latest first, up to 20,000."""
        from thermolang.review.dashboard import RECENT
        from thermolang.review.insight import Trial

        query = (
            select(
                VerdictRow.operator,
                ShowingRow.with_number,
                ProbeRow.known_right,
                VerdictRow.action == "accept",
                ItemRow.confidence,
                ShowingRow.seconds,
            )
            .join(RepeatRow, RepeatRow.item_id == VerdictRow.item_id)
            .join(ProbeRow, ProbeRow.item_id == RepeatRow.original_id)
            .join(ItemRow, ItemRow.id == VerdictRow.item_id)
            .join(
                ShowingRow,
                (ShowingRow.item_id == VerdictRow.item_id) & (ShowingRow.operator == VerdictRow.operator),
            )
            .where(RepeatRow.kind == "probe")
            .order_by(RepeatRow.at.desc(), RepeatRow.item_id)
            .limit(RECENT)
        )
        with self._store._transaction() as session:
            return [Trial(*row) for row in session.execute(query)]

    def helps(self) -> list[Help]:
        """Whether the confidence helps: for all together, and then for each operator."""
        from thermolang.review.insight import by_operator

        return by_operator(self.trials())

    def agreement(self) -> Agreement:
        """How alike first and second verdicts are."""
        from thermolang.review.insight import agreement

        query = select(DoubleRow.first_right, DoubleRow.second_right).where(DoubleRow.second_right.is_not(None))
        with self._store._transaction() as session:
            return agreement([(first, bool(second)) for first, second in session.execute(query)])

    def disagreements(self) -> list[Disagreement]:
        """Pairs of verdicts that a lead has not settled, the oldest first, up to 200."""
        # Only the few pairs themselves are looked through; their items are then taken by id.
        query = select(DoubleRow.item_id, DoubleRow.copy_id)
        query = query.where(DoubleRow.first_right != DoubleRow.second_right, DoubleRow.settled_at.is_(None))
        with self._store._transaction() as session:
            pairs = [
                (self._store._row(session, first), self._store._row(session, second or ""))
                for first, second in session.execute(query.order_by(DoubleRow.item_id).limit(MOST_ROWS))
            ]
            decided = [pair for pair in pairs if all(row.status != "pending" for row in pair)]
            decided.sort(key=lambda pair: (pair[0].created_at, pair[0].id))
            return [Disagreement(item_from(one), item_from(other)) for one, other in decided]

    def settle(self, item_id: str, verdict: Literal["first", "second"], *, operator: str) -> ReviewItem:
        """Say which of two verdicts counts; the second one then replaces the first, in the lead's name.

        Args:
            item_id: The item with the first verdict.
            verdict: Which one.
            operator: The lead.

        Returns:
            The item with the verdict that counts.

        Raises:
            StoreError: There is no such disagreement, or somebody has settled it.
        """
        check_operator(operator)
        check(verdict in ("first", "second"), f"unknown verdict {verdict!r}; first or second")
        with self._store._transaction() as session:
            double = session.get(DoubleRow, item_id, with_for_update=True)
            check(double is not None and double.second_right is not None, "no two verdicts differ on this item")
            assert double is not None
            check(double.settled_at is None, f"{double.settled_by} has settled this already")
            double.settled_by, double.settled_at = operator, self._clock()
            session.add(event_row(item_id, actor=operator, what="settled", detail={"verdict": verdict}))
            if verdict == "second":
                self._replace(session, item_id, double.copy_id or "", operator)
            session.flush()
            return item_from(self._store._row(session, item_id))

    def quality(
        self, threshold: float | None = None, *, alpha: float = 0.05, delta: float = 0.05, task: str | None = None
    ) -> Quality:
        """Recent verdicts against confidences, what a threshold would change, and what each guarantee says about it.

        Args:
            threshold: Accepts confidences from here on; by default the one in use.
            alpha: Largest error among accepted answers that is asked for.
            delta: Probability that the high-probability guarantee fails.
            task: Only this task; None for all.

        Raises:
            StoreError: A number is out of range.
        """
        from thermolang.review.dashboard import quality

        with self._store._transaction() as session:
            return quality(session, threshold, alpha=alpha, delta=delta, task=task)

    def load(self) -> list[Day]:
        """New and decided items of the last two weeks."""
        from thermolang.review.dashboard import load

        with self._store._transaction() as session:
            return load(session, self._clock())

    def waits(self) -> list[Wait]:
        """How long items wait and waited."""
        from thermolang.review.dashboard import waits

        with self._store._transaction() as session:
            return waits(session, self._clock())

    def work(self, item_id: str | None = None) -> list[Work]:
        """Who works on what, and what waits for a lead, up to 200 of each.

        Args:
            item_id: Also this item, first, if it is undecided.
        """
        with self._store._transaction() as session:
            return work.find(session, self._clock(), item_id)

    def alarms(self) -> list[StoredAlarm]:
        """What monitors have noticed, up to 100: what nobody has seen first, then the newest first."""
        with self._store._transaction() as session:
            return alarms.find(session)

    def see_alarm(self, alarm_id: int, *, operator: str) -> None:
        """Say that one has seen an alarm, so that it does not stand first any more.

        Raises:
            StoreError: There is no such alarm.
        """
        with self._store._transaction() as session:
            alarms.see(session, alarm_id, operator, self._clock())

    def _replace(self, session: Session, item_id: str, copy_id: str, operator: str) -> None:
        """Put the copy's verdict in the place of the item's own."""
        given = self._store._row(session, copy_id).verdict
        check(given is not None, "the second verdict was taken back")
        assert given is not None
        row = self._store._row(session, item_id)
        note = f"{given.operator}: {given.note}" if given.note else given.operator
        self._desk._take_back(session, row, row.version, actor=operator, what="reopened", note="")
        code = given.reason_code
        verdict = Verdict(given.action, operator, self._clock(), given.corrected_answer, note, code)  # type: ignore[arg-type]
        self._store._record(session, item_id, verdict, row.version)
