"""The random audit of accepted answers: which ones are drawn, and how soon it notices that errors have become more."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

from thermolang.errors import InvalidInputError


@dataclass(frozen=True)
class Audit:
    """Draws accepted answers at random, so that people judge some of those that nobody would have looked at.

    An answer is drawn if a hash of it, as a number in [0, 1), is below the rate. So the draw can be repeated and
    checked, does not depend on the order in which answers come, and knows nothing of confidences and verdicts. ``detects``
    says what a rate is enough for.

    Attributes:
        rate: Share of the accepted answers that is drawn, in [0, 1].
        seed: Draws other answers. Keep it secret where somebody could choose answers by whether they are drawn.

    Raises:
        InvalidInputError: The rate is outside [0, 1].

    Example:
        >>> audit = Audit(0.5)
        >>> [audit.draw("capitals", question) < audit.rate for question in ("Peru?", "Chad?", "Oman?", "Fiji?")]
        [True, True, True, False]
    """

    rate: float = 0.05
    seed: str = ""

    def __post_init__(self) -> None:
        # NaN fails both comparisons, so it is refused here too.
        if not 0 <= self.rate <= 1:
            msg = f"the rate of an audit is a share between 0 and 1, not {self.rate}"
            raise InvalidInputError(msg)

    def draw(self, *texts: str) -> float:
        """The number in [0, 1) of an answer with these texts."""
        # As JSON, in which ["a", "bc"] and ["ab", "c"] differ.
        digest = hashlib.sha256(json.dumps([self.seed, *texts]).encode()).digest()
        # 53 bits are what a float holds exactly.
        return float((int.from_bytes(digest[:8], "big") >> 11) / (1 << 53))


@dataclass(frozen=True)
class Detection:
    """How much it takes to notice a rise of the error.

    Attributes:
        labels: Verdicts on audited answers.
        answers: Accepted answers until so many are drawn, on average.
    """

    labels: int
    answers: int


def detects(rate: float, *, error: float, rise: float, certainty: float = 0.95, power: float = 0.8) -> Detection:
    """How many audited answers, and accepted ones, until a rise of the error is noticed.

    The verdicts are tested once, with the exact one-sided binomial test of "the error is at most ``error``" at level
    1 - ``certainty``. The number of labels n is the smallest with P(X >= k(n)) >= ``power`` for X ~ Binomial(n,
    error + rise), where k(n) is the smallest k with P(X >= k) <= 1 - certainty for X ~ Binomial(n, error) (Fleiss,
    Levin and Paik, 2003, chapter 2). ``routing.Monitor`` watches all the time and needs somewhat more.

    A rule of thumb, error * (1 - error) / rise^2, is the n at which the rise is one standard error: it goes unnoticed
    most of the time.

    Args:
        rate: Of the audit, in (0, 1].
        error: Share of wrong answers among accepted ones as it was, in [0, 1).
        rise: By how much it grows; > 0, and error + rise at most 1.
        certainty: 1 - the probability of a false alarm, in (0, 1).
        power: Probability that the rise is noticed, in (0, 1).

    Raises:
        InvalidInputError: A number is outside its range.

    Example:
        >>> detects(0.05, error=0.1, rise=0.05)
        Detection(labels=239, answers=4780)
        >>> detects(0.05, error=0.1, rise=0.2).labels
        21
    """
    from scipy.stats import binom

    inside = 0 < rate <= 1 and 0 <= error < 1 and 0 < certainty < 1 and 0 < power < 1
    if not (inside and rise > 0 and error + rise <= 1 + 1e-12):
        msg = f"expected a rate in (0, 1], certainty and power in (0, 1) and error < error + rise <= 1, got {rate=}, "
        raise InvalidInputError(msg + f"{error=}, {rise=}, {certainty=}, {power=}")
    import numpy as np

    risen = min(error + rise, 1.0)
    first, size = 1, 256
    while True:
        sizes = np.arange(first, first + size)
        # P(X >= k) = sf(k - 1); isf gives the smallest k - 1 at which it is low enough.
        critical = binom.isf(1 - certainty, sizes, error)
        seen = binom.sf(critical, sizes, risen) >= power
        if seen.any():
            labels = int(sizes[np.argmax(seen)])
            return Detection(labels, math.ceil(labels / rate - 1e-9))
        # Few sizes at first, as most questions need few; then ever more.
        first, size = first + size, 2 * size
