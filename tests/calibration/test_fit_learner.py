"""What verdicts teach a task: nothing at 0, the truth at many, the same in any order; with a head and without one."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from thermolang.calibration.fit import AnswerScores, Learned, Learner
from thermolang.calibration.head import Head, Hyperparameters
from thermolang.calibration.kinds import CHOICE, SELF_CHECK, choice_probabilities, self_check_probability
from thermolang.calibration.posterior import VerdictPrior, robust_intercept
from thermolang.types import Scale

PRIOR = VerdictPrior(0.5, 1.0, -0.3)
SCALE = (0.8, -0.4)
RNG = np.random.default_rng(0)


def head(*, kind=SELF_CHECK, tau=0.5, tau_anchored=0.9, logprob=0.0):
    coefficients = np.array([0.2, -0.3, 0.1, 0.4], np.float32)
    weights = RNG.normal(0, 1, 6).astype(np.float32)
    return Head(coefficients, weights, kind, tau, tau_anchored, Hyperparameters(3, 0.3), 0.1, 0.01, 0.02, logprob, 0.6)


def answers(n, *, options=2, seed=1):
    rng = np.random.default_rng(seed)
    return [AnswerScores(tuple(rng.normal(0, 2, options)), float(rng.normal())) for _ in range(n)]


def arrays(readings):
    return np.array([r.logits for r in readings]), np.array([r.logit_offset for r in readings])


def judged(readings, odds, seed=2):
    right = np.random.default_rng(seed).random(len(readings)) < expit(odds)
    return list(zip(readings, right.tolist(), strict=True))


@pytest.mark.parametrize("kind", [SELF_CHECK, CHOICE])
def test_without_a_head_it_is_the_task_temperature(kind):
    z, logit_offset = arrays(answers(20, options=2 if kind.has_bias else 4))
    scale = Scale(0.8, -0.4 if kind.has_bias else 0.0)
    found = Learner(kind, PRIOR).probability(z, logit_offset, scale)
    expected = self_check_probability(z, *scale) if kind.has_bias else choice_probabilities(z, 0.8).max(-1)
    np.testing.assert_array_equal(found, expected)


def test_a_bias_of_choices_moves_the_log_odds_of_the_answer():
    z, logit_offset = arrays(answers(20, options=4))
    plain, moved = (Learner(kind=CHOICE).probability(z, logit_offset, (0.8, b)) for b in (0.0, 0.7))
    np.testing.assert_allclose(logit(moved) - logit(plain), 0.7)


@pytest.mark.parametrize(
    "learner", [Learner(SELF_CHECK, PRIOR), Learner(SELF_CHECK, PRIOR, head()), Learner(SELF_CHECK)]
)
def test_without_verdicts_nothing_is_learned(learner):
    assert learner.learned(SCALE, 0.3, []) == Learned(SCALE, 0.3, 1.0)


def test_a_calibrator_without_a_prior_learns_nothing():
    readings = answers(5)
    assert Learner(kind=SELF_CHECK).learned(SCALE, 0.0, [(r, True) for r in readings]) == Learned(SCALE, 0.0, 1.0)


@pytest.mark.parametrize("with_head", [True, False])
def test_the_order_of_verdicts_does_not_matter(with_head):
    learner = Learner(SELF_CHECK, PRIOR, head() if with_head else None)
    verdicts = judged(answers(30), np.zeros(30))
    one, other = learner.learned(SCALE, 0.1, verdicts), learner.learned(SCALE, 0.1, verdicts[::-1])
    assert one.scale == pytest.approx(other.scale, abs=1e-9)
    assert (one.intercept, one.share) == pytest.approx((other.intercept, other.share), abs=1e-9)


def test_many_verdicts_find_the_temperature_and_bias():
    readings, truth = answers(4000), (0.3, 0.9)
    z, _ = arrays(readings)
    found = Learner(SELF_CHECK, PRIOR).learned(SCALE, 0.0, judged(readings, (z[:, 0] - z[:, 1]) * truth[0] + truth[1]))
    assert found.scale == pytest.approx(truth, abs=0.08)
    assert found.share < 0.1


def test_many_verdicts_find_the_level():
    one, readings = head(), answers(4000)
    odds = one.odds(*arrays(readings), SCALE) + 1.3
    found = Learner(SELF_CHECK, PRIOR, one).learned(SCALE, 0.4, judged(readings, odds))
    assert (found.scale, found.intercept) == (SCALE, pytest.approx(1.3, abs=0.12))
    assert found.share < 0.15


def test_the_level_is_that_of_the_intercepts_posterior():
    one, readings = head(), answers(12)
    verdicts = judged(readings, np.zeros(12))
    odds, right = one.odds(*arrays(readings), SCALE) + 0.4, np.array([v for _, v in verdicts])
    mean, sd = robust_intercept(odds, right, one.spread)
    assert Learner(SELF_CHECK, PRIOR, one).learned(SCALE, 0.4, verdicts) == Learned(
        SCALE, 0.4 + mean, min(1.0, sd / one.spread)
    )


@pytest.mark.parametrize("verdicts", [10, 40])
@pytest.mark.parametrize("with_head", [True, False])
def test_narrowed_intervals_still_hold_the_accuracy(with_head, verdicts):
    """Tasks drawn from the prior: an interval of 90 % before verdicts, narrowed by ``share``, over many draws."""
    one = head(tau=0.8) if with_head else None
    learner, rng, held = Learner(SELF_CHECK, VerdictPrior(0.2, 0.8), one), np.random.default_rng(3), []
    misses = []
    for _ in range(120):
        readings = answers(verdicts + 200, seed=int(rng.integers(1 << 30)))
        z, logit_offset = arrays(readings)
        if with_head:
            odds = one.odds(z, logit_offset, SCALE) + rng.normal(0, 0.8)
        else:
            odds = (z[:, 0] - z[:, 1]) * SCALE[0] * np.exp(rng.normal(0, 0.2)) + SCALE[1] + rng.normal(0, 0.8)
        found = learner.learned(SCALE, 0.0, judged(readings[:verdicts], odds[:verdicts], int(rng.integers(1 << 30))))
        before, after = (
            learner.probability(z[verdicts:], logit_offset[verdicts:], s, c).mean()
            for s, c in ((SCALE, 0.0), (found.scale, found.intercept))
        )
        truth = logit(expit(odds[verdicts:]).mean())
        misses.append(abs(truth - logit(before)))
        held.append((abs(truth - logit(after)), found.share))
    width = float(np.quantile(misses, 0.9))
    covered = np.mean([miss <= width * share for miss, share in held])
    assert covered > 0.8
    assert np.mean([share for _, share in held]) < (0.95 if verdicts == 10 else 0.7)


def test_each_verdict_leaves_less_to_know():
    verdicts = judged(answers(40), np.zeros(40))
    for learner in (Learner(SELF_CHECK, PRIOR), Learner(SELF_CHECK, PRIOR, head())):
        shares = [learner.learned(SCALE, 0.0, verdicts[:n]).share for n in (0, 5, 20, 40)]
        assert shares == sorted(shares, reverse=True)
        assert 0 < shares[-1] < shares[0] == 1


@pytest.mark.parametrize("right", [True, False])
def test_verdicts_move_towards_what_they_say(right):
    readings = answers(10)
    z, logit_offset = arrays(readings)
    for learner in (Learner(SELF_CHECK, PRIOR), Learner(SELF_CHECK, PRIOR, head())):
        found = learner.learned(SCALE, 0.0, [(r, right) for r in readings])
        before, after = (
            learner.probability(z, logit_offset, s, c).mean() for s, c in ((SCALE, 0.0), (found.scale, found.intercept))
        )
        assert bool(after > before) is right


def test_an_anchored_head_keeps_the_mean_of_the_temperature():
    one = head(kind=CHOICE)
    readings = answers(50, options=4)
    learner, scale = Learner(CHOICE, PRIOR, one), (0.8, 0.0)
    intercept = learner.intercept(scale, readings)
    z, logit_offset = arrays(readings)
    plain = CHOICE.probability(z, (0.8, 0.0))
    assert learner.probability(z, logit_offset, scale, intercept).mean() == pytest.approx(plain.mean(), abs=1e-9)


def test_a_head_that_is_not_anchored_starts_at_0():
    assert not head().anchored
    assert Learner(SELF_CHECK, PRIOR, head()).intercept(SCALE, answers(5)) == 0.0
    assert head(tau=0.9, tau_anchored=0.5).anchored
    assert Learner(SELF_CHECK, PRIOR, head(tau=0.9, tau_anchored=0.5)).intercept(SCALE, []) == 0.0


def test_answers_with_different_numbers_of_options_learn_together():
    mixed = [*answers(20, options=3), *answers(20, options=5, seed=4)]
    one = head(kind=CHOICE)
    learner = Learner(CHOICE, PRIOR, one)
    intercept = learner.intercept((0.8, 0.0), mixed)
    alone = [learner.probability(*arrays([r]), (0.8, 0.0), intercept)[0] for r in mixed]
    plain = [Learner(kind=CHOICE).probability(*arrays([r]), (0.8, 0.0))[0] for r in mixed]
    assert np.mean(alone) == pytest.approx(np.mean(plain), abs=1e-9)
    # Without a head, options that an answer does not have must not count: they would lower its confidence.
    three = [(r, True) for r in mixed[:20]]
    filled = [(replace(r, logits=(*r.logits, -1e3, -1e3)), True) for r in mixed[:20]]
    together = Learner(CHOICE, PRIOR).learned((0.8, 0.0), 0.0, [*three, (mixed[-1], False)])
    padded = Learner(CHOICE, PRIOR).learned((0.8, 0.0), 0.0, [*filled, (mixed[-1], False)])
    assert together.scale == pytest.approx(padded.scale, rel=1e-6)


def test_an_unknown_log_probability_counts_as_the_usual_one():
    one = head(logprob=2.0)
    hidden = RNG.normal(0, 1, (3, 6))
    unknown = one.logit_offset(hidden)
    np.testing.assert_array_equal(one.logit_offset(hidden, np.full(3, np.nan)), unknown)
    np.testing.assert_allclose(one.logit_offset(hidden, np.full(3, 0.6)), unknown)
    np.testing.assert_allclose(one.logit_offset(hidden, np.full(3, 1.0)) - unknown, 0.8)
