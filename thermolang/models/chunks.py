"""Files that hold a few dozen items each, written under another name and then renamed.

A process that is killed at any moment leaves whole files only; the next run computes what is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

Chunk = tuple[dict[str, np.ndarray[Any, Any]], dict[str, list[str]]]
"""Arrays with items along the first axis, and lists of texts."""


def write(
    folder: Path, name: str, tensors: Mapping[str, np.ndarray[Any, Any]], texts: Mapping[str, Sequence[str]]
) -> None:
    """Write one chunk; readers see all of it or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.{os.getpid()}.part"
    save_file(dict(tensors), part, metadata={key: json.dumps(list(values)) for key, values in texts.items()})
    part.replace(folder / f"{name}.safetensors")


def write_text(path: Path, text: str) -> None:
    """Write a small file at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def read(folder: Path) -> list[Chunk]:
    """All chunks of a folder; a foreign or damaged file is left out, so that its items are computed again."""
    found: list[Chunk] = []
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as chunk:
                texts = {key: json.loads(value) for key, value in chunk.metadata().items()}
                tensors = {name: chunk.get_tensor(name) for name in chunk.keys()}  # noqa: SIM118 - no mapping
        except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, OSError):
            continue
        found.append((tensors, texts))
    return found
