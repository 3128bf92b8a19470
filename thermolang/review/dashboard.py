"""What has been going on at the desk: verdicts against confidences, thresholds, load and waiting time.

The database counts, in groups that are small however many items there are; the rest is computed from those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sqlalchemy import ColumnElement, Integer, case, cast, extract, func, literal_column, select
from sqlalchemy.orm import Session

from thermolang.errors import RefusedError
from thermolang.review.insight import Proportion, proportion
from thermolang.review.schema import ItemRow, RepeatRow, VerdictRow
from thermolang.routing.guarantees import GRID, certified_thresholds, expected_error, high_probability, start_shares
from thermolang.types import JsonRecord

# Verdicts that count as recent.
RECENT = 20_000
BINS = 10
# Where there are no items to tell the one in use.
DEFAULT_THRESHOLD = 0.8
DAYS = 14
# Confidences are told apart to so many decimals' worth; every threshold of the guarantees is a multiple.
_STEPS = 10_000
# In seconds: a minute, ten, an hour, eight, a day, a week.
WAITS = (60, 600, 3600, 8 * 3600, 86_400, 7 * 86_400)


@dataclass(frozen=True)
class Bin(JsonRecord):
    """Recent verdicts on answers whose confidence lies in an interval.

    Attributes:
        low: Lower end, included.
        high: Upper end, excluded unless it is 1.
        confidence: Mean confidence; None without verdicts.
        right: Share of answers that were accepted, with its interval.
    """

    low: float
    high: float
    confidence: float | None
    right: Proportion


@dataclass(frozen=True)
class CurvePoint(JsonRecord):
    """What a threshold would do with the recently judged answers.

    Attributes:
        threshold: Accepts confidences from here on.
        coverage: Share of the judged answers that it accepts.
        wrong: Share of wrong ones among those, with its interval.
    """

    threshold: float
    coverage: float
    wrong: Proportion


@dataclass(frozen=True)
class Promise(JsonRecord):
    """What one guarantee of ``thermolang.routing`` says about a threshold.

    Attributes:
        kind: ``"high_probability"`` or ``"expected_error"``.
        holds: Whether it holds at the threshold.
        laxest: The lowest threshold at which it holds; None if it holds nowhere.
        more_labels: Where it holds nowhere, so many verdicts would be enough if the error stays as it is; None if no
            number would be.
    """

    kind: str
    holds: bool
    laxest: float | None
    more_labels: int | None


@dataclass(frozen=True)
class Preview(JsonRecord):
    """What another threshold would change.

    Attributes:
        point: On the recent verdicts.
        bound: With 95 % probability the error is no larger, if the threshold was not chosen by these verdicts; 1
            without any above it.
        alpha: Largest error among accepted answers that is asked for.
        promises: What each guarantee says.
        pending: Undecided items that have a confidence.
        freed: Those of them that the threshold would not have sent to people.
        present: Those that the threshold in use would not have sent, such as items that were chosen at random.
    """

    point: CurvePoint
    bound: float
    alpha: float
    promises: tuple[Promise, ...]
    pending: int
    freed: int
    present: int


@dataclass(frozen=True)
class Quality(JsonRecord):
    """Recent verdicts against confidences, and what a threshold would change.

    Attributes:
        judged: Number of recent verdicts.
        bins: Share of right answers among those of similar confidence.
        points: Error against coverage.
        present: The threshold that the newest item was judged by; None without items.
        now: What that one does with the recently judged answers.
        preview: What the asked one would change.
    """

    judged: int
    bins: tuple[Bin, ...]
    points: tuple[CurvePoint, ...]
    present: float | None
    now: CurvePoint | None
    preview: Preview


@dataclass(frozen=True)
class Day(JsonRecord):
    """Items of one day in UTC.

    Attributes:
        day: As YYYY-MM-DD.
        submitted: New ones.
        decided: Verdicts.
    """

    day: str
    submitted: int
    decided: int


@dataclass(frozen=True)
class Wait(JsonRecord):
    """Items that wait, or waited, for less than so long, and not less than the line before.

    Attributes:
        seconds: The limit; None for longer than all others.
        pending: Undecided ones, since they were submitted.
        decided: Recently decided ones, from submission to verdict.
    """

    seconds: int | None
    pending: int
    decided: int


@dataclass(frozen=True)
class Judged:
    """Recent verdicts by confidence, in ascending order.

    Attributes:
        confidence: Shape (n,), in [0, 1].
        total: Shape (n,), verdicts.
        right: Shape (n,), those that accept the answer.
        unknown: Verdicts on answers without a confidence, which no threshold accepts.
        unknown_right: Those of them that accept the answer.
    """

    confidence: NDArray[np.float64]
    total: NDArray[np.int64]
    right: NDArray[np.int64]
    unknown: int = 0
    unknown_right: int = 0

    @property
    def count(self) -> int:
        """All verdicts."""
        return int(self.total.sum()) + self.unknown

    def labels(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """One confidence, -inf where there is none, and one label for each verdict."""
        values = np.append(self.confidence, -np.inf)
        right, total = np.append(self.right, self.unknown_right), np.append(self.total, self.unknown)
        confidence = np.concatenate([np.repeat(values, right), np.repeat(values, total - right)])
        return confidence, np.arange(len(confidence)) < right.sum()


def judged(session: Session, task: str | None = None) -> Judged:
    """Count recent verdicts by confidence; copies that test people are left out."""
    recent = select(VerdictRow.item_id, VerdictRow.action)
    recent = recent.where(VerdictRow.item_id.not_in(select(RepeatRow.item_id)))
    if task is not None:
        recent = recent.join(ItemRow, ItemRow.id == VerdictRow.item_id).where(ItemRow.task == task)
    verdicts = recent.order_by(VerdictRow.id.desc()).limit(RECENT).subquery()
    # A little more than the number itself, so that 0.29 is not found below 0.29.
    step = _floor(session, ItemRow.confidence * _STEPS + 1e-6)
    right = func.sum(case((verdicts.c.action == "accept", 1), else_=0))
    query = select(step, func.count(), right).join(verdicts, verdicts.c.item_id == ItemRow.id).group_by(step)
    rows = session.execute(query).all()
    known = sorted((row for row in rows if row[0] is not None), key=lambda row: float(row[0]))
    unknown = next((row for row in rows if row[0] is None), (None, 0, 0))
    steps, total, accepted = (np.array([int(row[place]) for row in known], dtype=np.int64) for place in range(3))
    return Judged(steps / _STEPS, total, accepted, int(unknown[1]), int(unknown[2]))


def reliability(found: Judged) -> list[Bin]:
    """Share of right answers among those of similar confidence, in ten intervals of equal width."""
    place = np.minimum((found.confidence * BINS + 1e-9).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        inside = place == number
        total, right = int(found.total[inside].sum()), int(found.right[inside].sum())
        mean = float((found.confidence * found.total)[inside].sum() / total) if total else None
        bins.append(Bin(number / BINS, (number + 1) / BINS, mean, proportion(right, total)))
    return bins


def point(found: Judged, threshold: float) -> CurvePoint:
    """What a threshold would do with the recently judged answers."""
    above = found.confidence >= threshold - 1e-9
    total, right = int(found.total[above].sum()), int(found.right[above].sum())
    return CurvePoint(threshold, total / found.count if found.count else 0.0, proportion(total - right, total))


def curve(found: Judged) -> list[CurvePoint]:
    """Error among accepted answers against the share that is accepted, for thresholds of 0, 0.02, ... 1."""
    return [point(found, step / 50) for step in range(51)]


def preview(
    session: Session, found: Judged, threshold: float, *, alpha: float, delta: float, task: str | None
) -> Preview:
    """What a threshold would change; see ``Preview``.

    Raises:
        RefusedError: A number is not strictly between 0 and 1; the threshold may also be 0 or 1.
    """
    for name, value in (("alpha", alpha), ("delta", delta)):
        if not 0 < value < 1:
            msg = f"{name} lies strictly between 0 and 1, got {value}"
            raise RefusedError(msg)
    if not 0 <= threshold <= 1:
        msg = f"a threshold lies between 0 and 1, got {threshold}"
        raise RefusedError(msg)
    here = point(found, threshold)
    wrong, total = here.wrong.count, here.wrong.total
    bound = float(beta.ppf(1 - delta, wrong + 1, total - wrong)) if wrong < total else 1.0
    waiting = _pending(session, threshold, task)
    return Preview(here, bound, alpha, tuple(_promises(found, threshold, alpha, delta)), *waiting)


def quality(session: Session, threshold: float | None, *, alpha: float, delta: float, task: str | None) -> Quality:
    """Everything about confidences and thresholds, from one look at the verdicts; see ``LeadService.quality``."""
    found, present = judged(session, task), threshold_in_use(session, task)
    asked = threshold if threshold is not None else DEFAULT_THRESHOLD if present is None else present
    return Quality(
        found.count,
        tuple(reliability(found)),
        tuple(curve(found)),
        present,
        None if present is None else point(found, present),
        preview(session, found, asked, alpha=alpha, delta=delta, task=task),
    )


def load(session: Session, now: datetime) -> list[Day]:
    """New and decided items of the last two weeks, the oldest day first."""
    since = (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    repeat = select(RepeatRow.item_id)
    new = _per_day(session, ItemRow.created_at, since, ItemRow.id.not_in(repeat))
    done = _per_day(session, VerdictRow.created_at, since, VerdictRow.item_id.not_in(repeat))
    days = [f"{since + timedelta(days=number):%Y-%m-%d}" for number in range(DAYS)]
    return [Day(day, new.get(day, 0), done.get(day, 0)) for day in days]


def waits(session: Session, now: datetime) -> list[Wait]:
    """How long undecided items have waited, and how long the recently decided ones did."""
    repeat = select(RepeatRow.item_id)
    age = _group(_seconds(session, now, ItemRow.created_at))
    query = select(age, func.count()).where(ItemRow.status == "pending", ItemRow.id.not_in(repeat)).group_by(age)
    pending: dict[int, int] = dict(session.execute(query).all())
    last = select(VerdictRow.item_id, VerdictRow.created_at.label("decided"))
    last = last.where(VerdictRow.item_id.not_in(repeat)).order_by(VerdictRow.id.desc()).limit(RECENT)
    verdicts = last.subquery()
    took = _group(_seconds(session, verdicts.c.decided, ItemRow.created_at))
    finished = select(took, func.count()).join(verdicts, verdicts.c.item_id == ItemRow.id).group_by(took)
    decided: dict[int, int] = dict(session.execute(finished).all())
    limits: Sequence[int | None] = (*WAITS, None)
    return [Wait(limit, pending.get(place, 0), decided.get(place, 0)) for place, limit in enumerate(limits)]


def threshold_in_use(session: Session, task: str | None = None) -> float | None:
    """The threshold that the newest item was judged by; None without items."""
    query = select(ItemRow.decision_threshold).order_by(ItemRow.created_at.desc(), ItemRow.id.desc()).limit(1)
    query = query.where(ItemRow.id.not_in(select(RepeatRow.item_id)))
    return session.scalar(query if task is None else query.where(ItemRow.task == task))


def _promises(found: Judged, threshold: float, alpha: float, delta: float) -> list[Promise]:
    """Both guarantees, asked of the verdicts and of the threshold."""
    if not found.count:
        return [Promise("high_probability", False, None, None), Promise("expected_error", False, None, None)]
    confidence, right = found.labels()
    sure = high_probability(confidence, right, alpha=alpha, delta=delta)
    mean = expected_error(confidence, right, alpha=alpha)
    accepted = np.array([(confidence >= each).sum() for each in GRID])
    errors = np.array([((confidence >= each) & ~right).sum() for each in GRID])
    certified = certified_thresholds(accepted, errors, alpha=alpha, shares=start_shares(GRID, alpha, delta))
    # A threshold between two of the grid accepts no more than the lower one of them promises.
    below = np.flatnonzero(threshold + 1e-9 >= GRID)
    exact = bool(len(below)) and abs(float(GRID[below[-1]]) - threshold) < 1e-6
    here = point(found, threshold).wrong
    fine = here.count + 1 <= alpha * (here.total + 1) + 1e-9
    return [
        Promise(sure.kind, exact and bool(certified[below[-1]]), sure.threshold, sure.more_labels),
        Promise(mean.kind, fine, mean.threshold, mean.more_labels),
    ]


def _pending(session: Session, threshold: float, task: str | None) -> tuple[int, int, int]:
    """Undecided items, those at or above the threshold, and those at or above the one in use."""

    def those(condition: ColumnElement[bool]) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    freed = those(ItemRow.confidence >= threshold - 1e-9)
    present = those(ItemRow.confidence >= ItemRow.decision_threshold)
    query = select(func.count(), freed, present).where(ItemRow.status == "pending", ItemRow.confidence.is_not(None))
    query = query.where(ItemRow.id.not_in(select(RepeatRow.item_id)))
    counts = session.execute(query if task is None else query.where(ItemRow.task == task)).one()
    return int(counts[0]), int(counts[1]), int(counts[2])


def _floor(session: Session, value: Any) -> ColumnElement[Any]:
    """The whole part of a number that is not negative; PostgreSQL's cast would round."""
    return cast(value, Integer) if session.get_bind().dialect.name == "sqlite" else func.floor(value)


def _seconds(session: Session, later: Any, earlier: Any) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        return (func.julianday(later) - func.julianday(earlier)) * 86_400
    return extract("epoch", later - earlier)


def _group(seconds: Any) -> ColumnElement[int]:
    """Index of the first limit of ``WAITS`` that some seconds are below."""
    return case(*((seconds < limit, place) for place, limit in enumerate(WAITS)), else_=len(WAITS))


def _per_day(session: Session, column: Any, since: datetime, ordinary: ColumnElement[bool]) -> dict[str, int]:
    sqlite = session.get_bind().dialect.name == "sqlite"
    day = func.date(column) if sqlite else func.to_char(func.timezone("UTC", column), "YYYY-MM-DD")
    query = select(day, func.count()).where(column >= since, ordinary).group_by(literal_column("1"))
    return {str(name): count for name, count in session.execute(query)}
