"""Japanese numerals: kanji (三千五百万), positional kanji (一九九五), digits with kanji scales (1億2000万), dates."""

from __future__ import annotations

import math
import re

KANJI_DIGITS = "〇零一二三四五六七八九十百千"
KANJI = f"{KANJI_DIGITS}万億兆"
_N = f"[0-9{KANJI_DIGITS}]"
_VALUES = str.maketrans("〇零一二三四五六七八九", "00123456789")
_SMALL = {"十": 10, "百": 100, "千": 1000}
_BIG = {"万": 10**4, "億": 10**8, "兆": 10**12}

# Years, months, days of a month and clock times; durations (3年, 三日間, 2時間) are not among them.
DATE = (
    rf"(?:紀元前|西暦|明治|大正|昭和|平成|令和)\s?(?:元|{_N}{{1,8}})年?(?:{_N}{{1,3}}月)?(?:{_N}{{1,3}}日)?"
    rf"|(?:[12][0-9]{{3}}|[一二][〇零一二三四五六七八九]{{3}}|千{_N}{{1,7}})年(?![間前])(?:{_N}{{1,3}}月)?(?:{_N}{{1,3}}日)?"
    rf"|{_N}{{1,3}}月(?!間)(?:{_N}{{1,3}}日)?|{_N}{{1,3}}時(?!間)(?:{_N}{{1,3}}分)?(?:{_N}{{1,3}}秒)?"
    rf"|{_N}{{1,3}}世紀(?!間)|{_N}{{1,4}}年代"
)
KANJI_PARTS = rf"(?<!{_N}){_N}{{1,6}}分の{_N}{{1,6}}"
MIXED = r"[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?[百千万億兆]+(?:[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?[百千万億兆]*){0,4}"


def kanji_value(numeral: str) -> int | None:
    """Value of a numeral in kanji or of digits, positional (二〇二六) or not (二千二十六); None if it is neither.

    Example:
        >>> kanji_value("三千五百万"), kanji_value("一九九五"), kanji_value("二十十")
        (35000000, 1995, None)
    """
    if not numeral:
        return None
    digits = numeral.translate(_VALUES)
    if digits.isascii() and digits.isdigit():
        return int(digits) if len(digits) <= 30 else None
    total = section = 0
    digit: int | None = None
    last_small, last_big = 10_000, 10**16
    for char in digits:
        if "0" <= char <= "9":
            if digit is not None:
                return None
            digit = int(char)
        elif (size := _SMALL.get(char)) is not None:
            if size >= last_small:
                return None
            section, digit, last_small = section + (1 if digit is None else digit) * size, None, size
        elif (size := _BIG.get(char)) is not None:
            if size >= last_big or not (section + (digit or 0)):
                return None
            total, section, digit, last_small, last_big = total + (section + (digit or 0)) * size, 0, None, 10_000, size
        else:
            return None
    return total + section + (digit or 0)


def mixed_value(numeral: str) -> tuple[float, float]:
    """Value of digits with kanji scales, and half a unit of the last digit written.

    Example:
        >>> mixed_value("1億2000万"), mixed_value("3.5億")
        ((120000000.0, 5000.0), (350000000.0, 5000000.0))
    """
    total = resolution = 0.0
    for digits, scales in re.findall(r"([0-9][0-9,]*(?:\.[0-9]+)?)([百千万億兆]*)", numeral):
        size = float(math.prod((_SMALL | _BIG)[scale] for scale in scales[:6]))
        total += float(digits.replace(",", "")) * size
        resolution = 0.5 * 10.0 ** -min(len(digits.partition(".")[2]), 300) * size
    return total, resolution
