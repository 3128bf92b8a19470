"""Opens and migrates the review database; every error becomes one line that says what is wrong and what to do."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, inspect, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from thermolang.errors import StoreError
from thermolang.review.schema import ItemRow

VERSION_TABLE = "thermolang_schema"
_DRIVERS = {"sqlite": "sqlite", "postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
# Any constant will do: processes that open the same PostgreSQL database must agree on it.
_ADVISORY_LOCK = 7_461_204
# Alembic keeps the running migration in module globals.
_alembic = threading.Lock()

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


def parse_url(url: str) -> URL:
    """Read a database URL and fill in the driver that thermolang installs.

    Args:
        url: Such as ``sqlite:///review.db`` or ``postgresql://user@host/name``.

    Raises:
        StoreError: It is no URL, or one of a database that is not supported.
    """
    expected = "expected sqlite:///path/to/file.db or postgresql://user@host/name"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        given = "what was given" if "://" in url else repr(url)
        msg = f"{given} is no database URL; {expected}"
        raise StoreError(msg) from error
    if parsed.get_backend_name() not in _DRIVERS:
        raise store_error(parsed, "only SQLite and PostgreSQL are supported", expected)
    return parsed.set(drivername=_DRIVERS.get(parsed.drivername, parsed.drivername))


def open_engine(url: URL, *, timeout: float) -> Engine:
    """Connect to a database; it, its folder and its tables are created if missing, and an older schema is migrated.

    Args:
        url: From ``parse_url``.
        timeout: Seconds to wait for a lock or a server.

    Raises:
        StoreError: The database cannot be used.
    """
    with store_errors(url):
        path = _sqlite_path(url)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        engine = _create_engine(url, timeout)
        try:
            _migrate(engine, path, timeout)
        except BaseException:
            engine.dispose()
            raise
    return engine


def without_waiting(engine: Engine, timeout: float) -> Engine:
    """Another way into an SQLite file whose commits do not wait for the disk: for what a power cut may undo.

    What is committed this way is seen at once by everybody, survives the death of the process, and is on the disk after
    the next commit that waits. A power cut before that undoes it and damages nothing, as the database is in WAL mode.

    Args:
        engine: The usual way; returned as it is where this is no file of SQLite.
        timeout: Seconds to wait for a lock.
    """
    if engine.dialect.name != "sqlite" or not _sqlite_path(engine.url):
        return engine
    other = _create_engine(engine.url, timeout)
    event.listen(other, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=NORMAL").close())
    return other


def without_password(url: URL) -> str:
    """The URL as a person may see it."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def store_error(url: URL, what: str, advice: str) -> StoreError:
    """A StoreError that says what is wrong, where, and what to do."""
    return StoreError(f"cannot use the review database {without_password(url)}: {what}; {advice}")


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turn what the database, the migrations or the system raise inside the block into a StoreError."""
    try:
        yield
    except (SQLAlchemyError, CommandError, OSError, ValueError, TypeError) as error:
        raise store_error(url, *_diagnose(error)) from error


class _Line:
    """Lets one thread at a time write into an SQLite database; the others wait until they are woken."""

    def __init__(self, url: URL, timeout: float) -> None:
        self._url, self._timeout, self._lock = url, timeout, threading.Lock()

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._timeout):
            raise store_error(self._url, *_LOCKED)

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def in_line(engine: Engine, timeout: float) -> AbstractContextManager[Any]:
    """A turn to write. SQLite has one writer at a time and lets others only ask again after ever longer pauses.

    Args:
        engine: Of the database; where it is no SQLite, nobody waits.
        timeout: Seconds to wait.
    """
    return _Line(engine.url, timeout) if engine.dialect.name == "sqlite" else nullcontext()


def upsert(
    session: Session,
    table: Any,
    values: dict[str, Any],
    changing: tuple[str, ...],
) -> None:
    """Insert a row, or change the one that has its key.

    Args:
        session: Of the database.
        table: A class of ``schema``.
        values: Of the row.
        changing: The columns that are changed.
    """
    dialect: Any = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    key = [column.name for column in table.__table__.primary_key]
    insert = dialect.insert(table.__table__).values(values)
    changes = {name: insert.excluded[name] for name in changing}
    session.execute(insert.on_conflict_do_update(index_elements=key, set_=changes))


def _sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite URL; None for a server or a database in memory."""
    in_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if in_file else None


def _create_engine(url: URL, timeout: float) -> Engine:
    if url.get_backend_name() != "sqlite":
        # libpq takes whole seconds and advises against fewer than 2.
        connect = {"connect_timeout": max(2, int(timeout))}
        try:
            return create_engine(url, pool_pre_ping=True, connect_args=connect)
        except ModuleNotFoundError as error:
            advice = 'install it: pip install "thermolang[postgres]"'
            raise store_error(url, f"its driver {error.name} is missing", advice) from error
    # The pool may hand a connection to another thread than the one that opened it, one at a time.
    options: dict[str, Any] = {"connect_args": {"timeout": timeout, "check_same_thread": False}}
    if not _sqlite_path(url):
        # A database in memory is its connection: there must be one, and one user of it at a time.
        options |= {"poolclass": QueuePool, "pool_size": 1, "max_overflow": 0}
    engine = create_engine(url, **options)
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: object) -> None:
    """An answer that was submitted must survive a power cut: a commit waits for the disk."""
    connection.execute("PRAGMA synchronous=FULL").close()
    connection.execute("PRAGMA foreign_keys=ON").close()


def _migrate(engine: Engine, path: Path | None, timeout: float) -> None:
    scripts = ScriptDirectory.from_config(_config())
    # The usual case, which needs no lock.
    with engine.connect() as connection:
        if _is_ready(connection, scripts):
            return
    # A server is locked in ``_begin``; a database in memory has no other process.
    lock: AbstractContextManager[object] = FileLock(f"{path}.lock", timeout=timeout) if path else nullcontext()
    with lock, _alembic, engine.connect() as connection:
        _begin(connection)
        # Another process may have been quicker while this one waited.
        if not _is_ready(connection, scripts):
            _refuse_foreign_tables(connection)
            command.upgrade(_config(connection), "head")
        connection.commit()


def _is_ready(connection: Connection, scripts: ScriptDirectory) -> bool:
    """Whether the schema is current; a newer one is refused."""
    url = connection.engine.url
    found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    unknown = set(found) - {script.revision for script in scripts.walk_revisions()}
    if unknown:
        what = f"its schema {', '.join(sorted(unknown))} is newer than this thermolang"
        raise store_error(url, what, "pip install --upgrade thermolang")
    return found == tuple(scripts.get_heads())


def _begin(connection: Connection) -> None:
    """Start a transaction that no other process can share, so that a failed migration leaves nothing."""
    if connection.dialect.name == "sqlite":
        # Outside the transaction, where alone it can be changed; the file remembers it.
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")


def _refuse_foreign_tables(connection: Connection) -> None:
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in tables and ItemRow.__tablename__ in tables:
        advice = "name an empty one with THERMOLANG_STORE"
        raise store_error(connection.engine.url, "it holds tables of another program", advice)


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection, "version_table": VERSION_TABLE})
    config.set_main_option("script_location", "thermolang.review:migrations")
    config.set_main_option("path_separator", "os")
    return config


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
