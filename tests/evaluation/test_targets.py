"""The project's own targets: what each says of an experiment, and the file and report that show them."""

import json
import sys

import pytest

from benchmarks import targets
from thermolang.evaluation.results import added, opened, save


def test_checks_say_what_was_seen(setting):
    found = targets.checks([setting])
    assert all(c["seen"] and c["met"] in (True, False) for c in found)
    kind = "Brier skill" if setting["kind"] == "self_check" else "gap closed"
    assert any(kind in c["target"] for c in found)


@pytest.mark.parametrize("report", [False, True])
def test_the_command_writes_the_checks_into_the_file(setting, report, tmp_path, monkeypatch, capsys):
    path, page = tmp_path / "results.json", tmp_path / "report.html"
    save(added(opened(None), setting, command="a"), path)
    assert "checks" not in json.loads(path.read_text(encoding="utf-8"))
    monkeypatch.setattr(sys, "argv", ["targets.py", str(path), *(["--report", str(page)] if report else [])])
    targets.main()
    kept = json.loads(path.read_text(encoding="utf-8"))["checks"]
    assert len(kept) == len(targets.checks([setting])) == len(capsys.readouterr().out.splitlines())
    assert page.is_file() == report
    if report:
        assert 'id="checks"' in page.read_text(encoding="utf-8")
    again = added(opened(path), setting, command="b")
    assert "checks" not in again  # they spoke of the former experiments
