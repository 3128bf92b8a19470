"""Dates and times in short English or Japanese answers, and whether two of them agree.

A date has only the fields that the text gives: "March 1995" has a year and a month, "the 1990s" a decade. A text that
can be read in two ways has both: 05/04/2018 is in April or in May. What cannot be known is left out: the decade of "the
nineties", the hour of a bare "3". What is read stands in ``date_readers`` and ``periods``.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from thermolang.answers.rules.date_readers import READERS
from thermolang.answers.rules.digits import DASHES, fold_math
from thermolang.answers.rules.periods import Fields, Reader, last_day
from thermolang.answers.rules.qualifiers import LIKELY, UNLIKELY, marks_agree, marks_around, of_range
from thermolang.answers.rules.tables import any_of, pattern, read_table

_TABLE = read_table("dates")
_NAMED_TIMES = [*_TABLE["noon"].split(), *_TABLE["midnight"].split()]

DATE_FIELDS = (
    *("year", "month", "day", "weekday", "hour", "minute", "second", "decade", "century"),
    *("quarter", "half_year", "season", "part", "until_year", "days", "zone"),
)
_TIME_FIELDS = ("hour", "minute", "zone")
EVEN = 0.5
"""P(same) of a date and one of the two days that another text may mean."""

_HINT = re.compile(
    rf"[{_TABLE['signs']}]|{any_of(n for n in _NAMED_TIMES if not n.isascii())}"
    rf"|(?i:{'|'.join(_TABLE['hints'].split())}|\b{any_of([_TABLE['beginnings']])})"
)
_FILLER = re.compile(rf"(?:{any_of([pattern(_TABLE['before_year'])])}\s?)*", re.IGNORECASE)
_WHOLE_END = {"", *_TABLE["after_year"].split()}
_BETWEEN = re.compile(rf"{any_of([_TABLE['between']])}*", re.IGNORECASE)
_RANGE = re.compile(rf"\)?\s?(?:[{DASHES}~\u301c]|to|through|thru|until|till|から)\s?", re.IGNORECASE)
_24_HOURS = re.compile(
    r"(?<![0-9:.])(?:0[0-9]|1[3-9]|2[0-3]):[0-5][0-9](?!\s?[AaPp]\.?[Mm])|(?<![0-9])(?:1[3-9]|2[0-3])時"
)
_SOFT = frozenset({"lower", "upper"})
# Days of a month on which its parts cannot be.
_NOT_IN_PART = {
    "early": range(20, 32),
    "mid": (*range(1, 6), *range(26, 32)),
    "late": range(1, 11),
    "end": range(1, 20),
}


@dataclass(frozen=True)
class PartialDateTime:
    """A point in time, or a period, of which a text gives only some fields; the others are None.

    Attributes:
        year: Negative before Christ: 44 BC is -44.
        month: 1 to 12.
        day: 1 to 31.
        weekday: 0 (Monday) to 6.
        hour: 0 to 23.
        minute: 0 to 59.
        second: 0 to 59.
        decade: Its first year: 1990 for "the 1990s".
        century: 19 for "the 19th century" and for "the 1800s"; negative before Christ.
        quarter: 1 to 4.
        half_year: 1 or 2.
        season: "spring", "summer", "autumn" or "winter".
        part: "early", "mid", "late" or "end", of the month or the year.
        until_year: The second year of a season or a school year.
        days: Days after the day on which it is said: 1 for "tomorrow".
        zone: Its time zone, in minutes after UTC.
        fiscal: Whether its year is a fiscal year.
        twelve_hour: Whether the hour may as well be twelve hours later ("half past six").
        sure: Whether it surely is a date: 30 February is none, 6/15 may be a fraction.
        span: Where it stands in the text as ``digits.fold_math`` gives it.
        marks: What limits it, as ``qualifiers.marks_around`` reads it; "start" and "end" on the ends of a range.
        around: Where it stands with the words that are its marks.
        other: What else the text may mean; None if there is one way to read it.
    """

    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    decade: int | None = None
    century: int | None = None
    quarter: int | None = None
    half_year: int | None = None
    season: str | None = None
    part: str | None = None
    until_year: int | None = None
    days: int | None = None
    zone: int | None = None
    fiscal: bool = False
    twelve_hour: bool = False
    sure: bool = True
    span: tuple[int, int] = (0, 0)
    marks: frozenset[str] = frozenset()
    around: tuple[int, int] = (0, 0)
    other: PartialDateTime | None = None


def dates_in(text: str, today: datetime.date | None = None) -> tuple[PartialDateTime, ...]:
    """Return every date, period, weekday and clock time in a text, in order.

    What stands side by side is one date: "Sunday, 4 July 1976 at 3 pm".

    Args:
        text: A short answer, in English or Japanese. Any text will do; nothing is raised.
        today: The day from which "tomorrow" counts; None leaves it open.

    Example:
        >>> [(m.year, m.month, m.day) for m in dates_in("on the fourth of July 1976; 平成7年3月2日")]
        [(1976, 7, 4), (1995, 3, 2)]
        >>> dates_in("They may march 1500 miles")
        ()
        >>> dates_in("tomorrow", datetime.date(2024, 2, 28))[0].day
        29
    """
    folded = fold_math(text)
    if not _HINT.search(folded):
        return ()
    found: list[PartialDateTime] = []
    rest = folded
    for written, read in READERS:
        rest = written.sub(partial(_take, found, read), rest)
    found.sort(key=lambda date: date.span)
    merged = [_resolved(date, today) for date in _merged(folded, found)]
    if any(date.twelve_hour for date in merged) and _24_HOURS.search(folded):
        merged = [replace(date, twelve_hour=False) for date in merged]
    return tuple(_marked(folded, date) for date in _ranged(folded, merged) or _lone_year(folded))


def dates_agree(a: PartialDateTime, b: PartialDateTime) -> bool | None:
    """Return whether two dates are the same: True, False, or None if one says less than the other or it is doubtful.

    Args:
        a: A date.
        b: Another one.

    Returns:
        False if a field that both give differs, or one that both imply (1995 implies the 1990s and the 20th
        century; a full date implies its weekday). True if both give the same fields; a weekday next to a full date
        adds nothing. None otherwise. What limits a date plays no part.

    Example:
        >>> year, month, decade = (dates_in(text)[0] for text in ("1995", "March 1995", "the 1980s"))
        >>> dates_agree(month, month), dates_agree(year, decade), dates_agree(year, month)
        (True, False, None)
    """
    level = _readings_agree(a, b)
    return None if level is None or 0 < level < 1 else level == 1


def date_agreement(a: PartialDateTime, b: PartialDateTime, asked: frozenset[str] = frozenset()) -> float | None:
    """Return P(two dates are the same) by their readings and marks: 1 and 0 where that is sure.

    Args:
        a: A date.
        b: Another one.
        asked: Marks that the question gives, as ``qualifiers.asked_marks`` reads them.

    Returns:
        As ``dates_agree`` where it is True or False and their marks agree; less than 1 if a text can be read in another
        way, or if one has a mark that the other lacks; None if one only says less than the other.

    Example:
        >>> [date_agreement(*dates_in(text)) for text in ("4 July 1976; 1976-07-04", "by May 5, after May 5")]
        [1.0, 0.0]
        >>> date_agreement(dates_in("05/04/2018")[0], dates_in("5 April 2018")[0])
        0.5
    """
    level = _readings_agree(a, b)
    if level == 0:
        return 0.0
    marks = marks_agree(a.marks, b.marks, asked | _SOFT)
    if level is None:
        return None if marks == 1 else marks
    return min(level, marks)


def _readings_agree(a: PartialDateTime, b: PartialDateTime) -> float | None:
    """P(same) over all readings of two dates; None if one says less."""
    first = _agree(a, b)
    if a.other is None and b.other is None:
        level = first
    elif a.other is not None and b.other is not None and first == _agree(a.other, b.other) == 1:
        level = 1.0
    else:
        pairs = [_agree(x, y) for x in (a, a.other) for y in (b, b.other) if x is not None and y is not None]
        if first is not None and first > 0:
            level = min(first, LIKELY if not _is_numeric(a) and not _is_numeric(b) else EVEN)
        elif any(pairs):
            level = EVEN
        else:
            level = None if None in pairs else 0.0
    if level is None or (a.sure and b.sure):
        return level
    return min(max(level, UNLIKELY), LIKELY)


def _is_numeric(date: PartialDateTime) -> bool:
    """Whether day and month may have changed places."""
    return date.other is not None and (date.day, date.month) == (date.other.month, date.other.day)


def _agree(a: PartialDateTime, b: PartialDateTime) -> float | None:
    """P(same) of one reading of each; None if one says less."""
    if _conflict(a, b) or _implied_conflict(a, b) or _implied_conflict(b, a):
        return 0.0
    given_a, given_b = _given(a), _given(b)
    if given_a and given_a == given_b:
        if a.fiscal != b.fiscal:
            return UNLIKELY if given_a == {"year"} else LIKELY
        return 1.0 if a.twelve_hour == b.twelve_hour and a.part == b.part else LIKELY
    return LIKELY if _ends_month(a, b) or _ends_month(b, a) else None


def _ends_month(a: PartialDateTime, b: PartialDateTime) -> bool:
    """Whether one is the end of a month and the other its last day."""
    if a.part != "end" or a.month is None or b.day is None or b.month is None:
        return False
    return _given(a) - {"part"} == _given(b) - {"day"} and b.day == last_day(b.month, b.year)


def _given(date: PartialDateTime) -> set[str]:
    given = {name for name in DATE_FIELDS if getattr(date, name) is not None}
    # A full date implies its weekday, and everybody in an office has the same time zone but who says so.
    return given - {"weekday"} if given >= {"month", "day"} else given


def _conflict(a: PartialDateTime, b: PartialDateTime) -> bool:
    if (a.quarter and b.half_year) or (a.half_year and b.quarter):
        return True
    zoned = a.zone is not None and b.zone is not None and a.hour is not None and b.hour is not None
    if zoned and (_utc(a) - _utc(b)) % (720 if a.twelve_hour or b.twelve_hour else 1440):
        return True
    for name in DATE_FIELDS:
        left, right = getattr(a, name), getattr(b, name)
        if left is None or right is None or (zoned and name in _TIME_FIELDS):
            continue
        if name == "part" and {left, right} == {"late", "end"}:
            continue
        if name == "hour" and (a.twelve_hour or b.twelve_hour):
            left, right = left % 12, right % 12
        if left != right:
            return True
    return False


def _utc(date: PartialDateTime) -> int:
    """Minutes of the day in UTC."""
    return 60 * (date.hour or 0) + (date.minute or 0) - (date.zone or 0)


def _implied_conflict(a: PartialDateTime, b: PartialDateTime) -> bool:
    """Whether what a implies differs from what b gives."""
    if a.year is not None and b.decade is not None and a.year // 10 * 10 != b.decade:
        return True
    first = a.year if a.year is not None else a.decade
    last = None if first is None else first if a.year is not None else first + 9
    if first is not None and last is not None and b.century is not None and b.century not in _centuries(first, last):
        return True
    if b.part in _NOT_IN_PART and a.day is not None and a.day in _NOT_IN_PART[b.part] and a.month == b.month:
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


def _take(found: list[PartialDateTime], read: Reader, match: re.Match[str]) -> str:
    """Note a date and return what the patterns after this one are to see in its place."""
    given = read(match)
    if given is None:
        return match[0]
    found.extend(_built(each, match.span()) for each in (given if isinstance(given, tuple) else (given,)))
    return "\x00" * len(match[0])


def _built(given: Fields, span: tuple[int, int]) -> PartialDateTime:
    other = given.get("other")
    return PartialDateTime(**{**given, "span": span, "other": None if other is None else _built(other, span)})


def _merged(folded: str, found: list[PartialDateTime]) -> list[PartialDateTime]:
    merged: list[PartialDateTime] = []
    for date in found:
        last = merged[-1] if merged else None
        near = last is not None and 0 <= date.span[0] - last.span[1] <= 8
        if (
            last is not None
            and near
            and _mergeable(last, date)
            and _BETWEEN.fullmatch(folded, last.span[1], date.span[0])
        ):
            merged[-1] = _joined(last, date)
        elif date.zone is None:
            merged.append(date)
    return merged


def _mergeable(a: PartialDateTime, b: PartialDateTime) -> bool:
    if any(getattr(a, name) is not None and getattr(b, name) is not None for name in DATE_FIELDS):
        return False
    if b.zone is not None and a.hour is None:
        return False
    return a.century is None and b.century is None and a.decade is None and b.decade is None


def _joined(a: PartialDateTime, b: PartialDateTime) -> PartialDateTime:
    """One date with the fields of two that stand side by side."""
    given: dict[str, Any] = {name: getattr(b, name) for name in DATE_FIELDS if getattr(b, name) is not None}
    other = None
    if a.other is not None or b.other is not None:
        other = _joined(a.other or replace(a, other=None), b.other or replace(b, other=None))
    return replace(
        a,
        **given,
        fiscal=a.fiscal or b.fiscal,
        twelve_hour=a.twelve_hour or b.twelve_hour,
        sure=a.sure and b.sure,
        span=(a.span[0], b.span[1]),
        marks=a.marks | b.marks,
        other=other,
    )


def _resolved(date: PartialDateTime, today: datetime.date | None) -> PartialDateTime:
    """A date whose parts are turned into fields where that can be."""
    if date.part in {"first half", "second half"}:
        first = date.part == "first half"
        if date.month is None:
            return replace(date, part=None, half_year=1 if first else 2)
        return replace(date, part="early" if first else "late")
    if date.part == "first day":
        return replace(date, part=None, day=1)
    if date.part == "last day":
        sure = date.month is not None and (date.month != 2 or date.year is not None)
        day = last_day(date.month, date.year) if sure and date.month is not None else None
        return replace(date, part=None if day else "end", day=day)
    if date.days is not None and today is not None:
        try:
            day_meant = today + datetime.timedelta(days=date.days)
        except OverflowError:
            return date
        return replace(date, days=None, year=day_meant.year, month=day_meant.month, day=day_meant.day)
    return date


def _ranged(folded: str, found: list[PartialDateTime]) -> list[PartialDateTime]:
    """Dates of which those that are the ends of a range are marked so."""
    for i in range(len(found) - 1):
        a, b = found[i], found[i + 1]
        if not 0 < b.span[0] - a.span[1] <= 9 or a.marks & {"end"}:
            continue
        between = folded[a.span[1] : b.span[0]]
        both = between.strip() == "and" and folded[max(0, a.span[0] - 8) : a.span[0]].lower() == "between "
        if both or _RANGE.fullmatch(between):
            found[i], found[i + 1] = replace(a, marks=frozenset({"start"})), replace(b, marks=frozenset({"end"}))
    return found


def _marked(folded: str, date: PartialDateTime) -> PartialDateTime:
    marks, start, end = marks_around(folded, *date.span, "date")
    return replace(date, marks=of_range(date.marks | marks), around=(start, end))


def _lone_year(folded: str) -> tuple[PartialDateTime, ...]:
    if len(folded) > 80 or (match := re.search(r"(?<![0-9])(?:1[0-9]|20)[0-9]{2}(?![0-9])", folded)) is None:
        return ()
    before, after = folded[: match.start()].strip(" \"'(「"), folded[match.end() :].strip(" .!?)。」\"'")
    if not _FILLER.fullmatch(before) or after not in _WHOLE_END:
        return ()
    return (PartialDateTime(year=int(match[0]), span=match.span()),)
