"""Find and read numbers in short English or Japanese texts: digits, number words, fractions, Roman, kanji.

``next_numeral`` gives one number at a time; ``thermolang.answers.quantities`` adds magnitudes, units and money.
Texts must come from ``fold``. Every look at the surroundings of a number has a fixed reach, so that reading a text
takes time linear in its length.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass

from thermolang.answers.english_numbers import CARDINAL, FRACTION, ORDINAL, PARTS, VALUES, any_of, words_value
from thermolang.answers.grading import SMALL_NUMBERS
from thermolang.answers.japanese_numbers import DATE, KANJI, KANJI_PARTS, MIXED, kanji_value, mixed_value

# NFKC makes 10² a 102; one private character per superscript keeps both the meaning and all positions.
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", range(0xE0F0, 0xE0FC), strict=True))
_TO_PRIVATE = {ord(char): chr(code) for char, code in _SUPERSCRIPTS.items()}
_FROM_PRIVATE = dict(zip(_SUPERSCRIPTS.values(), "0123456789-+", strict=True))
SQUARED, CUBED = chr(_SUPERSCRIPTS["²"]), chr(_SUPERSCRIPTS["³"])

_DATE = (
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9])|[0-9]{1,2}\s?[AaPp]\.?[Mm]\b|[0-9]{1,3}0s\b"
    r"|[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])|[0-9]{1,2}[/.][0-9]{1,2}[/.](?:[0-9]{4}|[0-9]{2})(?![0-9])"
)
_DIGITS = (
    r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,12}(?![0-9])|[0-9]{1,3}(?:\x20[0-9]{3}){1,12}(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?!\.?[0-9])"
    r"|(?<![0-9])\.[0-9]+(?!\.?[0-9])"
)
_TEN_TO = r"10(?:(?:\^|\*\*)\(?(?P<{0}>[-+]?[0-9]{{1,4}})\)?|(?P<{0}_raised>[\ue0f0-\ue0fb]{{1,5}}))"
_NUMBER = re.compile(
    rf"(?P<parts>{KANJI_PARTS})|(?<![A-Za-z0-9_])(?<![A-Za-z]-)(?<![0-9]\.)(?:(?P<date>{_DATE}|{DATE})"
    r"|(?P<vulgar>(?P<whole>[0-9]{0,15}?)\s?(?P<over>[0-9])\u2044(?P<under>[0-9]{1,3}))"
    r"|(?P<slash>(?:(?P<wholes>[0-9]{1,4})\x20)?(?P<overs>[0-9]{1,4})/(?P<unders>[0-9]{1,4})(?![0-9/]))"
    rf"|(?P<power>{_TEN_TO.format('ten')})"
    rf"|(?P<mixed>{MIXED})"
    rf"|(?P<digits>{_DIGITS})(?:(?P<e>[eE][-+]?[0-9]{{1,5}}(?![0-9A-Za-z]))|\s?[\u00d7x*\u00b7\u22c5]\s?{_TEN_TO.format('times')})?"
    r"(?P<th>(?:st|nd|rd|th)\b)?)"
    rf"|(?i:\b(?P<fraction>{FRACTION})|\b(?P<half>half)\b|\b(?P<ordinal>{ORDINAL})|\b(?P<cardinal>{CARDINAL}))"
    r"|(?i:(?:\b|(?=ゼ))(?P<nothing>ゼロ|none|nothing|nil|nought|no(?=\s[a-z]+[a-rt-z]s\b|\s(?:people|children|men|women)\b)))\b"
    r"|(?i:\b(?P<article>an?)\s(?=[a-z]))"
    r"|(?P<roman>\b(?:(?i:chapter|part|king|queen|pope|war|volume|book|act|bowl|phase|type)\s(?P<after>[IVXLC]+)"
    r"|WW\s?(?P<nth>II?|[12])|[A-Z][a-z]+\s(?P<name>(?:[IVX]{2,8}|V)))\b(?![-.'][A-Za-z]))"
    rf"|(?P<kanji>[{KANJI}]{{1,30}})"
)
_POINT = re.compile(rf"\spoint((?:\s{any_of(SMALL_NUMBERS[:10])}\b){{1,15}})", re.IGNORECASE)
_WORD_END = re.compile(r"[\s\u2010-]")
_ROMAN = re.compile(r"(?=.)(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_FILLER = re.compile(
    r"(?:(?:about|around|approximately|approx\.?|roughly|nearly|almost|some|exactly|just|only|over|under|more than|"
    r"less than|at least|at most|up to|there (?:is|are|was|were)|it(?:'s| is| was| takes| took| lasts)|"
    r"the answer is|for|absolutely|約|およそ)\s?)*",
    re.IGNORECASE,
)
_NOT_A_HALF = re.compile(r"(?i:\b(?:first|second|latter|other|better|third|top|my|your|his|her)\s?)$")
_NOT_ONE = re.compile(r"(?i:\b(?:no|the|this|that|which|each|every|any|some|another|loved)[\s-])$")
_NOT_SECOND = re.compile(r"(?i:\b(?:an?|per|every|each|split|light)[\s-]|/\s?)$")


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
    """

    value: float
    resolution: float
    ordinal: bool
    start: int
    end: int
    doubtful: bool = False
    kanji: bool = False


def fold(text: str) -> str:
    """Return the NFKC form of a text, in which a superscript digit is one private character instead of a digit."""
    return unicodedata.normalize("NFKC", text.translate(_TO_PRIVATE))


def is_whole(folded: str, start: int, end: int) -> bool:
    """Whether a text says nothing outside the range but "about", "it is" and punctuation."""
    if start > 60 or len(folded) - end > 8:
        return False
    before = _FILLER.fullmatch(folded[:start].strip(" \"'「("))
    return before is not None and folded[end:].strip(" .!?。」\"')") in {"", "です", "だ", "である"}


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


def _next_word(folded: str, match: re.Match[str]) -> int:
    gap = _WORD_END.search(folded, match.start())
    return gap.end() if gap else match.end()


def _digits(folded: str, match: re.Match[str]) -> Numeral:
    written = match["digits"].replace(",", "").replace(" ", "")
    scale = float("1" + match["e"]) if match["e"] else _power(match, "times")
    decimals = len(written.partition(".")[2])
    sign, start = _sign(folded, match.start("digits"))
    value = sign * float(written) * scale
    return Numeral(value, 0.5 * 10.0 ** -min(decimals, 300) * scale, match["th"] is not None, start, match.end())


def _power(match: re.Match[str], name: str) -> float:
    exponent = match[name] or (match[f"{name}_raised"] or "0").translate(_FROM_PRIVATE)
    return float(f"1e{exponent}") if re.fullmatch(r"[-+]?[0-9]+", exponent) else math.nan


def _sign(folded: str, start: int) -> tuple[int, int]:
    minus = re.search(r"(?:^|(?<![\w)\]%°.,'-]))[-\u2212]$", folded[max(0, start - 2) : start])
    return (-1, start - 1) if minus else (1, start)


def _ten(folded: str, match: re.Match[str]) -> Numeral:
    return Numeral(_power(match, "ten"), 0.0, False, match.start(), match.end())


def _mixed(folded: str, match: re.Match[str]) -> Numeral:
    sign, start = _sign(folded, match.start())
    value, resolution = mixed_value(match[0])
    return Numeral(sign * value, resolution, False, start, match.end())


def _vulgar(folded: str, match: re.Match[str]) -> Numeral | None:
    whole, over, under = match["whole"] or "0", int(match["over"]), int(match["under"])
    return Numeral(int(whole) + over / under, 0.0, False, match.start(), match.end()) if under else None


def _slash(folded: str, match: re.Match[str]) -> Numeral | None:
    over, under = int(match["overs"]), int(match["unders"])
    if under == 0 or match["slash"] in {"9/11", "24/7"} or (over >= under and under > 10):
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
    return Numeral((top or 1) / PARTS[bottom], 0.0, False, match.start(), match.end())


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
    "power": _ten,
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
