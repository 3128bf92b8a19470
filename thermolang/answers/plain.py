"""Words of a text in one canonical spelling."""

from __future__ import annotations

import re
import unicodedata

_LOOKALIKES = str.maketrans({"\u2019": "'", "\u2212": "-"})
_ARTICLES = frozenset({"a", "an", "the"})
CJK = "\u3005\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u9fff"
_MARKS = "\u0300-\u036f"
_WORD = re.compile(rf"[{CJK}]+|(?:(?![{CJK}])[^\W_][{_MARKS}]*)+(?:[.'](?:(?![{CJK}])[^\W_][{_MARKS}]*)+)*")
_INNER_MARK = re.compile(r"'|(?<!\d)\.|\.(?!\d)")


def normalize(text: str) -> str:
    """Return the words of a text in one canonical spelling.

    NFKC and casefold; punctuation and symbols become gaps (none inside "D.C." or "don't"); an English
    article goes if a word follows it; white space collapses.

    Example:
        >>> normalize("The  Washington, D.C.")
        'washington dc'
    """
    return " ".join(split_words(folded_once(text))[0])


def folded_once(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_LOOKALIKES)


def split_words(folded: str) -> tuple[list[str], list[str]]:
    """Split folded text into words and the gaps before, between and after them (one gap more than words)."""
    words, gaps, end = [], [""], 0
    for match in _WORD.finditer(folded):
        gaps[-1] += folded[end : match.start()]
        end = match.end()
        words.append(_INNER_MARK.sub("", match[0]))
        gaps.append("")
    gaps[-1] += folded[end:]
    return _without_articles(words, gaps)


def _without_articles(words: list[str], gaps: list[str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    kept_gaps = [gaps[0]]
    for i, (word, gap) in enumerate(zip(words, gaps[1:], strict=True)):
        if word in _ARTICLES and i + 1 < len(words):
            kept_gaps[-1] += gap
        else:
            kept.append(word)
            kept_gaps.append(gap)
    return kept, kept_gaps
