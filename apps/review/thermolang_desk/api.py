"""The desk's JSON API, version 1: what ``thermolang.review.ReviewService`` can do, for whoever is logged in."""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from thermolang.review import (
    Band,
    Draft,
    Event,
    Filter,
    LeadService,
    Lease,
    Order,
    ReviewItem,
    ReviewService,
    Status,
    User,
)
from thermolang_desk import components
from thermolang_desk.access import COOKIE, Lead, Reviewer, address_of, set_cookie
from thermolang_desk.i18n import language_for

router = APIRouter(prefix="/api/v1")

MAX_VERSION = 2**31 - 1
# How often copies of probes and second reviews are made for a reviewer.
PREPARE_SECONDS = (20.0, 40.0)
ItemId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
Text = Annotated[str, Field(max_length=200_000)]
Note = Annotated[str, Field(max_length=10_000)]


async def _service(request: Request) -> ReviewService:
    service: ReviewService = request.app.state.service
    return service


Service = Annotated[ReviewService, Depends(_service)]


class Body(BaseModel):
    """What is sent to the API; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Login(Body):
    """A name and its password."""

    name: str = Field(max_length=200)
    password: str = Field(max_length=1000)


class FilterBody(Body):
    """Which items the next one is taken from; see ``thermolang.review.Filter``."""

    text: str = Field("", max_length=500)
    task: str | None = Field(None, max_length=500)
    band: Band | None = None
    reason_code: str | None = Field(None, max_length=30)
    flagged: bool = False

    def filter(self) -> Filter:
        """As the service takes it."""
        return Filter(**self.model_dump())


class Shown(Body):
    """An item as it was on the screen."""

    version: int = Field(ge=1, le=MAX_VERSION)
    note: Note = ""
    next: FilterBody | None = Field(None, description="Also take the next item, so that one request does both.")


class Verdict(Shown):
    """A verdict on an item as it was on the screen."""

    action: Literal["accept", "correct", "reject"]
    corrected_answer: Text | None = None
    reason_code: str = Field("", max_length=30)


class Leave(Shown):
    """An item that is left undecided."""

    kind: Literal["skip", "cannot_tell"]


class DraftBody(Body):
    """What was typed so far."""

    correction: Text | None = None
    note: Note = ""


class Listing:
    """The query of a list."""

    def __init__(
        self,
        text: Annotated[str, Query(max_length=500)] = "",
        task: Annotated[str | None, Query(max_length=500)] = None,
        status: Status | Literal["all"] = "pending",
        band: Band | None = None,
        reason_code: Annotated[str | None, Query(max_length=30)] = None,
        operator: Annotated[str | None, Query(max_length=200)] = None,
        flagged: bool = False,
        order: Order = "confidence",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> None:
        chosen = None if status == "all" else status
        self.filter = Filter(text, task, chosen, band, reason_code, operator, flagged)
        self.order, self.limit, self.offset = order, limit, offset


@router.post("/login")
def login(body: Login, request: Request, response: Response) -> dict[str, Any]:
    """Begin a session; the token is in a cookie."""
    user, token = request.app.state.access.users.login(body.name, body.password, address_of(request))
    request.state.user = user.name
    set_cookie(request, response, token)
    return asdict(user)


@router.post("/logout")
def logout(user: Reviewer, request: Request, response: Response) -> dict[str, Any]:
    """End the session."""
    request.app.state.access.users.logout(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return {}


@router.get("/me")
def me(user: Reviewer) -> dict[str, Any]:
    """Who is logged in."""
    return asdict(user)


@router.get("/changes")
def changes(user: Reviewer, service: Service, request: Request) -> dict[str, int]:
    """A number that grows with everything that happens; the page asks for it every two seconds."""
    # Apart from taking and deciding, so that the time of neither tells of it. Leads know the probes.
    due: dict[str, float] = request.app.state.prepare_at
    if user.role == "reviewer" and time.monotonic() >= due.get(user.name, 0.0):
        due[user.name] = time.monotonic() + random.uniform(*PREPARE_SECONDS)
        service.prepare(user.name)
    return {"changes": service.changes()}


@router.get("/stats")
def stats(user: Reviewer, service: Service) -> dict[str, int]:
    """Numbers of items."""
    return service.stats(user.name)


@router.get("/tasks")
def tasks(user: Reviewer, service: Service) -> dict[str, list[str]]:
    """Names of tasks."""
    return {"tasks": service.tasks()}


@router.get("/items")
def items(
    user: Reviewer, service: Service, request: Request, listing: Annotated[Listing, Depends()], view: bool = False
) -> dict[str, Any]:
    """A page of items; with ``view`` also as the desk's page shows it."""
    # Who may be the second one to judge an item must not find the first verdict.
    seen: dict[str, Any] = {"operator": user.name, "others": user.may("lead")}
    page = service.search(listing.filter, **seen, order=listing.order, limit=listing.limit, offset=listing.offset)
    if view:
        return {"total": page.total, "more": page.more, "html": components.rows(page.rows, language_for(request))}
    return asdict(page)


@router.post("/next")
def take_next(body: FilterBody, user: Reviewer, service: Service, request: Request) -> JSONResponse:
    """Take the next item."""
    # A response, here and below: what operators wait for need not be looked through once more, in another thread.
    return JSONResponse({"lease": _next(body, user, service, request)})


@router.post("/items/{item_id}/open")
def open_item(item_id: ItemId, user: Reviewer, service: Service, request: Request) -> dict[str, Any]:
    """Look at an item, and take it if it is free."""
    return {"lease": lease_view(service.open(item_id, user.name), user, request)}


@router.post("/items/{item_id}/renew")
def renew(item_id: ItemId, user: Reviewer, service: Service) -> dict[str, bool]:
    """Keep an item; the page asks for it every 30 seconds."""
    return {"held": service.renew(item_id, user.name)}


@router.post("/items/{item_id}/release")
def release(item_id: ItemId, user: Reviewer, service: Service) -> dict[str, Any]:
    """Give an item back."""
    service.release(item_id, user.name)
    return {}


@router.post("/items/{item_id}/decide")
def decide(item_id: ItemId, body: Verdict, user: Reviewer, service: Service, request: Request) -> JSONResponse:
    """Record a verdict."""
    item = service.decide(
        item_id,
        body.version,
        body.action,
        operator=user.name,
        corrected_answer=body.corrected_answer,
        note=body.note,
        reason_code=body.reason_code,  # type: ignore[arg-type]  # the service refuses unknown ones
    )
    following = _next(body.next, user, service, request) if body.next else None
    return JSONResponse({"item": _short(item), "lease": following})


@router.post("/items/{item_id}/leave")
def leave(item_id: ItemId, body: Leave, user: Reviewer, service: Service, request: Request) -> dict[str, Any]:
    """Leave an item undecided."""
    service.leave(item_id, body.version, body.kind, operator=user.name, note=body.note)
    return {"lease": _next(body.next, user, service, request) if body.next else None}


@router.post("/items/{item_id}/undo")
def undo(item_id: ItemId, body: Shown, user: Reviewer, service: Service, request: Request) -> dict[str, Any]:
    """Take one's own verdict back, within a minute."""
    return {"lease": lease_view(service.undo(item_id, body.version, operator=user.name), user, request)}


@router.post("/items/{item_id}/reopen")
def reopen(item_id: ItemId, body: Shown, user: Lead, service: Service) -> dict[str, Any]:
    """Make a decided item pending again."""
    return {"item": _short(service.reopen(item_id, body.version, operator=user.name, note=body.note))}


@router.put("/items/{item_id}/draft")
def save_draft(item_id: ItemId, body: DraftBody, user: Reviewer, service: Service) -> dict[str, Any]:
    """Keep what was typed."""
    service.save_draft(item_id, user.name, Draft(body.correction, body.note))
    return {}


@router.get("/items/{item_id}/events")
def events(item_id: ItemId, user: Lead, request: Request) -> dict[str, Any]:
    """What happened to an item."""
    return {"events": [asdict(event) for event in request.app.state.store.events(item_id)]}


def lease_view(lease: Lease, user: User, request: Request) -> dict[str, Any]:
    """An item as the page needs it: what a verdict must carry, the draft, and the HTML."""
    item = lease.item
    mine = item.status == "pending" and lease.operator in ("", user.name)
    return {
        "item": _short(item),
        "answer": item.answer,
        "operator": lease.operator,
        "mine": mine,
        "draft": asdict(lease.draft),
        "probe": user.may("lead")
        and item.verdict is not None
        and LeadService(request.app.state.store).is_probe(item.id),
        "html": components.detail(
            item,
            language_for(request),
            whose="" if mine else lease.operator,
            with_number=lease.with_number,
            may_assign=user.may("lead"),
            passed=_passed(item, request) if user.may("lead") and item.flagged else None,
        ),
    }


def _passed(item: ReviewItem, request: Request) -> Event | None:
    """Who could not tell, and their note for the lead: the last time, if there were several."""
    trail = request.app.state.store.events(item.id)
    return next((event for event in reversed(trail) if event.what == "cannot_tell"), None)


def _next(body: FilterBody, user: User, service: ReviewService, request: Request) -> dict[str, Any] | None:
    lease = service.next(user.name, body.filter())
    return lease_view(lease, user, request) if lease else None


def _short(item: ReviewItem) -> dict[str, Any]:
    operator = item.verdict.operator if item.verdict else ""
    return {"id": item.id, "version": item.version, "status": item.status, "operator": operator}
