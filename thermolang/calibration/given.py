"""P(a text that was written elsewhere is right), from the model's self-check of it and from the model's own answer.

How probable a text's tokens are says little by itself: a foreign wording is improbable because it is foreign. So the
text is compared with the model's own answer to the same question. log-odds(right) = c + w . features + u_k with
u_k ~ N(0, tau^2): a ridge logistic regression with a random intercept for each training task k. A feature is used if it
helps on groups of tasks left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.fit import conformal_quantile, log_odds_error
from thermolang.calibration.head_training import MIN_GROUPS, fit_logistic, group_folds, group_means
from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

GIVEN_FEATURES = ("self_check", "logprob_gap", "own_logprob", "own_self_check", "same", "agreement")

SPREADS = (5.0, 1.0, 0.5)
"""Prior standard deviations, in log-odds: of the constant, of what a feature one deviation high adds, of u_k."""

FOLDS = 10
INNER_FOLDS = 5
"""At most so many parts that groups are left out in: to measure the error, and to choose features within the others."""

RANGE = (0.01, 0.99)
"""Quantiles of a feature in training beyond which it says no more."""


@dataclass(frozen=True, eq=False)
class GivenTexts:
    """N texts that were written elsewhere, each beside the model's own answer to its question.

    Attributes:
        self_check: Shape (N,), logit of yes minus logit of no when the model is asked whether the text is correct.
        logprob: Shape (N,), natural log of the text's mean token probability under the model.
        own_self_check: Shape (N,), as ``self_check``, of the model's own greedy answer.
        own_logprob: Shape (N,), as ``logprob``, of the model's own greedy answer.
        same: Shape (N,), P(the text means what the own answer means), in [0, 1].
    """

    self_check: FloatArray
    logprob: FloatArray
    own_self_check: FloatArray
    own_logprob: FloatArray
    same: FloatArray

    @property
    def features(self) -> FloatArray:
        """Shape (N, 6), in the order of ``GIVEN_FEATURES``; NaN where something is unknown."""
        gap, agreement = self.logprob - self.own_logprob, self.own_self_check * self.same
        columns = [self.self_check, gap, self.own_logprob, self.own_self_check, self.same, agreement]
        return np.stack(columns, axis=-1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class GivenTask:
    """Labelled texts about the questions of one task.

    Attributes:
        group: Tasks of one group are left out together.
        texts: The texts.
        right: Shape (N,), whether each is right.
    """

    group: str
    texts: GivenTexts
    right: np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class GivenFit:
    """What was learned about texts that were written elsewhere.

    Attributes:
        coefficients: The constant and one weight for each of ``GIVEN_FEATURES``, 0 where it is not used.
        low: The least value that is believed of each feature.
        high: The greatest.
        half_width: Of the predictive interval, in log-odds.
        base_rate: Share of right texts in training, every task weighing the same.
        nll: Mean NLL of left-out groups under fits that did not see them.
        constant_nll: The same with no feature, the others' base rate alone.
        tasks: Number of training tasks.
    """

    coefficients: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    half_width: float
    base_rate: float
    nll: float
    constant_nll: float
    tasks: int

    def __post_init__(self) -> None:
        numbers = [*self.coefficients, *self.low, *self.high, self.half_width]
        sizes = (len(self.coefficients) - 1, len(self.low), len(self.high))
        if set(sizes) != {len(GIVEN_FEATURES)} or not np.isfinite(numbers).all() or not 0 < self.base_rate < 1:
            msg = (
                f"a fit for given texts needs {1 + len(GIVEN_FEATURES)} finite coefficients, a finite range of each "
                f"feature and a base rate between 0 and 1, got {self}"
            )
            raise InvalidInputError(msg)

    def log_odds(self, texts: GivenTexts, doubtful: np.ndarray[Any, Any] | None = None) -> FloatArray:
        """Log-odds that each of N texts is right.

        Args:
            texts: The texts.
            doubtful: Shape (N,), texts of which only a part could be read: theirs are halfway to the base rate.

        Returns:
            Shape (N,); NaN where a feature is unknown.
        """
        x = np.clip(texts.features, self.low, self.high)
        # A sum over the last axis, unlike a matrix product, does not depend on which other texts there are.
        odds = self.coefficients[0] + (x * np.array(self.coefficients[1:])).sum(-1)
        usual = float(logit(self.base_rate))
        return np.asarray(odds if doubtful is None else np.where(doubtful, (odds + usual) / 2, odds))


def fit_given(tasks: Sequence[GivenTask]) -> GivenFit:
    """Learn from labelled texts which signs tell that a text written elsewhere is right.

    Texts of which a feature is unknown are left out.

    Args:
        tasks: Labelled texts of at least three groups.

    Raises:
        NotEnoughDataError: Fewer than three groups have texts whose features are all known.
    """
    data = _known(tasks)
    groups = [t.group for t in data]
    if len(set(groups)) < MIN_GROUPS:
        msg = f"a fit for given texts needs tasks of at least {MIN_GROUPS} groups, got {sorted(set(groups))}"
        raise NotEnoughDataError(msg)
    low, high = np.quantile(np.concatenate([t.features for t in data]), RANGE, axis=0)
    data = [replace(t, features=np.clip(t.features, low, high)) for t in data]
    odds, constant = _nested(data)
    return GivenFit(
        coefficients=tuple(_coefficients(data, _chosen(data)).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        half_width=conformal_quantile([log_odds_error(t.right, expit(o)) for t, o in zip(data, odds, strict=True)]),
        base_rate=_base_rate(data),
        nll=float(_group_nll(data, odds).mean()),
        constant_nll=float(_group_nll(data, constant).mean()),
        tasks=len(data),
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """A task's texts as the regression sees them: features (N, 6), right (N,)."""

    group: str
    features: FloatArray
    right: np.ndarray[Any, Any]


def _known(tasks: Sequence[GivenTask]) -> list[_Rows]:
    found = []
    for task in tasks:
        features = task.texts.features
        known = np.isfinite(features).all(axis=1)
        if known.any():
            found.append(_Rows(task.group, features[known], np.asarray(task.right)[known]))
    return found


def _base_rate(data: Sequence[_Rows]) -> float:
    # Half a text more right and wrong, so that the log-odds are finite.
    return float(np.mean([(t.right.sum() + 0.5) / (len(t.right) + 1) for t in data]))


def _nested(data: Sequence[_Rows]) -> tuple[list[FloatArray], list[FloatArray]]:
    """Log-odds of each task's texts by fits that chose and learned without its group: with features, and without."""
    folds = group_folds([t.group for t in data], FOLDS, seed=0)
    chosen = {f: _chosen([t for t, g in zip(data, folds, strict=True) if g != f]) for f in set(folds)}
    return _left_out(data, folds, chosen), _left_out(data, folds, dict.fromkeys(chosen, ()))


def _chosen(data: Sequence[_Rows]) -> tuple[int, ...]:
    """Columns of the features that help: each lowers the NLL of left-out groups by more than its standard error.

    Forward selection: the one that helps most is added, until none helps.
    """
    folds = group_folds([t.group for t in data], INNER_FOLDS, seed=0)

    def nll(columns: tuple[int, ...]) -> FloatArray:
        return _group_nll(data, _left_out(data, folds, dict.fromkeys(folds, columns)))

    columns: tuple[int, ...] = ()
    now = nll(columns)
    while rest := [c for c in range(len(GIVEN_FEATURES)) if c not in columns]:
        found = {c: nll((*columns, c)) for c in rest}
        best = min(rest, key=lambda c: float(found[c].mean()))
        gain = now - found[best]
        if not gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
            break
        columns, now = (*columns, best), found[best]
    return columns


def _left_out(data: Sequence[_Rows], folds: Sequence[int], columns: dict[int, tuple[int, ...]]) -> list[FloatArray]:
    """Log-odds of each task's texts by a regression on the tasks of the other folds, with the columns of its fold."""
    fits = {f: _coefficients([t for t, g in zip(data, folds, strict=True) if g != f], columns[f]) for f in set(folds)}
    return [fits[f][0] + t.features @ fits[f][1:] for t, f in zip(data, folds, strict=True)]


def _coefficients(data: Sequence[_Rows], columns: tuple[int, ...]) -> FloatArray:
    """Constant and weights (1 + 6,) of the ridge regression with a random intercept for each task."""
    x = np.concatenate([t.features for t in data])[:, columns]
    center, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    of_task = np.repeat(np.eye(len(data)), [len(t.right) for t in data], axis=0)
    # (N, 1 + columns + tasks), N the texts of all tasks.
    design = np.concatenate([np.ones((len(x), 1)), (x - center) / scale, of_task], axis=1)
    wide = np.repeat(SPREADS, [1, len(columns), len(data)])
    b = fit_logistic(design, np.concatenate([t.right for t in data]), 1 / wide**2)
    # Back to the features as they are; the training tasks' intercepts are dropped.
    found = np.zeros(1 + len(GIVEN_FEATURES))
    found[1 + np.array(columns, dtype=int)] = b[1 : 1 + len(columns)] / scale
    found[0] = b[0] - center @ (b[1 : 1 + len(columns)] / scale)
    return found


def _group_nll(data: Sequence[_Rows], odds: Sequence[FloatArray]) -> FloatArray:
    """Mean NLL of each group, in the order of their names."""
    nll = [float((np.logaddexp(0, o) - t.right * o).mean()) for t, o in zip(data, odds, strict=True)]
    return group_means(np.array(nll), [t.group for t in data])
