"""Sentences of long answers and their supporting samples: asked for in the estimator and in with_confidence."""

import json

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser

from tests.fakes import FakeModel
from tests.test_sampling import ASKED, FIT, estimator
from thermolang.answers.equivalence import Equivalence
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator
from thermolang.langchain.callback import ConfidenceCallbackHandler
from thermolang.langchain.chat_model import ChatThermolang
from thermolang.langchain.messages import KEY, Scoring, confidence_of
from thermolang.langchain.wrapper import with_confidence
from thermolang.types import Confidence, Generation, SentenceSupport

TEXT = "The tower was built in 1871. Its keeper was Edith Moran."
SAID = [TEXT, "The tower was built in 1871.", "Its keeper was Edith Moran.", "In 1872 the tower was built."]
SUPPORT = (
    SentenceSupport(0, 28, "The tower was built in 1871.", 0.5),
    SentenceSupport(29, 56, "Its keeper was Edith Moran.", 0.5),
)


def scorer(**how):
    return estimator(model=FakeModel(answer=TEXT, said=SAID), **how)


# The estimator


def test_a_thorough_confidence_tells_of_sentences():
    found = scorer().score(ASKED, TEXT, annotate=True)
    assert found.sentences == SUPPORT
    assert found.source == "meaning"
    record = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert Confidence.from_dict(record) == found


def test_only_where_it_was_asked_for():
    plain, told = scorer().score(ASKED, TEXT), scorer().score(ASKED, TEXT, annotate=True)
    assert plain.sentences == ()
    assert (told.value, told.raw, told.alternatives) == (plain.value, plain.raw, plain.alternatives)
    old = {key: value for key, value in plain.to_dict().items() if key != "sentences"}
    assert Confidence.from_dict(old) == plain  # as it was stored before


def test_given_samples_do_in_any_mode():
    samples = [Generation(SAID[0], (1,), (-0.1,), "stop", 5), SAID[3]]
    for mode in ("fast", "thorough", "adaptive"):
        found = scorer(mode=mode).score(ASKED, TEXT, samples=samples, annotate=True)
        assert [s.share for s in found.sentences] == [0.5, 0.5]


def test_several_at_once():
    items = [(ASKED, TEXT), (ASKED, "Its keeper was Helen Byrd.")]
    first, second = scorer().score_many(items, annotate=True)
    assert first.sentences == SUPPORT
    assert [s.share for s in second.sentences] == [0.0]


def test_an_adaptive_confidence_tells_of_sentences_where_it_sampled():
    fast = scorer(mode="fast").score(ASKED, TEXT).value
    clear = scorer(mode="adaptive").score_many([(ASKED, TEXT)], threshold=0.999, annotate=True)[0]
    drawn = scorer(mode="adaptive").score_many([(ASKED, TEXT)], threshold=fast, annotate=True)[0]
    assert (clear.source, clear.sentences) == ("self_check", ())
    assert drawn.source == "meaning"
    assert [s.text for s in drawn.sentences] == [s.text for s in SUPPORT]


def test_without_a_fit_for_meanings_there_are_sentences_all_the_same():
    found = scorer(semantic=None).score(ASKED, TEXT, annotate=True)
    assert found.source == "self_check"
    assert found.sentences == SUPPORT


def test_without_samples_there_are_none():
    assert scorer().score(ASKED, TEXT, samples=[], annotate=True).sentences == ()
    assert scorer().score(ASKED, "", annotate=True).sentences == ()


def test_without_samples_to_come_it_is_refused():
    with pytest.raises(InvalidInputError, match="mode 'fast' has none: use mode='thorough'"):
        scorer(mode="fast").score(ASKED, TEXT, annotate=True)
    with pytest.raises(InvalidInputError, match="mode 'fast' has none"):
        scorer().score_many([(ASKED, TEXT)], mode="fast", annotate=True)
    with pytest.raises(InvalidInputError, match="with choices none are sampled"):
        scorer().score(ASKED, "A", choices="AB", annotate=True)


# LangChain


def chat():
    return FakeListChatModel(responses=[TEXT])


def test_with_confidence_writes_them_on_the_message():
    message = with_confidence(chat(), estimator=scorer(), annotate=True).invoke("Tell me.")
    assert message.response_metadata[KEY]["sentences"][0] == {"start": 0, "end": 28, "text": SAID[1], "share": 0.5}
    assert confidence_of(message).sentences == SUPPORT
    json.dumps(message.response_metadata)


@pytest.mark.parametrize("mode", ["thorough", "adaptive"])
def test_a_chain_with_a_parser_has_them_too(mode):
    fast = scorer(mode="fast")
    chain = with_confidence(
        chat() | StrOutputParser(), estimator=fast, mode=mode, threshold=0.5, output="dict", annotate=True
    )
    found = chain.invoke("Tell me.")
    assert found["output"] == TEXT
    assert [s.text for s in found["confidence"].sentences] == [s.text for s in SUPPORT]


async def test_every_way_to_call():
    model = with_confidence(chat(), estimator=scorer(), annotate=True)
    told = [await model.ainvoke("Tell me."), *model.batch(["Tell me.", "And you?"])]
    assert all(confidence_of(message).sentences == SUPPORT for message in told)


def test_by_default_there_are_none():
    message = with_confidence(chat(), estimator=scorer()).invoke("Tell me.")
    assert message.response_metadata[KEY]["sentences"] == []


def test_a_callback_takes_it_from_its_scoring():
    handler = ConfidenceCallbackHandler(scoring=Scoring(scorer(), annotate=True))
    message = chat().invoke("Tell me.", {"callbacks": [handler]})
    assert confidence_of(message).sentences == SUPPORT


def test_the_mode_must_sample():
    for how in ({}, {"mode": "fast"}):
        with pytest.raises(InvalidInputError, match="annotate=True needs sampled answers"):
            with_confidence(chat(), estimator=scorer(mode="fast"), annotate=True, **how)
    with pytest.raises(InvalidInputError, match="with choices none are sampled"):
        with_confidence(chat(), estimator=scorer(), choices=["A", "B"], annotate=True)


def test_caches_tell_it_apart():
    one, other = (Scoring(scorer(), annotate=annotate) for annotate in (False, True))
    assert one.key != other.key


def test_a_model_that_scores_its_own_answers(tiny_model, calibrator_for, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    calibrator = calibrator_for(tiny_model)
    calibrator.semantic = FIT
    careful = ConfidenceEstimator(tiny_model, calibrator, state_dir=None, equivalence=Equivalence(None))
    model = with_confidence(
        ChatThermolang(local=tiny_model, max_tokens=6), estimator=careful, mode="thorough", annotate=True
    )
    message = model.invoke("Why?")
    found = confidence_of(message).sentences
    assert all(message.text[s.start : s.end] == s.text and 0 <= s.share <= 1 for s in found)
    assert model.invoke("Why?").text == message.text
