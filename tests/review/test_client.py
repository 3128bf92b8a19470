"""ReviewClient: what it sends, when it tries again, and what its errors say; no network."""

import json
import math

import pytest

from tests.review.conftest import REVIEW
from thermolang import Confidence, ReviewStore
from thermolang.errors import ConflictError, InvalidInputError, LoginError, RefusedError, StoreError
from thermolang.review import ReviewClient

httpx = pytest.importorskip("httpx")
TOKEN = "thermolang_secret"
URL = "https://desk.example"


@pytest.fixture
def record():
    with ReviewStore("sqlite://") as store:
        return store.submit("?", "a", confidence=Confidence(0.4), decision=REVIEW).to_dict()


class Desk:
    """Answers with one of these after the other, and remembers what was asked."""

    def __init__(self, *answers):
        self.answers, self.requests, self.pauses = list(answers), [], []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, url=URL, **options):
        return ReviewClient(url, TOKEN, transport=httpx.MockTransport(self), pause=self.pauses.append, **options)


def refusal(status, text="because"):
    return httpx.Response(status, json={"error": {"code": "x", "text": text}})


def submit(client, **options):
    return client.submit("?", "a", confidence=Confidence(0.4), decision=REVIEW, **options)


def test_an_answer_is_sent_with_the_token_and_comes_back_as_an_item(record):
    desk = Desk(httpx.Response(200, json={"item": record}))
    item = submit(desk.client(f"{URL}/"), task="t", context="c", model="m")
    assert item.to_dict() == record and item.confidence == Confidence(0.4)
    (request,) = desk.requests
    assert (request.method, str(request.url)) == ("POST", f"{URL}/api/v1/producer/items")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    body = json.loads(request.content)
    assert (body["task"], body["context"], body["model"]) == ("t", "c", "m") and body["key"]


def test_a_second_try_has_the_same_key(record):
    desk = Desk(httpx.ConnectError("down"), refusal(503), httpx.Response(200, json={"item": record}))
    submit(desk.client())
    assert len({json.loads(request.content)["key"] for request in desk.requests}) == 1
    assert desk.pauses == [0.5, 2.0]


def test_a_desk_that_stays_away_is_named():
    desk = Desk(*[httpx.ConnectTimeout("too slow")] * 3)
    with pytest.raises(StoreError, match=r"desk\.example failed 3 times: it cannot be reached \(ConnectTimeout"):
        submit(desk.client())


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, LoginError), (404, RefusedError), (409, ConflictError), (413, RefusedError), (422, RefusedError)],
)
def test_a_refusal_is_no_reason_to_try_again(status, kind):
    desk = Desk(refusal(status, "the task has 501 characters"))
    with pytest.raises(kind, match=rf"refused \(status {status}\): the task has 501 characters"):
        submit(desk.client())
    assert len(desk.requests) == 1


@pytest.mark.parametrize("body", ["<html>", "{}", "[]", '{"item": {"id": 1}}'])
def test_something_else_that_answers_is_noticed(body):
    with pytest.raises(StoreError, match=r"no review desk of this version|this version cannot read"):
        submit(Desk(httpx.Response(200, text=body)).client())


def test_a_redirect_is_not_followed():
    desk = Desk(httpx.Response(302, headers={"location": "https://elsewhere.example/"}))
    with pytest.raises(StoreError, match="status 302"):
        submit(desk.client())
    assert len(desk.requests) == 1


def test_an_accepted_answer_need_not_be_drawn():
    desk = Desk(httpx.Response(200, json={"item": None}))
    assert desk.client().submit_accepted("?", "a", confidence=Confidence(0.9), decision=REVIEW) is None


def test_what_no_json_can_hold_is_replaced(record):
    desk = Desk(httpx.Response(200, json={"item": record}))
    desk.client().submit("\ud800", "a", confidence=Confidence(0.4, novelty=math.nan), decision=REVIEW)
    body = json.loads(desk.requests[0].content)
    assert body["question"] == "?" and body["confidence"]["novelty"] is None


@pytest.mark.parametrize("url", ["desk.example", "ftp://desk", "https://ann:pw@desk.example", f"{URL}?a=b"])
def test_what_is_no_url_of_a_desk_is_refused(url):
    with pytest.raises(InvalidInputError, match="the URL of a desk"):
        ReviewClient(url, TOKEN)


def test_a_token_is_needed_and_not_sent_in_the_clear(monkeypatch):
    monkeypatch.delenv("THERMOLANG_TOKEN", raising=False)
    with pytest.raises(InvalidInputError, match="thermolang users token NAME"):
        ReviewClient(URL)
    with pytest.raises(InvalidInputError, match="without TLS whoever listens could read the token"):
        ReviewClient("http://desk.example", TOKEN)
    monkeypatch.setenv("THERMOLANG_TOKEN", TOKEN)
    with ReviewClient("http://127.0.0.1:7861") as client, ReviewClient("http://desk.example", insecure=True):
        assert client.url == "http://127.0.0.1:7861"
