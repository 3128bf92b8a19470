"""Choosing and fitting the per-answer head, on training tasks left out in turn.

How much of the answer's features and of the hidden state is used is decided there. Where nothing helps significantly,
the head is p_T itself: the probability by the task's temperature and bias alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.special import expit
from scipy.stats import t as student

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.head import ANSWER_FEATURES, Head, Hyperparameters, answer_features
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.metrics import auroc
from thermolang.calibration.posterior import anchor, intercept_spread
from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray, Scale

STEPS = 100
TOLERANCE = 1e-8
"""A Newton step that would gain fewer nats than this, summed over the items, is the last."""

CONSTANT_SPREAD = 5.0
"""Of the constant, in log-odds: so wide that it matters only where all answers are right, or all are wrong."""

MIN_GROUPS = 3

HARM = 0.005
"""Nats a group's NLL may rise by a head; a rise that is certainly larger rules a head out, however much others gain."""

CERTAIN = 0.95


def fit_logistic(
    x: FloatArray,
    right: np.ndarray[Any, Any],
    penalty: FloatArray,
    *,
    offset: FloatArray | float = 0.0,
    weights: FloatArray | None = None,
) -> FloatArray:
    """Coefficients b that minimise the summed NLL of sigmoid(offset + x b) plus 1/2 sum_j penalty_j b_j^2.

    That is the posterior mode under b_j ~ N(0, 1 / penalty_j), by Newton's method with halved steps (iteratively
    reweighted least squares; McCullagh & Nelder, 1989). scikit-learn's LogisticRegression has neither an offset nor
    penalties by column.

    Args:
        x: Shape (N, p).
        right: Shape (N,), 0 or 1, or a share of right answers in between.
        penalty: Shape (p,), all > 0: without one, columns that separate right from wrong have no finite optimum.
        offset: Shape (N,), in the log-odds as it is.
        weights: Shape (N,), >= 0, of each row's NLL; 1 by default.

    Returns:
        Shape (p,), float64.

    Raises:
        InvalidInputError: A penalty is not positive, or the numbers are too large for an optimum to be found.
    """
    if not np.all(np.asarray(penalty) > 0):
        msg = f"every column needs a penalty above 0, the smallest is {np.min(penalty)}"
        raise InvalidInputError(msg)
    x, y = np.asarray(x, dtype=np.float64), np.asarray(right, dtype=np.float64)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)

    def objective(b: FloatArray) -> float:
        odds = offset + x @ b
        return float(w @ (np.logaddexp(0, odds) - y * odds) + 0.5 * penalty @ b**2)

    b = np.zeros(x.shape[1])
    loss = objective(b)
    for _ in range(STEPS):
        p = expit(offset + x @ b)
        gradient = x.T @ (w * (p - y)) + penalty * b
        hessian = (x.T * (w * p * (1 - p))) @ x + np.diag(penalty)
        step = cho_solve(cho_factor(hessian), gradient)
        # A Newton step lowers the loss by about half of this product.
        if gradient @ step < 2 * TOLERANCE:
            return np.asarray(b - step)
        while (lower := objective(b - step)) > loss:
            step = step / 2
        b, loss = b - step, lower
    largest = float(np.abs(x).max())
    msg = f"logistic regression of {x.shape} items and columns found no optimum; the largest number is {largest:.3g}"
    raise InvalidInputError(msg)


@dataclass(frozen=True, eq=False)
class Projection:
    """An affine map from hidden states to their leading principal components.

    Before the smaller components are dropped, a training input has a mean square length of at most 1. So weights
    that are independently N(0, s^2) move the log-odds by about s, whatever d is.

    Attributes:
        center: Shape (d,), mean of the training inputs, tasks weighing the same.
        axes: Shape (d, r), the largest component first.
    """

    center: FloatArray
    axes: FloatArray

    @classmethod
    def fit(cls, hidden: Sequence[FloatArray], components: int) -> Projection:
        """Find the components of several tasks' hidden states.

        Args:
            hidden: Shape (N_k, d) for each task.
            components: At most this many; fewer if the inputs do not span as many.
        """
        center = np.mean([np.mean(h, axis=0, dtype=np.float64) for h in hidden], axis=0)
        x = np.concatenate(hidden) - center
        scale = np.sqrt(np.mean(x**2, axis=0))
        # A coordinate that hardly moves in training must not be blown up in new inputs. With sqrt(d) the whole vector,
        # not each coordinate, has a mean square of at most 1.
        scale = np.maximum(scale, 0.1 * scale.mean() + 1e-6) * np.sqrt(x.shape[1])
        return cls(center, _leading(x / scale, components) / scale[:, None])

    def __call__(self, hidden: FloatArray) -> FloatArray:
        """Hidden states (N, d) to components (N, r), float64."""
        return np.asarray((np.asarray(hidden, dtype=np.float64) - self.center) @ self.axes)


def _leading(x: FloatArray, components: int) -> FloatArray:
    """Orthonormal principal axes (d, r) of rows (N, d), from the smaller of the two cross products."""
    n, d = x.shape
    product = x.T @ x if n >= d else x @ x.T
    size = len(product)
    # Eigenvalues come in ascending order.
    values, vectors = eigh(product, subset_by_index=(max(size - components, 0), size - 1))
    spanned = values > 1e-9 * values[-1]
    values, vectors = values[spanned][::-1], vectors[:, spanned][:, ::-1]
    # From x x' the vectors are the left singular ones u; the axes are x' u over the singular values.
    return np.asarray(vectors if n >= d else x.T @ (vectors / np.sqrt(values)))


@dataclass(frozen=True, eq=False)
class Answers:
    """One task as a regression sees it.

    Attributes:
        hidden: Shape (N, d).
        right: Shape (N,), bool, or a share in [0, 1] of right answers.
        offset: Shape (N,), log-odds to start from.
        features: Shape (N, C); C may be 0.
    """

    hidden: FloatArray
    right: np.ndarray[Any, Any]
    offset: FloatArray
    features: FloatArray


@dataclass(frozen=True, eq=False)
class LinearModel:
    """log-odds = offset + constant + features . (C,) + hidden . (d,)."""

    constant: float
    features: FloatArray
    hidden: FloatArray

    def __call__(self, answers: Answers) -> FloatArray:
        """Log-odds of a task's answers, shape (N,)."""
        return np.asarray(
            answers.offset + answers.features @ self.features + answers.hidden @ self.hidden + self.constant
        )


class Regression:
    """A regression on some tasks, prepared once for all hyperparameters.

    Args:
        tasks: The tasks to fit on; every item weighs the same.
        components: The most components that any hyperparameters ask for.
        tau: Spread of a random intercept of each task; None for none.
    """

    def __init__(self, tasks: Sequence[Answers], components: int, tau: float | None) -> None:
        self._right = np.concatenate([t.right for t in tasks])
        self._offset = np.concatenate([t.offset for t in tasks])
        features = np.concatenate([t.features for t in tasks])
        self._center, self._scale = features.mean(0), np.maximum(features.std(0), 1e-6)
        self._features = (features - self._center) / self._scale
        self._projection = Projection.fit([t.hidden for t in tasks], components)
        self._components = np.concatenate([self._projection(t.hidden) for t in tasks])  # (N, r)
        self._tau = tau or 1.0
        # (N, tasks), a column for each task's intercept; no columns without intercepts.
        self._tasks = np.repeat(np.eye(len(tasks)), [len(t.right) for t in tasks], axis=0)[:, : None if tau else 0]

    def fit(self, hyperparameters: Hyperparameters) -> LinearModel:
        """The posterior mode under these hyperparameters."""
        features = self._features[:, : hyperparameters.features]
        components = self._components[:, : hyperparameters.components]
        blocks = [np.ones((len(self._right), 1)), features, components, self._tasks]
        spreads = [CONSTANT_SPREAD, hyperparameters.feature_spread, hyperparameters.hidden_spread, self._tau]
        # A spread of 0 belongs to a block without columns.
        penalty = np.concatenate([np.full(b.shape[1], 1 / (s or 1) ** 2) for b, s in zip(blocks, spreads, strict=True)])
        b = fit_logistic(np.concatenate(blocks, axis=1), self._right, penalty, offset=self._offset)
        # The training tasks' intercepts at the end of b are dropped: a new task has its own.
        on_features, rest = np.split(b[1:], [features.shape[1]])
        along_features = np.zeros(self._features.shape[1])
        along_features[: len(on_features)] = on_features
        along_features /= self._scale
        along_hidden = self._projection.axes[:, : components.shape[1]] @ rest[: components.shape[1]]
        # Standardised columns were centred: the centres move into the constant.
        constant = b[0] - along_features @ self._center - along_hidden @ self._projection.center
        return LinearModel(float(constant), along_features, along_hidden)


def leaving_out(
    tasks: Sequence[Answers], folds: Sequence[int], components: int, tau: float | None
) -> Callable[[Hyperparameters], list[FloatArray]]:
    """A function from hyperparameters to every task's log-odds by the regression on the tasks of the other folds."""
    regressions = {
        fold: Regression([t for t, f in zip(tasks, folds, strict=True) if f != fold], components, tau)
        for fold in sorted(set(folds))
    }

    def log_odds(hyperparameters: Hyperparameters) -> list[FloatArray]:
        models = {fold: regression.fit(hyperparameters) for fold, regression in regressions.items()}
        return [models[fold](task) for task, fold in zip(tasks, folds, strict=True)]

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


@dataclass(frozen=True)
class HeadConfig:
    """What the head may be.

    Attributes:
        feature_spreads: Candidates of ``Hyperparameters.feature_spread``.
        components: Candidates of ``Hyperparameters.components``.
        hidden_spreads: Candidates of ``Hyperparameters.hidden_spread``.
        folds: In how many parts the groups of tasks are left out.
        level: Confidence level of the one-sided paired t-test over groups that a part must pass to be used.
        seed: Of the folds.
    """

    feature_spreads: tuple[float, ...] = (0.1, 0.3, 1.0)
    components: tuple[int, ...] = (8, 32, 128)
    hidden_spreads: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)
    folds: int = 10
    level: float = 0.975
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Score:
    """How a candidate does on left-out tasks, once their mean is anchored to that of p_T."""

    hyperparameters: Hyperparameters
    nll: FloatArray  # of each group
    auroc: FloatArray  # of each task, NaN where it has none
    items: tuple[FloatArray, ...]  # NLL of each item, (N,) for each group


def fit_head(
    tasks: Sequence[TaskFeatures],
    scales: Sequence[Scale],
    *,
    groups: Sequence[str] | None = None,
    config: HeadConfig | None = None,
) -> Head:
    """Choose and fit a head.

    Candidates are compared by their NLL within left-out tasks, anchored to the mean of p_T and averaged over groups,
    then by AUROC; one that certainly harms a left-out group is none. Starting from p_T, these are tried in turn:
    another slope, which keeps the ranking; all features; for self-checks also the answer's log-probability (the signal
    ``mean_logprob``); the hidden state. Each is kept only if its NLL is lower at ``config.level`` and its AUROC not
    lower.

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
    if len(scales) != len(tasks) or len({t.kind for t in tasks}) > 1:
        kinds = sorted({t.kind.plural for t in tasks})
        msg = f"a head needs tasks of one kind and a scale for each, got {len(tasks)} {kinds} and {len(scales)} scales"
        raise InvalidInputError(msg)
    answers, usual = _answers(tasks, scales)
    tau = intercept_spread([a.offset for a in answers], [a.right for a in answers])
    most = max(config.components)
    left_out = leaving_out(answers, group_folds(names, config.folds, config.seed), most, tau)
    nothing, best = _choose(left_out, answers, names, config)
    # p_T itself: nothing is added to the offset.
    line = LinearModel(0.0, np.zeros(answers[0].features.shape[1]), np.zeros(tasks[0].hidden.shape[1]))
    odds = [a.offset for a in answers]
    if best.hyperparameters != nothing.hyperparameters:
        line, odds = Regression(answers, most, tau).fit(best.hyperparameters), left_out(best.hyperparameters)
    rights = [a.right for a in answers]
    anchored = [_anchored(o, a) for o, a in zip(odds, answers, strict=True)]
    gain, error = _gain(best, nothing)
    head = Head(
        coefficients=np.array([line.constant, *line.features[: len(ANSWER_FEATURES)]], dtype=np.float32),
        weights=line.hidden.astype(np.float32),
        kind=tasks[0].kind,
        tau=intercept_spread(odds, rights),
        tau_anchored=intercept_spread(anchored, rights),
        hyperparameters=best.hyperparameters,
        gain=gain,
        gain_error=error,
        auroc_gain=_mean(best.auroc - nothing.auroc),
        logprob_weight=float(sum(line.features[len(ANSWER_FEATURES) :])),
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


def _answers(tasks: Sequence[TaskFeatures], scales: Sequence[Scale]) -> tuple[list[Answers], float]:
    """The tasks as a regression sees them, and what stands for an unknown log-probability."""
    features = [answer_features(t.logits, s, t.kind) for t, s in zip(tasks, scales, strict=True)]
    usual = 0.0
    if all(t.kind == SELF_CHECK and "mean_logprob" in t.signals for t in tasks):
        logprobs = [np.asarray(t.signals["mean_logprob"], dtype=np.float64) for t in tasks]
        known = np.concatenate(logprobs)[~np.isnan(np.concatenate(logprobs))]
        if known.size:
            usual = float(known.mean())
            # A regression takes no NaN.
            filled = [np.where(np.isnan(x), usual, x) for x in logprobs]
            features = [np.column_stack([c, x]) for c, x in zip(features, filled, strict=True)]
    return [Answers(t.hidden, t.right, c[:, 0], c) for t, c in zip(tasks, features, strict=True)], usual


def _choose(
    left_out: Callable[[Hyperparameters], list[FloatArray]],
    answers: Sequence[Answers],
    groups: Sequence[str],
    config: HeadConfig,
) -> tuple[_Score, _Score]:
    """The scores of p_T and of the candidate to use."""

    def score(hyperparameters: Hyperparameters) -> _Score:
        anchored = [_anchored(o, a) for o, a in zip(left_out(hyperparameters), answers, strict=True)]
        return _score(hyperparameters, anchored, answers, groups)

    nothing = _score(Hyperparameters(), [a.offset for a in answers], answers, groups)

    def harmless(candidates: Iterable[Hyperparameters]) -> list[_Score]:
        return [s for s in map(score, candidates) if not _harms(s, nothing)]

    best = nothing
    # Without log-probabilities the last two are the same, and dict.fromkeys drops one.
    for features in dict.fromkeys((1, len(ANSWER_FEATURES), answers[0].features.shape[1])):
        best = _better(best, harmless(Hyperparameters(features, s) for s in config.feature_spreads), config.level)
    grid = itertools.product(config.components, config.hidden_spreads)
    with_hidden = harmless(replace(best.hyperparameters, components=r, hidden_spread=spread) for r, spread in grid)
    return nothing, _better(best, with_hidden, config.level)


def _score(
    hyperparameters: Hyperparameters, odds: Sequence[FloatArray], answers: Sequence[Answers], groups: Sequence[str]
) -> _Score:
    pairs = list(zip(odds, answers, strict=True))
    # -log sigmoid of the log-odds of what was the case.
    items = [np.logaddexp(0, np.where(a.right, -o, o)) for o, a in pairs]
    of_groups = [
        np.concatenate([x for x, g in zip(items, groups, strict=True) if g == name]) for name in sorted(set(groups))
    ]
    nll = group_means(np.array([x.mean() for x in items]), groups)
    return _Score(hyperparameters, nll, np.array([auroc(expit(o), a.right) for o, a in pairs]), tuple(of_groups))


def _harms(candidate: _Score, nothing: _Score) -> bool:
    """Whether the NLL of any left-out group rises by more than ``HARM`` beyond doubt, over the group's items."""
    # So that among many groups of a harmless head hardly any looks harmed (Bonferroni).
    certain = 1 - (1 - CERTAIN) / len(nothing.items)
    for after, before in zip(candidate.items, nothing.items, strict=True):
        rise, n = after - before, len(before)
        error = float(rise.std(ddof=1) / np.sqrt(n)) if n > 1 else np.inf
        if rise.mean() - float(student.ppf(certain, max(n - 1, 1))) * error > HARM:
            return True
    return False


def _better(incumbent: _Score, candidates: Sequence[_Score], level: float) -> _Score:
    """The best candidate if it beats the incumbent significantly, otherwise the incumbent."""
    if not candidates:
        return incumbent
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
