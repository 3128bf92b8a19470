"""Log-odds of a right answer, linear in its cues and its hidden state, fitted over many tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thermolang.calibration.logistic import fit_logistic
from thermolang.calibration.projection import Projection

if TYPE_CHECKING:
    from thermolang.types import FloatArray

CONSTANT_SPREAD = 5.0
"""Of the constant, in log-odds: so wide that it matters only where all answers are right, or all are wrong."""


@dataclass(frozen=True)
class Recipe:
    """What a regression may use, and how far.

    Attributes:
        cues: How many of the cues, the first ones.
        cue_spread: Prior standard deviation of what each cue adds to the log-odds, for a cue one deviation high.
        components: Number of principal components of the hidden state.
        hidden_spread: Prior standard deviation of what the hidden state adds to the log-odds.
    """

    cues: int = 0
    cue_spread: float = 0.0
    components: int = 0
    hidden_spread: float = 0.0


@dataclass(frozen=True, eq=False)
class Answers:
    """One task as a regression sees it.

    Attributes:
        hidden: Shape (N, d).
        right: Shape (N,), bool.
        offset: Shape (N,), log-odds to start from.
        cues: Shape (N, C); C may be 0.
    """

    hidden: FloatArray
    right: np.ndarray[Any, np.dtype[np.bool_]]
    offset: FloatArray
    cues: FloatArray


@dataclass(frozen=True, eq=False)
class Line:
    """log-odds = offset + constant + cues . (C,) + hidden . (d,)."""

    constant: float
    cues: FloatArray
    hidden: FloatArray

    def __call__(self, answers: Answers) -> FloatArray:
        """Log-odds of a task's answers, shape (N,)."""
        return np.asarray(answers.offset + answers.cues @ self.cues + answers.hidden @ self.hidden + self.constant)


class Regression:
    """A regression on some tasks, prepared once for all recipes.

    Args:
        tasks: The tasks to fit on; every item weighs the same.
        components: The most components a recipe will ask for.
        tau: Spread of a random intercept of each task; None for none.
    """

    def __init__(self, tasks: Sequence[Answers], components: int, tau: float | None) -> None:
        self._right = np.concatenate([t.right for t in tasks])
        self._offset = np.concatenate([t.offset for t in tasks])
        cues = np.concatenate([t.cues for t in tasks])
        self._center, self._scale = cues.mean(0), np.maximum(cues.std(0), 1e-6)
        self._cues = (cues - self._center) / self._scale
        self._projection = Projection.fit([t.hidden for t in tasks], components)
        self._components = np.concatenate([self._projection(t.hidden) for t in tasks])
        self._tau = tau or 1.0
        self._tasks = np.repeat(np.eye(len(tasks)), [len(t.right) for t in tasks], axis=0)[:, : None if tau else 0]

    def fit(self, recipe: Recipe) -> Line:
        """The posterior mode under a recipe."""
        cues = self._cues[:, : recipe.cues]
        components = self._components[:, : recipe.components]
        blocks = [np.ones((len(self._right), 1)), cues, components, self._tasks]
        spreads = [CONSTANT_SPREAD, recipe.cue_spread, recipe.hidden_spread, self._tau]
        penalty = np.concatenate([np.full(b.shape[1], 1 / (s or 1) ** 2) for b, s in zip(blocks, spreads, strict=True)])
        b = fit_logistic(np.concatenate(blocks, axis=1), self._right, penalty, offset=self._offset)
        on_cues, rest = np.split(b[1:], [cues.shape[1]])
        along_cues = np.zeros(self._cues.shape[1])
        along_cues[: len(on_cues)] = on_cues
        along_cues /= self._scale
        along_hidden = self._projection.axes[:, : components.shape[1]] @ rest[: components.shape[1]]
        constant = b[0] - along_cues @ self._center - along_hidden @ self._projection.center
        return Line(float(constant), along_cues, along_hidden)


def leaving_out(
    tasks: Sequence[Answers], folds: Sequence[int], components: int, tau: float | None
) -> Callable[[Recipe], list[FloatArray]]:
    """A function that gives, for a recipe, every task's log-odds by the regression on the tasks of the other folds."""
    regressions = {
        fold: Regression([t for t, f in zip(tasks, folds, strict=True) if f != fold], components, tau)
        for fold in sorted(set(folds))
    }

    def log_odds(recipe: Recipe) -> list[FloatArray]:
        lines = {fold: regression.fit(recipe) for fold, regression in regressions.items()}
        return [lines[fold](task) for task, fold in zip(tasks, folds, strict=True)]

    return log_odds


def group_folds(groups: Sequence[str], count: int, seed: int) -> list[int]:
    """The fold of each task, from 0 to count - 1 at most; tasks of one group share it, their order plays no part."""
    names = sorted(set(groups))
    places = np.random.default_rng(seed).permutation(len(names)) % min(count, len(names))
    fold = dict(zip(names, places.tolist(), strict=True))
    return [fold[group] for group in groups]


def group_means(values: FloatArray, groups: Sequence[str]) -> FloatArray:
    """Means over the tasks of each group, in the order of their names: groups and not tasks are independent."""
    _, number = np.unique(np.asarray(groups), return_inverse=True)
    return np.asarray(np.bincount(number, weights=values) / np.bincount(number))
