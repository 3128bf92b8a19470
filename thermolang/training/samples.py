"""Sampled answers of a task's questions: drawn once, kept on disk, and turned into signals of its features."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thermolang.answers.clustering import cluster_answers
from thermolang.answers.equivalence import Equivalence, pair_features
from thermolang.answers.rules.facts import facts
from thermolang.calibration.semantic import ROUNDS, Evidence, SampledTask
from thermolang.errors import TaskFormatError
from thermolang.models.decoding import SHORT
from thermolang.models.local import LocalModel, row_seeds
from thermolang.models.prompts import question_messages
from thermolang.sampling import evidence
from thermolang.storage import digest
from thermolang.training.features import ROWS_AT_ONCE, Batch, Progress, batches, item_key
from thermolang.training.store import Chunk, CollectedItem, home, read_chunks, rows_of, short_name, write_chunk
from thermolang.types import Example, Generation, Task

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures
    from thermolang.types import FloatArray

SAMPLING = replace(SHORT, temperature=1.0, top_p=0.9)
"""As Farquhar et al. (2024, Nature) sample for semantic entropy; as long as the greedy answers of ``collect``."""


@dataclass(frozen=True)
class Sampled:
    """The sampled answers of one question.

    Attributes:
        key: Identity of the item under its model, as in ``collect``.
        question: The question, without its passage.
        texts: N answers.
        logprobs: N sums of the natural log of the tokens' probabilities.
        tokens: N numbers of tokens.
    """

    key: str
    question: str
    texts: tuple[str, ...]
    logprobs: tuple[float, ...]
    tokens: tuple[int, ...]


def collect_samples(
    model: LocalModel, task: Task, folder: Path, *, n: int = 8, progress: Progress | None = None
) -> list[Sampled]:
    """Sample N answers to each question of a free-form task, or take them from disk where that was done before.

    Args:
        model: The model.
        task: Free-form questions.
        folder: Root that ``collect`` was given, too.
        n: Answers a question.
        progress: Called with (task name, items done, items).

    Returns:
        One entry a question, in the task's order. The same model and question get the same answers.
    """
    if any(example.choices for example in task.examples):
        msg = f"task {task.name!r} is multiple choice: sampled answers need free-form questions"
        raise TaskFormatError(msg)
    where = home(folder, model.name, model.identity, f"samples-{n}", task.name)
    keys = [item_key(model, example) for example in task.examples]
    known = _read(where)
    missing = [i for i, key in enumerate(keys) if key not in known]
    done = len(keys) - len(missing)
    # Each question takes n rows of a batch.
    for part in parts(model, task, missing, max(1, ROWS_AT_ONCE // n)) if missing else ():
        if progress:
            progress(task.name, done, len(keys))
        found = _sample(model, part, [keys[i] for i in part.items], n)
        write_chunk(where, found[0].key, *_to_chunk(found))
        known |= {sampled.key: sampled for sampled in found}
        done += len(part.items)
    if progress:
        progress(task.name, len(keys), len(keys))
    return [known[key] for key in keys]


def load_samples(folder: Path, model: str, *, n: int = 8) -> dict[str, Sampled]:
    """Everything that ``collect_samples`` kept of one model, by key, without the model."""
    found: dict[str, Sampled] = {}
    for where in sorted(folder.glob(f"{short_name(model)}-????????/samples-{n}/*")):
        found |= _read(where)
    return found


def parts(model: LocalModel, task: Task, items: Sequence[int], most: int) -> Iterator[Batch]:
    """Batches of few items; questions about one passage share its KV cache, as in ``collect``."""
    for batch in batches(model, task, items):
        for start in range(0, len(batch.items), most):
            few = slice(start, start + most)
            yield Batch(batch.items[few], batch.examples[few], batch.prefixes[few])


def _sample(model: LocalModel, batch: Batch, keys: Sequence[str], n: int) -> list[Sampled]:
    generations = model.generate_batch(
        # The n rows of the first question, then those of the second, ...
        [question_messages(example) for example in batch.examples for _ in range(n)],
        SAMPLING,
        prefixes=[prefix for prefix in batch.prefixes for _ in range(n)],
        seeds=[seed for key in keys for seed in row_seeds(int(digest(key, 8), 16), n)],
    )
    return [
        _sampled(key, example, generations[i * n : (i + 1) * n])
        for i, (key, example) in enumerate(zip(keys, batch.examples, strict=True))
    ]


def _sampled(key: str, example: Example, generations: Sequence[Generation]) -> Sampled:
    return Sampled(
        key,
        example.question,
        tuple(g.text for g in generations),
        tuple(float(np.sum(g.logprobs)) for g in generations),
        tuple(len(g.token_ids) for g in generations),
    )


def _to_chunk(found: Sequence[Sampled]) -> Chunk:
    tensors = {"logprobs": np.array([s.logprobs for s in found]), "tokens": np.array([s.tokens for s in found])}
    texts = {
        "keys": [s.key for s in found],
        "questions": [s.question for s in found],
        "samples": [json.dumps(s.texts, ensure_ascii=False) for s in found],
    }
    return tensors, texts


def _read(folder: Path) -> dict[str, Sampled]:
    known: dict[str, Sampled] = {}
    for tensors, texts in read_chunks(folder).values():
        columns = zip(
            texts["keys"], texts["questions"], texts["samples"], tensors["logprobs"], tensors["tokens"], strict=True
        )
        for key, question, samples, logprobs, tokens in columns:
            known[key] = Sampled(
                key, question, tuple(json.loads(samples)), tuple(logprobs.tolist()), tuple(tokens.tolist())
            )
    return known


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
        tasks: As ``store.load`` gives them; those without samples stay as they are.
        folder: The root that ``collect --samples`` wrote.
        model: The model as it was collected.
        samples: Number of samples a question.
        equivalence: Decides what means the same.
        progress: Called with (task, tasks done, tasks).

    Returns:
        The tasks, with signals that are NaN for questions that were not sampled: ``share@N``, ``entropy@N``, ``lead@N``
        (moved into [0, 1]) and ``tokens@N`` (part of all sampled tokens) for each N of ``ROUNDS``, and ``share``,
        ``semantic_entropy`` (1 minus it over log N) and ``lexical`` (mean token F1 of all pairs; Lin et al., 2024,
        arXiv 2305.19187) for the last.
    """
    drawn = load_samples(folder, model, n=samples)
    rows = rows_of(folder, model)
    same = equivalence or Equivalence()
    found = []
    for i, task in enumerate(tasks):
        if progress:
            progress(task.name, i, len(tasks))
        keyed = rows.get(task.name, {})
        keys = _keys_in_order(task, keyed)
        asked = [j for j, key in enumerate(keys) if key in drawn]
        if not asked:
            found.append(task)
            continue
        signals = _signals([(drawn[keys[j]], keyed[keys[j]].answer) for j in asked], same)
        found.append(
            replace(task, signals={**task.signals, **{n: _at(asked, v, len(task)) for n, v in signals.items()}})
        )
    return found


def _at(places: Sequence[int], values: FloatArray, length: int) -> FloatArray:
    """The values at their places, NaN elsewhere."""
    found = np.full(length, np.nan)
    found[list(places)] = values
    return found


def _keys_in_order(task: TaskFeatures, keyed: Mapping[str, CollectedItem]) -> list[str]:
    """Keys of a task's items in the order of its features; empty where they are not all there."""
    keys = sorted(keyed)  # the order of ``store.load``
    if tuple(keyed[key].text for key in keys) == task.texts:
        return keys
    # Features that were just collected stand in the order of the examples.
    by_text = {keyed[key].text: key for key in keys}
    return [by_text[text] for text in task.texts] if by_text.keys() >= set(task.texts) else []


def _signals(items: Sequence[tuple[Sampled, str]], equivalence: Equivalence) -> dict[str, FloatArray]:
    signals: dict[str, FloatArray] = {"lexical": np.array([_lexical(s.texts) for s, _ in items])}
    total = np.array([sum(s.tokens) for s, _ in items], dtype=np.float64)
    for n in ROUNDS:
        shown = evidence(
            [
                cluster_answers(
                    s.texts[:n], answer=answer, question=s.question, logprobs=s.logprobs[:n], equivalence=equivalence
                )
                for s, answer in items
            ]
        )
        signals[f"share@{n}"], signals[f"entropy@{n}"] = shown.share, shown.entropy
        # A lead is in [-1, 1], a signal in [0, 1].
        signals[f"lead@{n}"] = (1 + shown.lead) / 2
        signals[f"tokens@{n}"] = np.array([sum(s.tokens[:n]) for s, _ in items]) / np.maximum(total, 1)
    last = max(ROUNDS)
    signals["share"], signals["semantic_entropy"] = signals[f"share@{last}"], 1 - signals[f"entropy@{last}"]
    return signals


def _lexical(texts: Sequence[str]) -> float:
    # (N, N, 4); column 1 is the F1 of the words, and each pair counts once.
    features = pair_features([facts(text) for text in texts], None)
    return float(features[..., 1][np.triu_indices(len(texts), 1)].mean())


def examples(
    tasks: Sequence[TaskFeatures],
    folder: Path,
    model: str,
    *,
    samples: int = max(ROUNDS),
    most: int = 6,
    equivalence: Equivalence | None = None,
) -> list[dict[str, Any]]:
    """A few questions with the meanings of their sampled answers, as a report shows them.

    Of each task the first in the order of keys with two to five meanings, so that there is something to see.
    """
    drawn, rows = load_samples(folder, model, n=samples), rows_of(folder, model)
    found: list[dict[str, Any]] = []
    for task in tasks[:most]:
        for key, row in sorted(rows.get(task.name, {}).items()):
            if key not in drawn:
                continue
            one = drawn[key]
            groups = cluster_answers(one.texts, answer=row.answer, question=one.question, equivalence=equivalence)
            if groups.given is not None and 2 <= len(groups.clusters) <= 5:
                others = [m for m in groups.clusters if m is not groups.given]
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
    asked = np.isfinite(signals[f"share@{max(ROUNDS)}"])
    if not asked.any():
        return None
    of = {n: [signals[f"{name}@{n}"][asked] for name in ("share", "entropy", "lead")] for n in ROUNDS}
    rounds = {n: Evidence(n, share, entropy, 2 * lead - 1) for n, (share, entropy, lead) in of.items()}
    logprob = np.asarray(signals.get("mean_logprob", np.full(len(task), np.nan)))[asked]
    return SampledTask(task.group or task.name, task.right[asked], np.asarray(self_check)[asked], logprob, rounds)
