"""Confidences and decisions on the user's own spans and LangSmith runs, and nowhere else."""

import socket
import subprocess
import sys
import types

import pytest
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers.langchain import LangChainTracer
from opentelemetry import trace

from thermolang import Confidence, Policy
from thermolang.langchain import telemetry
from thermolang.langchain.chat_model import ChatThermolang
from thermolang.langchain.messages import attach
from thermolang.langchain.router import ConfidenceRouter
from thermolang.langchain.wrapper import with_confidence

PROMPT = ChatPromptTemplate.from_template("{question}")
ASKED = {"question": "What is the capital of Australia?"}
CERTAIN = Policy(threshold=0, review_unsupported=False)
SCORED = Confidence(0.9, task="capitals", source="self_check", task_version=3, calibrator="c-1")


class Span(trace.NonRecordingSpan):
    """What an SDK records, without one."""

    def __init__(self, *, recording=True):
        super().__init__(trace.SpanContext(1, 2, is_remote=False))
        self.recording, self.attributes = recording, {}

    def is_recording(self):
        return self.recording

    def set_attributes(self, attributes):
        self.attributes |= attributes


class Client:
    """The part of LangSmith's client that a tracer and we use; it keeps what would be sent."""

    def __init__(self):
        self.feedback, self.runs, self.projects = [], {}, []

    def create_run(self, name, inputs, run_type, **given):
        self.runs[given["id"]] = run_type, name

    def update_run(self, run_id, **given):
        pass

    def flush(self):
        pass

    def read_project(self, *, project_name):
        self.projects.append(project_name)
        return types.SimpleNamespace(id=f"id of {project_name}")

    def create_feedback(self, run_id, key, **given):
        self.feedback.append((self.runs[run_id][0], key, given))

    def sent(self):
        """What came, once the sender has nothing left to do."""
        telemetry._sender().submit(lambda: None).result()
        return self.feedback


class Broken(Client):
    def create_feedback(self, run_id, key, **given):
        raise RuntimeError("no network")


def answered(confidence=SCORED):
    message = AIMessage("Sydney")
    attach(message, confidence, question="Capital of Australia?", model="tiny")
    return message


@pytest.fixture
def chain(tiny_model, tiny_estimator):
    chat = ChatThermolang(local=tiny_model, max_tokens=2)
    return PROMPT | with_confidence(chat, task="capitals", estimator=tiny_estimator, threshold=CERTAIN)


@pytest.fixture
def rescored(chat, estimator):
    return PROMPT | with_confidence(chat, task="capitals", estimator=estimator, written_elsewhere=False)


def payload(message):
    return message.response_metadata["thermolang"]


def test_a_recorded_span_gets_confidence_decision_and_versions(chain):
    with trace.use_span(span := Span()):
        told = payload(chain.invoke(ASKED))
    expected = {
        "gen_ai.evaluation.name": "thermolang.confidence",
        "gen_ai.evaluation.score.value": told["value"],
        "gen_ai.evaluation.score.label": told["decision"]["action"],
        "thermolang.confidence.source": told["source"],
        "thermolang.confidence.supported": told["supported"],
        "thermolang.confidence.reason_code": told["reason_code"],
        "thermolang.calibrator": told["calibrator"] or None,
        "thermolang.task": "capitals",
        "thermolang.decision.code": told["decision"]["code"],
        "thermolang.decision.mode": "enforce",
        "thermolang.decision.threshold": 0,
        "thermolang.policy": CERTAIN.fingerprint,
    }
    if told["calibrator"]:
        expected["thermolang.task_version"] = told["task_version"]
    assert span.attributes == {name: value for name, value in expected.items() if value is not None}


def test_the_router_tells_its_decision(store):
    policy = Policy(threshold=0.95)
    with trace.use_span(span := Span()):
        ConfidenceRouter(store, policy).invoke(answered())
    assert span.attributes == {
        "gen_ai.evaluation.name": "thermolang.confidence",
        "gen_ai.evaluation.score.value": 0.9,
        "gen_ai.evaluation.score.label": "review",
        "thermolang.decision.code": "below_threshold",
        "thermolang.decision.mode": "enforce",
        "thermolang.decision.threshold": 0.95,
        "thermolang.policy": policy.fingerprint,
        "thermolang.task_version": 3,
        "thermolang.calibrator": "c-1",
    }


def test_attributes_are_what_spans_can_hold_and_quote_nobody():
    secret = Confidence(None, reason="'my password' is none of the choices", reason_code="not_a_choice", task="t")
    found = telemetry.confidence_attributes(secret) | telemetry.decision_attributes(Policy().decide(secret))
    assert all(isinstance(value, str | bool | int | float) for value in found.values())
    assert found["thermolang.confidence.reason_code"] == "not_a_choice"
    assert "password" not in str(found)


def test_a_span_that_is_not_recorded_gets_nothing(rescored):
    with trace.use_span(span := Span(recording=False)):
        rescored.invoke(ASKED)
    assert span.attributes == {}


def test_answers_read_once_more_are_told_too(rescored):
    with trace.use_span(span := Span()):
        told = payload(rescored.invoke(ASKED))
    assert span.attributes["gen_ai.evaluation.score.value"] == told["value"] is not None


@pytest.mark.parametrize("how", ["invoke", "batch", "stream"])
def test_the_users_langsmith_tracer_gets_feedback(chain, how):
    client = Client()
    config = {"callbacks": [LangChainTracer(client=client, project_name="mine")]}
    if how == "invoke":
        messages = [chain.invoke(ASKED, config)]
    elif how == "batch":
        messages = chain.batch([ASKED, {"question": "And of Peru?"}], config)
    else:
        messages = [list(chain.stream(ASKED, config))[-1]]
    found = client.sent()
    told = [payload(message) for message in messages]
    run = "chain" if how == "stream" else "llm"  # LangChain does not tell a model whose run a stream is
    scores = [(run, "confidence", p["value"], None) for p in told]
    decisions = [(run, "decision", None, p["decision"]["action"]) for p in told]
    said = [(run, key, given.get("score"), given.get("value")) for run, key, given in found]
    assert sorted(said, key=repr) == sorted(scores + decisions, key=repr)
    for _, _, given in found:
        assert given["session_id"] == "id of mine" and given["trace_id"]
        assert given["feedback_source_type"] == "model"
        assert given["source_info"]["gen_ai.evaluation.name"] == "thermolang.confidence"
        assert "Australia" not in str(given)
    assert client.projects == ["mine"]  # asked for once


@pytest.mark.asyncio
async def test_the_same_in_async_chains(chain):
    client = Client()
    await chain.ainvoke(ASKED, {"callbacks": [LangChainTracer(client=client, project_name="mine")]})
    assert sorted((run, key) for run, key, _ in client.sent()) == [("llm", "confidence"), ("llm", "decision")]


def test_feedback_of_the_router_and_of_a_callback_is_on_the_chain(rescored, store):
    client = Client()
    config = {"callbacks": [LangChainTracer(client=client, project_name="mine")]}
    (rescored | ConfidenceRouter(store, CERTAIN)).invoke(ASKED, config)
    assert sorted((run, key) for run, key, _ in client.sent()) == [("chain", "confidence"), ("chain", "decision")]


@pytest.mark.parametrize("client", [Broken()])
def test_a_tracer_that_fails_costs_no_answer(chain, client, caplog):
    message = chain.invoke(ASKED, {"callbacks": [LangChainTracer(client=client, project_name="mine")]})
    client.sent()
    assert payload(message)["decision"]["action"]
    assert "LangSmith did not take the confidence of a run: no network" in caplog.text


def test_a_span_that_fails_costs_no_answer(rescored, caplog):
    class Bad(Span):
        def set_attributes(self, attributes):
            raise RuntimeError("the exporter broke")

    with trace.use_span(Bad(), record_exception=False):
        assert payload(rescored.invoke(ASKED))["value"] is not None
    assert "a confidence could not be told to the tracers" in caplog.text


def test_without_the_users_tracers_nothing_leaves_the_machine(chain, rescored, store, monkeypatch):
    """Even a machine that could send: a key in the environment is no tracer, and no connection is opened."""
    monkeypatch.setenv("LANGSMITH_API_KEY", "a-key")
    opened = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: opened.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **options: opened.append(given))
    monkeypatch.setattr(telemetry, "_sender", lambda: pytest.fail("something was to be sent"))
    for one in (chain, rescored):
        (one | ConfidenceRouter(store, Policy(threshold=1))).invoke(ASKED)
    assert opened == []
    assert store.counts()["pending"] > 0


def test_neither_library_is_needed_nor_loaded_by_us():
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from thermolang import Confidence\n"
        "from thermolang.langchain.telemetry import report_confidence\n"
        "before = set(sys.modules)\n"
        "report_confidence(Confidence(0.9))\n"
        "new = set(sys.modules) - before\n"
        "assert not [m for m in new if m.startswith(('langsmith', 'opentelemetry'))], new\n"
        "print('told nobody')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, "told nobody"), done.stderr
