"""Which item an operator gets next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, exists, select
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


def held(session: Session, settings: Settings, operator: str, chosen: Filter, at: datetime) -> Select[Any]:
    """The item that the operator already has and that fits the filter: one that was open, then those of a lead."""
    query = select(ItemRow.id).join(LeaseRow, LeaseRow.item_id == ItemRow.id)
    query = query.where(LeaseRow.operator == operator, LeaseRow.until > at)
    query = query.where(*restrict(session, chosen), *without_hidden(settings, chosen))
    return query.order_by(LeaseRow.until > at + LEASE, LeaseRow.until.desc()).limit(1)


def offers(
    session: Session, settings: Settings, operator: str, chosen: Filter, at: datetime, draw: Callable[[], float]
) -> Iterator[str]:
    """Ids of items that the operator may have, the next one first; an id may come twice.

    Whether a repeat or another item comes first, the same statements ran before: no time tells one from the other.
    """
    free = _free(session, settings, operator, chosen, at, draw)
    first = next(free, None)
    where = [*restrict(session, chosen, few=True), *without_hidden(settings, chosen)]
    waiting = session.execute(repeats.waiting(operator).where(*where)).all()
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
    taken = exists().where(LeaseRow.item_id == ItemRow.id, LeaseRow.until > at, LeaseRow.operator != operator)
    passed = exists().where(PassRow.item_id == ItemRow.id, PassRow.operator == operator)
    usual = [~taken, ordinary(), *without_hidden(settings, chosen)]
    if not chosen.flagged:
        usual.append(~ItemRow.flagged)
    bands = list(range(len(BAND_LIMITS)))
    # A probe may be of any band; so that this does not tell it, as many other items come out of turn.
    if settings.may_hide(chosen.task) or draw() < settings.most_probes():
        bands.sort(key=lambda _: draw())
    for left in (~passed, passed):
        for band in bands:
            where = [*restrict(session, chosen, queue_band=band), *usual, left]
            start = hashlib.sha256(f"{band} {operator}".encode()).hexdigest()[:32]
            for half in (ItemRow.id >= start, ItemRow.id < start):
                query = select(ItemRow.id).where(half, *where).order_by(ItemRow.id).limit(_CANDIDATES)
                yield from session.scalars(query).all()
