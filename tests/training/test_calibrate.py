"""From tasks to a saved calibrator with a tiny model: what is fitted, what the card says, what is refused early."""

import logging

import numpy as np
import pytest

from thermolang.answers import judging
from thermolang.calibration import calibrator as registry
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.training import TrainingConfig
from thermolang.errors import NotEnoughDataError, TaskFormatError
from thermolang.estimator import ConfidenceEstimator
from thermolang.training import calibrate as calibrating
from thermolang.training.calibrate import calibrate
from thermolang.types import Example, Task

FAST = TrainingConfig(steps=20, batch_size=8, learning_rate=1e-2, evaluate_every=10)


def choices(name, n=6):
    return Task(name, tuple(Example(f"{name} {i}?", choices=(f"a{i}", f"b{i}"), label=i % 2) for i in range(n)))


def free(name, n=6):
    return Task(name, tuple(Example(f"{name} {i}?", answers=(f"a{i}",)) for i in range(n)))


def three(kind, prefix):
    return [kind(f"{prefix} {i}") for i in range(3)]


@pytest.fixture(scope="module")
def made(tiny_model):
    """Both kinds, measured on one held-out task of choices, with everything that was reported."""
    heard = []
    train_tasks = [*three(choices, "pick"), *three(free, "say")]
    test_tasks = [choices("held | out", n=12)]
    found = calibrate(tiny_model, train_tasks, test_tasks, config=FAST, report=heard.append)
    return found, heard


def test_both_kinds_are_fitted(made, tiny_model):
    calibrator = made[0].calibrator
    assert set(calibrator.fits) == {"choice", "self_check"}
    assert not calibrator.fits["choice"].network.bias
    assert calibrator.fits["self_check"].network.bias
    assert calibrator.identity == tiny_model.identity
    assert all(fit.prior.tasks == 3 for fit in calibrator.fits.values())
    assert calibrator.check(tiny_model.identity, tiny_model.probe()) is None


def test_who_judges_when_a_calibrator_is_made_judges_in_use(made, tiny_model, monkeypatch):
    def judge_in_use(calibrator):
        return ConfidenceEstimator(tiny_model, calibrator, state_dir=None).equivalence.judge

    assert judge_in_use(made[0].calibrator) is None
    monkeypatch.setattr(judging, "LEAST", tiny_model.parameters)
    assert judge_in_use(made[0].calibrator) is None  # it does not know of a judge
    by_judge = calibrate(tiny_model, three(free, "say"), [], config=FAST).calibrator
    assert by_judge.judged
    assert isinstance(judge_in_use(by_judge), judging.ChatJudge)


def test_saved_where_it_is_found_again_with_a_card_that_names_the_tasks(made, tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv("THERMOLANG_HOME", str(tmp_path))
    calibrator = made[0].calibrator
    folder = calibrator.save(registry.folder_for(calibrator.identity, calibrator.model_name))
    (found,) = registry.find(tiny_model.identity)
    assert found.id == calibrator.id
    card = (folder / "README.md").read_text(encoding="utf-8")
    for i in range(3):
        assert f"| pick {i} | 6 |" in card
        assert f"| say {i} | 6 |" in card
    assert f"# Calibrator of {tiny_model.name}" in card
    assert "12 items of held \\| out" in card
    assert "does not promise" in card
    assert "thermolang minus uncalibrated" in card
    assert Calibrator.load(folder).card == card


def test_only_what_was_held_out_is_compared(made):
    (source,) = made[0].comparisons
    assert source == "choice"
    comparison = made[0].comparisons[source]
    assert comparison.tasks == ("held | out",)
    assert comparison.items == 12


def test_progress_is_that_of_the_whole_reading_and_of_each_training(made):
    reading, training = ([at for at in made[1] if at.unit == unit] for unit in ("items", "steps"))
    # Small free-form tasks are read together, under the name of one of them.
    together = {at.task for at in reading} - {*(f"pick {i}" for i in range(3)), "held | out"}
    assert len(together) == 1 and together < {f"say {i}" for i in range(3)}
    assert {at.total for at in reading} == {6 * 6 + 12}
    assert [at.done for at in reading] == sorted(at.done for at in reading)
    assert reading[-1].done == 48 and reading[-1].seconds_left == 0
    last = {at.task: (at.done, at.total) for at in training}
    assert last.pop("texts written elsewhere") == (3, 3)
    assert set(last) == {"training (choice)", "training (self_check)"}
    assert all(done == total == FAST.steps for done, total in last.values())


def test_a_second_run_reads_what_the_first_one_kept(tiny_model, tmp_path, monkeypatch):
    tasks = three(choices, "pick")
    first = calibrate(tiny_model, tasks, config=FAST, features=tmp_path / "features")
    monkeypatch.setattr(type(tiny_model), "read", None)  # the model is not asked again
    monkeypatch.setattr(type(tiny_model), "probe", lambda self: first.calibrator.probe)
    second = calibrate(tiny_model, tasks, config=FAST, features=tmp_path / "features")
    hidden = np.ones((2, tiny_model.identity.hidden_size))
    one, other = (c.calibrator.fits["choice"].network.predict(hidden)[0] for c in (first, second))
    np.testing.assert_allclose(other, one, rtol=1e-2)  # hidden states are kept in half precision


def test_too_few_of_one_kind_are_left_out_with_a_warning(tiny_model, caplog):
    with caplog.at_level(logging.WARNING, "thermolang.training.calibrate"):
        found = calibrate(tiny_model, [*three(choices, "pick"), free("lonely")], [free("other")], config=FAST)
    assert set(found.calibrator.fits) == {"choice"}
    assert set(found.comparisons) == {"choice"}  # nothing was held out: each training task is, in turn
    assert "each left out in turn (choice)" in found.calibrator.card
    assert "lonely" not in found.calibrator.card
    assert "no fit for self_check: 3 tasks are needed, got ['lonely']" in caplog.text


@pytest.fixture
def no_reading(monkeypatch):
    def read(*_args, **_kwargs):
        raise AssertionError("the model was asked")

    monkeypatch.setattr(calibrating, "collect_all", read)


@pytest.mark.usefixtures("no_reading")
@pytest.mark.parametrize(
    "tasks", [[], [choices("a"), choices("b")], [choices("a"), choices("b"), free("c"), free("d")]]
)
def test_too_few_tasks_are_refused_before_the_model_is_asked(tasks):
    with pytest.raises(NotEnoughDataError, match="at least 3 multiple-choice or 3 free-form tasks"):
        calibrate(None, tasks)


@pytest.mark.usefixtures("no_reading")
def test_a_mixed_task_is_refused_before_the_model_is_asked():
    mixed = Task("mixed", (*choices("a").examples, *free("b").examples))
    with pytest.raises(TaskFormatError, match="'mixed'"):
        calibrate(None, [*three(choices, "pick"), mixed])
    with pytest.raises(TaskFormatError, match="'mixed'"):
        calibrate(None, three(choices, "pick"), [mixed])
