"""Chat models and estimators that need no weights, and a ChatHuggingFace over tiny ones."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate

from tests.fakes import FakeModel, chat_huggingface
from thermolang import ReviewStore
from thermolang.estimator import ConfidenceEstimator


class Echo(BaseChatModel):
    """Answers with what was asked; a question with "boom" in it fails."""

    says: str = "{}!"

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages, stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        asked = str(messages[-1].text)
        if "boom" in asked:
            raise RuntimeError("the model broke")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.says.format(asked)))])


@pytest.fixture(scope="session")
def calibrator(calibrator_for):
    return calibrator_for(FakeModel())


@pytest.fixture
def estimator(calibrator, fake_model):
    return ConfidenceEstimator(fake_model, calibrator, state_dir=None)


@pytest.fixture
def chat():
    return Echo()


@pytest.fixture
def prompt():
    return ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'review.db'}"


@pytest.fixture
def store(url):
    with ReviewStore(url) as store:
        yield store


@pytest.fixture(scope="session")
def tiny_chat(tiny_model):
    """A local ChatHuggingFace as users build it."""
    return chat_huggingface(tiny_model)


@pytest.fixture(scope="session")
def tiny_estimator(tiny_model, calibrator_for):
    return ConfidenceEstimator(tiny_model, calibrator_for(tiny_model, sources=("self_check",)), state_dir=None)


@pytest.fixture(scope="session")
def tiny_full_text_chat(tiny_model):
    """The same with the pipeline's default: the prompt comes back in front of the answer."""
    from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
    from transformers import pipeline

    pipe = pipeline(
        "text-generation", model=tiny_model.model, tokenizer=tiny_model.tokenizer, do_sample=False, max_new_tokens=32
    )
    return ChatHuggingFace(llm=HuggingFacePipeline(pipeline=pipe), tokenizer=tiny_model.tokenizer)
