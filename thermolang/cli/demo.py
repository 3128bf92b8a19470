"""The main job in small: a LangChain chain answers questions, and doubtful answers wait in the review store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from langchain_core.prompts import ChatPromptTemplate
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
from transformers import pipeline

from thermolang.answers.grading import is_right
from thermolang.calibration.metrics import brier
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.router import ConfidenceRouter
from thermolang.langchain.wrapper import with_confidence
from thermolang.models.local import LocalModel
from thermolang.models.prompts import SHORT_ANSWER
from thermolang.routing.policy import Policy
from thermolang.tasks.starter import starter_tasks
from thermolang.types import Action, Example

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore

MAX_NEW_TOKENS = 32


@dataclass(frozen=True)
class DemoItem:
    """One question of the demo and what became of it."""

    question: str
    answer: str
    raw: float | None
    confidence: float | None
    correct: bool
    decision: Action
    seconds: float
    task: str
    confidence_seconds: float


def questions(count: int, *, seed: int = 0) -> list[tuple[str, Example]]:
    """Held-out free-form starter questions with their task's name, taken from the families in turn.

    Asked for more than there are, it returns them all.
    """
    tasks = [t for t in starter_tasks(seed=seed, split="test") if not t.examples[0].choices]
    deepest = max(len(t.examples) for t in tasks)
    rounds = [(t.name, t.examples[i]) for i in range(deepest) for t in tasks if i < len(t.examples)]
    return sorted(rounds[:count], key=lambda pair: pair[0])


def chat_model(model: LocalModel) -> ChatHuggingFace:
    """The LangChain chat model that a user would build, over weights that are already loaded."""
    text_generation = pipeline(
        "text-generation",
        model=model.model,
        tokenizer=model.tokenizer,
        return_full_text=False,
        do_sample=False,
        max_new_tokens=MAX_NEW_TOKENS,
    )
    llm = HuggingFacePipeline(pipeline=text_generation, model_id=model.name)
    return ChatHuggingFace(llm=llm, tokenizer=model.tokenizer)


def run(
    estimator: ConfidenceEstimator, store: ReviewStore, asked: Sequence[tuple[str, Example]], policy: Policy
) -> Iterator[DemoItem]:
    """Answer the questions one by one; a doubtful answer is in the store before it is yielded."""
    if not isinstance(estimator.model, LocalModel):
        msg = "the demo builds a LangChain chat model and needs an estimator over a LocalModel"
        raise TypeError(msg)
    chat = chat_model(estimator.model)
    prompt = ChatPromptTemplate.from_messages([("system", SHORT_ANSWER), ("human", "{question}")])
    router = ConfidenceRouter(store, policy)
    for task, example in asked:
        chain = prompt | with_confidence(chat, task=task, estimator=estimator) | router
        start = time.perf_counter()
        message = chain.invoke({"question": example.question})
        yield _item(example, message, task, time.perf_counter() - start)


def _item(example: Example, message: Any, task: str, seconds: float) -> DemoItem:
    payload = message.response_metadata["thermolang"]
    answer = str(message.text).strip()
    return DemoItem(
        question=example.question,
        answer=answer,
        raw=payload["raw"],
        confidence=payload["value"],
        correct=is_right(answer, example.answers),
        decision=payload["decision"]["action"],
        seconds=seconds,
        task=task,
        confidence_seconds=payload["seconds"],
    )


def usual_accuracy(estimator: ConfidenceEstimator) -> float:
    """Mean accuracy of the calibrator's training tasks; an answer above it is more trustworthy than usual."""
    fit = estimator.calibrator.fits.get("self_check") if estimator.calibrator else None
    return fit.prior.base_rate if fit else 0.5


def summary(items: Sequence[DemoItem]) -> dict[str, Any]:
    """The demo's figures; those that cannot be computed are None."""
    right = np.array([i.correct for i in items], dtype=bool)
    accepted = np.array([i.decision == "accept" for i in items], dtype=bool)
    spent, total = sum(i.confidence_seconds for i in items), sum(i.seconds for i in items)
    return {
        "items": [asdict(i) for i in items],
        "accuracy": _mean(right),
        "brier_raw": _brier([i.raw for i in items], right),
        "brier_calibrated": _brier([i.confidence for i in items], right),
        "review_share": _mean(np.array([i.decision == "review" for i in items])),
        "accuracy_accepted": _mean(right[accepted]),
        "accuracy_review": _mean(right[~accepted]),
        "overhead_percent": 100 * spent / (total - spent) if total > spent else None,
    }


def _mean(values: Any) -> float | None:
    return float(values.mean()) if len(values) else None


def _brier(confidences: Sequence[float | None], right: Any) -> float | None:
    known = np.array([c is not None for c in confidences])
    return brier(np.array([c for c in confidences if c is not None]), right[known]) if known.any() else None
