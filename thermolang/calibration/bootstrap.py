"""How sure a measured figure is: Wilson intervals in a reliability table, bootstrap of a difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from thermolang.calibration.metrics import IntArray, Scheme, as_answers, bin_numbers
from thermolang.errors import InvalidInputError, NotEnoughDataError

Metric = Callable[[NDArray[Any], NDArray[Any]], float]
"""A function of (prediction, target), arrays with items along the first axis, such as ``metrics.brier``."""

Statistic = Callable[[Sequence[IntArray]], float]
"""A function of the items' indices, one array per task."""

MIN_RESAMPLES = 100
"""Fewer draws do not carry a quantile near an edge."""

MAX_UNDEFINED = 0.1
"""Share of draws that may lack the figure, such as the AUROC of a draw with right answers only."""


@dataclass(frozen=True)
class Interval:
    """A figure and the interval around it.

    Attributes:
        estimate: The figure on the data as they are.
        lower: Lower end.
        upper: Upper end.
        level: Coverage the interval aims at, in (0, 1).
    """

    estimate: float
    lower: float
    upper: float
    level: float


@dataclass(frozen=True)
class ReliabilityBin:
    """One bar of a reliability diagram.

    Attributes:
        lower: Lower edge; with mass bins, the least confidence in the bin.
        upper: Upper edge; with mass bins, the greatest confidence in the bin.
        count: Items in the bin, at least 1.
        confidence: Their mean confidence, in [0, 1].
        accuracy: Share of them that is right, in [0, 1].
        interval: Wilson interval of the accuracy.
    """

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        msg = f"level must be between 0 and 1, not {level}"
        raise InvalidInputError(msg)


def wilson_interval(successes: int, count: int, *, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927), which stays within [0, 1].

    Example:
        >>> [round(end, 4) for end in wilson_interval(8, 10)]
        [0.4902, 0.9433]
    """
    _check_level(level)
    if not 0 <= successes <= count or count < 1:
        msg = f"expected 0 <= successes <= count and count >= 1, not {successes} of {count}"
        raise InvalidInputError(msg)
    found = binomtest(successes, count).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def reliability_table(
    confidence: ArrayLike,
    right: ArrayLike,
    *,
    bins: int = 10,
    scheme: Scheme = "width",
    level: float = 0.95,
) -> list[ReliabilityBin]:
    """Confidence against accuracy, bin by bin (Guo et al. 2017); empty bins are left out.

    Args:
        confidence: Shape (n,), in [0, 1].
        right: Shape (n,), 0 or 1.
        bins: Number of bins.
        scheme: ``"width"`` or ``"mass"``, as in ``metrics.ece``; the table sums up to that ECE.
        level: Coverage of the Wilson intervals.

    Example:
        >>> [(row.count, row.accuracy) for row in reliability_table([0.9, 0.9, 0.2], [1, 0, 0])]
        [(1, 0.0), (2, 0.5)]
    """
    p, r = as_answers(confidence, right)
    index = bin_numbers(p, bins=bins, scheme=scheme)
    table = []
    for number in np.unique(index).tolist():
        inside, good = p[index == number], int(r[index == number].sum())
        edges = (number / bins, (number + 1) / bins) if scheme == "width" else (inside.min(), inside.max())
        interval = wilson_interval(good, inside.size, level=level)
        mean, share = float(inside.mean()), good / inside.size
        table.append(ReliabilityBin(float(edges[0]), float(edges[1]), inside.size, mean, share, interval))
    return table


def _split(count: int, tasks: ArrayLike | None) -> list[IntArray]:
    """Indices 0..count-1, one array per task, tasks in sorted order."""
    if count < 2:
        msg = f"a bootstrap needs at least 2 items, there are {count}"
        raise NotEnoughDataError(msg)
    if tasks is None:
        return [np.arange(count)]
    names = np.asarray(tasks)
    if names.shape != (count,):
        msg = f"tasks must name the task of each of {count} items, not have shape {names.shape}"
        raise InvalidInputError(msg)
    _, group = np.unique(names, return_inverse=True)
    return [np.flatnonzero(group == number) for number in range(group.max() + 1)]


def _resample(groups: Sequence[IntArray], rng: np.random.Generator) -> list[IntArray]:
    """Draw as many tasks, and within each as many items, as there are, with replacement."""
    chosen = rng.integers(len(groups), size=len(groups))
    return [groups[k][rng.integers(groups[k].size, size=groups[k].size)] for k in chosen]


def bootstrap(
    statistic: Statistic,
    count: int,
    *,
    tasks: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval (Efron 1979) of any figure computed from items.

    Args:
        statistic: Takes the indices of the items, one array per task (a single one without ``tasks``), and
            returns the figure. Draws in which it is NaN are left out.
        count: Number of items.
        tasks: Shape (count,), the task of each item. With it, tasks are drawn first and items within each
            drawn task second, which makes the interval slightly wide; one task alone says nothing about
            other tasks.
        resamples: Number of draws.
        level: Coverage of the interval.
        seed: Same seed, same interval.

    Raises:
        NotEnoughDataError: Fewer than 2 items, or the figure is undefined on the data or on many draws.
    """
    _check_level(level)
    if resamples < MIN_RESAMPLES:
        msg = f"resamples must be at least {MIN_RESAMPLES}, not {resamples}"
        raise InvalidInputError(msg)
    groups, rng = _split(count, tasks), np.random.default_rng(seed)
    estimate = float(statistic(groups))
    draws = np.array([statistic(_resample(groups, rng)) for _ in range(resamples)], dtype=np.float64)
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(estimate) or draws.size < (1 - MAX_UNDEFINED) * resamples:
        msg = f"the figure is {estimate} on {count} items and defined in {draws.size} of {resamples} draws"
        raise NotEnoughDataError(msg)
    lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(lower), float(upper), level)


def paired_bootstrap(
    metric: Metric,
    first: ArrayLike,
    second: ArrayLike,
    target: ArrayLike,
    *,
    second_target: ArrayLike | None = None,
    tasks: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of metric(first) - metric(second) for two methods on the same items.

    Both methods see the same items in every draw, so what makes an item hard cancels. With ``tasks`` the
    figure is the mean over tasks of the difference within a task. For biased metrics such as ``ece`` the
    interval is about the difference to expect at this number of items, not about that of infinitely many.

    Args:
        metric: Takes (prediction, target) and returns a number; ``functools.partial`` sets options.
        first: Predictions of the first method, items along the first axis: (n,) or (n, K).
        second: Predictions of the second method.
        target: Shape (n,), what ``metric`` compares with: ``right`` or ``labels``.
        second_target: The target of the second method, if it gave other answers.
        tasks: Shape (n,), the task of each item, for a bootstrap over tasks and items.
        resamples: Number of draws.
        level: Coverage of the interval.
        seed: Same seed, same interval.

    Raises:
        NotEnoughDataError: As ``bootstrap``, or ``metric`` is NaN within a task; leave that task out.

    Example:
        >>> from thermolang.calibration.metrics import brier
        >>> paired_bootstrap(brier, [0.9, 0.8, 0.3], [0.5, 0.5, 0.5], [1, 1, 0]).upper < 0
        True
    """
    a, b, y = np.asarray(first), np.asarray(second), np.asarray(target)
    z = y if second_target is None else np.asarray(second_target)
    if len({array.shape[:1] for array in (a, b, y, z)}) != 1 or not y.ndim:
        msg = f"both methods need the same items, but the shapes are {a.shape}, {b.shape}, {y.shape}, {z.shape}"
        raise InvalidInputError(msg)

    def differences(groups: Sequence[IntArray]) -> NDArray[np.float64]:
        return np.array([metric(a[i], y[i]) - metric(b[i], z[i]) for i in groups])

    def mean_difference(groups: Sequence[IntArray]) -> float:
        values = differences(groups)
        defined = values[np.isfinite(values)]
        return float(defined.mean()) if defined.size else float("nan")

    if undefined := int(np.sum(~np.isfinite(differences(_split(y.shape[0], tasks))))):
        msg = f"the metric is undefined in {undefined} task(s), such as one with right answers only"
        raise NotEnoughDataError(msg)
    return bootstrap(mean_difference, y.shape[0], tasks=tasks, resamples=resamples, level=level, seed=seed)
