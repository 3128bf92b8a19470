"""Numbers in short English or Japanese texts: digits, number words, fractions, Roman and kanji numerals.

``next_numeral`` gives one number at a time; ``thermolang.answers.rules.quantities`` adds magnitudes, units and money.
Texts must come from ``digits.fold_math``. Every look at the surroundings of a number has a fixed reach, so that
reading a text takes time linear in its length. The tables are in ``data/numerals.toml``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from thermolang.answers.rules.digits import BAR, DASHES, TOKEN, raised, readings
from thermolang.answers.rules.tables import any_of, pattern, read_table, word_set

_TABLE = read_table("numerals")
_AROUND = _TABLE["around"]

# English words.
SMALL_NUMBERS: list[str] = _TABLE["small"].split()
TENS: list[str] = _TABLE["tens"].split()
VALUES = {word: value for value, word in enumerate(SMALL_NUMBERS)}
VALUES |= {word: 10 * value for value, word in enumerate(TENS, start=2)}
_SCALES: dict[str, int] = _TABLE["scales"]
_ORDINALS = {
    _TABLE["ordinals"].get(word, word.removesuffix("y") + "ie" * word.endswith("y") + "th"): word
    for word in [*SMALL_NUMBERS[1:], *TENS, *_SCALES]
}
_PARTS: dict[str, int] = _TABLE["parts"] | {
    word: (VALUES | _SCALES)[name] for word, name in _ORDINALS.items() if word not in word_set(_AROUND["no_parts"])
}
_NO_FRACTIONS = word_set(_AROUND["no_fractions"])

_GAP = r"[\s\u2010-]"
_UNIT_WORD, _SCALE = any_of(SMALL_NUMBERS[1:10]), any_of(list(_SCALES)[1:])
_B100 = rf"(?:{any_of(TENS)}(?:{_GAP}{_UNIT_WORD}\b)?|{any_of(SMALL_NUMBERS[1:])})\b"
_LAST = rf"{_B100}(?!{_GAP}{any_of(_SCALES)}\b)"
_B1000 = rf"(?:(?:{_B100}|an?){_GAP}hundred\b(?:{_GAP}(?:and{_GAP})?{_LAST})?|{_B100})"
_YEAR = (
    rf"{any_of([*SMALL_NUMBERS[13:], 'twenty'])}{_GAP}"
    rf"(?:{any_of(TENS)}(?:{_GAP}{_UNIT_WORD}\b)?|{any_of(SMALL_NUMBERS[10:])})\b"
)
_CARDINAL = (
    rf"(?:(?:{_B1000}|an?){_GAP}{_SCALE}\b(?:{_GAP}{_B1000}{_GAP}{_SCALE}\b)*(?:{_GAP}(?:and{_GAP})?{_B1000}\b)?"
    rf"|{_YEAR}|{_B1000}|zero\b)"
)
_SMALL_ORDINAL = any_of(list(_ORDINALS)[: len(SMALL_NUMBERS) - 1 + len(TENS)])
ORDINAL = (
    rf"(?:(?:{_B1000}{_GAP}{_SCALE}\b{_GAP}(?:and{_GAP})?)?(?:(?:{_B100}|an?){_GAP}hundred{_GAP}(?:and{_GAP})?)?"
    rf"(?:{any_of(TENS)}{_GAP})?{_SMALL_ORDINAL}|(?:{_B1000}{_GAP})?{any_of(list(_ORDINALS)[-len(_SCALES) :])})\b"
)
_FRACTION = rf"(?P<top>{_B100}|an?\b){_GAP}(?P<bottom>{any_of(_PARTS)})(?P<plural>s?)\b"

# Kanji.
_SMALL: dict[str, int] = _TABLE["kanji"]["small"]
_BIG: dict[str, int] = _TABLE["kanji"]["big"]
_KANJI_VALUES = str.maketrans(_TABLE["kanji"]["digits"], _TABLE["kanji"]["values"])
KANJI_DIGITS = _TABLE["kanji"]["digits"] + "".join(_SMALL)
KANJI_NUMERALS = KANJI_DIGITS + "".join(_BIG)
_N = f"[0-9{KANJI_DIGITS}]"
_ERAS = "|".join(read_table("dates")["eras"])

# Years, months, days of a month and clock times; durations (3年, 三日間, 2時間) are not among them.
_JAPANESE_DATE = (
    rf"(?:紀元前|西暦|{_ERAS})\s?(?:元|{_N}{{1,8}})年?(?:{_N}{{1,3}}月)?(?:{_N}{{1,3}}日)?"
    rf"|(?:[12][0-9]{{3}}|[一二][〇零一二三四五六七八九]{{3}}|千{_N}{{1,7}})年(?![間前])(?:{_N}{{1,3}}月)?(?:{_N}{{1,3}}日)?"
    rf"|{_N}{{1,3}}月(?!間)(?:{_N}{{1,3}}日)?|{_N}{{1,3}}時(?!間)(?:{_N}{{1,3}}分)?(?:{_N}{{1,3}}秒)?"
    rf"|{_N}{{1,3}}世紀(?!間)|{_N}{{1,4}}年代"
)
_KANJI_PARTS = rf"(?<!{_N}){_N}{{1,6}}分の{_N}{{1,6}}"
_MIXED = r"[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?[百千万億兆]+(?:[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?[百千万億兆]*){0,4}"

_DATE = (
    rf"(?:紀元前|西暦|{_ERAS})\s?(?:元|{_N}{{1,8}})年?(?:{_N}{{1,3}}月)?(?:{_N}{{1,3}}日)?"
    rf"|(?:[12][0-9]{{3}}|[一二][〇零一二三四五六七八九]{{3}}|千{_N}{{1,7}})年(?![間前])(?:{_N}{{1,3}}月)?(?:{_N}{{1,3}}日)?"
    rf"|{_N}{{1,3}}月(?!間)(?:{_N}{{1,3}}日)?|{_N}{{1,3}}時(?!間)(?:{_N}{{1,3}}分)?(?:{_N}{{1,3}}秒)?"
    rf"|{_N}{{1,3}}世紀(?!間)|{_N}{{1,4}}年代"
)
_KANJI_PARTS = rf"(?<!{_N}){_N}{{1,6}}分の{_N}{{1,6}}"
_MIXED = r"[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?[百千万億兆]+(?:[0-9][0-9,]{0,30}(?:\.[0-9]{1,30})?[百千万億兆]*){0,4}"

# NFKC makes 10² a 102; one private character per superscript keeps both the meaning and all positions.
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", range(0xE0F0, 0xE0FC), strict=True))
_TO_PRIVATE = {ord(char): chr(code) for char, code in _SUPERSCRIPTS.items()}
_FROM_PRIVATE = dict(zip(_SUPERSCRIPTS.values(), "0123456789-+", strict=True))
SQUARED, CUBED = chr(_SUPERSCRIPTS["²"]), chr(_SUPERSCRIPTS["³"])

_DATE = (
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9])|[0-9]{1,2}\s?[AaPp]\.?[Mm]\b|[0-9]{1,3}0s\b"
    r"|[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])|[0-9]{1,2}[/.][0-9]{1,2}[/.](?:[0-9]{4}|[0-9]{2})(?![0-9])"
)
_TERM = r"[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,6}(?:\.[0-9]{1,4})?"
_RATIO = rf"(?P<left>{_TERM})\s?[:\u5bfe]\s?(?P<right>{_TERM})(?![0-9:.]|,[0-9])"
_BARRED = rf"(?:(?P<units>[0-9]{{1,9}})\x20)?(?P<top_of>-?[0-9.]{{1,20}}){BAR}(?P<bottom_of>-?[0-9.]{{1,20}})"
_POWER = (
    r"(?P<base>[0-9]{1,6}(?:\.[0-9]{1,6})?)(?:\^|\*\*)\(?(?P<to>[-+]?[0-9]{1,4})\)?"
    r"|(?P<short_base>[0-9]{1,3}(?:\.[0-9]{1,6})?)(?P<to_raised>[\ue0f0-\ue0fb]{1,5})"
)
_ROOT = r"(?P<times_root>[0-9]{1,4})?\u221a\(?(?P<radicand>[0-9]{1,9}(?:\.[0-9]{1,6})?)\)?"
_TEN_TO = r"10(?:(?:\^|\*\*)\(?(?P<{0}>[-+]?[0-9]{{1,4}})\)?|(?P<{0}_raised>[\ue0f0-\ue0fb]{{1,5}}))"
_NO = r"no(?=\s[a-z]+[a-rt-z]s\b|\s(?:people|children|men|women)\b)"
_NUMBER = re.compile(
    rf"(?P<parts>{_KANJI_PARTS})|(?<![A-Za-z0-9_])(?<![A-Za-z]-)(?<![0-9]\.)(?:(?P<date>{_DATE}|{_JAPANESE_DATE})"
    r"|(?P<vulgar>(?P<whole>[0-9]{0,15}?)\s?(?P<over>[0-9])\u2044(?P<under>[0-9]{1,3}))"
    r"|(?P<slash>(?:(?P<wholes>[0-9]{1,4})\x20)?(?P<overs>[0-9]{1,4})/(?P<unders>[0-9]{1,4})(?![0-9/]))"
    rf"|(?P<bar>{_BARRED})|(?P<ratio>{_RATIO})|(?P<power>{_POWER})|(?P<root>{_ROOT})"
    rf"|(?P<mixed>{_MIXED})"
    rf"|(?P<digits>{TOKEN})(?:(?P<e>[eE][-+]?[0-9]{{1,5}}(?![0-9A-Za-z]))|\s?[\u00d7x*\u00b7\u22c5]\s?{_TEN_TO.format('times')})?"
    r"(?P<th>(?:st|nd|rd|th)\b)?)"
    rf"|(?i:\b(?P<fraction>{_FRACTION})|\b(?P<half>half)\b|\b(?P<ordinal>{ORDINAL})|\b(?P<cardinal>{_CARDINAL}))"
    rf"|(?i:(?:\b|(?=ゼ))(?P<nothing>{'|'.join(_AROUND['zero'].split())}|{_NO}))\b"
    r"|(?i:\b(?P<article>an?)\s(?=[a-z]))"
    rf"|(?P<roman>\b(?:(?i:{'|'.join(_AROUND['roman'].split())})\s(?P<after>[IVXLC]+)"
    r"|WW\s?(?P<nth>II?|[12])|[A-Z][a-z]+\s(?P<name>(?:[IVX]{2,8}|V)))\b(?![-.'][A-Za-z]))"
    rf"|(?P<kanji>[{KANJI_NUMERALS}]{{1,30}})"
)
_POINT = re.compile(rf"\spoint((?:\s{any_of(SMALL_NUMBERS[:10])}\b){{1,15}})", re.IGNORECASE)
_WORD_END = re.compile(r"[\s\u2010-]")
_MINUS = re.compile(rf"(?:^|(?<![\w)\]%°.,'-]))[{DASHES}▲△▼]$")
_SPACED_MINUS = re.compile(rf"\(?(?!-)[{DASHES}]\x20")
_EURO = re.compile(r"€|EUR\b|Euros?\b|euros?\b|ユーロ")
_FIRST = re.compile(r"[0-9.]+(?=[,\x20'\u2019]|$)")
_ROMAN = re.compile(r"(?=.)(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_FILLER = re.compile(rf"(?:(?:{pattern(_AROUND['before'])})\s?)*", re.IGNORECASE)
_WHOLE_END = {"", *_AROUND["after"].split()}
_NOT_A_HALF = re.compile(rf"(?i:\b{any_of(_AROUND['before_half'].split())}\s?)$")
_NOT_ONE = re.compile(rf"(?i:\b{any_of(_AROUND['before_one'].split())}[\s-])$")
_NOT_SECOND = re.compile(rf"(?i:\b{any_of(_AROUND['before_second'].split())}[\s-]|/\s?)$")


@dataclass(frozen=True)
class Numeral:
    """A number as it stands in a text.

    Attributes:
        value: What it says.
        resolution: Half a unit of the last digit written; 0 for words and fractions.
        ordinal: Whether it says which one, not how many.
        start: Where it begins.
        end: Where it ends.
        doubtful: Whether it counts only together with a unit or as the whole answer ("a", "half").
        kanji: Whether it is written in kanji only, which counts only before a counter or as the whole answer.
        ratio: Whether it is a ratio, such as 1:3.
        other: What it says, with its resolution, if its marks are read in the other way (1.234); None if none is.
    """

    value: float
    resolution: float
    ordinal: bool
    start: int
    end: int
    doubtful: bool = False
    kanji: bool = False
    ratio: bool = False
    other: tuple[float, float] | None = None


def is_whole(folded: str, start: int, end: int) -> bool:
    """Return whether a text says nothing outside the range but "about", "it is" and punctuation."""
    if start > 60 or len(folded) - end > 8:
        return False
    before = _FILLER.fullmatch(folded[:start].strip(" \"'「("))
    return before is not None and folded[end:].strip(" .!?。」\"')") in _WHOLE_END


def next_numeral(folded: str, position: int) -> Numeral | None:
    """Return the first number at or after a position, or None.

    Example:
        >>> next_numeral("about twenty-one days", 0).value, next_numeral("第二次", 0).value
        (21, 2)
    """
    while match := _NUMBER.search(folded, position):
        kind = next(name for name in _READERS if match[name] is not None)
        numeral = _READERS[kind](folded, match)
        if numeral is not None and math.isfinite(numeral.value) and math.isfinite(numeral.resolution):
            return numeral
        position = match.end() if kind not in {"fraction", "article", "roman"} else _next_word(folded, match)
    return None


def words_value(written: str) -> int:
    """Return the value of a cardinal or ordinal in words; 0 if no word of it is a number.

    Example:
        >>> words_value("three hundred and five"), words_value("Twenty-first")
        (305, 21)
    """
    total = section = 0
    for word in re.split(rf"{_GAP}(?:and{_GAP})?", written.lower()):
        name = _ORDINALS.get(word, word)
        if name == "hundred":
            section = (section or 1) * 100
        elif name in _SCALES:
            total, section = total + (section or 1) * _SCALES[name], 0
        else:
            value = VALUES.get(name, 0)
            # "nineteen ninety-five" is a year; no other number has two such words in a row.
            section = section * 100 + value if 13 <= section <= 20 and value >= 10 else section + value
    return total + section


def kanji_value(numeral: str) -> int | None:
    """Return the value of a numeral in kanji or digits, positional (二〇二六) or not (二千二十六); None if it is none.

    Example:
        >>> kanji_value("三千五百万"), kanji_value("一九九五"), kanji_value("二十十")
        (35000000, 1995, None)
    """
    if not numeral:
        return None
    digits = numeral.translate(_KANJI_VALUES)
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
    """Return the value of digits with kanji scales, and half a unit of the last digit written.

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


def _next_word(folded: str, match: re.Match[str]) -> int:
    gap = _WORD_END.search(folded, match.start())
    return gap.end() if gap else match.end()


def _digits(folded: str, match: re.Match[str]) -> Numeral | None:
    written, end = match["digits"], match.end()
    exponent = match["e"] or match["times"] or match["times_raised"]
    listed = re.search(r"[0-9],$", folded[max(0, match.start() - 2) : match.start()]) is not None
    said = readings(written, thousands=bool(_EURO.search(folded, max(0, match.start() - 5), end + 5)))
    if not said or (listed and not written.isdigit()):
        first = _FIRST.match(written)
        said = readings(first[0]) if first else ()
        if first is None or not said:
            return None  # 1.2.3 is a version
        exponent, end = None, match.start("digits") + first.end()
    scale = 1.0 if exponent is None else float("1" + match["e"]) if match["e"] else _ten_to(match, "times")
    sign, start = _sign(folded, match.start("digits"))
    (value, resolution), *others = ((sign * float(d) * scale, _half_digit(d) * scale) for d in said)
    return Numeral(
        value,
        resolution,
        match["th"] is not None,
        start,
        end,
        other=others[0] if others and exponent is None else None,
    )


def _half_digit(decimal: str) -> float:
    """Half a unit of the last digit of a plain decimal number."""
    return 0.5 * 10.0 ** -min(len(decimal.partition(".")[2]), 300)


def _ten_to(match: re.Match[str], name: str) -> float:
    exponent = match[name] or raised(match[f"{name}_raised"])
    return float(f"1e{exponent}") if re.fullmatch(r"[-+]?[0-9]+", exponent) else math.nan


def _sign(folded: str, start: int) -> tuple[int, int]:
    before = folded[max(0, start - 2) : start]
    if _MINUS.search(before):
        return -1, start - 1
    # A hyphen and a gap begin an item of a list; any other dash there is rather a minus sign.
    if start <= 3 and _SPACED_MINUS.fullmatch(folded[:start]):
        return -1, 0
    return 1, start


def _power(folded: str, match: re.Match[str]) -> Numeral | None:
    base, exponent = float(match["base"] or match["short_base"]), match["to"] or raised(match["to_raised"] or "")
    if not re.fullmatch(r"[-+]?[0-9]{1,4}", exponent) or base == 0 or abs(int(exponent) * math.log10(base)) > 300:
        return None
    sign, start = _sign(folded, match.start())
    return Numeral(sign * base ** int(exponent), 0.0, False, start, match.end())


def _root(folded: str, match: re.Match[str]) -> Numeral:
    sign, start = _sign(folded, match.start())
    value = float(match["times_root"] or 1) * math.sqrt(float(match["radicand"]))
    return Numeral(sign * value, 0.0, False, start, match.end())


def _bar(folded: str, match: re.Match[str]) -> Numeral | None:
    try:
        part = float(match["top_of"]) / float(match["bottom_of"])
    except (ValueError, ZeroDivisionError):
        return None
    sign, start = _sign(folded, match.start())
    return Numeral(sign * (float(match["units"] or 0) + part), 0.0, False, start, match.end())


def _ratio(folded: str, match: re.Match[str]) -> Numeral | None:
    left, right = (float(match[side].replace(",", "")) for side in ("left", "right"))
    return Numeral(left / right, 0.0, False, match.start(), match.end(), ratio=True) if right else None


def _mixed(folded: str, match: re.Match[str]) -> Numeral:
    sign, start = _sign(folded, match.start())
    value, resolution = mixed_value(match[0])
    return Numeral(sign * value, resolution, False, start, match.end())


def _vulgar(folded: str, match: re.Match[str]) -> Numeral | None:
    whole, over, under = match["whole"] or "0", int(match["over"]), int(match["under"])
    return Numeral(int(whole) + over / under, 0.0, False, match.start(), match.end()) if under else None


def _slash(folded: str, match: re.Match[str]) -> Numeral | None:
    over, under = int(match["overs"]), int(match["unders"])
    if under == 0 or match["slash"] in _NO_FRACTIONS or (over >= under and under > 10):
        return None
    sign, start = _sign(folded, match.start())
    return Numeral(sign * (int(match["wholes"] or 0) + over / under), 0.0, False, start, match.end())


def _fraction(folded: str, match: re.Match[str]) -> Numeral | None:
    top = words_value(match["top"])
    after = folded[match.end() : match.end() + 6].lower()
    article = top == 0
    if (top > 1) != bool(match["plural"]) or re.match(r"\s(?:to|past|after)\b", after):
        return None
    bottom = match["bottom"].lower()
    if article and bottom not in {"half", "quarter"} and not re.match(r"\s*$|\s?[.,;!?)]|\sof\b", after):
        return None
    return Numeral((top or 1) / _PARTS[bottom], 0.0, False, match.start(), match.end())


def _half(folded: str, match: re.Match[str]) -> Numeral | None:
    before, after = folded[max(0, match.start() - 8) : match.start()], folded[match.end() : match.end() + 6]
    if _NOT_A_HALF.search(before):
        return None
    tail = re.match(r"\s(?:an?\s|of\b|the\b)", after, re.IGNORECASE)
    joined = len(tail[0]) if tail and tail[0].strip().lower() in {"a", "an"} else 0
    return Numeral(0.5, 0.0, False, match.start(), match.end() + joined, doubtful=tail is None)


def _ordinal(folded: str, match: re.Match[str]) -> Numeral | None:
    word = match["ordinal"].lower()
    before, after = folded[max(0, match.start() - 8) : match.start()], folded[match.end() : match.end() + 7].lower()
    if word == "second" and _NOT_SECOND.search(before):
        return None
    if word == "first" and (before.lower().endswith("at ") or after.startswith((" of all", "-"))):
        return None
    return Numeral(words_value(word), 0.0, True, match.start(), match.end())


def _cardinal(folded: str, match: re.Match[str]) -> Numeral | None:
    if match["cardinal"].lower() == "one":
        before = folded[max(0, match.start() - 9) : match.start()]
        after = re.match(
            r"(?i:\s(?:of|another|who|that)\b|'s|-(?:way|off|sided))", folded[match.end() : match.end() + 9]
        )
        if after or _NOT_ONE.search(before):
            return None
    value = words_value(match["cardinal"])
    if (decimals := _POINT.match(folded, match.end())) is None:
        return Numeral(value, 0.0, False, match.start(), match.end())
    digits = "".join(str(VALUES[word]) for word in decimals[1].lower().split())
    return Numeral(float(f"{value}.{digits}"), 0.5 * 10.0 ** -len(digits), False, match.start(), decimals.end())


def _nothing(folded: str, match: re.Match[str]) -> Numeral | None:
    before, word = folded[: match.start()] if match.start() <= 60 else "-", match["nothing"].lower()
    none_of = word == "none" and folded[match.end() : match.end() + 4].lower() == " of "
    if word != "no" and not is_whole(folded, *match.span()) and not (none_of and _FILLER.fullmatch(before)):
        return None
    return Numeral(0.0, 0.0, False, match.start(), match.end())


def _article(folded: str, match: re.Match[str]) -> Numeral:
    return Numeral(1.0, 0.0, False, match.start(), match.end(), doubtful=True)


def _roman(folded: str, match: re.Match[str]) -> Numeral | None:
    group = next(name for name in ("after", "nth", "name") if match[name])
    if match[group].isdigit():
        return Numeral(int(match[group]), 0.0, True, match.start(group), match.end())
    if not _ROMAN.fullmatch(match[group]):
        return None
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[char] for char in match[group]]
    total = sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))
    return Numeral(total, 0.0, True, match.start(group), match.end())


def _parts(folded: str, match: re.Match[str]) -> Numeral | None:
    under, over = (kanji_value(part) for part in match["parts"].split("分の"))
    return Numeral(over / under, 0.0, False, match.start(), match.end()) if under and over is not None else None


def _kanji(folded: str, match: re.Match[str]) -> Numeral | None:
    value = kanji_value(match["kanji"])
    return None if value is None else Numeral(value, 0.0, False, match.start(), match.end(), kanji=True)


_READERS = {
    "date": lambda folded, match: None,
    "vulgar": _vulgar,
    "slash": _slash,
    "bar": _bar,
    "ratio": _ratio,
    "power": _power,
    "root": _root,
    "mixed": _mixed,
    "digits": _digits,
    "fraction": _fraction,
    "half": _half,
    "ordinal": _ordinal,
    "cardinal": _cardinal,
    "nothing": _nothing,
    "article": _article,
    "roman": _roman,
    "parts": _parts,
    "kanji": _kanji,
}
