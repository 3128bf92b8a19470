"""The methods that a proof of concept compares on one task: those of ``baselines``, under a calibrator's fit.

What needs labels learns from half of the task's own and is measured on the other half, in several random cuts; the
calibrator's confidences need none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.fit import Fit, Prior
from thermolang.calibration.learner import Learner
from thermolang.calibration.semantic import SemanticFit
from thermolang.calibration.temperature import Platt, fit_task_temperature
from thermolang.evaluation.baselines import BASELINES, Prediction, cross_scored, judged, scaled
from thermolang.evaluation.fold_fits import FoldFits
from thermolang.evaluation.protocol import Fold, TaskPrediction

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures

OURS, RAW = "thermolang", "uncalibrated"

VERDICTS = (25, 50, 100)
"""Numbers of verdicts whose effect is shown, where half of the labelled answers are as many."""


@dataclass(frozen=True, eq=False)
class CalibratorFits(FoldFits):
    """What a calibrator learned, in place of what a fold's training tasks would give.

    Attributes:
        calibrator: The calibrator.
        fit: Its fit for the kind of answers at hand.
    """

    calibrator: Calibrator
    fit: Fit

    @property
    def has_bias(self) -> bool:
        """Whether answers of this kind are calibrated with a bias as well as a temperature."""
        return self.fit.kind.has_bias

    @property
    def prior(self) -> Prior:
        """The prior of a new task's scale."""
        return self.fit.prior

    @cached_property
    def learner(self) -> Learner:
        """Computes P(right), and learns from verdicts."""
        return self.fit.learner

    @cached_property
    def semantic(self) -> SemanticFit | None:
        """The fit that combines sampled answers with the confidence of one pass."""
        return self.calibrator.semantic


Method = Callable[[CalibratorFits, TaskPrediction], "list[Prediction] | None"]


def _registered(name: str) -> Method:
    return lambda fits, predicted: BASELINES[name].fit(fits)(predicted)


def _each_temperature(_fits: CalibratorFits, predicted: TaskPrediction) -> list[Prediction]:
    """The network's temperature and bias of each answer, without the mean over the task."""
    return [scaled(predicted, predicted.inverse, predicted.bias)]


def _own_temperature(_fits: CalibratorFits, predicted: TaskPrediction) -> list[Prediction] | None:
    def score(_whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
        return scaled(rest, *fit_task_temperature(labelled, bias=False))

    return cross_scored(predicted, score, -1)


def _own_platt(_fits: CalibratorFits, predicted: TaskPrediction) -> list[Prediction] | None:
    def score(whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
        nothing = np.ones(len(labelled))
        raw = scaled(TaskPrediction(labelled, nothing, nothing, nothing), 1.0).confidence
        return Prediction(Platt().fit([(raw, labelled.right)])(scaled(rest, 1.0).confidence))

    return cross_scored(predicted, score, -1)


def _own_rate(_fits: CalibratorFits, predicted: TaskPrediction) -> list[Prediction] | None:
    def score(_whole: TaskPrediction, labelled: TaskFeatures, rest: TaskPrediction) -> Prediction:
        right = labelled.right
        return Prediction(np.full(len(rest.task), (right.sum() + 0.5) / (len(right) + 1)))

    return cross_scored(predicted, score, -1)


def _verdicts(count: int) -> Method:
    return lambda fits, predicted: judged(fits, labels=count)(predicted)


METHODS: dict[str, tuple[Method, int]] = {
    RAW: (_registered("uncalibrated"), 0),
    "item_temperature": (_each_temperature, 0),
    "mean_logprob": (_registered("mean_logprob"), 0),
    "share": (_registered("share"), 0),
    "semantic_entropy": (_registered("semantic_entropy"), 0),
    "thorough": (_registered("thorough"), 0),
    "own_rate": (_own_rate, -1),
    "own_temperature": (_own_temperature, -1),
    "own_platt": (_own_platt, -1),
    **{f"verdicts_{n}": (_verdicts(n), n) for n in VERDICTS},
}
"""Each method and the labels of the task that it uses: none, so many, or half of them (-1)."""


def predictions(
    calibrator: Calibrator, task: TaskFeatures, ours: np.ndarray
) -> tuple[TaskPrediction, dict[str, list[Prediction]]]:
    """What each method that applies says of a labelled task, the calibrated confidences first.

    Args:
        calibrator: Has a fit for the task's kind of answers.
        task: The labelled answers.
        ours: Shape (N,), their calibrated confidences.
    """
    fit = calibrator.fits[task.kind.name]
    inverse, bias = fit.network.predict(task.hidden)
    predicted = TaskPrediction(task, inverse, bias, inverse)
    fits = CalibratorFits(Fold((), (predicted,)), calibrator, fit)
    found = {name: method(fits, predicted) for name, (method, _) in METHODS.items()}
    return predicted, {OURS: [Prediction(ours)], **{n: p for n, p in found.items() if p is not None}}
