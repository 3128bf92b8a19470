"""One temperature and bias for all tasks: recovery, equal weights, limits."""

import numpy as np
import pytest

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration.task import TaskFeatures
from thermolang.calibration.temperature import fit_temperature, task_nll
from thermolang.calibration.training import TrainingConfig
from thermolang.errors import NotEnoughDataError

FREE = TrainingConfig(prior_weight=0.0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_recovered(temperature):
    tasks = [choice_task(f"t{i}", temperature, items=2000, width=4, seed=i) for i in range(3)]
    inverse, bias = fit_temperature(tasks, FREE)
    assert 1 / inverse == pytest.approx(temperature, rel=0.1)
    assert bias == 0


def test_a_known_bias_is_recovered():
    tasks = [self_check_task(f"t{i}", 1.0, 0.8, items=2000, width=4, seed=i) for i in range(3)]
    inverse, bias = fit_temperature(tasks, TrainingConfig(prior_weight=0.0, bias=True))
    assert inverse == pytest.approx(1.0, rel=0.15)
    assert bias == pytest.approx(0.8, abs=0.15)


def test_the_fit_is_a_minimum_of_the_tasks_mean_loss():
    tasks = [choice_task(f"t{i}", t, items=n, width=4, seed=i) for i, (t, n) in enumerate([(1.0, 50), (4.0, 500)])]
    inverse, _ = fit_temperature(tasks, FREE)

    def loss(s):
        return np.mean([task_nll(t, s, 0.0) for t in tasks])

    assert loss(inverse) <= min(loss(inverse * 1.02), loss(inverse / 1.02))


def test_an_all_right_task_stays_finite_under_the_prior():
    task = self_check_task("t", 1.0, 0.0, items=30, width=4)
    task = TaskFeatures(task.name, task.hidden, task.logits, np.zeros(30, dtype=np.int64))
    inverse, bias = fit_temperature([task], TrainingConfig(bias=True))
    assert np.isfinite([inverse, bias]).all()
    assert bias > 0


def test_no_tasks():
    with pytest.raises(NotEnoughDataError, match="at least one task"):
        fit_temperature([], FREE)
