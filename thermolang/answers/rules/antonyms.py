"""Opposites: two short texts that differ in a word and its opposite, or in which two parts changed places.

Nothing here knows what an answer is about. A rule that does not fit says nothing rather than guess. English and
Japanese; the tables are in ``data/antonyms.toml``.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from thermolang.answers.rules.negation import IRREGULAR, negation
from thermolang.answers.rules.spelling import HAS_JAPANESE, LETTER_A, expanded, normal_form, spelled
from thermolang.answers.rules.tables import phrase_list, read_table, word_set

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE = read_table("antonyms")
_ANTONYMS = frozenset(
    frozenset(spelled(pair).split()) for pairs in _TABLE["english"].values() for pair in phrase_list(pairs)
)
_PREFIXES = _TABLE["prefixes"]
_OPPOSITE_PREFIXES = [tuple(pair.split()) for pair in phrase_list(_PREFIXES["opposites"])]
_NO_NEGATIONS = word_set(_PREFIXES["no_negations"])
_NEGATED_ENDINGS = tuple(_PREFIXES["negated_endings"].split())
_NEGATED_LETTERS: dict[str, str] = _PREFIXES["before"]
_ONE_WAY_VERBS = word_set(_TABLE["roles"]["one_way_verbs"])
_ONE_WAY_LINKS = word_set(_TABLE["roles"]["one_way_links"])
_BOTH_WAYS = word_set(_TABLE["roles"]["both_ways"])
_LISTS = word_set(_TABLE["roles"]["lists"])

_JAPANESE = _TABLE["japanese"]
_JAPANESE_PAIRS = [tuple(pair.split()) for pair in phrase_list(_JAPANESE["opposites"])]
_JAPANESE_ANTONYMS = frozenset((a, b) for pair in _JAPANESE_PAIRS for a, b in (pair, pair[::-1]))
_LONGEST_ANTONYM = max(len(word) for pair in _JAPANESE_PAIRS for word in pair)
_JAPANESE_NEGATING = frozenset(_JAPANESE["negating"])
_JAPANESE_TURNING = word_set(_JAPANESE["turning"])
_JAPANESE_AFTER_TURN = tuple(_JAPANESE["after_turn"].split())
_JAPANESE_BOTH_WAYS = re.compile(_JAPANESE["both_ways"])

_MOST_WORDS = 30
_MOST_JAPANESE = 80
_RUN = re.compile("[\u3041-\u3096]+|[^\u3041-\u3096]+")
_NOUN_AND_PARTICLE = re.compile("([^\u3041-\u3096、。]+)(?:さん|さま|くん|ちゃん)?(より|から|[がをにへはで])")


def opposites(a: str, b: str) -> bool:
    """Return whether two short texts are alike but for one pair of opposites, or for two parts that changed places.

    Texts of more than 30 words (80 characters in Japanese) are never opposites; nor are lists in another order.

    Example:
        >>> opposites("Prices rose", "Prices fell"), opposites("Ann is older than Bob", "Bob is older than Ann")
        (True, True)
        >>> opposites("Ann and Bob", "Bob and Ann"), opposites("気温が上がった", "気温が下がりました")
        (False, True)
    """
    if max(len(a), len(b)) > 20 * _MOST_WORDS:
        return False
    if HAS_JAPANESE.search(a) or HAS_JAPANESE.search(b):
        return _japanese_opposites(a, b)
    first, second = _words(a), _words(b)
    if not first or not second or max(len(first), len(second)) > _MOST_WORDS or first == second:
        return False
    return _one_opposite(first, second) or any(
        _one_way(first, *cuts) for cuts in _turned(first, second) if cuts[1] < cuts[2]
    )


def exchanged(a: str, b: str) -> bool:
    """Return whether two short texts are alike but for two parts that changed places around other words.

    Unlike ``opposites`` it asks for no verb or particle that is known to go one way, so it is a reason to doubt only.

    Example:
        >>> exchanged("Alice reports to Bob", "Bob reports to Alice"), exchanged("red and blue", "blue and red")
        (True, False)
        >>> exchanged("田中さんが佐藤さんに報告する", "佐藤さんが田中さんに報告する")
        True
    """
    if max(len(a), len(b)) > 20 * _MOST_WORDS:
        return False
    if HAS_JAPANESE.search(a) or HAS_JAPANESE.search(b):
        return max(len(a), len(b)) <= _MOST_JAPANESE and _japanese_exchanged(normal_form(a), normal_form(b))
    first, second = _words(a), _words(b)
    if first == second or max(len(first), len(second)) > _MOST_WORDS or len(first) < 3:
        return False
    return any(
        left < right and not set(first[left:right]) <= _LISTS and not _BOTH_WAYS.intersection(first[left:right])
        for _, left, right, _ in _turned(first, second)
    )


def _japanese_exchanged(first: str, second: str) -> bool:
    """Whether two nouns before particles changed places."""
    if first == second or sorted(first) != sorted(second) or _JAPANESE_BOTH_WAYS.search(first):
        return False
    parts, others = (_NOUN_AND_PARTICLE.findall(text) for text in (first, second))
    roles, other_roles = (dict(found) for found in (parts, others))
    return roles.keys() == other_roles.keys() and sum(roles[noun] != other_roles[noun] for noun in roles) == 2


def _words(text: str) -> list[str]:
    """Words of the canonical spelling, with contractions written out and "non-toxic" as one word."""
    words = normal_form(re.sub(r"'s(?= )", " s", expanded(text.replace("\u2019", "'")))).split()
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in {"non", "un"}:
            joined[-1] += word
        else:
            joined.append("a" if word == LETTER_A else word)
    return joined


def _one_opposite(first: list[str], second: list[str]) -> bool:
    if len(first) != len(second):
        return False
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    return len(pairs) == 1 and _are_antonyms(*pairs[0])


def _are_antonyms(a: str, b: str) -> bool:
    if any(frozenset((x, y)) in _ANTONYMS for x in _bases(a) for y in _bases(b)):
        return True
    if _negates(a, b) or _negates(b, a):
        return True
    if (a.endswith("ful") and b == a[:-3] + "less") or (b.endswith("ful") and a == b[:-3] + "less"):
        return True
    return any(_swapped_prefix(a, b, *pair) or _swapped_prefix(b, a, *pair) for pair in _OPPOSITE_PREFIXES)


@functools.lru_cache(maxsize=4096)
def _bases(word: str) -> frozenset[str]:
    """The word and what it may be an inflection of, for the table of antonyms."""
    found = {word, IRREGULAR.get(word, word)}
    for ending, instead in (("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("d", ""), ("ied", "y"), ("ing", "")):
        if word.endswith(ending) and len(word) - len(ending) > 1:
            found |= {word[: -len(ending)] + instead, word[: -len(ending)] + "e"}
    for ending, instead in (("er", ""), ("r", ""), ("est", ""), ("st", ""), ("ier", "y"), ("iest", "y"), ("ly", "")):
        if word.endswith(ending) and len(word) - len(ending) > 2:
            found.add(word[: -len(ending)] + instead)
    doubled = {base[:-1] for base in found if len(base) > 3 and base[-1] == base[-2]}
    return frozenset(found | doubled)


def _negates(longer: str, word: str) -> bool:
    """Whether a word is the other one with a negating prefix."""
    prefix = longer[: len(longer) - len(word)]
    if len(word) < 3 or not longer.endswith(word) or longer in _NO_NEGATIONS:
        return False
    if prefix in {"un", "non"}:
        return True
    if prefix == "dis":
        return len(word) > 3
    fits = _NEGATED_LETTERS.get(prefix, "")
    return word[0] in fits and len(word) > 4 and word.endswith(_NEGATED_ENDINGS) if fits else False


def _swapped_prefix(a: str, b: str, first: str, second: str) -> bool:
    return (
        a.startswith(first) and b.startswith(second) and len(a) > len(first) + 3 and a[len(first) :] == b[len(second) :]
    )


def _turned(first: list[str], second: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Cuts (i, j, k, n) for which ``second`` is ``first`` with the parts [i:j] and [k:n] changed around [j:k]."""
    if len(first) != len(second) or sorted(first) != sorted(second):
        return
    size = len(first)
    start = next(i for i in range(size) if first[i] != second[i])
    end = next(i for i in range(size, 0, -1) if first[i - 1] != second[i - 1])
    for left in range(start + 1, end):
        for right in range(left, end):
            middle = first[left:right]
            if second[start:end] == first[right:end] + middle + first[start:left]:
                yield start, left, right, end


def _one_way(words: list[str], start: int, left: int, right: int, end: int) -> bool:
    """Whether the words between two parts, or around them, give the parts different roles."""
    middle = words[left:right]
    if set(middle) <= _LISTS or ("as" in middle and "than" not in middle):
        return False
    if middle == ["to"] or (middle[-1] == "to" and "from" in words[:start]):
        return True
    if _BOTH_WAYS.intersection(middle):
        return False
    if middle == ["by"]:
        return False
    if _ONE_WAY_LINKS.intersection(middle) or ("of" in middle and {"is", "was", "are", "were"} & {*middle}):
        return True
    if middle[-1] in {"is", "was"} and words[end : end + 1] == ["s"]:
        return _BOTH_WAYS.isdisjoint(words[end:])
    return any(_bases(word) & _ONE_WAY_VERBS or _is_past(word) for word in middle)


def _is_past(word: str) -> bool:
    return len(word) > 4 and word.endswith("ed") and not word.endswith("eed")


def _japanese_opposites(a: str, b: str) -> bool:
    if max(len(a), len(b)) > _MOST_JAPANESE:
        return False
    first, second = normal_form(a).replace(" ", ""), normal_form(b).replace(" ", "")
    if first == second:
        return False
    (denied, content), (other_denied, other_content) = negation(a), negation(b)
    if _replaced(first, second) or (denied == other_denied and _replaced(content, other_content)):
        return True
    return _japanese_roles(first, second)


def _replaced(a: str, b: str) -> bool:
    """Whether ``b`` is ``a`` with one word replaced by its opposite, in place."""
    if _negated_word(a, b) or _negated_word(b, a):
        return True
    grown, before, after = len(b) - len(a), _shared(a, b), _shared(a[::-1], b[::-1])
    longest = _LONGEST_ANTONYM
    # The two words cover all that differs, and may share letters around it.
    for start in range(max(0, before - longest), before + 1):
        for stop in range(max(start, len(a) - after), min(len(a), start + longest) + 1):
            if (a[start:stop], b[start : max(start, stop + grown)]) in _JAPANESE_ANTONYMS:
                return True
    return False


def _shared(a: str, b: str) -> int:
    """How many characters two texts share at the start."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _negated_word(longer: str, shorter: str) -> bool:
    if len(longer) != len(shorter) + 1:
        return False
    at = _shared(longer, shorter)
    return longer[at] in _JAPANESE_NEGATING and longer[at + 1 :] == shorter[at:] != ""


def _japanese_roles(first: str, second: str) -> bool:
    """Whether two parts changed places around a particle that gives them different roles (AはBより大きい)."""
    runs, other = _RUN.findall(first), _RUN.findall(second)
    if first == second or _JAPANESE_BOTH_WAYS.search(first):
        return False
    for _, left, right, end in _turned(runs, other):
        middle, after = runs[left:right], "".join(runs[end:])
        if middle == ["より"] or (
            len(middle) == 1 and middle[0] in _JAPANESE_TURNING and after.startswith(_JAPANESE_AFTER_TURN)
        ):
            return True
    return False
