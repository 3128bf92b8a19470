"""Webhooks: what is told, signed how, tried again when; no network, and a clock that tests move."""

import base64
import hashlib
import hmac
import json
import threading
from datetime import timedelta

import pytest

from tests.review.conftest import submit
from thermolang.errors import InvalidInputError
from thermolang.review import LeadService, ReviewService, TaskSettings, courier
from thermolang.review.courier import RETRIES, Courier, deliveries, tell_alarm
from thermolang.review.webhooks import Webhooks, signature, verified
from thermolang.routing.monitor import Alarm

httpx = pytest.importorskip("httpx")
SECRET = "a secret of some characters"
URL = "https://example.org/hook?key=hidden"


class Receiver:
    """Takes messages and answers with one status after the other; an exception is raised instead."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, headers={"location": "https://elsewhere.example/"})

    @property
    def bodies(self):
        return [json.loads(request.content) for request in self.requests]


def courier_of(store, clock, receiver, *, texts=False, urls=(URL,)):
    return Courier(store, Webhooks(urls, SECRET, texts), clock=clock, transport=httpx.MockTransport(receiver))


def test_waiting_and_deciding_are_told_without_texts(any_store, clock):
    submit(any_store, question="from before")
    receiver = Receiver()
    one = courier_of(any_store, clock, receiver)
    item = submit(any_store, 0.43171717, "Capital?", "Sydney", task="capitals")
    one.step()
    any_store.decide(item.id, "correct", operator="ann", corrected_answer="Canberra", note="hm")
    one.step()
    assert [(body["type"], body["data"]["item"]["id"]) for body in receiver.bodies] == [
        ("item_waits", item.id),
        ("decided", item.id),
    ]
    assert receiver.bodies[1]["data"]["what"] == "corrected" and receiver.bodies[1]["data"]["actor"] == "ann"
    sent = b"".join(request.content for request in receiver.requests)
    assert not any(text in sent for text in (b"Capital?", b"Sydney", b"Canberra", b"hm", b"0.4317171"))
    assert one.step() is False


def test_texts_are_told_where_asked_for(any_store, clock):
    receiver = Receiver()
    one = courier_of(any_store, clock, receiver, texts=True)
    item = submit(any_store, 0.4, "Capital?", "Sydney")
    any_store.decide(item.id, "correct", operator="ann", corrected_answer="Canberra", note="hm")
    one.step()
    told = receiver.bodies[-1]["data"]["item"]
    assert (told["question"], told["answer"], told["corrected_answer"], told["note"]) == (
        *("Capital?", "Sydney", "Canberra", "hm"),
    )


def test_messages_are_signed_as_the_specification_says(any_store, clock):
    receiver = Receiver()
    one = courier_of(any_store, clock, receiver)
    submit(any_store)
    one.step()
    (request,) = receiver.requests
    assert verified(SECRET, request.headers, request.content, now=clock.now)
    assert not verified("another secret of characters", request.headers, request.content, now=clock.now)
    assert not verified(SECRET, request.headers, request.content + b" ", now=clock.now)
    assert not verified(SECRET, request.headers, request.content, now=clock.now + timedelta(minutes=6))
    assert not verified(SECRET, {**request.headers, "webhook-timestamp": "soon"}, request.content, now=clock.now)
    assert SECRET not in str(request.headers) and SECRET not in repr(Webhooks((URL,), SECRET))


def test_a_signature_is_hmac_of_id_time_and_body():
    key = base64.b64encode(b"k" * 24).decode()
    expected = base64.b64encode(hmac.new(b"k" * 24, b'msg_1.1614265330.{"test": 1}', hashlib.sha256).digest())
    assert signature(f"whsec_{key}", "msg_1", 1614265330, b'{"test": 1}') == f"v1,{expected.decode()}"
    with pytest.raises(InvalidInputError, match="after whsec_ a secret is base64"):
        signature("whsec_!", "id", 0, b"")


def test_what_fails_is_tried_again_with_growing_pauses(any_store, clock):
    receiver = Receiver(500, httpx.ReadTimeout("slow"), 302, 204)
    one = courier_of(any_store, clock, receiver)
    submit(any_store)
    one.step()
    for attempt, said in enumerate(("status 500", "ReadTimeout", "status 302"), 1):
        (log,) = deliveries(any_store)
        assert (log.state, log.attempts, log.said) == ("waiting", attempt, said)
        clock.now += RETRIES[attempt - 1] - timedelta(seconds=1)
        one.step()
        assert len(receiver.requests) == attempt
        clock.move(seconds=1)
        one.step()
    (log,) = deliveries(any_store)
    assert (log.state, log.attempts, log.said) == ("delivered", 4, "status 204")
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert {request.url.host for request in receiver.requests} == {"example.org"}
    assert "hidden" not in log.url


def test_in_the_end_it_is_given_up(any_store, clock):
    receiver = Receiver(*[500] * 20)
    one = courier_of(any_store, clock, receiver)
    submit(any_store)
    for _ in range(20):
        one.step()
        clock.now += RETRIES[-1]
    assert [log.state for log in deliveries(any_store)] == ["given_up"]
    assert len(receiver.requests) == len(RETRIES) + 1


def test_a_restart_loses_nothing_and_two_desks_tell_it_once(any_store, clock):
    courier_of(any_store, clock, Receiver())
    submit(any_store)
    receiver = Receiver()
    first, second = courier_of(any_store, clock, receiver), courier_of(any_store, clock, receiver)
    for one in (first, second, first, second):
        one.step()
    assert len(receiver.requests) == 1


def test_copies_are_told_to_nobody(any_store, clock):
    item = submit(any_store)
    any_store.decide(item.id, "reject", operator="lee")
    leads = LeadService(any_store)
    leads.set_settings("*", TaskSettings(probe_share=0.5), operator="lee")
    leads.mark_probe(item.id, operator="lee")
    receiver = Receiver()
    one = courier_of(any_store, clock, receiver)
    service = ReviewService(any_store)
    service.prepare("bob")
    copy = service.search(operator="bob").rows[0]
    any_store.decide(copy.id, "accept", operator="bob")
    one.step()
    assert receiver.requests == []


def test_an_alarm_of_a_monitor_is_told(any_store, clock):
    receiver = Receiver()
    one = courier_of(any_store, clock, receiver)
    alarm = Alarm("novelty", 7, 3, 1.5, "questions became unlike the others")
    assert tell_alarm(any_store, alarm, now=clock.now) == 1
    one.step()
    assert receiver.bodies == [
        {
            "type": "alarm",
            "timestamp": clock.now.isoformat(),
            "data": {"code": "novelty", "reason": "questions became unlike the others"},
        }
    ]


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org/", "file:///etc/passwd", "https:///x"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(InvalidInputError, match="the URL of a webhook looks like"):
        Webhooks((url,), SECRET)


def test_without_a_secret_nothing_is_sent():
    with pytest.raises(InvalidInputError, match="THERMOLANG_WEBHOOK_SECRET"):
        Webhooks((URL,), "short")


def test_a_receiver_that_hangs_stops_nobody(any_store, clock, monkeypatch):
    monkeypatch.setattr(courier, "_POLL", 0.01)
    hangs, go_on = threading.Event(), threading.Event()

    def receive(request):
        hangs.set()
        go_on.wait(60)
        return httpx.Response(204)

    with courier_of(any_store, clock, receive) as one:
        item = submit(any_store)
        assert hangs.wait(60)
        # It hangs within no transaction, so writers go on.
        assert any_store.decide(item.id, "accept", operator="ann").status == "accepted"
        assert [log.state for log in deliveries(any_store)] == ["waiting"]
        go_on.set()
    one._thread.join(60)
    assert "delivered" in [log.state for log in deliveries(any_store)]


def test_the_thread_sends_by_itself_and_ends(any_store, clock, monkeypatch):
    monkeypatch.setattr(courier, "_POLL", 0.01)
    came = threading.Event()

    def receive(request):
        came.set()
        return httpx.Response(204)

    with courier_of(any_store, clock, receive) as one:
        submit(any_store)
        assert came.wait(60)
    one._thread.join(60)
    assert not one._thread.is_alive()
