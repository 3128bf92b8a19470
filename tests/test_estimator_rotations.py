"""Choices averaged over orders of their options: the answer, its confidence, verdicts, and what is refused."""

import itertools
import math

import numpy as np
import pytest

from tests.fakes import HIDDEN, FakeModel
from tests.test_estimator import ask, fixed, with_head, without_seconds
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator


@pytest.fixture(scope="module")
def calibrator(calibrator_for):
    return calibrator_for(FakeModel())


WORTH = {"Paris": 1.0, "Rome": 2.5, "Oslo": -0.5}


def liking(*letters):
    """Logits of lettered options: what each text is worth, and what the model likes about its letter."""

    def logits(text, _n):
        worth = [WORTH[line.split(". ")[1]] for line in text.splitlines() if ". " in line]
        return [w + letter for w, letter in zip(worth, letters, strict=True)]

    return logits


def lettered(names):
    return ask("Which?\n" + "\n".join(f"{letter}. {name}" for letter, name in zip("ABC", names, strict=True)))


@pytest.fixture(params=["without a head", "with a head"])
def rotating(request, calibrator):
    known = with_head(calibrator) if request.param == "with a head" else calibrator
    model = FakeModel(logits=liking(6.0, 0.0, 1.0), hidden=lambda _text: np.full(HIDDEN, 0.2))
    return lambda: ConfidenceEstimator(model, known, state_dir=None)


def test_over_all_orders_the_given_one_does_not_matter(rotating):
    found = set()
    for names in itertools.permutations(WORTH):
        letter, confidence = rotating().choose(lettered(names), "ABC", rotations=3)
        assert confidence.raw == pytest.approx(math.exp(2.5) / sum(map(math.exp, WORTH.values())))
        others = [names["ABC".index(a.text)] for a in confidence.alternatives]
        found.add((names["ABC".index(letter)], round(confidence.value, 9), *others))
    assert len(found) == 1
    assert found.pop()[0] == "Rome"
    # Negative control: in one order the letter decides.
    assert {rotating().choose(lettered(names), "ABC")[0] for names in itertools.permutations(WORTH)} == {"A"}


def test_a_model_that_looks_at_letters_only_is_undecided(calibrator):
    model = FakeModel(logits=fixed(9.0, 0.0, 0.0))
    letter, confidence = ConfidenceEstimator(model, calibrator, state_dir=None).choose(
        lettered(WORTH), "ABC", rotations=3
    )
    assert letter in "ABC"
    assert confidence.raw == pytest.approx(1 / 3) and confidence.value == pytest.approx(1 / 3)


def test_a_given_answer_stays_and_gets_its_share_of_the_average(rotating):
    best, chosen = rotating().choose(lettered(WORTH), "ABC", task="t", rotations=3)
    values = {
        x: rotating().score(lettered(WORTH), x, task="t", choices="ABC", rotations=3).value for x in ("A", "B", "C")
    }
    assert best == "B" and values["B"] == chosen.value == max(values.values())
    assert sum(values.values()) == pytest.approx(1)


def test_verdicts_on_averaged_choices_teach(rotating):
    estimator = rotating()
    asked = [estimator.choose(lettered(WORTH), "ABC", task="t", rotations=3)[1] for _ in range(10)]
    assert estimator.learn([(c, False) for c in asked]) == 10
    assert estimator.choose(lettered(WORTH), "ABC", task="t", rotations=3)[1].value < asked[-1].value


def test_one_order_changes_nothing(rotating):
    for method, given in (("choose", ("ABC",)), ("score", ("A",))):
        how = {"choices": "ABC"} if method == "score" else {}
        plain = getattr(rotating(), method)(lettered(WORTH), *given, **how)
        once = getattr(rotating(), method)(lettered(WORTH), *given, **how, rotations=1)
        assert told(plain) == told(once)


def told(found):
    return (found[0], without_seconds(found[1])) if isinstance(found, tuple) else without_seconds(found)


@pytest.mark.parametrize("rotations", [0, 4, 2.5])
def test_more_orders_than_options_are_refused(rotating, rotations):
    with pytest.raises(InvalidInputError, match="1 to 3 for 3 choices"):
        rotating().choose(lettered(WORTH), "ABC", rotations=rotations)
    with pytest.raises(InvalidInputError, match="1 to 3 for 3 choices"):
        rotating().score(lettered(WORTH), "A", choices="ABC", rotations=rotations)
    with pytest.raises(InvalidInputError, match="for 0 choices"):
        rotating().score(lettered(WORTH), "A", rotations=rotations)


def test_options_that_cannot_be_moved_give_no_confidence_and_say_why(calibrator):
    estimator = ConfidenceEstimator(FakeModel(), calibrator, state_dir=None)
    chosen, confidence = estimator.choose(ask("Is it A or B?"), "AB", rotations=2)
    given = estimator.score(ask("Is it A or B?"), "A", choices="AB", rotations=2)
    assert chosen is None
    for found in (confidence, given):
        assert found.value is None and found.reason_code == "bad_choices"
        assert "a line for each of them" in found.reason
