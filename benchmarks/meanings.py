"""What sampling and grouping cost.

    python benchmarks/meanings.py [--model smollm2-135m] [--rounds 5]

1. Eight sampled answers of 32 tokens beside one answer of 32 tokens, in turn; the prompt is computed once.
2. Embedding, rules and clustering of eight answers, warm, but every text new.
3. The same of 2,000 answers: few distinct ones, as samples are, and all distinct.
"""

import argparse
import resource
import statistics
import time

from thermolang.answers.clustering import cluster_answers
from thermolang.answers.embedding import SentenceEmbedder
from thermolang.answers.equivalence import Equivalence
from thermolang.models.local import LocalModel
from thermolang.models.prompts import question_messages
from thermolang.types import Example

PASSAGE = "The harbour of the old town was rebuilt between 1904 and 1911 by the engineer Maria Lind. " * 8
CITIES = ["Oslo", "Bergen", "Turku", "Riga", "Gdansk", "Visby", "Kiel", "Malmo"]


def timed(job):
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def sampling(model, rounds):
    asked = question_messages(Example("Describe how the harbour was rebuilt, in several sentences.", context=PASSAGE))
    rows = []
    for round_ in range(rounds + 1):
        one = timed(lambda: model.generate(asked, max_new_tokens=32))
        eight = timed(lambda seed=round_: model.sample(asked, 8, max_new_tokens=32, seed=seed))
        rows.append((one, eight))
    ratios = [eight / one for one, eight in rows[1:]]
    one, eight = (statistics.median(column) for column in zip(*rows[1:], strict=True))
    print(f"one answer {one:.2f} s, eight samples {eight:.2f} s: {statistics.median(ratios):.2f} times")
    print(f"  in rounds: {', '.join(f'{r:.2f}' for r in ratios)}")


def eight_answers(equivalence, rounds):
    times = []
    for n in range(10 * rounds + 3):
        first, second = CITIES[n % 8], CITIES[(n + 3) % 8]
        said = [
            f"{first} {n}",
            f"It is {first} {n}.",
            f"the city of {first} {n}",
            f"{second} {n}",
            f"{n} km from {second}",
        ]
        said += [f"I think {first} {n}", f"not {first} {n}", f"{n + 1} miles from {second}"]
        times.append(
            timed(lambda texts=said: cluster_answers(texts, question="Where is the harbour?", equivalence=equivalence))
        )
    times = sorted(times[3:])
    print(f"grouping 8 new answers: median {1000 * statistics.median(times):.1f} ms, slowest {1000 * times[-1]:.1f} ms")


def two_thousand(equivalence):
    for label, distinct in (("40 distinct", 40), ("400 distinct", 400), ("2,000 distinct", 2000)):
        texts = [f"{CITIES[k % 8]}, pier {k % distinct}" for k in range(2000)]
        seconds = timed(lambda answers=texts: cluster_answers(answers, question="Where?", equivalence=equivalence))
        print(f"grouping 2,000 answers, {label}: {seconds:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    equivalence = Equivalence(SentenceEmbedder())
    equivalence.compare(["warm", "up"])
    eight_answers(equivalence, args.rounds)
    two_thousand(equivalence)
    sampling(LocalModel.load(args.model), args.rounds)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
