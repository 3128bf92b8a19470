"""Protocols: the folds of tasks that train and that are measured, with the networks of all folds trained together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from thermolang.calibration.features import TaskFeatures, without_duplicates
from thermolang.calibration.training import TrainingConfig, train
from thermolang.errors import InvalidInputError, NotEnoughDataError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

INNER = 5
"""Parts of the training tasks of a fold, each predicted without itself, unless the protocol gives their number."""

FEWEST = 3
"""Training tasks below which nothing can be learnt about a new task."""


@dataclass(frozen=True, eq=False)
class TaskPrediction:
    """What a network that never saw the task predicts from its items.

    Attributes:
        task: The task.
        inverse: Shape (N,), inverse temperatures > 0.
        bias: Shape (N,), in log-odds; zeros where the network has no bias.
        paper: Shape (N,), inverse temperatures of the published network, which has no bias.
    """

    task: TaskFeatures
    inverse: FloatArray
    bias: FloatArray
    paper: FloatArray


@dataclass(frozen=True, eq=False)
class Fold:
    """Training tasks with their out-of-fold predictions, and the held-out tasks with theirs.

    The prediction of a training task comes from a network that saw neither it nor any held-out task of this fold: so
    whatever is chosen on ``training`` is chosen without the tasks it is measured on.
    """

    training: tuple[TaskPrediction, ...]
    testing: tuple[TaskPrediction, ...]


def parse_protocol(protocol: str) -> int | None:
    """Number of groups that tasks are left out in; None for one task at a time and for transfer.

    Raises:
        InvalidInputError: Not ``leave-one-task-out``, ``transfer`` or ``groups:N`` with N of at least 2.
    """
    if protocol in ("leave-one-task-out", "transfer"):
        return None
    kind, _, number = protocol.partition(":")
    if kind != "groups" or not number.isdigit() or int(number) < 2:
        msg = f"unknown protocol {protocol!r}: expected leave-one-task-out, transfer, or groups:N such as groups:10"
        raise InvalidInputError(msg)
    return int(number)


def make_folds(
    tasks: Sequence[TaskFeatures],
    others: Sequence[TaskFeatures] = (),
    *,
    protocol: str,
    config: TrainingConfig,
    progress: Callable[[int, int], None] | None = None,
) -> list[Fold]:
    """Train the networks of a protocol side by side and predict every task out of fold.

    Args:
        tasks: The tasks, all choices or all self-checks. An item that stands in several tasks counts in the first
            only, and tasks of one ``group`` are left out together, so nothing leaks.
        others: With ``transfer``, the tasks to measure; items that stand in ``tasks`` too are left out.
        protocol: ``"leave-one-task-out"``, ``"groups:N"`` or ``"transfer"``.
        config: How to train. For self-checks a network with and one without a bias are trained.
        progress: Called with (step, steps).

    Raises:
        InvalidInputError: An unknown protocol, or ``others`` without ``transfer`` or the other way round.
        NotEnoughDataError: A fold would train on fewer than three tasks.
    """
    number = parse_protocol(protocol)
    if (protocol == "transfer") != bool(others):
        msg = (
            f"{len(others)} test tasks were given with protocol {protocol!r}: only transfer takes them, and needs them"
        )
        raise InvalidInputError(msg)
    pool = without_duplicates([*tasks, *others])
    names = {id(t) for t in tasks} | {t.name for t in tasks}
    known = [t for t in pool if t.name in names]
    new = [t for t in pool if t.name not in names]
    part = _deal(known, number or INNER, config.seed)
    if protocol == "transfer":
        # One fold, which trains on all of ``tasks``.
        outer = [frozenset[int]()]
    elif number:
        outer = [frozenset(np.flatnonzero(part == g).tolist()) for g in range(part.max() + 1)]
    else:
        groups = [t.group or t.name for t in known]
        outer = [frozenset(i for i, g in enumerate(groups) if g == name) for name in dict.fromkeys(groups)]
    inner = [frozenset(np.flatnonzero(part == g).tolist()) for g in range(part.max() + 1)]
    # Each set of left-out tasks once: o | i and i | o are the same, as is o | o with o.
    wanted = dict.fromkeys([*outer, *(o | i for o in outer for i in inner)])
    predictors = _train_all(known, list(wanted), config, progress)
    folds = []
    for left_out in outer:
        # A training task is predicted by the network that left out its part as well.
        training = [
            _prediction(known[i], predictors[left_out | inner[part[i]]]) for i in range(len(known)) if i not in left_out
        ]
        measured = new if protocol == "transfer" else [known[i] for i in sorted(left_out)]
        folds.append(Fold(tuple(training), tuple(_prediction(t, predictors[left_out]) for t in measured)))
    return folds


Predictor = Callable[["FloatArray"], tuple["FloatArray", "FloatArray", "FloatArray"]]
"""Hidden states (N, d) -> ``inverse``, ``bias`` and ``paper`` of a ``TaskPrediction``."""


def _deal(tasks: Sequence[TaskFeatures], number: int, seed: int) -> np.ndarray:
    """Deal the tasks into parts of about equal size, tasks of one group together; shape (tasks,)."""
    groups = [t.group or t.name for t in tasks]
    order = np.random.default_rng([seed, 7]).permutation(sorted(set(groups))).tolist()
    place = {name: i % min(number, len(order)) for i, name in enumerate(order)}
    return np.array([place[g] for g in groups])


def _train_all(
    tasks: Sequence[TaskFeatures],
    left_out: Sequence[frozenset[int]],
    config: TrainingConfig,
    progress: Callable[[int, int], None] | None,
) -> dict[frozenset[int], Predictor]:
    folds = [[i for i in range(len(tasks)) if i not in out] for out in left_out]
    if (fewest := min(map(len, folds))) < FEWEST:
        msg = f"a fold would train on {fewest} of {len(tasks)} tasks; at least {FEWEST} are needed: collect more tasks"
        raise NotEnoughDataError(msg)
    paper = train(tasks, folds, replace(config, bias=False), progress=progress)
    # For choices the published network is the only one.
    biased = train(tasks, folds, replace(config, bias=True), progress=progress) if tasks[0].kind.has_bias else paper

    def predictor(i: int) -> Predictor:
        return lambda hidden: (*biased[i].predict(hidden), paper[i].predict(hidden)[0])

    return {out: predictor(i) for i, out in enumerate(left_out)}


def _prediction(task: TaskFeatures, predict: Predictor) -> TaskPrediction:
    return TaskPrediction(task, *predict(task.hidden))
