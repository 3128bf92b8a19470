"""Blind items: the number is not on the page, not in what the API sends, and not in how much it sends."""

import re

import pytest
from thermolang_desk import api

from tests.desk.conftest import REVIEW
from tests.desk.test_api import post, take
from thermolang import Confidence, Decision
from thermolang.review import LeadService, TaskSettings
from thermolang.types import Alternative

# Times and ids, which may hold any digits.
NOT_CONTENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+|\b[0-9a-f]{32}\b")


def blind(store, **settings):
    LeadService(store).set_settings("*", TaskSettings(mode="blind", **settings), operator="lea")


def surely(value, threshold=0.8):
    """A confidence with all that the page would tell of it."""
    others = (Alternative("Perth", value / 2), Alternative("Cairns", value / 4))
    confidence = Confidence(
        value, raw=value / 2, interval=(value / 2, value), temperature=2 + value, alternatives=others, task="capitals"
    )
    return {"confidence": confidence, "decision": Decision("review", f"only {value}", threshold), "task": "capitals"}


@pytest.fixture
def ann(store, logged_in):
    blind(store)
    store.submit("Capital?", "Sydney", **surely(0.37))
    return logged_in("ann")


def test_what_is_hidden_is_not_sent(ann):
    lease = take(ann)
    assert 'id="blind"' in lease["html"]
    lists = [ann.get("/api/v1/items", params=params).text for params in ({"view": True}, {})]
    sent = [NOT_CONTENT.sub("", text) for text in [str(lease), *lists]]
    assert all("Sydney" in text for text in sent)
    for told in ["0.37", "0.18", "0.19", "2.37", "0.8", "Perth", "only", "bar", "very_low", "below"]:
        assert all(told not in text for text in sent), told


@pytest.mark.parametrize("view", [True, False])
def test_the_size_of_what_is_sent_tells_nothing(alone, store, view):
    blind(store)
    sizes = []
    for value, threshold in [(0.05, 0.8), (0.5, 0.75), (0.999999, 0.123456), (None, 0.8)]:
        given = (
            surely(value, threshold)
            if value
            else {"confidence": Confidence(None), "decision": REVIEW, "task": "capitals"}
        )
        item = store.submit("Capital?", "Sydney", **given)
        listed = alone.get("/api/v1/items", params={"view": view}).text
        lease = post(alone, item.id, "open").json()["lease"]
        sizes.append((len(str(lease)), len(listed)))
        post(alone, item.id, "decide", action="accept", version=1)
    # The list has a time in it, whose fraction may end in zeros.
    assert len({size[0] for size in sizes}) == 1
    assert max(size[1] for size in sizes) - min(size[1] for size in sizes) <= 7


def test_what_is_not_hidden_is_shown(alone, store):
    store.submit("Capital?", "Sydney", **surely(0.37))
    assert "0.37" in take(alone)["html"]
    assert alone.get("/api/v1/items").json()["rows"][0]["confidence"] == 0.37


@pytest.mark.parametrize(
    ("language", "said"), [("en", "hidden until it is decided"), ("ja", "判定が済むまで表示されません")]
)
def test_the_page_says_that_something_is_hidden(ann, language, said):
    ann.headers["accept-language"] = language
    assert said in take(ann)["html"]


def test_a_lead_who_judges_is_blind_too(logged_in, store):
    blind(store)
    store.submit("Capital?", "Sydney", **surely(0.37))
    assert "0.37" not in NOT_CONTENT.sub("", str(take(logged_in("lea", "lead"))))


def test_reviewers_see_their_own_verdicts_and_no_others(logged_in, store, three):
    ann = logged_in("ann")
    store.decide(three[0].id, "accept", operator="bob")
    post(ann, three[1].id, "decide", action="accept", version=1)
    found = ann.get("/api/v1/items", params={"status": "all"}).json()["rows"]
    assert sorted(row["question"] for row in found) == ["question 2", "question 3"]
    assert ann.get(f"/api/v1/items/{three[0].id}/events").status_code == 403


def probes(store, count=2):
    leads = LeadService(store)
    for number in range(count):
        item = store.submit(f"known {number}", "Sydney", confidence=Confidence(0.6), decision=REVIEW)
        store.decide(item.id, "reject", operator="lea")
        leads.mark_probe(item.id, operator="lea")
    leads.set_settings("*", TaskSettings(probe_share=0.5), operator="lea")


def elements(html):
    """What the page of an item is made of."""
    return re.findall(r"<\w+|data-field=\"\w+\"", html)


def keys(found):
    """Names and kinds of all that is sent."""
    if isinstance(found, dict):
        return {name: keys(value) for name, value in found.items()}
    return type(found).__name__


def test_a_probe_is_sent_as_any_other_item(logged_in, store, three):
    probes(store, 1)
    ann = logged_in("ann")
    ann.get("/api/v1/changes")
    leases = {}
    for _ in range(4):
        lease = take(ann)
        leases[lease["html"].count("known 0")] = lease
        following = post(ann, lease["item"]["id"], "decide", action="accept", version=1)
        assert following.status_code == 200
    assert leases.keys() == {0, 1}
    assert keys(leases[0]) == keys(leases[1])
    assert elements(leases[0]["html"]) == elements(leases[1]["html"])
    listed = ann.get("/api/v1/items", params={"status": "accepted"}).json()["rows"]
    assert len({tuple(row) for row in listed}) == 1


def test_copies_are_made_when_a_reviewers_page_asks_for_changes_and_not_each_time(logged_in, store, app):
    probes(store, 9)
    ann, lea = logged_in("ann"), logged_in("lea", "lead")
    lea.get("/api/v1/changes")
    assert take(lea) is None
    ann.get("/api/v1/changes")
    assert ann.get("/api/v1/stats").json()["pending"] == 3
    post(ann, take(ann)["item"]["id"], "decide", action="accept", version=1)
    ann.get("/api/v1/changes")
    assert ann.get("/api/v1/stats").json()["pending"] == 2
    app.state.prepare_at["ann"] -= api.PREPARE_SECONDS[1]
    ann.get("/api/v1/changes")
    assert ann.get("/api/v1/stats").json()["pending"] == 3
