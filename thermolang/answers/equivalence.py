"""Equivalence of answers: the probability that two answers to one question mean the same.

Three steps: a logistic regression on the wording and the embeddings of the two, guards that decide sure pairs, and a
judge for the pairs left doubtful.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist
from scipy.sparse import csr_array
from scipy.special import expit

from thermolang.answers.embedding import MULTILINGUAL, Embedder, SentenceEmbedder
from thermolang.answers.rules.guards import FILLERS, GUARDS, Facts, Guard, Link, apply_guards, facts
from thermolang.answers.rules.spelling import normal_form
from thermolang.errors import ModelError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

    BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

PAIR_FEATURES = ("cosine", "token F1", "token overlap", "letters")
"""Names of the features of a pair, in the order of ``pair_features``."""

WITH_EMBEDDING = (-4.7, 2.76, 0.84, 2.64, 1.76)
"""Constant and weights of ``PAIR_FEATURES``: logistic regression on the pairs of SAS SQuAD with labels 0 and 2 (Risch
et al., 2021, arXiv 2108.06130), by ``python benchmarks/equivalence.py --fit``."""

WITHOUT_EMBEDDING = (-3.5, 0.0, 1.8, 2.8, 2.2)
"""The same without the cosine."""

MOST_LETTERS = 300
"""Letters of a long answer that are compared; the rest is left to the embedding."""

DOUBTFUL = (0.3, 0.7)
"""P(same) between which a judge is asked."""

SENTENCE = 12
"""Characters from which Japanese text is compared letter by letter, if the embedder does not read it: 三菱商事 and
三井商事 share most of theirs."""

UNKNOWN = 0.4
"""P(same) of short Japanese pairs that no rule decides, until a judge does: doubtful, and apart if it does not."""

MOST_JUDGED = 32
"""Pairs of one comparison that a judge is asked about, the most doubtful first."""

NO_JAPANESE = (
    "some answers are Japanese and the embedder does not read Japanese: they are told apart by rules and spelling "
    f"alone. Give a multilingual one, such as Equivalence(SentenceEmbedder({MULTILINGUAL!r}))"
)

logger = logging.getLogger(__name__)


class Judge(Protocol):
    """A model that decides on doubtful pairs; called with the question and the pairs."""

    def __call__(self, question: str, pairs: Sequence[tuple[str, str]]) -> Sequence[float]:
        """Return P(the two answers mean the same), in [0, 1], for each pair; NaN where it cannot tell."""


@dataclass(frozen=True, eq=False)
class PairwiseSameness:
    """P(same) for all pairs of the distinct forms among some answers.

    Attributes:
        forms: F distinct canonical spellings, sorted.
        answers: For each form the answer that stands for it: the most frequent one as it was written.
        places: For each of the N answers the place of its form.
        same: Shape (F, F), P(same).
        must: Shape (F, F): pairs that the rules join.
        cannot: Shape (F, F): pairs that the rules split.
        judged: Number of pairs a judge decided.
        warnings: What limits the result, in sentences for people.
    """

    forms: tuple[str, ...]
    answers: tuple[Facts, ...]
    places: tuple[int, ...]
    same: FloatArray
    must: BoolArray
    cannot: BoolArray
    judged: int = 0
    warnings: tuple[str, ...] = ()


class Equivalence:
    """A comparer of answers by meaning. Thread-safe; everything found about a text is remembered.

    Args:
        embedder: A sentence embedder; all-MiniLM-L6-v2 (English) by default, loaded at first use. None goes without.
        judge: Asked about pairs that embeddings and rules leave doubtful, such as ``judging.ChatJudge``; None for none.
        guards: The rules that decide sure pairs, such as ``(*GUARDS, Guard(...))``; an empty tuple for none.
    """

    def __init__(
        self,
        embedder: Embedder | str | None = "default",
        judge: Judge | None = None,
        *,
        guards: Sequence[Guard] = GUARDS,
    ) -> None:
        self.embedder = _embedder(embedder)
        self.judge, self.guards = judge, tuple(guards)

    def compare(self, answers: Sequence[str], question: str = "") -> PairwiseSameness:
        """Compare all answers to one question with each other.

        Args:
            answers: N answers; the same one may stand there several times.
            question: The question; its words may be repeated in an answer without meaning anything.

        Returns:
            The pairs of distinct forms. It never raises for what the answers are like; what could not be used is
            said in ``warnings``.
        """
        forms, chosen, places = _distinct(answers)
        asked = frozenset(normal_form(question[:2000]).split()) - FILLERS
        vectors, embedded, warnings = self._vectors(chosen)
        comparable = embedded | np.array([len(a.form) >= SENTENCE for a in chosen], dtype=bool)
        same = probability_same(pair_features(chosen, vectors, asked), embedded=vectors is not None)
        spelled = probability_same(pair_features(chosen, None, asked), embedded=False) if not embedded.all() else 0.0
        spelled = np.where(np.outer(comparable, comparable), spelled, UNKNOWN if self.judge else 0.0)
        same = np.where(np.outer(embedded, embedded), same, spelled)
        must, cannot = self._links(chosen, same, asked)
        judged, failed = self._judge(chosen, question, same, must | cannot)
        np.fill_diagonal(same, 1.0)
        same[must], same[cannot] = 1.0, 0.0
        return PairwiseSameness(forms, chosen, places, same, must, cannot, judged, (*warnings, *failed))

    def same(self, a: str, b: str, question: str = "") -> float:
        """Return P(two answers to a question mean the same), in [0, 1]; 1 and 0 where a rule decides."""
        compared = self.compare([a, b], question)
        return float(compared.same[compared.places[0], compared.places[1]])

    def explain(self, a: str, b: str, question: str = "") -> str:
        """Return why two answers are taken for the same or not, in a few words for people."""
        asked = frozenset(normal_form(question[:2000]).split()) - FILLERS
        link = self._link(facts(a), facts(b), asked)
        return link.reason if link else f"P(same) {self.same(a, b, question):.2f} by wording"

    def _link(self, a: Facts, b: Facts, asked: frozenset[str]) -> Link | None:
        return apply_guards(a, b, asked, guards=self.guards) if self.guards else None

    def _vectors(self, answers: Sequence[Facts]) -> tuple[FloatArray | None, BoolArray, list[str]]:
        """Embeddings, for which answers they (or spelling) mean anything, and what to say about the others."""
        usable = np.ones(len(answers), dtype=bool)
        japanese = np.array([a.is_japanese for a in answers], dtype=bool)
        if self.embedder is None:
            return None, ~japanese, []
        try:
            vectors = self.embedder.embed([a.text for a in answers])
            if japanese.any() and not self.embedder.reads_japanese:
                return vectors, ~japanese, [NO_JAPANESE]
        except ModelError as error:
            logger.warning("meanings without embeddings: %s", error)
            return None, ~japanese, [f"no embeddings, meanings by rules and spelling alone: {error}"]
        return vectors, usable, []

    def _links(self, answers: Sequence[Facts], same: FloatArray, asked: frozenset[str]) -> tuple[BoolArray, BoolArray]:
        """Pairs that the rules join, and pairs that they split; P(same) of doubtful pairs is limited in place."""
        must, cannot = np.zeros(same.shape, dtype=bool), np.zeros(same.shape, dtype=bool)
        for i, a in enumerate(answers):
            for j in range(i + 1, len(answers)):
                if (link := self._link(a, answers[j], asked)) is None:
                    continue
                if link.same is None:
                    same[[i, j], [j, i]] = min(max(same[i, j], link.limits[0]), link.limits[1])
                else:
                    (must if link.same else cannot)[[i, j], [j, i]] = True
        return must, cannot

    def _judge(
        self, answers: Sequence[Facts], question: str, same: FloatArray, decided: BoolArray
    ) -> tuple[int, list[str]]:
        """Put the judge's probabilities into ``same``; how many, and what went wrong."""
        low, high = DOUBTFUL
        open_pairs = np.argwhere(np.triu((same > low) & (same < high) & ~decided, 1))
        if self.judge is None or not len(open_pairs):
            return 0, []
        doubt = sorted(map(tuple, open_pairs.tolist()), key=lambda p: (abs(same[p] - 0.5), p))[:MOST_JUDGED]
        try:
            verdicts = self.judge(question, [(answers[i].text, answers[j].text) for i, j in doubt])
        except ModelError as error:
            return 0, [f"the judge of doubtful pairs failed, they are decided by wording: {error}"]
        told = 0
        for (i, j), verdict in zip(doubt, verdicts, strict=True):
            if np.isfinite(verdict):
                same[[i, j], [j, i]] = verdict
                told += 1
        return told, []


def pair_features(
    answers: Sequence[Facts], vectors: FloatArray | None, question: frozenset[str] = frozenset()
) -> FloatArray:
    """Return the features of all pairs of some answers.

    Args:
        answers: N answers.
        vectors: Unit vectors, shape (N, d); without them the cosine is 0.
        question: The question's words; where an answer repeats them, only its other words are compared.

    Returns:
        Shape (N, N, 4), in the order of ``PAIR_FEATURES``: cosine of the embeddings, F1 of the words, share of the
        shorter answer's words that the longer one has, similarity of the letters. All are in [0, 1], but the cosine
        in [-1, 1].
    """
    n = len(answers)
    cosine = np.zeros((n, n)) if vectors is None else np.asarray(vectors @ vectors.T, dtype=np.float64)
    common, size = _common_words([_tokens(a.form, question) for a in answers])
    total = np.maximum(size[:, None] + size[None, :], 1)
    shortest = np.maximum(np.minimum(size[:, None], size[None, :]), 1)
    forms = [a.form[:MOST_LETTERS] for a in answers]
    letters = cdist(forms, forms, scorer=Indel.normalized_similarity, dtype=np.float32)
    return np.stack([cosine, 2 * common / total, common / shortest, letters], axis=-1)


def probability_same(features: FloatArray, *, embedded: bool) -> FloatArray:
    """Return P(same) of pairs, before guards and judge.

    Args:
        features: Shape (..., 4), as ``pair_features`` gives them.
        embedded: Whether the cosine is known; without it, other weights are used.

    Returns:
        Shape (...), in [0, 1].

    Example:
        >>> probability_same(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.2]]), embedded=True).round(1).tolist()
        [1.0, 0.0]
    """
    constant, *weights = WITH_EMBEDDING if embedded else WITHOUT_EMBEDDING
    # A sum over the last axis, unlike a matrix product, does not depend on which other pairs there are.
    return np.asarray(expit(constant + (features * np.array(weights)).sum(-1)))


def _distinct(answers: Sequence[str]) -> tuple[tuple[str, ...], tuple[Facts, ...], tuple[int, ...]]:
    """Distinct forms, sorted; the answer that stands for each; each answer's place."""
    found = [facts(text) for text in answers]
    written: dict[str, Counter[str]] = {}
    for one in found:
        written.setdefault(one.form, Counter())[one.text] += 1
    forms = tuple(sorted(written))
    # Of equally frequent spellings the first in the alphabet, whatever came first.
    chosen = tuple(facts(min((-count, text) for text, count in written[form].items())[1]) for form in forms)
    place = {form: i for i, form in enumerate(forms)}
    return forms, chosen, tuple(place[one.form] for one in found)


def _embedder(given: Embedder | str | None) -> Embedder | None:
    if isinstance(given, str):
        return SentenceEmbedder() if given == "default" else SentenceEmbedder(given)
    return given


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
