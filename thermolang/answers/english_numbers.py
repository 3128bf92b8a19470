"""English number words: what cardinals, ordinals and fractions look like (as regular expressions), and their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


SMALL_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
SMALL_NUMBERS += ["eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"]
SMALL_NUMBERS += ["nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def any_of(words: Iterable[str]) -> str:
    """Return a pattern that matches any of the words."""
    return f"(?:{'|'.join(words)})"


VALUES = {word: value for value, word in enumerate(SMALL_NUMBERS)}
VALUES |= {word: 10 * value for value, word in enumerate(TENS, start=2)}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_IRREGULAR = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
_IRREGULAR |= {"twelve": "twelfth"}
ORDINALS = {
    _IRREGULAR.get(word, word.removesuffix("y") + "ie" * word.endswith("y") + "th"): word
    for word in [*SMALL_NUMBERS[1:], *TENS, *_SCALES]
}
PARTS = {"half": 2, "halve": 2, "quarter": 4} | {
    word: (VALUES | _SCALES)[name] for word, name in ORDINALS.items() if word not in {"first", "second"}
}

_GAP = r"[\s\u2010-]"
_UNIT_WORD, _SCALE = any_of(SMALL_NUMBERS[1:10]), any_of(list(_SCALES)[1:])
_B100 = rf"(?:{any_of(TENS)}(?:{_GAP}{_UNIT_WORD}\b)?|{any_of(SMALL_NUMBERS[1:])})\b"
_LAST = rf"{_B100}(?!{_GAP}{any_of(_SCALES)}\b)"
_B1000 = rf"(?:(?:{_B100}|an?){_GAP}hundred\b(?:{_GAP}(?:and{_GAP})?{_LAST})?|{_B100})"
_YEAR = (
    rf"{any_of([*SMALL_NUMBERS[13:], 'twenty'])}{_GAP}"
    rf"(?:{any_of(TENS)}(?:{_GAP}{_UNIT_WORD}\b)?|{any_of(SMALL_NUMBERS[10:])})\b"
)
CARDINAL = (
    rf"(?:(?:{_B1000}|an?){_GAP}{_SCALE}\b(?:{_GAP}{_B1000}{_GAP}{_SCALE}\b)*(?:{_GAP}(?:and{_GAP})?{_B1000}\b)?"
    rf"|{_YEAR}|{_B1000}|zero\b)"
)
_SMALL_ORDINAL = any_of(list(ORDINALS)[: len(SMALL_NUMBERS) - 1 + len(TENS)])
ORDINAL = (
    rf"(?:(?:{_B1000}{_GAP}{_SCALE}\b{_GAP}(?:and{_GAP})?)?(?:(?:{_B100}|an?){_GAP}hundred{_GAP}(?:and{_GAP})?)?"
    rf"(?:{any_of(TENS)}{_GAP})?{_SMALL_ORDINAL}|(?:{_B1000}{_GAP})?{any_of(list(ORDINALS)[-5:])})\b"
)
FRACTION = rf"(?P<top>{_B100}|an?\b){_GAP}(?P<bottom>{any_of(PARTS)})(?P<plural>s?)\b"


def words_value(words: str) -> int:
    """Value of a cardinal or ordinal in words; 0 if no word of it is a number.

    Example:
        >>> words_value("three hundred and five"), words_value("Twenty-first")
        (305, 21)
    """
    total = section = 0
    for word in re.split(rf"{_GAP}(?:and{_GAP})?", words.lower()):
        name = ORDINALS.get(word, word)
        if name == "hundred":
            section = (section or 1) * 100
        elif name in _SCALES:
            total, section = total + (section or 1) * _SCALES[name], 0
        else:
            value = VALUES.get(name, 0)
            # "nineteen ninety-five" is a year; no other number has two such words in a row.
            section = section * 100 + value if 13 <= section <= 20 and value >= 10 else section + value
    return total + section
