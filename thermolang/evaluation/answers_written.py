"""What a file of scored answers holds so far: its figures, and each task's T*."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from thermolang.calibration.fitting import log_odds
from thermolang.calibration.state import SETTLED, TaskVersion
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator
from thermolang.evaluation.answer_lines import Key, Line, encoded
from thermolang.routing.policy import Policy
from thermolang.types import Basis, Confidence, Decision

SHOWN = 5
"""Bad lines that a summary names."""

KINDS = 1000
"""Reasons that are told apart: many quote their line, and memory must stay flat over a million of them."""

UNCALIBRATED = ("no calibrator for this model", "this calibrator was made for")
"""How the estimator's reasons begin where it has no calibrator."""


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
        reason: Most common reason among the readable lines without a confidence; empty if there are none.
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


def without_calibrator(estimator: ConfidenceEstimator) -> str:
    """Why no answer will have a confidence; empty if there is a calibrator."""
    if estimator.calibrator is not None:
        return ""
    return estimator.warning or f"no calibrator for this model: thermolang calibrate --model {estimator.model.name}"


class SoFar:
    """What the target holds: its figures, and each task's T*."""

    def __init__(self, estimator: ConfidenceEstimator, policy: Policy | None) -> None:
        self._calibrator = estimator.calibrator.id if estimator.calibrator else ""
        self._missing, self._policy = without_calibrator(estimator), policy
        self.lines = self.end = self._scored = self._accepted = self._bad = 0
        self._sum, self._first_bad = 0.0, list[int]()
        self._reasons: dict[str, tuple[int, str]] = {}
        self.versions: dict[Key, TaskVersion] = {}

    def read(self, target: Path, lines: Iterable[Line]) -> None:
        """Read what was written; a torn last line is not counted.

        Raises:
            InvalidInputError: It does not belong to these lines, or was scored with other settings.
        """
        remedy = f"give another --out, or delete {target} to begin again"
        with target.open("rb") as out:
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
        decided = b', "decision": ' + encoded(asdict(decision)) if decision else b""
        return line.start + encoded(confidence.to_dict()) + decided + b"}\n"

    def summary(self, new: int) -> Summary:
        """The figures, ``new`` of the lines being of this run."""
        mean = self._sum / self._scored if self._scored else None
        reason = max(self._reasons.values(), default=(0, ""))[1]
        accepted = self._accepted if self._policy else None
        return Summary(self.lines, new, self._scored, mean, self._bad, tuple(self._first_bad), reason, accepted)

    def _count(self, line: Line, confidence: Confidence, decision: Decision | None) -> None:
        self.lines += 1
        self._accepted += decision is not None and decision.action == "accept"
        if line.problem:
            self._bad += 1
            self._first_bad += [line.number] if self._bad <= SHOWN else []
        elif confidence.value is None:
            kind = re.sub(r"\d+", "", confidence.reason)  # "the conversation has 300 tokens" is one reason with 301
            if kind in self._reasons or len(self._reasons) < KINDS:
                count, example = self._reasons.get(kind, (0, confidence.reason))
                self._reasons[kind] = count + 1, example
        else:
            self._scored += 1
            self._sum += confidence.value
            if confidence.temperature and line.key not in self.versions:
                basis = confidence.basis or Basis((), half_width=_half_width(confidence))
                self.versions[line.key] = _version(confidence, confidence.temperature, basis)

    def _difference(self, line: Line, confidence: Confidence, decision: Decision | None) -> str:
        """What a written line was scored with that this run would not use; empty if nothing."""
        uncalibrated = confidence.reason if confidence.reason.startswith(UNCALIBRATED) else ""
        theirs, ours = confidence.calibrator or uncalibrated, self._missing if uncalibrated else self._calibrator
        if theirs and theirs != ours:
            return f"{theirs!r}, not with {ours or self._calibrator or self._missing!r}"
        if not line.problem and confidence.task != line.key[0]:
            return f"the task {confidence.task!r}, not {line.key[0]!r}"
        before, now = (p.threshold if p else None for p in (decision, self._policy))
        return f"the threshold {before}, not {now}" if before != now else ""


def _version(confidence: Confidence, temperature: float, basis: Basis) -> TaskVersion:
    """The version of its task that a written confidence was computed under."""
    scale = 1 / temperature, confidence.bias or 0.0
    version = TaskVersion(confidence.task_version, *scale, SETTLED, basis.half_width, basis.level)
    # On how many inputs it rests stands only in the warning that they are few.
    fewer = (replace(version, inputs=n) for n in range(SETTLED))
    return next((v for v in fewer if v.warning == confidence.reason), version)


def _half_width(confidence: Confidence) -> float:
    """Of an interval that was written before its half width was."""
    ends = [log_odds(x) for x in confidence.interval or (0.5, 0.5)]
    return (ends[1] - ends[0]) / 2


def _written(tail: bytes) -> tuple[Confidence, Decision | None] | None:
    """What follows the start of a line in the target; None if it is not ours."""
    try:
        record = json.loads(b'{"confidence": ' + tail)
        decision = Decision(**record["decision"]) if "decision" in record else None
        return Confidence.from_dict(record["confidence"]), decision
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
