"""What a model thinks of answers: the scores of options, or of yes and no in a self-check, or why there are none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress

from thermolang.answers.grading import given_choice
from thermolang.errors import InvalidInputError, ThermolangError
from thermolang.models.chat_template import UNFINISHED, final_answer
from thermolang.models.tool_calls import parse
from thermolang.types import Generation, Message, OptionScores, Reason, ScoringModel

Item = tuple[Sequence[Message], Generation | str]
"""A conversation and an answer to it."""

Reading = tuple[OptionScores, int] | Reason
"""The scores of the options and the index of the given one, or why there are none."""

EMPTY = Reason("empty_question", "the question is empty")
NO_ANSWER = Reason("empty_answer", "the answer is empty")
STILL_THINKING = Reason("unfinished", UNFINISHED)


def read_choices(
    model: ScoringModel, items: Sequence[Item], choices: Sequence[str], rotations: int = 1
) -> list[Reading]:
    """Scores of the options for each item; of texts with one forward pass unless one of them fails.

    Args:
        model: Reads the options.
        items: Conversations, and which option was given.
        choices: Texts of the options.
        rotations: Over how many orders of the options the logits are averaged.
    """
    found: list[Reading | None] = [_why_no_choice(model, *item) for item in items]
    readable = [i for i, reason in enumerate(found) if reason is None]
    scores = _choice_scores(model, [items[i] for i in readable], choices, rotations)
    for i, read in zip(readable, scores, strict=True):
        found[i] = read if isinstance(read, Reason) else _chosen(model, items[i][1], read, choices)
    return [one for one in found if one is not None]


def _why_no_choice(model: ScoringModel, messages: Sequence[Message], answer: Generation | str) -> Reason | None:
    if is_empty(messages):
        return EMPTY
    return STILL_THINKING if _said(model, answer) is None else _call_in(model, answer)


def _choice_scores(
    model: ScoringModel, items: Sequence[Item], choices: Sequence[str], rotations: int
) -> list[OptionScores | Reason]:
    # An answer of the model's own has its logits already.
    if len(items) > 1 and rotations == 1 and all(isinstance(answer, str) for _, answer in items):
        with suppress(ThermolangError):  # whose fault it is, is found out one by one
            return list(model.choice_logits_batch([messages for messages, _ in items], choices))
    found: list[OptionScores | Reason] = []
    for messages, answer in items:
        generation = answer if isinstance(answer, Generation) else None
        try:
            found.append(model.choice_logits(messages, choices, generation, rotations=rotations))
        except ThermolangError as error:
            found.append(unscored(error))
    return found


def _chosen(model: ScoringModel, answer: Generation | str, scores: OptionScores, choices: Sequence[str]) -> Reading:
    text = _said(model, answer) or ""
    given = given_choice(text, choices)
    if given is None:
        shown = text if len(text) <= 40 else text[:40] + "..."
        return Reason("not_a_choice", f"the answer {shown!r} is none of the choices {list(choices)}")
    return scores, given


def _said(model: ScoringModel, answer: Generation | str) -> str | None:
    """The answer without thoughts; None if these have no end."""
    return final_answer(answer.text if isinstance(answer, Generation) else answer, getattr(model, "family", None))


def read_checks(model: ScoringModel, items: Sequence[Item]) -> list[Reading]:
    """Self-checks, all with one forward pass unless one of them fails; for an item without scores the reason."""
    found: list[Reading | None] = [
        _unreadable(messages, answer) or _call_in(model, answer) for messages, answer in items
    ]
    readable = [i for i, reason in enumerate(found) if reason is None]
    try:
        together = model.self_check_batch([items[i] for i in readable]) if readable else []
    except ThermolangError as error:
        if len(readable) > 1:  # find out whose fault it is
            return [read_checks(model, [item])[0] for item in items]
        together, found[readable[0]] = [], Reason("model_error", str(error))
    for i, scores in zip(readable, together, strict=False):
        found[i] = scores, 0
    return [one for one in found if one is not None]


def mean_probability(answer: Generation | str, read: OptionScores | None = None) -> float:
    """Exp of the answer's mean token log-probability, as generated or as ``read`` with the options; NaN if unknown."""
    if isinstance(answer, Generation) and answer.logprobs:
        return answer.mean_probability
    return math.nan if read is None or read.answer_logprob is None else read.answer_logprob


def is_empty(messages: Sequence[Message]) -> bool:
    """Whether nothing was asked."""
    return not messages or not messages[-1]["content"].strip()


def unscored(error: ThermolangError) -> Reason:
    """Why an item has no scores, from the error that reading it raised."""
    return Reason("bad_choices" if isinstance(error, InvalidInputError) else "model_error", str(error))


def _unreadable(messages: Sequence[Message], answer: Generation | str) -> Reason | None:
    if is_empty(messages):
        return EMPTY
    text = answer.text if isinstance(answer, Generation) else answer
    return None if text.strip() else NO_ANSWER


def _call_in(model: ScoringModel, answer: Generation | str) -> Reason | None:
    """Why an answer that calls tools, or half does, is none; without the tools only what is a call by its form."""
    cut = isinstance(answer, Generation) and answer.finish_reason == "length"
    text = answer.text if isinstance(answer, Generation) else answer
    return parse(text, getattr(model, "family", None)).reason(cut=cut)
