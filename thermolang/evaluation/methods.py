"""Every way to put a probability on an answer that we compare, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from thermolang.calibration.fewshot import VerdictPrior, fit_verdict_prior
from thermolang.calibration.fitting import prior_and_scales
from thermolang.calibration.head_fitting import MIN_GROUPS, fit_head
from thermolang.calibration.learner import AnswerReading, Learner
from thermolang.calibration.probe import fit_probe
from thermolang.calibration.scaling import Isotonic, Platt
from thermolang.calibration.temperature import fit_temperature
from thermolang.calibration.thermometer import choice_probabilities, self_check_probability
from thermolang.calibration.training import TrainingConfig
from thermolang.evaluation.folds import Fold, Reading

if TYPE_CHECKING:
    from thermolang.calibration.task import TaskFeatures
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


Predict = Callable[[Reading], list[Prediction] | None]
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


def scaled(reading: Reading, inverse: float | FloatArray, bias: float | FloatArray = 0.0) -> Prediction:
    """Predictions under a temperature and bias, of the task or of each item."""
    task, s, b = reading.task, np.asarray(inverse), np.asarray(bias)
    if task.self_check:
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

    scale: Callable[[Reading, Sequence[int] | None], tuple[float, float]]
    half_width: float
    training_scales: tuple[tuple[float, float], ...]

    @classmethod
    @lru_cache(maxsize=1)  # several methods of one fold start from it
    def learn(cls, fold: Fold) -> Ours:
        """Fit the prior on the training tasks' out-of-fold readings."""
        tasks = [r.task for r in fold.training]
        config = TrainingConfig(bias=tasks[0].self_check)
        prior, scales = prior_and_scales(tasks, [(r.inverse, r.bias) for r in fold.training], config)

        def scale(reading: Reading, first: Sequence[int] | None = None) -> tuple[float, float]:
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
    return Learner(tasks[0].self_check, verdict_prior(fold), found if found and found.chosen else None)


@lru_cache(maxsize=1)
def verdict_prior(fold: Fold) -> VerdictPrior:
    """How far the training tasks' temperatures and biases are from their out-of-fold scales."""
    return fit_verdict_prior([r.task for r in fold.training], Ours.learn(fold).training_scales)


def shown(learner: Learner, task: TaskFeatures) -> list[AnswerReading]:
    """What each answer of a task shows to a learner."""
    logprob = task.signals.get("mean_logprob")
    beside = learner.head.beside(task.hidden, logprob) if learner.head else np.zeros(len(task))
    return [AnswerReading(tuple(z), b) for z, b in zip(task.logits.tolist(), beside.tolist(), strict=True)]


def groups_of(tasks: Sequence[TaskFeatures]) -> list[str]:
    """The tasks' groups; where they are fewer than three, as with two data sets in parts, each task for itself."""
    groups = [t.group or t.name for t in tasks]
    return groups if len(set(groups)) >= MIN_GROUPS else [t.name for t in tasks]


def head(fold: Fold) -> Predict:
    """The per-answer head; for choices, and where training says so for self-checks, at the Thermometer's mean."""
    ours, found = Ours.learn(fold), learner(fold)

    def predict(reading: Reading) -> list[Prediction]:
        scale, readings = ours.scale(reading, None), shown(found, reading.task)
        beside = np.array([r.beside for r in readings])
        return [Prediction(found.probability(reading.task.logits, beside, scale, found.level(scale, readings)))]

    return predict


def probe(fold: Fold) -> Predict:
    """Logistic regression on the frozen hidden state alone (as in Kapoor et al., 2024)."""
    tasks = [r.task for r in fold.training]
    found = fit_probe(tasks, groups=groups_of(tasks))
    return lambda reading: [Prediction(found.predict(reading.task.hidden))]


def signal(name: str) -> Callable[[Fold], Predict]:
    """A confidence that was collected beside the logits, as it is."""

    def predict(reading: Reading) -> list[Prediction] | None:
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
        lambda fold: one_temperature(fold, bias=True) if fold.training[0].task.self_check else _nothing,
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
        lambda fold: biased(fold) if fold.training[0].task.self_check else _nothing,
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


def _nothing(_reading: Reading) -> None:
    return None
