"""Whether the confidence helps people to judge, and whether two people judge alike: figures with their intervals.

Everything here is computed from plain records; ``LeadService`` reads them from the database.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from scipy.stats import binomtest, quantile_test
from sklearn.metrics import cohen_kappa_score

from thermolang.types import JsonRecord

LEVEL = 0.95
# A wrong answer is confident if its number says that it is more likely right than wrong.
CONFIDENT = 0.5

Finding = Literal["helps", "harms", "unclear", "too_few"]


@dataclass(frozen=True)
class Trial:
    """What one operator made of one probe.

    Attributes:
        operator: Who judged.
        with_number: Whether the confidence was shown.
        known_right: Whether the answer is right.
        accepted: Whether the operator accepted it.
        confidence: In [0, 1]; None if there was none.
        seconds: From the moment it was shown to the verdict; None if unknown.
    """

    operator: str
    with_number: bool
    known_right: bool
    accepted: bool
    confidence: float | None
    seconds: float | None

    @property
    def judged_well(self) -> bool:
        """Whether the operator accepted a right answer, or did not accept a wrong one."""
        return self.accepted == self.known_right


@dataclass(frozen=True)
class Proportion(JsonRecord):
    """A share with its interval.

    Attributes:
        count: Successes.
        total: Trials.
        share: ``count / total``; None without trials.
        low: Lower end of the 95 % interval of Wilson (1927); 0 without trials.
        high: Upper end; 1 without trials.
    """

    count: int
    total: int
    share: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Duration(JsonRecord):
    """Seconds that an item took.

    Attributes:
        total: Items.
        median: Half of them took no longer; None without items.
        low: Lower end of the 95 % interval of the median, from the ranks of the items; None for fewer than 6.
        high: Upper end.
    """

    total: int
    median: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Judging(JsonRecord):
    """How well probes were judged in one condition.

    Attributes:
        accuracy: Right answers accepted and wrong ones not, among all probes.
        overreliance: Accepted ones among the wrong answers with a confidence of at least 0.5.
        seconds: Time per probe.
    """

    accuracy: Proportion
    overreliance: Proportion
    seconds: Duration


@dataclass(frozen=True)
class Help(JsonRecord):
    """Whether the confidence helps.

    Attributes:
        operator: Whose probes these are; empty for all together.
        with_number: With the confidence shown.
        without_number: With the confidence hidden.
        gain: Accuracy with the number less accuracy without it; None if either is unknown.
        low: Lower end of its 95 % interval; -1 if unknown.
        high: Upper end; 1 if unknown.
        finding: ``"helps"`` or ``"harms"`` if the interval excludes 0, ``"unclear"`` if it does not, ``"too_few"`` if
            one of the conditions has no probes.
    """

    operator: str
    with_number: Judging
    without_number: Judging
    gain: float | None
    low: float
    high: float
    finding: Finding


@dataclass(frozen=True)
class Agreement(JsonRecord):
    """How alike two people judge the same items.

    Attributes:
        pairs: Items that two people judged.
        agreed: Share on which both said right, or both said wrong.
        kappa: Cohen's kappa of the first verdict and the second: 1 for full agreement, 0 for as much as by chance;
            None where everybody always said the same.
        alpha: Krippendorff's alpha for nominal data, which takes everybody as a judge of the same kind; None likewise.
    """

    pairs: int
    agreed: Proportion
    kappa: float | None
    alpha: float | None


def proportion(count: int, total: int) -> Proportion:
    """A share with its Wilson interval.

    Example:
        >>> found = proportion(8, 10)
        >>> found.share, round(found.low, 3), round(found.high, 3)
        (0.8, 0.49, 0.943)
    """
    if not total:
        return Proportion(0, 0, None, 0.0, 1.0)
    interval = binomtest(count, total).proportion_ci(LEVEL, method="wilson")
    return Proportion(count, total, count / total, float(interval.low), float(interval.high))


def difference(first: Proportion, second: Proportion) -> tuple[float, float, float]:
    """First less second share, with Newcombe's interval (1998, method 10) for independent samples.

    Returns:
        The difference, and the ends of its 95 % interval. Both must have trials.

    Example:
        >>> gain, low, high = difference(proportion(56, 70), proportion(48, 80))
        >>> round(gain, 4), round(low, 4), round(high, 4)
        (0.2, 0.0524, 0.3339)
    """
    assert first.share is not None and second.share is not None
    gain = first.share - second.share
    low = gain - math.hypot(first.share - first.low, second.high - second.share)
    high = gain + math.hypot(first.high - first.share, second.share - second.low)
    return gain, low, high


def duration(seconds: Sequence[float]) -> Duration:
    """The median of some times, with the interval that its ranks give."""
    if not seconds:
        return Duration(0, None)
    if len(seconds) < 6:  # the interval of all of them has less than 95 %
        return Duration(len(seconds), median(seconds))
    interval = quantile_test(list(seconds), q=0, p=0.5).confidence_interval(LEVEL)
    return Duration(len(seconds), median(seconds), float(interval.low), float(interval.high))


def judging(trials: Sequence[Trial]) -> Judging:
    """How well probes were judged."""
    confident_wrong = [trial for trial in trials if not trial.known_right and (trial.confidence or 0.0) >= CONFIDENT]
    return Judging(
        proportion(sum(trial.judged_well for trial in trials), len(trials)),
        proportion(sum(trial.accepted for trial in confident_wrong), len(confident_wrong)),
        duration([trial.seconds for trial in trials if trial.seconds is not None]),
    )


def helps(trials: Sequence[Trial], operator: str = "") -> Help:
    """Compare probes that were judged with the confidence and without it.

    Args:
        trials: The probes.
        operator: Whose they are; empty for all together.

    Example:
        >>> def some(count, with_number, accepted):
        ...     return [Trial("ann", with_number, True, accepted, 0.9, 4.0)] * count
        >>> helps(some(45, True, True) + some(5, True, False) + some(30, False, True) + some(20, False, False)).finding
        'helps'
    """
    shown = judging([trial for trial in trials if trial.with_number])
    blind = judging([trial for trial in trials if not trial.with_number])
    if not (shown.accuracy.total and blind.accuracy.total):
        return Help(operator, shown, blind, None, -1.0, 1.0, "too_few")
    gain, low, high = difference(shown.accuracy, blind.accuracy)
    finding: Finding = "helps" if low > 0 else "harms" if high < 0 else "unclear"
    return Help(operator, shown, blind, gain, low, high, finding)


def by_operator(trials: Iterable[Trial]) -> list[Help]:
    """``helps`` for all together, and then for every operator by name."""
    found = list(trials)
    names = sorted({trial.operator for trial in found})
    return [helps(found), *(helps([trial for trial in found if trial.operator == name], name) for name in names)]


def agreement(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """How alike first and second verdicts are.

    Args:
        pairs: Whether the first operator held the answer for right, and whether the second did.

    Example:
        >>> found = agreement([(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15)
        >>> found.agreed.share, round(found.kappa, 3), round(found.alpha, 3)
        (0.7, 0.4, 0.4)
    """
    first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    agreed = proportion(sum(one == other for one, other in pairs), len(pairs))
    if len({*first, *second}) < 2:
        return Agreement(len(pairs), agreed, None, None)
    return Agreement(len(pairs), agreed, float(cohen_kappa_score(first, second)), _alpha(pairs))


def _alpha(pairs: Sequence[tuple[bool, bool]]) -> float:
    """Krippendorff's alpha (2011) for two nominal values and two judges of each unit, both values being there.

    1 - (n - 1) D / (a b), where n = 2 len(pairs) values are a times True and b times False, and D units disagree.
    """
    values, right = 2 * len(pairs), sum(first + second for first, second in pairs)
    disagreements = sum(first != second for first, second in pairs)
    return 1 - (values - 1) * disagreements / (right * (values - right))
