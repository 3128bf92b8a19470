"""Is the level right on data sets that were never seen? Free-form answers, leaving one data set out at a time.

    python benchmarks/level.py FEATURES --model NAME [--without TASK ...] [--seed 0]

Reads what `thermolang collect` or `thermolang calibrate --features` kept. Tasks of one group are one data set; starter
tasks are never measured, and with `--offline` they alone are trained on. One temperature and bias of the training tasks
stands for the network, whose level the estimate replaces. Prints, as Markdown:

1. how far the estimated accuracy is off after 0 to 30 unlabelled inputs, beside the sampling noise of 30 labels;
2. NLL and AUROC by what is left out of the method, and how much of the gap between uncalibrated and each task's own
   base rate is closed;
3. streams in which questions of several data sets are shuffled;
4. NLL after verdicts, beside Platt scaling on the same labels.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy.special import logit

from thermolang.calibration.head_training import fit_head
from thermolang.calibration.input_kinds import KindSpace
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.learner import Learner
from thermolang.calibration.level import fit_level, task_signals
from thermolang.calibration.metrics import auroc, binary_nll
from thermolang.calibration.temperature import Platt, fit_temperature
from thermolang.calibration.training import TrainingConfig
from thermolang.tasks.starter import families
from thermolang.training.store import load

SIZES = (0, 1, 3, 10, 30)
DRAWS = 30
VERDICTS = (0, 10, 25, 50)
MIXTURES = (
    ("squad", "nq"),
    ("squad", "squad-unanswerable", "nq"),
    ("jsquad", "jsquad-closed-book"),
    ("coqa", "triviaqa", "boolq"),
    ("jsquad", "nq", "drop"),
)


@dataclass
class Fold:
    """A data set that was left out, and what was learned without it."""

    tasks: list
    scale: tuple
    learner: Learner


def learned(tasks):
    groups = [t.group or t.name for t in tasks]
    scale = fit_temperature(tasks, TrainingConfig(bias=True))
    head = fit_head(tasks, [scale] * len(tasks))
    space = KindSpace.fit([t.hidden for t in tasks], groups)
    return scale, Learner(SELF_CHECK, None, head if head.chosen else None, fit_level(tasks, groups), space)


def folds(tasks, starter, offline):
    groups = dict.fromkeys(t.group or t.name for t in tasks)
    once = learned(starter) if offline else None
    for group in track(list(groups), description="data sets left out"):
        out = [t for t in tasks if (t.group or t.name) == group]
        rest = [t for t in tasks if (t.group or t.name) != group] + starter
        yield Fold(out, *(once or learned(rest)))


def votes(names, group_of):
    """One vote a data set."""
    return np.array([1 / sum(group_of[m] == group_of[n] for m in names) for n in names])


def accuracy_errors(found, rng):
    rows = {}
    for fold in found:
        level = fold.learner.level
        for task in fold.tasks:
            signals, accuracy = task_signals(task), float(task.right.mean())
            observed = logit((task.right.sum() + 0.5) / (len(task) + 1))
            cells = []
            for n in SIZES:
                estimates = [level.estimate(signals[rng.permutation(len(task))[:n]]) for _ in range(DRAWS)]
                error = np.mean([abs(e.accuracy - accuracy) for e in estimates])
                held = np.mean([abs(e.log_odds - observed) <= e.half_width for e in estimates])
                cells.append((error, held, np.mean([e.accuracy for e in estimates])))
            noise = np.sqrt(accuracy * (1 - accuracy) / 30 * 2 / np.pi)
            rows[task.name] = (accuracy, cells, noise, task.group or task.name)
    weights = votes(list(rows), {n: r[3] for n, r in rows.items()})
    print("\n| task | accuracy | " + " | ".join(f"estimate after {n}" for n in SIZES) + " |")
    print("|---" * (2 + len(SIZES)) + "|")
    for name, (accuracy, cells, _, _) in rows.items():
        print(f"| {name} | {accuracy:.2f} | " + " | ".join(f"{c[2]:.2f}" for c in cells) + " |")

    def mean(values):
        return np.average(list(values), weights=weights)

    for i, n in enumerate(SIZES):
        error, held = mean(r[1][i][0] for r in rows.values()), mean(r[1][i][1] for r in rows.values())
        print(f"after {n} inputs: mean error {error:.3f}; the 90 % interval holds {held:.0%}")
    noise, above = mean(r[2] for r in rows.values()), {n: r[1][-1][2] - r[0] for n, r in rows.items()}
    worst = max(above, key=above.get)
    print(f"sampling noise of 30 labels {noise:.3f}; furthest above the truth after 30: {worst} by {above[worst]:.2f}")


def variants(learner):
    """The method, and what is left when a part is taken out."""
    return {
        "as shipped": learner,
        "one kind of input": replace(learner, space=None),
        "without head": replace(learner, head=None, space=None),
        "without level": replace(learner, level=None, space=None),
    }


def methods(found):
    confidence, right, group_of = {}, {}, {}
    for fold in found:
        for task in fold.tasks:
            scores = fold.learner.scores(task)
            said = {n: v.probability(scores, v.start(fold.scale, scores)) for n, v in variants(fold.learner).items()}
            own = np.clip(task.right.mean(), 0.5 / len(task), 1 - 0.5 / len(task))
            estimated = fold.learner.level.estimate(task_signals(task)).accuracy
            said["level alone"] = np.full(len(task), estimated)
            said["uncalibrated"] = SELF_CHECK.probability(task.logits, (1.0, 0.0))
            said["own base rate"] = np.full(len(task), own)
            confidence[task.name], right[task.name] = said, task.right
            group_of[task.name] = task.group or task.name
    names, weights = list(right), votes(list(right), group_of)
    nll = {
        m: np.average([binary_nll(confidence[n][m], right[n]) for n in names], weights=weights)
        for m in confidence[names[0]]
    }
    gap = nll["uncalibrated"] - nll["own base rate"]
    print("\n| | NLL | gap closed | AUROC in a task | AUROC pooled |\n|---|---|---|---|---|")
    for method, value in nll.items():
        within = [auroc(confidence[n][method], right[n]) for n in names]
        pooled = auroc(
            np.concatenate([confidence[n][method] for n in names]), np.concatenate([right[n] for n in names])
        )
        closed = (nll["uncalibrated"] - value) / gap
        print(f"| {method} | {value:.3f} | {closed:.0%} | {np.nanmean(within):.3f} | {pooled:.3f} |")


def mixtures(tasks, starter, rng):
    by_name = {t.name: t for t in tasks}
    print(
        "\n| stream | accuracies | mean confidences | NLL, one kind | NLL, kinds | each alone |\n|---"
        + "|---" * 5
        + "|"
    )
    for names in (m for m in MIXTURES if set(m) <= by_name.keys()):
        groups = {by_name[n].group or n for n in names}
        scale, learner = learned([t for t in tasks if (t.group or t.name) not in groups] + starter)
        of = np.repeat(np.arange(len(names)), [len(by_name[n]) for n in names])
        scores = [s for n in names for s in learner.scores(by_name[n])]
        right = np.concatenate([by_name[n].right for n in names])
        order = rng.permutation(len(of))
        shuffled = [scores[i] for i in order]
        one = replace(learner, space=None)
        mixed, alike = (v.probability(scores, v.start(scale, shuffled)) for v in (learner, one))
        parts = [[scores[i] for i in np.flatnonzero(of == k)] for k in range(len(names))]
        alone = np.concatenate([learner.probability(p, learner.start(scale, p)) for p in parts])
        shares, means = (" / ".join(f"{x[of == k].mean():.2f}" for k in range(len(names))) for x in (right, mixed))
        cells = " | ".join(f"{binary_nll(p, right):.3f}" for p in (alike, mixed, alone))
        print(f"| {' + '.join(names)} | {shares} | {means} | {cells} |")


def verdicts(found, rng):
    print("\n| verdicts | thermolang | Platt on them |\n|---|---|---|")
    for n in VERDICTS:
        ours, platts = [], []
        for task, fold in ((t, f) for f in found for t in f.tasks if len(t) >= 2 * max(VERDICTS) - 10):
            scores = fold.learner.scores(task)
            start = fold.learner.start(fold.scale, scores)
            raw = SELF_CHECK.probability(task.logits, (1.0, 0.0))
            for _ in range(5):
                order = rng.permutation(len(task))
                known, rest = order[:n], order[max(VERDICTS) :]
                now = fold.learner.learned(start, [(scores[i], bool(task.right[i])) for i in known])
                p = fold.learner.probability([scores[i] for i in rest], now)
                ours.append(binary_nll(p, task.right[rest]))
                if 0 < task.right[known].sum() < n:
                    q = Platt().fit([(raw[known], task.right[known])])(raw[rest])
                    platts.append(binary_nll(q, task.right[rest]))
                elif n:
                    rate = (task.right[known].sum() + 0.5) / (n + 1)
                    platts.append(binary_nll(np.full(len(rest), rate), task.right[rest]))
        print(f"| {n} | {np.mean(ours):.3f} | {f'{np.mean(platts):.3f}' if platts else ''} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--without", nargs="*", default=[], help="tasks that are left out altogether")
    parser.add_argument("--offline", action="store_true", help="train on the starter tasks alone")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    everything = [t for t in load(args.features, args.model, kind="self_check") if t.name not in args.without]
    starter = [t for t in everything if t.name in families()]
    tasks = [t for t in everything if t.name not in families()]
    print(f"{len(tasks)} tasks of {len({t.group or t.name for t in tasks})} data sets, {len(starter)} starter tasks")
    found = list(folds(tasks, starter, args.offline))
    accuracy_errors(found, np.random.default_rng(args.seed))
    methods(found)
    verdicts(found, np.random.default_rng(args.seed))
    if not args.offline:
        mixtures(tasks, starter, np.random.default_rng(args.seed))


if __name__ == "__main__":
    main()
