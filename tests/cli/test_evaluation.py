"""collect, evaluate and train on the command line, with the tiny model and a small file of tasks."""

import json
import sys

import numpy as np
import pytest

from thermolang.calibration.calibrator import Calibrator
from thermolang.cli import main as cli
from thermolang.models.local import LocalModel


@pytest.fixture
def run(monkeypatch, capsys, tiny_model):
    """Run the command line and return (exit status, what it printed)."""
    monkeypatch.setattr(LocalModel, "load", lambda name: tiny_model)

    def go(*arguments):
        monkeypatch.setattr(sys, "argv", ["thermolang", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, " ".join((said.out + said.err).split())

    return go


@pytest.fixture
def sources(tmp_path):
    """Eight small multiple-choice tasks as the user's own files."""
    rng, found = np.random.default_rng(0), []
    for t in range(8):
        path = tmp_path / f"task{t}.jsonl"
        rows = [
            {"question": f"Which of {t} and {i}?", "choices": ["one", "two", "three"], "answer": int(rng.integers(3))}
            for i in range(24)
        ]
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        found += ["--task", path]
    return found


@pytest.fixture
def features(run, sources, tmp_path):
    status, said = run("collect", "--model", "tiny", *sources, "--out", tmp_path / "features")
    assert status == 0, said
    assert "8 tasks, 192 items" in said and "192/192" in said
    return tmp_path / "features"


def test_collect_goes_on_where_it_stopped(run, sources, features):
    before = sorted(features.rglob("*.safetensors"))
    status, said = run("collect", "--model", "tiny", *sources, "--out", features)
    assert status == 0 and "0.0 items/s" in said
    assert sorted(features.rglob("*.safetensors")) == before


def test_evaluate_writes_results_and_a_report(run, features, tmp_path):
    out, page = tmp_path / "results.json", tmp_path / "report.html"
    arguments = ["--model", "tiny", "--protocol", "groups:4", "--steps", "20", "--json", out, "--report", page]
    status, said = run("evaluate", features, *arguments, "--form", "chat", "--form", "prefix")
    assert status == 0, said
    assert "Thermometer" in said and "Report:" in said
    results = json.loads(out.read_text(encoding="utf-8"))
    assert [s["name"] for s in results["settings"]] == ["tiny, chat prompt, choice", "tiny, prefix prompt, choice"]
    assert page.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")


def test_train_saves_a_calibrator_of_this_model(run, features, tmp_path, tiny_model):
    status, said = run("train", features, "--model", "tiny", "--out", tmp_path / "made", "--steps", "20")
    assert status == 0, said
    made = Calibrator.load(tmp_path / "made")
    assert list(made.fits) == ["choice"] and made.identity == tiny_model.identity
    card = (tmp_path / "made" / "README.md").read_text(encoding="utf-8")
    assert "task0" in card
    assert "Measured on the training tasks, each left out in turn (choice)" in card


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--protocol", "groups:x"], "unknown protocol 'groups:x'"),
        (["--form", "bare"], "unknown form 'bare': expected one of chat, prefix"),
        (["--kind", "self_check"], "no self_check tasks of"),
        (["--train-group", "nothing"], "no collected task is of the groups ['nothing']"),
        (["--json", "/nowhere/at/all.json"], "does not exist"),
    ],
)
def test_evaluate_says_in_one_line_what_is_wrong(run, features, arguments, complaint):
    status, said = run("evaluate", features, "--model", "tiny", *arguments)
    assert status == 1
    assert "error: " in said and complaint in said


def test_another_model_is_named(run, features):
    status, said = run("evaluate", features, "--model", "other/model")
    assert status == 1 and "holds no features of 'other/model'" in said and "tiny" in said


def test_a_bad_line_is_named_before_a_model_is_loaded(run, tmp_path, monkeypatch):
    monkeypatch.setattr(LocalModel, "load", lambda name: pytest.fail("a model was loaded"))
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "a?", "answers": ["b"]}\n{"question": "c?"}\n', encoding="utf-8")
    status, said = run("collect", "--model", "tiny", "--task", path, "--out", tmp_path / "features")
    assert status == 1 and "line 2" in said and "expected" in said
    assert not (tmp_path / "features").exists()


@pytest.mark.parametrize("command", ["collect", "train", "evaluate"])
def test_help_teaches(run, command):
    status, said = run(command, "--help")
    assert status == 0 and "Usage" in said and "--model" in said
