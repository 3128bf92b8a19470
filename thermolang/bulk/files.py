"""Confidences for a file of answers: texts that were written elsewhere, or the model's own. Interrupted, it goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from thermolang.applying import TaskKey
from thermolang.bulk.lines import Batch, Line, Reading, Work, count_lines, encoded, lines_of
from thermolang.calibration.task_state import SETTLED, TaskVersion
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator
from thermolang.routing.policy import Policy
from thermolang.storage import digest
from thermolang.tasks.columns import Columns
from thermolang.training.collect import Collected, Report
from thermolang.types import Basis, Confidence, Decision, Reason, Scale

Engine = Callable[[ConfidenceEstimator, Work], Iterator[tuple[Batch, Sequence[Confidence]]]]
"""Computes the confidences of the batches of some work, in their order: ``local``, or a ``ray.RayEngine``."""

SHOWN = 5
"""Bad lines that a summary names."""

UNCALIBRATED = ("no_calibrator", "other_model")
"""Reason codes of confidences that were written without any calibrator."""


@dataclass(frozen=True)
class Summary:
    """What a file of scored answers holds.

    Attributes:
        lines: Lines of the file.
        new: Lines that this run added; 0 if the file was finished before.
        scored: Lines with a confidence.
        mean: Mean confidence of those; None without any.
        bad: Lines that could not be read.
        first_bad: Numbers of the first few of those in the source.
        reason: Most common reason among the readable lines without a confidence; empty if there are none, or if several
            are as common.
        accepted: Lines that the policy accepts; None without a policy.
    """

    lines: int
    new: int
    scored: int
    mean: float | None
    bad: int
    first_bad: tuple[int, ...]
    reason: str
    accepted: int | None


class SoFar:
    """Running totals of the lines in the target, and the version of each task's state that they were scored under."""

    def __init__(self, estimator: ConfidenceEstimator, policy: Policy | None, *, own_answers: bool) -> None:
        self._calibrator = estimator.calibrator.id if estimator.calibrator else ""
        missing = estimator.why_no_calibrator()
        self._missing, self._policy, self._own = missing.text if missing else "", policy, own_answers
        self.lines = self.end = self._scored = self._accepted = self._bad = 0
        self._sum, self._first_bad = 0.0, list[int]()
        self._reasons: dict[str | None, tuple[int, str]] = {}
        self.versions: dict[TaskKey, TaskVersion] = {}

    def read(self, target: Path, lines: Iterable[Line]) -> None:
        """Read what was written; a torn last line is not counted.

        Raises:
            InvalidInputError: It does not belong to these lines, or was scored with other settings.
        """
        remedy = f"give another --out, or delete {target} to begin again"
        with target.open("rb") as out:
            # ``lines`` first: where they end, zip has not yet taken a line of ``out``.
            for number, (line, raw) in enumerate(zip(lines, out, strict=False), 1):
                # The torn line too: nothing is cut off from a file that is not this command's.
                same = raw.startswith(line.start[: len(raw)])
                if same and not raw.endswith(b"\n"):
                    return
                if not same or (written := _written(raw[len(line.start) :])) is None:
                    msg = f"{target}, line {number}, was not made from line {line.number} of the answers: {remedy}"
                    raise InvalidInputError(msg)
                if difference := self._difference(line, *written):
                    msg = f"{target}, line {number}, was scored with {difference}: {remedy}"
                    raise InvalidInputError(msg)
                self._count(line, *written)
                self.end += len(raw)
            if out.read(1):
                msg = f"{target} has more lines than there are answers: {remedy}"
                raise InvalidInputError(msg)

    def added(self, line: Line, confidence: Confidence) -> bytes:
        """Count a line; returns it as it is written."""
        decision = self._policy.decide(confidence) if self._policy else None
        self._count(line, confidence, decision)
        decided = b', "decision": ' + encoded(decision.to_dict()) if decision else b""
        return line.start + encoded(confidence.to_dict()) + decided + b"}\n"

    def summary(self, new: int) -> Summary:
        """The figures, ``new`` of the lines being of this run."""
        mean = self._sum / self._scored if self._scored else None
        most = max((count for count, _ in self._reasons.values()), default=0)
        common = [example for count, example in self._reasons.values() if count == most]
        reason = common[0] if len(common) == 1 else ""
        accepted = self._accepted if self._policy else None
        return Summary(self.lines, new, self._scored, mean, self._bad, tuple(self._first_bad), reason, accepted)

    def _count(self, line: Line, confidence: Confidence, decision: Decision | None) -> None:
        self.lines += 1
        self._accepted += decision is not None and decision.action == "accept"
        if line.problem:
            self._bad += 1
            self._first_bad += [line.number] if self._bad <= SHOWN else []
        elif confidence.value is None:
            count, example = self._reasons.get(confidence.reason_code, (0, confidence.reason))
            self._reasons[confidence.reason_code] = count + 1, example
        else:
            self._scored += 1
            self._sum += confidence.value
            if confidence.temperature and confidence.basis and line.key not in self.versions:
                self.versions[line.key] = _version(confidence, confidence.temperature, confidence.basis)

    def _difference(self, line: Line, confidence: Confidence, decision: Decision | None) -> str:
        """What a written line was scored with that this run would not use; empty if nothing."""
        uncalibrated = confidence.reason if confidence.reason_code in UNCALIBRATED else ""
        theirs, ours = confidence.calibrator or uncalibrated, self._missing if uncalibrated else self._calibrator
        if theirs and theirs != ours:
            return f"{theirs!r}, not with {ours or self._calibrator or self._missing!r}"
        if not line.problem and confidence.task != line.key[0]:
            return f"the task {confidence.task!r}, not {line.key[0]!r}"
        own = confidence.source != "given"
        if not line.problem and not line.choices and own != self._own:
            return f"own_answers={own}, not {self._own}"
        judged = self._policy.decide(confidence) if self._policy else None
        before, now = (d.threshold if d else None for d in (decision, judged))
        return f"the threshold {before}, not {now}" if before != now else ""


def _version(confidence: Confidence, temperature: float, basis: Basis) -> TaskVersion:
    """The version of its task that a written confidence was computed under."""
    scale = Scale(1 / temperature, confidence.bias or 0.0)
    return TaskVersion(confidence.task_version, *scale, basis.inputs, basis.half_width, basis.intercept)


def _written(tail: bytes) -> tuple[Confidence, Decision | None] | None:
    """What follows the start of a line in the target; None if it is not ours."""
    try:
        record = json.loads(b'{"confidence": ' + tail)
        decision = Decision.from_dict(record["decision"]) if "decision" in record else None
        return Confidence.from_dict(record["confidence"]), decision
    except (ValueError, KeyError):
        return None


def score_file(
    estimator: ConfidenceEstimator,
    source: str | Path,
    target: str | Path,
    *,
    task: str | None = None,
    policy: Policy | None = None,
    own_answers: bool = False,
    batch_size: int = 8,
    columns: Columns | None = None,
    progress: Report | None = None,
    engine: Engine | None = None,
) -> Summary:
    """Write every line of a file with its ``confidence`` to another file, in the same order.

    The source is JSON lines, JSON, CSV, Excel or Parquet, as ``tasks.rows.file_rows`` reads it; what is written is
    JSON lines in UTF-8. A line is an object, or a row, with ``answer`` and either ``question`` (and ``context``) or
    ``messages``; with ``choices`` the answer is one of them, and its own ``task`` comes before the argument. Other keys
    are kept. A line that is not like this gets a confidence without a value, whose reason says where it stands and what
    was expected.

    A run that was stopped at any moment goes on where it was, and ends with the file of one that was not.

    Args:
        estimator: Computes the confidences.
        source: The answers.
        target: The file to write, or to go on with.
        task: Name of the stream of questions, for lines that name none.
        policy: Also writes a ``decision`` on each line.
        own_answers: The estimator's model wrote the answers, with these very conversations. Otherwise they were written
            elsewhere, and each free-form one is compared with what the model itself says; see
            ``ConfidenceEstimator.score``.
        batch_size: Lines that go through the model together if they follow each other and share task and choices.
        columns: Names of columns that are not told by theirs, such as ``{"question": "Q", "answer": "A"}``.
        progress: Called after every batch.
        engine: Where the answers are scored; by default in this process. The file that comes out is the same, and one
            engine goes on where another was stopped.

    Raises:
        TaskFormatError: The source cannot be read, or holds no lines.
        InvalidInputError: The target belongs to other answers, or to another calibrator, task or threshold.
    """
    source, target = Path(source), Path(target)
    how = Reading(task, policy, getattr(estimator.model, "family", None), columns or {})
    total = count_lines(source, columns)
    if batch_size < 1 or (target.exists() and source.samefile(target)):
        msg = f"expected a batch of at least 1 and another file than {source} to write, got {batch_size} and {target}"
        raise InvalidInputError(msg)
    with _alone(target):
        so_far = SoFar(estimator, policy, own_answers=own_answers)
        if target.exists():
            so_far.read(target, lines_of(source, how))
        found, report = so_far.lines, _clock(source.name, total, so_far.lines, progress)
        if found < total:
            lines = lines_of(source, how)
            if not own_answers:  # texts from elsewhere have no temperature
                lines = (line for line in lines if line.choices)
            versions = _settled(estimator, lines, so_far.versions, lambda: report(found))
            work = Work(source, how, versions, own_answers, batch_size, skip=found)
            with target.open("ab") as out:
                # A torn last line is written again as a whole.
                out.truncate(so_far.end)
                for batch, confidences in (engine or local)(estimator, work):
                    scored = list(zip(batch.lines, confidences, strict=True))
                    out.write(b"".join(so_far.added(line, confidence) for line, confidence in scored[batch.written :]))
                    out.flush()
                    report(so_far.lines)
    return so_far.summary(new=so_far.lines - found)


def local(estimator: ConfidenceEstimator, work: Work) -> Iterator[tuple[Batch, Sequence[Confidence]]]:
    """Score batch after batch in this process."""
    snapshot = estimator.snapshot(work.versions)
    for batch in work.batches():
        yield batch, list(confidences_of(snapshot, batch.lines, own_answers=work.own_answers))


def confidences_of(snapshot: ConfidenceEstimator, lines: Sequence[Line], *, own_answers: bool) -> Iterator[Confidence]:
    """The confidences of the lines of one batch.

    Args:
        snapshot: Of an estimator, under the versions of the work.
        lines: Of one batch.
        own_answers: As for ``score_file``.
    """
    if lines[0].problem:
        yield from (Confidence.missing(Reason("bad_input", line.problem)) for line in lines)
        return
    pairs = [(line.messages, line.answer) for line in lines]
    choices = lines[0].choices or None
    found = snapshot.score_many(pairs, task=lines[0].task, choices=choices, written_elsewhere=not own_answers)
    for line, confidence in zip(lines, found, strict=True):
        named = dict(zip(line.choices, line.options, strict=False))
        others = tuple(replace(a, text=named.get(a.text, a.text)) for a in confidence.alternatives)
        yield replace(confidence, alternatives=others)


def _settled(
    estimator: ConfidenceEstimator,
    lines: Iterable[Line],
    known: Mapping[TaskKey, TaskVersion],
    report: Callable[[], None],
) -> dict[TaskKey, TaskVersion]:
    """The version of each task to score under: that in the target, or one that rests on its first inputs.

    So all answers of a task in one file are scored under one T*, wherever they stand and however often the run was
    interrupted.
    """
    seen: dict[TaskKey, set[str]] = {}
    for line in lines:
        if line.problem or line.key in known or not estimator.calibrator:
            continue
        inputs, text = seen.setdefault(line.key, set()), digest(json.dumps(line.messages))
        if len(inputs) < SETTLED and text not in inputs:
            inputs.add(text)
            # Alone, so that what is read does not depend on which other tasks are known.
            estimator.score(line.messages, line.answer, task=line.task, choices=line.choices or None)
            report()
    states = {key: estimator.state(*key) for key in seen}
    return {**known, **{key: _as_written(state.refresh()) for key, state in states.items() if state}}


def _as_written(version: TaskVersion) -> TaskVersion:
    """The version as it is read from a target, which holds T* and not 1/T*: the last digit may differ."""
    return replace(version, inverse_temperature=1 / (1 / version.inverse_temperature))


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
    """Lock the target, as two runs at a time would both write every line."""
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
