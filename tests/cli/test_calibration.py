"""calibrate on the command line: recipes, own files, going on after a stop, what is refused before a model loads."""

import json
import sys

import pytest

from tests.training.public_files import write_all
from thermolang.calibration import calibrator as registry
from thermolang.calibration.training import TrainingConfig
from thermolang.cli import main as cli
from thermolang.estimator import ConfidenceEstimator
from thermolang.models.local import LocalModel
from thermolang.tasks.starter import Family
from thermolang.training import calibrate as calibrating
from thermolang.training import difficulty
from thermolang.training.store import load
from thermolang.types import Example

SUMS = {
    f"sums {n}": Family(
        f"sums {n}",
        f"sums {n}",
        "train",
        "free_form",
        f"sums {n}",
        1,
        tuple(Example(f"{n} + {i}?", (str(n + i),)) for i in range(4)),
    )
    for n in range(3)
}


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line; returns exit status and what was printed, in one line each."""

    def go(*arguments):
        monkeypatch.setattr(sys, "argv", ["thermolang", "calibrate", *map(str, arguments)])
        try:
            cli.main()
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, " ".join(said.out.split()), " ".join(said.err.split())

    return go


@pytest.fixture
def tiny(monkeypatch, tiny_model):
    """The tiny model, few starter tasks, and a training of a few steps."""
    calibrate = calibrating.calibrate

    def quick(*args, config, **options):
        few = TrainingConfig(steps=20, batch_size=8, evaluate_every=10, seed=config.seed)
        return calibrate(*args, config=few, **options)

    monkeypatch.setattr(calibrating, "calibrate", quick)
    monkeypatch.setattr(LocalModel, "load", lambda name: tiny_model)
    monkeypatch.setattr(difficulty, "families", lambda: SUMS)
    return tiny_model


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(LocalModel, "load", lambda *a, **k: pytest.fail("a model was loaded"))
    monkeypatch.setattr(difficulty, "families", lambda: SUMS)


@pytest.fixture
def public(tmp_path):
    write_all(tmp_path / "data", count=3)
    return tmp_path / "data"


# Recipes


def test_the_standard_recipe_makes_a_calibrator_of_files(run, tiny, public, tmp_path):
    options = ["--recipe", "standard", "--data-folder", public, "--features", tmp_path / "features"]
    status, out, err = run(*options, "--out", tmp_path / "made")
    assert status == 0, err
    assert "squad 3 9 CC BY-SA 4.0" in out and "triviaqa 1 3" in out
    assert f"tiny, float32 on cpu; kept in {tmp_path / 'features'}" in out
    assert (
        "3 starter levels were chosen; on a few items of each the model is right: 3 at below 5 % 18 tasks, 60 items"
        in out
    )
    assert out.count("float32 on cpu") == 1
    assert "60/60" in out and "training (self_check)" in out
    card = (tmp_path / "made" / "README.md").read_text(encoding="utf-8")
    assert "| squad-unanswerable | 3 |" in card and "| sums 2 | 4 |" in card
    groups = {task.name: task.group for task in load(tmp_path / "features", "tiny", kind="self_check")}
    assert (groups["jsquad-closed-book"], groups["nq"], groups["sums 1"]) == ("jsquad", "nq", "sums 1")


def test_ctrl_c_keeps_what_was_read_and_the_same_command_goes_on(run, tiny, public, tmp_path, monkeypatch):
    options = [
        "--recipe",
        "standard",
        "--data-folder",
        public,
        "--features",
        tmp_path / "f",
        "--out",
        tmp_path / "made",
    ]
    read, generate = [], type(tiny).generate_batch

    def counting(model, conversations, *args, **how):
        if read:
            raise KeyboardInterrupt
        read.append(len(conversations))
        return generate(model, conversations, *args, **how)

    monkeypatch.setattr(type(tiny), "generate_batch", counting)
    status, _, err = run(*options)
    assert status == 130
    assert err.endswith(f"stopped: what is done is kept in {tmp_path / 'f'}; the same command goes on")
    assert not (tmp_path / "made").exists()
    before = sum(read)
    monkeypatch.setattr(type(tiny), "generate_batch", lambda *a, **k: read.append(len(a[1])) or generate(*a, **k))
    read.clear()
    status, _, err = run(*options)
    assert status == 0, err
    assert before > 0 and sum(read) == 60 - before
    assert (tmp_path / "made" / "README.md").exists()


def test_offline_is_the_default_and_needs_no_data_set(run, tiny, tmp_path):
    for arguments in ([], ["--recipe", "offline"]):
        status, out, err = run(*arguments, "--out", tmp_path / "made")
        assert status == 0, err
        assert "3 tasks, 12 items" in out and "licence" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recipe", "standard", "--data-folder", "nowhere"], "error: nowhere is no folder"),
        (["--data-folder", "nowhere"], "error: --data-folder names the files of the recipe standard"),
        (["--recipe", "offline", "--data-folder", "nowhere"], "error: --data-folder names the files"),
    ],
)
def test_a_recipe_that_cannot_be_made_is_refused_before_a_model_loads(run, no_model, arguments, said):
    status, out, err = run(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith(said)


# The user's own files


def rows(path, *, count, start=0):
    lines = [json.dumps({"question": f"{path.stem} {n}?", "answers": ["a"]}) for n in range(start, start + count)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bad.jsonl", '{"question": "q", "answers": ["a"]}\n{"question": "q"}\n', "bad.jsonl, line 2: expected"),
        ("bad.jsonl", "not json\n", "bad.jsonl, line 1: not JSON"),
        ("bad.csv", "question,answers\nq,a\nq,a,b\n", "bad.csv, line 3: 2 columns are expected"),
        ("bad.txt", "q", "bad.txt: a folder, a file that ends in .jsonl"),
        ("empty.jsonl", "", "empty.jsonl: holds no questions"),
        (None, None, "no-such.jsonl: a folder, a file that ends in"),
    ],
)
def test_file_and_line_are_named_before_a_model_loads(run, no_model, tmp_path, name, content, said):
    path = tmp_path / (name or "no-such.jsonl")
    if name:
        path.write_text(content, encoding="utf-8")
    status, out, err = run("--tasks", path)
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {tmp_path}/{said}")


def test_own_files_alone_or_beside_a_recipe(run, tiny, tmp_path):
    own = [part for n in range(3) for part in ("--tasks", rows(tmp_path / f"mine{n}.jsonl", count=3, start=9 * n))]
    status, out, err = run(*own, "--seed", 7, "--out", tmp_path / "made")
    assert status == 0, err
    assert "3 tasks, 9 items" in out
    assert "6 tasks, 21 items" in run(*own, "--recipe", "offline", "--out", tmp_path / "made")[1]


def test_columns_are_shown_or_named(run, tiny, tmp_path):
    own = []
    for n in range(3):
        path = tmp_path / f"mine{n}.csv"
        path.write_text("Q;A;id\n" + "".join(f"{n}-{i}?;a;7\n" for i in range(3)), encoding="utf-8")
        own += ["--tasks", path]
    status, _, err = run(*own)
    assert status == 1 and "found the columns ['A', 'Q', 'id']" in err and "--columns question=NAME" in err
    status, out, err = run(*own, "--columns", "question=Q,answers=A", "--out", tmp_path / "made")
    assert status == 0, err
    assert f"{own[1]}: question: Q, answers: A; not used: id" in out
    assert "3 tasks, 9 items" in out
    status, _, err = run(*own, "--columns", "Q")
    assert status == 1 and "pairs such as question=Q,answers=A are expected" in err


def test_it_is_saved_where_with_confidence_looks(run, monkeypatch, tiny, tmp_path):
    status, out, err = run("--seed", 7)
    assert status == 0, err
    folder = registry.folder_for(tiny.identity, "tiny")
    found = ConfidenceEstimator(tiny, state_dir=None).calibrator
    assert f"Saved {found.id} in {folder}" in out
    (tmp_path / "file").write_text("in the way")
    status, _, err = run("--out", tmp_path / "file" / "deeper")
    assert status == 1
    assert err.startswith("error: ")


def test_too_few_tasks_are_counted(run, tiny, tmp_path):
    status, _, err = run("--tasks", rows(tmp_path / "mine.jsonl", count=2))
    assert status == 1
    assert err.startswith("error: at least 3 multiple-choice or 3 free-form tasks are needed")
