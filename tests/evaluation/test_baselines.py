"""Every method behind one interface: closed forms, no label of the task, permutation."""

from dataclasses import replace

import numpy as np
import pytest

from tests.calibration.synthetic import choice_task, self_check_task
from thermolang.calibration.kinds import choice_probabilities, self_check_probability
from thermolang.calibration.thermometer import task_temperature
from thermolang.errors import InvalidInputError
from thermolang.evaluation import fold_fits
from thermolang.evaluation.baselines import BASELINES, Prediction, baseline, cross_scored, scaled
from thermolang.evaluation.fold_fits import FoldFits
from thermolang.evaluation.protocol import Fold, TaskPrediction

UNLABELLED = [m.name for m in BASELINES.values() if not m.labels and not m.samples]
LABELLED = [m.name for m in BASELINES.values() if m.labels and m.labels < 50]


def prediction_of(task, temperature=None, bias=0.0, seed=0):
    """What a network might say: the task's temperature with a little noise."""
    rng = np.random.default_rng([seed, len(task)])
    s = np.exp(rng.normal(-np.log(temperature or 1.0), 0.05, len(task)))
    return TaskPrediction(task, s, np.full(len(task), bias), s)


def signals_of(task):
    """A verbalised confidence and, of choices, what other orders of the options say."""
    signals = {"verbalised": np.linspace(0, 1, len(task))}
    if task.kind.is_choice:
        noise = np.random.default_rng(len(task)).normal(0, 1, task.logits.shape)
        mean = choice_probabilities(task.logits + noise, 1.0)
        signals |= {f"rotated.{letter}": p for letter, p in zip("ABCDEFGH", mean.T, strict=False)}
    else:  # without log-probabilities there is no level
        signals["mean_logprob"] = np.linspace(0.2, 0.9, len(task))
    return signals


def fold(kind):
    rng = np.random.default_rng(0)
    if kind == "choice":
        temperatures = np.exp(rng.normal(0.7, 0.4, 9))
        tasks = [choice_task(f"t{i}", float(t), items=60, width=8, seed=i) for i, t in enumerate(temperatures)]
        predictions = [prediction_of(t, float(x)) for t, x in zip(tasks, temperatures, strict=True)]
    else:
        truth = [
            (float(np.exp(a)), float(b)) for a, b in zip(rng.normal(0.3, 0.3, 9), rng.normal(-1, 0.6, 9), strict=True)
        ]
        tasks = [self_check_task(f"t{i}", t, b, items=60, width=8, seed=i) for i, (t, b) in enumerate(truth)]
        predictions = [prediction_of(t, *x) for t, x in zip(tasks, truth, strict=True)]
    predictions = [replace(r, task=replace(r.task, signals=signals_of(r.task))) for r in predictions]
    return Fold(tuple(predictions[:-1]), (predictions[-1],))


def fit(name, some):
    return BASELINES[name].fit(FoldFits(some))


@pytest.fixture(scope="module", params=["choice", "self_check"])
def some_fold(request):
    return fold(request.param)


@pytest.fixture(scope="module")
def fitted(some_fold):
    fits = FoldFits(some_fold)
    return {name: m.fit(fits) for name, m in BASELINES.items()}


@pytest.mark.parametrize("name", BASELINES)
def test_what_a_method_says_is_a_probability(some_fold, fitted, name):
    held_out = some_fold.testing[0]
    found = fitted[name](held_out)
    if found is None:
        assert name in (
            "ts_cv_bias",
            "paper_bias",
            "shuffled",
            "rotations",
            "rotations_head",
            "mean_logprob",
            "lexical",
            "semantic_entropy",
            "share",
            "thorough",
            "adaptive",
            "ranker",
            "one_kind",
            "levelled",
            "level",
            "ts_50",
            "ts_100",
            "verdicts_50",
            "verdicts_100",
            "answer_50",
            "answer_100",
        )
        return
    for p in found:
        assert p.confidence.shape == (60,) and ((p.confidence >= 0) & (p.confidence <= 1)).all()
        if p.probabilities is not None:
            np.testing.assert_allclose(p.probabilities.sum(-1), 1)


@pytest.mark.parametrize("name", UNLABELLED)
def test_a_method_without_labels_does_not_look_at_them(some_fold, fitted, name):
    held_out = some_fold.testing[0]
    blind = replace(held_out, task=replace(held_out.task, labels=np.roll(held_out.task.labels, 7)))
    before, after = fitted[name](held_out), fitted[name](blind)
    assert (before is None) == (after is None)
    for a, b in zip(before or (), after or (), strict=True):
        np.testing.assert_array_equal(a.confidence, b.confidence)


@pytest.mark.parametrize(
    "name",
    LABELLED,
)
def test_a_method_with_labels_does_not_look_at_those_it_scores(some_fold, fitted, name):
    # Change the label of one item: its own prediction must stay, some others' must not.
    held_out = some_fold.testing[0]
    labels, changes = held_out.task.labels.copy(), []
    for item in range(0, 60, 6):
        other = labels.copy()
        other[item] = (other[item] + 1) % held_out.task.logits.shape[1]
        blind = replace(held_out, task=replace(held_out.task, labels=other))
        for a, b in zip(fitted[name](held_out), fitted[name](blind), strict=True):
            assert a.confidence[item] == b.confidence[item]
            changes.append(np.abs(a.confidence - b.confidence).max())
    assert max(changes) > 1e-6


@pytest.mark.parametrize("name", UNLABELLED)
def test_the_order_of_items_changes_nothing(some_fold, fitted, name):
    held_out = some_fold.testing[0]
    order = np.random.default_rng(3).permutation(60)
    moved = TaskPrediction(
        held_out.task.take(order), held_out.inverse[order], held_out.bias[order], held_out.paper[order]
    )
    for a, b in zip(fitted[name](held_out) or (), fitted[name](moved) or (), strict=True):
        np.testing.assert_allclose(a.confidence[order], b.confidence, atol=1e-9)


def test_temperature_methods_keep_every_answer():
    choices = fold("choice")
    task = choices.testing[0].task
    for name in ("ts_cv", "paper", "item_temperature", "thermolang", "oracle"):
        for p in fit(name, choices)(choices.testing[0]):
            np.testing.assert_array_equal(p.probabilities.argmax(-1), task.logits.argmax(-1))


def test_the_paper_is_the_harmonic_mean():
    for kind in ("choice", "self_check"):
        held_out = fold(kind).testing[0]
        s = 1 / task_temperature(held_out.paper)
        (found,) = fit("paper", fold(kind))(held_out)
        p = choice_probabilities(held_out.task.logits, s).max(-1)
        expected = p if kind == "choice" else self_check_probability(held_out.task.logits, s)
        np.testing.assert_allclose(found.confidence, expected)


def test_the_base_rate_is_the_training_tasks():
    some = fold("choice")
    (found,) = fit("base_rate", some)(some.testing[0])
    assert set(found.confidence) == {np.mean([r.task.right.mean() for r in some.training])}


def test_per_item_temperatures_differ_from_the_tasks():
    held_out = fold("choice").testing[0]
    (item,), (task,) = (fit(n, fold("choice"))(held_out) for n in ("item_temperature", "paper"))
    assert np.abs(item.confidence - task.confidence).max() > 1e-3
    np.testing.assert_allclose(item.probabilities[5], choice_probabilities(held_out.task.logits[5], held_out.paper[5]))


def test_ours_beats_uncalibrated_where_there_is_a_gap():
    some = fold("choice")
    task, held_out = some.testing[0].task, some.testing[0]

    def nll(name):
        (p,) = fit(name, some)(held_out)
        return -np.log(p.probabilities[np.arange(60), task.labels]).mean()

    assert nll("thermolang") < nll("uncalibrated") - 0.02


def test_signals_are_taken_as_they_are_or_not_at_all():
    some = fold("choice")
    (found,) = fit("verbalised", some)(some.testing[0])
    np.testing.assert_array_equal(found.confidence, np.linspace(0, 1, 60))
    broken = replace(some.testing[0].task, signals={"verbalised": np.full(60, np.nan)})
    assert fit("verbalised", some)(replace(some.testing[0], task=broken)) is None


def test_each_half_is_scored_with_labels_of_the_other():
    held_out = fold("choice").testing[0]
    seen = []

    def score(_whole, labelled, rest):
        seen.append((labelled.logits.tobytes(), len(labelled), len(rest.task)))
        inside = {row.tobytes() for row in labelled.logits}
        assert not inside & {row.tobytes() for row in rest.task.logits}
        return Prediction(np.zeros(len(rest.task)))

    found = cross_scored(held_out, score, 10)
    assert len(found) == 5 and {(n, m) for _, n, m in seen} == {(10, 30)} and len({key for key, *_ in seen}) == 10
    assert cross_scored(held_out, score, 31) is None


def test_scaling_is_per_item_or_per_task():
    held_out = fold("self_check").testing[0]
    one = scaled(held_out, np.full(60, 0.5), np.full(60, 0.2))
    np.testing.assert_allclose(one.confidence, scaled(held_out, 0.5, 0.2).confidence)
    np.testing.assert_allclose(one.probabilities, np.stack([one.confidence, 1 - one.confidence], -1))


def test_two_data_sets_in_parts_are_enough_to_learn_from():
    some = fold("self_check")
    halves = [replace(r, task=replace(r.task, group=f"set {i % 2}")) for i, r in enumerate(some.training)]
    for name in ("head", "probe"):
        assert fit(name, Fold(tuple(halves), some.testing))(some.testing[0]) is not None


def test_what_methods_share_is_learnt_once_whatever_their_order(some_fold, fitted, monkeypatch):
    learnt, fits = [], FoldFits(some_fold)
    for name in ("prior_and_scales", "fit_head", "fit_verdict_prior"):
        real = getattr(fold_fits, name)
        monkeypatch.setattr(fold_fits, name, lambda *a, name=name, real=real: learnt.append(name) or real(*a))
    other = FoldFits(some_fold)  # two folds in turns, which one remembered value could not serve
    backwards = {}
    for name in reversed(("thermolang", "head", "verdicts_10", "answer_10")):
        backwards[name] = BASELINES[name].fit(fits)
        BASELINES[name].fit(other)
    assert sorted(learnt) == sorted(2 * ["prior_and_scales", "fit_head", "fit_verdict_prior"])
    for name, predict in backwards.items():
        for a, b in zip(predict(some_fold.testing[0]), fitted[name](some_fold.testing[0]), strict=True):
            np.testing.assert_array_equal(a.confidence, b.confidence)


def test_every_baseline_says_what_it_is_and_those_of_others_who_published_it():
    ours = {"uncalibrated", "base_rate", "oracle"}
    for name, method in BASELINES.items():
        assert method.name == name and method.label and method.description.endswith(".")
        assert method.citation or method.ours or name in ours


def test_a_name_is_given_once():
    with pytest.raises(InvalidInputError, match="'platt' already"):
        baseline("platt", "Another")(lambda fits: None)


def test_rotated_options_are_the_average_for_the_answer_that_was_given():
    some = fold("choice")
    held_out = some.testing[0]
    task = held_out.task
    (found,) = fit("rotations", some)(held_out)
    mean = np.stack([task.signals[f"rotated.{letter}"] for letter in "ABCDEFGH"[: task.logits.shape[1]]], axis=-1)
    np.testing.assert_allclose(found.probabilities, mean)
    np.testing.assert_allclose(found.confidence, mean[np.arange(60), task.logits.argmax(-1)])
    assert (mean.argmax(-1) != task.logits.argmax(-1)).any()  # some answers would change


def test_the_head_on_rotated_options_is_the_head_where_the_orders_agree():
    some = fold("choice")
    held_out = some.testing[0]
    task, p = held_out.task, choice_probabilities(held_out.task.logits, 1.0)
    same = {f"rotated.{letter}": column for letter, column in zip("ABCDEFGH", p.T, strict=False)}
    held_out = replace(held_out, task=replace(task, signals=same))
    (rotated,), (plain,) = fit("rotations_head", some)(held_out), fit("head", some)(held_out)
    np.testing.assert_allclose(rotated.confidence, plain.confidence, atol=1e-6)
    rest = np.arange(p.shape[1]) != task.logits.argmax(-1)[:, None]
    np.testing.assert_allclose(rotated.probabilities[rest].reshape(60, -1).sum(-1), 1 - plain.confidence, atol=1e-6)


@pytest.mark.parametrize("name", ["rotations", "rotations_head"])
def test_without_other_orders_there_are_no_rotated_options(name):
    some = fold("choice")
    held_out = some.testing[0]
    assert fit(name, some)(replace(held_out, task=replace(held_out.task, signals={}))) is None
