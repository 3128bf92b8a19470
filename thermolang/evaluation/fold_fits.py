"""A fold with what several methods learn from its training tasks, each learnt once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, logit

from thermolang.calibration.fit import Prior, levelled, parts, prior_and_scales, useful_level
from thermolang.calibration.head_training import MIN_GROUPS, fit_head
from thermolang.calibration.input_kinds import KindSpace
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.learner import Learner
from thermolang.calibration.posterior import VerdictPrior, fit_verdict_prior
from thermolang.calibration.semantic import SemanticFit, fit_semantic
from thermolang.calibration.temperature import fit_temperature, spread_of
from thermolang.calibration.training import TrainingConfig
from thermolang.evaluation.protocol import Fold, TaskPrediction
from thermolang.training.samples import sampled_task
from thermolang.types import Scale

if TYPE_CHECKING:
    from thermolang.calibration.features import TaskFeatures
    from thermolang.types import FloatArray


def groups_of(tasks: Sequence[TaskFeatures]) -> list[str]:
    """The tasks' groups; where they are fewer than three, as with two data sets in parts, each task for itself."""
    groups = [t.group or t.name for t in tasks]
    return groups if len(set(groups)) >= MIN_GROUPS else [t.name for t in tasks]


def clipped_log_odds(p: FloatArray) -> FloatArray:
    """Log-odds of probabilities, clipped to [1e-6, 1 - 1e-6] so that they are finite."""
    return np.asarray(logit(np.clip(p, 1e-6, 1 - 1e-6)))


@dataclass(frozen=True, eq=False)
class FoldFits:
    """A fold, and what several methods learn from its training tasks: computed when first asked for, once a fold."""

    fold: Fold

    @property
    def training(self) -> tuple[TaskPrediction, ...]:
        """The training tasks with their out-of-fold predictions."""
        return self.fold.training

    @cached_property
    def tasks(self) -> list[TaskFeatures]:
        """The training tasks themselves."""
        return [r.task for r in self.training]

    @property
    def has_bias(self) -> bool:
        """Whether answers of this kind are calibrated with a bias as well as a temperature."""
        return self.tasks[0].kind.has_bias

    @cached_property
    def _prior_and_scales(self) -> tuple[Prior, Sequence[Scale]]:
        config = TrainingConfig(bias=self.has_bias)
        return prior_and_scales(self.tasks, [(r.inverse, r.bias) for r in self.training], config)

    @property
    def prior(self) -> Prior:
        """The prior of a new task's scale, with the shrinkage weight of the network's predictions."""
        return self._prior_and_scales[0]

    @property
    def training_scales(self) -> Sequence[Scale]:
        """The training tasks' temperatures and biases, each from predictions out of fold."""
        return self._prior_and_scales[1]

    def scale(self, predicted: TaskPrediction, first: Sequence[int] | None = None) -> Scale:
        """Temperature and bias that thermolang gives a task, from all its unlabelled inputs or the ``first`` ones."""
        s, b = (x if first is None else x[list(first)] for x in (predicted.inverse, predicted.bias))
        return self.prior.moved(float(s.mean()), float(b.mean()), len(s))

    @cached_property
    def verdict_prior(self) -> VerdictPrior:
        """How far the training tasks' temperatures and biases are from their out-of-fold scales."""
        return fit_verdict_prior(self.tasks, self.training_scales)

    @cached_property
    def ranker(self) -> Learner:
        """The per-answer head, fitted on out-of-fold scales, and what verdicts are judged against.

        Fewer than three groups do not show how a head does on a new one: then there is none, as in use.
        """
        enough = len({t.group or t.name for t in self.tasks}) >= MIN_GROUPS
        found = fit_head(self.tasks, self.training_scales) if enough else None
        # A head for which nothing was chosen is p_T itself.
        return Learner(self.tasks[0].kind, self.verdict_prior, found if found and found.chosen else None)

    @cached_property
    def learner(self) -> Learner:
        """The same with what estimates a task's accuracy; for choices only where that helps, as in use."""
        groups = groups_of(self.tasks)
        if len(set(groups)) < MIN_GROUPS:
            return self.ranker
        space = KindSpace.fit([t.hidden for t in self.tasks], groups) if self.has_bias else None
        return replace(self.ranker, level=useful_level(self.tasks, groups, self._odds), space=space)

    @cached_property
    def _odds(self) -> list[FloatArray]:
        """Out-of-fold log-odds of the training tasks' answers, (N_k,) each, before any level."""
        if head := self.ranker.head:
            return [clipped_log_odds(expit(o)) for o in head.training_odds]
        pairs = zip(self.tasks, self.training_scales, strict=True)
        return [clipped_log_odds(t.kind.probability(t.logits, s)) for t, s in pairs]

    @cached_property
    def pooled_scale(self) -> Scale:
        """One temperature, and for self-checks one bias, for all training tasks."""
        return fit_temperature(self.tasks, TrainingConfig(bias=self.has_bias))

    @cached_property
    def spread(self) -> tuple[float, float]:
        """How much the training tasks' own temperatures and biases differ from the pooled ones."""
        return spread_of(self.tasks, self.pooled_scale, bias=self.has_bias)

    @cached_property
    def semantic(self) -> SemanticFit | None:
        """The fit that combines sampled answers with the confidence of one pass; None without samples."""
        # Out-of-fold log-odds, (N_k,) for each task: the fit must not see any that were trained on the task.
        odds = self._odds
        if self.learner.level:
            odds = list(levelled(self.tasks, odds, parts(self.tasks)))
        found = [sampled_task(t, o) if t.kind == SELF_CHECK else None for t, o in zip(self.tasks, odds, strict=True)]
        named = zip(found, groups_of(self.tasks), strict=True)
        usable = [replace(s, group=g) for s, g in named if s is not None]
        return fit_semantic(usable) if usable else None
