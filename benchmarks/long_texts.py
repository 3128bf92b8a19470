"""How the time to read a text grows with its length.

    python benchmarks/long_texts.py [--length 20000]

For each reader the text that is hardest for it, and the time for twice the length over the time for the length: about 2
if the time is linear, 4 if it is quadratic. Tests count steps, which a busy machine does not change, but cannot look
into a regular expression; this does.
"""

import argparse
import time

from thermolang.answers.rules.dates import dates_in
from thermolang.answers.rules.quantities import quantities_in
from thermolang.answers.sentences import sentence_spans

DATES = ["9", "1,", "1.", "1/2/", "July 4 ", "May ", "half past six ", "三年", "a", "Monday ", "3:15 ", "午後"]
AMOUNTS = ["9", "1,", "111,", "a ", "half ", "one hundred ", "三", "1.", "1/2/", "Louis XIV ", "no as "]
SENTENCES = ["a. ", "! ", "「。", "Ab. ", "(", "U.S.", "。」"]
READERS = ((dates_in, DATES), (quantities_in, AMOUNTS), (sentence_spans, SENTENCES))


def seconds(read, unit, length, rounds=3):
    """The shortest of a few readings of a text of some length."""
    text = (unit * length)[:length]
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        read(text)
        taken.append(time.perf_counter() - start)
    return min(taken)


def main():
    """Print a line for each reader."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=20_000)
    length = parser.parse_args().length
    for read, units in READERS:
        growth = {unit: seconds(read, unit, 2 * length) / seconds(read, unit, length) for unit in units}
        hardest = max(growth, key=growth.__getitem__)
        print(f"{read.__name__}: at most {growth[hardest]:.1f} times the time for twice the length ({hardest!r})")


if __name__ == "__main__":
    main()
