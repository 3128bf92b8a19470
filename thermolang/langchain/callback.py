"""A callback that scores what a chat model answered and writes the confidence on the message."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, LLMResult
from langchain_core.tracers.context import register_configure_hook

from thermolang.errors import ThermolangError
from thermolang.estimator import ConfidenceEstimator
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
from thermolang.storage import Lock
from thermolang.types import Confidence, Message, Reason

KEPT = 1000

logger = logging.getLogger(__name__)


@dataclass
class _Run:
    """A model's answer while it grows."""

    messages: list[Message]
    unreadable: str = ""
    said: list[str] = field(default_factory=list)
    payload: dict[str, Any] | None = None


class ConfidenceCallbackHandler(BaseCallbackHandler):
    """Attaches ``response_metadata["thermolang"]`` to the answers of a local ChatHuggingFace.

    The answer is left as it is; the model reads it once more (mode ``rescore``). Works for ``invoke``, ``batch`` and
    streams, where the last chunk carries it, and for their async twins off the event loop. A message that has a
    confidence already, such as those of ``ChatThermolang``, keeps it. If scoring fails, ``value`` is None with the
    reason, and the error is logged.

    Args:
        estimator: Scores with the same weights that answered; None only notes what the messages carry.
        task: Name of the stream of questions.
        choices: The options, if answers are one of a few.
        question: Key of the chain's input, or of a step's inside, that holds the question alone, if the message to the
            model holds more, such as passages; the rest is shown as context.
        scoring: All of these but ``question`` at once.

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
        scoring: Scoring | None = None,
    ) -> None:
        if estimator is not None:
            scoring = Scoring(estimator, task, tuple(choices) if choices else None)
        self.scoring, self.question = scoring, question
        self._records: OrderedDict[UUID, tuple[Confidence, str]] = OrderedDict()
        # Outermost run and message; read when ``records`` is asked for, as other handlers may still write on it.
        self._late: deque[tuple[UUID, BaseMessage]] = deque(maxlen=KEPT)
        self._lock = Lock()
        self._runs: dict[UUID, _Run] = {}
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
        **kwargs: Any,
    ) -> None:
        """Remember the conversation."""
        run = _Run(to_messages(messages[0]))
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
                    self._record(run_id, generation.message)
        finally:
            self._forget(run_id)

    def _attach(self, run_id: UUID, run: _Run, message: BaseMessage, answer: str) -> None:
        if KEY not in message.response_metadata and self.scoring is not None:
            self.scoring.write(message, self._score(self.scoring, run, message, answer), run.messages)
        asked = self._question_of(run_id)
        if self.question and not asked:
            logger.warning("question=%r is no key of the chain's input or of a step's with a text in it", self.question)
        if asked and KEY in message.response_metadata:
            set_question(message, asked, context=question_of(run.messages))

    def _score(self, scoring: Scoring, run: _Run, message: BaseMessage, answer: str) -> Confidence:
        if run.unreadable or getattr(message, "tool_calls", None):
            reason = Reason("model_error", run.unreadable) if run.unreadable else CALLS_TOOLS
            return Confidence.missing(reason, task=scoring.task or "")
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

    def _record(self, run_id: UUID, message: BaseMessage) -> None:
        with self._lock:
            while run_id in self._parents:
                run_id = self._parents[run_id]
            # run_id is the outermost run by now.
            self._late.append((run_id, message))

    def _keep(self, root: UUID, confidence: Confidence, question: str) -> None:
        self._records[root] = (confidence, question)
        while len(self._records) > KEPT:
            self._records.popitem(last=False)


_handler: ContextVar[ConfidenceCallbackHandler | None] = ContextVar("thermolang_confidence_callback", default=None)
register_configure_hook(_handler, inheritable=True)  # once: LangChain keeps a list of all that were ever registered


@contextmanager
def get_confidence_callback(
    estimator: ConfidenceEstimator, *, task: str | None = None, choices: Sequence[str] | None = None
) -> Iterator[ConfidenceCallbackHandler]:
    """Score everything that chat models answer inside a ``with`` block.

    Args:
        estimator: Scores with the same weights that answered.
        task: Name of the stream of questions.
        choices: The options, if answers are one of a few.

    Yields:
        The handler, whose ``records`` hold the confidences.

    Example:
        >>> with get_confidence_callback(estimator) as confidences:  # doctest: +SKIP
        ...     chain.invoke({"question": "What is the capital of France?"})
        >>> [confidence.value for confidence, _ in confidences.records.values()]  # doctest: +SKIP
    """
    handler = ConfidenceCallbackHandler(estimator, task=task, choices=choices)
    token = _handler.set(handler)
    try:
        yield handler
    finally:
        _handler.reset(token)
