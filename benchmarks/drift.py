"""How often does the monitor raise a false alarm, and how soon does it notice a change? On resampled streams.

    python benchmarks/drift.py [--streams 1000] [--changes 200] [--part PART] [--json results.json]

A stream is drawn from a pool of confidences with novelties; the reference too. The pool is simulated: log-odds of right
answers that are normal, with 80 % right, and novelties that are above 1 in one of a hundred. After a switch the items
come from another pool, with 60 % right and novelties twice as large; in a mixture a fifth of them do. Audited are 5 %,
of answers that are wrong as often as promised (5 %), and three times as often after the change.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from scipy.special import expit

from thermolang.routing.monitor import HORIZON, Monitor
from thermolang.types import Confidence

REFERENCE, BEFORE, AFTER, ALPHA, RISEN, AUDITED = 300, 500, 3000, 0.05, 0.15, 0.05
console = Console(width=120)


class Pool:
    """Confidences and novelties of one kind of questions, to resample from."""

    def __init__(self, mean: float, novelty: float, size: int = 20_000) -> None:
        rng = np.random.default_rng(0)
        values = expit(mean + 1.5 * rng.standard_normal(size))
        novelties = novelty * rng.gamma(9.0, size=size) / 17.4  # 99 % of gamma(9) are below 17.4
        self.items = [Confidence(float(v), novelty=float(n)) for v, n in zip(values, novelties, strict=True)]

    def draw(self, rng: Any, size: int) -> list[Confidence]:
        return [self.items[i] for i in rng.integers(len(self.items), size=size)]


USUAL, OTHER = Pool(1.93, 1.0), Pool(0.57, 2.0)  # 80 % and 60 % right


def monitor(rng: Any) -> Monitor:
    return Monitor(USUAL.draw(rng, REFERENCE), alpha=ALPHA, seed=int(rng.integers(1 << 30)))


def false_alarms(streams: int, seed: int) -> dict[str, Any]:
    """Share of streams of 1,000 items, with their audits, in which anything is raised."""
    rng, raised = np.random.default_rng(seed), Counter[str]()
    with Progress(console=Console(stderr=True)) as progress:
        for _ in progress.track(range(streams), description="no change"):
            watch = monitor(rng)
            for item, (audited, wrong) in zip(USUAL.draw(rng, HORIZON), rng.random((HORIZON, 2)), strict=True):
                watch.observe(item)
                if audited < AUDITED:
                    watch.audit(wrong >= ALPHA)
            raised.update(alarm.code for alarm in watch.alarms)
            raised["any"] += bool(watch.alarms)
    return {"streams": streams, **{code: count / streams for code, count in raised.items()}}


def delays(streams: int, share: float, seed: int) -> dict[str, Any]:
    """Items, and audited answers, from the change to each alarm; and how far ``since`` is from the change."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[float]] = {"confidence": [], "novelty": [], "error": [], "first": [], "since": []}
    with Progress(console=Console(stderr=True)) as progress:
        for _ in progress.track(range(streams), description=f"change of {share:.0%}"):
            watch = monitor(rng)
            other = (np.arange(BEFORE + AFTER) >= BEFORE) & (rng.random(BEFORE + AFTER) < share)
            chance = rng.random((BEFORE + AFTER, 2))
            for changed, usual, strange, (audited, wrong) in zip(
                other, USUAL.draw(rng, len(other)), OTHER.draw(rng, len(other)), chance, strict=True
            ):
                watch.observe(strange if changed else usual)
                if audited < AUDITED:
                    watch.audit(wrong >= (RISEN if changed else ALPHA))
                if len(watch.alarms) == 3:
                    break
            noticed = {a.code: a for a in watch.alarms}
            audits = BEFORE * AUDITED
            for code, alarm in noticed.items():
                found[code].append(alarm.item - (audits if code == "error" else BEFORE))
            stream = [a for c, a in noticed.items() if c != "error"]
            if stream:
                found["first"].append(min(a.item for a in stream) - BEFORE)
                found["since"].append(abs(min(stream, key=lambda a: a.item).since - 1 - BEFORE))
    return {name: _spread(values, streams) for name, values in found.items()}


def _spread(values: list[float], streams: int) -> dict[str, float]:
    if not values:
        return {"noticed": 0.0}
    median, late = np.quantile(values, [0.5, 0.9])
    return {"noticed": len(values) / streams, "median": float(median), "90 %": float(late)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--part", action="append", help="full switch, 20 %% mixture or false alarms; all by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=2026)
    given = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "full switch": lambda: delays(given.changes, 1.0, given.seed + 1),
        "20 % mixture": lambda: delays(given.changes, 0.2, given.seed + 2),
        "false alarms": lambda: false_alarms(given.streams, given.seed),
    }
    found = {}
    for name in given.part or parts:
        found[name] = parts[name]()
        console.print(f"{name}: {found[name]}", highlight=False)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
