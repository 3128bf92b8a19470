"""Starter questions about words, emoji and science."""

from __future__ import annotations

import gzip
import random
import re
import unicodedata
from functools import lru_cache
from importlib.resources import files

from scipy import constants
from thermolang.tasks.starter_items import choice, data, distractors, free

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

_DRAWS = 400

# Names of emoji that are plural already or no nouns.
_NO_PLURAL = re.compile(r".*(?:s|ing|ed|ize)|foggy")

# Verbs made of another one ("undo"), which ask for the same form again.
_DERIVED = re.compile(r"(?:log|mis|out|over|pre|un|up|way)[a-z]{2,}|re[a-z]{3,}|fore?go")


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


def _nouns() -> list[str]:
    """Everyday nouns of four letters or more: the one-word names of emoji."""
    return [name for _, name in emoji() if len(name) >= 4]


def first_letter(rng: random.Random) -> list[Example]:
    """What is the first letter of the word "banana"?"""
    return [free(f'What is the first letter of the word "{noun}"?', noun[0].upper()) for noun in _nouns()]


def dictionary_order_choice(rng: random.Random) -> list[Example]:
    """Which of these words comes first in a dictionary: owl, cat, dog or bee?"""
    nouns = _nouns()
    items = []
    for _ in range(_DRAWS):
        drawn = {noun[0]: noun for noun in rng.sample(nouns, 12)}
        shown = list(drawn.values())[:4]
        first, *others = sorted(shown)
        question = f"Which word comes first in a dictionary: {', '.join(shown[:3])} or {shown[3]}?"
        items.append(choice(question, first, others))
    return items


def plural(rng: random.Random) -> list[Example]:
    """What is the plural of "mouse"? Nouns that may stay as they are ("fish") are left out."""
    inflection = data("lemminflect").getInflection
    forms = [(noun, inflection(noun, "NNS")) for noun in _nouns() if not _NO_PLURAL.fullmatch(noun)]
    return [free(f'What is the plural of the word "{noun}"?', *many) for noun, many in forms if noun not in many]


def singular(rng: random.Random) -> list[Example]:
    """What is the singular of "mice"?"""
    return [
        free(f'What is the singular of the word "{many}"?', item.question.split('"')[1])
        for item in plural(rng)
        for many in item.answers[:1]
    ]


@lru_cache(maxsize=1)
def _irregular_verbs() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Base form and past tenses of short irregular verbs."""
    data("lemminflect")
    packed = files("lemminflect").joinpath("resources", "infl_lu.csv.gz").read_bytes()
    rows = [line.split(",") for line in gzip.decompress(packed).decode("utf-8").splitlines()]
    verbs = [(row[0], tuple(row[2].split("/"))) for row in rows if row[1:2] == ["verb"]]
    return tuple((base, past) for base, past in verbs if _is_irregular(base, past))


def _is_irregular(base: str, past: tuple[str, ...]) -> bool:
    plain = base.isalpha() and base.islower() and len(base) <= 6 and not _DERIVED.fullmatch(base)
    return plain and all(form.isalpha() and form != base and not form.endswith("ed") for form in past)


def past_tense(rng: random.Random) -> list[Example]:
    """What is the past tense of "swim"?"""
    return [free(f'What is the past tense of "{base}"?', *past) for base, past in _irregular_verbs()]


def present_participle(rng: random.Random) -> list[Example]:
    """What is the present participle of the verb "swim"?"""
    inflection = data("lemminflect").getInflection
    forms = [(base, inflection(base, "VBG")) for base, _ in _irregular_verbs()]
    return [free(f'What is the present participle of the verb "{base}"?', *form) for base, form in forms]


def past_tense_choice(rng: random.Random) -> list[Example]:
    """Which word is the past tense of "swim"? The others: its regular form, other verbs' past tenses."""
    verbs = _irregular_verbs()
    items = []
    for base, past in verbs:
        alike = [forms[0] for other, forms in verbs if other[0] == base[0] and not {*forms} & {*past}]
        rest = [forms[0] for _, forms in verbs if not {*forms} & {*past}]
        regular = f"{base.removesuffix('e')}ed"
        wrong = [regular, *distractors(rng, past[0], alike if len(alike) > 2 else rest, count=2)]
        items.append(choice(f'Which word is the past tense of "{base}"?', past[0], wrong))
    return items
