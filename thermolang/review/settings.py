"""How the items of a task are reviewed: with the confidence or without, how many probes, how many second reviews."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from sqlalchemy import ColumnElement, false, true
from sqlalchemy.orm import Session

from thermolang.review import statements
from thermolang.review.checks import check
from thermolang.review.schema import ItemRow, ShowMode

EVERY_TASK = "*"
SHOW_MODES: tuple[ShowMode, ...] = get_args(ShowMode)
SHARES = ("blind_share", "probe_share", "double_share")


@dataclass(frozen=True)
class TaskSettings:
    """How the items of a task are reviewed.

    Attributes:
        mode: ``"shown"``: operators see the confidence; ``"blind"``: only after their verdict; ``"random"``: by
            chance, which is what tells whether it helps.
        blind_share: With ``"random"``, the share of showings without the confidence, in [0, 1].
        probe_share: Share of an operator's items whose answer is known, in [0, 0.5].
        double_share: Share of decided items that a second operator judges, too, in [0, 1].
    """

    mode: ShowMode = "shown"
    blind_share: float = 0.5
    probe_share: float = 0.0
    double_share: float = 0.0

    def check(self) -> None:
        """Raise a RefusedError that names what is not allowed."""
        check(self.mode in SHOW_MODES, f"unknown mode {self.mode!r}; one of {', '.join(SHOW_MODES)}")
        for name in SHARES:
            most, share = 0.5 if name == "probe_share" else 1, getattr(self, name)
            check(0 <= share <= most, f"the {name.replace('_', ' ')} lies between 0 and {most}, got {share}")


@dataclass(frozen=True)
class Settings:
    """The settings of all tasks.

    Attributes:
        default: Of the tasks without their own.
        tasks: Of single tasks, by name.
    """

    default: TaskSettings = TaskSettings()
    tasks: Mapping[str, TaskSettings] = field(default_factory=dict)

    def of(self, task: str) -> TaskSettings:
        """The settings of one task."""
        return self.tasks.get(task, self.default)

    def shows_number(self, item_id: str, task: str, operator: str) -> bool:
        """Whether an operator sees the confidence of an undecided item: the same each time, at random over items."""
        settings = self.of(task)
        if settings.mode != "random":
            return settings.mode == "shown"
        drawn = int(hashlib.sha256(f"{item_id} {operator}".encode()).hexdigest()[:8], 16) / 2**32
        return drawn >= settings.blind_share

    def may_hide(self, task: str | None) -> bool:
        """Whether the confidences of a task, or of any task for None, may be hidden until the verdict."""
        if task is not None:
            return self.of(task).mode != "shown"
        return any(each.mode != "shown" for each in (self.default, *self.tasks.values()))

    def hides(self) -> ColumnElement[bool]:
        """The condition that lists hide the confidence of an item."""
        return (ItemRow.status == "pending") & self._tasks_with(lambda settings: settings.mode != "shown")

    def has_probes(self) -> ColumnElement[bool]:
        """The condition that probes are shown in the task of an item."""
        return self._tasks_with(lambda settings: settings.probe_share > 0)

    def most_probes(self) -> float:
        """The largest share of probes of any task."""
        return max(each.probe_share for each in (self.default, *self.tasks.values()))

    def _tasks_with(self, holds: Callable[[TaskSettings], bool]) -> ColumnElement[bool]:
        if holds(self.default):
            others = [task for task, settings in self.tasks.items() if not holds(settings)]
            return ItemRow.task.not_in(others) if others else true()
        named = [task for task, settings in self.tasks.items() if holds(settings)]
        return ItemRow.task.in_(named) if named else false()


def read_settings(session: Session) -> Settings:
    """The settings as they are now."""
    found = {
        row.task: TaskSettings(row.mode, row.blind_share, row.probe_share, row.double_share)
        for row in statements.settings(session)
    }
    return Settings(found.pop(EVERY_TASK, TaskSettings()), found)
