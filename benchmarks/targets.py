"""The project's own targets, checked against a file of `thermolang evaluate --json`.

`python benchmarks/targets.py results.json --report report.html` writes them into the file, and a report with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from thermolang.evaluation.report import write_report
from thermolang.evaluation.results import opened, save

Setting = dict[str, Any]
Check = dict[str, Any]

LOST = 0.005
"""Nats, or AUROC, that doing nothing may be better by."""

RAW_SIGNALS = ("uncalibrated", "verbalised", "mean_logprob")

AGREEMENT = ("lexical", "semantic_entropy", "share")


def checks(settings: Sequence[Setting]) -> list[Check]:
    """Compare every experiment with the targets.

    Returns:
        ``{"target", "seen", "met"}`` each; ``met`` is None where the experiment cannot say.
    """
    return [check for setting in settings for check in _of(setting)]


def _of(setting: Setting) -> Iterator[Check]:
    lead = setting["summaries"][0]
    if lead["name"] != "main":
        yield _check(setting, "tasks at least 10 points above chance", "there are none", None)
        return
    kept = all(t["accuracy_kept"] for t in setting["tasks"])
    yield _check(setting, "temperature changes no answer", "identical" if kept else "changed", kept)
    yield from _self_checks(setting, lead) if setting["kind"] == "self_check" else _choices(setting, lead)
    yield from _verdicts(setting, lead)
    covered = setting["interval"]["covered"]
    yield _check(setting, "90 % interval covers the task's accuracy", f"{covered:.0%} of tasks", covered >= 0.9)


def _choices(setting: Setting, lead: dict[str, Any]) -> Iterator[Check]:
    gap, figures, transfer = setting["gap"], lead["figures"], setting["protocol"] == "transfer"
    if gap["exists"]:
        wanted, share = (0.5 if transfer else 0.8), gap["closed"]["thermolang"]
        yield _check(setting, f"gap closed by at least {wanted:.0%}", _shown(share), share["estimate"] >= wanted)
        if transfer and (ahead := gap["ahead_of_ts_cv"]):
            yield _check(setting, "share closed above TS-CV's", _shown(ahead), ahead["lower"] > 0)
        before, after = (figures[m]["ECE corrected"]["estimate"] for m in ("uncalibrated", "thermolang"))
        yield _check(setting, "floor-corrected ECE halved", f"{before:.3f} to {after:.3f}", after <= before / 2)
    else:
        harm = lead["differences"]["thermolang"]["NLL"]
        seen = f"gap {gap['uncalibrated'] - gap['oracle']:.3f}; ours {_shown(harm)} above uncalibrated"
        yield _check(setting, "no gap: NLL at most 0.005 above uncalibrated", seen, harm["estimate"] <= LOST)
    head, start = figures["head"], figures["uncalibrated"]
    gain = head["AUROC"]["estimate"] - start["AUROC"]["estimate"]
    yield _check(setting, "head: AUROC within a task not below uncalibrated's", f"{gain:+.3f}", gain >= -LOST)
    worse = head["NLL right"]["estimate"] - figures["thermolang"]["NLL right"]["estimate"]
    yield _check(setting, "head: NLL not worse than the Thermometer's", f"{worse:+.4f}", worse <= 0.0005)


def _self_checks(setting: Setting, lead: dict[str, Any]) -> Iterator[Check]:
    figures = lead["figures"]
    for name in ("thermolang", "head"):
        skill = figures[name]["Brier skill"]
        yield _check(setting, f"{name}: Brier skill above 0", _shown(skill), skill["lower"] > 0)
    ours, paper = (figures[m]["ECE"]["estimate"] for m in ("thermolang", "paper"))
    yield _check(setting, "ECE below paper_mode's", f"{ours:.3f} against {paper:.3f}", ours < paper)
    signals = {m: figures[m]["AUROC"]["estimate"] for m in RAW_SIGNALS if m in figures and figures[m]["AUROC"]}
    best = max(signals, key=signals.__getitem__)
    gain = figures["head"]["AUROC"]["estimate"] - signals[best]
    yield _check(setting, "head: AUROC 0.03 above the best raw signal's", f"{gain:+.3f} ({best})", gain >= 0.03)
    yield from _meanings(setting, figures)
    better = figures["head"]["Brier"]["estimate"] - figures["thermolang"]["Brier"]["estimate"]
    yield _check(setting, "head: Brier better than temperature + bias", f"{better:+.4f}", better < -0.00005)


def _meanings(setting: Setting, figures: dict[str, Any]) -> Iterator[Check]:
    if "thorough" not in figures:
        return
    skill = figures["thorough"]["Brier skill"]
    yield _check(setting, "thorough: Brier skill above 0", _shown(skill), skill["lower"] > 0)
    area = {m: f["AUROC"]["estimate"] for m, f in figures.items() if f["AUROC"]}
    best = max((m for m in (*RAW_SIGNALS, *AGREEMENT) if m in area), key=area.__getitem__)
    gain, lost = area["thorough"] - area[best], area["thorough"] - area["adaptive"]
    yield _check(setting, "thorough: AUROC within 0.02 of every raw signal's", f"{gain:+.3f} ({best})", gain >= -0.02)
    tokens = setting["tokens"]["adaptive"]
    seen = f"{-lost:+.3f} at {tokens:.0%} of the tokens"
    yield _check(
        setting, "adaptive: AUROC within 0.02 of thorough at half the tokens", seen, lost <= 0.02 and tokens <= 0.5
    )


def _verdicts(setting: Setting, lead: dict[str, Any]) -> Iterator[Check]:
    figures = lead["figures"]
    before = figures["thermolang"]["NLL right"]["estimate"]
    for n in (10, 25, 50, 100):
        names = f"verdicts_{n}", f"ts_{n}"
        if any(name not in figures or not figures[name]["NLL right"] for name in names):
            continue
        ours, shrunk = (figures[name]["NLL right"]["estimate"] for name in names)
        best = min(before, shrunk)
        strict = n in (25, 50)
        target = f"{n} verdicts: NLL {'below both' if strict else 'not above the better'} of Thermometer and TS on {n}"
        seen = f"{ours:.4f} against {before:.4f} and {shrunk:.4f}"
        yield _check(setting, target, seen, ours < best if strict else ours <= best + LOST)


def _check(setting: Setting, target: str, seen: str, met: bool | None) -> Check:
    return {"target": f"{setting['name']} ({setting['protocol']}): {target}", "seen": seen, "met": met}


def _shown(interval: dict[str, float]) -> str:
    return f"{interval['estimate']:.3f} [{interval['lower']:.3f}, {interval['upper']:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--report", type=Path)
    args = parser.parse_args()
    results = opened(args.results)
    results["checks"] = checks(results["settings"])
    save(results, args.results)
    if args.report:
        write_report(results, args.report)
    for check in results["checks"]:
        print({True: "met   ", False: "missed", None: "-     "}[check["met"]], check["target"], "|", check["seen"])


if __name__ == "__main__":
    main()
