"""``thermolang audit`` and ``purge``: what they say, and their exit status."""

import json
import sqlite3

import pytest

from thermolang import Confidence, Decision, ReviewStore


@pytest.fixture
def path(tmp_path):
    """A database with an old item that was decided, and one that waits."""
    path = tmp_path / "reviews.db"
    with ReviewStore(f"sqlite:///{path}") as store:
        for action in ("reject", ""):
            item = store.submit("Why?", "So.", confidence=Confidence(0.4), decision=Decision("review", "low", 0.8))
            if action:
                store.decide(item.id, action, operator="ann", note="no")
    return path


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


def changed(path, statement):
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def test_what_is_as_it_was_written_verifies(run, url):
    head = run("audit", "head", "--store", url)[1].strip()
    code, said, _ = run("audit", "verify", "--store", url)
    assert (code, said.splitlines()[0]) == (0, "3 events are as they were written; 0 items were purged")
    assert "only a head that was kept" in said
    code, said, _ = run("audit", "verify", "--store", url, "--head", head)
    assert (code, len(said.splitlines())) == (0, 1)


def test_a_changed_line_is_named(run, url, path):
    changed(path, "UPDATE events SET actor = 'eve' WHERE what = 'rejected'")
    code, said, _ = run("audit", "verify", "--store", url)
    assert code == 1
    assert said.startswith("line 2: the line, or the item that it submitted, is not as it was written (item ")
    code, said, _ = run("audit", "verify", "--store", url, "--json")
    assert (code, json.loads(said)["problems"][0]["position"]) == (1, 2)


def test_an_empty_store_verifies(run, tmp_path):
    assert run("audit", "verify", "--store", f"sqlite:///{tmp_path / 'new.db'}")[1].startswith("0 events")


def test_what_is_no_head_is_refused(run, url):
    assert "a head is the number of lines" in run("audit", "verify", "--store", url, "--head", "abc")[2]


def test_old_items_are_purged_and_the_rest_is_told(run, url, path):
    changed(path, "UPDATE items SET created_at = '2026-01-01 00:00:00'")
    # The date is part of the chain; only this test may change it.
    code, said, _ = run("purge", "--store", url, "--older-than", "30d", "--yes")
    assert code == 0
    assert said.splitlines() == [
        "1 items purged",
        "1 items of that age still wait for a verdict and were left alone: decide them first",
    ]
    with ReviewStore(url) as store:
        assert {item.question for item in store.list(status="rejected")} == {""}


@pytest.mark.parametrize("age", ["90", "d", "-3d", "90 days", "1e3d"])
def test_an_age_that_is_none_is_refused(run, url, age):
    code, _, errors = run("purge", "--store", url, f"--older-than={age}", "--yes")
    assert code == 1
    assert "such as 36h, 90d or 12w" in errors


def test_what_a_rate_detects(run):
    said = run("audit", "detects", "--rate", 0.1, "--error", 0.1)[1]
    assert (
        "from 10.0 % to 15.0 % wrong: after 270 verdicts on audited answers, which are drawn from about 2,700" in said
    )
