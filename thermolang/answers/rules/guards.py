"""Rules that a person can check: pairs of answers that surely mean the same, and pairs that surely do not."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from thermolang.answers.rules.antonyms import opposites
from thermolang.answers.rules.dates import Moment, agree, moments
from thermolang.answers.rules.names import Name, is_other, is_same, name_of
from thermolang.answers.rules.negation import negation
from thermolang.answers.rules.numerals import fold
from thermolang.answers.rules.quantities import Quantity, comparable, quantities, same_quantity
from thermolang.answers.rules.replies import is_refusal, polarity
from thermolang.answers.rules.spelling import keys, normal_form, share_key

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["answer", "refusal", "empty"]

LONG = 30
"""Words from which an answer is a text: its numbers and negations need not be what it says."""

REMEMBERED = 20_000

_FILLERS = """
a an the answer is are was were be been it its there they that this he she we i in on at of to for from by with as about
around over approximately roughly nearly almost exactly only just year years people total old
約 およそ です だ でした
"""
FILLERS = frozenset(_FILLERS.split())
"""Words around an amount that add nothing to it, and words that a short answer may do without."""

_WORD = re.compile(r"[^\W_]+")
_JAPANESE = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


@dataclass(frozen=True, eq=False)
class Facts:
    """What can be read in one answer.

    Attributes:
        text: The answer.
        kind: An answer, a refusal, or nothing at all.
        form: Its canonical spelling; answers of one form are one answer.
        keys: As ``normal.keys``.
        quantities: Amounts that are no part of a date.
        moments: Dates and times.
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
    moments: tuple[Moment, ...] = ()
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


@functools.lru_cache(maxsize=REMEMBERED)
def facts(text: str) -> Facts:
    """Read an answer.

    Example:
        >>> found = facts("about 5 km")
        >>> found.bare, found.quantities[0].value, facts("I don't know.").kind
        (True, 5000.0, 'refusal')
    """
    form = normal_form(text)
    if not form.strip():
        return Facts(text, "empty", "", frozenset())
    if is_refusal(text) or is_refusal(form):
        # No answer has this form: "N / A" is read as an answer, and is spelled as the refusal "N/A".
        return Facts(text, "refusal", f"refusal: {form}", keys(text))
    when = moments(text)
    spans = [m.span for m in when]
    # A lone 2000 may be a year or an amount; a date or a century is no amount.
    years = {m.span for m in when if m == Moment(year=m.year, span=m.span)}
    amounts = tuple(q for q in quantities(text) if q.span in years or not _within(q.span, spans))
    negated, content = negation(text)
    words = tuple(w for w in _WORD.findall(form) if w not in FILLERS)
    return Facts(
        text,
        "answer",
        form,
        keys(text),
        amounts,
        when,
        bare=_is_bare(fold(text), [*spans, *(q.span for q in amounts)]),
        polarity=polarity(text),
        negated=negated,
        content=content,
        name=name_of(text),
        words=words,
        is_long=len(words) > LONG or len(text) > 12 * LONG,
        is_japanese=bool(_JAPANESE.search(text)),
    )


def _within(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
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


ALIKE = 0.6
"""Share of common words from which a negated sentence denies the other one."""

RESTATED = 4
"""Words of its own that an answer may have around an amount and still be that amount."""

_LIMIT = re.compile(
    r"[<>\u2264\u2265\u00b1+]|\b(?:more|less|fewer|greater|than|under|below|above|beyond|before|after|until|ago"
    r"|at (?:least|most)|up to|or (?:later|earlier)|minimum|maximum)\b|以上|以下|以内|未満|超|以前|以後|以降|まで",
)
"""What makes an amount or date another one: more than 5 is not 5."""

_CONJUNCTION = re.compile(r"\b(?:and|or)\b|[&;\n]|と|および|及び|または", re.IGNORECASE)

MUNICIPAL = "都府県市区町村"
"""Ends of Japanese place names that may be left out: 大阪市, 大阪."""


@dataclass(frozen=True)
class Link:
    """What the rules say of a pair.

    Attributes:
        same: Whether the two surely mean the same, or surely do not.
        reason: Why, in a few words for people.
    """

    same: bool
    reason: str


def guard(a: Facts, b: Facts, question: frozenset[str] = frozenset()) -> Link | None:
    """What the rules say of two answers to one question; None if they are silent.

    Args:
        a: One answer.
        b: The other; the order plays no part.
        question: The question's words, casefolded: an answer may repeat them.

    Example:
        >>> from thermolang.answers.rules.guards import facts
        >>> guard(facts("in 1995"), facts("1996")).reason, guard(facts("5 km"), facts("5000 m")).same
        ('other dates or times', True)
    """
    if "answer" not in (a.kind, b.kind):
        return Link(a.kind == b.kind, f"both are {a.kind}" if a.kind == b.kind else "one is empty, one a refusal")
    if a.kind != b.kind:
        return Link(False, f"one is {'a refusal' if 'refusal' in (a.kind, b.kind) else 'empty'}")
    if a.form == b.form:
        return Link(True, "the same words")
    for reason, differ in APART:
        if differ(a, b):
            return Link(False, reason)
    if share_key(a.keys, b.keys):
        return Link(True, "the same but for its spelling or order")
    for reason, agrees in TOGETHER:
        if agrees(a, b):
            return Link(True, reason)
    if _repeats(a, b, question):
        return Link(True, "the same beside words of the question")
    return None


def _other_amounts(a: Facts, b: Facts) -> bool:
    if a.is_long or b.is_long:
        return False
    left = [q for q in a.quantities if not any(same_quantity(q, r) for r in b.quantities)]
    right = [r for r in b.quantities if not any(same_quantity(q, r) for q in a.quantities)]
    if len(left) == len(right) == 1 and left[0].dimension and right[0].dimension:
        return True  # 5 dollars and 5 euros, or 5 km and 5 kg
    return any(comparable(q, r) for q in left for r in right)


def _other_moments(a: Facts, b: Facts) -> bool:
    if a.is_long or b.is_long:
        return False
    left = [m for m in a.moments if all(agree(m, n) is False for n in b.moments)]
    right = [n for n in b.moments if all(agree(m, n) is False for m in a.moments)]
    return bool(left and right)


def _other_polarity(a: Facts, b: Facts) -> bool:
    return a.polarity is not None and b.polarity is not None and a.polarity != b.polarity


def _denies(a: Facts, b: Facts) -> bool:
    if a.negated == b.negated or a.is_long or b.is_long or a.polarity is not None or b.polarity is not None:
        return False
    if a.content == b.content:
        return True
    left, right = set(a.content.split()), set(b.content.split())
    return bool(left and right) and len(left & right) / len(left | right) >= ALIKE


def _other_names(a: Facts, b: Facts) -> bool:
    return a.name is not None and b.name is not None and is_other(a.name, b.name)


def _other_items(a: Facts, b: Facts) -> bool:
    first, second = a.items or frozenset({a.form}), b.items or frozenset({b.form})
    if len(first) + len(second) < 3 or not first & second:
        return False
    left, right = first - second, second - first
    if min(len(left), len(right)) == 0 and len(left | right) == 1 and not _CONJUNCTION.search(a.text + " " + b.text):
        return False  # Paris, France is Paris
    overlap = any(set(x.split()) & set(y.split()) for x in left for y in right)
    return bool(left or right) and not overlap


APART: Sequence[tuple[str, Callable[[Facts, Facts], bool]]] = (
    ("one says yes, one no", _other_polarity),
    ("other dates or times", _other_moments),
    ("other amounts", _other_amounts),
    ("one denies what the other says", _denies),
    ("opposite words", lambda a, b: opposites(a.text, b.text)),
    ("names that share a word", _other_names),
    ("lists with other items", _other_items),
)
"""Rules that split, and what they are called."""


def _same_polarity(a: Facts, b: Facts) -> bool:
    return a.polarity is not None and a.polarity == b.polarity and min(len(a.words), len(b.words)) <= RESTATED


def _same_amounts(a: Facts, b: Facts) -> bool:
    if not (a.bare or b.bare) or a.negated != b.negated or max(len(a.words), len(b.words)) > RESTATED + 4:
        return False
    if len(a.quantities) != len(b.quantities) or len(a.moments) != len(b.moments):
        return False
    if set(_LIMIT.findall(a.text.lower())) != set(_LIMIT.findall(b.text.lower())):
        return False
    # In order: a game won 3-1 is not one lost 1-3.
    amounts = all(same_quantity(q, r) for q, r in zip(a.quantities, b.quantities, strict=True))
    return amounts and all(agree(m, n) for m, n in zip(a.moments, b.moments, strict=True))


def _same_denial(a: Facts, b: Facts) -> bool:
    return bool(a.content) and a.content == b.content and a.negated == b.negated


def _same_name(a: Facts, b: Facts) -> bool:
    if a.name is not None and b.name is not None:
        return is_same(a.name, b.name)
    shorter, longer = sorted((a.form, b.form), key=len)
    return len(shorter) > 1 and longer[:-1] == shorter and longer[-1] in MUNICIPAL


TOGETHER: Sequence[tuple[str, Callable[[Facts, Facts], bool]]] = (
    ("both say yes, or both no", _same_polarity),
    ("the same amount or date", _same_amounts),
    ("the same statement", _same_denial),
    ("one name in two spellings", _same_name),
)
"""Rules that join, and what they are called."""


def _repeats(a: Facts, b: Facts, question: frozenset[str]) -> bool:
    """Whether one answer is the other and some words of the question."""
    shorter, longer = sorted((a.words, b.words), key=len)
    own = [[w for w in words if w not in question] for words in (shorter, longer)]
    if not own[0] or own[0] != own[1] or a.negated != b.negated:
        return False
    # Not "France won" and "Germany won", where the question has both names.
    rest = iter(longer)
    return all(word in rest for word in shorter)
