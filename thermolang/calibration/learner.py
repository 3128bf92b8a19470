"""What turns a task's readings into P(right), and what verdicts on some of them teach about the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.fewshot import VerdictPrior, posterior
from thermolang.calibration.head import Head
from thermolang.calibration.intercept import anchor
from thermolang.calibration.robust import robust_intercept, robust_posterior
from thermolang.calibration.thermometer import choice_probabilities, self_check_probability

if TYPE_CHECKING:
    from thermolang.types import FloatArray

ABSENT = 1e4
"""How far below the others the logit of an option is put that an answer does not have: its probability is 0."""


@dataclass(frozen=True)
class AnswerReading:
    """What an answer showed: all that its probability depends on, given its task.

    Attributes:
        logits: Of the options, K of them; of a self-check in the order yes, no.
        beside: What else adds to the log-odds, by ``Head.beside``; 0 without a head.
    """

    logits: tuple[float, ...]
    beside: float = 0.0


@dataclass(frozen=True)
class Learned:
    """What verdicts made of a task.

    Attributes:
        scale: 1/T and bias.
        level: Added to the head's log-odds.
        share: Of the uncertainty about the task's accuracy, in log-odds, that is left, in (0, 1].
    """

    scale: tuple[float, float]
    level: float
    share: float


@dataclass(frozen=True, eq=False)
class Learner:
    """How answers of one kind are judged, and learned from.

    Attributes:
        self_check: Whether the answers are self-checks; otherwise they are the largest logits of choices.
        prior: How far tasks' temperatures and biases are from what is predicted; None if that was never learned.
        head: Tells right from wrong within a task; None where that was of no use in training.
    """

    self_check: bool
    prior: VerdictPrior | None = None
    head: Head | None = None

    def probability(
        self, logits: FloatArray, beside: FloatArray, scale: tuple[float, float], level: float = 0.0
    ) -> FloatArray:
        """P(the given answer is right), shape (N,).

        Args:
            logits: Shape (N, K).
            beside: Shape (N,), as in ``AnswerReading``.
            scale: 1/T and bias of the task.
            level: Of the task, added to the head's log-odds.
        """
        if self.head is not None:
            return np.asarray(expit(self.head.odds(logits, beside, scale) + level))
        inverse, bias = scale
        if self.self_check:
            return self_check_probability(logits, inverse, bias)
        p = choice_probabilities(logits, inverse).max(-1)
        return np.asarray(expit(logit(p) + bias)) if bias else np.asarray(p)

    def level(self, scale: tuple[float, float], readings: Sequence[AnswerReading]) -> float:
        """The level at which the head's mean over the task's inputs is that of its temperature; 0 where it has none."""
        if self.head is None or not self.head.anchored or not readings:
            return 0.0
        plain = Learner(self.self_check)
        mean = np.concatenate([plain.probability(z, h, scale) for _, z, h in _alike(readings)]).mean()
        return anchor(self._odds(scale, readings), float(mean))

    def learned(
        self, scale: tuple[float, float], level: float, verdicts: Sequence[tuple[AnswerReading, bool]]
    ) -> Learned:
        """Move a task's scale, or with a head its level, by verdicts: the mean of the posterior given all of them.

        Which answers were judged may depend on anything the readings show, such as their confidence: the posterior is
        conditional on the readings.

        Args:
            scale: 1/T and bias as predicted for the task.
            level: As predicted.
            verdicts: Each answer's reading and whether it was right.
        """
        if not verdicts:
            return Learned(scale, level, 1.0)
        readings, right = [r for r, _ in verdicts], np.array([v for _, v in verdicts])
        if self.head is not None:
            odds, tau = self._odds(scale, readings) + level, self.head.spread
            moved, sd = robust_intercept(odds, right, tau)
            return Learned(scale, level + moved, min(1.0, sd / tau))
        if self.prior is None:
            return Learned(scale, level, 1.0)
        z = _filled(readings)
        found = robust_posterior(self.prior, scale, z, right, self_check=self.self_check)
        # The width that verdicts narrow was learned with the prior, so it is compared with the prior's alone.
        before = posterior(self.prior, scale, z[:0], right[:0], self_check=self.self_check).level_moments(z)
        start = float(np.sqrt(max(before[1] - before[0] ** 2, 0.0)))
        return Learned(found.mean, level, min(1.0, found.spread(z) / start) if start else 1.0)

    def _odds(self, scale: tuple[float, float], readings: Sequence[AnswerReading]) -> FloatArray:
        odds = np.empty(len(readings))
        for items, z, h in _alike(readings):
            odds[items] = self.head.odds(z, h, scale)  # type: ignore[union-attr]
        return odds


def _alike(readings: Sequence[AnswerReading]) -> list[tuple[list[int], FloatArray, FloatArray]]:
    """Which answers have equally many options: their places, their logits (n, K) and what else adds."""
    widths: dict[int, list[int]] = {}
    for i, reading in enumerate(readings):
        widths.setdefault(len(reading.logits), []).append(i)
    return [
        (items, np.array([readings[i].logits for i in items]), np.array([readings[i].beside for i in items]))
        for items in widths.values()
    ]


def _filled(readings: Sequence[AnswerReading]) -> FloatArray:
    """Logits of all answers (n, K), as many options for each as the one with most has."""
    most = max(len(r.logits) for r in readings)
    rows = [[*r.logits, *[min(r.logits) - ABSENT] * (most - len(r.logits))] for r in readings]
    return np.array(rows, dtype=np.float64)
