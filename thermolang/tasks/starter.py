"""Our own offline tasks: questions from trivial to hopeless, so that every model is right on some and wrong on others.

They come with the package as one file, made by ``tools/make_starter.py``. A free-form family has up to five levels,
and a task is one level of a family. The split is by what is asked about and fixed: families about the same facts (all
levels, both directions of a question, its multiple-choice form, its Japanese twin) stand on the same side, so no fact
that a calibrator was trained on is asked again on the test side.
"""

from __future__ import annotations

import dataclasses
import json
import lzma
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal

from thermolang.errors import NotEnoughDataError
from thermolang.types import Example, Task

Split = Literal["train", "test"]
Kind = Literal["free_form", "choice"]


@dataclass(frozen=True)
class Family:
    """A level of a family of questions.

    Attributes:
        task: Name of the task it becomes, such as ``"multiplication-4"``; without a number if it is the only level.
        name: Name of the family.
        split: The side it always stands on.
        kind: ``"free_form"`` or ``"choice"``.
        facts: Families with the same value ask about the same facts.
        level: 1 is the easiest of its family.
        items: Its questions: 40 to 60 of free form, up to 200 with options.
    """

    task: str
    name: str
    split: Split
    kind: Kind
    facts: str
    level: int
    items: tuple[Example, ...]


@lru_cache(maxsize=1)
def families() -> dict[str, Family]:
    """Every level of every family by the name of its task."""
    packed = resources.files("thermolang.tasks").joinpath("data", "starter.jsonl.xz").read_bytes()
    rows = [json.loads(line) for line in lzma.decompress(packed).decode("utf-8").splitlines()]
    return {row["task"]: Family(**{**row, "items": tuple(map(_item, row["items"]))}) for row in rows}


def _item(fields: dict[str, str | int | list[str]]) -> Example:
    return Example(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()})  # type: ignore[arg-type]


def starter_tasks(
    *, seed: int = 0, per_family: int = 120, split: Literal["train", "test", "all"] = "all"
) -> list[Task]:
    """The starter tasks; the same seed gives the same items on every machine.

    Args:
        seed: Decides the order of the items and of their options.
        per_family: Most items of a task. A level of free-form questions has 40 to 60, a multiple-choice family 100 to
            200. A smaller number gives the first items of a larger one.
        split: Which side of the fixed split by facts.

    Raises:
        NotEnoughDataError: ``per_family`` is below 1.
    """
    if per_family < 1:
        msg = f"per_family is {per_family}, a task needs at least 1 item"
        raise NotEnoughDataError(msg)
    chosen = [family for family in families().values() if split in ("all", family.split)]
    return [Task(family.task, _items(family, seed)[:per_family], group=family.facts) for family in chosen]


def _items(family: Family, seed: int) -> tuple[Example, ...]:
    if seed == 0:
        return family.items
    # Seeded by text: unlike hash(), random.Random(str) gives the same stream in every process.
    rng = random.Random(f"{seed}:{family.task}")
    shuffled = rng.sample(family.items, len(family.items))
    return tuple(shuffled) if family.kind == "free_form" else tuple(arranged(shuffled, rng))


def arranged(items: Sequence[Example], rng: random.Random) -> list[Example]:
    """Shuffle the options; within every K items the right one stands once in each of the K positions."""
    found = []
    positions: list[int] = []
    for item in items:
        right_at = item.label or 0
        wrong = [option for i, option in enumerate(item.choices) if i != right_at]
        if not positions:
            positions = rng.sample(range(len(item.choices)), len(item.choices))
        label = positions.pop()
        rng.shuffle(wrong)
        choices = (*wrong[:label], item.choices[right_at], *wrong[label:])
        found.append(dataclasses.replace(item, choices=choices, label=label))
    return found
