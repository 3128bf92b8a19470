"""Which calibrator belongs to a model: the user's before the shipped, damaged ones skipped."""

import logging
import shutil
from dataclasses import replace

import pytest

import thermolang.pretrained
from tests.calibration.synthetic import IDENTITY, calibrator
from thermolang.calibration import calibrator as registry

OTHER = replace(IDENTITY, template="another")


@pytest.fixture(autouse=True)
def roots(tmp_path, monkeypatch):
    """Both folders below the test's own one."""
    monkeypatch.setenv("THERMOLANG_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(thermolang.pretrained, "__path__", [str(tmp_path / "shipped")])


def found(identity=IDENTITY):
    return [c.id for c in registry.find(identity)]


def test_nothing_anywhere():
    assert found() == []


def test_the_users_own_comes_before_the_shipped():
    own, shipped = calibrator(seed=1), calibrator(seed=2)
    shipped.save(registry.shipped_dir() / "aaa")
    own.save(registry.folder_for(IDENTITY, "acme/Tiny-Chat"))
    assert found() == [own.id, shipped.id]


def test_only_those_of_the_same_identity():
    own, other = calibrator(), calibrator(identity=OTHER, seed=3)
    for one in (own, other):
        one.save(registry.folder_for(one.identity, one.model_name))
    assert found() == [own.id]
    assert found(OTHER) == [other.id]
    assert found(replace(IDENTITY, num_layers=9)) == []


def test_a_damaged_one_is_skipped_with_a_warning(caplog):
    broken = calibrator(seed=1).save(registry.user_dir() / "a-broken")
    (broken / "config.json").write_text("{")
    foreign = registry.user_dir() / "b-foreign"
    foreign.mkdir()
    (foreign / "config.json").write_text('{"model_type": "llama"}')
    good = calibrator(seed=2)
    good.save(registry.user_dir() / "c-good")
    with caplog.at_level(logging.WARNING, "thermolang.calibration.calibrator"):
        assert found() == [good.id]
    assert [str(folder) in r.getMessage() for folder, r in zip((broken, foreign), caplog.records, strict=True)] == [
        True,
        True,
    ]


def test_folders_of_an_interrupted_save_are_ignored(caplog):
    good = calibrator()
    folder = good.save(registry.user_dir() / "good")
    shutil.copytree(folder, registry.user_dir() / ".good-x7f3")
    half = registry.user_dir() / ".good-old-123"
    half.mkdir()
    (half / "config.json").write_text("{")
    assert found() == [good.id]
    assert not caplog.records


def test_stray_files_are_ignored(caplog):
    registry.user_dir().mkdir(parents=True)
    (registry.user_dir() / "config.json").write_text("{")
    (registry.user_dir() / "empty").mkdir()
    assert found() == []
    assert not caplog.records


def test_folder_for_is_safe_and_distinct():
    names = ["acme/Tiny-Chat", "../../etc/passwd", "C:\\models\\chat", "モデル", "a b:c*?", "here/.hidden", ".."]
    folders = [registry.folder_for(IDENTITY, name) for name in names]
    assert all(f.parent == registry.user_dir() for f in folders)
    assert folders[0].name.startswith("tiny-chat-")
    assert registry.folder_for(OTHER, names[0]) != folders[0]
    assert registry.folder_for(IDENTITY, names[0]) == folders[0]
    assert not any(f.name.startswith(".") for f in folders)  # find would take it for an interrupted save
    assert all(c.isalnum() or c in ".-" for f in folders for c in f.name)


def test_what_is_saved_there_is_found():
    one = calibrator(name="C:\\models\\Chat v1.5")
    one.save(registry.folder_for(one.identity, one.model_name))
    assert found() == [one.id]
