"""The networks of F folds side by side, trained together as plain tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch.nn.functional import pad, softplus
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from thermolang.calibration.thermometer import BRANCHES, Thermometer

CACHE_LINE = 16
"""In float32 numbers. Rows that do not start on one make the weight gradient 1.2 to 1.6 times as slow (MKL, AVX2)."""


class StackedThermometers:
    """F Thermometers in one matrix, each with batches of its own.

    The first layers of the three branches hold nearly all parameters and nearly all the work. They lie one above the
    other in one weight (3H, d), and the two matrix products with it are written out here: fold by fold, which is as
    fast as ``torch.bmm`` and leaves out what a small task lacks of a batch, and without a gradient for the input.
    For the little that follows autograd is fast enough.

    Args:
        first: The network every fold starts from.
        folds: Number F of folds.

    Attributes:
        parameters: Shape (F, P), in a row a fold's parameters and zeros up to a full cache line; its ``grad`` is
            what ``backward`` writes.
    """

    def __init__(self, first: Thermometer, folds: int) -> None:
        self.first = first
        with torch.no_grad():
            row = parameters_to_vector(_in_order(first))
            self.parameters = pad(row, (0, -len(row) % CACHE_LINE)).repeat(folds, 1)  # (F, P)
        self.parameters.grad = torch.zeros_like(self.parameters)
        self.weight, self.bias, *self.head = self._views(self.parameters)
        self.d_weight, self.d_bias, *self.d_head = self._views(self.parameters.grad)
        for parameter in self.head:
            parameter.requires_grad_()

    def forward(self, hidden: torch.Tensor, sizes: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Read a batch for each fold, and keep what ``backward`` needs.

        Args:
            hidden: Shape (F, B, d).
            sizes: How many items of each fold's batch, from its start, are read; what is returned for the others is
                finite and means nothing.

        Returns:
            Inverse temperatures and biases, each (F, B).
        """
        units = hidden.new_zeros(*hidden.shape[:2], self.bias.shape[1])  # (F, B, 3H)
        for fold, n in enumerate(sizes):
            torch.addmm(self.bias[fold], hidden[fold, :n], self.weight[fold].T, out=units[fold, :n])
        self._seen = units.requires_grad_(), hidden, sizes
        return _head(units, self.head)

    def backward(self, loss: torch.Tensor) -> None:
        """Write to ``parameters.grad`` the gradient of a loss, computed from what ``forward`` returned last.

        Args:
            loss: A scalar to which items that were not read contribute nothing.
        """
        units, hidden, sizes = self._seen
        d_units, *d_head = torch.autograd.grad(loss, [units, *self.head])  # (F, B, 3H), ...
        for mine, new in zip(self.d_head, d_head, strict=True):
            mine.copy_(new)
        torch.sum(d_units, 1, out=self.d_bias)
        for fold, n in enumerate(sizes):
            torch.mm(d_units[fold, :n].T, hidden[fold, :n], out=self.d_weight[fold])

    def read(self, fold: int, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden states (N, d) -> inverse temperatures and biases of one fold's network, each (N,)."""
        with torch.no_grad():
            units = torch.addmm(self.bias[fold], hidden, self.weight[fold].T)  # (N, 3H)
            inverse, bias = _head(units[None], [parameter[fold, None] for parameter in self.head])
        return inverse[0], bias[0]

    def network(self, parameters: torch.Tensor) -> Thermometer:
        """A Thermometer with these parameters, shape (P,): a row of ``parameters``."""
        network = deepcopy(self.first)
        vector_to_parameters(parameters.clone(), _in_order(network))
        return network

    def _views(self, matrix: torch.Tensor) -> list[torch.Tensor]:
        """The parts of a matrix (F, P), in the order of ``_in_order`` with the branches joined."""
        d, h, outputs = self.first.input_size, self.first.hidden_size, self.first.mix.out_features
        shapes = (
            (BRANCHES * h, d),  # first layers
            (BRANCHES * h,),
            (BRANCHES, outputs, h),  # second layers
            (BRANCHES, outputs),
            (outputs, BRANCHES * outputs),  # mix
            (outputs,),
        )
        sizes = [math.prod(shape) for shape in shapes]
        *parts, _ = torch.split(matrix, [*sizes, matrix.shape[1] - sum(sizes)], dim=1)
        return [part.view(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]


def _in_order(network: Thermometer) -> list[torch.nn.Parameter]:
    """The parameters, kind by kind, so that the same kind of all branches lies together."""
    branches: list[Any] = list(network.branches)
    layers = [[branch[i] for branch in branches] for i in (0, 2)]
    kinds = [[layer.weight for layer in same] + [layer.bias for layer in same] for same in layers]
    return [*kinds[0], *kinds[1], network.mix.weight, network.mix.bias]


def _head(units: torch.Tensor, head: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """First layers' outputs (F, B, 3H) -> inverse temperatures and biases (F, B).

    Second layers and mix are linear, so the small matrices are multiplied with each other first.
    """
    weight, bias, mix, mix_bias = head  # (F, 3, o, H), (F, 3, o), (F, o, 3 o), (F, o)
    mix = mix.view(*mix.shape[:2], *bias.shape[1:])  # (F, o, 3, o)
    joined = torch.einsum("fpkq,fkqh->fpkh", mix, weight).flatten(2)  # (F, o, 3H)
    offset = torch.einsum("fpkq,fkq->fp", mix, bias) + mix_bias  # (F, o)
    mixed = torch.baddbmm(offset[:, None], units.relu(), joined.transpose(1, 2))  # (F, B, o)
    inverse = softplus(mixed[..., 0])
    return inverse, mixed[..., 1] if mixed.shape[-1] == 2 else torch.zeros_like(inverse)
