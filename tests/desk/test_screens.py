"""What the documentation's pictures of the desk show: a short history, without a browser."""

from datetime import datetime, timedelta, timezone

import pytest

from thermolang import ReviewStore
from thermolang.review import Filter, LeadService, ReviewService, UserStore
from tools.desk_items import LEAD, REVIEWERS, fill, specials

NOW = datetime(2026, 11, 27, 15, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    file = tmp_path_factory.mktemp("screens") / "review.db"
    fill(file, NOW, days=2)
    with ReviewStore(f"sqlite:///{file}") as store:
        yield store


def test_the_items_that_show_one_thing_each_wait(filled):
    waiting = {item.question: item for item in filled.list()}
    assert waiting.keys() >= {one.question for one in specials()}
    assert any(item.confidence.value is None and item.confidence.reason for item in waiting.values())
    assert any(item.decision.fields for item in waiting.values())
    assert any(len(item.confidence.meanings(item.answer)) > 2 for item in waiting.values())
    assert not all(item.confidence.supported for item in waiting.values())
    assert ReviewService(filled).search(Filter(flagged=True)).total == 1


def test_people_have_worked_for_two_days(filled):
    leads = LeadService(filled)
    assert {user.name for user in UserStore(filled).all()} == {LEAD, *REVIEWERS}
    decided = [item for status in ("accepted", "corrected", "rejected") for item in filled.list(status=status)]
    assert {item.verdict.operator for item in decided} >= set(REVIEWERS)
    assert all(item.created_at < item.verdict.created_at <= NOW for item in decided)
    assert {item.created_at.date() for item in [*decided, *filled.list()]} == {
        NOW.date() - timedelta(days=1),
        NOW.date(),
    }
    assert leads.probes() and {alarm.seen_by for alarm in leads.alarms()} == {None, LEAD}
