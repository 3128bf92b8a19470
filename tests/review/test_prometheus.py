"""A store's figures for Prometheus."""

from datetime import timedelta

import pytest

from tests.review.conftest import submit
from thermolang.review import LeadService, ReviewService, StoreCollector, TaskSettings

prometheus = pytest.importorskip("prometheus_client")


def values(store, clock):
    """Every sample as ``name{label values}: value``."""
    found = {}
    for metric in StoreCollector(store, clock=clock).collect():
        for sample in metric.samples:
            labels = ",".join(sample.labels.values())
            found[f"{sample.name.removeprefix('thermolang_review_')}{{{labels}}}"] = sample.value
    return found


def test_an_empty_store_has_a_number_for_each_status(any_store, clock):
    assert values(any_store, clock) == {
        **{f"items{{{status}}}": 0 for status in ("pending", "accepted", "corrected", "rejected")},
        **{f"{name}{{}}": 0 for name in ("flagged", "leases", "oldest_waiting_seconds")},
        "up{}": 1,
    }


def test_items_verdicts_leases_and_the_wait_are_counted(any_store, clock):
    items = [submit(any_store, value) for value in (0.1, 0.2, 0.3, 0.4, 0.5)]
    desk = ReviewService(any_store, clock=clock)
    desk.decide(items[0].id, 1, "reject", operator="ann", reason_code="wrong")
    desk.decide(items[1].id, 1, "accept", operator="ann")
    desk.leave(items[2].id, 1, "cannot_tell", operator="ann")
    clock.now = items[2].created_at + timedelta(hours=2)
    desk.next("ann")
    found = values(any_store, clock)
    assert found["items{pending}"] == 3 and found["items{rejected}"] == 1 and found["items{accepted}"] == 1
    assert found["verdicts{reject,wrong}"] == 1 and found["verdicts{accept,}"] == 1
    assert (found["flagged{}"], found["leases{}"], found["oldest_waiting_seconds{}"]) == (1, 1, 7200)
    clock.move(minutes=2)
    assert values(any_store, clock)["leases{}"] == 0


def test_copies_that_test_people_are_not_counted(any_store, clock):
    leads, desk = LeadService(any_store, clock=clock), ReviewService(any_store, clock=clock)
    probe, _ = submit(any_store, 0.7), submit(any_store, 0.3)
    desk.decide(probe.id, 1, "accept", operator="lea")
    leads.mark_probe(probe.id, operator="lea")
    leads.set_settings("*", TaskSettings(probe_share=0.5), operator="lea")
    before = values(any_store, clock)
    desk.prepare("ann")
    after = values(any_store, clock)
    assert any_store.list(limit=10) and after["items{pending}"] == before["items{pending}"] == 1


def test_no_name_is_a_label(any_store, clock):
    item = submit(any_store, question="secret question", task="secret task", model="secret model")
    desk = ReviewService(any_store, clock=clock)
    desk.next("secret operator")
    desk.decide(item.id, 1, "reject", operator="secret operator", note="secret note")
    assert "secret" not in str(values(any_store, clock))


def test_a_database_that_is_down_is_one_number(any_store, clock):
    any_store.close()
    assert values(any_store, clock) == {"up{}": 0}
