"""Hidden states and logits of a task's items, collected once and kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from thermolang.answers.grading import is_right
from thermolang.calibration.task import TaskFeatures
from thermolang.errors import NotEnoughDataError, TaskFormatError
from thermolang.hashing import digest
from thermolang.models import chunks
from thermolang.models.decoding import Sampling
from thermolang.models.local import LocalModel
from thermolang.models.prefix import Prefix
from thermolang.models.prompts import ANSWER_PREFIX, LETTERS, question_messages
from thermolang.models.signals import verbalised
from thermolang.types import Example, OptionScores, Task

if TYPE_CHECKING:
    from thermolang.types import FloatArray

Form = Literal["chat", "prefix"]
"""The bare chat prompt that users have, or the assistant's turn begun with "The answer is"."""

Layer = Literal["last", "middle"]

ROWS_AT_ONCE = 32
"""Rows of one padded batch: enough to keep two cores busy, few enough that memory stays flat."""

TOKENS_AT_ONCE = 4096
"""Padded tokens of one batch."""

SHORT = Sampling(max_new_tokens=32, stop=("\n",))

ABOUT = "task.json"
"""Names a folder's task, so that what was collected can be read without the questions."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Row:
    """What is kept of one item.

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
    if any(len(e.choices) > len(LETTERS) for e in task.examples):
        msg = (
            f"task {task.name!r}: an item has more than {len(LETTERS)} options; there are no more letters to name them"
        )
        raise TaskFormatError(msg)
    return kinds.pop()


def collect(
    model: LocalModel,
    task: Task,
    folder: Path | None = None,
    *,
    form: Form = "chat",
    layer: Layer = "last",
    progress: Progress | None = None,
) -> TaskFeatures:
    """Read a task's items with the model, or take them from disk where they were read before.

    Args:
        model: The model to read.
        task: All multiple choice, or all free form: then the model answers (greedy, at most 32 tokens, one
            line), the answer is graded, and the self-check of the answer is read.
        folder: Root of the kept features; None keeps nothing.
        form: How a multiple-choice question is asked. Where the tokenizer allows, one forward pass reads both
            forms, and both are kept.
        layer: Whose hidden states to return: of the last layer after the final norm, or of the layer two thirds up.
        progress: Called with (task name, items done, items).

    Returns:
        Features in the order of the task's examples.
    """
    choice = is_choice(task)
    kind = "choice" if choice else "self_check"
    forms: tuple[Form, ...] = ("chat", "prefix") if choice and form == "prefix" else ("chat",)
    keys = [item_key(model, example) for example in task.examples]
    homes = {f: home(model, task, folder, f) for f in forms} if folder else {}
    known = {f: _rows(chunks.read(homes[f])) if homes else {} for f in forms}
    for where in homes.values():
        chunks.write_text(where / ABOUT, json.dumps({"name": task.name, "group": task.group, "kind": kind}))
    missing = [i for i, key in enumerate(keys) if any(key not in known[f] for f in forms)]
    done, pending = len(keys) - len(missing), {f: list[Row]() for f in forms}
    for part in batches(model, task, missing) if missing else ():
        if progress:
            progress(task.name, done, len(keys))
        read = _read_choices if choice else _read_answers
        for f, rows in read(model, part, [keys[i] for i in part.items], forms).items():
            known[f] |= {row.key: row for row in rows}
            pending[f] += rows
        done += len(part.items)
        if len(pending[forms[0]]) >= ROWS_AT_ONCE or done == len(keys):
            for f, where in homes.items():
                chunks.write(where, pending[f][0].key, *_tensors(pending[f]))
            pending = {f: [] for f in forms}
    if progress:
        progress(task.name, len(keys), len(keys))
    rows = [known[form if choice else "chat"][key] for key in keys]
    return _features(task.name, rows, layer, group=task.group, self_check=not choice)


def load(
    folder: Path, model: str, *, form: Form = "chat", layer: Layer = "last", kind: str = "choice"
) -> list[TaskFeatures]:
    """Everything that ``collect`` kept of one model, without the model.

    Args:
        folder: The root that ``collect`` was given.
        model: The model's name as ``collect`` was given it, or the last part of its path.
        form: As in ``collect``.
        layer: As in ``collect``.
        kind: ``"choice"`` or ``"self_check"``.

    Returns:
        One entry a task, sorted by name, items in the order of their keys; tasks of one item are left out.

    Raises:
        TaskFormatError: Nothing of this model lies there.
    """
    homes = sorted(folder.glob(f"{_slug(model)}-????????/{form}/*/{ABOUT}"))
    if not homes:
        there = sorted(p.name for p in folder.glob("*") if p.is_dir())
        msg = f"{folder} holds no features of {model!r} in the form {form!r}; it holds {there}: thermolang collect"
        raise TaskFormatError(msg)
    tasks = []
    for about in homes:
        task = json.loads(about.read_text(encoding="utf-8"))
        rows = _rows(chunks.read(about.parent))
        if (task["kind"] == kind) and len(rows) > 1:
            ordered = [rows[key] for key in sorted(rows)]
            self_check = kind == "self_check"
            tasks.append(_features(task["name"], ordered, layer, group=task["group"], self_check=self_check))
    return sorted(tasks, key=lambda t: t.name)


def item_key(model: LocalModel, example: Example) -> str:
    """Identity of an item under a model: its prompt text as the model sees it, and its gold answer."""
    prompt = model.render(question_messages(example), fixed_date=True)
    gold = json.dumps([example.answers, example.label], ensure_ascii=False)
    return digest(f"{prompt}\0{gold}", 24)


def text_key(example: Example) -> str:
    """What is asked, whatever the order of the options: equal for the same question in two tasks."""
    parts = [example.context, example.question, *sorted(example.choices)]
    return digest("\0".join(" ".join(part.split()).casefold() for part in parts))


def home(model: LocalModel, task: Task, folder: Path, form: str) -> Path:
    """Where a task's chunks lie: by model and its identity, prompt version included, form and task."""
    identity = json.dumps(asdict(model.identity), sort_keys=True)
    return folder / f"{_slug(model.name)}-{digest(identity, 8)}" / form / _slug(task.name)


@dataclass(frozen=True)
class Batch:
    """Items that go through the model together, and the KV cache of what their prompts begin with."""

    items: tuple[int, ...]
    examples: tuple[Example, ...]
    prefix: Prefix


def batches(model: LocalModel, task: Task, items: Sequence[int]) -> Iterator[Batch]:
    """Cut items into batches of alike lengths; questions about one passage share its KV cache.

    Alike lengths leave hardly any padding to compute, and what the prompts begin with is computed once a passage.
    """
    by_context: dict[str, list[int]] = {}
    for i in items:
        by_context.setdefault(task.examples[i].context, []).append(i)
    # Questions without a passage of their own still share the template's beginning.
    groups = [g for g in by_context.values() if len(g) > 1]
    if alone := [g[0] for g in by_context.values() if len(g) == 1]:
        groups.append(alone)
    for group in groups:
        prompts = {i: model.encode(model.render(question_messages(task.examples[i]))) for i in group}
        prefix = model.prefix(list(prompts.values()))
        own = {i: len(prompt) - len(prefix.ids) for i, prompt in prompts.items()}
        part: list[int] = []
        for i in sorted(group, key=own.__getitem__):
            if part and (len(part) == ROWS_AT_ONCE or own[i] * (len(part) + 1) > TOKENS_AT_ONCE):
                yield Batch(tuple(part), tuple(task.examples[j] for j in part), prefix)
                part = []
            part.append(i)
        yield Batch(tuple(part), tuple(task.examples[j] for j in part), prefix)


def _read_choices(model: LocalModel, batch: Batch, keys: Sequence[str], forms: Sequence[Form]) -> dict[Form, list[Row]]:
    conversations = [question_messages(e) for e in batch.examples]
    names = [tuple(LETTERS[: len(e.choices)]) for e in batch.examples]
    ids = [model.option_ids([(letter,) for letter in letters], names=letters) for letters in names]
    chat = [model.encode(model.render(c)) for c in conversations]
    how = {"prefix": batch.prefix, "middle": model.middle_layer}
    if len(forms) == 1:
        return {"chat": _choice_rows(keys, model.read(chat, ids, names, **how), batch.examples)}
    begun = [{"role": "assistant", "content": ANSWER_PREFIX}]
    prefixed = [model.encode(model.render([*c, *begun])) for c in conversations]
    added = {len(p) - len(c) if p[: len(c)] == c else -1 for c, p in zip(chat, prefixed, strict=True)}
    if len(added) == 1 and (more := added.pop()) > 0:
        both = model.read_at(prefixed, ids, names, ends=(more, 0), **how)
        scores = [[s[0] for s in both], [s[1] for s in both]]
    else:  # a template that renders the two forms differently
        own = {**how, "prefix": model.prefix(prefixed)}
        scores = [model.read(chat, ids, names, **how), model.read(prefixed, ids, names, **own)]
    return {f: _choice_rows(keys, s, batch.examples) for f, s in zip(("chat", "prefix"), scores, strict=True)}


def _choice_rows(keys: Sequence[str], scores: Sequence[OptionScores], examples: Sequence[Example]) -> list[Row]:
    rows = zip(keys, scores, examples, strict=True)
    return [_row(key, e, s, int(e.label or 0), s.options[int(np.argmax(s.logits))]) for key, s, e in rows]


def _read_answers(
    model: LocalModel, batch: Batch, keys: Sequence[str], _forms: Sequence[Form]
) -> dict[Form, list[Row]]:
    conversations = [question_messages(e) for e in batch.examples]
    generations = model.generate_batch(conversations, SHORT, prefix=batch.prefix)
    pairs = list(zip(conversations, (g.text for g in generations), strict=True))
    scores = model.self_check_batch(pairs, prefix=batch.prefix, middle=model.middle_layer)
    sure = verbalised(model, pairs, prefix=batch.prefix)
    rows = []
    for key, s, e, g, v in zip(keys, scores, batch.examples, generations, sure, strict=True):
        row = _row(key, e, s, 0 if is_right(g.text, e.answers) else 1, g.text)
        rows.append(replace(row, signals={"mean_logprob": float(np.exp(np.mean(g.logprobs))), "verbalised": v}))
    return {"chat": rows}


def _row(key: str, example: Example, scores: OptionScores, label: int, answer: str) -> Row:
    # Rounded as they are on disk, so that a run that was interrupted ends with the numbers of one that was not.
    hidden, middle = (
        x.astype(np.float16).astype(np.float32) for x in (scores.hidden, np.clip(scores.middle, -65504, 65504))
    )
    logits = scores.logits.astype(np.float32)
    return Row(key, hidden, middle, logits, label, scores.answer_mass, answer, text_key(example))


def _features(name: str, rows: Sequence[Row], layer: Layer, *, group: str, self_check: bool) -> TaskFeatures:
    widths = {len(r.logits) for r in rows}
    if len(widths) > 1:
        msg = f"task {name!r} has items of {sorted(widths)} options; one number of options a task is needed"
        raise TaskFormatError(msg)
    if len(rows) < 2:
        msg = f"task {name!r} has {len(rows)} item; at least 2 are needed"
        raise NotEnoughDataError(msg)
    return TaskFeatures(
        name=name,
        group=group,
        hidden=np.stack([r.hidden if layer == "last" else r.middle for r in rows]),
        logits=np.stack([r.logits for r in rows]),
        labels=np.array([r.label for r in rows], dtype=np.int64),
        self_check=self_check,
        texts=tuple(r.text for r in rows),
        signals={n: np.array([r.signals[n] for r in rows]) for n in rows[0].signals},
    )


def _tensors(rows: Sequence[Row]) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    tensors = {
        "hidden": np.stack([r.hidden for r in rows]).astype(np.float16),
        "middle": np.stack([r.middle for r in rows]).astype(np.float16),
        "label": np.array([r.label for r in rows]),
        "mass": np.array([r.mass for r in rows]),
        "width": np.array([len(r.logits) for r in rows]),
        "logits": np.concatenate([r.logits for r in rows]),
        **{f"signal.{n}": np.array([r.signals[n] for r in rows]) for n in rows[0].signals},
    }
    texts = {"keys": [r.key for r in rows], "answers": [r.answer for r in rows], "texts": [r.text for r in rows]}
    return tensors, texts


def _rows(stored: Sequence[chunks.Chunk]) -> dict[str, Row]:
    known: dict[str, Row] = {}
    for tensors, texts in stored:
        logits = np.split(tensors["logits"], np.cumsum(tensors["width"])[:-1])
        names = [n for n in tensors if n.startswith("signal.")]
        for i, (key, answer, text) in enumerate(zip(texts["keys"], texts["answers"], texts["texts"], strict=True)):
            known[key] = Row(
                key,
                tensors["hidden"][i].astype(np.float32),
                tensors["middle"][i].astype(np.float32),
                logits[i],
                int(tensors["label"][i]),
                float(tensors["mass"][i]),
                answer,
                text,
                {n.removeprefix("signal."): float(tensors[n][i]) for n in names},
            )
    return known


def _slug(name: str) -> str:
    short = "".join(c if c.isalnum() or c in "-_." else "-" for c in name.rsplit("/", 1)[-1])[:60].strip(".")
    return short if short and short == name else f"{short}-{digest(name, 6)}"
