"""Confidences of structured answers and of their fields: calibrated per field, continued from the answer's cache."""

import json
import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from pydantic import BaseModel, Field

from tests.fakes import FakeModel
from thermolang.errors import ModelError
from thermolang.estimator import ConfidenceEstimator
from thermolang.fields import StructuredAnswer, read_fields, score_structured, together
from thermolang.models.constrained import json_grammar
from thermolang.models.prompts import field_check, self_check_messages
from thermolang.types import Confidence, Generation

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


class Item(BaseModel):
    price: int = Field(ge=0, le=99)
    new: bool


class Order(BaseModel):
    name: str = Field(max_length=4, pattern="^[a-z]*$", description="Who ordered.")
    kind: Literal["home", "work"]
    items: list[Item] = Field(min_length=2, max_length=2)
    fixed: Literal["x"] = "x"


SCHEMA = Order.model_json_schema()
PATHS = ["name", "kind", "items[0].price", "items[0].new", "items[1].price", "items[1].new"]


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    """A random model wants to say anything but the options."""
    for module in ("thermolang.fields", "thermolang.estimator"):
        monkeypatch.setattr(f"{module}.MIN_ANSWER_MASS", 0.0)


def answered(model, asked=ASKED, **options):
    answer = model.generate(asked, grammar=json_grammar(SCHEMA), **{"max_new_tokens": 120, **options})
    return StructuredAnswer(asked, answer, SCHEMA)


@pytest.fixture(scope="module")
def estimator(roomy_model, calibrator_for):
    return ConfidenceEstimator(roomy_model, calibrator_for(roomy_model), state_dir=None)


@pytest.fixture(scope="module")
def one(roomy_model):
    found = answered(roomy_model)
    assert found.answer.finish_reason == "stop"
    return found


def test_each_field_has_a_confidence_and_a_task_of_its_own(estimator, one):
    (found,) = score_structured(estimator, [one], "orders")
    assert list(found.fields) == PATHS  # a field that could be nothing else has none
    assert {path: c.source for path, c in found.fields.items()} == {
        path: "choice" if path == "kind" or path.endswith("new") else "self_check" for path in PATHS
    }
    assert {c.task for c in found.fields.values()} == {
        f"orders/{name}" for name in ("name", "kind", "items[].price", "items[].new")
    }
    assert all(0 < c.value < 1 and c.basis and c.calibrator for c in found.fields.values())
    assert (found.source, found.task) == ("fields", "orders") and found.seconds > 0


def test_items_of_a_list_are_inputs_of_one_task(roomy_model, calibrator_for, one):
    estimator = ConfidenceEstimator(roomy_model, calibrator_for(roomy_model), state_dir=None)
    for _ in range(2):  # a retry is no new input
        score_structured(estimator, [one], "orders")
        assert estimator.state("orders/items[].price", "self_check").refresh().inputs == 2
        assert estimator.state("orders/name", "self_check").refresh().inputs == 1


def test_a_check_continues_the_answers_cache_and_asks_about_its_field(roomy_model, one):
    (read,) = read_fields(roomy_model, [one])
    name = read["name"]
    assert name.question == field_check("name", name.field.value, "Who ordered.")
    assert name.scores.cache_reused
    text = roomy_model.render(self_check_messages(ASKED, one.answer.text, name.question))
    ids = roomy_model.encode(text)
    after = text[text.index(one.answer.text) + len(one.answer.text) :]
    assert name.scores.tokens_computed == len(roomy_model.encode(after)) + 1  # the last token was never fed
    whole = roomy_model.read([ids], [roomy_model._yes_no], [("yes", "no")])[0]
    np.testing.assert_allclose(name.scores.logits, whole.logits, atol=1e-3)


def test_an_option_field_costs_no_token(roomy_model, one):
    (read,) = read_fields(roomy_model, [one])
    assert read["kind"].scores.tokens_computed == 0 and read["kind"].question == ""
    assert read["kind"].scores.options[read["kind"].given] == json.dumps(read["kind"].field.value)


def test_where_the_model_would_say_something_else_the_field_is_checked(roomy_model, one, monkeypatch):
    monkeypatch.setattr("thermolang.fields.MIN_ANSWER_MASS", 1.1)
    (read,) = read_fields(roomy_model, [one])
    assert {scores.kind.name for scores in read.values()} == {"self_check"}


def test_several_answers_are_scored_as_if_alone(estimator, roomy_model):
    others = [answered(roomy_model, [{"role": "user", "content": c}]) for c in ("Why?", "17", "Who wrote Hamlet?")]
    frozen = estimator.snapshot()
    together_ = score_structured(frozen, others, "t")
    alone = [score_structured(frozen, [one], "t")[0] for one in others]
    for a, b in zip(together_, alone, strict=True):
        assert a.fields.keys() == b.fields.keys()
        for path in a.fields:
            assert a.fields[path].value == pytest.approx(b.fields[path].value, abs=1e-4)


def test_many_checks_are_done_in_parts(roomy_model, one, monkeypatch):
    (read,) = read_fields(roomy_model, [one])
    monkeypatch.setattr("thermolang.fields.AT_ONCE", 1)
    (parts,) = read_fields(roomy_model, [one])
    for path in PATHS:
        np.testing.assert_allclose(parts[path].scores.logits, read[path].scores.logits, atol=1e-4)


def test_an_answer_that_was_cut_has_the_reason_and_harms_no_other(estimator, roomy_model, one):
    cut = answered(roomy_model, max_new_tokens=9)
    first, second = score_structured(estimator, [cut, one], "orders")
    assert (first.value, first.reason_code, first.fields) == (None, "cut", {})
    assert "allow more tokens" in first.reason and second.value is not None


def test_what_is_no_json_has_the_reason(estimator):
    bad = StructuredAnswer(ASKED, Generation("Paris", (1,), (-0.1,), "stop", 3), SCHEMA)
    assert score_structured(estimator, [bad])[0].reason_code == "cut"


def test_a_field_that_cannot_be_checked_has_the_reason_and_harms_no_other(estimator, one, monkeypatch):
    original = type(estimator.model).self_check_batch

    def failing(self, pairs, questions=(), **options):
        if any("Who ordered." in q for q in questions):
            raise ModelError("the conversation has 9 tokens, but takes at most 8")
        return original(self, pairs, questions=questions, **options)

    monkeypatch.setattr(type(estimator.model), "self_check_batch", failing)
    (found,) = score_structured(estimator, [one], "orders")
    assert found.fields["name"].value is None and found.fields["name"].reason_code == "model_error"
    assert all(c.value is not None for path, c in found.fields.items() if path != "name")
    assert found.value is None and found.reason_code == "model_error" and found.reason.startswith("name: ")


def test_without_a_calibrator_only_the_raw_numbers_are_there(roomy_model, one):
    (found,) = score_structured(ConfidenceEstimator(roomy_model, state_dir=None), [one])
    assert found.value is None and found.reason_code == "no_calibrator" and 0 < found.raw < 1
    assert all(c.value is None and 0 < c.raw < 1 for c in found.fields.values())


def test_an_answer_without_fields_says_so(estimator, roomy_model):
    schema = {"type": "object", "properties": {"x": {"const": 1}}, "required": ["x"]}
    answer = roomy_model.generate(ASKED, grammar=json_grammar(schema))
    (found,) = score_structured(estimator, [StructuredAnswer(ASKED, answer, schema)])
    assert found.value is None and found.reason_code == "no_fields"


def test_a_model_that_keeps_nothing_still_has_its_fields_checked(calibrator_for):
    model = FakeModel()
    text = '{"name": "ab", "kind": "home"}'
    one = StructuredAnswer(ASKED, Generation(text, (1,), (-0.1,), "stop", 3), SCHEMA)
    (read,) = read_fields(model, [one])
    assert {scores.kind.name for scores in read.values()} == {"self_check"} and math.isnan(read["name"].probability)
    assert model.calls == ["self_check", "self_check"]


def test_the_whole_is_what_its_fields_make_it():
    fields = {"a": Confidence(0.9, raw=0.8, novelty=0.2), "b": Confidence(0.5, raw=0.5, novelty=1.4, supported=False)}
    found = together(fields, "t")
    assert found.value == pytest.approx(0.45) and found.raw == pytest.approx(0.4)
    assert not found.supported and found.novelty == 1.4 and found.reason == ""
    missing = together(fields | {"c": Confidence(None, reason="no", reason_code="off_options")}, "t")
    assert (missing.value, missing.raw, missing.reason, missing.reason_code) == (None, None, "c: no", "off_options")


def test_verdicts_on_fields_teach_their_tasks(roomy_model, calibrator_for, one):
    estimator = ConfidenceEstimator(roomy_model, calibrator_for(roomy_model), state_dir=None)
    for fit in estimator.calibrator.fits.values():
        assert fit.verdicts
    (found,) = score_structured(estimator, [one], "orders")
    assert estimator.learn([(found.fields["name"], False)]) == 1
    (after,) = score_structured(estimator, [one], "orders")
    assert after.fields["name"].value < found.fields["name"].value
    assert after.fields["items[0].price"].value == pytest.approx(found.fields["items[0].price"].value)


def test_a_confidence_with_fields_survives_json(estimator, one):
    (found,) = score_structured(estimator, [one], "orders")
    record = json.loads(json.dumps(found.to_dict()))
    assert Confidence.from_dict(record) == found and hash(found) == hash(replace(found, fields={}))
