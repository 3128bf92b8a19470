"""The confidence of a text that was written elsewhere: the model's self-check of it, beside the model's own answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy.special import expit

from thermolang.calibration.fit import predictive_interval
from thermolang.calibration.given import GivenTexts
from thermolang.errors import ThermolangError
from thermolang.models.chat_template import final_answer
from thermolang.models.decoding import SHORT
from thermolang.readings import read_checks
from thermolang.types import Confidence, Generation, Message, OptionScores, Reason

if TYPE_CHECKING:
    from thermolang.answers.equivalence import Equivalence
    from thermolang.calibration.calibrator import Calibrator
    from thermolang.calibration.given import GivenFit
    from thermolang.types import FloatArray, ScoringModel

NO_OWN_ANSWER = Reason("given_text", "the text cannot be compared: the model itself gives no answer to the question")
UNKNOWN = Reason("given_text", "the text cannot be compared: its probability under the model cannot be read")
LONG = Reason("given_text", "the text is longer than what calibrators learn from: only the end of it was compared")


@dataclass(frozen=True)
class Compared:
    """A text that was written elsewhere, beside the model's own answer.

    Attributes:
        scores: Self-check of the text.
        own: The own answer.
        own_scores: Self-check of the own answer.
        same: P(both mean the same), in [0, 1].
    """

    scores: OptionScores
    own: Generation
    own_scores: OptionScores
    same: float


def compare(
    model: ScoringModel,
    texts: Sequence[tuple[Sequence[Message], str, OptionScores]],
    equivalence: Equivalence,
) -> list[Compared | Reason]:
    """Let the model answer the same questions, and compare.

    Args:
        model: Answers greedily with one short line, as it did for the calibrator.
        texts: Conversation, text and self-check of each.
        equivalence: Decides what means the same.

    Returns:
        For a text without an own answer the reason.
    """
    answers = _own_answers(model, [messages for messages, *_ in texts])
    found: list[Compared | Reason] = []
    said = {i: a for i, a in enumerate(answers) if isinstance(a, Generation) and a.text.strip()}
    checks = dict(zip(said, read_checks(model, [(texts[i][0], answer) for i, answer in said.items()]), strict=True))
    family = getattr(model, "family", None)
    for i, (messages, text, scores) in enumerate(texts):
        answer, check = answers[i], checks.get(i, NO_OWN_ANSWER)
        if isinstance(answer, Reason) or isinstance(check, Reason):
            found.append(answer if isinstance(answer, Reason) else NO_OWN_ANSWER)
            continue
        theirs, ours = (final_answer(t, family) or "" for t in (text, answer.text))
        same = equivalence.same(theirs, ours, str(messages[-1]["content"]))
        found.append(Compared(scores, answer, check[0], same))
    return found


def _own_answers(model: ScoringModel, conversations: Sequence[Sequence[Message]]) -> list[Generation | Reason]:
    """All in one batch, unless one of them fails."""
    try:
        return list(model.generate_batch(conversations, SHORT)) if conversations else []
    except ThermolangError as error:
        if len(conversations) > 1:  # find out whose fault it is
            return [_own_answers(model, [messages])[0] for messages in conversations]
        return [Reason("model_error", str(error))]


def why_not_given(calibrator: Calibrator) -> Reason | None:
    """Why no text that was written elsewhere will get a confidence; None if they can."""
    if calibrator.given is not None and "self_check" in calibrator.fits:
        return None
    no_fit = "this calibrator has no fit for texts that were written elsewhere, and what it knows of the model's own"
    remedy = f"make it anew with thermolang calibrate --model {calibrator.model_name or 'NAME'}"
    return Reason("given_text", f"{no_fit} answers does not hold for them: {remedy}")


def given_confidence(unscored: Confidence, calibrator: Calibrator, compared: Compared) -> Confidence | Reason:
    """The confidence of a text that was written elsewhere.

    Args:
        unscored: What is known of it without the calibrator.
        calibrator: One of which ``why_not_given`` says nothing.
        compared: The text beside the model's own answer.

    Returns:
        ``unscored`` with a value, or the reason why there is none. A text of which only the end could be read is marked
        as unsupported, and its value lies halfway to 1/2.
    """
    fit, cut = cast("GivenFit", calibrator.given), compared.scores.answer_cut
    odds = float(fit.log_odds(features_of([compared]), np.array([cut]))[0])
    if not math.isfinite(odds):
        return UNKNOWN
    # Of the own answer: the question, not somebody's wording, is what the calibrator was trained on.
    novelty = float(calibrator.fits["self_check"].inputs.novelty(compared.own_scores.hidden))
    value = float(expit(odds))
    found = replace(
        unscored,
        value=value,
        interval=predictive_interval(value, fit.half_width * (2 if cut else 1)),
        calibrator=calibrator.id,
        novelty=novelty,
        supported=novelty <= 1.0 and not cut,
    )
    return found.because(LONG if cut else None)


def features_of(compared: Sequence[Compared]) -> GivenTexts:
    """What a fit reads of N texts; unknown numbers are NaN."""
    return GivenTexts(
        _margins([c.scores for c in compared]),
        _log([c.scores.answer_logprob for c in compared]),
        _margins([c.own_scores for c in compared]),
        _log([c.own.mean_probability for c in compared]),
        np.array([c.same for c in compared]),
    )


def _margins(scores: Sequence[OptionScores]) -> FloatArray:
    return np.array([float(s.logits[0] - s.logits[1]) for s in scores])


def _log(probabilities: Sequence[float | None]) -> FloatArray:
    return np.asarray(np.log(np.clip([math.nan if p is None else p for p in probabilities], 1e-9, 1.0)))
