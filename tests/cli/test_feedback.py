"""The commands learn, refit and rollback, on a store and a calibrator in a folder."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from tests.calibration.synthetic import calibrator as made
from thermolang import Confidence, Policy, ReviewStore
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.head import Head, Hyperparameters
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.posterior import VerdictPrior
from thermolang.review import Audit
from thermolang.types import Basis


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'reviews.db'}"


@pytest.fixture
def folder(tmp_path):
    """A calibrator whose head is far too sure."""
    found = made()
    width = found.identity.hidden_size
    head = Head(
        np.zeros(4, np.float32), np.ones(width, np.float32), SELF_CHECK, 0.5, 0.5, Hyperparameters(1, 0.5), 0, 0, 0
    )
    fit = replace(found.fits["self_check"], head=head, verdicts=VerdictPrior(0.3, 0.3))
    return Calibrator(found.identity, {**found.fits, "self_check": fit}, found.probe, model_name=found.model_name).save(
        tmp_path / "home" / "mine"
    )


def judged(url, folder, n, *, slope=0.2, old=True):
    """A store with answers that all went to review, judged by somebody who knows; old enough to be settled."""
    name, rng, policy = Calibrator.load(folder).id, np.random.default_rng(0), Policy(review_all=True)
    with ReviewStore(url) as store:
        for i in range(n):
            said = rng.normal(0.5, 2)
            basis = Basis((said / 2, -said / 2))
            scored = Confidence(
                float(expit(said)),
                temperature=1.0,
                bias=0.0,
                source="self_check",
                task="mail",
                calibrator=name,
                basis=basis,
            )
            item = store.submit(f"q{i}", "a", confidence=scored, decision=policy.decide(scored))
            store.decide(item.id, "accept" if rng.random() < expit(slope * said) else "reject", operator="ann")
        if old:
            with store._engine.begin() as connection:
                connection.exec_driver_sql("UPDATE verdicts SET created_at = '2026-01-01 00:00:00'")


def test_new_verdicts_are_learned_once(run, url, folder):
    judged(url, folder, 30)
    code, said, _ = run("learn", "--store", url, "--calibrator", folder)
    assert code == 0
    assert said.splitlines() == ["mail: 30 verdicts", f"30 new verdicts, 30 lessons for {Calibrator.load(folder).id}"]
    assert "0 new verdicts, 0 lessons" in run("learn", "--store", url, "--calibrator", folder)[1]


def test_verdicts_that_can_be_undone_wait(run, url, folder):
    judged(url, folder, 3, old=False)
    said = run("learn", "--store", url, "--calibrator", folder, "--json")[1]
    assert {"verdicts": 0, "waiting": 3}.items() <= json.loads(said).items()


def test_the_calibrator_is_found_by_the_answers_it_scored(run, url, folder, monkeypatch, tmp_path):
    from thermolang.calibration import calibrator as registry

    judged(url, folder, 3)
    assert "is in use on this machine" in run("learn", "--store", url)[2]
    monkeypatch.setattr(registry, "user_dir", lambda: tmp_path / "home")
    assert "3 new verdicts" in run("learn", "--store", url)[1]


def test_an_empty_store_is_said_to_be_empty(run, url, folder):
    assert "no answer in" in run("learn", "--store", url)[2]
    assert "0 new verdicts" in run("learn", "--store", url, "--calibrator", folder)[1]
    code, _, errors = run("refit", "--store", url, "--calibrator", folder)
    assert code == 1
    assert "a refit needs 50 verdicts" in errors


def test_a_better_head_is_adopted_and_can_be_taken_back(run, url, folder):
    judged(url, folder, 400)
    first = Calibrator.load(folder).id
    assert f"{first} stays in use" in run("refit", "--store", url, "--calibrator", folder, "--dry-run")[1]
    code, said, _ = run("refit", "--store", url, "--calibrator", folder)
    second = Calibrator.load(folder).id
    assert code == 0
    assert f"{second} is in use now; {first} is kept" in said
    assert second != first
    assert f"{first} is in use again" in run("rollback", "--calibrator", folder)[1]
    assert Calibrator.load(folder).id == first
    assert "none to go back to" in run("rollback", "--calibrator", folder)[2]


def test_a_head_that_is_no_better_is_not_adopted(run, url, folder):
    judged(url, folder, 200, slope=1.0)
    before = Calibrator.load(folder).id
    code, said, _ = run("refit", "--store", url, "--calibrator", folder)
    assert code == 1
    assert "not better by more than noise" in said
    assert Calibrator.load(folder).id == before


def test_ten_verdicts_are_too_few_to_refit(run, url, folder):
    judged(url, folder, 10)
    assert "got 10 and 10" in run("refit", "--store", url, "--calibrator", folder)[2]


def test_verdicts_on_doubtful_answers_alone_are_no_ground_for_a_refit(run, url, folder):
    name = Calibrator.load(folder).id
    scored = Confidence(0.4, temperature=1.0, bias=0.0, source="self_check", calibrator=name, basis=Basis((0.0, 0.4)))
    with ReviewStore(url, audit=Audit(0)) as store:
        for i in range(60):
            item = store.submit(f"{i}", "a", confidence=scored, decision=Policy(0.8).decide(scored))
            store.decide(item.id, "accept", operator="ann")
    assert "got 60 and 0" in run("refit", "--store", url, "--calibrator", folder)[2]
