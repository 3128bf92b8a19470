"""Decoding under a grammar: what comes out validates or says that it was cut, in batches, streams and samples."""

import json
import sys
from datetime import date
from typing import Literal

import numpy as np
import pytest
import torch
from pydantic import BaseModel, Field

from tests.fakes import tiny_llama, tiny_tokenizer
from thermolang.errors import InvalidInputError, MissingExtraError, ModelError
from thermolang.models.constrained import Constraint, call_grammar, either_grammar, grammar_tokenizer, json_grammar
from thermolang.models.decoding import Sampling
from thermolang.models.local import LocalModel

QUESTIONS = ["What is the capital of France?", "Why?", "Who wrote Hamlet?", "17"]


class Place(BaseModel):
    city: str = Field(max_length=6)
    known: bool


class Person(BaseModel):
    name: str = Field(max_length=4, pattern="^[a-z]*$")
    kind: Literal["person", "perfect", "place"] | None
    age: int = Field(ge=0, le=150)
    born: date
    tags: list[Literal["a", "b"]] = Field(max_length=2)
    places: list[Place] = Field(min_length=1, max_length=2)
    half: float | None = Field(ge=0, le=1)


class Node(BaseModel):
    value: bool
    below: "Node | None" = None


SCHEMAS = [Place, Person, Node]


def ask(question):
    return [{"role": "user", "content": question}]


def grammar(model):
    return json_grammar(model.model_json_schema())


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_what_ends_validates_and_what_is_cut_says_so(roomy_model, schema, question):
    for seed in range(3):
        sampling = {"temperature": 1.0, "seed": seed, "max_new_tokens": 150}
        answer = roomy_model.generate(ask(question), grammar=grammar(schema), **sampling)
        if answer.finish_reason == "stop":
            schema.model_validate_json(answer.text, strict=True)
        else:
            assert len(answer.token_ids) == 150
            with pytest.raises(ValueError):
                json.loads(answer.text)


def test_most_random_answers_end(roomy_model):
    asked = [ask(question) for question in QUESTIONS] * 2
    found = roomy_model.generate_batch(asked, Sampling(150, 1.0), seeds=range(8), grammars=[grammar(Place)] * 8)
    assert sum(answer.finish_reason == "stop" for answer in found) >= 6


def test_each_row_of_a_batch_has_its_own_form_or_none(roomy_model):
    forms = [grammar(Place), None, grammar(Person), grammar(Place)]
    asked = [ask(question) for question in QUESTIONS]
    together = roomy_model.generate_batch(asked, Sampling(60), grammars=forms)
    alone = [roomy_model.generate(m, grammar=f, max_new_tokens=60) for m, f in zip(asked, forms, strict=True)]
    for one, other in zip(together, alone, strict=True):
        assert (one.text, one.token_ids, one.finish_reason) == (other.text, other.token_ids, other.finish_reason)
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)
        assert one.cache.forks.keys() == other.cache.forks.keys()


def test_a_row_without_a_form_answers_as_ever(roomy_model):
    free = roomy_model.generate(ask("Why?"), max_new_tokens=20)
    beside = roomy_model.generate_batch([ask("Why?"), ask("17")], Sampling(20), grammars=[None, grammar(Place)])
    assert beside[0].token_ids == free.token_ids and not beside[0].cache.forks


def test_a_stream_adds_up_to_the_answer(roomy_model):
    form, sampling = grammar(Place), Sampling(60)
    *pieces, answer = roomy_model.stream(ask("Why?"), sampling, grammar=form)
    assert "".join(pieces) == answer.text
    assert answer.token_ids == roomy_model.generate(ask("Why?"), grammar=form, max_new_tokens=60).token_ids


def test_an_answer_ends_with_its_last_bracket(roomy_model):
    answer = roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=60)
    assert answer.finish_reason == "stop" and answer.text.endswith("}")
    assert answer.token_ids[-1] not in roomy_model._end_ids  # no step is spent on an end token


def test_an_answer_that_is_whole_at_the_limit_is_not_cut(roomy_model):
    whole = roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=60)
    n = len(whole.token_ids)
    limits = {i: roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=i) for i in (n - 1, n)}
    assert limits[n].finish_reason == "stop" and limits[n - 1].finish_reason == "length"
    assert whole.text.startswith(limits[n - 1].text) and limits[n - 1].text  # what was said is there


def test_stop_strings_do_not_cut_a_form(roomy_model):
    plain = roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=60)
    stopped = roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=60, stop=[":", '"'])
    assert stopped.text == plain.text


def test_the_most_probable_allowed_token_is_taken_and_its_own_probability_reported(roomy_model):
    answer = roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=60)
    ids = roomy_model.encode(roomy_model.render(ask("Why?")))
    form = Constraint(grammar(Place), grammar_tokenizer(roomy_model.tokenizer, roomy_model._end_ids))
    with torch.inference_mode():
        logits = roomy_model.model(torch.tensor([ids + list(answer.token_ids)])).logits[0, len(ids) - 1 : -1]
    own = logits.log_softmax(-1)
    for place, token in enumerate(answer.token_ids):
        allowed = form.allowed(logits.shape[-1])
        assert token == int(logits[place].masked_fill(~torch.from_numpy(allowed), -torch.inf).argmax())
        assert answer.logprobs[place] == pytest.approx(float(own[place, token]), abs=1e-4)
        if place in answer.cache.forks:
            assert set(answer.cache.forks[place].ids) == set(np.flatnonzero(allowed))
            assert answer.cache.forks[place].mass == pytest.approx(float(own[place].exp()[allowed].sum()), abs=1e-4)
        form.take(token)
    assert form.complete and form.ended and not form.failed
    assert min(answer.logprobs) < -1  # the model would rather have said something else


def test_the_hidden_state_of_a_fork_is_that_of_its_place(roomy_model):
    answer = roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=60)
    ids = roomy_model.encode(roomy_model.render(ask("Why?")))
    with torch.inference_mode():
        inputs = torch.tensor([ids + list(answer.token_ids)])
        hidden = roomy_model.model(inputs, output_hidden_states=True).hidden_states[-1][0]
    for place, fork in answer.cache.forks.items():
        np.testing.assert_allclose(fork.hidden, hidden[len(ids) - 1 + place], atol=1e-4)


def test_ids_beyond_the_tokenizer_are_never_taken():
    tokenizer = tiny_tokenizer()
    model = LocalModel(tiny_llama(len(tokenizer) + 70, positions=512), tokenizer)
    answer = model.generate(ask("Why?"), grammar=grammar(Place), temperature=2.0, seed=1, max_new_tokens=80)
    assert max(answer.token_ids) < len(tokenizer)


def test_a_call_has_its_form():
    g = call_grammar(
        {"add": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, "now": {}}
    )
    several = call_grammar({"now": {"type": "object"}}, several=True)
    assert follows(g, '{"name": "add", "arguments": {"a": 1}}') == (True, True)
    assert follows(g, '{"name": "add", "arguments": {"b"') is None
    assert follows(g, '{"name": "sub"') is None
    assert follows(several, '{"name": "now", "arguments": {}}\n{"name": "now", "arguments": {}}') == (True, False)


def test_references_within_the_arguments_of_a_call_are_theirs():
    schema = {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": {"type": "boolean"}}}
    assert follows(call_grammar({"f": schema}), '{"name": "f", "arguments": {"n": true}}') == (True, True)


def test_json_or_what_begins_with_a_mark(roomy_model):
    form = either_grammar(Place.model_json_schema(), "<call>", roomy_model.encode)
    assert follows(form, '{"city": "x", "known": true}') == (True, True)
    assert follows(form, "<call>anything\nat all") == (True, False)
    assert follows(form, "Well, ") is None
    special = either_grammar(Place.model_json_schema(), "<s>", lambda text: [0])  # a token of its own
    assert follows(special, "<s>x") == (True, False)


def follows(form, text):
    """Whether a text is complete, and ended, under a grammar; None if it leaves it."""
    tokenizer = tiny_tokenizer()
    one = Constraint(form, grammar_tokenizer(tokenizer, [tokenizer.eos_token_id]))
    for token in tokenizer(text, add_special_tokens=False)["input_ids"]:
        if not one.allowed(len(tokenizer))[token]:
            return None
        one.take(token)
    return one.complete, one.ended


def test_objects_hold_no_properties_but_those_they_name():
    form = json_grammar({"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]})
    assert follows(form, '{"a": true}') == (True, True)
    assert follows(form, '{"a": true, "b"') is None
    open_ = {"type": "object", "properties": {"a": {"type": "boolean"}}, "additionalProperties": {"type": "boolean"}}
    assert follows(json_grammar(open_), '{"a": true, "b": false}') == (True, True)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]}, "'a' is unsatisfiable"),
        ({"enum": []}, "anyOf is empty"),
        ({"not": {"type": "string"}}, '"not"'),
        ({"type": "array", "items": {}, "uniqueItems": True}, "uniqueItems"),
        ({"type": "string", "pattern": "^(?!a)b$"}, "look-ahead"),
        ({"type": "string", "format": "color"}, "color"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, r"minimum \(5\)"),
        ({"type": "objec"}, "Invalid type"),
        ({"$ref": "#/$defs/Nothing"}, "does not exist"),
        ({"$ref": "https://example.org/schema"}, "example.org"),
    ],
)
def test_a_schema_that_no_grammar_expresses_says_what_to_do(schema, told):
    with pytest.raises(InvalidInputError, match=f"(?s)token by token .*{told}.*leave that part out of the schema"):
        json_grammar(schema)
    with pytest.raises(InvalidInputError, match="leave that part out"):
        call_grammar({"f": {"type": "object", "properties": {"x": schema}, "required": ["x"]}})


def test_a_schema_that_holds_itself_without_end_says_what_to_do():
    endless = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    for schema in (endless, {"type": "array", "items": {"$ref": "#"}, "minItems": 1}):
        with pytest.raises(InvalidInputError, match="make the recursive field optional"):
            json_grammar(schema)
    with pytest.raises(InvalidInputError, match="make the recursive field optional"):
        either_grammar(endless, "<call>", lambda text: [1, 2])


def test_a_grammar_that_gets_too_complex_ends_the_answer_and_says_that_it_is_cut(roomy_model, monkeypatch):
    whole = roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=60)
    # llguidance limits what one token may cost; here it fails after five tokens.
    monkeypatch.setattr(Constraint, "failed", property(lambda self: self._taken >= 5), raising=False)
    monkeypatch.setattr(Constraint, "_taken", 0, raising=False)
    take = Constraint.take

    def counted(self, token):
        take(self, token)
        self._taken += 1

    monkeypatch.setattr(Constraint, "take", counted)
    cut = roomy_model.generate(ask("Why?"), grammar=grammar(Place), max_new_tokens=60)
    assert cut.finish_reason == "length" and cut.token_ids == whole.token_ids[:5] and cut.text


def test_a_slow_tokenizer_says_what_to_do(roomy_model):
    with pytest.raises(ModelError, match="need a fast tokenizer"):
        grammar_tokenizer(object(), [1])


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(MissingExtraError, match=r"thermolang\[structured\]"):
        json_grammar({"type": "object"})
