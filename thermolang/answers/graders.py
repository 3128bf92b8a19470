"""Ways to grade a free-form answer against accepted ones, all with one interface.

A ``Grader`` takes an answer, the accepted answers (aliases) and the question, and gives a score in [0, 1]; from .5
on the answer counts as right. No grader raises for what a text is like: an empty answer, or no alias, gives 0.
How often each one agrees with people is in ``docs/grading.md``.
"""

from __future__ import annotations

import functools
import importlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from thermolang.answers.facts import Facts, facts
from thermolang.answers.grading import is_right
from thermolang.answers.plain import normalize
from thermolang.answers.moments import Moment, agree
from thermolang.answers.normal import JAPANESE
from thermolang.answers.numerals import fold
from thermolang.answers.quantities import Quantity, same_quantity

if TYPE_CHECKING:
    from thermolang.answers.equivalence import Equivalence

Grader: TypeAlias = Callable[[str, Sequence[str], str], float]
"""Answer, accepted answers, question -> score in [0, 1]."""

_T = TypeVar("_T", Quantity, Moment)

_UNSPACED = re.compile(f"[{JAPANESE}]")
_PIECE = 10_000  # SudachiPy refuses texts of more than 49,149 bytes
_TOKENIZING = threading.Lock()
_LIMIT_BEFORE = re.compile(
    r"(?:\b(?:not|before|after|until|than|under|below|above|beyond|up to|at (?:least|most))|[<>\u2264\u2265])"
    r"(?:\s(?:in|on|at|about|the))?\s?$",
    re.IGNORECASE,
)
_LIMIT_AFTER = re.compile(
    r"\s?(?:以上|以下|以内|未満|以前|以後|以降|まで|ではな|じゃな|or (?:more|less|fewer|later|earlier)\b)"
)
_FIELDS = tuple(field.name for field in fields(Moment) if field.default is None)


def exact_match(answer: str, answers: Sequence[str], question: str = "") -> float:
    """1 if the answer equals an alias after ``grading.normalize``.

    Example:
        >>> exact_match("The Beatles!", ["beatles"]), exact_match("It was the Beatles", ["beatles"])
        (1.0, 0.0)
    """
    given = normalize(answer)
    return float(bool(given) and any(normalize(alias) == given for alias in answers))


def alias_match(answer: str, answers: Sequence[str], question: str = "") -> float:
    """1 if the answer gives an alias by the rules of ``grading.is_right``.

    Example:
        >>> alias_match("It was the Beatles", ["beatles"]), alias_match("Not the Beatles", ["beatles"])
        (1.0, 0.0)
    """
    return float(is_right(answer, answers))


def token_f1(answer: str, answers: Sequence[str], question: str = "") -> float:
    """Best F1 of the words shared with an alias (SQuAD; Rajpurkar et al., 2016), after ``grading.normalize``.

    Japanese and Chinese text is cut into words by SudachiPy, or into characters if that is not installed.

    Example:
        >>> token_f1("the Norman king", ["king Harold", "a king"])
        0.6666666666666666
    """
    given = Counter(_tokens(answer))
    return max((_f1(given, Counter(_tokens(alias))) for alias in answers), default=0.0)


def amount_match(answer: str, answers: Sequence[str], question: str = "") -> float:
    """1 if the answer states the amount or the date that an alias is.

    An alias counts only if it is nothing but amounts or dates, up to words such as "about" or "years". Units are
    converted, number words and kanji are read; a date may say more than the alias (4 July 1976 for 1976). A short
    answer with another amount of the same sort, or another date, is wrong, unless that one stands in the question.
    So are a denied amount and a limit ("not 12", "before 1995") for the amount itself.

    Example:
        >>> amount_match("It is about five thousand metres.", ["5 km"]), amount_match("5 or 6", ["5"])
        (1.0, 0.0)
        >>> amount_match("三千万円です", ["30 million yen"]), amount_match("4th of July, 1976", ["1976"])
        (1.0, 1.0)
    """
    said = facts(answer)
    if not (said.quantities or said.moments) or (said.negated and not said.bare and not said.is_long):
        return 0.0
    asked = facts(question)
    return float(any(_states(said, facts(alias), asked) for alias in answers))


def combined(answer: str, answers: Sequence[str], question: str = "") -> float:
    """1 if ``alias_match`` or ``amount_match`` says so.

    Example:
        >>> combined("Paris, of course", ["Paris"]), combined("5,000 m", ["5 km"]), combined("Rome", ["Paris", "5"])
        (1.0, 1.0, 0.0)
    """
    return max(alias_match(answer, answers, question), amount_match(answer, answers, question))


GRADERS: Mapping[str, Grader] = MappingProxyType(
    {
        "exact_match": exact_match,
        "token_f1": token_f1,
        "alias_match": alias_match,
        "amount_match": amount_match,
        "combined": combined,
    }
)
"""The graders that need no model, by name."""


def equivalent(equivalence: Equivalence) -> Grader:
    """Make a grader of an ``Equivalence``: the best P(same) of the answer and an alias.

    Args:
        equivalence: Compares the answers; its embedder is loaded when the grader is first used.

    Example:
        >>> from thermolang.answers.equivalence import Equivalence
        >>> grade = equivalent(Equivalence(None))
        >>> grade("5,000 m", ["5 km"], ""), grade("Rome", ["", "5 km"], "") < 0.5
        (1.0, True)
    """

    def grade(answer: str, answers: Sequence[str], question: str = "") -> float:
        if not answer.strip():
            return 0.0
        best = 0.0
        for alias in dict.fromkeys(answers):
            if alias.strip() and best < 1:
                best = max(best, equivalence.same(answer, alias, question))
        return best

    return grade


def _f1(given: Counter[str], wanted: Counter[str]) -> float:
    return 2 * (given & wanted).total() / max(given.total() + wanted.total(), 1)


def _tokens(text: str) -> list[str]:
    words = normalize(text).split()
    return [token for word in words for token in (_cut(word) if _UNSPACED.search(word) else [word])]


def _cut(word: str) -> list[str]:
    """Words of a text without spaces, or its characters."""
    tokenizer = _tokenizer()
    if tokenizer is None:
        return list(word)
    pieces = (word[start : start + _PIECE] for start in range(0, len(word), _PIECE))
    with _TOKENIZING:  # one tokenizer cannot serve two threads at a time
        return [token.surface() for piece in pieces for token in tokenizer.tokenize(piece)]


@functools.cache
def _tokenizer() -> Any:
    try:
        sudachi = importlib.import_module("sudachipy")
        dictionary = sudachi.Dictionary(dict="core")
        return (dictionary.tokenizer if hasattr(dictionary, "tokenizer") else dictionary.create)(sudachi.SplitMode.A)
    except Exception:  # whatever SudachiPy raises without a dictionary; its errors share no other base
        return None


def _states(said: Facts, alias: Facts, asked: Facts) -> bool:
    """Whether an answer states the amounts, or the dates, that an alias is."""
    if not alias.bare:
        return False
    # A lone year is both an amount and a date.
    amounts, dates = {q.span for q in alias.quantities}, {m.span for m in alias.moments}
    if dates and said.moments and amounts <= dates:
        verdict = _states_dates(said, alias, asked)
        if verdict is not None:
            return verdict
    return bool(amounts) and dates <= amounts and _states_amounts(said, alias, asked)


def _states_dates(said: Facts, alias: Facts, asked: Facts) -> bool | None:
    """True or False, or None if the dates of the answer say nothing about those of the alias."""
    for moment in said.moments if not said.is_long else ():
        in_question = any(agree(moment, other) for other in asked.moments)
        if not in_question and all(agree(moment, wanted) is False for wanted in alias.moments):
            return False
    given = _unlimited(said, said.moments)
    return _in_order(alias.moments, given, _gives) or None


def _gives(wanted: Moment, said: Moment) -> bool:
    """Whether a moment is the wanted one, or says more."""
    verdict = agree(said, wanted)
    if verdict is None:
        unknown: dict[str, Any] = {name: None for name in _FIELDS if getattr(wanted, name) is None}
        kept = replace(said, **unknown, twelve_hour=said.twelve_hour or wanted.twelve_hour)
        verdict = agree(kept, wanted)
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
    text = fold(said.text)
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
