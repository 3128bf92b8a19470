"""Reading a local model: self-checks on the generation's cache, option logits, threads, identity."""

import copy
import datetime
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests.fakes import CHATML, tiny_llama, tiny_tokenizer
from thermolang.errors import ModelError
from thermolang.models.decoding import Sampling
from thermolang.models.local import LocalModel
from thermolang.models.prompts import SELF_CHECK, SENTINEL, self_check_messages
from thermolang.models.scoring import answer_span

WHY = [{"role": "system", "content": "Answer in as few words as possible."}, {"role": "user", "content": "Why?"}]
AFTER = f"<|im_end|>\n<|im_start|>user\n{SELF_CHECK}<|im_end|>\n<|im_start|>assistant\n"


def variant(model, template, **tokenizer):
    """The same weights with another template."""
    return LocalModel(model.model, tiny_tokenizer(template=template, **tokenizer), name="variant")


def full_forward(model, messages, answer, kept):
    """Logits and hidden state of a self-check, from one pass over prompt, kept answer ids and what follows."""
    ids = model.encode(model.render(messages)) + list(answer.token_ids[:kept]) + model.encode(AFTER)
    with torch.inference_mode():
        out = model.model(torch.tensor([ids]), output_hidden_states=True)
    logits, hidden = out.logits[0, -1], out.hidden_states[-1][0, -1]
    options = [model.option_ids([("Yes", "yes"), ("No", "no")], names=("yes", "no"))]
    return torch.stack([logits[i].logsumexp(-1) for i in options[0]]).numpy(), hidden.numpy()


def assert_continues(model, messages, answer, *, kept, computed):
    """The self-check reuses the cache and equals a full pass that keeps the first ``kept`` ids of the answer."""
    check = model.self_check(messages, answer)
    logits, hidden = full_forward(model, messages, answer, kept)
    assert check.cache_reused
    assert check.options == ("yes", "no")
    np.testing.assert_allclose(check.logits, logits, atol=1e-4)
    np.testing.assert_allclose(check.hidden, hidden, atol=1e-4)
    assert check.tokens_computed == computed
    return check


def test_a_self_check_continues_an_answer_that_hit_its_length(tiny_model):
    answer = tiny_model.generate(WHY, max_new_tokens=7)
    assert answer.finish_reason == "length"
    # The last sampled token was never fed to the model; it comes first.
    assert_continues(tiny_model, WHY, answer, kept=7, computed=1 + len(tiny_model.encode(AFTER)))


def test_a_self_check_continues_an_answer_that_ended_itself(tiny_model, monkeypatch):
    free = tiny_model.generate(WHY, max_new_tokens=12)
    monkeypatch.setattr(tiny_model.model.generation_config, "eos_token_id", free.token_ids[6])
    model = LocalModel(tiny_model.model, tiny_model.tokenizer)
    answer = model.generate(WHY, max_new_tokens=12)
    assert (answer.finish_reason, len(answer.token_ids)) == ("stop", 7)
    assert answer.text == model.generate(WHY, max_new_tokens=6).text
    # The end token is no part of the answer, though this model does not mark it as special; six are in the cache.
    assert_continues(model, WHY, answer, kept=6, computed=len(model.encode(AFTER)))


def test_a_self_check_continues_an_answer_with_an_end_token_that_has_no_text(tiny_model):
    tried = tiny_model.generate_batch([WHY] * 200, Sampling(max_new_tokens=12, temperature=1.5), seeds=range(200))
    answer = next(answer for answer in tried if ends_early(tiny_model, answer))
    end = len(answer.token_ids) - 1
    assert answer.token_ids[-1] == tiny_model.tokenizer.eos_token_id
    # All the answer's ids are in the cache, and the template writes the end token.
    assert_continues(tiny_model, WHY, answer, kept=end, computed=len(tiny_model.encode(AFTER)))


def ends_early(model, answer):
    said = model.tokenizer.decode(answer.token_ids[:-1])
    return answer.finish_reason == "stop" and len(answer.token_ids) > 2 and said == said.strip() == answer.text


def test_a_self_check_continues_an_answer_cut_at_a_stop_string(tiny_model):
    free = tiny_model.generate(WHY, max_new_tokens=12)
    stop = tiny_model.tokenizer.decode(free.token_ids[4:6])
    answer = tiny_model.generate(WHY, max_new_tokens=12, stop=(stop,))
    assert answer.finish_reason == "stop"
    assert answer.text == tiny_model.tokenizer.decode(free.token_ids[:4]).strip()
    # What the stop string left in the cache is cropped, and nothing of the answer is computed again.
    assert_continues(tiny_model, WHY, answer, kept=4, computed=len(tiny_model.encode(AFTER)))


def test_a_stop_string_inside_a_token_reads_everything_again(tiny_model):
    free = tiny_model.generate(WHY, max_new_tokens=12)
    words = [tiny_model.tokenizer.decode([i]) for i in free.token_ids]
    stop = next(word[1:] for word in words[1:] if len(word) > 2 and word.isascii() and word.isalpha())
    answer = tiny_model.generate(WHY, max_new_tokens=12, stop=(stop,))
    check = tiny_model.self_check(WHY, answer)
    assert not check.cache_reused
    # Of a text the tokens' probabilities are computed, too; the last digit may differ with so many logits at a time.
    np.testing.assert_allclose(check.logits, tiny_model.self_check(WHY, answer.text).logits, rtol=1e-6)


def test_a_self_check_leaves_the_answer_as_it_was(tiny_model):
    answer = tiny_model.generate(WHY, max_new_tokens=9)
    length = answer.cache.values.get_seq_length()
    checks = [tiny_model.self_check(WHY, answer) for _ in range(3)]
    assert answer.cache.values.get_seq_length() == length
    assert all(c.cache_reused for c in checks)
    for check in checks[1:]:
        np.testing.assert_array_equal(check.logits, checks[0].logits)
        np.testing.assert_array_equal(check.hidden, checks[0].hidden)


def test_threads_may_check_one_answer_at_once(tiny_model):
    answer = tiny_model.generate(WHY, max_new_tokens=9)
    alone = tiny_model.self_check(WHY, answer)
    with ThreadPoolExecutor(8) as pool:
        for check in pool.map(lambda _: tiny_model.self_check(WHY, answer), range(16)):
            np.testing.assert_allclose(check.logits, alone.logits, atol=1e-5)


def test_a_text_is_checked_by_reading_everything(tiny_model):
    check = tiny_model.self_check(WHY, "Paris")
    assert not check.cache_reused
    assert check.tokens_computed == len(tiny_model.encode(tiny_model.render(self_check_messages(WHY, "Paris"))))


def test_a_text_is_read_with_how_probable_its_tokens_are(tiny_model):
    ids = tiny_model.encode(tiny_model.render(self_check_messages(WHY, "Paris")))
    start, spelling = len(tiny_model.encode(tiny_model.render(WHY))), tiny_model.encode("Paris")
    assert list(ids[start : start + len(spelling)]) == list(spelling)
    said = [*spelling, ids[start + len(spelling)]]  # the template ends the answer as the model would
    assert said[-1] in tiny_model._end_ids
    with torch.inference_mode():
        logprobs = tiny_model.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    expected = np.exp(np.mean([float(logprobs[start + i - 1, token]) for i, token in enumerate(said)]))
    assert tiny_model.self_check(WHY, "Paris").answer_logprob == pytest.approx(expected, rel=1e-4)
    # Beside others of another length, and beside one whose tokens are known.
    answer = tiny_model.generate(WHY, max_new_tokens=4)
    long = [{"role": "user", "content": "What is the capital of France, and of Spain?"}]
    together = tiny_model.self_check_batch([(long, "Paris and Madrid, I think"), (WHY, "Paris"), (WHY, answer)])
    assert together[1].answer_logprob == pytest.approx(expected, rel=1e-3)
    assert together[2].answer_logprob is None
    alone = tiny_model.self_check(long, "Paris and Madrid, I think").answer_logprob
    assert together[0].answer_logprob == pytest.approx(alone, rel=1e-3)


def test_what_texts_begin_with_is_computed_once_and_changes_no_score(tiny_model):
    # Two equal answers and two that begin alike: what they share goes beyond the question.
    texts = ["Paris, I think", "Paris, I think", "Paris, I hope", "Rome"]
    for answers in (texts, texts[:1] * 4):
        for answer, check in zip(answers, tiny_model.self_check_batch([(WHY, a) for a in answers]), strict=True):
            alone = tiny_model.self_check(WHY, answer)
            assert check.tokens_computed <= alone.tokens_computed - len(tiny_model.encode(tiny_model.render(WHY))) + 1
            assert check.answer_logprob == pytest.approx(alone.answer_logprob, rel=1e-3)
            np.testing.assert_allclose(check.logits, alone.logits, atol=1e-4)
            np.testing.assert_allclose(check.hidden, alone.hidden, atol=1e-4)


def test_of_a_long_text_the_last_tokens_are_read(tiny_model):
    long = " ".join(["Paris"] * 100)
    assert 0 < tiny_model.self_check(WHY, long).answer_logprob < 1


@pytest.mark.parametrize(
    ("ids", "before", "after", "expected"),
    [
        ([1, 2, 7, 8, 3, 4], [1, 2], [3, 4], range(2, 4)),
        ([1, 2, 7, 8, 9, 4], [1, 2], [9, 4], range(2, 5)),  # 9 ends an answer
        ([1, 2, 3, 4], [1, 2], [3, 4], None),  # nothing was said
        ([1, 5, 7, 3, 4], [1, 2], [3, 4], None),  # a token merges with the template's
        ([1, 2, 7, 34], [1, 2], [3, 4], None),
        ([1, *[7] * 100, 3], [1], [3], range(69, 101)),
    ],
)
def test_where_an_answer_is_spelled(ids, before, after, expected):
    assert answer_span(ids, before, after, {9}) == expected


def test_answers_of_a_batch_are_checked_on_their_own_caches(tiny_model):
    asked = [WHY, [{"role": "user", "content": "What is the capital of France, and of Spain?"}], WHY]
    answers = tiny_model.generate_batch(asked, Sampling(max_new_tokens=9, temperature=1.0), seeds=[1, 2, 3])
    together = tiny_model.self_check_batch(list(zip(asked, answers, strict=True)))
    for messages, answer, check in zip(asked, answers, together, strict=True):
        assert check.cache_reused
        assert check.tokens_computed <= 1 + len(tiny_model.encode(AFTER))
        alone = tiny_model.self_check(messages, answer)
        np.testing.assert_allclose(check.logits, alone.logits, atol=1e-4)
        ids = [*answer.cache.prompt, *answer.cache.answer, *tiny_model.encode(AFTER)]
        (whole,) = tiny_model.read([ids], [tiny_model._yes_no], [("yes", "no")])
        np.testing.assert_allclose(check.logits, whole.logits, atol=1e-4)
        np.testing.assert_allclose(check.hidden, whole.hidden, atol=1e-4)


def test_a_choice_is_read_from_what_the_answer_was_chosen_from(tiny_model):
    answer = tiny_model.generate(WHY, max_new_tokens=3)
    kept, anew = (tiny_model.choice_logits(WHY, ["A", "B", "C"], a) for a in (answer, None))
    np.testing.assert_allclose(kept.logits, anew.logits, atol=1e-4)
    np.testing.assert_allclose(kept.hidden, anew.hidden, atol=1e-4)
    assert (kept.tokens_computed, kept.answer_mass) == (0, pytest.approx(anew.answer_mass, abs=1e-6))
    other = [{"role": "user", "content": "Who?"}]
    np.testing.assert_array_equal(
        tiny_model.choice_logits(other, ["A", "B", "C"], answer).logits,
        tiny_model.choice_logits(other, ["A", "B", "C"]).logits,
    )


def test_choices_of_a_batch_are_those_read_alone(tiny_model):
    asked = [[{"role": "user", "content": "It is a passage. " * 9 + "Which is it" + "?" * n}] for n in (1, 9, 4)]
    together = tiny_model.choice_logits_batch(asked, ["A", "B", "C"])
    for messages, scores in zip(asked, together, strict=True):
        alone = tiny_model.choice_logits(messages, ["A", "B", "C"])
        np.testing.assert_allclose(scores.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(scores.hidden, alone.hidden, atol=1e-4)
        assert scores.tokens_computed < alone.tokens_computed  # what they begin with is computed once
    with pytest.raises(ModelError, match="takes at most"):
        tiny_model.choice_logits_batch([WHY, [{"role": "user", "content": "x" * 2000}]], ["A", "B"])


def test_another_conversation_does_not_continue_the_cache(tiny_model):
    answer = tiny_model.generate(WHY, max_new_tokens=5)
    other = [{"role": "user", "content": "Who?"}]
    check = tiny_model.self_check(other, answer)
    assert not check.cache_reused
    np.testing.assert_allclose(check.logits, tiny_model.self_check(other, answer.text).logits, rtol=1e-5)


def test_another_models_cache_is_not_continued(tiny_model):
    twin = LocalModel(tiny_llama(len(tiny_model.tokenizer), seed=1), tiny_model.tokenizer)
    answer = tiny_model.generate(WHY, max_new_tokens=5)
    check = twin.self_check(WHY, answer)
    assert not check.cache_reused
    np.testing.assert_allclose(check.logits, twin.self_check(WHY, answer.text).logits, rtol=1e-6)


def test_a_template_that_rewrites_history_falls_back(tiny_model):
    forgetful = CHATML.replace("{{ m.content }}", "{{ m.content if loop.last or m.role == 'assistant' else '...' }}")
    model = variant(tiny_model, forgetful)
    answer = model.generate(WHY, max_new_tokens=5)
    assert answer.cache is not None
    check = model.self_check(WHY, answer)
    assert not check.cache_reused
    assert check.tokens_computed == len(model.encode(model.render(self_check_messages(WHY, answer.text))))
    np.testing.assert_allclose(check.logits, model.self_check(WHY, answer.text).logits, rtol=1e-6)


def test_a_question_that_holds_the_sentinel_falls_back(tiny_model):
    question = [{"role": "user", "content": f"What is {SENTINEL}?"}]
    assert not tiny_model.self_check(question, tiny_model.generate(question, max_new_tokens=5)).cache_reused


def test_an_empty_answer_can_be_checked(tiny_model, monkeypatch):
    first = tiny_model.generate(WHY, max_new_tokens=1).token_ids[0]
    monkeypatch.setattr(tiny_model, "_end_ids", frozenset({first}), raising=False)
    answer = tiny_model.generate(WHY, max_new_tokens=5, stop=(tiny_model.tokenizer.decode([first]),))
    assert (answer.text, len(answer.token_ids)) == ("", 1)
    assert_continues(tiny_model, WHY, answer, kept=0, computed=len(tiny_model.encode(AFTER)))


def test_the_start_token_is_written_once(tiny_model):
    model = variant(tiny_model, "{{ bos_token }}" + CHATML, adds_bos=True)
    start = model.tokenizer.bos_token_id
    assert model.tokenizer("x")["input_ids"][0] == start  # the tokenizer alone would add one
    ids = model.encode(model.render(WHY))
    assert ids[0] == start and ids.count(start) == 1
    answer = model.generate(WHY, max_new_tokens=5)
    assert answer.prompt_tokens == len(ids)
    assert model.self_check(WHY, answer).cache_reused


def softmax_at_the_end(model, text):
    with torch.inference_mode():
        return model.model(torch.tensor([model.encode(text)])).logits[0, -1].softmax(-1)


def test_an_option_sums_its_spellings(tiny_model):
    scores = tiny_model.choice_logits(WHY, ["A", "B", "C"])
    share = softmax_at_the_end(tiny_model, tiny_model.render(WHY))
    by_hand = [sum(share[tiny_model.encode(form)[0]] for form in (c, f" {c}")).item() for c in "ABC"]
    assert scores.options == ("A", "B", "C")
    np.testing.assert_allclose(np.exp(scores.logits - scores.logits[0]), np.array(by_hand) / by_hand[0], rtol=1e-4)
    assert scores.answer_mass == pytest.approx(sum(by_hand), rel=1e-4)
    assert 0 <= scores.answer_mass <= 1
    assert scores.hidden.shape == (32,) and scores.hidden.dtype == np.float32
    assert scores.tokens_computed == len(tiny_model.encode(tiny_model.render(WHY)))


def test_the_options_mass_never_exceeds_one(tiny_model, monkeypatch):
    everything = [[i] for i in range(len(tiny_model.tokenizer))]
    scores = tiny_model.read([tiny_model.encode(str(i)) for i in range(20)], [everything] * 20, [("x",)] * 20)
    assert all(0.999 < s.answer_mass <= 1 for s in scores)


def test_the_hidden_state_is_what_the_output_layer_reads(tiny_model):
    scores = tiny_model.choice_logits(WHY, ["A", "B"])
    head = tiny_model.model.get_output_embeddings().weight.detach().numpy()
    ids = tiny_model.option_ids([("A",), ("B",)], names=("A", "B"))
    by_hand = [np.logaddexp.reduce(head[i] @ scores.hidden) for i in ids]
    np.testing.assert_allclose(scores.logits, by_hand, atol=1e-4)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (["A", "perhaps not"], "'perhaps not' is not a single token of tiny"),
        (["A", "B", "A"], "'A' and 'A' share a token"),
        (["A"], "at least two choices are needed, got ['A']"),
        ([], "at least two choices are needed, got []"),
        (["A", ""], "'' is not a single token"),
    ],
    ids=str,
)
def test_options_that_cannot_be_read_are_named(tiny_model, choices, said):
    with pytest.raises(ModelError) as error:
        tiny_model.choice_logits(WHY, choices)
    assert said in str(error.value)


def test_spellings_that_share_a_token_are_named(tiny_model):
    with pytest.raises(ModelError, match="'yes' and 'also yes' share a token"):
        tiny_model.option_ids([("Yes", "yes"), ("yes",)], names=("yes", "also yes"))


def test_a_conversation_that_is_too_long_is_refused_with_both_numbers(tiny_model):
    long = [{"role": "user", "content": "1 2 3 4 " * 100}]
    n = len(tiny_model.encode(tiny_model.render(long)))
    said = f"has {n} tokens, but tiny takes at most 256"
    for call in (
        lambda: tiny_model.generate(long),
        lambda: tiny_model.choice_logits(long, ["A", "B"]),
        lambda: tiny_model.generate_batch([WHY, long], Sampling()),
    ):
        with pytest.raises(ModelError, match=said):
            call()
    with pytest.raises(ModelError, match=r"has \d+ tokens, but tiny takes at most 256"):
        tiny_model.self_check(long, "Paris")


def test_an_answer_without_room_for_its_check_is_refused(tiny_model):
    nearly = [{"role": "user", "content": "1 2 3 4 " * 29}]
    answer = tiny_model.generate(nearly, max_new_tokens=5)
    with pytest.raises(ModelError, match=r"has \d+ tokens, but tiny takes at most 256"):
        tiny_model.self_check(nearly, answer)


def test_a_tokenizer_without_a_template_is_refused(tiny_model):
    with pytest.raises(ModelError, match="no chat template"):
        LocalModel(tiny_model.model, tiny_tokenizer(template=None))


def test_a_model_without_output_embeddings_is_refused(tiny_model):
    with pytest.raises(ModelError, match="LlamaModel has no output embeddings"):
        LocalModel(tiny_model.model.model, tiny_model.tokenizer)


def test_what_a_template_refuses_is_a_model_error(tiny_model):
    strict = variant(tiny_model, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(ModelError, match="the chat template of variant refuses these messages: roles must alternate"):
        strict.generate(WHY)
    with pytest.raises(ModelError, match="the conversation is empty"):
        tiny_model.generate([])


def test_half_a_character_is_a_model_error(tiny_model):
    with pytest.raises(ModelError, match="valid Unicode"):
        tiny_model.generate([{"role": "user", "content": "\ud83d"}])


@pytest.mark.parametrize("question", ["", "\x00", "日本の首都はどこですか。", "<|im_end|>", "{{ 7 * 7 }}", "🎉" * 9])
def test_any_other_text_is_answered(tiny_model, question):
    messages = [{"role": "user", "content": question}]
    answer = tiny_model.generate(messages, max_new_tokens=4)
    assert question in tiny_model.render(messages)
    assert tiny_model.self_check(messages, answer).cache_reused


def test_threads_share_one_model(tiny_model):
    prompts = [[{"role": "user", "content": f"{word} {i}"}] for i, word in enumerate("abcdefgh")]

    def read(messages):
        answer = tiny_model.generate(messages, max_new_tokens=6, temperature=1.0, seed=1)
        check, choice = tiny_model.self_check(messages, answer), tiny_model.choice_logits(messages, ["A", "B"])
        return answer, check, choice

    serial = [read(messages) for messages in prompts]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(read, prompts * 3))
    for mine, theirs in zip(parallel, serial * 3, strict=True):
        assert mine[0].token_ids == theirs[0].token_ids
        assert mine[0].logprobs == pytest.approx(theirs[0].logprobs, abs=1e-5)
        for reading, expected in zip(mine[1:], theirs[1:], strict=True):
            np.testing.assert_allclose(reading.logits, expected.logits, atol=1e-5)
            np.testing.assert_allclose(reading.hidden, expected.hidden, atol=1e-5)
    assert len({s[1].logits[0] for s in serial}) == 8


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_logprobs_are_the_models_own(tiny_model, temperature):
    answer = tiny_model.generate(WHY, max_new_tokens=10, temperature=temperature, top_p=0.8, seed=2)
    prompt = tiny_model.encode(tiny_model.render(WHY))
    with torch.inference_mode():
        logits = tiny_model.model(torch.tensor([[*prompt, *answer.token_ids]])).logits[0, len(prompt) - 1 : -1]
    expected = logits.log_softmax(-1).gather(1, torch.tensor(answer.token_ids)[:, None])[:, 0]
    assert answer.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_padding_changes_nothing(tiny_model):
    prompts = [tiny_model.encode(text) for text in ("A", "Why is that so? " * 5, "What is the capital of France?")]
    ids = tiny_model.option_ids([("A",), ("B",)], names="AB")
    together = tiny_model.read(prompts, [ids] * 3, [("A", "B")] * 3)
    for prompt, mine in zip(prompts, together, strict=True):
        alone = tiny_model.read([prompt], [ids], [("A", "B")])[0]
        np.testing.assert_allclose(mine.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(mine.hidden, alone.hidden, atol=1e-4)
        assert mine.answer_mass == pytest.approx(alone.answer_mass, abs=1e-5)
        assert mine.tokens_computed == len(prompt)


def test_an_assistant_message_is_continued(tiny_model):
    started = [*WHY, {"role": "assistant", "content": "The answer is"}]
    text = tiny_model.render(started)
    assert text.endswith("<|im_start|>assistant\nThe answer is")
    share = softmax_at_the_end(tiny_model, text)
    by_hand = [sum(share[tiny_model.encode(form)[0]] for form in (c, f" {c}")).item() for c in "AB"]
    assert tiny_model.choice_logits(started, ["A", "B"]).answer_mass == pytest.approx(sum(by_hand), rel=1e-4)
    assert tiny_model.generate(started, max_new_tokens=3).prompt_tokens == len(tiny_model.encode(text))


def test_the_identity_is_the_models_own(tiny_model):
    identity = tiny_model.identity
    assert (identity.architecture, identity.hidden_size, identity.num_layers) == ("LlamaForCausalLM", 32, 2)
    assert identity == LocalModel(tiny_model.model, tiny_tokenizer(), name="another name").identity


def test_the_identity_tells_templates_and_tokenizers_apart(tiny_model):
    template = variant(tiny_model, CHATML.replace("assistant", "Assistant")).identity
    assert [d.split(":")[0] for d in tiny_model.identity.differences(template)] == ["template"]
    tokenizer = copy.deepcopy(tiny_model.tokenizer)
    tokenizer.add_tokens(["capital"])
    other = LocalModel(tiny_model.model, tokenizer).identity
    assert [d.split(":")[0] for d in tiny_model.identity.differences(other)] == ["tokenizer"]


DATED = "{%- set today = strftime_now('%d %b %Y') -%}<|im_start|>system\nToday is {{ today }}<|im_end|>\n" + CHATML


def test_the_identity_does_not_change_overnight(tiny_model, monkeypatch):
    from transformers.utils import chat_template_utils

    class Tomorrow(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) + datetime.timedelta(days=1)

    today = variant(tiny_model, DATED)
    identity, probe, text = today.identity, today.probe(), today.render(WHY)
    monkeypatch.setattr(chat_template_utils, "datetime", Tomorrow)
    tomorrow = variant(tiny_model, DATED)
    assert tomorrow.render(WHY) != text  # the model is told the date
    assert tomorrow.identity == identity
    np.testing.assert_array_equal(tomorrow.probe()[0], probe[0])


def test_the_probe_is_a_fingerprint_of_the_weights(tiny_model):
    hidden, logits = tiny_model.probe()
    assert hidden.shape == (8, 32) and logits.shape == (8, 2)
    np.testing.assert_array_equal(tiny_model.probe()[0], hidden)
    other = LocalModel(tiny_llama(len(tiny_model.tokenizer), seed=1), tiny_model.tokenizer)
    assert other.identity == tiny_model.identity
    assert not np.allclose(other.probe()[0], hidden, atol=0.1)


def test_models_of_another_kind_are_refused(tiny_model):
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=32, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0)
    with pytest.raises(ModelError, match=r"encoder-decoder \(seq2seq\) model: use a causal language model"):
        LocalModel(T5ForConditionalGeneration(config), tiny_model.tokenizer)
    seeing = copy.copy(tiny_model.model)
    seeing.config = copy.copy(tiny_model.model.config)
    seeing.config.vision_config = {"size": 1}
    with pytest.raises(ModelError, match="is a vision model: use a causal language model"):
        LocalModel(seeing, tiny_model.tokenizer)


def test_the_fingerprint_is_measured_again_only_if_the_weights_change(tiny_model, monkeypatch):
    model = LocalModel(tiny_llama(len(tiny_model.tokenizer), seed=3), tiny_model.tokenizer)
    before = model.probe()
    assert model.probe() is before
    with torch.no_grad():
        next(iter(model.model.parameters())).mul_(1.5)
    assert not np.allclose(model.probe()[0], before[0])


def test_a_wrapped_model_can_be_pickled(tiny_model):
    # A model of its own: transformers' hooks for the outputs of all layers, which some passes leave, cannot be pickled.
    wrapped = LocalModel(tiny_llama(len(tiny_model.tokenizer)), tiny_model.tokenizer)
    expected = wrapped.generate(WHY, max_new_tokens=5)
    again = LocalModel(pickle.loads(pickle.dumps(wrapped.model)), tiny_model.tokenizer)
    assert again.generate(WHY, max_new_tokens=5) == expected
    assert len(again.model.get_output_embeddings()._forward_pre_hooks) == 1
    np.testing.assert_array_equal(again.probe()[0], wrapped.probe()[0])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"])
def test_a_local_model_can_be_copied(tiny_model, copied):
    original = LocalModel(tiny_llama(len(tiny_model.tokenizer)), tiny_tokenizer(), name="tiny")
    answer = original.generate(WHY, max_new_tokens=5)
    expected = original.self_check(WHY, answer), original.choice_logits(WHY, ["A", "B"])
    other = copied(original)
    assert other.model is not original.model
    assert other.generate(WHY, max_new_tokens=5) == answer
    found = other.self_check(WHY, other.generate(WHY, max_new_tokens=5)), other.choice_logits(WHY, ["A", "B"])
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine.logits, theirs.logits)
        np.testing.assert_array_equal(mine.hidden, theirs.hidden)
    # Each has weights of its own.
    with torch.no_grad():
        next(iter(other.model.parameters())).mul_(1.5)
    np.testing.assert_array_equal(original.choice_logits(WHY, ["A", "B"]).logits, expected[1].logits)
    assert not np.allclose(other.choice_logits(WHY, ["A", "B"]).logits, expected[1].logits)
