"""Likelihoods against their definitions, the approximation against closed forms and numerical integrals."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import logit, softmax
from scipy.stats import multivariate_normal

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.calibration.temperature import (
    answer_log_odds,
    label_likelihood,
    laplace,
    largest_evidence,
    log_scale,
    prior_factor,
    softplus,
    task_nll,
    verdict_likelihood,
)
from thermolang.errors import InvalidInputError, NotEnoughDataError

CHOICES = choice_task("c", 2.0, items=40)
CHECKS = self_check_task("s", 0.7, 0.5, items=40)
POINTS = [np.array(x) for x in ([0.0, 0.0], [0.8, -0.6], [-1.2, 1.5])]


def both(task):
    return [
        label_likelihood(task.logits, task.labels),
        verdict_likelihood(task.logits, task.right, kind=task.kind),
    ]


@pytest.mark.parametrize("x", POINTS, ids=str)
@pytest.mark.parametrize("task", [CHOICES, CHECKS], ids=["choice", "self_check"])
def test_gradients_are_those_of_the_values(task, x):
    for likelihood in both(task):
        numeric = approx_fprime(x, lambda x, f=likelihood: f(x)[0], 1e-6)
        np.testing.assert_allclose(likelihood(x)[1], numeric, atol=2e-3)


@pytest.mark.parametrize("x", POINTS, ids=str)
def test_the_information_is_the_variance_of_the_score(x):
    z = CHOICES.logits[:1]
    p = softmax(z[0] * np.exp(-x[0]) + np.array([x[1], 0, 0, 0]))
    scores = [label_likelihood(z, np.array([k]))(x)[1] for k in range(4)]
    np.testing.assert_allclose(
        label_likelihood(z, np.array([0]))(x)[2], sum(pk * np.outer(g, g) for pk, g in zip(p, scores, strict=True))
    )
    odds = logit(softmax(z[0] * np.exp(-x[0])).max()) + x[1]
    q = 1 / (1 + np.exp(-odds))
    scores = [verdict_likelihood(z, np.array([r]), kind=CHOICE)(x)[1] for r in (0, 1)]
    np.testing.assert_allclose(
        verdict_likelihood(z, np.array([0]), kind=CHOICE)(x)[2],
        (1 - q) * np.outer(scores[0], scores[0]) + q * np.outer(scores[1], scores[1]),
    )


def test_labels_give_the_nll_of_the_task_and_verdicts_on_self_checks_say_the_same():
    for task in (CHOICES, CHECKS):
        for x in POINTS:
            value = label_likelihood(task.logits, task.labels)(x)[0]
            assert value == pytest.approx(len(task) * task_nll(task, np.exp(-x[0]), x[1]))
    for x in POINTS:
        labels, verdicts = (f(x) for f in both(CHECKS))
        for a, b in zip(labels, verdicts, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_log_odds_are_those_of_the_given_answer(temperature):
    choices, _ = answer_log_odds(CHOICE.gaps(CHOICES.logits), 1 / temperature)
    np.testing.assert_allclose(choices, logit(softmax(CHOICES.logits / temperature, axis=1).max(1)), rtol=1e-6)
    checks, _ = answer_log_odds(SELF_CHECK.gaps(CHECKS.logits), 1 / temperature)
    np.testing.assert_allclose(checks, (CHECKS.logits[:, 0] - CHECKS.logits[:, 1]) / temperature)


def test_several_temperatures_at_once_are_each_by_itself():
    gaps = CHOICE.gaps(CHOICES.logits)
    s = np.array([0.2, 1.0, 4.0])
    for got, one in zip(answer_log_odds(gaps, s)[0], s, strict=True):
        np.testing.assert_array_equal(got, answer_log_odds(gaps, float(one))[0])


def test_softplus_does_not_overflow():
    np.testing.assert_allclose(softplus(np.array([-800.0, 0.0, 800.0])), [0, np.log(2), 800])


def gaussian(target, precision):
    """A likelihood for which Laplace's approximation is exact."""
    return lambda x: (
        0.5 * (x - target) @ precision @ (x - target),
        precision @ (x - target),
        precision,
    )


def test_a_normal_likelihood_is_solved_exactly():
    target, precision = np.array([0.7, -1.1]), np.array([[4.0, 1.0], [1.0, 2.0]])
    mean, factor = np.array([0.2, 0.3]), prior_factor(0.5, 0.8, -0.4)
    noise, prior = np.linalg.inv(precision), factor @ factor.T
    found = laplace(gaussian(target, precision), mean, factor)
    gain = prior @ np.linalg.inv(prior + noise)
    np.testing.assert_allclose(mean + factor @ found.mode, mean + gain @ (target - mean), rtol=1e-6)
    exact = multivariate_normal(mean, prior + noise).logpdf(target) + np.linalg.slogdet(2 * np.pi * noise)[1] / 2
    assert found.log_evidence == pytest.approx(exact)


def test_without_a_spread_the_bias_is_not_touched():
    factor = prior_factor(0.5)
    found = laplace(label_likelihood(CHECKS.logits, CHECKS.labels), np.array([0.0, 0.3]), factor)
    assert found.mode.shape == (1,)
    assert (np.array([0.0, 0.3]) + factor @ found.mode)[1] == 0.3


@pytest.mark.parametrize("task", [CHOICES, CHECKS], ids=["choice", "self_check"])
def test_the_evidence_is_near_the_integral(task):
    factor = prior_factor(0.6, 0.9, 0.3)
    grid = np.linspace(-5, 5, 41)
    v = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)
    for likelihood in both(task):
        log = np.array([-likelihood(factor @ one)[0] for one in v]) - (v**2).sum(1) / 2 - np.log(2 * np.pi)
        exact = np.logaddexp.reduce(log) + 2 * np.log(grid[1] - grid[0])
        assert laplace(likelihood, np.zeros(2), factor).log_evidence == pytest.approx(exact, abs=0.1)


def test_a_hopeless_start_still_finds_the_mode():
    task = choice_task("c", 1.0, items=500)
    f = label_likelihood(task.logits * 1000, task.labels)
    found = laplace(f, np.zeros(2), prior_factor(3.0))
    assert prior_factor(3.0)[0, 0] * found.mode[0] == pytest.approx(np.log(1000), abs=0.4)


def test_the_spread_of_normal_tasks_is_the_closed_form():
    rng = np.random.default_rng(0)
    noise = 0.3
    seen = rng.normal(0, np.sqrt(0.5**2 + noise**2), 50)
    likelihoods = [gaussian(np.array([y, 0.0]), np.eye(2) / noise**2) for y in seen]
    x, evidence = largest_evidence(
        likelihoods, np.zeros((50, 2)), lambda x: prior_factor(float(np.exp(x[0]))), [-1.0], [(-4.0, 1.0)]
    )
    assert np.exp(x[0]) == pytest.approx(np.sqrt((seen**2).mean() - noise**2), rel=1e-3)
    assert evidence < 0


def test_a_spread_needs_two_tasks():
    with pytest.raises(NotEnoughDataError, match="at least 2 tasks, got 1"):
        largest_evidence([gaussian(np.zeros(2), np.eye(2))], np.zeros((1, 2)), lambda x: prior_factor(1.0), [0.0], [])


def test_centres_for_all_or_for_each():
    np.testing.assert_allclose(log_scale((0.5, 0.2), 2), [[np.log(2), 0.2]] * 2)
    np.testing.assert_allclose(log_scale([(0.5, 0.2), (1.0, 0.0)], 2), [[np.log(2), 0.2], [0, 0]])
    for bad in [(0.0, 0.0), (-1.0, 0.0), (np.nan, 0.0), (1.0,), [(1.0, 0.0)] * 3]:
        with pytest.raises(InvalidInputError, match="1/T > 0"):
            log_scale(bad, 2)
