"""Sends what happens in a store to webhooks and by e-mail, and keeps a log of it.

What is to be sent is in the database first: it survives a restart, and is tried again for about a day. Each message is
sent at least once.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import select, update

from thermolang.errors import StoreError
from thermolang.review import alarms
from thermolang.review.channels import Channel, Told
from thermolang.review.mail import Mail, MailChannel
from thermolang.review.records import item_from, utc_now
from thermolang.review.schema import (
    STATUS_AFTER,
    ChainRow,
    DeliveryKind,
    DeliveryRow,
    DeliveryState,
    EventRow,
    ItemRow,
    RepeatRow,
    WebhookRow,
)
from thermolang.review.store import ReviewStore
from thermolang.review.webhooks import WebhookChannel, Webhooks

if TYPE_CHECKING:
    import httpx
    from sqlalchemy.orm import Session

    from thermolang.routing.monitor import Alarm

logger = logging.getLogger(__name__)

RETRIES = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 3600, 4 * 3600, 8 * 3600, 12 * 3600))
"""Pauses after each try that failed; after the last one it is given up."""

PART = 100
# How long another process leaves a message alone that this one is sending.
_CLAIM = timedelta(minutes=2)
_DECIDED = tuple(STATUS_AFTER.values())
_WAITS = ("submitted", "cannot_tell", "undone", "reopened")
_POLL = 2.0
# At the end, for the message that is being sent.
_PATIENCE = 10.0


@dataclass(frozen=True)
class Delivery:
    """A message, and what became of it.

    Attributes:
        id: Of a webhook, its ``webhook-id``.
        url: Where to, without a password or query; of an e-mail ``mailto:`` and the address.
        kind: ``"item_waits"``, ``"decided"`` or ``"alarm"``.
        item_id: The item that it is about; None for an alarm.
        created_at: When it was to be sent, in UTC.
        state: ``"waiting"``, ``"delivered"`` or ``"given_up"``.
        attempts: How often it was sent.
        said: What the receiver answered last, or why it was not reached.
    """

    id: str
    url: str
    kind: DeliveryKind
    item_id: str | None
    created_at: datetime
    state: DeliveryState
    attempts: int
    said: str


class Courier:
    """Tells webhooks and people's mailboxes, in a thread of its own: a receiver that hangs delays nobody else.

    Several desks over one database send each message once, but for one that is stopped while it sends.

    Args:
        store: Where things happen, whichever process does them; it stays open.
        hooks: Which webhooks are told.
        mail: Who is told by e-mail.
        clock: Returns the time now, aware.
        transport: How webhooks are asked, for tests; by default over the network.
    """

    def __init__(
        self,
        store: ReviewStore,
        hooks: Webhooks | None = None,
        mail: Mail | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._store, self._clock = store, clock
        self._channels: list[Channel] = [WebhookChannel(hooks, transport)] if hooks else []
        self._channels += [MailChannel(mail)] if mail else []
        self._by_url = {url: channel for channel in self._channels for url in channel.urls}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thermolang-courier", daemon=True)
        self._begin()

    def __enter__(self) -> Courier:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(timeout=_PATIENCE)
        for channel in self._channels:
            channel.close()

    def _begin(self) -> None:
        """A receiver that is new is told of what happens from now on."""
        with self._store._transaction() as session:
            end = session.scalars(select(ChainRow.length)).one()
            for url in self._by_url:
                if session.get(WebhookRow, url) is None:
                    session.add(WebhookRow(url=url, position=end))

    def _run(self) -> None:
        while not self._stop.is_set():
            busy = False
            try:
                busy = self.step()
            except StoreError as error:
                logger.warning("messages wait for the database: %s", error)
            except Exception:  # the thread must not die of one message
                logger.exception("messages failed; they go on")
            if not busy:
                self._stop.wait(_POLL)

    def step(self) -> bool:
        """Note what has happened, and send a part of what is due; whether something was done."""
        noted = [self._note(url) for url in self._by_url]
        due = list(self._due())
        for url, ids in due:
            if self._stop.is_set():
                break
            self._send(url, ids)
        return any(noted) or bool(due)

    def _note(self, url: str) -> bool:
        """Turn events that this receiver was not told of into messages; whether there were any."""
        with self._store._transaction() as session:
            # Locked, so that two desks do not both turn them.
            hook = session.scalars(select(WebhookRow).where(WebhookRow.url == url).with_for_update()).one()
            query = select(EventRow).where(EventRow.position > hook.position).order_by(EventRow.position).limit(PART)
            events = session.scalars(query).all()
            if not events:
                return False
            where = [WebhookRow.url == url, WebhookRow.position == hook.position]
            claim = update(WebhookRow).where(*where).values(position=events[-1].position)
            result: Any = session.execute(claim.execution_options(synchronize_session=False))
            if result.rowcount == 1:
                # Copies that test how people judge are nobody's business.
                ids = {row.item_id for row in events}
                copies = set(session.scalars(select(RepeatRow.item_id).where(RepeatRow.item_id.in_(ids))))
                messages = (self._message(url, row) for row in events if row.item_id not in copies)
                session.add_all(message for message in messages if message is not None)
        return True

    def _message(self, url: str, row: EventRow) -> DeliveryRow | None:
        """An event as a message; None if it is not told."""
        if row.what not in (*_DECIDED, *_WAITS):
            return None
        kind: DeliveryKind = "decided" if row.what in _DECIDED else "item_waits"
        at = self._clock()
        due = self._by_url[url].when(kind, row.at, at)
        if due is None:
            return None
        detail = {"what": row.what, "actor": row.actor if kind == "decided" else "", "at": row.at.isoformat()}
        return _delivery(url, kind, row.item_id, detail | {"position": row.position}, at, due)

    def _due(self) -> Iterator[tuple[str, list[str]]]:
        """Receivers, and the messages that go to each of them together."""
        row, at = DeliveryRow, self._clock()
        query = select(row.url, row.kind, row.id, row.next_at, row.detail).where(
            row.state == "waiting", row.next_at <= at
        )
        for channel in self._channels:
            part = query.where(row.url.in_(channel.urls)).order_by(row.next_at).limit(max(PART, channel.most))
            with self._store._transaction() as session:
                found = session.execute(part).all()
            groups: dict[Any, list[str]] = {}
            # What happened first is told first.
            for each in sorted(found, key=lambda each: (each.next_at, each.detail.get("position", 0))):
                together = each.kind if channel.most > 1 else each.id
                groups.setdefault((each.url, together), []).append(each.id)
            yield from ((url, ids) for (url, _), ids in groups.items())

    def _send(self, url: str, ids: Sequence[str]) -> None:
        """One try; what became of it is in the log."""
        at, channel = self._clock(), self._by_url[url]
        with self._store._transaction() as session:
            claimed = [delivery_id for delivery_id in ids if self._claimed(session, delivery_id, at)]
            messages = [told for delivery_id in claimed if (told := self._told(session, delivery_id)) is not None]
        if not messages:
            return
        fine, said = channel.post(url, messages, self._clock())
        with self._store._transaction() as session:
            for told in messages:
                self._tried(session.get_one(DeliveryRow, told.id), said, fine=fine)

    def _claimed(self, session: Session, delivery_id: str, at: datetime) -> bool:
        """Take a message for this try; False if another desk has it."""
        mine = [DeliveryRow.id == delivery_id, DeliveryRow.state == "waiting", DeliveryRow.next_at <= at]
        changes = {"next_at": at + _CLAIM, "attempts": DeliveryRow.attempts + 1}
        claim = update(DeliveryRow).where(*mine).values(changes).execution_options(synchronize_session=False)
        result: Any = session.execute(claim)
        return bool(result.rowcount == 1)

    def _told(self, session: Session, delivery_id: str) -> Told | None:
        """A message as it is sent; None, and out of the log, if nobody needs to know any more."""
        row = session.get_one(DeliveryRow, delivery_id)
        item = session.get(ItemRow, row.item_id) if row.item_id else None
        if self._by_url[row.url].when(row.kind, row.created_at, row.created_at) is None or self._moot(session, row):
            session.delete(row)
            return None
        at = row.detail.get("at", row.created_at.isoformat())
        return Told(row.id, row.kind, at, row.detail, item_from(item) if item is not None else None)

    def _moot(self, session: Session, row: DeliveryRow) -> bool:
        """Whether somebody saw to an item before it was told, after a while, that it waits."""
        if row.kind != "item_waits" or not self._by_url[row.url].waits:
            return False
        later = select(EventRow.id).where(EventRow.item_id == row.item_id, EventRow.position > row.detail["position"])
        return session.scalars(later.limit(1)).first() is not None

    def _tried(self, row: DeliveryRow, said: str, *, fine: bool) -> None:
        row.said = said[:300]
        if fine:
            row.state = "delivered"
        elif row.attempts > len(RETRIES):
            row.state = "given_up"
            logger.warning("message %s was given up after %s tries: %s", row.id, row.attempts, row.said)
        else:
            row.next_at = self._clock() + RETRIES[row.attempts - 1]


def _delivery(
    url: str, kind: DeliveryKind, item_id: str | None, detail: dict[str, Any], at: datetime, due: datetime
) -> DeliveryRow:
    return DeliveryRow(
        id=uuid.uuid4().hex,
        url=url,
        kind=kind,
        item_id=item_id,
        detail=detail,
        created_at=at,
        state="waiting",
        attempts=0,
        next_at=due,
        said="",
    )


def tell_alarm(store: ReviewStore, alarm: Alarm, *, now: datetime | None = None) -> int:
    """Keep an alarm of ``routing.Monitor`` for the leads, and tell all receivers of a store; the desk sends it.

    Args:
        store: The store of a desk.
        alarm: What the monitor noticed.
        now: The time now, aware.

    Returns:
        How many receivers are told.
    """
    at = now or utc_now()
    detail = {"code": alarm.code, "reason": alarm.reason, "at": at.isoformat()}
    with store._transaction() as session:
        urls = session.scalars(select(WebhookRow.url)).all()
        session.add_all(_delivery(url, "alarm", None, detail, at, at) for url in urls)
        alarms.keep(session, alarm, at)
    return len(urls)


def deliveries(store: ReviewStore, *, limit: int = 50) -> list[Delivery]:
    """The log of what was told, the newest first."""
    query = select(DeliveryRow).order_by(DeliveryRow.created_at.desc(), DeliveryRow.id).limit(limit)
    with store._transaction() as session:
        return [
            Delivery(row.id, _shown(row.url), row.kind, row.item_id, row.created_at, row.state, row.attempts, row.said)
            for row in session.scalars(query)
        ]


def _shown(url: str) -> str:
    """Without what may be a secret."""
    if url.startswith("mailto:"):
        return url
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
