"""Answers that the audit has drawn look like those that were chosen by hand, in whatever an operator may ask for."""

import re

import pytest

from tests.desk.test_api import post
from thermolang import Confidence, Decision, Policy, ReviewStore
from thermolang.review import Audit


@pytest.fixture
def store():
    with ReviewStore("sqlite://", audit=Audit(1.0)) as store:
        yield store


def all_that_is_told(client, item_id):
    """Everything that the API says of an item, without what differs between any two."""
    lease = post(client, item_id, "open").text
    row = next(r for r in client.get("/api/v1/items").json()["rows"] if r["id"] == item_id)
    events = client.get(f"/api/v1/items/{item_id}/events").text
    told = f"{lease}\n{row}\n{events}".replace(item_id, "ID")
    return re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.+]+(Z|[+-]\d\d:\d\d)?|\d+ (UTC)?", "TIME", told)


def test_a_drawn_answer_cannot_be_told_from_one_that_was_chosen(alone, store):
    scored = Confidence(0.93, task="qa")
    drawn = store.submit_accepted("Why?", "So.", confidence=scored, decision=Policy(0.8).decide(scored))
    chosen = store.submit("Why?", "So.", confidence=scored, decision=Decision("review", "chosen for review", 0.8))
    told = all_that_is_told(alone, drawn.id)
    assert "audit" not in told
    assert "reaches the" not in told
    assert told == all_that_is_told(alone, chosen.id)
