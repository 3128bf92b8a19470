"""The main job in small: a threshold from labels, answers of LangChain chains, a store of doubtful ones, verdicts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from scipy.stats import binomtest

from thermolang.answers.grading import is_right
from thermolang.calibration.learner import AnswerScores
from thermolang.calibration.metrics import auroc, brier, ece, risk_coverage
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.chat_model import ChatThermolang
from thermolang.langchain.messages import confidence_of
from thermolang.langchain.router import ConfidenceRouter
from thermolang.langchain.wrapper import with_confidence
from thermolang.models.local import LocalModel
from thermolang.models.prompts import SHORT_ANSWER
from thermolang.routing.certificates import Label, certify
from thermolang.routing.guarantees import GuaranteedThreshold
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

MAX_ERROR = 0.5
"""Largest mean error among accepted answers. A model as small as the demo's allows no stricter promise."""

LABELLED_PER_FAMILY = 10
LABELLED_FAMILIES = 16

COVERAGES = (0.2, 0.4, 0.6, 0.8, 1.0)

RESAMPLES = 2000
"""Draws of kinds for the interval of what verdicts change."""

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
    scored: Confidence | None = None


@dataclass(frozen=True)
class Threshold:
    """The confidence from which answers are accepted, and where it comes from.

    Attributes:
        value: In [0, 1].
        chosen: ``"given"`` by the user; ``"guaranteed"`` on labelled questions; or the ``"fallback"``, the training
            tasks' mean accuracy, which promises nothing, because no threshold qualified.
        families: Names of the families that the labelled questions are of.
        found: What the search for a guaranteed threshold found; None if there was none.
    """

    value: float
    chosen: Literal["given", "guaranteed", "fallback"] = "given"
    families: tuple[str, ...] = ()
    found: GuaranteedThreshold | None = None


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
        scored=confidence_of(message),
    )


def guaranteed_threshold(
    judged_answers: Sequence[tuple[Confidence, bool]],
    families: Iterable[str],
    fallback: float,
    *,
    max_error: float = MAX_ERROR,
) -> Threshold:
    """The lowest threshold at which the error among accepted answers is at most ``max_error`` on average.

    It is about questions like the labelled ones. What the demo asks is of other kinds, so the summary tells whether the
    promise carried over.

    Args:
        judged_answers: The confidence of each labelled answer, and whether it is right.
        families: Where the labelled questions come from.
        fallback: The threshold if none qualifies.
        max_error: Largest mean error among accepted answers, in (0, 1).

    Raises:
        NotEnoughDataError: There are no labelled answers.
    """
    # Without tasks: the labels speak for questions of any kind, not for those of one.
    labels = [Label(c.value, right, c.supported, calibrator=c.calibrator) for c, right in judged_answers]
    found = certify(labels, kind="expected_error", alpha=max_error).found[""]
    names = tuple(dict.fromkeys(families))
    if found.threshold is None:
        return Threshold(fallback, "fallback", names, found)
    return Threshold(found.threshold, "guaranteed", names, found)


def usual_accuracy(estimator: ConfidenceEstimator) -> float:
    """Mean accuracy of the calibrator's training tasks; an answer above it is more trustworthy than usual."""
    fit = estimator.calibrator.fits.get("self_check") if estimator.calibrator else None
    return fit.prior.base_rate if fit else 0.5


@dataclass(frozen=True)
class Loop:
    """What verdicts changed, on answers that nobody judged.

    Attributes:
        verdicts: How many answers the simulated operator judged.
        learned: How many of these the estimator could learn from.
        kinds: How many kinds of questions they are about.
        answers: How many answers the figures below are of.
        before: Brier score, share sent to review and error among accepted answers, before the verdicts.
        after: The same after the verdicts.
        change: 95 % interval of the change of the Brier score; below 0 is better. None for fewer than two kinds.
    """

    verdicts: int
    learned: int
    kinds: int
    answers: int
    before: dict[str, float | None]
    after: dict[str, float | None]
    change: tuple[float, float] | None


def taught(estimator: ConfidenceEstimator, items: Sequence[DemoItem], policy: Policy) -> Loop:
    """Let a simulated operator judge doubtful answers, the estimator learn from them, and measure on other answers.

    Of the questions of each kind the first half may be judged, and of these the answers that went to review are, as the
    questions' known answers say. The other half measures: its confidences are computed again from the scores that they
    were computed from, once under what the tasks knew without verdicts, once with. No verdict is written into the
    store, where the answers wait for a real person.
    """
    first, second = _halves(items)
    judged = [i for i in first if i.decision == "review"]
    before = [_now(estimator, i) for i in second]
    lessons = [(i.scored, i.correct) for i in judged if i.scored and i.scored.basis]
    learned = estimator.learn(lessons) if lessons else 0
    after = [_now(estimator, i) for i in second]
    right = np.array([i.correct for i in second], dtype=bool)
    return Loop(
        verdicts=len(judged),
        learned=learned,
        kinds=len({i.task for i in judged}),
        answers=len(second),
        before=_outcome(before, right, policy),
        after=_outcome(after, right, policy),
        change=_change(before, after, right, [i.task for i in second]),
    )


def _halves(items: Sequence[DemoItem]) -> tuple[list[DemoItem], list[DemoItem]]:
    """The first half of each kind's answers, and the rest."""
    by_kind: dict[str, list[DemoItem]] = {}
    for item in items:
        by_kind.setdefault(item.task, []).append(item)
    first = [item for of in by_kind.values() for item in of[: len(of) // 2]]
    return first, [item for of in by_kind.values() for item in of[len(of) // 2 :]]


def _now(estimator: ConfidenceEstimator, item: DemoItem) -> Confidence:
    """The confidence of an answer under what its task knows by now; the model is not asked again."""
    scored = item.scored or Confidence(None)
    fit = estimator.calibrator.fits.get("self_check") if estimator.calibrator else None
    state = estimator.state(scored.task, "self_check")
    if fit is None or state is None or scored.basis is None:
        return scored
    basis = scored.basis
    answer = AnswerScores(basis.logits, basis.logit_offset, basis.mean_probability, basis.place)
    return replace(scored, value=float(fit.learner.probability([answer], state.current.standing)[0]))


def _outcome(confidences: Sequence[Confidence], right: Any, policy: Policy) -> dict[str, float | None]:
    actions = [policy.decide(c).action for c in confidences]
    accepted = np.array([action == "accept" for action in actions], dtype=bool)
    return {
        "brier": _metric(brier, [c.value for c in confidences], right),
        "review_share": _mean(np.array([action == "review" for action in actions])),
        "error_accepted": _mean(~right[accepted]),
    }


def _change(
    before: Sequence[Confidence], after: Sequence[Confidence], right: Any, kinds: Sequence[str]
) -> tuple[float, float] | None:
    """95 % bootstrap interval over kinds, as the verdicts on a kind move all of its answers together."""
    by_kind: dict[str, list[float]] = {}
    for old, new, correct, kind in zip(before, after, right, kinds, strict=True):
        if old.value is not None and new.value is not None:
            by_kind.setdefault(kind, []).append((new.value - correct) ** 2 - (old.value - correct) ** 2)
    if len(by_kind) < 2:
        return None
    means = np.array([np.mean(of) for of in by_kind.values()])
    drawn = np.random.default_rng(0).integers(0, len(means), (RESAMPLES, len(means)))
    low, high = np.quantile(means[drawn].mean(1), (0.025, 0.975))
    return float(low), float(high)


def summary(
    items: Sequence[DemoItem], threshold: Threshold, loop: Loop | None = None, *, seed: int = 0
) -> dict[str, Any]:
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
        "loop": asdict(loop) if loop else None,
        "items": [_record(i) for i in items],
    }


def _record(item: DemoItem) -> dict[str, Any]:
    """An item without what its confidence was computed from, which says little to a reader."""
    return {name: value for name, value in asdict(replace(item, scored=None)).items() if name != "scored"}


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
