"""Methods over sampled answers: no labels of the held-out task, costs, and how they do on a world where it matters."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.test_baselines import fold
from thermolang.calibration.metrics import auroc
from thermolang.calibration.semantic import ROUNDS
from thermolang.evaluation.baselines import BASELINES
from thermolang.evaluation.fold_fits import FoldFits

BY_NAME = {name: m for name, m in BASELINES.items() if m.samples}


def sampled(predicted, seed):
    """The prediction of a task with samples: right answers are said again more often."""
    task = predicted.task
    rng = np.random.default_rng(seed)
    hits = rng.random((len(task), 8)) < np.where(task.right, 0.8, 0.3)[:, None]
    signals = {}
    for n in ROUNDS:
        share = hits[:, :n].mean(1)
        signals |= {f"share@{n}": share, f"entropy@{n}": np.full(len(task), 0.5), f"lead@{n}": share}
        signals[f"tokens@{n}"] = np.full(len(task), n / 8)
    signals |= {"share": signals["share@8"], "semantic_entropy": np.full(len(task), 0.5), "lexical": share}
    return replace(predicted, task=replace(task, signals=signals))


@pytest.fixture(scope="module")
def some_fold():
    plain = fold("self_check")
    training = tuple(sampled(r, i) for i, r in enumerate(plain.training))
    return replace(plain, training=training, testing=tuple(sampled(r, 99) for r in plain.testing))


@pytest.mark.parametrize("name", BY_NAME)
def test_a_method_gives_probabilities_and_looks_at_no_label(some_fold, name):
    held_out = some_fold.testing[0]
    predict = BY_NAME[name].fit(FoldFits(some_fold))
    blind = replace(held_out, task=replace(held_out.task, labels=np.roll(held_out.task.labels, 7)))
    before, after = predict(held_out)[0], predict(blind)[0]
    np.testing.assert_array_equal(before.confidence, after.confidence)
    assert ((before.confidence >= 0) & (before.confidence <= 1)).all()


def test_adaptive_costs_less_and_thorough_everything(some_fold):
    held_out = some_fold.testing[0]
    thorough, adaptive = (BY_NAME[n].fit(FoldFits(some_fold))(held_out)[0] for n in ("thorough", "adaptive"))
    assert (thorough.cost == 1).all()
    assert set(adaptive.cost.tolist()) <= {0, 0.25, 0.5, 1}
    assert adaptive.cost.mean() < 1
    assert auroc(thorough.confidence, held_out.task.right) > 0.7


def test_tasks_without_samples_have_no_such_prediction(some_fold):
    plain = fold("self_check")
    assert all(BY_NAME[name].fit(FoldFits(some_fold))(plain.testing[0]) is None for name in BY_NAME)
    assert BY_NAME["thorough"].fit(FoldFits(plain))(some_fold.testing[0]) is None
