"""The one place that knows where LangChain keeps question, answer, metadata and the local model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline

from thermolang.errors import ModelError, StoreError, ThermolangError
from thermolang.estimator import ConfidenceEstimator
from thermolang.fields import StructuredAnswer, score_structured
from thermolang.langchain.telemetry import report_confidence, report_decision
from thermolang.models.loading import canonical_name
from thermolang.models.local import LocalModel
from thermolang.models.rotations import check_rotations
from thermolang.routing.policy import Policy
from thermolang.sampling import check_annotate
from thermolang.types import Confidence, Decision, Generation, Message, Mode, Reason

if TYPE_CHECKING:
    from thermolang.review.client import ReviewClient
    from thermolang.review.store import ReviewStore

logger = logging.getLogger(__name__)

MessageT = TypeVar("MessageT", bound=BaseMessage)

KEY = "thermolang"
"""The key of ``response_metadata`` under which everything of ours lies."""

UNSCORED = Reason("not_scored", "the message carries no confidence: wrap its model in with_confidence")

# Blocks of a message's content, in the words of several providers: what says something, and what needs no reading.
_SAYING = {"text", "text-plain", "input_text", "output_text", "refusal"}
_THOUGHTS = {"thinking", "redacted_thinking", "reasoning", "reasoning_content"}
_CALLS = {"tool_call", "tool_use", "tool_call_chunk", "invalid_tool_call", "function_call"}
# Settings of a pipeline that change which tokens are chosen and that ChatThermolang does not have.
_SHAPING = ("top_k", "min_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size", "num_beams")
_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}

CALLS_TOOLS = Reason(
    "calls_tools",
    "the message calls tools, and a call has no confidence: an answer in words has one, and with_structured_output "
    "gives one to each field",
)


def to_messages(messages: Sequence[BaseMessage]) -> list[Message]:
    """LangChain's messages as chat templates take them; of content blocks only the text, without thoughts."""
    called = {call["id"]: call["name"] for m in messages if isinstance(m, AIMessage) for call in m.tool_calls}
    return [_message(m, called) for m in messages]


def _message(message: BaseMessage, called: Mapping[str | None, str]) -> Message:
    kind = message.type.removesuffix("MessageChunk").lower()  # a stream that was added up
    role = _ROLES.get(kind, getattr(message, "role", kind))
    found: Message = {"role": role, "content": text_of(message)}
    if isinstance(message, AIMessage) and message.tool_calls:
        found["tool_calls"] = [
            {"type": "function", "id": c["id"], "function": {"name": c["name"], "arguments": c["args"]}}
            for c in message.tool_calls
        ]
    if isinstance(message, ToolMessage):
        found["tool_call_id"] = message.tool_call_id
        if name := message.name or called.get(message.tool_call_id):
            found["name"] = name
    return found


def text_of(message: BaseMessage) -> str:
    """What a message says, whichever provider's blocks it is made of."""
    content = message.content
    if isinstance(content, str):
        return str(content)
    return "".join(block if isinstance(block, str) else _said(block) for block in content)


def _said(block: Mapping[str, Any]) -> str:
    readable = block.get("type", "text") in _SAYING
    return str(block.get("text") or block.get("refusal") or "") if readable else ""


def unread(messages: Sequence[BaseMessage]) -> str:
    """A sentence about the images, sounds and files in messages, which a language model cannot read; empty if none."""
    blocks = [b for m in messages if isinstance(m.content, list) for b in m.content if isinstance(b, dict)]
    types = {str(b.get("type", "text" if "text" in b else "a block without a type")) for b in blocks}
    kinds = sorted(types - _SAYING - _THOUGHTS - _CALLS)
    return f"a message holds {', '.join(kinds)}, but this model reads text only: leave them out" if kinds else ""


def text_only(messages: Sequence[BaseMessage]) -> None:
    """Refuse what a language model cannot read, rather than drop it.

    Raises:
        ModelError: A message holds an image, a sound or a file.
    """
    if told := unread(messages):
        raise ModelError(told)


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


def weights_of(chat: Any) -> Any:
    """The weights that a chat model answers with, where they are in this process; else None."""
    if isinstance(getattr(chat, "local", None), LocalModel):
        return chat.local.model
    return getattr(getattr(getattr(chat, "llm", None), "pipeline", None), "model", None)


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
        written_elsewhere: Whether other weights than the estimator's wrote the answers; None where only the answer's
            message can tell.

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
    written_elsewhere: bool | None = False

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
        return repr((self.task, self.choices, self.policy, how, calibrator, self.written_elsewhere))

    def knows(self, chat: Any) -> bool:
        """Whether a chat model answers with the weights that the estimator reads.

        An estimator over something else than a ``LocalModel`` has none that could be compared; it is trusted.
        """
        model = self.estimator.model
        return not isinstance(model, LocalModel) or weights_of(chat) is model.model

    def bears(self, name: str) -> bool:
        """Whether a name of a model may be that of the estimator's; an unknown one may."""
        model = self.estimator.model
        if not isinstance(model, LocalModel) or not (name and model.name):
            return True
        return canonical_name(name) == canonical_name(model.name)

    def confidences(self, items: Sequence[tuple[Sequence[Message], Generation | str]]) -> list[Confidence]:
        """Score (conversation, answer) pairs; an error is logged and becomes a reason, never the caller's."""
        try:
            threshold = self.policy.for_task(self.task or "").threshold if self.policy else None
            return self.estimator.score_many(
                items,
                task=self.task,
                choices=self.choices,
                mode=self.mode,
                threshold=threshold,
                annotate=self.annotate and not self.written_elsewhere,  # there are no samples then
                rotations=self.rotations,
                written_elsewhere=bool(self.written_elsewhere),
            )
        except Exception as error:  # whatever it is, it must not cost the user the answer
            logger.exception("answers could not be scored")
            return [self.failed(error)] * len(items)

    def structured(self, answers: Sequence[StructuredAnswer]) -> list[Confidence]:
        """Score answers of a given form and each of their fields; errors are treated as in ``confidences``."""
        try:
            return score_structured(self.estimator, answers, self.task)
        except Exception as error:  # whatever it is, it must not cost the user the answer
            logger.exception("structured answers could not be scored")
            return [self.failed(error)] * len(answers)

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

    def write(self, message: BaseMessage, confidence: Confidence, messages: Sequence[Message], run: Any = None) -> None:
        """Attach a confidence to a message, and the decision about it if there is a policy; tell the user's tracers.

        Args:
            message: The answer.
            confidence: Of the answer.
            messages: What was asked.
            run: The callback manager of the run that answered, where it is known.
        """
        attach(message, confidence, question=question_of(messages), model=self.estimator.model.name)
        report_confidence(confidence, run)
        if self.policy is not None and isinstance(message, AIMessage):
            decision = self.policy.decide(confidence)
            message.response_metadata = attach_decision(message, decision, None).response_metadata
            report_decision(decision, run)


def submitted(
    store: ReviewStore | ReviewClient,
    decision: Decision,
    confidence: Confidence,
    answer: str,
    payload: Mapping[str, Any],
) -> tuple[Decision, str | None]:
    """Put a doubtful answer into the store; returns the decision and the item's id.

    If the store is down the id is None and the decision says so: the answer must not be lost for that.
    """
    question, told = _told(payload)
    try:
        return decision, store.submit(question, answer, confidence=confidence, decision=decision, **told).id
    except StoreError as error:
        logger.error("a doubtful answer could not be stored: %s", error)
        return replace(decision, reason=f"{decision.reason}; not stored: {error}"), None


def audited(
    store: ReviewStore | ReviewClient,
    decision: Decision,
    confidence: Confidence,
    answer: str,
    payload: Mapping[str, Any],
) -> None:
    """Offer an accepted answer to the store's audit; a store that is down is logged, and the answer goes on."""
    question, told = _told(payload)
    try:
        store.submit_accepted(question, answer, confidence=confidence, decision=decision, **told)
    except StoreError as error:
        logger.error("an accepted answer could not be offered to the audit: %s", error)


def _told(payload: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The question, and what else an item says of where its answer comes from."""
    told = {key: str(payload.get(key, "")) for key in ("model", "context")}
    return str(payload.get("question", "")), told
