"""Serves the desk: in the foreground, or beside something else."""

from __future__ import annotations

import contextlib
import getpass
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from fastapi import FastAPI

from thermolang import ReviewStore, ThermolangError
from thermolang.review import Courier, Mail, User, UserStore, Webhooks
from thermolang_desk.access import Access, Proxy
from thermolang_desk.app import LOOPBACK, create_app
from thermolang_desk.logs import json_lines
from thermolang_desk.oidc import Oidc
from thermolang_desk.playground import Chats

DEFAULT_PORT = 7861
_PORTS_TRIED = 50
_ANY = ("0.0.0.0", "::", "")  # nosec # B104: compared only


class _Server(uvicorn.Server):
    """uvicorn that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def serve(
    store_url: str | None = None,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    login: bool = True,
    names: Sequence[str] = (),
    proxy: Proxy | None = None,
    oidc: Oidc | None = None,
    webhooks: Webhooks | None = None,
    mail: Mail | None = None,
    chats: Chats | None = None,
    metrics_token: str = "",
    log_json: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Run the desk until Ctrl-C.

    Args:
        store_url: The review database; by default that of ``ReviewStore``.
        host: The address to listen on; by default this machine's own, which no other machine reaches.
        port: Where to listen; 0 takes any free port. By default the first free one from 7861 on.
        login: False lets everybody in who can reach the desk, under the name of this account: on loopback only.
        names: Names of this machine under which browsers ask for the desk; needed where it listens on all addresses.
        proxy: A reverse proxy that has a login of its own and tells who somebody is.
        oidc: An OpenID Connect provider by which people log in, beside their passwords.
        webhooks: Which other programs are told of what happens.
        mail: Who is told of it by e-mail.
        chats: A model to try; see ``create_app``.
        metrics_token: Who sends it may read ``/metrics``, beside admins; at least 24 characters.
        log_json: Write logs to stderr as lines of JSON, one for each request; without it only warnings are written.
        ready: Called with the desk's URL once it answers.

    Raises:
        ThermolangError: There are no users, the host is not loopback and has no login, or the port is taken.
        StoreError: The database cannot be used.
    """
    with ReviewStore(store_url) as store:
        access = _access(store, host, login=login, proxy=proxy, oidc=oidc, metrics_token=metrics_token)
        with _listen(host, port) as listener:
            url = _url(host, listener)
            app = create_app(store, access, hosts=_hosts(host, names), chats=chats)
            server = _server(app, lambda: ready(url) if ready else None, own_logs=log_json)
            nothing = contextlib.nullcontext()
            told = webhooks or mail
            courier: contextlib.AbstractContextManager[object] = Courier(store, webhooks, mail) if told else nothing
            logs = json_lines(sys.stderr) if log_json else nothing
            with logs, courier, contextlib.suppress(KeyboardInterrupt):
                server.run([listener])


@contextlib.contextmanager
def running(
    store_url: str | None = None,
    *,
    port: int | None = 0,
    login: bool = True,
    oidc: Oidc | None = None,
    chats: Chats | None = None,
) -> Iterator[str]:
    """Run the desk on this machine, in a thread, while the block runs.

    Args:
        store_url: The review database; by default that of ``ReviewStore``.
        port: As for ``serve``.
        login: As for ``serve``.
        oidc: As for ``serve``.
        chats: As for ``serve``.

    Yields:
        The desk's URL; it answers already.
    """
    host = LOOPBACK[0]
    with ReviewStore(store_url) as store, _listen(host, port) as listener:
        up = threading.Event()
        server = _server(create_app(store, _access(store, host, login=login, oidc=oidc), chats=chats), up.set)
        thread = threading.Thread(target=server.run, args=([listener],), name="thermolang-desk", daemon=True)
        thread.start()
        try:
            _wait(up, thread)
            yield _url(host, listener)
        finally:
            server.should_exit = True
            thread.join()


def _access(
    store: ReviewStore,
    host: str,
    *,
    login: bool,
    proxy: Proxy | None = None,
    oidc: Oidc | None = None,
    metrics_token: str = "",
) -> Access:
    """Refuse to begin where anybody could get in, or nobody."""
    users = UserStore(store)
    if not login:
        if host not in LOOPBACK:
            msg = f"without a login the desk listens on this machine only: {' or '.join(LOOPBACK)}, not {host!r}"
            raise ThermolangError(msg)
        return Access(users, alone=User(getpass.getuser(), "admin"), metrics_token=metrics_token)
    # A provider that also tells roles brings its users along.
    if not users.all() and not (oidc and oidc.roles):
        msg = "there are no users yet: thermolang users add NAME; or, for yourself on this machine, desk --no-login"
        raise ThermolangError(msg)
    return Access(users, proxy=proxy, oidc=oidc, metrics_token=metrics_token)


def _hosts(host: str, names: Sequence[str]) -> tuple[str, ...]:
    if host in _ANY and not names:
        msg = "where the desk listens on all addresses, say under which name browsers ask for it: --name desk.example"
        raise ThermolangError(msg)
    return tuple(dict.fromkeys([*LOOPBACK, *names, *([] if host in _ANY else [host])]))


def _server(app: FastAPI, ready: Callable[[], None], *, own_logs: bool = False) -> _Server:
    config = uvicorn.Config(
        app,
        log_level="warning",
        log_config=None if own_logs else uvicorn.config.LOGGING_CONFIG,
        access_log=False,
        # Neither what runs here nor who asks on behalf of whom is anybody's business.
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    return _Server(config, ready)


def _wait(up: threading.Event, thread: threading.Thread) -> None:
    while not up.wait(0.05):
        if not thread.is_alive():
            msg = "the review desk could not start; the log says why"
            raise ThermolangError(msg)


def _listen(host: str, port: int | None) -> socket.socket:
    ports = range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED) if port is None else [port]
    address = LOOPBACK[0] if host == "localhost" else host
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for candidate in ports:
        with contextlib.suppress(OSError):
            listener = socket.create_server((address, candidate), family=family)
            # Connections inherit it. asyncio sets it only where a socket names its protocol, and without it the body of
            # each answer would wait for the browser to acknowledge the headers: 40 ms.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listener
    msg = f"cannot listen on {host} port {ports[0]}: it is taken, or the address is not this machine's"
    raise ThermolangError(msg)


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
