"""Guards: rules that a person can check, for pairs of answers that surely mean the same or surely do not.

``facts`` reads one answer, ``GUARDS`` is the table of rules, and ``apply_guards`` asks them about a pair. A new rule is
a function of the facts of two answers and a row in the table. ``DOUBTS`` is the table of rules that are never sure: what
they find keeps the other rules from joining a pair. Words are in ``data/guards.toml``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from thermolang.answers.rules.antonyms import exchanged, opposites
from thermolang.answers.rules.conditions import NONE, Conditions, conditions_agree, conditions_in
from thermolang.answers.rules.dates import DATE_FIELDS, PartialDateTime, date_agreement, dates_in
from thermolang.answers.rules.digits import fold_math, spelled_numbers
from thermolang.answers.rules.names import Name, name_of, other_name, same_name
from thermolang.answers.rules.negation import negation
from thermolang.answers.rules.qualifiers import LIKELY, UNLIKELY, asked_marks
from thermolang.answers.rules.quantities import Quantity, agreement, comparable, quantities_in
from thermolang.answers.rules.replies import is_refusal, polarity
from thermolang.answers.rules.spelling import HAS_JAPANESE_SIGN, keys, normal_form, share_key
from thermolang.answers.rules.tables import read_table, word_set

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["answer", "refusal", "empty"]
_T, _L = TypeVar("_T"), TypeVar("_L")

_TABLE = read_table("guards")
FILLERS = word_set(_TABLE["fillers"])
"""Words around an amount that add nothing to it, and words that a short answer may do without."""

LONG = 30
"""Words from which an answer is a text: its numbers and negations need not be what it says."""

DENIED = 0.6
"""Share of common words from which a negated sentence denies the other one."""

RESTATED = 4
"""Words of its own that an answer may have around an amount and still be that amount."""

_REMEMBERED = 20_000
_MUNICIPAL: str = _TABLE["municipal"]
_CONJUNCTION = re.compile(r"\b(?:and|or)\b|[&;\n]|と|および|及び|または", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_BESIDE = re.compile(rf"\W*(?:{_TABLE['beside']})\b(.*)", re.IGNORECASE | re.DOTALL)
_UNREADABLE = re.compile("[0-9]{309,}")


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
        conditions: What it depends on.
        frame: What stands around its amounts and dates, which "#" stands for; "" if that is nothing.
        beside: Words behind its last amount or date that may limit it ("5 days for members").
        asked: Words of the question that it answers, as far as they are known.
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
    conditions: Conditions = NONE
    frame: str = ""
    beside: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

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
class Doubt:
    """A rule that says between what P(same) of a pair of answers can be, and never that a pair is sure.

    Attributes:
        reason: What it has found, in a few words for people.
        limits: The least and the most that P(same) of two answers can be, or None if it says nothing of them; the
            order of the two must play no part.
    """

    reason: str
    limits: Callable[[Facts, Facts], tuple[float, float] | None]


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
    plain = spelled_numbers(text)
    form = normal_form(plain)
    if not form.strip():
        return Facts(text, "empty", "", frozenset())
    if is_refusal(text) or is_refusal(form):
        # No answer has this form: "N / A" is read as an answer, and is spelled as the refusal "N/A".
        return Facts(text, "refusal", f"refusal: {form}", keys(plain))
    dates = dates_in(text)
    amounts = _amounts(text, dates)
    negated, content = negation(plain)
    words = tuple(w for w in _WORD.findall(form) if w not in FILLERS)
    says = polarity(text)
    rest, beside = _around(fold_math(text), [*(d.around for d in dates), *(q.around for q in amounts)])
    bare = rest is not None and all(word.lower() in FILLERS for word in _WORD.findall(rest))
    return Facts(
        text,
        "answer",
        form,
        keys(plain),
        amounts,
        dates,
        bare=bare,
        polarity=says,
        negated=negated,
        content=content,
        name=name_of(text),
        words=words,
        is_long=len(words) > LONG or len(text) > 12 * LONG,
        is_japanese=bool(HAS_JAPANESE_SIGN.search(text)),
        conditions=conditions_in(text, says),
        frame="" if rest is None or bare else normal_form(rest.replace("#", " number ")),
        beside=beside,
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
        >>> apply_guards(facts("at least 5 km"), facts("5 km"))
        Link(same=None, reason='amounts that may differ', limits=(0.35, 0.35))
    """
    if a.kind != b.kind or a.kind != "answer":
        return _other_kinds(a.kind, b.kind)
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
    """The narrowest limits that the doubtful rules set."""
    found = [(limits, doubt.reason) for doubt in DOUBTS if (limits := doubt.limits(a, b)) is not None]
    if not found:
        return None
    high = min(limits[1] for limits, _ in found)
    low = min(high, *(limits[0] for limits, _ in found))
    return Link(None, min(found, key=lambda each: each[0][1])[1], (low, high))


def _other_kinds(a: Kind, b: Kind) -> Link:
    if a == b:
        return _sure(True, f"both are {a}")
    if "answer" not in (a, b):
        return _sure(False, "one is empty, one a refusal")
    return _sure(False, f"one is {'a refusal' if 'refusal' in (a, b) else 'empty'}")


def _amounts(text: str, dates: Sequence[PartialDateTime]) -> tuple[Quantity, ...]:
    """The amounts that are no part of a date; a lone 2000 may be a year or an amount, and 5/16 a day or a part."""
    both = {date.span for date in dates if not date.sure or _is_year(date)}
    spans = [date.span for date in dates]
    return tuple(q for q in quantities_in(text) if q.span in both or not _overlaps(q.span, spans))


def _is_year(date: PartialDateTime) -> bool:
    return all((getattr(date, name) is not None) == (name == "year") for name in DATE_FIELDS) and not date.fiscal


def _overlaps(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    return any(start < span[1] and span[0] < end for start, end in others)


def _around(folded: str, spans: Sequence[tuple[int, int]]) -> tuple[str | None, frozenset[str]]:
    """What a folded text says beside the spans that lie in it, and the words that may limit the last of them."""
    if not spans or len(folded) > 12 * LONG:
        return None, frozenset()
    rest, last = [], 0
    for start, end in sorted(set(spans)):
        rest.append(folded[last:start])
        last = max(last, end)
    tail = _BESIDE.match(folded, last)
    beside = frozenset(_WORD.findall(tail[1].lower())) - FILLERS if tail else frozenset()
    return "#".join([*rest, folded[last:]]), beside


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
    levels = _levels(a.dates, b.dates, date_agreement, a.asked)
    left = [row for row in levels if all(level == 0 for level in row)]
    right = [row for row in zip(*levels, strict=True) if all(level == 0 for level in row)]
    return bool(left and right)


def _weekdays(one: Facts) -> frozenset[int | None]:
    """The weekdays, if an answer is nothing but a list of them."""
    only = all(date == PartialDateTime(weekday=date.weekday, span=date.span, around=date.around) for date in one.dates)
    return frozenset(date.weekday for date in one.dates) if one.bare and only and not one.quantities else frozenset()


def _other_amounts(a: Facts, b: Facts) -> bool:
    if a.is_long or b.is_long:
        return False
    levels = _levels(a.quantities, b.quantities, agreement, a.asked)
    left = [q for q, row in zip(a.quantities, levels, strict=True) if not any(row)]
    right = [r for j, r in enumerate(b.quantities) if not any(row[j] for row in levels)]
    if len(left) == len(right) == 1 and left[0].dimension and right[0].dimension:
        return True  # 5 dollars and 5 euros, or 5 km and 5 kg
    return any(_rivals(q, r) for q in left for r in right)


def _rivals(a: Quantity, b: Quantity) -> bool:
    """Whether two amounts that differ are of one kind, so that they cannot be one amount that was misread."""
    return a.dimension == b.dimension and bool(a.unit) == bool(b.unit)


def _levels(
    ours: Sequence[_T], theirs: Sequence[_T], agree: Callable[[_T, _T, frozenset[str]], _L], question: frozenset[str]
) -> list[list[_L]]:
    """How surely each amount or date of one answer is one of the other."""
    asked = asked_marks(question)
    return [[agree(one, other, asked) for other in theirs] for one in ours]


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


# Rules that join.


def _same_keys(a: Facts, b: Facts) -> bool:
    return share_key(a.keys, b.keys)


def _same_polarity(a: Facts, b: Facts) -> bool:
    return a.polarity is not None and a.polarity == b.polarity and min(len(a.words), len(b.words)) <= RESTATED


def _same_amounts(a: Facts, b: Facts) -> bool:
    return _likeness(a, b) == 1


def _likeness(a: Facts, b: Facts) -> float:
    """How surely two answers with the same words, or none, around amounts and dates have the same ones."""
    framed = (a.bare and b.bare) or a.frame == b.frame != ""
    if not framed and (not (a.bare or b.bare) or a.negated != b.negated):
        return 0.0
    if max(len(a.words), len(b.words)) > RESTATED + 4:
        return 0.0
    numbers, others = a.quantities, b.quantities
    if a.dates and b.dates:  # a lone year is no number then
        numbers, others = (tuple(q for q in one.quantities if q.span not in _spans(one.dates)) for one in (a, b))
    if len(numbers) != len(others) or len(a.dates) != len(b.dates):
        return 0.0
    asked = asked_marks(a.asked)
    # In order: a game won 3-1 is not one lost 1-3.
    amounts = [agreement(q, r, asked) for q, r in zip(numbers, others, strict=True)]
    return min([*amounts, *(date_agreement(d, e, asked) or 0.0 for d, e in zip(a.dates, b.dates, strict=True))])


def _spans(dates: Sequence[PartialDateTime]) -> set[tuple[int, int]]:
    return {date.span for date in dates}


def _same_denial(a: Facts, b: Facts) -> bool:
    return bool(a.content) and a.content == b.content and a.negated == b.negated


def _same_name(a: Facts, b: Facts) -> bool:
    if a.name is not None and b.name is not None:
        return same_name(a.name, b.name)
    shorter, longer = sorted((a.form, b.form), key=len)
    return len(shorter) > 1 and longer[:-1] == shorter and longer[-1] in _MUNICIPAL


# Rules that are never sure.


def _doubtful_amounts(a: Facts, b: Facts) -> tuple[float, float] | None:
    return _doubtful(a, b, _levels(a.quantities, b.quantities, agreement, a.asked))


def _hardly_comparable(a: Facts, b: Facts) -> tuple[float, float] | None:
    """Limits of amounts of which one lacks the unit of the other, and which differ ("3 of 4" and "80 %")."""
    if a.is_long or b.is_long:
        return None
    levels = _levels(a.quantities, b.quantities, agreement, a.asked)
    left = [q for q, row in zip(a.quantities, levels, strict=True) if not any(row)]
    right = [r for j, r in enumerate(b.quantities) if not any(row[j] for row in levels)]
    return (0.0, 0.2) if any(comparable(q, r) for q in left for r in right) else None


def _doubtful_dates(a: Facts, b: Facts) -> tuple[float, float] | None:
    return _doubtful(a, b, _levels(a.dates, b.dates, date_agreement, a.asked))


def _doubtful(a: Facts, b: Facts, levels: Sequence[Sequence[float | None]]) -> tuple[float, float] | None:
    """Limits by the best partner of each amount or date; those without any play no part."""
    if a.is_long or b.is_long or not levels:
        return None
    best = [max(known) for row in (*levels, *zip(*levels, strict=True)) if (known := [x for x in row if x is not None])]
    doubtful = [level for level in best if 0 < level < 1]
    if not doubtful:
        return None
    likeness = _likeness(a, b)
    return min(likeness, *doubtful), min(doubtful)


def _conditions(a: Facts, b: Facts) -> tuple[float, float] | None:
    if a.is_long or b.is_long:
        return None
    found = conditions_agree(a.conditions, b.conditions, a.asked)
    if found is None and a.polarity is not None and a.polarity == b.polarity and _limited(a) != _limited(b):
        return 0.0, UNLIKELY
    return None if found is None else found[:2]


def _limited(one: Facts) -> bool:
    """Whether an answer says between what bounds or when it holds ("yes, within 30 days", "yes, on Sundays")."""
    recurring = ("weekday", "hour", "season")
    return any(each.marks for each in (*one.quantities, *one.dates)) or any(
        getattr(date, name) is not None for date in one.dates for name in recurring
    )


def _beside(a: Facts, b: Facts) -> tuple[float, float] | None:
    """Limits of "5 days for members" and "5 days"."""
    if not (a.bare or b.bare) or a.beside == b.beside or (a.beside | b.beside) <= a.asked:
        return None
    return 0.0, 0.7


def _and_or(a: Facts, b: Facts) -> tuple[float, float] | None:
    lists = [{key.partition(":")[::2] for key in one.keys if key.startswith(("all:", "any:"))} for one in (a, b)]
    differ = any(x[0] != y[0] and x[1] == y[1] for x in lists[0] for y in lists[1])
    return (0.0, UNLIKELY) if differ else None


def _exchanged(a: Facts, b: Facts) -> tuple[float, float] | None:
    return (0.0, UNLIKELY) if exchanged(a.text, b.text) else None


def _unread(a: Facts, b: Facts) -> tuple[float, float] | None:
    """Limits of numbers that are too long to be read."""
    numbers = [_UNREADABLE.findall(one.text) for one in (a, b)]
    return (0.0, LIKELY) if numbers[0] != numbers[1] else None


DOUBTS: tuple[Doubt, ...] = (
    Doubt("amounts that may differ", _doubtful_amounts),
    Doubt("amounts with and without a unit", _hardly_comparable),
    Doubt("dates or times that may differ", _doubtful_dates),
    Doubt("a condition or exception in one of them", _conditions),
    Doubt("words that may limit the amount", _beside),
    Doubt("and, or", _and_or),
    Doubt("parts that changed places", _exchanged),
    Doubt("a number that is too long to be read", _unread),
)
"""Rules that keep others from joining a pair, and that limit P(same)."""

GUARDS: tuple[Guard, ...] = (
    Guard("one says yes, one no", same=False, applies=_other_polarity),
    Guard("other dates or times", same=False, applies=_other_dates),
    Guard("other amounts", same=False, applies=_other_amounts),
    Guard("one denies what the other says", same=False, applies=_denies),
    Guard("opposite words", same=False, applies=_opposites),
    Guard("names that share a word", same=False, applies=_other_names),
    Guard("lists with other items", same=False, applies=_other_items),
    Guard("the same but for its spelling or order", same=True, applies=_same_keys),
    Guard("both say yes, or both no", same=True, applies=_same_polarity),
    Guard("the same amount or date", same=True, applies=_same_amounts),
    Guard("the same statement", same=True, applies=_same_denial),
    Guard("one name in two spellings", same=True, applies=_same_name),
)
"""The rules, in the order in which they are asked; those that split go before those that join."""
