"""Training a Thermometer over many tasks, several folds side by side.

All of it as in the released code of Thermometer (Shen et al., ICML 2024); see ``docs/method.md``. The networks of all
folds lie in one matrix and are trained together as plain tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad, softplus
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.thermometer import BRANCHES, Thermometer
from thermolang.errors import NotEnoughDataError
from thermolang.storage import digest

CACHE_LINE = 16
"""In float32 numbers. Rows that do not start on one make the weight gradient 1.2 to 1.6 times as slow (MKL, AVX2)."""

DRAWN_AT_ONCE = 64
"""Steps whose batches are drawn in one go: an array for each fold instead of a call for each step."""


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
        # Views: the optimiser sees one tensor, and what is written to a part is in the whole at once.
        self.weight, self.bias, *self.head = self._views(self.parameters)
        self.d_weight, self.d_bias, *self.d_head = self._views(self.parameters.grad)
        # Only what follows the first layers is left to autograd.
        for parameter in self.head:
            parameter.requires_grad_()

    def forward(self, hidden: torch.Tensor, sizes: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Run each fold's network on its batch, and keep what ``backward`` needs.

        Args:
            hidden: Shape (F, B, d).
            sizes: How many items of each fold's batch, from its start, are used; what is returned for the others is
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
            loss: A scalar to which items beyond ``sizes`` contribute nothing.
        """
        units, hidden, sizes = self._seen
        # autograd returns new tensors, and the optimiser reads ``parameters.grad``: hence the copies.
        d_units, *d_head = torch.autograd.grad(loss, [units, *self.head])  # (F, B, 3H), ...
        for mine, new in zip(self.d_head, d_head, strict=True):
            mine.copy_(new)
        torch.sum(d_units, 1, out=self.d_bias)
        for fold, n in enumerate(sizes):
            # (3H, n) x (n, d)
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


@dataclass(frozen=True)
class TrainingConfig:
    """How a Thermometer is trained; the defaults are the released code's.

    Attributes:
        steps: Gradient steps; always all of them, the best checkpoint is kept.
        batch_size: Items of the one task a step looks at; fewer if the task is smaller.
        learning_rate: Of AdamW, constant.
        weight_decay: Of AdamW.
        prior_weight: lambda, weight of the log prior against a mean cross-entropy.
        gamma_shape: Shape k of the Gamma prior on T.
        gamma_scale: Scale of the Gamma prior on T; the mode (k - 1) * scale is 1.
        bias: Predict a bias as well as a temperature (for self-checks).
        bias_scale: Standard deviation of the normal prior on a task's bias.
        evaluate_every: Steps between evaluations of the validation loss.
        validation_share: Part of each task that selects the checkpoint and is not trained on.
        seed: Of initialisation, splits and sampling.
    """

    steps: int = 5000
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    prior_weight: float = 0.01
    gamma_shape: float = 1.25
    gamma_scale: float = 4.0
    bias: bool = False
    bias_scale: float = 2.0
    evaluate_every: int = 50
    validation_share: float = 0.1
    seed: int = 0


def log_gamma_prior(temperature: torch.Tensor, shape: float, scale: float) -> torch.Tensor:
    """Log density of Gamma(shape, scale) at T > 0.

    >>> round(float(log_gamma_prior(torch.tensor(1.0), 1.25, 4.0)), 4)
    -1.8846
    """
    normaliser = shape * math.log(scale) + math.lgamma(shape)
    return (shape - 1) * temperature.log() - temperature / scale - normaliser


def objective(
    logits: torch.Tensor,
    labels: torch.Tensor,
    inverse: torch.Tensor,
    bias: torch.Tensor,
    present: torch.Tensor,
    config: TrainingConfig,
) -> torch.Tensor:
    """Loss of one task's batch under its mean inverse temperature, for F folds at once.

    CE(z * s, y) - lambda * log Gamma(1/s), with s the mean of the batch's inverse temperatures; with a bias
    also -lambda * log Normal(b; 0, bias_scale), b the mean bias, added to the logit of "yes".

    Args:
        logits: Shape (F, B, K); options a task does not have are very low.
        labels: Shape (F, B).
        inverse: Shape (F, B), inverse temperatures of the inputs.
        bias: Shape (F, B).
        present: Shape (F, B), 1 for items and 0 for padding.
        config: Weights of the priors.

    Returns:
        Shape (F,).
    """
    count = present.sum(-1)
    s, b = (inverse * present).sum(-1) / count, (bias * present).sum(-1) / count  # (F,)
    scaled = logits * s[:, None, None]  # (F, B, K)
    if config.bias:
        scaled = torch.cat([scaled[..., :1] + b[:, None, None], scaled[..., 1:]], dim=-1)
    # (F, B)
    loss = -scaled.log_softmax(-1).gather(-1, labels[..., None])[..., 0]
    prior = log_gamma_prior(1 / s, config.gamma_shape, config.gamma_scale)
    if config.bias:
        prior = prior - b.square() / (2 * config.bias_scale**2)
    return (loss * present).sum(-1) / count - config.prior_weight * prior


def train(
    tasks: Sequence[TaskFeatures],
    folds: Sequence[Sequence[int]] | None = None,
    config: TrainingConfig | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Thermometer]:
    """Train one Thermometer per fold, all folds side by side.

    All folds start from the same initial parameters. Which items validate depends on the seed and the task's
    name, which batches a fold sees on the seed and the names of its tasks: so a fold comes out the same alone
    as among others, up to rounding.

    Args:
        tasks: Features of all tasks; they may differ in size and number of options.
        folds: For each fold the indices of the tasks to train on; one fold of all tasks by default.
        config: See ``TrainingConfig``.
        progress: Called with (step, steps) now and then.

    Returns:
        One network per fold, each at its best checkpoint by mean validation loss over the fold's tasks.

    Raises:
        NotEnoughDataError: No tasks, or a fold without tasks.
    """
    config = config or TrainingConfig()
    chosen = [list(range(len(tasks)))] if folds is None else [list(f) for f in folds]
    if not tasks or not chosen or not all(chosen):
        msg = f"training needs at least one task in every fold, got {len(tasks)} tasks and folds {chosen}"
        raise NotEnoughDataError(msg)
    return _Run(tasks, chosen, config).run(progress)


class _Run:
    """State of one training: concatenated data, the folds' networks, best checkpoints."""

    def __init__(self, tasks: Sequence[TaskFeatures], folds: list[list[int]], config: TrainingConfig) -> None:
        self.folds, self.config = folds, config
        self.hidden = torch.from_numpy(np.concatenate([np.asarray(t.hidden, np.float32) for t in tasks]))
        self.logits = _padded_logits(tasks)
        self.labels = torch.from_numpy(np.concatenate([np.asarray(t.labels, np.int64) for t in tasks]))
        training, self.validation = self._split(tasks)
        self.sizes = np.array([len(items) for items in training])
        self.items, _ = _rectangle(training)
        self.held_out = [torch.from_numpy(a) for a in _rectangle(self.validation)]
        self.randoms = [_generator(config.seed, "batches", *(tasks[k].name for k in fold)) for fold in folds]
        # Leaves the caller's global generator as it was.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seed)
            first = Thermometer(self.hidden.shape[1], bias=config.bias)
        self.networks = StackedThermometers(first, len(folds))
        self.best = self.networks.parameters.clone()
        self.best_loss = torch.full((len(folds),), float("inf"))

    def run(self, progress: Callable[[int, int], None] | None) -> list[Thermometer]:
        config, networks = self.config, self.networks
        optimiser = torch.optim.AdamW(
            [networks.parameters], lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        for step, (rows, present) in zip(range(1, config.steps + 1), self._batches(), strict=False):
            sizes = present.sum(-1).int().tolist()
            hidden = self.hidden.index_select(0, rows.flatten()).view(*rows.shape, -1)  # (F, B, d)
            inverse, bias = networks.forward(hidden, sizes)
            loss = objective(self.logits[rows], self.labels[rows], inverse, bias, present, config)
            networks.backward(loss.sum())
            optimiser.step()
            if step % config.evaluate_every == 0 or step == config.steps:
                self._keep_best()
                if progress:
                    progress(step, config.steps)
        return [networks.network(parameters) for parameters in self.best]

    def _split(self, tasks: Sequence[TaskFeatures]) -> tuple[list[Any], list[Any]]:
        """Indices of each task's training and validation items in the concatenated arrays."""
        start, training, validation = 0, [], []
        for task in tasks:
            order = start + _generator(self.config.seed, "split", task.name).permutation(len(task.labels))
            # At least one item validates and at least one is trained on; of a single item the latter wins.
            held_out = min(max(1, round(self.config.validation_share * len(order))), len(order) - 1)
            validation.append(order[:held_out])
            training.append(order[held_out:])
            start += len(order)
        return training, validation

    def _batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Without end: each fold draws one of its tasks uniformly and one batch of it; rows and presence (F, B).

        Where a batch is shorter than B its items come first.
        """
        width = min(self.config.batch_size, self.items.shape[1])
        while True:
            drawn = [self._draw(np.array(f), r, width) for f, r in zip(self.folds, self.randoms, strict=True)]
            # (DRAWN_AT_ONCE, F, B) each.
            rows = torch.from_numpy(np.stack([rows for rows, _ in drawn], axis=1))
            present = torch.from_numpy(np.stack([present for _, present in drawn], axis=1))
            yield from zip(rows, present, strict=True)

    def _draw(self, fold: Any, random: np.random.Generator, width: int) -> tuple[Any, Any]:
        """Rows and presence of one fold's batches for the next steps, (steps, width), items without replacement."""
        task = fold[random.integers(len(fold), size=DRAWN_AT_ONCE)]
        longest = int(self.sizes[fold].max())
        keys = random.random((DRAWN_AT_ONCE, longest), dtype=np.float32)  # (steps, longest)
        keys[np.arange(longest) >= self.sizes[task, None]] = 2.0  # items the task does not have come last
        # The items with the smallest random keys are a draw without replacement, for all steps at once.
        size = min(width, longest)
        order = np.sort(np.argpartition(keys, size - 1, axis=1)[:, :size], axis=1)
        # Sorted positions put a small task's own items before those that only fill the batch.
        present = (order < self.sizes[task, None]).astype(np.float32)
        fill = ((0, 0), (0, width - size))
        return np.pad(self.items[task[:, None], order], fill), np.pad(present, fill)

    def _keep_best(self) -> None:
        """Remember each fold's parameters if their mean validation loss is the lowest so far."""
        mean = torch.stack([self._validation_loss(i) for i in range(len(self.folds))])  # (F,)
        better = mean < self.best_loss
        self.best_loss[better] = mean[better]
        self.best[better] = self.networks.parameters[better]

    def _validation_loss(self, fold: int) -> torch.Tensor:
        """Mean over the fold's tasks of the negative log-likelihood alone, each with its own mean temperature."""
        rows, present = (a[self.folds[fold]] for a in self.held_out)  # (tasks, items)
        # Only items that are there are computed, (items in all,), and put back into the rectangle.
        readings = self.networks.read(fold, self.hidden[rows[present]])
        inverse, bias = (torch.zeros(rows.shape).masked_scatter_(present, r) for r in readings)
        without_prior = TrainingConfig(prior_weight=0.0, bias=self.config.bias)
        loss = objective(self.logits[rows], self.labels[rows], inverse, bias, present.float(), without_prior)
        return loss.mean()


def _rectangle(blocks: Sequence[Any]) -> tuple[Any, Any]:
    """Indices of each task as one array (tasks, longest), filled up with 0, and which of them are the tasks' own."""
    sizes = np.array([len(block) for block in blocks])
    present = np.arange(sizes.max()) < sizes[:, None]
    filled = np.zeros(present.shape, dtype=np.int64)
    filled[present] = np.concatenate(blocks)
    return filled, present


def _generator(seed: int, *names: str) -> np.random.Generator:
    """Random numbers that depend on nothing but the seed and these names."""
    return np.random.default_rng([seed, *(int(digest(name), 16) for name in names)])


def _padded_logits(tasks: Sequence[TaskFeatures]) -> torch.Tensor:
    """All logits as (N, K_max), shifted to a maximum of 0; options a task does not have are very unlikely."""
    width = max(t.logits.shape[1] for t in tasks)
    blocks = [
        np.pad(
            t.logits - t.logits.max(-1, keepdims=True),
            ((0, 0), (0, width - t.logits.shape[1])),
            constant_values=-1e9,
        )
        for t in tasks
    ]
    return torch.tensor(np.concatenate(blocks), dtype=torch.float32)
