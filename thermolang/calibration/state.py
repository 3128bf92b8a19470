"""The versioned temperature and bias of a task, from its unlabelled inputs."""

from __future__ import annotations

import json
import logging
import math
import os
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from thermolang.calibration.fitting import Prior
from thermolang.errors import InvalidInputError
from thermolang.hashing import digest

logger = logging.getLogger(__name__)

REFRESH_AT = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
"""Numbers of inputs at which a new version is made by itself; past the last one T* no longer moves."""

SETTLED = 30
"""Inputs of a task from which its T* hardly moves (the curve over unlabelled inputs in docs/results)."""

SAVE_EACH = 100
"""Below this many inputs each one is saved, so that processes that score a single answer each still add up."""


@dataclass(frozen=True)
class TaskVersion:
    """One version of a task's state; scoring under it is pure.

    Attributes:
        version: 0 before any input.
        inverse_temperature: 1 / T*, > 0.
        bias: In log-odds.
        inputs: Number of distinct inputs it rests on.
    """

    version: int
    inverse_temperature: float
    bias: float
    inputs: int

    @property
    def warning(self) -> str:
        """A sentence while T* still moves; empty once it has settled."""
        if self.inputs >= SETTLED:
            return ""
        return f"the task's temperature rests on {self.inputs} of its inputs so far; it settles at about {SETTLED}"


class TaskState:
    """Collects a task's inputs and turns them into versions of T* and bias. Thread-safe.

    The estimate is the mean over the inputs, shrunk to the prior: with n inputs the prior weighs
    ``prior.inputs / (prior.inputs + n)``.

    A file that cannot be read or written never stops the scoring: a warning is logged and the state goes on in
    memory. A damaged file is kept beside the new one with ``.broken`` at its end.

    Args:
        task: The task's name.
        prior: What is known before the first input.
        path: JSON file that keeps the state; None keeps it in memory only.
    """

    def __init__(self, task: str, prior: Prior, *, path: Path | None = None) -> None:
        self.task, self._prior, self._path = task, prior, path
        self._lock, self._warned = threading.Lock(), False
        self._seen: dict[str, tuple[float, float]] = {}
        self.versions = [TaskVersion(0, prior.inverse_temperature, prior.bias, 0)]
        self._load()

    @property
    def current(self) -> TaskVersion:
        """The newest version."""
        return self.versions[-1]

    def observe(self, text: str, inverse_temperature: float, bias: float = 0.0) -> None:
        """Note one input; the same text again is a retry and changes nothing.

        At 1, 3, 10, 30, ... distinct inputs a new version is made and saved.

        Raises:
            InvalidInputError: The inverse temperature is not positive, or a number is not finite.
        """
        if not _usable(inverse_temperature, bias):
            found = f"1/T = {inverse_temperature} and bias {bias}"
            msg = f"this input has no usable temperature: the calibrator gives {found}"
            raise InvalidInputError(msg)
        key = digest(text)
        with self._lock:
            if key in self._seen or len(self._seen) >= REFRESH_AT[-1]:
                return
            self._seen[key] = (inverse_temperature, bias)
            if len(self._seen) in REFRESH_AT:
                self._refresh()
            elif len(self._seen) < SAVE_EACH:
                self._save()

    def refresh(self) -> TaskVersion:
        """Make a new version from all inputs seen, save it and return it; no new inputs, no new version."""
        with self._lock:
            if len(self._seen) > self.current.inputs:
                self._refresh()
            return self.current

    def _refresh(self) -> None:
        n = len(self._seen)
        inverse = math.fsum(s for s, _ in self._seen.values()) / n
        inverse, bias = self._prior.moved(inverse, math.fsum(b for _, b in self._seen.values()) / n, n)
        self.versions.append(TaskVersion(self.current.version + 1, inverse, bias, n))
        self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        record = {"task": self.task, "versions": [asdict(v) for v in self.versions], "seen": self._seen}
        part = self._path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(record), encoding="utf-8")
            part.replace(self._path)
            self._warned = False
        except OSError as error:
            if not self._warned:
                logger.warning("the state of task %r stays in memory, %s cannot be written: %s", self.task, part, error)
            self._warned = True
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _load(self) -> None:
        try:
            if self._path is None or not self._path.is_file():
                return
            self.versions, self._seen = _read(self._path)
        except OSError as error:
            logger.warning("the state of task %r starts anew in memory: %s", self.task, error)
            self._path = None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self._set_aside(error)

    def _set_aside(self, error: Exception) -> None:
        """Start from the prior, and keep the damaged file under another name."""
        path = cast("Path", self._path)
        aside = path.with_name(f"{path.name}.broken")
        logger.warning(
            "the state of task %r starts anew: %s is damaged (%s) and kept as %s", self.task, path, error, aside.name
        )
        try:
            path.replace(aside)
        except OSError as failure:
            logger.warning("the state of task %r stays in memory: %s", self.task, failure)
            self._path = None


def _read(path: Path) -> tuple[list[TaskVersion], dict[str, tuple[float, float]]]:
    """Versions and inputs of a saved state; raises what bad content raises."""
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    versions = [TaskVersion(**v) for v in record["versions"]]
    seen = {key: (float(s), float(b)) for key, (s, b) in record["seen"].items()}
    numbers = [*seen.values(), *((v.inverse_temperature, v.bias) for v in versions)]
    if not versions or versions[-1].inputs > len(seen) or not all(_usable(s, b) for s, b in numbers):
        msg = "it holds no usable versions"
        raise ValueError(msg)
    return versions, seen


def _usable(inverse_temperature: float, bias: float) -> bool:
    return math.isfinite(inverse_temperature) and inverse_temperature > 0 and math.isfinite(bias)
