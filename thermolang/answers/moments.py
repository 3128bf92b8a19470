"""Points in time in short English or Japanese answers, and whether two of them agree.

A moment has only the fields that the text gives: "March 1995" has a year and a month, "the 1990s" a decade. What
cannot be known is left out: day and month of 07/04/1976, the decade of "the nineties", the hour of a bare "3".
"""

from __future__ import annotations

import datetime
import re
from dataclasses import replace
from functools import partial

from thermolang.answers.moment_readers import READERS, Moment, Reader
from thermolang.answers.numerals import fold

__all__ = ["Moment", "agree", "moments"]

_FIELDS = ("year", "month", "day", "weekday", "hour", "minute", "second", "decade", "century")
_HINT = re.compile(
    r"[0-9年月曜時世紀]|正午|真夜中|(?i:noon|midnight|o'clock|past|quarter|centur|day|"
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|ad|a\.d))"
)
_FILLER = re.compile(
    r"(?:(?:in|on|by|since|about|around|circa|c\.|ca\.|approximately|roughly|the|year|it|was|is|from|until|before|after|"
    r"約)\s?)*",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"(?:\s|,|の|at\b|on\b|in\b|of\b|the\b|\()*", re.IGNORECASE)


def moments(text: str) -> tuple[Moment, ...]:
    """Return every date, year, weekday and clock time in a text, in order.

    What stands side by side is one moment: "Sunday, 4 July 1976 at 3 pm".

    Args:
        text: A short answer, in English or Japanese. Any text will do; nothing is raised.

    Example:
        >>> [(m.year, m.month, m.day) for m in moments("on the fourth of July 1976; 平成7年3月2日")]
        [(1976, 7, 4), (1995, 3, 2)]
        >>> moments("They may march 1500 miles")
        ()
    """
    folded = fold(text)
    if not _HINT.search(folded):
        return ()
    found: list[Moment] = []
    rest = folded
    for pattern, read in READERS:
        rest = pattern.sub(partial(_take, found, read), rest)
    found.sort(key=lambda moment: moment.span)
    return tuple(_merged(folded, found)) or _lone_year(folded)


def agree(a: Moment, b: Moment) -> bool | None:
    """Whether two moments are the same: True, False, or None if one says less than the other.

    Args:
        a: A moment.
        b: Another one.

    Returns:
        False if a field that both give differs, or one that both imply (1995 implies the 1990s and the 20th
        century; a full date implies its weekday). True if both give the same fields; a weekday next to a full date
        adds nothing. None otherwise.

    Example:
        >>> year, month, decade = (moments(text)[0] for text in ("1995", "March 1995", "the 1980s"))
        >>> agree(month, month), agree(year, decade), agree(year, month)
        (True, False, None)
    """
    if _conflict(a, b) or _implied_conflict(a, b) or _implied_conflict(b, a):
        return False
    given_a, given_b = _given(a), _given(b)
    if not given_a or given_a != given_b or a.twelve_hour != b.twelve_hour:
        return None
    return True


def _given(moment: Moment) -> set[str]:
    given = {name for name in _FIELDS if getattr(moment, name) is not None}
    return given - {"weekday"} if given >= {"year", "month", "day"} else given


def _conflict(a: Moment, b: Moment) -> bool:
    for name in _FIELDS:
        left, right = getattr(a, name), getattr(b, name)
        if left is None or right is None:
            continue
        if name == "hour" and (a.twelve_hour or b.twelve_hour):
            left, right = left % 12, right % 12
        if left != right:
            return True
    return False


def _implied_conflict(a: Moment, b: Moment) -> bool:
    """Whether what a implies differs from what b gives."""
    if a.year is not None and b.decade is not None and a.year // 10 * 10 != b.decade:
        return True
    first = a.year if a.year is not None else a.decade
    last = None if first is None else first if a.year is not None else first + 9
    if first is not None and last is not None and b.century is not None and b.century not in _centuries(first, last):
        return True
    # Where both name a weekday they were compared, whether or not they fit their dates.
    if b.weekday is None or a.weekday is not None or a.year is None or a.month is None or a.day is None:
        return False
    try:
        return datetime.date(a.year, a.month, a.day).weekday() != b.weekday
    except ValueError:
        return False


def _centuries(first: int, last: int) -> set[int]:
    """Centuries that years lie in; 1900 is in the 19th century and in the 1900s."""
    if first < 0:
        return {-((-year - 1) // 100 + 1) for year in (first, last)}
    return {(year - 1) // 100 + 1 for year in (first, last)} | {year // 100 + 1 for year in (first, last)}


def _take(found: list[Moment], read: Reader, match: re.Match[str]) -> str:
    """Note a moment and return what the patterns after this one are to see in its place."""
    moment = read(match)
    if moment is None:
        return match[0]
    found.append(replace(moment, span=match.span()))
    return "\x00" * len(match[0])


def _merged(folded: str, found: list[Moment]) -> list[Moment]:
    merged: list[Moment] = []
    for moment in found:
        last = merged[-1] if merged else None
        if last is None or moment.span[0] - last.span[1] > 8 or not _mergeable(last, moment):
            merged.append(moment)
        elif _BETWEEN.fullmatch(folded, last.span[1], moment.span[0]):
            fields = {name: getattr(moment, name) for name in _FIELDS if getattr(moment, name) is not None}
            vague = last.twelve_hour or moment.twelve_hour
            merged[-1] = replace(last, **fields, twelve_hour=vague, span=(last.span[0], moment.span[1]))
        else:
            merged.append(moment)
    return merged


def _mergeable(a: Moment, b: Moment) -> bool:
    if any(getattr(a, name) is not None and getattr(b, name) is not None for name in _FIELDS):
        return False
    return a.century is None and b.century is None and a.decade is None and b.decade is None


def _lone_year(folded: str) -> tuple[Moment, ...]:
    if len(folded) > 80 or (match := re.search(r"(?<![0-9])(?:1[0-9]|20)[0-9]{2}(?![0-9])", folded)) is None:
        return ()
    before, after = folded[: match.start()].strip(" \"'(「"), folded[match.end() :].strip(" .!?)。」\"'")
    if not _FILLER.fullmatch(before) or after not in {"", "です", "だ"}:
        return ()
    return (Moment(year=int(match[0]), span=match.span()),)
