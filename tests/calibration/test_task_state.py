"""A task's T* from its inputs: shrinkage, versions, retries, threads, and a file that may be damaged."""

import json
import logging
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.calibration.synthetic import PRIOR
from thermolang.calibration.kinds import SELF_CHECK
from thermolang.calibration.learner import AnswerScores, Learner, Standing
from thermolang.calibration.posterior import VerdictPrior
from thermolang.calibration.task_state import LOCK, REFRESH_AT, TaskState, TaskVersion
from thermolang.errors import InvalidInputError

LOGGER = "thermolang.calibration.task_state"


def observed(state, n, *, inverse=0.8, bias=0.5, start=0):
    for i in range(start, start + n):
        state.observe(f"question {i}", inverse, bias)
    return state


# The estimate


def test_before_the_first_input_the_prior_speaks():
    assert TaskState("t", PRIOR).current == TaskVersion(0, PRIOR.inverse_temperature, PRIOR.bias, 0, PRIOR.half_width)


@pytest.mark.parametrize("weight", [0.0, 0.5, 4.0, 100.0])
@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_shrinkage_in_closed_form(weight, n):
    state = observed(TaskState("t", replace(PRIOR, inputs=weight)), n)
    share = weight / (weight + n)
    found = state.refresh()
    assert found.inverse_temperature == pytest.approx(share * PRIOR.inverse_temperature + (1 - share) * 0.8)
    assert found.bias == pytest.approx(share * PRIOR.bias + (1 - share) * 0.5)
    assert found.inputs == n


def test_with_many_inputs_their_mean_speaks():
    state, rng = TaskState("t", PRIOR), random.Random(0)
    inverses = [rng.uniform(0.1, 1.0) for _ in range(3000)]
    for i, inverse in enumerate(inverses):
        state.observe(str(i), inverse)
    assert state.current.inverse_temperature == pytest.approx(sum(inverses) / 3000, rel=2e-3)


def test_order_of_observations_does_not_matter():
    rng = random.Random(0)
    inputs = [(str(i), rng.uniform(0.01, 3), rng.uniform(-3, 3)) for i in range(257)]
    found = []
    for _ in range(3):
        state = TaskState("t", PRIOR)
        for one in inputs:
            state.observe(*one)
        version = state.refresh()
        found.append((version.inverse_temperature, version.bias))
        rng.shuffle(inputs)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "numbers", [(0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (float("inf"), 0.0), (1.0, float("nan"))]
)
def test_unusable_numbers_are_refused_and_leave_no_trace(numbers):
    state = TaskState("t", PRIOR)
    with pytest.raises(InvalidInputError, match="no usable temperature"):
        state.observe("q", *numbers)
    assert state.refresh().version == 0


# Versions


def test_versions_are_made_at_1_3_10_30():
    state, made = TaskState("t", PRIOR), []
    for i in range(1, 121):
        before = state.current.version
        state.observe(str(i), 0.7)
        if state.current.version != before:
            made.append((i, state.current.version, state.current.inputs))
    assert made == [(1, 1, 1), (3, 2, 3), (10, 3, 10), (30, 4, 30), (100, 5, 100)]


def test_between_versions_scoring_does_not_change():
    state = observed(TaskState("t", PRIOR), 3)
    frozen = state.current
    observed(state, 6, inverse=5.0, start=3)
    assert state.current is frozen


def test_retries_are_not_new_inputs():
    state = TaskState("t", PRIOR)
    for _ in range(50):
        state.observe("the same question", 0.9)
    assert state.current.version == 1
    assert state.refresh() == state.current
    assert state.current.inputs == 1


def test_a_retry_with_other_numbers_changes_nothing():
    state = TaskState("t", PRIOR)
    state.observe("q", 0.9)
    state.observe("q", 5.0)
    state.observe("r", 0.9)
    assert state.refresh().inverse_temperature == pytest.approx((4 * 0.5 + 2 * 0.9) / 6)


def test_texts_that_look_alike_are_different_inputs():
    state = TaskState("t", PRIOR)
    for text in ("a", "a ", "A", "", "\ud800"):
        state.observe(text, 0.9)
    assert state.refresh().inputs == 5


def test_refresh_makes_a_version_only_with_new_inputs():
    state = TaskState("t", PRIOR)
    assert state.refresh().version == 0
    observed(state, 5)
    assert (state.refresh().version, state.refresh().version) == (3, 3)
    observed(state, 1, start=5)
    assert state.refresh().version == 4
    assert [v.version for v in state.versions] == [0, 1, 2, 3, 4]
    assert [v.inputs for v in state.versions] == [0, 1, 3, 5, 6]


def test_past_the_last_count_nothing_moves(monkeypatch):
    monkeypatch.setattr("thermolang.calibration.task_state.REFRESH_AT", (1, 3, 10))
    state = observed(TaskState("t", PRIOR), 25)
    assert state.current.inputs == 10
    assert state.refresh().inputs == 10


# On disk


def test_round_trip(tmp_path):
    path = tmp_path / "deep" / "state.json"
    state = observed(TaskState("Fragen — 質問", PRIOR, path=path), 7)
    state.refresh()
    again = TaskState("Fragen — 質問", PRIOR, path=path)
    assert again.versions == state.versions
    observed(again, 7)  # known inputs
    assert again.refresh() == state.current
    observed(again, 1, start=7)
    assert again.refresh().inputs == 8
    assert sorted(p.name for p in path.parent.iterdir()) == [LOCK, "state.json"]


def test_versions_go_on_where_they_stopped(tmp_path):
    path = tmp_path / "s.json"
    observed(TaskState("t", PRIOR, path=path), 4)  # the fourth made no version
    again = TaskState("t", PRIOR, path=path)
    assert (again.current.version, again.current.inputs) == (2, 3)
    observed(again, 10)
    assert (again.current.version, again.current.inputs) == (3, 10)


def test_in_memory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    observed(TaskState("t", PRIOR), 10)
    assert not list(tmp_path.iterdir())


VERSION = '{"version": 1, "inverse_temperature": 0.5, "bias": 0.0, "inputs": 0, "half_width": 1.0}'
GOOD = f'{{"task": "t", "versions": [{VERSION}], "seen": {{}}, "verdicts": {{}}}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD[:40].encode(),
        b"\xff\xfe\x00rubbish",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b"[" * 100_000,
        GOOD.replace('"seen": {}', '"seen": {"k": {"bias": 0}}').encode(),
        GOOD.replace('"seen": {}', '"seen": {"k": {"inverse_temperature": NaN, "bias": 0.0}}').encode(),
        GOOD.replace('"seen": {}', '"seen": {"k": {"inverse_temperature": "x", "bias": 0.0}}').encode(),
        GOOD.replace('"bias": 0.0', '"bias": "much"').encode(),
        GOOD.replace('"bias": 0.0', '"colour": "red"').encode(),
        GOOD.replace("0.5", "-0.5").encode(),
        GOOD.replace("0.5", "NaN").encode(),
        GOOD.replace('"inputs": 0', '"inputs": 9').encode(),
        b'{"task": "t", "versions": [], "seen": {}}',
    ],
)
def test_a_damaged_file_is_set_aside_and_scoring_goes_on(tmp_path, caplog, content):
    path = tmp_path / "s.json"
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, LOGGER):
        state = TaskState("t", PRIOR, path=path)
    assert state.versions == [TaskVersion(0, PRIOR.inverse_temperature, PRIOR.bias, 0, PRIOR.half_width)]
    assert str(path) in caplog.text
    assert (tmp_path / "s.json.broken").read_bytes() == content
    observed(state, 3)
    assert TaskState("t", PRIOR, path=path).current == state.current
    assert (tmp_path / "s.json.broken").read_bytes() == content


def test_a_good_file_is_not_set_aside(tmp_path, caplog):
    path = tmp_path / "s.json"
    path.write_text(GOOD)
    assert TaskState("t", PRIOR, path=path).current.version == 1
    assert not caplog.records


@pytest.mark.parametrize("failing", ["mkdir", "write_bytes", "replace"])
def test_an_unwritable_folder_keeps_the_state_in_memory(tmp_path, monkeypatch, caplog, failing):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "new" / "s.json"
    state = TaskState("t", PRIOR, path=path)
    monkeypatch.setattr(Path, failing, refuse)
    with caplog.at_level(logging.WARNING, LOGGER):
        observed(state, 10)
    assert (state.current.version, state.current.inputs) == (3, 10)
    (record,) = caplog.records  # said once, not with every input
    assert "stays in memory" in record.getMessage()
    assert "Permission denied" in record.getMessage()
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.part"))
    observed(state, 20, start=10)  # room again: all inputs are saved
    assert TaskState("t", PRIOR, path=path).current.inputs == 30


def test_a_folder_that_is_a_file_keeps_the_state_in_memory(tmp_path, caplog):
    (tmp_path / "states").write_text("a file")
    with caplog.at_level(logging.WARNING, LOGGER):
        state = observed(TaskState("t", PRIOR, path=tmp_path / "states" / "s.json"), 3)
    assert state.current.inputs == 3
    assert "stays in memory" in caplog.text


def test_an_unreadable_file_is_left_alone(tmp_path, monkeypatch, caplog):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "s.json"
    path.write_text(GOOD)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with caplog.at_level(logging.WARNING, LOGGER):
        state = observed(TaskState("t", PRIOR, path=path), 3)
    monkeypatch.undo()
    assert "starts anew in memory" in caplog.text
    assert state.current.inputs == 3
    assert path.read_text() == GOOD


def test_a_damaged_file_that_cannot_be_moved_is_left_alone(tmp_path, monkeypatch, caplog):
    def refuse(*_args, **_kwargs):
        raise PermissionError(30, "Read-only file system")

    path = tmp_path / "s.json"
    path.write_text("broken")
    monkeypatch.setattr(Path, "replace", refuse)
    with caplog.at_level(logging.WARNING, LOGGER):
        state = observed(TaskState("t", PRIOR, path=path), 3)
    assert state.current.inputs == 3
    assert path.read_text() == "broken"
    assert "Read-only" in caplog.text


def test_writing_is_atomic(tmp_path, monkeypatch):
    """Whoever reads at any moment finds a whole state: the file only ever changes by a rename."""
    path = tmp_path / "s.json"
    state = observed(TaskState("t", PRIOR, path=path), 3)
    counts, replace_file = [], Path.replace

    def watched(self, target):
        counts.append([len(json.loads(p.read_text())["seen"]) for p in (target, self)])
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    observed(state, 7, start=3)
    assert counts
    assert all(old < new for old, new in counts)
    assert (counts[0][0], counts[-1][1]) == (3, 10)


# Threads


def test_threads_count_every_input_once(tmp_path):
    path = tmp_path / "s.json"
    state = TaskState("t", PRIOR, path=path)
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for i in random.Random(number).sample(range(1000), 1000):
            state.observe(f"question {i}", (i + 1) / 1000, i / 1000)
            assert state.current.inputs in (0, *REFRESH_AT)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [v.inputs for v in state.versions] == [0, 1, 3, 10, 30, 100, 300, 1000]
    assert [v.version for v in state.versions] == list(range(8))
    expected = (4 * 0.5 + 500.5) / 1004
    assert state.current.inverse_temperature == pytest.approx(expected, rel=1e-12)
    assert TaskState("t", PRIOR, path=path).versions == state.versions


def test_two_states_with_one_file_never_leave_it_torn(tmp_path, caplog):
    path = tmp_path / "s.json"
    states = [TaskState("t", PRIOR, path=path) for _ in range(4)]
    threads = [threading.Thread(target=observed, args=(s, 300)) for s in states]
    with caplog.at_level(logging.WARNING, LOGGER):
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not caplog.records
    assert TaskState("t", PRIOR, path=path).current.inputs == 300
    assert sorted(p.name for p in tmp_path.iterdir()) == [LOCK, "s.json"]


# Verdicts

LEARNER = Learner(SELF_CHECK, VerdictPrior(0.5, 1.0))


def verdicts(n, *, right=True, start=0):
    return [(AnswerScores((0.1 * i, 0.0)), right) for i in range(start, start + n)]


def test_verdicts_make_a_version_that_rests_on_them():
    state = observed(TaskState("t", PRIOR, learner=LEARNER), 3)
    before = state.current
    after = state.learn(verdicts(20))
    assert (after.version, after.inputs, after.verdicts) == (before.version + 1, 3, 20)
    assert after.bias > before.bias


def test_verdicts_that_agree_narrow_the_interval():
    state = TaskState("t", PRIOR, learner=LEARNER)
    mixed = [(reading, i % 2 == 0) for i, (reading, _) in enumerate(verdicts(40))]
    assert state.learn(mixed).half_width < PRIOR.half_width


def test_verdicts_come_before_any_input():
    found = TaskState("t", PRIOR, learner=LEARNER).learn(verdicts(5))
    expected = LEARNER.learned(Standing(PRIOR.scale), verdicts(5))
    assert found.scale == expected.scale


def test_the_same_verdicts_again_change_nothing():
    state = TaskState("t", PRIOR, learner=LEARNER)
    state.learn(verdicts(10))
    version = state.learn(verdicts(10))
    assert (version.version, version.verdicts) == (1, 10)
    assert state.learn(verdicts(3, right=False)).verdicts == 10  # three of them were corrected
    other = TaskState("t", PRIOR, learner=LEARNER)
    assert other.learn([*verdicts(3, right=False), *verdicts(7, start=3)]).scale == pytest.approx(state.current.scale)


def test_verdicts_outlive_the_process(tmp_path):
    path = tmp_path / "s.json"
    learned = TaskState("t", PRIOR, learner=LEARNER, path=path).learn(verdicts(10))
    again = TaskState("t", PRIOR, learner=LEARNER, path=path)
    assert again.current == learned
    assert observed(again, 3).current.verdicts == 10


def test_what_one_process_learned_the_others_use(tmp_path):
    path = tmp_path / "s.json"
    scoring = observed(TaskState("t", PRIOR, learner=LEARNER, path=path), 1)
    learned = TaskState("t", PRIOR, learner=LEARNER, path=path).learn(verdicts(10))
    observed(scoring, 1, start=1)  # the second input makes no version of itself
    assert scoring.current.verdicts == 10
    assert scoring.current.version > learned.version  # never two versions under one number
    assert TaskState("t", PRIOR, learner=LEARNER, path=path).current == scoring.current


def test_a_correction_outlives_what_others_remember(tmp_path):
    path = tmp_path / "s.json"
    early = TaskState("t", PRIOR, learner=LEARNER, path=path)
    early.learn(verdicts(10))
    TaskState("t", PRIOR, learner=LEARNER, path=path).learn(verdicts(10, right=False))
    observed(early, 3)
    expected = TaskState("t", PRIOR, learner=LEARNER)
    expected.learn(verdicts(10, right=False))
    assert early.current.scale == pytest.approx(observed(expected, 3).current.scale)


def test_verdicts_that_cannot_be_computed_with_are_not_kept():
    class Broken(Learner):
        def learned(self, standing, verdicts):
            if verdicts:
                raise InvalidInputError("no")
            return super().learned(standing, verdicts)

    state = TaskState("t", PRIOR, learner=Broken(True, VerdictPrior(0.5, 1.0)))
    with pytest.raises(InvalidInputError):
        state.learn(verdicts(3))
    assert observed(state, 3).current.inputs == 3


def test_inputs_move_what_verdicts_start_from():
    early, late = (TaskState("t", PRIOR, learner=LEARNER) for _ in range(2))
    early.learn(verdicts(5))
    observed(early, 10)
    observed(late, 10)
    late.learn(verdicts(5))
    assert early.current.scale == pytest.approx(late.current.scale)


@pytest.mark.parametrize("verdict", [{"right": True, "answer": {"logits": ["x", 0]}}, {"right": True}, [1, 0, 0]])
def test_damaged_verdicts_are_set_aside(tmp_path, verdict):
    path = tmp_path / "s.json"
    path.write_text(json.dumps(json.loads(GOOD) | {"verdicts": {"k": verdict}}))
    assert TaskState("t", PRIOR, learner=LEARNER, path=path).current.version == 0
    assert (tmp_path / "s.json.broken").exists()
