"""Word tables: the TOML files in the folder ``data``, and the few ways in which their texts are read.

Three kinds of text stand in the tables: *words*, with blanks or line breaks between them; *phrases*, with commas
between them; and *regular expressions*, in single quotes, which may be broken into several lines and may name a part
of the table as ``{part}``.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# A quantifier of a regular expression, such as {0,40}, has no letters.
_PART = re.compile(r"\{([a-z_]+)\}")


@cache
def read_table(name: str) -> dict[str, Any]:
    """Return the content of one data file; it is read once, so nobody may change it.

    Args:
        name: The file's name without ``.toml``.

    Example:
        >>> read_table("names")["nicknames"][1]
        'robert bob bobby rob'
    """
    file = resources.files("thermolang.answers.rules").joinpath("data", f"{name}.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text, which have blanks or line breaks between them.

    Example:
        >>> sorted(word_set("yes yeah  yep"))
        ['yeah', 'yep', 'yes']
    """
    return frozenset(text.split())


def phrase_list(text: str) -> list[str]:
    """Return the phrases of a text, which have commas between them, in order; line breaks count as blanks.

    Example:
        >>> phrase_list("of course, no doubt, right")
        ['of course', 'no doubt', 'right']
    """
    return [" ".join(phrase.split()) for phrase in text.split(",") if phrase.strip()]


def by_word(table: Mapping[str, str]) -> dict[str, str]:
    """Turn a table around: from "entry = its words" to a map from each word to its entry.

    Example:
        >>> by_word({"rise": "rose risen", "go": "went"})
        {'rose': 'rise', 'risen': 'rise', 'went': 'go'}
    """
    return {word: entry for entry, listed in table.items() for word in listed.split()}


def any_of(patterns: Iterable[str]) -> str:
    """Return a regular expression that matches whatever one of several does; the first that fits counts.

    Example:
        >>> any_of(["ten", "five"])
        '(?:ten|five)'
    """
    return f"(?:{'|'.join(patterns)})"


def pattern(text: str | Sequence[str], parts: Mapping[str, str | Sequence[str]] | None = None) -> str:
    """Return a regular expression of a table in one line, with its parts put in.

    Args:
        text: The expression; several are alternatives. Line breaks and the blanks that begin a line do not count.
        parts: What ``{name}`` stands for; a part may name other parts.

    Raises:
        KeyError: A part is named that is not there.

    Example:
        >>> pattern("no {what}", {"what": ["idea", "clue"]})
        'no idea|clue'
    """
    joined = text if isinstance(text, str) else "|".join(text)
    in_one_line = "".join(line.lstrip() for line in joined.splitlines())
    return _PART.sub(lambda match: pattern((parts or {})[match[1]], parts), in_one_line)


def replacements(rows: Sequence[Sequence[str]], flags: int = 0) -> tuple[tuple[re.Pattern[str], str], ...]:
    r"""Return compiled expressions and what to put in their place, in the order of a table's rows.

    Args:
        rows: A regular expression and its replacement each.
        flags: As ``re.compile`` takes them.

    Example:
        >>> ((found, instead),) = replacements([[r"\bgrey", "gray"]])
        >>> found.sub(instead, "greyer")
        'grayer'
    """
    return tuple((re.compile(pattern(written), flags), instead) for written, instead in rows)
