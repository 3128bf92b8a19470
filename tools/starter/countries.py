"""Starter questions about countries: from the largest to islands that few have heard of."""

from __future__ import annotations

import random
from collections import Counter

from babel.languages import get_official_languages
from babel.numbers import get_currency_name, get_territory_currencies

from thermolang.answers.grading import is_right
from tools.starter.items import (
    OPTIONS,
    Items,
    balanced,
    banded,
    choice,
    distractors,
    family,
    free,
    number,
    told_apart,
    without_accents,
    yes_no,
)
from tools.starter.world import (
    UNCLEAR_CAPITALS,
    Country,
    countries,
    geonames,
    language_names,
    locale,
    nameable,
    places,
)

# French lost its status between 2023 and 2025 (BF, ML, NE), Amharic has shared its own since 2020 (ET).
_CHANGED_LANGUAGE = frozenset({"BF", "ET", "ML", "NE"})

# Countries on two continents, or placed differently by different atlases.
_TWO_CONTINENTS = frozenset({"AM", "AZ", "CY", "EG", "GE", "ID", "KZ", "RU", "TL", "TR"})

# So many people left or came back since GeoNames counted them that a comparison may have turned.
_CHANGED_POPULATION = frozenset({"JO", "LB", "SY", "UA", "VE"})

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


def _with_capital(of: tuple[Country, ...]) -> list[Country]:
    own_name = [c for c in of if c.iso not in UNCLEAR_CAPITALS]
    return [c for c in own_name if not any(n in c.capitals[0] or c.capitals[0] in n for n in c.names)]


@family("capitals", levels=4)
def capital_of_country(level: int, rng: random.Random) -> Items:
    """What is the capital of France? From the most populous countries to the smallest territories."""
    ranked = [free(f"What is the capital of {c.in_text}?", *c.capitals) for c in _with_capital(places())]
    return banded(ranked, level, 4)


@family("capitals", levels=4)
def country_of_capital(level: int, rng: random.Random) -> Items:
    """Paris is the capital of which country?"""
    known = set(nameable())
    names = Counter(c.capitals[0] for c in places())
    asked = [c for c in _with_capital(places()) if c in known and names[c.capitals[0]] == 1]
    ranked = [free(f"{c.capitals[0]} is the capital of which country or territory?", *c.names) for c in asked]
    return banded(ranked, level, 4)


@family("capitals", kind="choice")
def capital_choice(level: int, rng: random.Random) -> Items:
    """Which city is the capital of France? The others are capitals of the same region."""
    own_name = [c for c in countries() if c.iso not in UNCLEAR_CAPITALS]
    asked = [c for c in own_name if not any(name in c.capitals[0] for name in c.names)]
    for c in asked:
        near = distractors(rng, c.capitals[0], [o.capitals[0] for o in asked if o.region == c.region])
        yield choice(f"Which city is the capital of {c.in_text}?", c.capitals[0], near)


def with_currency(of: tuple[Country, ...]) -> list[Country]:
    """Those on whose single currency GeoNames and the CLDR agree."""
    return [c for c in of if c.iso not in _NEW_CURRENCY and get_territory_currencies(c.iso) == [c.currency_code]]


@family("currencies", levels=4)
def currency_of_country(level: int, rng: random.Random) -> Items:
    """What is the currency of Japan? Only where GeoNames and the CLDR agree on a single currency."""
    ranked = []
    for c in with_currency(places()):
        full = get_currency_name(c.currency_code, locale="en")
        aliases = [full, full.split()[-1], c.currency, c.currency.split()[-1]]
        plain = [without_accents(alias) for alias in aliases]
        ranked.append(free(f"What is the currency of {c.in_text}?", *aliases, *plain, c.currency_code))
    return banded(ranked, level, 4)


@family("currencies", levels=2)
def country_of_currency(level: int, rng: random.Random) -> Items:
    """In which country do people pay with the Swedish Krona? Only currencies of a single country."""
    users = Counter(c.currency_code for c in places())
    ranked = []
    for c in with_currency(places()):
        currency = get_currency_name(c.currency_code, locale="en")
        if users[c.currency_code] == 1 and not is_right(currency, c.names):
            ranked.append(free(f"In which country do people pay with the {currency}?", *c.names))
    return banded(ranked, level, 2)


@family("currencies", levels=3)
def currency_code(level: int, rng: random.Random) -> Items:
    """What is the three-letter code of the currency of Japan?"""
    ranked = [
        free(f"What is the three-letter ISO code of the currency of {c.in_text}?", c.currency_code)
        for c in with_currency(places())
    ]
    return banded(ranked, level, 3)


@family("currencies", kind="choice")
def currency_choice(level: int, rng: random.Random) -> Items:
    """Which currency do people in Japan pay with?"""
    asked = [c for c in with_currency(countries()) if c.name.split()[-1][:4] not in c.currency]
    for c in asked:
        wrong = distractors(rng, c.currency, [o.currency for o in asked])
        yield choice(f"Which currency do people in {c.in_text} pay with?", c.currency, wrong)


def _on_one_continent() -> list[Country]:
    return [c for c in places() if c.iso not in _TWO_CONTINENTS and c.continent in _CONTINENTS]


@family("continents", levels=3)
def continent_of_country(level: int, rng: random.Random) -> Items:
    """On which continent is Kenya?"""
    asked = [free(f"On which continent is {c.in_text}?", *_CONTINENTS[c.continent]) for c in _on_one_continent()]
    return banded(asked, level, 3)


@family("continents", levels=3)
def continent_of_capital(level: int, rng: random.Random) -> Items:
    """On which continent is the city of Nairobi?"""
    asked = [
        free(f"On which continent is the city of {c.capitals[0]}?", *_CONTINENTS[c.continent])
        for c in _with_capital(tuple(_on_one_continent()))
    ]
    return banded(asked, level, 3)


@family("continents", kind="choice")
def continent_choice(level: int, rng: random.Random) -> Items:
    """Which continent does Kenya belong to?"""
    pool = [names[0] for names in _CONTINENTS.values()]
    for c in countries():
        if c.iso not in _TWO_CONTINENTS:
            right = _CONTINENTS[c.continent][0]
            yield choice(f"Which continent does {c.in_text} belong to?", right, distractors(rng, right, pool))


@family("country codes", levels=4)
def country_of_code(level: int, rng: random.Random) -> Items:
    """Which country has the two-letter code JP?"""
    asked = [free(f"Which country or territory has the two-letter code {c.iso}?", *c.names) for c in nameable()]
    return banded(asked, level, 4)


@family("country codes", levels=3)
def numeric_code(level: int, rng: random.Random) -> Items:
    """What is the ISO 3166 number of Japan?"""
    text = "What is the three-digit ISO 3166-1 numeric country code of"
    return banded([free(f"{text} {c.in_text}?", f"{c.numeric:03d}") for c in places()], level, 3)


def _with_own_code() -> list[Country]:
    codes = Counter(c.phone for c in places())
    # The code that is set aside for the Vatican is not in use.
    return [c for c in nameable() if codes[c.phone] == 1 and c.phone.isdigit() and c.iso != "VA"]


@family("calling codes", levels=3)
def calling_code(level: int, rng: random.Random) -> Items:
    """What is the international calling code of Japan?"""
    asked = [
        free(
            f"What is the international telephone calling code of {c.in_text}?", c.phone, f"+{c.phone}", f"00{c.phone}"
        )
        for c in _with_own_code()
    ]
    return banded(asked, level, 3)


@family("calling codes", levels=3)
def country_of_calling_code(level: int, rng: random.Random) -> Items:
    """Which country has the calling code +81?"""
    asked = [free(f"Which country has the international calling code +{c.phone}?", *c.names) for c in _with_own_code()]
    return banded(asked, level, 3)


def _bordering() -> list[Country]:
    """GeoNames counts the naval base of Guantánamo as a border."""
    return [c for c in places() if c.iso not in {"CU", "US"}]


@family("borders", levels=3)
def neighbour_of_country(level: int, rng: random.Random) -> Items:
    """Name one country that borders France."""
    by_iso = {c.iso: c for c in places()}
    near = {c: [n for iso in c.neighbours if iso in by_iso for n in by_iso[iso].names] for c in _bordering()}
    asked = [free(f"Name one country that has a land border with {c.in_text}.", *n) for c, n in near.items() if n]
    return banded(asked, level, 3)


@family("borders", levels=2)
def are_neighbours(level: int, rng: random.Random) -> Items:
    """Do France and Spain share a land border? Yes or no; the others lie in one region."""
    half = len(countries()) // 2
    ranked = countries()[:half] if level == 1 else countries()[half:]
    pairs = [(c, o) for c in ranked for o in countries() if o.region == c.region and o.iso != c.iso]
    text = "Do {} and {} share a land border?"
    return balanced(
        (yes_no(text.format(c.in_text, o.in_text), o.iso in c.neighbours) for c, o in rng.sample(pairs, 800)), rng
    )


@family("borders", kind="choice")
def neighbour_choice(level: int, rng: random.Random) -> Items:
    """Which of these countries borders France? The others are countries of the same region."""
    by_iso = {c.iso: c for c in countries()}
    for c in by_iso.values():
        near = [iso for iso in c.neighbours if iso in by_iso]
        far = [o.name for o in by_iso.values() if o.region == c.region and o.iso not in {*near, c.iso}]
        if near and len(far) >= OPTIONS - 1:
            right = by_iso[rng.choice(near)].name
            yield choice(f"Which of these countries borders {c.in_text}?", right, distractors(rng, right, far))


@family("areas", levels=4, shows=True)
def larger_area(level: int, rng: random.Random) -> Items:
    """Which is larger, Chad or Peru? Twenty times as large, three times, a third larger, a tenth larger."""
    least, most = ((15, 60), (3, 5), (1.3, 1.6), (1.05, 1.15))[level - 1]
    for one, other in (rng.sample(countries(), 2) for _ in range(4000)):
        big, small = (one, other) if one.area > other.area else (other, one)
        if least <= big.area / small.area <= most and not any(is_right(n, big.names) for n in small.names):
            yield free(f"Which country covers a larger area, {one.in_text} or {other.in_text}?", *big.names)


@family("areas", levels=2)
def area_of_country(level: int, rng: random.Random) -> Items:
    """What is the area of Japan in square kilometres? To one digit, then to all that GeoNames has."""
    source = "According to the GeoNames database, what is the area of"
    for c in countries():
        size = 10 ** (len(str(int(c.area))) - 1)
        near = round(c.area / size)
        if level == 1 and abs(c.area / size - near) < 0.35 and near < 10:
            yield number(f"{source} {c.in_text} in square kilometres, rounded to one significant digit?", near * size)
        elif level == 2 and int(c.area) % 100:
            yield number(f"{source} {c.in_text} in square kilometres, exactly?", int(c.area))


@family("areas", kind="choice")
def larger_country(level: int, rng: random.Random) -> Items:
    """Which country has the larger area, Chad or Peru? One is at least half as large again as the other."""
    for _ in range(400):
        one, other = rng.sample(countries(), 2)
        big, small = (one, other) if one.area > other.area else (other, one)
        if big.area > 1.5 * small.area:
            question = f"Which country has the larger area, {one.in_text} or {other.in_text}?"
            yield choice(question, big.name, [small.name])


@family("populations", levels=4, shows=True)
def more_people(level: int, rng: random.Random) -> Items:
    """Which has more people, Chad or Peru? Thirty times as many, five times, twice, half as many again."""
    least, most = ((25, 90), (4, 7), (2, 2.6), (1.5, 1.7))[level - 1]
    settled = [c for c in countries() if c.iso not in _CHANGED_POPULATION]
    for one, other in (rng.sample(settled, 2) for _ in range(4000)):
        big, small = (one, other) if one.population > other.population else (other, one)
        fits = least <= big.population / small.population <= most
        if fits and not any(is_right(n, big.names) for n in small.names):
            yield free(f"Which country has more inhabitants, {one.in_text} or {other.in_text}?", *big.names)


def _spoken() -> list[tuple[Country, tuple[str, ...]]]:
    """Countries with a single official language that is also the one spoken first, and its names."""
    records = geonames().get_countries()
    found = []
    for c in places():
        spoken = records[c.iso]["languages"].split(",")[0].split("-")[0]
        if c.iso not in _CHANGED_LANGUAGE and get_official_languages(c.iso, de_facto=True) == (spoken,):
            found.append((c, language_names(spoken)))
    return found


@family("official languages", levels=3)
def official_language(level: int, rng: random.Random) -> Items:
    """What is the official language of Brazil?"""
    ranked = [free(f"What is the official language of {c.in_text}?", *names) for c, names in _spoken()]
    return banded(ranked, level, 3)


@family("official languages", levels=2)
def language_of_capital(level: int, rng: random.Random) -> Items:
    """What is the official language of the country whose capital is Vienna?"""
    text = "What is the official language of the country or territory with the capital"
    return banded([free(f"{text} {c.capitals[0]}?", *names) for c, names in _spoken()], level, 2)


@family("US states")
def us_states(level: int, rng: random.Random) -> Items:
    """Postal abbreviations of the states of the USA, asked in both directions."""
    named = [(s["code"], s["name"]) for s in geonames().get_us_states().values() if s["code"] != "DC"]
    for code, name in named:
        if name != "Virginia":
            yield free(f"Which US state has the postal abbreviation {code}?", name)
        yield free(f"What is the two-letter postal abbreviation of the US state {name}?", code)


@family("US states", levels=2)
def state_of_county(level: int, rng: random.Random) -> Items:
    """In which US state is Cook County? Counties whose name only one state has; then their census code."""
    names = {s["code"]: s["name"] for s in geonames().get_us_states().values()}
    every = Counter(c["name"] for c in geonames().get_us_counties())
    counties = [c for c in geonames().get_us_counties() if every[c["name"]] == 1 and c["name"].endswith("County")]
    for c in rng.sample(counties, 120):
        if c["state"] in names and level == 1:
            yield free(f"In which US state is {c['name']}?", names[c["state"]])
        elif c["state"] in names:
            yield free(f"What is the five-digit FIPS code of {c['name']} in the USA?", c["fips"])


@family("Japanese countries", kind="choice")
def japanese_country_choice(level: int, rng: random.Random) -> Items:
    """What is the country 「ドイツ」 called in English? Asked in Japanese."""
    names = [(c, locale("ja").territories[c.iso]) for c in countries()]
    plain = [(c, name) for c, name in names if "(" not in name and "（" not in name]
    apart = told_apart([[name, *c.names] for c, name in plain])
    named = [pair for pair, alone in zip(plain, apart, strict=True) if alone]
    pool = [c.name for c, _ in named]
    for c, name in named:
        yield choice(f"「{name}」という国は英語で何といいますか。", c.name, distractors(rng, c.name, pool))
