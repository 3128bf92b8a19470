"""LangChain's standard tests on ChatHuggingFace over a local pipeline: the same model, template and questions as ours.

Run by ``standard_tests.py``; the name keeps it out of the project's own tests.
"""

import pytest
import torch
from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from transformers import pipeline

from tests.chat_templates import BRIEF
from tests.langchain.test_standard import Asked
from thermolang import LocalModel


@pytest.fixture(scope="session")
def llm_and_tokenizer():
    local = LocalModel.load("smollm2-135m", device="cpu", dtype=torch.float32)
    local.tokenizer.chat_template = BRIEF
    options = {"return_full_text": False, "do_sample": False, "max_new_tokens": 64}
    pipe = pipeline("text-generation", model=local.model, tokenizer=local.tokenizer, **options)
    return HuggingFacePipeline(pipeline=pipe, model_id=local.name), local.tokenizer


class _OnThePackagedModel(Asked):
    @pytest.fixture(autouse=True)
    def _model(self, llm_and_tokenizer):
        type(self).parts = llm_and_tokenizer

    @property
    def chat_model_class(self):
        return ChatHuggingFace

    @property
    def chat_model_params(self):
        return {"llm": self.parts[0], "tokenizer": self.parts[1]}


class TestUnit(_OnThePackagedModel, ChatModelUnitTests):
    pass


class TestIntegration(_OnThePackagedModel, ChatModelIntegrationTests):
    pass
