"""The application around the desk: closed to the outside, and it stops when told."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from starlette.testclient import TestClient
from thermolang_desk import create_app, running, serve, server
from thermolang_desk.app import translations
from thermolang_desk.pages import queue

from thermolang import Confidence, Decision, ThermolangError
from thermolang.errors import StoreError


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'review.db'}"


@pytest.fixture
async def client(store):
    # Gradio leaves event loops behind unless one runs while it builds a page.
    return TestClient(create_app(store), base_url="http://127.0.0.1")


async def test_every_event_is_private(store):
    events = queue.build(store, translations()).get_config_file()["dependencies"]
    assert len(events) == 8
    assert {event["api_visibility"] for event in events} == {"private"}
    assert {event["queue"] for event in events} == {False}


def test_the_page_offers_no_api_and_reports_nothing(client):
    info = client.get("/gradio_api/info").json()
    assert info == {"named_endpoints": {}, "unnamed_endpoints": {}}
    config = client.get("/config").json()
    assert (config["analytics_enabled"], config["run_history"], config["footer_links"]) == (False, False, [])
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert client.get("/docs").status_code == 404


def test_health(client, store):
    store.submit("q", "a", confidence=Confidence(0.1), decision=Decision("review", "low", 0.8))
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["items"]["pending"] == 1
    store.close()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "error")
    assert "this review store is closed" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/config"])
def test_other_host_names_are_refused(client, path):
    assert client.get(path, headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com", ""])
def test_only_this_machine_may_be_listened_on(url, host):
    with pytest.raises(ThermolangError, match=r"on this machine only: 127\.0\.0\.1 or localhost, not"):
        serve(url, host=host)


def test_a_database_that_cannot_be_used_is_said_before_anything_starts(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 99)
    with pytest.raises(StoreError, match="not an SQLite database"):
        serve(f"sqlite:///{tmp_path / 'letter.txt'}")


def test_the_default_port_gives_way_and_a_named_one_does_not(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "DEFAULT_PORT", port)
        with server._listen("127.0.0.1", None) as listener:
            assert port < listener.getsockname()[1] <= port + server._PORTS_TRIED
        with pytest.raises(ThermolangError, match=f"port {port} is taken"):
            server._listen("127.0.0.1", port)


def test_running_answers_at_once_and_then_no_more(url):
    with running(url) as address:
        assert httpx.get(f"{address}/healthz").json()["items"]["pending"] == 0
        assert "thermolang" in httpx.get(address).text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")


SERVE = """
import sys
from thermolang_desk import serve
serve(sys.argv[1], port=0, ready=lambda url: print(url, flush=True))
print("closed")
"""


def test_ctrl_c_ends_the_desk_cleanly(url):
    process = subprocess.Popen([sys.executable, "-c", SERVE, url], stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    assert httpx.get(f"{address}/healthz").status_code == 200
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert (said, process.returncode) == ("closed\n", 0)
