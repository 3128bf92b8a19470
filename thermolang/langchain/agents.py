"""A middleware that pauses agents at doubtful answers, and a loop that resumes them with the desk's verdicts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from filelock import FileLock, Timeout
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from pydantic import Discriminator, Field
from typing_extensions import NotRequired, TypedDict

from thermolang.errors import InvalidInputError, ThermolangError, require
from thermolang.langchain.messages import (
    KEY,
    Scoring,
    attach,
    attach_decision,
    attach_review,
    audited,
    decision_record,
    question_of,
    read,
    submitted,
    text_only,
    to_messages,
)
from thermolang.langchain.telemetry import report_confidence, report_decision
from thermolang.routing.policy import Policy
from thermolang.storage import data_dir, digest
from thermolang.types import Confidence, Decision, Reason

# Before the imports that need it: they would fail without naming the extra.
require("langchain", "agents")
require("langgraph", "agents")

from langchain.agents.middleware import AgentMiddleware, AgentState, ModelRequest, ModelResponse, hook_config  # noqa: E402
from langchain.agents.middleware.types import PrivateStateAttr  # noqa: E402
from langgraph.checkpoint.base import BaseCheckpointSaver  # noqa: E402
from langgraph.runtime import Runtime  # noqa: E402
from langgraph.types import Command, interrupt  # noqa: E402

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph.state import CompiledStateGraph

    from thermolang.estimator import ConfidenceEstimator
    from thermolang.review.client import ReviewClient
    from thermolang.review.records import Verdict
    from thermolang.review.store import ReviewStore
    from thermolang.review.watch import Watch

TRY_AGAIN = "A reviewer did not accept this answer. Please try again."
UNSCORED = Reason(
    "not_scored", "the answer was not scored: give the gate an estimator, or wrap the agent's model in with_confidence"
)
EDITED = Reason("edited", "a person replaced the answer; the value belongs to the model's answer")

logger = logging.getLogger(__name__)


class ConfidenceReviewRequest(TypedDict):
    """What the interrupt shows to the person who decides; plain JSON.

    Attributes:
        type: Tells clients how to read the interrupt.
        question: The last thing the user asked.
        answer: The agent's final answer.
        confidence: ``Confidence.to_dict()``.
        reason: Why the answer is doubtful, as one sentence.
        task: Name of the stream of questions.
        item_id: Where it waits in the review store; None if it is not there.
    """

    type: Literal["confidence_review"]
    question: str
    answer: str
    confidence: dict[str, Any]
    reason: str
    task: str
    item_id: str | None


class ApproveDecision(TypedDict):
    """The answer is right."""

    type: Literal["approve"]
    operator: NotRequired[str]


class EditDecision(TypedDict):
    """The person's own answer is given out instead."""

    type: Literal["edit"]
    answer: Annotated[str, Field(min_length=1)]
    operator: NotRequired[str]


class RejectDecision(TypedDict):
    """The agent shall try again; ``message`` tells it what was wrong."""

    type: Literal["reject"]
    message: NotRequired[str]
    operator: NotRequired[str]


ReviewDecision = Annotated[ApproveDecision | EditDecision | RejectDecision, Discriminator("type")]
"""What ``Command(resume=...)`` takes; anything else raises a ValidationError and can be answered again."""


class GateState(AgentState[Any]):
    """The agent's state and how many answers to this question were rejected."""

    confidence_reviews: NotRequired[Annotated[int, PrivateStateAttr]]


class JudgesModelCalls:
    """The hooks of a middleware that attaches something to what the model says.

    It belongs to the model's node, whose result is checkpointed: the node that interrupts is executed again from its
    start when it is resumed, and must not come to another result then.
    """

    def _judge(self, request: ModelRequest[Any], response: ModelResponse[Any]) -> ModelResponse[Any]:
        raise NotImplementedError

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Judge what the model says."""
        return self._judge(request, handler(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Judge what the model says, off the event loop."""
        return await asyncio.to_thread(self._judge, request, await handler(request))


class ConfidenceGateMiddleware(JudgesModelCalls, AgentMiddleware[GateState, Any, Any]):
    """Pauses an agent whose final answer is doubtful until a person approves, edits or rejects it.

    The pause is a LangGraph ``interrupt`` with a ``ConfidenceReviewRequest``: the agent needs a checkpointer and goes
    on with ``Command(resume={"type": "approve"})``, an ``EditDecision`` or a ``RejectDecision``, also after a restart.
    While it waits, ``invoke`` returns the state with the key ``"__interrupt__"``; the last message is the doubtful one.
    Messages with tool calls are never gated. Put the gate first in ``middleware=[...]``, so that it sees what the
    others have made of the answer. With ``stream_mode="messages"`` the words are out before the gate can close.

    An edit changes the message, not a ``structured_response``. On Python 3.10 LangGraph can interrupt only agents that
    are called synchronously.

    Args:
        estimator: Scores the final answers. Not needed if the agent's model attaches confidences itself, as a model
            in ``with_confidence`` does: such an answer is not scored again.
        task: Name of the stream of questions; a hash of the system message by default.
        policy: What is doubtful; by default everything below 0.7. What it rejects is reviewed too. In its mode
            ``"shadow"`` nothing pauses.
        max_reviews: After so many rejections of one question the next answer passes, marked so.
        store: Where the requests wait as well, for the review desk; see ``resume_from_store``. Its ``audit`` draws
            some of the accepted answers, on which no agent waits.
        written_elsewhere: Whether other weights than the estimator's write the answers; by default the weights, and the
            name on the message, are compared. Say False for a chat model of your own class over the same weights.
        watch: Sees the confidence of every final answer; after an alarm it may send all of them to review.

    Raises:
        InvalidInputError: ``max_reviews`` is negative.
    """

    state_schema = GateState

    def __init__(
        self,
        estimator: ConfidenceEstimator | None = None,
        *,
        task: str | None = None,
        policy: Policy | None = None,
        max_reviews: int = 3,
        store: ReviewStore | ReviewClient | None = None,
        written_elsewhere: bool | None = None,
        watch: Watch | None = None,
    ) -> None:
        super().__init__()
        if max_reviews < 0:
            msg = f"max_reviews must not be negative, got {max_reviews}"
            raise InvalidInputError(msg)
        self.scoring = Scoring(estimator, task, written_elsewhere=written_elsewhere) if estimator else None
        self.task, self.policy = task, policy or Policy()
        self.max_reviews, self.store, self.watch = max_reviews, store, watch

    def before_agent(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any]:
        """Count anew for each question; a resumed run does not pass here."""
        return {"confidence_reviews": 0}

    @hook_config(can_jump_to=["model"])
    def after_model(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Let an accepted answer pass; ask a person about any other."""
        message = next((m for m in reversed(state["messages"]) if isinstance(m, AIMessage)), None)
        if message is None or message.tool_calls:
            return None
        confidence, payload = read(message)
        # An answer that did not come from the model node, but from another middleware, carries no decision.
        decision = payload.get("decision") or decision_record(self._decide(confidence), None)
        if not Decision.from_dict(decision).holds:
            return None
        reviews = state.get("confidence_reviews", 0)
        if reviews >= self.max_reviews:
            why = f"passed without a review after {reviews} rejections (max_reviews)"
            return {"messages": [attach_review(message, {"action": "pass", "reason": why})]}
        request = ConfidenceReviewRequest(
            type="confidence_review",
            question=_question(state["messages"]),
            answer=str(message.text),
            confidence=confidence.to_dict(),
            reason=decision["reason"],
            task=confidence.task,
            item_id=decision["item_id"],
        )
        verdict: Any = interrupt(request, response_schema=cast("type[Any]", ReviewDecision))
        return _apply(verdict, message, reviews)

    @hook_config(can_jump_to=["model"])
    async def aafter_model(self, state: GateState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Let an accepted answer pass; ask a person about any other."""
        return self.after_model(state, runtime)

    def _judge(self, request: ModelRequest[Any], response: ModelResponse[Any]) -> ModelResponse[Any]:
        message = response.result[-1] if response.result else None
        if not isinstance(message, AIMessage) or message.tool_calls:
            return response
        # A copy, because caches and fakes give out the same message again.
        answer = message.model_copy(update={"response_metadata": {**message.response_metadata}})
        confidence, payload = read(answer)
        model = payload.get("model", "")
        if "value" not in payload:
            confidence = self._score(request, answer)
            model = self.scoring.estimator.model.name if self.scoring else ""
            report_confidence(confidence)
        question = _question(request.messages)
        attach(answer, confidence, question=question, model=model)
        if self.watch is not None:
            self.watch.observe(confidence)
        decision, item_id = self._decide(confidence), None
        report_decision(decision)
        reviews = cast("GateState", request.state).get("confidence_reviews", 0)
        # After that many rejections the answer passes, and nobody would wait for its verdict.
        if decision.action != "accept" and reviews < self.max_reviews and self.store is not None:
            told = {"question": question, "model": model}
            decision, item_id = submitted(self.store, decision, confidence, str(answer.text), told)
        elif decision.action == "accept" and self.store is not None:
            audited(self.store, decision, confidence, str(answer.text), {"question": question, "model": model})
        return replace(response, result=[*response.result[:-1], attach_decision(answer, decision, item_id)])

    def _decide(self, confidence: Confidence) -> Decision:
        return (self.watch.guarded(self.policy) if self.watch else self.policy).decide(confidence)

    def _score(self, request: ModelRequest[Any], answer: AIMessage) -> Confidence:
        if self.scoring is None:
            return Confidence.missing(UNSCORED, task=self.task or "")
        asked = [*([request.system_message] if request.system_message else []), *request.messages]
        try:
            text_only(asked)
        except ThermolangError as error:
            return self.scoring.failed(error)
        scoring = self.scoring
        if scoring.written_elsewhere is None:
            # Another middleware may have asked another model than the request names.
            named = answer.response_metadata.get("model_name") or scoring.estimator.model.name
            foreign = not scoring.knows(request.model) or not scoring.bears(named)
            scoring = replace(scoring, written_elsewhere=foreign)
        return scoring.rescored(to_messages(asked), str(answer.text))


def _apply(verdict: Any, message: AIMessage, reviews: int) -> dict[str, Any]:
    """The change of the state that a person's decision makes; messages of the same id are replaced."""
    by = {"operator": verdict["operator"]} if verdict.get("operator") else {}
    review = {"action": verdict["type"], **by}
    if verdict["type"] == "approve":
        return {"messages": [attach_review(message, review)]}
    if verdict["type"] == "edit":
        return {
            "messages": [
                attach_review(message, review, reason=EDITED.text, reason_code=EDITED.code).model_copy(
                    update={"content": verdict["answer"]}
                )
            ]
        }
    back = attach_review(HumanMessage(verdict.get("message") or TRY_AGAIN), review)
    return {"messages": [attach_review(message, review), back], "jump_to": "model", "confidence_reviews": reviews + 1}


def _question(messages: Sequence[BaseMessage]) -> str:
    """The last thing the user said; a reviewer is not the user."""
    return question_of(to_messages([m for m in messages if "review" not in m.response_metadata.get(KEY, {})]))


AnyDecision = ApproveDecision | EditDecision | RejectDecision


@dataclass(frozen=True)
class Resumed:
    """An agent's answer that was decided at the desk and went on.

    Attributes:
        thread_id: The agent's thread.
        item_id: The item of the review store.
        action: What was decided.
    """

    thread_id: str
    item_id: str
    action: Literal["approve", "edit", "reject"]


def resume_from_store(
    agent: CompiledStateGraph[Any, Any, Any, Any],
    store: ReviewStore | ReviewClient,
    *,
    threads: Iterable[str] | None = None,
    poll_seconds: float = 2.0,
    stop: threading.Event | None = None,
    once: bool = False,
) -> list[Resumed]:
    """Carry the verdicts of the review desk to the agents that wait for them.

    Accepted items approve the answer, corrected ones replace it, rejected ones make the agent try again, with the
    operator's note. Runs until ``stop`` is set, in the process that has the agent; in an asynchronous program, in a
    thread of its own: ``asyncio.to_thread(resume_from_store, agent, store, stop=stop)``.

    What has been resumed is not resumed again, also if several workers of one machine run. What goes wrong in one
    thread is logged and does not stop the others.

    Args:
        agent: An agent with a ``ConfidenceGateMiddleware(store=...)`` and a checkpointer of its own.
        store: The store of that gate.
        threads: Ids of the threads to look at. By default all of the checkpointer, which are listed each time: name
            them where there are thousands.
        poll_seconds: Seconds between two rounds over the threads.
        stop: Set it to end the loop after the current round.
        once: Do one round and return.

    Returns:
        What was resumed, in order.

    Raises:
        InvalidInputError: The agent has no checkpointer.
    """
    if not isinstance(agent.checkpointer, BaseCheckpointSaver):
        msg = "the agent has no checkpointer, so nothing can wait in it: create_agent(..., checkpointer=...)"
        raise InvalidInputError(msg)
    named = None if threads is None else list(threads)
    stop = stop or threading.Event()
    resumed: list[Resumed] = []
    while not stop.is_set():
        resumed += _look(agent, store, named)
        if once or stop.wait(poll_seconds):
            break
    return resumed


def _look(
    agent: CompiledStateGraph[Any, Any, Any, Any], store: ReviewStore | ReviewClient, threads: list[str] | None
) -> Iterator[Resumed]:
    """Resume every thread whose verdict is there."""
    try:
        found = _all_threads(agent) if threads is None else threads
    except Exception:
        logger.exception("the threads of the agent could not be listed")
        return
    for thread in found:
        try:
            yield from _resume(agent, store, thread)
        except Exception:  # one broken thread must not keep the others waiting
            logger.exception("thread %s failed; agent.invoke(None, config) goes on where it stopped", thread)


def _all_threads(agent: Any) -> list[str]:
    checkpoints = agent.checkpointer.list(None)
    # A thread has many checkpoints.
    return list(dict.fromkeys(c.config["configurable"]["thread_id"] for c in checkpoints))


def _resume(
    agent: CompiledStateGraph[Any, Any, Any, Any], store: ReviewStore | ReviewClient, thread: str
) -> list[Resumed]:
    config: RunnableConfig = {"configurable": {"thread_id": thread}}
    if not _decided(agent, store, config):
        return []
    try:
        with _only_one(thread):
            # Again, because another worker may have been faster.
            decided = _decided(agent, store, config)
            if decided:
                agent.invoke(Command(resume={key: decision for key, (_, decision) in decided.items()}), config)
    except Timeout:
        return []
    resumed = [Resumed(thread, item_id, decision["type"]) for item_id, decision in decided.values()]
    for one in resumed:
        logger.info("thread %s: %s (item %s)", one.thread_id, one.action, one.item_id)
    return resumed


def _decided(
    agent: CompiledStateGraph[Any, Any, Any, Any], store: ReviewStore | ReviewClient, config: RunnableConfig
) -> dict[str, tuple[str, AnyDecision]]:
    """Item and decision of each pending request that has a verdict, by the interrupt's id."""
    decided = {}
    for pending in agent.get_state(config).interrupts:
        request = pending.value if isinstance(pending.value, dict) else {}
        item_id = request.get("item_id") if request.get("type") == "confidence_review" else None
        verdict = store.get(item_id).verdict if item_id else None
        if item_id and verdict:
            decided[pending.id] = (item_id, _decision(verdict))
    return decided


def _decision(verdict: Verdict) -> AnyDecision:
    """A verdict of the desk in the gate's words."""
    if verdict.action == "accept":
        return ApproveDecision(type="approve", operator=verdict.operator)
    if verdict.action == "correct":
        return EditDecision(type="edit", answer=verdict.corrected_answer or "", operator=verdict.operator)
    return RejectDecision(type="reject", message=verdict.note, operator=verdict.operator)


def _only_one(thread: str) -> FileLock:
    """Lock against other workers on the same thread; lock files are never deleted, so all threads share 256."""
    folder = data_dir() / "resuming"
    folder.mkdir(parents=True, exist_ok=True)
    # No waiting: a thread that is locked is tried again in the next round.
    return FileLock(folder / f"{digest(thread, 2)}.lock", timeout=0)
