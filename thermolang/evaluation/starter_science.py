"""Starter families about elements, units and emoji."""

from __future__ import annotations

import random
import unicodedata

from scipy import constants

from thermolang.evaluation.starter_items import choice, data, distractors, free
from thermolang.types import Example

_LAST_ELEMENT = 100
_BRITISH = {"aluminum": "aluminium", "cesium": "caesium", "sulfur": "sulphur"}
_LARGER_TO_SMALLER = (
    ("minutes", constants.minute, "seconds", 1.0),
    ("hours", constants.hour, "minutes", constants.minute),
    ("days", constants.day, "hours", constants.hour),
    ("weeks", constants.week, "days", constants.day),
    ("kilometres", constants.kilo, "metres", 1.0),
    ("metres", 1.0, "centimetres", constants.centi),
    ("centimetres", constants.centi, "millimetres", constants.milli),
    ("feet", constants.foot, "inches", constants.inch),
    ("yards", constants.yard, "feet", constants.foot),
    ("kilograms", 1.0, "grams", constants.gram),
    ("pounds", constants.pound, "ounces", constants.ounce),
    ("litres", constants.liter, "millilitres", constants.liter * constants.milli),
)
# Blocks that Unicode had filled before the oldest Python we support.
_EMOJI_BLOCKS = (range(0x1F300, 0x1F600), range(0x1F680, 0x1F6C6), range(0x1F900, 0x1FA00))


def _elements() -> list[tuple[str, str]]:
    """Symbol and name up to fermium, the last element to be found outside particle accelerators."""
    return [(e.symbol, e.name) for e in data("periodictable").elements if 0 < e.number <= _LAST_ELEMENT]


def _element_names(name: str) -> tuple[str, ...]:
    american = {british: ours for ours, british in _BRITISH.items()}
    return (name, _BRITISH.get(name, ""), american.get(name, ""))


def symbol_of_element(rng: random.Random) -> list[Example]:
    """What is the chemical symbol of iron?"""
    return [free(f"What is the chemical symbol of {name}?", symbol) for symbol, name in _elements()]


def element_of_symbol(rng: random.Random) -> list[Example]:
    """Which chemical element has the symbol Fe?"""
    return [
        free(f"Which chemical element has the symbol {symbol}?", *_element_names(name)) for symbol, name in _elements()
    ]


def element_choice(rng: random.Random) -> list[Example]:
    """The symbol Fe stands for which element? The others start alike if enough do."""
    names = [name for _, name in _elements()]
    items = []
    for symbol, name in _elements():
        alike = distractors(rng, name, [other for other in names if other[0] == name[0]])
        wrong = distractors(rng, name, [*alike, *names] if len(alike) < 3 else alike)
        items.append(choice(f"The chemical symbol {symbol} stands for which element?", name, wrong))
    return items


def unit_conversion(rng: random.Random) -> list[Example]:
    """How many minutes are there in 3 hours?"""
    return [
        free(f"How many {small} are there in {n} {large}?", str(round(n * size / unit)))
        for large, size, small, unit in _LARGER_TO_SMALLER
        for n in range(2, 11)
    ]


def emoji() -> list[tuple[str, str]]:
    """Emoji whose Unicode name is a single word, with that word."""
    signs = [chr(code) for block in _EMOJI_BLOCKS for code in block]
    named = [(sign, unicodedata.name(sign, "").lower()) for sign in signs]
    # Wide signs are those shown in colour; the others ("overlap", "minimize") are mere symbols.
    return [(s, name) for s, name in named if name.isalpha() and unicodedata.east_asian_width(s) == "W"]


def emoji_choice(rng: random.Random) -> list[Example]:
    """Which word is the name of the emoji 🍌?"""
    names = [name for _, name in emoji()]
    return [choice(f"Which word is the name of the emoji {s}?", n, distractors(rng, n, names)) for s, n in emoji()]
