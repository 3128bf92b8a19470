"""A confidence for each field of a structured answer."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from thermolang.answers.json_fields import JsonField, json_fields, task_suffix
from thermolang.calibration.kinds import CHOICE, SELF_CHECK, AnswerKind
from thermolang.errors import ThermolangError
from thermolang.models.prompts import field_check
from thermolang.models.scoring import MIN_ANSWER_MASS
from thermolang.types import Confidence, Generation, Message, OptionScores, Reason

if TYPE_CHECKING:
    from thermolang.estimator import ConfidenceEstimator
    from thermolang.types import ScoringModel

AT_ONCE = 32
"""Checks of one forward pass: each needs a copy of the answer's KV cache."""


CUT = Reason("cut", "the answer was cut before it was complete: allow more tokens (max_tokens)")
NO_JSON = Reason("cut", "the answer is no complete JSON value")
NO_FIELDS = Reason("no_fields", "the answer has no field that could have been different")


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


def score_structured(
    estimator: ConfidenceEstimator, answers: Sequence[StructuredAnswer], task: str | None = None
) -> list[Confidence]:
    """Confidences of structured answers, each with those of its fields.

    Args:
        estimator: Of the model that answered.
        answers: Several answers; one that cannot be scored does not harm the others.
        task: Name of the stream of questions; a field's is this with its path behind a slash.
    """
    from thermolang.estimator import task_of

    start = time.perf_counter()
    whole = [one for one in answers if _why_not(one) is None]
    read = iter(read_fields(estimator.model, whole))
    found = []
    for one in answers:
        name = task or task_of(one.messages)
        why = _why_not(one)
        fields = {} if why else {path: _confidence(estimator, one, name, path, s) for path, s in next(read).items()}
        found.append(Confidence.missing(why, task=name, source="fields") if why else together(fields, name))
    seconds = (time.perf_counter() - start) / max(len(answers), 1)
    return [replace(confidence, seconds=seconds) for confidence in found]


def together(fields: Mapping[str, Confidence], task: str) -> Confidence:
    """The confidence of a whole answer: that all of its fields are right."""
    if not fields:
        return Confidence.missing(NO_FIELDS, task=task, source="fields")
    values = [one.value for one in fields.values()]
    raws = [one.raw for one in fields.values()]
    # Warnings stay with their fields; what counts here is why there is no value.
    missing = [Reason(c.reason_code or "not_scored", f"{p}: {c.reason}") for p, c in fields.items() if c.value is None]
    return Confidence(
        None if None in values else math.prod(v for v in values if v is not None),
        raw=None if None in raws else math.prod(r for r in raws if r is not None),
        source="fields",
        task=task,
        supported=all(one.supported for one in fields.values()),
        novelty=max((one.novelty for one in fields.values() if one.novelty is not None), default=None),
        calibrator=next(iter(fields.values())).calibrator,
        fields=fields,
    ).because(*missing[:1])


def _why_not(one: StructuredAnswer) -> Reason | None:
    if one.answer.finish_reason == "length":
        return CUT
    try:
        json_fields(one.answer.text, one.schema, start=one.start)
    except ValueError:
        return NO_JSON
    return None


def _confidence(
    estimator: ConfidenceEstimator, one: StructuredAnswer, task: str, path: str, scores: FieldScores | Reason
) -> Confidence:
    name = f"{task}/{task_suffix(path)}"
    if isinstance(scores, Reason):
        return Confidence.missing(scores, task=name, source="self_check")
    # Each field is an input of its own.
    asked = [*one.messages, {"role": "user", "content": scores.question or path}]
    return estimator.calibrate(scores.scores, scores.given, asked, name, scores.kind, scores.probability)


def read_fields(model: ScoringModel, answers: Sequence[StructuredAnswer]) -> list[dict[str, FieldScores | Reason]]:
    """Score every field of several answers; what must be checked is checked with one forward pass."""
    found = [_fields_of(one) for one in answers]
    spelled = [model.spelled(one.answer) for one in answers]
    read: dict[tuple[int, str], FieldScores | Reason] = {}
    asked: list[tuple[int, JsonField]] = []
    for i, fields in enumerate(found):
        for field in fields:
            scores = spelled[i].options(field)
            # Where the model would rather have said something else, the options' logits say little.
            if scores is None or scores.answer_mass < MIN_ANSWER_MASS:
                asked.append((i, field))
            else:
                given = field.options.index(json.dumps(field.value, ensure_ascii=False))
                read[i, field.path] = FieldScores(field, CHOICE, scores, given, math.nan)
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        items = [(answers[i], field, spelled[i].probability(field)) for i, field in part]
        read.update(zip([(i, field.path) for i, field in part], _checked(model, items), strict=True))
    return [{field.path: read[i, field.path] for field in fields} for i, fields in enumerate(found)]


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
