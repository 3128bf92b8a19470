"""The records of the review database, as programs see them, and how they are made from its rows."""

from __future__ import annotations

import builtins  # within the class, ``list`` is the method
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Literal, cast

from thermolang.answers.json_fields import unchanged
from thermolang.review.checks import clean_text
from thermolang.review.schema import (
    EventRow,
    ItemRow,
    RejectCode,
    Status,
    VerdictAction,
    VerdictRow,
)
from thermolang.storage import digest
from thermolang.types import Confidence, Decision, DecisionCode, JsonRecord

CHOSEN, CHOSEN_JA = "chosen for review", "確認の対象に選ばれました"
"""All that an operator is told of an answer that the audit has drawn."""


@dataclass(frozen=True)
class Verdict:
    """What a person decided about an answer.

    Attributes:
        action: One of ``thermolang.review.ACTIONS``.
        operator: Who decided.
        created_at: When, in UTC.
        corrected_answer: The right answer; None unless the action is ``"correct"``.
        note: What the operator added.
        reason_code: One of ``thermolang.review.REJECT_CODES`` if the answer was rejected for one of these reasons;
            empty otherwise.
    """

    action: VerdictAction
    operator: str
    created_at: datetime
    corrected_answer: str | None = None
    note: str = ""
    reason_code: RejectCode | Literal[""] = ""


@dataclass(frozen=True)
class Event:
    """One line of an item's audit trail.

    Attributes:
        item_id: The item.
        at: When it happened, in UTC.
        actor: Who did it: the operator, or the model that submitted the answer.
        what: ``"submitted"``, or the status that the item got.
        detail: Plain JSON: the confidence and the decision, or the verdict.
    """

    item_id: str
    at: datetime
    actor: str
    what: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class ReviewItem(JsonRecord):
    """A doubtful answer and what became of it.

    Attributes:
        id: 32 hex digits.
        created_at: When it was submitted, in UTC.
        task: Name of the task.
        question: What was asked.
        answer: What the model answered.
        confidence: The confidence of the answer, with all that was kept of it.
        decision: What the policy decided, why a person should look at the answer, and the versions of calibrator, task
            state and policy. Of an answer that the audit has drawn it says no more than of one chosen by hand.
        status: ``"pending"`` until somebody decides.
        version: Grows with each change; ``ReviewStore.decide`` compares it.
        context: The passage the question is about.
        model: Name of the model.
        verdict: The decision of a person, once there is one.
        reason_code: Why a person should look at it, for programs: the ``ReasonCode`` of the confidence, or
            ``"no_value"``, ``"new_input"`` (unlike the training data), ``"below_threshold"``, ``"below_rejection"``
            (the policy would reject it) or ``"chosen"`` (the policy would accept it).
        flagged: Whether it waits for a lead, because a reviewer could not tell.
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
    reason_code: str = ""
    flagged: bool = False

    @property
    def reason(self) -> str:
        """Why the answer is doubtful, as one sentence."""
        return self.decision.reason

    @property
    def lessons(self) -> builtins.list[tuple[Confidence, bool]]:
        """What the verdict says of the answer and of each field of a structured one; empty without a verdict.

        ``ConfidenceEstimator.learn`` takes it. Of a corrected answer, fields that were changed or taken out were wrong,
        the others right. Of a rejected one nothing is known of its fields.
        """
        if self.verdict is None:
            return []
        accepted, fields = self.verdict.action == "accept", self.confidence.fields
        # The confidence of a whole structured answer is made of its fields', so only they have something to learn.
        whole = [] if fields else [(self.confidence, accepted)]
        if accepted or self.verdict.action == "reject" or not fields:
            return whole + [(one, True) for one in fields.values() if accepted]
        kept = unchanged(self.answer, self.verdict.corrected_answer or "")
        return whole if kept is None else whole + [(one, path in kept) for path, one in fields.items()]


def item_id_of(key: str) -> str:
    """The id of the item that was, or would be, submitted with a key."""
    return key if re.fullmatch("[0-9a-f]{32}", key) else digest(f"key {key}", 32)


def confidence_record(confidence: Confidence, text: Callable[[str], str]) -> dict[str, Any]:
    """The confidence as plain JSON; a number that is not finite becomes null, as not every database takes it.

    Args:
        confidence: Of the answer.
        text: Redacts the texts in it.
    """
    written = json.dumps(confidence.to_dict(), default=float)
    record: dict[str, Any] = json.loads(written, parse_constant=lambda _: None)
    _change_texts(record, text)
    return record


def _change_texts(record: dict[str, Any], text: Callable[[str], str]) -> None:
    if record["interval"] and None in record["interval"]:
        record["interval"] = None
    record["reason"] = text(record["reason"])
    for part in (*record["alternatives"], *record["sentences"]):
        part["text"] = text(part["text"])
    for one in record["fields"].values():
        _change_texts(one, text)


def decision_columns(decision: Decision, confidence: Confidence, text: Callable[[str], str]) -> dict[str, Any]:
    """What an item keeps of a decision; of one that no policy made, the versions are those of the confidence."""
    versions: Decision | Confidence = decision if decision.calibrator else confidence
    return {
        "reason": text(decision.reason),
        "reason_ja": text(decision.reason_ja),
        "decision_action": decision.action,
        "decision_threshold": decision.threshold,
        "decision_code": decision.code or "",
        "decision_mode": decision.mode,
        "decision_fields": [clean_text(path) for path in decision.fields],
        "calibrator": clean_text(versions.calibrator),
        "task_version": versions.task_version if versions.calibrator else None,
        "policy": clean_text(decision.policy),
    }


def item_from(row: ItemRow) -> ReviewItem:
    """The record of a row, for use after the session has ended."""
    return item_of(row, _verdict_from(row.verdict) if row.verdict else None)


def item_of(row: Any, verdict: Verdict | None) -> ReviewItem:
    """The record of whatever has the columns of an item, and of its verdict."""
    confidence = Confidence.from_dict(row.confidence_record)
    return ReviewItem(
        id=row.id,
        created_at=row.created_at,
        task=row.task,
        question=row.question,
        answer=row.answer,
        confidence=confidence,
        decision=_decision_from(row, confidence),
        status=row.status,
        version=row.version,
        context=row.context,
        model=row.model,
        verdict=verdict,
        reason_code=row.reason_code,
        flagged=row.flagged,
    )


def _decision_from(row: Any, confidence: Confidence) -> Decision:
    """What was decided, as operators may see it."""
    code = cast("DecisionCode | None", row.decision_code or None)
    # From before they were kept: those that the confidence names.
    old = row.decision_fields is None
    fields = confidence.doubtful_fields(row.decision_threshold) if old else tuple(row.decision_fields or ())
    found = Decision(
        row.decision_action,
        row.reason,
        row.decision_threshold,
        code or ("doubtful_field" if fields else None),
        value=confidence.value if code else None,
        novelty=confidence.novelty if code else None,
        mode=row.decision_mode,
        reason_ja=row.reason_ja,
        fields=fields,
        calibrator=row.calibrator,
        task_version=row.task_version,
        policy=row.policy,
    )
    if not row.audit:
        return found
    return replace(found, action="review", reason=CHOSEN, reason_ja=CHOSEN_JA, code=None, value=None, novelty=None)


def _verdict_from(row: VerdictRow) -> Verdict:
    code = cast(RejectCode, row.reason_code)
    return Verdict(row.action, row.operator, row.created_at, row.corrected_answer, row.note, code)


def event_from(row: EventRow) -> Event:
    """The record of a row."""
    return Event(row.item_id, row.at, row.actor, row.what, row.detail)


def event_row(item_id: str, *, actor: str, what: str, detail: dict[str, Any]) -> EventRow:
    """A new line of the audit trail, at this time."""
    return EventRow(item_id=item_id, at=utc_now(), actor=actor, what=what, detail=detail)


def utc_now() -> datetime:
    """The time, aware."""
    return datetime.now(timezone.utc)
