"""The recognition network of Thermometer and the temperature of a task.

Shen, Das, Greenewald, Sattigeri, Wornell, Ghosh: "Thermometer: Towards Universal Calibration for Large
Language Models", ICML 2024, arXiv 2403.08819; details as in the authors' released code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from thermolang.types import FloatArray

BRANCHES = 3


class Thermometer(nn.Module):
    """Predicts each input's inverse temperature from its hidden state, and for self-checks a bias.

    Three parallel branches Linear(d, H) -> ReLU -> Linear(H, outputs) are concatenated and mixed by
    Linear(3 * outputs, outputs). The first output goes through softplus and is 1/T; the second, where there
    is one, is added to the log-odds of "yes". Without a bias this is the published network.

    Args:
        input_size: Width d of the hidden state.
        hidden_size: Width H of a branch; d / 8 by default, as in the paper (4096 -> 512, 2048 -> 256).
        bias: Whether to predict a bias as well as a temperature.
    """

    def __init__(self, input_size: int, hidden_size: int | None = None, *, bias: bool = False) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = (
            input_size,
            hidden_size or max(input_size // 8, 1),
            bias,
        )
        outputs = 2 if bias else 1
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(input_size, self.hidden_size), nn.ReLU(), nn.Linear(self.hidden_size, outputs))
            for _ in range(BRANCHES)
        )
        self.mix = nn.Linear(BRANCHES * outputs, outputs)

    def forward(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (..., d) -> inverse temperatures (...), > 0, and biases (...), in log-odds."""
        mixed = self.mix(torch.cat([branch(hidden) for branch in self.branches], dim=-1))  # (..., outputs)
        inverse = softplus(mixed[..., 0])
        return inverse, mixed[..., 1] if self.bias else torch.zeros_like(inverse)

    @torch.inference_mode()
    def predict(self, hidden: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Hidden states (N, d) or (d,) -> inverse temperatures and biases, each (N,) or a scalar array."""
        # A copy: the last digit of a product depends on how numpy happened to align the array.
        inverse, bias = self(torch.tensor(np.asarray(hidden), dtype=torch.float32))
        return inverse.double().numpy(), bias.double().numpy()


def task_temperature(inverse_temperatures: FloatArray) -> float:
    """Temperature T* of a task: 1 over the mean of its inputs' inverse temperatures.

    That is the harmonic mean of the inputs' temperatures (the released code's aggregate), never above
    their arithmetic mean.

    >>> task_temperature(np.array([1.0, 0.25]))
    1.6
    """
    return float(1.0 / np.mean(inverse_temperatures))
