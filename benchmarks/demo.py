"""Warm `thermolang demo --no-desk`: wall time, peak memory, what the confidence adds; or its picture for the README."""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from thermolang.cli import main as cli


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=105)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--svg", type=Path, help="run once and draw the terminal into this file, docs/images/demo.svg")
    args = parser.parse_args()
    if args.svg:
        draw(args.questions, args.svg)
        return
    print("| questions | wall s | peak MB | answering s | confidence s | overhead % |\n|---|---|---|---|---|---|")
    for _ in range(args.runs):
        run(args.questions)


def run(questions):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "demo.json"
        store = f"sqlite:///{folder}/reviews.db"
        command = ["demo", "--no-desk", "--questions", str(questions), "--json", str(out), "--store", store]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "thermolang", *command], check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - start
        items = json.loads(out.read_text())["items"]
    spent = sum(i["confidence_seconds"] for i in items)
    answering = sum(i["seconds"] for i in items) - spent
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    figures = f"{peak:.0f} | {answering:.1f} | {spent:.1f} | {100 * spent / answering:.1f}"
    print(f"| {questions} | {wall:.1f} | {figures} |", flush=True)


def draw(questions, path):
    """Record a real run, as a terminal of 110 columns shows it."""
    cli.console = Console(record=True, force_terminal=True, width=110, file=io.StringIO())
    target = path.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that the picture shows a short address
        cli.demo(questions=questions, desk=False, store="sqlite:///reviews.db")
        os.chdir(target.parent)
    target.write_text(cli.console.export_svg(title="thermolang demo"), encoding="utf-8")


if __name__ == "__main__":
    main()
