"""E-mail: what waits too long is told in one message, by the log and the retries of webhooks; no texts are in it."""

import smtplib
import socket
import ssl
from datetime import timedelta
from importlib import import_module

import pytest

from tests.review.conftest import submit
from thermolang.errors import InvalidInputError
from thermolang.review import Courier, Mail, Webhooks, deliveries, mail, tell_alarm
from thermolang.review.courier import RETRIES
from thermolang.review.mail import LISTED, PAUSE, MailChannel
from thermolang.routing.monitor import Alarm

httpx = pytest.importorskip("httpx")
ANN, BOB = "ann@example.org", "bob@example.org"
ALL = ("item_waits", "decided", "alarm")


class Server:
    """An SMTP server of which a test sees what it was sent, and says how it fails."""

    def __init__(self):
        self.sent, self.logins, self.secured, self.opened, self.fails = [], [], [], [], []

    def __call__(self, host, port, *, timeout, context=None):
        self.opened.append((host, port))
        self.secured += [context] if context else []
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def close(self):
        pass

    def starttls(self, *, context):
        self.secured.append(context)

    def login(self, user, password):
        self.logins.append((user, password))

    def send_message(self, message):
        if self.fails:
            raise self.fails.pop(0)
        self.sent.append(message)

    @property
    def texts(self):
        return [message.get_content() for message in self.sent]


@pytest.fixture
def server(monkeypatch):
    server = Server()
    monkeypatch.setattr(mail.smtplib, "SMTP", server)
    monkeypatch.setattr(mail.smtplib, "SMTP_SSL", server)
    return server


@pytest.fixture
def told(any_store, clock, server, monkeypatch):
    """Makes the courier of a desk that sends e-mail; events happen at the clock's time."""
    monkeypatch.setattr(import_module("thermolang.review.records"), "utc_now", clock)

    def make(to=(ANN,), hooks=None, transport=None, **options):
        options = {"kinds": ALL, "after": timedelta(minutes=30)} | options
        sender = Mail(to, "desk@example.org", "smtps://mail.example", **options)
        return Courier(any_store, hooks, sender, clock=clock, transport=transport)

    return make


def test_items_that_wait_are_told_once_and_together(any_store, clock, server, told):
    one = told()
    clock.move(minutes=1)
    first = submit(any_store, 0.43171717, "Capital?", "Sydney", task="capitals")
    one.step()
    clock.move(minutes=10)
    second = submit(any_store, task="")
    one.step()
    clock.move(minutes=31)
    one.step()
    assert server.sent == []  # both have waited long enough, but the quarter of an hour is not over
    clock.move(minutes=3)
    assert one.step() is True
    (message,) = server.sent
    assert (message["To"], message["From"]) == (ANN, "desk@example.org")
    assert message["Subject"] == "[thermolang] Answers that wait for review: 2"
    text = message.get_content()
    assert "30 minutes or longer" in text and first.id in text and second.id in text
    assert "capitals, 2026-11-29 08:01 UTC" in text and "no task, 2026-11-29 08:11 UTC" in text
    assert not any(secret in str(message) for secret in ("Capital?", "Sydney", "0.43"))
    clock.move(hours=5)
    assert one.step() is False and len(server.sent) == 1
    assert {(log.state, log.url) for log in deliveries(any_store)} == {("delivered", f"mailto:{ANN}")}


def test_an_item_that_somebody_saw_to_is_not_told(any_store, clock, server, told):
    one = told(kinds=("item_waits",))
    item, other = submit(any_store), submit(any_store)
    one.step()
    any_store.decide(item.id, "accept", operator="ann")
    clock.move(hours=1)
    one.step()
    (text,) = server.texts
    assert other.id in text and item.id not in text
    assert [log.item_id for log in deliveries(any_store)] == [other.id]


def test_verdicts_are_told_only_if_wanted(any_store, clock, server, told):
    quiet, loud = told(kinds=("item_waits", "alarm")), told((BOB,), desk="https://desk.example/")
    item = submit(any_store, task="capitals")
    any_store.decide(item.id, "correct", operator="花子", corrected_answer="Canberra", note="private")
    for _ in range(2):
        quiet.step()
        loud.step()
        clock.move(minutes=16)
    (message,) = server.sent
    assert message["To"] == BOB and message["Subject"].endswith("decided: 1")
    text = message.get_content()
    assert "capitals, 2026-11-29 08:00 UTC, corrected by 花子" in text
    assert f"https://desk.example/?status=all&item={item.id}" in text
    assert "Canberra" not in text and "private" not in text


def test_an_alarm_is_told_at_once(any_store, clock, server, told):
    one = told((ANN, BOB))
    alarm = Alarm("novelty", 7, 3, 1.5, "questions became\r\nBcc: eve@example.org\u202e unlike the others")
    assert tell_alarm(any_store, alarm, now=clock.now) == 2
    one.step()
    assert [message["To"] for message in server.sent] == [ANN, BOB]
    for message in server.sent:
        assert message["Bcc"] is None and message["Subject"] == "[thermolang] Alarm of the monitor"
        assert (
            "- novelty: questions became\ufffd\ufffdBcc" in message.get_content()
            and "\u202e" not in message.as_string()
        )


def test_an_alarm_that_nobody_wants_leaves_no_trace(any_store, clock, server, told):
    one = told(kinds=("item_waits",))
    tell_alarm(any_store, Alarm("error", 1, 1, 1.0, "why"), now=clock.now)
    one.step()
    assert server.sent == [] and deliveries(any_store) == []


def test_webhooks_and_mail_share_log_and_courier(any_store, clock, server, told):
    hooks, asked = Webhooks(("https://example.org/hook",), "s" * 24), []
    transport = httpx.MockTransport(lambda request: asked.append(request) or httpx.Response(204))
    one = told(hooks=hooks, transport=transport)
    submit(any_store)
    one.step()
    assert len(asked) == 1 and server.sent == []
    clock.move(hours=1)
    one.step()
    assert len(asked) == 1 and len(server.sent) == 1
    assert {log.url for log in deliveries(any_store)} == {"https://example.org/hook", f"mailto:{ANN}"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (smtplib.SMTPAuthenticationError(535, b"no, ann@example.org"), "SMTPAuthenticationError 535"),
        (smtplib.SMTPServerDisconnected("gone"), "SMTPServerDisconnected"),
        (ConnectionRefusedError("no"), "ConnectionRefusedError"),
        (TimeoutError("slow"), "TimeoutError"),
        (ssl.SSLCertVerificationError("self-signed"), "SSLCertVerificationError"),
    ],
)
def test_what_fails_is_tried_again_as_the_same_message(any_store, clock, server, told, error, said):
    server.fails = [error]
    one = told()
    submit(any_store)
    one.step()
    clock.move(hours=1)
    one.step()
    (log,) = deliveries(any_store)
    assert (log.state, log.attempts, log.said) == ("waiting", 1, said)
    clock.now += RETRIES[0]
    one.step()
    (log,) = deliveries(any_store)
    assert (log.state, log.attempts) == ("delivered", 2)
    assert server.sent[0]["Message-ID"] == f"<{log.id}@example.org>"


def test_in_the_end_it_is_given_up(any_store, clock, server, told):
    server.fails = [OSError("no")] * 20
    one = told()
    submit(any_store)
    one.step()
    for _ in range(20):
        clock.now += max(RETRIES[-1], timedelta(hours=1))
        one.step()
    assert [log.state for log in deliveries(any_store)] == ["given_up"]
    assert len(server.fails) == 20 - len(RETRIES) - 1


def test_two_desks_tell_it_once(any_store, clock, server, told):
    first, second = told(), told()
    submit(any_store)
    for _ in range(2):
        first.step()
        second.step()
        clock.move(hours=1)
    assert len(server.sent) == 1


def test_many_items_are_one_message_that_names_some(any_store, clock, server, told):
    one = told(language="ja")
    for _ in range(LISTED + 60):
        submit(any_store)
    while one.step():
        pass
    clock.move(hours=1)
    one.step()
    (text,) = server.texts
    assert text.count("\n- ") == LISTED and "ほか 60 件" in text and "30 分以上" in text


def test_the_connection_is_secured_and_the_account_is_used(any_store, clock, server):
    options = {"user": "desk", "password": "hidden"}
    for address, opened in (
        ("smtps://mail.example", 465),
        ("smtp://mail.example", 587),
        ("smtp://mail.example:25", 25),
    ):
        channel = MailChannel(Mail((ANN,), "desk@example.org", address, **options))
        channel.post(f"mailto:{ANN}", [alarm_told()], clock.now)
        context = server.secured.pop()
        assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
        assert server.opened.pop() == ("mail.example", opened) and server.logins.pop() == ("desk", "hidden")
    for address, insecure in (("smtp://127.0.0.1:25", False), ("smtp://relay:25", True)):
        channel = MailChannel(Mail((ANN,), "desk@example.org", address, insecure=insecure))
        channel.post(f"mailto:{ANN}", [alarm_told()], clock.now)
        assert server.secured == [] and server.logins == []


def alarm_told():
    return mail.Told("0" * 32, "alarm", "2026-11-29T08:00:00+00:00", {"code": "error", "reason": "why"}, None)


def test_times_are_those_of_the_next_quarter_of_an_hour(clock):
    channel = MailChannel(Mail((ANN,), "d@example.org", "smtps://m", kinds=ALL, after=timedelta(minutes=30)))
    at = clock.now
    assert channel.when("item_waits", at, at) == at + timedelta(minutes=30)
    assert channel.when("decided", at + timedelta(seconds=1), at) == at + PAUSE
    assert channel.when("alarm", at, at + timedelta(seconds=9)) == at + timedelta(seconds=9)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": ("ann",)}, "an e-mail address looks like"),
        ({"to": ("ann@example.org\nBcc: eve@example.org",)}, "an e-mail address looks like"),
        ({"to": ("Ann <ann@example.org>",)}, "an e-mail address looks like"),
        ({"sender": "a@b@c"}, "an e-mail address looks like"),
        ({"server": "mail.example"}, "the mail server looks like"),
        ({"server": "smtp://user:password@mail.example"}, "THERMOLANG_SMTP_PASSWORD"),
        ({"kinds": ("skipped",)}, "not of 'skipped'"),
        ({"after": timedelta(0)}, "at least a minute"),
    ],
)
def test_what_cannot_be_is_refused(given, said):
    fine = {"to": (ANN,), "sender": "desk@example.org", "server": "smtps://mail.example"}
    with pytest.raises(InvalidInputError, match=said):
        Mail(**fine | given)


def test_the_account_is_in_no_text():
    assert "hidden" not in repr(Mail((ANN,), "d@example.org", "smtps://m", user="hidden", password="hidden"))


def test_a_real_server_takes_it(clock):
    controller = pytest.importorskip("aiosmtpd.controller")
    came = []

    class Box:
        async def handle_DATA(self, server, session, envelope):
            came.append(envelope)
            return "250 OK"

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = controller.Controller(Box(), hostname="127.0.0.1", port=port)
    running.start()
    try:
        channel = MailChannel(Mail((ANN,), "desk@example.org", f"smtp://127.0.0.1:{port}", language="ja"))
        assert channel.post(f"mailto:{ANN}", [alarm_told()], clock.now)[0]
    finally:
        running.stop()
    (envelope,) = came
    assert envelope.rcpt_tos == [ANN] and envelope.mail_from == "desk@example.org"
    assert b"Auto-Submitted: auto-generated" in envelope.content
