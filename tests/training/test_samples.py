"""Sampled answers on disk: once each, the same whatever was there before."""

import pytest

from thermolang.errors import TaskFormatError
from thermolang.training.samples import collect_samples, load_samples
from thermolang.types import Example, Task

TASK = Task("free", tuple(Example(f"What is {i}?", answers=("Paris",)) for i in range(6)))


def test_samples_are_kept_and_drawn_once(tiny_model, tmp_path, monkeypatch):
    seen = []
    found = collect_samples(tiny_model, TASK, tmp_path, n=3, progress=lambda *p: seen.append(p))
    assert [s.question for s in found] == [e.question for e in TASK.examples]
    assert all(len(s.texts) == len(s.logprobs) == len(s.tokens) == 3 for s in found)
    assert all(n >= 1 for s in found for n in s.tokens)
    assert all(x < 0 for s in found for x in s.logprobs)
    assert seen[-1] == ("free", 6, 6)
    assert load_samples(tmp_path, "tiny", n=3) == {s.key: s for s in found}
    monkeypatch.setattr(type(tiny_model), "generate_batch", lambda *a, **k: pytest.fail("sampled again"))
    assert collect_samples(tiny_model, TASK, tmp_path, n=3) == found


def test_a_run_that_was_cut_ends_with_the_same_samples(tiny_model, tmp_path):
    whole = collect_samples(tiny_model, TASK, tmp_path / "whole", n=2)
    collect_samples(tiny_model, Task("free", TASK.examples[2:4]), tmp_path / "cut", n=2)
    assert [s.texts for s in collect_samples(tiny_model, TASK, tmp_path / "cut", n=2)] == [s.texts for s in whole]


def test_multiple_choice_has_no_samples(tiny_model, tmp_path):
    task = Task("choices", (Example("Which?", choices=("a", "b"), label=0),))
    with pytest.raises(TaskFormatError, match="multiple choice"):
        collect_samples(tiny_model, task, tmp_path)


def test_nothing_is_found_where_nothing_was_kept(tmp_path):
    assert load_samples(tmp_path, "tiny") == {}
