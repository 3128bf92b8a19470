"""The fields of an answer that is JSON: path, value, and where each stands in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # the stubs leave it out
from typing import Any

from thermolang.answers.json_schema import Schema, alternatives, member, options

_BLANK = re.compile(r"[ \t\r\n]*")
_PLAIN_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class JsonField:
    """One value of an answer: a text, a number, a boolean, null, or an empty list or object.

    Attributes:
        path: Where it stands, such as ``"address.city"`` or ``"items[0].price"``.
        value: The value.
        start: Where the value begins in the text.
        end: Where it ends.
        options: What it could be, as JSON texts, if the schema allows only a few values; else empty.
        description: What the schema says of it; empty if nothing.
    """

    path: str
    value: Any
    start: int
    end: int
    options: tuple[str, ...] = ()
    description: str = ""


def json_fields(text: str, schema: Schema | None = None, *, start: int = 0) -> list[JsonField]:
    """The fields of a JSON text, in order.

    Args:
        text: Holds one JSON value; what follows it is not looked at.
        schema: What the value validates against; without one only booleans have options.
        start: Where the value begins.

    Raises:
        ValueError: There is no JSON value there.

    >>> [(f.path, f.value) for f in json_fields('{"name": "Ada", "born": [{"year": 1815}]}')]
    [('name', 'Ada'), ('born[0].year', 1815)]
    """
    root = schema or {}
    return list(_fields(text, _skip(text, start), "", alternatives(root, root), root))


def unchanged(text: str, other: str) -> set[str] | None:
    """Paths of the fields of a JSON text that have the same value in another one; None if either is no JSON.

    >>> unchanged('{"a": 1, "b": "x"}', '{"a": 1, "b": "y"}')
    {'a'}
    """
    try:
        first, second = ({f.path: json.dumps(f.value) for f in json_fields(one)} for one in (text, other))
    except ValueError:
        return None
    return {path for path, value in first.items() if second.get(path) == value}


def task_suffix(path: str) -> str:
    """What fields of one kind share: the items of a list are of one kind.

    >>> task_suffix("items[0].price")
    'items[].price'
    """
    return re.sub(r"\[\d+\]", "[]", path)


def _fields(text: str, start: int, path: str, found: list[Schema], root: Schema) -> Iterator[JsonField]:
    value, end = json.JSONDecoder().raw_decode(text, start)
    if not value or not isinstance(value, dict | list):
        about = next((str(s["description"]) for s in found if s.get("description")), "")
        few = options(found) or (("true", "false") if isinstance(value, bool) else ())
        yield JsonField(path, value, start, end, few if json.dumps(value, ensure_ascii=False) in few else (), about)
        return
    at = start + 1
    for number in range(len(value)):
        key: str | int = number
        if isinstance(value, dict):
            key, at = scanstring(text, _skip(text, at) + 1)
            at = _skip(text, at) + 1  # the colon
        at = _skip(text, at)
        yield from _fields(text, at, _below(path, key), member(found, key, root), root)
        at = _skip(text, json.JSONDecoder().raw_decode(text, at)[1]) + 1  # the comma


def _below(path: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key, ensure_ascii=False)}]"
    return f"{path}.{key}" if path else key


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at
