"""What a policy decides, and the sentence it gives for it."""

import dataclasses
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermolang.errors import InvalidInputError, NotEnoughDataError, ThermolangError
from thermolang.routing.policy import Policy
from thermolang.types import Confidence, Decision

quick = settings(max_examples=100, deadline=None, derandomize=True)
POLICY = Policy(threshold=0.7, reject_below=0.2)


@pytest.mark.parametrize(
    ("value", "action", "code", "reason", "reason_ja"),
    [
        (0.91, "accept", "accepted", "91 % reaches the 70 % needed", "91 % で、必要な 70 % に達しています"),
        (0.7, "accept", "accepted", "70 % reaches the 70 % needed", "70 % で、必要な 70 % に達しています"),
        (1.0, "accept", "accepted", "100 % reaches the 70 % needed", "100 % で、必要な 70 % に達しています"),
        (0.42, "review", "below_threshold", "42 % is below the 70 % needed", "42 % で、必要な 70 % に達していません"),
        (0.2, "review", "below_threshold", "20 % is below the 70 % needed", "20 % で、必要な 70 % に達していません"),
        (
            0.19,
            "reject",
            "below_rejection",
            "19 % is below the 20 % where answers are rejected",
            "19 % で、却下の基準 20 % 未満です",
        ),
        (
            0.0,
            "reject",
            "below_rejection",
            "0 % is below the 20 % where answers are rejected",
            "0 % で、却下の基準 20 % 未満です",
        ),
    ],
)
def test_the_value_decides(value, action, code, reason, reason_ja):
    expected = Decision(action, reason, 0.7, code=code, value=value, reason_ja=reason_ja, policy=POLICY.fingerprint)
    assert POLICY.decide(Confidence(value)) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (0.699, "69.9 % is below the 70.0 % needed"),
        (0.69999, "69.999 % is below the 70.000 % needed"),
        (math.nextafter(0.7, 0), "is below the 70"),
    ],
)
def test_the_reason_never_says_that_a_number_is_below_itself(value, reason):
    said = POLICY.decide(Confidence(value)).reason
    assert reason in said
    shown, limit = said.removesuffix(" % needed").split(" % is below the ")
    assert float(shown) < float(limit)


@pytest.mark.parametrize(("value", "said"), [(0.9999, "99.99 %"), (1e-4, "0.01 %"), (0.996, "99.6 %")])
def test_only_certainty_is_shown_as_such(value, said):
    assert Policy(threshold=0.0).decide(Confidence(value)).reason.startswith(f"{said} reaches")


def test_by_default_nothing_is_rejected():
    assert Policy() == Policy(threshold=0.7, reject_below=0.0, review_unsupported=True)
    assert Policy().decide(Confidence(0.0)).action == "review"


def test_without_a_value_the_confidence_says_why():
    decision = Policy(threshold=0.0).decide(Confidence(None, reason="no calibrator for this model"))
    assert (decision.action, decision.code) == ("review", "no_confidence")
    assert decision.reason == "no calibrator for this model"
    assert decision.reason_ja == "信頼度がありません: no calibrator for this model"
    unknown = Policy().decide(Confidence(None))
    assert unknown.reason == "the confidence could not be computed"
    assert unknown.reason_ja == "信頼度を計算できませんでした"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.5, -0.1])
def test_what_is_no_probability_is_never_accepted(value):
    decision = Policy(threshold=0.0).decide(Confidence(value))
    assert (decision.action, decision.code) == ("review", "not_a_probability")
    assert decision.reason == f"confidence {value} is not a probability"


@pytest.mark.parametrize(
    ("value", "compared"),
    [
        (0.99, "99 % reaches the 70 % needed, but"),
        (0.5, "50 % is below the 70 % needed;"),
        (0.01, "1 % is below the 20 % where answers are rejected;"),
    ],
)
def test_an_unsupported_input_goes_to_review(value, compared):
    decision = POLICY.decide(Confidence(value, supported=False, novelty=1.432))
    assert (decision.action, decision.code, decision.novelty) == ("review", "unsupported", 1.432)
    assert decision.reason == (f"{compared} the question is unlike the training tasks (novelty 1.43, usually below 1)")
    assert decision.reason_ja.endswith("質問が学習時の課題と似ていません。新規度 1.43、通常は 1 未満")
    unknown = POLICY.decide(Confidence(value, supported=False)).reason
    assert unknown == f"{compared} the question is unlike the training tasks"


def test_unsupported_inputs_can_be_judged_by_their_value():
    policy = Policy(review_unsupported=False)
    decision = policy.decide(Confidence(0.99, supported=False))
    assert (decision.action, decision.code) == ("accept", "accepted")
    assert decision.reason.endswith("unlike the training tasks")
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


BY_TASK = Policy(review_all=True, tasks={"contracts": Policy(0.9), "mail": Policy(0.5, mode="shadow")})


@pytest.mark.parametrize(
    ("task", "action", "threshold", "code", "mode"),
    [
        ("contracts", "review", 0.9, "below_threshold", "enforce"),
        ("mail", "accept", 0.5, "accepted", "shadow"),
        ("chat", "review", 1.0, "other_task", "enforce"),
    ],
)
def test_each_task_has_its_threshold_and_others_go_to_review(task, action, threshold, code, mode):
    decision = BY_TASK.decide(Confidence(0.6, task=task))
    assert (decision.action, decision.threshold, decision.code, decision.mode) == (action, threshold, code, mode)
    assert decision.holds == (action != "accept" and mode == "enforce")


def test_a_policy_for_another_task_says_for_which_it_is():
    decision = BY_TASK.decide(Confidence(0.99, task="chat"))
    assert decision.reason == "the policy has no threshold for the task 'chat', only for 'contracts', 'mail'"
    assert "'chat'" in decision.reason_ja
    assert "'contracts', 'mail'" in decision.reason_ja


def test_everything_can_go_to_review():
    decision = Policy(threshold=0.0, review_all=True).decide(Confidence(1.0))
    assert (decision.action, decision.code, decision.threshold) == ("review", "review_all", 1.0)
    assert decision.reason == "all answers go to review now"


def test_in_shadow_it_decides_the_same_and_holds_nothing():
    enforced, shadow = (
        POLICY.decide(Confidence(0.3)),
        dataclasses.replace(POLICY, mode="shadow").decide(Confidence(0.3)),
    )
    assert shadow == dataclasses.replace(enforced, mode="shadow")
    assert (enforced.holds, shadow.holds) == (True, False)


@pytest.mark.parametrize("wrong", [{"mode": "watch"}, {"tasks": {"a": Policy(tasks={"b": Policy()})}}])
def test_a_policy_that_means_nothing_is_refused(wrong):
    with pytest.raises(InvalidInputError):
        Policy(**wrong)


@pytest.mark.parametrize(
    "policy", [Policy(), POLICY, BY_TASK, Policy(0.123456789012345678, tasks={'ö "x"\n\t\x7f😀': Policy()})]
)
def test_a_policy_file_gives_the_policy_back(tmp_path, policy):
    policy.save(tmp_path / "policy.toml")
    assert Policy.load(tmp_path / "policy.toml") == policy


def test_a_table_of_a_task_takes_over_what_it_leaves_out(tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text('mode = "shadow"\nreject_below = 0.1\nreview_all = true\n[tasks.a]\nthreshold = 0.9\n')
    found = Policy.load(file)
    assert found.tasks == {"a": Policy(0.9, 0.1, mode="shadow")}
    assert found.review_all


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("threshold = true", "`threshold`: Input should be a valid number"),
        ("threshold = 1979-05-27", "`threshold`"),
        ("thershold = 0.1", "`thershold`: Unexpected keyword"),
        ("threshold = 1.2", "expected 0 <= reject_below"),
        ("threshold = nan", "threshold=nan"),
        ("mode = 'watch'", "'shadow' or 'enforce'"),
        ("tasks = 3", "`tasks`"),
        ("[tasks]\na = 3", "`tasks.a`"),
        ("[tasks.a]\nthreshold = 'high'", "`tasks.a.threshold`"),
        ("[tasks.a.tasks.b]\nthreshold = 0.4", "no tasks of its own"),
        ("not toml", "line 1"),
        ("threshold = '\udcff'", "codec"),
    ],
)
def test_a_file_that_is_no_policy_says_where(tmp_path, text, said):
    file = tmp_path / "policy.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInputError, match=re.escape(said)) as caught:
        Policy.load(file)
    assert str(file) in str(caught.value)


def test_a_decision_names_what_it_rests_on():
    policy = Policy(tasks={"mail": Policy(0.9)})
    decision = policy.decide(Confidence(0.8, task="mail", task_version=4, calibrator="tiny@1"))
    assert (decision.calibrator, decision.task_version) == ("tiny@1", 4)
    assert decision.policy == policy.tasks["mail"].fingerprint != policy.fingerprint
    assert policy.decide(Confidence(None)).task_version is None


def test_the_fingerprint_follows_what_is_accepted():
    same = dataclasses.replace(POLICY, mode="shadow")
    assert same.fingerprint == POLICY.fingerprint
    others = [Policy(), Policy(0.7, 0.2, review_all=True), Policy(0.7, 0.2, tasks={"a": Policy()}), Policy(0.71, 0.2)]
    assert len({POLICY.fingerprint, *(p.fingerprint for p in others)}) == 5


@pytest.mark.parametrize(
    ("confidences", "budget", "threshold"),
    [
        ([0.1, 0.2, 0.3, 0.4], 0.5, 0.3),
        ([0.1, 0.3, 0.3, 0.4], 0.5, 0.3),
        ([0.1, 0.2, 0.2, 0.4], 0.5, 0.2),  # to review both of the equal ones would be too many
        ([0.1, 0.2, 0.3, None], 0.5, 0.2),
        ([0.9, 0.8], 0.0, 0.8),
        ([0.9, 0.8], 1.0, 1.0),
        ([0.5] * 10, 0.3, 0.5),
        ([i / 10 for i in range(10)], 0.3, 0.3),
    ],
)
def test_a_budget_is_kept(confidences, budget, threshold):
    policy = Policy.for_budget(confidences, budget)
    assert policy.threshold == threshold
    reviewed = [policy.decide(Confidence(c)).action == "review" for c in confidences]
    assert sum(reviewed) <= budget * len(confidences)


def test_a_budget_that_cannot_be_kept_is_refused():
    with pytest.raises(NotEnoughDataError, match="there are none"):
        Policy.for_budget([], 0.2)
    with pytest.raises(InvalidInputError, match="50 % of the answers have no confidence"):
        Policy.for_budget([None, 0.9], 0.2)
    for confidences, budget in [([0.5], 1.1), ([0.5], math.nan), ([1.2], 0.5), ([math.nan], 0.5)]:
        with pytest.raises(InvalidInputError, match="between 0 and 1"):
            Policy.for_budget(confidences, budget)


@quick
@given(st.floats(0, 1), st.floats(0.1, 10), st.floats(0, 10), st.floats(0, 3))
def test_costs_decide_for_the_cheaper_way(value, wrong, review, delay):
    accepted = Policy.for_costs(wrong=wrong, review=review, delay=delay).decide(Confidence(value)).action == "accept"
    gain = (1 - value) * wrong - (review + delay)
    assert accepted == (gain <= 0) or abs(gain) < 1e-9


@pytest.mark.parametrize("costs", [(0, 1, 0), (-1, 1, 0), (1, -1, 0), (1, 1, math.nan), (math.inf, 1, 0)])
def test_costs_that_mean_nothing_are_refused(costs):
    wrong, review, delay = costs
    with pytest.raises(InvalidInputError, match="not negative"):
        Policy.for_costs(wrong=wrong, review=review, delay=delay)


FIELDS = {"name": Confidence(0.9), "items[0].price": Confidence(0.4), "age": Confidence(None, reason="no calibrator")}


def test_a_doubtful_field_sends_the_answer_to_review_and_is_named():
    decision = Policy(0.7).decide(Confidence(0.95, fields=FIELDS))
    assert (decision.action, decision.fields) == ("review", ("items[0].price", "age"))
    assert decision.reason == "field items[0].price (and 1 more): 40 % is below the 70 % needed"
    assert decision.code == "doubtful_field"


def test_a_field_without_a_confidence_is_doubtful():
    decision = Policy(0.3).decide(Confidence(0.95, fields=FIELDS))
    assert (decision.fields, decision.reason) == (("age",), "field age: no calibrator")


def test_a_field_unlike_the_training_is_doubtful_unless_the_policy_says_otherwise():
    odd = Confidence(0.8, supported=False, novelty=1.5)
    confidence = Confidence(0.95, fields={"name": Confidence(0.9), "age": odd})
    assert Policy(0.7).decide(confidence).fields == ("age",)
    assert Policy(0.7, review_unsupported=False).decide(confidence).action == "accept"


def test_with_good_fields_the_whole_decides():
    good = {"name": Confidence(0.9), "age": Confidence(0.8)}
    assert Policy(0.7).decide(Confidence(0.72, fields=good)).action == "accept"
    low = Policy(0.7).decide(Confidence(0.6, fields=good))
    assert (low.action, low.fields) == ("review", ()) and "60 % is below" in low.reason


def test_a_rejected_answer_stays_rejected():
    decision = Policy(0.7, reject_below=0.2).decide(Confidence(0.1, fields=FIELDS))
    assert (decision.action, decision.fields) == ("reject", ())
