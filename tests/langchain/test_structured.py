"""Answers of a given form on ChatThermolang: structured output, demanded tool calls, agents, bad input."""

import asyncio
import json
from typing import Annotated, Literal, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, StructuredOutputValidationError, ToolStrategy
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import PydanticToolsParser
from langchain_core.prompts import ChatPromptTemplate
from pydantic import BaseModel, Field
from pydantic import v1 as pydantic_v1

from tests.fakes import CHATML, tiny_tokenizer
from thermolang import ChatThermolang, ConfidenceEstimator, ConfidenceRouter, Policy, confidence_of, with_confidence
from thermolang.errors import InvalidInputError, MissingExtraError, ModelError
from thermolang.langchain import structured
from thermolang.langchain.messages import KEY
from thermolang.models.decoding import Sampling
from thermolang.models.local import LocalModel


class City(BaseModel):
    """A city."""

    name: str = Field(max_length=5, pattern="^[a-z]*$", description="Its name.")
    large: bool
    kind: Literal["port", "capital"]


class CityV1(pydantic_v1.BaseModel):
    """A city."""

    large: bool


class CityDict(TypedDict):
    """A city."""

    large: Annotated[bool, ..., "Whether it is large."]
    kind: Literal["port", "capital"]


class Node(BaseModel):
    """A node."""

    last: bool
    below: "Node | None" = None


PATHS = {"name", "large", "kind"}


@pytest.fixture(scope="module")
def chat(roomy_model):
    return ChatThermolang(local=roomy_model, max_tokens=120)


@pytest.fixture(scope="module")
def tool_chat(roomy_model):
    """The same weights with a template that has a place for tools."""
    template = "{% for t in tools or [] %}{{ t.function.name }} {% endfor %}" + CHATML
    local = LocalModel(roomy_model.model, tiny_tokenizer(template=template), name="tools")
    return ChatThermolang(local=local, max_tokens=120)


@pytest.fixture(scope="module")
def calibrator(roomy_model, calibrator_for):
    return calibrator_for(roomy_model)


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    """A random model wants to say anything but the options."""
    for module in ("thermolang.fields", "thermolang.estimator"):
        monkeypatch.setattr(f"{module}.MIN_ANSWER_MASS", 0.0)


@pytest.fixture
def scored(chat, calibrator):
    return with_confidence(chat, task="t", estimator=ConfidenceEstimator(chat.local, calibrator, state_dir=None))


def weather(city: Literal["Oslo", "Rome"]) -> str:
    """Tell the weather in a city."""
    return f"rain in {city}"


def now() -> str:
    """Tell the time."""
    return "noon"


def payload(message):
    return message.response_metadata[KEY]


# with_structured_output


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("of", ["chat", "tool_chat"])
@pytest.mark.parametrize(
    ("schema", "made"),
    [
        (City, City),
        (CityV1, CityV1),
        (CityDict, dict),
        (City.model_json_schema(), dict),
        ({"name": "City", "description": "A city.", "parameters": City.model_json_schema()}, dict),
    ],
)
def test_what_comes_out_has_the_form(request, of, method, schema, made):
    chat = request.getfixturevalue(of)
    found = chat.with_structured_output(schema, method=method).invoke("Tell me of Rome.")
    assert isinstance(found, made)
    if made is dict:
        assert set(found) == {"large", "kind"} | ({"name"} if schema is not CityDict else set())


def test_a_schema_that_holds_itself(chat):
    for method in ("json_schema", "function_calling"):
        assert isinstance(chat.with_structured_output(Node, method=method).invoke("Why?"), Node)


def test_json_mode_without_a_schema_is_any_object(chat, monkeypatch):
    answer = AIMessage('{"a": [1]}', response_metadata={"finish_reason": "stop"})
    assert structured.parser_for(None).invoke(answer) == {"a": [1]}
    assert chat.with_structured_output(None, method="json_mode").first.kwargs["response_format"] == {
        "type": "json_object",
        "schema": {"type": "object"},
    }


def told(chat, method, schema=City):
    """The question as the model is given it."""
    bound = chat.with_structured_output(schema, method=method).first
    call = chat._call(messages("Be brief."), None, bound.kwargs)
    return call.messages[1]["content"], call


def messages(system):
    return ChatPromptTemplate.from_messages([("system", system), ("human", "Rome?")]).invoke({}).to_messages()


def test_the_model_is_told_of_the_schema_unless_the_prompt_does(chat, tool_chat):
    text, call = told(chat, "json_schema")
    assert text.startswith("Rome?\n\nAnswer with one JSON object") and "Its name." in text
    assert '"title"' not in text and len(call.messages) == 2
    assert told(chat, "json_mode")[0] == "Rome?"
    text, call = told(chat, "function_calling")  # its template has no place for tools
    assert "a call of one of these functions" in text and "Its name." in text and not call.tools
    text, call = told(tool_chat, "function_calling")
    assert text == "Rome?" and [t["function"]["name"] for t in call.tools] == ["City"]


def test_the_message_behind_the_object(scored):
    found = scored.with_structured_output(City, include_raw=True).invoke("Tell me of Rome.")
    assert isinstance(found["parsed"], City) and found["parsing_error"] is None
    assert json.loads(found["raw"].text) == found["parsed"].model_dump()
    confidence = confidence_of(found["raw"])
    assert set(confidence.fields) == PATHS and all(0 < c.value < 1 for c in confidence.fields.values())
    assert confidence.fields["large"].task == "t/large"
    assert payload(found["raw"])["question"] == "Tell me of Rome."  # not the schema below it


@pytest.mark.parametrize("include_raw", [False, True])
def test_an_answer_that_was_cut_says_so_and_is_not_lost(scored, include_raw):
    model = scored.with_structured_output(City, include_raw=include_raw, max_tokens=9)
    if not include_raw:
        with pytest.raises(OutputParserException, match="allow more tokens") as error:
            model.invoke("Tell me of Rome.")
        assert error.value.llm_output.startswith('{"')
        with pytest.raises(OutputParserException, match="allow more tokens"):
            list(model.stream("Tell me of Rome."))
        return
    found = model.invoke("Tell me of Rome.")
    assert found["parsed"] is None and "allow more tokens" in str(found["parsing_error"])
    assert found["raw"].text.startswith('{"') and payload(found["raw"])["reason_code"] == "cut"


def test_a_call_that_was_cut_says_so_and_is_not_lost(scored):
    model = scored.with_structured_output(City, include_raw=True, method="function_calling", max_tokens=20)
    found = model.invoke("Tell me of Rome.")
    assert found["parsed"] is None and found["raw"].text.startswith('{"name": "City"')
    assert not found["raw"].tool_calls and found["raw"].invalid_tool_calls
    assert payload(found["raw"])["reason_code"] == "cut"
    chunks = list(model.first.steps__["raw"].stream("Tell me of Rome."))
    assert "".join(c.text for c in chunks) == found["raw"].text


def test_what_the_schema_cannot_say_is_checked_after_it(chat):
    class Small(City):
        def model_post_init(self, _):
            raise ValueError("no city is small enough")

    with pytest.raises(OutputParserException, match="no city is small enough") as error:
        chat.with_structured_output(Small).invoke("Rome?")
    assert json.loads(error.value.llm_output)
    found = chat.with_structured_output(Small, include_raw=True).invoke("Rome?")
    assert found["parsed"] is None and found["raw"].text


# Streams, async, batches


@pytest.mark.parametrize("schema", [City, CityDict])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_a_stream_ends_with_the_whole_object(chat, schema, method):
    model = chat.with_structured_output(schema, method=method)
    whole = model.invoke("Tell me of Rome.")
    *growing, last = model.stream("Tell me of Rome.")
    assert last == whole
    if schema is CityDict and method == "json_schema":
        assert all(set(part.items()) <= set(whole.items()) or "kind" in part for part in growing) and len(growing) > 1
    else:
        assert not growing  # half an object is none

    async def streamed():
        return [part async for part in model.astream("Tell me of Rome.")]

    assert asyncio.run(streamed())[-1] == whole


async def test_async_is_as_sync(scored, chat):
    model = chat.with_structured_output(City)
    assert await model.ainvoke("Tell me of Rome.") == model.invoke("Tell me of Rome.")
    found = await scored.with_structured_output(City, include_raw=True).ainvoke("Tell me of Rome.")
    assert set(payload(found["raw"])["fields"]) == PATHS
    questions = ["Rome?", "Oslo?", "Why?"]
    assert await model.abatch(questions) == model.batch(questions) == [model.invoke(q) for q in questions]


def test_the_last_chunk_of_a_stream_carries_the_fields(scored):
    bound = scored.with_structured_output(City).first
    chunks = list(bound.stream("Tell me of Rome."))
    assert [KEY in c.response_metadata for c in chunks] == [False] * (len(chunks) - 1) + [True]
    whole = bound.invoke("Tell me of Rome.")
    assert "".join(c.text for c in chunks) == whole.text
    assert set(payload(chunks[-1])["fields"]) == PATHS


def test_different_forms_share_a_batch(scored, monkeypatch):
    sizes = []
    original = LocalModel.generate_batch

    def counted(self, conversations, *args, **options):
        sizes.append(len(conversations))
        return original(self, conversations, *args, **options)

    monkeypatch.setattr(LocalModel, "generate_batch", counted)
    calls = [
        scored._call(messages("Be brief."), None, options)
        for options in (
            scored.with_structured_output(City).first.kwargs,
            scored.with_structured_output(CityDict).first.kwargs,
            {},
        )
    ]
    first, second, third = (found[0] for found in scored._answers_or_errors(calls, __import__("threading").Event()))
    assert sizes == [3]
    assert set(first[1].fields) == PATHS and set(second[1].fields) == {"large", "kind"} and not third[1].fields


def test_several_answers_to_one_question(scored):
    bound = scored.with_structured_output(City).first
    sampled = {**bound.kwargs, "n": 2, "temperature": 1.0, "seed": 3}
    found = scored.bind(**sampled).bound.generate([messages("Be brief.")], **sampled).generations[0]
    texts = [g.message.text for g in found]
    assert len(set(texts)) == 2 and all(City.model_validate_json(text) for text in texts)
    assert all(set(payload(g.message)["fields"]) == PATHS for g in found)


# Chains, routers


def test_a_chain_with_a_parser_has_its_confidence_beside_the_object(chat, calibrator):
    estimator = ConfidenceEstimator(chat.local, calibrator, state_dir=None)
    prompt = ChatPromptTemplate.from_messages([("human", "Tell me of {city}.")])
    chain = with_confidence(prompt | chat.with_structured_output(City), estimator=estimator, output="dict")
    found = chain.invoke({"city": "Rome"})
    assert isinstance(found["output"], City) and set(found["confidence"].fields) == PATHS


def test_a_doubtful_field_waits_in_the_store_as_json(chat, calibrator, store):
    estimator = ConfidenceEstimator(chat.local, calibrator, state_dir=None)
    for method in ("json_schema", "function_calling"):
        bound = with_confidence(chat, estimator=estimator).with_structured_output(City, method=method).first
        routed = (bound | ConfidenceRouter(store, Policy(1.0))).invoke("Tell me of Rome.")
        decision = payload(routed)["decision"]
        item = store.get(decision["item_id"])
        assert set(decision["fields"]) == PATHS and decision["code"] == "doubtful_field"
        assert City.model_validate_json(item.answer) and set(item.confidence.fields) == PATHS
        corrected = json.loads(item.answer)
        corrected["large"] = not corrected["large"]
        item = store.decide(item.id, "correct", operator="ann", corrected_answer=json.dumps(corrected))
        assert estimator.learn([lesson for lesson in item.lessons if lesson[0].basis]) == 3
    dicts = with_confidence(chat.with_structured_output(City), estimator=estimator, output="dict")
    item = store.get((dicts | ConfidenceRouter(store, Policy(1.0))).invoke("Rome?")["decision"]["item_id"])
    assert City.model_validate_json(item.answer)


# Tools


@pytest.mark.parametrize("of", ["chat", "tool_chat"])
@pytest.mark.parametrize(
    "choice", ["any", "required", True, "weather", {"type": "function", "function": {"name": "weather"}}]
)
def test_a_demanded_call_is_made(request, of, choice):
    chat = request.getfixturevalue(of)
    message = chat.bind_tools([weather, now], tool_choice=choice).invoke("What is the weather in Rome?")
    (call,) = message.tool_calls
    named = choice if isinstance(choice, str) and choice not in ("any", "required") else None
    assert call["name"] in ({"weather"} if named or isinstance(choice, dict) else {"weather", "now"})
    assert call["args"] == {} if call["name"] == "now" else call["args"]["city"] in ("Oslo", "Rome")
    assert message.text == "" and message.response_metadata["finish_reason"] == "tool_calls"


def test_a_demanded_call_comes_whole_at_the_end_of_a_stream(tool_chat):
    model = tool_chat.bind_tools([weather], tool_choice="weather")
    *before, last = model.stream("Rome?")
    assert not before and last.tool_calls[0]["args"] == model.invoke("Rome?").tool_calls[0]["args"]


def test_no_tool_is_called_where_none_may_be(tool_chat, monkeypatch):
    free = tool_chat.bind_tools([weather], tool_choice="none").invoke("Rome?")
    assert free.text == tool_chat.invoke("Rome?").text and not free.tool_calls
    assert (
        tool_chat._call(messages("s"), None, {"tools": [structured.tool_of(weather)], "tool_choice": "none"}).tools
        == ()
    )


def test_several_calls_only_where_they_are_asked_for(tool_chat, monkeypatch):
    text = "\n".join(['{"name": "now", "arguments": {}}'] * 2)
    form = structured.forced([structured.tool_of(now)], "any", several=True)
    answer = tool_chat.local.generate([{"role": "user", "content": "?"}], max_new_tokens=3)
    answer = type(answer)(text, answer.token_ids, answer.logprobs, "stop", 3)
    assert form.parsed(answer).calls == [("now", {}), ("now", {})] and form.structured([], answer) is None
    assert form.grammar != structured.forced([structured.tool_of(now)], "any").grammar
    assert tool_chat.bind_tools([now], tool_choice="any", parallel_tool_calls=True).kwargs["parallel_tool_calls"]


def test_a_call_that_something_executes_is_no_answer(scored):
    message = scored.bind_tools([weather], tool_choice="any").invoke("Rome?")
    assert payload(message)["value"] is None and payload(message)["reason_code"] == "calls_tools"


def test_a_call_that_nothing_executes_is_the_answer(scored):
    model = scored.bind_tools([City], tool_choice="any")
    message = model.invoke("Tell me of Rome.")
    assert set(payload(message)["fields"]) == PATHS and 0 < payload(message)["value"] < 1
    (found,) = (model | PydanticToolsParser(tools=[City])).invoke("Tell me of Rome.")
    assert isinstance(found, City)


def test_options_that_are_taken(tool_chat):
    for options in ({"strict": False}, {"parallel_tool_calls": True}, {"tool_choice": "auto"}):
        assert tool_chat.bind_tools([weather], **options).invoke("Why?").text
    for options in ({"strict": True}, {"parallel_tool_calls": False}):
        assert tool_chat.bind_tools([weather], tool_choice="any", **options).invoke("Why?").tool_calls
    assert isinstance(tool_chat.with_structured_output(City, strict=True).invoke("Why?"), City)


# Agents


@pytest.mark.parametrize("strategy", [ToolStrategy(City), ProviderStrategy(City), City])
@pytest.mark.parametrize("of", ["chat", "tool_chat"])
def test_an_agent_answers_with_an_object(request, of, strategy):
    agent = create_agent(request.getfixturevalue(of), response_format=strategy)
    found = agent.invoke({"messages": [("human", "Tell me of Rome.")]})
    assert isinstance(found["structured_response"], City)


def test_an_agents_answer_has_fields(scored, tool_chat, calibrator):
    for strategy in (ToolStrategy(City), ProviderStrategy(City)):
        found = create_agent(scored, response_format=strategy).invoke({"messages": [("human", "Rome?")]})
        (answer,) = [m for m in found["messages"] if isinstance(m, AIMessage)]
        assert set(payload(answer)["fields"]) == PATHS


def test_an_agent_with_tools_ends_with_an_object(tool_chat):
    """The random model calls what it likes; both ways lead to an answer of the form."""
    agent = create_agent(tool_chat, tools=[weather], response_format=ToolStrategy(City))
    found = agent.invoke({"messages": [("human", "Rome?")]}, {"recursion_limit": 100})
    assert isinstance(found["structured_response"], City)


def test_beside_tools_an_answer_is_json_or_a_call(tool_chat, monkeypatch):
    agent = create_agent(tool_chat, tools=[now], response_format=ProviderStrategy(City))
    try:
        assert isinstance(agent.invoke({"messages": [("human", "Rome?")]})["structured_response"], City)
    except StructuredOutputValidationError as error:  # it began a call and never ended it
        assert error.ai_message.text.startswith("<tool_call>") or error.ai_message.invalid_tool_calls
    bound = tool_chat.bind_tools([now], strict=True, **ProviderStrategy(City).to_model_kwargs())
    call = tool_chat._call(messages("Be brief."), None, bound.kwargs)
    assert call.form.beside_tools and "JSON object" in call.messages[1]["content"] and call.tools
    said = type("Said", (), {"text": '<tool_call>{"name": "now", "arguments": {}}</tool_call>'})
    assert call.form.parsed(said) is None and call.form.structured(call.messages, said) is None


# Bad input


@pytest.mark.parametrize(
    ("tools", "options", "told"),
    [
        ([weather], {"tool_choice": "rain"}, r"none of the tools \['weather'\]"),
        ([], {"tool_choice": "any"}, r"none of the tools \[\]"),
        ([weather], {"tool_choice": 3}, "'auto', 'any', 'none' or the name"),
        ([weather], {"strict": True}, "strict=True holds for calls that tool_choice demands"),
        ([weather], {"parallel_tool_calls": False}, "parallel_tool_calls=False holds for calls"),
        ([weather], {"response_format": {"type": "xml"}}, "response_format is"),
        ([weather], {"response_format": {"type": "json_schema"}}, "response_format is"),
    ],
)
def test_what_cannot_be_enforced_is_refused_at_once(chat, tools, options, told):
    with pytest.raises(InvalidInputError, match=told):
        chat.bind_tools(tools, **options)


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"title": "T", "type": "object", "properties": {"a": {"enum": []}}, "required": ["a"]}, "leave that part out"),
        ({"title": "T", "type": "object", "properties": {"a": {"not": {}}}}, "leave that part out"),
        ({"title": "T", "type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "recursive field"),
    ],
)
def test_a_schema_that_no_grammar_expresses_is_refused_at_once(chat, method, schema, told):
    with pytest.raises(InvalidInputError, match=told):
        chat.with_structured_output(schema, method=method)


def test_other_bad_input(chat, monkeypatch):
    with pytest.raises(InvalidInputError, match="method is 'json_schema'"):
        chat.with_structured_output(City, method="yaml")
    with pytest.raises(InvalidInputError, match="needs a schema"):
        chat.with_structured_output(None)
    with pytest.raises(InvalidInputError, match="a schema is a pydantic model"):
        chat.with_structured_output(3)
    with pytest.raises(ModelError, match="has no place for tools"):
        chat.bind_tools([weather]).invoke("Why?")
    monkeypatch.setitem(__import__("sys").modules, "llguidance", None)
    structured.json_grammar_of.cache_clear()
    with pytest.raises(MissingExtraError, match=r"thermolang\[structured\]"):
        chat.with_structured_output(City)


def test_scoring_never_costs_the_answer(scored, monkeypatch):
    monkeypatch.setattr("thermolang.langchain.messages.score_structured", lambda *_: 1 / 0)
    found = scored.with_structured_output(City, include_raw=True).invoke("Rome?")
    assert isinstance(found["parsed"], City) and payload(found["raw"])["reason_code"] == "scoring_failed"


def test_sampling_options_are_the_models_own(chat):
    call = chat._call(messages("s"), None, {**chat.with_structured_output(City).first.kwargs, "max_tokens": 7})
    assert call.sampling == Sampling(7)
