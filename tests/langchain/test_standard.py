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
        return False  # SmolLM2's chat template has no place for tools; TestTools gives it one


class TestUnit(_OnThePackagedModel, ChatModelUnitTests):
    pass


class TestIntegration(_OnThePackagedModel, ChatModelIntegrationTests):
    @property
    def chat_model_params(self):
        # Freely sampled: else so small a model repeats itself within a text until it is cut.
        return {"local": self.local, "temperature": 1.0, "max_tokens": 1024, "seed": 2}

    @property
    def supports_model_override(self):
        return False  # one instance is one model

    @property
    def supports_json_mode(self):
        return True
