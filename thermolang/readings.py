"""What a model thinks of an answer, or why that cannot be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from thermolang.answers.choice import given_choice
from thermolang.errors import ThermolangError
from thermolang.models.thinking import UNFINISHED, final_answer
from thermolang.types import Generation, Message, OptionScores

if TYPE_CHECKING:
    from thermolang.protocols import ScoringModel

EMPTY = "the question is empty"


def read_choice(
    model: ScoringModel, messages: Sequence[Message], answer: Generation | str, choices: list[str]
) -> tuple[OptionScores, int] | str:
    """Options as the model reads them and the one that was given, or why there is none."""
    if is_empty(messages):
        return EMPTY
    text = final_answer(answer.text if isinstance(answer, Generation) else answer)
    if text is None:
        return UNFINISHED
    try:
        scores = model.choice_logits(messages, choices, answer if isinstance(answer, Generation) else None)
    except ThermolangError as error:
        return str(error)
    given = given_choice(text, choices)
    if given is None:
        shown = text if len(text) <= 40 else text[:40] + "..."
        return f"the answer {shown!r} is none of the choices {choices}"
    return scores, given


def read_checks(
    model: ScoringModel, items: Sequence[tuple[Sequence[Message], Generation | str]]
) -> list[tuple[OptionScores, int] | str]:
    """Self-checks, with one forward pass if nothing stands against it, or why there is none."""
    found: list[tuple[OptionScores, int] | str] = [_unreadable(messages, answer) for messages, answer in items]
    readable = [i for i, reason in enumerate(found) if not reason]
    try:
        together = model.self_check_batch([items[i] for i in readable]) if readable else []
    except ThermolangError as error:
        if len(readable) > 1:  # find out whose fault it is
            return [read_checks(model, [item])[0] for item in items]
        together, found[readable[0]] = [], str(error)
    for i, scores in zip(readable, together, strict=False):
        found[i] = scores, 0
    return found


def mean_probability(answer: Generation | str, read: OptionScores | None = None) -> float:
    """Exp of the answer's mean token log-probability, as generated or as ``read`` with the options; NaN if unknown."""
    if isinstance(answer, Generation) and answer.logprobs:
        return answer.mean_probability
    return math.nan if read is None or read.answer_logprob is None else read.answer_logprob


def is_empty(messages: Sequence[Message]) -> bool:
    """Whether nothing was asked."""
    return not messages or not messages[-1]["content"].strip()


def _unreadable(messages: Sequence[Message], answer: Generation | str) -> str:
    if is_empty(messages):
        return EMPTY
    text = answer.text if isinstance(answer, Generation) else answer
    return "" if text.strip() else "the answer is empty"
