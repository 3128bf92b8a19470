"""Dates and times in short English or Japanese answers, and whether two of them agree.

A date has only the fields that the text gives: "March 1995" has a year and a month, "the 1990s" a decade. What cannot
be known is left out: day and month of 07/04/1976, the decade of "the nineties", the hour of a bare "3". The tables are
in ``data/dates.toml``.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from thermolang.answers.rules.numerals import (
    KANJI_DIGITS,
    ORDINAL,
    SMALL_NUMBERS,
    VALUES,
    fold_superscripts,
    kanji_value,
    words_value,
)
from thermolang.answers.rules.tables import any_of, pattern, read_table, word_set

_TABLE = read_table("dates")
_MONTHS: list[str] = _TABLE["months"].split()
_WEEKDAYS: list[str] = _TABLE["weekdays"].split()
_KANJI_WEEKDAYS: str = _TABLE["kanji_weekdays"]
_ERAS: dict[str, int] = _TABLE["eras"]
_PARTS_OF_DAY: dict[str | None, str | None] = {None: None, **_TABLE["parts_of_day"]}
_NOON = word_set(_TABLE["noon"])
_NAMED_TIMES = [*_TABLE["noon"].split(), *_TABLE["midnight"].split()]

# Parts of the patterns below.
_MONTH = pattern(_TABLE["month"])
_AGE: str = _TABLE["age"]
_YEAR = (
    rf"(?P<year>[0-9]{{1,4}}(?=\s?{_AGE}\b)|[12][0-9]{{3}}|[3-9][0-9]{{2}})(?![0-9:/]|,[0-9]|s\b)"
    rf"(?:\s?(?P<age>{_AGE}))?"
)
_DAY = rf"(?:the\s)?(?P<day>[0-9]{{1,2}}(?![0-9])(?:st|nd|rd|th)?|{ORDINAL})\b"
_HOUR_WORD = any_of(SMALL_NUMBERS[1:13])
_MINUTES = any_of([*_TABLE["minutes"], "[0-9]{1,2}"])
_HALF_DAY = rf"(?:\s?(?P<half>{_TABLE['half_day']}))"
_NAMED_TIME = rf"\b{any_of(name for name in _NAMED_TIMES if name.isascii())}\b"
_N = f"[0-9{KANJI_DIGITS}]"
_JAPANESE_NAMED_TIME = "|".join(name for name in _NAMED_TIMES if not name.isascii())
_JAPANESE_YEAR = (
    rf"(?:(?P<era>{any_of(_ERAS)})\s?(?P<of_era>元|{_N}{{1,3}})|(?P<before>紀元前|西暦|(?<![0-9])前)?\s?(?P<year>{_N}{{1,9}}))"
    r"年(?!間|齢|代|[前後](?![半後]))"
)
_JAPANESE_DATE = (
    rf"(?<!{_N})(?:{_JAPANESE_YEAR}(?:の?(?P<month>{_N}{{1,3}})月(?!間)(?P<day>{_N}{{1,3}}日(?!間))?)?"
    rf"|(?P<only_month>{_N}{{1,3}})月(?!間)(?P<only_day>{_N}{{1,3}}日(?!間))?)"
)
_JAPANESE_TIME = (
    rf"(?<!{_N})(?P<half>{'|'.join(_TABLE['parts_of_day'])})?の?(?P<hour>{_N}{{1,3}})時(?!間)"
    rf"(?:(?P<thirty>半)|(?P<minute>{_N}{{1,3}})分(?:(?P<second>{_N}{{1,3}})秒)?)?"
)
_SURELY_A_MONTH = rf"(?i:(?:\b{any_of(_TABLE['before_month'].split())}[\s-]|,\s))"

DATE_FIELDS = ("year", "month", "day", "weekday", "hour", "minute", "second", "decade", "century")
_HINT = re.compile(
    rf"[{_TABLE['signs']}]|{_JAPANESE_NAMED_TIME}|(?i:{'|'.join(_TABLE['hints'].split())}|\b{any_of([_TABLE['beginnings']])})"
)
_FILLER = re.compile(rf"(?:{any_of([pattern(_TABLE['before_year'])])}\s?)*", re.IGNORECASE)
_WHOLE_END = {"", *_TABLE["after_year"].split()}
_BETWEEN = re.compile(rf"{any_of([_TABLE['between']])}*", re.IGNORECASE)


@dataclass(frozen=True)
class PartialDateTime:
    """A point in time of which a text gives only some fields; the others are None.

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
        twelve_hour: Whether the hour may as well be twelve hours later ("half past six").
        span: Where it stands in the NFKC form of the text.
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
    twelve_hour: bool = False
    span: tuple[int, int] = (0, 0)


def dates_in(text: str) -> tuple[PartialDateTime, ...]:
    """Return every date, year, weekday and clock time in a text, in order.

    What stands side by side is one date: "Sunday, 4 July 1976 at 3 pm".

    Args:
        text: A short answer, in English or Japanese. Any text will do; nothing is raised.

    Example:
        >>> [(m.year, m.month, m.day) for m in dates_in("on the fourth of July 1976; 平成7年3月2日")]
        [(1976, 7, 4), (1995, 3, 2)]
        >>> dates_in("They may march 1500 miles")
        ()
    """
    folded = fold_superscripts(text)
    if not _HINT.search(folded):
        return ()
    found: list[PartialDateTime] = []
    rest = folded
    for written, read in _READERS:
        rest = written.sub(partial(_take, found, read), rest)
    found.sort(key=lambda date: date.span)
    return tuple(_merged(folded, found)) or _lone_year(folded)


def dates_agree(a: PartialDateTime, b: PartialDateTime) -> bool | None:
    """Return whether two dates are the same: True, False, or None if one says less than the other.

    Args:
        a: A date.
        b: Another one.

    Returns:
        False if a field that both give differs, or one that both imply (1995 implies the 1990s and the 20th
        century; a full date implies its weekday). True if both give the same fields; a weekday next to a full date
        adds nothing. None otherwise.

    Example:
        >>> year, month, decade = (dates_in(text)[0] for text in ("1995", "March 1995", "the 1980s"))
        >>> dates_agree(month, month), dates_agree(year, decade), dates_agree(year, month)
        (True, False, None)
    """
    if _conflict(a, b) or _implied_conflict(a, b) or _implied_conflict(b, a):
        return False
    given_a, given_b = _given(a), _given(b)
    if not given_a or given_a != given_b or a.twelve_hour != b.twelve_hour:
        return None
    return True


def _given(date: PartialDateTime) -> set[str]:
    given = {name for name in DATE_FIELDS if getattr(date, name) is not None}
    return given - {"weekday"} if given >= {"year", "month", "day"} else given


def _conflict(a: PartialDateTime, b: PartialDateTime) -> bool:
    for name in DATE_FIELDS:
        left, right = getattr(a, name), getattr(b, name)
        if left is None or right is None:
            continue
        if name == "hour" and (a.twelve_hour or b.twelve_hour):
            left, right = left % 12, right % 12
        if left != right:
            return True
    return False


def _implied_conflict(a: PartialDateTime, b: PartialDateTime) -> bool:
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


def _take(found: list[PartialDateTime], read: _Reader, match: re.Match[str]) -> str:
    """Note a date and return what the patterns after this one are to see in its place."""
    date = read(match)
    if date is None:
        return match[0]
    found.append(replace(date, span=match.span()))
    return "\x00" * len(match[0])


def _merged(folded: str, found: list[PartialDateTime]) -> list[PartialDateTime]:
    merged: list[PartialDateTime] = []
    for date in found:
        last = merged[-1] if merged else None
        if last is None or date.span[0] - last.span[1] > 8 or not _mergeable(last, date):
            merged.append(date)
        elif _BETWEEN.fullmatch(folded, last.span[1], date.span[0]):
            fields = {name: getattr(date, name) for name in DATE_FIELDS if getattr(date, name) is not None}
            vague = last.twelve_hour or date.twelve_hour
            merged[-1] = replace(last, **fields, twelve_hour=vague, span=(last.span[0], date.span[1]))
        else:
            merged.append(date)
    return merged


def _mergeable(a: PartialDateTime, b: PartialDateTime) -> bool:
    if any(getattr(a, name) is not None and getattr(b, name) is not None for name in DATE_FIELDS):
        return False
    return a.century is None and b.century is None and a.decade is None and b.decade is None


def _lone_year(folded: str) -> tuple[PartialDateTime, ...]:
    if len(folded) > 80 or (match := re.search(r"(?<![0-9])(?:1[0-9]|20)[0-9]{2}(?![0-9])", folded)) is None:
        return ()
    before, after = folded[: match.start()].strip(" \"'(「"), folded[match.end() :].strip(" .!?)。」\"'")
    if not _FILLER.fullmatch(before) or after not in _WHOLE_END:
        return ()
    return (PartialDateTime(year=int(match[0]), span=match.span()),)


def _month(text: str) -> int:
    return next(i for i, name in enumerate(_MONTHS, start=1) if name.startswith(text[:3].lower()))


def _signed(year: str, age: str | None) -> int:
    return -int(year) if age and age.lower().startswith("b") else int(year)


def _date(year: int | None, month: int | None, day: int | None) -> PartialDateTime | None:
    """The date, or None if there is no such day or nothing is given."""
    if year is None and month is None:
        return None
    if (month is not None and not 1 <= month <= 12) or (day is not None and not 1 <= day <= 31):
        return None
    return PartialDateTime(year=year, month=month, day=day)


def _time(
    hour: int, minute: int = 0, second: int | None = None, half: str | None = None, vague: bool = False
) -> PartialDateTime | None:
    if hour > 24 or minute > 59 or (second or 0) > 59:
        return None
    if half and hour <= 12:
        said = half.lower()
        early = "morning" in said or said == "midnight" or (said[0] == "a" and "night" not in said)
        hour = hour % 12 + (0 if early or (said == "at night" and hour in {12, 1, 2, 3, 4}) else 12)
    unsure = vague and not half and 1 <= hour <= 12
    return PartialDateTime(hour=hour % 24, minute=minute, second=second, twelve_hour=unsure)


def _iso(match: re.Match[str]) -> PartialDateTime | None:
    return _date(int(match["year"]), int(match["month"]), int(match["day"]))


def _numeric(match: re.Match[str]) -> PartialDateTime | None:
    first, second, year = int(match["first"]), int(match["second"]), int(match["year"])
    if match["mark"] == "." or first > 12:
        return _date(year, second, first)
    if second > 12 or first == second:
        return _date(year, first, second)
    return PartialDateTime(year=year) if first and second else None


def _english(match: re.Match[str]) -> PartialDateTime | None:
    """Day, month and perhaps year, in either order."""
    groups = match.groupdict()
    # "The first may be", "they march 1500 miles": small letters are a month only in a full date or alone with a year.
    whole = match.end() - match.start() >= len(match.string.strip())
    if groups["month"] in {"may", "march", "mar"} and not (groups["year"] and (groups["day"] or whole)):
        return None
    year = _signed(groups["year"], groups["age"]) if groups["year"] else None
    if groups["day"] is None:
        return _date(year, _month(groups["month"]), None)
    digits = re.match(r"[0-9]+", groups["day"])
    return _date(year, _month(groups["month"]), int(digits[0]) if digits else words_value(groups["day"]))


def _month_alone(match: re.Match[str]) -> PartialDateTime | None:
    whole = match.start() == 0 and match.string[match.end() :].strip(" .!\x00") == ""
    sure = match["before"] is not None or match["sure"] is not None or whole
    return PartialDateTime(month=_month(match["month"])) if sure else None


def _age(match: re.Match[str]) -> PartialDateTime | None:
    year = match["late"] or match["early"]
    return PartialDateTime(year=_signed(year.replace(",", ""), match["age"])) if int(year.replace(",", "")) else None


def _century(match: re.Match[str]) -> PartialDateTime | None:
    digits = re.match(r"[0-9]+", match["which"])
    which = int(digits[0]) if digits else words_value(match["which"])
    return PartialDateTime(century=_signed(str(which), match["age"])) if 1 <= which <= 99 else None


def _decade(match: re.Match[str]) -> PartialDateTime:
    first = int(match["first"])
    return PartialDateTime(century=first // 100 + 1) if first % 100 == 0 else PartialDateTime(decade=first)


def _clock(match: re.Match[str]) -> PartialDateTime | None:
    second = int(match["second"]) if match["second"] else None
    vague = not match["hour"].startswith("0")
    return _time(int(match["hour"]), int(match["minute"]), second, match["half"], vague=vague)


def _hour_only(match: re.Match[str]) -> PartialDateTime | None:
    if not match["half"] and not match["clock"]:
        return None
    return _time(_hour(match["hour"]), half=match["half"], vague=True)


def _hour(text: str) -> int:
    return int(text) if text.isdigit() else VALUES[text.lower()]


def _spoken(match: re.Match[str]) -> PartialDateTime | None:
    hour, minutes = _hour(match["hour"]), {"half": 30, "quarter": 15}.get((match["part"] or "").lower())
    if minutes is None:
        minutes = int(match["minutes"]) if match["minutes"].isdigit() else words_value(match["minutes"])
    if not 1 <= hour <= 12 or not 1 <= minutes <= 30:
        return None
    if match["way"].lower() in {"to", "before"}:
        hour, minutes = (hour - 2) % 12 + 1, 60 - minutes
    return _time(hour, minutes, half=match["half"], vague=True)


def _named(match: re.Match[str]) -> PartialDateTime:
    return PartialDateTime(hour=12 if match[0].lower() in _NOON else 0, minute=0)


def _weekday(match: re.Match[str]) -> PartialDateTime:
    name = match[0].lower()
    if match["kanji"]:
        return PartialDateTime(weekday=_KANJI_WEEKDAYS.index(match["kanji"]))
    return PartialDateTime(weekday=next(i for i, weekday in enumerate(_WEEKDAYS) if weekday.startswith(name[:3])))


def _japanese_date(match: re.Match[str]) -> PartialDateTime | None:
    month = kanji_value(match["month"] or match["only_month"] or "")
    day = kanji_value((match["day"] or match["only_day"] or "").removesuffix("日"))
    if match["only_month"]:
        return _date(None, month, day)
    if match["era"]:
        nth = 1 if match["of_era"] == "元" else kanji_value(match["of_era"])
        return _date(_ERAS[match["era"]] + nth - 1, month, day) if nth else None
    year = kanji_value(match["year"])
    whole = match.start() == 0 and len(match.string) - match.end() <= 4
    # "30年" is thirty years; only more context or size makes it a year.
    if not year or year > 2999 or (year < 1000 and not match["before"] and not month and not (whole and year > 99)):
        return None
    return _date(-year if match["before"] in {"紀元前", "前"} else year, month, day)


def _japanese_time(match: re.Match[str]) -> PartialDateTime | None:
    hour = kanji_value(match["hour"])
    minute, second = kanji_value(match["minute"] or "0"), kanji_value(match["second"] or "0")
    if hour is None or minute is None or second is None:
        return None
    half = _PARTS_OF_DAY[match["half"]]
    return _time(hour, 30 if match["thirty"] else minute, second if match["second"] else None, half, vague=True)


def _japanese_century(match: re.Match[str]) -> PartialDateTime | None:
    which = kanji_value(match["which"])
    return PartialDateTime(century=-which if match["before"] else which) if which and which <= 99 else None


def _japanese_decade(match: re.Match[str]) -> PartialDateTime | None:
    first = kanji_value(match["first"])
    if not first or first % 10 or not 1000 <= first <= 2990:
        return None
    return PartialDateTime(century=first // 100 + 1) if first % 100 == 0 else PartialDateTime(decade=first)


_Reader: TypeAlias = Callable[[re.Match[str]], PartialDateTime | None]

# Each pattern sees only what those before it have left.
_PATTERNS: tuple[tuple[str, _Reader], ...] = (
    (r"(?<![0-9])(?P<year>[12][0-9]{3})([-/.])(?P<month>[0-9]{1,2})\2(?P<day>[0-9]{1,2})(?![0-9])", _iso),
    (
        r"(?<![0-9./])(?P<first>[0-9]{1,2})(?P<mark>[-/.])(?P<second>[0-9]{1,2})(?P=mark)(?P<year>[12][0-9]{3})(?![0-9])",
        _numeric,
    ),
    (rf"(?<![0-9.,])\b{_DAY}\s(?:of\s|day\sof\s)?(?P<month>{_MONTH})(?:,?\s{_YEAR})?", _english),
    (rf"\b(?P<month>{_MONTH})\s{_DAY}(?!\s?[%:])(?:,?\s{_YEAR})?", _english),
    (rf"\b(?P<month>{_MONTH}),?\s(?:of\s)?(?P<day>(?!))?{_YEAR}", _english),
    (_JAPANESE_DATE, _japanese_date),
    (rf"(?P<before>紀元前|(?<![0-9以])前)?(?<!{_N})(?P<which>{_N}{{1,3}})世紀(?!間)", _japanese_century),
    (rf"(?<!{_N})(?P<first>{_N}{{1,9}})年代", _japanese_decade),
    (rf"\b(?P<which>[0-9]{{1,2}}(?:st|nd|rd|th)|{ORDINAL})[\s-]centur(?:y|ies)\b(?:\s(?P<age>{_AGE}))?", _century),
    (r"(?<![0-9.,$])(?P<first>(?:1[0-9]|20)[0-9]0)'?s\b", _decade),
    (
        r"(?<![0-9.,])\b(?P<late>[0-9]{1,2},[0-9]{3}|[0-9]{1,5})\s?"
        rf"(?P<age>{_AGE})(?![a-z])|\b(?-i:A\.?D\.?|C\.?E\.?)\s(?P<early>[0-9]{{1,4}})(?![0-9])",
        _age,
    ),
    (
        r"(?<![0-9:.])(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9]))?(?![0-9:])"
        rf"{_HALF_DAY}?",
        _clock,
    ),
    (
        rf"\b(?:(?:a\s)?(?P<part>half|quarter)|(?P<minutes>{_MINUTES})(?:\sminutes|(?=\spast)))\s(?P<way>past|after|to|before)"
        rf"\s(?P<hour>{_HOUR_WORD}|[0-9]{{1,2}})\b(?!\s?[0-9%])(?:\so'clock)?{_HALF_DAY}?",
        _spoken,
    ),
    (
        rf"(?<![0-9.,:])\b(?P<hour>{_HOUR_WORD}|[0-9]{{1,2}})(?P<clock>\so['\u2019]clock\b)?{_HALF_DAY}?(?![0-9])",
        _hour_only,
    ),
    (f"{_NAMED_TIME}|{_JAPANESE_NAMED_TIME}", _named),
    (_JAPANESE_TIME, _japanese_time),
    (
        rf"\b(?:{any_of(_WEEKDAYS)})s?\b|(?-i:\b(?:{_TABLE['weekday']})\b\.?(?=\s?$|[,\s]\s?[0-9\x00]))"
        rf"|(?P<kanji>[{_KANJI_WEEKDAYS}])曜日?",
        _weekday,
    ),
    (
        rf"(?P<before>(?<!\w){_SURELY_A_MONTH})?\b(?P<month>(?-i:(?=[JFMASOND])){_MONTH})(?!['\u2019]s)"
        rf"(?P<sure>(?=,?\s\x00|\s?(?:-|to|and|or|/)\s?{_MONTH}))?",
        _month_alone,
    ),
)
_READERS = tuple((re.compile(written, re.IGNORECASE), reader) for written, reader in _PATTERNS)
