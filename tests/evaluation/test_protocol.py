"""Folds: nothing of a held-out task reaches the networks that read it, nor what is chosen on the others."""

from dataclasses import replace

import numpy as np
import pytest

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration.training import TrainingConfig
from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.evaluation.protocol import make_folds

FAST = TrainingConfig(steps=10, evaluate_every=10)
TASKS = [choice_task(f"task {i}", 1.0 + i, items=20, width=8, seed=i) for i in range(8)]


def held_out(folds):
    return [r.task.name for fold in folds for r in fold.testing]


@pytest.mark.parametrize(("protocol", "count"), [("groups:4", 4), ("leave-one-task-out", 8)])
def test_every_task_is_held_out_once(protocol, count):
    folds = make_folds(TASKS, protocol=protocol, config=FAST)
    assert len(folds) == count
    assert sorted(held_out(folds)) == sorted(t.name for t in TASKS)
    for fold in folds:
        assert not {r.task.name for r in fold.training} & {r.task.name for r in fold.testing}
        assert len(fold.training) + len(fold.testing) == len(TASKS)


def test_transfer_measures_the_others_only():
    others = [choice_task("new", 2.0, items=20, width=8, seed=99)]
    (fold,) = make_folds(TASKS, others, protocol="transfer", config=FAST)
    assert held_out([fold]) == ["new"]
    assert [r.task.name for r in fold.training] == [t.name for t in TASKS]


def spoilt(task):
    """The same task, but everything a network could learn from it is wrong."""
    return replace(task, hidden=task.hidden + 5, logits=-task.logits, labels=(task.labels + 1) % 4)


@pytest.mark.parametrize("protocol", ["groups:4", "leave-one-task-out"])
def test_a_held_out_task_does_not_leak(protocol):
    # Every prediction of a fold, also those of its training tasks, must stay the same when a held-out task is spoilt.
    clean = make_folds(TASKS, protocol=protocol, config=FAST)
    changed = make_folds([spoilt(TASKS[0]), *TASKS[1:]], protocol=protocol, config=FAST)
    moved = []
    for before, after in zip(clean, changed, strict=True):
        if TASKS[0].name in {r.task.name for r in before.testing}:
            for a, b in zip(before.training, after.training, strict=True):
                np.testing.assert_allclose(a.inverse, b.inverse, rtol=1e-5)
        else:
            moved += [np.abs(a.inverse - b.inverse).max() for a, b in zip(before.testing, after.testing, strict=True)]
    assert len(moved) < len(TASKS)
    assert max(moved) > 1e-4  # the control: where it trains, it matters


def test_a_training_task_is_read_by_a_network_that_did_not_see_it():
    # With its labels permuted its own out-of-fold prediction must not move; those of others do.
    shuffled = replace(TASKS[0], labels=np.random.default_rng(0).permutation(TASKS[0].labels))
    new = [choice_task("new", 2.0, items=20, width=8, seed=99)]
    (before,) = make_folds(TASKS, new, protocol="transfer", config=FAST)
    (after,) = make_folds([shuffled, *TASKS[1:]], new, protocol="transfer", config=FAST)
    moved = [np.abs(a.inverse - b.inverse).max() for a, b in zip(before.training, after.training, strict=True)]
    assert moved[0] < 1e-6
    assert max(moved[1:]) > 1e-6


def test_tasks_of_one_group_are_left_out_together():
    grouped = [replace(t, group=f"g{i // 2}") for i, t in enumerate(TASKS)]
    for fold in make_folds(grouped, protocol="leave-one-task-out", config=FAST):
        assert len({r.task.group for r in fold.testing}) == 1 and len(fold.testing) == 2
        assert not {r.task.group for r in fold.training} & {r.task.group for r in fold.testing}


def test_an_item_that_stands_in_two_tasks_counts_once():
    twins = [replace(t, texts=tuple(f"{i}-{j}" for j in range(20))) for i, t in enumerate(TASKS)]
    twins[1] = replace(twins[1], texts=(*twins[0].texts[:5], *twins[1].texts[5:]))
    folds = make_folds(twins, protocol="groups:4", config=FAST)
    sizes = {r.task.name: len(r.task) for fold in folds for r in fold.testing}
    assert sizes["task 0"] == 20 and sizes["task 1"] == 15
    (fold,) = make_folds(twins[:5], [*twins[5:], replace(twins[0], name="copy")], protocol="transfer", config=FAST)
    assert "copy" not in held_out([fold])


def test_self_checks_get_a_network_with_and_one_without_a_bias():
    tasks = [self_check_task(f"t{i}", 1.0 + i / 4, -1.0, items=30, width=8, seed=i) for i in range(8)]
    (fold, *_) = make_folds(tasks, protocol="groups:4", config=replace(FAST, steps=300, learning_rate=1e-2))
    predicted = fold.testing[0]
    assert np.abs(predicted.bias).max() > 0.05
    assert np.abs(predicted.paper - predicted.inverse).max() > 1e-3


@pytest.mark.parametrize("protocol", ["groups", "groups:1", "groups:x", "loto", ""])
def test_an_unknown_protocol_is_named(protocol):
    with pytest.raises(InvalidInputError, match="expected leave-one-task-out, transfer, or groups:N"):
        make_folds(TASKS, protocol=protocol, config=FAST)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(InvalidInputError, match="only transfer takes them"):
        make_folds(TASKS, TASKS[:1], protocol="groups:4", config=FAST)
    with pytest.raises(InvalidInputError, match="only transfer takes them"):
        make_folds(TASKS, protocol="transfer", config=FAST)
    with pytest.raises(NotEnoughDataError, match="at least 3 are needed"):
        make_folds(TASKS[:4], protocol="groups:2", config=FAST)
