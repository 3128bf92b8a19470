"""Answers from other machines into the review desk, over its API."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from thermolang.errors import ConflictError, InvalidInputError, LoginError, RefusedError, StoreError, require
from thermolang.review.records import ReviewItem, confidence_record
from thermolang.types import Confidence, Decision

if TYPE_CHECKING:
    import httpx

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Seconds before each further try.
_PAUSES = (0.5, 2.0)
_STATUS: dict[int, type[StoreError]] = {401: LoginError, 403: LoginError, 409: ConflictError, 413: RefusedError}
_STATUS |= {422: RefusedError, 404: RefusedError}


class ReviewClient:
    """What programs need of a ``ReviewStore`` whose database is behind a desk on another machine.

    It submits answers and reads what became of them; people decide at the desk. It takes the place of a store in
    ``ConfidenceRouter``, ``ConfidenceGateMiddleware`` and ``resume_from_store``. Where the desk does not answer, it
    tries three times; each answer is submitted once all the same. Whether an accepted answer is drawn for the audit is
    decided at the desk, so all of them are sent. One client may be shared by threads.

    Args:
        url: Of the desk, such as ``https://desk.example``.
        token: What ``thermolang users token NAME`` printed; by default the environment variable THERMOLANG_TOKEN.
        timeout: Seconds to wait for an answer, each time.
        insecure: Send the token to another machine without TLS, where nobody can listen.
        transport: How requests are sent, for tests; by default over the network.
        pause: Waits so many seconds between two tries.

    Raises:
        InvalidInputError: The URL or the token is missing, or the token would be sent in the clear.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 10.0,
        insecure: bool = False,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        token = token or os.environ.get("THERMOLANG_TOKEN", "")
        self.url, self._pause = _checked(url, token, insecure), pause
        self._httpx = require("httpx", "store")
        self._http: httpx.Client = self._httpx.Client(
            base_url=f"{self.url}/api/v1",
            headers={"authorization": f"Bearer {token}"},
            timeout=timeout,
            transport=transport,
        )

    def close(self) -> None:
        """Close all connections; the client cannot be used afterwards."""
        self._http.close()

    def __enter__(self) -> ReviewClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(
        self,
        question: str,
        answer: str,
        *,
        confidence: Confidence,
        decision: Decision,
        context: str = "",
        model: str = "",
        task: str | None = None,
        key: str = "",
    ) -> ReviewItem:
        """Add a doubtful answer; see ``ReviewStore.submit``. When this returns, it is on the desk's disk.

        Raises:
            StoreError: The desk cannot be reached, or refuses the answer or the token.
        """
        body = _body(question, answer, confidence, decision, context, model, task)
        # So that a second try is no second item.
        item = self._ask("POST", "/producer/items", body | {"key": key or uuid.uuid4().hex})["item"]
        return _item(item)

    def submit_accepted(
        self,
        question: str,
        answer: str,
        *,
        confidence: Confidence,
        decision: Decision,
        context: str = "",
        model: str = "",
        task: str | None = None,
        key: str = "",
    ) -> ReviewItem | None:
        """Offer an accepted answer to the audit; see ``ReviewStore.submit_accepted``.

        Raises:
            StoreError: As for ``submit``.
        """
        body = _body(question, answer, confidence, decision, context, model, task)
        item = self._ask("POST", "/producer/accepted", body | {"key": key})["item"]
        return _item(item) if item else None

    def get(self, item_id: str) -> ReviewItem:
        """Return one item, with its verdict if there is one.

        Raises:
            StoreError: There is no such item, or as for ``submit``.
        """
        return _item(self._ask("GET", f"/producer/items/{item_id}")["item"])

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request, tried again where that may help."""
        problem = ""
        for pause in (0.0, *_PAUSES):
            if pause:
                self._pause(pause)
            try:
                response = self._http.request(method, path, json=body)
            except self._httpx.HTTPError as error:
                problem = f"it cannot be reached ({type(error).__name__}: {error})"
                continue
            if response.status_code in (502, 503, 504):
                problem = f"it cannot answer now (status {response.status_code}): {_said(response)}"
                continue
            return self._read(response)
        msg = f"the review desk {self.url} failed {len(_PAUSES) + 1} times: {problem}; is it running?"
        raise StoreError(msg)

    def _read(self, response: httpx.Response) -> dict[str, Any]:
        if response.status_code == 200:
            try:
                record = response.json()
            except ValueError:
                record = None
            if isinstance(record, dict) and "item" in record:
                return record
            msg = f"what answers at {self.url} is no review desk of this version"
            raise StoreError(msg)
        kind = _STATUS.get(response.status_code, StoreError)
        msg = f"the review desk {self.url} refused (status {response.status_code}): {_said(response)}"
        raise kind(msg)


def _checked(url: str, token: str, insecure: bool) -> str:
    """The URL without a slash at its end."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"the URL of a desk looks like https://desk.example, not {url!r}"
        raise InvalidInputError(msg)
    if parts.username or parts.query or parts.fragment:
        msg = "the URL of a desk has no password, query or fragment: the token is given by itself"
        raise InvalidInputError(msg)
    if not token.isascii() or not token.isprintable() or not token:
        msg = "a token is needed: thermolang users token NAME, and give it as token= or in THERMOLANG_TOKEN"
        raise InvalidInputError(msg)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not insecure:
        msg = f"without TLS whoever listens could read the token: use https, not {url!r}; or insecure=True"
        raise InvalidInputError(msg)
    return url.rstrip("/")


def _body(
    question: str, answer: str, confidence: Confidence, decision: Decision, context: str, model: str, task: str | None
) -> dict[str, Any]:
    texts = {"question": question, "answer": answer, "context": context, "model": model}
    # Half of a surrogate pair can be written in no request.
    body: dict[str, Any] = {name: _whole(text) for name, text in texts.items()}
    body["task"] = None if task is None else _whole(task)
    return body | {"confidence": confidence_record(confidence, _whole), "decision": decision.to_dict()}


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _item(record: dict[str, Any]) -> ReviewItem:
    try:
        return ReviewItem.from_dict(record)
    except ValueError as error:
        msg = "the review desk sent an item that this version cannot read: use the same version on both machines"
        raise StoreError(msg) from error


def _said(response: httpx.Response) -> str:
    """The sentence of an error of the desk, or the beginning of what a proxy before it says."""
    try:
        text = response.json()["error"]["text"]
    except (ValueError, KeyError, TypeError):
        text = response.text
    return str(text)[:300]
