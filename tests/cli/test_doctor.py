"""thermolang doctor: one line for each thing that could fail."""

import errno
import re
import shutil
from collections import namedtuple

import pytest

from thermolang import ReviewStore
from thermolang.calibration import calibrator as registry
from thermolang.cli import doctor as checkup
from thermolang.cli.doctor import check_all
from thermolang.models.local import LocalModel

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, tiny_model):
    monkeypatch.setattr(LocalModel, "load", lambda name, **options: tiny_model)


@pytest.fixture
def checks():
    return lambda url=None: {check.name: check for check in check_all("tiny", url)}


def test_everything_is_fine(checks, tiny_model, calibrator_for, tmp_path):
    calibrator = calibrator_for(tiny_model)
    calibrator.save(registry.folder_for(tiny_model.identity, "tiny"))
    found = checks()
    assert list(found) == ["model", "template", "speed", "calibrator", "embedder", "database", "disk"]
    assert all(check.ok for check in found.values()), found
    assert found["model"].detail == "tiny (LlamaForCausalLM, float32 on cpu)"
    assert found["template"].detail == "takes system turns, turns in any order, no tools"
    assert re.fullmatch(
        r"\d+ tokens/s, \d+ with 8 answers at once; reading a confidence takes \d+ ms", found["speed"].detail
    )
    assert found["calibrator"].detail.startswith(f"{calibrator.id}: choice (3 tasks) and self_check (3 tasks); same")
    assert "universal-sentence-encoder-multilingual-3" in found["embedder"].detail
    assert found["database"].detail == f"sqlite:///{tmp_path / 'home' / 'data' / 'review.db'}: 0 pending of 0"
    assert str(tmp_path / "home" / "data") in found["disk"].detail
    assert not list(tmp_path.rglob(".thermolang-doctor"))


def test_without_a_calibrator_the_command_is_named(checks):
    found = checks()
    assert not found["calibrator"].ok
    assert "thermolang calibrate --model tiny" in found["calibrator"].detail
    assert [name for name, check in found.items() if not check.ok] == ["calibrator"]


def test_a_calibrator_of_other_weights_is_named(checks, tiny_model, calibrator_for):
    calibrator = calibrator_for(tiny_model, sources=("self_check",))
    calibrator.probe = (-calibrator.probe[0], calibrator.probe[1])
    calibrator.save(registry.folder_for(tiny_model.identity, "tiny"))
    check = checks()["calibrator"]
    assert not check.ok
    assert "other weights of tiny" in check.detail


def test_a_damaged_calibrator_is_named(checks, caplog):
    folder = registry.user_dir() / "broken"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{")
    assert not checks()["calibrator"].ok
    assert f"cannot read the calibrator in {folder}" in caplog.text


def test_without_a_model_the_rest_is_still_looked_at(monkeypatch):
    monkeypatch.undo()
    found = {check.name: check for check in check_all("./no-such-model")}
    assert not found["model"].ok
    assert "'./no-such-model' is not a model folder" in found["model"].detail
    assert found["calibrator"] == checkup.Check("calibrator", False, "not looked for: there is no model")
    assert found["embedder"].ok


def test_the_database_is_counted(checks, tmp_path):
    from thermolang import Confidence, Decision

    url = f"sqlite:///{tmp_path / 'r.db'}"
    with ReviewStore(url) as store:
        item = store.submit("q", "a", confidence=Confidence(0.1), decision=Decision("review", "", 0.5))
        store.submit("q", "a", confidence=Confidence(0.1), decision=Decision("review", "", 0.5))
        store.decide(item.id, "accept", operator="ann")
    assert checks(url)["database"].detail == f"{url}: 1 pending of 2"


def test_a_file_that_is_no_database_fails(checks, tmp_path):
    (tmp_path / "notes.txt").write_text("these are notes, and not a database at all")
    check = checks(f"sqlite:///{tmp_path / 'notes.txt'}")["database"]
    assert not check.ok
    assert "not an SQLite database" in check.detail


def test_without_the_store_extra_the_command_is_named(checks, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)
    check = checks()["database"]
    assert not check.ok
    assert 'pip install "thermolang[store]"' in check.detail


def test_a_disk_that_is_nearly_full_fails(checks, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(2**40, 2**40 - 2**29, 2**29))
    check = checks()["disk"]
    assert not check.ok
    assert check.detail.startswith("only 0.5 GiB free below ")
    assert "needs up to 2" in check.detail


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_fails(checks, monkeypatch, code):
    def refuse(path, *args, **options):
        raise OSError(code, "no", str(path))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    check = checks()["disk"]
    assert not check.ok
    assert "cannot be written" in check.detail
    assert "Set THERMOLANG_HOME" in check.detail
