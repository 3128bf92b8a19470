"""Which column is the question, which the answer: told by their names, or named by the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from thermolang.errors import InvalidInputError, TaskFormatError

Row = dict[str, Any]
"""Names of columns, and what stands in them: JSON values."""


class TableRow(Row):
    """A row of a table whose cells hold one text or number each; several texts in a cell are separated by ``|``."""


Columns = Mapping[str, str]
"""What a column is -> its name in the file."""

NAMES: dict[str, tuple[str, ...]] = {
    "question": ("question", "prompt", "input", "problem", "質問"),
    "answers": ("answers", "answer", "target", "回答"),
    "choices": ("choices", "options"),
    "context": ("context", "passage"),
}
"""What a column is, and the names it is told by, in any case; the first that is there counts."""

_ONE_ANSWER = ("answer", "answers", "target", "回答")
"""The same for the answer of a question with choices, and for one that is to be scored."""

SHOWN = 12
"""Names of columns that an error lists."""


def given_columns(text: str) -> dict[str, str]:
    """Read what the user says about columns, such as ``"question=Q,answers=A"``.

    Raises:
        InvalidInputError: It is of another form, or names something that a column cannot be.

    >>> given_columns("question=Frage, answers=Antwort")
    {'question': 'Frage', 'answers': 'Antwort'}
    """
    parts = [part.partition("=") for part in text.split(",")]
    found = {what.strip(): name.strip() for what, _, name in parts}
    known = [*NAMES, "answer"]
    if len(found) != len(parts) or not all(found.values()) or not found.keys() <= set(known):
        msg = f"{text!r}: pairs such as question=Q,answers=A are expected; before = stands one of {', '.join(known)}"
        raise InvalidInputError(msg)
    return found


def named(names: Iterable[str], columns: Columns, *, one_answer: bool = False) -> dict[str, str]:
    """Find out what the columns of a file are.

    Args:
        names: The columns' names.
        columns: Those that the user named; they come before names that are only likely.
        one_answer: Whether ``answer`` comes before ``answers``, as it does beside choices.

    Returns:
        What a column is -> its name, for those that are there; ``answer`` and ``answers`` are both "answers".
    """
    there = list(names)
    folded = {name.strip().casefold(): name for name in reversed(there)}
    given = {("answers" if what == "answer" else what): name for what, name in columns.items()}
    found = {}
    for what, known in NAMES.items():
        likely = _ONE_ANSWER if what == "answers" and one_answer else known
        name = given.get(what) or next((folded[n] for n in likely if n in folded), None)
        if name in there:
            found[what] = name
    return found


def values(row: Row, columns: Columns, *, one_answer: bool = False) -> Row:
    """What stands in the columns of a row, by what they are.

    Args:
        row: The row; the cells of a ``TableRow`` are texts, and those of several answers or choices lists of texts.
        columns: As in ``named``.
        one_answer: As in ``named``.
    """
    found = {}
    for what, name in named(row, columns, one_answer=one_answer).items():
        value = row[name]
        if isinstance(row, TableRow) and isinstance(value, str | int | float) and not isinstance(value, bool):
            several = columns.get("answers") == name or name.strip().casefold() == "answers"
            cut = what == "choices" or (what == "answers" and several and not one_answer)
            value = str(value).split("|") if cut else str(value)
        found[what] = value
    return found


def require_columns(place: str, names: Iterable[str], columns: Columns) -> None:
    """Check that the columns which the user named are there.

    Raises:
        TaskFormatError: Naming one that is not, and those that are.
    """
    there = list(names)
    if missing := next((name for name in columns.values() if name not in there), None):
        msg = f"{place}: there is no column {missing!r}, only {listed(there)}"
        raise TaskFormatError(msg)


def told(names: Iterable[str], columns: Columns, *, one_answer: bool = False) -> str:
    """Say what was taken for what, and what is not used; of answers that are scored, all else is kept.

    >>> told(["id", "質問", "回答"], {})
    'question: 質問, answers: 回答; not used: id'
    """
    there = list(names)
    found = named(there, columns, one_answer=one_answer)
    rest = [name for name in there if name not in found.values()]
    more = ", ..." if len(rest) > SHOWN else ""
    unused = f"; not used: {', '.join(rest[:SHOWN])}{more}" if rest and not one_answer else ""
    return ", ".join(f"{what}: {name}" for what, name in found.items()) + unused


def listed(names: Iterable[Any]) -> str:
    """Names of columns for an error: sorted, and not hundreds of them.

    >>> listed(["b", "a"])
    "['a', 'b']"
    """
    found = sorted(map(str, names))
    return str(found) if len(found) <= SHOWN else f"{found[:SHOWN]} and {len(found) - SHOWN} more"
