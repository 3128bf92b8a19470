"""A calibrator's per-answer head fitted anew to people's verdicts, and whether that is better on verdicts held out.

A review database has no hidden states, but of each judged answer the logits and what the head made of the hidden state
(``Basis``). So five numbers of a head are fitted: the weights of its three features and a factor on the part that comes
from hidden state and token probabilities. They start from the head as it is, with a normal prior; each task has a
random intercept. A third of the verdicts, by a hash of the item and so always the same, is held out and never fitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy.special import logit
from scipy.stats import t as student

from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.head import Head, answer_features
from thermolang.calibration.head_training import fit_logistic
from thermolang.calibration.kinds import KindName
from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.review.feedback import Judged
from thermolang.storage import digest
from thermolang.types import Basis, Confidence, Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thermolang.types import FloatArray

    BoolArray = NDArray[np.bool_]

MIN_VERDICTS = 50
"""Verdicts on answers of one kind below which nothing is fitted."""

MIN_RANDOM = 10
"""Of them on answers of a random sample: without these nothing is known of the accepted ones."""

SPREAD = 0.3
"""Prior standard deviation, in log-odds, of what a column one standard deviation high adds."""

HELD_OUT = 1 / 3
CERTAIN = 0.95
EDGE = 1e-6


@dataclass(frozen=True)
class Refitted:
    """A head that was fitted anew, beside the one in use.

    Attributes:
        calibrator: The calibrator with the new head.
        stretch: By what the new head multiplies the old one's logit offsets.
        verdicts: How many were used.
        held_out: How many of them were held out.
        before: NLL of the head in use on the held-out ones, each weighted by how many answers it stands for.
        after: NLL of the new one.
        gain: ``before - after``.
        noise: The gain that chance alone would exceed in 5 % of the cases.
    """

    calibrator: Calibrator
    stretch: float
    verdicts: int
    held_out: int
    before: float
    after: float
    gain: float
    noise: float

    @property
    def better(self) -> bool:
        """Whether the new head is better by more than noise."""
        return self.gain > self.noise


def refit(calibrator: Calibrator, verdicts: Sequence[Judged], *, kind: KindName = "self_check") -> Refitted:
    """Fit a head anew, and compare it with the one in use on verdicts that were held out.

    Doubtful answers are judged more often than accepted ones, and what helps there may do harm here. So each verdict
    counts as many answers as it stands for: fit and comparison are weighted by 1 / probability of selection
    (Shimodaira, 2000), scaled to the effective number of verdicts (Kish, 1965).

    Args:
        calibrator: In use.
        verdicts: On answers with its confidences; others are left out.
        kind: Of the answers.

    Raises:
        NotEnoughDataError: Fewer than 50 verdicts can be used, or fewer than 10 of them are on a random sample.
        InvalidInputError: The calibrator has no head for this kind.
    """
    fit = calibrator.fits.get(kind)
    if fit is None or fit.head is None:
        msg = f"{calibrator.id} has no per-answer head for {kind}, so there is nothing to fit anew"
        raise InvalidInputError(msg)
    data = _Data.of([v for v in verdicts if _usable(v, calibrator.id, kind)], fit.head)
    new = data.fitted(~data.held, with_head=True)
    loss_before, loss_after = data.losses(data.fitted(~data.held, with_head=False)), data.losses(new)
    weights = data.weights[data.held]
    weights = weights / weights.sum()
    before, after = float(weights @ loss_before), float(weights @ loss_after)
    head = _head(fit.head, data, new)
    changed = replace(fit, head=head, odds=())
    found = Calibrator(
        calibrator.identity,
        {**calibrator.fits, kind: changed},
        calibrator.probe,
        model_name=calibrator.model_name,
        card=calibrator.card,
        semantic=calibrator.semantic,
        given=calibrator.given,
        judged=calibrator.judged,
    )
    noise = _noise(loss_before - loss_after, weights)
    stretch = 1 + float(new[3] / data.spread[3])
    return Refitted(found, stretch, len(data.right), int(data.held.sum()), before, after, before - after, noise)


def _usable(one: Judged, calibrator: str, kind: KindName) -> bool:
    confidence, basis = one.confidence, one.confidence.basis
    if (
        basis is None
        or confidence.value is None
        or confidence.calibrator != calibrator
        or confidence.temperature is None
    ):
        return False
    # Of a choice only the model's own answer tells something about its head.
    return confidence.source == kind and (kind != "choice" or basis.logits[0] >= max(basis.logits))


@dataclass(frozen=True, eq=False)
class _Data:
    """Verdicts as a regression.

    Attributes:
        x: Shape (N, 4 + tasks): the three features and the logit offset, each centred within its task and over its
            ``spread``; and an intercept for each task.
        odds: Shape (N,), log-odds of the confidence that was given.
        right: Shape (N,).
        weights: Shape (N,); they add up to the effective number of verdicts.
        held: Shape (N,), which are held out.
        center: Shape (4,), of these columns before they were centred, over all verdicts.
        spread: Shape (4,).
        tau: Standard deviation of tasks' intercepts.
    """

    x: FloatArray
    odds: FloatArray
    right: FloatArray
    weights: FloatArray
    held: BoolArray
    center: FloatArray
    spread: FloatArray
    tau: float

    @classmethod
    def of(cls, given: Sequence[Judged], head: Head) -> _Data:
        random = sum(one.random for one in given)
        if len(given) < MIN_VERDICTS or random < MIN_RANDOM:
            msg = (
                f"a refit needs {MIN_VERDICTS} verdicts on this calibrator's answers, {MIN_RANDOM} of them on answers "
                f"that were drawn at random (by the audit, or with all others); got {len(given)} and {random}"
            )
            raise NotEnoughDataError(msg)
        tasks = list(dict.fromkeys(one.confidence.task for one in given))
        of = np.array([tasks.index(one.confidence.task) for one in given])
        columns = np.array([_columns(one.confidence, head) for one in given])  # (N, 4)
        center = columns.mean(0)
        columns = columns - np.array([columns[of == k].mean(0) for k in range(len(tasks))])[of]
        # A column that is the same for all tells nothing, and must not be divided by 0.
        spread = np.where(columns.std(0) > EDGE, columns.std(0), np.inf)
        weights = np.array([one.weight for one in given])
        return cls(
            np.hstack([columns / spread, np.eye(len(tasks))[of]]),
            logit(np.clip([cast("float", one.confidence.value) for one in given], EDGE, 1 - EDGE)),
            np.array([float(one.right) for one in given]),
            weights * weights.sum() / (weights**2).sum(),
            np.array([int(digest(one.item, 8), 16) < HELD_OUT * 16**8 for one in given]),
            center,
            spread,
            head.spread,
        )

    def fitted(self, used: BoolArray, *, with_head: bool) -> FloatArray:
        """Coefficients of ``x`` from some rows; without the head only the tasks' intercepts move."""
        tasks = self.x.shape[1] - 4
        # A column that may not move has so narrow a prior that it does not.
        penalty = np.array([1 / SPREAD**2 if with_head else 1e12] * 4 + [1 / self.tau**2] * tasks)
        return fit_logistic(self.x[used], self.right[used], penalty, offset=self.odds[used], weights=self.weights[used])

    def losses(self, coefficients: FloatArray) -> FloatArray:
        """NLL of each held-out verdict, in nats."""
        odds = self.odds[self.held] + self.x[self.held] @ coefficients
        return np.asarray(np.logaddexp(0, odds) - self.right[self.held] * odds)


def _columns(confidence: Confidence, head: Head) -> list[float]:
    """The three features of an answer, and its logit offset."""
    basis = cast("Basis", confidence.basis)
    scale = Scale(1 / cast("float", confidence.temperature), confidence.bias or 0.0)
    features = answer_features(np.array([basis.logits]), scale, head.kind)[0]
    return [*features.tolist(), basis.logit_offset]


def _head(old: Head, data: _Data, coefficients: FloatArray) -> Head:
    """The head with the fitted changes."""
    change = coefficients[:4] / data.spread
    # The constant keeps the mean log-odds where they were: the level is not what was fitted.
    slopes = old.coefficients + np.array([-float(change @ data.center), *change[:3]])
    stretch = 1 + float(change[3])
    return replace(
        old,
        coefficients=slopes.astype(np.float32),
        weights=(old.weights * stretch).astype(np.float32),
        logprob_weight=old.logprob_weight * stretch,
        hyperparameters=replace(old.hyperparameters, features=3),
        training_odds=(),
    )


def _noise(gains: FloatArray, weights: FloatArray) -> float:
    """What a mean gain of 0 exceeds by chance in 5 % of the cases, by Student's t with the effective number."""
    mean = float(weights @ gains)
    effective = 1 / float((weights**2).sum())
    if effective <= 2:
        return math.inf
    error = math.sqrt(float(weights**2 @ (gains - mean) ** 2) * effective / (effective - 1))
    return float(student.ppf(CERTAIN, effective - 1)) * error
