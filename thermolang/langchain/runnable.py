"""with_confidence: the one wrapper; ConfidenceRouter: accepted answers go on, doubtful ones to the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, overload

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import merge_configs
from langchain_huggingface import ChatHuggingFace

from thermolang.errors import InvalidInputError, ModelError, StoreError
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain._messages import (
    attach_decision,
    chat_models,
    decision_record,
    local_model,
    read,
    template_name,
)
from thermolang.langchain.callback import ConfidenceCallbackHandler
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Decision

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore

logger = logging.getLogger(__name__)


@overload
def with_confidence(
    runnable: BaseChatModel,
    *,
    task: str | None = ...,
    estimator: ConfidenceEstimator | None = ...,
    choices: Sequence[str] | None = ...,
    output: Literal["attach"] = ...,
) -> BaseChatModel: ...


@overload
def with_confidence(
    runnable: Runnable[Any, Any],
    *,
    task: str | None = ...,
    estimator: ConfidenceEstimator | None = ...,
    choices: Sequence[str] | None = ...,
    output: Literal["attach", "dict"] = ...,
) -> Runnable[Any, Any]: ...


def with_confidence(
    runnable: Runnable[Any, Any],
    *,
    task: str | None = None,
    estimator: ConfidenceEstimator | None = None,
    choices: Sequence[str] | None = None,
    output: Literal["attach", "dict"] = "attach",
) -> Runnable[Any, Any]:
    """Attach a calibrated confidence to every answer of a chat model or chain.

    Args:
        runnable: A ``ChatHuggingFace`` over a ``HuggingFacePipeline``, or a chain with one inside.
        task: Name of the stream of questions; a hash of the prompt template by default.
        estimator: Made from the model inside by default; one estimator may serve many chains.
        choices: The options, if answers are one of a few.
        output: ``"attach"`` writes ``response_metadata["thermolang"]`` on the model's message and changes
            nothing else. ``"dict"`` returns ``{"output", "confidence", "question"}``, for chains that end in
            a parser.

    Returns:
        A chat model for a chat model, else a Runnable with the same input and output.

    Raises:
        ModelError: No local chat model, or several, are inside and no ``estimator`` is given.
        InvalidInputError: ``output`` is neither of the two.
    """
    if output not in ("attach", "dict"):
        msg = f"output is 'attach' or 'dict', not {output!r}"
        raise InvalidInputError(msg)
    estimator = estimator or ConfidenceEstimator(_local_model_in(runnable))
    name = task or template_name(runnable)
    new_handler = partial(ConfidenceCallbackHandler, estimator, task=name, choices=choices)
    if output == "dict":
        return ConfidenceDict(runnable, new_handler)
    handler = new_handler()
    if isinstance(runnable, BaseChatModel):
        both = merge_configs({"callbacks": runnable.callbacks}, {"callbacks": [handler]})
        return runnable.model_copy(update={"callbacks": both["callbacks"]})
    return ConfidenceBinding(bound=runnable, handler=handler)


class ConfidenceBinding(RunnableBindingBase[Any, Any]):
    """A Runnable whose every call carries a confidence callback.

    Not a ``RunnableBinding``: its ``bind``, ``with_config`` and ``with_retry`` would make a copy without the handler.
    """

    handler: Any

    def _merge_configs(self, *configs: RunnableConfig | None) -> RunnableConfig:
        """Every way to call a binding passes here."""
        return merge_configs(super()._merge_configs(*configs), {"callbacks": [self.handler]})

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It holds a model, so no."""
        return False


class ConfidenceDict(Runnable[Any, dict[str, Any]]):
    """A Runnable that returns the bound one's output together with the answer's confidence."""

    def __init__(self, bound: Runnable[Any, Any], new_handler: Callable[[], ConfidenceCallbackHandler]) -> None:
        self.bound, self._new_handler = bound, new_handler

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002
        """Call the bound Runnable; ``confidence`` is a ``Confidence`` whose value may be None."""
        handler = self._new_handler()
        result = self.bound.invoke(input, merge_configs(config, {"callbacks": [handler]}), **kwargs)
        missing = (Confidence(None, reason="the chain answered without calling its model"), "")
        confidence, question = next(reversed(handler.records.values()), missing)
        return {"output": result, "confidence": confidence, "question": question}


class ConfidenceRouter(Runnable[Any, Any]):
    """Sends doubtful answers to the review store and marks every answer with the decision.

    Takes and returns an ``AIMessage`` that carries a confidence, or the dict of
    ``with_confidence(output="dict")``. The answer itself is left as it is; a message gets
    ``response_metadata["thermolang"]["decision"]``, a dict gets the key ``"decision"``: action, reason,
    threshold and, for items that wait in the store, their ``item_id``.

    Args:
        store: Where doubtful answers wait.
        policy: What is doubtful; by default everything below 0.7.
    """

    def __init__(self, store: ReviewStore, policy: Policy | None = None) -> None:
        self.store, self.policy = store, policy or Policy()

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Decide about one answer. It waits in the database before this returns."""
        return self._call_with_config(self._route, input, config, **kwargs)

    def _route(self, answer: Any) -> Any:
        if isinstance(answer, AIMessage):
            confidence, payload = read(answer)
            decision, item_id = self._decide(
                confidence, str(answer.text), payload.get("question", ""), payload.get("model", "")
            )
            return attach_decision(answer, decision, item_id)
        if isinstance(answer, dict) and isinstance(answer.get("confidence"), Confidence) and "output" in answer:
            decision, item_id = self._decide(
                answer["confidence"], str(answer["output"]), answer.get("question", ""), ""
            )
            return {**answer, "decision": decision_record(decision, item_id)}
        given = type(answer).__name__
        msg = (
            f"ConfidenceRouter takes an AIMessage or the dict of with_confidence(output='dict'), not {given}; "
            "put it right after the model, or use output='dict' for a chain that ends in a parser"
        )
        raise InvalidInputError(msg)

    def _decide(self, confidence: Confidence, answer: str, question: str, model: str) -> tuple[Decision, str | None]:
        decision = self.policy.decide(confidence)
        if decision.action != "review":
            return decision, None
        try:
            item = self.store.submit(question, answer, confidence=confidence, decision=decision, model=model)
        except StoreError as error:
            # The answer must not be lost because the store is down; the mark tells the caller.
            logger.error("a doubtful answer could not be stored: %s", error)
            return Decision("review", f"{decision.reason}; not stored: {error}", decision.threshold), None
        return decision, item.id


def _local_model_in(runnable: Runnable[Any, Any]) -> Any:
    models = chat_models(runnable)
    if len(models) != 1:
        names = [type(m).__name__ for m in models] or "none"
        wanted = "exactly one chat model is expected inside the chain"
        msg = f"{wanted}, found {names}: give estimator=ConfidenceEstimator(...)"
        raise ModelError(msg)
    if not isinstance(models[0], ChatHuggingFace):
        msg = (
            f"{type(models[0]).__name__} gives no hidden states: use a local ChatHuggingFace over a "
            "HuggingFacePipeline, or give estimator=ConfidenceEstimator(...)"
        )
        raise ModelError(msg)
    return local_model(models[0])
