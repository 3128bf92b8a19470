"""Whether an answer as a whole declines, says yes, or says no; English and Japanese.

Tables (``word_tables``) and a few rules; a rule that does not fit says nothing rather than guess.
"""

from __future__ import annotations

import re

from thermolang.answers.rules.spelling import HAS_JAPANESE, WRAPPED, expanded, fold, normalize, phrases, words

# Patterns for words as ``normalize`` leaves them (no articles), contractions written out.
_TEXT = (
    r"(?:(?:provided|given|above|supplied|source|original) )?"
    r"(?:text|passage|article|document|context|paragraph|story|excerpt|author|question|sentence|source|report"
    r"|information|prompt|transcript)s?"
)
_STATED = r"(?:mentioned|specified|provided|stated)"
_GIVEN = (
    r"(?:mentioned|specified|provided|stated|given|found|disclosed|described|included|listed|discussed|available"
    r"|revealed|indicated|identified|explained|addressed|supplied|recorded|answered|known|reported|clear)"
)
_IN_TEXT = (
    rf"(?: (?:anywhere )?(?:in|by|from|based on|within) (?:this |that |any )?{_TEXT}.*| here| to me| at this time)"
)
_TELL = r"(?: (?:for|from|with|what|wh\w+|how|if|you|exactly|without)\b.*)?$"
_ANSWER = (
    rf"(?:(?:say|tell|help){_TELL}|be (?:sure|certain)\b|answer\b|determine\b|provide\b|assist\b|comply\b|discuss\b)"
)
_REPLY = (
    rf"(?:{_ANSWER}|find(?: any| answer| that|$)|do that$|(?:give (?!up|in)|respond|access|confirm|comment|identify"
    r"|recall|remember|predict|browse|know|fulfill|complete|verify|offer|speculate|guess|generate|create|engage|share"
    r"|infer|conclude|decide|understand|recommend)\b)"
)
_NOT_ENOUGH = r"(?:not enough|insufficient|not sufficient|no|too little|inadequate)"
_INFORMATION = r"(?:(?:relevant|further|specific|additional) )?(?:information|data|context|details?|info)"
_ABOUT = r"(?: (?:about|on|in|to|for|regarding|concerning|given|provided|available|found|that|here|from|as to)\b.*)?$"
_SURELY = r"(?:(?:really|honestly|just|truly|actually|still|also|currently|quite|entirely|completely|too|even) )*"

# What comes before a refusal without being its matter.
REFUSAL_OPENING = re.compile(
    r"(?:(?:(?:i am |im )?(?:so |very |really |truly )?sorry|(?:i |my )?apologi[sz]e?s?|my apologies"
    r"|unfortunately|honestly|well"
    r"|h+mm*|um+|uh|oh|regrettably|to be honest|frankly|(?:i am|im) afraid(?: that)?|i (?:think|believe) that|answer"
    r"|as (?:ai|artificial intelligence|large|language|chatbot|machine)(?: language)?(?: model| assistant)*"
    r"|(?:i am|im) (?:just |only )?(?:ai|language model)(?: language)?(?: model| assistant)*"
    r"|as of my (?:last|latest|most recent|knowledge)(?: (?:knowledge|training|update|cutoff))*"
    rf"|(?:based on|from|in) (?:this )?{_TEXT}) "
    r"(?:(?:but|that|and|so) (?=i\b|can not\b|do not\b|this\b|it\b|there\b))?)+"
)
_REFUSALS = [
    rf"i {_SURELY}(?:do|did) not {_SURELY}(?:know|remember|recall|understand(?: question| your| what|$))\b",
    r"we do not know(?: yet| for sure| wh\w+\b.*| how\b.*)?$",
    rf"(?:i )?{_SURELY}do not {_SURELY}have (?:(?:enough|any|sufficient|specific|that|this|access to|real time|current"
    r"|up to date|personal|direct|such|necessary|clear|definite|more|further) )*(?:information|data|knowledge|access"
    r"|context|details|answer|idea|clue|ability|capability|capacity|opinions?|feelings|preferences|beliefs)\b",
    r"i have not (?:been (?:given|told|provided)|(?:faintest|slightest|any)? ?(?:idea|clue))\b",
    r"i do not (?:think|believe) (?:that )?i (?:can|know|have|am able)\b|i would not know",
    rf"(?:i am|im|i was) {_SURELY}(?:not {_SURELY}(?:sure|certain|aware|familiar|allowed|permitted|comfortable)"
    r"|unsure|uncertain|unaware|unfamiliar)\b",
    rf"i (?:can not|could not|(?:am |was )(?:not able|unable) to|would not be able to) {_SURELY}(?:\w+ly )?{_REPLY}",
    rf"(?:(?:i )?(?:will not|must decline to|decline to|refuse to)|can not|could not|unable to) (?:\w+ly )?{_ANSWER}",
    rf"i have {_SURELY}no (?:idea|clue|information|knowledge|answer|data|access|way of|opinion)\b",
    rf"there (?:is|was|are) {_SURELY}{_NOT_ENOUGH} {_INFORMATION}{_ABOUT}",
    r"there (?:is|was) (?:no mention|no indication|no way (?:to|of) (?:know|tell|determin|say)\w*"
    r"|no (?:clear |definitive )?answer(?: (?:given|in|to)\b.*)?$)",
    rf"(?:not enough|insufficient) evidence{_ABOUT}|{_NOT_ENOUGH} {_INFORMATION}(?: (?:is|was|are|were))?{_ABOUT}",
    r"(?:this|it|that|(?:this |that )?(?:question|answer|information))(?: \w+){0,3} (?:can|could) not be (?:\w+ly )?"
    r"(?:answered|determined|known|inferred|said|established|deduced|verified)",
    r"(?:can|could) not be (?:\w+ly )?(?:answered|determined|known|inferred|said|established|deduced)",
    r"(?:(?:it|this) (?:is|would be) )?(?:impossible|not possible|hard|difficult) (?:for me )?to "
    rf"(?:(?:say|tell|know|see){_TELL}|determine|answer|be sure|infer)",
    r"(?:(?:it|this|that|answer|information|your question)(?: is| was| remains| has been)? )?"
    r"(?:currently |still |simply )*(?:unknown|unclear|undetermined|unanswerable|indeterminate|unspecified|unstated"
    rf"|not (?:\w+ly |been )?(?:{_STATED}|known|clear|sure|certain|reported|determinable|answerable)|unsure)"
    rf"(?: yet)?{_IN_TEXT}?$",
    r"not (?:given|applicable|disclosed)$|(?:this |that )?(?:answer|information|data)(?: is| was| has been)? not"
    rf" (?:\w+ly |been )?{_GIVEN}{_IN_TEXT}?$",
    rf"(?:\w+ ){{0,8}}?(?:(?:is|are|was|were|has|have) )?not (?:been )?(?:\w+ly )?{_GIVEN}{_IN_TEXT}$",
    r"(?:it|this) (?:is|was|remains) (?:still )?(?:unknown|not known|unclear|not clear|uncertain)"
    r" (?:who|what|when|where|which|whether|why|how|if)\b",
    r"(?:\w+ ){1,4}?(?:is|are|was|were|remains?) (?:still |currently )?(?:unknown|not known|unclear|unspecified)$",
    rf"not (?:in|part of) (?:this )?{_TEXT}$",
    r"(?:no idea|no clue|no answer|no comment|dunno|idk|do not know|did not know|have no idea|who knows|beats me"
    r"|not sure(?: (?:about|what|who|if) .*)?|(?:nobody|no one|god) (?:really )?knows(?: for (?:sure|certain)"
    r"| exactly)?(?: (?:who|what|when|where|why|how) .*)?"
    r"|can not say|none given)$",
    r"(?:it|this|that) (?:does not|did not) (?:say(?:$| wh| how| if)|mention|specify)",
    rf"(?:this |that )?{_TEXT} (?:does not|do not|did not|never) (?:\w+ly )*(?:say(?:$| wh| how| if| anything)|mention"
    r"|specify|state|provide|contain|include|give|tell (?:us|wh|me)|indicate|answer|describe|discuss|reveal|disclose"
    r"|name|identify|address|explain)",
    rf"(?:\w+ ){{1,8}}?(?:is|are|was|were|has|have) not (?:been )?(?:\w+ly )?{_STATED}$",
    rf"(?:\w+ ){{1,8}}?(?:is|are|was|were) not (?:in|by) (?:this |that )?{_TEXT}$",
    r"i would (?:rather|prefer) not (?:to )?(?:say|answer)|id rather not|i prefer not to (?:say|answer)",
    r"(?:please|could you|can you|would you) (?:please )?(?:provide|clarify|specify|give|share|rephrase|tell me)",
    r"(?:i )?(?:would )?(?:need|require) more (?:information|context|details)",
]
REFUSAL = re.compile("|".join(f"(?:{pattern})" for pattern in _REFUSALS))
# Sentences that may stand beside a refusal: offers, requests and reasons.
REFUSAL_COMPANY = re.compile(
    r"(?:please|let me know|feel free|if you|you (?:can|could|may|might|should|would need)"
    r"|i (?:can|could) (?:help|try|assist|offer|only)|i (?:am|would be|will be) (?:happy|glad|here|just|only)|id be"
    r"|im (?:just|here|happy|only)|is there|(?:that is )?(?:good|great|interesting) question|my (?:knowledge"
    r"|training)|i was trained|i recommend|i suggest|could you"
    r"|can you|would you|sorry|thank|thanks|sir|either|honestly|as (?:it|this|i)\b|because|since|so\b|which|when"
    r"|without|though i|more (?:information|context)"
    rf"|(?:it|{_TEXT}) (?:only |just |merely |mainly )?(?:mentions?|discuss|talks?|describes?|focus))"
)
# What turns the rest of a sentence into an answer after all.
ANSWER_AFTER_ALL = re.compile(
    r"\b(?:but|however|maybe|perhaps|probably|possibly|i (?:think|believe|guess|suppose)|(?:i would|id) (?:say|guess)"
    r"|my (?:best )?guess|most likely|it (?:might|could|may) be|although|though|yet)\b"
)

_SORRY = (
    r"(?:申し訳(?:ありません|ございません|ない(?:です)?)|すみません|すいません|ごめんなさい|残念ながら|恐れ入りますが"
    r"|あいにく|正直)(?:が|けど)?"
)
_NOT = r"(?:ません|ない(?:です)?|なかった(?:です)?|ませんでした|ず)"
_UNKNOWN = [
    rf"(?:分|わ|判|解)(?:か|)(?:り(?:ません|かねます|かねる)|ら(?:{_NOT}|ん))",
    rf"存じ(?:上げ)?ません|知り(?:ません)|知らない(?:です)?|覚えてい{_NOT}",
    r"(?:不明|未詳|不詳)(?:です|だ|である|確です)?|(?:回答|解答|判断)不能(?:です)?|該当なし|分かりかねます",
    rf"(?:お|御)?答え(?:す?ることは?が?)?(?:でき|られ|いたしかね|しかね|いたしかねてい)(?:{_NOT}|ます)",
    rf"(?:回答|解答|判断|特定|断定|提供|対応|確認|お手伝い|お伝え|お教え|説明|アクセス)を?(?:する?(?:こと)?[はが]?)?"
    rf"(?:でき|し|いたし|出来)(?:{_NOT}|かね(?:ます|る))",
    r"(?:情報|記述|記載|言及|データ|知識|説明|答え|手がかり|資料|回答)(?:が|は|も)?(?:十分(?:に|では|じゃ)?)?"
    rf"(?:ありません|ございません|ない(?:です)?|なし|不足して(?:います|いる)|不足(?:です)?|足り{_NOT}|見つかり{_NOT}|得られ{_NOT})",
    rf"(?:記載|言及|記述|明記|説明|記録|公表|公開|提供|特定|明らかに)(?:され|し)て(?:い|おり)?{_NOT}|触れられてい{_NOT}",
    rf"(?:書かれて|述べられて|示されて)(?:い|おり)?{_NOT}|書いて(?:あり)?ません|書いてない",
    rf"(?:自信|確信|見当)(?:が|は|も)(?:ありません|ない(?:です)?|つき{_NOT}|つかない)|何とも言え{_NOT}|(?:言え|教えられ){_NOT}",
    r"(?:確か|定か|明らか)では(?:ありません|ない(?:です)?)|はっきりし(?:ません|ない)|(?:回答|お答え)を控え.*",
    rf"(?:意見|感情|情報|知識|能力|権限)(?:を|は)?持って(?:い|おり)?{_NOT}",
]
_JAPANESE_END = r"(?:でした|です|と思います|ね|よ|が|ので|ため|んです|のです)*"
REFUSAL_JAPANESE = re.compile(
    rf"(?:{_SORRY})*(?!彼|彼女|誰|人|子供)(?:.{{0,40}}?(?:は|が|を|も|について(?:は)?|に関して(?:は)?|の|と|に|で|から|ため|ので|だけでは))?"
    r"(?:[一-龥]{2,4}な|詳しい|その|この|よく|ちょっと|はっきりと?は?|まったく|全く|正確には?|私には|具体的には?|特に|明確には?|まだ)*"
    rf"(?:{'|'.join(_UNKNOWN)}){_JAPANESE_END}"
    rf"|(?:{_SORRY})+.{{0,40}}(?:でき|いたしかね|致しかね)(?:ません|ない|ます){_JAPANESE_END}"
)
JAPANESE_COMPANY = re.compile(
    rf"{_SORRY}.{{0,3}}|(?:もう少し|もっと|より|さらに|詳しい|具体的な).*(?:ください|いただけ.*)"
    r"|.*(?:教えて|提供して|確認して|調べて|参照して|提示して|ご確認|お知らせ|お尋ね|ご相談).*(?:ください|いただけ.*|します|ですか)"
    r"|私は(?:ai|人工知能|言語モデル|大規模).*|何か.*(?:ください|ますか).*|.{0,40}(?:ため|ので)"
)

YES_WORDS = words("yes yeah yep yup aye")
NO_WORDS = words("no nope nah nay")
YES_PHRASES = phrases("""
correct|true|right|sure|surely|of course|certainly|absolutely|indeed|definitely|exactly|affirmative|totally
|precisely|undoubtedly|without a doubt|without doubt|no doubt|i think so|i believe so|i guess so|i suppose so
|i would say so|that is right|thats right|that is correct|thats correct|that is true|thats true|that is so
|this is correct|this is true|it is true|its true|it is correct|its correct|you are right|youre right
|you are correct|quite right|quite so|statement is true|statement is correct|answer is yes|answer is true
|probably yes|most likely yes|yes and yes|yes it is true|very much so|by all means|sure thing|for sure|sure is
|most certainly|most definitely|it is indeed|i agree|agreed
""")
NO_PHRASES = phrases("""
false|incorrect|wrong|untrue|not at all|certainly not|of course not|absolutely not|definitely not|not really
|not true|not correct|not right|not so|by no means|no way|never|probably not|most likely not|surely not
|not in the least|negatory|i do not think so|i dont think so|i do not believe so|i dont believe so|i think not
|i am afraid not|im afraid not|that is wrong|thats wrong|that is false|thats false|that is incorrect|thats incorrect
|that is not true|thats not true|that is not right|thats not right|that is not correct|thats not correct|it is false
|its false|it is not true|its not true|it is incorrect|it is wrong|it is not correct|this is false|this is incorrect
|this is wrong|this is not true|statement is false|statement is incorrect|statement is not true|answer is no
|answer is false|that is untrue|not by any means|under no circumstances|that isnt true|thats not so|that is not so
|that isnt right|it isnt true|that isnt correct|not a chance|i disagree|no no
""")
# Words after which a yes or no without a comma still is one: "No it is not", but "No one came".
AFTER_NO = words("""
it he she they we you i that this there it's its he's she's they're that's i'm isnt thats theres
""")
SHORT_SUBJECTS = words("it he she they we i you that this there one")
SHORT_VERBS = words("is are was were do does did can could will would has have had should am may might must")

_IS = r"(?:です|だ|でした|である|だよ|だね)?"
JAPANESE_YES = re.compile(
    r"はい(?:そう(?:です)?)?|ええ|うん|イエス|(?:そう|その通り|そのとおり|正しい|ただしい|正解|もちろん|勿論|本当"
    r"|真|真実|事実|当然|確か|合ってい(?:ます|る)|あってい(?:ます|る)"
    r"|間違いありません|間違いない|まちがいありません|まちがいない|そう思い?ます|そう思う|そうなります"
    r"|そう言えます|正しいと言えます|同意します|賛成です)"
    rf"{_IS}(?:と思います|と思う|よ|ね|よね)*|確かに(?:そうです)?"
)
JAPANESE_NO = re.compile(
    r"いいえ(?:違います|ちがいます)?|いや(?:違います)?|いえ|いいや|ううん|ノー|(?:違います|ちがいます|違う|ちがう"
    r"|違いました|間違い|まちがい|間違ってい(?:ます|る)|まちがってい(?:ます|る)|誤り"
    r"|誤ってい(?:ます|る)|不正解|偽|嘘|うそ|正しく(?:は)?(?:ない|ありません)|(?:そう|本当|真|正解|事実"
    r"|その通り)(?:では|じゃ|でも)(?:ない|ありません)|そうは思いません|そう思いません|そうとは言えません"
    rf"|全く違います|全然違います|絶対にない|ありえません|ありえない){_IS}(?:と思います|と思う|よ|ね|よね)*"
)
JAPANESE_SUBJECT = re.compile("(?:それ|これ|答え|その答え|その文|この文|その記述|この記述)は")


_MOST_REFUSAL = 1200
_MOST_POLARITY = 400
_MOST_JAPANESE = 80
_SENTENCE = re.compile(r"(?:(?<!\bno)[.!?…]+(?=\s|$)|[。！？\n]|\s[-–—]+\s|—|;\s)\s*")  # noqa: RUF001
_CLAUSE = re.compile(r"[.,;:!?…—(\n]|\s-\s")
_JAPANESE_CLAUSE = re.compile(r"[、。,.!?:\s]+")


def is_refusal(text: str) -> bool:
    """Say whether an answer as a whole declines to answer or says that it does not know.

    Every sentence must be a refusal, or an apology, offer or reason beside one. A refusal that goes on with an
    answer is none, and neither is a sentence about something unknown.

    Example:
        >>> is_refusal("I'm sorry, but I don't know."), is_refusal("I'm not sure, but I think it is Paris.")
        (True, False)
        >>> is_refusal("申し訳ありませんが、わかりません。")
        True
    """
    folded = fold(text).strip(WRAPPED)
    if not folded or len(folded) > _MOST_REFUSAL:
        return False
    if folded in {"n/a", "n.a.", "?", "n/a."}:
        return True
    sentences = [sentence for sentence in _SENTENCE.split(folded) if sentence and sentence.strip(WRAPPED)]
    japanese = HAS_JAPANESE.search(folded) is not None
    verdicts = [_japanese_refusal(sentence) if japanese else _english_refusal(sentence) for sentence in sentences]
    return True in verdicts and False not in verdicts


def polarity(text: str) -> bool | None:
    """Say whether an answer as a whole says yes (True), no (False) or neither (None).

    Example:
        >>> polarity("Yes, Oslo is in Norway."), polarity("That's not true."), polarity("No one came")
        (True, False, None)
        >>> polarity("いいえ、違います。"), polarity("はい"), polarity("いや応なく")
        (False, True, None)
    """
    folded = fold(text[:_MOST_POLARITY]).strip(WRAPPED)
    if not folded:
        return None
    return japanese_polarity(folded) if HAS_JAPANESE.search(folded) else _english_polarity(folded)


def _english_refusal(sentence: str) -> bool | None:
    """True for a refusal, None for what may stand beside one, False for anything else."""
    words = normalize(expanded(sentence))
    opening = REFUSAL_OPENING.match(words + " ")
    rest = words[opening.end() :] if opening and not REFUSAL.match(words) else words
    if not rest:
        return None
    found = REFUSAL.match(rest)
    if found:
        return not _answers_after_all(rest[found.end() :]) and not _short_tail(sentence, found[0])
    return None if REFUSAL_COMPANY.match(rest) else False


def _answers_after_all(tail: str) -> bool:
    turn = ANSWER_AFTER_ALL.search(tail)
    if not turn:
        return False
    after = tail[turn.end() :].strip()
    return not (REFUSAL_COMPANY.match(after) or REFUSAL.match(after)) and bool(after)


def _short_tail(sentence: str, refusal: str) -> bool:
    """Whether a comma and a few words follow the bare refusal ("I don't know, Paris")."""
    head, comma, tail = sentence.rpartition(",")
    if not comma or not normalize(expanded(head)).endswith(refusal.strip()):
        return False
    words = normalize(tail)
    return 0 < len(words.split()) <= 4 and not REFUSAL_COMPANY.match(words)


def _japanese_refusal(sentence: str) -> bool | None:
    plain = re.sub(r"[\s、,.!?「」]+", "", sentence)
    if len(plain) > 2 * _MOST_JAPANESE:
        return False
    if JAPANESE_COMPANY.fullmatch(plain) and not REFUSAL_JAPANESE.fullmatch(plain):
        return None
    return REFUSAL_JAPANESE.fullmatch(plain) is not None


def _english_polarity(folded: str) -> bool | None:
    clause = _CLAUSE.split(folded, maxsplit=1)[0]
    rest = folded[len(clause) + 1 :].strip()
    words = normalize(expanded(clause)).split()
    if not words or (words[-1] == "no" and re.match(r"\.? ?\d", folded[len(clause) :])):
        return None
    if {"yes", "no"} <= set(words) or (len(words) == 1 and normalize(rest).split(" ")[0] in {"yes", "no"} - {*words}):
        return None
    said = _first_word(words, bool(rest) or len(words) == 1)
    if said is not None:
        return said
    return _phrase(words, rest)


def _first_word(words: list[str], alone: bool) -> bool | None:
    yes, no = words[0] in YES_WORDS, words[0] in NO_WORDS
    if not yes and not no:
        return None
    if len(words) == 1:
        return yes if alone else None
    if yes:
        return True if len(words) > 3 or words[1] in AFTER_NO or words[1] in {"please", "indeed", "sir"} else None
    return False if words[1] in AFTER_NO or words[1] in {"thanks", "sir", "not"} else None


def _phrase(words: list[str], rest: str) -> bool | None:
    phrase = " ".join(words)
    # "Right, left and up" is a list, "Right, it is open." is an answer.
    if rest and len(words) == 1 and len(rest.split()) < 3:
        return None
    if phrase in YES_PHRASES or re.match(r"it is (?:true|correct) that ", phrase):
        return True
    if phrase in NO_PHRASES or re.match(r"it is (?:false|incorrect|wrong|not (?:true|correct)) that ", phrase):
        return False
    if len(words) in {2, 3} and words[0] in SHORT_SUBJECTS and words[1] in SHORT_VERBS:
        return True if len(words) == 2 else (False if words[2] == "not" else None)
    return None


def japanese_polarity(folded: str) -> bool | None:
    """The polarity of a folded Japanese text."""
    clauses = [clause for clause in _JAPANESE_CLAUSE.split(folded) if clause.strip(WRAPPED)]
    if not clauses or folded.endswith(("か", "か?")):
        return None
    clause = JAPANESE_SUBJECT.sub("", clauses[0].strip(WRAPPED), count=1)
    if not clause and len(clauses) > 1:
        clause = clauses[1]
    if JAPANESE_YES.fullmatch(clause):
        return True
    if JAPANESE_NO.fullmatch(clause):
        return False
    if re.match(r"いいえ", clause):
        return False
    return True if re.match(r"はい(?:そう|その|それ|[ァ-ヺ])", clause) else None
