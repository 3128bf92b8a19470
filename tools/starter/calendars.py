"""Starter questions about days, dates and clocks."""

from __future__ import annotations

import calendar
import random
from datetime import date, datetime, timedelta

from tools.starter.items import DRAWS, Items, balanced, choice, distractors, family, free, number, yes_no

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = list(calendar.month_name)[1:]


def written(day: date, *, year: bool = True) -> str:
    """A date as "5 March 2021"."""
    return f"{day.day} {MONTHS[day.month - 1]}" + (f" {day.year}" if year else "")


def ways_to_write(day: date, *, year: bool = True) -> list[str]:
    """A date in the usual spellings, the year left out in some if ``year`` is false."""
    month, n = MONTHS[day.month - 1], day.day
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(n % 10 if n not in (11, 12, 13) else 0, "th")
    plain = [f"{n} {month}", f"{month} {n}", f"{n}{suffix} {month}", f"{month} {n}{suffix}", f"{n}{suffix} of {month}"]
    full = [f"{text} {day.year}" for text in plain] + [f"{text}, {day.year}" for text in plain]
    numeric = [day.isoformat(), f"{day:%d/%m/%Y}", f"{day:%m/%d/%Y}"]
    return [*full, *numeric, *([] if year else plain)]


def some_date(rng: random.Random, first: int = 1950, last: int = 2049) -> date:
    """A random date of the years given."""
    return date(first, 1, 1) + timedelta(rng.randrange((date(last, 12, 31) - date(first, 1, 1)).days))


@family("weekdays", kind="choice")
def weekday_choice(level: int, rng: random.Random) -> Items:
    """Which weekday is 3 days after Monday?"""
    for n in range(1, 20):
        for i, day in enumerate(DAYS):
            right = DAYS[(i + n) % 7]
            item = choice(f"Which weekday is {n} days after {day}?", right, distractors(rng, right, DAYS))
            if n % 7:
                yield item


@family("weekdays", levels=4)
def weekday_after(level: int, rng: random.Random) -> Items:
    """Which weekday comes 3 days after Monday? Up to 3, 20, 100 and 9999 days later or earlier."""
    low, high = ((1, 4), (5, 20), (21, 100), (1000, 9999))[level - 1]
    for _ in range(DRAWS):
        n, i = rng.randint(low, high), rng.randrange(7)
        back = rng.random() < 0.5
        if n % 7:
            text = f"{n} day{'s' * (n > 1)} {'before' if back else 'after'} {DAYS[i]}"
            yield free(f"Which day of the week is {text}?", DAYS[(i - n if back else i + n) % 7])


@family("weekdays of dates", levels=5)
def weekday_of_date(level: int, rng: random.Random) -> Items:
    """Which weekday was 5 March 2021? Near a date whose weekday is told, then without, then centuries off."""
    years = (1950, 2049) if level < 4 else ((1990, 2029) if level == 4 else (1583, 1899))
    for _ in range(DRAWS):
        day = some_date(rng, *years)
        off = rng.choice((-1, 1)) * rng.randint(*((1, 3), (8, 20), (90, 330), (1, 1), (1, 1))[level - 1])
        other = day + timedelta(off)
        if level < 4 and off % 7:
            told = f"{written(day)} is a {DAYS[day.weekday()]}."
            yield free(f"{told} Which day of the week is {written(other)}?", DAYS[other.weekday()])
        elif level >= 4:
            yield free(f"Which day of the week is {written(day)}?", DAYS[day.weekday()])


@family("dates", levels=4)
def date_after(level: int, rng: random.Random) -> Items:
    """Which date is 10 days after 5 March 2021? Within a month, across one, across a year, decades away."""
    for _ in range(DRAWS):
        day = some_date(rng)
        n = rng.randint(*((1, 9), (12, 30), (100, 400), (3000, 20_000))[level - 1])
        then = day + timedelta(n)
        if (then.month == day.month and then.year == day.year) == (level == 1):
            question = f"Which date is {n} day{'s' * (n > 1)} after {written(day)}?"
            yield free(question, *ways_to_write(then, year=then.year != day.year))


@family("dates", levels=4)
def days_between(level: int, rng: random.Random) -> Items:
    """How many days are there from 5 March 2021 to 20 March 2021?"""
    for _ in range(DRAWS):
        day = some_date(rng)
        n = rng.randint(*((2, 12), (25, 58), (100, 400), (3000, 20_000))[level - 1])
        then = day + timedelta(n)
        if (then.month == day.month and then.year == day.year) == (level == 1):
            yield number(f"How many days is it from {written(day)} to {written(then)}?", n)


@family("dates", levels=2)
def day_of_year(level: int, rng: random.Random) -> Items:
    """Which day of the year is 5 March 2021? Then the week of the ISO calendar."""
    for _ in range(DRAWS):
        day = some_date(rng)
        if level == 1:
            n = day.timetuple().tm_yday
            yield number(f"What number does {written(day)} have among the days of its year (1 January is 1)?", n)
        else:
            question = f"What is the number of the ISO 8601 week that contains {written(day)}?"
            yield number(question, day.isocalendar().week)


@family("clocks", levels=5)
def time_after(level: int, rng: random.Random) -> Items:
    """What time is it 35 minutes after 3:40? Within an hour, over it, hours, over midnight, with seconds."""
    for _ in range(DRAWS):
        start = datetime(2021, 1, 1, rng.randrange(1, 24), 5 * rng.randrange(12) if level < 4 else rng.randrange(60))
        hours = (0, 0, rng.randint(1, 9), rng.randint(20, 90), rng.randint(20, 900))[level - 1]
        minutes = 5 * rng.randint(1, 11) if level < 4 else rng.randint(1, 59)
        seconds = rng.randint(1, 59) if level == 5 else 0
        then = start + timedelta(hours=hours, minutes=minutes, seconds=seconds)
        within = then.hour == start.hour
        if (level > 2 or within == (level == 1)) and (level > 3 or then.day == start.day):
            passed = f"{hours} hour{'s' * (hours > 1)} and " * (hours > 0) + f"{minutes} minutes"
            passed += f" and {seconds} seconds" * (seconds > 0)
            question = f"It is {start:%H:%M} (24-hour clock). What time will it be {passed} later?"
            yield free(question, *_times(then, seconds > 0))


def _times(then: datetime, seconds: bool) -> list[str]:
    if seconds:
        return [f"{then:%H:%M:%S}", f"{then.hour}:{then:%M:%S}"]
    half = "AM" if then.hour < 12 else "PM"
    return [f"{then:%H:%M}", f"{then.hour}:{then:%M}", f"{then.hour % 12 or 12}:{then:%M} {half}"]


@family("clocks", levels=3)
def minutes_between(level: int, rng: random.Random) -> Items:
    """How many minutes are there from 3:40 to 4:15?"""
    for _ in range(DRAWS):
        start = datetime(2021, 1, 1, rng.randrange(0, 23), rng.randrange(0, 60, 5 if level < 3 else 1))
        n = rng.randint(1, 10) * 5 if level == 1 else rng.randint(60, 1200)
        n -= n % 5 if level < 3 else 0
        then = start + timedelta(minutes=n)
        if then.day == start.day and (level > 1 or then.hour == start.hour):
            yield number(f"How many minutes is it from {start:%H:%M} to {then:%H:%M} on the same day?", n)


@family("leap years", kind="choice")
def leap_year_choice(level: int, rng: random.Random) -> Items:
    """Is 1984 a leap year? Yes and no are equally often right."""
    years = range(1600, 2400)
    leap = [year for year in years if calendar.isleap(year)]
    common = rng.sample([year for year in years if not calendar.isleap(year)], len(leap))
    return [choice(f"Is {year} a leap year?", "Yes", ["No"]) for year in leap] + [
        choice(f"Is {year} a leap year?", "No", ["Yes"]) for year in common
    ]


@family("leap years", levels=2)
def leap_year(level: int, rng: random.Random) -> Items:
    """Was there a 29 February in 1984? Ordinary years, then only full centuries, far away, too."""
    years = range(1904, 2099) if level == 1 else range(1600, 12_000, 100)
    return balanced((yes_no(f"Does February have 29 days in the year {y}?", calendar.isleap(y)) for y in years), rng)


@family("months", levels=4)
def month_after(level: int, rng: random.Random) -> Items:
    """Which month comes 2 months after March? The next one, then up to 11, 40 and 900 months away."""
    low, high = ((1, 2), (3, 11), (13, 40), (100, 900))[level - 1]
    for _ in range(DRAWS):
        n, i, back = rng.randint(low, high), rng.randrange(12), rng.random() < 0.5
        if n % 12:
            text = f"{n} month{'s' * (n > 1)} {'before' if back else 'after'} {MONTHS[i]}"
            yield free(f"Which month is {text}?", MONTHS[(i - n if back else i + n) % 12])


@family("ages", levels=3)
def age_on(level: int, rng: random.Random) -> Items:
    """How old is someone born in 1980 in 2010? By years, by dates, and in days."""
    for _ in range(DRAWS):
        born, then = some_date(rng, 1900, 1980), some_date(rng, 1981, 2024)
        years = then.year - born.year
        before = (then.month, then.day) < (born.month, born.day)
        if level == 1:
            question = (
                f"A woman was born on 1 January {born.year}. How many years old was she at the end of {then.year}?"
            )
            yield number(question, years)
        elif level == 2:
            question = f"A woman was born on {written(born)}. How many years old was she on {written(then)}?"
            yield number(question, years - before)
        else:
            question = f"A woman was born on {written(born)}. How many days old was she on {written(then)}?"
            yield number(question, (then - born).days)
