"""The card of a calibrator: uncalibrated, a constant base rate and ours on the same items, with paired intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment, StrictUndefined
from scipy.special import expit

from thermolang._version import __version__
from thermolang.calibration.bootstrap import Interval, bootstrap
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.fit import Fit
from thermolang.calibration.given import GIVEN_FEATURES
from thermolang.calibration.kinds import KindName
from thermolang.calibration.metrics import METRICS, Metric
from thermolang.calibration.semantic import SEMANTIC_FEATURES
from thermolang.errors import NotEnoughDataError
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.calibration.calibrator import Calibrator
    from thermolang.types import FloatArray

AS_IT_IS = Scale(1.0, 0.0)
"""Uncalibrated."""

SHOWN = tuple(m for m in METRICS.values() if m.brief and not m.of_options)
"""The metrics of a card: those of P(the answer is right) that fit a narrow table."""


@dataclass(frozen=True)
class Comparison:
    """Figures of several methods on the same items.

    Attributes:
        tasks: Names of the held-out tasks.
        items: Number of items.
        accuracy: Share of right answers, the same for every method.
        figures: Method -> metric -> figure with its 95 % interval; None where it is undefined.
        gain: Method -> metric -> ours minus the method's, paired.
    """

    tasks: tuple[str, ...]
    items: int
    accuracy: float
    figures: dict[str, dict[str, Interval | None]]
    gain: dict[str, dict[str, Interval | None]]


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
    """Measure a fit on its own training tasks, each with the predictions of a fit on the others.

    The network's shrinkage weight and the head's hyperparameters were chosen on these tasks, so the figures are
    slightly too good.

    Args:
        fit: As it comes from ``calibration.fit.fit``.
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
    ours_all = confidences["thermolang"]
    figures = {n: {m.name: _interval(m, p, right, None, resamples) for m in SHOWN} for n, p in confidences.items()}
    gain = {
        name: {m.name: _interval(m, ours_all, right, p, resamples) for m in SHOWN}
        for name, p in confidences.items()
        if name != "thermolang"
    }
    return Comparison(tuple(t.name for t in tasks), len(right), float(right.mean()), figures, gain)


def calibrated(fit: Fit, task: TaskFeatures) -> FloatArray:
    """P(right) of a task's answers at the temperature and bias predicted from its own inputs, shape (N,)."""
    inverse, bias = fit.network.predict(task.hidden)  # (N,) each
    scale = fit.prior.moved(float(inverse.mean()), float(bias.mean()), len(inverse))
    scores = fit.learner.scores(task)
    return fit.learner.probability(scores, fit.learner.start(scale, scores))


def markdown_table(comparison: Comparison) -> str:
    """The figures as a Markdown table, the paired differences below each other method."""
    names = [m.name for m in SHOWN]
    rows = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for method, values in comparison.figures.items():
        rows.append(f"| {method} | " + " | ".join(_shown(values[n]) for n in names) + " |")
    for method, values in comparison.gain.items():
        rows.append(f"| thermolang minus {method} | " + " | ".join(_shown(values[n], sign="+") for n in names) + " |")
    return "\n".join(rows)


def _interval(
    metric: Metric, ours: FloatArray, right: FloatArray, other: FloatArray | None, resamples: int
) -> Interval | None:
    """A figure, or its paired difference to another method, over items; None where it is undefined."""
    try:
        return bootstrap(metric.figure, ours, right, other=other, resamples=resamples)
    except NotEnoughDataError:
        return None  # such as AUROC of answers that are all right


def _shown(interval: Interval | None, *, sign: str = "") -> str:
    if interval is None:
        return "undefined"
    return f"{interval.estimate:{sign}.3f} [{interval.lower:{sign}.3f}, {interval.upper:{sign}.3f}]"


def card(
    calibrator: Calibrator,
    training: Mapping[KindName, Sequence[TaskFeatures]],
    comparisons: Mapping[str, Comparison],
    *,
    left_out: bool = False,
) -> str:
    """The README of a calibrator: what it was trained on, what was measured, what it does not promise.

    Args:
        calibrator: The calibrator.
        training: Its training tasks, by kind of answer.
        comparisons: What was measured, by kind of answer.
        left_out: Whether that was on the training tasks, each left out in turn.

    Returns:
        Markdown text.
    """
    # No autoescape: the card is Markdown, where names from outside stand in table cells only.
    environment = Environment(  # nosec # B701: Markdown
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {"cell": _cell, "table": markdown_table}
    template = resources.files("thermolang.training").joinpath("card.md.j2").read_text(encoding="utf-8")
    semantic = calibrator.semantic
    # Of the largest number of samples, without the constant.
    line = semantic.coefficients[max(semantic.coefficients)][1:] if semantic else []
    given = calibrator.given
    return environment.from_string(template).render(
        calibrator=calibrator,
        version=__version__,
        date=f"{datetime.now(timezone.utc):%Y-%m-%d}",
        training=training,
        comparisons=comparisons,
        left_out=left_out,
        semantic=semantic,
        weights=list(zip(SEMANTIC_FEATURES, line, strict=bool(semantic))),
        given=given,
        given_weights=[(n, w) for n, w in zip(GIVEN_FEATURES, given.coefficients[1:], strict=True) if w]
        if given
        else [],
    )


def _cell(name: str) -> str:
    """A task's name, which may be that of any file, as the text of one table cell, without markup."""
    return " ".join(name.split()).replace("|", "\\|").replace("<", "&lt;")
