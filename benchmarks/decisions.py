"""Decisions by LangChain's decision model: right and honest on benchmarks left out, and what several questions cost.

    python benchmarks/decisions.py --data DATA --model MODEL --features FEATURES [--items 60] [--parts quality cost]

`quality` trains a calibrator on what `thermolang collect` kept of other multiple-choice tasks (FEATURES, of the same
model), then asks ARC-Challenge, CommonsenseQA, JCommonsenseQA and five tasks of BIG-bench, item by item, through
`ThermometerDecisionModel`, a task each, without a label. Beside the calibrated confidence stands the uncalibrated one.
`cost` asks one and eight questions about a state of about 500 tokens, in turns, with no earlier prompt kept.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from langchain_core.decisions import Choice, Noul
from rich.progress import Progress, track

from thermolang import ConfidenceEstimator, ThermometerDecisionModel
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.fit import fit
from thermolang.calibration.metrics import auroc, binary_nll, ece
from thermolang.calibration.training import TrainingConfig
from thermolang.models.local import LocalModel
from thermolang.tasks.readers import load_tasks
from thermolang.training.store import load

SETS = {
    "ARC-Challenge": "arc_challenge/ARC-Challenge-Test.jsonl",
    "commonsenseqa": "commonsenseqa/dev_rand_split.jsonl",
    "jcommonsenseqa": "jglue/jcommonsenseqa-v1.3/valid-v1.3.json",
    "strategyqa": "bigbench/strategyqa.json",
    "social_iqa": "bigbench/social_iqa.json",
    "fact_checker": "bigbench/fact_checker.json",
    "logical_fallacy_detection": "bigbench/logical_fallacy_detection.json",
    "unit_conversion": "bigbench/unit_conversion.json",
}
STATE = " ".join(
    f"Message {i}: the delivery of order {4000 + i} was late again and nobody answered." for i in range(32)
)
ASKED = ("angry", "urgent", "about money", "about a delivery", "polite", "a complaint", "from a new customer", "long")


def trained(local, features, steps):
    others = [t for t in load(features, local.name) if t.name not in SETS]
    with Progress() as bar:
        shown = bar.add_task(f"calibrator of {len(others)} other tasks", total=None)
        found = fit(
            others,
            TrainingConfig(steps=steps),
            progress=lambda done, total: bar.update(shown, completed=done, total=total),
        )
    return Calibrator(local.identity, {"choice": found}, local.probe(), model_name=local.name)


def asked(example):
    """The item as a Choice; None if two of its options are the same text."""
    options = {" ".join(text.split()): None for text in example.choices}
    if len(options) < len(example.choices):
        return None
    return Choice(instructions=example.question, criteria=options)


def decided(model, task):
    """Confidence, uncalibrated confidence and whether right (N,) of a task's items."""
    found = []
    for example in track(task.examples, task.name):
        question = asked(example)
        if question is None:
            continue
        label, confidence = model.decide(example.context, {task.name: question})[task.name]
        if confidence.value is not None:
            right = list(question.criteria).index(label) == example.label
            found.append((confidence.value, confidence.raw, right))
    return np.array(found, dtype=float).T


def quality(local, args):
    estimator = ConfidenceEstimator(local, trained(local, args.features, args.steps), state_dir=None)
    model, rows = ThermometerDecisionModel(estimator=estimator), []
    print("| | items | right | NLL before | after | ECE before | after | AUROC before | after |\n" + "|---" * 9 + "|")
    for name, path in SETS.items():
        (task,) = load_tasks(args.data / path, limit=args.items, seed=1)
        calibrated, raw, right = decided(model, task)
        scores = [f(c, right) for f in (binary_nll, ece, auroc) for c in (raw, calibrated)]
        rows.append([right.mean(), *scores])
        print(
            f"| {name} | {len(right)} | {right.mean():.2f} | " + " | ".join(f"{s:.3f}" for s in scores) + " |",
            flush=True,
        )
    means = np.mean(rows, axis=0)
    print(f"| mean | | {means[0]:.2f} | " + " | ".join(f"{m:.3f}" for m in means[1:]) + " |")


def cost(local, rounds):
    from apply import calibrator
    from chat import Always

    estimator = Always(local, calibrator(local.identity), allow_mismatch=True, state_dir=None)
    model = ThermometerDecisionModel(estimator=estimator)
    questions = {name: Noul(instructions=f"Is this {name}?") for name in ASKED}
    one, seconds = dict([next(iter(questions.items()))]), {"one": [], "eight": []}
    for _ in range(rounds + 1):
        for name, wanted in (("one", one), ("eight", questions)):
            local.scheduler.forget_prompts()
            start = time.perf_counter()
            model.decide(STATE, wanted)
            seconds[name].append(time.perf_counter() - start)
    eight, single = (np.array(seconds[name][1:]) for name in ("eight", "one"))
    tokens = len(local.encode(STATE))
    print(
        f"eight questions over one state of {tokens} tokens: {np.median(eight / single):.2f} times one "
        f"({np.median(eight):.2f} s, {np.median(single):.2f} s; {rounds} rounds)"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--items", type=int, default=60)
    parser.add_argument("--steps", type=int, default=5000, help="of training the calibrator")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parts", nargs="*", default=["quality", "cost"])
    args = parser.parse_args()
    local = LocalModel.load(args.model)
    if "cost" in args.parts:
        cost(local, args.rounds)
    if "quality" in args.parts:
        quality(local, args)


if __name__ == "__main__":
    main()
