"""Files of answers: memory over the number of rows, the two engines side by side, and `collect` on the same items.

    python benchmarks/bulk.py memory [--rows 1000 --rows 100000]     peak memory of each kind of file, a fake model
    python benchmarks/bulk.py engines [--lines 2000] [--items 64]    are both outputs the same? actors against one
    python benchmarks/bulk.py collect [--items 200]                  rates of score_file and of collect's reading

Rates leave out loading: they are from the first batch that was written to the last. Each process computes with one
thread, so that two actors on two cores have what two machines would have.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch, and for the actors

import numpy as np
import typer
from apply import Stub, calibrator
from rich.console import Console
from rich.table import Table

from thermolang.bulk.files import score_file
from thermolang.bulk.ray import RayEngine
from thermolang.estimator import ConfidenceEstimator
from thermolang.models.local import LocalModel
from thermolang.models.prompts import question_messages
from thermolang.storage import digest
from thermolang.tasks.starter import starter_tasks
from thermolang.training.features import batches, collect, is_choice
from thermolang.types import OptionScores

FORMATS = ("jsonl", "csv", "parquet")
WIDTH = 64
app = typer.Typer(help=__doc__)
console = Console(width=140)


class Fake(Stub):
    """A model whose readings are a function of the text, in no time."""

    def __init__(self):
        super().__init__(WIDTH)

    def self_check_batch(self, pairs):
        return [self._of(messages[-1]["content"] + answer) for messages, answer in pairs]

    def _of(self, text):
        random = np.random.default_rng(int(digest(text), 16))
        hidden = random.normal(size=WIDTH).astype(np.float32)
        return OptionScores(("yes", "no"), random.normal(size=2), hidden, 1.0, answer_logprob=0.5)


def fake_estimator():
    model = Fake()
    return ConfidenceEstimator(model, calibrator(model.identity), state_dir=None)


def rows(count):
    """Rows of about 500 characters, as an answer with its passage has."""
    passage = "The contract of the customer names the terms of delivery and payment. " * 6
    return (
        {"id": i, "question": f"What does clause {i} say?", "context": f"{i}. {passage}", "answer": f"Clause {i}."}
        for i in range(count)
    )


def written(folder, kind, count):
    """A file of rows; Parquet as one row group, as most programs write it."""
    path = folder / f"{count}.{kind}"
    if kind == "jsonl":
        with path.open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows(count))
    else:
        import pyarrow
        from pyarrow import csv, parquet

        table = pyarrow.Table.from_pylist(list(rows(count)))
        if kind == "csv":
            csv.write_csv(table, path)
        else:
            parquet.write_table(table, path, row_group_size=count)
    return path


def peak_mb():
    # Not getrusage, whose maximum is also that of the process that started this one.
    return int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024


@app.command(hidden=True)
def one(path: Path, small: Path):
    """Score one file in this process; prints its memory before and its peak, MB, and its rate."""
    estimator = fake_estimator()
    with tempfile.TemporaryDirectory() as folder:
        score_file(estimator, small, Path(folder) / "small", own_answers=True, task="t")  # what loads lazily is loaded
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: loading took more than scoring does
        before, start = peak_mb(), time.perf_counter()
        found = score_file(estimator, path, Path(folder) / "out", own_answers=True, task="t")
        seconds = time.perf_counter() - start
    print(json.dumps({"before": before, "peak": peak_mb(), "rate": found.lines / seconds}))


@app.command()
def memory(
    count: Annotated[list[int] | None, typer.Option("--rows", help="Rows of the files.")] = None,
    kind: Annotated[list[str] | None, typer.Option("--format", help="jsonl, csv, parquet; all by default.")] = None,
):
    """Peak memory of the local engine over the number of rows, in a process each."""
    table = Table("file", "rows", "MB on disk", "MB before", "peak MB", "grown MB", "rows/s")
    with tempfile.TemporaryDirectory() as name:
        for each in kind or FORMATS:
            small = written(Path(name), each, 10)
            for rows_ in count or (1000, 10_000, 100_000):
                path = written(Path(name), each, rows_)
                command = [sys.executable, __file__, "one", path, small]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                figures = found["before"], found["peak"], found["peak"] - found["before"]
                size = path.stat().st_size / 1e6
                table.add_row(each, f"{rows_:,}", f"{size:.1f}", *(f"{x:.0f}" for x in figures), f"{found['rate']:.0f}")
                path.unlink()
    console.print(table)


class Rate:
    """Items a second between the first report of a job and its last."""

    def __init__(self):
        self._told = []

    def __call__(self, progress):
        self._told.append((progress.done, time.perf_counter()))

    @property
    def value(self):
        told = [one for one in self._told if one[0]]
        (first, start), (last, end) = told[0], told[-1]
        return (last - first) / (end - start)


def timeless(path):
    """The records of a scored file without the time they took."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [record | {"confidence": record["confidence"] | {"seconds": 0}} for record in found]


def compared(estimator, load, source, folder, counts, **options):
    """Score a file with the local engine and with so many actors; rates, and whether the outputs are the same."""
    found, wanted = {}, None
    for actors in (0, *counts):
        rate, out = Rate(), folder / f"{source.stem}-{actors}.jsonl"
        engine = RayEngine(load, actors) if actors else None
        start = time.perf_counter()
        score_file(estimator, source, out, engine=engine, progress=rate, **options)
        wanted = wanted or timeless(out)
        name = f"ray, {actors} actors" if actors else "local"
        found[name] = {"rate": rate.value, "seconds": time.perf_counter() - start, "same": timeless(out) == wanted}
    return found


def shown(title, found):
    table = Table("engine", "items/s", "of one actor's", "s in all", "same output", title=title)
    base = next(r["rate"] for name, r in found.items() if name != "local")
    for name, r in found.items():
        table.add_row(name, f"{r['rate']:.2f}", f"{r['rate'] / base:.2f}", f"{r['seconds']:.1f}", str(r["same"]))
    console.print(table)


def free_form(items):
    """Starter questions with free-form answers, as one task."""
    task, *rest = [t for t in starter_tasks(per_family=items) if not is_choice(t)]
    examples = [e for t in (task, *rest) for e in t.examples]
    return replace(task, examples=tuple(examples[:items]))


def right_answers(task):
    return [e.choices[e.label] if e.choices else e.answers[0] for e in task.examples]


def answers_file(path, task):
    lines = []
    for example, answer in zip(task.examples, right_answers(task), strict=True):
        row = {"question": example.question, "context": example.context, "answer": answer, "task": "t"}
        lines.append(json.dumps(row | ({"choices": example.choices} if example.choices else {})))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@app.command()
def engines(
    lines: Annotated[int, typer.Option(help="Lines for the fake model.")] = 2000,
    items: Annotated[int, typer.Option(help="Items for the real one; 0 leaves it out.")] = 64,
    model: Annotated[str, typer.Option()] = "smollm2-135m",
    actors: Annotated[list[int] | None, typer.Option()] = None,
):
    """Both engines on the same file: are the outputs the same, and how fast are more actors than one?"""
    counts = actors or [1, 2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = written(folder, "jsonl", lines)
        found = compared(fake_estimator(), Fake, path, folder, counts, own_answers=True, task="t")
        shown(f"a fake model, {lines} lines", found)
        if items:
            estimator, task = ConfidenceEstimator(LocalModel.load(model), state_dir=None), free_form(items)
            path = answers_file(folder / "answers.jsonl", task)
            load = partial(LocalModel.load, model)
            found = compared(estimator, load, path, folder, counts, own_answers=True)
            shown(f"{model}, {len(task.examples)} answers", found)


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def collect_rate(local, task):
    """Items a second of collect's reading: of choices, or of self-checks in its batches, without its decoding."""
    if is_choice(task):
        return len(task.examples) / timed(lambda: collect(local, task))
    answers = right_answers(task)

    def read():
        for batch in batches(local, task, range(len(task.examples))):
            pairs = [(question_messages(task.examples[i]), answers[i]) for i in batch.items]
            local.self_check_batch(pairs, prefixes=batch.prefixes)

    return len(task.examples) / timed(read)


@app.command(name="collect")
def against_collect(
    items: Annotated[int, typer.Option()] = 200,
    rounds: Annotated[int, typer.Option()] = 3,
    batch: Annotated[int, typer.Option(help="Lines that go through the model together.")] = 32,
    model: Annotated[str, typer.Option()] = "smollm2-135m",
):
    """Rates of `thermolang score` and of `thermolang collect` on the same items, interleaved; medians."""
    local = LocalModel.load(model)
    estimator = ConfidenceEstimator(local, state_dir=None)
    choices = next(t for t in starter_tasks(per_family=items) if is_choice(t))
    table = Table("answers", "items", "collect, items/s", "score, items/s", "of collect's")
    for task in (choices, free_form(items)):
        figures = []
        for _ in range(rounds):
            ours, theirs = Rate(), collect_rate(local, task)
            with tempfile.TemporaryDirectory() as name:
                path = answers_file(Path(name) / "a.jsonl", task)
                options = {"own_answers": True, "batch_size": batch, "progress": ours}
                score_file(estimator, path, Path(name) / "out", **options)
            figures.append((theirs, ours.value, ours.value / theirs))
        middle = [sorted(column)[rounds // 2] for column in zip(*figures, strict=True)]
        kind = "choices" if is_choice(task) else "free-form, the model's own"
        table.add_row(kind, str(len(task.examples)), *(f"{x:.2f}" for x in middle))
    console.print(table)


if __name__ == "__main__":
    app()
