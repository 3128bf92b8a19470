"""Methods that rest on sampled answers: raw signals of agreement, and what thermolang makes of them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.fitting import probability_right
from thermolang.calibration.meaning import ROUNDS, MeaningFit, SampledTask, adaptive, fit_meaning
from thermolang.evaluation.folds import Fold, Reading
from thermolang.evaluation.methods import Method, Ours, Predict, Prediction, groups_of, head, learner, signal
from thermolang.evaluation.sampled import sampled_task

if TYPE_CHECKING:
    from thermolang.types import FloatArray


@lru_cache(maxsize=1)  # two methods of one fold start from it
def _learn(fold: Fold) -> MeaningFit | None:
    tasks, head_found = [r.task for r in fold.training], learner(fold).head
    if head_found:
        odds = [_odds(expit(o)) for o in head_found.training_odds]
    else:
        scales = Ours.learn(fold).training_scales
        odds = [_odds(probability_right(t.logits, *s, self_check=True)) for t, s in zip(tasks, scales, strict=True)]
    found = [sampled_task(t, o) if t.self_check else None for t, o in zip(tasks, odds, strict=True)]
    usable = [replace(s, group=g) for s, g in zip(found, groups_of(tasks), strict=True) if s is not None]
    return fit_meaning(usable) if usable else None


def _sampled(predict: Predict, reading: Reading) -> SampledTask | None:
    """What the samples show of a task, beside the confidence of one pass."""
    one_pass = predict(reading)
    return sampled_task(reading.task, _odds(one_pass[0].confidence)) if one_pass else None


def _odds(p: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(p, 1e-6, 1 - 1e-6)))


def thorough(fold: Fold) -> Predict:
    """P(right) from all samples and the calibrated confidence of one pass."""
    fit, one_pass = _learn(fold), head(fold)

    def predict(reading: Reading) -> list[Prediction] | None:
        task = _sampled(one_pass, reading)
        if fit is None or task is None:
            return None
        odds = fit.log_odds(task.rounds[ROUNDS[-1]], task.self_check, task.logprob)
        return [Prediction(expit(odds), cost=np.ones(len(odds)))]

    return predict


def as_needed(fold: Fold) -> Predict:
    """The same, with as many samples as the decision at the training tasks' mean accuracy needs."""
    fit, one_pass = _learn(fold), head(fold)

    def predict(reading: Reading) -> list[Prediction] | None:
        task = _sampled(one_pass, reading)
        if fit is None or task is None:
            return None
        rounds = [fit.alone(task.self_check, task.logprob)]
        rounds += [fit.log_odds(task.rounds[n], task.self_check, task.logprob) for n in ROUNDS]
        odds, used = adaptive(fit, rounds, fit.base_rate)
        tokens = np.stack([np.zeros(len(odds)), *(reading.task.signals[f"tokens@{n}"] for n in ROUNDS)])
        return [Prediction(expit(odds), cost=tokens[np.searchsorted((0, *ROUNDS), used), np.arange(len(odds))])]

    return predict


SAMPLED: tuple[Method, ...] = (
    Method("lexical", "Lexical agreement", "Mean token F1 of all pairs of samples.", signal("lexical")),
    Method(
        "semantic_entropy",
        "Semantic entropy",
        "1 minus the entropy of the meanings over log N.",
        signal("semantic_entropy"),
    ),
    Method("share", "Share of the meaning", "Share of the samples that mean what the answer means.", signal("share")),
    Method("thorough", "thermolang (thorough)", "Share, entropy, self-check, calibrated.", thorough, ours=True),
    Method("adaptive", "thermolang (adaptive)", "The same, sampling only while it matters.", as_needed, ours=True),
)
"""Methods that need sampled answers; they use no label of the task they are measured on."""
