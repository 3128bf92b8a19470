"""The recognition network has the published sizes, T* is a harmonic mean, temperature keeps the answer."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from thermolang.calibration.kinds import choice_probabilities, self_check_probability
from thermolang.calibration.thermometer import Thermometer, task_temperature

quick = settings(max_examples=50, deadline=None, derandomize=True)
temperatures = st.lists(st.floats(0.05, 50), min_size=1, max_size=30)
readings = arrays(np.float64, st.integers(2, 8), elements=st.floats(-40, 40))


def parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


# The network


@pytest.mark.parametrize(("d", "h", "count"), [(4096, 512, 6_294_535), (2048, 256, 1_574_407)])
def test_published_sizes(d, h, count):
    with torch.device("meta"):
        network = Thermometer(d)
    assert network.hidden_size == h
    assert parameters(network) == count


def test_a_bias_adds_one_output_to_every_branch_and_to_the_mix():
    plain, biased = parameters(Thermometer(64, 8)), parameters(Thermometer(64, 8, bias=True))
    assert biased - plain == 3 * (8 + 1) + (2 * 6 + 2) - (1 * 3 + 1)


def test_a_narrow_model_keeps_at_least_one_unit():
    assert Thermometer(4).hidden_size == 1


@pytest.mark.parametrize("bias", [False, True])
def test_forward_is_three_branches_mixed_and_softplus(bias):
    network, x = Thermometer(12, 5, bias=bias), np.random.default_rng(0).normal(0, 1, (7, 12))
    weights = {name: p.detach().double().numpy() for name, p in network.named_parameters()}
    outputs = []
    for k in range(3):
        hidden = np.maximum(x @ weights[f"branches.{k}.0.weight"].T + weights[f"branches.{k}.0.bias"], 0)
        outputs.append(hidden @ weights[f"branches.{k}.2.weight"].T + weights[f"branches.{k}.2.bias"])
    mixed = np.concatenate(outputs, axis=1) @ weights["mix.weight"].T + weights["mix.bias"]
    inverse, biases = network.predict(x)
    np.testing.assert_allclose(inverse, np.log1p(np.exp(mixed[:, 0])), rtol=1e-5)
    np.testing.assert_allclose(biases, mixed[:, 1] if bias else np.zeros(7), rtol=1e-5, atol=1e-6)


def test_initial_temperature_is_near_one_over_softplus_of_zero():
    start = [1 / float(Thermometer(64).predict(np.zeros(64))[0]) for _ in range(60)]
    assert np.median(start) == pytest.approx(1 / math.log(2), abs=0.25)
    assert 0.7 < min(start) < max(start) < 3.5


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("given_shape", "shape"), [((16,), ()), ((1, 16), (1,)), ((5, 16), (5,))])
def test_predict_shapes(bias, given_shape, shape):
    hidden = np.random.default_rng(0).normal(0, 1, given_shape).astype(np.float16)
    inverse, biases = Thermometer(16, bias=bias).predict(hidden)
    assert inverse.shape == biases.shape == shape
    assert inverse.dtype == biases.dtype == np.float64
    assert (inverse > 0).all()
    assert bias or not biases.any()


def test_one_input_reads_the_same_alone_as_among_others():
    network, hidden = Thermometer(16, bias=True), np.random.default_rng(0).normal(0, 1, (5, 16))
    together = network.predict(hidden)
    alone = [network.predict(h) for h in hidden]
    np.testing.assert_allclose(np.array(alone).T, np.array(together), rtol=1e-5)


# The temperature of a task


def test_task_temperature_is_one_over_the_mean_inverse():
    assert task_temperature(np.array([1.0, 0.5, 0.25])) == pytest.approx(3 / 1.75)


@quick
@given(temperatures)
def test_task_temperature_is_the_harmonic_mean(values):
    t = np.array(values)
    found = task_temperature(1 / t)
    assert found <= t.mean() * (1 + 1e-12)
    assert t.min() * (1 - 1e-12) <= found <= t.max() * (1 + 1e-12)
    assert found == pytest.approx(len(t) / (1 / t).sum())


@quick
@given(temperatures, st.randoms(use_true_random=False))
def test_task_temperature_does_not_depend_on_the_order_of_items(values, random):
    shuffled = random.sample(values, len(values))
    assert task_temperature(1 / np.array(shuffled)) == pytest.approx(task_temperature(1 / np.array(values)))


# Probabilities of choices


@quick
@given(readings, st.floats(0.01, 100))
def test_probabilities_sum_to_one_and_keep_the_answer(z, temperature):
    p = choice_probabilities(z, 1 / temperature)
    assert p.sum() == pytest.approx(1)
    assert (p >= 0).all()
    assert p[z.argmax()] == p.max()


@quick
@given(readings, st.floats(0.1, 10), st.randoms(use_true_random=False))
def test_probabilities_follow_the_options_when_these_are_reordered(z, inverse, random):
    order = random.sample(range(len(z)), len(z))
    np.testing.assert_allclose(
        choice_probabilities(z[order], inverse), choice_probabilities(z, inverse)[order], rtol=1e-12
    )


@quick
@given(readings, st.floats(0.1, 10), st.floats(-1000, 1000))
def test_probabilities_ignore_what_all_logits_have_in_common(z, inverse, shift):
    np.testing.assert_allclose(
        choice_probabilities(z + shift, inverse), choice_probabilities(z, inverse), rtol=1e-6, atol=1e-9
    )


def test_probabilities_in_closed_form_and_in_batches():
    z = np.log([[1.0, 4.0, 16.0], [9.0, 1.0, 1.0]])
    np.testing.assert_allclose(choice_probabilities(z, 0.5), [[1 / 7, 2 / 7, 4 / 7], [0.6, 0.2, 0.2]])


def test_temperature_changes_its_input():
    z = np.array([3.0, 1.0, 0.0])
    tops = [float(choice_probabilities(z, 1 / t).max()) for t in (0.5, 1, 2, 5, 20)]
    assert tops == sorted(tops, reverse=True)
    assert len({round(t, 6) for t in tops}) == 5


def test_limits_of_the_temperature():
    z = np.array([800.0, -3.0, 799.0, 2.0])
    np.testing.assert_allclose(choice_probabilities(z, 1e-9), 0.25, atol=1e-6)
    np.testing.assert_allclose(choice_probabilities(z, 1e3), [1, 0, 0, 0], atol=1e-12)


# Self-checks


@quick
@given(st.floats(-30, 30), st.floats(-30, 30), st.floats(0.01, 10), st.floats(-5, 5))
def test_self_check_in_closed_form(yes, no, inverse, bias):
    p = float(self_check_probability(np.array([yes, no]), inverse, bias))
    assert p == pytest.approx(1 / (1 + math.exp(-((yes - no) * inverse + bias))))
    # Exchanging yes and no and the sign of the bias is asking for the opposite.
    assert p + float(self_check_probability(np.array([no, yes]), inverse, -bias)) == pytest.approx(1)


def test_self_check_without_bias_is_the_first_option_of_a_softmax():
    z = np.random.default_rng(0).normal(0, 3, (20, 2))
    np.testing.assert_allclose(self_check_probability(z, 0.7), choice_probabilities(z, 0.7)[:, 0])


def test_no_temperature_moves_a_self_check_across_one_half_but_a_bias_does():
    z = np.array([2.0, 0.0])
    assert all(self_check_probability(z, s) > 0.5 for s in (1e-3, 0.1, 1.0, 10.0))
    assert self_check_probability(z, 0.5, -2.0) < 0.5


def test_self_check_of_extreme_logits_stays_a_probability():
    p = self_check_probability(np.array([[1e6, -1e6], [-1e6, 1e6]]), 10.0)
    np.testing.assert_allclose(p, [1, 0], atol=1e-12)
