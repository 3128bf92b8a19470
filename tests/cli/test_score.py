"""thermolang score on the command line, with the tiny model and a small file of answers."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from thermolang.cli import main as cli
from thermolang.models.local import LocalModel


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    """A model of random weights has little to say about options."""
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.fixture
def run(monkeypatch, capsys, tiny_model):
    """Run the command line and return (exit status, what it printed, its errors)."""
    monkeypatch.setattr(LocalModel, "load", lambda name: tiny_model)

    def go(*arguments):
        monkeypatch.setattr(sys, "argv", ["thermolang", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, said.out.splitlines(), " ".join(said.err.split())

    return go


@pytest.fixture(scope="module")
def calibrator(tiny_model, calibrator_for, tmp_path_factory):
    return calibrator_for(tiny_model).save(tmp_path_factory.mktemp("made") / "calibrator")


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers[1].jsonl"
    rows = [{"question": f"Is it {i}?", "answer": "No"} for i in range(5)]
    rows += [{"question": "Which?", "choices": ["one", "two"], "answer": "two"}, {"question": "no answer"}]
    path.write_text("\n".join(map(json.dumps, [*rows, {"question": "long " * 300, "answer": "a"}])), encoding="utf-8")
    return path


@pytest.fixture
def score(run, answers, tmp_path, calibrator):
    """Score the model's own answers; returns what ``run`` does."""
    out = tmp_path / "out.jsonl"
    options = ("--out", out, "--model", "tiny", "--calibrator", calibrator, "--own-answers")
    return lambda *more: run("score", answers, *options, *more)


def test_score_writes_a_confidence_for_every_line_and_sums_up(score, answers, tmp_path):
    status, said, wrong = score("--task", "t", "--threshold", "0.1", "--batch", "3")
    assert (status, wrong) == (0, "")
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    values = [r["confidence"]["value"] for r in records]
    assert [v is None for v in values] == [False] * 6 + [True] * 2
    assert {r["decision"]["threshold"] for r in records} == {0.1}
    accepted = sum(r["decision"]["action"] == "accept" for r in records)
    assert said[-4:] == [
        f"{tmp_path}/out.jsonl finished: 8 lines, 6 scored, mean confidence {sum(values[:6]) / 6:.3f}",
        f"1 without a confidence, most often because: {records[7]['confidence']['reason']}",
        f"1 bad lines: {answers}:7",
        f"{accepted} accepted at 0.1, {8 - accepted} for review",
    ]
    assert said[0] == f"{answers}: question: question, answers: answer"
    assert said[1].startswith("0/8  0.0 items/s")  # where nobody looks, a line now and then
    assert said[-5].startswith("8/8  ") and "left" in said[-5]


def test_score_goes_on_and_says_when_it_is_finished(score, tmp_path):
    out = tmp_path / "out.jsonl"
    score()
    whole = out.read_bytes()
    out.write_bytes(whole[: len(whole) // 2])
    status, said, _ = score()
    assert status == 0 and any("out.jsonl finished: 8 lines" in line for line in said)
    finished = out.read_bytes()
    status, said, _ = score()
    assert status == 0 and said[1].startswith(f"{out} was finished already: 8 lines, 6 scored")
    assert out.read_bytes() == finished


def test_score_without_a_calibrator_warns_once_and_goes_on(run, answers, tmp_path):
    status, said, wrong = run("score", answers, "--out", tmp_path / "out.jsonl", "--model", "tiny")
    missing = "no calibrator for this model: thermolang calibrate --model tiny"
    assert (status, wrong) == (0, f"warning: no answer will have a confidence: {missing}")
    assert said[-3].endswith("finished: 8 lines, 0 scored")
    assert said[-2] == f"7 without a confidence, most often because: {missing}"


def test_answers_are_taken_for_texts_from_elsewhere_unless_it_is_said(run, score, answers, tmp_path, calibrator):
    out = tmp_path / "out.jsonl"
    arguments = ("score", answers, "--out", out, "--model", "tiny", "--calibrator", calibrator)
    status, said, _ = run(*arguments)
    assert status == 0 and said[-2].startswith(
        "6 without a confidence, most often because: this calibrator has no fit for"
    )
    found = [json.loads(line)["confidence"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert [c["reason_code"] for c in found] == ["given_text"] * 5 + ["few_inputs", "bad_input", "model_error"]
    status, _, wrong = score()
    assert status == 1 and "line 1, was scored with own_answers=False, not True: give another" in wrong


def test_what_does_not_go_together_is_one_line(score, run, answers, tmp_path):
    score("--task", "t")
    status, said, wrong = score("--task", "u")
    assert (status, said) == (1, [f"{answers}: question: question, answers: answer"])
    assert wrong.startswith(f"error: {tmp_path}/out.jsonl, line 1, was scored with the task 't', not 'u': give another")
    status, _, wrong = run(
        "score", answers, "--out", tmp_path / "o", "--model", "tiny", "--calibrator", tmp_path / "no"
    )
    assert status == 1 and wrong.startswith("error: ") and str(tmp_path / "no") in wrong


@pytest.mark.parametrize(
    ("name", "out", "complaint"),
    [
        ("missing.jsonl", "out.jsonl", "missing.jsonl: cannot be read"),
        ("empty.jsonl", "out.jsonl", "empty.jsonl: holds no lines; expected `answer`"),
        (".", "out.jsonl", "a file ends in .jsonl"),
        (
            "answers.doc",
            "out.jsonl",
            "a file ends in .jsonl, .ndjson, .json, .csv, .tsv, .xlsx or .parquet, not '.doc'",
        ),
        ("answers[1].jsonl", "nowhere/out.jsonl", "does not exist"),
        ("answers[1].jsonl", ".", "it is a folder"),
    ],
)
def test_a_file_that_cannot_be_is_found_before_a_model_is_loaded(
    run, answers, tmp_path, monkeypatch, name, out, complaint
):
    monkeypatch.setattr(LocalModel, "load", lambda name: pytest.fail("a model was loaded"))
    (tmp_path / "empty.jsonl").write_text("\n")
    status, said, wrong = run("score", tmp_path / name, "--out", tmp_path / out, "--model", "tiny")
    assert (status, said) == (1, [])
    assert wrong.startswith("error: ") and complaint in wrong


@pytest.mark.parametrize("option", [("--threshold", "2"), ("--batch", "0")])
def test_a_mistyped_command_line_exits_with_2(score, option):
    assert score(*option)[0] == 2


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (("--actors", "2"), "--address and --actors are for --engine ray"),
        (("--address", "auto"), "--address and --actors are for --engine ray"),
        (("--engine", "ray", "--address", "127.0.0.1:1"), "no Ray cluster answers at 127.0.0.1:1"),
        (("--engine", "ray", "--address", "ray://host"), "HOST:PORT of a Ray cluster"),
    ],
)
def test_an_engine_that_cannot_be_is_found_before_a_model_is_loaded(score, monkeypatch, more, complaint):
    pytest.importorskip("ray.data")
    monkeypatch.setattr(LocalModel, "load", lambda name: pytest.fail("a model was loaded"))
    status, said, wrong = score(*more)
    assert (status, said) == (1, [])
    assert wrong.startswith("error: ") and complaint in wrong


def test_without_ray_its_extra_is_named(score, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.data", None)
    monkeypatch.setattr(LocalModel, "load", lambda name: pytest.fail("a model was loaded"))
    status, _, wrong = score("--engine", "ray")
    assert status == 1 and 'pip install "thermolang[ray]"' in wrong


@pytest.mark.slow
@pytest.mark.model
def test_two_actors_write_what_one_process_writes(environment, tmp_path):
    pytest.importorskip("ray.data")
    rows = [{"question": f"What is {i} plus {i}?", "answer": f"{2 * i}", "task": "sums"} for i in range(40)]
    rows += [{"question": "Which?", "choices": ["one", "two"], "answer": "two"}, {"question": "no answer"}]
    (tmp_path / "answers.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    # A near tie between tokens falls another way with another number of threads.
    one_thread = environment | {"OMP_NUM_THREADS": "1"}
    for name, engine in (("local", ()), ("ray", ("--engine", "ray"))):
        command = [sys.executable, "-m", "thermolang", "score", "answers.jsonl", "--model", "smollm2-135m"]
        command += ["--out", f"{name}.jsonl", "--own-answers", "--batch", "4", *engine]
        done = subprocess.run(command, cwd=tmp_path, env=one_thread, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"{name}.jsonl finished: 42 lines, 41 scored" in done.stdout
    found = [(tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines() for name in ("local", "ray")]
    records = [[json.loads(line) for line in lines] for lines in found]
    for record in (*records[0], *records[1]):
        record["confidence"]["seconds"] = 0
    assert records[0] == records[1]


def test_help_teaches():
    result = CliRunner().invoke(cli.app, ["score", "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert result.exit_code == 0
    wanted = ["--out", "--model", "--task", "--calibrator", "--threshold", "--batch", '"messages"', "start it again"]
    wanted += ["--own-answers", "Another system or a person wrote them?"]
    assert all(text in result.output for text in wanted)
    assert "thermolang score answers.jsonl --out scored.jsonl --model smollm2-135m --threshold 0.7" in result.output
