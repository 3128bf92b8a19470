"""The answer within what a model wrote: run-on texts, final numbers, letters of options.

Words are in ``data/grading.toml``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from thermolang.answers.rules.spelling import fold_signs
from thermolang.answers.rules.tables import pattern, read_table

_TABLE = read_table("grading")
_NEXT_QUESTION = re.compile(pattern(_TABLE["next_question"]), re.IGNORECASE)
_FINAL_NUMBER = re.compile(r"####\s*([-+$€£¥]?\s?\d[^\n]*)")
_OPTION = re.compile(
    r"\W{0,3}(?:(?:the )?(?:(?:correct|right|final|best) )?(?:answer|option|choice)(?: is)?\s?:?\s?)?\W{0,2}"
    r"([a-j])(?:[)\].:、．：]|\W{0,3}$)"  # noqa: RUF001
)
_JAPANESE_OPTION = re.compile(r"[(（「\s]{0,2}(?:([①-⑳])|([ア-オ])(?=[)）」、.．:：\s]|$))")  # noqa: RUF001
_LABELLED = re.compile(r"\W{0,2}([A-Ja-j])[).:]\s+(?=\S)")


def first_answer(answer: str) -> str:
    r"""Return what a run-on answer says before it puts itself another question, or the number behind its first "####".

    Example:
        >>> first_answer("10\n\nPassage: In 1990 there were 300."), first_answer("2 + 3 = 5\n#### 5\n\n#### 9")
        ('10', '5')
    """
    following = _NEXT_QUESTION.search(answer)
    first = answer[: following.start()] if following and answer[: following.start()].strip() else answer
    final = _FINAL_NUMBER.search(first)
    return final[1] if final else first.rstrip()


def is_option(alias: str) -> bool:
    """Return whether an accepted answer is nothing but the letter or sign of an option."""
    bare = alias.strip()
    return len(bare) == 1 and (_OPTION.fullmatch(bare.lower()) or _JAPANESE_OPTION.fullmatch(bare)) is not None


def option_of(text: str) -> str:
    """Return the letter or sign of the option that an answer begins with; empty if it begins with none.

    Example:
        >>> option_of("A) Paris"), option_of("The answer is (B)."), option_of("②大阪"), option_of("A banana")
        ('a', 'b', '②', '')
    """
    japanese = _JAPANESE_OPTION.match(text)
    if japanese:
        return str(japanese[1] or japanese[2])
    found = _OPTION.match(fold_signs(text))
    return found[1] if found else ""


def with_options(answers: Sequence[str]) -> list[str]:
    """Return accepted answers, and the text of the option for those such as "A) Paris"."""
    texts = [alias[found.end() :] for alias in answers if (found := _LABELLED.match(alias))]
    return [*answers, *texts]
