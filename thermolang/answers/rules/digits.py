"""How numbers are spelled in digits: separators of several locales, superscripts, dashes and LaTeX.

``fold_math`` gives the spelling that all readers of amounts and dates share, and their spans are places in it.
``readings`` says what digits with separators may mean: 1.127,54 one number, 1.234 one of two. LaTeX is read by a few
rows of ``data/digits.toml``: a text rarely has more of it than a fraction, a root or a power.
"""

from __future__ import annotations

import re
import unicodedata

from thermolang.answers.rules.tables import read_table, replacements

_TABLE = read_table("digits")
_MARKUP = replacements(_TABLE["latex"])
_HAS_MARKUP = re.compile(r"\\[A-Za-z%$,;:!{}()\[\] ]|\^\{|\{,\}")

# NFKC makes 10² a 102; one private character per superscript keeps both the meaning and all positions.
SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", range(0xE0F0, 0xE0FC), strict=True))
_TO_PRIVATE = {ord(char): chr(code) for char, code in SUPERSCRIPTS.items()}
_FROM_PRIVATE = dict(zip(map(chr, SUPERSCRIPTS.values()), "0123456789-+", strict=True))
SQUARED, CUBED = chr(SUPERSCRIPTS["²"]), chr(SUPERSCRIPTS["³"])

BAR = "\ue0fc"
"""Stands for the bar of a LaTeX fraction: unlike a slash it is in no date and in no name."""

DASHES = "-\u2010-\u2015\u2212\ufe63"
"""Dashes and minus signs, to stand between square brackets."""

TOKEN = (
    r"(?:[0-9]+(?:[.,][0-9]+|['\u2019][0-9]{3}(?![0-9\"'\u2019])|(?<![0-9]{4})\x20[0-9]{3}(?![0-9.,]?[0-9])"  # nosec # B105: a pattern
    r"|(?<![0-9]{4})\x20[0-9]{3}(?=[.,][0-9]{1,2}(?![0-9]))){0,14}|(?<![0-9])\.[0-9]+)"
)
"""A regular expression of digits with the separators of any locale."""

_MARK = re.compile("[.,]")
_WESTERN, _INDIAN = r"[0-9]{{1,3}}(?:{0}[0-9]{{3}})+", r"[0-9]{{1,2}}(?:{0}[0-9]{{2}})+{0}[0-9]{{3}}"
_GROUPED = {mark: re.compile(f"{_WESTERN}|{_INDIAN}".format(re.escape(mark))) for mark in ".,"}

_HAS_DIGIT = re.compile("[0-9]")
_MONEY = "[$€£¥₹]"
_MINUS = re.compile(
    rf"(?:(?<=^)|(?<=[\s(]))(?:[{DASHES}▲△▼]\s?(?={_MONEY}\s?\.?[0-9])|[{DASHES}▲△▼](?=\.?[0-9])"
    rf"|^(?!-)[{DASHES}] (?=[0-9]))"
)
_BRACKETED = re.compile(rf"^\s*({_MONEY}?)\(({_MONEY}?\s?[0-9][^()]{{0,30}})\)\s*[.。]?\s*$")
_RANGE = re.compile(
    rf"(?<![{DASHES}\w.,/:])([1-9][0-9]{{0,2}})\s?[{DASHES}~\u301c]\s?([1-9][0-9]{{0,2}})(?![{DASHES}0-9/:]|[.,][0-9])"
)
_OPEN_END = re.compile(r"(?<=[0-9時分])\s?[~\u301c\uff5e]\s*$")
_SEPARATED = re.compile(rf"(?<![\w.,]){TOKEN}(?![\w.,]*[0-9])")


def fold_math(text: str) -> str:
    r"""Return the NFKC form of a text, with LaTeX numbers in plain signs and each superscript digit one character.

    Example:
        >>> fold_math(r"10^{5}"), fold_math("㎞")
        ('10^(5)', 'km')
    """
    if _HAS_MARKUP.search(text):
        text = plain_latex(text)
    return text if text.isascii() else unicodedata.normalize("NFKC", text.translate(_TO_PRIVATE))


def plain_latex(text: str) -> str:
    r"""Return a text with the LaTeX of numbers in plain signs; a fraction's bar is ``BAR``.

    Example:
        >>> plain_latex(r"\frac{1}{2}").replace(BAR, "/"), plain_latex(r"2\dfrac{1}{2}").replace(BAR, "/")
        ('1/2', '2 1/2')
    """
    for found, instead in _MARKUP:
        text = found.sub(instead.replace("BAR", BAR), text)
    return text


def raised(superscripts: str) -> str:
    """Return the digits and signs that superscripts of a folded text stand for."""
    return "".join(_FROM_PRIVATE[char] for char in superscripts)


def readings(written: str, *, thousands: bool = False) -> tuple[str, ...]:
    """Return what digits with separators may mean, the likeliest first.

    One separator before just three digits may stand before thousands or before decimals. A comma there is taken for
    the former, as in English and Japanese; a full stop is either.

    Args:
        written: Digits with separators, as ``TOKEN`` finds them.
        thousands: Whether that separator is likelier to stand before thousands, as beside a sign for euros.

    Returns:
        Plain decimal numbers: one, two if it can be read in two ways, none if it is no number (1.2.3; 1,2,3).

    Example:
        >>> readings("1.127,54"), readings("1,20,000"), readings("0,075"), readings("1'234.50")
        (('1127.54',), ('120000',), ('0.075',), ('1234.50',))
        >>> readings("1.234"), readings("1.234", thousands=True), readings("1,234"), readings("1,2,3")
        (('1.234', '1234'), ('1234', '1.234'), ('1234',), ())
    """
    plain = re.sub(r"['\u2019\x20]", "", written)
    marks = _MARK.findall(plain)
    if not marks:
        return (plain,)
    head, last, tail = plain.rpartition(marks[-1])
    if len(marks) == 1:
        return _one_mark(head, last, tail, grouped=plain != written, thousands=thousands)
    if len(set(marks)) == 1:
        return (plain.replace(last, ""),) if _GROUPED[last].fullmatch(plain) else ()
    other = marks[0]
    if last in head or not _GROUPED[other].fullmatch(head):
        return ()
    return (f"{head.replace(other, '')}.{tail}",)


def spelled_numbers(text: str) -> str:
    r"""Return a text in which marks of numbers survive ``spelling.normal_form``, which makes gaps of most marks.

    Example:
        >>> spelled_numbers("1.127,54 €"), spelled_numbers("▲5"), spelled_numbers("3-5 days"), spelled_numbers("(500)")
        ('1127.54 €', 'minus 5', '3 to 5 days', 'bracketed 500')
    """
    if not _HAS_DIGIT.search(text):
        return text
    if _HAS_MARKUP.search(text):
        text = plain_latex(text).replace(BAR, "/")
    text = _BRACKETED.sub(r"bracketed \1\2", text)
    text = _RANGE.sub(_range, _MINUS.sub("minus ", text))
    return _SEPARATED.sub(_plain_number, _OPEN_END.sub(" から", text))


def _range(match: re.Match[str]) -> str:
    return f"{match[1]} to {match[2]}" if int(match[1]) < int(match[2]) else match[0]


def _plain_number(match: re.Match[str]) -> str:
    said = readings(match[0])
    return said[0] if len(said) == 1 else match[0]


def _one_mark(head: str, mark: str, tail: str, *, grouped: bool, thousands: bool) -> tuple[str, ...]:
    decimal, whole = f"{head}.{tail}", head + tail
    if len(head) == len(tail) == 4 and mark == ",":
        return ()  # two years
    if grouped or len(tail) != 3 or len(head) > 3 or not head or head.startswith("0"):
        return (decimal,)
    if mark == ",":
        return (whole, decimal) if thousands else (whole,)
    return (whole, decimal) if thousands else (decimal, whole)
