"""Who is right within a task: a probability of its own for each answer.

log-odds(right) = logit p_T + a logit p_T + w1 margin + w2 entropy + v . h + c + u_task, u_task ~ N(0, tau^2): a ridge
logistic regression with a random intercept for each task, on what one answer shows under its task's temperature
and on its hidden state. How much of that is used is decided on training tasks left out. Where nothing helps for
sure, the head is p_T itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from thermolang.calibration.cues import CUES, answer_cues
from thermolang.calibration.intercept import anchor, intercept_spread
from thermolang.calibration.metrics import auroc
from thermolang.calibration.regression import Answers, Line, Recipe, Regression, group_folds, group_means, leaving_out
from thermolang.calibration.task import TaskFeatures
from thermolang.errors import CalibratorFormatError, InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from collections.abc import Callable

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
class Head:
    """P(right) of one answer, given its task's scale and intercept.

    Attributes:
        coefficients: Shape (4,), float32: the constant, and what ``cues.CUES`` add to the log-odds of p_T.
        weights: Shape (d,), float32, of the hidden state; 0 where it does not help.
        self_check: Whether the answers are self-checks, with logits of yes and no.
        tau: Spread of the intercepts that left-out tasks needed, in log-odds, if theirs started at 0.
        tau_anchored: The same, if theirs started at the anchor that keeps the mean of p_T. Start where it is smaller.
        recipe: What was chosen; all 0 for p_T itself.
        gain: NLL in nats that the choice took off p_T's on left-out tasks, mean over groups; both anchored to the mean
            of p_T. It is the best of several candidates, so a little too good.
        gain_error: Standard error of the gain, over groups.
        auroc_gain: The mean rise in AUROC within a left-out task.
    """

    coefficients: FloatArray
    weights: FloatArray
    self_check: bool
    tau: float
    tau_anchored: float
    recipe: Recipe
    gain: float
    gain_error: float
    auroc_gain: float

    def log_odds(self, hidden: FloatArray, logits: FloatArray, scale: tuple[float, float]) -> FloatArray:
        """Log-odds of a right answer at intercept 0, shape (N,); what ``anchor`` and ``intercept_posterior`` take.

        Args:
            hidden: Shape (N, d).
            logits: Shape (N, K).
            scale: 1/T and bias of the task.

        Raises:
            InvalidInputError: Shapes do not fit, or a number is not finite.
        """
        cues, h = answer_cues(logits, scale, self_check=self.self_check), np.asarray(hidden, dtype=np.float64)
        if h.shape != (len(cues), len(self.weights)) or not np.isfinite(h).all():
            expected = f"({len(cues)}, {len(self.weights)})"
            msg = f"hidden states must be finite and {expected}, got {h.shape}, finite: {np.isfinite(h).all()}"
            raise InvalidInputError(msg)
        constant, *slopes = self.coefficients.astype(np.float64)
        # Sums along rows, unlike a matrix product, do not depend on which other answers are in the batch.
        return np.asarray(cues[:, 0] + constant + (cues * slopes).sum(1) + (h * self.weights).sum(1))

    def predict(
        self, hidden: FloatArray, logits: FloatArray, scale: tuple[float, float], *, intercept: float = 0.0
    ) -> FloatArray:
        """P(right), shape (N,); of each answer alone, given its task's scale and intercept.

        Args:
            hidden: Shape (N, d).
            logits: Shape (N, K).
            scale: 1/T and bias of the task.
            intercept: The task's level in log-odds: from ``anchor``, moved by ``intercept_posterior``.

        Raises:
            InvalidInputError: Shapes do not fit, or a number is not finite.
        """
        return np.asarray(expit(self.log_odds(hidden, logits, scale) + intercept))

    def to_tensors(self) -> dict[str, FloatArray]:
        """The arrays, for safetensors."""
        return {"coefficients": self.coefficients, "weights": self.weights}

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, as plain JSON types."""
        record = asdict(self)
        return {name: value for name, value in record.items() if name not in ("coefficients", "weights")}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, FloatArray], config: Mapping[str, Any]) -> Head:
        """Put a head together from ``to_tensors`` and ``to_dict``.

        Raises:
            CalibratorFormatError: Something is missing, unknown or not finite.
        """
        try:
            parts: dict[str, Any] = {**config, "recipe": Recipe(**config["recipe"])}
            parts |= {name: np.asarray(tensors[name], dtype=np.float32) for name in ("coefficients", "weights")}
            head = cls(**parts)
            usable = head.coefficients.shape == (1 + len(CUES),) and head.weights.ndim == 1
            numbers = [*head.coefficients, *head.weights, head.tau, head.tau_anchored]
            usable = usable and bool(np.isfinite(numbers).all()) and min(head.tau, head.tau_anchored) > 0
        except (KeyError, TypeError, ValueError) as error:
            msg = f"a head cannot be read: {error!r}; calibrate the model again"
            raise CalibratorFormatError(msg) from error
        if not usable:
            msg = f"a head has unusable numbers: coefficients {head.coefficients}, tau {head.tau}; calibrate again"
            raise CalibratorFormatError(msg)
        return head


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
    then by AUROC. In this order p_T is challenged by another slope, which keeps the ranking, then by all cues, then by
    the hidden state. A challenger takes over only if its NLL is lower at ``config.level`` and its AUROC not lower.

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
    answers = [_answers(task, scale) for task, scale in zip(tasks, scales, strict=True)]
    tau = intercept_spread([a.offset for a in answers], [a.right for a in answers])
    most = max(config.components)
    left_out = leaving_out(answers, group_folds(names, config.folds, config.seed), most, tau)
    nothing, best = _choose(left_out, answers, names, config)
    line = Line(0.0, np.zeros(len(CUES)), np.zeros(tasks[0].hidden.shape[1]))
    odds = [a.offset for a in answers]
    if best.recipe != nothing.recipe:
        line, odds = Regression(answers, most, tau).fit(best.recipe), left_out(best.recipe)
    rights = [a.right for a in answers]
    gain, error = _gain(best, nothing)
    return Head(
        coefficients=np.array([line.constant, *line.cues], dtype=np.float32),
        weights=line.hidden.astype(np.float32),
        self_check=tasks[0].self_check,
        tau=intercept_spread(odds, rights),
        tau_anchored=intercept_spread([_anchored(o, a) for o, a in zip(odds, answers, strict=True)], rights),
        recipe=best.recipe,
        gain=gain,
        gain_error=error,
        auroc_gain=_mean(best.auroc - nothing.auroc),
    )


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


def _answers(task: TaskFeatures, scale: tuple[float, float]) -> Answers:
    cues = answer_cues(task.logits, scale, self_check=task.self_check)
    return Answers(task.hidden, task.right, cues[:, 0], cues)


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
    for cues in (1, len(CUES)):
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
