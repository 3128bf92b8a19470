"""Model families: which one a template belongs to, and what its fields do."""

import copy

import pytest

from tests.chat_templates import KINDS
from tests.fakes import CHATML
from thermolang.errors import ModelError
from thermolang.models.chat_template import final_answer
from thermolang.models.families import DEFAULT, FAMILIES, Family, family_of
from thermolang.models.scoring import check_language_only


@pytest.mark.parametrize(
    ("template", "name"),
    [(CHATML, "default"), (KINDS["granite-3"].template, "granite-3.2"), ("{{ messages }}", "default")],
)
def test_a_template_tells_its_family(template, name):
    assert family_of(template).name == name


def test_names_are_distinct_and_every_row_can_be_recognised():
    assert len({family.name for family in FAMILIES} | {DEFAULT.name}) == len(FAMILIES) + 1
    for family in FAMILIES:
        assert family.marks and family_of(" ".join(family.marks)) is family


def test_all_marks_must_be_there_and_the_first_family_wins(monkeypatch):
    general, special = Family("general", marks=("a",)), Family("special", marks=("a", "b"))
    monkeypatch.setattr("thermolang.models.families.FAMILIES", [special, general])
    assert [family_of(text).name for text in ("a", "ab", "b")] == ["general", "special", "default"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Paris ", "Paris"),
        ("<think>a</think>b</think> c", "c"),
        (" <think>a", None),
        ("a</think>", ""),
        ("I <think> so", "I <think> so"),
    ],
)
def test_the_answer_is_what_follows_the_thoughts(text, answer):
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("granite-3.2", "Here is my thought process: France. Here is my response: Paris"),
        ("granite-3.3", "<think>France</think><response>Paris</response>"),
        ("granite-3.3", "<response>Paris</response>"),
        ("granite-3.3", "<think>France</think><response>Paris"),
        ("magistral", "[THINK]France[/THINK]Paris"),
        ("command-r7b", "<|START_THINKING|>France<|END_THINKING|><|START_RESPONSE|>Paris<|END_RESPONSE|>"),
    ],
)
def test_what_stands_around_thoughts_and_answer_is_left_out(name, text):
    assert final_answer(text, next(family for family in FAMILIES if family.name == name)) == "Paris"


def test_a_family_may_read_images(tiny_model):
    model = copy.copy(tiny_model.model)
    model.config = copy.copy(tiny_model.model.config)
    model.config.vision_config = {"size": 1}
    check_language_only(model, Family("x", reads_images=True))
    with pytest.raises(ModelError, match="is a vision model"):
        check_language_only(model, DEFAULT)
