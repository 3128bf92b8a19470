"""Quarters, halves, seasons, fiscal years, lists of weekdays, time zones and days that do not exist."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermolang.answers.rules.dates import date_agreement, dates_agree, dates_in
from thermolang.answers.rules.periods import full_year, last_day

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def only(text):
    (date,) = dates_in(text)
    return date


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("31-Oct-22", "October 31, 2022"),
        ("'99", "1999"),
        ("2019-20 season", "the 2019/20 season"),
        ("H1 2024", "the first half of 2024"),
        ("Q3 2023", "the third quarter of 2023"),
        ("FY2024", "2024年度"),
        ("3 pm CET", "9 am EST"),
        ("15:00 UTC", "3 pm GMT"),
        ("summer 2021", "2021年夏"),
        ("the last day of April 2024", "30 April 2024"),
        ("令和5年4月1日", "R5.4.1"),
    ],
)
def test_the_same_time(a, b):
    assert dates_agree(only(a), only(b)) is True
    assert dates_agree(only(b), only(a)) is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("3 pm CET", "3 pm EST"),
        ("Q3 2023", "Q4 2023"),
        ("H1 2024", "H2 2024"),
        ("Q1 2024", "H2 2024"),
        ("summer 2021", "winter 2021"),
        ("early March", "late March"),
        ("early March 2024", "25 March 2024"),
        ("2019-20 season", "2020-21 season"),
    ],
)
def test_another_time(a, b):
    assert dates_agree(only(a), only(b)) is False


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("FY2024", "2024"),
        ("2024年度", "2024年"),
        ("05/04/2018", "5 April 2018"),
        ("5.3.2024", "March 5, 2024"),
        ("end of April", "30 April"),
        ("4月末", "4月30日"),
        ("30 February 2020", "30 February 2020 "),
        ("by Friday", "Friday"),
        ("noon", "12:00"),
    ],
)
def test_times_that_may_differ(a, b):
    assert 0 < date_agreement(only(a), only(b)) < 1


def test_both_orders_of_day_and_month_follow_one_rule():
    for written in ("05/04/2018", "05.04.2018", "5-4-2018"):
        levels = {date_agreement(only(written), only(said)) for said in ("5 April 2018", "May 4, 2018")}
        assert levels == {0.5}, written
        assert date_agreement(only(written), only("6 April 2018")) == 0


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)))
def test_a_date_is_itself_in_every_spelling(date):
    month = MONTHS[date.month - 1]
    spellings = [
        f"{date.day} {month} {date.year}",
        f"{month} {date.day}, {date.year}",
        date.isoformat(),
        f"{date.year}年{date.month}月{date.day}日",
        f"{date.day}-{month[:3]}-{date.year}",
    ]
    assert len({(d.year, d.month, d.day) for d in map(only, spellings)}) == 1
    following = date + datetime.timedelta(days=1)
    assert dates_agree(only(spellings[0]), only(following.isoformat())) is False


@given(st.integers(1, 12), st.integers(1, 31), st.integers(1900, 2099))
def test_a_day_that_does_not_exist_is_never_sure(month, day, year):
    date = only(f"{day} {MONTHS[month - 1]} {year}")
    assert date.sure == (day <= last_day(month, year))
    if not date.sure:
        assert 0 < date_agreement(date, only(f"{day} {MONTHS[month - 1]} {year}")) < 1


@given(st.integers(0, 99))
def test_two_digits_of_a_year(year):
    assert full_year(f"'{year:02}") % 100 == year
    assert 1936 <= full_year(f"{year:02}") <= 2035


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Monday to Friday", [0, 1, 2, 3, 4]),
        ("Mon, Wed and Fri", [0, 2, 4]),
        ("月・水・金", [0, 2, 4]),
        ("月〜金", [0, 1, 2, 3, 4]),
        ("Saturday-Monday", [5, 6, 0]),
        ("weekdays", [0, 1, 2, 3, 4]),
        ("週末", [5, 6]),
    ],
)
def test_lists_of_weekdays(text, days):
    assert [date.weekday for date in dates_in(text)] == days


def test_relative_days_need_a_day_to_count_from():
    today = datetime.date(2024, 2, 28)
    assert only("tomorrow").days == 1
    assert dates_agree(only("tomorrow"), only("明日")) is True
    assert dates_agree(*dates_in("tomorrow", today), only("29 February 2024")) is True
    assert dates_in("the day after tomorrow", datetime.date.max)[0].days == 2


@pytest.mark.parametrize("text", ["13/13/2013", "25:61", "Q5 2023", "2024-13-01", "May I?", "march on", "二月三日坊主"])
def test_no_whole_date(text):
    assert all(date.day is None or date.month is None or date.year is None for date in dates_in(text))


@pytest.mark.parametrize("text", ["1984901", "1994101", "1984 901"])
def test_digits_between_two_years_are_no_dash(text):
    assert dates_in(text) == ()
