"""ChatThermolang: padded batches, streams that stop, options that are obeyed or refused, bad input."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline

from thermolang import ChatThermolang, ConfidenceEstimator, with_confidence
from thermolang.errors import InvalidInputError, ModelError
from thermolang.langchain.batching import PendingBatch
from thermolang.langchain.messages import KEY
from thermolang.models.decoding import Sampling
from thermolang.models.forward import ForwardPass
from thermolang.models.scheduler import Scheduler

QUESTIONS = ["Why?", "What is the capital of France?", "Who wrote it, and when was that?", "x", "12 + 13"]


@pytest.fixture
def chat(tiny_model):
    return ChatThermolang(local=tiny_model, max_tokens=12)


@pytest.fixture
def forwards(tiny_model, monkeypatch):
    """Number of rows of every forward pass."""
    seen = []
    forward = ForwardPass.__call__

    def counted(self, **inputs):
        seen.append(inputs["input_ids"].shape[0])
        return forward(self, **inputs)

    monkeypatch.setattr(ForwardPass, "__call__", counted)
    return seen


@pytest.fixture
def slow(forwards, monkeypatch):
    """As ``forwards``; each pass takes a while, so that the caller is faster than the model."""
    forward = ForwardPass.__call__
    monkeypatch.setattr(ForwardPass, "__call__", lambda self, **inputs: time.sleep(0.02) or forward(self, **inputs))
    return forwards


def when_it_stops(passes):
    """How many forward passes there are, once there are no more of them."""
    count = -1
    while count < len(passes):
        count = len(passes)
        time.sleep(0.5)
    return count


def said(model, question, **options):
    return model.generate([{"role": "user", "content": question}], **options)


# What it says


def test_it_says_what_the_model_says(chat, tiny_model):
    answer = said(tiny_model, "Why?", max_new_tokens=12)
    message = chat.invoke("Why?")
    assert message.content == answer.text
    assert message.usage_metadata == answer.usage
    assert message.response_metadata == {
        "model_name": "tiny",
        "model_provider": "thermolang",
        "finish_reason": answer.finish_reason,
    }


def test_options_of_a_call_are_obeyed(chat, tiny_model):
    options = {"temperature": 1.3, "top_p": 0.9, "seed": 7}
    expected = said(tiny_model, "Why?", max_new_tokens=5, **options)
    assert chat.invoke("Why?", max_tokens=5, **options).content == expected.text
    assert chat.bind(max_tokens=5, **options).invoke("Why?").content == expected.text
    built = ChatThermolang(local=tiny_model, max_new_tokens=5, **options)
    assert built.invoke("Why?").content == expected.text
    free = chat.invoke("Why?").content
    assert chat.invoke("Why?", stop=[free[5]]).content == free[: free.index(free[5])].strip()
    assert ChatThermolang(local=tiny_model, max_tokens=12, stop=[free[5]]).invoke("Why?").content != free


def test_log_probabilities_are_those_of_the_tokens(chat, tiny_model):
    answer = said(tiny_model, "Why?", max_new_tokens=12)
    content = chat.invoke("Why?", logprobs=True).response_metadata["logprobs"]["content"]
    assert [c["logprob"] for c in content] == pytest.approx(answer.logprobs, abs=1e-5)
    assert [c["token"] for c in content] == [tiny_model.tokenizer.decode([i]) for i in answer.token_ids]


def test_n_answers_come_from_one_prefill(chat, tiny_model, forwards):
    result = chat.generate([[HumanMessage("Why?")]], n=3, temperature=1.0, seed=4)
    assert forwards[0] == 1 and set(forwards[1:]) <= {1, 2, 3}
    texts = [g.message.content for g in result.generations[0]]
    assert texts == [said(tiny_model, "Why?", max_new_tokens=12, temperature=1.0, seed=4 + i).text for i in range(3)]
    assert len(set(texts)) == 3


def test_content_blocks_are_read(chat):
    blocks = [{"type": "text", "text": "Wh"}, {"type": "text", "text": "y?"}]
    assert chat.invoke([HumanMessage(blocks)]).content == chat.invoke("Why?").content
    assert chat.invoke("Why?").content_blocks[0]["type"] == "text"


# Batches


def test_a_batch_is_one_padded_batch_that_finished_rows_leave(chat, forwards):
    alone = [chat.invoke(q) for q in QUESTIONS]
    stop = [alone[0].content[3:5]]
    cut = [chat.invoke(q, stop=stop).content for q in QUESTIONS]
    forwards.clear()
    assert [m.content for m in chat.batch(QUESTIONS)] == [m.content for m in alone]
    assert forwards == [5] * 12
    forwards.clear()
    assert [m.content for m in chat.batch(QUESTIONS, stop=stop)] == cut
    assert forwards[0] == 5 and forwards[-1] < 5


def test_a_batch_keeps_its_order_whichever_thread_is_first(chat, tiny_model, monkeypatch):
    """A task's temperature grows with its inputs, so their order decides about confidences."""
    batches, arrived = [], threading.Event()
    submit, generate = PendingBatch.submit, tiny_model.generate_batch

    class Late(BaseCallbackHandler):
        def on_chat_model_start(self, *args, **kwargs):
            arrived.wait()

    def noted(self, call):
        future = submit(self, call)
        arrived.set()
        return future

    def answered(conversations, *args, **options):
        batches.append([messages[-1]["content"] for messages in conversations])
        return generate(conversations, *args, **options)

    monkeypatch.setattr(PendingBatch, "submit", noted)
    monkeypatch.setattr(tiny_model, "generate_batch", answered)
    chat.batch(QUESTIONS, [{"callbacks": [Late()]}, *[{} for _ in QUESTIONS[1:]]])
    assert batches == [QUESTIONS]


def test_a_large_batch_goes_in_parts(tiny_model, forwards):
    chat = ChatThermolang(local=tiny_model, max_tokens=2, batch_size=2)
    assert len(chat.batch(QUESTIONS)) == 5
    assert forwards == [2, 2, 2, 2, 1, 1]
    forwards.clear()
    chat.batch(QUESTIONS[:2], {"max_concurrency": 1})
    assert forwards == [1] * 4
    assert chat.batch([]) == []


async def test_an_async_batch_is_one_too(chat, forwards):
    alone = [m.content for m in chat.batch(QUESTIONS)]
    forwards.clear()
    assert [m.content for m in await chat.abatch(QUESTIONS)] == alone
    assert forwards == [5] * 12


def test_what_one_call_does_wrong_does_not_harm_the_others(chat):
    asked = ["Why?", "too long " * 300, "x"]
    first, wrong, last = chat.batch(asked, return_exceptions=True)
    assert (first.content, last.content) == (chat.invoke("Why?").content, chat.invoke("x").content)
    assert isinstance(wrong, ModelError) and "takes at most 256" in str(wrong)
    with pytest.raises(ModelError, match="takes at most 256"):
        chat.batch(asked)


async def test_what_one_call_does_wrong_does_not_harm_the_others_async(chat):
    first, wrong, _ = await chat.abatch(["Why?", [], "x"], return_exceptions=True)
    assert first.content == chat.invoke("Why?").content
    assert isinstance(wrong, ModelError) and "empty" in str(wrong)


def test_answers_from_a_cache_do_not_hold_up_a_batch(tiny_model):
    chat = ChatThermolang(local=tiny_model, max_tokens=4, cache=InMemoryCache())
    known = chat.invoke("Why?")
    again = chat.batch(["Why?", "x", "Why?"])
    assert [m.content for m in again] == [known.content, chat.invoke("x").content, known.content]
    assert chat.batch(["Why?", "x"])[0].content == known.content  # all of them are known


# Streams


def test_a_stream_adds_up_to_the_answer(chat):
    for question in QUESTIONS:
        chunks = list(chat.stream(question))
        assert all(isinstance(c, AIMessageChunk) for c in chunks)
        whole = chat.invoke(question)
        assert "".join(c.content for c in chunks) == whole.content
        assert [c.chunk_position for c in chunks].count("last") == 1
        assert chunks[-1].usage_metadata == whole.usage_metadata
        assert chunks[-1].response_metadata == whole.response_metadata


def test_no_piece_of_a_stop_string_is_streamed(chat):
    free = chat.invoke("Why?").content
    for start in range(1, len(free) - 3):
        stop = free[start : start + 3]
        pieces = [c.content for c in chat.stream("Why?", stop=[stop])]
        assert "".join(pieces) == chat.invoke("Why?", stop=[stop]).content


def test_a_stream_that_is_closed_early_stops_the_generation(tiny_model, slow):
    stream = ChatThermolang(local=tiny_model, max_tokens=150).stream("Why?")
    next(stream)
    stream.close()
    assert when_it_stops(slow) < 100


async def test_an_async_stream_that_is_closed_early_stops_the_generation(tiny_model, slow):
    stream = ChatThermolang(local=tiny_model, max_tokens=150).astream("Why?")
    await anext(stream)
    await stream.aclose()
    assert await asyncio.to_thread(when_it_stops, slow) < 100


async def test_async_streams_do_not_wait_for_a_thread_of_asyncio(chat, tiny_model, monkeypatch):
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    submitted, all_there = [], threading.Event()
    submit, forward = Scheduler._submit, ForwardPass.__call__

    def noted(self, *args):
        submit(self, *args)
        submitted.append(self)
        if len(submitted) == 4:
            all_there.set()

    def waiting(self, **inputs):
        assert all_there.wait(60)
        return forward(self, **inputs)

    monkeypatch.setattr(Scheduler, "_submit", noted)
    monkeypatch.setattr(ForwardPass, "__call__", waiting)

    async def read(question):
        return "".join([piece.text async for piece in chat.astream(question)])

    found = await asyncio.gather(*(read(f"What is {i}?") for i in range(4)))
    assert found == [chat.invoke(f"What is {i}?").text for i in range(4)]


def test_an_error_while_streaming_reaches_the_caller_at_once(chat, tiny_model, monkeypatch):
    tried = []
    monkeypatch.setattr(ForwardPass, "__call__", lambda *_, **__: tried.append(1) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(chat.stream("Why?"))
    assert tried == [1]


async def test_a_cancelled_task_stops_the_generation(tiny_model, slow):
    chat = ChatThermolang(local=tiny_model, max_tokens=200)
    task = asyncio.create_task(chat.ainvoke("Why?"))
    while not slow:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(when_it_stops, slow) < 200


# Confidence


def test_the_self_check_computes_its_own_tokens_only(tiny_model, calibrator_for, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    read = []
    check = tiny_model.self_check_batch
    monkeypatch.setattr(tiny_model, "self_check_batch", lambda pairs: read.append(check(pairs)) or read[-1])
    estimator = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)
    chat = with_confidence(ChatThermolang(local=tiny_model, max_tokens=12), estimator=estimator)
    own = len(
        tiny_model.encode("<|im_end|>\n<|im_start|>user\nIs your answer above correct? Reply with yes or no only.")
    )
    own += len(tiny_model.encode("<|im_end|>\n<|im_start|>assistant\n")) + 1
    chat.invoke("What is the capital of France?")
    chat.batch(["Why?", "What is the capital of France?"])
    assert [len(scores) for scores in read] == [1, 2]
    assert all(s.cache_reused and s.tokens_computed <= own for scores in read for s in scores)


def test_choices_cost_no_forward_pass(tiny_model, calibrator_for, forwards, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    estimator = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)
    chat = ChatThermolang(local=tiny_model, max_tokens=1)
    answers = {q: chat.invoke(q).content for q in (f"Question {i}" for i in range(100))}
    question, said_first = next((q, a) for q, a in answers.items() if a.isalpha() and len(tiny_model.encode(a)) == 1)
    forwards.clear()
    model = with_confidence(chat, choices=[said_first, "B"], estimator=estimator)
    payload = model.invoke(question).response_metadata[KEY]
    assert forwards == [1]
    assert payload["source"] == "choice" and 0.5 <= payload["raw"] <= 1


def test_a_failing_estimator_never_costs_the_answer(chat, tiny_estimator, monkeypatch):
    monkeypatch.setattr(tiny_estimator, "score_many", lambda *_args, **_options: 1 / 0)
    model = with_confidence(chat, estimator=tiny_estimator)
    for message in (model.invoke("Why?"), *model.batch(["Why?", "x"]), [*model.stream("Why?")][-1]):
        assert message.response_metadata[KEY]["value"] is None
        assert "scoring failed" in message.response_metadata[KEY]["reason"]
    assert model.invoke("Why?").content == chat.invoke("Why?").content


# From a ChatHuggingFace


def test_a_chat_huggingface_gives_its_model_and_its_defaults(tiny_chat, tiny_model):
    chat = ChatThermolang.from_chat_huggingface(tiny_chat)
    assert chat.local.model is tiny_model.model
    assert (chat.temperature, chat.max_tokens) == (0.0, 32)
    assert chat.invoke("Why?").content == tiny_chat.invoke("Why?").content.strip()
    assert ChatThermolang.from_chat_huggingface(tiny_chat, max_tokens=3).max_tokens == 3


def test_a_sampling_pipeline_gives_its_temperature(tiny_model):
    from transformers import pipeline

    options = {"model": tiny_model.model, "tokenizer": tiny_model.tokenizer}
    for given, expected in (
        ({}, (0.7, 1.0, 256)),
        ({"do_sample": True, "temperature": 0.3, "top_p": 0.8, "max_new_tokens": 5}, (0.3, 0.8, 5)),
    ):
        pipe = pipeline("text-generation", **options, **given)
        llm = HuggingFacePipeline(pipeline=pipe)
        chat = ChatThermolang.from_chat_huggingface(ChatHuggingFace(llm=llm, tokenizer=tiny_model.tokenizer))
        assert (chat.temperature, chat.top_p, chat.max_tokens) == expected


# Bad input


@pytest.mark.parametrize(
    ("ask", "error", "match"),
    [
        (lambda chat: chat.invoke([]), ModelError, "conversation is empty"),
        (lambda chat: chat.invoke("long " * 300), ModelError, "takes at most 256; shorten it"),
        (lambda chat: chat.invoke("Why?", temperature=-1), ModelError, "finite temperature"),
        (lambda chat: chat.invoke("Why?", max_new_token=3), InvalidInputError, "does not know max_new_token"),
        (lambda chat: chat.invoke("Why?", n=0), InvalidInputError, "at least 1"),
        (lambda chat: list(chat.stream("Why?", n=2)), InvalidInputError, "a stream has one answer"),
        (
            lambda chat: chat.invoke([HumanMessage([{"type": "image_url", "image_url": {"url": "data:,"}}])]),
            ModelError,
            "holds image_url",
        ),
    ],
    ids=["empty", "long", "temperature", "unknown", "n", "stream n", "image"],
)
def test_bad_input_is_an_error_that_says_what_works(chat, ask, error, match):
    with pytest.raises(error, match=match):
        ask(chat)


IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
PICTURED = [HumanMessage([{"type": "text", "text": "What is this?"}, IMAGE]), AIMessage("A cat."), HumanMessage("Why?")]


def test_an_image_is_no_part_of_the_question_in_any_mode(chat, tiny_chat, tiny_estimator, caplog):
    """The text is answered as it would be without the image, and no confidence vouches for what was not read."""
    text_alone = chat.invoke([HumanMessage("What is this?"), *PICTURED[1:]]).content
    assert chat.invoke(PICTURED).content == text_alone
    assert "a message holds image_url" in caplog.text and "only the text is answered" in caplog.text
    native = with_confidence(chat, estimator=tiny_estimator)
    rescored = with_confidence(tiny_chat, estimator=tiny_estimator)
    found = [native.invoke(PICTURED), native.batch([PICTURED])[0], list(native.stream(PICTURED))[-1]]
    assert found[0].content == text_alone
    payloads = [message.response_metadata[KEY] for message in (*found, rescored.invoke(PICTURED))]
    assert {(p["value"], p["reason_code"], p["reason"]) for p in payloads} == {
        (None, "model_error", "a message holds image_url, but this model reads text only: leave them out")
    }


def test_a_history_of_another_model_is_read(chat):
    thought = [{"type": "thinking", "thinking": "Hm."}, {"type": "output_text", "text": "Because."}]
    told = [HumanMessage([{"text": "Why?"}]), AIMessage(thought), HumanMessage("And?")]
    plain = [HumanMessage("Why?"), AIMessage("Because."), HumanMessage("And?")]
    assert chat.invoke(told).content == chat.invoke(plain).content


def test_a_system_message_alone_or_a_begun_answer_are_fine(chat, tiny_model):
    assert chat.invoke([SystemMessage("Be brief."), HumanMessage("Why?")]).content
    begun = chat.invoke([HumanMessage("Why?"), AIMessage("Because")])
    messages = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because"}]
    assert begun.content == tiny_model.generate_batch([messages], Sampling(max_new_tokens=12))[0].text


# What a reviewer found


def test_a_lone_stop_string_is_one(chat):
    free = chat.invoke("Why?").content
    assert chat.invoke("Why?", stop=free[4:6]).content == free[: free.index(free[4:6])].strip()


def test_unknown_options_are_refused_when_it_is_made(tiny_chat):
    with pytest.raises(InvalidInputError, match="does not know max_token; it knows"):
        ChatThermolang.from_chat_huggingface(tiny_chat, max_token=3)
    assert ChatThermolang.from_chat_huggingface(tiny_chat, max_new_tokens=3).max_tokens == 3


def test_what_a_pipeline_does_more_is_told(tiny_model, caplog):
    from transformers import pipeline

    pipe = pipeline(
        "text-generation", model=tiny_model.model, tokenizer=tiny_model.tokenizer, repetition_penalty=1.3, top_k=5
    )
    chat = ChatHuggingFace(llm=HuggingFacePipeline(pipeline=pipe), tokenizer=tiny_model.tokenizer)
    ChatThermolang.from_chat_huggingface(chat)
    assert "does not take over" in caplog.text and "repetition_penalty" in caplog.text


def test_a_summed_stream_in_the_history_is_the_assistants(chat):
    from langchain_core.messages import HumanMessageChunk

    history = [HumanMessageChunk("Why?"), AIMessageChunk("Because."), HumanMessage("And?")]
    assert [m["role"] for m in chat._call(history, None, {}).messages] == ["user", "assistant", "user"]


def test_a_cache_tells_one_scoring_from_another(chat, tiny_estimator):
    keys = {
        with_confidence(chat, estimator=tiny_estimator, **how)._get_llm_string()
        for how in ({"task": "t"}, {"task": "u"}, {"task": "t", "choices": ["A", "B"]}, {"task": "t", "threshold": 0.9})
    }
    assert len(keys | {chat._get_llm_string()}) == 5
