"""A head fitted anew to verdicts: adopted where it helps, not where it does not, and never on doubtful ones alone."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from tests.calibration.synthetic import calibrator as made
from thermolang.calibration.head import Head, Hyperparameters
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.review.feedback import Judged
from thermolang.training.refit import refit
from thermolang.types import Basis, Confidence


@pytest.fixture
def calibrator():
    found = made()
    fit = found.fits["self_check"]
    width = found.identity.hidden_size
    head = Head(
        np.zeros(4, np.float32), np.ones(width, np.float32), SELF_CHECK, 0.5, 0.5, Hyperparameters(1, 0.5), 0, 0, 0
    )
    found.fits["self_check"] = replace(fit, head=head)
    return found


def verdicts(calibrator, n, *, slope=1.0, seed=0, weight=1.0, random=True, tasks=3):
    """Answers whose true log-odds are ``slope`` times what the confidence says."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        gap, offset = rng.normal(0.5, 1.5), rng.normal(0, 0.5)
        said = gap + offset
        basis = Basis((gap / 2, -gap / 2), offset)
        confidence = Confidence(
            float(expit(said)),
            temperature=1.0,
            bias=0.0,
            source="self_check",
            task=f"t{i % tasks}",
            calibrator=calibrator.id,
            basis=basis,
        )
        found.append(Judged(f"{seed} {i}", confidence, bool(rng.random() < expit(slope * said)), weight, random))
    return found


def test_overconfidence_is_found_and_taken_back(calibrator):
    found = refit(calibrator, verdicts(calibrator, 1200, slope=0.3))
    assert found.better
    assert (found.verdicts, found.held_out) == (1200, pytest.approx(400, abs=60))
    assert found.gain == pytest.approx(found.before - found.after)
    assert found.calibrator.id != calibrator.id
    head = found.calibrator.fits["self_check"].head
    # All that the head says is shrunk: what comes from the logits, and what comes from the hidden state.
    assert found.stretch == pytest.approx(0.3, abs=0.25)
    assert head.weights == pytest.approx(found.stretch * calibrator.fits["self_check"].head.weights, rel=1e-5)
    odds = head.odds(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2), (1.0, 0.0))
    assert (odds[0] - odds[1]) / 4 == pytest.approx(0.3, abs=0.15)


def test_the_confidences_of_the_new_head_are_those_that_were_measured(calibrator):
    given = verdicts(calibrator, 1200, slope=0.3, tasks=1)
    found = refit(calibrator, given)
    head = found.calibrator.fits["self_check"].head
    logits = np.array([one.confidence.basis.logits for one in given])
    offsets = found.stretch * np.array([one.confidence.basis.logit_offset for one in given])
    new = head.odds(logits, offsets, (1.0, 0.0))
    old = logit([one.confidence.value for one in given])
    assert new.mean() == pytest.approx(old.mean(), abs=1e-4)
    right = np.array([one.right for one in given])
    nll = np.logaddexp(0, new) - right * new
    # The task's intercept is the only difference.
    assert nll.mean() == pytest.approx(found.after, abs=0.05)


def test_a_head_that_is_right_stays_in_nearly_all_cases(calibrator):
    adopted = [refit(calibrator, verdicts(calibrator, 300, seed=seed)).better for seed in range(40)]
    assert sum(adopted) <= 6  # 2 are expected; 7 or more have a probability below 1 %


def test_what_is_held_out_is_always_the_same(calibrator):
    given = verdicts(calibrator, 400, slope=0.5)
    once, shuffled = refit(calibrator, given), refit(calibrator, given[::-1])
    assert once.held_out == shuffled.held_out
    assert once.after == pytest.approx(shuffled.after)


def test_each_verdict_counts_as_many_answers_as_it_stands_for(calibrator):
    doubtful = verdicts(calibrator, 400, slope=1.0, random=False)
    audited = verdicts(calibrator, 200, slope=0.2, seed=1, weight=20.0)
    weighted = refit(calibrator, doubtful + audited)
    alike = refit(calibrator, doubtful + [replace(one, weight=1.0) for one in audited])
    assert weighted.stretch < alike.stretch < 1


@pytest.mark.parametrize(
    ("n", "options", "said"), [(10, {}, "got 10 and 10"), (300, {"random": False}, "got 300 and 0")]
)
def test_too_few_or_only_doubtful_ones_are_refused(calibrator, n, options, said):
    with pytest.raises(NotEnoughDataError, match=said):
        refit(calibrator, verdicts(calibrator, n, **options))


def test_verdicts_on_another_calibrators_answers_are_left_out(calibrator):
    others = [replace(v, confidence=replace(v.confidence, calibrator="other@1")) for v in verdicts(calibrator, 99)]
    with pytest.raises(NotEnoughDataError, match="got 0 and 0"):
        refit(calibrator, others)


def test_without_a_head_there_is_nothing_to_fit(calibrator):
    with pytest.raises(InvalidInputError, match="has no per-answer head for choice"):
        refit(calibrator, [], kind="choice")
