"""Texts that were written elsewhere: compared with the model's own answer, never taken for one, None where unsure."""

import logging
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.fakes import FakeModel
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.given import GIVEN_FEATURES, GivenFit
from thermolang.errors import InvalidInputError, ModelError
from thermolang.estimator import ConfidenceEstimator
from thermolang.types import Generation

FIT = GivenFit(
    coefficients=(-1.0, 0.5, 0.1, 0.0, 0.0, 2.0, 0.8),
    low=(-8.0, -8.0, -8.0, -8.0, 0.0, -8.0),
    high=(8.0, 8.0, 0.0, 8.0, 1.0, 8.0),
    half_width=1.2,
    nll=0.5,
    constant_nll=0.67,
    tasks=9,
)


@dataclass
class Reader(FakeModel):
    """A FakeModel that tells answers apart: a self-check depends on what is checked."""

    logprob: float | None = 0.05
    cut: bool = False

    def self_check(self, messages, answer):
        """Yes for the own answer, and a little less for every other text."""
        text = answer.text if isinstance(answer, Generation) else answer
        read = super().self_check(messages, answer)
        yes = 2.0 if text == self.answer else 0.5
        return replace(read, logits=np.array([yes, -yes]), answer_cut=self.cut and not isinstance(answer, Generation))


def ask(question="What is the capital of France?"):
    return [{"role": "user", "content": question}]


def with_fit(calibrator, fit):
    """A copy of a calibrator with another fit for given texts."""
    return Calibrator(calibrator.identity, calibrator.fits, calibrator.probe, model_name="fake", given=fit)


@pytest.fixture(scope="module")
def calibrator(calibrator_for):
    return with_fit(calibrator_for(Reader()), FIT)


@pytest.fixture
def made(calibrator):
    def make(model=None, fit=FIT, **options):
        return ConfidenceEstimator(model or Reader(), with_fit(calibrator, fit), state_dir=None, **options)

    return make


def given(estimator, text, question="What is the capital of France?", **options):
    return estimator.score(ask(question), text, task="t", written_elsewhere=True, **options)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


# What the number is


def test_the_value_is_that_of_the_fit(made):
    estimator = made()
    found = given(estimator, "Rome")
    gap = math.log(0.05) + 0.15  # FakeModel's own answers have log-probabilities -0.1 and -0.2
    same = estimator.equivalence.same("Rome", "Paris", "What is the capital of France?")
    assert found.value == pytest.approx(sigmoid(-1.0 + 0.5 * 1.0 + 0.1 * gap + 2 * same - 0.8 * 0.15 * same))
    assert found.raw == pytest.approx(sigmoid(1.0))
    low, high = found.interval
    assert math.log(high / (1 - high)) - math.log(low / (1 - low)) == pytest.approx(2 * FIT.half_width)
    assert (found.source, found.task, found.reason) == ("given", "t", "")
    assert found.temperature is None and found.basis is None and found.meanings("Rome") == ()
    assert found.novelty is not None and found.seconds > 0


@pytest.mark.parametrize("text", ["Paris", "It is Paris.", "The answer is Paris."])
def test_the_own_answer_in_other_words_counts_as_the_same(made, text):
    estimator = made()
    assert given(estimator, text).value > given(estimator, "Rome").value + 0.3


def test_many_are_scored_as_one_by_one_and_one_that_fails_harms_no_other(made):
    texts = ["Paris", "Rome", "", "Oslo"]
    items = [(ask(), t) for t in texts] + [(ask("x" * 2000), "Paris"), (ask(" "), "Paris")]
    found = made().score_many(items, task="t", written_elsewhere=True)
    assert [c.reason_code for c in found] == [None, None, "empty_answer", None, "model_error", "empty_question"]
    alone = [given(made(), t) for t in texts]
    for one, other in zip(found[:4], alone, strict=True):
        # An embedding depends a little on which texts are embedded with it.
        assert one.value == (None if other.value is None else pytest.approx(other.value, abs=1e-6))
    assert {c.source for c in found} == {"given"}


def test_where_it_was_written_its_tokens_had_probabilities_that_say_nothing(made):
    likely = Generation("Rome", (1,), (-0.01,), "stop", 5)
    assert given(made(), likely).value == given(made(), "Rome").value


def test_the_task_learns_nothing_from_it(made, caplog):
    estimator = made()
    estimator.score(ask("Who?"), "Paris", task="t")
    before = estimator.state("t", "self_check").current
    found = given(estimator, "Rome", "Where?")
    assert estimator.state("t", "self_check").current == before
    with caplog.at_level(logging.WARNING):
        assert estimator.learn([(found, True)]) == 0
    assert "1 of 1 verdicts teach this calibrator nothing" in caplog.text
    assert estimator.state("t", "self_check").current == before


def test_a_snapshot_and_any_mode_give_the_same_number(made):
    estimator = made()
    wanted = given(estimator, "Rome").value
    assert given(estimator.snapshot(), "Rome").value == wanted
    assert given(made(mode="thorough"), "Rome").value == wanted


def test_of_choices_it_makes_no_difference(made):
    here, there = (
        made().score(ask(), "A", task="t", choices=["A", "B"], written_elsewhere=w).value for w in (False, True)
    )
    assert here == there


# Where there is none, or a doubtful one


def test_a_calibrator_without_the_fit_says_to_make_it_anew_and_the_model_does_not_answer(made):
    estimator = made(fit=None)
    found = given(estimator, "Paris")
    assert (found.value, found.reason_code) == (None, "given_text")
    assert "make it anew with thermolang calibrate" in found.reason
    assert found.raw is not None
    assert estimator.model.calls == ["self_check"]
    assert estimator.score(ask(), "Paris", task="t").value is not None  # its own answers are as ever


def test_without_any_calibrator_the_reason_is_that(made):
    estimator = made()
    estimator.calibrator = None
    assert given(estimator, "Paris").reason_code == "no_calibrator"


@pytest.mark.parametrize(
    ("model", "code", "sentence"),
    [
        (Reader(answer=" "), "given_text", "the model itself gives no answer"),
        (Reader(logprob=None), "given_text", "its probability under the model cannot be read"),
        (Reader(mass=0.001), "off_options", "of the model's next-token probability"),
        (Reader(logprob=math.nan), "given_text", "its probability under the model cannot be read"),
    ],
)
def test_what_cannot_be_compared_has_no_number(made, model, code, sentence):
    found = given(made(model), "Rome")
    assert (found.value, found.interval, found.reason_code) == (None, None, code)
    assert sentence in found.reason


def test_a_model_that_cannot_answer_is_a_reason(made, monkeypatch):
    def refuse(self, messages, **_):
        if "Where" in messages[-1]["content"]:
            raise ModelError("no room")
        return Generation("Paris", (1, 2), (-0.1, -0.2), "stop", 5)

    monkeypatch.setattr(Reader, "generate", refuse)
    found = made().score_many([(ask(), "Rome"), (ask("Where?"), "Rome")], task="t", written_elsewhere=True)
    assert [c.reason_code for c in found] == [None, "model_error"]
    assert found[1].reason == "no room"


def test_a_text_too_long_to_be_read_is_doubtful(made):
    short, long = (given(made(Reader(cut=cut)), "Paris") for cut in (False, True))
    assert abs(long.value - 0.5) < abs(short.value - 0.5)
    assert not long.supported
    assert long.interval[1] - long.interval[0] > short.interval[1] - short.interval[0]
    assert long.reason_code == "given_text" and "only the end" in long.reason


def test_samples_are_for_own_answers(made):
    for options in ({"samples": ["Paris"]}, {"annotate": True}):
        with pytest.raises(InvalidInputError, match="for the model's own answers"):
            given(made(), "Paris", **options)


# The model itself


def test_a_real_model_is_compared_with_what_it_generates(tiny_model, calibrator_for, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    estimator = ConfidenceEstimator(tiny_model, with_fit(calibrator_for(tiny_model), FIT), state_dir=None)
    items = [(ask(f"Is it {i}?"), text) for i, text in enumerate(["No", "it is so", "no " * 40])]
    found = estimator.score_many(items, task="t", written_elsewhere=True)
    assert all(c.value is not None and 0 < c.value < 1 for c in found)
    assert [c.reason_code for c in found] == [None, None, "given_text"]
    assert estimator._states == {}


def test_the_fit_travels_with_the_calibrator(calibrator, tmp_path):
    again = Calibrator.load(calibrator.save(tmp_path / "made"))
    assert again.given == FIT and again.id == calibrator.id
    assert with_fit(calibrator, None).id != calibrator.id
    assert len(GIVEN_FEATURES) == len(FIT.low)
