"""What verdicts teach a task: nothing at 0, the truth at many, the same in any order; with a head and without one."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from thermolang.calibration.head import Head, Hyperparameters
from thermolang.calibration.input_kinds import KindSpace
from thermolang.calibration.kinds import CHOICE, SELF_CHECK, choice_probabilities, self_check_probability
from thermolang.calibration.learner import AnswerScores, Learner, Standing
from thermolang.calibration.level import Level, Step
from thermolang.calibration.posterior import VerdictPrior, robust_intercept
from thermolang.types import Scale

PRIOR = VerdictPrior(0.5, 1.0, -0.3)
SCALE = Scale(0.8, -0.4)
START = Standing(SCALE)
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
    readings = answers(20, options=2 if kind.has_bias else 4)
    z, _ = arrays(readings)
    scale = Scale(0.8, -0.4 if kind.has_bias else 0.0)
    found = Learner(kind, PRIOR).probability(readings, Standing(scale))
    expected = self_check_probability(z, *scale) if kind.has_bias else choice_probabilities(z, 0.8).max(-1)
    np.testing.assert_array_equal(found, expected)


def test_a_bias_of_choices_moves_the_log_odds_of_the_answer():
    readings = answers(20, options=4)
    plain, moved = (Learner(kind=CHOICE).probability(readings, Standing(Scale(0.8, b))) for b in (0.0, 0.7))
    np.testing.assert_allclose(logit(moved) - logit(plain), 0.7)


@pytest.mark.parametrize(
    "learner", [Learner(SELF_CHECK, PRIOR), Learner(SELF_CHECK, PRIOR, head()), Learner(SELF_CHECK)]
)
def test_without_verdicts_nothing_is_learned(learner):
    assert learner.learned(Standing(SCALE, 0.3), []) == Standing(SCALE, 0.3)


def test_a_calibrator_without_a_prior_learns_nothing():
    readings = answers(5)
    assert Learner(kind=SELF_CHECK).learned(START, [(r, True) for r in readings]) == START


@pytest.mark.parametrize("with_head", [True, False])
def test_the_order_of_verdicts_does_not_matter(with_head):
    learner = Learner(SELF_CHECK, PRIOR, head() if with_head else None)
    verdicts = judged(answers(30), np.zeros(30))
    one, other = (learner.learned(Standing(SCALE, 0.1), v) for v in (verdicts, verdicts[::-1]))
    assert one.scale == pytest.approx(other.scale, abs=1e-9)
    assert (one.intercept, one.share) == pytest.approx((other.intercept, other.share), abs=1e-9)


def test_many_verdicts_find_the_temperature_and_bias():
    readings, truth = answers(4000), (0.3, 0.9)
    z, _ = arrays(readings)
    found = Learner(SELF_CHECK, PRIOR).learned(START, judged(readings, (z[:, 0] - z[:, 1]) * truth[0] + truth[1]))
    assert found.scale == pytest.approx(truth, abs=0.08)
    assert found.share < 0.1


def test_many_verdicts_find_the_level():
    one, readings = head(), answers(4000)
    odds = one.odds(*arrays(readings), SCALE) + 1.3
    found = Learner(SELF_CHECK, PRIOR, one).learned(Standing(SCALE, 0.4), judged(readings, odds))
    assert (found.scale, found.intercept) == (SCALE, pytest.approx(1.3, abs=0.12))
    assert found.share < 0.15


def test_the_level_is_that_of_the_intercepts_posterior():
    one, readings = head(), answers(12)
    verdicts = judged(readings, np.zeros(12))
    odds, right = one.odds(*arrays(readings), SCALE) + 0.4, np.array([v for _, v in verdicts])
    mean, sd = robust_intercept(odds, right, one.spread)
    assert Learner(SELF_CHECK, PRIOR, one).learned(Standing(SCALE, 0.4), verdicts) == Standing(
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
        found = learner.learned(START, judged(readings[:verdicts], odds[:verdicts], int(rng.integers(1 << 30))))
        before, after = (learner.probability(readings[verdicts:], s).mean() for s in (START, found))
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
        shares = [learner.learned(START, verdicts[:n]).share for n in (0, 5, 20, 40)]
        assert shares == sorted(shares, reverse=True)
        assert 0 < shares[-1] < shares[0] == 1


@pytest.mark.parametrize("right", [True, False])
def test_verdicts_move_towards_what_they_say(right):
    readings = answers(10)
    for learner in (Learner(SELF_CHECK, PRIOR), Learner(SELF_CHECK, PRIOR, head())):
        found = learner.learned(START, [(r, right) for r in readings])
        before, after = (learner.probability(readings, s).mean() for s in (START, found))
        assert bool(after > before) is right


def test_an_anchored_head_keeps_the_mean_of_the_temperature():
    one = head(kind=CHOICE)
    readings = answers(50, options=4)
    learner, scale = Learner(CHOICE, PRIOR, one), Scale(0.8, 0.0)
    z, _ = arrays(readings)
    plain = CHOICE.probability(z, scale)
    found = learner.probability(readings, learner.start(scale, readings))
    assert found.mean() == pytest.approx(plain.mean(), abs=1e-9)


def test_a_head_that_is_not_anchored_starts_at_0():
    assert not head().anchored
    assert Learner(SELF_CHECK, PRIOR, head()).start(SCALE, answers(5)) == START
    assert head(tau=0.9, tau_anchored=0.5).anchored
    assert Learner(SELF_CHECK, PRIOR, head(tau=0.9, tau_anchored=0.5)).start(SCALE, []) == START


def test_answers_with_different_numbers_of_options_learn_together():
    mixed = [*answers(20, options=3), *answers(20, options=5, seed=4)]
    one = head(kind=CHOICE)
    learner, scale = Learner(CHOICE, PRIOR, one), Scale(0.8, 0.0)
    start = learner.start(scale, mixed)
    alone = [learner.probability([r], start)[0] for r in mixed]
    plain = [Learner(kind=CHOICE).probability([r], Standing(scale))[0] for r in mixed]
    assert np.mean(alone) == pytest.approx(np.mean(plain), abs=1e-9)
    # Without a head, options that an answer does not have must not count: they would lower its confidence.
    three = [(r, True) for r in mixed[:20]]
    filled = [(replace(r, logits=(*r.logits, -1e3, -1e3)), True) for r in mixed[:20]]
    together = Learner(CHOICE, PRIOR).learned(Standing(scale), [*three, (mixed[-1], False)])
    padded = Learner(CHOICE, PRIOR).learned(Standing(scale), [*filled, (mixed[-1], False)])
    assert together.scale == pytest.approx(padded.scale, rel=1e-6)


def test_an_unknown_log_probability_counts_as_the_usual_one():
    one = head(logprob=2.0)
    hidden = RNG.normal(0, 1, (3, 6))
    unknown = one.logit_offset(hidden)
    np.testing.assert_array_equal(one.logit_offset(hidden, np.full(3, np.nan)), unknown)
    np.testing.assert_allclose(one.logit_offset(hidden, np.full(3, 0.6)), unknown)
    np.testing.assert_allclose(one.logit_offset(hidden, np.full(3, 1.0)) - unknown, 0.8)


# The level of unlabelled answers

LEVEL = Level(-0.5, (0.0, 1.0, 0.0), (Step(0, 0.0, 2.0, 3.0), Step(1, 0.5, 1.5, 2.5), Step(10, 1.0, 0.8, 1.2)))
SPACE = KindSpace(np.zeros(2), np.eye(2), 2.0)


def placed(n, at, *, check=0.0, seed=7):
    """Answers of one kind: their place and the mean of their self-check."""
    rng = np.random.default_rng(seed)
    yes = check + rng.normal(0, 1, n)
    yes += check - yes.mean()
    return [AnswerScores((float(y), 0.0), 0.0, 0.5, at) for y in yes]


@pytest.mark.parametrize("with_head", [True, False])
def test_the_mean_confidence_of_each_kind_is_its_estimated_accuracy(with_head):
    learner = Learner(SELF_CHECK, PRIOR, head() if with_head else None, LEVEL, SPACE)
    easy, hopeless = placed(30, (0.0, 0.0), check=2.0), placed(20, (9.0, 0.0), check=-3.0)
    start = learner.start(SCALE, [*easy, *hopeless])
    assert [k.inputs for k in start.kinds] == [30, 20]
    assert learner.probability(easy, start).mean() == pytest.approx(expit(2.0), abs=1e-9)
    assert learner.probability(hopeless, start).mean() == pytest.approx(expit(-3.0), abs=1e-9)
    # One kind for all would give neither.
    alike = replace(learner, space=None)
    assert alike.probability(easy, alike.start(SCALE, [*easy, *hopeless])).mean() < 0.8


def test_an_input_unlike_all_others_has_a_level_of_its_own():
    learner = Learner(SELF_CHECK, PRIOR, None, LEVEL, SPACE)
    start = learner.start(SCALE, placed(30, (0.0, 0.0), check=2.0))
    (odd,) = placed(1, (50.0, 0.0), check=-4.0)
    expected = LEVEL.estimate(np.array([[-4.0, np.log(0.5)]]))
    assert learner.probability([odd], start)[0] == pytest.approx(expected.accuracy)
    assert learner.input_kind(odd, start).estimate == expected
    # So has any input of a task that has seen none.
    assert learner.probability([odd], Standing(SCALE))[0] == pytest.approx(expected.accuracy)


def test_a_score_does_not_depend_on_what_is_scored_with_it():
    learner = Learner(SELF_CHECK, PRIOR, head(), LEVEL, SPACE)
    mixed = [*placed(10, (0.0, 0.0)), *placed(10, (9.0, 0.0)), *placed(1, (50.0, 0.0))]
    start = learner.start(SCALE, mixed[:-1])
    together = learner.probability(mixed, start)
    alone = [learner.probability([a], start)[0] for a in mixed]
    np.testing.assert_array_equal(together, alone)


def test_verdicts_move_all_kinds_by_what_the_level_left_open():
    learner = Learner(SELF_CHECK, PRIOR, None, LEVEL, SPACE)
    easy, hopeless = placed(30, (0.0, 0.0), check=2.0), placed(20, (9.0, 0.0), check=-3.0)
    start = learner.start(SCALE, [*easy, *hopeless])
    now = learner.learned(start, judged(easy, np.full(30, 1.0)))
    assert now.intercept < 0
    assert 0 < now.share < 1


def test_answers_without_log_probabilities_are_at_the_training_accuracy():
    learner = Learner(SELF_CHECK, PRIOR, None, LEVEL, SPACE)
    unknown = [replace(a, mean_probability=None) for a in placed(30, (0.0, 0.0), check=2.0)]
    start = learner.start(SCALE, unknown)
    assert learner.probability(unknown, start).mean() == pytest.approx(expit(LEVEL.start), abs=1e-9)
    assert learner.input_kind(unknown[0], start).estimate.half_width == LEVEL.steps[0].half_width


@pytest.mark.parametrize("with_head", [True, False])
def test_the_mean_confidence_of_choices_is_their_estimated_accuracy(with_head):
    level = replace(LEVEL, coefficients=(0.0, 0.4, 0.1))
    learner = Learner(CHOICE, PRIOR, head(kind=CHOICE) if with_head else None, level)
    # Of different numbers of options, so that all of them count.
    given = [*answers(20, options=4), *answers(20, options=3, seed=2)]
    start = learner.start(Scale(0.8, 0.0), given)
    odds = np.concatenate([CHOICE.log_odds(np.array([a.logits for a in part])) for part in (given[:20], given[20:])])
    expected = expit(0.4 * odds.mean() + 0.1 * odds.std())
    assert learner.probability(given, start).mean() == pytest.approx(expected, abs=1e-9)
    mixed = [replace(a, logits=a.logits[::-1]) for a in given]
    np.testing.assert_allclose(
        learner.probability(mixed, learner.start(Scale(0.8, 0.0), mixed)), learner.probability(given, start)
    )
