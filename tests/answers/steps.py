"""Counts the work of reading a text, so that a test can tell linear from quadratic without looking at a clock."""

import re
import sys


class CountedText(str):
    """A text that counts the characters of its slices."""

    steps = None

    def __getitem__(self, key):
        part = str.__getitem__(self, key)
        self.steps.taken += len(part)
        return part


class CountedPattern:
    """A compiled expression that counts the characters it looks at, at least."""

    def __init__(self, pattern, steps):
        self.pattern, self.steps = pattern, steps

    def search(self, text, start=0, end=sys.maxsize):
        match = self.pattern.search(text, start, end)
        self.steps.taken += (match.end() if match else min(len(text), end)) - start
        return match

    def match(self, text, start=0, end=sys.maxsize):
        return self._counted(self.pattern.match(text, start, end), start)

    def fullmatch(self, text, start=0, end=sys.maxsize):
        return self._counted(self.pattern.fullmatch(text, start, end), start)

    def _counted(self, match, start):
        self.steps.taken += match.end() - start if match else 1
        return match

    def finditer(self, text):
        self.steps.taken += len(text)
        return self.pattern.finditer(text)

    def findall(self, text):
        self.steps.taken += len(text)
        return self.pattern.findall(text)

    def split(self, text, maxsplit=0):
        self.steps.taken += len(text)
        return self.pattern.split(text, maxsplit)

    def sub(self, instead, text, count=0):
        self.steps.taken += len(text)
        return self.pattern.sub(instead, text, count)


class Steps:
    """Calls of functions, and characters that expressions and slices look at, while some modules read a text."""

    def __init__(self, monkeypatch, *modules):
        self.taken = 0
        for module in modules:
            for name, value in list(vars(module).items()):
                monkeypatch.setattr(module, name, self._wrapped(value))
            if fold := vars(module).get("fold_math"):
                monkeypatch.setattr(module, "fold_math", lambda text, fold=fold: self._text(fold(text)))

    def of(self, read, text):
        """How many steps reading a text takes."""
        self.taken = 0
        before = sys.getprofile()
        sys.setprofile(self._called)
        try:
            read(text)
        finally:
            sys.setprofile(before)
        return self.taken

    def _called(self, frame, event, argument):
        self.taken += event in {"call", "c_call"}

    def _text(self, text):
        counted = CountedText(text)
        counted.steps = self
        return counted

    def _wrapped(self, value):
        if isinstance(value, re.Pattern):
            return CountedPattern(value, self)
        if isinstance(value, tuple) and any(isinstance(row, tuple) for row in value):
            return tuple(tuple(map(self._wrapped, row)) if isinstance(row, tuple) else row for row in value)
        return value


def assert_linear(steps, read, unit, length=2000):
    """A text of twice the length takes at most twice the steps."""
    read(unit)  # what is remembered for good, such as units, is not counted
    once, twice = (steps.of(read, (unit * size)[:size]) for size in (length, 2 * length))
    assert twice <= 2.05 * once + 200, f"{once} steps for {length} characters, {twice} for twice as many"
