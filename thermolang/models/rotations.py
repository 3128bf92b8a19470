"""Rotated orders of the options of a multiple-choice question, and the average of what a model thinks of them.

A model has a liking for some letters, whatever stands behind them (Zheng et al., ICLR 2024, arXiv 2309.03882). Over all
rotations each option stands behind each letter once, so that a liking which adds the same to a letter's logit in every
order adds the same to every option, and cancels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from thermolang.errors import InvalidInputError
from thermolang.types import Message, OptionScores

Item = TypeVar("Item")


def shifts(options: int, rotations: int) -> list[int]:
    """By how many places the options are moved in each order: evenly spaced, beginning with the given order.

    >>> shifts(4, 4), shifts(5, 2)
    ([0, 1, 2, 3], [0, 2])

    Raises:
        InvalidInputError: ``rotations`` is no whole number from 1 to the number of options.
    """
    if not isinstance(rotations, int) or not 1 <= rotations <= max(options, 1):
        msg = f"rotations is the number of orders to average over, 1 to {max(options, 1)} for {options} choices"
        raise InvalidInputError(f"{msg}, not {rotations!r}")
    return [i * options // rotations for i in range(rotations)]


def check_rotations(rotations: int, choices: Sequence[str] | None) -> None:
    """Refuse to average over orders where there are not so many.

    Raises:
        InvalidInputError: ``rotations`` is no whole number from 1 to the number of choices, or above 1 without choices.
    """
    shifts(len(choices or ()), rotations)


def rotated(items: Sequence[Item], shift: int) -> tuple[Item, ...]:
    """The items from place ``shift`` on, then those before it."""
    return (*items[shift:], *items[:shift])


def with_rotated_options(messages: Sequence[Message], choices: Sequence[str], shift: int) -> list[Message]:
    """The conversation with the texts of its options moved on behind letters that stay where they are.

    Args:
        messages: Its last user message holds a line for each option, one below the other: the choice, one of ``. ) :``
            and the text, such as ``A. Tokyo``. Of several such blocks the last one is meant.
        choices: What the lines begin with.
        shift: Behind choice j stands the text of option j + shift.

    Raises:
        InvalidInputError: There are no such lines.
    """
    last = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=-1)
    asked = messages[last]["content"] if messages else ""
    blocks = list(_lines(choices).finditer(asked))
    if last < 0 or not blocks:
        msg = (
            "to average over orders of the options, the last user message must hold a line for each of them, such as "
            f"'{choices[0]}. text', in the order of the choices {list(choices)}: write it so, or leave rotations at 1"
        )
        raise InvalidInputError(msg)
    spans = [blocks[-1].span(i + 1) for i in range(len(choices))]
    ends = [0, *(end for _, end in spans)]
    kept = [asked[end:start] for end, (start, _) in zip(ends, spans, strict=False)]
    texts = rotated([asked[start:end] for start, end in spans], shift)
    content = "".join(part for pair in zip(kept, texts, strict=True) for part in pair) + asked[ends[-1] :]
    return [*messages[:last], {**messages[last], "content": content}, *messages[last + 1 :]]


def _lines(choices: Sequence[str]) -> re.Pattern[str]:
    # Japanese prompts write brackets, stops, colons and blanks in full width.
    begin, end = r"[(\uff08]?", r"[.):\uff0e\uff09\uff1a\u3001][ \t\u3000]*"
    lines = [rf"{begin}{re.escape(choice)}{end}(\S[^\n]*?)" for choice in choices]
    return re.compile(r"^[ \t]*" + r"[ \t\r]*\n\s*".join(lines) + r"[ \t\r]*$", re.MULTILINE)


def averaged(scores: Sequence[OptionScores], moved: Sequence[int]) -> OptionScores:
    """Scores of the options over several orders: the mean of their log-probabilities, up to a constant.

    Args:
        scores: Of each order, in the order that it shows; the given order first.
        moved: By how many places the options were moved in each.

    Returns:
        Scores in the given order, with the hidden state of that order.
    """
    # Place j of an order shows option j + shift.
    logits = np.mean([np.roll(s.logits, shift) for s, shift in zip(scores, moved, strict=True)], axis=0)
    return replace(
        scores[0],
        logits=logits,
        answer_mass=float(np.mean([s.answer_mass for s in scores])),
        tokens_computed=sum(s.tokens_computed for s in scores),
    )
