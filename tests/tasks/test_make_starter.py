"""The tool that makes the starter questions: it makes those that come with the package, and knows what is unfit."""

import json
import lzma

import pytest

from thermolang.types import Example
from tools import make_starter
from tools.starter.arithmetic import in_base, roman, spelled
from tools.starter.items import balanced, banded, distractors, free, told_apart
from tools.starter.japanese import in_kanji, romanised
from tools.starter.towns import _signed

MAKERS = make_starter.families()
FROZEN = [json.loads(line) for line in lzma.decompress(make_starter.FILE.read_bytes()).decode().splitlines()]
# All of them take half a minute; these are one of each module whose packages give the same in every version.
SLICE = [
    "multiplication",
    "weekday_of_date",
    "weekday_choice",
    "relative",
    "villages_lacking",
    "ja_shops_told",
    "morse",
]


@pytest.mark.parametrize("name", SLICE)
def test_the_frozen_file_is_what_the_tool_makes(name):
    made = [json.loads(json.dumps(row)) for row in make_starter.rows({name: MAKERS[name]})]
    assert made == [row for row in FROZEN if row["name"] == name]


def test_every_family_stands_in_the_file():
    assert [(row["name"], row["level"]) for row in FROZEN] == [
        (maker.name, level) for maker in MAKERS.values() for level in range(1, maker.levels + 1)
    ]
    assert all(
        (row["split"], row["kind"], row["facts"])
        == tuple(getattr(MAKERS[row["name"]], field) for field in ("split", "kind", "facts"))
        for row in FROZEN
    )


def test_the_file_is_small():
    assert make_starter.FILE.stat().st_size < 600_000


def test_what_gives_its_answer_away_or_cannot_be_graded_is_unfit():
    assert make_starter._is_fit(free("What is 10 - 4?", "6"), shows=False)
    assert not make_starter._is_fit(free("What is 10 - 5?", "5"), shows=False)
    assert make_starter._is_fit(free("Which is larger, 4 or 5?", "5"), shows=True)
    assert not make_starter._is_fit(free("What is nothing?"), shows=False)
    assert not make_starter._is_fit(free("What is a dot?", "."), shows=False)


def test_too_few_items_are_told(monkeypatch):
    monkeypatch.setattr(make_starter, "FEWEST", 61)
    with pytest.raises(SystemExit, match="multiplication has only 60 items at level 1"):
        list(make_starter.rows({"multiplication": MAKERS["multiplication"]}))


class Straight:
    def shuffle(self, items):
        pass

    def sample(self, items, count):
        return items[:count]


def test_names_within_names_are_told():
    assert told_apart([["Guinea"], ["Equatorial Guinea"], ["Niger"], ["Nigeria"]]) == [False, True, True, True]


def test_distractors_never_pass_for_the_right_option():
    pool = ["Guinea", "Equatorial Guinea", "Ghana", "Ghana", "Togo", "Benin"]
    assert distractors(Straight(), "Equatorial Guinea", pool) == ["Ghana", "Togo", "Benin"]


def test_balanced_and_banded():
    items = [Example(f"{i}?", ("yes" if i % 3 else "no",)) for i in range(9)]
    assert [item.answers[0] for item in balanced(items, Straight())].count("yes") == 3
    assert [len(banded(items[:8], level, 3)) for level in (1, 2, 3)] == [3, 2, 3]


def test_spelled():
    spelled_out = ["seven", "thirteen", "forty", "ninety-nine", "six hundred", "one hundred and one"]
    assert [spelled(n) for n in (7, 13, 40, 99, 600, 101)] == spelled_out
    assert spelled(2_001_030) == "two million one thousand and thirty"


def test_other_ways_to_write_numbers():
    assert [roman(n) for n in (4, 49, 1994)] == ["IV", "XLIX", "MCMXCIV"]
    assert (in_base(8, 7), in_base(342, 7)) == ("11", "666")
    assert [in_kanji(n) for n in (10, 342, 10_500, 120_000_000)] == ["十", "三百四十二", "一万五百", "一億二千万"]
    assert [_signed(h) for h in (5.5, -3.0)] == ["+5:30", "-3:00"]


def test_romanised_kana_is_told_without_long_vowels():
    assert [romanised(k) for k in ("オオサカ", "キョウト", "サッポロ", "ナンバ")] == [
        "osaka",
        "kyoto",
        "sapporo",
        "namba",
    ]
