"""Fields of a JSON text: paths, places, options and descriptions, against json itself."""

import json
from typing import Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from thermolang.answers.json_fields import json_fields, task_suffix, unchanged

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def leaves(value):
    """Values that hold no others, in order."""
    if isinstance(value, dict | list) and value:
        return [leaf for part in (value.values() if isinstance(value, dict) else value) for leaf in leaves(part)]
    return [value]


@given(value=JSON, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
def test_every_value_is_found_where_it_stands(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    fields = json_fields(text + " and more")
    assert [f.value for f in fields] == leaves(value)
    assert all(json.loads(text[f.start : f.end]) == f.value for f in fields)
    assert len({f.path for f in fields}) == len(fields)


class Address(BaseModel):
    city: str = Field(description="Where it is.")
    kind: Literal["home", "work"] | None = None


class Person(BaseModel):
    name: str
    married: bool
    address: Address = Field(description="Of the person.")
    others: list[Address] = []
    friend: Optional["Person"] = None


def test_paths_options_and_descriptions_of_a_nested_object():
    person = Person(
        name="Ada",
        married=True,
        address=Address(city="London", kind="home"),
        others=[Address(city="Oxford"), Address(city="Bath", kind="work")],
        friend=Person(name="Mary", married=False, address=Address(city="Leeds")),
    )
    text = "Here: " + person.model_dump_json()
    found = {f.path: f for f in json_fields(text, Person.model_json_schema(), start=len("Here: "))}
    assert list(found) == [
        "name",
        "married",
        "address.city",
        "address.kind",
        "others[0].city",
        "others[0].kind",
        "others[1].city",
        "others[1].kind",
        "friend.name",
        "friend.married",
        "friend.address.city",
        "friend.address.kind",
        "friend.others",
        "friend.friend",
    ]
    assert found["friend.address.kind"].options == ('"home"', '"work"', "null")
    assert found["married"].options == found["friend.married"].options == ("true", "false")
    assert found["address.city"].description == "Where it is." and found["name"].description == ""
    # A text or null, and a list, are no choice among a few.
    assert not (found["friend.friend"].options or found["friend.others"].options or found["name"].options)
    assert text[found["others[1].city"].start : found["others[1].city"].end] == '"Bath"'


@pytest.mark.parametrize(
    ("schema", "value", "options"),
    [
        ({"const": "x"}, "x", ('"x"',)),
        ({"enum": [1, 2.5, None]}, 2.5, ("1", "2.5", "null")),
        ({"enum": ["\u00e9", 'a"b']}, 'a"b', ('"\u00e9"', '"a\\"b"')),
        ({"type": ["boolean", "null"]}, None, ("true", "false", "null")),
        ({"anyOf": [{"enum": ["a"]}, {"const": "b"}]}, "b", ('"a"', '"b"')),
        ({"anyOf": [{"enum": ["a"]}, {"type": "string"}]}, "a", ()),
        ({"allOf": [{"$ref": "#/$defs/E"}], "$defs": {"E": {"enum": ["a", "b"]}}}, "a", ('"a"', '"b"')),
        ({"$ref": "#/$defs/E", "$defs": {"E": {"enum": ["a", "b"]}}}, "c", ()),  # a value that does not validate
        ({"$ref": "#/$defs/nothing"}, True, ("true", "false")),
        ({}, False, ("true", "false")),
        ({"type": "integer"}, 3, ()),
    ],
)
def test_options(schema, value, options):
    (field,) = json_fields(json.dumps(value, ensure_ascii=False), schema)
    assert field.options == options


def test_a_reference_in_a_circle_ends():
    assert json_fields("3", {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}})[0].options == ()


def test_a_description_beside_a_reference_counts():
    schema = {"$defs": {"E": {"enum": ["a", "b"], "description": "An E."}}, "properties": {"x": {"$ref": "#/$defs/E"}}}
    assert json_fields('{"x": "a"}', schema)[0].description == "An E."
    schema["properties"]["x"]["description"] = "My E."
    assert json_fields('{"x": "a"}', schema)[0].description == "My E."


def test_items_with_schemas_of_their_own():
    schema = {"prefixItems": [{"type": "boolean"}, {"enum": ["a", "b"]}], "items": {"type": "integer"}}
    assert [f.options for f in json_fields('[true, "a", 3]', schema)] == [("true", "false"), ('"a"', '"b"'), ()]


def test_keys_that_look_like_paths_are_quoted():
    fields = json_fields('{"a.b": 1, "a": {"b": 2}, "": 3}')
    assert [f.path for f in fields] == ['["a.b"]', "a.b", '[""]']


@pytest.mark.parametrize("text", ["", "Paris", '{"a": ', '{"a" 1}'])
def test_what_is_no_json_is_an_error(text):
    with pytest.raises(ValueError):
        json_fields(text)


def test_items_of_a_list_are_of_one_kind():
    assert task_suffix("a[0].b[12]") == "a[].b[]" and task_suffix("name") == "name"


def test_what_a_correction_left_as_it_was():
    text = '{"a": 1, "b": {"c": "x", "d": true}, "e": [1, 2]}'
    assert unchanged(text, text) == {"a", "b.c", "b.d", "e[0]", "e[1]"}
    assert unchanged(text, '{"e": [1], "b": {"c": "y", "d": true}, "a": true}') == {"b.d", "e[0]"}
    assert unchanged(text, "no JSON") is None and unchanged("no JSON", text) is None
