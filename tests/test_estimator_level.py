"""The level of a free-form task in use: from its own answers, by kind of input, and doubtful where little is known."""

from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import HIDDEN, FakeModel
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.input_kinds import KindSpace
from thermolang.calibration.level import Level, Step
from thermolang.estimator import ConfidenceEstimator
from thermolang.types import Generation

LEVEL = Level(-0.5, (0.0, 1.0, 0.0), (Step(0, 0.0, 2.0, 3.0), Step(1, 0.5, 1.5, 2.5), Step(10, 1.0, 0.8, 1.2)))
AXES = np.eye(HIDDEN, 2, dtype=np.float32)


def ask(question):
    return [{"role": "user", "content": question}]


def answer(logprobs=(-0.1,)):
    return Generation("Paris", (1,), logprobs, "stop", 5)


class Model(FakeModel):
    """Sure of what is easy and not of what is hopeless, which its hidden state shows."""

    def self_check_batch(self, pairs):
        hopeless = np.array(["hopeless" in messages[-1]["content"] for messages, _ in pairs])
        found = []
        for scores, h in zip(super().self_check_batch(pairs), hopeless, strict=True):
            hidden = np.zeros(HIDDEN, np.float32)
            hidden[0] = 20.0 * h
            found.append(replace(scores, hidden=hidden, logits=np.array([-2.0 if h else 2.0, 0.0])))
        return found


@pytest.fixture
def calibrator(calibrator_for):
    made = calibrator_for(FakeModel())
    space = KindSpace(np.zeros(HIDDEN, np.float32), AXES, 2.0)
    fit = replace(made.fits["self_check"], level=LEVEL, space=space)
    return Calibrator(made.identity, {"self_check": fit}, made.probe, model_name="fake")


@pytest.fixture
def estimator(calibrator):
    return ConfidenceEstimator(Model(), calibrator, state_dir=None)


def test_easy_and_hopeless_questions_of_one_stream_have_levels_of_their_own(estimator):
    for i in range(30):
        kind = "hopeless" if i % 2 else "easy"
        last = estimator.score(ask(f"{kind} {i}"), answer(), task="t")
    easy = estimator.score(ask("easy again"), answer(), task="t")
    assert easy.value == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert last.value == pytest.approx(1 / (1 + np.exp(2.0)))
    assert easy.interval[0] < easy.value < easy.interval[1]
    assert [k.inputs for k in estimator.state("t", "self_check").current.kinds] == [15, 15]


def test_a_kind_that_was_not_there_before_says_so_and_has_a_wide_interval(estimator):
    for i in range(31):
        known = estimator.score(ask(f"easy {i}"), answer(), task="t")
    # The state makes its next version at 100 inputs, so this kind is unknown to it.
    new = estimator.score(ask("hopeless"), answer(), task="t")
    assert (known.reason_code, new.reason_code) == (None, "new_kind")
    assert "unlike the task's others" in new.reason
    width = [np.diff(np.log(np.array(c.interval) / (1 - np.array(c.interval))))[0] for c in (known, new)]
    assert width[1] > 2 * width[0]
    assert new.value < known.value


def test_without_token_probabilities_it_is_the_training_level_and_says_so(estimator):
    for i in range(31):
        found = estimator.score(ask(f"easy {i}"), answer(()), task="t")
    assert found.reason_code == "no_logprobs"
    assert found.value == pytest.approx(1 / (1 + np.exp(0.5)))
    low, high = found.interval
    assert low < 0.05 and high > 0.9


def test_the_same_question_again_is_no_evidence(estimator):
    for _ in range(10):
        found = estimator.score(ask("easy"), answer(), task="t")
    assert estimator.state("t", "self_check").current.inputs == 1
    assert found.value == pytest.approx(1 / (1 + np.exp(-0.75)))  # half way from the start to what one input says


def test_saving_and_loading_changes_nothing(calibrator, tmp_path):
    again = Calibrator.load(calibrator.save(tmp_path / "made"))
    assert again.id == calibrator.id
    one, other = (ConfidenceEstimator(Model(), c, state_dir=None) for c in (calibrator, again))
    questions = [ask(f"{'hopeless' if i % 3 else 'easy'} {i}") for i in range(12)]
    values = [[e.score(q, answer(), task="t").value for q in questions] for e in (one, other)]
    assert values[0] == values[1]


def test_states_with_kinds_outlive_the_process(calibrator, tmp_path):
    for _ in range(2):
        estimator = ConfidenceEstimator(Model(), calibrator, state_dir=tmp_path)
        values = [estimator.score(ask(f"easy {i}"), answer(), task="t").value for i in range(10)]
    assert estimator.state("t", "self_check").current.kinds[0].inputs == 10
    assert len(set(values)) == 1  # all ten were known to the second process


def test_verdicts_move_the_level(estimator):
    found = [estimator.score(ask(f"easy {i}"), answer((-0.1 - i / 100,)), task="t") for i in range(10)]
    before = estimator.score(ask("easy x"), answer(), task="t")
    assert estimator.learn([(c, False) for c in found]) == 10
    assert estimator.score(ask("easy x"), answer(), task="t").value < before.value - 0.2
