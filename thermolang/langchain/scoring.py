"""What is scored and how it is written on a message; the model and the callback share it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage

from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain._messages import attach, attach_decision, question_of
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Generation, Message

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
    """

    estimator: ConfidenceEstimator
    task: str | None = None
    choices: tuple[str, ...] | None = None
    policy: Policy | None = None

    def confidences(self, items: Sequence[tuple[Sequence[Message], Generation | str]]) -> list[Confidence]:
        """Score (conversation, answer) pairs; an error is logged and becomes a reason, never the caller's."""
        try:
            return self.estimator.score_many(items, task=self.task, choices=self.choices)
        except Exception as error:  # whatever it is, it must not cost the user the answer
            logger.exception("answers could not be scored")
            return [self.failed(error)] * len(items)

    def failed(self, error: BaseException) -> Confidence:
        """A confidence that says why there is none."""
        return Confidence(None, task=self.task or "", reason=f"scoring failed: {type(error).__name__}: {error}")

    def write(self, message: BaseMessage, confidence: Confidence, messages: Sequence[Message]) -> None:
        """Attach a confidence to a message, and the decision about it if there is a policy."""
        attach(message, confidence, question=question_of(messages), model=self.estimator.model.name)
        if self.policy is not None and isinstance(message, AIMessage):
            decided = attach_decision(message, self.policy.decide(confidence), None)
            message.response_metadata = decided.response_metadata
