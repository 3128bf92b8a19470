"""A lead gives items to people, and alarms are kept until one has seen them."""

import math
from datetime import timedelta

import pytest

from tests.review.conftest import submit
from thermolang.errors import ConflictError, StoreError
from thermolang.review import Filter, LeadService, ReviewService, TaskSettings, tell_alarm
from thermolang.review.queue import ASSIGNED, LEASE
from thermolang.routing import Alarm

DRIFT = Alarm("confidence", 812, 640, 3.25, "the confidence is distributed otherwise, noticed at item 812")


@pytest.fixture
def desk(any_store, clock):
    return ReviewService(any_store, clock=clock)


@pytest.fixture
def leads(any_store, clock):
    return LeadService(any_store, clock=clock)


def test_what_was_given_to_somebody_comes_next_there_and_nowhere_else(any_store, desk):
    items = [submit(any_store, 0.1 + n / 10) for n in range(6)]
    given = items[5].id
    desk.assign(given, "bob", operator="lea")
    assert desk.next("bob").item.id == given
    others = set()
    while lease := desk.next("ann"):
        others.add(lease.item.id)
        desk.decide(lease.item.id, 1, "accept", operator="ann")
    assert others == {item.id for item in items[:5]}
    with pytest.raises(ConflictError, match="bob is working on this item"):
        desk.decide(given, 1, "accept", operator="ann")
    assert [event.what for event in any_store.events(given)] == ["submitted", "assigned"]
    assert any_store.events(given)[1].actor == "lea" and any_store.events(given)[1].detail == {"to": "bob"}


def test_an_item_that_is_open_is_finished_first(any_store, desk):
    first, second = submit(any_store, 0.1), submit(any_store, 0.4)
    assert desk.next("bob").item.id == first.id
    desk.assign(second.id, "bob", operator="lea")
    assert desk.next("bob").item.id == first.id
    desk.decide(first.id, 1, "accept", operator="bob")
    assert desk.next("bob").item.id == second.id


def test_it_is_taken_from_who_has_it_and_the_draft_stays(any_store, desk):
    from thermolang.review import Draft

    item = submit(any_store)
    desk.next("ann")
    desk.save_draft(item.id, "ann", Draft("Canberra", "sure"))
    desk.assign(item.id, "bob", operator="lea")
    assert not desk.renew(item.id, "ann")
    with pytest.raises(ConflictError, match="bob is working on this item"):
        desk.decide(item.id, 1, "accept", operator="ann")
    assert desk.open(item.id, "ann").operator == "bob"
    assert desk.draft(item.id, "ann") == Draft("Canberra", "sure")
    assert desk.decide(item.id, 1, "accept", operator="bob").verdict.operator == "bob"


def test_it_stays_given_while_its_page_is_open_or_left_and_ends_by_itself(any_store, desk, clock):
    item = submit(any_store)
    desk.assign(item.id, "bob", operator="lea")
    assert desk.next("bob").until == clock.now + ASSIGNED
    assert desk.renew(item.id, "bob")
    desk.release(item.id, "bob")
    clock.now += ASSIGNED - timedelta(seconds=1)
    assert desk.next("ann") is None
    clock.move(seconds=2)
    assert desk.next("ann").item.id == item.id


def test_an_ordinary_lease_still_ends_after_its_time_and_when_given_back(any_store, desk, clock):
    item = submit(any_store)
    assert desk.next("bob").until == clock.now + LEASE
    desk.release(item.id, "bob")
    assert desk.next("ann").item.id == item.id
    clock.now += LEASE
    assert desk.next("bob").until == clock.now + LEASE


def test_skipping_gives_it_back_to_all(any_store, desk):
    item = submit(any_store)
    desk.assign(item.id, "bob", operator="lea")
    desk.next("bob")
    desk.leave(item.id, 1, "skip", operator="bob")
    assert desk.next("ann").item.id == item.id


def test_what_waits_for_a_lead_can_be_given_to_another_one(any_store, desk):
    item = submit(any_store)
    desk.leave(item.id, 1, "cannot_tell", operator="ann")
    desk.assign(item.id, "lee", operator="lea")
    assert desk.next("lea", Filter(flagged=True)) is None
    assert desk.next("lee").item.id == item.id


def test_what_cannot_be_given(any_store, desk, leads):
    decided, probe = submit(any_store, 0.3), submit(any_store, 0.4)
    desk.decide(decided.id, 1, "accept", operator="ann")
    with pytest.raises(ConflictError, match="already decided by ann"):
        desk.assign(decided.id, "bob", operator="lea")
    with pytest.raises(StoreError, match="there is no item"):
        desk.assign("0" * 32, "bob", operator="lea")
    desk.decide(probe.id, 1, "accept", operator="lea")
    leads.mark_probe(probe.id, operator="lea")
    leads.set_settings("*", TaskSettings(probe_share=0.5), operator="lea")
    desk.prepare("ann")
    copy = desk.next("ann").item
    with pytest.raises(StoreError, match="is a copy for one person"):
        desk.assign(copy.id, "bob", operator="lea")
    assert desk.next("ann").item.id == copy.id
    # Nor do leads find it in the list of what people work on.
    assert leads.work() == [] == leads.work(copy.id)


def test_who_works_on_what(any_store, desk, leads, clock):
    free, opened, given, flagged = (submit(any_store, n / 10, f"q {n}", task="t") for n in range(1, 5))
    desk.open(opened.id, "cem")
    desk.assign(given.id, "bob", operator="lea")
    desk.leave(flagged.id, 1, "cannot_tell", operator="ann")
    rows = [(work.question, work.operator, work.assigned, work.flagged) for work in leads.work()]
    assert rows == [("q 3", "bob", True, False), ("q 2", "cem", False, False), ("q 4", "", False, True)]
    assert [work.question for work in leads.work(free.id)] == ["q 1", "q 3", "q 2", "q 4"]
    assert leads.work()[1].until == clock.now + LEASE
    clock.move(minutes=2)
    assert [work.question for work in leads.work()] == ["q 3", "q 4"]
    desk.decide(free.id, 1, "accept", operator="ann")
    assert [work.question for work in leads.work(free.id)] == ["q 3", "q 4"]


def test_alarms_are_kept_until_somebody_has_seen_them(any_store, leads, clock):
    assert leads.alarms() == []
    tell_alarm(any_store, DRIFT, now=clock.now)
    clock.move(hours=1)
    tell_alarm(any_store, Alarm("model", 900, 900, math.inf, "calibrator 'b', not 'a'"), now=clock.now)
    model, drift = leads.alarms()
    assert (drift.code, drift.item, drift.since, drift.evidence) == ("confidence", 812, 640, 3.25)
    assert (drift.reason, drift.seen_by, drift.at) == (DRIFT.reason, None, clock.now - timedelta(hours=1))
    assert (model.code, model.evidence) == ("model", None)
    leads.see_alarm(model.id, operator="lea")
    leads.see_alarm(model.id, operator="lee")
    drift, model = leads.alarms()
    assert (drift.seen_by, model.seen_by, model.seen_at) == (None, "lea", clock.now)
    with pytest.raises(StoreError, match="there is no alarm 99"):
        leads.see_alarm(99, operator="lea")


def test_an_alarm_of_a_monitor_arrives_as_it_was_raised(any_store, leads):
    from thermolang import Confidence
    from thermolang.routing import Monitor

    monitor = Monitor([Confidence(0.5 + n / 400) for n in range(200)])
    raised = [alarm for _ in range(80) if (alarm := monitor.observe(Confidence(0.1)))]
    for alarm in raised:
        tell_alarm(any_store, alarm)
    (stored,) = leads.alarms()
    assert (stored.code, stored.item, stored.since) == (raised[0].code, raised[0].item, raised[0].since)
    assert stored.evidence == pytest.approx(raised[0].evidence) and stored.reason == raised[0].reason
