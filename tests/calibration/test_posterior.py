"""The posterior of a task's temperature and bias: limits, Bayes' rule, coverage, recovered truth."""

import time

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax
from scipy.stats import multivariate_normal

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.calibration.metrics import binary_nll
from thermolang.calibration.posterior import VerdictPrior, fit_verdict_prior, posterior
from thermolang.calibration.temperature import verdict_likelihood
from thermolang.errors import InvalidInputError, NotEnoughDataError

PRIOR = VerdictPrior(0.5, 0.8, -0.3)
PRIORS = [PRIOR, VerdictPrior(0.5)]
KINDS = [CHOICE, SELF_CHECK]
CENTRE = (0.7, 0.2)
NEW = np.random.default_rng(9).normal(0, 2, (6, 2))


def draw(n, *, log_t=0.3, bias=-0.4, options=2, kind=SELF_CHECK, seed=0):
    """Logits (n, options) and verdicts with P(right) as the model says."""
    rng = np.random.default_rng([seed, n])
    z = rng.normal(0, 2, (n, options))
    return z, rng.random(n) < probability(z, log_t, bias, kind=kind)


def probability(z, log_t, bias, *, kind):
    p = softmax(z * np.exp(-log_t), axis=1)
    return expit(logit(p[:, 0] if kind.has_bias else p.max(1)) + bias)


def by_hand(prior, centre, z, right, new, *, kind):
    """Evidence and predictive of ``new`` by brute force, on a plain grid around the prior; two options."""
    sd = np.array([prior.sd_log_temperature, prior.sd_bias])
    rho = prior.correlation * sd[0] * sd[1]
    normal = multivariate_normal([-np.log(centre[0]), centre[1]], [[sd[0] ** 2, rho], [rho, sd[1] ** 2]])
    axis = np.linspace(-7, 7, 121)
    nodes = np.stack(np.meshgrid(*(normal.mean[:, None] + sd[:, None] * axis)), -1).reshape(-1, 2)

    def right_at_nodes(items):
        margin = items[:, 0] - items[:, 1] if kind.has_bias else np.abs(items[:, 0] - items[:, 1])
        return expit(np.exp(-nodes[:, :1]) * margin + nodes[:, 1:])

    p = right_at_nodes(z)
    mass = normal.pdf(nodes) * np.prod(np.where(right, p, 1 - p), axis=1)
    area = sd.prod() * (axis[1] - axis[0]) ** 2
    return np.log(mass.sum() * area), mass @ right_at_nodes(new) / mass.sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [0, 1, 12])
def test_it_is_the_integral(n, kind):
    z, right = draw(n, kind=kind)
    found = posterior(PRIOR, CENTRE, z, right, kind=kind)
    evidence, predictive = by_hand(PRIOR, CENTRE, z, right, NEW, kind=kind)
    assert found.log_evidence == pytest.approx(evidence, abs=1e-5)
    np.testing.assert_allclose(found.predict(NEW), predictive, atol=1e-6)


@pytest.mark.parametrize("prior", PRIORS)
def test_without_verdicts_it_is_the_prior(prior):
    found = posterior(prior, CENTRE, np.empty((0, 4)), [], kind=CHOICE)
    assert found.mean == pytest.approx(CENTRE)
    assert found.log_evidence == pytest.approx(0, abs=1e-6)
    (low, high), bias = found.interval(0.9)
    reach = 1.6449 * prior.sd_log_temperature
    assert (low, high) == pytest.approx((0.7 * np.exp(-reach), 0.7 * np.exp(reach)), rel=0.02)
    reach = 1.6449 * prior.sd_bias
    assert bias == pytest.approx((0.2 - reach, 0.2 + reach), abs=0.03)


def test_the_prior_predictive_says_less_than_its_centre():
    found = posterior(PRIOR, (1.0, 0.0), np.empty((0, 2)), [], kind=SELF_CHECK)
    certain, doubtful, even = found.predict(np.array([[4.0, 0.0], [0.0, 4.0], [0.0, 0.0]]))
    assert 0.9 < certain < expit(4.0)
    assert expit(-4.0) < doubtful < 0.1
    assert even == pytest.approx(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_many_verdicts_outweigh_a_wrong_prior(kind):
    z, right = draw(5000, log_t=0.9, bias=-1.5, options=2, kind=kind)
    found = posterior(VerdictPrior(0.2, 0.3), (1.5, 0.5), z, right, kind=kind)
    likelihood = verdict_likelihood(z, right, kind=kind)
    best = minimize(lambda x: likelihood(x)[0], np.array([0.5, -1.0]), method="Nelder-Mead").x
    assert np.log(found.mean[0]) == pytest.approx(-best[0], abs=0.06)
    assert found.mean[1] == pytest.approx(best[1], abs=0.06)
    inverse, bias = found.interval(0.99)
    assert inverse[0] < np.exp(-0.9) < inverse[1]
    assert bias[0] < -1.5 < bias[1]
    assert bias[1] - bias[0] < 0.6


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_verdicts_does_not_matter(prior, kind):
    z, right = draw(30, kind=kind)
    order = np.random.default_rng(1).permutation(30)
    a = posterior(prior, CENTRE, z, right, kind=kind)
    b = posterior(prior, CENTRE, z[order], right[order], kind=kind)
    np.testing.assert_allclose(a.predict(NEW), b.predict(NEW), rtol=1e-9)
    assert a.log_evidence == pytest.approx(b.log_evidence)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_verdict_at_a_time_is_all_at_once(prior, kind):
    """p(r_1 ... r_n) is the product of p(r_i | r_1 ... r_i-1): what was predicted before each verdict (Dawid, 1984)."""
    z, right = draw(25, kind=kind)
    log = 0.0
    for i in range(25):
        p = posterior(prior, CENTRE, z[:i], right[:i], kind=kind).predict(z[i : i + 1])[0]
        log += np.log(p if right[i] else 1 - p)
    assert posterior(prior, CENTRE, z, right, kind=kind).log_evidence == pytest.approx(log, abs=1e-5)


@pytest.mark.parametrize("verdict", [True, False])
@pytest.mark.parametrize("n", [1, 10, 300])
@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_verdicts_never_make_it_certain(kind, prior, n, verdict):
    z, _ = draw(n, kind=kind)
    before = posterior(prior, CENTRE, z[:0], [], kind=kind)
    found = posterior(prior, CENTRE, z, [verdict] * n, kind=kind)
    p = found.predict(NEW)
    assert np.isfinite([found.log_evidence, *found.mean, *np.ravel(found.interval())]).all()
    assert ((p > 0) & (p < 1)).all()
    if prior.sd_bias:
        assert np.sign(p.mean() - before.predict(NEW).mean()) == (1 if verdict else -1)


def test_huge_logits_and_far_centres_stay_finite():
    z, right = draw(40)
    for scale in (1e-6, 1e4):
        for centre in ((1e-3, 5.0), (1e3, -5.0)):
            found = posterior(PRIOR, centre, z * scale, right, kind=SELF_CHECK)
            assert np.isfinite([found.log_evidence, *found.mean, *found.predict(z)]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_what_they_promise(kind):
    rng = np.random.default_rng(3)
    covered, trials = np.zeros(2), 150
    for i in range(trials):
        log_t, bias = rng.multivariate_normal([0.2, -0.1], [[0.25, -0.12], [-0.12, 0.64]])
        z, right = draw(40, log_t=log_t, bias=bias, options=2, kind=kind, seed=i)
        ends = posterior(PRIOR, (np.exp(-0.2), -0.1), z, right, kind=kind).interval(0.8)
        covered += [low < truth < high for (low, high), truth in zip(ends, (np.exp(-log_t), bias), strict=True)]
    np.testing.assert_allclose(covered / trials, 0.8, atol=0.098)  # three standard errors


def test_ten_verdicts_help_on_new_items_of_the_task():
    rng = np.random.default_rng(4)
    gains = []
    for i in range(60):
        log_t, bias = rng.multivariate_normal([0, 0], [[0.25, -0.12], [-0.12, 0.64]])
        z, right = draw(310, log_t=log_t, bias=bias, seed=i)
        scores = []
        for n in (0, 10):
            found = posterior(PRIOR, (1.0, 0.0), z[:n], right[:n], kind=SELF_CHECK)
            scores.append(binary_nll(found.predict(z[10:]), right[10:]))
        gains.append(scores[0] - scores[1])
    assert np.mean(gains) > 3 * np.std(gains) / np.sqrt(60)


def test_a_known_bias_is_left_alone():
    z, right = draw(50, kind=CHOICE)
    found = posterior(VerdictPrior(0.5), (0.7, 0.2), z, right, kind=CHOICE)
    assert found.bias.shape[1] == 1
    assert found.mean[1] == pytest.approx(0.2)
    assert found.interval()[1] == (0.2, 0.2)


def test_intervals_nest():
    z, right = draw(20)
    found = posterior(PRIOR, CENTRE, z, right, kind=SELF_CHECK)
    for narrow, wide in zip(found.interval(0.5), found.interval(0.95), strict=True):
        assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_hundred_verdicts_take_a_few_milliseconds():
    z, right = draw(100, options=4, kind=CHOICE)
    seconds = []
    for _ in range(20):
        start = time.process_time()
        posterior(PRIOR, CENTRE, z, right, kind=CHOICE)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.005


# The prior


def tasks_of(prior, count, items, *, kind, options=2, seed=0):
    """Tasks of which only the verdicts count; label 0 is the given answer of a self-check."""
    rng = np.random.default_rng(seed)
    cov = prior.correlation * prior.sd_log_temperature * prior.sd_bias
    cov = [[prior.sd_log_temperature**2, cov], [cov, prior.sd_bias**2]]
    made = []
    for i, (log_t, bias) in enumerate(rng.multivariate_normal([0, 0], cov, count)):
        z, right = draw(items, log_t=log_t, bias=bias, options=options, kind=kind, seed=seed + i)
        given = np.zeros(items, dtype=np.int64) if kind.has_bias else z.argmax(1)
        blank = (
            self_check_task("t", 1.0, 0.0, items=items, width=2)
            if kind.has_bias
            else choice_task("t", 1.0, items=items)
        )
        made.append(type(blank)("t", blank.hidden, z, np.where(right, given, (given + 1) % options), kind=kind))
    return made


def test_the_prior_of_self_checks_is_recovered():
    truth = VerdictPrior(0.4, 0.7, 0.6)
    found = fit_verdict_prior(tasks_of(truth, 40, 100, kind=SELF_CHECK), [(1.0, 0.0)] * 40)
    assert found.sd_log_temperature == pytest.approx(0.4, abs=0.12)
    assert found.sd_bias == pytest.approx(0.7, abs=0.2)
    assert found.correlation == pytest.approx(0.6, abs=0.25)


def test_choices_get_a_bias_only_where_there_is_one():
    with_bias = tasks_of(VerdictPrior(0.3, 0.8), 20, 80, kind=CHOICE, options=4)
    assert fit_verdict_prior(with_bias, [(1.0, 0.0)] * 20).sd_bias == pytest.approx(0.8, abs=0.3)
    without = tasks_of(VerdictPrior(0.4), 20, 80, kind=CHOICE, options=4)
    found = fit_verdict_prior(without, [(1.0, 0.0)] * 20)
    assert (found.sd_bias, found.correlation) == (0, 0)
    assert found.sd_log_temperature == pytest.approx(0.4, abs=0.15)


def test_better_centres_make_a_narrower_prior():
    rng = np.random.default_rng(0)
    log_t = rng.normal(0, 0.8, 12)
    tasks = [choice_task("t", float(np.exp(u)), items=100, seed=i) for i, u in enumerate(log_t)]
    blind = fit_verdict_prior(tasks, [(1.0, 0.0)] * 12)
    told = fit_verdict_prior(tasks, [(float(np.exp(-u)), 0.0) for u in log_t])
    assert told.sd_log_temperature < blind.sd_log_temperature / 2


def test_a_prior_needs_tasks_of_one_kind_with_their_centres():
    checks = tasks_of(PRIOR, 2, 10, kind=SELF_CHECK)
    with pytest.raises(NotEnoughDataError, match="at least 2 tasks"):
        fit_verdict_prior(checks[:1], [(1.0, 0.0)])
    with pytest.raises(InvalidInputError, match="both kinds"):
        fit_verdict_prior([*checks, choice_task("t", 1.0)], [(1.0, 0.0)] * 3)
    with pytest.raises(InvalidInputError, match="each of 2 tasks"):
        fit_verdict_prior(checks, [(1.0, 0.0)] * 3)


# Bad input


@pytest.mark.parametrize("values", [(0.0, 0.5, 0.0), (0.5, -0.1, 0.0), (0.5, 0.5, 1.0), (np.nan, 0.5, 0.0)])
def test_a_prior_must_be_one(values):
    with pytest.raises(InvalidInputError, match="standard deviations"):
        VerdictPrior(*values)


@pytest.mark.parametrize(
    ("z", "right", "kind"),
    [
        (np.zeros((3, 2)), [1, 0], SELF_CHECK),
        (np.zeros((2, 2)), [1, 2], SELF_CHECK),
        (np.zeros((2, 2)), [1, np.nan], SELF_CHECK),
        (np.full((2, 2), np.nan), [1, 0], SELF_CHECK),
        (np.zeros((2, 1)), [1, 0], CHOICE),
        (np.zeros((2, 4)), [1, 0], SELF_CHECK),
        (np.zeros(2), [1, 0], SELF_CHECK),
    ],
)
def test_bad_verdicts(z, right, kind):
    with pytest.raises(InvalidInputError, match=r"must be|expected"):
        posterior(PRIOR, CENTRE, z, right, kind=kind)


def test_bad_centres_levels_and_items():
    z, right = draw(5)
    with pytest.raises(InvalidInputError, match="1/T > 0"):
        posterior(PRIOR, (0.0, 0.0), z, right, kind=SELF_CHECK)
    found = posterior(PRIOR, CENTRE, z, right, kind=SELF_CHECK)
    with pytest.raises(InvalidInputError, match="level"):
        found.interval(1.0)
    with pytest.raises(InvalidInputError, match="logits must be finite"):
        found.predict(np.array([[np.inf, 0.0]]))
