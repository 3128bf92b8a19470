"""The desk's HTML: what it shows of items, and that text from outside never becomes markup."""

import re
from typing import get_args

import pytest
from jinja2 import nodes
from markupsafe import escape
from thermolang_desk import components

from tests.desk.conftest import REVIEW
from thermolang import Confidence, Decision
from thermolang.review import Filter, ReviewService, User
from thermolang.types import Alternative, ReasonCode

HOSTILE = "<img src=x onerror=alert(1)> **bold** =1+1 ${alert(2)} {{value}} `x` \"' {% raw %}"
SHOWN = str(escape(HOSTILE))


@pytest.fixture
def hostile(store):
    confidence = Confidence(0.2, task=HOSTILE, alternatives=(Alternative(HOSTILE, 0.5),), reason=f"1 {HOSTILE}")
    return store.submit(
        HOSTILE,
        HOSTILE,
        confidence=confidence,
        decision=Decision("review", HOSTILE, 0.8),
        context=HOSTILE,
        model=HOSTILE,
    )


@pytest.mark.parametrize("language", ["en", "ja"])
def test_text_from_outside_is_never_markup(hostile, store, language):
    store.decide(hostile.id, "reject", operator=HOSTILE, note=HOSTILE)
    (row,) = ReviewService(store).search(Filter(status=None)).rows
    rows, detail = components.rows([row], language), components.detail(store.get(hostile.id), language, whose=HOSTILE)
    for page, times in ((rows, 4), (detail, 11)):
        assert page.count(SHOWN) == times
        assert "<img" not in page


def test_names_and_messages_are_never_markup(hostile, store):
    page = components.page(components.Frame(User(HOSTILE, "lead"), "en", "", alone=False))
    assert page.count(SHOWN) == 2
    assert "<img" not in page
    whose = components.detail(hostile, "en", whose=HOSTILE)
    assert f"{SHOWN} is working on this item" in whose


def test_why_and_probability_stand_above_the_answer(store):
    item = store.submit("q", "Sydney " * 2000, confidence=Confidence(0.4), decision=REVIEW)
    detail = components.detail(item, "en")
    assert detail.index("Why it is here") < detail.index("0.40") < detail.index("Sydney")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "The confidence 0.40 is below the threshold 0.80."),
        ("ja", "確信度 0.40 がしきい値 0.80 を下回っています。"),
    ],
)
def test_reasons_speak_the_readers_language(store, language, said):
    item = store.submit("q", "a", confidence=Confidence(0.4), decision=REVIEW)
    assert said in components.detail(item, language)
    # In the list the number says as much.
    assert said not in components.rows(ReviewService(store).search().rows, language)


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "There is no calibrator for this model."), ("ja", "このモデルの較正器がありません。")],
)
def test_a_reason_that_no_number_says_stands_in_the_list(store, language, said):
    store.submit("q", "a", confidence=Confidence(None, reason_code="no_calibrator"), decision=REVIEW)
    assert said in components.rows(ReviewService(store).search().rows, language)


def test_every_reason_code_has_a_sentence():
    own = {"below_threshold", "below_rejection", "new_input", "chosen", "no_value"}
    assert set(components.REASON_CODES) == {*get_args(ReasonCode), *own}


def test_an_unknown_code_is_shown_as_it_is():
    assert components.why("brand_new", 0.4, 0.8, "en") == ""


def test_markdown_is_rendered_and_there_as_written(store):
    item = store.submit("q", "It is **Canberra**.", confidence=Confidence(0.4), decision=REVIEW)
    detail = components.detail(item, "en")
    assert "<strong>Canberra</strong>" in detail and "It is **Canberra**." in detail
    plain = store.submit("q", "It is Canberra.", confidence=Confidence(0.4), decision=REVIEW)
    assert 'id="plain"' not in components.detail(plain, "en")


def test_no_template_turns_escaping_off():
    templates = components._templates
    for name in templates.list_templates():
        source = templates.loader.get_source(templates, name)[0]
        tree = templates.parse(source)
        assert not list(tree.find_all((nodes.MarkSafe, nodes.ScopedEvalContextModifier))), name
        assert "safe" not in {call.name for call in tree.find_all(nodes.Filter)}, name
        # Escaping protects an attribute only between quotes.
        assert not re.search(r"=\{\{", source), name
    assert templates.autoescape is True


def test_the_desk_shows_what_was_said_when_asked_again(store):
    others = (Alternative("Canberra", 0.25, 2),)
    confidence = Confidence(0.4, raw=0.75, source="meaning", alternatives=others)
    item = store.submit("q", "Sydney", confidence=confidence, decision=REVIEW)
    detail = components.detail(item, "en")
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
    detail = components.detail(item, "en")
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
    assert 'class="share" width="18%"' in detail
    assert 'class="limit" x="80%"' in detail


def test_what_is_unknown_is_left_out(store):
    item = store.submit("q", "", confidence=Confidence(None, reason="no calibrator"), decision=REVIEW)
    text = re.sub(r"<[^>]+>", " ", components.detail(item, "en"))
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
    assert components.level(value) == word
