"""Thorough and adaptive confidence: what is sampled, what it says, and what happens when it cannot be had."""

from dataclasses import replace

import numpy as np
import pytest

from tests.calibration.synthetic import calibrator as make_calibrator
from tests.fakes import IDENTITY, FakeModel
from thermolang.answers.clustering import ALL_EQUAL, cluster_answers
from thermolang.answers.equivalence import Equivalence
from thermolang.calibration.semantic import SEMANTIC_FEATURES, SemanticFit
from thermolang.errors import ModelError
from thermolang.estimator import ConfidenceEstimator
from thermolang.sampling import NO_FIT, REFUSAL, evidence
from thermolang.types import Confidence, Generation

ASKED = [{"role": "user", "content": "Which city is the capital of France?"}]
LINE = (-0.5, 0.5, 1.0, 0.0, 0.5, 0.0)
FIT = SemanticFit(
    coefficients={
        0: (0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
        2: (-0.5, 0.5, 0.4, 0.0, 0.2, 0.0),
        4: (-0.5, 0.5, 0.7, 0.0, 0.3, 0.0),
        8: LINE,
    },
    logprob=0.5,
    spreads={0: 1.0, 2: 0.5, 4: 0.25},
    reach=1.0,
    half_width=0.7,
    base_rate=0.5,
    tasks=8,
)


def estimator(semantic=FIT, model=None, **how):
    found = make_calibrator(identity=replace(IDENTITY, hidden_size=8))
    found.semantic = semantic
    model = model or FakeModel()
    model.identity = replace(IDENTITY, hidden_size=8)
    model.hidden = lambda text: np.zeros(8)
    how = {"mode": "thorough", **how}
    return ConfidenceEstimator(model, found, state_dir=None, equivalence=Equivalence(None), **how)


def test_the_confidence_is_that_of_the_meaning():
    scorer = estimator()
    found = scorer.score(ASKED, "Paris")
    fast = estimator(mode="fast").score(ASKED, "Paris")
    assert found.source == "meaning"
    assert found.raw == 0.75
    assert [(a.text, a.count, a.share) for a in found.alternatives] == [("Rome", 2, 0.25)]
    assert 0 < found.value < 1
    assert found.interval[0] < found.value < found.interval[1]
    assert (found.temperature, found.bias, found.calibrator) == (fast.temperature, fast.bias, scorer.calibrator.id)
    assert found.seconds > 0
    assert Confidence.from_dict(found.to_dict()) == found


def test_the_value_is_the_heads_own():
    scorer = estimator()
    fast = estimator(mode="fast").score(ASKED, "Paris")
    groups = cluster_answers(
        [g.text for g in FakeModel().sample(ASKED, 8)], answer="Paris", equivalence=Equivalence(None)
    )
    odds = FIT.log_odds(evidence([groups]), np.array([np.log(fast.value / (1 - fast.value))]), np.array([np.nan]))
    assert scorer.score(ASKED, "Paris").value == pytest.approx(1 / (1 + np.exp(-odds[0])))


def test_more_agreement_is_more_confidence():
    values = [
        estimator(model=FakeModel(said=["Paris"] * k + ["Rome"] * (8 - k))).score(ASKED, "Paris").value
        for k in range(9)
    ]
    assert values == sorted(values)
    assert values[0] < values[-1]


def test_answers_sampled_elsewhere_are_used_and_none_are_drawn():
    for mode in ("fast", "thorough", "adaptive"):
        scorer = estimator(mode=mode)
        found = scorer.score(ASKED, "Paris", samples=["paris", "Paris!", "Rome", "Lyon"])
        assert (found.source, found.raw) == ("meaning", 0.5)
        assert not any(call.startswith("sample") for call in scorer.model.calls)


def test_the_same_conversation_gets_the_same_confidence_alone_and_among_others():
    scorer = estimator()
    other = [{"role": "user", "content": "Which is the largest ocean?"}]
    scorer.score(ASKED, "Paris")  # the first input moves the task's temperature
    alone = scorer.score(ASKED, "Paris", task="t")
    both = scorer.score_many([(other, "the Pacific"), (ASKED, "Paris")], task="t")
    again = scorer.score_many([(ASKED, "Paris")], task="t")
    assert both[1].value == again[0].value
    assert alone.source == both[1].source == "meaning"


def test_choices_are_never_sampled():
    scorer = estimator()
    assert scorer.score(ASKED, "A", choices=["A", "B"]).source == "choice"
    assert not any(call.startswith("sample") for call in scorer.model.calls)


@pytest.mark.parametrize(("messages", "answer"), [(ASKED, ""), (ASKED, "  "), ([], "Paris")])
def test_what_cannot_be_read_is_not_sampled(messages, answer):
    scorer = estimator()
    found = scorer.score(messages, answer)
    assert found.value is None and found.reason
    assert not any(call.startswith("sample") for call in scorer.model.calls)


# Adaptive


def uncalibrated():
    return ConfidenceEstimator(FakeModel(), state_dir=None, mode="adaptive", equivalence=Equivalence(None))


def calls(scorer):
    return [call for call in scorer.model.calls if call.startswith("sample")]


def test_a_clear_answer_is_not_sampled():
    scorer = estimator(mode="adaptive", model=FakeModel(logits=lambda text, k: [20.0, 0.0]))
    found = scorer.score_many([(ASKED, "Paris")], threshold=0.5)[0]
    assert (found.source, calls(scorer)) == ("self_check", [])


def test_sampling_stops_when_the_decision_is_clear():
    doubtful = FakeModel(logits=lambda text, k: [0.5, 0.0], said=["Paris"])
    fit = replace(FIT, spreads={0: 9.0, 2: 0.1, 4: 0.1})
    scorer = estimator(fit, mode="adaptive", model=doubtful)
    found = scorer.score_many([(ASKED, "Paris")], threshold=0.5)[0]
    assert found.source == "meaning"
    assert calls(scorer) == ["sample 2"]


def test_a_doubtful_answer_is_sampled_to_the_end_in_rounds():
    fit = replace(FIT, spreads={0: 99.0, 2: 99.0, 4: 99.0})
    scorer = estimator(fit, mode="adaptive")
    found = scorer.score(ASKED, "Paris")
    assert calls(scorer) == ["sample 2", "sample 2", "sample 4"]
    assert found.value == estimator(fit).score(ASKED, "Paris").value


@pytest.mark.parametrize("scorer", [lambda: estimator(None, mode="adaptive"), uncalibrated])
def test_where_no_sample_could_change_the_decision_none_is_drawn(scorer):
    made = scorer()
    found = made.score(ASKED, "Paris")
    assert (found.source, found.alternatives) == ("self_check", ())
    assert "thermolang calibrate" in found.reason
    assert calls(made) == []


# What goes wrong


def test_a_calibrator_without_meanings_keeps_the_one_pass_confidence():
    found = estimator(None).score(ASKED, "Paris")
    assert found.source == "self_check" and found.value is not None
    assert NO_FIT.text in found.reason
    assert found.alternatives[0].text == "Rome"


def test_without_a_calibrator_there_is_no_number_but_alternatives():
    scorer = ConfidenceEstimator(FakeModel(), state_dir=None, mode="thorough", equivalence=Equivalence(None))
    found = scorer.score(ASKED, "Paris")
    assert found.value is None
    assert "thermolang calibrate" in found.reason and NO_FIT.text not in found.reason
    assert found.alternatives[0].text == "Rome"


def test_a_model_that_cannot_sample_keeps_the_one_pass_confidence(monkeypatch):
    scorer = estimator()

    def broken(*args, **kwargs):
        raise ModelError("the context is full")

    monkeypatch.setattr(scorer.model, "sample", broken)
    found = scorer.score(ASKED, "Paris")
    assert found.source == "self_check" and found.value is not None
    assert "no sampled answers: the context is full" in found.reason


def test_no_samples_at_all_say_so():
    found = estimator().score(ASKED, "Paris", samples=[])
    assert found.source == "self_check"
    assert "no answers were sampled" in found.reason


def test_equal_samples_of_unknown_temperature_are_doubted():
    found = estimator().score(ASKED, "Paris", samples=["Paris"] * 8)
    assert ALL_EQUAL in found.reason
    assert ALL_EQUAL not in estimator(model=FakeModel(said=["Paris"])).score(ASKED, "Paris").reason


def test_a_refusal_is_named():
    assert REFUSAL.text in estimator(model=FakeModel(said=["I don't know."])).score(ASKED, "I'm not sure.").reason


def test_thousands_of_samples_and_long_answers_have_a_confidence():
    long = "The river that flows through it is the Seine. " * 450
    found = estimator().score(ASKED, "Paris", samples=[*["Paris"] * 5000, *["Rome"] * 4998, long, "🗼"])
    assert found.raw == 0.5
    assert sum(a.count for a in found.alternatives) == 5000


def test_an_answer_nobody_repeats_has_share_0():
    found = estimator(model=FakeModel(said=["Rome"])).score(ASKED, "Paris")
    assert found.raw == 0
    assert found.alternatives[0].share == 1


def test_the_features_of_a_generation_know_its_logprobs():
    sure = Generation("Paris", (1, 2), (-0.01, -0.01), "stop", 5)
    fit = replace(FIT, coefficients={n: (*row[:5], 2.0) for n, row in FIT.coefficients.items()})
    assert SEMANTIC_FEATURES[-1] == "logprob"
    doubtful = replace(sure, logprobs=(-3.0, -3.0))
    values = [estimator(fit).score(ASKED, a).value for a in (doubtful, sure)]
    assert values[0] < values[1]
