"""A new guard is a function of two answers' facts and a row in ``GUARDS``; docs/extending.md quotes this example."""

import re

import pytest

from thermolang.answers.clustering import cluster_answers
from thermolang.answers.equivalence import Equivalence
from thermolang.answers.rules.facts import Facts, facts
from thermolang.answers.rules.guards import GUARDS, Guard, apply_guards

# [example: a guard]
IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")


def ibans(text: str) -> set[str]:
    """Return the account numbers in a text, without blanks."""
    return {number.replace(" ", "") for number in IBAN.findall(text)}


def other_ibans(a: Facts, b: Facts) -> bool:
    """Both answers give account numbers, and they share none."""
    first, second = ibans(a.text), ibans(b.text)
    return bool(first and second) and first.isdisjoint(second)


OTHER_IBANS = Guard("other account numbers", same=False, applies=other_ibans)
# [end]

GERMAN = "DE89 3704 0044 0532 0130 00"
BRITISH = "GB82 WEST 1234 5698 7654 32"
WITH_IBANS = (OTHER_IBANS, *GUARDS)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (GERMAN, BRITISH),
        (f"Pay to {GERMAN}, please.", f"Pay to {BRITISH}, please."),
        (f"The account is {GERMAN}", "DE89370400440532013001"),
    ],
)
def test_account_numbers_that_differ_are_never_the_same(a, b):
    for found in (
        apply_guards(facts(a), facts(b), guards=WITH_IBANS),
        apply_guards(facts(b), facts(a), guards=WITH_IBANS),
    ):
        assert (found.same, found.reason) == (False, "other account numbers")
    equivalence = Equivalence(None, guards=WITH_IBANS)
    assert equivalence.same(a, b) == 0
    assert equivalence.explain(a, b) == "other account numbers"


@pytest.mark.parametrize(
    ("a", "b"),
    [(GERMAN, "DE89370400440532013000"), (GERMAN, "I don't know"), ("Paris", "London"), ("5 km", "5000 m")],
)
def test_it_is_silent_about_all_other_pairs(a, b):
    assert not other_ibans(facts(a), facts(b))
    assert apply_guards(facts(a), facts(b), guards=WITH_IBANS) == apply_guards(facts(a), facts(b))


def test_clusters_obey_it():
    samples = [f"Pay to {GERMAN}, please.", f"Pay to {BRITISH}, please."]
    clusters = cluster_answers(samples, equivalence=Equivalence(None, guards=WITH_IBANS)).clusters
    assert [cluster.text for cluster in clusters] == sorted(samples)
