"""Collected features on disk: hidden states, option logits and labels of every item that a model read.

Files hold a few dozen items each, written under another name and then renamed: a process that is killed at any moment
leaves whole files only, and the next run computes what is missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.kinds import KINDS, AnswerKind, KindName
from thermolang.errors import NotEnoughDataError, TaskFormatError
from thermolang.models.scoring import MIN_ANSWER_MASS
from thermolang.storage import digest, write_atomically
from thermolang.types import Example, ModelIdentity

if TYPE_CHECKING:
    from thermolang.types import FloatArray

logger = logging.getLogger(__name__)

Chunk = tuple[dict[str, np.ndarray[Any, Any]], dict[str, list[str]]]
"""Arrays with items along the first axis, and lists of texts."""

Form = Literal["chat", "prefix"]
"""The bare chat prompt that users have, or the assistant's turn begun with "The answer is"."""

Layer = Literal["last", "middle"]

ABOUT = "task.json"
"""Names a folder's task, so that what was collected can be read without the questions."""


def write_chunk(
    folder: Path, name: str, tensors: Mapping[str, np.ndarray[Any, Any]], texts: Mapping[str, Sequence[str]]
) -> None:
    """Write one chunk; readers see all of it or nothing."""
    metadata = {key: json.dumps(list(values)) for key, values in texts.items()}
    write_atomically(folder / f"{name}.safetensors", save(dict(tensors), metadata=metadata))


def read_chunks(folder: Path) -> dict[str, Chunk]:
    """All chunks of a folder by name; a foreign or damaged file is left out, so that its items are computed again."""
    found: dict[str, Chunk] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as chunk:
                texts = {key: json.loads(value) for key, value in chunk.metadata().items()}
                tensors = {name: chunk.get_tensor(name) for name in chunk.keys()}  # noqa: SIM118 - no mapping
        except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, OSError):
            continue
        found[path.stem] = tensors, texts
    return found


@dataclass(frozen=True, eq=False)
class CollectedItem:
    """One item as it was collected.

    Attributes:
        key: Identity of the item under its model; see ``item_key``.
        hidden: Shape (d,), last layer after the final norm.
        middle: Shape (d,), output of the layer two thirds up.
        logits: Shape (K,).
        label: Index of the right option; of a self-check 0 if the answer is right, else 1.
        mass: Share of the next-token probability on the options.
        answer: What the model answered.
        text: What was asked; see ``text_key``.
        signals: Other confidences by name.
        question: The question, without its passage; empty if it was not kept.
        gold: Accepted answers of a free-form question; empty for choices, and if they were not kept.
    """

    key: str
    hidden: FloatArray
    middle: FloatArray
    logits: FloatArray
    label: int
    mass: float
    answer: str
    text: str
    signals: dict[str, float] = field(default_factory=dict)
    question: str = ""
    gold: tuple[str, ...] = ()


def text_key(example: Example) -> str:
    """What is asked, whatever the order of the options: equal for the same question in two tasks."""
    parts = [example.context, example.question, *sorted(example.choices)]
    return digest("\0".join(" ".join(part.split()).casefold() for part in parts))


def home(folder: Path, model: str, identity: ModelIdentity, form: str, task: str) -> Path:
    """Where a task's chunks lie: by model and its identity, prompt version included, form and task."""
    known = json.dumps(asdict(identity), sort_keys=True)
    return folder / f"{short_name(model)}-{digest(known, 8)}" / form / _slug(task)


def load(
    folder: Path,
    model: str,
    *,
    form: Form = "chat",
    layer: Layer = "last",
    kind: KindName = "choice",
    paper_labels: bool = False,
) -> list[TaskFeatures]:
    """Everything that ``collect`` kept of one model, without the model.

    Args:
        folder: The root that ``collect`` was given.
        model: The model's name as ``collect`` was given it, or the last part of its path.
        form: As in ``collect``.
        layer: As in ``collect``.
        kind: ``"choice"`` or ``"self_check"``.
        paper_labels: Count an answer right as the paper's code does; see ``grading.rouge_l``.

    Returns:
        One entry a task, sorted by name, items in the order of their keys; tasks of one item are left out.

    Raises:
        TaskFormatError: Nothing of this model lies there, or no ROUGE-L for ``paper_labels``.
    """
    # The 8 characters hash the model's identity, which only the model itself could tell.
    homes = sorted(folder.glob(f"{short_name(model)}-????????/{form}/*/{ABOUT}"))
    if not homes:
        there = sorted(p.name for p in folder.glob("*") if p.is_dir())
        msg = f"{folder} holds no features of {model!r} in the form {form!r}; it holds {there}: thermolang collect"
        raise TaskFormatError(msg)
    tasks = []
    for about in homes:
        task = json.loads(about.read_text(encoding="utf-8"))
        rows = from_chunks(read_chunks(about.parent))
        if (task["kind"] == kind) and len(rows) > 1:
            ordered = [rows[key] for key in sorted(rows)]
            tasks.append(task_features(task["name"], ordered, layer, group=task["group"], kind=KINDS[kind]))
    if not tasks:
        msg = f"{folder} holds no {kind} tasks of {model!r}, or none of two items; collect some or name another kind"
        raise TaskFormatError(msg)
    if paper_labels:
        _need_rouge(tasks)
        tasks = [replace(t, labels=(t.signals["rouge_l"] == 0).astype(np.int64)) for t in tasks]
    return sorted(tasks, key=lambda t: t.name)


def rows_of(folder: Path, model: str, *, form: Form = "chat") -> dict[str, dict[str, CollectedItem]]:
    """What ``collect`` kept of one model: by the task's name, its rows by key."""
    found: dict[str, dict[str, CollectedItem]] = {}
    for about in sorted(folder.glob(f"{short_name(model)}-????????/{form}/*/{ABOUT}")):
        found[json.loads(about.read_text(encoding="utf-8"))["name"]] = from_chunks(read_chunks(about.parent))
    return found


def _need_rouge(tasks: Sequence[TaskFeatures]) -> None:
    without = [t.name for t in tasks if "rouge_l" not in t.signals]
    if without:
        wanted = "free-form answers collected with the extra `eval` installed, into another folder"
        msg = f"the paper's labels need ROUGE-L, which {without} lack: {wanted}"
        raise TaskFormatError(msg)


def task_features(
    name: str, rows: Sequence[CollectedItem], layer: Layer, *, group: str, kind: AnswerKind
) -> TaskFeatures:
    """Put rows together.

    Raises:
        TaskFormatError: Items differ in their number of options.
        NotEnoughDataError: Fewer than two items.
    """
    widths = {len(r.logits) for r in rows}
    if len(widths) > 1:
        msg = f"task {name!r} has items of {sorted(widths)} options; one number of options a task is needed"
        raise TaskFormatError(msg)
    if len(rows) < 2:
        msg = f"task {name!r} has {len(rows)} item; at least 2 are needed"
        raise NotEnoughDataError(msg)
    if (unlikely := sum(r.mass < MIN_ANSWER_MASS for r in rows)) > len(rows) / 2:
        shown = (
            "task %r: in %d of %d items the options have under %g of the model's probability: it says something else"
        )
        logger.warning(shown, name, unlikely, len(rows), MIN_ANSWER_MASS)
    # A signal of a task needs a value for every item.
    shared = set.intersection(*(set(r.signals) for r in rows))
    return TaskFeatures(
        name=name,
        group=group,
        hidden=np.stack([r.hidden if layer == "last" else r.middle for r in rows]),
        logits=np.stack([r.logits for r in rows]),
        labels=np.array([r.label for r in rows], dtype=np.int64),
        kind=kind,
        texts=tuple(r.text for r in rows),
        signals={n: np.array([r.signals[n] for r in rows]) for n in sorted(shared)},
    )


def to_chunk(rows: Sequence[CollectedItem]) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, list[str]]]:
    """Arrays and texts of rows, as ``write_chunk`` takes them; hidden states as float16."""
    # A question of more options has more signals.
    names = sorted({n for r in rows for n in r.signals})
    tensors = {
        "hidden": np.stack([r.hidden for r in rows]).astype(np.float16),
        "middle": np.stack([r.middle for r in rows]).astype(np.float16),
        "label": np.array([r.label for r in rows]),
        "mass": np.array([r.mass for r in rows]),
        # Items may differ in K: their logits lie end to end, and the widths tell where to cut.
        "width": np.array([len(r.logits) for r in rows]),
        "logits": np.concatenate([r.logits for r in rows]),
        **{f"signal.{n}": np.array([r.signals.get(n, np.nan) for r in rows]) for n in names},
    }
    texts = {
        "keys": [r.key for r in rows],
        "answers": [r.answer for r in rows],
        "texts": [r.text for r in rows],
        "questions": [r.question for r in rows],
        "gold": [json.dumps(r.gold, ensure_ascii=False) for r in rows],
    }
    return tensors, texts


def from_chunks(stored: Mapping[str, Chunk]) -> dict[str, CollectedItem]:
    """Rows by key, as ``to_chunk`` made them; of a key that was read twice the last one."""
    known: dict[str, CollectedItem] = {}
    for tensors, texts in stored.values():
        try:
            known |= _from_chunk(tensors, texts)
        except (KeyError, TypeError, ValueError, IndexError):
            continue  # a foreign file: its items are computed again
    return known


def _from_chunk(tensors: dict[str, np.ndarray[Any, Any]], texts: dict[str, list[str]]) -> dict[str, CollectedItem]:
    logits = np.split(tensors["logits"], np.cumsum(tensors["width"])[:-1])
    names = [n for n in tensors if n.startswith("signal.")]
    unknown = [""] * len(texts["keys"])  # older files have neither
    questions, golds = texts.get("questions", unknown), texts.get("gold", ["[]"] * len(unknown))
    columns = zip(texts["keys"], texts["answers"], texts["texts"], logits, questions, golds, strict=True)
    return {
        key: CollectedItem(
            key,
            tensors["hidden"][i].astype(np.float32),
            tensors["middle"][i].astype(np.float32),
            z,
            int(tensors["label"][i]),
            float(tensors["mass"][i]),
            answer,
            text,
            {n.removeprefix("signal."): float(tensors[n][i]) for n in names},
            question,
            tuple(json.loads(gold)),
        )
        for i, (key, answer, text, z, question, gold) in enumerate(columns)
    }


def short_name(model: str) -> str:
    """The last part of a path or hub id: the same copy of a model is found from anywhere."""
    return _slug(model.rstrip("/").rsplit("/", 1)[-1])


def _slug(name: str) -> str:
    short = "".join(c if c.isalnum() or c in "-_." else "-" for c in name.rsplit("/", 1)[-1])[:60].strip(".")
    # A name that had to be changed gets a hash, so that two names never share a folder.
    return short if short and short == name else f"{short}-{digest(name, 6)}"
