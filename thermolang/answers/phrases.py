"""What the readers of wording share: folded text, contractions written out."""

from __future__ import annotations

import re
import unicodedata

from thermolang.answers.normal import JAPANESE

HAS_JAPANESE = re.compile(f"[{JAPANESE}]")
WRAPPED = " \t\r\n\"'`*_#-()[]「」『』“”‘’"  # noqa: RUF001
_MAY_CONTRACT = re.compile(r"'|nt\b|nnot\b|\bno\b", re.IGNORECASE)

CONTRACTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), full)
    for pattern, full in [
        (r"\b(?:can'?t|cannot)\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"\bain't\b", "is not"),
        (r"\b(is|are|was|were|do|does|did|have|has|had|could|would|should|might|must|need)n'?t\b", r"\1 not"),
        (r"\b(it|he|she|that|there|what|who|here|where)'s\b", r"\1 is"),
        (r"\b(we|you|they)'re\b", r"\1 are"),
        (r"\bi'm\b", "i am"),
        (r"\b(i|we|you|they|he|she|it)'ll\b", r"\1 will"),
        (r"\b(i|we|you|they)'ve\b", r"\1 have"),
        (r"\bno\.? ?(?=\d)", "number "),
    ]
)


def fold(text: str) -> str:
    """NFKC and casefold, with one kind of apostrophe."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return folded.casefold().replace("\u2019", "'")


def expanded(text: str) -> str:
    """Contractions written out; "No. 5" becomes "number 5"."""
    if _MAY_CONTRACT.search(text):
        for pattern, full in CONTRACTIONS:
            text = pattern.sub(full, text)
    return text
