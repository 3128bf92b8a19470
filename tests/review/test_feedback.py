"""Audit, what it detects, and what verdicts are good for."""

from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tests.review.conftest import submit
from thermolang import Confidence, Decision, Policy, ReviewStore
from thermolang.errors import InvalidInputError
from thermolang.review import Audit, Detection, ReviewService, detects, learn_from


def test_draws_are_even_and_as_often_as_the_rate_says():
    draws = np.array([Audit().draw("task", str(i)) for i in range(4000)])
    assert ((draws >= 0) & (draws < 1)).all()
    # Each tenth holds 400, give or take 4 standard deviations of 19.
    assert all(324 < count < 476 for count in np.histogram(draws, 10, (0, 1))[0])
    assert abs((draws < 0.05).mean() - 0.05) < 0.014


@given(st.text(), st.text(), st.text())
def test_a_draw_depends_on_the_texts_and_the_seed_alone(question, answer, seed):
    audit = Audit(seed=seed)
    assert audit.draw(question, answer) == Audit(0.9, seed=seed).draw(question, answer)
    assert audit.draw(question, answer) != Audit(seed=seed + "x").draw(question, answer)
    assert audit.draw(question + "x", answer) != audit.draw(question, "x" + answer)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_is_a_share(rate):
    with pytest.raises(InvalidInputError, match="a share between 0 and 1"):
        Audit(rate)


@pytest.mark.parametrize(("error", "rise"), [(0.1, 0.05), (0.1, 0.2), (0.05, 0.1), (0.0, 0.05), (0.3, 0.7)])
def test_so_many_labels_notice_a_rise_and_fewer_do_not(error, rise):
    n = detects(0.05, error=error, rise=rise).labels

    def power(size):
        # Written out: the smallest number of errors that is a surprise, and how likely it is after the rise.
        numbers = np.arange(size + 2)
        surprise = next(k for k in numbers if binom.sf(k - 1, size, error) <= 0.05)
        return binom.sf(surprise - 1, size, error + rise)

    assert power(n) >= 0.8
    assert n == 1 or power(n - 1) < 0.8


def test_rarer_draws_take_more_answers_and_small_rises_far_more():
    found = detects(0.05, error=0.1, rise=0.05)
    assert found.answers == 20 * found.labels
    assert detects(1.0, error=0.1, rise=0.05) == Detection(found.labels, found.labels)
    assert detects(0.05, error=0.1, rise=0.02).labels > 5 * found.labels


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"error": 1}, {"rise": 0}, {"rise": 0.95}, {"certainty": 1}, {"power": 0}, {"rate": 2}]
)
def test_what_cannot_be_detected_is_refused(wrong):
    with pytest.raises(InvalidInputError, match="expected a rate"):
        detects(**{"rate": 0.05, "error": 0.1, "rise": 0.05, **wrong})


# Learning


class Pupil:
    """Notes what it is taught."""

    def __init__(self, name="tiny@1"):
        self.calibrator, self.taught = SimpleNamespace(id=name), []

    def learn(self, verdicts):
        given = list(verdicts)
        self.taught += [(confidence.value, right) for confidence, right in given]
        return len(given)


AT_ONCE = timedelta(0)


def judged(store, value, action, question="q", operator="ann", **options):
    scored = Confidence(value, **{"task": "qa", "source": "self_check", **options})
    item = store.submit(question, "a", confidence=scored, decision=Policy(0.97).decide(scored))
    return store.decide(item.id, action, operator=operator, corrected_answer="b" if action == "correct" else None)


def test_each_verdict_is_learned_once(any_store):
    pupil = Pupil()
    judged(any_store, 0.4, "accept", "one")
    judged(any_store, 0.3, "correct", "two")
    submit(any_store, 0.2)  # waits
    found = learn_from(any_store, pupil, settled=AT_ONCE)
    assert (found.verdicts, found.lessons, found.tasks) == (2, 2, {"qa": 2})
    assert pupil.taught == [(0.4, True), (0.3, False)]
    assert learn_from(any_store, pupil, settled=AT_ONCE).verdicts == 0
    judged(any_store, 0.1, "reject", "three")
    assert learn_from(any_store, pupil, settled=AT_ONCE).verdicts == 1
    assert learn_from(any_store, pupil, settled=AT_ONCE, again=True).verdicts == 3
    assert learn_from(any_store, Pupil("other@2"), settled=AT_ONCE).verdicts == 3


def test_a_verdict_that_was_changed_is_learned_again(any_store):
    pupil, service = Pupil(), ReviewService(any_store)
    item = judged(any_store, 0.4, "accept")
    learn_from(any_store, pupil, settled=AT_ONCE)
    service.reopen(item.id, item.version, operator="lea")
    assert learn_from(any_store, pupil, settled=AT_ONCE).verdicts == 0
    any_store.decide(item.id, "reject", operator="lea")
    learn_from(any_store, pupil, settled=AT_ONCE)
    assert pupil.taught == [(0.4, True), (0.4, False)]


def test_what_can_still_be_undone_waits():
    with ReviewStore("sqlite://") as store:
        judged(store, 0.4, "accept")
        found = learn_from(store, Pupil())
        assert (found.verdicts, found.waiting) == (0, 1)
        assert learn_from(store, Pupil(), settled=AT_ONCE).verdicts == 1


def test_a_verdict_is_not_learned_before_it_was_taken_in():
    class Broken(Pupil):
        def learn(self, verdicts):
            raise InvalidInputError("a snapshot does not learn")

    with ReviewStore("sqlite://") as store:
        judged(store, 0.4, "accept")
        with pytest.raises(InvalidInputError, match="a snapshot"):
            learn_from(store, Broken(), settled=AT_ONCE)
        assert learn_from(store, Pupil(), settled=AT_ONCE).verdicts == 1


def test_only_one_task_is_learned():
    with ReviewStore("sqlite://") as store:
        judged(store, 0.4, "accept")
        judged(store, 0.3, "accept", task="other")
        assert learn_from(store, Pupil(), task="other", settled=AT_ONCE).tasks == {"other": 1}
        assert learn_from(store, Pupil(), settled=AT_ONCE).tasks == {"qa": 1}


def test_fields_of_a_structured_answer_are_lessons_of_their_own():
    fields = {"city": Confidence(0.9, task="city"), "year": Confidence(0.4, task="year")}
    scored = Confidence(0.4, task="qa", source="fields", fields=fields)
    with ReviewStore("sqlite://") as store:
        item = store.submit("q", '{"city": "Oslo", "year": 1}', confidence=scored, decision=Policy(0.8).decide(scored))
        store.decide(item.id, "correct", operator="ann", corrected_answer='{"city": "Oslo", "year": 2}')
        pupil = Pupil()
        found = learn_from(store, pupil, settled=AT_ONCE)
    assert (found.verdicts, found.lessons) == (1, 2)
    assert pupil.taught == [(0.9, True), (0.4, False)]


def test_two_people_who_contradict_each_other_teach_nothing():
    with ReviewStore("sqlite://") as store:
        judged(store, 0.4, "accept", "same", "ann")
        judged(store, 0.4, "reject", "same", "bob")
        judged(store, 0.4, "accept", "other")
        found = learn_from(store, Pupil(), settled=AT_ONCE)
    assert (found.verdicts, found.contradicted) == (1, 2)


def test_of_doubts_by_sampled_answers_a_random_sample_teaches():
    with ReviewStore("sqlite://", audit=Audit(0.3)) as store:
        for i in range(60):
            judged(store, 0.4, "accept", f"q{i}", source="meaning")
        pupil = Pupil()
        found = learn_from(store, pupil, settled=AT_ONCE)
        drawn = sum(store.audit.draw("qa", f"q{i}", "", "a", "") < 0.3 for i in range(60))
    assert (found.verdicts, found.thinned) == (drawn, 60 - drawn)
    assert 0 < drawn < 60


def test_an_empty_store_teaches_nothing_and_without_a_calibrator_nothing_can():
    with ReviewStore("sqlite://") as store:
        assert learn_from(store, Pupil()).verdicts == 0
        pupil = Pupil()
        pupil.calibrator = None
        with pytest.raises(InvalidInputError, match="no calibrator that could learn"):
            learn_from(store, pupil)


def test_an_estimator_learns_from_a_store(fake_model, calibrator_for):
    from thermolang import ConfidenceEstimator

    estimator = ConfidenceEstimator(fake_model, calibrator_for(fake_model), state_dir=None)

    def score(number):
        return estimator.score([{"role": "user", "content": f"Question {number}?"}], "Paris", task="t")

    with ReviewStore("sqlite://") as store:
        for i in range(20):
            scored = score(i)
            item = store.submit(f"{i}", "Paris", confidence=scored, decision=Decision("review", "low", 1.0))
            store.decide(item.id, "accept", operator="ann")
        before = score(99).value
        found = learn_from(store, estimator, settled=AT_ONCE)
    assert (found.verdicts, found.lessons) == (20, 20)
    assert score(99).value > before
