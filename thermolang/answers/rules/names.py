"""Names of people, places and bodies: initials, acronyms, legal forms, and names that share a word but are others'."""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass

from rapidfuzz.fuzz import ratio

from thermolang.answers.rules.tables import by_word, read_table, word_set

_TABLE = read_table("names")
_HONORIFICS = word_set(_TABLE["honorifics"])
_WOMEN = word_set(_TABLE["women"])
_MEN = word_set(_TABLE["men"])
_DEGREES = word_set(_TABLE["degrees"])
_LEGAL_FORMS = by_word(_TABLE["legal_forms"])
_PARTICLES = word_set(_TABLE["particles"])
_NICKNAMES = tuple(word_set(group) for group in _TABLE["nicknames"])

SAME_SPELLING = 80.0
"""From this share of equal letters, in per cent, two words are taken for spellings of one (Skłodowska, Sklodowska)."""

_MOST_WORDS = 6

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*\.?")
_OPENING = re.compile(r"^(?:it|this|that|the (?:correct )?answer)(?:['\u2019]s| is| was) ", re.IGNORECASE)
# Signs tell answers apart: C++ is not C, and O+ is not O-.
_DOCTORATE = re.compile(r"\bPh\. ?D\.?(?!\w)")
_NOT_LETTERS = re.compile(r"[\d?!:;()\[\]\"\u201c\u201d/+#=<>%$^\u2212]|-(?!\w)")


@dataclass(frozen=True)
class Name:
    """An answer that is nothing but a name.

    Attributes:
        words: Casefolded words without accents, particles, and honorifics that stand before another word.
        acronym: The letters, if it is one all-capital word such as NASA or U.S.; else empty.
        linked: Whether particles such as "of" join its words, so that their order counts.
        sex: Of the honorific: "f", "m" or empty.
        legal: The legal form of a company, such as "corporation"; it is none of the words.
    """

    words: tuple[str, ...]
    acronym: str = ""
    linked: bool = False
    sex: str = ""
    legal: str = ""


def name_of(text: str) -> Name | None:
    """Return the name that an answer is, or None if it is anything else.

    Example:
        >>> name_of("President Barack Obama").words, name_of("the U.S.").acronym, name_of("a blue car")
        (('barack', 'obama'), 'us', None)
        >>> name_of("Acme Corp.").words, name_of("Acme Corp.").legal
        (('acme',), 'corporation')
    """
    if len(text) > 100 or _NOT_LETTERS.search(text):
        return None
    text = _DOCTORATE.sub("PhD", _OPENING.sub("", text.strip()))
    acronym = re.fullmatch(r"(?:[Tt]he )?((?:[A-Z]\.?){2,5})", text)
    if acronym:
        letters = acronym[1].replace(".", "").lower()
        return Name((letters,), letters)
    found = _WORD.findall(text)
    if not 1 <= len(found) <= _MOST_WORDS + 2 or not all(w[0].isupper() or w.lower() in _PARTICLES for w in found):
        return None
    folded = _without_degrees([w for w in map(_letters, found) if w])
    folded, legal = _without_legal_form(folded)
    titles = {w for w, after in itertools.pairwise(folded) if w in _HONORIFICS and after not in _PARTICLES}
    words = tuple(w for w in folded if w not in titles | _PARTICLES)
    if not 1 <= len(words) <= _MOST_WORDS:
        return None
    sex = "f" if titles & _WOMEN else "m" if titles & _MEN else ""
    return Name(words, linked=not _PARTICLES.isdisjoint(folded[1:]), sex=sex, legal=legal)


def same_name(a: Name, b: Name) -> bool:
    """Return whether two names surely are one.

    They share a word beside initials and nicknames, or one is an acronym of the other.

    Example:
        >>> same_name(name_of("W. Shakespeare"), name_of("William Shakespeare"))
        True
    """
    if a.acronym or b.acronym:
        return a.acronym == b.acronym or _abbreviates(a, b) or _abbreviates(b, a)
    if len(a.words) != len(b.words) or {a.sex, b.sex} == {"f", "m"} or (a.legal and b.legal and a.legal != b.legal):
        return False
    if sorted(a.words) == sorted(b.words):
        return a.words == b.words or not (a.linked or b.linked)
    # The last word is no initial: type A is not type AB.
    pairs = list(zip(a.words, b.words, strict=True))
    equal = any(x == y and len(x) > 1 for x, y in pairs)
    x, y = pairs[-1]
    return equal and all(_stands_for(*pair) for pair in pairs) and (x == y or min(len(x), len(y)) > 1)


def other_name(a: Name, b: Name) -> bool:
    """Return whether two names surely are not one.

    They share a word and differ in another of the same place, or they are Mr and Mrs.

    Example:
        >>> other_name(name_of("North Korea"), name_of("South Korea"))
        True
    """
    if a.acronym and b.acronym:
        return len(a.acronym) == len(b.acronym) and a.acronym != b.acronym
    if a.words == b.words and {a.sex, b.sex} == {"f", "m"}:
        return True
    if len(a.words) != len(b.words) or len(a.words) < 2 or sorted(a.words) == sorted(b.words):
        return False
    pairs = list(zip(a.words, b.words, strict=True))
    differs = any(not _stands_for(x, y) and ratio(x, y) < SAME_SPELLING for x, y in pairs)
    return differs and any(x == y and len(x) > 1 for x, y in pairs)


def _without_degrees(words: list[str]) -> list[str]:
    while len(words) > 2 and words[-1] in _DEGREES:
        words = words[:-1]
    return words


def _without_legal_form(words: list[str]) -> tuple[list[str], str]:
    """The words of a company's name, and the last part of its legal form ("Co., Ltd.")."""
    legal = ""
    while len(words) > 1 and words[-1] in _LEGAL_FORMS and words[-2] not in _PARTICLES:
        legal = legal or _LEGAL_FORMS[words[-1]]
        words = words[:-1]
    return words, legal


def _stands_for(x: str, y: str) -> bool:
    if x == y or (min(len(x), len(y)) == 1 and x[0] == y[0]):
        return True
    return any(x in group and y in group for group in _NICKNAMES)


def _abbreviates(short: Name, long: Name) -> bool:
    return bool(short.acronym) and len(long.words) > 1 and "".join(w[0] for w in long.words) == short.acronym


def _letters(word: str) -> str:
    """The letters of a word, casefolded and without accents."""
    plain = unicodedata.normalize("NFKD", word.casefold().replace("ł", "l").replace("ø", "o"))
    return "".join(c for c in plain if c.isalpha()).casefold()
