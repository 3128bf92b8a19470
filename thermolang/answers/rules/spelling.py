"""One canonical spelling for answers that differ in nothing but their spelling.

``normalize`` is the plain one, after SQuAD. ``normal_form`` goes further: marks that carry meaning are spelled out
(C++ is not C, -5 is not 5), accents, British spellings and opening phrases ("The answer is") go, and Japanese is joined
and folded. ``keys`` adds what needs more than one spelling: lists in any order, compounds, Japanese readings. Two
answers are surely the same if ``share_key`` says so; if not, nothing is known.
"""

from __future__ import annotations

import functools
import importlib
import re
import threading
import unicodedata
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from thermolang.answers.rules.tables import any_of, pattern, read_table, replacements, word_set

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")
_TABLE = read_table("spelling")
_ARTICLES = word_set(_TABLE["articles"])
_NO_LIST_WORDS = word_set(_TABLE["no_list_words"])
_NO_PARTS = word_set(_TABLE["no_parts"])
_LATIN_LETTERS = str.maketrans(_TABLE["letters"])
_SIGNS: dict[str, str] = _TABLE["signs"]
_SPELLINGS = replacements(_TABLE["rows"]["spellings"])
_VARIANTS = str.maketrans({v: standard for standard, variants in read_table("variants").items() for v in variants})
_LEGAL_FORMS: dict[str, str] = read_table("japanese")["legal_abbreviations"]
_CONTRACTIONS = replacements(_TABLE["rows"]["contractions"], re.IGNORECASE)

_CACHED_LENGTH, _REMEMBERED = 200, 8192
_MOST_ITEMS, _MOST_WORDS, _MOST_CHARACTERS, _SHORT_JAPANESE = 8, 4, 12, 16

# Japanese: ranges of characters, to stand between square brackets.
KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff"
KANJI = "\u3005\u3400-\u9fff"
JAPANESE = f"\u3041-\u309f{KATAKANA}{KANJI}"
HAS_JAPANESE = re.compile(f"[{JAPANESE}]")
HAS_JAPANESE_SIGN = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
"""As ``HAS_JAPANESE``, and the middle dot between foreign names."""

LETTER_A = "lettera"
"""The letter A where ``normalize`` would take it for an article."""

WRAPPED = " \t\r\n\"'`*_#-()[]「」『』“”‘’"  # noqa: RUF001
"""Marks around an answer that say nothing."""

# Words.
_ACCENT = "\u0300-\u036f"
_LETTER = rf"(?![{JAPANESE}])[^\W_][{_ACCENT}]*"
_WORD = re.compile(rf"[{JAPANESE}]+|(?:{_LETTER})+(?:[.'](?:{_LETTER})+)*")
_INNER_MARK = re.compile(r"'|(?<!\d)\.|\.(?!\d)")
_MAY_CONTRACT = re.compile(r"'|nt\b|nnot\b|\bno\b", re.IGNORECASE)
_SAINT = re.compile(r"(?<!\d )\bst(?= (?!and\b|or\b|at\b|in\b|on\b)[^\W\d])")
_COMPOUND = re.compile(r"[a-z]{3,}(?: [a-z]{3,}){0,2}")

# The letter A. Beside another lone capital it is a name ("from A to B").
_ITEM_A = re.compile(rf"(?<![a-z0-9])a(?=\s?[,;/&]|\s(?:and|or)\b|\s?[{JAPANESE}])|(?<=[{JAPANESE}])a(?![a-z0-9])")
_CAPITAL = re.compile(r"(?<![\w'.])[B-HJ-Z](?![\w']|\.\w)")
_CAPITAL_A = re.compile(r"(?<![\w'.])A(?![\w'.])")
_LAST_A = re.compile(rf"\b{LETTER_A}$")

# Marks and signs. NFKC would make 10² the number 102 and 2½ the number 21/2.
_RAISED = str.maketrans({mark: f"^{i}" for i, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
_FRACTION = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")
_LATIN_ACCENT = re.compile(f"(?<=[a-z\u03b1-\u03c9])[{_ACCENT}]+")
_MARKUP = re.compile(
    r"</?[a-z]{1,10}\s?/?>|\\(?:boxed|text|textbf|mathrm|mathbf)\b|^\s*>+|\$(?=[^$\s][^$\n]{0,99}\$(?!\d))"
    r"|(?<=[^\s$])\$(?!\d)"
)
_LATEX_FRACTION = re.compile(r"\\d?frac\{(\d+)\}\{(\d+)\}")
_IT_IS = re.compile(r"\b(it|that|there|what)['\u2019]s\b")
_MINUS = re.compile(r"(?<![\w)\]])[-\u2212](?=\.?\d)")
_POSITIVE = re.compile(r"(?<![\w)\]+])\+(?=\d)")
_OVER = re.compile(r"(?<=\d)[/\u2044](?=\d)")
_TIMES = re.compile(r"(?<=\d)\*(?=\d)|(?<=\w) \* (?=\w)")
_PLAIN = re.compile(r"[a-z0-9 .,!?\n]*")
_SIGN = re.compile("[" + re.escape("".join(_SIGNS)) + "]")
_SHARP = re.compile(r"(?<=[a-z])#(?!\w)")

# What stands before an answer, and lists.
_LABEL = re.compile(rf"^\W*(?:{any_of([pattern(_TABLE['openings']['labels'])])}\s?:\s*)+(?=.*\w)", re.DOTALL)
_OPENING = re.compile(
    rf"(?:{any_of(_TABLE['openings']['english'])} |{_TABLE['openings']['japanese']} ?)+(?=\S)",
)
_AND = re.compile(
    rf",(?!\d)|[;\n、]|\band\b|&|(?<=[{KATAKANA}{KANJI}a-z0-9])[とや](?=[{KATAKANA}{KANJI}a-z0-9])|および|及び"
)
_OR = re.compile(r"\bor\b|または|もしくは|あるいは")

# A clause, and no item of a list: a particle between two words, or the end of a verb.
_CLAUSE = re.compile(
    rf"(?<=[{KANJI}{KATAKANA}a-z0-9])[がをはにで](?=[{KANJI}{KATAKANA}a-z0-9])|(?:まし|てい)た$|ま(?:す|せん)$|ている$"
)

# Japanese spelling.
_COPULAS = tuple(_TABLE["japanese"]["copulas"].split())
_KANA: dict[str, str] = _TABLE["japanese"]["kana"]
_OLD_KANA = re.compile("ヴ[ァィェォュ]?|[ヶヵ]")
_ABBREVIATED = re.compile(rf"\(([{''.join(_LEGAL_FORMS)}])\)(?=[{JAPANESE}a-z])|(?<=[{JAPANESE}a-z])\((株)\)")
_ENDS = replacements(_TABLE["japanese"]["ends"])
_JAPANESE_GAP = re.compile(f"(?<=[{JAPANESE}]) (?=[{JAPANESE}])")
_LONG_END = re.compile(f"(?<=[{KATAKANA}]{{2}}[\u30a1-\u30fa])ー+(?![{KATAKANA}])")
_REPEATED = re.compile("([\u3400-\u9fff])(々+)")
_COUNTED = re.compile(r"(?:(?<=\d )|(?<=[一二三四五六七八九十百数何]))[ケカ](?=月|国|所|年|条)")
_BEFORE_DA = re.compile(rf"[{KATAKANA}{KANJI}a-z0-9 ]")
_KANA_ONLY = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc]+")
_JAPANESE_ONLY = re.compile(f"[{JAPANESE}]+")
_TO_KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_TOKENIZING = threading.Lock()
_PIECE = 10_000  # SudachiPy refuses texts of more than 49,149 bytes


def normalize(text: str) -> str:
    """Return the words of a text in one plain spelling.

    NFKC and casefold; punctuation and symbols become gaps (none inside "D.C." or "don't"); an English article goes if
    a word follows it; white space collapses.

    Example:
        >>> normalize("The  Washington, D.C.")
        'washington dc'
    """
    return " ".join(split_words(fold_signs(text))[0])


def normal_form(text: str) -> str:
    """Return the canonical spelling of an answer; applying it twice changes nothing.

    Example:
        >>> normal_form("**The answer is** the Café at St. Paul's Theatre."), normal_form("-5"), normal_form("C++")
        ('cafe at saint pauls theater', 'minus 5', 'c plus plus')
        >>> normal_form("答えは「コンピューター」です。")
        'コンピュータ'
    """
    return _remembered_form(text) if len(text) <= _CACHED_LENGTH else _normal_form(text)


def keys(text: str) -> frozenset[str]:
    """Return the keys of an answer; compare those of two answers with ``share_key`` only.

    Beside the normal form: ``all:`` or ``any:`` and the sorted items of a pure list, ``joined:`` and a compound
    without its gaps and, if SudachiPy and its dictionary are installed, ``form:``, ``kana:`` and ``yomi:`` of a
    short Japanese answer. A list counts as the same in any order, so do not ask this about a ranking.

    Example:
        >>> sorted(keys("Red and blue")), sorted(keys("web-site"))
        (['all:blue|red', 'red and blue'], ['joined:website', 'web site'])
    """
    return _remembered_keys(text) if len(text) <= _CACHED_LENGTH else frozenset({_normal_form(text)})


def share_key(first: frozenset[str], second: frozenset[str]) -> bool:
    """Return whether the keys of two answers make them surely the same.

    A reading counts only if one of the two is written in kana alone, so 橋 and 箸 do not meet.

    Example:
        >>> share_key(keys("red, blue"), keys("Blue and red.")), share_key(keys("red"), keys("blue"))
        (True, False)
    """
    if any(not key.startswith("yomi:") for key in first & second):
        return True
    return _read_as(first, second) or _read_as(second, first)


def fold(text: str) -> str:
    """Return a text in NFKC and casefolded, with one kind of apostrophe."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return folded.casefold().replace("\u2019", "'")


def fold_signs(text: str) -> str:
    """Return a text as ``fold`` does, with one kind of minus too; NFKC once more, since casefolding may undo it."""
    return unicodedata.normalize("NFKC", fold(text)).replace("\u2212", "-")


def fold_accents(folded: str) -> str:
    """Return folded text with Latin letters that have no accents; others stay as they are.

    Example:
        >>> fold_accents("montréal"), fold_accents("パリ")
        ('montreal', 'パリ')
    """
    return folded if folded.isascii() else _without_accents(folded.translate(_LATIN_LETTERS))


def list_items(text: str) -> tuple[str, ...]:
    """Return the items, as they are written, of a text that is a list in any order and nothing else; else nothing.

    Example:
        >>> list_items("red, green and blue"), list_items("Red is a colour, too")
        (('red', 'green', 'blue'), ())
    """
    if not any(key.startswith("all:") for key in keys(text)):
        return ()
    return tuple(part.strip(" .。") for part in _AND.split(text) if part and part.strip(" .。"))


def split_words(folded: str) -> tuple[list[str], list[str]]:
    """Split folded text.

    Returns:
        Its words without articles, and the gaps before, between and after them (one gap more than words).
    """
    found, gaps, end = [], [""], 0
    for match in _WORD.finditer(folded):
        gaps[-1] += folded[end : match.start()]
        end = match.end()
        found.append(_INNER_MARK.sub("", match[0]))
        gaps.append("")
    gaps[-1] += folded[end:]
    return _without_articles(found, gaps)


def spelled_words(text: str) -> str:
    """Return ``normalize`` of a text with accents folded and signs that carry meaning written out.

    Example:
        >>> spelled_words("It is -5"), spelled_words("It is C++")
        ('it is minus 5', 'it is c plus plus')
    """
    marked = _CAPITAL_A.sub(LETTER_A, text) if _CAPITAL.search(text) else text
    plain = normalize(_signs_as_words(_fold_letters(marked)))
    if not plain.isascii():
        plain = _without_accents(plain)  # an accent may have stood behind a foreign mark that is gone now
    return spelled(plain)


def spelled(text: str) -> str:
    """Return a text with one of several spellings of each word, mostly the American one."""
    for found, spelling in _SPELLINGS:
        text = found.sub(spelling, text)
    return text


def expanded(text: str) -> str:
    """Return a text with its contractions written out; "No. 5" becomes "number 5"."""
    if _MAY_CONTRACT.search(text):
        for found, full in _CONTRACTIONS:
            text = found.sub(full, text)
    return text


def cut_japanese(text: str, units: Literal["A", "C"], read: Callable[[Any], _T]) -> list[_T] | None:
    """Cut text without spaces into words by SudachiPy.

    Args:
        text: The text.
        units: SudachiPy's split mode: short units ("A") or whole names ("C").
        read: What to take of each of SudachiPy's morphemes.

    Returns:
        What was read of each word, in order; None if SudachiPy or its dictionary is not installed.
    """
    tokenizer = _tokenizer()
    if tokenizer is None:
        return None
    mode = getattr(importlib.import_module("sudachipy").SplitMode, units)
    text = text.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair is no text for SudachiPy
    pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
    with _TOKENIZING:  # one tokenizer cannot serve two threads at a time
        return [read(morpheme) for piece in pieces for morpheme in tokenizer.tokenize(piece, mode)]


def _normal_form(text: str) -> str:
    form = _SAINT.sub("saint", spelled_words(text))
    if HAS_JAPANESE.search(form):
        form = _japanese(form)
    opening = _OPENING.match(form)
    if opening:
        form = form[opening.end() :]
    form = _LAST_A.sub("a", form)
    return form or " ".join(_fold_letters(text).split())


@functools.lru_cache(maxsize=_REMEMBERED)
def _remembered_form(text: str) -> str:
    return _normal_form(text)


def _without_articles(found: list[str], gaps: list[str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    kept_gaps = [gaps[0]]
    for i, (word, gap) in enumerate(zip(found, gaps[1:], strict=True)):
        if word in _ARTICLES and i + 1 < len(found):
            kept_gaps[-1] += gap
        else:
            kept.append(word)
            kept_gaps.append(gap)
    return kept, kept_gaps


def _fold_letters(text: str) -> str:
    """NFKC, casefold and no accents; superscripts and fractions keep their value."""
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", _FRACTION.sub(" ", folded.translate(_RAISED))).casefold()
        folded = _ABBREVIATED.sub(lambda match: _LEGAL_FORMS[match[1] or match[2]], folded)
        folded = _without_accents(folded.translate(_LATIN_LETTERS))
    return folded


def _without_accents(folded: str) -> str:
    return unicodedata.normalize("NFKC", _LATIN_ACCENT.sub("", unicodedata.normalize("NFD", folded)))


def _signs_as_words(folded: str) -> str:
    """Drop markup and labels, and spell out signs that tell answers apart."""
    folded = _ITEM_A.sub(LETTER_A, _LABEL.sub("", folded))
    if _PLAIN.fullmatch(folded):
        return folded
    folded = _MARKUP.sub(" ", _LATEX_FRACTION.sub(r"\1/\2", folded))
    folded = _MINUS.sub(" minus ", _IT_IS.sub(r"\1 is", folded))
    folded = _TIMES.sub(" times ", _OVER.sub(" over ", _POSITIVE.sub(" ", folded)))
    return _SIGN.sub(lambda match: f" {_SIGNS[match[0]]} ", _SHARP.sub(" sharp ", folded))


def _japanese(form: str) -> str:
    """Join Japanese words, fold variants of kanji and spellings of kana and drop the copula at the end."""
    form = _folded_kana(_JAPANESE_GAP.sub("", _folded_kana(form.translate(_VARIANTS))))
    form = _REPEATED.sub(lambda match: match[1] * (1 + len(match[2])), form)
    form = _COUNTED.sub("か", form)
    end = len(form)
    while True:
        ending = next((each for each in _COPULAS if form.endswith(each, 0, end) and end > len(each)), "")
        if not ending and end > 1 and form[end - 1] == "だ" and _BEFORE_DA.match(form[end - 2]):
            ending = "だ"
        if not ending:
            return _ended(form[:end].rstrip())
        end -= len(ending)


def _ended(form: str) -> str:
    for found, instead in _ENDS:
        form = found.sub(instead, form)
    return form


def _all_keys(text: str) -> frozenset[str]:
    form = normal_form(text)
    found = {form}
    listed = _list_key(text)
    if listed:
        found.add(listed)
    if _COMPOUND.fullmatch(form) and not _NO_PARTS.intersection(form.split()):
        found.add("joined:" + form.replace(" ", ""))
    if len(form) <= _SHORT_JAPANESE and _JAPANESE_ONLY.fullmatch(form):
        found.update(_reading_keys(form))
    return frozenset(found)


@functools.lru_cache(maxsize=_REMEMBERED)
def _remembered_keys(text: str) -> frozenset[str]:
    return _all_keys(text)


def _read_as(written: frozenset[str], kana: frozenset[str]) -> bool:
    return any("kana:" + key[5:] in kana for key in written if key.startswith("yomi:"))


def _list_key(text: str) -> str:
    """The sorted items of a text that is a list and nothing else, or an empty string."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip(" .。")
    choice = _OR.search(folded) is not None
    folded = folded.removeprefix("both ").removeprefix("either ")
    if folded.startswith(("(", "[")) or (choice and re.search(r"\band\b|&", folded)):
        return ""
    parts = _AND.split(_OR.sub(",", folded) if choice else folded)
    items = [normal_form(part) for part in parts if part.strip()]
    if not 2 <= len(items) <= _MOST_ITEMS or not all(_is_item(item) for item in items):
        return ""
    return ("any:" if choice else "all:") + "|".join(sorted(items))


def _is_item(item: str) -> bool:
    said = item.split()
    if not 1 <= len(said) <= _MOST_WORDS or not _NO_LIST_WORDS.isdisjoint(said):
        return False
    return not HAS_JAPANESE.search(item) or (len(item) <= _MOST_CHARACTERS and not _CLAUSE.search(item))


def read_in_kana(form: str) -> set[str]:
    """Return the readings of a short Japanese text in katakana; none without SudachiPy.

    It is cut into whole names, and into short words, which may be read differently.

    Example:
        >>> read_in_kana("新宿")
        {'シンジュク'}
    """
    cuts = [cut_japanese(form, units, lambda morpheme: str(morpheme.reading_form())) for units in ("A", "C")]
    return {"".join(cut) for cut in cuts if cut is not None}


def _reading_keys(form: str) -> set[str]:
    """Readings and dictionary spellings of a short Japanese text; none without SudachiPy."""
    found = {"kana:" + _kana(form)} if _KANA_ONLY.fullmatch(form) else set()
    short = cut_japanese(form, "A", _spelling_and_reading)
    whole = cut_japanese(form, "C", _spelling_and_reading)
    if short is None or whole is None:
        return found
    found.add("form:" + "".join(spelling for spelling, _ in whole))
    if not _KANA_ONLY.fullmatch(form):
        found.update("yomi:" + _kana("".join(reading for _, reading in cut)) for cut in (short, whole))
    return found


def _spelling_and_reading(morpheme: Any) -> tuple[str, str]:
    # The dictionary form of an inflected word would make 行け the same as 行く.
    inflected = morpheme.part_of_speech()[5] != "*"
    return str(morpheme.surface() if inflected else morpheme.normalized_form()), str(morpheme.reading_form())


def _kana(text: str) -> str:
    return _folded_kana(text.translate(_TO_KATAKANA))


def _folded_kana(text: str) -> str:
    return _LONG_END.sub("", _OLD_KANA.sub(lambda match: _KANA[match[0]], text))


@functools.cache
def _tokenizer() -> Any:
    try:
        sudachi = importlib.import_module("sudachipy")
        dictionary = sudachi.Dictionary(dict="core")
        return (dictionary.tokenizer if hasattr(dictionary, "tokenizer") else dictionary.create)()
    except Exception:  # whatever SudachiPy raises without a dictionary; its errors share no other base
        return None
