"""Tags and calls of a family's own are a row each, and everything follows them; docs/extending.md quotes this file."""

import json

import pytest

from tests.fakes import says, tiny_tokenizer
from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel
from thermolang.errors import ModelError
from thermolang.models import families, tool_calls
from thermolang.models.chat_template import final_answer
from thermolang.models.decoding import Sampling
from thermolang.models.families import Family, ThinkingTags
from thermolang.models.tool_calls import CallForm, parse, visible
from thermolang.types import Generation

NORTH = Family(
    "north",
    marks=("[TURN]",),
    thinking=ThinkingTags("[WHY]", "[/WHY]"),
    no_thinking={"reasons": "off"},
)


def named_objects(text, schemas):
    """Calls written as one JSON object of arguments by name."""
    return list(json.loads(text).items())


NORTH_CALLS = CallForm("[CALLS]", "[/CALLS]", named_objects)

TEMPLATE = (
    "{% if functions %}{{ functions | map(attribute='function.name') | join }} may be called\n{% endif %}"
    "{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "[TURN]{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}[TURN]assistant\n{% if reasons == 'off' %}[WHY]{% endif %}{% endif %}"
)

WHY = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
CALLING = 'Wait. [CALLS]{"weather": {"city": "Oslo"}, "time": {}}[/CALLS]'
TOOL = {"type": "function", "function": {"name": "weather"}}
CALLS = [("weather", {"city": "Oslo"}), ("time", {})]


@pytest.fixture
def model(tiny_model, monkeypatch):
    monkeypatch.setattr(families, "FAMILIES", [NORTH, *families.FAMILIES])
    monkeypatch.setattr(tool_calls, "CALL_FORMS", [NORTH_CALLS, *tool_calls.CALL_FORMS])
    return LocalModel(tiny_model.model, tiny_tokenizer(template=TEMPLATE), name="north")


def weather(city: str) -> str:
    """Weather of a city."""
    return f"rain in {city}"


def test_it_is_recognised_from_the_template(model, tiny_model):
    assert model.family is NORTH
    assert tiny_model.family.name == "default"
    assert (model.rules.system, model.rules.alternates, model.rules.tools) == ("none", True, "functions")


def test_prompts_follow_its_rules(model):
    first = "[TURN]user\nBe brief.\n\nWhy?<|im_end|>\n"
    assert model.render(WHY) == f"{first}[TURN]assistant\n"
    assert model.render(WHY, at_once=True) == f"{first}[TURN]assistant\n[WHY]\n\n[/WHY]\n\n"
    assert model.render(WHY, tools=[TOOL]).startswith("weather may be called\n")
    with pytest.raises(ModelError, match="begins with the user's turn"):
        model.render([{"role": "assistant", "content": "Because."}, {"role": "user", "content": "Why?"}])


def test_it_answers_and_checks_itself(model):
    answer = model.generate(WHY, max_new_tokens=5)
    assert len(answer.token_ids) == 5
    check = model.self_check(WHY, answer)
    assert check.cache_reused and check.options == ("yes", "no")


def test_its_thoughts_are_no_part_of_the_answer(model, calibrator_for):
    assert final_answer("[WHY]France.[/WHY]Paris", NORTH) == "Paris"
    thought, plain = (model.self_check(WHY, text) for text in ("[WHY]France.[/WHY]Paris", "Paris"))
    assert thought.logits == pytest.approx(plain.logits)
    with pytest.raises(ModelError, match="still thinking"):
        model.self_check(WHY, "[WHY]France, or")
    estimator = ConfidenceEstimator(model, calibrator_for(model), state_dir=None)
    assert "still thinking" in estimator.score(WHY, "[WHY]A, or", choices=["A", "B"]).reason


def test_a_choice_is_scored_after_its_thoughts(model):
    text = "[WHY]B, surely.[/WHY] B"
    prompt = model.encode(model.render(WHY))
    answer = model.generate(WHY, max_new_tokens=1)
    ids = model.encode(text)
    scores = model.choice_logits(WHY, ["A", "B"], Generation(text, tuple(ids), (), "stop", 0, answer.cache))
    options = model.option_ids([("A",), ("B",)], names=["A", "B"])
    (whole,) = model.read([prompt + model.encode("[WHY]B, surely.[/WHY]")], [options], [("A", "B")])
    assert scores.logits == pytest.approx(whole.logits, abs=1e-4)


def test_its_tool_calls_are_found(model, monkeypatch):
    assert parse(CALLING, NORTH).calls == CALLS
    assert parse("[CALLS]soon", NORTH).broken == ["soon"]
    assert parse(f"[WHY]{CALLING}[/WHY]So.", NORTH).calls == []
    says(model, monkeypatch, CALLING)
    message = ChatThermolang(local=model).bind_tools([weather]).invoke("Weather in Oslo?")
    assert message.content == "Wait."
    assert [(call["name"], call["args"]) for call in message.tool_calls] == CALLS


def test_a_stream_shows_nothing_of_its_tool_calls(model, monkeypatch):
    assert all("Wait.".startswith(visible(CALLING[:n], NORTH)) for n in range(len(CALLING) + 1))
    says(model, monkeypatch, CALLING)
    *pieces, answer = model.stream(WHY, Sampling(), tools=[TOOL])
    assert ("".join(pieces), answer.text) == ("Wait.", CALLING)
    chunks = list(ChatThermolang(local=model).bind_tools([weather]).stream("Weather in Oslo?"))
    assert "".join(chunk.content for chunk in chunks) == "Wait."
    assert [call["name"] for call in sum(chunks[1:], chunks[0]).tool_calls] == ["weather", "time"]
