"""The long job: its tasks, its parts and its progress."""

import json
from dataclasses import replace

import numpy as np
import pytest

from thermolang.errors import TaskFormatError
from thermolang.training import features
from thermolang.training.collect import TOGETHER, _together, collect_all, split, steps, tasks_to_collect
from thermolang.training.store import load
from thermolang.types import Example, Task


def write(folder, name, count, *, long=0, context=None):
    rows = [
        {
            "question": f"{name} {i}?" + "x" * (200 if i < long else 0),
            "answers": ["a"],
            "context": context(i) if context else "",
        }
        for i in range(count)
    ]
    path = folder / f"{name}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


def test_items_are_drawn_and_long_ones_left_out(tmp_path, caplog):
    sources = [write(tmp_path, "a", 20, long=5), write(tmp_path, "b", 20, long=19)]
    found = tasks_to_collect(sources, limit=10, max_characters=100)
    assert [(t.name, len(t.examples)) for t in found] == [("a", 10)]
    assert max(len(e.question) for e in found[0].examples) <= 100
    assert "left out b: only 1 items of at most 100 characters" in caplog.text


def test_parts_keep_passages_whole_and_are_one_group():
    examples = tuple(Example(f"q{i}", ("a",), context=f"passage {i // 3}") for i in range(60))
    parts = split(Task("squad", examples), 4)
    assert [p.name for p in parts] == ["squad.1", "squad.2", "squad.3", "squad.4"]
    assert {p.group for p in parts} == {"squad"}
    assert sorted(e.question for p in parts for e in p.examples) == sorted(e.question for e in examples)
    passages = [{e.context for e in p.examples} for p in parts]
    assert sum(map(len, passages)) == len(set.union(*passages)) == 20
    assert max(map(len, passages)) - min(map(len, passages)) <= 1
    assert split(Task("squad", examples[::-1]), 4)[0].examples != ()  # whatever the order, the same parts
    assert [sorted(e.question for e in p.examples) for p in split(Task("squad", examples[::-1]), 4)] == [
        sorted(e.question for e in p.examples) for p in parts
    ]


def test_two_tasks_of_one_name_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(TaskFormatError, match="two tasks are called"):
        tasks_to_collect([write(tmp_path, "a", 3), write(tmp_path / "other", "a", 3)])


def test_progress_is_that_of_the_whole_job(tiny_model, tmp_path):
    tasks = [Task(n, tuple(Example(f"{n}{i}", choices=("x", "y"), label=0) for i in range(5))) for n in ("a", "b")]
    seen = []
    collect_all(tiny_model, tasks, tmp_path, form="prefix", report=seen.append)
    assert [s.done for s in seen] == sorted(s.done for s in seen)
    assert (seen[-1].done, seen[-1].total, {s.task for s in seen}) == (10, 10, {"a", "b"})
    assert seen[-1].rate > 0 and seen[-1].seconds_left == 0
    assert seen[0].seconds_left is None
    assert [t.name for t in load(tmp_path, "tiny", form="prefix")] == ["a", "b"]
    again = []
    collect_all(tiny_model, tasks, tmp_path, form="prefix", report=again.append)
    assert {s.rate for s in again} == {0.0}  # nothing was read again


def test_features_come_in_the_order_of_the_tasks(tiny_model):
    tasks = [Task(n, tuple(Example(f"{n}{i}", choices=("x", "y"), label=0) for i in range(2))) for n in "fedcba"]
    found = collect_all(tiny_model, tasks, None, form="chat", report=lambda _: None)
    assert [features.name for features in found] == list("fedcba")


def test_steps_of_training_are_counted_for_each_training():
    seen = []
    progress = steps(seen.append)
    for what, total in (("one", 10), ("two", 4)):
        for done in (0, total // 2, total):
            progress(what, done, total)
    assert [(s.task, s.done, s.total) for s in seen] == [
        *(("one", done, 10) for done in (0, 5, 10)),
        *(("two", done, 4) for done in (0, 2, 4)),
    ]
    assert {s.unit for s in seen} == {"steps"}
    assert [s.seconds_left for s in seen][::3] == [None, None] and seen[-1].seconds_left == 0


def test_a_malformed_task_is_found_before_anything_is_read(tiny_model, tmp_path):
    good = Task("good", tuple(Example(f"{i}", choices=("x", "y"), label=0) for i in range(3)))
    with pytest.raises(TaskFormatError, match="task 'bad'"):
        collect_all(tiny_model, [good, Task("bad", (Example("?"),))], tmp_path, form="chat", report=lambda _: None)
    assert list(tmp_path.iterdir()) == []


SMALL = [
    Task(n, tuple(Example(f"{n}{i}?" + " and why?" * (i % 3), ("x",), context="One." * (i % 2)) for i in range(5)))
    for n in "abcd"
]


def test_small_tasks_share_batches_and_end_as_if_each_had_been_read_alone(tiny_model, tmp_path, monkeypatch):
    alone = [collect_all(tiny_model, [t], tmp_path / "alone", form="chat", report=lambda _: None)[0] for t in SMALL]
    calls, original = [], type(tiny_model).generate_batch
    monkeypatch.setattr(
        type(tiny_model), "generate_batch", lambda self, c, *a, **k: calls.append(len(c)) or original(self, c, *a, **k)
    )
    seen = []
    found = collect_all(tiny_model, SMALL, tmp_path, form="chat", report=seen.append)
    assert calls == [20]
    for one, other in zip(found, alone, strict=True):
        assert (one.name, one.texts) == (other.name, other.texts)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-3)
        np.testing.assert_allclose(one.hidden, other.hidden, atol=1e-2)
    assert [(s.done, s.total) for s in seen] == [(0, 20), (20, 20)]
    assert seen[-1].rate > 0
    # What is there is not read again, and of a task that grows only what is new.
    longer = [replace(t, examples=(*t.examples, Example(f"{t.name}, new?", ("x",)))) for t in SMALL]
    collect_all(tiny_model, longer, tmp_path, form="chat", report=seen.append)
    assert calls == [20, 4]
    collect_all(tiny_model, longer, tmp_path, form="chat", report=seen.append)
    assert calls == [20, 4]


def test_what_small_tasks_had_read_before_an_interruption_is_kept(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(features, "ROWS_AT_ONCE", 6)
    left, original = [2], type(tiny_model).generate_batch

    def interrupted(self, conversations, *args, **kwargs):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return original(self, conversations, *args, **kwargs)

    monkeypatch.setattr(type(tiny_model), "generate_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        collect_all(tiny_model, SMALL, tmp_path, form="chat", report=lambda _: None)
    left[0], seen = 99, []
    collect_all(tiny_model, SMALL, tmp_path, form="chat", report=seen.append)
    assert (seen[0].done, seen[-1].done) == (12, 20)
    assert left == [97]


def test_large_tasks_and_choices_are_read_alone(tiny_model):
    choice = Task("choice", (Example("q", choices=("x", "y"), label=0),) * 2)
    large = Task("large", tuple(Example(f"{i}?", ("x",)) for i in range(TOGETHER)))
    tasks = [SMALL[0], choice, SMALL[1], large, SMALL[2]]
    assert list(_together(tasks, [4, 3, 2, 1, 0])) == [[3], [1], [4, 2, 0]]
    half = replace(large, examples=large.examples[: TOGETHER // 2])
    assert list(_together([half] * 3, range(3))) == [[0, 1], [2]]
