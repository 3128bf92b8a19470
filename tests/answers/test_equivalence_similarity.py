"""Cues of pairs: symmetric, in range, and independent of which other answers there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL, FakeEmbedder
from thermolang.answers.equivalence import (
    PAIR_FEATURES,
    WITH_EMBEDDING,
    WITHOUT_EMBEDDING,
    pair_features,
    probability_same,
)
from thermolang.answers.rules.facts import facts

TEXTS = st.lists(st.one_of(st.sampled_from(POOL), st.text(max_size=30)), min_size=1, max_size=8)


def cues_of(texts, embedded=True):
    vectors = FakeEmbedder(reads_japanese=True).embed(texts) if embedded else None
    return pair_features([facts(text) for text in texts], vectors)


def test_one_weight_for_each_cue_and_a_constant():
    assert len(WITH_EMBEDDING) == len(WITHOUT_EMBEDDING) == 1 + len(PAIR_FEATURES)
    assert WITHOUT_EMBEDDING[1 + PAIR_FEATURES.index("angular similarity")] == 0


def test_no_answers():
    assert cues_of([], embedded=False).shape == (0, 0, 4)
    assert cues_of([]).shape == (0, 0, 4)
    assert probability_same(cues_of([]), embedded=True).shape == (0, 0)


@settings(deadline=None)
@given(TEXTS, st.booleans())
def test_cues_are_symmetric_and_in_range(texts, embedded):
    features = cues_of(texts, embedded)
    np.testing.assert_allclose(features, features.transpose(1, 0, 2), atol=1e-6)
    assert (features >= -1e-6).all()
    assert (features <= 1 + 1e-6).all()
    assert np.isfinite(features).all()


@settings(deadline=None)
@given(TEXTS)
def test_an_answer_is_like_itself(texts):
    features = cues_of(texts)
    for i, text in enumerate(texts):
        expected = [1, 1, 1, 1] if facts(text).form.split() else [1, 0, 0, 1]
        np.testing.assert_allclose(features[i, i], expected, atol=1e-6)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 7), st.integers(0, 7), st.booleans())
def test_a_pair_does_not_depend_on_the_other_answers(texts, i, j, embedded):
    i, j = i % len(texts), j % len(texts)
    alone = cues_of([texts[i], texts[j]], embedded)[0, 1]
    np.testing.assert_allclose(cues_of(texts, embedded)[i, j], alone, atol=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "f1", "overlap"),
    [
        ("red house", "red", 2 / 3, 1.0),
        ("red house", "red horse", 0.5, 0.5),
        ("red house", "blue horse", 0.0, 0.0),
        ("red red house", "house red", 1.0, 1.0),
        ("東京", "京都", 0.5, 0.5),
        ("東京", "東京都", 0.8, 1.0),
        ("", "red", 0.0, 0.0),
    ],
)
def test_words_in_common(a, b, f1, overlap):
    np.testing.assert_allclose(cues_of([a, b])[0, 1, 1:3], [f1, overlap])


def test_words_of_the_question_are_not_compared_where_there_are_others():
    answers = [facts(text) for text in ("the red house", "the red barn", "red")]
    question = frozenset({"red"})
    features = pair_features(answers, None, question)
    assert pair_features(answers, None)[0, 1, 1] > features[0, 1, 1] == 0
    assert features[2, 2, 1] == 1
    np.testing.assert_array_equal(features, features.transpose(1, 0, 2))
    np.testing.assert_array_equal(features[0, 2], pair_features(answers[::2], None, question)[0, 1])


def test_letters_are_compared_up_to_a_limit():
    start = "x" * 300
    assert cues_of([start + "abc", start + "def"])[0, 1, 3] == 1


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(0, 3), st.booleans())
def test_more_of_any_cue_makes_no_pair_less_likely(features, which, embedded):
    more = list(features)
    more[which] = 1.0
    low, high = probability_same(np.array([features, more]), embedded=embedded)
    assert 0 <= low <= high <= 1


def test_alike_answers_are_the_same_and_foreign_ones_are_not():
    same = probability_same(cues_of(["a big red house", "a big red house!", "zzqq"]), embedded=True)
    assert same[0, 1] > 0.9
    assert same[0, 2] < 0.1
    same = probability_same(cues_of(["a big red house", "a big red house!", "zzqq"], embedded=False), embedded=False)
    assert same[0, 1] > 0.9
    assert same[0, 2] < 0.1
