"""Which turns a template takes is found by rendering, and conversations are put so."""

import copy
import logging

import pytest

from tests.chat_templates import KINDS
from tests.fakes import CHATML, tiny_tokenizer
from thermolang.errors import ModelError
from thermolang.models.chat_template import ChatTokenizer
from thermolang.models.prompts import self_check_messages
from thermolang.models.tool_calls import HERMES
from thermolang.models.turns import CallStyle, TurnRules, placed, with_calls


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture
def chat(tokenizer, tiny_model):
    def made(template):
        own = copy.copy(tokenizer)
        own.chat_template = template
        return ChatTokenizer(tiny_model.model, own, name="probed")

    return made


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


def calling(*ids, content=""):
    functions = [{"name": "weather", "arguments": {"city": f"Oslo {i}"}} for i, _ in enumerate(ids)]
    calls = [{"type": "function", "id": i, "function": f} for i, f in zip(ids, functions, strict=True)]
    return turn("assistant", content, tool_calls=calls)


def result(call_id, content="rain"):
    return turn("tool", content, tool_call_id=call_id, name="weather")


TALK = [turn("system", "s"), turn("user", "1"), turn("assistant", "a"), turn("user", "2"), turn("user", "3")]

# What is found


@pytest.mark.parametrize("name", KINDS)
def test_the_rules_of_a_family_are_found(chat, name):
    kind, rules = KINDS[name], chat(KINDS[name].template).rules
    found = (rules.system, rules.alternates, rules.tools, rules.calls)
    assert found == (kind.system, kind.alternates, kind.tools, kind.calls)


def test_rules_belong_to_a_template_and_are_found_once(chat, monkeypatch):
    model = chat(KINDS["gemma-2"].template)
    assert model.rules is model.rules
    model.tokenizer.chat_template = CHATML
    assert model.rules == chat(CHATML).rules


def test_thinking_that_must_be_asked_for_is_not_closed(chat):
    thinks = {name: chat(kind.template).rules.thinks_unasked for name, kind in KINDS.items()}
    assert not thinks.pop("granite-3") and all(thinks.values())
    check = self_check_messages([turn("user", "Why?")], "So.")
    assert chat(KINDS["granite-3"].template).render(check, at_once=True).endswith("assistant<|end_of_role|>")
    for name in ("qwen-3", "smollm-3", "deepseek-r1"):
        prompt = chat(KINDS[name].template).render(check, at_once=True)
        assert prompt.count("<think>") == 1 and prompt.rstrip().endswith("</think>")


def test_arguments_of_a_template_are_passed_on(tiny_model, tokenizer):
    own = copy.copy(tokenizer)
    own.chat_template = KINDS["qwen-3"].template
    model = ChatTokenizer(tiny_model.model, own, template_arguments={"enable_thinking": False})
    assert model.render([turn("user", "Why?")]).endswith("<think>\n\n</think>\n\n")


# Where turns go


@pytest.mark.parametrize("name", KINDS)
def test_everything_that_was_said_reaches_the_model_once_and_in_order(chat, name):
    talk = [turn("system", "one"), *TALK[1:4], turn("system", "two"), turn("user", "three"), turn("user", "four")]
    text = chat(KINDS[name].template).render(talk)
    assert all(text.count(said) == 1 for said in ("one", "two", "three", "four"))
    assert text.index("two") < text.index("three") < text.index("four")


def test_most_templates_take_conversations_as_they_are():
    assert placed(TALK, TurnRules()) == TALK


def test_without_a_system_role_the_user_says_it():
    assert placed(TALK, TurnRules(system="none")) == [turn("user", "s\n\n1"), *TALK[2:]]
    alone = placed([turn("system", "s"), turn("assistant", "a")], TurnRules(system="none"))
    assert alone == [turn("user", "s"), turn("assistant", "a")]
    assert placed([turn("system", "s")], TurnRules(system="none")) == [turn("user", "s")]


def test_where_a_system_turn_comes_first_others_are_the_users_words():
    talk = [turn("system", "a"), turn("system", "b"), turn("user", "1"), turn("system", "c"), turn("user", "2")]
    assert placed(talk, TurnRules(system="first")) == [
        turn("system", "a\n\nb"),
        turn("user", "1"),
        turn("user", "c\n\n2"),
    ]


def test_where_turns_alternate_neighbours_are_joined():
    joined = placed(TALK, TurnRules(alternates=True, system="none"))
    assert joined == [turn("user", "s\n\n1"), turn("assistant", "a"), turn("user", "2\n\n3")]
    assert TALK[3] == turn("user", "2")  # the caller's own messages stay


def test_tool_calls_and_their_results_are_never_joined():
    talk = [calling("1"), turn("assistant", "a"), result("1"), result("2")]
    assert placed(talk, TurnRules(alternates=True)) == talk


def test_it_is_said_once_that_turns_were_changed(chat, caplog):
    model = chat(KINDS["gemma-2"].template)
    with caplog.at_level(logging.WARNING):
        model.render([turn("system", "s"), turn("user", "1")], fixed_date=True)  # thermolang's own prompts
        assert not caplog.records
        for _ in range(3):
            model.render(TALK)
    assert [record.message.count("system turns go in front") for record in caplog.records] == [1]
    caplog.clear()
    chat(CHATML).render(TALK)
    assert not caplog.records


# Calls and their results


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.calls])
def test_calls_and_results_reach_the_model(chat, name):
    talk = [turn("user", "Weather?"), calling("call_1", "call_2"), result("call_1", "snow"), result("call_2", "fog")]
    text = chat(KINDS[name].template).render(talk, tools=[] if KINDS[name].tools is None else [TOOL])
    assert all(text.count(said) == 1 for said in ("Oslo 0", "Oslo 1", "snow", "fog"))
    assert text.index("Oslo 0") < text.index("snow") < text.index("fog")


TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def test_ids_of_other_models_become_nine_characters_where_a_template_demands_it(chat):
    model = chat(KINDS["mistral-0.3"].template)
    short, long = (
        model.render([turn("user", "?"), calling(i), result(i)]) for i in ("abcdefghi", "call_0123456789012345678")
    )
    assert short.count("abcdefghi") == 2 and "call_01" not in long
    assert chat(KINDS["chatml"].template).rules.calls.short_ids is False


def test_a_call_is_written_as_text_where_a_template_would_drop_it(chat):
    text = chat(KINDS["granite-3"].template).render([turn("user", "?"), calling("1"), result("1")])
    assert '<|tool_call|>[{"name": "weather", "arguments": {"city": "Oslo 0"}}]' in text


def test_where_a_turn_holds_one_call_several_follow_each_other():
    talk = [turn("user", "?"), calling("1", "2", content="Wait."), result("2"), result("1"), turn("assistant", "a")]
    turns = with_calls(talk, TurnRules(calls=CallStyle(one_each=True)), HERMES)
    told = [t.get("tool_call_id") or [c["id"] for c in t.get("tool_calls", [])] or t["content"] for t in turns]
    assert told == ["?", ["2"], "2", ["1"], "1", "a"]
    assert [t["content"] for t in turns if "tool_calls" in t] == ["", "Wait."]
    assert talk[1]["tool_calls"][1]["id"] == "2"  # the caller's own messages stay


# Bad input


def test_a_result_without_a_call_says_what_to_do(chat):
    model = chat(KINDS["qwen-2.5"].template)
    for talk in (
        [result("x1")],
        [turn("user", "?"), result("x1")],
        [turn("user", "?"), calling("y"), result("y"), result("x1")],
        [turn("user", "?"), calling("x1"), turn("user", "!"), result("x1")],
    ):
        with pytest.raises(ModelError, match=r"result of a tool \(tool_call_id 'x1'\) follows no call of it: put the"):
            model.render(talk)
    plain = turn("tool", "rain")  # without any id it belongs to the call before it
    assert "rain" in model.render([turn("user", "?"), calling("1"), plain])


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.calls])
def test_a_template_without_a_place_for_results_says_so(chat, name):
    with pytest.raises(ModelError, match="no place for the results of tools: use a model made for them"):
        chat(KINDS[name].template).render([turn("user", "?"), calling("1"), result("1")])


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.tools])
def test_a_template_without_a_place_for_tools_says_so(chat, name):
    with pytest.raises(ModelError, match="has no place for tools: use a model made for them"):
        chat(KINDS[name].template).render([turn("user", "?")], tools=[TOOL])


def test_a_conversation_that_begins_with_an_answer_says_what_to_do(chat):
    for name in ("gemma-2", "gemma-3", "mistral-0.1"):
        with pytest.raises(ModelError, match=r"begins with the user's turn: .*start_on='human'"):
            chat(KINDS[name].template).render([turn("assistant", "Hello!"), turn("user", "Hi")])


def test_a_template_that_refuses_everything_says_why(chat):
    model = chat("{{ raise_exception('made of pure spite') }}")
    with pytest.raises(ModelError, match="the chat template of probed refuses these messages: made of pure spite"):
        model.render([turn("user", "?")])


def test_a_model_without_a_template_says_what_to_do(tiny_model, tokenizer):
    own = copy.copy(tokenizer)
    own.chat_template = None
    with pytest.raises(ModelError, match=r"use a chat \(instruct\) model, or set tokenizer.chat_template"):
        ChatTokenizer(tiny_model.model, own)
