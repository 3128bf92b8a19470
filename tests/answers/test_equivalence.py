"""Pairs of answers: embeddings, rules and a judge each do their part, and none of them is necessary."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL, FakeEmbedder, FakeJudge, install
from thermolang.answers.embedding import DEFAULT_EMBEDDER, SentenceEmbedder
from thermolang.answers.equivalence import DOUBTFUL, MOST_JUDGED, NOT_COMPARED, UNCOMPARED, UNSURE, Equivalence
from thermolang.answers.rules.guards import GUARDS

TEXTS = st.one_of(st.sampled_from(POOL), st.text(max_size=30))
DOUBTFUL_PAIR = ("heavier rain", "heavier snow")
DOUBTFUL_WORDS = ("rain", "snow", "wind", "hail", "fog", "sand", "dust", "ash", "mud", "surf")


def plain(**how):
    return Equivalence(FakeEmbedder(), **how)


@settings(deadline=None)
@given(
    TEXTS,
    TEXTS,
    st.sampled_from(["", "What is the capital of France?", "東京は何ですか"]),
    st.sampled_from([(), GUARDS]),
)
def test_the_order_of_any_pair_plays_no_part(a, b, question, guards):
    for equivalence in (plain(guards=guards), Equivalence(None, guards=guards)):
        same = equivalence.same(a, b, question)
        assert same == equivalence.same(b, a, question)
        assert 0 <= same <= 1
        assert equivalence.same(a, a, question) == 1
        assert equivalence.explain(a, b, question) == equivalence.explain(b, a, question)


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=10), st.randoms())
def test_any_answers_are_compared_the_same_in_any_order(texts, random):
    equivalence = plain(judge=FakeJudge(0.6))
    found, moved = equivalence.compare(texts), equivalence.compare(random.sample(texts, len(texts)))
    assert (found.forms, found.answers, found.warnings) == (moved.forms, moved.answers, moved.warnings)
    for name in ("same", "must", "cannot", "compared"):
        matrix = getattr(found, name)
        np.testing.assert_array_equal(matrix, getattr(moved, name))
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
        assert matrix.shape == (len(found.forms),) * 2
    assert (found.same[found.must] == 1).all()
    assert (found.same[found.cannot] == 0).all()
    assert not (found.must & found.cannot).any()
    assert found.compared[found.must | found.cannot].all()
    assert (found.same[~found.compared] == NOT_COMPARED).all()
    assert (UNCOMPARED in found.warnings) == (not found.compared.all())
    assert (np.diag(found.same) == 1).all()
    assert len(found.places) == len(texts)
    for text, place in zip(texts, found.places, strict=True):
        assert found.answers[place].form == found.forms[place]
        assert equivalence.same(text, found.answers[place].text) == 1


def test_no_answers():
    for equivalence in (plain(), Equivalence(None), plain(judge=FakeJudge())):
        found = equivalence.compare([])
        assert (found.forms, found.places, found.warnings) == ((), (), ())
        assert found.same.shape == (0, 0)


def test_the_most_frequent_spelling_stands_for_a_form():
    assert [a.text for a in plain().compare(["paris", "Paris.", "Paris.", "**Paris**"]).answers] == ["Paris."]
    assert [a.text for a in plain().compare(["paris", "**Paris**"]).answers] == ["**Paris**"]


def test_rules_can_be_left_out():
    for a, b, same in [("5 km", "5000 m", 1.0), ("Paris", "not Paris", 0.0), ("", "I don't know", 0.0)]:
        assert plain().same(a, b) == same
        assert 0 < plain(guards=()).same(a, b) < 1
    found = plain(guards=()).compare(["5 km", "5000 m", "no", "yes", "", "unknown"])
    assert not found.must.any()
    assert not found.cannot.any()


def test_embeddings_can_be_left_out():
    embedder = FakeEmbedder()
    assert Equivalence(embedder).same(*DOUBTFUL_PAIR) != Equivalence(None).same(*DOUBTFUL_PAIR)
    assert Equivalence(None).compare(DOUBTFUL_PAIR).warnings == ()
    assert Equivalence(None).compare([*DOUBTFUL_PAIR, "東京"]).warnings == (UNCOMPARED,)


def test_a_judge_decides_a_doubtful_pair():
    alone = plain().same(*DOUBTFUL_PAIR)
    assert DOUBTFUL[0] < alone < DOUBTFUL[1]
    for verdict in (0.0, 0.25, 1.0):
        judge = FakeJudge(verdict)
        assert plain(judge=judge).same(*DOUBTFUL_PAIR, "Why?") == verdict
        assert judge.questions == ["Why?"]
        assert judge.pairs == [DOUBTFUL_PAIR]


@pytest.mark.parametrize(("verdict", "same"), [(0.0, UNSURE[0]), (0.6, 0.6), (1.0, UNSURE[1])])
def test_a_judge_decides_what_the_rules_doubt_but_never_for_certain(verdict, same):
    found = plain(judge=FakeJudge(verdict)).compare(["at least 5 km", "5 km"])
    assert found.same[0, 1] == found.same[1, 0] == same
    assert found.judged == 1
    assert not found.must.any()
    assert not found.cannot.any()


@pytest.mark.parametrize(
    ("a", "b"), [("5 km", "5000 m"), ("yes", "no"), ("", "unknown"), ("Paris", "paris"), ("giraffe", "zinc")]
)
def test_a_judge_is_not_asked_about_sure_pairs(a, b):
    judge = FakeJudge(0.5)
    assert plain(judge=judge).same(a, b) == plain().same(a, b)
    assert judge.pairs == []


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([*POOL, *(f"heavier {word}" for word in DOUBTFUL_WORDS)]), max_size=12))
def test_a_judge_is_asked_only_about_doubtful_pairs_without_a_rule(texts):
    judge = FakeJudge(0.5)
    before = plain(judge=FakeJudge(float("nan"))).compare(texts)
    after = plain(judge=judge).compare(texts)
    assert after.judged == len(judge.pairs) == len(set(judge.pairs)) <= MOST_JUDGED
    place = {answer.text: i for i, answer in enumerate(before.answers)}
    asked = {(place[a], place[b]) for a, b in judge.pairs}
    for i, j in itertools.combinations(range(len(before.forms)), 2):
        if (i, j) in asked:
            assert DOUBTFUL[0] < before.same[i, j] < DOUBTFUL[1]
            assert not before.must[i, j]
            assert not before.cannot[i, j]
        else:
            assert after.same[i, j] == before.same[i, j]


def test_a_judge_is_asked_about_the_most_doubtful_pairs_only():
    texts = [f"heavier {word}" for word in DOUBTFUL_WORDS]
    judge = FakeJudge(1.0)
    before, found = plain().compare(texts), plain(judge=judge).compare(texts)
    assert found.judged == len(judge.pairs) == MOST_JUDGED
    place = {answer.text: i for i, answer in enumerate(before.answers)}
    asked = {(place[a], place[b]) for a, b in judge.pairs}
    doubts = {pair: abs(before.same[pair] - 0.5) for pair in itertools.combinations(range(len(texts)), 2)}
    assert max(doubts[pair] for pair in asked) <= min(doubts[pair] for pair in doubts.keys() - asked)


def test_a_judge_that_cannot_tell_is_ignored():
    judge = FakeJudge(lambda a, b: float("nan") if "rain" in a + b else 1.0)
    texts = [*DOUBTFUL_PAIR, "heavier wind"]
    before, found = plain().compare(texts), plain(judge=judge).compare(texts)
    assert len(judge.pairs) == 3
    assert found.judged == 1
    place = {form: i for i, form in enumerate(found.forms)}
    rain, snow, wind = (place[text] for text in texts)
    assert found.same[rain, snow] == before.same[rain, snow]
    assert found.same[snow, wind] == found.same[wind, snow] == 1
    assert found.warnings == ()


def test_a_judge_that_fails_is_a_warning():
    found = plain(judge=FakeJudge(fails=True)).compare(DOUBTFUL_PAIR)
    np.testing.assert_array_equal(found.same, plain().compare(DOUBTFUL_PAIR).same)
    assert found.judged == 0
    assert len(found.warnings) == 1
    assert "too long" in found.warnings[0]


def test_an_embedder_that_fails_is_a_warning():
    texts = [*DOUBTFUL_PAIR, "5 km", "5000 m"]
    found = Equivalence(FakeEmbedder(fails=True)).compare(texts)
    np.testing.assert_array_equal(found.same, Equivalence(None).compare(texts).same)
    assert len(found.warnings) == 1
    assert "'fake'" in found.warnings[0]
    assert Equivalence(FakeEmbedder(fails=True)).same("東京", "東京です") == 1


def test_japanese_goes_by_rules_and_spelling_if_the_embedder_does_not_read_it():
    texts = ["東京", "東京です", "東京都", "京都", "東京都庁", "5キロ", "5km", "Tokyo", "Tokyo city"]
    found = plain().compare(texts)
    assert found.warnings == (UNCOMPARED,)
    place = dict(zip(texts, found.places, strict=True))
    japanese = [place[text] for text in texts[:6]]
    assert place["東京"] == place["東京です"]
    assert found.same[place["東京"], place["東京都"]] == 1
    assert found.same[place["5キロ"], place["5km"]] == 1
    decided = found.must | found.cannot | np.eye(len(found.forms), dtype=bool)
    assert (found.same[japanese][~decided[japanese]] == NOT_COMPARED).all()
    assert not found.compared[japanese][~decided[japanese]].any()
    assert found.compared[decided].all()
    assert 0 < found.same[place["Tokyo"], place["Tokyo city"]] < 1


def test_japanese_sentences_are_compared_by_letters_and_short_answers_are_not():
    sentences = ("昨日の夜に大雨が降ったので中止です", "昨夜に大雨が降ったので中止になった")
    assert 0.5 < plain().same(*sentences) < 1
    assert plain().same(*sentences) == Equivalence(FakeEmbedder(fails=True)).same(*sentences)
    assert plain().same("三菱商事", "三井商事") == NOT_COMPARED
    assert plain().same("三菱商事", sentences[0]) == NOT_COMPARED
    assert plain().same("heavier rain and wind", sentences[0]) == NOT_COMPARED


def test_an_embedder_that_reads_japanese_is_used_for_it():
    pair = ("雨が降っている", "大雨が降っている")  # too short to be compared by letters alone
    equivalence = Equivalence(FakeEmbedder(reads_japanese=True))
    assert equivalence.compare(pair).warnings == ()
    assert equivalence.same(*pair) > 0.5
    assert plain().same(*pair) == NOT_COMPARED
    assert plain().explain(*pair).startswith("not compared")


def test_a_judge_is_asked_about_pairs_that_nobody_reads():
    judge = FakeJudge(0.9)
    found = plain(judge=judge).compare(["三菱商事", "三井商事"])
    assert (len(judge.pairs), found.same[0, 1], found.warnings) == (1, 0.9, ())
    assert found.compared.all()
    silent = plain(judge=FakeJudge(float("nan"))).compare(["三菱商事", "三井商事"])
    assert (silent.same[0, 1], silent.warnings) == (NOT_COMPARED, (UNCOMPARED,))


def test_no_japanese_no_warning():
    assert plain().compare(["Paris", "שלום", "👍", "서울"]).warnings == ()


def test_without_letters_and_without_embedder_nothing_is_known():
    assert Equivalence(None).same("👍", "👎") == NOT_COMPARED
    assert Equivalence(None).same("שלום", "מרחבא") < NOT_COMPARED


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        ("5 km", "5000 m", "the same amount or date"),
        ("1995", "1996", "other dates or times"),
        ("yes", "no", "one says yes, one no"),
        ("", "Paris", "one is empty"),
        ("Paris", "paris", "the same words"),
    ],
)
def test_the_rule_that_decides_is_named(a, b, reason):
    embedder = FakeEmbedder()
    assert Equivalence(embedder).explain(a, b) == reason
    assert embedder.asked == []
    assert Equivalence(embedder, guards=()).explain(a, b).startswith("P(same) ")


def test_without_a_rule_the_probability_is_named():
    equivalence = plain()
    assert equivalence.explain(*DOUBTFUL_PAIR) == f"P(same) {equivalence.same(*DOUBTFUL_PAIR):.2f} by wording"


def test_words_of_the_question_are_no_part_of_an_answer():
    question = "How do cells make energy?"
    pair = ("mitochondria make energy", "mitochondria")
    assert plain().same(*pair, question) == 1
    assert plain().same(*pair) < 1
    assert plain().explain(*pair, question) == "the same beside words of the question"


def test_embedders_are_given_by_name_or_as_they_are():
    assert Equivalence().embedder.name == DEFAULT_EMBEDDER
    assert Equivalence("some/model").embedder.name == "some/model"
    assert Equivalence(None).embedder is None
    own = SentenceEmbedder("own")
    assert Equivalence(own).embedder is own


def test_nothing_is_loaded_before_first_use(monkeypatch):
    loaded = []

    class Transformer:
        def __init__(self, name, device=None):
            loaded.append(name)
            raise OSError("not there")

    install(monkeypatch, SentenceTransformer=Transformer)
    equivalence = Equivalence("some/model")
    equivalence.explain("1995", "1996")
    equivalence.compare([])
    assert loaded == []
    assert "some/model" in equivalence.compare(["a", "b"]).warnings[0]
    assert loaded == ["some/model"]


def test_threads_share_one_equivalence():
    equivalence = plain(judge=FakeJudge(0.6))
    texts = [text for text in POOL if len(text) < 1000]
    alone = plain(judge=FakeJudge(0.6)).compare(texts).same
    found, errors = [], []

    def work():
        try:
            found.append(equivalence.compare(texts).same)
        except Exception as error:  # a thread's error is seen only here
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(found) == 6
    for same in found:
        np.testing.assert_array_equal(same, alone)
