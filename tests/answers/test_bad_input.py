"""Whatever an answer is, it is read in steps in proportion to its length, nothing is raised, and what is not known is
doubtful."""

import pytest

from tests.answers.steps import Steps, assert_linear
from thermolang.answers.equivalence import NOT_COMPARED, Equivalence
from thermolang.answers.grading import GRADERS, equivalent
from thermolang.answers.rules import (
    conditions,
    date_readers,
    dates,
    digits,
    identifiers,
    names,
    negation,
    numerals,
    periods,
    qualifiers,
    quantities,
    replies,
    spelling,
    units,
)
from thermolang.answers.rules.dates import dates_in
from thermolang.answers.rules.facts import MOST_READ, facts
from thermolang.answers.rules.guards import apply_guards

MODULES = (
    *(conditions, date_readers, dates, digits, identifiers, names, negation, numerals, periods, qualifiers),
    *(quantities, replies, spelling, units),
)
UNITS = [
    *(
        "a",
        "9",
        "1,",
        "1'234 ",
        "(5)",
        r"\frac{1}{2}",
        "$5 ",
        "5% ",
        "at least ",
        "if ",
        "FY24 ",
        "Monday and ",
        "月・",
        "1/",
    ),
    *("\u20135 ", "東京", "場合", "a@", "1.2.3 ", "AB-", "😀", "שלום ", "loss of ", "5 or "),
]
ODD = [
    "Москва, не Петербург",
    "ירושלים",
    "Пaris",
    "東京tower и 5 км",
    "👍👍👎",
    "\u202e5 km\u202c",
    "\ud800",
    "9" * 400,
    "-" + "1" * 400 + " EUR",
    "30 February 2023",
    "2023年2月30日",
    "99:99",
    "1e999999",
    r"\frac{1}{0}",
    "１２３,４５,６",  # noqa: RUF001
    "(((((",
    "a" * 100_000,
    "1,5 " * 25_000,
    "東" * 100_000,
]


@pytest.mark.parametrize("unit", UNITS)
def test_an_answer_is_read_in_steps_in_proportion_to_its_length(monkeypatch, unit):
    monkeypatch.setattr("thermolang.answers.rules.facts.MOST_READ", 10**9)
    assert_linear(Steps(monkeypatch, *MODULES), facts.__wrapped__, unit, 1500)


def test_amounts_and_dates_are_looked_for_in_the_first_characters_only():
    assert facts("word " * (MOST_READ // 5) + "5 km on 4 July 1976").quantities == ()
    assert facts("5 km " + "word " * MOST_READ).quantities[0].value == 5000


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_anything_is_compared_and_graded(text):
    equivalence = Equivalence(None)
    assert equivalence.same(text, text, text) == 1
    for other in ("Paris", "5 km", "4 July 1976", "東京"):
        same = equivalence.same(text, other)
        assert same == equivalence.same(other, text)
        assert 0 <= same <= 1
    for grade in (*(g for name, g in GRADERS.items() if name != "combined"), equivalent(equivalence)):
        assert 0 <= grade(text, ["Paris", "5 km"], text) <= 1
        assert 0 <= grade("Paris", [text], "Where?") <= 1


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("👍", "👎"),
        ("Москва", "Санкт-Петербург"),
        ("ירושלים", "תל אביב"),
        ("9" * 400, "9" * 399 + "8"),
        ("30 February 2023", "February 30th, 2023 "),
        ("31 November 2023", "2023-11-31"),
    ],
)
def test_what_cannot_be_read_is_not_sure(a, b):
    link = apply_guards(facts(a), facts(b))
    assert link is None or link.same is None or facts(a).form == facts(b).form
    assert 0 < Equivalence(None).same(a, b) < 1 or facts(a).form == facts(b).form


def test_letters_of_another_script_that_look_alike_are_no_sure_join():
    latin, cyrillic = "Paris", "P\u0430ris"
    assert 0 < Equivalence(None).same(latin, cyrillic) < 1
    assert Equivalence(None).same("5 km", "5 \u043am") < 1


def test_emoji_alone_are_not_compared():
    assert Equivalence(None).same("😀", "😢") == NOT_COMPARED


@pytest.mark.parametrize("text", ["30 February 2023", "2023-02-30", "31/11/2023", "2023年2月30日", "September 31"])
def test_a_date_that_does_not_exist_is_read_and_doubted(text):
    (date,) = dates_in(text)
    assert not date.sure
