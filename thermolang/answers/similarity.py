"""P(two answers mean the same) from their embeddings and their letters, before any rule or judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist
from scipy.sparse import csr_array
from scipy.special import expit

if TYPE_CHECKING:
    from thermolang.answers.facts import Facts
    from thermolang.types import FloatArray

CUES = ("cosine", "token F1", "token overlap", "letters")

WITH_EMBEDDING = (-4.7, 2.76, 0.84, 2.64, 1.76)
"""Constant and weights of ``CUES``: logistic regression on the pairs of SAS SQuAD with labels 0 and 2 (Risch et al.,
2021, arXiv 2108.06130), by ``python benchmarks/equivalence.py --fit``."""

WITHOUT_EMBEDDING = (-3.5, 0.0, 1.8, 2.8, 2.2)
"""The same without the cosine."""

MOST_LETTERS = 300
"""Letters of a long answer that are compared; the rest is left to the embedding."""


def pair_cues(
    answers: Sequence[Facts], vectors: FloatArray | None, question: frozenset[str] = frozenset()
) -> FloatArray:
    """The cues of all pairs, shape (N, N, 4), in the order of ``CUES``, each in [0, 1] but the cosine.

    Args:
        answers: N answers.
        vectors: Unit vectors, shape (N, d); without them the cosine is 0.
        question: The question's words; where an answer repeats them, only its other words are compared.
    """
    n = len(answers)
    cosine = np.zeros((n, n)) if vectors is None else np.asarray(vectors @ vectors.T, dtype=np.float64)
    common, size = _common_words([_tokens(a.form, question) for a in answers])
    total = np.maximum(size[:, None] + size[None, :], 1)
    shortest = np.maximum(np.minimum(size[:, None], size[None, :]), 1)
    forms = [a.form[:MOST_LETTERS] for a in answers]
    letters = cdist(forms, forms, scorer=Indel.normalized_similarity, dtype=np.float32)
    return np.stack([cosine, 2 * common / total, common / shortest, letters], axis=-1)


def probability_same(cues: FloatArray, *, embedded: bool) -> FloatArray:
    """P(same) of pairs, shape (...), from cues (..., 4).

    >>> probability_same(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.2]]), embedded=True).round(1).tolist()
    [1.0, 0.0]
    """
    constant, *weights = WITH_EMBEDDING if embedded else WITHOUT_EMBEDDING
    # A sum over the last axis, unlike a matrix product, does not depend on which other pairs there are.
    return np.asarray(expit(constant + (cues * np.array(weights)).sum(-1)))


def _common_words(answers: Sequence[Sequence[str]]) -> tuple[FloatArray, FloatArray]:
    """How many distinct words each pair shares (N, N), and how many each answer has (N,)."""
    known: dict[str, int] = {}
    rows, columns = [], []
    for i, answer in enumerate(answers):
        for word in dict.fromkeys(answer):
            rows.append(i)
            columns.append(known.setdefault(word, len(known)))
    table = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(answers), max(len(known), 1)))
    return np.asarray((table @ table.T).todense(), dtype=np.float64), np.asarray(table.sum(axis=1)).ravel()


def _tokens(form: str, question: frozenset[str]) -> list[str]:
    """Words, but the question's unless there are no others; text without spaces, such as Japanese, by letters."""
    words = [w for w in form.split() if w not in question] or form.split()
    return [t for word in words for t in ([word] if word.isascii() or len(word) < 2 else _pieces(word))]


def _pieces(word: str) -> list[str]:
    return list(word) if any(c >= "\u3040" for c in word) else [word]
