"""Confidences and decisions where the user watches the chain: on the OpenTelemetry span, and in LangSmith.

This module opens no span and no tracer, and reads no setting. It adds to a span that somebody else records, and to a
run that a LangSmith tracer of the user's follows, with that tracer's own client. Without either, nothing leaves the
machine. What is told is numbers, codes and versions, and the name of the task: no question, no answer, no reason in
words, as reasons may quote them.

Names are those of the GenAI semantic conventions (``gen_ai.evaluation.*``) where they have one, else ``thermolang.*``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any

from langchain_core.runnables.config import var_child_runnable_config

from thermolang.types import Confidence, Decision

logger = logging.getLogger(__name__)

NAME = "thermolang.confidence"
"""Of the evaluation, as the conventions call it."""

ATTEMPTS = 3


def report_confidence(confidence: Confidence, run: Any = None) -> None:
    """Tell what an answer's confidence is, and what versions it rests on.

    Args:
        confidence: Of the answer.
        run: The callback manager of the run that answered; by default the Runnable that is being executed.
    """
    _report("confidence", confidence.value, confidence.reason_code, confidence_attributes(confidence), run)


def report_decision(decision: Decision, run: Any = None) -> None:
    """Tell what was decided about an answer, and by which policy.

    Args:
        decision: About the answer.
        run: As in ``report_confidence``.
    """
    _report("decision", None, decision.action, decision_attributes(decision), run)


def confidence_attributes(confidence: Confidence) -> dict[str, Any]:
    """Attributes of a span; those without a value are left out."""
    return _known(
        {
            "gen_ai.evaluation.name": NAME,
            "gen_ai.evaluation.score.value": confidence.value,
            "thermolang.confidence.source": confidence.source,
            "thermolang.confidence.supported": confidence.supported,
            "thermolang.confidence.reason_code": confidence.reason_code,
            "thermolang.task": confidence.task or None,
            "thermolang.task_version": confidence.task_version if confidence.calibrator else None,
            "thermolang.calibrator": confidence.calibrator or None,
        }
    )


def decision_attributes(decision: Decision) -> dict[str, Any]:
    """Attributes of a span; those without a value are left out."""
    return _known(
        {
            "gen_ai.evaluation.name": NAME,
            "gen_ai.evaluation.score.value": decision.value,
            "gen_ai.evaluation.score.label": decision.action,
            "thermolang.decision.code": decision.code,
            "thermolang.decision.mode": decision.mode,
            "thermolang.decision.threshold": decision.threshold,
            "thermolang.policy": decision.policy or None,
            "thermolang.task_version": decision.task_version,
            "thermolang.calibrator": decision.calibrator or None,
        }
    )


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _report(key: str, score: float | None, value: str | None, attributes: dict[str, Any], run: Any) -> None:
    try:
        _to_span(attributes)
        _to_langsmith(key, score, value, attributes, run)
    except Exception:  # whatever a tracer does, it must not cost the user the answer
        logger.exception("a %s could not be told to the tracers", key)


def _to_span(attributes: Mapping[str, Any]) -> None:
    # Whoever records a span has imported it; where nobody has, it need not be installed.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(attributes)


def _to_langsmith(key: str, score: float | None, value: str | None, attributes: dict[str, Any], run: Any) -> None:
    """Feedback on a run that is being traced; sent by a thread of its own, as the client may wait for the network."""
    for tracer in _tracers(run):
        traced = tracer.run_map.get(str(_run_id(run)))
        if traced is None or traced.extra.get("__disabled"):  # LangChain's mark of a run that is not sent
            continue
        given: dict[str, Any] = {"score": score} if score is not None else {"value": value}
        given |= {"trace_id": traced.trace_id, "feedback_source_type": "model", "source_info": attributes}
        _sender().submit(_send, tracer.client, traced, key, given)


def _send(client: Any, traced: Any, key: str, given: dict[str, Any]) -> None:
    try:
        project = traced.session_id or _project_id(client, traced.session_name)
        client.create_feedback(traced.id, key, session_id=project, stop_after_attempt=ATTEMPTS, **given)
    except Exception as error:
        logger.warning("LangSmith did not take the %s of a run: %s", key, error)


@lru_cache(maxsize=8)
def _project_id(client: Any, name: str) -> Any:
    """LangSmith's id of the project that a tracer writes into; it wants to know it of feedback on a run."""
    client.flush()  # the project is made when its first run arrives
    return client.read_project(project_name=name).id


@cache
def _sender() -> ThreadPoolExecutor:
    """One thread, which the interpreter waits for at its end: a short script's feedback is sent, too."""
    return ThreadPoolExecutor(1, thread_name_prefix="thermolang-telemetry")


def _tracers(run: Any) -> list[Any]:
    """The user's LangSmith tracers that follow a run; core imports the module only where there is one."""
    module = sys.modules.get("langchain_core.tracers.langchain")
    handlers = getattr(run or _surrounding(), "handlers", None) or []
    return [h for h in handlers if module is not None and isinstance(h, module.LangChainTracer)]


def _run_id(run: Any) -> Any:
    # The manager of a Runnable's steps names the Runnable as their parent.
    return run.run_id if run is not None else getattr(_surrounding(), "parent_run_id", None)


def _surrounding() -> Any:
    """The callback manager for what the Runnable that is being executed calls, if there is one."""
    return (var_child_runnable_config.get() or {}).get("callbacks")
