"""Texts of other models: whatever way they come, they get a fit of their own, or None with the code ``given_text``."""

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver

from tests.fakes import chat_huggingface, tiny_llama
from tests.langchain.conftest import Echo
from tests.test_estimator_given import FIT
from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel, Policy
from thermolang.langchain.agents import ConfidenceGateMiddleware
from thermolang.langchain.callback import ConfidenceCallbackHandler, get_confidence_callback
from thermolang.langchain.messages import KEY
from thermolang.langchain.wrapper import with_confidence

ASKED = [{"role": "user", "content": "Why?"}]
PROMPT = ChatPromptTemplate.from_template("{question}")
FOREIGN = FakeListChatModel(responses=["Because."])


class Unseen:
    """Has a model where nobody looks for one."""

    def __call__(self, question):
        return FOREIGN.invoke(question)


UNSEEN = Unseen()


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.fixture(scope="module", params=["a fit", "no fit"])
def estimator(request, tiny_model, calibrator_for):
    """One that knows texts from elsewhere, and one that knows the model's own answers only."""
    calibrator = calibrator_for(tiny_model, sources=("self_check",))
    calibrator.given = FIT if request.param == "a fit" else None
    return ConfidenceEstimator(tiny_model, calibrator, state_dir=None)


@pytest.fixture(scope="module")
def other(tiny_model):
    """The same kind of model with other weights."""
    return LocalModel(tiny_llama(len(tiny_model.tokenizer), seed=1), tiny_model.tokenizer, name="other")


def told(message):
    return message.response_metadata[KEY]


def assert_given(payload, estimator, text="Because."):
    """The number is that of ``score(written_elsewhere=True)``; there is none without a fit for it."""
    expected = estimator.score(ASKED, text, written_elsewhere=True)
    assert payload["source"] == "given"
    assert payload["value"] == pytest.approx(expected.value, abs=1e-5)
    if estimator.calibrator.given is None:
        assert (payload["value"], payload["reason_code"]) == (None, "given_text")


def assert_own(payload):
    assert payload["value"] is not None and payload["source"] == "self_check"


def test_score_says_so_itself(estimator):
    found = estimator.score(ASKED, "Because.", written_elsewhere=True)
    assert_given(found.to_dict(), estimator)
    assert_own(estimator.score(ASKED, "Because.").to_dict())


WAYS = {
    "a model": lambda e: with_confidence(FOREIGN, estimator=e).invoke("Why?"),
    "a chain": lambda e: with_confidence(PROMPT | FOREIGN, estimator=e).invoke({"question": "Why?"}),
    "a fallback": lambda e: with_confidence(
        (PROMPT | Echo() | RunnableLambda(lambda _: 1 / 0)).with_fallbacks([PROMPT | FOREIGN]), estimator=e
    ).invoke({"question": "Why?"}),
    "a function": lambda e: with_confidence(RunnableLambda(lambda q: FOREIGN.invoke(q)), estimator=e).invoke("Why?"),
    "a hidden model": lambda e: with_confidence(RunnableLambda(lambda q: UNSEEN(q)), estimator=e).invoke("Why?"),
    "a callback": lambda e: FOREIGN.invoke("Why?", {"callbacks": [ConfidenceCallbackHandler(e)]}),
}


@pytest.mark.parametrize("way", WAYS)
def test_another_models_answer_is_a_text_from_elsewhere(estimator, way):
    assert_given(told(WAYS[way](estimator)), estimator)


def test_inside_the_context_too(estimator):
    with get_confidence_callback(estimator):
        assert_given(told(FOREIGN.invoke("Why?")), estimator)


@pytest.mark.parametrize("kind", ["native", "rescore"])
def test_other_weights_of_the_same_class_are_told_apart(estimator, other, tiny_model, caplog, kind):
    theirs, own = (
        ChatThermolang(local=m, max_tokens=5) if kind == "native" else chat_huggingface(m, max_new_tokens=5)
        for m in (other, tiny_model)
    )
    text = theirs.invoke("Why?").text.strip()
    assert_given(told(with_confidence(theirs, estimator=estimator).invoke("Why?")), estimator, text)
    assert_given(told(theirs.invoke("Why?", {"callbacks": [ConfidenceCallbackHandler(estimator)]})), estimator, text)
    assert "an answer of other is scored as a text that was written elsewhere" in caplog.text
    assert_own(told(with_confidence(own, estimator=estimator).invoke("Why?")))
    assert_own(told(own.invoke("Why?", {"callbacks": [ConfidenceCallbackHandler(estimator)]})))


def test_a_class_of_ones_own_over_the_same_weights_is_vouched_for(estimator):
    vouched = with_confidence(FOREIGN, estimator=estimator, written_elsewhere=False)
    assert_own(told(vouched.invoke("Why?")))
    handler = ConfidenceCallbackHandler(estimator, written_elsewhere=False)
    assert_own(told(FOREIGN.invoke("Why?", {"callbacks": [handler]})))
    with get_confidence_callback(estimator, written_elsewhere=False):
        assert_own(told(FOREIGN.invoke("Why?")))


def test_an_own_answer_can_be_declared_foreign(estimator, tiny_model):
    chat = ChatThermolang(local=tiny_model, max_tokens=5)
    message = with_confidence(chat, estimator=estimator, written_elsewhere=True).invoke("Why?")
    assert_given(told(message), estimator, message.text.strip())


def test_a_remote_chat_huggingface_is_not_taken_for_a_local_one():
    from thermolang.langchain.callback import _answerer

    shown = "ChatHuggingFace(llm=HuggingFaceEndpoint(repo_id='x'), model_id='x')"
    assert _answerer({"id": ["langchain_huggingface", "ChatHuggingFace"], "repr": shown}, {}) == ("", "x")
    shown = "ChatHuggingFace(llm=HuggingFacePipeline(pipeline=p), model_id='x')"
    assert _answerer({"id": ["langchain_huggingface", "ChatHuggingFace"], "repr": shown}, {}) == (
        "ChatHuggingFace",
        "x",
    )
    assert _answerer({}, {}) == ("", "")


def test_choices_and_annotated_sentences_are_as_ever(estimator, tiny_model, calibrator_for):
    both = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)
    chosen = FakeListChatModel(responses=["A"])
    payload = told(with_confidence(chosen, estimator=both, choices=["A", "B"]).invoke("Why?"))
    assert payload["source"] == "choice" and payload["value"] is not None
    payload = told(with_confidence(FOREIGN, estimator=estimator, mode="thorough", annotate=True).invoke("Why?"))
    assert_given(payload, estimator)  # nothing is sampled, and nothing fails
    assert payload["sentences"] == []


# The gate of an agent


def answer_of(estimator, model, *others, **options):
    gate = ConfidenceGateMiddleware(estimator, policy=Policy(threshold=0, review_unsupported=False), **options)
    agent = create_agent(model, middleware=[gate, *others], checkpointer=InMemorySaver())
    result = agent.invoke({"messages": [HumanMessage("Why?")]}, {"configurable": {"thread_id": "one"}})
    return next(m for m in reversed(result["messages"]) if isinstance(m, AIMessage))


class Failing(ChatThermolang):
    """Cannot answer, so that the agent's fallback does."""

    def _generate(self, *args, **kwargs):
        raise RuntimeError("no")


def test_a_gate_compares_the_weights(estimator, other, tiny_model):
    own, theirs = (ChatThermolang(local=m, max_tokens=5) for m in (tiny_model, other))
    assert_own(told(answer_of(estimator, own)))
    message = answer_of(estimator, theirs)
    assert_given(told(message), estimator, message.text.strip())
    assert_given(told(answer_of(estimator, FOREIGN)), estimator)
    assert_own(told(answer_of(estimator, FOREIGN, written_elsewhere=False)))


def test_a_gate_sees_that_another_middleware_asked_another_model(estimator, other, tiny_model):
    theirs = ChatThermolang(local=other, max_tokens=5)
    message = answer_of(estimator, Failing(local=tiny_model), ModelFallbackMiddleware(theirs))
    assert message.response_metadata["model_name"] == "other"
    assert_given(told(message), estimator, message.text.strip())
