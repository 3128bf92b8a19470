"""Units of measure and money behind a number, English and Japanese, spelled out or abbreviated.

A unit is named by an expression that pint understands ("kilometer/hour"), by an ISO 4217 code with an optional
divisor ("USD/100" is a cent), by "percent", or by "" for a bare count.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from thermolang.answers.numerals import CUBED, SQUARED

_PREFIXES = ["", "kilo", "centi", "milli", "micro", "nano", "mega", "giga", "tera", "peta", "hecto", "deci"]
_METRIC = ["meter", "gram", "liter", "watt", "volt", "hertz", "byte", "bit", "pascal", "joule", "newton", "ampere"]
_METRIC += ["ohm", "second", "calorie", "tonne"]
_SPELLED = {prefix + unit: prefix + unit for prefix in _PREFIXES for unit in _METRIC}
_SPELLED |= {
    name: unit
    for unit, names in {
        "meter": "metre", "gram": "gramme", "liter": "litre", "ampere": "amp", "tonne": "ton", "kilogram": "kilo",
        "foot": "feet", "inch": "inches", "mile": "mile", "yard": "yard", "pound": "pound lb", "ounce": "ounce oz",
        "gallon": "gallon", "acre": "acre", "hectare": "hectare", "fathom": "fathom",
        "minute": "minute min", "hour": "hour hr", "day": "day", "week": "week wk", "fortnight": "fortnight",
        "month": "month", "year": "year yr", "ten_years": "decade", "century": "century centuries",
        "millennium": "millennium millennia", "second": "sec", "knot": "knot", "mile/hour": "mph",
        "kilometer/hour": "kph kmh kmph", "hertz": "hertz", "kelvin": "kelvin", "psi": "psi", "atmosphere": "atm",
        "horsepower": "horsepower", "parsec": "parsec", "electron_volt": "electronvolt", "foot ": "foot",
        "inch ": "inch", "byte": "byte", "kilowatt*hour": "kwh", "watt*hour": "watt-hour", "millibar": "millibar",
        "USD": "dollar usd", "EUR": "euro eur", "JPY": "yen jpy", "GBP": "gbp", "CNY": "yuan cny renminbi rmb",
        "INR": "rupee inr", "KRW": "krw", "CHF": "chf", "CAD": "cad", "AUD": "aud", "RUB": "rouble ruble rub",
        "USD/100": "cent", "GBP/100": "penny pence", "percent": "percent pct",
    }.items()
    for name in names.split()
}  # fmt: skip
_SPELLED |= {
    short + tail: full + unit
    for short, full in {"kilo": "kilo", "centi": "centi", "milli": "milli", "micro": "micro", "nano": "nano"}.items()
    for tail, unit in {"metre": "meter", "litre": "liter", "gramme": "gram", "amp": "ampere"}.items()
}
_SPELLED["megaton"] = "megatonne"
_ABBREVIATED = {
    short: unit.strip()
    for unit, names in {
        "kilometer": "km Km", "meter": "m", "centimeter": "cm", "millimeter": "mm", "micrometer": "μm um",
        "nanometer": "nm", "kilogram": "kg Kg KG", "gram": "g", "milligram": "mg", "microgram": "μg", "tonne": "t",
        "liter": "l L", "milliliter": "ml mL", "centiliter": "cl cL", "deciliter": "dl dL", "foot": "ft", "inch": "in",
        "yard": "yd yds", "mile": "mi", "hour": "h", "second": "s", "millisecond": "ms", "microsecond": "μs",
        "nanosecond": "ns", "watt": "W", "kilowatt": "kW", "megawatt": "MW", "gigawatt": "GW", "terawatt": "TW",
        "volt": "V", "kilovolt": "kV", "millivolt": "mV", "ampere": "A", "milliampere": "mA", "hertz": "Hz",
        "kilohertz": "kHz", "megahertz": "MHz", "gigahertz": "GHz", "terahertz": "THz", "joule": "J",
        "kilojoule": "kJ", "megajoule": "MJ", "kilowatt*hour": "kWh", "watt*hour": "Wh", "megawatt*hour": "MWh",
        "newton": "N", "kilonewton": "kN", "pascal": "Pa", "hectopascal": "hPa", "kilopascal": "kPa",
        "megapascal": "MPa", "kilobyte": "kB KB", "megabyte": "MB", "gigabyte": "GB", "terabyte": "TB",
        "petabyte": "PB", "hectare": "ha", "kelvin": "K", "calorie": "cal", "kilocalorie": "kcal", "ohm": "Ω",
        "electron_volt": "eV", "light_year": "ly", "astronomical_unit": "AU au", "horsepower": "hp",
        "degC": "C", "degF": "F", "mole": "mol",
    }.items()
    for short in names.split()
}  # fmt: skip
# These are words or initials too, so nothing may follow them in the same phrase: "5 in", not "5 in 10".
_INITIALS = frozenset({"in", "A", "C", "F", "J", "K", "N", "V", "W", "au"})
_CONTENT = re.compile(r"[\s-](?!(?:of|or|and|to|per|is|at|for|which)\b)[A-Za-z0-9]")
_PHRASES = {
    r"light[\s-]years?": "light_year",
    r"nautical\smiles?": "nautical_mile",
    r"astronomical\sunits?": "astronomical_unit",
    r"degrees?\s(?:celsius|centigrade)|°\s?C|celsius|centigrade": "degC",
    r"degrees?\sfahrenheit|°\s?F|fahrenheit": "degF",
    r"(?:us|u\.s\.|american)\sdollars?": "USD",
    r"pounds?\ssterling": "GBP",
    r"(?:canadian)\sdollars?": "CAD",
    r"(?:australian)\sdollars?": "AUD",
    r"(?:japanese)\syen": "JPY",
    r"(?:chinese)\syuan": "CNY",
    r"(?:swiss)\sfrancs?": "CHF",
    r"(?:indian)\srupees?": "INR",
    r"(?:south\s)?korean\swon": "KRW",
    r"watt[\s-]hours?": "watt*hour",
    r"kilowatt[\s-]hours?": "kilowatt*hour",
    r"per\scent|percentage\spoints?": "percent",
}
_PHRASE = re.compile(rf"[\s-]?(?:{'|'.join(f'({phrase})' for phrase in _PHRASES)})(?![A-Za-z])", re.IGNORECASE)
_SIGN = re.compile(r"\s?(%|€|¢|£|\$|¥|°(?!\s?[CFcf](?![a-z]))|degrees?\b)")
_SIGNS = {"%": "percent", "€": "EUR", "¢": "USD/100", "£": "GBP", "$": "USD", "¥": "JPY"}
_WORD = re.compile(
    r"[\s\u2010-]?(?:(?P<before>square|sq\.?|cubic|cu\.?)[\s-])?(?P<word>[A-Za-zμΩ]+(?![a-zμ]))"
    rf"(?P<after>\^?[23](?![0-9])|[{SQUARED}{CUBED}]|\s(?:squared|cubed)\b)?\.?"
)
_PER = re.compile(r"\s?/\s?|\sper\s|\san?\s(?=(?:hour|second|minute|day|year)\b)")
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3, "2": 2, "3": 3, SQUARED: 2, CUBED: 3, "squared": 2, "cubed": 3}

_WITH_POWERS = ("meter", "mile", "foot", "inch", "yard", "second")

_BEFORE = re.compile(
    r"(?P<sign>(?<![\w)\]%°.,'-])[-\u2212]\s?)?(?:(?P<symbol>(?<![A-Za-z])(?:US|AU|CA|NZ|HK|A|C)?\$|€|£|¥)"
    r"|\b(?P<code>USD|EUR|GBP|JPY|CNY|INR|KRW|CHF|CAD|AUD))\s?$"
)
_SYMBOLS = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "A$": "AUD", "AU$": "AUD", "C$": "CAD"}
_SYMBOLS |= {"CA$": "CAD", "NZ$": "NZD", "HK$": "HKD"}

_KATAKANA_PREFIXES = {"": "", "キロ": "kilo", "センチ": "centi", "ミリ": "milli", "マイクロ": "micro", "ナノ": "nano"}
_KATAKANA_PREFIXES |= {"メガ": "mega", "ギガ": "giga", "テラ": "tera", "ヘクト": "hecto", "デシ": "deci"}
_KATAKANA = {"メートル": "meter", "グラム": "gram", "リットル": "liter", "ワット": "watt", "ボルト": "volt"}
_KATAKANA |= {"ヘルツ": "hertz", "バイト": "byte", "ビット": "bit", "パスカル": "pascal", "ジュール": "joule"}
_KATAKANA |= {"ニュートン": "newton", "アンペア": "ampere", "オーム": "ohm", "カロリー": "calorie", "トン": "tonne"}
_JAPANESE = {p + u: prefix + unit for p, prefix in _KATAKANA_PREFIXES.items() for u, unit in _KATAKANA.items()}
_JAPANESE |= {
    f"{word}{length}": f"{unit}**{power}"
    for word, power in (("平方", 2), ("立方", 3))
    for length, unit in {"メートル": "meter", "キロメートル": "kilometer", "キロ": "kilometer", "センチ": "centimeter",
                         "センチメートル": "centimeter", "マイル": "mile", "フィート": "foot"}.items()
}  # fmt: skip
_JAPANESE |= {
    name: unit
    for unit, names in {
        "centimeter": "センチ", "millimeter": "ミリ", "mile": "マイル", "foot": "フィート", "inch": "インチ",
        "yard": "ヤード", "pound": "ポンド", "ounce": "オンス", "gallon": "ガロン", "knot": "ノット",
        "hectare": "ヘクタール", "light_year": "光年", "atmosphere": "気圧", "kelvin": "ケルビン", "hour": "時間",
        "minute": "分間 分", "second": "秒間 秒", "day": "日間 日", "week": "週間", "year": "年間 年 か年",
        "month": "か月間 ヶ月間 カ月間 ヵ月間 ケ月間 か月 ヶ月 カ月 ヵ月 ケ月 箇月",
        "JPY": "円", "USD": "米ドル ドル", "EUR": "ユーロ", "CNY": "人民元", "KRW": "ウォン", "INR": "ルピー",
        "USD/100": "セント", "percent": "パーセント", "tenth": "割", "century": "世紀間",
    }.items()
    for name in names.split()
}  # fmt: skip
_JAPANESE_UNIT = re.compile(
    rf"\s?({'|'.join(sorted(map(re.escape, _JAPANESE), key=len, reverse=True))})"
    r"(?<!割(?=合))(?<!分(?=[野類析岐解担割]))(?<!円(?=[形周]))(?<!日(?=本))(?<!年(?=[生代度齢]))(?<!秒(?=針))"
)
_COUNTER = re.compile(
    r"\s?(?:人|名|個|本|枚|匹|頭|冊|台|回|つ|歳|才|羽|軒|件|杯|足|着|通|隻|機|票|組|曲|巻|話|章|社|校|点|倍|代|段|級|番|位|号|"
    r"階|[かヶカヵケ箇][国所]|種類|文字|作品|試合|勝|敗|行|語|度|キロ|戸|世帯|都市|カラット)(?P<nth>目)?(?!国志)"
)


def unit_before(folded: str, start: int) -> tuple[str, int, int]:
    """Unit, sign and beginning of the money sign that stands before a number; "" and 1 if there is none."""
    reach = max(0, start - 6)
    match = _BEFORE.search(folded[reach:start])
    if match is None:
        return "", 1, start
    unit = match["code"] or _SYMBOLS[match["symbol"]]
    return unit, -1 if match["sign"] else 1, reach + match.start()


def unit_after(folded: str, position: int) -> tuple[str, int]:
    """Unit that follows a number and its end; "" and the position if none does.

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
    """Match of the Japanese counter that follows a number; its group "nth" says that it is an ordinal."""
    return _COUNTER.match(folded, position)


@cache
def conversion(unit: str) -> tuple[float, float, str]:
    """Factor and offset that bring a unit to the base unit of its dimension, and the dimension's name.

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
        return list(_PHRASES.values())[(match.lastindex or 1) - 1], match.end()
    if (match := _SIGN.match(folded, position)) is not None:
        return _SIGNS.get(match[1], ""), match.end()
    if (match := _JAPANESE_UNIT.match(folded, position)) is not None:
        return _JAPANESE[match[1]], match.end()
    if (match := _WORD.match(folded, position)) is not None:
        return _word(folded, position, match)
    return "", position


def _word(folded: str, position: int, match: re.Match[str]) -> tuple[str, int]:
    word = match["word"]
    unit = _ABBREVIATED.get(word) or _SPELLED.get(word.lower()) or _SPELLED.get(word.lower().removesuffix("s"))
    if unit is None or (word in _INITIALS and _CONTENT.match(folded, match.end("word"))):
        return "", position
    unit = unit.strip()
    power = _POWERS.get((match["before"] or match["after"] or "").strip(" .^"))
    if power is None or not unit.endswith(_WITH_POWERS):
        return ("", position) if match["before"] else (unit, match.end("word"))
    return f"{unit}**{power}", match.end() if match["after"] else match.end("word")
