"""The numbers of a proof of concept: guarantees at this n, costs, honest intervals, and what cannot be said."""

import dataclasses

import numpy as np
import pytest

from tests.evaluation.poc_results import drawn, pairs, questions, results
from thermolang.calibration.metrics import brier
from thermolang.errors import InvalidInputError
from thermolang.evaluation.poc_figures import Aim, Prices, latency
from thermolang.evaluation.poc_methods import OURS, RAW
from thermolang.evaluation.poc_report import decisions
from thermolang.evaluation.poc_run import Pair


@pytest.fixture(scope="module")
def calibrator(calibrator_for):
    from tests.fakes import FakeModel

    return calibrator_for(FakeModel())


@pytest.fixture(scope="module")
def honest(calibrator):
    p, right = drawn(0.7, 400, sure=0.999)
    prices = Prices.parse("wrong=50,review=2,minutes=3,volume=1000,currency=EUR")
    return results(calibrator, p=p, right=right, aim=Aim(prices=prices)), p, right


def test_calibrated_confidences_are_measured_as_such(honest):
    found, p, right = honest
    assert found["accuracy"]["estimate"] == pytest.approx(right.mean())
    assert found["figures"][OURS]["Brier"]["estimate"] == pytest.approx(brier(p, right))
    assert found["differences"][RAW]["Brier"]["upper"] < 0  # the logits are made three times too sure
    assert found["floor"][OURS] > 0
    assert sum(b["count"] for b in found["reliability"][OURS]) == 400


def test_methods_with_labels_are_told_apart(honest):
    found, _, _ = honest
    labels = {m["name"]: m["labels"] for m in found["methods"]}
    assert labels[OURS] == labels["item_temperature"] == labels["mean_logprob"] == 0
    assert labels["own_temperature"] == labels["own_platt"] == -1 and labels["verdicts_50"] == 50
    assert "share" not in labels  # nothing was sampled


def test_a_threshold_is_certified_where_the_labels_allow_it(honest):
    found, p, right = honest
    assert found["decision"]["code"] == "certified"
    row = next(r for r in found["thresholds"] if r["threshold"] == found["decision"]["threshold"])
    sure = p >= found["decision"]["threshold"]
    assert (row["accepted"], row["errors"]) == (int(sure.sum()), int((~right[sure]).sum()))
    assert row["review"] == pytest.approx(1 - sure.mean())


def test_costs_add_up(honest):
    found, _, _ = honest
    row = next(r for r in found["thresholds"] if r["threshold"] == 0.9)
    money, error = row["money"], row["error"]["estimate"]
    assert money["cost"] == pytest.approx(1000 * (row["review"] * 2 + (1 - row["review"]) * error * 50))
    assert money["hours"] + money["saved_hours"] == pytest.approx(1000 * 3 / 60)
    assert row["money_at_most"]["cost"] > money["cost"]
    assert found["everyone_looks"]["cost"] == 2000
    assert found["nobody_looks"]["wrong_answers"] == pytest.approx(1000 * (1 - found["accuracy"]["estimate"]))


def test_an_answer_unlike_the_training_is_never_accepted(calibrator):
    p, right = drawn(0.7)
    found = results(calibrator, p=p, right=right, unsupported=range(150))
    assert max(row["accepted"] for row in found["thresholds"]) <= 50
    assert found["counts"]["unlike_training"] == 150
    none = results(calibrator, p=p, right=right, unsupported=range(200))
    assert none["decision"] == {"code": "unlike", "threshold": None, "more_labels": None}


@pytest.mark.parametrize("every", [True, False])
def test_all_right_or_all_wrong_gives_no_ranking(calibrator, every):
    p, _ = drawn(0.7)
    found = results(calibrator, p=p, right=np.full(200, every))
    assert found["figures"][OURS]["AUROC"] is None and found["differences"][RAW]["AUROC"] is None
    assert found["figures"][OURS]["Brier"] is not None
    assert (found["decision"]["threshold"] is not None) == every
    assert (found["decision"]["code"] == "unsuitable") != every
    assert len(found["worst"]["confident_wrong"]) == (0 if every else 5)


def test_more_labels_are_asked_for_where_they_would_help(calibrator):
    p, right = drawn(0.5, 60, sure=0.99)
    right[p > 0.9] = True
    found = results(calibrator, p=p, right=right, aim=Aim(max_error=0.02))
    assert found["decision"]["code"] == "more_labels" and found["decision"]["more_labels"] > 60
    assert found["decision"]["threshold"] is None


@pytest.mark.parametrize(("labelled", "code", "more"), [(0, "no_labels", 200), (12, "few_labels", 188)])
def test_without_labels_nothing_is_said_about_errors(calibrator, labelled, code, more):
    p, right = drawn(0.7)
    found = results(calibrator, p=p, right=right, labelled=labelled)
    assert found["decision"] == {"code": code, "threshold": None, "more_labels": more}
    assert found["guarantees"] == [] and "accuracy" not in found and "figures" not in found
    assert all("errors" not in row for row in found["thresholds"])
    assert found["expected_accuracy"]["mean"] == pytest.approx(p.mean())


def test_answers_without_a_confidence_count_as_reviewed(calibrator, monkeypatch):
    from tests.evaluation import poc_results

    p, right = drawn(0.7)
    task = questions()
    whole = poc_results.answered(task, p, right, calibrator)
    none = tuple(
        dataclasses.replace(c, value=None, reason="off") if i < 20 else c for i, c in enumerate(whole.confidences)
    )
    monkeypatch.setattr(poc_results, "answered", lambda *a, **k: dataclasses.replace(whole, confidences=none))
    found = results(calibrator, p=p, right=right)
    assert found["counts"]["without_confidence"] == 20 and found["counts"]["compared"] == 180
    assert found["thresholds"][0]["accepted"] <= 180
    assert found["accuracy"]["estimate"] == pytest.approx(right.mean())  # of all answers


def test_the_overhead_is_the_median_of_pairs():
    made = [Pair(i, 1.0, 1.0 + x, x, True) for i, x in enumerate([0.1, 0.2, 5.0])]
    found = latency(made)
    assert found["overhead"]["estimate"] == pytest.approx(0.2)
    assert found["overhead"]["lower"] <= 0.2 <= found["overhead"]["upper"]
    assert latency(pairs())["same"] == 30


@pytest.mark.parametrize(
    "text",
    [
        "",
        "50",
        "wrong=1",
        "wrong=a,review=1,minutes=1,volume=1",
        "wrong=-1,review=1,minutes=1,volume=1",
        "wrong=nan,review=1,minutes=1,volume=1",
        "wrong=1,review=1,minutes=1,volume=1,people=3",
        "wrong=1,wrong=2,review=1,minutes=1,volume=1",
    ],
)
def test_prices_that_mean_nothing_are_refused(text):
    with pytest.raises(InvalidInputError, match=r"prices are wrong=50.*volume=10000"):
        Prices.parse(text)


@pytest.mark.parametrize("aim", [{"max_error": 0.0}, {"max_error": 1.0}, {"certainty": 1.0}])
def test_impossible_aims_are_refused(aim):
    with pytest.raises(InvalidInputError, match="strictly between 0 and 1"):
        Aim(**aim)


def test_a_calibrator_that_does_harm_is_named(calibrator):
    random = np.random.default_rng(3)
    p, right = random.uniform(0.38, 0.42, 200), random.random(200) < 0.85
    found = results(calibrator, p=p, right=right)
    assert found["differences"][RAW]["Brier"]["lower"] > 0
    assert found["decision"]["code"] == "harms"
    after = found["figures"]["verdicts_25"]["Brier"]["estimate"]
    assert after < found["figures"][OURS]["Brier"]["estimate"]
    mended = [said for said in decisions(found) if "Verdicts mend it" in said]
    assert len(mended) == 1 and f"{after:.3f}" in mended[0]


def test_thresholds_are_shown_where_confidences_are(calibrator):
    p = np.linspace(0.25, 0.45, 200)
    found = results(calibrator, p=p, right=np.arange(200) % 2 == 0)
    shares = np.array([1 - row["review"] for row in found["thresholds"]])
    # Thresholds are whole percents, so the shares are met but for a few answers.
    assert all(np.abs(shares - share).min() <= 0.06 for share in (0.25, 0.5, 0.75, 0.0))
    assert [row["threshold"] for row in found["thresholds"]] == sorted({r["threshold"] for r in found["thresholds"]})
