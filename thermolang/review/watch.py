"""A monitor over the answers of a chain and the verdicts of its audit: alarms are told, and may send all to review."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import literal, select, tuple_

from thermolang.errors import StoreError
from thermolang.review.courier import tell_alarm
from thermolang.review.feedback import SETTLED
from thermolang.review.records import utc_now
from thermolang.review.schema import ItemRow, UtcDateTime, ordinary
from thermolang.storage import Lock

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore
    from thermolang.routing.monitor import Alarm, Monitor
    from thermolang.routing.policy import Policy
    from thermolang.types import Confidence

logger = logging.getLogger(__name__)


class Watch:
    """Lets a monitor see every answer, tells its alarms to the webhooks of a store, and may then review everything.

    Telling is a row in the database: a ``Courier``, in the desk or in a program of yours, signs it, sends it, and tries
    again. So whatever a webhook does, no answer waits for it. Thread-safe; give it to a ``ConfidenceRouter`` or a
    ``ConfidenceGateMiddleware``, and call ``take_verdicts`` now and then, such as beside ``thermolang learn``.

    Args:
        monitor: Watches; its memory ends with the process.
        store: Whose webhooks are told, and whose audit is watched.
        task: Only answers of this task; the monitor's reference is of this task, too.
        review_all: Whether after an alarm every answer goes to review, until somebody makes a new watch.
        since: Only verdicts on answers that came from then on; by default from now on, as earlier ones may be those
            that the promise rests on.
        clock: Returns the time now, aware.

    Example:
        >>> from thermolang import Confidence, Policy, ReviewStore
        >>> from thermolang.routing import Monitor
        >>> monitor = Monitor([Confidence(0.5 + i / 400, calibrator="one") for i in range(200)])
        >>> with ReviewStore("sqlite://") as store:
        ...     watch = Watch(monitor, store)
        ...     watch.observe(Confidence(0.9, calibrator="another")).code
        'model'
        >>> watch.guarded(Policy(0.8)).decide(Confidence(0.95)).action
        'review'
    """

    def __init__(
        self,
        monitor: Monitor,
        store: ReviewStore,
        *,
        task: str | None = None,
        review_all: bool = True,
        since: datetime | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.monitor, self.task, self.review_all = monitor, task, review_all
        self._store, self._clock, self._lock = store, clock, Lock()
        self._taken = since or clock(), ""
        self._untold: list[Alarm] = []

    @property
    def reviews_all(self) -> bool:
        """Whether an alarm has sent every answer to review."""
        return self.review_all and bool(self.monitor.alarms)

    def guarded(self, policy: Policy) -> Policy:
        """The policy, or after an alarm the one that sends everything to review."""
        return self.monitor.guarded(policy) if self.reviews_all else policy

    def observe(self, confidence: Confidence) -> Alarm | None:
        """Take in the confidence of one answer; returns an alarm if one is raised by it, which is told, too."""
        if self.task is not None and confidence.task != self.task:
            return None
        with self._lock:
            alarm = self.monitor.observe(confidence)
        if alarm:
            self._tell([alarm])
        return alarm

    def take_verdicts(self) -> list[Alarm]:
        """Take in the verdicts on answers that the audit drew; returns the alarms that they raise, which are told, too.

        They are taken in the order in which the answers came, up to the first one without a verdict that can no
        longer be undone: people do not take answers at random, so any other order could look like a change.

        Raises:
            InvalidInputError: The monitor was given no ``alpha``.
            StoreError: The database cannot be read.
        """
        with self._lock:
            rows = self._judged()
            found = [self.monitor.audit(row.status == "accepted") for row in rows]
            if rows:
                self._taken = rows[-1].created_at, rows[-1].id
        alarms = [alarm for alarm in found if alarm]
        self._tell(alarms)
        return alarms

    def _judged(self) -> Sequence[ItemRow]:
        """The items of the audit that come next, up to the first one that waits."""
        at, last = self._taken
        later = tuple_(ItemRow.created_at, ItemRow.id) > tuple_(literal(at, UtcDateTime), last)
        query = select(ItemRow).where(ItemRow.audit, ordinary(), later)
        if self.task is not None:
            query = query.where(ItemRow.task == self.task)
        with self._store._transaction() as session:
            rows = session.scalars(query.order_by(ItemRow.created_at, ItemRow.id)).unique().all()
        settled = self._clock() - SETTLED
        ripe = [row.verdict is not None and row.verdict.created_at <= settled for row in rows]
        return rows[: ripe.index(False)] if False in ripe else rows

    def _tell(self, alarms: Sequence[Alarm]) -> None:
        """Write alarms down for the webhooks; those that a broken database did not take are told the next time."""
        for alarm in alarms:
            logger.warning("alarm: %s", alarm.reason)
        with self._lock:
            untold, self._untold = [*self._untold, *alarms], []
        for place, alarm in enumerate(untold):
            try:
                tell_alarm(self._store, alarm, now=self._clock())
            except StoreError as error:  # an answer must not fail for it
                logger.error("the alarm waits, as the database takes nothing: %s", error)
                with self._lock:
                    self._untold = [*untold[place:], *self._untold]
                return
