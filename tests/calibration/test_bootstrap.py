"""Wilson intervals, the reliability table and the bootstrap: closed forms, coverage, bad input."""

import math
from functools import partial

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from thermolang.calibration.bootstrap import (
    Interval,
    ReliabilityBin,
    bootstrap,
    paired_bootstrap,
    reliability_table,
    wilson_interval,
)
from thermolang.calibration.metrics import auroc, brier, ece, nll
from thermolang.errors import InvalidInputError, NotEnoughDataError

quick = settings(max_examples=40, deadline=None, derandomize=True)


def two_methods(n, rng):
    """A calibrated scorer, the same sharpened (overconfident), and whether the answers were right."""
    p = rng.uniform(0.05, 0.95, n)
    return p, p**2 / (p**2 + (1 - p) ** 2), (rng.random(n) < p).astype(int)


# Wilson and the reliability table


@quick
@given(st.integers(1, 200), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_interval_in_closed_form(n, share, level):
    k = round(share * n)
    z = scipy.stats.norm.ppf((1 + level) / 2)
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * math.sqrt(k * (n - k) / n + z**2 / 4)
    assert wilson_interval(k, n, level=level) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_wilson_interval_of_none_right_starts_at_zero():
    lower, upper = wilson_interval(0, 10)
    assert lower == 0
    assert upper == pytest.approx(0.2775, abs=1e-4)


@pytest.mark.parametrize(("successes", "count", "level"), [(3, 2, 0.9), (-1, 2, 0.9), (0, 0, 0.9), (1, 2, 1.0)])
def test_wilson_interval_refuses_what_is_no_proportion(successes, count, level):
    with pytest.raises(InvalidInputError):
        wilson_interval(successes, count, level=level)


def test_a_bin_says_what_it_holds():
    table = reliability_table([0.85, 0.9, 0.15], [1, 0, 0])
    first, last = table
    assert first == ReliabilityBin(0.1, 0.2, 1, 0.15, 0.0, wilson_interval(0, 1))
    assert (last.lower, last.upper, last.count, last.accuracy) == (0.8, 0.9, 2, 0.5)
    assert last.confidence == pytest.approx(0.875)


def test_mass_bins_name_their_least_and_greatest_confidence():
    table = reliability_table([0.1, 0.2, 0.3, 0.9], [0, 0, 1, 1], bins=2, scheme="mass")
    assert [(row.lower, row.upper, row.count) for row in table] == [(0.1, 0.2, 2), (0.3, 0.9, 2)]


def test_the_table_agrees_with_the_calibration_curve_of_scikit_learn():
    p, _, r = two_methods(300, np.random.default_rng(0))
    accuracy, confidence = calibration_curve(r, p, n_bins=15)
    table = reliability_table(p, r, bins=15)
    assert [row.accuracy for row in table] == pytest.approx(accuracy)
    assert [row.confidence for row in table] == pytest.approx(confidence)


@quick
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=60), st.integers(1, 12))
@pytest.mark.parametrize("scheme", ["width", "mass"])
def test_the_table_sums_up_to_the_ece(scheme, pairs, bins):
    p, r = map(np.array, zip(*pairs, strict=True))
    table = reliability_table(p, r, bins=bins, scheme=scheme)
    total = sum(row.count * abs(row.accuracy - row.confidence) for row in table) / p.size
    assert total == pytest.approx(ece(p, r, bins=bins, scheme=scheme), abs=1e-12)
    assert sum(row.count for row in table) == p.size
    for row in table:
        assert row.lower - 1e-12 <= row.confidence <= row.upper + 1e-12
        assert row.interval[0] - 1e-9 <= row.accuracy <= row.interval[1] + 1e-9


# Bootstrap


def test_the_estimate_is_the_difference_and_the_sign_says_which_is_better():
    p, sharp, r = two_methods(500, np.random.default_rng(1))
    found = paired_bootstrap(brier, p, sharp, r, resamples=300)
    assert found.estimate == pytest.approx(brier(p, r) - brier(sharp, r))
    assert found.lower < found.estimate < found.upper < 0
    swapped = paired_bootstrap(brier, sharp, p, r, resamples=300)
    assert (swapped.lower, swapped.upper) == pytest.approx((-found.upper, -found.lower))


def test_a_method_does_not_differ_from_itself():
    p, _, r = two_methods(50, np.random.default_rng(2))
    assert paired_bootstrap(ece, p, p, r, resamples=100) == Interval(0, 0, 0, 0.95)


def test_the_seed_decides_the_draws():
    p, sharp, r = two_methods(60, np.random.default_rng(3))
    first, again, other = (paired_bootstrap(brier, p, sharp, r, resamples=100, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_it_agrees_with_the_percentile_bootstrap_of_scipy():
    p, sharp, r = two_methods(200, np.random.default_rng(4))
    theirs = scipy.stats.bootstrap(
        (p, sharp, r),
        lambda a, b, y: brier(a, y) - brier(b, y),
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        confidence_level=0.9,
        rng=np.random.default_rng(0),
    ).confidence_interval
    ours = paired_bootstrap(brier, p, sharp, r, level=0.9)
    width = theirs.high - theirs.low
    assert ours.lower == pytest.approx(theirs.low, abs=width / 15)
    assert ours.upper == pytest.approx(theirs.high, abs=width / 15)


@pytest.mark.parametrize("metric", [brier, ece], ids=["brier", "ece"])
def test_the_interval_covers_about_as_often_as_it_says(metric):
    rng = np.random.default_rng(5)
    n, trials = 200, 200
    # What to expect at this number of items; for ECE that is not the figure of infinitely many.
    draws = [two_methods(n, rng) for _ in range(1500)]
    truth = np.mean([metric(p, r) - metric(sharp, r) for p, sharp, r in draws])
    hits = 0
    for seed, (p, sharp, r) in enumerate(draws[:trials]):
        found = paired_bootstrap(metric, p, sharp, r, resamples=150, level=0.9, seed=seed)
        hits += found.lower <= truth <= found.upper
    # 200 trials scatter by 0.02 around the coverage.
    assert 0.83 <= hits / trials <= 0.97


def test_drawing_tasks_covers_their_spread_and_drawing_items_alone_does_not():
    rng = np.random.default_rng(6)
    tasks = np.repeat(np.arange(20), 10)
    trials, by_task, by_item = 80, 0, 0
    for _ in range(trials):
        # The mean over all possible tasks is 0; a task is off by about 1, an item by another 1.
        values = rng.normal(size=20)[tasks] + rng.normal(size=200)

        def mean(groups, values=values):
            return float(np.mean([values[i].mean() for i in groups]))

        nested = bootstrap(mean, 200, tasks=tasks, resamples=100, level=0.9)
        flat = bootstrap(mean, 200, resamples=100, level=0.9)
        by_task += nested.lower <= 0 <= nested.upper
        by_item += flat.lower <= 0 <= flat.upper
    assert 0.82 <= by_task / trials <= 0.98
    assert by_item / trials < 0.65


def test_with_tasks_every_task_counts_the_same():
    p = np.array([0.9] * 9 + [0.2])
    zero, right = np.zeros(10), np.ones(10, dtype=int)
    tasks = ["big"] * 9 + ["small"]
    found = paired_bootstrap(brier, p, zero, right, tasks=tasks, resamples=100)
    assert found.estimate == pytest.approx(((0.01 - 1) + (0.64 - 1)) / 2)
    assert paired_bootstrap(brier, p, zero, right, resamples=100).estimate == pytest.approx(
        (9 * (0.01 - 1) + (0.64 - 1)) / 10
    )


def test_methods_may_give_other_answers_and_more_than_two_classes():
    rng = np.random.default_rng(7)
    p, y = rng.dirichlet(np.ones(4), 80), rng.integers(4, size=80)
    flat = np.full((80, 4), 0.25)
    assert paired_bootstrap(nll, p, flat, y, resamples=100).estimate == pytest.approx(nll(p, y) - math.log(4))
    ours, theirs = np.array([1, 1, 0, 1]), np.array([0, 1, 0, 1])
    found = paired_bootstrap(brier, [0.9] * 4, [0.9] * 4, ours, second_target=theirs, resamples=100)
    assert found.estimate == pytest.approx(brier([0.9] * 4, ours) - brier([0.9] * 4, theirs))


def test_draws_without_the_figure_are_left_out():
    rng = np.random.default_rng(8)
    # About e^-3 of the draws miss all three wrong answers: AUROC is undefined in 5 % of them.
    right = np.array([0] * 3 + [1] * 37)
    first, second = rng.random(40), rng.random(40)
    found = paired_bootstrap(auroc, first, second, right, resamples=200)
    assert -1 <= found.lower < found.estimate < found.upper <= 1


def test_a_figure_that_most_draws_lack_gets_no_interval():
    right = np.array([0] + [1] * 39)
    p = np.random.default_rng(9).random(40)
    with pytest.raises(NotEnoughDataError, match="of 100 draws"):
        paired_bootstrap(auroc, p, p[::-1], right, resamples=100)


def test_a_task_without_the_figure_is_named_and_not_skipped():
    p, sharp, r = two_methods(40, np.random.default_rng(10))
    r[:20] = 1
    with pytest.raises(NotEnoughDataError, match=r"undefined in 1 task"):
        paired_bootstrap(auroc, p, sharp, r, tasks=np.repeat(["a", "b"], 20), resamples=100)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"first": [0.5]}, InvalidInputError),
        ({"second": [0.5, 0.5, math.nan]}, InvalidInputError),
        ({"target": [1, 0]}, InvalidInputError),
        ({"target": 1}, InvalidInputError),
        ({"second_target": [1]}, InvalidInputError),
        ({"tasks": ["a", "b"]}, InvalidInputError),
        ({"level": 0.0}, InvalidInputError),
        ({"level": 95}, InvalidInputError),
        ({"resamples": 99}, InvalidInputError),
        ({"first": [0.5], "second": [0.5], "target": [1]}, NotEnoughDataError),
        ({"first": [], "second": [], "target": []}, NotEnoughDataError),
    ],
)
def test_bad_input_never_gives_an_interval(changes, error):
    arguments = {"first": [0.5, 0.6, 0.7], "second": [0.5, 0.5, 0.5], "target": [1, 0, 1], "resamples": 100}
    metric = partial(ece, bins=5)
    assert isinstance(paired_bootstrap(metric, **arguments), Interval)
    with pytest.raises(error):
        paired_bootstrap(metric, **{**arguments, **changes})
