"""The leads' pages and what they ask: figures, thresholds, probes, disagreements and settings."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup
from pydantic import Field

from thermolang.errors import RefusedError
from thermolang.review import EVERY_TASK, LeadService, ReviewService, TaskSettings, User, harmless
from thermolang_desk import charts, components
from thermolang_desk.access import Lead
from thermolang_desk.api import Body, ItemId
from thermolang_desk.i18n import WORDS, Language, language_for

if TYPE_CHECKING:
    from thermolang.review import Help, Quality

router = APIRouter()
Share = Annotated[float, Query(ge=0, le=1)]
Task = Annotated[str | None, Query(max_length=500)]


async def _service(request: Request) -> LeadService:
    return LeadService(request.app.state.store)


Service = Annotated[LeadService, Depends(_service)]


class SettingsBody(Body):
    """How a task is reviewed; null takes its own settings away."""

    task: str = Field(max_length=500)
    mode: Literal["shown", "blind", "random"] | None = None
    blind_share: float = Field(0.5, ge=0, le=1)
    probe_share: float = Field(0.0, ge=0, le=0.5)
    double_share: float = Field(0.0, ge=0, le=1)


class ProbeBody(Body):
    """Whether an item is a probe."""

    probe: bool


class SettleBody(Body):
    """Which of two verdicts counts."""

    verdict: Literal["first", "second"]


def page(request: Request, user: User, name: str, **context: Any) -> HTMLResponse:
    """One of the leads' pages."""
    unseen = sum(alarm.seen_at is None for alarm in LeadService(request.app.state.store).alarms())
    frame = components.frame_for(request, user)
    return HTMLResponse(components.lead_page(frame, name, unseen=unseen, **context))


@router.get("/lead")
def quality_page(
    user: Lead, service: Service, request: Request, task: Task = None, threshold: Share | None = None
) -> Response:
    """Reliability, risk against coverage, and what another threshold would change."""
    language, found = language_for(request), service.quality(threshold, task=task)
    return page(
        request,
        user,
        "quality",
        tasks=[name for name in ReviewService(request.app.state.store).tasks() if name],
        task=task,
        found=found,
        reliability=charts.reliability(found.bins, WORDS[language]),
        preview=_preview(found, task, language),
    )


@router.get("/api/v1/lead/preview")
def preview(
    user: Lead, service: Service, request: Request, threshold: Share, alpha: Share = 0.05, task: Task = None
) -> dict[str, Any]:
    """What another threshold would change; with the page's HTML."""
    found = service.quality(threshold, alpha=alpha, task=task)
    return {"preview": found.preview.to_dict(), "html": _preview(found, task, language_for(request))}


@router.get("/lead/load")
def load_page(user: Lead, service: Service, request: Request) -> Response:
    """How much comes in, how much is decided, and how long it waits."""
    words = WORDS[language_for(request)]
    days, waits = service.load(), service.waits()
    names = [waiting(each.seconds, words) for each in waits]
    in_out = [(each.submitted, each.decided) for each in days]
    waited = [(each.pending, each.decided) for each in waits]
    axes = (words["day"], words["items"]), (words["waited"], words["items"])
    return page(
        request,
        user,
        "load",
        days=days,
        waits=list(zip(names, waits, strict=True)),
        load=charts.groups("load", words["lead_load"], [each.day[5:] for each in days], in_out, axes=axes[0]),
        waited=charts.groups("waits", words["lead_waits"], names, waited, axes=axes[1]),
    )


@router.get("/lead/people")
def people_page(user: Lead, service: Service, request: Request) -> Response:
    """Whether the confidence helps, and how alike people judge."""
    words = WORDS[language_for(request)]
    helps = service.helps()
    shown = helps[:9]
    names = [each.operator or words["all_operators"] for each in shown]
    accuracy = [(each.with_number.accuracy, each.without_number.accuracy) for each in shown]
    axes = (words["operator"], words["judged_well"])
    return page(
        request,
        user,
        "people",
        helps=helps,
        says=[says(each, words) for each in helps[:1]],
        plot=charts.groups("people", words["lead_people"], names, accuracy, axes=axes),
        agreement=service.agreement(),
        disagreements=service.disagreements(),
    )


@router.get("/lead/settings")
def settings_page(user: Lead, service: Service, request: Request) -> Response:
    """How tasks are reviewed, and the probes."""
    settings = service.settings()
    tasks = [name for name in ReviewService(request.app.state.store).tasks() if name and name not in settings.tasks]
    rows = [(EVERY_TASK, settings.default), *sorted(settings.tasks.items())]
    return page(request, user, "settings", rows=rows, tasks=tasks, probes=service.probes())


@router.put("/api/v1/lead/settings")
def set_settings(body: SettingsBody, user: Lead, service: Service) -> dict[str, Any]:
    """Change how a task is reviewed."""
    values = body.model_dump(exclude={"task"})
    service.set_settings(body.task, TaskSettings(**values) if body.mode else None, operator=user.name)
    return {}


@router.post("/api/v1/items/{item_id}/probe")
def set_probe(item_id: ItemId, body: ProbeBody, user: Lead, service: Service) -> dict[str, Any]:
    """Let a decided item test how people judge, or no longer."""
    if body.probe:
        service.mark_probe(item_id, operator=user.name)
    else:
        service.unmark_probe(item_id, operator=user.name)
    return {"probe": body.probe}


@router.post("/api/v1/items/{item_id}/settle")
def settle(item_id: ItemId, body: SettleBody, user: Lead, service: Service) -> dict[str, Any]:
    """Say which of two verdicts counts."""
    return {"status": service.settle(item_id, body.verdict, operator=user.name).status}


@router.get("/api/v1/lead/figures/{name}.csv")
def figures_csv(name: str, user: Lead, service: Service, task: Task = None) -> Response:
    """The numbers of a plot as CSV."""
    rows = _figures(name, service, task)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0] if rows else [])
    writer.writerows([harmless(value) for value in row.values()] for row in rows)
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    # Spreadsheets take a file for UTF-8 if it begins with a mark.
    return Response("\ufeff" + text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/api/v1/lead/figures/{name}")
def figures(name: str, user: Lead, service: Service, task: Task = None) -> dict[str, Any]:
    """The numbers of a plot."""
    return {"rows": _figures(name, service, task)}


_FIGURES: Mapping[str, Callable[[LeadService, str | None], Sequence[Any]]] = {
    "reliability": lambda service, task: service.quality(task=task).bins,
    "risk": lambda service, task: service.quality(task=task).points,
    "load": lambda service, task: service.load(),
    "waits": lambda service, task: service.waits(),
    "people": lambda service, task: service.helps(),
    "agreement": lambda service, task: [service.agreement()],
}


def _figures(name: str, service: LeadService, task: str | None) -> list[dict[str, Any]]:
    if name not in _FIGURES:
        msg = f"there is no figure {name[:50]!r}; one of {', '.join(_FIGURES)}"
        raise RefusedError(msg)
    return [_flat(asdict(row)) for row in _FIGURES[name](service, task)]


def _flat(record: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A record without records in it: their names are joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return flat


def _preview(found: Quality, task: str | None, language: Language) -> Markup:
    """The plot and the figures of a threshold, as HTML."""
    words, asked = WORDS[language], found.preview.point
    marks = [("two", words["at_threshold"].format(value=components.number(asked.threshold)), asked)]
    if found.now is not None and abs(found.now.threshold - asked.threshold) > 1e-9:
        marks.insert(0, ("one", words["in_use"].format(value=components.number(found.present)), found.now))
    return components.preview(found, charts.risk(found.points, marks, words), task, language)


def waiting(seconds: int | None, words: Mapping[str, str]) -> str:
    """A limit of waiting times, in words."""
    if seconds is None:
        return words["longer"]
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit:
            return words[f"below_{name}"].format(count=seconds // unit)
    return words["longer"]


def says(found: Help, words: Mapping[str, str]) -> str:
    """What the figures of all operators mean, in a sentence."""
    shown, blind = found.with_number.accuracy, found.without_number.accuracy
    if found.gain is None:
        return words["help_too_few"].format(shown=shown.total, blind=blind.total)

    def points(value: float) -> str:
        return f"{100 * value:+.0f}".replace("-", "\N{MINUS SIGN}")

    said = words["help_figures"].format(
        shown=components.rate(shown.share),
        shown_total=shown.total,
        blind=components.rate(blind.share),
        blind_total=blind.total,
        gain=points(found.gain),
        low=points(found.low),
        high=points(found.high),
    )
    return said + words[f"help_{found.finding}"]
