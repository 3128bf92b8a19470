"""Confidences for a file of answers that were generated elsewhere, or edited by people; an interrupted run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path

from filelock import FileLock, Timeout

from thermolang.calibration.fitting import Prior
from thermolang.calibration.learner import AnswerReading
from thermolang.calibration.state import SETTLED, TaskState, TaskVersion
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator
from thermolang.evaluation.answer_lines import Key, Line, count_lines, lines_of
from thermolang.evaluation.answers_written import SoFar, Summary
from thermolang.evaluation.collecting import Collected, Report
from thermolang.hashing import digest
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Source


def score_file(
    estimator: ConfidenceEstimator,
    source: str | Path,
    target: str | Path,
    *,
    task: str | None = None,
    policy: Policy | None = None,
    batch_size: int = 8,
    progress: Report | None = None,
) -> Summary:
    """Write every line of a JSONL file with its ``confidence`` to another file, in the same order.

    A line is an object with ``answer`` and either ``question`` (and ``context``) or ``messages``; with ``choices``
    the answer is one of them, and its own ``task`` comes before the argument. Other keys are kept. A line that is
    not like this gets a confidence without a value, whose reason says where it stands and what was expected.

    A run that was stopped at any moment goes on where it was, and ends with the file of one that was not.

    Args:
        estimator: Computes the confidences.
        source: The answers.
        target: The file to write, or to go on with.
        task: Name of the stream of questions, for lines that name none.
        policy: Also writes a ``decision`` on each line.
        batch_size: Lines that go through the model together if they follow each other and share task and choices.
        progress: Called after every batch.

    Raises:
        TaskFormatError: The source cannot be read, or holds no lines.
        InvalidInputError: The target belongs to other answers, or to another calibrator, task or threshold.
    """
    source, target = Path(source), Path(target)
    total = count_lines(source)
    if batch_size < 1 or (target.exists() and source.samefile(target)):
        msg = f"expected a batch of at least 1 and another file than {source} to write, got {batch_size} and {target}"
        raise InvalidInputError(msg)
    with _alone(target):
        so_far = SoFar(estimator, policy)
        if target.exists():
            so_far.read(target, lines_of(source, task, policy))
        found, report = so_far.lines, _clock(source.name, total, so_far.lines, progress)
        if found < total:
            _settle(estimator, lines_of(source, task, policy), so_far.versions, lambda: report(found))
            settled = _Settled(estimator, so_far.versions)
            with target.open("ab") as out:
                out.truncate(so_far.end)
                for batch, written in _batches(lines_of(source, task, policy), batch_size, skip=found):
                    scored = list(zip(batch, _confidences(settled, batch), strict=True))
                    out.write(b"".join(so_far.added(line, confidence) for line, confidence in scored[written:]))
                    out.flush()
                    report(so_far.lines)
    return so_far.summary(new=so_far.lines - found)


def _batches(lines: Iterable[Line], size: int, skip: int) -> Iterator[tuple[list[Line], int]]:
    """Lines that go through the model together, and how many of them are written already.

    The batches are those of a run from the start: a model's last digits depend on what it reads at the same time.
    """
    for _, run in groupby(lines, key=lambda line: (bool(line.problem), line.task, line.choices)):
        while batch := list(islice(run, size)):
            if skip < len(batch):
                yield batch, skip
            skip = max(0, skip - len(batch))


def _confidences(estimator: ConfidenceEstimator, batch: Sequence[Line]) -> Iterator[Confidence]:
    if batch[0].problem:
        yield from (Confidence(None, reason=line.problem) for line in batch)
        return
    pairs = [(line.messages, line.answer) for line in batch]
    found = estimator.score_many(pairs, task=batch[0].task, choices=batch[0].choices or None)
    for line, confidence in zip(batch, found, strict=True):
        named = dict(zip(line.choices, line.options, strict=False))
        others = tuple(replace(a, text=named.get(a.text, a.text)) for a in confidence.alternatives)
        yield replace(confidence, alternatives=others)


def _settle(
    estimator: ConfidenceEstimator, lines: Iterable[Line], known: Mapping[Key, TaskVersion], report: Callable[[], None]
) -> None:
    """Let the first inputs of each task be observed; the T* of a task in the target is known from there.

    So all answers of a task in one file are scored under one T*, wherever they stand and however often the run was
    interrupted.
    """
    seen: dict[Key, set[str]] = {}
    for line in lines:
        if line.problem or line.key in known or not estimator.calibrator:
            continue
        inputs, text = seen.setdefault(line.key, set()), digest(json.dumps(line.messages))
        if len(inputs) < SETTLED and text not in inputs:
            inputs.add(text)
            # Alone, so that what is read does not depend on which other tasks are known.
            estimator.score(line.messages, line.answer, task=line.task, choices=line.choices or None)
            report()


class _Still(TaskState):
    """One version of a task's T*."""

    def __init__(self, task: str, prior: Prior, version: TaskVersion) -> None:
        super().__init__(task, prior)
        self.versions = [version]

    def observe(
        self, text: str, inverse_temperature: float, bias: float = 0.0, reading: AnswerReading | None = None
    ) -> None:
        """Leave T* as it is."""


class _Settled(ConfidenceEstimator):
    """Scores under the T* that a task has, without moving it."""

    def __init__(self, estimator: ConfidenceEstimator, versions: dict[Key, TaskVersion]) -> None:
        vars(self).update(vars(estimator))  # the calibrator is chosen already, and its model probed
        self._moving, self._versions = estimator, versions

    def state(self, task: str, source: Source) -> TaskState | None:
        """The state of a task as it was when it was first asked for."""
        state = self._moving.state(task, source)
        if state is None or self.calibrator is None:
            return None
        if (task, source) not in self._versions:
            now = state.refresh()
            # The target holds T*, not 1/T*: what is read from there must be the same number.
            self._versions[task, source] = replace(now, inverse_temperature=1 / (1 / now.inverse_temperature))
        return _Still(task, self.calibrator.fits[source].prior, self._versions[task, source])


def _clock(name: str, total: int, found: int, progress: Report | None) -> Callable[[int], None]:
    """Turns the number of lines done into the progress of the job."""
    started = time.monotonic()

    def report(done: int) -> None:
        rate = (done - found) / max(time.monotonic() - started, 1e-9)
        if progress:
            progress(Collected(name, done, total, rate, (total - done) / rate if rate else None))

    return report


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Two runs at a time would both write every line."""
    lock = FileLock(f"{target}.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        msg = f"another run is writing {target}: wait until it is finished, or give another --out"
        raise InvalidInputError(msg) from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows does not delete what is open
            Path(lock.lock_file).unlink()
        lock.release()
