"""Clusters of sampled answers that mean the same: a true partition that knows no order, and what each cluster shows.

A semantic cluster is what users see as one meaning (Kuhn et al., 2023; Farquhar et al., 2024).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform
from scipy.special import entr

from thermolang.answers.equivalence import Equivalence, PairwiseSameness
from thermolang.answers.rules.facts import Kind, facts
from thermolang.errors import InvalidInputError

if TYPE_CHECKING:
    from thermolang.types import FloatArray

    BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
    IntArray = np.ndarray[Any, np.dtype[np.int64]]

CUT = 0.5
"""Two clusters are one while the mean probability that their answers mean the same is above this."""

FORBIDDEN = 1e12
"""Distance of a forbidden pair: its mean over all pairs of two large clusters still is far above the cut."""

JITTER = 1e-9
"""Equal distances are told apart by the texts themselves, so that an answer more cannot turn a tie."""

MOST_FORMS = 400
"""Distinct spellings that are compared with each other; pairs grow with their square."""

TOO_MANY = f"more than {MOST_FORMS} distinct answers: the rarer ones are not compared, each stands for itself"
NO_SAMPLES = "no answers were sampled, so nothing is known about how often each meaning is said"
ONE_SAMPLE = "a single sampled answer shows no agreement"
ALL_EMPTY = "all sampled answers are empty"
ALL_EQUAL = (
    "all sampled answers are the same text; if they were sampled at temperature 0, that is no agreement: sample at "
    "temperature 1"
)


@dataclass(frozen=True)
class SemanticCluster:
    """A semantic cluster: answers that mean the same.

    Attributes:
        text: The most central of them, as it was written.
        kind: ``"answer"``, ``"refusal"`` or ``"empty"``.
        count: How many of the samples; 0 for a given answer that no sample agrees with.
        share: ``count`` over the number of samples.
        probability: Share of the probability of the distinct texts sampled (Kuhn et al., 2023); None without
            log-probabilities.
        cohesion: Mean P(same) over its pairs of distinct texts, in [0, 1]; 1 for a single text.
        members: Places of its samples.
        compared: Whether all its answers could be compared with those of the other clusters; if not, it may stand apart
            because nobody can read it, not because it means something else.
    """

    text: str
    kind: Kind
    count: int
    share: float
    probability: float | None
    cohesion: float
    members: tuple[int, ...]
    compared: bool = True


@dataclass(frozen=True)
class SemanticClusters:
    """A partition of sampled answers into semantic clusters.

    Attributes:
        clusters: Most frequent first; equally frequent ones in the order of their texts.
        answer: Place among ``clusters`` of the answer that was given; None if none was.
        samples: Number of samples N.
        entropy: Semantic entropy of the shares, in nats (Farquhar et al., 2024), 0 to log N.
        warnings: What limits the result, in sentences for people.
    """

    clusters: tuple[SemanticCluster, ...]
    answer: int | None
    samples: int
    entropy: float
    warnings: tuple[str, ...] = ()

    @property
    def given(self) -> SemanticCluster | None:
        """The cluster of the answer that was given; None if none was."""
        return None if self.answer is None else self.clusters[self.answer]


def cluster_answers(
    samples: Sequence[str],
    *,
    answer: str | None = None,
    question: str = "",
    logprobs: Sequence[float] | None = None,
    equivalence: Equivalence | None = None,
    temperature: float | None = None,
) -> SemanticClusters:
    """Group sampled answers into semantic clusters.

    Args:
        samples: N answers to one question, in any order; the order plays no part.
        answer: The answer that was given to the user; it is grouped with them and counts as no sample.
        question: The question.
        logprobs: For each sample the natural log of its probability.
        equivalence: Decides what means the same; a new ``Equivalence`` by default.
        temperature: Of the sampling; None if unknown.

    Returns:
        A partition: every sample is in one cluster, shares add up to 1. Refusals are one cluster, empty answers
        another.

    Raises:
        InvalidInputError: Not one log-probability for each sample.
    """
    if logprobs is not None and len(logprobs) != len(samples):
        msg = f"{len(samples)} samples need as many log-probabilities, got {len(logprobs)}"
        raise InvalidInputError(msg)
    weights = _weights(samples, logprobs)
    rare = _rare(samples, answer)
    close = [i for i, text in enumerate(samples) if facts(text).form not in rare]
    clusters, given, warnings = _grouped(samples, close, answer, question, weights, equivalence or Equivalence())
    clusters += _alone(samples, rare, weights)
    ordered = tuple(sorted(clusters, key=lambda cluster: (-cluster.count, cluster.text)))
    return SemanticClusters(
        ordered,
        next((i for i, cluster in enumerate(ordered) if cluster is given), None),
        len(samples),
        float(entr([cluster.share for cluster in ordered]).sum()),
        (*_limits(samples, temperature), *([TOO_MANY] if rare else []), *warnings),
    )


def partition(texts: Sequence[str], same: FloatArray, must: BoolArray, cannot: BoolArray) -> IntArray:
    """Cluster distinct texts by average linkage (Sokal & Michener, 1958) under pairwise constraints.

    Texts that must be together are, whatever their mean distance, unless two of them must not; then the pairs decide.
    Two texts that must not be together never are.

    Args:
        texts: N distinct texts.
        same: Shape (N, N), symmetric, in [0, 1]: probability that two texts mean the same.
        must: Shape (N, N), symmetric: pairs that surely mean the same.
        cannot: Shape (N, N), symmetric: pairs that surely do not; stronger than ``must``.

    Returns:
        Shape (N,): the cluster of each text; clusters are numbered in the order of their first text when sorted.

    Raises:
        InvalidInputError: Texts repeat, or the shapes do not fit.

    Example:
        >>> never = np.zeros((3, 3), dtype=bool)
        >>> partition(["b", "a", "c"], np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]]), never, never).tolist()
        [0, 0, 1]
    """
    n = len(texts)
    shapes = {np.shape(x) for x in (same, must, cannot)}
    if len(set(texts)) < n or shapes != {(n, n)}:
        msg = f"{n} distinct texts with matrices ({n}, {n}) are needed, got {len(set(texts))} distinct and {shapes}"
        raise InvalidInputError(msg)
    if n < 2:
        return np.zeros(n, dtype=np.int64)
    order = np.array(sorted(range(n), key=texts.__getitem__))
    block = np.ix_(order, order)
    distance = _distances([texts[i] for i in order], same[block], must[block], cannot[block])
    tree = linkage(squareform(distance, checks=False), method="average")
    cluster = np.empty(n, dtype=np.int64)
    cluster[order] = _numbered(fcluster(tree, CUT, criterion="distance"))
    return cluster


def _rare(samples: Sequence[str], answer: str | None) -> frozenset[str]:
    """Forms beyond the most frequent ones; never that of the given answer, nor refusals and empty answers."""
    counts = Counter(one.form for one in map(facts, samples) if one.kind == "answer")
    if len(counts) <= MOST_FORMS:
        return frozenset()
    order = sorted(counts, key=lambda form: (-counts[form], form))
    return frozenset(order[MOST_FORMS:]) - {facts(answer or "").form}


def _alone(samples: Sequence[str], rare: frozenset[str], weights: FloatArray | None) -> list[SemanticCluster]:
    """A cluster of its own for each of the rare forms."""
    places: dict[str, list[int]] = {}
    for i, text in enumerate(samples):
        if (form := facts(text).form) in rare:
            places.setdefault(form, []).append(i)
    alone = [_of(min(samples[i] for i in own), "answer", own, 1.0, weights, len(samples)) for own in places.values()]
    return [replace(cluster, compared=False) for cluster in alone]


def _grouped(
    samples: Sequence[str],
    close: Sequence[int],
    answer: str | None,
    question: str,
    weights: FloatArray | None,
    equivalence: Equivalence,
) -> tuple[list[SemanticCluster], SemanticCluster | None, tuple[str, ...]]:
    """The clusters of the samples at some places, that of the given answer, and what limits them."""
    texts = [*(samples[i] for i in close), *([] if answer is None else [answer])]
    compared = equivalence.compare(texts, question)
    of_form = partition(compared.forms, compared.same, compared.must, compared.cannot)
    of_text = of_form[list(compared.places)] if texts else of_form
    clusters = []
    for k in range(len(set(of_form.tolist()))):
        forms, own = np.flatnonzero(of_form == k), np.flatnonzero(of_text[: len(close)] == k).tolist()
        central = compared.answers[_central(compared, forms, Counter(compared.places[i] for i in own))]
        pairs = compared.same[np.ix_(forms, forms)][np.triu_indices(len(forms), 1)]
        cohesion = float(pairs.mean()) if len(pairs) else 1.0
        cluster = _of(central.text, central.kind, [close[i] for i in own], cohesion, weights, len(samples))
        clusters.append(replace(cluster, compared=bool(compared.compared[forms][:, of_form != k].all())))
    return clusters, None if answer is None else clusters[int(of_text[-1])], compared.warnings


def _of(
    text: str, kind: Kind, members: Sequence[int], cohesion: float, weights: FloatArray | None, samples: int
) -> SemanticCluster:
    share = len(members) / samples if samples else 0.0
    probability = None if weights is None else float(weights[list(members)].sum())
    return SemanticCluster(text, kind, len(members), share, probability, cohesion, tuple(members))


def _central(compared: PairwiseSameness, forms: IntArray, counts: Counter[int]) -> int:
    """The form that is most like the samples of its cluster; the more frequent, then the first of equal ones."""
    weight = np.array([counts[int(f)] for f in forms], dtype=np.float64)
    if not weight.any():
        weight[:] = 1.0
    likeness = compared.same[np.ix_(forms, forms)] @ weight
    best = max(range(len(forms)), key=lambda i: (weight[i] > 0, round(float(likeness[i]), 9), weight[i], -i))
    return int(forms[best])


def _weights(samples: Sequence[str], logprobs: Sequence[float] | None) -> FloatArray | None:
    """Each sample's part of the probability of all distinct texts; equal texts share theirs."""
    if logprobs is None or not samples or not np.isfinite(np.asarray(logprobs, dtype=np.float64)).all():
        return None
    log = np.asarray(logprobs, dtype=np.float64)
    mass = np.exp(log - log.max())
    repeated = Counter(samples)
    mass = mass / np.array([repeated[text] for text in samples])
    return np.asarray(mass / mass.sum())


def _limits(samples: Sequence[str], temperature: float | None) -> list[str]:
    if not samples:
        return [NO_SAMPLES]
    if not any(text.strip() for text in samples):
        return [ALL_EMPTY]
    if len(samples) == 1:
        return [ONE_SAMPLE]
    return [ALL_EQUAL] if len(set(samples)) == 1 and not temperature else []


def _distances(texts: Sequence[str], same: FloatArray, must: BoolArray, cannot: BoolArray) -> FloatArray:
    distance: FloatArray = np.where(must, 0.0, 1.0 - np.asarray(same, dtype=np.float64)) + JITTER * _noise(texts)
    _, atom = connected_components(must & ~cannot, directed=False)
    together = atom[:, None] == atom[None, :]
    # An atom with a forbidden pair inside is none; its pairs stay as they are.
    broken = np.isin(atom, atom[(together & cannot).any(axis=1)])
    distance[together & ~broken[:, None]] = 0.0
    distance[cannot] = FORBIDDEN
    np.fill_diagonal(distance, 0.0)
    return distance


def _noise(texts: Sequence[str]) -> FloatArray:
    """A symmetric matrix of numbers in [0, 1) that depends on the two texts of each entry only."""
    words = [hashlib.sha256(text.encode("utf-8", "replace")).digest()[:6] for text in texts]
    x = np.array([int.from_bytes(word, "big") for word in words], dtype=np.float64) / 2**48
    return np.asarray(np.modf((x[:, None] + x[None, :]) * 1e5 + x[:, None] * x[None, :] * 1e6)[0])


def _numbered(labels: Any) -> IntArray:
    """The same clusters, numbered in the order in which they first appear."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int64)
