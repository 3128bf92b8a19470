"""Building blocks of the starter questions, and the questions about numbers."""

from __future__ import annotations

import calendar
import random
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from thermolang.answers.grading import is_right
from thermolang.answers.rules.numerals import SMALL_NUMBERS, TENS
from thermolang.answers.rules.spelling import normalize
from thermolang.errors import require
from thermolang.types import Example

Builder = Callable[[random.Random], list[Example]]
"""Makes all items of a family; a multiple-choice item has its right option first, ``label`` 0."""

EXTRA = "starter"
OPTIONS = 4


def data(module: str) -> Any:
    """Import a data package of the ``starter`` extra."""
    return require(module, EXTRA)


def free(question: str, *answers: str) -> Example:
    """A free-form item; repeated and empty aliases are dropped, the order is kept."""
    return Example(question=question, answers=tuple(dict.fromkeys(a for a in answers if a)))


def choice(question: str, right: str, wrong: Iterable[str]) -> Example:
    """A multiple-choice item with the right option first; the family's arrangement shuffles it."""
    return Example(question=question, choices=(right, *wrong), label=0)


def distractors(rng: random.Random, right: str, pool: Iterable[str], count: int = OPTIONS - 1) -> list[str]:
    """Draw wrong options that no grader could take for the right one or for each other.

    Args:
        rng: Source of randomness.
        right: The right option.
        pool: Candidates of the same category; repeats and the right option may be among them.
        count: How many to draw.
    """
    candidates = list(dict.fromkeys(pool))
    rng.shuffle(candidates)
    drawn: list[str] = []
    for option in candidates:
        if len(drawn) < count and not any(_alike(option, other) for other in (right, *drawn)):
            drawn.append(option)
    return drawn


def without_accents(text: str) -> str:
    """The text as an English keyboard writes it."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def told_apart(names: Sequence[Sequence[str]]) -> list[bool]:
    """For each thing with several names, whether no other thing's name would pass for it."""
    plain = [[normalize(name) for name in own] for own in names]
    return [
        not any(_passes(other, own) for j, others in enumerate(plain) if j != i for other in others)
        for i, own in enumerate(plain)
    ]


def _passes(other: str, own: Sequence[str]) -> bool:
    # Grading every pair takes seconds; a name can only pass if it holds the other one.
    return any(name in other for name in own) and is_right(other, own)


def _alike(one: str, other: str) -> bool:
    return is_right(one, [other]) or is_right(other, [one])


_DRAWS = 400
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def small_addition(rng: random.Random) -> list[Example]:
    """What is 3 + 4?"""
    return [free(f"What is {a} + {b}?", str(a + b)) for a in range(1, 10) for b in range(1, 10)]


def addition(rng: random.Random) -> list[Example]:
    """What is 34 + 57?"""
    pairs = [(rng.randint(10, 99), rng.randint(10, 99)) for _ in range(_DRAWS)]
    return [free(f"What is {a} + {b}?", str(a + b)) for a, b in pairs]


def addition_choice(rng: random.Random) -> list[Example]:
    """How much do 34 and 57 make together? The others are off by one or by ten."""
    items = []
    for _ in range(_DRAWS):
        a, b = rng.randint(10, 99), rng.randint(10, 99)
        near = [str(a + b + off) for off in (-10, -2, -1, 1, 2, 10)]
        items.append(choice(f"How much do {a} and {b} make together?", str(a + b), distractors(rng, str(a + b), near)))
    return items


def subtraction(rng: random.Random) -> list[Example]:
    """What is 14 - 6?"""
    return [free(f"What is {a} - {b}?", str(a - b)) for a in range(3, 21) for b in range(1, a)]


def number_after(rng: random.Random) -> list[Example]:
    """What is the next number after 57?"""
    return [free(f"What is the next number after {n}?", str(n + 1)) for n in range(2, 300)]


def parity(rng: random.Random) -> list[Example]:
    """Is 57 an odd or an even number?"""
    return [free(f"Is {n} an odd or an even number?", "odd" if n % 2 else "even") for n in range(2, 200)]


def division(rng: random.Random) -> list[Example]:
    """What is 12 divided by 4?"""
    return [free(f"What is {a * b} divided by {b}?", str(a)) for a in range(2, 13) for b in range(2, 13)]


def multiplication(rng: random.Random) -> list[Example]:
    """What is 7 times 8?"""
    return [free(f"What is {a} times {b}?", str(a * b)) for a in range(2, 16) for b in range(2, 16)]


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


def spelled(number: int) -> str:
    """An English number below a thousand in words.

    Example:
        >>> spelled(342)
        'three hundred and forty-two'
    """
    hundreds, rest = divmod(number, 100)
    if hundreds:
        return f"{SMALL_NUMBERS[hundreds]} hundred" + (f" and {spelled(rest)}" if rest else "")
    tens, unit = divmod(number, 10)
    if number < len(SMALL_NUMBERS):
        return SMALL_NUMBERS[number]
    return TENS[tens - 2] + (f"-{SMALL_NUMBERS[unit]}" if unit else "")


def digits_of_words(rng: random.Random) -> list[Example]:
    """What number is one hundred and forty-two?"""
    return [free(f"What number is {spelled(n)}?", str(n)) for n in range(21, 240)]


def weekday_choice(rng: random.Random) -> list[Example]:
    """Which weekday is 3 days after Monday?"""
    items = []
    for n in range(1, 20):
        for i, day in enumerate(_DAYS):
            right = _DAYS[(i + n) % 7]
            items.append(choice(f"Which weekday is {n} days after {day}?", right, distractors(rng, right, _DAYS)))
    return [item for item in items if item.question.split()[-1] != f"{item.choices[0]}?"]


def leap_year_choice(rng: random.Random) -> list[Example]:
    """Is 1984 a leap year? Yes and no are equally often right."""
    years = range(1600, 2400)
    leap = [year for year in years if calendar.isleap(year)]
    common = rng.sample([year for year in years if not calendar.isleap(year)], len(leap))
    return [choice(f"Is {year} a leap year?", "Yes", ["No"]) for year in leap] + [
        choice(f"Is {year} a leap year?", "No", ["Yes"]) for year in common
    ]
