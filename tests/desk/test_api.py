"""The JSON API: what the page and other programs ask, and what they are told when it goes wrong."""

import re

import pytest
from sqlalchemy import text

from tests.desk.conftest import REVIEW
from thermolang import Confidence

FULL = {"text": "", "task": None, "band": None, "reason_code": None, "flagged": False}


def take(client, **chosen):
    return client.post("/api/v1/next", json={**FULL, **chosen}).json()["lease"]


def post(client, item_id, what, **body):
    return client.post(f"/api/v1/items/{item_id}/{what}", json=body)


def test_an_item_is_taken_decided_and_the_next_one_comes_along(alone, store, three):
    lease = take(alone)
    assert (lease["item"]["version"], lease["mine"], lease["draft"]) == (1, True, {"correction": None, "note": ""})
    answer = post(alone, lease["item"]["id"], "decide", action="accept", version=1, note="fine", next=FULL).json()
    assert (answer["item"]["status"], answer["item"]["version"]) == ("accepted", 2)
    assert answer["lease"]["item"]["id"] != lease["item"]["id"]
    assert store.get(lease["item"]["id"]).verdict.note == "fine"


def test_a_correction_and_a_rejection(alone, store, three):
    post(alone, three[0].id, "decide", action="correct", version=1, corrected_answer="Canberra")
    post(alone, three[1].id, "decide", action="reject", version=1, reason_code="harmful")
    assert store.get(three[0].id).verdict.corrected_answer == "Canberra"
    assert store.get(three[1].id).verdict.reason_code == "harmful"


def test_a_verdict_without_the_version_that_was_shown_is_refused(alone, store, three):
    assert post(alone, three[0].id, "decide", action="accept").status_code == 422
    answer = post(alone, three[0].id, "decide", action="accept", version=7)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert "read it again" in answer.json()["error"]["text"]


@pytest.mark.parametrize("version", [10**30, -1, 0, 1.5, "1", None, True])
def test_an_impossible_version_is_a_clear_error(alone, three, version):
    answer = post(alone, three[0].id, "decide", action="accept", version=version)
    assert answer.status_code == 422
    assert answer.json()["error"]["text"].startswith("version: ")
    assert len(answer.text) < 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"action": "approve"}, "action: "),
        ({"action": "correct"}, "a correction needs the corrected answer"),
        ({"action": "correct", "corrected_answer": "  "}, "a correction needs the corrected answer"),
        ({"action": "reject", "reason_code": "ugly"}, "unknown reason code 'ugly'"),
        ({"action": "accept", "note": "x" * 10_001}, "note: "),
        ({"action": "correct", "corrected_answer": "x" * 200_001}, "corrected_answer: "),
        ({"action": "accept", "more": 1}, "more: "),
    ],
)
def test_incomplete_verdicts_say_what_is_missing(alone, store, three, body, said):
    answer = post(alone, three[0].id, "decide", version=1, **body)
    assert answer.status_code == 422
    assert answer.json()["error"]["text"].startswith(said)
    assert store.get(three[0].id).status == "pending"


def test_a_note_of_30_megabytes_never_arrives(alone, store, three):
    assert post(alone, three[0].id, "decide", action="accept", version=1, note="x" * 30_000_000).status_code == 413
    assert store.get(three[0].id).status == "pending"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"version": NaN}', b"\xff", b'{"a":' * 20_000])
def test_malformed_bodies_are_refused(alone, three, body):
    answer = alone.post(f"/api/v1/items/{three[0].id}/decide", content=body)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("item_id", ["nix", "0" * 31, "0" * 33, "../../etc", "' OR 1=1 --", "%00", "0" * 5000])
def test_strange_ids_are_refused(alone, item_id):
    assert post(alone, item_id, "open").status_code in (404, 422)


def test_an_unknown_item_is_named(alone):
    answer = post(alone, "0" * 32, "open")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "refused")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", r"Already decided by bob at 20\d\d-\d\d-\d\d \d\d:\d\d UTC: Rejected"),
        ("ja", r"bob さんが 20\d\d-\d\d-\d\d \d\d:\d\d UTC に処理済みです: 却下済み"),
    ],
)
def test_who_comes_late_is_told_who_when_and_what_in_both_languages(alone, store, three, language, said):
    store.decide(three[0].id, "reject", operator="bob")
    alone.headers["accept-language"] = language
    answer = post(alone, three[0].id, "decide", action="accept", version=1)
    assert answer.status_code == 409
    assert re.fullmatch(said, answer.json()["error"]["text"])


def test_two_operators_never_meet(logged_in, store, three):
    ann, bob = logged_in("ann"), logged_in("bob")
    first, second = take(ann), take(bob)
    assert first["item"]["id"] != second["item"]["id"]
    seen = post(bob, first["item"]["id"], "open").json()["lease"]
    assert (seen["mine"], seen["operator"]) == (False, "ann")
    assert "ann is working on this item" in seen["html"]
    answer = post(bob, first["item"]["id"], "decide", action="accept", version=1)
    assert (answer.status_code, "ann is working on this item" in answer.json()["error"]["text"]) == (409, True)
    assert post(ann, first["item"]["id"], "renew").json() == {"held": True}
    assert post(bob, first["item"]["id"], "renew").json() == {"held": False}
    post(ann, first["item"]["id"], "release")
    assert post(bob, first["item"]["id"], "open").json()["lease"]["mine"] is True


def test_undo_skip_and_cannot_tell(alone, store, three):
    done = post(alone, three[0].id, "decide", action="accept", version=1).json()["item"]
    back = post(alone, three[0].id, "undo", version=done["version"]).json()["lease"]
    assert (back["item"]["status"], back["mine"]) == ("pending", True)
    following = post(alone, three[0].id, "leave", kind="skip", version=3, next=FULL).json()["lease"]
    assert following["item"]["id"] != three[0].id
    post(alone, three[1].id, "leave", kind="cannot_tell", version=1, note="hm")
    assert alone.get("/api/v1/stats").json()["flagged"] == 1
    assert take(alone, flagged=True)["item"]["id"] == three[1].id


@pytest.mark.parametrize(("language", "said"), [("en", "ann could not tell"), ("ja", "ann さんは判断できませんでした")])
def test_a_lead_reads_who_could_not_tell_and_why(logged_in, three, language, said):
    ann, lead = logged_in("ann"), logged_in("花子", "lead")
    post(ann, three[0].id, "open")
    post(ann, three[0].id, "leave", kind="cannot_tell", version=1, note="two <b>capitals</b>?")
    lead.headers["accept-language"] = language
    seen = post(lead, three[0].id, "open").json()["lease"]
    assert said in seen["html"] and "two &lt;b&gt;capitals&lt;/b&gt;?" in seen["html"]
    post(lead, three[0].id, "release")
    assert "capitals" not in post(ann, three[0].id, "open").json()["lease"]["html"]


def test_a_draft_is_there_again(alone, three):
    draft = {"correction": "Canb", "note": "n"}
    assert alone.put(f"/api/v1/items/{three[0].id}/draft", json=draft).status_code == 200
    assert post(alone, three[0].id, "open").json()["lease"]["draft"] == draft


def test_lists_are_filtered_and_paged_on_the_server(alone, store, three):
    found = alone.get("/api/v1/items", params={"limit": 2, "offset": 1}).json()
    assert [row["question"] for row in found["rows"]] == ["question 2", "question 3"]
    assert (found["total"], found["more"]) == (3, False)
    assert alone.get("/api/v1/items", params={"text": "TION 2"}).json()["total"] == 1
    store.decide(three[0].id, "accept", operator="bob")
    assert alone.get("/api/v1/items", params={"status": "all"}).json()["total"] == 3
    assert alone.get("/api/v1/items", params={"status": "accepted", "operator": "bob"}).json()["total"] == 1
    assert alone.get("/api/v1/items", params={"band": "very_low"}).json()["total"] == 1
    assert alone.get("/api/v1/tasks").json() == {"tasks": [""]}


@pytest.mark.parametrize(
    "query", [{"limit": 201}, {"limit": 0}, {"offset": -1}, {"status": "open"}, {"order": "x"}, {"text": "x" * 501}]
)
def test_impossible_lists_are_refused(alone, query):
    assert alone.get("/api/v1/items", params=query).status_code == 422


def test_a_page_of_the_list_does_not_carry_whole_answers(alone, store):
    for _ in range(50):
        store.submit("q" * 5000, "a" * 20_000, confidence=Confidence(0.2), decision=REVIEW)
    assert len(alone.get("/api/v1/items", params={"view": True}).content) < 80_000


def test_an_idle_page_asks_for_little(alone, three):
    answer = alone.get("/api/v1/changes")
    size = len(answer.content) + sum(len(name) + len(value) + 4 for name, value in answer.headers.items())
    # Asked for every two seconds, beside as much for the question: far below 2 kB a second.
    assert size < 1500


def test_the_history_of_an_item(alone, three):
    post(alone, three[0].id, "decide", action="accept", version=1)
    events = alone.get(f"/api/v1/items/{three[0].id}/events").json()["events"]
    assert [(event["what"], event["actor"]) for event in events] == [("submitted", "thermolang"), ("accepted", "ann")]


@pytest.mark.parametrize(("language", "said"), [("en", "does not answer"), ("ja", "応答しません")])
def test_a_database_that_fails_is_said_and_not_described(alone, store, three, language, said):
    with store._engine.begin() as connection:
        connection.execute(text("ALTER TABLE items RENAME TO hidden"))
    alone.headers["accept-language"] = language
    answer = post(alone, three[0].id, "decide", action="accept", version=1)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database")
    assert said in answer.json()["error"]["text"]
    assert "items" not in answer.text
    with store._engine.begin() as connection:
        connection.execute(text("ALTER TABLE hidden RENAME TO items"))
    assert post(alone, three[0].id, "decide", action="accept", version=1).status_code == 200


def test_an_answer_of_a_megabyte_and_a_word_without_end_are_shown_in_part(alone, store):
    item = store.submit("q", "x" * 1_000_000, confidence=Confidence(0.2), decision=REVIEW)
    lease = post(alone, item.id, "open").json()["lease"]
    assert "Only the first 50000 characters are shown." in lease["html"]
    assert len(lease["html"]) < 70_000
    assert max(map(len, re.findall(r"x+", lease["html"]))) <= 80
