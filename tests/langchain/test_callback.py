"""The callback: each answer's own confidence, nothing left behind, and never at the cost of the answer."""

import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from langchain_core.load import dumps
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough

from tests.langchain.conftest import Echo
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain import callback
from thermolang.langchain.callback import ConfidenceCallbackHandler, get_confidence_callback
from thermolang.langchain.messages import KEY, only_the_answer, to_messages
from thermolang.langchain.wrapper import with_confidence

QUESTIONS = [f"What is the capital of country {i}?" for i in range(12)]
TASK = "capitals"


@pytest.fixture
def handler(estimator):
    return ConfidenceCallbackHandler(estimator, task=TASK)


@pytest.fixture
def expected(estimator):
    """Value of each question once the task's state has seen them all, scored one by one."""

    def score(question, system="Be brief."):
        asked = to_messages([SystemMessage(system), HumanMessage(question)])
        return estimator.score(asked, f"{question}!", task=TASK).value

    for question in QUESTIONS:
        score(question)
    estimator.state(TASK, "self_check").refresh()
    return score


def nothing_left(handler):
    return not handler._runs and not handler._parents and not handler._asked


def value(message):
    return message.response_metadata[KEY]["value"]


def test_invoke_scores_the_answer_of_the_model(chat, handler, estimator):
    message = chat.invoke("Capital of France?", {"callbacks": [handler]})
    payload = message.response_metadata[KEY]
    asked = to_messages([HumanMessage("Capital of France?")])
    again = estimator.score(asked, "Capital of France?!", task=TASK)
    assert payload["value"] == again.value
    assert 0 < payload["value"] < 1
    assert (payload["question"], payload["model"], payload["task"]) == ("Capital of France?", "fake", TASK)
    assert payload["source"] == "self_check"
    assert nothing_left(handler)


@pytest.mark.parametrize("shape", ["model", "prompt | model"])
def test_batch_gives_each_answer_its_own_confidence(chat, prompt, handler, expected, shape):
    chain = prompt | chat if shape == "prompt | model" else RunnableLambda(ask) | chat
    inputs = [{"question": q} for q in QUESTIONS]
    batch = chain.batch(inputs, {"callbacks": [handler], "max_concurrency": 4})
    serial = [chain.invoke(i, {"callbacks": [handler]}) for i in inputs]
    assert [m.content for m in batch] == [f"{q}!" for q in QUESTIONS]
    assert [value(m) for m in batch] == [value(m) for m in serial] == [expected(q) for q in QUESTIONS]
    assert [m.response_metadata[KEY]["question"] for m in batch] == QUESTIONS
    assert len({value(m) for m in batch}) == len(QUESTIONS)
    assert nothing_left(handler)


def ask(row):
    return [SystemMessage("Be brief."), HumanMessage(row["question"])]


def test_records_lie_under_the_run_id_of_a_chain_that_ends_in_a_parser(chat, prompt, handler, expected):
    chain = prompt | chat | StrOutputParser()
    ids = [uuid4() for _ in QUESTIONS]
    configs = [{"callbacks": [handler], "run_id": i} for i in ids]
    answers = chain.batch([{"question": q} for q in QUESTIONS], configs)
    assert answers == [f"{q}!" for q in QUESTIONS]
    for run_id, question in zip(ids, QUESTIONS, strict=True):
        confidence, asked = handler.records[run_id]
        assert (confidence.value, asked) == (expected(question), question)
    assert nothing_left(handler)


def test_records_lie_under_the_outermost_run(chat, prompt, handler, expected):
    inner = prompt | chat | StrOutputParser()
    middle = RunnableParallel(answer=inner, question=RunnablePassthrough()).with_config(run_name="middle")
    outer = RunnablePassthrough.assign(x=middle) | RunnableLambda(lambda row: row["x"]["answer"])
    run_id = uuid4()
    answer = outer.invoke({"question": QUESTIONS[0]}, {"callbacks": [handler], "run_id": run_id})
    assert answer == f"{QUESTIONS[0]}!"
    assert list(handler.records) == [run_id]
    assert handler.records[run_id][0].value == expected(QUESTIONS[0])
    assert nothing_left(handler)


def test_a_model_run_by_itself_is_its_own_root(chat, handler):
    run_id = uuid4()
    chat.invoke("q", {"callbacks": [handler], "run_id": run_id})
    assert list(handler.records) == [run_id]


async def test_ainvoke_scores_too(chat, prompt, handler, expected):
    message = await (prompt | chat).ainvoke({"question": QUESTIONS[0]}, {"callbacks": [handler]})
    assert value(message) == expected(QUESTIONS[0])
    assert nothing_left(handler)


def test_a_model_that_fails_leaves_nothing_behind(chat, prompt, handler):
    chain = prompt | chat | StrOutputParser()
    with pytest.raises(RuntimeError, match="the model broke"):
        chain.invoke({"question": "boom"}, {"callbacks": [handler]})
    with pytest.raises(RuntimeError, match="the model broke"):
        chat.invoke("boom", {"callbacks": [handler]})
    assert nothing_left(handler)
    assert not handler.records


@pytest.mark.parametrize("question", [{}, {"question": "fine"}])
def test_a_chain_that_fails_around_the_model_leaves_nothing_behind(chat, prompt, handler, question):
    def refuse(_message):
        raise ValueError("cannot parse")

    with pytest.raises((ValueError, KeyError)):
        (prompt | chat | RunnableLambda(refuse)).invoke(question, {"callbacks": [handler]})
    assert nothing_left(handler)


def test_failures_in_a_batch_do_not_touch_the_others(chat, prompt, handler, expected):
    asked = [*QUESTIONS[:3], "boom", *QUESTIONS[3:6]]
    found = (prompt | chat).batch([{"question": q} for q in asked], {"callbacks": [handler]}, return_exceptions=True)
    assert isinstance(found[3], RuntimeError)
    assert [value(m) for m in found if not isinstance(m, Exception)] == [expected(q) for q in asked if q != "boom"]
    assert nothing_left(handler)


def test_a_retried_model_is_scored_once(prompt, handler, estimator):
    failures = [RuntimeError("not yet"), RuntimeError("still not")]

    class Flaky(Echo):
        def _generate(self, messages, **kwargs):
            if failures:
                raise failures.pop()
            return super()._generate(messages, **kwargs)

    chain = prompt | Flaky().with_retry(wait_exponential_jitter=False)
    assert value(chain.invoke({"question": "q"}, {"callbacks": [handler]})) is not None
    assert estimator.model.calls == ["self_check"]
    assert nothing_left(handler)


def test_an_error_while_scoring_never_costs_the_answer(chat, prompt, handler, monkeypatch, caplog):
    def broken(*_args, **_options):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(ConfidenceEstimator, "score_many", broken)
    chain = prompt | chat
    with caplog.at_level(logging.ERROR):
        message = chain.invoke({"question": "Why?"}, {"callbacks": [handler]})
        text = (chain | StrOutputParser()).invoke({"question": "Why?"}, {"callbacks": [handler]})
    assert message.content == text == "Why?!"
    payload = message.response_metadata[KEY]
    assert (payload["value"], payload["question"]) == (None, "Why?")
    assert payload["reason"] == "scoring failed: ZeroDivisionError: a bug"
    assert "could not be scored" in caplog.text
    assert nothing_left(handler)


def test_a_confidence_that_cannot_be_computed_says_why(chat, handler, fake_model):
    fake_model.context = 10
    payload = chat.invoke("A question that is longer than ten", {"callbacks": [handler]}).response_metadata[KEY]
    assert payload["value"] is None
    assert "at most 10" in payload["reason"]
    assert chat.invoke("  ", {"callbacks": [handler]}).response_metadata[KEY]["reason"] == "the question is empty"


def test_the_end_of_a_run_that_was_not_seen_is_passed_over(chat, handler):
    from langchain_core.outputs import ChatGeneration, LLMResult

    message = chat.invoke("q")
    handler.on_llm_end(LLMResult(generations=[[ChatGeneration(message=message)]]), run_id=uuid4())
    assert message.response_metadata == {}
    handler.on_llm_error(RuntimeError(), run_id=uuid4())
    handler.on_chain_end({}, run_id=uuid4())


@pytest.mark.parametrize("question", ["Capital of France?", "日本の首都", "a\nb"])
def test_the_answer_is_the_same_to_the_last_bit(tiny_chat, tiny_full_text_chat, tiny_estimator, question):
    for local in (tiny_chat, tiny_full_text_chat):
        handler = ConfidenceCallbackHandler(tiny_estimator, task=TASK)
        plain, scored = local.invoke(question), local.invoke(question, {"callbacks": [handler]})
        asked = to_messages([HumanMessage(question)])
        assert scored.content == plain.content
        metadata = dict(scored.response_metadata)
        payload = metadata.pop(KEY)
        assert metadata == plain.response_metadata
        answer = only_the_answer(plain.text, asked, tiny_estimator.model)
        assert payload["value"] == tiny_estimator.score(asked, answer, task=TASK).value
        assert payload["value"] is not None


def test_the_payload_is_plain_json(chat, handler, fake_model):
    chooser = ConfidenceCallbackHandler(handler.scoring.estimator, choices=["A!", "B!"])
    fake_model.logits = lambda _text, count: range(count)
    for message in (
        chat.invoke("q", {"callbacks": [handler]}),
        chat.invoke("A", {"callbacks": [chooser]}),
        chat.invoke(" ", {"callbacks": [handler]}),
    ):
        payload = message.response_metadata[KEY]
        assert json.loads(json.dumps(payload, allow_nan=False)) == payload
        assert "not_implemented" not in dumps(message)


def test_choices_are_scored_as_choices(chat, estimator):
    handler = ConfidenceCallbackHandler(estimator, task="letters", choices=("A!", "B!"))
    payload = chat.invoke("B", {"callbacks": [handler]}).response_metadata[KEY]
    assert payload["source"] == "choice"
    assert [a["text"] for a in payload["alternatives"]] == ["A!"]
    assert payload["value"] + payload["alternatives"][0]["share"] == pytest.approx(1)
    other = chat.invoke("C", {"callbacks": [handler]}).response_metadata[KEY]
    assert other["value"] is None
    assert "none of the choices" in other["reason"]


def test_records_are_bounded(chat, handler, monkeypatch):
    monkeypatch.setattr(callback, "KEPT", 3)
    ids = [uuid4() for _ in range(5)]
    for run_id in ids:
        chat.invoke("q", {"callbacks": [handler], "run_id": run_id})
    assert list(handler.records) == ids[2:]


def test_many_threads_share_one_handler(chat, prompt, handler, expected):
    chain = prompt | chat
    inputs = [QUESTIONS[i % len(QUESTIONS)] for i in range(60)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda q: chain.invoke({"question": q}, {"callbacks": [handler]}), inputs))
    assert [value(m) for m in found] == [expected(q) for q in inputs]
    assert len(handler.records) == 60
    assert nothing_left(handler)


# Streams, async and the context manager


def streamed(chat, question, handler):
    chunks = list(chat.stream(question, {"callbacks": [handler]}))
    return chunks, [c for c in chunks if KEY in c.response_metadata]


def test_the_last_chunk_of_a_stream_carries_the_confidence(tiny_chat, tiny_estimator):
    handler = ConfidenceCallbackHandler(tiny_estimator, task=TASK)
    chunks, marked = streamed(tiny_chat, "Why?", handler)
    assert len(chunks) > 2 and marked == chunks[-1:]
    text = "".join(c.content for c in chunks)
    assert text == "".join(c.content for c in tiny_chat.stream("Why?"))
    score = tiny_estimator.score(to_messages([HumanMessage("Why?")]), text.strip(), task=TASK)
    assert marked[0].response_metadata[KEY]["raw"] == pytest.approx(score.raw, abs=1e-6)
    ((confidence, question),) = handler.records.values()
    assert (confidence.raw, question) == (marked[0].response_metadata[KEY]["raw"], "Why?")
    assert nothing_left(handler)


def test_a_stream_that_is_closed_early_leaves_nothing_behind(tiny_chat, tiny_estimator):
    handler = ConfidenceCallbackHandler(tiny_estimator)
    stream = tiny_chat.stream("Why?", {"callbacks": [handler]})
    next(stream)
    stream.close()
    assert nothing_left(handler) and not handler.records


async def test_scoring_stays_off_the_event_loop(chat, handler, monkeypatch):
    threads = []
    score = ConfidenceEstimator.score_many

    def noted(self, *args, **options):
        threads.append(threading.get_ident())
        return score(self, *args, **options)

    monkeypatch.setattr(ConfidenceEstimator, "score_many", noted)
    message = await chat.ainvoke("Why?", {"callbacks": [handler]})
    assert 0 < value(message) < 1
    assert threads and threading.get_ident() not in threads


def test_an_answer_is_scored_once_however_many_listen(estimator, handler, fake_model):
    chat = with_confidence(Echo(), task="own", estimator=estimator)
    message = chat.invoke("Why?", {"callbacks": [handler]})
    assert fake_model.calls == ["self_check"]
    ((confidence, _),) = handler.records.values()
    assert (confidence.value, confidence.task) == (value(message), message.response_metadata[KEY]["task"])


def test_what_the_model_cannot_read_has_no_confidence(chat, handler):
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    message = chat.invoke([HumanMessage([{"type": "text", "text": "Why?"}, image])], {"callbacks": [handler]})
    payload = message.response_metadata[KEY]
    assert payload["value"] is None and "holds image_url" in payload["reason"]


def test_inside_the_context_everything_is_scored(chat, prompt, estimator):
    with get_confidence_callback(estimator, task=TASK) as confidences:
        inside = (prompt | chat).invoke({"question": "Why?"})
        chat.invoke("Who?")
    outside = chat.invoke("Why?")
    assert 0 < value(inside) < 1
    assert KEY not in outside.response_metadata
    assert [question for _, question in confidences.records.values()] == ["Why?", "Who?"]


def test_contexts_do_not_pile_up_in_langchain(chat, estimator):
    from langchain_core.tracers.context import _configure_hooks

    before = len(_configure_hooks)
    for _ in range(3):
        with get_confidence_callback(estimator):
            chat.invoke("Why?")
    assert len(_configure_hooks) == before
