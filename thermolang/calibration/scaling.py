"""Maps from a confidence to a better one, learned on other tasks: Platt scaling and isotonic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from thermolang.calibration.inputs import FloatArray, as_answers, as_floats
from thermolang.errors import NotEnoughDataError

if TYPE_CHECKING:
    from typing import Self

Answers = Sequence[tuple[ArrayLike, ArrayLike]]
"""(confidence, right) of each task, (n,) in [0, 1] and (n,) in {0, 1}."""

CLOSEST = 1e-6
"""How close to 0 or 1 a confidence is taken before its log-odds; half precision often reaches 1."""


class ConfidenceMap(Protocol):
    """Learns P(right) as a function of any confidence in [0, 1]."""

    def fit(self, tasks: Answers) -> Self:
        """Learn from labelled tasks, which all weigh the same."""
        ...

    def __call__(self, confidence: ArrayLike) -> FloatArray:
        """P(right), strictly between 0 and 1, of each confidence (n,)."""
        ...


class Platt:
    """sigmoid(a * logit(confidence) + b), by logistic regression (Platt, 1999).

    With Platt's targets: a right answer counts as right with (n_right + 1) / (n_right + 2) and a wrong one with
    1 / (n_wrong + 2), so answers that are all right, or told apart without error, still give a finite map.
    """

    def __init__(self) -> None:
        self._model = LogisticRegression(C=1e8, tol=1e-8, max_iter=1000)

    def fit(self, tasks: Answers) -> Self:
        """Learn from labelled tasks, which all weigh the same."""
        p, r, weight = _pooled(tasks)
        good = r.sum()
        target = np.where(r == 1, (good + 1) / (good + 2), 1 / (r.size - good + 2))
        odds = np.tile(_log_odds(p), 2)[:, None]
        self._model.fit(odds, np.repeat([1, 0], r.size), np.concatenate([weight * target, weight * (1 - target)]))
        return self

    def __call__(self, confidence: ArrayLike) -> FloatArray:
        """P(right), strictly between 0 and 1, of each confidence (n,)."""
        odds = _log_odds(as_floats("confidence", confidence, 1))[:, None]
        return np.asarray(self._model.predict_proba(odds)[:, 1])


class Isotonic:
    """The best non-decreasing step function (Zadrozny & Elkan, 2002), kept 1 / (n + 2) away from 0 and 1.

    Confidences outside those learned from get the nearest one's value.
    """

    def fit(self, tasks: Answers) -> Self:
        """Learn from labelled tasks, which all weigh the same."""
        p, r, weight = _pooled(tasks)
        edge = 1 / (r.size + 2)
        self._model = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(p, r, weight)
        return self

    def __call__(self, confidence: ArrayLike) -> FloatArray:
        """P(right), strictly between 0 and 1, of each confidence (n,)."""
        return np.asarray(self._model.predict(as_floats("confidence", confidence, 1)), dtype=np.float64)


def _pooled(tasks: Answers) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Confidences, verdicts and weights of all tasks' items; each task's weights sum to the mean task's size."""
    if not tasks:
        msg = "a map needs at least one labelled task to be fitted on, got none"
        raise NotEnoughDataError(msg)
    checked = [as_answers(p, r) for p, r in tasks]
    mean = float(np.mean([r.size for _, r in checked]))
    p, r = (np.concatenate([pair[i] for pair in checked]) for i in (0, 1))
    return p, r, np.concatenate([np.full(r.size, mean / r.size) for _, r in checked])


def _log_odds(p: FloatArray) -> FloatArray:
    return np.asarray(logit(np.clip(p, CLOSEST, 1 - CLOSEST)))
