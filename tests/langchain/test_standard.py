"""LangChain's own standard tests, on ChatThermolang over the packaged model."""

import copy

import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from tests.chat_templates import BRIEF
from thermolang import ChatThermolang, LocalModel

pytestmark = [
    pytest.mark.model,
    # Warnings of the suite's own: it uses deprecated names of LangChain and of its plugins.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def brief_model(packaged_model):
    """The packaged model with a template that has a place for tools, which its own has not."""
    packaged = packaged_model(torch.float32)
    tokenizer = copy.deepcopy(packaged.tokenizer)
    tokenizer.chat_template = BRIEF
    return LocalModel(packaged.model, tokenizer, name=packaged.name)


class Asked:
    """What the suite is told to ask for, here and of ChatHuggingFace by ``benchmarks/standard_tests.py``."""

    @property
    def has_tool_calling(self):
        return True

    @property
    def has_tool_choice(self):
        return True

    @property
    def supports_json_mode(self):
        return True

    @property
    def supports_model_override(self):
        return False  # one instance is one model

    def pytest_generate_tests(self, metafunc):
        # Once is enough: the two ways differ in what the model is told and in how its answer is read.
        if metafunc.function.__name__ == "test_structured_output":
            metafunc.parametrize("method", ["json_schema", "function_calling"], indirect=True)

    @pytest.fixture(autouse=True)
    def method(self, request):
        """How structured output is asked for."""
        self.method = getattr(request, "param", "json_schema")

    @property
    def structured_output_kwargs(self):
        return {"method": self.method}


class _OnThePackagedModel(Asked):
    """The model is shared, so nothing is loaded twice."""

    @pytest.fixture(autouse=True)
    def _model(self, brief_model):
        self.local = brief_model

    @property
    def chat_model_class(self):
        return ChatThermolang

    @property
    def chat_model_params(self):
        return {"local": self.local}


class TestUnit(_OnThePackagedModel, ChatModelUnitTests):
    pass


class TestIntegration(_OnThePackagedModel, ChatModelIntegrationTests):
    @property
    def chat_model_params(self):
        return {"local": self.local, "max_tokens": 64}

    @pytest.mark.xfail(raises=AssertionError, reason="free to call a tool or not, so small a model answers in words")
    @pytest.mark.parametrize("model", [{}, {"output_version": "v1"}], indirect=True)
    def test_agent_loop(self, model):
        super().test_agent_loop(model)

    @pytest.mark.parametrize("model", [{}, {"output_version": "v1"}], indirect=True)
    def test_agent_loop_whose_first_call_is_demanded(self, model):
        @tool
        def get_weather(location: str) -> str:
            """Get the weather at a location."""
            return f"It's sunny in {location}."

        asked = HumanMessage("What is the weather in San Francisco, CA?")
        called = model.bind_tools([get_weather], tool_choice="any").invoke([asked])
        assert [block["type"] for block in called.content_blocks] == ["tool_call"]
        result = get_weather.invoke(called.tool_calls[0])
        assert "San Francisco" in result.text
        answer = model.bind_tools([get_weather]).invoke([asked, called, result])
        assert isinstance(answer, AIMessage) and answer.text and not answer.tool_calls
