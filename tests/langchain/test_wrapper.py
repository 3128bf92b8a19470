"""with_confidence and ConfidenceRouter: same input and output, doubtful answers in the store, no answer ever lost."""

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel, RunnablePassthrough
from langchain_huggingface import ChatHuggingFace, HuggingFaceEndpoint, HuggingFacePipeline

from tests.langchain.conftest import Echo
from thermolang import Confidence, Policy
from thermolang.calibration import calibrator as registry
from thermolang.errors import InvalidInputError, ModelError
from thermolang.langchain.messages import KEY, attach, template_name, to_messages
from thermolang.langchain.router import ConfidenceRouter
from thermolang.langchain.wrapper import with_confidence

QUESTIONS = [f"What is the capital of country {i}?" for i in range(8)]
BARE = ChatPromptTemplate.from_template("{question}")


class Counter(BaseCallbackHandler):
    def __init__(self):
        self.ended = 0

    def on_llm_end(self, response, **kwargs):
        self.ended += 1


def value(message):
    return message.response_metadata[KEY]["value"]


def answered(confidence, text="Sydney", question="Capital of Australia?"):
    message = AIMessage(text)
    attach(message, confidence, question=question, model="tiny")
    return message


# with_confidence on a model


def test_a_chat_model_stays_one(chat, estimator):
    wrapped = with_confidence(chat, estimator=estimator)
    assert isinstance(wrapped, BaseChatModel)
    assert type(wrapped) is type(chat)
    message = wrapped.invoke("q")
    assert message.content == chat.invoke("q").content
    assert 0 < value(message) < 1
    assert KEY not in chat.invoke("q").response_metadata  # the given model is left alone


@pytest.mark.parametrize("wrap", [lambda h: [h], lambda h: CallbackManager([h])], ids=["list", "manager"])
def test_a_chat_model_keeps_its_callbacks(estimator, wrap):
    own, per_call = Counter(), Counter()
    wrapped = with_confidence(Echo(callbacks=wrap(own)), estimator=estimator)
    assert value(wrapped.invoke("q", {"callbacks": [per_call]})) is not None
    assert (own.ended, per_call.ended) == (1, 1)


def test_a_local_model_needs_no_estimator(tiny_chat, tiny_estimator):
    folder = registry.folder_for(tiny_estimator.model.identity, "tiny")
    tiny_estimator.calibrator.save(folder)
    message = with_confidence(tiny_chat, task="capitals").invoke("Capital of France?")
    assert 0 < value(message) < 1
    assert message.response_metadata[KEY]["calibrator"] == tiny_estimator.calibrator.id
    assert message.content == tiny_chat.invoke("Capital of France?").content


def test_a_local_model_without_a_calibrator_answers_and_names_the_command(tiny_chat):
    message = with_confidence(BARE | tiny_chat).invoke({"question": "Capital of France?"})
    assert message.text
    assert value(message) is None
    assert "thermolang calibrate --model tiny" in message.response_metadata[KEY]["reason"]


# with_confidence on a chain


def test_a_chain_keeps_its_input_and_output(chat, prompt, estimator):
    for chain in (prompt | chat, prompt | chat | StrOutputParser()):
        wrapped = with_confidence(chain, estimator=estimator)
        assert wrapped.get_input_jsonschema() == chain.get_input_jsonschema()
        assert wrapped.get_output_jsonschema() == chain.get_output_jsonschema()
        assert wrapped.get_name() == chain.get_name()
        plain, scored = chain.invoke({"question": "q"}), wrapped.invoke({"question": "q"})
        assert type(scored) is type(plain)
        assert getattr(scored, "content", scored) == getattr(plain, "content", plain)


def test_each_answer_of_a_batch_has_its_own_confidence(chat, prompt, estimator):
    chain = with_confidence(prompt | chat, task="capitals", estimator=estimator)
    inputs = [{"question": q} for q in QUESTIONS]
    chain.batch(inputs)
    estimator.state("capitals", "self_check").refresh()
    batch = [value(m) for m in chain.batch(inputs)]
    assert batch == [value(chain.invoke(i)) for i in inputs]
    assert len(set(batch)) == len(batch)


@pytest.mark.parametrize(
    "change",
    [
        lambda chain: chain.with_config(tags=["x"]),
        lambda chain: chain.with_config(callbacks=[Counter()]),
        lambda chain: chain.bind(stop=["x"]),
        lambda chain: chain.with_retry(),
        lambda chain: chain.with_types(input_type=dict),
        lambda chain: chain.with_listeners(on_start=lambda run: None),
        lambda chain: chain.with_fallbacks([RunnableLambda(str)]),
        lambda chain: RunnablePassthrough() | chain | RunnablePassthrough(),
    ],
    ids=["config", "callbacks", "bind", "retry", "types", "listeners", "fallbacks", "inside another"],
)
def test_a_wrapped_chain_can_be_changed_like_any_other(chat, prompt, estimator, change):
    for runnable in (prompt | chat, prompt | chat.bind(stop=["x"]).with_config(tags=["y"])):
        chain = change(with_confidence(runnable, estimator=estimator))
        assert 0 < value(chain.invoke({"question": "q"})) < 1


async def test_a_wrapped_chain_is_awaited(chat, prompt, estimator):
    message = await with_confidence(prompt | chat, estimator=estimator).ainvoke({"question": "q"})
    assert 0 < value(message) < 1


def test_the_task_is_the_given_one_or_the_templates(chat, prompt, estimator):
    chain = prompt | chat
    asked = {"question": "q"}
    named, unnamed = (with_confidence(chain, task=t, estimator=estimator).invoke(asked) for t in ("capitals", None))
    assert named.response_metadata[KEY]["task"] == "capitals"
    assert unnamed.response_metadata[KEY]["task"] == template_name(chain)
    alone = with_confidence(chat, estimator=estimator).invoke("q")
    assert alone.response_metadata[KEY]["task"].startswith("unnamed-")


def test_choices_are_scored_as_choices(prompt, estimator):
    chain = with_confidence(prompt | Echo(says="B"), choices=["A", "B"], estimator=estimator)
    payload = chain.invoke({"question": "A or B?"}).response_metadata[KEY]
    assert payload["source"] == "choice"
    assert [a["text"] for a in payload["alternatives"]] == ["A"]
    other = with_confidence(prompt | Echo(says="Neither"), choices=["A", "B"], estimator=estimator)
    payload = other.invoke({"question": "A or B?"}).response_metadata[KEY]
    assert payload["value"] is None
    assert "none of the choices" in payload["reason"]


def test_choices_are_averaged_over_their_orders_and_the_answer_stays(prompt, estimator):
    asked = {"question": "Which?\nA. Kyoto\nB. Tokyo"}
    plain, rotating = (
        with_confidence(prompt | Echo(says="B"), choices=["A", "B"], rotations=k, estimator=estimator) for k in (1, 2)
    )
    first, second = plain.invoke(asked), rotating.invoke(asked)
    assert first.content == second.content == "B"
    by_hand = estimator.score(to_messages(prompt.invoke(asked).to_messages()), "B", choices="AB", rotations=2)
    assert second.response_metadata[KEY]["raw"] == pytest.approx(by_hand.raw)
    assert first.response_metadata[KEY]["raw"] != pytest.approx(by_hand.raw)
    unlettered = rotating.invoke({"question": "Kyoto or Tokyo?"}).response_metadata[KEY]
    assert unlettered["value"] is None and unlettered["reason_code"] == "bad_choices"


# output="dict"


def test_a_parser_chain_returns_its_output_with_the_confidence(chat, prompt, estimator):
    chain = prompt | chat | StrOutputParser()
    result = with_confidence(chain, output="dict", task="t", estimator=estimator).invoke({"question": "Why?"})
    assert set(result) == {"output", "confidence", "question"}
    assert (result["output"], result["question"]) == ("Why?!", "Why?")
    assert isinstance(result["confidence"], Confidence)
    assert 0 < result["confidence"].value < 1
    assert result["confidence"].task == "t"


def test_a_dict_chain_keeps_apart_what_runs_in_threads(chat, prompt, estimator):
    chain = with_confidence(prompt | chat | StrOutputParser(), output="dict", task="t", estimator=estimator)
    inputs = [{"question": q} for q in QUESTIONS]
    chain.batch(inputs)
    estimator.state("t", "self_check").refresh()
    batch = chain.batch(inputs, {"max_concurrency": 4})
    serial = [chain.invoke(i) for i in inputs]
    assert [r["question"] for r in batch] == QUESTIONS
    assert [r["output"] for r in batch] == [f"{q}!" for q in QUESTIONS]
    assert [r["confidence"].value for r in batch] == [r["confidence"].value for r in serial]


def test_a_dict_chain_works_inside_a_larger_one(chat, prompt, estimator, store):
    inner = with_confidence(prompt | chat | StrOutputParser(), output="dict", task="t", estimator=estimator)
    outer = (
        RunnableParallel(one=inner, two=RunnableLambda(lambda row: {"question": row["question"] + "?"}) | inner)
        | RunnableLambda(lambda both: [both["one"], both["two"]])
        | ConfidenceRouter(store, Policy(threshold=1)).map()
    )
    for result in outer.batch([{"question": q} for q in QUESTIONS]):
        for routed in result:
            item = store.get(routed["decision"]["item_id"])
            assert item.question == routed["question"]
            assert item.answer == routed["output"] == f"{routed['question']}!"
            assert item.confidence.value == routed["confidence"].value
    assert store.counts()["pending"] == 2 * len(QUESTIONS)


def test_a_dict_chain_that_calls_no_model_says_so(estimator):
    result = with_confidence(RunnableLambda(str), output="dict", estimator=estimator).invoke("x")
    assert (result["output"], result["confidence"].value) == ("x", None)
    assert "without calling its model" in result["confidence"].reason


def test_a_dict_chain_whose_scoring_fails_still_answers(chat, prompt, estimator, monkeypatch):
    def broken(*_args, **_options):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(estimator, "score_many", broken)
    chain = with_confidence(prompt | chat | StrOutputParser(), output="dict", estimator=estimator)
    result = chain.invoke({"question": "Why?"})
    assert (result["output"], result["question"]) == ("Why?!", "Why?")
    assert result["confidence"].value is None
    assert "a bug" in result["confidence"].reason


# What is refused


def test_another_output_is_refused(chat, estimator):
    with pytest.raises(InvalidInputError, match="'attach' or 'dict', not 'json'"):
        with_confidence(chat, output="json", estimator=estimator)


def test_without_a_model_an_estimator_is_asked_for(prompt):
    with pytest.raises(ModelError, match=r"exactly one chat model .* found none: give estimator="):
        with_confidence(prompt | StrOutputParser())


def test_with_several_models_an_estimator_is_asked_for(prompt, chat, estimator):
    several = prompt | chat.with_fallbacks([FakeListChatModel(responses=["x"])])
    with pytest.raises(ModelError, match=r"found \['Echo', 'FakeListChatModel'\]: give estimator="):
        with_confidence(several)
    assert value(with_confidence(several, estimator=estimator).invoke({"question": "q"})) is not None


def test_a_model_without_hidden_states_is_refused(prompt):
    with pytest.raises(ModelError, match="FakeListChatModel gives no hidden states: use ChatThermolang"):
        with_confidence(prompt | FakeListChatModel(responses=["x"]))


def test_a_remote_model_is_refused(prompt):
    remote = HuggingFaceEndpoint(endpoint_url="http://127.0.0.1:9/", huggingfacehub_api_token="none")
    with pytest.raises(ModelError, match=r"HuggingFaceEndpoint does not run in this process.*HuggingFacePipeline"):
        with_confidence(prompt | ChatHuggingFace(llm=remote))


def test_a_tokenizer_without_a_chat_template_is_refused(tiny_chat, tiny_model):
    from tests.fakes import tiny_tokenizer

    llm = HuggingFacePipeline(pipeline=tiny_chat.llm.pipeline)
    with pytest.raises(ModelError, match="no chat template"):
        with_confidence(ChatHuggingFace(llm=llm, tokenizer=tiny_tokenizer(template="")))


# question=, threshold= and of=


def test_a_threshold_says_whether_an_answer_is_accepted(chat, prompt, estimator):
    for threshold, action in ((0.0, "accept"), (1.0, "review"), (Policy(threshold=1, reject_below=1), "reject")):
        message = with_confidence(prompt | chat, task="t", threshold=threshold, estimator=estimator).invoke(
            {"question": "Why?"}
        )
        assert message.response_metadata[KEY]["decision"]["action"] == action


def test_the_question_alone_is_shown_where_the_message_holds_more(chat, estimator):
    rag = ChatPromptTemplate.from_template("{passage}\n\nQuestion: {question}")
    asked = {"passage": "Oslo is in Norway.", "question": "Where is Oslo?"}
    wrapped = with_confidence(rag | chat, question="question", estimator=estimator)
    inside = with_confidence(
        RunnableLambda(lambda q: {**asked, "question": q}) | rag | chat, question="question", estimator=estimator
    ).invoke("Where is Oslo?")
    as_dict = with_confidence(rag | chat | StrOutputParser(), question="question", output="dict", estimator=estimator)
    for message in (wrapped.invoke(asked), inside, *wrapped.batch([asked, asked])):
        payload = message.response_metadata[KEY]
        assert payload["question"] == "Where is Oslo?"
        assert payload["context"] == "Oslo is in Norway.\n\nQuestion: Where is Oslo?"
    assert as_dict.invoke(asked)["question"] == "Where is Oslo?"


def test_a_key_that_nothing_has_is_told(chat, prompt, estimator, caplog):
    message = with_confidence(prompt | chat, question="qestion", estimator=estimator).invoke({"question": "Why?"})
    assert message.response_metadata[KEY]["question"] == "Why?"
    assert "question='qestion' is no key of the chain's input" in caplog.text


def test_a_chat_model_has_no_key_to_look_up(chat, estimator):
    with pytest.raises(InvalidInputError, match="names a key of a chain's input"):
        with_confidence(chat, question="question", estimator=estimator)


def test_one_of_several_models_is_scored(prompt, estimator):
    one, two = Echo(says="1 {}"), Echo(says="2 {}")
    chain = RunnableParallel(one=prompt | one, two=prompt | two)
    found = with_confidence(chain, of=two, estimator=estimator).invoke({"question": "q"})
    assert value(found["two"]) is not None
    assert KEY not in found["one"].response_metadata
    assert KEY not in chain.invoke({"question": "q"})["two"].response_metadata
    with pytest.raises(ModelError, match="of= is no chat model inside"):
        with_confidence(chain, of=Echo(), estimator=estimator)
    with pytest.raises(ModelError, match="or of= the one to score"):
        with_confidence(chain)


def test_a_threshold_decides_in_a_dict_chain_too(chat, prompt, estimator):
    chain = prompt | chat | StrOutputParser()
    for threshold, action in ((0.0, "accept"), (1.0, "review")):
        wrapped = with_confidence(chain, output="dict", task="t", threshold=threshold, estimator=estimator)
        assert wrapped.invoke({"question": "Why?"})["decision"]["action"] == action


def test_a_later_model_does_not_overwrite_the_confidence(prompt, estimator):
    one, two = Echo(says="1 {}"), Echo(says="2 {}")
    chain = prompt | one | StrOutputParser() | two
    result = with_confidence(chain, of=one, output="dict", estimator=estimator).invoke({"question": "q"})
    assert result["output"].content == "2 1 q"
    assert 0 < result["confidence"].value < 1


def test_a_question_leaves_nothing_behind_inside_a_larger_chain(chat, prompt, estimator):
    wrapped = with_confidence(prompt | chat, question="question", estimator=estimator)
    outer = RunnablePassthrough() | wrapped | RunnablePassthrough()
    for _ in range(3):
        outer.invoke({"question": "Why?"})
    assert not wrapped.handler._asked and not wrapped.handler._open and not wrapped.handler._parents


def test_a_model_alone_may_be_a_dict_too(chat, estimator):
    result = with_confidence(chat, output="dict", estimator=estimator).invoke("Why?")
    assert (result["output"].content, result["question"]) == ("Why?!", "Why?")
    assert 0 < result["confidence"].value < 1
