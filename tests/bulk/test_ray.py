"""The two engines write the same file, whatever dies in between, and say what keeps them from working."""

import json
import os
import signal
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.bulk.test_files import fake, timeless
from tests.test_estimator_given import FIT, Reader, with_fit
from thermolang.bulk import ray as ray_engine
from thermolang.bulk.files import score_file
from thermolang.bulk.ray import RayEngine, check_address
from thermolang.errors import InvalidInputError, MissingExtraError, ModelError
from thermolang.estimator import ConfidenceEstimator
from thermolang.routing.policy import Policy

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own are no concern of ours


@dataclass
class Dying(type(fake())):
    """A model whose process is killed at one question: once, or each time if there is nowhere to remember it."""

    at: str = ""
    died: Path | None = None

    def self_check(self, messages, answer):
        if messages[-1]["content"] == self.at and not (self.died and self.died.exists()):
            if self.died:
                self.died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().self_check(messages, answer)


def dying(at, died):
    model = fake()
    return Dying(hidden=model.hidden, at=at, died=died)


def broken():
    raise ModelError("no such model here")


def narrow():
    model = fake()
    return replace(model, identity=replace(model.identity, hidden_size=8))


@pytest.fixture(scope="module")
def calibrator(calibrator_for):
    return calibrator_for(fake())


@pytest.fixture
def made(calibrator):
    return lambda: ConfidenceEstimator(fake(), calibrator, state_dir=None)


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two processors, with what it needs beside them."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init("local", num_cpus=2, include_dashboard=False, object_store_memory=2**27, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """2,000 lines of every kind: tasks, choices, conversations, bad ones, in runs of any length."""
    random = np.random.default_rng(0)
    rows = []
    while len(rows) < 2000:
        task = f"t{random.integers(5)}"
        for _ in range(random.integers(1, 30)):
            n = len(rows)
            row = {"question": f"Q{n % 700}?", "answer": f"東京 {n}", "task": task, "id": n}
            rows.append(row | {"choices": ["3", "4"], "answer": "4"} if task == "t4" else row)
        rows.append(random.choice(["not json", {"question": "no answer"}, {"question": "x" * 2000, "answer": "long"}]))
    path = tmp_path_factory.mktemp("source") / "answers.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows[:2000]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(calibrator, source):
    """What the local engine makes of it, and its summary."""
    path = source.with_name("whole.jsonl")
    estimator = ConfidenceEstimator(fake(), calibrator, state_dir=None)
    return path, score_file(estimator, source, path, policy=Policy(0.5), own_answers=True)


@pytest.mark.usefixtures("cluster")
def test_both_engines_write_the_same_file_of_2000_lines(made, source, whole, tmp_path):
    (path, ours), out, told = whole, tmp_path / "ray.jsonl", []
    options = {"policy": Policy(0.5), "own_answers": True, "progress": told.append}
    theirs = score_file(made(), source, out, engine=RayEngine(fake), **options)
    assert ours == theirs and ours.lines == 2000 and ours.bad > 0 and 0 < ours.accepted < 2000
    assert timeless(path) == timeless(out)
    assert told[-1].done == 2000 and [t.done for t in told] == sorted(t.done for t in told)


@pytest.mark.usefixtures("cluster")
def test_one_engine_goes_on_where_the_other_was_stopped(made, source, whole, tmp_path):
    out, content = tmp_path / "out.jsonl", whole[0].read_bytes()
    out.write_bytes(content[: len(content) * 4 // 5])
    options = {"policy": Policy(0.5), "own_answers": True}
    summary = score_file(made(), source, out, engine=RayEngine(fake), **options)
    assert 300 < summary.new < 500
    assert timeless(out) == timeless(whole[0])
    assert score_file(made(), source, out, engine=RayEngine(broken), **options).new == 0  # no actor is started


@pytest.mark.usefixtures("cluster")
def test_an_actor_that_is_killed_in_the_middle_loses_nothing(made, source, whole, tmp_path):
    died, out = tmp_path / "died", tmp_path / "out.jsonl"
    engine = RayEngine(partial(dying, "Q350?", died))
    summary = score_file(made(), source, out, policy=Policy(0.5), own_answers=True, engine=engine)
    assert died.exists() and summary.lines == 2000
    assert timeless(out) == timeless(whole[0])


@pytest.mark.usefixtures("cluster")
@pytest.mark.slow
def test_a_line_that_kills_every_actor_is_given_up(made, source, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "RETRIES", 1)
    out = tmp_path / "out.jsonl"
    with pytest.raises(ModelError, match=r"the actors cannot go on: .*the same command goes on"):
        score_file(made(), source, out, own_answers=True, engine=RayEngine(partial(dying, "Q350?", None)))
    written = timeless(out)
    assert 0 < len(written) < 2000
    assert [r["confidence"] for r in written] == [r["confidence"] for r in timeless(whole[0])[: len(written)]]


@pytest.mark.usefixtures("cluster")
@pytest.mark.slow
def test_what_others_wrote_is_compared_in_the_actors(calibrator_for, tmp_path):
    estimator = ConfidenceEstimator(Reader(), with_fit(calibrator_for(Reader()), FIT), state_dir=None)
    path = tmp_path / "answers.jsonl"
    rows = [{"question": f"Q{i}?", "answer": "Paris" if i % 2 else "Rome"} for i in range(20)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    score_file(estimator, path, tmp_path / "local.jsonl")
    score_file(estimator, path, tmp_path / "ray.jsonl", engine=RayEngine(Reader))
    values = [[r["confidence"]["value"] for r in timeless(tmp_path / f"{name}.jsonl")] for name in ("local", "ray")]
    # An embedding depends a little on which texts were embedded before.
    np.testing.assert_allclose(*values, atol=1e-6)
    assert len(set(values[0])) > 1


@pytest.mark.usefixtures("cluster")
@pytest.mark.slow
def test_without_a_calibrator_the_reasons_are_the_same(source, tmp_path):
    estimator = ConfidenceEstimator(fake(), state_dir=None)
    files = [tmp_path / "local.jsonl", tmp_path / "ray.jsonl"]
    for file, engine in zip(files, (None, RayEngine(fake)), strict=True):
        assert score_file(estimator, source, file, engine=engine).scored == 0
    assert timeless(files[0]) == timeless(files[1])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("engine", "complaint"),
    [
        (RayEngine(broken), "no such model here"),
        (RayEngine(narrow), "this calibrator was made for fake"),
        (RayEngine(fake, actors=3), "3 actors need a processor each, and the cluster has 2"),
        (RayEngine(fake, actors=0), "at least one actor is needed, got 0"),
    ],
    ids=["broken", "other model", "too many", "none"],
)
def test_what_keeps_actors_from_working_is_said_and_nothing_is_written(made, source, tmp_path, engine, complaint):
    out = tmp_path / "out.jsonl"
    with pytest.raises((ModelError, InvalidInputError, ValueError), match=complaint):
        score_file(made(), source, out, engine=engine)
    assert out.read_bytes() == b""


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 .*ray start --head"),
        ("127.0.0.1:99999", "no Ray cluster answers at"),
        ("somewhere", "HOST:PORT of a Ray cluster"),
        ("ray://127.0.0.1:10001", "HOST:PORT of a Ray cluster"),
    ],
)
def test_an_address_that_cannot_be_reached_is_said_at_once(address, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        check_address(address)


@pytest.mark.parametrize("missing", ["ray", "ray.data", "pandas"])
def test_without_ray_the_extra_is_named(made, source, tmp_path, monkeypatch, missing):
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    with pytest.raises(MissingExtraError, match=r'pip install "thermolang\[ray\]"'):
        score_file(made(), source, tmp_path / "out.jsonl", engine=RayEngine(fake))
