"""Uncalibrated, a constant base rate and ours on the same held-out items, with paired intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from thermolang.calibration import metrics
from thermolang.calibration.bootstrap import Interval, bootstrap
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.fit import Fit
from thermolang.errors import NotEnoughDataError
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.types import FloatArray

AS_IT_IS = Scale(1.0, 0.0)
"""Uncalibrated."""

METRICS: dict[str, Callable[[Any, Any], float]] = {
    "NLL": metrics.binary_nll,
    "Brier": metrics.brier,
    "ECE": metrics.ece,
    "AUROC": metrics.auroc,
}


@dataclass(frozen=True)
class Comparison:
    """Figures of several methods on the same items.

    Attributes:
        tasks: Names of the held-out tasks.
        items: Number of items.
        accuracy: Share of right answers, the same for every method.
        figures: Method -> metric -> figure with its 95 % interval; None where it is undefined.
        gain: Method -> metric -> ours minus the method's, paired; negative is better but for AUROC.
    """

    tasks: tuple[str, ...]
    items: int
    accuracy: float
    figures: dict[str, dict[str, Interval | None]]
    gain: dict[str, dict[str, Interval | None]]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def compare(fit: Fit, tasks: Sequence[TaskFeatures], *, resamples: int = 1000) -> Comparison:
    """Measure a fit on tasks it was not trained on.

    The temperature and bias of a task come from all of its unlabelled inputs, as the paper does it, shrunk to
    the prior as in use.

    Args:
        fit: The calibrator's fit of this kind.
        tasks: Held-out tasks.
        resamples: Bootstrap draws.
    """
    ours = [calibrated(fit, t) for t in tasks]
    return _compared(fit, tasks, ours, resamples)


def compare_left_out(fit: Fit, tasks: Sequence[TaskFeatures], *, resamples: int = 1000) -> Comparison:
    """Measure a fit on its own training tasks, each by what the others alone would have made of it.

    How far to trust the network and whether a head helps was chosen on these tasks, so this is a little too good.

    Args:
        fit: As it comes from ``fitting.fit``.
        tasks: Its training tasks, in the same order.
        resamples: Bootstrap draws.
    """
    return _compared(fit, tasks, [expit(o) for o in fit.odds], resamples)


def _compared(fit: Fit, tasks: Sequence[TaskFeatures], ours: Sequence[FloatArray], resamples: int) -> Comparison:
    right = np.concatenate([t.right for t in tasks])
    confidences = {
        "uncalibrated": np.concatenate([t.kind.probability(t.logits, AS_IT_IS) for t in tasks]),
        "base rate": np.full(len(right), fit.prior.base_rate),
        "thermolang": np.concatenate(ours),
    }
    figures = {
        name: {metric: _figure(f, p, right, None, resamples) for metric, f in METRICS.items()}
        for name, p in confidences.items()
    }
    gain = {
        name: {metric: _figure(f, confidences["thermolang"], right, p, resamples) for metric, f in METRICS.items()}
        for name, p in confidences.items()
        if name != "thermolang"
    }
    return Comparison(tuple(t.name for t in tasks), len(right), float(right.mean()), figures, gain)


def calibrated(fit: Fit, task: TaskFeatures) -> FloatArray:
    """P(right) of a task's answers under what its own inputs predict for it, shape (N,)."""
    inverse, bias = fit.network.predict(task.hidden)
    scale = fit.prior.moved(float(inverse.mean()), float(bias.mean()), len(inverse))
    scores = fit.learner.scores(task)
    offsets = np.array([s.logit_offset for s in scores])
    return fit.learner.probability(task.logits, offsets, scale, fit.learner.intercept(scale, scores))


def markdown_table(comparison: Comparison) -> str:
    """The figures as a Markdown table, the paired differences below each other method."""
    rows = ["| | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
    for name, values in comparison.figures.items():
        rows.append(f"| {name} | " + " | ".join(_shown(values[m]) for m in METRICS) + " |")
    for name, values in comparison.gain.items():
        rows.append(f"| thermolang minus {name} | " + " | ".join(_shown(values[m], sign="+") for m in METRICS) + " |")
    return "\n".join(rows)


def _figure(
    metric: Callable[[Any, Any], float], ours: FloatArray, right: Any, other: FloatArray | None, resamples: int
) -> Interval | None:
    """A metric, or its paired difference to another method, with a bootstrap interval over items."""

    def statistic(groups: Sequence[Any]) -> float:
        (i,) = groups
        value = metric(ours[i], right[i])
        return value if other is None else value - metric(other[i], right[i])

    try:
        return bootstrap(statistic, len(right), resamples=resamples)
    except NotEnoughDataError:
        return None  # such as AUROC of answers that are all right


def _shown(interval: Interval | None, *, sign: str = "") -> str:
    if interval is None:
        return "undefined"
    return f"{interval.estimate:{sign}.3f} [{interval.lower:{sign}.3f}, {interval.upper:{sign}.3f}]"
