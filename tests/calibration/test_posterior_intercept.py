"""The level of a task: anchoring is exact, the posterior is Bayes' rule, the spread is recovered."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from thermolang.calibration.posterior import SPREADS, anchor, intercept_posterior, intercept_spread
from thermolang.errors import InvalidInputError, NotEnoughDataError


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=20),
    st.floats(1e-6, 1 - 1e-6),
)
def test_anchoring_is_exact(odds, target):
    c = anchor(odds, target)
    assert expit(np.array(odds) + c).mean() == pytest.approx(target, abs=1e-9)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_a_mean_at_the_edge_is_nearly_reached(target):
    assert expit(np.array([-2.0, 3.0]) + anchor([-2.0, 3.0], target)).mean() == pytest.approx(target, abs=1e-8)


def test_anchoring_undoes_a_shift():
    odds = np.random.default_rng(0).normal(0, 2, 50)
    assert anchor(odds + 1.7, expit(odds).mean()) == pytest.approx(-1.7)


@pytest.mark.parametrize(("odds", "target"), [([0.0], -0.1), ([0.0], 1.1), ([0.0], np.nan), ([np.nan], 0.5)])
def test_bad_anchors_are_refused(odds, target):
    with pytest.raises(InvalidInputError):
        anchor(odds, target)


def test_no_inputs_no_anchor():
    with pytest.raises(NotEnoughDataError, match="at least 1"):
        anchor([], 0.5)


def test_without_verdicts_the_prior_stands():
    assert intercept_posterior([], [], 0.8) == (0.0, 0.8, 0.0)


@pytest.mark.parametrize(("n", "right", "tau"), [(1, 1, 0.5), (5, 5, 2.0), (8, 3, 1.0), (300, 290, 3.0)])
def test_posterior_is_bayes_rule(n, right, tau):
    odds, verdicts = np.linspace(-1, 1, n), np.arange(n) < right

    def density(u):
        return np.exp(np.log(expit(np.where(verdicts, 1, -1) * (odds + u))).sum() + 200 * (n == 300)) * norm.pdf(
            u, 0, tau
        )

    mode = intercept_posterior(odds, verdicts, tau)[0]
    moments = [
        quad(lambda u, k=k: u**k * density(u), mode - 15, mode + 15, points=[mode], limit=500)[0] for k in range(3)
    ]
    mean = moments[1] / moments[0]
    expected = (mean, np.sqrt(moments[2] / moments[0] - mean**2))
    assert intercept_posterior(odds, verdicts, tau)[:2] == pytest.approx(expected, rel=1e-4)


def test_verdicts_outweigh_the_prior_in_the_end():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 1, 5000)
    verdicts = rng.random(5000) < expit(odds - 1.5)
    mean, sd, _ = intercept_posterior(odds, verdicts, 0.5)
    assert mean == pytest.approx(-1.5, abs=3 * sd)
    assert sd < 0.04


def test_opposite_verdicts_give_the_opposite():
    odds = np.array([0.5, -1.0, 2.0])
    up, down = intercept_posterior(odds, [1, 1, 0], 1.0), intercept_posterior(-odds, [0, 0, 1], 1.0)
    assert up[0] == pytest.approx(-down[0])
    assert up[1] == pytest.approx(down[1])


@pytest.mark.parametrize(
    ("odds", "right", "tau"),
    [([0.0], [0.5], 1.0), ([0.0], [1, 0], 1.0), ([np.inf], [1], 1.0), ([0.0], [1], 0.0), ([0.0], [1], np.nan)],
)
def test_bad_verdicts_are_refused(odds, right, tau):
    with pytest.raises(InvalidInputError):
        intercept_posterior(odds, right, tau)


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.0])
def test_the_spread_of_tasks_is_recovered(tau):
    rng = np.random.default_rng(0)
    odds = [rng.normal(0, 1, 60) for _ in range(150)]
    rights = [rng.random(60) < expit(o + rng.normal(0, tau)) for o in odds]
    assert intercept_spread(odds, rights) == pytest.approx(tau, rel=0.2)


def test_tasks_without_a_spread_have_nearly_none():
    rng = np.random.default_rng(0)
    odds = [rng.normal(0, 1, 60) for _ in range(100)]
    assert intercept_spread(odds, [rng.random(60) < expit(o) for o in odds]) < 0.15


def test_tasks_that_are_all_right_or_all_wrong_have_a_finite_spread():
    spread = intercept_spread([np.zeros(50)] * 4, [np.ones(50), np.zeros(50), np.ones(50), np.zeros(50)])
    assert 1 < spread <= SPREADS[1]
