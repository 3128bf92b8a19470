"""A confidence for each field of a structured answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thermolang.answers.json_fields import JsonField, json_fields
from thermolang.calibration.kinds import CHOICE, SELF_CHECK, AnswerKind
from thermolang.errors import ThermolangError
from thermolang.models.prompts import field_check
from thermolang.types import Generation, Message, OptionScores, Reason

if TYPE_CHECKING:
    from thermolang.types import ScoringModel

AT_ONCE = 32
"""Checks of one forward pass: each needs a copy of the answer's KV cache."""


@dataclass(frozen=True)
class StructuredAnswer:
    """An answer that is JSON.

    Attributes:
        messages: The conversation up to the question.
        answer: The answer.
        schema: What it validates against; None if that is not known.
        start: Where the JSON begins in the answer's text.
    """

    messages: Sequence[Message]
    answer: Generation
    schema: Mapping[str, Any] | None = None
    start: int = 0


@dataclass(frozen=True)
class FieldScores:
    """What the model thinks of one field.

    Attributes:
        field: Its path, value and place.
        kind: Whether it was scored as a choice of a few options or by a check of that field.
        scores: Of the options, or of yes and no.
        given: Index of the option that it is.
        probability: Exp of the mean log-probability of its tokens; NaN where unknown.
        question: What the model was asked; empty for a choice.
    """

    field: JsonField
    kind: AnswerKind
    scores: OptionScores
    given: int
    probability: float
    question: str = ""


def read_fields(model: ScoringModel, answers: Sequence[StructuredAnswer]) -> list[list[FieldScores | Reason]]:
    """Score every field of several answers; what must be checked is checked with one forward pass."""
    found = [_fields_of(one) for one in answers]
    spelled = [model.spelled(one.answer) for one in answers]
    read: dict[tuple[int, int], FieldScores | Reason] = {}
    asked: list[tuple[int, int]] = []
    for i, fields in enumerate(found):
        for j, field in enumerate(fields):
            scores = spelled[i].options(field)
            if scores is None:
                asked.append((i, j))
            else:
                given = field.options.index(answers[i].answer.text[field.start : field.end])
                read[i, j] = FieldScores(field, CHOICE, scores, given, math.nan)
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        items = [(answers[i], found[i][j], spelled[i].probability(found[i][j])) for i, j in part]
        read.update(zip(part, _checked(model, items), strict=True))
    return [[read[i, j] for j in range(len(fields))] for i, fields in enumerate(found)]


def _fields_of(one: StructuredAnswer) -> list[JsonField]:
    # What could be nothing else says nothing.
    return [f for f in json_fields(one.answer.text, one.schema, start=one.start) if len(f.options) != 1]


def _checked(
    model: ScoringModel, items: Sequence[tuple[StructuredAnswer, JsonField, float]]
) -> list[FieldScores | Reason]:
    questions = [field_check(field.path, field.value, field.description) for _, field, _ in items]
    try:
        scores = model.self_check_batch([(one.messages, one.answer) for one, _, _ in items], questions=questions)
    except ThermolangError as error:
        if len(items) > 1:  # find out whose fault it is
            return [_checked(model, [item])[0] for item in items]
        return [Reason("model_error", str(error))]
    return [
        FieldScores(field, SELF_CHECK, one, 0, probability, question)
        for (_, field, probability), one, question in zip(items, scores, questions, strict=True)
    ]
