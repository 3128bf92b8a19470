import doctest
import itertools
import math
import subprocess
import sys
import time

import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermolang.answers.rules import numerals
from thermolang.answers.rules import numerals as english_numbers
from thermolang.answers.rules import numerals as japanese_numbers
from thermolang.answers.rules import quantities as module
from thermolang.answers.rules import quantities as units
from thermolang.answers.rules.numerals import fold
from thermolang.answers.rules.quantities import comparable, quantities, same_quantity


def values(text):
    return [quantity.value for quantity in quantities(text)]


def only(text):
    (quantity,) = quantities(text)
    return quantity


@pytest.mark.parametrize("part", [module, numerals, units, english_numbers, japanese_numbers])
def test_examples(part):
    assert doctest.testmod(part).failed == 0


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
        ("3 out of 10", [3, 10]),
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
    assert quantities(text) == ()


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
    assert fold(text)[start:end] == fold(part)


def test_a_range_shares_its_unit():
    assert [(q.value, q.dimension) for q in quantities("5 to 10 km")] == [(5000, "[length]"), (10000, "[length]")]
    assert [q.value for q in quantities("5\u201310 kg")] == [5, 10]
    assert [q.value for q in quantities("between 5 and 10 km")] == [5000, 10000]
    assert [q.dimension for q in quantities("5〜10円")] == ["JPY", "JPY"]


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
        ("£5", "5 pounds"),
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
    tables = (units._SPELLED, units._ABBREVIATED, units._PHRASES, units._JAPANESE)
    names = {name for table in tables for name in table.values()}
    for name in names:
        factor, _, dimension = units.conversion(name.strip())
        assert factor > 0
        assert dimension or name in {"percent", "tenth"}


@given(st.integers(0, 10**15 - 1))
@settings(deadline=None)
def test_separators_do_not_change_a_number(number):
    assert only(str(number)).value == only(f"{number:,}").value == number


TOKENS = (
    "a an one twenty hundred million half quarter thirds second first of and point - . , / : % $ £ USD 5 1995 0 1,000 "
    "½ ² ⁸ 10 ^ e km m per hour h min in ft ' \" °C °F degrees pounds dozen k M no none people Louis XIV War II square "
    "三 千 五百 万 億 十分 人 円 年 月 日 時 半 分 割 分の キロ メートル 平方 時速 度 気温 マイナス 第 番目 平成 紀元前"
)
TOKEN_TEXT = st.lists(st.sampled_from([*TOKENS.split(), " ", " ", " "]), max_size=20).map("".join)


@given(TOKEN_TEXT | st.text() | st.text("0123456789.,-/:%$ ahk一二三十百千万億年月日時分半kmeE½'\"", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read(text):
    for quantity in quantities(text):
        assert 0 <= quantity.span[0] < quantity.span[1] <= len(fold(text))
        assert math.isfinite(quantity.value)
        assert same_quantity(quantity, quantity)


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
    assert all(math.isfinite(quantity.value) for quantity in quantities(text))


@pytest.mark.parametrize(
    "unit",
    ["9", "1,", "111,", "a ", "half ", "one hundred ", "三", "1.", "1/2/", "Louis XIV ", "😀", "no as ", "\u202eא "],
)
def test_long_texts_take_linear_time(unit):
    def seconds(length):
        text = (unit * length)[:length]
        start = time.process_time()
        quantities(text)
        return time.process_time() - start

    seconds(100)
    assert seconds(40_000) < 0.5 + 40 * seconds(4_000)


def test_text_without_numbers_is_given_up_early():
    text = "The capital of France is Paris, on the river Seine."
    start = time.process_time()
    for _ in range(200):
        quantities(text)
    assert (time.process_time() - start) / 200 < 100e-6


def test_pint_is_imported_late():
    code = "import sys, thermolang.answers.rules.quantities; sys.exit('pint' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
