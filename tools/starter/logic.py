"""Starter questions that only take thinking: orders, relatives, swaps, liars and walks, each with a depth."""

from __future__ import annotations

import random
from itertools import pairwise

from tools.starter.items import DRAWS, Items, balanced, family, free, number, yes_no

PEOPLE = ("Ava", "Ben", "Cleo", "Dan", "Ella", "Finn", "Gina", "Hal", "Iris", "Jack", "Kate", "Leo", "Maya", "Ned")
_WOMEN = ("Anna", "Bella", "Clara", "Dora", "Emma", "Fiona", "Grace", "Helen", "Irene", "Julia")
_MEN = ("Adam", "Bruno", "Carl", "David", "Eric", "Frank", "George", "Henry", "Ivan", "James")
_TRADERS = ("Zoe", "Yann", "Xenia", "Will", "Vera", "Uwe", "Tara", "Sven")
_OBJECTS = ("cello", "lantern", "sextant", "teapot", "parasol", "chisel", "vase", "blanket")


@family("orders", levels=4, shows=True)
def tallest(level: int, rng: random.Random) -> Items:
    """Ava is taller than Ben, Ben taller than Cleo: who is tallest? Of 3, 5, 8 and 13 people."""
    for _ in range(DRAWS):
        people = rng.sample(PEOPLE, (3, 5, 8, 13)[level - 1])
        told = []
        for tall, short in pairwise(people):
            told.append(f"{tall} is taller than {short}." if rng.random() < 0.5 else f"{short} is shorter than {tall}.")
        rng.shuffle(told)
        which, right = rng.choice((("the tallest", 0), ("the shortest", -1), ("the second tallest", 1)))
        yield free(f"{' '.join(told)} Who is {which}?", people[right])


_RELATIONS = {
    (1, 0): ("mother", "father"),
    (0, 1): ("daughter", "son"),
    (1, 1): ("sister", "brother"),
    (2, 0): ("grandmother", "grandfather"),
    (0, 2): ("granddaughter", "grandson"),
    (2, 1): ("aunt", "uncle"),
    (1, 2): ("niece", "nephew"),
    (3, 0): ("great-grandmother", "great-grandfather"),
    (0, 3): ("great-granddaughter", "great-grandson"),
    (2, 2): ("cousin", "cousin"),
    (3, 1): ("great-aunt", "great-uncle"),
    (1, 3): ("great-niece", "great-nephew"),
    (4, 0): ("great-great-grandmother", "great-great-grandfather"),
    (3, 2): ("first cousin once removed", "first cousin once removed"),
    (3, 3): ("second cousin", "second cousin"),
}
"""Steps up to the common ancestor and down again: the words for a woman and a man."""

_SAME_RELATION = {
    "great-aunt": ("grandaunt", "grand-aunt", "great aunt"),
    "great-uncle": ("granduncle", "grand-uncle", "great uncle"),
    "great-niece": ("grandniece", "grand-niece", "great niece"),
    "great-nephew": ("grandnephew", "grand-nephew", "great nephew"),
    "cousin": ("first cousin",),
    "first cousin once removed": ("cousin once removed",),
}


@family("relatives", levels=4)
def relative(level: int, rng: random.Random) -> Items:
    """Anna is Ben's mother: what is Ben to Anna? One to six steps through a family."""
    depths = (
        [(1, 0), (0, 1)],
        [(1, 1), (2, 0), (0, 2)],
        [(2, 1), (1, 2), (3, 0), (0, 3), (2, 2)],
        [(3, 1), (1, 3), (4, 0), (3, 2), (3, 3)],
    )[level - 1]
    for _ in range(DRAWS):
        up, down = rng.choice(depths)
        line = rng.sample([(name, 0) for name in _WOMEN] + [(name, 1) for name in _MEN], up + down + 1)
        # From the one asked about up to the common ancestor, and down to the other.
        links = [(parent, child) for child, parent in pairwise(line[: up + 1])] + list(pairwise(line[up:]))
        rng.shuffle(links)
        told = [
            f"{parent[0]} is the {('mother', 'father')[parent[1]]} of {child[0]}."
            if rng.random() < 0.5
            else f"{child[0]} is the {('daughter', 'son')[child[1]]} of {parent[0]}."
            for parent, child in links
        ]
        word = _RELATIONS[up, down][line[-1][1]]
        question = f"{' '.join(told)} What relation is {line[-1][0]} to {line[0][0]}?"
        answers = (word, word.replace("-", " "), word.replace("-", ""), *_SAME_RELATION.get(word, ()))
        if level > 1 or f"{line[-1][0]} is the" not in told[0]:
            yield free(question, *answers)


@family("swapped objects", levels=4, shows=True)
def swapped(level: int, rng: random.Random) -> Items:
    """Three people swap things: who holds what? One, three, six and fifteen swaps."""
    for _ in range(DRAWS):
        people = rng.sample(_TRADERS, 3 if level < 3 else 5)
        holds = dict(zip(people, rng.sample(_OBJECTS, len(people)), strict=True))
        told = [f"{who} has the {what}." for who, what in holds.items()]
        for _ in range((1, 3, 6, 15)[level - 1]):
            a, b = rng.sample(people, 2)
            holds[a], holds[b] = holds[b], holds[a]
            told.append(f"{a} and {b} swap what they have.")
        who = rng.choice(people)
        yield free(f"{' '.join(told)} What does {who} have at the end?", holds[who])


@family("liars", levels=4)
def tells_the_truth(level: int, rng: random.Random) -> Items:
    """Ava lies, Ben says that she does: does Ben tell the truth? Chains of 1, 3, 6 and 12 people."""

    def drawn() -> Items:
        for _ in range(DRAWS):
            people = rng.sample(PEOPLE, (1, 3, 6, 12)[level - 1] + 1)
            honest = rng.random() < 0.5
            told = [f"{people[0]} always {'tells the truth' if honest else 'lies'}."]
            for before, who in pairwise(people):
                praises = rng.random() < 0.5
                told.append(f"{who} says that {before} {'tells the truth' if praises else 'lies'}.")
                honest = praises == honest
            yield yes_no(f"{' '.join(told)} Does {people[-1]} tell the truth?", honest)

    return balanced(drawn(), rng)


_COMPASS = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}


@family("walks", levels=4)
def walk(level: int, rng: random.Random) -> Items:
    """How far from the start? Two and five moves on a line, six on a grid, twelve with turns."""
    for _ in range(DRAWS):
        moves = (2, 5, 6, 12)[level - 1]
        x = y = 0
        told, facing = [], 0
        for _ in range(moves):
            n = rng.randint(1, 20)
            if level == 4:
                turn = rng.choice(("left", "right"))
                facing = (facing + (1 if turn == "right" else -1)) % 4
                heading = list(_COMPASS)[facing]
                told.append(f"It turns {turn} and goes {n} steps forward.")
            else:
                heading = rng.choice(("east", "west") if level < 3 else list(_COMPASS))
                told.append(f"It goes {n} steps {heading}.")
            x, y = x + n * _COMPASS[heading][0], y + n * _COMPASS[heading][1]
        start = "A robot faces north." if level == 4 else "A robot stands on a square."
        asked = "How many steps is it from its start" + (", counting steps along the grid?" if level > 2 else "?")
        yield number(f"{start} {' '.join(told)} {asked}", abs(x) + abs(y))


@family("schedules", levels=4, shows=True)
def who_is_on_day(level: int, rng: random.Random) -> Items:
    """Ava works the day after Ben, who works on Monday: who works on Tuesday? Chains of 2, 3, 5 and 7 people."""
    days = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    for _ in range(DRAWS):
        people = rng.sample(PEOPLE, (2, 3, 5, 7)[level - 1])
        known = rng.randrange(len(people))
        told = [f"{people[known]} works on {days[known]}."]
        for i, (before, who) in enumerate(pairwise(people)):
            told.append(f"{who} works the day after {before}." if i % 2 else f"{before} works the day before {who}.")
        rng.shuffle(told)
        asked = rng.choice([i for i in range(len(people)) if i != known])
        question = f"Each person works on one day only. {' '.join(told)} Who works on {days[asked]}?"
        yield free(question, people[asked])
