"""The versioned temperature, bias and intercept of a task, from its unlabelled inputs and verdicts on its answers."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from filelock import FileLock
from pydantic import FiniteFloat, TypeAdapter

from thermolang.calibration.fit import Prior
from thermolang.calibration.kinds import CHOICE
from thermolang.calibration.learner import AnswerScores, InputKind, Learner, Standing
from thermolang.errors import InvalidInputError, complaint
from thermolang.storage import Lock, digest, write_atomically
from thermolang.types import Reason, Scale

logger = logging.getLogger(__name__)

REFRESH_AT = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
"""Numbers of inputs at which a new version is made by itself; past the last one T* no longer moves."""

SETTLED = 30
"""Inputs of a task from which its T* hardly moves (the curve over unlabelled inputs in reports of ``evaluate``)."""

LOCK = ".lock"
PATIENCE = 5.0
"""Seconds to wait for another process that writes a state."""

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
        half_width: Of the predictive interval, in log-odds, where no level was learned; verdicts make it narrower.
        intercept: Added to the log-odds of all its answers; 0 without a head or a level.
        verdicts: Number of verdicts it rests on.
        share: What verdicts have left of the uncertainty about the accuracy, in (0, 1].
        kinds: The kinds of its inputs, the most frequent first; empty where no level was learned.
    """

    version: int
    inverse_temperature: float
    bias: float
    inputs: int
    half_width: float
    intercept: float = 0.0
    verdicts: int = 0
    share: float = 1.0
    kinds: tuple[InputKind, ...] = ()

    @property
    def standing(self) -> Standing:
        """What the probability of the task's answers depends on."""
        return Standing(self.scale, self.intercept, self.share, self.kinds)

    @property
    def scale(self) -> Scale:
        """Temperature and bias."""
        return Scale(self.inverse_temperature, self.bias)

    @property
    def warning(self) -> Reason | None:
        """A warning while T* still moves; None once it has settled."""
        if self.inputs >= SETTLED:
            return None
        few = f"the task's temperature rests on {self.inputs} of its inputs so far; it settles at about {SETTLED}"
        return Reason("few_inputs", few)


_DAMAGE = (ValueError, RecursionError)
"""What reading a damaged file may raise; pydantic's errors are ValueErrors."""


@dataclass(frozen=True)
class SeenInput:
    """One input of a task.

    Attributes:
        inverse_temperature: 1/T that the network predicts for it.
        bias: The bias it predicts.
        answer: The scores of the answer, where a head or a level needs them.
    """

    inverse_temperature: FiniteFloat
    bias: FiniteFloat
    answer: AnswerScores | None = None


@dataclass(frozen=True)
class Verdict:
    """A person's verdict on an answer with these scores."""

    right: bool
    answer: AnswerScores


@dataclass(frozen=True)
class StateRecord:
    """What a state's file holds: one schema for writing and reading.

    Attributes:
        task: The task's name.
        versions: All versions, the newest last.
        seen: The inputs, by the hash of their text.
        verdicts: The verdicts, by the hash of the answer's scores.
        format: Its number grows when a field changes its meaning.
    """

    task: str
    versions: list[TaskVersion]
    seen: dict[str, SeenInput]
    verdicts: dict[str, Verdict]
    format: Literal[3] = 3


_RECORD = TypeAdapter(StateRecord)


class TaskState:
    """Collects a task's inputs and verdicts and turns them into versions of T*, bias and intercept. Thread-safe.

    The estimate is the mean over the inputs, shrunk to the prior: with n inputs the prior weighs
    ``prior.inputs / (prior.inputs + n)``. Verdicts move it by Bayes' rule.

    A file that cannot be read or written never stops the scoring: a warning is logged and the state goes on in
    memory. A damaged file is kept in the same folder, with ``.broken`` added to its name.

    Args:
        task: The task's name.
        prior: What is known before the first input.
        learner: Finds the intercept, and learns from verdicts.
        path: JSON file that keeps the state; None keeps it in memory only.
    """

    def __init__(self, task: str, prior: Prior, *, learner: Learner | None = None, path: Path | None = None) -> None:
        self.task, self._prior, self._path = task, prior, path
        self._learner = learner or Learner(CHOICE)
        self._lock, self._warned = Lock(), False
        self._seen: dict[str, SeenInput] = {}
        self._verdicts: dict[str, Verdict] = {}
        self.versions = [TaskVersion(0, prior.inverse_temperature, prior.bias, 0, prior.half_width)]
        self._load()

    @property
    def current(self) -> TaskVersion:
        """The newest version."""
        return self.versions[-1]

    def observe(
        self, text: str, inverse_temperature: float, bias: float = 0.0, scores: AnswerScores | None = None
    ) -> None:
        """Note one input; the same text again is a retry and changes nothing.

        At 1, 3, 10, 30, ... distinct inputs a new version is made and saved.

        Args:
            text: What was asked.
            inverse_temperature: 1/T that the network predicts for it.
            bias: The bias it predicts.
            scores: Of the answer; needed only for a head or a level.

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
            # Without a head or a level a state's intercept is 0, so scores would only make its file larger.
            needed = self._learner.head is not None or self._learner.level is not None
            self._seen[key] = SeenInput(inverse_temperature, bias, scores if needed else None)
            if len(self._seen) in REFRESH_AT or len(self._seen) < SAVE_EACH:
                self._update(anew=len(self._seen) in REFRESH_AT)

    def learn(self, verdicts: Sequence[tuple[AnswerScores, bool]]) -> TaskVersion:
        """Note verdicts on answers of this task, save them and return the version that rests on all of them.

        A newer verdict on the same scores replaces the older one, so that giving all of them again changes nothing.
        """
        with self._lock:
            self._update({digest(repr(a)): Verdict(bool(right), a) for a, right in verdicts})
            return self.current

    def refresh(self) -> TaskVersion:
        """Make a new version from all that was seen, save it and return it; without new inputs the newest one stays."""
        with self._lock:
            self._update(anew=len(self._seen) > self.current.inputs)
            return self.current

    def _update(self, given: Mapping[str, Verdict] | None = None, *, anew: bool = False) -> None:
        """Take in verdicts, also those that another process has saved, make a version if anything is new, and save."""
        taken = False
        try:
            with self._file_lock():
                number, saved = self._saved()
                # ``given`` comes last: a newer verdict on the same scores replaces the saved one.
                self._take({**saved, **(given or {})}, number, anew=anew)
                taken = True
                self._save()
        except OSError as error:
            # Without the file, or its lock, the verdicts still count in memory.
            if not taken:
                self._take(given or {}, 0, anew=anew)
            if not self._warned:
                logger.warning(
                    "the state of task %r stays in memory, %s cannot be written: %s", self.task, self._path, error
                )
            self._warned = True

    def _take(self, verdicts: Mapping[str, Verdict], number: int, *, anew: bool) -> None:
        known = {**self._verdicts, **verdicts}
        if anew or known != self._verdicts:
            # Another process may have counted further.
            version = self._version(known, 1 + max(number, self.current.version))
            self._verdicts = known  # only what could be computed with is kept
            self.versions.append(version)

    def _version(self, verdicts: Mapping[str, Verdict], number: int) -> TaskVersion:
        n, inputs = len(self._seen), self._seen.values()
        # fsum is exact, so the order of the inputs does not matter.
        inverse = math.fsum(x.inverse_temperature for x in inputs) / n if n else 1.0
        bias = math.fsum(x.bias for x in inputs) / n if n else 0.0
        scale = self._prior.moved(inverse, bias, n)
        start = self._learner.start(scale, [x.answer for x in inputs if x.answer is not None])
        now = self._learner.learned(start, [(v.answer, v.right) for v in verdicts.values()])
        half_width = self._prior.half_width * now.share
        return TaskVersion(number, *now.scale, n, half_width, now.intercept, len(verdicts), now.share, now.kinds)

    def _file_lock(self) -> AbstractContextManager[Any]:
        """Keeps other processes from reading and writing states in between; one lock for a folder of them."""
        if self._path is None:
            return nullcontext()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self._path.with_name(LOCK), timeout=PATIENCE)

    def _saved(self) -> tuple[int, dict[str, Verdict]]:
        """Number of the newest version on disk, and the verdicts there."""
        if self._path is None or not self._path.is_file():
            return 0, {}
        try:
            saved = _read(self._path)
            return saved.versions[-1].version, saved.verdicts
        except _DAMAGE as error:
            self._set_aside(error)
            return 0, {}

    def _save(self) -> None:
        if self._path is None:
            return
        record = StateRecord(self.task, self.versions, self._seen, self._verdicts)
        write_atomically(self._path, _RECORD.dump_json(record))
        self._warned = False

    def _load(self) -> None:
        try:
            if self._path is None or not self._path.is_file():
                return
            saved = _read(self._path)
            self.versions, self._seen, self._verdicts = saved.versions, saved.seen, saved.verdicts
        except OSError as error:
            logger.warning("the state of task %r starts anew in memory: %s", self.task, error)
            self._path = None
        except _DAMAGE as error:
            self._set_aside(error)

    def _set_aside(self, error: Exception) -> None:
        """Start from the prior, and keep the damaged file under another name."""
        path = cast("Path", self._path)
        aside = path.with_name(f"{path.name}.broken")
        logger.warning(
            "the state of task %r starts anew: %s is damaged (%s) and kept as %s",
            self.task,
            path,
            complaint(error),
            aside.name,
        )
        try:
            path.replace(aside)
        except OSError as failure:
            logger.warning("the state of task %r stays in memory: %s", self.task, failure)
            self._path = None


def task_in(path: Path) -> str | None:
    """The task that a state's file is of; None if it cannot be read."""
    try:
        return _read(path).task
    except (OSError, *_DAMAGE):
        return None


def carry(
    old: Path, new: Path, *, prior: Prior, learner: Learner, change: Callable[[AnswerScores], AnswerScores]
) -> TaskState:
    """The state of a task under another version of its calibrator, from what was seen and judged under the old one.

    Args:
        old: The state's file under the old version.
        new: Its file under the new one.
        prior: Of the new version.
        learner: Of the new version.
        change: From the scores of an answer under the old version to those under the new one.
    """
    saved = _read(old)
    state = TaskState(saved.task, prior, learner=learner, path=new)
    state._seen = {
        key: replace(one, answer=one.answer and change(one.answer)) for key, one in saved.seen.items()
    } | state._seen
    answers = [(change(verdict.answer), verdict.right) for verdict in saved.verdicts.values()]
    state._update({digest(repr(a)): Verdict(right, a) for a, right in answers}, anew=True)
    return state


def _read(path: Path) -> StateRecord:
    """A saved state; raises what bad content raises."""
    record = _RECORD.validate_json(path.read_bytes())
    versions, seen, verdicts = record.versions, record.seen, record.verdicts
    scales = [*((x.inverse_temperature, x.bias) for x in seen.values()), *(v.scale for v in versions)]
    usable = all(_usable(*scale) for scale in scales)
    usable = usable and all(math.isfinite(x) for v in versions for x in (v.half_width, v.intercept))
    if not versions or versions[-1].inputs > len(seen) or versions[-1].verdicts > len(verdicts) or not usable:
        msg = "it holds no usable versions"
        raise ValueError(msg)
    return record


def _usable(inverse_temperature: float, bias: float) -> bool:
    return math.isfinite(inverse_temperature) and inverse_temperature > 0 and math.isfinite(bias)
