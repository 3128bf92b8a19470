"""The long job: its tasks, its parts and its progress."""

import json

import pytest

from thermolang.errors import TaskFormatError
from thermolang.training.collect import collect_all, split, steps, tasks_to_collect
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
