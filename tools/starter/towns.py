"""Starter questions about cities, towns and airports: from the largest to those that hardly anyone knows."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import datetime, timezone
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import airportsdata

from tools.starter.items import (
    Items,
    balanced,
    choice,
    distractors,
    family,
    free,
    number,
    without_accents,
    yes_no,
)
from tools.starter.world import (
    MIN_POPULATION,
    UNCLEAR_CAPITALS,
    Country,
    big_cities,
    countries,
    nameable,
    towns,
)

_CITIES_PER_COUNTRY = 6
_YEAR = 2025


@family("cities", levels=5)
def country_of_city(level: int, rng: random.Random) -> Items:
    """In which country is Osaka? From millions of people to a few hundred, spread over the countries."""
    low, high, each = ((2e6, 1e9, 6), (6e5, 1e6, 2), (1e5, 1.4e5, 1), (1.5e4, 1.8e4, 1), (500, 700, 1))[level - 1]
    every = set(countries()) - {c for c in countries() if c.iso in UNCLEAR_CAPITALS}
    for name, _, country in towns(int(low), int(high), each):
        if country in every:
            yield free(f"In which country is the place called {name}?", *country.names)


@family("cities", kind="choice")
def city_choice(level: int, rng: random.Random) -> Items:
    """The city of Osaka lies in which country? The others are countries of the same region."""
    for city, c in _asked_cities():
        near = distractors(rng, c.name, [o.name for o in countries() if o.region == c.region])
        yield choice(f"The city of {city} lies in which country?", c.name, near)


def _asked_cities() -> list[tuple[str, Country]]:
    """Names of large cities that are no capitals and stand for one place only, with their countries."""
    cities = big_cities()
    owners: dict[str, set[str]] = defaultdict(set)
    for iso, of in cities.items():
        for city in of:
            owners[without_accents(city["name"])].add(iso)
    found = []
    for country in nameable():
        of = [c for c in cities[country.iso] if c["population"] >= MIN_POPULATION]
        names = [without_accents(c["name"]) for c in of[:_CITIES_PER_COUNTRY]]
        found += [
            (name, country)
            for name in names
            if len(owners[name]) == 1
            and not any(name in capital for capital in country.capitals)
            and country.iso not in UNCLEAR_CAPITALS
            and country.name not in name
        ]
    return found


@family("city populations", levels=3)
def population_of_city(level: int, rng: random.Random) -> Items:
    """Does Osaka have more than a million people? Then exact figures of large cities and of small towns."""
    if level == 1:
        asked = [(n, True) for n, _, _ in towns(4_000_000, 10**9, 4)] + [
            (n, False) for n, _, _ in towns(15000, 40000, 1)
        ]
        return balanced((yes_no(f"Do more than a million people live in {n}?", large) for n, large in asked), rng)
    source = "According to the GeoNames database, how many people live in"
    found = towns(1_000_000, 10**9, 3) if level == 2 else towns(3000, 9000, 1)
    return [number(f"{source} {name}, {c.name}?", r["population"]) for name, r, c in found if r["population"] % 10]


@family("coordinates", levels=3, shows=True)
def further_north(level: int, rng: random.Random) -> Items:
    """Which lies further north, Oslo or Rome? Far apart, near each other, and small towns."""
    low, high, least, most = ((3e6, 1e9, 25, 70), (1e6, 1e9, 4, 8), (2e4, 5e4, 1, 3))[level - 1]
    known = towns(int(low), int(high), 5)
    for (one, a, _), (other, b, _) in (rng.sample(known, 2) for _ in range(3000)):
        gap = a["latitude"] - b["latitude"]
        if least <= abs(gap) <= most:
            yield free(f"Which of the two lies further north, {one} or {other}?", one if gap > 0 else other)


@family("coordinates", levels=3)
def latitude(level: int, rng: random.Random) -> Items:
    """North or south of the equator? Then the degree of latitude, then two decimals of a small town's."""
    if level == 1:
        sides = [(n, "north" if r["latitude"] > 0 else "south") for n, r, _ in towns(1_000_000, 10**9, 20)]
        return balanced(
            (free(f"Is the city of {n} north or south of the equator?", side, f"{side}ern") for n, side in sides), rng
        )
    found = towns(2_000_000, 10**9, 3) if level == 2 else towns(15000, 25000, 1)
    return [_latitude(name, c, r["latitude"], level) for name, r, c in found]


def _latitude(name: str, country: Country, degrees: float, level: int) -> Any:
    rounded = f"{abs(degrees):.0f}" if level == 2 else f"{abs(degrees):.2f}"
    exactness = "in whole degrees" if level == 2 else "in degrees with two decimals"
    question = f"What is the latitude of {name} in {country.name}, {exactness}, rounded and without the sign?"
    return free(question, rounded)


@cache
def _offset(zone: str) -> float | None:
    """Hours from UTC; None where clocks are changed during the year."""
    hours = {
        datetime(_YEAR, month, 15, tzinfo=timezone.utc).astimezone(ZoneInfo(zone)).utcoffset() for month in range(1, 13)
    }
    only = hours.pop()
    return None if hours or only is None else only.total_seconds() / 3600


def _in_steady_zones(low: int, high: int, each: int) -> list[tuple[str, Country, float]]:
    found = [(name, c, _offset(r["timezone"])) for name, r, c in towns(low, high, each)]
    return [(name, c, hours) for name, c, hours in found if hours]


@family("time zones", levels=2)
def utc_offset(level: int, rng: random.Random) -> Items:
    """How many hours ahead of UTC is Osaka? Places that change no clocks; large ones, then small ones."""
    found = _in_steady_zones(600_000, 10**9, 3) if level == 1 else _in_steady_zones(2000, 5000, 1)
    text = "How many hours ahead of UTC is the local time in"
    return [number(f"{text} {name}, {c.name}?", int(h)) for name, c, h in found if h > 0 and h % 1 == 0]


@family("time zones", levels=3)
def time_elsewhere(level: int, rng: random.Random) -> Items:
    """It is 9:00 in Osaka: what time is it in Cairo? The offsets are told; then those of large cities are not."""
    steady = _in_steady_zones(1_500_000, 10**9, 2)
    for _ in range(200):
        (one, _, a), (other, _, b) = rng.sample(steady, 2)
        hour, ahead = rng.randrange(24), b - a
        if a == b or (level < 3 and ahead % 1):
            continue
        then = (hour + ahead) % 24
        told = f"The time in {one} is UTC{_signed(a)}, the time in {other} is UTC{_signed(b)}. " if level == 1 else ""
        question = f"{told}When it is {hour:02d}:00 in {one}, what time is it in {other} (24-hour clock)?"
        minutes = f"{round(then % 1 * 60):02d}"
        half = f"{int(then) % 12 or 12}:{minutes} {'AM' if then < 12 else 'PM'}"
        if level < 3 or ahead % 1:
            yield free(question, f"{int(then):02d}:{minutes}", f"{int(then)}:{minutes}", half)


def _signed(hours: float) -> str:
    return f"{'-' if hours < 0 else '+'}{int(abs(hours))}:{round(abs(hours) % 1 * 60):02d}"


@family("time zones", levels=2)
def zone_name(level: int, rng: random.Random) -> Items:
    """What is the IANA time zone of Osaka?"""
    found = towns(1_000_000, 10**9, 3) if level == 1 else towns(2000, 4000, 1)
    for name, record, c in found:
        if without_accents(name).split()[0] not in record["timezone"]:
            yield free(f"What is the IANA time zone name (Area/City) for {name}, {c.name}?", record["timezone"])


@lru_cache(maxsize=1)
def _airports() -> list[tuple[int, str, list[str]]]:
    """Population, city and all airport codes of cities with one name and at least one airport, largest first."""
    people: dict[tuple[str, str], int] = {}
    for iso, of in big_cities().items():
        for city in of:
            people.setdefault((iso, without_accents(city["name"])), city["population"])
    codes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for code, record in sorted(airportsdata.load("IATA").items()):
        codes[record["country"], without_accents(record["city"])].append(code)
    once = Counter(name for _, name in codes)
    found = [(people.get(key, 0), key[1], of) for key, of in codes.items() if once[key[1]] == 1 and key[1]]
    return sorted(found, key=lambda f: (-f[0], f[1]))


def _airport_level(level: int, rng: random.Random) -> list[tuple[int, str, list[str]]]:
    low, high = ((3e6, 1e9), (9e5, 3e6), (1e5, 3e5), (0, 1))[level - 1]
    fit = [f for f in _airports() if low <= f[0] < high]
    return rng.sample(fit, min(len(fit), 80))


@family("airports", levels=4)
def airport_of_city(level: int, rng: random.Random) -> Items:
    """What is the code of the airport of Osaka? From the largest cities to places that GeoNames does not list."""
    for _, city, codes in _airport_level(level, rng):
        yield free(f"What is the three-letter IATA code of the airport of {city}?", *codes)


@family("airports", levels=4)
def city_of_airport(level: int, rng: random.Random) -> Items:
    """Which city has the airport KIX?"""
    for _, city, codes in _airport_level(level, rng):
        yield free(f"Which city is served by the airport with the IATA code {rng.choice(codes)}?", city)


@family("airports", levels=2)
def airport_details(level: int, rng: random.Random) -> Items:
    """ICAO code of large airports, then the elevation of airfields that few have heard of."""
    if level == 1:
        by_code = airportsdata.load("IATA")
        for people, city, codes in _airports():
            if people >= 2_000_000:
                record = by_code[codes[0]]
                if record["icao"] and len(codes) == 1:
                    yield free(f"What is the four-letter ICAO code of {record['name']} ({city})?", record["icao"])
    else:
        small = [r for r in airportsdata.load("ICAO").values() if not r["iata"] and r["elevation"] > 100 and r["name"]]
        names = Counter(r["name"] for r in small)
        for r in rng.sample(sorted(small, key=lambda r: r["icao"]), 90):
            if names[r["name"]] == 1:
                question = f"What is the elevation in feet of the airfield {r['name']} ({r['icao']})?"
                yield number(question, round(r["elevation"]))
