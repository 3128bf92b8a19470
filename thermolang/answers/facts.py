"""What an answer says that a person could check: amounts, dates, yes or no, negation, names, lists."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from thermolang.answers.moments import Moment, moments
from thermolang.answers.names import Name, name_of
from thermolang.answers.negations import negation
from thermolang.answers.normal import keys, normal_form
from thermolang.answers.numerals import fold
from thermolang.answers.quantities import Quantity, quantities
from thermolang.answers.wording import is_refusal, polarity

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
