"""Folders of thermolang, names and locks, and writing files so that a crash cannot leave half of one."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path, user_data_path


class Lock:
    """A lock of threads that may be copied and pickled: the copy is another lock, which nobody holds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[Lock], tuple[()]]:
        return Lock, ()


def digest(text: str, length: int = 16) -> str:
    """First hexadecimal digits of a text's SHA-256.

    >>> digest("thermolang", 8)
    '15f1b210'
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def data_dir() -> Path:
    """Folder of calibrators, task states and the review database; created when something is written."""
    home = os.environ.get("THERMOLANG_HOME")
    return Path(home) / "data" if home else user_data_path("thermolang")


def cache_dir() -> Path:
    """Folder of what can be made again: converted models and features."""
    home = os.environ.get("THERMOLANG_HOME")
    return Path(home) / "cache" if home else user_cache_path("thermolang")


def default_store_url() -> str:
    """Database of ``ReviewStore`` when none is named: THERMOLANG_STORE or an SQLite file."""
    return os.environ.get("THERMOLANG_STORE") or f"sqlite:///{data_dir() / 'review.db'}"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: readers, and whoever comes after a crash, never see half of it.

    The content goes to a file beside the target, which then takes the target's name. Missing folders are made.

    Args:
        path: The file.
        content: Text is written as UTF-8.

    Raises:
        OSError: The file cannot be written; the old one, if there was one, is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes, or two threads of one, may write the same file at a time.
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def folder_written_atomically(target: Path) -> Iterator[Path]:
    """Fill a new folder, which takes the target's place when the block ends without an error.

    Otherwise the target stays as it was, or comes back; nothing is ever half-written.

    Args:
        target: The folder; what was there before is replaced as a whole.

    Yields:
        The folder to fill, beside the target.

    Raises:
        OSError: It cannot be written, or cannot take the target's place.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        yield work
        work.chmod(0o755)  # mkdtemp makes folders that only their owner may read
        _exchange(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _exchange(work: Path, target: Path) -> None:
    """Put ``work`` where ``target`` is; the old one comes back if that fails."""
    if not target.exists():
        work.rename(target)
        return
    old = target.with_name(f".{target.name}-old-{os.getpid()}")
    target.rename(old)
    try:
        work.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
