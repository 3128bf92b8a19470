"""E-mail to people: items have waited too long, somebody decided, an alarm was raised.

One message tells of many items: what is due is collected until the next full quarter of an hour, alarms apart. It holds
no texts and no confidences, which are for the desk, behind its login. ``Courier`` sends it.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode, urlsplit

from thermolang.errors import InvalidInputError
from thermolang.review.channels import Told
from thermolang.review.schema import DeliveryKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thermolang.review.records import ReviewItem

USER_VARIABLE, PASSWORD_VARIABLE = "THERMOLANG_SMTP_USER", "THERMOLANG_SMTP_PASSWORD"
LISTED = 50
"""Items that a message names; of the others it says how many there are."""

PAUSE = timedelta(minutes=15)
_TIMEOUT = 20.0
_PORTS = {"smtp": 587, "smtps": 465}
_HERE = ("127.0.0.1", "localhost", "::1")
# Neither a blank nor anything that would begin another header or another address.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "item_waits": "Answers that wait for review: {count}",
        "decided": "Answers that were decided: {count}",
        "alarm": "Alarm of the monitor",
        "item_waits_text": "Nobody has seen to these answers for {minutes} minutes or longer:",
        "decided_text": "Somebody decided about these answers:",
        "alarm_text": "Something has changed in the stream of answers:",
        "accepted": "accepted by {actor}",
        "corrected": "corrected by {actor}",
        "rejected": "rejected by {actor}",
        "no_task": "no task",
        "more": "and {count} more",
        "desk": "The review desk: {url}",
    },
    "ja": {
        "item_waits": "レビュー待ちの回答: {count} 件",
        "decided": "判定された回答: {count} 件",
        "alarm": "監視からの警告",
        "item_waits_text": "次の回答は {minutes} 分以上、誰も確認していません。",
        "decided_text": "次の回答が判定されました。",
        "alarm_text": "回答の傾向に変化がありました。",
        "accepted": "承認({actor})",
        "corrected": "修正({actor})",
        "rejected": "却下({actor})",
        "no_task": "タスクなし",
        "more": "ほか {count} 件",
        "desk": "レビュー画面: {url}",
    },
}


@dataclass(frozen=True)
class Mail:
    """Who is told by e-mail, of what, and by which server.

    Attributes:
        to: Addresses; each gets messages of its own.
        sender: The address that messages come from.
        server: ``"smtps://mail.example"`` for TLS from the beginning (port 465), ``"smtp://mail.example"`` for STARTTLS
            (port 587), or with another port.
        user: Name of an account there; without one the desk does not log in.
        password: Its password.
        kinds: Of what: ``"item_waits"``, ``"decided"``, ``"alarm"``.
        after: How long nobody must have seen to an item before it is told; at least a minute.
        desk: The desk's URL, for links; without it there are none.
        language: ``"en"`` or ``"ja"``.
        insecure: Whether a server on another machine may be used without TLS, as within a network of one's own.

    Raises:
        InvalidInputError: An address, the server, a kind or a time is none.
    """

    to: tuple[str, ...]
    sender: str
    server: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    kinds: tuple[DeliveryKind, ...] = ("item_waits", "alarm")
    after: timedelta = timedelta(minutes=60)
    desk: str = ""
    language: Literal["en", "ja"] = "en"
    insecure: bool = False

    def __post_init__(self) -> None:
        for address in (*self.to, self.sender):
            if not _ADDRESS.fullmatch(address) or len(address) > 254:
                msg = f"an e-mail address looks like ann@example.org, not {address[:100]!r}"
                raise InvalidInputError(msg)
        parts = urlsplit(self.server)
        # A password in the URL would be seen in the list of processes.
        if parts.scheme not in _PORTS or not parts.hostname or parts.username or parts.path.strip("/"):
            msg = (
                f"the mail server looks like smtps://mail.example or smtp://mail.example:587, not {self.server[:100]!r}"
            )
            raise InvalidInputError(f"{msg}; name and password are in {USER_VARIABLE} and {PASSWORD_VARIABLE}")
        if unknown := set(self.kinds) - {"item_waits", "decided", "alarm"}:
            msg = f"e-mail tells of item_waits, decided or alarm, not of {sorted(unknown)[0]!r}"
            raise InvalidInputError(msg)
        if self.after < timedelta(minutes=1):
            msg = f"an item waits at least a minute before it is told, not {self.after}"
            raise InvalidInputError(msg)


class MailChannel:
    """Sends e-mail by SMTP: many items in one message.

    Args:
        mail: Who is told, of what, and by which server.
    """

    most, waits = 1000, True

    def __init__(self, mail: Mail) -> None:
        self._mail = mail
        self._words = _WORDS[mail.language]
        self.urls = tuple(f"mailto:{address}" for address in mail.to)

    def when(self, kind: DeliveryKind, happened: datetime, now: datetime) -> datetime | None:
        """At the next full quarter of an hour, alarms at once."""
        if kind not in self._mail.kinds:
            return None
        if kind == "alarm":
            return now
        # All that becomes due before that goes into one message.
        due = happened + self._mail.after if kind == "item_waits" else happened
        began = datetime(1970, 1, 1, tzinfo=timezone.utc)
        return began + -(-(due - began) // PAUSE) * PAUSE

    def post(self, url: str, messages: Sequence[Told], now: datetime) -> tuple[bool, str]:
        """Send one message about all of these; whether the server took it, and what it answered."""
        written = self.message(url.removeprefix("mailto:"), messages, now)
        try:
            with self._connected() as smtp:
                if self._mail.user:
                    smtp.login(self._mail.user, self._mail.password)
                smtp.send_message(written)
        except smtplib.SMTPResponseException as error:
            # What the server says may repeat an address or a name.
            return False, f"{type(error).__name__} {error.smtp_code}"
        except (smtplib.SMTPException, OSError) as error:
            return False, type(error).__name__
        return True, f"taken by the mail server, with {len(messages)} in it"

    def _connected(self) -> smtplib.SMTP:
        parts = urlsplit(self._mail.server)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        if parts.scheme == "smtps":
            return smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT, context=ssl.create_default_context())
        smtp = smtplib.SMTP(host, port, timeout=_TIMEOUT)
        try:
            if not (self._mail.insecure or host in _HERE):
                smtp.starttls(context=ssl.create_default_context())
        except BaseException:
            smtp.close()
            raise
        return smtp

    def message(self, address: str, messages: Sequence[Told], now: datetime) -> EmailMessage:
        """What is sent to an address about messages of one kind."""
        kind, words = messages[0].kind, self._words
        written = EmailMessage()
        written["From"], written["To"] = self._mail.sender, address
        written["Subject"] = f"[thermolang] {words[kind].format(count=len(messages))}"
        written["Date"] = format_datetime(now)
        # The same at each try, so that a mailbox can tell a second copy from a second message.
        written["Message-ID"] = f"<{messages[0].id}@{self._mail.sender.rpartition('@')[2]}>"
        written["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody on holiday answers
        minutes = self._mail.after // timedelta(minutes=1)
        lines = [words[f"{kind}_text"].format(minutes=minutes), "", *map(self._line, messages[:LISTED])]
        if len(messages) > LISTED:
            lines.append(words["more"].format(count=len(messages) - LISTED))
        if self._mail.desk:
            lines += ["", words["desk"].format(url=self._mail.desk)]
        written.set_content("\n".join(lines) + "\n")
        return written

    def _line(self, told: Told) -> str:
        if told.item is None:
            return f"- {_seen(told.detail.get('code', ''))}: {_seen(told.detail.get('reason', ''))}"
        at = datetime.fromisoformat(told.at)
        said = [_seen(told.item.task) or self._words["no_task"], f"{at:%Y-%m-%d %H:%M} UTC"]
        if told.kind == "decided":
            said.append(self._words[told.detail["what"]].format(actor=_seen(told.detail["actor"])))
        return f"- {', '.join(said)}{self._link(told.item)}"

    def _link(self, item: ReviewItem) -> str:
        if not self._mail.desk:
            return f" ({item.id})"
        return f"\n  {self._mail.desk.rstrip('/')}/?{urlencode({'status': 'all', 'item': item.id})}"

    def close(self) -> None:
        """Nothing is kept open between two messages."""


def _seen(text: str) -> str:
    """A text from outside on one line, without marks that nobody sees."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)[:300]
