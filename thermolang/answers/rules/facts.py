"""What can be read in one answer: amounts, dates, names, yes or no, negation, conditions.

Everything stands in one ``Facts``, so that the rules on pairs (``guards``, ``doubts``) read no text themselves. Words
are in ``data/guards.toml``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from thermolang.answers.rules.conditions import NONE, Conditions, conditions_in
from thermolang.answers.rules.dates import DATE_FIELDS, PartialDateTime, dates_in
from thermolang.answers.rules.digits import fold_math, spelled_numbers
from thermolang.answers.rules.names import Name, name_of
from thermolang.answers.rules.negation import negation
from thermolang.answers.rules.quantities import Quantity, quantities_in
from thermolang.answers.rules.replies import is_refusal, polarity, says_nobody_knows
from thermolang.answers.rules.spelling import HAS_JAPANESE_SIGN, keys, normal_form
from thermolang.answers.rules.tables import read_table, word_set

Kind = Literal["answer", "refusal", "empty"]

_TABLE = read_table("guards")
FILLERS = word_set(_TABLE["fillers"])
"""Words around an amount that add nothing to it, and words that a short answer may do without."""

NOBODY_KNOWS = "nobody knows"
"""Form of every answer that says so."""

LONG = 30
"""Words from which an answer is a text: its numbers and negations need not be what it says."""

MOST_READ = 4_000
"""Characters of a text in which amounts and dates are looked for."""

_REMEMBERED = 20_000
_WORD = re.compile(r"[^\W_]+")
_BESIDE = re.compile(rf"\W*(?:{_TABLE['beside']})\b(.*)", re.IGNORECASE | re.DOTALL)


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
    if says_nobody_knows(text) or says_nobody_knows(form):
        return Facts(text, "answer", NOBODY_KNOWS, frozenset({NOBODY_KNOWS}))
    dates = dates_in(text[:MOST_READ])
    amounts = _amounts(text[:MOST_READ], dates)
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
