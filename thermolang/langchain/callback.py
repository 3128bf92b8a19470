"""A callback that scores what a chat model answered and writes the confidence on the message."""

from __future__ import annotations

import logging
import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.tracers.context import register_configure_hook

from thermolang.errors import ThermolangError
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.chains import Path
from thermolang.langchain.messages import (
    CALLS_TOOLS,
    KEY,
    Scoring,
    question_of,
    read,
    set_question,
    text_only,
    to_messages,
)
from thermolang.models.local import LocalModel
from thermolang.storage import Lock
from thermolang.types import Confidence, Message, Reason

KEPT = 1000

RUN = "run_id"
"""The key of the payload that names the run whose answer was scored: another one's came out of a cache."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where one of the answers of a chain comes from.

    Attributes:
        path: Where it stands in the chain's output.
        scoring: How it is scored; None if the model does that itself.
        hidden: Whether the models are called by a function or graph: then several may answer, and the answer is the one
            that the output holds.
    """

    path: Path
    scoring: Scoring | None
    hidden: bool = False


@dataclass
class Run:
    """A model's answer while it grows.

    Attributes:
        messages: What was asked.
        place: Where the answer goes, if the handler looks at some of a chain's models only.
        unreadable: Why the model cannot have read what was asked.
        answerer: Class and name of the chat model, as far as callbacks are told.
        said: The pieces of a stream so far.
        payload: What the last piece carries.
    """

    messages: list[Message]
    place: Place | None = None
    unreadable: str = ""
    answerer: tuple[str, str] = ("", "")
    said: list[str] = field(default_factory=list)
    payload: dict[str, Any] | None = None


class ConfidenceCallbackHandler(BaseCallbackHandler):
    """Attaches ``response_metadata["thermolang"]`` to the answers of a local ChatHuggingFace.

    The answer is left as it is; the model reads it once more (mode ``rescore``). Works for ``invoke``, ``batch`` and
    streams, where the last chunk carries it, and for their async twins off the event loop. A message that has a
    confidence already, such as those of ``ChatThermolang``, keeps it. If scoring fails, ``value`` is None with the
    reason, and the error is logged. Answers that come out of an LLM cache are scored anew; but a cache in memory keeps
    the very message that this handler writes on, so use ``with_confidence`` where there is one.

    Args:
        estimator: Scores with the same weights that answered; None only notes what the messages carry.
        task: Name of the stream of questions.
        choices: The options, if answers are one of a few.
        question: Key of the chain's input, or of a step's inside, that holds the question alone, if the message to the
            model holds more, such as passages; the rest is shown as context.
        written_elsewhere: Whether other weights than the estimator's wrote the answers. By default that is told for
            each answer by class and name of the chat model: those of any other class than ``ChatThermolang`` and a
            local ``ChatHuggingFace`` were, and those of another name. Say False for a class of your own over the same
            weights.
        scoring: All of these but ``question`` at once.
        places: By tag of the chat models to look at, where their answers go; all models by default.

    ``handler.records[run_id]`` has confidence and question after
    ``chain.invoke(x, {"callbacks": [handler], "run_id": run_id})``, also for chains that end in a parser.
    """

    def __init__(
        self,
        estimator: ConfidenceEstimator | None = None,
        *,
        task: str | None = None,
        choices: Sequence[str] | None = None,
        question: str | None = None,
        written_elsewhere: bool | None = None,
        scoring: Scoring | None = None,
        places: Mapping[str, Place] | None = None,
    ) -> None:
        if estimator is not None:
            options = tuple(choices) if choices else None
            scoring = Scoring(estimator, task, options, written_elsewhere=written_elsewhere)
        self.scoring, self.question, self.places = scoring, question, places
        self._records: OrderedDict[UUID, tuple[Confidence, str]] = OrderedDict()
        # Outermost run and message; read when ``records`` is asked for, as other handlers may still write on it.
        self._late: deque[tuple[UUID, BaseMessage]] = deque(maxlen=KEPT)
        self._lock = Lock()
        self._runs: dict[UUID, Run] = {}
        # From a run to the run that called it.
        self._parents: dict[UUID, UUID] = {}
        # From a chain's run to the question in its input.
        self._asked: dict[UUID, str] = {}
        self._open: set[UUID] = set()  # chains that have started and not ended

    @property
    def records(self) -> OrderedDict[UUID, tuple[Confidence, str]]:
        """The last confidences and questions, by the run id of the outermost chain."""
        with self._lock:
            while self._late:  # what other handlers, which came after this one, wrote on the messages
                root, message = self._late.popleft()
                confidence, payload = read(message)
                if payload:  # another model of the chain may not be scored
                    self._keep(root, confidence, payload.get("question", ""))
            return self._records

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Remember who called whom, so that a record is found under the outermost run, and what was asked."""
        asked = inputs.get(self.question) if self.question and isinstance(inputs, dict) else None
        with self._lock:
            self._open.add(run_id)
            if parent_run_id is not None:
                self._parents[run_id] = parent_run_id
            if isinstance(asked, str):  # for this run and its sibling steps, one of which calls the model
                self._asked[run_id] = asked
                if parent_run_id is not None and parent_run_id in self._open:  # else its entry would never be removed
                    self._asked[parent_run_id] = asked

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a finished run."""
        with self._lock:
            self._open.discard(run_id)
            self._parents.pop(run_id, None)
            self._asked.pop(run_id, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a failed run."""
        self.on_chain_end(None, run_id=run_id)

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember the conversation."""
        place = next((self.places[tag] for tag in tags or () if tag in self.places), None) if self.places else None
        if self.places is not None and place is None:
            return  # a helper step, or a model that another wrapper looks at
        run = Run(to_messages(messages[0]), place, answerer=_answerer(serialized or {}, metadata or {}))
        try:
            # A callback must not break the chain: the error becomes the reason of a missing confidence.
            text_only(messages[0])
        except ThermolangError as error:
            run.unreadable = str(error)
        with self._lock:
            self._runs[run_id] = run
            if parent_run_id is not None:
                self._parents[run_id] = parent_run_id

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **kwargs: Any) -> None:
        """Note a piece of a stream; the last one gets the confidence before it is handed out."""
        run = self._runs.get(run_id)
        message = chunk.message if isinstance(chunk, ChatGenerationChunk) else None
        if run is None or not isinstance(message, AIMessageChunk):
            return
        run.said.append(str(message.text))
        if message.chunk_position == "last":
            # The last chunk may hold only the end of the text.
            self._attach(run_id, run, message, "".join(run.said))
            run.payload = message.response_metadata.get(KEY)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the conversation."""
        self._forget(run_id)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Score the answer, write the confidence on its message and keep it under the outermost run."""
        run = self._runs.get(run_id)
        try:
            for generation in response.generations[0] if run else ():
                if isinstance(generation, ChatGeneration):
                    if run and run.payload:  # core merged the stream without the chunk that it added itself
                        generation.message.response_metadata[KEY] = run.payload
                    self._attach(run_id, run, generation.message, str(generation.message.text))  # type: ignore[arg-type]
            # Of several answers LangChain gives out the first.
            if run and response.generations[0] and isinstance(response.generations[0][0], ChatGeneration):
                self._record(run_id, run, response.generations[0][0].message)
        finally:
            self._forget(run_id)

    def _attach(self, run_id: UUID, run: Run, message: BaseMessage, answer: str) -> None:
        scoring = run.place.scoring if run.place else self.scoring
        before = message.response_metadata.get(KEY)
        if scoring is not None and (before is None or before.get(RUN, str(run_id)) != str(run_id)):
            # A cache may hold the old dict.
            message.response_metadata = {k: v for k, v in message.response_metadata.items() if k != KEY}
            scoring.write(message, self.scored(scoring, run, message, answer), run.messages)
            message.response_metadata[KEY][RUN] = str(run_id)
        asked = self._question_of(run_id)
        if self.question and not asked:
            logger.warning("question=%r is no key of the chain's input or of a step's with a text in it", self.question)
        if asked and KEY in message.response_metadata:
            set_question(message, asked, context=question_of(run.messages))

    def scored(self, scoring: Scoring, run: Run, message: BaseMessage, answer: str) -> Confidence:
        """The confidence of a model's finished answer."""
        if run.unreadable or getattr(message, "tool_calls", None):
            reason = Reason("model_error", run.unreadable) if run.unreadable else CALLS_TOOLS
            return Confidence.missing(reason, task=scoring.task or "")
        if scoring.written_elsewhere is None:
            scoring = replace(scoring, written_elsewhere=_is_foreign(scoring, run, message))
        return scoring.rescored(run.messages, answer)

    def _question_of(self, run_id: UUID) -> str:
        """What the nearest chain above a run was asked."""
        with self._lock:
            while run_id not in self._asked and run_id in self._parents:
                run_id = self._parents[run_id]
            return self._asked.get(run_id, "")

    def _forget(self, run_id: UUID) -> None:
        with self._lock:
            self._parents.pop(run_id, None)
            self._runs.pop(run_id, None)

    def _record(self, run_id: UUID, run: Run, message: BaseMessage) -> None:
        """Keep an answer under the outermost run."""
        with self._lock:
            while run_id in self._parents:
                run_id = self._parents[run_id]
            # run_id is the outermost run by now.
            self._late.append((run_id, message))

    def _keep(self, root: UUID, confidence: Confidence, question: str) -> None:
        self._records[root] = (confidence, question)
        while len(self._records) > KEPT:
            self._records.popitem(last=False)


def _answerer(serialized: Mapping[str, Any], metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Class and name of the chat model that answers; of a ChatHuggingFace whose model runs elsewhere no class."""
    kind, shown = str((serialized.get("id") or [""])[-1]), str(serialized.get("repr", ""))
    if kind != "ChatHuggingFace":
        return kind, str(metadata.get("ls_model_name") or "")
    # It tells callbacks its model's name in its repr alone.
    named = re.search(r"model_id='([^']*)'", shown)
    return kind if "HuggingFacePipeline(" in shown else "", named[1] if named else ""


def _is_foreign(scoring: Scoring, run: Run, message: BaseMessage) -> bool:
    """Whether other weights than the estimator's wrote an answer, as far as class and name tell."""
    model = scoring.estimator.model
    kind, name = run.answerer
    name = str(message.response_metadata.get("model_name") or name)
    if not isinstance(model, LocalModel) or (kind in ("ChatThermolang", "ChatHuggingFace") and scoring.bears(name)):
        return False
    told = (
        "an answer of %s is scored as a text that was written elsewhere, as the estimator reads %r; if these are the "
    )
    logger.warning(told + "same weights, say written_elsewhere=False", name or kind or "another model", model.name)
    return True


_handler: ContextVar[ConfidenceCallbackHandler | None] = ContextVar("thermolang_confidence_callback", default=None)
register_configure_hook(_handler, inheritable=True)  # once: LangChain keeps a list of all that were ever registered


@contextmanager
def get_confidence_callback(
    estimator: ConfidenceEstimator,
    *,
    task: str | None = None,
    choices: Sequence[str] | None = None,
    written_elsewhere: bool | None = None,
) -> Iterator[ConfidenceCallbackHandler]:
    """Score everything that chat models answer inside a ``with`` block.

    Args:
        estimator: Scores with the same weights that answered.
        task: Name of the stream of questions.
        choices: The options, if answers are one of a few.
        written_elsewhere: As for ``ConfidenceCallbackHandler``.

    Yields:
        The handler, whose ``records`` hold the confidences.

    Example:
        >>> with get_confidence_callback(estimator) as confidences:  # doctest: +SKIP
        ...     chain.invoke({"question": "What is the capital of France?"})
        >>> [confidence.value for confidence, _ in confidences.records.values()]  # doctest: +SKIP
    """
    handler = ConfidenceCallbackHandler(estimator, task=task, choices=choices, written_elsewhere=written_elsewhere)
    token = _handler.set(handler)
    try:
        yield handler
    finally:
        _handler.reset(token)
