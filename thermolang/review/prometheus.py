"""What a review database holds, for Prometheus: numbers only, and no names of people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from thermolang.errors import StoreError, require
from thermolang.review.records import utc_now
from thermolang.review.schema import STATUSES, AlarmRow, ItemRow, LeaseRow, RepeatRow, VerdictRow, ordinary
from thermolang.review.store import ReviewStore


class StoreCollector:
    """A collector of ``prometheus_client``: items, verdicts and leases of a store, and how long the oldest item waits.

    Copies that test how people judge are not counted. If the database cannot be read, the only metric is
    ``thermolang_review_up`` with the value 0.

    Args:
        store: The store; it stays open.
        clock: Returns the time now, aware.

    Raises:
        MissingExtraError: ``prometheus-client`` is not installed.

    Example::

        prometheus_client.REGISTRY.register(StoreCollector(store))
    """

    def __init__(self, store: ReviewStore, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._metrics = require("prometheus_client.core", "metrics")
        self._store, self._clock = store, clock

    def collect(self) -> Iterator[Any]:
        """The metrics, as ``prometheus_client`` asks for them."""
        try:
            with self._store._transaction() as session:
                found = list(self._read(session))
        except StoreError:
            found = []
        yield from found
        yield self._gauge("up", "Whether the review database could be read.", {(): len(found) > 0})

    def _read(self, session: Session) -> Iterator[Any]:
        items = dict.fromkeys(((status,) for status in STATUSES), 0)
        query = select(ItemRow.status, func.count()).where(ordinary()).group_by(ItemRow.status)
        items |= {(status,): count for status, count in session.execute(query)}
        yield self._gauge("items", "Items by status.", items, "status")

        own = VerdictRow.item_id.not_in(select(RepeatRow.item_id))
        kinds = select(VerdictRow.action, VerdictRow.reason_code, func.count()).where(own)
        verdicts = session.execute(kinds.group_by(VerdictRow.action, VerdictRow.reason_code))
        told = {(action, code): count for action, code, count in verdicts}
        yield self._gauge("verdicts", "Verdicts that stand, by action and reason.", told, "action", "reason")

        waiting = [ItemRow.status == "pending", ordinary()]
        flagged = session.scalar(select(func.count()).where(*waiting, ItemRow.flagged)) or 0
        yield self._gauge("flagged", "Items that wait for a lead.", {(): flagged})

        at = self._clock()
        leases = session.scalar(select(func.count()).where(LeaseRow.until > at)) or 0
        yield self._gauge("leases", "Items that somebody works on now.", {(): leases})

        unseen = select(AlarmRow.code, func.count()).where(AlarmRow.seen_at.is_(None)).group_by(AlarmRow.code)
        alarms = {(code,): count for code, count in session.execute(unseen)}
        yield self._gauge("alarms", "Alarms of monitors that no lead has seen, by what has changed.", alarms, "code")

        oldest = session.scalar(select(ItemRow.created_at).where(*waiting).order_by(ItemRow.created_at).limit(1))
        seconds = (at - oldest).total_seconds() if oldest else 0.0
        yield self._gauge("oldest_waiting_seconds", "Age of the oldest item that waits; 0 if none does.", {(): seconds})

    def _gauge(self, name: str, help_: str, values: Mapping[Any, float], *labels: str) -> Any:
        gauge = self._metrics.GaugeMetricFamily(f"thermolang_review_{name}", help_, labels=labels)
        for key, value in values.items():
            gauge.add_metric(key, float(value))
        return gauge
