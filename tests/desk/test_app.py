"""The server around the desk: it does not begin where anybody could get in, and it stops when told."""

import contextlib
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from thermolang_desk import running, serve, server

from tests.desk.conftest import PASSWORD
from thermolang import Confidence, Decision, ReviewStore, ThermolangError
from thermolang.errors import StoreError
from thermolang.review import UserStore


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'review.db'}"


@pytest.fixture
def with_user(url):
    with ReviewStore(url) as store:
        UserStore(store).add("ann", PASSWORD)
    return url


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "192.168.1.5"])
def test_without_users_it_does_not_begin(url, host):
    with pytest.raises(ThermolangError, match="there are no users yet: thermolang users add NAME"):
        serve(url, host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_without_a_login_only_this_machine_may_be_listened_on(url, host):
    with pytest.raises(ThermolangError, match=r"without a login the desk listens on this machine only"):
        serve(url, host=host, login=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_on_all_addresses_the_desk_must_know_its_name(with_user, host):
    with pytest.raises(ThermolangError, match="under which name browsers ask for it"):
        serve(with_user, host=host, port=0)


def test_hosts_are_those_that_were_named():
    assert server._hosts("0.0.0.0", ["desk.example"])[-1:] == ("desk.example",)
    assert server._hosts("192.168.1.5", [])[-1:] == ("192.168.1.5",)


def test_answers_do_not_wait_for_the_browser_to_acknowledge_their_headers():
    with server._listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_database_that_cannot_be_used_is_said_before_anything_starts(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 99)
    with pytest.raises(StoreError, match="not an SQLite database"):
        serve(f"sqlite:///{tmp_path / 'letter.txt'}", login=False)


def test_the_default_port_gives_way_and_a_named_one_does_not(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "DEFAULT_PORT", port)
        with server._listen("127.0.0.1", None) as listener:
            assert port < listener.getsockname()[1] <= port + server._PORTS_TRIED
        with pytest.raises(ThermolangError, match=f"cannot listen on 127.0.0.1 port {port}: it is taken"):
            server._listen("127.0.0.1", port)


def test_running_answers_at_once_and_then_no_more(url):
    with running(url, login=False) as address:
        answer = httpx.get(f"{address}/readyz")
        assert answer.json() == {"status": "ok"}
        assert "server" not in answer.headers
        assert "thermolang" in httpx.get(address).text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")


def test_200_slow_connections_do_not_stop_it(url):
    with running(url, login=False) as address, contextlib.ExitStack() as open_ones:
        host, port = address.removeprefix("http://").split(":")
        for _ in range(200):
            slow = open_ones.enter_context(socket.create_connection((host, int(port))))
            slow.sendall(b"POST /api/v1/next HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n")
        assert httpx.get(f"{address}/readyz", timeout=30).status_code == 200


SERVE = """
import sys
from thermolang_desk import serve
serve(sys.argv[1], port=0, login=False, ready=lambda url: print(url, flush=True))
heavy = {"torch", "gradio", "transformers", "scipy", "sklearn", "pandas", "pyarrow"} & set(sys.modules)
assert not heavy, f"no model, and no statistics before a lead asks for them: {heavy}"
print("closed")
"""


def test_ctrl_c_ends_the_desk_cleanly_and_it_loaded_no_model(url):
    process = subprocess.Popen([sys.executable, "-c", SERVE, url], stdout=subprocess.PIPE, text=True)
    address = process.stdout.readline().strip()
    with ReviewStore(url) as store:
        store.submit("q", "a", confidence=Confidence(0.3), decision=Decision("review", "low", 0.8))
    own = {"sec-fetch-site": "same-origin", "origin": address}
    assert [httpx.get(address + path).status_code for path in ("/healthz", "/", "/metrics")] == [200] * 3
    assert "a" in httpx.post(f"{address}/api/v1/next", json={}, headers=own).json()["lease"]["html"]
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert (said, process.returncode) == ("closed\n", 0)
