"""Our own offline tasks: question families built from facts in well-kept data packages.

Every family is a task of its own. The split is by family and fixed: families about the same facts (both
directions of a question, and its multiple-choice form) stand on the same side, so no fact that a
calibrator was trained on is asked again on the test side.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import Literal

from thermolang.answers.grading import is_right
from thermolang.errors import NotEnoughDataError
from thermolang.tasks import starter_items as numbers
from thermolang.tasks import starter_words as science
from thermolang.tasks import starter_words as words
from thermolang.tasks import starter_world as languages
from thermolang.tasks import starter_world as world
from thermolang.tasks.starter_items import Builder
from thermolang.types import Example, Task

Split = Literal["train", "test"]
Kind = Literal["free_form", "choice"]

MOST_PER_FAMILY = 200
# By their nature: leaving such items out would leave one kind of answer.
_ANSWER_IN_QUESTION = frozenset({"digits_of_words", "larger_number"})


@dataclass(frozen=True)
class Family:
    """A kind of question.

    Attributes:
        name: Name of the task it becomes.
        split: The side it always stands on.
        kind: ``"free_form"`` or ``"choice"``.
        facts: Families with the same value ask about the same facts.
        builder: Makes all its items.
    """

    name: str
    split: Split
    kind: Kind
    facts: str
    builder: Builder


def _families() -> dict[str, Family]:
    listed: list[tuple[Split, Kind, str, list[Builder]]] = [
        ("train", "free_form", "capitals", [world.capital_of_country, world.country_of_capital]),
        ("train", "choice", "capitals", [world.capital_choice]),
        ("test", "free_form", "cities", [world.country_of_city]),
        ("test", "choice", "cities", [world.city_choice]),
        ("train", "free_form", "currencies", [world.currency_of_country, world.country_of_currency]),
        ("train", "choice", "currencies", [world.currency_choice]),
        ("train", "free_form", "continents", [world.continent_of_country, world.continent_of_capital]),
        ("train", "choice", "continents", [world.continent_choice]),
        ("train", "free_form", "country codes", [world.country_of_code]),
        ("train", "free_form", "borders", [world.neighbour_of_country]),
        ("train", "choice", "borders", [world.neighbour_choice]),
        ("train", "choice", "areas", [world.larger_country]),
        ("train", "free_form", "US states", [world.us_states]),
        ("train", "free_form", "official languages", [languages.official_language, languages.language_of_capital]),
        ("train", "free_form", "own names of languages", [languages.language_of_own_name]),
        ("train", "free_form", "foreign days", [languages.meaning_of_foreign_day]),
        ("train", "choice", "foreign days", [languages.foreign_day_choice]),
        ("train", "choice", "Japanese countries", [languages.japanese_country_choice]),
        (
            "train",
            "free_form",
            "sums",
            [numbers.small_addition, numbers.addition],
        ),
        ("train", "choice", "sums", [numbers.addition_choice]),
        ("test", "free_form", "elements", [science.symbol_of_element, science.element_of_symbol]),
        ("test", "choice", "elements", [science.element_choice]),
        ("train", "free_form", "units", [science.unit_conversion]),
        ("train", "choice", "emoji", [science.emoji_choice]),
        ("test", "free_form", "differences", [numbers.subtraction]),
        ("train", "free_form", "products", [numbers.multiplication, numbers.division]),
        ("train", "free_form", "sequences", [numbers.number_after]),
        ("train", "free_form", "order of numbers", [numbers.larger_number]),
        ("train", "choice", "divisors", [numbers.divisible_choice]),
        ("train", "free_form", "parity", [numbers.parity]),
        ("train", "free_form", "number words", [numbers.digits_of_words]),
        ("train", "choice", "weekdays", [numbers.weekday_choice]),
        ("train", "choice", "leap years", [numbers.leap_year_choice]),
        ("test", "free_form", "letters", [words.first_letter]),
        ("train", "choice", "alphabet", [words.dictionary_order_choice]),
        ("test", "free_form", "plurals", [words.plural, words.singular]),
        ("train", "free_form", "past tenses", [words.past_tense, words.present_participle]),
        ("train", "choice", "past tenses", [words.past_tense_choice]),
    ]
    return {b.__name__: Family(b.__name__, split, kind, facts, b) for split, kind, facts, bs in listed for b in bs}


FAMILIES: dict[str, Family] = _families()
"""Every family by name."""


def starter_tasks(
    *, seed: int = 0, per_family: int = 120, split: Literal["train", "test", "all"] = "all"
) -> list[Task]:
    """Build the starter tasks; the same seed and data packages give the same items on every machine.

    Args:
        seed: Decides which items are drawn, their order and the order of options.
        per_family: Items per task, at most 200; a family with fewer facts gives what it has (80 or more). A
            smaller number gives the first items of a larger one.
        split: Which side of the fixed split by family.

    Raises:
        MissingExtraError: A data package of the ``starter`` extra is not installed.
        NotEnoughDataError: ``per_family`` is below 1.
    """
    if per_family < 1:
        msg = f"per_family is {per_family}, a task needs at least 1 item"
        raise NotEnoughDataError(msg)
    chosen = [family for family in FAMILIES.values() if split in ("all", family.split)]
    return [Task(family.name, _items(family, seed)[:per_family], group=family.facts) for family in chosen]


def _items(family: Family, seed: int) -> tuple[Example, ...]:
    # Seeded by text: unlike hash(), random.Random(str) gives the same stream in every process.
    rng = random.Random(f"{seed}:{family.name}")
    unique = list({item.question: item for item in family.builder(rng)}.values())
    unique = [item for item in unique if family.name in _ANSWER_IN_QUESTION or not _gives_itself_away(item)]
    rng.shuffle(unique)
    kept = unique[:MOST_PER_FAMILY]
    return tuple(kept) if family.kind == "free_form" else _arranged(kept, rng)


def _gives_itself_away(item: Example) -> bool:
    """Whether a model that merely repeats the question would be right ("What is 10 - 5?")."""
    return bool(item.answers) and is_right(item.question, item.answers)


def _arranged(items: list[Example], rng: random.Random) -> tuple[Example, ...]:
    """Shuffle the options; within every K items the right one stands once in each of the K positions."""
    arranged = []
    positions: list[int] = []
    for item in items:
        right, *wrong = item.choices
        if not positions:
            positions = rng.sample(range(len(item.choices)), len(item.choices))
        label = positions.pop()
        rng.shuffle(wrong)
        choices = (*wrong[:label], right, *wrong[label:])
        arranged.append(dataclasses.replace(item, choices=choices, label=label))
    return tuple(arranged)
