"""Logs as JSON: a line for each request, and nothing in it that anybody wrote."""

import io
import json
import logging
import subprocess
import sys

import httpx
import pytest
from fastapi import HTTPException
from thermolang_desk import logs

from tests.desk.conftest import PASSWORD, browser
from tests.desk.test_api import post
from thermolang import Confidence, ReviewStore
from thermolang.errors import StoreError
from thermolang.review import TokenStore, UserStore

PRIVATE = "zymurgy"


@pytest.fixture
def log():
    stream = io.StringIO()
    with logs.json_lines(stream):
        yield stream


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def requests(stream):
    return [line for line in lines(stream) if line["logger"] == "thermolang_desk.requests"]


def test_a_line_for_each_request(log, logged_in, three):
    answer = post(logged_in("ann"), three[0].id, "decide", action="accept", version=1)
    login, decide = requests(log)
    assert decide.keys() == {
        *("time", "level", "logger", "event", "request", "method", "route", "status", "ms", "user")
    }
    assert (decide["method"], decide["route"], decide["status"]) == ("POST", "/api/v1/items/{item_id}/decide", 200)
    assert decide["request"] == answer.headers["x-request-id"] != login["request"]
    assert decide["ms"] > 0 and decide["time"].endswith("+00:00")


def test_a_user_is_a_code_that_is_the_same_in_one_desk_and_another_elsewhere(log, logged_in, store, app):
    ann, bob = logged_in("ann"), logged_in("bob")
    for client in (ann, ann, bob, browser(app)):
        client.get("/api/v1/me")
    first, second, other, nobody = (line["user"] for line in requests(log)[-4:])
    assert first == second != other and len(first) == len(other) == 12 and nobody == ""
    # The name's plain hash would tell the name: there are few.
    import hashlib

    assert not hashlib.sha256(b"ann").hexdigest().startswith(first)


def test_nothing_that_was_written_sent_or_shown_is_in_the_log(log, app, store, logged_in):
    """Secrets in each place where one can be put; then the log is searched for them."""
    from tests.desk.conftest import REVIEW

    item = store.submit(
        f"{PRIVATE} question", f"{PRIVATE} answer", confidence=Confidence(0.4), decision=REVIEW, context=f"{PRIVATE} c"
    )
    client = logged_in(PRIVATE, "lead")
    session = client.cookies["thermolang_desk"]
    token = TokenStore(store).add(f"{PRIVATE} program")
    headers = {"x-request-id": PRIVATE, "user-agent": PRIVATE, "referer": f"http://{PRIVATE}/"}
    client.headers.update(headers)
    client.get("/", params={"item": PRIVATE})
    client.get(f"/{PRIVATE}")
    client.get("/api/v1/items", params={"text": PRIVATE, "view": "true"})
    client.get("/api/v1/items", params={"limit": PRIVATE})
    client.get("/api/v1/me", headers={"host": PRIVATE})
    client.request(PRIVATE.upper(), "/api/v1/me")
    client.post("/api/v1/login", json={"name": PRIVATE, "password": f"{PRIVATE} wrong"})
    client.post("/api/v1/next", content=PRIVATE)
    client.post(f"/api/v1/items/{item.id}/open", json={})
    client.put(f"/api/v1/items/{item.id}/draft", json={"note": PRIVATE})
    client.post(f"/api/v1/items/{item.id}/decide", json={"action": PRIVATE, "version": 1})
    post(client, item.id, "decide", action="correct", version=1, corrected_answer=PRIVATE, note=PRIVATE)
    program = browser(app, authorization=f"Bearer {token}")
    program.post("/api/v1/producer/items", json={"question": PRIVATE})
    program.get(f"/api/v1/producer/items/{item.id}")
    text = log.getvalue()
    assert len(requests(log)) >= 14 and {"200", "400", "404", "422"} <= {str(line["status"]) for line in requests(log)}
    for private in (PRIVATE, session, token, PASSWORD, item.id):
        assert private.lower() not in text.lower()


def test_an_error_is_its_kind_and_place_without_its_text(log, app, monkeypatch):
    for name in ("uvicorn", "uvicorn.error"):  # a server that another test has started keeps its logs to itself
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)

    def broken():
        raise ValueError(PRIVATE)

    app.add_api_route("/broken", broken)
    assert browser(app).get("/broken").status_code == 500
    assert requests(log)[-1]["status"] == 500
    try:
        broken()
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    line = lines(log)[-1]
    assert (line["level"], line["error"], line["event"]) == ("ERROR", "ValueError", "Exception in ASGI application")
    assert line["where"][-1].endswith(" broken")
    assert PRIVATE not in log.getvalue()


def test_of_other_libraries_only_the_pattern_is_written(log):
    logging.getLogger("somebody.else").warning("failed on %s\nmore", PRIVATE)
    logging.getLogger("thermolang.review.webhooks").warning("webhooks wait: %s", "locked")
    assert [line["event"] for line in lines(log)] == ["failed on %s", "webhooks wait: locked"]


def test_without_the_setting_requests_are_not_logged(caplog, logged_in):
    logged_in("ann").get("/api/v1/me")
    assert [record for record in caplog.records if record.name == logs.requests.name] == []
    stream = io.StringIO()
    with logs.json_lines(stream):
        pass
    logged_in("bob").get("/api/v1/me")
    assert stream.getvalue() == ""


SERVE = """
import sys
from thermolang_desk import serve
serve(sys.argv[1], port=0, log_json=True, ready=lambda url: print(url, flush=True))
"""


def test_a_desk_of_its_own_writes_only_json(tmp_path):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    with ReviewStore(url) as store:
        UserStore(store).add("ann", PASSWORD)
    command = [sys.executable, "-c", SERVE, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        httpx.get(f"{address}/healthz")
        process.terminate()
        _, written = process.communicate(timeout=30)
    routes = [json.loads(line).get("route") for line in written.splitlines()]
    assert "/healthz" in routes


def test_errors_of_the_store_and_of_http_are_answers_and_no_traces(log, app, logged_in):
    client = logged_in("ann")

    def down():
        raise StoreError(PRIVATE)

    def missing():
        raise HTTPException(404, PRIVATE)

    app.add_api_route("/down", down)
    app.add_api_route("/missing", missing)
    assert (client.get("/down").status_code, client.get("/missing").status_code) == (503, 404)
    assert PRIVATE not in log.getvalue() and "error" not in lines(log)[-1]
