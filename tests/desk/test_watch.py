"""The leads' pages about work and alarms: who works on what, giving items to somebody, what monitors noticed."""

import math

import pytest

from tests.desk.test_api import post
from thermolang.review import LeadService, ReviewService, UserStore, tell_alarm
from thermolang.routing import Alarm


@pytest.fixture
def lea(logged_in):
    return logged_in("lea", "lead")


def test_a_lead_gives_an_item_to_somebody_else(lea, logged_in, three):
    ann, bob = logged_in("ann"), logged_in("bob")
    taken = ann.post("/api/v1/next", json={}).json()["lease"]["item"]["id"]
    page = lea.get("/lead/work").text
    assert taken in page and '<option value="bob"' in page and '<option value="ann" selected' in page
    assert post(lea, taken, "assign", operator="bob").json() == {"operator": "bob"}
    assert post(ann, taken, "renew").json() == {"held": False}
    assert bob.post("/api/v1/next", json={}).json()["lease"]["item"]["id"] == taken
    refused = post(ann, taken, "decide", action="accept", version=1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert post(bob, taken, "decide", action="accept", version=1).status_code == 200


@pytest.mark.parametrize(
    "body", [{"operator": "nobody"}, {"operator": ""}, {"operator": "x" * 201}, {}, {"operator": 1}]
)
def test_only_users_can_be_given_something(lea, store, three, body):
    assert post(lea, three[0].id, "assign", **body).status_code == 422
    assert LeadService(store).work() == []


def test_a_decided_item_says_who_decided_it(lea, store, three):
    ReviewService(store).decide(three[0].id, 1, "accept", operator="ann")
    answer = post(lea, three[0].id, "assign", operator="lea")
    assert answer.status_code == 409 and "ann" in answer.json()["error"]["text"]


@pytest.mark.parametrize(("language", "word"), [("en", "Give to…"), ("ja", "担当を変更…")])
def test_leads_find_the_way_from_the_item_and_reviewers_do_not(lea, logged_in, three, language, word):
    ann, headers = logged_in("ann"), {"accept-language": language}
    for client, there in ((lea, True), (ann, False)):
        html = client.post(f"/api/v1/items/{three[0].id}/open", json={}, headers=headers).json()["lease"]["html"]
        assert (word in html and f"/lead/work?item={three[0].id}" in html) == there
    assert three[0].id in lea.get("/lead/work", params={"item": three[0].id}).text
    assert lea.get("/lead/work", params={"item": "<b>"}).status_code == 422


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            [
                "Confidences are distributed otherwise",
                "item 812",
                "item 640",
                "3.2 \u00d7 the level",
                "certain: compared",
            ],
        ),
        ("ja", ["確信度の分布が変わりました", "812 件目", "640 件目", "3.2 倍", "確実(比較による)"]),
    ],
)
def test_alarms_are_shown_with_since_when_and_the_evidence(lea, store, language, words):
    tell_alarm(store, Alarm("confidence", 812, 640, 3.24, "PSI 0.41 <b>"))
    tell_alarm(store, Alarm("model", 900, 900, math.inf, "calibrator 'b'"))
    page = lea.get("/lead/alarms", headers={"accept-language": language}).text
    assert all(word in page for word in words)
    assert "PSI 0.41 &lt;b&gt;" in page and "(2)" in page


def test_an_alarm_that_was_seen_is_counted_no_more(lea, store):
    tell_alarm(store, Alarm("error", 40, 12, 1.5, "9 of 40 audited are wrong"))
    assert "(1)" in lea.get("/lead").text
    # The error is of the audited answers, which have numbers of their own.
    assert "audited answer 12" in lea.get("/lead/alarms").text
    (alarm,) = LeadService(store).alarms()
    assert lea.post(f"/api/v1/lead/alarms/{alarm.id}/seen", json={}).status_code == 200
    page = lea.get("/lead/alarms").text
    assert "(1)" not in page and "seen by lea" in page and "data-alarm" not in page
    assert lea.post("/api/v1/lead/alarms/99/seen", json={}).status_code == 422
    assert lea.post("/api/v1/lead/alarms/0/seen", json={}).status_code == 422


def test_an_alarm_of_a_later_monitor_is_shown_by_its_name(lea, store):
    tell_alarm(store, Alarm("latency", 1, 1, 2.0, "slow"))
    assert "latency" in lea.get("/lead/alarms").text


def test_who_opened_the_desk_alone_gives_items_to_nobody_else(alone, store, three):
    UserStore(store).add("bob", "correct horse battery")
    ReviewService(store).open(three[0].id, "ann")
    page = alone.get("/lead/work").text
    assert '<option value="ann"' in page and "bob" not in page
