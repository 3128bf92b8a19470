"""Tool calls as chat templates of local models write them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

BEGIN, END = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class Parsed:
    """An answer with its tool calls apart.

    Attributes:
        text: What is said before the first call.
        calls: Name and arguments of each call.
        broken: What stands where a call should, and is none.
    """

    text: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def parse(answer: str) -> Parsed:
    """Find calls between tool_call tags, the form of Hermes, Qwen 2.5 and 3 and SmolLM3.

    >>> parse('Let me see. <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>').calls
    [('add', {'a': 1})]
    """
    text, found, rest = answer.partition(BEGIN)
    parsed = Parsed(text.strip())
    for part in _parts(rest) if found else ():
        try:
            record = json.loads(part)
            arguments = record.get("arguments", record.get("parameters", {}))
            if not isinstance(record["name"], str) or not isinstance(arguments, dict):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError):
            parsed.broken.append(part)
            continue
        parsed.calls.append((record["name"], arguments))
    return parsed


def visible(text: str) -> str:
    """What may be shown of a growing answer that may call tools."""
    said = text.partition(BEGIN)[0]
    held = max((n for n in range(1, len(BEGIN)) if said.endswith(BEGIN[:n])), default=0)
    return said[: len(said) - held].rstrip()


def _parts(text: str) -> Iterator[str]:
    for part in text.split(BEGIN):
        yield part.partition(END)[0].strip()
