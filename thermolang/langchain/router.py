"""ConfidenceRouter: accepted answers go on, doubtful ones to the review store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import run_in_executor

from thermolang.errors import InvalidInputError
from thermolang.langchain.chains import Path
from thermolang.langchain.messages import KEY, attach_decision, audited, decided, decision_record, read, submitted
from thermolang.langchain.structured import answer_text
from thermolang.langchain.telemetry import report_decision
from thermolang.routing.policy import Policy
from thermolang.types import Action, Confidence, Decision, Reason

if TYPE_CHECKING:
    from thermolang.review.client import ReviewClient
    from thermolang.review.store import ReviewStore
    from thermolang.review.watch import Watch

PLACEHOLDER = "This answer is being checked by a person."

NO_CONFIDENCE = Reason("not_scored", "answered by the fallback, which carries no confidence")

_TOLD = ("confidence", "question", "context", "answer", "decision", "model")
_ACTIONS: tuple[Action, ...] = ("accept", "review", "reject")

OnReview = Literal["flag", "hold", "fallback"]

logger = logging.getLogger(__name__)


class ConfidenceRouter(Runnable[Any, Any]):
    """Sends doubtful answers to the review store and marks every answer with the decision.

    Of the accepted answers the store's audit draws a random share, which wait there unmarked among the doubtful ones.

    Takes and returns an ``AIMessage`` that carries a confidence, or the dict of
    ``with_confidence(output="dict")``. A message gets ``response_metadata["thermolang"]["decision"]``, a dict gets the
    key ``"decision"``: action, reason, threshold and, for items that wait in the store, their ``item_id``. Of an output
    that is a dict itself only the answer is held back, and of several answers each has a decision under its key.

    Args:
        store: Where doubtful answers wait, and what its ``audit`` draws.
        policy: What is doubtful; by default what ``with_confidence(threshold=...)`` decided, else everything below 0.7.
            In its mode ``"shadow"`` doubtful answers wait in the store, too, and go on as they are.
        on_review: What goes on in place of an answer that is not accepted: ``"flag"`` the answer itself, marked;
            ``"hold"`` the placeholder; ``"fallback"`` what another Runnable answers, such as a larger model.
        placeholder: What the end user sees while the answer is held.
        chain: The Runnable whose answers are routed; the router then takes its input. Needed for a fallback, which
            gets the same input; otherwise put the router behind the chain: ``chain | router``.
        fallback: Answers in place of a doubtful answer. If its own answer carries a confidence that is not accepted,
            that one waits in the store too. Its errors are logged, and the doubtful answer goes on, marked.
        watch: Sees every confidence; after an alarm it may send all answers to review.

    Raises:
        InvalidInputError: ``on_review`` is unknown, or a fallback is wanted without ``fallback`` and ``chain``.
    """

    def __init__(
        self,
        store: ReviewStore | ReviewClient,
        policy: Policy | None = None,
        *,
        on_review: OnReview = "flag",
        placeholder: str = PLACEHOLDER,
        chain: Runnable[Any, Any] | None = None,
        fallback: Runnable[Any, Any] | None = None,
        watch: Watch | None = None,
    ) -> None:
        if on_review not in ("flag", "hold", "fallback"):
            msg = f"on_review is 'flag', 'hold' or 'fallback', not {on_review!r}"
            raise InvalidInputError(msg)
        if (on_review == "fallback") != (fallback is not None) or (fallback is not None and chain is None):
            msg = "on_review='fallback', fallback= and chain= go together: the fallback gets the input of the chain"
            raise InvalidInputError(msg)
        self.store, self.policy, self.on_review, self.placeholder = store, policy, on_review, placeholder
        self.chain, self.fallback, self.watch = chain, fallback, watch

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Decide about one answer. A doubtful one waits in the database before this returns."""
        return self._call_with_config(self._run, input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """As ``invoke``; the database is used off the event loop."""
        return await self._acall_with_config(self._arun, input, config, **kwargs)

    def _run(self, given: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Any:
        answer, decision = self._route(self.chain.invoke(given, config) if self.chain else given)
        if not decision.holds or self.fallback is None:
            return answer
        try:
            second = self.fallback.invoke(given, config)
        except Exception:
            return _unanswered(answer)
        return self._second(answer, second)

    async def _arun(self, given: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Any:
        found = await self.chain.ainvoke(given, config) if self.chain else given
        answer, decision = await run_in_executor(None, self._route, found)
        if not decision.holds or self.fallback is None:
            return answer
        try:
            second = await self.fallback.ainvoke(given, config)
        except Exception:
            return _unanswered(answer)
        return await run_in_executor(None, self._second, answer, second)

    def _route(self, answer: Any) -> tuple[Any, Decision]:
        """Mark an answer with the decision, hold it back if so asked, and say what the decision was."""
        if isinstance(answer, AIMessage):
            return self._route_message(answer)
        if not _is_scored(answer):
            raise InvalidInputError(_not_routable(answer))
        routed, decisions = dict(answer), []
        for path in _paths(answer["confidence"]):
            routed, decision = self._route_at(routed, answer, path)
            decisions.append(decision)
        # What is wrong with one of several answers is wrong with the whole.
        return routed, max(decisions, key=lambda decision: (decision.holds, _ACTIONS.index(decision.action)))

    def _route_message(self, message: AIMessage) -> tuple[AIMessage, Decision]:
        confidence, payload = read(message)
        text = answer_text(message) if confidence.fields else str(message.text)
        decision, item_id = self._decide(confidence, text, payload)
        marked = attach_decision(message, decision, item_id)
        if self.on_review != "hold" or not decision.holds:
            return marked, decision
        marked.response_metadata[KEY] |= _kept(text, item_id)
        return self._held(marked), decision

    def _route_at(self, routed: dict[str, Any], answer: dict[str, Any], path: Path) -> tuple[dict[str, Any], Decision]:
        """Route one of the answers of a dict; ``path`` is empty if there is one only."""
        told = {name: _at(answer[name], path) for name in _TOLD if name in answer}
        place = path or answer.get("answer_path", ())
        value = _at(answer["output"], place)
        text = _text(value, told.get("answer"))
        decision, item_id = self._decide(told["confidence"], text, told)
        routed = _with(routed, ("decision", *path), decision_record(decision, item_id))
        if self.on_review == "hold" and decision.holds:
            routed = _with(routed, ("output", *place), self._held(value))
            if told.get("answer"):
                routed = _with(routed, ("answer", *path), self.placeholder)
            for name, kept in _kept(text, item_id).items():
                routed = _with(routed, (name, *path), kept)
        return routed, decision

    def _held(self, value: Any) -> Any:
        """What stands in an answer's place; a message stays a message."""
        if not isinstance(value, AIMessage):
            return self.placeholder
        metadata = {k: v for k, v in value.response_metadata.items() if k != "logprobs"}  # they spell the answer
        return value.model_copy(update={"content": self.placeholder, "response_metadata": metadata})

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
        decision = self._judged(confidence, payload)
        report_decision(decision)
        if decision.action == "accept":
            # The item's id is for nobody: who gets the answer must not know either that it was drawn.
            audited(self.store, decision, confidence, answer, payload)
        if decision.action != "review":
            return decision, None
        return submitted(self.store, decision, confidence, answer, payload)

    def _judged(self, confidence: Confidence, payload: dict[str, Any]) -> Decision:
        policy, before = self.policy or Policy(), decided(payload) if self.policy is None else None
        if self.watch is not None:
            self.watch.observe(confidence)
            # After an alarm what was decided before does not count either.
            policy, before = self.watch.guarded(policy), None if self.watch.reviews_all else before
        return before or policy.decide(confidence)


def _not_routable(answer: Any) -> str:
    given = "str" if isinstance(answer, str) else type(answer).__name__  # core has a subclass of str
    return (
        f"ConfidenceRouter takes an AIMessage or the dict of with_confidence(output='dict'), not {given}; "
        "put it right after the model, or use output='dict' for a chain that ends in a parser"
    )


def _is_scored(answer: Any) -> bool:
    return isinstance(answer, dict) and "output" in answer and bool(_paths(answer.get("confidence")))


def _paths(confidence: Any) -> list[Path]:
    """The keys below which confidences stand: none for a single one."""
    if isinstance(confidence, Confidence):
        return [()]
    below = confidence.items() if isinstance(confidence, dict) else ()
    return [(key, *path) for key, value in below for path in _paths(value)]


def _at(value: Any, path: Sequence[Any]) -> Any:
    for key in path:
        value = value[key] if isinstance(value, list) else value.get(key) if isinstance(value, dict) else None
    return value


def _with(whole: Any, path: Sequence[Any], value: Any) -> Any:
    """A copy of nested dicts and lists with another value at one place."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(whole, list):
        changed = list(whole)
        changed[first] = _with(whole[first], rest, value)
        return changed
    known = whole if isinstance(whole, dict) else {}
    return {**known, first: _with(known.get(first), rest, value)}


def _text(value: Any, own: str | None) -> str:
    """An answer as the operator reads it: of one that is no text, the model's own words."""
    return (own if not isinstance(value, str | BaseMessage) else None) or answer_text(value)


def _kept(text: str, item_id: str | None) -> dict[str, str]:
    """What is held back and no store has must not be lost."""
    return {} if item_id else {"held": text}


def _decision_of(answer: Any) -> dict[str, Any]:
    """The decision about an answer; of several the worst."""
    if isinstance(answer, AIMessage):
        found: dict[str, Any] = read(answer)[1]["decision"]
        return found
    records: list[dict[str, Any]] = [_at(answer["decision"], path) for path in _paths(answer["confidence"])]
    return max(records, key=lambda record: _ACTIONS.index(record["action"]))


def _unanswered(answer: Any) -> Any:
    logger.exception("the fallback failed, so the doubtful answer goes on")
    return answer
