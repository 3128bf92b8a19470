"""Marks of amounts and dates: what limits them, and how two sets of marks bear on each other."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermolang.answers.rules.dates import dates_in
from thermolang.answers.rules.qualifiers import asked_marks, marks_agree, of_range, time_of
from thermolang.answers.rules.quantities import agreement, quantities_in
from thermolang.answers.rules.tables import read_table

TABLE = read_table("qualifiers")
MARKS = sorted({mark for side in ("before", "after") for mark in TABLE[side]} | {"per month", "per year", "per person"})
SETS = st.frozensets(st.sampled_from(MARKS), max_size=3)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("at least 2 years", {"lower"}),
        ("2年以上", {"lower"}),
        ("up to 5 kg", {"upper"}),
        ("5人以内", {"upper"}),
        ("more than 3", {"above"}),
        ("18歳未満", {"below"}),
        ("$20/month", {"per month"}),
        ("月額980円", {"per month"}),
        ("10 per user", {"per person"}),
        ("10 in total", {"total"}),
        ("a loss of $5 million", {"down"}),
        ("20% off", {"off"}),
        ("20%オフ", {"off"}),
        ("3割引", {"off"}),
        ("£450 excl. VAT", {"tax_out"}),
        ("980円(税込)", {"tax_in"}),
        ("5 ± 2", {"tolerance"}),
        ("5 km", set()),
    ],
)
def test_marks_of_amounts(text, marks):
    found = quantities_in(text)
    assert frozenset().union(*(quantity.marks for quantity in found)) == marks


@pytest.mark.parametrize(
    ("text", "marks"), [("by Friday", {"upper"}), ("5月5日まで", {"upper"}), ("since 1995", {"lower"})]
)
def test_marks_of_dates(text, marks):
    assert dates_in(text)[0].marks == marks


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("2 years", "at least 2 years"),
        ("10 per user", "10"),
        ("$20 per month", "$20"),
        ("5%", "5 percentage points"),
        ("14 days", "14 business days"),
        ("30日", "30営業日"),
        ("£450 excl. VAT", "£450"),
    ],
)
def test_a_mark_of_one_side_is_no_sure_join(a, b):
    (first,), (second,) = quantities_in(a), quantities_in(b)
    assert agreement(first, second) <= 0.6


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("10 per user", "10 in total"),
        ("£450 excl. VAT", "£450 incl. VAT"),
        ("$20 per month", "$20 per year"),
        ("at least 5", "at most 5"),
        ("5人以上", "5人以下"),
        ("a loss of $5 million", "a profit of $5 million"),
        ("1:3", "3:1"),
    ],
)
def test_marks_that_deny_each_other(a, b):
    (first,), (second,) = quantities_in(a), quantities_in(b)
    assert agreement(first, second) == 0


@given(SETS, SETS)
def test_marks_agree_in_either_order_and_with_themselves(a, b):
    assert marks_agree(a, a) == 1
    assert 0 <= marks_agree(a, b) == marks_agree(b, a) <= 1
    assert (marks_agree(a, b) == 1) == (a == b)


@pytest.mark.parametrize("pair", TABLE["contrary"])
def test_contrary_marks(pair):
    a, b = (frozenset({mark}) for mark in pair.split())
    assert marks_agree(a, b) == 0


@given(SETS)
def test_ranges_have_no_other_bounds(marks):
    assert of_range(marks) == marks
    assert not of_range(marks | {"start"}) & {"lower", "upper"}


def test_a_mark_of_the_question_may_be_left_out():
    asked = asked_marks(frozenset({"what", "is", "the", "monthly", "fee"}))
    with_month, without = quantities_in("$20 per month")[0], quantities_in("$20")[0]
    assert agreement(with_month, without) < agreement(with_month, without, asked)
    assert time_of(frozenset({"per month"})) == "month"
    assert time_of(frozenset({"per month", "per year"})) == ""


def test_amounts_for_other_times_are_converted():
    (month,), (year,) = quantities_in("$10 per month"), quantities_in("$120 per year")
    assert 0.5 <= agreement(month, year) < 1


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(["more than 2", "at least 3", "3以上"], 2)))
def test_strict_bounds_and_others(a, b):
    (first,), (second,) = quantities_in(a), quantities_in(b)
    assert agreement(first, second) == 1
