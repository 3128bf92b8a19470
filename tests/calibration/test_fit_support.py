"""Novelty: at most 1 for inputs like those of training, above 1 for others, and never infinite."""

import numpy as np
import pytest

from thermolang.calibration.fit import InputDistribution


def tasks(n=8, items=200, width=24, seed=0):
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.2, 5, width)
    centers = rng.normal(0, 0.3, (n, width))
    return [((c + rng.normal(0, 1, (items, width))) * spread).astype(np.float32) for c in centers]


def test_inputs_of_a_new_task_of_the_same_kind_are_mostly_inside():
    *training, new = tasks()
    novelty = InputDistribution.fit(training).novelty(new)
    assert novelty.shape == (200,)
    assert (novelty <= 1).mean() > 0.95
    assert 0.3 < np.median(novelty) < 1


def test_one_percent_of_the_left_out_inputs_are_outside():
    training = tasks(items=500)
    novelty = np.concatenate(
        [InputDistribution.fit(training).novelty(t) for t in training]
    )  # a little less than 1 %: here each task is part of the picture
    assert 0.001 < (novelty > 1).mean() <= 0.01


def test_far_inputs_are_outside_and_farther_is_more_novel():
    training = tasks()
    inputs = InputDistribution.fit(training)
    away = [float(inputs.novelty(inputs.center + shift * inputs.scale)) for shift in (0, 1, 3, 10)]
    assert away[0] == 0
    assert away == sorted(away)
    assert away[2] > 1
    assert away[3] / away[2] == pytest.approx(10 / 3)
    rng = np.random.default_rng(1)
    assert (inputs.novelty(rng.normal(0, 40, (50, 24))) > 1).all()


def test_a_new_kind_of_task_widens_the_radius():
    alike = tasks()
    odd = [*alike[:-1], alike[-1] + 15]
    assert InputDistribution.fit(odd).radius > InputDistribution.fit(alike).radius


def test_one_input_and_many_give_the_same_numbers():
    training = tasks()
    inputs = InputDistribution.fit(training)
    alone = [float(inputs.novelty(h)) for h in training[0][:5]]
    np.testing.assert_allclose(inputs.novelty(training[0][:5]), alone, rtol=1e-6)
    assert inputs.novelty(training[0].reshape(2, 100, 24)).shape == (2, 100)


def test_tasks_weigh_equally_whatever_their_size():
    rng = np.random.default_rng(0)
    small, large = rng.normal(-1, 1, (20, 4)), rng.normal(1, 1, (2000, 4))
    np.testing.assert_allclose(InputDistribution.fit([small, large]).center, (small.mean(0) + large.mean(0)) / 2)


def test_constant_coordinates_do_not_explode():
    *training, new = tasks()
    usual = InputDistribution.fit(training).novelty(new)
    for t in training:
        t[:, :3] = 7.0  # never moved in training
    new[:, :3] = 7.1
    inputs = InputDistribution.fit(training)
    assert (inputs.scale > 0).all()
    assert np.median(inputs.novelty(new)) == pytest.approx(np.median(usual), rel=0.2)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_training_inputs_that_are_all_the_same(n):
    inputs = InputDistribution.fit([np.full((10, 4), 2.0, dtype=np.float32)] * n)
    assert inputs.novelty(np.full(4, 2.0)) == 0
    assert np.isfinite(inputs.novelty(np.full(4, 3.0)))
    assert inputs.novelty(np.full(4, 3.0)) > 1


@pytest.mark.parametrize("n", [1, 2])
def test_few_tasks_still_give_a_radius(n):
    training = tasks(n=n)
    novelty = InputDistribution.fit(training).novelty(np.concatenate(training))
    assert (novelty <= 1).mean() == pytest.approx(0.99, abs=0.01)
