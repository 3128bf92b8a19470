"""Output of the command line: a live table, bars, summaries."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from thermolang.cli.demo import DemoItem, Threshold
    from thermolang.tasks.columns import Columns
    from thermolang.training.card import Comparison
    from thermolang.training.collect import Collected
    from thermolang.training.recipes import Gathered, Ingredients
    from thermolang.types import Confidence

WIDTH = 10
SHOWN = 3
"""Answers to each kind of question that the demo shows on a terminal; a pipe and ``--json`` get them all."""
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


def show_threshold(console: Console, threshold: Threshold) -> None:
    """From which confidence answers are accepted, and why."""
    _say(console, f"Answers are accepted from a confidence of [bold]{threshold.value:.2f}[/]. {_reason(threshold)}\n")


def _say(console: Console, text: str) -> None:
    """A sentence, wrapped where people look and on one line where they do not."""
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)


def _reason(threshold: Threshold) -> str:
    if threshold.chosen == "given":
        return "You gave this threshold."
    found = threshold.found
    if found is None:
        return ""
    promised = f"at most {_percent(found.alpha)} of the accepted answers are wrong"
    asked = (
        f"{found.labels} questions with known answers, of {len(threshold.families)} other kinds "
        f"({', '.join(threshold.families[:2])}, ...), of which the model answered {_percent(1 - found.base_error)} "
        "right; none of them is asked below"
    )
    if found.threshold is None:
        more = "" if found.more_labels is None else f" About {found.more_labels} such questions would be needed."
        usual = "The one taken is how often the model was right on the tasks its calibrator was trained on."
        return f"Nothing is promised: no threshold qualifies for {promised!r}, on {asked}.{more} {usual}"
    return (
        f"It was found on {asked}. The guarantee, for questions like those: {promised}, on average over draws of the "
        f"labels; of these it accepts {found.accepted}, {found.errors} of them wrong. The questions below are of new "
        "kinds, for which nothing is promised."
    )


def demo_answers(console: Console, items: Iterable[DemoItem], total: int) -> list[DemoItem]:
    """Show answers as they come, and return them.

    A terminal shows the first few of each kind of question and a progress bar. Where nobody looks, each answer is a
    plain line written at once.
    """
    if not console.is_terminal:
        return _demo_lines(console, items)
    done: list[DemoItem] = []
    shown: Counter[str] = Counter()
    new = f"{total} questions, none of a kind used so far or in training the calibrator"
    _say(console, f"{new}; the first {SHOWN} of each kind:")
    console.print(_demo_row("question", "answer", "P(right)", "", "decision", style="bold"))
    with demo_bar(console, "answering in batches", total) as advance:
        for item in items:
            done.append(item)
            shown[item.task] += 1
            if shown[item.task] <= SHOWN:
                console.print(_demo_row(*_cells(item)))
            advance()
    return done


@contextmanager
def demo_bar(console: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar that goes away when all is done; a picture of the console leaves it out."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = console.record or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        job = progress.add_task(what, total=total)
        yield lambda: progress.advance(job)


def _demo_row(*cells: str, style: str = "") -> Table:
    """A line of the table of answers; it is a table of its own because the next ones are not known yet."""
    row = Table(box=None, show_header=False, expand=True, padding=(0, 1), row_styles=[style])
    row.add_column(ratio=4, overflow="ellipsis", no_wrap=True)
    row.add_column(ratio=3, overflow="ellipsis", no_wrap=True)
    row.add_column(width=WIDTH + 5, no_wrap=True)
    row.add_column(width=5)
    row.add_column(width=8)
    row.add_row(*cells)
    return row


def _cells(item: DemoItem) -> tuple[str, ...]:
    confidence = "none" if item.confidence is None else f"{item.confidence:.2f}"
    right = "[green]right[/]" if item.correct else "[red]wrong[/]"
    answer = escape(" ".join(item.answer.split()))
    probability = f"{confidence:>4} {bar(item.confidence)}"
    return escape(item.question), answer, probability, right, _DECISIONS[item.decision]


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
    """What came out, whatever it is."""
    console.print()
    console.print(_shares(figures))
    _say(console, f"[bold]{_SEPARATED[figures['separated']]}[/]\n")
    if figures["risk_coverage"]:
        _say(console, "Wrong answers among the most confident (were confidence worthless, all bars would be alike):")
        console.print(_risks(figures))
    console.print(_quality(figures))
    # Outside the tables, which would cut it to the terminal's width.
    console.print(f"Doubtful answers wait in [bold]{escape(store_url)}[/]", highlight=False, soft_wrap=True)


_SEPARATED = {
    "yes": "The confidence separated right from wrong: the two intervals do not overlap.",
    "unclear": "Accepted answers were right more often, but the intervals overlap: with so few it may be chance.",
    "no": "The confidence did not separate right from wrong here: accepted answers were right no more often.",
    None: "All answers, or none, were accepted, so accepted and reviewed ones cannot be compared.",
}


def _shares(figures: dict[str, Any]) -> Table:
    """How many answers are right, by decision."""
    table = Table(box=None, padding=(0, 2), header_style="")
    table.add_column("")
    for column in ("answers", "right", "95 % interval"):
        table.add_column(column, justify="right")
    accepted, total = figures["accepted"], figures["questions"]
    counts = {"all": total, "accepted": accepted, "sent to review": total - accepted}
    keys = {"all": "accuracy", "accepted": "accuracy_accepted", "sent to review": "accuracy_review"}
    for name, key in keys.items():
        interval = figures[f"{key}_interval"]
        span = "none" if interval is None else f"{100 * interval[0]:.0f} to {_percent(interval[1])}"
        table.add_row(name, str(counts[name]), f"[bold]{_percent(figures[key])}[/]", span)
    return table


def _risks(figures: dict[str, Any]) -> Table:
    """Risk against coverage: the share of wrong answers among the most confident ones, as bars."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    for point in figures["risk_coverage"]:
        name = "all" if point["coverage"] == 1 else f"most confident {_percent(point['coverage'])}"
        wrong = f"[bold]{_percent(point['wrong']):>5}[/] of {point['answers']}"
        table.add_row(name, bar(point["wrong"], 2 * WIDTH), wrong)
    return table


def _quality(figures: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="")
    for column in ("", "raw", "calibrated"):
        table.add_column(column)
    names = {
        "ranking right above wrong answers (AUROC; 1 is best, 0.5 a coin)": "auroc",
        "squared distance from the truth (Brier; 0 is best)": "brier",
        "said minus true share of right answers (ECE; 0 is best)": "ece",
    }
    for name, key in names.items():
        table.add_row(name, _number(figures[f"{key}_raw"]), f"[bold]{_number(figures[f'{key}_calibrated'])}[/]")
    table.add_row("time added by the confidence", "", f"[bold]{_percent(figures['overhead_percent'], scale=1)}[/]")
    return table


def show_loop(console: Console, loop: dict[str, Any]) -> None:
    """What a simulated operator's verdicts changed, or that they changed nothing."""
    if not loop["verdicts"]:
        _say(console, "\nNo answer that could be judged went to review, so there are no verdicts to learn from.")
        return
    _say(
        console,
        f"\nThe loop: a simulated operator, who knows the right answers, judged the {loop['verdicts']} doubtful ones "
        f"among the first half of each kind, and the confidences of {loop['kinds']} kinds learned from "
        f"{loop['learned']} of these verdicts. The {loop['answers']} answers of the other half, which nobody judged, "
        "with the same threshold:",
    )
    console.print(_before_and_after(loop))
    _say(console, f"[bold]{_effect(loop)}[/]")
    _say(console, "In the review database all of them still wait for a person: the operator wrote nothing there.")


def _before_and_after(loop: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="")
    for column in ("", "before", "after"):
        table.add_column(column)
    before, after = loop["before"], loop["after"]
    table.add_row("squared distance from the truth (Brier)", _number(before["brier"]), _number(after["brier"]))
    for name, key in {"wrong among accepted answers": "error_accepted", "sent to review": "review_share"}.items():
        table.add_row(name, _percent(before[key]), _percent(after[key]))
    return table


def _effect(loop: dict[str, Any]) -> str:
    """Whether the confidences got better, by the interval of the Brier score's change."""
    if loop["change"] is None:
        return "With fewer than two kinds of questions nobody can tell whether the verdicts helped."
    low, high = loop["change"]
    span = f"the Brier score changed by {low:+.3f} to {high:+.3f} (95 % interval; below 0 is better)"
    if high < 0:
        return f"The verdicts made the confidences better: {span}."
    if low > 0:
        return f"The verdicts made the confidences worse: {span}."
    return f"So few verdicts made no difference that these answers could show: {span}."


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


def show_files(console: Console, sources: Iterable[str], columns: Columns) -> None:
    """How each file of questions is understood."""
    from thermolang.tasks.readers import described

    for source in sources:
        if (path := Path(source)).is_file():
            console.print(f"{path}: {described(path, columns)}", markup=False, highlight=False, soft_wrap=True)


def show_data_sets(console: Console, found: Ingredients) -> None:
    """Which data sets a calibrator is made from, where they were found, and what is left out."""
    if found.found:
        table = Table(box=None, padding=(0, 2), header_style="")
        for column in ("data set", "tasks", "items", "licence", "from"):
            table.add_column(column)
        for one in found.found:
            items = sum(len(task.examples) for task in one.tasks)
            texts = (one.data_set.name, str(len(one.tasks)), str(items), one.data_set.licence, one.place)
            table.add_row(*map(escape, texts))
        console.print(table)
    for sentence in found.missing:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def show_levels(console: Console, gathered: Gathered) -> None:
    """How the accuracies of the starter levels that were chosen for a model are spread, and how much is read in all."""
    from thermolang.training.difficulty import histogram

    if gathered.levels:
        counts = ", ".join(f"{n} at {name}" for name, n in histogram(gathered.levels).items() if n)
        tell = f"{len(gathered.levels)} starter levels were chosen; on a few items of each the model is right: {counts}"
        console.print(tell, highlight=False, markup=False, soft_wrap=True)
    every = [*gathered.training, *gathered.testing]
    total = sum(len(task.examples) for task in every)
    console.print(f"{len(every)} tasks, {total} items", highlight=False, markup=False)


@contextmanager
def progress_bars(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for the current job, with the time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Progress(*columns, console=console) as progress:
        current = progress.add_task("", total=None)

        def update(what: str, done: int, total: int) -> None:
            if done == 0 or progress.tasks[current].description != what:
                progress.reset(current, total=total, description=what)
            progress.update(current, completed=done, total=total)

        yield update


@contextmanager
def collecting_bar(console: Console) -> Iterator[Callable[[Collected], None]]:
    """A bar with items a second and the time left; where nobody looks, a line every half minute."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        job, said = progress.add_task("", total=None, speed=""), -math.inf

        def report(at: Collected) -> None:
            nonlocal said
            left = "" if at.seconds_left is None else f", {_duration(at.seconds_left)} left"
            speed = f"{at.rate:.1f} {at.unit}/s{left}"
            progress.update(job, description=at.task, completed=at.done, total=at.total, speed=speed)
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
