"""What sampled answers show of each collected item, as signals beside its features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermolang.answers.equivalence import Equivalence
from thermolang.answers.facts import facts
from thermolang.answers.meanings import group
from thermolang.answers.similarity import pair_cues
from thermolang.calibration.meaning import ROUNDS, Evidence, SampledTask
from thermolang.models.rows import rows_of
from thermolang.models.samples import Sampled, load_samples
from thermolang.thorough import evidence

if TYPE_CHECKING:
    from thermolang.calibration.task import TaskFeatures
    from thermolang.types import FloatArray


def with_samples(
    tasks: Sequence[TaskFeatures],
    folder: Path,
    model: str,
    *,
    samples: int = max(ROUNDS),
    equivalence: Equivalence | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[TaskFeatures]:
    """Add what the sampled answers show to tasks that were loaded from the same folder.

    Args:
        tasks: As ``rows.load`` gives them; those without samples stay as they are.
        folder: The root that ``collect --samples`` wrote.
        model: The model as it was collected.
        samples: Number of samples a question.
        equivalence: Decides what means the same.
        progress: Called with (task, tasks done, tasks).

    Returns:
        The tasks, with the signals ``share@N``, ``entropy@N``, ``lead@N`` (moved into [0, 1]) and ``tokens@N`` (part of
        all sampled tokens) for each N of ``ROUNDS``, and ``share``, ``semantic_entropy`` (1 minus it over log N) and
        ``lexical`` (mean token F1 of all pairs, after Lin et al., 2024, arXiv 2305.19187) for the last.
    """
    drawn = load_samples(folder, model, n=samples)
    rows = rows_of(folder, model)
    same = equivalence or Equivalence()
    found = []
    for i, task in enumerate(tasks):
        if progress:
            progress(task.name, i, len(tasks))
        keyed = rows.get(task.name, {})
        keys = sorted(keyed)
        if not keys or any(key not in drawn for key in keys):
            found.append(task)
            continue
        items = [(drawn[key], keyed[key].answer) for key in keys]
        found.append(replace(task, signals={**task.signals, **_signals(items, same)}))
    return found


def _signals(items: Sequence[tuple[Sampled, str]], equivalence: Equivalence) -> dict[str, FloatArray]:
    signals: dict[str, FloatArray] = {"lexical": np.array([_lexical(s.texts) for s, _ in items])}
    total = np.array([sum(s.tokens) for s, _ in items], dtype=np.float64)
    for n in ROUNDS:
        shown = evidence(
            [
                group(s.texts[:n], answer=answer, question=s.question, logprobs=s.logprobs[:n], equivalence=equivalence)
                for s, answer in items
            ]
        )
        signals[f"share@{n}"], signals[f"entropy@{n}"] = shown.share, shown.entropy
        signals[f"lead@{n}"] = (1 + shown.lead) / 2
        signals[f"tokens@{n}"] = np.array([sum(s.tokens[:n]) for s, _ in items]) / np.maximum(total, 1)
    last = max(ROUNDS)
    signals["share"], signals["semantic_entropy"] = signals[f"share@{last}"], 1 - signals[f"entropy@{last}"]
    return signals


def _lexical(texts: Sequence[str]) -> float:
    cues = pair_cues([facts(text) for text in texts], None)
    return float(cues[..., 1][np.triu_indices(len(texts), 1)].mean())


def examples(
    tasks: Sequence[TaskFeatures],
    folder: Path,
    model: str,
    *,
    samples: int = max(ROUNDS),
    most: int = 6,
    equivalence: Equivalence | None = None,
) -> list[dict[str, Any]]:
    """A few questions with what was said when they were asked again, as a report shows them.

    Of each task the first in the order of keys with two to five meanings, so that there is something to see.
    """
    drawn, rows = load_samples(folder, model, n=samples), rows_of(folder, model)
    found: list[dict[str, Any]] = []
    for task in tasks[:most]:
        for key, row in sorted(rows.get(task.name, {}).items()):
            if key not in drawn:
                continue
            one = drawn[key]
            groups = group(one.texts, answer=row.answer, question=one.question, equivalence=equivalence)
            if groups.given is not None and 2 <= len(groups.meanings) <= 5:
                others = [m for m in groups.meanings if m is not groups.given]
                said = [{"text": row.answer, "share": groups.given.share}]
                said += [{"text": m.text, "share": m.share} for m in others]
                asked = one.question.strip().splitlines()[-1]  # of a dialogue the last turn
                found.append({"question": asked, "right": row.label == 0, "said": said})
                break
    return found


def sampled_task(task: TaskFeatures, self_check: FloatArray) -> SampledTask | None:
    """A task as the fit of meanings takes it; None without samples.

    Args:
        task: With the signals of ``with_samples``.
        self_check: Shape (N,), calibrated log-odds of the self-check; out of fold, if the task is for training.
    """
    signals: Mapping[str, FloatArray] = task.signals
    if any(f"share@{n}" not in signals for n in ROUNDS):
        return None
    rounds = {
        n: Evidence(n, signals[f"share@{n}"], signals[f"entropy@{n}"], 2 * signals[f"lead@{n}"] - 1) for n in ROUNDS
    }
    unknown = np.full(len(task), np.nan)
    return SampledTask(task.group or task.name, task.right, self_check, signals.get("mean_logprob", unknown), rounds)
