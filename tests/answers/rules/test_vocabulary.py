"""Names of one thing in closed vocabularies: countries, languages, formulas, roles and departments."""

import itertools

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from tests.answers.fakes import POOL
from thermolang.answers.rules.tables import phrase_list, read_table
from thermolang.answers.rules.vocabulary import VOCABULARIES, meanings_of, other_entry, same_entry

SAME = [
    ("CO2", "carbon dioxide"),
    ("二酸化炭素", "CO2"),
    ("NaCl", "sodium chloride"),
    ("Au", "gold"),
    ("C#", "C sharp"),
    ("Golang", "Go"),
    ("USA", "the United States"),
    ("the U.S.", "米国"),
    ("アメリカ合衆国", "アメリカ"),
    ("Holland", "the Netherlands"),
    ("イギリス", "UK"),
    ("the CFO", "the chief financial officer"),
    ("HR department", "Human Resources"),
    ("人事部", "人事部門です"),
    ("the department of legal affairs", "Legal"),
]

OTHER = [
    ("carbon dioxide", "carbon monoxide"),
    ("C", "C++"),
    ("Java", "JavaScript"),
    ("Niger", "Nigeria"),
    ("オーストリア", "オーストラリア"),
    ("North Korea", "South Korea"),
    ("CEO", "CFO"),
    ("課長", "部長"),
    ("accounts payable", "accounts receivable"),
    ("Finance", "HR"),
]

SILENT = [
    ("Hong Kong", "China"),
    ("us", "the United States"),
    ("it", "information technology"),
    ("go", "Python"),
    ("no", "NO"),
    ("president", "CEO"),
    ("Paris", "France"),
    ("gold medal", "Au"),
    ("CO", "Colorado"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_names_of_one_thing(a, b):
    assert same_entry(a, b)
    assert not other_entry(a, b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_names_of_other_things(a, b):
    assert other_entry(a, b)
    assert not same_entry(a, b)


@pytest.mark.parametrize(("a", "b"), SILENT)
def test_nothing_is_said(a, b):
    assert not same_entry(a, b)
    assert not other_entry(a, b)


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_every_name_of_a_table_stands_for_its_entry_and_for_no_other(vocabulary):
    for entry, names in read_table("vocabulary")[vocabulary].items():
        for name in phrase_list(names):
            assert {e for v, e in meanings_of(name) if v == vocabulary} == {entry}, name


def test_every_country_of_cldr_is_one_country_in_english_and_japanese():
    english, japanese = (Locale(name).territories for name in ("en", "ja"))
    codes = [code for code in english if code.isalpha() and len(code) == 2 and code in japanese]
    assert len(codes) > 240
    for code in codes:
        assert ("countries", code) in meanings_of(english[code]) & meanings_of(japanese[code]), code


@given(st.one_of(st.sampled_from(POOL), st.text(max_size=70)), st.one_of(st.sampled_from(POOL), st.text(max_size=70)))
def test_the_order_plays_no_part_and_nothing_is_both(a, b):
    for decide in (same_entry, other_entry):
        assert decide(a, b) == decide(b, a)
    assert not (same_entry(a, b) and other_entry(a, b))


def test_entries_of_one_vocabulary_are_never_both_the_same_and_others():
    names = [
        name for table in VOCABULARIES for n in read_table("vocabulary")[table].values() for name in phrase_list(n)
    ]
    for a, b in itertools.combinations(names[::7], 2):
        assert not (same_entry(a, b) and other_entry(a, b)), (a, b)
