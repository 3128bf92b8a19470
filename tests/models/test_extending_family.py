"""A model family is added with one row of the table, and everything follows it; docs/extending.md quotes this file."""

import json

import pytest

from tests.fakes import tiny_tokenizer
from thermolang import ChatThermolang, ConfidenceEstimator, LocalModel
from thermolang.errors import ModelError
from thermolang.models import families
from thermolang.models.chat_template import final_answer, parse, visible
from thermolang.models.decoding import Sampling
from thermolang.models.families import Family, ThinkingTags, ToolSyntax
from thermolang.types import Generation


def json_list(text):
    """Calls written as one JSON list."""
    return [(call["name"], call["arguments"]) for call in json.loads(text)]


NORTH = Family(
    "north",
    marks=("[TURN]",),
    thinking=ThinkingTags("[THINK]", "[/THINK]"),
    tools=ToolSyntax(begin="[CALLS]", end="", parse=json_list, variable="functions"),
    system_role=False,
    alternates=True,
    no_thinking={"thinking": "off"},
)

TEMPLATE = (
    "{% if functions %}{{ functions | length }} functions\n{% endif %}"
    "{% for m in messages %}"
    "{% if m.role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "[TURN]{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}[TURN]assistant\n{% if thinking == 'off' %}[THINK]{% endif %}{% endif %}"
)

WHY = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
CALLING = 'Wait. [CALLS][{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "time", "arguments": {}}]'
CALLS = [("weather", {"city": "Oslo"}), ("time", {})]


@pytest.fixture
def model(tiny_model, monkeypatch):
    monkeypatch.setattr(families, "FAMILIES", [NORTH, *families.FAMILIES])
    return LocalModel(tiny_model.model, tiny_tokenizer(template=TEMPLATE), name="north")


def weather(city: str) -> str:
    """Weather of a city."""
    return f"rain in {city}"


def says(model, monkeypatch, text):
    """Let the model say a text, whatever it is asked, a token at a time."""
    ids = model.encode(text)

    def answers(rows, prefixes=(), *, first=False):
        for n in range(1, len(ids) + 1):
            for row in rows:
                row.token_ids, row.logprobs = ids[:n], [-0.1] * n
                row.finish_reason = "length" if n == len(ids) else ""
            yield

    monkeypatch.setattr(model.scheduler, "answers", answers)


def test_it_is_recognised_from_the_template(model, tiny_model):
    assert model.family is NORTH
    assert tiny_model.family.name == "chatml"


def test_prompts_follow_its_rules(model):
    first = "[TURN]user\nBe brief.\n\nWhy?<|im_end|>\n"
    assert model.render(WHY) == f"{first}[TURN]assistant\n"
    assert model.render(WHY, at_once=True) == f"{first}[TURN]assistant\n[THINK]\n\n[/THINK]\n\n"
    assert model.render(WHY, tools=[{"name": "weather"}]).startswith("1 functions\n")
    with pytest.raises(ModelError, match="roles must alternate"):
        model.render([{"role": "assistant", "content": "Because."}, {"role": "user", "content": "Why?"}])


def test_it_answers_and_checks_itself(model):
    answer = model.generate(WHY, max_new_tokens=5)
    assert len(answer.token_ids) == 5
    check = model.self_check(WHY, answer)
    assert check.cache_reused and check.options == ("yes", "no")


def test_its_thoughts_are_no_part_of_the_answer(model, calibrator_for):
    assert final_answer("[THINK]France.[/THINK]Paris", NORTH) == "Paris"
    thought, plain = (model.self_check(WHY, text) for text in ("[THINK]France.[/THINK]Paris", "Paris"))
    assert thought.logits == pytest.approx(plain.logits)
    with pytest.raises(ModelError, match="still thinking"):
        model.self_check(WHY, "[THINK]France, or")
    estimator = ConfidenceEstimator(model, calibrator_for(model), state_dir=None)
    assert "still thinking" in estimator.score(WHY, "[THINK]A, or", choices=["A", "B"]).reason


def test_a_choice_is_scored_after_its_thoughts(model):
    text = "[THINK]B, surely.[/THINK] B"
    prompt = model.encode(model.render(WHY))
    answer = model.generate(WHY, max_new_tokens=1)
    ids = model.encode(text)
    scores = model.choice_logits(WHY, ["A", "B"], Generation(text, tuple(ids), (), "stop", 0, answer.cache))
    options = model.option_ids([("A",), ("B",)], names=["A", "B"])
    (whole,) = model.read([prompt + model.encode("[THINK]B, surely.[/THINK]")], [options], [("A", "B")])
    assert scores.logits == pytest.approx(whole.logits, abs=1e-4)


def test_its_tool_calls_are_found(model, monkeypatch):
    assert parse(CALLING, NORTH).calls == CALLS
    assert parse("[CALLS]soon", NORTH).broken == ["soon"]
    says(model, monkeypatch, CALLING)
    message = ChatThermolang(local=model).bind_tools([weather]).invoke("Weather in Oslo?")
    assert message.content == "Wait."
    assert [(call["name"], call["args"]) for call in message.tool_calls] == CALLS


def test_a_stream_shows_nothing_of_its_tool_calls(model, monkeypatch):
    assert all("Wait.".startswith(visible(CALLING[:n], NORTH)) for n in range(len(CALLING) + 1))
    says(model, monkeypatch, CALLING)
    *pieces, answer = model.stream(WHY, Sampling(), tools=[{"name": "weather"}])
    assert ("".join(pieces), answer.text) == ("Wait.", CALLING)
    chunks = list(ChatThermolang(local=model).bind_tools([weather]).stream("Weather in Oslo?"))
    assert "".join(chunk.content for chunk in chunks) == "Wait."
    assert [call["name"] for call in sum(chunks[1:], chunks[0]).tool_calls] == ["weather", "time"]
