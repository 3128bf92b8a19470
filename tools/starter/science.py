"""Starter questions about elements, units, codes and colours."""

from __future__ import annotations

import random
import string
import unicodedata
from http import HTTPStatus
from itertools import product

import matplotlib.colors
import periodictable
import pint

from tools.starter.items import Items, balanced, choice, distractors, family, free, number, yes_no
from tools.starter.letters import everyday_nouns

_LAST_NATURAL = 100
_BRITISH = {"aluminum": "aluminium", "cesium": "caesium", "sulfur": "sulphur"}
_UNITS = pint.UnitRegistry()


def _elements(last: int = 118) -> list[periodictable.core.Element]:
    return [e for e in periodictable.elements if 0 < e.number <= last]


def _names(name: str) -> tuple[str, ...]:
    american = {british: ours for ours, british in _BRITISH.items()}
    return (name, _BRITISH.get(name, ""), american.get(name, ""))


def _half(level: int) -> list[periodictable.core.Element]:
    """The light and the heavy elements."""
    return _elements()[:55] if level == 1 else _elements()[55:]


@family("elements", levels=2)
def symbol_of_element(level: int, rng: random.Random) -> Items:
    """What is the chemical symbol of iron?"""
    return [free(f"What is the chemical symbol of {e.name}?", e.symbol) for e in _half(level)]


@family("elements", levels=2)
def element_of_symbol(level: int, rng: random.Random) -> Items:
    """Which chemical element has the symbol Fe?"""
    return [free(f"Which chemical element has the symbol {e.symbol}?", *_names(e.name)) for e in _half(level)]


@family("elements", levels=2)
def number_of_element(level: int, rng: random.Random) -> Items:
    """What is the atomic number of iron?"""
    return [number(f"What is the atomic number of {e.name}?", e.number) for e in _half(level)]


@family("elements", levels=2)
def element_of_number(level: int, rng: random.Random) -> Items:
    """Which element has the atomic number 26?"""
    return [free(f"Which chemical element has the atomic number {e.number}?", *_names(e.name)) for e in _half(level)]


@family("elements", levels=2)
def mass_of_element(level: int, rng: random.Random) -> Items:
    """What is the atomic mass of iron? To whole units, then to two decimals."""
    for e in _elements()[:92]:
        if level == 1 and abs(e.mass % 1 - 0.5) > 0.05:
            text = "standard atomic weight"
            yield number(f"What is the {text} of {e.name}, rounded to a whole number?", round(e.mass))
        elif level == 2 and len(str(e.mass).partition(".")[2]) >= 2 and abs(e.mass * 100 % 1 - 0.5) > 0.05:
            yield free(f"What is the standard atomic weight of {e.name}, rounded to two decimals?", f"{e.mass:.2f}")


@family("elements", levels=2)
def neutrons_of_isotope(level: int, rng: random.Random) -> Items:
    """How many neutrons has carbon-14?"""
    for e in _half(level)[1:]:
        for a in rng.sample(e.isotopes, min(2, len(e.isotopes))):
            if a > e.number:
                yield number(f"How many neutrons does an atom of {e.name}-{a} have?", a - e.number)


@family("elements", kind="choice")
def element_choice(level: int, rng: random.Random) -> Items:
    """The symbol Fe stands for which element? The others start alike if enough do."""
    names = [e.name for e in _elements(_LAST_NATURAL)]
    for e in _elements(_LAST_NATURAL):
        alike = distractors(rng, e.name, [other for other in names if other[0] == e.name[0]])
        wrong = distractors(rng, e.name, [*alike, *names] if len(alike) < 3 else alike)
        yield choice(f"The chemical symbol {e.symbol} stands for which element?", e.name, wrong)


_LARGER_TO_SMALLER = (
    ("minute", "second"),
    ("hour", "minute"),
    ("day", "hour"),
    ("week", "day"),
    ("kilometer", "meter"),
    ("meter", "centimeter"),
    ("centimeter", "millimeter"),
    ("foot", "inch"),
    ("yard", "foot"),
    ("kilogram", "gram"),
    ("pound", "ounce"),
    ("liter", "milliliter"),
)
_ACROSS = (("mile", "kilometer"), ("inch", "centimeter"), ("pound", "kilogram"), ("foot", "meter"), ("ounce", "gram"))
# Without those that have two sizes: acres and furlongs by the old and the new foot, gallons, barrels.
_RARE = (
    ("stone", "kilogram"),
    ("troy_ounce", "gram"),
    ("nautical_mile", "kilometer"),
    ("hectare", "square yard"),
    ("grain", "milligram"),
    ("long_ton", "kilogram"),
    ("psi", "kilopascal"),
    ("light_year", "parsec"),
    ("horsepower", "watt"),
    ("carat", "ounce"),
    ("mile / hour", "meter / second"),
    ("atmosphere", "psi"),
    ("knot", "mile / hour"),
)
_PLURALS = {"foot": "feet", "inch": "inches", "stone": "stone", "horsepower": "horsepower", "psi": "psi"}


def _plural(unit: str) -> str:
    first, slash, rest = unit.replace("_", " ").partition(" / ")
    return _PLURALS.get(first, f"{first}s") + (f" per {rest}" if slash else "")


@family("units", levels=4)
def unit_conversion(level: int, rng: random.Random) -> Items:
    """How many minutes are in 3 hours? Then larger numbers, other systems to two decimals, rare units."""
    pairs = _LARGER_TO_SMALLER if level < 3 else (_ACROSS if level == 3 else _RARE)
    for large, small in pairs:
        factor = float(_UNITS.Quantity(1, large).to(small).magnitude)
        for n in rng.sample(range(2, 11) if level == 1 else range(13, 400), 9):
            text = f"How many {_plural(small)} are {n} {_plural(large)}"
            if level < 3:
                yield number(f"{text}?", round(n * factor))
            elif abs(n * factor * 100 % 1 - 0.5) > 0.01:
                yield free(f"{text}, rounded to two decimals?", f"{n * factor:.2f}", f"{n * factor:,.2f}")


@family("units", levels=2)
def temperature(level: int, rng: random.Random) -> Items:
    """How many degrees Fahrenheit are 20 degrees Celsius? Tens, then to one decimal and back."""
    if level == 1:
        for c in range(-60, 505, 5):
            yield number(f"How many degrees Fahrenheit are {c} degrees Celsius?", c * 9 // 5 + 32)
    for f in rng.sample(range(-40, 900), 90) if level == 2 else ():
        tenths = round((f - 32) * 50 / 9)
        if (f - 32) % 9:
            question = f"How many degrees Celsius are {f} degrees Fahrenheit, rounded to one decimal?"
            yield free(question, f"{tenths / 10:.1f}")


@family("character codes", levels=4)
def code_of_character(level: int, rng: random.Random) -> Items:
    """What is the ASCII code of A? Then of Latin, Greek and Cyrillic letters, Georgian to Thai, and kanji."""
    blocks = (
        [range(33, 127)],
        [range(0xC0, 0x100), range(0x391, 0x3CA), range(0x410, 0x450)],
        [range(0x561, 0x587), range(0x5D0, 0x5EB), range(0xE01, 0xE2F), range(0x10D0, 0x10F1), range(0x3042, 0x3094)],
        [range(0x4E00, 0x9FA5)],
    )[level - 1]
    codes = [c for block in blocks for c in block if unicodedata.name(chr(c), "") and chr(c) not in "\"'"]
    for code in rng.sample(codes, min(90, len(codes))):
        if level == 1:
            yield number(f"What is the ASCII code of the character {chr(code)} in decimal?", code)
        else:
            answers = (f"U+{code:04X}", f"{code:04X}", f"0x{code:X}", f"0x{code:04X}", f"\\u{code:04X}")
            yield free(f"What is the Unicode code point of the character {chr(code)} in hexadecimal?", *answers)


@family("character codes", levels=3)
def character_of_code(level: int, rng: random.Random) -> Items:
    """Which capital has the ASCII code 65? Then small Greek and Cyrillic letters, and kanji."""
    blocks = (
        [range(65, 91)],
        [range(0x3B1, 0x3C2), range(0x3C3, 0x3CA), range(0x430, 0x450)],
        [range(0x4E00, 0x9FA5)],
    )[level - 1]
    codes = [c for block in blocks for c in block if unicodedata.name(chr(c), "")]
    for code in rng.sample(codes, min(90, len(codes))):
        # Graders do not tell small from capital letters.
        asked = [f"ASCII code {code} (decimal)", f"ASCII code 0x{code:X} (hexadecimal)"]
        for text in asked if level == 1 else [f"Unicode code point U+{code:04X}"]:
            yield free(f"Which character has the {text}?", chr(code))


# RFC 9110 has other phrases than older Pythons.
_RENAMED = frozenset({103, 413, 414, 416, 418, 422, 425})


@family("HTTP status codes")
def http_status(level: int, rng: random.Random) -> Items:
    """What does the HTTP status 404 mean? And back."""
    for status in HTTPStatus:
        phrase = status.phrase
        if status.value in _RENAMED:
            continue
        yield free(f"What is the standard phrase of the HTTP status code {status.value}?", phrase)
        yield number(f'Which HTTP status code has the phrase "{phrase}"?', status.value)


@family("colours", levels=3)
def code_of_colour(level: int, rng: random.Random) -> Items:
    """What is the hexadecimal code of the CSS colour "navy"? Short names, all others, then the xkcd survey's."""
    css = dict(sorted(matplotlib.colors.CSS4_COLORS.items()))
    short = {n: c for n, c in css.items() if len(n) <= 7}
    survey = {n.removeprefix("xkcd:"): c for n, c in sorted(matplotlib.colors.XKCD_COLORS.items())}
    rest = {n: c for n, c in survey.items() if n not in css}
    table = (short, {n: c for n, c in css.items() if n not in short}, rest)[level - 1]
    source = "CSS colour" if level < 3 else "xkcd survey colour"
    for name in rng.sample(sorted(table), min(90, len(table))):
        if any(c.isdigit() for c in table[name]) or level == 1:
            yield free(f'What is the hexadecimal RGB code of the {source} "{name}"?', table[name].upper())


_MORSE = ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
MORSE = dict(zip(string.ascii_uppercase, _MORSE.split(), strict=True))


@family("Morse code", levels=3)
def morse(level: int, rng: random.Random) -> Items:
    """What do these Morse signs mean? Words of 2, 4 to 5 and 8 to 10 letters."""
    if level == 1:
        words = [a + b for a, b in product("ETAINOSHRD", "ETAINOSHRD") if a != b]
    else:
        words = [n.upper() for n in everyday_nouns() if len(n) in ((4, 5) if level == 2 else (8, 9, 10))]
    for word in rng.sample(words, min(90, len(words))):
        signs = " ".join(MORSE[c] for c in word)
        yield free(f"Which letters do these Morse code signs spell: {signs} ?", word, " ".join(word), "-".join(word))


@family("chess", levels=3)
def chess_square(level: int, rng: random.Random) -> Items:
    """Is e4 light or dark? Then whether a knight, and whether a bishop or a queen, moves from one to another."""
    squares = [(f, r) for f in range(8) for r in range(8)]
    if level == 1:
        shades = ((f + r) % 2 == 1 for f, r in squares)
        return balanced(
            (
                free(f"On a chessboard, is the square {_square(s)} light or dark?", "light" if light else "dark")
                for s, light in zip(squares, shades, strict=True)
            ),
            rng,
        )
    return balanced((_move(level, *rng.sample(squares, 2), rng) for _ in range(1500)), rng)


def _square(at: tuple[int, int]) -> str:
    return f"{'abcdefgh'[at[0]]}{at[1] + 1}"


def _move(level: int, start: tuple[int, int], end: tuple[int, int], rng: random.Random) -> object:
    across, up = abs(start[0] - end[0]), abs(start[1] - end[1])
    piece = "knight" if level == 2 else rng.choice(("bishop", "queen", "rook"))
    straight, slanted = across == 0 or up == 0, across == up
    right = {
        "knight": {across, up} == {1, 2},
        "bishop": slanted,
        "rook": straight,
        "queen": straight or slanted,
    }[piece]
    question = f"On an empty chessboard, can a {piece} move from {_square(start)} to {_square(end)} in one move?"
    return yes_no(question, right)
