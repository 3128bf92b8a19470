"""LangChain's standard tests on ChatHuggingFace over a local pipeline, as lenient as they can be set; many fail.

Run by ``standard_tests.py``; the name keeps it out of the project's own tests.
"""

import pytest
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from transformers import pipeline

from thermolang import LocalModel


@pytest.fixture(scope="session")
def llm_and_tokenizer():
    local = LocalModel.load("smollm2-135m")
    options = {"return_full_text": False, "do_sample": False, "max_new_tokens": 24}
    pipe = pipeline("text-generation", model=local.model, tokenizer=local.tokenizer, **options)
    return HuggingFacePipeline(pipeline=pipe, model_id=local.name), local.tokenizer


class _OnThePackagedModel:
    @pytest.fixture(autouse=True)
    def _model(self, llm_and_tokenizer):
        type(self).parts = llm_and_tokenizer

    @property
    def chat_model_class(self):
        return ChatHuggingFace

    @property
    def chat_model_params(self):
        return {"llm": self.parts[0], "tokenizer": self.parts[1]}

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_structured_output(self):
        return False


class TestUnit(_OnThePackagedModel, ChatModelUnitTests):
    pass


class TestIntegration(_OnThePackagedModel, ChatModelIntegrationTests):
    @property
    def supports_model_override(self):
        return False
