"""Which turns a template takes is found by rendering, and conversations are put so."""

import copy
import logging

import pytest

from tests.chat_templates import KINDS
from tests.fakes import CHATML, tiny_tokenizer
from thermolang.errors import ModelError
from thermolang.models.chat_template import ChatTokenizer
from thermolang.models.tool_calls import HERMES
from thermolang.models.turns import CallStyle, TurnRules, check_results, placed, with_calls


@pytest.fixture(scope="session")
def bare_tokenizer():
    return tiny_tokenizer()


@pytest.fixture
def chat(bare_tokenizer, tiny_model):
    def made(template):
        tokenizer = copy.copy(bare_tokenizer)
        tokenizer.chat_template = template
        return ChatTokenizer(tiny_model.model, tokenizer, name="probed")

    return made


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


@pytest.mark.parametrize("name", KINDS)
def test_the_rules_of_a_family_are_found(chat, name):
    kind, rules = KINDS[name], chat(KINDS[name].template).rules
    assert (rules.system, rules.alternates, rules.tools, rules.calls) == (
        kind.system,
        kind.alternates,
        kind.tools,
        kind.calls,
    )
