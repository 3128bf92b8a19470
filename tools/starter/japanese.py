"""Japanese twins of other families, and the readings of place names."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise

from babel.numbers import get_currency_name
from sudachipy import Dictionary, SplitMode

from tools.starter.arithmetic import smallest_factor, with_digits
from tools.starter.calendars import some_date
from tools.starter.countries import with_currency
from tools.starter.items import DRAWS, Items, balanced, banded, family, free, number, without_accents
from tools.starter.world import Country, big_cities, countries, locale, places

_DAYS = "月火水木金土日"


@family("sums", levels=4)
def ja_addition(level: int, rng: random.Random) -> Items:
    """34たす57はいくつですか。"""
    digits, count = ((1, 2), (2, 2), (5, 2), (7, 5))[level - 1]
    for _ in range(DRAWS):
        terms = [with_digits(rng, digits) for _ in range(count)]
        yield number(f"{'たす'.join(map(str, terms))}はいくつですか。", sum(terms))


@family("differences", levels=3)
def ja_subtraction(level: int, rng: random.Random) -> Items:
    """57ひく34はいくつですか。"""
    for _ in range(DRAWS):
        b, a = sorted(with_digits(rng, (2, 4, 12)[level - 1]) for _ in range(2))
        yield number(f"{a}ひく{b}はいくつですか。", a - b)


@family("products", levels=3)
def ja_multiplication(level: int, rng: random.Random) -> Items:
    """7かける8はいくつですか。"""
    one, other = ((1, 1), (2, 2), (5, 4))[level - 1]
    for _ in range(DRAWS):
        a, b = with_digits(rng, one), with_digits(rng, other)
        yield number(f"{a}かける{b}はいくつですか。", a * b)


@family("primes", levels=2, shows=True)
def ja_is_prime(level: int, rng: random.Random) -> Items:
    """57は素数ですか。"""
    low, high, factor = ((2, 150, 2), (1000, 10_000, 11))[level - 1]
    drawn = rng.sample(range(low, high), min(high - low, 2000))
    least = {n: smallest_factor(n) for n in drawn}
    text = "{}は素数ですか。「はい」か「いいえ」で答えてください。"
    return balanced(
        (free(text.format(n), "はい" if p == n else "いいえ") for n, p in least.items() if p >= factor), rng
    )


def in_kanji(n: int) -> str:
    """A whole number below 10^12 in kanji.

    Example:
        >>> in_kanji(342), in_kanji(10_500)
        ('三百四十二', '一万五百')
    """
    for size, sign in ((10**8, "億"), (10**4, "万")):
        if n >= size:
            return f"{in_kanji(n // size)}{sign}{in_kanji(n % size) if n % size else ''}"
    text = ""
    for size, sign in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, n = divmod(n, size)
        if digit:
            text += ("" if digit == 1 and size > 1 else "一二三四五六七八九"[digit - 1]) + sign
    return text


@family("number words", levels=3)
def ja_digits_of_kanji(level: int, rng: random.Random) -> Items:
    """三百四十二を算用数字で書いてください。"""
    for n in rng.sample(range(*((11, 100), (1000, 10_000), (10**7, 10**11))[level - 1]), 80):
        yield number(f"「{in_kanji(n)}」を算用数字で書いてください。", n)


@family("weekdays", levels=3)
def ja_weekday_after(level: int, rng: random.Random) -> Items:
    """月曜日の3日後は何曜日ですか。"""
    low, high = ((1, 4), (5, 30), (1000, 9999))[level - 1]
    for _ in range(DRAWS):
        n, i, back = rng.randint(low, high), rng.randrange(7), rng.random() < 0.5
        if n % 7:
            day = _DAYS[(i - n if back else i + n) % 7]
            yield free(f"{_DAYS[i]}曜日の{n}日{'前' if back else '後'}は何曜日ですか。", f"{day}曜日", f"{day}曜")


@family("weekdays of dates", levels=2)
def ja_weekday_of_date(level: int, rng: random.Random) -> Items:
    """2021年3月5日は何曜日ですか。 First with a date whose weekday is told."""
    for _ in range(DRAWS):
        day = some_date(rng)
        other = day + timedelta(rng.randint(2, 6))
        name = _DAYS[(other if level == 1 else day).weekday()]
        told = f"{_date(day)}は{_DAYS[day.weekday()]}曜日です。{_date(other)}" if level == 1 else _date(day)
        yield free(f"{told}は何曜日ですか。", f"{name}曜日", f"{name}曜")


def _date(day: object) -> str:
    return f"{day:%Y}年{day.month}月{day.day}日"  # type: ignore[attr-defined]


_UNITS = (
    ("時間", "分", 60),
    ("分", "秒", 60),
    ("日", "時間", 24),
    ("週間", "日", 7),
    ("キロメートル", "メートル", 1000),
    ("メートル", "センチメートル", 100),
    ("センチメートル", "ミリメートル", 10),
    ("キログラム", "グラム", 1000),
    ("トン", "キログラム", 1000),
    ("リットル", "ミリリットル", 1000),
)


@family("units", levels=2)
def ja_units(level: int, rng: random.Random) -> Items:
    """3時間は何分ですか。"""
    for large, small, factor in _UNITS:
        for n in rng.sample(range(2, 12) if level == 1 else range(117, 999), 7):
            yield number(f"{n}{large}は何{small}ですか。", n * factor)


@lru_cache(maxsize=1)
def _cities_in_japanese() -> dict[str, str]:
    """Plain English to Japanese name of cities after which a time zone is called."""
    zones = locale("ja").time_zones
    return {zone.split("/")[-1].replace("_", " "): data["city"] for zone, data in zones.items() if "city" in data}


def _country(c: Country) -> tuple[str, ...]:
    name = locale("ja").territories[c.iso]
    return (name, *re.split(r"[ ()（）]+", name)) if " " in name or "(" in name else (name,)


def _capitals() -> list[tuple[Country, str]]:
    named = [(c, _cities_in_japanese().get(without_accents(c.capitals[0]))) for c in places()]
    told_apart = [(c, city) for c, city in named if city and _country(c)[0] not in city and city not in _country(c)[0]]
    # The grader takes a point between katakana for "or".
    return [(c, city) for c, city in told_apart if "・" not in f"{city}{_country(c)[0]}"]


@family("capitals", levels=3)
def ja_capital_of_country(level: int, rng: random.Random) -> Items:
    """フランスの首都はどこですか。"""
    asked = [
        free(f"{_country(c)[0]}の首都はどこですか。", city, *_spellings(city), *c.capitals) for c, city in _capitals()
    ]
    return banded(asked, level, 3)


@family("capitals", levels=3)
def ja_country_of_capital(level: int, rng: random.Random) -> Items:
    """パリはどの国の首都ですか。"""
    asked = [free(f"{city}はどの国または地域の首都ですか。", *_country(c), *c.names) for c, city in _capitals()]
    return banded(asked, level, 3)


_SAME_SOUNDS = (("ヴァ", "バ"), ("ヴィ", "ビ"), ("ヴェ", "ベ"), ("ヴォ", "ボ"), ("ヴ", "ブ"), ("ー", ""), ("・", ""))


def _spellings(city: str) -> list[str]:
    """Other ways to write a foreign name in katakana."""
    found = [city]
    for one, other in _SAME_SOUNDS:
        found += [text.replace(one, other) for text in found]
    return found[1:]


@family("cities")
def ja_country_of_city(level: int, rng: random.Random) -> Items:
    """シカゴはどの国にありますか。 Cities after which a time zone is called, no capitals."""
    owners: dict[str, list[str]] = {}
    for iso, of in big_cities().items():
        for city in of:
            owners.setdefault(without_accents(city["name"]), []).append(iso)
    by_iso = {c.iso: c for c in countries()}
    capitals = {without_accents(name) for c in places() for name in c.capitals}
    for english, name in _cities_in_japanese().items():
        isos = owners.get(english, [])
        if (
            len(set(isos)) == 1
            and isos[0] in by_iso
            and english not in capitals
            and not any(sign in name for sign in "州島基・")
        ):
            country = by_iso[isos[0]]
            yield free(f"{name}はどの国にありますか。", *_country(country), *_other_names(country), *country.names)


def _other_names(c: Country) -> tuple[str, ...]:
    """What people say more often than the CLDR's name."""
    return {"US": ("米国", "アメリカ", "アメリカ合衆国"), "CN": ("中華人民共和国",), "GB": ("英国",)}.get(c.iso, ())


@family("currencies", levels=2)
def ja_currency_of_country(level: int, rng: random.Random) -> Items:
    """タイの通貨は何ですか。"""
    items = []
    for c in with_currency(places()):
        full = get_currency_name(c.currency_code, locale="ja")
        unit = re.sub(r".*?([ァ-ヶー]*)$", r"\1", full)
        if not any(n in full for n in _country(c)):
            items.append(
                free(f"{_country(c)[0]}の通貨は何ですか。", full, full.replace(" ", ""), unit, c.currency_code)
            )
    return banded(items, level, 2)


_KANA = """
キャ kya キュ kyu キョ kyo シャ sha シュ shu ショ sho チャ cha チュ chu チョ cho ニャ nya ニュ nyu ニョ nyo
ヒャ hya ヒュ hyu ヒョ hyo ミャ mya ミュ myu ミョ myo リャ rya リュ ryu リョ ryo ギャ gya ギュ gyu ギョ gyo
ジャ ja ジュ ju ジョ jo ビャ bya ビュ byu ビョ byo ピャ pya ピュ pyu ピョ pyo
ア a イ i ウ u エ e オ o カ ka キ ki ク ku ケ ke コ ko サ sa シ shi ス su セ se ソ so
タ ta チ chi ツ tsu テ te ト to ナ na ニ ni ヌ nu ネ ne ノ no ハ ha ヒ hi フ fu ヘ he ホ ho
マ ma ミ mi ム mu メ me モ mo ヤ ya ユ yu ヨ yo ラ ra リ ri ル ru レ re ロ ro ワ wa ヲ o ン n
ガ ga ギ gi グ gu ゲ ge ゴ go ザ za ジ ji ズ zu ゼ ze ゾ zo ダ da ヂ ji ヅ zu デ de ド do
バ ba ビ bi ブ bu ベ be ボ bo パ pa ピ pi プ pu ペ pe ポ po ッ _ ー -
"""
_ROMAN = dict(zip(_KANA.split()[::2], _KANA.split()[1::2], strict=True))


def romanised(katakana: str) -> str:
    """Hepburn romanisation without marks for long vowels."""
    text, i = "", 0
    while i < len(katakana):
        sign = katakana[i : i + 2] if katakana[i : i + 2] in _ROMAN else katakana[i]
        text += _ROMAN.get(sign, "?")
        i += len(sign)
    text = re.sub(r"_(ch|.)", lambda m: ("t" if m[1] == "ch" else m[1]) + m[1], text).replace("-", "")
    return shortened(text)


def shortened(roman: str) -> str:
    """Roman letters without long vowels, so that spellings can be compared."""
    return re.sub(r"n(?=[bmp])", "m", re.sub(r"ou|oo|oh(?![aeiou])", "o", roman.replace("uu", "u").replace("'", "")))


@lru_cache(maxsize=1)
def _readings() -> tuple[tuple[str, str, int], ...]:
    """Kanji, hiragana and population of Japanese towns on whose reading Sudachi and GeoNames agree."""
    tokenizer = Dictionary().create()
    found = []
    for city in big_cities(500)["JP"]:
        plain = shortened(without_accents(city["name"]).lower().replace("-", ""))
        for name in sorted(city["alternatenames"]):
            if re.fullmatch(r"[一-龥]{2,4}", name) and not name.endswith(("市", "町", "村", "区", "県", "町", "里")):
                parts = tokenizer.tokenize(name, SplitMode.C)
                reading = "".join(p.reading_form() for p in parts)
                if romanised(reading) == plain and len(parts) == 1:
                    found.append((name, _hiragana(reading), city["population"]))
                    break
    once = [n for n, _, _ in found]
    return tuple(f for f in found if once.count(f[0]) == 1)


def _hiragana(katakana: str) -> str:
    return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in katakana)


def _katakana(hiragana: str) -> str:
    return "".join(chr(ord(c) + 0x60) if "ぁ" <= c <= "ゖ" else c for c in hiragana)


@family("readings", levels=3)
def ja_reading_of_town(level: int, rng: random.Random) -> Items:
    """「大垣」という地名の読み方をひらがなで書いてください。 From large cities to small towns."""
    found = _readings()
    size = len(found) // 3
    for kanji, kana, _ in rng.sample(found[size * (level - 1) : size * level], 75):
        yield free(f"「{kanji}」という日本の地名の読み方をひらがなで書いてください。", kana, _katakana(kana))


@family("readings", levels=2)
def ja_letters_of_town(level: int, rng: random.Random) -> Items:
    """「おおがき」は何文字ですか。 Then backwards."""
    for _, kana, _ in rng.sample(_readings(), 140):
        if level == 1 and len(kana) > 2:
            yield number(f"ひらがなの「{kana}」は何文字ですか。", len(kana))
        elif level == 2 and len(kana) > 3 and kana != kana[::-1]:
            yield free(f"「{kana}」を逆から書いてください。", kana[::-1])


@family("word problems", levels=3)
def ja_word_problem(level: int, rng: random.Random) -> Items:
    """花子さんはりんごを3個持っています。"""
    for _ in range(DRAWS):
        what, have = rng.choice(("りんご", "みかん", "あめ", "ボール", "消しゴム")), rng.randint(5, 30)
        told = [f"花子さんは{what}を{have}個持っています。"]
        for _ in range((1, 3, 9)[level - 1]):
            n = rng.randint(2, 9)
            if rng.random() < 0.5 and have > n:
                have -= n
                told.append(f"友だちに{n}個あげました。")
            else:
                have += n
                told.append(f"お店で{n}個買いました。")
        yield number(f"{''.join(told)}花子さんは今、{what}を何個持っていますか。", have)


@family("orders", levels=3, shows=True)
def ja_tallest(level: int, rng: random.Random) -> Items:
    """一番背が高いのはだれですか。"""
    names = ("佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺", "山本", "中村", "小林", "加藤", "吉田", "山田")
    for _ in range(DRAWS):
        people = rng.sample(names, (3, 6, 11)[level - 1])
        told = [
            f"{tall}さんは{short}さんより背が高い。" if rng.random() < 0.5 else f"{short}さんは{tall}さんより背が低い。"
            for tall, short in pairwise(people)
        ]
        rng.shuffle(told)
        which, right = rng.choice((("高い", 0), ("低い", -1)))
        answer = people[right]
        yield free(f"{''.join(told)}一番背が{which}のはだれですか。", f"{answer}さん", answer)


REFUSALS = (
    "書かれていません",
    "書かれていない",
    "書いてありません",
    "書いてない",
    "記載されていません",
    "記載されていない",
    "記載がありません",
    "記載はありません",
    "記載なし",
    "述べられていません",
    "言及されていません",
    "示されていません",
    "不明",
    "わかりません",
    "わからない",
    "分かりません",
    "分からない",
    "情報がありません",
    "情報はありません",
    "情報なし",
)
"""What counts as saying that a Japanese passage does not tell."""

_INSTRUCTION = "次の文章だけを読んで答えてください。書かれていなければ、そう答えてください。"
_GOODS = ("傘", "時計", "花瓶", "太鼓", "提灯", "靴", "帽子", "茶碗")


def _shop_name(rng: random.Random) -> str:
    signs = "ラリルレロナニヌネノマミムメモサシスセソ"
    return "".join(rng.choice(signs) for _ in range(4)) + "屋"


def _shop(rng: random.Random) -> dict[str, str]:
    return {
        "name": _shop_name(rng),
        "店主": rng.choice(["青木", "石井", "岡田", "川口", "木村", "坂本", "清水", "原田", "藤井", "村上"]),
        "年": str(rng.randint(1870, 1999)),
        "人": str(rng.randint(3, 80)),
        "品": rng.choice(_GOODS),
    }


_TOLD = {
    "店主": "{name}の店主は{店主}さんです。",
    "年": "{name}は{年}年に開店しました。",
    "人": "{name}では{人}人が働いています。",
    "品": "{name}で一番売れているのは{品}です。",
}
_ASKED = {
    "店主": "{name}の店主はだれですか。",
    "年": "{name}は何年に開店しましたか。",
    "人": "{name}では何人が働いていますか。",
    "品": "{name}で一番売れているのは何ですか。",
}


def _shops(count: int, rng: random.Random) -> list[dict[str, str]]:
    made: list[dict[str, str]] = []
    while len(made) < count:
        new = _shop(rng)
        if all(new[k] != old[k] for old in made for k in ("name", "年", "人")):
            made.append(new)
    return made


def _shop_passage(shops: list[dict[str, str]], without: tuple[str, str] = ("", "")) -> str:
    said = [text.format(**shop) for shop in shops for key, text in _TOLD.items() if (shop["name"], key) != without]
    return "".join(said)


def _shop_answers(shop: dict[str, str], key: str) -> tuple[str, ...]:
    value = shop[key]
    return (value, f"{value}さん") if key == "店主" else (value, f"{value}{key}" if key in "年人" else value)


@family("shops")
def ja_shops_unknown(level: int, rng: random.Random) -> Items:
    """Invented shops without a passage: nobody can know."""
    for shop in _shops(30, rng):
        for key in rng.sample(sorted(_ASKED), 2):
            yield free(_ASKED[key].format(**shop), *_shop_answers(shop, key))


@family("shops", levels=4)
def ja_shops_told(level: int, rng: random.Random) -> Items:
    """With a passage about 1, 4 and 12 shops; then the shop is named by another fact."""
    for _ in range(20):
        shops = _shops((1, 4, 12, 6)[level - 1], rng)
        context = _shop_passage(shops)
        for key in rng.sample(sorted(_ASKED), 3):
            shop = rng.choice(shops)
            named = dict(shop)
            if level == 4:
                named["name"] = f"{shop['年']}年に開店した店" if key != "年" else f"{shop['人']}人が働いている店"
            yield free(_ASKED[key].format(**named), *_shop_answers(shop, key), context=context)


@family("shops", levels=3)
def ja_shops_lacking(level: int, rng: random.Random) -> Items:
    """The passage lacks the answer: about one shop, about five, and without the instruction to say so."""
    for _ in range(20):
        shops = _shops(1 if level == 1 else 5, rng)
        for key in rng.sample(sorted(_ASKED), 3):
            shop = rng.choice(shops)
            text = _shop_passage(shops, (shop["name"], key))
            context = f"{_INSTRUCTION}\n\n{text}" if level < 3 else text
            yield free(_ASKED[key].format(**shop), *REFUSALS, context=context)


@family("shops", levels=2)
def ja_shops_mixed(level: int, rng: random.Random) -> Items:
    """Half of the questions have an answer in the passage, half have none."""
    for _ in range(30):
        shops = _shops((1, 5)[level - 1], rng)
        shop, key = rng.choice(shops), rng.choice(sorted(_ASKED))
        context = f"{_INSTRUCTION}\n\n{_shop_passage(shops, (shop['name'], key))}"
        other = rng.choice([k for k in sorted(_ASKED) if k != key])
        yield free(_ASKED[key].format(**shop), *REFUSALS, context=context)
        yield free(_ASKED[other].format(**shop), *_shop_answers(shop, other), context=context)
