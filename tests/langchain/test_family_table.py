"""Every family of chat models through every way to call one, on a tiny model with a template that follows its rules."""

import copy

import numpy as np
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from tests.chat_templates import KINDS
from tests.fakes import answered, chat_huggingface, says, tiny_llama, tiny_tokenizer
from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel, with_confidence
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.training import TrainingConfig
from thermolang.langchain.messages import confidence_of
from thermolang.models.prompts import question_messages
from thermolang.training.calibrate import calibrate
from thermolang.training.features import collect
from thermolang.types import Example, Task

FAST = TrainingConfig(steps=10, batch_size=8, evaluate_every=10)
ASKED = [SystemMessage("Be brief."), HumanMessage("What is the capital of France?")]
TALK = [*ASKED, AIMessage("Paris"), HumanMessage("And of"), HumanMessage("Norway?")]
TOOLED = [name for name, kind in KINDS.items() if kind.tools]


@pytest.fixture(scope="module")
def weights():
    """A model and a tokenizer that all families share."""
    tokenizer = tiny_tokenizer()
    return tiny_llama(len(tokenizer), context=2048), tokenizer


def made(weights, name):
    tokenizer = copy.copy(weights[1])
    tokenizer.chat_template = KINDS[name].template
    return LocalModel(weights[0], tokenizer, name=name)


@pytest.fixture(scope="module", params=KINDS)
def model(request, weights):
    return made(weights, request.param)


def say(name):
    return Task(name, tuple(Example(f"{name} {n}?", answers=("a",)) for n in range(3)))


def pick(name):
    return Task(name, tuple(Example(f"{name} {n}?", choices=("a", "b"), label=n % 2) for n in range(3)))


@pytest.fixture(scope="module")
def fits(weights):
    """Made once, as users make them, of a model that takes neither system turns nor two of the user's."""
    tasks = [kind(f"{kind.__name__} {i}") for kind in (say, pick) for i in range(3)]
    return calibrate(made(weights, "gemma-2"), tasks, config=FAST, given=False).calibrator.fits


@pytest.fixture(scope="module")
def calibrator(model, fits):
    return Calibrator(model.identity, fits, model.probe(), model_name=model.name)


@pytest.fixture
def estimator(model, calibrator, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)  # random weights rarely want to say yes or no
    return ConfidenceEstimator(model, calibrator, state_dir=None)


@pytest.fixture
def chat(model, estimator):
    return with_confidence(ChatThermolang(local=model, max_tokens=6), task="t", estimator=estimator)


def weather(city: str) -> str:
    """Weather of a city."""
    return f"rain in {city}"


def test_a_model_has_an_identity_and_a_fingerprint(model, calibrator):
    assert calibrator.check(model.identity, model.probe()) is None


def test_questions_are_read_for_a_calibrator(model, tmp_path):
    """What ``calibrate`` fits: answers of one short line, never thoughts, and the options' logits."""
    for task in (say("free"), pick("choice")):
        features = collect(model, task, tmp_path, signals=True)
        assert features.logits.shape == (3, 2) and np.isfinite(features.hidden).all()
        assert np.isfinite(features.signals["verbalised"]).all()


def test_invoke_batch_and_stream_say_the_same_and_are_scored(model, chat, monkeypatch):
    says(model, monkeypatch, "<think>France, then.</think>Paris" if KINDS[model.name].thinks else "Paris")
    one, (two, other), chunks = chat.invoke(ASKED), chat.batch([ASKED, TALK]), list(chat.stream(ASKED))
    assert one.content == two.content == other.content == "".join(chunk.content for chunk in chunks)
    confidences = [confidence_of(message) for message in (one, two, other, chunks[-1])]
    assert all(confidence.value is not None for confidence in confidences), confidences
    assert len({round(confidences[i].raw, 5) for i in (0, 1, 3)}) == 1


def test_its_own_words_are_generated_and_scored(model, chat):
    """Random weights say anything; where the template begins the thoughts, these few tokens are thoughts."""
    confidence = confidence_of(chat.invoke(ASKED))
    opens = model.opens_thinking(question_messages(Example("?")))
    assert (confidence.value is None) == opens
    assert not opens or "still thinking" in confidence.reason


def test_a_self_check_that_goes_on_from_the_kv_cache_says_the_same(model):
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    check, whole = model.self_check(asked, answered(model, asked, "Paris")), model.self_check(asked, "Paris")
    assert check.logits == pytest.approx(whole.logits, abs=1e-3)
    # These write something else before an answer of the past than before one that begins.
    assert check.cache_reused == (model.name not in ("deepseek-r1", "mistral-0.3", "smollm-3"))


def test_choices_are_scored(model, estimator, monkeypatch):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "A. Oslo\nB. Rome"}]
    answer, confidence = estimator.choose(messages, ["A", "B"], task="c")
    assert answer in ("A", "B") and 0.5 <= confidence.raw <= 1 and confidence.value is not None
    assert estimator.choose(messages, ["A", "B"], task="c", rotations=2)[1].value is not None
    says(model, monkeypatch, answer)
    scored = with_confidence(
        ChatThermolang(local=model, max_tokens=6), task="c", choices=["A", "B"], estimator=estimator
    )
    found = confidence_of(scored.invoke([SystemMessage("Be brief."), HumanMessage("A. Oslo\nB. Rome")]))
    assert (found.source, found.raw) == ("choice", pytest.approx(confidence.raw, abs=1e-4))


def test_verdicts_are_learned_from(model, estimator):
    asked = [[{"role": "user", "content": f"Question {i}?"}] for i in range(8)]
    confidences = [estimator.score(messages, "Paris", task="learned") for messages in asked]
    assert estimator.learn([(confidence, False) for confidence in confidences]) == 8
    assert estimator.score(asked[0], "Paris", task="learned").value < confidences[0].value


def test_a_chat_huggingface_over_it_is_read_once_more(model, estimator):
    chat = with_confidence(chat_huggingface(model, max_new_tokens=6), task="t", estimator=estimator)
    confidence = confidence_of(chat.invoke("hi"))
    assert confidence.value is not None or confidence.reason_code == "empty_answer", confidence


@pytest.mark.parametrize("model", ["mistral-0.3", "llama-3", "command-r"], indirect=True)
def test_an_agent_goes_past_its_second_step(model, chat, monkeypatch):
    said = iter([KINDS[model.name].call, KINDS[model.name].call, "It rains."])
    generate = model.generate_batch

    def saying(*args, **options):
        says(model, monkeypatch, next(said))
        return generate(*args, **options)

    monkeypatch.setattr(model, "generate_batch", saying)
    state = create_agent(chat, tools=[weather]).invoke({"messages": [HumanMessage("Weather in Oslo?")]})
    assert [m.type for m in state["messages"]] == ["human", "ai", "tool", "ai", "tool", "ai"]
    assert confidence_of(state["messages"][-1]).value is not None


@pytest.mark.parametrize("model", TOOLED, indirect=True)
def test_a_tool_is_called_and_its_result_is_answered(model, chat, monkeypatch):
    bound = chat.bind_tools([weather])
    says(model, monkeypatch, KINDS[model.name].call)
    talk = [HumanMessage("Weather in Oslo and in Rome?")]
    for _ in range(2):
        called = bound.invoke(talk)
        (call,) = called.tool_calls
        assert (call["name"], call["args"], called.content) == ("weather", {"city": "Oslo"}, "")
        assert confidence_of(called).reason_code == "calls_tools"
        talk += [called, ToolMessage(weather(**call["args"]), tool_call_id=call["id"], name="weather")]
    assert talk[1].tool_calls[0]["id"] != talk[3].tool_calls[0]["id"]
    chunks = list(bound.stream(talk))
    assert "".join(chunk.content for chunk in chunks) == ""
    assert sum(chunks[1:], chunks[0]).tool_calls[0]["args"] == {"city": "Oslo"}
    says(model, monkeypatch, "It rains.")
    answer = bound.invoke(talk)
    assert (answer.content, answer.tool_calls) == ("It rains.", [])
    assert confidence_of(answer).value is not None


@pytest.mark.parametrize("model", TOOLED, indirect=True)
def test_half_a_call_is_given_out_whole_without_a_confidence(model, chat, monkeypatch):
    half = KINDS[model.name].call[: KINDS[model.name].call.index("Oslo") + 2]
    says(model, monkeypatch, half)
    bound = chat.bind_tools([weather])
    streamed = list(bound.stream("Weather?"))
    for message in (bound.invoke("Weather?"), sum(streamed[1:], streamed[0])):
        assert (message.content, message.tool_calls) == (half, [])
        assert confidence_of(message).reason_code == "invalid_call"
    assert len(bound.invoke("Weather?").invalid_tool_calls) == 1
