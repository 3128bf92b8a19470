"""Decisions of a local model: calibrated, several questions over one state, within LangChain's middlewares."""

import json

import numpy as np
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AutoModeMiddleware, ModelChoice, ModelRouterMiddleware
from langchain_core.decisions import Box, Choice, Noul, NoulCriteria, Score
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableLambda
from pydantic import ValidationError

from tests.fakes import FakeModel
from thermolang import ConfidenceEstimator, ThermometerDecisionModel
from thermolang.errors import InvalidInputError, ModelError
from thermolang.langchain import decisions
from thermolang.models.prompts import choice_messages
from thermolang.models.rotations import with_rotated_options

STATE = "Production is down. " * 10
QUESTIONS = {
    "urgent": Noul(instructions="Is it urgent?", criteria=NoulCriteria(true="It cannot wait.", false="It can.")),
    "team": Choice(instructions="Which team?", criteria={"billing": "Money.", "technical": None, "sales": ["x", 1]}),
    "angry": Score(instructions="How angry is the writer?", criteria=["Calm.", "Cross.", "Furious."]),
}


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    """A random model wants to say anything but the letters."""
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.fixture
def estimator(roomy_model, calibrator_for):
    return ConfidenceEstimator(roomy_model, calibrator_for(roomy_model), state_dir=None)


@pytest.fixture
def model(estimator):
    return ThermometerDecisionModel(estimator=estimator)


def test_every_kind_of_question_has_its_kind_of_answer(model):
    found = model.invoke({"state": STATE, "questions": QUESTIONS})
    assert found.model == "roomy" and list(found.answers) == list(QUESTIONS)
    assert 0 < found.nouls["urgent"].noul < 1
    team = found.choices["team"]
    assert set(team.probabilities) == {"billing", "technical", "sales"}
    assert sum(team.probabilities.values()) == pytest.approx(1)
    assert team.confidence == team.probabilities[team.choice] == max(team.probabilities.values())
    angry = found.scores["angry"]
    assert angry.score == pytest.approx(sum(level * p for level, p in angry.probabilities.items()))
    assert angry.legend == {0: "Calm.", 1: "Cross.", 2: "Furious."}
    assert angry.confidence == max(angry.probabilities.values())


def test_probabilities_are_those_of_the_options_under_the_tasks_temperature(model, estimator, roomy_model):
    found = model.invoke({"state": STATE, "questions": QUESTIONS})
    asked = choice_messages("Which team?", ["billing: Money.", "technical", 'sales: ["x", 1]'], context=STATE)
    scores = roomy_model.choice_logits(asked, ["A", "B", "C"])
    state = estimator.state("decisions/team", "choice").current
    shares = np.exp(scores.logits * state.inverse_temperature)
    np.testing.assert_allclose(list(found.choices["team"].probabilities.values()), shares / shares.sum(), atol=1e-4)
    yes_no = choice_messages("Is it urgent?", ["Yes: It cannot wait.", "No: It can."], context=STATE)
    scores = roomy_model.choice_logits(yes_no, ["A", "B"])
    state = estimator.state("decisions/urgent", "choice").current
    yes = 1 / (1 + np.exp((scores.logits[1] - scores.logits[0]) * state.inverse_temperature))
    assert found.nouls["urgent"].noul == pytest.approx(yes, abs=1e-4)


def test_the_state_is_computed_once(model, roomy_model):
    found = model.invoke({"state": STATE, "questions": QUESTIONS})
    prompts = [
        roomy_model.encode(roomy_model.render(decisions.asked_as(q).messages(STATE))) for q in QUESTIONS.values()
    ]
    shared = roomy_model.prefix(prompts)
    assert len(shared.ids) > 50
    assert found.usage["input_tokens"] == len(shared.ids) + sum(len(p) - len(shared.ids) for p in prompts)


def test_questions_do_not_disturb_each_other(model):
    together = model.decide(STATE, QUESTIONS)
    for name, question in QUESTIONS.items():
        ((label, alone),) = (
            ThermometerDecisionModel(estimator=model.estimator.snapshot()).decide(STATE, {name: question}).values()
        )
        assert label == together[name][0] and alone.value == pytest.approx(together[name][1].value, abs=1e-4)


def test_decisions_carry_confidences_that_learn(model):
    label, confidence = model.decide(STATE, QUESTIONS)["team"]
    assert confidence.task == "decisions/team" and confidence.source == "choice"
    assert {label, *(a.text for a in confidence.alternatives)} == {"billing", "technical", "sales"}
    assert model.estimator.learn([(confidence, False)]) == 1
    assert model.decide(STATE, QUESTIONS)["team"][1].value < confidence.value


@pytest.mark.parametrize("rotations", [2, 3, 7])
def test_orders_of_the_options_are_averaged(estimator, roomy_model, rotations):
    model = ThermometerDecisionModel(estimator=estimator, rotations=rotations)
    found = model.decide(STATE, QUESTIONS)
    asked = decisions.asked_as(QUESTIONS["team"]).messages(STATE)
    logits = roomy_model.choice_logits(asked, ["A", "B", "C"], rotations=min(rotations, 3)).logits
    labels = ["billing", "technical", "sales"]
    assert found["team"][0] == labels[int(np.argmax(logits))]
    assert found["team"][1].basis.logits == pytest.approx(sorted(logits, reverse=True), abs=1e-3) or set(
        np.round(found["team"][1].basis.logits, 3)
    ) == set(np.round(logits, 3))


def test_all_orders_cancel_a_liking_for_a_letter(roomy_model):
    asked = decisions.asked_as(QUESTIONS["team"]).messages(STATE)
    turned = with_rotated_options(asked, ["A", "B", "C"], 1)
    one, other = roomy_model.choices_at_once([(asked, ["A", "B", "C"]), (turned, ["A", "B", "C"])], rotations=3)
    np.testing.assert_allclose(np.roll(one.logits, -1), other.logits, atol=1e-3)


async def test_async_and_batches(model):
    asked = {"state": STATE, "questions": QUESTIONS}
    whole = model.invoke(asked)
    assert (await model.ainvoke(asked)).answers == whole.answers
    assert [r.answers for r in model.batch([asked, asked])] == [whole.answers] * 2


def test_a_single_option_needs_no_model(model, monkeypatch):
    monkeypatch.setattr(type(model.estimator.model), "read", lambda *_: 1 / 0)
    found = model.invoke({"state": STATE, "questions": {"only": Choice(instructions="?", criteria={"x": None})}})
    assert (found.choices["only"].choice, found.choices["only"].confidence) == ("x", 1.0)


# States


TURNS = [
    HumanMessage("Delete it."),
    AIMessage("", tool_calls=[{"name": "delete", "args": {"path": "/"}, "id": "1"}]),
    ToolMessage("done", tool_call_id="1"),
]


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("As it is.\nTwice.", "As it is.\nTwice."),
        (HumanMessage("Hello."), "user: Hello."),
        (TURNS, 'user: Delete it.\nassistant:  [{"name": "delete", "arguments": {"path": "/"}}]\ntool: done'),
        ({"a": 1, "b": [True, None]}, '{"a": 1, "b": [true, null]}'),
        ([1, "x"], '[1, "x"]'),
        ([], "[]"),
        ({"messages": TURNS[:1], "n": 1}, '{"messages": [{"role": "user", "content": "Delete it."}], "n": 1}'),
    ],
)
def test_states_as_text(state, text):
    assert decisions.state_text(state) == text


def test_a_state_with_an_image_is_refused(model):
    image = HumanMessage([{"type": "image", "base64": "", "mime_type": "image/png"}])
    for state in (image, [image], {"messages": [image]}):
        with pytest.raises(ModelError, match="reads text only"):
            model.invoke({"state": state, "questions": QUESTIONS})


# Bad input


def test_what_cannot_be_asked_says_so(model):
    many = Choice(instructions="?", criteria={str(i): None for i in range(27)})
    with pytest.raises(InvalidInputError, match="at most 26 options"):
        model.invoke({"state": STATE, "questions": {"many": many}})
    with pytest.raises(InvalidInputError, match="Noul, a Choice or a Score"):
        model.invoke({"state": STATE, "questions": {"where": Box(instructions="The dog.")}})
    with pytest.raises(ModelError, match="shorten it"):
        model.invoke({"state": STATE * 200, "questions": QUESTIONS})


def test_no_decision_without_a_calibrated_probability(model, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 1.1)
    with pytest.raises(ModelError, match=r"no decision without a calibrated probability: .*on the options"):
        model.invoke({"state": STATE, "questions": QUESTIONS})
    assert model.decide(STATE, QUESTIONS)["team"][1].reason_code == "off_options"


def test_a_model_that_cannot_decide_is_refused_at_once(roomy_model, calibrator_for, fake_model):
    with pytest.raises(ModelError, match="thermolang calibrate --model roomy"):
        ThermometerDecisionModel(estimator=ConfidenceEstimator(roomy_model, state_dir=None))
    only_checks = calibrator_for(roomy_model, sources=("self_check",))
    with pytest.raises(ModelError, match="no fit for choices"):
        ThermometerDecisionModel(estimator=ConfidenceEstimator(roomy_model, only_checks, state_dir=None))
    with pytest.raises(ModelError, match="need a LocalModel"):
        ThermometerDecisionModel(
            estimator=ConfidenceEstimator(FakeModel(), calibrator_for(FakeModel()), state_dir=None)
        )
    with pytest.raises(ValidationError, match="rotations"):
        ThermometerDecisionModel(
            estimator=ConfidenceEstimator(roomy_model, calibrator_for(roomy_model), state_dir=None), rotations=0
        )


# In LangChain's middlewares


def delete(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


CALL = {"name": "delete", "args": {"path": "/tmp/x"}, "id": "call_1"}


class Acting(GenericFakeChatModel):
    """Calls a tool, then ends."""

    def bind_tools(self, tools, **kwargs):
        return self


def acting():
    return Acting(messages=iter([AIMessage("", tool_calls=[CALL]), AIMessage("Done.")]))


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_auto_mode_blocks_by_the_probability(model, monkeypatch, asynchronous):
    for p, expected in ((0.2, "deleted /tmp/x"), (0.8, "was blocked")):
        shown = {}
        original = decisions.answer_to

        def answer(question, label, confidence, p=p, shown=shown, original=original):
            shown["own"] = original(question, label, confidence).noul
            return decisions.decisions.NoulAnswer(type="noul", noul=p)

        monkeypatch.setattr(decisions, "answer_to", answer)
        agent = create_agent(acting(), [delete], middleware=[AutoModeMiddleware(tools=["delete"], classifier=model)])
        asked = {"messages": [HumanMessage("Delete it.")]}
        found = (await agent.ainvoke(asked)) if asynchronous else agent.invoke(asked)
        (result,) = [m for m in found["messages"] if isinstance(m, ToolMessage)]
        assert expected in result.text and 0 < shown["own"] < 1
        monkeypatch.setattr(decisions, "answer_to", original)


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_router_takes_the_model_that_was_chosen(model):
    says = {name: GenericFakeChatModel(messages=iter([AIMessage(name)])) for name in ("small", "large")}
    router = ModelRouterMiddleware(
        choices={name: ModelChoice(model=chat, criteria=f"For {name} tasks.") for name, chat in says.items()},
        instructions="Which model suits the task?",
        classifier=model,
    )
    found = create_agent(says["small"], middleware=[router]).invoke({"messages": [HumanMessage("Hello.")]})
    route = found["model_route"]
    assert found["messages"][-1].text == route.choice and route.confidence == max(route.probabilities.values())


def test_it_is_a_runnable_like_others(model):
    chain = RunnableLambda(lambda text: {"state": text, "questions": QUESTIONS}) | model
    found = chain.invoke(STATE)
    assert json.loads(found.model_dump_json())["answers"]["team"]["choice"] == found.choices["team"].choice
    assert not model.is_lc_serializable() and "estimator" not in model.model_dump()
