"""Refusals, yes and no, and what frames an answer: apologies, disclaimers, pleasantries; English and Japanese.

The tables are in ``data/replies.toml``; a rule that does not fit says nothing rather than guess.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from thermolang.answers.rules.spelling import HAS_JAPANESE, WRAPPED, expanded, fold, normalize
from thermolang.answers.rules.tables import any_of, pattern, phrase_list, read_table, word_set

if TYPE_CHECKING:
    from collections.abc import Sequence

_REFUSALS = read_table("replies")["refusal"]
_PARTS = _REFUSALS["parts"]
_OPENING = re.compile(
    rf"(?:{pattern(any_of(_REFUSALS['openings']), _PARTS)} "
    rf"(?:(?:but|that|and|so) (?=i\b|can not\b|do not\b|this\b|it\b|there\b|{pattern('{text}', _PARTS)}\b))?)+"
)
_REFUSAL = re.compile(pattern(_REFUSALS["refusals"], _PARTS))
_COMPANY = re.compile(pattern(_REFUSALS["company"], _PARTS))
_WHOLE_REFUSALS = word_set(_REFUSALS["whole"])
_ANSWER_AFTER_ALL = re.compile(pattern(_REFUSALS["answer_after_all"]))
_JAPANESE_REFUSALS = _REFUSALS["japanese"]
_JAPANESE_REFUSAL = re.compile(pattern(_JAPANESE_REFUSALS["refusal"], _JAPANESE_REFUSALS["parts"]))
_JAPANESE_COMPANY = re.compile(pattern(_JAPANESE_REFUSALS["company"], _JAPANESE_REFUSALS["parts"]))

_NOBODY_KNOWS = re.compile(pattern(_REFUSALS["nobody_knows"]))
_JAPANESE_NOBODY_KNOWS = re.compile(pattern(_JAPANESE_REFUSALS["nobody_knows"]))
_PERSONAL = re.compile(r"\b(?:i|me|my|we|us|our|sorry)\b|\bi['\u2019]m\b", re.IGNORECASE)

_FRAMING = read_table("replies")["framing"]


def _alternatives(rows: Sequence[str]) -> str:
    return any_of(pattern(row) for row in rows)


_BEFORE = re.compile(rf"\s*{_alternatives(_FRAMING['before'])}\s+", re.IGNORECASE)
_AFTER = re.compile(rf"(?:(?<=[.!?,])\s+|\s*(?=,)){_alternatives(_FRAMING['after'])}\s*$", re.IGNORECASE)
_JAPANESE_BEFORE = re.compile(rf"\s*{_alternatives(_FRAMING['japanese']['before'])}\s*", re.IGNORECASE)
_JAPANESE_AFTER = re.compile(rf"(?<=[。.!]){_alternatives(_FRAMING['japanese']['after'])}\s*$", re.IGNORECASE)
MOST_FRAMES = 6
"""Expressions that are taken from an answer, one behind the other."""

_POLARITY = read_table("replies")["yes_no"]
_YES_WORDS = word_set(_POLARITY["yes_words"])
_NO_WORDS = word_set(_POLARITY["no_words"])
_YES_PHRASES = frozenset(phrase_list(_POLARITY["yes_phrases"]))
_NO_PHRASES = frozenset(phrase_list(_POLARITY["no_phrases"]))
_AFTER_EITHER = word_set(_POLARITY["after_yes_or_no"])
_AFTER_YES = word_set(_POLARITY["after_yes"])
_AFTER_NO = word_set(_POLARITY["after_no"])
_SHORT_SUBJECTS = word_set(_POLARITY["short_subjects"])
_SHORT_VERBS = word_set(_POLARITY["short_verbs"])
_JAPANESE_POLARITY = _POLARITY["japanese"]
_JAPANESE_YES = re.compile(pattern(_JAPANESE_POLARITY["yes"], _JAPANESE_POLARITY["parts"]))
_JAPANESE_NO = re.compile(pattern(_JAPANESE_POLARITY["no"], _JAPANESE_POLARITY["parts"]))
_JAPANESE_SUBJECT = re.compile(_JAPANESE_POLARITY["subject"])

# Longer texts are not read: they say more than that.
_MOST_REFUSAL = 1200
_MOST_POLARITY = 400
_MOST_JAPANESE = 80
_SENTENCE = re.compile(r"(?:(?<!\bno)[.!?…]+(?=\s|$)|[。！？\n]|\s[-–—]+\s|—|;\s)\s*")  # noqa: RUF001
_CLAUSE = re.compile(r"[.,;:!?…—(\n]|\s-\s")
_JAPANESE_CLAUSE = re.compile(r"[、。,.!?:\s]+")


def is_refusal(text: str) -> bool:
    """Return whether an answer as a whole declines to answer or says that it does not know.

    Every sentence must be a refusal, or an apology, offer or reason beside one. A refusal that goes on with an
    answer is none, and neither is a sentence about something unknown.

    Example:
        >>> is_refusal("I'm sorry, but I don't know."), is_refusal("I'm not sure, but I think it is Paris.")
        (True, False)
        >>> is_refusal("申し訳ありませんが、わかりません。")
        True
    """
    folded = fold(text).strip(WRAPPED)
    if not folded or len(folded) > _MOST_REFUSAL:
        return False
    if folded in _WHOLE_REFUSALS:
        return True
    if says_nobody_knows(text):
        return False
    sentences = [sentence for sentence in _SENTENCE.split(folded) if sentence and sentence.strip(WRAPPED)]
    japanese = HAS_JAPANESE.search(folded) is not None
    verdicts = [_japanese_refusal(sentence) if japanese else _english_refusal(sentence) for sentence in sentences]
    return True in verdicts and False not in verdicts


@functools.lru_cache(maxsize=8192)
def says_nobody_knows(text: str) -> bool:
    """Return whether an answer as a whole says that nobody knows: an answer, unlike "I do not know".

    Example:
        >>> says_nobody_knows("No one knows for sure."), says_nobody_knows("I don't know.")
        (True, False)
    """
    folded = fold(text).strip(WRAPPED)
    if not 0 < len(folded) <= _MOST_POLARITY:
        return False
    if HAS_JAPANESE.search(folded):
        return _JAPANESE_NOBODY_KNOWS.fullmatch(re.sub(r"[\s、。,.!?「」]+", "", folded)) is not None
    return _NOBODY_KNOWS.fullmatch(normalize(expanded(folded))) is not None


def is_personal(text: str) -> bool:
    """Return whether a refusal speaks of the one who refuses: "I do not know", but not "the author is unknown"."""
    return bool(_PERSONAL.search(text)) or not re.search(
        "unknown|uncertain|unclear|不明|未詳|不詳|明らか|知られ", fold(text)
    )


@functools.lru_cache(maxsize=8192)
def unframed(text: str) -> str:
    """Return an answer without the apologies, disclaimers and pleasantries around it.

    Returns:
        The rest of the text; the text itself if it has none of these, if nothing else is left, or if what is left
        declines to answer.

    Example:
        >>> unframed("I'm not entirely sure, but I think it is Oslo."), unframed("すみません、東京です。")
        ('I think it is Oslo.', '東京です。')
        >>> unframed("I'm sorry, but I don't know.")
        "I'm sorry, but I don't know."
    """
    if len(text) > _MOST_REFUSAL:
        return text
    japanese = HAS_JAPANESE.search(text) is not None
    before, after = (_JAPANESE_BEFORE, _JAPANESE_AFTER) if japanese else (_BEFORE, _AFTER)
    rest = text
    for _ in range(MOST_FRAMES):
        found = before.match(rest)
        shorter = after.sub("", rest[found.end() :] if found else rest)
        if shorter == rest or not re.search(r"[^\W_]", shorter):
            break
        rest = shorter
    return text if rest == text or is_refusal(rest) or is_refusal(text) else rest


def polarity(text: str) -> bool | None:
    """Return whether an answer as a whole says yes (True), no (False) or neither (None).

    Example:
        >>> polarity("Yes, Oslo is in Norway."), polarity("That's not true."), polarity("No one came")
        (True, False, None)
        >>> polarity("いいえ、違います。"), polarity("はい"), polarity("いや応なく")
        (False, True, None)
    """
    folded = fold(text[:_MOST_POLARITY]).strip(WRAPPED)
    if not folded:
        return None
    return japanese_polarity(folded) if HAS_JAPANESE.search(folded) else _english_polarity(folded)


def japanese_polarity(folded: str) -> bool | None:
    """Return what a folded Japanese text says as a whole, as ``polarity`` does."""
    clauses = [clause for clause in _JAPANESE_CLAUSE.split(folded) if clause.strip(WRAPPED)]
    if not clauses or folded.endswith(("か", "か?")):
        return None
    clause = _JAPANESE_SUBJECT.sub("", clauses[0].strip(WRAPPED), count=1)
    if not clause and len(clauses) > 1:
        clause = clauses[1]
    if _JAPANESE_YES.fullmatch(clause):
        return True
    if _JAPANESE_NO.fullmatch(clause):
        return False
    if re.match(r"いいえ", clause):
        return False
    return True if re.match(r"はい(?:そう|その|それ|[ァ-ヺ])", clause) else None


def _english_refusal(sentence: str) -> bool | None:
    """True for a refusal, None for what may stand beside one, False for anything else."""
    plain = normalize(expanded(sentence))
    opening = _OPENING.match(plain + " ")
    rest = plain[opening.end() :] if opening and not _REFUSAL.match(plain) else plain
    if not rest:
        return None
    found = _REFUSAL.match(rest)
    if found:
        return not _answers_after_all(rest[found.end() :]) and not _short_tail(sentence, found[0])
    return None if _COMPANY.match(rest) else False


def _answers_after_all(tail: str) -> bool:
    turn = _ANSWER_AFTER_ALL.search(tail)
    if not turn:
        return False
    after = tail[turn.end() :].strip()
    return not (_COMPANY.match(after) or _REFUSAL.match(after)) and bool(after)


def _short_tail(sentence: str, refusal: str) -> bool:
    """Whether a comma and a few words follow the bare refusal ("I don't know, Paris")."""
    head, comma, tail = sentence.rpartition(",")
    if not comma or not normalize(expanded(head)).endswith(refusal.strip()):
        return False
    short = normalize(tail)
    return 0 < len(short.split()) <= 4 and not _COMPANY.match(short)


def _japanese_refusal(sentence: str) -> bool | None:
    plain = re.sub(r"[\s、,.!?「」]+", "", sentence)
    if len(plain) > 2 * _MOST_JAPANESE:
        return False
    if _JAPANESE_COMPANY.fullmatch(plain) and not _JAPANESE_REFUSAL.fullmatch(plain):
        return None
    return _JAPANESE_REFUSAL.fullmatch(plain) is not None


def _english_polarity(folded: str) -> bool | None:
    clause = _CLAUSE.split(folded, maxsplit=1)[0]
    rest = folded[len(clause) + 1 :].strip()
    words = normalize(expanded(clause)).split()
    if not words or (words[-1] == "no" and re.match(r"\.? ?\d", folded[len(clause) :])):
        return None
    if {"yes", "no"} <= set(words) or (len(words) == 1 and normalize(rest).split(" ")[0] in {"yes", "no"} - {*words}):
        return None
    said = _first_word(words, bool(rest) or len(words) == 1)
    if said is not None:
        return said
    return _phrase(words, rest)


def _first_word(words: list[str], alone: bool) -> bool | None:
    yes, no = words[0] in _YES_WORDS, words[0] in _NO_WORDS
    if not yes and not no:
        return None
    if len(words) == 1:
        return yes if alone else None
    if yes:
        return True if len(words) > 3 or words[1] in _AFTER_EITHER | _AFTER_YES else None
    return False if words[1] in _AFTER_EITHER | _AFTER_NO else None


def _phrase(words: list[str], rest: str) -> bool | None:
    phrase = " ".join(words)
    # "Right, left and up" is a list, "Right, it is open." is an answer.
    if rest and len(words) == 1 and len(rest.split()) < 3:
        return None
    if phrase in _YES_PHRASES or re.match(r"it is (?:true|correct) that ", phrase):
        return True
    if phrase in _NO_PHRASES or re.match(r"it is (?:false|incorrect|wrong|not (?:true|correct)) that ", phrase):
        return False
    if len(words) in {2, 3} and words[0] in _SHORT_SUBJECTS and words[1] in _SHORT_VERBS:
        return True if len(words) == 2 else (False if words[2] == "not" else None)
    return None
