"""A person is asked before risky tool calls, by a decision model's probability."""

import pytest
from langchain.agents import create_agent
from langchain_core.decisions import BaseDecisionModel, ClassifierResponse, NoulAnswer
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import Field

from thermolang import ConfidenceEstimator, ThermometerDecisionModel, ToolRiskMiddleware
from thermolang.errors import InvalidInputError, ModelError

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
THREAD = {"configurable": {"thread_id": "1"}}
ASKED = {"messages": [HumanMessage("Delete x, then look at y.")]}


class Risks(BaseDecisionModel):
    """Says one probability after the other, and notes what it was asked about."""

    says: list
    model: str = "risks"
    asked: list = Field(default_factory=list)

    @property
    def _provider(self):
        return "test"

    def _classify(self, state, questions):
        self.asked.append(state)
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        answers = {name: NoulAnswer(type="noul", noul=said) for name in questions}
        return ClassifierResponse(model="risks", answers=answers)


class Acting(GenericFakeChatModel):
    """Calls tools, then ends."""

    def bind_tools(self, tools, **kwargs):
        return self


def delete(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


def look(path: str) -> str:
    """Look at a file."""
    return f"saw {path}"


def calls(*named):
    return [{"name": name, "args": {"path": path}, "id": f"call_{path}"} for name, path in named]


def agent_with(classifier, *named, **options):
    says = iter([AIMessage("", tool_calls=calls(*named)), AIMessage("Done.")])
    gate = ToolRiskMiddleware(["delete"], classifier, **options)
    return create_agent(Acting(messages=says), [delete, look], middleware=[gate], checkpointer=InMemorySaver())


def results(found):
    return {m.tool_call_id: m.text for m in found["messages"] if isinstance(m, ToolMessage)}


async def run(agent, asked, asynchronous):
    return await agent.ainvoke(asked, THREAD) if asynchronous else agent.invoke(asked, THREAD)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_risky_call_waits_and_a_harmless_one_does_not(asynchronous):
    harmless = await run(agent_with(Risks(says=[0.2]), ("delete", "x")), ASKED, asynchronous)
    assert results(harmless) == {"call_x": "deleted x"}
    agent = agent_with(Risks(says=[0.8]), ("delete", "x"), ("look", "y"))
    waiting = await run(agent, ASKED, asynchronous)
    (request,) = waiting["__interrupt__"][0].value["action_requests"]
    assert request["name"] == "delete" and "probability of 80%" in request["description"]
    assert results(waiting) == {}
    decided = await run(agent, Command(resume={"decisions": [{"type": "approve"}]}), asynchronous)
    assert results(decided) == {"call_x": "deleted x", "call_y": "saw y"}


def test_what_was_rejected_is_not_called_though_the_classifier_changes_its_mind():
    agent = agent_with(classifier := Risks(says=[0.8, 0.0, 0.0]), ("delete", "x"))
    agent.invoke(ASKED, THREAD)
    found = agent.invoke(Command(resume={"decisions": [{"type": "reject", "message": "Keep it."}]}), THREAD)
    assert "Keep it." in results(found)["call_x"] and "deleted" not in results(found)["call_x"]
    assert len(classifier.asked) == 1


def test_each_of_several_calls_has_its_own_risk():
    agent = agent_with(Risks(says=[0.1, 0.9, 0.1]), ("delete", "a"), ("delete", "b"), ("delete", "c"))
    waiting = agent.invoke(ASKED, THREAD)
    (request,) = waiting["__interrupt__"][0].value["action_requests"]
    assert request["args"] == {"path": "b"}
    edit = {"type": "edit", "edited_action": {"name": "delete", "args": {"path": "z"}}}
    found = agent.invoke(Command(resume={"decisions": [edit]}), THREAD)
    told = results(found)
    assert told["call_a"] == "deleted a" and "deleted z" in told["call_b"] and told["call_c"] == "deleted c"


def test_a_risk_that_cannot_be_computed_is_asked_about():
    agent = agent_with(Risks(says=[ModelError("the calibrator is of another model")]), ("delete", "x"))
    (request,) = agent.invoke(ASKED, THREAD)["__interrupt__"][0].value["action_requests"]
    assert "the calibrator is of another model" in request["description"]


def test_a_risk_that_is_no_number_is_asked_about():
    class NotANumber(Risks):
        def _classify(self, state, questions):
            answers = {name: NoulAnswer.model_construct(type="noul", noul=float("nan")) for name in questions}
            return ClassifierResponse.model_construct(model="risks", answers=answers, usage=None)

    assert "__interrupt__" in agent_with(NotANumber(says=[]), ("delete", "x")).invoke(ASKED, THREAD)


def test_the_classifier_sees_the_call_and_what_was_said():
    classifier = Risks(says=[0.0])
    agent_with(classifier, ("delete", "x")).invoke(ASKED, THREAD)
    (state,) = classifier.asked
    assert state["tool_call"] == {"name": "delete", "args": {"path": "x"}}
    assert state["tool_description"] == "Delete a file." and state["messages"][0].text == "Delete x, then look at y."


def test_with_a_local_model(roomy_model, calibrator_for, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)  # a random model says anything but the letters
    estimator = ConfidenceEstimator(roomy_model, calibrator_for(roomy_model), state_dir=None)
    agent = agent_with(ThermometerDecisionModel(estimator=estimator), ("delete", "x"), threshold=0.0)
    (request,) = agent.invoke(ASKED, THREAD)["__interrupt__"][0].value["action_requests"]
    assert "risky with a probability of" in request["description"]


def test_bad_input_is_refused():
    with pytest.raises(InvalidInputError, match="tools is empty"):
        ToolRiskMiddleware([], Risks(says=[]))
    with pytest.raises(InvalidInputError, match=r"between 0 and 1, got 1\.5"):
        ToolRiskMiddleware(["delete"], Risks(says=[]), threshold=1.5)
