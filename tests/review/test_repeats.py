"""Blind showings, probes and second reviews: they measure people only if nobody can tell."""

import random

import pytest
from sqlalchemy import event

from tests.review.conftest import submit
from thermolang.errors import ConflictError, StoreError
from thermolang.review import Filter, LeadService, ReviewService, TaskSettings, random_sample, weighted_verdicts
from thermolang.types import Decision


class Draws:
    """Random numbers that a test chooses."""

    def __init__(self, value=0.99):
        self.value = value

    def __call__(self):
        return self.value


@pytest.fixture
def draws():
    return Draws()


@pytest.fixture
def desk(any_store, clock, draws):
    return ReviewService(any_store, clock=clock, draw=draws)


@pytest.fixture
def leads(any_store, clock):
    return LeadService(any_store, clock=clock)


def settle_on(leads, task="*", **settings):
    leads.set_settings(task, TaskSettings(**settings), operator="lea")


def decide(desk, lease, action="accept", operator="ann", **more):
    return desk.decide(lease.item.id, lease.item.version, action, operator=operator, **more)


def texts(desk, operator, **chosen):
    return [row.question for row in desk.search(Filter(**chosen), operator=operator, others=False).rows]


# blind


def test_the_number_is_shown_or_hidden_by_task(desk, leads, any_store):
    submit(any_store, 0.3, task="open"), submit(any_store, 0.3, task="closed")
    settle_on(leads, "closed", mode="blind")
    assert desk.next("ann", Filter(task="open")).with_number is True
    assert desk.next("ann", Filter(task="closed")).with_number is False


def test_the_share_of_blind_showings_is_that_of_the_settings(leads):
    settle_on(leads, mode="random", blind_share=0.3)
    found = leads.settings()
    seen = [found.shows_number(f"{number:032x}", "any", "ann") for number in range(4000)]
    assert sum(seen) / 4000 == pytest.approx(0.7, abs=0.03)
    again = [found.shows_number(f"{number:032x}", "any", "bob") for number in range(4000)]
    assert sum(one == other for one, other in zip(seen, again, strict=True)) / 4000 == pytest.approx(0.58, abs=0.03)


def test_what_was_once_shown_with_its_number_is_not_blind_later(desk, leads, any_store):
    submit(any_store, 0.3)
    assert desk.next("ann").with_number
    settle_on(leads, mode="blind")
    assert desk.next("ann").with_number
    desk.release(desk.next("ann").item.id, "ann")
    assert not desk.next("bob").with_number


def test_lists_of_blind_tasks_tell_nothing_by_number_reason_filter_or_order(desk, leads, any_store):
    values = [0.7, 0.1, 0.4, None, 0.2]
    for value in values:
        submit(any_store, value, question=str(value), task="closed")
    submit(any_store, 0.15, question="seen", task="open")
    settle_on(leads, "closed", mode="blind")
    page = desk.search(Filter(task="closed"))
    assert [row.question for row in page.rows] == [str(value) for value in values]
    assert {(row.confidence, row.threshold, row.reason_code, row.blind) for row in page.rows} == {
        (None, None, "", True)
    }
    assert texts(desk, "ann", band="very_low") == texts(desk, "ann", reason_code="below_threshold") == ["seen"]
    assert [row.confidence for row in desk.search(Filter(task="open")).rows] == [0.15]


def test_a_decided_item_shows_its_number(desk, leads, any_store):
    settle_on(leads, mode="blind")
    submit(any_store, 0.3)
    decide(desk, desk.next("ann"))
    assert [row.confidence for row in desk.search(Filter(status="accepted")).rows] == [0.3]


def test_the_bands_of_a_blind_task_come_in_random_order(any_store, clock, leads):
    for value in (0.1, 0.3, 0.6, 0.9):
        submit(any_store, value)
    settle_on(leads, mode="blind")
    desk = ReviewService(any_store, clock=clock, draw=random.Random(3).random)
    first = set()
    for _ in range(30):
        lease = desk.next("ann")
        first.add(lease.item.confidence.value)
        desk.release(lease.item.id, "ann")
    assert first == {0.1, 0.3, 0.6, 0.9}


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"mode": "hidden"}, "unknown mode"), ({"probe_share": 0.6}, "probe share"), ({"double_share": -0.1}, "double")],
)
def test_impossible_settings_are_refused(leads, changes, said):
    with pytest.raises(StoreError, match=said):
        settle_on(leads, **changes)


def test_a_task_goes_back_to_the_settings_of_all(leads):
    settle_on(leads, mode="blind")
    settle_on(leads, "t", mode="shown")
    assert leads.settings().of("t").mode == "shown"
    leads.set_settings("t", None, operator="lea")
    assert leads.settings().of("t").mode == "blind"


# probes


@pytest.fixture
def probe(any_store, leads):
    """A wrong answer with a confident number, and its settings."""
    item = submit(any_store, 0.7, question="known")
    any_store.decide(item.id, "reject", operator="lea")
    leads.mark_probe(item.id, operator="lea")
    settle_on(leads, probe_share=0.5)
    return item


def test_a_probe_comes_as_an_ordinary_item(desk, leads, probe, any_store, draws):
    submit(any_store, 0.1, question="new")
    desk.prepare("ann")
    assert texts(desk, "ann") == ["new", "known"]
    draws.value = 0.1
    lease = desk.next("ann")
    assert (lease.item.question, lease.item.status, lease.item.version, lease.item.verdict) == (
        "known",
        "pending",
        1,
        None,
    )
    assert lease.item.id != probe.id
    decide(desk, lease)
    (trial,) = leads.trials()
    assert (trial.operator, trial.known_right, trial.accepted, trial.with_number) == ("ann", False, True, True)
    assert [(each.judged, each.judged_well) for each in leads.probes()] == [(1, 0)]
    desk.prepare("ann")
    assert texts(desk, "ann") == ["new"]  # nobody gets the same one twice


def test_the_copy_of_a_probe_is_nobody_elses_and_in_no_export(desk, leads, probe, any_store):
    submit(any_store, 0.1, question="new")
    desk.prepare("ann")
    assert texts(desk, "bob") == ["new"]
    assert [item.question for item in any_store.list()] == ["new"]
    assert any_store.counts()["pending"] == 1
    assert (desk.stats("ann")["pending"], desk.stats("bob")["pending"]) == (2, 1)
    assert desk.next("bob").item.question == "new"
    assert desk.next("cem") is None


def test_a_verdict_on_a_copy_neither_teaches_nor_certifies(desk, leads, any_store):
    item = submit(any_store, 0.7, question="known", decision=Decision("review", "all are reviewed", 1.0))
    any_store.decide(item.id, "reject", operator="lea")
    leads.mark_probe(item.id, operator="lea")
    settle_on(leads, probe_share=0.5)
    before = weighted_verdicts(any_store), random_sample(any_store)
    assert len(before[1].labels) == 1
    desk.prepare("ann")
    decide(desk, desk.next("ann"))
    assert leads.trials()
    assert (weighted_verdicts(any_store), random_sample(any_store)) == before


def test_who_knows_the_answer_gets_no_probe(desk, probe, leads, any_store):
    desk.prepare("lea")
    assert texts(desk, "lea") == []
    seen = submit(any_store, 0.2, question="seen")
    decide(desk, desk.next("ann"))
    leads.mark_probe(seen.id, operator="lea")
    desk.prepare("ann")
    assert texts(desk, "ann") == ["known"]


def test_the_original_of_a_probe_is_not_found_by_reviewers(desk, probe):
    desk.prepare("ann")
    assert texts(desk, "ann", status=None, text="known") == ["known"]
    assert len(desk.search(Filter(status=None), operator="lea").rows) == 1  # leads do not see the copies


def test_taking_a_probe_runs_the_same_statements_as_taking_another_item(desk, leads, probe, any_store, draws):
    submit(any_store, 0.1, question="new")
    desk.prepare("ann")
    ran = []
    event.listen(any_store._engine, "before_cursor_execute", lambda *args: ran.append(args[2]))

    def take(value):
        draws.value = value
        ran.clear()
        lease = desk.next("ann")
        statements = list(ran)
        desk.release(lease.item.id, "ann")
        return lease.item.question, statements

    (first, ordinary), (second, probing) = take(0.99), take(0.3)
    assert (first, second) == ("new", "known")
    ran.clear()
    assert ordinary == probing


def test_the_share_of_probes_is_that_of_the_settings(any_store, clock, leads):
    settle_on(leads, probe_share=0.2)
    for _ in range(60):
        item = submit(any_store, 0.1, question="known")
        any_store.decide(item.id, "accept", operator="lea")
        leads.mark_probe(item.id, operator="lea")
    for number in range(200):
        submit(any_store, 0.1, question=f"new {number}")
    desk = ReviewService(any_store, clock=clock, draw=random.Random(5).random)
    met = []
    for _ in range(150):
        desk.prepare("ann")
        lease = desk.next("ann")
        met.append(lease.item.question == "known")
        decide(desk, lease)
    assert sum(met) / len(met) == pytest.approx(0.2, abs=0.08)


def test_seconds_are_counted_from_the_last_showing(desk, leads, probe, clock):
    desk.prepare("ann")
    desk.next("ann")
    clock.move(hours=1)
    lease = desk.next("ann")
    clock.move(seconds=7)
    decide(desk, lease, "reject")
    assert [trial.seconds for trial in leads.trials()] == [7.0]


def test_a_probe_is_decided_first_is_no_copy_and_keeps_its_verdict(desk, leads, probe, any_store):
    pending = submit(any_store, 0.2)
    with pytest.raises(StoreError, match="decide the item first"):
        leads.mark_probe(pending.id, operator="lea")
    with pytest.raises(StoreError, match="unmark it first"):
        desk.reopen(probe.id, 2, operator="lea")
    desk.prepare("ann")
    copy = desk.open(desk.search(Filter(text="known"), operator="ann").rows[0].id, "ann")
    decide(desk, copy)
    with pytest.raises(StoreError, match="copy of another one"):
        leads.mark_probe(copy.item.id, operator="lea")


def test_a_probe_that_is_taken_back_counts_no_more_and_its_copies_go(desk, leads, probe):
    desk.prepare("ann"), desk.prepare("bob")
    decide(desk, desk.next("ann"))
    leads.unmark_probe(probe.id, operator="lea")
    assert (leads.trials(), leads.probes(), texts(desk, "bob"), desk.next("bob")) == ([], [], [], None)
    assert desk.stats("bob")["pending"] == 0
    with pytest.raises(StoreError, match="no probe"):
        leads.unmark_probe(probe.id, operator="lea")


# second reviews


@pytest.fixture
def decided(desk, leads, any_store, draws):
    """An item that ann has accepted and that is to be judged again."""
    settle_on(leads, double_share=0.5)
    draws.value = 0.2
    submit(any_store, 0.3, question="twice")
    item = decide(desk, desk.next("ann"), note="sure")
    draws.value = 0.99
    return item


def test_a_second_operator_judges_without_the_first_verdict(desk, leads, decided, any_store):
    desk.prepare("ann"), desk.prepare("bob")
    assert (texts(desk, "ann"), texts(desk, "bob")) == ([], ["twice"])
    assert texts(desk, "bob", status=None, text="twice") == ["twice"]
    lease = desk.next("bob")
    assert (lease.item.id == decided.id, lease.item.verdict, lease.item.version) == (False, None, 1)
    decide(desk, lease, "reject", "bob", reason_code="wrong")
    (found,) = leads.disagreements()
    assert (found.first.verdict.operator, found.second.verdict.operator) == ("ann", "bob")
    assert (leads.agreement().pairs, leads.agreement().agreed.share) == (1, 0.0)
    assert any_store.get(decided.id).status == "accepted"


def test_a_lead_lets_the_first_verdict_stand(desk, leads, decided, any_store):
    desk.prepare("bob")
    decide(desk, desk.next("bob"), "reject", "bob")
    assert leads.settle(decided.id, "first", operator="lea").status == "accepted"
    assert leads.disagreements() == []
    with pytest.raises(StoreError, match="lea has settled this already"):
        leads.settle(decided.id, "second", operator="lea")


def test_a_lead_puts_the_second_verdict_in_the_place_of_the_first(desk, leads, decided, any_store):
    desk.prepare("bob")
    decide(desk, desk.next("bob"), "correct", "bob", corrected_answer="Canberra", note="look")
    item = leads.settle(decided.id, "second", operator="lea")
    assert (item.status, item.verdict.corrected_answer, item.verdict.operator) == ("corrected", "Canberra", "lea")
    assert item.verdict.note == "bob: look"
    assert [event.what for event in any_store.events(decided.id)][-3:] == ["settled", "reopened", "corrected"]
    assert leads.agreement().agreed.total == 1  # what the two said is still known


def test_an_undone_verdict_is_judged_no_second_time(desk, leads, decided):
    desk.prepare("bob")
    desk.undo(decided.id, 2, operator="ann")
    assert (texts(desk, "bob"), leads.agreement().pairs) == (["twice"], 0)  # the item itself, held by ann
    assert desk.next("bob") is None


def test_an_undone_second_verdict_is_no_pair(desk, leads, decided):
    desk.prepare("bob")
    lease = desk.next("bob")
    decide(desk, lease, "reject", "bob")
    desk.undo(lease.item.id, 2, operator="bob")
    assert (leads.agreement().pairs, leads.disagreements()) == (0, [])


def test_a_second_review_that_is_left_alone_goes_to_somebody_else(desk, decided, clock):
    desk.prepare("bob")
    clock.move(hours=5)
    desk.prepare("cem")
    assert (texts(desk, "bob"), texts(desk, "cem")) == ([], ["twice"])


def test_two_at_once_get_one_second_review_between_them(desk, decided):
    desk.prepare("bob"), desk.prepare("cem")
    assert [texts(desk, name) for name in ("bob", "cem")] == [["twice"], []]


def test_who_has_skipped_an_item_is_not_its_second_judge(desk, leads, any_store, draws):
    settle_on(leads, double_share=1.0)
    submit(any_store, 0.3, question="twice")
    lease = desk.next("bob")
    desk.leave(lease.item.id, 1, "skip", operator="bob")
    decide(desk, desk.next("ann"))
    desk.prepare("bob")
    assert texts(desk, "bob") == []


def test_nobody_settles_what_does_not_differ(leads, any_store, desk, decided):
    with pytest.raises(StoreError, match="no two verdicts"):
        leads.settle(decided.id, "first", operator="lea")
    with pytest.raises(StoreError, match="first or second"):
        leads.settle(decided.id, "third", operator="lea")


def test_an_item_that_cannot_be_told_stays_away_like_any_other(desk, leads, probe, any_store):
    desk.prepare("ann")
    lease = desk.next("ann")
    desk.leave(lease.item.id, 1, "cannot_tell", operator="ann")
    assert (desk.next("ann"), desk.stats("ann")["flagged"], desk.stats("lea")["flagged"]) == (None, 1, 0)
    with pytest.raises(ConflictError):
        desk.decide(lease.item.id, 1, "accept", operator="ann")
