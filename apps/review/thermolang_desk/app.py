"""The desk as a FastAPI application: the Gradio page and ``/healthz``."""

from __future__ import annotations

import os

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from thermolang import ReviewStore, StoreError
from thermolang_desk import desk

HOSTS = ("127.0.0.1", "localhost")


def create_app(store: ReviewStore) -> FastAPI:
    """Build the desk over an open store.

    Args:
        store: Stays open as long as the application runs; the caller closes it.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    app = FastAPI(title="thermolang desk", docs_url=None, redoc_url=None, openapi_url=None)
    # A page elsewhere whose name is pointed at this machine (DNS rebinding) must not read the queue.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        try:
            return JSONResponse({"status": "ok", "items": store.counts()})
        except StoreError as error:
            return JSONResponse({"status": "error", "detail": str(error)}, status_code=503)

    text = desk.translations()
    gr.mount_gradio_app(
        app,
        desk.build(store, text),
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        i18n=text,
        theme=desk.theme(),
        css_paths=[desk.CSS],
        head=desk.head(),
    )
    return app
