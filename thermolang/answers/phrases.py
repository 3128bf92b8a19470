"""What the readers of wording share: folded text, contractions written out."""

from __future__ import annotations

import re
import unicodedata

from thermolang.answers import negation_tables as tables
from thermolang.answers.normal import JAPANESE

HAS_JAPANESE = re.compile(f"[{JAPANESE}]")
WRAPPED = " \t\r\n\"'`*_#-()[]「」『』“”‘’"  # noqa: RUF001
_MAY_CONTRACT = re.compile(r"'|nt\b|nnot\b|\bno\b", re.IGNORECASE)


def fold(text: str) -> str:
    """NFKC and casefold, with one kind of apostrophe."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return folded.casefold().replace("\u2019", "'")


def expanded(text: str) -> str:
    """Contractions written out; "No. 5" becomes "number 5"."""
    if _MAY_CONTRACT.search(text):
        for pattern, full in tables.CONTRACTIONS:
            text = pattern.sub(full, text)
    return text
