"""Identifiers are compared as what they are: equal but for their marks, or other ones; the rest is left to others."""

import itertools
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL
from thermolang.answers.rules.identifiers import (
    MOST_CHARACTERS,
    bare_identifier,
    identifiers_in,
    other_identifiers,
    other_model,
    same_identifier,
    same_model,
)

SAME = [
    ("v2.4.1", "version 2.4.1"),
    ("2.4.1", "release 2.4.1"),
    ("バージョン3.2", "Ver.3.2"),
    ("2.04.1", "2.4.1"),
    ("HR@Example.com", "mailto:hr@example.com"),
    ("Write to hr@example.com.", "hr@example.com"),
    ("https://www.example.com/help/", "example.com/help"),
    ("+1 (555) 010-1234", "555-010-1234"),
    ("+44 (0)20 7946 0958", "020 7946 0958"),
    ("03-1234-5678", "０３（１２３４）５６７８"),  # noqa: RUF001
    ("電話番号は03-1234-5678です", "03 1234 5678"),
    ("〒100-0001", "1000001"),
    ("AB-1234-X", "ab1234x"),
    ("part number AB-1234-X", "AB 1234 X"),
    ("PO-2024-00187", "PO 2024 00187"),
    ("型番はKX-210Bです", "KX210B"),
    ("7K-0092B", "7K0092B"),
]

OTHER = [
    ("2.4.1", "2.4.10"),
    ("2.4.1", "2.4.1-rc1"),
    ("version 3.2", "version 3.20"),
    ("hr@example.com", "it@example.com"),
    ("https://example.com/v1", "https://example.com/v2"),
    ("10.0.0.12", "10.0.0.21"),
    ("555-010-1234", "555-010-1243"),
    ("AB-1234-X", "AB-1243-X"),
    ("E0042", "E42"),
    ("型番はKX-210Bです", "KX-201B"),
    ("0x80070005", "0x80070057"),
]

SILENT = [
    ("Paris", "London"),
    ("version 3.11", "version 3.11.4"),
    ("AB1234", "AB1234X"),
    ("5 km", "5000 m"),
    ("5km", "5000m"),
    ("1h30min", "1h30m"),
    ("10am", "10 a.m."),
    ("Q3 2023", "FY2024"),
    ("2nd", "3rd"),
    ("1,234.56", "1.234,56"),
    ("12 000 000", "12000000"),
    ("1990-1995", "1990 to 1995"),
    ("5.3.2024", "March 5, 2024"),
    ("2024-03-05", "2024/03/05"),
    ("1e3", "1e4"),
    ("H1N1", "hr@example.com"),
    ("twenty20", "T20"),
]

TEXTS = st.one_of(
    st.sampled_from([*POOL, *(text for pair in SAME + OTHER + SILENT for text in pair)]),
    st.text(max_size=40),
    st.text("0123456789ab.-@/+() ", max_size=30),
)


@pytest.mark.parametrize(("a", "b"), SAME)
def test_one_identifier(a, b):
    assert same_identifier(a, b)
    assert not other_identifiers(a, b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_other_identifiers(a, b):
    assert other_identifiers(a, b)
    assert not same_identifier(a, b)


@pytest.mark.parametrize(("a", "b"), SILENT)
def test_nothing_is_said(a, b):
    assert not same_identifier(a, b)
    assert not other_identifiers(a, b)


@pytest.mark.parametrize(
    ("text", "sorts"),
    [
        ("Mail a@b.org or call +81 3 1234 5678", ["mail", "phone"]),
        ("see www.example.com, server 10.0.0.12", ["web", "network"]),
        ("It fails in v1.2 with E0042.", ["version", "code"]),
        ("It costs 1,200.50 dollars since 2024-03-05", []),
        ("He ran 5km in 20min, 3-1", []),
    ],
)
def test_sorts(text, sorts):
    assert [one.sort for one in identifiers_in(text)] == sorts


def test_a_text_that_says_more_is_no_bare_identifier():
    assert bare_identifier("It is not hr@example.com") is None
    assert bare_identifier("hr@example.com or it@example.com") is None
    assert bare_identifier("hr@example.com ではない") is None


def test_long_texts_are_not_read():
    text = "hr@example.com " + "1-" * MOST_CHARACTERS
    assert identifiers_in(text) == ()
    assert not same_identifier(text, text)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_the_order_plays_no_part_and_nothing_is_both(a, b):
    for decide in (same_identifier, other_identifiers, same_model, other_model):
        assert decide(a, b) == decide(b, a)
    assert not (same_identifier(a, b) and other_identifiers(a, b))
    assert not (same_model(a, b) and other_model(a, b))
    assert not other_identifiers(a, a)


CODES = st.from_regex(r"[A-Z]{2}[0-9]{3,5}[A-Z]{0,2}", fullmatch=True)


@given(CODES, st.sampled_from(["-", " ", ""]))
def test_marks_between_letters_and_digits_say_nothing(code, mark):
    letters = "".join(itertools.takewhile(str.isalpha, code))
    assert same_identifier(code, letters + mark + code[len(letters) :]) or letters.lower() in NO_CODES


NO_CODES = {"fy", "cy", "pp", "ch", "no", "nr", "ed", "am", "pm", "rs", "ca"}


@given(CODES, st.data())
def test_another_digit_is_another_code(code, data):
    places = [i for i, sign in enumerate(code) if sign.isdigit()]
    i = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([d for d in string.digits if d != code[i]]))
    other = code[:i] + digit + code[i + 1 :]
    assert not same_identifier(code, other)
    assert other_identifiers(code, other) or code[:2].lower() in NO_CODES


@given(st.lists(st.integers(0, 999), min_size=3, max_size=3), st.lists(st.integers(0, 999), min_size=3, max_size=3))
def test_versions_are_their_numbers(first, second):
    a, b = (".".join(map(str, numbers)) for numbers in (first, second))
    assert same_identifier(f"v{a}", f"version {b}") == (first == second)
    assert other_identifiers(f"v{a}", f"version {b}") == (first != second)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("iPhone15 Pro", "the iPhone 15 Pro", True),
        ("Apache 2.0", "Apache License, Version 2.0", True),
        ("iPhone 15 Pro Max", "iPhone 15 Pro", False),
        ("iPhone 15", "iPhone 15 Pro", False),
        ("iPhone15 プロ", "iPhone15", False),
        ("Galaxy S23", "Galaxy S23 Ultra", False),
        ("RTX 4090", "NVIDIA RTX 4090", None),
        ("C++ 11", "C 11", None),
        ("at -5", "at 5", None),
        ("Type 2 diabetes", "Type 2", None),
        ("5 km", "5 km pro", None),
    ],
)
def test_models(a, b, same):
    assert same_model(a, b) == (same is True)
    assert other_model(a, b) == (same is False)
