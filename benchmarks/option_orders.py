"""Does the same choice in other orders of the options tell right from wrong? One data set left out at a time.

    thermolang collect --model MODEL --task FILE --signals --out FEATURES
    python benchmarks/option_orders.py FEATURES --model NAME

Reads multiple-choice features that `collect --signals` kept: the options' logits in the given order, the mean over up
to four rotated orders, and `shuffled`, the share of the orders in which the answer is that of the given one. Other
orders cost a pass each, so they would have to earn it. Prints, as Markdown:

1. P(right) of an item by logistic regressions on other data sets: NLL, AUROC within a task (mean) and pooled;
2. the accuracy of a task by ridge regressions on other data sets: the mean error of the estimate.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from thermolang.calibration.kinds import choice_probabilities
from thermolang.calibration.metrics import auroc, binary_nll
from thermolang.training.features import with_rotations
from thermolang.training.store import load

EDGE = 1e-4
SIGNALS = {
    "the given order": ("given",),
    "and agreement of the orders": ("given", "shuffled"),
    "and the mean over the orders": ("given", "mean"),
    "all three": ("given", "shuffled", "mean"),
}


def data_set(task):
    return task.group or task.name


def log_odds(p):
    return logit(np.clip(p, EDGE, 1 - EDGE))


def signals_of(task):
    """Of each item: log-odds of the answer in the given order and over all of them, and the agreement."""
    answer, items = task.kind.given(task.logits), np.arange(len(task))
    found = {"given": choice_probabilities(task.logits, 1.0)[items, answer]}
    found["mean"] = choice_probabilities(with_rotations(task).logits, 1.0)[items, answer]
    return {**{name: log_odds(p) for name, p in found.items()}, "shuffled": task.signals["shuffled"]}


def items_by_regression(tasks, columns, names):
    """P(right) of each task's items, by the data sets that are not its own."""
    found = {}
    for task in tasks:
        rest = [t for t in tasks if data_set(t) != data_set(task)]
        x, y = (np.concatenate(parts) for parts in zip(*((columns(t, names), t.right) for t in rest), strict=True))
        fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
        found[task.name] = fitted.predict_proba(columns(task, names))[:, 1]
    return found


def accuracies_by_regression(tasks, columns, names):
    """Error of each task's estimated accuracy; ``names`` may be empty, for a constant."""
    x = np.array([np.r_[0, columns(t, names).mean(axis=0)] if names else [0] for t in tasks])
    y = np.array([logit((t.right.sum() + 0.5) / (len(t) + 1)) for t in tasks])
    errors = []
    for i, task in enumerate(tasks):
        rest = [j for j, t in enumerate(tasks) if data_set(t) != data_set(task)]
        fitted = make_pipeline(StandardScaler(), Ridge()).fit(x[rest], y[rest])
        errors.append(abs(float(expit(fitted.predict(x[[i]])[0])) - task.right.mean()))
    return np.mean(errors)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--model", required=True)
    args = parser.parse_args()
    tasks = [t for t in load(args.features, args.model, kind="choice") if with_rotations(t) is not None]
    known = {t.name: signals_of(t) for t in tasks}

    def columns(task, names):
        return np.stack([known[task.name][n] for n in names], axis=1)

    right = np.concatenate([t.right for t in tasks])
    sets = len(set(map(data_set, tasks)))
    print(f"{len(tasks)} tasks of {sets} data sets, {len(right)} items, {right.mean():.3f} right")
    print(f"error of the accuracy by a constant: {accuracies_by_regression(tasks, columns, ()):.3f}\n")
    print("| signals | NLL | AUROC in a task | AUROC pooled | error of the accuracy |\n|---|---|---|---|---|")
    for title, names in SIGNALS.items():
        p = items_by_regression(tasks, columns, names)
        within = np.nanmean([auroc(p[t.name], t.right) for t in tasks])
        pooled = np.concatenate([p[t.name] for t in tasks])
        error = accuracies_by_regression(tasks, columns, names)
        cells = binary_nll(pooled, right), within, auroc(pooled, right), error
        print(f"| {title} | " + " | ".join(f"{x:.3f}" for x in cells) + " |")


if __name__ == "__main__":
    main()
