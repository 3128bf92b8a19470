"""The comparison on held-out tasks: a fit that knows the temperature wins, and what is undefined says so."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.calibration.synthetic import PRIOR, choice_task, self_check_task
from thermolang.calibration.fit import Learner
from thermolang.calibration.kinds import CHOICE, SELF_CHECK
from thermolang.calibration.metrics import auroc, binary_nll, brier
from thermolang.training.card import SHOWN, calibrated, compare, compare_left_out, markdown_table

RESAMPLES = 100


def knowing(temperature=1.0, bias=0.0, *, inputs=0.0, kind=CHOICE):
    """A fit whose network says the same for every input."""

    def predict(hidden):
        return np.full(len(hidden), 1 / temperature), np.full(len(hidden), bias)

    return SimpleNamespace(
        network=SimpleNamespace(predict=predict), prior=replace(PRIOR, inputs=inputs), learner=Learner(kind=kind)
    )


def reading(kind=CHOICE):
    """A fit whose network reads log T and the bias out of the hidden state."""

    def predict(hidden):
        half = hidden.shape[1] // 2
        return np.exp(-hidden[:, :half].mean(1)), hidden[:, half:].mean(1)

    return SimpleNamespace(
        network=SimpleNamespace(predict=predict), prior=replace(PRIOR, inputs=0.0), learner=Learner(kind=kind)
    )


def test_knowing_the_temperature_beats_not_calibrating():
    tasks = [choice_task("a", 3.0), choice_task("b", 5.0)]
    found = compare(reading(), tasks, resamples=RESAMPLES)
    assert found.tasks == ("a", "b")
    assert found.items == 600
    for metric in ("NLL right", "Brier", "ECE"):
        assert found.gain["uncalibrated"][metric].upper < 0
    assert found.gain["base rate"]["NLL right"].upper < 0
    assert found.gain["base rate"]["AUROC"].lower > 0


def test_knowing_the_bias_beats_not_calibrating():
    tasks = [self_check_task("a", 1.5, -2.0), self_check_task("b", 1.5, 1.0)]
    found = compare(reading(SELF_CHECK), tasks, resamples=RESAMPLES)
    assert found.accuracy == pytest.approx(np.mean([(t.labels == 0).mean() for t in tasks]))
    for metric in ("NLL right", "Brier", "ECE", "AUROC"):
        better = found.gain["uncalibrated"][metric]
        assert better.lower > 0 if metric == "AUROC" else better.upper < 0


def test_a_fit_that_changes_nothing_gains_nothing():
    found = compare(knowing(), [choice_task("a", 2.0)], resamples=RESAMPLES)
    assert found.figures["thermolang"] == found.figures["uncalibrated"]
    assert all((g.estimate, g.lower, g.upper) == (0, 0, 0) for g in found.gain["uncalibrated"].values())


def test_figures_are_the_metrics_on_all_items():
    tasks = [choice_task("a", 3.0, items=80), choice_task("b", 5.0, items=120, options=3)]
    found = compare(knowing(4.0), tasks, resamples=RESAMPLES)
    right = np.concatenate([t.right for t in tasks])
    p = np.concatenate([CHOICE.probability(t.logits, (0.25, 0.0)) for t in tasks])
    ours = found.figures["thermolang"]
    assert ours["NLL right"].estimate == pytest.approx(binary_nll(p, right))
    assert ours["Brier"].estimate == pytest.approx(brier(p, right))
    assert ours["AUROC"].estimate == pytest.approx(auroc(p, right))
    assert found.accuracy == pytest.approx(right.mean())
    gain = found.gain["uncalibrated"]["NLL right"].estimate
    assert gain == pytest.approx(ours["NLL right"].estimate - found.figures["uncalibrated"]["NLL right"].estimate)


def test_the_base_rate_is_that_of_the_training_tasks():
    task = choice_task("a", 1.0)
    row = compare(knowing(), [task], resamples=RESAMPLES).figures["base rate"]
    q, a = PRIOR.base_rate, task.right.mean()
    assert row["Brier"].estimate == pytest.approx(a * (1 - q) ** 2 + (1 - a) * q**2)
    assert row["NLL right"].estimate == pytest.approx(-a * np.log(q) - (1 - a) * np.log(1 - q))
    assert row["ECE"].estimate == pytest.approx(abs(a - q))
    assert row["AUROC"].estimate == 0.5


@pytest.mark.parametrize("inputs", [0.0, 4.0, 100.0])
def test_a_task_is_shrunk_to_the_prior_as_in_use(inputs):
    task = self_check_task("a", 2.0, 1.0, items=50)
    share = inputs / (inputs + 50)
    inverse = share * PRIOR.inverse_temperature + (1 - share) * 0.5
    bias = share * PRIOR.bias + (1 - share) * 1.0
    np.testing.assert_allclose(
        calibrated(knowing(2.0, 1.0, inputs=inputs, kind=SELF_CHECK), task),
        SELF_CHECK.probability(task.logits, (inverse, bias)),
    )


@pytest.mark.parametrize("label", [0, 1])
def test_answers_that_are_all_right_or_all_wrong_have_no_auroc(label):
    task = self_check_task("a", 2.0, 0.0, items=40)
    one_sided = replace(task, labels=np.full(40, label))
    found = compare(knowing(kind=SELF_CHECK), [one_sided], resamples=RESAMPLES)
    assert found.accuracy == 1 - label
    for name in found.figures:
        assert found.figures[name]["AUROC"] is None
        assert found.figures[name]["Brier"] is not None
    assert found.gain["base rate"]["AUROC"] is None
    assert markdown_table(found).count("undefined") == 5


def test_the_table_has_a_row_for_every_method_and_difference():
    found = compare(knowing(3.0), [choice_task("a", 3.0)], resamples=RESAMPLES)
    lines = markdown_table(found).splitlines()
    assert lines[0] == "| | NLL right | Brier | ECE | AUROC |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "uncalibrated",
        "base rate",
        "thermolang",
        "thermolang minus uncalibrated",
        "thermolang minus base rate",
    ]
    assert all(line.count("|") == len(SHOWN) + 2 for line in lines)
    figure = found.figures["thermolang"]["NLL right"]
    assert f"{figure.estimate:.3f} [{figure.lower:.3f}, {figure.upper:.3f}]" in lines[4]
    assert " -0." in lines[5]  # differences carry their sign
    assert " +0." in lines[6]


def test_left_out_tasks_are_measured_by_what_was_said_without_them():
    tasks = [self_check_task("a", 1.0, 0.0, items=60), self_check_task("b", 1.0, 0.0, items=40)]
    p = [SELF_CHECK.probability(t.logits, (0.5, 0.3)) for t in tasks]
    fit = SimpleNamespace(prior=PRIOR, odds=tuple(np.log(x / (1 - x)) for x in p))
    found = compare_left_out(fit, tasks, resamples=RESAMPLES)
    right = np.concatenate([t.right for t in tasks])
    assert found.figures["thermolang"]["NLL right"].estimate == pytest.approx(binary_nll(np.concatenate(p), right))
    assert found.items == 100
