"""Every method that is measured, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.fit import Learner, prior_and_scales
from thermolang.calibration.head_training import MIN_GROUPS, fit_head, fit_probe
from thermolang.calibration.kinds import SELF_CHECK, choice_probabilities, self_check_probability
from thermolang.calibration.posterior import VerdictPrior, fit_verdict_prior, robust_posterior
from thermolang.calibration.semantic import ROUNDS, SampledTask, SemanticFit, adaptive, fit_semantic
from thermolang.calibration.temperature import Isotonic, Platt, fit_task_temperature, fit_temperature, spread_of
from thermolang.calibration.training import TrainingConfig
from thermolang.evaluation.protocol import Fold, TaskPrediction
from thermolang.storage import digest
from thermolang.training.samples import sampled_task
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures
    from thermolang.types import FloatArray


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a method says of a task's N items.

    Attributes:
        confidence: Shape (N,), P(the given answer is right).
        probabilities: Shape (N, K) over the options; None where a method speaks of the given answer only.
        cost: Shape (N,), tokens it sampled as a share of those of all samples; None where it samples none.
    """

    confidence: FloatArray
    probabilities: FloatArray | None = None
    cost: FloatArray | None = None


Predict = Callable[[TaskPrediction], list[Prediction] | None]
"""Predictions for a held-out task; several where a method draws at random, None where it does not apply."""


@dataclass(frozen=True)
class Method:
    """A way to calibrate.

    Attributes:
        name: Short, for JSON.
        label: For people.
        description: One sentence.
        fit: Learns from a fold's training tasks; what it returns must not look at a held-out task's labels, but for
            those that ``labels`` admits.
        labels: Labels of the held-out task itself that it uses; -1 for half of them (an oracle).
        ours: Whether it is what thermolang does.
    """

    name: str
    label: str
    description: str
    fit: Callable[[Fold], Predict]
    labels: int = 0
    ours: bool = False


def scaled(reading: TaskPrediction, inverse: float | FloatArray, bias: float | FloatArray = 0.0) -> Prediction:
    """Predictions under a temperature and bias, of the task or of each item."""
    task, s, b = reading.task, np.asarray(inverse), np.asarray(bias)
    if task.kind.has_bias:
        yes = self_check_probability(task.logits, s, b)
        return Prediction(yes, np.stack([yes, 1 - yes], axis=-1))
    p = choice_probabilities(task.logits, s[..., None] if s.ndim else s)
    return Prediction(p.max(-1), p)


def uncalibrated(_fold: Fold) -> Predict:
    """The model's own probabilities."""
    return lambda reading: [scaled(reading, 1.0)]


def base_rate(fold: Fold) -> Predict:
    """The training tasks' mean accuracy, for every answer."""
    rate = float(np.mean([r.task.right.mean() for r in fold.training]))
    return lambda reading: [Prediction(np.full(len(reading.task), rate))]


def one_temperature(fold: Fold, *, bias: bool = False) -> Predict:
    """TS-CV: one temperature, and maybe one bias, fitted on the training tasks (Guo et al., 2017)."""
    scale = fit_temperature([r.task for r in fold.training], TrainingConfig(bias=bias))
    return lambda reading: [scaled(reading, *scale)]


def mapped(fold: Fold, kind: type[Platt] | type[Isotonic]) -> Predict:
    """A map of the uncalibrated confidence, fitted on the training tasks."""
    found = kind().fit([(scaled(r, 1.0).confidence, r.task.right) for r in fold.training])
    return lambda reading: [Prediction(found(scaled(reading, 1.0).confidence))]


def item_temperature(_fold: Fold) -> Predict:
    """The published network, but each item under its own temperature instead of the task's."""
    return lambda reading: [scaled(reading, reading.paper)]


def paper(_fold: Fold) -> Predict:
    """Thermometer as published: one temperature a task, from the mean of its inputs' inverse temperatures."""
    return lambda reading: [scaled(reading, float(reading.paper.mean()))]


def biased(_fold: Fold) -> Predict:
    """Thermometer with a bias, both as the network reads them."""
    return lambda reading: [scaled(reading, float(reading.inverse.mean()), float(reading.bias.mean()))]


@dataclass(frozen=True, eq=False)
class Ours:
    """What thermolang learns from a fold's training tasks.

    Attributes:
        scale: 1/T and bias of a held-out task, from its unlabelled inputs or from the first n of them.
        half_width: Of the predictive interval, in log-odds.
        training_scales: The training tasks' own, out of fold.
    """

    scale: Callable[[TaskPrediction, Sequence[int] | None], Scale]
    half_width: float
    training_scales: tuple[Scale, ...]

    @classmethod
    @lru_cache(maxsize=1)  # several methods of one fold start from it
    def learn(cls, fold: Fold) -> Ours:
        """Fit the prior on the training tasks' out-of-fold readings."""
        tasks = [r.task for r in fold.training]
        config = TrainingConfig(bias=tasks[0].kind.has_bias)
        prior, scales = prior_and_scales(tasks, [(r.inverse, r.bias) for r in fold.training], config)

        def scale(reading: TaskPrediction, first: Sequence[int] | None = None) -> Scale:
            s, b = (x if first is None else x[list(first)] for x in (reading.inverse, reading.bias))
            return prior.moved(float(s.mean()), float(b.mean()), len(s))

        return cls(scale, prior.half_width, tuple(scales))


def thermolang(fold: Fold) -> Predict:
    """The network's reading, trusted as far as the training tasks support it."""
    ours = Ours.learn(fold)
    return lambda reading: [scaled(reading, *ours.scale(reading, None))]


@lru_cache(maxsize=1)
def learner(fold: Fold) -> Learner:
    """The per-answer head, fitted on out-of-fold scales, and what verdicts are judged against.

    Parts of fewer than three data sets do not show what a head does on another one: then there is none, as in use.
    """
    tasks, scales = [r.task for r in fold.training], Ours.learn(fold).training_scales
    enough = len({t.group or t.name for t in tasks}) >= MIN_GROUPS
    found = fit_head(tasks, scales) if enough else None
    return Learner(tasks[0].kind, verdict_prior(fold), found if found and found.chosen else None)


@lru_cache(maxsize=1)
def verdict_prior(fold: Fold) -> VerdictPrior:
    """How far the training tasks' temperatures and biases are from their out-of-fold scales."""
    return fit_verdict_prior([r.task for r in fold.training], Ours.learn(fold).training_scales)


def groups_of(tasks: Sequence[TaskFeatures]) -> list[str]:
    """The tasks' groups; where they are fewer than three, as with two data sets in parts, each task for itself."""
    groups = [t.group or t.name for t in tasks]
    return groups if len(set(groups)) >= MIN_GROUPS else [t.name for t in tasks]


def head(fold: Fold) -> Predict:
    """The per-answer head; for choices, and where training says so for self-checks, at the Thermometer's mean."""
    ours, found = Ours.learn(fold), learner(fold)

    def predict(reading: TaskPrediction) -> list[Prediction]:
        scale, readings = ours.scale(reading, None), found.scores(reading.task)
        logit_offset = np.array([r.logit_offset for r in readings])
        return [
            Prediction(found.probability(reading.task.logits, logit_offset, scale, found.intercept(scale, readings)))
        ]

    return predict


def probe(fold: Fold) -> Predict:
    """Logistic regression on the frozen hidden state alone (as in Kapoor et al., 2024)."""
    tasks = [r.task for r in fold.training]
    found = fit_probe(tasks, groups=groups_of(tasks))
    return lambda reading: [Prediction(found.predict(reading.task.hidden))]


def signal(name: str) -> Callable[[Fold], Predict]:
    """A confidence that was collected beside the logits, as it is."""

    def predict(reading: TaskPrediction) -> list[Prediction] | None:
        values = reading.task.signals.get(name)
        usable = values is not None and bool(np.isfinite(values).all())
        return [Prediction(np.asarray(values))] if usable else None

    return lambda _fold: predict


UNLABELLED: tuple[Method, ...] = (
    Method("uncalibrated", "Uncalibrated", "The model's own probabilities.", uncalibrated),
    Method("base_rate", "Base rate", "The training tasks' mean accuracy for every answer.", base_rate),
    Method("ts_cv", "TS-CV", "One temperature fitted on the training tasks.", one_temperature),
    Method(
        "ts_cv_bias",
        "TS-CV + bias",
        "One temperature and bias fitted on the training tasks; self-checks only.",
        lambda fold: one_temperature(fold, bias=True) if fold.training[0].task.kind.has_bias else _nothing,
    ),
    Method("platt", "Platt", "Logistic map of the confidence, from the training tasks.", lambda f: mapped(f, Platt)),
    Method("isotonic", "Isotonic", "Monotone map of the confidence.", lambda f: mapped(f, Isotonic)),
    Method(
        "item_temperature", "Per-item temperature", "The same network without the mean over inputs.", item_temperature
    ),
    Method("paper", "Thermometer (paper_mode)", "As published: one predicted temperature a task.", paper),
    Method(
        "paper_bias",
        "Thermometer + bias",
        "Temperature and bias as the network predicts them; self-checks only.",
        lambda fold: biased(fold) if fold.training[0].task.kind.has_bias else _nothing,
    ),
    Method(
        "thermolang", "thermolang (task)", "Thermometer, trusted as far as training supports.", thermolang, ours=True
    ),
    Method("head", "thermolang (answer)", "The per-answer head at the task's level.", head, ours=True),
    Method("probe", "Frozen-feature probe", "Logistic regression on the hidden state alone.", probe),
    Method("verbalised", "Verbalised", "The confidence the model states when asked.", signal("verbalised")),
    Method("shuffled", "Shuffled options", "Share of option orders that give the same answer.", signal("shuffled")),
    Method("mean_logprob", "Mean log-prob", "exp of the answer's mean token log-probability.", signal("mean_logprob")),
)
"""Methods that use no label of the task they are measured on."""


def _nothing(_reading: TaskPrediction) -> None:
    return None


DRAWS = 5
"""Random halves of a task; metrics are averaged over them, predictions are not."""

LABELS = (10, 25, 50, 100)

Items = np.ndarray[Any, np.dtype[np.int64]]

Scorer = Callable[[TaskPrediction, "TaskFeatures", TaskPrediction], Prediction]
"""(the whole task, its labelled items, the items to score) -> predictions for the latter."""


def cross_scored(reading: TaskPrediction, score: Scorer, labels: int) -> list[Prediction] | None:
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


AS_IT_IS = Scale(1.0, 0.0)
"""1/T and bias of the model as it is."""


def oracle(fold: Fold) -> Predict:
    """Temperature (and bias) of half of the task's own labels, shrunk to the model as it is, so that no half runs away.

    Shrunk to what other tasks suggest it would be worse than doing nothing wherever they mislead.
    """
    tasks = [r.task for r in fold.training]
    return _shrunk(-1, AS_IT_IS, spread_of(tasks, AS_IT_IS, bias=tasks[0].kind.has_bias))


def shrunk_temperature(labels: int) -> Callable[[Fold], Predict]:
    """Temperature on n labels, shrunk to TS-CV by how much the training tasks differ."""
    return lambda fold: _shrunk(labels, *_centre_and_spread(fold))


def _shrunk(labels: int, centre: Scale, spread: tuple[float, float]) -> Predict:
    def score(_whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
        kind = labelled.kind.has_bias
        return scaled(rest, *fit_task_temperature(labelled, bias=kind, centre=centre, spread=spread))

    return lambda reading: cross_scored(reading, score, labels)


@lru_cache(maxsize=1)  # the same for every number of labels
def _centre_and_spread(fold: Fold) -> tuple[Scale, tuple[float, float]]:
    tasks = [r.task for r in fold.training]
    bias = tasks[0].kind.has_bias
    centre = fit_temperature(tasks, TrainingConfig(bias=bias))
    return centre, spread_of(tasks, centre, bias=bias)


def verdicts(labels: int) -> Callable[[Fold], Predict]:
    """Posterior after n verdicts (right or wrong), with the Thermometer as prior."""

    def fit(fold: Fold) -> Predict:
        ours, prior = Ours.learn(fold), verdict_prior(fold)

        def score(whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
            centre = ours.scale(whole, None)
            found = robust_posterior(prior, centre, labelled.logits, labelled.right, labelled.kind)
            return Prediction(found.predict(rest.task.logits))

        return lambda reading: cross_scored(reading, score, labels)

    return fit


def judged(labels: int) -> Callable[[Fold], Predict]:
    """What is done in use after n verdicts: they move the head's level, or else the means of temperature and bias."""

    def fit(fold: Fold) -> Predict:
        ours, found = Ours.learn(fold), learner(fold)

        def predict(reading: TaskPrediction) -> list[Prediction] | None:
            scale = ours.scale(reading, None)
            level = found.intercept(scale, found.scores(reading.task))

            def score(_whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
                verdicts = list(zip(found.scores(labelled), labelled.right.tolist(), strict=True))
                now = found.learned(scale, level, verdicts)
                logit_offset = np.array([r.logit_offset for r in found.scores(rest.task)])
                return Prediction(found.probability(rest.task.logits, logit_offset, now.scale, now.intercept))

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


def _part(reading: TaskPrediction, items: Items) -> TaskPrediction:
    return TaskPrediction(reading.task.take(items), reading.inverse[items], reading.bias[items], reading.paper[items])


@lru_cache(maxsize=1)  # two methods of one fold start from it
def _learn(fold: Fold) -> SemanticFit | None:
    tasks, head_found = [r.task for r in fold.training], learner(fold).head
    if head_found:
        odds = [_odds(expit(o)) for o in head_found.training_odds]
    else:
        scales = Ours.learn(fold).training_scales
        odds = [_odds(SELF_CHECK.probability(t.logits, s)) for t, s in zip(tasks, scales, strict=True)]
    found = [sampled_task(t, o) if t.kind == SELF_CHECK else None for t, o in zip(tasks, odds, strict=True)]
    usable = [replace(s, group=g) for s, g in zip(found, groups_of(tasks), strict=True) if s is not None]
    return fit_semantic(usable) if usable else None


def _sampled(predict: Predict, reading: TaskPrediction) -> SampledTask | None:
    """What the samples show of a task, beside the confidence of one pass."""
    one_pass = predict(reading)
    return sampled_task(reading.task, _odds(one_pass[0].confidence)) if one_pass else None


def _odds(p: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(p, 1e-6, 1 - 1e-6)))


def thorough(fold: Fold) -> Predict:
    """P(right) from all samples and the calibrated confidence of one pass."""
    fit, one_pass = _learn(fold), head(fold)

    def predict(reading: TaskPrediction) -> list[Prediction] | None:
        task = _sampled(one_pass, reading)
        if fit is None or task is None:
            return None
        odds = fit.log_odds(task.rounds[ROUNDS[-1]], task.self_check, task.logprob)
        return [Prediction(expit(odds), cost=np.ones(len(odds)))]

    return predict


def as_needed(fold: Fold) -> Predict:
    """The same, with as many samples as the decision at the training tasks' mean accuracy needs."""
    fit, one_pass = _learn(fold), head(fold)

    def predict(reading: TaskPrediction) -> list[Prediction] | None:
        task = _sampled(one_pass, reading)
        if fit is None or task is None:
            return None
        rounds = [fit.alone(task.self_check, task.logprob)]
        rounds += [fit.log_odds(task.rounds[n], task.self_check, task.logprob) for n in ROUNDS]
        odds, used = adaptive(fit, rounds, fit.base_rate)
        tokens = np.stack([np.zeros(len(odds)), *(reading.task.signals[f"tokens@{n}"] for n in ROUNDS)])
        return [Prediction(expit(odds), cost=tokens[np.searchsorted((0, *ROUNDS), used), np.arange(len(odds))])]

    return predict


SAMPLED: tuple[Method, ...] = (
    Method("lexical", "Lexical agreement", "Mean token F1 of all pairs of samples.", signal("lexical")),
    Method(
        "semantic_entropy",
        "Semantic entropy",
        "1 minus the entropy of the meanings over log N.",
        signal("semantic_entropy"),
    ),
    Method("share", "Share of the meaning", "Share of the samples that mean what the answer means.", signal("share")),
    Method("thorough", "thermolang (thorough)", "Share, entropy, self-check, calibrated.", thorough, ours=True),
    Method("adaptive", "thermolang (adaptive)", "The same, sampling only while it matters.", as_needed, ours=True),
)
"""Methods that need sampled answers; they use no label of the task they are measured on."""
