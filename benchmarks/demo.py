"""Warm `thermolang demo --no-desk`: wall time, peak memory, and what the confidence adds to an answer."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=24)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
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


if __name__ == "__main__":
    main()
