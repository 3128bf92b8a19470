"""Whether an answer states an amount or date, and not another one, a limit or a denial.

Words are in ``data/grading.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from thermolang.answers.rules.dates import DATE_FIELDS, PartialDateTime, dates_agree
from thermolang.answers.rules.digits import fold_math
from thermolang.answers.rules.facts import Facts
from thermolang.answers.rules.quantities import Quantity, same_quantity
from thermolang.answers.rules.tables import any_of, pattern, read_table

_T = TypeVar("_T", Quantity, PartialDateTime)

_TABLE = read_table("grading")
_LIMIT_BEFORE = re.compile(rf"(?:{_TABLE['limits_before']})(?:\s(?:in|on|at|about|the))?\s?$", re.IGNORECASE)
_LIMIT_AFTER = re.compile(rf"\s?{any_of([pattern(_TABLE['limits_after'])])}")


def states_alias(said: Facts, alias: Facts, asked: Facts) -> bool:
    """Return whether an answer states the amounts, or the dates, that an accepted answer is.

    Args:
        said: The answer.
        alias: The accepted answer; one that says more than amounts or dates is not stated by them.
        asked: The question; what stands in it contradicts nothing.

    Example:
        >>> from thermolang.answers.rules.facts import facts
        >>> states_alias(facts("It is 5,000 m long"), facts("5 km"), facts("How long is it?"))
        True
    """
    if not alias.bare:
        return False
    # A lone year is both an amount and a date.
    amounts, dates = {q.span for q in alias.quantities}, {m.span for m in alias.dates}
    if dates and said.dates and amounts <= dates:
        verdict = _states_dates(said, alias, asked)
        if verdict is not None:
            return verdict
    return bool(amounts) and dates <= amounts and _states_amounts(said, alias, asked)


def _states_dates(said: Facts, alias: Facts, asked: Facts) -> bool | None:
    """True or False, or None if the dates of the answer say nothing about those of the alias."""
    for date in said.dates if not said.is_long else ():
        in_question = any(dates_agree(date, other) for other in asked.dates)
        if not in_question and all(dates_agree(date, wanted) is False for wanted in alias.dates):
            return False
    given = _unlimited(said, said.dates)
    return _in_order(alias.dates, given, _gives) or None


def _gives(wanted: PartialDateTime, said: PartialDateTime) -> bool:
    """Whether a date is the wanted one, or says more."""
    verdict = dates_agree(said, wanted)
    if verdict is None:
        unknown: dict[str, Any] = {name: None for name in DATE_FIELDS if getattr(wanted, name) is None}
        kept = replace(said, **unknown, twelve_hour=said.twelve_hour or wanted.twelve_hour)
        verdict = dates_agree(kept, wanted)
    return verdict is True


def _states_amounts(said: Facts, alias: Facts, asked: Facts) -> bool:
    given = _unlimited(said, said.quantities)
    if not _in_order(alias.quantities, given, same_quantity):
        return False
    if said.is_long:
        return True
    known = (*alias.quantities, *asked.quantities)
    others = [q for q in said.quantities if not any(same_quantity(q, k) for k in known)]
    stated = [q for q in given if any(same_quantity(q, w) for w in alias.quantities)]
    return not any(_rivals(other, one) for other in others for one in stated)


def _rivals(a: Quantity, b: Quantity) -> bool:
    """Whether two amounts could answer one question: "12 or 13", but not "12 in 1945" or "5 km in 20 minutes"."""
    if a.dimension != b.dimension or a.ordinal != b.ordinal or bool(a.unit) != bool(b.unit):
        return False
    return _looks_like_year(a) == _looks_like_year(b)


def _looks_like_year(quantity: Quantity) -> bool:
    bare = not quantity.unit and not quantity.ordinal and quantity.span[1] - quantity.span[0] == 4
    return bare and quantity.value in range(1000, 2100)


def _unlimited(said: Facts, found: Sequence[_T]) -> list[_T]:
    """What an answer states, without what it only sets a limit to or denies."""
    text = fold_math(said.text)
    return [
        one
        for one in found
        if not _LIMIT_BEFORE.search(text[max(0, one.span[0] - 24) : one.span[0]])
        and not _LIMIT_AFTER.match(text, one.span[1])
    ]


def _in_order(wanted: Sequence[_T], given: Sequence[_T], same: Callable[[_T, _T], bool]) -> bool:
    """Whether all that is wanted is given, in that order: 3-1 is not 1-3."""
    rest = iter(given)
    return all(any(same(one, other) for other in rest) for one in wanted)
