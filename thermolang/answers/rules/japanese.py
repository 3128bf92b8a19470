"""Japanese names: legal forms, honorifics and titles, other scripts for one name, and words that are synonyms.

Words are cut and looked up by SudachiPy, and synonyms are those of its dictionary; without it, or without its
dictionary, only legal forms and honorifics are read. Words are in ``data/japanese.toml``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from thermolang.answers.rules.spelling import (
    HAS_JAPANESE,
    JAPANESE,
    KANJI,
    KATAKANA,
    cut_japanese,
    fold,
    normal_form,
    read_in_kana,
)
from thermolang.answers.rules.tables import any_of, read_table, word_set

_TABLE = read_table("japanese")
_LEGAL = any_of(sorted(word_set(_TABLE["legal_forms"]), key=len, reverse=True))
_TITLE = any_of(sorted(word_set(_TABLE["titles"]), key=len, reverse=True))
_HONORIFIC = any_of(sorted(word_set(_TABLE["honorifics"]), key=len, reverse=True))

MOST_CHARACTERS = 30
"""A longer text is no name."""

_COMPANY = re.compile(rf"(?:({_LEGAL})(.+?)|(.+?)({_LEGAL}))")
_PERSON = re.compile(rf"(?:({_TITLE})の)?([{KANJI}{KATAKANA}]+?)({_TITLE})?({_HONORIFIC})?")
_PREFECTURE = rf"(?:東京都|北海道|大阪府|京都府|[{KANJI}]{{2,3}}県)"
_PLACE = re.compile(rf"({_PREFECTURE})?([{KANJI}{KATAKANA}の]{{1,6}}?[市区町村])?")
_LATIN = re.compile(r"[a-z][a-z' -]*")
_SHORT = 2

_VOWELS = str.maketrans("āīūēōâîûêô", "aiueoaiueo")
_ROWS = {
    "": "アイウエオ", "k": "カキクケコ", "s": "サ ス セソ", "t": "タ  テト", "n": "ナニヌネノ", "h": "ハヒ ヘホ",
    "m": "マミムメモ", "r": "ラリルレロ", "g": "ガギグゲゴ", "z": "ザ ズゼゾ", "d": "ダ  デド", "b": "バビブベボ",
    "p": "パピプペポ", "w": "ワ   ", "v": "  ヴ  ",
}  # fmt: skip
_SYLLABLES = {
    kana: consonant + vowel
    for consonant, row in _ROWS.items()
    for vowel, kana in zip("aiueo", row, strict=False)
    if kana != " "
} | {
    "シ": "shi", "チ": "chi", "ツ": "tsu", "フ": "fu", "ジ": "ji", "ヂ": "ji", "ヅ": "zu",
    "ヤ": "ya", "ユ": "yu", "ヨ": "yo", "ャ": "ya", "ュ": "yu", "ョ": "yo", "ヲ": "o", "ン": "n", "ー": "", "・": "",
    "ァ": "a", "ィ": "i", "ゥ": "u", "ェ": "e", "ォ": "o",
}  # fmt: skip


@dataclass(frozen=True)
class JapaneseName:
    """An answer that is a Japanese name.

    Attributes:
        base: The name alone, with today's kanji.
        legal: Its legal form, if it is a company or another body.
        title: What the person is, such as 課長.
        honorific: Whether an honorific, such as さん, stands behind it.
    """

    base: str
    legal: str = ""
    title: str = ""
    honorific: bool = False


@functools.lru_cache(maxsize=8192)
def japanese_name(text: str) -> JapaneseName | None:
    """Return the name of a company with its legal form, or of a person with an honorific or title; else None.

    Example:
        >>> japanese_name("(株)山田商事").base, japanese_name("課長の鈴木です").title, japanese_name("大阪")
        ('山田商事', '課長', None)
    """
    if len(text) > MOST_CHARACTERS or not HAS_JAPANESE.search(text):
        return None
    form = normal_form(text)
    if company := _COMPANY.fullmatch(form):
        return JapaneseName(company[2] or company[3], legal=company[1] or company[4])
    person = _PERSON.fullmatch(form)
    if person is None or not any(person.group(1, 3, 4)):
        return None
    return JapaneseName(person[2], title=person[1] or person[3] or "", honorific=bool(person[4]))


def same_japanese_name(a: str, b: str) -> bool:
    """Return whether two answers are one name, but for its legal form, its honorific or where the title stands.

    Example:
        >>> same_japanese_name("髙橋さん", "高橋様"), same_japanese_name("渡辺部長", "渡邊課長")
        (True, False)
    """
    first, second = japanese_name(a), japanese_name(b)
    if first and second:
        legal = first.legal == second.legal or not (first.legal and second.legal)
        return first.base == second.base and first.title == second.title and legal
    return any(
        one is not None and not one.title and len(one.base) >= _SHORT and one.base == normal_form(text)
        for one, text in ((first, b), (second, a))
        if HAS_JAPANESE.search(text)
    )


def other_japanese_name(a: str, b: str) -> bool:
    """Return whether two answers are other companies, places, or persons with other family or first names.

    Example:
        >>> other_japanese_name("株式会社佐藤工業", "株式会社斎藤工業"), other_japanese_name("田中", "中田")
        (True, True)
        >>> other_japanese_name("東京都港区", "東京都千代田区"), other_japanese_name("大阪府", "大阪市")
        (True, False)
    """
    first, second = japanese_name(a), japanese_name(b)
    if first and second and first.legal and second.legal:
        kanji = all(re.fullmatch(f"[{KANJI}]+", one.base) for one in (first, second))
        return kanji and first.base not in second.base and second.base not in first.base
    if _other_place(a, b):
        return True
    left, right = _person_parts(first.base if first else a), _person_parts(second.base if second else b)
    pairs = [(left[part], right[part]) for part in left.keys() & right.keys()]
    return any(x[0] != y[0] and x[1] != y[1] for x, y in pairs)


def _other_place(a: str, b: str) -> bool:
    if max(len(a), len(b)) > MOST_CHARACTERS:
        return False
    first, second = (_PLACE.fullmatch(normal_form(text)) for text in (a, b))
    if first is None or second is None:
        return False
    return any(x and y and x != y for x, y in zip(first.groups(), second.groups(), strict=True))


def same_in_other_script(a: str, b: str) -> bool:
    """Return whether one answer is Japanese, and the other one its reading in Latin letters (Hepburn).

    Example:
        >>> same_in_other_script("新宿", "Shinjuku"), same_in_other_script("東京", "Tōkyō")
        (True, True)
    """
    japanese, latin = (a, b) if HAS_JAPANESE.search(a) else (b, a)
    if max(len(a), len(b)) > MOST_CHARACTERS or not HAS_JAPANESE.search(japanese):
        return False
    folded = fold(latin).strip(" .")
    if not _LATIN.fullmatch(folded.translate(_VOWELS)):
        return False
    return any(_plain_romaji(romaji(kana)) == _plain_romaji(folded) for kana in read_in_kana(normal_form(japanese)))


def synonyms(a: str, b: str) -> bool:
    """Return whether SudachiPy's dictionary has two answers, at least one of them Japanese, as synonyms.

    Each must be one noun, and one of them must have no other meaning there.

    Example:
        >>> synonyms("エクセル", "Excel"), synonyms("医者", "医師"), synonyms("冷蔵庫", "倉庫")
        (True, True, False)
    """
    if max(len(a), len(b)) > MOST_CHARACTERS or not (HAS_JAPANESE.search(a) or HAS_JAPANESE.search(b)):
        return False
    first, second = _synonym_groups(a), _synonym_groups(b)
    return bool(first & second) and min(len(first), len(second)) == 1


def romaji(kana: str) -> str:
    """Return katakana in Latin letters, after Hepburn.

    Example:
        >>> romaji("シンジュク"), romaji("ニッポン")
        ('shinjuku', 'nippon')
    """
    found: list[str] = []
    double = False
    for sign in kana:
        if sign in "ャュョ" and found and found[-1].endswith("i"):
            found[-1] = _with_small(found[-1], "auo"["ャュョ".index(sign)])
            continue
        if sign in "ァィゥェォ" and found and found[-1][-1:] in "uoi":
            vowel = "aiueo"["ァィゥェォ".index(sign)]
            found[-1] = f"w{vowel}" if found[-1] == "u" else found[-1][:-1] + vowel
            continue
        if sign == "ッ":
            double = True
            continue
        syllable = _SYLLABLES.get(sign, sign)
        found.append(("t" if syllable.startswith("ch") else syllable[:1]) + syllable if double else syllable)
        double = False
    return "".join(found)


def _with_small(syllable: str, vowel: str) -> str:
    stem = syllable[:-1]
    return stem + vowel if stem.endswith(("sh", "ch", "j")) else f"{stem}y{vowel}"


def _plain_romaji(text: str) -> str:
    """Latin letters without what is written in several ways: long vowels, m or n before b, m and p, marks."""
    plain = re.sub(r"[^a-z]", "", text.translate(_VOWELS))
    plain = re.sub(r"m(?=[bmp])", "n", plain)
    return re.sub(r"([aiue])\1+", r"\1", re.sub(r"o(?:[ou]|h(?![aiueoy]))+", "o", plain))


@functools.lru_cache(maxsize=8192)
def _synonym_groups(text: str) -> frozenset[int]:
    words = cut_japanese(_unframed(text), "C", _groups)
    return frozenset(words[0]) if words is not None and len(words) == 1 else frozenset()


def _unframed(text: str) -> str:
    form = normal_form(text)
    return form if HAS_JAPANESE.search(form) else text.strip(" .")


def _groups(morpheme: Any) -> list[int]:
    return list(morpheme.synonym_group_ids()) if morpheme.part_of_speech()[0] == "名詞" else []


@functools.lru_cache(maxsize=8192)
def _person_parts(text: str) -> dict[str, tuple[str, str]]:
    """Family and first name with their readings, if a text is nothing but these."""
    form = normal_form(text)
    if len(form) > MOST_CHARACTERS or not re.fullmatch(f"[{JAPANESE}]+", form):
        return {}
    words = cut_japanese(form, "A", lambda m: (m.part_of_speech()[2:4], str(m.surface()), str(m.reading_form()))) or []
    parts = {kind[1]: (surface, reading) for kind, surface, reading in words if kind[0] == "人名"}
    return parts if len(parts) == len(words) and parts.keys() <= {"姓", "名"} else {}
