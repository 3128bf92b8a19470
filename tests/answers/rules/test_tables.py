"""The word tables can be read, and say what is wrong with them."""

import re
from importlib import resources

import pytest

from thermolang.answers.rules.tables import by_word, pattern, phrase_list, read_table, replacements, word_set

FILES = sorted(resources.files("thermolang.answers.rules").joinpath("data").iterdir(), key=lambda file: file.name)
NAMES = [file.name.removesuffix(".toml") for file in FILES]


def texts(table):
    """All texts and numbers of a table, however deep."""
    if isinstance(table, str | float):
        yield table
    elif isinstance(table, dict | list):
        for entry in table.values() if isinstance(table, dict) else table:
            yield from texts(entry)


def test_there_is_a_table_for_each_kind_of_rule():
    rules = """
        antonyms conditions currencies dates digits grading grading_weights guards identifiers japanese names negation
        numerals qualifiers quantities replies sentences spelling variants vocabulary
    """
    assert rules.split() == NAMES


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_a_table_says_what_it_is_and_is_tidy(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert [line for line in lines if line != line.rstrip()] == []
    assert max(map(len, lines)) <= 130


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_read_once(name):
    assert read_table(name) is read_table(name)
    assert list(texts(read_table(name)))


@pytest.mark.parametrize("group", read_table("names")["nicknames"])
def test_nicknames_are_words(group):
    assert len(word_set(group)) > 1


@pytest.mark.parametrize(
    "pairs", [*read_table("antonyms")["english"].values(), read_table("antonyms")["japanese"]["opposites"]]
)
def test_opposites_are_pairs_without_doubles(pairs):
    found = [frozenset(pair.split()) for pair in phrase_list(pairs)]
    assert all(len(pair) == 2 for pair in found)
    assert len(set(found)) == len(found)


def test_a_pattern_may_be_broken_into_lines_and_name_its_parts():
    assert pattern("\n  a{two}\n  |b\n", {"two": "{three}", "three": ["c", "d"]}) == "ac|d|b"
    assert pattern(r"\d{1,3}") == r"\d{1,3}"


def test_a_part_that_is_missing_is_named():
    with pytest.raises(KeyError, match="colour"):
        pattern("a {colour} car")


def test_a_table_turned_around():
    assert by_word({"rise": "rose risen", "go": ""}) == {"rose": "rise", "risen": "rise"}


def test_replacements_are_tried_in_order():
    text = "ab"
    for found, instead in replacements([["A", "b"], ["b+", "c"]], re.IGNORECASE):
        text = found.sub(instead, text)
    assert text == "c"
