"""The one place that knows where LangChain keeps question, answer, metadata and the local model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableSerializable
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline

from thermolang.errors import ModelError, StoreError, ThermolangError
from thermolang.estimator import ConfidenceEstimator
from thermolang.models.local import LocalModel
from thermolang.models.rotations import check_rotations
from thermolang.routing.policy import Policy
from thermolang.sampling import check_annotate
from thermolang.storage import digest
from thermolang.types import Confidence, Decision, Generation, Message, Mode, Reason

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore

logger = logging.getLogger(__name__)

MessageT = TypeVar("MessageT", bound=BaseMessage)

KEY = "thermolang"
"""The key of ``response_metadata`` under which everything of ours lies."""

UNSCORED = Reason("not_scored", "the message carries no confidence: wrap its model in with_confidence")

_TEXT_BLOCKS = {"text", "text-plain", "tool_call", "tool_use", "tool_call_chunk", "invalid_tool_call", "reasoning"}
# Settings of a pipeline that change which tokens are chosen and that ChatThermolang does not have.
_SHAPING = ("top_k", "min_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size", "num_beams")
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}

CALLS_TOOLS = Reason("calls_tools", "the message calls tools; the answer that follows is what has a confidence")


def to_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain's messages as chat templates take them; of content blocks only the text."""
    return [_message(m) for m in messages]


def _message(message: BaseMessage) -> Message:
    kind = message.type.removesuffix("MessageChunk").lower()  # a stream that was added up
    role = _ROLES.get(kind, getattr(message, "role", kind))
    found: Message = {"role": role, "content": str(message.text)}
    if isinstance(message, AIMessage) and message.tool_calls:
        found["tool_calls"] = [
            {"type": "function", "id": c["id"], "function": {"name": c["name"], "arguments": c["args"]}}
            for c in message.tool_calls
        ]
    return found


def text_only(messages: Sequence[BaseMessage]) -> None:
    """Refuse what a language model cannot read, rather than drop it.

    Raises:
        ModelError: A message holds an image, a sound or a file.
    """
    for message in messages:
        blocks = message.content if isinstance(message.content, list) else []
        kinds = {str(b.get("type")) for b in blocks if isinstance(b, dict)} - _TEXT_BLOCKS
        if kinds:
            msg = f"a message holds {', '.join(sorted(kinds))}, but this model reads text only: leave them out"
            raise ModelError(msg)


def question_of(messages: Sequence[Message]) -> str:
    """The last thing the user said."""
    return next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")


def attach(message: BaseMessage, confidence: Confidence, *, question: str, model: str) -> None:
    """Write a confidence on a message, as plain JSON."""
    message.response_metadata[KEY] = {**confidence.to_dict(), "question": question, "model": model}


def set_question(message: BaseMessage, question: str, *, context: str) -> None:
    """Record the question alone, where the message to the model holds a context as well."""
    payload = message.response_metadata[KEY]
    message.response_metadata[KEY] = {**payload, "question": question, "context": context}


def attach_decision(message: AIMessage, decision: Decision, item_id: str | None) -> AIMessage:
    """A copy of the message with the decision and the id of its item in the review store."""
    payload = {**message.response_metadata.get(KEY, {}), "decision": decision_record(decision, item_id)}
    return message.model_copy(update={"response_metadata": {**message.response_metadata, KEY: payload}})


def attach_review(message: MessageT, review: dict[str, str], **changes: str) -> MessageT:
    """A copy of the message that also says what a person made of it."""
    payload = {**message.response_metadata.get(KEY, {}), **changes, "review": review}
    return message.model_copy(update={"response_metadata": {**message.response_metadata, KEY: payload}})


def decision_record(decision: Decision, item_id: str | None) -> dict[str, Any]:
    """A decision as plain JSON, with its place in a store."""
    return {**decision.to_dict(), "item_id": item_id}


def read(message: BaseMessage) -> tuple[Confidence, dict[str, Any]]:
    """The confidence on a message and the whole payload; without one a confidence that says so."""
    found = message.response_metadata.get(KEY)
    payload = found if isinstance(found, dict) else {}
    if "value" not in payload:
        return Confidence.missing(UNSCORED), payload
    return Confidence.from_dict(payload), payload


def confidence_of(message: BaseMessage) -> Confidence:
    """The confidence that a message carries.

    Args:
        message: An answer of a model or chain in ``with_confidence``, also one that was stored and loaded again.

    Returns:
        The confidence; on a message that carries none, one without a value whose reason says so.
    """
    return read(message)[0]


def decided(payload: dict[str, Any]) -> Decision | None:
    """The decision that a payload holds already, without its place in a store."""
    found = payload.get("decision")
    return Decision.from_dict(found) if isinstance(found, dict) else None


def local_model(chat: ChatHuggingFace) -> LocalModel:
    """The model inside a ChatHuggingFace; nothing is loaded again.

    Raises:
        ModelError: It does not run in this process, or is no causal language model with a chat template.
    """
    llm = chat.llm
    if not isinstance(llm, HuggingFacePipeline):
        where = f"{type(llm).__name__} does not run in this process"
        msg = f"{where}, so its hidden states cannot be read; use a HuggingFacePipeline"
        raise ModelError(msg)
    if llm.pipeline.task != "text-generation":
        msg = f"the pipeline's task is {llm.pipeline.task!r}; only 'text-generation' models can be calibrated"
        raise ModelError(msg)
    return LocalModel(llm.pipeline.model, chat.tokenizer, name=llm.model_id or "")


def generation_defaults(chat: ChatHuggingFace) -> dict[str, Any]:
    """The default generation settings of a ChatHuggingFace, under the names that ChatThermolang uses."""
    pipe: Any = getattr(chat.llm, "pipeline", None)
    model: dict[str, Any] = pipe.model.generation_config.to_diff_dict()
    try:
        given = dict(pipe._prepare_generate_kwargs({}))
        config = given.pop("generation_config", None)
        given |= config.to_diff_dict() if config is not None else {}
    except (AttributeError, TypeError):  # another version of transformers; the method is private
        given = {}
    # The pipeline's own settings override those of the model.
    used = {k: v for k, v in (model | given).items() if v is not None}
    sampled = bool(used.get("do_sample"))
    # At 0 or 1 these settings do nothing.
    lost = {k: v for k, v in used.items() if k in _SHAPING and v not in (0, 1, 1.0)}
    if lost:
        logger.warning("ChatThermolang does not take over %s of the pipeline: answers may differ", lost)
    found = {"temperature": float(used.get("temperature", 1.0)) if sampled else 0.0}
    if sampled and "top_p" in used:
        found["top_p"] = float(used["top_p"])
    if "max_new_tokens" in used:
        found["max_tokens"] = int(used["max_new_tokens"])
    return found


def only_the_answer(text: str, messages: Sequence[Message], model: LocalModel) -> str:
    """Cut the prompt off a pipeline's output that still carries it (``return_full_text`` is its default)."""
    return text.removeprefix(model.render(messages)).strip()


def chat_models(runnable: Any) -> list[BaseChatModel]:
    """The distinct chat models inside a Runnable, outermost first."""
    # By identity: two models with equal settings are still two.
    found = {id(r): r for r in _inside(runnable) if isinstance(r, BaseChatModel)}
    return list(found.values())


def template_name(runnable: Any) -> str | None:
    """A name for the task of an unnamed chain: a hash of its first prompt template."""
    template = next((r for r in _inside(runnable) if isinstance(r, BasePromptTemplate)), None)
    if template is None:
        return None
    # Not the whole template: its partial variables may be functions, whose repr is another one in each process.
    said = getattr(template, "messages", None) or getattr(template, "template", None) or template
    return f"template-{digest(repr(said), 8)}"


def replaced(runnable: Any, old: Runnable[Any, Any], new: Runnable[Any, Any]) -> Any:
    """A copy of a Runnable with one of those inside replaced; itself if that one is not inside."""
    if runnable is old:
        return new
    if isinstance(runnable, dict):
        return {key: replaced(value, old, new) for key, value in runnable.items()}
    if isinstance(runnable, list | tuple):
        return type(runnable)(replaced(value, old, new) for value in runnable)
    if not isinstance(runnable, RunnableSerializable) or isinstance(runnable, BaseChatModel):
        return runnable
    parts = {name: getattr(runnable, name) for name in type(runnable).model_fields}
    changed = {name: replaced(part, old, new) for name, part in parts.items() if _holds(part, old)}
    return runnable.model_copy(update=changed) if changed else runnable


def _holds(part: Any, wanted: Runnable[Any, Any]) -> bool:
    return any(found is wanted for child in _children(part) for found in _inside(child))


def _inside(runnable: Any) -> Iterator[Any]:
    """A Runnable and everything it is made of."""
    yield runnable
    # Where LangChain's sequences, maps, bindings, fallbacks, branches and assignments keep their parts.
    for name in ("steps", "steps__", "bound", "runnable", "fallbacks", "branches", "default", "mapper"):
        part = getattr(runnable, name, None) if isinstance(runnable, Runnable) else None
        for child in _children(part):
            yield from _inside(child)


def _children(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return list(part.values())
    if isinstance(part, list | tuple):
        # A branch is a pair of condition and Runnable.
        return [child for p in part for child in (p if isinstance(p, tuple) else (p,))]
    return [] if part is None else [part]


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
        rotations: Over so many orders of the options their logits are averaged.

    Raises:
        InvalidInputError: ``annotate`` in a mode that samples no answers, or more ``rotations`` than choices.
    """

    estimator: ConfidenceEstimator
    task: str | None = None
    choices: tuple[str, ...] | None = None
    policy: Policy | None = None
    mode: Mode | None = None
    annotate: bool = False
    rotations: int = 1

    def __post_init__(self) -> None:
        check_rotations(self.rotations, self.choices)
        if self.annotate:
            check_annotate(self.mode or self.estimator.mode, choices=bool(self.choices))

    @property
    def key(self) -> str:
        """Everything that a confidence depends on, except for the conversation and the answer."""
        estimator = self.estimator
        how = (self.mode or estimator.mode, estimator.samples, self.annotate, self.rotations)
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
                rotations=self.rotations,
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
        reason = Reason("scoring_failed", f"scoring failed: {type(error).__name__}: {error}")
        return Confidence.missing(reason, task=self.task or "")

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
