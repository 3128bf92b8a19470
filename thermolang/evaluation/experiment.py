"""One experiment: a model's features, a protocol, all methods, every figure as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from thermolang.calibration.training import TrainingConfig
from thermolang.evaluation.curves import coverage, inputs_curve, labels_curve, reliability, risk_coverage, support
from thermolang.evaluation.folds import make_folds
from thermolang.evaluation.held_out import METHODS, HeldOut, predict
from thermolang.evaluation.measure import HIGHER_IS_BETTER, METRICS, Measured, Resampled, interval, measure
from thermolang.evaluation.methods import Method

if TYPE_CHECKING:
    from thermolang.calibration.task import TaskFeatures

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
        "kind": "self_check" if held_out[0].task.self_check else "choice",
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
    return held_out.task.self_check or (p is not None and bool((p.argmax(-1) == held_out.task.logits.argmax(-1)).all()))


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
