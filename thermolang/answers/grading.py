"""Is a free-form answer right? Normalised aliases and numbers, with rules a person can check.

An answer is right if, after ``normalize``, it equals an alias. A longer answer is right if it contains an
alias as a whole phrase and says so:

- *Denied*: "not", "never", ... earlier in the same sentence, or "is not" right after, makes it wrong.
- *One of several*: an alias joined by "or", "and", "&" or "/" to something else, or standing in a list of
  three or more, makes it wrong, unless every other item is an alias too.
- *Numbers*: an alias that is a number is compared by value with the last number of the answer; number words
  up to one hundred count only if the answer has no digits.
- *Short aliases* (one or two Latin letters, such as "K" or "He") must end the answer or stand before a
  punctuation mark, because "a", "in" and "he" are words.
- *Japanese and Chinese* have no spaces: an alias may stand inside the text, but not inside a longer word of
  the same script (インド is not in インドネシア).
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING

from thermolang.answers.english_numbers import SMALL_NUMBERS, TENS
from thermolang.answers.plain import CJK, folded_once, normalize, split_words
from thermolang.errors import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SENTENCE_END = re.compile(r"[.!?。\n](?:\s|$)")
_DENIALS = frozenset({"not", "never", "neither", "nor", "cannot", "cant", "couldnt", "wont", "wouldnt"}) | frozenset(
    verb + "nt" for verb in ("is", "are", "was", "were", "does", "do", "did")
)
_IS = frozenset({"is", "are", "was", "were", "does", "do", "did"})
_JAPANESE_DENIAL = re.compile(r"^(?:は|が)?(?:では|じゃ|で)(?:なく|ない|ありません)")
_JAPANESE_OR = re.compile(r"または|もしくは|あるいは|それとも|[、・]")

_NUMBER = re.compile(
    r"(?<![a-z\d.,])(?P<sign>(?<![\w)\]])-)?(?P<digits>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
)
_WORD_VALUES = {word: value for value, word in enumerate(SMALL_NUMBERS)} | {
    word: 10 * value for value, word in enumerate(TENS, start=2)
}
_NUMBER_WORDS = re.compile(
    rf"\b(?P<tens>{'|'.join(TENS)})(?:[\s-]+(?P<unit>{'|'.join(SMALL_NUMBERS[1:10])}))?\b"
    rf"|\b(?:(?:a|one)\s+)?(?P<hundred>hundred)\b|\b(?P<small>{'|'.join(SMALL_NUMBERS)})\b"
)


def is_right(answer: str, answers: Sequence[str]) -> bool:
    """Say whether an answer gives one of the accepted answers; the module's docstring has the rules.

    Args:
        answer: What the model said.
        answers: Accepted answers (aliases).

    Example:
        >>> is_right("The capital of France is Paris.", ["Paris"]), is_right("It is not Paris.", ["Paris"])
        (True, False)
    """
    folded = folded_once(answer)
    given = normalize(answer)
    if not given:
        return False
    values = {alias: _number(folded_once(alias)) for alias in answers if normalize(alias)}
    if any(value is not None and _says_number(folded, value) for value in values.values()):
        return True
    texts = [alias for alias, value in values.items() if value is None]
    if any(normalize(alias) == given for alias in texts):
        return True
    return _says_phrase(folded, [split_words(folded_once(alias))[0] for alias in texts])


def rouge_l(answer: str, answers: Sequence[str]) -> float:
    """ROUGE-L F-measure (Lin, 2004) against all accepted answers in one line, in [0, 1], with stemming.

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
        return Decimal(_WORD_VALUES[match["small"]])
    return Decimal(_WORD_VALUES[match["tens"]] + _WORD_VALUES.get(match["unit"] or "zero", 0))


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
    return bool(after) and ((after[0] in _IS and after[-1] == "not") or after[0] in _DENIALS - {"not", "nor"})


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
    if not re.search(f"[{CJK}]", alias):
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
        re.match(f"[{script}]", left) and re.match(f"[{script}]", right)
        for script in ("\u30a1-\u30fa\u30fc-\u30ff", "\u3005\u3400-\u9fff")
    )
