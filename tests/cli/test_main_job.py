"""The main job as a user runs it: the real model in a process of its own, its JSON, its store, and kill -9."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import thermolang.pretrained
from thermolang import ReviewStore

pytestmark = pytest.mark.model

LONGEST = 300
"""Seconds until a process that hangs is killed."""

ITEM_KEYS = {"question", "answer", "raw", "confidence", "correct", "decision", "seconds"}
FIGURES = {
    "seed",
    "questions",
    "threshold",
    "accuracy",
    "accuracy_interval",
    "accepted",
    "accuracy_accepted",
    "accuracy_accepted_interval",
    "accuracy_review",
    "accuracy_review_interval",
    "separated",
    "review_share",
    "risk_coverage",
    "auroc_raw",
    "auroc_calibrated",
    "brier_raw",
    "brier_calibrated",
    "ece_raw",
    "ece_calibrated",
    "overhead_percent",
    "loop",
}


@pytest.fixture
def calibrator():
    """The shipped calibrator; only a developer's machine may be without."""
    shipped = Path(thermolang.pretrained.__path__[0]) / "smollm2-135m" / "config.json"
    if not shipped.is_file() and not os.environ.get("CI"):
        pytest.skip("the shipped calibrator is not there yet: thermolang calibrate --out thermolang/pretrained/...")


def demo(*arguments):
    return [sys.executable, "-m", "thermolang", "demo", "--no-desk", *map(str, arguments)]


def as_shown(question, answer):
    return f"{' '.join(question.split())} -> {' '.join(answer.split())}"


def items_of(lines):
    """(decision, question and answer) of each line the demo prints into a pipe."""
    decided = [line for line in lines if line.startswith(("accept  ", "review  ", "reject  "))]
    return [(line.split()[0], line.rstrip("\n").split("  ", 3)[-1]) for line in decided]


def mean(values):
    return pytest.approx(np.mean(values)) if len(values) else None


def test_the_demo_from_an_empty_home(environment, calibrator, tmp_path):
    file, url = tmp_path / "figures.json", f"sqlite:///{tmp_path / 'review.db'}"
    command = demo("--questions", 14, "--json", file, "--store", url)
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert set(figures) == {"items", *FIGURES}
    items = figures["items"]
    assert len(items) == figures["questions"] == 14

    threshold = figures["threshold"]
    found = threshold["found"]
    assert (found["labels"], len(threshold["families"]), found["kind"]) == (160, 16, "expected_error")
    # Where no threshold qualifies the demo says so and takes a fixed one.
    assert (threshold["chosen"] == "guaranteed") == (found["threshold"] is not None)
    if threshold["chosen"] == "guaranteed":
        assert threshold["value"] == found["threshold"]
        assert found["errors"] + 1 <= found["alpha"] * (found["accepted"] + 1) + 1e-9
    else:
        assert "Nothing is promised: no threshold qualifies" in done.stdout
    assert f"a confidence of {threshold['value']:.2f}" in done.stdout
    for item in items:
        assert set(item) >= ITEM_KEYS
        assert item["question"]
        assert 0 <= item["raw"] <= 1
        assert 0 <= item["confidence"] <= 1
        assert item["seconds"] > 0
        assert isinstance(item["correct"], bool)
        assert item["decision"] in ("accept", "review", "reject")
        assert item["decision"] == "review" or item["confidence"] >= threshold["value"]

    right = np.array([i["correct"] for i in items])
    accepted = np.array([i["decision"] == "accept" for i in items])
    assert figures["accuracy"] == mean(right)
    assert figures["accuracy_accepted"] == mean(right[accepted])
    assert figures["accuracy_review"] == mean(right[~accepted])
    assert figures["review_share"] == mean([i["decision"] == "review" for i in items])
    assert figures["brier_raw"] == mean((np.array([i["raw"] for i in items]) - right) ** 2)
    assert figures["brier_calibrated"] == mean((np.array([i["confidence"] for i in items]) - right) ** 2)
    assert figures["overhead_percent"] > 0

    # 14 questions are one of a kind: nothing to judge before the other half.
    assert figures["loop"]["answers"] + figures["loop"]["verdicts"] <= 14
    assert ("The loop:" in done.stdout) == (figures["loop"]["verdicts"] > 0)

    shown = [(i["decision"], as_shown(i["question"], i["answer"])) for i in items]
    assert items_of(done.stdout.splitlines()) == shown
    with ReviewStore(url) as store:
        waiting = store.list()
        confidences = {item["question"]: item["confidence"] for item in items}
        assert all(item.confidence.value == confidences[item.question] for item in waiting)
    reviewed = [text for decision, text in shown if decision == "review"]
    assert sorted(as_shown(i.question, i.answer) for i in waiting) == sorted(reviewed)


def test_what_was_shown_for_review_survives_kill_9(environment, tmp_path):
    url = f"sqlite:///{tmp_path / 'review.db'}"
    command = demo("--questions", 24, "--threshold", 1, "--store", url)
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    )
    watchdog = threading.Timer(LONGEST, process.kill)
    watchdog.start()
    lines = []
    with process:
        for line in process.stdout:
            lines.append(line)
            if len(items_of(lines)) == 3:
                process.send_signal(signal.SIGKILL)
    watchdog.cancel()

    assert process.returncode == -signal.SIGKILL
    reviewed = [text for decision, text in items_of(lines) if decision == "review"]
    assert 3 <= len(reviewed) < 24
    with ReviewStore(url) as store:
        waiting = {as_shown(i.question, i.answer): i for i in store.list()}
        assert set(reviewed) <= set(waiting)
        assert len(waiting) < 24  # it was killed midway: beyond what was shown, a batch or two may be stored
        first = waiting[reviewed[0]]
        assert store.decide(first.id, "accept", operator="ann").status == "accepted"
