"""Japanese names: legal forms, honorifics, titles, places, persons, romaji and synonyms."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL
from thermolang.answers.rules.japanese import (
    other_japanese_name,
    romaji,
    same_in_other_script,
    same_japanese_name,
    synonyms,
)
from thermolang.answers.rules.spelling import cut_japanese, normal_form
from thermolang.answers.rules.tables import read_table

pytestmark = pytest.mark.skipif(cut_japanese("東京", "A", str) is None, reason="SudachiPy or its dictionary is missing")

SAME = [
    ("（株）山田商事", "株式会社山田商事"),  # noqa: RUF001
    ("㈱田中製作所", "田中製作所株式会社"),
    ("株式会社田中製作所", "田中製作所"),
    ("髙橋さん", "高橋様"),
    ("高橋様", "髙橋"),
    ("鈴木課長", "課長の鈴木です"),
    ("渡辺部長", "渡邊部長です"),
]

OTHER = [
    ("有限会社佐藤工業", "有限会社斎藤工業"),
    ("東京都港区", "東京都千代田区"),
    ("大阪府", "京都府"),
    ("山本太郎", "山本次郎"),
    ("山本太郎", "鈴木太郎"),
    ("田中", "中田"),
    ("佐藤さん", "鈴木さん"),
]

SILENT = [
    ("鈴木課長", "鈴木"),
    ("渡辺部長", "渡辺課長"),
    ("株式会社山田", "有限会社山田"),
    ("株式会社山田商事", "株式会社山田"),
    ("大阪府", "大阪市"),
    ("大阪府大阪市", "大阪市"),
    ("課長", "部長"),
    ("営業課長", "営業"),
    ("お客様", "お客"),
    ("橋", "箸"),
    ("Paris", "Rome"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_one_name(a, b):
    assert same_japanese_name(a, b) or normal_form(a) == normal_form(b)
    assert not other_japanese_name(a, b)


@pytest.mark.parametrize(("a", "b"), OTHER)
def test_other_names(a, b):
    assert other_japanese_name(a, b)
    assert not same_japanese_name(a, b)


@pytest.mark.parametrize(("a", "b"), SILENT)
def test_nothing_is_said(a, b):
    assert not same_japanese_name(a, b)
    assert not other_japanese_name(a, b)


@pytest.mark.parametrize(
    ("japanese", "latin"),
    [
        ("新宿", "Shinjuku"),
        ("東京", "Tōkyō"),
        ("大阪", "Osaka"),
        ("大野", "Ohno"),
        ("日本橋", "Nihonbashi"),
        ("札幌です", "Sapporo."),
        ("トヨタ", "TOYOTA"),
        ("カラオケ", "karaoke"),
    ],
)
def test_readings_in_latin_letters(japanese, latin):
    assert same_in_other_script(japanese, latin)
    assert not same_in_other_script(japanese, latin + "x")


@pytest.mark.parametrize(
    ("kana", "latin"),
    [
        ("シャチョウ", "shachou"),
        ("キョウト", "kyouto"),
        ("ニッポン", "nippon"),
        ("マッチャ", "matcha"),
        ("ファイル", "fairu"),
        ("ウィンドウズ", "windouzu"),
        ("ッ", ""),
        ("", ""),
    ],
)
def test_hepburn(kana, latin):
    assert romaji(kana) == latin


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("エクセル", "Excel", True),
        ("エクセルです", "excel", True),
        ("グーグル", "Google", True),
        ("パソコン", "PC", True),
        ("医者", "医師", True),
        ("部長", "課長", False),
        ("冷蔵庫", "倉庫", False),
        ("会計", "経理", False),  # each of several meanings, one in common
        ("Excel", "Excel", False),  # neither is Japanese
        ("赤いエクセル", "Excel", False),
    ],
)
def test_synonyms(a, b, same):
    assert synonyms(a, b) is same


@settings(deadline=None)
@given(st.one_of(st.sampled_from(POOL), st.text(max_size=35)), st.one_of(st.sampled_from(POOL), st.text(max_size=35)))
def test_the_order_plays_no_part(a, b):
    for decide in (same_japanese_name, other_japanese_name, same_in_other_script, synonyms):
        assert decide(a, b) == decide(b, a)
    assert not (same_japanese_name(a, b) and other_japanese_name(a, b))


@given(st.text("ァアイカガキシッチツンヤャュョーヴファ", max_size=12))
def test_any_kana_have_latin_letters(kana):
    assert romaji(kana).isascii() or not romaji(kana)


def test_variants_of_kanji_have_one_spelling():
    for standard, variants in read_table("variants").items():
        for variant in variants:
            assert normal_form(f"山{variant}川") == normal_form(f"山{standard}川"), variant
