"""Guards: rules that a person can check, for pairs of answers that surely mean the same or surely do not.

``facts.facts`` reads one answer, ``GUARDS`` is the table of rules, and ``apply_guards`` asks them about a pair, and
those of ``doubts``, which are never sure. A new rule is a function of the facts of two answers and a row in the
table. Words are in ``data/guards.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from thermolang.answers.rules.antonyms import opposites
from thermolang.answers.rules.dates import PartialDateTime, date_agreement
from thermolang.answers.rules.doubts import RESTATED, levels, likeness, limits_of, unmatched
from thermolang.answers.rules.facts import NOBODY_KNOWS, Facts, Kind
from thermolang.answers.rules.identifiers import other_identifiers, other_model, same_identifier, same_model
from thermolang.answers.rules.japanese import other_japanese_name, same_in_other_script, same_japanese_name, synonyms
from thermolang.answers.rules.names import other_name, same_name
from thermolang.answers.rules.quantities import Quantity
from thermolang.answers.rules.replies import is_personal
from thermolang.answers.rules.spelling import share_key
from thermolang.answers.rules.tables import read_table
from thermolang.answers.rules.vocabulary import other_entry, same_entry

DENIED = 0.6
"""Share of common words from which a negated sentence denies the other one."""

_MUNICIPAL: str = read_table("guards")["municipal"]
_CONJUNCTION = re.compile(r"\b(?:and|or)\b|[&;\n]|と|および|及び|または", re.IGNORECASE)


@dataclass(frozen=True)
class Guard:
    """A rule that decides some pairs of answers and says nothing about the others.

    Attributes:
        reason: What it has found, in a few words for people.
        same: What a pair is that it applies to: surely the same, or surely not.
        applies: Whether it applies to two answers; the order of the two must play no part.
    """

    reason: str
    same: bool
    applies: Callable[[Facts, Facts], bool]


@dataclass(frozen=True)
class Link:
    """A decision of the rules on a pair, "must link" or "cannot link" in the words of constrained clustering.

    Attributes:
        same: Whether the two surely mean the same, or surely do not; None if the rules only limit P(same).
        reason: Why, in a few words for people.
        limits: The least and the most that P(same) can be, in [0, 1].
    """

    same: bool | None
    reason: str
    limits: tuple[float, float]


def _sure(same: bool, reason: str) -> Link:
    return Link(same, reason, (float(same), float(same)))


def apply_guards(
    a: Facts, b: Facts, question: frozenset[str] = frozenset(), *, guards: Sequence[Guard] | None = None
) -> Link | None:
    """Return what the rules say of two answers to one question; None if they are silent.

    Args:
        a: One answer.
        b: The other; the order plays no part.
        question: The question's words, casefolded: an answer may repeat them.
        guards: The rules, ``GUARDS`` by default; the first that applies decides. Before them, answers of one form are
            the same, and refusals and empty answers are so with their like only.

    Example:
        >>> from thermolang.answers.rules.facts import facts
        >>> apply_guards(facts("in 1995"), facts("1996")).reason, apply_guards(facts("5 km"), facts("5000 m")).same
        ('other dates or times', True)
        >>> apply_guards(facts("at least 5 km"), facts("5 km"))
        Link(same=None, reason='amounts that may differ', limits=(0.35, 0.35))
    """
    if a.kind != b.kind or a.kind != "answer":
        return None if _unknown_to_all(a, b) else _other_kinds(a.kind, b.kind)
    if a.form == b.form:
        return _sure(True, "the same words")
    if question:
        a, b = replace(a, asked=question), replace(b, asked=question)
    for guard in GUARDS if guards is None else guards:
        if guard.applies(a, b):
            return (_doubt(a, b) if guard.same else None) or _sure(guard.same, guard.reason)
    if (doubt := _doubt(a, b)) is not None:
        return doubt
    return _sure(True, "the same beside words of the question") if _repeats(a, b, question) else None


def _doubt(a: Facts, b: Facts) -> Link | None:
    found = limits_of(a, b)
    return None if found is None else Link(None, *found)


def _unknown_to_all(a: Facts, b: Facts) -> bool:
    """Whether one says that nobody knows, and the other that it is unknown: perhaps to all, perhaps to itself."""
    refusal, other = (a, b) if a.kind == "refusal" else (b, a)
    return refusal.kind == "refusal" and other.form == NOBODY_KNOWS and not is_personal(refusal.text)


def _other_kinds(a: Kind, b: Kind) -> Link:
    if a == b:
        return _sure(True, f"both are {a}")
    if "answer" not in (a, b):
        return _sure(False, "one is empty, one a refusal")
    return _sure(False, f"one is {'a refusal' if 'refusal' in (a, b) else 'empty'}")


def _repeats(a: Facts, b: Facts, question: frozenset[str]) -> bool:
    """Whether one answer is the other and some words of the question."""
    shorter, longer = sorted((a.words, b.words), key=len)
    own = [[w for w in words if w not in question] for words in (shorter, longer)]
    if not own[0] or own[0] != own[1] or a.negated != b.negated:
        return False
    # Not "France won" and "Germany won", where the question has both names.
    rest = iter(longer)
    return all(word in rest for word in shorter)


# Rules that split.


def _other_polarity(a: Facts, b: Facts) -> bool:
    if a.conditions.holds is not None or b.conditions.holds is not None:
        return False  # "No, unless you have a receipt" is "Yes, with a receipt"
    return a.polarity is not None and b.polarity is not None and a.polarity != b.polarity


def _other_dates(a: Facts, b: Facts) -> bool:
    if a.is_long or b.is_long:
        return False
    if (days := _weekdays(a)) and (others := _weekdays(b)) and days != others:
        return True
    found = levels(a.dates, b.dates, date_agreement, a.asked)
    left = [row for row in found if all(level == 0 for level in row)]
    right = [row for row in zip(*found, strict=True) if all(level == 0 for level in row)]
    return bool(left and right)


def _weekdays(one: Facts) -> frozenset[int | None]:
    """The weekdays, if an answer is nothing but a list of them."""
    only = all(date == PartialDateTime(weekday=date.weekday, span=date.span, around=date.around) for date in one.dates)
    return frozenset(date.weekday for date in one.dates) if one.bare and only and not one.quantities else frozenset()


def _other_amounts(a: Facts, b: Facts) -> bool:
    if a.is_long or b.is_long:
        return False
    left, right = unmatched(a, b)
    if len(left) == len(right) == 1 and left[0].dimension and right[0].dimension:
        return True  # 5 dollars and 5 euros, or 5 km and 5 kg
    return any(_rivals(q, r) for q in left for r in right)


def _rivals(a: Quantity, b: Quantity) -> bool:
    """Whether two amounts that differ are of one kind, so that they cannot be one amount that was misread."""
    return a.dimension == b.dimension and bool(a.unit) == bool(b.unit)


def _denies(a: Facts, b: Facts) -> bool:
    if a.negated == b.negated or a.is_long or b.is_long or a.polarity is not None or b.polarity is not None:
        return False
    if a.content == b.content:
        return True
    left, right = set(a.content.split()), set(b.content.split())
    return bool(left and right) and len(left & right) / len(left | right) >= DENIED


def _opposites(a: Facts, b: Facts) -> bool:
    return opposites(a.text, b.text)


def _other_names(a: Facts, b: Facts) -> bool:
    return a.name is not None and b.name is not None and other_name(a.name, b.name)


def _other_items(a: Facts, b: Facts) -> bool:
    first, second = a.items or frozenset({a.form}), b.items or frozenset({b.form})
    if len(first) + len(second) < 3 or not first & second:
        return False
    left, right = first - second, second - first
    if min(len(left), len(right)) == 0 and len(left | right) == 1 and not _CONJUNCTION.search(a.text + " " + b.text):
        return False  # Paris, France is Paris
    overlap = any(set(x.split()) & set(y.split()) for x in left for y in right)
    return bool(left or right) and not overlap


def _other_identifiers(a: Facts, b: Facts) -> bool:
    return other_identifiers(a.text, b.text) or other_model(a.text, b.text)


def _other_entry(a: Facts, b: Facts) -> bool:
    return other_entry(a.text, b.text)


def _other_japanese_name(a: Facts, b: Facts) -> bool:
    return other_japanese_name(a.text, b.text)


# Rules that join.


def _same_identifier(a: Facts, b: Facts) -> bool:
    return same_identifier(a.text, b.text) or same_model(a.text, b.text)


def _same_entry(a: Facts, b: Facts) -> bool:
    return same_entry(a.text, b.text)


def _same_japanese_name(a: Facts, b: Facts) -> bool:
    return same_japanese_name(a.text, b.text) or same_in_other_script(a.text, b.text)


def _synonyms(a: Facts, b: Facts) -> bool:
    return synonyms(a.text, b.text)


def _same_keys(a: Facts, b: Facts) -> bool:
    return share_key(a.keys, b.keys)


def _same_polarity(a: Facts, b: Facts) -> bool:
    return a.polarity is not None and a.polarity == b.polarity and min(len(a.words), len(b.words)) <= RESTATED


def _same_amounts(a: Facts, b: Facts) -> bool:
    return likeness(a, b) == 1


def _same_denial(a: Facts, b: Facts) -> bool:
    return bool(a.content) and a.content == b.content and a.negated == b.negated


def _same_name(a: Facts, b: Facts) -> bool:
    if a.name is not None and b.name is not None:
        return same_name(a.name, b.name)
    shorter, longer = sorted((a.form, b.form), key=len)
    return len(shorter) > 1 and longer[:-1] == shorter and longer[-1] in _MUNICIPAL


GUARDS: tuple[Guard, ...] = (
    Guard("one says yes, one no", same=False, applies=_other_polarity),
    Guard("other identifiers", same=False, applies=_other_identifiers),
    Guard("the same identifier", same=True, applies=_same_identifier),
    Guard("other entries of one vocabulary", same=False, applies=_other_entry),
    Guard("names of one thing", same=True, applies=_same_entry),
    Guard("other dates or times", same=False, applies=_other_dates),
    Guard("other amounts", same=False, applies=_other_amounts),
    Guard("one denies what the other says", same=False, applies=_denies),
    Guard("opposite words", same=False, applies=_opposites),
    Guard("names that share a word", same=False, applies=_other_names),
    Guard("other Japanese names", same=False, applies=_other_japanese_name),
    Guard("lists with other items", same=False, applies=_other_items),
    Guard("the same but for its spelling or order", same=True, applies=_same_keys),
    Guard("both say yes, or both no", same=True, applies=_same_polarity),
    Guard("the same amount or date", same=True, applies=_same_amounts),
    Guard("the same statement", same=True, applies=_same_denial),
    Guard("one name in two spellings", same=True, applies=_same_name),
    Guard("one Japanese name", same=True, applies=_same_japanese_name),
    Guard("synonyms", same=True, applies=_synonyms),
)
"""The rules, in the order in which they are asked; those that split go before those that join."""
