"""Figures and intervals: each metric against its plain definition, pairing, and what is undefined."""

import numpy as np
import pytest

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration import metrics
from thermolang.calibration.bootstrap import interval
from thermolang.calibration.metrics import METRICS
from thermolang.evaluation.baselines import Prediction
from thermolang.evaluation.experiment import MEASURED, Resampled, measure

PLAIN = {
    "NLL right": metrics.binary_nll,
    "Brier": metrics.brier,
    "ECE": metrics.ece,
    "ECE corrected": metrics.ece_corrected,
    "AUROC": metrics.auroc,
    "AURC": metrics.aurc,
}


def prediction(task, seed=0, *, classes=True):
    p = np.random.default_rng(seed).dirichlet(np.ones(task.logits.shape[1]), len(task))
    return Prediction(p.max(1), p if classes else None)


@pytest.fixture
def task():
    return choice_task("a", 2.0, items=80, width=4)


@pytest.mark.parametrize("metric", PLAIN)
def test_figures_are_the_metrics_own(task, metric):
    p = prediction(task)
    found = measure(task, {"x": [p]}, resamples=5)
    assert found.value("x", metric) == pytest.approx(PLAIN[metric](p.confidence, task.right), abs=1e-9)


def test_nll_is_that_of_the_label(task):
    p = prediction(task)
    found = measure(task, {"x": [p], "y": [prediction(task, classes=False)]}, resamples=5)
    assert found.value("x", "NLL") == pytest.approx(metrics.nll(p.probabilities, task.labels))
    assert found.value("y", "NLL") is None and found.value("y", "Brier") is not None


@pytest.mark.parametrize("metric", PLAIN)
def test_a_draw_is_the_metric_of_the_drawn_items(task, metric):
    p = prediction(task)
    draws = np.random.default_rng(1).integers(80, size=(3, 80))
    found = METRICS[metric].resampled(p.confidence, task.right, draws)
    if metric == "ECE corrected":  # its floor is that of the items as they are
        expected = [metrics.ece(p.confidence[d], task.right[d]) - metrics.ece_floor(p.confidence) for d in draws]
    elif metric == "AURC":  # ties between copies of one item; both kinds of order are equally right
        expected = [metrics.aurc(p.confidence[d], task.right[d]) for d in draws]
    else:
        expected = [PLAIN[metric](p.confidence[d], task.right[d]) for d in draws]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_several_predictions_are_averaged_in_their_figures(task):
    some = [prediction(task, seed) for seed in range(3)]
    alone = [measure(task, {"x": [p]}, resamples=5).value("x", "Brier") for p in some]
    assert measure(task, {"x": some}, resamples=5).value("x", "Brier") == pytest.approx(np.mean(alone))


def test_the_order_of_items_changes_nothing(task):
    order = np.random.default_rng(0).permutation(80)
    p = prediction(task)
    moved = Prediction(p.confidence[order], p.probabilities[order])
    a, b = measure(task, {"x": [p]}, resamples=5), measure(task.take(order), {"x": [moved]}, resamples=5)
    for metric in MEASURED:
        assert a.value("x", metric) == pytest.approx(b.value("x", metric), abs=1e-9)


def test_auroc_of_answers_that_are_all_right_is_undefined(task):
    right = task.take(np.flatnonzero(task.right))
    found = measure(right, {"x": [prediction(right)]}, resamples=5)
    assert found.value("x", "AUROC") is None and found.value("x", "Brier") is not None


def shifted(task, by):
    odds = np.log(0.5 / 0.5) + by + np.random.default_rng(7).normal(0, 1, len(task))
    return Prediction(1 / (1 + np.exp(-odds)))


def measured_tasks(count=12):
    tasks = [self_check_task(f"t{i}", 1.0, 0.3, items=60, width=4, seed=i) for i in range(count)]
    return [measure(t, {"a": [shifted(t, 0.0)], "b": [shifted(t, 0.01)], "base": [shifted(t, 3.0)]}) for t in tasks]


def test_intervals_are_paired():
    found = Resampled(measured_tasks())
    a, both = interval(found.means("a", "Brier")), found.difference("a", "b", "Brier")
    assert both.lower <= both.estimate <= both.upper
    assert both.upper - both.lower < 0.1 * (a.upper - a.lower)  # what items and tasks add cancels
    nothing = found.difference("a", "a", "Brier")
    assert (nothing.estimate, nothing.lower, nothing.upper) == (0.0, 0.0, 0.0)


def test_the_share_closed_has_its_ends():
    found = Resampled(measured_tasks())
    assert found.share_closed("base", "base", "a", "Brier").estimate == 0.0
    assert found.share_closed("a", "base", "a", "Brier").estimate == 1.0
    skill = found.share_closed("a", "base", metric="Brier").estimate
    a, base = (found.means(m, "Brier")[0] for m in ("a", "base"))
    assert skill == pytest.approx(1 - a / base)


def test_a_method_that_a_task_lacks_has_no_mean():
    some = measured_tasks(3)
    lacking = measure(some[0].task, {"a": [shifted(some[0].task, 0.0)]})
    assert Resampled([lacking, *some[1:]]).means("b", "Brier") is None


def test_the_interval_covers_the_truth():
    # 60 studies of 15 tasks whose means vary: the 95 % interval of the mean over tasks covers it about that often.
    rng, covered = np.random.default_rng(0), 0
    for study in range(60):
        tasks = [
            self_check_task(f"{study}-{i}", 1.0, float(rng.normal(0, 1)), items=30, width=2, seed=study)
            for i in range(15)
        ]
        constant = [measure(t, {"x": [Prediction(np.full(30, 0.5 + 0.4 * t.right))]}, resamples=60) for t in tasks]
        found = interval(Resampled(constant, seed=study).means("x", "Brier"))
        expected = 0.01 * 0.5 + 0.25 * 0.5  # by symmetry half of all answers are right
        covered += found.lower <= expected <= found.upper
    assert 50 <= covered <= 60
