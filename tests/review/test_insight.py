"""Whether the number helps, and agreement: against closed forms and published figures."""

import math
import random

import pytest

from thermolang.review import insight
from thermolang.review.insight import Trial


def some(count, *, number=True, right=True, accepted=True, operator="ann", confidence=0.9, seconds=4.0):
    return [Trial(operator, number, right, accepted, confidence, seconds)] * count


@pytest.mark.parametrize(("count", "total"), [(0, 1), (1, 1), (0, 10), (8, 10), (50, 50), (37, 400)])
def test_the_interval_of_a_share_is_that_of_wilson(count, total):
    z, share = 1.959963984540054, count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    found = insight.proportion(count, total)
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_without_trials_a_share_is_unknown():
    assert insight.proportion(0, 0) == insight.Proportion(0, 0, None, 0.0, 1.0)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [  # Newcombe (1998), table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 10), 0.6075, 1.0),
        ((5, 56), (0, 29), -0.0381, 0.1926),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(first, second, low, high):
    gain, *ends = insight.difference(insight.proportion(*first), insight.proportion(*second))
    assert gain == pytest.approx(first[0] / first[1] - second[0] / second[1])
    assert ends == pytest.approx([low, high], abs=5e-5)


def test_the_interval_of_a_median_has_the_ranks_of_the_binomial_distribution():
    # Of 20 values, the 6th and the 15th: P(5 < B(20, 1/2) < 15) = 0.9586, and the next closer pair has less than 0.95.
    found = insight.duration([float(value) for value in range(1, 21)])
    assert (found.median, found.low, found.high) == (10.5, 6.0, 15.0)
    assert insight.duration([1.0, 9.0, 2.0]) == insight.Duration(3, 2.0)
    assert insight.duration([]) == insight.Duration(0, None)


def test_a_number_that_helps():
    found = insight.helps(
        some(45) + some(5, accepted=False) + some(30, number=False) + some(20, number=False, right=False)
    )
    assert (found.with_number.accuracy.share, found.without_number.accuracy.share) == (0.9, 0.6)
    assert found.gain == pytest.approx(0.3)
    assert found.low > 0 and found.finding == "helps"


def test_a_number_that_harms_and_over_reliance():
    trusting = some(40, right=False) + some(10, right=False, accepted=False) + some(5, right=False, confidence=0.2)
    critical = some(10, number=False, right=False) + some(40, number=False, right=False, accepted=False)
    found = insight.helps(trusting + critical)
    # The five with a low number are not confident, so agreeing with them is no over-reliance.
    shown, blind = found.with_number.overreliance, found.without_number.overreliance
    assert (shown.count, shown.total, blind.count, blind.total) == (40, 50, 10, 50)
    assert found.finding == "harms" and found.high < 0


def test_right_answers_and_answers_without_a_number_are_no_over_reliance():
    found = insight.judging(some(5) + some(5, right=False, confidence=None))
    assert found.overreliance.total == 0


def test_few_probes_are_unclear_and_one_condition_says_nothing():
    assert insight.helps(some(3) + some(2, number=False) + some(1, number=False, accepted=False)).finding == "unclear"
    found = insight.helps(some(50))
    assert (found.finding, found.gain, found.low, found.high) == ("too_few", None, -1.0, 1.0)


def test_each_operator_has_figures_and_all_together_come_first():
    found = insight.by_operator(some(3, operator="bob") + some(2, operator="ann", number=False))
    assert [(each.operator, each.with_number.accuracy.total, each.without_number.accuracy.total) for each in found] == [
        ("", 3, 2),
        ("ann", 0, 2),
        ("bob", 3, 0),
    ]


@pytest.mark.parametrize("confidence", ["helps", "harms"])
def test_the_finding_is_seldom_wrong_if_the_number_does_nothing(confidence):
    draw = random.Random(7)

    def trials(number):
        return [Trial("ann", number, True, draw.random() < 0.7, 0.6, 1.0) for _ in range(60)]

    found = [insight.helps(trials(True) + trials(False)).finding for _ in range(400)]
    assert found.count(confidence) <= 20  # 2.5 % are expected


def test_agreement_beyond_chance():
    # Cohen (1960): po = 0.7, pe = 0.5 x 0.6 + 0.5 x 0.4 = 0.5
    found = insight.agreement([(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15)
    assert (found.pairs, found.agreed.share, found.kappa) == (50, 0.7, pytest.approx(0.4))


def test_alpha_is_that_of_the_coincidence_matrix():
    # Krippendorff (2011), "Computing Krippendorff's alpha-reliability", B: two observers, binary data, alpha = 0.095
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    found = insight.agreement([(bool(one), bool(other)) for one, other in zip(meg, owen, strict=True)])
    assert found.alpha == pytest.approx(0.095, abs=5e-4)


@pytest.mark.parametrize("pairs", [[], [(True, True)] * 9])
def test_where_everybody_always_says_the_same_there_is_no_coefficient(pairs):
    found = insight.agreement(pairs)
    assert (found.pairs, found.kappa, found.alpha) == (len(pairs), None, None)
