"""Calibration errors, proper scores and ranking of confidences: every metric of the library, once.

Two views of the same numbers. *Binary*: ``confidence`` (n,) in [0, 1] is P(the answer is right) and
``right`` (n,) in {0, 1} says whether it was. *Multi-class*: ``probabilities`` (n, K), rows summing to one,
and ``labels`` (n,) in 0..K-1. Bad input raises ``InvalidInputError``, no items ``NotEnoughDataError``; a
metric that is undefined on valid input (AUROC of one class) is NaN, never a number that looks valid.

Each metric of the binary view is computed in one place, by a function of unchecked arrays with the items along the last
axis and any number of resamples before it. The public function checks its input and calls it on one row; ``METRICS``
lists those that cards, experiments and reports show, for ``calibration.bootstrap`` to call on all resamples at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from thermolang.errors import InvalidInputError, NotEnoughDataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from summing to one: half-precision softmax stays within it."""


def as_floats(name: str, values: ArrayLike, ndim: int) -> FloatArray:
    """Return ``values`` as a finite, non-empty float64 array of ``ndim`` dimensions, within [0, 1]."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"{name} must be numbers: {error}"
        raise InvalidInputError(msg) from error
    if array.ndim != ndim:
        msg = f"{name} must have {ndim} dimension(s), not shape {array.shape}"
        raise InvalidInputError(msg)
    if array.size == 0:
        msg = f"{name} is empty: at least 1 item is needed"
        raise NotEnoughDataError(msg)
    # A comparison with NaN is false, so this one line also refuses NaN and infinities.
    if not (array.min() >= 0 and array.max() <= 1):
        msg = f"{name} must be finite and within [0, 1], but reaches from {array.min()} to {array.max()}"
        raise InvalidInputError(msg)
    return array


def as_answers(confidence: ArrayLike, right: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Check the binary view: two vectors (n,), the first in [0, 1], the second in {0, 1}."""
    p, r = as_floats("confidence", confidence, 1), as_floats("right", right, 1)
    if p.size != r.size:
        msg = f"confidence has {p.size} items, right has {r.size}"
        raise InvalidInputError(msg)
    if not np.isin(r, (0, 1)).all():
        msg = "right must be 0 or 1 (False or True) for every item"
        raise InvalidInputError(msg)
    return p, r


def as_classes(probabilities: ArrayLike, labels: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Check the multi-class view: rows (n, K) that sum to one, and integer labels (n,) in 0..K-1."""
    p = as_floats("probabilities", probabilities, 2)
    n, k = p.shape
    y = np.asarray(labels)
    if y.shape != (n,) or not np.issubdtype(y.dtype, np.integer):
        msg = f"labels must be {n} integers, one per row of probabilities, not {y.dtype} of shape {y.shape}"
        raise InvalidInputError(msg)
    if y.min() < 0 or y.max() >= k:
        msg = f"labels must be within 0..{k - 1}, but reach from {y.min()} to {y.max()}"
        raise InvalidInputError(msg)
    if (worst := float(np.abs(p.sum(axis=1) - 1).max())) > SUM_TOLERANCE:
        msg = f"each row of probabilities must sum to 1; one is off by {worst:.3g}"
        raise InvalidInputError(msg)
    return p, y.astype(np.intp)


Scheme = Literal["width", "mass"]

EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are raised to at least this before a logarithm (at most 36.04 nats), as in scikit-learn."""


BLOCK = 2_000_000
"""Numbers that are handled at a time, to bound memory: 8 MB of random float32."""


def bin_numbers(confidence: FloatArray, *, bins: int, scheme: Scheme) -> IntArray:
    """Number of the bin, 0..bins-1, of each confidence (..., n); every row is binned for itself.

    ``"width"``: equal widths, each (lo, hi], with 0 in the first. ``"mass"``: equal counts by rank (they
    differ by one if ``bins`` does not divide n); equal confidences share a bin, so the order of items never
    matters.
    """
    if not isinstance(bins, (int, np.integer)) or bins < 1:
        msg = f"bins must be a whole number of at least 1, not {bins!r}"
        raise InvalidInputError(msg)
    if scheme == "width":
        # k / bins and not linspace, whose 0.7000000000000001 would put 0.7 into the bin above.
        edges = np.arange(bins + 1) / bins
        return np.maximum(np.searchsorted(edges, confidence, side="left") - 1, 0)
    if scheme == "mass":
        # 2 (rank - 1/2): whole numbers although tied ranks may end in .5, so the division below is exact.
        middle = 2 * rankdata(confidence, axis=-1) - 1
        return np.asarray(middle * bins // (2 * confidence.shape[-1]), dtype=np.intp)
    msg = f'scheme must be "width" or "mass", not {scheme!r}'
    raise InvalidInputError(msg)


def _mean_gap(group: IntArray, excess: FloatArray, groups: int) -> FloatArray:
    """Sum over groups of (n_g / n) |mean excess of g|, for an excess (..., n) of right - confidence."""
    n = excess.shape[-1]
    rows = excess.size // n
    # (rows, n): bins are numbered on from row to row, so that one bincount serves all resamples.
    cell = group.reshape(rows, n) + groups * np.arange(rows)[:, None]
    sums = np.bincount(cell.ravel(), excess.ravel(), minlength=groups * rows).reshape(rows, groups)
    return np.asarray((np.abs(sums).sum(-1) / n).reshape(excess.shape[:-1]))


def _ece(p: FloatArray, r: FloatArray, *, bins: int = 10, scheme: Scheme = "width") -> FloatArray:
    return _mean_gap(bin_numbers(p, bins=bins, scheme=scheme), r - p, bins)


def ece(confidence: ArrayLike, right: ArrayLike, *, bins: int = 10, scheme: Scheme = "width") -> float:
    """Expected calibration error: sum over bins of (n_b / n) |accuracy_b - mean confidence_b|, in [0, 1].

    Naeini et al. (2015) and Guo et al. (2017) for equal widths, Kumar et al. (2019) for equal mass. On few
    items even a calibrated scorer is well above 0 (``ece_floor``), and a constant base rate reaches 0: report a
    proper score as well.

    Args:
        confidence: Shape (n,), in [0, 1].
        right: Shape (n,), 0 or 1.
        bins: Number of bins.
        scheme: ``"width"`` or ``"mass"``, as in ``bin_numbers``.

    Example:
        >>> round(ece([0.9, 0.9, 0.6, 0.6], [1, 1, 1, 0]), 3)
        0.1
    """
    return float(_ece(*as_answers(confidence, right), bins=bins, scheme=scheme))


def ece_floor(
    confidence: ArrayLike, *, bins: int = 10, scheme: Scheme = "width", draws: int = 200, seed: int = 0
) -> float:
    """ECE that a perfectly calibrated scorer with these confidences (n,) measures on n items, on average.

    The mean of ``ece(confidence, r)`` over ``draws`` draws r_i ~ Bernoulli(confidence_i); about
    sum_b sqrt(2 / pi * sum_{i in b} p_i (1 - p_i)) / n (normal approximation). Costs about
    0.3 ms for 100 items, 1 ms for 1,000 and 6 ms for 6,000.
    """
    if draws < 1:
        msg = f"draws must be at least 1, not {draws}"
        raise InvalidInputError(msg)
    # Sorted, so that the same items in another order get the same draws, and a bin is a run of columns.
    p = np.sort(as_floats("confidence", confidence, 1))
    starts = np.flatnonzero(np.diff(bin_numbers(p, bins=bins, scheme=scheme), prepend=-1))
    rng, total = np.random.default_rng(seed), 0.0
    for block in np.array_split(np.arange(draws), draws * p.size // BLOCK + 1):
        right = rng.random((block.size, p.size), dtype=np.float32) < p.astype(np.float32)
        # (draws of the block, occupied bins) less (occupied bins,)
        total += float(
            np.abs(np.add.reduceat(right, starts, axis=1, dtype=np.int32) - np.add.reduceat(p, starts)).sum()
        )
    return total / (draws * p.size)


def ece_corrected(
    confidence: ArrayLike,
    right: ArrayLike,
    *,
    bins: int = 10,
    scheme: Scheme = "width",
    draws: int = 200,
    seed: int = 0,
) -> float:
    """Floor-corrected ECE: ``ece`` - ``ece_floor``, in [-1, 1].

    The measured ECE is biased upwards on finitely many items (Kumar et al., 2019; Roelofs et al., 2022). For a
    calibrated scorer this is 0 on average, so it is negative half of the time. It is not clipped at 0, because a
    mean over tasks or a bootstrap interval needs both signs. For a scorer that is far off, noise adds less to the ECE
    than the floor says: there the correction is too large and the result errs on the low side.
    """
    return ece(confidence, right, bins=bins, scheme=scheme) - ece_floor(
        confidence, bins=bins, scheme=scheme, draws=draws, seed=seed
    )


def mce(confidence: ArrayLike, right: ArrayLike, *, bins: int = 10, scheme: Scheme = "width") -> float:
    """Maximum calibration error: the largest |accuracy_b - mean confidence_b| of a non-empty bin, in [0, 1].

    Naeini et al. (2015). One item alone in a bin decides it, so it is noisy.

    Example:
        >>> round(mce([0.9, 0.9, 0.6, 0.6], [1, 1, 0, 0]), 3)
        0.6
    """
    p, r = as_answers(confidence, right)
    index = bin_numbers(p, bins=bins, scheme=scheme)
    count = np.bincount(index)
    # The maximum avoids 0 / 0 in empty bins, which then count as 0.
    return float(np.max(np.abs(np.bincount(index, weights=r - p)) / np.maximum(count, 1)))


def top_label_ece(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 10) -> float:
    """Top-label ECE: ``ece`` of the top probability, binned within each predicted class, in [0, 1].

    Sum over predicted class l and equal-width bin b of (n_lb / n) |accuracy_lb - mean confidence_lb|
    (Kumar et al. 2019; as in the code of Shen et al. 2024). Never below the ``ece`` of the top probability.

    Args:
        probabilities: Shape (n, K).
        labels: Shape (n,), integers in 0..K-1.
        bins: Number of bins for each class.
    """
    p, y = as_classes(probabilities, labels)
    predicted, top = p.argmax(axis=1), p.max(axis=1)
    # (n,): a bin for each pair of predicted class and range of confidence
    cell = predicted * bins + bin_numbers(top, bins=bins, scheme="width")
    return float(_mean_gap(cell, (predicted == y) - top, bins * p.shape[1]))


def _brier(p: FloatArray, r: FloatArray) -> FloatArray:
    return np.asarray(((p - r) ** 2).mean(-1))


def brier(confidence: ArrayLike, right: ArrayLike) -> float:
    """Brier score (Brier 1950), binary form: mean of (confidence - right)^2, in [0, 1]; 0 is best.

    Example:
        >>> round(brier([0.9, 0.4], [1, 0]), 3)
        0.085
    """
    return float(_brier(*as_answers(confidence, right)))


def brier_multiclass(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Brier score (Brier 1950): mean over items of sum_k (p_k - [k is the label])^2, in [0, 2]; 0 is best.

    The code of Shen et al. (2024) averages over classes too: multiply its numbers by K to compare. With K = 2
    this is twice the binary ``brier``.
    """
    p, y = as_classes(probabilities, labels)
    return float(np.mean(np.sum((p - np.eye(p.shape[1])[y]) ** 2, axis=1)))


def brier_skill(confidence: ArrayLike, right: ArrayLike, base_rate: float) -> float:
    """Brier skill score over always saying ``base_rate``: 1 - Brier / Brier of the constant; at most 1.

    0 is no better than the constant, below 0 is worse. NaN if the constant is never wrong (Brier 0).

    Example:
        >>> round(brier_skill([0.9, 0.1], [1, 0], 0.5), 3)
        0.96
    """
    p, r = as_answers(confidence, right)
    constant = brier(np.full(p.size, base_rate, dtype=np.float64), r)
    return 1 - brier(p, r) / constant if constant > 0 else float("nan")


def _log_loss(p: FloatArray, r: FloatArray) -> FloatArray:
    return np.asarray(-np.log(np.maximum(np.where(r == 1, p, 1 - p), EPSILON)).mean(-1))


def nll(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean negative log-likelihood of the labels in nats, >= 0; probabilities are clipped at ``EPSILON``.

    Args:
        probabilities: Shape (n, K).
        labels: Shape (n,), integers in 0..K-1.
    """
    p, y = as_classes(probabilities, labels)
    return float(_log_loss(p[np.arange(y.size), y], np.ones(y.size)))


def binary_nll(confidence: ArrayLike, right: ArrayLike) -> float:
    """Mean negative log-likelihood of right and wrong in nats, >= 0; clipped at ``EPSILON`` from 0 and 1.

    Example:
        >>> round(binary_nll([0.5, 0.5], [1, 0]), 4)
        0.6931
    """
    return float(_log_loss(*as_answers(confidence, right)))


def _auroc(p: FloatArray, r: FloatArray) -> FloatArray:
    # scikit-learn's roc_auc_score gives the same (tested), twenty times slower: too slow for a bootstrap.
    ranks, good = rankdata(p, axis=-1), r.sum(-1)
    bad = r.shape[-1] - good
    with np.errstate(invalid="ignore", divide="ignore"):
        # The rank sum of the right answers less its minimum is the Mann-Whitney U.
        area = ((ranks * r).sum(-1) - good * (good + 1) / 2) / (good * bad)
    return np.asarray(np.where((good > 0) & (bad > 0), area, np.nan))


def auroc(confidence: ArrayLike, right: ArrayLike) -> float:
    """P(a right answer has more confidence than a wrong one), ties counting one half, in [0, 1].

    The Mann-Whitney form of the area under the ROC curve. NaN if all answers are right or all are wrong.

    Example:
        >>> auroc([0.9, 0.8, 0.3], [1, 0, 0])
        1.0
    """
    return float(_auroc(*as_answers(confidence, right)))


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Error among the most confident answers, for every share of answers that is accepted.

    Attributes:
        coverage: Shape (n,), share accepted: 1/n, 2/n, ..., 1.
        risk: Shape (n,), expected share of wrong answers among them, in [0, 1].
        threshold: Shape (n,), confidence of the last answer accepted. Inside a run of equal confidences the
            point can only be reached by drawing among them.
    """

    coverage: FloatArray
    risk: FloatArray
    threshold: FloatArray


def _risk(p: FloatArray, wrong: FloatArray) -> FloatArray:
    """Mean of ``wrong`` among the 1, 2, ..., n most confident; equal confidences in the order in which they stand."""
    order = np.argsort(-p, axis=-1, kind="stable")
    taken = np.take_along_axis(wrong, order, axis=-1)
    return np.asarray(taken.cumsum(-1) / np.arange(1, p.shape[-1] + 1))


def risk_coverage(confidence: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """Risk-coverage curve (Geifman & El-Yaniv 2017) of accepting the most confident answers first.

    Answers of equal confidence are taken in random order, and the risk is the expectation over that order, so
    the order of items never matters.

    Example:
        >>> risk_coverage([0.9, 0.5, 0.5], [1, 0, 1]).risk.round(3).tolist()
        [0.0, 0.25, 0.333]
    """
    p, r = as_answers(confidence, right)
    values, group, count = np.unique(-p, return_inverse=True, return_counts=True)
    error = np.bincount(group, weights=1 - r) / count  # of each distinct confidence, the largest first
    coverage = np.arange(1, p.size + 1) / p.size
    # The mean error of its tie in place of each answer's own gives the expectation over orders.
    return RiskCoverage(coverage, _risk(p, error[group]), np.repeat(-values, count))


def _aurc(p: FloatArray, r: FloatArray) -> FloatArray:
    return np.asarray(_risk(p, 1 - r).mean(-1))


def aurc(confidence: ArrayLike, right: ArrayLike) -> float:
    """Area under the risk-coverage curve (Geifman et al. 2019): its mean risk, in [0, 1]; lower is better.

    Example:
        >>> aurc([0.9, 0.8, 0.7, 0.6], [1, 1, 1, 0])
        0.0625
    """
    return float(risk_coverage(confidence, right).risk.mean())


@dataclass(frozen=True)
class Metric:
    """A metric as cards, experiments and reports show it.

    Attributes:
        name: Heads its column and is its key in JSON.
        description: One or two sentences for readers of a report.
        citation: Where it was published.
        figure: Takes confidences and whether the answers were right, both (..., n), and returns (...): the items are
            along the last axis, resamples before it. Input is not checked.
        higher_is_better: False for errors and losses.
        brief: Whether it also belongs into a narrow table, as in a terminal.
        of_options: Takes the probability of the option that is right instead of P(the given answer is right), with all
            of ``right`` true; undefined for methods that give no probabilities of options.
        floor: Expected figure (a float) of a perfectly calibrated scorer with these confidences (n,); it is subtracted.
        skill: Name of another metric m, if this one is 1 - m(method) / m(base rate), each m a mean over tasks.
    """

    name: str
    description: str
    citation: str
    figure: Callable[[FloatArray, FloatArray], FloatArray]
    higher_is_better: bool = False
    brief: bool = False
    of_options: bool = False
    floor: Callable[[FloatArray], float] | None = None
    skill: str = ""

    def resampled(self, confidence: FloatArray, right: NDArray[Any], draws: IntArray) -> FloatArray:
        """The figure of each draw of items.

        Args:
            confidence: Shape (n,), in [0, 1].
            right: Shape (n,), 0 or 1.
            draws: Shape (R, m), indices of items.

        Returns:
            Shape (R,); NaN where the figure is undefined. A ``floor`` is that of the n items as they are.
        """
        found = self.figure(confidence[draws], right[draws].astype(np.float64))
        return found if self.floor is None else found - self.floor(confidence)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "NLL",
            "Negative log-likelihood in nats of the option that is right: the price of the probability given to it.",
            "Good, 1952, Journal of the Royal Statistical Society B",
            _log_loss,
            brief=True,
            of_options=True,
        ),
        Metric(
            "NLL right",
            "Negative log-likelihood in nats of whether the given answer was right or wrong.",
            "Good, 1952, Journal of the Royal Statistical Society B",
            _log_loss,
            brief=True,
        ),
        Metric(
            "Brier",
            "Mean squared distance between confidence and outcome.",
            "Brier, 1950, Monthly Weather Review",
            _brier,
            brief=True,
        ),
        Metric(
            "ECE",
            "Mean distance between confidence and share right over ten bins. Few items make it too large.",
            "Naeini et al., AAAI 2015; Guo et al., ICML 2017",
            _ece,
            brief=True,
        ),
        Metric(
            "ECE corrected",
            "ECE minus what a perfectly calibrated method would show on so few items.",
            "Roelofs et al., AISTATS 2022",
            _ece,
            floor=ece_floor,
        ),
        Metric(
            "AUROC",
            "Chance that a right answer has more confidence than a wrong one; 0.5 is guessing.",
            "Hanley and McNeil, 1982, Radiology",
            _auroc,
            higher_is_better=True,
            brief=True,
        ),
        Metric(
            "AURC",
            "Area under the risk-coverage curve: mean share of wrong answers, answering the most confident first.",
            "Geifman et al., ICLR 2019",
            _aurc,
        ),
        Metric(
            "Brier skill",
            "Share by which the Brier score is below that of the base rate; 0 is no better than it.",
            "Murphy, 1973, Journal of Applied Meteorology",
            _brier,
            higher_is_better=True,
            skill="Brier",
        ),
    )
}
"""The metrics that are shown, by name, in the order of columns.

``AURC`` takes equal confidences in the order of the items, where the function ``aurc`` averages over their orders.
"""
