"""Does the share of supporting samples tell a true sentence about a passage from one with a changed fact?

    python benchmarks/sentences.py [--model smollm2-135m] [--samples 8] [--json OUT]

The model is shown a passage and asked to summarise it, N times. Two sentences are held against those samples: one that
the passage supports, in other words, and the same with one fact changed: a number, a name, its denial, or a plain word,
for which there is no rule. AUROC of the share for true against changed sentences; the bootstrap draws passages. A check
on 48 pairs of our own writing, not a benchmark of summaries; it says nothing about calibration. No rule and no
threshold was chosen on these passages.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thermolang.answers.embedding import SentenceEmbedder
from thermolang.answers.equivalence import Equivalence
from thermolang.answers.sentences import sentence_spans, sentence_support
from thermolang.models.local import LocalModel

PROMPT = "Summarise this passage in three sentences. Keep every name and number.\n\n{}"
TOKENS = 120
DRAWS = 2000


@dataclass(frozen=True)
class Claim:
    """A true sentence, the same with one fact changed, and what was changed."""

    kind: str
    true: str
    changed: str


def number(true, old, new):
    return Claim("number", true, changed(true, old, new))


def name(true, old, new):
    return Claim("name", true, changed(true, old, new))


def denial(true, old, new):
    return Claim("denial", true, changed(true, old, new))


def word(true, old, new):
    return Claim("word", true, changed(true, old, new))


def changed(true, old, new):
    assert true.count(old) == 1, (true, old)
    return true.replace(old, new)


PASSAGES = {
    "The Harrow lighthouse was built in 1871 on the western cliff of the island. Its last keeper was Edith Moran, who "
    "left when the lamp was automated. Visitors may climb the tower in summer.": (
        number("The lighthouse of Harrow was built on the island's western cliff in 1871.", "1871", "1817"),
        name("The last keeper of the lighthouse was Edith Moran.", "Edith Moran", "Helen Byrd"),
        denial("In summer visitors may climb the tower.", "may climb", "may not climb"),
        word("The lighthouse was built on the western cliff of the island.", "western", "northern"),
    ),
    "The ferry to Skarholm takes 40 minutes and carries 120 passengers. It belongs to the Lindqvist company. It does "
    "not run on Sundays.": (
        number("The ferry carries 120 passengers to Skarholm.", "120", "210"),
        name("The ferry is owned by the Lindqvist company.", "Lindqvist", "Petersen"),
        denial("The ferry does not run on Sundays.", "does not run", "runs"),
        word("The ferry to Skarholm carries passengers.", "passengers", "lorries"),
    ),
    "The town library of Brenby owns 52,000 books. Its director, Tomas Rehn, opened a reading room for children in "
    "2014. Readers do not pay for a card.": (
        number("There are 52,000 books in the library of Brenby.", "52,000", "25,000"),
        name("Director Tomas Rehn opened a reading room for children.", "Tomas Rehn", "Peter Gall"),
        denial("Readers do not pay for a library card.", "do not pay", "pay"),
        word("The director opened a reading room for children in 2014.", "children", "students"),
    ),
    "Lake Orvan is 63 metres deep and freezes every winter. Fishing is allowed there from May to August. The village "
    "of Tarn lies on its northern shore.": (
        number("The depth of Lake Orvan is 63 metres.", "63", "36"),
        name("On the northern shore of the lake lies the village of Tarn.", "Tarn", "Helm"),
        denial("Fishing is allowed there from May to August.", "is allowed", "is not allowed"),
        word("Lake Orvan freezes every winter.", "freezes", "floods"),
    ),
    "The old bridge over the Ammer was designed by Clara Voss. It was finished in 1723 and has seven arches. Lorries "
    "are not allowed to cross it.": (
        number("The bridge, which has seven arches, was finished in 1723.", "1723", "1732"),
        name("Clara Voss designed the old bridge over the Ammer.", "Clara Voss", "Anna Stern"),
        denial("Lorries are not allowed to cross the bridge.", "are not allowed", "are allowed"),
        word("The bridge has seven arches.", "arches", "towers"),
    ),
    "The observatory on Mount Pell has a telescope of 60 centimetres. It was given by the astronomer Ruth Okada. On "
    "clear Friday nights it is open to the public.": (
        number("The telescope of the observatory measures 60 centimetres.", "60", "90"),
        name("The astronomer Ruth Okada gave the telescope to the observatory.", "Ruth Okada", "Jane Weller"),
        denial("It is open to the public on clear Friday nights.", "is open", "is not open"),
        word("The astronomer Ruth Okada gave the telescope.", "gave", "broke"),
    ),
    "The Dorling bakery employs 14 people. It was founded by Miles Dorling, who had been a sailor. The bread contains "
    "no sugar.": (
        number("There are 14 people who work at the Dorling bakery.", "14", "40"),
        name("The founder of the bakery, Miles Dorling, had been a sailor.", "Miles", "Edgar"),
        denial("The bread of the bakery contains no sugar.", "no sugar", "sugar"),
        word("The founder of the bakery had been a sailor.", "sailor", "teacher"),
    ),
    "Bus line 7 runs from the harbour to the hospital every 15 minutes. The line was planned by the engineer Omar "
    "Haddad. Dogs may ride for free.": (
        number("Bus line 7 goes from the harbour to the hospital every 15 minutes.", "15", "50"),
        name("The engineer Omar Haddad planned the bus line.", "Omar Haddad", "Luis Pereira"),
        denial("Dogs may ride on the bus for free.", "may ride", "may not ride"),
        word("Bus line 7 runs from the harbour to the hospital.", "hospital", "airport"),
    ),
    "The museum of clocks in Felden shows 340 clocks. The oldest was made by Jakob Reuter in Basel. Photographs are "
    "not permitted in the halls.": (
        number("In Felden a museum shows 340 clocks.", "340", "430"),
        name("The oldest clock was made in Basel by Jakob Reuter.", "Basel", "Vienna"),
        denial("Photographs are not permitted in the halls of the museum.", "are not permitted", "are permitted"),
        word("The museum in Felden shows clocks.", "clocks", "coins"),
    ),
    "Mayor Ilse Brandt took office in 2019 after winning 58 percent of the vote. Her party wants to rebuild the old "
    "theatre. She does not support the new motorway.": (
        number("The mayor took office in 2019 with 58 percent of the vote.", "58", "85"),
        name("In 2019 Ilse Brandt became mayor.", "Ilse Brandt", "Karin Holm"),
        denial("The mayor does not support the new motorway.", "does not support", "supports"),
        word("Her party wants to rebuild the old theatre.", "theatre", "school"),
    ),
    "The Wendel orchard grows 30 kinds of apples. Most of them are sold to a juice factory in Lorbach. The trees are "
    "sprayed with chemicals only once a year.": (
        number("The orchard of Wendel grows 30 kinds of apples.", "30", "80"),
        name("Most of the apples are sold to a juice factory in Lorbach.", "Lorbach", "Steinau"),
        denial("The apple trees are sprayed with chemicals once a year.", "are sprayed", "are not sprayed"),
        word("Most of the apples are sold to a juice factory.", "juice", "cider"),
    ),
    "The choir of Saint Anne has 45 singers. Its conductor, Paula Nunez, studied in Lisbon. New members must be able "
    "to read music.": (
        number("There are 45 singers in the choir of Saint Anne.", "45", "54"),
        name("The conductor Paula Nunez studied in Lisbon.", "Lisbon", "Madrid"),
        denial("New members must be able to read music.", "must be able", "need not be able"),
        word("New members of the choir must be able to read music.", "read", "write"),
    ),
}


def cosine_of(embedder, said, samples):
    """Mean over the samples of the best cosine of a sentence of theirs: no rule, no threshold."""
    best = []
    for sample in samples:
        pieces = [sample[a:b] for a, b in sentence_spans(sample)]
        best.append(float((embedder.embed(pieces) @ embedder.embed([said])[0]).max()) if pieces else 0.0)
    return float(np.mean(best))


def measure(model, n):
    embedder = SentenceEmbedder()
    equivalence, plain = Equivalence(embedder), Equivalence(None)
    rows, drawn = [], []
    for number_of, (passage, claims) in enumerate(PASSAGES.items()):
        asked = [{"role": "user", "content": PROMPT.format(passage)}]
        samples = [g.text for g in model.sample(asked, n, max_new_tokens=TOKENS, seed=number_of)]
        drawn.append(samples)
        print(f"{number_of + 1}/{len(PASSAGES)}: {samples[0]!r}", flush=True)
        for claim in claims:
            for true, said in ((True, claim.true), (False, claim.changed)):
                row = {"passage": number_of, "kind": claim.kind, "true": true, "said": said}
                row["share"] = sentence_support(said, samples, equivalence)[0].share
                row["without embeddings"] = sentence_support(said, samples, plain)[0].share
                row["cosine alone"] = cosine_of(embedder, said, samples)
                rows.append(row)
    return rows, drawn


def auroc(rows, method):
    """AUROC and its 95 % interval; passages are drawn with their claims."""
    passages = sorted({r["passage"] for r in rows})
    true, false = (
        [[r[method] for r in rows if r["passage"] == p and r["true"] is kind] for p in passages]
        for kind in (True, False)
    )
    rng = np.random.default_rng(0)
    draws = rng.integers(len(passages), size=(DRAWS, len(passages)))
    found = [area(np.concatenate([true[i] for i in d]), np.concatenate([false[i] for i in d])) for d in draws]
    return area(np.concatenate(true), np.concatenate(false)), np.quantile(found, [0.025, 0.975])


def area(true, false):
    """Share of the pairs of a true and a changed sentence of which the true one has more; ties count half."""
    return float(np.mean((true[:, None] > false) + 0.5 * (true[:, None] == false)))


def show(rows):
    print("\n| sentences | pairs | method | AUROC | 95 % interval | mean, true | mean, changed |")
    print("|---|---|---|---|---|---|---|")
    for kind in ("all", "number", "name", "denial", "word"):
        part = [r for r in rows if kind in ("all", r["kind"])]
        for method in ("share", "without embeddings", "cosine alone") if kind == "all" else ("share", "cosine alone"):
            value, (low, high) = auroc(part, method)
            means = [np.mean([r[method] for r in part if r["true"] is true]) for true in (True, False)]
            figures = f"{value:.2f} | [{low:.2f}, {high:.2f}] | {means[0]:.2f} | {means[1]:.2f}"
            print(f"| {kind} | {len(part) // 2} | {method} | {figures} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    start = time.perf_counter()
    rows, drawn = measure(LocalModel.load(args.model), args.samples)
    show(rows)
    print(f"\n{args.model}, {args.samples} samples a passage, {time.perf_counter() - start:.0f} s")
    if args.json:
        args.json.write_text(json.dumps({"samples": drawn, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
