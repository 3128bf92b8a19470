"""Chains of five kinds as tutorials build them: the confidence belongs to the answer, however the chain is called."""

import asyncio
import operator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import PydanticOutputParser, StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableBranch, RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from tests.langchain.conftest import Echo
from thermolang import ChatThermolang, ConfidenceEstimator, ConfidenceRouter, Policy, confidence_of, with_confidence
from thermolang.langchain.messages import KEY, to_messages
from thermolang.langchain.router import PLACEHOLDER
from thermolang.models.decoding import Sampling

PARSER = StrOutputParser()
TOKENS = 8
TOLERANCE = 1e-5
"""In float32, between one row alone and the same row in a padded batch."""


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.fixture
def scorer(tiny_model, calibrator_for):
    return ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)


@pytest.fixture
def chat(tiny_model):
    return ChatThermolang(local=tiny_model, max_tokens=TOKENS)


@pytest.fixture
def raw(tiny_model, scorer):
    """The raw confidence of what the model answers to a filled-in prompt, without LangChain."""

    def of(prompt, **values):
        messages = to_messages(prompt.invoke(values).to_messages())
        (answer,) = tiny_model.generate_batch([messages], Sampling(max_new_tokens=TOKENS))
        return ConfidenceEstimator(tiny_model, scorer.calibrator, state_dir=None).score(messages, answer).raw

    return of


@pytest.fixture(scope="module")
def retriever():
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents([Document("Oslo is in Norway.", metadata={"source": "atlas"})])
    return store.as_retriever()


def joined(documents) -> str:
    return "\n".join(document.page_content for document in documents)


async def _alast(stream):
    return [piece async for piece in stream][-1]


WAYS = {
    "invoke": lambda chain, given: chain.invoke(given),
    "ainvoke": lambda chain, given: asyncio.run(chain.ainvoke(given)),
    "batch": lambda chain, given: chain.batch([given, given])[1],
    "abatch": lambda chain, given: asyncio.run(chain.abatch([given, given]))[1],
    "stream": lambda chain, given: list(chain.stream(given))[-1],
    "astream": lambda chain, given: asyncio.run(_alast(chain.astream(given))),
}
"""Of a stream the last piece: there the confidence is."""

each_way = pytest.mark.parametrize("way", WAYS)


# Retrieval with sources

QA = ChatPromptTemplate.from_template("Context: {context}\nQuestion: {question}")


def with_sources(chat, retriever):
    answer = RunnablePassthrough.assign(context=lambda row: joined(row["context"])) | QA | chat | PARSER
    return RunnableParallel(context=retriever, question=RunnablePassthrough()).assign(answer=answer)


@each_way
def test_retrieval_with_sources(chat, retriever, scorer, raw, way):
    plain = with_sources(chat, retriever)
    wrapped = with_confidence(plain, estimator=scorer, output="dict", answer="answer", question="question")
    found = WAYS[way](wrapped, "Where is Oslo?")
    assert found["output"] == plain.invoke("Where is Oslo?")
    assert found["output"]["context"][0].metadata == {"source": "atlas"}
    expected = raw(QA, context="Oslo is in Norway.", question="Where is Oslo?")
    assert found["confidence"].raw == pytest.approx(expected, abs=TOLERANCE)


def test_of_retrieval_with_sources_the_answer_alone_is_held(chat, retriever, scorer, store):
    wrapped = with_confidence(
        with_sources(chat, retriever), estimator=scorer, output="dict", answer="answer", question="question"
    )
    routed = (wrapped | ConfidenceRouter(store, Policy(threshold=1), on_review="hold")).invoke("Where is Oslo?")
    assert routed["output"]["answer"] == PLACEHOLDER
    assert routed["output"]["context"][0].page_content == "Oslo is in Norway."
    (item,) = store.list()
    assert item.answer == with_sources(chat, retriever).invoke("Where is Oslo?")["answer"]
    assert "Oslo is in Norway." in item.context


# Conversational retrieval: the question is written anew before it is looked up

HISTORY = [HumanMessage("Where is Oslo?"), AIMessage("In Norway.")]
STANDALONE = ChatPromptTemplate.from_messages([MessagesPlaceholder("chat_history"), ("human", "Anew: {input}")])
CHAT_QA = ChatPromptTemplate.from_messages([MessagesPlaceholder("chat_history"), ("human", "{context}\n{input}")])


def conversational(chat, retriever):
    aware = RunnableBranch(
        (lambda row: not row["chat_history"], operator.itemgetter("input") | retriever),
        STANDALONE | chat | PARSER | retriever,
    )
    answer = RunnablePassthrough.assign(context=lambda row: joined(row["context"])) | CHAT_QA | chat
    return RunnablePassthrough.assign(context=aware).assign(answer=answer | PARSER)


@each_way
@pytest.mark.parametrize("history", [[], HISTORY], ids=["first", "later"])
def test_conversational_retrieval(chat, retriever, scorer, raw, way, history):
    given = {"input": "How large is it?", "chat_history": history}
    wrapped = with_confidence(conversational(chat, retriever), estimator=scorer, output="dict")
    found = WAYS[way](wrapped, given)
    expected = raw(CHAT_QA, **given, context="Oslo is in Norway.")
    assert found["confidence"].raw == pytest.approx(expected, abs=TOLERANCE)
    assert found["confidence"].raw != pytest.approx(raw(STANDALONE, **given), abs=10 * TOLERANCE)
    assert (found["question"], found["answer_path"]) == ("How large is it?", ["answer"])
    # The writer of questions has no part in the task's state.
    ((task, _),) = scorer._states
    assert found["confidence"].task == task
    assert scorer.state(task, "self_check").current.inputs == 1


@each_way
def test_a_rewritten_question_that_is_kept_is_no_second_answer(chat, retriever, scorer, raw, way):
    given = {"input": "How large is it?", "chat_history": HISTORY}
    rewritten = (STANDALONE | chat | PARSER).invoke(given)
    chain = (
        RunnablePassthrough.assign(input=STANDALONE | chat | PARSER)
        | RunnablePassthrough.assign(context=operator.itemgetter("input") | retriever | joined)
        | CHAT_QA
        | chat
    )
    message = WAYS[way](with_confidence(chain, estimator=scorer), given)
    expected = raw(CHAT_QA, chat_history=HISTORY, input=rewritten, context="Oslo is in Norway.")
    assert confidence_of(message).raw == pytest.approx(expected, abs=TOLERANCE)
    assert len(scorer._states) == 1


# An agent with tools and memory


class Scripted(Echo):
    """Looks a city up before it answers; what it was told stands in its answer."""

    def bind_tools(self, tools, **kwargs: Any):
        return self.bind(tools=tools)

    def _generate(self, messages, stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        last = messages[-1]
        call = {"name": "look_up", "args": {"city": str(last.text)}, "id": "abcdefghi"}
        found = isinstance(last, ToolMessage)
        message = AIMessage(f"Answer: {last.text}") if found else AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=message)])


@tool
def look_up(city: str) -> str:
    """Look a city up."""
    return f"{city} is large"


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "batch", "stream"])
def test_an_agent_with_tools_and_memory(estimator, fake_model, way):
    agent = create_agent(
        with_confidence(Scripted(), estimator=estimator, task="cities"), [look_up], checkpointer=InMemorySaver()
    ).with_config(configurable={"thread_id": "one"})
    for city in ("Oslo", "Rome"):
        state = WAYS[way](agent, {"messages": [HumanMessage(city)]})
        last = state.get("model", state)["messages"][-1]  # streamed, an agent yields what each node adds
        assert last.text == f"Answer: {city} is large"
        # The last thing that the model read is the tool's answer.
        value = estimator.score([{"role": "tool", "content": f"{city} is large"}], last.text, task="other").raw
        assert confidence_of(last).raw == value
    kept = agent.get_state({"configurable": {"thread_id": "one"}}).values["messages"]
    calls = [m for m in kept if isinstance(m, AIMessage) and m.tool_calls]
    assert {confidence_of(m).reason_code for m in calls} == {"calls_tools"}
    answers = [m for m in kept if isinstance(m, AIMessage) and not m.tool_calls]
    assert len({confidence_of(m).raw for m in answers}) == len({m.text for m in answers}) == 2


async def test_a_whole_agent_in_a_wrapper_tells_its_last_answer(estimator):
    agent = create_agent(Scripted(), [look_up])
    wrapped = with_confidence(agent, estimator=estimator, output="dict", task="cities")
    asked = {"messages": [HumanMessage("Oslo")]}
    value = estimator.score([{"role": "tool", "content": "Oslo is large"}], "Answer: Oslo is large", task="other").raw
    for found in (wrapped.invoke(asked), await wrapped.ainvoke(asked), *wrapped.batch([asked])):
        assert (found["confidence"].raw, found["answer_path"]) == (value, ["messages", -1])
        assert found["output"]["messages"][-1].text == "Answer: Oslo is large"


# Extraction


class City(BaseModel):
    """A city and its country."""

    name: str
    country: str


EXTRACT = ChatPromptTemplate.from_template("Extract: {text}")


@each_way
def test_extraction(estimator, way, store):
    writer = Echo(says='{{"name": "Oslo", "country": "Norway"}}')
    chain = EXTRACT | writer | PydanticOutputParser(pydantic_object=City)
    wrapped = with_confidence(chain, estimator=estimator, output="dict", task="cities")
    found = WAYS[way](wrapped, {"text": "Oslo is in Norway."})
    assert found["output"] == City(name="Oslo", country="Norway")
    assert found["answer"] == '{"name": "Oslo", "country": "Norway"}'
    question = [{"role": "user", "content": "Extract: Oslo is in Norway."}]
    assert found["confidence"].raw == estimator.score(question, found["answer"], task="other").raw
    ConfidenceRouter(store, Policy(threshold=1)).invoke(found)
    assert store.list()[0].answer == found["answer"]


# Map and reduce

MAP = ChatPromptTemplate.from_template("Shorten: {text}")
REDUCE = ChatPromptTemplate.from_template("Join: {summaries}")
TEXTS = ["Oslo is in Norway.", "Rome is in Italy.", "Lima is in Peru."]


@each_way
@pytest.mark.parametrize("shape", ["map", "parallel"])
def test_map_and_reduce(chat, scorer, raw, way, shape):
    shorten = MAP | chat | PARSER
    if shape == "map":
        mapped = RunnableLambda(lambda texts: [{"text": text} for text in texts]) | shorten.map()
        given: Any = TEXTS
    else:
        mapped = RunnableParallel({key: (lambda row, key=key: {"text": row[key]}) | shorten for key in "abc"}) | (
            lambda found: [found[key] for key in "abc"]
        )
        given = dict(zip("abc", TEXTS, strict=True))
    chain = mapped | (lambda parts: {"summaries": " ".join(parts)}) | REDUCE | chat
    summaries = " ".join(shorten.batch([{"text": text} for text in TEXTS]))
    expected = raw(REDUCE, summaries=summaries)
    for output in ("attach", "dict"):
        scorer._states.clear()
        found = WAYS[way](with_confidence(chain, estimator=scorer, output=output), given)
        confidence = found["confidence"] if output == "dict" else confidence_of(found)
        assert confidence.raw == pytest.approx(expected, abs=TOLERANCE)
        ((task, _),) = scorer._states
        assert scorer.state(task, "self_check").current.inputs == 1


@each_way
def test_parallel_summaries_have_their_own_confidences(chat, scorer, raw, way):
    chain = RunnableParallel(
        short=MAP | chat | PARSER, joined=RunnableLambda(lambda row: {"summaries": row["text"]}) | REDUCE | chat
    )
    found = WAYS[way](with_confidence(chain, estimator=scorer, output="dict"), {"text": TEXTS[0]})
    assert found["confidence"]["short"].raw == pytest.approx(raw(MAP, text=TEXTS[0]), abs=TOLERANCE)
    assert found["confidence"]["joined"].raw == pytest.approx(raw(REDUCE, summaries=TEXTS[0]), abs=TOLERANCE)
    assert found["output"]["joined"].response_metadata[KEY]["raw"] == found["confidence"]["joined"].raw
