"""Does a judge of doubtful pairs make the confidence of a meaning better? Sampled answers with their labels.

    python benchmarks/judged_samples.py FEATURES --model NAME --judge MODEL [--only NAME ...]
    python benchmarks/judged_samples.py FEATURES --model NAME --groups [--judge MODEL]   # the groups, to be read

Reads what `thermolang collect --samples 8` kept. Of each question the 8 samples are grouped by meaning with and without
the judge, which is the chat model MODEL. Prints, as Markdown, for each task how well the share of the samples that mean
what the answer means tells right from wrong (AUROC), its Brier score, and pairs and seconds of judging a question.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from rich.progress import track

from thermolang.answers.clustering import cluster_answers
from thermolang.answers.equivalence import Equivalence
from thermolang.answers.judging import ChatJudge
from thermolang.calibration.metrics import auroc
from thermolang.models.local import LocalModel
from thermolang.training.samples import load_samples, rows_of, with_samples
from thermolang.training.store import load


def measured(task, folder, model, equivalence):
    """AUROC and Brier score of the share, and number of questions with samples."""
    (sampled,) = with_samples([task], folder, model, equivalence=equivalence)
    share = sampled.signals.get("share", np.full(len(task), np.nan))
    known = np.isfinite(share)
    share, right = share[known], task.right[known]
    return (auroc(share, right), ((share - right) ** 2).mean(), len(share)) if len(share) else (np.nan, np.nan, 0)


def groups(tasks, folder, model, equivalence):
    """Print the distinct texts of each meaning, and whether the answer is right, for a reader to count errors."""
    drawn, rows = load_samples(folder, model, n=8), rows_of(folder, model)
    asked = [(drawn[key], row) for task in tasks for key, row in sorted(rows[task.name].items()) if key in drawn]
    for one, row in asked:
        found = cluster_answers(one.texts, answer=row.answer, question=one.question, equivalence=equivalence)
        meanings = [{one.texts[i] for i in c.members} for c in found.clusters]
        meanings[found.answer].add(row.answer)
        print(f"{'right' if row.label == 0 else 'wrong'}: {one.question}")
        print("    " + "  ||  ".join(" | ".join(sorted(texts)) for texts in meanings))


def table(tasks, folder, model, judge):
    plain, rows = Equivalence(), []
    head = ["task", "questions", "AUROC", "with the judge", "Brier", "with the judge", "pairs", "seconds"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for task in track(tasks, description="tasks"):
        area, brier, n = measured(task, folder, model, plain)
        if not n:
            continue
        known, start = len(judge._known), time.perf_counter()
        judged_area, judged_brier, _ = measured(task, folder, model, Equivalence(judge=judge))
        cost = (len(judge._known) - known) / n, (time.perf_counter() - start) / n
        rows.append((area, judged_area, brier, judged_brier, *cost))
        print(f"| {task.name} | {n} | " + " | ".join(f"{x:.3f}" for x in rows[-1]) + " |", flush=True)
    print("| mean | | " + " | ".join(f"{x:.3f}" for x in np.nanmean(rows, axis=0)) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--judge", help="folder or hub id of the chat model that judges; --groups may do without")
    parser.add_argument("--groups", action="store_true", help="print the groups instead of measuring")
    parser.add_argument("--only", nargs="*", help="tasks to measure; all by default")
    args = parser.parse_args()
    if not (args.judge or args.groups):
        parser.error("--judge MODEL is needed, or --groups")
    tasks = [t for t in load(args.features, args.model, kind="self_check") if not args.only or t.name in args.only]
    judge = ChatJudge(LocalModel.load(args.judge)) if args.judge else None
    if args.groups:
        groups(tasks, args.features, args.model, Equivalence(judge=judge))
    else:
        table(tasks, args.features, args.model, judge)


if __name__ == "__main__":
    main()
