"""Temperatures from labels, of all tasks or of one: recovery, shrinkage, limits, no leak."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.temperature import (
    BIASES,
    LARGEST_SPREAD,
    LOG_TEMPERATURES,
    SMALLEST_SPREAD,
    fit_task_temperature,
    fit_temperature,
    spread_of,
    task_nll,
)
from thermolang.calibration.training import TrainingConfig
from thermolang.errors import InvalidInputError, NotEnoughDataError

FREE = TrainingConfig(prior_weight=0.0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_recovered(temperature):
    tasks = [choice_task(f"t{i}", temperature, items=2000, width=4, seed=i) for i in range(3)]
    inverse, bias = fit_temperature(tasks, FREE)
    assert 1 / inverse == pytest.approx(temperature, rel=0.1)
    assert bias == 0


def test_a_known_bias_is_recovered():
    tasks = [self_check_task(f"t{i}", 1.0, 0.8, items=2000, width=4, seed=i) for i in range(3)]
    inverse, bias = fit_temperature(tasks, TrainingConfig(prior_weight=0.0, bias=True))
    assert inverse == pytest.approx(1.0, rel=0.15)
    assert bias == pytest.approx(0.8, abs=0.15)


def test_the_fit_is_a_minimum_of_the_tasks_mean_loss():
    tasks = [choice_task(f"t{i}", t, items=n, width=4, seed=i) for i, (t, n) in enumerate([(1.0, 50), (4.0, 500)])]
    inverse, _ = fit_temperature(tasks, FREE)

    def loss(s):
        return np.mean([task_nll(t, s, 0.0) for t in tasks])

    assert loss(inverse) <= min(loss(inverse * 1.02), loss(inverse / 1.02))


def test_an_all_right_task_stays_finite_under_the_prior():
    task = self_check_task("t", 1.0, 0.0, items=30, width=4)
    task = TaskFeatures(task.name, task.hidden, task.logits, np.zeros(30, dtype=np.int64))
    inverse, bias = fit_temperature([task], TrainingConfig(bias=True))
    assert np.isfinite([inverse, bias]).all()
    assert bias > 0


def test_no_tasks():
    with pytest.raises(NotEnoughDataError, match="at least one task"):
        fit_temperature([], FREE)


# One task


def all_right(task):
    return TaskFeatures(task.name, task.hidden, task.logits, task.logits.argmax(1))


@pytest.mark.parametrize("bias", [False, True])
def test_one_task_alone_gets_its_maximum_likelihood(bias):
    task = self_check_task("t", 0.7, 0.9 if bias else 0.0, items=400, width=4)
    config = TrainingConfig(prior_weight=0.0, bias=bias)
    np.testing.assert_allclose(fit_task_temperature(task, bias=bias), fit_temperature([task], config), rtol=1e-3)


def test_tasks_that_are_right_throughout_stay_within_bounds():
    task = all_right(choice_task("t", 1.0, items=30, width=4))
    assert fit_task_temperature(task, bias=False) == pytest.approx((np.exp(-LOG_TEMPERATURES[0]), 0))
    checks = self_check_task("t", 1.0, 0.0, items=30, width=4)
    checks = TaskFeatures("t", checks.hidden, checks.logits, np.zeros(30, dtype=np.int64), kind=SELF_CHECK)
    inverse, bias = fit_task_temperature(checks, bias=True)
    assert np.exp(-LOG_TEMPERATURES[1]) <= inverse <= np.exp(-LOG_TEMPERATURES[0])
    assert 3 < bias <= BIASES[1]
    shrunk = fit_task_temperature(task, bias=False, centre=(1.0, 0.0), spread=(0.3, 0.02))
    assert 1 < shrunk[0] < np.exp(1.0)


@pytest.mark.parametrize("bias", [False, True])
def test_the_shrunk_fit_is_the_minimum_of_what_its_docstring_says(bias):
    task = self_check_task("t", 0.7, 0.9, items=25, width=4)
    centre, spread = (0.5, -0.4), (0.3, 0.6)

    def loss(s, b):
        prior = norm.logpdf(np.log(s), np.log(0.5), 0.3) + (norm.logpdf(b, -0.4, 0.6) if bias else 0)
        return len(task) * task_nll(task, s, b) - prior

    s, b = fit_task_temperature(task, bias=bias, centre=centre, spread=spread)
    around = [(s * f, b + d) for f in (0.99, 1, 1.01) for d in ((-0.01, 0, 0.01) if bias else (0,))]
    assert loss(s, b) == min(loss(*one) for one in around)
    assert bias or b == -0.4


def test_shrinkage_runs_from_the_centre_to_the_labels():
    task = choice_task("t", 3.0, items=60, width=4)
    own, centre = fit_task_temperature(task, bias=False), (1.0, 0.0)

    def fit(sd):
        return fit_task_temperature(task, bias=False, centre=centre, spread=(sd, 0.02))[0]

    assert fit(1e-3) == pytest.approx(1.0, abs=1e-3)
    assert fit(100.0) == pytest.approx(own[0], rel=1e-3)
    path = [fit(sd) for sd in (1e-3, 0.05, 0.1, 0.3, 1.0, 100.0)]
    assert path == sorted(path, reverse=True)
    many = choice_task("t", 3.0, items=20000, width=4)
    few = abs(fit(0.3) - own[0])
    with_many = fit_task_temperature(many, bias=False, centre=centre, spread=(0.3, 0.02))[0]
    assert abs(with_many - fit_task_temperature(many, bias=False)[0]) < few / 20


def test_the_order_of_items_does_not_matter():
    task = self_check_task("t", 0.7, 0.9, items=50, width=4)
    other = task.take(np.random.default_rng(0).permutation(50))
    for settings in ({}, {"centre": (1.0, 0.0), "spread": (0.3, 0.5)}):
        a, b = (fit_task_temperature(t, bias=True, **settings) for t in (task, other))
        assert a == pytest.approx(b, rel=1e-4)


def test_a_few_labels_help_with_the_prior_and_harm_without():
    """Tasks spread by 0.4 in log T around 2: ten labels, then 200 items to be judged on."""
    rng = np.random.default_rng(5)
    gains, harms = [], []
    for i, log_t in enumerate(rng.normal(np.log(2), 0.4, 60)):
        task = choice_task("t", float(np.exp(log_t)), items=230, width=2, seed=i)
        few, rest = task.take(range(30)), task.take(range(30, 230))
        start = task_nll(rest, 0.5, 0.0)
        shrunk = fit_task_temperature(few, bias=False, centre=(0.5, 0.0), spread=(0.4, 0.02))
        gains.append(start - task_nll(rest, *shrunk))
        harms.append(task_nll(rest, *fit_task_temperature(few.take(range(8)), bias=False)) - start)
    assert np.mean(gains) > 2 * np.std(gains) / np.sqrt(60) > 0
    assert np.mean(harms) > 0


@pytest.mark.parametrize("settings", [{"centre": (1.0, 0.0)}, {"spread": (0.3, 0.3)}])
def test_a_centre_needs_a_spread(settings):
    with pytest.raises(InvalidInputError, match="go together"):
        fit_task_temperature(choice_task("t", 1.0), bias=False, **settings)


@pytest.mark.parametrize(("centre", "spread"), [((0.0, 0.0), (0.3, 0.3)), ((1.0, 0.0), (0.0, 0.3))])
def test_a_prior_must_be_one(centre, spread):
    with pytest.raises(InvalidInputError):
        fit_task_temperature(choice_task("t", 1.0), bias=False, centre=centre, spread=spread)


# Spread between tasks


def test_the_spread_of_choices_is_recovered_and_not_the_noise_of_few_labels():
    log_t = np.random.default_rng(1).normal(0.5, 0.4, 60)
    tasks = [choice_task("t", float(np.exp(u)), items=40, width=2, seed=i) for i, u in enumerate(log_t)]
    centre = (np.exp(-0.5), 0.0)
    sd, sd_bias = spread_of(tasks, centre, bias=False)
    noisy = np.std([np.log(fit_task_temperature(t, bias=False)[0]) for t in tasks])
    assert sd == pytest.approx(0.4, abs=0.12)
    assert noisy > 1.2 * sd
    assert sd_bias == SMALLEST_SPREAD


def test_the_spread_of_self_checks_is_recovered():
    rng = np.random.default_rng(2)
    truth = zip(rng.normal(0, 0.3, 40), rng.normal(-0.5, 0.8, 40), strict=True)
    tasks = [
        self_check_task("t", float(np.exp(u)), float(b), items=100, width=2, seed=i) for i, (u, b) in enumerate(truth)
    ]
    sd, sd_bias = spread_of(tasks, (1.0, -0.5), bias=True)
    assert sd == pytest.approx(0.3, abs=0.12)
    assert sd_bias == pytest.approx(0.8, abs=0.2)


def test_equal_tasks_have_hardly_any_spread():
    tasks = [choice_task("t", 2.0, items=40, width=2, seed=i) for i in range(40)]
    assert SMALLEST_SPREAD <= spread_of(tasks, (0.5, 0.0), bias=False)[0] < 0.15


def test_a_wrong_centre_is_part_of_the_spread():
    tasks = [choice_task("t", 2.0, items=100, width=2, seed=i) for i in range(20)]
    assert spread_of(tasks, (2.0, 0.0), bias=False)[0] == pytest.approx(np.log(4), rel=0.2)


def test_spreads_stay_within_their_bounds():
    tasks = [all_right(choice_task("t", 1.0, items=20, width=2, seed=i)) for i in range(3)]
    for centre in ((1.0, 0.0), (0.001, 0.0)):
        assert SMALLEST_SPREAD <= spread_of(tasks, centre, bias=False)[0] <= LARGEST_SPREAD * 1.0001


def test_one_centre_for_all_is_the_same_centre_for_each():
    tasks = [choice_task("t", t, items=40, width=2) for t in (0.5, 1.0, 3.0)]
    assert spread_of(tasks, (0.8, 0.0), bias=False) == spread_of(tasks, [(0.8, 0.0)] * 3, bias=False)


def test_a_spread_needs_tasks_and_their_centres():
    tasks = [choice_task("t", t, items=40, width=2) for t in (0.5, 1.0, 3.0)]
    with pytest.raises(NotEnoughDataError, match="at least 2 tasks"):
        spread_of(tasks[:1], (1.0, 0.0), bias=False)
    with pytest.raises(InvalidInputError, match="each of 3 tasks"):
        spread_of(tasks, [(1.0, 0.0)] * 2, bias=False)


# Cross-fitting
