"""What a short text says and whether it denies it, by word endings and a table of negations; English and Japanese."""

from __future__ import annotations

import functools
import re

from thermolang.answers.rules.replies import japanese_polarity
from thermolang.answers.rules.spelling import HAS_JAPANESE, expanded, fold, spelled_words, words

# Phrases of several words, read before single words; "\0" marks a negation.
NEGATIVE_PHRASES = tuple(
    (re.compile(pattern, re.IGNORECASE), content)
    for pattern, content in [
        (r"^(?:yes|no|yeah|nope)\s*[,.;:!]\s*(?=\w)", ""),
        (r"\b(?:without (?:a )?doubt|no doubt|not only|nothing but|if not)\b", ""),
        (r"\b(?:no longer|not any ?more|not yet|not at all|not ever|never ever)\b", "\0"),
        (r"\bno one\b", "\0 someone"),
        (r"\bat all\b", ""),
        (r"\b(?:is|are|was|were|am|be) unable to\b", "\0 can"),
        (r"\b(?:is|are|was|were|am) not able to\b", "\0 can"),
        (r"\b(?:is|are|was|were|am) able to\b", "can"),
        (r"\bunable to\b", "\0 can"),
        (r"\b(?:fail|fails|failed|failing) to\b", "\0"),
        (r"\b(?:lack|lacks|lacked|lacking)\b(?! of)", "\0 have"),
        (r"\black of\b", "\0"),
        (r"\bneither\b(.{0,60}?)\bnor\b", "\0\\1or"),
    ]
)
NEGATIVE_WORDS = {"not": "", "never": "", "no": "", "without": "with", "neither": "", "nor": "or", "nobody": "someone"}
NEGATIVE_WORDS |= {"none": "", "nothing": "something", "nowhere": "somewhere"}
POSITIVE_WORDS = {"anybody": "someone", "anyone": "someone", "somebody": "someone", "anything": "something"}
POSITIVE_WORDS |= {"anywhere": "somewhere", "any": "", "some": "", "ever": "", "anymore": "", "yet": "", "either": ""}
POSITIVE_WORDS |= {"both": "", "has": "have", "had": "have", "always": ""}
SUPPORT = frozenset({"do", "does", "did"})
SUPPORTED_NOTHING = words("it that this so them him her something not and or but to")

IRREGULAR = dict(
    pair.split(":")
    for pair in words("""
rose:rise risen:rise fell:fall fallen:fall went:go gone:go goes:go came:come won:win lost:lose bought:buy sold:sell
grew:grow grown:grow shrank:shrink shrunk:shrink gave:give given:give took:take taken:take got:get saw:see seen:see
knew:know known:know ate:eat eaten:eat drank:drink began:begin begun:begin ran:run swam:swim sang:sing wrote:write
written:write spoke:speak spoken:speak broke:break broken:break chose:choose chosen:choose froze:freeze
frozen:freeze stole:steal drove:drive driven:drive rode:ride flew:fly flown:fly drew:draw drawn:draw threw:throw
thrown:throw wore:wear worn:wear tore:tear made:make said:say paid:pay had:have has:have did:do done:do does:do
left:leave kept:keep slept:sleep felt:feel meant:mean met:meet led:lead fed:feed read:read sent:send spent:spend
built:build lent:lend bent:bend found:find bound:bind held:hold told:tell stood:stand understood:understand
thought:think brought:bring caught:catch taught:teach fought:fight sought:seek shot:shoot sat:sit hung:hang
stuck:stick became:become forgot:forget forgotten:forget hid:hide hidden:hide bit:bite shook:shake woke:wake
beaten:beat defeated:defeat borrowed:borrow better:good best:good worse:bad worst:bad more:many most:many less:few
least:few fewer:few further:far farther:far elder:old men:man women:woman children:child feet:foot people:person
stopped:stop died:die dies:die lied:lie tied:tie dying:die lying:lie mice:mouse
""")
)

# Japanese endings that only wrap a statement, and the ends of a clause that follow it.
JAPANESE_WRAPPING = re.compile(
    r"(?:と(?:思います|思う|考えます|考えられます|言えます|されています|言われています)|(?:の|ん)です|でしょう"
    r"|だろう|(?<=[いうたる])(?:から|ので|け(?:れ)?ど|が|のに)|よ|よね|ね|(?<=[いたるんう])です|のだ)$"
)
# Endings with ない or ません that deny nothing: "may", "must", "only".
JAPANESE_NOT_NEGATIVE = re.compile(
    r"(?:かも(?:しれ|知れ)(?:ない|ません)|に違い(?:ない|ありません)|に(?:ほか|他)なら(?:ない|ません)"
    r"|(?:なければ|なくては|なくちゃ|ないと)(?:なら|なり|いけ)(?:ない|ません)"
    r"|ざるを得(?:ない|ません)"
    r"|(?:少|危|切|汚|幼|儚|情け|数少|申し訳|勿体|もったい|すく|あぶ|きた|つまら|くだら|せつ|はか|なさけ|とんでも"
    r"|みっとも|だらし|ぎこち|おさ|頼り|さりげ|何気|間違い|素っ気|そっけ|えげつ|あどけ|味気|しょうが|仕方が"
    r"|しかた|仕方)"
    r"(?:ない|なかった))$"
)
JAPANESE_NOUN_NEGATIVE = re.compile(
    r"(?:では|じゃ|(?<!ん)で|でも)(?:ありませんでした|ありません|ございません|なかった|ない|なく)$"
)
JAPANESE_NOUN_POSITIVE = re.compile(
    r"(?<=.)(?:でした|です|だった|である|であった|であります)$|(?<=[一-龥々ァ-ヺーかう])だ$|(?<=れい)だ$"
)
JAPANESE_ADJECTIVE_NEGATIVE = re.compile(r"く(?:は|も)?(?:ありませんでした|ありません|なかった|ない|なく)$")
JAPANESE_ADJECTIVE_POSITIVE = re.compile(r"(?<=.)(?:かった|い)$")
JAPANESE_POLITE_NEGATIVE = re.compile(r"(?:ませんでした|ません|ないで|(?<=[らわかさたなばま])ぬ)$")
JAPANESE_POLITE = re.compile(r"(?:ました|ましょう|ます)$")
JAPANESE_PLAIN_NEGATIVE = re.compile(r"(?:なかった|ない|ずに|なくて|(?<![まはみし必ず])ず)$")
JAPANESE_SHORT_TE = re.compile("(?<=[いっんしれえけせべめ])[てで]$")
JAPANESE_GU_VERB = re.compile("(?<![一-龥])[泳急脱防注騒稼塞繋仰嫁継漕嗅]が$")
JAPANESE_NO_STEM = frozenset("見着出寝来得経似煮射居鋳観診看")
JAPANESE_ROWS = {
    kana: row
    for kanas, row in [
        ("かきくがぎぐ", "k"),
        ("さしす", "s"),
        ("らりるたちつわいうっ", "r"),
        ("なにぬばびぶまみむん", "m"),
    ]
    for kana in kanas
}


_MOST_REFUSAL = 1200
_QUOTES = " \t\r\n\"'`*_「」『』“”‘’"  # noqa: RUF001
_VOWEL = re.compile("[aeiouy]")


def negation(text: str) -> tuple[bool, str]:
    """Return whether a text denies its content (an odd number of negations), and that content.

    The content is casefolded, without punctuation, negations and inflections, so that it equals the content of
    the same statement without the negation. It is a key to compare, not a text to show.

    Example:
        >>> negation("It isn't open."), negation("It is open")
        ((True, 'it is open'), (False, 'it is open'))
        >>> negation("It does not help")[1] == negation("It helps")[1]
        True
        >>> negation("店は開いていません")[1] == negation("店は開いている")[1]
        True
    """
    return _remembered_negation(text) if len(text) <= _MOST_REFUSAL else _negation(text)


def _negation(text: str) -> tuple[bool, str]:
    folded = fold(text)
    if HAS_JAPANESE.search(folded):
        return _japanese_negation(folded)
    plain = expanded(text.replace("\u2019", "'").strip(_QUOTES))
    for pattern, content in NEGATIVE_PHRASES:
        plain = pattern.sub(content.replace("\0", _NEGATIVE), plain)
    count, content_words = _without_negatives(spelled_words(plain).split())
    return count % 2 == 1, " ".join(content_words)


_NEGATIVE = " zqnot "  # survives ``normalize``; no word of any language
_remembered_negation = functools.lru_cache(maxsize=8192)(_negation)


def _without_negatives(words: list[str]) -> tuple[int, list[str]]:
    count, content = 0, []
    negative = {_NEGATIVE.strip(), *NEGATIVE_WORDS}
    for i, word in enumerate(words):
        near = words[i + 1 : i + 2]
        if word in negative:
            count += 1
            kept = NEGATIVE_WORDS.get(word, "")
            content += [_stem(kept)] if kept else []
        elif word in SUPPORT and near and near[0] not in SUPPORTED_NOTHING - {"not"}:
            continue
        elif kept := POSITIVE_WORDS.get(word, word):
            content.append(_stem(kept))
    return count, content


def _stem(word: str) -> str:
    """A light English stem: regular endings, and a table of irregular forms."""
    word = IRREGULAR.get(word, word)
    if len(word) < 4 or not word.isascii() or word.endswith(("ss", "us", "is", "eed")):
        return word
    for ending, instead in (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        stem = word[: -len(ending)] + instead
        if word.endswith(ending) and len(stem) > 2 and _VOWEL.search(stem):
            if ending == "es" and not stem.endswith(("s", "x", "z", "ch", "sh", "o")):
                continue
            word = stem
            if ending in {"ing", "ed"} and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word.removesuffix("e") if len(word) > 3 else word


def _japanese_negation(folded: str) -> tuple[bool, str]:
    clauses = [clause for clause in re.split(r"(?:[、。!?\n]|[.,](?!\d))+", folded) if clause.strip(_QUOTES)]
    if len(clauses) > 1 and japanese_polarity(clauses[0]) is not None and len(clauses[0]) <= 3:
        clauses = clauses[1:]
    read = [_japanese_clause("".join(clause.split()).strip(_QUOTES)) for clause in clauses]
    return sum(denied for denied, _ in read) % 2 == 1, "".join(content for _, content in read)


def _japanese_clause(clause: str) -> tuple[bool, str]:
    """Whether a clause ends in a negation, and the clause up to the stem of its last word."""
    for _ in range(3):
        clause = JAPANESE_WRAPPING.sub("", clause) or clause
    if JAPANESE_NOT_NEGATIVE.search(clause):
        return False, re.sub("(?:ない|なかった|ません)$", "な", clause)
    for pattern, stem in _JAPANESE_NEGATIVES:
        found = pattern.search(clause)
        if found and found.start() > 0:
            only = "しか" in clause[: found.start()]
            return not only, stem(clause[: found.start()])
    if clause in {"ない", "なかった", "ありません"}:
        return True, "あr"
    return False, _japanese_positive(clause)


def _noun_stem(clause: str) -> str:
    return JAPANESE_ADJECTIVE_POSITIVE.sub("", clause)


def _adjective_stem(clause: str) -> str:
    return "よ" if clause == "良" else re.sub("(?:良|い)$", "よ", clause)


def _verb_stem(clause: str) -> str:
    """Stem before ます or ない: the last kana becomes the name of its row (書か and 書き meet in 書k)."""
    if JAPANESE_SHORT_TE.search(clause):
        clause += "い"  # 開いてます is short for 開いています
    row = JAPANESE_ROWS.get(clause[-1], "")
    return clause[:-1] + row if row and (len(clause) > 1 or clause == "し") else clause


def _plain_negative_stem(clause: str) -> str:
    """Stem before a plain ない, which is also the opposite of ある (問題がない)."""
    if JAPANESE_GU_VERB.search(clause):
        return clause[:-1] + "k"
    kanji = "\u4e00" <= clause[-1] <= "\u9fff" and clause[-1] not in JAPANESE_NO_STEM
    if clause.endswith("し") and clause != "し":
        return clause[:-1] + "s"
    if clause.endswith("せ"):
        return clause[:-1] + "s" if clause == "せ" else clause
    if kanji or clause.endswith(("が", "は", "も", "の", "に")):
        return _being(clause)
    return _verb_stem(clause)


def _polite_stem(clause: str) -> str:
    if clause.endswith(("あり", "ござい")):
        return _being(clause.removesuffix("あり").removesuffix("ござい"))
    return _verb_stem(clause)


def _being(noun: str) -> str:
    """Content of ある and ない after a noun; 必要がある is 必要だ."""
    noun = re.sub("[がはも]$", "", noun)
    return noun if noun.endswith("必要") else noun + "あr"


_JAPANESE_NEGATIVES = (
    (JAPANESE_NOUN_NEGATIVE, _noun_stem),
    (JAPANESE_ADJECTIVE_NEGATIVE, _adjective_stem),
    (JAPANESE_POLITE_NEGATIVE, _polite_stem),
    (JAPANESE_PLAIN_NEGATIVE, _plain_negative_stem),
)


def _japanese_positive(clause: str) -> str:
    """The clause up to the stem that its negation would have."""
    plain = JAPANESE_NOUN_POSITIVE.sub("", clause)
    if plain != clause:
        return _adjective_stem(plain[:-1]) if plain.endswith("い") else _noun_stem(plain)
    polite = JAPANESE_POLITE.sub("", clause)
    if polite != clause and polite:
        return _polite_stem(polite)
    if clause.endswith(("ある", "あった")):
        return _being(clause.removesuffix("る").removesuffix("った")[:-1])
    if clause.endswith(("する", "した")):
        return clause[:-2] + "s"
    if clause.endswith("かった"):
        return _adjective_stem(clause.removesuffix("かった"))
    if clause.endswith(("行った", "いった")):
        return clause[:-2] + "k"
    return _dictionary_stem(clause)


def _dictionary_stem(clause: str) -> str:
    """Stem of a plain verb or adjective (書く, 書いた, 使える, 高い); other text comes back as it is."""
    if len(clause) < 2:
        return clause
    last, before = clause[-1], clause[-2]
    if last == "い":
        return _adjective_stem(clause[:-1])
    if last == "る":
        whole = before in JAPANESE_NO_STEM or _ends_in_i_or_e(before)
        return _verb_stem(clause[:-1]) if whole else clause[:-1] + "r"
    if last in "ただ" and (before in "いっんし" or _ends_in_i_or_e(before) or before in JAPANESE_NO_STEM):
        if before == "い" and clause[-3:-2] not in {*"てでがはもに", ""}:
            return clause[:-2] + "k"
        return _verb_stem(clause[:-1])
    if last in "うくぐすつぬぶむ" and "\u4e00" <= before <= "\u9fff":
        return clause[:-1] + JAPANESE_ROWS[last]
    return clause


def _ends_in_i_or_e(kana: str) -> bool:
    return kana in "いきぎしじちぢにひびぴみりえけげせぜてでねへべぺめれ"
