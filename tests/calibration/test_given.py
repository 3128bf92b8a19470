"""Texts written elsewhere: which signs help, that a foreign wording is no evidence, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.special import expit

from thermolang.calibration.given import GIVEN_FEATURES, GivenFit, GivenTask, GivenTexts, fit_given
from thermolang.calibration.metrics import auroc, binary_nll
from thermolang.errors import InvalidInputError, NotEnoughDataError

GAP = GIVEN_FEATURES.index("logprob_gap")


def texts_of(right, rng, *, foreign=2.0, worth=1.0):
    """Right texts mostly say what the own answer says; a foreign wording costs ``foreign`` nats whatever it says."""
    n = len(right)
    own_right = rng.random(n) < 0.6
    same = np.where(right == own_right, rng.random(n) < 0.8, rng.random(n) < 0.1).astype(float)
    check = worth * np.where(right, 1.0, -1.0) + rng.normal(0, 1, n)
    own = np.where(own_right, 1.0, -1.0) + rng.normal(0, 1, n)
    own_logprob = rng.normal(-0.3, 0.1, n)
    return GivenTexts(check, own_logprob - rng.exponential(foreign, n), own, own_logprob, same)


def task(seed, *, group="", items=200, accuracy=0.5, **how):
    rng = np.random.default_rng(seed)
    right = rng.random(items) < accuracy
    return GivenTask(group or f"g{seed}", texts_of(right, rng, **how), right)


def one(**changes):
    """A single text."""
    plain = {"self_check": 1.0, "logprob": -1.0, "own_self_check": 1.0, "own_logprob": -0.5, "same": 1.0}
    return GivenTexts(**{name: np.array([value]) for name, value in {**plain, **changes}.items()})


@pytest.fixture(scope="module")
def fit():
    return fit_given([task(i) for i in range(6)])


def test_right_is_told_from_wrong_and_the_probability_is_honest(fit):
    new = task(99, items=4000)
    p = expit(fit.log_odds(new.texts))
    assert auroc(p, new.right) > 0.8
    assert binary_nll(p, new.right) < binary_nll(np.full(len(p), 0.5), new.right) - 0.1
    for low, high in ((0.1, 0.4), (0.4, 0.6), (0.6, 0.9)):
        inside = (p > low) & (p <= high)
        noise = 3 * 0.5 / np.sqrt(inside.sum())
        assert new.right[inside].mean() == pytest.approx(p[inside].mean(), abs=0.03 + noise)


def test_a_foreign_wording_is_no_evidence(fit):
    improbable, probable = fit.log_odds(one(logprob=-6.0)), fit.log_odds(one(logprob=-0.6))
    assert abs(float((improbable - probable)[0])) < 0.5
    assert fit.coefficients[1 + GAP] == 0  # it told nothing on groups left out


def test_signs_that_tell_nothing_leave_the_base_rate():
    rng = np.random.default_rng(0)
    shuffled = [replace(t, right=rng.permutation(t.right)) for t in (task(i, accuracy=0.7) for i in range(8))]
    found = fit_given(shuffled)
    p = expit(found.log_odds(task(99).texts))
    assert p.mean() == pytest.approx(0.7, abs=0.05)
    assert p.std() < 0.05
    assert found.nll == pytest.approx(found.constant_nll, abs=0.01)


def test_the_error_is_measured_on_groups_left_out(fit):
    assert fit.nll < fit.constant_nll - 0.1
    assert fit.constant_nll == pytest.approx(np.log(2), abs=0.02)
    # Half of the groups are far easier than their texts look.
    uneven = fit_given([task(i, accuracy=0.2 + 0.6 * (i % 2), worth=0.0) for i in range(6)])
    assert uneven.half_width > 2 * fit.half_width


def test_tasks_of_one_group_are_left_out_together():
    tasks = [task(i, group=f"g{i % 3}") for i in range(6)]
    assert fit_given(tasks).tasks == 6
    with pytest.raises(NotEnoughDataError, match="at least 3 groups, got \\['a', 'b'\\]"):
        fit_given([task(0, group="a"), task(1, group="b"), task(2, group="b")])


def test_what_is_unknown_has_no_log_odds_and_teaches_nothing(fit):
    for name in ("self_check", "logprob", "own_self_check", "own_logprob", "same"):
        assert np.isnan(fit.log_odds(one(**{name: np.nan}))).all()
    tasks = [task(i) for i in range(6)]
    silent = replace(tasks[0], texts=replace(tasks[0].texts, own_logprob=np.full(200, np.nan)))
    assert fit_given([silent, *tasks]) == replace(fit_given(tasks))
    with pytest.raises(NotEnoughDataError):
        fit_given([silent] * 6)


def test_a_part_of_a_text_is_worth_half_as_much(fit):
    whole, part = (fit.log_odds(one(), np.array([cut]))[0] for cut in (False, True))
    usual = np.log(fit.base_rate / (1 - fit.base_rate))
    assert part - usual == pytest.approx((whole - usual) / 2)
    assert whole != pytest.approx(usual)


def test_beyond_the_training_texts_nothing_counts_more(fit):
    assert fit.log_odds(one(self_check=1e6)) == fit.log_odds(one(self_check=fit.high[0]))
    assert fit.log_odds(one(logprob=-1e6)) == fit.log_odds(one(logprob=fit.low[GAP] - 0.5))
    assert abs(float(fit.log_odds(one(self_check=1e6, own_self_check=1e6))[0])) < 10


def test_the_others_of_a_batch_play_no_part(fit):
    many = task(5).texts
    together = fit.log_odds(many)
    few = GivenTexts(*(getattr(many, name)[:3] for name in GivenTexts.__dataclass_fields__))
    np.testing.assert_array_equal(fit.log_odds(few), together[:3])


def test_it_survives_json(fit):
    adapter = TypeAdapter(GivenFit)
    assert adapter.validate_json(adapter.dump_json(fit)) == fit


@pytest.mark.parametrize(
    "change",
    [{"coefficients": (0.0,) * 3}, {"high": (np.inf,) * 6}, {"low": ()}, {"half_width": np.nan}, {"base_rate": 1.0}],
)
def test_a_fit_that_is_not_usable_is_refused(fit, change):
    with pytest.raises(InvalidInputError, match="7 finite coefficients"):
        replace(fit, **change)
