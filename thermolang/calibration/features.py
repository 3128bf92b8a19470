"""The features of a task: hidden states, logits and labels of its answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from thermolang.calibration.kinds import CHOICE, AnswerKind
from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray


@dataclass(frozen=True, eq=False)
class TaskFeatures:
    """Hidden states, logits and labels of a task's N items.

    Attributes:
        name: The task's name.
        hidden: Shape (N, d), float32.
        logits: Shape (N, K), float; for self-checks K = 2 in the order yes, no.
        labels: Shape (N,), int; index of the right option. A self-check of a right answer has 0.
        group: As in ``thermolang.types.Task``.
        kind: Whether the answers are choices, or self-checks with the options yes and no about an answer given before.
        texts: One hash per item of what was asked; equal ones are the same question. Empty if unknown.
        signals: Other numbers in [0, 1] about each item, shape (N,) each, NaN where one is missing: confidences such
            as ``"verbalised"``, ``"shuffled"`` and ``"mean_logprob"``, and ``"rouge_l"`` of the answer. ``"rotated.A"``
            and so on are the options' probabilities averaged over their orders.
    """

    name: str
    hidden: FloatArray
    logits: FloatArray
    labels: np.ndarray[Any, np.dtype[np.int64]]
    group: str = ""
    kind: AnswerKind = CHOICE
    texts: tuple[str, ...] = ()
    signals: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.labels)
        # Without texts, their length counts as right.
        lengths = {len(self.hidden), len(self.logits), len(self.texts) or n, *map(len, self.signals.values())}
        if n < 2 or lengths != {n}:
            sizes = f"{n} labels, {len(self.hidden)} hidden states and {len(self.logits)} logits"
            msg = f"task {self.name!r} has {sizes}; equally many are needed, at least 2"
            raise NotEnoughDataError(msg)
        if not (np.isfinite(self.hidden).all() and np.isfinite(self.logits).all()):
            msg = f"task {self.name!r} has hidden states or logits that are not finite; collect it again in float32"
            raise InvalidInputError(msg)
        reach = (int(np.min(self.labels)), int(np.max(self.labels)))
        if self.logits.ndim != 2 or reach[0] < 0 or reach[1] >= self.logits.shape[1]:
            found = f"logits of shape {self.logits.shape} and labels from {reach[0]} to {reach[1]}"
            msg = f"task {self.name!r} needs logits (N, K) and labels within 0..K-1, found {found}"
            raise InvalidInputError(msg)

    def __len__(self) -> int:
        """Number of items N."""
        return len(self.labels)

    @property
    def right(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether the model's answer is right, shape (N,): the argmax of a choice, or the checked answer."""
        return np.asarray(self.kind.given(self.logits) == self.labels)

    @property
    def chance(self) -> float:
        """Accuracy of guessing: 1 / K for choices, 0 for free-form answers."""
        return self.kind.chance(self.logits.shape[1])

    def take(self, items: Sequence[int] | np.ndarray[Any, Any]) -> TaskFeatures:
        """The task with these items only, in this order; at least two."""
        i = np.asarray(items, dtype=np.intp)
        return dataclasses.replace(
            self,
            hidden=self.hidden[i],
            logits=self.logits[i],
            labels=self.labels[i],
            texts=tuple(self.texts[j] for j in i) if self.texts else (),
            signals={name: values[i] for name, values in self.signals.items()},
        )


def without_duplicates(tasks: Sequence[TaskFeatures]) -> list[TaskFeatures]:
    """Keep an item that occurs in several tasks only in the first, so that no item of a left-out task is trained on.

    Items are told apart by ``texts``; tasks without texts stay as they are, and a task of which fewer than two
    items remain is dropped.
    """
    seen: set[str] = set()
    kept = []
    for task in tasks:
        items = [i for i, text in enumerate(task.texts) if text not in seen] if task.texts else list(range(len(task)))
        seen |= set(task.texts)
        if len(items) >= 2:
            kept.append(task if len(items) == len(task) else task.take(items))
    return kept
