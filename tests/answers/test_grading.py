import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermolang.answers.grading import is_right
from thermolang.answers.rules.spelling import normalize

PLAIN_WORD = st.text("bcdfghjklmpqrstvwxz", min_size=3, max_size=8)
NUMBER = st.integers(-10_000_000, 10_000_000)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("  The  capital, of\tFrance! ", "capital of france"),
        ("Washington, D.C.", "washington dc"),
        ("don’t `Paris`", "dont paris"),  # noqa: RUF001
        ("ＰＡＲＩＳ", "paris"),  # noqa: RUF001
        ("Straße", "strasse"),
        ("3.5 twenty-one", "3.5 twenty one"),
        ("A", "a"),
        ("the letter A", "letter a"),
        ("ﾊﾟﾘ", "パリ"),
        ("?! …", ""),
    ],
)
def test_normalize(text, plain):
    assert normalize(text) == plain


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        ("Paris", ["Paris"]),
        ("The capital of France is Paris.", ["Paris"]),
        ("Paris, France", ["Paris"]),
        ("Paris, not London", ["Paris"]),
        ("Not London. It is Paris.", ["Paris"]),
        ("Sydney is the largest city, but the capital is Canberra.", ["Canberra"]),
        ("The capital is Paris and it is the largest city", ["Paris"]),
        ("London is large and Paris is the capital", ["Paris"]),
        ("It's Antigua and Barbuda.", ["Antigua and Barbuda"]),
        ("Washington, D.C., United States", ["Washington", "Washington, D.C."]),
        ("Germany or Austria", ["Germany", "Austria"]),
        ("Austria, Germany, and Italy", ["Austria", "Germany", "Italy"]),
        ("sn", ["Sn"]),
        ("The symbol of tin is Sn.", ["Sn"]),
        ("Sn (tin)", ["Sn"]),
        ("The letter A", ["a"]),
        ("No, it is not a prime.", ["no"]),
    ],
)
def test_right_phrases(answer, answers):
    assert is_right(answer, answers)


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        ("", ["Paris"]),
        (" \n", ["Paris"]),
        ("...", ["..."]),
        ("Paris", []),
        ("Parisian", ["Paris"]),
        ("It is not Paris", ["Paris"]),
        ("It isn't Paris", ["Paris"]),
        ("Paris isn't the capital", ["Paris"]),
        ("Canberra is not the capital; Sydney is.", ["Canberra"]),
        ("Paris or London", ["Paris"]),
        ("Paris and London", ["Paris"]),
        ("London and Paris", ["Paris"]),
        ("The cities are London and Paris.", ["Paris"]),
        ("London/Paris", ["Paris"]),
        ("Paris & London", ["Paris"]),
        ("Sydney, Melbourne, Canberra", ["Canberra"]),
        ("Paris, London, and Rome", ["Paris"]),
        ("He is an element.", ["He"]),
        ("A banana", ["a"]),
    ],
)
def test_wrong_phrases(answer, answers):
    assert not is_right(answer, answers)


@pytest.mark.parametrize(
    ("answer", "alias"),
    [
        ("1,200", "1200"),
        ("1200.0", "1,200"),
        ("7 + 12 = 19", "19"),
        ("It is -5.", "-5"),
        ("−5", "-5"),  # noqa: RUF001
        ("10-5", "5"),
        ("nineteen", "19"),
        ("There are twenty-one.", "21"),
        ("one hundred", "100"),
        ("May 19th", "19"),
        ("x=.5", "0.5"),
        ("１９", "19"),  # noqa: RUF001
        ("3, 7, 11, 15, 19", "19"),
        ("No. 19 is the right one", "19"),
    ],
)
def test_right_numbers(answer, alias):
    assert is_right(answer, [alias])


@pytest.mark.parametrize(
    ("answer", "alias"),
    [
        ("19 + 7 = 26", "19"),
        ("It is not 19", "19"),
        ("18 or 19", "19"),
        ("190", "19"),
        ("1,200", "200"),
        ("-19", "19"),
        ("H2O", "2"),
        ("many", "19"),
        ("twenty-one", "1"),
    ],
)
def test_wrong_numbers(answer, alias):
    assert not is_right(answer, [alias])


@pytest.mark.parametrize(
    ("answer", "alias", "right"),
    [
        ("答えはパリです。", "パリ", True),
        ("日本の首都は東京です", "東京", True),
        ("答えは19です", "19", True),
        ("Germanyです", "Germany", True),
        ("インドネシアです", "インド", False),
        ("中国人です", "中国", False),
        ("パリではありません", "パリ", False),
        ("パリまたはロンドン", "パリ", False),
        ("ロンドンまたはパリ", "パリ", False),
    ],
)
def test_japanese(answer, alias, right):
    assert is_right(answer, [alias]) is right


@given(st.text())
def test_normalize_settles(text):
    once = normalize(text)
    assert normalize(once) == once
    assert unicodedata.normalize("NFKC", once) == once


@given(st.text(), st.text())
def test_equal_after_normalising_is_right_and_nothing_crashes(answer, alias):
    if normalize(answer) == normalize(alias) != "" and not any(c.isdigit() for c in alias):
        assert is_right(answer, [alias])
    assert is_right(answer, [alias]) in (True, False)


@given(PLAIN_WORD, PLAIN_WORD)
def test_phrases_for_any_word(alias, other):
    assert is_right(f"I think that it is {alias.upper()}.", [alias])
    assert not is_right(f"It is not {alias}.", [alias])
    assert is_right(f"{other} or {alias}", [alias]) is (other == alias)
    assert is_right(f"It is {other}.", [alias]) is (other == alias)


@given(NUMBER, NUMBER)
def test_numbers_by_value(value, other):
    assert is_right(f"That makes {value:,}.0", [str(value)])
    assert is_right(f"{other} and then {value}", [str(value)])
    assert is_right(f"{value}; no: {other}", [str(value)]) is (value == other)


@given(st.lists(PLAIN_WORD, max_size=4), PLAIN_WORD)
def test_more_aliases_never_hurt_a_plain_answer(aliases, word):
    assert is_right(word, [*aliases, word])


NOT_TOLD = ["The passage does not say.", "unanswerable"]


@pytest.mark.parametrize("answer", ["The text does not mention it.", "Unknown", "I don't know.", "わかりません。"])
def test_where_all_accepted_answers_decline_any_refusal_is_right(answer):
    assert is_right(answer, NOT_TOLD)
    assert not is_right(answer, ["Paris"])
    assert not is_right(answer, [*NOT_TOLD, "Paris"])


def test_an_answer_is_wrong_where_all_accepted_answers_decline():
    assert not is_right("Paris", NOT_TOLD)
    assert not is_right("I'm not sure, but I think it is Paris.", NOT_TOLD)
    assert not is_right("", NOT_TOLD)
