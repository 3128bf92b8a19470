"""Contractions, negations and verb forms, English and Japanese. Data only."""

from __future__ import annotations

import re

from thermolang.answers.word_tables import words

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
