"""Tool calls in an answer: every known form is read, and what is half a call is told from an answer."""

import itertools
import re

import pytest

from tests.chat_templates import BEGIN, CALLS_BEGIN, CALLS_END, END, KINDS, SEP
from thermolang.models.families import DEFAULT, FAMILIES
from thermolang.models.tool_calls import CALL_FORMS, HERMES, form_of, marks, new_call_id, parse, visible, written
from thermolang.models.tool_calls import without_beginning_of as held

TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"properties": {"city": {"type": "string"}}}}},
    {
        "type": "function",
        "function": {
            "name": "plan",
            "parameters": {
                "properties": {
                    "days": {"type": "integer"},
                    "code": {"type": "string"},
                    "stops": {"type": "array"},
                    "fast": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
                }
            },
        },
    },
]
OSLO = ("weather", {"city": "Oslo"})

FORMS = {
    "hermes": '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    "hermes, never closed": '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}',
    "a list within tags": '<tool_call>[{"name": "weather", "arguments": {"city": "Oslo"}}]</tool_call>',
    "arguments as text": '<tool_call>{"name": "weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}</tool_call>',
    "openai's": '<tool_call>{"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}',
    "a name as function": '<tool_call>{"type": "function", "function": "weather", "arguments": {"city": "Oslo"}}',
    "llama 3": '{"name": "weather", "parameters": {"city": "Oslo"}}',
    "llama 3, typed": '{"type": "function", "name": "weather", "parameters": {"city": "Oslo"}}',
    "llama 3, tagged": '<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}',
    "fenced": '```json\n{"name": "weather", "arguments": {"city": "Oslo"}}\n```',
    "mistral": '[TOOL_CALLS] [{"name": "weather", "arguments": {"city": "Oslo"}, "id": "VvvODy9mT"}]',
    "mistral, mark lost": '[{"name": "weather", "arguments": {"city": "Oslo"}}]',
    "mistral 2025": '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}',
    "mistral 2025 with id": '[TOOL_CALLS]weather[CALL_ID]VvvODy9mT[ARGS]{"city": "Oslo"}',
    "qwen3-coder": KINDS["qwen3-coder"].call,
    "qwen3-coder, tag forgotten": "<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>",
    "granite 3": '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}]',
    "phi-4-mini": KINDS["phi-4-mini"].call,
    "phi-4-mini, functools": 'functools[{"name": "weather", "arguments": {"city": "Oslo"}}]',
    "deepseek r1": KINDS["deepseek-r1"].call,
    "deepseek v3.1": f'{CALLS_BEGIN}{BEGIN}weather{SEP}{{"city": "Oslo"}}{END}{CALLS_END}',
    "command r": KINDS["command-r"].call,
    "command r7b": '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "weather", "parameters": {"city": "Oslo"}}]'
    "<|END_ACTION|>",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form):
    assert parse(FORMS[form], tools=TOOLS).calls == [OSLO]
    parsed = parse(FORMS[form])  # the tools may be told in a prompt of the user's own
    assert (parsed.calls, parsed.broken) == ([OSLO], [])
    assert parsed.reason(cut=False).code == "calls_tools"


@pytest.mark.parametrize("form", FORMS)
def test_words_before_a_call_are_kept_and_its_thoughts_are_no_call(form):
    marked = not FORMS[form].startswith(("{", "[{", "`"))
    if marked:
        assert parse(f"Let me see. {FORMS[form]}", tools=TOOLS).text == "Let me see."
    thought = parse(f"<think>Maybe {FORMS[form]}</think>It rains.", tools=TOOLS)
    assert (thought.calls, thought.broken) == ([], []) and thought.text.endswith("It rains.")
    unfinished = parse(f"<think>{FORMS[form]}", tools=TOOLS)
    assert (unfinished.calls, unfinished.broken, unfinished.text) == ([], [], f"<think>{FORMS[form]}")
    after = parse(f"<think>Hm.</think>{FORMS[form]}", tools=TOOLS)
    assert (after.calls, after.text) == ([OSLO], "<think>Hm.</think>")


@pytest.mark.parametrize("form", FORMS)
def test_half_a_call_is_never_an_answer(form):
    """At every place where the token limit may fall: it is a call, or half a one, or nothing of it has been said."""
    text = FORMS[form]
    begun = max(len(mark) for mark in ("", *marks()) if text.startswith(mark))
    for n in range(max(begun, 9), len(text)):
        parsed = parse(text[:n], tools=TOOLS)
        assert parsed.reason(cut=True) is not None, text[:n]
        assert parsed.calls in ([], [OSLO]) or parsed.calls[0][0] == "weather"
        if not parsed.calls:
            assert parsed.reason(cut=True).code == "unfinished" and "max_tokens" in parsed.reason(cut=True).text
            assert parsed.reason(cut=False).code == "invalid_call"


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_shows_nothing_of_a_call(form):
    for said in ("", "Wait. ") if FORMS[form][0] not in "{[`" else ("",):
        text = said + FORMS[form]
        assert all(said.startswith(visible(text[:n])) for n in range(len(text) + 1))
    thought = f"<think>{FORMS[form]}</think> So."
    assert visible(thought) == thought
    shown = [visible(thought[:n]) for n in range(len(thought) + 1)]
    assert all(b.startswith(a) for a, b in itertools.pairwise(shown))


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'
        '<tool_call>{"name": "weather", "arguments": {"city": "Rome"}}</tool_call>',
        '{"name": "weather", "parameters": {"city": "Oslo"}}; {"name": "weather", "parameters": {"city": "Rome"}}',
        '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]weather[ARGS]{"city": "Rome"}',
        '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo"}}, '
        '{"name": "weather", "arguments": {"city": "Rome"}}]',
        f'{CALLS_BEGIN}{BEGIN}weather{SEP}{{"city": "Oslo"}}{END}\n{BEGIN}weather{SEP}{{"city": "Rome"}}{END}',
        "<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>"
        "<function=weather>\n<parameter=city>\nRome\n</parameter>\n</function>",
    ],
)
def test_several_calls_are_read_in_order(text):
    assert parse(text, tools=TOOLS).calls == [OSLO, ("weather", {"city": "Rome"})]


def test_values_of_tags_are_read_as_the_schema_says():
    text = (
        "<tool_call><function=plan>\n<parameter=days>\n3\n</parameter>\n<parameter=code>\n007\n  x\n</parameter>\n"
        '<parameter=stops>["a"]</parameter><parameter=fast>True</parameter><parameter=more>1</parameter></function>'
        "</tool_call>"
    )
    expected = {"days": 3, "code": "007\n  x", "stops": ["a"], "fast": True, "more": "1"}
    assert parse(text, tools=TOOLS).calls == [("plan", expected)]


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        '{"city": "Oslo"}',
        '{"name": "Anna", "age": 5}',
        '[{"name": "Anna"}, {"name": "Bob"}]',
        '[1] says so. {"name":',
        "[a link](x)",
        "```json\n{}\n```",
        "",
    ],
)
def test_an_answer_is_no_call(text):
    for tools in (TOOLS, ()):
        parsed = parse(text, tools=tools)
        assert (parsed.text, parsed.reason(cut=True)) == (text, None)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", "{}", '{"name": 1}', '{"name": "f", "arguments": []}'])
def test_what_is_no_call_is_kept_as_it_was_written(text):
    parsed = parse(f"Wait. <tool_call>{text}</tool_call>", tools=TOOLS)
    assert (parsed.text, parsed.calls, parsed.broken) == ("Wait.", [], [text])


def test_calls_and_broken_calls_are_told_apart():
    call = '<tool_call>{"name": "f", "parameters": {"x": 1}}</tool_call>'
    parsed = parse(f"{call}\n<tool_call>{{</tool_call>{call} bye")
    assert parsed.calls == [("f", {"x": 1})] * 2
    assert (parsed.broken, parsed.text) == (["{"], "bye")


def test_an_answer_that_speaks_of_calls_is_one_where_there_are_no_tools():
    text = "Qwen writes <tool_call> and </tool_call>."
    assert parse(text).reason(cut=False) is None and parse(text).text == text
    assert parse(text, tools=TOOLS).reason(cut=False).code == "invalid_call"
    assert parse('{"name": "f", "argu').reason(cut=True) is None


def test_what_is_written_into_a_conversation_is_read_again():
    for form in CALL_FORMS:
        if form.read.__name__ in ("json_calls", "tagged_calls", "mistral_calls"):
            assert parse(written([OSLO, ("plan", {"days": 2})], form)).calls == [OSLO, ("plan", {"days": 2})]


def test_a_template_tells_how_its_calls_are_written():
    assert form_of("Write <|tool_call|> and a list") is next(f for f in CALL_FORMS if f.begin == "<|tool_call|>")
    assert form_of("{{ messages }}") is HERMES


def test_ids_are_nine_letters_and_digits_and_no_two_are_equal():
    ids = {new_call_id() for _ in range(200)}
    assert len(ids) == 200 and all(re.fullmatch("[A-Za-z0-9]{9}", i) for i in ids)


def test_the_longest_beginning_is_held_back():
    assert held("abcab", "abcd", "ax") == "abc"
    assert held("abc") == "abc"


def test_thoughts_of_other_families_are_left_out_too():
    call = FORMS["hermes"]
    for family in (DEFAULT, *FAMILIES):
        tags = family.thinking
        assert parse(f"{tags.open}{call}{tags.close}No.", family, TOOLS).calls == []
        assert parse(f"{tags.open}No.{tags.close}{call}", family, TOOLS).calls == [OSLO]
