"""Choosing and fitting the per-answer head, on training tasks left out in turn.

How much of the cues and of the hidden state is used is decided there. Where nothing helps for sure, the head is p_T
itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from thermolang.calibration.cues import CUES, answer_cues
from thermolang.calibration.head import Head
from thermolang.calibration.intercept import anchor, intercept_spread
from thermolang.calibration.metrics import auroc
from thermolang.calibration.regression import Answers, Line, Recipe, Regression, group_folds, group_means, leaving_out
from thermolang.calibration.task import TaskFeatures
from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

MIN_GROUPS = 3


@dataclass(frozen=True)
class HeadConfig:
    """What the head may be.

    Attributes:
        cue_spreads: Candidates of ``Recipe.cue_spread``.
        components: Candidates of ``Recipe.components``.
        hidden_spreads: Candidates of ``Recipe.hidden_spread``.
        folds: In how many parts the groups of tasks are left out.
        level: How sure it must be, by a one-sided paired t-test over groups, that a part helps, for it to be used.
        seed: Of the folds.
    """

    cue_spreads: tuple[float, ...] = (0.1, 0.3, 1.0)
    components: tuple[int, ...] = (8, 32, 128)
    hidden_spreads: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    folds: int = 10
    level: float = 0.975
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Score:
    """How a candidate does on left-out tasks, once their mean is anchored to that of p_T."""

    recipe: Recipe
    nll: FloatArray  # of each group
    auroc: FloatArray  # of each task, NaN where it has none


def fit_head(
    tasks: Sequence[TaskFeatures],
    scales: Sequence[tuple[float, float]],
    *,
    groups: Sequence[str] | None = None,
    config: HeadConfig | None = None,
) -> Head:
    """Choose and fit a head.

    Candidates are compared by their NLL within left-out tasks, anchored to the mean of p_T and averaged over groups,
    then by AUROC. In this order p_T is challenged by another slope, which keeps the ranking; by all cues; for
    self-checks by the answer's log-probability beside them (the signal ``mean_logprob``); by the hidden state. A
    challenger takes over only if its NLL is lower at ``config.level`` and its AUROC not lower.

    Args:
        tasks: Labelled tasks, all self-checks or all choices.
        scales: For each task its 1/T and bias, as found without the task: the head must see what it will see in use.
        groups: For each task its group, left out together; by default as the tasks say.
        config: See ``HeadConfig``.

    Raises:
        NotEnoughDataError: Tasks of fewer than three groups.
        InvalidInputError: Tasks, scales and groups do not fit together.
    """
    config = config or HeadConfig()
    names = task_groups(tasks, groups)
    if len(scales) != len(tasks) or len({t.self_check for t in tasks}) > 1:
        kinds = sorted({"self-checks" if t.self_check else "choices" for t in tasks})
        msg = f"a head needs tasks of one kind and a scale for each, got {len(tasks)} {kinds} and {len(scales)} scales"
        raise InvalidInputError(msg)
    answers, usual = _answers(tasks, scales)
    tau = intercept_spread([a.offset for a in answers], [a.right for a in answers])
    most = max(config.components)
    left_out = leaving_out(answers, group_folds(names, config.folds, config.seed), most, tau)
    nothing, best = _choose(left_out, answers, names, config)
    line = Line(0.0, np.zeros(answers[0].cues.shape[1]), np.zeros(tasks[0].hidden.shape[1]))
    odds = [a.offset for a in answers]
    if best.recipe != nothing.recipe:
        line, odds = Regression(answers, most, tau).fit(best.recipe), left_out(best.recipe)
    rights = [a.right for a in answers]
    anchored = [_anchored(o, a) for o, a in zip(odds, answers, strict=True)]
    gain, error = _gain(best, nothing)
    head = Head(
        coefficients=np.array([line.constant, *line.cues[: len(CUES)]], dtype=np.float32),
        weights=line.hidden.astype(np.float32),
        self_check=tasks[0].self_check,
        tau=intercept_spread(odds, rights),
        tau_anchored=intercept_spread(anchored, rights),
        recipe=best.recipe,
        gain=gain,
        gain_error=error,
        auroc_gain=_mean(best.auroc - nothing.auroc),
        logprob_weight=float(sum(line.cues[len(CUES) :])),
        usual_logprob=usual,
    )
    return replace(head, training_odds=tuple(anchored if head.anchored else odds))


def task_groups(tasks: Sequence[TaskFeatures], groups: Sequence[str] | None) -> list[str]:
    """The group of each task; the task's own, or its name, by default.

    Raises:
        NotEnoughDataError: Fewer than three groups.
        InvalidInputError: Not one group for each task, or hidden states of different widths.
    """
    names = [t.group or t.name for t in tasks] if groups is None else list(groups)
    widths = {t.hidden.shape[1:] for t in tasks}
    if len(names) != len(tasks) or len(widths) > 1:
        msg = f"{len(tasks)} tasks need a group each and hidden states of one width, got {len(names)} and {widths}"
        raise InvalidInputError(msg)
    if len(set(names)) < MIN_GROUPS:
        msg = f"who is right is learned from tasks of at least {MIN_GROUPS} groups, got {sorted(set(names))}"
        raise NotEnoughDataError(msg)
    return names


def _answers(tasks: Sequence[TaskFeatures], scales: Sequence[tuple[float, float]]) -> tuple[list[Answers], float]:
    """The tasks as a regression sees them, and what stands for an unknown log-probability."""
    cues = [answer_cues(t.logits, s, self_check=t.self_check) for t, s in zip(tasks, scales, strict=True)]
    usual = 0.0
    if all(t.self_check and "mean_logprob" in t.signals for t in tasks):
        logprobs = [np.asarray(t.signals["mean_logprob"], dtype=np.float64) for t in tasks]
        known = np.concatenate(logprobs)[~np.isnan(np.concatenate(logprobs))]
        if known.size:
            usual = float(known.mean())
            filled = [np.where(np.isnan(x), usual, x) for x in logprobs]
            cues = [np.column_stack([c, x]) for c, x in zip(cues, filled, strict=True)]
    return [Answers(t.hidden, t.right, c[:, 0], c) for t, c in zip(tasks, cues, strict=True)], usual


def _choose(
    left_out: Callable[[Recipe], list[FloatArray]],
    answers: Sequence[Answers],
    groups: Sequence[str],
    config: HeadConfig,
) -> tuple[_Score, _Score]:
    """The scores of p_T and of the candidate to use."""

    def score(recipe: Recipe) -> _Score:
        anchored = [_anchored(o, a) for o, a in zip(left_out(recipe), answers, strict=True)]
        return _score(recipe, anchored, answers, groups)

    nothing = _score(Recipe(), [a.offset for a in answers], answers, groups)
    best = nothing
    for cues in dict.fromkeys((1, len(CUES), answers[0].cues.shape[1])):
        best = _better(best, [score(Recipe(cues, spread)) for spread in config.cue_spreads], config.level)
    grid = itertools.product(config.components, config.hidden_spreads)
    with_hidden = [score(replace(best.recipe, components=r, hidden_spread=spread)) for r, spread in grid]
    return nothing, _better(best, with_hidden, config.level)


def _score(recipe: Recipe, odds: Sequence[FloatArray], answers: Sequence[Answers], groups: Sequence[str]) -> _Score:
    pairs = list(zip(odds, answers, strict=True))
    nll = np.array([np.logaddexp(0, np.where(a.right, -o, o)).mean() for o, a in pairs])
    return _Score(recipe, group_means(nll, groups), np.array([auroc(expit(o), a.right) for o, a in pairs]))


def _better(incumbent: _Score, candidates: Sequence[_Score], level: float) -> _Score:
    """The best candidate if it beats the incumbent for sure, otherwise the incumbent."""
    # Differences below 1e-4 nats mean nothing; among such the ranking decides.
    best = min(candidates, key=lambda c: (round(float(c.nll.mean()), 4), -_mean(c.auroc)))
    gain, error = _gain(best, incumbent)
    needed = max(float(student.ppf(level, len(best.nll) - 1)) * error, 1e-6)
    return best if gain > needed and _mean(best.auroc - incumbent.auroc) >= 0 else incumbent


def _gain(candidate: _Score, incumbent: _Score) -> tuple[float, float]:
    """Mean and standard error over groups of the NLL taken off the incumbent's."""
    gains = incumbent.nll - candidate.nll
    return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))


def _anchored(odds: FloatArray, answers: Answers) -> FloatArray:
    return np.asarray(odds + anchor(odds, float(expit(answers.offset).mean())))


def _mean(values: FloatArray) -> float:
    """Mean of those that are defined; 0 if none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else 0.0
