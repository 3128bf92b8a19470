"""Serves the desk on this machine: in the foreground, or beside something else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn

from thermolang import ReviewStore, ThermolangError
from thermolang_desk.app import HOSTS, create_app

DEFAULT_PORT = 7861
_PORTS_TRIED = 50


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
    ready: Callable[[str], None] | None = None,
) -> None:
    """Run the desk until Ctrl-C.

    Args:
        store_url: The review database; by default that of ``ReviewStore``.
        host: This machine's loopback address; the desk has no login, so others are refused.
        port: Where to listen; 0 takes any free port. By default the first free one from 7861 on.
        ready: Called with the desk's URL once it answers.

    Raises:
        ThermolangError: The host is not loopback, or the port is taken.
        StoreError: The database cannot be used.
    """
    with ReviewStore(store_url) as store, _listen(host, port) as listener:
        url = _url(host, listener)
        server = _server(store, lambda: ready(url) if ready else None)
        with contextlib.suppress(KeyboardInterrupt):
            server.run([listener])


@contextlib.contextmanager
def running(store_url: str | None = None, *, port: int | None = 0) -> Iterator[str]:
    """Run the desk in a thread while the block runs.

    Args:
        store_url: The review database; by default that of ``ReviewStore``.
        port: As for ``serve``.

    Yields:
        The desk's URL; it answers already.
    """
    with ReviewStore(store_url) as store, _listen(HOSTS[0], port) as listener:
        up = threading.Event()
        server = _server(store, up.set)
        thread = threading.Thread(target=server.run, args=([listener],), name="thermolang-desk", daemon=True)
        thread.start()
        try:
            _wait(up, thread)
            yield _url(HOSTS[0], listener)
        finally:
            server.should_exit = True
            thread.join()


def _server(store: ReviewStore, ready: Callable[[], None]) -> _Server:
    config = uvicorn.Config(
        # Gradio must be built while a loop runs, or it leaves loops of its own behind.
        lambda: create_app(store),
        factory=True,
        log_level="warning",
        # Open pages hold an event stream; they must not keep the desk from stopping.
        timeout_graceful_shutdown=1,
    )
    return _Server(config, ready)


def _wait(up: threading.Event, thread: threading.Thread) -> None:
    while not up.wait(0.05):
        if not thread.is_alive():
            msg = "the review desk could not start; the log says why"
            raise ThermolangError(msg)


def _listen(host: str, port: int | None) -> socket.socket:
    if host not in HOSTS:
        msg = f"the review desk has no login and listens on this machine only: {' or '.join(HOSTS)}, not {host!r}"
        raise ThermolangError(msg)
    ports = range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED) if port is None else [port]
    for candidate in ports:
        with contextlib.suppress(OSError):
            return socket.create_server((HOSTS[0], candidate))
    msg = f"port {ports[0]} is taken; name another one, or 0 for any free one"
    raise ThermolangError(msg)


def _url(host: str, listener: socket.socket) -> str:
    return f"http://{host}:{listener.getsockname()[1]}"
