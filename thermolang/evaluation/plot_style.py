"""How the figures of the evaluation report look, and how one becomes an element of a page."""

from __future__ import annotations

import functools
import html
import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

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
