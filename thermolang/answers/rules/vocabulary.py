"""Closed vocabularies: countries, programming languages, chemical formulas, roles and departments, by all their names.

An answer that is nothing but one of these names is compared by what it stands for: CO2 is carbon dioxide, the U.S. are
the United States and 米国, C is not C++. Names of countries are those of CLDR, by Babel; the rest is in
``data/vocabulary.toml``.
"""

from __future__ import annotations

import functools
import re

from babel import Locale

from thermolang.answers.rules.spelling import normal_form
from thermolang.answers.rules.tables import phrase_list, read_table, word_set

_TABLE = read_table("vocabulary")
_PARTS = _TABLE["parts"]
_OPEN = word_set(_PARTS["open"]) | word_set(_PARTS["territories"])

VOCABULARIES = ("languages", "compounds", "elements", "roles", "departments", "countries")
LOCALES = ("en", "ja")
"""Languages in which CLDR's names of countries are read."""

MOST_CHARACTERS = 60
"""A longer text is no name of these."""

_DEPARTMENT = re.compile(
    rf"^(?:(?P<first>(?:{'|'.join(w for w in _PARTS['departments'].split() if w.isascii())})) of )?(?P<name>.+?)"
    rf"(?: ?(?:{'|'.join(_PARTS['departments'].split())}))*$"
)
_COUNTRY_CODE = re.compile(r"[A-Z]{2}")


@functools.lru_cache(maxsize=8192)
def meanings_of(text: str) -> frozenset[tuple[str, str]]:
    """Return what an answer stands for, as (vocabulary, entry); empty if it is no name of any vocabulary.

    Example:
        >>> sorted(meanings_of("carbon dioxide")), sorted(meanings_of("the HR department")), meanings_of("us")
        ([('compounds', 'co2')], [('departments', 'hr')], frozenset())
    """
    if not 0 < len(text) <= MOST_CHARACTERS:
        return frozenset()
    form, letters = normal_form(text), _letters(text)
    found = {(vocabulary, entry) for vocabulary, entry, written in _names().get(form, ()) if written in letters}
    department = _DEPARTMENT.match(form)
    if not found and department:
        inner = _names().get(department["name"], ())
        found = {(v, entry) for v, entry, written in inner if v == "departments" and written in letters}
    return frozenset(found)


def same_entry(a: str, b: str) -> bool:
    """Return whether two answers are names of one entry of a vocabulary.

    Example:
        >>> same_entry("米国", "United States"), same_entry("C", "C++")
        (True, False)
    """
    return bool(meanings_of(a) & meanings_of(b))


def other_entry(a: str, b: str) -> bool:
    """Return whether two answers are names of different entries of one vocabulary, and of none that is the same.

    Example:
        >>> other_entry("Niger", "Nigeria"), other_entry("Hong Kong", "China")
        (True, False)
    """
    first, second = meanings_of(a), meanings_of(b)
    if first & second:
        return False
    shared = {vocabulary for vocabulary, _ in first} & {vocabulary for vocabulary, _ in second}
    return bool(shared) and _OPEN.isdisjoint(entry for _, entry in first | second)


@functools.cache
def _names() -> dict[str, list[tuple[str, str, str]]]:
    """From the normal form of each name to (vocabulary, entry, letters that must be written just so)."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for vocabulary in VOCABULARIES:
        for entry, names in _TABLE[vocabulary].items():
            for name in phrase_list(names):
                _add(found, name, vocabulary, entry)
    for locale in LOCALES:
        for code, name in Locale(locale).territories.items():
            if _COUNTRY_CODE.fullmatch(code):
                _add(found, name, "countries", code)
    return found


def _add(found: dict[str, list[tuple[str, str, str]]], name: str, vocabulary: str, entry: str) -> None:
    letters = _letters(name)
    short = len(letters) <= 3 and not letters.islower()
    meant = (vocabulary, entry, letters if short else "")
    entries = found.setdefault(normal_form(name), [])
    if meant not in entries:
        entries.append(meant)


def _letters(text: str) -> str:
    return re.sub(r"[^A-Za-z]", "", text)
