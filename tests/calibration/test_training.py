"""The objective in closed form, known temperatures and biases recovered, folds that do not feel each other."""

import math
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch

from tests.calibration.synthetic import choice_task, leave_one_out, self_check_task
from thermolang.calibration.features import TaskFeatures
from thermolang.calibration.kinds import choice_probabilities
from thermolang.calibration.metrics import nll
from thermolang.calibration.thermometer import Thermometer, task_temperature
from thermolang.calibration.training import TrainingConfig, _Run, log_gamma_prior, objective, train
from thermolang.errors import InvalidInputError, NotEnoughDataError

FAST = TrainingConfig(steps=200, learning_rate=1e-2, evaluate_every=25)
SHORT = replace(FAST, steps=60)
TEMPERATURES = (0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.6)

FOLD_TOLERANCE = 1e-4
"""Relative difference of 1/T between a fold trained alone and among others: rounding of batched products."""

REFERENCE_TOLERANCE = 1e-3
"""Relative difference of 1/T to the straight-line reference: rounding, carried through the steps."""


def small_tasks():
    return [choice_task(f"small {i}", t, items=60 + 30 * i, width=16) for i, t in enumerate((0.7, 1.5, 2.5, 4.0))]


def star(network, task):
    return task_temperature(network.predict(task.hidden)[0])


# Prior and objective


@pytest.mark.parametrize("shape", [1.25, 2.0, 5.0])
@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_log_gamma_prior_is_the_log_density(shape, scale):
    t = np.geomspace(0.01, 50, 25)
    found = log_gamma_prior(torch.tensor(t), shape, scale).numpy()
    np.testing.assert_allclose(found, scipy.stats.gamma.logpdf(t, shape, scale=scale), rtol=1e-9)


def test_log_gamma_prior_has_its_mode_at_one():
    t = torch.linspace(0.5, 2, 1501, dtype=torch.float64)
    config = TrainingConfig()
    density = log_gamma_prior(t, config.gamma_shape, config.gamma_scale)
    assert float(t[density.argmax()]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("temperature", "cost"), [(0.5, 0.0193), (1, 0.0188), (2, 0.0196), (3, 0.0211), (5, 0.0248), (10, 0.0356)]
)
def test_cost_of_a_temperature_under_the_default_prior(temperature, cost):
    c = TrainingConfig()
    prior = log_gamma_prior(torch.tensor(float(temperature)), c.gamma_shape, c.gamma_scale)
    assert -c.prior_weight * float(prior) == pytest.approx(cost, abs=6e-5)


def by_hand(z, y, s, b, config):
    """The objective of one task's batch as a plain loop."""
    inverse, bias = sum(s) / len(s), sum(b) / len(b)
    cross_entropy = 0.0
    for row, label in zip(z, y, strict=True):
        scaled = [v * inverse for v in row]
        if config.bias:
            scaled[0] += bias
        cross_entropy += math.log(sum(math.exp(v) for v in scaled)) - scaled[label]
    t = 1 / inverse
    k, scale = config.gamma_shape, config.gamma_scale
    prior = (k - 1) * math.log(t) - t / scale - k * math.log(scale) - math.lgamma(k)
    if config.bias:
        prior -= bias**2 / (2 * config.bias_scale**2)
    return cross_entropy / len(y) - config.prior_weight * prior


@pytest.mark.parametrize("bias", [False, True])
def test_objective_equals_a_loop_by_hand_and_ignores_padding(bias):
    rng, config = np.random.default_rng(0), TrainingConfig(bias=bias, prior_weight=0.3)
    options, sizes, batch = (2 if bias else 4), (5, 7), 9
    z, y = rng.normal(0, 2, (2, batch, options)), rng.integers(options, size=(2, batch))
    s, b = rng.uniform(0.2, 2, (2, batch)), rng.normal(0, 1, (2, batch))
    present = np.arange(batch) < np.array(sizes)[:, None]
    found = objective(*(torch.tensor(a) for a in (z, y, s, b)), torch.tensor(present, dtype=torch.float64), config)
    for i, n in enumerate(sizes):
        expected = by_hand(z[i, :n].tolist(), y[i, :n].tolist(), s[i, :n].tolist(), b[i, :n].tolist(), config)
        assert float(found[i]) == pytest.approx(expected, rel=1e-9)


def test_options_a_task_does_not_have_cost_nothing():
    rng, config = np.random.default_rng(0), TrainingConfig()
    z, y = torch.tensor(rng.normal(0, 2, (1, 6, 3))), torch.tensor(rng.integers(3, size=(1, 6)))
    s, none, ones = torch.tensor(rng.uniform(0.2, 2, (1, 6))), torch.zeros(1, 6), torch.ones(1, 6)
    padded = torch.cat([z, torch.full((1, 6, 2), -1e9)], dim=-1)
    assert float(objective(padded, y, s, none, ones, config)) == pytest.approx(
        float(objective(z, y, s, none, ones, config))
    )


# What is learned


def test_known_temperatures_are_recovered_on_held_out_tasks():
    tasks = [choice_task(f"t{i}", t, items=500) for i, t in enumerate(TEMPERATURES)]
    held_out = (1, 3, 5)
    networks = train(tasks, [leave_one_out(len(tasks))[i] for i in held_out], FAST)
    found = np.array([star(n, tasks[i]) for n, i in zip(networks, held_out, strict=True)])
    assert np.abs(np.log(found / np.array(TEMPERATURES)[list(held_out)])).max() < 0.25
    before = [nll(choice_probabilities(tasks[i].logits, 1.0), tasks[i].labels) for i in held_out]
    after = [
        nll(choice_probabilities(tasks[i].logits, 1 / t), tasks[i].labels) for i, t in zip(held_out, found, strict=True)
    ]
    assert after[2] < before[2] - 0.1  # T = 2.8: there was something to gain
    assert np.mean(after) < np.mean(before)


def test_known_biases_are_recovered_on_held_out_tasks():
    known = [(t, b) for t in (0.7, 1.4, 2.8) for b in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    tasks = [self_check_task(f"t{i}", t, b, items=1000) for i, (t, b) in enumerate(known)]
    held_out = (6, 8)  # 1.4 with -1 and with 1
    folds = [leave_one_out(len(tasks))[i] for i in held_out]
    networks = train(tasks, folds, replace(FAST, bias=True, steps=400))
    for network, i in zip(networks, held_out, strict=True):
        inverse, bias = network.predict(tasks[i].hidden)
        assert float(bias.mean()) == pytest.approx(known[i][1], abs=0.4)
        assert abs(math.log(task_temperature(inverse) / known[i][0])) < 0.3


def test_shuffled_labels_give_a_large_temperature_and_no_gain():
    rng = np.random.default_rng(0)
    tasks = [choice_task(f"t{i}", t) for i, t in enumerate((1.0, 1.4, 2.0, 2.8))]
    shuffled = [TaskFeatures(t.name, t.hidden, t.logits, rng.permutation(t.labels)) for t in tasks]
    (network,) = train(shuffled[:3], None, FAST)
    t = star(network, shuffled[3])
    assert t > 2.8 * 3
    assert nll(choice_probabilities(shuffled[3].logits, 1 / t), shuffled[3].labels) > math.log(4) - 0.02


def test_order_of_items_does_not_change_t_star():
    tasks = small_tasks()
    (network,) = train(tasks, None, SHORT)
    shuffled = tasks[1].hidden[np.random.default_rng(0).permutation(len(tasks[1].labels))]
    assert task_temperature(network.predict(shuffled)[0]) == pytest.approx(star(network, tasks[1]), rel=1e-6)


def test_order_of_options_does_not_change_t_star():
    tasks, rng = small_tasks(), np.random.default_rng(0)
    reordered = []
    for t in tasks:
        order = np.stack([rng.permutation(4) for _ in t.labels])  # another order for each item
        labels = (order == t.labels[:, None]).argmax(1)
        reordered.append(TaskFeatures(t.name, t.hidden, np.take_along_axis(t.logits, order, 1), labels))
    (one,), (other,) = train(tasks, None, SHORT), train(reordered, None, SHORT)
    for t in tasks:
        assert star(other, t) == pytest.approx(star(one, t), rel=1e-3)


def test_tasks_of_different_sizes_and_numbers_of_options_train_together():
    tasks = [
        choice_task("two", 2.0, options=2, items=2, width=16),
        choice_task("three", 2.0, options=3, items=400, width=16),
        choice_task("seven", 2.0, options=7, items=40, width=16),
    ]
    (network,) = train(tasks, None, FAST)
    assert star(network, tasks[1]) == pytest.approx(2, rel=0.3)


def test_the_best_checkpoint_is_kept():
    tasks = small_tasks()
    # A learning rate that soon overshoots: the last parameters are not the best ones.
    run = _Run(tasks, [[0, 1, 2, 3]], replace(SHORT, learning_rate=0.3, evaluate_every=5))
    (network,) = run.run(None)
    losses = []
    for task, items in zip(tasks, run.validation, strict=True):
        start = sum(len(t.labels) for t in tasks[: tasks.index(task)])
        inverse, _ = network.predict(task.hidden[items - start])
        losses.append(nll(choice_probabilities(task.logits[items - start], inverse.mean()), task.labels[items - start]))
    assert np.mean(losses) == pytest.approx(float(run.best_loss[0]), rel=1e-4)


def test_validation_items_are_not_trained_on():
    tasks = small_tasks()
    run = _Run(tasks, [[0, 1], [2, 3]], replace(FAST, batch_size=7))
    validation = set(np.concatenate(run.validation).tolist())
    assert [len(v) for v in run.validation] == [6, 9, 12, 15]
    seen: set[int] = set()
    for _, (rows, present) in zip(range(400), run._batches(), strict=False):
        assert rows.shape == present.shape == (2, 7)
        for fold, batch in zip(([0, 1], [2, 3]), rows[:, :7].tolist(), strict=True):
            assert len(set(batch)) == 7  # without replacement
            owner = {next(k for k in range(4) if b < np.cumsum([60, 90, 120, 150])[k]) for b in batch}
            assert len(owner) == 1  # a batch comes from one task
            assert owner <= set(fold)  # and that is one of the fold's
            seen |= set(batch)
    assert not seen & validation
    assert len(seen) == 420 - len(validation)


def test_a_small_task_fills_its_batch_with_padding():
    tasks = [choice_task("small", 1.0, items=10, width=8), choice_task("large", 1.0, items=50, width=8)]
    run = _Run(tasks, [[0], [1]], replace(FAST, batch_size=32))
    rows, present = next(run._batches())
    assert present.sum(-1).tolist() == [9, 32]
    assert len(set(rows[0][present[0] > 0].tolist())) == 9


# The same thing written down naively


def loss_of_one_batch(network, task, items, config):
    """Thermometer's loss for some items of one task: mean cross-entropy at the mean 1/T, less lambda log priors."""
    logits = torch.tensor(task.logits[items], dtype=torch.float32)
    labels = torch.tensor(task.labels[items])
    inverse, bias = network(torch.tensor(task.hidden[items]))
    s, b = inverse.mean(), bias.mean()
    scaled = logits * s
    if config.bias:
        scaled = scaled + b * torch.eye(logits.shape[1])[0]
    prior = torch.distributions.Gamma(config.gamma_shape, 1 / config.gamma_scale).log_prob(1 / s)
    if config.bias:
        prior = prior - b**2 / (2 * config.bias_scale**2)
    return torch.nn.functional.cross_entropy(scaled, labels) - config.prior_weight * prior


def reference(tasks, batches, held_out, config):
    """One fold, step by step, as in the released code.

    Args:
        tasks: The fold's tasks.
        batches: For each step the number of the task drawn and the items of the batch.
        held_out: For each task the items that validate.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = Thermometer(tasks[0].hidden.shape[1], bias=config.bias)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    best, lowest = network, math.inf
    for step, (k, items) in enumerate(batches, start=1):
        optimiser.zero_grad()
        loss_of_one_batch(network, tasks[k], items, config).backward()
        optimiser.step()
        if step % config.evaluate_every == 0 or step == len(batches):
            likelihood_alone = replace(config, prior_weight=0.0)
            with torch.no_grad():
                losses = [
                    float(loss_of_one_batch(network, task, items, likelihood_alone))
                    for task, items in zip(tasks, held_out, strict=True)
                ]
            if np.mean(losses) < lowest:
                best, lowest = deepcopy(network), np.mean(losses)
    return best, lowest


def batches_of(run, tasks, fold, steps):
    """What the run draws for its fold of this number, as task within the fold and items within the task."""
    starts = np.cumsum([0, *(len(t) for t in tasks)])
    for _, (rows, present) in zip(range(steps), run._batches(), strict=False):
        mine = rows[fold][present[fold] > 0].numpy()
        k = int(np.searchsorted(starts, mine[0], side="right")) - 1
        yield run.folds[fold].index(k), mine - starts[k]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("learning_rate", [1e-2, 0.1])  # the second overshoots: an early checkpoint is the best
def test_training_equals_a_straight_line_reference_on_the_same_batches(bias, learning_rate):
    config = replace(SHORT, bias=bias, learning_rate=learning_rate, batch_size=40, evaluate_every=7)
    if bias:
        tasks = [self_check_task(f"t{i}", 1.5, i - 1.0, items=n, width=16) for i, n in enumerate((30, 200, 90))]
    else:
        sizes = ((2, 30), (5, 200), (3, 90))  # options and items
        tasks = [choice_task(f"t{k}", 1.0 + i, options=k, items=n, width=16) for i, (k, n) in enumerate(sizes)]
    folds = [[2, 0], [0, 1, 2]]
    run = _Run(tasks, folds, config)
    found = run.run(None)
    starts = np.cumsum([0, *(len(t) for t in tasks)])
    for i, fold in enumerate(folds):
        batches = list(batches_of(_Run(tasks, folds, config), tasks, i, config.steps))
        assert {len(items) for _, items in batches} == {27, 40}  # a small task's batch is filled up
        held_out = [run.validation[k] - starts[k] for k in fold]
        expected, lowest = reference([tasks[k] for k in fold], batches, held_out, config)
        assert float(run.best_loss[i]) == pytest.approx(lowest, rel=REFERENCE_TOLERANCE)
        for task in tasks:
            for mine, its in zip(found[i].predict(task.hidden), expected.predict(task.hidden), strict=True):
                np.testing.assert_allclose(mine, its, rtol=REFERENCE_TOLERANCE, atol=REFERENCE_TOLERANCE)


# Folds


def test_folds_together_equal_folds_alone():
    tasks, folds = small_tasks(), leave_one_out(4)
    together = train(tasks, folds, SHORT)
    for i, fold in enumerate(folds):
        (alone,) = train(tasks, [fold], SHORT)
        (from_its_tasks,) = train([tasks[k] for k in fold], None, SHORT)
        expected = together[i].predict(tasks[i].hidden)[0]
        np.testing.assert_allclose(alone.predict(tasks[i].hidden)[0], expected, rtol=FOLD_TOLERANCE)
        np.testing.assert_allclose(from_its_tasks.predict(tasks[i].hidden)[0], expected, rtol=FOLD_TOLERANCE)
    assert len({round(star(n, tasks[0]), 6) for n in together}) == 4


def test_the_labels_of_a_task_outside_the_fold_do_not_matter():
    tasks, fold = small_tasks(), [[1, 2, 3]]
    left_out = tasks[0]
    spoiled = TaskFeatures(left_out.name, left_out.hidden + 5, -left_out.logits, 3 - left_out.labels)
    (one,), (other,) = train(tasks, fold, SHORT), train([spoiled, *tasks[1:]], fold, SHORT)
    np.testing.assert_array_equal(one.predict(left_out.hidden)[0], other.predict(left_out.hidden)[0])


# Seeds


def test_same_seed_same_network_and_no_trace_in_the_global_generators():
    tasks = small_tasks()
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    (one,), (same,) = train(tasks, None, SHORT), train(tasks, None, SHORT)
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert np.random.get_state()[1].tolist() == numpy_before
    torch.rand(3)
    (again,) = train(tasks, None, SHORT)
    (other,) = train(tasks, None, replace(SHORT, seed=1))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), same.parameters(), strict=True))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), again.parameters(), strict=True))
    assert star(other, tasks[0]) != star(one, tasks[0])


def test_how_often_it_looks_at_the_validation_loss_does_not_change_the_steps():
    tasks = small_tasks()
    rows = []
    for every in (7, 60):
        run = _Run(tasks, [[0, 1, 2, 3]], replace(SHORT, evaluate_every=every))
        run.run(None)
        rows.append(run.networks.parameters)
    assert torch.equal(*rows)


def test_progress_ends_with_the_last_step():
    heard = []
    train(small_tasks(), None, replace(SHORT, steps=30), progress=lambda step, steps: heard.append((step, steps)))
    assert heard == [(25, 30), (30, 30)]


# Bad input


@pytest.mark.parametrize(("tasks", "folds"), [([], None), ([0], []), ([0], [[]]), ([0], [[0], []])])
def test_nothing_to_train_on(tasks, folds):
    data = [choice_task("t", 1.0, items=4, width=8) for _ in tasks]
    with pytest.raises(NotEnoughDataError, match="at least one task"):
        train(data, folds, SHORT)


@pytest.mark.parametrize("n", [0, 1])
def test_a_task_needs_two_items(n):
    with pytest.raises(NotEnoughDataError, match=rf"'lonely' has {n} labels.*at least 2"):
        TaskFeatures("lonely", np.zeros((n, 4)), np.zeros((n, 2)), np.zeros(n, dtype=np.int64))


def test_a_task_needs_as_many_readings_as_labels():
    with pytest.raises(NotEnoughDataError, match="3 labels, 4 hidden states and 3 logits"):
        TaskFeatures("odd", np.zeros((4, 4)), np.zeros((3, 2)), np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("where", ["hidden", "logits"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_readings_that_are_not_finite_are_refused(where, bad):
    parts = {"hidden": np.zeros((3, 4)), "logits": np.zeros((3, 2))}
    parts[where][1, 1] = bad
    with pytest.raises(InvalidInputError, match=r"'broken'.*not finite"):
        TaskFeatures("broken", labels=np.zeros(3, dtype=np.int64), **parts)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_that_is_no_option_is_refused(label):
    # Among tasks with more options it would be an option of theirs, and train on nonsense in silence.
    with pytest.raises(InvalidInputError, match=r"within 0\.\.K-1"):
        TaskFeatures("odd", np.zeros((3, 4)), np.zeros((3, 2)), np.array([0, 1, label]))


def test_all_right_and_all_wrong_tasks_keep_the_network_finite():
    one_sided = []
    for i, labels in enumerate((np.zeros(40, dtype=np.int64), np.ones(40, dtype=np.int64))):
        task = self_check_task(f"t{i}", 1.0, 0.0, items=40, width=8)
        one_sided.append(TaskFeatures(task.name, task.hidden, task.logits, labels))
    (network,) = train(one_sided, None, replace(SHORT, bias=True))
    inverse, bias = network.predict(one_sided[0].hidden)
    assert np.isfinite(inverse).all()
    assert np.isfinite(bias).all()
    assert (inverse > 0).all()
