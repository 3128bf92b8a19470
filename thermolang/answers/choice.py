"""Which of a few options an answer names."""

from __future__ import annotations

from collections.abc import Sequence


def given_choice(answer: str, choices: Sequence[str]) -> int | None:
    """Index of the option that an answer is, or begins with as a word; None if it is none of them.

    >>> given_choice("B) Paris", ["A", "B"])
    1
    >>> given_choice("C++ of course", ["C", "C++"])
    1
    >>> given_choice("Bordeaux", ["A", "B"]) is None
    True
    """
    text = answer.strip()
    meant = [i for i, choice in enumerate(choices) if _names(text, choice)]
    # Of "C" and "C++" the longest is meant, and of "a" and "A" the one in the same case.
    return max(meant, key=lambda i: (len(choices[i]), text.startswith(choices[i].strip())), default=None)


def _names(answer: str, choice: str) -> bool:
    answer, choice = answer.casefold(), choice.strip().casefold()
    return answer.startswith(choice) and not answer[len(choice) : len(choice) + 1].isalnum()
