"""One experiment: a model's features, a protocol, all methods, every figure as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from thermolang.calibration.bootstrap import Interval, TaskBootstrap, interval, item_draws, reliability_table
from thermolang.calibration.fit import InputDistribution, log_odds_error
from thermolang.calibration.level import task_signals
from thermolang.calibration.metrics import METRICS, Metric
from thermolang.calibration.metrics import risk_coverage as risk_and_coverage
from thermolang.calibration.temperature import fit_task_temperature, task_nll
from thermolang.calibration.training import TrainingConfig
from thermolang.evaluation.baselines import BASELINES, Baseline, Prediction
from thermolang.evaluation.fold_fits import FoldFits
from thermolang.evaluation.protocol import Fold, TaskPrediction, make_folds
from thermolang.storage import digest
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures
    from thermolang.types import FloatArray

RESAMPLES = 300
"""Draws of items within a task; draws of tasks pick from them."""

INPUTS = (1, 3, 10, 30, 100)
"""Numbers of unlabelled inputs after which a temperature is looked at."""

DRAWS = 10


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A held-out task with the predictions of the network and of every method, and its own best scale.

    Attributes:
        predicted: The network's temperatures and biases for its inputs.
        predictions: By the method's name.
        scale: Temperature and bias that thermolang gives the task.
        oracle: Temperature and bias fitted on the task's own labels.
        novelty: How far the task's inputs are from the training tasks', on average.
        half_width: Of the predictive interval, in log-odds: of the level where there is one.
        centre: Method whose mean confidence it lies around.
        excess: By number of inputs, the NLL above that of the scale from all inputs.
    """

    predicted: TaskPrediction
    predictions: dict[str, list[Prediction]]
    scale: Scale
    oracle: Scale
    novelty: float
    half_width: float
    centre: str
    excess: dict[int, float]

    @property
    def task(self) -> TaskFeatures:
        """The task itself."""
        return self.predicted.task


def predict(fold: Fold) -> list[HeldOut]:
    """Fit every method on a fold's training tasks and apply it to the held-out ones."""
    fits = FoldFits(fold)
    fitted = {name: method.fit(fits) for name, method in BASELINES.items()}
    inputs = InputDistribution.fit([t.hidden for t in fits.tasks])
    found = []
    for predicted in fold.testing:
        task = predicted.task
        predictions = {name: p for name, predict in fitted.items() if (p := predict(predicted)) is not None}
        scale, level = fits.scale(predicted), fits.learner.level
        half_width = level.estimate(task_signals(task)).half_width if level else fits.prior.half_width
        found.append(
            HeldOut(
                predicted,
                predictions,
                scale,
                fit_task_temperature(task, bias=task.kind.has_bias),
                float(inputs.novelty(task.hidden).mean()),
                half_width,
                "head" if level else "thermolang",
                _excess(predicted, fits, scale),
            )
        )
    return found


def _excess(predicted: TaskPrediction, fits: FoldFits, scale: Scale) -> dict[int, float]:
    """NLL above that of the temperature from all inputs, if only n inputs had been seen; mean over random orders."""
    task, rng = predicted.task, np.random.default_rng(len(predicted.task))
    everything = task_nll(task, *scale)
    found = {}
    for n in INPUTS:
        if n <= len(task):
            drawn = [fits.scale(predicted, rng.permutation(len(task))[:n].tolist()) for _ in range(DRAWS)]
            found[n] = float(np.mean([task_nll(task, *s) for s in drawn])) - everything
    return found


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures of one task.

    Attributes:
        task: The task.
        figures: Method -> metric -> shape (1 + resamples,), the first on the items as they are; NaN if undefined.
    """

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
        resamples: Draws of items with replacement.
    """
    draws = item_draws(len(task), resamples=resamples, seed=int(digest(task.name), 16))
    figures: dict[str, dict[str, FloatArray]] = {}
    for method, several in predictions.items():
        found = {m.name: [_figures(m, p, task, draws) for p in several] for m in METRICS.values() if not m.skill}
        figures[method] = {
            name: np.mean([v for v in values if v is not None], axis=0)
            for name, values in found.items()
            if all(v is not None for v in values)
        }
    return Measured(task, figures)


def _figures(metric: Metric, prediction: Prediction, task: TaskFeatures, draws: Any) -> FloatArray | None:
    if not metric.of_options:
        return metric.resampled(np.asarray(prediction.confidence, dtype=np.float64), task.right, draws)
    if prediction.probabilities is None:
        return None
    of_label = prediction.probabilities[np.arange(len(task)), task.labels]
    return metric.resampled(of_label, np.ones(len(task)), draws)


class Resampled:
    """Means over tasks of anything computed from figures, with paired intervals over tasks and items.

    Args:
        measured: The tasks.
        seed: Of the draws; the same for every figure, so that differences are paired.
    """

    def __init__(self, measured: Sequence[Measured], *, seed: int = 0) -> None:
        self.measured = list(measured)
        # All figures have equally many draws, so the first one tells their number.
        resamples = len(next(iter(next(iter(self.measured[0].figures.values())).values()))) - 1
        self._bootstrap = TaskBootstrap(len(self.measured), resamples, seed=seed)

    def means(self, method: str, metric: str) -> FloatArray | None:
        """Mean over tasks, as they are and of each draw; None unless every task has the method and one the figure."""
        rows = [m.figures.get(method, {}).get(metric) for m in self.measured]
        values = [row for row in rows if row is not None]
        if len(values) < len(rows) or not any(np.isfinite(row[0]) for row in values):
            return None
        return self._bootstrap.mean(np.stack(values))

    def difference(self, first: str, second: str, metric: str) -> Interval | None:
        """Interval of first minus second, paired."""
        a, b = self.means(first, metric), self.means(second, metric)
        return None if a is None or b is None else interval(a - b)

    def share_closed(self, method: str, start: str, goal: str | None = None, metric: str = "NLL") -> Interval | None:
        """Interval of (start - method) / (start - goal), each a mean over tasks; without a goal it is 0.

        With the Brier score, the base rate as start and no goal, this is the Brier skill.
        """
        rows = [self.means(name, metric) for name in (method, start, goal) if name]
        if any(row is None for row in rows):
            return None
        # Without a goal, the 0.0 takes its place.
        ours, begin, end = (np.asarray(row) for row in (*rows, 0.0)[:3])
        with np.errstate(invalid="ignore", divide="ignore"):
            return interval((begin - ours) / (begin - end))


def _pooled(held_out: Sequence[HeldOut], method: str) -> tuple[FloatArray, FloatArray] | None:
    if any(method not in h.predictions for h in held_out):
        return None
    confidence = np.concatenate([h.predictions[method][0].confidence for h in held_out])
    return confidence, np.concatenate([h.task.right for h in held_out])


def reliability(held_out: Sequence[HeldOut], method: str) -> list[dict[str, Any]]:
    """Bins of a reliability diagram, over all items of these tasks."""
    pooled = _pooled(held_out, method)
    return (
        [] if pooled is None else [{**vars(row), "interval": list(row.interval)} for row in reliability_table(*pooled)]
    )


def risk_coverage(held_out: Sequence[HeldOut], method: str) -> dict[str, list[float]]:
    """About sixty points of the risk-coverage curve, over all items of these tasks."""
    pooled = _pooled(held_out, method)
    if pooled is None:
        return {}
    curve = risk_and_coverage(*pooled)
    at = np.unique(np.linspace(len(curve.risk) // 50, len(curve.risk) - 1, 60).astype(int))
    return {"coverage": curve.coverage[at].tolist(), "risk": curve.risk[at].tolist()}


def _over_tasks(values: Sequence[float]) -> Interval:
    rows = np.asarray(values)
    # (2000, T) -> (2000,)
    drawn = rows[np.random.default_rng(0).integers(len(rows), size=(2000, len(rows)))].mean(-1)
    return interval(np.concatenate([[rows.mean()], drawn]))


def inputs_curve(held_out: Sequence[HeldOut]) -> list[dict[str, float]]:
    """Excess NLL after n unlabelled inputs, mean over tasks."""
    known = {n: [h.excess[n] for h in held_out if n in h.excess] for n in INPUTS}
    return [{"inputs": n, **asdict(_over_tasks(values))} for n, values in known.items() if values]


def labels_curve(resampled: Resampled) -> dict[str, list[dict[str, float]]]:
    """Mean NLL of right and wrong after n labels, on the tasks that have enough items for every n shown."""
    lines: dict[str, dict[int, str]] = {}
    for method in BASELINES.values():
        for line in method.curves:
            lines.setdefault(line, {})[method.labels] = method.name
    labelled = {n: name for points in lines.values() for n, name in points.items() if n}
    enough = [n for n, name in sorted(labelled.items()) if all(name in m.figures for m in resampled.measured)]
    curves: dict[str, list[dict[str, float]]] = {}
    for line, points in lines.items():
        # A line whose only point needs no labels has the same height everywhere.
        flat = points[0] if set(points) == {0} else None
        means = {n: resampled.means(flat or points[n], "NLL right") for n in (0, *enough) if flat or n in points}
        curves[line] = [{"labels": n, **asdict(interval(v))} for n, v in means.items() if v is not None]
    return curves


def novelty_curve(held_out: Sequence[HeldOut]) -> dict[str, Any] | None:
    """Rank correlation over tasks of novelty and |log T* - log T_oracle|; None if it says nothing."""
    points = [(h.novelty, abs(np.log(h.scale[0] / h.oracle[0])), h.task.name) for h in held_out]
    if len(points) < 5:
        return None
    columns = np.array([p[:2] for p in points])
    draws = np.random.default_rng(0).integers(len(points), size=(1000, len(points)))
    if np.ptp(columns, axis=0).min() == 0:
        return None  # every task is equally novel, or equally far off
    # A draw in which a column is constant has no rank correlation.
    varied = [columns[d] for d in draws if np.ptp(columns[d], axis=0).min() > 0]
    found = interval(np.array([spearmanr(c).statistic for c in (columns, *varied)], dtype=np.float64))
    return {
        "measure": "mean novelty of the task's inputs",
        "rank_correlation": found.estimate,
        # ``interval`` shifts both ends, which may push one out of [-1, 1].
        "lower": max(found.lower, -1.0),
        "upper": min(found.upper, 1.0),
        "tasks": len(points),
        "points": [[float(x), float(y), name] for x, y, name in points],
    }


def coverage(held_out: Sequence[HeldOut]) -> dict[str, Any]:
    """How often a task's accuracy lies in the predictive interval around its mean confidence."""
    centres = [h.predictions[h.centre][0].confidence for h in held_out]
    covered = [log_odds_error(h.task.right, c) <= h.half_width for h, c in zip(held_out, centres, strict=True)]
    widths = []
    for h, centre in zip(held_out, centres, strict=True):
        mean = float(centre.mean())
        odds = np.log(mean / (1 - mean)) + np.array([-1, 1]) * h.half_width
        widths.append(float(np.ptp(1 / (1 + np.exp(-odds)))))
    return {
        "level": 0.9,
        "covered": float(np.mean(covered)),
        "tasks": len(held_out),
        "mean_width": float(np.mean(widths)),
    }


ABOVE_CHANCE = 0.10
"""Tasks that a model answers hardly better than chance are shown apart: there is nothing to be confident about."""

MEASURED = [m.name for m in METRICS.values() if not m.skill]
"""Metrics that a task has a figure of."""

GAP = 0.02
"""Least difference in NLL, in nats, between uncalibrated and oracle of which shares are reported."""


def run(
    tasks: Sequence[TaskFeatures],
    others: Sequence[TaskFeatures] = (),
    *,
    protocol: str,
    config: TrainingConfig | None = None,
    about: dict[str, str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Run every method on every held-out task.

    Args:
        tasks: Features of the training tasks; with protocols other than transfer also what is measured.
        others: With ``transfer``, the tasks to measure.
        protocol: As in ``protocol.make_folds``.
        config: How networks are trained.
        about: ``name``, ``model``, ``form``, ``layer`` for the report.
        progress: Called with (what, done, total).

    Returns:
        One entry of a report's ``settings``; see ``report.render``.
    """
    report = progress or (lambda _what, _done, _total: None)
    folds = make_folds(
        tasks,
        others,
        protocol=protocol,
        config=config or TrainingConfig(),
        progress=lambda done, total: report("training", done, total),
    )
    held_out: list[HeldOut] = []
    for i, fold in enumerate(folds):
        report("measuring", i, len(folds))
        held_out += predict(fold)
    report("measuring", len(folds), len(folds))
    measured = [measure(h.task, h.predictions) for h in held_out]
    main = [i for i, h in enumerate(held_out) if h.task.right.mean() >= h.task.chance + ABOVE_CHANCE]
    parts = {"main": main, "apart": [i for i in range(len(held_out)) if i not in main]}
    summaries = {name: Resampled([measured[i] for i in of]) for name, of in parts.items() if of}
    # Where no task is well above chance, the others are all there is to show.
    lead = [held_out[i] for i in main or parts["apart"]]
    shown = [m.name for m in BASELINES.values() if m.in_diagrams and all(m.name in h.predictions for h in lead)]
    resampled = summaries.get("main") or summaries["apart"]
    return {
        **(about or {}),
        "kind": held_out[0].task.kind.name,
        "protocol": protocol,
        "methods": [_method(m) for m in BASELINES.values() if any(m.name in h.predictions for h in held_out)],
        "tasks": [_task(h, m, i in main) for i, (h, m) in enumerate(zip(held_out, measured, strict=True))],
        "summaries": [_summary(name, s) for name, s in summaries.items()],
        "gap": _gap(resampled),
        "reliability": {name: reliability(lead, name) for name in shown},
        "risk_coverage": {name: risk_coverage(lead, name) for name in shown},
        "inputs_curve": inputs_curve(lead),
        "labels_curve": labels_curve(resampled),
        "novelty_curve": novelty_curve(held_out),
        "interval": coverage(held_out),
        "tokens": _tokens(lead),
    }


def _tokens(held_out: Sequence[HeldOut]) -> dict[str, float]:
    """Of methods that sample, the tokens sampled as a share of those of all samples; mean over tasks."""
    found: dict[str, list[float]] = {}
    for held in held_out:
        for name, (first, *_) in held.predictions.items():
            if first.cost is not None:
                found.setdefault(name, []).append(float(first.cost.mean()))
    return {name: float(np.mean(costs)) for name, costs in found.items()}


def _method(method: Baseline) -> dict[str, Any]:
    names = ("name", "label", "description", "citation", "labels", "samples", "ours")
    return {name: getattr(method, name) for name in names} | {"baseline": not method.ours}


def _task(held_out: HeldOut, measured: Measured, main: bool) -> dict[str, Any]:
    task = held_out.task
    return {
        "name": task.name,
        "items": len(task),
        "accuracy": float(task.right.mean()),
        "chance": task.chance,
        "main": main,
        "temperature": 1 / held_out.scale[0],
        "bias": held_out.scale[1],
        "oracle_temperature": 1 / held_out.oracle[0],
        "novelty": held_out.novelty,
        "accuracy_kept": _kept(held_out, "paper") and _kept(held_out, "thermolang"),
        "metrics": {name: {m: measured.value(name, m) for m in MEASURED} for name in held_out.predictions},
    }


def _kept(held_out: HeldOut, method: str) -> bool:
    """Whether the most probable option is the model's own answer in every item; self-checks give no answers."""
    p = held_out.predictions[method][0].probabilities
    return held_out.task.kind.has_bias or (
        p is not None and bool((p.argmax(-1) == held_out.task.logits.argmax(-1)).all())
    )


TITLES = {"main": "Tasks at least 10 points above chance", "apart": "Tasks nearer to chance, or below"}


def _summary(name: str, resampled: Resampled) -> dict[str, Any]:
    tasks = [m.task for m in resampled.measured]
    figures = {
        method: {m: _mean_and_worst(resampled, method, m) for m in MEASURED} | _skills(resampled, method)
        for method in BASELINES
        if any(resampled.means(method, m) is not None for m in MEASURED)
    }
    return {
        "name": name,
        "title": TITLES[name],
        "tasks": len(tasks),
        "items": sum(map(len, tasks)),
        "accuracy": float(np.mean([t.right.mean() for t in tasks])),
        "figures": figures,
        "differences": {
            method: {m: _record(resampled.difference(method, "uncalibrated", m)) for m in MEASURED}
            for method in figures
        },
    }


def _record(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else asdict(found)


def _mean_and_worst(resampled: Resampled, method: str, metric: str) -> dict[str, Any] | None:
    """The mean over tasks with its interval, and the task with the worst figure."""
    means = resampled.means(method, metric)
    if means is None:
        return None
    values = [(m.value(method, metric), m.task.name) for m in resampled.measured]
    known = [(v, name) for v, name in values if v is not None]
    value, name = (min if METRICS[metric].higher_is_better else max)(known)
    return {**asdict(interval(means)), "worst": value, "worst_task": name}


def _skills(resampled: Resampled, method: str) -> dict[str, dict[str, float] | None]:
    """Figures relative to that of the base rate."""
    skills = {m.name: m for m in METRICS.values() if m.skill}
    return {n: _record(resampled.share_closed(method, "base_rate", metric=m.skill)) for n, m in skills.items()}


def _gap(resampled: Resampled) -> dict[str, Any] | None:
    start, goal = resampled.means("uncalibrated", "NLL"), resampled.means("oracle", "NLL")
    if start is None or goal is None:
        return None
    gap = float(start[0] - goal[0])
    names = [name for name in BASELINES if name != "uncalibrated"]
    closed = {n: resampled.share_closed(n, "uncalibrated", "oracle") for n in names} if gap >= GAP else {}
    ours, baseline = (resampled.means(n, "NLL") for n in ("thermolang", "ts_cv"))
    ahead = None
    if gap >= GAP and ours is not None and baseline is not None:
        # By how much more of the gap ours closes than TS-CV.
        ahead = asdict(interval((baseline - ours) / (start - goal)))
    return {
        "uncalibrated": float(start[0]),
        "oracle": float(goal[0]),
        "exists": gap >= GAP,
        "closed": {name: asdict(share) for name, share in closed.items() if share is not None},
        "ahead_of_ts_cv": ahead,
    }
