"""Rules that decide pairs: they are sure or silent, and the order of a pair plays no part."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL
from thermolang.answers.rules.facts import facts
from thermolang.answers.rules.guards import GUARDS, apply_guards
from thermolang.answers.rules.spelling import normal_form


def link(a, b, question=""):
    return apply_guards(facts(a), facts(b), frozenset(normal_form(question).split()))


SPLIT = {
    "one says yes, one no": [
        ("yes", "no"),
        ("Yes, it is.", "No, it is not."),
        ("Yes", "No, never."),
        ("はい", "いいえ"),
        ("はい、そうです。", "いいえ、違います。"),
    ],
    "other identifiers": [
        ("2.4.1", "2.4.10"),
        ("AB-1234-X", "AB-1243-X"),
        ("hr@example.com", "it@example.com"),
        ("iPhone 15 Pro", "iPhone 15"),
        ("電話は03-1234-5678", "03-1234-5687"),
    ],
    "other entries of one vocabulary": [
        ("C", "C++"),
        ("C++", "C#"),
        ("United States", "United Kingdom"),
        ("CO2", "carbon monoxide"),
        ("CEO", "the chief financial officer"),
        ("韓国", "北朝鮮"),
    ],
    "other dates or times": [
        ("1995", "1996"),
        ("in March 1995", "April 1995"),
        ("1995", "March 1996"),
        ("4 July 1976", "5 July 1976"),
        ("7 am", "7 pm"),
        ("Monday", "Tuesday"),
        ("the 1980s", "1995"),
        ("before 1995", "after 1995"),
        ("1995年", "1996年"),
        ("平成7年", "平成8年"),
        ("月曜日", "火曜日"),
    ],
    "other amounts": [
        ("5", "6"),
        ("five", "six"),
        ("-5", "5"),
        ("5 km", "5 miles"),
        ("5 km", "5 kg"),
        ("$5", "5 euros"),
        ("5%", "6%"),
        ("1/2", "1/3"),
        ("3rd", "4th"),
        ("Henry VIII", "Henry VII"),
        ("about 5 million", "about 5 billion"),
        ("5人", "6人"),
        ("more than 5", "less than 5"),
        ("<5", ">5"),
        ("5人以上", "5人以下"),
        ("三千円", "三万円"),
        ("５キロメートル", "6キロメートル"),
    ],
    "one denies what the other says": [
        ("It is raining", "It is not raining"),
        ("He can swim", "He can't swim"),
        ("Paris", "not Paris"),
        ("雨が降っている", "雨が降っていない"),
        ("食べます", "食べません"),
    ],
    "opposite words": [
        ("hot", "cold"),
        ("It rises", "It falls"),
        ("the dog bit the man", "the man bit the dog"),
        ("possible", "impossible"),
        ("暑い", "寒い"),
    ],
    "names that share a word": [
        ("Mr. Smith", "Mrs. Smith"),
        ("Marie Curie", "Pierre Curie"),
        ("Vitamin C", "Vitamin D"),
        ("New York", "New Orleans"),
        ("DNA", "RNA"),
    ],
    "other Japanese names": [
        ("東京都港区", "東京都千代田区"),
        ("山本太郎", "山本次郎"),
        ("株式会社佐藤工業", "株式会社斎藤工業"),
    ],
    "lists with other items": [
        ("oxygen and nitrogen", "oxygen"),
        ("oxygen and nitrogen", "oxygen and helium"),
        ("red, blue and green", "red, blue and yellow"),
        ("red, green", "red, blue"),
        ("red", "red, green, blue"),
        ("酸素と窒素", "酸素とヘリウム"),
    ],
}

JOIN = {
    "the same identifier": [
        ("v2.4.1", "version 2.4.1"),
        ("AB-1234-X", "AB1234X"),
        ("+1 (555) 010-1234", "555-010-1234"),
        ("iPhone15", "the iPhone 15"),
    ],
    "names of one thing": [
        ("USA", "United States of America"),
        ("米国", "アメリカ"),
        ("CO2", "二酸化炭素"),
        ("the CFO", "chief financial officer"),
        ("HR department", "human resources"),
    ],
    "the same but for its spelling or order": [
        ("red and blue", "blue, red"),
        ("web-site", "website"),
    ],
    "both say yes, or both no": [
        ("yes", "Yes, it is."),
        ("Yes, of course.", "yes"),
        ("no", "No, it is not."),
        ("はい", "はい、そうです。"),
        ("いいえ", "いいえ、違います。"),
    ],
    "the same amount or date": [
        ("5 km", "5000 m"),
        ("five", "about 5"),
        ("2½ km", "2.5 km"),
        ("100 °C", "212 °F"),
        ("Apollo 11", "11"),
        ("2 moons", "two"),
        ("in 1995", "It was 1995."),
        ("4 July 1976", "1976-07-04"),
        ("7 pm", "19:00"),
        ("won 3-1", "3-1"),
        ("５キロメートル", "5000メートル"),
        ("平成7年3月2日", "1995年3月2日"),
    ],
    "the same statement": [
        ("it isn't raining", "It is not raining."),
        ("dog", "dogs"),
        ("食べない", "食べません"),
    ],
    "one name in two spellings": [
        ("Barack Obama", "B. Obama"),
        ("NASA", "N.A.S.A."),
        ("Acme Corp.", "Acme Corporation"),
        ("Queen Victoria", "Victoria"),
        ("大阪", "大阪市"),
        ("東京都", "東京"),
        ("広島県", "広島"),
    ],
    "one Japanese name": [
        ("田中製作所株式会社", "株式会社田中製作所"),
        ("髙橋さん", "高橋様"),
        ("新宿", "Shinjuku"),
    ],
    "synonyms": [
        ("エクセル", "Excel"),
        ("医者", "医師"),
    ],
}

SILENT = [
    ("Paris", "London"),
    ("Paris", "Paris, France"),
    ("Mars", "Mars, the red planet"),
    ("Springfield, Illinois", "Springfield, Illinois, USA"),
    ("a dog", "a cat"),
    ("France won", "Germany won"),
    ("O+", "O-"),
    ("A+", "A-"),
    ("Type A", "Type AB"),
    ("Louis X", "Louis XIV"),
    ("1995", "March 1995"),
    ("7", "7 pm"),
    ("heavy rain", "heavy snow"),
    ("University of York", "York University"),
    ("👍", "👎"),
    ("שלום", "مرحبا"),
    ("東京", "大阪"),
    ("大阪市", "大阪府"),
    ("京都", "東京都"),
    ("京", "京都"),
]

LIMITED = [
    ("5", "more than 5"),
    ("at least 5 km", "5 km"),
    ("before 1995", "1995"),
    ("10 years", "10 years ago"),
    ("3-1", "1-3"),
    ("5人", "5人以上"),
]


@pytest.mark.parametrize(("a", "b", "reason"), [(*pair, reason) for reason, pairs in SPLIT.items() for pair in pairs])
def test_pairs_that_rules_split(a, b, reason):
    found = link(a, b)
    assert found is not None
    assert (found.same, found.reason) == (False, reason)


@pytest.mark.parametrize(("a", "b", "reason"), [(*pair, reason) for reason, pairs in JOIN.items() for pair in pairs])
def test_pairs_that_rules_join(a, b, reason):
    found = link(a, b)
    assert found is not None
    assert found.same
    assert found.reason in {reason, "the same words", "the same but for its spelling or order"}


@pytest.mark.parametrize(("a", "b"), SILENT)
def test_pairs_of_which_nothing_is_sure(a, b):
    assert link(a, b) is None


@pytest.mark.parametrize(("a", "b"), LIMITED)
def test_a_qualifier_on_one_side_is_neither_sure_nor_likely(a, b):
    found = link(a, b)
    assert found.same is None
    assert found.limits[1] < 0.5
    assert found == link(b, a)


def test_every_rule_decides_some_pair_of_the_tables():
    assert list(SPLIT) == [guard.reason for guard in GUARDS if not guard.same]
    assert list(JOIN) == [guard.reason for guard in GUARDS if guard.same]
    for reason, pairs in JOIN.items():
        assert reason in {link(a, b).reason for a, b in pairs}


@pytest.mark.parametrize(
    ("a", "b", "same", "reason"),
    [
        ("", "  ", True, "both are empty"),
        ("I don't know", "わかりません", True, "both are refusal"),
        ("", "I don't know", False, "one is empty, one a refusal"),
        ("", "Paris", False, "one is empty"),
        ("Paris", "I don't know", False, "one is a refusal"),
        ("no", "I don't know", False, "one is a refusal"),
        ("Paris", "**Paris.**", True, "the same words"),
        ("red and blue", "blue, red", True, "the same but for its spelling or order"),
    ],
)
def test_kinds_and_spellings(a, b, same, reason):
    for found in (link(a, b), link(b, a)):
        assert (found.same, found.reason) == (same, reason)


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("How do cells make energy?", "mitochondria make energy", "mitochondria"),
        ("What is the capital of France?", "The capital of France is Paris.", "Paris"),
        ("Which ship sank in the Atlantic?", "the Titanic sank", "Titanic"),
    ],
)
def test_words_of_the_question_add_nothing(question, a, b):
    assert link(a, b, question).same
    assert link(b, a, question).same


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("Did France or Germany win the war?", "France won", "Germany won"),
        ("Who discovered it, Fleming or Pasteur?", "Fleming did", "Pasteur did"),
        ("Which is longer, the Nile or the Amazon?", "the Nile by far", "the Amazon by far"),
        ("Is it the cat or the dog?", "cat", "dog"),
        ("Does Anna help Ben, or Ben Anna?", "Anna gladly aids Ben", "Ben gladly aids Anna"),
        ("Does it rain?", "not often", "often"),
    ],
)
def test_words_of_the_question_that_are_the_answer_are_not_dropped(question, a, b):
    for found in (link(a, b, question), link(b, a, question)):
        assert found is None or not found.same


TEXTS = st.one_of(st.sampled_from(POOL), st.text(max_size=40), st.text("0123456789 -,.kmand", max_size=15))


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_the_order_of_any_pair_of_the_pool_plays_no_part(step):
    written = sorted(
        {*POOL, *(text for pairs in [*SPLIT.values(), *JOIN.values(), SILENT] for p in pairs for text in p)}
    )
    read = [facts(text) for text in written]
    for a, b in itertools.islice(itertools.combinations(read, 2), None, None, step):
        assert apply_guards(a, b) == apply_guards(b, a), (a.text[:50], b.text[:50])


@settings(deadline=None)
@given(TEXTS, TEXTS, st.frozensets(st.sampled_from(["paris", "smith", "5", "km", "heavy"])))
def test_the_order_of_any_two_texts_plays_no_part(a, b, question):
    assert apply_guards(facts(a), facts(b), question) == apply_guards(facts(b), facts(a), question)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_texts_of_one_form_are_the_same(a, b):
    assert apply_guards(facts(a), facts(a)).same
    if facts(a).form == facts(b).form:
        assert apply_guards(facts(a), facts(b)).same
    elif facts(a).kind != facts(b).kind:
        found = apply_guards(facts(a), facts(b))
        assert found is None or not found.same


@pytest.mark.parametrize("refusal", ["I don't know", "I cannot say who wrote it.", "わかりません"])
def test_that_nobody_knows_is_an_answer(refusal):
    found = link("Nobody knows.", refusal)
    assert (found.same, found.reason) == (False, "one is a refusal")
    assert link("Nobody knows.", "誰にもわかりません").same
    assert link("Nobody knows.", "No one knows for sure who wrote it.").same


def test_what_is_unknown_may_be_unknown_to_all():
    assert link("Nobody knows.", "The author is unknown.") is None
    assert link("誰にもわかりません", "作者は不明です") is None
