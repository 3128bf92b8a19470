"""Spellings that ``normal`` folds, and how tables of words are written."""

from __future__ import annotations

import re


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
