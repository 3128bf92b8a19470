"""Small tasks with known temperatures and biases for whole experiments."""

import numpy as np

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration.training import TrainingConfig

FAST = TrainingConfig(steps=100, learning_rate=1e-2, evaluate_every=50)


def tasks(kind, count=8, items=60):
    rng = np.random.default_rng(0)
    if kind == "choice":
        temperatures = np.exp(rng.normal(0.8, 0.4, count)).tolist()
        return [choice_task(f"t{i}", t, items=items, width=16, seed=i) for i, t in enumerate(temperatures)]
    biases = rng.normal(-1.0, 0.7, count).tolist()
    return [self_check_task(f"t{i}", 1.5, b, items=items, width=16, seed=i) for i, b in enumerate(biases)]
