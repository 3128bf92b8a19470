"""Graders of free-form answers: is an answer right, given the accepted answers? Rules that a person can check.

``is_right`` is the rule that labels training data. An answer is right if, after ``spelling.normalize`` and without
accents, it equals an accepted answer (an alias). A longer answer is right if it contains an alias as a whole phrase and
says so:

- *Denied*: "not", "never", ... earlier in the same sentence, "other than" right before or "is not" right after makes it
  wrong; "not X but Y" says Y.
- *One of several*: an alias joined by "or", "and", "&" or "/" to something else, or standing in a list of three or
  more, makes it wrong, unless every other item is an alias too.
- *Numbers*: an alias that is a number is compared by value with the last number of the answer; number words up to one
  hundred count only if the answer has no digits.
- *Declined*: where every accepted answer declines ("The passage does not say."), an answer that declines is right and
  any other is wrong; ``rules.replies.is_refusal`` says which ones do.
- *Short aliases* (one or two Latin letters, such as "K" or "He") must end the answer or stand before a punctuation
  mark, because "a", "in" and "he" are words.
- *Japanese and Chinese* have no spaces: an alias may stand inside the text, but not inside a longer word of the same
  script (インド is not in インドネシア).
- *Lists*: an alias that is a list is meant in any order; no item may be missing, and none may be added.
- *Options*: an alias of one letter is an option. "A) Paris" says A, and an alias "A) Paris" is said by A and by Paris.
- *Run-on answers*: what follows another "Question:" or "Passage:" is not read, nor what follows "#### 18".

``GRADERS`` has other rules by name, and words are in ``data/grading.toml``.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from scipy.special import expit, logit

from thermolang.answers.equivalence import Equivalence
from thermolang.answers.rules.facts import facts
from thermolang.answers.rules.final import first_answer, is_option, option_of, with_options
from thermolang.answers.rules.numerals import SMALL_NUMBERS, TENS, VALUES
from thermolang.answers.rules.phrases import (
    contains,
    denied_before,
    folded_words,
    only_denies,
    plain_words,
    says_list,
    says_phrase,
)
from thermolang.answers.rules.replies import is_refusal
from thermolang.answers.rules.spelling import (
    HAS_JAPANESE,
    cut_japanese,
    fold_signs,
    normalize,
    split_words,
)
from thermolang.answers.rules.stated import states_alias
from thermolang.answers.rules.tables import read_table
from thermolang.errors import require

if TYPE_CHECKING:
    pass

Grader: TypeAlias = Callable[[str, Sequence[str], str], float]
"""Answer, accepted answers, question -> score in [0, 1]."""

MOST_LOG_ODDS = 6.0
"""Bound of the evidence of a meaning, so that a rule's 0 or 1 is strong evidence and not the only one."""

MOST_LENGTH = 3.0
"""Bound of the evidence of a length: from 20 times the length of an accepted answer, longer tells no more."""

PRODUCTS = (("meaning", "length"), ("said", "length"), ("contained", "length"), ("words", "length"))
"""Evidence that tells more or less in long answers."""

_TABLE = read_table("grading")

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
        >>> is_right("It is not mentioned in the text.", ["The passage does not say."])
        True
    """
    said = first_answer(answer)
    folded, given = folded_words(said), plain_words(said)
    if not given:
        return False
    if answers and all(is_refusal(alias) for alias in answers):
        return is_refusal(answer)
    values = {alias: _number(fold_signs(alias)) for alias in with_options(answers) if plain_words(alias)}
    if any(value is not None and _says_number(folded, value) for value in values.values()):
        return True
    texts = [alias for alias, value in values.items() if value is None]
    if any(plain_words(alias) == given for alias in texts) or any(says_list(said, alias) for alias in texts):
        return True
    if (option := option_of(said)) and any(map(is_option, [said.strip(" ()."), *texts])):
        return any(option_of(alias) == option for alias in texts)
    return says_phrase(folded, [split_words(folded_words(alias))[0] for alias in texts])


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
    said = facts(first_answer(answer))
    if not (said.quantities or said.dates) or (said.negated and not said.bare and not said.is_long):
        return 0.0
    asked = facts(question)
    return float(any(states_alias(said, facts(alias), asked) for alias in answers))


def combined(answer: str, answers: Sequence[str], question: str = "") -> float:
    """Return the probability, in [0, 1], that people call an answer right, from all that the graders find.

    A logistic regression on alias, amount, date, words and meaning, fitted to people's verdicts on half of the
    questions of EVOUNA-TriviaQA (Wang et al., 2023, arXiv 2305.12421) by ``python benchmarks/grading.py --fit``.
    Meaning is that of the default ``Equivalence``, which is loaded at first use.

    Example:
        >>> combined("Paris, of course", ["Paris"]) > 0.5, combined("Rome", ["Paris", "5"]) > 0.5
        (True, False)
    """
    return _weighed("combined", evidence(answer, answers, question, _default_equivalence()))


def equivalent(equivalence: Equivalence) -> Grader:
    """Make a grader of an ``Equivalence``: the probability that an answer means an alias, or says it beside more.

    A long answer and a short alias are not the same text, though the answer may be right. So P(same) is weighed with
    the difference of their lengths, and with whether an alias stands in the answer and is not denied; the weights are
    fitted as those of ``combined``.

    Args:
        equivalence: Compares the answers; its embedder is loaded when the grader is first used.

    Example:
        >>> from thermolang.answers.equivalence import Equivalence
        >>> grade = equivalent(Equivalence(None))
        >>> grade("5,000 m", ["5 km"], "") > 0.5, grade("Rome", ["", "5 km"], "") > 0.5
        (True, False)
    """

    def grade(answer: str, answers: Sequence[str], question: str = "") -> float:
        return _weighed("equivalent", evidence(answer, answers, question, equivalence))

    return grade


def evidence(answer: str, answers: Sequence[str], question: str, equivalence: Equivalence) -> dict[str, float]:
    """Return what tells whether an answer is right, by name; empty if nothing is said or accepted, or only denied.

    Args:
        answer: The answer.
        answers: Accepted answers.
        question: The question.
        equivalence: Compares answer and aliases.

    Returns:
        ``meaning``: log-odds of P(same) of the nearest alias, within ``MOST_LOG_ODDS``, and the least of these if the
        two could not be compared. ``length``: log of how many times longer the answer is than that alias, from 0 to
        ``MOST_LENGTH``. ``contained``: 1 if an alias stands in it, denied or
        not; ``said``: ``alias_match``; ``amount``: ``amount_match``; ``other amount``: 1 if an alias is an amount or
        date and the answer states others only; ``words``: ``token_f1``; ``refusal``: 1 if it declines. Then products
        of two of these.
    """
    said = first_answer(answer)
    aliases = [alias for alias in dict.fromkeys(answers) if alias.strip()]
    if not said.strip() or not aliases or only_denies(said, aliases):
        return {}
    meaning, nearest = max((_log_odds_same(equivalence, said, alias, question), alias) for alias in aliases)
    read = facts(said)
    amount = amount_match(said, aliases, question)
    found = {
        "meaning": meaning,
        "length": min(max(0.0, math.log(max(len(read.form), 1) / max(len(facts(nearest).form), 1))), MOST_LENGTH),
        "contained": float(contains(said, aliases)),
        "said": alias_match(said, aliases),
        "amount": amount,
        "other amount": float(not amount and any(facts(alias).bare for alias in aliases)),
        "words": token_f1(said, aliases),
        "refusal": float(read.kind == "refusal"),
    }
    return found | {f"{a} x {b}": found[a] * found[b] for a, b in PRODUCTS}


def _log_odds_same(equivalence: Equivalence, said: str, alias: str, question: str) -> float:
    pair = equivalence.compare([said, alias], question)
    place = pair.places
    if not pair.compared[place]:
        return -MOST_LOG_ODDS
    return min(max(float(logit(pair.same[place])), -MOST_LOG_ODDS), MOST_LOG_ODDS)


@functools.cache
def _default_equivalence() -> Equivalence:
    return Equivalence()


def _weighed(grader: str, found: Mapping[str, float]) -> float:
    """Probability of a grader's regression; 0 without evidence."""
    weights = read_table("grading_weights")[grader]
    return (
        float(expit(weights["constant"] + sum(found[name] * weights[name] for name in found if name in weights)))
        if found
        else 0.0
    )


GRADERS: Mapping[str, Grader] = MappingProxyType(
    {
        "exact_match": exact_match,
        "token_f1": token_f1,
        "alias_match": alias_match,
        "amount_match": amount_match,
        "combined": combined,
    }
)
"""The graders by name; ``combined`` loads the packaged sentence embedder, the others need no model."""


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
    return said == value and not choice_of_two and not denied_before(*before)


def _word_value(match: re.Match[str]) -> Decimal:
    if match["hundred"]:
        return Decimal(100)
    if match["small"]:
        return Decimal(VALUES[match["small"]])
    return Decimal(VALUES[match["tens"]] + VALUES.get(match["unit"] or "zero", 0))


def _f1(given: Counter[str], wanted: Counter[str]) -> float:
    return 2 * (given & wanted).total() / max(given.total() + wanted.total(), 1)


def _tokens(text: str) -> list[str]:
    words = normalize(text).split()
    return [token for word in words for token in (_cut(word) if HAS_JAPANESE.search(word) else [word])]


def _cut(word: str) -> list[str]:
    """Words of a text without spaces, or its characters."""
    cut = cut_japanese(word, "A", lambda morpheme: str(morpheme.surface()))
    return list(word) if cut is None else cut
