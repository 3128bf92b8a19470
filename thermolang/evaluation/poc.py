"""A proof of concept on a company's own questions: from a file to numbers, a policy, and a session of labelling.

``run_poc`` is the whole of it; ``poc_report`` makes the page. The folder of a run holds:

    report.html        the page, without anything from outside
    results.json       all numbers
    answers.jsonl      each question with its answer, confidence, decision and label
    policy.toml        what the numbers allow, in shadow mode; beside it the certificate, if there is one
    items.jsonl        the answers that nobody has judged, in random order, for the review desk
    run.json, features, latency.jsonl   what a run that was stopped goes on from
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from thermolang._version import __version__
from thermolang.answers.grading import GRADERS
from thermolang.calibration.semantic import ROUNDS
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator
from thermolang.evaluation.poc_figures import Aim, certified, figures
from thermolang.evaluation.poc_questions import GRADER, Judged, Labels, gold_of, judge, spoken, without_gold
from thermolang.evaluation.poc_run import PAIRED, Answered, answered, ready, run_folder, timed_pairs
from thermolang.evaluation.results import save
from thermolang.routing.certificates import save_certificates
from thermolang.routing.guarantees import Kind
from thermolang.routing.policy import Policy
from thermolang.storage import write_atomically
from thermolang.training.collect import Report
from thermolang.training.store import text_key
from thermolang.types import Task

FORMAT = 1
"""Of ``results.json``."""

POLICY, CERTIFICATE = "policy.toml", "policy.certificate.json"


@dataclass(frozen=True)
class Options:
    """What a run may vary.

    Attributes:
        aim: What is asked of the accepted answers.
        grader: One of ``answers.grading.GRADERS``, for free-form answers without a verdict.
        samples: Also sample so many answers to each free-form question, to compare with; 0 samples none.
        pairs: How many questions are timed with and without a confidence.
    """

    aim: Aim = field(default_factory=Aim)
    grader: str = GRADER
    samples: int = 0
    pairs: int = PAIRED

    def __post_init__(self) -> None:
        if self.samples and self.samples < max(ROUNDS):
            msg = f"at least {max(ROUNDS)} sampled answers are compared, or none; got {self.samples}"
            raise InvalidInputError(msg)
        if self.grader not in GRADERS:
            msg = f"there is no grader {self.grader!r}: expected one of {', '.join(GRADERS)}"
            raise InvalidInputError(msg)


def run_poc(
    estimator: ConfidenceEstimator,
    task: Task,
    out: Path,
    *,
    labels: Labels | None = None,
    options: Options | None = None,
    report: Report = lambda at: None,
) -> dict[str, Any]:
    """Answer the questions, score and time the answers, and write everything but the page.

    A run that is stopped goes on from where it was. With other labels, aims or prices nothing is answered again.

    Args:
        estimator: Over a ``LocalModel``; its task states must not be remembered (``state_dir=None``).
        task: As ``read_questions`` gives them.
        out: The run's folder.
        labels: What is known beyond the right answers in ``task``.
        options: What may vary.
        report: Called with the progress.

    Returns:
        All numbers, as ``results.json`` holds them.

    Raises:
        InvalidInputError: The folder belongs to another run, or the model has no calibrator for such answers.
    """
    chosen, known, asked = options or Options(), labels or Labels(), without_gold(task)
    model, calibrator = ready(estimator, asked)
    with run_folder(out, asked, model):
        found = answered(estimator, asked, out, samples=chosen.samples, report=report)
        pairs = timed_pairs(estimator, asked, out, count=chosen.pairs, report=report)
        judged = judge(task, found.answers, known, grader=chosen.grader)
        gold = [gold_of(example, known) for example in task.examples]
        numbers = figures(found, judged, gold, pairs, calibrator, chosen.aim)
        results = _about(estimator, task, chosen) | numbers
        policy = _write_policy(out, found, judged, results)
        results["policy"] = {"fingerprint": policy.fingerprint, "certificate": (out / CERTIFICATE).exists()}
        _write_answers(out, task, found, judged, policy)
        _write_items(out, task, found, judged, model.name)
        save(results, out / "results.json")
    return results


def _about(estimator: ConfidenceEstimator, task: Task, options: Options) -> dict[str, Any]:
    model, calibrator = estimator.model, estimator.calibrator
    warning = estimator.warning.text if estimator.warning else ""
    return {
        "format": FORMAT,
        "version": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "task": task.name,
        "model": model.name,
        "calibrator": calibrator.id if calibrator else "",
        "warning": warning,
        "grader": options.grader,
        "samples": options.samples,
    }


def _write_policy(out: Path, found: Answered, judged: Judged, results: Mapping[str, Any]) -> Policy:
    """The policy that the numbers allow, in shadow mode, and its certificate; without one all answers go to review."""
    decision = results["decision"]["code"]
    kinds: dict[str, Kind] = {"certified": "high_probability", "expected": "expected_error"}
    aim = Aim(results["aim"]["max_error"], results["aim"]["certainty"])
    certificate = out / CERTIFICATE
    certificate.unlink(missing_ok=True)
    policy = Policy(review_all=True, mode="shadow")
    if kind := kinds.get(decision):
        made = certified(found, judged, kind, aim)
        shadow = {name: replace(p, mode="shadow") for name, p in made.policy.tasks.items()}
        policy = replace(made.policy, mode="shadow", tasks=shadow)
        save_certificates(certificate, made.certificates)
    head = "\n".join(f"# {line}" for line in _policy_notes(decision, results))
    write_atomically(out / POLICY, f"{head}\n\n{policy.to_toml()}")
    return policy


def _policy_notes(decision: str, results: Mapping[str, Any]) -> list[str]:
    aim = results["aim"]
    error = f"The error among accepted answers of {results['task']!r} is at most {aim['max_error']:g}"
    sure = f"with a probability of {aim['certainty']:g} over the draw of the labels"
    why = {
        "certified": f"{error}, {sure}.",
        "expected": f"{error} on average over draws of the labels; in up to half of them it is larger.",
    }.get(decision, "No threshold is certified, so all answers go to review: judged, they are the sample needed.")
    return [
        f"thermolang poc, {results['created'][:10]}: {results['model']}, calibrator {results['calibrator']}.",
        why,
        'Shadow decides and records, and holds nothing back. Change mode to "enforce" when people agree.',
    ]


def _write_answers(out: Path, task: Task, found: Answered, judged: Judged, policy: Policy) -> None:
    lines = []
    for example, row, confidence, right in zip(task.examples, found.rows, found.confidences, judged.right, strict=True):
        record = {
            "key": text_key(example),
            "question": example.question,
            "answer": spoken(example, row.answer),
            "correct": right,
            "confidence": confidence.to_dict(),
            "decision": policy.decide(confidence).to_dict(),
        }
        lines.append(json.dumps(record, ensure_ascii=False))
    write_atomically(out / "answers.jsonl", "".join(f"{line}\n" for line in lines))


def _write_items(out: Path, task: Task, found: Answered, judged: Judged, model: str) -> None:
    """Answers without a verdict for the desk, as ``ReviewStore.submit`` takes them.

    In random order, so that any number of lines from the beginning is a random sample.
    """
    everything, items = Policy(review_all=True), []
    for example, row, confidence, right in zip(task.examples, found.rows, found.confidences, judged.right, strict=True):
        if right is None:
            items.append(
                {
                    "key": text_key(example),
                    "question": _asked(example.question, example.choices),
                    "answer": spoken(example, row.answer),
                    "confidence": confidence.to_dict(),
                    "decision": everything.decide(confidence).to_dict(),
                    "context": example.context,
                    "model": model,
                    "task": task.name,
                }
            )
    random.Random(task.name).shuffle(items)
    path = out / "items.jsonl"
    path.unlink(missing_ok=True)
    if items:
        write_atomically(path, "".join(f"{json.dumps(i, ensure_ascii=False)}\n" for i in items))


def _asked(question: str, choices: Sequence[str]) -> str:
    return "\n".join([question, *(f"- {choice}" for choice in choices)])
