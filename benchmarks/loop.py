"""Do verdicts help, and does the audit see the truth? A simulated operator on real answers.

    python benchmarks/loop.py FEATURES --model NAME [--runs 200] [--shown 10] [--threshold 0.7] [--json results.json]

Reads what `thermolang collect` or `thermolang calibrate --features` kept: free-form answers of the model with what it
thinks of them. A company with many streams of questions is simulated: each task is one, and is scored by what was
learned from two other thirds of the data sets. Half of a task's questions are asked, in random order with those of all
others; the other half measures. An answer below the threshold goes to the operator, who answers from the gold labels;
of the accepted ones the audit draws 5 % as well. After 25, 50, 100 and 300 verdicts the tasks learn from all of them.

Prints, as Markdown:

1. proper scores, the error among accepted answers and the share that goes to review, on the other half, after so many
   verdicts; with all verdicts, and with only as many as would make the learned ones a random sample;
2. for the answers that were accepted on the way, how far three estimates of their error are from the truth: that of
   the audit, that of all verdicts, and that of the confidences; the mean over the runs, its standard error, and z.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, track

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.head_training import HeadConfig, fit_head
from thermolang.calibration.input_kinds import KindSpace
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.learner import Learner
from thermolang.calibration.level import fit_level
from thermolang.calibration.metrics import binary_nll, brier
from thermolang.calibration.temperature import fit_temperature
from thermolang.calibration.training import TrainingConfig
from thermolang.review.feedback import Audit
from thermolang.tasks.starter import families
from thermolang.training.store import load

STAGES, PARTS, RATE = (0, 25, 50, 100, 300), 3, 0.05
# Few candidates: what is measured here is what verdicts add, and that within minutes.
HEAD = HeadConfig(components=(8,), hidden_spreads=(0.5, 1.0), folds=5)
console = Console(width=120)


@dataclass
class Stream:
    """One task, what was learned without its data set, and what its answers' probabilities depend on."""

    name: str
    learner: Learner
    scale: Any
    scores: list[Any]
    right: Any


def streams(tasks: list[TaskFeatures]) -> list[Stream]:
    """All tasks, each with a learner that has not seen its data set."""
    groups = list(dict.fromkeys(t.group or t.name for t in tasks))
    found = []
    for part in track(range(PARTS), description="learning", console=Console(stderr=True)):
        out = [t for t in tasks if groups.index(t.group or t.name) % PARTS == part]
        rest = [t for t in tasks if not any(t is o for o in out)]
        scale = fit_temperature(rest, TrainingConfig(bias=True))
        head = fit_head(rest, [scale] * len(rest), config=HEAD)
        names = [t.group or t.name for t in rest]
        space, level = KindSpace.fit([t.hidden for t in rest], names), fit_level(rest, names)
        learner = Learner(SELF_CHECK, None, head if head.chosen else None, level, space)
        found += [Stream(t.name, learner, scale, learner.scores(t), np.asarray(t.right, bool)) for t in out]
    return found


class Run:
    """One company: which questions are asked, in which order, and what was judged so far."""

    def __init__(self, all_streams: list[Stream], threshold: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.streams, self.threshold, self.audit = all_streams, threshold, Audit(RATE, seed=str(seed))
        order = [rng.permutation(len(s.right)) for s in all_streams]
        self.asked = [o[: len(o) // 2] for o in order]
        self.other = [o[len(o) // 2 :] for o in order]
        self.queue = [(k, int(i)) for k, items in enumerate(self.asked) for i in items]
        rng.shuffle(self.queue)
        self.starts = [
            s.learner.start(s.scale, [s.scores[i] for i in a]) for s, a in zip(all_streams, self.asked, strict=True)
        ]
        self.standings, self.learned = list(self.starts), [0] * len(all_streams)
        self.judged: list[tuple[int, int, bool]] = []  # stream, answer, whether the audit would have drawn it
        self.accepted: list[tuple[int, int, float, bool]] = []  # stream, answer, confidence, drawn

    def probabilities(self, items: list[Any]) -> list[Any]:
        return [
            s.learner.probability([s.scores[i] for i in of], standing)
            for s, of, standing in zip(self.streams, items, self.standings, strict=True)
        ]

    def work(self, verdicts: int) -> None:
        """Ask on until there are so many verdicts, or no questions are left."""
        said = [dict(zip(a, p, strict=True)) for a, p in zip(self.asked, self.probabilities(self.asked), strict=True)]
        while self.queue and len(self.judged) < verdicts:
            k, i = self.queue.pop()
            p = float(said[k][i])
            drawn = self.audit.draw(self.streams[k].name, str(i)) < RATE
            if p >= self.threshold:
                self.accepted.append((k, i, p, drawn))
            if p < self.threshold or drawn:
                self.judged.append((k, i, drawn))

    def learn(self, *, thinned: bool) -> None:
        for k, (s, start) in enumerate(zip(self.streams, self.starts, strict=True)):
            of = [i for j, i, drawn in self.judged if j == k and (drawn or not thinned)]
            if len(of) != self.learned[k]:
                self.standings[k] = s.learner.learned(start, [(s.scores[i], bool(s.right[i])) for i in of])
                self.learned[k] = len(of)

    def measured(self) -> list[float]:
        """NLL, Brier score, error among accepted answers and review share on the questions that are never asked."""
        p = np.concatenate(self.probabilities(self.other))
        right = np.concatenate([s.right[o] for s, o in zip(self.streams, self.other, strict=True)])
        accepted = p >= self.threshold
        error = float(1 - right[accepted].mean()) if accepted.any() else np.nan
        return [binary_nll(p, right), brier(p, right), error, float(1 - accepted.mean())]

    def estimates(self) -> dict[str, float] | None:
        """Estimates of the error among the answers accepted so far, minus that error; None if none was drawn."""
        wrong = np.array([not self.streams[k].right[i] for k, i, _, _ in self.accepted])
        drawn = np.array([d for *_, d in self.accepted], dtype=bool)
        if not drawn.any():
            return None
        verdicts = np.mean([not self.streams[k].right[i] for k, i, _ in self.judged])
        said = 1 - np.mean([p for _, _, p, _ in self.accepted])
        found = {"audit": wrong[drawn].mean(), "all verdicts": verdicts, "confidences": said}
        return {name: float(value - wrong.mean()) for name, value in found.items()}


def scores(found: list[Stream], runs: int, threshold: float) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for thinned in (False, True):
        rows: list[list[list[float]]] = [[] for _ in STAGES]
        for seed in range(runs):
            run = Run(found, threshold, seed)
            for stage, verdicts in enumerate(STAGES):
                run.work(verdicts)
                run.learn(thinned=thinned)
                rows[stage].append(run.measured())
        for verdicts, of in zip(STAGES, rows, strict=True):
            values, change = np.array(of), np.array(of) - np.array(rows[0])
            table[f"{verdicts}{' thinned' if thinned else ''}"] = {
                "mean": np.nanmean(values, 0).tolist(),
                "error of the change": (np.nanstd(change, 0, ddof=1) / np.sqrt(runs)).tolist(),
            }
    return table


def bias(found: list[Stream], runs: int, threshold: float) -> dict[str, Any]:
    """The estimates of so many runs in which the audit drew anything; without a draw there is no estimate."""
    errors: list[dict[str, float]] = []
    seed = 1000
    with Progress(console=Console(stderr=True)) as progress:
        shown = progress.add_task("estimates", total=runs)
        while len(errors) < runs:
            run = Run(found, threshold, seed)
            for verdicts in STAGES[1:]:
                run.work(verdicts)
                if verdicts < STAGES[-1]:  # nothing is asked after the last ones
                    run.learn(thinned=False)
            seed += 1
            if (one := run.estimates()) is not None:
                errors.append(one)
                progress.advance(shown)
    said = {}
    for name in errors[0]:
        values = np.array([e[name] for e in errors])
        error = values.std(ddof=1) / np.sqrt(len(values))
        said[name] = {"bias": float(values.mean()), "standard error": float(error), "z": float(values.mean() / error)}
    return {"runs": len(errors), "without a draw": seed - 1000 - len(errors), **said}


def show(table: dict[str, Any], biases: dict[str, Any]) -> None:
    print("\n| verdicts | NLL | Brier | error among accepted | to review |\n|---|---|---|---|---|")
    for name, row in table.items():
        cells = [f"{m:.3f} (± {e:.3f})" for m, e in zip(row["mean"], row["error of the change"], strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\n{biases['runs']} runs, and {biases['without a draw']} without a draw")
    print("\n| estimate from | bias | standard error | z |\n|---|---|---|---|")
    for name, one in biases.items():
        if isinstance(one, dict):
            print(f"| {name} | {one['bias']:+.4f} | {one['standard error']:.4f} | {one['z']:+.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--runs", type=int, default=200, help="of the second table")
    parser.add_argument("--shown", type=int, default=10, help="runs of the first table")
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    everything = load(given.features, given.model, kind="self_check")
    tasks = [t for t in everything if t.name not in families()]
    print(f"{len(tasks)} tasks, {sum(map(len, tasks))} answers, {np.mean([t.right.mean() for t in tasks]):.2f} right")
    found = streams(tasks)
    table = scores(found, given.shown, given.threshold)
    biases = bias(found, given.runs, given.threshold)
    show(table, biases)
    if given.json:
        given.json.write_text(json.dumps({"scores": table, "estimates": biases}, indent=1))


if __name__ == "__main__":
    main()
