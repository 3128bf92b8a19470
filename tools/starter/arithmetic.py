"""Starter questions that are sums: from one digit to more digits than any model carries in its head."""

from __future__ import annotations

import math
import random
from fractions import Fraction

from mpmath import mp

from thermolang.answers.rules.numerals import SMALL_NUMBERS, TENS
from tools.starter.items import DRAWS, Items, balanced, choice, distractors, family, free, number, yes_no


def with_digits(rng: random.Random, digits: int) -> int:
    """A random number of so many digits."""
    return rng.randint(10 ** (digits - 1) if digits > 1 else 1, 10**digits - 1)


@family("sums", levels=5)
def addition(level: int, rng: random.Random) -> Items:
    """What is 3 + 4? Two numbers of 1, 2, 4 or 9 digits; at last six numbers of 7 digits."""
    digits, count = ((1, 2), (2, 2), (4, 2), (9, 2), (7, 6))[level - 1]
    for _ in range(DRAWS):
        terms = [with_digits(rng, digits) for _ in range(count)]
        yield number(f"What is {' + '.join(map(str, terms))}?", sum(terms))


@family("sums", kind="choice")
def addition_choice(level: int, rng: random.Random) -> Items:
    """How much do 34 and 57 make together? The others are off by one or by ten."""
    for _ in range(400):
        a, b = rng.randint(10, 99), rng.randint(10, 99)
        near = [str(a + b + off) for off in (-10, -2, -1, 1, 2, 10)]
        yield choice(f"How much do {a} and {b} make together?", str(a + b), distractors(rng, str(a + b), near))


@family("differences", levels=5)
def subtraction(level: int, rng: random.Random) -> Items:
    """What is 14 - 6? Numbers up to 20, then of 2, 4, 8 and 16 digits."""
    for _ in range(DRAWS):
        digits = (1, 2, 4, 8, 16)[level - 1]
        b, a = sorted(rng.randint(1, 20) if level == 1 else with_digits(rng, digits) for _ in range(2))
        yield number(f"What is {a} - {b}?", a - b)


@family("products", levels=5)
def multiplication(level: int, rng: random.Random) -> Items:
    """What is 7 times 8? One digit each, then 2 by 1, 2 by 2, 3 by 3 and 6 by 6 digits."""
    one, other = ((1, 1), (2, 1), (2, 2), (3, 3), (6, 6))[level - 1]
    for _ in range(DRAWS):
        a, b = with_digits(rng, one), with_digits(rng, other)
        yield number(f"What is {a} times {b}?", a * b)


@family("products", levels=4)
def division(level: int, rng: random.Random) -> Items:
    """What is 12 divided by 4? Without remainder; quotient and divisor grow."""
    quotient, divisor = ((1, 1), (2, 1), (3, 2), (5, 4))[level - 1]
    for _ in range(DRAWS):
        a, b = with_digits(rng, quotient) + 1, with_digits(rng, divisor) + 1
        yield number(f"What is {a * b} divided by {b}?", a)


@family("remainders", levels=4)
def remainder(level: int, rng: random.Random) -> Items:
    """What remains when 17 is divided by 5?"""
    digits, divisor = ((1, 1), (2, 1), (4, 2), (9, 3))[level - 1]
    for _ in range(DRAWS):
        a, b = with_digits(rng, digits) + 10 * (level == 1), with_digits(rng, divisor) + 2
        yield number(f"What is the remainder when {a} is divided by {b}?", a % b)


@family("powers", levels=4)
def power(level: int, rng: random.Random) -> Items:
    """What is 12 squared? Then cubes, and higher powers of larger numbers."""
    bases, exponents = (
        (range(2, 51), (2,)),
        (range(21, 100), (2,)),
        (range(11, 100), (3,)),
        (range(13, 60), (4, 5, 6)),
    )[level - 1]
    for base in bases:
        for exponent in exponents:
            yield number(f"What is {base} to the power of {exponent}?", base**exponent)


@family("roots", levels=4)
def square_root(level: int, rng: random.Random) -> Items:
    """What is the square root of 144? Whole ones, then rounded to 1 and to 4 decimals, then cube roots."""
    for n in range(2, 62) if level == 1 else rng.sample(range(50, 5000), 90):
        if level == 1:
            yield number(f"What is the square root of {n * n}?", n)
            continue
        places, root = ((2, 1), (2, 4), (3, 4))[level - 2][1], 3 if level == 4 else 2
        exact = mp.root(n, root)
        if abs(exact - round(exact)) > 0.001:
            kind = "cube" if root == 3 else "square"
            word = "one decimal place" if places == 1 else f"{places} decimal places"
            yield free(f"What is the {kind} root of {n}, rounded to {word}?", rounded(exact, places))


def rounded(value: mp.mpf, places: int) -> str:
    """A positive number rounded half up, as text."""
    scaled = int(mp.floor(value * 10**places + mp.mpf("0.5")))
    return f"{scaled // 10**places}.{scaled % 10**places:0{places}d}"


@family("digits of constants", levels=4)
def digit_of_constant(level: int, rng: random.Random) -> Items:
    """What is the third digit of pi after the decimal point? From the first digits to the thousands."""
    near, far = ((1, 3), (4, 10), (11, 60), (200, 5000))[level - 1]
    with mp.workdps(5100):
        constants = {
            "pi": +mp.pi,
            "Euler's number e": +mp.e,
            "the golden ratio": +mp.phi,
            "the natural logarithm of 2": mp.log(2),
            "the natural logarithm of 10": mp.log(10),
            **{f"the square root of {n}": mp.sqrt(n) for n in (2, 3, 5, 6, 7, 8, 10)},
            "1/7": mp.mpf(1) / 7,
            "1/13": mp.mpf(1) / 13,
            "2/17": mp.mpf(2) / 17,
        }
        texts = {name: mp.nstr(value, 5050).split(".")[1] for name, value in constants.items()}
    for name, digits in texts.items():
        for n in range(near, far + 1) if far < 100 else rng.sample(range(near, far), 10):
            question = f"What is digit number {n} after the decimal point of {name}?"
            yield number(question, int(digits[n - 1]))


@family("sequences", levels=5)
def next_number(level: int, rng: random.Random) -> Items:
    """Which number comes next? Counting, steady steps, doubling, growing steps, and two rules at once."""
    for _ in range(DRAWS):
        a, b, c = rng.randint(1, 40), rng.randint(2, 12), rng.randint(2, 9)
        if level == 1:
            shown = [a + i for i in range(5)]
        elif level == 2:
            shown = [a + (b + 1) * i for i in range(6)]
        elif level == 3:
            shown = [c * (2 + b % 3) ** i + a for i in range(6)]
        elif level == 4:
            shown = [a + b * i + c * i * i for i in range(7)]
        else:
            shown = [a]
            for i in range(7):
                shown.append(shown[-1] * (b % 3 + 2) - c if i % 2 else shown[-1] + b * (i + 1))
        *first, last = shown
        yield number(f"Which number comes next: {', '.join(map(str, first))}, ...?", last)


@family("parity")
def parity(level: int, rng: random.Random) -> Items:
    """Is 57 an odd or an even number?"""
    return balanced((free(f"Is {n} an odd or an even number?", "odd" if n % 2 else "even") for n in range(2, 200)), rng)


@family("divisors", kind="choice")
def divisible_choice(level: int, rng: random.Random) -> Items:
    """Is 84 divisible by 7? Yes and no are equally often right."""
    for i in range(400):
        divisor, times = rng.randint(3, 9), rng.randint(4, 30)
        value = divisor * times + (i % 2) * rng.randint(1, divisor - 1)
        right, wrong = ("No", "Yes") if i % 2 else ("Yes", "No")
        yield choice(f"Is {value} divisible by {divisor}?", right, [wrong])


@family("divisors", levels=4)
def divisible(level: int, rng: random.Random) -> Items:
    """Is 84 a multiple of 7? Yes or no; numbers and divisors grow."""
    low, high, most = ((3, 9, 12), (6, 20, 60), (21, 99, 999), (101, 999, 99_999))[level - 1]

    def drawn() -> Items:
        for i in range(DRAWS):
            divisor = rng.randint(low, high)
            value = divisor * rng.randint(2, most) + (i % 2) * rng.randint(1, divisor - 1)
            yield yes_no(f"Is {value} a multiple of {divisor}?", i % 2 == 0)

    return balanced(drawn(), rng)


@family("primes", levels=4)
def is_prime(level: int, rng: random.Random) -> Items:
    """Is 57 a prime number? Yes or no; the others have no small factor from level 2 on."""
    low, high, factor = ((2, 100, 2), (100, 1000, 7), (1000, 10_000, 11), (100_000, 1_000_000, 101))[level - 1]
    drawn = rng.sample(range(low, high), min(high - low, 4000))
    least = {n: smallest_factor(n) for n in drawn}
    return balanced((yes_no(f"Is {n} a prime number?", p == n) for n, p in least.items() if p >= factor), rng)


@family("primes", levels=3)
def largest_prime_factor(level: int, rng: random.Random) -> Items:
    """What is the largest prime factor of 84? Two, four and seven digits."""
    for n in rng.sample(range(*((10, 100), (1000, 10_000), (10**6, 10**7))[level - 1]), 85):
        rest, largest = n, 1
        while rest > 1:
            largest = smallest_factor(rest)
            rest //= largest
        if largest < n:
            yield number(f"What is the largest prime factor of {n}?", largest)


def smallest_factor(n: int) -> int:
    """The smallest factor of a number above 1, itself if it is prime."""
    return next((d for d in range(2, math.isqrt(n) + 1) if n % d == 0), n)


@family("common divisors", levels=4)
def greatest_common_divisor(level: int, rng: random.Random) -> Items:
    """What is the greatest common divisor of 12 and 18?"""
    common, other = ((9, 9), (12, 30), (60, 90), (900, 9999))[level - 1]
    for _ in range(DRAWS):
        shared = rng.randint(2, common)
        a, b = (shared * rng.randint(2, other) for _ in range(2))
        if a != b:
            yield number(f"What is the greatest common divisor of {a} and {b}?", math.gcd(a, b))


@family("common divisors", levels=3)
def least_common_multiple(level: int, rng: random.Random) -> Items:
    """What is the least common multiple of 4 and 6?"""
    for _ in range(DRAWS):
        a, b = rng.sample(range(2, (12, 40, 400)[level - 1]), 2)
        yield number(f"What is the least common multiple of {a} and {b}?", math.lcm(a, b))


@family("fractions", levels=4)
def fraction_sum(level: int, rng: random.Random) -> Items:
    """What is 1/7 + 3/7 as a fraction in lowest terms? Then with two denominators, which grow."""
    for _ in range(DRAWS):
        most = (19, 9, 20, 99)[level - 1]
        below = rng.randint(3, most), rng.randint(3, most)
        terms = [Fraction(rng.randint(1, n - 1), below[0] if level == 1 else n) for n in (min(below), max(below))]
        total = sum(terms, Fraction(0))
        same = terms[0].denominator == terms[1].denominator == total.denominator
        if total.denominator > 1 and same == (level == 1):
            whole, rest = divmod(total, 1)
            mixed = f"{whole} {rest}" if whole else ""
            yield free(f"What is {terms[0]} + {terms[1]} as a fraction in lowest terms?", str(total), mixed)


@family("percentages", levels=4)
def percentage(level: int, rng: random.Random) -> Items:
    """What is 10 percent of 50? At last with a fraction of a percent, rounded to 2 decimals."""
    for _ in range(DRAWS):
        if level == 1:
            share, of = rng.choice((10, 50, 100)), 10 * rng.randint(1, 40)
        elif level == 2:
            share, of = 5 * rng.randint(1, 19), 20 * rng.randint(1, 40)
        else:
            share, of = rng.randint(2, 98), rng.randint(101, 9999)
        if level < 3 and share * of % 100 == 0:
            yield number(f"What is {share} percent of {of}?", share * of // 100)
        elif level == 3:
            yield free(f"What is {share} percent of {of}, to two decimal places?", decimal(Fraction(share * of, 100)))
        elif level == 4:
            tenths = 10 * share + rng.randint(1, 9)
            exact = Fraction(tenths * of, 1000)
            if exact * 1000 % 10 != 5:
                question = f"What is {tenths / 10} percent of {of}, rounded to two decimal places?"
                yield free(question, decimal(Fraction(round(exact * 100), 100)))


def decimal(value: Fraction) -> str:
    """A fraction with at most two decimals, as text."""
    return f"{float(value):.2f}"


@family("expressions", levels=4)
def expression(level: int, rng: random.Random) -> Items:
    """What is ((3 + 4) * 2)? Two to eight operations, with brackets."""
    for _ in range(DRAWS):
        text = _grown((2, 3, 5, 8)[level - 1], rng)
        yield number(f"What is {text}?", eval(text))


def _grown(operations: int, rng: random.Random) -> str:
    if operations == 0:
        return str(rng.randint(2, 12))
    left = rng.randint(0, operations - 1)
    return f"({_grown(left, rng)} {rng.choice('++--*')} {_grown(operations - 1 - left, rng)})"


@family("truth values", levels=4)
def truth_value(level: int, rng: random.Random) -> Items:
    """Is "not true" true or false? Two to twelve words that join or deny."""

    def drawn() -> Items:
        for _ in range(2 * DRAWS):
            text = _joined((2, 4, 7, 12)[level - 1], rng)
            value = str(eval(text.replace("true", "True").replace("false", "False"))).lower()
            yield free(f"Evaluate the logical expression. Reply with its value only: {text}", value)

    return balanced(drawn(), rng)


def _joined(words: int, rng: random.Random) -> str:
    if words == 0:
        return rng.choice(("true", "false"))
    if rng.random() < 0.3:
        return f"(not {_joined(words - 1, rng)})"
    left = rng.randint(0, words - 1)
    return f"({_joined(left, rng)} {rng.choice(('and', 'or'))} {_joined(words - 1 - left, rng)})"


@family("averages", levels=4)
def average(level: int, rng: random.Random) -> Items:
    """What is the average of 4 and 8? Two to twelve numbers; the average is whole."""
    count, most = ((2, 20), (3, 30), (6, 99), (12, 999))[level - 1]
    for _ in range(10 * DRAWS):
        values = [rng.randint(1, most) for _ in range(count)]
        if sum(values) % count == 0 and sum(values) // count not in values:
            yield number(f"What is the average of {', '.join(map(str, values))}?", sum(values) // count)


@family("combinations", levels=4)
def combinations(level: int, rng: random.Random) -> Items:
    """In how many ways can 2 of 5 be chosen?"""
    things = ("books", "players", "stamps", "flowers", "songs", "cards")
    for n in range(*((3, 13), (6, 16), (12, 31), (30, 90))[level - 1]):
        for k in ((1, 2), (2, 3), (3, 4), (5, 6, 7))[level - 1]:
            for thing in rng.sample(things, (6, 4, 2, 1)[level - 1]):
                if k < n:
                    question = (
                        f"In how many different ways can {k} of {n} {thing} be chosen, if the order is irrelevant?"
                    )
                    yield number(question, math.comb(n, k))


def spelled(n: int) -> str:
    """A whole number below a thousand million in English words.

    Example:
        >>> spelled(342), spelled(1_020_003)
        ('three hundred and forty-two', 'one million twenty thousand and three')
    """
    for size, name in ((1_000_000, "million"), (1000, "thousand")):
        if n >= size:
            rest = n % size
            return f"{spelled(n // size)} {name}" + (f" {'and ' if rest < 100 else ''}{spelled(rest)}" if rest else "")
    hundreds, rest = divmod(n, 100)
    if hundreds:
        return f"{SMALL_NUMBERS[hundreds]} hundred" + (f" and {spelled(rest)}" if rest else "")
    tens, unit = divmod(n, 10)
    if n < len(SMALL_NUMBERS):
        return SMALL_NUMBERS[n]
    return TENS[tens - 2] + (f"-{SMALL_NUMBERS[unit]}" if unit else "")


@family("number words", levels=4, shows=True)
def digits_of_words(level: int, rng: random.Random) -> Items:
    """Which number is one hundred and forty-two, in digits? At last up to hundreds of millions."""
    low, high = ((11, 100), (101, 1000), (1001, 1_000_000), (10**8, 10**9))[level - 1]
    for n in rng.sample(range(low, high), 80):
        yield number(f"Write in digits: {spelled(n)}", n)


@family("order of numbers", levels=4, shows=True)
def larger_number(level: int, rng: random.Random) -> Items:
    """What is the larger of 345 and 354? Then of decimals, then the third largest of 7 and of 20."""
    for _ in range(DRAWS):
        if level == 1:
            a, b = rng.sample(range(100, 1000), 2)
            yield number(f"What is the larger of the numbers {a} and {b}?", max(a, b))
        elif level == 2:
            whole, tenths, more = rng.randint(1, 20), rng.randint(2, 9), rng.randint(11, 89)
            a, b = f"{whole}.{tenths}", f"{whole}.{more}"
            if tenths * 10 != more:
                yield free(f"Which number is larger, {a} or {b}?", a if 10 * tenths > more else b)
        else:
            values = rng.sample(range(100, 1000), (7, 20)[level - 3])
            listed = ", ".join(map(str, values))
            yield number(f"What is the third largest of the numbers {listed}?", sorted(values)[-3])


@family("bases", levels=4)
def from_binary(level: int, rng: random.Random) -> Items:
    """Which decimal number is binary 1011? 4, 6, 9 and 18 digits."""
    digits = (6, 7, 9, 18)[level - 1]
    for n in rng.sample(range(2 if level == 1 else 2 ** (digits - 1), 2**digits), 62):
        yield number(f"What is the binary number {n:b} in decimal?", n)


@family("bases", levels=3)
def to_base(level: int, rng: random.Random) -> Items:
    """What is 11 in binary? Then hexadecimal, then base 7 of five digits."""
    for n in rng.sample(range(*((2, 64), (30, 4000), (10_000, 99_999))[level - 1]), 62):
        if level == 1:
            yield free(f"What is the decimal number {n} in binary?", f"{n:b}", f"0b{n:b}")
        elif level == 2:
            digits = (f"{n:X}", f"0x{n:X}", f"{n:x}h")
            yield free(f"What is the decimal number {n} in hexadecimal?", *digits)
        else:
            yield free(f"What is the decimal number {n} in base 7?", in_base(n, 7))


def in_base(n: int, base: int) -> str:
    """A positive whole number in another base up to 10."""
    digits = ""
    while n:
        n, digit = divmod(n, base)
        digits = f"{digit}{digits}"
    return digits


_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"))
_ROMAN = (*_ROMAN, (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def roman(n: int) -> str:
    """A whole number from 1 to 3999 in Roman numerals."""
    for value, sign in _ROMAN:
        if n >= value:
            return sign + roman(n - value)
    return ""


@family("Roman numerals", levels=3)
def from_roman(level: int, rng: random.Random) -> Items:
    """Which number is XIV? Up to 50, up to 400, up to 3999."""
    for n in rng.sample(range(*((1, 51), (51, 400), (1000, 4000))[level - 1]), 50):
        yield number(f"Which number is the Roman numeral {roman(n)}?", n)


@family("Roman numerals", levels=3)
def to_roman(level: int, rng: random.Random) -> Items:
    """What is 14 in Roman numerals? Up to 50, up to 400, up to 3999."""
    for n in rng.sample(range(*((1, 51), (51, 400), (1000, 4000))[level - 1]), 50):
        yield free(f"How is {n} written in Roman numerals?", roman(n))


@family("word problems", levels=5)
def word_problem(level: int, rng: random.Random) -> Items:
    """Mia has 3 apples and gets 4 more: one to twelve steps."""
    people = ("Mia", "Liam", "Noor", "Hugo", "Ines", "Kofi")
    things = ("apples", "coins", "marbles", "stickers", "shells", "pencils")
    for _ in range(DRAWS):
        who, what = rng.choice(people), rng.choice(things)
        have = rng.randint(5, 20)
        told = [f"{who} has {have} {what}."]
        for _ in range((1, 2, 4, 7, 12)[level - 1]):
            kind, n = rng.choice(("finds", "loses", "buys", "times")), rng.randint(2, 9)
            if kind == "times" and have < 200:
                have *= n
                told.append(f"A friend comes by, and afterwards {who} has {n} times as many {what} as before.")
            elif kind == "loses" and have > n:
                have -= n
                told.append(f"{who} gives {n} {what} away.")
            else:
                have += n
                told.append(f"{who} {'buys' if kind == 'buys' else 'finds'} {n} more {what}.")
        yield number(f"{' '.join(told)} How many {what} does {who} have now?", have)
