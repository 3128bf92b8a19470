"""The demo: held-out questions, doubtful answers in the store, figures that can be checked by hand."""

import functools
from collections import Counter
from dataclasses import asdict

import pytest

from tests.fakes import FakeModel
from thermolang import Policy, ReviewStore
from thermolang.cli import demo
from thermolang.cli.demo import DemoItem
from thermolang.estimator import ConfidenceEstimator
from thermolang.tasks.starter import FAMILIES, starter_tasks

questions = functools.cache(demo.questions)  # building the starter tasks takes most of a second
FREE_FORM = [f.name for f in FAMILIES.values() if f.split == "test" and f.kind == "free_form"]


@pytest.fixture(scope="module")
def held_out():
    return {task.name: task.examples for task in starter_tasks(split="test")}


@pytest.fixture(scope="module")
def estimator(tiny_model, calibrator_for):
    return ConfidenceEstimator(tiny_model, calibrator_for(tiny_model, sources=("self_check",)), state_dir=None)


@pytest.fixture
def store(tmp_path):
    with ReviewStore(f"sqlite:///{tmp_path / 'review.db'}") as store:
        yield store


def item(correct, decision="accept", *, raw=0.5, confidence=0.5, seconds=1.0, confidence_seconds=0.0):
    return DemoItem("q", "a", raw, confidence, correct, decision, seconds, "t", confidence_seconds)


def test_questions_are_held_out_and_free_form(held_out):
    trained = {example.question for task in starter_tasks(split="train") for example in task.examples}
    for task, example in questions(24):
        assert FAMILIES[task].split == "test"
        assert example in held_out[task]
        assert example.answers
        assert not example.choices
        assert example.question not in trained


def test_questions_are_the_same_every_time():
    assert demo.questions(24) == questions(24)
    assert demo.questions(24, seed=1) != questions(24)


@pytest.mark.parametrize("count", [5, 24])
def test_questions_are_spread_over_the_families(count):
    asked = questions(count)
    assert len(asked) == len({(task, example.question) for task, example in asked}) == count
    per_family = Counter(task for task, _ in asked)
    assert len(per_family) == min(count, len(FREE_FORM))
    assert max(per_family.values()) - min(per_family.values()) <= 1


def test_asked_for_more_than_there_are_it_returns_them_all(held_out):
    everything = questions(10**6)
    assert Counter(task for task, _ in everything) == {name: len(held_out[name]) for name in FREE_FORM}


def test_more_questions_begin_with_those_of_fewer():
    assert {e.question for _, e in questions(5)} < {e.question for _, e in questions(24)}


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_doubtful_answers_are_in_the_store(estimator, store, threshold):
    asked = questions(5)
    items = []
    for found in demo.run(estimator, store, asked, Policy(threshold, review_unsupported=False)):
        items.append(found)
        waiting = {(i.question, i.answer.strip()) for i in store.list()}
        assert waiting == {(i.question, i.answer) for i in items if i.decision == "review"}
    assert [(i.task, i.question) for i in items] == [(task, example.question) for task, example in asked]
    for found in items:
        assert found.decision == ("accept" if (found.confidence or -1) >= threshold else "review")
        assert 0 < found.confidence_seconds < found.seconds


def test_what_the_store_holds_is_what_the_demo_shows(estimator, store):
    items = list(demo.run(estimator, store, questions(5), Policy(1.0)))
    shown = {i.question: i for i in items}
    for waiting in store.list():
        assert waiting.confidence.value == shown[waiting.question].confidence
        assert waiting.confidence.raw == shown[waiting.question].raw
        assert (waiting.task, waiting.model) == (shown[waiting.question].task, "tiny")
    assert store.counts()["pending"] == 5


def test_it_needs_a_local_model(store):
    with pytest.raises(TypeError, match="LocalModel"):
        list(demo.run(ConfidenceEstimator(FakeModel(), state_dir=None), store, questions(5), Policy()))


def test_the_figures_of_a_summary():
    items = [
        item(True, "accept", raw=1.0, confidence=0.9, seconds=2.0, confidence_seconds=0.5),
        item(True, "review", raw=0.5, confidence=0.4, seconds=1.0, confidence_seconds=0.25),
        item(False, "review", raw=0.5, confidence=0.3, seconds=1.0, confidence_seconds=0.25),
        item(False, "reject", raw=1.0, confidence=0.1, seconds=1.0, confidence_seconds=0.0),
    ]
    figures = demo.summary(items)
    assert figures.pop("items") == [asdict(i) for i in items]
    assert figures == pytest.approx(
        {
            "accuracy": 0.5,
            "brier_raw": (0 + 0.25 + 0.25 + 1) / 4,
            "brier_calibrated": (0.01 + 0.36 + 0.09 + 0.01) / 4,
            "review_share": 0.5,
            "accuracy_accepted": 1.0,
            "accuracy_review": 1 / 3,
            "overhead_percent": 25.0,
        }
    )


def test_brier_scores_leave_out_what_has_no_confidence():
    figures = demo.summary([item(True, raw=0.8, confidence=None), item(False, raw=None, confidence=0.5)])
    assert figures["brier_raw"] == pytest.approx(0.04)
    assert figures["brier_calibrated"] == pytest.approx(0.25)


def test_figures_that_cannot_be_computed_are_none():
    nothing = demo.summary([])
    assert nothing.pop("items") == []
    assert set(nothing.values()) == {None}

    unscored = demo.summary([item(True, "review", raw=None, confidence=None)])
    assert (unscored["brier_raw"], unscored["brier_calibrated"], unscored["accuracy_accepted"]) == (None, None, None)
    assert (unscored["accuracy"], unscored["accuracy_review"], unscored["review_share"]) == (1.0, 1.0, 1.0)

    assert demo.summary([item(True, "accept")])["accuracy_review"] is None
    assert demo.summary([item(True, seconds=1.0, confidence_seconds=1.0)])["overhead_percent"] is None
