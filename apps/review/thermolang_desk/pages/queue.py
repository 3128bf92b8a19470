"""The queue's page: its Gradio components, and the wires between them and ``queue_handlers``."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from thermolang import ReviewStore
from thermolang.review import ACTIONS, VerdictAction
from thermolang_desk import components
from thermolang_desk.i18n import Language, language_of
from thermolang_desk.pages import queue_handlers as handlers

REFRESH_SECONDS = 2.0

# The page's events are no API. They do without Gradio's queue, and so without its toasts: it costs 50 ms.
_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
_ROW_CLICKED = """
element.addEventListener('click', event => {
  const row = event.target.closest('tr[data-id]');
  if (row) trigger('select', {id: row.dataset.id});
});
"""

# What an event changes: the new value of each component; all others stay as they are.
Changes = dict[Block, Any]


@dataclass(frozen=True)
class Form:
    """The operator's controls under the detail; ``buttons`` has one for each action."""

    box: gr.Column
    correction: gr.Textbox
    operator: gr.Textbox
    note: gr.Textbox
    buttons: dict[VerdictAction, gr.Button]


@dataclass(frozen=True)
class Parts:
    """The components that events read and change; ``item_id`` and ``version`` are hidden and say what is shown."""

    header: gr.HTML
    queue: gr.HTML
    toast: gr.HTML
    item_id: gr.Textbox
    version: gr.Number
    detail: gr.HTML
    form: Form

    def outputs(self) -> list[Block]:
        """All components that ``changes`` may change."""
        panel = [self.item_id, self.version, self.detail, self.form.box, self.form.correction, self.form.note]
        return [self.header, self.queue, self.toast, *panel]

    def changes(self, view: handlers.View) -> Changes:
        """A view as new values of components."""
        changes: Changes = {}
        if view.header is not None:
            changes[self.header] = view.header
        if view.queue is not None:
            changes[self.queue] = view.queue
        if view.toast:
            changes[self.toast] = components.toast(view.toast, view.kind, key=uuid.uuid4().hex)
        if view.panel is not None:
            changes |= self._panel_changes(view.panel)
        return changes

    def _panel_changes(self, panel: handlers.Panel) -> Changes:
        return {
            self.item_id: panel.shown.id,
            self.version: panel.shown.version,
            self.detail: panel.detail,
            self.form.box: gr.update(visible=bool(panel.shown.id)),
            self.form.correction: panel.answer,
            self.form.note: "",
        }


def build(store: ReviewStore, text: gr.I18n) -> gr.Blocks:
    """Lay out the page over an open store.

    Args:
        store: Where items come from and verdicts go.
        text: Labels of Gradio's components, in each language.
    """
    page: gr.Blocks
    with gr.Blocks(title="thermolang · review desk", analytics_enabled=False, fill_width=True) as page:
        header = gr.HTML(elem_id="tl-top", apply_default_css=False, js_on_load=None)
        with gr.Row(elem_id="tl-main"):
            queue = gr.HTML(elem_id="tl-queue", apply_default_css=False, js_on_load=_ROW_CLICKED)
            with gr.Column(elem_id="tl-side"):
                detail = gr.HTML(elem_id="tl-detail", apply_default_css=False, js_on_load=None)
                item_id, version = gr.Textbox(visible=False), gr.Number(visible=False, precision=0)
                form = _form(text)
        toast = gr.HTML(elem_id="tl-toasts", apply_default_css=False, js_on_load=None)
        _wire(page, store, Parts(header, queue, toast, item_id, version, detail, form))
    return page


def _form(text: gr.I18n) -> Form:
    with gr.Column(elem_id="tl-form", visible=False) as box:
        with gr.Column(elem_id="tl-editor"):
            correction = gr.Textbox(label=text("correction"), elem_id="tl-correction", lines=2, max_lines=6)
            with gr.Row():
                save = gr.Button(text("save"), elem_id="tl-save", variant="primary", size="md")
                gr.Button(text("cancel"), elem_id="tl-cancel", size="md")
        with gr.Row(elem_id="tl-buttons"):
            accept = gr.Button(text("accept"), elem_id="tl-accept", size="md")
            # It only opens the editor: the correction is decided by the button that saves it.
            gr.Button(text("correct"), elem_id="tl-correct", size="md")
            reject = gr.Button(text("reject"), elem_id="tl-reject", size="md")
        with gr.Row(elem_id="tl-signature"):
            operator = gr.Textbox(
                label=text("operator"), placeholder=text("operator_hint"), elem_id="tl-operator", max_lines=1
            )
            note = gr.Textbox(label=text("note"), placeholder=text("note_hint"), elem_id="tl-note", max_lines=1)
    return Form(box, correction, operator, note, {"accept": accept, "correct": save, "reject": reject})


def _wire(page: gr.Blocks, store: ReviewStore, parts: Parts) -> None:
    form, outputs = parts.form, parts.outputs()

    def refresh(item_id: str, request: gr.Request) -> Changes:
        return parts.changes(handlers.refresh(store, item_id, _language(request)))

    def select(event: gr.EventData, request: gr.Request) -> Changes:
        return parts.changes(handlers.select(store, str(event.id), _language(request)))

    def decide(action: VerdictAction) -> Callable[..., Changes]:
        def act(values: dict[Block, Any], request: gr.Request) -> Changes:
            shown = handlers.Shown(values[parts.item_id] or "", values[parts.version] or 0)
            operator, correction, note = (values[box] or "" for box in (form.operator, form.correction, form.note))
            given = handlers.Form(action, operator, correction, note)
            return parts.changes(handlers.decide(store, shown, given, _language(request)))

        return act

    page.load(refresh, parts.item_id, outputs, **_QUIET)
    gr.Timer(REFRESH_SECONDS).tick(refresh, parts.item_id, outputs, **_QUIET)
    # By default clicks are lost while a row loads; "always_last" would repeat the first click's row.
    parts.queue.select(select, None, outputs, trigger_mode="multiple", **_QUIET)
    # A set of inputs arrives as a dictionary, so that no order has to be kept.
    inputs: set[Block] = {parts.item_id, parts.version, form.operator, form.correction, form.note}
    for action in ACTIONS:
        form.buttons[action].click(decide(action), inputs, outputs, **_QUIET)
    _remember(page, form.operator)


def _remember(page: gr.Blocks, operator: gr.Textbox) -> None:
    """Keep the operator's name in the browser; at first it is the name of the account."""
    stored = gr.BrowserState(getpass.getuser(), storage_key="thermolang-operator", secret="thermolang")
    page.load(None, stored, operator, js="name => name", **_QUIET)
    operator.blur(None, operator, stored, js="name => name", **_QUIET)


def _language(request: gr.Request) -> Language:
    return language_of(request.headers.get("accept-language", ""))
