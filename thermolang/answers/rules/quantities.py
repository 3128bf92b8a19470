"""Amounts in short English or Japanese answers, and whether two of them say the same.

``quantities_in`` finds numbers with their units and with what limits them, ``comparable`` says whether two of them may
be compared, ``agreement`` how surely they are the same, and ``same_quantity`` whether they surely are. Dates and clock
times are not amounts: see ``thermolang.answers.rules.dates``. An English date, such as 4 July 1976, is still read as
the numbers 4 and 1976; leave out those whose span lies in the span of a date. The tables are in
``data/quantities.toml`` and ``data/currencies.toml``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from thermolang.answers.rules.digits import BAR, DASHES, fold_math
from thermolang.answers.rules.numerals import KANJI_NUMERALS, Numeral, is_whole, next_numeral
from thermolang.answers.rules.qualifiers import LIKELY, UNLIKELY, marks_agree, marks_around, of_range, time_of
from thermolang.answers.rules.tables import any_of, read_table, word_set
from thermolang.answers.rules.units import conversion, counter_after, unit_after, unit_before

_TABLE, _MONEY = read_table("quantities"), read_table("currencies")
_AROUND = _TABLE["around"]
_JAPANESE = _TABLE["japanese"]
_SHARED = [word_set(codes) for codes in _MONEY["shared"]]
_FEET = re.compile(r"['\u2019\u2032](?=\s?[0-9]{1,2}\s?(?:[\"\u201d]|''|\u2032\u2032))")
_INCHES = re.compile(r"\s?(?:[\"\u201d]|''|\u2032\u2032)")
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
    rf"|(?<![前後上下一])半(?P<unit>{'|'.join(_JAPANESE['halves'])})|半(?P<price>額|値(?!上|下))"
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
    rf"(?:(?<![0-9]\s)(?<!plus or )(?<!plus )\b(?i:{'|'.join(_AROUND['minus'].split())})\s"
    rf"|{'|'.join(_JAPANESE['minus'].split())})$"
)
_JOINED = re.compile(r"(?:,?\s(?:and\s)?|、|と)?")
_PLUS = re.compile(r"[0-9kKMB]\+\s?[A-Za-z]")
_RANGE = re.compile(rf"\s?(?:[{DASHES}~\u301c]|to|through|until|から)\s?")
_OUT_OF = re.compile(r"\s(?:in|out\sof)\s(?:every\s)?")
_PARTS_TO = re.compile(r"\sparts?(?:\s\w+)?\sto\s")
_RANGE_OR = re.compile(r"\s?or\s?")
_BRACKETED = re.compile(r"\([^()]{1,40}\)\s*[.。]?")
_HINT = re.compile(
    rf"[0-9\u2044{BAR}{KANJI_NUMERALS}半]|\b[A-Za-z]+ [IVXLC]+\b|\bWWI|ゼロ"
    rf"|(?i:\b(?:{'|'.join(_AROUND['beginnings'].split())}|no\s[a-z]+[sen]\b|"
    rf"an?\s(?:[a-z]+\sand\sa|{'|'.join(_AROUND['after_article'].split())})))"
)

# What two numbers may differ by at most, in parts of the larger one, if one is taken for the other rounded: a
# "mile" is no rounded kilometre, though 1.6 is within half of 1.
_ROUGHLY = 0.05
_WEEK_PER_BUSINESS_WEEK = 7 / 5

# Units that a word is short for, and the other one that it may be short for.
_TWINS = {"USD/100": "EUR/100", "kilometer": "kilogram"}


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
        unit: That unit in pint's words, an ISO 4217 code, "percent", "point" (of a percentage), "tenth" (割),
            "business_day", "ratio", or "" if there is none.
        marks: What limits it, as ``qualifiers.marks_around`` reads it; "start" and "end" on the ends of a range.
        around: Where it stands with the words that are its marks.
        other: What it is if it is read in the other way, as 1.234 and (500) may be; None if there is one way only.
    """

    value: float
    dimension: str
    resolution: float
    ordinal: bool
    span: tuple[int, int]
    written: float
    unit: str = ""
    marks: frozenset[str] = frozenset()
    around: tuple[int, int] = (0, 0)
    other: Quantity | None = None


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
    folded = fold_math(text)
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
    found = sorted([*found, *_japanese_halves(folded)], key=lambda quantity: quantity.span)
    return tuple(_without_units_of_others([_marked(folded, quantity) for quantity in found]))


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
    """Return whether two amounts are surely the same: whether their ``agreement`` is 1.

    Example:
        >>> same_quantity(*quantities_in("68 °F or 20 °C")), same_quantity(*quantities_in("1 km, 1 mile"))
        (True, False)
    """
    return agreement(a, b) == 1


def agreement(a: Quantity, b: Quantity, asked: frozenset[str] = frozenset()) -> float:
    """Return P(two amounts are the same): 1 and 0 where that is sure.

    They must be comparable. Their values may differ by half a unit of the last digit of the coarser one, but by no
    more than 5 %: 3.14 is 3.1416, 5 km is 3.1 miles, 56 is not 54, 1 km is not 1 mile. A bare count agrees with an
    amount that has a unit if the numbers as written do: 5 is 5 km, but 5000 is not. An ordinal agrees with a count
    of the same value (chapter 4, the fourth chapter), because short answers leave out which one is meant.

    Args:
        a: An amount.
        b: Another one.
        asked: Marks that the question gives, as ``qualifiers.asked_marks`` reads them.

    Returns:
        1 if all their readings and marks agree; ``LIKELY`` or ``UNLIKELY`` if some do, or if one has a mark that the
        other lacks (at least 5; 5); 0 if no reading does or the marks deny each other.

    Example:
        >>> [agreement(*quantities_in(text)) for text in ("5 or five", "1.234, 1234", "at least 5; 5", "5; 6")]
        [1.0, 0.35, 0.35, 0.0]
        >>> agreement(*quantities_in("a loss of $5 million; -$5 million"))
        1.0
    """
    times = time_of(a.marks), time_of(b.marks)
    if all(times) and times[0] != times[1]:
        return LIKELY if _close(_per_second(a, times[0]), _per_second(b, times[1])) else 0.0
    rest_a, rest_b = a.marks - {"down"}, b.marks - {"down"}
    if (values := _values_agree(_signed(a), _signed(b))) > 0:
        return min(values, marks_agree(rest_a, rest_b, asked))
    if ("down" in a.marks) != ("down" in b.marks) and not {"up"} & (a.marks | b.marks):
        level = LIKELY if "down" in asked else UNLIKELY
        return min(_values_agree(a, b), level, marks_agree(rest_a, rest_b, asked))
    return _neighbours(a, b)


def _values_agree(a: Quantity, b: Quantity) -> float:
    """P(two amounts have one value) over their readings."""
    others = [(x.other, y) for x, y in ((a, b), (b, a)) if x.other is not None]
    # A pound is money or a weight: the other amount's unit tells which.
    of_unit = all(other.dimension != (a if other is a.other else b).dimension for other, _ in others)
    if _close(a, b):
        both = len(others) == 2 and _close(others[0][0], others[1][0])
        return 1.0 if of_unit or both else LIKELY
    if any(_close(other, y) for other, y in others) or (len(others) == 2 and _close(others[0][0], others[1][0])):
        if of_unit:
            return LIKELY if "business_day" in (a.unit, b.unit) else 1.0
        return UNLIKELY
    alike = {a.unit, b.unit} == {"percent", "point"} or any({a.unit, b.unit} <= codes for codes in _SHARED)
    if not alike and "ratio" in (a.unit, b.unit):
        alike = not a.dimension or not b.dimension
    return UNLIKELY if alike and math.isclose(a.written, b.written) else 0.0


def _close(a: Quantity, b: Quantity) -> bool:
    """Whether two amounts are equal up to rounding."""
    if not comparable(a, b):
        return False
    left, right = (a.value, b.value) if a.dimension == b.dimension else (a.written, b.written)
    if a.dimension == b.dimension:
        resolution = max(a.resolution, b.resolution)
    else:
        resolution = max(_written_resolution(a), _written_resolution(b))
    larger = max(abs(left), abs(right))
    return abs(left - right) <= max(1e-9 * larger, min(resolution * (1 + 1e-9), _ROUGHLY * larger))


def _signed(quantity: Quantity) -> Quantity:
    """A loss as a negative amount."""
    if "down" not in quantity.marks or quantity.written <= 0:
        return quantity
    return replace(quantity, value=-quantity.value, written=-quantity.written, other=None)


def _per_second(quantity: Quantity, time: str) -> Quantity:
    seconds = conversion(time)[0]
    return replace(quantity, value=quantity.value / seconds, resolution=quantity.resolution / seconds, other=None)


_STRICT = {"above": ("lower", 1), "below": ("upper", -1)}


def _neighbours(a: Quantity, b: Quantity) -> float:
    """P(same) of strict and other bounds that are one apart: more than 2 and at least 3, under 18 and up to 17."""
    for strict, other in ((a, b), (b, a)):
        for mark, (loose, step) in _STRICT.items():
            if mark in strict.marks and loose in other.marks and strict.dimension == other.dimension:
                whole = strict.unit == other.unit and strict.written.is_integer()
                if whole and other.written == strict.written + step:
                    return 1.0 if not strict.unit else LIKELY
    return 0.0


def _marked(folded: str, quantity: Quantity) -> Quantity:
    marks, start, end = marks_around(folded, *quantity.span)
    if _PLUS.search(folded, *quantity.span):
        marks |= {"lower"}
    return replace(quantity, marks=of_range(quantity.marks | marks), around=(start, end))


def _without_units_of_others(found: list[Quantity]) -> list[Quantity]:
    """Amounts but those that only say what another one is counted for (1か月 in 1か月980円)."""
    inside = [
        any(b is not a and b.around[0] <= a.span[0] < a.span[1] <= b.span[0] for b in found[i + 1 : i + 2])
        for i, a in enumerate(found)
    ]
    return [quantity for quantity, drop in zip(found, inside, strict=True) if not drop]


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
    """The amount that a numeral begins, in one or two readings, or None if it is no amount here."""
    quantity = _one_reading(folded, numeral)
    if quantity is None:
        return None
    if numeral.other is not None:
        value, resolution = numeral.other
        other = _one_reading(folded, replace(numeral, value=value, resolution=resolution))
        return replace(quantity, other=other)
    start, end = quantity.span
    if quantity.unit == "business_day":
        number = quantity.written * _WEEK_PER_BUSINESS_WEEK
        return replace(quantity, other=_build(number, quantity.resolution, "day", quantity.span))
    if (twin := _TWINS.get(quantity.unit)) is not None and _is_short_for(folded[numeral.end : end], quantity.unit):
        return replace(quantity, other=_build(quantity.written, _written_resolution(quantity), twin, quantity.span))
    if quantity.unit == "pound" and "ound" in folded[numeral.end : end].lower():
        money = _build(quantity.written, _written_resolution(quantity), "GBP", quantity.span)
        if money is not None and _MAGNITUDE.match(folded, numeral.end):
            return replace(money, other=quantity)  # nothing weighs a billion pounds
        return replace(quantity, other=money)
    if start <= 8 and quantity.written > 0 and _BRACKETED.fullmatch(folded.strip()):
        return _in_brackets(folded, quantity)
    return quantity


def _is_short_for(written: str, unit: str) -> bool:
    return written.strip() == "キロ" if unit == "kilometer" else "cent" in written.lower()


def _in_brackets(folded: str, quantity: Quantity) -> Quantity:
    """A number in brackets, which is a loss in accounts."""
    start, end = quantity.span
    negative = _build(-quantity.written, _written_resolution(quantity), quantity.unit, quantity.span)
    if negative is None or quantity.ordinal or (not quantity.unit and len(folded) > end + 3):
        return quantity
    account = quantity.dimension[:3].isupper() or "," in folded[start:end] or quantity.written >= 1000
    return replace(negative, other=quantity) if account else replace(quantity, other=negative)


def _one_reading(folded: str, numeral: Numeral) -> Quantity | None:
    money, sign, start = unit_before(folded, numeral.start)
    number, resolution, end = _magnified(folded, numeral, bool(money))
    if end > numeral.end:
        numeral = replace(numeral, doubtful=False)
    if numeral.ordinal or numeral.ratio:
        return _build(number, resolution, "ratio" if numeral.ratio else "", (start, end), ordinal=numeral.ordinal)
    if (part := _AND_PART.match(folded, end)) is not None:
        number, resolution, end = number + _PARTS[part.lastgroup or ""], 0.0, part.end()
    if money:
        return _build(sign * number, resolution, money, (start, end))
    before = folded[max(0, start - 18) : start]
    if (minus := _MINUS.search(before)) is not None:
        number, start = -number, start - (len(before) - minus.start())
    unit, unit_end, ordinal = _unit(folded, numeral, end, before)
    if unit_end == end and folded.startswith("+", end):
        unit, unit_end = unit_after(folded, end + 1)
        unit_end = unit_end if unit else end
    if unit and (part := _AND_PART.match(folded, unit_end)) is not None:
        number, resolution, unit_end = number + _PARTS[part.lastgroup or ""], 0.0, part.end()
    elif unit and folded.startswith("半", unit_end):
        number, resolution, unit_end = number + 0.5, 0.0, unit_end + 1
    if not _counts(folded, numeral, (start, unit_end), unit_end > end, part is not None, unit):
        return None
    return _build(number, resolution, unit, (start, unit_end), ordinal)


def _magnified(folded: str, numeral: Numeral, money: bool) -> tuple[float, float, int]:
    number, resolution, end = numeral.value, numeral.resolution, numeral.end
    if numeral.ordinal:
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


def _counts(folded: str, numeral: Numeral, span: tuple[int, int], followed: bool, part: bool, unit: str) -> bool:
    """Whether a numeral is an amount, given what follows it."""
    start, end = span
    if numeral.doubtful:
        return part or is_whole(folded, start, end)
    if numeral.kanji:
        return _kanji_counts(folded, numeral, end, followed, unit)
    # "3D" and "4x4" are names; "2x" is a number.
    return followed or not re.match(r"(?!x\b)[A-Za-z]", folded[end : end + 2])


def _kanji_counts(folded: str, numeral: Numeral, end: int, followed: bool, unit: str) -> bool:
    written, before = folded[numeral.start : numeral.end], folded[max(0, numeral.start - 1) : numeral.start]
    if before == "第":
        return not folded.startswith("者", numeral.end)
    if _IDIOMS.match(folded, numeral.start):
        return False
    if is_whole(folded, numeral.start, end) or (followed and unit[:3].isupper()):
        return True
    return followed and (len(written) > 1 or not re.match(r"[\u4e00-\u9fff]", before) or before in "約計全各")


def _append(folded: str, found: list[Quantity], quantity: Quantity) -> None:
    """Add an amount to those found: 5 feet 11 inches are one, and "5 to 10 km" is a range that begins at 5 km."""
    last = found[-1] if found else None
    if last is None or quantity.span[0] - last.span[1] > 8:
        found.append(quantity)
        return
    between = folded[last.span[1] : quantity.span[0]]
    before = folded[max(0, last.span[0] - 8) : last.span[0]].lower()
    ranged = _RANGE.fullmatch(between) or (between.strip() == "and" and before == "between ")
    if (ranged or _RANGE_OR.fullmatch(between)) and not last.unit and not last.ordinal and quantity.unit:
        last = found[-1] = _with_unit(last, quantity.unit)
    elif last.unit == "tenth" and between == "" and folded.startswith("分", quantity.span[1] - 1):
        # 2割5分 are 25 %.
        found[-1] = _build(last.written + quantity.written / 10, 0.0, "tenth", (last.span[0], quantity.span[1])) or last
        return
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
    if (part := _part_of_whole(folded, last, quantity, between)) is not None:
        found[-1:] = [part]
        return
    if ranged and last.dimension == quantity.dimension and last.ordinal == quantity.ordinal:
        if last.value < quantity.value:
            found[-1], quantity = (
                replace(last, marks=frozenset({"start"})),
                replace(quantity, marks=frozenset({"end"})),
            )
        elif between.strip() == "to" and not last.unit and is_whole(folded, last.span[0], quantity.span[1]):
            ratio = _build(last.written / quantity.written, 0.0, "ratio", (last.span[0], quantity.span[1]))
            found[-1:] = [ratio or last]
            return
    found.append(quantity)


def _part_of_whole(folded: str, last: Quantity, quantity: Quantity, between: str) -> Quantity | None:
    """The part that "3 in 4" and 5人に1人 are, or the ratio "1 part to 4 parts"."""
    span = (last.span[0], quantity.span[1])
    if last.unit or quantity.unit or last.ordinal or quantity.ordinal or not last.written or not quantity.written:
        return None
    if _PARTS_TO.fullmatch(between):
        return _build(last.written / quantity.written, 0.0, "ratio", span)
    top, bottom = (quantity, last) if between == "に" else (last, quantity)
    whole = _OUT_OF.fullmatch(between) or (between == "に" and folded[slice(*last.span)][-1] == folded[span[1] - 1])
    if not whole or not 0 < top.written < bottom.written < 1000:
        return None
    part = _build(top.written / bottom.written, 0.0, "", span)
    return None if part is None else replace(part, other=top)


def _with_unit(bare: Quantity, unit: str) -> Quantity:
    """A number with the unit that stands behind another one."""
    given = _build(bare.written, bare.resolution, unit, bare.span)
    if given is None:
        return bare
    return replace(given, other=None if bare.other is None else _with_unit(bare.other, unit))


def _adds_up(last: Quantity, quantity: Quantity) -> bool:
    if not last.dimension or last.dimension != quantity.dimension or last.dimension == "[temperature]":
        return False
    big, small = conversion(last.unit)[0], conversion(quantity.unit)[0]
    return big > small and 0 <= quantity.value < big and last.ordinal == quantity.ordinal


def _japanese_halves(folded: str) -> list[Quantity]:
    if "半" not in folded:
        return []
    found = []
    for match in _HALVES.finditer(folded):
        half = _build(0.5, 0.0, _HALF_UNITS[match["unit"]], match.span())
        if half is not None:
            found.append(replace(half, marks=frozenset({"off"})) if match["price"] else half)
    return found
