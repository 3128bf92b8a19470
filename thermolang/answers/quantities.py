"""Amounts in short English or Japanese answers, and whether two of them say the same.

``quantities`` finds numbers with their units, ``comparable`` says whether two of them may be compared and
``same_quantity`` whether they are equal, up to rounding. Dates and clock times are not amounts: see
``thermolang.answers.moments``. An English date, such as 4 July 1976, is still read as the numbers 4 and 1976; leave
out those whose span lies in the span of a moment.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from thermolang.answers.japanese_numbers import KANJI
from thermolang.answers.numerals import Numeral, fold, is_whole, next_numeral
from thermolang.answers.units import conversion, counter_after, unit_after, unit_before

# What two numbers may differ by at most, in parts of the larger one, if one is taken for the other rounded: a
# "mile" is no rounded kilometre, though 1.6 is within half of 1.
_ROUGHLY = 0.05
_HINT = re.compile(
    rf"[0-9\u2044{KANJI}半]|\b[A-Za-z]+ [IVXLC]+\b|\bWWI|ゼロ"
    r"|(?i:\b(?:zero|one|two|three|thir|four|five|fif|six|seven|eigh|nine|nin|ten|eleven|twel|twen|fort|"
    r"first|second|hundred|thousand|million|billion|trillion|half|quarter|none|nothing|nil|nought|no\s[a-z]+[sen]\b|"
    r"an?\s(?:[a-z]+\sand\sa|second|minute|hour|day|week|fortnight|month|year|decade|century|dozen|mile|kilo|met[er]|"
    r"centi|milli|foot|inch|yard|pound|ounce|gram|ton|lit[er]|gallon|light|nautical|dollar|euro|penny|cent\b)))"
)
_MAGNITUDE = re.compile(
    r"[\s-]?(?P<word>(?i:hundred|thousand|million|billion|trillion|dozen|bn|mn|mln|tn))\b"
    r"|(?P<letter>[kKMB])(?![A-Za-z])|(?P<japanese>ダース)"
)
_MONEY_MAGNITUDE = re.compile(r"\s?(?P<word>[kKmMbBtT])(?![A-Za-z])")
_MAGNITUDES = {
    "hundred": 1e2,
    "dozen": 12.0,
    "ダース": 12.0,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "trillion": 1e12,
}
_MAGNITUDES |= {"bn": 1e9, "mn": 1e6, "mln": 1e6, "tn": 1e12, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_AND_PART = re.compile(
    r"\sand\s(?:(?P<half>a\shalf|one[\s-]half)|(?P<quarter>a\squarter)|(?P<most>three[\s-]quarters))\b"
)
_PARTS = {"half": 0.5, "quarter": 0.25, "most": 0.75}
_MINUS = re.compile(r"(?:(?<![0-9]\s)\b(?i:minus|negative)\s|マイナス|氷点下|零下)$")
_SPEED = re.compile(r"(?:(?P<hour>時速|毎時)|(?P<minute>分速|毎分)|(?P<second>秒速|毎秒))(?:約|およそ)?$")
_CELSIUS = re.compile(r"(?:気温|体温|水温|温度|摂氏|セ氏|氷点下|零下)[はがの]?(?:約|およそ)?$")
_HALVES = re.compile(r"(?<![前後上下大過])半(?:分(?![野類析])|数)|(?<![前後上下一])半(?P<unit>年|日|世紀)")
_KILO = re.compile(r"\s?キロ(?!メ|グ|ワ|カ|ヘ|バ|リ|パ|ト|ボ)")
# Words and names in which a numeral stands before what could be its counter.
_IDIOMS = re.compile(
    "一番(?!目)|十分(?!間)|一度|百人一首|一人前|一人称|二人称|三人称|一本気|一点張|八つ当|三つ子|"
    "六本木|千代|八戸|三日月|四日市|八日市|十日町|五日市|二日酔|三日坊主|三位一体|"
    "二人三脚|五分五分|十人十色|一人っ子|三つ葉|四つ葉|三つ編|八つ橋|三段論法|一人一人"
)
_JOINED = re.compile(r"(?:,?\s(?:and\s)?|、|と)?")
_FEET = re.compile(r"['\u2019\u2032](?=\s?[0-9]{1,2}\s?(?:[\"\u201d]|''|\u2032\u2032))")
_INCHES = re.compile(r"\s?(?:[\"\u201d]|''|\u2032\u2032)")
_RANGE = re.compile(r"\s?(?:-|\u2013|\u2014|~|\u301c|to|or|から)\s?")


@dataclass(frozen=True)
class Quantity:
    """An amount.

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


def quantities(text: str) -> tuple[Quantity, ...]:
    """Return every amount in a text, in order.

    Args:
        text: A short answer, in English or Japanese. Any text will do; nothing is raised.

    Example:
        >>> [(q.value, q.dimension) for q in quantities("about 1,500 people in 2.5 km and 50%")]
        [(1500.0, ''), (2500.0, '[length]'), (0.5, '')]
        >>> [(q.value, q.dimension) for q in quantities("三千万円")]
        [(30000000.0, 'JPY')]
    """
    folded = fold(text)
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
    """Whether two amounts may be compared: they have one dimension, or one is a bare count that may lack its unit.

    Percentages and ordinals are no bare counts.

    Example:
        >>> five, far, half = (quantities(text)[0] for text in ("5", "5 km", "50%"))
        >>> comparable(five, far), comparable(half, far)
        (True, False)
    """
    if a.dimension == b.dimension:
        return True
    bare = a if not a.dimension else b
    return not bare.dimension and not bare.unit and not bare.ordinal


def same_quantity(a: Quantity, b: Quantity) -> bool:
    """Whether two amounts are the same.

    They must be comparable. Their values may differ by half a unit of the last digit of the coarser one, but by no
    more than 5 %: 3.14 is 3.1416, 5 km is 3.1 miles, 56 is not 54, 1 km is not 1 mile. A bare count agrees with an
    amount that has a unit if the numbers as written do: 5 is 5 km, but 5000 is not. An ordinal agrees with a count
    of the same value (chapter 4, the fourth chapter), because short answers leave out which one is meant.

    Example:
        >>> same_quantity(*quantities("68 °F or 20 °C")), same_quantity(*quantities("1 km, 1 mile"))
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
    return "", counter.end(), nth or counter["nth"] is not None or counter[0].strip() in {"位", "番", "号"}


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
    units = {"年": "year", "日": "day", "世紀": "century", None: ""}
    halves = (_build(0.5, 0.0, units[match["unit"]], match.span()) for match in _HALVES.finditer(folded))
    return [half for half in halves if half is not None]
