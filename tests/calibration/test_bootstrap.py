"""Wilson intervals, the reliability table and the bootstrap: closed forms, coverage, bad input."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from thermolang.calibration.bootstrap import (
    Interval,
    ReliabilityBin,
    TaskBootstrap,
    bootstrap,
    interval,
    item_draws,
    reliability_table,
    wilson_interval,
)
from thermolang.calibration.metrics import METRICS, brier, ece, nll
from thermolang.errors import InvalidInputError, NotEnoughDataError

BRIER, ECE, AUROC, NLL = (METRICS[name].figure for name in ("Brier", "ECE", "AUROC", "NLL"))
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
    found = bootstrap(BRIER, p, r, other=sharp, resamples=300)
    assert found.estimate == pytest.approx(brier(p, r) - brier(sharp, r))
    assert found.lower < found.estimate < found.upper < 0
    swapped = bootstrap(BRIER, sharp, r, other=p, resamples=300)
    assert (swapped.lower, swapped.upper) == pytest.approx((-found.upper, -found.lower))


def test_a_method_does_not_differ_from_itself():
    p, _, r = two_methods(50, np.random.default_rng(2))
    assert bootstrap(ECE, p, r, other=p, resamples=100) == Interval(0, 0, 0)


def test_the_seed_decides_the_draws():
    p, sharp, r = two_methods(60, np.random.default_rng(3))
    first, again, other = (bootstrap(BRIER, p, r, other=sharp, resamples=100, seed=s) for s in (1, 1, 2))
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
    ours = bootstrap(BRIER, p, r, other=sharp, level=0.9)
    width = theirs.high - theirs.low
    assert ours.lower == pytest.approx(theirs.low, abs=width / 15)
    assert ours.upper == pytest.approx(theirs.high, abs=width / 15)


@pytest.mark.parametrize("metric", [BRIER, ECE], ids=["brier", "ece"])
def test_the_interval_covers_about_as_often_as_it_says(metric):
    rng = np.random.default_rng(5)
    n, trials = 200, 200
    # What to expect at this number of items; for ECE that is not the figure of infinitely many.
    draws = [two_methods(n, rng) for _ in range(1500)]
    truth = np.mean([metric(p, r) - metric(sharp, r) for p, sharp, r in draws])
    hits = 0
    for seed, (p, sharp, r) in enumerate(draws[:trials]):
        found = bootstrap(metric, p, r, other=sharp, resamples=150, level=0.9, seed=seed)
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
        draws = [10 * k + item_draws(10, resamples=100, seed=k) for k in range(20)]
        means = np.stack([values[d].mean(-1) for d in draws])
        nested = interval(TaskBootstrap(20, 100, draws=100).mean(means), 0.9)
        flat = interval(values[item_draws(200, resamples=100, seed=0)].mean(-1), 0.9)
        by_task += nested.lower <= 0 <= nested.upper
        by_item += flat.lower <= 0 <= flat.upper
    assert 0.82 <= by_task / trials <= 0.98
    assert by_item / trials < 0.65


def test_with_tasks_every_task_counts_the_same():
    p = np.array([0.9] * 9 + [0.2])
    zero, right = np.zeros(10), np.ones(10, dtype=int)
    tasks = ["big"] * 9 + ["small"]
    found = bootstrap(BRIER, p, right, other=zero, tasks=tasks, resamples=100)
    assert found.estimate == pytest.approx(((0.01 - 1) + (0.64 - 1)) / 2)
    assert bootstrap(BRIER, p, right, other=zero, resamples=100).estimate == pytest.approx(
        (9 * (0.01 - 1) + (0.64 - 1)) / 10
    )


def test_methods_may_give_other_answers_and_more_than_two_classes():
    rng = np.random.default_rng(7)
    p, y = rng.dirichlet(np.ones(4), 80), rng.integers(4, size=80)
    label, right = p[np.arange(80), y], np.ones(80)  # the NLL over options looks at the right one alone
    found = bootstrap(NLL, label, right, other=np.full(80, 0.25), resamples=100)
    assert found.estimate == pytest.approx(nll(p, y) - math.log(4))
    ours, theirs = np.array([1, 1, 0, 1]), np.array([0, 1, 0, 1])
    found = bootstrap(BRIER, [0.9] * 4, ours, other=[0.9] * 4, other_right=theirs, resamples=100)
    assert found.estimate == pytest.approx(brier([0.9] * 4, ours) - brier([0.9] * 4, theirs))


def test_draws_without_the_figure_are_left_out():
    rng = np.random.default_rng(8)
    # About e^-3 of the draws miss all three wrong answers: AUROC is undefined in 5 % of them.
    right = np.array([0] * 3 + [1] * 37)
    first, second = rng.random(40), rng.random(40)
    found = bootstrap(AUROC, first, right, other=second, resamples=200)
    assert -1 <= found.lower < found.estimate < found.upper <= 1


def test_a_figure_that_most_draws_lack_gets_no_interval():
    right = np.array([0] + [1] * 39)
    p = np.random.default_rng(9).random(40)
    with pytest.raises(NotEnoughDataError, match="of 100 draws"):
        bootstrap(AUROC, p, right, other=p[::-1], resamples=100)


def test_a_task_without_the_figure_is_named_and_not_skipped():
    p, sharp, r = two_methods(40, np.random.default_rng(10))
    r[:20] = 1
    with pytest.raises(NotEnoughDataError, match=r"undefined in 1 task"):
        bootstrap(AUROC, p, r, other=sharp, tasks=np.repeat(["a", "b"], 20), resamples=100)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"confidence": [0.5]}, InvalidInputError),
        ({"other": [0.5, 0.5, math.nan]}, InvalidInputError),
        ({"right": [1, 0]}, InvalidInputError),
        ({"right": 1}, InvalidInputError),
        ({"other_right": [1]}, InvalidInputError),
        ({"tasks": ["a", "b"]}, InvalidInputError),
        ({"level": 0.0}, InvalidInputError),
        ({"level": 95}, InvalidInputError),
        ({"resamples": 99}, InvalidInputError),
        ({"confidence": [0.5], "other": [0.5], "right": [1]}, NotEnoughDataError),
        ({"confidence": [], "other": [], "right": []}, NotEnoughDataError),
        ({"other": [0.5, 0.5], "other_right": [1, 0]}, InvalidInputError),
    ],
)
def test_bad_input_never_gives_an_interval(changes, error):
    arguments = {"confidence": [0.5, 0.6, 0.7], "other": [0.5, 0.5, 0.5], "right": [1, 0, 1], "resamples": 100}
    assert isinstance(bootstrap(ECE, **arguments), Interval)
    with pytest.raises(error):
        bootstrap(ECE, **{**arguments, **changes})


def test_draws_are_the_items_and_then_resamples_of_them():
    draws = item_draws(30, resamples=200, seed=1)
    assert draws.shape == (201, 30) and draws[0].tolist() == list(range(30))
    assert set(draws.ravel().tolist()) == set(range(30))
    np.testing.assert_array_equal(draws, item_draws(30, resamples=200, seed=1))


def test_many_draws_are_taken_in_parts_with_the_same_result(monkeypatch):
    p, sharp, r = two_methods(60, np.random.default_rng(12))
    at_once = bootstrap(BRIER, p, r, other=sharp, resamples=100)
    monkeypatch.setattr("thermolang.calibration.bootstrap.BLOCK", 500)
    assert bootstrap(BRIER, p, r, other=sharp, resamples=100) == at_once


def test_the_median_of_the_draws_is_moved_onto_the_estimate():
    values = np.concatenate([[0.3], np.linspace(0.4, 0.6, 201)])
    found = interval(values, 0.9)
    assert found.estimate == 0.3
    assert (found.lower, found.upper) == pytest.approx((0.21, 0.39))
