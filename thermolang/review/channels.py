"""Ways on which the desk tells what happens: what a message is, and what a way must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from thermolang.review.records import ReviewItem
    from thermolang.review.schema import DeliveryKind


@dataclass(frozen=True)
class Told:
    """A message that is due.

    Attributes:
        id: Of its line in the log; the same at each try.
        kind: ``"item_waits"``, ``"decided"`` or ``"alarm"``.
        at: When it happened, in UTC, as ISO 8601.
        detail: What happened and who did it, or the alarm's code and reason.
        item: The item that it is about, as it is now; None for an alarm.
    """

    id: str
    kind: DeliveryKind
    at: str
    detail: Mapping[str, Any]
    item: ReviewItem | None


class Channel(Protocol):
    """A way to tell receivers, such as webhooks or e-mail.

    Attributes:
        urls: The receivers, each under a URL by which the log knows it.
        most: How many messages of one kind may go to a receiver together.
        waits: Whether it tells of a waiting item after a while, and only if nobody has seen to it.
    """

    urls: tuple[str, ...]
    most: int
    waits: bool

    def when(self, kind: DeliveryKind, happened: datetime, now: datetime) -> datetime | None:
        """When to tell what happened at a time; None for what these receivers are not told."""

    def post(self, url: str, messages: Sequence[Told], now: datetime) -> tuple[bool, str]:
        """Try once to tell a receiver; whether that went well, and what to write into the log."""

    def close(self) -> None:
        """Let go of connections."""
