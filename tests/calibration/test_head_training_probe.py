"""The probe: finds a direction that holds in every task, learns nothing from noise."""

import numpy as np
import pytest

from tests.calibration.test_head import tasks_with_a_direction
from thermolang.calibration.head_training import fit_probe
from thermolang.calibration.metrics import auroc
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
