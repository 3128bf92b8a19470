"""A store in memory, with and without items, and desks over it."""

import pytest
from starlette.testclient import TestClient
from thermolang_desk import Access, create_app

from thermolang import Confidence, Decision, ReviewStore
from thermolang.review import User, UserStore

REVIEW = Decision("review", "confidence is below 0.80", 0.8)
PASSWORD = "correct horse battery"
BASE = "http://127.0.0.1:7861"


@pytest.fixture
def store():
    with ReviewStore("sqlite://") as store:
        yield store


@pytest.fixture
def three(store):
    return [
        store.submit(f"question {n}", f"answer {n}", confidence=Confidence(n / 10), decision=REVIEW) for n in (1, 2, 3)
    ]


def browser(app, **headers):
    """A client that says what the desk's own page would say."""
    own = {"sec-fetch-site": "same-origin", "origin": BASE, "content-type": "application/json", **headers}
    return TestClient(app, base_url=BASE, headers=own, raise_server_exceptions=False)


@pytest.fixture
def app(store):
    """A desk with a login."""
    return create_app(store, Access(UserStore(store)))


@pytest.fixture
def alone(store):
    """A client of a desk without a login."""
    return browser(create_app(store, Access(UserStore(store), alone=User("ann", "lead"))))


@pytest.fixture
def nobody(app):
    return browser(app)


@pytest.fixture
def logged_in(app, store):
    """Adds a user and returns a client with that user's session."""

    def log_in(name, role="reviewer"):
        UserStore(store).add(name, PASSWORD, role)
        client = browser(app)
        assert client.post("/api/v1/login", json={"name": name, "password": PASSWORD}).status_code == 200
        return client

    return log_in
