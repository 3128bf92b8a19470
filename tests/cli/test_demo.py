"""The demo: held-out questions, doubtful answers in the store, figures that can be checked by hand."""

import functools
from collections import Counter
from dataclasses import asdict, replace

import pytest

from tests.fakes import FakeModel
from thermolang import Policy, ReviewStore
from thermolang.cli import demo
from thermolang.cli.demo import DemoItem, Threshold
from thermolang.estimator import ConfidenceEstimator
from thermolang.review import Audit
from thermolang.routing.guarantees import expected_error
from thermolang.tasks.starter import families, starter_tasks
from thermolang.types import Basis, Confidence

questions = functools.cache(demo.questions)
labelled_questions = functools.cache(demo.labelled_questions)
GIVEN = Threshold(0.5)
TEST_FAMILIES = {
    f.name for f in families().values() if f.split == "test" and f.kind == "free_form" and not f.items[0].context
}


@pytest.fixture(scope="module")
def held_out():
    return {task.name: task.examples for task in starter_tasks(split="test")}


@pytest.fixture(scope="module")
def estimator(tiny_model, calibrator_for):
    return ConfidenceEstimator(tiny_model, calibrator_for(tiny_model, sources=("self_check",)), state_dir=None)


@pytest.fixture
def store(tmp_path):
    # As the demo opens it: of the accepted answers none is drawn.
    with ReviewStore(f"sqlite:///{tmp_path / 'review.db'}", audit=Audit(0)) as store:
        yield store


def item(correct, decision="accept", *, raw=0.5, confidence=0.5, seconds=1.0, confidence_seconds=0.0):
    return DemoItem("q", "a", raw, confidence, correct, decision, seconds, "t", confidence_seconds)


def test_questions_are_held_out_and_free_form(held_out):
    trained = {example.question for task in starter_tasks(split="train") for example in task.examples}
    for task, example in questions(24):
        assert families()[task].split == "test"
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
    assert len(per_family) == min(count, len(TEST_FAMILIES))
    assert max(per_family.values()) - min(per_family.values()) <= 1


def test_asked_for_more_than_there_are_it_returns_them_all(held_out):
    everything = questions(10**6)
    asked = Counter(task for task, _ in everything)
    assert asked == {task: len(held_out[task]) for task in asked}
    assert {families()[task].name for task in asked} == TEST_FAMILIES


def test_more_questions_begin_with_those_of_fewer():
    assert {e.question for _, e in questions(5)} < {e.question for _, e in questions(24)}


def test_labelled_questions_are_of_other_families_and_new_to_the_calibrator():
    trained = {e.question for task in starter_tasks(split="train") for e in task.examples[: demo.TRAINED_ON]}
    per_family = Counter(task for task, _ in labelled_questions())
    assert len(per_family) > 10 and set(per_family.values()) == {demo.LABELLED_PER_FAMILY}
    assert {families()[task].split for task in per_family} == {"train"}
    assert {families()[task].kind for task in per_family} == {"free_form"}
    assert all(e.answers and e.question not in trained for _, e in labelled_questions())
    asked = {e.question for seed in range(3) for _, e in questions(10**6, seed=seed)}
    assert not asked & {e.question for _, e in labelled_questions()}


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_doubtful_answers_are_in_the_store(estimator, store, threshold):
    asked = questions(15)
    items = []

    def doubtful():
        # The store replaces NUL, which a model of random weights may well say.
        return {
            (i.question, i.answer.replace("\0", "\N{REPLACEMENT CHARACTER}")) for i in items if i.decision == "review"
        }

    for found in demo.run(estimator, store, asked, Policy(threshold, review_unsupported=False), batch_size=2):
        items.append(found)
        waiting = {(i.question, i.answer.strip()) for i in store.list()}
        assert waiting >= doubtful()
    assert waiting == doubtful()
    assert [(i.task, i.question) for i in items] == [(task, example.question) for task, example in asked]
    for found in items:
        assert found.decision == ("accept" if (found.confidence or -1) >= threshold else "review")
        assert 0 < found.confidence_seconds < found.seconds


def test_questions_of_a_family_go_through_the_model_together(estimator, store, tiny_model, monkeypatch):
    batches, generate = [], tiny_model.generate_batch

    def noted(conversations, *args, **options):
        batches.append([messages[-1]["content"] for messages in conversations])
        return generate(conversations, *args, **options)

    monkeypatch.setattr(tiny_model, "generate_batch", noted)
    list(demo.run(estimator, store, questions(20), Policy(), batch_size=2))
    assert [q for batch in batches for q in batch] == [e.question for _, e in questions(20)]
    families_asked = len(TEST_FAMILIES)  # one question each, and a second of the first ones
    assert sorted(map(len, batches)) == [1] * (2 * families_asked - 20) + [2] * (20 - families_asked)


@pytest.fixture
def _any_mass(monkeypatch):
    """A model of random weights has little to say about yes and no; without this it mostly gets no confidence."""
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.mark.usefixtures("_any_mass")
def test_batches_give_what_one_by_one_gives(tiny_model, calibrator_for, tmp_path):
    found = {}
    for size in (1, 4):
        estimator = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)
        with ReviewStore(f"sqlite:///{tmp_path}/{size}.db") as store:
            items = list(demo.run(estimator, store, questions(24), Policy(), batch_size=size))
        found[size] = [(i.answer, i.decision) for i in items], [i.confidence for i in items]
    assert found[4][0] == found[1][0]
    assert found[4][1] == pytest.approx(found[1][1], abs=1e-5)


@pytest.mark.usefixtures("_any_mass")
def test_labelled_answers_are_judged(estimator):
    asked = labelled_questions()[:12]
    judged = list(demo.judged(estimator, asked))
    assert [confidence.task for confidence, _ in judged] == [task for task, _ in asked]
    assert all(right in (True, False) and 0 < confidence.value < 1 for confidence, right in judged)


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
    with pytest.raises(TypeError, match="LocalModel"):
        list(demo.judged(ConfidenceEstimator(FakeModel(), state_dir=None), questions(5)))


def judged(*answers):
    return [(Confidence(value), right) for value, right in answers]


def test_the_lowest_threshold_that_the_guarantee_allows_is_taken():
    answers = judged(*[(0.2, False)] * 5, *[(0.9, True)] * 20)
    found = demo.guaranteed_threshold(answers, [*"aab"] + ["c"] * 22, fallback=0.3, max_error=0.05)
    assert (found.value, found.chosen, found.families) == (0.21, "guaranteed", ("a", "b", "c"))
    direct = expected_error([c.value for c, _ in answers], [right for _, right in answers], alpha=0.05)
    assert found.found == direct


def test_answers_without_a_usable_confidence_are_never_accepted_by_a_threshold():
    strange = Confidence(0.95, supported=False, novelty=2.0)
    answers = [*judged(*[(0.8, True)] * 30, *[(None, True)] * 5), *[(strange, True)] * 5]
    found = demo.guaranteed_threshold(answers, "a" * 40, 0.3).found
    assert (found.labels, found.accepted, found.errors, found.base_error) == (40, 30, 0, 0)


@pytest.mark.parametrize(
    "answers",
    [
        judged((0.9, True)),  # too few
        judged(*[(0.8, False)] * 60, *[(0.2, True)] * 20),  # the wrong way round
        judged(*[(0.5, False)] * 30),
        judged((None, True), (None, False)),
    ],
)
def test_where_no_threshold_qualifies_the_fallback_promises_nothing(answers):
    found = demo.guaranteed_threshold(answers, ["a"] * len(answers), fallback=0.35, max_error=0.2)
    assert (found.value, found.chosen) == (0.35, "fallback")
    assert (found.found.threshold, found.found.labels) == (None, len(answers))


def test_labels_of_several_versions_of_a_tasks_state_all_count():
    answers = [
        (replace(c, task_version=i % 4, task=str(i)), right) for i, (c, right) in enumerate(judged(*[(0.8, True)] * 40))
    ]
    assert demo.guaranteed_threshold(answers, "a" * 40, 0.3).found.labels == 40


# The loop: an estimator that scores by the log-odds of a self-check.


def taught_item(task, correct, log_odds, decision):
    scored = Confidence(0.5, task=task, source="self_check", calibrator="c", basis=Basis((log_odds, 0.0)))
    return replace(item(correct, decision, confidence=0.5), task=task, scored=scored)


@pytest.fixture
def teacher(estimator):
    return ConfidenceEstimator(estimator.model, estimator.calibrator, state_dir=None)


def of_calibrator(items, teacher):
    return [replace(i, scored=replace(i.scored, calibrator=teacher.calibrator.id)) for i in items]


def test_verdicts_change_the_other_half_only_by_what_was_learned(teacher):
    """All answers of two kinds are wrong though the model is sure: the other halves become less confident."""
    items = of_calibrator([taught_item(task, False, 3.0, "review") for task in "ab" for _ in range(12)], teacher)
    loop = demo.taught(teacher, items, Policy(0.5, review_unsupported=False))
    assert (loop.verdicts, loop.learned, loop.kinds, loop.answers) == (12, 12, 2, 12)
    assert loop.after["brier"] < loop.before["brier"]
    # Both kinds changed alike, so that every draw of kinds gives the same change.
    change = loop.after["brier"] - loop.before["brier"]
    assert loop.change == pytest.approx((change, change))
    for task in "ab":
        assert teacher.state(task, "self_check").current.verdicts == 1  # the same scores count once


def test_accepted_answers_are_not_judged_and_teach_nothing(teacher):
    items = of_calibrator([taught_item("a", False, 3.0, "accept") for _ in range(8)], teacher)
    loop = demo.taught(teacher, items, Policy(0.5))
    assert (loop.verdicts, loop.learned, loop.kinds, loop.answers) == (0, 0, 0, 4)
    assert loop.before == loop.after
    assert teacher.state("a", "self_check").current.verdicts == 0


@pytest.mark.usefixtures("_any_mass")
def test_before_verdicts_it_is_the_confidence_that_the_estimator_would_give(teacher, store):
    """What is computed again from kept scores is what a further pass over the same answer gives."""
    asked = questions(30)
    items = list(demo.run(teacher, store, asked, Policy(1.0)))
    again = demo.run(teacher.snapshot(), store, asked, Policy(1.0))
    expected = [i.confidence for i in again]
    assert [demo._now(teacher, i).value for i in items] == pytest.approx(expected, abs=1e-4)


def test_the_loop_leaves_the_store_alone(teacher, store):
    items = list(demo.run(teacher, store, questions(2 * len(TEST_FAMILIES)), Policy(1.0)))
    waiting = store.counts()
    loop = demo.taught(teacher, items, Policy(1.0))
    assert (loop.verdicts, loop.answers) == (len(TEST_FAMILIES), len(TEST_FAMILIES))
    assert store.counts() == waiting


def test_without_a_calibrator_the_loop_changes_nothing(tiny_model):
    bare = ConfidenceEstimator(tiny_model, None, state_dir=None)
    loop = demo.taught(bare, [item(False, "review", confidence=None) for _ in range(4)], Policy())
    assert (loop.verdicts, loop.learned, loop.change) == (2, 0, None)
    assert loop.before == loop.after == {"brier": None, "review_share": 1.0, "error_accepted": None}


def test_of_nothing_the_loop_says_nothing(teacher):
    loop = demo.taught(teacher, [], Policy())
    assert (loop.verdicts, loop.answers, loop.change) == (0, 0, None)


def test_the_figures_of_a_summary():
    items = [
        item(True, "accept", raw=1.0, confidence=0.9, seconds=2.0, confidence_seconds=0.5),
        item(True, "review", raw=0.5, confidence=0.4, seconds=1.0, confidence_seconds=0.25),
        item(False, "review", raw=0.5, confidence=0.3, seconds=1.0, confidence_seconds=0.25),
        item(False, "reject", raw=1.0, confidence=0.1, seconds=1.0, confidence_seconds=0.0),
    ]
    figures = demo.summary(items, GIVEN, seed=3)
    assert figures.pop("items") == [
        {name: value for name, value in asdict(i).items() if name != "scored"} for i in items
    ]
    assert figures.pop("loop") is None
    assert figures.pop("threshold") == asdict(GIVEN)
    risks = figures.pop("risk_coverage")
    assert [(r["coverage"], r["answers"]) for r in risks] == [(0.2, 1), (0.4, 2), (0.6, 3), (0.8, 4), (1.0, 4)]
    assert [r["wrong"] for r in risks] == pytest.approx([0, 0, 1 / 3, 0.5, 0.5])
    intervals = {name: figures.pop(name) for name in list(figures) if name.endswith("_interval")}
    assert intervals == {
        "accuracy_interval": pytest.approx((0.1500, 0.8500), abs=1e-4),  # Wilson (1927), by hand
        "accuracy_accepted_interval": pytest.approx((0.2065, 1.0), abs=1e-4),
        "accuracy_review_interval": pytest.approx((0.0615, 0.7923), abs=1e-4),
    }
    assert figures.pop("separated") == "unclear"
    assert figures == pytest.approx(
        {
            "seed": 3,
            "questions": 4,
            "accepted": 1,
            "accuracy": 0.5,
            "auroc_raw": 0.5,
            "auroc_calibrated": 1.0,
            "brier_raw": (0 + 0.25 + 0.25 + 1) / 4,
            "brier_calibrated": (0.01 + 0.36 + 0.09 + 0.01) / 4,
            "ece_raw": 0.25,
            "ece_calibrated": (0.1 + 0.6 + 0.3 + 0.1) / 4,
            "review_share": 0.5,
            "accuracy_accepted": 1.0,
            "accuracy_review": 1 / 3,
            "overhead_percent": 25.0,
        }
    )


@pytest.mark.parametrize(
    ("accepted", "reviewed", "said"),
    [
        ([True] * 9 + [False], [False] * 9 + [True], "yes"),
        ([True, True, False], [True, False, False], "unclear"),
        ([True, False], [True, False], "no"),
        ([False], [True], "no"),
        ([True], [], None),
        ([], [True], None),
    ],
)
def test_it_says_whether_confidence_separated_right_from_wrong(accepted, reviewed, said):
    items = [item(right, "accept") for right in accepted] + [item(right, "review") for right in reviewed]
    assert demo.summary(items, GIVEN)["separated"] == said


def test_metrics_leave_out_what_has_no_confidence():
    figures = demo.summary([item(True, raw=0.8, confidence=None), item(False, raw=None, confidence=0.5)], GIVEN)
    assert figures["brier_raw"] == pytest.approx(0.04)
    assert figures["brier_calibrated"] == pytest.approx(0.25)
    assert figures["risk_coverage"][-1] == {"coverage": 1.0, "answers": 1, "wrong": 1.0}


def test_figures_that_cannot_be_computed_are_none():
    nothing = demo.summary([], GIVEN)
    for name, value in {"items": [], "seed": 0, "questions": 0, "accepted": 0, "risk_coverage": []}.items():
        assert nothing.pop(name) == value
    assert nothing.pop("threshold") == asdict(GIVEN)
    assert set(nothing.values()) == {None}

    unscored = demo.summary([item(True, "review", raw=None, confidence=None)], GIVEN)
    assert (unscored["brier_raw"], unscored["brier_calibrated"], unscored["accuracy_accepted"]) == (None, None, None)
    assert (unscored["accuracy"], unscored["accuracy_review"], unscored["review_share"]) == (1.0, 1.0, 1.0)

    right = demo.summary([item(True, "accept")], GIVEN)
    assert (right["accuracy_review"], right["accuracy_review_interval"], right["auroc_calibrated"]) == (
        None,
        None,
        None,
    )
    assert demo.summary([item(True, seconds=1.0, confidence_seconds=1.0)], GIVEN)["overhead_percent"] is None
