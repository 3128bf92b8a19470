"""The files for a container: what can be checked without one, as none is built here."""

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import typer
import yaml

from thermolang.cli.main import app

FOLDER = Path(__file__).parent.parent.parent / "apps" / "review"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def required():
    """Names of the distributions that the image has, with what these need."""
    lines = (FOLDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    todo = [line for line in lines if line and not line.startswith("#")]
    found = set()
    while todo:
        name, extras, rest = re.match(r"([\w.-]+)(?:\[([\w,-]+)\])?(.*)", todo.pop()).groups()
        marker = re.search(r"extra *== *['\"]([\w-]+)['\"]", rest)
        if marker:
            continue
        found.add(normal(name))
        wanted = set((extras or "").split(","))
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # for another version of Python, or another system
            continue
        for need in needs:
            extra = re.search(r"extra *== *['\"]([\w-]+)['\"]", need)
            if not extra or extra[1] in wanted:
                bare = re.match(r"[\w.-]+(?:\[[\w,-]+\])?", need)[0]
                if normal(re.match(r"[\w.-]+", bare)[0]) not in found:
                    todo.append(bare)
    return found


WITHOUT_THE_REST = """
import json, os, signal, sys, threading, urllib.request

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"the image has no {name}", name=name)

missing = set(json.loads(sys.argv[2]))
sys.meta_path.insert(0, Missing())

from thermolang.cli.main import app
from thermolang_desk import Oidc, serve
from thermolang_desk.oidc import add_routes
from thermolang.review import Mail, tell_alarm
from fastapi import FastAPI

def look(url):
    for path in ("/", "/lead", "/lead/load", "/lead/people", "/lead/settings", "/api/v1/items", "/readyz"):
        urllib.request.urlopen(url + path).read()
    print("looked", flush=True)
    os.kill(os.getpid(), signal.SIGINT)

add_routes(FastAPI(), Oidc("https://login.example/.well-known/openid-configuration", "desk", "secret"))
serve(sys.argv[1], port=0, login=False, ready=lambda url: threading.Thread(target=look, args=[url]).start())
"""


def test_the_image_has_all_that_the_desk_loads(tmp_path):
    there = required() | {"thermolang"}
    by_module = metadata.packages_distributions()
    missing = [module for module, names in by_module.items() if not there & {normal(name) for name in names}]
    assert {"torch", "transformers"} <= set(missing)
    command = [sys.executable, "-c", WITHOUT_THE_REST, f"sqlite:///{tmp_path / 'r.db'}", json.dumps(missing)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("looked\n", 0), done.stderr[-2000:]


def test_it_runs_as_nobody_special_and_says_whether_it_is_ready():
    user = re.findall(r"^USER (\S+)$", DOCKERFILE, re.M)
    assert user and int(user[-1]) > 0
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD .*/readyz", DOCKERFILE, re.M)
    desk = COMPOSE["services"]["desk"]
    assert desk["read_only"] and desk["cap_drop"] == ["ALL"] and "privileged" not in desk


@pytest.mark.parametrize(
    "arguments", [COMPOSE["services"]["desk"]["command"], json.loads(DOCKERFILE.split("\nCMD ")[1])]
)
def test_the_commands_are_those_of_the_command_line(arguments):
    name, *options = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", each) for each in arguments]
    command = typer.main.get_command(app).commands[name]
    found = command.make_context(name, options).params
    assert (found["host"], found["port"], found["name"]) == ("0.0.0.0", 7861, ["localhost"])


def test_no_secret_is_in_a_file_of_the_repository():
    desk, database = COMPOSE["services"]["desk"], COMPOSE["services"]["database"]
    for service in (desk, database):
        for name, value in service["environment"].items():
            assert "PASSWORD" not in name or (name.endswith("_FILE") and value.startswith("/run/secrets/"))
    assert ":" not in desk["environment"]["THERMOLANG_STORE"].partition("@")[0].removeprefix("postgresql+psycopg://")
    assert desk["ports"] == ["127.0.0.1:7861:7861"] and "ports" not in database


@pytest.fixture
def entry(tmp_path):
    """Runs the image's entry point; in place of thermolang a program that tells its arguments and variables."""
    program = tmp_path / "thermolang"
    program.write_text('#!/bin/sh\necho "$@"\nenv\n')
    program.chmod(0o755)

    def run(*arguments, **variables):
        own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables}
        return subprocess.run(
            ["sh", FOLDER / "entrypoint.sh", *arguments], env=own, capture_output=True, text=True, check=False
        )

    return run


def test_secrets_may_be_in_files(entry, tmp_path):
    secret = tmp_path / "pass word"
    secret.write_text("two words' $HOME\n")
    done = entry("users", "list", PGPASSWORD_FILE=str(secret), THERMOLANG_OIDC_SECRET="plain")
    assert done.returncode == 0 and done.stdout.startswith("users list\n")
    lines = done.stdout.splitlines()
    assert "PGPASSWORD=two words' $HOME" in lines and "THERMOLANG_OIDC_SECRET=plain" in lines
    assert not any(line.startswith("PGPASSWORD_FILE") for line in lines)


def test_a_secret_that_is_not_there_is_said(entry, tmp_path):
    done = entry("desk", PGPASSWORD_FILE=str(tmp_path / "missing"))
    assert done.returncode != 0 and done.stdout == "" and "missing" in done.stderr
