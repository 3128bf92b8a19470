"""with_confidence(mode=...): the same answer, the confidence of its meaning, and caches that tell modes apart."""

import pytest
from langchain_core.output_parsers import StrOutputParser

from tests.test_sampling import FIT
from thermolang.answers.equivalence import Equivalence
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.chat_model import ChatThermolang
from thermolang.langchain.messages import KEY
from thermolang.langchain.wrapper import with_confidence


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.fixture(scope="module")
def scorer(tiny_model, calibrator_for):
    calibrator = calibrator_for(tiny_model)
    calibrator.semantic = FIT
    return ConfidenceEstimator(tiny_model, calibrator, state_dir=None, equivalence=Equivalence(None))


@pytest.fixture(scope="module")
def chat(tiny_model):
    return ChatThermolang(local=tiny_model, max_tokens=6)


def told(message):
    return message.response_metadata[KEY]


@pytest.mark.parametrize("mode", ["thorough", "adaptive"])
def test_the_answer_is_the_same_and_the_confidence_that_of_its_meaning(chat, scorer, mode):
    plain = chat.invoke("Why?")
    message = with_confidence(chat, estimator=scorer, mode=mode, threshold=0.5, task="t").invoke("Why?")
    assert message.content == plain.content
    found = told(message)
    assert found["source"] in (("meaning",) if mode == "thorough" else ("meaning", "self_check"))
    assert 0 < found["value"] < 1
    assert message.response_metadata[KEY]["decision"]["threshold"] == 0.5


def test_every_way_to_call_gives_the_same_confidence(chat, scorer):
    careful = with_confidence(chat, estimator=scorer, mode="thorough", task="same")
    for text in ("Why?", "Who?"):
        careful.invoke(text)  # the task's temperature has seen both
    alone = told(careful.invoke("Why?"))
    batch = told(careful.batch(["Why?", "Who?"])[0])
    whole = None
    for chunk in careful.stream("Why?"):
        whole = chunk if whole is None else whole + chunk
    for other in (batch, told(whole)):
        assert other["value"] == pytest.approx(alone["value"], abs=1e-5)
        assert other["source"] == "meaning"
        assert [a["text"] for a in other["alternatives"]] == [a["text"] for a in alone["alternatives"]]


async def test_async_calls_sample_too(chat, scorer):
    found = await with_confidence(chat, estimator=scorer, mode="thorough").ainvoke("Why?")
    assert told(found)["source"] == "meaning"


def test_a_chain_says_the_mode_too(chat, scorer):
    chain = with_confidence(chat | StrOutputParser(), estimator=scorer, mode="thorough", output="dict")
    assert chain.invoke("Why?")["confidence"].source == "meaning"


def test_the_estimators_mode_is_the_default(tiny_model, scorer, chat):
    careful = ConfidenceEstimator(
        tiny_model, scorer.calibrator, state_dir=None, mode="thorough", equivalence=Equivalence(None)
    )
    assert told(with_confidence(chat, estimator=careful).invoke("Why?"))["source"] == "meaning"
    assert told(with_confidence(chat, estimator=careful, mode="fast").invoke("Why?"))["source"] == "self_check"


def test_caches_tell_modes_apart(chat, scorer):
    fast, careful = (with_confidence(chat, estimator=scorer, mode=m) for m in ("fast", "thorough"))
    assert fast._identifying_params != careful._identifying_params


def test_an_unknown_mode_is_refused(chat, scorer):
    with pytest.raises(InvalidInputError, match="thorough"):
        with_confidence(chat, estimator=scorer, mode="careful")


def test_caches_tell_orders_apart(chat, scorer):
    keys = [with_confidence(chat, estimator=scorer, choices="AB", rotations=k)._identifying_params for k in (1, 2)]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    "how", [{"rotations": 2}, {"rotations": 3, "choices": "AB"}, {"rotations": 0, "choices": "AB"}]
)
def test_more_orders_than_options_are_refused_before_anything_is_asked(chat, scorer, how):
    with pytest.raises(InvalidInputError, match="orders to average over"):
        with_confidence(chat, estimator=scorer, **how)
