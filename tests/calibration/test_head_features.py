"""Log-odds, margin and entropy of an answer: closed forms, invariances, extremes."""

import numpy as np
import pytest

from thermolang.calibration.head import REACH, answer_features
from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.errors import InvalidInputError

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 4))


@pytest.mark.parametrize(("logits", "kind"), [(LOGITS, CHOICE), (LOGITS[:, :2], SELF_CHECK), (LOGITS[:, :2], CHOICE)])
def test_the_first_cue_is_the_log_odds_of_p(logits, kind):
    odds = answer_features(logits, (0.4, 0.7), kind=kind)[:, 0]
    p = kind.probability(logits, (0.4, 0.7 if kind.has_bias else 0.0))
    assert odds == pytest.approx(np.log(p / (1 - p)))


def test_margin_and_entropy_in_closed_form():
    features = answer_features(np.log([[4.0, 2.0, 1.0, 1.0], [1, 1, 1, 1]]), (1.0, 0.0), kind=CHOICE)
    assert features[0] == pytest.approx([0.0, np.log(2), 1.75 / 2])  # entropy of 1/2, 1/4, 1/8, 1/8 is 1.75 bits of 2
    assert features[1] == pytest.approx([-np.log(3), 0.0, 1.0])


def test_the_order_of_choices_and_a_shift_never_matter():
    features = answer_features(LOGITS, (0.5, 0.0), kind=CHOICE)
    assert np.array_equal(features, answer_features(LOGITS[:, [2, 0, 3, 1]], (0.5, 0.0), kind=CHOICE))
    assert features == pytest.approx(answer_features(LOGITS + 100, (0.5, 0.0), kind=CHOICE))


def test_yes_and_no_are_told_apart_and_the_bias_counts_for_yes():
    features = answer_features([[3.0, 1.0], [1.0, 3.0]], (0.5, 0.25), kind=SELF_CHECK)
    assert features[:, 0] == pytest.approx([1.25, -0.75])
    assert features[:, 1] == pytest.approx([1.25, 0.75])
    assert (answer_features([[3.0, 1.0]], (0.5, 9.0), kind=CHOICE)[0, 0]) == pytest.approx(1.0)


def test_certain_answers_stay_finite():
    features = answer_features([[1e4, 0.0, 0.0]], (1.0, 0.0), kind=CHOICE)
    assert features[0].tolist() == [REACH, 1e4, 0.0]


@pytest.mark.parametrize(
    ("logits", "scale", "kind"),
    [
        (np.zeros((2, 1)), (1.0, 0.0), CHOICE),
        (np.zeros(3), (1.0, 0.0), CHOICE),
        (np.zeros((2, 3)), (1.0, 0.0), SELF_CHECK),
        (np.array([[np.nan, 0.0]]), (1.0, 0.0), CHOICE),
        (np.zeros((2, 2)), (0.0, 0.0), SELF_CHECK),
        (np.zeros((2, 2)), (np.inf, 0.0), SELF_CHECK),
        (np.zeros((2, 2)), (1.0, np.nan), SELF_CHECK),
    ],
)
def test_what_cannot_be_read_is_refused(logits, scale, kind):
    with pytest.raises(InvalidInputError):
        answer_features(logits, scale, kind=kind)
