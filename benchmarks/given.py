"""Texts that other systems wrote, with people's verdicts: is the confidence honest, does it tell right from wrong?

    python benchmarks/given.py --data DATA --model MODEL [--calibrator FOLDER] [--limit 160] [--json OUT]

DATA holds `evouna/TQ.json`: answers of five systems to questions of TriviaQA (EVOUNA; Wang et al., 2023). Questions are
the first by hash, so that a smaller limit is a part of a larger one.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

from thermolang.calibration.metrics import auroc, binary_nll
from thermolang.estimator import ConfidenceEstimator
from thermolang.models.local import LocalModel
from thermolang.models.prompts import question_messages
from thermolang.types import Example

SYSTEMS = ("fid", "gpt35", "chatgpt", "gpt4", "newbing")
AT_ONCE = 16


def texts(rows, system):
    """Conversation, text and verdict of each row that has them."""
    for row in rows:
        text, right = (row.get(f"answer_{system}") or "").strip(), row.get(f"judge_{system}")
        if text and right is not None:
            yield question_messages(Example(row["question"])), text, bool(right)


def measured(estimator, found):
    """Figures of one system's texts; those without a confidence are counted."""
    scored = []
    for start in range(0, len(found), AT_ONCE):
        part = [(messages, text) for messages, text, _ in found[start : start + AT_ONCE]]
        scored += estimator.score_many(part, task="evouna", written_elsewhere=True)
    kept = [(c, right) for c, (*_, right) in zip(scored, found, strict=True) if c.value is not None]
    p, right = np.array([c.value for c, _ in kept]), np.array([r for _, r in kept])
    return {
        "texts": len(found),
        "scored": len(kept),
        "supported": sum(c.supported for c, _ in kept),
        "right": float(right.mean()),
        "confidence": float(p.mean()),
        "nll": binary_nll(p, right),
        "nll_base_rate": binary_nll(np.full(len(p), right.mean()), right),
        "auroc": auroc(p, right),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--calibrator", type=Path)
    parser.add_argument("--limit", type=int, default=160)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = json.loads((options.data / "evouna" / "TQ.json").read_text(encoding="utf-8"))
    rows = [row for row in rows if not row.get("improper")]
    rows.sort(key=lambda row: hashlib.sha256(row["question"].encode()).hexdigest())
    estimator = ConfidenceEstimator(LocalModel.load(options.model), options.calibrator, state_dir=None)
    figures = {}
    for system in SYSTEMS:
        figures[system] = measured(estimator, list(texts(rows[: options.limit], system)))
        print(system, json.dumps(figures[system]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
