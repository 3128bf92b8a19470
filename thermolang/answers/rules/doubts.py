"""Doubts: rules that are never sure of a pair of answers, and say between what P(same) of it can be.

What they find keeps the guards from joining a pair: amounts that can be read in two ways, a bound or a condition that
one answer lacks, parts that changed places. A new one is a function of the facts of two answers and a row in
``DOUBTS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from thermolang.answers.rules.antonyms import exchanged
from thermolang.answers.rules.conditions import conditions_agree
from thermolang.answers.rules.dates import PartialDateTime, date_agreement
from thermolang.answers.rules.facts import Facts
from thermolang.answers.rules.qualifiers import LIKELY, UNLIKELY, asked_marks
from thermolang.answers.rules.quantities import Quantity, agreement, comparable
from thermolang.answers.rules.spelling import KANJI, KATAKANA, normal_form

_T = TypeVar("_T")
_L = TypeVar("_L")
_P = TypeVar("_P", PartialDateTime, Quantity)

RESTATED = 4
"""Words of its own that an answer may have around an amount and still be that amount."""

_MIXED = re.compile("(?i:[a-z](?![μΩ])[\u0370-\u04ff]|(?![μΩ])[\u0370-\u04ff][a-z])")
# Not commas alone, as "Paris, France" is Paris.
_MARKED_LIST = re.compile(rf"[、;；]|\s[/／|]\s|(?<=[{KATAKANA}{KANJI}])や(?=[{KATAKANA}{KANJI}])")  # noqa: RUF001
_UNREADABLE = re.compile("[0-9]{309,}")


@dataclass(frozen=True)
class Doubt:
    """A rule that says between what P(same) of a pair of answers can be, and never that a pair is sure.

    Attributes:
        reason: What it has found, in a few words for people.
        limits: The least and the most that P(same) of two answers can be, or None if it says nothing of them; the
            order of the two must play no part.
    """

    reason: str
    limits: Callable[[Facts, Facts], tuple[float, float] | None]


def limits_of(a: Facts, b: Facts) -> tuple[str, tuple[float, float]] | None:
    """Return the strictest reason to doubt a pair, and the narrowest limits of all; None without one.

    Example:
        >>> from thermolang.answers.rules.facts import facts
        >>> limits_of(facts("at least 5 km"), facts("5 km"))
        ('amounts that may differ', (0.35, 0.35))
    """
    found = [(limits, doubt.reason) for doubt in DOUBTS if (limits := doubt.limits(a, b)) is not None]
    if not found:
        return None
    high = min(limits[1] for limits, _ in found)
    low = min(high, *(limits[0] for limits, _ in found))
    return min(found, key=lambda each: each[0][1])[1], (low, high)


def levels(
    ours: Sequence[_T], theirs: Sequence[_T], agree: Callable[[_T, _T, frozenset[str]], _L], question: frozenset[str]
) -> list[list[_L]]:
    """Return how surely each amount or date of one answer (rows) is each of the other (columns)."""
    asked = asked_marks(question)
    return [[agree(one, other, asked) for other in theirs] for one in ours]


def unmatched(a: Facts, b: Facts) -> tuple[list[Quantity], list[Quantity]]:
    """Return the amounts of each answer that are none of the other one."""
    found = levels(a.quantities, b.quantities, agreement, a.asked)
    left = [q for q, row in zip(a.quantities, found, strict=True) if not any(row)]
    return left, [r for j, r in enumerate(b.quantities) if not any(row[j] for row in found)]


def likeness(a: Facts, b: Facts) -> float:
    """Return how surely two answers with the same words, or none, around amounts and dates have the same ones."""
    framed = (a.bare and b.bare) or a.frame == b.frame != ""
    if not framed and (not (a.bare or b.bare) or a.negated != b.negated):
        return 0.0
    if max(len(a.words), len(b.words)) > RESTATED + 4:
        return 0.0
    # A lone year is an amount too, unless both answers have dates.
    years = bool(a.dates and b.dates)
    numbers, others = (_without(one.quantities, one.dates if years else ()) for one in (a, b))
    days, other_days = (_without(one.dates, () if years else one.quantities) for one in (a, b))
    if len(numbers) != len(others) or len(days) != len(other_days) or _unread_unit(a, b):
        return 0.0
    asked = asked_marks(a.asked)
    # In order: a game won 3-1 is not one lost 1-3.
    amounts = [agreement(q, r, asked) for q, r in zip(numbers, others, strict=True)]
    return min([*amounts, *(date_agreement(d, e, asked) or 0.0 for d, e in zip(days, other_days, strict=True))])


def _unread_unit(a: Facts, b: Facts) -> bool:
    """Whether one amount has a unit, and beside the other stands a word that may be one ("10 g", "10 gal")."""
    pairs = zip(a.quantities, b.quantities, strict=False)
    lacking = [b if q.unit else a for q, r in pairs if bool(q.unit) != bool(r.unit)]
    return any(not one.bare and any(w.isalpha() and w not in a.asked for w in one.words) for one in lacking)


def _other_unit(a: Facts, b: Facts) -> tuple[float, float] | None:
    return (0.0, UNLIKELY) if not (a.is_long or b.is_long) and _unread_unit(a, b) else None


def _without(found: Sequence[_P], others: Sequence[PartialDateTime | Quantity]) -> list[_P]:
    """Amounts or dates without those that stand where the others do."""
    taken = {other.span for other in others}
    return [one for one in found if one.span not in taken]


def _doubtful_amounts(a: Facts, b: Facts) -> tuple[float, float] | None:
    return _doubtful(a, b, levels(a.quantities, b.quantities, agreement, a.asked))


def _hardly_comparable(a: Facts, b: Facts) -> tuple[float, float] | None:
    """Limits of amounts of which one lacks the unit of the other, and which differ ("3 of 4" and "80 %")."""
    if a.is_long or b.is_long:
        return None
    left, right = unmatched(a, b)
    return (0.0, 0.2) if any(comparable(q, r) for q in left for r in right) else None


def _doubtful_dates(a: Facts, b: Facts) -> tuple[float, float] | None:
    return _doubtful(a, b, levels(a.dates, b.dates, date_agreement, a.asked))


def _doubtful(a: Facts, b: Facts, found: Sequence[Sequence[float | None]]) -> tuple[float, float] | None:
    """Limits by the best partner of each amount or date; those without any play no part."""
    if a.is_long or b.is_long or not found:
        return None
    best = [max(known) for row in (*found, *zip(*found, strict=True)) if (known := [x for x in row if x is not None])]
    doubtful = [level for level in best if 0 < level < 1]
    if not doubtful:
        return None
    between = likeness(a, b)
    return min(between, *doubtful), min(doubtful)


def _conditions(a: Facts, b: Facts) -> tuple[float, float] | None:
    if a.is_long or b.is_long:
        return None
    found = conditions_agree(a.conditions, b.conditions, a.asked)
    if found is None and a.polarity is not None and a.polarity == b.polarity and _limited(a) != _limited(b):
        return 0.0, UNLIKELY
    return None if found is None else found[:2]


def _limited(one: Facts) -> bool:
    """Whether an answer says between what bounds or when it holds ("yes, within 30 days", "yes, on Sundays")."""
    recurring = ("weekday", "hour", "season")
    marked = any(q.marks for q in one.quantities) or any(d.marks for d in one.dates)
    return marked or any(getattr(date, name) is not None for date in one.dates for name in recurring)


def _beside(a: Facts, b: Facts) -> tuple[float, float] | None:
    """Limits of "5 days for members" and "5 days"."""
    if not (a.bare or b.bare) or a.beside == b.beside or (a.beside | b.beside) <= a.asked:
        return None
    return 0.0, 0.7


def _and_or(a: Facts, b: Facts) -> tuple[float, float] | None:
    lists = [{key.partition(":")[::2] for key in one.keys if key.startswith(("all:", "any:"))} for one in (a, b)]
    differ = any(x[0] != y[0] and x[1] == y[1] for x in lists[0] for y in lists[1])
    return (0.0, UNLIKELY) if differ else None


def _an_item_more(a: Facts, b: Facts) -> tuple[float, float] | None:
    """Limits of "Galileo / Newton" and "Newton", or fewer items; the mark may stand between two names of a thing."""
    if a.polarity is not None or b.polarity is not None:  # "はい、そうです" is はい
        return None
    texts = [[normal_form(part) for part in _MARKED_LIST.split(one.text) if part.strip()] for one in (a, b)]
    shorter, longer = sorted(map(set, texts), key=len)
    return (0.0, UNLIKELY) if shorter and shorter < longer else None


def _exchanged(a: Facts, b: Facts) -> tuple[float, float] | None:
    return (0.0, UNLIKELY) if exchanged(a.text, b.text) else None


def _unread(a: Facts, b: Facts) -> tuple[float, float] | None:
    """Limits of numbers that are too long to be read."""
    numbers = [_UNREADABLE.findall(one.text) for one in (a, b)]
    return (0.0, LIKELY) if numbers[0] != numbers[1] else None


def _look_alikes(a: Facts, b: Facts) -> tuple[float, float] | None:
    """Limits if a word mixes Latin letters with Cyrillic or Greek ones, of which many look like them."""
    mixed = [_MIXED.findall(one.text) for one in (a, b)]
    return (0.0, LIKELY) if mixed[0] != mixed[1] else None


DOUBTS: tuple[Doubt, ...] = (
    Doubt("amounts that may differ", _doubtful_amounts),
    Doubt("amounts with and without a unit", _hardly_comparable),
    Doubt("a word that may be another unit", _other_unit),
    Doubt("dates or times that may differ", _doubtful_dates),
    Doubt("a condition or exception in one of them", _conditions),
    Doubt("words that may limit the amount", _beside),
    Doubt("and, or", _and_or),
    Doubt("an item more in one of them", _an_item_more),
    Doubt("parts that changed places", _exchanged),
    Doubt("a number that is too long to be read", _unread),
    Doubt("a word in letters of two scripts", _look_alikes),
)
"""Rules that keep others from joining a pair, and that limit P(same)."""
