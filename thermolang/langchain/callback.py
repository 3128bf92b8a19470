"""A callback that scores what a chat model answered and writes the confidence on the message."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain._messages import attach, only_the_answer, question_of, to_messages
from thermolang.models.local import LocalModel
from thermolang.types import Confidence, Message

KEPT = 1000

logger = logging.getLogger(__name__)


class ConfidenceCallbackHandler(BaseCallbackHandler):
    """Attaches ``response_metadata["thermolang"]`` to the answers of a local ChatHuggingFace.

    The answer is left as it is; the model reads it once more (mode ``rescore``). Works for ``invoke`` and
    ``batch``. If scoring fails, ``value`` is None with the reason, and the error is logged.

    Args:
        estimator: Scores with the same weights that answered.
        task: Name of the stream of questions.
        choices: The options, if answers are one of a few.

    Attributes:
        records: The last confidences by the run id of the outermost chain, for chains that end in a parser.
    """

    run_inline = True  # tracers that come after it then see the confidence too

    def __init__(
        self, estimator: ConfidenceEstimator, *, task: str | None = None, choices: Sequence[str] | None = None
    ) -> None:
        self.estimator, self.task, self.choices = estimator, task, list(choices) if choices else None
        self.records: OrderedDict[UUID, tuple[Confidence, str]] = OrderedDict()
        self._lock = threading.Lock()
        self._pending: dict[UUID, list[Message]] = {}
        self._parents: dict[UUID, UUID] = {}

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """Remember who called whom, so that a record is found under the outermost run."""
        if parent_run_id is not None:
            with self._lock:
                self._parents[run_id] = parent_run_id

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a finished run."""
        with self._lock:
            self._parents.pop(run_id, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget a failed run."""
        with self._lock:
            self._parents.pop(run_id, None)

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
        with self._lock:
            self._pending[run_id] = to_messages(messages[0])
            if parent_run_id is not None:
                self._parents[run_id] = parent_run_id

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the conversation."""
        self._forget(run_id)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Score the answer and write the confidence on its message."""
        root, messages = self._forget(run_id)
        if messages is None:
            return
        for generation in response.generations[0]:
            if not isinstance(generation, ChatGeneration):
                continue
            confidence, question = self._score(messages, str(generation.message.text)), question_of(messages)
            attach(generation.message, confidence, question=question, model=self.estimator.model.name)
            self._record(root, confidence, question)

    def _score(self, messages: list[Message], answer: str) -> Confidence:
        try:
            if isinstance(self.estimator.model, LocalModel):
                answer = only_the_answer(answer, messages, self.estimator.model)
            return self.estimator.score(messages, answer, task=self.task, choices=self.choices)
        except Exception as error:  # whatever it is, it must not cost the user the answer
            logger.exception("an answer could not be scored")
            return Confidence(None, task=self.task or "", reason=f"scoring failed: {type(error).__name__}: {error}")

    def _forget(self, run_id: UUID) -> tuple[UUID, list[Message] | None]:
        """Drop a run's state; returns the outermost run and the conversation."""
        with self._lock:
            root = run_id
            while root in self._parents:
                root = self._parents[root]
            self._parents.pop(run_id, None)
            return root, self._pending.pop(run_id, None)

    def _record(self, root: UUID, confidence: Confidence, question: str) -> None:
        with self._lock:
            self.records[root] = (confidence, question)
            while len(self.records) > KEPT:
                self.records.popitem(last=False)
