"""The figures of the evaluation report, as elements of a page."""

from __future__ import annotations

import functools
import html
import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

import numpy as np

from thermolang.errors import require

P = ParamSpec("P")
Record = Mapping[str, Any]

BEFORE, AFTER, GREY = "#000000", "#D55E00", "#767676"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
"""Okabe and Ito (2008), without black and vermillion, kept for before and after, and yellow, too faint on white."""
MARKERS = ("s", "^", "D", "P", "v", "X", "<", "p", ">", "*", "d", "h")
DASHES = ("--", "-.", ":", (0, (6, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "thermolang",
    # Matplotlib brings this font, so that the layout is the same everywhere; it is wider than those in FONTS.
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "#333333",
    "ytick.labelcolor": "#333333",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 3.2,
    "lines.markersize": 5,
}


def styled(draw: Callable[P, str]) -> Callable[P, str]:
    """Run a drawing function in the report's style, whatever the user's own style is.

    Raises:
        MissingExtraError: Matplotlib is not installed; when the function is called.
    """

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> str:
        matplotlib = require("matplotlib", "eval")
        with matplotlib.rc_context(), warnings.catch_warnings():
            # The browser has other fonts than the one that the layout is measured with.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            return draw(*args, **kwargs)

    return inside


def new_figure(width: float, height: float, layout: str | None = "constrained") -> Any:
    """A figure of that many inches; the object API leaves pyplot's state and display alone."""
    return require("matplotlib.figure", "eval").Figure(figsize=(width, height), layout=layout)


def to_svg(figure: Any, key: str, alt: str) -> str:
    """The figure as an element for a page: no header, no metadata, the same text every time.

    Args:
        figure: Drawn within ``styled``.
        key: Identifier that is unique within the page; it starts every id of the figure.
        alt: What the figure says, for readers who do not see it.
    """
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = out.getvalue()
    text = text[text.index("<svg") :].replace("'DejaVu Sans'", FONTS)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{key}-", text)
    text = text.replace("*{stroke", f"#{key} *{{stroke", 1)
    label = html.escape(" ".join(alt.split()), quote=True)
    return text.replace("<svg ", f'<svg id="{key}" role="img" aria-label="{label}" ', 1).rstrip()


def looks(methods: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """Colour, marker and dashes of each method; uncalibrated and our first method stand out.

    Args:
        methods: Records with ``name`` and ``ours``; the same order gives the same looks in every figure.
    """
    first = next((m["name"] for m in methods if m.get("ours")), None)
    found: dict[str, dict[str, Any]] = {}
    for number, method in enumerate(methods):
        look: dict[str, Any] = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": MARKERS[number % len(MARKERS)],
            "linestyle": DASHES[number % len(DASHES)],
            "linewidth": 1.3,
        }
        if method["name"] == first:
            look = {"color": AFTER, "marker": "o", "linestyle": "-", "linewidth": 2.2}
        elif method["name"] == "uncalibrated":
            look |= {"color": BEFORE, "marker": "x", "linestyle": (0, (1, 1.2))}
        found[method["name"]] = look
    return found


LONGEST_NAME = 38
MOST_TICKS = 7
TEMPERATURES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10, 20, 50, 100)


AXES = ("confidence", "share right", "items")
"""What the axes of a reliability diagram are called."""


@styled
def reliability(
    bins: Sequence[Record],
    label: str,
    *,
    key: str,
    look: Record | None = None,
    axes_called: tuple[str, str, str] = AXES,
) -> str:
    """Reliability diagram of one method with Wilson whiskers, the number of items in each bin below it."""
    figure = new_figure(2.5, 3.2, layout=None)  # fixed places: the diagram square, the bars exactly below its bins
    top, bottom = (figure.add_axes((0.22, low / 3.2, 0.74, high / 3.2)) for low, high in ((1.1, 1.85), (0.45, 0.45)))
    p, right, count = (np.array([b[n] for b in bins], dtype=float) for n in ("confidence", "accuracy", "count"))
    whiskers = np.array([b["interval"] for b in bins], dtype=float).reshape(-1, 2)
    style = {"color": AFTER, "marker": "o", **(look or {}), "linestyle": "-", "linewidth": 1}
    top.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    top.errorbar(p, right, yerr=np.abs(whiskers.T - right), capsize=2.5, elinewidth=1, **style)
    top.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], xticklabels=[], title=_short(label, 30))
    low, high = (np.array([b[n] for b in bins], dtype=float) for n in ("lower", "upper"))
    width = np.maximum(high - low, 0.01) * 0.9
    bottom.bar((low + high) / 2, count, width=width, color=style["color"], alpha=0.55)
    most = int(count.max(initial=1))
    bottom.set(xlabel=axes_called[0], xlim=(0, 1), xticks=[0, 0.5, 1], xticklabels=["0", "0.5", "1"])
    bottom.set_yticks([0, most], ["0", f"{most / 1000:.1f}k" if most >= 1000 else str(most)])
    for axes, name in ((top, axes_called[1]), (bottom, axes_called[2])):
        axes.set_ylabel(name)
        axes.yaxis.set_label_coords(-0.2, 0.5)
    bottom.grid(False)
    gap = max(zip(np.abs(p - right), p, strict=True), default=(math.nan, math.nan))
    alt = f"Reliability of {label}: {len(bins)} bins, {int(count.sum())} items; confidence and share right are furthest"
    alt += f" apart, by {gap[0]:.2f}, at confidence {gap[1]:.2f}."
    return to_svg(figure, key, alt)


@styled
def dumbbell(tasks: Sequence[Record], before: str, after: str, *, key: str) -> str:
    """One line per task from NLL before to after, with a tick for the oracle temperature.

    Args:
        tasks: Records with ``name``, ``main`` and ``metrics``; those that lack a value are left out.
        before: Name of the method on the open end.
        after: Name of the method on the filled end.
        key: Starts every id.
    """
    known = _ends(tasks, before, after)
    figure = new_figure(7, 1.25 + 0.185 * len(known))
    axes = figure.subplots()
    rows, x, y = np.arange(len(known)), *(np.array([row[end] for row in known], dtype=float) for end in (1, 2))
    ticks = [(v, row) for row, (t, _, _) in enumerate(known) if (v := _nll(t, "oracle")) is not None]
    worse = y > x
    axes.hlines(rows[~worse], x[~worse], y[~worse], color=GREY)
    axes.hlines(rows[worse], x[worse], y[worse], color=AFTER, linestyle=(0, (2, 1)), label="worse than before")
    axes.plot(x, rows, "o", color=BEFORE, markerfacecolor="white", label="uncalibrated")
    axes.plot(y, rows, "o", color=AFTER, label="calibrated")
    if ticks:
        axes.plot(*zip(*ticks, strict=True), "|", color=BEFORE, markersize=9, markeredgewidth=1.4, label="oracle")
    apart = sum(not t.get("main", True) for t, _, _ in known)
    if 0 < apart < len(known):
        axes.axhline(apart - 0.5, color=GREY, linewidth=0.8)
        place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
        axes.annotate("below: tasks set apart", (1, apart - 0.5), (0, 2), **place, color="#333333", fontsize=8)
    axes.set_yticks(rows, [_short(t["name"]) for t, _, _ in known], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel="NLL (less is better)", ylim=(-0.8, len(known) - 0.2))
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=4, handlelength=2)
    less, more = int((~worse).sum()), int(worse.sum())
    alt = f"NLL of {len(known)} tasks before and after: less or the same in {less}, more in {more}."
    return to_svg(figure, key, alt)


def _ends(tasks: Sequence[Record], before: str, after: str) -> list[tuple[Record, float, float]]:
    """Tasks with their two figures, in the order of the axis, which counts from below: set apart, then by before."""
    known = []
    for task in tasks:
        x, y = _nll(task, before), _nll(task, after)
        if x is not None and y is not None:
            known.append((task, x, y))
    return sorted(known, key=lambda row: (bool(row[0].get("main", True)), row[1]))


@styled
def temperatures(tasks: Sequence[Record], *, key: str) -> str:
    """Predicted against oracle temperature, both axes logarithmic; tasks set apart are open squares."""
    known = [t for t in tasks if all(_positive(t.get(n)) for n in ("temperature", "oracle_temperature"))]
    figure = new_figure(4.4, 4.2)
    axes = figure.subplots()
    for main, look in ((True, {"color": AFTER}), (False, {"color": BEFORE, "marker": "s", "markerfacecolor": "none"})):
        part = [t for t in known if bool(t.get("main", True)) == main]
        if part:
            x, y = ([t[n] for t in part] for n in ("oracle_temperature", "temperature"))
            style = {"marker": "o", "linestyle": "", "alpha": 0.8, **look}
            axes.plot(x, y, label="task" if main else "task set apart", **style)
    values = np.array([t[n] for t in known for n in ("temperature", "oracle_temperature")] or [1.0])
    low, high = min(values.min(), 1) / 1.15, max(values.max(), 1) * 1.15
    axes.plot([low, high], [low, high], color=GREY, linestyle="--", linewidth=1, label="equal")
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set(xlabel="oracle temperature (from labels)", ylabel="predicted temperature (without labels)")
    ticks = [t for t in TEMPERATURES if low <= t <= high]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{t:g}" for t in ticks])
        axis.set_ticks([], minor=True)
    axes.legend(loc="best", handlelength=2)
    logs = [abs(math.log(t["temperature"] / t["oracle_temperature"])) for t in known]
    factor = math.exp(float(np.median(logs))) if logs else math.nan
    alt = f"Predicted against oracle temperature of {len(known)} tasks; in the median they differ by the factor"
    return to_svg(figure, key, f"{alt} {factor:.2f}.")


@styled
def inputs_curve(points: Sequence[Record], *, key: str) -> str:
    """Excess NLL over the temperature of all inputs, after the first unlabelled inputs."""
    figure = new_figure(4.8, 3.2)
    axes = figure.subplots()
    _line(axes, points, "inputs", {"color": AFTER, "marker": "o", "linewidth": 2})
    axes.axhline(0, color=GREY, linewidth=1, linestyle="--")
    _counts(axes, [p["inputs"] for p in points])
    axes.set(xlabel="unlabelled inputs seen", ylabel="NLL above that of all inputs")
    alt = "Excess NLL after " + ", ".join(f"{p['inputs']} inputs {p['estimate']:.3f}" for p in points) + "."
    return to_svg(figure, key, alt)


@styled
def labels_curve(curves: Mapping[str, Sequence[Record]], methods: Sequence[Record], *, key: str) -> str:
    """Mean NLL of several methods after a number of labels or verdicts."""
    figure, axes, shown, style = _curves(curves, methods)
    for method in shown:
        _line(axes, curves[method["name"]], "labels", style[method["name"]], method["label"])
    _counts(axes, [p["labels"] for m in shown for p in curves[m["name"]]])
    axes.set(xlabel="labels of the task", ylabel="mean NLL (less is better)")
    figure.legend(loc="outside lower center", ncols=2)
    ends = [(m["label"], *(curves[m["name"]][end]["estimate"] for end in (0, -1))) for m in shown]
    alt = ", ".join(f"{label} {first:.3f} to {last:.3f}" for label, first, last in ends)
    return to_svg(figure, key, f"Mean NLL from the fewest to the most labels: {alt}.")


@styled
def risk_coverage(curves: Mapping[str, Record], methods: Sequence[Record], *, key: str) -> str:
    """Share of wrong answers among the most confident ones, by the share of questions that is answered."""
    figure, axes, shown, style = _curves(curves, methods)
    for number, method in enumerate(shown):
        curve = curves[method["name"]]
        # Markers of curves that lie on each other stand at different places.
        apart = (0.13 * (number / len(shown)), 0.13)
        label = _short(method["label"])
        axes.plot(curve["coverage"], curve["risk"], label=label, markevery=apart, **style[method["name"]])
    axes.set(xlim=(0, 1), ylim=(0, None), xlabel="coverage: share answered", ylabel="risk: share of these wrong")
    figure.legend(loc="outside lower center", ncols=2)
    return to_svg(figure, key, "Risk against coverage of " + ", ".join(m["label"] for m in shown) + ".")


@styled
def novelty_curve(points: Sequence[Sequence[Any]], measure: str, *, key: str) -> str:
    """How far the temperature is off against how new a task is; the three worst tasks are named.

    Args:
        points: ``(novelty, absolute error of log T, task)`` per task.
        measure: What novelty is measured with.
        key: Starts every id.
    """
    figure = new_figure(5.6, 3.4)
    axes = figure.subplots()
    axes.plot([p[0] for p in points], [p[1] for p in points], "o", color=COLOURS[0], alpha=0.8)
    middle = float(np.median([p[0] for p in points])) if points else 0.0
    worst = sorted(points, key=lambda p: -p[1])[:3]
    for x, y, name in worst:
        side, shift = ("right", -6) if x > middle else ("left", 6)
        axes.annotate(_short(name), (x, y), (shift, 0), textcoords="offset points", ha=side, va="center", fontsize=8)
    axes.set(xlabel=f"novelty: {_short(measure, 60)}", ylabel="error of the temperature, |log ratio|", ylim=(0, None))
    named = ", ".join(f"{name} {y:.2f}" for _, y, name in worst)
    return to_svg(figure, key, f"Error of the temperature against novelty of {len(points)} tasks; worst: {named}.")


@styled
def meanings(said: Sequence[Record], question: str, *, right: bool, key: str) -> str:
    """How often each meaning was said when one question was asked several times, the given answer's first.

    Args:
        said: Records with ``text`` and ``share``, as ``Confidence.meanings`` gives them.
        question: What was asked.
        right: Whether the given answer, the first one, is right.
        key: Starts every id.
    """
    figure = new_figure(3.6, 1.05 + 0.26 * len(said))
    axes = figure.subplots()
    shares = [float(one["share"]) for one in said]
    axes.barh(range(len(said)), shares, color=[AFTER, *[COLOURS[0]] * (len(said) - 1)], alpha=0.85)
    for place, share in enumerate(shares):
        told = f"{share:.0%}" if place else f"{share:.0%} ({_verdict(right)})"
        axes.text(share + 0.02, place, told, va="center", fontsize=8)
    axes.set(xlim=(0, 1.4), xticks=[0, 0.5, 1], xlabel="share of samples")
    axes.set_xticklabels(["0", "50 %", "100 %"])
    axes.set_yticks(range(len(said)), [_short(str(one["text"]), 24) or "(empty)" for one in said])
    figure.suptitle(_short(question, 52), fontsize=9)
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    alt = ", ".join(f"{_short(str(one['text']), 40)} {float(one['share']):.0%}" for one in said)
    return to_svg(figure, key, f"Shares of the meanings: {alt}; the first is {_verdict(right)}.")


def _verdict(right: bool) -> str:
    return "right" if right else "wrong"


def _curves(curves: Mapping[str, Any], methods: Sequence[Record]) -> tuple[Any, Any, list[Record], dict[str, Any]]:
    """A figure with room for a legend, its axes, the methods that have a curve, the looks of all."""
    shown = [m for m in methods if curves.get(m["name"])]
    figure = new_figure(5.6, 3.4 + 0.2 * math.ceil(len(shown) / 2))
    return figure, figure.subplots(), shown, looks(methods)


def _line(axes: Any, points: Sequence[Record], x: str, look: Record, label: str | None = None) -> None:
    at, middle, lower, upper = ([p[n] for p in points] for n in (x, "estimate", "lower", "upper"))
    axes.plot(at, middle, label=None if label is None else _short(label), **look)
    axes.fill_between(at, lower, upper, color=look["color"], alpha=0.12, linewidth=0)


def _counts(axes: Any, values: Sequence[int]) -> None:
    """Logarithmic axis of numbers of items that has room for 0."""
    known = sorted(set(values))
    if known and known[0] > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=min((v for v in known if v > 0), default=1), linscale=0.5)
    ticks = known[:: math.ceil(len(known) / MOST_TICKS)] if known else []
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.set_xticks([], minor=True)


def _nll(task: Record, method: str) -> float | None:
    value = ((task.get("metrics") or {}).get(method) or {}).get("NLL")
    return value if value is not None and math.isfinite(value) else None


def _positive(value: Any) -> bool:
    return value is not None and 0 < value < math.inf


def _short(text: str, longest: int = LONGEST_NAME) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
