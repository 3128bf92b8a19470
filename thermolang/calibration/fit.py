"""From labelled tasks to a usable fit: the network, and how far it is off on tasks it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.head import Head
from thermolang.calibration.head_training import fit_head
from thermolang.calibration.posterior import (
    VerdictPrior,
    anchor,
    fit_verdict_prior,
    posterior,
    robust_intercept,
    robust_posterior,
)
from thermolang.calibration.temperature import fit_temperature, task_nll
from thermolang.calibration.thermometer import Thermometer, choice_probabilities, self_check_probability
from thermolang.calibration.training import TrainingConfig, train
from thermolang.errors import NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray


@dataclass(frozen=True, eq=False)
class Support:
    """A box-shaped picture of the training inputs: each coordinate's centre and spread.

    Attributes:
        center: Shape (d,), mean of the training hidden states, tasks weighted equally.
        scale: Shape (d,), > 0, their standard deviation.
        radius: The distance that 99 % of the inputs of a task left out of the picture stay within.
    """

    center: FloatArray
    scale: FloatArray
    radius: float

    @classmethod
    def fit(cls, hidden: Sequence[FloatArray]) -> Support:
        """Describe the tasks' hidden states, each of shape (N_k, d).

        With three tasks or more the radius comes from leaving each task out in turn, so that it says how far
        a *new* task usually is.
        """
        center, scale = _picture(hidden)
        distances = [_distance(np.concatenate(hidden), center, scale)]
        if len(hidden) >= 3:
            others = [_picture([h for j, h in enumerate(hidden) if j != i]) for i in range(len(hidden))]
            distances = [_distance(task, *picture) for task, picture in zip(hidden, others, strict=True)]
        # Training inputs that are all the same have distance 0; any other input is then far away.
        return cls(center, scale, max(float(np.quantile(np.concatenate(distances), 0.99)), 1e-6))

    def novelty(self, hidden: FloatArray) -> FloatArray:
        """Distance of hidden states (..., d) from the training inputs; above 1 is beyond 99 % of new tasks' inputs."""
        return np.asarray(_distance(hidden, self.center, self.scale) / self.radius)


def _picture(hidden: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    center = np.mean([h.mean(0) for h in hidden], axis=0)
    scale = np.sqrt(np.mean([((h - center) ** 2).mean(0) for h in hidden], axis=0))
    # A coordinate that never moved in training must not make every new input infinitely novel.
    return center, np.maximum(scale, 0.1 * scale.mean() + 1e-6)


def _distance(hidden: FloatArray, center: FloatArray, scale: FloatArray) -> FloatArray:
    """Root mean square of the standardised coordinates, shape (...)."""
    return np.asarray(np.sqrt((((hidden - center) / scale) ** 2).mean(-1)))


ABSENT = 1e4
"""How far below the others the logit of an option is put that an answer does not have: its probability is 0."""


@dataclass(frozen=True)
class AnswerReading:
    """What an answer showed: all that its probability depends on, given its task.

    Attributes:
        logits: Of the options, K of them; of a self-check in the order yes, no.
        beside: What else adds to the log-odds, by ``Head.beside``; 0 without a head.
    """

    logits: tuple[float, ...]
    beside: float = 0.0


@dataclass(frozen=True)
class Learned:
    """What verdicts made of a task.

    Attributes:
        scale: 1/T and bias.
        level: Added to the head's log-odds.
        share: Of the uncertainty about the task's accuracy, in log-odds, that is left, in (0, 1].
    """

    scale: tuple[float, float]
    level: float
    share: float


@dataclass(frozen=True, eq=False)
class Learner:
    """How answers of one kind are judged, and learned from.

    Attributes:
        self_check: Whether the answers are self-checks; otherwise they are the largest logits of choices.
        prior: How far tasks' temperatures and biases are from what is predicted; None if that was never learned.
        head: Tells right from wrong within a task; None where that was of no use in training.
    """

    self_check: bool
    prior: VerdictPrior | None = None
    head: Head | None = None

    def readings(self, task: TaskFeatures) -> list[AnswerReading]:
        """What each answer of a task shows, N of them."""
        logprob = task.signals.get("mean_logprob")
        beside = self.head.beside(task.hidden, logprob) if self.head else np.zeros(len(task))
        return [AnswerReading(tuple(z), b) for z, b in zip(task.logits.tolist(), beside.tolist(), strict=True)]

    def probability(
        self, logits: FloatArray, beside: FloatArray, scale: tuple[float, float], level: float = 0.0
    ) -> FloatArray:
        """P(the given answer is right), shape (N,).

        Args:
            logits: Shape (N, K).
            beside: Shape (N,), as in ``AnswerReading``.
            scale: 1/T and bias of the task.
            level: Of the task, added to the head's log-odds.
        """
        if self.head is not None:
            return np.asarray(expit(self.head.odds(logits, beside, scale) + level))
        inverse, bias = scale
        if self.self_check:
            return self_check_probability(logits, inverse, bias)
        p = choice_probabilities(logits, inverse).max(-1)
        return np.asarray(expit(logit(p) + bias)) if bias else np.asarray(p)

    def level(self, scale: tuple[float, float], readings: Sequence[AnswerReading]) -> float:
        """The level at which the head's mean over the task's inputs is that of its temperature; 0 where it has none."""
        if self.head is None or not self.head.anchored or not readings:
            return 0.0
        plain = Learner(self.self_check)
        mean = np.concatenate([plain.probability(z, h, scale) for _, z, h in _alike(readings)]).mean()
        return anchor(self._odds(scale, readings), float(mean))

    def learned(
        self, scale: tuple[float, float], level: float, verdicts: Sequence[tuple[AnswerReading, bool]]
    ) -> Learned:
        """Move a task's scale, or with a head its level, by verdicts: the mean of the posterior given all of them.

        Which answers were judged may depend on anything the readings show, such as their confidence: the posterior is
        conditional on the readings.

        Args:
            scale: 1/T and bias as predicted for the task.
            level: As predicted.
            verdicts: Each answer's reading and whether it was right.
        """
        if not verdicts:
            return Learned(scale, level, 1.0)
        readings, right = [r for r, _ in verdicts], np.array([v for _, v in verdicts])
        if self.head is not None:
            odds, tau = self._odds(scale, readings) + level, self.head.spread
            moved, sd = robust_intercept(odds, right, tau)
            return Learned(scale, level + moved, min(1.0, sd / tau))
        if self.prior is None:
            return Learned(scale, level, 1.0)
        z = _filled(readings)
        found = robust_posterior(self.prior, scale, z, right, self_check=self.self_check)
        # The width that verdicts narrow was learned with the prior, so it is compared with the prior's alone.
        before = posterior(self.prior, scale, z[:0], right[:0], self_check=self.self_check).level_moments(z)
        start = float(np.sqrt(max(before[1] - before[0] ** 2, 0.0)))
        return Learned(found.mean, level, min(1.0, found.spread(z) / start) if start else 1.0)

    def _odds(self, scale: tuple[float, float], readings: Sequence[AnswerReading]) -> FloatArray:
        odds = np.empty(len(readings))
        for items, z, h in _alike(readings):
            odds[items] = self.head.odds(z, h, scale)  # type: ignore[union-attr]
        return odds


def _alike(readings: Sequence[AnswerReading]) -> list[tuple[list[int], FloatArray, FloatArray]]:
    """Which answers have equally many options: their places, their logits (n, K) and what else adds."""
    widths: dict[int, list[int]] = {}
    for i, reading in enumerate(readings):
        widths.setdefault(len(reading.logits), []).append(i)
    return [
        (items, np.array([readings[i].logits for i in items]), np.array([readings[i].beside for i in items]))
        for items in widths.values()
    ]


def _filled(readings: Sequence[AnswerReading]) -> FloatArray:
    """Logits of all answers (n, K), as many options for each as the one with most has."""
    most = max(len(r.logits) for r in readings)
    rows = [[*r.logits, *[min(r.logits) - ABSENT] * (most - len(r.logits))] for r in readings]
    return np.array(rows, dtype=np.float64)


MIN_TASKS = 3
LEVEL = 0.9
PARTS = 10
"""Parts of the tasks that are left out in turn, at most: to find where a new task starts, and how far off it ends."""


@dataclass(frozen=True)
class Prior:
    """What is known about a new task before its first input, from tasks left out in training.

    Attributes:
        inverse_temperature: The 1/T that fits all training tasks together best.
        bias: The bias fitted with it, in log-odds; 0 for choices.
        inputs: How many of a task's own inputs weigh as much as this prior.
        half_width: Half width, in log-odds, of the 90 % predictive interval of a task's accuracy.
        base_rate: Mean accuracy of the training tasks.
        tasks: Number of training tasks.
        trust: How far a task's 1/T and bias go from the prior towards what the network reads, in [0, 1]; chosen
            on the left-out tasks. 1 is the published method, 0 one temperature for all.
    """

    inverse_temperature: float
    bias: float
    inputs: float
    half_width: float
    base_rate: float
    tasks: int
    trust: float = 1.0

    def moved(self, inverse_temperature: float, bias: float, inputs: int) -> tuple[float, float]:
        """A task's 1/T and bias, from the means that the network reads in its inputs.

        Args:
            inverse_temperature: Mean 1/T over the inputs.
            bias: Mean bias over the inputs.
            inputs: Number of inputs.

        Returns:
            prior + trust * n / (n0 + n) * (mean - prior), for 1/T and for the bias.
        """
        weight = self.trust * inputs / (self.inputs + inputs) if inputs else 0.0
        s = self.inverse_temperature + weight * (inverse_temperature - self.inverse_temperature)
        return s, self.bias + weight * (bias - self.bias)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Fit:
    """A trained Thermometer for one kind of reading.

    Attributes:
        network: The Thermometer.
        prior: What a new task starts from.
        support: The inputs it was trained on.
        verdicts: How far a task's temperature and bias are from what is predicted for it; None in calibrators that
            were made before verdicts could teach them.
        head: Tells right from wrong within a task; None where it was of no use on the training tasks.
        odds: Log-odds of a right answer of the training tasks' items, (N_k,) each, out of fold; empty once it was saved
            and read again.
    """

    network: Thermometer
    prior: Prior
    support: Support
    verdicts: VerdictPrior | None = None
    head: Head | None = None
    odds: tuple[FloatArray, ...] = ()

    @property
    def learner(self) -> Learner:
        """How answers are judged under this fit."""
        return Learner(self.network.bias, self.verdicts, self.head)


def fit(
    tasks: Sequence[TaskFeatures],
    config: TrainingConfig,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Fit:
    """Train on all tasks, and on all but a tenth of the groups in turn to learn how far a new task is off.

    Args:
        tasks: Labelled features of at least three tasks.
        config: See ``TrainingConfig``; ``config.bias`` says whether these are self-checks.
        progress: Called with (step, steps).

    Raises:
        NotEnoughDataError: Fewer than three tasks.
    """
    if len(tasks) < MIN_TASKS:
        msg = f"a calibrator needs at least {MIN_TASKS} tasks of one kind, got {len(tasks)}: {[t.name for t in tasks]}"
        raise NotEnoughDataError(msg)
    part = _parts(tasks)
    if len(set(part)) < MIN_TASKS:
        found = sorted({t.group or t.name for t in tasks})
        msg = f"a calibrator needs tasks of at least {MIN_TASKS} groups, got {found}"
        raise NotEnoughDataError(msg)
    folds = [[i for i, other in enumerate(part) if other != p] for p in range(max(part) + 1)]
    network, *left_out = train(tasks, [list(range(len(tasks))), *folds], config, progress=progress)
    readings = [left_out[p].predict(t.hidden) for p, t in zip(part, tasks, strict=True)]
    prior, scales = prior_and_scales(tasks, readings, config)
    verdicts, head = fit_verdict_prior(tasks, scales), fit_head(tasks, scales)
    if head.chosen:  # its mean over a task, not the temperature's, is what the interval is about
        misses = [miss(t.right, expit(o)) for t, o in zip(tasks, head.training_odds, strict=True)]
        prior = replace(prior, half_width=conformal_quantile(misses))
    support = Support.fit([t.hidden for t in tasks])
    return Fit(network, prior, support, verdicts, head if head.chosen else None, head.training_odds)


def _parts(tasks: Sequence[TaskFeatures]) -> list[int]:
    """The part that each task is left out with, tasks of one group together."""
    groups = [task.group or task.name for task in tasks]
    part = {g: i % PARTS for i, g in enumerate(dict.fromkeys(groups))}
    return [part[g] for g in groups]


def probability_right(logits: FloatArray, inverse_temperature: float, bias: float, *, self_check: bool) -> FloatArray:
    """P(the given answer is right), shape (N,), from logits (N, K)."""
    if self_check:
        return self_check_probability(logits, inverse_temperature, bias)
    return np.asarray(choice_probabilities(logits, inverse_temperature).max(-1))


def prior_and_scales(
    tasks: Sequence[TaskFeatures], readings: Sequence[tuple[FloatArray, FloatArray]], config: TrainingConfig
) -> tuple[Prior, list[tuple[float, float]]]:
    """What a new task starts from, and where the training tasks would have ended had they been new.

    Args:
        tasks: Labelled training tasks.
        readings: Inverse temperatures and biases, (N,) each, that networks read which had not seen the task.
        config: Weights of the priors, and whether there is a bias.

    Returns:
        The prior, and for each task its 1/T and bias out of fold: starting point and network never saw the task.
    """
    inverse, bias = fit_temperature(tasks, config)
    own = [b if config.bias else s for s, b in readings]
    accuracy = float(np.mean([t.right.mean() for t in tasks]))
    prior = Prior(inverse, bias, _prior_inputs(own), 0.0, accuracy, len(tasks))
    left_out = [replace(prior, inverse_temperature=s, bias=b) for s, b in _starts(tasks, config)]
    trust = _trust(tasks, readings, left_out)
    scales = [_moved(replace(start, trust=trust), r) for start, r in zip(left_out, readings, strict=True)]
    misses = [accuracy_miss(task, scale) for task, scale in zip(tasks, scales, strict=True)]
    return replace(prior, trust=trust, half_width=conformal_quantile(misses)), scales


def accuracy_miss(task: TaskFeatures, scale: tuple[float, float]) -> float:
    """How far a task's accuracy is from its mean confidence under 1/T and bias, in log-odds, >= 0."""
    return miss(task.right, probability_right(task.logits, *scale, self_check=task.self_check))


def miss(right: np.ndarray[Any, Any], confidence: FloatArray) -> float:
    """How far the share of right answers is from the mean confidence, both of shape (N,), in log-odds, >= 0."""
    accuracy = (right.sum() + 0.5) / (len(right) + 1)  # Jeffreys: no infinite log-odds at 0 or 1
    return abs(log_odds(float(accuracy)) - log_odds(float(confidence.mean())))


def _starts(tasks: Sequence[TaskFeatures], config: TrainingConfig) -> list[tuple[float, float]]:
    """For each task the temperature and bias that fit the tasks of the other parts best."""
    part = _parts(tasks)
    found = {
        left_out: fit_temperature([t for t, p in zip(tasks, part, strict=True) if p != left_out], config)
        for left_out in set(part)
    }
    return [found[p] for p in part]


def _moved(prior: Prior, reading: tuple[FloatArray, FloatArray]) -> tuple[float, float]:
    inverse, bias = reading
    return prior.moved(float(inverse.mean()), float(bias.mean()), len(inverse))


def _trust(
    tasks: Sequence[TaskFeatures], readings: Sequence[tuple[FloatArray, FloatArray]], left_out: Sequence[Prior]
) -> float:
    """The trust with the lowest mean NLL over the left-out tasks."""

    def loss(trust: float) -> float:
        moved = [_moved(replace(p, trust=trust), r) for p, r in zip(left_out, readings, strict=True)]
        return float(np.mean([task_nll(t, s, b) for t, (s, b) in zip(tasks, moved, strict=True)]))

    return float(min(np.linspace(0.0, 1.0, 21), key=loss))


def _prior_inputs(inverse: Sequence[FloatArray]) -> float:
    """Variance within a task over variance between tasks: how many inputs outweigh the prior (Robbins, 1956)."""
    within = float(np.mean([s.var() for s in inverse]))
    between = float(np.var([s.mean() for s in inverse]))
    return float(np.clip(within / max(between, 1e-12), 0.0, 100.0))


def conformal_quantile(misses: Sequence[float]) -> float:
    """Smallest half width that covers a new exchangeable task with probability LEVEL (Vovk et al., 2005).

    With fewer than nine tasks no finite width has that guarantee; the largest miss is taken.
    """
    rank = math.ceil((len(misses) + 1) * LEVEL)
    return float(sorted(misses)[min(rank, len(misses)) - 1])


def log_odds(p: float) -> float:
    """log(p / (1 - p)) of a probability, kept 1e-6 away from 0 and 1."""
    p = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))


def predictive_interval(value: float, half_width: float) -> tuple[float, float]:
    """The log-odds of a confidence plus and minus ``half_width``, as probabilities.

    >>> low, high = predictive_interval(0.5, 1.0)
    >>> round(low, 3), round(high, 3)
    (0.269, 0.731)
    """
    p = min(max(value, 1e-9), 1 - 1e-9)
    odds = np.log(p / (1 - p)) + np.array([-half_width, half_width])
    low, high = 1 / (1 + np.exp(-odds))
    return min(float(low), value), max(float(high), value)
