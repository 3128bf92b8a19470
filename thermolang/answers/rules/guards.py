"""Guards: rules that a person can check, for pairs of answers that surely mean the same or surely do not.

``facts`` reads one answer, ``GUARDS`` is the table of rules, and ``apply_guards`` asks them about a pair. A new rule is
a function of the facts of two answers and a row in the table. Words are in ``data/guards.toml``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from thermolang.answers.rules.antonyms import opposites
from thermolang.answers.rules.dates import PartialDateTime, dates_agree, dates_in
from thermolang.answers.rules.identifiers import other_identifiers, other_model, same_identifier, same_model
from thermolang.answers.rules.japanese import other_japanese_name, same_in_other_script, same_japanese_name, synonyms
from thermolang.answers.rules.names import Name, name_of, other_name, same_name
from thermolang.answers.rules.negation import negation
from thermolang.answers.rules.numerals import fold_superscripts
from thermolang.answers.rules.quantities import Quantity, comparable, quantities_in, same_quantity
from thermolang.answers.rules.replies import is_personal, is_refusal, polarity, says_nobody_knows
from thermolang.answers.rules.spelling import HAS_JAPANESE_SIGN, keys, normal_form, share_key
from thermolang.answers.rules.tables import pattern, read_table, word_set
from thermolang.answers.rules.vocabulary import other_entry, same_entry

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["answer", "refusal", "empty"]

_TABLE = read_table("guards")
FILLERS = word_set(_TABLE["fillers"])
"""Words around an amount that add nothing to it, and words that a short answer may do without."""

NOBODY_KNOWS = "nobody knows"
"""Form of every answer that says so."""

LONG = 30
"""Words from which an answer is a text: its numbers and negations need not be what it says."""

DENIED = 0.6
"""Share of common words from which a negated sentence denies the other one."""

RESTATED = 4
"""Words of its own that an answer may have around an amount and still be that amount."""

_REMEMBERED = 20_000
_LIMIT = re.compile(pattern(_TABLE["limits"]))
_MUNICIPAL: str = _TABLE["municipal"]
_CONJUNCTION = re.compile(r"\b(?:and|or)\b|[&;\n]|と|および|及び|または", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, eq=False)
class Facts:
    """The facts that rules can read in one answer.

    Attributes:
        text: The answer.
        kind: An answer, a refusal, or nothing at all.
        form: Its canonical spelling; answers of one form are one answer.
        keys: As ``spelling.keys``.
        quantities: Amounts that are no part of a date.
        dates: Dates and times.
        bare: Whether it says nothing but amounts or dates.
        polarity: Yes, no, or neither.
        negated: Whether what it says is negated.
        content: What it says without the negation.
        name: The name that it is, if it is one.
        words: Its words in order, casefolded; no function words.
        is_long: Whether it is a text rather than an answer in a few words.
        is_japanese: Whether it has Japanese characters.
    """

    text: str
    kind: Kind
    form: str
    keys: frozenset[str]
    quantities: tuple[Quantity, ...] = ()
    dates: tuple[PartialDateTime, ...] = ()
    bare: bool = False
    polarity: bool | None = None
    negated: bool = False
    content: str = ""
    name: Name | None = None
    words: tuple[str, ...] = ()
    is_long: bool = False
    is_japanese: bool = False

    @property
    def items(self) -> frozenset[str]:
        """The items, if it is a list such as "oxygen and nitrogen"."""
        return next((frozenset(k[4:].split("|")) for k in self.keys if k.startswith("all:")), frozenset())


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
        same: Whether the two surely mean the same, or surely do not.
        reason: Why, in a few words for people.
    """

    same: bool
    reason: str


@functools.lru_cache(maxsize=_REMEMBERED)
def facts(text: str) -> Facts:
    """Read an answer.

    Args:
        text: The answer.

    Returns:
        What it says. A refusal and an empty answer have no more than their kind, form and keys.

    Example:
        >>> read = facts("about 5 km")
        >>> read.bare, read.quantities[0].value, facts("I don't know.").kind
        (True, 5000.0, 'refusal')
    """
    form = normal_form(text)
    if not form.strip():
        return Facts(text, "empty", "", frozenset())
    if is_refusal(text) or is_refusal(form):
        # No answer has this form: "N / A" is read as an answer, and is spelled as the refusal "N/A".
        return Facts(text, "refusal", f"refusal: {form}", keys(text))
    if says_nobody_knows(text) or says_nobody_knows(form):
        return Facts(text, "answer", NOBODY_KNOWS, frozenset({NOBODY_KNOWS}))
    dates = dates_in(text)
    amounts = _amounts(text, dates)
    negated, content = negation(text)
    words = tuple(w for w in _WORD.findall(form) if w not in FILLERS)
    return Facts(
        text,
        "answer",
        form,
        keys(text),
        amounts,
        dates,
        bare=_is_bare(fold_superscripts(text), [*(d.span for d in dates), *(q.span for q in amounts)]),
        polarity=polarity(text),
        negated=negated,
        content=content,
        name=name_of(text),
        words=words,
        is_long=len(words) > LONG or len(text) > 12 * LONG,
        is_japanese=bool(HAS_JAPANESE_SIGN.search(text)),
    )


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
        >>> apply_guards(facts("in 1995"), facts("1996")).reason, apply_guards(facts("5 km"), facts("5000 m")).same
        ('other dates or times', True)
    """
    if a.kind != b.kind or a.kind != "answer":
        return None if _unknown_to_all(a, b) else _other_kinds(a.kind, b.kind)
    if a.form == b.form:
        return Link(True, "the same words")
    for guard in GUARDS if guards is None else guards:
        if guard.applies(a, b):
            return Link(guard.same, guard.reason)
    return Link(True, "the same beside words of the question") if _repeats(a, b, question) else None


def _unknown_to_all(a: Facts, b: Facts) -> bool:
    """Whether one says that nobody knows, and the other that it is unknown: perhaps to all, perhaps to itself."""
    refusal, other = (a, b) if a.kind == "refusal" else (b, a)
    return refusal.kind == "refusal" and other.form == NOBODY_KNOWS and not is_personal(refusal.text)


def _other_kinds(a: Kind, b: Kind) -> Link:
    if a == b:
        return Link(True, f"both are {a}")
    if "answer" not in (a, b):
        return Link(False, "one is empty, one a refusal")
    return Link(False, f"one is {'a refusal' if 'refusal' in (a, b) else 'empty'}")


def _amounts(text: str, dates: Sequence[PartialDateTime]) -> tuple[Quantity, ...]:
    """The amounts that are no part of a date; a lone 2000 may be a year or an amount."""
    years = {date.span for date in dates if date == PartialDateTime(year=date.year, span=date.span)}
    spans = [date.span for date in dates]
    return tuple(q for q in quantities_in(text) if q.span in years or not _overlaps(q.span, spans))


def _overlaps(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in others)


def _is_bare(text: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a folded text, in which the spans lie, says nothing beside them."""
    if not spans or len(text) > 12 * LONG:
        return False
    rest, last = [], 0
    for start, end in sorted(spans):
        rest.append(text[last:start])
        last = max(last, end)
    rest.append(text[last:])
    return all(word.lower() in FILLERS for word in _WORD.findall(" ".join(rest)))


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
    return a.polarity is not None and b.polarity is not None and a.polarity != b.polarity


def _other_dates(a: Facts, b: Facts) -> bool:
    if a.is_long or b.is_long:
        return False
    left = [d for d in a.dates if all(dates_agree(d, e) is False for e in b.dates)]
    right = [e for e in b.dates if all(dates_agree(d, e) is False for d in a.dates)]
    return bool(left and right)


def _other_amounts(a: Facts, b: Facts) -> bool:
    if a.is_long or b.is_long:
        return False
    left = [q for q in a.quantities if not any(same_quantity(q, r) for r in b.quantities)]
    right = [r for r in b.quantities if not any(same_quantity(q, r) for q in a.quantities)]
    if len(left) == len(right) == 1 and left[0].dimension and right[0].dimension:
        return True  # 5 dollars and 5 euros, or 5 km and 5 kg
    return any(comparable(q, r) for q in left for r in right)


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
    if not (a.bare or b.bare) or a.negated != b.negated or max(len(a.words), len(b.words)) > RESTATED + 4:
        return False
    if len(a.quantities) != len(b.quantities) or len(a.dates) != len(b.dates):
        return False
    if set(_LIMIT.findall(a.text.lower())) != set(_LIMIT.findall(b.text.lower())):
        return False
    # In order: a game won 3-1 is not one lost 1-3.
    amounts = all(same_quantity(q, r) for q, r in zip(a.quantities, b.quantities, strict=True))
    return amounts and all(dates_agree(d, e) for d, e in zip(a.dates, b.dates, strict=True))


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
