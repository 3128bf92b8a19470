"""Signed messages to other programs: an item waits, somebody decided, an alarm was raised.

Messages are signed as the Standard Webhooks specification says (standardwebhooks.com), whose libraries check them in
many languages; ``verified`` does so here. ``Courier`` sends them. Each message is sent at least once; its
``webhook-id`` tells a second time from a first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from thermolang.errors import InvalidInputError, require
from thermolang.review.channels import Told

if TYPE_CHECKING:
    import httpx

    from thermolang.review.schema import DeliveryKind

SECRET_VARIABLE = "THERMOLANG_WEBHOOK_SECRET"  # nosec # B105: the name of it
MIN_SECRET = 24
TOLERANCE = timedelta(minutes=5)
"""Age from which a message is refused, as somebody may have recorded it."""

# One try as a whole takes hardly longer: nothing of the answer but its status is read.
_TIMEOUT = 10.0
_SAID = ("what", "actor", "code", "reason")


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


class WebhookChannel:
    """Posts messages to webhooks, each by itself and at once.

    Args:
        hooks: Who is told, and how messages are signed.
        transport: How requests are sent, for tests; by default over the network.
    """

    most, waits = 1, False

    def __init__(self, hooks: Webhooks, transport: httpx.BaseTransport | None = None) -> None:
        self._hooks, self.urls = hooks, hooks.urls
        self._httpx = require("httpx", "store")
        # Receivers are those that were named: what they answer leads nowhere else.
        self._http: httpx.Client = self._httpx.Client(timeout=_TIMEOUT, follow_redirects=False, transport=transport)

    def when(self, kind: DeliveryKind, happened: datetime, now: datetime) -> datetime | None:
        """At once."""
        return now

    def post(self, url: str, messages: Sequence[Told], now: datetime) -> tuple[bool, str]:
        """Send one message; whether it arrived, and what the receiver answered."""
        (told,) = messages
        stamp, body = int(now.timestamp()), self._body(told)
        headers = {
            "content-type": "application/json",
            "user-agent": "thermolang-webhooks",
            "webhook-id": told.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(self._hooks.secret, told.id, stamp, body),
        }
        try:
            # The body of the answer is not read: it may be endless.
            with self._http.stream("POST", url, content=body, headers=headers) as response:
                return response.is_success, f"status {response.status_code}"
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            return False, type(error).__name__

    def _body(self, told: Told) -> bytes:
        """The message as JSON: never the confidence, which the operators who read it must perhaps not see."""
        record: dict[str, Any] = {"type": told.kind, "timestamp": told.at}
        data: dict[str, Any] = {name: told.detail[name] for name in _SAID if told.detail.get(name)}
        if (item := told.item) is not None:
            data["item"] = {"id": item.id, "task": item.task, "status": item.status, "version": item.version}
            if self._hooks.texts:
                data["item"] |= {"question": item.question, "answer": item.answer}
                verdict = item.verdict if told.kind == "decided" else None
                data["item"] |= {"corrected_answer": verdict.corrected_answer, "note": verdict.note} if verdict else {}
        return json.dumps({**record, "data": data}, ensure_ascii=False).encode()

    def close(self) -> None:
        """Close connections."""
        self._http.close()
