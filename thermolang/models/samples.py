"""Sampled answers of a task's questions, drawn once and kept on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from thermolang.errors import TaskFormatError
from thermolang.hashing import digest
from thermolang.models import chunks
from thermolang.models.features import ROWS_AT_ONCE, SHORT, Batch, Progress, batches, item_key
from thermolang.models.local import LocalModel, row_seeds
from thermolang.models.prompts import question_messages
from thermolang.models.rows import home, short_name
from thermolang.types import Example, Generation, Task

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
    for part in parts(model, task, missing, max(1, ROWS_AT_ONCE // n)) if missing else ():
        if progress:
            progress(task.name, done, len(keys))
        found = _sample(model, part, [keys[i] for i in part.items], n)
        chunks.write(where, found[0].key, *_to_chunk(found))
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


def _to_chunk(found: Sequence[Sampled]) -> chunks.Chunk:
    tensors = {"logprobs": np.array([s.logprobs for s in found]), "tokens": np.array([s.tokens for s in found])}
    texts = {
        "keys": [s.key for s in found],
        "questions": [s.question for s in found],
        "samples": [json.dumps(s.texts, ensure_ascii=False) for s in found],
    }
    return tensors, texts


def _read(folder: Path) -> dict[str, Sampled]:
    known: dict[str, Sampled] = {}
    for tensors, texts in chunks.read(folder):
        columns = zip(
            texts["keys"], texts["questions"], texts["samples"], tensors["logprobs"], tensors["tokens"], strict=True
        )
        for key, question, samples, logprobs, tokens in columns:
            known[key] = Sampled(
                key, question, tuple(json.loads(samples)), tuple(logprobs.tolist()), tuple(tokens.tolist())
            )
    return known
