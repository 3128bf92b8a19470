import doctest
import itertools
import math
import subprocess
import sys

import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.steps import Steps, assert_linear
from thermolang.answers.rules import digits, numerals, qualifiers, quantities, tables, units
from thermolang.answers.rules.digits import fold_math
from thermolang.answers.rules.quantities import comparable, quantities_in, same_quantity


def only(text):
    (quantity,) = quantities_in(text)
    return quantity


@pytest.mark.parametrize("part", [digits, numerals, qualifiers, quantities, tables, units])
def test_examples(part):
    assert doctest.testmod(part).failed == 0


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("5 km", 5000, "[length]"),
        ("5km", 5000, "[length]"),
        ("5 kilometres", 5000, "[length]"),
        ("five kilometers", 5000, "[length]"),
        ("one mile", 1609.344, "[length]"),
        ("6 ft", 1.8288, "[length]"),
        ("5 in", 0.127, "[length]"),
        ("5 inches", 0.127, "[length]"),
        ("5 feet 11 inches", 1.8034, "[length]"),
        ("5'11\"", 1.8034, "[length]"),
        ("3 light-years", 2.838e16, "[length]"),
        ("half a mile", 804.672, "[length]"),
        ("2 lb", 0.90718, "[mass]"),
        ("2 pounds", 0.90718, "[mass]"),
        ("16 oz", 0.45359, "[mass]"),
        ("5 kg", 5, "[mass]"),
        ("5 g of sugar", 0.005, "[mass]"),
        ("3 tonnes", 3000, "[mass]"),
        ("2 l", 0.002, "[length] ** 3"),
        ("250 ml", 0.00025, "[length] ** 3"),
        ("50 square kilometres", 5e7, "[length] ** 2"),
        ("50 km²", 5e7, "[length] ** 2"),
        ("50 km2", 5e7, "[length] ** 2"),
        ("60 mph", 26.8224, "[length] / [time]"),
        ("36 km/h", 10, "[length] / [time]"),
        ("36 kilometres per hour", 10, "[length] / [time]"),
        ("10 m/s", 10, "[length] / [time]"),
        ("9.8 m/s²", 9.8, "[length] / [time] ** 2"),
        ("20 °C", 293.15, "[temperature]"),
        ("20°C", 293.15, "[temperature]"),
        ("68 degrees Fahrenheit", 293.15, "[temperature]"),
        ("-40 F", 233.15, "[temperature]"),
        ("273.15 K", 273.15, "[temperature]"),
        ("2 TB", 1.6e13, "[information]"),
        ("2 hours", 7200, "[time]"),
        ("2 h 30 min", 9000, "[time]"),
        ("1 h 5 min 30 s", 3930, "[time]"),
        ("1 hour, 5 minutes and 30 seconds", 3930, "[time]"),
        ("3 hours, 20 minutes", 12000, "[time]"),
        ("1 hour and 5 minutes", 3900, "[time]"),
        ("an hour", 3600, "[time]"),
        ("an hour and a half", 5400, "[time]"),
        ("half an hour", 1800, "[time]"),
        ("60 seconds", 60, "[time]"),
        ("a fortnight", 14 * 86400, "[time]"),
        ("two decades", 20 * 365.25 * 86400, "[time]"),
        ("12-year-old", 12 * 365.25 * 86400, "[time]"),
        ("3 centuries", 300 * 365.25 * 86400, "[time]"),
        ("10 MB/s", 8e7, "[information] / [time]"),
        ("60 W", 60, "[mass] * [length] ** 2 / [time] ** 3"),
        ("$5", 5, "USD"),
        ("-$5", -5, "USD"),
        ("US$3.5 billion", 3.5e9, "USD"),
        ("$5m", 5e6, "USD"),
        ("$1.2bn", 1.2e9, "USD"),
        ("20 dollars", 20, "USD"),
        ("50 cents", 0.5, "USD"),
        ("5 dollars and 20 cents", 5.2, "USD"),
        ("€10", 10, "EUR"),
        ("10 euros", 10, "EUR"),
        ("£12", 12, "GBP"),
        ("¥500", 500, "JPY"),
        ("500 yen", 500, "JPY"),
        ("EUR 300", 300, "EUR"),
        ("５キロメートル", 5000, "[length]"),
        ("三キロメートル", 3000, "[length]"),
        ("170センチ", 1.7, "[length]"),
        ("5㎞", 5000, "[length]"),
        ("60キログラム", 60, "[mass]"),
        ("3トン", 3000, "[mass]"),
        ("2リットル", 0.002, "[length] ** 3"),
        ("10平方メートル", 10, "[length] ** 2"),
        ("時速36キロ", 10, "[length] / [time]"),
        ("秒速10メートル", 10, "[length] / [time]"),
        ("気温20度", 293.15, "[temperature]"),
        ("氷点下5度", 268.15, "[temperature]"),
        ("20℃", 293.15, "[temperature]"),
        ("2時間", 7200, "[time]"),
        ("1時間30分", 5400, "[time]"),
        ("2時間半", 9000, "[time]"),
        ("30分", 1800, "[time]"),
        ("三日間", 3 * 86400, "[time]"),
        ("十分間", 600, "[time]"),
        ("5ドル50セント", 5.5, "USD"),
        ("2週間", 14 * 86400, "[time]"),
        ("6ヶ月", 365.25 * 43200, "[time]"),
        ("半年", 365.25 * 43200, "[time]"),
        ("百年", 100 * 365.25 * 86400, "[time]"),
        ("500円", 500, "JPY"),
        ("三千万円", 3e7, "JPY"),
        ("百万ドル", 1e6, "USD"),
        ("10ユーロ", 10, "EUR"),
    ],
)
def test_units(text, value, dimension):
    quantity = only(text)
    assert (quantity.value, quantity.dimension) == (pytest.approx(value, rel=1e-3), dimension)


@pytest.mark.parametrize(
    ("text", "resolution"),
    [("5", 0.5), ("3.14", 0.005), ("20 million", 5e5), ("2.5 km", 50), ("50%", 0.005), ("five", 0), ("1/2", 0)],
)
def test_resolution(text, resolution):
    assert only(text).resolution == pytest.approx(resolution)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("It costs $5 million.", "$5 million"),
        ("１２人です", "12人"),
        ("about 9.8 m/s² down", "9.8 m/s²"),
        ("it took an hour and a half.", "an hour and a half"),
    ],
)
def test_spans(text, part):
    start, end = only(text).span
    assert fold_math(text)[start:end] == fold_math(part)


def test_a_range_shares_its_unit():
    assert [(q.value, q.dimension) for q in quantities_in("5 to 10 km")] == [(5000, "[length]"), (10000, "[length]")]
    assert [q.value for q in quantities_in("5\u201310 kg")] == [5, 10]
    assert [q.value for q in quantities_in("between 5 and 10 km")] == [5000, 10000]
    assert [q.dimension for q in quantities_in("5〜10円")] == ["JPY", "JPY"]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("5", "five"),
        ("5", "5.0"),
        ("1500", "1,500"),
        ("1.5 million", "1,500,000"),
        ("3.14", "3.1416"),
        ("about 8 minutes", "8.3 minutes"),
        ("331 million", "331,449,281"),
        ("54", "54.3"),
        ("50%", "half"),
        ("50%", "0.5"),
        ("33%", "a third"),
        ("5 km", "3.1 miles"),
        ("1 pound", "454 g"),
        ("20 °C", "68 °F"),
        ("-273.15 °C", "0 K"),
        ("1 hour", "60 minutes"),
        ("90 minutes", "an hour and a half"),
        ("a year", "12 months"),
        ("6 feet", "1.83 m"),
        ("5 feet 11 inches", "180 cm"),
        ("100 km/h", "62 mph"),
        ("5", "5 km"),
        ("20", "20 °C"),
        ("twenty degrees", "20 °C"),
        ("50 cents", "$0.50"),
        ("5", "5人"),
        ("十二", "12"),
        ("1億2000万人", "120 million people"),
        ("三千万円", "30,000,000 yen"),
        ("3キロメートル", "3000 m"),
        ("60キロ", "60 kg"),
        ("£5", "5 pounds"),
        ("5 lb", "5 pounds"),
        ("1時間半", "90 minutes"),
        ("半分", "50%"),
        ("3割", "30%"),
        ("第三", "third"),
        ("4th", "4"),
        ("Louis XIV", "14th"),
        ("3 × 10⁸ m/s", "300,000 km/s"),  # noqa: RUF001
    ],
)
def test_same(a, b):
    assert same_quantity(only(a), only(b))
    assert same_quantity(only(b), only(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("56", "54"),
        ("1995", "1996"),
        ("50", "50%"),
        ("3", "3.4"),
        ("3.14", "3.15"),
        ("1", "0.6"),
        ("0", "0.4"),
        ("1 km", "1 mile"),
        ("2 km", "1 mile"),
        ("1 m", "1 ft"),
        ("5 km", "5 kg"),
        ("5 dollars", "5 euros"),
        ("$5", "5 kg"),
        ("50%", "50 km"),
        ("first", "2"),
        ("first", "second"),
        ("first", "1 km"),
        ("5000", "5 km"),
        ("1 hour", "1 day"),
        ("20 °C", "20 °F"),
        ("-5", "5"),
        ("5 million", "5 billion"),
        ("1万", "1億"),
        ("三人", "四人"),
        ("3 hours", "3 minutes"),
        ("£5", "5 euros"),
    ],
)
def test_different(a, b):
    assert not same_quantity(only(a), only(b))
    assert not same_quantity(only(b), only(a))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("5", "5 km", True),
        ("5 km", "3 miles", True),
        ("50%", "5 km", False),
        ("50%", "0.5", True),
        ("5 km", "5 kg", False),
        ("first", "3", True),
        ("first", "3 km", False),
        ("5", "$7", True),
        ("$5", "€5", False),
    ],
)
def test_comparable(a, b, expected):
    assert comparable(only(a), only(b)) is comparable(only(b), only(a)) is expected


WORDED = st.sampled_from(
    [
        "5",
        "5 km",
        "3.1 miles",
        "first",
        "50%",
        "half",
        "$5",
        "0",
        "-3",
        "20 °C",
        "68 F",
        "60 min",
        "an hour",
        "三つ",
        "3割",
    ]
)


@given(WORDED, WORDED)
@settings(deadline=None)
def test_symmetry(a, b):
    a, b = only(a), only(b)
    assert same_quantity(a, a)
    assert same_quantity(a, b) == same_quantity(b, a)
    assert comparable(a, b) == comparable(b, a)
    assert comparable(a, b) or not same_quantity(a, b)


UNITS = {
    "length": {"km": "kilometer", "m": "meter", "miles": "mile", "ft": "foot", "センチ": "centimeter"},
    "mass": {"kg": "kilogram", "pounds": "pound", "oz": "ounce", "グラム": "gram"},
    "time": {"hours": "hour", "minutes": "minute", "日間": "day", "weeks": "week"},
    "speed": {"km/h": "kilometer/hour", "mph": "mile/hour", "m/s": "meter/second"},
    "warmth": {"°C": "degC", "°F": "degF", "kelvin": "kelvin"},
}
REGISTRY = pint.UnitRegistry()


@given(
    st.sampled_from([pair for names in UNITS.values() for pair in itertools.permutations(names.items(), 2)]),
    st.floats(0.1, 1e6),
)
@settings(deadline=None)
def test_a_unit_does_not_change_an_amount(pair, number):
    (here, ours), (there, theirs) = pair
    converted = REGISTRY.Quantity(number, ours).to(theirs).magnitude
    a, b = only(f"{number:.12f} {here}"), only(f"{converted:.12f} {there}")
    assert math.isclose(a.value, b.value, rel_tol=1e-6, abs_tol=1e-6)
    assert same_quantity(a, b)
    assert not same_quantity(a, only(f"{converted * 1.2 + 3:.12f} {there}"))


def test_pint_knows_every_unit():
    named = (units._SPELLED, units._ABBREVIATED, units._JAPANESE_UNITS)
    names = {unit for table in named for unit in table.values()} | {unit for _, unit in units._SEVERAL_WORDS}
    for name in names:
        factor, _, dimension = units.conversion(name)
        assert factor > 0
        assert dimension or name in {"percent", "tenth"}


TOKENS = (
    "a an one twenty hundred million half quarter thirds second first of and point - . , / : % $ £ USD 5 1995 0 1,000 "
    "½ ² ⁸ 10 ^ e km m per hour h min in ft ' \" °C °F degrees pounds dozen k M no none people Louis XIV War II square "
    "三 千 五百 万 億 十分 人 円 年 月 日 時 半 分 割 分の キロ メートル 平方 時速 度 気温 マイナス 第 番目 平成 紀元前"
)
TOKEN_TEXT = st.lists(st.sampled_from([*TOKENS.split(), " ", " ", " "]), max_size=20).map("".join)


@given(TOKEN_TEXT | st.text() | st.text("0123456789.,-/:%$ ahk一二三十百千万億年月日時分半kmeE½'\"", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read(text):
    for quantity in quantities_in(text):
        assert 0 <= quantity.span[0] < quantity.span[1] <= len(fold_math(text))
        assert math.isfinite(quantity.value)
        assert same_quantity(quantity, quantity)


@pytest.mark.parametrize(
    "unit",
    ["9", "1,", "111,", "a ", "half ", "one hundred ", "三", "1.", "1/2/", "Louis XIV ", "😀", "no as ", "\u202eא "],
)
def test_long_texts_take_steps_in_proportion(monkeypatch, unit):
    assert_linear(Steps(monkeypatch, digits, numerals, qualifiers, quantities, units), quantities_in, unit)


def test_text_without_numbers_is_given_up_early(monkeypatch):
    text = "The capital of France is Paris, on the river Seine."
    assert Steps(monkeypatch, numerals, quantities).of(quantities_in, text) < 2 * len(text)


def test_pint_is_imported_late():
    code = "import sys, thermolang.answers.rules.quantities; sys.exit('pint' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
