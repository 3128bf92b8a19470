"""Grading anew from what was kept: labels change, nothing else does, and old files are left as they are."""

import json
from dataclasses import replace

import numpy as np
import pytest

from thermolang.answers.grading import exact_match
from thermolang.training.features import collect
from thermolang.training.labels import Regraded, label, regrade
from thermolang.training.store import load, read_chunks, rows_of, write_chunk
from thermolang.types import Example, Task

FREE = Task("free", tuple(Example(f"What is {i}?", answers=("Paris", f"日本 {i}")) for i in range(6)))
CHOICES = Task("choices", tuple(Example(f"Which {i}?", choices=("x", "y"), label=i % 2) for i in range(4)))


def contains(answer, answers, question=""):
    return float("2" in question)


@pytest.fixture
def folder(tiny_model, tmp_path):
    for task in (FREE, CHOICES):
        collect(tiny_model, task, tmp_path)
    return tmp_path


def labels(folder):
    return load(folder, "tiny", kind="self_check")[0].labels


def without_gold(folder):
    """Files as they were written before gold answers were kept."""
    for home in folder.glob("tiny-*/chat/*"):
        for name, (tensors, texts) in read_chunks(home).items():
            write_chunk(home, name, tensors, {key: texts[key] for key in ("keys", "answers", "texts")})


def test_a_label_is_the_place_of_yes_or_no():
    assert label("It is Paris.", ["Paris"], "Where?") == 0
    assert label("It is Rome.", ["Paris"], "Where?") == 1
    assert label("It is Paris.", ["Paris"], "Where?", grader=exact_match) == 1


def test_questions_and_gold_answers_are_kept_with_the_features(folder):
    rows = rows_of(folder, "tiny")
    kept = {(row.question, row.gold) for row in rows["free"].values()}
    assert kept == {(e.question, e.answers) for e in FREE.examples}
    assert {row.gold for row in rows["choices"].values()} == {()}


def test_labels_change_with_the_grader_and_nothing_else_does(folder):
    before = rows_of(folder, "tiny")
    assert labels(folder).tolist() == [1] * 6  # a model of random weights
    assert regrade(folder, "tiny") == Regraded(graded=6, changed=0, without_gold=0)
    assert regrade(folder, "tiny", grader=contains) == Regraded(graded=6, changed=1, without_gold=0)
    after = rows_of(folder, "tiny")
    assert {row.question for row in after["free"].values() if row.label == 0} == {"What is 2?"}
    for name in before:
        for key, row in after[name].items():
            old = before[name][key]
            np.testing.assert_array_equal(row.hidden, old.hidden)
            np.testing.assert_array_equal(row.logits, old.logits)
            assert (row.answer, row.gold, row.signals) == (old.answer, old.gold, old.signals)
    assert [row.label for row in after["choices"].values()] == [row.label for row in before["choices"].values()]
    assert sorted(labels(folder)) == [0, 1, 1, 1, 1, 1]


def test_older_files_are_read_as_before_and_keep_their_labels(folder, tiny_model):
    before = labels(folder)
    without_gold(folder)
    assert regrade(folder, "tiny", grader=contains) == Regraded(graded=0, changed=0, without_gold=6)
    np.testing.assert_array_equal(labels(folder), before)
    more = replace(FREE, examples=(*FREE.examples, Example("What is 12?", answers=("Paris",))))
    collect(tiny_model, more, folder)  # only the new one is read
    assert regrade(folder, "tiny", grader=contains) == Regraded(graded=1, changed=1, without_gold=6)


def test_foreign_files_and_other_models_are_left_alone(folder):
    (home,) = folder.glob("tiny-*/chat/free")
    write_chunk(home, "foreign", {"x": np.zeros(2)}, {"keys": ["a"]})
    (home / "torn.safetensors").write_bytes(b"no file")
    assert regrade(folder, "tiny").graded == 6
    assert regrade(folder, "other") == Regraded(0, 0, 0)
    assert json.loads((home / "task.json").read_text())["name"] == "free"
