"""Prompts about structured answers: the schema below the question, a field in a question of its own."""

import json

import pytest

from thermolang.models.prompts import call_messages, field_check, json_messages, without_titles

SCHEMA = {
    "title": "City",
    "type": "object",
    "properties": {"title": {"title": "Title", "type": "string", "description": "Its title."}},
}
ASKED = {"role": "user", "content": "Rome?"}


def test_the_schema_stands_at_the_end_of_the_last_question():
    (user,) = json_messages([ASKED], SCHEMA)
    assert user["role"] == "user" and user["content"].startswith("Rome?\n\nAnswer with one JSON object")
    told = json.loads(user["content"].splitlines()[-1])
    assert told == {"type": "object", "properties": {"title": {"type": "string", "description": "Its title."}}}
    assert ASKED["content"] == "Rome?"
    talk = [{"role": "system", "content": "s"}, ASKED, {"role": "assistant", "content": "a"}, ASKED]
    agent = [*talk, {"role": "assistant", "content": ""}, {"role": "tool", "content": "rain"}]
    assert json_messages(agent, SCHEMA) == [*talk[:-1], user, *agent[4:]]
    (alone,) = json_messages([], SCHEMA)
    assert user["content"] == f"Rome?\n\n{alone['content']}" and alone["role"] == "user"


def test_functions_stand_there_too():
    tools = [{"type": "function", "function": {"name": n, "parameters": SCHEMA}} for n in ("add", "now")]
    lines = call_messages([ASKED], tools)[0]["content"].splitlines()
    assert [json.loads(line)["name"] for line in lines[-2:]] == ["add", "now"]


def test_titles_that_are_schemas_stay():
    assert without_titles({"properties": {"title": {"type": "string"}}, "items": [{"title": "x"}]}) == {
        "properties": {"title": {"type": "string"}},
        "items": [{}],
    }


@pytest.mark.parametrize(
    ("path", "value", "description", "begins"),
    [
        ("name", "Ada", "Who wrote it.", 'Who wrote it.\nYour answer was "Ada". '),
        ("name", None, "", "name\nYour answer was null. "),
        ("items[1].price", 3, "The price.", "items[1].price: The price.\nYour answer was 3. "),
        ("items[1].price", 3, "", "items[1].price\nYour answer was 3. "),
        ("name", "\u65e5\u672c {x}", "{y}", '{y}\nYour answer was "\u65e5\u672c {x}". '),
    ],
)
def test_a_field_is_asked_about_with_its_description(path, value, description, begins):
    assert field_check(path, value, description).startswith(begins)
