"""The two kinds of answers: which option is the answer, how probable it is, what a bias does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit, softmax

from thermolang.calibration.kinds import CHOICE, KINDS, SELF_CHECK
from thermolang.errors import InvalidInputError
from thermolang.types import Scale

few = st.floats(-20, 20)
choices = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 6)), elements=few)
checks = arrays(np.float64, st.tuples(st.integers(1, 6), st.just(2)), elements=few)
scales = st.builds(Scale, st.floats(0.01, 10), st.floats(-3, 3))


def test_each_name_is_its_kind():
    assert {name: kind.name for name, kind in KINDS.items()} == {"choice": "choice", "self_check": "self_check"}
    assert CHOICE.is_choice and not SELF_CHECK.is_choice
    assert (CHOICE.chance(4), SELF_CHECK.chance(2)) == (0.25, 0.0)


@given(choices, scales)
def test_a_choice_is_as_probable_as_its_option_whatever_the_order(z, scale):
    plain = Scale(scale.inverse_temperature)
    p = CHOICE.probability(z, plain)
    np.testing.assert_allclose(p, softmax(z * plain.inverse_temperature, axis=1).max(1), rtol=1e-9)
    np.testing.assert_allclose(CHOICE.probability(z[:, ::-1], plain), p, rtol=1e-12)
    np.testing.assert_array_equal(z[np.arange(len(z)), CHOICE.given(z)], z.max(1))


@given(checks, scales)
def test_a_self_check_is_the_probability_of_yes(z, scale):
    p = SELF_CHECK.probability(z, scale)
    np.testing.assert_allclose(p, expit((z[:, 0] - z[:, 1]) * scale[0] + scale[1]), rtol=1e-9)
    assert not SELF_CHECK.given(z).any()
    both = np.array([SELF_CHECK.option_probabilities(row, scale) for row in z])
    np.testing.assert_allclose(both, np.stack([p, 1 - p], axis=1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", [CHOICE, SELF_CHECK])
@given(checks, scales)
def test_gaps_and_log_odds_say_the_same(kind, z, scale):
    scaled = z * scale.inverse_temperature
    np.testing.assert_allclose(-kind.gaps(scaled)[:, 0], kind.log_odds(scaled), rtol=1e-9, atol=1e-9)


def test_a_bias_moves_the_log_odds_of_a_choice():
    z = np.array([[1.0, 0.0, -1.0]])
    before, after = (CHOICE.probability(z, Scale(0.8, b))[0] for b in (0.0, 0.7))
    assert logit(after) - logit(before) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("kind", "z"),
    [
        (CHOICE, np.zeros((2, 1))),
        (CHOICE, np.zeros(3)),
        (SELF_CHECK, np.zeros((2, 3))),
        (SELF_CHECK, np.array([[np.nan, 0.0]])),
        (CHOICE, np.array([[np.inf, 0.0]])),
    ],
)
def test_logits_of_another_shape_or_not_finite_are_refused(kind, z):
    with pytest.raises(InvalidInputError, match="logits must be finite"):
        kind.check(z)
