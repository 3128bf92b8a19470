"""``with_confidence`` attaches a calibrated confidence to the answers of a chat model or chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import get_config_list, merge_configs
from langchain_huggingface import ChatHuggingFace

from thermolang.errors import InvalidInputError, ModelError
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.callback import ConfidenceCallbackHandler
from thermolang.langchain.chat_model import ChatThermolang
from thermolang.langchain.messages import Scoring, chat_models, decision_record, local_model, replaced, template_name
from thermolang.models.local import LocalModel
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Mode, Reason

NOT_CALLED = Reason("not_scored", "the chain answered without calling its model")


@overload
def with_confidence(
    runnable: BaseChatModel,
    *,
    task: str | None = ...,
    estimator: ConfidenceEstimator | None = ...,
    choices: Sequence[str] | None = ...,
    rotations: int = ...,
    threshold: float | Policy | None = ...,
    mode: Mode | None = ...,
    annotate: bool = ...,
    output: Literal["attach"] = ...,
) -> BaseChatModel: ...


@overload
def with_confidence(
    runnable: Runnable[Any, Any],
    *,
    task: str | None = ...,
    estimator: ConfidenceEstimator | None = ...,
    choices: Sequence[str] | None = ...,
    rotations: int = ...,
    question: str | None = ...,
    threshold: float | Policy | None = ...,
    mode: Mode | None = ...,
    annotate: bool = ...,
    of: BaseChatModel | None = ...,
    output: Literal["attach", "dict"] = ...,
) -> Runnable[Any, Any]: ...


def with_confidence(
    runnable: Runnable[Any, Any],
    *,
    task: str | None = None,
    estimator: ConfidenceEstimator | None = None,
    choices: Sequence[str] | None = None,
    rotations: int = 1,
    question: str | None = None,
    threshold: float | Policy | None = None,
    mode: Mode | None = None,
    annotate: bool = False,
    of: BaseChatModel | None = None,
    output: Literal["attach", "dict"] = "attach",
) -> Runnable[Any, Any]:
    """Attach a calibrated confidence to every answer of a chat model or chain.

    A ``ChatThermolang`` scores its own answers as it gives them (mode ``native``). Of any other local model the answers
    are read once more by a callback (mode ``rescore``).

    Args:
        runnable: A ``ChatThermolang``, a ``ChatHuggingFace`` over a ``HuggingFacePipeline``, or a chain with one.
        task: Name of the stream of questions; a hash of the prompt template by default.
        estimator: Made from the model inside by default; one estimator may serve many chains. Given, it scores the
            answers of every model inside.
        choices: The options, if answers are one of a few.
        rotations: Average the options' logits over so many orders of the options, at the cost of a forward pass over as
            many prompts. The prompt then holds a line ``A. text`` for each of ``choices``. The answer stays what the
            model said, even if the average prefers another one; ``ConfidenceEstimator.choose`` answers by the average.
        question: Key of the chain's input, or of a step's inside, that holds the question alone, if the message to the
            model holds more, such as passages; the rest is shown as context.
        threshold: Confidence from which an answer is accepted, or a policy; then ``decision`` says which it is.
        mode: How free-form answers are scored: ``"fast"``, one pass more; ``"thorough"``, eight sampled answers grouped
            by meaning; ``"adaptive"``, samples only until it is clear on which side of ``threshold`` an answer is. The
            estimator's own by default, which is ``"fast"``.
        annotate: Also tell in ``sentences`` which share of the sampled answers supports each sentence of an answer
            (experimental; that share is NOT a calibrated probability). Needs mode ``"thorough"``, or ``"adaptive"``,
            which tells it only of answers for which it sampled.
        of: The one of several models inside whose answers are scored.
        output: ``"attach"`` writes ``response_metadata["thermolang"]`` on the model's message and changes
            nothing else. ``"dict"`` returns ``{"output", "confidence", "question"}``, for chains that end in
            a parser, and ``"decision"`` with a ``threshold``; its stream has one piece, the whole dict.

    Returns:
        A chat model for a chat model, else a Runnable with the same input and output.

    Raises:
        ModelError: No local chat model, or several, are inside and neither ``estimator`` nor ``of`` is given.
        InvalidInputError: ``output`` is neither of the two, ``question`` is given for a chat model, ``annotate`` where
            no answers are sampled (in mode ``"fast"``, or with ``choices``), or more ``rotations`` than ``choices``.
    """
    if output not in ("attach", "dict"):
        msg = f"output is 'attach' or 'dict', not {output!r}"
        raise InvalidInputError(msg)
    if mode not in (None, "fast", "thorough", "adaptive"):
        msg = f"mode is 'fast', 'thorough' or 'adaptive', not {mode!r}"
        raise InvalidInputError(msg)
    if question and isinstance(runnable, BaseChatModel):
        msg = f"question={question!r} names a key of a chain's input, but a chat model takes messages: leave it out"
        raise InvalidInputError(msg)
    model = _model_in(runnable, of) if of is not None or estimator is None else _only(chat_models(runnable))
    policy = threshold if isinstance(threshold, Policy) or threshold is None else Policy(threshold=threshold)
    name = task or template_name(runnable)
    options = tuple(choices) if choices else None
    scoring = Scoring(estimator or _estimator_of(model), name, options, policy, mode, annotate, rotations)
    # A callback then goes onto the model itself; otherwise it goes onto each call of the chain.
    alone = of is not None or (output == "attach" and model is runnable)
    scored, attached = _scored(runnable, model, scoring, alone=alone)
    # A model that scores its own answers needs a handler only to collect what its messages carry.
    if output == "dict":
        return ConfidenceDict(scored, None if attached else scoring, question=question, policy=policy)
    if attached and not question:
        return scored
    return ConfidenceBinding(
        bound=scored, handler=ConfidenceCallbackHandler(scoring=None if attached else scoring, question=question)
    )


def _scored(
    runnable: Runnable[Any, Any], model: BaseChatModel | None, scoring: Scoring, *, alone: bool
) -> tuple[Runnable[Any, Any], bool]:
    """A copy of the Runnable whose model scores its own answers, and True; where that cannot be, itself and False."""
    native = isinstance(model, ChatThermolang) and _same_weights(model.local, scoring.estimator)
    if model is None or not (native or alone):
        return runnable, False
    if native:
        scoring_model = model.model_copy(update={"scoring": scoring})
    else:
        handler = ConfidenceCallbackHandler(scoring=scoring)
        both = merge_configs({"callbacks": model.callbacks}, {"callbacks": [handler]})
        scoring_model = model.model_copy(update={"callbacks": both["callbacks"]})
    changed = replaced(runnable, model, scoring_model)
    return changed, changed is not runnable


def _same_weights(local: LocalModel, estimator: ConfidenceEstimator) -> bool:
    return isinstance(estimator.model, LocalModel) and estimator.model.model is local.model


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

    def __init__(
        self, bound: Runnable[Any, Any], scoring: Scoring | None, *, question: str | None, policy: Policy | None
    ) -> None:
        self.bound, self._scoring, self._question, self._policy = bound, scoring, question, policy

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002
        """Call the bound Runnable; ``confidence`` is a ``Confidence`` whose value may be None."""
        ((handler, own),) = self._configs(config, 1)
        return self._with_output(self.bound.invoke(input, own, **kwargs), handler)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: A002
        """As ``invoke``."""
        ((handler, own),) = self._configs(config, 1)
        return self._with_output(await self.bound.ainvoke(input, own, **kwargs), handler)

    def batch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call the bound Runnable's ``batch``."""
        pairs = self._configs(config, len(inputs))
        found = self.bound.batch(inputs, [own for _, own in pairs], return_exceptions=return_exceptions, **kwargs)
        return [self._unless_error(result, handler) for result, (handler, _) in zip(found, pairs, strict=True)]

    async def abatch(
        self,
        inputs: list[Any],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Any]:
        """Call the bound Runnable's ``abatch``."""
        pairs = self._configs(config, len(inputs))
        called = self.bound.abatch(inputs, [own for _, own in pairs], return_exceptions=return_exceptions, **kwargs)
        return [self._unless_error(result, handler) for result, (handler, _) in zip(await called, pairs, strict=True)]

    def _with_output(self, result: Any, handler: ConfidenceCallbackHandler) -> dict[str, Any]:
        missing = (Confidence.missing(NOT_CALLED), "")
        # Of several scored answers the last one is the chain's.
        confidence, question = next(reversed(handler.records.values()), missing)
        found = {"output": result, "confidence": confidence, "question": question}
        if self._policy is None:
            return found
        return found | {"decision": decision_record(self._policy.decide(confidence), None)}

    def _unless_error(self, result: Any, handler: ConfidenceCallbackHandler) -> Any:
        return result if isinstance(result, Exception) else self._with_output(result, handler)

    def _configs(
        self, config: RunnableConfig | list[RunnableConfig] | None, count: int
    ) -> list[tuple[ConfidenceCallbackHandler, RunnableConfig]]:
        """A handler of its own for each call, so that no two are mixed up."""
        handlers = [ConfidenceCallbackHandler(scoring=self._scoring, question=self._question) for _ in range(count)]
        configs = get_config_list(config, count)
        return [(h, merge_configs(c, {"callbacks": [h]})) for h, c in zip(handlers, configs, strict=True)]


def _only(models: list[BaseChatModel]) -> BaseChatModel | None:
    return models[0] if len(models) == 1 else None


def _model_in(runnable: Runnable[Any, Any], of: BaseChatModel | None) -> BaseChatModel:
    models = chat_models(runnable)
    if of is not None:
        if not any(model is of for model in models):
            msg = f"of= is no chat model inside the chain, which holds {[type(m).__name__ for m in models] or 'none'}"
            raise ModelError(msg)
        return of
    if len(models) != 1:
        names = [type(m).__name__ for m in models] or "none"
        wanted = "exactly one chat model is expected inside the chain"
        hint = "estimator=ConfidenceEstimator(...)" + (", or of= the one to score" if models else "")
        msg = f"{wanted}, found {names}: give {hint}"
        raise ModelError(msg)
    return models[0]


def _estimator_of(model: BaseChatModel | None) -> ConfidenceEstimator:
    if isinstance(model, ChatThermolang):
        return ConfidenceEstimator(model.local)
    if isinstance(model, ChatHuggingFace):
        return ConfidenceEstimator(local_model(model))
    msg = (
        f"{type(model).__name__} gives no hidden states: use ChatThermolang, a local ChatHuggingFace over a "
        "HuggingFacePipeline, or give estimator=ConfidenceEstimator(...)"
    )
    raise ModelError(msg)
