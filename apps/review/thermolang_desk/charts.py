"""Plots as SVG elements; colours come from the style sheet, so that they are dark or light with the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from thermolang.review import Bin, CurvePoint, Proportion

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 66, 24, 14, 44
# The histogram below a reliability diagram takes this share of the height.
_HISTOGRAM = 0.18


class Plot:
    """A plot with two axes; elements are drawn in the order in which they are added.

    Args:
        name: Under which it is downloaded.
        label: What it shows, for those who do not see it.
        x_label: Below the horizontal axis.
        y_label: Beside the vertical axis.
        top: Largest value of the vertical axis, which begins at 0.
    """

    def __init__(self, name: str, label: str, x_label: str, y_label: str, *, top: float = 1.0) -> None:
        self._name, self._label, self._top = name, label, top
        self._parts: list[Markup] = []
        self._marked: list[tuple[float, float]] = []
        self._text(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 6, x_label, "middle")
        turned = Markup(
            '<text class="label" text-anchor="middle" transform="translate(12 {:.0f}) rotate(-90)">{}</text>'
        )
        self._parts.append(turned.format(TOP + (HEIGHT - TOP - BOTTOM) / 2, y_label))

    def x(self, share: float) -> float:
        """Where a share of the width is."""
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a value is."""
        return HEIGHT - BOTTOM - value / self._top * (HEIGHT - TOP - BOTTOM)

    def shares_below(self) -> None:
        """Percentages along the horizontal axis."""
        for step in range(0, 101, 20):
            self._text(self.x(step / 100), HEIGHT - BOTTOM + 15, f"{step} %", "middle")

    def scale(self, *, percent: bool) -> None:
        """Lines and numbers of the vertical axis."""
        for step in range(5):
            value = self._top * step / 4
            self.line([(0, value), (1, value)], "grid")
            self._text(LEFT - 6, self.y(value) + 4, f"{value * 100:.3g} %" if percent else f"{value:,.0f}", "end")

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """A line through points: a share of the width and a value each."""
        path = " ".join(f"{self.x(across):.1f},{self.y(value):.1f}" for across, value in points)
        self._parts.append(Markup('<polyline class="{}" points="{}"></polyline>').format(kind, path))

    def area(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """A closed area."""
        path = " ".join(f"{self.x(across):.1f},{self.y(value):.1f}" for across, value in points)
        self._parts.append(Markup('<polygon class="{}" points="{}"></polygon>').format(kind, path))

    def dot(self, across: float, value: float, kind: str) -> None:
        """A dot."""
        dot = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4.5"></circle>')
        self._parts.append(dot.format(kind, self.x(across), self.y(value)))

    def bar(self, across: float, width: float, value: float, kind: str) -> None:
        """A bar from the ground up; place and width are shares of the width."""
        bar = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"></rect>')
        height = max(0.0, self.y(0) - self.y(value))
        self._parts.append(bar.format(kind, self.x(across), self.y(value), width * (WIDTH - LEFT - RIGHT), height))

    def whisker(self, across: float, low: float, high: float) -> None:
        """An interval."""
        self.line([(across, low), (across, high)], "whisker")

    def tick(self, across: float, text: str) -> None:
        """A word below the horizontal axis."""
        self._text(self.x(across), HEIGHT - BOTTOM + 15, text, "middle")

    def mark(self, across: float, value: float, text: str, kind: str) -> None:
        """A dot with a word beside it, which stays off the axis and the words of other marks."""
        self.dot(across, value, kind)
        left, x, y = across > 0.7, self.x(across), self.y(value) + 17
        # Below the axis are its own numbers.
        y = y if y < HEIGHT - BOTTOM else self.y(value) - 9
        while any(abs(x - other) < 90 and abs(y - height) < 13 for other, height in self._marked):
            y = self.y(value) - 9 if y > self.y(value) else y - 13
        self._marked.append((x, y))
        self._text(x + (-9 if left else 9), y, text, "end" if left else "start")

    def render(self) -> Markup:
        """The plot as an element."""
        head = Markup('<svg class="chart" role="img" aria-label="{}" data-name="{}" viewBox="0 0 {} {}">')
        whole = [head.format(self._label, self._name, WIDTH, HEIGHT), *self._parts, Markup("</svg>")]
        return Markup("").join(whole)

    def _text(self, x: float, y: float, text: str, anchor: str) -> None:
        element = Markup('<text class="label" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
        self._parts.append(element.format(x, y, anchor, text))


def reliability(bins: Sequence[Bin], words: Mapping[str, str]) -> Markup:
    """Share of right answers against confidence, with intervals, and how many verdicts there are."""
    plot = Plot("reliability", words["lead_reliability"], words["confidence"], words["share_right"])
    plot.scale(percent=True)
    plot.shares_below()
    most = max((each.right.total for each in bins), default=0) or 1
    for each in bins:
        plot.bar(each.low + 0.01, each.high - each.low - 0.02, _HISTOGRAM * each.right.total / most, "histogram")
    plot.line([(0, 0), (1, 1)], "ideal")
    for each in bins:
        if each.confidence is not None and each.right.share is not None:
            plot.whisker(each.confidence, each.right.low, each.right.high)
            plot.dot(each.confidence, each.right.share, "one")
    return plot.render()


def risk(
    points: Sequence[CurvePoint], marks: Sequence[tuple[str, str, CurvePoint]], words: Mapping[str, str]
) -> Markup:
    """Error among accepted answers against the share that is accepted.

    Args:
        points: One for each threshold.
        marks: A kind (``"one"`` or ``"two"``), a word and a point, for thresholds that are pointed out.
        words: Of the reader's language.
    """
    known = sorted((each.coverage, each.wrong) for each in points if each.wrong.share is not None)
    top = min(1.0, _round_up(max([0.1, *(wrong.share * 1.2 for _, wrong in known if wrong.share)]), 0.01))
    plot = Plot("risk", words["lead_risk"], words["coverage"], words["share_wrong"], top=top)
    plot.scale(percent=True)
    plot.shares_below()
    band = [(coverage, min(top, wrong.high)) for coverage, wrong in known]
    plot.area([*band, *((coverage, wrong.low) for coverage, wrong in reversed(known))], "band")
    plot.line([(coverage, wrong.share or 0.0) for coverage, wrong in known], "curve")
    for kind, word, each in marks:
        if each.wrong.share is not None:
            plot.mark(each.coverage, each.wrong.share, word, kind)
    return plot.render()


def groups(
    name: str,
    label: str,
    labels: Sequence[str],
    values: Sequence[tuple[float | Proportion, float | Proportion]],
    *,
    axes: tuple[str, str],
) -> Markup:
    """Two bars beside each other for each label; shares have their intervals.

    Args:
        name: Under which it is downloaded.
        label: What it shows.
        labels: Below the bars; of many, every second or third is left out.
        values: Two for each label.
        axes: What stands at the horizontal and at the vertical axis.
    """
    from thermolang.review import Proportion

    shares = any(isinstance(value, Proportion) for pair in values for value in pair)
    most = max([0.0, *(value for pair in values for value in pair if not isinstance(value, Proportion))])
    plot = Plot(name, label, *axes, top=1.0 if shares else _round_up(most, 1))
    plot.scale(percent=shares)
    step, skip = 1 / max(1, len(labels)), 1 + len(labels) // 8
    for place, (text, pair) in enumerate(zip(labels, values, strict=True)):
        for side, value in enumerate(pair):
            across, width = (place + 0.15 + 0.37 * side) * step, 0.33 * step
            height = (value.share or 0.0) if isinstance(value, Proportion) else value
            plot.bar(across, width, height, ("one", "two")[side])
            if isinstance(value, Proportion) and value.total:
                plot.whisker(across + width / 2, value.low, value.high)
        if place % skip == 0:
            plot.tick((place + 0.5) * step, text)
    return plot.render()


def _round_up(value: float, smallest: float) -> float:
    """The next number whose quarters are 1, 1.5, 2, 2.5 or 5 times a power of ten times the smallest quarter."""
    for size in range(20):
        for step in (1, 1.5, 2, 2.5, 5):
            whole = step in (1, 2, 5) or size > 0 or smallest < 1
            if whole and (top := float(4 * smallest * step * 10**size)) >= value:
                return top
    return value
