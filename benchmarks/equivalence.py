"""Do two answers mean the same? Our steps alone and together against people's verdicts, and what they cost.

    python benchmarks/equivalence.py --data DATA [--judge MODEL] [--limit 300] [--json OUT]
    python benchmarks/equivalence.py --data DATA --fit      # the weights in thermolang/answers/equivalence.py
    python benchmarks/equivalence.py --data DATA --judge MODEL --fit-judge      # and in thermolang/answers/judging.py

DATA holds `sas/` (SQuAD_SAS.csv, GermanQuAD_SAS.csv), `evouna/TQ.json` and `jglue/jsts-v1.3/valid-v1.3.json`. Weights
and thresholds were chosen on SAS SQuAD; the judge's examples, scale and band of doubt on the pairs called "for the
judge". Nothing was chosen on the others.
"""

import argparse
import csv
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from thermolang.answers.embedding import SentenceEmbedder
from thermolang.answers.equivalence import Equivalence, pair_features
from thermolang.answers.grading import exact_match, token_f1
from thermolang.answers.judging import ChatJudge
from thermolang.answers.rules.facts import facts

OWN = Path(__file__).parents[1] / "tests" / "data"
DRAWS = 1000


@dataclass(frozen=True)
class Pair:
    """An answer, the accepted answers it is held against, whether people call it the same, and who gave it."""

    question: str
    answer: str
    aliases: tuple[str, ...]
    same: bool
    system: str = ""


def sas(path):
    rows = [r for r in csv.DictReader(path.open(encoding="utf-8")) if r["label"] in ("0.0", "2.0", "0", "2")]
    return [Pair("", r["answer1"], (r["answer2"],), float(r["label"]) == 2) for r in rows]


def evouna(path):
    found = []
    for row in json.loads(path.read_text(encoding="utf-8")):
        aliases = tuple(a.strip() for a in row["golden_answer"].split("/") if a.strip())
        for name in ("fid", "gpt35", "chatgpt", "gpt4", "newbing"):
            verdict = row.get(f"judge_{name}")
            if verdict is not None and not row.get("improper") and aliases:
                found.append(Pair(row["question"], row[f"answer_{name}"], aliases, bool(verdict), name))
    return found


def jsts(path):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    clear = [r for r in rows if not 2 < float(r["label"]) < 4]
    return [Pair("", r["sentence1"], (r["sentence2"],), float(r["label"]) >= 4) for r in clear]


def own(name):
    """Pairs of ours, made to be hard; the fresh ones were written without having read the rules."""
    rows = [json.loads(line) for line in (OWN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [Pair(r["question"], r["a"], (r["b"],), r["same"]) for r in rows]


def methods(embedder, judge):
    """Name -> (function of question and two answers, threshold); cosine's and F1's thresholds are SAS SQuAD's best."""

    def cosine(_question, a, b):
        x, y = embedder.embed([a, b])
        return float(np.nan_to_num(x @ y))

    ours, plain, rules = Equivalence(embedder), Equivalence(embedder, guards=()), Equivalence(None)
    found = {
        "exact match": (lambda q, a, b: exact_match(a, [b], q), 0.5),
        "token F1": (lambda q, a, b: token_f1(a, [b], q), 0.5),
        "cosine": (cosine, 0.704),
        "embedding + letters": (lambda q, a, b: plain.same(a, b, q), 0.5),
        "guards + letters": (lambda q, a, b: rules.same(a, b, q), 0.5),
        "ours, no judge": (lambda q, a, b: ours.same(a, b, q), 0.5),
    }
    if judge is not None:
        judged = Equivalence(embedder, judge)
        found["judge alone"] = (lambda q, a, b: judge(q, [(a, b)])[0], 0.5)
        found["ours"] = (lambda q, a, b: judged.same(a, b, q), 0.5)
    return found


def measure(pairs, found, judge):
    y = np.array([p.same for p in pairs])
    scores, seconds = {}, {}
    for name, (score, _) in found.items():
        if judge is not None:
            judge._known.clear()
        start = time.perf_counter()
        scores[name] = np.array([max(score(p.question, p.answer, alias) for alias in p.aliases) for p in pairs])
        seconds[name] = time.perf_counter() - start
    rng = np.random.default_rng(0)
    draws = [d for d in rng.integers(len(y), size=(DRAWS, len(y))) if 0 < y[d].sum() < len(y)]
    best = "ours" if "ours" in found else "ours, no judge"
    table = {}
    for name, (_, threshold) in found.items():
        s = scores[name]
        auc = [roc_auc_score(y[d], scores[best][d]) - roc_auc_score(y[d], s[d]) for d in draws]
        f1 = [f1_score(y[d], scores[best][d] >= 0.5) - f1_score(y[d], s[d] >= threshold) for d in draws]
        table[name] = {
            "AUROC": roc_auc_score(y, s),
            "F1": f1_score(y, s >= threshold),
            "accuracy": float(((s >= threshold) == y).mean()),
            "joins": int(((s >= threshold) & ~y).sum()),
            "splits": int(((s < threshold) & y).sum()),
            "certain": int((((s == 1) & ~y) | ((s == 0) & y)).sum()),
            "ours minus it, AUROC": np.quantile(auc, [0.025, 0.975]).tolist(),
            "ours minus it, F1": np.quantile(f1, [0.025, 0.975]).tolist(),
            "ms a pair": 1000 * seconds[name] / len(pairs),
        }
    return table


def fit(pairs, embedder):
    """Weights of the features on SAS SQuAD, with and without the embedding.

    With the embedding, C = 100 has the least log loss of 0.1 to 1000 in a tenfold cross-validation on these pairs. A
    feature of negative weight is left out: more likeness must make no pair less likely to be the same.
    """
    y = np.array([p.same for p in pairs])
    for label, use in (("WITH_EMBEDDING", True), ("WITHOUT_EMBEDDING", False)):
        both = [[facts(p.answer), facts(p.aliases[0])] for p in pairs]
        vectors = [embedder.embed([f.text for f in pair]) if use else None for pair in both]
        features = np.array([pair_features(f, v)[0, 1] for f, v in zip(both, vectors, strict=True)])
        read = np.isfinite(features).all(axis=1)
        kept = list(range(0 if use else 1, features.shape[1]))
        while True:
            line = LogisticRegression(C=100 if use else 1, max_iter=1000).fit(features[read][:, kept], y[read])
            if line.coef_.min() >= 0:
                break
            del kept[int(line.coef_.argmin())]
        weights = np.zeros(features.shape[1])
        weights[kept] = line.coef_[0]
        print(label, np.round([line.intercept_[0], *weights], 2).tolist())


def fit_judge(pairs, judge):
    """Scale and shift of the judge's log-odds."""
    x = [np.mean(judge._ask([(p.question, p.answer, b), (p.question, b, p.answer)])) for p in pairs for b in p.aliases]
    line = LogisticRegression().fit(np.reshape(x, (-1, 1)), [p.same for p in pairs])
    print("SCALE", line.coef_[0, 0].round(2), "SHIFT", line.intercept_[0].round(2))


def show(name, pairs, table):
    print(f"\n{name}: {len(pairs)} pairs, {sum(p.same for p in pairs)} the same\n")
    head = ["", "AUROC", "F1", "accuracy", "false joins", "false splits", "wrong at 0 or 1"]
    head += ["ours minus it, AUROC", "ours minus it, F1", "ms a pair"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for method, row in table.items():
        auc, f1 = ("[{:+.3f}, {:+.3f}]".format(*row[f"ours minus it, {m}"]) for m in ("AUROC", "F1"))
        figures = " | ".join(f"{row[m]:.3f}" for m in ("AUROC", "F1", "accuracy"))
        figures += f" | {row['joins']} | {row['splits']} | {row['certain']}"
        figures += f" | {auc} | {f1} | {row['ms a pair']:.2f}"
        print(f"| {method} | {figures} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--judge", help="a local chat model that judges the doubtful pairs")
    parser.add_argument("--limit", type=int, help="at most so many pairs of each set, drawn at random")
    parser.add_argument("--only", action="append", help="sets to measure; all by default")
    parser.add_argument("--embedder", help="another sentence embedder than the default, by folder or hub id")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--fit-judge", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    embedder, judge = SentenceEmbedder(args.embedder) if args.embedder else SentenceEmbedder(), None
    embedder.embed(["loaded before anything is timed"])
    if args.fit:
        fit(sas(args.data / "sas" / "SQuAD_SAS.csv"), embedder)
        return
    if args.judge:
        from thermolang.models.local import LocalModel

        judge = ChatJudge(LocalModel.load(args.judge))
    if args.fit_judge and judge is None:
        parser.error("--fit-judge takes the model of --judge")
    if args.fit_judge:
        fit_judge(own("equivalence_judge_1") + own("equivalence_judge_2"), judge)
        return
    sets = {
        "SAS SQuAD (tuned on)": sas(args.data / "sas" / "SQuAD_SAS.csv"),
        "SAS GermanQuAD": sas(args.data / "sas" / "GermanQuAD_SAS.csv"),
        "EVOUNA TriviaQA": evouna(args.data / "evouna" / "TQ.json"),
        "JSTS (Japanese)": jsts(args.data / "jglue" / "jsts-v1.3" / "valid-v1.3.json"),
        "adversarial": own("equivalence"),
        "for the judge 1": own("equivalence_judge_1"),
        "for the judge 2": own("equivalence_judge_2"),
        "fresh 1": own("equivalence_fresh_1"),
        "fresh 2": own("equivalence_fresh_2"),
    }
    results = {}
    for name, pairs in sets.items():
        if args.only and not any(o.lower() in name.lower() for o in args.only):
            continue
        if args.limit and len(pairs) > args.limit:
            chosen = np.random.default_rng(0).choice(len(pairs), args.limit, replace=False)
            pairs = [pairs[i] for i in sorted(chosen)]
        results[name] = measure(pairs, methods(embedder, judge), judge)
        show(name, pairs, results[name])
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
