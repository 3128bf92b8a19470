"""Applying a fit to what the model thinks of one answer, and keeping what a verdict on it can teach."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from thermolang.calibration.fitting import Fit, predictive_interval
from thermolang.calibration.learner import AnswerReading
from thermolang.calibration.state import TaskVersion
from thermolang.calibration.thermometer import choice_probabilities, self_check_probability
from thermolang.errors import InvalidInputError
from thermolang.types import Alternative, Basis, Confidence, OptionScores, Source

if TYPE_CHECKING:
    from thermolang.types import FloatArray


def option_probabilities(logits: FloatArray, source: Source, inverse_temperature: float, bias: float) -> FloatArray:
    """Probabilities of the options of a choice, or of yes and no, shape (K,)."""
    if source == "choice":
        return choice_probabilities(logits, inverse_temperature)
    yes = float(self_check_probability(logits, inverse_temperature, bias))
    return np.array([yes, 1.0 - yes])


def reading_of(fit: Fit, scores: OptionScores, given: int, logprob: float) -> AnswerReading:
    """What the given answer showed, under a fit.

    Args:
        fit: The calibrator's fit for answers of this kind.
        scores: What the model thinks of the options.
        given: The option that is the answer.
        logprob: Exp of the answer's mean token log-probability; NaN where unknown.
    """
    others = np.delete(scores.logits, given)
    beside = float(fit.head.beside(scores.hidden[None], np.array([logprob]))[0]) if fit.head else 0.0
    return AnswerReading((float(scores.logits[given]), *map(float, others)), beside)


def applied(
    unscored: Confidence, fit: Fit, version: TaskVersion, scores: OptionScores, reading: AnswerReading, given: int
) -> Confidence:
    """The confidence of an answer under one version of its task's state.

    Args:
        unscored: What is known of it without the fit.
        fit: The calibrator's fit for answers of this kind.
        version: Of the task's state.
        scores: What the model thinks of the options.
        reading: ``reading_of`` these.
        given: The option that is the answer.
    """
    choice = unscored.source == "choice"
    plain = option_probabilities(scores.logits, unscored.source or "self_check", *version.scale)
    best = int(np.argmax(scores.logits)) if choice else given
    logits, beside = np.array([reading.logits]), np.array([reading.beside])
    p = float(fit.learner.probability(logits, beside, version.scale, version.level)[0])
    calibrated = _with(plain, best, p)
    value = float(calibrated[given])
    novelty = float(fit.support.novelty(scores.hidden))
    others = [i for i in np.argsort(-calibrated) if i != given] if choice else []
    return replace(
        unscored,
        value=value,
        temperature=1.0 / version.inverse_temperature,
        bias=version.bias,
        interval=predictive_interval(value, version.half_width),
        task_version=version.version,
        supported=novelty <= 1.0,
        novelty=novelty,
        alternatives=tuple(Alternative(scores.options[i], float(calibrated[i])) for i in others),
        basis=Basis(reading.logits, reading.beside, version.level, version.half_width),
    )


def lessons(
    verdicts: Iterable[tuple[Confidence, bool]], calibrator: str
) -> dict[tuple[str, Source], list[tuple[AnswerReading, bool]]]:
    """By task and source, what verdicts can teach a calibrator: what each answer showed, and whether it was right.

    Temperature, bias and level are about the model's own answer, its most probable option. So a verdict on another
    option teaches nothing about them, nor does one on an answer without a confidence or with another calibrator's.

    Raises:
        InvalidInputError: A verdict is neither right nor wrong.
    """
    found: dict[tuple[str, Source], list[tuple[AnswerReading, bool]]] = {}
    for confidence, right in verdicts:
        if right not in (0, 1):
            msg = f"a verdict is True (right) or False (wrong), not {right!r}; leave answers out that nobody judged"
            raise InvalidInputError(msg)
        choice, basis = confidence.source == "choice", confidence.basis
        if basis is None or confidence.calibrator != calibrator or (choice and basis.logits[0] < max(basis.logits)):
            continue
        key: tuple[str, Source] = confidence.task, "choice" if choice else "self_check"
        found.setdefault(key, []).append((AnswerReading(basis.logits, basis.beside), bool(right)))
    return found


def _with(probabilities: FloatArray, best: int, p: float) -> FloatArray:
    """The options' probabilities (K,) with p for the best one; the others keep their proportions."""
    rest = 1.0 - probabilities[best]
    if probabilities[best] == p:
        return probabilities
    even = np.full(len(probabilities), (1.0 - p) / (len(probabilities) - 1))
    found = probabilities * ((1.0 - p) / rest) if rest > 0 else even
    found[best] = p
    return np.asarray(found)
