"""Seconds, memory and share of the machine's matrix rate of training a Thermometer. Prints JSON.

The features are random: the time does not depend on what they say. Between the steps torch's own rate for the same
products is measured, so other work on the machine slows both alike; that time is not training time.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np
import torch

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.thermometer import BRANCHES, Thermometer
from thermolang.calibration.training import TrainingConfig, train

OPTIONS = 4
REPEATS = 20
"""Times both products of one fold are run in a row, at each look at the rate."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=57)
    parser.add_argument("--items", type=int, default=175, help="of the mean task; sizes go from 4/7 to 10/7 of it")
    parser.add_argument("--width", type=int, default=1536, help="of the hidden states")
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=TrainingConfig.steps)
    asked = parser.parse_args()
    config = TrainingConfig(steps=asked.steps)
    tasks = random_tasks(asked)
    folds = [[k for k in range(asked.tasks) if k % asked.folds != fold] for fold in range(asked.folds)]
    rate = MatrixRate(asked.width, config.batch_size)
    start = time.perf_counter()
    train(tasks, folds, config, progress=lambda step, steps: rate.measure())
    seconds = time.perf_counter() - start - rate.seconds
    per_item = 2 * rate.parameters  # a multiplication and an addition with each weight
    trained = 2 * per_item * config.steps * sum(items_of_a_step(tasks, fold, config) for fold in folds)
    looks = -(-config.steps // config.evaluate_every)
    validated = per_item * looks * sum(validating(tasks[k], config) for fold in folds for k in fold)
    report = {
        **vars(asked),
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 1),
        "ms_per_step": round(1000 * seconds / config.steps, 2),
        "gemm_gflops": round(rate.gflops, 1),
        "gemm_share": round(trained / seconds / 1e9 / rate.gflops, 3),
        "gemm_share_with_validation": round((trained + validated) / seconds / 1e9 / rate.gflops, 3),
        "peak_rss_gb": round(peak_rss() / 1e9, 2),
    }
    print(json.dumps(report))


def random_tasks(asked):
    rng = np.random.default_rng(0)
    sizes = np.linspace(4 / 7 * asked.items, 10 / 7 * asked.items, asked.tasks).round().astype(int)
    return [
        TaskFeatures(
            f"task {i}",
            rng.standard_normal((n, asked.width), dtype=np.float32),
            rng.normal(0, 2, (n, OPTIONS)),
            rng.integers(OPTIONS, size=n),
        )
        for i, n in enumerate(rng.permutation(sizes))
    ]


def validating(task, config):
    return max(1, round(config.validation_share * len(task)))


def items_of_a_step(tasks, fold, config):
    """Expected, as tasks are drawn uniformly."""
    return np.mean([min(config.batch_size, len(tasks[k]) - validating(tasks[k], config)) for k in fold])


class MatrixRate:
    """How fast this machine multiplies the matrices of one fold: first layers forward, and their gradient."""

    def __init__(self, width, batch):
        units = BRANCHES * Thermometer(width).hidden_size
        self.hidden, self.weight = torch.randn(batch, width), torch.randn(units, width)
        self.units, self.gradient = torch.empty(batch, units), torch.empty(units, width)
        self.parameters, self.products, self.seconds = units * width, 0, 0.0

    def measure(self):
        start = time.perf_counter()
        for _ in range(REPEATS):
            torch.mm(self.hidden, self.weight.T, out=self.units)
            torch.mm(self.units.T, self.hidden, out=self.gradient)
        self.seconds += time.perf_counter() - start
        self.products += 2 * REPEATS

    @property
    def gflops(self):
        return 2 * len(self.hidden) * self.parameters * self.products / self.seconds / 1e9


def peak_rss():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
