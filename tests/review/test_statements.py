"""What taking, deciding and searching cost: few statements, one wait for the disk, an index of single letters."""

import pytest
from sqlalchemy import event

from tests.review.conftest import submit
from thermolang import ReviewStore
from thermolang.review import Filter, ReviewService


def test_taking_and_deciding_take_few_statements(desk, store):
    """Each costs an operator time; building them anew cost most."""
    for n in range(3):
        submit(store, n / 10)
    said = []
    for engine in {store._engine, store._quick}:
        event.listen(engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    lease = desk.next("ann")
    assert len(said) <= 8  # one more where all ids are before the operator's place in the circle
    said.clear()
    desk.decide(lease.item.id, 1, "accept", operator="ann")
    assert len(said) <= 9


def test_a_verdict_waits_for_the_disk_and_a_lease_does_not(desk, store):
    if store._engine.dialect.name != "sqlite":
        pytest.skip("a server decides that itself")
    with store._transaction() as durable, store._transaction(durable=False) as quick:
        # 2: each commit waits for the disk; 1: the next one of those does.
        assert [s.connection().exec_driver_sql("PRAGMA synchronous").scalar() for s in (durable, quick)] == [2, 1]
    submit(store)
    used = []
    event.listen(store._engine, "commit", lambda _: used.append("durable"))
    event.listen(store._quick, "commit", lambda _: used.append("quick"))
    lease = desk.next("ann")
    desk.renew(lease.item.id, "ann")
    desk.decide(lease.item.id, 1, "accept", operator="ann")
    assert used == ["quick", "quick", "durable"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("qz", [1, 2, 3]),  # at the beginning, within, and at the very end
        ("QZ", [1, 2, 3]),
        ("z", [1, 2, 3, 4]),
        ("首", [5]),
        ("都?", [5]),
        ("é", [6]),
        ("%", []),
        ("_", []),
        ("**", []),
        ("qx", []),
    ],
)
def test_one_and_two_letters_are_found_wherever_they_stand(desk, store, text, found):
    for value, question, answer in [
        (0.1, "Qz begins", "a"),
        (0.2, "aqza", "a"),
        (0.3, "a", "ends with qz"),
        (0.4, "a", "z"),
        (0.5, "首都?", "東京"),
        (0.6, "café", "thé"),
    ]:
        submit(store, value, question, answer)
    assert [round(row.confidence * 10) for row in desk.search(Filter(text)).rows] == found


def test_one_and_two_letters_of_items_from_before_the_index_are_found(any_empty_url):
    from tests.review.test_schema import old_database

    old_database(any_empty_url)  # its questions are "Where is a", "... b" and "... c"
    with ReviewStore(any_empty_url) as store:
        found = {text: ReviewService(store).search(Filter(text)).total for text in ("a", "re", "b", "is", "x")}
    assert found == {"a": 2, "re": 2, "b": 1, "is": 2, "x": 0}


def test_letters_with_many_hits_are_found_in_the_queues_order(desk, store, monkeypatch):
    monkeypatch.setattr("thermolang.review.search._FEW_HITS", 3)
    for n in range(5):
        submit(store, (5 - n) / 10, f"capital {n}")
    page = desk.search(Filter("ca"), limit=2)
    assert [row.question for row in page.rows] == ["capital 4", "capital 3"]
    assert (page.total, page.more) == (5, False)


def test_one_and_two_letters_are_found_without_their_index(desk, store):
    if store._engine.dialect.name != "postgresql":
        pytest.skip("SQLite lists the groups of its other index")
    submit(store, 0.1, "aqza")
    submit(store, 0.2, "b")
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX items_letters")
    assert [row.question for row in desk.search(Filter("qz")).rows] == ["aqza"]
