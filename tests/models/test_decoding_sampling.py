"""Sampled answers: independent rows over one prompt, computed once or taken from the answer's own cache."""

import itertools

import pytest

from tests.models.test_local import WHY
from thermolang.models.decoding import Sampling
from thermolang.models.forward import ForwardPass
from thermolang.models.local import SAMPLES_AT_ONCE, row_seeds


@pytest.fixture
def computed(tiny_model, monkeypatch):
    """The number of tokens of each forward pass, rows times columns."""
    seen = []
    forward = ForwardPass.__call__

    def counting(self, **inputs):
        seen.append(tuple(inputs["input_ids"].shape))
        return forward(self, **inputs)

    monkeypatch.setattr(ForwardPass, "__call__", counting)
    return seen


def test_each_sample_is_an_answer_with_its_own_seed(tiny_model):
    samples = tiny_model.sample(WHY, 5, max_new_tokens=9, seed=3)
    alone = [tiny_model.generate(WHY, max_new_tokens=9, temperature=1.0, top_p=0.9, seed=s) for s in row_seeds(3, 5)]
    assert [s.token_ids for s in samples] == [a.token_ids for a in alone]
    assert len({s.token_ids for s in samples}) > 1
    for sample, answer in zip(samples, alone, strict=True):
        assert sample.logprobs == pytest.approx(answer.logprobs, abs=1e-4)


def test_few_samples_are_the_first_of_many_and_after_leaves_them_out(tiny_model):
    many = [s.token_ids for s in tiny_model.sample(WHY, 6, max_new_tokens=5, seed=1)]
    assert [s.token_ids for s in tiny_model.sample(WHY, 2, max_new_tokens=5, seed=1)] == many[:2]
    assert [s.token_ids for s in tiny_model.sample(WHY, 6, max_new_tokens=5, seed=1, after=2)] == many[2:]
    assert tiny_model.sample(WHY, 2, seed=1, after=2) == []


def test_the_prompt_is_computed_once(tiny_model, computed):
    prompt = len(tiny_model.encode(tiny_model.render(WHY)))
    tiny_model.sample(WHY, 4, max_new_tokens=3, seed=0)
    assert computed[0] == (1, prompt - 1)
    assert computed[1] == (4, 1)
    assert all(columns == 1 for _, columns in computed[1:])


def test_after_an_answer_the_prompt_is_not_computed_at_all(tiny_model, computed):
    answer = tiny_model.generate(WHY, max_new_tokens=6)
    before = answer.cache.values.get_seq_length()
    fresh = [s.token_ids for s in tiny_model.sample(WHY, 4, max_new_tokens=5, seed=2)]
    computed.clear()
    assert [s.token_ids for s in tiny_model.sample(WHY, 4, max_new_tokens=5, seed=2, answer=answer)] == fresh
    assert all(columns == 1 for _, columns in computed)
    assert answer.cache.values.get_seq_length() == before


def test_an_answer_to_another_question_does_not_lend_its_cache(tiny_model):
    other = tiny_model.generate([{"role": "user", "content": "Who?"}], max_new_tokens=3)
    fresh = [s.token_ids for s in tiny_model.sample(WHY, 3, max_new_tokens=5, seed=2)]
    assert [s.token_ids for s in tiny_model.sample(WHY, 3, max_new_tokens=5, seed=2, answer=other)] == fresh


def test_rows_that_are_done_leave(tiny_model, computed, monkeypatch):
    samples = tiny_model.sample(WHY, 6, max_new_tokens=12, seed=5)
    monkeypatch.setattr(tiny_model.model.generation_config, "eos_token_id", samples[0].token_ids[2])
    model = type(tiny_model)(tiny_model.model, tiny_model.tokenizer)
    ended = model.sample(WHY, 6, max_new_tokens=12, seed=5)
    assert ended[0].token_ids == samples[0].token_ids[:3]
    assert {s.finish_reason for s in ended} == {"stop", "length"}


def test_greedy_samples_are_all_the_answer(tiny_model):
    answer = tiny_model.generate(WHY, max_new_tokens=5)
    samples = tiny_model.sample(WHY, 3, max_new_tokens=5, temperature=0)
    assert {s.token_ids for s in samples} == {answer.token_ids}


def test_many_samples_go_in_batches_and_stop_strings_cut(tiny_model):
    samples = tiny_model.sample(WHY, SAMPLES_AT_ONCE + 2, max_new_tokens=4, seed=0, stop=("e", "a"))
    assert len(samples) == SAMPLES_AT_ONCE + 2
    assert not any("e" in s.text or "a" in s.text for s in samples)


def test_seeds_are_independent():
    assert len(set(row_seeds(0, 10_000))) == 10_000
    assert not set(row_seeds(0, 100)) & set(row_seeds(1, 100))
    assert row_seeds(None, 3) != row_seeds(None, 3)
    assert all(0 <= s < 2**63 for s in itertools.chain(row_seeds(2**62, 10)))
    Sampling(1, 1.0, 1.0, row_seeds(0, 1)[0])
