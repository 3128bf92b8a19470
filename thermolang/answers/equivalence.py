"""Equivalence of answers: the probability that two answers to one question mean the same.

Three steps: a logistic regression on the wording and the embeddings of the two, guards that decide sure pairs, and a
judge, if there is one, for the others.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist
from scipy.sparse import csr_array
from scipy.special import expit

from thermolang.answers.embedding import Embedder, SentenceEmbedder
from thermolang.answers.rules.facts import FILLERS, Facts, facts
from thermolang.answers.rules.guards import GUARDS, Guard, Link, apply_guards
from thermolang.answers.rules.replies import unframed
from thermolang.answers.rules.spelling import normal_form
from thermolang.errors import ModelError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

    BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

PAIR_FEATURES = ("angular similarity", "token F1", "token overlap", "letters")
"""Names of the features of a pair, in the order of ``pair_features``."""

WITH_EMBEDDING = (-13.13, 15.55, 0.0, 3.23, 0.0)
"""Constant and weights of ``PAIR_FEATURES``: logistic regression on the pairs of SAS SQuAD with labels 0 and 2 (Risch
et al., 2021, arXiv 2108.06130), by ``python benchmarks/equivalence.py --fit``, with the default embedder."""

WITHOUT_EMBEDDING = (-4.1, 0.0, 1.29, 3.11, 2.87)
"""The same without embeddings."""

EQUAL = 1e-6
"""From this distance to a cosine of 1 two vectors are equal."""

MOST_LETTERS = 300
"""Letters of a long answer that are compared; the rest is left to the embedding."""

DOUBTFUL = (0.02, 0.98)
"""P(same) between which a judge is asked: wording tells little of sentences that differ in one word."""

UNSURE = (0.1, 0.9)
"""The least and the most that a judge can make of a pair of which the rules doubt that it is the same."""

SENTENCE = 12
"""Characters from which a text that the embedder cannot read is compared by its letters: 三菱商事 and 三井商事 share
most of theirs and are two firms."""

NOT_COMPARED = 0.4
"""P(same) of a pair that neither rules nor the embedder can read, until a judge decides: doubtful, and apart."""

MOST_JUDGED = 12
"""Pairs of one comparison that a judge is asked about, the most doubtful first."""

UNCOMPARED = (
    "some answers could not be compared: no rule decides on them and no embedder reads them. They stand apart, though "
    "they may mean the same"
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
        compared: Shape (F, F): pairs of which something is known; the others have ``NOT_COMPARED`` in ``same``.
        judged: Number of pairs a judge decided.
        warnings: What limits the result, in sentences for people.
    """

    forms: tuple[str, ...]
    answers: tuple[Facts, ...]
    places: tuple[int, ...]
    same: FloatArray
    must: BoolArray
    cannot: BoolArray
    compared: BoolArray
    judged: int = 0
    warnings: tuple[str, ...] = ()


class Equivalence:
    """A comparer of answers by meaning. Thread-safe; everything found about a text is remembered.

    Args:
        embedder: A sentence embedder or the name of one; by default the packaged one for 16 languages, loaded at first
            use. None goes without.
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
        same, compared, warnings = self._by_wording(chosen, asked)
        least, most = self._limits(chosen, asked)
        ruled = (least > 0) | (most < 1)
        compared |= ruled
        same = np.clip(same, least, most)
        must, cannot = (least == 1) & ~np.eye(len(forms), dtype=bool), most == 0
        judged, failed = self._judge(chosen, question, same, compared, ruled)
        said = (*warnings, *([] if compared.all() else [UNCOMPARED]), *failed)
        return PairwiseSameness(forms, chosen, places, same, must, cannot, compared, judged, said)

    def same(self, a: str, b: str, question: str = "") -> float:
        """Return P(two answers to a question mean the same), in [0, 1].

        It is 1 or 0 where a rule decides, and ``NOT_COMPARED`` where nothing can read the two.
        """
        compared = self.compare([a, b], question)
        return float(compared.same[compared.places[0], compared.places[1]])

    def explain(self, a: str, b: str, question: str = "") -> str:
        """Return why two answers are taken for the same or not, in a few words for people."""
        asked = frozenset(normal_form(question[:2000]).split()) - FILLERS
        link = self._link(_read(a), _read(b), asked)
        if link:
            return link.reason
        compared = self.compare([a, b], question)
        first, second = compared.places
        if not compared.compared[first, second]:
            return "not compared: no rule decides, and the embedder does not read them"
        return f"P(same) {compared.same[first, second]:.2f} by wording"

    def _link(self, a: Facts, b: Facts, asked: frozenset[str]) -> Link | None:
        return apply_guards(a, b, asked, guards=self.guards) if self.guards else None

    def _by_wording(self, answers: Sequence[Facts], asked: frozenset[str]) -> tuple[FloatArray, BoolArray, list[str]]:
        """P(same) by embeddings and letters, which pairs could be compared at all, and what went wrong."""
        vectors, read, warnings = self._vectors(answers)
        same = probability_same(pair_features(answers, vectors, asked), embedded=vectors is not None)
        compared = np.outer(read, read)
        if not compared.all():
            spelled = probability_same(pair_features(answers, None, asked), embedded=False)
            # Equal letters tell that long texts say the same; different ones tell nothing.
            long = np.array([len(a.form) >= SENTENCE for a in answers], dtype=bool)
            by_letters = np.outer(long, long) & (spelled > NOT_COMPARED)
            same = np.where(compared, same, np.where(by_letters, spelled, NOT_COMPARED))
            compared |= by_letters
        return same, compared, warnings

    def _vectors(self, answers: Sequence[Facts]) -> tuple[FloatArray | None, BoolArray, list[str]]:
        """Embeddings, which answers they (or, without any, letters) mean anything for, and what went wrong."""
        spelled = np.array([not a.is_japanese and any(map(str.isalnum, a.form)) for a in answers], dtype=bool)
        if self.embedder is None:
            return None, spelled, []
        try:
            vectors = self.embedder.embed([unframed(a.text) for a in answers])
        except ModelError as error:
            logger.warning("meanings without embeddings: %s", error)
            return None, spelled, [f"no embeddings, meanings by rules and spelling alone: {error}"]
        read = np.asarray(np.isfinite(vectors).all(axis=1))
        return np.where(read[:, None], vectors, 0.0), read, []

    def _limits(self, answers: Sequence[Facts], asked: frozenset[str]) -> tuple[FloatArray, FloatArray]:
        """The least and the most that the rules let P(same) of each pair be."""
        least, most = np.eye(len(answers)), np.ones((len(answers), len(answers)))
        for i, a in enumerate(answers):
            for j in range(i + 1, len(answers)):
                if (link := self._link(a, answers[j], asked)) is not None:
                    least[[i, j], [j, i]], most[[i, j], [j, i]] = link.limits
        return least, most

    def _judge(
        self,
        answers: Sequence[Facts],
        question: str,
        same: FloatArray,
        compared: BoolArray,
        ruled: BoolArray,
    ) -> tuple[int, list[str]]:
        """Put the judge's probabilities into ``same`` and mark them as compared; how many, and what went wrong."""
        low, high = DOUBTFUL
        # A pair that a rule is sure of has 0 or 1.
        open_pairs = np.argwhere(np.triu((same > low) & (same < high), 1))
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
                said = np.clip(verdict, *UNSURE) if ruled[i, j] else verdict
                same[[i, j], [j, i]], compared[[i, j], [j, i]] = said, True
                told += 1
        return told, []


def pair_features(
    answers: Sequence[Facts], vectors: FloatArray | None, question: frozenset[str] = frozenset()
) -> FloatArray:
    """Return the features of all pairs of some answers.

    Args:
        answers: N answers.
        vectors: Unit vectors, shape (N, d); without them the angular similarity is 0.
        question: The question's words; where an answer repeats them, only its other words are compared.

    Returns:
        Shape (N, N, 4), each in [0, 1], in the order of ``PAIR_FEATURES``: 1 - angle / pi of the embeddings, which
        tells better than their cosine (Cer et al., 2018, arXiv 1803.11175), F1 of the words, share of the shorter
        answer's words that the longer one has, similarity of the letters.
    """
    n = len(answers)
    near = np.zeros((n, n)) if vectors is None else _angular(np.asarray(vectors, dtype=np.float64))
    common, size = _common_words([_tokens(a.form, question) for a in answers])
    total = np.maximum(size[:, None] + size[None, :], 1)
    shortest = np.maximum(np.minimum(size[:, None], size[None, :]), 1)
    forms = [a.form[:MOST_LETTERS] for a in answers]
    letters = cdist(forms, forms, scorer=Indel.normalized_similarity, dtype=np.float32)
    return np.stack([near, 2 * common / total, common / shortest, letters], axis=-1)


def probability_same(features: FloatArray, *, embedded: bool) -> FloatArray:
    """Return P(same) of pairs, before guards and judge.

    Args:
        features: Shape (..., 4), as ``pair_features`` gives them.
        embedded: Whether the angular similarity is known; without it, other weights are used.

    Returns:
        Shape (...), in [0, 1].

    Example:
        >>> probability_same(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.2]]), embedded=True).round(1).tolist()
        [1.0, 0.0]
    """
    constant, *weights = WITH_EMBEDDING if embedded else WITHOUT_EMBEDDING
    # A sum over the last axis, unlike a matrix product, does not depend on which other pairs there are.
    return np.asarray(expit(constant + (features * np.array(weights)).sum(-1)))


def _angular(vectors: FloatArray) -> FloatArray:
    cosine = vectors @ vectors.T
    # Of two equal vectors of float32 the cosine is not exactly 1, and arccos magnifies the difference.
    exact = np.where(cosine > 1 - EQUAL, 1.0, np.maximum(cosine, -1.0))
    return np.asarray(1 - np.arccos(exact) / np.pi)


def _distinct(answers: Sequence[str]) -> tuple[tuple[str, ...], tuple[Facts, ...], tuple[int, ...]]:
    """Distinct forms, sorted; the answer that stands for each; each answer's place."""
    found = [_read(text) for text in answers]
    written: dict[str, Counter[str]] = {}
    for one in found:
        written.setdefault(one.form, Counter())[one.text] += 1
    forms = tuple(sorted(written))
    # Of equally frequent spellings the first in the alphabet, whatever came first.
    chosen = tuple(_read(min((-count, text) for text, count in written[form].items())[1]) for form in forms)
    place = {form: i for i, form in enumerate(forms)}
    return forms, chosen, tuple(place[one.form] for one in found)


def _read(text: str) -> Facts:
    """What an answer says, without what frames it; its text stays as it was written."""
    said = unframed(text)
    return facts(text) if said == text else replace(facts(said), text=text)


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
