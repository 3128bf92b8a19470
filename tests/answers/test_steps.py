"""The count of steps tells linear from quadratic, whatever the work consists of."""

import re
import types

import pytest

from tests.answers.steps import Steps, assert_linear

WORD = re.compile(r"\w")
MARK = re.compile("!")


def calls(reader, text):
    for end in range(len(text)):
        list(map(reader.WORD.match, text[:end:50]))


def searches(reader, text):
    for start in range(len(text)):
        reader.MARK.search(text, start)


def slices(reader, text):
    for start in range(len(text)):
        reader.fold_math(text)[start:]


@pytest.mark.parametrize("work", [calls, searches, slices])
def test_quadratic_work_is_noticed(monkeypatch, work):
    reader = types.SimpleNamespace(WORD=WORD, MARK=MARK, fold_math=str)
    steps = Steps(monkeypatch, reader)
    with pytest.raises(AssertionError, match="for twice as many"):
        assert_linear(steps, lambda text: work(reader, text), "a", 500)


def test_linear_work_is_linear(monkeypatch):
    reader = types.SimpleNamespace(WORD=WORD, fold_math=str)
    steps = Steps(monkeypatch, reader)
    assert_linear(steps, lambda text: [reader.WORD.match(text, start) for start in range(len(text))], "a", 500)
