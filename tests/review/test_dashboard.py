"""The leads' figures on both databases: counted by hand, and what the guarantees say about a threshold."""

from datetime import timedelta

import pytest
from scipy.stats import binom
from sqlalchemy import update

from tests.review.conftest import submit
from thermolang.errors import StoreError
from thermolang.review import Day, LeadService, ReviewService, TaskSettings
from thermolang.review.schema import ItemRow, VerdictRow
from thermolang.routing import expected_error, high_probability


@pytest.fixture
def leads(any_store, clock):
    return LeadService(any_store, clock=clock)


def judge(store, value, *, right, task="t"):
    item = submit(store, value, task=task)
    return store.decide(item.id, "accept" if right else "reject", operator="ann")


@pytest.fixture
def judged(any_store):
    """Confidences at the edges of bins, one missing, and one of another task."""
    for value, right in [(0.0, False), (0.29, True), (0.3, False), (0.999, True), (1.0, True), (None, True)]:
        judge(any_store, value, right=right)
    judge(any_store, 0.55, right=True, task="other")


def test_verdicts_fall_into_the_right_bins(leads, judged):
    found = leads.quality()
    assert [each.right.total for each in found.bins] == [1, 0, 1, 1, 0, 1, 0, 0, 0, 2]
    assert [each.right.count for each in found.bins] == [0, 0, 1, 0, 0, 1, 0, 0, 0, 2]
    assert found.bins[9].confidence == pytest.approx(0.9995)
    assert found.judged == 7
    assert leads.quality(task="other").judged == 1


def test_a_threshold_accepts_what_is_at_it(leads, judged):
    by_threshold = {round(each.threshold, 2): each for each in leads.quality().points}
    assert (by_threshold[0.0].wrong.count, by_threshold[0.0].wrong.total) == (2, 6)
    assert by_threshold[0.3].wrong.total == 4  # 0.3 itself, too
    assert by_threshold[0.3].coverage == pytest.approx(4 / 7)  # the one without a confidence is never accepted
    assert leads.quality(0.29).preview.point.wrong.total == 5
    assert by_threshold[1.0].wrong.total == 1


def test_without_verdicts_there_is_nothing_to_say(leads):
    found = leads.quality()
    assert (found.judged, found.present, found.now, found.preview.bound) == (0, None, None, 1.0)
    assert not any(promise.holds for promise in found.preview.promises)
    assert {each.wrong.share for each in found.points} == {None}


def test_the_guarantees_are_those_of_the_routing_package(leads, any_store):
    values = [0.95] * 90 + [0.4] * 10
    for value in values:
        judge(any_store, value, right=value > 0.5)
    right = [value > 0.5 for value in values]
    preview = leads.quality(0.8, alpha=0.05).preview
    sure, mean = preview.promises
    assert sure.laxest == high_probability(values, right, alpha=0.05, delta=0.05).threshold
    assert mean.laxest == expected_error(values, right, alpha=0.05).threshold
    assert sure.holds and mean.holds
    assert preview.bound == pytest.approx(1 - 0.05 ** (1 / 90))
    lax = leads.quality(0.3, alpha=0.05).preview
    assert [promise.holds for promise in lax.promises] == [False, False]
    # Clopper and Pearson's bound: at it, so few errors have a probability of 5 %.
    assert binom.cdf(10, 100, lax.bound) == pytest.approx(0.05)


@pytest.mark.parametrize(("threshold", "alpha"), [(1.5, 0.05), (-0.1, 0.05), (0.5, 0.0), (0.5, 1.0)])
def test_impossible_numbers_are_refused(leads, threshold, alpha):
    with pytest.raises(StoreError, match="lies"):
        leads.quality(threshold, alpha=alpha)


def test_what_waits_and_would_not_have_come(leads, any_store):
    for value in (0.2, 0.7, 0.85, None):
        submit(any_store, value, task="t")
    found = leads.quality(0.6).preview
    assert (found.pending, found.freed, found.present) == (3, 2, 1)
    assert leads.quality(0.6, task="none").preview.pending == 0
    assert leads.quality().present == 0.8


def move(store, item, *, submitted, decided=None):
    """Give an item other times."""
    with store._engine.begin() as connection:
        connection.execute(update(ItemRow).where(ItemRow.id == item.id).values(created_at=submitted))
        if decided:
            connection.execute(update(VerdictRow).where(VerdictRow.item_id == item.id).values(created_at=decided))


def test_days_and_waiting_times(leads, any_store, clock):
    now = clock()
    move(any_store, submit(any_store, 0.4), submitted=now - timedelta(seconds=30))
    move(any_store, submit(any_store, 0.4), submitted=now - timedelta(days=30))
    for wait in (timedelta(seconds=59), timedelta(seconds=61), timedelta(hours=7)):
        at = now - timedelta(days=2)
        move(any_store, judge(any_store, 0.4, right=True), submitted=at, decided=at + wait)
    days = leads.load()
    assert len(days) == 14
    assert (days[-1], days[-3], days[0]) == (Day("2026-11-29", 1, 0), Day("2026-11-27", 3, 3), Day("2026-11-16", 0, 0))
    waits = leads.waits()
    assert [each.pending for each in waits] == [1, 0, 0, 0, 0, 0, 1]
    assert [each.decided for each in waits] == [1, 1, 0, 1, 0, 0, 0]


def test_copies_are_in_no_figure_about_answers(leads, any_store, clock):
    item = judge(any_store, 0.6, right=False)
    leads.mark_probe(item.id, operator="lea")
    leads.set_settings("*", TaskSettings(probe_share=0.5), operator="lea")
    desk = ReviewService(any_store, clock=clock)
    before = leads.quality(0.1), leads.waits()
    desk.prepare("bob")
    assert (leads.quality(0.1), leads.waits()) == before
    lease = desk.next("bob")
    desk.decide(lease.item.id, lease.item.version, "accept", operator="bob")
    assert leads.quality(0.1) == before[0]
