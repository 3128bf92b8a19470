"""Principal components: against scikit-learn, units, both ways of computing them, dead coordinates."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from thermolang.calibration.head_training import Projection


def states(n=60, d=10, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(3, 1, (n, d)) @ rng.normal(0, 1, (d, d))


def gram(x):
    return x @ x.T


@pytest.mark.parametrize("n", [60, 8])
def test_components_are_those_of_scikit_learn(n):
    h = states(n)
    theirs = PCA(4).fit_transform((h - h.mean(0)) / h.std(0) / np.sqrt(10))
    assert gram(Projection.fit([h], 4)(h)) == pytest.approx(gram(theirs), abs=1e-9)


def test_all_components_keep_all_distances_and_a_mean_square_length_of_one():
    h = states()
    x = Projection.fit([h], 10)(h)
    standardised = (h - h.mean(0)) / h.std(0)
    assert gram(x) == pytest.approx(gram(standardised) / 10, abs=1e-9)
    assert (x**2).sum(1).mean() == pytest.approx(1)


def test_components_come_in_order_and_fewer_are_the_first_of_more():
    h = states()
    many, few = Projection.fit([h], 6)(h), Projection.fit([h], 2)(h)
    assert (np.diff(many.var(0)) < 0).all()
    assert np.abs(many[:, :2]) == pytest.approx(np.abs(few))


def test_no_more_components_than_the_inputs_span():
    assert Projection.fit([states(5)], 100).axes.shape == (10, 4)
    assert Projection.fit([np.ones((5, 10))], 3).axes.shape[1] <= 3


def test_tasks_weigh_the_same_in_the_centre():
    a, b = np.zeros((2, 3)), np.ones((50, 3))
    assert Projection.fit([a, b], 1).center == pytest.approx([0.5] * 3)


def test_a_coordinate_that_never_moved_is_not_blown_up():
    h = states()
    h[:, 0] = 7.0
    projection = Projection.fit([h], 10)
    new = h.copy()
    new[:, 0] += 0.01
    assert np.abs(projection(new) - projection(h)).max() < 0.02
    assert np.isfinite(projection.axes).all()
