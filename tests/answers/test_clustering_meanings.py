"""Meanings of sampled answers are a partition, whatever the answers are and in whatever order they come."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL, FakeEmbedder, FakeJudge
from thermolang.answers.clustering import ALL_EMPTY, ALL_EQUAL, NO_SAMPLES, ONE_SAMPLE, TOO_MANY, cluster_answers
from thermolang.answers.equivalence import UNCOMPARED, Equivalence
from thermolang.answers.rules.facts import facts
from thermolang.errors import InvalidInputError, ModelError

TEXTS = st.lists(st.one_of(st.sampled_from(POOL), st.text(max_size=20)), max_size=14)
EQUIVALENCES = [
    Equivalence(FakeEmbedder()),
    Equivalence(FakeEmbedder(reads_japanese=True), FakeJudge(lambda a, b: (len(a) * len(b) % 7) / 6)),
    Equivalence(FakeEmbedder(), guards=()),
    Equivalence(None),
]
ANY_EQUIVALENCE = st.sampled_from(EQUIVALENCES)
QUESTIONS = st.sampled_from(["", "What is the capital of France?", "How far is it, 5 km or heavier rain?"])
ALL = settings(deadline=None)


def meanings(samples, **how):
    return cluster_answers(samples, **{"equivalence": EQUIVALENCES[0]} | how)


def sets(samples, found):
    return {frozenset(samples[i] for i in meaning.members) for meaning in found.clusters}


@ALL
@given(TEXTS, st.none() | st.sampled_from(POOL), QUESTIONS, ANY_EQUIVALENCE)
def test_every_sample_is_in_one_meaning(samples, answer, question, equivalence):
    found = cluster_answers(samples, answer=answer, question=question, equivalence=equivalence)
    assert sorted(i for meaning in found.clusters for i in meaning.members) == list(range(len(samples)))
    assert found.samples == len(samples)
    for meaning in found.clusters:
        assert meaning.count == len(meaning.members)
        assert meaning.count or meaning is found.given
        assert meaning.probability is None
        assert -1e-9 <= meaning.cohesion <= 1 + 1e-9
    if samples:
        assert math.isclose(sum(meaning.share for meaning in found.clusters), 1)
    assert 0 <= found.entropy <= math.log(max(len(samples), 1)) + 1e-9
    assert [m.count for m in found.clusters] == sorted((m.count for m in found.clusters), reverse=True)


@ALL
@given(TEXTS, st.randoms(), ANY_EQUIVALENCE)
def test_the_order_of_the_samples_plays_no_part(samples, random, equivalence):
    moved = random.sample(samples, len(samples))
    found, again = cluster_answers(samples, equivalence=equivalence), cluster_answers(moved, equivalence=equivalence)
    assert sets(samples, found) == sets(moved, again)
    assert found.entropy == pytest.approx(again.entropy)
    assert [(m.text, m.kind, m.count) for m in found.clusters] == [(m.text, m.kind, m.count) for m in again.clusters]
    assert found.warnings == again.warnings


@ALL
@given(TEXTS, st.integers(2, 4), ANY_EQUIVALENCE)
def test_samples_all_repeated_have_the_same_meanings(samples, times, equivalence):
    found, again = (
        cluster_answers(samples, equivalence=equivalence),
        cluster_answers(samples * times, equivalence=equivalence),
    )
    assert sets(samples, found) == sets(samples * times, again)
    assert found.entropy == pytest.approx(again.entropy)
    assert [m.text for m in found.clusters] == [m.text for m in again.clusters]
    assert [m.share for m in found.clusters] == pytest.approx([m.share for m in again.clusters])


@ALL
@given(TEXTS)
def test_refusals_are_one_meaning_and_empty_answers_another(samples):
    found = meanings(samples)
    for kind in ("refusal", "empty"):
        members = {i for i, text in enumerate(samples) if facts(text).kind == kind}
        groups = [set(meaning.members) for meaning in found.clusters if meaning.kind == kind]
        assert groups == ([members] if members else [])


def test_refusals_of_two_languages_are_one_meaning_beside_the_answers():
    samples = ["I don't know", "わかりません", "N/A", "", " ", "no", "Paris", "I'm sorry, but I cannot answer that."]
    found = meanings(samples)
    assert {m.kind: m.count for m in found.clusters if m.kind != "answer"} == {"refusal": 4, "empty": 2}
    assert {m.text for m in found.clusters if m.kind == "answer"} == {"no", "Paris"}


@ALL
@given(TEXTS, QUESTIONS)
def test_pairs_that_rules_split_are_never_together(samples, question):
    compared = EQUIVALENCES[0].compare(samples, question)
    for meaning in meanings(samples, question=question).clusters:
        places = [compared.places[i] for i in meaning.members]
        assert not compared.cannot[np.ix_(places, places)].any()


@ALL
@given(TEXTS, ANY_EQUIVALENCE)
def test_a_distant_answer_leaves_the_other_meanings_as_they_were(samples, equivalence):
    distant = "qzjxvk"
    before, after = (
        cluster_answers(samples, equivalence=equivalence),
        cluster_answers([*samples, distant], equivalence=equivalence),
    )
    assert sets([*samples, distant], after) == sets(samples, before) | {frozenset({distant})}
    texts = {meaning.members: meaning.text for meaning in after.clusters}
    assert all(texts[meaning.members] == meaning.text for meaning in before.clusters)


@pytest.mark.parametrize("samples", [["Paris"], ["Paris"] * 5, ["5 km", "5000 m", "five kilometers"], ["", " "]])
def test_one_meaning_has_no_entropy(samples):
    found = meanings(samples)
    assert len(found.clusters) == 1
    assert found.entropy == 0
    assert math.copysign(1, found.entropy) == 1
    assert found.clusters[0].share == 1


@given(st.integers(1, 40))
@ALL
def test_as_many_meanings_as_samples_have_the_most_entropy(n):
    found = meanings([str(10 + 7 * i) for i in range(n)])
    assert len(found.clusters) == n
    assert found.entropy == pytest.approx(math.log(n))


def test_entropy_of_uneven_shares():
    found = meanings(["Paris", "paris", "**Paris**", "Rome"])
    assert found.entropy == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


@ALL
@given(TEXTS.filter(bool), ANY_EQUIVALENCE)
def test_a_meaning_is_shown_by_its_most_central_sample(samples, equivalence):
    found, compared = cluster_answers(samples, equivalence=equivalence), equivalence.compare(samples)
    for meaning in found.clusters:
        members = [samples[i] for i in meaning.members]
        assert meaning.text in members
        places = [compared.places[i] for i in meaning.members]
        likeness = compared.same[np.ix_(places, places)].sum(axis=1)
        assert likeness[members.index(meaning.text)] >= likeness.max() - 1e-6 * len(members)


def like_wind(a, b):
    return 0.9 if "wind" in a + b else 0.6


def test_the_sample_most_like_the_others_is_shown_though_it_is_not_the_first():
    judged = Equivalence(FakeEmbedder(), FakeJudge(like_wind))
    found = cluster_answers(["heavier rain", "heavier wind", "heavier snow"], equivalence=judged)
    assert [m.text for m in found.clusters] == ["heavier wind"]
    assert found.clusters[0].cohesion == pytest.approx(0.8)


def test_a_sample_is_shown_though_the_given_answer_is_more_central():
    judged = Equivalence(FakeEmbedder(), FakeJudge(like_wind))
    found = cluster_answers(["heavier rain", "heavier snow"], answer="heavier wind", equivalence=judged)
    assert (found.given.text, found.given.count) == ("heavier rain", 2)


def test_of_equally_central_samples_the_most_frequent_is_shown():
    assert meanings(["5 km", "5000 m", "5000 m"]).clusters[0].text == "5000 m"
    assert meanings(["five kilometers", "5 km"]).clusters[0].text == "5 km"


@ALL
@given(TEXTS, st.sampled_from(POOL), ANY_EQUIVALENCE)
def test_the_given_answers_meaning(samples, answer, equivalence):
    found = cluster_answers(samples, answer=answer, equivalence=equivalence)
    assert found.given is found.clusters[found.answer]
    same = {i for i, text in enumerate(samples) if facts(text).form == facts(answer).form}
    assert same <= set(found.given.members)
    assert cluster_answers(samples, equivalence=equivalence).given is None


def test_a_given_answer_that_no_sample_agrees_with():
    found = meanings(["Rome", "Rome.", "Oslo"], answer="Paris", logprobs=[-1, -1, -1])
    assert (found.given.text, found.given.count, found.given.share, found.given.members) == ("Paris", 0, 0, ())
    assert found.given.probability == 0
    assert found.samples == 3
    assert found.entropy == meanings(["Rome", "Rome.", "Oslo"]).entropy
    assert meanings([], answer="Paris").given.share == 0


def test_a_given_answer_is_no_sample():
    found = meanings(["5 km", "6 km"], answer="5000 m")
    assert (found.given.count, found.given.share, found.given.members) == (1, 0.5, (0,))
    assert found.given.text == "5 km"


@ALL
@given(TEXTS.filter(bool), st.data(), ANY_EQUIVALENCE)
def test_probabilities_add_up_to_one(samples, data, equivalence):
    logprob = {text: data.draw(st.floats(-2000, 0)) for text in set(samples)}
    found = cluster_answers(samples, logprobs=[logprob[text] for text in samples], equivalence=equivalence)
    assert sum(meaning.probability for meaning in found.clusters) == pytest.approx(1)
    once = sorted(set(samples))
    again = cluster_answers(once, logprobs=[logprob[text] for text in once], equivalence=equivalence)
    if sets(samples, found) == sets(once, again):
        probability = {frozenset(once[i] for i in m.members): m.probability for m in again.clusters}
        for meaning in found.clusters:
            expected = probability[frozenset(samples[i] for i in meaning.members)]
            assert meaning.probability == pytest.approx(expected, abs=1e-9)


def test_a_text_sampled_twice_counts_once():
    found = meanings(["Rome", "Rome", "Rome", "Oslo"], logprobs=[math.log(0.2)] * 3 + [math.log(0.6)])
    assert {m.text: m.probability for m in found.clusters} == pytest.approx({"Rome": 0.25, "Oslo": 0.75})


@pytest.mark.parametrize("odd", [math.nan, -math.inf, math.inf])
def test_log_probabilities_that_are_none_give_no_probability(odd):
    assert [m.probability for m in meanings(["Rome", "Oslo"], logprobs=[odd, -1]).clusters] == [None, None]


@pytest.mark.parametrize(("samples", "logprobs"), [(["a"], []), ([], [-1.0]), (["a", "b"], [-1.0] * 3)])
def test_one_log_probability_for_each_sample(samples, logprobs):
    with pytest.raises(InvalidInputError, match=f"{len(samples)} samples .* got {len(logprobs)}"):
        meanings(samples, logprobs=logprobs)


@pytest.mark.parametrize(
    ("samples", "temperature", "warnings"),
    [
        ([], None, (NO_SAMPLES,)),
        (["", " \n", ""], None, (ALL_EMPTY,)),
        ([""], 1.0, (ALL_EMPTY,)),
        (["Paris"], None, (ONE_SAMPLE,)),
        (["Paris"], 1.0, (ONE_SAMPLE,)),
        (["Paris"] * 3, None, (ALL_EQUAL,)),
        (["Paris"] * 3, 0, (ALL_EQUAL,)),
        (["Paris"] * 3, 0.0, (ALL_EQUAL,)),
        (["Paris"] * 3, 1.0, ()),
        (["Paris", "Paris."], None, ()),
        (["Paris", ""], 0.0, ()),
    ],
)
def test_what_limits_the_result_is_said(samples, temperature, warnings):
    assert meanings(samples, temperature=temperature).warnings == warnings
    assert meanings(samples, temperature=temperature, answer="Paris").warnings == warnings


def test_warnings_of_the_comparison_are_passed_on():
    assert meanings(["東京", "大阪"]).warnings == (UNCOMPARED,)
    found = meanings(["heavier rain", "heavier snow"], equivalence=Equivalence(FakeEmbedder(fails=True)))
    assert "no embeddings" in found.warnings[0]
    assert found.samples == 2
    assert meanings([], answer="東京").warnings == (NO_SAMPLES,)


def test_a_cluster_says_whether_it_could_be_compared_with_the_others():
    found = meanings(["東京", "東京です", "大阪", "Rome"])
    assert {m.text: m.compared for m in found.clusters} == {"東京": False, "大阪": False, "Rome": False}
    found = meanings(["1995年", "1996年", "Rome", "Oslo"])
    assert [m.compared for m in found.clusters] == [False] * 4
    assert all(m.compared for m in meanings(["1995年", "1996年", "1997"]).clusters)
    assert all(m.compared for m in meanings(["Rome", "Oslo", "heavier rain"]).clusters)


def test_no_samples():
    found = meanings([])
    assert (found.clusters, found.answer, found.given, found.samples, found.entropy) == ((), None, None, 0, 0)


def test_ten_thousand_samples_of_few_texts():
    texts = ["Paris", "paris.", "Rome", "5 km", "5000 m", "", "I don't know", "東京", "a" * 20_000, "👍"]
    found = meanings(texts * 1000, logprobs=[-1.0] * 10_000, answer="Paris")
    assert found.samples == 10_000
    assert found.given.count == 2000
    assert sum(m.count for m in found.clusters) == 10_000
    assert sum(m.probability for m in found.clusters) == pytest.approx(1)


def test_the_default_needs_no_embedder(monkeypatch):
    def broken(self, texts):
        raise ModelError("not installed")

    monkeypatch.setattr("thermolang.answers.embedding.SentenceEmbedder.embed", broken)
    found = cluster_answers(["Paris", "paris", "5 km"], temperature=1.0)
    assert [m.count for m in found.clusters] == [2, 1]
    assert "not installed" in found.warnings[0]


def test_beyond_the_most_frequent_spellings_each_stands_for_itself(monkeypatch):
    monkeypatch.setattr("thermolang.answers.clustering.MOST_FORMS", 2)
    samples = ["Paris"] * 3 + ["It is Paris."] * 2 + ["Rome"] * 2 + ["Oslo", "the city of Oslo", "I don't know", ""]
    found = cluster_answers(samples, answer="Oslo", equivalence=EQUIVALENCES[0])
    assert TOO_MANY in found.warnings
    assert any(not m.compared for m in found.clusters)
    assert sorted(i for m in found.clusters for i in m.members) == list(range(len(samples)))
    assert found.given.text == "Oslo"
    assert {m.kind for m in found.clusters} == {"answer", "refusal", "empty"}
    assert sum(m.share for m in found.clusters) == pytest.approx(1)
    backwards = cluster_answers(samples[::-1], answer="Oslo", equivalence=EQUIVALENCES[0])
    assert [(m.text, m.count) for m in backwards.clusters] == [(m.text, m.count) for m in found.clusters]
