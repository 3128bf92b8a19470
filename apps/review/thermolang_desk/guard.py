"""The wall around the desk: each request passes it before anything else sees it, each answer after."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The page runs without anything inline and without anything from elsewhere. Trusted types: only the script's one
# function may turn text into HTML.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types desk"
)
# A plot becomes a PNG by way of an image that the page itself has made.
LEAD_POLICY = CONTENT_POLICY.replace("img-src 'self'", "img-src 'self' blob:")
HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
# The longest text that a verdict may have, each character escaped, and some more.
MAX_BODY = 2_000_000
_SAFE_METHODS = ("GET", "HEAD")


class Guard:
    """Refuses foreign host names, foreign pages and long bodies; adds the headers that keep others out.

    Args:
        app: What is guarded.
        hosts: Names, without ports, under which the desk may be asked for. A page elsewhere whose name is pointed at
            this machine (DNS rebinding) has another one.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        with_headers = _adding_headers(send, scope["path"])
        if refused := self._refusal(scope):
            status, text = refused
            await _error(status, text)(scope, receive, with_headers)
            return
        await self._app(scope, _limited(receive), with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers, safe = Headers(scope=scope), scope["method"] in _SAFE_METHODS
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            return HTTPStatus.BAD_REQUEST, "the desk is not known under this host name"
        if not _own_page(headers, scope["path"], host, safe=safe):
            return HTTPStatus.FORBIDDEN, "only the desk's own page may ask this"
        if not safe and headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            # A form of another page cannot send JSON.
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 12 or int(length) > MAX_BODY:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE
        return None


_TOO_LARGE = f"the body is longer than {MAX_BODY:,} bytes"


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0].strip("[]").lower()
    return host.partition(":")[0].lower()


def _own_page(headers: Headers, path: str, host: str, *, safe: bool) -> bool:
    """Whether the browser says that a page of the desk asks; other ports of this machine are other sites here.

    What is no browser sends neither header; it needs a session all the same.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if origin is not None and origin.partition("://")[2] != host:
        return False
    if site in (None, "same-origin"):
        return True
    # A person may follow a link to a page, or type the address of what only reads.
    opens_page = safe and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return opens_page and (site == "none" or not path.startswith("/api/"))


def _adding_headers(send: Send, path: str) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if path == "/lead" or path.startswith("/lead/"):
                headers["content-security-policy"] = LEAD_POLICY
        await send(message)

    return wrapped


def _limited(receive: Receive) -> Receive:
    """Count the bytes of a body that does not say how long it is."""
    read = 0

    async def wrapped() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
        return message

    return wrapped


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": {"code": HTTPStatus(status).name.lower(), "text": text}}, status_code=status)
