"""The documentation says what is there: its code runs, and every name, command and link in it exists."""

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import typer

import thermolang
from thermolang.cli.main import app

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
RUN = {
    ROOT / "README.md": "Paris",
    DOCS / "quickstart.md": "Paris",
    DOCS / "langchain.md": "",
    DOCS / "evaluate.md": "",
}
"""Pages whose Python is run, all blocks of a page after each other, and what it prints."""

LONGEST = 600
"""Seconds until a process that hangs is killed."""

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
QUOTE = re.compile(r"<!-- quoted from (\S+) -->\n```python\n(.*?)```", re.S)
COMMAND = re.compile(r"^thermolang ([a-z][a-z-]*)?(.*)$", re.S)
FILE = re.compile(r"(?:apps|benchmarks|docs|examples|tests|thermolang)/[\w./-]*")


def page(path):
    return path.relative_to(ROOT).as_posix()


def read(path):
    return path.read_text(encoding="utf-8")


def blocks(path, language):
    return [code for found, code in FENCED.findall(read(path)) if found == language]


def prose(path):
    """A page without its blocks of code."""
    return FENCED.sub("", read(path))


def spans(path):
    """What stands between backticks in the text."""
    return re.findall(r"`([^`]+)`", prose(path))


def commands(path):
    """Each ``thermolang`` command line on a page, without what follows in a comment."""
    lines = "\n".join(blocks(path, "")).replace("\\\n", " ").splitlines()
    found = [line.split("   ")[0] for line in lines] + [" ".join(span.split()) for span in spans(path)]
    return [line for line in found if line.startswith("thermolang ")]


def exists(dotted):
    """Whether a dotted name is a module, or something in one."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def test_the_readme_is_read_in_three_minutes():
    assert len(read(ROOT / "README.md").split()) <= 600


def test_the_reference_begins_with_all_public_names():
    listed = re.findall(r"^\| \[(\w+)\]\[", read(DOCS / "reference" / "index.md"), re.M)
    assert sorted(listed) == sorted(set(thermolang.__all__) - {"__version__"})


def test_every_page_is_in_the_table_of_contents():
    listed = re.findall(r"\s([\w/-]+\.md)$", read(ROOT / "mkdocs.yml"), re.M)
    assert sorted(listed) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_links_lead_somewhere(path):
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", prose(path))
    missing = [t for t in targets if not t.startswith("https://") and not (path.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_code_can_be_read_and_its_imports_are_there(path):
    for code in blocks(path, "python"):
        for node in ast.walk(ast.parse(code)):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            assert all(exists(name) for name in names), names


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_quoted_code_is_that_of_the_test(path):
    for source, code in QUOTE.findall(read(path)):
        indented = textwrap.indent(code, "    ")  # within a fixture
        assert code in (whole := read(ROOT / source)) or indented in whole, f"{page(path)} quotes other than {source}"


def test_every_example_of_an_extension_is_quoted():
    quoted = {source for source, _ in QUOTE.findall(read(DOCS / "extending.md"))}
    assert quoted == {page(path) for path in (ROOT / "tests").rglob("test_extending_*.py")}


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_names_are_there(path):
    named = [s for s in spans(path) if re.fullmatch(r"thermolang(\.\w+)+", s)]
    named += re.findall(r"^::: (\S+)$", read(path), re.M) + re.findall(r"\]\[(thermolang[\w.]+)\]", read(path))
    assert not [name for name in named if not exists(name)]


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_files_are_there(path):
    named = {s for s in spans(path) if FILE.fullmatch(s)}
    named |= {word for s in spans(path) for word in s.split() if s.startswith("python ") and FILE.fullmatch(word)}
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_commands_are_there(path):
    known = typer.main.get_command(app).commands
    for line in commands(path):
        name, rest = COMMAND.match(line).groups()
        assert name in known, line
        command, words = known[name], rest.split()
        while hasattr(command, "commands") and words:  # a group, such as `thermolang users`
            command = command.commands[words.pop(0)]
        options = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        given = re.findall(r"(?:^|\s)(--?[a-z][\w-]*)", rest.split("#")[0])
        assert set(given) <= options, line


@pytest.mark.model
@pytest.mark.parametrize("path", RUN, ids=page)
def test_code_runs(path, environment, tmp_path):
    code = "\n".join(blocks(path, "python"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stderr
    assert RUN[path] in done.stdout
    # The numbers that the page promises are there, not a reason why there are none.
    assert not RUN[path] or re.search(r"0\.\d", done.stdout)


def test_examples_in_docstrings_are_fenced():
    spec = importlib.util.spec_from_file_location("doctests", DOCS / "plugins" / "doctests.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "A sum.\n\n>>> 1 + 1\n2\n\nExample:\n    >>> 2 + 2\n    4"
    assert module.fenced(text) == (
        "A sum.\n\n\n```pycon\n>>> 1 + 1\n2\n```\n\n\nExample:\n\n    ```pycon\n    >>> 2 + 2\n    4\n    ```\n"
    )
