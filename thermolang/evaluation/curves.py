"""What an experiment shows beside its tables: reliability, risk and coverage, curves, support."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from thermolang.calibration.fitting import accuracy_miss
from thermolang.calibration.intervals import reliability_table
from thermolang.calibration.metrics import risk_coverage as risk_and_coverage
from thermolang.evaluation.held_out import INPUTS, HeldOut
from thermolang.evaluation.labelled import LABELS
from thermolang.evaluation.measure import Resampled, interval

if TYPE_CHECKING:
    from thermolang.types import FloatArray


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
    covered = [accuracy_miss(h.task, h.scale) <= h.half_width for h in held_out]
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
