"""Ridge logistic regression: against scikit-learn, its optimality condition, offsets, separation."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from thermolang.calibration.head_training import fit_logistic
from thermolang.errors import InvalidInputError


def data(n=200, p=5, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, p))
    return x, rng.random(n) < expit(x @ rng.normal(0, 1, p))


def test_agrees_with_scikit_learn():
    x, y = data()
    theirs = LogisticRegression(C=1 / 3.0, fit_intercept=False, tol=1e-10).fit(x, y).coef_[0]
    assert fit_logistic(x, y, np.full(5, 3.0)) == pytest.approx(theirs, abs=1e-5)


def test_gradient_is_zero_with_an_offset_and_penalties_by_column():
    x, y = data()
    offset, penalty = np.random.default_rng(1).normal(0, 2, 200), np.array([0.1, 1, 10, 100, 1000.0])
    b = fit_logistic(x, y, penalty, offset=offset)
    assert x.T @ (y - expit(offset + x @ b)) == pytest.approx(penalty * b, abs=1e-3)


def test_an_offset_that_is_the_truth_leaves_nothing_to_fit():
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (20000, 2))
    odds = x @ [1.0, -2.0]
    b = fit_logistic(x, rng.random(20000) < expit(odds), np.full(2, 1e-3), offset=odds)
    assert b == pytest.approx([0, 0], abs=0.08)


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_separated_classes_have_a_finite_optimum(size):
    x = size * np.array([[-2.0], [-1.0], [1.0], [2.0]])
    b = fit_logistic(x, np.array([0, 0, 1, 1]), np.array([0.01]))
    assert 0 < b[0] < np.inf


def test_starting_far_off_converges():
    x, y = data()
    offset = np.where(y, -30.0, 30.0)  # every answer is predicted wrongly, where the curvature is nil
    b = fit_logistic(x, y, np.full(5, 1e-2), offset=offset)
    assert x.T @ (y - expit(offset + x @ b)) == pytest.approx(1e-2 * b, abs=1e-2)


def test_no_penalty_is_refused():
    with pytest.raises(InvalidInputError, match="penalty above 0"):
        fit_logistic(*data(), np.array([1, 1, 0, 1, 1.0]))
