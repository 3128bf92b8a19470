"""Starter families about numbers, numerals and the calendar."""

from __future__ import annotations

import calendar
import datetime
import random

from thermolang.answers.grading import SMALL_NUMBERS, TENS
from thermolang.evaluation.starter_items import choice, distractors, free
from thermolang.types import Example

_DRAWS = 400
_ROMAN = [("M", 1000), ("CM", 900), ("D", 500), ("CD", 400), ("C", 100), ("XC", 90), ("L", 50), ("XL", 40)]
_ROMAN += [("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1)]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"]
_MONTHS += ["November", "December"]


def addition(rng: random.Random) -> list[Example]:
    """What is 34 + 57?"""
    pairs = [(rng.randint(10, 99), rng.randint(10, 99)) for _ in range(_DRAWS)]
    return [free(f"What is {a} + {b}?", str(a + b)) for a, b in pairs]


def long_addition(rng: random.Random) -> list[Example]:
    """What is the sum of 345, 67 and 128?"""
    draws = [(rng.randint(100, 999), rng.randint(10, 99), rng.randint(100, 999)) for _ in range(_DRAWS)]
    return [free(f"What is the sum of {a}, {b} and {c}?", str(a + b + c)) for a, b, c in draws]


def addition_choice(rng: random.Random) -> list[Example]:
    """How much do 34 and 57 make together? The others are off by one or by ten."""
    items = []
    for _ in range(_DRAWS):
        a, b = rng.randint(10, 99), rng.randint(10, 99)
        near = [str(a + b + off) for off in (-10, -2, -1, 1, 2, 10)]
        items.append(choice(f"How much do {a} and {b} make together?", str(a + b), distractors(rng, str(a + b), near)))
    return items


def subtraction(rng: random.Random) -> list[Example]:
    """What is 84 - 57?"""
    pairs = [(rng.randint(20, 99), rng.randint(2, 19)) for _ in range(_DRAWS)]
    return [free(f"What is {a} - {b}?", str(a - b)) for a, b in pairs]


def multiplication(rng: random.Random) -> list[Example]:
    """What is 7 times 8?"""
    return [free(f"What is {a} times {b}?", str(a * b)) for a in range(2, 16) for b in range(2, 16)]


def next_number(rng: random.Random) -> list[Example]:
    """Which number comes next: 3, 7, 11, 15?"""
    items = []
    for _ in range(_DRAWS):
        start, step = rng.randint(1, 40), rng.randint(2, 12)
        shown = ", ".join(str(start + step * i) for i in range(4))
        items.append(free(f"Which number comes next: {shown}?", str(start + 4 * step)))
    return items


def larger_number(rng: random.Random) -> list[Example]:
    """What is the larger of 345 and 354?"""
    pairs = [rng.sample(range(100, 1000), 2) for _ in range(_DRAWS)]
    return [free(f"What is the larger of the numbers {a} and {b}?", str(max(a, b))) for a, b in pairs]


def divisible_choice(rng: random.Random) -> list[Example]:
    """Is 84 divisible by 7? Yes and no are equally often right."""
    items = []
    for i in range(_DRAWS):
        divisor, times = rng.randint(3, 9), rng.randint(4, 30)
        number = divisor * times + (i % 2) * rng.randint(1, divisor - 1)
        right, wrong = ("No", "Yes") if i % 2 else ("Yes", "No")
        items.append(choice(f"Is {number} divisible by {divisor}?", right, [wrong]))
    return items


def _roman(number: int) -> str:
    letters = ""
    for letter, value in _ROMAN:
        count, number = divmod(number, value)
        letters += letter * count
    return letters


def number_of_roman(rng: random.Random) -> list[Example]:
    """Which number is the Roman numeral XIV?"""
    return [free(f"Which number is the Roman numeral {_roman(n)}?", str(n)) for n in range(2, 150)]


def spelled(number: int, joint: str = " and ") -> str:
    """An English number below ten thousand in words.

    Example:
        >>> spelled(1342)
        'one thousand three hundred and forty-two'
    """
    for size, name in ((1000, "thousand"), (100, "hundred")):
        count, rest = divmod(number, size)
        if count:
            link = joint if rest < 100 else " "
            return f"{spelled(count)} {name}" + (link + spelled(rest, joint) if rest else "")
    tens, unit = divmod(number, 10)
    if number < len(SMALL_NUMBERS):
        return SMALL_NUMBERS[number]
    return TENS[tens - 2] + (f"-{SMALL_NUMBERS[unit]}" if unit else "")


def digits_of_words(rng: random.Random) -> list[Example]:
    """Write "three hundred and forty-two" in digits."""
    return [free(f'Write the number "{spelled(n)}" in digits.', str(n)) for n in rng.sample(range(101, 10_000), _DRAWS)]


def words_of_digits(rng: random.Random) -> list[Example]:
    """Write 342 in words."""
    return [free(f"Write the number {n} in words.", spelled(n), spelled(n, " ")) for n in range(13, 400)]


def weekday_after(rng: random.Random) -> list[Example]:
    """Which weekday is 3 days after Monday?"""
    return [
        free(f"Which weekday is {n} days after {day}?", _DAYS[(i + n) % 7])
        for i, day in enumerate(_DAYS)
        for n in range(2, 20)
    ]


def weekday_of_date(rng: random.Random) -> list[Example]:
    """Which weekday was 20 July 1969?"""
    first = datetime.date(1950, 1, 1).toordinal()
    dates = [datetime.date.fromordinal(first + rng.randrange(70 * 365)) for _ in range(_DRAWS)]
    return [free(f"Which weekday was {d.day} {_MONTHS[d.month - 1]} {d.year}?", _DAYS[d.weekday()]) for d in dates]


def month_after(rng: random.Random) -> list[Example]:
    """Which month is 3 months after April?"""
    return [
        free(f"Which month is {n} months after {month}?", _MONTHS[(i + n) % 12])
        for i, month in enumerate(_MONTHS)
        for n in range(2, 12)
    ]


def days_in_month(rng: random.Random) -> list[Example]:
    """How many days did February 1996 have?"""
    drawn = [(rng.randint(1950, 2020), rng.randint(1, 12)) for _ in range(_DRAWS)]
    return [
        free(f"How many days did {_MONTHS[month - 1]} {year} have?", str(calendar.monthrange(year, month)[1]))
        for year, month in drawn
    ]


def leap_year_choice(rng: random.Random) -> list[Example]:
    """Is 1984 a leap year? Yes and no are equally often right."""
    years = range(1600, 2400)
    leap = [year for year in years if calendar.isleap(year)]
    common = rng.sample([year for year in years if not calendar.isleap(year)], len(leap))
    return [choice(f"Is {year} a leap year?", "Yes", ["No"]) for year in leap] + [
        choice(f"Is {year} a leap year?", "No", ["Yes"]) for year in common
    ]
