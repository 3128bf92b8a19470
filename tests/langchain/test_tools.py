"""Tools: calls are read, never scored and never lost, and what belongs to them reaches the template."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from tests.fakes import CHATML, says, tiny_llama, tiny_tokenizer
from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel, confidence_of, with_confidence
from thermolang.errors import ModelError
from thermolang.langchain.messages import KEY
from thermolang.models.tool_calls import visible

CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'


@pytest.fixture
def chat(tiny_model):
    return ChatThermolang(local=tiny_model, max_tokens=12)


@pytest.fixture
def tool_chat(tiny_model):
    template = "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}" + CHATML
    return ChatThermolang(local=LocalModel(tiny_model.model, tiny_tokenizer(template=template)), max_tokens=12)


def weather(city: str) -> str:
    """Weather of a city."""
    return f"rain in {city}"


def test_tool_calls_are_found(tool_chat, monkeypatch):
    says(
        tool_chat.local,
        monkeypatch,
        'Wait. <tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    )
    message = tool_chat.bind_tools([weather]).invoke("Weather in Oslo?")
    assert message.content == "Wait."
    assert [(c["name"], c["args"]) for c in message.tool_calls] == [("weather", {"city": "Oslo"})]
    assert message.response_metadata["finish_reason"] == "tool_calls"
    says(tool_chat.local, monkeypatch, "<tool_call>{broken</tool_call>")
    message = tool_chat.bind_tools([weather]).invoke("Weather in Oslo?")
    assert message.tool_calls == [] and message.invalid_tool_calls[0]["args"] == "{broken"


def test_tools_and_their_results_reach_the_template(tool_chat):
    asked = [
        HumanMessage("Weather in Oslo?"),
        AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Oslo"}, "id": "1"}]),
        ToolMessage("rain", tool_call_id="1"),
    ]
    call = tool_chat._call(asked, None, {})
    assert [m["role"] for m in call.messages] == ["user", "assistant", "tool"]
    assert call.messages[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": {"city": "Oslo"}}
    assert tool_chat.bind_tools([weather]).invoke("Why?").content != tool_chat.invoke("Why?").content
    assert tool_chat.invoke(asked).content


def test_a_stream_shows_nothing_of_a_tool_call(tool_chat, monkeypatch):
    text = 'Wait. <tool_call>{"name": "weather", "arguments": {}}</tool_call>'
    shown = [visible(text[:n]) for n in range(len(text) + 1)]
    assert shown[-1] == "Wait." and all("Wait.".startswith(s) for s in shown)


def test_tools_that_the_template_has_no_place_for_are_refused(chat):
    with pytest.raises(ModelError, match="has no place for tools"):
        chat.bind_tools([weather]).invoke("Why?")


def test_a_tool_call_that_was_cut_off_is_not_lost_on_a_stream(tool_chat, monkeypatch):
    text = '<tool_call>{"name": "weather", "argu'
    says(tool_chat.local, monkeypatch, text, finish="length")
    chunks = list(tool_chat.bind_tools([weather]).stream("Weather in Oslo?"))
    assert "".join(c.content for c in chunks) == text and not chunks[-1].tool_calls
    says(tool_chat.local, monkeypatch, text)
    assert tool_chat.bind_tools([weather]).invoke("Weather in Oslo?").content == text


def test_a_message_that_calls_tools_is_not_scored(tool_chat, tiny_estimator, monkeypatch):
    says(tool_chat.local, monkeypatch, '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>')
    scored = with_confidence(tool_chat, estimator=ConfidenceEstimator(tool_chat.local, tiny_estimator.calibrator))
    payload = scored.bind_tools([weather]).invoke("Weather in Oslo?").response_metadata[KEY]
    assert payload["value"] is None and payload["raw"] is None
    assert "calls tools" in payload["reason"]


@pytest.fixture
def scored(tool_chat, tiny_estimator, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    estimator = ConfidenceEstimator(tool_chat.local, tiny_estimator.calibrator, state_dir=None, allow_mismatch=True)
    return with_confidence(tool_chat, estimator=estimator)


def test_each_call_has_an_id_of_its_own(tool_chat, monkeypatch):
    says(tool_chat.local, monkeypatch, CALL + CALL)
    bound = tool_chat.bind_tools([weather])
    ids = [call["id"] for _ in range(3) for call in bound.invoke("Weather?").tool_calls]
    assert len(set(ids)) == 6 and all(len(i) == 9 and i.isalnum() for i in ids)
    chunks = list(bound.stream("Weather?"))
    assert len({call["id"] for call in sum(chunks[1:], chunks[0]).tool_calls}) == 2


def test_ids_and_names_of_results_reach_the_template(tiny_model):
    shown = " ".join(f"{{{{ m.{key} }}}}" for key in ("role", "name", "tool_call_id", "content", "tool_calls"))
    template = f"{{% for m in messages %}}{shown}\n{{% endfor %}}"
    chat = ChatThermolang(local=LocalModel(tiny_model.model, tiny_tokenizer(template=template)), max_tokens=2)
    call = {"name": "weather", "args": {"city": "Oslo"}, "id": "abcdefghi"}
    talk = [HumanMessage("?"), AIMessage("", tool_calls=[call]), ToolMessage("rain", tool_call_id="abcdefghi")]
    prompt = chat.local.render(chat._call(talk, None, {}).messages)
    assert "tool weather abcdefghi rain" in prompt  # the name is that of the call
    named = [*talk[:2], ToolMessage("rain", tool_call_id="abcdefghi", name="forecast")]
    assert "tool forecast abcdefghi rain" in chat.local.render(chat._call(named, None, {}).messages)


@pytest.mark.parametrize(("finish", "code"), [("length", "unfinished"), ("stop", "invalid_call")])
@pytest.mark.parametrize(
    "text", ['Wait. <tool_call>{"name": "weather", "argu', '{"name": "weather", "param', "[TOOL_CALLS]["]
)
def test_half_a_call_has_no_confidence_and_is_not_lost(scored, monkeypatch, text, finish, code):
    says(scored.local, monkeypatch, text, finish=finish)
    bound = scored.bind_tools([weather])
    chunks = list(bound.stream("Weather?"))
    for message in (bound.invoke("Weather?"), *bound.batch(["Weather?"]), sum(chunks[1:], chunks[0])):
        assert (message.content, message.tool_calls) == (text, [])
        confidence = confidence_of(message)
        assert (confidence.value, confidence.reason_code) == (None, code)
        assert "tool" in confidence.reason


def test_a_call_in_thoughts_is_none(scored, monkeypatch):
    text = f"<think>Shall I write {CALL}? No.</think>It rains."
    says(scored.local, monkeypatch, text)
    message = scored.bind_tools([weather]).invoke("Weather?")
    assert (message.content, message.tool_calls, message.invalid_tool_calls) == (text, [], [])
    assert confidence_of(message).value is not None


def test_a_call_in_thoughts_that_the_template_began_and_the_limit_cut_is_none(tiny_model, monkeypatch):
    template = "{{ tools | tojson if tools }}" + CHATML.replace(
        "assistant\n{% endif %}", "assistant\n<think>\n{% endif %}"
    )
    chat = ChatThermolang(local=LocalModel(tiny_model.model, tiny_tokenizer(template=template)))
    says(chat.local, monkeypatch, f"Shall I write {CALL}? Or", finish="length")
    bound = chat.bind_tools([weather])
    chunks = list(bound.stream("Weather?"))
    for message in (bound.invoke("Weather?"), sum(chunks[1:], chunks[0])):
        assert (message.content, message.tool_calls) == (f"Shall I write {CALL}? Or", [])


@pytest.mark.parametrize(
    "text", [CALL, '[{"name": "weather", "arguments": {"city": "Oslo"}}]', "[TOOL_CALLS]weather[AR"]
)
def test_what_is_a_call_by_its_form_is_never_scored_as_an_answer(tiny_estimator, text):
    """Where the tools were told in a prompt of the user's own, and by another object that reads no calls."""
    asked = [{"role": "user", "content": "Weather?"}]
    for confidence in (
        tiny_estimator.score(asked, text),
        tiny_estimator.score(asked, text, choices=["A", "B"]),
        tiny_estimator.score(asked, text, written_elsewhere=True),
    ):
        assert (confidence.value, confidence.raw) == (None, None)
        assert confidence.reason_code in ("calls_tools", "invalid_call")


def test_a_raw_call_of_a_chat_huggingface_is_not_scored(tiny_chat, tiny_estimator, monkeypatch):
    from langchain_huggingface import ChatHuggingFace

    scored = with_confidence(tiny_chat, estimator=tiny_estimator)
    answered = ChatHuggingFace._generate

    def calling(self, *args, **kwargs):
        result = answered(self, *args, **kwargs)
        result.generations[0].message.content = CALL
        return result

    monkeypatch.setattr(ChatHuggingFace, "_generate", calling)
    message = scored.invoke("Weather?")
    assert (message.content, confidence_of(message).reason_code) == (CALL, "calls_tools")


def test_special_tokens_of_calls_are_not_lost_in_decoding(tiny_model):
    tokenizer = tiny_tokenizer(template=CHATML)
    tokenizer.add_special_tokens({"additional_special_tokens": ["[TOOL_CALLS]", "<unused>"]})
    model = LocalModel(tiny_llama(len(tokenizer)), tokenizer)
    ids = tokenizer("[TOOL_CALLS]x<unused><|im_end|>", add_special_tokens=False)["input_ids"]
    assert model._text(ids) == "[TOOL_CALLS]x"
    assert tiny_model._text(tiny_model.encode("x<|im_end|>")) == "x"


def test_a_result_without_a_call_says_what_to_do(tool_chat):
    with pytest.raises(ModelError, match="follows no call of it: put the assistant's message"):
        tool_chat.invoke([HumanMessage("?"), ToolMessage("rain", tool_call_id="x")])
