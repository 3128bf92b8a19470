"""Embedders and judges without weights, and texts that answers may be."""

from __future__ import annotations

import sys
import threading
import types
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from thermolang.answers.rules.spelling import HAS_JAPANESE_SIGN
from thermolang.errors import ModelError


class FakeEmbedder:
    """Hashed bags of character trigrams as unit vectors: alike texts have alike vectors, in any language.

    Args:
        reads_japanese: Whether Japanese texts have a vector too.
        fails: Whether it raises, as an embedder that cannot be loaded does.
    """

    def __init__(self, *, reads_japanese: bool = False, fails: bool = False, width: int = 512) -> None:
        self._reads, self.fails, self._width = reads_japanese, fails, width
        self.asked: list[list[str]] = []
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]):
        with self._lock:
            self.asked.append(list(texts))
        if self.fails:
            msg = "cannot load the sentence embedder 'fake': it is not there"
            raise ModelError(msg)
        return np.stack([self._vector(text) for text in texts]) if texts else np.zeros((0, self._width), np.float32)

    def _vector(self, text: str):
        if not self._reads and HAS_JAPANESE_SIGN.search(text):
            return np.full(self._width, np.nan, np.float32)
        padded = f"  {text.lower()} "
        found = np.zeros(self._width)
        for i in range(len(padded) - 2):
            found[zlib.crc32(padded[i : i + 3].encode("utf-8", "replace")) % self._width] += 1
        return (found / np.linalg.norm(found)).astype(np.float32)


class FakeJudge:
    """Answers by a function of the pair, and remembers what it was asked."""

    def __init__(self, verdict: float | Callable[[str, str], float] = 1.0, *, fails: bool = False) -> None:
        self._verdict, self.fails = verdict, fails
        self.questions: list[str] = []
        self.pairs: list[tuple[str, str]] = []

    def __call__(self, question: str, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.questions.append(question)
        self.pairs += pairs
        if self.fails:
            msg = "the conversation is too long"
            raise ModelError(msg)
        return [self._verdict(a, b) if callable(self._verdict) else self._verdict for a, b in pairs]


def install(monkeypatch, **classes: object) -> None:
    """Let ``from sentence_transformers import X`` give a fake, without importing the library."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", types.SimpleNamespace(**classes))


# Of each sort one that another one of the list means, or denies, or looks like.
POOL = (
    "",
    "   ",
    "\n\t",
    "Paris",
    "paris",
    "**Paris**",
    "The answer is Paris.",
    "It's in Paris, France",
    "Paris, France",
    "Paris, Texas",
    "Paris and London",
    "London and Paris",
    "London, Paris, Rome",
    "Not Paris",
    "not in Paris",
    "London",
    "the capital of France",
    "Barack Obama",
    "President Obama",
    "B. Obama",
    "Michelle Obama",
    "Obama, Barack",
    "Mr. Smith",
    "Mrs. Smith",
    "USA",
    "U.S.A.",
    "United States of America",
    "the United Kingdom",
    "yes",
    "Yes, of course.",
    "no",
    "No, it is not.",
    "No, it was Paris",
    "I don't know",
    "I do not know.",
    "<b>I don't know</b>",
    "N/A",
    "N / A",
    "I'm sorry, but I cannot answer that.",
    "5",
    "five",
    "-5",
    "5 km",
    "5000 m",
    "5.0 kilometres",
    "5 kg",
    "about 5 km",
    "more than 5 km",
    "5 and 5",
    "5 and 6",
    "3-1",
    "1-3",
    "$5",
    "5%",
    "2½ km",
    "1995",
    "in 1995",
    "before 1995",
    "March 1995",
    "4 July 1976",
    "1976-07-04",
    "the 1990s",
    "Monday",
    "7 pm",
    "19:00",
    "Henry VIII",
    "Henry V",
    "C",
    "C++",
    "C#",
    "O+",
    "O-",
    "Type A",
    "Type AB",
    "hot",
    "cold",
    "It is hot",
    "It is not hot",
    "the dog bit the man",
    "the man bit the dog",
    "heavier rain",
    "heavier snow",
    "because of heavier snow",
    "東京",
    "東京です。",
    "東京都",
    "「東京」",
    "大阪",
    "大阪市",
    "大阪府",
    "トウキョウ",
    "はい",
    "はい、そうです。",
    "いいえ",
    "わかりません",
    "不明です。",
    "５キロ",
    "五キロメートル",
    "5人以上",
    "5人以下",
    "三千万円",
    "暑い",
    "寒い",
    "暑くない",
    "平成7年3月2日",
    "1995年3月2日",
    "👍",
    "👎",
    "שלום",
    "مرحبا بالعالم",
    "\u202eabc",
    "\u200b",
    "?!",
    "...",
    "\ud800",
    "a" * 20_000,
    "word " * 4_000,
    "東京" * 10_000,
)
