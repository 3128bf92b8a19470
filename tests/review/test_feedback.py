"""Audit, what it detects, and what verdicts are good for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from thermolang.errors import InvalidInputError
from thermolang.review import Audit, Detection, detects


def test_draws_are_even_and_as_often_as_the_rate_says():
    draws = np.array([Audit().draw("task", str(i)) for i in range(4000)])
    assert ((draws >= 0) & (draws < 1)).all()
    # Each tenth holds 400, give or take 4 standard deviations of 19.
    assert all(324 < count < 476 for count in np.histogram(draws, 10, (0, 1))[0])
    assert abs((draws < 0.05).mean() - 0.05) < 0.014


@given(st.text(), st.text(), st.text())
def test_a_draw_depends_on_the_texts_and_the_seed_alone(question, answer, seed):
    audit = Audit(seed=seed)
    assert audit.draw(question, answer) == Audit(0.9, seed=seed).draw(question, answer)
    assert audit.draw(question, answer) != Audit(seed=seed + "x").draw(question, answer)
    assert audit.draw(question + "x", answer) != audit.draw(question, "x" + answer)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_is_a_share(rate):
    with pytest.raises(InvalidInputError, match="a share between 0 and 1"):
        Audit(rate)


@pytest.mark.parametrize(("error", "rise"), [(0.1, 0.05), (0.1, 0.2), (0.05, 0.1), (0.0, 0.05), (0.3, 0.7)])
def test_so_many_labels_notice_a_rise_and_fewer_do_not(error, rise):
    n = detects(0.05, error=error, rise=rise).labels

    def power(size):
        # Written out: the smallest number of errors that is a surprise, and how likely it is after the rise.
        numbers = np.arange(size + 2)
        surprise = next(k for k in numbers if binom.sf(k - 1, size, error) <= 0.05)
        return binom.sf(surprise - 1, size, error + rise)

    assert power(n) >= 0.8
    assert n == 1 or power(n - 1) < 0.8


def test_rarer_draws_take_more_answers_and_small_rises_far_more():
    found = detects(0.05, error=0.1, rise=0.05)
    assert found.answers == 20 * found.labels
    assert detects(1.0, error=0.1, rise=0.05) == Detection(found.labels, found.labels)
    assert detects(0.05, error=0.1, rise=0.02).labels > 5 * found.labels


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"error": 1}, {"rise": 0}, {"rise": 0.95}, {"certainty": 1}, {"power": 0}, {"rate": 2}]
)
def test_what_cannot_be_detected_is_refused(wrong):
    with pytest.raises(InvalidInputError, match="expected a rate"):
        detects(**{"rate": 0.05, "error": 0.1, "rise": 0.05, **wrong})
