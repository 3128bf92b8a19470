"""Signed messages to other programs: an item waits, somebody decided, an alarm was raised.

Messages are signed as the Standard Webhooks specification says (standardwebhooks.com), whose libraries check them in
many languages; ``verified`` does so here. What is to be sent is in the database first: it survives a restart, and is
tried again for about a day. Each message is sent at least once; its ``webhook-id`` tells a second time from a first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import select, update

from thermolang.errors import InvalidInputError, StoreError, require
from thermolang.review import alarms
from thermolang.review.records import utc_now
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

if TYPE_CHECKING:
    import httpx
    from sqlalchemy.orm import Session

    from thermolang.routing.monitor import Alarm

logger = logging.getLogger(__name__)

SECRET_VARIABLE = "THERMOLANG_WEBHOOK_SECRET"  # nosec # B105: the name of it
MIN_SECRET = 24
TOLERANCE = timedelta(minutes=5)
"""Age from which a message is refused, as somebody may have recorded it."""

RETRIES = tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 3600, 4 * 3600, 8 * 3600, 12 * 3600))
"""Pauses after each try that failed; after the last one it is given up."""

PART = 100
# How long another process leaves a message alone that this one is sending.
_CLAIM = timedelta(minutes=2)
_DECIDED = tuple(STATUS_AFTER.values())
_WAITS = ("submitted", "cannot_tell", "undone", "reopened")
# One try as a whole takes hardly longer: nothing of the answer but its status is read.
_TIMEOUT = 10.0
_POLL = 2.0


@dataclass(frozen=True)
class Webhooks:
    """Who is told of what happens.

    Attributes:
        urls: Receivers.
        secret: What messages are signed with; at least 24 characters.
        texts: Whether messages hold question, answer, correction and note.

    Raises:
        InvalidInputError: A URL is none, or the secret is short.
    """

    urls: tuple[str, ...]
    secret: str = field(repr=False)
    texts: bool = False

    def __post_init__(self) -> None:
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname or len(url) > 2000:
                msg = f"the URL of a webhook looks like https://example.org/hook, not {url[:100]!r}"
                raise InvalidInputError(msg)
        if len(self.secret) < MIN_SECRET:
            msg = f"webhooks are signed: put a secret of at least {MIN_SECRET} characters into {SECRET_VARIABLE}"
            raise InvalidInputError(msg)


@dataclass(frozen=True)
class Delivery:
    """A message, and what became of it.

    Attributes:
        id: Its ``webhook-id``.
        url: Where to, without a password or query.
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


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of a message: HMAC-SHA256 of id, time and body (Standard Webhooks, version 1).

    Args:
        secret: As both sides know it; after ``whsec_`` it is read as base64, as the specification has it.
        message_id: The header ``webhook-id``.
        timestamp: The header ``webhook-timestamp``, in seconds since 1970.
        body: The body as it is sent.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            msg = "after whsec_ a secret is base64; another one begins otherwise"
            raise InvalidInputError(msg) from error
    return secret.encode()


def verified(secret: str, headers: Mapping[str, str], body: bytes, *, now: datetime) -> bool:
    """Whether a received message is the desk's, unchanged and less than five minutes old.

    Args:
        secret: The desk's.
        headers: Of the request, with names in small letters.
        body: As it was received.
        now: The time now, aware.

    Example:
        >>> from datetime import timezone
        >>> now = datetime(2026, 11, 29, tzinfo=timezone.utc)
        >>> stamp = int(now.timestamp())
        >>> signed = signature("a secret of 24 characters", "id", stamp, b"{}")
        >>> headers = {"webhook-id": "id", "webhook-timestamp": str(stamp), "webhook-signature": signed}
        >>> verified("a secret of 24 characters", headers, b"{}", now=now)
        True
        >>> verified("a secret of 24 characters", headers, b"[]", now=now)
        False
    """
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    if abs(now.timestamp() - int(stamp)) > TOLERANCE.total_seconds():
        return False
    expected = signature(secret, headers.get("webhook-id", ""), int(stamp), body)
    # Several, parted by spaces, while a secret is changed.
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected.encode(), each.encode()) for each in given)


class Courier:
    """Sends what happens in a store to webhooks, in a thread of its own: a receiver that hangs delays nobody else.

    Several desks over one database send each message once, but for one that is stopped while it sends.

    Args:
        store: Where things happen, whichever process does them; it stays open.
        hooks: Who is told.
        clock: Returns the time now, aware.
        transport: How requests are sent, for tests; by default over the network.
    """

    def __init__(
        self,
        store: ReviewStore,
        hooks: Webhooks,
        *,
        clock: Callable[[], datetime] = utc_now,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._store, self._hooks, self._clock = store, hooks, clock
        self._httpx = require("httpx", "store")
        # Receivers are those that were named: what they answer leads nowhere else.
        self._http: httpx.Client = self._httpx.Client(timeout=_TIMEOUT, follow_redirects=False, transport=transport)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thermolang-webhooks", daemon=True)
        self._begin()

    def __enter__(self) -> Courier:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(timeout=_TIMEOUT)
        self._http.close()

    def _begin(self) -> None:
        """A receiver that is new is told of what happens from now on."""
        with self._store._transaction() as session:
            end = session.scalars(select(ChainRow.length)).one()
            for url in self._hooks.urls:
                if session.get(WebhookRow, url) is None:
                    session.add(WebhookRow(url=url, position=end))

    def _run(self) -> None:
        while not self._stop.is_set():
            busy = False
            try:
                busy = self.step()
            except StoreError as error:
                logger.warning("webhooks wait for the database: %s", error)
            except Exception:  # the thread must not die of one message
                logger.exception("webhooks failed; they go on")
            if not busy:
                self._stop.wait(_POLL)

    def step(self) -> bool:
        """Note what has happened, and send a part of what is due; whether something was done."""
        noted = [self._note(url) for url in self._hooks.urls]
        due = self._due()
        for delivery_id in due:
            if self._stop.is_set():
                break
            self._send(delivery_id)
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
            found = {"url": url, "position": hook.position}
            where = [WebhookRow.url == found["url"], WebhookRow.position == found["position"]]
            claim = update(WebhookRow).where(*where).values(position=events[-1].position)
            result: Any = session.execute(claim.execution_options(synchronize_session=False))
            if result.rowcount == 1:
                # Copies that test how people judge are nobody's business.
                ids = {row.item_id for row in events}
                copies = set(session.scalars(select(RepeatRow.item_id).where(RepeatRow.item_id.in_(ids))))
                session.add_all(self._message(url, row) for row in events if _told(row) and row.item_id not in copies)
        return True

    def _message(self, url: str, row: EventRow) -> DeliveryRow:
        kind: DeliveryKind = "decided" if row.what in _DECIDED else "item_waits"
        detail = {"what": row.what, "actor": row.actor if kind == "decided" else "", "at": row.at.isoformat()}
        return _delivery(url, kind, row.item_id, detail, self._clock())

    def _due(self) -> Sequence[str]:
        at = self._clock()
        query = select(DeliveryRow.id).where(DeliveryRow.state == "waiting", DeliveryRow.next_at <= at)
        query = query.where(DeliveryRow.url.in_(self._hooks.urls)).order_by(DeliveryRow.next_at).limit(PART)
        with self._store._transaction() as session:
            return session.scalars(query).all()

    def _send(self, delivery_id: str) -> None:
        """One try; what became of it is in the log."""
        at = self._clock()
        with self._store._transaction() as session:
            mine = [DeliveryRow.id == delivery_id, DeliveryRow.state == "waiting", DeliveryRow.next_at <= at]
            changes = {"next_at": at + _CLAIM, "attempts": DeliveryRow.attempts + 1}
            claim = update(DeliveryRow).where(*mine).values(changes).execution_options(synchronize_session=False)
            result: Any = session.execute(claim)
            if result.rowcount != 1:
                return
            row = session.get_one(DeliveryRow, delivery_id)
            url, body = row.url, self._body(session, row)
        fine, said = self._posted(url, delivery_id, body)
        with self._store._transaction() as session:
            row = session.get_one(DeliveryRow, delivery_id)
            row.said = said[:300]
            if fine:
                row.state = "delivered"
            elif row.attempts > len(RETRIES):
                row.state = "given_up"
                logger.warning("webhook %s was given up after %s tries: %s", delivery_id, row.attempts, row.said)
            else:
                row.next_at = self._clock() + RETRIES[row.attempts - 1]

    def _posted(self, url: str, message_id: str, body: bytes) -> tuple[bool, str]:
        stamp = int(self._clock().timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "thermolang-webhooks",
            "webhook-id": message_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(self._hooks.secret, message_id, stamp, body),
        }
        try:
            # The body of the answer is not read: it may be endless.
            with self._http.stream("POST", url, content=body, headers=headers) as response:
                return response.is_success, f"status {response.status_code}"
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            return False, type(error).__name__

    def _body(self, session: Session, row: DeliveryRow) -> bytes:
        """The message as JSON: never the confidence, which the operators who read it must perhaps not see."""
        record: dict[str, Any] = {"type": row.kind, "timestamp": row.detail.get("at", row.created_at.isoformat())}
        data = {name: row.detail[name] for name in ("what", "actor", "code", "reason") if row.detail.get(name)}
        item = session.get(ItemRow, row.item_id) if row.item_id else None
        if item is not None:
            data["item"] = {"id": item.id, "task": item.task, "status": item.status, "version": item.version}
            if self._hooks.texts:
                data["item"] |= {"question": item.question, "answer": item.answer}
                verdict = item.verdict if row.kind == "decided" else None
                data["item"] |= {"corrected_answer": verdict.corrected_answer, "note": verdict.note} if verdict else {}
        return json.dumps({**record, "data": data}, ensure_ascii=False).encode()


def _told(row: EventRow) -> bool:
    return row.what in _DECIDED or row.what in _WAITS


def _delivery(url: str, kind: DeliveryKind, item_id: str | None, detail: dict[str, Any], at: datetime) -> DeliveryRow:
    return DeliveryRow(
        id=uuid.uuid4().hex,
        url=url,
        kind=kind,
        item_id=item_id,
        detail=detail,
        created_at=at,
        state="waiting",
        attempts=0,
        next_at=at,
        said="",
    )


def tell_alarm(store: ReviewStore, alarm: Alarm, *, now: datetime | None = None) -> int:
    """Keep an alarm of ``routing.Monitor`` for the leads, and tell all webhooks of a store of it; the desk sends it.

    Args:
        store: The store of a desk.
        alarm: What the monitor noticed.
        now: The time now, aware.

    Returns:
        How many webhooks are told.
    """
    at = now or utc_now()
    detail = {"code": alarm.code, "reason": alarm.reason, "at": at.isoformat()}
    with store._transaction() as session:
        urls = session.scalars(select(WebhookRow.url)).all()
        session.add_all(_delivery(url, "alarm", None, detail, at) for url in urls)
        alarms.keep(session, alarm, at)
    return len(urls)


def deliveries(store: ReviewStore, *, limit: int = 50) -> list[Delivery]:
    """The log of what webhooks were told, the newest first."""
    query = select(DeliveryRow).order_by(DeliveryRow.created_at.desc(), DeliveryRow.id).limit(limit)
    with store._transaction() as session:
        return [
            Delivery(row.id, _shown(row.url), row.kind, row.item_id, row.created_at, row.state, row.attempts, row.said)
            for row in session.scalars(query)
        ]


def _shown(url: str) -> str:
    """Without what may be a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
