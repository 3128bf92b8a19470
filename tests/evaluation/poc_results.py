"""Numbers of a proof of concept as a run gives them, from made-up answers: no model is needed."""

import numpy as np

from thermolang.calibration.kinds import SELF_CHECK
from thermolang.evaluation.poc_figures import Aim, figures
from thermolang.evaluation.poc_questions import Judged, without_gold
from thermolang.evaluation.poc_run import Answered, Pair
from thermolang.training.store import CollectedItem, task_features, text_key
from thermolang.types import Confidence, Example, Task

QUESTIONS = 200


def questions(count=QUESTIONS, *, gold=True):
    """Invented questions with a passage."""
    return Task(
        "opening hours",
        tuple(
            Example(f"When does shop {i} open?", (f"at {i}",) if gold else (), context=f"Shop {i} opens at {i}.")
            for i in range(count)
        ),
    )


def answered(task, p, right, calibrator, *, unsupported=()):
    """Answers with these confidences; those that are right say what the passage says."""
    n, width = len(task.examples), calibrator.identity.hidden_size
    random = np.random.default_rng(0)
    hidden = random.normal(0, 1, (n, width)).astype(np.float32)
    odds = 3 * np.log(p / (1 - p)) + 2
    rows = tuple(
        CollectedItem(
            text_key(e),
            hidden[i],
            hidden[i],
            np.array([odds[i], 0], np.float32),
            0,
            0.9,
            f"at {i}" if right[i] else "at noon",
            text_key(e),
            {"mean_logprob": float(np.sqrt(p[i]))},
        )
        for i, e in enumerate(task.examples)
    )
    confidences = tuple(
        Confidence(
            float(p[i]),
            novelty=1.5 if i in unsupported else 0.5,
            supported=i not in unsupported,
            task=task.name,
            task_version=3,
            calibrator=calibrator.id,
        )
        for i in range(n)
    )
    features = task_features(task.name, rows, "last", group="", kind=SELF_CHECK)
    return Answered(without_gold(task), features, rows, confidences)


def pairs(count=30):
    random = np.random.default_rng(1)
    seconds = random.gamma(4, 0.3, count)
    return [
        Pair(i, float(s), float(s * (1.05 + 0.02 * random.normal())), float(0.05 * s), True)
        for i, s in enumerate(seconds)
    ]


def drawn(share_sure, count=QUESTIONS, *, sure=0.97, unsure=0.4, seed=0):
    """Confidences of two sorts and whether the answers are right, which they are as often as the confidences say."""
    random = np.random.default_rng(seed)
    p = np.where(random.random(count) < share_sure, sure, unsure)
    return p, random.random(count) < p


def results(calibrator, *, p, right, aim=None, labelled=None, unsupported=(), task=None):
    """All numbers; ``labelled`` says how many of the answers have a label."""
    task = task or questions(len(p))
    known = len(p) if labelled is None else labelled
    judged = Judged(tuple(bool(r) if i < known else None for i, r in enumerate(right)), 0, known)
    gold = [e.answers for e in task.examples]
    found = figures(
        answered(task, p, right, calibrator, unsupported=unsupported), judged, gold, pairs(), calibrator, aim or Aim()
    )
    about = {"format": 1, "version": "0", "created": "2026-11-29T11:00:00+00:00", "task": task.name, "model": "m/tiny"}
    return about | {"calibrator": calibrator.id, "warning": "", "grader": "combined", "samples": 0} | found
