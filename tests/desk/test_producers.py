"""Programs that submit answers with a token: over loopback as a program does, and what a token does not open."""

import pytest
from thermolang_desk import running

from tests.desk.conftest import REVIEW, browser
from thermolang import Confidence, Policy, ReviewStore
from thermolang.errors import LoginError, RefusedError
from thermolang.review import Audit, ReviewClient, TokenStore, UserStore

ANSWER = {"question": "?", "answer": "a", "confidence": Confidence(0.4).to_dict(), "decision": REVIEW.to_dict()}


@pytest.fixture
def program(app, store):
    """A client of the desk with a token, and nothing else."""
    client = browser(app)
    client.headers["authorization"] = f"Bearer {TokenStore(store).add('router')}"
    return client


def test_a_program_submits_and_reads_the_verdict(tmp_path):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    with ReviewStore(url) as store:
        UserStore(store).add("ann", "correct horse battery")
        token = TokenStore(store).add("router")
        with running(url) as address, ReviewClient(address, token) as client:
            scored = Confidence(0.4, interval=(0.3, 0.5), task="capitals")
            item = client.submit("Capital of Australia?", "Sydney", confidence=scored, decision=REVIEW, key="1")
            assert client.submit("Capital of Australia?", "Sydney", confidence=scored, decision=REVIEW, key="1") == item
            assert store.get(item.id) == item and item.task == "capitals"
            store.decide(item.id, "correct", operator="ann", corrected_answer="Canberra")
            assert client.get(item.id).verdict.corrected_answer == "Canberra"
            assert client.get(item.id).lessons == store.get(item.id).lessons
            with pytest.raises(RefusedError, match="there is no item"):
                client.get("0" * 32)
            TokenStore(store).revoke("router")
            with pytest.raises(LoginError, match="a token is needed that was not revoked"):
                client.get(item.id)


@pytest.mark.parametrize(("rate", "drawn"), [(1.0, True), (0.0, False)])
def test_accepted_answers_go_through_the_audit_of_the_desk(rate, drawn):
    from thermolang_desk import Access, create_app

    with ReviewStore("sqlite://", audit=Audit(rate)) as store:
        client = browser(create_app(store, Access(UserStore(store))))
        client.headers["authorization"] = f"Bearer {TokenStore(store).add('router')}"
        scored = Confidence(0.9)
        body = {**ANSWER, "confidence": scored.to_dict(), "decision": Policy(0.8).decide(scored).to_dict()}
        answer = client.post("/api/v1/producer/accepted", json=body)
        assert (answer.status_code, answer.json()["item"] is not None) == (200, drawn)
        refused = client.post("/api/v1/producer/accepted", json=ANSWER)
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "refused")


def test_a_token_opens_nothing_else(program, three):
    assert program.get(f"/api/v1/producer/items/{three[0].id}").json()["item"]["id"] == three[0].id
    assert program.get("/api/v1/items").status_code == 401
    assert program.post("/api/v1/next", json={}).status_code == 401
    decided = program.post(f"/api/v1/items/{three[0].id}/decide", json={"action": "accept", "version": 1})
    assert decided.status_code == 401
    assert program.get("/").status_code == 401


def test_a_session_does_not_do(logged_in, three):
    client = logged_in("lee", "lead")
    assert client.get(f"/api/v1/producer/items/{three[0].id}").status_code == 401
    assert client.post("/api/v1/producer/items", json=ANSWER).status_code == 401


def test_programs_do_not_meet_each_others_items(program, app, store):
    other = browser(app)
    other.headers["authorization"] = f"Bearer {TokenStore(store).add('batch')}"
    ids = [c.post("/api/v1/producer/items", json={**ANSWER, "key": "1"}).json()["item"]["id"] for c in (program, other)]
    assert ids[0] != ids[1]
    # An id of an item is no key of its own here.
    third = other.post("/api/v1/producer/items", json={**ANSWER, "key": ids[0]}).json()["item"]["id"]
    assert third != ids[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"answer": None},
        {"confidence": {"value": "high"}},
        {"confidence": {"value": 1.5}},
        {"decision": {"action": "guess", "reason": "", "threshold": 0.8}},
        {"model": "x" * 501},
        {"id": "0" * 32},
    ],
)
def test_what_cannot_be_an_answer_is_refused(program, store, wrong):
    answer = program.post("/api/v1/producer/items", json=ANSWER | wrong)
    assert answer.status_code == 422 and answer.json()["error"]["text"]
    assert store.list() == []
