"""The gate on an agent's final answer: what passes, what waits, and what a person's decision does."""

import asyncio
import importlib
import json
import logging
import sys
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command
from pydantic import Field, ValidationError

from thermolang.errors import InvalidInputError, MissingExtraError
from thermolang.langchain.agents import EDITED, TRY_AGAIN, UNSCORED, ConfidenceGateMiddleware
from thermolang.langchain.messages import read
from thermolang.langchain.wrapper import with_confidence
from thermolang.review import Audit, Watch
from thermolang.review.store import ReviewStore
from thermolang.routing.monitor import Monitor
from thermolang.routing.policy import Policy
from thermolang.types import Confidence

CONFIG = {"configurable": {"thread_id": "one"}}
QUESTION = {"messages": [HumanMessage("Capital of Australia?")]}

needs_async_interrupts = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph interrupts async from 3.11 on"
)


class Scripted(BaseChatModel):
    """Says one thing after the other; the last one again and again."""

    says: list[Any]
    asked: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools, **kwargs: Any):
        return self

    def _generate(self, messages, stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        said = self.says[min(len(self.asked), len(self.says) - 1)]
        self.asked.append(messages)
        message = said if isinstance(said, AIMessage) else AIMessage(said)
        return ChatResult(generations=[ChatGeneration(message=message)])


class FakeEstimator:
    """Knows the confidence of each answer; an unknown one breaks it."""

    class model:  # what an estimator's model is for the gate
        name = "fake"

    def __init__(self, **values: float) -> None:
        self.values, self.calls = values, []

    def score_many(self, items, *, task=None, choices=None, **how) -> list[Confidence]:
        ((messages, answer),) = items
        self.calls.append((messages, answer, task, threading.current_thread()))
        return [Confidence(self.values[answer], task=task or "capitals")]


def agent_of(*says, checkpointer=None, model=None, tools=(), others=(), **gate):
    """An agent that says this, behind a gate."""
    gate.setdefault("estimator", FakeEstimator(Canberra=0.9, Sydney=0.3, Perth=0.05))
    return create_agent(
        model or Scripted(says=list(says)),
        tools=list(tools),
        system_prompt="Be brief.",
        middleware=[ConfidenceGateMiddleware(**gate), *others],
        checkpointer=checkpointer or InMemorySaver(),
    )


def payload_of(message) -> dict[str, Any]:
    return message.response_metadata["thermolang"]


def texts(result) -> list[str]:
    return [m.content for m in result["messages"]]


def request_in(result) -> dict[str, Any]:
    (interrupt,) = result["__interrupt__"]
    return interrupt.value


@pytest.fixture
def store():
    with ReviewStore("sqlite://") as opened:
        yield opened


def test_a_confident_answer_passes(store):
    scorer = FakeEstimator(Canberra=0.9)
    result = agent_of("Canberra", estimator=scorer, store=store, task="atlas").invoke(QUESTION, CONFIG)
    assert "__interrupt__" not in result and texts(result) == ["Capital of Australia?", "Canberra"]
    assert "confidence_reviews" not in result  # it is private
    payload = payload_of(result["messages"][-1])
    assert payload["value"] == 0.9 and payload["question"] == "Capital of Australia?" and payload["model"] == "fake"
    assert payload["decision"]["action"] == "accept" and payload["decision"]["item_id"] is None
    assert sum(store.counts().values()) == 0
    [(messages, answer, task, _)] = scorer.calls
    assert messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Capital of Australia?"},
    ]
    assert (answer, task) == ("Canberra", "atlas")


def test_an_accepted_answer_that_the_audit_draws_waits_in_the_store_and_passes_all_the_same():
    with ReviewStore("sqlite://", audit=Audit(1.0)) as store:
        result = agent_of("Canberra", store=store).invoke(QUESTION, CONFIG)
        (item,) = store.list()
    assert "__interrupt__" not in result
    assert payload_of(result["messages"][-1])["decision"]["item_id"] is None
    assert (item.answer, item.question, item.status) == ("Canberra", "Capital of Australia?", "pending")


def test_a_doubtful_answer_waits_for_a_person():
    agent = agent_of("Sydney", policy=Policy(0.8))
    request = request_in(agent.invoke(QUESTION, CONFIG))
    assert (
        json.loads(json.dumps(request))
        == request
        == {
            "type": "confidence_review",
            "question": "Capital of Australia?",
            "answer": "Sydney",
            "confidence": Confidence(0.3, task="capitals").to_dict(),
            "reason": "30 % is below the 80 % needed",
            "task": "capitals",
            "item_id": None,
        }
    )
    (pending,) = agent.get_state(CONFIG).interrupts
    assert pending.response_schema["discriminator"]["propertyName"] == "type"


def test_in_shadow_nothing_pauses(store):
    result = agent_of("Sydney", policy=Policy(0.8, mode="shadow"), store=store).invoke(QUESTION, CONFIG)
    assert "__interrupt__" not in result and texts(result)[-1] == "Sydney"
    decision = payload_of(result["messages"][-1])["decision"]
    assert (decision["action"], decision["mode"]) == ("review", "shadow")
    assert store.get(decision["item_id"]).answer == "Sydney"


def test_after_an_alarm_every_answer_waits_for_a_person(store):
    known = [Confidence(0.5 + i / 400, calibrator="another") for i in range(200)]
    alarmed = Watch(Monitor(known), store)  # the answers here are of no calibrator that it knows
    request = request_in(agent_of("Canberra", policy=Policy(0.8), watch=alarmed).invoke(QUESTION, CONFIG))
    assert (request["answer"], request["reason"]) == ("Canberra", "all answers go to review now")
    told = Watch(Monitor(known), store, review_all=False)
    assert "__interrupt__" not in agent_of("Canberra", policy=Policy(0.8), watch=told).invoke(QUESTION, CONFIG)
    assert [alarm.code for alarm in told.monitor.alarms] == ["model"]


def test_an_approved_answer_is_kept_and_marked():
    agent = agent_of("Sydney")
    before = agent.invoke(QUESTION, CONFIG)["messages"][-1]
    after = agent.invoke(Command(resume={"type": "approve", "operator": "ann"}), CONFIG)["messages"]
    assert texts({"messages": after}) == ["Capital of Australia?", "Sydney"] and after[-1].id == before.id
    assert payload_of(after[-1]) == {**payload_of(before), "review": {"action": "approve", "operator": "ann"}}


def test_an_edited_answer_replaces_the_models_under_the_same_id():
    agent = agent_of("Sydney")
    before = agent.invoke(QUESTION, CONFIG)["messages"][-1]
    result = agent.invoke(Command(resume={"type": "edit", "answer": "Canberra"}), CONFIG)
    assert texts(result) == ["Capital of Australia?", "Canberra"] and result["messages"][-1].id == before.id
    payload = payload_of(result["messages"][-1])
    assert payload["value"] == 0.3 and payload["reason"] == EDITED.text and payload["review"] == {"action": "edit"}


def test_a_rejected_answer_is_tried_again_with_the_reviewers_words(store):
    scorer = FakeEstimator(Sydney=0.3, Canberra=0.9)
    agent = agent_of("Sydney", "Canberra", estimator=scorer, store=store)
    agent.invoke(QUESTION, CONFIG)
    result = agent.invoke(Command(resume={"type": "reject", "message": "Not a beach."}), CONFIG)
    assert texts(result) == ["Capital of Australia?", "Sydney", "Not a beach.", "Canberra"]
    assert payload_of(result["messages"][1])["review"] == {"action": "reject"}
    assert payload_of(result["messages"][-1])["decision"]["action"] == "accept"
    assert [m["content"] for m in scorer.calls[1][0]][-1] == "Not a beach."
    assert payload_of(result["messages"][-1])["question"] == "Capital of Australia?"  # the reviewer is not the user


def test_a_rejection_without_words_says_to_try_again():
    agent = agent_of("Sydney", "Perth", policy=Policy(0.7, reject_below=0.1))
    agent.invoke(QUESTION, CONFIG)
    result = agent.invoke(Command(resume={"type": "reject"}), CONFIG)
    assert texts(result)[2] == TRY_AGAIN
    # What the policy rejects is reviewed too.
    assert request_in(result)["reason"] == "5 % is below the 10 % where answers are rejected"
    assert request_in(result)["question"] == "Capital of Australia?"


def test_after_max_reviews_the_answer_passes_marked_so(store):
    agent = agent_of("Sydney", max_reviews=2, store=store)
    result = agent.invoke(QUESTION, CONFIG)
    for _ in range(2):
        assert "__interrupt__" in result
        result = agent.invoke(Command(resume={"type": "reject"}), CONFIG)
    assert "__interrupt__" not in result and texts(result)[-1] == "Sydney"
    review = payload_of(result["messages"][-1])["review"]
    assert review == {"action": "pass", "reason": "passed without a review after 2 rejections (max_reviews)"}
    assert store.counts()["pending"] == 2  # nobody would wait for a verdict on the third


def test_the_next_question_may_be_reviewed_again():
    agent = agent_of("Sydney", max_reviews=1)
    agent.invoke(QUESTION, CONFIG)
    assert "__interrupt__" not in agent.invoke(Command(resume={"type": "reject"}), CONFIG)
    assert "__interrupt__" in agent.invoke({"messages": [HumanMessage("And of Peru?")]}, CONFIG)


def test_without_reviews_a_doubtful_answer_is_only_marked():
    result = agent_of("Sydney", max_reviews=0).invoke(QUESTION, CONFIG)
    assert payload_of(result["messages"][-1])["review"]["action"] == "pass"
    with pytest.raises(InvalidInputError, match="max_reviews must not be negative, got -1"):
        ConfidenceGateMiddleware(max_reviews=-1)


@pytest.mark.parametrize("action", [{"type": "approve"}, {"type": "edit", "answer": "Canberra"}])
def test_a_resume_never_scores_nor_stores_again(store, action):
    scorer = FakeEstimator(Sydney=0.3)
    agent = agent_of("Sydney", estimator=scorer, store=store)
    agent.invoke(QUESTION, CONFIG)
    agent.invoke(Command(resume=action), CONFIG)
    assert len(scorer.calls) == 1 and store.counts()["pending"] == 1


@pytest.mark.parametrize("bad", ["yes", {"type": "maybe"}, {"type": "edit"}, {"type": "edit", "answer": ""}, 1])
def test_a_bad_decision_can_be_given_again(bad):
    agent = agent_of("Sydney")
    agent.invoke(QUESTION, CONFIG)
    with pytest.raises(ValidationError):
        agent.invoke(Command(resume=bad), CONFIG)
    assert len(agent.get_state(CONFIG).interrupts) == 1
    result = agent.invoke(Command(resume={"type": "edit", "answer": "Canberra", "shown_at": "noon"}), CONFIG)
    assert texts(result)[-1] == "Canberra"


def test_threads_wait_apart_from_each_other():
    agent = agent_of("Sydney")
    first, second = CONFIG, {"configurable": {"thread_id": "two"}}
    agent.invoke(QUESTION, first)
    agent.invoke(QUESTION, second)
    (pending,) = agent.get_state(second).interrupts
    result = agent.invoke(Command(resume={pending.id: {"type": "edit", "answer": "Canberra"}}), second)
    assert texts(result)[-1] == "Canberra"
    assert len(agent.get_state(first).interrupts) == 1


def test_a_new_process_takes_up_what_waits(tmp_path):
    scorer = FakeEstimator(Sydney=0.3)
    with SqliteSaver.from_conn_string(str(tmp_path / "agent.db")) as saver:
        agent_of("Sydney", estimator=scorer, checkpointer=saver).invoke(QUESTION, CONFIG)
    with SqliteSaver.from_conn_string(str(tmp_path / "agent.db")) as saver:
        anew = agent_of("never asked", estimator=scorer, checkpointer=saver)
        assert anew.get_state(CONFIG).interrupts[0].value["answer"] == "Sydney"
        result = anew.invoke(Command(resume={"type": "approve"}), CONFIG)
    assert texts(result)[-1] == "Sydney" and len(scorer.calls) == 1


def test_the_request_waits_in_the_store_too(store):
    request = request_in(agent_of("Sydney", store=store).invoke(QUESTION, CONFIG))
    (item,) = store.list()
    assert item.id == request["item_id"] and item.model == "fake"
    assert (item.question, item.answer, item.reason) == ("Capital of Australia?", "Sydney", request["reason"])
    assert item.confidence == Confidence(0.3, task="capitals")


def test_a_rejection_by_the_policy_waits_in_the_store_too(store):
    agent_of("Perth", store=store, policy=Policy(0.7, reject_below=0.1)).invoke(QUESTION, CONFIG)
    assert [item.decision.action for item in store.list()] == ["reject"]


def test_without_the_store_the_answer_still_waits(store, caplog):
    agent = agent_of("Sydney", store=store)
    store.close()
    request = request_in(agent.invoke(QUESTION, CONFIG))
    assert request["item_id"] is None and "not stored: this review store is closed" in request["reason"]
    assert "a doubtful answer could not be stored" in caplog.text
    assert texts(agent.invoke(Command(resume={"type": "approve"}), CONFIG))[-1] == "Sydney"


def test_a_failing_estimator_does_not_cost_the_answer(caplog):
    with caplog.at_level(logging.ERROR):
        request = request_in(agent_of("Oslo").invoke(QUESTION, CONFIG))
    assert request["answer"] == "Oslo" and request["reason"].startswith("scoring failed: KeyError")
    assert "could not be scored" in caplog.text


def test_what_cannot_be_read_is_not_scored_but_reviewed():
    scorer = FakeEstimator(Sydney=0.3)
    photo = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    asked = HumanMessage([{"type": "text", "text": "Which city is this?"}, photo])
    request = request_in(agent_of("Sydney", estimator=scorer).invoke({"messages": [asked]}, CONFIG))
    assert "a message holds image" in request["reason"] and scorer.calls == []
    assert request["question"] == "Which city is this?"


def test_a_pipelines_prompt_is_not_scored_as_its_answer(tiny_full_text_chat, tiny_estimator):
    gate = ConfidenceGateMiddleware(tiny_estimator, policy=Policy(1.0))
    agent = create_agent(tiny_full_text_chat, middleware=[gate], checkpointer=InMemorySaver())
    request = request_in(agent.invoke(QUESTION, CONFIG))
    asked = [{"role": "user", "content": "Capital of Australia?"}]
    answer = request["answer"].removeprefix(tiny_estimator.model.render(asked)).strip()
    assert answer != request["answer"]
    assert request["confidence"]["value"] == pytest.approx(tiny_estimator.score(asked, answer).value)


def test_without_an_estimator_the_request_says_what_to_do():
    request = request_in(agent_of("Sydney", estimator=None, task="atlas").invoke(QUESTION, CONFIG))
    assert request["reason"] == UNSCORED.text and request["task"] == "atlas" and request["confidence"]["value"] is None


def test_a_real_estimator_scores_into_plain_json(estimator):
    agent = agent_of("Sydney", estimator=estimator, policy=Policy(1.0))
    request = request_in(agent.invoke(QUESTION, CONFIG))
    assert 0 <= request["confidence"]["value"] <= 1 and json.dumps(request)
    assert texts(agent.invoke(Command(resume={"type": "approve"}), CONFIG))[-1] == "Sydney"


@pytest.mark.parametrize("gates_own", [None, "the same"])
def test_a_model_with_confidence_is_not_scored_twice(gates_own):
    scorer = FakeEstimator(Sydney=0.3)
    model = with_confidence(Scripted(says=["Sydney"]), estimator=scorer, task="wrapped")
    agent = agent_of(model=model, estimator=scorer if gates_own else None)
    request = request_in(agent.invoke(QUESTION, CONFIG))
    assert len(scorer.calls) == 1 and request["confidence"]["value"] == 0.3 and request["task"] == "wrapped"
    assert payload_of(agent.get_state(CONFIG).values["messages"][-1])["model"] == "fake"


@tool
def capital(country: str) -> str:
    """Look up a capital."""
    return f"Canberra, of {country}"


CALL = AIMessage("Let me look.", tool_calls=[{"name": "capital", "args": {"country": "Australia"}, "id": "1"}])


def test_tool_calls_are_never_gated(store):
    scorer = FakeEstimator(Sydney=0.3)
    agent = agent_of(CALL, "Sydney", tools=[capital], estimator=scorer, store=store)
    result = agent.invoke(QUESTION, CONFIG)
    _, call, told, answer = result["messages"]
    assert "thermolang" not in call.response_metadata and told.content == "Canberra, of Australia"
    assert request_in(result)["answer"] == answer.content == "Sydney"
    assert [call[1] for call in scorer.calls] == ["Sydney"] and store.counts()["pending"] == 1


def test_a_rejected_agent_may_use_its_tools_before_it_answers_again():
    agent = agent_of("Sydney", CALL, "Canberra", tools=[capital])
    agent.invoke(QUESTION, CONFIG)
    result = agent.invoke(Command(resume={"type": "reject", "message": "Look it up."}), CONFIG)
    assert [m.type for m in result["messages"]] == ["human", "ai", "human", "ai", "tool", "ai"]
    assert texts(result)[-1] == "Canberra"


def test_one_message_that_is_given_out_twice_is_marked_once_each():
    shared = AIMessage("Sydney")
    agent = agent_of(shared)
    agent.invoke(QUESTION, CONFIG)
    agent.invoke(Command(resume={"type": "approve"}), CONFIG)
    assert shared.response_metadata == {}


def test_an_answer_of_another_middleware_is_doubtful():
    class Canned(AgentMiddleware):
        def after_model(self, state, runtime):
            return {"messages": [AIMessage("We are closed.")]}

    request = request_in(agent_of("Canberra", others=[Canned()]).invoke(QUESTION, CONFIG))
    assert request["answer"] == "We are closed." and "carries no confidence" in request["reason"]


def test_the_confidence_survives_in_the_state():
    agent = agent_of("Sydney")
    agent.invoke(QUESTION, CONFIG)
    agent.invoke(Command(resume={"type": "edit", "answer": "Canberra"}), CONFIG)
    confidence, payload = read(agent.get_state(CONFIG).values["messages"][-1])
    assert confidence == Confidence(0.3, task="capitals").because(EDITED) and payload["review"]["action"] == "edit"


@needs_async_interrupts
async def test_async_agents_score_off_the_event_loop():
    scorer = FakeEstimator(Sydney=0.3, Canberra=0.9)
    agent = agent_of("Sydney", "Canberra", estimator=scorer)
    result = await agent.ainvoke(QUESTION, CONFIG)
    (pending,) = result["__interrupt__"]
    assert scorer.calls[0][3] is not threading.main_thread()
    result = await agent.ainvoke(Command(resume={pending.id: {"type": "reject"}}), CONFIG)
    assert texts(result) == ["Capital of Australia?", "Sydney", TRY_AGAIN, "Canberra"]


@needs_async_interrupts
async def test_async_threads_wait_and_are_answered_at_once(store):
    scorer = FakeEstimator(Sydney=0.3)
    agent = agent_of("Sydney", estimator=scorer, store=store)
    configs = [{"configurable": {"thread_id": str(n)}} for n in range(5)]
    await asyncio.gather(*(agent.ainvoke(QUESTION, config) for config in configs))
    assert store.counts()["pending"] == len(scorer.calls) == 5
    with pytest.raises(ValidationError):
        await agent.ainvoke(Command(resume={"type": "maybe"}), configs[0])
    edit = Command(resume={"type": "edit", "answer": "Canberra"})
    results = await asyncio.gather(*(agent.ainvoke(edit, config) for config in configs))
    assert {texts(r)[-1] for r in results} == {"Canberra"} and len(scorer.calls) == 5


async def test_async_confident_answers_pass():
    result = await agent_of("Canberra").ainvoke(QUESTION, CONFIG)
    assert payload_of(result["messages"][-1])["decision"]["action"] == "accept"


def test_without_langchain_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "thermolang.langchain.agents")
    monkeypatch.setitem(sys.modules, "langchain", None)
    with pytest.raises(MissingExtraError, match=r'pip install "thermolang\[agents\]"'):
        importlib.import_module("thermolang.langchain.agents")
