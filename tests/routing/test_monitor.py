"""The monitor notices a change, says which and since when, and leaves an unchanged stream alone."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from thermolang.errors import CalibratorMismatchError, InvalidInputError, NotEnoughDataError
from thermolang.routing.monitor import (
    KEPT,
    Detector,
    Monitor,
    Ranks,
    _error_bets,
    _high_bets,
    _shape_bets,
    stability,
)
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Reason


def usual(rng, **named):
    return Confidence(float(rng.beta(5, 2)), novelty=float(rng.gamma(9.0) / 17.4), **named)


def watching(rng, *, size=200, **settings):
    return Monitor([usual(rng) for _ in range(size)], **settings)


@pytest.mark.parametrize("bets", [_shape_bets, _high_bets])
def test_bets_on_ranks_are_fair(bets):
    for bet in range(len(bets(0.5))):
        mean, _ = quad(lambda rank, bet=bet: bets(rank)[bet], 0, 1, points=[0.5], limit=200)
        assert mean == pytest.approx(1, abs=1e-4)
    assert all((bets(rank) >= 0).all() for rank in (1e-9, 0.3, 0.5, 1 - 1e-9))


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.5, 0.9])
def test_bets_on_errors_are_fair_at_the_promised_error_and_lose_below(alpha):
    right, wrong = _error_bets(alpha, True), _error_bets(alpha, False)
    assert (1 - alpha) * right + alpha * wrong == pytest.approx(1)
    assert ((1 - alpha / 2) * right + alpha / 2 * wrong < 1).all()
    assert (right > 0).all()


def test_ranks_of_an_exchangeable_stream_are_uniform_and_ties_are_broken():
    rng = np.random.default_rng(0)
    for values in (rng.random(3000), rng.integers(0, 3, 3000).astype(float)):
        ranks = Ranks(values[:100].tolist(), seed=1)
        assert kstest([ranks.rank(v) for v in values[100:]], "uniform").pvalue > 0.001


def test_a_long_stream_needs_no_more_memory():
    ranks = Ranks([0.5] * (KEPT - 5))
    for value in np.linspace(0, 1, 50):
        ranks.rank(float(value))
    assert len(ranks._sorted) == KEPT


def test_a_detector_adds_bets_that_begin_at_every_item():
    detector = Detector(level=10, bets=1)
    assert not detector.bet(np.array([2.0]))  # (0 + 1) * 2
    assert not detector.bet(np.array([2.0]))  # (2 + 1) * 2
    assert detector.evidence == pytest.approx(0.6)
    assert detector.bet(np.array([2.0]))  # (6 + 1) * 2
    assert detector.since == 1
    lost = Detector(level=10, bets=1)
    for factor in (0.5, 0.5, 3.0, 3.0):
        lost.bet(np.array([factor]))
    assert lost.since == 3


def test_an_unchanged_stream_raises_next_to_no_alarm():
    rng, raised = np.random.default_rng(1), 0
    for _ in range(25):
        monitor = watching(rng, size=100, alpha=0.05, audit_rate=0.5)
        for _ in range(200):
            monitor.observe(usual(rng))
            monitor.audit(rng.random() >= 0.05)
            monitor.audit(rng.random() >= 0.05)
        raised += bool(monitor.alarms)
    assert raised <= 2


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("confidence", lambda rng: Confidence(float(rng.beta(2, 3)), novelty=float(rng.gamma(9.0) / 17.4))),
        ("confidence", lambda rng: Confidence(float(rng.choice([0.05, 0.999])), novelty=float(rng.gamma(9.0) / 17.4))),
        ("confidence", lambda rng: Confidence(None, novelty=float(rng.gamma(9.0) / 17.4))),
        ("novelty", lambda rng: Confidence(float(rng.beta(5, 2)), novelty=float(2 * rng.gamma(9.0) / 17.4))),
    ],
)
def test_a_changed_stream_is_noticed_with_its_beginning(code, changed):
    rng = np.random.default_rng(2)
    monitor = watching(rng)
    assert not any(monitor.observe(usual(rng)) for _ in range(100))
    (alarm,) = filter(None, [monitor.observe(changed(rng)) for _ in range(150)])
    assert alarm.code == code
    assert abs(alarm.since - 101) <= 45
    assert 101 <= alarm.item <= 200
    assert alarm.evidence >= 1
    assert f"the {code} is distributed otherwise" in alarm.reason
    assert f"probably since {alarm.since}" in alarm.reason
    assert ("PSI" in alarm.reason) == (code == "confidence")
    assert monitor.alarms == [alarm]


def test_a_larger_error_is_noticed_on_audited_answers():
    monitor = watching(np.random.default_rng(3), alpha=0.05)
    assert not any(monitor.audit(i % 25 > 0) for i in range(200))  # 4 %
    alarms = [a for i in range(100) if (a := monitor.audit(i % 3 > 0))]
    assert [a.code for a in alarms] == ["error"]
    assert alarms[0].item > alarms[0].since >= 195
    assert "above the promised 0.05" in alarms[0].reason
    assert "audited are wrong" in alarms[0].reason


def test_another_calibrator_or_model_is_an_alarm_at_once():
    rng = np.random.default_rng(4)
    monitor = watching(rng)
    alarm = monitor.observe(usual(rng, calibrator="tiny-2"))
    assert (alarm.code, alarm.evidence) == ("model", math.inf)
    assert "calibrator 'tiny-2'" in alarm.reason
    assert monitor.observe(usual(rng, calibrator="tiny-3")) is None  # said already

    def refuse():
        message = "other weights"
        raise CalibratorMismatchError(message)

    for check, said in [(refuse, "other weights"), (lambda: Reason("weights_differ", "differ a little"), "a little")]:
        monitor = watching(rng)
        assert said in monitor.check_model(check).reason
        assert monitor.check_model(check) is None
    assert watching(rng).check_model(lambda: None) is None


def test_after_an_alarm_everything_goes_to_review():
    rng, policy = np.random.default_rng(5), Policy(0.1, tasks={"mail": Policy(0.2, mode="shadow")})
    monitor = watching(rng)
    assert monitor.guarded(policy) == policy
    monitor.observe(usual(rng, calibrator="other"))
    guarded = monitor.guarded(policy)
    assert guarded.decide(Confidence(1.0)).action == "review"
    assert guarded.decide(Confidence(1.0, task="mail")).action == "review"
    assert guarded.decide(Confidence(1.0, task="mail")).mode == "shadow"


def test_without_novelties_only_the_confidence_is_watched():
    monitor = Monitor([Confidence(i / 100) for i in range(100)])
    assert monitor.observe(Confidence(0.5, novelty=99.0)) is None


def test_what_cannot_be_watched_is_refused():
    reference = [Confidence(0.5)] * 50
    with pytest.raises(NotEnoughDataError, match="50 confidences or more, got 49"):
        Monitor(reference[1:])
    for wrong in ({"alpha": 0}, {"alpha": 1}, {"false_alarms": 0}, {"audit_rate": 0}, {"audit_rate": 1.1}):
        with pytest.raises(InvalidInputError):
            Monitor(reference, **wrong)
    with pytest.raises(InvalidInputError, match="alpha"):
        Monitor(reference).audit(True)


def test_divergences_are_those_of_the_textbooks():
    same = np.linspace(0, 1, 1000)
    assert stability(same, same) == pytest.approx((0, 0))
    psi, js = stability(same, np.linspace(0, 0.499, 1000))
    # Half of the bins empty, the others twice as full: (1/2) log 2 for the full ones and more for the empty ones.
    p, q = np.full(10, 100.5) / 1005, np.array([200.5] * 5 + [0.5] * 5) / 1005
    m = (p + q) / 2
    assert psi == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=0.03)
    assert js == pytest.approx((p * np.log2(p / m)).sum() / 2 + (q * np.log2(q / m)).sum() / 2, rel=0.03)
