"""How a confidence grows with what goes into it: tokens, sampled answers, verdicts. docs/scale.md has the figures.

    python benchmarks/scale.py tokens [--model smollm2-135m]     milliseconds of a confidence over the prompt's tokens
    python benchmarks/scale.py samples [--model smollm2-135m]    of a thorough confidence over the number of samples
    python benchmarks/scale.py verdicts                          of one more verdict over those that a task has; a stub

Processor time of one thread, which other work on the machine hardly changes. Rows and actors are measured by bulk.py,
the desk by desk.py --items.
"""

import json
import os
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # before torch

import numpy as np
import typer
from apply import Stub, calibrator
from rich.console import Console
from rich.table import Table

from thermolang.estimator import ConfidenceEstimator
from thermolang.models.local import LocalModel
from thermolang.models.prompts import question_messages
from thermolang.tasks.starter import starter_tasks
from thermolang.training.features import is_choice
from thermolang.types import Example

WORDS = "the contract names the terms of delivery and of payment for each customer and each month "
app = typer.Typer(help=__doc__)
console = Console(width=120)


def median_ms(call, rounds):
    """Median and extremes of some rounds, in milliseconds of processor time, after one to warm up."""
    call()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        taken.append(1000 * (time.process_time() - start))
    return float(np.median(taken)), min(taken), max(taken)


def show(title, growing, rows):
    table = Table(growing, "median ms", "least", "most", "ms for each", title=title)
    for count, (middle, least, most) in rows:
        table.add_row(f"{count:,}", f"{middle:.1f}", f"{least:.1f}", f"{most:.1f}", f"{middle / count:.3f}")
    console.print(table)


@app.command()
def tokens(
    model: Annotated[str, typer.Option()] = "smollm2-135m",
    rounds: Annotated[int, typer.Option()] = 5,
):
    """Milliseconds of a confidence for an answer that exists, over the tokens of its question with the passage."""
    local = LocalModel.load(model)
    estimator, rows = ConfidenceEstimator(local, state_dir=None), []
    for words in (10, 100, 200, 400, 800, 1600):
        passage = " ".join(islice(WORDS.split() * 200, words))
        messages = question_messages(Example("When is it paid?", context=passage))
        length = len(local.encode(local.render(messages)))
        rows.append((length, median_ms(lambda asked=messages: estimator.score(asked, "Each month."), rounds)))
    show(f"{local.name}: one confidence", "tokens of the prompt", rows)


@app.command()
def samples(
    model: Annotated[str, typer.Option()] = "smollm2-135m",
    rounds: Annotated[int, typer.Option()] = 3,
    questions: Annotated[int, typer.Option()] = 4,
):
    """Milliseconds of a thorough confidence, over the number of sampled answers."""
    local, rows = LocalModel.load(model), []
    task = next(t for t in starter_tasks(per_family=questions) if not is_choice(t))
    asked = [question_messages(example) for example in task.examples[:questions]]
    answers = [local.generate(messages, max_new_tokens=32) for messages in asked]
    for count in (2, 4, 8, 16, 32):
        estimator = ConfidenceEstimator(local, state_dir=None, mode="thorough", samples=count)

        def score(estimator=estimator):
            for pair in zip(asked, answers, strict=True):
                local.scheduler.forget_prompts()
                estimator.score(*pair)

        rows.append((count, tuple(ms / len(asked) for ms in median_ms(score, rounds))))
    show(f"{local.name}: one thorough confidence", "samples", rows)


@app.command()
def verdicts(most: Annotated[int, typer.Option()] = 3000):
    """Milliseconds that one more verdict takes on a task that has some, and the size of the task's file."""
    stub = Stub(64)
    table = Table("verdicts of the task", "one more, ms", "file, kB", title="learn, with the task's state on disk")
    with tempfile.TemporaryDirectory() as folder:
        estimator = ConfidenceEstimator(stub, calibrator(stub.identity), state_dir=folder)
        given = 0
        for count in (n for n in (1, 10, 100, 300, 1000, 3000, 10_000) if n <= most):
            estimator.learn([verdict(estimator, i) for i in range(given, count)])
            given = count
            more = [verdict(estimator, i) for i in range(given, given + 6)]
            middle = median_ms(lambda more=more: estimator.learn([more.pop()]), 5)[0]
            given += 6
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.json")) / 1000
            table.add_row(f"{count:,}", f"{middle:.2f}", f"{size:.0f}")
    console.print(table)


def verdict(estimator, number):
    confidence = estimator.score([{"role": "user", "content": json.dumps(number)}], "a", task="t")
    return confidence, number % 3 > 0


if __name__ == "__main__":
    app()
