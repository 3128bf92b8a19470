"""Whether an answer says an accepted phrase as its own: not denied, and not as one of several.

The rules are those of ``thermolang.answers.grading.is_right``; words are in ``data/grading.toml``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

from thermolang.answers.rules.spelling import (
    HAS_JAPANESE,
    KANJI,
    KATAKANA,
    fold_accents,
    fold_signs,
    keys,
    list_items,
    share_key,
    split_words,
)
from thermolang.answers.rules.tables import phrase_list, read_table, word_set

_TABLE = read_table("grading")
_VERBS = word_set(_TABLE["verbs"])
_DENIALS = word_set(_TABLE["denials"]) | {f"{verb}nt" for verb in _VERBS}
_DENIALS_AFTER = _DENIALS - word_set(_TABLE["only_before"])
_EXCLUDED = frozenset(tuple(phrase.split()) for phrase in phrase_list(_TABLE["excluded"]))
_SMALL = word_set(_TABLE["between"])
_MEANT_AFTER_ALL = word_set(_TABLE["meant_after_all"])
_SENTENCE_END = re.compile(r"[.!?。\n](?:\s|$)")
_JAPANESE_DENIAL = re.compile(f"^{_TABLE['japanese']['denial']}")
_JAPANESE_OR = re.compile(_TABLE["japanese"]["or"])


def folded_words(text: str) -> str:
    """Return a text as phrases are looked for in it: small letters without accents."""
    return fold_accents(fold_signs(text))


def plain_words(text: str) -> str:
    """Return the words of a text, folded, with single blanks between them."""
    return " ".join(split_words(folded_words(text))[0])


def says_list(said: str, alias: str) -> bool:
    """Return whether an answer says all items of an accepted list, in any order, and no others."""
    items = list_items(alias)
    if not items:
        return False
    if share_key(keys(said), keys(alias)):
        return True
    words, gaps = split_words(folded_words(said))
    found = [list(find_phrase(words, gaps, split_words(folded_words(item))[0])) for item in items]
    spans = sorted(span for each in found for span in each)
    denied = any(denied_before(words[: s[0]], gaps[: s[0] + 1]) or _denied_after(words, s) for s in spans)
    return all(found) and not denied and not _one_of_several(words, gaps, spans)


def says_phrase(folded: str, aliases: list[list[str]]) -> bool:
    """Return whether a folded answer says one of some phrases, each a list of words, as its own."""
    words, gaps = split_words(folded)
    spans = sorted((s for alias in aliases for s in find_phrase(words, gaps, alias)), key=lambda s: (s[0], -s[1]))
    sure = [s for s in spans if not denied_before(words[: s[0]], gaps[: s[0] + 1]) and not _denied_after(words, s)]
    if sure and not _one_of_several(words, gaps, spans):
        return True
    return any(_inside_japanese(folded, "".join(alias)) for alias in aliases)


def contains(said: str, aliases: Sequence[str]) -> bool:
    """Return whether an accepted answer stands in an answer as a phrase, denied or not."""
    folded = folded_words(said)
    words, gaps = split_words(folded)
    phrases = [split_words(folded_words(alias))[0] for alias in aliases]
    if any(any(find_phrase(words, gaps, phrase)) for phrase in phrases if phrase):
        return True
    text = "".join(folded.split())
    return any(HAS_JAPANESE.search(alias) and "".join(folded_words(alias).split()) in text for alias in aliases)


def only_denies(said: str, aliases: Sequence[str]) -> bool:
    """Return whether an answer names an accepted answer only right behind or before a denial ("not Paris but Rome").

    Example:
        >>> only_denies("It is not Paris but Rome.", ["Paris"]), only_denies("Not Rome: Paris.", ["Paris"])
        (True, False)
    """
    words, gaps = split_words(folded_words(said))
    phrases = [split_words(folded_words(alias))[0] for alias in aliases]
    spans = [span for phrase in phrases if phrase for span in find_phrase(words, gaps, phrase)]
    return bool(spans) and all(_right_behind_denial(words, span[0]) or _denied_after(words, span) for span in spans)


def _right_behind_denial(words: list[str], start: int) -> bool:
    before = [word for word in words[max(0, start - 3) : start] if word not in _SMALL]
    return before[-1:] != [] and (before[-1] in _DENIALS or tuple(before[-2:]) in _EXCLUDED)


def denied_before(words: list[str], gaps: list[str]) -> bool:
    """Return whether a denial stands in the sentence that the words end in; the last gap is the one after them."""
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


def find_phrase(words: list[str], gaps: list[str], alias: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the places of a phrase among the words of an answer; a short word must end a part of it."""
    short = len(alias) == 1 and len(alias[0]) <= 2 and alias[0].isascii() and alias[0].isalpha()
    for start in range(len(words) - len(alias) + 1):
        end = start + len(alias)
        ends = end == len(words) or gaps[end].strip() != ""
        if words[start:end] == alias and (ends or not short):
            yield start, end


def _denied_after(words: list[str], span: tuple[int, int]) -> bool:
    after = words[span[1] : span[1] + 2]
    return bool(after) and ((after[0] in _VERBS and after[-1] == "not") or after[0] in _DENIALS_AFTER)


def _one_of_several(words: list[str], gaps: list[str], spans: list[tuple[int, int]]) -> bool:
    """Whether the spans of aliases are items of a list that has other items too."""
    inside = {i for start, end in spans for i in range(start, end)}
    items = _segments(words, gaps, {i for start, end in spans for i in range(start + 1, end)})
    foreign = [item for item in items if not inside.intersection(range(*item))]
    if len(items) >= 3 and foreign and all(end - start <= 3 for start, end in items[1:]):
        return True
    return any(_joined(words, gaps, span, inside) for span in spans)


def _segments(words: list[str], gaps: list[str], within: set[int]) -> list[tuple[int, int]]:
    """Ranges of words between commas, semicolons, line breaks and "and"; never cut within an alias."""
    cuts = [0]
    for i, word in enumerate(words):
        if i not in within and (re.search(r"[,;\n]", gaps[i]) or word in {"and", "or"}):
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
