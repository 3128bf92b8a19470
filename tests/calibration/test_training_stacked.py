"""Stacked networks give what each Thermometer gives alone, and the gradient that autograd gives it."""

import math

import pytest
import torch

from thermolang.calibration.thermometer import Thermometer
from thermolang.calibration.training import CACHE_LINE, StackedThermometers

FOLDS, BATCH, WIDTH, UNITS = 3, 7, 12, 5
SIZES = (7, 2, 5)

with_or_without_bias = pytest.mark.parametrize("bias", [False, True])


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def stacked(bias):
    """Networks that differ from fold to fold, in float64: what remains of a difference is a wrong formula."""
    networks = StackedThermometers(Thermometer(WIDTH, UNITS, bias=bias).double(), FOLDS)
    networks.parameters += 0.1 * torch.randn_like(networks.parameters)
    return networks


def batch():
    return torch.randn(FOLDS, BATCH, WIDTH, dtype=torch.float64)


@with_or_without_bias
def test_every_fold_starts_as_the_first_network(bias):
    first = Thermometer(WIDTH, UNITS, bias=bias)
    networks = StackedThermometers(first, FOLDS)
    count = sum(p.numel() for p in first.parameters())
    assert networks.parameters.shape == (FOLDS, math.ceil(count / CACHE_LINE) * CACHE_LINE)
    assert not networks.parameters[:, count:].any()
    for row in networks.parameters:
        state = networks.network(row).state_dict()
        assert list(state) == list(first.state_dict())  # the layout of calibrators on disk
        assert all(torch.equal(state[name], value) for name, value in first.state_dict().items())


@with_or_without_bias
def test_a_fold_reads_what_its_network_reads(bias):
    networks, hidden = stacked(bias), batch()
    together = networks.forward(hidden, [BATCH] * FOLDS)
    for i, row in enumerate(networks.parameters):
        expected = networks.network(row)(hidden[i])
        alone = networks.read(i, hidden[i])
        for found in (alone, tuple(part[i] for part in together)):
            torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    assert together[0][:, 0].unique().numel() == FOLDS


@with_or_without_bias
def test_the_gradient_is_the_one_autograd_gives_each_network_on_its_own_items(bias):
    networks, hidden = stacked(bias), batch()
    present = (torch.arange(BATCH) < torch.tensor(SIZES)[:, None]).double()
    weights = torch.randn(2, FOLDS, BATCH, dtype=torch.float64)

    def loss(inverse, biases, weights):
        return (inverse.square() * weights[0] + biases * weights[1]).sum()

    for _ in range(2):  # a gradient replaces the one before
        networks.backward(loss(*networks.forward(hidden, SIZES), weights * present))
    for i, n in enumerate(SIZES):
        alone = networks.network(networks.parameters[i])
        loss(*alone(hidden[i, :n]), weights[:, i, :n]).backward()
        gradients = StackedThermometers(alone, 1).network(networks.parameters.grad[i])
        for found, expected in zip(gradients.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(found.detach(), expected.grad, rtol=1e-9, atol=1e-12)
            assert expected.grad.abs().max() > 0


def test_items_beyond_a_folds_size_do_not_matter():
    networks, hidden = stacked(bias=True), batch()
    other = hidden.clone()
    other[1, 2:] = float("nan")
    for found, expected in zip(networks.forward(other, SIZES), networks.forward(hidden, SIZES), strict=True):
        assert torch.equal(found, expected)
        assert found.isfinite().all()


def test_a_network_does_not_change_when_training_goes_on():
    networks = stacked(bias=False)
    network = networks.network(networks.parameters[1])
    before = float(network.mix.bias.detach())
    networks.parameters += 1
    assert float(network.mix.bias.detach()) == before
