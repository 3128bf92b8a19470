"""Tables of English and Japanese words and phrases that ``normal`` and ``wording`` read; data only."""

from __future__ import annotations

import re


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> frozenset[str]:
    """Phrases of a table with "|" between them, however its lines break."""
    return frozenset(text.replace("\n", "").split("|"))


# --- spelling -------------------------------------------------------------------------------------------------

SIGNS = {"+": "plus", "=": "equals", "<": "less than", ">": "greater than", "%": "percent", "&": "and"}
SIGNS |= {"\u00d7": "times", "÷": "over", "√": "root", "∞": "infinity", "^": "power", "±": "plus or minus"}
SIGNS |= {"≤": "at most", "≥": "at least", "≠": "not equals", "\u222a": "union", "∩": "intersection", "∈": "in"}
SIGNS |= {"∉": "not in", "→": "to", "°": "degrees", "¬": "not", "♯": "sharp", "♭": "flat", "$": "dollar", "€": "euro"}
SIGNS |= {"£": "pound", "¥": "yen"}

# British to American, and one of several spellings; a rule may reach too far as long as no two words meet.
SPELLINGS = tuple(
    (re.compile(pattern), spelling)
    for pattern, spelling in [
        (
            r"(arm|behavi|cand|clam|col|demean|endeav|fav|ferv|flav|glam|harb|hon|hum|lab|neighb|od|parl|rig|rum|sav"
            r"|savi|splend|tum|val|vap|vig)our",
            r"\1or",
        ),
        (r"\b([^\W\d_]{3,}[iy])s(e[drs]?|ers|ing|ations?|able)\b", r"\1z\2"),
        (r"(cen|thea|me|li|lus|spec|scep|goi)tre(s|d?)\b", r"\1ter\2"),
        (r"\b(fi|sa|cali|som)bre(s?)\b", r"\1ber\2"),
        (r"(catal|dial|anal|monol|epil|prol)ogue(s?)\b", r"\1og\2"),
        (r"(trave|cance|mode|labe|leve|signa|fue|coun[cs]e|marve|quarre)ll(ed|ing|ers?|ors?)\b", r"\1l\2"),
        (r"\b(defen|offen|licen|preten)ce(s?)\b", r"\1se\2"),
        (r"(h)aem(o|a)|\b(an)aem(i)", r"\1\3em\2\4"),
        (r"\b(p|orthop)aed", r"\1ed"),
        (r"\b(encyclop)aed", r"\1ed"),
        (r"\barchaeo", "archeo"),
        (r"\boes(?=trogen|ophag)", "es"),
        (r"\bfoet", "fet"),
        (r"\bmanoeuv(?:re|er)", "maneuver"),
        (r"\bgrey", "gray"),
        (r"\baluminium\b", "aluminum"),
        (r"\bprogramme(s?)\b", r"program\1"),
        (r"\bplough", "plow"),
        (r"\bjewellery\b", "jewelry"),
        (r"\bjudgement", "judgment"),
        (r"\bsulph", "sulf"),
        (r"\bpyjama", "pajama"),
        (r"\bmoustache", "mustache"),
        (r"\bsceptic", "skeptic"),
        (r"\bcosy\b", "cozy"),
        (r"\bwhisky\b", "whiskey"),
        (r"\byoghurt", "yogurt"),
        (r"\bdoughnut", "donut"),
        (r"\btyres?\b", "tire"),
        (r"\bper cent\b", "percent"),
        (r"\bok\b", "okay"),
        (r"\bno (?=\d)", "number "),
        (r"\bmt (?=[^\W\d])", "mount "),
        (r"\bcannot\b", "can not"),
    ]
)


def _spelled(text: str) -> str:
    for pattern, spelling in SPELLINGS:
        text = pattern.sub(spelling, text)
    return text


# Words that make a text with "and" or commas a sentence or an ordered list, not a list in any order.
NO_LIST_WORDS = _set("""
then first second third last next before after finally than from to between not but is are was were be been am
because if when while so who which that it he she they we you i has have had do does did can could will would should
may might must beat beats defeated respectively yes no
""")
# Short words that must not be glued to their neighbour ("not able", "now here").
NO_PARTS = _set("not now all any the for and nor but yes may one two three can are was has had off out non")

# --- declining to answer --------------------------------------------------------------------------------------

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

# --- yes and no -----------------------------------------------------------------------------------------------

YES_WORDS = _set("yes yeah yep yup aye")
NO_WORDS = _set("no nope nah nay")
YES_PHRASES = _phrases("""
correct|true|right|sure|surely|of course|certainly|absolutely|indeed|definitely|exactly|affirmative|totally
|precisely|undoubtedly|without a doubt|without doubt|no doubt|i think so|i believe so|i guess so|i suppose so
|i would say so|that is right|thats right|that is correct|thats correct|that is true|thats true|that is so
|this is correct|this is true|it is true|its true|it is correct|its correct|you are right|youre right
|you are correct|quite right|quite so|statement is true|statement is correct|answer is yes|answer is true
|probably yes|most likely yes|yes and yes|yes it is true|very much so|by all means|sure thing|for sure|sure is
|most certainly|most definitely|it is indeed|i agree|agreed
""")
NO_PHRASES = _phrases("""
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
AFTER_NO = _set("""
it he she they we you i that this there it's its he's she's they're that's i'm isnt thats theres
""")
SHORT_SUBJECTS = _set("it he she they we i you that this there one")
SHORT_VERBS = _set("is are was were do does did can could will would has have had should am may might must")

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

# --- negation -------------------------------------------------------------------------------------------------

CONTRACTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), full)
    for pattern, full in [
        (r"\b(?:can'?t|cannot)\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"\bain't\b", "is not"),
        (r"\b(is|are|was|were|do|does|did|have|has|had|could|would|should|might|must|need)n'?t\b", r"\1 not"),
        (r"\b(it|he|she|that|there|what|who|here|where)'s\b", r"\1 is"),
        (r"\b(we|you|they)'re\b", r"\1 are"),
        (r"\bi'm\b", "i am"),
        (r"\b(i|we|you|they|he|she|it)'ll\b", r"\1 will"),
        (r"\b(i|we|you|they)'ve\b", r"\1 have"),
        (r"\bno\.? ?(?=\d)", "number "),
    ]
)
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
SUPPORTED_NOTHING = _set("it that this so them him her something not and or but to")

IRREGULAR = dict(
    pair.split(":")
    for pair in _set("""
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

# --- opposites ------------------------------------------------------------------------------------------------

ANTONYMS = frozenset(
    frozenset(_spelled(pair).split())
    for pair in _phrases("""
up down|rise fall|rise drop|rise decline|rise sink|increase decrease|increase reduce|increase decline|increase drop
|increase fall|decrease grow|before after|left right|large small|big small|big little|large little|great small
|win lose|victory defeat|winner loser|hot cold|warm cool|warm cold|hot cool|north south|east west|northern southern
|eastern western|northeast southwest|northwest southeast|northeast northwest|southeast southwest|northeast southeast
|northwest southwest|northward southward|eastward westward|import export|importer exporter|open close|open shut
|opening closing|maximum minimum|maximal minimal|max min|maximize minimize|positive negative|strong weak
|strengthen weaken|strength weakness|legal illegal|guilty innocent|guilty acquitted|convicted acquitted
|everybody nobody|everyone nobody|everyone none|everybody none|everything nothing|everywhere nowhere|someone nobody
|somebody nobody|something nothing|all none|all nothing|always never|often rarely|often seldom|frequently rarely
|usually rarely|sometimes never|ever never|with without|male female|man woman|boy girl|men women|gentleman lady
|king queen|prince princess|husband wife|father mother|son daughter|brother sister|uncle aunt|nephew niece
|grandfather grandmother|grandson granddaughter|actor actress|bull cow|rooster hen|stallion mare|groom bride|he she
|him her|his her|buy sell|buyer seller|high low|highest lowest|raise lower|heighten lower|tall short|long short
|lengthen shorten|wide narrow|widen narrow|broad narrow|deep shallow|thick thin|fat thin|heavy light
|heavy lightweight|dark light|dark bright|bright dim|darkness light|fast slow|quick slow|rapid slow
|accelerate decelerate|accelerate slow|speed slow|early late|earlier later|first last|former latter|begin end
|start end|start finish|start stop|begin finish|begin stop|beginning end|beginning ending|opening ending|top bottom
|upper lower|above below|over under|above beneath|inside outside|in out|into out|indoors outdoors|indoor outdoor
|inner outer|interior exterior|internal external|inward outward|inbound outbound|incoming outgoing|inflow outflow
|input output|include exclude|inclusive exclusive|inclusion exclusion|inhale exhale|on off|front back|front rear
|forward backward|forwards backwards|ahead behind|advance retreat|advance recede|old young|old new|ancient modern
|elderly young|rich poor|wealthy poor|wealth poverty|expensive cheap|good bad|good evil|good poor|well badly
|well ill|better worse|best worst|improve worsen|improve deteriorate|benefit harm|beneficial harmful
|advantage disadvantage|pro con|pros cons|happy sad|happy unhappy|joy sorrow|pleasure pain|glad sad|cheerful gloomy
|optimist pessimist|optimistic pessimistic|optimism pessimism|love hate|like dislike|friend enemy|friend foe
|ally enemy|friendly hostile|peace war|wartime peacetime|peaceful violent|alive dead|living dead|live die|life death
|born dead|birth death|survive die|survive perish|kill save|healthy sick|healthy ill|healthy unhealthy
|health illness|sick well|wet dry|damp dry|humid dry|moist dry|soak dry|hard soft|hard easy|difficult easy
|easy tough|simple complex|simple complicated|simple difficult|rough smooth|sharp blunt|sharp dull|clean dirty
|clean polluted|pure impure|full empty|fill empty|occupied vacant|occupied empty|crowded empty|true false|truth lie
|truth falsehood|right wrong|correct wrong|correct incorrect|accurate inaccurate|real fake|real imaginary
|genuine fake|authentic fake|fact fiction|nonfiction fiction|yes no|accept reject|accept refuse|accept decline
|agree disagree|agree refuse|agree object|approve reject|approve disapprove|approve veto|approval rejection
|admit deny|confirm deny|affirm deny|allow forbid|allow prohibit|allow ban|allow prevent|allowed banned
|permit forbid|permit prohibit|permit ban|permitted banned|allowed prohibited|allowed forbidden|legalize ban
|legalize outlaw|encourage discourage|support oppose|support resist|support reject|supporter opponent|for against
|favor oppose|favour oppose|with against|love hatred|praise criticize|praise blame|reward punish|reward punishment
|success failure|succeed fail|successful failed|pass fail|passed failed|attack defend|attack defense|offense defense
|offensive defensive|attacker defender|aggressor victim|predator prey|hunter prey|host guest|host parasite
|teacher student|teacher pupil|doctor patient|employer employee|landlord tenant|lender borrower|lend borrow
|debtor creditor|debit credit|asset liability|profit loss|gain loss|gain lose|gains losses|surplus deficit
|surplus shortage|excess shortage|abundance scarcity|abundant scarce|plentiful scarce|supply demand|income expense
|income expenditure|revenue expense|deposit withdraw|deposit withdrawal|save spend|earn spend|give take|give receive
|send receive|sender receiver|sender recipient|giver receiver|donor recipient|push pull|pull repel|attract repel
|attraction repulsion|ascend descend|ascent descent|climb descend|climb fall|climb drop|upward downward
|upwards downwards|upstairs downstairs|uphill downhill|upstream downstream|uptown downtown|upgrade downgrade
|upload download|rising falling|vertical horizontal|clockwise counterclockwise|clockwise anticlockwise
|parallel perpendicular|add subtract|addition subtraction|add remove|multiply divide|multiplication division
|plus minus|even odd|integer fraction|rational irrational|numerator denominator|dividend divisor
|differentiate integrate|expand contract|expand shrink|expansion contraction|grow shrink|growth decline
|enlarge shrink|enlarge reduce|inflate deflate|inflation deflation|swell shrink|extend shorten|stretch shrink
|spread gather|scatter gather|build destroy|build demolish|create destroy|creation destruction|construct demolish
|construction demolition|make break|assemble disassemble|join separate|join leave|join quit|unite divide
|unity division|combine separate|merge split|connect disconnect|attach detach|tie untie|bind release|catch release
|capture release|arrest release|imprison free|captive free|slave free|slavery freedom|prisoner guard|lock unlock
|enter exit|enter leave|entrance exit|arrive depart|arrive leave|arrival departure|come go|stay leave|remain leave
|remain change|constant variable|stable unstable|fixed variable|fixed flexible|permanent temporary
|permanently temporarily|rigid flexible|rest motion|still moving|stationary moving|static dynamic|active passive
|actively passively|busy idle|lazy diligent|lazy hardworking|awake asleep|wake sleep|day night|daytime nighttime
|daily nightly|morning evening|sunrise sunset|dawn dusk|am pm|noon midnight|summer winter|spring autumn|spring fall
|past future|today yesterday|today tomorrow|yesterday tomorrow|ancestor descendant|predecessor successor
|parent child|parents children|previous next|preceding following|precede follow|leader follower|lead follow
|master servant|superior inferior|senior junior|major minor|majority minority|primary secondary|main minor|many few
|much little|more less|more fewer|most least|most fewest|several none|plural singular|single married|single multiple
|single double|alone together|together apart|same different|identical different|similar different|equal unequal
|near far|close far|nearest farthest|closest farthest|local global|domestic foreign
|native foreign|citizen foreigner|urban rural|city countryside|public private|publicly privately|common rare
|common uncommon|usual unusual|ordinary extraordinary|general specific|general particular|abstract concrete
|theory practice|theoretical practical|physical mental|body mind|material spiritual|natural artificial
|natural synthetic|natural supernatural|organic inorganic|acid base|acidic basic|acidic alkaline|acid alkali
|anode cathode|cation anion|proton electron|oxidize reduce|oxidation reduction|exothermic endothermic|liquid solid
|melt freeze|melting freezing|boil freeze|evaporate condense|evaporation condensation|conductor insulator|float sink
|visible invisible|transparent opaque|loud quiet|noisy quiet|noise silence|loudly quietly|speak listen
|question answer|ask answer|ask reply|teach learn|remember forget|know ignore|knowledge ignorance|wise foolish
|smart stupid|clever stupid|intelligent stupid|intelligence stupidity|brave cowardly|courage cowardice|brave afraid
|bold timid|confident doubtful|certain doubtful|certain uncertain|sure unsure|safe dangerous|safety danger
|safe risky|safely dangerously|secure insecure|protect endanger|careful careless|polite rude|polite impolite
|kind cruel|kind unkind|gentle harsh|generous stingy|generous selfish|greedy generous|humble proud|humble arrogant
|modest arrogant|proud ashamed|pride shame|honor shame|honest dishonest|honest lying|loyal disloyal
|loyal treacherous|patient impatient|calm angry|calm nervous|calm excited|calm stormy|tense relaxed|tighten loosen
|tight loose|strict lenient|severe mild|beautiful ugly|pretty ugly|beauty ugliness|attractive repulsive
|interesting boring|exciting boring|sweet sour|sweet bitter|sweet salty|fresh stale|fresh rotten|fresh salt
|ripe unripe|raw cooked|tasty tasteless|edible poisonous|edible inedible|toxic harmless|harmful harmless
|dangerous harmless|useful useless|helpful unhelpful|help hinder|help harm|assist hinder|hope despair
|hopeful hopeless|hire fire|employ dismiss|employed unemployed|appoint dismiss|elect defeat|appear disappear
|appear vanish|show hide|reveal hide|reveal conceal|expose hide|exposed hidden|find lose|found lost|discover lose
|keep lose|keep discard|keep abandon|hold release|throw catch|pick drop|lift drop|lift lower|load unload|pack unpack
|wrap unwrap|cover uncover|dress undress|fold unfold|plug unplug|stand sit|sitting standing|laugh cry|smile frown
|presence absence|present absent|present past|attend miss|available unavailable|complete incomplete|whole part
|whole partial|total partial|finished unfinished|perfect imperfect|perfect flawed|regular irregular|normal abnormal
|sane insane|formal informal|finite infinite|limited unlimited|optional mandatory|optional compulsory
|optional required|voluntary compulsory|voluntary mandatory|voluntary forced|voluntary involuntary
|necessary unnecessary|deliberate accidental|deliberately accidentally|intentional accidental
|intentionally accidentally|purposely accidentally|conscious unconscious|possible impossible|likely unlikely
|probable improbable|direct indirect|straight curved|straight crooked|convex concave|round square|flat steep
|flat round|hill valley|mountain valley|peak valley|sea land|ocean land|land water|heaven hell|angel devil|god devil
|saint sinner|hero villain|protagonist antagonist|comedy tragedy|comic tragic|fiction fact|poetry prose|verse prose
|noun verb|vowel consonant|synonym antonym|uppercase lowercase|black white|white dark|republican democrat
|democratic republican|liberal conservative|leftist rightist|democracy dictatorship|monarchy republic
|capitalism communism|capitalist communist|capitalist socialist|union confederacy|plaintiff defendant
|prosecution defense|prosecutor defender|conviction acquittal|guilt innocence|criminal victim|crime punishment
|criminal civil|civilian military|soldier civilian|army navy|theism atheism|theist atheist|believer atheist
|sacred profane|holy unholy|religious secular|virtue vice|carnivore herbivore|carnivorous herbivorous|mammal reptile
|vertebrate invertebrate|wild tame|wild domestic|domesticated wild|deciduous evergreen|annual perennial
|warmblooded coldblooded|nocturnal diurnal|artery vein|systolic diastolic|acute chronic|benign malignant
|sympathetic parasympathetic|voltage current|analog digital|wired wireless|hardware software|online offline
|automatic manual|automatically manually|encode decode|encrypt decrypt|compress decompress|enable disable
|activate deactivate|install uninstall|synchronous asynchronous|lossy lossless|ascending descending|asc desc
|leading trailing|row column|width height|length width|latitude longitude|bull bear|bullish bearish|nominal real
|gross net|wholesale retail|variable fixed|breakthrough setback|progress regress|promote demote|promotion demotion
|homogeneous heterogeneous|homozygous heterozygous|dominant recessive|monogamy polygamy|mono stereo|treble bass
|soprano bass|crescendo decrescendo|crescendo diminuendo|forte piano|sharp flat|allegro adagio|consonance dissonance
|lead trail|ahead trailing|zenith nadir|apogee perigee|aphelion perihelion|perihelion aphelion|waxing waning
|wax wane|windward leeward|port starboard|bow stern|inland coastal|arctic antarctic|arctic tropical
|oriental occidental|orient occident|synthesis analysis|deduction induction|deductive inductive|objective subjective
|objectively subjectively|quantitative qualitative|explicit implicit|explicitly implicitly|literal figurative
|literally figuratively|sufficient insufficient|sufficient lacking|enough insufficient|exceed trail
|exceed undershoot|overshoot undershoot|outperform underperform|gainful unprofitable|profitable unprofitable
|overt covert|ripe green|mandatory optional|oppress liberate|liberate enslave|free enslaved|conceal reveal
|doubt believe|trust distrust|trust doubt|believe disbelieve|faith doubt|blessing curse|bless curse
|fortune misfortune|lucky unlucky|luck misfortune|credit blame|respect contempt
""")
)
PREFIX_PAIRS: tuple[tuple[str, str], ...] = (
    ("over", "under"),
    ("up", "down"),
    ("pre", "post"),
    ("hyper", "hypo"),
    ("micro", "macro"),
)
PREFIX_PAIRS += (("anti", "pro"), ("mono", "poly"), ("en", "dis"), ("sur", "under"), ("ante", "post"))
# "un" + rest and the like that are no negation of the rest.
UNRELATED = _set("""
union unit unite united unity unique under until uniform disease display discount discover discovered discourse
disclose disclosed dispatch dispose disposed disposition discharge discharged distill dissolve disguise discuss
distend discord distort distribute discipline distress dismay dispute discard disband district disclosure discovery
dispatched disport disperse inflammable invaluable instate ingrate infamous unloosen unravel inhabitable irradiate
immigrate immigration immigrant inverse intense impart important invention inmate incense indent
""")
NEGATED_ENDINGS = tuple(
    _set("""
able ible al ent ant ate ive ous ic ar ect ete ite ure ile id ane ity ence ance acy ly ice ment ness ability tion
""")
)

# Verbs and links whose two sides cannot change places without changing the meaning.
ONE_WAY_VERBS = _set("""
beat defeat conquer invade attack kill murder shoot hit kick punch bite eat chase hunt follow precede lead succeed
replace buy sell teach employ hire fire help save rescue love hate like admire fear see hear watch know visit call
invite ask tell answer thank blame accuse arrest praise criticize copy imitate inspire influence invent discover
create write paint compose direct found make build own contain include exceed outnumber outlive outscore outweigh
outperform surpass overtake cause produce affect change cover support oppose vote elect appoint nominate raise adopt
pay owe lend borrow give send show push pull carry hold surround orbit govern rule control occupy colonize liberate
acquire sue win lose come borrow name treat cure infect poison trust believe obey betray become turn convert imply
require need want prefer protect guard feed swallow absorb push draw
""")
SAME_BOTH_WAYS = _set("""
married marry met meet equaled resembled joined allied combined mixed touched crossed collided bordered united
divorced kissed hugged differ different same similar equal near beside opposite next related other friend brother
sister cousin neighbor spouse partner sibling twin colleague ally rival talked spoke connected linked compared
engaged attached tied agreed argued fought worked lived played parallel perpendicular adjacent unlike like as
close apart between and
""")
ONE_WAY_LINKS = _set("""
than before after above below beneath under over behind inside outside within into onto minus instead not by
""")
LIST_WORDS = frozenset({"and", "or", "nor", "plus", "with", "&"})

_JAPANESE_PAIRS = [
    pair.split()
    for pair in _phrases("""
上が 下が|上げ 下げ|上昇 下降|上昇 低下|上昇 下落|増加 減少|増え 減|増やす 減らす|増やし 減らし|増大 減少|増 減
|前 後|左 右|大き 小さ|多 少な|多い 少ない|多数 少数|高 低|高い 低い|高い 安い|長 短|長い 短い|強 弱|強い 弱い|重 軽
|重い 軽い|広 狭|広い 狭い|深 浅|深い 浅い|厚 薄|厚い 薄い|太 細|太い 細い|速 遅|速い 遅い|早 遅|早い 遅い|近 遠
|近い 遠い|新し 古|新 旧|新しい 古い|若 老|明る 暗|明るい 暗い|暑 寒|暑い 寒い|熱 冷た|熱い 冷たい|暖か 涼し|温 冷
|硬 柔らか|固 柔らか|易し 難し|簡単 難し|簡単 困難|簡単 複雑|容易 困難|良 悪|よい 悪い|いい 悪い|いい わるい
|良い 悪い|善 悪|美し 醜|清潔 不潔|きれい きたない|綺麗 汚|安全 危険|便利 不便|勝 負け|勝ち 負け|勝利 敗北|勝者 敗者
|勝訴 敗訴|開い 閉まっ|開い 閉じ|開け 閉め|開く 閉まる|開く 閉じる|開 閉|開始 終了|始ま 終わ|始め 終え|始まり 終わり
|最初 最後|可能 不可能|有効 無効|有 無|あり なし|有り 無し|有利 不利|輸入 輸出|入口 出口|入学 卒業|入 出|最大 最小
|最高 最低|最多 最少|最長 最短|最古 最新|賛成 反対|賛 否|合法 違法|適法 違法|肯定 否定|正 誤|正 負|正しい 間違った
|正解 不正解|真 偽|プラス マイナス|男性 女性|男 女|男子 女子|父 母|兄 弟|姉 妹|兄 姉|弟 妹|夫 妻|息子 娘|王 女王
|雄 雌|オス メス|祖父 祖母|東 西|南 北|東 南|東 北|西 南|西 北|内 外|内部 外部|国内 国外|屋内 屋外|室内 室外|上 下
|上流 下流|表 裏|過去 未来|昨日 明日|昨日 今日|今日 明日|朝 夜|朝 夕|昼 夜|午前 午後|日の出 日没|春 秋|夏 冬|買 売
|買い 売り|買った 売った|購入 売却|購入 販売|貸 借|貸し 借り|与え 奪|送 受け取|送信 受信|与える 受け取る|乗 降
|登 下り|行き 帰り|行 来|来 帰|到着 出発|着 発|進 戻|前進 後退|成功 失敗|合格 不合格|有罪 無罪|加害 被害|攻撃 防御
|攻撃 守備|攻め 守|味方 敵|友 敵|平和 戦争|戦時 平時|生 死|生き 死|生まれ 死|誕生 死亡|生存 死亡|生者 死者|増税 減税
|収入 支出|利益 損失|黒字 赤字|需要 供給|好況 不況|好き 嫌い|愛 憎|喜び 悲しみ|嬉し 悲し|笑 泣|幸福 不幸|幸せ 不幸
|豊か 貧し|裕福 貧乏|金持ち 貧乏|安い 高価|先 後|先生 生徒|教師 生徒|教え 学|医者 患者|主人 客|親 子|大人 子供
|大人 子ども|上司 部下|先輩 後輩|加え 引|加法 減法|足し算 引き算|掛け算 割り算|乗法 除法|偶数 奇数|奇 偶|整数 分数
|有理 無理|有限 無限|縦 横|垂直 水平|平行 垂直|直線 曲線|凸 凹|時計回り 反時計回り|右回り 左回り|静 動|静か 騒がし
|積極 消極|能動 受動|主観 客観|具体 抽象|理論 実践|絶対 相対|必然 偶然|故意 過失|義務 権利|原因 結果|目的 手段|公 私
|公開 非公開|公立 私立|公的 私的|都会 田舎|都市 農村|同じ 違う|同 異|同意 反対|一致 不一致|単数 複数|単純 複雑
|部分 全体|一部 全部|全員 誰も|すべて 一部|いつも 決して|常に 決して|乾 湿|乾い 濡れ|乾燥 湿潤|満 空|満潮 干潮
|酸 塩基|酸性 アルカリ性|酸化 還元|陽 陰|陽性 陰性|陽極 陰極|陽イオン 陰イオン|固体 液体|融解 凝固|蒸発 凝縮
|吸熱 発熱|吸収 放出|吸 吐|膨張 収縮|拡大 縮小|拡張 縮小|伸び 縮|集ま 散|集合 解散|結合 分離|結婚 離婚|接続 切断
|許可 禁止|許 禁|受け入れ 拒|受諾 拒否|可決 否決|採用 解雇|採用 不採用|任命 解任|昇進 降格|昇 降|昇順 降順|高 安
|生きて 死んで|増え 減r
|勝r 負け|勝つ 負ける|開k 閉まr|開い 閉まr|貸s 借r|進m 戻r|入r 出|入r 出r|乗r 降り|増s 減r|起k 寝|生k 死m|つけ 消
|点け 消|点灯 消灯|オン オフ|押 引|見つか 失|覚え 忘れ|知 忘れ|賢 愚か|勇敢 臆病|勤勉 怠惰|親切 不親切|丁寧 乱暴
|慎重 軽率|楽観 悲観|保守 革新|左派 右派|左翼 右翼|与党 野党|民主 独裁|資本主義 社会主義|資本主義 共産主義|肉食 草食
|動物 植物|野生 家畜|動脈 静脈|急性 慢性|良性 悪性|優性 劣性|顕性 潜性|天国 地獄|神 悪魔|悲劇 喜劇|現実 理想|現実 夢
|事実 虚構|本物 偽物|本当 嘘|本当 うそ|人工 自然|天然 人工|有機 無機|アナログ デジタル|自動 手動|暗号化 復号
|圧縮 解凍|圧縮 展開|入力 出力|上り 下り|北上 南下|以上 以下|以上 未満|超 未満|以前 以後|以前 以降|より前 より後
|まで から|完成 未完成|既婚 未婚|既知 未知|成年 未成年|晴れ 雨|濃 薄|甘 苦|甘い 辛い|緩 厳し|緩い きつい|得意 苦手
|長所 短所|メリット デメリット|有名 無名|独立 従属|自立 依存|解放 束縛|自由 不自由|戦勝 敗戦|加盟 脱退|加入 脱退
|出席 欠席|参加 不参加|入院 退院|入社 退社|離陸 着陸|起き 寝|起床 就寝|立 座|右手 左手|南半球 北半球|黒 白|直接 間接
|長男 次男|先攻 後攻
""")
]
JAPANESE_OPPOSITES = frozenset((a, b) for pair in _JAPANESE_PAIRS for a, b in (pair, pair[::-1]))
LONGEST_OPPOSITE = max(len(word) for pair in _JAPANESE_PAIRS for word in pair)
JAPANESE_NEGATING = frozenset("不無非未反")
JAPANESE_TURNING = frozenset({"は", "が", "より", "から", "に", "を"})
JAPANESE_AFTER_TURN = ("より", "から", "に", "を", "へ", "は", "が", "の", "まで")
JAPANESE_BOTH_WAYS = re.compile("似|近|等し|同じ|隣|会[いっうわえ]|結婚|違|異な|友人|兄弟|友達")
