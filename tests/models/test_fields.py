"""Scores of fields from an answer's own pass: options where they part, and the probability of a field's tokens."""

import json
import math
from typing import Literal

import numpy as np
import pytest
import torch
from pydantic import BaseModel, Field

from thermolang.answers.json_fields import json_fields
from thermolang.models.constrained import Constraint, Fork, grammar_tokenizer, json_grammar
from thermolang.models.fields import SpelledAnswer
from thermolang.models.scoring import KVCache
from thermolang.types import Generation

HIDDEN = 4


class Spoken:
    """An answer made of given tokens, with forks where several were allowed: {token: probability among all}."""

    def __init__(self, tokens, forks, schema):
        self.vocabulary = list(dict.fromkeys([*tokens, *(t for fork in forks.values() for t in fork)]))
        ids = tuple(self.vocabulary.index(t) for t in tokens)
        kept = {place: self.fork(place, fork) for place, fork in forks.items()}
        cache = KVCache(None, (), ids, None, (torch.zeros(1), torch.zeros(1)), (), kept)
        self.logprobs = tuple(-0.1 * (i + 1) for i in range(len(ids)))
        self.answer = Generation("".join(tokens), ids, self.logprobs, "stop", 1, cache)
        self.fields = json_fields(self.answer.text, schema)
        self.spelled = SpelledAnswer(self.answer, lambda ids: "".join(self.vocabulary[i] for i in ids))

    def fork(self, place, probabilities):
        ids = np.array([self.vocabulary.index(t) for t in probabilities])
        logits = np.log(np.array(list(probabilities.values()))) + 3.0
        return Fork(ids, logits, 3.0, torch.full((HIDDEN,), float(place)))

    def options(self, number=0):
        return self.spelled.options(self.fields[number])


BOOLEAN = {"type": "object", "properties": {"ok": {"type": "boolean"}}}


def enum(*values):
    return {"type": "object", "properties": {"kind": {"enum": list(values)}}}


def test_options_of_one_token_each():
    said = Spoken(['{"', "ok", '":', " true", "}"], {3: {" true": 0.3, " false": 0.1}}, BOOLEAN)
    scores = said.options()
    assert scores.options == ("true", "false")
    np.testing.assert_allclose(np.exp(scores.logits), [0.75, 0.25])
    assert scores.answer_mass == pytest.approx(0.4)  # of all that the model might have said
    np.testing.assert_array_equal(scores.hidden, np.full(HIDDEN, 3.0, np.float32))


def test_all_spellings_of_an_option_count():
    fork = {" true": 0.2, " t": 0.1, " tr": 0.1, " false": 0.3, " fal": 0.1}
    said = Spoken(['{"', "ok", '":', " true", "}"], {3: fork}, BOOLEAN)
    np.testing.assert_allclose(np.exp(said.options().logits), [0.5, 0.5])


def test_a_token_that_decides_nothing_yet_shares_what_it_has():
    said = Spoken(['{"ok":', " true", "}"], {1: {" true": 0.4, " false": 0.4, " ": 0.2}}, BOOLEAN)
    np.testing.assert_allclose(np.exp(said.options().logits), [0.5, 0.5])


def test_options_part_one_after_the_other():
    tokens = ['{"kind":', ' "', "per", "son", '"}']
    forks = {
        2: {"per": 0.6, "place": 0.4},
        3: {"son": 0.2, "fect": 0.3},
    }
    scores = Spoken(tokens, forks, enum("person", "perfect", "place")).options()
    np.testing.assert_allclose(np.exp(scores.logits), [0.6 * 0.4, 0.6 * 0.6, 0.4])
    assert scores.hidden[0] == 2  # where they first part


def test_options_that_no_token_told_apart_share_evenly():
    scores = Spoken(['{"kind": "', "place", '"}'], {1: {"per": 0.6, "place": 0.4}}, enum("person", "perfect", "place"))
    np.testing.assert_allclose(np.exp(scores.options().logits), [0.3, 0.3, 0.4])


def test_where_an_option_begins_another():
    tokens, forks = ['{"kind": "', "a", '"}'], {1: {"a": 1.0}, 2: {'"}': 0.3, "b": 0.7}}
    scores = Spoken(tokens, forks, enum("a", "ab")).options()
    np.testing.assert_allclose(np.exp(scores.logits), [0.3, 0.7])
    assert scores.hidden[0] == 2


def test_a_token_may_reach_beyond_its_field():
    said = Spoken(['{"kind":', ' "a', '", "x": 1}'], {1: {' "a': 0.5, ' "b"': 0.3, ' "b",': 0.2}}, enum("a", "b"))
    np.testing.assert_allclose(np.exp(said.options().logits), [0.5, 0.5])


def test_null_and_numbers_are_options_too():
    said = Spoken(['{"kind":', " null", "}"], {1: {" null": 0.5, ' "': 0.25, " 3": 0.25}}, enum("a", None, 3))
    assert said.options().options == ('"a"', "null", "3")
    np.testing.assert_allclose(np.exp(said.options().logits), [0.25, 0.5, 0.25])


def test_an_option_that_was_impossible_has_a_finite_logit():
    said = Spoken(['{"kind": "', "a", '"}'], {1: {"a": 1.0, "b": 1e-300}}, enum("a", "b"))
    assert np.isfinite(said.options().logits).all() and said.options().logits[1] < -80


def test_a_field_without_options_has_no_scores():
    said = Spoken(['{"x": ', "1", "}"], {1: {"1": 0.5, "2": 0.5}}, {"properties": {"x": {"type": "integer"}}})
    assert said.options() is None


def test_what_was_not_kept_is_not_scored():
    (field,) = json_fields('{"ok": true}', BOOLEAN)
    bare = SpelledAnswer(Generation('{"ok": true}', (1,), (-0.1,), "stop", 1), lambda ids: "x" * len(ids))
    assert bare.options(field) is None and math.isnan(bare.probability(field))


@pytest.mark.parametrize(
    ("tokens", "spelled"),
    [
        (['{"', "x", '":', ' "', "Par", "is", '"}'], [4, 5, 6]),  # the quote that ends it, not the one that begins it
        (['{"x": "', "Paris", '"', "}"], [1, 2]),
        (['{"x": "Par', "is", '"', ', "y": 1}'], [0, 1, 2]),
        (['{"x": ', "4", "2", ', "y": 1}'], [1, 2]),
        (['{"x":', " 42", "}"], [1]),
    ],
)
def test_the_probability_of_a_field_is_that_of_the_tokens_that_spell_it(tokens, spelled):
    said = Spoken(tokens, {}, {})
    expected = math.exp(np.mean([said.logprobs[i] for i in spelled]))
    assert said.spelled.probability(said.fields[0]) == pytest.approx(expected)


def test_half_a_character_ends_where_the_one_before_does(roomy_model):
    text = '{"x": "\u65e5\u672c"}'
    ids = tuple(roomy_model.encode(text))
    kept = KVCache(roomy_model.model, (), ids, None, (torch.zeros(1), torch.zeros(1)), ())
    ends = roomy_model.spelled(Generation(text, ids, (), "stop", 1, kept)).ends
    assert len(ids) > len(text) and ends == sorted(ends) and ends[-1] == len(text)


class Thing(BaseModel):
    ok: bool
    kind: Literal["person", "perfect", "place", "p"] | None
    count: int = Field(ge=0, le=9)


def probability_of(model, messages, before, text, form):
    """P(a continuation spells ``text``) among what the grammar allows, over all its tokens: a walk over the tree."""
    prompt = model.encode(model.render(messages))
    tokenizer = grammar_tokenizer(model.tokenizer, model._end_ids)
    total, todo = 0.0, [((), 1.0)]
    while todo:
        ids, p = todo.pop()
        constraint = Constraint(form, tokenizer)
        for token in [*before, *ids]:
            constraint.take(token)
        allowed = np.flatnonzero(constraint.allowed(len(model.tokenizer)))
        with torch.inference_mode():
            logits = model.model(torch.tensor([[*prompt, *before, *ids]])).logits[0, -1, allowed]
        for token, share in zip(allowed, logits.softmax(-1).tolist(), strict=True):
            said = model._decoded([*before, *ids, int(token)])[len(model._decoded(before)) :].lstrip()
            if said.startswith(text):
                total += p * share
            elif text.startswith(said):
                todo.append(((*ids, int(token)), p * share))
    return total


def test_an_options_logit_is_the_probability_of_all_its_spellings(roomy_model):
    messages, form = [{"role": "user", "content": "Why?"}], json_grammar(Thing.model_json_schema())
    answer = roomy_model.generate(messages, grammar=form, max_new_tokens=60)
    fields = {f.path: f for f in json_fields(answer.text, Thing.model_json_schema())}
    spelled = roomy_model.spelled(answer)
    field = fields["ok"]
    scores = spelled.options(field)
    first = next(i for i, end in enumerate(spelled.ends) if end > field.start)
    before = answer.token_ids[:first]
    for option, logit in zip(scores.options, scores.logits, strict=True):
        assert math.exp(logit) == pytest.approx(probability_of(roomy_model, messages, before, option, form), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_options_of_real_answers_add_up_and_hold_the_value(roomy_model, seed):
    schema = Thing.model_json_schema()
    form = json_grammar(schema)
    answer = roomy_model.generate([{"role": "user", "content": "17"}], grammar=form, temperature=1.5, seed=seed)
    assert answer.finish_reason == "stop"
    for field in json_fields(answer.text, schema):
        scores = roomy_model.spelled(answer).options(field)
        assert (scores is None) == (field.path == "count")
        if scores:
            assert np.exp(scores.logits).sum() == pytest.approx(1) and 0 < scores.answer_mass <= 1
            assert json.dumps(field.value) in scores.options
        assert 0 < roomy_model.spelled(answer).probability(field) < 1
