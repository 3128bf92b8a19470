"""Building blocks of the starter questions: items, wrong options, and the list of families."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from thermolang.answers.grading import is_right
from thermolang.answers.rules.spelling import normalize
from thermolang.types import Example

Split = Literal["train", "test"]
Kind = Literal["free_form", "choice"]
Items = Iterable[Example]
Builder = Callable[[int, random.Random], Items]
"""Makes all items of a level; a multiple-choice item has its right option first, ``label`` 0."""

OPTIONS = 4
DRAWS = 200
"""Random items that are drawn for a level, of which those that are fit and distinct are kept."""


@dataclass(frozen=True)
class Maker:
    """A family of questions and how its items are made.

    Attributes:
        name: Name of the family.
        split: The side it always stands on.
        kind: ``"free_form"`` or ``"choice"``.
        facts: Families with the same value ask about the same facts.
        levels: Number of levels; 1 is the easiest.
        shows: The answer may stand in the question by its nature ("Which is larger, 3 or 4?").
        build: Makes a level.
    """

    name: str
    split: Split
    kind: Kind
    facts: str
    levels: int
    shows: bool
    build: Builder


MAKERS: dict[str, Maker] = {}
"""Every family by name, in the order in which the modules are imported."""

TEST_FACTS = frozenset(
    {"calling codes", "cities", "differences", "elements", "expeditions", "letters", "plurals", "swapped objects"}
)
"""Facts that stand on the test side; all others are trained on."""


def family(
    facts: str, *, levels: int = 1, kind: Kind = "free_form", shows: bool = False
) -> Callable[[Builder], Builder]:
    """Enter a builder into the list of families under its own name."""

    def enter(build: Builder) -> Builder:
        name = build.__name__
        split: Split = "test" if facts in TEST_FACTS else "train"
        MAKERS[name] = Maker(name, split, kind, facts, levels, shows, build)
        return build

    return enter


def free(question: str, *answers: str, context: str = "") -> Example:
    """A free-form item; repeated and empty aliases are dropped, the order is kept."""
    return Example(question, tuple(dict.fromkeys(a for a in answers if a)), context=context)


def number(question: str, value: int, *, context: str = "") -> Example:
    """A free-form item whose answer is a whole number, plain and with commas."""
    return free(question, str(value), f"{value:,}", context=context)


def yes_no(question: str, right: bool, *, context: str = "") -> Example:
    """A free-form item that is answered by yes or no."""
    return free(f"{question} Answer yes or no.", "yes" if right else "no", context=context)


def balanced(items: Iterable[Example], rng: random.Random) -> list[Example]:
    """As many items of each answer as the rarest answer has."""
    by_answer: dict[tuple[str, ...], list[Example]] = {}
    for item in {item.question: item for item in items}.values():
        by_answer.setdefault(item.answers, []).append(item)
    fewest = min(map(len, by_answer.values()))
    kept = [rng.sample(of, min(fewest, 30)) for of in by_answer.values()]
    return [item for row in zip(*kept, strict=True) for item in row]


def choice(question: str, right: str, wrong: Iterable[str]) -> Example:
    """A multiple-choice item with the right option first; it is shuffled later."""
    return Example(question=question, choices=(right, *wrong), label=0)


def distractors(rng: random.Random, right: str, pool: Iterable[str], count: int = OPTIONS - 1) -> list[str]:
    """Draw wrong options that no grader could take for the right one or for each other.

    Args:
        rng: Source of randomness.
        right: The right option.
        pool: Candidates of the same category; repeats and the right option may be among them.
        count: How many to draw.
    """
    candidates = list(dict.fromkeys(pool))
    rng.shuffle(candidates)
    drawn: list[str] = []
    for option in candidates:
        if len(drawn) < count and not any(_alike(option, other) for other in (right, *drawn)):
            drawn.append(option)
    return drawn


def without_accents(text: str) -> str:
    """The text as an English keyboard writes it."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def told_apart(names: Sequence[Sequence[str]]) -> list[bool]:
    """For each thing with several names, whether no other thing's name would pass for it."""
    plain = [[normalize(name) for name in own] for own in names]
    return [
        not any(_passes(other, own) for j, others in enumerate(plain) if j != i for other in others)
        for i, own in enumerate(plain)
    ]


def _passes(other: str, own: Sequence[str]) -> bool:
    # Grading every pair takes seconds; a name can only pass if it holds the other one.
    return any(name in other for name in own) and is_right(other, own)


def _alike(one: str, other: str) -> bool:
    return is_right(one, [other]) or is_right(other, [one])


def banded(ranked: Sequence[Example], level: int, levels: int) -> Sequence[Example]:
    """The level's share of items that are ranked from easy to hard."""
    size = len(ranked) / levels
    return ranked[round(size * (level - 1)) : round(size * level)]
