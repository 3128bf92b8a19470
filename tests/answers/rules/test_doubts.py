"""Doubts limit P(same) of a pair, are sure of none, and each has a pair that only it sees."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL
from thermolang.answers.rules.doubts import DOUBTS, limits_of
from thermolang.answers.rules.facts import facts

EXAMPLES = {
    "amounts that may differ": [("2 years", "at least 2 years"), ("1.234", "1,234")],
    "amounts with and without a unit": [("3 of 4", "80 %"), ("5 km", "6")],
    "a word that may be another unit": [("10 g", "10 gal"), ("5 km", "5 kmol")],
    "dates or times that may differ": [("2024年度", "2024年"), ("05/04/2018", "5 April 2018")],
    "a condition or exception in one of them": [("Yes.", "Yes, if it is unopened."), ("PDF", "all except PDF")],
    "words that may limit the amount": [("5 days for members", "5 days")],
    "and, or": [("red and blue", "red or blue")],
    "an item more in one of them": [
        ("FPR / MSA", "MSA"),
        ("伽利略、牛顿", "牛顿"),
        ("Paris; Rome; Oslo", "rome"),
        ("鉛筆や消しゴム", "鉛筆"),
        ("田中、佐藤、鈴木", "鈴木、田中"),
        ("a; b; c", "c; a"),
    ],
    "parts that changed places": [("Alice reports to Bob", "Bob reports to Alice")],
    "a number that is too long to be read": [("1" * 400, "1" * 399 + "2")],
    "a word in letters of two scripts": [("Paris", "P\u0430ris")],
}


@pytest.mark.parametrize(("reason", "a", "b"), [(r, *pair) for r, pairs in EXAMPLES.items() for pair in pairs])
def test_pairs_that_are_doubted(reason, a, b):
    said, (least, most) = limits_of(facts(a), facts(b))
    assert said == reason
    assert 0 <= least <= most < 1


def test_every_doubt_has_an_example():
    assert list(EXAMPLES) == [doubt.reason for doubt in DOUBTS]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("5 km", "5000 m"),
        ("Paris", "London"),
        ("red and blue", "blue and red"),
        ("", "5"),
        ("はい、そうです", "はい"),
        ("早やかに", "早"),
        ("親しみやすさ", "親しみ"),
        ("a; b", "b; a"),
    ],
)
def test_pairs_that_are_not_doubted(a, b):
    assert limits_of(facts(a), facts(b)) is None


@settings(deadline=None)
@given(st.sampled_from(POOL), st.sampled_from(POOL))
def test_the_order_plays_no_part_and_nothing_is_sure(a, b):
    found = limits_of(facts(a), facts(b))
    assert found == limits_of(facts(b), facts(a))
    assert found is None or (0 <= found[1][0] <= found[1][1] < 1)
    assert limits_of(facts(a), facts(a)) is None or limits_of(facts(a), facts(a))[1][1] > 0.5
