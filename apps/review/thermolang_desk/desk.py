"""The desk's page: Gradio components, and the wires between them and ``handlers``."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from thermolang import ReviewStore
from thermolang_desk import handlers, render
from thermolang_desk.texts import ENGLISH, JAPANESE, Words, words_for

REFRESH_SECONDS = 2.0
CSS = Path(__file__).with_name("desk.css")
SCRIPT = Path(__file__).with_name("desk.js")

# The page's events are no API. They do without Gradio's queue, and so without its toasts: it costs 50 ms.
_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_ROW_CLICKED = """
element.addEventListener('click', event => {
  const row = event.target.closest('tr[data-id]');
  if (row) trigger('select', {id: row.dataset.id});
});
"""


def theme() -> gr.themes.Base:
    """Fonts of the machine, Japanese included: nothing is fetched from elsewhere."""
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans CJK JP", "Hiragino Sans", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    return gr.themes.Base(primary_hue="indigo", neutral_hue="slate", font=fonts, font_mono=mono)


def head() -> str:
    """The script with shortcuts and selection, for the page's head."""
    return f"<script>{SCRIPT.read_text(encoding='utf-8')}</script>"


def translations() -> gr.I18n:
    """Labels of Gradio's components."""
    return gr.I18n(en=dict(ENGLISH), ja=dict(JAPANESE))


def build(store: ReviewStore, text: gr.I18n) -> gr.Blocks:
    """Lay out the page over an open store."""
    page: gr.Blocks
    with gr.Blocks(title="thermolang · review desk", analytics_enabled=False, fill_width=True) as page:
        top = gr.HTML(elem_id="tl-top", apply_default_css=False, js_on_load=None)
        with gr.Row(elem_id="tl-main"):
            table = gr.HTML(elem_id="tl-queue", apply_default_css=False, js_on_load=_ROW_CLICKED)
            with gr.Column(elem_id="tl-side"):
                detail = gr.HTML(elem_id="tl-detail", apply_default_css=False, js_on_load=None)
                shown = gr.Textbox(visible=False)
                form = _form(text)
        toast = gr.HTML(elem_id="tl-toasts", apply_default_css=False, js_on_load=None)
        parts = [top, table, toast, shown, detail, form["correction"], form["note"], form["box"]]
        _wire(page, store, parts, form)
    return page


def _form(text: gr.I18n) -> dict[str, Any]:
    """The operator's controls under the detail."""
    with gr.Column(elem_id="tl-form", visible=False) as box:
        with gr.Column(elem_id="tl-editor"):
            correction = gr.Textbox(label=text("correction"), elem_id="tl-correction", lines=2, max_lines=6)
            with gr.Row():
                save = gr.Button(text("save"), elem_id="tl-save", variant="primary", size="md")
                gr.Button(text("cancel"), elem_id="tl-cancel", size="md")
        with gr.Row(elem_id="tl-buttons"):
            accept = gr.Button(text("accept"), elem_id="tl-accept", size="md")
            gr.Button(text("correct"), elem_id="tl-correct", size="md")
            reject = gr.Button(text("reject"), elem_id="tl-reject", size="md")
        with gr.Row(elem_id="tl-signature"):
            operator = gr.Textbox(
                label=text("operator"), placeholder=text("operator_hint"), elem_id="tl-operator", max_lines=1
            )
            note = gr.Textbox(label=text("note"), placeholder=text("note_hint"), elem_id="tl-note", max_lines=1)
    return {
        "box": box,
        "correction": correction,
        "operator": operator,
        "note": note,
        "accept": accept,
        "correct": save,
        "reject": reject,
    }


def _wire(page: gr.Blocks, store: ReviewStore, parts: list[Any], form: dict[str, Any]) -> None:
    _, table, _, shown, *_ = parts

    def refresh(shown: str, request: gr.Request) -> list[Any]:
        return _updates(handlers.refresh(store, shown, _words(request)))

    def select(event: gr.EventData, request: gr.Request) -> list[Any]:
        return _updates(handlers.select(store, str(event.id), _words(request)))

    def decide(action: handlers.DeskAction) -> Callable[..., list[Any]]:
        def act(shown: str, operator: str, correction: str, note: str, request: gr.Request) -> list[Any]:
            given = handlers.Form(action, operator or "", correction or "", note or "")
            return _updates(handlers.decide(store, shown, given, _words(request)))

        return act

    page.load(refresh, shown, parts, **_QUIET)
    gr.Timer(REFRESH_SECONDS).tick(refresh, shown, parts, **_QUIET)
    # By default clicks are lost while a row loads; "always_last" would repeat the first click's row.
    table.select(select, None, parts, trigger_mode="multiple", **_QUIET)
    inputs = [shown, form["operator"], form["correction"], form["note"]]
    for action in get_args(handlers.DeskAction):
        form[action].click(decide(action), inputs, parts, **_QUIET)
    _remember(page, form["operator"])


def _remember(page: gr.Blocks, operator: gr.Textbox) -> None:
    """Keep the operator's name in the browser; at first it is the name of the account."""
    stored = gr.BrowserState(getpass.getuser(), storage_key="thermolang-operator", secret="thermolang")
    page.load(None, stored, operator, js="name => name", **_QUIET)
    operator.blur(None, operator, stored, js="name => name", **_QUIET)


def _words(request: gr.Request) -> Words:
    return words_for(request.headers.get("accept-language", ""))


def _updates(view: handlers.View) -> list[Any]:
    """A view as values of header, queue, toast, shown, detail, correction, note and form."""
    top = gr.skip() if view.header is None else view.header
    table = gr.skip() if view.queue is None else view.queue
    toast = render.toast(view.toast, view.kind, key=uuid.uuid4().hex) if view.toast else gr.skip()
    if view.panel is None:
        return [top, table, toast, *[gr.skip()] * 5]
    panel = view.panel
    return [top, table, toast, panel.shown, panel.detail, panel.answer, "", gr.update(visible=bool(panel.shown))]
