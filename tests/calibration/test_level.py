"""A task's accuracy from its unlabelled answers: it follows what the signals show, and says how far it may be off."""

import numpy as np
import pytest
from scipy.special import expit, logit

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.level import SIZES, Level, Step, answer_signals, choice_signals, fit_level, task_signals
from thermolang.errors import InvalidInputError


def task(rng, name, *, odds=None, told=1.0, n=60, group=""):
    """A task whose log-odds of a right answer shows in its signals; ``told`` 0 tells nothing."""
    odds = float(rng.normal(0, 1.5)) if odds is None else odds
    check, logprob = told * odds, -1.0 + 0.3 * told * odds
    yes = check + rng.normal(0, 1, n) + rng.normal(0, 0.2)
    p = np.exp(np.minimum(logprob + rng.normal(0, 0.3, n) + rng.normal(0, 0.05), 0))
    wrong = (rng.random(n) > expit(odds)).astype(np.int64)
    z = np.stack([yes, np.zeros(n)], 1)
    return TaskFeatures(name, np.zeros((n, 2), np.float32), z, wrong, group, SELF_CHECK, signals={"mean_logprob": p})


def fitted(seed=0, tasks=40, **settings):
    rng = np.random.default_rng(seed)
    made = [task(rng, f"t{i}", **settings) for i in range(tasks)]
    return fit_level(made, [t.name for t in made]), rng


def test_the_estimate_follows_what_the_answers_show():
    level, rng = fitted()
    for odds in (-2.5, 0.0, 2.0):
        new = task(rng, "new", odds=odds, n=200)
        assert level.estimate(task_signals(new)).accuracy == pytest.approx(expit(odds), abs=0.12)


def test_signals_that_tell_nothing_leave_the_estimate_at_the_training_accuracy():
    level, rng = fitted(told=0.0)
    new = task(rng, "new", odds=-3.0, told=0.0)
    assert level.estimate(task_signals(new)).log_odds == pytest.approx(level.start, abs=0.5)
    # And the interval is honest about it.
    assert level.steps[-1].half_width > 1.5


def test_more_inputs_count_for_more_and_leave_less_to_doubt():
    level, _ = fitted(tasks=80)
    assert [s.inputs for s in level.steps] == [0, *SIZES]
    weights = [s.weight for s in level.steps]
    assert weights[0] == 0 < weights[1] < weights[-1]
    assert level.steps[0].half_width > level.steps[2].half_width > level.steps[4].half_width


@pytest.mark.parametrize("inputs", [1, 10, 40])
def test_intervals_hold_the_accuracy_of_new_tasks(inputs):
    level, rng = fitted(tasks=60)
    held = []
    for _ in range(200):
        odds = float(rng.normal(0, 1.5))
        found = level.estimate(task_signals(task(rng, "new", odds=odds, n=inputs + 1))[:inputs])
        held.append(abs(found.log_odds - odds) <= found.half_width)
    assert 0.82 < np.mean(held) <= 1.0


def test_the_order_of_inputs_does_not_matter():
    level, rng = fitted()
    signals = task_signals(task(rng, "new"))
    assert level.estimate(signals[::-1]).log_odds == pytest.approx(level.estimate(signals).log_odds, abs=1e-12)


def test_without_log_probabilities_nothing_is_known_but_the_training_accuracy():
    level, rng = fitted()
    z = task(rng, "new").logits
    found = level.estimate(answer_signals(z, None))
    assert (found.log_odds, found.half_width) == (level.start, level.steps[0].half_width)
    assert level.estimate(np.zeros((0, 2))) == found
    some = answer_signals(z, np.where(np.arange(60) < 30, 0.5, np.nan))
    assert level.estimate(some) == level.estimate(some[:30])


def test_a_group_has_one_vote():
    rng = np.random.default_rng(5)
    tasks = [task(rng, f"t{i}", odds=o) for i, o in enumerate(np.linspace(-2, 2, 12))]
    easy = [task(rng, f"easy{i}", odds=3.0) for i in range(30)]
    together = fit_level([*tasks, *easy], [*(t.name for t in tasks), *["easy"] * 30])
    apart = fit_level([*tasks, *easy], [t.name for t in [*tasks, *easy]])
    assert expit(together.start) == pytest.approx(0.53, abs=0.06)
    assert expit(apart.start) > 0.75


def test_tasks_that_are_all_right_or_all_wrong_are_learned_from():
    rng = np.random.default_rng(6)
    tasks = [task(rng, f"t{i}", odds=o) for i, o in enumerate([40.0, -40.0] * 4)]
    level = fit_level(tasks, [t.name for t in tasks])
    assert all(np.isfinite([s.weight, s.sd, s.half_width]).all() for s in level.steps)


def test_too_few_groups_teach_no_level():
    rng = np.random.default_rng(7)
    tasks = [task(rng, f"t{i}") for i in range(4)]
    assert fit_level(tasks, ["a", "a", "b", "b"]) is None
    silent = [TaskFeatures(t.name, t.hidden, t.logits, t.labels, "", SELF_CHECK) for t in tasks]
    assert fit_level(silent, ["a", "b", "c", "d"]) is None


def test_between_measured_numbers_of_inputs_it_is_interpolated():
    steps = (Step(0, 0.0, 2.0, 3.0), Step(10, 1.0, 1.0, 1.5))
    level = Level(0.0, (0.0, 1.0, 0.0), steps)
    halfway = level.estimate(np.tile([2.0, -0.1], (3, 1)))
    share = np.log1p(3) / np.log1p(10)
    assert halfway.log_odds == pytest.approx(2 * share)
    assert halfway.half_width == pytest.approx(3 - 1.5 * share)
    assert level.estimate(np.tile([2.0, -0.1], (1000, 1))).log_odds == pytest.approx(2.0)


def test_a_level_that_is_not_finite_is_refused():
    with pytest.raises(InvalidInputError, match="finite"):
        Level(float("nan"), (0.0, 1.0, 0.0), (Step(0, 0.0, 1.0, 1.0),))
    with pytest.raises(InvalidInputError, match="3 finite"):
        Level(0.0, (0.0,), (Step(0, 0.0, 1.0, 1.0),))


def test_the_answers_signals():
    found = answer_signals(np.array([[2.0, 0.5]]), np.array([0.5]))
    np.testing.assert_allclose(found, [[1.5, np.log(0.5)]])
    assert logit(expit(found[0, 0])) == pytest.approx(1.5)


# Choices


def choices(rng, name, *, sure, apart=1.0, n=60):
    """Choices among 4; the model is about as sure as it is right, where its logits differ from question to question."""
    top = rng.normal(sure, apart, n)
    z = np.column_stack([top, *rng.normal(0.0, 0.3, (3, n))])
    order = np.argsort(rng.random((n, 4)), axis=1)
    z = np.take_along_axis(z, order, axis=1)
    right = rng.random(n) < expit(z.max(1) - np.log(3) - 0.5)
    labels = np.where(right, z.argmax(1), z.argmin(1))
    return TaskFeatures(name, np.zeros((n, 2), dtype=np.float32), z, labels)


def test_the_level_of_choices_is_learned_from_how_sure_they_are():
    rng = np.random.default_rng(0)
    tasks = [choices(rng, f"t{i}", sure=s) for i, s in enumerate(rng.uniform(0.0, 4.0, 40))]
    level = fit_level(tasks, [t.name for t in tasks])
    for sure in (0.5, 3.5):
        new = choices(rng, "new", sure=sure, n=400)
        assert level.estimate(task_signals(new)).accuracy == pytest.approx(new.right.mean(), abs=0.1)


def test_the_order_of_choices_and_their_number_do_not_matter_to_the_level():
    rng = np.random.default_rng(1)
    task = choices(rng, "t", sure=1.0)
    mixed = np.take_along_axis(task.logits, np.argsort(rng.random((60, 4)), axis=1), axis=1)
    np.testing.assert_allclose(choice_signals(mixed), task_signals(task))
    wide = np.column_stack([task.logits, np.full((60, 2), -1e3)])
    np.testing.assert_allclose(choice_signals(wide), task_signals(task))


def test_one_choice_says_next_to_nothing_and_equal_ones_no_more():
    rng = np.random.default_rng(2)
    tasks = [choices(rng, f"t{i}", sure=s) for i, s in enumerate(rng.uniform(0.0, 4.0, 40))]
    level = fit_level(tasks, [t.name for t in tasks])
    one = task_signals(tasks[0])[:1]
    assert level.estimate(one).half_width > level.estimate(task_signals(tasks[0])).half_width
    assert 0 < level.estimate(np.repeat(one, 10, axis=0)).accuracy < 1
