"""The figures of a proof of concept, in either language; words come from the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thermolang.evaluation.plots import AFTER, BEFORE, COLOURS, GREY, new_figure, styled, to_svg

Record = Mapping[str, Any]
Words = Mapping[str, str]
BLUE = COLOURS[0]


@styled
def trade_off(rows: Sequence[Record], alpha: float | None, words: Words, *, key: str, alt: str) -> str:
    """Share answered automatically as bars, and below it the error among these with its interval.

    Args:
        rows: Of a table of thresholds; ``error`` is None where nothing is accepted or known.
        alpha: The largest error allowed; None draws shares only.
        words: What the axes are called.
        key: Starts every id.
        alt: What the figure says.
    """
    figure = new_figure(6.2, 3.9 if alpha is not None else 2.2)
    panels = figure.subplots(2 if alpha is not None else 1, 1, sharex=True, squeeze=False)[:, 0]
    x, names = np.arange(len(rows)), [f"{row['threshold']:g}" for row in rows]
    shares = [100 * (1 - row["review"]) for row in rows]
    panels[0].bar(x, shares, color=BLUE, width=0.62)
    for place, share in zip(x, shares, strict=True):
        panels[0].annotate(f"{share:.0f}", (place, share), (0, 2), textcoords="offset points", ha="center", fontsize=8)
    panels[0].set(ylabel=f"{words['auto']} (%)", ylim=(0, 112), yticks=[0, 50, 100])
    if alpha is not None:
        known = [(i, row["error"]) for i, row in enumerate(rows) if row["error"]]
        middle = np.array([100 * e["estimate"] for _, e in known])
        spans = np.abs([[100 * e["lower"], 100 * e["upper"]] for _, e in known] - middle[:, None]).T if known else None
        panels[1].axhline(100 * alpha, color=GREY, linestyle="--", linewidth=1.2)
        if known:
            panels[1].errorbar([i for i, _ in known], middle, yerr=spans, fmt="o", color=AFTER, capsize=3)
        panels[1].set(ylabel=f"{words['error']} (%)", ylim=(0, None))
    panels[-1].set(xlabel=words["threshold"])
    panels[-1].set_xticks(x, names)
    for axes in panels:
        axes.grid(visible=False, axis="x")
    return to_svg(figure, key, alt)


@styled
def pairs(points: Sequence[Sequence[float]], words: Words, labels: tuple[str, str], *, key: str, alt: str) -> str:
    """One line a question from the seconds of the answer alone to those with a confidence, the quickest below."""
    ordered = sorted(points, key=lambda point: point[0])
    figure = new_figure(6.2, 1.1 + 0.1 * len(ordered))
    axes = figure.subplots()
    rows = np.arange(len(ordered))
    alone, together = (np.array([p[i] for p in ordered]) for i in (0, 1))
    axes.hlines(rows, alone, together, color=GREY, linewidth=1)
    axes.plot(alone, rows, "o", color=BEFORE, markerfacecolor="white", label=labels[0], markersize=4)
    axes.plot(together, rows, "o", color=AFTER, label=labels[1], markersize=4)
    axes.set(xlabel=words["seconds"], xlim=(0, None), yticks=[], ylim=(-0.8, len(ordered) - 0.2))
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=2, handlelength=1)
    return to_svg(figure, key, alt)


@styled
def methods(rows: Sequence[tuple[str, Record]], ours: int, words: Words, *, key: str, alt: str) -> str:
    """A dot with its interval for each method, in the order of the table; ours is filled."""
    figure = new_figure(7, 0.8 + 0.27 * len(rows))
    axes = figure.subplots()
    for place, (_, found) in enumerate(rows):
        look = {"color": AFTER} if place == ours else {"color": BLUE, "markerfacecolor": "white"}
        span = [[found["estimate"] - found["lower"]], [found["upper"] - found["estimate"]]]
        axes.errorbar([found["estimate"]], [place], xerr=np.maximum(span, 0), fmt="o", capsize=3, **look)
    axes.axvline(rows[ours][1]["estimate"], color=GREY, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set(xlabel=words["brier"], ylim=(len(rows) - 0.5, -0.5))
    axes.grid(visible=False, axis="y")
    return to_svg(figure, key, alt)


@styled
def histogram(bins: Sequence[Record], words: Words, *, key: str, alt: str) -> str:
    """Number of answers by confidence."""
    figure = new_figure(4.6, 2.2)
    axes = figure.subplots()
    axes.bar([(b["lower"] + b["upper"]) / 2 for b in bins], [b["count"] for b in bins], width=0.09, color=BLUE)
    axes.set(xlim=(0, 1), xlabel=words["confidence"], ylabel=words["count"])
    axes.grid(visible=False, axis="x")
    return to_svg(figure, key, alt)
