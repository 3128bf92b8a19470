"""Labelled answers from a file, the certificate of a threshold that they give, and the policy that goes with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter

from thermolang.errors import InvalidInputError, NotEnoughDataError, complaint
from thermolang.routing.guarantees import GRID, GuaranteedThreshold, Kind, expected_error, high_probability
from thermolang.routing.policy import Policy
from thermolang.storage import write_atomically
from thermolang.types import Confidence, JsonRecord

Probability = Annotated[float, Field(ge=0, le=1)]  # NaN fails both comparisons


@dataclass(frozen=True)
class Label(JsonRecord):
    """One answer that a person has judged.

    Attributes:
        confidence: Of the answer, in [0, 1]; None if it had none, so that it would go to review.
        correct: Whether the answer is right.
        supported: False if the question is unlike what the calibrator was trained on; such an answer is never accepted.
        task: Name of its task; thresholds are found for each task.
        calibrator: Id of the calibrator; empty if unknown.
        task_version: Version of the task's state under which it was scored; None if unknown.
        above: Only answers of at least this confidence could become labels, as in an audit of accepted ones: no lower
            threshold is certified.
    """

    confidence: Probability | None
    correct: bool
    supported: bool = True
    task: str = ""
    calibrator: str = ""
    task_version: int | None = None
    above: Probability = 0.0

    @property
    def acceptable(self) -> float:
        """The confidence; -inf where no threshold would accept the answer."""
        return self.confidence if self.confidence is not None and self.supported else -math.inf


_LINE: TypeAdapter[Label] = TypeAdapter(Label)


def read_labels(path: str | Path) -> list[Label]:
    """Read labelled answers: lines such as ``{"confidence": 0.93, "correct": true}``, with any keys of ``Label``.

    Other keys are ignored, and so are blank lines.

    Raises:
        InvalidInputError: A line is no label; the message names it.
        NotEnoughDataError: The file holds no labels.
        OSError: It cannot be read.
    """
    found = []
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found.append(_LINE.validate_json(line, strict=True))
            except ValueError as error:
                msg = f'{path}, line {number}: {complaint(error)}; a label is {{"confidence": 0.93, "correct": true}}'
                raise InvalidInputError(msg) from error
    if not found:
        msg = f"{path} holds no labels, so no threshold can be found"
        raise NotEnoughDataError(msg)
    return found


@dataclass(frozen=True)
class Certificate(JsonRecord):
    """What a threshold promises, and what it was found on. Void when one of the things that it names changes.

    Attributes:
        found: The threshold, the guarantee, and the numbers of labels, accepted answers and errors.
        task: Name of the task; empty if the labels named none.
        calibrator: Id of the calibrator; empty if the labels named none.
        task_version: Version of the task's state; None if the labels named none.
        policy: Fingerprint of the policy for this task.
        date: When it was issued, in UTC, as ISO 8601.
    """

    found: GuaranteedThreshold
    task: str
    calibrator: str
    task_version: int | None
    policy: str
    date: str

    def void_because(self, confidence: Confidence, policy: Policy) -> str:
        """What has changed since the certificate was issued, as one sentence; empty if it holds.

        What the labels did not name cannot be compared.

        Args:
            confidence: Of an answer that is being decided about.
            policy: The policy that decides.
        """
        known = [
            ("task", self.task, confidence.task),
            ("calibrator", self.calibrator, confidence.calibrator),
            ("version of the task's state", self.task_version, confidence.task_version),
            ("policy", self.policy, policy.for_task(confidence.task).fingerprint),
        ]
        changed = [f"the {what} is {now!r}, not {then!r}" for what, then, now in known if then and then != now]
        return f"the certificate of {self.date[:10]} is void: {'; '.join(changed)}" if changed else ""

    def valid_for(self, confidence: Confidence, policy: Policy) -> bool:
        """Whether nothing that the certificate names has changed; see ``void_because``."""
        return not self.void_because(confidence, policy)


@dataclass(frozen=True)
class Certified:
    """Thresholds of one or more tasks.

    Attributes:
        found: By task, what the search found, also where no threshold qualifies.
        policy: Accepts what is certified; all other answers go to review.
        certificates: Of the tasks that have a threshold.
        left_out: Labels that were scored under older versions of their task's state.
    """

    found: dict[str, GuaranteedThreshold]
    policy: Policy
    certificates: tuple[Certificate, ...]
    left_out: int = 0


def certify(
    labels: Sequence[Label], *, kind: Kind = "high_probability", alpha: float, delta: float = 0.05
) -> Certified:
    """Find the threshold of each task that the labels name, with its certificate and the policy for all of them.

    The guarantees of several tasks hold together: each gets its part of delta. Labels must be a random sample of the
    answers to come. Only those of the newest version of a task's state count, as its confidences are other ones.

    Args:
        labels: Judged answers.
        kind: ``"high_probability"`` or ``"expected_error"``.
        alpha: Largest error among accepted answers, in (0, 1).
        delta: For a high probability, that of a larger error in any task, in (0, 1).

    Raises:
        NotEnoughDataError: There are no labels.
        InvalidInputError: ``alpha`` or ``delta`` is not strictly between 0 and 1, or a task's labels come from
            several calibrators.

    Example:
        >>> labels = [Label(0.95, True)] * 90 + [Label(0.3, False)] * 60
        >>> certify(labels, alpha=0.05).policy.threshold
        0.31
    """
    if not labels:
        msg = "there are no labelled answers, so no threshold can be found"
        raise NotEnoughDataError(msg)
    by_task: dict[str, list[Label]] = {}
    for label in labels:
        by_task.setdefault(label.task, []).append(label)
    newest = {task: _newest(of) for task, of in by_task.items()}
    found = {task: _search(of, kind, alpha, delta / len(newest)) for task, of in newest.items()}
    policy = _policy(found)
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    certificates = tuple(
        Certificate(f, t, of[0].calibrator, of[0].task_version, policy.for_task(t).fingerprint, date)
        for (t, of), f in zip(newest.items(), found.values(), strict=True)
        if f.threshold is not None
    )
    return Certified(found, policy, certificates, len(labels) - sum(map(len, newest.values())))


def _newest(labels: list[Label]) -> list[Label]:
    """The labels of one task that were scored under the newest version of its state."""
    calibrators = {label.calibrator for label in labels}
    if len(calibrators) > 1:
        named = ", ".join(repr(c) for c in sorted(calibrators))
        msg = f"the labels of the task {labels[0].task!r} come from several calibrators ({named}): take those of one"
        raise InvalidInputError(msg)
    newest = max((v for label in labels if (v := label.task_version) is not None), default=None)
    return [label for label in labels if label.task_version == newest]


def _search(labels: list[Label], kind: Kind, alpha: float, delta: float) -> GuaranteedThreshold:
    # Where labels were drawn above different thresholds, all of them are a random sample above the highest only.
    lowest = max(label.above for label in labels)
    sampled = [label for label in labels if label.acceptable >= lowest] if lowest else labels
    if not sampled:
        msg = f"the task {labels[0].task!r} has no labelled answers at or above {lowest:g}, from where they were drawn"
        raise NotEnoughDataError(msg)
    confidence, correct = [label.acceptable for label in sampled], [label.correct for label in sampled]
    grid = np.unique([lowest, *GRID[lowest <= GRID]])
    if kind == "expected_error":
        return expected_error(confidence, correct, alpha=alpha, grid=grid)
    return high_probability(confidence, correct, alpha=alpha, delta=delta, grid=grid)


def _policy(found: dict[str, GuaranteedThreshold]) -> Policy:
    """Accepts what has a threshold. Labels without a task speak for all answers that are in no named task."""
    policies = {
        task: Policy(review_all=True) if f.threshold is None else Policy(f.threshold) for task, f in found.items()
    }
    return replace(policies.pop("", Policy(review_all=True)), tasks=policies)


def save_certificates(path: str | Path, certificates: Iterable[Certificate]) -> None:
    """Write certificates as one JSON file; a reader sees the old file or the whole new one."""
    record = {"certificates": [c.to_dict() for c in certificates]}
    write_atomically(Path(path), json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def load_certificates(path: str | Path) -> list[Certificate]:
    """Read what ``save_certificates`` wrote.

    Raises:
        InvalidInputError: The file holds something else.
        OSError: It cannot be read.
    """
    try:
        return [Certificate.from_dict(c) for c in json.loads(Path(path).read_bytes())["certificates"]]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path} holds no certificates: {complaint(error)}"
        raise InvalidInputError(msg) from error
