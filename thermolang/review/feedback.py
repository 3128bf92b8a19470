"""What verdicts are good for: a random audit of accepted answers, labels that certify, lessons for an estimator."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.review.schema import ItemRow, LearnedRow, ordinary
from thermolang.types import Confidence

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore
    from thermolang.routing.certificates import Label


@dataclass(frozen=True)
class Audit:
    """Draws accepted answers at random, so that people judge some of those that nobody would have looked at.

    An answer is drawn if a hash of it, as a number in [0, 1), is below the rate. So the draw can be repeated and
    checked, does not depend on the order in which answers come, and knows nothing of confidences and verdicts.
    ``detects`` says what a rate is enough for.

    Attributes:
        rate: Share of the accepted answers that is drawn, in [0, 1].
        seed: Draws other answers. Keep it secret where somebody could choose answers by whether they are drawn.

    Raises:
        InvalidInputError: The rate is outside [0, 1].

    Example:
        >>> audit = Audit(0.5)
        >>> [audit.draw("capitals", question) < audit.rate for question in ("Peru?", "Chad?", "Oman?", "Fiji?")]
        [False, True, True, True]
    """

    rate: float = 0.05
    seed: str = ""

    def __post_init__(self) -> None:
        # NaN fails both comparisons, so it is refused here too.
        if not 0 <= self.rate <= 1:
            msg = f"the rate of an audit is a share between 0 and 1, not {self.rate}"
            raise InvalidInputError(msg)

    def draw(self, *texts: str) -> float:
        """The number in [0, 1) of an answer with these texts."""
        # As JSON, in which ["a", "bc"] and ["ab", "c"] differ.
        digest = hashlib.sha256(json.dumps([self.seed, *texts]).encode()).digest()
        # 53 bits are what a float holds exactly.
        return float((int.from_bytes(digest[:8], "big") >> 11) / (1 << 53))


@dataclass(frozen=True)
class Detection:
    """How much it takes to notice a rise of the error.

    Attributes:
        labels: Verdicts on audited answers.
        answers: Accepted answers until so many are drawn, on average.
    """

    labels: int
    answers: int


def detects(rate: float, *, error: float, rise: float, certainty: float = 0.95, power: float = 0.8) -> Detection:
    """How many audited answers, and accepted ones, until a rise of the error is noticed.

    The verdicts are tested once, with the exact one-sided binomial test of "the error is at most ``error``" at level
    1 - ``certainty``. The number of labels n is the smallest with P(X >= k(n)) >= ``power`` for X ~ Binomial(n,
    error + rise), where k(n) is the smallest k with P(X >= k) <= 1 - certainty for X ~ Binomial(n, error) (Fleiss,
    Levin and Paik, 2003, chapter 2). ``routing.Monitor`` watches all the time and needs somewhat more.

    A rule of thumb, error * (1 - error) / rise^2, is the n at which the rise is one standard error: it goes unnoticed
    most of the time.

    Args:
        rate: Of the audit, in (0, 1].
        error: Share of wrong answers among accepted ones as it was, in [0, 1).
        rise: By how much it grows; > 0, and error + rise at most 1.
        certainty: 1 - the probability of a false alarm, in (0, 1).
        power: Probability that the rise is noticed, in (0, 1).

    Raises:
        InvalidInputError: A number is outside its range.

    Example:
        >>> detects(0.05, error=0.1, rise=0.05)
        Detection(labels=270, answers=5400)
        >>> detects(0.05, error=0.1, rise=0.2).labels
        25
    """
    from scipy.stats import binom

    inside = 0 < rate <= 1 and 0 <= error < 1 and 0 < certainty < 1 and 0 < power < 1
    if not (inside and rise > 0 and error + rise <= 1 + 1e-12):
        msg = f"expected a rate in (0, 1], certainty and power in (0, 1) and error < error + rise <= 1, got {rate=}, "
        raise InvalidInputError(msg + f"{error=}, {rise=}, {certainty=}, {power=}")
    import numpy as np

    risen = min(error + rise, 1.0)
    first, size = 1, 256
    while True:
        sizes = np.arange(first, first + size)
        # P(X >= k) = sf(k - 1); isf gives the smallest k - 1 at which it is low enough.
        critical = binom.isf(1 - certainty, sizes, error)
        seen = binom.sf(critical, sizes, risen) >= power
        if seen.any():
            labels = int(sizes[np.argmax(seen)])
            return Detection(labels, math.ceil(labels / rate - 1e-9))
        # Few sizes at first, as most questions need few; then ever more.
        first, size = first + size, 2 * size


@dataclass(frozen=True)
class Sample:
    """The verdicts of a store that certify: those on a random sample of the answers.

    Attributes:
        labels: One for each verdict.
        audited: How many of them are of the audit; the others were sent to review together with all others.
        contradicted: Verdicts on answers that were also judged otherwise; they count as wrong.
    """

    labels: tuple[Label, ...]
    audited: int
    contradicted: int


def random_sample(store: ReviewStore, *, task: str | None = None, until: datetime | None = None) -> Sample:
    """The verdicts on answers that were drawn by the audit, or sent to review whatever their confidence was.

    All other verdicts are on answers that a policy found doubtful, or that somebody chose: these say nothing about
    accepted ones. The sample must have been judged as a whole, as operators do not take answers at random.

    Args:
        store: The store.
        task: Only answers of this task.
        until: Only answers that came before. Choose it without looking at verdicts.

    Raises:
        NotEnoughDataError: There are no such verdicts, or some of the sample wait for theirs.
    """
    where = _of(task)
    with store._transaction() as session:
        items = session.scalar(select(func.count()).select_from(ItemRow).where(*where)) or 0
        query = select(ItemRow).where(or_(ItemRow.audit, ItemRow.decision_threshold >= 1), *where)
        if until is not None:
            query = query.where(ItemRow.created_at < until)
        rows = session.scalars(query.order_by(ItemRow.created_at, ItemRow.id)).unique().all()
    if not rows:
        raise NotEnoughDataError(_no_sample(items, task, until))
    if waiting := sum(row.status == "pending" for row in rows):
        msg = (
            f"{waiting} of the {len(rows)} answers of the sample still wait for a verdict; operators do not take them "
            "at random, so the judged ones are no random sample: judge all of them, or name a date until which all are"
        )
        raise NotEnoughDataError(msg)
    disputed = _contradicted(rows)
    return Sample(tuple(_label(row, row.id in disputed) for row in rows), sum(row.audit for row in rows), len(disputed))


def _of(task: str | None) -> list[ColumnElement[bool]]:
    """Items of a task, or of all; verdicts on copies, as on probes, are about people and not about answers."""
    return [ordinary()] if task is None else [ordinary(), ItemRow.task == task]


def _no_sample(items: int, task: str | None, until: datetime | None) -> str:
    of = "" if task is None else f" of the task {task!r}"
    if not items:
        return f"the store holds no judged answers{of}, so no threshold can be found"
    if until is not None:
        return f"the store holds no random sample of answers{of} from before {until:%Y-%m-%d}"
    return (
        f"the store holds only answers{of} that a policy found doubtful, which say nothing about those it accepts: "
        "let the audit draw some of these (on by default), or collect a sample under Policy(review_all=True); and "
        "judge all of it"
    )


def _contradicted(rows: Sequence[ItemRow]) -> set[str]:
    """Ids of items whose very answer was also judged otherwise."""
    judged: dict[tuple[str, ...], list[ItemRow]] = {}
    for row in rows:
        # Without its texts an item cannot be compared any more.
        if row.status != "pending" and row.purged_at is None:
            judged.setdefault((row.task, row.question, row.context, row.answer), []).append(row)
    return {row.id for alike in judged.values() if len({r.status == "accepted" for r in alike}) > 1 for row in alike}


def _label(row: ItemRow, disputed: bool) -> Label:
    from thermolang.routing.certificates import Label

    scored = Confidence.from_dict(row.confidence_record)
    correct, above = row.status == "accepted" and not disputed, row.decision_threshold if row.audit else 0.0
    return Label(scored.value, correct, scored.supported, row.task, scored.calibrator, scored.task_version, above)


SETTLED = timedelta(seconds=60)
"""Age at which a verdict can no longer be undone by who gave it."""


class Teachable(Protocol):
    """What learns from verdicts; a ``ConfidenceEstimator`` does."""

    @property
    def calibrator(self) -> _Named | None:
        """What verdicts teach."""

    def learn(self, verdicts: Iterable[tuple[Confidence, bool]]) -> int:
        """Learn, and say how many verdicts could be used."""


class _Named(Protocol):
    @property
    def id(self) -> str: ...


@dataclass(frozen=True)
class Learned:
    """What became of verdicts that were not learned before.

    Attributes:
        verdicts: How many were taken.
        lessons: How many lessons they gave that could be used: one for an answer, or one for each field of it.
        contradicted: Left out, as the same answer was also judged otherwise.
        thinned: Left out, as they were selected by more than the estimator's scores show.
        waiting: Left for the next time, as they can still be undone.
        tasks: By task, how many verdicts were taken.
    """

    verdicts: int
    lessons: int
    contradicted: int
    thinned: int
    waiting: int
    tasks: dict[str, int]


def learn_from(
    store: ReviewStore,
    estimator: Teachable,
    *,
    task: str | None = None,
    settled: timedelta = SETTLED,
    again: bool = False,
) -> Learned:
    """Let an estimator learn from the verdicts of a store that it has not learned from, each once.

    The store remembers which ones, for each calibrator. A verdict is written there after it was learned, and learning
    it twice changes nothing, so a crash in between does no harm.

    **Why doubtful answers, which are judged more often, need no weights.** What is learned is a posterior given the
    scores of each answer, and whether an answer was judged depends on these scores alone. Such a selection is
    ignorable: it cancels in Bayes' rule (Rubin, 1976). Weights of 1 / probability of selection (Horvitz and Thompson,
    1952) would only add variance. A confidence by sampled answers (``"meaning"``) depends on more than the scores that
    are learned from, and then the selection is not ignorable. Of these only a random sample is learned: answers of the
    audit, and of the doubtful ones those that it would have drawn, too, had they been accepted. That is rejection
    sampling (Zadrozny, 2004), and leaves every answer the same probability to be learned from.

    Args:
        store: Where the verdicts are.
        estimator: Learns.
        task: Only verdicts on answers of this task.
        settled: Younger verdicts wait, as whoever gave them can still undo them.
        again: Also those that were learned already, such as after task states were lost.

    Raises:
        InvalidInputError: The estimator has no calibrator, or is a snapshot; then nothing counts as learned.
    """
    if estimator.calibrator is None:
        msg = "there is no calibrator that could learn: thermolang calibrate --model NAME"
        raise InvalidInputError(msg)
    name, now = estimator.calibrator.id, datetime.now(timezone.utc)
    with store._transaction() as session:
        rows = _unlearned(session, name, task, again=again)
        disputed = _disputed(session, task)
    from thermolang.review.records import item_from

    ripe = [row for row in rows if row.verdict is not None and row.verdict.created_at <= now - settled]
    agreed = [row for row in ripe if row.id not in disputed]
    random = [row for row in agreed if _ignorable(row)]
    lessons = [lesson for row in random for lesson in item_from(row).lessons]
    used = estimator.learn(lessons) if lessons else 0
    with store._transaction() as session:
        for row in ripe:
            session.merge(LearnedRow(item_id=row.id, calibrator=name, version=row.version, at=now))
    tasks: dict[str, int] = {}
    for row in random:
        tasks[row.task] = tasks.get(row.task, 0) + 1
    left_out = len(ripe) - len(agreed), len(agreed) - len(random)
    return Learned(len(random), used, *left_out, len(rows) - len(ripe), tasks)


def _unlearned(session: Session, calibrator: str, task: str | None, *, again: bool) -> Sequence[ItemRow]:
    """Judged items whose verdict this calibrator has not learned from."""
    same = and_(LearnedRow.item_id == ItemRow.id, LearnedRow.calibrator == calibrator)
    query = select(ItemRow).outerjoin(LearnedRow, and_(same, LearnedRow.version == ItemRow.version))
    query = query.where(ItemRow.status != "pending", *_of(task))
    if not again:
        query = query.where(LearnedRow.item_id.is_(None))
    return session.scalars(query.order_by(ItemRow.created_at, ItemRow.id)).unique().all()


def _disputed(session: Session, task: str | None) -> set[str]:
    query = select(ItemRow).where(ItemRow.status != "pending", *_of(task))
    return _contradicted(session.scalars(query).unique().all())


def _ignorable(row: ItemRow) -> bool:
    """Whether the selection of an item for review says no more than the scores that a lesson is learned from."""
    if row.confidence_record["source"] != "meaning" or row.audit or row.decision_threshold >= 1:
        return True
    return row.draw is not None and row.audit_rate is not None and row.draw < row.audit_rate


@dataclass(frozen=True)
class Judged:
    """One verdict, and how many answers it stands for.

    Attributes:
        item: Id of the item, with the path of the field that it is about.
        confidence: That the answer, or the field, had before the verdict.
        right: The verdict.
        weight: 1 / the probability with which the answer was selected for review.
        random: Whether it was selected whatever its confidence was.
    """

    item: str
    confidence: Confidence
    right: bool
    weight: float = 1.0
    random: bool = False


def weighted_verdicts(store: ReviewStore, *, task: str | None = None) -> list[Judged]:
    """All verdicts of a store with their weights.

    A doubtful answer is always reviewed, so it stands for itself; one of an audit with rate r for 1 / r answers
    (Horvitz and Thompson, 1952). Left out are accepted answers that somebody chose by hand, of which nobody knows how
    many they stand for, and answers that were also judged otherwise.

    Args:
        store: The store.
        task: Only answers of this task.
    """
    from thermolang.review.records import item_from

    with store._transaction() as session:
        query = select(ItemRow).where(ItemRow.status != "pending", *_of(task))
        rows = session.scalars(query.order_by(ItemRow.created_at, ItemRow.id)).unique().all()
    disputed, found = _contradicted(rows), []
    for row in rows:
        by_hand = row.decision_action == "accept" and not row.audit
        if row.id in disputed or by_hand:
            continue
        weight = 1 / row.audit_rate if row.audit and row.audit_rate else 1.0
        random = row.audit or row.decision_threshold >= 1
        found += [
            Judged(f"{row.id} {i}", confidence, right, weight, random)
            for i, (confidence, right) in enumerate(item_from(row).lessons)
        ]
    return found
