"""The long job before any experiment: run a model over the items of many tasks, once, and keep their features."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from thermolang.calibration.features import TaskFeatures
from thermolang.errors import TaskFormatError
from thermolang.models.local import LocalModel
from thermolang.storage import digest
from thermolang.tasks.columns import Columns
from thermolang.tasks.readers import drawn, load_tasks
from thermolang.training.features import ROWS_AT_ONCE, collect, is_choice, read_together
from thermolang.training.samples import collect_samples
from thermolang.training.store import Form
from thermolang.types import Example, Task

logger = logging.getLogger(__name__)

Report = Callable[["Collected"], None]

TOGETHER = 4 * ROWS_AT_ONCE
"""Items of small tasks that are read together: full batches, and little is read again after a crash."""


@dataclass(frozen=True)
class Collected:
    """How far the job is.

    Attributes:
        task: Name of the task being read, or of what is being trained.
        done: Items read or found on disk, over all tasks; or steps of training.
        total: Items of all tasks; or steps.
        rate: Items a second that were really read, or steps a second, since the job began.
        seconds_left: At that rate; None before the first item.
        unit: What is counted.
    """

    task: str
    done: int
    total: int
    rate: float
    seconds_left: float | None
    unit: Literal["items", "steps"] = "items"


def tasks_to_collect(
    sources: Sequence[str],
    *,
    limit: int | None = None,
    seed: int = 0,
    parts: int = 1,
    max_characters: int | None = None,
    columns: Columns | None = None,
) -> list[Task]:
    """Load the tasks of all sources, and make them ready to be read.

    Args:
        sources: As ``load_tasks`` takes them.
        limit: Most items a task.
        seed: Of the drawing.
        parts: Cut every task into this many, whole passages together; the parts stay one group, so that they are
            left out together. For data sets that would each be a single task.
        max_characters: Leave out items whose question, context and options are longer than this, and tasks that
            lose so many that fewer than half of ``limit`` remain.
        columns: Names of columns as the user gave them; see ``load_tasks``.

    Raises:
        TaskFormatError: A source cannot be read, or two tasks have one name.
    """
    tasks = []
    for source in sources:
        # Long items go before the draw, so that ``limit`` items remain where there are enough.
        for task in load_tasks(source, limit=None if max_characters else limit, seed=seed, columns=columns):
            if max_characters:
                kept = [e for e in task.examples if _characters(e) <= max_characters]
                if 2 * len(kept) < min(limit or 2, len(task.examples)):
                    shown = "left out %s: only %d items of at most %d characters"
                    logger.warning(shown, task.name, len(kept), max_characters)
                    continue
                task = replace(task, examples=drawn(kept, limit or len(kept), seed))
            if len(task.examples) >= 2:
                tasks += split(task, parts)
    names = [t.name for t in tasks]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        msg = f"two tasks are called {twice}: collect them into different folders, or rename a file"
        raise TaskFormatError(msg)
    return tasks


def split(task: Task, parts: int) -> list[Task]:
    """Cut a task into parts of about equal size; a passage's questions stay together.

    >>> from thermolang.types import Example
    >>> [t.name for t in split(Task("a", tuple(Example(str(i), ("x",)) for i in range(9))), 2)]
    ['a.1', 'a.2']
    """
    if parts < 2:
        return [task]
    units: dict[str, list[int]] = {}
    for i, example in enumerate(task.examples):
        units.setdefault(example.context or str(i), []).append(i)
    # A shuffle that is the same everywhere and does not depend on the order of the file.
    order = sorted(units, key=lambda text: digest(text, 64))
    dealt: list[list[int]] = [[] for _ in range(parts)]
    for unit in order:
        min(dealt, key=len).extend(units[unit])
    group = task.group or task.name
    made = [Task(f"{task.name}.{n}", tuple(task.examples[i] for i in of), group) for n, of in enumerate(dealt, 1)]
    return [t for t in made if len(t.examples) >= 2]


def collect_all(
    model: LocalModel,
    tasks: Sequence[Task],
    out: Path | None,
    *,
    form: Form,
    report: Report,
    signals: bool = False,
    samples: int = 0,
    sampled: Sequence[Task] | None = None,
) -> list[TaskFeatures]:
    """Read every task; what lies in ``out`` already is not read again.

    Args:
        model: The model.
        tasks: The tasks.
        out: Root of the features; None keeps nothing.
        form: ``"prefix"`` reads multiple-choice questions in both forms at once.
        report: Called after every batch.
        signals: Also read the baselines of multiple-choice answers; see ``features.collect``.
        samples: Also sample so many answers to each free-form question; see ``samples.collect_samples``. It takes
            ``out``.
        sampled: The free-form tasks, or parts of them, whose questions are sampled; by default all of ``tasks``.

    Returns:
        The features of each task.
    """
    free = [task for task in tasks if not is_choice(task)]  # a malformed task is found before hours of reading
    clock = _Clock(sum(len(t.examples) for t in tasks), report)
    read: dict[int, TaskFeatures] = {}
    # Quick choices and slow passages in a mixed order, so that the rate is soon that of the whole job.
    order = sorted(range(len(tasks)), key=lambda i: digest(tasks[i].name))
    for some in ([i] for i in order) if out is None else _together(tasks, order):
        if out is not None and len(some) > 1:
            read_together(model, [tasks[i] for i in some], out, signals=signals, progress=clock)
        progress = clock if len(some) == 1 else None
        for i in some:
            read[i] = collect(model, tasks[i], out, form=form, signals=signals, progress=progress)
        clock.next_task()
    if samples and out is not None:
        asked = free if sampled is None else sampled
        clock = _Clock(sum(len(t.examples) for t in asked), report)
        for task in asked:
            collect_samples(model, task, out, n=samples, progress=clock)
            clock.next_task()
    return [read[i] for i in range(len(tasks))]


def _together(tasks: Sequence[Task], order: Sequence[int]) -> Iterator[list[int]]:
    """Small free-form tasks in groups of ``TOGETHER`` items or somewhat more, and all others alone."""
    some, items = list[int](), 0
    for i in order:
        count = len(tasks[i].examples)
        if count >= TOGETHER or is_choice(tasks[i]):
            yield [i]
            continue
        some, items = [*some, i], items + count
        if items >= TOGETHER:
            yield some
            some, items = [], 0
    if some:
        yield some


def steps(report: Report) -> Callable[[str, int, int], None]:
    """Turns the steps of training, which come as (what is being trained, done, steps), into the progress of a job."""
    clocks: dict[str, _Clock] = {}

    def progress(what: str, done: int, total: int) -> None:
        clocks.setdefault(what, _Clock(total, report, "steps"))(what, done, total)

    return progress


class _Clock:
    """Turns the progress of single tasks into that of the job."""

    def __init__(self, total: int, report: Report, unit: Literal["items", "steps"] = "items") -> None:
        self._total, self._report, self._unit, self._started = total, report, unit, time.monotonic()
        self._before = self._read = self._done = 0
        self._found: int | None = None  # items of the current task that were on disk already

    def __call__(self, task: str, done: int, _of: int) -> None:
        self._found = done if self._found is None else self._found
        self._done = done
        read = self._read + done - self._found
        rate = read / max(time.monotonic() - self._started, 1e-9)
        left = (self._total - self._before - done) / rate if read else None
        self._report(Collected(task, self._before + done, self._total, rate, left, self._unit))

    def next_task(self) -> None:
        self._read += self._done - (self._found or 0)
        self._before, self._done, self._found = self._before + self._done, 0, None


def _characters(example: Example) -> int:
    return sum(map(len, (example.question, example.context, *example.choices)))
