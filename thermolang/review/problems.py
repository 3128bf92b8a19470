"""One clear line for everything that can go wrong with the review database."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from filelock import Timeout
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from thermolang.errors import StoreError

_ELSEWHERE = "or name another database with THERMOLANG_STORE"
_DAMAGED = ("the file is damaged", f"restore a backup, move it away {_ELSEWHERE}")
_UNWRITABLE = ("it cannot be written", f"check the permissions of the file and its folder, {_ELSEWHERE}")
_LOCKED = ("another program keeps it locked", "close that program and try again")
_FULL = ("the disk is full or failing", "free some space and try again; nothing was half-written")

# What SQLite says, what it means, what to do. sqlite3 has error codes only from Python 3.11 on.
_KNOWN = (
    ("not a database", ("the file is not an SQLite database", f"move it away {_ELSEWHERE}")),
    ("malformed", _DAMAGED),
    ("readonly database", _UNWRITABLE),
    ("unable to open database file", ("it cannot be opened", f"check its folder, {_ELSEWHERE}")),
    ("database is locked", _LOCKED),
    ("disk is full", _FULL),
    ("disk I/O error", _FULL),
)
_ERRNO = {errno.EACCES: _UNWRITABLE, errno.EPERM: _UNWRITABLE, errno.EROFS: _UNWRITABLE, errno.ENOSPC: _FULL}


def shown(url: URL) -> str:
    """The URL as a person may see it: without passwords."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def store_error(url: URL, what: str, advice: str) -> StoreError:
    """A StoreError that says what is wrong, where, and what to do."""
    return StoreError(f"cannot use the review database {shown(url)}: {what}; {advice}")


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Let only StoreErrors leave the block."""
    try:
        yield
    except (SQLAlchemyError, CommandError, OSError, ValueError, TypeError) as error:
        raise store_error(url, *_diagnose(error)) from error


def _diagnose(error: Exception) -> tuple[str, str]:
    """What an exception means and what to do about it."""
    if isinstance(error, Timeout):
        return _LOCKED
    if isinstance(error, OSError) and error.errno in _ERRNO:
        return _ERRNO[error.errno]
    # Only the first line: PostgreSQL's details would repeat the row, which may be private.
    text = next(iter(str(getattr(error, "orig", None) or error).splitlines()), "")
    for said, diagnosis in _KNOWN:
        if said in text:
            return diagnosis
    return text or type(error).__name__, "check the URL and that the database is up"
