"""/metrics: who may read it, what is counted, and that nothing private is a label."""

import pytest
from thermolang_desk import Access, create_app

from tests.desk.conftest import PASSWORD, browser
from tests.desk.test_api import post
from thermolang import ThermolangError
from thermolang.review import TokenStore, User, UserStore

TOKEN = "a token for metrics only"


@pytest.fixture
def app(store):
    return create_app(store, Access(UserStore(store), metrics_token=TOKEN))


def scraper(app, token=TOKEN):
    return browser(app, authorization=f"Bearer {token}")


def lines(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    return answer.text.splitlines()


def test_admins_and_the_token_read_it_and_nobody_else(app, store, logged_in):
    producer = TokenStore(store).add("router")
    statuses = {
        "nobody": browser(app).get("/metrics").status_code,
        "reviewer": logged_in("ann").get("/metrics").status_code,
        "lead": logged_in("lee", "lead").get("/metrics").status_code,
        "producer": scraper(app, producer).get("/metrics").status_code,
        "wrong": scraper(app, "x" * 24).get("/metrics").status_code,
        "admin": logged_in("ada", "admin").get("/metrics").status_code,
        "token": scraper(app).get("/metrics").status_code,
    }
    assert statuses == {
        **dict.fromkeys(("nobody", "producer", "wrong"), 401),
        **dict.fromkeys(("reviewer", "lead"), 403),
        **dict.fromkeys(("admin", "token"), 200),
    }


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer ", "Basic " + TOKEN, "Bearer \u00e4"])
def test_without_a_token_of_its_own_no_token_opens_it(store, sent):
    app = create_app(store, Access(UserStore(store)))
    assert browser(app).get("/metrics", headers={"authorization": sent.encode()}).status_code == 401


def test_the_token_opens_nothing_else(app, three):
    client = scraper(app)
    assert client.get("/api/v1/items").status_code == 401
    assert client.get(f"/api/v1/producer/items/{three[0].id}").status_code == 401
    assert client.get("/").status_code == 401


def test_who_opened_the_desk_alone_reads_it(store):
    alone = browser(create_app(store, Access(UserStore(store), alone=User("ann", "admin"))))
    assert "thermolang_review_up 1.0" in lines(alone)


def test_a_short_token_is_refused(store):
    with pytest.raises(ThermolangError, match="at least 24 characters into THERMOLANG_METRICS_TOKEN"):
        Access(UserStore(store), metrics_token="short")
    assert TOKEN not in repr(Access(UserStore(store), metrics_token=TOKEN))


def test_requests_are_counted_by_route_and_status(app, logged_in, three):
    ann = logged_in("ann")
    for item in three[:2]:
        post(ann, item.id, "decide", action="accept", version=1)
    post(ann, three[0].id, "decide", action="accept", version=1)
    ann.get("/secret-path")
    ann.get("/api/v1/me", headers={"host": "evil.example"})
    found = lines(scraper(app))
    decide = 'route="/api/v1/items/{item_id}/decide"'
    assert f'thermolang_desk_requests_total{{{decide},status="200"}} 2.0' in found
    assert f'thermolang_desk_requests_total{{{decide},status="409"}} 1.0' in found
    assert f"thermolang_desk_request_seconds_count{{{decide}}} 3.0" in found
    assert 'thermolang_desk_requests_total{route="",status="404"} 1.0' in found
    assert 'thermolang_desk_requests_total{route="",status="400"} 1.0' in found
    assert 'thermolang_review_items{status="accepted"} 2.0' in found
    assert 'thermolang_review_verdicts{action="accept",reason=""} 2.0' in found
    assert "secret" not in "\n".join(found) and three[0].id not in "\n".join(found)


def test_nothing_private_is_in_it(app, store, logged_in, three):
    client = logged_in("rosalind")
    client.get("/api/v1/items", params={"text": "private search"})
    post(client, three[0].id, "decide", action="correct", version=1, corrected_answer="private", note="private")
    text = "\n".join(lines(scraper(app)))
    for private in (
        "rosalind",
        "private",
        "question 1",
        "answer 1",
        PASSWORD,
        TOKEN,
        client.cookies["thermolang_desk"],
    ):
        assert private not in text


def test_each_desk_counts_for_itself(app, store):
    browser(app).get("/healthz")
    other = create_app(store, Access(UserStore(store), metrics_token=TOKEN))
    assert not any('route="/healthz"' in line for line in lines(scraper(other)))
    assert any('route="/healthz"' in line for line in lines(scraper(app)))


def test_a_database_that_is_down_is_said(app, store):
    client = scraper(app)
    store.close()
    assert "thermolang_review_up 0.0" in lines(client)
