"""All numbers of a proof of concept, as plain JSON: effect, latency, what people would see, and the comparison."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thermolang.calibration.bootstrap import Interval, interval, item_draws, wilson_interval
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.metrics import ece_floor
from thermolang.errors import InvalidInputError
from thermolang.evaluation.experiment import HeldOut, Resampled, measure, reliability, risk_coverage
from thermolang.evaluation.poc_methods import METHODS, OURS, RAW, predictions
from thermolang.evaluation.poc_questions import FEWEST, Judged, spoken
from thermolang.evaluation.poc_run import Answered, Pair
from thermolang.routing.certificates import Certified, Label, certify
from thermolang.routing.guarantees import (
    Kind,
    check_share,
    expected_error,
    high_probability,
    labels_needed,
    must_review,
)
from thermolang.types import Confidence, Scale

if TYPE_CHECKING:
    from thermolang.types import FloatArray

METRIC_NAMES = ("NLL right", "Brier", "ECE", "ECE corrected", "AUROC", "AURC")
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
SHARES = (0.25, 0.5, 0.75)
"""The thresholds at which these shares are answered automatically are shown, too: confidences may all be small."""

CLOSE = 0.015
"""Thresholds nearer to each other than this say the same twice."""

ALPHAS = (0.05, 0.1, 0.2)
"""Errors that guarantees are looked for at, beside the one that was asked for."""

KINDS: tuple[Kind, Kind] = ("high_probability", "expected_error")
RESAMPLES = 2000

USEFUL = 200
"""Labels that a session of labelling aims at: from about so many on, the expected-error guarantee accepts something."""


@dataclass(frozen=True)
class Prices:
    """What answers and people cost.

    Attributes:
        wrong: A wrong answer that went out unseen.
        review: A person who looks at an answer.
        minutes: How long that takes.
        volume: Answers a month.
        currency: Name or sign of the money.
    """

    wrong: float
    review: float
    minutes: float
    volume: float
    currency: str = ""

    @classmethod
    def parse(cls, text: str) -> Prices:
        """Read prices such as ``"wrong=5000,review=300,minutes=3,volume=10000,currency=円"``.

        Raises:
            InvalidInputError: A name is missing, unknown or given twice, or a number is negative or none.

        >>> Prices.parse("wrong=50, review=2, minutes=3, volume=1e4").volume
        10000.0
        """
        pairs = [part.partition("=") for part in text.split(",")]
        given = {name.strip(): value.strip() for name, _, value in pairs}
        numbers = ("wrong", "review", "minutes", "volume")
        try:
            found = {name: float(given[name]) for name in numbers}
            fine = all(math.isfinite(x) and x >= 0 for x in found.values()) and len(given) == len(pairs)
            if not fine or not given.keys() <= {*numbers, "currency"}:
                raise ValueError
        except (KeyError, ValueError) as error:
            msg = "prices are wrong=50,review=2,minutes=3,volume=10000 with numbers of at least 0 (and currency=EUR), "
            raise InvalidInputError(f"{msg}not {text!r}") from error
        return cls(**found, currency=given.get("currency", ""))

    def at(self, review: float, error: float) -> dict[str, float]:
        """Money and hours a month, if so large a share is reviewed and so large a share of the others is wrong."""
        unseen = self.volume * (1 - review)
        return {
            "cost": self.volume * review * self.review + unseen * error * self.wrong,
            "hours": self.volume * review * self.minutes / 60,
            "saved_hours": unseen * self.minutes / 60,
            "wrong_answers": unseen * error,
        }


@dataclass(frozen=True)
class Aim:
    """What is asked of the accepted answers.

    Attributes:
        max_error: Largest share of wrong ones among them, in (0, 1).
        certainty: Probability with which that holds, in (0, 1).
        prices: What answers and people cost; None if nobody said.
        examples: How many of the worst cases are shown.
    """

    max_error: float = 0.05
    certainty: float = 0.95
    prices: Prices | None = None
    examples: int = 5

    def __post_init__(self) -> None:
        check_share("the largest error", self.max_error)
        check_share("the certainty", self.certainty)


def figures(
    answered: Answered,
    judged: Judged,
    gold: Sequence[Sequence[str]],
    pairs: Sequence[Pair],
    calibrator: Calibrator,
    aim: Aim,
) -> dict[str, Any]:
    """Everything that a report shows, as plain JSON.

    Args:
        answered: The questions with the model's answers and their confidences.
        judged: Which of them are right, as far as that is known.
        gold: The right answers to each question, as far as they are known.
        pairs: Timed answers.
        calibrator: What the confidences come from.
        aim: What is asked of the accepted answers.
    """
    values = np.array([np.nan if c.value is None else c.value for c in answered.confidences])
    known = [i for i, r in enumerate(judged.right) if r is not None]
    usable = [i for i in known if np.isfinite(values[i])]
    enough = len(usable) >= FEWEST
    found: dict[str, Any] = {
        "counts": _counts(answered, judged, usable),
        "aim": asdict(aim),
        "latency": latency(pairs),
        "confidences": _histogram(values),
        "plan": [_plan(alpha, aim.certainty) for alpha in sorted({aim.max_error, *ALPHAS})],
        "labelled": enough,
    }
    if not enough:
        acceptable = [c.value if c.supported and c.value is not None else -math.inf for c in answered.confidences]
        rows = [_expected_row(t, answered.confidences, aim.prices) for t in _thresholds(acceptable)]
        everyone = _spread([c.value for c in answered.confidences if c.value is not None])
        return found | {
            "thresholds": rows,
            "expected_accuracy": everyone,
            "guarantees": [],
            "decision": _undecided(found),
        }
    right = np.array([bool(judged.right[i]) for i in known])
    sample = [_label(answered.confidences[i], r) for i, r in zip(known, right, strict=True)]
    guarantees = [_guarantee(sample, alpha, aim) for alpha in sorted({aim.max_error, *ALPHAS})]
    asked = next(g for g in guarantees if g["alpha"] == aim.max_error)
    limits = {t for kind in KINDS if (t := asked[kind]["threshold"]) is not None}
    rows = [_seen_row(t, sample, aim.prices) for t in _thresholds([s.acceptable for s in sample], limits)]
    effect = _effect(answered, usable, judged, values, calibrator)
    return found | {
        "accuracy": _proportion(int(right.sum()), len(right)),
        **effect,
        "thresholds": rows,
        "everyone_looks": None if aim.prices is None else aim.prices.at(1.0, 0.0),
        "nobody_looks": None if aim.prices is None else aim.prices.at(0.0, float(1 - right.mean())),
        "guarantees": guarantees,
        "worst": _worst(answered, judged, gold, aim.examples),
        "decision": _decision(asked, found["counts"], harms=effect["differences"][RAW]["Brier"]["lower"] > 0),
    }


def certified(answered: Answered, judged: Judged, kind: Kind, aim: Aim) -> Certified:
    """The threshold of one kind of guarantee with its policy and certificate, from the labelled answers."""
    sample = [_label(c, r) for c, r in zip(answered.confidences, judged.right, strict=True) if r is not None]
    named = [replace(s, task=answered.task.name) for s in sample]
    return certify(named, kind=kind, alpha=aim.max_error, delta=1 - aim.certainty)


def _thresholds(acceptable: Sequence[float], limits: Iterable[float] = ()) -> list[float]:
    """Fixed thresholds, those that accept certain shares, and those with a guarantee, in ascending order."""
    ordered = sorted(acceptable)
    at = [ordered[math.ceil(len(ordered) * (1 - share)) - 1] for share in SHARES]
    found = sorted(limits)
    for threshold in [*(math.floor(100 * t) / 100 for t in at if math.isfinite(t)), *THRESHOLDS]:
        if all(abs(threshold - other) >= CLOSE for other in found):
            found.append(threshold)
    return sorted(found)


def _label(confidence: Confidence, right: bool) -> Label:
    known = confidence.calibrator, confidence.task_version
    return Label(confidence.value, bool(right), confidence.supported, "", *known)


def _counts(answered: Answered, judged: Judged, usable: Sequence[int]) -> dict[str, Any]:
    confidences = answered.confidences
    missing = [c for c in confidences if c.value is None]
    return {
        "questions": len(confidences),
        "labelled": judged.known,
        "by_people": judged.by_people,
        "graded": judged.graded,
        "outdated": judged.outdated,
        "graded_right": judged.graded_right,
        "right_by_other": judged.right_by_other,
        "other_grader": judged.other_grader,
        "compared": len(usable),
        "choices": bool(answered.task.examples[0].choices),
        "with_context": sum(bool(e.context) for e in answered.task.examples),
        "without_confidence": len(missing),
        "why_without": missing[0].reason if missing else "",
        "unlike_training": sum(not c.supported for c in confidences),
        "novelty": _spread([c.novelty for c in confidences if c.novelty is not None]),
    }


def _spread(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"mean": float(np.mean(values)), "low": float(low), "median": float(middle), "high": float(high)}


def _proportion(count: int, of: int) -> dict[str, float] | None:
    """A share with its Wilson interval; None of nothing."""
    if not of:
        return None
    lower, upper = wilson_interval(count, of)
    return {"estimate": count / of, "lower": lower, "upper": upper}


def _record(found: Interval | None) -> dict[str, float] | None:
    return None if found is None or not math.isfinite(found.estimate) else asdict(found)


def latency(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Medians of seconds, and the median overhead with a bootstrap interval over the pairs."""
    ratios, alone = np.array([p.overhead for p in pairs]), np.array([p.alone for p in pairs])
    draws = item_draws(len(pairs), resamples=RESAMPLES, seed=0)
    return {
        "pairs": len(pairs),
        "alone": float(np.median(alone)),
        "together": float(np.median([p.together for p in pairs])),
        "confidence": float(np.median([p.confidence for p in pairs])),
        "share": float(np.median([p.confidence / p.together for p in pairs])),
        "overhead": asdict(interval(np.median(ratios[draws], axis=-1))),
        "same": sum(p.same for p in pairs),
        "points": [[p.alone, p.together] for p in pairs],
    }


def _histogram(values: NDArray[np.float64]) -> list[dict[str, float]]:
    counts, edges = np.histogram(values[np.isfinite(values)], bins=10, range=(0, 1))
    return [
        {"lower": float(a), "upper": float(b), "count": int(n)}
        for a, b, n in zip(edges, edges[1:], counts, strict=False)
    ]


def _plan(alpha: float, certainty: float) -> dict[str, Any]:
    """Labels above a threshold that certify it, if the accepted answers are as good as here."""
    good = {f"{error:g}": labels_needed(alpha, 1 - certainty, 1 - error) for error in (0.0, alpha / 4, alpha / 2)}
    return {"alpha": alpha, "labels": [{"error": float(error), "needed": n} for error, n in good.items()]}


def _guarantee(sample: Sequence[Label], alpha: float, aim: Aim) -> dict[str, Any]:
    confidence, correct = [s.acceptable for s in sample], [s.correct for s in sample]
    high = high_probability(confidence, correct, alpha=alpha, delta=1 - aim.certainty)
    mean = expected_error(confidence, correct, alpha=alpha)
    both = {"high_probability": high, "expected_error": mean}
    shown = {kind: f.to_dict() | {"coverage": f.coverage} for kind, f in both.items()}
    return {"alpha": alpha, "must_review": must_review(high.base_error, alpha), **shown}


def _seen_row(threshold: float, sample: Sequence[Label], prices: Prices | None) -> dict[str, Any]:
    """What happens at a threshold to the labelled answers."""
    accepted = [s for s in sample if s.acceptable >= threshold]
    errors, review = sum(not s.correct for s in accepted), 1 - len(accepted) / len(sample)
    error = _proportion(errors, len(accepted))
    row = {"threshold": threshold, "accepted": len(accepted), "errors": errors, "review": review, "error": error}
    if prices is not None:
        row |= {"money": prices.at(review, error["estimate"] if error else 0.0)}
        row |= {"money_at_most": prices.at(review, error["upper"] if error else 0.0)}
    return row


def _expected_row(threshold: float, confidences: Sequence[Confidence], prices: Prices | None) -> dict[str, Any]:
    """The same without labels: the error is what the confidences say."""
    accepted = [c.value for c in confidences if c.supported and c.value is not None and c.value >= threshold]
    review = 1 - len(accepted) / len(confidences)
    expected = 1 - float(np.mean(accepted)) if accepted else None
    row: dict[str, Any] = {"threshold": threshold, "accepted": len(accepted), "review": review, "expected": expected}
    return row if prices is None else row | {"money": prices.at(review, expected or 0.0)}


def _effect(
    answered: Answered, usable: Sequence[int], judged: Judged, values: NDArray[np.float64], calibrator: Calibrator
) -> dict[str, Any]:
    """Metrics of all methods with paired intervals, reliability and risk-coverage before and after."""
    task = replace(answered.features.take(usable), signals=_signals(answered, usable))
    right = np.array([bool(judged.right[i]) for i in usable])
    # A self-check has the label 0 if the answer is right; the label of a choice is any other option if it is wrong.
    given = task.kind.given(task.logits)
    task = replace(task, labels=np.where(right, given, 1 - np.minimum(given, 1)).astype(np.int64))
    predicted, methods = predictions(calibrator, task, values[list(usable)])
    resampled = Resampled([measure(task, methods, resamples=RESAMPLES)])
    # Only what the diagrams need; the others say nothing about a single task.
    held_out = [HeldOut(predicted, methods, Scale(1.0, 0.0), Scale(1.0, 0.0), 0.0, 0.0, OURS, {})]
    return {
        "methods": [{"name": n, "labels": METHODS[n][1] if n in METHODS else 0} for n in methods],
        "figures": {n: {m: _figure(resampled, n, m) for m in METRIC_NAMES} for n in methods},
        "differences": {
            n: {m: _record(resampled.difference(OURS, n, m)) for m in METRIC_NAMES} for n in methods if n != OURS
        },
        "floor": {n: ece_floor(methods[n][0].confidence) for n in (RAW, OURS)},
        "reliability": {n: reliability(held_out, n) for n in (RAW, OURS)},
        "risk_coverage": {n: risk_coverage(held_out, n) for n in (RAW, OURS)},
        "mean_confidence": {n: float(methods[n][0].confidence.mean()) for n in (RAW, OURS)},
    }


def _signals(answered: Answered, usable: Sequence[int]) -> dict[str, FloatArray]:
    """Signals that every answer has; those of answers without tokens are NaN."""
    found = {name: np.asarray(values)[list(usable)] for name, values in answered.features.signals.items()}
    return {name: values for name, values in found.items() if np.isfinite(values).all()}


def _figure(resampled: Resampled, method: str, metric: str) -> dict[str, float] | None:
    means = resampled.means(method, metric)
    return None if means is None or not np.isfinite(means[1:]).any() else _record(interval(means))


def _worst(
    answered: Answered, judged: Judged, gold: Sequence[Sequence[str]], count: int
) -> dict[str, list[dict[str, Any]]]:
    """The wrong answers with the most confidence, and the right ones with the least."""
    rows = []
    for i, (confidence, right) in enumerate(zip(answered.confidences, judged.right, strict=True)):
        if right is not None and confidence.value is not None:
            rows.append((confidence.value, right, i))
    wrong = sorted((r for r in rows if not r[1]), reverse=True)[:count]
    doubtful = sorted(r for r in rows if r[1])[:count]
    return {
        "confident_wrong": [_example(answered, gold[i], i, value) for value, _, i in wrong],
        "doubtful_right": [_example(answered, gold[i], i, value) for value, _, i in doubtful],
    }


def _example(answered: Answered, gold: Sequence[str], i: int, value: float) -> dict[str, Any]:
    example = answered.task.examples[i]
    return {
        "number": i + 1,
        "question": example.question,
        "answer": spoken(example, answered.rows[i].answer),
        "gold": list(gold),
        "confidence": value,
        "supported": answered.confidences[i].supported,
    }


def _decision(asked: dict[str, Any], counts: dict[str, Any], *, harms: bool) -> dict[str, Any]:
    """What the numbers allow: the stronger guarantee, the weaker one, another calibrator, more labels, or nothing."""
    high, mean = asked["high_probability"], asked["expected_error"]
    for kind, found in (("certified", high), ("expected", mean)):
        if found["threshold"] is not None:
            return {"code": kind, "threshold": found["threshold"], "more_labels": high["more_labels"]}
    needed = [n for n in (high["more_labels"], mean["more_labels"]) if n is not None]
    unlike = counts["unlike_training"] > counts["questions"] / 2
    code = "unlike" if unlike else "harms" if harms else "more_labels" if needed else "unsuitable"
    return {"code": code, "threshold": None, "more_labels": min(needed, default=None)}


def _undecided(found: dict[str, Any]) -> dict[str, Any]:
    counts = found["counts"]
    code = "few_labels" if counts["labelled"] else "no_labels"
    return {"code": code, "threshold": None, "more_labels": min(USEFUL, counts["questions"]) - counts["labelled"]}
