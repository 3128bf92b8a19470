"""Metrics against closed forms, scikit-learn and the invariants they must keep."""

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from thermolang.calibration import metrics
from thermolang.calibration.metrics import (
    aurc,
    auroc,
    bin_numbers,
    binary_nll,
    brier,
    brier_multiclass,
    brier_skill,
    ece,
    ece_corrected,
    ece_floor,
    mce,
    nll,
    risk_coverage,
    top_label_ece,
)
from thermolang.errors import InvalidInputError, NotEnoughDataError, ThermolangError

ROOT = Path(__file__).parents[2]
SCHEMES = ("width", "mass")
BINARY = {
    "ece": ece,
    "ece_mass": lambda p, r: ece(p, r, scheme="mass"),
    "ece_corrected": lambda p, r: ece_corrected(p, r, draws=20),
    "mce": mce,
    "brier": brier,
    "brier_skill": lambda p, r: brier_skill(p, r, 0.4),
    "binary_nll": binary_nll,
    "auroc": auroc,
    "aurc": aurc,
}
MULTICLASS = {"top_label_ece": top_label_ece, "brier_multiclass": brier_multiclass, "nll": nll}

quick = settings(max_examples=60, deadline=None, derandomize=True)
# Multiples of 1/20 make ties and values on bin edges common.
grid = st.integers(0, 20).map(lambda k: k / 20)
answers = st.lists(st.tuples(st.one_of(grid, st.floats(0, 1)), st.integers(0, 1)), min_size=1, max_size=60)


def columns(pairs):
    p, r = zip(*pairs, strict=True)
    return np.array(p), np.array(r)


def calibrated(n, rng):
    """A perfect scorer: confidence uniform on .3 to 1, right exactly that often."""
    p = rng.uniform(0.3, 1, n)
    return p, rng.random(n) < p


def classes(n, k, seed):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(k), n), rng.integers(k, size=n)


# Bins


@pytest.mark.parametrize("bins", [1, 3, 10, 15, 49])
def test_width_bins_are_open_below_and_closed_above(bins):
    edges = np.arange(1, bins + 1) / bins
    assert bin_numbers(edges, bins=bins, scheme="width").tolist() == list(range(bins))
    above = np.nextafter(edges[:-1], 1)
    assert bin_numbers(above, bins=bins, scheme="width").tolist() == list(range(1, bins))
    assert bin_numbers(np.array([0.0]), bins=bins, scheme="width").tolist() == [0]


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=80, unique=True), st.integers(1, 20))
def test_mass_bins_hold_equal_counts_in_order(values, bins):
    p = np.array(values)
    number = bin_numbers(p, bins=bins, scheme="mass")
    counts = np.bincount(number, minlength=bins)
    assert counts.size == bins
    assert counts.max() - counts.min() <= 1
    assert (np.diff(number[np.argsort(p)]) >= 0).all()


def test_mass_bins_keep_ties_together():
    p = np.array([0.2, 0.5, 0.5, 0.5, 0.5, 0.9])
    assert np.unique(bin_numbers(p, bins=6, scheme="mass")[1:5]).size == 1


# Calibration errors


def test_ece_and_mce_by_hand():
    p = [0.95, 0.95, 0.95, 0.95, 0.35, 0.3]
    r = [1, 1, 0, 0, 1, 0]
    # (.9, 1]: 4 items off by .45; (.3, .4]: 1 item off by .65; (.2, .3]: 1 item off by .3.
    assert ece(p, r) == pytest.approx((4 * 0.45 + 0.65 + 0.3) / 6)
    assert mce(p, r) == pytest.approx(0.65)


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_ece_agrees_with_the_calibration_curve_of_scikit_learn(bins):
    p, r = calibrated(500, np.random.default_rng(0))
    accuracy, confidence = calibration_curve(r, p, n_bins=bins)
    count = np.histogram(p, np.arange(bins + 1) / bins)[0]
    gaps = np.abs(accuracy - confidence)
    assert ece(p, r, bins=bins) == pytest.approx(float(gaps @ count[count > 0]) / 500)
    assert mce(p, r, bins=bins) == pytest.approx(gaps.max())


def test_mass_ece_agrees_with_the_quantile_curve_of_scikit_learn():
    p, r = calibrated(400, np.random.default_rng(1))
    accuracy, confidence = calibration_curve(r, p, n_bins=8, strategy="quantile")
    assert ece(p, r, bins=8, scheme="mass") == pytest.approx(np.abs(accuracy - confidence).mean())


@quick
@given(st.lists(st.integers(0, 1), min_size=1, max_size=60), st.sampled_from(SCHEMES))
def test_the_base_rate_of_the_data_has_no_ece(right, scheme):
    rate = sum(right) / len(right)
    assert ece([rate] * len(right), right, scheme=scheme) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("n", "floor"), [(24, 0.178), (100, 0.089), (246, 0.055)])
def test_a_perfect_scorer_measures_the_known_floor_and_nothing_above_it(n, floor):
    rng = np.random.default_rng(2)
    drawn = [calibrated(n, rng) for _ in range(300)]
    measured = np.mean([ece(p, r) for p, r in drawn])
    corrected = np.array([ece_corrected(p, r, draws=40) for p, r in drawn])
    assert measured == pytest.approx(floor, abs=0.004)
    assert corrected.mean() == pytest.approx(0, abs=0.005)
    assert 0.3 < (corrected < 0).mean() < 0.7


def test_the_floor_in_closed_form():
    assert ece_floor([0.5]) == 0.5
    # Two coins: both alike (mean gap 1/2) half of the time, else 0.
    assert ece_floor([0.5, 0.5], draws=4000) == pytest.approx(0.25, abs=0.02)
    assert ece_floor([0.0, 1.0]) == 0
    # Many items in one bin: sqrt(2 / pi * sum p (1 - p)) / n.
    assert ece_floor([0.75] * 400, draws=2000) == pytest.approx(
        math.sqrt(2 / math.pi * 400 * 0.75 * 0.25) / 400, rel=0.05
    )


def test_the_floor_depends_on_its_seed_and_on_nothing_else():
    p = np.random.default_rng(3).random(50)
    assert ece_floor(p) == ece_floor(p[::-1])
    assert ece_floor(p, seed=1) != ece_floor(p, seed=2)


def test_the_floor_is_the_mean_of_the_ece_over_redrawn_answers():
    rng = np.random.default_rng(6)
    p = rng.beta(2, 1, 80)
    for scheme in SCHEMES:
        redrawn = [ece(p, rng.random(80) < p, scheme=scheme, bins=7) for _ in range(1000)]
        assert ece_floor(p, scheme=scheme, bins=7, draws=1000) == pytest.approx(np.mean(redrawn), rel=0.04)


def test_the_floor_does_not_depend_on_how_its_draws_are_cut_into_blocks(monkeypatch):
    p = np.random.default_rng(3).random(50)
    at_once = ece_floor(p)
    monkeypatch.setattr(metrics, "BLOCK", 700)
    assert ece_floor(p) == pytest.approx(at_once)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_overconfident_scorer_keeps_its_corrected_ece(scheme):
    rng = np.random.default_rng(4)
    values = []
    for _ in range(50):
        p = rng.uniform(0.9, 1, 100)
        values.append(ece_corrected(p, rng.random(100) < p - 0.35, scheme=scheme, draws=40))
    assert 0.25 < np.mean(values) < 0.35
    assert min(values) > 0.1


def test_top_label_ece_sees_gaps_that_cancel_between_classes():
    probabilities = [[0.75, 0.25]] * 4 + [[0.25, 0.75]] * 4
    labels = [0, 0, 0, 0, 1, 1, 0, 0]
    top = [0.75] * 8
    right = [1, 1, 1, 1, 1, 1, 0, 0]
    assert ece(top, right) == pytest.approx(0)
    assert top_label_ece(probabilities, labels) == pytest.approx(0.25)


def test_top_label_ece_equals_its_definition():
    p, y = classes(300, 4, 5)
    total, top, predicted = 0.0, p.max(axis=1), p.argmax(axis=1)
    for label, number in itertools.product(range(4), range(10)):
        cell = (predicted == label) & (top > number / 10) & (top <= (number + 1) / 10)
        if cell.any():
            total += cell.mean() * abs((y[cell] == label).mean() - top[cell].mean())
    assert top_label_ece(p, y) == pytest.approx(total)
    assert top_label_ece(p, y) >= ece(top, predicted == y) - 1e-12


# Proper scores


def test_brier_agrees_with_scikit_learn():
    p, r = calibrated(200, np.random.default_rng(6))
    assert brier(p, r) == pytest.approx(brier_score_loss(r, p))
    assert brier_multiclass(np.column_stack([1 - p, p]), r.astype(int)) == pytest.approx(2 * brier(p, r))


def test_multiclass_brier_agrees_with_scikit_learn_and_is_k_times_the_papers():
    p, y = classes(200, 4, 7)
    assert brier_multiclass(p, y) == pytest.approx(brier_score_loss(y, p, scale_by_half=False, labels=range(4)))
    assert brier_multiclass(p, y) == pytest.approx(4 * ((p - np.eye(4)[y]) ** 2).mean())
    assert brier_multiclass([[1, 0], [1, 0]], [1, 1]) == 2


def test_brier_skill_measures_against_the_constant():
    r = np.array([1, 1, 1, 0])
    assert brier_skill([0.75] * 4, r, 0.75) == pytest.approx(0)
    assert brier_skill(r, r, 0.75) == 1
    assert brier_skill([0.0] * 4, r, 0.75) == pytest.approx(1 - 0.75 / 0.1875)
    assert math.isnan(brier_skill([0.9, 0.9], [1, 1], 1.0))


def test_log_losses_agree_with_scikit_learn():
    p, y = classes(200, 5, 8)
    assert nll(p, y) == pytest.approx(log_loss(y, p, labels=range(5)))
    q, r = calibrated(200, np.random.default_rng(9))
    assert binary_nll(q, r) == pytest.approx(log_loss(r, q))
    assert binary_nll(q, r) == pytest.approx(nll(np.column_stack([1 - q, q]), r.astype(int)))


def test_log_losses_stay_finite_at_certainty():
    worst = -math.log(metrics.EPSILON)
    assert binary_nll([0, 1], [1, 0]) == pytest.approx(worst)
    assert nll([[1, 0]], [1]) == pytest.approx(worst)
    assert binary_nll([1, 0], [1, 0]) == 0


# Ranking


@pytest.mark.parametrize("decimals", [1, 8])
def test_auroc_agrees_with_scikit_learn_with_and_without_ties(decimals):
    p, r = calibrated(300, np.random.default_rng(10))
    assert auroc(p.round(decimals), r) == pytest.approx(roc_auc_score(r, p.round(decimals)))


def test_auroc_of_a_constant_is_one_half_and_of_one_class_is_undefined():
    assert auroc([0.4] * 5, [1, 0, 0, 1, 1]) == 0.5
    assert math.isnan(auroc([0.1, 0.2], [1, 1]))
    assert math.isnan(auroc([0.1, 0.2], [0, 0]))


@quick
@given(answers)
def test_auroc_depends_on_order_alone(pairs):
    p, r = columns(pairs)
    steps = np.unique(p, return_inverse=True)[1] / p.size
    assert auroc(p, r) == pytest.approx(auroc(steps, r), nan_ok=True)
    assert auroc(p, r) == pytest.approx(1 - auroc(p, 1 - r), nan_ok=True)


def test_risk_coverage_by_hand():
    curve = risk_coverage([0.2, 0.9, 0.6, 0.8], [1, 1, 0, 1])
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert curve.risk == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert curve.threshold.tolist() == [0.9, 0.8, 0.6, 0.2]


def test_risk_of_ties_is_the_mean_over_their_orders():
    p = np.array([0.9, 0.5, 0.5, 0.5, 0.5, 0.1])
    wrong = np.array([0, 1, 0, 1, 1, 0])
    orders = [[0, *order, 5] for order in itertools.permutations([1, 2, 3, 4])]
    expected = np.mean([np.cumsum(wrong[order]) / np.arange(1, 7) for order in orders], axis=0)
    assert risk_coverage(p, 1 - wrong).risk == pytest.approx(expected)


def test_risk_of_a_constant_is_the_error_rate_everywhere():
    curve = risk_coverage([0.7] * 8, [1, 0, 1, 0, 0, 1, 1, 1])
    assert curve.risk == pytest.approx([3 / 8] * 8)
    assert (curve.threshold == 0.7).all()


@pytest.mark.parametrize(("n", "wrong"), [(4, 1), (10, 3), (7, 7), (5, 0)])
def test_aurc_of_the_oracle_order_in_closed_form(n, wrong):
    right = np.arange(n) < n - wrong
    confidence = np.linspace(1, 0, n)
    best = sum(j / (n - wrong + j) for j in range(1, wrong + 1)) / n
    assert aurc(confidence, right) == pytest.approx(best)
    assert aurc(confidence[::-1], right) >= best


# Invariants


@quick
@given(answers, st.randoms(use_true_random=False))
@pytest.mark.parametrize("name", BINARY)
def test_the_order_of_items_never_matters(name, pairs, random):
    metric, shuffled = BINARY[name], random.sample(pairs, len(pairs))
    assert metric(*columns(shuffled)) == pytest.approx(metric(*columns(pairs)), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", MULTICLASS)
@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_items_and_of_classes_never_matters(name, seed):
    p, y = classes(60, 5, seed)
    rng = np.random.default_rng(seed)
    items, order = rng.permutation(60), rng.permutation(5)
    renamed = np.argsort(order)[y]
    value = MULTICLASS[name](p, y)
    assert MULTICLASS[name](p[items], y[items]) == pytest.approx(value)
    assert MULTICLASS[name](p[:, order], renamed) == pytest.approx(value)


@quick
@given(answers)
def test_values_stay_in_their_ranges(pairs):
    p, r = columns(pairs)
    for name in ("ece", "ece_mass", "mce", "brier", "aurc"):
        assert 0 <= BINARY[name](p, r) <= 1, name
    assert 0 <= binary_nll(p, r) <= -math.log(metrics.EPSILON)
    assert brier_skill(p, r, 0.4) <= 1
    assert ece(p, r) <= mce(p, r) + 1e-12
    assert ece(p, r, bins=1) <= ece(p, r) + 1e-12
    curve = risk_coverage(p, r)
    assert curve.risk[-1] == pytest.approx(1 - r.mean())
    assert (np.diff(curve.threshold) <= 0).all()


# Bad input


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    ("confidence", "right"),
    [
        ([0.5, math.nan], [1, 0]),
        ([0.5, math.inf], [1, 0]),
        ([0.5, 1.01], [1, 0]),
        ([0.5, -0.01], [1, 0]),
        ([0.5, None], [1, 0]),
        (["high", "low"], [1, 0]),
        ([[0.5, 0.5]], [1, 0]),
        (0.5, 1),
        ([0.5, 0.5], [1]),
        ([0.5, 0.5], [1, 0.5]),
        ([0.5, 0.5], [1, 2]),
        ([0.5, 0.5], [1, math.nan]),
    ],
)
def test_bad_answers_never_give_a_number(name, confidence, right):
    with pytest.raises(InvalidInputError):
        BINARY[name](confidence, right)


@pytest.mark.parametrize("name", MULTICLASS)
@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        ([[0.5, 0.4]], [0]),
        ([[0.5, math.nan]], [0]),
        ([[1.5, -0.5]], [0]),
        ([0.5, 0.5], [0, 1]),
        ([[0.5, 0.5]], [2]),
        ([[0.5, 0.5]], [-1]),
        ([[0.5, 0.5]], [0.0]),
        ([[0.5, 0.5]], [[0]]),
        ([[0.5, 0.5]], [0, 1]),
    ],
)
def test_bad_classes_never_give_a_number(name, probabilities, labels):
    with pytest.raises(InvalidInputError):
        MULTICLASS[name](probabilities, labels)


@pytest.mark.parametrize("name", BINARY)
def test_no_items_are_not_enough(name):
    with pytest.raises(NotEnoughDataError, match="at least 1 item"):
        BINARY[name]([], [])


@pytest.mark.parametrize("name", MULTICLASS)
def test_no_rows_are_not_enough(name):
    with pytest.raises(NotEnoughDataError, match="at least 1 item"):
        MULTICLASS[name](np.empty((0, 3)), np.empty(0, dtype=int))


@pytest.mark.parametrize(
    "options",
    [{"bins": 0}, {"bins": 2.5}, {"scheme": "equal"}, {"draws": 0}],
    ids=lambda o: next(iter(o)),
)
def test_bad_options_are_refused(options):
    with pytest.raises(InvalidInputError, match=next(iter(options))) as caught:
        ece_corrected([0.5, 0.6], [1, 0], **options)
    assert isinstance(caught.value, ThermolangError)
    assert isinstance(caught.value, ValueError)


def test_a_base_rate_must_be_a_probability():
    with pytest.raises(InvalidInputError):
        brier_skill([0.5], [1], 1.5)


def test_importing_the_metrics_needs_no_torch():
    code = "import sys, thermolang.calibration.bootstrap; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
