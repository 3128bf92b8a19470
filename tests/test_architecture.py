"""Imports run downward only: the table in docs/architecture.md is read and enforced."""

import ast
import importlib
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "thermolang"


def read_layers() -> dict[str, int]:
    """Map a module or package name, relative to thermolang, to its layer."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- layers -->\s*```\n(.*?)```", text, re.S)
    assert table, "docs/architecture.md lost its table of layers"
    layers = {}
    for line in table[1].strip().splitlines():
        level, *names = line.split()
        layers.update({name.removesuffix(".*"): int(level) for name in names})
    return layers


LAYERS = read_layers()


def layer_of(module: str) -> int | None:
    """Layer of a dotted name such as ``thermolang.models.local``; the longest entry wins."""
    parts = module.split(".")[1:]
    for end in range(len(parts), 0, -1):
        if (name := ".".join(parts[:end])) in LAYERS:
            return LAYERS[name]
    return None


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py" and "versions" not in p.parts)


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> set[str]:
    """thermolang modules that a file imports, type-checking imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("thermolang.")}


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_run_downward(path: Path) -> None:
    own = layer_of(dotted(path))
    assert own is not None, f"{dotted(path)} is in no layer of docs/architecture.md"
    upward = {name for name in imported(path) if (layer_of(name) or 0) > own}
    assert not upward, f"{dotted(path)} (layer {own}) imports upward: {sorted(upward)}"


def test_the_check_can_fail() -> None:
    assert layer_of("thermolang.cli.main") > layer_of("thermolang.estimator") > layer_of("thermolang.models.local")
    assert layer_of("thermolang.models.prompts") < layer_of("thermolang.models.loading")


def at_run_time(path: Path) -> set[str]:
    """thermolang modules that a file needs to be imported: not those for type checkers, nor those within functions."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("thermolang."):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_module_imports_itself_by_a_detour() -> None:
    names = {dotted(path): path for path in modules()}
    graph = {name: at_run_time(path) & names.keys() for name, path in names.items()}
    assert any(graph.values())
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


PUBLIC = ["", "answers", "bulk", "calibration", "langchain", "models", "review", "routing", "tasks", "training"]


def offered() -> set[str]:
    """Every dotted name that is public: what the packages' ``__init__`` offer, and all errors and types."""
    names = {"thermolang.errors", "thermolang.types"}
    for package in PUBLIC:
        name = f"thermolang.{package}".rstrip(".")
        names |= {name, *(f"{name}.{each}" for each in importlib.import_module(name).__all__)}
    for module in ("thermolang.errors", "thermolang.types"):
        names |= {f"{module}.{each}" for each in vars(importlib.import_module(module)) if not each.startswith("_")}
    return names


@pytest.mark.parametrize("package", PUBLIC)
def test_what_a_package_offers_is_there(package: str) -> None:
    found = importlib.import_module(f"thermolang.{package}".rstrip("."))
    assert found.__all__ == sorted(set(found.__all__))
    assert all(getattr(found, name) is not None for name in found.__all__)


@pytest.mark.parametrize("folder", ["apps", "examples"])
def test_apps_use_public_names_only(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        private = imported(path) - offered()
        assert not private, f"{path} imports {private}: import from thermolang or its packages"
