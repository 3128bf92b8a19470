"""The commands for those who answer for a system: the chain of events, what an audit rate detects, and deletion."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated

import typer

from thermolang.cli.common import StoreOption, console, opened, to_json
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.review.audit import Verification

app = typer.Typer(help="Check that nothing in the audit trail was changed.", no_args_is_help=True)

PER_UNIT = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@app.command()
def verify(
    store: StoreOption = None,
    head: Annotated[
        str, typer.Option(help="A head that `thermolang audit head` printed earlier and that was kept elsewhere.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute the hash chain over all events anew, and compare items and verdicts with it.

    A line that was changed, removed or added is named, and the exit status is 1. Without --head nobody can tell whether
    lines were cut off the end, or whether somebody who holds the database has computed all of it anew.

    For example:

    thermolang audit verify --head 1204:9f2c...
    """
    from thermolang.review import audit

    kept = audit.Head.parse(head) if head else None
    with opened(store) as reviews:
        found = audit.verify(reviews, kept)
    if as_json:
        problems = [vars(problem) for problem in found.problems]
        record = {"head": str(found.head), "purged": found.purged, "before": found.before, "problems": problems}
        print(to_json(record))  # noqa: T201
    else:
        _show(found, kept is not None)
    if found.problems:
        raise typer.Exit(1)


@app.command()
def head(store: StoreOption = None) -> None:
    """Print the head of the chain. Keep it where nobody who can write to the database can: it proves all before it."""
    from thermolang.review import audit

    with opened(store) as reviews:
        print(audit.head(reviews))  # noqa: T201


@app.command()
def detects(
    rate: Annotated[float, typer.Option(help="Share of accepted answers that is drawn for review.")] = 0.05,
    error: Annotated[float, typer.Option(help="Share of wrong answers among accepted ones as it is now.")] = 0.1,
) -> None:
    """Say how soon an audit of this rate notices that accepted answers have become worse.

    With an exact binomial test: a false alarm in 5 % of the cases, and a rise noticed in 80 %.
    """
    from thermolang.review.feedback import detects as found_after
    from thermolang.routing.policy import percent

    for rise in (0.02, 0.05, 0.1, 0.2):
        if error + rise <= 1:
            found = found_after(rate, error=error, rise=rise)
            _say(
                f"from {percent(error, 1)} to {percent(error + rise, 1)} wrong: after {found.labels:,} verdicts on "
                f"audited answers, which are drawn from about {found.answers:,} accepted ones"
            )


def purge(
    older_than: Annotated[str, typer.Option(help="Age, such as 90d, 12w or 36h, counted from the submission.")],
    store: StoreOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the texts of old items: questions, passages, answers, corrections, notes and drafts.

    Numbers, decisions, versions, and who decided what stay, and the audit trail still verifies. Items that wait for a
    verdict are left alone, and counted. It cannot be taken back; backups of the database are yours to delete.

    For example:

    thermolang purge --store sqlite:///reviews.db --older-than 90d
    """
    from thermolang.review import audit

    age = _age(older_than)
    with opened(store) as reviews:
        if not yes:
            typer.confirm(f"Delete the texts of all items in {reviews.url} older than {older_than}?", abort=True)
        purged, waiting = audit.purge(reviews, older_than=age, now=datetime.now(timezone.utc))
    _say(f"{purged} items purged")
    if waiting:
        _say(f"{waiting} items of that age still wait for a verdict and were left alone: decide them first")


def _age(written: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([hdw])", written.strip())
    if found is None:
        msg = f"an age is a number of hours, days or weeks, such as 36h, 90d or 12w, not {written!r}"
        raise InvalidInputError(msg)
    return int(found[1]) * PER_UNIT[found[2]]


def _show(found: Verification, compared: bool) -> None:
    for problem in found.problems:
        where = f"line {problem.position}: " if problem.position else ""
        item = f" (item {problem.item_id})" if problem.item_id else ""
        _say(f"{where}{problem.what}{item}")
    if not found.problems:
        _say(f"{found.head.length} events are as they were written; {found.purged} items were purged")
        if not compared:
            _say("Whether the end was cut off, or all was computed anew, shows only a head that was kept: --head")
    if found.before:
        _say(f"{found.before} events are from before there was a chain; nothing can be said about them")


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
