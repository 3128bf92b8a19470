"""What the desk shows and does, without a browser."""

import re
import string

import pytest
from thermolang_desk import handlers, render
from thermolang_desk.handlers import Form, Panel
from thermolang_desk.texts import ENGLISH, JAPANESE, words_for

from thermolang import Alternative, Confidence, Decision, ReviewStore

REVIEW = Decision("review", "confidence is below 0.80", 0.8)
HOSTILE = "<img src=x onerror=alert(1)> **bold** =1+1 ${alert(2)} {{value}} `x`"


@pytest.fixture
def store():
    with ReviewStore("sqlite://") as store:
        yield store


@pytest.fixture
def three(store):
    return [
        store.submit(f"question {n}", f"answer {n}", confidence=Confidence(n / 10), decision=REVIEW) for n in (1, 2, 3)
    ]


def decide(store, shown, action="accept", operator="ann", correction="", note=""):
    return handlers.decide(store, shown, Form(action, operator, correction, note), ENGLISH)


def key(item):
    return f"{item.id} {item.version}"


def test_the_first_look_selects_the_most_doubtful(store, three):
    view = handlers.refresh(store, "", ENGLISH)
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
    assert handlers.refresh(store, key(three[1]), ENGLISH).panel is None


def test_an_item_that_others_decided_last_leaves_the_screen(store):
    item = store.submit("q", "a", confidence=Confidence(0.1), decision=REVIEW)
    store.decide(item.id, "accept", operator="bob")
    assert handlers.refresh(store, key(item), ENGLISH).panel == Panel()
    assert handlers.refresh(store, "", ENGLISH).panel is None


def test_selecting_shows_the_item(store, three):
    view = handlers.select(store, three[2].id, ENGLISH)
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


def test_another_version_than_the_one_on_the_screen_is_not_decided(store, three):
    view = decide(store, f"{three[0].id} 9")
    assert "read it again" in view.toast
    assert store.counts()["pending"] == 3


def test_a_failing_store_is_shown_and_the_page_stays(store, three):
    store.close()
    view = handlers.refresh(store, key(three[0]), ENGLISH)
    assert 'role="alert"' in view.queue
    assert "this review store is closed" in view.queue
    assert view.panel is None
    for view in (handlers.select(store, three[0].id, ENGLISH), decide(store, key(three[0]))):
        assert (view.kind, view.panel) == ("error", None)
        assert "this review store is closed" in view.toast


def test_an_unknown_item_is_an_error(store):
    assert "there is no item 'nix'" in handlers.select(store, "nix", ENGLISH).toast
    assert "there is no item ''" in decide(store, "").toast


def test_text_from_outside_is_never_markup(store):
    confidence = Confidence(0.2, task=HOSTILE, alternatives=(Alternative(HOSTILE, 0.5),), reason=f"1 {HOSTILE}")
    item = store.submit(
        HOSTILE,
        HOSTILE,
        confidence=confidence,
        decision=Decision("review", HOSTILE, 0.8),
        context=HOSTILE,
        model=HOSTILE,
    )
    shown = handlers.refresh(store, "", ENGLISH)
    for page, times in ((shown.queue, 4), (shown.panel.detail, 9)):
        assert page.count(render.literal(HOSTILE)) == times
        assert "<img" not in page
        assert "{" not in page
    assert shown.panel.answer == HOSTILE
    assert handlers.select(store, item.id, ENGLISH).panel == shown.panel


def test_failures_are_never_markup():
    assert "<b>" not in render.failure("<b>", ENGLISH)


def test_the_desk_shows_what_was_said_when_asked_again(store):
    others = (Alternative("Canberra", 0.25, 2),)
    confidence = Confidence(0.4, raw=0.75, source="meaning", alternatives=others)
    item = store.submit("q", "Sydney", confidence=confidence, decision=REVIEW)
    detail = render.detail(item, ENGLISH)
    said = detail[detail.index("Asked again") :]
    assert said.index("Sydney") < said.index("75%") < said.index("Canberra") < said.index("25%")
    assert "Other answers considered" not in detail


def test_everything_known_about_a_confidence_is_shown(store):
    confidence = Confidence(
        value=0.18,
        raw=0.74,
        temperature=2.41,
        bias=-0.62,
        interval=(0.09, 0.31),
        source="self_check",
        task="capitals",
        task_version=3,
        supported=False,
        novelty=1.34,
        alternatives=(Alternative("Canberra", 0.4, 4),),
        reason="the input is unusual",
    )
    item = store.submit("q", "Sydney", confidence=confidence, decision=REVIEW, context="a map", model="smollm2")
    detail = render.detail(item, ENGLISH)
    text = re.sub(r"<[^>]+>", " ", detail)
    for part in (
        "0.18",
        "very low",
        "accepted from 0.80",
        "0.74",
        "2.41",
        "-0.62",
        "0.09 to 0.31",
        "self-check",
        "capitals v3",
        "unlike the training data (novelty 1.34)",
        "Canberra",
        "40%",
        "the input is unusual",
        REVIEW.reason,
        "a map",
        "smollm2",
    ):
        assert part in text, part
    assert 'width:18%"></i><s style="left:80%">' in detail


def test_what_is_unknown_is_left_out(store):
    item = store.submit("q", "", confidence=Confidence(None, reason="no calibrator"), decision=REVIEW)
    text = re.sub(r"<[^>]+>", " ", render.detail(item, ENGLISH))
    assert "no calibrator" in text
    assert "unknown" in text
    assert "(empty)" in text
    for absent in ("Temperature", "Before calibration", "Input", "Other answers", "Context"):
        assert absent not in text


@pytest.mark.parametrize(
    ("value", "word"),
    [(None, "unknown"), (0, "very_low"), (0.25, "low"), (0.5, "medium"), (0.75, "high"), (1, "high")],
)
def test_words_for_confidences(value, word):
    assert render.intercept(value) == word


def test_a_longer_queue_says_so(store, three, monkeypatch):
    monkeypatch.setattr(handlers, "QUEUE_LIMIT", 2)
    assert "2 of 3 shown" in handlers.refresh(store, "", ENGLISH).queue


def test_both_languages_say_the_same():
    def blanks(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert {key: blanks(text) for key, text in ENGLISH.items()} == {key: blanks(text) for key, text in JAPANESE.items()}
    assert words_for("ja-JP,ja;q=0.9,en;q=0.8") is JAPANESE
    assert words_for("de,ja;q=0.9") is ENGLISH
    assert words_for("") is ENGLISH


def test_the_desk_speaks_japanese(store, three):
    view = handlers.refresh(store, "", JAPANESE)
    assert "未処理" in view.header
    assert "確信度" in view.queue
    assert "モデルの回答" in view.panel.detail
