"""uqlm's semantic clustering beside ours, on the same sampled answers and the same pairwise decisions.

    python benchmarks/peers.py prepare FEATURES MODEL pairs.json [--limit 200]    # in thermolang's environment
    python benchmarks/peers.py run pairs.json                                     # in one with `pip install uqlm`

uqlm compares each answer with the first one of each cluster, in the order of the samples, and asks a model for natural
language inference, which comes from a hub. Here its questions are answered from a table of our P(same) >= 0.5, so that
only the clustering differs. Shown: in how many questions another order of the samples gives other clusters, or another
entropy; how often an answer stands in two clusters; the time of the clustering alone.
"""

import argparse
import json
import random
import time
from pathlib import Path

from scipy.stats import entropy
from sklearn.metrics import roc_auc_score

ORDERS = 20


def tells(rows, name):
    """AUROC of the entropy for wrong answers, mean over tasks that have both."""
    tasks = {}
    for row in rows:
        if row["label"]:
            task, right = row["label"]
            tasks.setdefault(task, []).append((not right, row[name]))
    found = [roc_auc_score(*zip(*of, strict=True)) for of in tasks.values() if len({wrong for wrong, _ in of}) == 2]
    return f"{sum(found) / len(found):.3f} in {len(found)} tasks" if found else "unknown: no labels"


def prepare(args):
    import numpy as np

    from thermolang.answers.clustering import cluster_answers
    from thermolang.answers.embedding import SentenceEmbedder
    from thermolang.answers.equivalence import Equivalence
    from thermolang.training.samples import load_samples
    from thermolang.training.store import load, rows_of

    tasks, rows_by_task = load(args.features, args.model, kind="self_check"), rows_of(args.features, args.model)
    labels = {
        key: (task.name, bool(right))
        for task in tasks
        if len(keys := sorted(rows_by_task.get(task.name, {}))) == len(task)  # the order of ``load``
        for key, right in zip(keys, task.right, strict=True)
    }
    equivalence, rows, changed, seconds = Equivalence(SentenceEmbedder()), [], 0, 0.0
    for key, one in sorted(load_samples(args.features, args.model).items())[: args.limit]:
        found = equivalence.compare(one.texts, one.question)
        place = np.array(found.places)
        same = (found.same >= 0.5)[np.ix_(place, place)]
        start = time.perf_counter()
        partition = {
            frozenset(m.members)
            for m in cluster_answers(one.texts, question=one.question, equivalence=equivalence).clusters
        }
        seconds += time.perf_counter() - start
        order = random.Random(0).sample(range(len(one.texts)), len(one.texts))
        moved = cluster_answers([one.texts[i] for i in order], question=one.question, equivalence=equivalence)
        changed += {frozenset(order[i] for i in m.members) for m in moved.clusters} != partition
        row = {"texts": list(one.texts), "same": same.astype(int).tolist(), "label": labels.get(key)}
        rows.append(row | {"entropy": entropy([len(cluster) for cluster in partition])})
    args.out.write_text(json.dumps(rows), encoding="utf-8")
    each = 1000 * seconds / len(rows)
    print(f"{len(rows)} questions; ours: other clusters in another order in {changed}, {each:.1f} ms each")


class Table:
    """Answers uqlm's questions from a table; texts are made unique by their place."""

    def __init__(self, same):
        self.same = same

    def get_nli_results_batch(self, pairs):
        places = [tuple(int(text.split(":", 1)[0]) for text in pair) for pair in pairs]
        return [
            {"entailment": bool(self.same[i][j]), "entailment_score": self.same[i][j], "noncontradiction_score": 1.0}
            for i, j in places
        ]


def run(args):
    from uqlm.nli.cluster import SemanticClusterer

    rows = json.loads(args.pairs.read_text(encoding="utf-8"))
    changed, spread, twice, seconds, calls = 0, [], 0, 0.0, 0
    for number, row in enumerate(rows):
        texts = [f"{i}:{text}" for i, text in enumerate(row["texts"])]
        seen, entropies = set(), []
        for order in range(ORDERS):
            moved = random.Random(1000 * number + order).sample(texts, len(texts))
            start = time.perf_counter()
            clusters = SemanticClusterer(Table(row["same"])).cluster_responses(responses=moved)[0]
            seconds, calls = seconds + time.perf_counter() - start, calls + 1
            seen.add(frozenset(frozenset(c) for c in clusters))
            twice += sum(len(c) for c in clusters) > len(texts)
            entropies.append(entropy([len(cluster) for cluster in clusters]))
        row["uqlm"] = sum(entropies) / len(entropies)
        changed += len(seen) > 1
        spread.append(max(entropies) - min(entropies))
    print(f"{len(rows)} questions, {ORDERS} orders each; uqlm: other clusters in another order in {changed}")
    print(f"an answer in two clusters in {twice} of {calls} runs; entropy differs by up to {max(spread):.2f}")
    print(f"AUROC of the entropy, uqlm: {tells(rows, 'uqlm')}; ours: {tells(rows, 'entropy')}")
    print(f"{1000 * seconds / calls:.2f} ms a clustering, without the inference model")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    first = commands.add_parser("prepare")
    first.add_argument("features", type=Path)
    first.add_argument("model")
    first.add_argument("out", type=Path)
    first.add_argument("--limit", type=int, default=200)
    first.set_defaults(job=prepare)
    second = commands.add_parser("run")
    second.add_argument("pairs", type=Path)
    second.set_defaults(job=run)
    args = parser.parse_args()
    args.job(args)


if __name__ == "__main__":
    main()
