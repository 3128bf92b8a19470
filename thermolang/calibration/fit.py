"""From labelled tasks to a usable fit: the network, and how far it is off on tasks it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.head import Head
from thermolang.calibration.head_training import CERTAIN, fit_head, group_means
from thermolang.calibration.input_kinds import KindSpace
from thermolang.calibration.kinds import CHOICE, SELF_CHECK, AnswerKind
from thermolang.calibration.learner import Learner
from thermolang.calibration.level import Level, fit_level, task_signals
from thermolang.calibration.posterior import VerdictPrior, anchor, fit_verdict_prior
from thermolang.calibration.temperature import fit_temperature, task_nll
from thermolang.calibration.thermometer import Thermometer
from thermolang.calibration.training import TrainingConfig, train
from thermolang.errors import NotEnoughDataError
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.types import FloatArray

MIN_TASKS = 3
LEVEL = 0.9
"""Coverage of the predictive interval of a task's accuracy."""

PARTS = 10
"""At most so many cross-validation folds of tasks: they show where a new task starts, and how far off it ends."""


@dataclass(frozen=True, eq=False)
class InputDistribution:
    """The training inputs, summarised by the mean and standard deviation of each coordinate.

    Attributes:
        center: Shape (d,), mean of the training hidden states, tasks weighted equally.
        scale: Shape (d,), > 0, their standard deviation.
        radius: 99 % of the inputs of a task left out of the mean and deviation are within this distance.
    """

    center: FloatArray
    scale: FloatArray
    radius: float

    @classmethod
    def fit(cls, hidden: Sequence[FloatArray]) -> InputDistribution:
        """Describe the tasks' hidden states, each of shape (N_k, d).

        With three tasks or more the radius comes from leaving each task out in turn, so that it says how far
        a *new* task usually is.
        """
        center, scale = _center_and_scale(hidden)
        distances = [_distance(np.concatenate(hidden), center, scale)]
        if len(hidden) >= 3:
            others = [_center_and_scale([h for j, h in enumerate(hidden) if j != i]) for i in range(len(hidden))]
            distances = [_distance(task, *picture) for task, picture in zip(hidden, others, strict=True)]
        # Training inputs that are all the same have distance 0; any other input is then far away.
        return cls(center, scale, max(float(np.quantile(np.concatenate(distances), 0.99)), 1e-6))

    def novelty(self, hidden: FloatArray) -> FloatArray:
        """Distance of hidden states (..., d) from the training inputs; above 1 is beyond 99 % of new tasks' inputs."""
        return np.asarray(_distance(hidden, self.center, self.scale) / self.radius)


def _center_and_scale(hidden: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    center = np.mean([h.mean(0) for h in hidden], axis=0)  # (d,)
    scale = np.sqrt(np.mean([((h - center) ** 2).mean(0) for h in hidden], axis=0))
    # A coordinate that never moved in training must not make every new input infinitely novel.
    return center, np.maximum(scale, 0.1 * scale.mean() + 1e-6)


def _distance(hidden: FloatArray, center: FloatArray, scale: FloatArray) -> FloatArray:
    """Root mean square of the standardised coordinates, shape (...)."""
    return np.asarray(np.sqrt((((hidden - center) / scale) ** 2).mean(-1)))


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
        shrinkage_weight: How far a task's scale goes from the prior towards what the network predicts, in [0, 1];
            chosen on the left-out tasks. 1 is the published method, 0 one temperature for all.
    """

    inverse_temperature: float
    bias: float
    inputs: float
    half_width: float
    base_rate: float
    tasks: int
    shrinkage_weight: float = 1.0

    @property
    def scale(self) -> Scale:
        """Temperature and bias before any input."""
        return Scale(self.inverse_temperature, self.bias)

    def moved(self, inverse_temperature: float, bias: float, inputs: int) -> Scale:
        """A task's scale, from the means that the network predicts for its inputs.

        Args:
            inverse_temperature: Mean 1/T over the inputs.
            bias: Mean bias over the inputs.
            inputs: Number of inputs.

        Returns:
            prior + w * n / (n0 + n) * (mean - prior), for 1/T and for the bias; w is ``shrinkage_weight``.
        """
        weight = self.shrinkage_weight * inputs / (self.inputs + inputs) if inputs else 0.0
        s = self.inverse_temperature + weight * (inverse_temperature - self.inverse_temperature)
        return Scale(s, self.bias + weight * (bias - self.bias))


@dataclass(frozen=True, eq=False)
class Fit:
    """Everything that was learned about one kind of answers.

    Attributes:
        network: The Thermometer.
        prior: What a new task starts from.
        inputs: What the training inputs are like; tells whether a new one is unlike them.
        verdicts: How far a task's temperature and bias are from what is predicted for it; None in calibrators that
            were made before verdicts could teach them.
        head: Tells right from wrong within a task; None where it was of no use on the training tasks.
        level: Estimates a task's accuracy from its unlabelled answers; None where that was of no use on the training
            tasks.
        space: Tells the kinds of input in a stream apart; None for choices.
        odds: Out-of-fold log-odds of a right answer for the training tasks' items, shape (N_k,) each. Not saved: empty
            in a fit that was loaded.
    """

    network: Thermometer
    prior: Prior
    inputs: InputDistribution
    verdicts: VerdictPrior | None = None
    head: Head | None = None
    level: Level | None = None
    space: KindSpace | None = None
    odds: tuple[FloatArray, ...] = ()

    @property
    def kind(self) -> AnswerKind:
        """Choices or self-checks."""
        return SELF_CHECK if self.network.bias else CHOICE

    @property
    def learner(self) -> Learner:
        """Computes P(right) and learns from verdicts under this fit."""
        return Learner(self.kind, self.verdicts, self.head, self.level, self.space)


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
    part = parts(tasks)
    if len(set(part)) < MIN_TASKS:
        found = sorted({t.group or t.name for t in tasks})
        msg = f"a calibrator needs tasks of at least {MIN_TASKS} groups, got {found}"
        raise NotEnoughDataError(msg)
    folds = [[i for i, other in enumerate(part) if other != p] for p in range(max(part) + 1)]
    # left_out[p] is the network trained without the tasks of part p.
    network, *left_out = train(tasks, [list(range(len(tasks))), *folds], config, progress=progress)
    predictions = [left_out[p].predict(t.hidden) for p, t in zip(part, tasks, strict=True)]
    prior, scales = prior_and_scales(tasks, predictions, config)
    verdicts, head = fit_verdict_prior(tasks, scales), fit_head(tasks, scales)
    if head.chosen:  # its mean over a task, not the temperature's, is what the interval is about
        errors = [log_odds_error(t.right, expit(o)) for t, o in zip(tasks, head.training_odds, strict=True)]
        prior = replace(prior, half_width=conformal_quantile(errors))
    inputs = InputDistribution.fit([t.hidden for t in tasks])
    groups = [t.group or t.name for t in tasks]
    level = useful_level(tasks, groups, head.training_odds)
    space = KindSpace.fit([t.hidden for t in tasks], groups) if config.bias else None
    odds = levelled(tasks, head.training_odds, part) if level else head.training_odds
    return Fit(network, prior, inputs, verdicts, head if head.chosen else None, level, space, odds)


def useful_level(tasks: Sequence[TaskFeatures], groups: Sequence[str], odds: Sequence[FloatArray]) -> Level | None:
    """What estimates the accuracy of tasks: of self-checks always, of choices only where left-out tasks gain by it.

    Args:
        tasks: Labelled tasks of one kind.
        groups: For each its group, left out together.
        odds: Out-of-fold log-odds of being right, (N_k,) each.
    """
    level = fit_level(tasks, groups)
    if level is None or not tasks[0].kind.is_choice:
        return level
    return level if helps(tasks, odds, levelled(tasks, odds, parts(tasks))) else None


def helps(tasks: Sequence[TaskFeatures], before: Sequence[FloatArray], after: Sequence[FloatArray]) -> bool:
    """Whether out-of-fold log-odds (N_k,) have a certainly lower NLL than others, by a paired t-test over groups."""
    gains = [nll(b, t.right) - nll(a, t.right) for t, b, a in zip(tasks, before, after, strict=True)]
    of_groups = group_means(np.array(gains), [t.group or t.name for t in tasks])
    error = float(of_groups.std(ddof=1)) / math.sqrt(len(of_groups))
    return bool(of_groups.mean() > max(float(student.ppf(CERTAIN, len(of_groups) - 1)) * error, 1e-6))


def nll(log_odds: FloatArray, right: np.ndarray[Any, Any]) -> float:
    """Mean NLL of log-odds (N,) of being right."""
    return float(np.logaddexp(0, np.where(right, -log_odds, log_odds)).mean())


def levelled(tasks: Sequence[TaskFeatures], odds: Sequence[FloatArray], part: Sequence[int]) -> tuple[FloatArray, ...]:
    """Out-of-fold log-odds (N_k,) moved so that their mean is each task's accuracy as estimated without its part."""
    found = []
    levels: dict[int, Level | None] = {}
    for task, o, p in zip(tasks, odds, part, strict=True):
        if p not in levels:
            others = [t for t, q in zip(tasks, part, strict=True) if q != p]
            levels[p] = fit_level(others, [t.group or t.name for t in others])
        level = levels[p]
        found.append(o if level is None else o + anchor(o, level.estimate(task_signals(task)).accuracy))
    return tuple(found)


def parts(tasks: Sequence[TaskFeatures]) -> list[int]:
    """The part that each task is left out with, tasks of one group together."""
    groups = [task.group or task.name for task in tasks]
    # In order of first appearance: the order of a set would differ from run to run.
    part = {g: i % PARTS for i, g in enumerate(dict.fromkeys(groups))}
    return [part[g] for g in groups]


def prior_and_scales(
    tasks: Sequence[TaskFeatures], predictions: Sequence[tuple[FloatArray, FloatArray]], config: TrainingConfig
) -> tuple[Prior, list[Scale]]:
    """What a new task starts from, and where the training tasks would have ended had they been new.

    Args:
        tasks: Labelled training tasks.
        predictions: Inverse temperatures and biases, (N,) each, of networks that had not seen the task.
        config: Weights of the priors, and whether there is a bias.

    Returns:
        The prior, and the scale of each task out of fold: neither starting point nor network saw the task.
    """
    inverse, bias = fit_temperature(tasks, config)
    own = [b if config.bias else s for s, b in predictions]
    accuracy = float(np.mean([t.right.mean() for t in tasks]))
    prior = Prior(inverse, bias, _prior_inputs(own), 0.0, accuracy, len(tasks))
    left_out = [replace(prior, inverse_temperature=s, bias=b) for s, b in _starts(tasks, config)]
    weight = _shrinkage_weight(tasks, predictions, left_out)
    scales = [
        _moved(replace(start, shrinkage_weight=weight), p) for start, p in zip(left_out, predictions, strict=True)
    ]
    errors = [task_log_odds_error(task, scale) for task, scale in zip(tasks, scales, strict=True)]
    return replace(prior, shrinkage_weight=weight, half_width=conformal_quantile(errors)), scales


def task_log_odds_error(task: TaskFeatures, scale: Scale) -> float:
    """Calibration error of a task under a scale, as by ``log_odds_error``."""
    return log_odds_error(task.right, task.kind.probability(task.logits, scale))


def log_odds_error(right: np.ndarray[Any, Any], confidence: FloatArray) -> float:
    """Calibration error in log-odds: how far the share of right answers (N,) is from the mean confidence (N,), >= 0."""
    accuracy = (right.sum() + 0.5) / (len(right) + 1)  # Jeffreys: no infinite log-odds at 0 or 1
    return abs(log_odds(float(accuracy)) - log_odds(float(confidence.mean())))


def _starts(tasks: Sequence[TaskFeatures], config: TrainingConfig) -> list[Scale]:
    """For each task the temperature and bias that fit the tasks of the other parts best."""
    part = parts(tasks)
    found = {
        left_out: fit_temperature([t for t, p in zip(tasks, part, strict=True) if p != left_out], config)
        for left_out in set(part)
    }
    return [found[p] for p in part]


def _moved(prior: Prior, prediction: tuple[FloatArray, FloatArray]) -> Scale:
    inverse, bias = prediction
    return prior.moved(float(inverse.mean()), float(bias.mean()), len(inverse))


def _shrinkage_weight(
    tasks: Sequence[TaskFeatures], predictions: Sequence[tuple[FloatArray, FloatArray]], left_out: Sequence[Prior]
) -> float:
    """The shrinkage weight with the lowest mean NLL over the left-out tasks."""

    def loss(weight: float) -> float:
        moved = [_moved(replace(p, shrinkage_weight=weight), r) for p, r in zip(left_out, predictions, strict=True)]
        return float(np.mean([task_nll(t, s, b) for t, (s, b) in zip(tasks, moved, strict=True)]))

    return float(min(np.linspace(0.0, 1.0, 21), key=loss))


def _prior_inputs(inverse: Sequence[FloatArray]) -> float:
    """Variance within a task over variance between tasks: how many inputs outweigh the prior (Robbins, 1956)."""
    # n0 of a normal-normal model, where n inputs get the weight n / (n0 + n).
    within = float(np.mean([s.var() for s in inverse]))
    between = float(np.var([s.mean() for s in inverse]))
    return float(np.clip(within / max(between, 1e-12), 0.0, 100.0))


def conformal_quantile(errors: Sequence[float]) -> float:
    """Smallest half width that covers a new exchangeable task with probability LEVEL (Vovk et al., 2005).

    With fewer than nine tasks no finite width has that guarantee; the largest error is taken.
    """
    # The + 1 counts the new task among the exchangeable ones.
    rank = math.ceil((len(errors) + 1) * LEVEL)
    return float(sorted(errors)[min(rank, len(errors)) - 1])


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
    # Clipping and rounding must not leave the value outside its own interval.
    return min(float(low), value), max(float(high), value)
