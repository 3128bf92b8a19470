"""Records travel as plain JSON and come back as they were."""

import dataclasses
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermolang.types import (
    Alternative,
    Basis,
    Confidence,
    Decision,
    Generation,
    ModelIdentity,
    Reason,
    ReasonCode,
    SentenceSupport,
)

shares = st.floats(0, 1)
texts = st.text(max_size=20)
maybe = st.one_of
confidences = st.builds(
    Confidence,
    value=maybe(st.none(), shares),
    raw=maybe(st.none(), shares),
    temperature=maybe(st.none(), st.floats(1e-3, 1e3)),
    bias=maybe(st.none(), st.floats(-1e3, 1e3)),
    interval=maybe(st.none(), st.tuples(shares, shares)),
    source=st.sampled_from([None, "choice", "self_check", "meaning", "given"]),
    task=texts,
    task_version=st.integers(0, 10),
    supported=st.booleans(),
    novelty=maybe(st.none(), st.floats(0, 1e6)),
    alternatives=st.lists(st.builds(Alternative, texts, shares, st.integers(1, 9)), max_size=3).map(tuple),
    reason=texts,
    reason_code=st.sampled_from([None, *get_args(ReasonCode)]),
    calibrator=texts,
    seconds=st.floats(0, 1e6),
    sentences=st.lists(st.builds(SentenceSupport, st.integers(0, 9), st.integers(0, 9), texts, shares), max_size=3).map(
        tuple
    ),
)


@given(confidences)
def test_a_confidence_survives_json(confidence):
    record = json.loads(json.dumps(confidence.to_dict(), allow_nan=False))
    assert record == confidence.to_dict()  # no tuple, no numpy number: nothing that JSON changes
    assert Confidence.from_dict(record) == confidence


def test_keys_of_newer_versions_are_ignored():
    record = {**Confidence(0.5, alternatives=(Alternative("B", 0.5),)).to_dict(), "of_tomorrow": 1}
    assert Confidence.from_dict(record) == Confidence(0.5, alternatives=(Alternative("B", 0.5),))


def test_a_confidence_needs_only_a_value():
    assert Confidence.from_dict({"value": None}) == Confidence(None)


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Confidence(0.5).value = 0.6


def test_usage_counts_every_token():
    usage = Generation("x", (1, 2, 3), (0.0, 0.0, 0.0), "stop", 7).usage
    assert usage == {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


def test_an_answer_is_equal_to_itself_whatever_its_cache():
    assert Generation("x", (1,), (0.0,), "stop", 7, cache=object()) == Generation("x", (1,), (0.0,), "stop", 7)


def test_differences_name_both_values():
    ours = ModelIdentity("Llama", 32, 2, 100, "t", "c", "1")
    theirs = dataclasses.replace(ours, hidden_size=64, template="d")
    assert ours.differences(ours) == []
    assert ours.differences(theirs) == ["hidden_size: 32 against 64", "template: 'c' against 'd'"]


def test_a_basis_with_keys_of_a_newer_version_is_read():
    record = Confidence(0.5, basis=Basis((1.0, 0.0), 0.2)).to_dict()
    record["basis"]["colour"] = "red"
    assert Confidence.from_dict(record).basis == Basis((1.0, 0.0), 0.2)


def test_reasons_add_up_and_the_first_gives_the_code():
    few, differ = Reason("few_inputs", "few"), Reason("weights_differ", "differ")
    assert Confidence(0.5).because(None, few, differ, few) == Confidence(
        0.5, reason="few; differ", reason_code="few_inputs"
    )
    assert Confidence(0.5).because(differ).because(few).reason_code == "weights_differ"
    assert Confidence(0.5).because() == Confidence(0.5)
    assert Confidence.missing(few, task="t") == Confidence(None, reason="few", reason_code="few_inputs", task="t")


@pytest.mark.parametrize(
    "change", [{"value": "high"}, {"reason_code": "unheard of"}, {"interval": [0.1]}, {"alternatives": [{"share": 1}]}]
)
def test_a_record_of_another_shape_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        Confidence.from_dict({**Confidence(0.5).to_dict(), **change})


def test_a_decision_survives_json():
    decision = Decision("review", "below", 0.7)
    assert Decision.from_dict({**json.loads(json.dumps(decision.to_dict())), "item_id": "x"}) == decision
