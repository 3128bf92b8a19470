"""Guarantees hold over many draws, are exact where they can be computed, and invent no threshold."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom

from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.routing.guarantees import (
    GRID,
    GuaranteedThreshold,
    acceptance_counts,
    certified_thresholds,
    expected_error,
    high_probability,
    labels_needed,
    must_review,
    start_shares,
)

quick = settings(max_examples=60, deadline=None, derandomize=True)
DRAWS = 300


def simulated(rng, labels, *, mean=2.0, spread=2.0):
    """Confidences that are calibrated, and answers: the log-odds of being right is normal."""
    confidence = expit(mean + spread * rng.standard_normal(labels))
    return confidence, rng.random(labels) < confidence


def population(mean=2.0, spread=2.0):
    """Error among accepted answers and coverage at each threshold of the grid, by a fine sum over the normal."""
    z = np.linspace(-8, 8, 40_001)
    weight = np.exp(-(z**2) / 2)
    p = expit(mean + spread * z)
    above = p[None, :] >= GRID[:, None]
    mass = above @ weight
    return (above @ (weight * (1 - p))) / mass, mass / weight.sum()


ERROR, COVERAGE = population()


def draws(search, labels, **settings_):
    """Population error and coverage of the thresholds found in many draws; 0 where none qualifies."""
    rng = np.random.default_rng(labels)
    found = [search(*simulated(rng, labels), **settings_) for _ in range(DRAWS)]
    places = [np.flatnonzero(f.threshold == GRID)[0] if f.threshold is not None else None for f in found]
    return np.array([(0.0, 0.0) if p is None else (ERROR[p], COVERAGE[p]) for p in places]).T


def noise(rate, size=DRAWS):
    """An upper limit for a share that is binomial with this rate: exceeded once in a thousand."""
    return binom.isf(0.001, size, rate) / size


@pytest.mark.parametrize("labels", [100, 1000])
@pytest.mark.parametrize("alpha", [0.1, 0.2])
def test_with_high_probability_the_error_is_kept(labels, alpha):
    error, coverage = draws(high_probability, labels, alpha=alpha, delta=0.05)
    assert (error > alpha).mean() <= noise(0.05)
    if labels == 1000:
        assert coverage.mean() >= 0.8 * COVERAGE[alpha >= ERROR].max()


@pytest.mark.parametrize("labels", [60, 300])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_expected_error_is_kept_on_average_only(labels, alpha):
    error, coverage = draws(expected_error, labels, alpha=alpha)
    assert error.mean() <= alpha + 3 * error.std() / math.sqrt(DRAWS)
    assert (error > alpha).mean() > 0.1  # single draws exceed it
    certified = draws(high_probability, labels, alpha=alpha)[1]
    assert coverage.mean() > certified.mean()


def test_the_expected_error_is_kept_where_confidence_misleads():
    """Answers with more confidence are wrong more often, and the rule must not fall for a lucky draw."""
    rng, alpha, errors = np.random.default_rng(5), 0.2, []
    for _ in range(2000):
        confidence = rng.random(30)
        right = rng.random(30) > 0.3 + 0.6 * confidence
        found = expected_error(confidence, right, alpha=alpha).threshold
        errors.append(0.0 if found is None else 0.3 + 0.6 * (1 + found) / 2)
    assert np.mean(errors) <= alpha


@pytest.mark.parametrize("alpha", [0.1, 0.15])
def test_shuffled_confidences_certify_nothing_unless_the_base_rate_does(alpha):
    rng, accepted = np.random.default_rng(2), 0
    for _ in range(DRAWS):
        confidence, right = simulated(rng, 500)
        found = high_probability(rng.permutation(confidence), right, alpha=alpha)
        accepted += found.threshold is not None
    assert accepted / DRAWS <= noise(0.05)
    easy = rng.random(500) < 0.97
    assert high_probability(rng.permutation(rng.random(500)), easy, alpha=alpha).threshold == 0.0


def test_the_test_is_the_exact_binomial_one():
    """With one threshold that has all of delta, what certifies is Clopper and Pearson's upper limit."""
    shares = np.array([0.05])
    for accepted, errors in [(58, 0), (59, 0), (92, 1), (93, 1), (1000, 39), (1000, 38)]:
        limit = binom.cdf(errors, accepted, 0.05)
        found = certified_thresholds(np.array([accepted]), np.array([errors]), alpha=0.05, shares=shares)
        assert found[0] == (limit <= 0.05)
    assert not certified_thresholds(np.array([58]), np.array([0]), alpha=0.05, shares=shares)[0]
    assert certified_thresholds(np.array([59]), np.array([0]), alpha=0.05, shares=shares)[0]


def test_what_was_tested_passes_its_share_on_and_a_failure_keeps_it():
    # Ascending thresholds; the walk begins at the last. 45 right answers have a p-value of .95^45 = .099.
    accepted = np.array([45, 45, 200, 45])
    errors = np.zeros(4, dtype=int)
    shares = np.array([0.05, 0.05, 0.02, 0.0])
    certified = certified_thresholds(accepted, errors, alpha=0.05, shares=shares)
    assert certified.tolist() == [False, False, True, False]  # .02 + .05 < .099, and the failure keeps both
    shares = np.array([0.0, 0.08, 0.02, 0.0])
    assert certified_thresholds(accepted, errors, alpha=0.05, shares=shares).tolist() == [True, True, True, False]


def test_draws_can_be_tested_together():
    rng = np.random.default_rng(0)
    counts = [acceptance_counts(*simulated(rng, 400), GRID) for _ in range(5)]
    accepted, errors = (np.stack(x) for x in zip(*counts, strict=True))
    shares = start_shares(GRID, 0.1, 0.05)
    together = certified_thresholds(accepted, errors, alpha=0.1, shares=shares)
    for one, (n, e) in zip(together, counts, strict=True):
        assert (one == certified_thresholds(n, e, alpha=0.1, shares=shares)).all()


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.5, 0.99])
def test_the_shares_are_those_of_delta(alpha):
    shares = start_shares(GRID, alpha, 0.05)
    assert shares.sum() == pytest.approx(0.05)
    assert shares[np.argmin(abs(GRID - (1 - alpha)))] >= 0.025


def test_counts_accept_ties():
    accepted, errors = acceptance_counts(
        np.array([0.5, 0.5, 0.7]), np.array([True, False, False]), np.array([0.5, 0.6])
    )
    assert (accepted.tolist(), errors.tolist()) == ([3, 1], [2, 1])


def test_equal_confidences_are_accepted_together_or_not_at_all():
    found = high_probability([0.8] * 200 + [0.3] * 100, [True] * 200 + [False] * 100, alpha=0.05)
    assert (found.threshold, found.accepted, found.errors) == (0.31, 200, 0)


@quick
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.randoms())
def test_the_order_of_labels_does_not_matter(labels, random):
    mixed = labels[:]
    random.shuffle(mixed)
    for search in (high_probability, expected_error):
        one, other = (search(*zip(*each, strict=True), alpha=0.3) for each in (labels, mixed))
        assert one == other


@quick
@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([0.05, 0.1, 0.3]))
def test_the_rule_of_the_expected_error(right, wrong, alpha):
    found = expected_error([0.9] * (right + wrong), [True] * right + [False] * wrong, alpha=alpha)
    assert (found.threshold == 0.0) == (wrong + 1 <= alpha * (right + wrong + 1) + 1e-9)


def test_answers_that_are_never_accepted_count_for_coverage_only():
    found = expected_error([0.9] * 40 + [-math.inf] * 40, [True] * 40 + [False] * 40, alpha=0.05)
    assert (found.threshold, found.accepted, found.coverage, found.base_error) == (0.0, 40, 0.5, 0.5)


@pytest.mark.parametrize("search", [high_probability, expected_error])
def test_no_threshold_is_invented(search):
    ten = search([0.99] * 10, [True] * 10, alpha=0.05)
    assert ten.threshold is None
    assert ten.more_labels > 10
    wrong = search([0.99] * 500, [False] * 500, alpha=0.05)
    assert wrong == GuaranteedThreshold(wrong.kind, 0.05, wrong.delta, None, 500, 0, 0, 1.0, 1.0, None)
    right = search([0.99] * 500, [True] * 500, alpha=0.05)
    assert (right.threshold, right.accepted, right.must_review) == (0.0, 500, 0.0)


@pytest.mark.parametrize("search", [high_probability, expected_error])
def test_so_many_labels_are_enough_as_it_says(search):
    rng = np.random.default_rng(7)
    few = search(*simulated(rng, 40), alpha=0.03)
    assert few.threshold is None
    found = [search(*simulated(rng, 2 * few.more_labels), alpha=0.03).threshold is not None for _ in range(50)]
    assert np.mean(found) > 0.5


@pytest.mark.parametrize("search", [high_probability, expected_error])
@pytest.mark.parametrize("alpha", [0, 1, -0.1, 1.5, math.nan])
def test_what_no_sample_can_promise_is_refused(search, alpha):
    with pytest.raises(InvalidInputError, match="alpha must lie strictly between 0 and 1"):
        search([0.5], [True], alpha=alpha)
    with pytest.raises(InvalidInputError, match="delta must lie strictly"):
        high_probability([0.5], [True], alpha=0.1, delta=alpha)


@pytest.mark.parametrize("search", [high_probability, expected_error])
@pytest.mark.parametrize(
    ("confidence", "correct", "error", "said"),
    [
        ([], [], NotEnoughDataError, "no labelled answers"),
        ([0.5, math.nan], [True, True], InvalidInputError, "got nan and 0 others"),
        ([1.5, -0.1], [True, True], InvalidInputError, "got 1.5 and 1 others"),
        ([0.5], [True, False], InvalidInputError, "one confidence and one label"),
        ([[0.5]], [[True]], InvalidInputError, "one confidence and one label"),
    ],
)
def test_labels_that_mean_nothing_are_refused(search, confidence, correct, error, said):
    with pytest.raises(error, match=said):
        search(confidence, correct, alpha=0.1)


@pytest.mark.parametrize("grid", [[0.5, 0.5], [0.6, 0.5], [0.5, 1.1], [math.nan]])
def test_a_grid_must_ascend(grid):
    with pytest.raises(InvalidInputError, match="the grid must ascend"):
        expected_error([0.5], [True], alpha=0.1, grid=grid)


@quick
@given(st.floats(0, 1), st.floats(0.01, 0.99))
def test_a_perfect_confidence_reviews_what_must_be_reviewed(base_error, alpha):
    least = must_review(base_error, alpha)
    accepted = 1 - least
    assert accepted >= 1 - base_error - 1e-9
    if 0 < least < 1:  # all right answers and wrong ones up to alpha
        assert (accepted - (1 - base_error)) / accepted == pytest.approx(alpha)


def test_how_many_labels_are_needed():
    assert labels_needed(0.05, 0.05, 1.0) == math.ceil(math.log(0.05) / math.log(0.95)) == 59
    assert labels_needed(0.1, 0.05, 0.9) is None
    for alpha, accuracy in [(0.05, 0.98), (0.1, 0.95), (0.2, 0.9)]:
        size = labels_needed(alpha, 0.05, accuracy)

        def power(n, alpha=alpha, error=1 - accuracy):
            certifying = [k for k in range(n + 1) if binom.cdf(k, n, alpha) <= 0.05]
            return binom.cdf(certifying[-1], n, error) if certifying else 0.0

        assert power(size) >= 0.8 > power(size - 1)
    exact, approximate = (labels_needed(0.05, 0.05, 0.95 + gap) for gap in (0.0021, 0.0015))
    assert approximate / exact == pytest.approx((0.0021 / 0.0015) ** 2, rel=0.02)


@pytest.mark.parametrize("wrong", [(0, 0.05, 0.9), (0.1, 1, 0.95), (0.1, 0.05, 1.1), (0.1, 0.05, math.nan)])
def test_plans_that_mean_nothing_are_refused(wrong):
    with pytest.raises(InvalidInputError):
        labels_needed(*wrong)
