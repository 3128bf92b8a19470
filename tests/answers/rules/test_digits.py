r"""Digits with the separators of any locale are one number or one of two, and LaTeX is read as plain signs."""

import pytest
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from thermolang.answers.rules.digits import BAR, fold_math, plain_latex, readings, spelled_numbers
from thermolang.answers.rules.quantities import agreement, quantities_in

LOCALES = ("en_US", "de_DE", "de_CH", "fr_FR", "en_IN", "es_ES", "it_IT", "ja_JP", "pt_BR")


@given(st.decimals(0, 10_000_000, places=2), st.sampled_from(LOCALES))
def test_a_number_with_cents_has_one_reading_in_every_locale(number, locale):
    written = format_decimal(number, format="#,##0.00" if locale != "en_IN" else "#,##,##0.00", locale=locale)
    assert list(map(float, readings(written.replace("\xa0", " ").replace("\u202f", " ")))) == [float(number)]


@given(st.integers(1, 999), st.integers(0, 999))
def test_a_full_stop_before_three_digits_has_two_readings(thousands, rest):
    assert list(map(float, readings(f"{thousands}.{rest:03}"))) == [
        float(f"{thousands}.{rest:03}"),
        1000 * thousands + rest,
    ]


@given(st.text("0123456789.,' ", max_size=20))
def test_readings_are_numbers(written):
    said = readings(written) if any(map(str.isdigit, written)) else ()
    assert len(said) <= 2


@pytest.mark.parametrize("written", ["1.2.3", "1,2,3", "1.234.56", "12,34.567", "1914,1918"])
def test_what_is_no_number(written):
    assert readings(written) == ()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1.127,54 €", "1,127.54 €"),
        ("12,5 %", "12.5%"),
        ("1'234.50 CHF", "CHF 1,234.50"),
        ("₹1,20,000", "1.2 lakh rupees"),
        ("\u20135", "-5"),
        ("2^{10}", "1024"),
        (r"\frac{1}{2}", "0.5"),
        (r"3.2 \times 10^{5}", "320,000"),
        (r"\$1{,}200", "$1,200"),
        ("(3,400)", "-3,400"),
        ("▲3,400円", "-3400円"),
    ],
)
def test_one_amount_in_two_spellings(a, b):
    (first,), (second,) = quantities_in(a), quantities_in(b)
    assert agreement(first, second) >= 0.6


@pytest.mark.parametrize(("a", "b"), [("0,075", "75"), ("1,5", "15"), (r"\frac{1}{2}", "12"), ("10^{3}", "103")])
def test_other_amounts(a, b):
    (first,), (second,) = quantities_in(a), quantities_in(b)
    assert agreement(first, second) == 0


@pytest.mark.parametrize(("a", "b"), [("1.234", "1234"), ("1.234", "1.234,00"), ("(500)", "-500")])
def test_what_can_be_read_in_two_ways_is_neither_the_same_nor_not(a, b):
    (first,), (second,) = quantities_in(a), quantities_in(b)
    assert 0 < agreement(first, second) < 1


@given(st.text(max_size=60))
def test_any_text_is_folded(text):
    assert isinstance(fold_math(text), str)
    assert isinstance(spelled_numbers(text), str)
    assert plain_latex(text) == text or any(mark in text for mark in ("\\", "^{", "{,}", "$"))


@given(st.integers(0, 99), st.integers(1, 99))
def test_a_fraction_keeps_its_parts(top, bottom):
    assert plain_latex(rf"\frac{{{top}}}{{{bottom}}}") == f"{top}{BAR}{bottom}"


def test_marks_of_numbers_survive_the_canonical_spelling():
    assert spelled_numbers("3-5 days") == "3 to 5 days"
    assert spelled_numbers("2010-2011") == "2010-2011"
    assert spelled_numbers("no digits - none") == "no digits - none"
