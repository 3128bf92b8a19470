"""Tasks whose temperature and bias are known, and calibrators that need no training."""

import numpy as np
import torch

from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.fit import Fit, InputDistribution, Prior
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.thermometer import Thermometer
from thermolang.types import ModelIdentity

IDENTITY = ModelIdentity(
    architecture="LlamaForCausalLM",
    hidden_size=8,
    num_layers=2,
    vocab_size=100,
    tokenizer="a1b2",
    template="c3d4",
    prompt_version="1",
)

PRIOR = Prior(inverse_temperature=0.5, bias=-0.25, inputs=4.0, half_width=1.0, base_rate=0.6, tasks=5)


def choice_task(name, temperature, *, items=300, options=4, width=32, seed=0):
    """Logits are ``temperature`` times the true log-probabilities, the hidden states hold log T in half their width."""
    rng = np.random.default_rng([seed, len(name), round(1000 * temperature)])
    odds = rng.normal(0, 1.5, (items, options))
    p = np.exp(odds) / np.exp(odds).sum(1, keepdims=True)
    labels = (p.cumsum(1) > rng.random((items, 1))).argmax(1)
    return TaskFeatures(name, _hidden(rng, items, width, temperature, 0.0), odds * temperature, labels)


def self_check_task(name, temperature, bias, *, items=300, width=32, seed=0):
    """The log-odds of a right answer are (z_yes - z_no) / temperature + bias."""
    rng = np.random.default_rng([seed, len(name), round(1000 * temperature), round(1000 * (bias + 10))])
    odds = rng.normal(0, 1.5, items) + bias
    labels = (rng.random(items) > 1 / (1 + np.exp(-odds))).astype(np.int64)
    logits = np.stack([(odds - bias) * temperature, np.zeros(items)], axis=1)
    return TaskFeatures(name, _hidden(rng, items, width, temperature, bias), logits, labels, kind=SELF_CHECK)


def _hidden(rng, items, width, temperature, bias):
    hidden = rng.normal(0, 0.1, (items, width))
    hidden[:, : width // 2] += np.log(temperature)
    hidden[:, width // 2 :] += bias
    return hidden.astype(np.float32)


def untrained_fit(*, bias=False, width=8, seed=0):
    """A fit with a random network; equal seeds give equal fits."""
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Thermometer(width, bias=bias)
    return Fit(
        network, PRIOR, InputDistribution.fit([rng.normal(0, 1, (40, width)).astype(np.float32) for _ in range(3)])
    )


def calibrator(*, identity=IDENTITY, name="acme/Tiny-Chat", seed=0):
    """A calibrator of an imaginary model, for choices and self-checks."""
    rng = np.random.default_rng(1)
    probe = (rng.normal(0, 1, (8, identity.hidden_size)), rng.normal(0, 1, (8, 2)))
    fits = {"choice": untrained_fit(seed=seed), "self_check": untrained_fit(bias=True, seed=seed + 1)}
    return Calibrator(identity, fits, probe, model_name=name, card="# Card of Tiny-Chat\n")


def leave_one_out(n_tasks):
    """Folds that each leave out one task."""
    return [[j for j in range(n_tasks) if j != i] for i in range(n_tasks)]
