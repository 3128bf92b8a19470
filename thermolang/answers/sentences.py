"""Sentences of a long answer, and how many sampled answers support each of them. Experimental.

The share of supporting samples follows SelfCheckGPT (Manakul et al., 2023, arXiv 2303.08896): what a model makes up
differs from sample to sample. It is NOT a calibrated probability, and nothing here claims that it is close to one.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.fuzz import ratio

from thermolang.answers.equivalence import Equivalence
from thermolang.answers.rules.dates import DATE_FIELDS, PartialDateTime, dates_agree
from thermolang.answers.rules.facts import Facts, facts
from thermolang.answers.rules.guards import GUARDS, apply_guards
from thermolang.answers.rules.names import SAME_SPELLING
from thermolang.answers.rules.quantities import same_quantity
from thermolang.answers.rules.spelling import HAS_JAPANESE_SIGN
from thermolang.answers.rules.tables import read_table, word_set
from thermolang.errors import ModelError
from thermolang.types import SentenceSupport

if TYPE_CHECKING:
    from thermolang.types import FloatArray

COSINE = 0.8
"""From this cosine of their embeddings two sentences mean the same, if no rule splits them. Set by hand."""

SHORTER = 0.5
"""A sentence with less than this part of another one's letters does not say all that the other says."""

_TABLE = read_table("sentences")
_NEVER_END = word_set(_TABLE["never_end"])
_BEFORE_NUMBER = word_set(_TABLE["before_number"])
_MAY_END = word_set(_TABLE["may_end"])
_OPENERS = word_set(_TABLE["openers"])
_NO_NAMES = word_set(_TABLE["calendar"]) | _MAY_END | {"i"}
_GERMAN_MONTHS = word_set(_TABLE["german_months"])
_GERMAN = word_set(_TABLE["german_words"])

_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_MARK = re.compile(
    r"([.!?\u2026\u3002\uff01\uff1f\uff0e\uff61]+)([\"'*_)\]\u201d\u2019\u00bb\u300d\u300f\uff09\u3011]*)"
)
_QUOTED = re.compile("「[^「」]*」|『[^『』]*』|（[^（）]*）")  # noqa: RUF001
_SAYS = re.compile(r"[^\W_]")
_NEXT = re.compile(r"[\s\"'*_(\[\u201c\u2018\u00ab]*([^\W_]+)")
_BEFORE = re.compile(r"(?:[^\W_]+\.)*[^\W_]+$")
_LETTERS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
_BULLET = re.compile(r"\s*(?:[-*\u2022\u30fb#>]+\s*)?(?:(?:\d{1,3}|[A-Za-z])[.)]\s+)?")
_MARKER = re.compile(r"\s*(?:[-*\u2022]\s*)?\d{1,3}")
_HIRAGANA = re.compile("[\u3040-\u309f]")
_JAPANESE_WORD = re.compile("[\u30a0-\u30ff]{2,}|[\u4e00-\u9fff\u3005]{2,}")
_KANJI_NUMERAL = re.compile("[〇一二三四五六七八九十百千万億兆]")
_WORD = re.compile(r"[^\W\d_](?:[\w'\u2019-]|\.(?=\w))*")
_WIDE = frozenset("\u3002\uff01\uff1f\uff0e\uff61")

Span = tuple[int, int]


def sentence_spans(text: str) -> tuple[Span, ...]:
    """Return the spans of the sentences of a text, English or Japanese.

    A line ends a sentence, so each item of a list is one; "Dr.", "e.g.", "U.S.", "3.5" and an initial do not.

    Args:
        text: Any text.

    Returns:
        (start, end) of each sentence, in order, not overlapping; everything but white space is in one of them.

    Example:
        >>> text = "Dr. Lee paid 3.5 dollars. He left!  Why?"
        >>> [text[start:end] for start, end in sentence_spans(text)]
        ['Dr. Lee paid 3.5 dollars.', 'He left!', 'Why?']
    """
    return tuple(span for line in _LINE.finditer(text) for span in _in_line(line[0], line.start()))


def sentence_support(
    text: str, samples: Sequence[str], equivalence: Equivalence | None = None
) -> tuple[SentenceSupport, ...]:
    """Return the share of the sampled answers that support each sentence of an answer. Experimental.

    A sample supports a sentence if one of its sentences, or two neighbouring ones together, mean the same: by
    ``Equivalence`` or by the cosine of their embeddings, and no rule splits them. A number, date or name that the
    sample lacks breaks the support. The share is NOT a calibrated probability; see SelfCheckGPT (Manakul et al., 2023).

    Args:
        text: The answer.
        samples: N other answers to the same conversation, in any order.
        equivalence: Compares two sentences; its judge is not asked. A new one by default.

    Returns:
        One entry for each sentence that has a letter or digit, in order; none without samples.
    """
    if not samples:
        return ()
    spans = [span for span in sentence_spans(text) if _SAYS.search(text, *span)]
    own = [_bare(text[start:end]) for start, end in spans]
    pieces = [tuple(dict.fromkeys(_pieces(sample))) for sample in samples]
    texts = [*own, *(" ".join(piece) for found in pieces for piece in found)]
    compare = _Comparer(equivalence or Equivalence(), texts)
    shares = [sum(any(compare(said, p) for p in found) for found in pieces) / len(samples) for said in own]
    return tuple(SentenceSupport(a, b, text[a:b], share) for (a, b), share in zip(spans, shares, strict=True))


class _Comparer:
    """Whether a piece of a sample says what a sentence says; all texts are embedded at once."""

    def __init__(self, equivalence: Equivalence, texts: Sequence[str]) -> None:
        # A judge answers questions about answers; a sentence is none.
        self._plain = Equivalence(equivalence.embedder, guards=equivalence.guards)
        # Never without rules: to an embedder a sentence and its denial are much alike.
        self._guards = equivalence.guards or GUARDS
        self._vectors: dict[str, FloatArray] = {}
        if self._plain.embedder is not None:
            try:
                known = list(dict.fromkeys(texts))
                self._vectors = dict(zip(known, self._plain.embedder.embed(known), strict=True))
            except ModelError:
                self._vectors = {}  # rules and spelling alone, as in ``Equivalence``

    def __call__(self, sentence: str, piece: Sequence[str]) -> bool:
        """Compare a sentence with one of a sample, or with two neighbours."""
        a, b = facts(sentence), facts(" ".join(piece))
        if any(lacks(a, b) for lacks in _LACKING) or (a.is_japanese and not self._reads(a) and _lacks_word(a, b)):
            return False
        link = apply_guards(a, b, guards=self._guards)
        if link is not None:
            return self._plain.same(a.text, b.text) >= 0.5 if link.same is None else link.same
        if a.negated != any(facts(part).negated for part in piece):
            return False
        return self._cosine(a, b) >= COSINE or self._plain.same(a.text, b.text) >= 0.5

    def _reads(self, said: Facts) -> bool:
        return said.text in self._vectors and bool(np.isfinite(self._vectors[said.text]).all())

    def _cosine(self, a: Facts, b: Facts) -> float:
        return float(self._vectors[a.text] @ self._vectors[b.text]) if self._reads(a) and self._reads(b) else 0.0


def _in_line(line: str, offset: int) -> Iterator[Span]:
    masked = _QUOTED.sub(_without_marks, line)
    spans: list[Span] = []
    start, letter = 0, _letter(line, 0)
    for end in (m.end() for m in _MARK.finditer(masked) if _ends(masked, m)):
        if letter < end:
            spans.append((start, end))
            start, letter = end, _letter(line, end)
    if letter < len(line) or not spans:
        spans.append((start, len(line)))
    else:  # what says nothing belongs to the sentence before it
        spans[-1] = (spans[-1][0], len(line))
    for first, last in spans:
        said = line[first:last]
        if said.strip():
            start = first + len(said) - len(said.lstrip())
            yield offset + start, offset + start + len(said.strip())


def _letter(line: str, start: int) -> int:
    """Where the next letter or digit is; the line's end if there is none."""
    found = _SAYS.search(line, start)
    return found.start() if found else len(line)


def _without_marks(quoted: re.Match[str]) -> str:
    """A quotation in which only the last mark may end a sentence; of the same length."""
    text = quoted[0]
    return text[:1] + _MARK.sub(lambda m: "x" * len(m[0]), text[1:-2]) + text[-2:] if len(text) > 2 else text


def _ends(line: str, mark: re.Match[str]) -> bool:
    signs, end = mark[1], mark.end()
    after = line[end : end + 1]
    if not after:
        return True
    if _WIDE.intersection(signs):
        within = signs == "\uff0e" and after.isdigit()
        return not within and not (mark[2] and _HIRAGANA.match(after))  # 「はい。」と言った
    if not (after.isspace() or HAS_JAPANESE_SIGN.match(after)):
        return False
    following = _NEXT.match(line, end)
    word = following[1] if following else ""
    return not word[:1].islower() and not (signs == "." and _goes_on(line, mark.start(), word))


def _goes_on(line: str, stop: int, following: str) -> bool:
    """Whether the full stop at a place belongs to an abbreviation, an initial, an ordinal or a list's number."""
    if _MARKER.fullmatch(line[:stop]) if stop < 8 else False:
        return True
    found = _BEFORE.search(line, max(0, stop - 16), stop)
    word, lower = (found[0], found[0].lower()) if found else ("", "")
    if lower in _NEVER_END or (lower in _BEFORE_NUMBER and following[:1].isdigit()):
        return True
    if lower.isdigit() and len(lower) < 3 and following.lower() in _GERMAN_MONTHS:
        return True
    return bool(lower in _MAY_END or _LETTERS.fullmatch(word)) and following.lower() not in _OPENERS


def _pieces(sample: str) -> Iterator[tuple[str, ...]]:
    """The sentences of a sample, and each two neighbours."""
    found = [_bare(sample[start:end]) for start, end in sentence_spans(sample) if _SAYS.search(sample, start, end)]
    yield from ((one,) for one in found)
    yield from itertools.pairwise(found)


def _bare(sentence: str) -> str:
    """A sentence without the number or sign of a list's item, which it does not say."""
    found = _BULLET.match(sentence)
    rest = sentence[found.end() :] if found else sentence
    return rest if _SAYS.search(rest) else sentence


def _lacks_amount(a: Facts, b: Facts) -> bool:
    return any(not any(same_quantity(q, r) for r in b.quantities) for q in a.quantities)


def _lacks_date(a: Facts, b: Facts) -> bool:
    return any(not any(_tells(e, d) for e in b.dates) for d in a.dates)


def _tells(told: PartialDateTime, wanted: PartialDateTime) -> bool:
    """Whether one date is the other, or says more of the same."""
    same = dates_agree(told, wanted)
    if same is not None:
        return same
    return all(getattr(wanted, field) is None or getattr(told, field) is not None for field in DATE_FIELDS)


def _lacks_name(a: Facts, b: Facts) -> bool:
    """Whether a word that stands inside a sentence with a capital letter is missing; not in German."""
    if len(_GERMAN.intersection(a.text.split())) > 1:
        return False
    had = {_without_possessive(w) for w in _WORD.findall(b.text)}
    missing = [w for w in _names(a.text) if not any(_is_word(_without_possessive(w), h) for h in had)]
    if not missing:
        return False
    initials = "".join(w[0] for w in missing).lower()
    short = {
        w for w in missing if w.isupper() and _without_possessive(w) in "".join(n[0] for n in _names(b.text)).lower()
    }
    return not (short == set(missing) or (len(initials) > 1 and initials in had))


def _names(text: str) -> list[str]:
    words = _WORD.findall(text)
    is_name = [w[0].isupper() and _without_possessive(w) not in _NO_NAMES for w in words]
    if words and (_without_possessive(words[0]) in _OPENERS or len(words) < 2 or not is_name[1]):
        is_name[0] = False  # a capital that begins the sentence says nothing
    return [w for w, name in zip(words, is_name, strict=True) if name]


def _without_possessive(word: str) -> str:
    """A word casefolded, without "'s" and full stops."""
    return re.sub(r"['\u2019]s$", "", word.casefold()).replace(".", "")


def _is_word(wanted: str, had: str) -> bool:
    return wanted == had or (wanted.isalpha() and len(wanted) > 3 and ratio(wanted, had) >= SAME_SPELLING)


def _lacks_word(a: Facts, b: Facts) -> bool:
    """Whether a word of kanji or katakana is missing: spelling alone cannot tell 東京 from 大阪 in a long sentence."""
    text = unicodedata.normalize("NFKC", b.text)
    found = _JAPANESE_WORD.findall(unicodedata.normalize("NFKC", a.text))
    return any(w not in text for w in found if not _KANJI_NUMERAL.search(w))


def _says_less(a: Facts, b: Facts) -> bool:
    return len(b.form) < SHORTER * len(a.form)


_LACKING: Sequence[Callable[[Facts, Facts], bool]] = (_says_less, _lacks_amount, _lacks_date, _lacks_name)
"""What a piece of a sample may lack of a sentence, so that it does not support it."""
