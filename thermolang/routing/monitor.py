r"""Watches a stream of confidences, and of audited answers, for a change that makes a guarantee void.

Every test bets against "nothing has changed" and multiplies what it wins: for each item a factor whose mean is at most
1 as long as nothing has changed. Where a change may come at any time, such bets are begun anew at every item and added
up (the Shiryaev-Roberts e-detector of Shin, Ramdas and Rinaldo, 2024): M_n = (M_(n-1) + 1) * factor_n. Without a change
M_n - n is a supermartingale, so M exceeds a level c within N items with probability at most N / c. Several bets are
averaged, which keeps that. So c = N / probability of a false alarm, and no window or limit is tuned.

*Confidence* and *novelty*: items are ranked among the reference and the stream so far, ties by a coin (conformal
p-values, uniform and independent if all are exchangeable; Vovk, Gammerman and Shafer, 2005), and the bets are on low,
high, outer or inner ranks. *Error*: the factor is the likelihood ratio of a larger error against the promised one. The
population stability index and the Jensen-Shannon divergence of the last items are told beside an alarm; they raise
none, as their usual limits bound no rate of false alarms.
"""

from __future__ import annotations

import bisect
import json
import logging
import math
import random
import threading
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon

from thermolang.errors import CalibratorMismatchError, InvalidInputError, NotEnoughDataError
from thermolang.routing.guarantees import check_share
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, JsonRecord, Reason

FloatArray = NDArray[np.floating[Any]]

AlarmCode = Literal["confidence", "novelty", "error", "model"]

LEAST = 50
"""Confidences that a reference needs."""

KEPT = 20_000
"""Items to rank among; later ones are ranked and not kept."""

WINDOW = 200
"""Last items that the divergences of an alarm are about."""

BINS = 10
HORIZON = 1000
"""Items to which the probability of a false alarm refers."""

SLOPES = np.array([-1.9, -1.3, -0.7, 0.7, 1.3, 1.9])
"""Bets 1 + slope (u - 1/2) on a uniform u; each has mean 1."""

POWERS = np.array([0.3, 0.5, 0.7])
"""Bets k u^(k-1) on small u; each has mean 1."""

RISES = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
"""How much the error may have risen, for the bets on it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alarm(JsonRecord):
    """A change that was noticed.

    Attributes:
        code: What has changed: the distribution of ``"confidence"`` or ``"novelty"``, the ``"error"`` among accepted
            answers, or the ``"model"``.
        item: Number of the item at which it was noticed, from 1: of the stream, for the error of the audited ones.
        since: Number of the item from which on the evidence speaks for a change.
        evidence: By how much the winnings exceed the level, at least 1; infinite for the model, which is compared.
        reason: The same in one sentence, with the numbers.
    """

    code: AlarmCode
    item: int
    since: int
    evidence: float
    reason: str


class Detector:
    """Bets of one kind, begun anew at every item.

    Args:
        level: Winnings at which it raises an alarm.
        bets: Number of bets that are averaged.
    """

    def __init__(self, level: float, bets: int) -> None:
        self.level, self.items = level, 0
        self._won = np.zeros(bets)
        # Of each bet the product since its best start, and where that was: for ``since`` only.
        self._run, self._start = np.ones(bets), np.ones(bets, dtype=int)

    def bet(self, factors: FloatArray) -> bool:
        """Take in one item's factors, shape (bets,); whether the level is reached."""
        self.items += 1
        self._won = (self._won + 1) * factors
        fresh = self._run <= 1
        self._start = np.where(fresh, self.items, self._start)
        self._run = np.where(fresh, 1.0, self._run) * factors
        return self.evidence >= 1

    @property
    def evidence(self) -> float:
        """Winnings as a multiple of the level."""
        return float(self._won.sum() / (len(self._won) * self.level))

    @property
    def since(self) -> int:
        """Where the strongest bet began to win."""
        return int(self._start[np.argmax(self._won)])


class Ranks:
    """Conformal p-values of a stream, among a reference and the stream so far.

    Args:
        reference: Numbers to begin with.
        seed: Of the coin that breaks ties.
    """

    def __init__(self, reference: Iterable[float], seed: int = 0) -> None:
        self._sorted, self._coin = sorted(reference), random.Random(seed)

    def rank(self, value: float) -> float:
        """The share of numbers below the value, uniform in (0, 1) if it is exchangeable with them."""
        below, upto = bisect.bisect_left(self._sorted, value), bisect.bisect_right(self._sorted, value)
        # Ties are broken by a coin, and the value is one of its own ties.
        rank = (below + self._coin.random() * (upto - below + 1)) / (len(self._sorted) + 1)
        if len(self._sorted) < KEPT:
            self._sorted.insert(upto, value)
        return min(max(rank, 1e-9), 1 - 1e-9)


class Monitor:
    """Watches what guarantees rest on, and raises an alarm with its evidence.

    Without a change, any alarm of the stream or the audit is raised within 1,000 items with probability at most
    ``false_alarms``. Each kind of alarm is raised once.

    Args:
        reference: Confidences of answers from when all was well, such as those of the labels of a certificate; at
            least ``LEAST``.
        alpha: The error among accepted answers that was promised; None if no answers are audited.
        false_alarms: Probability of a false alarm in 1,000 items, in (0, 1).
        audit_rate: Share of the items that are audited, in (0, 1].
        seed: Of the coin that breaks ties.

    Raises:
        NotEnoughDataError: The reference is too small.
        InvalidInputError: A rate means nothing.

    Example:
        >>> monitor = Monitor([Confidence(0.5 + i / 400) for i in range(200)], alpha=0.05)
        >>> alarms = [monitor.observe(Confidence(0.1)) for _ in range(60)]
        >>> next(a.code for a in alarms if a)
        'confidence'
        >>> monitor.guarded(Policy(0.8)).decide(Confidence(0.95)).code
        'review_all'
    """

    def __init__(
        self,
        reference: Sequence[Confidence],
        *,
        alpha: float | None = None,
        false_alarms: float = 0.01,
        audit_rate: float = 0.05,
        seed: int = 0,
    ) -> None:
        check_share("false_alarms", false_alarms)
        if alpha is not None:
            check_share("alpha", alpha)
        if not 0 < audit_rate <= 1:
            msg = f"audit_rate lies above 0 and up to 1, got {audit_rate}"
            raise InvalidInputError(msg)
        if len(reference) < LEAST:
            msg = f"a reference needs {LEAST} confidences or more, got {len(reference)}"
            raise NotEnoughDataError(msg)
        self.alpha, self.alarms = alpha, list[Alarm]()
        self._calibrators = {c.calibrator for c in reference}
        self._reference = np.array([_value(c) for c in reference])
        self._last: deque[float] = deque(maxlen=WINDOW)
        novelties = [c.novelty for c in reference if c.novelty is not None]
        self._confidence = Ranks(self._reference.tolist(), seed)
        # A few novelties say nothing of the others.
        self._novelty = Ranks(novelties, seed + 1) if len(novelties) >= LEAST else None
        level = 3 * HORIZON / false_alarms  # three tests share the probability
        self._detectors: dict[AlarmCode, Detector] = {
            "confidence": Detector(level, 2 * len(SLOPES)),
            "novelty": Detector(level, len(POWERS) + len(SLOPES)),
            "error": Detector(max(1.0, level * audit_rate), len(RISES)),
        }
        self._wrong = 0

    def observe(self, confidence: Confidence) -> Alarm | None:
        """Take in the confidence of one item of the stream; returns an alarm if one is raised by it."""
        self._last.append(_value(confidence))
        if confidence.calibrator not in self._calibrators and not self._raised("model"):
            item = self._detectors["confidence"].items + 1
            known = ", ".join(sorted(map(repr, self._calibrators)))
            return self._raise("model", item, item, math.inf, f"calibrator {confidence.calibrator!r}, not {known}")
        found = self._bet("confidence", _shape_bets(self._confidence.rank(_value(confidence))), self._divergences)
        if self._novelty is None or confidence.novelty is None:
            return found
        rank = self._novelty.rank(confidence.novelty)
        return self._bet("novelty", _high_bets(rank), lambda: "questions are more unlike the training tasks") or found

    def audit(self, correct: bool) -> Alarm | None:
        """Take in the verdict on an accepted answer that was drawn at random; returns an alarm if one is raised.

        Raises:
            InvalidInputError: The monitor was given no ``alpha``.
        """
        if self.alpha is None:
            msg = "an audit needs the promised error: Monitor(alpha=...)"
            raise InvalidInputError(msg)
        self._wrong += not correct
        bets = _error_bets(self.alpha, correct)
        return self._bet("error", bets, lambda: f"{self._wrong} of {self._detectors['error'].items} audited are wrong")

    def check_model(self, check: Callable[[], Reason | None]) -> Alarm | None:
        """Ask whether the model still answers as its calibrator knows it; returns an alarm if not.

        Args:
            check: Such as ``lambda: calibrator.check(model.identity, model.probe())``.
        """
        try:
            reason = check()
            said = reason.text if reason else ""
        except CalibratorMismatchError as error:
            said = str(error)
        if not said or self._raised("model"):
            return None
        item = self._detectors["confidence"].items
        return self._raise("model", item, item, math.inf, said)

    def guarded(self, policy: Policy) -> Policy:
        """The policy, or after an alarm one that sends everything to review."""
        if not self.alarms:
            return policy
        tasks = {name: replace(p, review_all=True) for name, p in policy.tasks.items()}
        return replace(policy, review_all=True, tasks=tasks)

    def _bet(self, code: AlarmCode, factors: FloatArray, told: Callable[[], str]) -> Alarm | None:
        detector = self._detectors[code]
        if not detector.bet(factors) or self._raised(code):
            return None
        return self._raise(code, detector.items, detector.since, detector.evidence, told())

    def _raised(self, code: AlarmCode) -> bool:
        return any(alarm.code == code for alarm in self.alarms)

    def _raise(self, code: AlarmCode, item: int, since: int, evidence: float, told: str) -> Alarm:
        where = f"at audited answer {item}" if code == "error" else f"at item {item}"
        what = {"error": f"the error is above the promised {self.alpha}", "model": "the model is another one"}
        said = what.get(code, f"the {code} is distributed otherwise than in the reference")
        alarm = Alarm(code, item, since, evidence, f"{said}, noticed {where}, probably since {since}: {told}")
        self.alarms.append(alarm)
        return alarm

    def _divergences(self) -> str:
        psi, js = stability(self._reference, np.array(self._last))
        return f"PSI {psi:.2f} and Jensen-Shannon divergence {js:.3f} over the last {len(self._last)} items"


def stability(reference: FloatArray, window: FloatArray) -> tuple[float, float]:
    """Population stability index and Jensen-Shannon divergence (bits) of a window against a reference.

    Ten bins of about equal share of the reference; half an item is added to each, so that empty ones have a logarithm.
    """
    edges = np.unique(np.quantile(reference, np.arange(1, BINS) / BINS))
    p, q = (
        np.bincount(np.searchsorted(edges, x, side="right"), minlength=len(edges) + 1) + 0.5
        for x in (reference, window)
    )
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum()), float(jensenshannon(p, q, base=2) ** 2)


def notify(url: str, alarm: Alarm, *, timeout: float = 5.0) -> bool:
    """Post an alarm as JSON to a webhook; whether it was taken. It waits no longer than the timeout and never raises.

    Raises:
        InvalidInputError: The URL is not one of http or https.
    """
    if not url.startswith(("http://", "https://")):
        msg = f"a webhook is called by http or https, not {url!r}"
        raise InvalidInputError(msg)
    body = json.dumps(alarm.to_dict()).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    taken: list[bool] = []

    def call() -> None:
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # nosec # B310: http or https
                taken.append(200 <= answer.status < 300)
        except Exception:  # whatever the webhook does, the stream goes on
            logger.exception("the webhook %s could not be called", url)

    # In a thread, because a server that sends a byte now and then never times out by itself.
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(timeout)
    if thread.is_alive():
        logger.error("the webhook %s did not answer within %s s", url, timeout)
    return taken == [True]


def _value(confidence: Confidence) -> float:
    """The confidence; below all others where there is none, so that more of these are noticed."""
    return -1.0 if confidence.value is None or math.isnan(confidence.value) else confidence.value


def _shape_bets(rank: float) -> FloatArray:
    return np.concatenate([1 + SLOPES * (rank - 0.5), 1 + SLOPES * (abs(2 * rank - 1) - 0.5)])


def _high_bets(rank: float) -> FloatArray:
    return np.concatenate([POWERS * (1 - rank) ** (POWERS - 1), 1 + SLOPES * (rank - 0.5)])


def _error_bets(alpha: float, correct: bool) -> FloatArray:
    """Likelihood ratios of larger errors, at most .99, against the promised one; their mean is 1 there, less below."""
    larger = np.minimum(alpha + RISES, (1 + alpha) / 2)
    ratio: FloatArray = (1 - larger) / (1 - alpha) if correct else larger / alpha
    return ratio
