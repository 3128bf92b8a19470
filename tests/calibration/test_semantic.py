"""The confidence of a meaning: what agreement is worth, how little few samples are, when to stop sampling."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy.special import expit, logit

from thermolang.calibration.metrics import auroc
from thermolang.calibration.semantic import (
    ROUNDS,
    SEMANTIC_FEATURES,
    Evidence,
    SampledTask,
    SemanticFit,
    adaptive,
    fit_semantic,
    semantic_features,
)
from thermolang.errors import InvalidInputError, NotEnoughDataError


def evidence_of(hits, entropy=0.0):
    """Evidence of N samples of which those of each row of ``hits`` (M, N) agree with the given answer."""
    share = hits.mean(1)
    rival = (1 - share) / 2
    return Evidence(
        hits.shape[1], share, np.full(len(share), entropy) if np.isscalar(entropy) else entropy, share - rival
    )


def sampled_task(seed, *, group="", items=300, worth=1.0, accuracy=0.5):
    """Right answers are said again with probability .8, wrong ones with .3; the self-check knows a little."""
    rng = np.random.default_rng(seed)
    right = rng.random(items) < accuracy
    chance = np.where(right, 0.55 + 0.25 * worth, 0.55 - 0.25 * worth)
    hits = (rng.random((items, 8)) < chance[:, None]).astype(float)
    rounds = {n: evidence_of(hits[:, :n]) for n in ROUNDS}
    check = logit(accuracy) + np.where(right, 0.4, -0.4) + rng.normal(0, 0.5, items)
    return SampledTask(group or f"g{seed}", right, check, rng.uniform(0.2, 0.9, items), rounds)


@pytest.fixture(scope="module")
def fit():
    return fit_semantic([sampled_task(i) for i in range(6)])


def test_agreement_tells_right_from_wrong_and_the_probability_is_honest(fit):
    task = sampled_task(99, items=4000)
    p = expit(fit.log_odds(task.rounds[8], task.self_check, task.logprob))
    assert auroc(p, task.right) > auroc(expit(task.self_check), task.right) + 0.05
    for low, high in ((0.1, 0.4), (0.4, 0.6), (0.6, 0.9)):
        inside = (p > low) & (p <= high)
        noise = 3 * 0.5 / np.sqrt(inside.sum())
        assert task.right[inside].mean() == pytest.approx(p[inside].mean(), abs=0.02 + noise)


def test_without_information_the_samples_are_not_believed():
    worthless = fit_semantic([sampled_task(i, worth=0.0) for i in range(6)])
    told = fit_semantic([sampled_task(i) for i in range(6)])
    shown = evidence_of(np.array([[1.0] * 8, [0.0] * 8]))
    moved = [np.ptp(f.log_odds(shown, np.zeros(2), np.full(2, 0.5))) for f in (worthless, told)]
    assert moved[0] < 0.25 * moved[1]


def test_more_agreement_is_more_confidence(fit):
    hits = np.tril(np.ones((9, 8)), -1)
    odds = fit.log_odds(evidence_of(hits), np.zeros(9), np.full(9, 0.5))
    assert (np.diff(odds) > 0).all()


def test_two_samples_that_agree_are_less_than_eight(fit):
    odds = [float(fit.log_odds(evidence_of(np.ones((1, n))), np.zeros(1), np.full(1, 0.5))[0]) for n in ROUNDS]
    assert odds[0] < odds[1] < odds[2]


def test_the_same_answer_scores_the_same_alone_and_among_others(fit):
    task = sampled_task(5, items=50)
    shown = task.rounds[4]
    together = fit.log_odds(shown, task.self_check, task.logprob)
    for i in range(0, 50, 7):
        one = Evidence(4, shown.share[[i]], shown.entropy[[i]], shown.lead[[i]])
        assert fit.log_odds(one, task.self_check[[i]], task.logprob[[i]])[0] == together[i]


def test_before_any_sample_agreement_has_no_weight(fit):
    constant, *weights = fit.coefficients[0]
    assert weights[1:4] == [0, 0, 0]
    odds = fit.alone(np.array([-1.0, 1.0]), np.array([0.5, np.nan]))
    assert odds[0] == pytest.approx(constant - weights[0] + 0.5 * weights[-1])
    assert odds[1] == pytest.approx(constant + weights[0] + fit.logprob * weights[-1])
    task = sampled_task(77, items=3000)
    p = expit(fit.alone(task.self_check, task.logprob))
    assert p.mean() == pytest.approx(task.right.mean(), abs=0.06)


def test_an_unknown_logprob_counts_as_the_usual_one(fit):
    shown = evidence_of(np.ones((2, 8)))
    odds = fit.log_odds(shown, np.zeros(2), np.array([np.nan, fit.logprob]))
    assert odds[0] == odds[1]


@given(st.integers(1, 40), st.integers(0, 40))
def test_cues_are_finite_for_any_share(n, k):
    shown = Evidence(n, np.array([min(k, n) / n]), np.array([0.0]), np.array([1.0]))
    assert np.isfinite(semantic_features(shown, np.zeros(1), np.full(1, 0.5))).all()
    assert semantic_features(shown, np.zeros(1), np.full(1, 0.5)).shape == (1, len(SEMANTIC_FEATURES))


def test_other_numbers_of_samples_use_the_line_of_fewer(fit):
    shown = evidence_of(np.ones((1, 5)))
    moved = replace(fit, coefficients={**fit.coefficients, 8: fit.coefficients[2]})
    assert fit.log_odds(shown, np.zeros(1), np.full(1, 0.5)) == moved.log_odds(shown, np.zeros(1), np.full(1, 0.5))


@pytest.mark.parametrize(
    "broken",
    [
        lambda: semantic_features(Evidence(0, np.zeros(1), np.zeros(1), np.zeros(1)), np.zeros(1), np.ones(1)),
        lambda: semantic_features(Evidence(4, np.full(1, np.nan), np.zeros(1), np.zeros(1)), np.zeros(1), np.ones(1)),
        lambda: semantic_features(Evidence(4, np.zeros(1), np.zeros(1), np.zeros(1)), np.full(1, np.inf), np.ones(1)),
    ],
)
def test_numbers_that_mean_nothing_are_refused(broken):
    with pytest.raises(InvalidInputError, match=r"finite|sample"):
        broken()


def test_one_group_is_not_enough():
    with pytest.raises(NotEnoughDataError, match="2 groups"):
        fit_semantic([sampled_task(0, group="a"), sampled_task(1, group="a")])


# Stopping early


def test_adaptive_stops_where_more_samples_hardly_matter(fit):
    task = sampled_task(50, items=2000)
    rounds = [fit.alone(task.self_check, task.logprob)]
    rounds += [fit.log_odds(task.rounds[n], task.self_check, task.logprob) for n in ROUNDS]
    odds, used = adaptive(fit, rounds, fit.base_rate)
    assert set(used.tolist()) <= {0, *ROUNDS}
    assert used.mean() < 8
    for i, n in enumerate((0, *ROUNDS)):
        np.testing.assert_array_equal(odds[used == n], rounds[i][used == n])
    same_side = (odds > logit(fit.base_rate)) == (rounds[-1] > logit(fit.base_rate))
    assert same_side.mean() > 0.85
    assert auroc(expit(odds), task.right) > auroc(expit(rounds[-1]), task.right) - 0.04


def test_far_from_the_threshold_nothing_is_sampled(fit):
    far = np.array([-40.0, 40.0])
    assert fit.is_final(far, 0, 0.5).all()
    assert not fit.is_final(np.zeros(1), 0, 0.5).any()
    assert fit.is_final(np.zeros(1), 8, 0.5).all()
    assert not fit.is_final(np.array([logit(0.9)]), 0, 0.9).any()


# On disk

ADAPTER = TypeAdapter(SemanticFit)


def test_a_fit_survives_json(fit):
    again = ADAPTER.validate_json(ADAPTER.dump_json(fit))
    assert again == fit


@pytest.mark.parametrize(
    "change",
    [
        {"coefficients": {"8": [1.0]}},
        {"spreads": {"2": 1.0}},
        {"half_width": float("nan")},
        {"coefficients": {"8": [float("inf")] * 6}},
    ],
)
def test_a_damaged_fit_is_refused(fit, change):
    with pytest.raises(ValueError, match="usable"):
        ADAPTER.validate_python(ADAPTER.dump_python(fit, mode="json") | change)
