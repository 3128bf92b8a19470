"""Reasoning models: a Qwen3-like template and a DeepSeek-like one, over the tiny model."""

import numpy as np
import pytest

from tests.fakes import CHATML, tiny_tokenizer
from thermolang import ConfidenceEstimator, LocalModel
from thermolang.errors import ModelError
from thermolang.models.chat_template import UNFINISHED, without_thinking
from thermolang.models.prompts import self_check_messages
from thermolang.models.scoring import KVCache
from thermolang.types import Generation

# Thoughts of earlier turns are dropped, and thinking can be switched off: then it is begun and closed at once.
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1].lstrip('\n') }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
# Thinking is always begun.
DEEPSEEK = CHATML.replace("<|im_start|>assistant\n{% endif %}", "<|im_start|>assistant\n<think>\n{% endif %}")

WHY = [{"role": "user", "content": "Why?"}]


def model_with(tiny_model, template):
    return LocalModel(tiny_model.model, tiny_tokenizer(template=template), name="thinker")


@pytest.fixture(scope="module", params=[QWEN3, DEEPSEEK], ids=["qwen3", "deepseek"])
def thinker(request, tiny_model):
    return model_with(tiny_model, request.param)


@pytest.fixture(scope="module")
def estimator(thinker, calibrator_for):
    return ConfidenceEstimator(thinker, calibrator_for(thinker), state_dir=None)


def answered(model, text, *, finish="stop"):
    """An answer as the model would have given it, with its KV cache."""
    prompt = model.encode(model.render(WHY))
    ids = model.encode(text)
    import torch

    with torch.inference_mode():
        out = model._forward(input_ids=torch.tensor([prompt + ids[:-1]]), use_cache=True)
    logits = out.logits[0, len(prompt) - 1].float()
    cache = KVCache(model.model, tuple(prompt), tuple(ids), out.past_key_values, (logits, torch.zeros(32)), tuple(WHY))
    return Generation(text, tuple(ids), tuple(-0.1 for _ in ids), finish, len(prompt), cache)


def test_the_self_check_asks_about_the_answer_without_its_thoughts(thinker):
    thought = thinker.self_check(WHY, "<think>France? Its capital...</think>\n\nParis")
    plain = thinker.self_check(WHY, "Paris")
    np.testing.assert_array_equal(thought.logits, plain.logits)


def test_the_self_check_is_to_be_answered_at_once(thinker):
    text = thinker.render(self_check_messages(WHY, "Paris"), at_once=True)
    assert text.endswith("<think>\n\n</think>\n\n")
    assert text.count("<think>") == 1
    check = thinker.self_check(WHY, "Paris")
    assert check.tokens_computed == len(thinker.encode(text))


def test_a_model_that_never_thinks_is_asked_as_ever(tiny_model):
    messages = self_check_messages(WHY, "Paris")
    assert tiny_model.render(messages, at_once=True) == tiny_model.render(messages)


@pytest.mark.parametrize("end", ["", "<think>", "<think>\n", "<think>\n\n</think>\n\n"])
def test_thoughts_are_opened_and_closed_once(end):
    assert without_thinking(f"Why?\n{end}") == "Why?\n<think>\n\n</think>\n\n"


def test_an_answer_with_thoughts_is_read_anew(thinker):
    assert not thinker.self_check(WHY, answered(thinker, "<think>Hm.</think>Paris")).cache_reused


def test_an_answer_without_thoughts_continues_the_cache(tiny_model):
    model = model_with(tiny_model, QWEN3)
    answer = answered(model, "Paris")
    check = model.self_check(WHY, answer)
    assert check.cache_reused
    np.testing.assert_allclose(check.logits, model.self_check(WHY, "Paris").logits, atol=1e-4)


@pytest.mark.parametrize("text", ["<think>Is it Paris, or", "<think>"])
def test_an_answer_that_never_came_has_no_confidence(thinker, estimator, text):
    with pytest.raises(ModelError, match="still thinking"):
        thinker.self_check(WHY, text)
    for confidence in (estimator.score(WHY, text), estimator.score(WHY, text, choices=["A", "B"])):
        assert (confidence.value, confidence.reason) == (None, UNFINISHED)


def test_a_generation_that_never_came_to_its_answer_has_none_either(tiny_model):
    model = model_with(tiny_model, QWEN3)
    with pytest.raises(ModelError, match="still thinking"):
        model.self_check(WHY, answered(model, "<think>Is it Paris, or", finish="length"))


def test_where_the_template_begins_the_thoughts_a_cut_answer_is_all_thought(tiny_model):
    model = model_with(tiny_model, DEEPSEEK)
    cut = model.generate(WHY, max_new_tokens=5)
    assert cut.finish_reason == "length" and "think" not in cut.text
    with pytest.raises(ModelError, match="still thinking"):
        model.self_check(WHY, cut)
    assert model.self_check(WHY, cut.text)  # of a text alone nobody can tell


def test_a_choice_is_read_where_the_thoughts_end(thinker):
    answer = answered(thinker, "<think>B, surely.</think> B")
    scores = thinker.choice_logits(WHY, ["A", "B"], answer)
    said = thinker.encode("<think>B, surely.</think>")
    ids = [*answer.cache.prompt, *said]
    options = thinker.option_ids([("A",), ("B",)], names=["A", "B"])
    (whole,) = thinker.read([ids], [options], [("A", "B")])
    np.testing.assert_allclose(scores.logits, whole.logits, atol=1e-4)
    assert scores.tokens_computed < 5


def test_a_choice_without_an_answer_is_read_at_once(thinker):
    text = thinker.render(WHY, at_once=True)
    options = thinker.option_ids([("A",), ("B",)], names=["A", "B"])
    (whole,) = thinker.read([thinker.encode(text)], [options], [("A", "B")])
    np.testing.assert_array_equal(thinker.choice_logits(WHY, ["A", "B"]).logits, whole.logits)
    assert text.endswith("</think>\n\n")


def test_thoughts_about_one_order_of_the_options_are_not_averaged_over_others(thinker, estimator):
    messages = [{"role": "user", "content": "A. yes\nB. no"}]
    thought = Generation("<think>The first...</think>A", (1,), (-0.1,), "stop", 5)
    with pytest.raises(ModelError, match="rotations=1"):
        thinker.choice_logits(messages, "AB", thought, rotations=2)
    found = estimator.score(messages, thought, choices="AB", rotations=2)
    assert found.value is None and found.reason_code == "model_error"
