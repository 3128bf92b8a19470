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
import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from scipy.special import expit, logit

from thermolang.answers.equivalence import Equivalence
from thermolang.answers.rules.final import first_answer, is_option, option_of, with_options
from thermolang.answers.rules.guards import facts
from thermolang.answers.rules.numerals import SMALL_NUMBERS, TENS, VALUES
from thermolang.answers.rules.replies import is_refusal
from thermolang.answers.rules.spelling import (
    HAS_JAPANESE,
    KANJI,
    KATAKANA,
    cut_japanese,
    fold_accents,
    fold_signs,
    keys,
    list_items,
    normalize,
    share_key,
    split_words,
)
from thermolang.answers.rules.stated import states_alias
from thermolang.answers.rules.tables import phrase_list, read_table, word_set
from thermolang.errors import require

if TYPE_CHECKING:
    from collections.abc import Iterator

Grader: TypeAlias = Callable[[str, Sequence[str], str], float]
"""Answer, accepted answers, question -> score in [0, 1]."""

MOST_LOG_ODDS = 6.0
"""Bound of the evidence of a meaning, so that a rule's 0 or 1 is strong evidence and not the only one."""

PRODUCTS = (("meaning", "length"), ("said", "length"), ("contained", "length"), ("words", "length"))
"""Evidence that tells more or less in long answers."""

_TABLE = read_table("grading")
_VERBS = word_set(_TABLE["verbs"])
_DENIALS = word_set(_TABLE["denials"]) | {f"{verb}nt" for verb in _VERBS}
_DENIALS_AFTER = _DENIALS - word_set(_TABLE["only_before"])
_EXCLUDED = frozenset(tuple(phrase.split()) for phrase in phrase_list(_TABLE["excluded"]))
_MEANT_AFTER_ALL = word_set(_TABLE["meant_after_all"])
_SENTENCE_END = re.compile(r"[.!?。\n](?:\s|$)")
_JAPANESE_DENIAL = re.compile(f"^{_TABLE['japanese']['denial']}")
_JAPANESE_OR = re.compile(_TABLE["japanese"]["or"])

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
    folded, given = _folded(said), _plain(said)
    if not given:
        return False
    if answers and all(is_refusal(alias) for alias in answers):
        return is_refusal(answer)
    values = {alias: _number(fold_signs(alias)) for alias in with_options(answers) if _plain(alias)}
    if any(value is not None and _says_number(folded, value) for value in values.values()):
        return True
    texts = [alias for alias, value in values.items() if value is None]
    if any(_plain(alias) == given for alias in texts) or any(_says_list(said, alias) for alias in texts):
        return True
    if (option := option_of(said)) and any(map(is_option, [said.strip(" ()."), *texts])):
        return any(option_of(alias) == option for alias in texts)
    return _says_phrase(folded, [split_words(_folded(alias))[0] for alias in texts])


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
    """Return what tells whether an answer is right, by name; empty if nothing is said or accepted.

    Args:
        answer: The answer.
        answers: Accepted answers.
        question: The question.
        equivalence: Compares answer and aliases.

    Returns:
        ``meaning``: log-odds of P(same) of the nearest alias, within ``MOST_LOG_ODDS``. ``length``: log of how many
        times longer the answer is than that alias, at least 0. ``contained``: 1 if an alias stands in it, denied or
        not; ``said``: ``alias_match``; ``amount``: ``amount_match``; ``other amount``: 1 if an alias is an amount or
        date and the answer states others only; ``words``: ``token_f1``; ``refusal``: 1 if it declines. Then products
        of two of these.
    """
    said = first_answer(answer)
    aliases = [alias for alias in dict.fromkeys(answers) if alias.strip()]
    if not said.strip() or not aliases:
        return {}
    same, nearest = max((equivalence.same(said, alias, question), alias) for alias in aliases)
    read = facts(said)
    amount = amount_match(said, aliases, question)
    found = {
        "meaning": float(logit(min(max(same, expit(-MOST_LOG_ODDS)), expit(MOST_LOG_ODDS)))),
        "length": max(0.0, math.log(len(read.form) / max(len(facts(nearest).form), 1))),
        "contained": float(_contains(said, aliases)),
        "said": alias_match(said, aliases),
        "amount": amount,
        "other amount": float(not amount and any(facts(alias).bare for alias in aliases)),
        "words": token_f1(said, aliases),
        "refusal": float(read.kind == "refusal"),
    }
    return found | {f"{a} x {b}": found[a] * found[b] for a, b in PRODUCTS}


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


def _contains(said: str, aliases: Sequence[str]) -> bool:
    """Whether an alias stands in an answer as a phrase, denied or not."""
    folded = _folded(said)
    words, gaps = split_words(folded)
    if any(any(_find(words, gaps, split_words(_folded(alias))[0])) for alias in aliases if _plain(alias)):
        return True
    text = "".join(folded.split())
    return any(HAS_JAPANESE.search(alias) and "".join(_folded(alias).split()) in text for alias in aliases)


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


def _folded(text: str) -> str:
    return fold_accents(fold_signs(text))


def _plain(text: str) -> str:
    return " ".join(split_words(_folded(text))[0])


def _says_list(said: str, alias: str) -> bool:
    items = list_items(alias)
    if not items:
        return False
    if share_key(keys(said), keys(alias)):
        return True
    words, gaps = split_words(_folded(said))
    found = [list(_find(words, gaps, split_words(_folded(item))[0])) for item in items]
    spans = sorted(span for each in found for span in each)
    denied = any(_denied_before(words[: s[0]], gaps[: s[0] + 1]) or _denied_after(words, s) for s in spans)
    return all(found) and not denied and not _one_of_several(words, gaps, spans)


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
    for length in (1, 2):
        if tuple(words[-length:]) in _EXCLUDED:
            return not _MEANT_AFTER_ALL.intersection(words[-length - 1 : -length])
    if words and words[-1] == "but":
        return False  # not X but Y
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
