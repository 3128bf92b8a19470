"""Every grader on right, wrong and broken answers, in English and Japanese."""

import math
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermolang.answers import grading
from thermolang.answers.equivalence import Equivalence
from thermolang.answers.grading import (
    GRADERS,
    MOST_LOG_ODDS,
    alias_match,
    amount_match,
    combined,
    equivalent,
    evidence,
    exact_match,
    is_right,
    token_f1,
)
from thermolang.answers.rules import spelling
from thermolang.answers.rules.tables import read_table

RULES = equivalent(Equivalence(None))
ALL = [*GRADERS.items(), ("equivalent", RULES)]
TEXTS = st.one_of(
    st.text(max_size=40),
    st.text("0123456789.,-/ kmth年月日三十百円not and", max_size=30),
    st.sampled_from(
        ["Paris", "5 km", "4 July 1976", "in 1995", "東京", "三千万円", "two", "👍", "\ud800", "50%", "6:30 pm"]
    ),
)


@pytest.fixture
def no_tokenizer(monkeypatch):
    monkeypatch.setitem(sys.modules, "sudachipy", None)
    spelling._tokenizer.cache_clear()
    yield
    spelling._tokenizer.cache_clear()


def test_graders_are_named_and_fixed():
    assert list(GRADERS) == ["exact_match", "token_f1", "alias_match", "amount_match", "combined"]
    assert all(name == grader.__name__ for name, grader in GRADERS.items())
    with pytest.raises(TypeError):
        GRADERS["other"] = exact_match


@pytest.mark.parametrize(
    ("answer", "answers", "score"),
    [
        ("The  Beatles!", ["beatles"], 1),
        ("ＰＡＲＩＳ", ["Rome", "paris"], 1),  # noqa: RUF001
        ("It is Paris", ["Paris"], 0),
        ("東京。", ["東京"], 1),
        ("?!", ["..."], 0),
        ("Paris", [""], 0),
    ],
)
def test_exact_match(answer, answers, score):
    assert exact_match(answer, answers) == score


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        ("It is Paris.", ["Paris"]),
        ("It is not Paris.", ["Paris"]),
        ("12", ["12.0"]),
        ("", ["Paris"]),
        ("東京です", ["東京"]),
    ],
)
def test_alias_match_is_is_right(answer, answers):
    assert alias_match(answer, answers) == is_right(answer, answers)


@pytest.mark.parametrize(
    ("answer", "answers", "score"),
    [
        ("Paris", ["Paris"], 1),
        ("Paris", ["Rome"], 0),
        ("The capital is Paris", ["Paris"], 0.5),
        ("x b b", ["b b b"], 2 / 3),
        ("red green", ["blue", "green", "green red"], 1),
        ("?!", ["?!"], 0),
        ("Paris", [], 0),
    ],
)
def test_token_f1(answer, answers, score):
    assert token_f1(answer, answers) == pytest.approx(score)


@pytest.mark.usefixtures("no_tokenizer")
def test_japanese_token_f1_counts_characters_without_a_tokenizer():
    assert token_f1("東京都", ["東京"]) == pytest.approx(0.8)
    assert token_f1("東京tower 5", ["東京 tower 5"]) == 1
    assert token_f1("北京大学", ["清華大学"]) == 0.5


def test_japanese_token_f1_counts_words_with_a_tokenizer():
    pytest.importorskip("sudachipy")
    pytest.importorskip("sudachidict_core")
    assert token_f1("東京都", ["東京"]) == pytest.approx(2 / 3)
    assert token_f1("日本の首都は東京", ["東京"]) == pytest.approx(2 / 6)
    assert token_f1("東京" * 40_000, ["東京" * 40_000]) == 1  # more than one call of SudachiPy may have


def test_a_broken_tokenizer_is_none(monkeypatch, no_tokenizer):
    class Broken:
        def Dictionary(self, dict):  # noqa: A002
            raise RuntimeError(dict)

    monkeypatch.setitem(sys.modules, "sudachipy", Broken())
    assert token_f1("東京都", ["東京"]) == pytest.approx(0.8)


def test_threads_share_the_tokenizer():
    texts = [f"東京都と大阪府に行った人が{i}人いる" for i in range(64)]
    alone = [token_f1(text, ["大阪府"]) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: token_f1(text, ["大阪府"]), texts)) == alone


@pytest.mark.parametrize(
    ("answer", "alias"),
    [
        ("12", "twelve"),
        ("There are twelve.", "12"),
        ("5,000 metres", "5 km"),
        ("It is about 5 km long.", "5000 m"),
        ("68 °F", "20 °C"),
        ("三千万円です", "30 million yen"),
        ("5キロメートル", "5 km"),
        ("十二", "12"),
        ("50 %", "half"),
        ("12 in 1945", "12"),
        ("5 km, which takes 20 minutes", "5 km"),
        ("5 km (3.1 miles)", "5 km"),
        ("won 3-1", "3-1"),
        ("between 5 and 10 km", "5-10 km"),
        ("None.", "0"),
        ("the third", "3"),
        ("in 1995", "1995"),
        ("It was 1995", "in 1995"),
        ("4 July 1976", "July 4th, 1976"),
        ("It was on 4 July 1976 in Philadelphia.", "1976"),
        ("July 4", "4 July"),
        ("Sunday, 4 July 1976", "Sunday"),
        ("平成7年3月2日", "2 March 1995"),
        ("half past six in the evening", "18:30"),
        ("6:30 pm", "half past six"),
        ("the 1990s", "in the 1990s"),
        ("two thousand", "2000"),
    ],
)
def test_the_same_amount_or_date(answer, alias):
    assert amount_match(answer, [alias]) == 1
    assert amount_match(answer, ["Paris", "", alias]) == 1
    assert combined(answer, [alias]) > 0.5


@pytest.mark.parametrize(
    ("answer", "alias"),
    [
        ("13", "12"),
        ("5 miles", "5 km"),
        ("5 dollars", "5 euros"),
        ("12 or 13", "12"),
        ("12, 13", "12"),
        ("not 12", "12"),
        ("It is not 12.", "12"),
        ("more than 5 km", "5 km"),
        ("12 or more", "12"),
        ("5人以上", "5人"),
        ("5人ではない", "5人"),
        ("1-3", "3-1"),
        ("before 1995", "1995"),
        ("1945 or 1946", "1945"),
        ("March 1995", "April 1995"),
        ("1995", "March 1995"),
        ("6:30", "18:30"),
        ("4 July 1976 or 5 July 1976", "4 July 1976"),
        ("1 May and 2 June", "1 May"),
        ("Paris", "12"),
        ("Route 66", "Route 66"),
        ("12 apostles", "the twelve apostles"),
        ("I don't know", "0"),
        ("5 km", "5 km on Sunday"),
    ],
)
def test_another_amount_or_none(answer, alias):
    assert amount_match(answer, [alias]) == 0


def test_an_amount_of_the_question_contradicts_nothing():
    assert amount_match("3 of the 12 apostles", ["3"]) == 0
    assert amount_match("3 of the 12 apostles", ["3"], "How many of the 12 apostles were fishermen?") == 1
    asked = "What happened first, 1 May 1945 or 2 June 1946?"
    assert amount_match("1 May 1945, before 2 June 1946", ["1 May 1945"]) == 0
    assert amount_match("1 May 1945, before 2 June 1946", ["1 May 1945"], asked) == 1


def test_a_long_answer_may_have_other_amounts():
    text = "The tower has 12 floors. " + "Visitors from Norway admire wonderful paintings, statues and gardens. " * 6
    assert amount_match(text + "It was opened to 300 guests.", ["12"]) == 1
    assert amount_match(text + "It was opened to 300 guests.", ["13"]) == 0


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        ("Paris", ["Paris"]),
        ("It is Paris", ["Paris"]),
        ("The capital of France, a country of Europe, is the beautiful city of Paris.", ["Paris"]),
        ("5,000 m", ["5 km"]),
        ("the physician", ["doctor", "medical doctor"]),
        ("首都は東京です。", ["東京"]),
    ],
)
def test_combined_calls_right(answer, answers):
    assert combined(answer, answers, "") > 0.5


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        ("Rome", ["Paris", "5 km"]),
        ("I don't know", ["Paris"]),
        ("It is not Paris but Rome.", ["Paris"]),
        ("6 km", ["5 km"]),
        ("In 1996, after a long debate that had begun in 1990, the parliament agreed.", ["1995"]),
        ("大阪です。", ["東京"]),
    ],
)
def test_combined_calls_wrong(answer, answers):
    assert combined(answer, answers, "") < 0.5


def test_equivalent_takes_the_best_alias():
    assert RULES("5,000 m", ["Paris", "5 km"], "How far?") > 0.5
    assert RULES("Rome", ["Paris"], "") < 0.5
    assert RULES("", [""], "") == RULES("Rome", [], "") == RULES("Rome", ["", " "], "") == 0


def test_equivalent_hands_on_the_question_and_asks_once_for_each_alias():
    asked = []

    class Listening(Equivalence):
        def compare(self, answers, question=""):
            asked.append((*answers, question))
            return super().compare(answers, question)

    assert equivalent(Listening(None))("5 km", ["Rome", "Rome", "5,000 m", "6 km"], "How far?") > 0.5
    assert asked == [("5 km", "Rome", "How far?"), ("5 km", "5,000 m", "How far?"), ("5 km", "6 km", "How far?")]


def test_a_long_answer_needs_less_likeness_if_it_says_the_accepted_answer():
    long = "It was written by a man named Samuel Clemens, who lived in Hartford and is better known as Mark Twain."
    assert RULES(long, ["Mark Twain"], "") > RULES(long, ["Bret Harte"], "")
    assert RULES(long, ["Mark Twain"], "") > 0.5


def test_evidence_is_named_and_finite():
    found = evidence("It is about 5 km.", ["5,000 m"], "How far?", Equivalence(None))
    assert found["amount"] == 1
    assert found["other amount"] == found["refusal"] == 0
    assert evidence("6 km", ["5 km"], "", Equivalence(None))["other amount"] == 1
    assert evidence("Paris or Rome", ["Paris"], "", Equivalence(None))["contained"] == 1
    assert evidence("not Paris", ["Paris"], "", Equivalence(None)) == {}
    assert evidence("I don't know", ["Paris"], "", Equivalence(None))["refusal"] == 1
    assert abs(evidence("Paris", ["paris"], "", Equivalence(None))["meaning"]) == pytest.approx(MOST_LOG_ODDS)
    assert set(found) >= {name for table in read_table("grading_weights").values() for name in table} - {"constant"}
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize(("name", "grader"), ALL)
@pytest.mark.parametrize("answer", ["", " ", "\n", "👍", "\ud800", "?!"])
@pytest.mark.parametrize("answers", [[], [""], ["Paris"], ["12", ""], ["1995"], ["東京"]])
def test_nothing_said_or_nothing_accepted(name, grader, answer, answers):
    score = grader(answer, answers, "Where?")
    assert score == 0 or (name in ("combined", "equivalent") and answer.strip() and score < 0.5)


@pytest.mark.parametrize(("_name", "grader"), ALL)
@pytest.mark.parametrize(
    "text", ["a" * 20_000, "9" * 20_000, "word " * 4_000, "12 " * 6_000, "1995, " * 3_000, "東京" * 10_000]
)
def test_long_texts(_name, grader, text):
    assert 0 <= grader(text, ["Paris", "13", "1996"], text) < 0.5
    assert 0 <= grader("Paris", [text], "") < 0.5


@settings(deadline=None, max_examples=150)
@given(TEXTS, st.lists(TEXTS, max_size=3), TEXTS)
def test_any_text_gives_a_score(answer, answers, question):
    for name, grader in ALL:
        score = grader(answer, answers, question)
        assert isinstance(score, float)
        assert 0 <= score <= 1
        assert score == grader(answer, [*answers, *answers], question), name


@settings(deadline=None, max_examples=100)
@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_one_more_alias_takes_no_score_away(answer, answers):
    for name in ("exact_match", "token_f1", "amount_match"):
        assert GRADERS[name](answer, answers, "") >= GRADERS[name](answer, answers[1:], "")


@given(st.integers(0, 10_000_000), st.sampled_from(["", " km", " people", " yen"]))
def test_an_amount_matches_itself_only(value, unit):
    assert amount_match(f"It is {value:,}{unit}.", [f"{value}{unit}"]) == 1
    assert amount_match(f"{2 * value + 1}{unit}", [f"{value}{unit}"]) == 0


def test_f1_counts_a_word_as_often_as_both_have_it():
    assert grading._f1(Counter("aab"), Counter("abb")) == pytest.approx(2 / 3)
    assert grading._f1(Counter(), Counter()) == 0
