"""Amounts in short English or Japanese answers, and whether two of them say the same.

``quantities`` finds numbers with their units, ``comparable`` says whether two of them may be compared and
``same_quantity`` whether they are equal, up to rounding. Dates and clock times are not amounts: see
``thermolang.answers.rules.dates``. An English date, such as 4 July 1976, is still read as the numbers 4 and 1976; leave
out those whose span lies in the span of a moment.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from thermolang.answers.rules.numerals import CUBED, KANJI, SQUARED, Numeral, fold, is_whole, next_numeral

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
