"""Judges of doubtful pairs: the chat model itself, or a natural-language-inference cross-encoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from scipy.special import expit

from thermolang.errors import ModelError
from thermolang.models.prompts import YES_NO, same_meaning_messages
from thermolang.storage import Lock

if TYPE_CHECKING:
    from thermolang.models.local import LocalModel
    from thermolang.types import FloatArray

KEPT = 20_000
"""Most pairs that are remembered."""

PAIRS_AT_ONCE = 16
LONGEST = 600
"""Characters of an answer that a judge is shown."""


class _Remembering:
    """Asks about a pair once, in both directions, whatever the order."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._lock = Lock()

    def __call__(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[float]:
        cut = [(a[:LONGEST], b[:LONGEST]) for a, b in pairs]
        keys = [(question, min(pair), max(pair)) for pair in cut]
        with self._lock:
            new = [key for key in dict.fromkeys(keys) if key not in self._known]
            for start in range(0, len(new), PAIRS_AT_ONCE):
                part = new[start : start + PAIRS_AT_ONCE]
                both = self._ask([(q, x, y) for q, a, b in part for x, y in ((a, b), (b, a))])
                self._known.update(zip(part, self._verdicts(np.reshape(both, (-1, 2))).tolist(), strict=True))
            found = [self._known[key] for key in keys]
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found

    def _verdicts(self, both: FloatArray) -> FloatArray:
        """From the two directions, shape (P, 2), one probability for each pair: their mean."""
        return np.asarray(both.mean(axis=1))

    def _ask(self, asked: Sequence[tuple[str, str, str]]) -> Sequence[float]:
        """P(same) for each (question, one answer, other answer), in this order."""
        raise NotImplementedError


class ChatJudge(_Remembering):
    """A judge that asks the chat model whether two answers mean the same, and reads its probability of yes.

    Args:
        model: The model; one forward pass for each direction of a pair, nothing is generated.
    """

    def __init__(self, model: LocalModel) -> None:
        super().__init__()
        self._model = model

    @cached_property
    def _options(self) -> list[list[int]]:
        return self._model.option_ids(YES_NO, names=("yes", "no"))

    def _ask(self, asked: Sequence[tuple[str, str, str]]) -> Sequence[float]:
        prompts = [self._model.encode(self._model.render(same_meaning_messages(*one), at_once=True)) for one in asked]
        if (longest := max(map(len, prompts))) >= (most := self._model.context_length):
            msg = f"question and answers have {longest} tokens, but {self._model.name} takes at most {most}"
            raise ModelError(msg)
        prefixes = [self._model.prefix(prompts)] * len(prompts)
        found = self._model.read(
            prompts, [self._options] * len(prompts), [("yes", "no")] * len(prompts), prefixes=prefixes
        )
        return [float(expit(s.logits[0] - s.logits[1])) for s in found]


class EntailmentJudge(_Remembering):
    """A judge by mutual entailment, read from a cross-encoder (as in Kuhn et al., 2023, arXiv 2302.09664).

    Args:
        name: Folder or hub id of a sentence-transformers ``CrossEncoder`` with the labels contradiction, entailment and
            neutral, such as ``cross-encoder/nli-deberta-v3-small``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import CrossEncoder

        try:
            model = CrossEncoder(self.name)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            msg = f"cannot load the cross-encoder {self.name!r}: {error}"
            raise ModelError(msg) from error
        return model

    @cached_property
    def _entailment(self) -> int:
        labels = {str(v).lower(): int(k) for k, v in self._model.model.config.id2label.items()}
        if "entailment" not in labels:
            msg = f"{self.name!r} is no model for natural language inference: its labels are {sorted(labels)}"
            raise ModelError(msg)
        return labels["entailment"]

    def _verdicts(self, both: FloatArray) -> FloatArray:
        """Mutual entailment is as sure as the less sure direction."""
        return np.asarray(both.min(axis=1))

    def _ask(self, asked: Sequence[tuple[str, str, str]]) -> Sequence[float]:
        place = self._entailment
        pairs = [(f"{q} {a}".strip(), f"{q} {b}".strip()) for q, a, b in asked]
        logits = np.asarray(self._model.predict(pairs, show_progress_bar=False), dtype=np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return list((odds / odds.sum(axis=1, keepdims=True))[:, place])
