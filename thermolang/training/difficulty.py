"""Choosing levels of the starter tasks for a model: neither all easy nor all hopeless.

A calibrator learns what high and low accuracies look like only from tasks that have them. Every family of starter
questions has levels from trivial to hopeless; which is which depends on the model, so a few items of some are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from thermolang.models.local import LocalModel
from thermolang.tasks.starter import Family, Split, families
from thermolang.training.collect import Report, collect_all
from thermolang.types import Task

PROBES = 10
"""Items of a level that are tried."""

STARTER_ITEMS = 20
"""Most items of a level that is kept: many small tasks tell more of a new task than few large ones."""

EDGES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)
"""Of the bins of accuracy that levels are spread over; the outer two are hopeless and easy."""

OUTER = 0.25
"""Largest part of the kept levels that may be hopeless, and that may be easy."""

FEWEST_OUTER = 12
"""So many hopeless and easy ones are kept in any case: a model may be right nearly never, or nearly always."""

Probe = Callable[[Sequence[Task]], Sequence[int]]
"""Tries tasks and tells how many answers to each are right."""


@dataclass(frozen=True)
class Tried:
    """A level of a family that was tried.

    Attributes:
        family: The level.
        right: Answers that were right.
        items: Answers.
    """

    family: Family
    right: int
    items: int

    @property
    def bin(self) -> int:
        """Which of the bins between ``EDGES`` its accuracy is in, 0 to 6."""
        return int(np.searchsorted(EDGES, self.right / self.items, side="right"))

    def task(self, items: int) -> Task:
        """The level as a task of at most so many items."""
        return _task(self.family, min(items, STARTER_ITEMS))


def starter_levels(model: LocalModel, folder: Path | None, *, split: Split, report: Report) -> list[Tried]:
    """Try levels of the free-form starter families on a model, and keep those that are spread best.

    Of each group of facts the family with the most levels is tried, and two where questions are about a passage.

    Args:
        model: The model.
        folder: Where the features are kept, so that what was tried is not read again.
        split: Side of the starter families.
        report: Called after every batch.
    """

    def probe(tasks: Sequence[Task]) -> list[int]:
        return [int(t.right.sum()) for t in collect_all(model, tasks, folder, form="chat", report=report)]

    free = [f for f in families().values() if f.kind == "free_form" and f.split == split]
    return spread(tried(with_most_levels(free), probe))


def choice_tasks(split: Split, items: int) -> list[Task]:
    """The multiple-choice starter tasks, which have no levels."""
    return [_task(f, items) for f in families().values() if f.kind == "choice" and f.split == split]


def with_most_levels(levels: Sequence[Family]) -> list[Family]:
    """The levels of one family of each group of facts, or of two where its questions are about a passage."""
    ladders = [list(of) for _, of in groupby(levels, key=lambda f: f.name)]
    kept: list[str] = []
    for facts in dict.fromkeys(f.facts for f in levels):
        of = sorted((ladder for ladder in ladders if ladder[0].facts == facts), key=len, reverse=True)
        about_passages = any(item.context for ladder in of for item in ladder[0].items)
        kept += [ladder[0].name for ladder in of[: 2 if about_passages else 1]]
    return [f for f in levels if f.name in kept]


def tried(levels: Sequence[Family], probe: Probe) -> list[Tried]:
    """Try the middle level of every family, then harder ones while it is easy, or easier ones while it is hard.

    Args:
        levels: Of free-form families, those of one family in ascending order.
        probe: Tries the first ``PROBES`` items of levels.
    """
    ladders = [list(of) for _, of in groupby(levels, key=lambda f: f.name)]
    # Of each family the level to try next, and which way it came.
    at = [(of, len(of) // 2, 0) for of in ladders]
    found: list[Tried] = []
    while at:
        now = _probed([of[place] for of, place, _ in at], probe)
        found += now
        ahead = [
            (of, place + way, way)
            for (of, place, before), one in zip(at, now, strict=True)
            for way in (1 if 2 * one.right >= one.items else -1,)
            if before in (0, way)
        ]
        at = [(of, place, way) for of, place, way in ahead if 0 <= place < len(of)]
    return found


def spread(levels: Sequence[Tried]) -> list[Tried]:
    """Those levels whose accuracies are spread best: all in between, and of the hopeless and the easy ones a quarter.

    Of these, levels about facts that no kept level asks about come first.
    """
    outer = (0, len(EDGES))
    kept = [t for t in levels if t.bin not in outer]
    most = max(FEWEST_OUTER, round(len(kept) * OUTER / (1 - 2 * OUTER)))
    for one in outer:
        known = {t.family.facts for t in kept}
        of = [t for t in levels if t.bin == one]
        kept += sorted(of, key=lambda t: t.family.facts in known)[:most]
    chosen = {t.family.task for t in kept}
    return [t for t in levels if t.family.task in chosen]


def histogram(levels: Sequence[Tried]) -> dict[str, int]:
    """How many levels have which accuracy, the lowest first.

    >>> list(histogram([]))[:2]
    ['below 5 %', '5 to 20 %']
    """
    inner = [f"{100 * low:.0f} to {100 * high:.0f} %" for low, high in pairwise(EDGES)]
    names = [f"below {100 * EDGES[0]:.0f} %", *inner, f"{100 * EDGES[-1]:.0f} % and more"]
    return {name: sum(t.bin == i for t in levels) for i, name in enumerate(names)}


def _probed(levels: Sequence[Family], probe: Probe) -> list[Tried]:
    tasks = [_task(f, PROBES) for f in levels]
    rights = probe(tasks) if tasks else []
    return [Tried(f, right, len(t.examples)) for f, t, right in zip(levels, tasks, rights, strict=True)]


def _task(family: Family, items: int) -> Task:
    return Task(family.task, family.items[:items], group=family.facts)
