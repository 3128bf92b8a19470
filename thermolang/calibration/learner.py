"""P(right) of answers under what is known of their task: before verdicts from its unlabelled inputs, then from both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.head import Head
from thermolang.calibration.input_kinds import KindSpace
from thermolang.calibration.kinds import AnswerKind
from thermolang.calibration.level import Estimate, Level, answer_signals, choice_signals
from thermolang.calibration.posterior import (
    VerdictPrior,
    anchor,
    posterior,
    robust_intercept,
    robust_posterior,
)
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.types import FloatArray

ABSENT = 1e4
"""An option that an answer lacks gets a logit so far below its smallest one that its probability is 0."""

EDGE = 1e-12
"""Probabilities are kept this far from 0 and 1, so that their log-odds are finite."""


@dataclass(frozen=True)
class AnswerScores:
    """All that the probability of one answer depends on, given its task's standing.

    Attributes:
        logits: Of the options, K of them; of a self-check in the order yes, no.
        logit_offset: Added to the log-odds, by ``Head.logit_offset``; 0 without a head.
        mean_probability: Exp of the answer's mean token log-probability; None where unknown.
        place: Where its hidden state lies in ``KindSpace``; empty without one.
    """

    logits: tuple[float, ...]
    logit_offset: float = 0.0
    mean_probability: float | None = None
    place: tuple[float, ...] = ()


@dataclass(frozen=True)
class InputKind:
    """One kind of input in a task's stream.

    Attributes:
        center: Its mean place in ``KindSpace``.
        inputs: How many of the inputs are of this kind.
        intercept: Added to the log-odds of its answers, so that their mean probability is the estimated accuracy.
        estimate: Its accuracy.
    """

    center: tuple[float, ...]
    inputs: int
    intercept: float
    estimate: Estimate


@dataclass(frozen=True)
class Standing:
    """What is known of a task.

    Attributes:
        scale: Its temperature and bias.
        intercept: Added to the log-odds of all its answers.
        share: What verdicts have left of the uncertainty about its accuracy: a standard deviation in log-odds over the
            one before them, in (0, 1].
        kinds: The kinds of its inputs, the most frequent first; empty where no level was learned.
    """

    scale: Scale
    intercept: float = 0.0
    share: float = 1.0
    kinds: tuple[InputKind, ...] = ()


@dataclass(frozen=True, eq=False)
class Learner:
    """P(right) of answers of one kind under their task's standing, and Bayes' rule for verdicts on them.

    Attributes:
        kind: Of the answers.
        prior: How far tasks' temperatures and biases are from what is predicted; None if that was never learned.
        head: Tells right from wrong within a task; None where that was of no use in training.
        level: Estimates a task's accuracy from its unlabelled answers; None where that was of no use in training.
        space: Tells the kinds of input in a stream apart; None if inputs are all of one kind.
    """

    kind: AnswerKind
    prior: VerdictPrior | None = None
    head: Head | None = None
    level: Level | None = None
    space: KindSpace | None = None

    def scores(self, task: TaskFeatures) -> list[AnswerScores]:
        """What the probability of each of a task's N answers depends on."""
        return self.scores_of(task.logits, task.hidden, task.signals.get("mean_logprob"))

    def scores_of(
        self, logits: FloatArray, hidden: FloatArray, mean_probability: FloatArray | None
    ) -> list[AnswerScores]:
        """The same from logits (N, K), hidden states (N, d) and, where known, exp of mean log-probabilities (N,)."""
        offsets = self.head.logit_offset(hidden, mean_probability) if self.head else np.zeros(len(logits))
        places = self.space.place(hidden) if self.space else np.zeros((len(logits), 0))
        known = np.full(len(logits), np.nan) if mean_probability is None else mean_probability
        columns = zip(np.asarray(logits).tolist(), offsets.tolist(), known, places.tolist(), strict=True)
        return [AnswerScores(tuple(z), b, None if np.isnan(p) else float(p), tuple(at)) for z, b, p, at in columns]

    def start(self, scale: Scale, answers: Sequence[AnswerScores]) -> Standing:
        """Where a task stands before any verdict, from its unlabelled answers.

        With a level, each kind of input gets the intercept at which the mean probability of its answers is its
        estimated accuracy. Without one, an anchored head gets the intercept at which its mean is that of p_T.

        Args:
            scale: Predicted for the task.
            answers: To its inputs; may be empty.
        """
        if self.level is not None:
            return Standing(scale, kinds=self._kinds(scale, answers, self.level))
        if self.head is None or not self.head.anchored or not answers:
            return Standing(scale)
        # Only the mean is used, so it does not matter that answers come grouped by their number of options.
        p = np.concatenate([self.kind.probability(z, scale) for _, z, _ in _by_options(answers)])
        return Standing(scale, anchor(self._log_odds(scale, answers), float(p.mean())))

    def log_odds(self, answers: Sequence[AnswerScores], standing: Standing) -> FloatArray:
        """Log-odds that each of N answers is right, shape (N,)."""
        odds = self._log_odds(standing.scale, answers)
        intercepts = [k.intercept for k in self._applying(answers, odds, standing)] or 0.0
        return np.asarray(odds + standing.intercept + np.array(intercepts))

    def probability(self, answers: Sequence[AnswerScores], standing: Standing) -> FloatArray:
        """P(the given answer is right), shape (N,)."""
        if self.head is None and self.level is None:
            found = np.empty(len(answers))
            for items, z, _ in _by_options(answers):
                found[items] = self.kind.probability(z, standing.scale)
            return found
        return np.asarray(expit(self.log_odds(answers, standing)))

    def input_kind(self, answer: AnswerScores, standing: Standing) -> InputKind | None:
        """The kind of input that an answer's level is taken from; one of its own if it is unlike all known ones.

        None where no level was learned.
        """
        return next(iter(self._applying([answer], self._log_odds(standing.scale, [answer]), standing)), None)

    def learned(self, standing: Standing, verdicts: Sequence[tuple[AnswerScores, bool]]) -> Standing:
        """Move a task by verdicts to the mean of the posterior given them all: its scale, or with a head its intercept.

        Which answers were judged may depend on anything their scores show, such as their confidence: the posterior is
        conditional on the scores.

        Args:
            standing: Of the task before any verdict.
            verdicts: Each answer's scores and whether it was right.
        """
        if not verdicts:
            return standing
        answers, right = [a for a, _ in verdicts], np.array([v for _, v in verdicts])
        if self.head is not None or self.level is not None:
            tau = self._spread(standing)
            moved, sd = robust_intercept(self.log_odds(answers, standing), right, tau)
            return replace(standing, intercept=standing.intercept + moved, share=min(1.0, sd / tau))
        if self.prior is None:
            return standing
        z = _padded(answers)
        found = robust_posterior(self.prior, standing.scale, z, right, self.kind)
        # The width that verdicts narrow was learned with the prior, so it is compared with the prior's alone.
        before = posterior(self.prior, standing.scale, z[:0], right[:0], self.kind).accuracy_moments(z)
        # Rounding may leave a variance just below 0.
        start = float(np.sqrt(max(before[1] - before[0] ** 2, 0.0)))
        share = min(1.0, found.spread(z) / start) if start else 1.0
        return replace(standing, scale=found.mean, share=share)

    def _spread(self, standing: Standing) -> float:
        """Standard deviation of tasks' intercepts around the one that this task starts at."""
        if standing.kinds:
            return float(
                np.average([k.estimate.sd for k in standing.kinds], weights=[k.inputs for k in standing.kinds])
            )
        if self.level is not None:
            return self.level.steps[0].sd
        return self.head.spread if self.head else 1.0

    def _log_odds(self, scale: Scale, answers: Sequence[AnswerScores]) -> FloatArray:
        """Log-odds (N,) at intercept 0: by the head, or by temperature and bias."""
        odds = np.empty(len(answers))
        # Answers may differ in K, and logits must be rectangular.
        for items, z, offset in _by_options(answers):
            if self.head is not None:
                odds[items] = self.head.odds(z, offset, scale)
            else:
                odds[items] = logit(np.clip(self.kind.probability(z, scale), EDGE, 1 - EDGE))
        return odds

    def _kinds(self, scale: Scale, answers: Sequence[AnswerScores], level: Level) -> tuple[InputKind, ...]:
        """The kinds of input among a task's answers, each with the level of its own."""
        if not answers:
            return ()
        signals, odds = self._signals(answers), self._log_odds(scale, answers)
        centers, nearest, _ = self._nearest(answers, None)
        found = []
        for k, center in enumerate(centers):
            estimate = level.estimate(signals[nearest == k])
            intercept = anchor(odds[nearest == k], estimate.accuracy)
            found.append(InputKind(tuple(center.tolist()), int((nearest == k).sum()), intercept, estimate))
        return tuple(found)

    def _applying(self, answers: Sequence[AnswerScores], odds: FloatArray, standing: Standing) -> list[InputKind]:
        """The kind that each answer's input is of: a known one, or one of its own if all are too far away."""
        if self.level is None:
            return []
        _, nearest, near = self._nearest(answers, standing.kinds)
        found = []
        for answer, signal, o, k, known in zip(answers, self._signals(answers), odds, nearest, near, strict=True):
            if known:
                found.append(standing.kinds[k])
            else:
                alone = self.level.estimate(signal[None])
                found.append(InputKind(answer.place, 1, alone.log_odds - float(o), alone))
        return found

    def _nearest(
        self, answers: Sequence[AnswerScores], kinds: Sequence[InputKind] | None
    ) -> tuple[list[FloatArray], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Centers of the kinds, found anew for None; the index of each answer's; and whether it is near enough."""
        n = len(answers)
        if kinds is not None and not kinds:
            return [], np.zeros(n, dtype=int), np.zeros(n, dtype=bool)
        if self.space is None:
            return [np.zeros(0)], np.zeros(n, dtype=int), np.ones(n, dtype=bool)
        places = np.array([a.place for a in answers])
        centers = self.space.split(places) if kinds is None else [np.array(k.center) for k in kinds]
        return centers, *self.space.nearest(places, centers)

    def _signals(self, answers: Sequence[AnswerScores]) -> FloatArray:
        """``level.SIGNALS`` of answers, shape (N, 2) of self-checks and (N, 1) of choices."""
        if self.kind.is_choice:
            found = np.empty((len(answers), 1))
            for items, z, _ in _by_options(answers):
                found[items] = choice_signals(z)
            return found
        known = [np.nan if a.mean_probability is None else a.mean_probability for a in answers]
        return answer_signals(np.array([a.logits for a in answers]), np.array(known))


def _by_options(answers: Sequence[AnswerScores]) -> list[tuple[list[int], FloatArray, FloatArray]]:
    """Answers with equally many options K: their places in the list, their logits (n, K) and logit offsets (n,)."""
    widths: dict[int, list[int]] = {}
    for i, answer in enumerate(answers):
        widths.setdefault(len(answer.logits), []).append(i)
    return [
        (items, np.array([answers[i].logits for i in items]), np.array([answers[i].logit_offset for i in items]))
        for items in widths.values()
    ]


def _padded(answers: Sequence[AnswerScores]) -> FloatArray:
    """Logits of all answers (n, K), K the most options; those that an answer lacks get a probability of 0."""
    most = max(len(a.logits) for a in answers)
    rows = [[*a.logits, *[min(a.logits) - ABSENT] * (most - len(a.logits))] for a in answers]
    return np.array(rows, dtype=np.float64)
