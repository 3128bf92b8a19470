"""Levels for a model: each family is tried where it is neither sure to be easy nor sure to be hopeless."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermolang.tasks.starter import Family, families
from thermolang.training.difficulty import (
    EDGES,
    FEWEST_OUTER,
    OUTER,
    PROBES,
    Tried,
    histogram,
    spread,
    starter_levels,
    tried,
    with_most_levels,
)
from thermolang.types import Example


def family(name, level, facts=""):
    items = tuple(Example(f"{name} {level} {i}?", ("x",)) for i in range(40))
    return Family(f"{name}-{level}", name, "train", "free_form", facts or name, level, items)


def ladder(name, levels=5):
    return [family(name, level) for level in range(1, levels + 1)]


def test_an_able_model_is_asked_harder_questions_and_another_easier_ones():
    asked = []

    def probe(tasks):
        asked.append([t.name for t in tasks])
        assert all(len(t.examples) == PROBES for t in tasks)
        return [9 if t.name.startswith("good") else 1 for t in tasks]

    found = tried([*ladder("good"), *ladder("bad"), *ladder("only", 1)], probe)
    assert asked == [["good-3", "bad-3", "only-1"], ["good-4", "bad-2"], ["good-5", "bad-1"]]
    assert [t.family.task for t in found] == [name for names in asked for name in names]


def test_where_the_line_is_crossed_no_more_is_tried():
    asked = []

    def probe(tasks):
        asked.append([t.name for t in tasks])
        return [9 if int(t.name[-1]) < 3 else 1 for t in tasks]

    tried(ladder("f"), probe)
    assert asked == [["f-3"], ["f-2"]]


LEVELS = st.lists(st.tuples(st.integers(0, 10), st.integers(0, 9)), max_size=120)


@given(LEVELS)
def test_what_is_kept_is_spread(numbers):
    levels = [Tried(family(f"f{i}", 1, f"facts {g}"), right, 10) for i, (right, g) in enumerate(numbers)]
    kept = spread(levels)
    assert [t for t in levels if t in kept] == kept  # in their order, each once
    bins = Counter(t.bin for t in kept)
    between = [t for t in levels if 0 < t.bin < len(EDGES)]
    assert all(t in kept for t in between)
    for outer in (0, len(EDGES)):
        there = sum(t.bin == outer for t in levels)
        assert bins[outer] >= min(there, FEWEST_OUTER)
        assert bins[outer] <= max(FEWEST_OUTER, OUTER * (len(between) / (1 - 2 * OUTER)) + 1)


def test_of_the_hopeless_ones_new_facts_come_first():
    middle = [Tried(family("m", 1, "known"), 5, 10)]
    hopeless = [Tried(family(f"h{i}", 1, "known" if i < 20 else f"new {i}"), 0, 10) for i in range(25)]
    kept = {t.family.facts for t in spread([*middle, *hopeless])}
    assert {f"new {i}" for i in range(20, 25)} <= kept


def test_a_histogram_counts_every_level():
    levels = [Tried(family("f", 1), right, 10) for right in (0, 1, 1, 5, 10)]
    assert histogram(levels) == {
        "below 5 %": 1,
        "5 to 20 %": 2,
        "20 to 40 %": 0,
        "40 to 60 %": 1,
        "60 to 80 %": 0,
        "80 to 95 %": 0,
        "95 % and more": 1,
    }


def test_of_each_group_the_family_with_the_most_levels_is_tried():
    plain = [*ladder("few", 2), *ladder("many", 4)]
    told = [replace(f, items=tuple(replace(e, context="p") for e in f.items)) for f in ladder("told", 3)]
    same = [replace(f, facts="facts") for f in plain]
    about = [replace(f, facts="villages") for f in [*told, *ladder("unknown", 1), *ladder("lacking", 2)]]
    kept = with_most_levels([*same, *about])
    assert list(dict.fromkeys(f.name for f in kept)) == ["many", "told", "lacking"]
    assert [f.level for f in kept if f.name == "many"] == [1, 2, 3, 4]


def test_the_real_questions_are_tried_once(tiny_model, tmp_path, monkeypatch):
    some = {name: f for name, f in families().items() if f.facts in ("sums", "parity", "weekdays")}
    monkeypatch.setattr("thermolang.training.difficulty.families", lambda: some)
    read, generate = [], type(tiny_model).generate_batch

    def counting(model, conversations, *args, **how):
        read.append(len(conversations))
        return generate(model, conversations, *args, **how)

    monkeypatch.setattr(type(tiny_model), "generate_batch", counting)
    found = starter_levels(tiny_model, tmp_path, split="train", report=lambda _at: None)
    assert {t.family.facts for t in found} == {"sums", "parity", "weekdays"}
    assert sum(read) > 0 and all(t.task(20).examples[:PROBES] == t.family.items[:PROBES] for t in found)
    read.clear()
    assert starter_levels(tiny_model, tmp_path, split="train", report=lambda _at: None) == found
    assert not read


def test_there_are_enough_groups():
    free = [f for f in families().values() if f.kind == "free_form"]
    assert len({f.facts for f in free}) >= 40
    assert all(len(f.items) >= PROBES for f in free)
    with pytest.raises(ZeroDivisionError):
        _ = Tried(free[0], 0, 0).bin
