"""Starter questions about things that do not exist: unknowable without a passage, easy with one.

A passage may be short or long, the question may take two steps, or the passage may lack the answer: then the right
answer is to say so.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from thermolang.types import Example
from tools.starter.calendars import MONTHS
from tools.starter.items import Items, balanced, family, free, number, yes_no

REFUSALS = (
    "not stated",
    "not mentioned",
    "not given",
    "not specified",
    "not provided",
    "not known",
    "not available",
    "not in the text",
    "not in the passage",
    "unknown",
    "unclear",
    "unspecified",
    "unstated",
    "unanswerable",
    "no information",
    "no answer",
    "no mention",
    "not enough information",
    "insufficient information",
    "does not say",
    "does not state",
    "does not mention",
    "does not specify",
    "does not provide",
    "does not tell",
    "does not give",
    "does not contain",
    "doesn't say",
    "doesn't state",
    "doesn't mention",
    "doesn't specify",
    "doesn't provide",
    "doesn't tell",
    "doesn't give",
    "do not know",
    "don't know",
    "cannot be determined",
    "can't be determined",
    "cannot be answered",
    "can't be answered",
    "cannot be known",
    "cannot say",
    "can't say",
    "cannot answer",
    "can't answer",
    "cannot determine",
    "can't determine",
    "impossible to say",
    "impossible to know",
    "impossible to tell",
    "impossible to determine",
    "n/a",
    "isn't stated",
    "isn't mentioned",
    "isn't given",
    "isn't specified",
    "isn't provided",
)
"""What counts as saying that a passage does not tell."""

INSTRUCTION = "Answer from the text below only. If it does not tell, say so."

_GIVEN = ("Alma", "Boris", "Carmen", "Dimitri", "Edda", "Farid", "Greta", "Hassan", "Ingrid", "Jonas", "Keiko", "Lars")
_GIVEN = (*_GIVEN, "Milena", "Nils", "Olga", "Pavel", "Rosa", "Stefan", "Tomas", "Ulla", "Viktor", "Wanda")
_STARTS = ("b", "br", "d", "dr", "f", "g", "gr", "h", "k", "kr", "l", "m", "n", "p", "r", "s", "st", "t", "tr")
_STARTS = (*_STARTS, "v", "w", "z")
_MIDDLES = ("a", "a", "e", "e", "i", "i", "o", "o", "u", "au")
_CODAS = ("l", "m", "n", "r", "s", "nd", "rk")


def coined(rng: random.Random, end: str = "", parts: int = 2) -> str:
    """A made-up name, such as "Brelavar"."""
    text = "".join(rng.choice(_STARTS) + rng.choice(_MIDDLES) for _ in range(parts))
    return f"{text}{rng.choice(_CODAS)}{end}".capitalize()


def person(rng: random.Random) -> str:
    """A given name and a made-up family name."""
    return f"{rng.choice(_GIVEN)} {coined(rng)}"


def amount(low: int, high: int) -> Callable[[random.Random], str]:
    """Draws whole numbers as text."""
    return lambda rng: str(rng.randint(low, high))


def one_of(*words: str) -> Callable[[random.Random], str]:
    """Draws one of some words."""
    return lambda rng: rng.choice(words)


@dataclass(frozen=True)
class Attribute:
    """Something that a passage tells about each thing.

    Attributes:
        told: Sentence of the passage, with ``{name}`` and ``{value}``.
        asked: The question, with ``{name}``.
        draw: Draws a value.
        whose: Describes the thing by the value ("whose mayor is {value}"), if that is unique.
        most: What a thing does that has the largest value ("has the most inhabitants"); numbers only.
        above: What things do whose value is larger than ``{value}``; numbers only.
        amount: What the number is ("number of inhabitants"); numbers only.
    """

    told: str
    asked: str
    draw: Callable[[random.Random], str]
    whose: str = ""
    most: str = ""
    above: str = ""
    amount: str = ""


@dataclass(frozen=True)
class Schema:
    """A kind of invented thing.

    Attributes:
        kind: Its name in the plural, which is also that of the facts.
        one: "the village", for questions about one of several.
        name: Draws a name of so many syllables, as it stands in a sentence.
        attributes: What is told about each.
        fillers: Sentences that tell nothing that is asked.
    """

    kind: str
    one: str
    name: Callable[[random.Random, int], str]
    attributes: tuple[Attribute, ...]
    fillers: tuple[str, ...]


@dataclass(frozen=True)
class Thing:
    """An invented thing: its name and the value of each attribute."""

    name: str
    values: tuple[str, ...]


SCHEMAS = (
    Schema(
        "villages",
        "the village",
        lambda rng, parts: coined(rng, rng.choice(("wick", "ford", "holm", "by")), parts),
        (
            Attribute(
                "The mayor of {name} is {value}.", "Who is the mayor of {name}?", person, "whose mayor is {value}"
            ),
            Attribute(
                "{name} has {value} inhabitants.",
                "How many inhabitants does {name} have?",
                amount(110, 4900),
                "",
                "has the most inhabitants",
                "have more than {value} inhabitants",
                "number of inhabitants",
            ),
            Attribute(
                "The river {value} flows through {name}.",
                "Which river flows through {name}?",
                lambda rng: coined(rng, "a"),
                "on the river {value}",
            ),
            Attribute(
                "Its fair is held in {value} every year.", "In which month is the fair of {name} held?", one_of(*MONTHS)
            ),
            Attribute(
                "{name} was founded in {value}.",
                "In which year was {name} founded?",
                amount(1100, 1899),
                "founded in {value}",
                "was founded last",
                "were founded after {value}",
                "year of foundation",
            ),
        ),
        (
            "Most of the houses are built of grey stone.",
            "The bakery opens early in the morning.",
            "A path leads up to an old chapel.",
            "Children go to school by bus.",
        ),
    ),
    Schema(
        "companies",
        "the company",
        lambda rng, parts: coined(rng, rng.choice(("ex", "tec", "on", "ix")), parts),
        (
            Attribute("{name} was started by {value}.", "Who started {name}?", person, "started by {value}"),
            Attribute(
                "{value} people work at {name}.",
                "How many people work at {name}?",
                amount(12, 980),
                "",
                "has the most employees",
                "have more than {value} employees",
                "number of employees",
            ),
            Attribute(
                "The head office of {name} is in {value}.",
                "Where is the head office of {name}?",
                lambda rng: coined(rng, "burg"),
                "whose head office is in {value}",
            ),
            Attribute(
                "It makes {value}.",
                "What does {name} make?",
                one_of(
                    "zips", "kettles", "ladders", "tents", "clocks", "ropes", "bicycles", "pianos", "gloves", "lamps"
                ),
            ),
            Attribute(
                "{name} has existed since {value}.",
                "Since which year has {name} existed?",
                amount(1901, 2019),
                "that has existed since {value}",
                "is the youngest",
                "have existed since a year later than {value}",
                "year of foundation",
            ),
        ),
        (
            "The canteen is open to visitors.",
            "A new warehouse is being planned.",
            "Its logo is a blue circle.",
            "Many employees come by train.",
        ),
    ),
    Schema(
        "species",
        "the animal",
        lambda rng, parts: f"the {coined(rng, '', parts).lower()} {rng.choice(('beetle', 'lizard', 'finch', 'shrew'))}",
        (
            Attribute(
                "An adult of {name} weighs {value} grams.",
                "How many grams does an adult of {name} weigh?",
                amount(13, 890),
                "",
                "is the heaviest",
                "weigh more than {value} grams",
                "weight in grams",
            ),
            Attribute(
                "It lives only on the island of {value}.",
                "On which island does {name} live?",
                lambda rng: coined(rng, "ia"),
                "from the island of {value}",
            ),
            Attribute(
                "Its eyes are {value}.",
                "What colour are the eyes of {name}?",
                one_of("green", "yellow", "red", "violet", "orange", "white"),
            ),
            Attribute(
                "It was first described by {value}.",
                "Who first described {name}?",
                person,
                "first described by {value}",
            ),
            Attribute(
                "It lives for up to {value} months.",
                "Up to how many months does {name} live?",
                amount(11, 150),
                "",
                "lives longest",
                "live longer than {value} months",
                "lifespan in months",
            ),
        ),
        (
            "It is seldom seen by day.",
            "Little is known about how it sleeps.",
            "Researchers watch it with small cameras.",
            "It likes damp places.",
        ),
    ),
    Schema(
        "expeditions",
        "the expedition",
        lambda rng, parts: f"the {coined(rng, 'an', parts)} expedition",
        (
            Attribute("{value} led {name}.", "Who led {name}?", person, "led by {value}"),
            Attribute(
                "{value} people took part in it.",
                "How many people took part in {name}?",
                amount(6, 240),
                "",
                "had the most participants",
                "had more than {value} participants",
                "number of participants",
            ),
            Attribute(
                "{name} sailed on a ship called {value}.",
                "On which ship did {name} sail?",
                lambda rng: coined(rng, "is"),
                "that sailed on the ship {value}",
            ),
            Attribute(
                "It lasted {value} days.",
                "How many days did {name} last?",
                amount(40, 900),
                "",
                "lasted longest",
                "lasted more than {value} days",
                "length in days",
            ),
            Attribute(
                "It brought back a collection of {value}.",
                "What did {name} bring back a collection of?",
                one_of("shells", "seeds", "maps", "fossils", "masks", "butterflies", "minerals", "feathers"),
            ),
        ),
        (
            "The crew kept a diary.",
            "Storms delayed the return.",
            "Letters home took months to arrive.",
            "The newspapers reported on it at length.",
        ),
    ),
    Schema(
        "games",
        "the game",
        lambda rng, parts: coined(rng, "o", parts),
        (
            Attribute("{name} was invented by {value}.", "Who invented {name}?", person, "invented by {value}"),
            Attribute(
                "It is played with {value} cards.",
                "With how many cards is {name} played?",
                amount(21, 180),
                "",
                "is played with the most cards",
                "are played with more than {value} cards",
                "number of cards",
            ),
            Attribute(
                "{name} comes from the town of {value}.",
                "From which town does {name} come?",
                lambda rng: coined(rng, "ville"),
                "that comes from the town of {value}",
            ),
            Attribute(
                "The winner gets a {value}.",
                "What does the winner of {name} get?",
                one_of("ribbon", "medal", "cake", "crown", "bell", "feather", "ring", "badge"),
            ),
            Attribute(
                "A round takes {value} minutes.",
                "How many minutes does a round of {name} take?",
                amount(7, 130),
                "",
                "has the longest rounds",
                "have rounds of more than {value} minutes",
                "length of a round in minutes",
            ),
        ),
        (
            "The rules fit on one page.",
            "It is popular with families.",
            "Beginners often forget the first rule.",
            "A new edition came out last year.",
        ),
    ),
)


def things(schema: Schema, count: int, rng: random.Random, parts: int = 2) -> list[Thing]:
    """Distinct things with names of so many syllables, whose values differ wherever a value must tell them apart."""
    made: list[Thing] = []
    while len(made) < count:
        new = Thing(schema.name(rng, parts), tuple(a.draw(rng) for a in schema.attributes))
        alike = any(
            new.name.removeprefix("the ")[:4] == old.name.removeprefix("the ")[:4]
            or any((a.whose or a.most) and new.values[i] == old.values[i] for i, a in enumerate(schema.attributes))
            for old in made
        )
        if not alike:
            made.append(new)
    return made


def told(schema: Schema, thing: Thing, *, without: int | None = None, fillers: int = 0, rng: random.Random) -> str:
    """A paragraph about a thing, one attribute left out if asked."""
    sentences = []
    for i, attribute in enumerate(schema.attributes):
        if i != without:
            # The first sentence names the thing, so that "it" is clear.
            head = "" if sentences or "{name}" in attribute.told else "This is about {name}. "
            sentences.append(f"{head}{attribute.told}".format(name=thing.name, value=thing.values[i]))
    for filler in rng.sample(schema.fillers, fillers):
        sentences.insert(rng.randint(1, len(sentences)), filler)
    return " ".join(s[0].upper() + s[1:] for s in sentences)


def passage(schema: Schema, of: list[Thing], rng: random.Random, *, fillers: int = 0) -> str:
    """A paragraph about each thing."""
    return "\n".join(told(schema, thing, fillers=fillers, rng=rng) for thing in of)


def asked(schema: Schema, thing: Thing, i: int, name: str = "", context: str = "") -> Example:
    """A question about an attribute of a thing, called by ``name``."""
    value = thing.values[i]
    answers = (value, value.split()[-1])
    question = schema.attributes[i].asked.format(name=name or thing.name)
    return free(question, *answers, context=context)


def _aggregate(schema: Schema, of: list[Thing], i: int, kind: int, rng: random.Random, context: str) -> Example:
    """Which has the most, how many have more than, what is the difference."""
    attribute = schema.attributes[i]
    values = sorted(int(thing.values[i]) for thing in of)
    plural = schema.kind if schema.kind != "species" else "animals"
    if kind == 0:
        best = max(of, key=lambda thing: int(thing.values[i]))
        return free(f"Which of the {plural} {attribute.most}?", best.name.removeprefix("the "), context=context)
    if kind == 1:
        n = rng.randint(1, len(of) - 1)
        limit = values[-n] - 1
        question = f"How many of the {plural} {attribute.above.format(value=limit)}?"
        return number(question, sum(v > limit for v in values), context=context)
    one, other = rng.sample(of, 2)
    gap = abs(int(one.values[i]) - int(other.values[i]))
    question = f"What is the difference between {one.name} and {other.name} in {attribute.amount}?"
    return number(question, gap, context=context)


def _unknown(schema: Schema, rng: random.Random) -> Items:
    """Asked without a passage: nobody can know. No passage has names of three syllables."""
    for thing in things(schema, 40, rng, parts=3):
        for i in rng.sample(range(len(schema.attributes)), 2):
            yield asked(schema, thing, i)


PASSAGES, QUESTIONS = 15, 4


def _told(schema: Schema, level: int, rng: random.Random) -> Items:
    """With a passage: about one thing, about three with fillers, about ten, two steps, counting and comparing."""
    count, fillers = ((1, 0), (3, 3), (10, 0), (7, 1), (7, 1))[level - 1]
    for _ in range(PASSAGES):
        of = things(schema, count, rng)
        text = passage(schema, of, rng, fillers=fillers)
        numbers = [i for i, a in enumerate(schema.attributes) if a.most]
        clues = [i for i, a in enumerate(schema.attributes) if a.whose]
        chosen = rng.sample(range(len(schema.attributes)), QUESTIONS)
        for n, i in enumerate(chosen):
            if level < 4:
                yield asked(schema, rng.choice(of), i, context=text)
            elif level == 4:
                clue, thing = rng.choice([c for c in clues if c != i]), rng.choice(of)
                name = f"{schema.one} {schema.attributes[clue].whose.format(value=thing.values[clue])}"
                yield asked(schema, thing, i, name, text)
            else:
                yield _aggregate(schema, of, rng.choice(numbers), n % 3, rng, text)


def _lacking(schema: Schema, level: int, rng: random.Random) -> Items:
    """The passage is about something else, lacks one sentence, or lacks it among many; at last without instruction."""
    for _ in range(PASSAGES):
        of = things(schema, 1 if level < 3 else 5, rng)
        for i in rng.sample(range(len(schema.attributes)), QUESTIONS):
            about = rng.choice(of)
            if level == 1:
                other = rng.choice([s for s in SCHEMAS if s.kind != schema.kind])
                text = passage(other, things(other, 1, rng), rng, fillers=2)
            else:
                text = "\n".join(told(schema, t, without=i if t is about else None, rng=rng) for t in of)
            head = f"{INSTRUCTION}\n\n" if level < 4 else ""
            question = schema.attributes[i].asked.format(name=about.name)
            yield free(question, *REFUSALS, context=f"{head}{text}")


def _mixed(schema: Schema, level: int, rng: random.Random) -> Items:
    """Half of the questions have an answer in the passage, half have none."""
    for _ in range(PASSAGES):
        of = things(schema, 1 if level == 1 else 5, rng)
        about, missing = rng.choice(of), rng.randrange(len(schema.attributes))
        text = "\n".join(told(schema, t, without=missing if t is about else None, rng=rng) for t in of)
        context = f"{INSTRUCTION}\n\n{text}"
        yield free(schema.attributes[missing].asked.format(name=about.name), *REFUSALS, context=context)
        known = [i for i in range(len(schema.attributes)) if i != missing]
        yield asked(schema, about, rng.choice(known), context=context)
        if level == 1:
            about, missing = things(schema, 1, rng)[0], rng.choice(known)
            yield free(schema.attributes[missing].asked.format(name=about.name), *REFUSALS, context=context)
            yield asked(schema, of[0], rng.choice(known), context=context)
        else:
            other = rng.choice([t for t in of if t is not about])
            yield asked(schema, other, missing, context=context)


def _checked(schema: Schema, level: int, rng: random.Random) -> Items:
    """Yes or no: is the value right? Then: is a number larger than another thing's?"""

    def drawn() -> Items:
        for _ in range(2 * PASSAGES):
            of = things(schema, 2 if level == 1 else 7, rng)
            text = passage(schema, of, rng, fillers=level - 1)
            for _ in range(QUESTIONS):
                (one, other), right = rng.sample(of, 2), rng.random() < 0.5
                i = rng.choice([i for i, a in enumerate(schema.attributes) if a.most or level == 1])
                attribute = schema.attributes[i]
                if level == 1 and one.values[i] != other.values[i]:
                    claim = (one if right else other).values[i]
                    question = f"{attribute.asked.format(name=one.name)} Is it {claim}?"
                    yield yes_no(question, right, context=text)
                elif level == 2:
                    question = f"Is the {attribute.amount} of {one.name} larger than that of {other.name}?"
                    yield yes_no(question, int(one.values[i]) > int(other.values[i]), context=text)

    return balanced(drawn(), rng)


def _enter(schema: Schema) -> None:
    """The five families of a schema."""
    kinds: list[tuple[str, int, Callable[[int, random.Random], Items], bool]] = [
        ("unknown", 1, lambda _level, rng: _unknown(schema, rng), False),
        ("told", 5, lambda level, rng: _told(schema, level, rng), False),
        ("lacking", 4, lambda level, rng: _lacking(schema, level, rng), False),
        ("mixed", 2, lambda level, rng: _mixed(schema, level, rng), False),
        ("checked", 2, lambda level, rng: _checked(schema, level, rng), False),
    ]
    for name, levels, build, shows in kinds:
        build.__name__ = f"{schema.kind}_{name}"
        family(schema.kind, levels=levels, shows=shows)(build)


for _schema in SCHEMAS:
    _enter(_schema)
