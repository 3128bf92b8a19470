"""Which item an operator gets next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, exists, select
from sqlalchemy.orm import Session

from thermolang.review import repeats
from thermolang.review.schema import BAND_LIMITS, ItemRow, LeaseRow, PassRow, ordinary
from thermolang.review.search import Filter, restrict, without_hidden
from thermolang.review.settings import Settings

LEASE = timedelta(seconds=90)
# How long an item that a lead has given to somebody waits for that person alone.
ASSIGNED = timedelta(hours=4)
# How many free items are looked at; others may be quicker with some of them.
_CANDIDATES = 8


# Statements with their conditions, so that they need not be built at each request; see ``_statement``.
_KEPT = 500
_kept: dict[tuple[Any, ...], Select[Any]] = {}

_who: BindParameter[str] = bindparam("who")
_now = bindparam("now", type_=LeaseRow.until.type)
_later = bindparam("later", type_=LeaseRow.until.type)
_start: BindParameter[str] = bindparam("start")


def held(session: Session, settings: Settings, operator: str, chosen: Filter, at: datetime) -> str | None:
    """The item that the operator already has and that fits the filter: one that was open, then those of a lead."""

    def build() -> Select[Any]:
        query = select(ItemRow.id).join(LeaseRow, LeaseRow.item_id == ItemRow.id)
        query = query.where(LeaseRow.operator == _who, LeaseRow.until > _now, *restrict(session, chosen))
        return query.order_by(LeaseRow.until > _later, LeaseRow.until.desc()).limit(1)

    statement = _statement(session, settings, chosen, build, "held")
    given = {"who": operator, "now": at, "later": at + LEASE}
    found: str | None = session.connection().execute(statement, given).scalar()
    return found


def offers(
    session: Session, settings: Settings, operator: str, chosen: Filter, at: datetime, draw: Callable[[], float]
) -> Iterator[str]:
    """Ids of items that the operator may have, the next one first; an id may come twice.

    Whether a repeat or another item comes first, the same statements ran before: no time tells one from the other.
    """
    free = _free(session, settings, operator, chosen, at, draw)
    first = next(free, None)

    def build() -> Select[Any]:
        return repeats.waiting(_who).where(*restrict(session, chosen, few=True))

    statement = _statement(session, settings, chosen, build, "waiting")
    waiting = session.connection().execute(statement, {"who": operator}).all()
    probe = next((repeat for repeat in waiting if repeat.kind == "probe"), None)
    second = next((repeat for repeat in waiting if repeat.kind == "second"), None)
    drawn = draw()
    if probe:
        share = settings.of(probe.task).probe_share
        if drawn < share:
            yield probe.id
        drawn -= share
    if second and 0 <= drawn < settings.of(second.task).double_share:
        yield second.id
    if first is not None:
        yield first
        yield from free
    # Where nothing else is left, these are.
    yield from (repeat.id for repeat in (second, probe) if repeat)


def _free(
    session: Session, settings: Settings, operator: str, chosen: Filter, at: datetime, draw: Callable[[], float]
) -> Iterator[str]:
    """Free items that are no repeats: band by band, in each from the operator's own place in the circle of ids on."""
    bands = list(range(len(BAND_LIMITS)))
    # A probe may be of any band; so that this does not tell it, as many other items come out of turn.
    if settings.may_hide(chosen.task) or draw() < settings.most_probes():
        bands.sort(key=lambda _: draw())
    for passed in (False, True):
        for band in bands:
            start = hashlib.sha256(f"{band} {operator}".encode()).hexdigest()[:32]
            for after in (True, False):

                def build(band: int = band, passed: bool = passed, after: bool = after) -> Select[Any]:
                    half = ItemRow.id >= _start if after else ItemRow.id < _start
                    query = select(ItemRow.id).where(half, *restrict(session, chosen, queue_band=band))
                    return query.where(*_usual(chosen, passed=passed)).order_by(ItemRow.id).limit(_CANDIDATES)

                statement = _statement(session, settings, chosen, build, "free", band, passed, after)
                given = {"who": operator, "now": at, "start": start}
                yield from session.connection().execute(statement, given).scalars().all()


def _usual(chosen: Filter, *, passed: bool) -> list[ColumnElement[bool]]:
    """The conditions that an item is free, no repeat, and passed by the operator or not."""
    taken = exists().where(LeaseRow.item_id == ItemRow.id, LeaseRow.until > _now, LeaseRow.operator != _who)
    left = exists().where(PassRow.item_id == ItemRow.id, PassRow.operator == _who)
    usual: list[ColumnElement[bool]] = [~taken, ordinary(), left if passed else ~left]
    return usual if chosen.flagged else [*usual, ~ItemRow.flagged]


def _statement(
    session: Session, settings: Settings, chosen: Filter, build: Callable[[], Select[Any]], *shape: Any
) -> Select[Any]:
    """A statement without what the filter must not find; kept for the next time where it will be the same then.

    Args:
        session: Of the database.
        settings: Say what must not be found.
        chosen: The filter.
        build: Builds it.
        shape: Which one it is; with the filter and the kind of database it decides what is built.
    """
    hidden = without_hidden(settings, chosen)
    # How a text is best searched changes with the items, and what is hidden with the settings.
    if chosen.text or hidden:
        return build().where(*hidden)
    key = (session.get_bind().dialect.name, chosen, *shape)
    if key not in _kept:
        if len(_kept) >= _KEPT:
            _kept.clear()
        _kept[key] = build()
    return _kept[key]
