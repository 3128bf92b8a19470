"""Hidden states and logits of a task's items, collected once and kept on disk.

A task's rows lie in numbered chunk files, each written under another name and then renamed: a process that is
killed leaves whole chunks only, and the next run computes what is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from thermolang.answers.grading import is_right
from thermolang.calibration.task import TaskFeatures
from thermolang.errors import TaskFormatError
from thermolang.hashing import digest
from thermolang.models.decoding import Sampling
from thermolang.models.local import LocalModel
from thermolang.models.prompts import LETTERS, question_messages
from thermolang.types import Example, OptionScores, Task

if TYPE_CHECKING:
    from thermolang.types import FloatArray

CHUNK = 64
ROWS_AT_ONCE = 32
"""Rows of one padded batch: enough to keep two cores busy, few enough that memory stays flat."""

SHORT = Sampling(max_new_tokens=32, stop=("\n",))

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Row:
    """What is kept of one item; ``label`` is the index of the right option (self-check: 0 if the answer is right)."""

    key: str
    hidden: FloatArray
    logits: FloatArray
    label: int
    answer: str


def is_choice(task: Task) -> bool:
    """Whether a task is multiple choice.

    Raises:
        TaskFormatError: It is neither all multiple choice nor all free form, or an item has no gold answer.
    """
    kinds = {bool(e.choices) for e in task.examples}
    if len(kinds) != 1 or any((e.label is None) if e.choices else not e.answers for e in task.examples):
        wanted = "every item needs `choices` with a label, or every item needs `answers`"
        msg = f"task {task.name!r}: {wanted}; found a mixture, or items with neither"
        raise TaskFormatError(msg)
    return kinds.pop()


def collect(
    model: LocalModel, task: Task, folder: Path | None = None, *, progress: Progress | None = None
) -> TaskFeatures:
    """Read a task's items with the model, or take them from disk where they were read before.

    Args:
        model: The model to read.
        task: All multiple choice, or all free form: then the model answers (greedy, at most 32 tokens, one
            line), the answer is graded, and the self-check of the answer is read.
        folder: Root of the kept features; None keeps nothing.
        progress: Called with (task name, items done, items).

    Returns:
        Features in the order of the task's examples.
    """
    choice = is_choice(task)
    keys = [item_key(model, example) for example in task.examples]
    home = folder / _model_key(model) / _slug(task.name) if folder else None
    known = _read_chunks(home) if home else {}
    missing = [i for i, key in enumerate(keys) if key not in known]
    # Alike lengths in one batch leave hardly any padding to compute.
    missing.sort(key=lambda i: len(task.examples[i].question) + len(task.examples[i].context))
    read = _read_choices if choice else _read_answers
    for start in range(0, len(missing), CHUNK):
        if progress:
            progress(task.name, len(task.examples) - len(missing) + start, len(task.examples))
        chunk = missing[start : start + CHUNK]
        rows = []
        for first in range(0, len(chunk), ROWS_AT_ONCE):
            part = chunk[first : first + ROWS_AT_ONCE]
            rows += read(model, [task.examples[i] for i in part], [keys[i] for i in part])
        if home:
            _write_chunk(home, rows)
        known |= {row.key: row for row in rows}
    if progress:
        progress(task.name, len(task.examples), len(task.examples))
    return _features(task, [known[key] for key in keys])


def item_key(model: LocalModel, example: Example) -> str:
    """Identity of an item under a model: its prompt text as the model sees it, and its gold answer."""
    prompt = model.render(question_messages(example), fixed_date=True)
    gold = json.dumps([example.answers, example.label], ensure_ascii=False)
    return digest(f"{prompt}\0{gold}", 24)


def _read_choices(model: LocalModel, examples: Sequence[Example], keys: Sequence[str]) -> list[Row]:
    prompts = [model.encode(model.render(question_messages(e))) for e in examples]
    names = [tuple(LETTERS[: len(e.choices)]) for e in examples]
    ids = [model.option_ids([(letter,) for letter in letters], names=letters) for letters in names]
    scores = model.read(prompts, ids, names)
    rows = zip(keys, scores, examples, strict=True)
    return [_row(key, s, int(e.label or 0), s.options[int(np.argmax(s.logits))]) for key, s, e in rows]


def _read_answers(model: LocalModel, examples: Sequence[Example], keys: Sequence[str]) -> list[Row]:
    conversations = [question_messages(e) for e in examples]
    answers = [g.text for g in model.generate_batch(conversations, SHORT)]
    scores = model.self_check_batch(list(zip(conversations, answers, strict=True)))
    rows = zip(keys, scores, examples, answers, strict=True)
    return [_row(key, s, 0 if is_right(a, e.answers) else 1, a) for key, s, e, a in rows]


def _row(key: str, scores: OptionScores, label: int, answer: str) -> Row:
    # Rounded as they are on disk, so that a run that was interrupted ends with the numbers of one that was not.
    hidden = scores.hidden.astype(np.float16).astype(np.float32)
    return Row(key, hidden, scores.logits.astype(np.float32), label, answer)


def _features(task: Task, rows: Sequence[Row]) -> TaskFeatures:
    return TaskFeatures(
        name=task.name,
        group=task.group,
        hidden=np.stack([r.hidden for r in rows]),
        logits=np.stack([r.logits for r in rows]),
        labels=np.array([r.label for r in rows], dtype=np.int64),
    )


def _write_chunk(home: Path, rows: Sequence[Row]) -> None:
    home.mkdir(parents=True, exist_ok=True)
    tensors = {
        "hidden": np.stack([r.hidden for r in rows]).astype(np.float16),
        "logits": np.stack([r.logits for r in rows]),
        "label": np.array([r.label for r in rows]),
    }
    texts = {"keys": json.dumps([r.key for r in rows]), "answers": json.dumps([r.answer for r in rows])}
    part = home / f"{rows[0].key}.{os.getpid()}.part"
    save_file(tensors, part, metadata=texts)
    part.replace(home / f"{rows[0].key}.safetensors")


def _read_chunks(home: Path) -> dict[str, Row]:
    known: dict[str, Row] = {}
    for path in sorted(home.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as chunk:
                texts = chunk.metadata()
                keys, answers = json.loads(texts["keys"]), json.loads(texts["answers"])
                hidden, logits, label = (chunk.get_tensor(n) for n in ("hidden", "logits", "label"))
            columns = zip(keys, hidden.astype(np.float32), logits, label, answers, strict=True)
            known |= {key: Row(key, h, z, int(right), answer) for key, h, z, right, answer in columns}
        except (SafetensorError, KeyError, TypeError, ValueError, OSError):
            continue  # a foreign or damaged file: its items are computed again
    return known


def _model_key(model: LocalModel) -> str:
    identity = json.dumps(asdict(model.identity), sort_keys=True)
    return f"{_slug(model.name)}-{digest(identity, 8)}"


def _slug(name: str) -> str:
    short = "".join(c if c.isalnum() or c in "-_." else "-" for c in name.rsplit("/", 1)[-1])[:60].strip(".")
    return short if short and short == name else f"{short}-{digest(name, 6)}"
