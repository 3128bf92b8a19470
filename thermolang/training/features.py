"""Running a model over items, once: hidden states, option logits, labels, and other confidences to compare with."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thermolang.answers.grading import rouge_l
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.kinds import CHOICE, SELF_CHECK, choice_probabilities
from thermolang.errors import ModelError, TaskFormatError
from thermolang.models.caches import Prefix
from thermolang.models.decoding import SHORT
from thermolang.models.local import LocalModel
from thermolang.models.prompts import ANSWER_PREFIX, DIGITS, LETTERS, how_sure_messages, question_messages
from thermolang.models.rotations import rotated, shifts
from thermolang.storage import digest, write_atomically
from thermolang.training.labels import label
from thermolang.training.store import (
    ABOUT,
    CollectedItem,
    Form,
    Layer,
    from_chunks,
    home,
    read_chunks,
    task_features,
    text_key,
    to_chunk,
    write_chunk,
)
from thermolang.types import Example, Message, OptionScores, Task

if TYPE_CHECKING:
    from thermolang.types import FloatArray

ORDERS = 4
"""At most so many orders of the options are tried, the given one included."""

ROTATED = "rotated."
"""Begins the names of the signals that hold the options' probabilities over their orders, each with its letter."""

ROWS_AT_ONCE = 32
"""Rows of one padded batch: enough to keep two cores busy, few enough that memory stays flat."""

TOKENS_AT_ONCE = 4096
"""Padded tokens of one batch."""

HALF = float(np.finfo(np.float16).max)
"""A few coordinates of middle layers are enormous; half precision must not make them infinite."""

Progress = Callable[[str, int, int], None]


def verbalised(
    model: LocalModel, pairs: Sequence[tuple[Sequence[Message], str]], *, prefixes: Sequence[Prefix] = ()
) -> list[float]:
    """Verbalised confidence (Lin et al., 2022, arXiv 2205.14334; Tian et al., 2023, arXiv 2305.14975).

    The model is asked for a digit from 0 to 9 after each (conversation, answer); the mean digit under its own
    probabilities, over 9, is its confidence in [0, 1]. One forward pass instead of decoding.

    Returns:
        One number for each pair; NaN where the digits are not single tokens of this model.
    """
    prompts = [
        model.encode(model.render(how_sure_messages(messages, answer), at_once=True)) for messages, answer in pairs
    ]
    try:
        ids = model.option_ids([(digit,) for digit in DIGITS], names=tuple(DIGITS))
    except ModelError:
        return [float("nan")] * len(pairs)
    scores = model.read(prompts, [ids] * len(prompts), [tuple(DIGITS)] * len(prompts), prefixes=prefixes)
    logits = np.stack([s.logits for s in scores])  # (N, 10)
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return list((p @ np.arange(len(DIGITS)) / p.sum(-1) / (len(DIGITS) - 1)).astype(float))


def over_orders(model: LocalModel, examples: Sequence[Example], logits: Sequence[FloatArray]) -> list[FloatArray]:
    """Option logits under rotated orders of the options, the given order first.

    Args:
        model: The model.
        examples: N multiple-choice questions.
        logits: Of each question's options in the given order, shape (K,).

    Returns:
        For each question the logits of its options in R <= ``ORDERS`` orders, shape (R, K); column k is always the
        k-th option of the given order.
    """
    moved = [shifts(len(e.choices), min(ORDERS, len(e.choices))) for e in examples]
    rows = [[z] for z in logits]
    for order in range(1, ORDERS):
        asked = [i for i, places in enumerate(moved) if order < len(places)]
        if not asked:
            break
        shown = [replace(e := examples[i], choices=rotated(e.choices, moved[i][order])) for i in asked]
        prompts = [model.encode(model.render(question_messages(e), at_once=True)) for e in shown]
        names = [tuple(LETTERS[: len(e.choices)]) for e in shown]
        ids = [model.option_ids([(letter,) for letter in letters], names=letters) for letters in names]
        prefixes = [model.prefix(prompts)] * len(prompts)
        for i, scores in zip(asked, model.read(prompts, ids, names, prefixes=prefixes), strict=True):
            rows[i].append(np.roll(scores.logits, moved[i][order]))
    return [np.stack(found) for found in rows]


def order_signals(orders: FloatArray) -> dict[str, float]:
    """What option logits (R, K) in several orders, the given one first, tell of one question.

    Returns:
        ``shuffled``, the share of the orders in which the answer is that of the given order, in (0, 1]; and
        ``rotated.A``, ``rotated.B`` and so on, the options' probabilities by the mean of their logits over the orders.
    """
    answers = orders.argmax(-1)
    mean = choice_probabilities(orders.mean(0), 1.0)
    shares = {ROTATED + letter: float(p) for letter, p in zip(LETTERS, mean, strict=False)}
    return {"shuffled": float(np.mean(answers == answers[0])), **shares}


def with_rotations(task: TaskFeatures) -> TaskFeatures | None:
    """The task with the logits of its options averaged over their orders; None where those were not collected."""
    names = [ROTATED + letter for letter in LETTERS[: task.logits.shape[1]]]
    if any(name not in task.signals for name in names):
        return None
    p = np.stack([task.signals[name] for name in names], axis=-1)  # (N, K)
    # Log-probabilities are logits; a probability that was rounded to 0 stays finite.
    return replace(task, logits=np.log(np.maximum(p, np.finfo(np.float64).tiny)))


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
    signals: bool = False,
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
        signals: Also read the baselines in the chat form: the verbalised confidence and, of choices, the options in
            other orders. They cost several passes more; keep them in a folder of their own.
        progress: Called with (task name, items done, items).

    Returns:
        Features in the order of the task's examples.
    """
    choice = is_choice(task)
    kind = "choice" if choice else "self_check"
    forms: tuple[Form, ...] = ("chat", "prefix") if choice and form == "prefix" else ("chat",)
    keys = [item_key(model, example) for example in task.examples]
    homes = {f: home(folder, model.name, model.identity, f, task.name) for f in forms} if folder else {}
    known = {f: from_chunks(read_chunks(homes[f])) if homes else {} for f in forms}
    for where in homes.values():
        write_atomically(where / ABOUT, json.dumps({"name": task.name, "group": task.group, "kind": kind}))
    missing = [i for i, key in enumerate(keys) if any(key not in known[f] for f in forms)]
    done, pending = len(keys) - len(missing), {f: list[CollectedItem]() for f in forms}
    for part in batches(model, task, missing) if missing else ():
        if progress:
            progress(task.name, done, len(keys))
        read = _read_choices if choice else _read_answers
        for f, rows in read(model, part, [keys[i] for i in part.items], forms).items():
            if signals and f == "chat":
                rows = _with_signals(model, part.examples, rows)
            known[f] |= {row.key: row for row in rows}
            pending[f] += rows
        done += len(part.items)
        if len(pending[forms[0]]) >= ROWS_AT_ONCE or done == len(keys):
            for f, where in homes.items():
                write_chunk(where, pending[f][0].key, *to_chunk(pending[f]))
            pending = {f: [] for f in forms}
    if progress:
        progress(task.name, len(keys), len(keys))
    rows = [known[form if choice else "chat"][key] for key in keys]
    return task_features(task.name, rows, layer, group=task.group, kind=CHOICE if choice else SELF_CHECK)


def read_together(
    model: LocalModel,
    tasks: Sequence[Task],
    folder: Path,
    *,
    signals: bool = False,
    progress: Progress | None = None,
) -> None:
    """Read what is missing of several free-form tasks in common batches, so that ``collect`` finds it.

    A batch of few rows takes nearly as long as one of many. What was read is kept also if the rest is interrupted.

    Args:
        model: The model to read.
        tasks: Free-form tasks.
        folder: Root of the kept features.
        signals: As for ``collect``.
        progress: Called with (name of the first task, items of all done, items of all).
    """
    homes = [home(folder, model.name, model.identity, "chat", task.name) for task in tasks]
    missing = [
        (where, key, example)
        for task, where in zip(tasks, homes, strict=True)
        for known in [from_chunks(read_chunks(where))]
        for example in task.examples
        if (key := item_key(model, example)) not in known
    ]
    total = sum(len(task.examples) for task in tasks)
    done, read = total - len(missing), dict[Path, list[CollectedItem]]()
    together = Task(tasks[0].name, tuple(example for _, _, example in missing))
    try:
        for part in batches(model, together, range(len(missing))) if missing else ():
            if progress:
                progress(together.name, done, total)
            rows = _read_answers(model, part, [missing[i][1] for i in part.items], ("chat",))["chat"]
            if signals:
                rows = _with_signals(model, part.examples, rows)
            for i, row in zip(part.items, rows, strict=True):
                read.setdefault(missing[i][0], []).append(row)
            done += len(rows)
    finally:
        for where, rows in read.items():
            write_chunk(where, rows[0].key, *to_chunk(rows))
    if progress:
        progress(together.name, total, total)


def item_key(model: LocalModel, example: Example) -> str:
    """Identity of an item under a model: its prompt text as the model sees it, and its gold answer."""
    # A template that writes today's date must not change the key every day.
    prompt = model.render(question_messages(example), fixed_date=True)
    gold = json.dumps([example.answers, example.label], ensure_ascii=False)
    return digest(f"{prompt}\0{gold}", 24)


@dataclass(frozen=True)
class Batch:
    """Items that go through the model together, and the KV caches of what their prompts begin with."""

    items: tuple[int, ...]
    examples: tuple[Example, ...]
    prefixes: tuple[Prefix, ...]


def batches(model: LocalModel, task: Task, items: Sequence[int]) -> Iterator[Batch]:
    """Cut items into batches of alike lengths; questions about one passage share its KV cache.

    Alike lengths leave hardly any padding to compute, and what the prompts begin with is computed once a passage.
    """
    by_context: dict[str, list[int]] = {}
    for i in items:
        by_context.setdefault(task.examples[i].context, []).append(i)
    # A free-form answer is read three times after one prompt, so that even a passage with one question is shared.
    shares = 1 if is_choice(task) else 0
    groups = [g for context, g in by_context.items() if context and len(g) > shares]
    # Questions without a passage of their own still share the template's beginning.
    if alone := [i for context, g in by_context.items() if not (context and len(g) > shares) for i in g]:
        groups.append(alone)
    part: list[tuple[int, Prefix]] = []
    widest = 0
    for group in groups:
        prompts = {i: model.encode(model.render(question_messages(task.examples[i]))) for i in group}
        # Twice if it is alone: ``prefix`` leaves each prompt at least one token of its own.
        prefix = model.prefix([*prompts.values()] * (2 if len(group) == 1 else 1))
        own = {i: len(prompt) - len(prefix.ids) for i, prompt in prompts.items()}
        for i in sorted(group, key=own.__getitem__):
            widest = max(widest, own[i])
            if part and (len(part) == ROWS_AT_ONCE or widest * (len(part) + 1) > TOKENS_AT_ONCE):
                yield _batch(task, part)
                part, widest = [], own[i]
            part.append((i, prefix))
    yield _batch(task, part)


def _batch(task: Task, part: Sequence[tuple[int, Prefix]]) -> Batch:
    items = tuple(i for i, _ in part)
    return Batch(items, tuple(task.examples[i] for i in items), tuple(p for _, p in part))


def _read_choices(
    model: LocalModel, batch: Batch, keys: Sequence[str], forms: Sequence[Form]
) -> dict[Form, list[CollectedItem]]:
    conversations = [question_messages(e) for e in batch.examples]
    names = [tuple(LETTERS[: len(e.choices)]) for e in batch.examples]
    ids = [model.option_ids([(letter,) for letter in letters], names=letters) for letters in names]
    chat = [model.encode(model.render(c, at_once=True)) for c in conversations]
    read = partial(model.read, option_ids=ids, options=names, middle=model.middle_layer)
    if len(forms) == 1:
        return {"chat": _choice_rows(keys, read(chat, prefixes=batch.prefixes), batch.examples)}
    begun = [{"role": "assistant", "content": ANSWER_PREFIX}]
    prefixed = [model.encode(model.render([*c, *begun])) for c in conversations]
    # By how many tokens the prefix form goes on after the chat form; -1 if it does not begin with it.
    added = {len(p) - len(c) if p[: len(c)] == c else -1 for c, p in zip(chat, prefixed, strict=True)}
    if len(added) == 1 and (more := added.pop()) > 0:
        # One pass reads the chat form ``more`` tokens before the end, and the prefix form at the end.
        both = model.read_at(prefixed, ids, names, ends=(more, 0), prefixes=batch.prefixes, middle=model.middle_layer)
        in_chat, in_prefix = [s[0] for s in both], [s[1] for s in both]
    else:  # a template that renders the two forms differently
        in_chat = read(chat, prefixes=batch.prefixes)
        in_prefix = read(prefixed, prefixes=[model.prefix(prefixed)] * len(prefixed))
    return {
        "chat": _choice_rows(keys, in_chat, batch.examples),
        "prefix": _choice_rows(keys, in_prefix, batch.examples),
    }


def _with_signals(model: LocalModel, examples: Sequence[Example], rows: Sequence[CollectedItem]) -> list[CollectedItem]:
    said = [(question_messages(e), r.answer) for e, r in zip(examples, rows, strict=True)]
    known = [{**row.signals, "verbalised": v} for row, v in zip(rows, verbalised(model, said), strict=True)]
    if examples[0].choices:
        orders = over_orders(model, examples, [r.logits for r in rows])
        known = [{**of, **order_signals(order)} for of, order in zip(known, orders, strict=True)]
    return [replace(row, signals=of) for row, of in zip(rows, known, strict=True)]


def _choice_rows(
    keys: Sequence[str], scores: Sequence[OptionScores], examples: Sequence[Example]
) -> list[CollectedItem]:
    rows = zip(keys, scores, examples, strict=True)
    return [_row(key, e, s, int(e.label or 0), s.options[int(np.argmax(s.logits))]) for key, s, e in rows]


def _read_answers(
    model: LocalModel, batch: Batch, keys: Sequence[str], _forms: Sequence[Form]
) -> dict[Form, list[CollectedItem]]:
    conversations = [question_messages(e) for e in batch.examples]
    generations = model.generate_batch(conversations, SHORT, prefixes=batch.prefixes)
    pairs = list(zip(conversations, (g.text for g in generations), strict=True))
    scores = model.self_check_batch(pairs, prefixes=batch.prefixes, middle=model.middle_layer)
    rows, rouge = [], importlib.util.find_spec("rouge_score") is not None
    for key, s, e, g in zip(keys, scores, batch.examples, generations, strict=True):
        row = _row(key, e, s, label(g.text, e.answers, e.question), g.text)
        signals = {"mean_logprob": float(np.exp(np.mean(g.logprobs)))}
        if rouge:
            signals["rouge_l"] = rouge_l(g.text, e.answers)
        rows.append(replace(row, signals=signals))
    return {"chat": rows}


def _row(key: str, example: Example, scores: OptionScores, right: int, answer: str) -> CollectedItem:
    # Rounded as they are on disk, so that a run that was interrupted ends with the numbers of one that was not.
    between = np.zeros(0) if scores.middle is None else np.clip(scores.middle, -HALF, HALF)
    hidden, middle = (x.astype(np.float16).astype(np.float32) for x in (scores.hidden, between))
    logits = scores.logits.astype(np.float32)
    return CollectedItem(
        key,
        hidden,
        middle,
        logits,
        right,
        scores.answer_mass,
        answer,
        text_key(example),
        question=example.question,
        gold=example.answers,
    )
