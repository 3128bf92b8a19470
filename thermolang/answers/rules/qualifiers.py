"""Qualifiers of amounts and dates: bounds, gains and losses, scope, and what an amount is counted for.

``marks_around`` reads the words beside a number: "at least" and 以上 are one mark, "per month" and 月額 another.
``marks_agree`` says how two sets of marks bear on each other. The tables are in ``data/qualifiers.toml``.
"""

from __future__ import annotations

import functools
import re
from typing import Literal

from thermolang.answers.rules.tables import any_of, by_word, pattern, read_table, word_set

LIKELY, UNLIKELY = 0.6, 0.35
"""P(same) of two amounts or dates that are the same in all but one respect, which may or may not matter."""

_TABLE = read_table("qualifiers")
_PER = _TABLE["per"]
_TIMES: dict[str, str] = by_word(_PER["times"])
_PEOPLE = word_set(_PER["people"]["person"])
_PARTS = {"times": any_of(w for w in _TIMES if w.isascii()), "people": any_of(w for w in _PEOPLE if w.isascii())}
_SOFT = word_set(_TABLE["soft"])
_CONTRARY = frozenset(frozenset(pair.split()) for pair in _TABLE["contrary"])
_ASKED = {mark: re.compile(written) for mark, written in _TABLE["asked"].items()}
_REACH, _MOST_MARKS = 36, 4


def _alternatives(*tables: str) -> str:
    marks = dict.fromkeys(mark for table in tables for mark in _TABLE[table])
    return "|".join(
        f"(?P<{mark}>{any_of(pattern(_TABLE[table][mark]) for table in tables if mark in _TABLE[table])})"
        for mark in marks
    )


_GAPS = {side: _TABLE["gaps"][side] for side in ("before", "after")}
_BEFORE = {
    kind: re.compile(rf"(?:(?<![a-z])|(?<=[^\x00-\x7f]))(?:{_alternatives(*tables)}){_GAPS['before']}$")
    for kind, tables in (("amount", ["before"]), ("date", ["before_date", "before"]))
}
_AFTER = {
    kind: re.compile(rf"{_GAPS['after']}(?:{_alternatives(*tables)})")
    for kind, tables in (("amount", ["after"]), ("date", ["after_date", "after"]))
}
_PER_AFTER = re.compile("|".join(pattern(_PER["patterns"][name], _PARTS) for name in ("noun", "adverb", "each")))
_PER_BEFORE = re.compile("|".join(pattern(_PER["patterns"][name]) for name in ("english", "japanese")))


def marks_around(
    folded: str, start: int, end: int, kind: Literal["amount", "date"] = "amount"
) -> tuple[frozenset[str], int, int]:
    """Return the marks of what stands at a place of a text, and the place with the words that are the marks.

    Args:
        folded: A text from ``digits.fold_math``.
        start: Where the amount or the date begins.
        end: Where it ends.
        kind: Which of the two it is: "by Friday" is a bound, "by 5 %" is none.

    Example:
        >>> marks_around("at least 5 years", 9, 16), sorted(marks_around("月額980円(税込)", 2, 6)[0])
        ((frozenset({'lower'}), 0, 16), ['per month', 'tax_in'])
    """
    found: set[str] = set()
    for _ in range(_MOST_MARKS):
        reach = max(0, start - _REACH)
        near = folded[reach:start].lower()
        if (match := _PER_BEFORE.search(near)) is not None:
            # "Every Monday" is Monday.
            found.add(_per(match) if kind == "amount" else "")
        elif (match := _BEFORE[kind].search(near)) is not None:
            found.add(match.lastgroup or "")
        else:
            break
        start = reach + match.start()
    for _ in range(_MOST_MARKS):
        near = folded[end : end + _REACH].lower()
        if kind == "amount" and (match := _PER_AFTER.match(near)) is not None:
            found.add(_per(match))
        elif (match := _AFTER[kind].match(near)) is not None:
            found.add(match.lastgroup or "")
        else:
            break
        end += match.end()
    return frozenset(found - {""}), start, end


def marks_agree(a: frozenset[str], b: frozenset[str], asked: frozenset[str] = frozenset()) -> float:
    """Return P(two equal amounts or dates mean the same) by their marks.

    Args:
        a: Marks of one.
        b: Marks of the other.
        asked: Marks that the question gives, so that one of the two may leave them out.

    Returns:
        1 if the marks are the same, 0 if one denies the other, ``LIKELY`` or ``UNLIKELY`` between.

    Example:
        >>> at_least, at_most, none = frozenset({"lower"}), frozenset({"upper"}), frozenset()
        >>> marks_agree(at_least, at_least), marks_agree(at_least, at_most), marks_agree(at_least, none)
        (1.0, 0.0, 0.35)
    """
    only_a, only_b = a - b, b - a
    if not only_a and not only_b:
        return 1.0
    if any(frozenset({x, y}) in _CONTRARY for x in only_a for y in only_b):
        return 0.0
    per_a, per_b = ({mark for mark in only if mark.startswith("per ")} for only in (only_a, only_b))
    level = _per_agree(per_a, per_b, asked, "total" in only_a | only_b) if per_a or per_b else LIKELY
    plain = (only_a | only_b) - per_a - per_b
    return min(level, LIKELY if plain <= _SOFT | asked else UNLIKELY)


def of_range(marks: frozenset[str]) -> frozenset[str]:
    """Return marks without the bounds that "from 3 to 5" and "3 to 5" share.

    Example:
        >>> of_range(frozenset({"start", "lower"})), of_range(frozenset({"lower"}))
        (frozenset({'start'}), frozenset({'lower'}))
    """
    return marks - {"lower", "upper"} if marks & {"start", "end"} else marks


@functools.lru_cache(maxsize=1024)
def asked_marks(question: frozenset[str]) -> frozenset[str]:
    """Return the marks that the words of a question give.

    Example:
        >>> asked_marks(frozenset({"what", "monthly", "discount"})) >= {"off", "per month"}
        True
    """
    said = " ".join(sorted(question))
    found = {mark for mark, written in _ASKED.items() if written.search(said)}
    for word, time in _TIMES.items():
        if word in question or (len(word) > 1 and not word.isascii() and word in said):
            found.add(f"per {time}")
    found |= {f"per {word.removesuffix('s')}" for word in question if word.isascii()}
    return frozenset(found | ({"per person"} if _PEOPLE & {w.removesuffix("s") for w in question} else set()))


def time_of(marks: frozenset[str]) -> str:
    """Return the time that an amount with these marks is counted for, in pint's words; "" if there is none.

    Example:
        >>> time_of(frozenset({"per month", "lower"})), time_of(frozenset({"per person"}))
        ('month', '')
    """
    times = [mark[4:] for mark in marks if mark.startswith("per ") and mark[4:] in _PER["times"]]
    return times[0] if len(times) == 1 and times[0] not in {"night", "quarter"} else ""


def _per(match: re.Match[str]) -> str:
    noun = next((text for text in match.groupdict().values() if text), "each")
    noun = re.sub("^[ヶカヵケ箇]月", "か月", noun.strip().replace("p.a.", "annum").replace("per annum", "annum"))
    single = noun if noun in _TIMES or noun in _PEOPLE else noun.removesuffix("s")
    return f"per {_TIMES.get(single) or ('person' if single in _PEOPLE else single)}"


def _per_agree(a: set[str], b: set[str], asked: frozenset[str], total: bool) -> float:
    if total:
        return 0.0
    if a and b:
        times = [{mark[4:] for mark in per} & set(_PER["times"]) for per in (a, b)]
        if all(times):
            return 0.0
        return LIKELY if "per each" in a | b and not any(times) else UNLIKELY
    return LIKELY if a | b <= asked | {"per each"} else UNLIKELY
