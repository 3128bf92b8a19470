"""What goes in and out of the review database: ``export``, ``import-items``, ``webhooks`` and ``backup``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from thermolang.cli.common import StoreOption, console, opened, writable
from thermolang.errors import InvalidInputError


def export(
    out: Annotated[Path | None, typer.Option(help="A file that ends in .jsonl, .csv or .parquet.")] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="A new folder for a Hugging Face dataset, which load_from_disk reads.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only items of this task.")] = None,
    for_leads: Annotated[
        bool, typer.Option("--for-leads", help="Also which answers the audit drew: not for those who judge them.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Write the items of the review database with their verdicts, oldest first.

    Texts that were purged are empty; copies that test how people judge are left out.

    For example:

    thermolang export --store sqlite:///reviews.db --out verdicts.csv
    """
    if (out is None) == (dataset is None):
        msg = "say where to: --out FILE or --dataset FOLDER, one of both"
        raise InvalidInputError(msg)
    writable(out)
    with opened(store) as reviews:
        from thermolang.review.transfer import export_dataset, export_file

        if out is not None:
            count = export_file(reviews, out, task=task, for_leads=for_leads)
        elif dataset is not None:
            count = export_dataset(reviews, dataset, task=task, for_leads=for_leads)
    _say(f"{count} items written to {out or dataset}")


def import_items(
    source: Annotated[Path, typer.Argument(help="JSON lines with question and answer; see docs/review-desk.md.")],
    store: StoreOption = None,
) -> None:
    """Put the answers of a file into the queue of the review desk; run again, it adds nothing twice.

    It takes what thermolang score writes: answers that were accepted are offered to the audit, the others wait for a
    person. If a line cannot be read, nothing is written.

    For example:

    thermolang import-items scored.jsonl --store sqlite:///reviews.db
    """
    with opened(store) as reviews:
        from thermolang.review.transfer import import_items as job

        found = job(reviews, source)
    _say(f"{found.lines} lines: {found.added} items added, {found.known} were there already")
    if found.accepted:
        _say(f"{found.accepted} answers were accepted, and were offered to the audit")


def webhooks(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    store: StoreOption = None,
) -> None:
    """List what webhooks and mailboxes were told, the newest first: time, state, number of tries, what was answered."""
    with opened(store) as reviews:
        from thermolang.review.courier import deliveries

        found = deliveries(reviews, limit=limit)
    for one in found:
        about = f" {one.item_id}" if one.item_id else ""
        said = f", {one.said}" if one.said else ""
        _say(f"{one.created_at:%Y-%m-%d %H:%M:%S} {one.kind}{about}: {one.state} ({one.attempts}{said}) {one.url}")
    if not found:
        _say("nobody was told anything yet")


def backup(
    target: Annotated[Path, typer.Argument(help="A file that does not exist yet.")], store: StoreOption = None
) -> None:
    """Copy the review database into a file, while the desk runs.

    To restore it, stop the desk and name the copy with --store, or put it where the database was; remove the files
    that end in -wal and -shm there. For PostgreSQL, use pg_dump.

    For example:

    thermolang backup reviews-2026-11-29.db --store sqlite:///reviews.db
    """
    writable(target)
    with opened(store) as reviews:
        from thermolang.review.transfer import backup as job

        job(reviews, target)
    _say(f"copied to {target}: thermolang desk --store sqlite:///{target} opens it")


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
