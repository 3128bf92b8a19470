"""What a policy decides, and the sentence it gives for it."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermolang.errors import InvalidInputError, ThermolangError
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Decision

quick = settings(max_examples=100, deadline=None, derandomize=True)
POLICY = Policy(threshold=0.7, reject_below=0.2)


@pytest.mark.parametrize(
    ("value", "action", "reason"),
    [
        (0.91, "accept", "confidence 0.91 is at or above the threshold 0.70"),
        (0.7, "accept", "confidence 0.70 is at or above the threshold 0.70"),
        (1.0, "accept", "confidence 1.00 is at or above the threshold 0.70"),
        (0.42, "review", "confidence 0.42 is below the threshold 0.70"),
        (0.2, "review", "confidence 0.20 is below the threshold 0.70"),
        (0.19, "reject", "confidence 0.19 is below the limit for rejection 0.20"),
        (0.0, "reject", "confidence 0.00 is below the limit for rejection 0.20"),
    ],
)
def test_the_value_decides(value, action, reason):
    assert POLICY.decide(Confidence(value)) == Decision(action, reason, 0.7)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.699, "confidence 0.699 is below the threshold 0.700"),
        (0.69999, "confidence 0.69999 is below the threshold 0.70000"),
        (math.nextafter(0.7, 0), "is below the threshold"),
    ],
)
def test_the_reason_never_says_that_a_number_is_below_itself(value, reason):
    said = POLICY.decide(Confidence(value)).reason
    assert reason in said
    shown, limit = said.removeprefix("confidence ").split(" is below the threshold ")
    assert float(shown) < float(limit)


def test_by_default_nothing_is_rejected():
    assert Policy() == Policy(threshold=0.7, reject_below=0.0, review_unsupported=True)
    assert Policy().decide(Confidence(0.0)).action == "review"


def test_without_a_value_the_confidence_says_why():
    decision = Policy(threshold=0.0).decide(Confidence(None, reason="no calibrator for this model"))
    assert decision == Decision("review", "no calibrator for this model", 0.0)
    assert Policy().decide(Confidence(None)).reason == "the confidence could not be computed"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5, -0.1])
def test_what_is_no_probability_is_never_accepted(value):
    decision = Policy(threshold=0.0).decide(Confidence(value))
    assert decision.action == "review"
    assert decision.reason == f"confidence {value} is not a probability"


@pytest.mark.parametrize("value", [0.99, 0.5, 0.01])
def test_an_unsupported_input_goes_to_review(value):
    decision = POLICY.decide(Confidence(value, supported=False, novelty=1.432))
    assert decision.action == "review"
    assert decision.reason == ("the input is unlike what the calibrator was trained on (novelty 1.43, usually below 1)")
    unknown = POLICY.decide(Confidence(value, supported=False)).reason
    assert unknown == "the input is unlike what the calibrator was trained on"


def test_unsupported_inputs_can_be_judged_by_their_value():
    policy = Policy(review_unsupported=False)
    assert policy.decide(Confidence(0.99, supported=False)).action == "accept"
    assert policy.decide(Confidence(math.nan, supported=False)).action == "review"


@pytest.mark.parametrize(
    ("threshold", "reject_below"),
    [(0.5, 0.6), (1.1, 0.0), (0.5, -0.1), (math.nan, 0.0), (0.5, math.nan), (-0.1, -0.2)],
)
def test_thresholds_out_of_order_are_refused(threshold, reject_below):
    with pytest.raises(InvalidInputError, match="expected 0 <= reject_below") as caught:
        Policy(threshold=threshold, reject_below=reject_below)
    assert isinstance(caught.value, ThermolangError)
    assert isinstance(caught.value, ValueError)


def test_a_policy_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        POLICY.threshold = 0.1


@quick
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_confidence_never_makes_a_worse_decision(value, one, other):
    low, high = sorted((one, other))
    policy, rank = Policy(threshold=high, reject_below=low), ["reject", "review", "accept"]
    decided = rank.index(policy.decide(Confidence(value)).action)
    assert (decided == 2) == (value >= high)
    assert (decided == 0) == (value < low)
    assert decided <= rank.index(policy.decide(Confidence((1 + value) / 2)).action)


FIELDS = {"name": Confidence(0.9), "items[0].price": Confidence(0.4), "age": Confidence(None, reason="no calibrator")}


def test_a_doubtful_field_sends_the_answer_to_review_and_is_named():
    decision = Policy(0.7).decide(Confidence(0.95, fields=FIELDS))
    assert (decision.action, decision.fields) == ("review", ("items[0].price", "age"))
    assert decision.reason == "field items[0].price (and 1 more): confidence 0.40 is below the threshold 0.70"
    assert decision.reason_code == "doubtful_field"


def test_a_field_without_a_confidence_is_doubtful():
    decision = Policy(0.3).decide(Confidence(0.95, fields=FIELDS))
    assert (decision.fields, decision.reason) == (("age",), "field age: no calibrator")


def test_with_good_fields_the_whole_decides():
    good = {"name": Confidence(0.9), "age": Confidence(0.8)}
    assert Policy(0.7).decide(Confidence(0.72, fields=good)).action == "accept"
    low = Policy(0.7).decide(Confidence(0.6, fields=good))
    assert (low.action, low.fields) == ("review", ()) and "0.60 is below" in low.reason


def test_a_rejected_answer_stays_rejected():
    decision = Policy(0.7, reject_below=0.2).decide(Confidence(0.1, fields=FIELDS))
    assert (decision.action, decision.fields) == ("reject", ())


def test_a_decision_carries_the_confidences_reason_code():
    assert Policy().decide(Confidence(None, reason="cut", reason_code="cut")).reason_code == "cut"
