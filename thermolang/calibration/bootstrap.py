"""Intervals of measured figures: Wilson's in a reliability table, and the one bootstrap over tasks and items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from thermolang.calibration.metrics import BLOCK, FloatArray, IntArray, Scheme, as_answers, bin_numbers
from thermolang.errors import InvalidInputError, NotEnoughDataError

Figure = Callable[[FloatArray, FloatArray], FloatArray]
"""A function of (confidence, right), both (..., n), that returns (...), such as ``Metric.figure``."""

MIN_RESAMPLES = 100
"""With fewer draws the outer quantiles rest on too few of them."""

MAX_UNDEFINED = 0.1
"""Largest share of draws in which the figure may be undefined, as the AUROC is where all answers are right."""


@dataclass(frozen=True)
class Interval:
    """A figure and the interval around it.

    Attributes:
        estimate: The figure on the data as they are.
        lower: Lower end.
        upper: Upper end.
    """

    estimate: float
    lower: float
    upper: float


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


def item_draws(count: int, *, resamples: int, seed: int) -> IntArray:
    """Draw ``count`` items with replacement, again and again.

    Args:
        count: Number of items n.
        resamples: Number of draws R.
        seed: Same seed, same draws; methods that share them are compared in pairs.

    Returns:
        Shape (1 + R, n), indices of items; the first row is the items as they are.
    """
    drawn = np.random.default_rng(seed).integers(count, size=(resamples, count))
    return np.concatenate([np.arange(count)[None], drawn])


class TaskBootstrap:
    """Resamples tasks, and items within each; every figure gets the same draws, so that differences are paired.

    Args:
        tasks: Number of tasks T.
        resamples: Draws of items that each task has.
        draws: Number of draws of tasks B.
        seed: Same seed, same draws.
    """

    def __init__(self, tasks: int, resamples: int, *, draws: int = 2000, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._tasks = rng.integers(tasks, size=(draws, tasks))  # (B, T)
        # From 1, as column 0 of the figures is not a draw but the items as they are.
        self._items = 1 + rng.integers(resamples, size=(draws, tasks))

    def mean(self, figures: FloatArray) -> FloatArray:
        """Mean over tasks of a figure, leaving out tasks and draws where it is undefined.

        Args:
            figures: Shape (T, 1 + R), the figure on each task's ``item_draws``; NaN where undefined.

        Returns:
            Shape (1 + B,), the first on the tasks and items as they are.
        """
        own = figures[:, 0]
        drawn = figures[self._tasks, self._items]  # (B, T)
        known = np.isfinite(drawn)
        # 0 / 0 gives NaN: the figure is undefined in every task of the draw.
        with np.errstate(invalid="ignore"):
            means = np.where(known, drawn, 0.0).sum(-1) / known.sum(-1)
        return np.concatenate([[own[np.isfinite(own)].mean() if np.isfinite(own).any() else np.nan], means])


def interval(values: NDArray[np.floating[Any]], level: float = 0.95) -> Interval:
    """Percentile interval (Efron 1979), moved so that its median is the estimate.

    Resampling items adds to a measured ECE the bias that measuring it on few items added already; an interval that
    is not moved would lie above the estimate.

    Args:
        values: Shape (1 + B,): the estimate, then the figure on each draw; draws that are not finite are left out.
        level: Coverage of the interval.
    """
    drawn = values[1:][np.isfinite(values[1:])]
    low, middle, high = np.quantile(drawn, [(1 - level) / 2, 0.5, (1 + level) / 2]) - values[0]
    return Interval(float(values[0]), float(values[0] + low - middle), float(values[0] + high - middle))


def bootstrap(
    figure: Figure,
    confidence: ArrayLike,
    right: ArrayLike,
    *,
    other: ArrayLike | None = None,
    other_right: ArrayLike | None = None,
    tasks: ArrayLike | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of a method's figure, or of its difference to that of another method on the same items.

    Both methods see the same items in every draw, so what makes an item hard cancels. With ``tasks`` the figure is
    computed within each task and averaged over tasks. For biased metrics such as ``ece`` the interval is for the value
    expected at this number of items, not for its limit at infinitely many.

    Args:
        figure: ``figure`` of an entry of ``metrics.METRICS``, or any function of (confidence, right), both (..., n),
            that returns (...).
        confidence: Shape (n,), in [0, 1].
        right: Shape (n,), 0 or 1.
        other: Shape (n,), the confidences of another method, whose figure is subtracted.
        other_right: Shape (n,), whether that method's answers were right, if it gave other answers.
        tasks: Shape (n,), the task of each item. With it, tasks are drawn as well as items, which makes the interval
            slightly wide; one task alone says nothing about other tasks.
        resamples: Number of draws.
        level: Coverage of the interval.
        seed: Same seed, same interval.

    Raises:
        NotEnoughDataError: Fewer than 2 items, or the figure is undefined in a task or on many draws.
        InvalidInputError: The arrays do not fit each other, or an option is out of range.

    Example:
        >>> from thermolang.calibration.metrics import METRICS
        >>> brier = METRICS["Brier"].figure
        >>> bootstrap(brier, [0.9, 0.8, 0.3], [1, 1, 0], other=[0.5, 0.5, 0.5]).upper < 0
        True
    """
    _check_level(level)
    if resamples < MIN_RESAMPLES:
        msg = f"resamples must be at least {MIN_RESAMPLES}, not {resamples}"
        raise InvalidInputError(msg)
    methods = [as_answers(confidence, right)]
    if other is not None:
        methods.append(as_answers(other, right if other_right is None else other_right))
    values = _by_task(figure, methods, tasks, resamples, seed)
    if undefined := int(np.sum(~np.isfinite(values[:, 0]))):
        msg = f"the metric is undefined in {undefined} task(s), such as one with right answers only"
        raise NotEnoughDataError(msg)
    if len(values) > 1:
        drawn = TaskBootstrap(len(values), resamples, draws=resamples, seed=seed).mean(values)
    else:
        # A single task cannot be resampled: only its items are drawn.
        drawn = values[0]
    if (defined := int(np.isfinite(drawn[1:]).sum())) < (1 - MAX_UNDEFINED) * resamples:
        msg = f"the figure is {drawn[0]} on {methods[0][0].size} items and defined in {defined} of {resamples} draws"
        raise NotEnoughDataError(msg)
    return interval(drawn, level)


def _by_task(
    figure: Figure,
    methods: Sequence[tuple[FloatArray, FloatArray]],
    tasks: ArrayLike | None,
    resamples: int,
    seed: int,
) -> FloatArray:
    """The figure of the first method, minus that of the second if there is one, shape (tasks, 1 + resamples)."""
    sizes = {p.size for p, _ in methods}
    if len(sizes) > 1:
        msg = f"both methods need the same items, but there are {' and '.join(str(p.size) for p, _ in methods)}"
        raise InvalidInputError(msg)
    rows = []
    for number, items in enumerate(_split(sizes.pop(), tasks)):
        # (1 + resamples, n) of this task; a seed of its own, or tasks of equal size would get the same draws.
        draws = items[item_draws(items.size, resamples=resamples, seed=seed + number)]
        own, *others = (_resampled(figure, p, r, draws) for p, r in methods)
        rows.append(own - others[0] if others else own)
    return np.stack(rows)


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


def _resampled(figure: Figure, p: FloatArray, r: FloatArray, draws: IntArray) -> FloatArray:
    """The figure of each draw, a part of the draws at a time so that memory stays small."""
    parts = np.array_split(draws, draws.size // BLOCK + 1)
    return np.concatenate([figure(p[part], r[part]) for part in parts])
