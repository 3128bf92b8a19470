"""Platt scaling and isotonic regression: recovery, equal weights, limits."""

import numpy as np
import pytest
from scipy.special import expit, logit

from thermolang.calibration.temperature import ConfidenceMap, Isotonic, Platt
from thermolang.errors import InvalidInputError, NotEnoughDataError

MAPS = [Platt, Isotonic]


def answers(n, *, slope=1.0, shift=0.0, seed=0):
    """Confidences whose true log-odds are slope * logit + shift."""
    rng = np.random.default_rng(seed)
    confidence = expit(rng.normal(0, 2, n))
    return confidence, (rng.random(n) < expit(slope * logit(confidence) + shift)).astype(int)


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.4, -0.7), (2.0, 1.0)])
@pytest.mark.parametrize("kind", MAPS)
def test_the_true_map_is_recovered(kind, slope, shift):
    fitted: ConfidenceMap = kind().fit([answers(4000, slope=slope, shift=shift, seed=i) for i in range(3)])
    p = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(fitted(p), expit(slope * logit(p) + shift), atol=0.02 if kind is Platt else 0.06)


def test_platt_takes_every_shape_to_a_logistic_one_and_isotonic_does_not():
    rng = np.random.default_rng(0)
    p = rng.random(20000)
    right = rng.random(20000) < np.where(p > 0.5, 0.7, 0.3)
    at = np.array([0.55, 0.95])
    np.testing.assert_allclose(Isotonic().fit([(p, right)])(at), 0.7, atol=0.04)
    low, high = Platt().fit([(p, right)])(at)
    assert high - low > 0.2


@pytest.mark.parametrize("kind", MAPS)
def test_tasks_weigh_the_same_whatever_their_size(kind):
    small, large = answers(200, shift=-1.0), answers(300, shift=1.0, seed=1)
    repeated = tuple(np.tile(column, 20) for column in large)
    p = np.linspace(0.05, 0.95, 7)
    np.testing.assert_allclose(kind().fit([small, large])(p), kind().fit([small, repeated])(p), atol=0.005)


@pytest.mark.parametrize("kind", MAPS)
def test_maps_rise_and_do_not_depend_on_order(kind):
    p, right = answers(300)
    order = np.random.default_rng(1).permutation(300)
    at = np.linspace(0, 1, 50)
    one, other = (kind().fit([(a, b)])(at) for a, b in ((p, right), (p[order], right[order])))
    assert (np.diff(one) >= 0).all()
    np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("right", [np.ones(20), np.zeros(20), np.arange(20) >= 10], ids=["right", "wrong", "separable"])
@pytest.mark.parametrize("kind", MAPS)
def test_no_map_is_ever_certain(kind, right):
    fitted = kind().fit([(np.linspace(0, 1, 20), right)])(np.array([0.0, 0.2, 0.8, 1.0]))
    assert (fitted > 0).all()
    assert (fitted < 1).all()
    if right.min() == right.max():
        np.testing.assert_allclose(fitted, 21 / 22 if right[0] else 1 / 22, atol=1e-3)


def test_isotonic_gives_the_nearest_value_outside_what_it_learned_from():
    fitted = Isotonic().fit([([0.4, 0.6], [0, 1])])
    assert fitted([0.0, 0.4]).tolist() == [0.25, 0.25]
    assert fitted([0.6, 1.0]).tolist() == [0.75, 0.75]


def test_fitting_again_forgets_the_first_fit():
    fitted = Platt().fit([answers(500, shift=3.0)])
    np.testing.assert_array_equal(
        fitted.fit([answers(500)])(np.array([0.2, 0.9])), Platt().fit([answers(500)])(np.array([0.2, 0.9]))
    )


@pytest.mark.parametrize("kind", MAPS)
def test_bad_input(kind):
    with pytest.raises(NotEnoughDataError, match="at least one labelled task"):
        kind().fit([])
    with pytest.raises(InvalidInputError, match="right must be 0 or 1"):
        kind().fit([([0.5], [0.5])])
    fitted = kind().fit([answers(50)])
    with pytest.raises(InvalidInputError, match=r"within \[0, 1\]"):
        fitted([np.nan])
