r"""Thresholds on the confidence with a guarantee on the error among the answers that are accepted.

Both guarantees learn from n labelled answers, drawn at random from those to come: pairs of a confidence c and whether
the answer is wrong. They assume nothing else: neither that confidences are calibrated nor that more confidence means
fewer errors. A threshold t accepts c >= t, ties included; R(t) = P(wrong | c >= t) is the error among accepted
answers, N(t) and E(t) the numbers of labelled answers at or above t and of the wrong ones among them. All thresholds
are of a grid that is fixed before any label is seen.

**High probability**: R(threshold) <= alpha with probability 1 - delta over the draw of the labels. Given N(t), E(t) is
binomial with rate R(t), so p(t) = P(Binomial(N(t), alpha) <= E(t)) is a valid p-value of "R(t) > alpha". The
thresholds are tested from the strictest to the laxest. Each has a share w(t) of delta; it is tested at its share plus
what the threshold before it passes on: all it was tested at if it was rejected, else nothing (the fallback procedure
of Wiens, 2003; with one share it is fixed-sequence testing). The chosen threshold is the laxest with a rejected
hypothesis. Proof: let j_1 < j_2 < ... be the places of the true hypotheses. What is passed on ends at each true
hypothesis that is not rejected, so the first true one to be rejected, j_i, is tested at no more than W_i, the sum of
the shares after j_(i-1) up to j_i. That happens with probability <= W_i, and the W_i add up to at most delta.

**Expected error**: the mean of R(threshold) over draws of the labels is <= alpha, where a draw in which nothing is
accepted counts 0. The chosen threshold is the laxest with E(t) + 1 <= alpha (N(t) + 1). Proof: let F(t) = P(wrong,
c >= t), Q(t) = P(right, c >= t), G = N - E and h(t) = (G / Q) (F / (1 + E)). Walk from the laxest threshold t to the
stricter ones. Given what was dropped so far, E(t') is Binomial(E(t), F(t') / F(t)), and independently G(t') is
Binomial(G(t), Q(t') / Q(t)). As E[1 / (1 + Binomial(e, p))] <= 1 / ((e + 1) p), h is a supermartingale, and at the
start E[h] <= 1 by the same inequality. The first threshold at which the rule holds is a stopping time, so E[h] <= 1
there, too. The rule says (1 + E) / G <= alpha / (1 - alpha), thus the odds of an error F / Q = h (1 + E) / G are at
most h alpha / (1 - alpha), and their mean is at most alpha / (1 - alpha). R is a concave, increasing function of the
odds, so by Jensen's inequality its mean is at most alpha.

No rule can promise that an accepted answer is wrong with probability <= alpha *given* that something is accepted,
unless it never accepts: where the error is mu > alpha at every threshold, whatever is accepted is wrong with
probability mu. So a mean over draws is what the second guarantee is about; single draws exceed alpha often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.types import JsonRecord

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.int_]
BoolArray = NDArray[np.bool_]

Kind = Literal["high_probability", "expected_error"]

GRID: FloatArray = np.concatenate([np.arange(100) / 100, [0.995, 0.998, 0.999, 0.9995, 0.9999]])
"""The thresholds that are looked at: every percent, and some near 1, in ascending order."""

STARTS = 20
"""Equally spaced thresholds that share half of delta."""

POWER = 0.8
"""Probability of success at which numbers of labels are planned."""

PLANNED = 100_000
"""Above so many labels a plan uses the normal approximation."""


@dataclass(frozen=True)
class GuaranteedThreshold(JsonRecord):
    """The threshold that a search found, or that none qualifies.

    Attributes:
        kind: ``"high_probability"`` or ``"expected_error"``: what is promised.
        alpha: Largest error among accepted answers.
        delta: Probability that a high-probability guarantee fails; None for the expected error.
        threshold: Answers with at least this confidence are accepted; None if no threshold qualifies.
        labels: Number of labelled answers.
        accepted: Labelled answers at or above the threshold; 0 without one.
        errors: Wrong ones among these.
        base_error: Share of all labelled answers that are wrong.
        must_review: Share that must be reviewed whatever the confidence knows, see ``must_review``.
        more_labels: Where no threshold qualifies, the number of labels at which one would, if the error stays as
            observed; None if none is needed, or no number would be enough.
    """

    kind: Kind
    alpha: float
    delta: float | None
    threshold: float | None
    labels: int
    accepted: int
    errors: int
    base_error: float
    must_review: float
    more_labels: int | None = None

    @property
    def coverage(self) -> float:
        """Share of the labelled answers that are accepted."""
        return self.accepted / self.labels


def high_probability(
    confidence: ArrayLike, correct: ArrayLike, *, alpha: float, delta: float = 0.05, grid: ArrayLike = GRID
) -> GuaranteedThreshold:
    """The laxest threshold whose error among accepted answers is at most alpha, with probability 1 - delta.

    Half of delta stands at the threshold 1 - alpha, above which a calibrated confidence promises fewer errors than
    alpha; the other half on ``STARTS`` equally spaced ones, for confidences that are not calibrated. The module's
    docstring has the proof.

    Args:
        confidence: Shape (n,), in [0, 1]; -inf for answers that no threshold accepts, such as without a confidence.
        correct: Shape (n,), whether each answer is right.
        alpha: Largest error among accepted answers, in (0, 1).
        delta: Probability of a larger error, in (0, 1).
        grid: Thresholds in ascending order. They must not depend on these labels, nor on these confidences.

    Raises:
        NotEnoughDataError: There are no labels.
        InvalidInputError: ``alpha`` or ``delta`` is not strictly between 0 and 1, or a confidence is no probability.

    Example:
        >>> found = high_probability([0.95] * 80, [True] * 80, alpha=0.05)
        >>> found.threshold, found.accepted, found.errors
        (0.0, 80, 0)
    """
    check_share("delta", delta)
    grid, right, accepted, errors = _counted(confidence, correct, alpha, grid)
    certified = certified_thresholds(accepted, errors, alpha=alpha, shares=start_shares(grid, alpha, delta))
    return _found("high_probability", grid, certified, right, accepted, errors, alpha, delta)


def expected_error(
    confidence: ArrayLike, correct: ArrayLike, *, alpha: float, grid: ArrayLike = GRID
) -> GuaranteedThreshold:
    """The laxest threshold at which E + 1 <= alpha (N + 1): the error among accepted answers is alpha on average.

    On average over draws of the labels: it accepts far more than ``high_probability`` on few labels, and the error
    exceeds alpha in a large part of the draws. The module's docstring has the proof. The inequality is that of LEC
    (arXiv 2512.01556), whose statement is about each accepted answer and needs more assumptions.

    Args:
        confidence: Shape (n,), in [0, 1]; -inf for answers that no threshold accepts, such as without a confidence.
        correct: Shape (n,), whether each answer is right.
        alpha: Largest mean error among accepted answers, in (0, 1).
        grid: Thresholds in ascending order. They must not depend on these labels, nor on these confidences.

    Raises:
        NotEnoughDataError: There are no labels.
        InvalidInputError: ``alpha`` is not strictly between 0 and 1, or a confidence is no probability.

    Example:
        >>> expected_error([0.2] * 5 + [0.9] * 20, [False] * 5 + [True] * 20, alpha=0.05).threshold
        0.21
    """
    grid, right, accepted, errors = _counted(confidence, correct, alpha, grid)
    qualifies = errors + 1 <= alpha * (accepted + 1) + 1e-9  # rounding must not refuse equality
    return _found("expected_error", grid, qualifies, right, accepted, errors, alpha, None)


def must_review(base_error: float, alpha: float) -> float:
    """Smallest share that has to be reviewed for an error of at most alpha, however good the confidence is.

    The best confidence accepts all 1 - base_error right answers, and with them wrong ones up to a share alpha of what
    is accepted: (1 - base_error) / (1 - alpha) in all.

    Args:
        base_error: Share of all answers that are wrong, in [0, 1].
        alpha: Largest error among accepted answers, in (0, 1).

    Example:
        >>> round(must_review(0.3, 0.05), 3)
        0.263
        >>> must_review(0.04, 0.05)
        0.0
    """
    check_share("alpha", alpha)
    return max(0.0, (base_error - alpha) / (1 - alpha))


def labels_needed(alpha: float, delta: float, expected_accuracy: float, *, power: float = POWER) -> int | None:
    """How many labelled answers above a threshold certify it, if their accuracy is as expected.

    The smallest n at which the exact binomial test at level delta passes with probability ``power``. The labels of
    all answers must be so many divided by the share that the threshold accepts. Above 100,000 by the normal
    approximation.

    Args:
        alpha: Largest error among accepted answers, in (0, 1).
        delta: Probability that the guarantee fails, in (0, 1).
        expected_accuracy: Of the accepted answers, in [0, 1].
        power: Probability of success, in (0, 1).

    Returns:
        The number; None if the expected accuracy is not above 1 - alpha, as no number is enough then.

    Example:
        >>> labels_needed(0.05, 0.05, 1.0), labels_needed(0.05, 0.05, 0.98), labels_needed(0.05, 0.05, 0.95)
        (59, 234, None)
    """
    for name, value in (("alpha", alpha), ("delta", delta), ("power", power)):
        check_share(name, value)
    if not 0 <= expected_accuracy <= 1:
        msg = f"the expected accuracy lies between 0 and 1, got {expected_accuracy}"
        raise InvalidInputError(msg)
    error = 1 - expected_accuracy
    if error >= alpha - 1e-12:  # 1 - 0.9 is a little less than 0.1
        return None
    usual = float(_normal_plan(error, alpha, delta, power))
    if usual > PLANNED:
        return math.ceil(usual)
    first = math.ceil(math.log(delta) / math.log1p(-alpha) - 1e-9)
    sizes = np.arange(first, first + 2 * math.ceil(usual) + 100)
    passes = binom.cdf(_most_errors(sizes, alpha, delta), sizes, error) >= power
    return int(sizes[np.argmax(passes)])


def _normal_plan(error: Any, alpha: float, delta: float, power: float) -> Any:
    """The same by the normal approximation; ``error`` < alpha may be an array."""
    spread = norm.isf(delta) * math.sqrt(alpha * (1 - alpha)) + norm.isf(1 - power) * np.sqrt(error * (1 - error))
    return (spread / (alpha - error)) ** 2


def _most_errors(sizes: IntArray, alpha: float, delta: float) -> FloatArray:
    """Largest number of errors among so many answers that certifies alpha; -1 if none does."""
    smallest: FloatArray = binom.ppf(delta, sizes, alpha)  # the smallest k with P(X <= k) >= delta
    return np.where(binom.cdf(smallest, sizes, alpha) <= delta, smallest, smallest - 1)


def acceptance_counts(confidence: FloatArray, correct: BoolArray, grid: FloatArray) -> tuple[IntArray, IntArray]:
    """Numbers of answers at or above each threshold, and of the wrong ones among them.

    Args:
        confidence: Shape (n,).
        correct: Shape (n,), bool.
        grid: Shape (m,), ascending.

    Returns:
        Two arrays of shape (m,).
    """
    accepted = len(confidence) - np.searchsorted(np.sort(confidence), grid)
    wrong = np.sort(confidence[~correct])
    return accepted, len(wrong) - np.searchsorted(wrong, grid)


def start_shares(grid: FloatArray, alpha: float, delta: float) -> FloatArray:
    """The share of delta at each threshold: half at 1 - alpha, half on equally spaced ones."""
    shares = np.zeros(len(grid))
    # From the strictest on, where the walk begins.
    spread = np.unique(np.linspace(len(grid) - 1, 0, STARTS, endpoint=False).astype(int))
    shares[spread] = delta / 2 / len(spread)
    shares[np.argmin(np.abs(grid - (1 - alpha)))] += delta / 2
    return shares


def certified_thresholds(accepted: IntArray, errors: IntArray, *, alpha: float, shares: FloatArray) -> BoolArray:
    """The thresholds whose error is at most alpha, with probability 1 - the sum of the shares for all of them.

    Args:
        accepted: Shape (..., m), N(t) for ascending thresholds; leading axes are separate draws.
        errors: Shape (..., m), E(t).
        alpha: Largest error among accepted answers.
        shares: Shape (m,), of delta.

    Returns:
        Shape (..., m), bool.
    """
    p_values = binom.cdf(errors, accepted, alpha)
    certified = np.zeros(p_values.shape, dtype=bool)
    passed_on = np.zeros(p_values.shape[:-1])
    for place in reversed(range(p_values.shape[-1])):
        level = passed_on + shares[place]
        certified[..., place] = (p_values[..., place] <= level) & (level > 0)
        passed_on = np.where(certified[..., place], level, 0.0)
    return certified


def check_share(name: str, value: float) -> None:
    """Refuse what no sample can promise.

    Raises:
        InvalidInputError: The value is not strictly between 0 and 1.
    """
    if not 0 < value < 1:
        msg = f"{name} must lie strictly between 0 and 1, got {value}: no sample can promise 0, and 1 promises nothing"
        raise InvalidInputError(msg)


def _counted(
    confidence: ArrayLike, correct: ArrayLike, alpha: float, grid: ArrayLike
) -> tuple[FloatArray, BoolArray, IntArray, IntArray]:
    """The grid, the labels, and the counts at each threshold."""
    check_share("alpha", alpha)
    thresholds, values = np.asarray(grid, dtype=float), np.asarray(confidence, dtype=float)
    right = np.asarray(correct).astype(bool)
    if values.ndim != 1 or values.shape != right.shape or thresholds.ndim != 1 or not len(thresholds):
        msg = f"expected one confidence and one label for each answer, got shapes {values.shape} and {right.shape}"
        raise InvalidInputError(msg)
    if not len(values):
        msg = "there are no labelled answers, so nothing can be said about a threshold"
        raise NotEnoughDataError(msg)
    # NaN fails every comparison, so it is refused here too.
    if bad := values[~(((values >= 0) & (values <= 1)) | (values == -math.inf))].tolist():
        msg = f"confidences lie between 0 and 1; got {bad[0]} and {len(bad) - 1} others that do not"
        raise InvalidInputError(msg)
    if not ((thresholds >= 0) & (thresholds <= 1)).all() or (np.diff(thresholds) <= 0).any():
        msg = "the grid must ascend from 0 or more to 1 or less"
        raise InvalidInputError(msg)
    return thresholds, right, *acceptance_counts(values, right, thresholds)


def _found(
    kind: Kind,
    grid: FloatArray,
    qualifies: BoolArray,
    right: BoolArray,
    accepted: IntArray,
    errors: IntArray,
    alpha: float,
    delta: float | None,
) -> GuaranteedThreshold:
    """The laxest of the thresholds that qualify; without one, how many labels it would take."""
    base_error = float(1 - right.mean())
    some = bool(qualifies.any())
    place = int(np.argmax(qualifies))
    return GuaranteedThreshold(
        kind=kind,
        alpha=alpha,
        delta=delta,
        threshold=float(grid[place]) if some else None,
        labels=len(right),
        accepted=int(accepted[place]) if some else 0,
        errors=int(errors[place]) if some else 0,
        base_error=base_error,
        must_review=must_review(base_error, alpha),
        more_labels=None if some else _more_labels(accepted, errors, len(right), alpha, delta),
    )


def _more_labels(accepted: IntArray, errors: IntArray, labels: int, alpha: float, delta: float | None) -> int | None:
    """So many labels of all answers let the best threshold qualify, if its error stays as observed.

    Not to promise too much, the observed error is that of Jeffreys' rule; where no answer was wrong it counts as half
    of alpha, so that ten right answers are not taken for a sign that nothing will do.
    """
    error, coverage = (errors + 0.5) / (accepted + 1), accepted / labels
    error = np.where(errors == 0, np.minimum(error, alpha / 2), error)
    some = (error < alpha) & (accepted > 0)
    if not some.any():
        return None
    error, coverage = error[some], coverage[some]
    if delta is None:
        return math.ceil(float(np.min((1 - alpha) / (alpha - error) / coverage)))
    level = delta / 2  # the share of the first start
    best = int(np.argmin(_normal_plan(error, alpha, level, POWER) / coverage))
    needed = labels_needed(alpha, level, 1 - float(error[best]))
    return None if needed is None else math.ceil(needed / coverage[best])
