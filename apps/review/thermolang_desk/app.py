"""The desk as a FastAPI application: the Gradio page and ``/healthz``."""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from thermolang import ReviewStore
from thermolang.errors import StoreError
from thermolang_desk.i18n import WORDS
from thermolang_desk.pages import queue

HOSTS = ("127.0.0.1", "localhost")
_STATIC = Path(__file__).parent / "static"


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

    text = translations()
    gr.mount_gradio_app(
        app,
        queue.build(store, text),
        path="/",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        i18n=text,
        theme=_theme(),
        css_paths=[_STATIC / "desk.css"],
        head=_head(),
    )
    return app


def translations() -> gr.I18n:
    """The desk's words as labels of Gradio's components."""
    return gr.I18n(**{language: dict(words) for language, words in WORDS.items()})


def _theme() -> gr.themes.Base:
    """Fonts of the machine, Japanese included: nothing is fetched from elsewhere."""
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans CJK JP", "Hiragino Sans", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    return gr.themes.Base(primary_hue="indigo", neutral_hue="slate", font=fonts, font_mono=mono)


def _head() -> str:
    """The script with shortcuts and selection, for the page's head."""
    return f"<script>{(_STATIC / 'desk.js').read_text(encoding='utf-8')}</script>"
