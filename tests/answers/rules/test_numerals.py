"""Numbers as they are written: digits, words, fractions, Roman and kanji numerals."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermolang.answers.rules.quantities import quantities_in


def values(text):
    return [quantity.value for quantity in quantities_in(text)]


def only(text):
    (quantity,) = quantities_in(text)
    return quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", [7]),
        ("1,500 people", [1500]),
        ("1,234,567.89", [1234567.89]),
        ("299 792 458", [299792458]),
        (".5", [0.5]),
        ("It is -3.", [-3]),
        ("\u22124.5", [-4.5]),
        ("minus five", [-5]),
        ("negative 12", [-12]),
        ("8 minus 3", [8, 3]),
        ("1.2e5", [120000]),
        ("3 × 10^8", [3e8]),  # noqa: RUF001
        ("3 × 10⁸", [3e8]),  # noqa: RUF001
        ("10⁻³", [0.001]),
        ("5 million", [5e6]),
        ("2.5 billion stars", [2.5e9]),
        ("about 3 trillion trees", [3e12]),
        ("5k", [5000]),
        ("zero", [0]),
        ("twenty-one", [21]),
        ("twenty one", [21]),
        ("three hundred and five", [305]),
        ("a hundred", [100]),
        ("twelve hundred", [1200]),
        ("one million two hundred thousand and three", [1200003]),
        ("nineteen ninety-five", [1995]),
        ("three point one four", [3.14]),
        ("a dozen eggs", [12]),
        ("two dozen", [24]),
        ("half a dozen", [6]),
        ("half", [0.5]),
        ("about half of them", [0.5]),
        ("a quarter", [0.25]),
        ("three quarters", [0.75]),
        ("two thirds", [2 / 3]),
        ("two-thirds", [2 / 3]),
        ("a third of the land", [1 / 3]),
        ("half a million", [500000]),
        ("two and a half", [2.5]),
        ("1/2", [0.5]),
        ("2 1/2", [2.5]),
        ("½", [0.5]),
        ("2½", [2.5]),
        ("50%", [0.5]),
        ("12.5 percent", [0.125]),
        ("50 per cent", [0.5]),
        ("fifty percent", [0.5]),
        ("first", [1]),
        ("21st", [21]),
        ("the twenty-first", [21]),
        ("the one hundred and first", [101]),
        ("none", [0]),
        ("None.", [0]),
        ("nothing", [0]),
        ("no moons", [0]),
        ("It has no people", [0]),
        ("Louis XIV", [14]),
        ("World War II", [2]),
        ("World War I", [1]),
        ("WWII", [2]),
        ("WW1", [1]),
        ("chapter IV", [4]),
        ("Henry V", [5]),
        ("Elizabeth II", [2]),
        ("3 out of 10", [0.3]),
        ("1, 2, and 3", [1, 2, 3]),
        ("1,2,3", [1, 2, 3]),
        ("5-10", [5, 10]),
    ],
)
def test_english_numbers(text, expected):
    assert values(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("１２", [12]),  # noqa: RUF001
        ("十二", [12]),
        ("十二です。", [12]),
        ("千五百人", [1500]),
        ("百二十", [120]),
        ("三千万", [3e7]),
        ("二〇二六人", [2026]),
        ("1万", [10000]),
        ("1億2000万人", [1.2e8]),
        ("3.5億", [3.5e8]),
        ("1万5千", [15000]),
        ("5千万", [5e7]),
        ("5人", [5]),
        ("三つ", [3]),
        ("二本の木", [2]),
        ("12個と7枚", [12, 7]),
        ("20歳", [20]),
        ("八回", [8]),
        ("約五十人", [50]),
        ("人口三千万人", [3e7]),
        ("10パーセント", [0.1]),
        ("3割", [0.3]),
        ("半分", [0.5]),
        ("ゼロ", [0]),
        ("三分の一", [1 / 3]),
        ("4分の3", [0.75]),
        ("マイナス5", [-5]),
        ("第三", [3]),
        ("3番目", [3]),
        ("第2位", [2]),
        ("二回目", [2]),
        ("一番目", [1]),
        ("3ダース", [36]),
        ("5割/時", [0.5]),
    ],
)
def test_japanese_numbers(text, expected):
    assert values(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Paris",
        "No.",
        "no",
        "No, it is not a prime.",
        "no longer",
        "I",
        "When I think of it",
        "Malcolm X",
        "Washington DC",
        "Vitamin C",
        "an apple a day",
        "one of the best",
        "no one",
        "the one who knocks",
        "split second",
        "at first sight",
        "hundreds of people",
        "someone",
        "often",
        "weight",
        "bone",
        "his better half",
        "half-brother",
        "3D",
        "4x4",
        "H2O",
        "COVID-19",
        "F-16",
        "B12",
        "1990s",
        "the 1800s",
        "1.2.3",
        "24/7",
        "15:30",
        "1976-07-04",
        "07/04/1976",
        "3 pm",
        "1e999",
        "NaN",
        "inf",
        "infinity",
        "一番",
        "三菱",
        "千葉",
        "千代田区",
        "一般",
        "十分",
        "万里の長城",
        "八百屋",
        "三郎",
        "六本木",
        "四国",
        "九州",
        "三日月",
        "万年筆",
        "三国志",
        "一緒に",
        "統一",
        "第三者",
        "1995年3月2日",
        "平成七年",
        "午後3時",
        "19世紀",
    ],
)
def test_nothing_to_read(text):
    assert quantities_in(text) == ()


@pytest.mark.parametrize(
    ("text", "ordinal"),
    [
        ("first", True),
        ("2nd", True),
        ("Louis XIV", True),
        ("第三", True),
        ("3番目", True),
        ("2", False),
        ("3人", False),
    ],
)
def test_ordinals(text, ordinal):
    assert only(text).ordinal is ordinal


@given(st.integers(0, 10**15 - 1))
@settings(deadline=None)
def test_separators_do_not_change_a_number(number):
    assert only(str(number)).value == only(f"{number:,}").value == number


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000,
        "-" + "9" * 400,
        "1e99999",
        "0." + "0" * 5000 + "1",
        "九" * 5000,
        "千" * 999,
        "9" * 400 + " km",
        "1/0",
        "0分の1",
    ],
)
def test_odd_numbers_do_no_harm(text):
    assert all(math.isfinite(quantity.value) for quantity in quantities_in(text))
