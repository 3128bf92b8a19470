"""Conditions and exceptions of an answer: "yes, if it is unopened", "all except PDF", はい、未開封であれば.

``conditions_in`` reads an answer, and ``conditions_agree`` says between what P(same) of two answers can be. "Only if
A", "no, unless A" and "yes, if A" say the same, and so do "all but A" and "everything except A". The tables are in
``data/conditions.toml``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from thermolang.answers.rules.negation import negation
from thermolang.answers.rules.qualifiers import LIKELY, UNLIKELY
from thermolang.answers.rules.spelling import HAS_JAPANESE, fold
from thermolang.answers.rules.tables import pattern, read_table, word_set

_TABLE = read_table("conditions")
_EMPTY, _EVERYTHING = (
    frozenset(part for word in word_set(_TABLE[name]) for part in (word, negation(word)[1]))
    for name in ("empty", "everything")
)
_ENGLISH = {name: re.compile(pattern(written)) for name, written in _TABLE["english"].items()}
_JAPANESE = {name: re.compile(pattern(written)) for name, written in _TABLE["japanese"].items()}
_OPENING = re.compile(
    r"^\W*(?:yes|no|yeah|yep|nope|sure|ok|okay|certainly|of course|absolutely)\b[\s,.;:!-]*|^はい|^いいえ"
)
_CLAUSE = re.compile(r"[,.;:!?\n()、。！？（）]")  # noqa: RUF001
_MOST = 400
_SHARED = 0.6


@dataclass(frozen=True)
class Conditions:
    """What an answer depends on.

    Attributes:
        holds: Whether what it says holds if the condition is met (True) or is not (False); None without a condition.
        about: Words of the condition.
        without: Words of an exception.
        rest: Words of what the exception is taken from.
        including: Words of what is expressly included.
        goes_on: Words behind "but" and the like.
    """

    holds: bool | None = None
    about: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    rest: frozenset[str] = frozenset()
    including: frozenset[str] = frozenset()
    goes_on: frozenset[str] = frozenset()


NONE = Conditions()
"""An answer that holds in any case."""


def conditions_in(text: str, polarity: bool | None = None) -> Conditions:
    """Return what an answer depends on.

    Args:
        text: A short answer, in English or Japanese; a longer one has no conditions here.
        polarity: Whether it says yes or no, as ``replies.polarity`` reads it.

    Example:
        >>> read = conditions_in("No, unless the item is broken.", polarity=False)
        >>> read.holds, sorted(read.about)
        (True, ['break', 'item'])
        >>> conditions_in("all except PDF").without
        frozenset({'pdf'})
    """
    if len(text) > _MOST:
        return NONE
    folded = fold(text)
    return _japanese(folded, polarity) if HAS_JAPANESE.search(folded) else _english(folded, polarity)


def conditions_agree(
    a: Conditions, b: Conditions, question: frozenset[str] = frozenset()
) -> tuple[float, float, str] | None:
    """Return the least and the most that P(same) of two answers can be, and why; None if conditions do not matter.

    Args:
        a: Conditions of one answer.
        b: Conditions of the other.
        question: The question's words: a condition that the question gives may be left out.

    Example:
        >>> only, unless = conditions_in("Only with a receipt."), conditions_in("No, unless you have a receipt.", False)
        >>> conditions_agree(only, unless), conditions_agree(only, NONE)[1]
        ((0.6, 0.95, 'the same condition'), 0.35)
    """
    if a == b == NONE:
        return None
    asked = _asked(question)
    found = [_condition_limits(a, b, asked), _exception_limits(a, b, asked), _going_on_limits(a, b, asked)]
    known = [limits for limits in found if limits is not None]
    if not known:
        return None
    low, high = min(limits[0] for limits in known), min(limits[1] for limits in known)
    return min(low, high), high, min(known, key=lambda limits: limits[1])[2]


@functools.lru_cache(maxsize=1024)
def _asked(question: frozenset[str]) -> frozenset[str]:
    """Words of a question as ``Conditions`` has them: stems, and Japanese characters."""
    said = " ".join(sorted(question))
    return frozenset(negation(said)[1].split()) | question | frozenset(_JAPANESE["content"].findall(said))


def _condition_limits(a: Conditions, b: Conditions, question: frozenset[str]) -> tuple[float, float, str] | None:
    if a.holds is None and b.holds is None:
        return None
    if a.holds is None or b.holds is None:
        about = a.about | b.about
        if about and about <= question:
            return None
        return 0.0, UNLIKELY, "a condition in one of them"
    shared = _overlap(a.about, b.about)
    if shared < _SHARED:
        return 0.0, LIKELY if shared else UNLIKELY, "other conditions"
    if a.holds != b.holds:
        return 0.0, 0.2, "one holds if the other does not"
    return LIKELY, 0.95, "the same condition"


def _exception_limits(a: Conditions, b: Conditions, question: frozenset[str]) -> tuple[float, float, str] | None:
    if not a.without and not b.without:
        return None
    if not a.without or not b.without:
        without = a.without | b.without
        if without <= question:
            return None
        denied = _overlap(without, a.including | b.including) >= _SHARED
        return 0.0, 0.1 if denied else UNLIKELY, "an exception in one of them"
    if _overlap(a.without, b.without) < _SHARED:
        return 0.0, UNLIKELY, "other exceptions"
    same = a.rest == b.rest or (a.rest | b.rest) <= _EVERYTHING
    return (LIKELY, 0.95, "the same exception") if same else None


def _going_on_limits(a: Conditions, b: Conditions, question: frozenset[str]) -> tuple[float, float, str] | None:
    more = a.goes_on ^ b.goes_on
    if not more or more <= question:
        return None
    return 0.0, 0.7, "one of them goes on"


def _overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Share of the words of the shorter one that the other has."""
    return len(a & b) / min(len(a), len(b)) if a and b else float(a == b)


def _english(folded: str, polarity: bool | None) -> Conditions:
    opening = _OPENING.match(folded)
    start = opening.end() if opening and polarity is not None else 0
    if _ENGLISH["always"].search(folded):
        return NONE
    exception = _english_exception(folded)
    for kind in ("only", "unless", "if", "when"):
        match = _ENGLISH[kind].search(folded, start)
        if match is None or (kind == "when" and not _may_begin(folded, match, start, polarity)):
            continue
        if kind == "unless" and match[0] == "until" and polarity is None:
            continue
        denied, about = negation(_clause(folded, match.end()))
        words = frozenset(about.split()) - _EMPTY
        if not words:
            continue
        before = folded[: match.start()]
        negative = polarity is False or _ENGLISH["denied"].search(before[opening.end() if opening else 0 :]) is not None
        holds = True if kind == "only" else negative == (kind == "unless" or match[0] == "without")
        return Conditions(holds != denied, words, *exception)
    going = _ENGLISH["but"].match(folded, start) if start else None
    goes_on = frozenset(negation(folded[going.end() :])[1].split()) - _EMPTY if going else frozenset()
    return Conditions(None, frozenset(), *exception, goes_on)


def _may_begin(folded: str, match: re.Match[str], start: int, polarity: bool | None) -> bool:
    """Whether words such as "when" and "for" begin a condition: right after yes or no, or "when" at the very start."""
    between = folded[start : match.start()].strip()
    near = not between or re.fullmatch(r"(?:you|it|we|they|i|that|this|he|she)\s\S+|\w+", between) is not None
    if polarity is not None:
        return near and start > 0
    return match.start() == 0 and match[0] in {"when", "once", "whenever"}


def _clause(folded: str, start: int) -> str:
    end = _CLAUSE.search(folded, start)
    return folded[start : end.start() if end else len(folded)]


def _english_exception(folded: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Words of an exception, of what it is taken from, and of what is included."""
    match, more = _ENGLISH["exception"].search(folded), _ENGLISH["including"].search(folded)
    included = _words(folded[more.end() :]) if more and not _ENGLISH["of_amounts"].match(folded[more.end() :]) else None
    if match is None or _ENGLISH["of_amounts"].match(folded[match.end() :]):
        return frozenset(), frozenset(), included or frozenset()
    return _words(folded[match.end() :]), _words(folded[: match.start()]), included or frozenset()


def _words(folded: str) -> frozenset[str]:
    return frozenset(negation(folded)[1].split()) - _EMPTY


def _japanese(folded: str, polarity: bool | None) -> Conditions:
    said = "".join(folded.split())
    opening = _OPENING.match(said)
    said = said[opening.end() :].lstrip("、。, ") if opening else said
    said = _JAPANESE["no_condition"].sub("", said)
    exception = _japanese_exception(said)
    if _JAPANESE["always"].search(said):
        return Conditions(None, frozenset(), *exception)
    for kind in ("unless", "only", "if"):
        match = _JAPANESE[kind].search(said)
        if match is None:
            continue
        before = _CLAUSE.split(said[: match.start()])[-1]
        about = frozenset(_JAPANESE["content"].findall(before))
        if not about:
            continue
        negative = polarity is False or negation(said[match.end() :])[0]
        holds = True if kind == "only" else negative == (kind == "unless")
        return Conditions(holds, about, *exception)
    going = _JAPANESE["but"].match(said) if opening else None
    goes_on = frozenset(_JAPANESE["content"].findall(said[going.end() :])) if going else frozenset()
    return Conditions(None, frozenset(), *exception, goes_on)


def _japanese_exception(said: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    match, more = _JAPANESE["exception"].search(said), _JAPANESE["including"].search(said)
    included = _letters(said[: more.start()]) if more else frozenset()
    if match is None or said[: match.start()].endswith("場合"):
        return frozenset(), frozenset(), included
    rest = said[match.end() :].strip("のはをが、。です")
    return _letters(said[: match.start()]), frozenset({rest} - {""}), included


def _letters(said: str) -> frozenset[str]:
    return frozenset(_JAPANESE["content"].findall(_CLAUSE.split(said)[-1]))
