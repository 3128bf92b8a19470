"""Alarms of monitors, kept until a lead has seen them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from thermolang.review.checks import check, check_operator
from thermolang.review.schema import AlarmRow

if TYPE_CHECKING:
    from thermolang.routing.monitor import Alarm, AlarmCode

MOST_SHOWN = 100


@dataclass(frozen=True)
class StoredAlarm:
    """A change that a ``routing.Monitor`` noticed, as the desk shows it.

    Attributes:
        id: Its number.
        at: When it was noticed, in UTC.
        code: What has changed; see ``routing.Alarm``.
        item: Number of the item of the monitor's stream at which it was noticed, from 1.
        since: Number of the item from which on the evidence speaks for a change.
        evidence: By how much the evidence exceeds the level of an alarm, at least 1; None where two models were
            compared, which leaves no doubt.
        reason: The same in one sentence, in English.
        seen_by: The lead who has seen it; None if nobody has.
        seen_at: When, in UTC.
    """

    id: int
    at: datetime
    code: AlarmCode
    item: int
    since: int
    evidence: float | None
    reason: str
    seen_by: str | None = None
    seen_at: datetime | None = None


def keep(session: Session, alarm: Alarm, at: datetime) -> None:
    """Store an alarm within a transaction."""
    # Not every database holds infinity.
    evidence = alarm.evidence if math.isfinite(alarm.evidence) else None
    facts = {"code": alarm.code, "item": alarm.item, "since": alarm.since, "reason": alarm.reason}
    session.add(AlarmRow(at=at, evidence=evidence, **facts))


def find(session: Session) -> list[StoredAlarm]:
    """The latest alarms, those that nobody has seen first."""
    order = (AlarmRow.seen_at.is_not(None), AlarmRow.at.desc(), AlarmRow.id.desc())
    return [
        StoredAlarm(row.id, row.at, row.code, row.item, row.since, row.evidence, row.reason, row.seen_by, row.seen_at)
        for row in session.scalars(select(AlarmRow).order_by(*order).limit(MOST_SHOWN))
    ]


def see(session: Session, alarm_id: int, operator: str, at: datetime) -> None:
    """Note who has seen an alarm; who was first stays noted.

    Raises:
        RefusedError: There is no such alarm.
    """
    check_operator(operator)
    check(session.get(AlarmRow, alarm_id) is not None, f"there is no alarm {alarm_id}")
    first = update(AlarmRow).where(AlarmRow.id == alarm_id, AlarmRow.seen_at.is_(None))
    session.execute(first.values(seen_by=operator, seen_at=at).execution_options(synchronize_session=False))
