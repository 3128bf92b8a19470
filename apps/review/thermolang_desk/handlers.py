"""What happens at the desk, without Gradio: each function takes the store and returns what to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from thermolang import ConflictError, ReviewItem, ReviewStore, StoreError
from thermolang_desk import render
from thermolang_desk.texts import Words

QUEUE_LIMIT = 200

DeskAction = Literal["accept", "correct", "reject"]
Kind = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Panel:
    """The right-hand side: one item, or nothing.

    Attributes:
        shown: Id and version of the item on the screen: a verdict is about what was seen.
        detail: HTML.
        answer: What the correction box starts with.
    """

    shown: str = ""
    detail: str = ""
    answer: str = ""


@dataclass(frozen=True)
class View:
    """What to show after an event; None leaves that part as it is.

    Attributes:
        header: HTML with the counts.
        queue: HTML with the table.
        panel: The selected item.
        toast: A short message.
        kind: What sort of message the toast is.
    """

    header: str | None = None
    queue: str | None = None
    panel: Panel | None = None
    toast: str = ""
    kind: Kind = "info"


@dataclass(frozen=True)
class Form:
    """What the operator filled in."""

    action: DeskAction
    operator: str
    correction: str = ""
    note: str = ""


def refresh(store: ReviewStore, shown: str, words: Words) -> View:
    """Read queue and counts again; the selection stays, unless there was none or nothing is left."""
    try:
        header, queue, items = _read(store, words)
    except StoreError as error:
        return View(queue=render.failure(str(error), words))
    # An empty queue means that others decided the item on the screen.
    moves = bool(items) != bool(shown)
    return View(header, queue, _panel_at(0, items, words) if moves else None)


def select(store: ReviewStore, item_id: str, words: Words) -> View:
    """Show one item."""
    try:
        return View(panel=_panel(store.get(item_id), words))
    except StoreError as error:
        return View(toast=str(error), kind="error")


def decide(store: ReviewStore, shown: str, form: Form, words: Words) -> View:
    """Record the verdict on the item on the screen and move on to the next."""
    item_id = shown.partition(" ")[0]
    try:
        if problem := _problem(store.get(item_id), form, words):
            return View(toast=problem, kind="warning")
        before = [item.id for item in store.list(limit=QUEUE_LIMIT)]
        toast, kind = _record(store, shown, form, words)
        header, queue, items = _read(store, words)
    except StoreError as error:
        return View(toast=str(error), kind="error")
    position = before.index(item_id) if item_id in before else 0
    return View(header, queue, _panel_at(position, items, words), toast, kind)


def _read(store: ReviewStore, words: Words) -> tuple[str, str, list[ReviewItem]]:
    items, counts = store.list(limit=QUEUE_LIMIT), store.counts()
    return render.header(counts, words), render.queue(items, counts["pending"], words), items


def _panel(item: ReviewItem, words: Words) -> Panel:
    return Panel(f"{item.id} {item.version}", render.detail(item, words), item.answer)


def _panel_at(position: int, items: Sequence[ReviewItem], words: Words) -> Panel:
    """The item that moved up to where the decided one stood; the last one at the end of the queue."""
    return _panel(items[min(position, len(items) - 1)], words) if items else Panel()


def _problem(item: ReviewItem, form: Form, words: Words) -> str:
    """What the operator has to do before the verdict can be recorded; empty if nothing."""
    if not form.operator.strip():
        return words["need_operator"]
    if form.action == "correct" and not form.correction.strip():
        return words["need_correction"]
    if form.action == "correct" and form.correction.strip() == item.answer.strip():
        return words["unchanged"]
    return ""


def _record(store: ReviewStore, shown: str, form: Form, words: Words) -> tuple[str, Kind]:
    """Decide, or say who was quicker."""
    item_id, _, version = shown.partition(" ")
    correction = form.correction.strip() if form.action == "correct" else None
    try:
        item = store.decide(
            item_id,
            form.action,
            operator=form.operator,
            corrected_answer=correction,
            note=form.note.strip(),
            version=int(version),
        )
    except ConflictError as error:
        return _quicker(store.get(item_id), words) or str(error), "warning"
    return words["done"].format(status=words[item.status]), "info"


def _quicker(item: ReviewItem, words: Words) -> str:
    """Who decided first and when; empty if nobody did."""
    if item.verdict is None:
        return ""
    when = f"{item.verdict.created_at:%Y-%m-%d %H:%M} UTC"
    return words["already"].format(operator=item.verdict.operator, time=when, status=words[item.status])
