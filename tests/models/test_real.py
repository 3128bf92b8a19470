"""The packaged model, as a user gets it: what random weights cannot show."""

import numpy as np
import pytest
import torch

from thermolang.calibration.calibrator import PROBE_OK, probe_similarity

pytestmark = pytest.mark.model

CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def bfloat16(packaged_model):
    return packaged_model(torch.bfloat16)


@pytest.fixture(scope="module")
def float32(packaged_model):
    return packaged_model(torch.float32)


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def assert_alike(check, again):
    assert cosine(check.hidden, again.hidden) > 0.999
    assert np.abs(check.logits - again.logits).max() < 0.5
    assert check.answer_mass == pytest.approx(again.answer_mass, abs=0.05)


def test_it_answers_and_checks_itself(bfloat16):
    answer = bfloat16.generate(CAPITAL, max_new_tokens=32)
    assert "Paris" in answer.text
    assert answer.finish_reason == "stop"
    check, full = bfloat16.self_check(CAPITAL, answer), bfloat16.self_check(CAPITAL, answer.text)
    assert check.cache_reused and not full.cache_reused
    assert check.tokens_computed < 35 < full.tokens_computed
    assert check.answer_mass > 0.1  # .43; far above what the estimator refuses
    assert_alike(check, full)
    assert full.answer_logprob == pytest.approx(np.exp(np.mean(answer.logprobs)), abs=0.02)


def test_an_answer_cut_at_a_stop_string_is_checked_alike(bfloat16):
    answer = bfloat16.generate(CAPITAL, max_new_tokens=32, stop=(" Paris",))
    assert answer.text.endswith("is")
    check = bfloat16.self_check(CAPITAL, answer)
    assert check.cache_reused
    assert_alike(check, bfloat16.self_check(CAPITAL, answer.text))


def test_letters_and_words_are_single_tokens(bfloat16):
    for options in ("ABCD", ("Yes", "No"), ("yes", "no")):
        scores = bfloat16.choice_logits(CAPITAL, options)
        assert np.isfinite(scores.logits).all() and 0 < scores.answer_mass <= 1


def test_the_dtype_does_not_change_whose_weights_they_are(bfloat16, float32):
    assert bfloat16.identity == float32.identity
    assert probe_similarity(bfloat16.probe()[0], float32.probe()[0]) >= PROBE_OK
