import datetime
import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.steps import Steps, assert_linear
from thermolang.answers.rules import dates
from thermolang.answers.rules.dates import PartialDateTime, dates_agree, dates_in
from thermolang.answers.rules.digits import fold_math


def fields(text):
    names = ("year", "month", "day", "weekday", "hour", "minute", "second", "decade", "century")
    return [{name: getattr(m, name) for name in names if getattr(m, name) is not None} for m in dates_in(text)]


def only(text):
    (found,) = dates_in(text)
    return found


def test_examples():
    assert doctest.testmod(dates).failed == 0


FOURTH = {"year": 1976, "month": 7, "day": 4}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4 July 1976", FOURTH),
        ("July 4th, 1976", FOURTH),
        ("July 4 1976", FOURTH),
        ("It was on 4th of July, 1976.", FOURTH),
        ("the fourth of July 1976", FOURTH),
        ("1976-07-04", FOURTH),
        ("1976/7/4", FOURTH),
        ("4.7.1976", FOURTH),
        ("25/12/1999", {"year": 1999, "month": 12, "day": 25}),
        ("12/25/1999", {"year": 1999, "month": 12, "day": 25}),
        ("Dec 25", {"month": 12, "day": 25}),
        ("the twenty-fifth of December", {"month": 12, "day": 25}),
        ("Dec. 7, 1941", {"year": 1941, "month": 12, "day": 7}),
        ("September", {"month": 9}),
        ("Sept.", {"month": 9}),
        ("in March", {"month": 3}),
        ("May", {"month": 5}),
        ("in May", {"month": 5}),
        ("May 5", {"month": 5, "day": 5}),
        ("March 1995", {"year": 1995, "month": 3}),
        ("March of 1995", {"year": 1995, "month": 3}),
        ("Tuesday", {"weekday": 1}),
        ("on Tuesdays", {"weekday": 1}),
        ("Sunday, 4 July 1976", FOURTH | {"weekday": 6}),
        ("4 July 1976 at 3 pm", FOURTH | {"hour": 15, "minute": 0}),
        ("3 pm", {"hour": 15, "minute": 0}),
        ("12 am", {"hour": 0, "minute": 0}),
        ("12 noon", {"hour": 12, "minute": 0}),
        ("15:00", {"hour": 15, "minute": 0}),
        ("15:00:30", {"hour": 15, "minute": 0, "second": 30}),
        ("3:30 p.m.", {"hour": 15, "minute": 30}),
        ("half past six", {"hour": 6, "minute": 30}),
        ("a quarter to five", {"hour": 4, "minute": 45}),
        ("quarter to one", {"hour": 12, "minute": 45}),
        ("ten past ten", {"hour": 10, "minute": 10}),
        ("three o'clock", {"hour": 3, "minute": 0}),
        ("half past six in the evening", {"hour": 18, "minute": 30}),
        ("noon", {"hour": 12, "minute": 0}),
        ("midnight", {"hour": 0, "minute": 0}),
        ("44 BC", {"year": -44}),
        ("44 BCE", {"year": -44}),
        ("AD 44", {"year": 44}),
        ("44 AD", {"year": 44}),
        ("10,000 BC", {"year": -10000}),
        ("the nineteenth century", {"century": 19}),
        ("the 19th century", {"century": 19}),
        ("5th century BC", {"century": -5}),
        ("the 1800s", {"century": 19}),
        ("the 1990s", {"decade": 1990}),
        ("1995", {"year": 1995}),
        ("in 1995", {"year": 1995}),
        ("since about 1995.", {"year": 1995}),
        ("It was the year 1995.", {"year": 1995}),
        ("1995年3月2日", {"year": 1995, "month": 3, "day": 2}),
        ("１９９５年", {"year": 1995}),
        ("1995/3/2", {"year": 1995, "month": 3, "day": 2}),
        ("3月2日", {"month": 3, "day": 2}),
        ("三月", {"month": 3}),
        ("十二月三日", {"month": 12, "day": 3}),
        ("一九九五年", {"year": 1995}),
        ("千九百九十五年", {"year": 1995}),
        ("710年", {"year": 710}),
        ("平成7年", {"year": 1995}),
        ("令和元年", {"year": 2019}),
        ("昭和64年1月7日", {"year": 1989, "month": 1, "day": 7}),
        ("明治元年", {"year": 1868}),
        ("紀元前44年", {"year": -44}),
        ("1995年生まれ", {"year": 1995}),
        ("1995年前後", {"year": 1995}),
        ("西暦79年", {"year": 79}),
        ("午後3時", {"hour": 15, "minute": 0}),
        ("午前10時半", {"hour": 10, "minute": 30}),
        ("15時30分", {"hour": 15, "minute": 30}),
        ("正午", {"hour": 12, "minute": 0}),
        ("19世紀", {"century": 19}),
        ("二十世紀", {"century": 20}),
        ("紀元前3世紀", {"century": -3}),
        ("1990年代", {"decade": 1990}),
        ("火曜日", {"weekday": 1}),
        ("1995年3月2日の午後3時", {"year": 1995, "month": 3, "day": 2, "hour": 15, "minute": 0}),
    ],
)
def test_one_moment(text, expected):
    assert fields(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Paris",
        "may",
        "It may rain",
        "You may march on",
        "The first may be wrong",
        "may 5 people enter",
        "They march 1500 miles",
        "a mar on it",
        "Theresa May did",
        "April Ludgate",
        "the march of time",
        "the nineties",
        "3",
        "three",
        "1995 people",
        "2500",
        "1066 and all that",
        "3:1",
        "a week",
        "half of it",
        "the sun",
        "a sunny day",
        "2 hours",
        "31/31/1999",
        "45 July",
        "2時間",
        "5年間",
        "30年",
        "約260年",
        "3年前",
        "1000年前",
        "3か月",
        "三日月",
        "二十日間",
        "日本",
        "大正解",
        "月面",
    ],
)
def test_no_moment(text):
    assert dates_in(text) == ()


def test_several_dates():
    assert fields("Monday and Tuesday") == [{"weekday": 0}, {"weekday": 1}]
    assert fields("from 1 May 1940 to 8 May 1945") == [
        {"year": 1940, "month": 5, "day": 1},
        {"year": 1945, "month": 5, "day": 8},
    ]


@pytest.mark.parametrize(
    ("text", "part"), [("It was on 4 July 1976.", "4 July 1976"), ("答えは１５時３０分です", "15時30分")]
)
def test_spans(text, part):
    start, end = only(text).span
    assert fold_math(text)[start:end] == part


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("4 July 1976", "1976-07-04", True),
        ("4 July 1976", "Sunday, July 4th, 1976", True),
        ("4 July 1976", "Monday, July 4th, 1976", False),
        ("4 July 1976", "5 July 1976", False),
        ("1976", "4 July 1976", None),
        ("1995", "March 1995", None),
        ("1995", "1996", False),
        ("1995", "the 1990s", None),
        ("1985", "the 1990s", False),
        ("1995", "20th century", None),
        ("1995", "19th century", False),
        ("1900", "19th century", None),
        ("1900", "the 1900s", None),
        ("the 1990s", "20th century", None),
        ("the 1990s", "19th century", False),
        ("the 1800s", "the nineteenth century", True),
        ("44 BC", "AD 44", False),
        ("44 BC", "紀元前44年", True),
        ("44 BC", "1st century BC", None),
        ("44 BC", "5th century BC", False),
        ("3 pm", "15:00", True),
        ("3 pm", "3 am", False),
        ("3 pm", "three o'clock", None),
        ("half past six", "6:30", True),
        ("half past six", "18:30", None),
        ("half past six", "7:30", False),
        ("noon", "正午", True),
        ("noon", "midnight", False),
        ("March", "3月", True),
        ("March", "Tuesday", None),
        ("Tuesday", "火曜日", True),
        ("Tuesday", "Wednesday", False),
        ("平成7年", "1995年", True),
        ("07/04/1976", "4 July 1976", None),
        ("07/04/1976", "4 July 1977", False),
        ("25 December", "Dec 25", True),
    ],
)
def test_agree(a, b, expected):
    assert dates_agree(only(a), only(b)) is dates_agree(only(b), only(a)) is expected


def test_nothing_known_agrees_with_nothing():
    assert dates_agree(PartialDateTime(), PartialDateTime()) is None


MOMENTS = st.builds(
    PartialDateTime,
    year=st.none() | st.integers(-3000, 2100),
    month=st.none() | st.integers(1, 12),
    day=st.none() | st.integers(1, 31),
    weekday=st.none() | st.integers(0, 6),
    hour=st.none() | st.integers(0, 23),
    minute=st.none() | st.integers(0, 59),
    decade=st.none() | st.sampled_from([1890, 1990, 2000]),
    century=st.none() | st.integers(-5, 21).filter(bool),
    twelve_hour=st.booleans(),
)


@given(MOMENTS, MOMENTS)
@settings(deadline=None)
def test_symmetry(a, b):
    assert dates_agree(a, b) is dates_agree(b, a)


@given(st.dates(datetime.date(1000, 1, 1), datetime.date(2999, 12, 31)))
@settings(deadline=None)
def test_ways_to_write_a_date(date):
    numbers = (date.year, date.month, date.day)
    written = [f"{date:%d %B %Y}", f"{date:%B %d, %Y}", f"{date:%A}, {date.day} {date:%b %Y}", date.isoformat()]
    written.append("{}年{}月{}日".format(*numbers))
    for found in map(only, written):
        assert (found.year, found.month, found.day) == numbers
        assert dates_agree(found, only(date.isoformat())) is True


TOKENS = (
    "1 4 30 1995 07 - / . : , th st AD BC July May may Monday pm a.m. o'clock half past quarter to noon century 1990s "
    "the of in at 三 十二 千 元 年 月 日 時 半 分 秒 世紀 年代 平成 紀元前 前 午後 間 曜日 火"
)
TOKEN_TEXT = st.lists(st.sampled_from([*TOKENS.split(), " ", " ", " "]), max_size=20).map("".join)


@given(
    TOKEN_TEXT | st.text() | st.text("0123456789.,-/: apmsthJulyMayBCAD年月日時分半世紀代午後前曜火一二十", max_size=60)
)
@settings(max_examples=400, deadline=None)
def test_any_text_is_read(text):
    for found in dates_in(text):
        assert 0 <= found.span[0] < found.span[1] <= len(fold_math(text))
        assert dates_agree(found, found) is not None or not found.sure  # 1/13 may be a fraction


@pytest.mark.parametrize(
    "unit",
    [
        "9",
        "1,",
        "1.",
        "1/2/",
        "July 4 ",
        "May ",
        "half past six ",
        "三年",
        "a",
        "Monday ",
        "3:15 ",
        "😀",
        "\u202eא ",
        "午後",
    ],
)
def test_long_texts_take_steps_in_proportion(monkeypatch, unit):
    assert_linear(Steps(monkeypatch, dates), dates_in, unit)


def test_text_without_dates_is_given_up_early(monkeypatch):
    text = "The capital of France is Paris, on the river Seine."
    assert Steps(monkeypatch, dates).of(dates_in, text) < 2 * len(text)


def test_a_date_with_a_wrong_weekday_agrees_with_itself():
    (wrong,), (right,), (day,) = map(dates_in, ("Monday, 2 March 1995", "Thursday, 2 March 1995", "Monday"))
    assert dates_agree(wrong, wrong) is True
    assert dates_agree(wrong, right) is False
    assert dates_agree(right, day) is False
