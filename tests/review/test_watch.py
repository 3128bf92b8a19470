"""From a change to an alarm, from there to people and to webhooks; whatever these do, answers go on."""

import logging
import threading
from datetime import timedelta

import numpy as np
import pytest

from tests.review.conftest import submit
from tests.review.test_webhooks import SECRET, URL, Receiver, courier_of
from thermolang import Confidence, ConfidenceRouter, Decision, Policy
from thermolang.errors import InvalidInputError, StoreError
from thermolang.review import Audit, Courier, Watch, Webhooks, courier, deliveries, watch
from thermolang.routing import Monitor

httpx = pytest.importorskip("httpx")
ACCEPT = Decision("accept", "enough", 0.5)


def monitor(**options):
    rng = np.random.default_rng(0)
    return Monitor([Confidence(float(v), calibrator="one") for v in rng.uniform(0.5, 1, 200)], **options)


def usual(**more):
    return Confidence(0.93, calibrator="one", **more)


def other(**more):
    return Confidence(0.93, calibrator="two", **more)


def drawn(store, number, *, right, task="t"):
    """An audited answer with its verdict."""
    store.audit = Audit(1.0)
    item = store.submit_accepted(f"Q{number}?", "a", confidence=usual(), decision=ACCEPT, task=task)
    if right is not None:
        store.decide(item.id, "accept" if right else "reject", operator="ann")
    return item


@pytest.fixture
def watched(any_store, clock):
    """Nothing is waited for: verdicts are settled as soon as they are given."""
    early = clock.now - timedelta(days=365)

    def make(**options):
        found = monitor(alpha=0.05, audit_rate=1.0)
        return Watch(found, any_store, since=early, clock=lambda: early + timedelta(days=3650), **options)

    return make


def test_an_alarm_is_told_and_sends_everything_to_review(any_store, watched):
    courier_of(any_store, watched()._clock, Receiver())
    one, policy = watched(), Policy(0.5, tasks={"t": Policy(0.2)})
    assert one.observe(usual()) is None
    assert one.guarded(policy) is policy and not one.reviews_all
    alarm = one.observe(other())
    assert alarm.code == "model" and one.reviews_all
    assert one.guarded(policy).decide(usual(task="t")).code == "review_all"
    assert [(d.kind, d.state) for d in deliveries(any_store)] == [("alarm", "waiting")]
    assert one.observe(other()) is None  # said once


def test_review_of_everything_is_a_choice(watched):
    one, policy = watched(review_all=False), Policy(0.5)
    assert one.observe(other()) is not None
    assert one.guarded(policy) is policy and not one.reviews_all


def test_only_the_answers_of_its_task_are_watched(watched):
    one = watched(task="t")
    assert one.observe(other(task="u")) is None
    assert one.observe(other(task="t")).code == "model"


def test_verdicts_of_the_audit_raise_an_alarm_once_and_each_counts_once(any_store, clock, watched):
    one = watched()
    for i in range(40):
        drawn(any_store, i, right=i % 2 == 0)
    submit(any_store)  # one that a policy found doubtful says nothing of accepted ones
    (alarm,) = one.take_verdicts()
    assert alarm.code == "error" and "above the promised 0.05" in alarm.reason
    assert one.take_verdicts() == [] and one.monitor._detectors["error"].items == 40
    drawn(any_store, 40, right=True)
    assert one.take_verdicts() == [] and one.monitor._detectors["error"].items == 41


def test_verdicts_are_taken_in_the_order_of_the_answers(any_store, clock, watched):
    one = watched()
    items = [drawn(any_store, i, right=None if i == 3 else True) for i in range(6)]
    one.take_verdicts()
    assert one.monitor._detectors["error"].items == 3  # the fourth waits
    any_store.decide(items[3].id, "reject", operator="ann")
    one.take_verdicts()
    assert (one.monitor._detectors["error"].items, one.monitor._wrong) == (6, 1)


def test_a_verdict_that_can_still_be_undone_waits(any_store, clock):
    one = Watch(monitor(alpha=0.05), any_store)
    drawn(any_store, 0, right=False)
    one.take_verdicts()
    assert one.monitor._detectors["error"].items == 0


def test_earlier_answers_and_other_tasks_do_not_count(any_store, clock, watched):
    drawn(any_store, 0, right=False)
    now = Watch(monitor(alpha=0.05), any_store)
    now._clock = lambda: clock.now + timedelta(days=3650)
    now.take_verdicts()
    assert now.monitor._detectors["error"].items == 0
    elsewhere = watched(task="u")
    elsewhere.take_verdicts()
    assert elsewhere.monitor._detectors["error"].items == 0


def test_an_audit_needs_the_promise_that_it_watches(any_store, clock, watched):
    drawn(any_store, 0, right=True)
    one = watched()
    one.monitor.alpha = None
    with pytest.raises(InvalidInputError, match="alpha"):
        one.take_verdicts()


def test_a_database_that_takes_nothing_fails_no_answer_and_the_alarm_is_told_later(
    any_store, watched, monkeypatch, caplog
):
    told = []

    def tell(store, alarm, *, now):
        if not told:
            told.append("failed")
            raise StoreError("the database is locked")
        told.append(alarm.code)

    monkeypatch.setattr(watch, "tell_alarm", tell)
    one = watched()
    with caplog.at_level(logging.WARNING):
        assert one.observe(other()).code == "model"
    assert "the alarm waits, as the database takes nothing: the database is locked" in caplog.text
    assert one.reviews_all and told == ["failed"]
    one.take_verdicts()
    one.take_verdicts()
    assert told == ["failed", "model"]


def answer(confidence, **decision):
    found = {"output": "Oslo", "answer": "Oslo", "question": "Capital?", "confidence": confidence}
    return found | decision


def test_a_router_reviews_everything_after_an_alarm(any_store, watched):
    router = ConfidenceRouter(any_store, Policy(0.5), watch=watched(), on_review="hold")
    assert router.invoke(answer(usual()))["output"] == "Oslo"
    held = router.invoke(answer(other()))  # the answer that raised it is held already
    assert held["output"] == router.placeholder and held["decision"]["code"] == "review_all"
    assert router.invoke(answer(usual()))["decision"]["action"] == "review"
    assert any_store.counts()["pending"] == 2


def test_what_the_chain_had_decided_does_not_count_after_an_alarm(any_store, watched):
    router = ConfidenceRouter(any_store, watch=watched())
    accepted = {"decision": Policy(0.5).decide(usual()).to_dict()}
    assert router.invoke(answer(usual(), **accepted))["decision"]["action"] == "accept"
    router.invoke(answer(other(), **accepted))
    assert router.invoke(answer(usual(), **accepted))["decision"]["code"] == "review_all"


def test_a_webhook_that_hangs_keeps_no_answer_waiting(any_store, clock, watched, monkeypatch):
    monkeypatch.setattr(courier, "_POLL", 0.01)
    hangs, go_on = threading.Event(), threading.Event()

    def receive(request):
        hangs.set()
        go_on.wait(60)
        return httpx.Response(204)

    hooks = Webhooks((URL,), SECRET)
    one = watched()
    with Courier(any_store, hooks, clock=one._clock, transport=httpx.MockTransport(receive)) as sends:
        router = ConfidenceRouter(any_store, Policy(0.5), watch=one)
        router.invoke(answer(other()))
        assert hangs.wait(60)
        # The receiver has the alarm and does not answer; answers go on all the same.
        assert router.invoke(answer(usual()))["decision"]["code"] == "review_all"
        assert {d.state for d in deliveries(any_store)} == {"waiting"}
        go_on.set()
    sends._thread.join(60)
