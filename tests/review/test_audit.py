"""The hash chain: what it notices, what stays after a purge, and what it cannot notice."""

import sqlite3
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from thermolang import Confidence, Decision, ReviewStore
from thermolang.errors import InvalidInputError
from thermolang.review import Draft, Head, ReviewService, head, purge, verify
from thermolang.types import Alternative

REVIEW = Decision("review", "41 % of Sydney is below", 0.8, reason_ja="シドニー")
LATER = datetime.now(timezone.utc) + timedelta(days=100)
OLD = timedelta(days=90)


def filled(store):
    """Three items: corrected, rejected and waiting."""
    scored = Confidence(0.41, task="qa", alternatives=(Alternative("Sydney", 0.3, 2),), calibrator="tiny@1")
    items = [
        store.submit(
            f"Capital of Australia, {i}?", "Sydney", confidence=scored, decision=REVIEW, context="Sydney is big"
        )
        for i in range(3)
    ]
    ReviewService(store).save_draft(items[0].id, "bob", Draft("Sydney", "Sydney"))
    store.decide(items[0].id, "correct", operator="ann", corrected_answer="not Sydney", note="Sydney is wrong")
    store.decide(items[1].id, "reject", operator="bob", note="Sydney!")
    return items


def test_all_that_happens_is_in_the_chain(any_store):
    filled(any_store)
    found = verify(any_store)
    assert found.problems == ()
    assert found.head == head(any_store)
    assert (found.head.length, found.purged, found.before) == (5, 0, 0)


def test_an_empty_store_is_fine():
    with ReviewStore("sqlite://") as store:
        assert verify(store).problems == ()
        assert verify(store, head(store)).problems == ()


CHANGES = {
    "a question": ("UPDATE items SET question = 'x' WHERE id = :id", "texts are not those"),
    "a confidence": ("UPDATE items SET confidence = 0.9 WHERE id = :id", "not as it was written"),
    "a decision": ("UPDATE items SET decision_action = 'accept' WHERE id = :id", "not as it was written"),
    "a policy": ("UPDATE items SET policy = 'other' WHERE id = :id", "not as it was written"),
    "who decided": ("UPDATE events SET actor = 'eve' WHERE item_id = :id AND what = 'corrected'", "not as it was"),
    "a note": (
        "UPDATE events SET detail = REPLACE(CAST(detail AS TEXT), 'wrong', 'right') WHERE item_id = :id",
        "texts",
    ),
    "a verdict": (
        "UPDATE verdicts SET action = 'accept', corrected_answer = NULL WHERE item_id = :id",
        "verdict by ann",
    ),
    "a lost line": ("DELETE FROM events WHERE item_id = :id AND what = 'corrected'", "lines are missing"),
    "a lost text": ("UPDATE events SET salt = '' WHERE item_id = :id", "no purge deleted"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change):
    statement, said = CHANGES[change]
    with ReviewStore("sqlite://") as store:
        item = filled(store)[0]
        with store._transaction() as session:
            session.execute(text(statement), {"id": item.id})
        problems = verify(store).problems
    assert said in " ".join(problem.what for problem in problems)


def test_a_line_beside_the_chain_is_noticed():
    with ReviewStore("sqlite://") as store:
        item = filled(store)[0]
        added = (
            "INSERT INTO events (item_id, at, actor, what, detail) SELECT item_id, at, 'eve', what, detail FROM events"
        )
        with store._transaction() as session:
            session.execute(text(f"{added} WHERE item_id = :id LIMIT 1"), {"id": item.id})
        assert "1 events were added without the chain" in verify(store).problems[0].what


def test_only_a_head_kept_elsewhere_tells_that_the_end_was_cut_off():
    with ReviewStore("sqlite://") as store:
        filled(store)
        kept = head(store)
        with store._transaction() as session:
            session.execute(text("DELETE FROM verdicts WHERE operator = 'bob'"))
            session.execute(text("UPDATE items SET status = 'pending' WHERE status = 'rejected'"))
            session.execute(text("DELETE FROM events WHERE position = 5"))
            session.execute(text("UPDATE chain SET length = 4, head = (SELECT head FROM events WHERE position = 4)"))
        assert verify(store).problems == ()
        assert "does not pass through the head that was kept" in verify(store, kept).problems[0].what


def test_a_head_from_earlier_is_passed_through():
    with ReviewStore("sqlite://") as store:
        items = filled(store)
        kept = Head.parse(str(head(store)))
        store.decide(items[2].id, "accept", operator="ann")
        assert verify(store, kept).problems == ()
        assert verify(store, kept._replace(length=4)).problems


@pytest.mark.parametrize("written", ["", "12", "x:" + "0" * 64, "3:abc", "3:" + "g" * 64])
def test_what_is_no_head_is_refused(written):
    with pytest.raises(InvalidInputError, match="a head is the number of lines"):
        Head.parse(written)


def test_purged_texts_are_gone_and_the_chain_still_verifies(tmp_path):
    path = tmp_path / "review.db"
    with ReviewStore(f"sqlite:///{path}") as store:
        items = filled(store)
        kept = head(store)
        store.decide(items[2].id, "accept", operator="ann")
        assert any(b"Sydney" in file.read_bytes() for file in tmp_path.iterdir())
        assert purge(store, older_than=OLD, now=LATER) == (3, 0)
        found = verify(store, kept)
        assert (found.problems, found.purged) == ((), 3)
        item = store.get(items[0].id)
        assert (item.question, item.answer, item.context, item.reason) == ("", "", "", "")
        # Who decided what, and the numbers, stay.
        assert (item.status, item.verdict.action, item.verdict.operator) == ("corrected", "correct", "ann")
        assert (item.confidence.value, item.decision.threshold, item.confidence.calibrator) == (0.41, 0.8, "tiny@1")
        assert [event.what for event in store.events(item.id)] == ["submitted", "corrected", "purged"]
        assert purge(store, older_than=OLD, now=LATER) == (0, 0)
    # Not in the index of the text either, nor in free pages of the file.
    assert not any(b"Sydney" in file.read_bytes() for file in tmp_path.iterdir())


def test_a_purged_line_cannot_be_changed_either(any_store):
    item = filled(any_store)[0]
    purge(any_store, older_than=OLD, now=LATER)
    with any_store._transaction() as session:
        session.execute(
            text("UPDATE events SET actor = 'eve' WHERE item_id = :id AND what = 'corrected'"), {"id": item.id}
        )
    assert verify(any_store).problems


def test_what_waits_and_what_is_young_is_not_purged(any_store):
    items = filled(any_store)
    assert purge(any_store, older_than=OLD, now=datetime.now(timezone.utc)) == (0, 0)
    assert purge(any_store, older_than=OLD, now=LATER) == (2, 1)
    assert any_store.get(items[2].id).question
    with pytest.raises(InvalidInputError, match="an age is not negative"):
        purge(any_store, older_than=-OLD, now=LATER)


def test_events_from_before_the_chain_are_counted(tmp_path):
    path = tmp_path / "review.db"
    with ReviewStore(f"sqlite:///{path}") as store:
        filled(store)
    with sqlite3.connect(path) as old:  # as the migration leaves them
        old.execute("UPDATE events SET position = NULL, salt = '', private = '', head = ''")
        old.execute(f"UPDATE chain SET length = 0, head = '{'0' * 64}', begun_after = 5")
    old.close()
    with ReviewStore(f"sqlite:///{path}") as store:
        found = verify(store)
        assert (found.before, found.problems, found.head.length) == (5, (), 0)


def test_several_writers_make_one_chain(any_store):
    import threading

    def work():
        for _ in range(5):
            any_store.submit("q", "a", confidence=Confidence(0.3), decision=REVIEW)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify(any_store)
    assert (found.head.length, found.problems) == (20, ())
