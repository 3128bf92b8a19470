"""Pairs that look alike and are not, or are and do not look it: frozen, and not what anything was tuned to."""

import json
from pathlib import Path

import numpy as np
import pytest

from thermolang.answers.embedding import SentenceEmbedder
from thermolang.answers.equivalence import Equivalence

FROZEN = Path(__file__).parent.parent / "data" / "equivalence.jsonl"
COSINE = 0.704
"""The threshold of the cosine that is best on SAS SQuAD."""


@pytest.fixture(scope="module")
def pairs():
    return [json.loads(line) for line in FROZEN.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def embedder(pairs):
    embedder = SentenceEmbedder()
    embedder.embed([text for pair in pairs for text in (pair["a"], pair["b"])])  # at once is faster than by twos
    return embedder


def test_the_pairs_are_all_there(pairs):
    assert len(pairs) == 262
    assert {type(pair["same"]) for pair in pairs} == {bool}
    assert 0.4 < sum(pair["same"] for pair in pairs) / len(pairs) < 0.6


def test_nine_of_ten_are_told_right_and_fewer_by_cosine_alone(pairs, embedder):
    equivalence = Equivalence(embedder)
    right = sum((equivalence.same(p["a"], p["b"], p["question"]) >= 0.5) == p["same"] for p in pairs)
    first, second = (embedder.embed([p[side] for p in pairs]) for side in "ab")
    cosine = np.nan_to_num((first * second).sum(axis=1))
    alone = sum(bool(c >= COSINE) == p["same"] for c, p in zip(cosine, pairs, strict=True))
    assert right >= 0.9 * len(pairs)
    assert alone < right


def test_the_order_of_a_pair_plays_no_part(pairs, embedder):
    equivalence = Equivalence(embedder)
    for p in pairs:
        assert equivalence.same(p["a"], p["b"], p["question"]) == equivalence.same(p["b"], p["a"], p["question"])
