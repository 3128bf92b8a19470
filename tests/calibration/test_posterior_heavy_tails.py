"""A prior with heavy tails: nearly the learned one where verdicts agree with it, the wide one where they do not."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.calibration.posterior import (
    DOUBT,
    WIDE,
    VerdictPrior,
    intercept_posterior,
    posterior,
    robust_intercept,
    robust_posterior,
)
from thermolang.calibration.temperature import answer_log_odds

PRIOR = VerdictPrior(0.2, 0.3, 0.2)
CENTRE = (0.9, 0.4)


def verdicts(scale, n, seed=0):
    """Self-checks of a task whose own 1/T and bias are ``scale``."""
    rng = np.random.default_rng(seed)
    gap = rng.normal(0, 2, n)
    return np.stack([gap, np.zeros(n)], axis=1), rng.random(n) < expit(gap * scale[0] + scale[1])


def after(scale, n, seed=0):
    return robust_posterior(PRIOR, CENTRE, *verdicts(scale, n, seed), kind=SELF_CHECK)


def test_before_any_verdict_it_is_the_prior():
    found = after(CENTRE, 0)
    np.testing.assert_allclose(found.weights, [1 - DOUBT, DOUBT])
    assert found.mean == pytest.approx(CENTRE)


@pytest.mark.parametrize("kind", [SELF_CHECK, CHOICE])
def test_the_spread_by_sampling(kind):
    rng = np.random.default_rng(0)
    wide = VerdictPrior(0.4, 0.8, -0.3)
    z = rng.normal(0, 2, (40, 2 if kind.has_bias else 4))
    mean, square = posterior(wide, CENTRE, z[:0], [], kind=kind).accuracy_moments(z)
    covariance = [[0.16, -0.3 * 0.4 * 0.8], [-0.3 * 0.4 * 0.8, 0.64]]
    log_t, bias = rng.multivariate_normal((-np.log(CENTRE[0]), CENTRE[1]), covariance, 4000).T
    gaps = kind.gaps(z)
    odds, _ = answer_log_odds(gaps, np.exp(-log_t))
    level = logit(expit(odds + bias[:, None]).mean(1))
    assert (mean, square - mean**2) == pytest.approx((level.mean(), level.var()), abs=0.04)


def test_verdicts_that_agree_leave_the_learned_prior_in_charge():
    doubts = [after(CENTRE, 100, seed).weights[1] for seed in range(20)]
    assert np.mean(doubts) < DOUBT / 2


def test_verdicts_that_disagree_take_over():
    truth = (0.9, -2.5)  # ten prior deviations away
    for seed in range(5):
        robust = after(truth, 25, seed)
        plain = posterior(PRIOR, CENTRE, *verdicts(truth, 25, seed), kind=SELF_CHECK)
        assert robust.weights[1] > 0.9
        assert abs(robust.mean[1] - truth[1]) < abs(plain.mean[1] - truth[1]) / 2


def test_the_mean_costs_little_where_the_prior_is_right():
    z, _ = verdicts(CENTRE, 400, 99)
    truth = expit(z[:, 0] * CENTRE[0] + CENTRE[1])

    def excess(p):
        return float(np.mean(truth * np.log(truth / p) + (1 - truth) * np.log((1 - truth) / (1 - p))))

    lost = [
        excess(after(CENTRE, 25, seed).predict(z))
        - excess(posterior(PRIOR, CENTRE, *verdicts(CENTRE, 25, seed), kind=SELF_CHECK).predict(z))
        for seed in range(20)
    ]
    assert np.mean(lost) < 0.004


def test_the_prediction_is_the_mixture_of_both():
    found = after((0.5, -0.5), 15)
    z, _ = verdicts(CENTRE, 30, 5)
    parts = np.stack([p.predict(z) for p in found.parts])
    np.testing.assert_allclose(found.predict(z), found.weights @ parts)
    assert ((found.predict(z) >= parts.min(0) - 1e-12) & (found.predict(z) <= parts.max(0) + 1e-12)).all()


def test_choices_without_a_bias_get_none():
    rng = np.random.default_rng(0)
    found = robust_posterior(
        VerdictPrior(0.3), (0.8, 0.0), rng.normal(0, 2, (30, 4)), rng.random(30) < 0.4, kind=CHOICE
    )
    assert found.mean[1] == 0.0


@pytest.mark.parametrize("right", [0, 1])
def test_verdicts_that_are_all_the_same_stay_finite(right):
    z, _ = verdicts(CENTRE, 50)
    found = robust_posterior(PRIOR, CENTRE, z, np.full(50, right), kind=SELF_CHECK)
    assert np.isfinite([*found.mean, *found.weights, found.spread(z)]).all()
    assert ((found.predict(z) > 0) & (found.predict(z) < 1)).all()


def test_the_intercept_by_quadrature():
    rng = np.random.default_rng(1)
    odds, tau = rng.normal(0, 1, 12), 0.3
    right = (rng.random(12) < 0.9).astype(int)
    u = np.linspace(-12, 12, 200_001)
    likelihood = np.prod(expit(np.where(right, 1, -1)[:, None] * (odds[:, None] + u)), axis=0)
    density = likelihood * ((1 - DOUBT) * norm.pdf(u, scale=tau) + DOUBT * norm.pdf(u, scale=WIDE[1]))
    density /= density.sum()
    mean = density @ u
    expected = mean, np.sqrt(density @ (u - mean) ** 2)
    assert robust_intercept(odds, right, tau) == pytest.approx(expected, rel=1e-4)


def test_a_far_intercept_is_found_sooner():
    rng = np.random.default_rng(2)
    odds = rng.normal(0, 1, 25)
    right = rng.random(25) < expit(odds + 2.5)
    robust, plain = (f(odds, right, 0.2)[0] for f in (robust_intercept, intercept_posterior))
    assert robust > 2 * plain > 0
