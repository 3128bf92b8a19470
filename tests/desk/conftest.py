"""A store in memory, with and without items."""

import pytest

from thermolang import Confidence, Decision, ReviewStore

REVIEW = Decision("review", "confidence is below 0.80", 0.8)


@pytest.fixture
def store():
    with ReviewStore("sqlite://") as store:
        yield store


@pytest.fixture
def three(store):
    return [
        store.submit(f"question {n}", f"answer {n}", confidence=Confidence(n / 10), decision=REVIEW) for n in (1, 2, 3)
    ]
