"""The evaluation report: one HTML file without any outside resource, made from plain results.

``results`` is what a study writes as JSON. Any part may be missing or empty; its section is then left out.

    title, created, version, command, machine: str
    checks: [{target, seen: str, met: bool | null}]
    settings: [{
        name, model, form, layer, kind, protocol: str, notes: [str],
        methods: [{name, label, description: str, labels: int | null, ours, baseline: bool}],
        tasks: [{name, items, accuracy, chance, main, temperature, oracle_temperature, metrics: {method: {metric: x}}}],
        summaries: [{name, title, tasks, items, accuracy,
            figures: {method: {metric: {estimate, lower, upper, worst, worst_task} | null}},
            differences: {method: {metric: {estimate, lower, upper} | null}}}],   # minus uncalibrated, paired
        gap: {uncalibrated, oracle: float, exists: bool, closed: {method: {estimate, lower, upper} | null}} | null,
        reliability: {method: [{lower, upper, count, confidence, accuracy, interval}]},
        risk_coverage: {method: {coverage: [x], risk: [x]}},
        inputs_curve: [{inputs, estimate, lower, upper}],
        labels_curve: {method: [{labels, estimate, lower, upper}]},
        novelty_curve: {measure, rank_correlation, lower, upper, tasks, points: [[novelty, error, task]]} | null,
        interval: {level, covered, tasks, mean_width} | null}]

``"uncalibrated"`` names the model as it is, ``"oracle"`` the bound that is fitted on half of the task's labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import ChainableUndefined, Environment
from markupsafe import Markup

from thermolang.calibration.metrics import METRICS
from thermolang.errors import InvalidInputError
from thermolang.evaluation import plots
from thermolang.evaluation.plots import looks
from thermolang.storage import write_atomically

Record = Mapping[str, Any]

UNCALIBRATED, ORACLE = "uncalibrated", "oracle"
HIGHER_IS_BETTER = frozenset(m.name for m in METRICS.values() if m.higher_is_better)
DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


def write_report(results: Record, path: Path | str) -> Path:
    """Write the report; a reader of ``path`` sees the old file or the whole new one.

    Args:
        results: See the module.
        path: The HTML file, or with the ending ``.md`` the summary tables as Markdown; its folder is made if missing.

    Raises:
        InvalidInputError: The results are not a mapping.
        MissingExtraError: Matplotlib is not installed.
        OSError: The file cannot be written.
    """
    target = Path(path)
    page = markdown_tables(results) if target.suffix.lower() == ".md" else render(results)
    write_atomically(target, page)
    return target


def render(results: Record) -> str:
    """The report as HTML text; the same results give the same text.

    Raises:
        InvalidInputError: The results are not a mapping.
        MissingExtraError: Matplotlib is not installed.
    """
    _check(results)
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=ChainableUndefined)
    environment.filters |= {"figure": shown, "share": _share, "number": _number, "count": _count}
    environment.tests["decided"] = lambda d: bool(d) and (d["lower"] > 0 or d["upper"] < 0)
    template = resources.files("thermolang.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8")
    settings = [_setting(s, f"setting-{n}") for n, s in enumerate(results.get("settings") or [], start=1)]
    return environment.from_string(template).render(
        results=results, settings=settings, known_metrics=METRICS, higher=HIGHER_IS_BETTER
    )


def markdown_tables(results: Record) -> str:
    """The overview and each setting's summaries as Markdown tables.

    Raises:
        InvalidInputError: The results are not a mapping.
    """
    _check(results)
    parts: list[str] = []
    for setting in results.get("settings") or []:
        parts.append(f"### {_cell(setting.get('name', ''))}")
        for summary in filter(_has_figures, setting.get("summaries") or []):
            size = f"{summary.get('tasks', DASH)} tasks, {summary.get('items', DASH)} items"
            accuracy = f"accuracy {_number(summary.get('accuracy'))}"
            parts.append(f"{_cell(summary.get('title', summary.get('name', '')))}: {size}, {accuracy}.")
            parts.append(_markdown_table(_table(_methods(setting), summary["figures"])))
    return "\n\n".join(parts) + "\n" if parts else ""


def shown(interval: Record | None, sign: str = "") -> str:
    """An interval as text, such as ``0.512 [0.480, 0.545]``; a dash where there is none."""
    if interval is None or not interval or not _finite(interval.get("estimate")):
        return DASH
    ends = [_number(interval.get(end), sign) for end in ("lower", "upper")]
    return f"{_number(interval['estimate'], sign)} [{', '.join(ends)}]"


def _check(results: Any) -> None:
    if not isinstance(results, Mapping):
        msg = (
            f"the results of an evaluation are a mapping with title, settings and checks, not {type(results).__name__}"
        )
        raise InvalidInputError(msg)


def _setting(setting: Record, key: str) -> dict[str, Any]:
    """What the template needs of a setting beyond the record itself."""
    methods, tasks = _methods(setting), setting.get("tasks") or []
    ours = next((m for m in methods if m.get("ours")), None)
    summaries = [
        {**s, "groups": _table(methods, s["figures"]), "metrics": _metrics(s["figures"])}
        for s in filter(_has_figures, setting.get("summaries") or [])
    ]
    first = next((s for s in summaries if s.get("name") == "main"), summaries[0] if summaries else {})
    figures = first.get("figures") or {}
    return {
        **setting,
        "key": key,
        "methods": methods,
        "ours": ours,
        "summaries": summaries,
        "first": first,
        "before": (figures.get(UNCALIBRATED) or {}).get("NLL"),
        "after": (figures.get(ours["name"]) or {}).get("NLL") if ours else None,
        "task_metrics": _metrics({t["name"]: (t.get("metrics") or {}).get(UNCALIBRATED) for t in tasks}),
        "plots": _plots(setting, methods, ours, key),
    }


def _plots(setting: Record, methods: Sequence[Record], ours: Record | None, key: str) -> dict[str, Any]:
    """The figures that the setting has data for, as safe markup; ``reliability`` and ``meanings`` are lists."""
    tasks, curves = setting.get("tasks") or [], setting.get("labels_curve") or {}
    reliability, style = setting.get("reliability") or {}, looks(methods)
    found: dict[str, str] = {}
    if ours and any({UNCALIBRATED, ours["name"]} <= set(t.get("metrics") or {}) for t in tasks):
        found["dumbbell"] = plots.dumbbell(tasks, UNCALIBRATED, ours["name"], key=f"{key}-tasks")
    if any(t.get("temperature") and t.get("oracle_temperature") for t in tasks):
        found["temperatures"] = plots.temperatures(tasks, key=f"{key}-temperatures")
    if points := setting.get("inputs_curve"):
        found["inputs"] = plots.inputs_curve(points, key=f"{key}-inputs")
    if any(curves.values()):
        found["labels"] = plots.labels_curve(curves, methods, key=f"{key}-labels")
    if any((risk := setting.get("risk_coverage") or {}).values()):
        found["risk"] = plots.risk_coverage(risk, methods, key=f"{key}-risk")
    if (novelty := setting.get("novelty_curve") or {}).get("points"):
        found["novelty"] = plots.novelty_curve(novelty["points"], novelty.get("measure", ""), key=f"{key}-novelty")
    said = [
        plots.meanings(one["said"], one["question"], right=one["right"], key=f"{key}-said-{n}")
        for n, one in enumerate(setting.get("examples") or [])
    ]
    panels = [
        plots.reliability(reliability[m["name"]], m["label"], key=f"{key}-reliability-{n}", look=style[m["name"]])
        for n, m in enumerate(methods)
        if reliability.get(m["name"])
    ]
    several = {"reliability": [Markup(svg) for svg in panels], "meanings": [Markup(svg) for svg in said]}  # nosec # B704: plots
    return {name: Markup(svg) for name, svg in found.items()} | several  # nosec # B704: plots


def _methods(setting: Record) -> list[dict[str, Any]]:
    """The listed methods, then those that only the figures know; each has a label."""
    listed = {m["name"]: dict(m) for m in setting.get("methods") or []}
    mentioned: list[str] = [name for s in setting.get("summaries") or [] for name in s.get("figures") or {}]
    for part in ("reliability", "risk_coverage", "labels_curve"):
        mentioned += setting.get(part) or {}
    for name in mentioned:
        listed.setdefault(name, {"name": name})
    for name, method in listed.items():
        method["label"] = method.get("label") or name
    return list(listed.values())


def _metrics(figures: Mapping[str, Any]) -> list[str]:
    """Names of the metrics in the order of their first mention."""
    return list(dict.fromkeys(metric for values in figures.values() for metric in values or {}))


def _has_figures(summary: Record) -> bool:
    return bool(summary.get("figures"))


def _table(methods: Sequence[Record], figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Methods in groups that may be compared, with the best figure of each metric of the group.

    A method that has seen labels of the task it is measured on is no rival of one that has not, and nothing is a
    rival of the oracle.
    """
    kinds: dict[str, list[Record]] = {"Without labels of the task": [], "With labels of the task": [], "Bound": []}
    for method in methods:
        if figures.get(method["name"]):
            kind = (
                "Bound"
                if method["name"] == ORACLE
                else "With labels of the task"
                if method.get("labels")
                else "Without labels of the task"
            )
            kinds[kind].append(method)
    metrics = _metrics(figures)
    return [
        {"title": title, "metrics": metrics, "rows": [_row(m, members, figures, metrics) for m in members]}
        for title, members in kinds.items()
        if members
    ]


def _row(
    method: Record, rivals: Sequence[Record], figures: Mapping[str, Any], metrics: Sequence[str]
) -> dict[str, Any]:
    own = figures[method["name"]]
    cells = []
    for metric in metrics:
        values = [_estimate(figures[m["name"]].get(metric)) for m in rivals]
        known = [v for v in values if v is not None]
        best = (max if metric in HIGHER_IS_BETTER else min)(known, default=None)
        mine = _estimate(own.get(metric))
        # As shown: two figures that read the same are both the best.
        wins = len(known) > 1 and mine is not None and _number(mine) == _number(best)
        cells.append({"metric": metric, "figure": own.get(metric), "best": wins})
    return {"method": method, "cells": cells}


def _markdown_table(groups: Sequence[Record]) -> str:
    metrics = groups[0]["metrics"] if groups else []
    lines = ["| method | labels | " + " | ".join(_cell(m) for m in metrics) + " |", "|---|--:|" + "--:|" * len(metrics)]
    for row in (row for group in groups for row in group["rows"]):
        method, cells = row["method"], [(shown(c["figure"]), c["best"]) for c in row["cells"]]
        labels = "half" if method["name"] == ORACLE else str(method.get("labels") or 0)
        figures = " | ".join(f"**{text}**" if best else text for text, best in cells)
        lines.append(f"| {_cell(method['label'])} | {labels} | {figures} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text from outside within one Markdown cell."""
    plain = " ".join(str(text).split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _estimate(interval: Record | None) -> float | None:
    value = (interval or {}).get("estimate")
    return value if _finite(value) else None


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _number(value: Any, sign: str = "", digits: int = 3) -> str:
    return f"{value:{sign}.{digits}f}".replace("-", MINUS) if _finite(value) else DASH


def _share(value: Any) -> str:
    return f"{100 * value:.0f} %".replace("-", MINUS) if _finite(value) else DASH


def _count(value: Any) -> str:
    return f"{value:,}" if _finite(value) else DASH
