"""The regression behind head and probe: folds, units, random intercepts, an affine result."""

import numpy as np
import pytest
from scipy.special import expit

from thermolang.calibration.head import Hyperparameters
from thermolang.calibration.head_training import Answers, Regression, group_folds, group_means, leaving_out

FULL = Hyperparameters(features=2, feature_spread=1.0, components=8, hidden_spread=2.0)


def tasks(n_tasks=12, n=80, d=6, *, level=0.0, seed=0):
    """Cue 0 and hidden coordinate 0 each add to the log-odds; a task's level is ``level`` times a normal number."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(n_tasks):
        hidden, features, offset = rng.normal(2, 3, (n, d)), rng.normal(5, 2, (n, 2)), rng.normal(0, 1, n)
        odds = offset + 0.5 * (features[:, 0] - 5) + 0.4 * (hidden[:, 0] - 2) + level * rng.normal()
        made.append(Answers(hidden, rng.random(n) < expit(odds), offset, features))
    return made


def test_a_true_line_is_recovered():
    line = Regression(tasks(40, 200), 8, None).fit(Hyperparameters(2, 10.0, 8, 30.0))
    assert line.features == pytest.approx([0.5, 0.0], abs=0.05)
    assert line.hidden == pytest.approx([0.4, 0, 0, 0, 0, 0], abs=0.04)
    assert line.constant == pytest.approx(-2.5 - 0.8, abs=0.3)


def test_random_intercepts_keep_the_levels_out_of_the_slopes():
    """Tasks that are easy and have a large hidden coordinate 1, where within a task it means nothing."""
    rng, made = np.random.default_rng(0), []
    for k in range(8):
        hidden = rng.normal(0, 1, (100, 4))
        hidden[:, 1] += 2 * (-1) ** k
        made.append(Answers(hidden, rng.random(100) < expit(2.0 * (-1) ** k), np.zeros(100), np.zeros((100, 0))))
    pooled, within = (
        Regression(made, 4, tau).fit(Hyperparameters(components=4, hidden_spread=5.0)).hidden[1] for tau in (None, 3.0)
    )
    assert pooled > 0.5
    assert abs(within) < pooled / 3


def test_parts_that_are_left_out_add_nothing():
    regression = Regression(tasks(), 8, 0.5)
    assert not regression.fit(Hyperparameters(components=8, hidden_spread=1.0)).features.any()
    one_feature = regression.fit(Hyperparameters(features=1, feature_spread=1.0))
    assert one_feature.features[0] > 0.2 and not one_feature.features[1] and not one_feature.hidden.any()
    nothing = regression.fit(Hyperparameters())
    assert not nothing.features.any() and not nothing.hidden.any()


def test_small_spreads_hold_the_slopes_back():
    regression = Regression(tasks(), 8, None)
    sizes = [np.linalg.norm(regression.fit(Hyperparameters(2, s, 8, s)).hidden) for s in (0.01, 0.1, 1.0, 10.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.01 * sizes[-1]


def test_units_of_hidden_states_do_not_matter():
    some = tasks()
    scaled = [Answers(1000 * a.hidden + 7, a.right, a.offset, a.features) for a in some]
    first, second = Regression(some, 8, 0.5).fit(FULL), Regression(scaled, 8, 0.5).fit(FULL)
    assert first(some[0]) == pytest.approx(second(scaled[0]), abs=1e-6)


def test_all_right_is_finite():
    some = [Answers(a.hidden, np.ones(80, bool), a.offset, a.features) for a in tasks(4)]
    assert np.isfinite(Regression(some, 8, 1.0).fit(FULL)(some[0])).all()


def test_a_left_out_task_has_no_part_in_its_own_log_odds():
    some, folds = tasks(6), [0, 0, 1, 1, 2, 2]
    odds = leaving_out(some, folds, 8, 0.5)(FULL)
    flipped = [
        Answers(a.hidden, ~a.right if f == 1 else a.right, a.offset, a.features)
        for a, f in zip(some, folds, strict=True)
    ]
    changed = leaving_out(flipped, folds, 8, 0.5)(FULL)
    assert [np.allclose(a, b) for a, b in zip(odds, changed, strict=True)] == [False, False, True, True, False, False]


def test_folds_keep_groups_together_and_do_not_depend_on_order():
    groups = [f"g{i % 7}" for i in range(20)]
    folds = group_folds(groups, 3, seed=0)
    assert len(set(zip(groups, folds, strict=True))) == 7
    sizes = np.bincount([dict(zip(groups, folds, strict=True))[g] for g in set(groups)])
    assert sizes.max() - sizes.min() <= 1 and len(sizes) == 3
    assert group_folds(groups[::-1], 3, seed=0) == folds[::-1]
    assert len(set(group_folds(groups, 10, seed=0))) == 7
    assert any(group_folds(groups, 3, seed=s) != folds for s in range(1, 5))


def test_group_means():
    assert group_means(np.array([1.0, 2.0, 6.0]), ["b", "a", "b"]).tolist() == [2.0, 3.5]
