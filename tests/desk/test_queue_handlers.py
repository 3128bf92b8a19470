"""What the events of the queue's page do, without a browser."""

import re

import pytest
from thermolang_desk.pages import queue_handlers as handlers
from thermolang_desk.pages.queue_handlers import Form, Panel, Shown

from tests.desk.conftest import REVIEW
from thermolang import Confidence


def decide(store, shown, action="accept", operator="ann", correction="", note=""):
    return handlers.decide(store, shown, Form(action, operator, correction, note), "en")


def key(item):
    return Shown(item.id, item.version)


def test_the_first_look_selects_the_most_doubtful(store, three):
    view = handlers.refresh(store, "", "en")
    assert view.panel.shown == key(three[0])
    assert view.panel.answer == "answer 1"
    assert re.findall(r'data-id="(\w+)"', view.queue) == [item.id for item in three]
    assert dict(re.findall(r'data-count="(\w+)">(\d+)', view.header)) == {
        "pending": "3",
        "accepted": "0",
        "corrected": "0",
        "rejected": "0",
    }


def test_a_later_look_leaves_the_selection_alone(store, three):
    assert handlers.refresh(store, three[1].id, "en").panel is None


def test_an_item_that_others_decided_last_leaves_the_screen(store):
    item = store.submit("q", "a", confidence=Confidence(0.1), decision=REVIEW)
    store.decide(item.id, "accept", operator="bob")
    assert handlers.refresh(store, item.id, "en").panel == Panel()
    assert handlers.refresh(store, "", "en").panel is None


def test_selecting_shows_the_item(store, three):
    view = handlers.select(store, three[2].id, "en")
    assert view.panel.shown == key(three[2])
    assert "question 3" in view.panel.detail
    assert (view.header, view.queue, view.toast) == (None, None, "")


@pytest.mark.parametrize(("position", "following"), [(0, 1), (1, 2), (2, 1)])
def test_a_verdict_moves_on_to_the_next(store, three, position, following):
    view = decide(store, key(three[position]), note=" fine ")
    assert (view.panel.shown, view.toast, view.kind) == (key(three[following]), "Saved: Accepted", "info")
    verdict = store.get(three[position].id).verdict
    assert (verdict.action, verdict.operator, verdict.note) == ("accept", "ann", "fine")


def test_the_last_verdict_leaves_an_empty_desk(store):
    item = store.submit("q", "a", confidence=Confidence(0.1), decision=REVIEW)
    view = decide(store, key(item), "reject")
    assert view.panel == Panel()
    assert "Nothing to review" in view.queue


def test_a_correction_is_kept(store, three):
    decide(store, key(three[0]), "correct", correction=" Canberra ")
    assert store.get(three[0].id).verdict.corrected_answer == "Canberra"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"operator": " "}, "Enter your name as operator first."),
        ({"action": "correct", "correction": " "}, "Enter the corrected answer first."),
        ({"action": "correct", "correction": "answer 1 "}, "The answer is unchanged: edit it, or accept it."),
    ],
)
def test_incomplete_verdicts_are_explained_and_change_nothing(store, three, form, message):
    view = decide(store, key(three[0]), **form)
    assert (view.toast, view.kind, view.panel) == (message, "warning", None)
    assert store.counts()["pending"] == 3


def test_a_late_verdict_is_told_who_was_first(store, three):
    store.decide(three[1].id, "reject", operator="bob")
    view = decide(store, key(three[1]))
    assert re.fullmatch(r"Already decided by bob at 20\d\d-\d\d-\d\d \d\d:\d\d UTC: Rejected", view.toast)
    assert view.kind == "warning"
    assert view.panel.shown == key(three[0])
    assert store.get(three[1].id).verdict.operator == "bob"


@pytest.mark.parametrize("version", [0, 9])
def test_another_version_than_the_one_on_the_screen_is_not_decided(store, three, version):
    view = decide(store, Shown(three[0].id, version))
    assert "read it again" in view.toast
    assert store.counts()["pending"] == 3


def test_a_failing_store_is_shown_and_the_page_stays(store, three):
    store.close()
    view = handlers.refresh(store, three[0].id, "en")
    assert 'role="alert"' in view.queue
    assert "this review store is closed" in view.queue
    assert view.panel is None
    for view in (handlers.select(store, three[0].id, "en"), decide(store, key(three[0]))):
        assert (view.kind, view.panel) == ("error", None)
        assert "this review store is closed" in view.toast


def test_an_unknown_item_is_an_error(store):
    assert "there is no item 'nix'" in handlers.select(store, "nix", "en").toast
    assert "there is no item ''" in decide(store, Shown()).toast


def test_a_longer_queue_says_so(store, three, monkeypatch):
    monkeypatch.setattr(handlers, "QUEUE_LIMIT", 2)
    assert "2 of 3 shown" in handlers.refresh(store, "", "en").queue


def test_the_desk_speaks_japanese(store, three):
    view = handlers.refresh(store, "", "ja")
    assert "未処理" in view.header
    assert "確信度" in view.queue
    assert "モデルの回答" in view.panel.detail
