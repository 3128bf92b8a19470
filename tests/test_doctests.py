"""The examples in the docstrings of the pure modules do what they say."""

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = (
    "thermolang.answers",
    "thermolang.calibration",
    "thermolang.models",
    "thermolang.routing",
    "thermolang.review",
)


def modules():
    paths = {package: importlib.import_module(package).__path__ for package in PACKAGES}
    found = [info.name for package, path in paths.items() for info in pkgutil.walk_packages(path, f"{package}.")]
    return [name for name in found if ".migrations" not in name]  # which only alembic can import


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found():
    assert doctest.testmod(importlib.import_module("thermolang.calibration.metrics")).attempted >= 8
    assert doctest.testmod(importlib.import_module("thermolang.routing.policy")).attempted >= 3
