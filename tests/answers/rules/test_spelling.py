import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thermolang.answers.rules import spelling as normal
from thermolang.answers.rules.spelling import keys, normal_form, share_key

PARTS = [
    "the",
    "a",
    "A",
    "B",
    "it",
    "is",
    "It's",
    "answer",
    "St.",
    "st",
    "and",
    "&",
    ",",
    "A:",
    "です",
    "東京",
    "答えは",
]
PARTS += ["と", "。", "5", "-3", "i think", "so", "mt", "no", "s", "'s", "lettera", "è", "U.S.A."]
ANY_TEXT = st.one_of(
    st.text(max_size=60),
    st.text("アーンヴィ々人京東です答えはだ。、 Aab1", max_size=30),
    st.text("aA '*$#-+/.&,:²½\\{}^%()é ", max_size=30),
    st.lists(
        st.sampled_from(
            [
                "the",
                "a",
                "an",
                "A",
                "B",
                "it",
                "is",
                "It's",
                "answer",
                "St.",
                "st",
                "saint",
                "and",
                "&",
                ",",
                "A:",
                "です",
                "東京",
                "答えは",
                "と。",
                "5",
                "-3",
                "i",
                "think",
                "so",
            ]
        )
    ).map(" ".join),
)
LONG = ["です" * 10_000, "ー" * 20_000, "アー" * 10_000, "a" * 20_000, "it is " * 4_000, "👍" * 20_000, "々" * 20_000]
LONG += ["שלום " * 4_000, "$" * 20_000, "と" * 20_000, ", " * 10_000, "a, " * 7_000, "A: " * 7_000, "`*" * 10_000]
LONG += [
    "ー" * 20_000 + "ア",
    "is" * 10_000,
    "<" * 20_000,
    "ア" + "ー" * 10_000 + "アア",
    "\u0301" * 20_000,
    "\\" * 20_000,
]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Paris", "paris"),
        ("**Paris**", "paris"),
        ("`Paris`", "paris"),
        ("- Paris.", "paris"),
        ("# Paris", "paris"),
        ("> Paris", "paris"),
        ("“Paris”", "paris"),
        ("'Paris'", "paris"),
        ("The answer is Paris.", "paris"),
        ("The correct answer is: **Paris**", "paris"),
        ("It is Paris", "paris"),
        ("It's Paris!", "paris"),
        ("It’s Paris!", "paris"),  # noqa: RUF001
        ("Answer: Paris", "paris"),
        ("A: Paris", "paris"),
        ("I think it is Paris", "paris"),
        ("I think so", "i think so"),
        ("It is", "it is"),
        ("Its colour", "its color"),
        ("Café", "cafe"),
        ("São Tomé", "sao tome"),
        ("Łódź", "lodz"),
        ("Ærø", "aero"),
        ("Άθήνα", "αθηνα"),
        ("harbour", "harbor"),
        ("favourite colours", "favorite colors"),
        ("four hours", "four hours"),
        ("organised", "organized"),
        ("organisation", "organization"),
        ("analyse", "analyze"),
        ("rise", "rise"),
        ("grey", "gray"),
        ("theatre", "theater"),
        ("5 kilometres", "5 kilometers"),
        ("St. Louis", "saint louis"),
        ("St Louis", "saint louis"),
        ("Main St.", "main st"),
        ("21 st", "21 st"),
        ("Trinidad & Tobago", "trinidad and tobago"),
        ("-5", "minus 5"),
        ("−5", "minus 5"),  # noqa: RUF001
        ("twenty-one", "twenty one"),
        ("C", "c"),
        ("C#", "c sharp"),
        ("10²", "10 power 2"),
        ("10^2", "10 power 2"),
        ("1/2", "1 over 2"),
        ("½", "1 over 2"),
        ("H₂O", "h2o"),
        ("50%", "50 percent"),
        ("50 per cent", "50 percent"),
        ("$x = 5$", "x equals 5"),
        (r"\boxed{5}", "5"),
        ("<b>Paris</b>", "paris"),
        ("👍", "👍"),
        ("Paris 👍", "paris"),
        ("?!", "?!"),
        ("", ""),
        ("がぎぐ", "がぎぐ"),
        ("か\u3099", "が"),
        ("東京です。", "東京"),
        ("東京だ", "東京"),
        ("東京でした", "東京"),
        ("東京である。", "東京"),
        ("東京 です", "東京"),
        ("答えは東京です。", "東京"),
        ("答え：東京", "東京"),  # noqa: RUF001
        ("それは東京です", "東京"),
        ("東京だと思います。", "東京"),
        ("「東京」", "東京"),
        ("からだ", "からだ"),
        ("飲んだ", "飲んだ"),
        ("です", "です"),
        ("コンピューター", "コンピュータ"),
        ("ｺﾝﾋﾟｭｰﾀｰ", "コンピュータ"),
        ("コピー", "コピー"),
        ("バー", "バー"),
        ("ヴァイオリン", "バイオリン"),
        ("人々", "人人"),
        ("レオナルド・ダ・ヴィンチ", "レオナルドダビンチ"),
        ("東 京", "東京"),
        ("JR 東日本", "jr 東日本"),
        ("３月", "3 月"),
        ("3ヶ月", "3 か月"),
        ("ビタミンAです", "ビタミン a"),
        ("ビタミンA", "ビタミン a"),
        ("Aです", "a"),
        ("서울", "서울"),
    ],
)
def test_normal_form(text, form):
    assert normal_form(text) == form


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("5", "-5"),
        ("C", "C++"),
        ("C", "C#"),
        ("A, C", "C"),
        ("10²", "102"),
        ("2½", "21/2"),
        ("x + 2", "x - 2"),
        ("ビタミンA", "ビタミン"),
        ("はは", "ばば"),
        ("ビル", "ビール"),
        ("👍", "👎"),
        ("hour", "hor"),
        ("からだ", "から"),
        ("open", "not open"),
        ("from A to B", "from B to A"),
        ("5 < x", "5 > x"),
        ("й", "и"),
        ("ö-", "p"),
    ],
)
def test_different_answers_stay_apart(a, b):
    assert normal_form(a) != normal_form(b)
    assert not share_key(keys(a), keys(b))


SAME = [
    ("Red and blue", "blue, red"),
    ("red, green, and blue", "Blue, green and red."),
    ("The colors: red & blue", "the colors: red and blue"),
    ("Tokyo or Osaka", "Osaka or Tokyo"),
    ("- red\n- blue", "blue and red"),
    ("犬と猫", "猫と犬"),
    ("東京、大阪", "大阪と東京です。"),
    ("ガソリンや灯油", "灯油、ガソリン"),
    ("A, C", "C and A"),
    ("web site", "website"),
    ("ice-cream", "ice cream"),
    ("A", "The answer is A."),
    ("St Andrews", "Saint Andrews"),
    ("Mt. Fuji", "Mount Fuji"),
    ("45°", "45 degrees"),
    ("20℃", "20 degrees C"),
    ("No. 5", "number 5"),
    ("so the answer is Paris", "Paris"),
    ("The final answer is: 42", "42"),
    ("both red and blue", "blue and red"),
    ("Saint-Étienne", "St Etienne"),
    ("the colour red", "the color red"),
    ("U.S.A.", "USA"),
    ("New-York", "New York"),
    ("Beyoncé", "Beyonce"),
    ("**Answer:** Paris", "Paris"),
    ("Organisation", "organization"),
    ("judgement", "judgment"),
    ("jewellery", "jewelry"),
    ("travelling", "traveling"),
    ("whisky", "whiskey"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_the_same_answer_shares_a_key(a, b):
    assert share_key(keys(a), keys(b))
    assert share_key(keys(b), keys(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("red and blue", "red or blue"),
        ("red and blue", "red and green"),
        ("red, blue", "red, blue, green"),
        ("(3, 5)", "(5, 3)"),
        ("first red then blue, green", "green, first red then blue"),
        ("Ann is old and Bob", "Bob and Ann is old"),
        ("1,000", "000,1"),
        ("not able", "notable"),
        ("ひと", "とひ"),
        ("red", ""),
        ("橋", "箸"),
        ("行く", "行け"),
        ("食べる", "食べない"),
        ("雨", "飴"),
        ("5", "5%"),
        ("F#", "F"),
        ("x<y", "x>y"),
        ("red and blue", "red"),
        ("A", "B"),
        ("A", "a b"),
        ("A4", "4"),
        ("-3", "3"),
        ("1.5", "15"),
        ("3:45", "345"),
        ("2^3", "23"),
        ("√2", "2"),
        ("C", "C++"),
        ("Ann beat Bob, and Carl", "Carl and Ann beat Bob"),
        ("橋", "端"),
        ("紙", "神"),
        ("科学", "化学"),
        ("東京", "東京ではない"),
        ("行かない", "行く"),
        ("はし", "はな"),
        ("コーヒー", "コピー"),
        ("おばさん", "おばあさん"),
        ("ビル", "ビール"),
        ("病院", "美容院"),
        ("Italy", "Italian"),
        ("polish", "policy"),
        ("1,234", "1.234"),
        ("from red to blue", "from blue to red"),
        ("まだ", "また"),
        ("人", "ひとつ"),
        ("私は猫", "私は犬"),
    ],
)
def test_other_answers_share_no_key(a, b):
    assert not share_key(keys(a), keys(b))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("りんご", "林檎"),
        ("リンゴ", "林檎"),
        ("とうきょう", "東京"),
        ("はし", "橋"),
        ("引越し", "引っ越し"),
        ("きれい", "綺麗"),
        ("附属", "付属"),
        ("りんご", "リンゴ"),
        ("サーバー", "サーバ"),
        ("答えはりんごです", "林檎"),
        ("すし", "寿司"),
        ("東京 都", "東京都"),
        ("サーバ", "サーバー"),
        ("答え: 東京", "東京"),
        ("『東京』です。", "東京"),
        ("ﾄｳｷｮｳ", "トウキョウ"),
        ("おおさか", "大阪"),
        ("京都と奈良", "奈良、京都"),
        ("りんご、みかん", "みかん、りんご"),
        ("カエル", "蛙"),
        ("ねこ", "猫"),
        ("ネコ", "猫"),
        ("わたし", "私"),
        ("時計", "とけい"),
        ("ふらんす", "フランス"),
        ("答えは犬です", "いぬ"),
        ("1912年です", "1912年"),
    ],
)
def test_japanese_spellings_share_a_key(a, b):
    pytest.importorskip("sudachidict_core")
    assert share_key(keys(a), keys(b))
    assert share_key(keys(b), keys(a))


def test_many_threads_share_the_tokenizer():
    pytest.importorskip("sudachidict_core")
    words = ["林檎", "東京", "綺麗", "寿司", "引っ越し", "時計"] * 20
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(normal._all_keys, words))
    assert found == [keys(word) for word in words]


def test_without_sudachi_there_are_no_readings(monkeypatch):
    monkeypatch.setattr(normal, "_tokenizer", lambda: None)
    assert normal._all_keys("林檎") == {"林檎"}
    assert normal._all_keys("りんご") == {"りんご", "kana:リンゴ"}


@settings(deadline=None)
@given(ANY_TEXT)
def test_normal_form_twice_is_normal_form(text):
    form = normal_form(text)
    assert normal_form(form) == form
    assert unicodedata.is_normalized("NFKC", form)


@settings(deadline=None)
@given(ANY_TEXT)
def test_keys_of_any_text(text):
    assert normal_form(text) in keys(text)
    assert share_key(keys(text), keys(normal_form(text)))
    assert keys(text) == keys(text)


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_long_text_is_read(text):
    assert normal_form(text) in keys(text)
    assert normal_form(normal_form(text)) == normal_form(text)
