"""Parts of the calendar that are no single day: quarters, halves, seasons, fiscal years, weekdays in lists, time zones.

``PERIODS`` is a table of expressions and readers for ``thermolang.answers.rules.dates``. A reader returns the fields of
a ``dates.PartialDateTime``, or of several, or None if the text is no date after all. The tables are in
``data/dates.toml``.
"""

from __future__ import annotations

import calendar
import itertools
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from thermolang.answers.rules.digits import DASHES
from thermolang.answers.rules.numerals import KANJI_DIGITS, kanji_value
from thermolang.answers.rules.tables import any_of, by_word, pattern, read_table

Fields: TypeAlias = dict[str, Any]
Reader: TypeAlias = Callable[[re.Match[str]], "Fields | tuple[Fields, ...] | None"]

_TABLE = read_table("dates")
_WEEKDAYS: list[str] = _TABLE["weekdays"].split()
_KANJI_WEEKDAYS: str = _TABLE["kanji_weekdays"]
_PARTS: dict[str, str] = {name: part for part, names in _TABLE["parts"].items() for name in names}
_JAPANESE_PARTS = by_word(_TABLE["japanese_parts"])
_SEASONS = by_word(_TABLE["seasons"])
_ORDINAL_PARTS = by_word(_TABLE["ordinal_parts"])
_DAYS = {name: int(days) for days, names in _TABLE["relative"].items() for name in names}
_ZONES: dict[str, list[int]] = _TABLE["zones"]
_ZONE_LETTERS = any_of(
    sorted((re.escape(z.upper()) for z in _ZONES if z.isascii() and len(z) < 6), key=len, reverse=True)
)

_MONTH = pattern(_TABLE["month"])
_YEAR = r"(?:19|20)[0-9]{2}"
_SHORT_YEAR = rf"(?:{_YEAR}|['\u2019][0-9]{{2}}|(?<=[QHYqhy0-9-])[0-9]{{2}})(?![0-9])"
_FISCAL = r"(?:FY|(?:fiscal|financial)(?:\syears?)?)"
_OF_YEAR = rf"(?:[\s,/-]{{0,2}}(?:of\s|in\s)?(?:the\s)?(?P<fiscal>{_FISCAL})?[\s-]?(?P<year>{_SHORT_YEAR}))?"
_BEFORE_YEAR = rf"(?:(?P<fiscal_before>{_FISCAL}\s?)?(?P<year_before>{_YEAR})[\s-]?)?"
_NTH = any_of(_ORDINAL_PARTS)
_DAY_NAME = (
    rf"(?:{any_of(f'{name.capitalize()}s?' for name in _WEEKDAYS)}|Mon|Tues?|Weds?|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?"
)
_JOIN = rf"(?:\s?(?:,\s?(?:and\s)?|/|&|\band\b|\bor\b|[{DASHES}]|\bto\b|\bthrough\b|\bthru\b)\s?)"
_KANJI_DAY = f"[{_KANJI_WEEKDAYS}]"
_YOU = "(?:曜日|曜(?!日))?"
_TO = re.compile(rf"[{DASHES}~\u301c]|\b(?:to|through|thru)\b|から")

PIVOT = 35
"""Two-digit years up to this one are of this century, those after it of the last one."""

DOUBTFUL_YEARS = range(30, 50)
"""Two-digit years that may be of either century."""


def full_year(written: str) -> int:
    """Return the year that two or four digits, perhaps after an apostrophe, mean.

    Example:
        >>> full_year("'99"), full_year("22"), full_year("1850")
        (1999, 2022, 1850)
    """
    digits = written.lstrip("'\u2019")
    year = int(digits)
    if len(digits) != 2:
        return year
    return year + (2000 if year <= PIVOT else 1900)


def last_day(month: int, year: int | None) -> int:
    """Return the last day of a month; 29 for a February of no year.

    Example:
        >>> last_day(4, None), last_day(2, 2023), last_day(2, None)
        (30, 28, 29)
    """
    return calendar.monthrange(year if year and 1 <= year <= 9999 else 2000, month)[1]


def _quarter(match: re.Match[str]) -> Fields:
    which = match["after_q"] or match["before_q"]
    return _in_year(match, quarter=int(which) if which else int(_ORDINAL_PARTS[match["nth"].lower()]))


def _half(match: re.Match[str]) -> Fields | None:
    which = match["after_h"] or match["before_h"]
    nth = int(which) if which else int(_ORDINAL_PARTS[match["nth"].lower()])
    return _in_year(match, half_year=nth) if nth < 3 else None


def _in_year(match: re.Match[str], **fields: int) -> Fields:
    year = match["year_before"] or match["year"]
    found: Fields = {**fields, "year": full_year(year) if year else None}
    return found | {"fiscal": True} if match["fiscal_before"] or match["fiscal"] else found


def _japanese_quarter(match: re.Match[str]) -> Fields | None:
    which = kanji_value(match["which"])
    return {"quarter": which} if which and which <= 4 else None


def _japanese_half(match: re.Match[str]) -> Fields:
    return {"half_year": 1 if match[0][0] in "上前" else 2}


def _season(match: re.Match[str]) -> Fields:
    return {"season": _SEASONS[match["season"].lower()], "year": int(match["year"])}


def _fiscal_year(match: re.Match[str]) -> Fields | None:
    year = full_year(match["year"])
    if not match["until"]:
        return {"year": year, "fiscal": True}
    until = year // 100 * 100 + int(match["until"][-2:])
    return {"year": year, "until_year": until, "fiscal": True} if until == year + 1 else None


def _span_of_years(match: re.Match[str]) -> Fields | None:
    """A season or school year such as 2019-20; "2010-11" may be November 2010 too."""
    year = int(match["year"])
    follows = int(match["until"][-2:]) == (year + 1) % 100 and len(match["until"]) in {2, 4}
    month = int(match["until"])
    if follows:
        span: Fields = {"year": year, "until_year": year + 1}
        doubtful = month <= 12 and not match["named"]
        return span | {"other": {"year": year, "month": month}} if doubtful else span
    months = match["until"].startswith("0") or (match["mark"] == "-" and len(match["until"]) == 2 and month <= 12)
    return {"year": year, "month": month} if months and 1 <= month <= 12 else None


def _month_of_year(match: re.Match[str]) -> Fields:
    return {"year": int(match["year"]), "month": int(match["month"])}


def _part(match: re.Match[str]) -> Fields:
    return {"part": _PARTS[" ".join(match["part"].lower().replace("-", " ").split())]}


def _part_of_year(match: re.Match[str]) -> Fields:
    return _part(match) | {"year": int(match["year"])}


def _japanese_part(match: re.Match[str]) -> Fields:
    return {"part": _JAPANESE_PARTS[match["part"]]}


def _japanese_season(match: re.Match[str]) -> Fields:
    return {"season": _SEASONS[match["season"]]}


def _edge_of_month(match: re.Match[str]) -> Fields:
    return {"part": "first day" if match["edge"].lower() == "first" else "last day"}


def _short_year(match: re.Match[str]) -> Fields:
    return {"year": full_year(match["year"])} | _other_century(match["year"])


def _other_century(written: str) -> Fields:
    digits = written.lstrip("'\u2019")
    if len(digits) != 2 or int(digits) not in DOUBTFUL_YEARS:
        return {}
    year = full_year(written)
    return {"other": {"year": year - 100 if year >= 2000 else year + 100}}


def _relative(match: re.Match[str]) -> Fields:
    return {"days": _DAYS[" ".join(match[0].lower().split())]}


def _zone(match: re.Match[str]) -> Fields:
    first, *others = _ZONES[match["zone"].lower()]
    if match["sign"]:
        minutes = 60 * int(match["hours"]) + int(match["minutes"] or 0)
        return {"zone": first + (minutes if match["sign"] == "+" else -minutes)}
    return {"zone": first} | ({"other": {"zone": others[0]}} if others else {})


def _named_weekdays(match: re.Match[str]) -> tuple[Fields, ...]:
    names = list(re.finditer(_DAY_NAME, match[0], re.IGNORECASE))
    days = [next(i for i, day in enumerate(_WEEKDAYS) if day.startswith(name[0][:3].lower())) for name in names]
    return _weekdays(days, [match[0][a.end() : b.start()] for a, b in itertools.pairwise(names)])


def _kanji_weekdays(match: re.Match[str]) -> tuple[Fields, ...] | None:
    if match["days"] in _TABLE["no_weekdays"].split():
        return None
    found = list(re.finditer(_KANJI_DAY + _YOU, match["days"]))
    between = [match["days"][a.end() : b.start()] for a, b in itertools.pairwise(found)]
    return _weekdays([_KANJI_WEEKDAYS.index(day[0][0]) for day in found], between)


def _weekdays(days: list[int], between: list[str]) -> tuple[Fields, ...]:
    """The weekdays of a list, each once; those of a range are all named."""
    named = dict.fromkeys(days[:1])
    for last, day, joined in zip(days, days[1:], between, strict=False):
        size = (day - last) % 7 if _TO.search(joined) else 1
        named |= dict.fromkeys((day - back) % 7 for back in range(size - 1, -1, -1))
    return tuple({"weekday": day} for day in named)


def _working_week(match: re.Match[str]) -> tuple[Fields, ...]:
    free = match[0].lower().endswith(("weekends", "週末"))
    return tuple({"weekday": day} for day in ((5, 6) if free else range(5)))


PERIODS: tuple[tuple[str, Reader], ...] = (
    (
        rf"\b{_FISCAL}\s?(?P<year>{_YEAR}|['\u2019]?[0-9]{{2}})(?:\s?[{DASHES}/]\s?(?P<until>{_YEAR}|[0-9]{{2}}))?(?![0-9])",
        _fiscal_year,
    ),
    (
        rf"\b{_BEFORE_YEAR}(?:(?-i:Q(?P<after_q>[1-4])|(?P<before_q>[1-4])Q)|(?P<nth>{_NTH})[\s-](?:fiscal\s|calendar\s)?quarter)"
        rf"(?![a-z]){_OF_YEAR}(?![0-9])",
        _quarter,
    ),
    (
        rf"\b{_BEFORE_YEAR}(?:(?-i:H(?P<after_h>[12])|(?P<before_h>[12])H)|(?P<nth>{_NTH})[\s-]half(?:[\s-]year)?)(?![a-z]|[0-9](?![0-9]))"
        rf"{_OF_YEAR}(?![0-9])",
        _half,
    ),
    (
        rf"\b(?:the\s)?(?P<season>{any_of(s for s in _SEASONS if s.isascii())})\s(?:of\s|in\s)?(?P<year>{_YEAR})\b",
        _season,
    ),
    (
        rf"(?<![0-9{DASHES}/.])(?P<year>{_YEAR})\s?(?P<mark>[{DASHES}/])\s?(?P<until>{_YEAR}|[0-9]{{2}})(?![0-9{DASHES}/.])"
        r"(?P<named>\s(?:season|(?:academic|school|financial|fiscal)\syear|シーズン))?",
        _span_of_years,
    ),
    (rf"(?<![0-9/.])(?P<month>0?[1-9]|1[0-2])/(?P<year>{_YEAR})(?![0-9/.])", _month_of_year),
    (rf"\b(?:the\s)?(?P<edge>first|last)\sday\sof\s(?={_MONTH}|\x00)", _edge_of_month),
    (
        rf"\b(?:the\s)?(?P<part>{any_of(_PARTS)})[\s-](?:in\s|of\s)?(?:the\s)?(?:year\s)?(?P<year>{_YEAR})\b",
        _part_of_year,
    ),
    (rf"\b(?:the\s)?(?P<part>{any_of(_PARTS)})[\s-](?:in\s|of\s)?(?=(?:{_MONTH})|[\x00])", _part),
    (
        rf"\b{any_of(name for name in _DAYS if name.isascii())}\b|{any_of(n for n in _DAYS if not n.isascii())}",
        _relative,
    ),
    (
        rf"(?-i:\b{_DAY_NAME}(?:{_JOIN}{_DAY_NAME}){{1,6}})",
        _named_weekdays,
    ),
    (r"\b(?:every\s)?(?:weekdays|weekends)\b|平日|週末", _working_week),
    (
        rf"(?<![\u4e00-\u9fff0-9])(?P<days>{_KANJI_DAY}{_YOU}(?:[・、,/と]?{_KANJI_DAY}{_YOU}){{1,6}}"
        rf"|{_KANJI_DAY}{_YOU}(?:[{DASHES}~\u301c]|から){_KANJI_DAY}{_YOU})(?:まで)?(?:祝日?)?(?![\u4e00-\u9fff])",
        _kanji_weekdays,
    ),
)
"""Expressions and readers, to be tried in this order on what the readers before them have left."""

AFTER_DATES: tuple[tuple[str, Reader], ...] = (
    (rf"第?(?P<which>[1-4{KANJI_DIGITS}])四半期", _japanese_quarter),
    (r"(?:上半|下半|上|下)期(?![待間])|(?<=[\x00度])の?(?:前|後)期", _japanese_half),
    (rf"(?<=\x00)の?(?P<part>{any_of(_JAPANESE_PARTS)})", _japanese_part),
    (r"(?<=\x00)の?(?P<season>[春夏秋冬])(?![\u4e00-\u9fff])", _japanese_season),
    (r"(?<![0-9A-Za-z'\u2019\x00])['\u2019](?P<year>[0-9]{2})(?![0-9'\u2019\"s])", _short_year),
    (
        rf"(?<=\x00)\s?\(?(?-i:(?P<zone>{_ZONE_LETTERS}))"
        r"(?:(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?)?\b\)?",
        _zone,
    ),
    (
        rf"(?<=\x00)\s?(?P<zone>{any_of(z for z in _ZONES if z.isascii() and len(z) >= 6)})"
        r"(?P<sign>(?!))?(?P<hours>(?!))?(?P<minutes>(?!))?\b",
        _zone,
    ),
)
"""The same, of what stands behind a date or a time: each character of a date is a zero byte."""
