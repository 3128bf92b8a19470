"""Negations: what a short text says, and whether it denies it; English by words, Japanese by endings.

The tables are in ``data/negation.toml``.
"""

from __future__ import annotations

import functools
import re

from thermolang.answers.rules.replies import japanese_polarity
from thermolang.answers.rules.spelling import HAS_JAPANESE, expanded, fold, spelled_words
from thermolang.answers.rules.tables import by_word, pattern, read_table, replacements, word_set

_NOT = " zqnot "
"""Stands for a negation: it survives ``normalize`` and is a word of no language."""

_TABLE = read_table("negation")
_PHRASES = replacements([(found, said.replace("NOT", _NOT)) for found, said in _TABLE["phrases"]], re.IGNORECASE)
_NEGATIVE: dict[str, str] = {_NOT.strip(): "", **_TABLE["negative"]}
_POSITIVE: dict[str, str] = _TABLE["positive"]
_AUXILIARIES = word_set(_TABLE["auxiliaries"])
_NO_VERBS = word_set(_TABLE["no_verbs"])
IRREGULAR = by_word(_TABLE["irregular"])
"""Irregular forms of words, and the word each is a form of."""

_JAPANESE = _TABLE["japanese"]
_WRAPPING = re.compile(pattern(_JAPANESE["wrapping"]))
_NOT_NEGATIVE = re.compile(pattern(_JAPANESE["not_negative"]))
_NOUN_NEGATIVE = re.compile(_JAPANESE["noun_negative"])
_NOUN_POSITIVE = re.compile(pattern(_JAPANESE["noun_positive"]))
_ADJECTIVE_NEGATIVE = re.compile(_JAPANESE["adjective_negative"])
_ADJECTIVE_POSITIVE = re.compile(_JAPANESE["adjective_positive"])
_POLITE_NEGATIVE = re.compile(_JAPANESE["polite_negative"])
_POLITE = re.compile(_JAPANESE["polite"])
_PLAIN_NEGATIVE = re.compile(_JAPANESE["plain_negative"])
_SHORT_TE = re.compile(_JAPANESE["short_te"])
_GU_VERB = re.compile(_JAPANESE["gu_verb"])
_NO_STEM = frozenset(_JAPANESE["no_stem"])
_I_OR_E = frozenset(_JAPANESE["i_or_e"])
_ROWS: dict[str, str] = {kana: row for row, kanas in _JAPANESE["rows"].items() for kana in kanas}

_CACHED_LENGTH, _REMEMBERED = 1200, 8192
_QUOTES = " \t\r\n\"'`*_「」『』“”‘’"  # noqa: RUF001
_VOWEL = re.compile("[aeiouy]")
_CLAUSE_END = re.compile(r"(?:[、。!?\n]|[.,](?!\d))+")


def negation(text: str) -> tuple[bool, str]:
    """Return whether a text denies its content (an odd number of negations), and that content.

    The content is casefolded, without punctuation, negations and inflections, so that it equals the content of
    the same statement without the negation. It is a key to compare, not a text to show.

    Example:
        >>> negation("It isn't open."), negation("It is open")
        ((True, 'it is open'), (False, 'it is open'))
        >>> negation("It does not help")[1] == negation("It helps")[1]
        True
        >>> negation("店は開いていません")[1] == negation("店は開いている")[1]
        True
    """
    return _remembered_negation(text) if len(text) <= _CACHED_LENGTH else _negation(text)


def _negation(text: str) -> tuple[bool, str]:
    folded = fold(text)
    if HAS_JAPANESE.search(folded):
        return _japanese_negation(folded)
    plain = expanded(text.replace("\u2019", "'").strip(_QUOTES))
    for found, said in _PHRASES:
        plain = found.sub(said, plain)
    count, content = _without_negatives(spelled_words(plain).split())
    return count % 2 == 1, " ".join(content)


@functools.lru_cache(maxsize=_REMEMBERED)
def _remembered_negation(text: str) -> tuple[bool, str]:
    return _negation(text)


def _without_negatives(said: list[str]) -> tuple[int, list[str]]:
    """How many negations there are among some words, and the stems of the others."""
    count, content = 0, []
    for i, word in enumerate(said):
        near = said[i + 1 : i + 2]
        if word in _NEGATIVE:
            count += 1
            content += [_stem(_NEGATIVE[word])] if _NEGATIVE[word] else []
        elif word in _AUXILIARIES and near and near[0] not in _NO_VERBS:
            continue
        elif kept := _POSITIVE.get(word, word):
            content.append(_stem(kept))
    return count, content


def _stem(word: str) -> str:
    """A light English stem: regular endings, and a table of irregular forms."""
    word = IRREGULAR.get(word, word)
    if len(word) < 4 or not word.isascii() or word.endswith(("ss", "us", "is", "eed")):
        return word
    for ending, instead in (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        stem = word[: -len(ending)] + instead
        if word.endswith(ending) and len(stem) > 2 and _VOWEL.search(stem):
            if ending == "es" and not stem.endswith(("s", "x", "z", "ch", "sh", "o")):
                continue
            word = stem
            if ending in {"ing", "ed"} and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > 3 else word


def _japanese_negation(folded: str) -> tuple[bool, str]:
    clauses = [clause for clause in _CLAUSE_END.split(folded) if clause.strip(_QUOTES)]
    if len(clauses) > 1 and japanese_polarity(clauses[0]) is not None and len(clauses[0]) <= 3:
        clauses = clauses[1:]
    read = [_japanese_clause("".join(clause.split()).strip(_QUOTES)) for clause in clauses]
    return sum(denied for denied, _ in read) % 2 == 1, "".join(content for _, content in read)


def _japanese_clause(clause: str) -> tuple[bool, str]:
    """Whether a clause ends in a negation, and the clause up to the stem of its last word."""
    for _ in range(3):
        clause = _WRAPPING.sub("", clause) or clause
    if _NOT_NEGATIVE.search(clause):
        return False, re.sub("(?:ない|なかった|ません)$", "な", clause)
    for ending, stem in _JAPANESE_NEGATIVES:
        found = ending.search(clause)
        if found and found.start() > 0:
            only = "しか" in clause[: found.start()]
            return not only, stem(clause[: found.start()])
    if clause in {"ない", "なかった", "ありません"}:
        return True, "あr"
    return False, _japanese_positive(clause)


def _noun_stem(clause: str) -> str:
    return _ADJECTIVE_POSITIVE.sub("", clause)


def _adjective_stem(clause: str) -> str:
    return "よ" if clause == "良" else re.sub("(?:良|い)$", "よ", clause)


def _verb_stem(clause: str) -> str:
    """Stem before ます or ない: the last kana becomes the name of its row (書か and 書き meet in 書k)."""
    if _SHORT_TE.search(clause):
        clause += "い"  # 開いてます is short for 開いています
    row = _ROWS.get(clause[-1], "")
    return clause[:-1] + row if row and (len(clause) > 1 or clause == "し") else clause


def _plain_negative_stem(clause: str) -> str:
    """Stem before a plain ない, which is also the opposite of ある (問題がない)."""
    if _GU_VERB.search(clause):
        return clause[:-1] + "k"
    kanji = "\u4e00" <= clause[-1] <= "\u9fff" and clause[-1] not in _NO_STEM
    if clause.endswith("し") and clause != "し":
        return clause[:-1] + "s"
    if clause.endswith("せ"):
        return clause[:-1] + "s" if clause == "せ" else clause
    if kanji or clause.endswith(("が", "は", "も", "の", "に")):
        return _being(clause)
    return _verb_stem(clause)


def _polite_stem(clause: str) -> str:
    if clause.endswith(("あり", "ござい")):
        return _being(clause.removesuffix("あり").removesuffix("ござい"))
    return _verb_stem(clause)


def _being(noun: str) -> str:
    """Content of ある and ない after a noun; 必要がある is 必要だ."""
    noun = re.sub("[がはも]$", "", noun)
    return noun if noun.endswith("必要") else noun + "あr"


def _japanese_positive(clause: str) -> str:
    """The clause up to the stem that its negation would have."""
    plain = _NOUN_POSITIVE.sub("", clause)
    if plain != clause:
        return _adjective_stem(plain[:-1]) if plain.endswith("い") else _noun_stem(plain)
    polite = _POLITE.sub("", clause)
    if polite != clause and polite:
        return _polite_stem(polite)
    if clause.endswith(("ある", "あった")):
        return _being(clause.removesuffix("る").removesuffix("った")[:-1])
    if clause.endswith(("する", "した")):
        return clause[:-2] + "s"
    if clause.endswith("かった"):
        return _adjective_stem(clause.removesuffix("かった"))
    if clause.endswith(("行った", "いった")):
        return clause[:-2] + "k"
    return _dictionary_stem(clause)


def _dictionary_stem(clause: str) -> str:
    """Stem of a plain verb or adjective (書く, 書いた, 使える, 高い); other text comes back as it is."""
    if len(clause) < 2:
        return clause
    last, before = clause[-1], clause[-2]
    if last == "い":
        return _adjective_stem(clause[:-1])
    if last == "る":
        whole = before in _NO_STEM or before in _I_OR_E
        return _verb_stem(clause[:-1]) if whole else clause[:-1] + "r"
    if last in "ただ" and (before in "いっんし" or before in _I_OR_E or before in _NO_STEM):
        if before == "い" and clause[-3:-2] not in {*"てでがはもに", ""}:
            return clause[:-2] + "k"
        return _verb_stem(clause[:-1])
    if last in "うくぐすつぬぶむ" and "\u4e00" <= before <= "\u9fff":
        return clause[:-1] + _ROWS[last]
    return clause


_JAPANESE_NEGATIVES = (
    (_NOUN_NEGATIVE, _noun_stem),
    (_ADJECTIVE_NEGATIVE, _adjective_stem),
    (_POLITE_NEGATIVE, _polite_stem),
    (_PLAIN_NEGATIVE, _plain_negative_stem),
)
