"""with_confidence on chains: the confidence belongs to the answer that leaves, by its key, or it is said what to do."""

import asyncio

import pytest
from langchain.agents import create_agent
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticToolsParser, StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import (
    RouterRunnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.runnables.history import RunnableWithMessageHistory
from pydantic import BaseModel

from tests.fakes import FakeModel
from tests.langchain.conftest import Echo
from thermolang import ChatThermolang, Confidence, ConfidenceEstimator, Policy
from thermolang.errors import InvalidInputError, ModelError
from thermolang.langchain.chains import template_name
from thermolang.langchain.messages import KEY, to_messages
from thermolang.langchain.router import PLACEHOLDER, ConfidenceRouter
from thermolang.langchain.wrapper import with_confidence

FIRST = ChatPromptTemplate.from_template("First: {question}")
SECOND = ChatPromptTemplate.from_template("Second: {question}")
REWRITE = ChatPromptTemplate.from_template("Say it again: {question}")
ASKED = {"question": "Why?"}
PARSER = StrOutputParser()


@pytest.fixture
def own(calibrator):
    """The value of an answer to a question, from an estimator that has seen nothing else."""

    def value(question):
        fresh = ConfidenceEstimator(FakeModel(), calibrator, state_dir=None)
        return fresh.score(to_messages([HumanMessage(question)]), f"{question}!", task="t").value

    return value


def checked(fake_model):
    """How many answers were scored since the last time."""
    count = fake_model.calls.count("self_check")
    fake_model.calls.clear()
    return count


# Helper steps


async def test_a_helper_step_is_not_scored_and_moves_no_task(chat, estimator, fake_model, own):
    chain = RunnablePassthrough.assign(question=REWRITE | chat | PARSER) | FIRST | chat
    expected = own("First: Say it again: Why?!")
    for output in ("attach", "dict"):
        wrapped = with_confidence(chain, estimator=estimator, output=output)
        for found in (wrapped.invoke(ASKED), await wrapped.ainvoke(ASKED), *wrapped.batch([ASKED])):
            confidence = found["confidence"] if output == "dict" else Confidence.from_dict(found.response_metadata[KEY])
            assert confidence.value == expected
            assert confidence.task == template_name(FIRST)
        assert checked(fake_model) == 3
    assert [task for task, _ in estimator._states] == [template_name(FIRST)]


async def test_a_stream_scores_the_last_model_only(chat, estimator, fake_model, own):
    chain = RunnablePassthrough.assign(question=REWRITE | chat | PARSER) | FIRST | chat
    wrapped = with_confidence(chain, estimator=estimator)
    chunks = [*wrapped.stream(ASKED), *[chunk async for chunk in wrapped.astream(ASKED)]]
    assert [c.response_metadata[KEY]["value"] for c in chunks if KEY in c.response_metadata] == [
        own("First: Say it again: Why?!")
    ] * 2
    assert checked(fake_model) == 2


def test_a_helper_step_is_scored_if_it_is_asked_for(chat, estimator, own):
    rewriter = Echo()
    chain = REWRITE | rewriter | PARSER | (lambda text: {"question": text}) | FIRST | chat
    found = with_confidence(chain, of=rewriter, estimator=estimator, output="dict").invoke(ASKED)
    assert found["confidence"].value == own("Say it again: Why?")
    assert found["output"].content == "First: Say it again: Why?!!"
    # Wrapped by itself, it has a task of its own and is never taken for the answer.
    inner = with_confidence(REWRITE | rewriter, estimator=estimator, task="rewriting") | PARSER
    chain = inner | (lambda text: {"question": text}) | FIRST | chat
    found = with_confidence(chain, estimator=estimator, output="dict", task="answers").invoke(ASKED)
    assert (found["confidence"].task, found["confidence"].value) == ("answers", own("First: Say it again: Why?!"))
    assert {task for task, _ in estimator._states} >= {"rewriting", "answers"}


def test_the_same_model_may_rewrite_and_answer(chat, estimator, own):
    chain = RunnablePassthrough.assign(question=REWRITE | chat | PARSER) | FIRST | chat
    found = with_confidence(chain, of=chat, estimator=estimator, output="dict").invoke(ASKED)
    assert found["confidence"].value == own("First: Say it again: Why?!")


def test_a_model_that_decides_where_to_go_is_a_helper(chat, estimator, fake_model, own):
    asks = REWRITE | Echo(says="yes") | PARSER | (lambda text: text == "yes")
    chain = RunnableBranch((asks, FIRST | chat), SECOND | chat)
    found = with_confidence(chain, estimator=estimator, output="dict").invoke(ASKED)
    assert (found["confidence"].value, found["confidence"].task) == (own("First: Why?"), template_name(FIRST))
    assert checked(fake_model) == 1


# Several answers


def both(chat):
    return RunnableParallel(a=FIRST | chat | PARSER, b=SECOND | chat | PARSER)


async def test_each_branch_has_its_own_confidence(chat, estimator, own):
    wrapped = with_confidence(both(chat), estimator=estimator, output="dict", threshold=0.5)
    expected = {"a": own("First: Why?"), "b": own("Second: Why?")}
    assert expected["a"] != expected["b"]
    for _ in range(6):  # whichever is finished first
        found = wrapped.batch([ASKED, ASKED])
        for result in (*found, wrapped.invoke(ASKED), await wrapped.ainvoke(ASKED), *(await wrapped.abatch([ASKED]))):
            assert result["output"] == {"a": "First: Why?!", "b": "Second: Why?!"}
            assert {key: confidence.value for key, confidence in result["confidence"].items()} == expected
            assert result["question"] == {"a": "First: Why?", "b": "Second: Why?"}
            for key, value in expected.items():
                assert result["decision"][key]["action"] == ("accept" if value >= 0.5 else "review")
            assert {c.task for c in result["confidence"].values()} == {template_name(FIRST), template_name(SECOND)}


def test_nested_branches_have_nested_confidences(chat, estimator, own):
    chain = RunnableParallel(top=FIRST | chat, inner=RunnableParallel(deep=SECOND | chat, other=lambda row: "x"))
    found = with_confidence(chain, estimator=estimator, output="dict").invoke(ASKED)
    assert found["confidence"]["top"].value == own("First: Why?")
    assert found["confidence"]["inner"] == {"deep": found["confidence"]["inner"]["deep"]}
    assert found["confidence"]["inner"]["deep"].value == own("Second: Why?")
    assert found["output"]["inner"]["other"] == "x"


def test_attached_confidences_lie_on_each_message(chat, estimator, own):
    chain = RunnableParallel(a=FIRST | chat, b=SECOND | chat)
    found = with_confidence(chain, estimator=estimator).invoke(ASKED)
    assert found["a"].response_metadata[KEY]["value"] == own("First: Why?")
    assert found["b"].response_metadata[KEY]["value"] == own("Second: Why?")


@pytest.mark.parametrize("held", [None, "a"])
def test_a_router_holds_back_the_branch_that_is_doubtful(chat, estimator, store, own, held):
    threshold = {None: 0.0, "a": (own("First: Why?") + own("Second: Why?")) / 2}[held]
    low, high = sorted("ab", key={"a": own("First: Why?"), "b": own("Second: Why?")}.get)
    policy = Policy(threshold=threshold, review_unsupported=False)
    chain = with_confidence(both(chat), estimator=estimator, output="dict") | ConfidenceRouter(
        store, policy, on_review="hold"
    )
    result = chain.invoke(ASKED)
    assert result["output"][high].endswith("Why?!")
    assert result["output"][low] == (PLACEHOLDER if held else both(chat).invoke(ASKED)[low])
    assert result["decision"][high]["action"] == "accept"
    assert [item.answer for item in store.list()] == ([both(chat).invoke(ASKED)[low]] if held else [])


def test_the_fallback_of_several_answers_comes_if_one_is_doubtful(chat, estimator, store):
    chain = with_confidence(both(chat), estimator=estimator, output="dict")
    fallback = RunnableLambda(lambda row: "Because.")
    router = ConfidenceRouter(store, Policy(threshold=1), on_review="fallback", chain=chain, fallback=fallback)
    result = router.invoke(ASKED)
    assert (result["output"], result["decision"]["fallback"], result["decision"]["action"]) == (
        "Because.",
        True,
        "review",
    )


def test_where_answers_are_merged_it_is_said_what_to_do(chat, estimator):
    merged = both(chat) | (lambda row: row["a"] + row["b"])
    with pytest.raises(ModelError, match=r"merges the answers .* put with_confidence around each branch"):
        with_confidence(merged, estimator=estimator, output="dict")
    with pytest.raises(ModelError, match=r"a list of answers: put \.map\(\) behind with_confidence"):
        with_confidence((FIRST | chat).map(), estimator=estimator, output="dict")
    behind = with_confidence(FIRST | chat, estimator=estimator, output="dict").map()
    assert [r["question"] for r in behind.invoke([ASKED, {"question": "Who?"}])] == ["First: Why?", "First: Who?"]
    # Messages carry their confidences wherever they go.
    either = RunnableParallel(a=FIRST | chat, b=SECOND | chat) | (lambda row: row["b"])
    assert KEY in with_confidence(either, estimator=estimator).invoke(ASKED).response_metadata


def test_where_no_answer_leaves_it_is_said_what_to_do(chat, estimator):
    with pytest.raises(ModelError, match=r"no answer of a chat model leaves the chain.*name it with of="):
        with_confidence(FIRST | chat | PARSER | SECOND, estimator=estimator)


def test_the_first_of_several_generations_is_the_answer(tiny_model, calibrator_for, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    scorer = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)
    chat = ChatThermolang(local=tiny_model, max_tokens=6, temperature=1.5, seed=3, n=3)
    said = [g.text for g in chat.generate([[HumanMessage("Why?")]]).generations[0]]
    assert len(set(said)) == 3
    scored = with_confidence(chat, estimator=scorer, task="t").generate([[HumanMessage("Why?")]]).generations[0]
    first, _, last = (generation.message.response_metadata[KEY]["raw"] for generation in scored)
    found = with_confidence(chat, estimator=scorer, output="dict", task="t").invoke("Why?")
    assert found["output"].text == said[0]
    assert found["confidence"].raw == pytest.approx(first, abs=1e-5)
    assert found["confidence"].raw != pytest.approx(last, abs=1e-5)


def test_models_of_other_weights_have_their_own_estimators(tiny_model):
    from tests.fakes import tiny_llama
    from thermolang import LocalModel

    other = LocalModel(tiny_llama(len(tiny_model.tokenizer), seed=1), tiny_model.tokenizer, name="other")
    one, two = (ChatThermolang(local=m, max_tokens=3) for m in (tiny_model, other))
    found = with_confidence(RunnableParallel(a=FIRST | one, b=SECOND | two), output="dict").invoke(ASKED)
    assert "--model tiny" in found["confidence"]["a"].reason
    assert "--model other" in found["confidence"]["b"].reason


# Retrieval: the dict keeps its shape


RAG = ChatPromptTemplate.from_template("{context}\n\nQuestion: {question}")
DOCUMENTS = [Document("Oslo is in Norway.")]


def retrieval(chat):
    context = RunnableLambda(lambda row: DOCUMENTS)
    return RunnablePassthrough.assign(context=context).assign(
        answer=RunnablePassthrough.assign(context=lambda row: row["context"][0].page_content) | RAG | chat | PARSER
    )


@pytest.mark.parametrize("options", [{}, {"answer": "answer"}, {"question": "question"}])
def test_of_a_retrieval_chain_only_the_answer_is_held_back(chat, estimator, store, options):
    wrapped = with_confidence(retrieval(chat), estimator=estimator, output="dict", **options)
    result = (wrapped | ConfidenceRouter(store, Policy(threshold=1), on_review="hold")).invoke(ASKED)
    assert result["output"] == {"question": "Why?", "context": DOCUMENTS, "answer": PLACEHOLDER}
    assert result["answer_path"] == ["answer"]
    (item,) = store.list()
    assert (item.question, item.answer) == ("Why?", "Oslo is in Norway.\n\nQuestion: Why?!")
    assert item.context == "Oslo is in Norway.\n\nQuestion: Why?"
    assert isinstance(result["confidence"], Confidence)
    flagged = (wrapped | ConfidenceRouter(store, Policy(threshold=1))).invoke(ASKED)
    assert flagged["output"] == retrieval(chat).invoke(ASKED)


def test_a_held_answer_that_cannot_be_stored_is_kept_by_its_key(chat, estimator, store):
    store.close()
    router = ConfidenceRouter(store, Policy(threshold=1), on_review="hold")
    result = (with_confidence(retrieval(chat), estimator=estimator, output="dict") | router).invoke(ASKED)
    assert result["held"] == "Oslo is in Norway.\n\nQuestion: Why?!"
    result = (with_confidence(both(chat), estimator=estimator, output="dict") | router).invoke(ASKED)
    assert result["held"] == {"a": "First: Why?!", "b": "Second: Why?!"}
    assert result["output"] == {"a": PLACEHOLDER, "b": PLACEHOLDER}


def test_another_key_is_chosen_by_its_name(chat, estimator, own):
    chain = RunnablePassthrough.assign(question=REWRITE | chat | PARSER).assign(answer=FIRST | chat | PARSER)
    usual, other = (
        with_confidence(chain, estimator=estimator, output="dict", answer=key).invoke(ASKED)
        for key in (None, "question")
    )
    assert (usual["confidence"].value, usual["answer_path"]) == (own("First: Say it again: Why?!"), ["answer"])
    assert (other["confidence"].value, other["answer_path"]) == (own("Say it again: Why?"), ["question"])
    with pytest.raises(ModelError, match=r"under answer='anser' of the chain's output; .*\['answer'\]"):
        with_confidence(chain, estimator=estimator, output="dict", answer="anser")
    with pytest.raises(InvalidInputError, match="answer='answer' names a key of a chain's output, but a chat model"):
        with_confidence(chat, estimator=estimator, answer="answer")


def test_a_key_that_the_output_does_not_have_loses_nothing(chat, estimator, store, own):
    wrapped = with_confidence(FIRST | chat | PARSER, estimator=estimator, output="dict", answer="answer")
    result = (wrapped | ConfidenceRouter(store, Policy(threshold=1), on_review="hold")).invoke(ASKED)
    assert (result["output"], result["confidence"].value) == (PLACEHOLDER, own("First: Why?"))
    assert "answer_path" not in result and store.list()[0].answer == "First: Why?!"


def test_an_answer_that_is_no_text_is_shown_in_the_models_own_words(estimator, store):
    chain = FIRST | Echo(says='{{"city": "Paris"}}') | JsonOutputParser()
    wrapped = with_confidence(chain, estimator=estimator, output="dict")
    result = (wrapped | ConfidenceRouter(store, Policy(threshold=1))).invoke(ASKED)
    assert (result["output"], result["answer"]) == ({"city": "Paris"}, '{"city": "Paris"}')
    held = (wrapped | ConfidenceRouter(store, Policy(threshold=1), on_review="hold")).invoke(ASKED)
    assert (held["output"], held["answer"]) == (PLACEHOLDER, PLACEHOLDER)
    assert {item.answer for item in store.list()} == {'{"city": "Paris"}'}


def test_a_held_message_stays_a_message(chat, estimator, store):
    result = (
        with_confidence(
            RunnableParallel(answer=FIRST | chat, context=lambda row: "x"), estimator=estimator, output="dict"
        )
        | ConfidenceRouter(store, Policy(threshold=1), on_review="hold")
    ).invoke(ASKED)
    assert isinstance(result["output"]["answer"], AIMessage)
    assert (result["output"]["answer"].content, result["output"]["context"]) == (PLACEHOLDER, "x")
    assert store.list()[0].answer == "First: Why?!"


# Functions, routers, histories and graphs


async def test_alternatives_give_the_confidence_of_the_one_that_answered(chat, estimator, own):
    router = RouterRunnable(runnables={"first": FIRST | chat, "second": SECOND | chat})
    wrapped = with_confidence(router, estimator=estimator, output="dict")
    for key, text in (("first", "First: Why?"), ("second", "Second: Why?")):
        found = await wrapped.ainvoke({"key": key, "input": ASKED})
        assert (found["question"], found["confidence"].value) == (text, own(text))
    failing = FIRST | Echo() | RunnableLambda(lambda message: 1 / 0)
    wrapped = with_confidence(failing.with_fallbacks([SECOND | chat]), estimator=estimator, output="dict")
    assert wrapped.invoke(ASKED)["confidence"].value == own("Second: Why?")


@pytest.mark.parametrize("native", [True, False])
def test_a_router_needs_no_estimator(tiny_model, tiny_chat, native, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    chat = ChatThermolang(local=tiny_model, max_tokens=3) if native else tiny_chat
    for chain in (RouterRunnable(runnables={"a": chat}), RunnableLambda(lambda row: chat.invoke(row["input"]))):
        found = with_confidence(chain, output="dict").invoke({"key": "a", "input": "Why?"})
        assert "thermolang calibrate --model tiny" in found["confidence"].reason


async def test_inside_a_function_the_answer_is_the_one_that_it_returns(chat, estimator, fake_model, own):
    def ask(row):
        rewritten = (REWRITE | chat | PARSER).invoke(row)
        return (FIRST | chat | PARSER).invoke({"question": rewritten})

    for shape in (RunnableLambda(ask), RunnableLambda(lambda row: FIRST | chat | PARSER)):
        wrapped = with_confidence(shape, estimator=estimator, output="dict", task="t")
        found = wrapped.invoke(ASKED)
        assert found["confidence"].value == own(found["question"])
        assert found["output"] == found["question"] + "!"
        assert (await wrapped.ainvoke(ASKED))["confidence"].value == found["confidence"].value
        assert checked(fake_model) == 2


def test_a_function_may_return_a_dict_with_the_answer_in_it(chat, estimator, store, own):
    def rag(row):
        return {"context": DOCUMENTS, "answer": (FIRST | chat | PARSER).invoke(row)}

    wrapped = with_confidence(RunnableLambda(rag), estimator=estimator, output="dict")
    result = (wrapped | ConfidenceRouter(store, Policy(threshold=1), on_review="hold")).invoke(ASKED)
    assert result["output"] == {"context": DOCUMENTS, "answer": PLACEHOLDER}
    assert (store.list()[0].answer, result["confidence"].value) == ("First: Why?!", own("First: Why?"))
    named = with_confidence(RunnableLambda(rag), estimator=estimator, output="dict", answer="answer").invoke(ASKED)
    assert (named["answer_path"], named["confidence"].value) == (["answer"], own("First: Why?"))


def test_a_function_that_returns_none_of_its_answers_has_no_confidence(chat, estimator):
    def ask(row):
        return len((FIRST | chat | PARSER).invoke(row)) + len((SECOND | chat | PARSER).invoke(row))

    found = with_confidence(RunnableLambda(ask), estimator=estimator, output="dict").invoke(ASKED)
    assert (found["output"], found["confidence"].value, found["confidence"].reason_code) == (25, None, "not_scored")
    assert "put with_confidence around the chat model inside" in found["confidence"].reason


def test_a_function_with_other_models_is_told_to_wrap_one(tiny_model, tiny_chat, chat):
    with pytest.raises(ModelError, match=r"calls several chat models, .*around the one inside"):
        with_confidence(RunnableLambda(lambda row: tiny_chat.invoke(chat.invoke(row).text)))


@pytest.mark.filterwarnings("ignore::langchain_core._api.deprecation.LangChainDeprecationWarning")
async def test_a_chain_with_a_history_is_searched(chat, estimator, own):
    stored = {}
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    chain = RunnableWithMessageHistory(
        prompt | chat,
        lambda session_id: stored.setdefault(session_id, InMemoryChatMessageHistory()),
        input_messages_key="question",
        history_messages_key="history",
    )
    config = {"configurable": {"session_id": "s"}}
    wrapped = with_confidence(chain, estimator=estimator, output="dict", task="t")
    first = wrapped.invoke(ASKED, config)
    assert (first["output"].content, first["confidence"].value) == ("Why?!", own("Why?"))
    assert (await wrapped.ainvoke({"question": "Who?"}, config))["question"] == "Who?"
    assert [m.content for m in stored["s"].messages] == ["Why?", "Why?!", "Who?", "Who?!"]
    attached = with_confidence(chain, estimator=estimator, task="t").invoke(ASKED, config)
    assert attached.response_metadata[KEY]["question"] == "Why?"


async def test_a_compiled_graph_is_searched(tiny_model, calibrator_for, monkeypatch, store):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    scorer = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)
    chat = ChatThermolang(local=tiny_model, max_tokens=4)
    agent = create_agent(chat)
    asked = {"messages": [HumanMessage("Why?")]}
    raw = scorer.score(to_messages(asked["messages"]), chat.invoke("Why?").text).raw
    wrapped = with_confidence(agent, estimator=scorer, output="dict")
    for found in (wrapped.invoke(asked), await wrapped.ainvoke(asked)):
        assert found["confidence"].raw == pytest.approx(raw, abs=1e-5)
        assert found["answer_path"] == ["messages", -1]
    held = (wrapped | ConfidenceRouter(store, Policy(threshold=1), on_review="hold")).invoke(asked)
    assert [m.text for m in held["output"]["messages"]] == ["Why?", PLACEHOLDER]
    attached = with_confidence(agent, estimator=scorer).invoke(asked)
    assert attached["messages"][-1].response_metadata[KEY]["raw"] == pytest.approx(raw, abs=1e-5)
    # The model inside is found, so that no estimator is needed.
    assert (
        "thermolang calibrate --model tiny" in with_confidence(agent, output="dict").invoke(asked)["confidence"].reason
    )


def test_a_graph_whose_model_is_not_found_names_the_cure():
    from langgraph.graph import MessagesState, StateGraph

    graph = StateGraph(MessagesState).add_node("a", lambda state: {"messages": [AIMessage("x")]})
    compiled = graph.set_entry_point("a").compile()
    with pytest.raises(ModelError, match="inside a CompiledStateGraph was not found: put with_confidence around"):
        with_confidence(compiled)


def test_a_model_that_is_no_chat_model_is_told_to_be_wrapped(estimator):
    bare = FakeListLLM(responses=["x"])
    for chain in (FIRST | bare, FIRST | bare | PARSER):
        for given in (None, estimator):
            with pytest.raises(ModelError, match=r"FakeListLLM is no chat model.*ChatHuggingFace\(llm=\.\.\.\)"):
                with_confidence(chain, estimator=given, output="dict")
    hidden = RunnableLambda(lambda row: bare.invoke("q"))
    found = with_confidence(hidden, estimator=estimator, output="dict").invoke(ASKED)
    assert (found["output"], found["confidence"].value) == ("x", None)
    assert "FakeListLLM is no chat model" in found["confidence"].reason


# Tool calls


class City(BaseModel):
    """A city."""

    name: str


class Caller(Echo):
    """Answers with a call."""

    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=tools)

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        message = AIMessage("", tool_calls=[{"name": "City", "args": {"name": "Oslo"}, "id": "123456789"}])
        return ChatResult(generations=[ChatGeneration(message=message)])


def test_extraction_by_a_tool_call_says_what_has_a_confidence(estimator):
    chain = FIRST | Caller().bind_tools([City]) | PydanticToolsParser(tools=[City], first_tool_only=True)
    found = with_confidence(chain, estimator=estimator, output="dict").invoke(ASKED)
    assert found["output"] == City(name="Oslo")
    assert (found["confidence"].value, found["confidence"].reason_code) == (None, "calls_tools")
    assert "with_structured_output gives one to each field" in found["confidence"].reason
    assert "follows" not in found["confidence"].reason


# Schemas, tools and graphs of the wrapper


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_a_dict_chain_is_described_like_the_chain_inside(chat, estimator, threshold):
    chain = FIRST | chat | PARSER
    wrapped = with_confidence(chain, estimator=estimator, output="dict", threshold=threshold)
    assert wrapped.get_input_jsonschema() == chain.get_input_jsonschema()
    assert wrapped.InputType == chain.InputType and wrapped.get_name() == chain.get_name()
    assert wrapped.get_graph().to_json()["nodes"] == chain.get_graph().to_json()["nodes"]
    assert wrapped.config_specs == chain.config_specs
    fields = wrapped.get_output_schema().model_fields
    required = {name for name, field in fields.items() if field.is_required()}
    assert required == {"output", "confidence", "question"} | ({"decision"} if threshold else set())
    assert fields["output"].annotation is str and fields["confidence"].annotation is Confidence
    for result in (
        wrapped.invoke(ASKED),
        with_confidence(retrieval(chat), estimator=estimator, output="dict").invoke(ASKED),
    ):
        assert set(result) - {"decision"} <= set(fields)
    wrapped.get_output_schema()(**wrapped.invoke(ASKED))


def test_the_schema_of_the_output_is_that_of_the_chain_inside(chat, estimator):
    shapes = {
        "branches": (both(chat), {"a", "b"}),
        "a dict": (RunnablePassthrough.assign(answer=FIRST | chat | PARSER), {"answer"}),
        "a graph": (create_agent(chat), {"messages"}),
    }
    for chain, keys in shapes.values():
        wrapped = with_confidence(chain, estimator=estimator, output="dict")
        kind = wrapped.get_output_schema().model_fields["output"].annotation
        assert keys <= set(kind.model_json_schema()["properties"])
        assert wrapped.get_input_jsonschema().get("properties") == chain.get_input_jsonschema().get("properties")
    anything = RouterRunnable(runnables={"a": FIRST | chat})
    wrapped = with_confidence(anything, estimator=estimator, output="dict")
    assert "output" in wrapped.get_output_jsonschema()["properties"]


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_a_dict_chain_is_a_tool(chat, estimator):
    tool = with_confidence(FIRST | chat | PARSER, estimator=estimator, output="dict").as_tool(
        name="asker", description="Asks."
    )
    assert list(tool.args) == ["question"]
    found = tool.invoke(ASKED)
    assert found["output"] == "First: Why?!" and found["confidence"].value is not None
    assert asyncio.run(tool.ainvoke(ASKED))["output"] == "First: Why?!"
