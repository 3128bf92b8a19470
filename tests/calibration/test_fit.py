"""What a new task may be off by: the conformal quantile, its coverage, and how much the prior weighs."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from scipy.special import expit

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration import fit as fitting
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.fit import (
    LEVEL,
    MIN_TASKS,
    Prior,
    _prior_inputs,
    conformal_quantile,
    fit,
    helps,
    prior_and_scales,
    useful_level,
)
from thermolang.calibration.kinds import CHOICE, SELF_CHECK, choice_probabilities
from thermolang.calibration.temperature import fit_temperature
from thermolang.calibration.training import TrainingConfig, train
from thermolang.errors import NotEnoughDataError

FAST = TrainingConfig(steps=40, learning_rate=1e-2, evaluate_every=20)


def logit(p):
    return np.log(p / (1 - p))


def prior_of(tasks, readings, *, bias, start=(0.5, 0.0)):
    """The prior if every task's left-out fit starts at ``start``."""
    with patch.object(fitting, "_starts", lambda tasks, _config: [start] * len(tasks)):
        return prior_and_scales(tasks, readings, TrainingConfig(bias=bias))[0]


# The conformal quantile


@pytest.mark.parametrize(
    ("n", "rank"),
    [(1, 1), (5, 5), (8, 8), (9, 9), (10, 10), (18, 18), (19, 18), (20, 19), (29, 27), (99, 90)],
)
def testconformal_quantile_is_an_order_statistic(n, rank):
    misses = np.random.default_rng(0).permutation(np.arange(1, n + 1)).tolist()
    assert conformal_quantile(misses) == rank


@pytest.mark.parametrize("n", [9, 12, 20, 30])
def testconformal_quantile_covers_a_new_task(n):
    rng = np.random.default_rng(n)
    draws = np.abs(rng.normal(0, 1, (6000, n + 1)))
    covered = np.mean([row[-1] <= conformal_quantile(row[:-1].tolist()) for row in draws])
    assert LEVEL - 0.015 <= covered <= LEVEL + 1 / (n + 1) + 0.015


def test_with_few_tasks_the_largest_miss_covers_what_it_can():
    draws = np.abs(np.random.default_rng(0).normal(0, 1, (6000, 5)))
    covered = np.mean([row[-1] <= conformal_quantile(row[:-1].tolist()) for row in draws])
    assert covered == pytest.approx(4 / 5, abs=0.02)


def test_the_interval_covers_the_accuracy_of_new_tasks():
    """Tasks whose predicted bias is off by a random amount: the interval around the mean holds the accuracy."""
    rng, covered = np.random.default_rng(0), []
    for repeat in range(60):
        off = rng.normal(0, 0.7, 13)
        tasks = [self_check_task("t", 1.5, off[k], items=150, width=4, seed=100 * repeat + k) for k in range(13)]
        readings = [(np.full(150, 1 / 1.5), np.zeros(150))] * 12  # the predicted bias is 0 everywhere
        prior = prior_of(tasks[:12], readings, bias=True, start=(1 / 1.5, 0.0))
        new = tasks[12]
        expected = SELF_CHECK.probability(new.logits, (1 / 1.5, 0.0)).mean()
        covered.append(abs(logit((new.labels == 0).mean()) - logit(expected)) <= prior.half_width)
    assert np.mean(covered) >= 0.85


# How much the prior weighs


def test_prior_inputs_are_variance_within_over_variance_between():
    # Within each task a variance of 0.04; the means 0.5 and 0.7 have a variance of 0.01.
    inverse = [np.array([0.3, 0.7]), np.array([0.5, 0.9])]
    assert _prior_inputs(inverse) == pytest.approx(4.0)


def test_prior_inputs_stay_within_their_bounds():
    same = [np.array([0.2, 0.8]), np.array([0.8, 0.2])]
    assert _prior_inputs(same) == 100  # tasks that do not differ: the prior outweighs a hundred inputs
    constant = [np.full(4, 0.3), np.full(4, 0.9)]
    assert _prior_inputs(constant) == 0  # one input tells all
    assert _prior_inputs([np.full(3, 0.5)] * 4) == 0  # no variance at all
    rng = np.random.default_rng(0)
    for _ in range(50):
        tasks = [rng.gamma(2, rng.uniform(0.01, 3), rng.integers(1, 9)) for _ in range(rng.integers(1, 6))]
        assert 0 <= _prior_inputs(tasks) <= 100


def test_the_prior_fits_all_tasks_together_each_weighing_the_same():
    tasks = [
        self_check_task(f"t{i}", 1.0, b, items=n, width=4) for i, (b, n) in enumerate([(-2, 10), (0, 20), (2, 400)])
    ]
    readings = [(np.full(n, s), np.full(n, b)) for s, b, n in ((0.2, -1.0, 10), (0.4, 0.5, 20), (0.9, 2.0, 400))]
    prior = prior_of(tasks, readings, bias=True)
    assert (prior.inverse_temperature, prior.bias) == fit_temperature(tasks, TrainingConfig(bias=True))
    assert prior.base_rate == pytest.approx(np.mean([(t.labels == 0).mean() for t in tasks]))
    assert prior.tasks == 3


def test_base_rate_of_choices_counts_the_argmax():
    tasks = [choice_task(f"t{i}", t, items=50, width=4) for i, t in enumerate((1.0, 2.0, 3.0))]
    readings = [(np.full(50, 0.5), np.zeros(50))] * 3
    expected = np.mean([(t.logits.argmax(1) == t.labels).mean() for t in tasks])
    assert prior_of(tasks, readings, bias=False).base_rate == pytest.approx(expected)


def test_a_task_that_is_all_right_keeps_the_interval_finite():
    tasks = [self_check_task(f"t{i}", 1.0, 0.0, items=20, width=4) for i in range(3)]
    tasks = [replace(t, labels=np.zeros(20, dtype=np.int64)) for t in tasks]
    prior = prior_of(tasks, [(np.full(20, 1.0), np.zeros(20))] * 3, bias=True)
    assert prior.base_rate == 1
    assert 0 < prior.half_width < 20


# How far the network is trusted


def test_a_network_that_knows_the_tasks_is_trusted_and_one_that_guesses_is_not():
    biases = (-2.0, -1.0, 0.0, 1.0, 2.0)
    tasks = [self_check_task(f"t{i}", 1.0, b, items=300, width=4, seed=i) for i, b in enumerate(biases)]
    knows = [(np.full(300, 1.0), np.full(300, b)) for b in biases]
    opposite = [(np.full(300, 1.0), np.full(300, -b)) for b in biases]
    assert prior_of(tasks, knows, bias=True, start=(1.0, 0.0)).shrinkage_weight > 0.8
    assert prior_of(tasks, opposite, bias=True, start=(1.0, 0.0)).shrinkage_weight == 0.0


def test_a_task_moves_from_the_prior_to_its_readings_as_far_as_it_is_trusted():
    prior = Prior(0.5, -1.0, inputs=4.0, half_width=1.0, base_rate=0.5, tasks=5, shrinkage_weight=0.5)
    assert prior.moved(0.9, 1.0, 0) == (0.5, -1.0)
    assert prior.moved(0.9, 1.0, 4) == pytest.approx((0.6, -0.5))
    assert prior.moved(0.9, 1.0, 10**9) == pytest.approx((0.7, 0.0), abs=1e-6)


def test_tasks_of_one_group_are_left_out_together():
    tasks = [choice_task(f"t{i}", 1.0 + i, items=20, width=8) for i in range(4)]
    paired = [replace(t, group="pair" if i < 3 else "alone") for i, t in enumerate(tasks)]
    with pytest.raises(NotEnoughDataError, match="groups"):
        fit(paired, FAST)


def test_no_task_is_read_by_a_network_that_saw_its_group(monkeypatch):
    seen = []

    def recording(tasks, folds, config, **options):
        seen.extend(folds)
        return train(tasks, folds, config, **options)

    monkeypatch.setattr(fitting, "train", recording)
    groups = ["a", "b", "a", "c", ""]
    tasks = [replace(choice_task(f"t{i}", 1.0, items=20, width=8), group=g) for i, g in enumerate(groups)]
    fit(tasks, FAST)
    everything, *left_out = [set(fold) for fold in seen]
    assert everything == set(range(5))
    assert left_out == [{1, 3, 4}, {0, 2, 3, 4}, {0, 1, 2, 4}, {0, 1, 2, 3}]


# P(right)


def test_probability_right_of_choices_is_the_top_probability():
    z = np.random.default_rng(0).normal(0, 2, (10, 4))
    np.testing.assert_allclose(CHOICE.probability(z, (0.5, 0.0)), choice_probabilities(z, 0.5).max(1))


def test_probability_right_of_a_self_check_is_that_of_yes_and_may_be_small():
    p = SELF_CHECK.probability(np.array([[0.0, 4.0], [4.0, 0.0]]), (0.5, 0.0))
    np.testing.assert_allclose(p, [1 / (1 + np.exp(2)), 1 / (1 + np.exp(-2))])


# The whole fit


def test_fit_trains_on_all_tasks_and_learns_from_those_left_out():
    tasks = [choice_task(f"t{i}", t, items=80, width=16) for i, t in enumerate((0.7, 1.5, 3.0, 4.0))]
    heard = []
    found = fit(tasks, FAST, progress=lambda step, steps: heard.append((step, steps)))
    assert heard[-1] == (40, 40)
    assert found.prior.tasks == 4
    assert found.prior.bias == 0
    assert found.prior.base_rate == pytest.approx(np.mean([t.right.mean() for t in tasks]))
    assert found.prior.half_width > 0
    assert found.inputs.center.shape == (16,)
    inverse, _ = found.network.predict(tasks[0].hidden)
    assert (inverse > 0).all()


@pytest.mark.parametrize("n", range(MIN_TASKS))
def test_too_few_tasks(n):
    with pytest.raises(NotEnoughDataError, match=rf"at least {MIN_TASKS} tasks of one kind, got {n}"):
        fit([choice_task(f"t{i}", 1.0, items=4, width=8) for i in range(n)], FAST)


def test_a_training_task_starts_where_the_others_would_have_it():
    # The odd task's own labels must not reach its start, nor with trust 0 its scale.
    tasks = [choice_task(f"t{i}", 1.0, items=100, width=4, seed=i) for i in range(4)]
    odd = choice_task("odd", 6.0, items=100, width=4, seed=9)
    opposite = [(np.full(100, 5.0), np.zeros(100))] * 5
    prior, scales = prior_and_scales([*tasks, odd], opposite, TrainingConfig())
    assert prior.shrinkage_weight == 0.0
    alone = fit_temperature(tasks, TrainingConfig())
    assert scales[-1] == pytest.approx(alone)
    assert scales[0][0] < scales[-1][0]  # the others' starts know of the odd task


def test_the_miss_of_an_accuracy_is_in_log_odds():
    task = self_check_task("t", 1.0, 0.0, items=200, width=4)
    expected = SELF_CHECK.probability(task.logits, (1.0, 0.7)).mean()
    observed = (task.right.sum() + 0.5) / 201
    assert fitting.task_log_odds_error(task, (1.0, 0.7)) == pytest.approx(abs(logit(observed) - logit(expected)))


def sure_tasks(count, *, told):
    """Choices among 4 whose accuracy shows in how sure they are, or is the same whatever they show."""
    rng = np.random.default_rng(3)
    found = []
    for i, sure in enumerate(rng.uniform(-1.0, 3.0, count)):
        z = np.column_stack([rng.normal(2.0 + sure, 1.0, 80), np.zeros((80, 3))])
        wrong = rng.random(80) > expit(2.0 * sure - 1.0 if told else 0.0)
        labels = np.where(wrong, z.argmin(1), z.argmax(1))
        found.append(TaskFeatures(f"t{i}", np.zeros((80, 2), dtype=np.float32), z, labels))
    return found


def test_choices_get_a_level_only_where_that_lowers_the_nll_of_tasks_left_out():
    for told in (True, False):
        tasks = sure_tasks(24, told=told)
        base = np.mean([t.right.mean() for t in tasks])
        # What it must beat: the same accuracy for all, or what the level would find itself.
        before = [np.full(80, logit(base))] * 24
        found = useful_level(tasks, [t.name for t in tasks], before)
        assert (found is not None) == told


def test_a_gain_on_a_few_groups_alone_is_none():
    tasks = sure_tasks(12, told=True)
    before = [np.zeros(80)] * 12
    better = [np.where(t.right, 0.5, -0.5) for t in tasks]
    assert helps(tasks, before, better)
    assert not helps(tasks, before, before)
    assert not helps(tasks, before, [*better[:1], *before[1:]])
