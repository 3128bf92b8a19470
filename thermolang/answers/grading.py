"""Graders of free-form answers: is an answer right, given the accepted answers? Rules that a person can check.

``is_right`` is the rule that labels training data. An answer is right if, after ``spelling.normalize``, it equals an
accepted answer (an alias). A longer answer is right if it contains an alias as a whole phrase and says so:

- *Denied*: "not", "never", ... earlier in the same sentence, or "is not" right after, makes it wrong.
- *One of several*: an alias joined by "or", "and", "&" or "/" to something else, or standing in a list of three or
  more, makes it wrong, unless every other item is an alias too.
- *Numbers*: an alias that is a number is compared by value with the last number of the answer; number words up to one
  hundred count only if the answer has no digits.
- *Short aliases* (one or two Latin letters, such as "K" or "He") must end the answer or stand before a punctuation
  mark, because "a", "in" and "he" are words.
- *Japanese and Chinese* have no spaces: an alias may stand inside the text, but not inside a longer word of the same
  script (インド is not in インドネシア).

``GRADERS`` has other rules by name, and words are in ``data/grading.toml``.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from thermolang.answers.rules.dates import DATE_FIELDS, PartialDateTime, dates_agree
from thermolang.answers.rules.guards import Facts, facts
from thermolang.answers.rules.digits import fold_math
from thermolang.answers.rules.numerals import SMALL_NUMBERS, TENS, VALUES
from thermolang.answers.rules.quantities import Quantity, same_quantity
from thermolang.answers.rules.spelling import (
    HAS_JAPANESE,
    KANJI,
    KATAKANA,
    cut_japanese,
    fold_signs,
    normalize,
    split_words,
)
from thermolang.answers.rules.tables import any_of, pattern, read_table, word_set
from thermolang.errors import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from thermolang.answers.equivalence import Equivalence

Grader: TypeAlias = Callable[[str, Sequence[str], str], float]
"""Answer, accepted answers, question -> score in [0, 1]."""

_T = TypeVar("_T", Quantity, PartialDateTime)

_TABLE = read_table("grading")
_VERBS = word_set(_TABLE["verbs"])
_DENIALS = word_set(_TABLE["denials"]) | {f"{verb}nt" for verb in _VERBS}
_DENIALS_AFTER = _DENIALS - word_set(_TABLE["only_before"])
_SENTENCE_END = re.compile(r"[.!?。\n](?:\s|$)")
_JAPANESE_DENIAL = re.compile(f"^{_TABLE['japanese']['denial']}")
_JAPANESE_OR = re.compile(_TABLE["japanese"]["or"])
_LIMIT_BEFORE = re.compile(rf"(?:{_TABLE['limits_before']})(?:\s(?:in|on|at|about|the))?\s?$", re.IGNORECASE)
_LIMIT_AFTER = re.compile(rf"\s?{any_of([pattern(_TABLE['limits_after'])])}")

_NUMBER = re.compile(
    r"(?<![a-z\d.,])(?P<sign>(?<![\w)\]])-)?(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
)
_NUMBER_WORDS = re.compile(
    rf"\b(?P<tens>{'|'.join(TENS)})(?:[\s-]+(?P<unit>{'|'.join(SMALL_NUMBERS[1:10])}))?\b"
    rf"|\b(?:(?:a|one)\s+)?(?P<hundred>hundred)\b|\b(?P<small>{'|'.join(SMALL_NUMBERS)})\b"
)


def is_right(answer: str, answers: Sequence[str]) -> bool:
    """Return whether an answer gives one of the accepted answers; the module's docstring has the rules.

    Args:
        answer: What the model said.
        answers: Accepted answers (aliases).

    Example:
        >>> is_right("The capital of France is Paris.", ["Paris"]), is_right("It is not Paris.", ["Paris"])
        (True, False)
    """
    folded = fold_signs(answer)
    given = normalize(answer)
    if not given:
        return False
    values = {alias: _number(fold_signs(alias)) for alias in answers if normalize(alias)}
    if any(value is not None and _says_number(folded, value) for value in values.values()):
        return True
    texts = [alias for alias, value in values.items() if value is None]
    if any(normalize(alias) == given for alias in texts):
        return True
    return _says_phrase(folded, [split_words(fold_signs(alias))[0] for alias in texts])


def given_choice(answer: str, choices: Sequence[str]) -> int | None:
    """Return the index of the option that an answer is, or begins with as a word; None if it is none of them.

    Example:
        >>> given_choice("B) Paris", ["A", "B"]), given_choice("C++ of course", ["C", "C++"])
        (1, 1)
        >>> given_choice("Bordeaux", ["A", "B"]) is None
        True
    """
    text = answer.strip()
    meant = [i for i, choice in enumerate(choices) if _names(text, choice)]
    # Of "C" and "C++" the longest is meant, and of "a" and "A" the one in the same case.
    return max(meant, key=lambda i: (len(choices[i]), text.startswith(choices[i].strip())), default=None)


def rouge_l(answer: str, answers: Sequence[str]) -> float:
    """Return the ROUGE-L F-measure (Lin, 2004) against all accepted answers in one line, in [0, 1], with stemming.

    Thermometer's released code counts an answer right if this is above 0, that is, if any word is shared. Far more
    lenient than ``is_right``; it stands beside it for comparison with the paper.

    Raises:
        MissingExtraError: ``rouge-score`` is not installed.

    Example:
        >>> round(rouge_l("It is Paris", ["Paris"]), 2), rouge_l("Rome", ["Paris"])
        (0.5, 0.0)
    """
    scorer = require("rouge_score.rouge_scorer", "eval").RougeScorer(["rougeL"], use_stemmer=True)
    return float(scorer.score(" ".join(answers), answer)["rougeL"].fmeasure)


def exact_match(answer: str, answers: Sequence[str], question: str = "") -> float:
    """Return 1 if the answer equals an alias after ``spelling.normalize``, else 0.

    Example:
        >>> exact_match("The Beatles!", ["beatles"]), exact_match("It was the Beatles", ["beatles"])
        (1.0, 0.0)
    """
    given = normalize(answer)
    return float(bool(given) and any(normalize(alias) == given for alias in answers))


def alias_match(answer: str, answers: Sequence[str], question: str = "") -> float:
    """Return 1 if the answer gives an alias by the rules of ``is_right``, else 0.

    Example:
        >>> alias_match("It was the Beatles", ["beatles"]), alias_match("Not the Beatles", ["beatles"])
        (1.0, 0.0)
    """
    return float(is_right(answer, answers))


def token_f1(answer: str, answers: Sequence[str], question: str = "") -> float:
    """Return the best F1 of the words shared with an alias (SQuAD; Rajpurkar et al., 2016), after ``normalize``.

    Japanese and Chinese text is cut into words by SudachiPy, or into characters if that is not installed.

    Example:
        >>> token_f1("the Norman king", ["king Harold", "a king"])
        0.6666666666666666
    """
    given = Counter(_tokens(answer))
    return max((_f1(given, Counter(_tokens(alias))) for alias in answers), default=0.0)


def amount_match(answer: str, answers: Sequence[str], question: str = "") -> float:
    """Return 1 if the answer states the amount or the date that an alias is, else 0.

    An alias counts only if it is nothing but amounts or dates, up to words such as "about" or "years". Units are
    converted, number words and kanji are read; a date may say more than the alias (4 July 1976 for 1976). A short
    answer with another amount of the same sort, or another date, is wrong, unless that one stands in the question.
    So are a denied amount and a limit ("not 12", "before 1995") for the amount itself.

    Example:
        >>> amount_match("It is about five thousand metres.", ["5 km"]), amount_match("5 or 6", ["5"])
        (1.0, 0.0)
        >>> amount_match("三千万円です", ["30 million yen"]), amount_match("4th of July, 1976", ["1976"])
        (1.0, 1.0)
    """
    said = facts(answer)
    if not (said.quantities or said.dates) or (said.negated and not said.bare and not said.is_long):
        return 0.0
    asked = facts(question)
    return float(any(_states(said, facts(alias), asked) for alias in answers))


def combined(answer: str, answers: Sequence[str], question: str = "") -> float:
    """Return 1 if ``alias_match`` or ``amount_match`` does, else 0.

    Example:
        >>> combined("Paris, of course", ["Paris"]), combined("5,000 m", ["5 km"]), combined("Rome", ["Paris", "5"])
        (1.0, 1.0, 0.0)
    """
    return max(alias_match(answer, answers, question), amount_match(answer, answers, question))


def equivalent(equivalence: Equivalence) -> Grader:
    """Make a grader of an ``Equivalence``: the best P(same) of the answer and an alias.

    Args:
        equivalence: Compares the answers; its embedder is loaded when the grader is first used.

    Example:
        >>> from thermolang.answers.equivalence import Equivalence
        >>> grade = equivalent(Equivalence(None))
        >>> grade("5,000 m", ["5 km"], ""), grade("Rome", ["", "5 km"], "") < 0.5
        (1.0, True)
    """

    def grade(answer: str, answers: Sequence[str], question: str = "") -> float:
        if not answer.strip():
            return 0.0
        best = 0.0
        for alias in dict.fromkeys(answers):
            if alias.strip() and best < 1:
                best = max(best, equivalence.same(answer, alias, question))
        return best

    return grade


GRADERS: Mapping[str, Grader] = MappingProxyType(
    {
        "exact_match": exact_match,
        "token_f1": token_f1,
        "alias_match": alias_match,
        "amount_match": amount_match,
        "combined": combined,
    }
)
"""The graders that need no model, by name."""


def _names(answer: str, choice: str) -> bool:
    answer, choice = answer.casefold(), choice.strip().casefold()
    return answer.startswith(choice) and not answer[len(choice) : len(choice) + 1].isalnum()


def _number(folded: str) -> Decimal | None:
    """Value of a text that is nothing but a number."""
    text = folded.strip()
    match = _NUMBER.fullmatch(text)
    return _value(match) if match else None


def _value(match: re.Match[str]) -> Decimal:
    value = Decimal(match["digits"].replace(",", ""))
    return -value if match["sign"] else value


def _says_number(folded: str, value: Decimal) -> bool:
    digits = list(_NUMBER.finditer(folded))
    found = digits or list(_NUMBER_WORDS.finditer(folded))
    if not found:
        return False
    last = found[-1]
    said = _value(last) if digits else _word_value(last)
    before = split_words(folded[: last.start()])
    choice_of_two = bool(before[0]) and before[0][-1] == "or"
    return said == value and not choice_of_two and not _denied_before(*before)


def _word_value(match: re.Match[str]) -> Decimal:
    if match["hundred"]:
        return Decimal(100)
    if match["small"]:
        return Decimal(VALUES[match["small"]])
    return Decimal(VALUES[match["tens"]] + VALUES.get(match["unit"] or "zero", 0))


def _says_phrase(folded: str, aliases: list[list[str]]) -> bool:
    words, gaps = split_words(folded)
    spans = sorted((s for alias in aliases for s in _find(words, gaps, alias)), key=lambda s: (s[0], -s[1]))
    sure = [s for s in spans if not _denied_before(words[: s[0]], gaps[: s[0] + 1]) and not _denied_after(words, s)]
    if sure and not _one_of_several(words, gaps, spans):
        return True
    return any(_inside_japanese(folded, "".join(alias)) for alias in aliases)


def _find(words: list[str], gaps: list[str], alias: list[str]) -> Iterator[tuple[int, int]]:
    short = len(alias) == 1 and len(alias[0]) <= 2 and alias[0].isascii() and alias[0].isalpha()
    for start in range(len(words) - len(alias) + 1):
        end = start + len(alias)
        ends = end == len(words) or gaps[end].strip() != ""
        if words[start:end] == alias and (ends or not short):
            yield start, end


def _denied_before(words: list[str], gaps: list[str]) -> bool:
    """Whether a denial stands in the sentence that the words end in; the last gap is the one after them."""
    for word, gap in zip(reversed(words), reversed(gaps), strict=False):
        if _SENTENCE_END.search(gap):
            return False
        if word in _DENIALS:
            return True
    return False


def _denied_after(words: list[str], span: tuple[int, int]) -> bool:
    after = words[span[1] : span[1] + 2]
    return bool(after) and ((after[0] in _VERBS and after[-1] == "not") or after[0] in _DENIALS_AFTER)


def _one_of_several(words: list[str], gaps: list[str], spans: list[tuple[int, int]]) -> bool:
    """Whether the spans of aliases are items of a list that has other items too."""
    inside = {i for start, end in spans for i in range(start, end)}
    items = _segments(words, gaps, inside)
    foreign = [item for item in items if not inside.intersection(range(*item))]
    if len(items) >= 3 and foreign and all(end - start <= 3 for start, end in items[1:]):
        return True
    return any(_joined(words, gaps, span, inside) for span in spans)


def _segments(words: list[str], gaps: list[str], inside: set[int]) -> list[tuple[int, int]]:
    """Ranges of words between commas, semicolons, line breaks and "and"; never cut within an alias."""
    cuts = [0]
    for i, word in enumerate(words):
        within = i in inside and i - 1 in inside
        if not within and (re.search(r"[,;\n]", gaps[i]) or word in {"and", "or"}):
            cuts.append(i)
    cuts.append(len(words))
    return [(start, end) for start, end in itertools.pairwise(cuts) if end > start]


def _joined(words: list[str], gaps: list[str], span: tuple[int, int], inside: set[int]) -> bool:
    """Whether "or", "and", "&" or "/" ties an alias to something that is no alias."""
    start, end = span
    before = start > 0 and ("/" in gaps[start] or "&" in gaps[start]) and start - 1 not in inside
    after = end < len(words) and ("/" in gaps[end] or "&" in gaps[end]) and end not in inside
    if start > 1 and words[start - 1] in {"or", "and"} and start - 1 not in inside:
        ends_there = end == len(words) or bool(re.search(r"[.,;\n]", gaps[end]))
        before = start - 2 not in inside and (ends_there or words[start - 1] == "or")
    if end + 1 < len(words) and words[end] in {"or", "and"} and end not in inside:
        rest = next((i for i in range(end + 1, len(words)) if re.search(r"[.,;\n]", gaps[i])), len(words))
        after = end + 1 not in inside and (rest - end - 1 <= 2 or words[end] == "or")
    return before or after


def _inside_japanese(folded: str, alias: str) -> bool:
    if not HAS_JAPANESE.search(alias):
        return False
    text = "".join(folded.split())
    for match in re.finditer(re.escape(alias), text):
        before, after = text[: match.start()], text[match.end() :]
        grown = _same_script(before[-1:], alias[0]) or _same_script(alias[-1], after[:1])
        listed = _JAPANESE_OR.match(after) or _JAPANESE_OR.search(before[-4:])
        if not grown and not listed and not _JAPANESE_DENIAL.match(after):
            return True
    return False


def _same_script(left: str, right: str) -> bool:
    return bool(left and right) and any(
        re.match(f"[{script}]", left) and re.match(f"[{script}]", right) for script in (KATAKANA, KANJI)
    )


def _f1(given: Counter[str], wanted: Counter[str]) -> float:
    return 2 * (given & wanted).total() / max(given.total() + wanted.total(), 1)


def _tokens(text: str) -> list[str]:
    words = normalize(text).split()
    return [token for word in words for token in (_cut(word) if HAS_JAPANESE.search(word) else [word])]


def _cut(word: str) -> list[str]:
    """Words of a text without spaces, or its characters."""
    cut = cut_japanese(word, "A", lambda morpheme: str(morpheme.surface()))
    return list(word) if cut is None else cut


def _states(said: Facts, alias: Facts, asked: Facts) -> bool:
    """Whether an answer states the amounts, or the dates, that an alias is."""
    if not alias.bare:
        return False
    # A lone year is both an amount and a date.
    amounts, dates = {q.span for q in alias.quantities}, {m.span for m in alias.dates}
    if dates and said.dates and amounts <= dates:
        verdict = _states_dates(said, alias, asked)
        if verdict is not None:
            return verdict
    return bool(amounts) and dates <= amounts and _states_amounts(said, alias, asked)


def _states_dates(said: Facts, alias: Facts, asked: Facts) -> bool | None:
    """True or False, or None if the dates of the answer say nothing about those of the alias."""
    for date in said.dates if not said.is_long else ():
        in_question = any(dates_agree(date, other) for other in asked.dates)
        if not in_question and all(dates_agree(date, wanted) is False for wanted in alias.dates):
            return False
    given = _unlimited(said, said.dates)
    return _in_order(alias.dates, given, _gives) or None


def _gives(wanted: PartialDateTime, said: PartialDateTime) -> bool:
    """Whether a date is the wanted one, or says more."""
    verdict = dates_agree(said, wanted)
    if verdict is None:
        unknown: dict[str, Any] = {name: None for name in DATE_FIELDS if getattr(wanted, name) is None}
        kept = replace(said, **unknown, twelve_hour=said.twelve_hour or wanted.twelve_hour)
        verdict = dates_agree(kept, wanted)
    return verdict is True


def _states_amounts(said: Facts, alias: Facts, asked: Facts) -> bool:
    given = _unlimited(said, said.quantities)
    if not _in_order(alias.quantities, given, same_quantity):
        return False
    if said.is_long:
        return True
    known = (*alias.quantities, *asked.quantities)
    others = [q for q in said.quantities if not any(same_quantity(q, k) for k in known)]
    stated = [q for q in given if any(same_quantity(q, w) for w in alias.quantities)]
    return not any(_rivals(other, one) for other in others for one in stated)


def _rivals(a: Quantity, b: Quantity) -> bool:
    """Whether two amounts could answer one question: "12 or 13", but not "12 in 1945" or "5 km in 20 minutes"."""
    if a.dimension != b.dimension or a.ordinal != b.ordinal or bool(a.unit) != bool(b.unit):
        return False
    return _looks_like_year(a) == _looks_like_year(b)


def _looks_like_year(quantity: Quantity) -> bool:
    bare = not quantity.unit and not quantity.ordinal and quantity.span[1] - quantity.span[0] == 4
    return bare and quantity.value in range(1000, 2100)


def _unlimited(said: Facts, found: Sequence[_T]) -> list[_T]:
    """What an answer states, without what it only sets a limit to or denies."""
    text = fold_math(said.text)
    return [
        one
        for one in found
        if not _LIMIT_BEFORE.search(text[max(0, one.span[0] - 24) : one.span[0]])
        and not _LIMIT_AFTER.match(text, one.span[1])
    ]


def _in_order(wanted: Sequence[_T], given: Sequence[_T], same: Callable[[_T, _T], bool]) -> bool:
    """Whether all that is wanted is given, in that order: 3-1 is not 1-3."""
    rest = iter(given)
    return all(any(same(one, other) for other in rest) for one in wanted)
