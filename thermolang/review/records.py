"""What the store gives out: frozen records, detached from the database."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from thermolang.review.schema import EventRow, ItemRow, VerdictRow
from thermolang.types import Action, Confidence, Decision

Status = Literal["pending", "accepted", "corrected", "rejected"]
VerdictAction = Literal["accept", "correct", "reject"]


@dataclass(frozen=True)
class Verdict:
    """What a person decided about an answer.

    Attributes:
        action: ``"accept"``, ``"correct"`` or ``"reject"``.
        operator: Who decided.
        created_at: When, in UTC.
        corrected_answer: The right answer; None unless the action is ``"correct"``.
        note: What the operator added.
    """

    action: VerdictAction
    operator: str
    created_at: datetime
    corrected_answer: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Event:
    """One line of an item's audit trail."""

    item_id: str
    at: datetime
    actor: str
    what: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class ReviewItem:
    """A doubtful answer and what became of it.

    Attributes:
        id: 32 hex digits.
        created_at: When it was submitted, in UTC.
        task: Name of the task.
        question: What was asked.
        answer: What the model answered.
        confidence: The full record.
        decision: Why it is here.
        status: ``"pending"`` until somebody decides.
        version: Grows with each change; ``ReviewStore.decide`` compares it.
        context: The passage the question is about.
        model: Name of the model.
        verdict: The decision of a person, once there is one.
    """

    id: str
    created_at: datetime
    task: str
    question: str
    answer: str
    confidence: Confidence
    decision: Decision
    status: Status
    version: int
    context: str = ""
    model: str = ""
    verdict: Verdict | None = None

    @property
    def reason(self) -> str:
        """Why the answer is doubtful, as one sentence."""
        return self.decision.reason


def confidence_record(confidence: Confidence) -> dict[str, Any]:
    """Plain JSON of a confidence; what is not a finite number becomes null, which every database takes."""
    text = json.dumps(confidence.to_dict(), default=float)
    record: dict[str, Any] = json.loads(text, parse_constant=lambda _: None)
    if record["interval"] and None in record["interval"]:
        record["interval"] = None
    return record


def item_from(row: ItemRow) -> ReviewItem:
    """Detach an item."""
    decision = Decision(cast("Action", row.decision_action), row.reason, row.decision_threshold)
    return ReviewItem(
        id=row.id,
        created_at=row.created_at,
        task=row.task,
        question=row.question,
        answer=row.answer,
        confidence=Confidence.from_dict(row.confidence_record),
        decision=decision,
        status=cast("Status", row.status),
        version=row.version,
        context=row.context,
        model=row.model,
        verdict=verdict_from(row.verdict) if row.verdict else None,
    )


def verdict_from(row: VerdictRow) -> Verdict:
    """Detach a verdict."""
    action = cast("VerdictAction", row.action)
    return Verdict(action, row.operator, row.created_at, row.corrected_answer, row.note)


def event_from(row: EventRow) -> Event:
    """Detach a line of the audit trail."""
    return Event(row.item_id, row.at, row.actor, row.what, row.detail)
