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
from thermolang.models.prompts import YES_NO
from thermolang.storage import Lock

if TYPE_CHECKING:
    from thermolang.models.caches import Prefix
    from thermolang.models.local import LocalModel
    from thermolang.types import FloatArray, Message

LEAST = 10**9
"""Parameters of a chat model from which it is asked by default."""

KEPT = 20_000
"""Most pairs that are remembered."""

PAIRS_AT_ONCE = 16
LONGEST = 600
"""Characters of an answer that a judge is shown."""

RULE = (
    "You compare two answers to the same question. Reply yes if a careful reader would take them for the same "
    "answer, although the wording, the order, the language, the notation or the length differs. Reply no if "
    "anything that matters differs: an amount, a unit, a date, a name, a condition, a limit, an exception, a yes "
    "and a no, or if one answers and the other does not. Reply with yes or no only."
)

EXAMPLES = (
    ("When does the shop open?", "At 9 a.m.", "It opens at nine in the morning.", True),
    ("How much is the fee?", "$30 per month", "$30 per year", False),
    ("会議の場所はどこですか。", "第3会議室です", "3階の会議室です", False),
    (
        "Is smoking allowed in the yard?",
        "No, smoking is not permitted in the yard.",
        "Smoking is forbidden there.",
        True,
    ),
    (
        "Who has to sign the form?",
        "The manager and the deputy have to sign it.",
        "Either the manager or the deputy signs it.",
        False,
    ),
    ("納品はいつですか。", "来月末です", "翌月の末日までにお届けします。", True),
    (
        "What is the largest lake of the country?",
        "I am sorry, I have no information about that.",
        "The text does not say.",
        True,
    ),
    ("Which parts are covered?", "All parts are covered, including the battery.", "The battery", False),
    ("返品できますか。", "はい、ただし未開封の場合に限ります。", "はい、できます。", False),
    (
        "How long is the ladder?",
        "As stated in the manual, the ladder is 2.5 metres long when it is folded out.",
        "250 cm",
        True,
    ),
)
"""Question, two answers and the verdict on them: a chat model judges much better after a few of each kind."""

SCALE, SHIFT = 2.13, -0.56
"""P(same) = expit(SCALE x + SHIFT), with x the model's mean log-odds of yes in the two directions: logistic regression
on two sets of pairs, by ``python benchmarks/equivalence.py --fit-judge`` with Qwen2.5-Coder-1.5B-Instruct."""


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
        """What ``_verdicts`` reads, for each (question, one answer, other answer), in this order."""
        raise NotImplementedError


class ChatJudge(_Remembering):
    """A judge that asks the chat model whether two answers mean the same, and reads its probability of yes.

    The examples that it is shown first are computed once, and so is the question of several pairs. They and the numbers
    that turn its logits into a probability were chosen with one of 1.5B parameters.

    Args:
        model: The model; one forward pass for each direction of a pair, nothing is generated.
    """

    def __init__(self, model: LocalModel) -> None:
        super().__init__()
        self._model = model

    @cached_property
    def _options(self) -> list[list[int]]:
        return self._model.option_ids(YES_NO, names=("yes", "no"))

    @cached_property
    def _beginning(self) -> Prefix:
        """The rule and the examples, with which every prompt begins."""
        return self._model.prefix([self._prompt("What?", "a", "b"), self._prompt("何?", "1", "2")])

    def _prompt(self, question: str, first: str, second: str) -> list[int]:
        return self._model.encode(self._model.render(judge_messages(question, first, second), at_once=True))

    def _verdicts(self, both: FloatArray) -> FloatArray:
        return np.asarray(expit(SCALE * both.mean(axis=1) + SHIFT))

    def _ask(self, asked: Sequence[tuple[str, str, str]]) -> Sequence[float]:
        """Log-odds of yes."""
        prompts = [self._prompt(*one) for one in asked]
        if (longest := max(map(len, prompts))) >= (most := self._model.context_length):
            msg = (
                f"question, answers and the judge's examples have {longest} tokens, but {self._model.name} takes at "
                f"most {most}"
            )
            raise ModelError(msg)
        prefixes = [self._model.prefix(prompts, self._beginning)] * len(prompts)  # the question, too
        found = self._model.read(
            prompts, [self._options] * len(prompts), [("yes", "no")] * len(prompts), prefixes=prefixes
        )
        return [float(s.logits[0] - s.logits[1]) for s in found]


def judge_for(model: Any) -> ChatJudge | None:
    """Return the chat model itself as the judge of its answers, if it has ``LEAST`` parameters; else None."""
    return ChatJudge(model) if getattr(model, "parameters", 0) >= LEAST else None


def judge_messages(question: str, first: str, second: str) -> list[Message]:
    """Ask whether two answers to a question mean the same, after a rule and examples."""
    messages: list[Message] = [{"role": "system", "content": RULE}]
    for *pair, same in EXAMPLES:
        messages.append({"role": "user", "content": _asked(*pair)})
        messages.append({"role": "assistant", "content": "Yes" if same else "No"})
    return [*messages, {"role": "user", "content": _asked(question, first, second)}]


def _asked(question: str, first: str, second: str) -> str:
    return f"Question: {question}\nAnswer 1: {first}\nAnswer 2: {second}"


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
