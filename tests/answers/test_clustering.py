"""A partition is one: every text in one group, whatever the order; forbidden pairs stay apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermolang.answers.clustering import partition
from thermolang.errors import InvalidInputError


@st.composite
def problems(draw, most=12):
    """Texts with similarities and constraints, ties included."""
    n = draw(st.integers(1, most))
    texts = draw(st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=n, max_size=n, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = np.array([0.0, 0.2, 0.5, 0.8, 1.0])
    same = levels[rng.integers(0, 5, (n, n))]
    same, links = np.triu(same, 1), np.triu(rng.random((n, n)), 1)
    same, links = same + same.T + np.eye(n), links + links.T
    must, cannot = (links > 0.9), (links > 0) & (links < 0.1)
    both = (links > 0.4) & (links < 0.42)
    return texts, same, must | both, cannot | both


def groups(texts, labels):
    return {frozenset(t for t, label in zip(texts, labels, strict=True) if label == k) for k in set(labels.tolist())}


@given(problems(), st.randoms())
def test_the_order_of_the_texts_plays_no_part(problem, random):
    texts, same, must, cannot = problem
    order = random.sample(range(len(texts)), len(texts))
    block = np.ix_(order, order)
    moved = [texts[i] for i in order]
    again = partition(moved, same[block], must[block], cannot[block])
    assert groups(texts, partition(texts, same, must, cannot)) == groups(moved, again)


@given(problems())
def test_forbidden_pairs_are_never_together(problem):
    texts, same, must, cannot = problem
    labels = partition(texts, same, must, cannot)
    together = labels[:, None] == labels[None, :]
    assert not (together & cannot).any()


@given(problems())
def test_pairs_that_must_be_are_together_where_nothing_is_forbidden(problem):
    texts, same, must, _ = problem
    labels = partition(texts, same, must, np.zeros_like(must))
    together = labels[:, None] == labels[None, :]
    assert together[must].all()


@given(problems())
def test_a_distant_text_leaves_the_other_groups_as_they_were(problem):
    texts, same, must, cannot = problem
    n = len(texts)
    grown = [np.pad(x, (0, 1)) for x in (same, must, cannot)]
    grown[0][n, n] = 1
    for extra in ("!", "zzzzzzz"):  # sorted before all others, and after them
        labels = partition([*texts, extra], *grown)
        assert groups([*texts, extra], labels) == groups(texts, partition(texts, same, must, cannot)) | {
            frozenset({extra})
        }


def test_a_chain_of_look_alikes_is_cut_where_the_mean_is_low():
    # A~B and B~C, but A and C differ: peers put B with whoever comes first.
    same = np.array([[1, 0.9, 0.0], [0.9, 1, 0.8], [0.0, 0.8, 1]])
    none = np.zeros((3, 3), dtype=bool)
    for order in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 1, 0]):
        block = np.ix_(order, order)
        texts = ["ABC"[i] for i in order]
        labels = partition(texts, same[block], none[block], none[block])
        assert groups(texts, labels) == {frozenset("AB"), frozenset("C")}


def test_a_chain_of_sure_links_holds_although_its_ends_are_distant():
    same = np.array([[1, 0.9, 0.0], [0.9, 1, 0.9], [0.0, 0.9, 1]])
    must = same == 0.9
    assert set(partition(list("abc"), same, must, np.zeros_like(must)).tolist()) == {0}
    cannot = np.zeros_like(must)
    cannot[0, 2] = cannot[2, 0] = True
    assert len(set(partition(list("abc"), same, must, cannot).tolist())) == 2


def test_two_thousand_texts_with_a_forbidden_pair():
    n = 2000
    texts = [f"{i:04}" for i in range(n)]
    cannot = np.zeros((n, n), dtype=bool)
    cannot[0, -1] = cannot[-1, 0] = True
    labels = partition(texts, np.ones((n, n)), ~cannot, cannot)
    assert labels[0] != labels[-1]
    assert len(set(labels.tolist())) == 2


def test_repeated_texts_and_wrong_shapes_are_refused():
    eye = np.eye(2)
    with pytest.raises(InvalidInputError, match="distinct"):
        partition(["a", "a"], eye, eye > 1, eye > 1)
    with pytest.raises(InvalidInputError, match="3"):
        partition(["a", "b", "c"], eye, eye > 1, eye > 1)
