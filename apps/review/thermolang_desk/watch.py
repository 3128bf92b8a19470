"""What leads watch: who works on what, with giving it to somebody else, and the alarms of monitors."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from thermolang.errors import RefusedError
from thermolang_desk.access import Access, Lead
from thermolang_desk.api import MAX_VERSION, Body, ItemId
from thermolang_desk.api import Service as Desk
from thermolang_desk.i18n import WORDS, language_for
from thermolang_desk.lead import Service, page

router = APIRouter()
AlarmId = Annotated[int, Path(ge=1, le=MAX_VERSION)]
Asked = Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")]


class AssignBody(Body):
    """Who is to have an item."""

    operator: str = Field(min_length=1, max_length=200)


@router.get("/lead/work")
def work_page(user: Lead, service: Service, request: Request, item: Asked = None) -> Response:
    """Who works on what; with ``item`` also this one."""
    return page(request, user, "work", work=service.work(item), people=_people(request), asked=item)


@router.post("/api/v1/items/{item_id}/assign")
def assign(item_id: ItemId, body: AssignBody, user: Lead, desk: Desk, request: Request) -> dict[str, Any]:
    """Give an undecided item to somebody, whoever has it now."""
    if body.operator not in _people(request):
        msg = f"there is no user {body.operator!r}"
        raise RefusedError(msg)
    desk.assign(item_id, body.operator, operator=user.name)
    return {"operator": body.operator}


@router.get("/lead/alarms")
def alarms_page(user: Lead, service: Service, request: Request) -> Response:
    """What monitors have noticed."""
    words = WORDS[language_for(request)]
    # A monitor of a later version may tell of something that the desk has no word for.
    found = [(alarm, words.get(f"alarm_{alarm.code}", alarm.code)) for alarm in service.alarms()]
    return page(request, user, "alarms", alarms=found)


@router.post("/api/v1/lead/alarms/{alarm_id}/seen")
def see_alarm(alarm_id: AlarmId, user: Lead, service: Service) -> dict[str, Any]:
    """Say that one has seen an alarm."""
    service.see_alarm(alarm_id, operator=user.name)
    return {}


def _people(request: Request) -> list[str]:
    """Who can be given something: the users, or who opened the desk alone."""
    access: Access = request.app.state.access
    return [access.alone.name] if access.alone else [user.name for user in access.users.all()]
