"""What is scored and how it is written on a message; the model and the callback share it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage

from thermolang.errors import StoreError, ThermolangError
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain._messages import attach, attach_decision, only_the_answer, question_of
from thermolang.models.local import LocalModel
from thermolang.routing.policy import Policy
from thermolang.thorough import check_annotate
from thermolang.types import Confidence, Decision, Generation, Message, Mode

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore

CALLS_TOOLS = "the message calls tools; the answer that follows is what has a confidence"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scoring:
    """How the answers of a model are scored.

    Attributes:
        estimator: Scores with the same weights that answered.
        task: Name of the stream of questions.
        choices: The options, if answers are one of a few.
        policy: If given, each message also says whether it is accepted.
        mode: How free-form answers are scored; the estimator's own by default.
        annotate: Whether each sentence of an answer is told its share of supporting samples (experimental; NOT a
            calibrated probability).

    Raises:
        InvalidInputError: ``annotate`` in a mode that samples no answers.
    """

    estimator: ConfidenceEstimator
    task: str | None = None
    choices: tuple[str, ...] | None = None
    policy: Policy | None = None
    mode: Mode | None = None
    annotate: bool = False

    def __post_init__(self) -> None:
        if self.annotate:
            check_annotate(self.mode or self.estimator.mode, choices=bool(self.choices))

    @property
    def key(self) -> str:
        """Everything that a confidence depends on beside the conversation and the answer."""
        estimator = self.estimator
        how = (self.mode or estimator.mode, estimator.samples, self.annotate)
        calibrator = estimator.calibrator.id if estimator.calibrator else None
        return repr((self.task, self.choices, self.policy, how, calibrator))

    def confidences(self, items: Sequence[tuple[Sequence[Message], Generation | str]]) -> list[Confidence]:
        """Score (conversation, answer) pairs; an error is logged and becomes a reason, never the caller's."""
        try:
            threshold = self.policy.threshold if self.policy else None
            return self.estimator.score_many(
                items,
                task=self.task,
                choices=self.choices,
                mode=self.mode,
                threshold=threshold,
                annotate=self.annotate,
            )
        except Exception as error:  # whatever it is, it must not cost the user the answer
            logger.exception("answers could not be scored")
            return [self.failed(error)] * len(items)

    def rescored(self, messages: Sequence[Message], answer: str) -> Confidence:
        """Score an answer that another object generated; a prompt that a pipeline left in front of it is cut off."""
        model = self.estimator.model
        try:
            own = only_the_answer(answer, messages, model) if isinstance(model, LocalModel) else answer
        except ThermolangError as error:
            return self.failed(error)
        return self.confidences([(messages, own)])[0]

    def failed(self, error: BaseException) -> Confidence:
        """A confidence that says why there is none."""
        return Confidence(None, task=self.task or "", reason=f"scoring failed: {type(error).__name__}: {error}")

    def write(self, message: BaseMessage, confidence: Confidence, messages: Sequence[Message]) -> None:
        """Attach a confidence to a message, and the decision about it if there is a policy."""
        attach(message, confidence, question=question_of(messages), model=self.estimator.model.name)
        if self.policy is not None and isinstance(message, AIMessage):
            decided = attach_decision(message, self.policy.decide(confidence), None)
            message.response_metadata = decided.response_metadata


def submitted(
    store: ReviewStore, decision: Decision, confidence: Confidence, answer: str, payload: Mapping[str, Any]
) -> tuple[Decision, str | None]:
    """Put a doubtful answer into the store; returns the decision and the item's id.

    If the store is down the id is None and the decision says so: the answer must not be lost for that.
    """
    told = {key: str(payload.get(key, "")) for key in ("model", "context")}
    question = str(payload.get("question", ""))
    try:
        return decision, store.submit(question, answer, confidence=confidence, decision=decision, **told).id
    except StoreError as error:
        logger.error("a doubtful answer could not be stored: %s", error)
        return replace(decision, reason=f"{decision.reason}; not stored: {error}"), None
