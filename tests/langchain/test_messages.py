"""Where LangChain keeps question, answer, metadata and the local model."""

import json

import pytest
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from thermolang.errors import ModelError
from thermolang.langchain.messages import (
    KEY,
    attach,
    attach_decision,
    local_model,
    only_the_answer,
    question_of,
    read,
    text_only,
    to_messages,
    unread,
)
from thermolang.types import Alternative, Confidence, Decision

CONFIDENCE = Confidence(
    0.31, raw=0.9, temperature=2.0, bias=-0.5, interval=(0.2, 0.4), source="self_check", task="capitals",
    task_version=3, supported=False, novelty=1.2, alternatives=(Alternative("Canberra", 0.4, 4),), reason="a warning",
    calibrator="fake@1", seconds=0.25,
)  # fmt: skip
REVIEW = Decision("review", "confidence 0.31 is below 0.80", 0.8)


def test_roles_are_those_of_chat_templates():
    conversation = [
        SystemMessage("s"),
        HumanMessage("h"),
        AIMessage("a"),
        ToolMessage("t", tool_call_id="1"),
        ChatMessage("c", role="developer"),
    ]
    assert to_messages(conversation) == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "h"},
        {"role": "assistant", "content": "a"},
        {"role": "tool", "content": "t", "tool_call_id": "1"},
        {"role": "developer", "content": "c"},
    ]


def test_of_content_blocks_only_the_text_is_read():
    blocks = [
        {"type": "text", "text": "What is "},
        {"type": "image", "url": "https://example.org/x.png"},
        {"type": "text", "text": "this?"},
    ]
    (message,) = to_messages([HumanMessage(blocks)])
    assert message == {"role": "user", "content": "What is this?"}
    assert type(message["content"]) is str  # not LangChain's subclass, which templates and JSON need not know


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        ([{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "text", "text": "Paris"}], "Paris"),
        ([{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "Paris"}], "Paris"),
        ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}, "Paris"], "Paris"),
        ([{"type": "reasoning_content", "reasoning_content": {"text": "Hm."}}, {"text": "Paris"}], "Paris"),
        ([{"type": "output_text", "text": "Par", "annotations": []}, {"type": "output_text", "text": "is"}], "Paris"),
        ([{"type": "input_text", "text": "Paris?"}], "Paris?"),
        ([{"type": "refusal", "refusal": "I will not."}], "I will not."),
        ([{"text": "Pa"}, {"text": "ris"}], "Paris"),
        ([{"type": "text", "text": "Wait."}, {"type": "tool_use", "id": "1", "name": "f", "input": {}}], "Wait."),
        ([{"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"}], ""),
        (["Pa", "ris"], "Paris"),
        ([], ""),
    ],
)
def test_blocks_of_other_models_are_read_without_their_thoughts(blocks, text):
    message = AIMessage(blocks)
    assert to_messages([message])[0]["content"] == text
    assert unread([message]) == ""
    text_only([message])


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"type": "image", "url": "https://example.org/x.png"}, "image"),
        ({"type": "image_url", "image_url": {"url": "data:,"}}, "image_url"),
        ({"type": "input_audio", "input_audio": {}}, "input_audio"),
        ({"type": "file", "file": {}}, "file"),
        ({"image": "x"}, "a block without a type"),
    ],
)
def test_what_a_language_model_cannot_read_is_named(block, named):
    messages = [HumanMessage([{"type": "text", "text": "What is this?"}, block]), HumanMessage("And that?")]
    assert unread(messages) == f"a message holds {named}, but this model reads text only: leave them out"
    with pytest.raises(ModelError, match="reads text only"):
        text_only(messages)


def test_a_result_has_its_id_and_the_name_of_its_call():
    call = {"name": "weather", "args": {}, "id": "1"}
    talk = [AIMessage("", tool_calls=[call]), ToolMessage("t", tool_call_id="1"), ToolMessage("t", tool_call_id="2")]
    assert [m.get("name") for m in to_messages(talk)] == [None, "weather", None]
    named = ToolMessage("t", tool_call_id="1", name="forecast")
    assert to_messages([talk[0], named])[1] == {
        "role": "tool", "content": "t", "tool_call_id": "1", "name": "forecast",
    }  # fmt: skip


def test_the_question_is_the_last_thing_the_user_said():
    talk = to_messages(
        [SystemMessage("s"), HumanMessage("first"), AIMessage("a"), HumanMessage("second"), AIMessage("b")]
    )
    assert question_of(talk) == "second"
    assert question_of(to_messages([SystemMessage("s")])) == ""
    assert question_of([]) == ""


def test_what_was_attached_is_read_back():
    message = AIMessage("Sydney", response_metadata={"model_name": "m"})
    attach(message, CONFIDENCE, question="Capital of Australia?", model="tiny")
    confidence, payload = read(message)
    assert confidence == CONFIDENCE
    assert (payload["question"], payload["model"]) == ("Capital of Australia?", "tiny")
    assert message.response_metadata["model_name"] == "m"
    assert json.loads(json.dumps(payload)) == payload


@pytest.mark.parametrize("metadata", [{}, {KEY: None}, {KEY: "foreign"}])
def test_a_message_without_a_confidence_says_what_to_do(metadata):
    confidence, payload = read(AIMessage("x", response_metadata=metadata))
    assert (confidence.value, payload) == (None, {})
    assert "with_confidence" in confidence.reason


def test_a_decision_is_attached_to_a_copy():
    message = AIMessage("Sydney", id="7", response_metadata={"model_name": "m"})
    attach(message, CONFIDENCE, question="q", model="tiny")
    before = message.model_dump_json()
    marked = attach_decision(message, REVIEW, "item-1")
    assert message.model_dump_json() == before
    assert marked is not message
    assert (marked.content, marked.id, marked.response_metadata["model_name"]) == ("Sydney", "7", "m")
    assert marked.response_metadata[KEY]["decision"] == REVIEW.to_dict() | {"item_id": "item-1"}
    assert read(marked)[0] == CONFIDENCE


def test_a_decision_goes_on_a_message_without_a_confidence_too():
    marked = attach_decision(AIMessage("x"), REVIEW, None)
    assert marked.response_metadata[KEY]["decision"]["action"] == "review"
    assert read(marked)[0].value is None


@pytest.mark.parametrize("question", ["Capital of France?", " two  spaces ", "日本の首都", "a\nb"])
def test_the_prompt_is_cut_off_a_full_text_answer(tiny_full_text_chat, tiny_chat, tiny_model, question):
    conversation = [SystemMessage("Be brief."), HumanMessage(question)]
    full, answer = tiny_full_text_chat.invoke(conversation).text, tiny_chat.invoke(conversation).text
    messages = to_messages(conversation)
    assert len(full) > len(answer) > 0
    assert only_the_answer(full, messages, tiny_model) == answer.strip()
    assert only_the_answer(answer, messages, tiny_model) == answer.strip()


def test_the_model_inside_is_the_loaded_one(tiny_chat, tiny_model):
    found = local_model(tiny_chat)
    assert found.model is tiny_model.model
    assert found.tokenizer is tiny_model.tokenizer


def test_the_confidence_of_a_message_is_read_back():
    from thermolang import confidence_of

    message = AIMessage("Paris")
    assert (confidence_of(message).value, "no confidence" in confidence_of(message).reason) == (None, True)
    attach(message, Confidence(0.8, raw=0.9), question="?", model="m")
    assert confidence_of(message) == Confidence(0.8, raw=0.9)
    again = AIMessage.model_validate_json(message.model_dump_json())
    assert confidence_of(again) == Confidence(0.8, raw=0.9)
