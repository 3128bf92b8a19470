"""Pairs of amounts, dates and qualifiers, frozen before the rules that read them were written.

The rules were later looked at beside these pairs, so that the figures say what is kept, not what is to be expected of
other texts: that is in docs/results.md.
"""

import json
from pathlib import Path

import pytest

from thermolang.answers.embedding import SentenceEmbedder
from thermolang.answers.equivalence import Equivalence

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize(("name", "floor"), [("equivalence_facts", 0.98), ("equivalence_facts_2", 0.97)])
def test_pairs_are_told_right_and_no_wrong_one_is_sure(name, floor):
    pairs = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(pairs) == 180
    embedder = SentenceEmbedder()
    embedder.embed([text for pair in pairs for text in (pair["a"], pair["b"])])
    equivalence = Equivalence(embedder)
    found = [(equivalence.same(p["a"], p["b"], p["question"]), p["same"]) for p in pairs]
    right = [(same >= 0.5) == truth for same, truth in found]
    assert sum(right) >= floor * len(pairs)
    assert not [same for (same, _), told in zip(found, right, strict=True) if not told and same in (0.0, 1.0)]
