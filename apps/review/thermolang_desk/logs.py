"""Logs as JSON, one line each: what was asked, of which kind, and how it went; never what anybody wrote.

A line has no path, query, header, body or exception text: any of these may hold a question, an answer, a password or a
token. Whoever asked is named by a code that is the same as long as the process runs, and means nothing afterwards.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import secrets
import time
import traceback
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, TextIO

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from thermolang_desk.metrics import Metrics

requests = logging.getLogger("thermolang_desk.requests")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Their messages are known to hold no texts; of other libraries' only the pattern is written.
_KNOWN = ("thermolang", "thermolang_desk", "uvicorn")
_FRAMES = 8


class Observer:
    """Counts each request and writes a line about it, and gives it an id, which the answer carries as well.

    Args:
        app: What is observed.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics, self._key = app, metrics, secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Observe one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # An error that nobody has turned into an answer becomes this one, further out.
        begin, request_id, status = time.perf_counter(), secrets.token_hex(8), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        # Here, so that whatever is further in writes into this one.
        state = scope.setdefault("state", {})
        try:
            await self._app(scope, receive, noted)
        finally:
            self._note(scope, request_id, status, time.perf_counter() - begin, state.get("user", ""))

    def _note(self, scope: Scope, request_id: str, status: int, seconds: float, user: str) -> None:
        route = getattr(scope.get("route"), "path", "")
        self._metrics.note(route, status, seconds)
        if requests.isEnabledFor(logging.INFO):
            method = scope["method"] if scope["method"] in _METHODS else "other"
            facts = {"request": request_id, "method": method, "route": route, "status": status}
            facts |= {"ms": round(1000 * seconds, 1), "user": self._code(user)}
            requests.info("request", extra={"facts": facts})

    def _code(self, user: str) -> str:
        """Names are few: without a key that nobody knows, their hashes could be guessed."""
        return hmac.new(self._key, user.encode(), hashlib.sha256).hexdigest()[:12] if user else ""


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; an exception as its kind and where it happened."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        known = record.name.partition(".")[0] in _KNOWN
        said = (record.getMessage() if known else str(record.msg)).strip().partition("\n")[0]
        line: dict[str, Any] = {"time": at, "level": record.levelname, "logger": record.name, "event": said[:300]}
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1] is not None:
            line |= _trace(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _trace(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    where = [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "where": where}


@contextlib.contextmanager
def json_lines(stream: TextIO) -> Iterator[None]:
    """Write all logs of this process as lines of JSON while the block runs, a line for each request among them.

    Args:
        stream: Where to.
    """
    handler, root, level = logging.StreamHandler(stream), logging.getLogger(), requests.level
    handler.setFormatter(JsonLines())
    root.addHandler(handler)
    requests.setLevel(logging.INFO)
    try:
        yield
    finally:
        requests.setLevel(level)
        root.removeHandler(handler)
