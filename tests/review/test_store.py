"""The review store: order, verdicts, durability and everything that can go wrong."""

import doctest
import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from datetime import timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from thermolang import Confidence, Decision, Policy, ReviewStore
from thermolang.errors import ConflictError, StoreError
from thermolang.review import Audit, Draft, Filter, ReviewService, database
from thermolang.review import store as store_module
from thermolang.types import Alternative

REVIEW = Decision("review", "confidence 0.40 is below 0.80", 0.8)
NOBODY = 65534


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'review.db'}"


@pytest.fixture
def store(url):
    with ReviewStore(url) as store:
        yield store


def submit(store, value=0.4, question="Capital of Australia?", **options):
    return store.submit(question, "Sydney", confidence=Confidence(value), decision=REVIEW, **options)


def test_what_was_submitted_comes_back(store):
    confidence = Confidence(
        value=0.31,
        raw=0.93,
        temperature=2.4,
        interval=(0.2, 0.5),
        source="self_check",
        task="capitals",
        task_version=3,
        supported=False,
        novelty=1.2,
        alternatives=(Alternative("Canberra", 0.4, 4),),
    )
    item = store.submit(
        "Capital?",
        "Sydney",
        confidence=confidence,
        decision=REVIEW,
        context="Geography",
        model="smollm2-135m",
    )
    found = store.get(item.id)
    assert found == item
    assert (found.confidence, found.decision, found.reason) == (confidence, REVIEW, REVIEW.reason)
    assert (found.context, found.model, found.task) == ("Geography", "smollm2-135m", "capitals")
    assert (found.status, found.version, found.verdict) == ("pending", 1, None)
    assert found.created_at.tzinfo is timezone.utc
    assert len(found.id) == 32


def test_all_of_a_policys_decision_comes_back(store):
    policy = Policy(0.8, mode="shadow")
    scored = Confidence(0.62, task="qa", supported=False, novelty=1.4, calibrator="tiny@1", task_version=3)
    item = store.submit("q", "a", confidence=scored, decision=policy.decide(scored))
    found = store.get(item.id).decision
    assert found == policy.decide(scored)
    assert (found.code, found.mode, found.policy) == ("unsupported", "shadow", policy.fingerprint)
    assert "学習時の課題" in found.reason_ja
    assert (found.calibrator, found.task_version) == ("tiny@1", 3)


def test_doubtful_fields_are_kept_as_they_were_decided(store):
    scored = Confidence(0.5, fields={"name": Confidence(0.95), "age": Confidence(0.6)})
    decision = Policy(0.7, review_all=True).decide(scored)
    item = store.submit("q", "{}", confidence=scored, decision=decision)
    assert item.decision.fields == decision.fields


ACCEPTED = Decision("accept", "93 % reaches the 80 % needed", 0.8, code="accepted", reason_ja="達しています")


def offer(store, question, value=0.93, **options):
    confidence = Confidence(value, task="qa")
    return store.submit_accepted(question, "Canberra", confidence=confidence, decision=ACCEPTED, **options)


def test_of_accepted_answers_the_audit_keeps_its_share(tmp_path):
    with ReviewStore("sqlite://", audit=Audit(0.2)) as store:
        drawn = [question for question in map(str, range(500)) if offer(store, question)]
        assert 70 < len(drawn) < 130  # 100, and 3.4 standard deviations of 8.9
        assert store.counts()["pending"] == len(drawn)
        assert [offer(store, question) is not None for question in drawn] == [True] * len(drawn)
        assert store.counts()["pending"] == len(drawn)  # nothing is stored twice
    with ReviewStore("sqlite://", audit=Audit(0.2)) as other:
        backwards = [q for q in map(str, reversed(range(500))) if offer(other, q)]
    assert sorted(backwards) == sorted(drawn)  # in whatever order they come


def test_each_occurrence_with_a_key_of_its_own_is_drawn_anew():
    with ReviewStore("sqlite://", audit=Audit(0.5)) as store:
        drawn = sum(offer(store, "q", key=str(i)) is not None for i in range(100))
        assert 30 < drawn < 70
        assert store.counts()["pending"] == drawn


def test_only_accepted_answers_are_audited(store):
    with pytest.raises(StoreError, match="the audit is of accepted answers, not of one with 'review'"):
        store.submit_accepted("q", "a", confidence=Confidence(0.3), decision=REVIEW)


def test_an_audited_item_tells_an_operator_nothing(url):
    with ReviewStore(url, audit=Audit(1.0)) as store:
        drawn = offer(store, "q")
        chosen = store.submit("q", "a", confidence=Confidence(0.93), decision=Decision("review", "x", 0.8))
        assert drawn == store.get(drawn.id) == store.list(task="qa")[0]
        told = repr(drawn) + repr(store.events(drawn.id)) + repr(ReviewService(store).search(Filter(task="qa")))
        assert "audit" not in told
        assert "accept" not in told.replace("'accepted'", "")
        assert (drawn.decision.action, drawn.reason) == ("review", "chosen for review")
        assert drawn.reason_code == chosen.reason_code == "chosen"


def test_audited_items_stand_anywhere_in_the_queue(url):
    with ReviewStore(url, audit=Audit(1.0)) as store:
        for value in range(60):
            submit(store, value / 100)
        drawn = {offer(store, str(i)).id for i in range(60)}
        first = [item.id for item in store.list(limit=60)]
    # Half of the first half; 15 is 3.9 standard deviations off.
    assert 15 < len(drawn & set(first)) < 45


def test_texts_are_redacted_before_anything_is_stored(tmp_path):
    path = tmp_path / "review.db"
    with ReviewStore(f"sqlite:///{path}", redact=lambda text: text.replace("Smith", "[name]")) as store:
        scored = Confidence(0.3, alternatives=(Alternative("Smith!", 0.4, 2),), reason="Smith?")
        policy = Decision("review", "Smith", 0.8)
        item = store.submit("Who is Smith?", "Smith", confidence=scored, decision=policy, context="Mr Smith")
        ReviewService(store).save_draft(item.id, "ann", Draft("Smith", "Smith"))
        store.decide(item.id, "correct", operator="ann", corrected_answer="John Smith", note="Smith")
        assert store.get(item.id).verdict.corrected_answer == "John [name]"
    assert not any(b"Smith" in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("redact", [lambda text: 1 / 0, lambda text: None])
def test_what_cannot_be_redacted_is_not_stored(url, redact):
    with ReviewStore(url, redact=redact) as store:
        with pytest.raises(StoreError, match="nothing was stored"):
            submit(store)
        assert store.counts()["pending"] == 0


def test_the_items_survive_closing(url):
    with ReviewStore(url) as store:
        item = submit(store)
    with ReviewStore(url) as store:
        assert store.list() == [item]


def test_a_given_task_goes_before_that_of_the_confidence(store):
    item = store.submit("q", "a", confidence=Confidence(0.1, task="theirs"), decision=REVIEW, task="mine")
    assert item.task == "mine"


def test_odd_text_and_numbers_are_kept_not_lost(store):
    nan = float("nan")
    item = store.submit(
        "half \ud800 of a pair, NUL \0, 日本語",
        "=1+1 <b>",
        confidence=Confidence(nan, raw=nan, interval=(0.1, nan)),
        decision=REVIEW,
    )
    found = store.get(item.id)
    assert found.question == "half ? of a pair, NUL \ufffd, 日本語"
    assert found.answer == "=1+1 <b>"
    assert (found.confidence.value, found.confidence.raw, found.confidence.interval) == (None, None, None)


@settings(max_examples=30, deadline=None)  # each example migrates a database
@given(values=st.lists(st.floats(0, 1), max_size=12))
def test_the_most_doubtful_come_first(values):
    with ReviewStore("sqlite://") as store:
        items = [submit(store, value) for value in values]
        doubt = [(item.confidence.value, item.created_at, item.id) for item in items]
        assert [item.id for item in store.list(limit=20)] == [item_id for *_, item_id in sorted(doubt)]


def test_items_without_a_confidence_stand_among_the_others_not_before_them():
    with ReviewStore("sqlite://") as store:
        scored = [submit(store, value / 100).id for value in range(100)]
        for _ in range(100):
            submit(store, None)
        found = store.list(limit=200)
    assert [item.id for item in found if item.confidence.value is not None] == scored
    # Spread evenly: of the first half about 50 have no confidence; 30 is 4 standard deviations off.
    assert 30 < sum(item.confidence.value is None for item in found[:100]) < 70


def test_list_pages_and_filters(store):
    first, second, third = (submit(store, value, task=task) for value, task in [(0.1, "a"), (0.2, "b"), (0.3, "a")])
    store.decide(third.id, "accept", operator="ann")
    assert store.list() == [first, second]
    assert store.list(limit=1) == [first]
    assert store.list(limit=1, offset=1) == [second]
    assert store.list(limit=0) == []
    assert store.list(task="a") == [first]
    assert [item.id for item in store.list(status=None, task="a")] == [first.id, third.id]
    assert [item.id for item in store.list(status="accepted")] == [third.id]
    assert store.counts() == {"pending": 2, "accepted": 1, "corrected": 0, "rejected": 0}
    assert store.counts("a") == {"pending": 1, "accepted": 1, "corrected": 0, "rejected": 0}
    assert store.counts("none") == {"pending": 0, "accepted": 0, "corrected": 0, "rejected": 0}


@pytest.mark.parametrize(
    ("action", "correction", "status"),
    [("accept", None, "accepted"), ("correct", "Canberra", "corrected"), ("reject", None, "rejected")],
)
def test_a_verdict_is_kept_with_its_trail(store, action, correction, status):
    item = submit(store, model="smollm2-135m")
    done = store.decide(item.id, action, operator=" ann ", corrected_answer=correction, note="sure", version=1)
    assert done == store.get(item.id)
    assert (done.status, done.version, done.answer) == (status, 2, "Sydney")
    verdict = done.verdict
    assert (verdict.action, verdict.operator, verdict.note) == (action, "ann", "sure")
    assert verdict.corrected_answer == correction
    submitted, decided = store.events(item.id)
    assert (submitted.actor, submitted.what) == ("smollm2-135m", "submitted")
    assert (decided.actor, decided.what) == ("ann", status)
    assert decided.detail == {"action": action, "corrected_answer": correction, "note": "sure"}
    assert item.created_at <= submitted.at <= decided.at


def test_the_second_verdict_is_told_who_was_first(store):
    item = submit(store)
    store.decide(item.id, "accept", operator="ann")
    with pytest.raises(ConflictError, match=r"already decided by ann at 20\d\d-\d\d-\d\d \d\d:\d\d UTC: accepted"):
        store.decide(item.id, "reject", operator="bob")
    assert store.get(item.id).verdict.operator == "ann"
    assert [event.what for event in store.events(item.id)] == ["submitted", "accepted"]


def test_an_older_version_is_refused(store):
    item = submit(store)
    with pytest.raises(ConflictError, match="version 1, not 7; read it again"):
        store.decide(item.id, "accept", operator="ann", version=7)
    assert store.get(item.id) == item


@pytest.mark.parametrize(
    ("action", "options", "message"),
    [
        ("approve", {}, "unknown action 'approve'; one of accept, correct, reject"),
        ("accept", {"operator": " "}, "name of its operator"),
        ("correct", {}, "needs the corrected answer"),
        ("correct", {"corrected_answer": " \n"}, "needs the corrected answer"),
        ("reject", {"corrected_answer": "x"}, "goes with action 'correct', not 'reject'"),
        ("accept", {"reason_code": "wrong"}, "a reason code goes with action 'reject', not 'accept'"),
        ("reject", {"reason_code": "ugly"}, "unknown reason code 'ugly'; one of wrong"),
    ],
)
def test_incomplete_verdicts_change_nothing(store, action, options, message):
    item = submit(store)
    with pytest.raises(StoreError, match=message):
        store.decide(item.id, action, **{"operator": "ann", **options})
    assert store.get(item.id) == item
    assert len(store.events(item.id)) == 1


@pytest.mark.parametrize("version", [10**30, -1, True, 1.0, "1"])
def test_an_impossible_version_is_refused_by_name(store, version):
    item = submit(store)
    with pytest.raises(StoreError, match="a version is a whole number from 0 to 2147483647, got "):
        store.decide(item.id, "accept", operator="ann", version=version)
    assert store.get(item.id) == item


def test_texts_without_end_are_refused(store):
    item = submit(store)
    with pytest.raises(StoreError, match="the note has 30,000,000 characters, and 10,000 are the limit; shorten it"):
        store.decide(item.id, "accept", operator="ann", note="x" * 30_000_000)
    with pytest.raises(StoreError, match="the corrected answer has"):
        store.decide(item.id, "correct", operator="ann", corrected_answer="x" * 1_000_000)
    with pytest.raises(StoreError, match="the operator has"):
        store.decide(item.id, "accept", operator="x" * 201)
    with pytest.raises(StoreError, match="the question has"):
        submit(store, question="x" * 1_000_001)
    assert store.list(status=None) == [item]


def test_a_reason_code_is_kept_with_the_verdict(store):
    item = submit(store)
    done = store.decide(item.id, "reject", operator="ann", reason_code="off_topic")
    assert done.verdict.reason_code == "off_topic"
    assert store.events(item.id)[-1].detail["reason_code"] == "off_topic"


@pytest.mark.parametrize(
    ("confidence", "decision", "code"),
    [
        (Confidence(0.4), REVIEW, "below_threshold"),
        (Confidence(0.9), REVIEW, "chosen"),
        (Confidence(0.1), Decision("reject", "too low", 0.8), "below_rejection"),
        (Confidence(0.4, supported=False), REVIEW, "new_input"),
        (Confidence(0.4, reason_code="few_inputs"), REVIEW, "few_inputs"),
        (Confidence(None), REVIEW, "no_value"),
        (Confidence(None, reason_code="no_calibrator"), REVIEW, "no_calibrator"),
    ],
)
def test_why_an_item_waits_is_a_code(store, confidence, decision, code):
    item = store.submit("q", "a", confidence=confidence, decision=decision)
    assert store.get(item.id).reason_code == code


def test_unknown_items_and_filters_are_named(store):
    for call in (store.get, store.events, lambda item: store.decide(item, "accept", operator="ann")):
        with pytest.raises(StoreError, match=r"there is no item 'nix' in sqlite:///.*review\.db"):
            call("nix")
    with pytest.raises(StoreError, match="unknown status 'open'; one of pending"):
        store.list(status="open")
    with pytest.raises(StoreError, match="must not be negative, got -1 and 0"):
        store.list(limit=-1)


def test_the_example_in_the_docstring_works():
    assert doctest.testmod(store_module) == (0, 2)


def test_a_confidence_beyond_one_is_refused(store):
    with pytest.raises(StoreError, match=r"between 0 and 1, got 1\.5"):
        submit(store, 1.5)
    assert store.list() == []


def test_a_closed_store_says_so(url):
    store = ReviewStore(url)
    store.close()
    with pytest.raises(StoreError, match="this review store is closed"):
        store.counts()


def test_the_default_is_the_users_database(monkeypatch, tmp_path):
    monkeypatch.setenv("THERMOLANG_HOME", str(tmp_path))
    monkeypatch.delenv("THERMOLANG_STORE", raising=False)
    with ReviewStore() as store:
        assert store.url == f"sqlite:///{tmp_path}/data/review.db"
    assert (tmp_path / "data" / "review.db").exists()


def test_threads_deciding_one_item_have_one_winner(store):
    item = submit(store)
    start, won, lost = threading.Barrier(8), [], []

    def decide(name):
        start.wait()
        try:
            won.append(store.decide(item.id, "accept", operator=name).verdict.operator)
        except ConflictError as error:
            lost.append(str(error))

    threads = [threading.Thread(target=decide, args=(f"op{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert len(lost) == 7
    assert all(won[0] in message for message in lost)
    assert store.get(item.id).verdict.operator == won[0]


def run(script, *arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


DECIDE = """
import sys
from thermolang.errors import ConflictError
from thermolang import ReviewStore
url, item, name = sys.argv[1:]
with ReviewStore(url) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        store.decide(item, "reject", operator=name)
        print("won")
    except ConflictError as error:
        print("lost:", error)
"""


def test_processes_deciding_one_item_have_one_winner(store, url):
    item = submit(store)
    workers = [run(DECIDE, url, item.id, name) for name in ("ann", "bob")]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    said = sorted(worker.communicate(timeout=60)[0].split(":")[0].strip() for worker in workers)
    assert said == ["lost", "won"]
    assert store.counts()["rejected"] == 1


SUBMIT_AND_DIE = """
import os, signal, sys
from thermolang import Confidence, Decision, ReviewStore
store = ReviewStore(sys.argv[1])
item = store.submit("q", "a", confidence=Confidence(0.1), decision=Decision("review", "low", 0.8))
os.write(1, item.id.encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_item_survives_kill_9_right_after_submit(url):
    worker = run(SUBMIT_AND_DIE, url)
    item_id, _ = worker.communicate(timeout=60)
    assert worker.returncode == -signal.SIGKILL
    with ReviewStore(url) as store:
        assert [item.id for item in store.list()] == [item_id]


@pytest.fixture
def foreign_folder():
    """A folder of somebody else; root is not stopped by permissions, so it becomes nobody for the test."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    if os.geteuid() == 0:
        yield folder, lambda: os.seteuid(NOBODY)
        os.seteuid(0)
    else:
        yield folder, lambda: folder.chmod(0o555)
        folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_folder_is_named(foreign_folder):
    folder, forbid = foreign_folder
    forbid()
    for path in (folder / "r.db", folder / "deeper" / "r.db"):
        with pytest.raises(StoreError, match=rf"^cannot use .*{path}: it cannot be (opened|written); check"):
            ReviewStore(f"sqlite:///{path}")
    assert list(folder.iterdir()) == []


def test_a_read_only_file_is_named(foreign_folder):
    folder, forbid = foreign_folder
    path = folder / "r.db"
    with ReviewStore(f"sqlite:///{path}") as store:
        item = submit(store)
    path.chmod(0o444)
    forbid()
    with pytest.raises(StoreError, match=r"it cannot be (opened|written); check"):
        ReviewStore(f"sqlite:///{path}").decide(item.id, "accept", operator="ann")


def test_a_foreign_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 99)
    with pytest.raises(StoreError, match=r"letter\.txt: the file is not an SQLite database; move it away"):
        ReviewStore(f"sqlite:///{path}")
    assert path.read_text() == "Dear Sir or Madam, " * 99


def test_a_damaged_file_is_named(tmp_path, url):
    with ReviewStore(url) as store:
        submit(store)
    path = tmp_path / "review.db"
    content = path.read_bytes()
    path.write_bytes(content[: 3 * 4096] + b"\xff" * (len(content) - 3 * 4096))
    with pytest.raises(StoreError, match="the file is damaged; restore a backup"), ReviewStore(url) as store:
        store.list()


def test_a_locked_database_is_named(tmp_path, url):
    with ReviewStore(url, timeout=0.1) as store:
        other = sqlite3.connect(tmp_path / "review.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program keeps it locked; close that program"):
            submit(store)
        other.execute("ROLLBACK")
        other.close()
        assert store.list() == []
        submit(store)


def test_a_full_disk_loses_nothing_and_is_named(store):
    kept = submit(store)

    def fill(connection, _record, _proxy):
        connection.execute("PRAGMA max_page_count=1").close()

    event.listen(store._engine, "checkout", fill)
    with pytest.raises(StoreError, match="the disk is full or failing; free some space"):
        submit(store, question="long " * 9999)
    event.remove(store._engine, "checkout", fill)
    assert store.list() == [kept]
    assert len(store.events(kept.id)) == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("review.db", r"^'review\.db' is no database URL; expected sqlite:///path"),
        ("postgresql://u:secret@host:port/name", "^what was given is no database URL"),
        ("mysql://u:secret@host/name", r"mysql://u:\*\*\*@host/name: only SQLite and PostgreSQL"),
        ("sqlite:////dev/null/r.db", r"/dev/null/r\.db: .*; check"),
    ],
)
def test_urls_that_cannot_work(url, message):
    with pytest.raises(StoreError, match=message) as caught:
        ReviewStore(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_passwords_are_hidden_wherever_they_stand():
    url = store_module.parse_url("postgresql://ann:secret@host/name?password=secret&sslmode=require")
    assert database.without_password(url) == "postgresql+psycopg://ann:***@host/name?sslmode=require"


def test_postgresql_fails_with_one_line():
    with pytest.raises(StoreError, match=r"psycopg|refused") as caught:
        ReviewStore("postgresql://ann:secret@127.0.0.1:9/name", timeout=2)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_errors_of_the_system_are_explained(number):
    url = store_module.parse_url("sqlite://")
    with pytest.raises(StoreError, match=r"cannot be written|disk is full"), database.store_errors(url):
        raise OSError(number, os.strerror(number))


# Structured answers

ANSWER = '{"name": "Ada", "age": 36, "tags": ["x"]}'
BY_FIELD = Confidence(
    0.5, source="fields", fields={path: Confidence(p) for path, p in [("name", 0.9), ("age", 0.6), ("tags[0]", 0.8)]}
)


@pytest.fixture
def structured(store):
    decision = Policy(0.7).decide(BY_FIELD)
    return store.submit("Who?", ANSWER, confidence=BY_FIELD, decision=decision)


def test_an_item_knows_its_doubtful_fields(store, structured):
    item = store.get(structured.id)
    assert item.confidence == BY_FIELD and item.decision == structured.decision
    assert (item.decision.fields, item.decision.code) == (("age",), "doubtful_field")
    assert item.lessons == []


def judged(item):
    return {path: right for path, one in BY_FIELD.fields.items() for c, right in item.lessons if c == one}


def test_a_corrected_field_is_a_verdict_on_that_field(store, structured):
    corrected = '{"name": "Ada", "age": 35, "tags": ["x", "y"]}'
    item = store.decide(structured.id, "correct", operator="ann", corrected_answer=corrected)
    assert judged(item) == {"name": True, "age": False, "tags[0]": True} and len(item.lessons) == 3


def test_an_accepted_answer_says_that_every_field_is_right(store, structured):
    item = store.decide(structured.id, "accept", operator="ann")
    assert judged(item) == dict.fromkeys(BY_FIELD.fields, True)


@pytest.mark.parametrize("verdict", [{"action": "reject"}, {"action": "correct", "corrected_answer": "no JSON"}])
def test_what_says_nothing_of_fields_teaches_none(store, structured, verdict):
    item = store.decide(structured.id, operator="ann", **verdict)
    assert item.lessons == []


def test_a_plain_answer_is_one_lesson(store):
    item = store.submit("Why?", "So.", confidence=Confidence(0.4), decision=Decision("review", "low", 0.7))
    assert store.decide(item.id, "accept", operator="ann").lessons == [(Confidence(0.4), True)]
