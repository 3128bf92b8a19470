"""ConfidenceRouter: accepted answers go on, doubtful ones to the review store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import run_in_executor

from thermolang.errors import InvalidInputError
from thermolang.langchain.messages import KEY, attach_decision, decided, decision_record, read, submitted
from thermolang.langchain.structured import answer_text
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Decision, Reason

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore

PLACEHOLDER = "This answer is being checked by a person."

NO_CONFIDENCE = Reason("not_scored", "answered by the fallback, which carries no confidence")

OnReview = Literal["flag", "hold", "fallback"]

logger = logging.getLogger(__name__)


class ConfidenceRouter(Runnable[Any, Any]):
    """Sends doubtful answers to the review store and marks every answer with the decision.

    Takes and returns an ``AIMessage`` that carries a confidence, or the dict of
    ``with_confidence(output="dict")``. A message gets ``response_metadata["thermolang"]["decision"]``, a dict gets the
    key ``"decision"``: action, reason, threshold and, for items that wait in the store, their ``item_id``.

    Args:
        store: Where doubtful answers wait.
        policy: What is doubtful; by default what ``with_confidence(threshold=...)`` decided, else everything below 0.7.
        on_review: What goes on in place of an answer that is not accepted: ``"flag"`` the answer itself, marked;
            ``"hold"`` the placeholder; ``"fallback"`` what another Runnable answers, such as a larger model.
        placeholder: What the end user sees while the answer is held.
        chain: The Runnable whose answers are routed; the router then takes its input. Needed for a fallback, which
            gets the same input; otherwise put the router behind the chain: ``chain | router``.
        fallback: Answers in place of a doubtful answer. If its own answer carries a confidence that is not accepted,
            that one waits in the store too. Its errors are logged, and the doubtful answer goes on, marked.

    Raises:
        InvalidInputError: ``on_review`` is unknown, or a fallback is wanted without ``fallback`` and ``chain``.
    """

    def __init__(
        self,
        store: ReviewStore,
        policy: Policy | None = None,
        *,
        on_review: OnReview = "flag",
        placeholder: str = PLACEHOLDER,
        chain: Runnable[Any, Any] | None = None,
        fallback: Runnable[Any, Any] | None = None,
    ) -> None:
        if on_review not in ("flag", "hold", "fallback"):
            msg = f"on_review is 'flag', 'hold' or 'fallback', not {on_review!r}"
            raise InvalidInputError(msg)
        if (on_review == "fallback") != (fallback is not None) or (fallback is not None and chain is None):
            msg = "on_review='fallback', fallback= and chain= go together: the fallback gets the input of the chain"
            raise InvalidInputError(msg)
        self.store, self.policy, self.on_review, self.placeholder = store, policy, on_review, placeholder
        self.chain, self.fallback = chain, fallback

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Decide about one answer. A doubtful one waits in the database before this returns."""
        return self._call_with_config(self._run, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """As ``invoke``; the database is used off the event loop."""
        return await self._acall_with_config(self._arun, input, config, **kwargs)

    def _run(self, given: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Any:
        answer, action = self._route(self.chain.invoke(given, config) if self.chain else given)
        if action == "accept" or self.fallback is None:
            return answer
        try:
            second = self.fallback.invoke(given, config)
        except Exception:
            return _unanswered(answer)
        return self._second(answer, second)

    async def _arun(self, given: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Any:
        found = await self.chain.ainvoke(given, config) if self.chain else given
        answer, action = await run_in_executor(None, self._route, found)
        if action == "accept" or self.fallback is None:
            return answer
        try:
            second = await self.fallback.ainvoke(given, config)
        except Exception:
            return _unanswered(answer)
        return await run_in_executor(None, self._second, answer, second)

    def _route(self, answer: Any) -> tuple[Any, str]:
        """Mark an answer with the decision, hold it back if so asked, and say what the decision was."""
        confidence, text, payload = _taken(answer)
        decision, item_id = self._decide(confidence, text, payload)
        held = self.on_review == "hold" and decision.action != "accept"
        # What is held back and no store has must not be lost.
        kept = {"held": text} if held and item_id is None else {}
        if isinstance(answer, AIMessage):
            marked = attach_decision(answer, decision, item_id)
            marked.response_metadata[KEY] |= kept
            if held:
                marked.response_metadata.pop("logprobs", None)  # they spell the answer
            return (marked.model_copy(update={"content": self.placeholder}) if held else marked), decision.action
        shown = {"output": self.placeholder} if held else {}
        return {**answer, "decision": decision_record(decision, item_id), **shown, **kept}, decision.action

    def _second(self, first: Any, second: Any) -> Any:
        """The fallback's answer: judged by its own confidence if it has one, else marked with the first decision."""
        if (isinstance(second, AIMessage) and read(second)[1]) or _is_scored(second):
            return self._route(second)[0]
        decision = {**_decision_of(first), "fallback": True}
        if isinstance(second, AIMessage):
            return second.model_copy(
                update={"response_metadata": {**second.response_metadata, KEY: {"decision": decision}}}
            )
        return {"output": second, "confidence": Confidence.missing(NO_CONFIDENCE), "decision": decision}

    def _decide(self, confidence: Confidence, answer: str, payload: dict[str, Any]) -> tuple[Decision, str | None]:
        before = decided(payload) if self.policy is None else None
        decision = before or (self.policy or Policy()).decide(confidence)
        if decision.action != "review":
            return decision, None
        return submitted(self.store, decision, confidence, answer, payload)


def _taken(answer: Any) -> tuple[Confidence, str, dict[str, Any]]:
    """Confidence, text and payload of what a router takes."""
    if isinstance(answer, AIMessage):
        confidence, payload = read(answer)
        return confidence, answer_text(answer) if confidence.fields else str(answer.text), payload
    if _is_scored(answer):
        return answer["confidence"], answer_text(answer["output"]), answer
    given = "str" if isinstance(answer, str) else type(answer).__name__  # core has a subclass of str
    msg = (
        f"ConfidenceRouter takes an AIMessage or the dict of with_confidence(output='dict'), not {given}; "
        "put it right after the model, or use output='dict' for a chain that ends in a parser"
    )
    raise InvalidInputError(msg)


def _is_scored(answer: Any) -> bool:
    return isinstance(answer, dict) and isinstance(answer.get("confidence"), Confidence) and "output" in answer


def _decision_of(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = read(answer)[1]["decision"] if isinstance(answer, AIMessage) else answer["decision"]
    return found


def _unanswered(answer: Any) -> Any:
    logger.exception("the fallback failed, so the doubtful answer goes on")
    return answer
