"""Identifiers: addresses of mail and web, telephone numbers, versions, codes and models.

They are compared as what they are: AB-1234-X is AB1234X and not AB-1243-X, 2.4.1 is not 2.4.10, +81 3 1234 5678 is
03-1234-5678. To an embedder they are much alike, and to readers of amounts and dates their digits are numbers. Words
are in ``data/identifiers.toml``.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from thermolang.answers.rules.spelling import KANJI, KATAKANA, fold
from thermolang.answers.rules.tables import any_of, pattern, read_table, word_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Sort = Literal["mail", "web", "network", "phone", "version", "code"]

_TABLE = read_table("identifiers")
_LABELS = word_set(_TABLE["labels"])
_NO_CODE = word_set(_TABLE["no_code"])
_UNITS = word_set(_TABLE["units"])
_EDITIONS = word_set(_TABLE["editions"])
_VERSION_NAME = pattern(_TABLE["version"])
_JAPANESE_LABELS = re.compile(any_of(sorted((w for w in _LABELS if not w.isascii()), key=len, reverse=True)) + "+")

MOST_CHARACTERS = 300
"""A longer text is not read: it is more than an identifier, and may name several."""

FEWEST_DIGITS = 7
"""Of a telephone number."""

MOST_WORDS = 8
"""Of a product with its number and editions."""

_MAIL = re.compile(r"(?:mailto:)?[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,4}")
_DOMAINS = any_of(_TABLE["domains"].split())
_WEB = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'()。、]{3,200}"
    rf"|(?<![a-z0-9@.-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}{_DOMAINS}(?![a-z0-9.-])(?:/[^\s<>\"'()。、]{{0,200}})?"
)
_NETWORK = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?![\d.])")
_PHONE = re.compile(
    r"(?<![a-z0-9.,+-])(?:\+\d{7,15}|(?:\+|〒)?\(?\d{1,6}\)?(?:(?:[ ./-]{1,2}|(?<=\))|(?=\())\(?\d{1,11}\)?){1,6})"
    r"(?![a-z0-9,%]|\.\d|[-/:]\d)"
)
_VERSION = re.compile(
    rf"(?<![a-z\d.])(?:(?:{_VERSION_NAME})[\s.:#]{{0,2}}(\d{{1,6}}(?:\.\d{{1,6}}){{0,4}})|(\d{{1,5}}(?:\.\d{{1,5}}){{2,4}}))"
    rf"(?:[-+]([a-z]{{1,10}}[.-]?\d{{0,4}})| ?({_TABLE['pre_releases']}))?(?![\d.]*\d|[a-z])"
)
_CODE = re.compile(r"(?<![a-z0-9.+-])[a-z0-9]{1,20}(?:[-_/][a-z0-9]{1,20}){0,6}(?![a-z0-9]|[-+_/.][a-z0-9]|%)")
_GROUPS = re.compile(r"[a-z]+|\d+")
_DATE_LIKE = re.compile(r"(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d|(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2})(?!\d)")
_YEARS = re.compile(r"(?:1\d|20)\d\d ?[-/] ?(?:1\d|20)\d\d")
_GROUPED_AMOUNT = re.compile(r"\d{1,3}(?:[ .]\d{3})+")
_POWER = re.compile(r"\d+e\d+")
_LATIN_WORD = re.compile(r"[a-z0-9]+")
_OTHER_WORD = re.compile(r"[^\W_a-z0-9]+")
_PLAIN = re.compile(r"(?:[\w\s.]|,(?=\s)|(?<=[a-z])-(?=\w))*")
_MODEL_WORD = re.compile(rf"[{KATAKANA}]+|[{KANJI}\u3041-\u309f]+|\d+(?:\.\d+)*|[^\W\d_]+")


@dataclass(frozen=True)
class Identifier:
    """An identifier within a text.

    Attributes:
        sort: What it is: an address of mail, web or network, a telephone number, a version, or a code of letters and
            digits, such as a part number.
        value: Its canonical spelling.
        span: Where it stands in the folded text.
    """

    sort: Sort
    value: str
    span: tuple[int, int]


@functools.lru_cache(maxsize=8192)
def identifiers_in(text: str) -> tuple[Identifier, ...]:
    """Return the identifiers in a short text, in order; none for one of more than ``MOST_CHARACTERS``.

    Example:
        >>> [(i.sort, i.value) for i in identifiers_in("Write to HR@example.com about AB-1234-X.")]
        [('mail', 'hr@example.com'), ('code', 'ab1234x')]
    """
    if len(text) > MOST_CHARACTERS:
        return ()
    folded = fold(text)
    found: list[Identifier] = []
    for sort, read in _READERS:
        for start, end, value in read(folded):
            if all(end <= one.span[0] or one.span[1] <= start for one in found):
                found.append(Identifier(sort, value, (start, end)))
    return tuple(sorted(found, key=lambda one: one.span))


@functools.lru_cache(maxsize=8192)
def bare_identifier(text: str) -> Identifier | None:
    """Return the identifier that a text is, up to words such as "version" or "write to"; None if it says more.

    Example:
        >>> bare_identifier("version 2.4.1").value, bare_identifier("It fails since v2.4.1")
        ('2.4.1', None)
    """
    found = identifiers_in(text)
    if len(found) != 1:
        return None
    start, end = found[0].span
    folded = fold(text)
    rest = f"{folded[:start]} {folded[end:]}"
    known = all(word in _LABELS for word in _LATIN_WORD.findall(rest))
    return found[0] if known and all(map(_JAPANESE_LABELS.fullmatch, _OTHER_WORD.findall(rest))) else None


def same_identifier(a: str, b: str) -> bool:
    """Return whether two texts surely give one identifier, and say nothing beside it.

    Example:
        >>> same_identifier("+81-3-1234-5678", "03-1234-5678"), same_identifier("PO-2024-18", "PO 2024 18")
        (True, True)
    """
    first, second = bare_identifier(a), bare_identifier(b)
    if first and second and _agree(first, second):
        return True
    return any(
        one is not None
        and one.sort in ("code", "phone")
        and one.value in (_squeezed(text), _squeezed(_unlabelled(text)))
        for one, text in ((first, b), (second, a))
    )


def other_identifiers(a: str, b: str) -> bool:
    """Return whether two texts give identifiers of one sort, and surely others.

    Example:
        >>> other_identifiers("E0042", "error E42"), other_identifiers("Python 3.11.4", "version 3.11")
        (True, False)
    """
    first, second = identifiers_in(a), identifiers_in(b)
    sorts = {one.sort for one in first} & {one.sort for one in second}
    return any(
        all(_agree(x, y) is False for x in first if x.sort == sort for y in second if y.sort == sort) for sort in sorts
    )


def same_model(a: str, b: str) -> bool:
    """Return whether two texts name one product with its number, whatever the gaps.

    Example:
        >>> same_model("iPhone15 Pro", "the iPhone 15 Pro"), same_model("Python 3.1", "Python 3.10")
        (True, False)
    """
    first = _model(a)
    return first is not None and first == _model(b)


def other_model(a: str, b: str) -> bool:
    """Return whether two texts name models of one series, in editions such as "Pro" that are not the same.

    Example:
        >>> other_model("iPhone 15 Pro", "iPhone 15"), other_model("iPhone 15", "the iPhone 15")
        (True, False)
    """
    first, second = _model(a), _model(b)
    return first is not None and second is not None and first[0] == second[0] and first[1] != second[1]


def _agree(a: Identifier, b: Identifier) -> bool | None:
    """True or False for surely one or surely not; None if one may be the other, said with less."""
    if a.sort != b.sort:
        return None
    if a.value == b.value:
        return True
    if a.sort == "phone":
        short, long = sorted((a.value.lstrip("+0"), b.value.lstrip("+0")), key=len)
        whole = len(short) >= FEWEST_DIGITS and long.endswith(short)
        return (True if "+" in a.value + b.value or len(long) == len(short) else None) if whole else False
    short, long = sorted((a.value, b.value), key=len)
    if a.sort == "version" and long.startswith(short) and long[len(short)] in ".+":
        return None  # 3.11 may be said for 3.11.4
    return None if a.sort in ("code", "web") and short in long else False


def _mails(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _MAIL.finditer(text):
        yield *match.span(), match[0].removeprefix("mailto:")


def _webs(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _WEB.finditer(text):
        shown = match[0].rstrip(".,;:!?/")
        yield match.start(), match.end(), re.sub(r"^(?:https?://)?(?:www\.)?", "", shown)


def _networks(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _NETWORK.finditer(text):
        yield *match.span(), match[0]


def _phones(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _PHONE.finditer(text):
        shown, digits = match[0], re.sub(r"\D", "", match[0])
        is_amount = _GROUPED_AMOUNT.fullmatch(shown) or _YEARS.fullmatch(shown) or _DATE_LIKE.search(shown)
        if is_amount or not FEWEST_DIGITS <= len(digits) <= 15 or not re.search(r"\d{3}", shown):
            continue
        if shown.startswith("+"):
            # A trunk zero in brackets, as in +44 (0)20, is not dialled from abroad.
            digits = "+" + re.sub(r"\D", "", shown.replace("(0)", ""))
        yield *match.span(), digits


def _versions(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _VERSION.finditer(text):
        number = match[1] or match[2]
        if match[1] is None and _DATE_LIKE.fullmatch(number):
            continue
        released = ".".join(str(int(n)) for n in number.split("."))
        suffix = re.sub(r"\W", "", match[3] or match[4] or "")
        yield *match.span(), f"{released}-{suffix}" if suffix else released


def _codes(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _CODE.finditer(text):
        value = _squeezed(match[0])
        if _is_code(match[0], value):
            yield *match.span(), value


def _is_code(shown: str, value: str) -> bool:
    """Whether letters and digits are mixed as in a code, not as in 5km, 2nd, q3, 1h30min or twenty20."""
    groups = _GROUPS.findall(value)
    letters = [g for g in groups if g.isalpha()]
    if len(groups) < 2 or not letters or len(letters) == len(groups) or len(value) < 3 or max(map(len, letters)) > 4:
        return False
    if groups[0].isalpha():
        return len(groups) > 2 or groups[0] not in _NO_CODE
    measured = _UNITS.issuperset(letters) and not any(re.match(r"0\d", g) for g in groups)
    measured = measured or _POWER.fullmatch(shown) is not None
    return len(groups) > 2 and not measured and not re.search(r"\d[-_/]\d", shown)


def _squeezed(text: str) -> str:
    """The letters and digits of a text that has no other signs than those of a code; else an empty text."""
    folded = fold(text).strip(" .。〒")
    if len(text) > MOST_CHARACTERS or not re.fullmatch(r"[+(]?\w[\w\s()/-]*", folded):
        return ""
    return re.sub(r"[\W_]", "", folded)


def _unlabelled(text: str) -> str:
    return " ".join(word for word in re.split(r"[\s:#]+", text) if fold(word).strip(".,") not in _LABELS)


@functools.lru_cache(maxsize=8192)
def _model(text: str) -> tuple[tuple[str, ...], frozenset[str]] | None:
    """Series and editions of a product with a number, or None: ("iphone", "15") and {"pro"}."""
    folded = fold(text).strip(" .。")
    if len(text) > MOST_CHARACTERS // 3 or not _PLAIN.fullmatch(folded):
        return None
    words = [w for w in _MODEL_WORD.findall(folded) if w not in _LABELS]
    number = max((i for i, w in enumerate(words) if w[0].isdigit()), default=0)
    editions = words[number + 1 :]
    if number == 0 or len(words) > MOST_WORDS or not _EDITIONS.issuperset(editions):
        return None
    return tuple(words[: number + 1]), frozenset(editions)


_READERS: tuple[tuple[Sort, Callable[[str], Iterator[tuple[int, int, str]]]], ...] = (
    ("mail", _mails),
    ("web", _webs),
    ("network", _networks),
    ("version", _versions),
    ("phone", _phones),
    ("code", _codes),
)
"""Readers in this order: what one has read is left out by those after it."""
