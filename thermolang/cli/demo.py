"""The main job in small: LangChain chains answer questions, and doubtful answers wait in the review store."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from scipy.stats import binomtest

from thermolang.answers.grading import is_right
from thermolang.calibration.metrics import auroc, brier, ece, risk_coverage
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.chat_model import ChatThermolang
from thermolang.langchain.messages import confidence_of
from thermolang.langchain.router import ConfidenceRouter
from thermolang.langchain.wrapper import with_confidence
from thermolang.models.local import LocalModel
from thermolang.models.prompts import SHORT_ANSWER
from thermolang.routing.policy import Policy
from thermolang.tasks.starter import families, starter_tasks
from thermolang.types import Action, Confidence, Example, Task

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore

MAX_NEW_TOKENS = 32
BATCH_SIZE = 16
"""Most questions that go through the model as one padded batch."""

TRAINED_ON = 50
"""Items of each level that ``thermolang calibrate`` trains on by default; those after them are new to it."""

LABELLED_PER_FAMILY = 10
LABELLED_FAMILIES = 16

COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)

PROMPT = ChatPromptTemplate.from_messages([("system", SHORT_ANSWER), ("human", "{question}")])

Asked = Sequence[tuple[str, Example]]
"""Questions with the name of their family, those of one family together."""


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


@dataclass(frozen=True)
class Threshold:
    """The confidence from which answers are accepted, and where it comes from.

    Attributes:
        value: In [0, 1].
        chosen: ``"given"`` by the user; on ``"labelled"`` questions; or the ``"fallback"``, the training tasks' mean
            accuracy, because no threshold was better on the labelled questions than to accept all answers or none.
        questions: Number of labelled questions.
        families: Names of their families.
        treated_well: Share of the labelled answers that are right and accepted, or wrong and not accepted.
        right: Share of the labelled answers that are right.
    """

    value: float
    chosen: Literal["given", "labelled", "fallback"] = "given"
    questions: int = 0
    families: tuple[str, ...] = ()
    treated_well: float | None = None
    right: float | None = None


def questions(count: int, *, seed: int = 0) -> list[tuple[str, Example]]:
    """Held-out free-form starter questions with their task's name, taken from the families in turn.

    Families stand at their first level: on harder ones a small model is hardly ever right. Asked for more than there
    are, it returns them all.
    """
    by_family: dict[str, list[Task]] = {}
    for task in _free_form(starter_tasks(seed=seed, split="test")):
        by_family.setdefault(families()[task.name].name, []).append(task)
    tasks = [levels[0] for levels in by_family.values()]
    deepest = max(len(t.examples) for t in tasks)
    rounds = [(t.name, t.examples[i]) for i in range(deepest) for t in tasks if i < len(t.examples)]
    return sorted(rounds[:count], key=lambda pair: pair[0])


def labelled_questions() -> list[tuple[str, Example]]:
    """Questions from which the threshold is chosen, always the same: none is a test question, whatever the seed.

    They are about facts that calibrators are trained on, but not of the items: calibrators look better on those.
    The easiest level of each kind of facts that has enough other items.
    """
    by_facts: dict[str, list[Task]] = {}
    for task in _free_form(starter_tasks(split="train")):
        if len(task.examples) >= TRAINED_ON + LABELLED_PER_FAMILY:
            by_facts.setdefault(task.group, []).append(task)
    spread = list(by_facts.values())[:: len(by_facts) // LABELLED_FAMILIES][:LABELLED_FAMILIES]
    chosen = [of[0] for of in spread]
    return [(task.name, e) for task in chosen for e in task.examples[TRAINED_ON:][:LABELLED_PER_FAMILY]]


def _free_form(tasks: Iterable[Task]) -> list[Task]:
    """Tasks without options and passages, whose questions fit into a line."""
    return [t for t in tasks if not (t.examples[0].choices or t.examples[0].context)]


def run(
    estimator: ConfidenceEstimator, store: ReviewStore, asked: Asked, policy: Policy, *, batch_size: int = BATCH_SIZE
) -> Iterator[DemoItem]:
    """Answer the questions in batches; a doubtful answer is in the store before it is yielded."""
    chat, router = _chat_model(estimator, batch_size), ConfidenceRouter(store, policy)
    for task, examples in _batches(asked, batch_size):
        chain = PROMPT | with_confidence(chat, task=task, estimator=estimator) | router
        start = time.perf_counter()
        messages = chain.batch([{"question": e.question} for e in examples])
        seconds = (time.perf_counter() - start) / len(examples)
        yield from (_item(e, m, task, seconds) for e, m in zip(examples, messages, strict=True))


def judged(
    estimator: ConfidenceEstimator, asked: Asked, *, batch_size: int = BATCH_SIZE
) -> Iterator[tuple[Confidence, bool]]:
    """Answer labelled questions in batches: the confidence of each answer, and whether it is right."""
    chat = _chat_model(estimator, batch_size)
    for task, examples in _batches(asked, batch_size):
        chain = PROMPT | with_confidence(chat, task=task, estimator=estimator)
        messages = chain.batch([{"question": e.question} for e in examples])
        for example, message in zip(examples, messages, strict=True):
            yield confidence_of(message), is_right(message.text.strip(), example.answers)


def _chat_model(estimator: ConfidenceEstimator, batch_size: int) -> ChatThermolang:
    """The LangChain chat model that a user would build, over weights that are already loaded."""
    if not isinstance(estimator.model, LocalModel):
        msg = "the demo builds a LangChain chat model and needs an estimator over a LocalModel"
        raise TypeError(msg)
    return ChatThermolang(local=estimator.model, max_tokens=MAX_NEW_TOKENS, batch_size=batch_size)


def _batches(asked: Asked, size: int) -> Iterator[tuple[str, list[Example]]]:
    for task, pairs in groupby(asked, key=lambda pair: pair[0]):
        examples = [example for _, example in pairs]
        for start in range(0, len(examples), size):
            yield task, examples[start : start + size]


def _item(example: Example, message: AIMessage, task: str, seconds: float) -> DemoItem:
    payload = message.response_metadata["thermolang"]
    answer = message.text.strip()
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


def choose_threshold(
    judged_answers: Sequence[tuple[Confidence, bool]], families: Iterable[str], fallback: float
) -> Threshold:
    """The one of 0.00, 0.01, ..., 1.00 that treats most labelled answers as they should be; the lowest of equals.

    Right answers should be accepted and wrong ones reviewed. It is a rule of thumb on a hundred answers or so, and
    promises nothing about other questions.

    Args:
        judged_answers: The confidence of each labelled answer, and whether it is right.
        families: Where the labelled questions come from.
        fallback: The threshold if none does better than to accept all answers or none.
    """
    confidences = [confidence for confidence, _ in judged_answers]
    right = np.array([correct for _, correct in judged_answers], dtype=bool)
    names = tuple(dict.fromkeys(families))

    def judge(value: float, chosen: Literal["labelled", "fallback"]) -> Threshold:
        policy = Policy(value)
        accepted = np.array([policy.decide(c).action == "accept" for c in confidences], dtype=bool)
        return Threshold(value, chosen, len(right), names, _mean(accepted == right), _mean(right))

    best = max((judge(percent / 100, "labelled") for percent in range(101)), key=lambda found: found.treated_well or 0)
    all_or_none = max(right.mean(), 1 - right.mean()) if len(right) else 1.0
    return best if (best.treated_well or 0) > all_or_none else judge(fallback, "fallback")


def usual_accuracy(estimator: ConfidenceEstimator) -> float:
    """Mean accuracy of the calibrator's training tasks; an answer above it is more trustworthy than usual."""
    fit = estimator.calibrator.fits.get("self_check") if estimator.calibrator else None
    return fit.prior.base_rate if fit else 0.5


def summary(items: Sequence[DemoItem], threshold: Threshold, *, seed: int = 0) -> dict[str, Any]:
    """The demo's figures; those that cannot be computed are None."""
    right = np.array([i.correct for i in items], dtype=bool)
    accepted = np.array([i.decision == "accept" for i in items], dtype=bool)
    spent, total = sum(i.confidence_seconds for i in items), sum(i.seconds for i in items)
    raw, calibrated = [i.raw for i in items], [i.confidence for i in items]
    return {
        "seed": seed,
        "questions": len(items),
        "threshold": asdict(threshold),
        "accuracy": _mean(right),
        "accuracy_interval": _interval(right),
        "accepted": int(accepted.sum()),
        "accuracy_accepted": _mean(right[accepted]),
        "accuracy_accepted_interval": _interval(right[accepted]),
        "accuracy_review": _mean(right[~accepted]),
        "accuracy_review_interval": _interval(right[~accepted]),
        "separated": _separated(right[accepted], right[~accepted]),
        "review_share": _mean(np.array([i.decision == "review" for i in items])),
        "risk_coverage": _risks(calibrated, right),
        "auroc_raw": _metric(auroc, raw, right),
        "auroc_calibrated": _metric(auroc, calibrated, right),
        "brier_raw": _metric(brier, raw, right),
        "brier_calibrated": _metric(brier, calibrated, right),
        "ece_raw": _metric(ece, raw, right),
        "ece_calibrated": _metric(ece, calibrated, right),
        "overhead_percent": 100 * spent / (total - spent) if total > spent else None,
        "items": [asdict(i) for i in items],
    }


def _mean(values: Any) -> float | None:
    return float(values.mean()) if len(values) else None


def _interval(right: Any) -> tuple[float, float] | None:
    """95 % interval of a share (Wilson 1927), which stays within [0, 1] and holds on few answers."""
    if not len(right):
        return None
    low, high = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return float(low), float(high)


def _separated(accepted: Any, rest: Any) -> Literal["yes", "unclear", "no"] | None:
    """Whether accepted answers were right more often than the rest; ``"unclear"`` if the two intervals overlap."""
    if not len(accepted) or not len(rest):
        return None
    if accepted.mean() <= rest.mean():
        return "no"
    above, below = _interval(accepted), _interval(rest)
    return "yes" if above and below and above[0] > below[1] else "unclear"


def _risks(confidences: Sequence[float | None], right: Any) -> list[dict[str, Any]]:
    """Share of wrong answers among the most confident ones, for each of ``COVERAGES``."""
    known, right = _known(confidences, right)
    if not len(known):
        return []
    counts = [math.ceil(round(share * len(known), 9)) for share in COVERAGES]
    risk = risk_coverage(known, right).risk
    return [
        {"coverage": share, "answers": count, "wrong": float(risk[count - 1])}
        for share, count in zip(COVERAGES, counts, strict=True)
    ]


def _metric(metric: Callable[[Any, Any], float], confidences: Sequence[float | None], right: Any) -> float | None:
    known, right = _known(confidences, right)
    value = metric(known, right) if len(known) else math.nan
    return None if math.isnan(value) else value


def _known(confidences: Sequence[float | None], right: Any) -> tuple[Any, Any]:
    """Leave out the answers that have no confidence."""
    has_one = np.array([c is not None for c in confidences], dtype=bool)
    return np.array([c for c in confidences if c is not None]), right[has_one]
