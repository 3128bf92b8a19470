"""What is read in an answer: its kind, and the parts that the rules compare."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL
from thermolang.answers.rules.facts import facts
from thermolang.answers.rules.spelling import normal_form


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        (" \n\t\u3000", "empty"),
        ("I don't know.", "refusal"),
        ("I\u2019m sorry, but I cannot answer that.", "refusal"),
        ("わかりません。", "refusal"),
        ("不明です", "refusal"),
        ("N/A", "refusal"),
        ("Paris", "answer"),
        ("👍", "answer"),
        ("0", "answer"),
        ("no", "answer"),
        ("いいえ", "answer"),
    ],
)
def test_kinds(text, kind):
    assert facts(text).kind == kind


@pytest.mark.parametrize(
    "refusal", ["I don't know", "unknown", "not sure", "わかりません", "不明", "No comment.", "I cannot answer"]
)
@pytest.mark.parametrize("around", ["{}", "**{}**", "<b>{}</b>", "> {}", "Answer: {}", "\\boxed{{{}}}", '"{}"'])
def test_markup_turns_no_refusal_into_an_answer(refusal, around):
    assert facts(around.format(refusal)).kind == "refusal"


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(POOL), st.text(max_size=20)), max_size=12))
def test_answers_of_one_form_are_of_one_kind(texts):
    kinds = {}
    for text in texts:
        assert kinds.setdefault(facts(text).form, facts(text).kind) == facts(text).kind


def test_an_answer_spelled_like_a_refusal_is_of_another_form():
    assert normal_form("N/A") == normal_form("N / A")
    if facts("N / A").kind == "answer":
        assert facts("N / A").form != facts("N/A").form


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("5", True),
        ("about 5 km", True),
        ("It was in 1995.", True),
        ("5 dogs", False),
        ("Apollo 11", False),
        ("Paris", False),
        ("", False),
        ("2½ km", True),
        ("½", True),
        ("１９９５年", True),
        ("㎞", False),
        ("½ ¼ ¾ dog", False),
        ("½½½½ cats", False),
        ("5" + " " * 400, False),
    ],
)
def test_bare_amounts(text, bare):
    assert facts(text).bare is bare


def test_a_date_is_no_amount():
    found = facts("4 July 1976")
    assert [(m.year, m.month, m.day) for m in found.dates] == [(1976, 7, 4)]
    assert found.quantities == ()


def test_words_are_casefolded_and_without_fillers():
    assert facts("The Dog is in a KENNEL").words == ("dog", "kennel")


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("oxygen and nitrogen", {"oxygen", "nitrogen"}),
        ("nitrogen, oxygen", {"oxygen", "nitrogen"}),
        ("oxygen or nitrogen", set()),
        ("oxygen", set()),
        ("", set()),
    ],
)
def test_items_of_a_list(text, items):
    assert facts(text).items == items


def test_long_texts():
    assert not facts("word " * 30).is_long
    assert facts("word " * 31).is_long
    assert facts("a" * 361).is_long


@pytest.mark.parametrize(
    ("text", "japanese"), [("東京", True), ("ト", True), ("Tokyo", False), ("こ a", True), ("서울", False)]
)
def test_japanese(text, japanese):
    assert facts(text).is_japanese is japanese


@settings(deadline=None)
@given(st.one_of(st.sampled_from(POOL), st.text(max_size=200)))
def test_any_text_is_read(text):
    found = facts(text)
    assert found.text == text
    assert (found.kind == "empty") == (found.form == "")
    assert facts(text) is found
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.form = "other"
