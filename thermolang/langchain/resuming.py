"""resume_from_store: agents that wait at a ConfidenceGateMiddleware go on when the review desk has decided."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock, Timeout

from thermolang.errors import InvalidInputError, require
from thermolang.hashing import digest
from thermolang.langchain.middleware import ApproveDecision, EditDecision, RejectDecision
from thermolang.paths import data_dir

# Before the imports that need it: they would fail without naming the extra.
require("langgraph", "agents")

from langgraph.checkpoint.base import BaseCheckpointSaver  # noqa: E402
from langgraph.types import Command  # noqa: E402

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.graph.state import CompiledStateGraph

    from thermolang.review.records import Verdict
    from thermolang.review.store import ReviewStore

AnyDecision = ApproveDecision | EditDecision | RejectDecision

logger = logging.getLogger(__name__)


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
    store: ReviewStore,
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
        poll_seconds: Time between two looks.
        stop: Ends the work after the look that is under way.
        once: Look once and return.

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
    agent: CompiledStateGraph[Any, Any, Any, Any], store: ReviewStore, threads: list[str] | None
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
    return list(dict.fromkeys(c.config["configurable"]["thread_id"] for c in checkpoints))


def _resume(agent: CompiledStateGraph[Any, Any, Any, Any], store: ReviewStore, thread: str) -> list[Resumed]:
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
    agent: CompiledStateGraph[Any, Any, Any, Any], store: ReviewStore, config: RunnableConfig
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
    """Keeps other workers from a thread; lock files stay, so there are 256 at most."""
    folder = data_dir() / "resuming"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{digest(thread, 2)}.lock", timeout=0)
