"""What a fit makes of the scores of one answer: its confidence, and what a verdict on it teaches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from thermolang.calibration.fit import Fit, predictive_interval
from thermolang.calibration.kinds import KindName, with_probability
from thermolang.calibration.learner import AnswerScores, InputKind
from thermolang.calibration.task_state import TaskVersion
from thermolang.errors import InvalidInputError
from thermolang.types import Alternative, Basis, Confidence, OptionScores, Reason

TaskKey = tuple[str, KindName]
"""A task's name and the kind of its answers: what a task state belongs to."""


def scores_of(fit: Fit, scores: OptionScores, given: int, logprob: float) -> AnswerScores:
    """All that the probability of the given answer depends on, under a fit.

    Args:
        fit: The calibrator's fit for answers of this kind.
        scores: What the model thinks of the options.
        given: Index of the option that is the answer.
        logprob: Exp of the answer's mean token log-probability; NaN where unknown.
    """
    # The given option comes first; ``lessons`` relies on that.
    ordered = np.array([scores.logits[given], *np.delete(scores.logits, given)])
    return fit.learner.scores_of(ordered[None], scores.hidden[None], np.array([logprob]))[0]


def applied(
    unscored: Confidence, fit: Fit, version: TaskVersion, scores: OptionScores, answer: AnswerScores, given: int
) -> Confidence:
    """The confidence of an answer under one version of its task's state.

    Args:
        unscored: What is known of it without the fit.
        fit: The calibrator's fit for answers of this kind.
        version: Of the task's state.
        scores: What the model thinks of the options.
        answer: ``scores_of`` these.
        given: Index of the option that is the answer.
    """
    plain = fit.kind.option_probabilities(scores.logits, version.scale)
    # For choices p below is about the most probable option, whichever was given.
    best = int(np.argmax(scores.logits)) if fit.kind.is_choice else given
    learner, standing = fit.learner, version.standing
    p = float(learner.probability([answer], standing)[0])
    of = learner.input_kind(answer, standing)
    half_width = standing.share * (of.estimate.half_width if of else fit.prior.half_width)
    # With a head p may differ from the plain probability.
    calibrated = with_probability(plain, best, p)  # (K,)
    value = float(calibrated[given])
    novelty = float(fit.inputs.novelty(scores.hidden))
    others = [i for i in np.argsort(-calibrated) if i != given] if fit.kind.is_choice else []
    found = replace(
        unscored,
        value=value,
        temperature=1.0 / version.inverse_temperature,
        bias=version.bias,
        interval=predictive_interval(value, half_width),
        task_version=version.version,
        supported=novelty <= 1.0,
        novelty=novelty,
        alternatives=tuple(Alternative(scores.options[i], float(calibrated[i])) for i in others),
        basis=Basis(
            answer.logits,
            answer.logit_offset,
            version.intercept,
            half_width,
            version.inputs,
            answer.mean_probability,
            answer.place,
        ),
    )
    # Choices need no log-probabilities, and their inputs are all of one kind.
    return found if fit.kind.is_choice else found.because(*_doubts(of, answer, version))


def _doubts(of: InputKind | None, answer: AnswerScores, version: TaskVersion) -> Iterator[Reason]:
    """Why the level of an answer is less certain than that of others of its task."""
    if of is None:
        return
    if answer.mean_probability is None:
        known = "the probabilities of the answer's tokens are unknown, so the level is that of the training tasks"
        yield Reason("no_logprobs", known)
    elif of not in version.kinds:
        yield Reason("new_kind", "the question is unlike the task's others so far: its level rests on it alone")


def lessons(
    verdicts: Iterable[tuple[Confidence, bool]], calibrator: str
) -> dict[TaskKey, list[tuple[AnswerScores, bool]]]:
    """Verdicts that can teach a calibrator, by task and kind: the answer's scores, and whether it was right.

    Temperature, bias and intercept are about the model's own answer, its most probable option. So a verdict on another
    option teaches nothing about them, nor does one on an answer without a confidence or with another calibrator's.

    Raises:
        InvalidInputError: A verdict is neither right nor wrong.
    """
    found: dict[TaskKey, list[tuple[AnswerScores, bool]]] = {}
    for confidence, right in verdicts:
        if right not in (0, 1):
            msg = f"a verdict is True (right) or False (wrong), not {right!r}; leave answers out that nobody judged"
            raise InvalidInputError(msg)
        choice, basis = confidence.source == "choice", confidence.basis
        if basis is None or confidence.calibrator != calibrator or (choice and basis.logits[0] < max(basis.logits)):
            continue
        key: TaskKey = confidence.task, "choice" if choice else "self_check"
        answer = AnswerScores(basis.logits, basis.logit_offset, basis.mean_probability, basis.place)
        found.setdefault(key, []).append((answer, bool(right)))
    return found
