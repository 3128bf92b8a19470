"""Try it: the answer comes piece by piece, then its confidence; one question at a time; nothing without a model."""

import asyncio
import json
import threading

import httpx
import pytest
from langchain_core.messages import AIMessageChunk
from thermolang_desk import Access, create_app
from thermolang_desk.guard import CONTENT_POLICY
from thermolang_desk.i18n import WORDS
from thermolang_desk.playground import LONGEST_QUESTION, Playground, _events

from tests.desk.conftest import BASE, browser
from tests.desk.test_guard import FOREIGN
from thermolang import ChatThermolang, Confidence, ConfidenceEstimator, with_confidence
from thermolang.errors import ModelError
from thermolang.review import User, UserStore
from thermolang.types import Alternative, Reason

MEANINGS = Confidence(
    0.31,
    raw=0.75,
    source="meaning",
    task="try",
    interval=(0.2, 0.5),
    alternatives=(Alternative("<b>Canberra", 0.25, 2),),
)
ANN = User("ann", "reviewer")
OWN = {"sec-fetch-site": "same-origin", "origin": BASE}


class FakeChat:
    """Says its pieces, the last of which carries a confidence; waits before each where it is told to."""

    def __init__(self, *pieces, scored=MEANINGS, fails=None):
        self.pieces, self.scored, self.fails = pieces or ("Syd", "ney"), scored, fails
        # A test in another thread than the desk's tells it to go on.
        self.asked, self.closed, self.go_on = [], asyncio.Event(), threading.Event()
        self.go_on.set()

    async def astream(self, question):
        self.asked.append(question)
        try:
            for piece in self.pieces:
                yield AIMessageChunk(piece)
                while not self.go_on.is_set():
                    await asyncio.sleep(0.005)
            if self.fails:
                raise self.fails
            yield AIMessageChunk("", response_metadata={"thermolang": self.scored.to_dict(), "model_name": "tiny"})
        finally:
            self.closed.set()


def desk(store, *, alone=ANN, **chats):
    return create_app(store, Access(UserStore(store), alone=alone), chats=chats)


def client(app, **headers):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, headers=OWN | headers)


def events(answer):
    """Kind and content of each event of an answer."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = [part.split("\n") for part in answer.text.split("\n\n") if part.startswith("event")]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in found]


async def asked(app, question="Capital of Australia?", **body):
    async with client(app) as page:
        return events(await page.post("/api/v1/try", json={"question": question, **body}))


# without a model


def test_without_a_model_nothing_of_it_is_there(store, alone):
    for path in ("/try", "/api/v1/try", f"/api/v1/try/{'0' * 32}/queue"):
        assert alone.get(path).status_code == alone.post(path, json={"question": "q"}).status_code == 404
    assert "/try" not in alone.get("/").text and "/try" not in alone.get("/lead").text


def test_with_a_model_every_page_leads_there(store):
    page = browser(desk(store, alone=User("lee", "lead"), fast=FakeChat()))
    for path in ("/", "/lead", "/lead/settings"):
        assert 'href="/try"' in page.get(path).text
    assert 'href="/"' in page.get("/try").text and 'href="/lead"' in page.get("/try").text
    reviewer = browser(desk(store, fast=FakeChat())).get("/try").text
    assert 'href="/"' in reviewer and "/lead" not in reviewer


@pytest.mark.parametrize(("language", "said"), [("en", "Send to the queue"), ("ja", "レビュー待ちに送る")])
def test_the_page_has_nothing_inline_and_only_what_the_model_can(store, language, said):
    answer = browser(desk(store, fast=FakeChat()), **{"accept-language": language}).get("/try")
    assert said in answer.text and f'<html lang="{language}"' in answer.text
    assert answer.headers["content-security-policy"] == CONTENT_POLICY
    assert "<script>" not in answer.text and "<style" not in answer.text and " style=" not in answer.text
    assert 'value="fast"' in answer.text and 'value="thorough"' not in answer.text


# who may


def test_without_a_login_nobody_asks(store):
    chat = FakeChat()
    page = browser(desk(store, alone=None, fast=chat))
    assert page.get("/try").status_code == 401 and 'id="login"' in page.get("/try").text
    for path in ("/api/v1/try", f"/api/v1/try/{'0' * 32}/queue"):
        assert page.post(path, json={"question": "q"}).status_code == 401
    assert chat.asked == []


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_page_asks_nothing(store, headers):
    chat = FakeChat()
    page = browser(desk(store, fast=chat))
    assert page.post("/api/v1/try", json={"question": "q"}, headers=headers).status_code == 403
    assert (
        page.post("/api/v1/try", content='{"question": "q"}', headers={"content-type": "text/plain"}).status_code == 415
    )
    assert chat.asked == []


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"question": ""}, {"question": " \n"}, {"question": "x" * (LONGEST_QUESTION + 1)}, {"question": 7}),
        *({"question": "q", "mode": "slow"}, {"question": "q", "mode": "thorough"}, {"question": "q", "threshold": 0}),
    ],
)
def test_what_is_no_question_is_refused_in_a_sentence(store, body):
    chat = FakeChat()
    answer = browser(desk(store, fast=chat)).post("/api/v1/try", json=body)
    assert answer.status_code == 422 and answer.json()["error"]["text"]
    assert chat.asked == []


# asking


async def test_the_answer_comes_in_pieces_and_then_with_its_confidence(store):
    chat = FakeChat("Syd\u202e", "ney")
    found = await asked(desk(store, fast=chat), "Capital of <i>Australia</i>?")
    assert chat.asked == ["Capital of <i>Australia</i>?"]
    assert [kind for kind, _ in found] == ["piece", "piece", "done"]
    assert "".join(told["text"] for kind, told in found if kind == "piece") == "Syd⟨U+202E⟩ney"
    html = found[-1][1]["html"]
    for part in ("0.31", WORDS["en"]["low"], 'class="bar low"', "0.20 to 0.50", "75%", "&lt;b&gt;Canberra", "25%"):
        assert part in html
    assert "<b>Canberra" not in html and "<i>" not in html
    assert store.counts()["pending"] == 0


async def test_reasons_are_told_in_the_readers_language(store):
    scored = Confidence.missing(Reason("no_calibrator", "run thermolang calibrate"), task="try")
    app = desk(store, fast=FakeChat(scored=scored))
    for language, said in (("en", WORDS["en"]["why_no_calibrator"]), ("ja", WORDS["ja"]["why_no_calibrator"])):
        async with client(app, **{"accept-language": language}) as page:
            html = events(await page.post("/api/v1/try", json={"question": "q"}))[-1][1]["html"]
        assert said in html and "run thermolang calibrate" in html and WORDS[language]["doubts"] in html


async def test_without_a_doubt_no_reason_is_told(store):
    html = (await asked(desk(store, fast=FakeChat(scored=Confidence(0.9)))))[-1][1]["html"]
    assert "0.90" in html and WORDS["en"]["doubts"] not in html and WORDS["en"]["why"] not in html


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ModelError("the conversation is too long <b>; shorten it"),
            "The model could not answer. the conversation is too long",
        ),
        (RuntimeError("secret of the program"), "The model could not answer."),
    ],
)
async def test_what_goes_wrong_is_a_sentence_and_the_next_question_is_answered(store, error, said):
    chat = FakeChat(fails=error)
    app = desk(store, fast=chat)
    kind, told = (await asked(app))[-1]
    assert kind == "failed" and told["text"].startswith(said) and "secret" not in told["text"]
    chat.fails = None
    assert (await asked(app))[-1][0] == "done"


async def test_a_person_asks_one_question_at_a_time(store):
    chat = FakeChat()
    chat.go_on.clear()
    app = desk(store, fast=chat)
    async with client(app) as page, client(app, **{"accept-language": "ja"}) as again:
        first = asyncio.create_task(page.post("/api/v1/try", json={"question": "1"}))
        while not chat.asked:
            await asyncio.sleep(0)
        second = await again.post("/api/v1/try", json={"question": "2"})
        assert (second.status_code, second.json()["error"]["text"]) == (409, WORDS["ja"]["try_busy"])
        app.state.access = Access(UserStore(store), alone=User("bob", "reviewer"))
        other = asyncio.create_task(page.post("/api/v1/try", json={"question": "3"}))
        while len(chat.asked) < 2:
            await asyncio.sleep(0)
        chat.go_on.set()
        assert [events(await each)[-1][0] for each in (first, other)] == ["done", "done"]
    assert chat.asked == ["1", "3"]


async def test_who_goes_away_stops_the_model_and_is_busy_until_it_has_stopped():
    chat = FakeChat("one", "two", "three")
    chat.go_on.clear()
    playground = Playground({"fast": chat})
    coming = _events(playground.ask("ann", "q", "fast"), "en")
    assert "one" in await anext(coming)
    await coming.aclose()
    assert playground.ask("ann", "again", "fast") is None
    chat.go_on.set()
    await chat.closed.wait()
    while "ann" in playground._running:
        await asyncio.sleep(0)
    assert chat.asked == ["q"] and playground._last == {}
    assert playground.ask("ann", "again", "fast") is not None


async def test_a_real_model_streams_what_it_says(store, tiny_model, calibrator_for):
    estimator = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model, sources=("self_check",)), state_dir=None)
    chat = ChatThermolang(local=tiny_model, max_tokens=12)
    app = desk(store, fast=with_confidence(chat, estimator=estimator, task="try"))
    found = await asked(app, "Capital of France?")
    assert [kind for kind, _ in found][-1] == "done" and len(found) > 3
    (item,) = app.state.playground._last.values()
    assert 0 < item.confidence.value < 1 and item.model == "tiny" and item.task == "try"
    assert item.answer == chat.invoke("Capital of France?").text


# to the queue


async def test_an_answer_is_sent_to_the_queue_once(store):
    app = desk(store, fast=FakeChat())
    item_id = (await asked(app, "Capital?"))[-1][1]["id"]
    async with client(app) as page:
        for _ in range(2):
            answer = await page.post(f"/api/v1/try/{item_id}/queue", json={})
            assert (answer.status_code, answer.json()) == (200, {"id": item_id})
    (item,) = store.list()
    assert (item.question, item.answer, item.model, item.task) == ("Capital?", "Sydney", "tiny", "try")
    assert item.confidence == MEANINGS and item.reason_code == "chosen" and "ann" in item.reason
    detail = browser(app).post(f"/api/v1/items/{item_id}/open", json={}).json()["lease"]["html"]
    assert "chosen for review although the confidence is 0.31" in detail and "accepted from" not in detail


async def test_only_ones_own_last_answer_is_sent(store):
    app = desk(store, fast=FakeChat())
    before, last = [(await asked(app))[-1][1]["id"] for _ in range(2)]
    for name, item_id in (("ann", before), ("bob", last), ("ann", "0" * 32)):
        app.state.access = Access(UserStore(store), alone=User(name, "admin"))
        answer = browser(app).post(f"/api/v1/try/{item_id}/queue", json={})
        assert (answer.status_code, answer.json()["error"]["text"]) == (404, WORDS["en"]["try_gone"])
    assert store.list() == []


async def test_a_database_that_is_down_keeps_the_answer(store, monkeypatch):
    app = desk(store, fast=FakeChat())
    item_id = (await asked(app))[-1][1]["id"]
    store.close()
    answer = browser(app).post(f"/api/v1/try/{item_id}/queue", json={})
    assert (answer.status_code, answer.json()["error"]["text"]) == (503, WORDS["en"]["database"])
    assert app.state.playground.last("ann", item_id) is not None
