"""Starter questions about letters and forms of words."""

from __future__ import annotations

import gzip
import random
import re
import string
import unicodedata
from functools import lru_cache
from importlib.resources import files

import lemminflect

from tools.starter.items import DRAWS, Items, balanced, choice, distractors, family, free, number, yes_no

# Blocks that Unicode had filled before the oldest Python we support.
_EMOJI_BLOCKS = (range(0x1F300, 0x1F600), range(0x1F680, 0x1F6C6), range(0x1F900, 0x1FA00))

# Names of emoji that are plural already or no nouns.
_NO_PLURAL = re.compile(r".*(?:s|ing|ed|ize)|foggy")

# Verbs made of another one ("undo"), which ask for the same form again.
_DERIVED = re.compile(r"(?:log|mis|out|over|pre|un|up|way)[a-z]{2,}|re[a-z]{3,}|fore?go")

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_ORDINALS = (*_ORDINALS, "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth")


@lru_cache(maxsize=1)
def emoji() -> tuple[tuple[str, str], ...]:
    """Emoji whose Unicode name is a single word, with that word."""
    signs = [chr(code) for block in _EMOJI_BLOCKS for code in block]
    named = [(sign, unicodedata.name(sign, "").lower()) for sign in signs]
    # Wide signs are those shown in colour; the others ("overlap", "minimize") are mere symbols.
    return tuple((s, name) for s, name in named if name.isalpha() and unicodedata.east_asian_width(s) == "W")


def everyday_nouns() -> list[str]:
    """Everyday nouns of four letters or more: the one-word names of emoji."""
    return [name for _, name in emoji() if len(name) >= 4]


@lru_cache(maxsize=1)
def lexicon() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Word, part of speech and inflected forms of the NIH SPECIALIST lexicon."""
    packed = files("lemminflect").joinpath("resources", "infl_lu.csv.gz").read_bytes()
    rows = [line.split(",") for line in gzip.decompress(packed).decode("utf-8").splitlines()]
    return tuple((row[0], row[1], tuple(row[2].split("/"))) for row in rows if len(row) > 2)


@lru_cache(maxsize=1)
def rare_words() -> tuple[str, ...]:
    """Nouns and verbs of the lexicon, plain letters only, in its order."""
    return tuple(dict.fromkeys(w for w, _, _ in lexicon() if w.isascii() and w.isalpha() and w.islower()))


def words_of(rng: random.Random, low: int, high: int, count: int = 150) -> list[str]:
    """Words of so many letters: everyday ones if they are short, else from the lexicon."""
    nouns = [n for n in everyday_nouns() if low <= len(n) <= high]
    pool = nouns if len(nouns) >= 60 else [w for w in rare_words() if low <= len(w) <= high]
    return rng.sample(pool, min(count, len(pool)))


LENGTHS = ((3, 5), (6, 8), (10, 12), (16, 30))
"""Letters of a word at each level."""


@family("letter counts", levels=4)
def length_of_word(level: int, rng: random.Random) -> Items:
    """How many letters has "banana"?"""
    for word in words_of(rng, *LENGTHS[level - 1]):
        yield number(f'How many letters does the word "{word}" have?', len(word))


@family("letter counts", levels=4)
def count_of_letter(level: int, rng: random.Random) -> Items:
    """How many times does "a" stand in "banana"? At last in a row of random letters."""
    for word in words_of(rng, *((5, 6), (8, 10), (14, 22), (14, 22))[level - 1]):
        text = word if level < 4 else "".join(rng.choices("abcde", k=40))
        often = [c for c in text if text.count(c) > 1]
        letter = rng.choice(often if often and rng.random() < 0.7 else text)
        yield number(f'How many times does the letter "{letter}" occur in "{text}"?', text.count(letter))


@family("letter counts", levels=3)
def count_of_vowels(level: int, rng: random.Random) -> Items:
    """How many vowels has "banana"?"""
    for word in words_of(rng, *((3, 5), (8, 10), (16, 30))[level - 1]):
        if "y" not in word:
            question = f'How many vowels (a, e, i, o, u) are in the word "{word}"?'
            yield number(question, sum(word.count(v) for v in "aeiou"))


@family("letters", levels=5)
def nth_letter(level: int, rng: random.Random) -> Items:
    """What is the first letter of "banana"? Then the second or third, and later ones of longer words."""
    low, high, first, last = ((4, 9, 1, 1), (4, 6, 2, 3), (7, 9, 4, 6), (11, 13, 7, 10), (15, 30, 10, 14))[level - 1]
    for word in words_of(rng, low, high):
        n = rng.randint(first, last)
        yield free(f'What is the {_ORDINALS[n - 1]} letter of the word "{word}"?', word[n - 1].upper())


@family("letters", levels=2)
def last_letter(level: int, rng: random.Random) -> Items:
    """What is the last letter of "banana"? Then the third letter from the end of a long word."""
    for word in words_of(rng, *((4, 8), (14, 30))[level - 1]):
        which, letter = ("last letter", word[-1]) if level == 1 else ("third letter from the end", word[-3])
        yield free(f'What is the {which} of the word "{word}"?', letter.upper())


@family("reversals", levels=4)
def reversed_word(level: int, rng: random.Random) -> Items:
    """What is "owl" backwards?"""
    for word in words_of(rng, *((3, 4), (5, 6), (8, 9), (13, 18))[level - 1]):
        if word != word[::-1]:
            yield free(f'Write the word "{word}" backwards.', word[::-1])


@family("alphabet", levels=3)
def alphabet_position(level: int, rng: random.Random) -> Items:
    """Which letter comes after C? Then two to five further, then by number."""
    for i, letter in enumerate(string.ascii_uppercase):
        for n in (1,) if level == 1 else rng.sample(range(2, 6) if level == 2 else range(6, 20), 3):
            for step in (n, -n):
                if 0 <= i + step < 26:
                    words = "immediately" if n == 1 else f"{n} places"
                    where = f"{words} {'after' if step > 0 else 'before'} {letter}"
                    yield free(f"Which letter stands {where} in the alphabet?", string.ascii_uppercase[i + step])


@family("ciphers", levels=4)
def shifted_word(level: int, rng: random.Random) -> Items:
    """What is "cat" if each letter is moved on by one? Longer words, larger steps."""
    low, high, least, most = ((3, 3, 1, 1), (4, 5, 1, 2), (5, 6, 3, 9), (9, 12, 5, 20))[level - 1]
    for word in words_of(rng, low, high):
        step = rng.randint(least, most)
        moved = "".join(string.ascii_lowercase[(string.ascii_lowercase.index(c) + step) % 26] for c in word)
        places = "one place" if step == 1 else f"{step} places"
        yield free(f'Move each letter of "{word}" forward by {places} in the alphabet. What is the result?', moved)


@family("alphabet", levels=4, shows=True)
def first_in_dictionary(level: int, rng: random.Random) -> Items:
    """Which word comes first in a dictionary? Of 2, 4, 8 and 20 words, which begin alike at the last levels."""
    for _ in range(DRAWS // 2):
        count = (2, 4, 8, 20)[level - 1]
        if level < 3:
            shown = list({w[0]: w for w in rng.sample(everyday_nouns(), 14)}.values())[:count]
        else:
            start = rng.choice(rare_words())[: level - 1]
            alike = [w for w in rare_words() if w.startswith(start) and 5 <= len(w) <= 10]
            shown = rng.sample(alike, min(count, len(alike)))
        if len(shown) == count:
            yield free(f"Which of these words comes first in a dictionary: {', '.join(shown)}?", min(shown))


@family("alphabet", kind="choice")
def dictionary_order_choice(level: int, rng: random.Random) -> Items:
    """Which of these words comes first in a dictionary: owl, cat, dog or bee?"""
    nouns = everyday_nouns()
    for _ in range(400):
        drawn = {noun[0]: noun for noun in rng.sample(nouns, 12)}
        shown = list(drawn.values())[:4]
        first, *others = sorted(shown)
        yield choice(f"Which word comes first in a dictionary: {', '.join(shown[:3])} or {shown[3]}?", first, others)


@family("word lists", levels=4, shows=True)
def nth_word(level: int, rng: random.Random) -> Items:
    """What is the third of these words? Of 4, 8, 16 and 40 words."""
    for _ in range(DRAWS // 2):
        count = (4, 8, 16, 40)[level - 1]
        shown = rng.sample(everyday_nouns(), count)
        n = rng.randint(2, min(count - 1, 16)) if level < 4 else rng.randint(17, 38)
        place = _ORDINALS[n - 1] if n <= 16 else f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th') }"
        yield free(f"What is the {place} word in this list: {', '.join(shown)}?", shown[n - 1])


@family("word lists", levels=4)
def count_of_words(level: int, rng: random.Random) -> Items:
    """How many words are in this list? Up to 4, 9, 20 and 50 words."""
    for _ in range(DRAWS // 2):
        shown = rng.sample(everyday_nouns(), rng.randint(*((2, 4), (5, 9), (12, 20), (30, 50))[level - 1]))
        yield number(f"How many words are in this list: {', '.join(shown)}?", len(shown))


@family("anagrams", levels=3)
def is_anagram(level: int, rng: random.Random) -> Items:
    """Are two rows of letters made of the same letters? Yes or no; half of the others differ in one letter."""

    def drawn() -> Items:
        for i, word in enumerate(words_of(rng, *((4, 5), (7, 9), (14, 20))[level - 1], count=200)):
            mixed = list(word)
            rng.shuffle(mixed)
            if i % 2:
                place = rng.randrange(len(mixed))
                mixed[place] = rng.choice([c for c in string.ascii_lowercase if c != mixed[place]])
            text = "".join(mixed)
            if text != word:
                right = sorted(text) == sorted(word)
                yield yes_no(f'Can the letters of "{text}" be rearranged to spell "{word}"?', right)

    return balanced(drawn(), rng)


@family("emoji", kind="choice")
def emoji_choice(level: int, rng: random.Random) -> Items:
    """Which word is the name of the emoji 🍌?"""
    names = [name for _, name in emoji()]
    return [choice(f"Which word is the name of the emoji {s}?", n, distractors(rng, n, names)) for s, n in emoji()]


@lru_cache(maxsize=1)
def _everyday_plurals() -> dict[str, tuple[str, ...]]:
    """Nouns that may stay as they are ("fish") are left out."""
    forms = {n: lemminflect.getInflection(n, "NNS") for n in everyday_nouns() if not _NO_PLURAL.fullmatch(n)}
    return {noun: many for noun, many in forms.items() if noun not in many}


_GERMANIC = ("man", "child", "foot", "tooth", "mouse", "life", "leaf", "shelf", "self", "loaf")


@lru_cache(maxsize=1)
def _learned_plurals() -> dict[str, tuple[str, ...]]:
    """Nouns with a plural as in Latin or Greek."""
    return {word: forms for word, kind, forms in lexicon() if kind == "noun" and _is_learned(word, forms)}


def _is_learned(word: str, forms: tuple[str, ...]) -> bool:
    plain = word.isalpha() and word.isascii() and word.islower() and 4 <= len(word) <= 12
    learned = any(form.isalpha() and not form.endswith("s") for form in forms) and word not in forms
    return plain and learned and not word.endswith(_GERMANIC)


def _plurals(level: int, rng: random.Random) -> dict[str, tuple[str, ...]]:
    if level == 1:
        return _everyday_plurals()
    if level == 2:
        words = [w for w in rare_words() if 6 <= len(w) <= 12 and w[-1] in "hsxyf"]
        known = {w: forms for w, kind, forms in lexicon() if kind == "noun"}
        drawn = [w for w in words if w in known and w not in known[w]]
        return {w: known[w] for w in rng.sample(drawn, 90)}
    return {w: _learned_plurals()[w] for w in rng.sample(sorted(_learned_plurals()), 90)}


@family("plurals", levels=3)
def plural(level: int, rng: random.Random) -> Items:
    """What is the plural of "mouse"? Everyday nouns, nouns that change their end, learned words."""
    for noun, many in _plurals(level, rng).items():
        yield free(f'What is the plural of the word "{noun}"?', *many)


@family("plurals", levels=3)
def singular(level: int, rng: random.Random) -> Items:
    """What is the singular of "mice"?"""
    for noun, many in _plurals(level, rng).items():
        yield free(f'What is the singular of the word "{many[0]}"?', noun)


@lru_cache(maxsize=1)
def _irregular_verbs() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Base form and past tenses of short irregular verbs."""
    verbs = [(word, forms) for word, kind, forms in lexicon() if kind == "verb"]
    return tuple((base, past) for base, past in verbs if _is_irregular(base, past))


def _is_irregular(base: str, past: tuple[str, ...]) -> bool:
    plain = base.isalpha() and base.islower() and len(base) <= 6 and not _DERIVED.fullmatch(base)
    return plain and all(form.isalpha() and form != base and not form.endswith("ed") for form in past)


@family("past tenses")
def past_tense(level: int, rng: random.Random) -> Items:
    """What is the past tense of "swim"?"""
    return [free(f'What is the past tense of "{base}"?', *past) for base, past in _irregular_verbs()]


@family("past tenses", levels=2)
def present_participle(level: int, rng: random.Random) -> Items:
    """What is the present participle of the verb "swim"? Then of rare verbs."""
    bases = [base for base, _ in _irregular_verbs()]
    if level == 2:
        bases = [w for w, kind, _ in lexicon() if kind == "verb" and w.isalpha() and 6 <= len(w) <= 12]
        bases = rng.sample(bases, 70)
    for base in bases:
        yield free(f'What is the present participle of the verb "{base}"?', *lemminflect.getInflection(base, "VBG"))


@family("past tenses", kind="choice")
def past_tense_choice(level: int, rng: random.Random) -> Items:
    """Which word is the past tense of "swim"? The others: its regular form, other verbs' past tenses."""
    verbs = _irregular_verbs()
    for base, past in verbs:
        alike = [forms[0] for other, forms in verbs if other[0] == base[0] and not {*forms} & {*past}]
        rest = [forms[0] for _, forms in verbs if not {*forms} & {*past}]
        regular = f"{base.removesuffix('e')}ed"
        wrong = [regular, *distractors(rng, past[0], alike if len(alike) > 2 else rest, count=2)]
        yield choice(f'Which word is the past tense of "{base}"?', past[0], wrong)
