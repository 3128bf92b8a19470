"""Are choices calibrated on benchmarks that were never seen? Multiple choice, leaving benchmarks out in turn.

    python benchmarks/choices.py FEATURES --model NAME [--together PREFIX ...]

Reads what `thermolang collect` kept of multiple-choice tasks. Tasks of one group are one benchmark; with `--together`
those of a folder of tasks are, such as all subjects of MMLU. Benchmarks are left out in ten parts; networks, prior,
head and level are learned from the others, and no label of a left-out task is used. (One number, how far a task's
temperature goes from the prior to the network's, is chosen over all parts.) Each benchmark has one vote.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import Progress

from thermolang.calibration.fit import nll, parts, prior_and_scales, useful_level
from thermolang.calibration.head_training import fit_head
from thermolang.calibration.kinds import CHOICE
from thermolang.calibration.learner import Learner
from thermolang.calibration.metrics import auroc
from thermolang.calibration.temperature import fit_task_temperature
from thermolang.calibration.training import TrainingConfig, train
from thermolang.training.store import load


def predictions(tasks):
    """Inverse temperatures and biases (N_k,) of each task by the network that did not see its part."""
    part = parts(tasks)
    folds = [[i for i, other in enumerate(part) if other != p] for p in range(max(part) + 1)]
    with Progress() as bar:
        shown = bar.add_task("networks", total=None)
        networks = train(
            tasks, folds, TrainingConfig(), progress=lambda step, steps: bar.update(shown, completed=step, total=steps)
        )
    return [networks[p].predict(t.hidden) for p, t in zip(part, tasks, strict=True)]


def learners(tasks, scales):
    """For each part what is learned from the others: with a level where that helped, and without."""
    part, found = parts(tasks), {}
    for p in sorted(set(part)):
        rest = [i for i, q in enumerate(part) if q != p]
        others = [tasks[i] for i in rest]
        head = fit_head(others, [scales[i] for i in rest])
        level = useful_level(others, [t.group or t.name for t in others], head.training_odds)
        plain = Learner(CHOICE, None, head if head.chosen else None)
        found[p] = plain, replace(plain, level=level)
    return [found[p] for p in part]


def odds_by(learner, task, scale):
    scores = learner.scores(task)
    return learner.log_odds(scores, learner.start(scale, scores))


def log_odds(task, scale):
    inverse, bias = scale
    return CHOICE.log_odds(np.asarray(task.logits, dtype=np.float64) * inverse) + bias


def measured(tasks):
    """Log-odds (N_k,) of each task's answers by each method."""
    found = predictions(tasks)
    prior, scales = prior_and_scales(tasks, found, TrainingConfig())
    rows = []
    for task, p, scale, (plain, level) in zip(tasks, found, scales, learners(tasks, scales), strict=True):
        rows.append(
            {
                "uncalibrated": log_odds(task, (1.0, 0.0)),
                "one temperature": log_odds(task, prior.scale),
                "Thermometer (paper_mode)": log_odds(task, (float(p[0].mean()), 0.0)),
                "without level": odds_by(plain, task, scale),
                "as shipped": odds_by(level, task, scale),
                "own temperature": log_odds(task, fit_task_temperature(task, bias=False)),
            }
        )
    return rows


def show(tasks, rows):
    names = [t.group or t.name for t in tasks]
    votes = np.array([1 / names.count(n) for n in names])
    losses = {m: np.array([nll(r[m], t.right) for r, t in zip(rows, tasks, strict=True)]) for m in rows[0]}
    mean = {m: np.average(v, weights=votes) for m, v in losses.items()}
    gap = mean["uncalibrated"] - mean["own temperature"]
    print("\n| | NLL | gap closed | AUROC in a task | most harm to a benchmark |\n|---|---|---|---|---|")
    for method, value in mean.items():
        rises = losses[method] - losses["uncalibrated"]
        harm = {n: np.mean([x for x, m in zip(rises, names, strict=True) if m == n]) for n in names}
        worst = max(harm, key=harm.get)
        area = np.nanmean([auroc(1 / (1 + np.exp(-r[method])), t.right) for r, t in zip(rows, tasks, strict=True)])
        closed = (mean["uncalibrated"] - value) / gap
        print(f"| {method} | {value:.4f} | {closed:.0%} | {area:.3f} | {worst} {harm[worst]:+.3f} |")
    print("\n| benchmark | tasks | accuracy | " + " | ".join(losses) + " |\n|---|---|---" + "|---" * len(losses) + "|")
    for name in dict.fromkeys(names):
        of = [i for i, n in enumerate(names) if n == name]
        accuracy = np.mean([tasks[i].right.mean() for i in of])
        cells = " | ".join(f"{v[of].mean():.3f}" for v in losses.values())
        print(f"| {name} | {len(of)} | {accuracy:.2f} | {cells} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--together", type=Path, nargs="*", default=[], help="folders whose tasks are one benchmark")
    args = parser.parse_args()
    files = [(path, folder.name) for folder in args.together for path in folder.rglob("*_test.*")]
    one = {path.stem.removesuffix("_test"): name for path, name in files}
    tasks = load(args.features, args.model, kind="choice")
    tasks = [replace(t, group=one.get(t.name, t.group or t.name)) for t in tasks]
    print(f"{len(tasks)} tasks of {len({t.group for t in tasks})} benchmarks, {sum(map(len, tasks))} questions")
    show(tasks, measured(tasks))


if __name__ == "__main__":
    main()
