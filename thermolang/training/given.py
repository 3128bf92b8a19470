"""Texts that stand for answers written elsewhere: made from a task's gold answers, self-checked once, kept on disk.

Of each item its gold answer (right), that of another item of the task (wrong, unless the grader says otherwise), what
the model itself said (right or wrong: a text may repeat the model's mistake), and texts that the caller brings, such as
other models' answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thermolang.answers.equivalence import Equivalence
from thermolang.answers.grading import is_right
from thermolang.calibration.given import GivenTask, GivenTexts
from thermolang.models.local import LocalModel
from thermolang.models.prompts import question_messages
from thermolang.storage import digest
from thermolang.training.features import ROWS_AT_ONCE, Progress, item_key
from thermolang.training.store import Chunk, CollectedItem, from_chunks, home, read_chunks, write_chunk
from thermolang.types import Example, Task

if TYPE_CHECKING:
    from thermolang.types import FloatArray

ITEMS = 6
"""Items of a task whose texts are read: many tasks tell more than many items of one."""

SENTENCE = "The answer is {}."
"""Every second item's texts stand in it, as a foreign wording may be longer than the answer."""


@dataclass(frozen=True)
class GivenText:
    """A text as it was read.

    Attributes:
        key: Identity of item and text under a model.
        text: The text.
        margin: Logit of yes minus logit of no when the model is asked whether it is correct.
        probability: Exp of its mean token log-probability; NaN where unknown.
    """

    key: str
    text: str
    margin: float
    probability: float


def collect_given(
    model: LocalModel,
    task: Task,
    folder: Path,
    *,
    others: Mapping[str, Sequence[str]] | None = None,
    most: int = ITEMS,
    equivalence: Equivalence | None = None,
    progress: Progress | None = None,
) -> GivenTask:
    """Read texts about a free-form task's questions, or take from disk what was read before.

    Args:
        model: The model.
        task: Free-form questions that ``collect`` has read into the same folder.
        folder: Root that ``collect`` was given.
        others: Further texts by question, such as other models' answers; they are graded here.
        most: At most so many items, chosen by the hash of what is asked.
        equivalence: Decides whether a text means the same as the model's own answer.
        progress: Called with (task name, texts done, texts).
    """
    items = sorted(((item_key(model, e), e) for e in task.examples), key=lambda item: item[0])[:most]
    own = from_chunks(read_chunks(home(folder, model.name, model.identity, "chat", task.name)))
    wanted = [(key, e, text) for key, e in items if key in own for text in _texts(e, items, others or {})]
    where = home(folder, model.name, model.identity, "given", task.name)
    known = _read(model, wanted, where, lambda done: progress(task.name, done, len(wanted)) if progress else None)
    same = equivalence or Equivalence()
    rows = [
        _Row(known[_key(key, text)], own[key], same.same(text, own[key].answer, e.question), is_right(text, e.answers))
        for key, e, text in wanted
    ]
    rows += [_own_row(own[key]) for key, _ in items if key in own and own[key].answer.strip()]
    return GivenTask(task.group or task.name, _columns(rows), np.array([r.right for r in rows], dtype=bool))


def _texts(
    example: Example, items: Sequence[tuple[str, Example]], others: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Gold answer, another item's gold answer, and those that were given; each once."""
    place = next(i for i, (_, e) in enumerate(items) if e is example)
    another = next(
        (e for _, e in (*items[place + 1 :], *items[:place]) if not is_right(e.answers[0], example.answers)), None
    )
    found = [example.answers[0], *([another.answers[0]] if another else [])]
    # Other languages have no such sentence here.
    if place % 2 and all(text.isascii() for text in found):
        found = [SENTENCE.format(text) for text in found]
    return tuple(t for t in dict.fromkeys([*found, *others.get(example.question, ())]) if t.strip())


@dataclass(frozen=True)
class _Row:
    read: GivenText
    own: CollectedItem
    same: float
    right: bool


def _own_row(own: CollectedItem) -> _Row:
    """The own answer as if it had been written elsewhere: self-check and probability are known."""
    text = GivenText(own.key, own.answer, _margin(own), own.signals["mean_logprob"])
    return _Row(text, own, 1.0, own.label == 0)


def _margin(own: CollectedItem) -> float:
    return float(own.logits[0] - own.logits[1])


def _columns(rows: Sequence[_Row]) -> GivenTexts:
    return GivenTexts(
        np.array([r.read.margin for r in rows]),
        _log([r.read.probability for r in rows]),
        np.array([_margin(r.own) for r in rows]),
        # An empty answer is nothing to compare with.
        _log([r.own.signals["mean_logprob"] if r.own.answer.strip() else np.nan for r in rows]),
        np.array([r.same for r in rows]),
    )


def _log(probabilities: Sequence[float]) -> FloatArray:
    return np.asarray(np.log(np.clip(np.array(probabilities), 1e-9, 1.0)))


def _key(item: str, text: str) -> str:
    return digest(f"{item}\0{text}", 24)


def _read(
    model: LocalModel, wanted: Sequence[tuple[str, Example, str]], where: Path, report: Callable[[int], None]
) -> dict[str, GivenText]:
    """Self-checks of texts by key; those that lie on disk are not read again."""
    known = _from_chunks(read_chunks(where))
    missing = list({_key(key, text): (e, text) for key, e, text in wanted if _key(key, text) not in known}.items())
    for start in range(0, len(missing), ROWS_AT_ONCE):
        report(len(wanted) - len(missing) + start)
        part = missing[start : start + ROWS_AT_ONCE]
        scores = model.self_check_batch([(question_messages(e), text) for _, (e, text) in part])
        found = [
            GivenText(
                key, text, float(s.logits[0] - s.logits[1]), np.nan if s.answer_logprob is None else s.answer_logprob
            )
            for (key, (_, text)), s in zip(part, scores, strict=True)
        ]
        write_chunk(where, found[0].key, *_to_chunk(found))
        known |= {g.key: g for g in found}
    report(len(wanted))
    return known


def _to_chunk(found: Sequence[GivenText]) -> Chunk:
    tensors = {"margin": np.array([g.margin for g in found]), "probability": np.array([g.probability for g in found])}
    return tensors, {"keys": [g.key for g in found], "texts": [g.text for g in found]}


def _from_chunks(stored: Mapping[str, Chunk]) -> dict[str, GivenText]:
    found: dict[str, GivenText] = {}
    for tensors, texts in stored.values():
        columns = zip(texts["keys"], texts["texts"], tensors["margin"], tensors["probability"], strict=True)
        found |= {key: GivenText(key, text, float(m), float(p)) for key, text, m, p in columns}
    return found
