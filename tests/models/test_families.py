"""Model families: which one a template belongs to, and what its fields do."""

import copy

import pytest

from tests.fakes import CHATML
from thermolang.errors import ModelError
from thermolang.models.chat_template import as_turns, final_answer, parse, without_beginning_of
from thermolang.models.families import DEFAULT, FAMILIES, Family, family_of, json_call
from thermolang.models.scoring import check_language_only

LLAMA_3 = "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "name"), [(CHATML, "chatml"), (LLAMA_3, "llama-3"), ("{{ messages }}", "default")]
)
def test_a_template_tells_its_family(template, name):
    assert family_of(template).name == name


def test_names_are_distinct_and_every_row_can_be_recognised():
    assert len({family.name for family in FAMILIES} | {DEFAULT.name}) == len(FAMILIES) + 1
    for family in FAMILIES:
        assert family.marks and family_of(" ".join(family.marks)) is family


def test_all_marks_must_be_there_and_the_first_family_wins(monkeypatch):
    general, special = Family("general", marks=("a",)), Family("special", marks=("a", "b"))
    monkeypatch.setattr("thermolang.models.families.FAMILIES", [special, general])
    assert [family_of(text).name for text in ("a", "ab", "b")] == ["general", "special", "default"]


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


TALK = [turn("system", "s"), turn("user", "1"), turn("assistant", "a"), turn("user", "2"), turn("user", "3")]


def test_most_families_take_conversations_as_they_are():
    assert as_turns(TALK, DEFAULT) == TALK


def test_without_a_system_role_the_user_says_it():
    assert as_turns(TALK, Family("x", system_role=False)) == [turn("user", "s"), *TALK[1:]]


def test_where_turns_alternate_neighbours_are_joined():
    joined = as_turns(TALK, Family("x", alternates=True, system_role=False))
    assert joined == [turn("user", "s\n\n1"), turn("assistant", "a"), turn("user", "2\n\n3")]
    assert TALK[3] == turn("user", "2")  # the caller's own messages stay


def test_tool_calls_and_their_results_are_never_joined():
    talk = [turn("assistant", "", tool_calls=[1]), turn("assistant", "a"), *[turn("tool", "t", tool_call_id="1")] * 2]
    assert as_turns(talk, Family("x", alternates=True)) == talk


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", "{}", '{"name": 1}', '{"name": "f", "arguments": []}'])
def test_what_is_no_call_is_kept_as_it_was_written(text):
    with pytest.raises(ValueError):
        json_call(text)
    parsed = parse(f"Wait. <tool_call>{text}</tool_call>")
    assert (parsed.text, parsed.calls, parsed.broken) == ("Wait.", [], [text])


def test_calls_and_broken_calls_are_told_apart():
    call = '<tool_call>{"name": "f", "parameters": {"x": 1}}</tool_call>'
    parsed = parse(f"{call}\n<tool_call>{{</tool_call>{call} bye")
    assert parsed.calls == [("f", {"x": 1})] * 2
    assert parsed.broken == ["{"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Paris ", "Paris"),
        ("<think>a</think>b</think> c", "c"),
        (" <think>a", None),
        ("a</think>", ""),
        ("I <think> so", "I <think> so"),
    ],
)
def test_the_answer_is_what_follows_the_thoughts(text, answer):
    assert final_answer(text) == answer


def test_the_longest_beginning_is_held_back():
    assert without_beginning_of("abcab", "abcd", "ax") == "abc"
    assert without_beginning_of("abc") == "abc"


def test_a_family_may_read_images(tiny_model):
    model = copy.copy(tiny_model.model)
    model.config = copy.copy(tiny_model.model.config)
    model.config.vision_config = {"size": 1}
    check_language_only(model, Family("x", reads_images=True))
    with pytest.raises(ModelError, match="is a vision model"):
        check_language_only(model, DEFAULT)
