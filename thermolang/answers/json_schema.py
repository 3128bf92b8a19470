"""What a JSON schema says of the values at each place: references, alternatives, and options where they are few."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def closed(schema: Any) -> Any:
    """The schema without properties that it does not name: an object that names some is meant to have these."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = dict(schema)
    for word in ("properties", "$defs", "definitions"):
        if isinstance(parts := found.get(word), dict):
            found[word] = {name: closed(part) for name, part in parts.items()}
    # Not within allOf: each part there names only some of the properties.
    for word in ("items", "prefixItems", "additionalProperties", "anyOf", "oneOf"):
        if word in found:
            found[word] = closed(found[word])
    if "properties" in found and "allOf" not in found:
        found.setdefault("additionalProperties", False)
    return found


def can_end(schema: Any, root: Schema, entered: frozenset[str] = frozenset()) -> bool:
    """Whether a finite value can validate; ``entered`` are the references that are being looked into.

    >>> node = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    >>> can_end(node, node), can_end(node | {"required": ["next"]}, node | {"required": ["next"]})
    (True, False)
    """
    if not isinstance(schema, Mapping):
        return True
    if isinstance(reference := schema.get("$ref"), str):
        return reference not in entered and can_end(target(root, reference), root, entered | {reference})
    for word in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(word), list) and options:
            return any(can_end(option, root, entered) for option in options)
    return all(can_end(part, root, entered) for part in _required(schema))


def holds_itself(schema: Any, root: Schema, entered: frozenset[str] = frozenset()) -> bool:
    """Whether a value may hold another one of its own kind.

    >>> holds_itself({"items": {"$ref": "#"}}, {"items": {"$ref": "#"}})
    True
    """
    if isinstance(schema, list):
        return any(holds_itself(part, root, entered) for part in schema)
    if not isinstance(schema, Mapping):
        return False
    if isinstance(reference := schema.get("$ref"), str):
        return reference in entered or holds_itself(target(root, reference), root, entered | {reference})
    return any(holds_itself(part, root, entered) for word, part in schema.items() if word != "$defs")


def target(root: Schema, reference: str) -> Any:
    """What a reference within a schema points to; empty where it points nowhere.

    >>> target({"$defs": {"City": {"type": "string"}}}, "#/$defs/City")
    {'type': 'string'}
    """
    found: Any = root
    for part in reference.lstrip("#/").split("/") if reference.strip("#/") else ():
        found = found.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
    return found


def alternatives(schema: Any, root: Schema, depth: int = 8) -> list[Schema]:
    """The schemas of which a value matches one, without references; ``depth`` ends circles."""
    if not isinstance(schema, Mapping) or not depth:
        return []
    if isinstance(reference := schema.get("$ref"), str):
        beside = {key: value for key, value in schema.items() if key != "$ref"}  # a description of its own
        return [{**found, **beside} for found in alternatives(target(root, reference), root, depth - 1)]
    if isinstance(parts := schema.get("allOf"), list):
        merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
        for part in parts:
            for found in alternatives(part, root, depth - 1)[:1]:
                merged = {
                    **found,
                    **merged,
                    "properties": {**found.get("properties", {}), **merged.get("properties", {})},
                }
        return [merged]
    for word in ("anyOf", "oneOf"):
        if isinstance(parts := schema.get(word), list):
            beside = {key: schema[key] for key in ("description",) if key in schema}
            return [{**found, **beside} for part in parts for found in alternatives(part, root, depth - 1)]
    if isinstance(kinds := schema.get("type"), list):
        return [{**schema, "type": kind} for kind in kinds]
    return [schema]


def options(found: list[Schema]) -> tuple[str, ...]:
    """The values as JSON, if the alternatives allow only a few; else empty.

    >>> options([{"type": "boolean"}, {"type": "null"}])
    ('true', 'false', 'null')
    """
    values: list[Any] = []
    for schema in found:
        if "const" in schema:
            values.append(schema["const"])
        elif "enum" in schema:
            values += schema["enum"]
        elif schema.get("type") in ("boolean", "null"):
            values += [True, False] if schema["type"] == "boolean" else [None]
        else:
            return ()
    return tuple(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in values))


def member(found: list[Schema], key: str | int, root: Schema) -> list[Schema]:
    """The alternatives of an object's property or of an array's item, over all alternatives of the whole."""
    parts: list[Any] = []
    for schema in found:
        if isinstance(key, str):
            parts.append(schema.get("properties", {}).get(key) or schema.get("additionalProperties"))
        else:
            first = schema.get("prefixItems", [])
            parts.append(first[key] if key < len(first) else schema.get("items"))
    return [alternative for part in parts for alternative in alternatives(part, root)]


def _required(schema: Schema) -> Iterator[Any]:
    """The parts that every value of a schema has."""
    properties = schema.get("properties", {})
    yield from (properties[name] for name in schema.get("required", ()) if name in properties)
    yield from schema.get("allOf", ())
    if schema.get("minItems", 0) > 0 and "items" in schema:
        yield schema["items"]
