"""Every shape of chain by every way to call it: the confidence is there, the same, and the answer is untouched."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from tests.fakes import CHATML, tiny_llama, tiny_tokenizer
from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel, with_confidence
from thermolang.langchain.callback import ConfidenceCallbackHandler
from thermolang.langchain.messages import KEY

QUESTION = "What is the capital of France?"
TEMPLATE = "{% if tools %}<|im_start|>system\n{{ tools }}<|im_end|>\n{% endif %}" + CHATML
TOLERANCE = 1e-5
"""In float32, between one row alone and the same row in a padded batch."""


@pytest.fixture(scope="module")
def local(tiny_model):
    return LocalModel(tiny_model.model, tiny_tokenizer(template=TEMPLATE), name="tiny")


@pytest.fixture(scope="module")
def estimator(local, calibrator_for):
    import thermolang.estimator

    # The random model seldom says yes or no.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thermolang.estimator, "MIN_ANSWER_MASS", 0.0)
        yield ConfidenceEstimator(local, calibrator_for(local), state_dir=None)


@pytest.fixture(scope="module")
def plain(local):
    return ChatThermolang(local=local, max_tokens=10)


PROMPT = ChatPromptTemplate.from_template("{q}")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def agent(model):
    # Streamed, an agent yields what each node adds.
    return create_agent(model) | RunnableLambda(lambda state: state.get("model", state)["messages"][-1])


ASK = RunnableLambda(lambda row: [HumanMessage(row["q"])])
TO_AGENT = RunnableLambda(lambda row: {"messages": [HumanMessage(row["q"])]})

SHAPES = {
    "model": lambda model: ASK | model,
    "prompt|model": lambda model: PROMPT | model,
    "prompt|model|parser": lambda model: PROMPT | model | StrOutputParser(),
    "nested chain": lambda model: RunnablePassthrough() | (PROMPT | (RunnablePassthrough() | model)),
    "bind": lambda model: PROMPT | model.bind(stop=["never said"]),
    "bind_tools": lambda model: PROMPT | model.bind_tools([add]),
    "with_retry": lambda model: PROMPT | model.with_retry(),
    "with_fallbacks": lambda model: PROMPT | model.with_fallbacks([RunnableLambda(lambda _: "no")]),
    "agent": lambda model: TO_AGENT | agent(model),
}


async def events(chain, row, config):
    [*_, last] = [e async for e in chain.astream_events(row, config, version="v2")]
    return last["data"]["output"]


def streamed(chunks):
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole


async def astreamed(chain, row, config):
    return streamed([chunk async for chunk in chain.astream(row, config)])


ENTRIES = {
    "invoke": lambda chain, row, config: chain.invoke(row, config),
    "ainvoke": lambda chain, row, config: asyncio.run(chain.ainvoke(row, config)),
    "batch": lambda chain, row, config: chain.batch([row, {"q": "Who?"}], [config, {}])[0],
    "abatch": lambda chain, row, config: asyncio.run(chain.abatch([row, {"q": "Who?"}], [config, {}]))[0],
    "stream": lambda chain, row, config: streamed(chain.stream(row, config)),
    "astream": lambda chain, row, config: asyncio.run(astreamed(chain, row, config)),
    "astream_events": lambda chain, row, config: asyncio.run(events(chain, row, config)),
}


@pytest.fixture(scope="module")
def expected(local, estimator):
    """What the model says, and the confidence of it, without LangChain."""
    messages = [{"role": "user", "content": QUESTION}]

    def score(tools=()):
        from thermolang.models.decoding import Sampling

        (answer,) = local.generate_batch([messages], Sampling(max_new_tokens=10), tools=tools)
        if tools:  # the self-check asks about the conversation, of which tools are no part
            return answer.text, estimator.score(messages, answer.text, task="t").raw
        return answer.text, estimator.score(messages, answer, task="t").raw

    return score


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_confidence_is_there_and_the_same(plain, estimator, expected, shape, entry):
    from langchain_core.utils.function_calling import convert_to_openai_tool

    text, raw = expected([convert_to_openai_tool(add)] if shape == "bind_tools" else ())
    chain = SHAPES[shape](with_confidence(plain, task="t", estimator=estimator))
    seen = ConfidenceCallbackHandler()
    found = ENTRIES[entry](chain, {"q": QUESTION}, {"callbacks": [seen]})
    if shape == "prompt|model|parser":
        assert found == text
        (confidence, question), *_ = seen.records.values()
        assert (question, confidence.raw) == (QUESTION, pytest.approx(raw, abs=TOLERANCE))
        assert 0 < confidence.value < 1
        return
    payload = found.response_metadata[KEY]
    assert found.text == text
    assert payload["raw"] == pytest.approx(raw, abs=TOLERANCE)
    assert 0 < payload["value"] < 1
    assert (payload["question"], payload["task"]) == (QUESTION, "t")


@pytest.mark.parametrize("shape", [s for s in SHAPES if s != "agent"])
def test_a_whole_chain_may_be_wrapped_too(plain, estimator, expected, shape):
    chain = SHAPES[shape](plain)
    if shape == "prompt|model|parser":
        result = with_confidence(chain, estimator=estimator, output="dict").invoke({"q": QUESTION})
        assert result["output"] == plain.invoke(QUESTION).text
        assert 0 < result["confidence"].value < 1
        return
    message = with_confidence(chain, estimator=estimator).invoke({"q": QUESTION})
    assert message.content == chain.invoke({"q": QUESTION}).content
    assert 0 < message.response_metadata[KEY]["value"] < 1
    assert KEY not in chain.invoke({"q": QUESTION}).response_metadata, "the given chain is left alone"


@pytest.mark.parametrize("entry", ["invoke", "batch", "stream"])
def test_a_chat_huggingface_gets_the_same_from_the_callback(tiny_chat, tiny_estimator, monkeypatch, entry):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    handler = ConfidenceCallbackHandler(tiny_estimator, task="t")
    chain = ASK | tiny_chat
    without = ENTRIES[entry](chain, {"q": QUESTION}, {})
    found = ENTRIES[entry](chain, {"q": QUESTION}, {"callbacks": [handler]})
    assert found.content == without.content
    payload = found.response_metadata[KEY]
    text = found.content.strip()
    score = tiny_estimator.score([{"role": "user", "content": QUESTION}], text, task="t")
    assert payload["raw"] == pytest.approx(score.raw, abs=TOLERANCE)


def test_eight_threads_get_their_own_confidences(plain, estimator):
    model = with_confidence(plain, task="threads", estimator=estimator)
    questions = [f"What is the capital of country {i}?" for i in range(24)]
    serial = [model.invoke(q) for q in questions]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(model.invoke, questions))
    assert_alike(together, serial, questions)


def test_32_async_tasks_get_their_own_confidences(plain, estimator):
    model = with_confidence(plain, task="tasks", estimator=estimator)
    questions = [f"What is the capital of country {i}?" for i in range(32)]
    serial = [model.invoke(q) for q in questions]

    async def all_at_once():
        return await asyncio.gather(*(model.ainvoke(q) for q in questions))

    assert_alike(asyncio.run(all_at_once()), serial, questions)


def assert_alike(together, serial, questions):
    assert [m.content for m in together] == [m.content for m in serial]
    payloads = [m.response_metadata[KEY] for m in together]
    assert [p["question"] for p in payloads] == questions
    raws = [p["raw"] for p in payloads]
    assert raws == pytest.approx([m.response_metadata[KEY]["raw"] for m in serial], abs=TOLERANCE)
    assert len({round(r, 4) for r in raws}) > len(questions) // 2, "the confidences should differ"


def test_a_model_of_its_own_weights_is_scored_by_the_callback(tiny_estimator, tiny_model, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    other = LocalModel(tiny_llama(len(tiny_model.tokenizer), seed=1), tiny_model.tokenizer, name="other")
    chat = ChatThermolang(local=other, max_tokens=5)
    message = with_confidence(chat, estimator=tiny_estimator).invoke(QUESTION)
    assert message.content == chat.invoke(QUESTION).content
    score = tiny_estimator.score([{"role": "user", "content": QUESTION}], message.text)
    assert message.response_metadata[KEY]["raw"] == pytest.approx(score.raw, abs=TOLERANCE)
