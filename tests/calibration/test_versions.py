"""Versions of a calibrator: the old one is kept, its states go with it, and it can come back."""

import json

import pytest

from tests.calibration.synthetic import calibrator as made
from thermolang.calibration import calibrator as registry
from thermolang.calibration.calibrator import Calibrator, folder_for
from thermolang.calibration.learner import AnswerScores
from thermolang.calibration.task_state import TaskState
from thermolang.calibration.versions import adopt, history, in_use, rollback
from thermolang.errors import InvalidInputError
from thermolang.storage import data_dir, digest


@pytest.fixture
def versions(tmp_path):
    """A folder with a calibrator, and three that could follow it."""
    first, *others = [made(seed=seed) for seed in range(4)]
    return first.save(tmp_path / "home" / "mine"), first, *others


def test_a_new_version_takes_the_place_and_the_old_one_comes_back(versions):
    folder, first, second, third, _ = versions
    assert history(folder) == []
    adopt(folder, second, "better")
    adopt(folder, third, "better still")
    assert Calibrator.load(folder).id == third.id
    assert [(v.id, v.parent, v.why) for v in history(folder)] == [
        (first.id, "", "in use before"),
        (second.id, first.id, "better"),
        (third.id, second.id, "better still"),
    ]
    assert rollback(folder).id == second.id == Calibrator.load(folder).id
    assert rollback(folder).id == first.id == Calibrator.load(folder).id
    with pytest.raises(InvalidInputError, match="the first version: there is none to go back to"):
        rollback(folder)
    assert Calibrator.load(folder).id == first.id
    assert history(folder)[-1].why == f"rolled back from {second.id}"


def test_after_a_rollback_another_version_can_follow(versions):
    folder, first, second, third, _ = versions
    adopt(folder, second, "worse, as it turned out")
    rollback(folder)
    adopt(folder, third, "better")
    assert rollback(folder).id == first.id


def test_old_versions_are_found_by_nobody_else(versions, tmp_path, monkeypatch):
    folder, first, second, *_ = versions
    monkeypatch.setattr(registry, "user_dir", lambda: tmp_path / "home")
    adopt(folder, second, "better")
    found = [one.id for one in registry.find(first.identity)]
    assert found == [second.id]
    # Answers name the version that scored them; what took its place is in use now.
    assert [(where, one.id) for where, one in (in_use(second.id), in_use(first.id))] == [(folder, second.id)] * 2
    with pytest.raises(InvalidInputError, match="is in use on this machine, only"):
        in_use("other@1")


def test_a_shipped_calibrator_stays_and_the_new_version_goes_before_it(tmp_path, monkeypatch):
    first, second = made(seed=0), made(seed=1)
    shipped = first.save(tmp_path / "package" / "tiny")
    monkeypatch.setattr(registry, "shipped_dir", lambda: tmp_path / "package")
    home = adopt(shipped, second, "better")
    assert home == folder_for(first.identity, first.model_name)
    assert Calibrator.load(shipped).id == first.id
    assert next(registry.find(first.identity)).id == second.id
    rollback(shipped)
    assert next(registry.find(first.identity)).id == first.id


def test_states_go_with_the_new_version(versions):
    folder, first, second, *_ = versions
    fit, states = first.fits["self_check"], data_dir() / "states"
    name = f"{digest('self_check:mail')}.json"
    state = TaskState("mail", fit.prior, learner=fit.learner, path=states / first.id / name)
    for i in range(5):
        state.observe(str(i), 0.7, 0.1, AnswerScores((1.0, 0.0), 0.5))
    state.learn([(AnswerScores((1.0, i / 10), 0.5), True) for i in range(4)])
    adopt(folder, second, "better", stretch={"self_check": 2.0})
    new = second.fits["self_check"]
    carried = TaskState("mail", new.prior, learner=new.learner, path=states / second.id / name)
    assert (carried.current.inputs, carried.current.verdicts) == (5, 4)
    scores = [
        v["answer"]["logit_offset"] for v in json.loads((states / second.id / name).read_text())["verdicts"].values()
    ]
    assert scores == [1.0] * 4
    # The old one's are as they were.
    assert TaskState("mail", fit.prior, learner=fit.learner, path=states / first.id / name).current == state.current


def test_a_damaged_history_is_named(versions):
    folder, _, second, *_ = versions
    adopt(folder, second, "better")
    (folder.parent / ".versions" / folder.name / "history.json").write_text("{}x")
    with pytest.raises(InvalidInputError, match=r"history\.json is damaged"):
        rollback(folder)
    assert Calibrator.load(folder).id == second.id
