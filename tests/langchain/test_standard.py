"""LangChain's own standard tests, on ChatThermolang over the packaged model."""

import pytest
import torch
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from thermolang import ChatThermolang

pytestmark = [
    pytest.mark.model,
    # Warnings of the suite's own: it uses deprecated names of LangChain and of its plugins.
    pytest.mark.filterwarnings("default"),
]


class _OnThePackagedModel:
    """What both classes need; the model is shared, so nothing is loaded twice."""

    @pytest.fixture(autouse=True)
    def _model(self, packaged_model):
        type(self).local = packaged_model(torch.float32)

    @property
    def chat_model_class(self):
        return ChatThermolang

    @property
    def chat_model_params(self):
        return {"local": self.local}

    @property
    def has_tool_calling(self):
        return False  # SmolLM2's chat template has no place for tools; tests/langchain/test_tools.py has one that does

    @property
    def has_structured_output(self):
        return False  # LangChain builds it on forced tool calls, and nothing forces a local model


class TestUnit(_OnThePackagedModel, ChatModelUnitTests):
    pass


class TestIntegration(_OnThePackagedModel, ChatModelIntegrationTests):
    @property
    def chat_model_params(self):
        return {"local": self.local, "max_tokens": 24}

    @property
    def supports_model_override(self):
        return False  # one instance is one model
