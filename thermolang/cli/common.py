"""Helpers that all commands share: consoles, options, loading a model, writing files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from thermolang.errors import InvalidInputError, require
from thermolang.storage import write_atomically

if TYPE_CHECKING:
    from thermolang.review.store import ReviewStore

console = Console()
errors = Console(stderr=True)

DEFAULT_MODEL = "smollm2-135m"

ModelOption = Annotated[
    str,
    typer.Option("--model", "-m", help="A model folder, the short name smollm2-135m, or a Hugging Face hub id."),
]


ColumnsOption = Annotated[
    str | None,
    typer.Option(
        help="Names of columns that are not told by theirs, such as question=Q,answers=A; also choices, context and "
        "answer (the right one of choices, or the one to score)."
    ),
]


StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="Database URL, such as sqlite:///reviews.db; by default one in your data folder."),
]


def opened(store: str | None, *, audit: float | None = None) -> ReviewStore:
    """The review store of a command; ``audit`` is the rate of its audit, by default the usual one."""
    require("sqlalchemy", "store")
    require("alembic", "store")
    from thermolang.review.feedback import Audit
    from thermolang.review.store import ReviewStore

    return ReviewStore(store, audit=None if audit is None else Audit(audit))


def local_model(name: str) -> Any:
    """Load a model with a spinner."""
    with quietly(f"loading {name}"):
        from thermolang.models.local import LocalModel

        return LocalModel.load(name)


def runs_on(model: Any) -> str:
    """Number format and device of a model, for people."""
    dtype, device = str(model.model.dtype).removeprefix("torch."), model.model.device
    if device.type != "cuda":
        return f"{dtype} on {device}"
    import torch

    return f"{dtype} on {device} ({torch.cuda.get_device_name(device)})"


@contextmanager
def resumable(kept: Path) -> Iterator[None]:
    """Say at Ctrl-C where the work done so far is, and that the same command goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        errors.print(f"stopped: what is done is kept in {kept}; the same command goes on", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None


@contextmanager
def quietly(what: str) -> Iterator[None]:
    """Show a spinner and keep the libraries' own progress bars and notes off the terminal."""
    with errors.status(escaped(what)):
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        yield


def writable(path: Path | None) -> None:
    """Find out now rather than after a long job that a file cannot be written."""
    if path is None:
        return
    problem = ""
    if path.is_dir():
        problem = "it is a folder"
    elif not path.parent.is_dir():
        problem = f"the folder {path.parent} does not exist"
    elif not os.access(path.parent, os.W_OK):
        problem = f"the folder {path.parent} is read-only"
    if problem:
        msg = f"cannot write {path}: {problem}"
        raise InvalidInputError(msg)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record; a reader sees the old file or the whole new one."""
    write_atomically(path, to_json(record, indent=2) + "\n")


def to_json(record: dict[str, Any], indent: int | None = None) -> str:
    """JSON that any UTF-8 file takes: half a surrogate pair, as from a bad byte on the command line, becomes "?"."""
    return json.dumps(record, indent=indent, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")


def escaped(text: str) -> str:
    """Text from outside never becomes rich markup."""
    from rich.markup import escape

    return escape(text)
