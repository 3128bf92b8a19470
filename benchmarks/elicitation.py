"""How many labels does a probe need, with and without agreement before them? Free-form answers.

    python benchmarks/elicitation.py FEATURES --model NAME [--labels 0 50 100 200 400] [--draws 5]

Reads what `thermolang collect --samples 8` or `thermolang calibrate --samples 8` kept. One data set at a time is left
out; of the others so many answers get their label, drawn at random, while agreement (the share of 8 sampled answers
that mean what the answer means) is known of all and needs no label. Prints, as Markdown, the mean AUROC in a data set
that was left out, of: a probe on the labels; the same started from a probe of agreement (EliCal, arXiv 2510.17509);
beside them the self-check, the log-probability of the answer, and agreement itself, which costs 8 answers more.
"""

import argparse
from pathlib import Path

import numpy as np
from rich.progress import track

from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.metrics import auroc
from thermolang.calibration.probe import fit_probe
from thermolang.training.samples import with_samples
from thermolang.training.store import load

LEAST = 10
"""Answers of a data set, below which an AUROC says nothing."""


def labelled(tasks, n, rng):
    """N answers of some tasks, drawn at random; of each task at least two, or none."""
    owner = np.repeat(np.arange(len(tasks)), [len(t) for t in tasks])
    item = np.concatenate([np.arange(len(t)) for t in tasks])
    drawn = rng.permutation(len(owner))[:n] if n else np.arange(len(owner))
    parts = [item[drawn[owner[drawn] == k]] for k in range(len(tasks))]
    return [t.take(np.sort(p)) for t, p in zip(tasks, parts, strict=True) if len(p) >= 2]


def reached(tasks, score):
    """AUROC over the answers of a data set that was left out."""
    return auroc(np.concatenate([score(t) for t in tasks]), np.concatenate([t.right for t in tasks]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--labels", type=int, nargs="*", default=[50, 100, 200, 400])
    parser.add_argument("--draws", type=int, default=5)
    args = parser.parse_args()
    tasks = with_samples(load(args.features, args.model, kind="self_check"), args.features, args.model)
    tasks = [t for t in tasks if "share" in t.signals and np.isfinite(t.signals["share"]).sum() >= 2]
    tasks = [t.take(np.flatnonzero(np.isfinite(t.signals["share"]))) for t in tasks]
    groups = list(dict.fromkeys(t.group or t.name for t in tasks))
    print(f"{len(tasks)} tasks of {len(groups)} data sets, {sum(map(len, tasks))} answers")
    found = {}

    def add(method, labels, value):
        found.setdefault((method, labels), []).append(value)

    for fold, group in enumerate(track(groups, description="data sets left out")):
        out = [t for t in tasks if (t.group or t.name) == group]
        if sum(map(len, out)) < LEAST:
            continue
        rest = [t for t in tasks if (t.group or t.name) != group]
        agreement = fit_probe(rest, agreement=True)
        add("agreement learned, no label", 0, reached(out, lambda t, p=agreement: p.predict(t.hidden)))
        add("self-check", 0, reached(out, lambda t: SELF_CHECK.probability(t.logits, (1.0, 0.0))))
        add("log-probability", 0, reached(out, lambda t: t.signals["mean_logprob"]))
        add("agreement of 8 samples", 0, reached(out, lambda t: t.signals["share"]))
        for n in [*args.labels, 0]:
            for draw in range(args.draws if n else 1):
                known = labelled(rest, n, np.random.default_rng([fold, n, draw]))
                size = n or "all"
                alone, after = fit_probe(known), fit_probe(known, start=agreement)
                add("labels", size, reached(out, lambda t, p=alone: p.predict(t.hidden)))
                add("agreement, then labels", size, reached(out, lambda t, p=after: p.predict(t.hidden)))
    print("\n| | labels | AUROC in a data set |\n|---|---|---|")
    for (method, n), values in found.items():
        print(f"| {method} | {n} | {np.nanmean(values):.3f} |")


if __name__ == "__main__":
    main()
