"""The versioned temperature and bias of a task, from its unlabelled inputs."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from thermolang.calibration.fitting import Prior
from thermolang.hashing import digest

REFRESH_AT = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
"""Numbers of inputs at which a new version is made by itself; past the last one T* no longer moves."""


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


class TaskState:
    """Collects a task's inputs and turns them into versions of T* and bias. Thread-safe.

    The estimate is the mean over the inputs, shrunk to the prior: with n inputs the prior weighs
    ``prior.inputs / (prior.inputs + n)``.

    Args:
        task: The task's name.
        prior: What is known before the first input.
        path: JSON file that keeps the state; None keeps it in memory only.
    """

    def __init__(self, task: str, prior: Prior, *, path: Path | None = None) -> None:
        self.task, self._prior, self._path = task, prior, path
        self._lock = threading.Lock()
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
        """
        key = digest(text)
        with self._lock:
            if key in self._seen or len(self._seen) >= REFRESH_AT[-1]:
                return
            self._seen[key] = (inverse_temperature, bias)
            if len(self._seen) in REFRESH_AT:
                self._refresh()

    def refresh(self) -> TaskVersion:
        """Make a new version from all inputs seen, save it and return it; no new inputs, no new version."""
        with self._lock:
            if len(self._seen) > self.current.inputs:
                self._refresh()
            return self.current

    def _refresh(self) -> None:
        n, weight = len(self._seen), self._prior.inputs
        total = weight + n
        inverse = (weight * self._prior.inverse_temperature + sum(s for s, _ in self._seen.values())) / total
        bias = (weight * self._prior.bias + sum(b for _, b in self._seen.values())) / total
        self.versions.append(TaskVersion(self.current.version + 1, inverse, bias, n))
        self._save()

    def _save(self) -> None:
        if self._path is None:
            return
        record = {"task": self.task, "versions": [asdict(v) for v in self.versions], "seen": self._seen}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(record), encoding="utf-8")
        part.replace(self._path)

    def _load(self) -> None:
        if self._path is None or not self._path.is_file():
            return
        record = json.loads(self._path.read_text(encoding="utf-8"))
        self.versions = [TaskVersion(**v) for v in record["versions"]]
        self._seen = {key: (s, b) for key, (s, b) in record["seen"].items()}
