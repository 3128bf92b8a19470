"""Fences the examples of docstrings, which start with ``>>>``: Markdown would take them for quotations."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^([ ]*)>>>.*(?:\n(?!\s*$).*)*", re.M)
"""From ``>>>`` to the next empty line."""


def fenced(text: str) -> str:
    """Put each example between fences, at its own indentation."""
    return EXAMPLE.sub(lambda m: f"\n{m[1]}```pycon\n{m[0]}\n{m[1]}```\n", text)


class Doctests(griffe.Extension):
    """Changes the docstrings of everything that is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change one docstring."""
        if obj.docstring and ">>>" in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)
