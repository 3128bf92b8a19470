"""``with_confidence`` attaches a calibrated confidence to the answers of a chat model or chain."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload

from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import merge_configs
from langchain_huggingface import ChatHuggingFace

from thermolang.errors import InvalidInputError, ModelError
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.caching import AnswerCache
from thermolang.langchain.callback import ConfidenceCallbackHandler, Place
from thermolang.langchain.chains import Answer, Step, Survey, changed, survey, template_name
from thermolang.langchain.chat_model import ChatThermolang
from thermolang.langchain.messages import Scoring, local_model, weights_of
from thermolang.langchain.results import ConfidenceBinding, ConfidenceDict, no_chat_model
from thermolang.routing.policy import Policy
from thermolang.types import Mode


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
    written_elsewhere: bool | None = ...,
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
    answer: str | None = ...,
    threshold: float | Policy | None = ...,
    mode: Mode | None = ...,
    annotate: bool = ...,
    written_elsewhere: bool | None = ...,
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
    answer: str | None = None,
    threshold: float | Policy | None = None,
    mode: Mode | None = None,
    annotate: bool = False,
    written_elsewhere: bool | None = None,
    of: BaseChatModel | None = None,
    output: Literal["attach", "dict"] = "attach",
) -> Runnable[Any, Any]:
    """Attach a calibrated confidence to every answer of a chat model or chain.

    A ``ChatThermolang`` scores its own answers as it gives them (mode ``native``). Of any other local model the answers
    are read once more by a callback (mode ``rescore``).

    In a chain the answer that leaves it is scored: of ``rewrite | answer`` the second. Answers that a later model reads
    are helper steps and are not scored. Where several answers leave the chain, as of ``RunnableParallel``, each is, and
    the values of ``output="dict"`` are dicts with the keys of the output. Models inside functions and compiled graphs
    are found where the function refers to them; their answers are read once more.

    Args:
        runnable: A ``ChatThermolang``, a ``ChatHuggingFace`` over a ``HuggingFacePipeline``, or a chain with one.
        task: Name of the stream of questions; by default a hash of the prompt template before the model.
        estimator: Made from the model inside by default; one estimator may serve many chains.
        choices: The options, if answers are one of a few.
        rotations: Average the options' logits over so many orders of the options, at the cost of a forward pass over as
            many prompts. The prompt then holds a line ``A. text`` for each of ``choices``. The answer stays what the
            model said, even if the average prefers another one; ``ConfidenceEstimator.choose`` answers by the average.
        question: Key of the chain's input, or of a step's inside, that holds the question alone, if the message to the
            model holds more, such as passages; the rest is shown as context.
        answer: Key of the chain's output under which the answer stands, where the output is a dict, as retrieval chains
            give. Needed only to choose among several, or for a dict that a function makes.
        threshold: Confidence from which an answer is accepted, or a policy; then ``decision`` says which it is.
        mode: How free-form answers are scored: ``"fast"``, one pass more; ``"thorough"``, eight sampled answers grouped
            by meaning; ``"adaptive"``, samples only until it is clear on which side of ``threshold`` an answer is. The
            estimator's own by default, which is ``"fast"``.
        annotate: Also tell in ``sentences`` which share of the sampled answers supports each sentence of an answer
            (experimental; that share is NOT a calibrated probability). Needs mode ``"thorough"``, or ``"adaptive"``,
            which tells it only of answers for which it sampled.
        written_elsewhere: Whether other weights than the estimator's write the answers, so that they are scored as
            ``ConfidenceEstimator.score(..., written_elsewhere=True)`` does. By default the weights are compared. Say
            False for a chat model of your own class over the estimator's weights.
        of: The one of several models inside whose answers are scored, even if it is a helper step.
        output: ``"attach"`` writes ``response_metadata["thermolang"]`` on the model's message and changes nothing else.
            ``"dict"`` returns ``{"output", "confidence", "question"}``, for chains that end in a parser, and
            ``"decision"`` with a ``threshold``. Where they say more there are also ``"context"``, what the model was
            told beside the question; ``"answer"``, the model's own text of an output that is no text; and
            ``"answer_path"``, the keys below which the output holds the answer. Its stream has one piece, the whole
            dict.

    Returns:
        A chat model for a chat model, else a Runnable with the same input and output.

    Raises:
        ModelError: No answer of a local chat model leaves the chain, or it cannot be told which.
        InvalidInputError: ``output`` is neither of the two, ``question`` or ``answer`` is given for a chat model,
            ``annotate`` where no answers are sampled (in mode ``"fast"``, or with ``choices``), or more ``rotations``
            than ``choices``.
    """
    if output not in ("attach", "dict"):
        msg = f"output is 'attach' or 'dict', not {output!r}"
        raise InvalidInputError(msg)
    if mode not in (None, "fast", "thorough", "adaptive"):
        msg = f"mode is 'fast', 'thorough' or 'adaptive', not {mode!r}"
        raise InvalidInputError(msg)
    for option, key, side in (("question", question, "input"), ("answer", answer, "output")):
        if key and isinstance(runnable, BaseChatModel):
            msg = f"{option}={key!r} names a key of a chain's {side}, but a chat model has messages there: leave it out"
            raise InvalidInputError(msg)
    policy = threshold if isinstance(threshold, Policy) or threshold is None else Policy(threshold=threshold)
    options = tuple(choices) if choices else None
    how = How(runnable, estimator, task, options, policy, mode, annotate, rotations, written_elsewhere)
    if isinstance(runnable, BaseChatModel) and output == "attach":
        return _alone(runnable, how.scoring(Step((), runnable, (runnable,))))
    answers = _wanted(survey(runnable), runnable, of, answer, how, apart=output == "dict")
    places: dict[str, Place] = {}
    bound = _placed(runnable, answers, how, places)
    if output == "dict":
        return ConfidenceDict(bound, places, question=question, policy=policy)
    # A model that scores its own answers needs a handler only to collect what its messages carry.
    if not question and all(place.scoring is None for place in places.values()):
        return bound
    return ConfidenceBinding(bound=bound, handler=ConfidenceCallbackHandler(question=question, places=places))


@dataclass(frozen=True)
class How:
    """What ``with_confidence`` was told about scoring; the arguments of the same names."""

    chain: Runnable[Any, Any]
    estimator: ConfidenceEstimator | None
    task: str | None
    choices: tuple[str, ...] | None
    policy: Policy | None
    mode: Mode | None
    annotate: bool
    rotations: int
    written_elsewhere: bool | None
    made: dict[int, ConfidenceEstimator] = field(default_factory=dict)
    """Estimators of the models inside, by their weights."""

    def scoring(self, step: Step) -> Scoring:
        """How the answers of one step are scored."""
        estimator = self.estimator or self._made(step.models[0])
        task = self.task or template_name(step.template) or template_name(self.chain)
        scoring = Scoring(estimator, task, self.choices, self.policy, self.mode, self.annotate, self.rotations)
        elsewhere = self.written_elsewhere
        if elsewhere is None and step.models:
            known = {scoring.knows(model) for model in step.models}
            elsewhere = None if len(known) > 1 else not known.pop()
        return replace(scoring, written_elsewhere=elsewhere)

    def _made(self, model: BaseChatModel) -> ConfidenceEstimator:
        weights = id(weights_of(model))
        if weights not in self.made:
            self.made[weights] = _estimator_for(model)
        return self.made[weights]


def _wanted(
    found: Survey, chain: Runnable[Any, Any], of: BaseChatModel | None, key: str | None, how: How, *, apart: bool
) -> list[Answer]:
    """The answers to score, from all that was found in a chain; ``apart`` if each must have a place of its own."""
    answers = found.answers(key)
    if of is not None:
        answers = _of(found, answers, of)
    if not answers and not found.steps and how.estimator is not None:
        # Nothing is known of the chain, but that it answers with the estimator's model.
        answers = [Answer((key,) if key else (), (Step((), chain, ()),))]
    if not answers:
        raise ModelError(_nothing(found, key))
    for answer in answers:
        for step in answer.steps:
            _check(step, how)
    mixed = next((answer.mixed for answer in answers if answer.mixed), "")
    if apart and mixed == "listed":
        msg = (
            "the chain returns a list of answers: put .map() behind with_confidence: with_confidence(chain, ...).map()"
        )
        raise ModelError(msg)
    if apart and mixed:
        msg = (
            "a later step merges the answers of several models, so no confidence can be told for what comes out: put "
            "with_confidence around each branch, or name one model with of="
        )
        raise ModelError(msg)
    return answers


def _of(found: Survey, answers: list[Answer], of: BaseChatModel) -> list[Answer]:
    """The answers of one model; of a helper step's model its own, wherever they go."""
    steps = [step for step in found.steps if any(model is of for model in step.models)]
    if not steps:
        names = [type(model).__name__ for step in found.steps for model in step.models] or "none"
        msg = f"of= is no chat model inside the chain, which holds {names}"
        raise ModelError(msg)
    leaving = [
        replace(answer, steps=kept) for answer in answers if (kept := tuple(s for s in answer.steps if s in steps))
    ]
    # Of one model's answers none is mixed with another's.
    leaving = [replace(answer, mixed="") if len(answer.steps) == 1 else answer for answer in leaving]
    return leaving or [Answer((), tuple(steps))]


def _nothing(found: Survey, key: str | None) -> str:
    """Why no answer was found."""
    if not found.steps:
        cure = "put with_confidence around the chat model inside, or give estimator=ConfidenceEstimator(...)"
        return f"no chat model was found in the chain: {cure}"
    if key is not None:
        keys = sorted({answer.path[0] for answer in found.answers() if answer.path}) or "none"
        return f"no model answers under answer={key!r} of the chain's output; keys that hold an answer: {keys}"
    cure = "put with_confidence around the chat model that is meant, or name it with of="
    return f"no answer of a chat model leaves the chain, as later steps make something else of them: {cure}"


def _check(step: Step, how: How) -> None:
    """Refuse a step whose answers nobody could score.

    Raises:
        ModelError: With what to do.
    """
    name = type(step.part).__name__
    if isinstance(step.part, BaseLLM):
        raise ModelError(no_chat_model(name))
    if how.estimator is not None or not step.hidden:
        return
    if not step.models:
        msg = f"the chat model inside a {name} was not found: put with_confidence around the chat model inside"
        raise ModelError(msg)
    if len({id(weights_of(model)) for model in step.models}) > 1:
        names = [type(model).__name__ for model in step.models]
        msg = (
            f"a {name} calls several chat models, {names}: put with_confidence around the one inside whose answers are "
            "meant, or give estimator=ConfidenceEstimator(...)"
        )
        raise ModelError(msg)


def _placed(chain: Runnable[Any, Any], answers: list[Answer], how: How, places: dict[str, Place]) -> Runnable[Any, Any]:
    """A copy of the chain in which the models that answer bear tags; ``places`` gets where the answers of each go."""
    token, bound = uuid.uuid4().hex[:8], chain
    for answer in answers:
        for step in answer.steps:
            scoring, tag = how.scoring(step), f"thermolang:{token}:{len(places)}"
            native = _scores_itself(step.part, scoring)
            bound = changed(bound, step.way, _tagged(step.part, scoring, tag, native=native))
            places[tag] = Place(answer.path, None if native else scoring, step.hidden)
    return bound


def _tagged(part: Runnable[Any, Any], scoring: Scoring, tag: str, *, native: bool) -> Runnable[Any, Any]:
    """A copy of a model that callbacks know by its tag; of a function, one whose models bear it."""
    if not isinstance(part, BaseChatModel):
        return part.with_config(tags=[tag])
    update: dict[str, Any] = {"scoring": scoring} if native else {}
    update |= {"tags": [*(part.tags or []), tag], **_cached(part, scoring, native=native)}
    return part.model_copy(update=update)


def _alone(model: BaseChatModel, scoring: Scoring) -> BaseChatModel:
    """A copy of a chat model whose answers are scored wherever it is used."""
    native = _scores_itself(model, scoring)
    handler = ConfidenceCallbackHandler(scoring=scoring)
    both = merge_configs({"callbacks": model.callbacks}, {"callbacks": [handler]})
    update: dict[str, Any] = {"scoring": scoring} if native else {"callbacks": both["callbacks"]}
    return model.model_copy(update=update | _cached(model, scoring, native=native))


def _cached(model: BaseChatModel, scoring: Scoring, *, native: bool) -> dict[str, Any]:
    """The ``cache`` of a copy of a model: one that refuses any goes on to do so."""
    # A model that scores its own answers puts what they depend on into its key. So it needs no more for a cache that is
    # set later, and is not slowed down by one that never is: LangChain writes each conversation as JSON to look it up.
    if model.cache is False or (native and model.cache is None and get_llm_cache() is None):
        return {}
    return {"cache": AnswerCache(model.cache, scoring, native=native)}


def _scores_itself(part: Any, scoring: Scoring) -> bool:
    """Whether a model scores its own answers, without a second pass over the conversation."""
    native = isinstance(part, ChatThermolang) and weights_of(part) is getattr(scoring.estimator.model, "model", None)
    return native and not scoring.written_elsewhere


def _estimator_for(model: BaseChatModel) -> ConfidenceEstimator:
    if isinstance(model, ChatThermolang):
        return ConfidenceEstimator(model.local)
    if isinstance(model, ChatHuggingFace):
        return ConfidenceEstimator(local_model(model))
    msg = (
        f"{type(model).__name__} gives no hidden states: use ChatThermolang, a local ChatHuggingFace over a "
        "HuggingFacePipeline, or give estimator=ConfidenceEstimator(...), or of= the one to score"
    )
    raise ModelError(msg)
