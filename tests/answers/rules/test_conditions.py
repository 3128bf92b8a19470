"""Conditions and exceptions: what an answer depends on, and how two answers with some bear on each other."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermolang.answers.rules.conditions import NONE, conditions_agree, conditions_in
from thermolang.answers.rules.replies import polarity

WORDS = """
    はい いいえ yes no only if unless when except all but without with a receipt the item broken PDF , .
    場合 であれば 以外 のみ 全員 未開封 可能 です、
"""
TEXTS = st.lists(st.sampled_from(re.findall(r"\S+", WORDS)), max_size=8).map(" ".join)


def read(text):
    return conditions_in(text, polarity(text))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("Yes, if you return it within 30 days.", True),
        ("Only with your manager's approval.", True),
        ("Not without your manager's approval.", True),
        ("No, unless the item is defective.", True),
        ("Yes, unless it is opened.", False),
        ("はい、未開封であれば可能です。", True),
        ("Yes.", None),
        ("Paris", None),
    ],
)
def test_what_an_answer_depends_on(text, holds):
    assert read(text).holds is holds


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Only with your manager's approval.", "Not without your manager's approval."),
        ("No, unless the item is defective.", "Only if the item is defective."),
        ("all except PDF", "everything but PDF"),
        ("月曜日以外", "月曜以外"),
    ],
)
def test_the_same_condition_or_exception(a, b):
    least, most, _ = conditions_agree(read(a), read(b))
    assert 0.5 <= least <= most < 1


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Yes, if you return it within 30 days.", "Yes."),
        ("はい、未開封であれば。", "はい。"),
        ("all except PDF", "PDF"),
        ("PDF以外", "PDF"),
        ("Yes, if it is raining.", "Yes, unless it is raining."),
        ("Only with a receipt.", "Only on Mondays if it rains."),
    ],
)
def test_a_condition_of_one_side_is_no_join(a, b):
    least, most, reason = conditions_agree(read(a), read(b))
    assert least == 0
    assert most < 0.5 or reason == "other conditions"


def test_a_condition_that_the_question_gives_may_be_left_out():
    asked = frozenset(["can", "i", "return", "the", "item", "if", "it", "is", "unopened"])
    assert conditions_agree(read("Yes, if it is unopened."), read("Yes."), asked) is None
    assert conditions_agree(read("Yes, if it is unopened."), read("Yes.")) is not None


@given(TEXTS, TEXTS)
def test_limits_are_limits_and_the_order_plays_no_part(a, b):
    first, second = read(a), read(b)
    assert conditions_agree(first, first) is None or conditions_agree(first, first)[1] > 0.5
    found = conditions_agree(first, second)
    assert found == conditions_agree(second, first)
    assert found is None or 0 <= found[0] <= found[1] < 1


@given(st.text(max_size=450))
def test_any_text_is_read(text):
    assert conditions_in(text) is not None
    assert conditions_in(text + "x" * 401) == NONE
