"""Sampled answers beside collected features: signals in range, in the order of the items, and examples to show."""

import numpy as np
import pytest

from tests.training.test_features import FREE, Reader
from thermolang.answers.equivalence import Equivalence
from thermolang.calibration.semantic import ROUNDS
from thermolang.training.collect import collect_all
from thermolang.training.features import collect
from thermolang.training.samples import examples, sampled_task, with_samples
from thermolang.training.store import load
from thermolang.types import Example, Generation, Task

SAMPLES = 8


class Sampler(Reader):
    """Answers Paris to even questions when asked once; asked again, question i says Paris i times of eight."""

    def generate_batch(self, conversations, sampling, *, prefixes=(), seeds=None):
        if seeds is None:
            return super().generate_batch(conversations, sampling, prefixes=prefixes)
        number = [int(messages[-1]["content"].split()[-1].strip("?")) for messages in conversations]
        said = ["Paris" if k % SAMPLES < n else "Rome" for k, n in enumerate(number)]
        return [Generation(text, (1, 2), (-0.5, -0.5), "stop", 1) for text in said]


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    folder, model = tmp_path_factory.mktemp("features"), Sampler()
    task = Task("free", FREE.examples[:9])
    seen = []
    collect_all(model, [task, PLAIN], folder, form="chat", report=seen.append, samples=SAMPLES)
    return folder, seen


PLAIN = Task("choices", tuple(Example(f"Which? {i}", choices=("a", "b"), label=0) for i in range(3)))


@pytest.fixture(scope="module")
def tasks(collected):
    return load(collected[0], "tiny", kind="self_check")


def test_signals_are_in_range_and_belong_to_their_items(collected, tasks):
    (task,) = with_samples(tasks, collected[0], "tiny", samples=SAMPLES, equivalence=Equivalence(None))
    for n in ROUNDS:
        for name in (f"share@{n}", f"entropy@{n}", f"lead@{n}", f"tokens@{n}"):
            values = task.signals[name]
            assert values.shape == (9,) and ((values >= 0) & (values <= 1)).all()
    # Even questions i were answered Paris, which i of eight samples say; odd ones Rome.
    right = sorted(task.signals["share"][task.right].tolist())
    assert right == [i / 8 for i in (0, 2, 4, 6, 8)]
    assert sorted(task.signals["share"][~task.right].tolist()) == [(8 - i) / 8 for i in (7, 5, 3, 1)]
    assert (task.signals["tokens@8"] == 1).all() and (task.signals["tokens@2"] == 0.25).all()
    np.testing.assert_array_equal(task.labels, tasks[0].labels)


def test_features_that_were_just_collected_get_their_own_signals(collected):
    """They stand in the order of the examples, not in that of the keys; the folder may hold more items than they do."""
    fresh = collect(Sampler(), Task("free", FREE.examples[2:9]), collected[0])
    (task,) = with_samples([fresh], collected[0], "tiny", samples=SAMPLES, equivalence=Equivalence(None))
    assert task.signals["share"].tolist() == [i / 8 if i % 2 == 0 else (8 - i) / 8 for i in range(2, 9)]


def test_what_is_learned_from_it_has_every_round(collected, tasks):
    (task,) = with_samples(tasks, collected[0], "tiny", samples=SAMPLES, equivalence=Equivalence(None))
    found = sampled_task(task, np.zeros(9))
    assert set(found.rounds) == set(ROUNDS)
    assert (found.rounds[8].lead >= -1).all() and (found.rounds[8].lead <= 1).all()
    assert sampled_task(tasks[0], np.zeros(9)) is None


def test_tasks_without_samples_stay_as_they_are(collected, tasks):
    assert with_samples(tasks, collected[0], "tiny", samples=3, equivalence=Equivalence(None)) == list(tasks)


def test_examples_have_something_to_see(collected, tasks):
    (one,) = examples(tasks, collected[0], "tiny", samples=SAMPLES, equivalence=Equivalence(None))
    assert sum(s["share"] for s in one["said"]) == 1
    assert {s["text"].strip(".") for s in one["said"]} == {"Paris", "Rome"}
    assert one["question"].startswith("What is") and isinstance(one["right"], bool)


def test_the_clock_counts_both_jobs(collected):
    assert collected[1][-1].done == collected[1][-1].total == 9
