"""Files and folders are written as a whole or not at all."""

import os
from pathlib import Path

import pytest

from thermolang.storage import digest, folder_written_atomically, write_atomically


def leftovers(folder):
    return [p.name for p in folder.iterdir() if p.name.startswith(".") or p.name.endswith(".part")]


@pytest.mark.parametrize(("content", "read"), [("東京\n", "東京\n".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")])
def test_a_file_holds_what_was_given_and_folders_are_made(tmp_path, content, read):
    path = tmp_path / "new" / "deep" / "file.json"
    write_atomically(path, content)
    assert path.read_bytes() == read
    assert leftovers(path.parent) == []


@pytest.mark.parametrize("failing", ["write_bytes", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def refuse(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, failing, refuse)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert leftovers(tmp_path) == []


def test_a_folder_takes_the_place_of_another(tmp_path):
    target = tmp_path / "saved"
    for text in ("one", "two"):
        with folder_written_atomically(target) as work:
            (work / text).write_text(text)
            assert not (target / text).exists()
    assert [p.name for p in target.iterdir()] == ["two"]
    assert leftovers(tmp_path) == []
    assert os.access(target, os.R_OK | os.X_OK)


def test_an_error_in_the_block_leaves_the_old_folder(tmp_path):
    target = tmp_path / "saved"
    with folder_written_atomically(target) as work:
        (work / "good").write_text("good")
    with pytest.raises(KeyError), folder_written_atomically(target) as work:
        (work / "half").write_text("half")
        raise KeyError
    assert [p.name for p in target.iterdir()] == ["good"]
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_take_its_place_brings_the_old_one_back(tmp_path, monkeypatch):
    target = tmp_path / "saved"
    with folder_written_atomically(target) as work:
        (work / "good").write_text("good")
    rename = Path.rename

    def sometimes(self, to):
        if self.name.startswith(".saved-") and "-old-" not in self.name:
            raise PermissionError(13, "Permission denied")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", sometimes)
    with pytest.raises(PermissionError), folder_written_atomically(target) as work:
        (work / "new").write_text("new")
    monkeypatch.undo()
    assert [p.name for p in target.iterdir()] == ["good"]
    assert leftovers(tmp_path) == []


def test_a_digest_is_the_same_in_every_process_and_takes_half_surrogates():
    assert digest("thermolang", 8) == "15f1b210"
    assert len(digest("\ud800", 12)) == 12
