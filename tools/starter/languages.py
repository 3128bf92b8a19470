"""Starter questions about words of other languages: from French to languages that few models have read."""

from __future__ import annotations

import random
import unicodedata
from functools import lru_cache

from tools.starter.items import Items, banded, choice, distractors, family, free, told_apart, without_accents
from tools.starter.world import countries, language_names, languages_by_speakers, locale

_TAUGHT = ("fr", "de", "es", "it", "pt", "nl", "sv")


@lru_cache(maxsize=1)
def _written() -> tuple[str, ...]:
    """Languages whose own word for Monday and for Germany the CLDR has, the most spoken first; no English."""
    found = []
    for code in languages_by_speakers():
        if code == "en" or code not in locale("en").languages:
            continue
        try:
            own = locale(code)
        except Exception:
            continue
        monday = own.days["stand-alone"]["wide"].get(0, "Mon")
        if monday not in ("Mon", "Monday") and own.territories.get("DE", "DE") not in ("DE", "Germany"):
            found.append(code)
    return tuple(found)


def _latin() -> list[str]:
    return [c for c in _written() if unicodedata.name(locale(c).territories["DE"][0], "").startswith("LATIN")]


def _third(codes: list[str], level: int) -> list[str]:
    """The most spoken quarter of the languages, the next, and the rest."""
    quarter = len(codes) // 4
    return (codes[:quarter], codes[quarter : 2 * quarter], codes[2 * quarter :])[level - 1]


@family("own names of languages", levels=3)
def language_of_own_name(level: int, rng: random.Random) -> Items:
    """Which language do its speakers call "Deutsch"?"""
    english = locale("en").languages
    items = []
    for code in _written():
        own = locale(code).languages.get(code)
        if own and without_accents(own).casefold() != without_accents(english[code]).casefold():
            items.append(free(f'Which language is called "{own}" by its speakers?', *language_names(code)))
    return banded(items, level, 3) if level < 3 or len(items) >= 120 else items[-45:]


def _day_and_month_names(codes: list[str] | tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Language code, English word and foreign word of each weekday and month."""
    found = []
    for code in codes:
        for kind in ("days", "months"):
            english = getattr(locale("en"), kind)["stand-alone"]["wide"]
            foreign = getattr(locale(code), kind)["stand-alone"]["wide"]
            found += [(code, english[key], foreign[key]) for key in sorted(english)]
    return [(code, ours, theirs) for code, ours, theirs in found if ours.casefold() != theirs.casefold()]


@family("foreign days", levels=3)
def meaning_of_foreign_day(level: int, rng: random.Random) -> Items:
    """What does the French word "lundi" mean in English? From taught languages to rarely written ones."""
    codes = list(_TAUGHT) if level == 1 else [c for c in _third(_latin(), level) if c not in _TAUGHT]
    for code, ours, theirs in rng.sample(_day_and_month_names(codes), 90):
        if not theirs[0].isdigit() and without_accents(ours)[:3].casefold() != without_accents(theirs)[:3].casefold():
            yield free(f'What does the {language_names(code)[0]} word "{theirs}" mean in English?', ours)


@family("foreign days", levels=3)
def foreign_word_for_day(level: int, rng: random.Random) -> Items:
    """What is "Monday" in French?"""
    codes = list(_TAUGHT) if level == 1 else [c for c in _third(_latin(), level) if c not in _TAUGHT]
    for code, ours, theirs in rng.sample(_day_and_month_names(codes), 90):
        if not theirs[0].isdigit():
            answers = (theirs, without_accents(theirs), theirs.replace("'", "’"))
            yield free(f'What is the {language_names(code)[0]} word for "{ours}"?', *answers)


@family("foreign days", kind="choice")
def foreign_day_choice(level: int, rng: random.Random) -> Items:
    """The French word "lundi" means which day or month?"""
    every = _day_and_month_names(_TAUGHT)
    months = set(locale("en").months["stand-alone"]["wide"].values())
    for code, ours, theirs in every:
        same_kind = sorted({word for _, word, _ in every if (word in months) == (ours in months)})
        kind = "month" if ours in months else "day"
        question = f'The {language_names(code)[0]} word "{theirs}" means which {kind}?'
        yield choice(question, ours, distractors(rng, ours, same_kind))


def _foreign_countries(level: int, rng: random.Random) -> list[tuple[str, str, str]]:
    """Language, English and foreign name of countries whose two names begin differently."""
    apart = told_apart([c.names for c in countries()])
    known = [c for c, alone in zip(countries(), apart, strict=True) if alone]
    found = []
    for code in _third(_latin(), level):
        for c in known[: (40, 80, 150)[level - 1]]:
            theirs, ours = locale(code).territories.get(c.iso, c.iso), c.name
            if without_accents(theirs)[:3].casefold() != without_accents(ours)[:3].casefold() and theirs != c.iso:
                found.append((code, c.iso, theirs))
    return rng.sample(found, min(90, len(found)))


@family("foreign countries", levels=3)
def meaning_of_foreign_country(level: int, rng: random.Random) -> Items:
    """Which country is called "Saksa" in Finnish?"""
    by_iso = {c.iso: c for c in countries()}
    for code, iso, theirs in _foreign_countries(level, rng):
        yield free(f'Which country is called "{theirs}" in {language_names(code)[0]}?', *by_iso[iso].names)


@family("foreign countries", levels=3)
def foreign_name_of_country(level: int, rng: random.Random) -> Items:
    """What is Germany called in Finnish?"""
    by_iso = {c.iso: c for c in countries()}
    for code, iso, theirs in _foreign_countries(level, rng):
        answers = (theirs, without_accents(theirs))
        yield free(f"What is {by_iso[iso].in_text} called in {language_names(code)[0]}?", *answers)


@family("languages of words", levels=3)
def language_of_word(level: int, rng: random.Random) -> Items:
    """In which language does "Deutschland" mean Germany? Only names that no other language has."""
    owners: dict[tuple[str, str], set[str]] = {}
    for code in _latin():
        for c in countries()[:80]:
            theirs = locale(code).territories.get(c.iso, "")
            owners.setdefault((c.iso, without_accents(theirs).casefold()), set()).add(code)
    by_iso = {c.iso: c for c in countries()}
    for code in _third(_latin(), level):
        mine = [(iso, locale(code).territories.get(iso, "")) for iso in sorted(by_iso)[:80]]
        fit = [
            (i, w) for i, w in mine if owners.get((i, without_accents(w).casefold())) == {code} and w != by_iso[i].name
        ]
        for iso, word in rng.sample(fit, min(5, len(fit))):
            yield free(f'In which language is {by_iso[iso].in_text} called "{word}"?', *language_names(code))
