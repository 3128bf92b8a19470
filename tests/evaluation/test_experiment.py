"""A whole experiment on synthetic tasks, its file and its report."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import targets
from tests.calibration.synthetic import choice_task
from tests.evaluation.synthetic import FAST, tasks
from thermolang.errors import InvalidInputError, TaskFormatError
from thermolang.evaluation import experiment
from thermolang.evaluation import results as results_file
from thermolang.evaluation.report import render


def test_every_task_and_figure_is_there(setting):
    assert sorted(t["name"] for t in setting["tasks"]) == [f"t{i}" for i in range(8)]
    assert sum(s["tasks"] for s in setting["summaries"]) == 8
    main = setting["summaries"][0]
    assert main["name"] == "main"
    for method in ("uncalibrated", "paper", "thermolang", "oracle", "ts_10", "verdicts_25"):
        for metric in experiment.MEASURED:
            found = main["figures"][method][metric]
            if found is not None:
                assert found["lower"] <= found["estimate"] <= found["upper"]
                assert min(found["worst"], found["estimate"]) == (
                    found["worst"] if metric == "AUROC" else found["estimate"]
                )
    assert set(main["differences"]["uncalibrated"]["Brier"].values()) == {0.0}
    assert all(t["accuracy_kept"] for t in setting["tasks"])


def test_the_gap_is_found_and_closed(setting):
    gap = setting["gap"]
    assert gap["exists"] and gap["uncalibrated"] > gap["oracle"]
    assert gap["closed"]["oracle"]["estimate"] == pytest.approx(1.0)
    assert gap["closed"]["thermolang"]["estimate"] > 0.5


def test_a_model_without_a_gap_is_left_alone():
    calm = [choice_task(f"t{i}", 1.0, items=240, width=16, seed=i) for i in range(8)]
    found = experiment.run(calm[:4], calm[4:], protocol="transfer", config=FAST, about={"name": "calm"})
    assert not found["gap"]["exists"] and found["gap"]["closed"] == {}
    (check,) = [c for c in targets.checks([found]) if "no gap" in c["target"]]
    assert check["met"]


def test_hard_tasks_are_shown_apart():
    guessing = replace(tasks("choice")[0], name="guess")
    guessing = replace(guessing, labels=np.random.default_rng(1).integers(0, 4, len(guessing)))
    found = experiment.run([*tasks("choice"), guessing], protocol="groups:3", config=FAST)
    assert [t["name"] for t in found["tasks"] if not t["main"]] == ["guess"]
    assert {s["name"]: s["tasks"] for s in found["summaries"]} == {"main": 8, "apart": 1}


def test_curves_and_interval(setting):
    assert [p["inputs"] for p in setting["inputs_curve"]] == [1, 3, 10, 30]
    assert abs(setting["inputs_curve"][-1]["estimate"]) < 0.05
    assert [p["labels"] for p in setting["labels_curve"]["verdicts"]] == [0, 10, 25]
    assert setting["interval"]["tasks"] == 8 and 0 <= setting["interval"]["covered"] <= 1
    assert -1 <= setting["novelty_curve"]["rank_correlation"] <= 1
    assert sum(row["count"] for row in setting["reliability"]["thermolang"]) == setting["summaries"][0]["items"]


def test_the_same_seed_gives_the_same_figures(setting):
    if setting["kind"] == "choice":
        again = experiment.run(tasks("choice"), protocol="groups:4", config=FAST)
        assert json.dumps(again["summaries"], default=float) == json.dumps(setting["summaries"], default=float)


def test_results_add_up_in_one_file_and_are_shown(setting, tmp_path):
    path = tmp_path / "results.json"
    results = results_file.added(results_file.opened(path), setting, command="thermolang evaluate a")
    results = results_file.added(results, setting, command="thermolang evaluate a")  # again: replaced, not doubled
    results_file.save(results, path)
    again = results_file.opened(path)
    assert len(again["settings"]) == 1 and again["commands"] == ["thermolang evaluate a"]
    other = results_file.added(again, {**again["settings"][0], "name": "other"}, command="b")
    assert [s["name"] for s in other["settings"]] == [setting["name"], "other"]
    page = render(other)
    assert setting["name"] in page and "Thermometer (paper_mode)" in page
    assert "NaN" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        "no json",
        '{"format": 1, "settings": 3, "commands": []}',
        '{"format": 2, "settings": [], "commands": []}',
    ],
    ids=["list", "empty", "text", "number", "format"],
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TaskFormatError, match=r"does not hold results|has format 2"):
        results_file.opened(path)


@pytest.mark.parametrize(("what", "value"), [("form", "bare"), ("layer", "first"), ("kind", "free")])
def test_an_unknown_option_lists_the_known(tmp_path, what, value):
    with pytest.raises(InvalidInputError, match=f"unknown {what} '{value}': expected one of"):
        results_file.run_on_features(tmp_path, "m", protocol="groups:4", **{what: value})
