"""The facts that the desk shows about an item: one test for each field of the table."""

import pytest
from thermolang_desk.fields import FIELDS, facts

from tests.desk.conftest import REVIEW
from thermolang import Confidence, Policy

FULL = Confidence(
    0.4, raw=0.7, temperature=1.5, bias=-0.2, interval=(0.1, 0.8), source="self_check", task="qa", task_version=3
)


def texts(store, confidence, language="en"):
    item = store.submit("Capital?", "Sydney", confidence=confidence, decision=REVIEW)
    return {fact.name: fact.text for fact in facts(item, language)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("raw", "0.70"),
        ("interval", "0.10 to 0.80"),
        ("temperature", "1.50"),
        ("bias", "-0.20"),
        ("source", "self-check"),
        ("state", "qa v3"),
        ("support", "like the training data"),
    ],
)
def test_a_field_says_what_is_known(store, name, text):
    assert texts(store, FULL)[name] == text


def test_doubtful_fields_are_named_with_their_confidences(store):
    fields = {"name": Confidence(0.9), "items[0].price": Confidence(0.41), "age": Confidence(None)}
    confidence = Confidence(0.3, source="fields", fields=fields)
    item = store.submit("Who?", "{}", confidence=confidence, decision=Policy(0.8).decide(confidence))
    shown = {fact.name: fact.text for fact in facts(item, "en")}
    assert (shown["doubtful"], shown["source"]) == ("items[0].price (0.41), age (-)", "the answer's fields")


def test_fields_of_what_is_not_known_are_left_out(store):
    assert texts(store, Confidence(None)) == {}


def test_names_are_distinct_and_labels_are_in_both_languages():
    assert len({field.name for field in FIELDS}) == len(FIELDS)
    for field in FIELDS:
        assert set(field.label) == {"en", "ja"} and all(field.label.values())


def test_values_speak_the_language_of_the_page(store):
    assert texts(store, FULL, "ja")["source"] == "自己確認"
