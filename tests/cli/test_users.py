"""``thermolang users``: who may use the desk."""

import pytest
from typer.testing import CliRunner

from thermolang import ReviewStore
from thermolang.cli import main as cli

pytest.importorskip("argon2")
PASSWORD = "correct horse battery"


@pytest.fixture
def users(tmp_path):
    """Runs a command on one database."""
    url = f"sqlite:///{tmp_path / 'r.db'}"

    def run(*arguments, typed=""):
        return CliRunner().invoke(cli.app, ["users", *arguments, "--store", url], input=typed)

    run.url = url
    return run


def test_a_user_is_added_listed_and_removed(users):
    added = users("add", "ann", "--role", "lead", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert added.exit_code == 0
    assert added.output.splitlines()[-1] == "added ann (lead)"
    assert PASSWORD not in added.output
    users("add", "bob", "--password-stdin", typed=f"{PASSWORD}\n")
    assert users("list").output.splitlines() == ["ann (lead)", "bob (reviewer)"]
    assert users("remove", "ann").output == "removed ann\n"
    assert users("list").output == "bob (reviewer)\n"


def test_a_new_password_counts(users):
    from thermolang.review import UserStore

    users("add", "ann", "--password-stdin", typed=f"{PASSWORD}\n")
    assert users("password", "ann", "--password-stdin", typed=f"{PASSWORD} 2\n").exit_code == 0
    with ReviewStore(users.url) as store:
        assert UserStore(store).login("ann", f"{PASSWORD} 2")[0].name == "ann"


def test_who_comes_by_a_proxy_needs_no_password(users):
    assert users("add", "ann", "--by-proxy").output == "added ann (reviewer)\n"


def test_what_is_wrong_is_said(users):
    assert "a password has 10 to 1000 characters" in str(users("add", "ann", "--password-stdin", typed="x\n").exception)
    assert "there is no user" in str(users("remove", "ann").exception)
