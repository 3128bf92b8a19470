"""What the events of the queue's page do, without Gradio: each takes the store and returns what to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from thermolang import ReviewStore
from thermolang.errors import ConflictError, StoreError
from thermolang.review import ReviewItem, VerdictAction
from thermolang_desk import components
from thermolang_desk.i18n import WORDS, Language

QUEUE_LIMIT = 200

Kind = Literal["info", "warning", "error"]


class Shown(NamedTuple):
    """The item on the screen, in the version that was read: a verdict is about what was seen.

    Attributes:
        id: The item's id; empty if there is none on the screen.
        version: The item's version; 0 if there is none.
    """

    id: str = ""
    version: int = 0


_NOTHING = Shown()


@dataclass(frozen=True)
class Panel:
    """The right-hand side: one item, or nothing.

    Attributes:
        shown: The item.
        detail: HTML.
        answer: What the correction box starts with.
    """

    shown: Shown = _NOTHING
    detail: str = ""
    answer: str = ""


@dataclass(frozen=True)
class View:
    """What to show after an event; None leaves that part as it is.

    Attributes:
        header: HTML with the counts.
        queue: HTML with the table.
        panel: The selected item.
        toast: A short message; empty for none.
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

    action: VerdictAction
    operator: str
    correction: str = ""
    note: str = ""


def refresh(store: ReviewStore, shown_id: str, language: Language) -> View:
    """Read queue and counts again; the selection stays, unless there was none or nothing is left."""
    try:
        header, queue, items = _read(store, language)
    except StoreError as error:
        return View(queue=components.failure(str(error), language))
    # An empty queue means that others decided the item on the screen.
    moves = bool(items) != bool(shown_id)
    return View(header, queue, _panel_at(0, items, language) if moves else None)


def select(store: ReviewStore, item_id: str, language: Language) -> View:
    """Show one item."""
    try:
        return View(panel=_panel(store.get(item_id), language))
    except StoreError as error:
        return View(toast=str(error), kind="error")


def decide(store: ReviewStore, shown: Shown, form: Form, language: Language) -> View:
    """Record the verdict on the item on the screen and move on to the next."""
    try:
        if problem := _problem(store.get(shown.id), form, language):
            return View(toast=problem, kind="warning")
        before = [item.id for item in store.list(limit=QUEUE_LIMIT)]
        toast, kind = _record(store, shown, form, language)
        header, queue, items = _read(store, language)
    except StoreError as error:
        return View(toast=str(error), kind="error")
    position = before.index(shown.id) if shown.id in before else 0
    return View(header, queue, _panel_at(position, items, language), toast, kind)


def _read(store: ReviewStore, language: Language) -> tuple[str, str, list[ReviewItem]]:
    """HTML of header and queue, and the items in the queue."""
    items, counts = store.list(limit=QUEUE_LIMIT), store.counts()
    return components.header(counts, language), components.queue(items, counts["pending"], language), items


def _panel(item: ReviewItem, language: Language) -> Panel:
    return Panel(Shown(item.id, item.version), components.detail(item, language), item.answer)


def _panel_at(position: int, items: Sequence[ReviewItem], language: Language) -> Panel:
    """The item that moved up to where the decided one stood; the last one at the end of the queue."""
    return _panel(items[min(position, len(items) - 1)], language) if items else Panel()


def _problem(item: ReviewItem, form: Form, language: Language) -> str:
    """What the operator has to do before the verdict can be recorded; empty if nothing."""
    words = WORDS[language]
    if not form.operator.strip():
        return words["need_operator"]
    if form.action == "correct" and not form.correction.strip():
        return words["need_correction"]
    if form.action == "correct" and form.correction.strip() == item.answer.strip():
        return words["unchanged"]
    return ""


def _record(store: ReviewStore, shown: Shown, form: Form, language: Language) -> tuple[str, Kind]:
    """Write the verdict down, and say so; or say who was quicker."""
    correction = form.correction.strip() if form.action == "correct" else None
    try:
        item = store.decide(
            shown.id,
            form.action,
            operator=form.operator,
            corrected_answer=correction,
            note=form.note.strip(),
            version=shown.version,
        )
    except ConflictError as error:
        return _quicker(store.get(shown.id), language) or str(error), "warning"
    words = WORDS[language]
    return words["done"].format(status=words[item.status]), "info"


def _quicker(item: ReviewItem, language: Language) -> str:
    """Who decided first and when; empty if nobody did."""
    if item.verdict is None:
        return ""
    words, when = WORDS[language], f"{item.verdict.created_at:%Y-%m-%d %H:%M} UTC"
    return words["already"].format(operator=item.verdict.operator, time=when, status=words[item.status])
