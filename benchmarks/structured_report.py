"""Figures of what `benchmarks/structured.py` collected, as Markdown.

    python benchmarks/structured_report.py FOLDER [--calibrator FOLDER] [--since N] [--first N]

Methods that need labels learn them from other passages (ten folds). The calibrator has seen none of these data sets and
gets no label. Its tasks here are the fields of one source and kind, as every passage has fields of its own.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.calibration.metrics import auroc, binary_nll
from thermolang.estimator import ConfidenceEstimator
from thermolang.types import OptionScores

FOLDS = 10
KINDS = ("text", "number", "enum", "boolean")
BOOTSTRAP = 1000


class Stub:
    """Stands for the model whose scores were collected."""

    def __init__(self, calibrator):
        self.identity, self.name = calibrator.identity, "collected"


def rows_of(folder, since, first):
    rows = [json.loads(line) for line in (folder / "items.jsonl").read_text("utf-8").splitlines()]
    rows = sorted((row for row in rows if since <= row["number"] < first), key=lambda row: row["number"])
    for row in rows:
        arrays = np.load(folder / f"{row['number']}.npz")
        row["arrays"] = {name: arrays[name].astype(np.float32) for name in arrays}
    return rows


def gap(logits, given=0):
    """Log-odds of the given option against the others."""
    z = np.asarray(logits)
    return float(z[given] - np.logaddexp.reduce(np.delete(z, given)))


def share(p):
    return float(logit(min(max(p, 1e-6), 1 - 1e-6)))


def fields_of(rows):
    """One record a field of each whole answer."""
    found = []
    for row in rows:
        for i, field in enumerate(row.get("fields", ())):
            alone = row["alone"][i]
            found.append(
                {
                    "passage": row["number"],
                    "task": f"{row['source']}/{field['kind']}",
                    "kind": field["kind"],
                    "right": field["right"],
                    "alone_right": alone["right"],
                    "logprob": share(field["probability"]),
                    "among": share(field["among"]),
                    "named": gap(field["checks"]["named"]),
                    "check": gap(field["checks"]["described"]),
                    "options": gap(field["logits"], field["given"]) if field["scored"] == "choice" else math.nan,
                    "whole": gap(row["whole"]),
                    "alone": gap(alone["logits"], alone["given"]),
                    "field": field,
                    "hidden": row["arrays"][f"field_{i}"],
                    "check_hidden": row["arrays"][f"described_{i}"],
                }
            )
    return found


def platt(found, *signals, right="right"):
    """P(right) by a logistic regression on other passages' labels."""
    x = np.array([[one[s] for s in signals] for one in found], float).reshape(len(found), -1)
    y = np.array([one[right] for one in found])
    fold = np.array([one["passage"] % FOLDS for one in found])
    p = np.empty(len(found))
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        if not test.any():
            continue
        if not signals:
            p[test] = y[train].mean()
            continue
        mean, spread = x[train].mean(0), x[train].std(0) + 1e-9
        fitted = LogisticRegression(C=1.0).fit((x[train] - mean) / spread, y[train])
        p[test] = fitted.predict_proba((x[test] - mean) / spread)[:, 1]
    return p


def calibrated(found, calibrator, *, by_check=False):
    """The library's own confidences, in the order of the passages; NaN without one."""
    estimator = ConfidenceEstimator(Stub(calibrator), calibrator, state_dir=None, allow_mismatch=True)
    values, novel = [], []
    for i, one in enumerate(found):
        field = one["field"]
        choice = field["scored"] == "choice" and not by_check
        if choice:
            options = tuple(str(j) for j in range(len(field["logits"])))
            scores = OptionScores(options, np.array(field["logits"]), one["hidden"], field["mass"])
        else:
            logits, hidden = np.array(field["checks"]["described"]), one["check_hidden"]
            scores = OptionScores(("yes", "no"), logits, hidden, 1.0)
        kind, given = (CHOICE, field["given"]) if choice else (SELF_CHECK, 0)
        logprob = math.nan if choice else field["probability"]
        asked = [{"role": "user", "content": str(i)}]
        confidence = estimator.calibrate(scores, given, asked, one["task"], kind, logprob)
        values.append(math.nan if confidence.value is None else confidence.value)
        novel.append(not confidence.supported)
    return np.array(values), float(np.mean(novel))


def interval(passages, figure, rng):
    """95 % bootstrap interval over passages."""
    groups = {p: np.flatnonzero(passages == p) for p in set(passages.tolist())}
    names, found = list(groups), []
    for _ in range(BOOTSTRAP):
        drawn = np.concatenate([groups[names[i]] for i in rng.integers(0, len(names), len(names))])
        try:
            found.append(figure(drawn))
        except ValueError:
            continue
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return f"[{low:.3f}, {high:.3f}]"


def table(found, methods, title):
    right = np.array([one["right"] for one in found])
    passages = np.array([one["passage"] for one in found])
    rng = np.random.default_rng(0)
    print(f"\n### {title}: {len(found)}, {right.mean():.3f} right\n")
    print("| method | labels | AUROC | NLL | mean |\n|---|---|---|---|---|")
    for name, (labels, p) in methods.items():
        ok = np.isfinite(p)
        area = interval(passages[ok], lambda i, p=p[ok], y=right[ok]: auroc(p[i], y[i]), rng)
        loss = interval(passages[ok], lambda i, p=p[ok], y=right[ok]: binary_nll(p[i], y[i]), rng)
        missing = "" if ok.all() else f" ({(~ok).sum()} without)"
        print(
            f"| {name}{missing} | {labels} | {auroc(p[ok], right[ok]):.3f} {area} | "
            f"{binary_nll(p[ok], right[ok]):.3f} {loss} | {p[ok].mean():.3f} |"
        )


def accuracies(rows, found):
    whole = sum(row["finish"] == "stop" for row in rows)
    print(f"{len(rows)} objects, {whole} complete and valid ({whole / len(rows):.1%})\n")
    print("| fields | n | in the object | alone |\n|---|---|---|---|")
    groups = {kind: [o for o in found if o["kind"] == kind] for kind in KINDS}
    sources = {s: [o for o in found if o["task"].startswith(s)] for s in ("squad", "drop", "jsquad")}
    for name, part in {**groups, **sources, "all": found}.items():
        if part:
            inside, alone = (np.mean([o[key] for o in part]) for key in ("right", "alone_right"))
            print(f"| {name} | {len(part)} | {inside:.3f} | {alone:.3f} |")


def field_methods(part, calibrator):
    methods = {
        "base rate": ("others'", platt(part)),
        "mean log-prob": ("others'", platt(part, "logprob")),
        "mean log-prob among allowed tokens": ("others'", platt(part, "among")),
        "P(True) of the object, once": ("others'", platt(part, "whole")),
        "check that names the field": ("others'", platt(part, "named")),
        "check with its description": ("others'", platt(part, "check")),
        "check and log-prob": ("others'", platt(part, "check", "logprob")),
        "check, uncalibrated": ("none", expit(np.array([o["check"] for o in part]))),
    }
    if all(math.isfinite(o["options"]) for o in part):
        methods["options"] = ("others'", platt(part, "options"))
        methods["options, check and log-prob"] = ("others'", platt(part, "options", "check", "logprob"))
        methods["options, uncalibrated"] = ("none", expit(np.array([o["options"] for o in part])))
    return methods


def objects(rows, found, ours):
    """Whole answers: are all fields right?"""
    items = {}
    for one, p in zip(found, ours, strict=True):
        items.setdefault(one["passage"], []).append((one, p))
    whole = [
        {
            "passage": number,
            "right": all(o["right"] for o, _ in fields),
            "whole": fields[0][0]["whole"],
            "n": len(fields),
            "least logprob": min(o["logprob"] for o, _ in fields),
            "sum logprob": sum(np.log(expit(o["logprob"])) for o, _ in fields),
            "product": math.prod(p for _, p in fields),
            "least": min(p for _, p in fields),
            "mean": math.exp(np.mean([math.log(max(p, 1e-9)) for _, p in fields])),
        }
        for number, fields in items.items()
    ]
    methods = {
        "base rate": ("others'", platt(whole)),
        "P(True), once": ("others'", platt(whole, "whole")),
        "least mean log-prob of a field": ("others'", platt(whole, "least logprob")),
        "P(True), uncalibrated": ("none", expit(np.array([o["whole"] for o in whole]))),
        "product of the fields' confidences": ("none", np.array([o["product"] for o in whole])),
        "least of the fields' confidences": ("none", np.array([o["least"] for o in whole])),
        "geometric mean of them": ("none", np.array([o["mean"] for o in whole])),
    }
    table(whole, methods, "whole objects")


def costs(rows):
    kept = [row for row in rows if "fields" in row]
    seconds = {name: np.array([row["seconds"][name] for row in kept]) for name in ("generate", "fields", "whole")}
    extra = seconds["fields"] / seconds["generate"]
    print(
        f"\n### Cost\n\nan object: {seconds['generate'].mean():.1f} s in a batch of {rows[0]['batch']}, its fields' "
        f"checks {seconds['fields'].mean():.2f} s alone, one check of the whole {seconds['whole'].mean():.2f} s"
    )
    print(f"checks beside generation, median: {np.median(extra):.2f}")
    alone = np.array([row["seconds"]["alone"] for row in kept])
    print(f"asking each question alone with its check: {np.median(alone / seconds['generate']):.2f} times an object")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calibrator", type=Path)
    parser.add_argument("--since", type=int, default=0, help="only passages from this number on")
    parser.add_argument("--first", type=int, default=10**9, help="only passages below this number")
    given = parser.parse_args()
    rows = rows_of(given.folder, given.since, given.first)
    found = fields_of(rows)
    accuracies(rows, found)
    calibrator = Calibrator.from_pretrained(given.calibrator) if given.calibrator else None
    ours = {}
    if calibrator:
        for name, by_check in (("thermolang", False), ("thermolang, checks for options too", True)):
            values, novel = calibrated(found, calibrator, by_check=by_check)
            ours[name] = values
            print(f"\n{name}: {novel:.1%} of the fields are unlike the calibrator's training")
    for title, kinds in {"all fields": KINDS, **{k: (k,) for k in KINDS}}.items():
        where = [i for i, o in enumerate(found) if o["kind"] in kinds]
        part = [found[i] for i in where]
        if len({o["right"] for o in part}) < 2:
            continue
        methods = field_methods(part, calibrator) | {name: ("none", p[where]) for name, p in ours.items()}
        table(part, methods, title)
    for name, p in ours.items():
        print(f"\nwith {name}:")
        objects(rows, found, np.where(np.isfinite(p), p, 0.5))
    costs(rows)


if __name__ == "__main__":
    main()
