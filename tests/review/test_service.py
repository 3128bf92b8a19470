"""The desk's service: leases, verdicts, undo, drafts and search, for several operators at once."""

import doctest
import threading
from datetime import timedelta

import pytest

from tests.review.conftest import REVIEW, submit
from thermolang import Confidence, ReviewStore
from thermolang.errors import ConflictError, StoreError
from thermolang.review import Draft, Filter, ReviewService
from thermolang.review import service as service_module
from thermolang.review.service import LEASE, UNDO


def question(lease):
    return lease.item.question if lease else None


def work_off(desk, operator, chosen=None):
    """Questions in the order in which an operator gets them."""
    found = []
    while lease := desk.next(operator, chosen):
        found.append(lease.item.question)
        desk.decide(lease.item.id, lease.item.version, "accept", operator=operator)
    return found


# next and leases


def test_two_operators_get_two_items(desk, store):
    first, second = submit(store, 0.1), submit(store, 0.1)
    assert {desk.next("ann").item.id, desk.next("bob").item.id} == {first.id, second.id}
    assert desk.next("cy") is None
    assert desk.stats("cy")["leased"] == 2


def test_ones_own_item_comes_first_and_renews_its_lease(desk, store, clock):
    for _ in range(3):
        submit(store, 0.1)
    taken = desk.next("ann")
    clock.move(seconds=30)
    again = desk.next("ann")
    assert (again.item, again.operator) == (taken.item, "ann")
    assert again.until == taken.until + timedelta(seconds=30)


def test_ones_own_item_is_left_where_the_filter_asks_for_others(desk, store):
    submit(store, 0.1, "q 1", task="a")
    submit(store, 0.1, "q 2", task="b")
    assert question(desk.next("ann", Filter(task="a"))) == "q 1"
    assert question(desk.next("ann", Filter(task="b"))) == "q 2"


def test_a_dead_lease_hides_nothing(desk, store, clock):
    item = submit(store)
    desk.next("ann")
    clock.move(seconds=LEASE.seconds - 1)
    assert desk.next("bob") is None
    clock.move(seconds=1)
    assert desk.next("bob").item.id == item.id


def test_a_heartbeat_keeps_a_lease_and_tells_when_it_is_lost(desk, store, clock):
    item = submit(store)
    desk.next("ann")
    clock.move(seconds=60)
    assert desk.renew(item.id, "ann")
    clock.move(seconds=60)
    assert desk.next("bob") is None
    clock.move(seconds=60)
    assert desk.next("bob").operator == "bob"
    assert not desk.renew(item.id, "ann")


def test_a_clock_that_jumps_back_does_not_lock_an_item_for_its_operator(desk, store, clock):
    item = submit(store)
    desk.next("ann")
    clock.move(hours=-5)
    assert desk.next("ann").item.id == item.id
    desk.decide(item.id, 1, "accept", operator="ann")


def test_a_released_item_is_free(desk, store):
    item = submit(store)
    desk.next("ann")
    desk.release(item.id, "bob")
    assert desk.next("bob") is None
    desk.release(item.id, "ann")
    assert desk.next("bob").item.id == item.id


def test_opening_an_item_leases_it_or_says_whose_it_is(desk, store):
    item = submit(store)
    assert desk.open(item.id, "ann").operator == "ann"
    seen = desk.open(item.id, "bob")
    assert (seen.operator, seen.item) == ("ann", item)
    done = desk.decide(item.id, 1, "accept", operator="ann")
    seen = desk.open(item.id, "bob")
    assert (seen.item, seen.operator, seen.until) == (done, "ann", None)


def test_bands_come_in_order_and_each_operator_has_another_order_within(desk, store, clock):
    for n in range(12):
        submit(store, 0.1, f"low {n}")
        submit(store, 0.6, f"high {n}")
    with ReviewStore("sqlite://") as other:
        for item in store.list(limit=100):
            other.submit(item.question, item.answer, confidence=item.confidence, decision=REVIEW)
        orders = [work_off(ReviewService(other), "zoe")]
    orders.append(work_off(desk, "ann"))
    for order in orders:
        assert [text.split()[0] for text in order] == ["low"] * 12 + ["high"] * 12
    assert len(set(orders[1])) == 24


def test_operators_start_at_different_places(store, clock):
    for n in range(40):
        submit(store, 0.1, f"q {n}")
    starts = set()
    for operator in "abcdefgh":
        desk = ReviewService(store, clock=clock)
        lease = desk.next(operator)
        starts.add(lease.item.question)
        desk.release(lease.item.id, operator)
    assert len(starts) >= 5


def test_items_without_a_confidence_come_among_the_others(desk, store):
    for n in range(30):
        submit(store, n / 30, "known")
    for _ in range(30):
        submit(store, None, "unknown")
    order = work_off(desk, "ann")
    assert order.count("unknown") == 30
    assert 3 < order[:30].count("unknown") < 27


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (Filter(task="a"), {"q 1", "q 3"}),
        (Filter(band="medium"), {"q 2"}),
        (Filter(band="unknown"), {"q 3"}),
        (Filter(reason_code="no_value"), {"q 3"}),
        (Filter(text="Q 1"), {"q 1"}),
        (Filter(text="nothing"), set()),
    ],
)
def test_the_queue_is_worked_off_through_a_filter(desk, store, chosen, expected):
    for n, value, task in [(1, 0.1, "a"), (2, 0.6, "b"), (3, None, "a")]:
        submit(store, value, f"q {n}", task=task)
    assert set(work_off(desk, "ann", chosen)) == expected
    assert desk.stats()["pending"] == 3 - len(expected)


# decide


def test_a_verdict_needs_the_version_that_was_shown(desk, store):
    item = submit(store)
    with pytest.raises(ConflictError, match="version 1, not 2; read it again"):
        desk.decide(item.id, 2, "accept", operator="ann")
    with pytest.raises(StoreError, match="carries the version"):
        desk.decide(item.id, None, "accept", operator="ann")
    with pytest.raises(StoreError, match="a version is a whole number from 0 to 2147483647, got one of 100 bits"):
        desk.decide(item.id, 10**30, "accept", operator="ann")
    assert desk.decide(item.id, 1, "accept", operator="ann").status == "accepted"


def test_a_verdict_on_somebody_elses_item_says_who_is_on_it(desk, store, clock):
    item = submit(store)
    desk.next("ann")
    clock.move(seconds=LEASE.seconds)
    desk.next("bob")
    with pytest.raises(ConflictError, match=r"bob is working on this item until 08:03:00 UTC; take another one"):
        desk.decide(item.id, 1, "accept", operator="ann")
    assert store.get(item.id).verdict is None
    assert desk.decide(item.id, 1, "reject", operator="bob", reason_code="wrong").verdict.reason_code == "wrong"


def test_a_verdict_after_ones_lease_ended_counts_if_nobody_took_the_item(desk, store, clock):
    item = submit(store)
    desk.next("ann")
    clock.move(hours=1)
    assert desk.decide(item.id, 1, "accept", operator="ann").status == "accepted"


def test_who_comes_late_is_told_who_when_and_what(desk, store):
    item = submit(store)
    desk.decide(item.id, 1, "accept", operator="bob")
    with pytest.raises(ConflictError, match="already decided by bob at 2026-11-29 08:00 UTC: accepted"):
        desk.decide(item.id, 1, "reject", operator="ann")


def test_a_draft_outlives_a_lost_race(desk, store):
    item = submit(store)
    desk.save_draft(item.id, "ann", Draft("Canberra", "sure"))
    desk.decide(item.id, 1, "accept", operator="bob")
    assert desk.open(item.id, "ann").draft == Draft("Canberra", "sure")


def test_threads_with_one_item_have_one_winner(store):
    item, start, won, lost = submit(store), threading.Barrier(6), [], []

    def decide(name):
        desk = ReviewService(store)
        start.wait()
        try:
            won.append(desk.decide(item.id, 1, "accept", operator=name).verdict.operator)
        except ConflictError:
            lost.append(name)

    threads = [threading.Thread(target=decide, args=(f"op {n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    assert store.get(item.id).verdict.operator == won[0]


def test_threads_share_a_queue_without_a_collision(store):
    for n in range(60):
        submit(store, n / 60, f"q {n}")
    failures, done = [], []

    def work(name):
        try:
            done.extend(work_off(ReviewService(store), name))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"op {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(done) == sorted(f"q {n}" for n in range(60))


# skip and cannot tell


def test_a_skipped_item_comes_back_last_and_at_once_to_others(desk, store):
    first, second = submit(store, 0.1, "q 1"), submit(store, 0.9, "q 2")
    assert desk.next("ann").item.id == first.id
    desk.leave(first.id, 1, "skip", operator="ann")
    assert desk.next("ann").item.id == second.id
    assert desk.next("bob").item.id == first.id
    desk.release(first.id, "bob")
    desk.decide(second.id, 1, "accept", operator="ann")
    assert desk.stats("ann")["passed"] == 1
    # No false "all done": what was skipped still waits.
    assert desk.next("ann").item.id == first.id


def test_what_a_reviewer_cannot_tell_waits_for_a_lead(desk, store):
    item = submit(store)
    desk.leave(item.id, 1, "cannot_tell", operator="ann", note="two capitals?")
    assert (desk.next("ann"), desk.next("bob")) == (None, None)
    assert desk.stats()["flagged"] == 1
    (row,) = desk.search(Filter(flagged=True)).rows
    assert (row.id, row.flagged, row.version) == (item.id, True, 2)
    lease = desk.next("lee", Filter(flagged=True))
    assert lease.item.id == item.id
    event = store.events(item.id)[-1]
    assert (event.what, event.actor, event.detail) == ("cannot_tell", "ann", {"note": "two capitals?"})
    assert desk.decide(item.id, 2, "accept", operator="lee").flagged is False
    assert desk.stats()["flagged"] == 0


def test_leaving_needs_the_item_as_it_was_shown(desk, store):
    item = submit(store)
    desk.next("bob")
    with pytest.raises(ConflictError, match="bob is working on this item"):
        desk.leave(item.id, 1, "skip", operator="ann")
    with pytest.raises(ConflictError, match="version 1, not 5"):
        desk.leave(item.id, 5, "skip", operator="bob")
    with pytest.raises(StoreError, match="unknown way to leave an item 'sulk'"):
        desk.leave(item.id, 1, "sulk", operator="bob")
    desk.decide(item.id, 1, "accept", operator="bob")
    with pytest.raises(ConflictError, match="already decided by bob"):
        desk.leave(item.id, 1, "skip", operator="ann")


# undo and reopen


def test_a_verdict_is_undone_within_a_minute(desk, store, clock):
    item = submit(store)
    done = desk.decide(item.id, 1, "correct", operator="ann", corrected_answer="Canberra", note="sure")
    clock.move(seconds=UNDO.seconds)
    back = desk.undo(item.id, done.version, operator="ann")
    assert (back.item.status, back.item.verdict, back.item.version) == ("pending", None, 3)
    assert (back.operator, back.draft) == ("ann", Draft("Canberra", "sure"))
    assert desk.next("bob") is None
    assert [event.what for event in store.events(item.id)] == ["submitted", "corrected", "undone"]
    assert desk.decide(item.id, 3, "accept", operator="ann").status == "accepted"


def test_undo_is_for_ones_own_last_minute(desk, store, clock):
    item = submit(store)
    with pytest.raises(ConflictError, match="only one's own verdict"):
        desk.undo(item.id, 1, operator="ann")
    desk.decide(item.id, 1, "accept", operator="ann")
    with pytest.raises(ConflictError, match="only one's own verdict"):
        desk.undo(item.id, 2, operator="bob")
    with pytest.raises(ConflictError, match="version 2, not 1"):
        desk.undo(item.id, 1, operator="ann")
    clock.move(seconds=UNDO.seconds + 1)
    with pytest.raises(ConflictError, match="for 60 seconds; a lead can reopen"):
        desk.undo(item.id, 2, operator="ann")
    assert store.get(item.id).status == "accepted"


def test_reopening_keeps_the_old_verdict_in_the_trail(desk, store):
    item = submit(store)
    with pytest.raises(StoreError, match="undecided: there is nothing to reopen"):
        desk.reopen(item.id, 1, operator="lee")
    desk.decide(item.id, 1, "accept", operator="ann")
    back = desk.reopen(item.id, 2, operator="lee", note="look again")
    assert (back.status, back.verdict, back.version) == ("pending", None, 3)
    event = store.events(item.id)[-1]
    assert (event.what, event.actor, event.detail) == ("reopened", "lee", {"verdict": "accept", "note": "look again"})


def test_reopening_needs_the_version_that_was_read(desk, store):
    item = submit(store)
    desk.decide(item.id, 1, "accept", operator="ann")
    with pytest.raises(ConflictError, match="version 2, not 9; read it again"):
        desk.reopen(item.id, 9, operator="lee")


# drafts


def test_a_draft_is_each_operators_own_and_goes_with_the_verdict(desk, store):
    item = submit(store)
    desk.save_draft(item.id, "ann", Draft("Canb"))
    desk.save_draft(item.id, "ann", Draft("Canberra", "n\0te"))
    assert desk.draft(item.id, "ann") == Draft("Canberra", "n\ufffdte")
    assert desk.draft(item.id, "bob") == Draft()
    assert desk.next("ann").draft == Draft("Canberra", "n\ufffdte")
    desk.decide(item.id, 1, "accept", operator="ann")
    assert desk.draft(item.id, "ann") == Draft()


def test_a_draft_is_there_after_the_store_was_opened_again(any_url, clock):
    with ReviewStore(any_url) as store:
        item = submit(store)
        ReviewService(store, clock=clock).save_draft(item.id, "ann", Draft("half a th"))
    with ReviewStore(any_url) as store:
        assert ReviewService(store, clock=clock).next("ann").draft.correction == "half a th"


def test_a_draft_without_end_or_item_is_refused(desk, store):
    item = submit(store)
    with pytest.raises(StoreError, match="the note has 10,001 characters"):
        desk.save_draft(item.id, "ann", Draft(note="x" * 10_001))
    with pytest.raises(StoreError, match="there is no item 'nix'"):
        desk.save_draft("nix", "ann", Draft("x"))


# search and stats


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [1, 2, 3]),
        ("CANBERRA", [1]),
        ("首都", [2]),
        ("オーストラリア", [2]),
        ("100%", [3]),
        ("%", [3]),
        ("a_b", [3]),
        ("_", [3]),
        ("!", [3]),
        ('say "it', [1]),
        ("'; DROP TABLE items; --", []),
        ("xyz OR Canberra", []),
        ("anb", [1]),
        ("\0", []),
    ],
)
def test_text_is_found_as_it_is_written(desk, store, text, found):
    submit(store, 0.1, "Is it Canberra?", 'They say "it is".')
    submit(store, 0.2, "オーストラリアの首都は?", "シドニー")
    submit(store, 0.3, "What is 100% of a_b!", "nothing")
    values = [round(row.confidence * 10) for row in desk.search(Filter(text)).rows]
    assert values == found


def test_a_text_with_many_hits_is_found_in_the_queues_order(desk, store, monkeypatch):
    monkeypatch.setattr("thermolang.review.search._FEW_HITS", 3)
    for n in range(5):
        submit(store, (5 - n) / 10, f"capital {n}")
    page = desk.search(Filter("capital"), limit=2)
    assert [row.question for row in page.rows] == ["capital 4", "capital 3"]
    assert (page.total, page.more) == (5, False)


def test_without_an_index_of_the_text_search_reads_the_rows(store, clock):
    submit(store, 0.1, "Canberra")
    kind = store._engine.dialect.name
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE items_text" if kind == "sqlite" else "DROP INDEX items_text")
    assert ReviewService(store, clock=clock).search(Filter("anberr")).total == 1


def test_search_filters_orders_and_pages(desk, store):
    for n, value in enumerate((0.3, 0.1, 0.2)):
        submit(store, value, f"q {n}", task="t" if n else "u")
    desk.decide(store.list()[0].id, 1, "accept", operator="ann")
    assert [row.question for row in desk.search(order="confidence").rows] == ["q 2", "q 0"]
    assert [row.question for row in desk.search(order="oldest").rows] == ["q 0", "q 2"]
    assert [row.question for row in desk.search(order="newest", limit=1, offset=1).rows] == ["q 0"]
    (row,) = desk.search(Filter(status=None, operator="ann")).rows
    assert (row.question, row.status, row.operator) == ("q 1", "accepted", "ann")
    assert [row.question for row in desk.search(Filter(status=None, task="t")).rows] == ["q 1", "q 2"]
    assert desk.tasks() == ["t", "u"]


def test_a_list_says_who_is_on_an_item(desk, store, clock):
    submit(store)
    desk.next("ann")
    assert desk.search().rows[0].operator == "ann"
    clock.move(minutes=5)
    assert desk.search().rows[0].operator == ""


def test_counting_stops_somewhere(desk, store, monkeypatch):
    monkeypatch.setattr("thermolang.review.search.MAX_COUNT", 2)
    for _ in range(3):
        submit(store)
    page = desk.search(limit=1)
    assert (page.total, page.more, len(page.rows)) == (2, True, 1)


@pytest.mark.parametrize(
    ("chosen", "options", "message"),
    [
        (Filter(status="open"), {}, "unknown status 'open'"),
        (Filter(band="huge"), {}, "unknown band 'huge'"),
        (Filter("x" * 501), {}, "the search has 501 characters"),
        (Filter(), {"order": "luck"}, "unknown order 'luck'"),
        (Filter(), {"limit": 0}, "1 to 200 rows, got 0"),
        (Filter(), {"offset": -1}, "starts at 0"),
    ],
)
def test_impossible_searches_are_named(desk, chosen, options, message):
    with pytest.raises(StoreError, match=message):
        desk.search(chosen, **options)


def test_the_change_counter_grows_with_what_happens(desk, store):
    seen = [desk.changes()]
    item = submit(store)
    seen.append(desk.changes())
    desk.decide(item.id, 1, "accept", operator="ann")
    seen.append(desk.changes())
    desk.undo(item.id, 2, operator="ann")
    seen.append(desk.changes())
    assert seen == sorted(set(seen))
    assert desk.stats()["changes"] == seen[-1]


def test_stats_count_each_status_and_why_the_rest_waits(desk, store):
    items = [submit(store) for _ in range(4)]
    desk.decide(items[0].id, 1, "accept", operator="ann")
    desk.leave(items[1].id, 1, "cannot_tell", operator="ann")
    desk.leave(items[2].id, 1, "skip", operator="ann")
    desk.open(items[3].id, "bob")
    stats = desk.stats("ann")
    del stats["changes"]
    assert stats == {
        "pending": 3,
        "accepted": 1,
        "corrected": 0,
        "rejected": 0,
        "flagged": 1,
        "leased": 1,
        "passed": 1,
    }


def test_the_example_in_the_docstring_works():
    assert doctest.testmod(service_module).failed == 0


def test_a_name_is_needed(desk):
    with pytest.raises(StoreError, match="needs the name of its operator"):
        desk.next(" ")


def test_confidences_come_back_whole(desk, store):
    confidence = Confidence(0.4, raw=0.7, source="choice", task="qa")
    store.submit("q", "a", confidence=confidence, decision=REVIEW)
    assert desk.next("ann").item.confidence == confidence
