"""Expressions of dates and clock times, English and Japanese, and what they say, for ``dates``.

``READERS`` is a table of expressions and functions; ``thermolang.answers.rules.periods`` has those of quarters, fiscal
years, weekdays in lists and the like. A function returns the fields of a ``dates.PartialDateTime``, or of several, or
None if the text is no date after all. The tables are in ``data/dates.toml``.
"""

from __future__ import annotations

import re

from thermolang.answers.rules.digits import DASHES
from thermolang.answers.rules.numerals import (
    KANJI_DIGITS,
    ORDINAL,
    SMALL_NUMBERS,
    VALUES,
    kanji_value,
    words_value,
)
from thermolang.answers.rules.periods import AFTER_DATES, PERIODS, Fields, Reader, full_year, last_day
from thermolang.answers.rules.tables import any_of, pattern, read_table, word_set

_TABLE = read_table("dates")
_MONTHS: list[str] = _TABLE["months"].split()
_WEEKDAYS: list[str] = _TABLE["weekdays"].split()
_KANJI_WEEKDAYS: str = _TABLE["kanji_weekdays"]
_ERAS: dict[str, int] = _TABLE["eras"]
_ERA_LETTERS: dict[str, str] = _TABLE["era_letters"]
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
    r"年(?P<fiscal>度)?(?!間|齢|代|[前後](?![半後期]))"
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


def _month(text: str) -> int:
    return next(i for i, name in enumerate(_MONTHS, start=1) if name.startswith(text[:3].lower()))


def _signed(year: str, age: str | None) -> int:
    return -int(year) if age and age.lower().startswith("b") else int(year)


def _date(year: int | None, month: int | None, day: int | None) -> Fields | None:
    """The date, or None if there is no such month or nothing is given; a day that no month has is doubtful."""
    if year is None and month is None:
        return None
    if (month is not None and not 1 <= month <= 12) or (day is not None and not 1 <= day <= 31):
        return None
    found: Fields = {"year": year, "month": month, "day": day}
    return found | {"sure": False} if month and day and day > last_day(month, year) else found


def _time(
    hour: int, minute: int = 0, second: int | None = None, half: str | None = None, vague: bool = False
) -> Fields | None:
    if hour > 24 or minute > 59 or (second or 0) > 59:
        return None
    if half and hour <= 12:
        said = half.lower()
        early = "morning" in said or said == "midnight" or (said[0] == "a" and "night" not in said)
        hour = hour % 12 + (0 if early or (said == "at night" and hour in {12, 1, 2, 3, 4}) else 12)
    unsure = vague and not half and 1 <= hour <= 12
    return {"hour": hour % 24, "minute": minute, "second": second, "twelve_hour": unsure}


def _iso(match: re.Match[str]) -> Fields | None:
    return _date(int(match["year"]), int(match["month"]), int(match["day"]))


def _numeric(match: re.Match[str]) -> Fields | None:
    """Day and month in either order, and the year, of which two digits may be left out."""
    first, second, year = int(match["first"]), int(match["second"]), full_year(match["year"])
    days_first, months_first = _date(year, second, first), _date(year, first, second)
    if len(match["year"]) == 2 and match["mark"] == "." and not (len(match["first"]) == len(match["second"]) == 2):
        return None  # 2.4.10 is a version
    if days_first is None or months_first is None or first == second:
        return days_first or months_first
    ordered = (days_first, months_first) if match["mark"] == "." else (months_first, days_first)
    return ordered[0] | {"other": ordered[1]}


def _without_year(match: re.Match[str]) -> Fields | None:
    """Month and day of an answer that is nothing else; 3/4 is a fraction."""
    first, second = int(match["first"]), int(match["second"])
    if not (first <= 12 < second <= 31) or (match.string[match.end() :].strip(" .。です\x00") != ""):
        return None
    found = _date(None, first, second)
    return None if found is None else found | {"sure": False}


def _of_era_letter(match: re.Match[str]) -> Fields | None:
    year = _ERAS[_ERA_LETTERS[match["era"]]] + int(match["nth"]) - 1
    return _date(year, int(match["month"]), int(match["day"]))


def _short_date(match: re.Match[str]) -> Fields | None:
    """A date of which the year may have two digits."""
    if match["year"].isdigit() and len(match["year"]) == 2 and match.string[match.start() - 1 : match.start()].strip():
        return None
    day = re.match(r"[0-9]+", match["day"] or "")
    return _date(full_year(match["year"]), _month(match["month"]), int(day[0]) if day else None)


def _days_of_month(match: re.Match[str]) -> tuple[Fields, ...] | None:
    """The first and the last day of a range within one month."""
    year = int(match["year"]) if match["year"] else None
    ends = [_date(year, _month(match["month"]), int(match[name])) for name in ("first", "last")]
    if ends[0] is None or ends[1] is None or int(match["first"]) >= int(match["last"]):
        return None
    return ends[0] | {"marks": frozenset({"start"})}, ends[1] | {"marks": frozenset({"end"})}


def _english(match: re.Match[str]) -> Fields | None:
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


def _month_alone(match: re.Match[str]) -> Fields | None:
    whole = match.start() == 0 and match.string[match.end() :].strip(" .!\x00") == ""
    sure = match["before"] is not None or match["sure"] is not None or whole
    return {"month": _month(match["month"])} if sure else None


def _age(match: re.Match[str]) -> Fields | None:
    year = match["late"] or match["early"]
    return {"year": _signed(year.replace(",", ""), match["age"])} if int(year.replace(",", "")) else None


def _century(match: re.Match[str]) -> Fields | None:
    digits = re.match(r"[0-9]+", match["which"])
    which = int(digits[0]) if digits else words_value(match["which"])
    return {"century": _signed(str(which), match["age"])} if 1 <= which <= 99 else None


def _decade(match: re.Match[str]) -> Fields:
    first = int(match["first"])
    return {"century": first // 100 + 1} if first % 100 == 0 else {"decade": first}


def _clock(match: re.Match[str]) -> Fields | None:
    second = int(match["second"]) if match["second"] else None
    vague = not match["hour"].startswith("0")
    return _time(int(match["hour"]), int(match["minute"]), second, match["half"], vague=vague)


def _hour_only(match: re.Match[str]) -> Fields | None:
    if not match["half"] and not match["clock"]:
        return None
    return _time(_hour(match["hour"]), half=match["half"], vague=True)


def _hour(text: str) -> int:
    return int(text) if text.isdigit() else VALUES[text.lower()]


def _spoken(match: re.Match[str]) -> Fields | None:
    hour, minutes = _hour(match["hour"]), {"half": 30, "quarter": 15}.get((match["part"] or "").lower())
    if minutes is None:
        minutes = int(match["minutes"]) if match["minutes"].isdigit() else words_value(match["minutes"])
    if not 1 <= hour <= 12 or not 1 <= minutes <= 30:
        return None
    if match["way"].lower() in {"to", "before"}:
        hour, minutes = (hour - 2) % 12 + 1, 60 - minutes
    return _time(hour, minutes, half=match["half"], vague=True)


def _named(match: re.Match[str]) -> Fields:
    return {"hour": 12 if match[0].lower() in _NOON else 0, "minute": 0}


def _weekday(match: re.Match[str]) -> Fields:
    if kanji := match["kanji"] or match["in_brackets"]:
        return {"weekday": _KANJI_WEEKDAYS.index(kanji)}
    name = match[0].lower()
    return {"weekday": next(i for i, weekday in enumerate(_WEEKDAYS) if weekday.startswith(name[:3]))}


def _japanese_date(match: re.Match[str]) -> Fields | None:
    month = kanji_value(match["month"] or match["only_month"] or "")
    day = kanji_value((match["day"] or match["only_day"] or "").removesuffix("日"))
    if match["only_month"]:
        return _date(None, month, day)
    if match["era"]:
        nth = 1 if match["of_era"] == "元" else kanji_value(match["of_era"])
        return _fiscal(match, _date(_ERAS[match["era"]] + nth - 1, month, day)) if nth else None
    year = kanji_value(match["year"])
    whole = match.start() == 0 and len(match.string) - match.end() <= 4
    # "30年" is thirty years; only more context or size makes it a year.
    if not year or year > 2999 or (year < 1000 and not match["before"] and not month and not (whole and year > 99)):
        return None
    return _fiscal(match, _date(-year if match["before"] in {"紀元前", "前"} else year, month, day))


def _fiscal(match: re.Match[str], date: Fields | None) -> Fields | None:
    return date | {"fiscal": True} if date is not None and match["fiscal"] else date


def _japanese_time(match: re.Match[str]) -> Fields | None:
    hour = kanji_value(match["hour"])
    minute, second = kanji_value(match["minute"] or "0"), kanji_value(match["second"] or "0")
    if hour is None or minute is None or second is None:
        return None
    half = _PARTS_OF_DAY[match["half"]]
    return _time(hour, 30 if match["thirty"] else minute, second if match["second"] else None, half, vague=True)


def _japanese_century(match: re.Match[str]) -> Fields | None:
    which = kanji_value(match["which"])
    return {"century": -which if match["before"] else which} if which and which <= 99 else None


def _japanese_decade(match: re.Match[str]) -> Fields | None:
    first = kanji_value(match["first"])
    if not first or first % 10 or not 1000 <= first <= 2990:
        return None
    return {"century": first // 100 + 1} if first % 100 == 0 else {"decade": first}


_FULL_DATES: tuple[tuple[str, Reader], ...] = (
    (r"(?<![0-9])(?P<year>[12][0-9]{3})([-/.])(?P<month>[0-9]{1,2})\2(?P<day>[0-9]{1,2})(?![0-9])", _iso),
    (
        r"(?<![0-9./-])(?P<first>[0-9]{1,2})(?P<mark>[-/.])(?P<second>[0-9]{1,2})(?P=mark)"
        r"(?P<year>[12][0-9]{3}|[0-9]{2})(?![0-9]|[-/.][0-9])",
        _numeric,
    ),
    (
        rf"(?-i:(?<![A-Za-z0-9])(?P<era>[{''.join(_ERA_LETTERS)}]))\s?(?P<nth>[0-9]{{1,2}})[./-](?P<month>[0-9]{{1,2}})[./-]"
        r"(?P<day>[0-9]{1,2})(?![0-9])",
        _of_era_letter,
    ),
    (r"^\s*(?P<first>[0-9]{1,2})/(?P<second>[0-9]{1,2})(?![0-9/])", _without_year),
    (
        rf"(?<![0-9.,])\b(?P<day>[0-9]{{1,2}}(?:st|nd|rd|th)?)(?:[-/.]|\s(?:of\s)?)(?P<month>{_MONTH})"
        r"(?:[-/.]|,?\s)(?P<year>['\u2019][0-9]{2}|(?<=[-/.])[0-9]{4}|(?<=[-/.])[0-9]{2}|[0-9]{2}(?=\s*$))(?![0-9:])",
        _short_date,
    ),
    (
        rf"\b(?P<month>{_MONTH})\s(?:(?P<day>[0-9]{{1,2}}(?:st|nd|rd|th)?),?\s)?(?P<year>['\u2019][0-9]{{2}})(?![0-9:])",
        _short_date,
    ),
    (
        rf"\b(?P<month>{_MONTH})\s(?P<first>[0-9]{{1,2}})(?:st|nd|rd|th)?\s?(?:[{DASHES}]|to|through)\s?"
        r"(?P<last>[0-9]{1,2})(?:st|nd|rd|th)?\b(?!\s?[%:])(?:,?\s(?P<year>[12][0-9]{3})\b)?",
        _days_of_month,
    ),
    (
        rf"(?<![0-9.,])\b(?P<first>[0-9]{{1,2}})(?:st|nd|rd|th)?\s?(?:[{DASHES}]|to|through)\s?(?P<last>[0-9]{{1,2}})"
        rf"(?:st|nd|rd|th)?\s(?:of\s)?(?P<month>{_MONTH})(?:,?\s(?P<year>[12][0-9]{{3}})\b)?",
        _days_of_month,
    ),
    (rf"(?<![0-9.,])\b{_DAY}\s(?:of\s|day\sof\s)?(?P<month>{_MONTH})(?:,?\s{_YEAR})?", _english),
    (rf"\b(?P<month>{_MONTH})\s{_DAY}(?!\s?[%:])(?:,?\s{_YEAR})?", _english),
    (rf"\b(?P<month>{_MONTH}),?\s(?:of\s)?(?P<day>(?!))?{_YEAR}", _english),
    (_JAPANESE_DATE, _japanese_date),
)

_PATTERNS: tuple[tuple[str, Reader], ...] = (
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
        rf"|(?P<kanji>[{_KANJI_WEEKDAYS}])曜日?|(?<=\x00)\((?P<in_brackets>[{_KANJI_WEEKDAYS}])\)",
        _weekday,
    ),
    (
        rf"(?P<before>(?<!\w){_SURELY_A_MONTH}|(?<=\x00))?\b(?P<month>(?-i:(?=[JFMASOND])){_MONTH})(?!['\u2019]s)"
        rf"(?P<sure>(?=,?\s\x00|\s?(?:-|to|and|or|/)\s?{_MONTH}))?",
        _month_alone,
    ),
)

READERS: tuple[tuple[re.Pattern[str], Reader], ...] = tuple(
    (re.compile(written, re.IGNORECASE), reader)
    for written, reader in (*_FULL_DATES, *PERIODS, *_PATTERNS, *AFTER_DATES)
)
"""Expressions and what reads them, in this order: each sees only what those before it have left."""
