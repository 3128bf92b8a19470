"""What the starter families share: how an item is written, which options may stand side by side."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from thermolang.answers.grading import is_right
from thermolang.answers.plain import normalize
from thermolang.errors import require
from thermolang.types import Example

Builder = Callable[[random.Random], list[Example]]
"""Makes all items of a family; a multiple-choice item has its right option first, ``label`` 0."""

EXTRA = "starter"
OPTIONS = 4


def data(module: str) -> Any:
    """Import a data package of the ``starter`` extra."""
    return require(module, EXTRA)


def free(question: str, *answers: str) -> Example:
    """A free-form item; repeated and empty aliases are dropped, the order is kept."""
    return Example(question=question, answers=tuple(dict.fromkeys(a for a in answers if a)))


def choice(question: str, right: str, wrong: Iterable[str]) -> Example:
    """A multiple-choice item with the right option first; the family's arrangement shuffles it."""
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
