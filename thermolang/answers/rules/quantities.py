"""Amounts in short English or Japanese answers, and whether two of them say the same.

``quantities_in`` finds numbers with their units, ``comparable`` says whether two of them may be compared and
``same_quantity`` whether they are equal, up to rounding. Dates and clock times are not amounts: see
``thermolang.answers.rules.dates``. An English date, such as 4 July 1976, is still read as the numbers 4 and 1976;
leave out those whose span lies in the span of a date. The tables are in ``data/quantities.toml``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from thermolang.answers.rules.numerals import (
    CUBED,
    KANJI_NUMERALS,
    SQUARED,
    Numeral,
    fold_superscripts,
    is_whole,
    next_numeral,
)
from thermolang.answers.rules.tables import any_of, by_word, read_table, word_set

_TABLE = read_table("quantities")
_AROUND = _TABLE["around"]
_JAPANESE = _TABLE["japanese"]

# Names of units, English.
_SPELLED = {
    prefix + unit: prefix + unit for prefix in ["", *_TABLE["prefixes"].split()] for unit in _TABLE["metric"].split()
}
_SPELLED |= by_word(_TABLE["spelled"])
_SPELLED |= {
    prefix + name: prefix + unit
    for prefix in _TABLE["british_prefixes"].split()
    for name, unit in by_word(_TABLE["british"]).items()
}
_ABBREVIATED = by_word(_TABLE["abbreviated"])
_INITIALS = word_set(_AROUND["initials"])
_AFTER_INITIALS = re.compile(rf"[\s-](?!{any_of(_AROUND['after_initials'].split())}\b)[A-Za-z0-9]")
_SEVERAL_WORDS: list[list[str]] = _TABLE["several_words"]
_PHRASE = re.compile(rf"[\s-]?{any_of(f'({written})' for written, _ in _SEVERAL_WORDS)}(?![A-Za-z])", re.IGNORECASE)
_WORD = re.compile(
    r"[\s\u2010-]?(?:(?P<before>square|sq\.?|cubic|cu\.?)[\s-])?(?P<word>[A-Za-zμΩ]+(?![a-zμ]))"
    rf"(?P<after>\^?[23](?![0-9])|[{SQUARED}{CUBED}]|\s(?:squared|cubed)\b)?\.?"
)
_PER = re.compile(r"\s?/\s?|\sper\s|\san?\s(?=(?:hour|second|minute|day|year)\b)")
_POWERS: dict[str, int] = _TABLE["powers"] | {SQUARED: 2, CUBED: 3}
_WITH_POWERS = tuple(_AROUND["with_powers"].split())

# Signs.
_SIGNS: dict[str, str] = _TABLE["signs"]
_SIGN = re.compile(r"\s?(%|€|¢|£|\$|¥|°(?!\s?[CFcf](?![a-z]))|degrees?\b)")
_SYMBOLS: dict[str, str] = _TABLE["symbols"]
_BEFORE = re.compile(
    r"(?P<sign>(?<![\w)\]%°.,'-])[-\u2212]\s?)?(?:(?P<symbol>(?<![A-Za-z])(?:US|AU|CA|NZ|HK|A|C)?\$|€|£|¥)"
    rf"|\b(?P<code>{'|'.join(_AROUND['codes'].split())}))\s?$"
)
_FEET = re.compile(r"['\u2019\u2032](?=\s?[0-9]{1,2}\s?(?:[\"\u201d]|''|\u2032\u2032))")
_INCHES = re.compile(r"\s?(?:[\"\u201d]|''|\u2032\u2032)")

# Japanese.
_JAPANESE_UNITS = {
    before + name: prefix + unit
    for before, prefix in {"": "", **_JAPANESE["prefixes"]}.items()
    for name, unit in _JAPANESE["metric"].items()
}
_JAPANESE_UNITS |= {
    before + name: f"{unit}**{power}"
    for before, power in _JAPANESE["powers"].items()
    for name, unit in _JAPANESE["lengths"].items()
}
_JAPANESE_UNITS |= by_word(_JAPANESE["units"])
_NO_UNIT = "".join(f"(?<!{sign}(?={after}))" for sign, after in _JAPANESE["no_units"].items())
_JAPANESE_UNIT = re.compile(
    rf"\s?({'|'.join(sorted(map(re.escape, _JAPANESE_UNITS), key=len, reverse=True))}){_NO_UNIT}"
)
_COUNTER = re.compile(rf"\s?{any_of(_JAPANESE['counters'].split())}(?P<nth>目)?(?!国志)")
_ORDINAL_COUNTERS = word_set(_JAPANESE["ordinals"])
_IDIOMS = re.compile("|".join(_JAPANESE["idioms"].split()))
_ABOUT = any_of(_JAPANESE["about"].split())
_SPEEDS = [rf"(?P<{per}>{'|'.join(names.split())})" for per, names in _JAPANESE["speeds"].items()]
_SPEED = re.compile(rf"{any_of(_SPEEDS)}{_ABOUT}?$")
_CELSIUS = re.compile(rf"{any_of(_JAPANESE['celsius'].split())}[はがの]?{_ABOUT}?$")
_KILO = re.compile(r"\s?キロ(?!メ|グ|ワ|カ|ヘ|バ|リ|パ|ト|ボ)")
_HALF_UNITS: dict[str | None, str] = {None: "", **_JAPANESE["halves"]}
_HALVES = re.compile(
    r"(?<![前後上下大過])半(?:分(?![野類析])|数)"
    rf"|(?<![前後上下一])半(?P<unit>{'|'.join(_JAPANESE['halves'])})"
)

# Numbers.
_MAGNITUDE = re.compile(
    rf"[\s-]?(?P<word>(?i:{'|'.join(_TABLE['magnitudes'])}))\b"
    rf"|(?P<letter>[kKMB])(?![A-Za-z])|(?P<japanese>{'|'.join(_JAPANESE['magnitudes'])})"
)
_MONEY_MAGNITUDE = re.compile(r"\s?(?P<word>[kKmMbBtT])(?![A-Za-z])")
_MAGNITUDES: dict[str, float] = _TABLE["magnitudes"] | _TABLE["magnitude_letters"] | _JAPANESE["magnitudes"]
_AND_PART = re.compile(
    r"\sand\s(?:(?P<half>a\shalf|one[\s-]half)|(?P<quarter>a\squarter)|(?P<most>three[\s-]quarters))\b"
)
_PARTS = {"half": 0.5, "quarter": 0.25, "most": 0.75}
_MINUS = re.compile(
    rf"(?:(?<![0-9]\s)\b(?i:{'|'.join(_AROUND['minus'].split())})\s|{'|'.join(_JAPANESE['minus'].split())})$"
)
_JOINED = re.compile(r"(?:,?\s(?:and\s)?|、|と)?")
_RANGE = re.compile(r"\s?(?:-|\u2013|\u2014|~|\u301c|to|or|から)\s?")
_HINT = re.compile(
    rf"[0-9\u2044{KANJI_NUMERALS}半]|\b[A-Za-z]+ [IVXLC]+\b|\bWWI|ゼロ"
    rf"|(?i:\b(?:{'|'.join(_AROUND['beginnings'].split())}|no\s[a-z]+[sen]\b|"
    rf"an?\s(?:[a-z]+\sand\sa|{'|'.join(_AROUND['after_article'].split())})))"
)

# What two numbers may differ by at most, in parts of the larger one, if one is taken for the other rounded: a
# "mile" is no rounded kilometre, though 1.6 is within half of 1.
_ROUGHLY = 0.05


@dataclass(frozen=True)
class Quantity:
    """An amount as a text gives it, and the same in the base unit of its dimension.

    Attributes:
        value: The amount in the base unit of its dimension (SI; 1 for a count; one whole for a percentage).
        dimension: "" for a count, an ISO 4217 code for money, or pint's name, such as "[length] / [time]".
        resolution: Half a unit of the last digit written, in the same base unit; 0 for words and fractions.
        ordinal: Whether it says which one, not how many.
        span: Where it stands in the NFKC form of the text.
        written: The number in the unit that the text gives.
        unit: That unit in pint's words, an ISO 4217 code, "percent", "tenth" (割), or "" if there is none.
    """

    value: float
    dimension: str
    resolution: float
    ordinal: bool
    span: tuple[int, int]
    written: float
    unit: str = ""


def quantities_in(text: str) -> tuple[Quantity, ...]:
    """Return every amount in a text, in order.

    Args:
        text: A short answer, in English or Japanese. Any text will do; nothing is raised.

    Example:
        >>> [(q.value, q.dimension) for q in quantities_in("about 1,500 people in 2.5 km and 50%")]
        [(1500.0, ''), (2500.0, '[length]'), (0.5, '')]
        >>> [(q.value, q.dimension) for q in quantities_in("三千万円")]
        [(30000000.0, 'JPY')]
    """
    folded = fold_superscripts(text)
    if not _HINT.search(folded):
        return ()
    found: list[Quantity] = []
    position = 0
    while (numeral := next_numeral(folded, position)) is not None:
        quantity = _quantity(folded, numeral)
        if quantity is None:
            position = numeral.end
        else:
            position = max(quantity.span[1], numeral.end)
            _append(folded, found, quantity)
    return tuple(sorted([*found, *_japanese_halves(folded)], key=lambda quantity: quantity.span))


def comparable(a: Quantity, b: Quantity) -> bool:
    """Return whether two amounts may be compared.

    They must have one dimension, or one is a bare count that may lack its unit. Percentages and ordinals are no bare
    counts.

    Example:
        >>> five, far, half = (quantities_in(text)[0] for text in ("5", "5 km", "50%"))
        >>> comparable(five, far), comparable(half, far)
        (True, False)
    """
    if a.dimension == b.dimension:
        return True
    bare = a if not a.dimension else b
    return not bare.dimension and not bare.unit and not bare.ordinal


def same_quantity(a: Quantity, b: Quantity) -> bool:
    """Return whether two amounts are the same.

    They must be comparable. Their values may differ by half a unit of the last digit of the coarser one, but by no
    more than 5 %: 3.14 is 3.1416, 5 km is 3.1 miles, 56 is not 54, 1 km is not 1 mile. A bare count agrees with an
    amount that has a unit if the numbers as written do: 5 is 5 km, but 5000 is not. An ordinal agrees with a count
    of the same value (chapter 4, the fourth chapter), because short answers leave out which one is meant.

    Example:
        >>> same_quantity(*quantities_in("68 °F or 20 °C")), same_quantity(*quantities_in("1 km, 1 mile"))
        (True, False)
    """
    if not comparable(a, b):
        return False
    left, right = (a.value, b.value) if a.dimension == b.dimension else (a.written, b.written)
    if a.dimension == b.dimension:
        resolution = max(a.resolution, b.resolution)
    else:
        resolution = max(_written_resolution(a), _written_resolution(b))
    larger = max(abs(left), abs(right))
    return abs(left - right) <= max(1e-9 * larger, min(resolution * (1 + 1e-9), _ROUGHLY * larger))


def unit_before(folded: str, start: int) -> tuple[str, int, int]:
    """Return unit, sign and beginning of the money that stands before a number; "" and 1 if there is none."""
    reach = max(0, start - 6)
    match = _BEFORE.search(folded[reach:start])
    if match is None:
        return "", 1, start
    unit = match["code"] or _SYMBOLS[match["symbol"]]
    return unit, -1 if match["sign"] else 1, reach + match.start()


def unit_after(folded: str, position: int) -> tuple[str, int]:
    """Return the unit that follows a number and its end; "" and the position if none does.

    Example:
        >>> unit_after("5 km/h", 1), unit_after("20度", 2), unit_after("5 apples", 1)
        (('kilometer/(hour)', 6), ('', 2), ('', 1))
    """
    unit, end = _single(folded, position)
    if _divides(unit) and (per := _PER.match(folded, end)) is not None:
        below, below_end = _single(folded, per.end())
        if _divides(below):
            return f"{unit}/({below})", below_end
    return unit, end


def counter_after(folded: str, position: int) -> re.Match[str] | None:
    """Return the match of the Japanese counter after a number; its group "nth" says that it makes an ordinal."""
    return _COUNTER.match(folded, position)


@cache
def conversion(unit: str) -> tuple[float, float, str]:
    """Return factor and offset that bring a unit to the base unit of its dimension, and the dimension's name.

    Example:
        >>> conversion("USD/100"), conversion("kilometer")
        ((0.01, 0.0, 'USD'), (1000.0, 0.0, '[length]'))
    """
    if unit in {"", "percent", "tenth"}:
        return {"": 1.0, "percent": 0.01, "tenth": 0.1}[unit], 0.0, ""
    if unit[:3].isupper():
        return 1 / float(unit[4:] or 1), 0.0, unit[:3]
    registry = _registry()
    one, zero = (registry.Quantity(float(number), unit).to_base_units() for number in (1, 0))
    dimension = "" if one.dimensionless else str(one.dimensionality)
    if "byte" in unit or "bit" in unit:
        # They have no dimension in pint.
        dimension = dimension.replace("1 /", "[information] /") or "[information]"
    return float(one.magnitude - zero.magnitude), float(zero.magnitude), dimension


def _written_resolution(quantity: Quantity) -> float:
    return quantity.resolution / conversion(quantity.unit)[0]


def _build(
    number: float, resolution: float, unit: str, span: tuple[int, int], ordinal: bool = False
) -> Quantity | None:
    factor, offset, dimension = conversion(unit)
    value = number * factor + offset
    if abs(value) < 1e-12 * offset:
        value = 0.0
    if not (math.isfinite(value) and math.isfinite(number) and math.isfinite(resolution)):
        return None
    return Quantity(value, dimension, resolution * factor, ordinal, span, number, unit)


def _quantity(folded: str, numeral: Numeral) -> Quantity | None:
    """The amount that a numeral begins, or None if it is no amount here."""
    money, sign, start = unit_before(folded, numeral.start)
    number, resolution, end = _magnified(folded, numeral, bool(money))
    if end > numeral.end:
        numeral = replace(numeral, doubtful=False)
    if numeral.ordinal:
        return _build(number, resolution, "", (start, end), ordinal=True)
    if (part := _AND_PART.match(folded, end)) is not None:
        number, resolution, end = number + _PARTS[part.lastgroup or ""], 0.0, part.end()
    if money:
        return _build(sign * number, resolution, money, (start, end))
    before = folded[max(0, start - 12) : start]
    if (minus := _MINUS.search(before)) is not None:
        number, start = -number, start - (len(before) - minus.start())
    unit, unit_end, ordinal = _unit(folded, numeral, end, before)
    if unit and (part := _AND_PART.match(folded, unit_end)) is not None:
        number, resolution, unit_end = number + _PARTS[part.lastgroup or ""], 0.0, part.end()
    elif unit and folded.startswith("半", unit_end):
        number, resolution, unit_end = number + 0.5, 0.0, unit_end + 1
    if not _counts(folded, numeral, (start, unit_end), unit_end > end, part is not None):
        return None
    return _build(number, resolution, unit, (start, unit_end), ordinal)


def _magnified(folded: str, numeral: Numeral, money: bool) -> tuple[float, float, int]:
    number, resolution, end = numeral.value, numeral.resolution, numeral.end
    if numeral.kanji or numeral.ordinal:
        return number, resolution, end
    for _ in range(2):
        match = _MAGNITUDE.match(folded, end) or (_MONEY_MAGNITUDE.match(folded, end) if money else None)
        if match is None:
            break
        size = _MAGNITUDES[next(word for word in match.groups() if word).lower()]
        number, resolution, end = number * size, resolution * size, match.end()
    return number, resolution, end


def _unit(folded: str, numeral: Numeral, end: int, before: str) -> tuple[str, int, bool]:
    """Unit after a number, its end, and whether it makes an ordinal."""
    nth = before.endswith("第") and (numeral.kanji or folded[end - 1].isdigit())
    position = end - 1 if numeral.doubtful and folded[end - 1 : end].isspace() else end
    speed = _SPEED.search(before)
    if speed is not None and (kilo := _KILO.match(folded, end)) is not None:
        return f"kilometer/({speed.lastgroup})", kilo.end(), False
    if _CELSIUS.search(before) and folded.startswith("度", end):
        return "degC", end + 1, False
    if (mark := _FEET.match(folded, end)) is not None:
        return "foot", mark.end(), False
    if before.endswith(("'", "\u2019", "\u2032")) and (mark := _INCHES.match(folded, end)) is not None:
        return "inch", mark.end(), False
    unit, unit_end = unit_after(folded, position)
    if unit_end > position:
        per = f"/({speed.lastgroup})" if speed is not None and conversion(unit)[2] == "[length]" else ""
        return unit + per, unit_end, nth
    counter = counter_after(folded, end)
    if counter is None:
        return "", end, nth
    return "", counter.end(), nth or counter["nth"] is not None or counter[0].strip() in _ORDINAL_COUNTERS


def _counts(folded: str, numeral: Numeral, span: tuple[int, int], followed: bool, part: bool) -> bool:
    """Whether a numeral is an amount, given what follows it."""
    start, end = span
    if numeral.doubtful:
        return part or is_whole(folded, start, end)
    if numeral.kanji:
        return _kanji_counts(folded, numeral, end, followed)
    # "3D" and "4x4" are names; "2x" is a number.
    return followed or not re.match(r"(?!x\b)[A-Za-z]", folded[end : end + 2])


def _kanji_counts(folded: str, numeral: Numeral, end: int, followed: bool) -> bool:
    written, before = folded[numeral.start : numeral.end], folded[max(0, numeral.start - 1) : numeral.start]
    if before == "第":
        return not folded.startswith("者", numeral.end)
    if _IDIOMS.match(folded, numeral.start):
        return False
    if is_whole(folded, numeral.start, end):
        return True
    return followed and (len(written) > 1 or not re.match(r"[\u4e00-\u9fff]", before) or before in "約計全各")


def _append(folded: str, found: list[Quantity], quantity: Quantity) -> None:
    """Add an amount to those found: 5 feet 11 inches are one, and "5 to 10 km" begins at 5 km."""
    last = found[-1] if found else None
    if last is None or quantity.span[0] - last.span[1] > 8:
        found.append(quantity)
        return
    between = folded[last.span[1] : quantity.span[0]]
    before = folded[max(0, last.span[0] - 8) : last.span[0]].lower()
    ranged = _RANGE.fullmatch(between) or (between.strip() == "and" and before == "between ")
    if not last.unit and not last.ordinal and quantity.unit and ranged:
        found[-1] = _build(last.written, last.resolution, quantity.unit, last.span) or last
    elif _adds_up(last, quantity) and _JOINED.fullmatch(between) and "." not in folded[slice(*last.span)]:
        scale = conversion(last.unit)[0]
        found[-1] = replace(
            last,
            value=last.value + math.copysign(quantity.value, last.value),
            written=last.written + math.copysign(quantity.value, last.value) / scale,
            resolution=quantity.resolution,
            span=(last.span[0], quantity.span[1]),
        )
        return
    found.append(quantity)


def _adds_up(last: Quantity, quantity: Quantity) -> bool:
    if not last.dimension or last.dimension != quantity.dimension or last.dimension == "[temperature]":
        return False
    big, small = conversion(last.unit)[0], conversion(quantity.unit)[0]
    return big > small and 0 <= quantity.value < big and last.ordinal == quantity.ordinal


def _japanese_halves(folded: str) -> list[Quantity]:
    if "半" not in folded:
        return []
    halves = (_build(0.5, 0.0, _HALF_UNITS[match["unit"]], match.span()) for match in _HALVES.finditer(folded))
    return [half for half in halves if half is not None]


@cache
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry()
    # pint's own decade is a ratio of frequencies.
    registry.define("ten_years = 10 * year")
    return registry


def _divides(unit: str) -> bool:
    """Whether a unit can be part of one such as km/h, as money, degrees and percentages cannot."""
    return unit not in {"", "degC", "degF", "percent", "tenth"} and not unit[:3].isupper()


def _single(folded: str, position: int) -> tuple[str, int]:
    if (match := _PHRASE.match(folded, position)) is not None:
        return _SEVERAL_WORDS[(match.lastindex or 1) - 1][1], match.end()
    if (match := _SIGN.match(folded, position)) is not None:
        return _SIGNS.get(match[1], ""), match.end()
    if (match := _JAPANESE_UNIT.match(folded, position)) is not None:
        return _JAPANESE_UNITS[match[1]], match.end()
    if (match := _WORD.match(folded, position)) is not None:
        return _word(folded, position, match)
    return "", position


def _word(folded: str, position: int, match: re.Match[str]) -> tuple[str, int]:
    word = match["word"]
    unit = _ABBREVIATED.get(word) or _SPELLED.get(word.lower()) or _SPELLED.get(word.lower().removesuffix("s"))
    if unit is None or (word in _INITIALS and _AFTER_INITIALS.match(folded, match.end("word"))):
        return "", position
    power = _POWERS.get((match["before"] or match["after"] or "").strip(" .^"))
    if power is None or not unit.endswith(_WITH_POWERS):
        return ("", position) if match["before"] else (unit, match.end("word"))
    return f"{unit}**{power}", match.end() if match["after"] else match.end("word")
