"""One experiment: a model's features, a protocol, all methods, every figure as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from thermolang.calibration.bootstrap import reliability_table
from thermolang.calibration.fit import InputDistribution, task_log_odds_error
from thermolang.calibration.metrics import risk_coverage as risk_and_coverage
from thermolang.calibration.temperature import fit_task_temperature, task_nll
from thermolang.calibration.training import TrainingConfig
from thermolang.evaluation.baselines import LABELLED, LABELS, SAMPLED, UNLABELLED, Method, Ours, Prediction
from thermolang.evaluation.measure import HIGHER_IS_BETTER, METRICS, Measured, Resampled, interval, measure
from thermolang.evaluation.protocol import Fold, TaskPrediction, make_folds
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures
    from thermolang.types import FloatArray

METHODS: tuple[Method, ...] = (*UNLABELLED, *SAMPLED, *LABELLED)
"""Everything that is compared."""

INPUTS = (1, 3, 10, 30, 100)
"""Numbers of unlabelled inputs after which a temperature is looked at."""

DRAWS = 10


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was seen of one held-out task."""

    reading: TaskPrediction
    predictions: dict[str, list[Prediction]]
    scale: Scale
    oracle: Scale
    novelty: float
    half_width: float
    excess: dict[int, float]

    @property
    def task(self) -> TaskFeatures:
        """The task itself."""
        return self.reading.task


def predict(fold: Fold) -> list[HeldOut]:
    """Fit every method on a fold's training tasks and apply it to the held-out ones."""
    ours = Ours.learn(fold)
    fitted = {method.name: method.fit(fold) for method in METHODS}
    support = InputDistribution.fit([r.task.hidden for r in fold.training])
    found = []
    for reading in fold.testing:
        task = reading.task
        predictions = {name: p for name, predict in fitted.items() if (p := predict(reading)) is not None}
        scale = ours.scale(reading, None)
        found.append(
            HeldOut(
                reading,
                predictions,
                scale,
                fit_task_temperature(task, bias=task.kind.has_bias),
                float(support.novelty(task.hidden).mean()),
                ours.half_width,
                _excess(reading, ours, scale),
            )
        )
    return found


def _excess(reading: TaskPrediction, ours: Ours, scale: Scale) -> dict[int, float]:
    """NLL above that of the temperature from all inputs, if only n inputs had been seen; mean over random orders."""
    task, rng = reading.task, np.random.default_rng(len(reading.task))
    everything = task_nll(task, *scale)
    found = {}
    for n in INPUTS:
        if n <= len(task):
            drawn = [ours.scale(reading, rng.permutation(len(task))[:n].tolist()) for _ in range(DRAWS)]
            found[n] = float(np.mean([task_nll(task, *s) for s in drawn])) - everything
    return found


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


def _over_tasks(values: Sequence[float]) -> dict[str, float]:
    rows = np.asarray(values)
    drawn = rows[np.random.default_rng(0).integers(len(rows), size=(2000, len(rows)))].mean(-1)
    return interval(np.concatenate([[rows.mean()], drawn]))


def inputs_curve(held_out: Sequence[HeldOut]) -> list[dict[str, float]]:
    """Excess NLL after n unlabelled inputs, mean over tasks."""
    known = {n: [h.excess[n] for h in held_out if n in h.excess] for n in INPUTS}
    return [{"inputs": n, **_over_tasks(values)} for n, values in known.items() if values]


def labels_curve(resampled: Resampled) -> dict[str, list[dict[str, float]]]:
    """Mean NLL of right and wrong after n labels, on the tasks that have enough items for every n shown."""
    enough = [n for n in LABELS if all(f"ts_{n}" in m.figures for m in resampled.measured)]
    curves: dict[str, list[dict[str, float]]] = {}
    for kind, before in {"ts": "ts_cv", "verdicts": "thermolang", "thermolang": "thermolang"}.items():
        points = {0: before} | {n: kind if kind == "thermolang" else f"{kind}_{n}" for n in enough}
        means = {n: resampled.means(name, "NLL right") for n, name in points.items()}
        curves[kind] = [{"labels": n, **interval(v)} for n, v in means.items() if v is not None]
    return curves


def support(held_out: Sequence[HeldOut]) -> dict[str, Any] | None:
    """Rank correlation over tasks of novelty and |log T* - log T_oracle|; None if it says nothing."""
    points = [(h.novelty, abs(np.log(h.scale[0] / h.oracle[0])), h.task.name) for h in held_out]
    if len(points) < 5:
        return None
    columns = np.array([p[:2] for p in points])
    draws = np.random.default_rng(0).integers(len(points), size=(1000, len(points)))
    if np.ptp(columns, axis=0).min() == 0:
        return None  # every task is equally novel, or equally far off
    varied = [columns[d] for d in draws if np.ptp(columns[d], axis=0).min() > 0]
    found = interval(np.array([spearmanr(c).statistic for c in (columns, *varied)]))
    return {
        "measure": "mean novelty of the task's inputs",
        "rank_correlation": found["estimate"],
        "lower": max(found["lower"], -1.0),
        "upper": min(found["upper"], 1.0),
        "tasks": len(points),
        "points": [[float(x), float(y), name] for x, y, name in points],
    }


def coverage(held_out: Sequence[HeldOut]) -> dict[str, Any]:
    """How often a task's accuracy lies in the predictive interval around its mean confidence."""
    covered = [task_log_odds_error(h.task, h.scale) <= h.half_width for h in held_out]
    widths = []
    for h in held_out:
        mean = float(h.predictions["thermolang"][0].confidence.mean())
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

GAP = 0.02
"""Nats between uncalibrated and oracle from which there is something to close."""

SHOWN = ("uncalibrated", "ts_cv", "paper", "thermolang", "head", "thorough", "adaptive")
"""Methods in the diagrams."""


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
        protocol: As in ``folds.make_folds``.
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
    lead = [held_out[i] for i in main or parts["apart"]]
    shown = [name for name in SHOWN if all(name in h.predictions for h in lead)]
    resampled = summaries.get("main") or summaries["apart"]
    return {
        **(about or {}),
        "kind": "self_check" if held_out[0].task.kind.has_bias else "choice",
        "protocol": protocol,
        "methods": [_method(m) for m in METHODS if any(m.name in h.predictions for h in held_out)],
        "tasks": [_task(h, m, i in main) for i, (h, m) in enumerate(zip(held_out, measured, strict=True))],
        "summaries": [_summary(name, s) for name, s in summaries.items()],
        "gap": _gap(resampled),
        "reliability": {name: reliability(lead, name) for name in shown},
        "risk_coverage": {name: risk_coverage(lead, name) for name in shown},
        "inputs_curve": inputs_curve(lead),
        "labels_curve": labels_curve(resampled),
        "support": support(held_out),
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


def _method(method: Method) -> dict[str, Any]:
    shown = {"name": method.name, "label": method.label, "description": method.description}
    return {**shown, "labels": method.labels, "ours": method.ours, "baseline": not method.ours}


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
        "metrics": {name: {m: measured.value(name, m) for m in METRICS} for name in held_out.predictions},
    }


def _kept(held_out: HeldOut, method: str) -> bool:
    """Whether the most probable option is the model's own answer in every item; self-checks give no answers."""
    p = held_out.predictions[method][0].probabilities
    return held_out.task.kind.has_bias or (
        p is not None and bool((p.argmax(-1) == held_out.task.logits.argmax(-1)).all())
    )


def _summary(name: str, resampled: Resampled) -> dict[str, Any]:
    tasks = [m.task for m in resampled.measured]
    figures: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        means = {metric: resampled.means(method.name, metric) for metric in METRICS}
        if any(values is not None for values in means.values()):
            figures[method.name] = {
                metric: None if values is None else interval(values) | _worst(resampled, method.name, metric)
                for metric, values in means.items()
            }
            figures[method.name]["Brier skill"] = resampled.share_closed(method.name, "base_rate", metric="Brier")
    metrics = [*METRICS]
    titles = {"main": "Tasks at least 10 points above chance", "apart": "Tasks nearer to chance, or below"}
    return {
        "name": name,
        "title": titles[name],
        "tasks": len(tasks),
        "items": sum(map(len, tasks)),
        "accuracy": float(np.mean([t.right.mean() for t in tasks])),
        "figures": figures,
        "differences": {
            m: {metric: resampled.difference(m, "uncalibrated", metric) for metric in metrics} for m in figures
        },
    }


def _worst(resampled: Resampled, method: str, metric: str) -> dict[str, Any]:
    values = [(m.value(method, metric), m.task.name) for m in resampled.measured]
    known = [(v, name) for v, name in values if v is not None]
    value, name = (min if metric in HIGHER_IS_BETTER else max)(known, default=(None, ""))
    return {"worst": value, "worst_task": name}


def _gap(resampled: Resampled) -> dict[str, Any] | None:
    start, goal = resampled.means("uncalibrated", "NLL"), resampled.means("oracle", "NLL")
    if start is None or goal is None:
        return None
    gap = float(start[0] - goal[0])
    names = [m.name for m in METHODS if m.name != "uncalibrated"]
    closed = {n: resampled.share_closed(n, "uncalibrated", "oracle") for n in names} if gap >= GAP else {}
    ours, baseline = (resampled.means(n, "NLL") for n in ("thermolang", "ts_cv"))
    ahead = None
    if gap >= GAP and ours is not None and baseline is not None:
        ahead = interval((baseline - ours) / (start - goal))
    return {
        "uncalibrated": float(start[0]),
        "oracle": float(goal[0]),
        "exists": gap >= GAP,
        "closed": {name: share for name, share in closed.items() if share is not None},
        "ahead_of_ts_cv": ahead,
    }
