"""The desk as a FastAPI application: its pages, its API, and what every error says."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from thermolang import ReviewStore
from thermolang.errors import ConflictError, LoginError, RefusedError, StoreError
from thermolang.review import ReviewService
from thermolang_desk import api, components, lead, metrics, oidc, playground, producers, watch
from thermolang_desk.access import Access
from thermolang_desk.guard import Guard
from thermolang_desk.i18n import WORDS, language_for
from thermolang_desk.logs import Observer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_STATIC = Path(__file__).parent / "static"
_FILES = {
    "desk.css": "text/css",
    "desk.js": "text/javascript",
    "lead.js": "text/javascript",
    "login.js": "text/javascript",
    "shell.js": "text/javascript",
    "try.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


def create_app(
    store: ReviewStore,
    access: Access,
    *,
    hosts: Collection[str] = LOOPBACK,
    chats: playground.Chats | None = None,
) -> FastAPI:
    """Build the desk over an open store.

    Only the routes below exist; everything else, the usual descriptions of an API included, answers 404.

    Args:
        store: Stays open as long as the application runs; the caller closes it.
        access: How the desk finds out who asks.
        hosts: Names, without ports, under which it may be asked for.
        chats: A model to try, in ``with_confidence``, by the mode in which it scores; without it nothing of that page
            is there, and no model's libraries are loaded.
    """
    app = FastAPI(title="thermolang desk", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.store, app.state.access, app.state.service = store, access, ReviewService(store)
    app.state.prepare_at, app.state.metrics = {}, metrics.Metrics(store)
    app.state.playground = playground.Playground(chats) if chats else None
    app.include_router(api.router)
    app.include_router(lead.router)
    app.include_router(watch.router)
    app.include_router(producers.router)
    if access.oidc is not None:
        oidc.add_routes(app, access.oidc)
    if chats:
        app.include_router(playground.router)
    app.include_router(metrics.router)
    app.add_api_route("/", _page, response_class=HTMLResponse)
    app.add_api_route("/static/{name}", _static)
    app.add_api_route("/healthz", _healthz)
    app.add_api_route("/readyz", _readyz)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StoreError, _store_error)
    app.add_middleware(Guard, hosts=hosts)
    # Outermost, so that it also sees what the guard refuses.
    app.add_middleware(Observer, metrics=app.state.metrics)
    return app


def _page(request: Request) -> HTMLResponse:
    """The desk; without a session the page on which one logs in."""
    access: Access = request.app.state.access
    user = access.user_of(request)
    if user is None:
        return _login(request)
    return HTMLResponse(components.page(components.frame_for(request, user)))


def _login(request: Request) -> HTMLResponse:
    return HTMLResponse(components.login_for(request), status_code=HTTPStatus.UNAUTHORIZED)


def _static(name: str) -> Response:
    if name not in _FILES:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return FileResponse(_STATIC / name, media_type=_FILES[name])


def _healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


def _readyz(request: Request) -> JSONResponse:
    """The database answers, too."""
    try:
        request.app.state.service.changes()
    except StoreError:
        # Nothing about the database: this is for anybody.
        return JSONResponse({"status": "error"}, status_code=HTTPStatus.SERVICE_UNAVAILABLE)
    return JSONResponse({"status": "ok"})


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.UNAUTHORIZED and request.url.path.startswith(("/lead", "/try")):
        return _login(request)
    return _said(error.status_code, HTTPStatus(error.status_code).name.lower(), str(error.detail))


def _invalid(request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong, and where; the value itself is not repeated, it may be long or private."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])[:100]
    return _said(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"{where}: {first['msg']}"[:300])


def _store_error(request: Request, error: Exception) -> JSONResponse:
    words = WORDS[language_for(request)]
    if isinstance(error, ConflictError):
        return _said(HTTPStatus.CONFLICT, "conflict", _conflict(request) or str(error))
    if isinstance(error, RefusedError):
        return _said(HTTPStatus.UNPROCESSABLE_ENTITY, "refused", str(error))
    if isinstance(error, LoginError):
        many = "too many" in str(error)
        status = HTTPStatus.TOO_MANY_REQUESTS if many else HTTPStatus.UNAUTHORIZED
        return _said(status, "login", words["login_wait" if many else "login_wrong"])
    return _said(HTTPStatus.SERVICE_UNAVAILABLE, "database", words["database"])


def _conflict(request: Request) -> str:
    """Who decided first, in the reader's language; empty if nobody did."""
    item_id = request.path_params.get("item_id")
    item = request.app.state.store.get(item_id) if item_id else None
    if item is None or item.verdict is None:
        return ""
    return components.conflict(item.verdict, item.status, language_for(request))


def _said(status: int, code: str, text: str) -> JSONResponse:
    content: dict[str, Any] = {"error": {"code": code, "text": text}}
    return JSONResponse(content, status_code=status)
