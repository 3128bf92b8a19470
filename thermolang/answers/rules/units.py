"""Units of amounts, money among them: their names in English and Japanese, and what one of them is in base units.

The tables are in ``data/quantities.toml`` and ``data/currencies.toml``; pint converts.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from thermolang.answers.rules.digits import CUBED, DASHES, SQUARED
from thermolang.answers.rules.tables import any_of, by_word, phrase_list, read_table, word_set

_TABLE, _MONEY = read_table("quantities"), read_table("currencies")
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
_SPELLED |= by_word(_MONEY["words"])
_CODES = frozenset(_MONEY["names"]) - word_set(_MONEY["no_codes"])
_ABBREVIATED = by_word(_TABLE["abbreviated"]) | {code: code for code in _CODES}
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
_SYMBOLS: dict[str, str] = _MONEY["signs"]
_SYMBOL = any_of(map(re.escape, sorted(_SYMBOLS, key=len, reverse=True)))
_BEFORE = re.compile(
    rf"(?P<sign>(?:(?<![\w)\]%°.,'-])[{DASHES}]|[▲△▼])\s?)?(?:(?<![A-Za-z])(?P<symbol>{_SYMBOL})"
    rf"|\b(?P<code>{any_of(sorted(_CODES))}))\s?(?P<bracket>\()?$"
)
_NAMES = {name: code for code, names in _MONEY["names"].items() for name in phrase_list(names) if name.isascii()}
_NAME = re.compile(r"[\s-]([a-z&.-]+\s[a-z]+(?:\s[a-z]+){0,2})", re.IGNORECASE)

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
_JAPANESE_UNITS |= by_word(_JAPANESE["units"]) | by_word(_MONEY["japanese"])
_JAPANESE_UNITS |= {
    name: code for code, names in _MONEY["names"].items() for name in phrase_list(names) if not name.isascii()
}
_NO_UNIT = "".join(f"(?<!{sign}(?={after}))" for sign, after in _JAPANESE["no_units"].items())
_JAPANESE_UNIT = re.compile(
    rf"\s?({'|'.join(sorted(map(re.escape, _JAPANESE_UNITS), key=len, reverse=True))}){_NO_UNIT}"
)
_COUNTER = re.compile(rf"\s?{any_of(_JAPANESE['counters'].split())}(?P<nth>目)?(?!国志)")

# Units that pint does not have, what one of them is, and of which dimension.
_NO_PINT = {
    "": (1.0, ""),
    "percent": (0.01, ""),
    "tenth": (0.1, ""),
    "point": (1.0, "[point]"),
    "point/100": (0.01, "[point]"),
    "business_day": (1.0, "[business time]"),
    "ratio": (1.0, "[ratio]"),
}


def unit_before(folded: str, start: int) -> tuple[str, int, int]:
    """Return unit, sign and beginning of the money that stands before a number; "" and 1 if there is none."""
    reach = max(0, start - 8)
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
    if (
        _divides(unit)
        and unit != "pound"
        and conversion(unit)[2] != "[time]"
        and (per := _PER.match(folded, end)) is not None
    ):
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
    if unit in _NO_PINT:
        return _NO_PINT[unit][0], 0.0, _NO_PINT[unit][1]
    if unit[:3].isupper():
        return 1 / float(unit[4:] or 1), 0.0, unit[:3]
    registry = _registry()
    one, zero = (registry.Quantity(float(number), unit).to_base_units() for number in (1, 0))
    dimension = "" if one.dimensionless else str(one.dimensionality)
    if "byte" in unit or "bit" in unit:
        # They have no dimension in pint.
        dimension = dimension.replace("1 /", "[information] /") or "[information]"
    return float(one.magnitude - zero.magnitude), float(zero.magnitude), dimension


@cache
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry()
    # pint's own decade is a ratio of frequencies.
    registry.define("ten_years = 10 * year")
    return registry


def _divides(unit: str) -> bool:
    """Whether a unit can be part of one such as km/h, as money, degrees and percentages cannot."""
    return unit not in {*_NO_PINT, "degC", "degF"} and not unit[:3].isupper()


def _single(folded: str, position: int) -> tuple[str, int]:
    if (match := _PHRASE.match(folded, position)) is not None:
        return _SEVERAL_WORDS[(match.lastindex or 1) - 1][1], match.end()
    if (match := _SIGN.match(folded, position)) is not None:
        return _SIGNS.get(match[1], ""), match.end()
    if (match := _JAPANESE_UNIT.match(folded, position)) is not None:
        return _JAPANESE_UNITS[match[1]], match.end()
    if (match := _NAME.match(folded, position)) is not None and (found := _money_name(match)):
        return found
    if (match := _WORD.match(folded, position)) is not None:
        return _word(folded, position, match)
    return "", position


def _money_name(match: re.Match[str]) -> tuple[str, int] | None:
    """Currency of a name of several words, and its end."""
    words = match[1].lower().split(" ")
    for size in range(len(words), 1, -1):
        name = " ".join(words[:size])
        if (code := _NAMES.get(name)) is not None:
            return code, match.start(1) + len(name)
    return None


def _word(folded: str, position: int, match: re.Match[str]) -> tuple[str, int]:
    word = match["word"]
    unit = _ABBREVIATED.get(word) or _SPELLED.get(word.lower()) or _SPELLED.get(word.lower().removesuffix("s"))
    if unit is None or (word in _INITIALS and _AFTER_INITIALS.match(folded, match.end("word"))):
        return "", position
    power = _POWERS.get((match["before"] or match["after"] or "").strip(" .^"))
    if power is None or not unit.endswith(_WITH_POWERS):
        return ("", position) if match["before"] else (unit, match.end("word"))
    return f"{unit}**{power}", match.end() if match["after"] else match.end("word")
