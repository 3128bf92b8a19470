"""Two short texts that differ in a word and its opposite, or in which two parts changed places; English and Japanese.

Nothing here knows what an answer is about. A rule that does not fit says nothing rather than guess.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from thermolang.answers.rules.negation import IRREGULAR, negation
from thermolang.answers.rules.spelling import HAS_JAPANESE, LETTER_A, expanded, normal_form, phrases, spelled, words

if TYPE_CHECKING:
    from collections.abc import Iterator

ANTONYMS = frozenset(
    frozenset(spelled(pair).split())
    for pair in phrases("""
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
UNRELATED = words("""
union unit unite united unity unique under until uniform disease display discount discover discovered discourse
disclose disclosed dispatch dispose disposed disposition discharge discharged distill dissolve disguise discuss
distend discord distort distribute discipline distress dismay dispute discard disband district disclosure discovery
dispatched disport disperse inflammable invaluable instate ingrate infamous unloosen unravel inhabitable irradiate
immigrate immigration immigrant inverse intense impart important invention inmate incense indent
""")
NEGATED_ENDINGS = tuple(
    words("""
able ible al ent ant ate ive ous ic ar ect ete ite ure ile id ane ity ence ance acy ly ice ment ness ability tion
""")
)

# Verbs and links whose two sides cannot change places without changing the meaning.
ONE_WAY_VERBS = words("""
beat defeat conquer invade attack kill murder shoot hit kick punch bite eat chase hunt follow precede lead succeed
replace buy sell teach employ hire fire help save rescue love hate like admire fear see hear watch know visit call
invite ask tell answer thank blame accuse arrest praise criticize copy imitate inspire influence invent discover
create write paint compose direct found make build own contain include exceed outnumber outlive outscore outweigh
outperform surpass overtake cause produce affect change cover support oppose vote elect appoint nominate raise adopt
pay owe lend borrow give send show push pull carry hold surround orbit govern rule control occupy colonize liberate
acquire sue win lose come borrow name treat cure infect poison trust believe obey betray become turn convert imply
require need want prefer protect guard feed swallow absorb push draw
""")
SAME_BOTH_WAYS = words("""
married marry met meet equaled resembled joined allied combined mixed touched crossed collided bordered united
divorced kissed hugged differ different same similar equal near beside opposite next related other friend brother
sister cousin neighbor spouse partner sibling twin colleague ally rival talked spoke connected linked compared
engaged attached tied agreed argued fought worked lived played parallel perpendicular adjacent unlike like as
close apart between and
""")
ONE_WAY_LINKS = words("""
than before after above below beneath under over behind inside outside within into onto minus instead not by
""")
LIST_WORDS = frozenset({"and", "or", "nor", "plus", "with", "&"})

_JAPANESE_PAIRS = [
    pair.split()
    for pair in phrases("""
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


_MOST_WORDS = 30
_MOST_JAPANESE = 80
_RUN = re.compile("[\u3041-\u3096]+|[^\u3041-\u3096]+")


def opposites(a: str, b: str) -> bool:
    """Say whether two short texts are alike but for one pair of opposites, or for two parts that changed places.

    Texts of more than 30 words (80 characters in Japanese) are never opposites; nor are lists in another order.

    Example:
        >>> opposites("Prices rose", "Prices fell"), opposites("Ann is older than Bob", "Bob is older than Ann")
        (True, True)
        >>> opposites("Ann and Bob", "Bob and Ann"), opposites("気温が上がった", "気温が下がりました")
        (False, True)
    """
    if max(len(a), len(b)) > 20 * _MOST_WORDS:
        return False
    if HAS_JAPANESE.search(a) or HAS_JAPANESE.search(b):
        return _japanese_opposites(a, b)
    first, second = _words(a), _words(b)
    if not first or not second or max(len(first), len(second)) > _MOST_WORDS or first == second:
        return False
    return _one_opposite(first, second) or any(
        _one_way(first, *cuts) for cuts in _turned(first, second) if cuts[1] < cuts[2]
    )


def _words(text: str) -> list[str]:
    """Words of the canonical spelling, with contractions written out and "non-toxic" as one word."""
    words = normal_form(re.sub(r"'s(?= )", " s", expanded(text.replace("\u2019", "'")))).split()
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in {"non", "un"}:
            joined[-1] += word
        else:
            joined.append("a" if word == LETTER_A else word)
    return joined


def _one_opposite(first: list[str], second: list[str]) -> bool:
    if len(first) != len(second):
        return False
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    return len(pairs) == 1 and _are_antonyms(*pairs[0])


def _are_antonyms(a: str, b: str) -> bool:
    if any(frozenset((x, y)) in ANTONYMS for x in _bases(a) for y in _bases(b)):
        return True
    if _negates(a, b) or _negates(b, a):
        return True
    if (a.endswith("ful") and b == a[:-3] + "less") or (b.endswith("ful") and a == b[:-3] + "less"):
        return True
    return any(_swapped_prefix(a, b, *pair) or _swapped_prefix(b, a, *pair) for pair in PREFIX_PAIRS)


@functools.lru_cache(maxsize=4096)
def _bases(word: str) -> frozenset[str]:
    """The word and what it may be an inflection of, for the table of antonyms."""
    found = {word, IRREGULAR.get(word, word)}
    for ending, instead in (("s", ""), ("es", ""), ("ies", "y"), ("ed", ""), ("d", ""), ("ied", "y"), ("ing", "")):
        if word.endswith(ending) and len(word) - len(ending) > 1:
            found |= {word[: -len(ending)] + instead, word[: -len(ending)] + "e"}
    for ending, instead in (("er", ""), ("r", ""), ("est", ""), ("st", ""), ("ier", "y"), ("iest", "y"), ("ly", "")):
        if word.endswith(ending) and len(word) - len(ending) > 2:
            found.add(word[: -len(ending)] + instead)
    doubled = {base[:-1] for base in found if len(base) > 3 and base[-1] == base[-2]}
    return frozenset(found | doubled)


def _negates(longer: str, word: str) -> bool:
    """Whether a word is the other one with a negating prefix."""
    prefix = longer[: len(longer) - len(word)]
    if len(word) < 3 or not longer.endswith(word) or longer in UNRELATED:
        return False
    if prefix in {"un", "non"}:
        return True
    if prefix == "dis":
        return len(word) > 3
    fits = {"im": "bmp", "il": "l", "ir": "r", "in": "acdefghijklnoqrstuvwxyz"}.get(prefix, "")
    return word[0] in fits and len(word) > 4 and word.endswith(NEGATED_ENDINGS) if fits else False


def _swapped_prefix(a: str, b: str, first: str, second: str) -> bool:
    return (
        a.startswith(first) and b.startswith(second) and len(a) > len(first) + 3 and a[len(first) :] == b[len(second) :]
    )


def _turned(first: list[str], second: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Cuts (i, j, k, n) for which ``second`` is ``first`` with the parts [i:j] and [k:n] changed around [j:k]."""
    if len(first) != len(second) or sorted(first) != sorted(second):
        return
    size = len(first)
    start = next(i for i in range(size) if first[i] != second[i])
    end = next(i for i in range(size, 0, -1) if first[i - 1] != second[i - 1])
    for left in range(start + 1, end):
        for right in range(left, end):
            middle = first[left:right]
            if second[start:end] == first[right:end] + middle + first[start:left]:
                yield start, left, right, end


def _one_way(words: list[str], start: int, left: int, right: int, end: int) -> bool:
    """Whether the words between two parts, or around them, give the parts different roles."""
    middle = words[left:right]
    if set(middle) <= LIST_WORDS or ("as" in middle and "than" not in middle):
        return False
    if middle == ["to"] or (middle[-1] == "to" and "from" in words[:start]):
        return True
    if SAME_BOTH_WAYS.intersection(middle):
        return False
    if middle == ["by"]:
        return False
    if ONE_WAY_LINKS.intersection(middle) or ("of" in middle and {"is", "was", "are", "were"} & {*middle}):
        return True
    if middle[-1] in {"is", "was"} and words[end : end + 1] == ["s"]:
        return SAME_BOTH_WAYS.isdisjoint(words[end:])
    return any(_bases(word) & ONE_WAY_VERBS or _is_past(word) for word in middle)


def _is_past(word: str) -> bool:
    return len(word) > 4 and word.endswith("ed") and not word.endswith("eed")


def _japanese_opposites(a: str, b: str) -> bool:
    if max(len(a), len(b)) > _MOST_JAPANESE:
        return False
    first, second = normal_form(a).replace(" ", ""), normal_form(b).replace(" ", "")
    if first == second:
        return False
    (denied, content), (other_denied, other_content) = negation(a), negation(b)
    if _replaced(first, second) or (denied == other_denied and _replaced(content, other_content)):
        return True
    return _japanese_roles(first, second)


def _replaced(a: str, b: str) -> bool:
    """Whether ``b`` is ``a`` with one word replaced by its opposite, in place."""
    if _negated_word(a, b) or _negated_word(b, a):
        return True
    grown, before, after = len(b) - len(a), _shared(a, b), _shared(a[::-1], b[::-1])
    longest = LONGEST_OPPOSITE
    # The two words cover all that differs, and may share letters around it.
    for start in range(max(0, before - longest), before + 1):
        for stop in range(max(start, len(a) - after), min(len(a), start + longest) + 1):
            if (a[start:stop], b[start : max(start, stop + grown)]) in JAPANESE_OPPOSITES:
                return True
    return False


def _shared(a: str, b: str) -> int:
    """How many characters two texts share at the start."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _negated_word(longer: str, shorter: str) -> bool:
    if len(longer) != len(shorter) + 1:
        return False
    at = _shared(longer, shorter)
    return longer[at] in JAPANESE_NEGATING and longer[at + 1 :] == shorter[at:] != ""


def _japanese_roles(first: str, second: str) -> bool:
    """Whether two parts changed places around a particle that gives them different roles (AはBより大きい)."""
    runs, other = _RUN.findall(first), _RUN.findall(second)
    if first == second or JAPANESE_BOTH_WAYS.search(first):
        return False
    for _, left, right, end in _turned(runs, other):
        middle, after = runs[left:right], "".join(runs[end:])
        if middle == ["より"] or (
            len(middle) == 1 and middle[0] in JAPANESE_TURNING and after.startswith(JAPANESE_AFTER_TURN)
        ):
            return True
    return False
