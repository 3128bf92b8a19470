"""One canonical spelling for answers that differ in nothing but their spelling.

``normal_form`` goes beyond ``grading.normalize``: marks that carry meaning are spelled out (C++ is not C, -5 is
not 5), accents, British spellings and opening phrases ("The answer is") go, and Japanese is joined and folded.
``keys`` adds what needs more than one spelling: lists in any order, compounds, Japanese readings. Two answers
are surely the same if ``share_key`` says so; if not, nothing is known.
"""

from __future__ import annotations

import functools
import importlib
import re
import threading
import unicodedata
from typing import Any

_LOOKALIKES = str.maketrans({"\u2019": "'", "\u2212": "-"})
_ARTICLES = frozenset({"a", "an", "the"})
CJK = "\u3005\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u9fff"
_MARKS = "\u0300-\u036f"
_WORD = re.compile(rf"[{CJK}]+|(?:(?![{CJK}])[^\W_][{_MARKS}]*)+(?:[.'](?:(?![{CJK}])[^\W_][{_MARKS}]*)+)*")
_INNER_MARK = re.compile(r"'|(?<!\d)\.|\.(?!\d)")


def normalize(text: str) -> str:
    """Return the words of a text in one canonical spelling.

    NFKC and casefold; punctuation and symbols become gaps (none inside "D.C." or "don't"); an English
    article goes if a word follows it; white space collapses.

    Example:
        >>> normalize("The  Washington, D.C.")
        'washington dc'
    """
    return " ".join(split_words(folded_once(text))[0])


def folded_once(text: str) -> str:
    """NFKC and casefold, with one kind of apostrophe and minus."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded).translate(_LOOKALIKES)


def split_words(folded: str) -> tuple[list[str], list[str]]:
    """Split folded text into words and the gaps before, between and after them (one gap more than words)."""
    words, gaps, end = [], [""], 0
    for match in _WORD.finditer(folded):
        gaps[-1] += folded[end : match.start()]
        end = match.end()
        words.append(_INNER_MARK.sub("", match[0]))
        gaps.append("")
    gaps[-1] += folded[end:]
    return _without_articles(words, gaps)


def _without_articles(words: list[str], gaps: list[str]) -> tuple[list[str], list[str]]:
    kept: list[str] = []
    kept_gaps = [gaps[0]]
    for i, (word, gap) in enumerate(zip(words, gaps[1:], strict=True)):
        if word in _ARTICLES and i + 1 < len(words):
            kept_gaps[-1] += gap
        else:
            kept.append(word)
            kept_gaps.append(gap)
    return kept, kept_gaps


def words(text: str) -> frozenset[str]:
    """The words of a table."""
    return frozenset(text.split())


def phrases(text: str) -> frozenset[str]:
    """Phrases of a table with "|" between them, however its lines break."""
    return frozenset(text.replace("\n", "").split("|"))


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


def spelled(text: str) -> str:
    """A text with one of several spellings of each word."""
    for pattern, spelling in SPELLINGS:
        text = pattern.sub(spelling, text)
    return text


# Words that make a text with "and" or commas a sentence or an ordered list, not a list in any order.
NO_LIST_WORDS = words("""
then first second third last next before after finally than from to between not but is are was were be been am
because if when while so who which that it he she they we you i has have had do does did can could will would should
may might must beat beats defeated respectively yes no
""")
# Short words that must not be glued to their neighbour ("not able", "now here").
NO_PARTS = words("not now all any the for and nor but yes may one two three can are was has had off out non")


_CACHED_LENGTH = 200
_MOST_ITEMS, _MOST_WORDS, _MOST_CHARACTERS, _SHORT_JAPANESE = 8, 4, 12, 16

_KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff"
_KANJI = "\u3005\u3400-\u9fff"
JAPANESE = f"\u3041-\u309f{_KATAKANA}{_KANJI}"
_HAS_JAPANESE = re.compile(f"[{JAPANESE}]")

# NFKC would make 10² the number 102 and 2½ the number 21/2.
_RAISED = str.maketrans({mark: f"^{i}" for i, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
_FRACTION = re.compile(r"(?<=\d)(?=[\u00bc-\u00be\u2150-\u215e])")
_MARKUP = re.compile(
    r"</?[a-z]{1,10}\s?/?>|\\(?:boxed|text|textbf|mathrm|mathbf)\b|^\s*>+|\$(?=[^$\s][^$\n]{0,99}\$(?!\d))"
    r"|(?<=[^\s$])\$(?!\d)"
)
_LATEX_FRACTION = re.compile(r"\\d?frac\{(\d+)\}\{(\d+)\}")
_LABEL = re.compile(
    r"^\W*(?:(?:(?:the )?(?:(?:final|correct|right) )?answer|ans|a|response|答え|回答|解答|正解)\s?:\s*)+(?=.*\w)",
    re.DOTALL,
)
_ITEM_A = re.compile(rf"(?<![a-z0-9])a(?=\s?[,;/&]|\s(?:and|or)\b|\s?[{JAPANESE}])|(?<=[{JAPANESE}])a(?![a-z0-9])")
# "A" beside another lone capital is a name ("from A to B"), which ``normalize`` would take for an article.
_CAPITAL = re.compile(r"(?<![\w'.])[B-HJ-Z](?![\w']|\.\w)")
_CAPITAL_A = re.compile(r"(?<![\w'.])A(?![\w'.])")
LETTER_A = "lettera"
_LAST_A = re.compile(rf"\b{LETTER_A}$")
_IT_IS = re.compile(r"\b(it|that|there|what)['\u2019]s\b")
_MINUS = re.compile(r"(?<![\w)\]])[-\u2212](?=\.?\d)")
_OVER = re.compile(r"(?<=\d)[/\u2044](?=\d)")
_TIMES = re.compile(r"(?<=\d)\*(?=\d)|(?<=\w) \* (?=\w)")
_PLAIN = re.compile(r"[a-z0-9 .,!?\n]*")
_SIGN = re.compile("[" + re.escape("".join(SIGNS)) + "]")
_SHARP = re.compile(r"(?<=[a-z])#(?!\w)")
_POSITIVE = re.compile(r"(?<![\w)\]+])\+(?=\d)")

_LATIN_MARK = re.compile("(?<=[a-z\u03b1-\u03c9])[\u0300-\u036f]+")
_LATIN_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "\u0131": "i", "þ": "th", "ð": "d"})
_SAINT = re.compile(r"(?<!\d )\bst(?= (?!and\b|or\b|at\b|in\b|on\b)[^\W\d])")
_OPENING = re.compile(
    r"(?:(?:(?:(?:so|therefore|thus|hence) )?(?:correct |final |right |my )?answer "
    r"(?:is|was|would be)|(?:it|that|this) (?:is|was|would be)"
    r"|they (?:are|were)|there are|i (?:think|believe|guess|would say)(?! so\b| not\b)(?: that)?) "
    r"|(?:(?:正しい|最終的な)?(?:答え|回答|解答|正解)|それ|これ)は ?)+(?=\S)"
)
_JAPANESE_GAP = re.compile(f"(?<=[{JAPANESE}]) (?=[{JAPANESE}])")
_LONG_END = re.compile(f"(?<=[{_KATAKANA}]{{2}}[\u30a1-\u30fa])ー+(?![{_KATAKANA}])")
_REPEATED = re.compile("([\u3400-\u9fff])(々+)")
_VU = {"ヴァ": "バ", "ヴィ": "ビ", "ヴェ": "ベ", "ヴォ": "ボ", "ヴュ": "ビュ", "ヴ": "ブ", "ヶ": "ケ", "ヵ": "カ"}
_OLD_KANA = re.compile("ヴ[ァィェォュ]?|[ヶヵ]")
_COUNTED = re.compile(r"(?:(?<=\d )|(?<=[一二三四五六七八九十百数何]))[ケカ](?=月|国|所|年|条)")
_COPULAS = (
    "だと思います",
    "だと思う",
    "と思います",
    "と思う",
    "でございます",
    "であります",
    "である",
    "でした",
    "です",
)
_BEFORE_DA = re.compile(rf"[{_KATAKANA}{_KANJI}a-z0-9 ]")

_AND = re.compile(
    rf",(?!\d)|[;\n、]|\band\b|&|(?<=[{_KATAKANA}{_KANJI}a-z0-9])と(?=[{_KATAKANA}{_KANJI}a-z0-9])|および|及び"
)
_OR = re.compile(r"\bor\b|または|もしくは|あるいは")
_COMPOUND = re.compile(r"[a-z]{3,}(?: [a-z]{3,}){0,2}")
_KANA_ONLY = re.compile("[\u3041-\u3096\u30a1-\u30fa\u30fc]+")
_JAPANESE_ONLY = re.compile(f"[{JAPANESE}]+")
_TO_KATAKANA = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_TOKENIZING = threading.Lock()


def normal_form(text: str) -> str:
    """Return the canonical spelling of an answer; applying it twice changes nothing.

    Example:
        >>> normal_form("**The answer is** the Café at St. Paul's Theatre."), normal_form("-5"), normal_form("C++")
        ('cafe at saint pauls theater', 'minus 5', 'c plus plus')
        >>> normal_form("答えは「コンピューター」です。")
        'コンピュータ'
    """
    return _remembered(text) if len(text) <= _CACHED_LENGTH else _normal_form(text)


def keys(text: str) -> frozenset[str]:
    """Return the keys of an answer; compare those of two answers with ``share_key`` only.

    Beside the normal form: ``all:`` or ``any:`` and the sorted items of a pure list, ``joined:`` and a compound
    without its gaps and, if SudachiPy and its dictionary are installed, ``form:``, ``kana:`` and ``yomi:`` of a
    short Japanese answer. A list counts as the same in any order, so do not ask this about a ranking.

    Example:
        >>> sorted(keys("Red and blue")), sorted(keys("web-site"))
        (['all:blue|red', 'red and blue'], ['joined:website', 'web site'])
    """
    return _remembered_keys(text) if len(text) <= _CACHED_LENGTH else frozenset({_normal_form(text)})


def share_key(first: frozenset[str], second: frozenset[str]) -> bool:
    """Say whether the keys of two answers make them surely the same.

    A reading counts only if one of the two is written in kana alone, so 橋 and 箸 do not meet.

    Example:
        >>> share_key(keys("red, blue"), keys("Blue and red.")), share_key(keys("red"), keys("blue"))
        (True, False)
    """
    if any(not key.startswith("yomi:") for key in first & second):
        return True
    return _read_as(first, second) or _read_as(second, first)


def spelled_words(text: str) -> str:
    """Return ``grading.normalize`` of a text with accents folded and meaningful signs written out.

    Example:
        >>> spelled_words("It is -5"), spelled_words("It is C++")
        ('it is minus 5', 'it is c plus plus')
    """
    words = normalize(_signs_as_words(_fold(_CAPITAL_A.sub(LETTER_A, text) if _CAPITAL.search(text) else text)))
    if not words.isascii():
        words = _without_accents(words)  # an accent may have stood behind a foreign mark that is gone now
    return spelled(words)


def _read_as(written: frozenset[str], kana: frozenset[str]) -> bool:
    return any("kana:" + key[5:] in kana for key in written if key.startswith("yomi:"))


def _normal_form(text: str) -> str:
    words = spelled_words(text)
    words = _SAINT.sub("saint", words)
    if _HAS_JAPANESE.search(words):
        words = _japanese(words)
    opening = _OPENING.match(words)
    if opening:
        words = words[opening.end() :]
    words = _LAST_A.sub("a", words)
    return words or " ".join(_fold(text).split())


_remembered = functools.lru_cache(maxsize=8192)(_normal_form)


def _fold(text: str) -> str:
    """NFKC, casefold and no accents; superscripts and fractions keep their value."""
    folded = text.casefold()
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", _FRACTION.sub(" ", folded.translate(_RAISED))).casefold()
        folded = _without_accents(folded.translate(_LATIN_LETTERS))
    return folded


def _without_accents(folded: str) -> str:
    return unicodedata.normalize("NFKC", _LATIN_MARK.sub("", unicodedata.normalize("NFD", folded)))


def _signs_as_words(folded: str) -> str:
    """Drop markup and labels, and spell out signs that tell answers apart."""
    folded = _ITEM_A.sub(LETTER_A, _LABEL.sub("", folded))
    if _PLAIN.fullmatch(folded):
        return folded
    folded = _MARKUP.sub(" ", _LATEX_FRACTION.sub(r"\1/\2", folded))
    folded = _MINUS.sub(" minus ", _IT_IS.sub(r"\1 is", folded))
    folded = _TIMES.sub(" times ", _OVER.sub(" over ", _POSITIVE.sub(" ", folded)))
    return _SIGN.sub(lambda match: f" {SIGNS[match[0]]} ", _SHARP.sub(" sharp ", folded))


def _japanese(words: str) -> str:
    """Join Japanese words, fold spellings of kana and drop the copula at the end."""
    words = _folded_kana(_JAPANESE_GAP.sub("", _folded_kana(words)))
    words = _REPEATED.sub(lambda match: match[1] * (1 + len(match[2])), words)
    words = _COUNTED.sub("か", words)
    end = len(words)
    while True:
        ending = next((each for each in _COPULAS if words.endswith(each, 0, end) and end > len(each)), "")
        if not ending and end > 1 and words[end - 1] == "だ" and _BEFORE_DA.match(words[end - 2]):
            ending = "だ"
        if not ending:
            return words[:end].rstrip()
        end -= len(ending)


def _all_keys(text: str) -> frozenset[str]:
    form = normal_form(text)
    found = {form}
    listed = _list_key(text)
    if listed:
        found.add(listed)
    if _COMPOUND.fullmatch(form) and not NO_PARTS.intersection(form.split()):
        found.add("joined:" + form.replace(" ", ""))
    if len(form) <= _SHORT_JAPANESE and _JAPANESE_ONLY.fullmatch(form):
        found.update(_reading_keys(form))
    return frozenset(found)


_remembered_keys = functools.lru_cache(maxsize=8192)(_all_keys)


def _list_key(text: str) -> str:
    """The sorted items of a text that is a list and nothing else, or an empty string."""
    folded = unicodedata.normalize("NFKC", text).casefold().strip(" .。")
    choice = _OR.search(folded) is not None
    folded = folded.removeprefix("both ").removeprefix("either ")
    if folded.startswith(("(", "[")) or (choice and re.search(r"\band\b|&", folded)):
        return ""
    parts = _AND.split(_OR.sub(",", folded) if choice else folded)
    items = [normal_form(part) for part in parts if part.strip()]
    if not 2 <= len(items) <= _MOST_ITEMS or not all(_is_item(item) for item in items):
        return ""
    return ("any:" if choice else "all:") + "|".join(sorted(items))


def _is_item(item: str) -> bool:
    words = item.split()
    if not 1 <= len(words) <= _MOST_WORDS or not NO_LIST_WORDS.isdisjoint(words):
        return False
    return not _HAS_JAPANESE.search(item) or len(item) <= _MOST_CHARACTERS


def _reading_keys(form: str) -> set[str]:
    """Readings and dictionary spellings of a short Japanese text; none without SudachiPy."""
    found = {"kana:" + _kana(form)} if _KANA_ONLY.fullmatch(form) else set()
    tokenizer = _tokenizer()
    if tokenizer is None:
        return found
    fine, coarse = _tokenizer_modes()
    with _TOKENIZING:  # one tokenizer cannot serve two threads at a time
        cuts = [list(tokenizer.tokenize(form, mode)) for mode in (fine, coarse)]
        # The dictionary form of an inflected word would make 行け the same as 行く.
        found.add("form:" + "".join(_dictionary_spelling(morpheme) for morpheme in cuts[1]))
        if not _KANA_ONLY.fullmatch(form):
            found.update("yomi:" + _kana("".join(m.reading_form() for m in cut)) for cut in cuts)
    return found


def _dictionary_spelling(morpheme: Any) -> str:
    part_of_speech = morpheme.part_of_speech()
    return str(morpheme.normalized_form() if part_of_speech[5] == "*" else morpheme.surface())


def _kana(text: str) -> str:
    return _folded_kana(text.translate(_TO_KATAKANA))


def _folded_kana(text: str) -> str:
    return _LONG_END.sub("", _OLD_KANA.sub(lambda match: _VU[match[0]], text))


@functools.cache
def _tokenizer() -> Any:
    try:
        sudachi = importlib.import_module("sudachipy")
        dictionary = sudachi.Dictionary(dict="core")
        return (dictionary.tokenizer if hasattr(dictionary, "tokenizer") else dictionary.create)()
    except Exception:
        return None


@functools.cache
def _tokenizer_modes() -> tuple[Any, Any]:
    modes = importlib.import_module("sudachipy").SplitMode
    return modes.A, modes.C


HAS_JAPANESE = re.compile(f"[{JAPANESE}]")
WRAPPED = " \t\r\n\"'`*_#-()[]「」『』“”‘’"  # noqa: RUF001
_MAY_CONTRACT = re.compile(r"'|nt\b|nnot\b|\bno\b", re.IGNORECASE)

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


def fold(text: str) -> str:
    """NFKC and casefold, with one kind of apostrophe."""
    folded = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return folded.casefold().replace("\u2019", "'")


def expanded(text: str) -> str:
    """Contractions written out; "No. 5" becomes "number 5"."""
    if _MAY_CONTRACT.search(text):
        for pattern, full in CONTRACTIONS:
            text = pattern.sub(full, text)
    return text
