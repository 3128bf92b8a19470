"""The probe finds a direction that holds in every task, learns nothing from noise, and may start from agreement."""

from dataclasses import replace

import numpy as np
import pytest

from tests.calibration.test_head import tasks_with_a_direction
from thermolang.calibration.metrics import auroc
from thermolang.calibration.probe import fit_probe
from thermolang.errors import InvalidInputError, NotEnoughDataError


def test_a_shared_direction_carries_over_to_new_tasks():
    tasks = tasks_with_a_direction(20, strength=2.0)
    probe = fit_probe(tasks[:14])
    assert np.mean([auroc(probe.predict(t.hidden), t.right) for t in tasks[14:]]) > 0.75


def test_on_noise_it_says_the_base_rate():
    tasks = tasks_with_a_direction(20, strength=0.0)
    probe = fit_probe(tasks[:14])
    p = np.concatenate([probe.predict(t.hidden) for t in tasks[14:]])
    assert p.mean() == pytest.approx(np.mean([t.right.mean() for t in tasks]), abs=0.1)
    assert p.std() < 0.1


def test_an_answer_has_the_same_probability_alone():
    tasks = tasks_with_a_direction(6, strength=2.0)
    probe = fit_probe(tasks)
    together = probe.predict(tasks[0].hidden)
    assert [probe.predict(h[None])[0] for h in tasks[0].hidden] == together.tolist()


def test_too_few_groups_are_refused():
    with pytest.raises(NotEnoughDataError, match="3 groups"):
        fit_probe(tasks_with_a_direction(6), ["a", "b"] * 3)


@pytest.mark.parametrize("hidden", [np.zeros((2, 3)), np.zeros(16), np.full((2, 16), np.nan)])
def test_bad_hidden_states_are_refused(hidden):
    with pytest.raises(InvalidInputError):
        fit_probe(tasks_with_a_direction(4)).predict(hidden)


def with_agreement(tasks, *, misled=False):
    """Tasks whose 8 samples agree mostly on right answers; misled, on wrong ones."""
    rng = np.random.default_rng(0)
    chance = [np.where(t.right != misled, 0.9, 0.2) for t in tasks]
    return [replace(t, signals={"share": rng.binomial(8, p) / 8}) for t, p in zip(tasks, chance, strict=True)]


def reached(probe, tasks):
    return np.mean([auroc(probe.predict(t.hidden), t.right) for t in tasks])


def test_agreement_needs_no_label():
    tasks = with_agreement(tasks_with_a_direction(20, strength=2.0))
    mixed = [replace(t, labels=np.roll(t.labels, 1)) for t in tasks]
    probe, blind = (fit_probe(some[:14], agreement=True) for some in (tasks, mixed))
    assert reached(probe, tasks[14:]) > 0.7
    assert blind.weights.tolist() == probe.weights.tolist()


def test_few_labels_do_more_after_agreement():
    tasks = with_agreement(tasks_with_a_direction(30, strength=2.0))
    few = [t.take(range(4)) for t in tasks[:4]]
    start = fit_probe(tasks[:20], agreement=True)
    assert reached(fit_probe(few, start=start), tasks[20:]) > reached(fit_probe(few), tasks[20:]) + 0.05


def test_labels_correct_what_agreement_has_wrong():
    tasks = with_agreement(tasks_with_a_direction(40, strength=2.0), misled=True)
    start = fit_probe(tasks[:30], agreement=True)
    assert reached(start, tasks[30:]) < 0.4
    assert reached(fit_probe(tasks[:30], start=start), tasks[30:]) > 0.7


def test_without_samples_there_is_no_agreement():
    with pytest.raises(InvalidInputError, match="--samples 8"):
        fit_probe(tasks_with_a_direction(6), agreement=True)
