"""The package's front door: sorted, complete, and cheap to open."""

import subprocess
import sys

import pytest

import thermolang

HEAVY = ("torch", "numpy", "transformers", "langchain_core", "sqlalchemy", "gradio")


def test_names_are_sorted_and_importable():
    assert thermolang.__all__ == sorted(set(thermolang.__all__))
    for name in thermolang.__all__:
        assert getattr(thermolang, name) is not None
    assert set(dir(thermolang)) == set(thermolang.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Thermostat"):
        _ = thermolang.Thermostat


def test_importing_pulls_nothing_heavy():
    code = f"import sys, thermolang; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_names_of_the_langchain_part_are_there_and_cost_nothing_until_they_are_used():
    import thermolang.langchain

    assert thermolang.langchain.__all__ == sorted(set(thermolang.langchain.__all__))
    for name in thermolang.langchain.__all__:
        assert getattr(thermolang.langchain, name) is getattr(thermolang, name, getattr(thermolang.langchain, name))
    assert {"ChatThermolang", "with_confidence", "ConfidenceRouter"} <= set(thermolang.langchain.__all__)
    code = f"import sys, thermolang.langchain; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_records_and_errors_need_nothing_heavy():
    names = "Confidence, Policy, ThermolangError"
    code = f"import sys; from thermolang import {names}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
