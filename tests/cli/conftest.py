"""What all tests of the command line share."""

import sys

import pytest

from thermolang.cli import main as cli


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command as the shell does; returns exit status, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["thermolang", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return call
