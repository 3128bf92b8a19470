"""Which way to grade answers agrees with people? Every grader against people's verdicts, and what it costs.

    python benchmarks/grading.py --data DATA [--limit 400] [--json OUT]
    python benchmarks/grading.py --data DATA --fit      # thermolang/answers/rules/data/grading_weights.toml

DATA holds `sas/` (SQuAD_SAS.csv, GermanQuAD_SAS.csv) and `evouna/TQ.json`. The weights of `combined` and `equivalent`
are fitted on one half of the questions of EVOUNA TriviaQA, drawn by a hash of the question, and measured on the other;
the graders' rules were looked at on SAS SQuAD only. There are no Japanese answers with people's verdicts in DATA:
JSQuAD has accepted answers and nothing that was graded, and JSTS has pairs of captions.
"""

import argparse
import hashlib
import itertools
import json
import sys
import time
from pathlib import Path

import numpy as np
from equivalence import evouna, sas
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, precision_score, recall_score

from thermolang.answers import grading
from thermolang.answers.equivalence import Equivalence
from thermolang.answers.grading import GRADERS, equivalent, evidence
from thermolang.answers.rules.facts import facts

DRAWS = 2000
FEWEST = 20
JOBS, CHUNK = 4, 200
BASE = "alias_match"
WEIGHTS = Path(grading.__file__).parent / "rules" / "data" / "grading_weights.toml"
# What each regression may look at.
EVIDENCE = {
    "equivalent": ("meaning", "length", "contained", "refusal", "meaning x length", "contained x length"),
    "combined": (
        "meaning",
        "length",
        "contained",
        "said",
        "amount",
        "other amount",
        "words",
        "refusal",
        "meaning x length",
        "said x length",
        "contained x length",
        "words x length",
    ),
}
LENGTHS = (5, 15, 40)  # words of an answer; the last group has all that are longer


def in_training(question):
    """Whether a question of EVOUNA belongs to the half that is fitted on."""
    return hashlib.sha256(question.encode()).digest()[0] % 2 == 0


def evidence_of(pairs):
    """Evidence of each answer, by an ``Equivalence`` of its own."""
    equivalence = Equivalence()
    return [evidence(p.answer, p.aliases, p.question, equivalence) for p in pairs]


def fit(pairs):
    """Write the weights of ``EVIDENCE`` into ``WEIGHTS``."""
    parts = [pairs[i : i + CHUNK] for i in range(0, len(pairs), CHUNK)]
    found = list(itertools.chain(*Parallel(n_jobs=JOBS)(delayed(evidence_of)(part) for part in parts)))
    people = np.array([p.same for p, e in zip(pairs, found, strict=True) if e])
    lines = ["# Weights of the evidence that an answer is right, by python benchmarks/grading.py --fit."]
    for grader, names in EVIDENCE.items():
        x = np.array([[e[name] for name in names] for e in found if e])
        line = LogisticRegression(C=1, max_iter=5000).fit(x, people)
        weights = {"constant": line.intercept_[0], **dict(zip(names, line.coef_[0], strict=True))}
        lines += ["", f"[{grader}]", *(f'"{name}" = {weight:.3f}' for name, weight in weights.items())]
    WEIGHTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def parts(pairs):
    """Parts of a set by length of the answer and by system: name -> mask."""
    words = np.array([len(p.answer.split()) for p in pairs])
    edges = (0, *LENGTHS, 10**9)
    found = {
        f"{low + 1} to {high} words" if high < 10**9 else f"more than {low} words": (low < words) & (words <= high)
        for low, high in itertools.pairwise(edges)
    }
    return found | {
        f"system {name}": np.array([p.system == name for p in pairs]) for name in sorted({p.system for p in pairs})
    }


def accuracy_difference(right, base, groups):
    """95 % interval of the difference of two accuracies; all answers to one question are drawn together."""
    _, group = np.unique(groups, return_inverse=True)
    gain = np.bincount(group, right.astype(float) - base)
    size = np.bincount(group)
    rng = np.random.default_rng(0)
    draws = rng.multinomial(len(size), np.full(len(size), 1 / len(size)), size=DRAWS)
    return np.quantile(draws @ gain / (draws @ size), [0.025, 0.975]).tolist()


def forget():
    """Throw away what was remembered about texts, so that no grader profits from those before it."""
    for name, module in list(sys.modules.items()):
        for value in vars(module).values() if name.startswith("thermolang.answers") else ():
            if hasattr(value, "cache_info") and value.cache_info().maxsize is not None:
                value.cache_clear()


def graded(pairs, graders):
    """Scores and seconds of each grader."""
    scores, seconds = {}, {}
    for name, grade in graders.items():
        grade("about 5 km in 東京", ["5,000 m", "京都"], "")  # loads tables, units and tokenizer
        forget()
        start = time.perf_counter()
        scores[name] = np.array([grade(p.answer, p.aliases, p.question) for p in pairs])
        seconds[name] = time.perf_counter() - start
    return scores, seconds


def measure(pairs, scores, seconds=None):
    people = np.array([p.same for p in pairs])
    groups = np.array([p.question or str(i) for i, p in enumerate(pairs)])
    says = {name: s >= 0.5 for name, s in scores.items()} | {"everything is right": np.ones(len(pairs), dtype=bool)}
    table = {}
    for name, right in says.items():
        table[name] = {
            "accuracy": accuracy_score(people, right),
            "precision": precision_score(people, right, zero_division=0),
            "recall": recall_score(people, right),
            "F1": f1_score(people, right),
            "kappa": cohen_kappa_score(people, right),
            "false rights": int((right & ~people).sum()),
            "false wrongs": int((~right & people).sum()),
            f"accuracy minus {BASE}": accuracy_difference(right == people, says[BASE] == people, groups),
            "ms an answer": 1000 * seconds[name] / len(pairs) if seconds and name in seconds else None,
        }
    return table


def show(name, pairs, table):
    print(f"\n{name}: {len(pairs)} answers, {sum(p.same for p in pairs)} right by people\n")
    columns = list(next(iter(table.values())))
    print("| | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for grader, row in table.items():
        print(f"| {grader} | " + " | ".join(_cell(row[c]) for c in columns) + " |")


def _cell(value):
    if isinstance(value, list):
        return "[{:+.3f}, {:+.3f}]".format(*value)
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def differing(pairs, scores, most):
    """Answers on which ``combined`` and ``alias_match`` differ, and what people say."""
    for p, ours, base in zip(pairs, scores["combined"], scores[BASE], strict=True):
        if (ours >= 0.5) != (base >= 0.5) and most > 0:
            most -= 1
            print(f"people: {p.same}; combined: {ours >= 0.5} | {p.question} | {p.answer[:200]!r} | {p.aliases[:4]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fit", action="store_true", help="fit the weights of the graders that have some")
    parser.add_argument("--limit", type=int, help="at most so many answers of each set, drawn at random")
    parser.add_argument(
        "--show", type=int, default=0, help="print so many answers on which combined and alias_match differ"
    )
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    judged = evouna(args.data / "evouna" / "TQ.json")
    if args.fit:
        fit([p for p in judged if in_training(p.question)])
        return
    graders = GRADERS | {"equivalent": equivalent(Equivalence())}
    sets = {
        "EVOUNA TriviaQA, questions not fitted on": [p for p in judged if not in_training(p.question)],
        "SAS SQuAD (tuned on)": sas(args.data / "sas" / "SQuAD_SAS.csv"),
        "SAS GermanQuAD": sas(args.data / "sas" / "GermanQuAD_SAS.csv"),
    }
    results = {}
    for name, pairs in sets.items():
        if args.limit and len(pairs) > args.limit:
            chosen = np.random.default_rng(0).choice(len(pairs), args.limit, replace=False)
            pairs = [pairs[i] for i in sorted(chosen)]
        scores, seconds = graded(pairs, graders)
        results[name] = measure(pairs, scores, seconds)
        show(name, pairs, results[name])
        amounts = np.array([any(facts(alias).bare for alias in p.aliases) for p in pairs])
        some = [p for p, amount in zip(pairs, amounts, strict=True) if amount]
        if len(some) >= FEWEST and len({p.same for p in some}) == 2:
            part = f"{name}, where an accepted answer is an amount or a date"
            results[part] = measure(some, {grader: s[amounts] for grader, s in scores.items()})
            show(part, some, results[part])
        for part, mask in parts(pairs).items():
            chosen = [p for p, m in zip(pairs, mask, strict=True) if m]
            if len(chosen) >= FEWEST and len({p.same for p in chosen}) == 2 and len(chosen) < len(pairs):
                results[f"{name}, {part}"] = measure(chosen, {grader: s[mask] for grader, s in scores.items()})
                show(f"{name}, {part}", chosen, results[f"{name}, {part}"])
        differing(pairs, scores, args.show)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
