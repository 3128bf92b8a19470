"""Methods that use a few labels of the task itself, and the oracle that uses half of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from thermolang.calibration.robust import robust_posterior
from thermolang.calibration.temperature import fit_task_temperature, fit_temperature, spread_of
from thermolang.calibration.training import TrainingConfig
from thermolang.evaluation.folds import Fold, Reading
from thermolang.evaluation.methods import Method, Ours, Predict, Prediction, learner, scaled, shown, verdict_prior
from thermolang.hashing import digest

if TYPE_CHECKING:
    from thermolang.calibration.task import TaskFeatures

DRAWS = 5
"""Random halves of a task; metrics are averaged over them, predictions are not."""

LABELS = (10, 25, 50, 100)

Items = np.ndarray[Any, np.dtype[np.int64]]

Scorer = Callable[[Reading, "TaskFeatures", Reading], Prediction]
"""(the whole task, its labelled items, the items to score) -> predictions for the latter."""


def cross_scored(reading: Reading, score: Scorer, labels: int) -> list[Prediction] | None:
    """Predict either half of a task from labels of the other half, in several random cuts.

    Args:
        reading: The task.
        score: Learns from labelled items and scores others.
        labels: How many items of the other half are labelled; all of them if negative.

    Returns:
        One prediction of all items for each cut; None if a half has too few items.
    """
    n = len(reading.task)
    if n // 2 < max(labels, 2):
        return None
    found = []
    for halves in _cuts(reading.task.name, n):
        confidence, probabilities = np.empty(n), np.empty((n, reading.task.logits.shape[1]))
        for scored, other in (halves, halves[::-1]):
            labelled = reading.task.take(other if labels < 0 else other[:labels])
            part = score(reading, labelled, _part(reading, scored))
            confidence[scored] = part.confidence
            probabilities[scored] = np.nan if part.probabilities is None else part.probabilities
        found.append(Prediction(confidence, None if np.isnan(probabilities).any() else probabilities))
    return found


AS_IT_IS = (1.0, 0.0)
"""1/T and bias of the model as it is."""


def oracle(fold: Fold) -> Predict:
    """Temperature (and bias) of half of the task's own labels, shrunk to the model as it is, so that no half runs away.

    Shrunk to what other tasks suggest it would be worse than doing nothing wherever they mislead.
    """
    tasks = [r.task for r in fold.training]
    return _shrunk(-1, AS_IT_IS, spread_of(tasks, AS_IT_IS, bias=tasks[0].self_check))


def shrunk_temperature(labels: int) -> Callable[[Fold], Predict]:
    """Temperature on n labels, shrunk to TS-CV by how much the training tasks differ."""
    return lambda fold: _shrunk(labels, *_centre_and_spread(fold))


def _shrunk(labels: int, centre: tuple[float, float], spread: tuple[float, float]) -> Predict:
    def score(_whole: Reading, labelled: TaskFeatures, rest: Reading) -> Prediction:
        kind = labelled.self_check
        return scaled(rest, *fit_task_temperature(labelled, bias=kind, centre=centre, spread=spread))

    return lambda reading: cross_scored(reading, score, labels)


@lru_cache(maxsize=1)  # the same for every number of labels
def _centre_and_spread(fold: Fold) -> tuple[tuple[float, float], tuple[float, float]]:
    tasks = [r.task for r in fold.training]
    bias = tasks[0].self_check
    centre = fit_temperature(tasks, TrainingConfig(bias=bias))
    return centre, spread_of(tasks, centre, bias=bias)


def verdicts(labels: int) -> Callable[[Fold], Predict]:
    """Posterior after n verdicts (right or wrong), with the Thermometer as prior."""

    def fit(fold: Fold) -> Predict:
        ours, prior = Ours.learn(fold), verdict_prior(fold)

        def score(whole: Reading, labelled: TaskFeatures, rest: Reading) -> Prediction:
            kind, centre = labelled.self_check, ours.scale(whole, None)
            found = robust_posterior(prior, centre, labelled.logits, labelled.right, self_check=kind)
            return Prediction(found.predict(rest.task.logits))

        return lambda reading: cross_scored(reading, score, labels)

    return fit


def judged(labels: int) -> Callable[[Fold], Predict]:
    """What is done in use after n verdicts: they move the head's level, or else the means of temperature and bias."""

    def fit(fold: Fold) -> Predict:
        ours, found = Ours.learn(fold), learner(fold)

        def predict(reading: Reading) -> list[Prediction] | None:
            scale = ours.scale(reading, None)
            level = found.level(scale, shown(found, reading.task))

            def score(_whole: Reading, labelled: TaskFeatures, rest: Reading) -> Prediction:
                verdicts = list(zip(shown(found, labelled), labelled.right.tolist(), strict=True))
                now = found.learned(scale, level, verdicts)
                beside = np.array([r.beside for r in shown(found, rest.task)])
                return Prediction(found.probability(rest.task.logits, beside, now.scale, now.level))

            return cross_scored(reading, score, labels)

        return predict

    return fit


LABELLED: tuple[Method, ...] = (
    Method("oracle", "Own labels (oracle)", "Temperature of half of the task's labels, on the other half.", oracle, -1),
    *(
        Method(
            f"ts_{n}",
            f"TS on {n} labels",
            "Temperature on labels of the task, shrunk to TS-CV.",
            shrunk_temperature(n),
            n,
        )
        for n in LABELS
    ),
    *(
        Method(
            f"verdicts_{n}", f"thermolang, {n} verdicts", "Thermometer moved by verdicts.", verdicts(n), n, ours=True
        )
        for n in LABELS
    ),
    *(
        Method(
            f"answer_{n}",
            f"thermolang (answer), {n} verdicts",
            "As in use: verdicts move the head's level, or without a head the means of temperature and bias.",
            judged(n),
            n,
            ours=True,
        )
        for n in LABELS
    ),
)
"""Methods that use labels of the task they are measured on, never those of the items they score."""


def _cuts(name: str, n: int) -> Iterator[tuple[Items, Items]]:
    rng = np.random.default_rng(int(digest(name), 16))
    for _ in range(DRAWS):
        order = rng.permutation(n)
        yield order[: n // 2], order[n // 2 :]


def _part(reading: Reading, items: Items) -> Reading:
    return Reading(reading.task.take(items), reading.inverse[items], reading.bias[items], reading.paper[items])
