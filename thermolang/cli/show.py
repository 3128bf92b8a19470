"""Output of the command line: a live table, bars, summaries."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from thermolang.cli.demo import DemoItem
    from thermolang.training.card import Comparison
    from thermolang.training.collect import Collected
    from thermolang.types import Confidence

WIDTH = 10
_DECISIONS = {"accept": "[green]accept[/]", "review": "[yellow]review[/]", "reject": "[red]reject[/]"}


def bar(value: float | None, width: int = WIDTH) -> str:
    """A probability as a bar of ``width`` characters.

    >>> bar(0.25, 4)
    '█░░░'
    """
    if value is None:
        return "?" * width
    filled = round(value * width)
    return "█" * filled + "░" * (width - filled)


def demo_table(console: Console, items: Iterable[DemoItem], total: int) -> list[DemoItem]:
    """Show items as they come, and return them; where nobody looks, each is a plain line written at once."""
    if not console.is_terminal:
        return _demo_lines(console, items)
    table = Table(title=f"{total} held-out questions", expand=True, show_lines=False)
    table.add_column("question", ratio=4, overflow="ellipsis", no_wrap=True)
    table.add_column("answer", ratio=3, overflow="ellipsis", no_wrap=True)
    table.add_column("P(right)", width=WIDTH + 5, no_wrap=True)
    table.add_column("", width=5)
    table.add_column("decision", width=8)
    done: list[DemoItem] = []
    with Live(table, console=console, refresh_per_second=4, vertical_overflow="visible"):
        for item in items:
            done.append(item)
            shown = "none" if item.confidence is None else f"{item.confidence:.2f}"
            right = "[green]right[/]" if item.correct else "[red]wrong[/]"
            answer = " ".join(item.answer.split())
            row = (escape(item.question), escape(answer), f"{shown:>4} {bar(item.confidence)}", right)
            table.add_row(*row, _DECISIONS[item.decision])
    return done


def _demo_lines(console: Console, items: Iterable[DemoItem]) -> list[DemoItem]:
    done: list[DemoItem] = []
    for item in items:
        done.append(item)
        shown = "none" if item.confidence is None else f"{item.confidence:.2f}"
        right = "right" if item.correct else "wrong"
        asked, answer = " ".join(item.question.split()), " ".join(item.answer.split())
        line = f"{item.decision:<6}  {shown}  {right}  {asked} -> {answer}"
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)
    return done


def show_summary(console: Console, figures: dict[str, Any], store_url: str) -> None:
    """The demo in six lines."""
    table = Table(show_header=False, box=None, padding=(0, 2))
    rows = {
        "answers right": _percent(figures["accuracy"]),
        "  among the accepted": _percent(figures["accuracy_accepted"]),
        "  among the rest": _percent(figures["accuracy_review"]),
        "sent to review": _percent(figures["review_share"]),
        "Brier score, lower is better": f"{_number(figures['brier_raw'])} raw, "
        f"{_number(figures['brier_calibrated'])} calibrated",
        "time added by the confidence": _percent(figures["overhead_percent"], scale=1),
    }
    for name, value in rows.items():
        table.add_row(name, f"[bold]{value}[/]")
    console.print(table)
    # Outside the table, which would cut it to the terminal's width.
    console.print(f"  doubtful answers wait in [bold]{escape(store_url)}[/]", highlight=False, soft_wrap=True)


def show_confidence(console: Console, answer: str, confidence: Confidence) -> None:
    """One answer with its confidence and what it rests on."""
    console.print(f"[bold]{escape(answer) or '(no answer)'}[/]")
    if confidence.value is None:
        console.print(f"confidence: none - {escape(confidence.reason)}", soft_wrap=True)
        _show_alternatives(console, answer, confidence)
        return
    low, high = confidence.interval or (0.0, 1.0)
    console.print(f"confidence: [bold]{confidence.value:.2f}[/] {bar(confidence.value)}")
    console.print(
        f"tasks of this kind were right {low:.0%} to {high:.0%} of the time at this confidence; "
        f"uncalibrated it would be {_number(confidence.raw)}; T* {confidence.temperature:.2f}"
    )
    _show_alternatives(console, answer, confidence)
    if not confidence.supported:
        console.print("[yellow]this input is unlike what the calibrator was trained on[/]")
    if confidence.reason:
        console.print(f"[yellow]{escape(confidence.reason)}[/]", soft_wrap=True)


def _show_alternatives(console: Console, answer: str, confidence: Confidence) -> None:
    """Other options, or a bar chart of the meanings among the sampled answers."""
    said = confidence.meanings(answer) if confidence.source else ()
    if not said:
        for other in confidence.alternatives:
            console.print(f"  {escape(other.text)}: {other.share:.2f} {bar(other.share)}")
        return
    console.print("asked again, the model said:")
    for one in said:
        text = " ".join(one.text.split())[:80] or "(empty)"
        count = f" ({one.count})" if one.count else ""
        console.print(f"  {one.share:.2f} {bar(one.share)} {escape(text)}{count}", soft_wrap=True)


def show_comparisons(console: Console, comparisons: dict[str, Comparison]) -> None:
    """Figures on the held-out tasks, one table a source."""
    for source, comparison in comparisons.items():
        title = f"{source}: {comparison.items} held-out items, {comparison.accuracy:.1%} right"
        table = Table(title=title, caption="brackets: 95 % bootstrap intervals")
        table.add_column("")
        metrics = list(next(iter(comparison.figures.values())))
        for metric in metrics:
            table.add_column(metric)
        for name, figures in comparison.figures.items():
            table.add_row(name, *(_interval(figures[m]) for m in metrics))
        for name, figures in comparison.gain.items():
            table.add_row(f"ours minus {name}", *(_interval(figures[m]) for m in metrics))
        console.print(table)


def show_setting(console: Console, setting: dict[str, Any]) -> None:
    """One experiment: every method's figures, means over tasks; the report has more metrics than fit a terminal."""
    from thermolang.calibration.metrics import METRICS

    brief = [m.name for m in METRICS.values() if m.brief]
    labels = {m["name"]: m["label"] for m in setting["methods"]}
    for summary in setting["summaries"]:
        size = f"{summary['tasks']} tasks, {summary['items']} items, accuracy {summary['accuracy']:.3f}"
        table = Table(title=f"{escape(setting['name'])}, {setting['protocol']}", caption=f"{summary['title']}: {size}")
        for column in ("", *brief):
            table.add_column(column)
        for name, figures in summary["figures"].items():
            shown = ("-" if figures[m] is None else f"{figures[m]['estimate']:.3f}" for m in brief)
            table.add_row(labels[name], *shown)
        console.print(table)


@contextmanager
def progress_bars(console: Console, *, total_tasks: int) -> Iterator[Callable[[str, int, int], None]]:
    """One bar over all tasks and one for the current job, with the time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Progress(*columns, console=console) as progress:
        overall = progress.add_task("tasks read", total=total_tasks, visible=total_tasks > 0)
        current = progress.add_task("", total=None)
        finished: set[str] = set()

        def update(what: str, done: int, total: int) -> None:
            if done == 0 or progress.tasks[current].description != what:
                progress.reset(current, total=total, description=what)
            progress.update(current, completed=done, total=total)
            if done == total and not what.startswith("training") and what not in finished:
                finished.add(what)
                progress.update(overall, completed=len(finished))

        yield update


@contextmanager
def collecting_bar(console: Console, *, total: int) -> Iterator[Callable[[Collected], None]]:
    """A bar with items a second and the time left; where nobody looks, a line every half minute."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        job, said = progress.add_task("", total=total, speed=""), -math.inf

        def report(at: Collected) -> None:
            nonlocal said
            left = "" if at.seconds_left is None else f", {_duration(at.seconds_left)} left"
            speed = f"{at.rate:.1f} items/s{left}"
            progress.update(job, description=at.task, completed=at.done, speed=speed)
            if not console.is_terminal and (time.monotonic() - said > 30 or at.done == at.total):
                said = time.monotonic()
                line = f"{at.done}/{at.total}  {speed}  {at.task}"
                console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield report


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _percent(value: float | None, *, scale: float = 100) -> str:
    return "none" if value is None else f"{scale * value:.0f} %"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _interval(interval: Any) -> str:
    if interval is None:
        return "-"
    return f"{interval.estimate:.3f} [{interval.lower:.3f}, {interval.upper:.3f}]"
