"""Figures of several methods on the same items, with paired bootstrap intervals over tasks and items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from thermolang.calibration import metrics
from thermolang.evaluation.baselines import Prediction
from thermolang.storage import digest

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures
    from thermolang.types import FloatArray

RESAMPLES = 300
"""Draws of items within a task."""

TASK_RESAMPLES = 2000
"""Draws of tasks; each picks a draw of items for every task it picks."""

HIGHER_IS_BETTER = frozenset({"AUROC", "Brier skill"})

Draws = Any
"""Shape (R, N): indices of R draws of N items; the first row is the items as they are."""


def nll(prediction: Prediction, task: TaskFeatures, draws: Draws) -> FloatArray | None:
    """Mean negative log-likelihood of the labels over the options, (R,); None without probabilities of options."""
    if prediction.probabilities is None:
        return None
    p = prediction.probabilities[np.arange(len(task)), task.labels]
    return np.asarray(-np.log(np.maximum(p, metrics.EPSILON))[draws].mean(-1))


def right_nll(prediction: Prediction, task: TaskFeatures, draws: Draws) -> FloatArray:
    """Mean negative log-likelihood of right and wrong, (R,)."""
    p = np.where(task.right, prediction.confidence, 1 - prediction.confidence)
    return np.asarray(-np.log(np.maximum(p, metrics.EPSILON))[draws].mean(-1))


def brier(prediction: Prediction, task: TaskFeatures, draws: Draws) -> FloatArray:
    """Brier score of right and wrong, (R,)."""
    return np.asarray(((prediction.confidence - task.right) ** 2)[draws].mean(-1))


def ece(prediction: Prediction, task: TaskFeatures, draws: Draws, *, floor: bool = False) -> FloatArray:
    """ECE with ten bins of equal width, (R,); with ``floor`` minus that of a perfect scorer with these confidences."""
    bins = metrics.bin_numbers(np.asarray(prediction.confidence, dtype=np.float64), bins=10, scheme="width")
    cell = bins[draws] + 10 * np.arange(len(draws))[:, None]
    excess = (task.right - prediction.confidence)[draws]
    sums = np.bincount(cell.ravel(), excess.ravel(), minlength=10 * len(draws)).reshape(len(draws), 10)
    found = np.abs(sums).sum(-1) / draws.shape[1]
    return np.asarray(found - metrics.ece_floor(prediction.confidence) if floor else found)


def auroc(prediction: Prediction, task: TaskFeatures, draws: Draws) -> FloatArray:
    """P(a right answer has more confidence than a wrong one), (R,); NaN where all are right or all wrong."""
    ranks = rankdata(prediction.confidence[draws], axis=-1)
    right = task.right[draws]
    good = right.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        area = ((ranks * right).sum(-1) - good * (good + 1) / 2) / (good * (draws.shape[1] - good))
    return np.asarray(np.where((good > 0) & (good < draws.shape[1]), area, np.nan))


def aurc(prediction: Prediction, task: TaskFeatures, draws: Draws) -> FloatArray:
    """Area under the risk-coverage curve, (R,); ties in the order in which the items were drawn."""
    order = np.argsort(-prediction.confidence[draws], axis=-1, kind="stable")
    wrong = np.take_along_axis(~task.right[draws], order, axis=-1)
    return np.asarray((wrong.cumsum(-1) / np.arange(1, draws.shape[1] + 1)).mean(-1))


METRICS: dict[str, Callable[[Prediction, TaskFeatures, Draws], FloatArray | None]] = {
    "NLL": nll,
    "NLL right": right_nll,
    "Brier": brier,
    "ECE": ece,
    "ECE corrected": partial(ece, floor=True),
    "AUROC": auroc,
    "AURC": aurc,
}


@dataclass(frozen=True, eq=False)
class Measured:
    """One task's figures: method -> metric -> (1 + R,), the first on the items as they are; NaN if undefined."""

    task: TaskFeatures
    figures: Mapping[str, Mapping[str, FloatArray]]

    def value(self, method: str, metric: str) -> float | None:
        """The figure on the items as they are; None if the method or the figure is undefined here."""
        found = self.figures.get(method, {}).get(metric)
        return None if found is None or not np.isfinite(found[0]) else float(found[0])


def measure(
    task: TaskFeatures, predictions: Mapping[str, Sequence[Prediction]], *, resamples: int = RESAMPLES
) -> Measured:
    """All metrics of all methods on one task, on the items and on the same draws of items for every method.

    Args:
        task: The held-out task.
        predictions: By method; the metrics of several predictions are averaged.
        resamples: R, draws of items with replacement.
    """
    n = len(task)
    rng = np.random.default_rng(int(digest(task.name), 16))
    draws = np.concatenate([np.arange(n)[None], rng.integers(n, size=(resamples, n))])
    figures: dict[str, dict[str, FloatArray]] = {}
    for method, several in predictions.items():
        found = {name: [f(p, task, draws) for p in several] for name, f in METRICS.items()}
        figures[method] = {
            name: np.mean([v for v in values if v is not None], axis=0)
            for name, values in found.items()
            if all(v is not None for v in values)
        }
    return Measured(task, figures)


class Resampled:
    """Means over tasks of anything computed from figures, with intervals over tasks and items.

    Args:
        measured: The tasks.
        seed: Of the draws; the same for every figure, so that differences are paired.
    """

    def __init__(self, measured: Sequence[Measured], *, seed: int = 0) -> None:
        self.measured = list(measured)
        rng = np.random.default_rng(seed)
        size = (TASK_RESAMPLES, len(self.measured))
        self._tasks = rng.integers(len(self.measured), size=size)
        resamples = len(next(iter(next(iter(self.measured[0].figures.values())).values()))) - 1
        self._draws = 1 + rng.integers(resamples, size=size)

    def means(self, method: str, metric: str) -> FloatArray | None:
        """Mean over tasks, (1 + TASK_RESAMPLES,), the first as they are; None unless every task has the method."""
        rows = [m.figures.get(method, {}).get(metric) for m in self.measured]
        if any(row is None for row in rows):
            return None
        values = np.stack([row for row in rows if row is not None])  # (tasks, 1 + R)
        defined = np.isfinite(values[:, 0])
        if not defined.any():
            return None
        with np.errstate(invalid="ignore"):
            drawn = np.nanmean(values[self._tasks, self._draws], axis=-1)
        return np.concatenate([[values[defined, 0].mean()], drawn])

    def difference(self, first: str, second: str, metric: str) -> dict[str, float] | None:
        """Interval of first minus second, paired."""
        a, b = self.means(first, metric), self.means(second, metric)
        return None if a is None or b is None else interval(a - b)

    def share_closed(
        self, method: str, start: str, goal: str | None = None, metric: str = "NLL"
    ) -> dict[str, float] | None:
        """Interval of (start - method) / (start - goal), each a mean over tasks; without a goal it is 0.

        With the Brier score, a constant as start and no goal that is the Brier skill.
        """
        rows = [self.means(name, metric) for name in (method, start, goal) if name]
        if any(row is None for row in rows):
            return None
        ours, begin, end = (np.asarray(row) for row in (*rows, 0.0)[:3])
        with np.errstate(invalid="ignore", divide="ignore"):
            return interval((begin - ours) / (begin - end))


def interval(values: FloatArray, level: float = 0.95) -> dict[str, float]:
    """Estimate (the first value) and percentile interval (Efron, 1979) of the others, moved to have it as its median.

    Resampling items adds to a measured ECE the bias that measuring it on few items added already; an interval that
    is not moved would lie above the estimate.
    """
    drawn = values[1:][np.isfinite(values[1:])]
    low, middle, high = np.quantile(drawn, [(1 - level) / 2, 0.5, (1 + level) / 2]) - values[0]
    return {
        "estimate": float(values[0]),
        "lower": float(values[0] + low - middle),
        "upper": float(values[0] + high - middle),
    }
