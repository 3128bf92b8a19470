"""The decoding loop: greedy, sampled, in batches, and when an answer ends."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from thermolang.errors import ModelError
from thermolang.models.caches import left_padded
from thermolang.models.decoding import Batch, Ending, Row, Sampling, choose_tokens
from thermolang.models.local import LocalModel

QUESTIONS = ["What is the capital of France?", "Why?", "Who wrote Hamlet? Answer in as few words as possible.", "17"]


def ask(question):
    return [{"role": "user", "content": question}]


def generators(n, seed=0):
    return [torch.Generator().manual_seed(seed + i) for i in range(n)]


def draws(logits, sampling, n):
    """n samples of one row of logits."""
    return choose_tokens(torch.tensor(logits).expand(n, -1), sampling, generators(n)).numpy()


def test_greedy_takes_the_argmax_of_each_step(tiny_model):
    answer = tiny_model.generate(ask(QUESTIONS[0]), max_new_tokens=12)
    ids = tiny_model.encode(tiny_model.render(ask(QUESTIONS[0])))
    chain = []
    with torch.inference_mode():
        for _ in range(12):
            chain.append(int(tiny_model.model(torch.tensor([ids + chain])).logits[0, -1].argmax()))
    assert list(answer.token_ids) == chain
    assert answer.prompt_tokens == len(ids)
    assert len(set(chain)) > 3  # the model says something


@pytest.mark.parametrize("question", QUESTIONS)
def test_greedy_is_what_transformers_generates(tiny_model, question):
    answer = tiny_model.generate(ask(question), max_new_tokens=20)
    ids = torch.tensor([tiny_model.encode(tiny_model.render(ask(question)))])
    theirs = tiny_model.model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=20,
        eos_token_id=tiny_model.tokenizer.eos_token_id,
        pad_token_id=0,
    )
    assert answer.token_ids == tuple(theirs[0, ids.shape[1] :].tolist())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_follow_the_softmax(temperature):
    logits = [1.0, 0.0, -1.0, 2.0, 0.5]
    found = np.bincount(draws(logits, Sampling(temperature=temperature), 20_000), minlength=5)
    expected = torch.tensor(logits).div(temperature).softmax(-1).double().numpy()
    assert chisquare(found, expected / expected.sum() * found.sum()).pvalue > 1e-3


@pytest.mark.parametrize(("top_p", "kept"), [(0.05, {0}), (0.5, {0}), (0.51, {0, 2}), (0.8, {0, 2}), (0.81, {0, 1, 2})])
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(top_p, kept):
    logits = np.log([0.5, 0.15, 0.3, 0.05]).tolist()
    assert set(draws(logits, Sampling(temperature=1.0, top_p=top_p), 2000)) == kept


def test_within_the_nucleus_proportions_stay():
    found = np.bincount(draws(np.log([0.5, 0.2, 0.3]).tolist(), Sampling(temperature=1.0, top_p=0.75), 20_000))
    assert chisquare(found[[0, 2]], np.array([5, 3]) / 8 * 20_000).pvalue > 1e-3


def test_no_temperature_is_too_low():
    assert set(draws([1.0, 30.0, -5.0], Sampling(temperature=1e-37), 20)) == {1}


def test_options_that_are_impossible_are_never_drawn():
    assert set(draws([0.0, float("-inf"), 0.0], Sampling(temperature=5.0), 200)) == {0, 2}


def test_the_same_seed_gives_the_same_tokens(tiny_model):
    first, again, other = (
        tiny_model.generate(ask("Why?"), max_new_tokens=16, temperature=1.0, seed=seed) for seed in (7, 7, 8)
    )
    assert first == again
    assert first.token_ids != other.token_ids


def test_without_a_seed_answers_vary(tiny_model):
    answers = {tiny_model.generate(ask("Why?"), max_new_tokens=8, temperature=2.0).token_ids for _ in range(3)}
    assert len(answers) > 1


def test_the_global_generators_are_left_alone(tiny_model):
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    tiny_model.generate(ask("Why?"), max_new_tokens=8, temperature=1.0, top_p=0.9, seed=3)
    tiny_model.generate(ask("Why?"), max_new_tokens=8, temperature=1.0)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_of_a_batch_is_as_if_it_were_alone(tiny_model, temperature):
    settings = {"max_new_tokens": 24, "temperature": temperature, "seed": 5, "top_p": 0.95}
    alone = [tiny_model.generate(ask(q), **settings) for q in QUESTIONS]
    together = tiny_model.generate_batch([ask(q) for q in QUESTIONS], Sampling(**settings))
    assert [a.token_ids for a in together] == [a.token_ids for a in alone]
    assert [a.text for a in together] == [a.text for a in alone]
    for mine, theirs in zip(together, alone, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)
        for kept, text in ((mine.cache, mine.text), (theirs.cache, theirs.text)):
            assert kept.values.get_seq_length() == len(kept.prompt) + len(mine.token_ids) - 1, text


def test_rows_leave_the_batch_at_different_times(tiny_model):
    alone = [tiny_model.generate(ask(q), max_new_tokens=24) for q in QUESTIONS]
    stop = tuple(a.text[6 * i + 4 : 6 * i + 8] for i, a in enumerate(alone[:3]))  # each row gets its own end
    cut = [tiny_model.generate(ask(q), max_new_tokens=24, stop=stop) for q in QUESTIONS]
    assert len({len(a.token_ids) for a in cut}) > 2, "the rows should end at different steps"
    together = tiny_model.generate_batch([ask(q) for q in QUESTIONS], Sampling(max_new_tokens=24, stop=stop))
    assert [(a.token_ids, a.text, a.finish_reason) for a in together] == [
        (a.token_ids, a.text, a.finish_reason) for a in cut
    ]


def test_an_answer_ends_at_an_end_token(tiny_model, monkeypatch):
    free = tiny_model.generate(ask("Why?"), max_new_tokens=16)
    end = free.token_ids[5]
    monkeypatch.setattr(tiny_model.model.generation_config, "eos_token_id", [end])
    answer = LocalModel(tiny_model.model, tiny_model.tokenizer).generate(ask("Why?"), max_new_tokens=16)
    steps = free.token_ids.index(end) + 1
    assert answer.token_ids == free.token_ids[:steps]
    assert answer.finish_reason == "stop"
    assert answer.usage["output_tokens"] == steps


def test_an_answer_ends_at_its_length(tiny_model):
    answer = tiny_model.generate(ask("Why?"), max_new_tokens=3)
    assert answer.finish_reason == "length"
    assert len(answer.token_ids) == len(answer.logprobs) == 3


def test_an_answer_ends_where_the_context_ends(tiny_model):
    question = ask("1 2 3 4 " * 29)
    room = tiny_model.context_length - len(tiny_model.encode(tiny_model.render(question)))
    assert 0 < room < 40
    alone = tiny_model.generate(question, max_new_tokens=100, temperature=1.0, seed=0)
    assert (len(alone.token_ids), alone.finish_reason) == (room, "length")
    settings = Sampling(max_new_tokens=100, temperature=1.0, seed=0)
    long, short = tiny_model.generate_batch([question, ask("Why?")], settings)
    assert long.token_ids == alone.token_ids
    assert len(short.token_ids) > room or short.finish_reason == "stop"


def test_stop_strings_are_cut_off(tiny_model):
    free = tiny_model.generate(ask("Why?"), max_new_tokens=16)
    stop = free.text[6:8]
    answer = tiny_model.generate(ask("Why?"), max_new_tokens=16, stop=(stop, "never said"))
    assert answer.text == free.text[: free.text.index(stop)].strip()
    assert answer.finish_reason == "stop"
    assert len(answer.token_ids) < 16
    assert tiny_model.generate(ask("Why?"), max_new_tokens=16, stop=stop) == answer  # a lone text is one stop string


def scripted(tiny_model, text):
    """A model's forward that says a text, whatever it reads, and then white space for ever."""
    ids = tiny_model.encode(text)

    class Forward(FakeForward):
        def __call__(self, *, attention_mask, **_):
            step = attention_mask.shape[1] - 1
            logits = torch.zeros(1, 1, len(tiny_model.tokenizer))
            logits[..., ids[step] if step < len(ids) else tiny_model.encode("\n")[0]] = 9.0
            return Out(logits)

    return lambda **settings: finished(Forward(), Sampling(**settings), tiny_model._decoded)


@dataclass
class Out:
    logits: torch.Tensor
    past_key_values: object = None


class FakeForward:
    model = SimpleNamespace(device="cpu")

    def hidden(self):
        return torch.zeros(1, 1, 2)


def finished(forward, sampling, text_of):
    """The only row of a batch, once it has left."""
    row = Row.of([0], sampling, Ending(frozenset(), text_of))
    batch = Batch(forward, [row])
    batch.cut = lambda i: None
    while batch.rows:
        batch.step()
    return row


@pytest.mark.parametrize(
    ("stop", "said"), [("\n", "Paris\n"), ("\n\n", "Paris\n\n"), ("ri", "Pari"), (" ", "Paris\n\n ")]
)
def test_an_answer_ends_with_its_first_stop_string(tiny_model, stop, said):
    row = scripted(tiny_model, "Paris\n\n so")(max_new_tokens=50, stop=(stop,))
    assert row.finish_reason == "stop"
    assert tiny_model.tokenizer.decode(row.token_ids).startswith(said)
    assert not tiny_model.tokenizer.decode(row.token_ids[:-1]).startswith(said)


def test_white_space_before_the_answer_does_not_end_it(tiny_model):
    row = scripted(tiny_model, "\n\nParis\n")(max_new_tokens=50, stop=("\n",))
    assert tiny_model.tokenizer.decode(row.token_ids) == "\n\nParis\n"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_no_numbers_are_an_error(value):
    class Forward(FakeForward):
        def __call__(self, **_):
            return Out(torch.full((1, 1, 5), value))

    row = finished(Forward(), Sampling(), str)
    assert row.finish_reason == "error" and "not finite" in str(row.error)


@pytest.mark.parametrize(
    "settings",
    [
        {"max_new_tokens": 0},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"stop": ("a", "")},
        {"seed": 2**70},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(settings, tiny_model):
    with pytest.raises(ModelError) as error:
        tiny_model.generate(ask("Why?"), **settings)
    assert str(next(iter(settings.values()))) in str(error.value)


def test_padding_is_on_the_left():
    batch = left_padded([[5, 6, 7], [8]], 0, "cpu")
    assert batch["input_ids"].tolist() == [[5, 6, 7], [0, 0, 8]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2], [0, 0, 0]]


def test_a_sliding_window_is_read_anew_and_answers_as_ever(tiny_model):
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        vocab_size=len(tiny_model.tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=24,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LocalModel(MistralForCausalLM(config).eval(), tiny_model.tokenizer, name="sliding")
    asked = [ask(q) for q in ("Why?", "What is the capital of France, and what of Spain and Portugal?")]
    settings = Sampling(max_new_tokens=8)
    alone = [model.generate_batch([a], settings)[0] for a in asked]
    together = model.generate_batch(asked, settings)
    assert [a.token_ids for a in together] == [a.token_ids for a in alone]
    assert [a.token_ids for a in model.generate_batch([asked[1]] * 2, settings)] == [alone[1].token_ids] * 2
    checks = model.self_check_batch(list(zip(asked, together, strict=True)))
    for messages, answer, check in zip(asked, together, checks, strict=True):
        assert not check.cache_reused
        np.testing.assert_allclose(check.logits, model.self_check(messages, answer.text).logits, atol=1e-4)
