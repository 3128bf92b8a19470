"""Where thermolang keeps files, short names for texts, and how a file is written so that a crash cannot halve it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from platformdirs import user_cache_path, user_data_path


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
