"""Sentences of a text, and which sampled answers say the same."""

from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.answers.fakes import POOL, FakeEmbedder, FakeJudge
from tests.answers.steps import Steps, assert_linear
from thermolang.answers import sentences as module
from thermolang.answers.equivalence import Equivalence
from thermolang.answers.sentences import sentence_spans, sentence_support


def split(text):
    return [text[start:end] for start, end in sentence_spans(text)]


# Where a sentence ends


ENGLISH = {
    "titles and initials": ["Dr. Lee met J. Smith and Mrs. Wu.", "They talked."],
    "a country": ["He lives in the U.S. Army base.", "It is big."],
    "a country at the end": ["He lives in the U.S.", "It is big."],
    "for example": ["Bring food, e.g. bread or i.e. Brot.", "Come soon."],
    "decimals": ["It costs 3.5 dollars, or $1,200.75.", "It weighs .5 kg."],
    "an hour": ["It closed at 3 p.m.", "The end."],
    "a number": ["No. 5 is here.", "No.", "It is not."],
    "a year": ["It was built in 1871.", "Today it is a museum."],
    "marks": ["Really?!", "Yes!", "I see...", "Fine."],
    "quotations": ['"Why?" she asked.', '"Stop!"', "He ran.", "She said “go.”", "He went."],
    "brackets": ["Visit Rome (Italy).", "(It is nice.)", "Come."],
    "a web address": ["See www.example.com or file.txt now.", "Done."],
    "German": ["Am 3. Oktober 1990 kam z. B. die Bahn.", "Sie fuhr ab."],
    "no mark": ["It has no end"],
}
# ruff: noqa: RUF001
JAPANESE = {
    "full stops": ["猫が好きです。", "犬も好きです。", "終わり"],
    "marks": ["本当ですか？", "はい！", "行きます。"],
    "a quotation inside": ["「はい。そうです。」と言った。", "次です。"],
    "digits": ["高さは３．５メートルです。", "重さは2.5キロです。"],
    "ascii marks": ["すごい!", "次は?", "終わり."],
}


@pytest.mark.parametrize("said", ENGLISH.values(), ids=ENGLISH)
def test_english(said):
    assert split(" ".join(said)) == said
    assert split("  \t" + "  ".join(said) + "\n") == said


@pytest.mark.parametrize("said", JAPANESE.values(), ids=JAPANESE)
def test_japanese(said):
    assert split("".join(said)) == said


def test_lines_and_items_of_a_list_are_sentences():
    text = "Three things:\n\n1. Red apples\n2. Green pears. Old ones.\r\n- **Bold**\n---\n* last"
    assert split(text) == [
        *("Three things:", "1. Red apples", "2. Green pears.", "Old ones.", "- **Bold**", "---", "* last"),
    ]


@given(st.one_of(st.text(), st.text("aA1. !?\n「」。(\"' "), st.lists(st.sampled_from(POOL[:-3])).map(" ".join)))
@example("\ud800. \x85\u2028A.")
@example("... !!! ?")
def test_spans_partition_everything_but_white_space(text):
    spans = sentence_spans(text)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert all(start < end for start, end in spans)
    covered = {i for start, end in spans for i in range(start, end)}
    assert all(c.isspace() for i, c in enumerate(text) if i not in covered)
    for said in split(text):
        assert said == said.strip() != ""
        assert len(said.splitlines()) == 1


@given(st.text("abcXYZ1. !?\n。", max_size=60))
def test_a_sentence_is_one_sentence(text):
    for said in split(text):
        assert len(sentence_spans(said)) <= 2  # of itself, a list's number may stand at the start of a line
        assert "".join(split(said)).replace(" ", "") == said.replace(" ", "")


@pytest.mark.parametrize("piece", ["a. ", "! ", "「。", "Ab. ", "(", "U.S.", "。」"])
def test_long_texts_take_steps_in_proportion(monkeypatch, piece):
    assert_linear(Steps(monkeypatch, module), sentence_spans, piece)


# Which samples support it


TEXT = "The Harrow lighthouse was built in 1871. Its last keeper was Edith Moran. It is not open in winter."


@pytest.fixture(params=[None, "fake"])
def equivalence(request):
    return Equivalence(FakeEmbedder() if request.param else None)


def shares(text, samples, equivalence):
    return [s.share for s in sentence_support(text, samples, equivalence)]


def test_each_sentence_has_its_place_and_its_share(equivalence):
    samples = [TEXT, "In 1871 the Harrow lighthouse was built.", "I do not know.", ""]
    found = sentence_support(TEXT, samples, equivalence)
    assert [TEXT[s.start : s.end] for s in found] == [s.text for s in found] == split(TEXT)
    assert [s.share for s in found] == [0.5, 0.25, 0.25]


FACTS = {
    "a year": ("The lighthouse was built in 1871.", "The lighthouse was built in 1872."),
    "an amount": ("The ferry carries 120 people.", "The ferry carries 210 people."),
    "an amount that is not told": ("The ferry carries 120 people.", "The ferry carries people."),
    "words": ("The ferry carries twelve people.", "The ferry carries thirteen people."),
    "a month": ("The museum is open from April to October.", "The museum is open from May to October."),
    "a name": ("The last keeper was Edith Moran.", "The last keeper was Helen Byrd."),
    "a name that is not told": ("The last keeper was Edith Moran.", "The last keeper was a woman."),
    "a first name": ("Edith Moran kept the lighthouse.", "Helen Moran kept the lighthouse."),
    "a code": ("The flight was made by an A380 aircraft.", "The flight was made by an A320 aircraft."),
    "a denial": ("The museum is open in winter.", "The museum is not open in winter."),
    "an opposite": ("The water is hot in winter.", "The water is cold in winter."),
    "most of it": ("The lighthouse on the western cliff is a museum for children.", "The lighthouse."),
    "年": ("灯台は1871年に西の崖に建てられました。", "灯台は1872年に西の崖に建てられました。"),
    "高さ": ("灯台の高さは三十四メートルである。", "灯台の高さは四十三メートルである。"),
    "地名": ("この古い灯台は大阪の港の近くにあります。", "この古い灯台は東京の港の近くにあります。"),
    "否定": ("この古い灯台は冬の間は開いています。", "この古い灯台は冬の間は開いていません。"),
}
SAME = {
    "order": ("The lighthouse was built in 1871.", "In 1871 the lighthouse was built."),
    "more": ("The lighthouse was built in 1871.", "The lighthouse was built in 1871 and automated in 1987."),
    "a numeral": ("The ferry carries 12 people.", "The ferry carries twelve people."),
    "a month": ("The museum closed in Oct. 1990 for good.", "The museum closed for good in October 1990."),
    "an accent": ("The last keeper was Maria Sklodowska.", "The last keeper was Maria Skłodowska."),
    "an acronym": ("The station was built by the USA.", "The station was built by the United States America."),
    "a list": ("2. The lighthouse is a museum today.", "- Today the lighthouse is a museum."),
    "two sentences": (
        "The lighthouse was built in 1871 and is a museum.",
        "Built in 1871. The lighthouse is a museum.",
    ),
    "文体": ("灯台は1871年に建てられた。", "灯台は1871年に建てられました。"),
}


@pytest.mark.parametrize(("said", "sample"), FACTS.values(), ids=FACTS)
def test_a_fact_that_differs_breaks_the_support(said, sample, equivalence):
    assert shares(said, [sample], equivalence) == [0.0]
    assert shares(said, [said, sample], equivalence) == [0.5]


@pytest.mark.parametrize(("said", "sample"), SAME.values(), ids=SAME)
def test_other_words_do_not(said, sample, equivalence):
    assert shares(said, [sample], equivalence) == [1.0]


def test_what_a_sample_says_beside_it_does_not_matter(equivalence):
    said = "The museum is open in winter."
    assert shares(said, [f"It is not big. {said} Nobody came in 1990."], equivalence) == [1.0]
    assert shares(said, ["The museum is not open in winter. Nobody works there then."], equivalence) == [0.0]


def test_a_near_embedding_is_support_unless_a_rule_splits_the_pair():
    same = SimpleNamespace(embed=lambda texts: FakeEmbedder().embed(["x"] * len(texts)))
    equivalence = Equivalence(same)
    assert shares("The harbour freezes in January.", ["In January ice covers all ships."], equivalence) == [1.0]
    assert shares("The harbour freezes in January.", ["In March ice covers all ships."], equivalence) == [0.0]
    assert shares("The harbour freezes.", ["The harbour never freezes."], equivalence) == [0.0]
    assert shares("港は冬の間ずっと凍っている。", ["氷が一面に張る季節である。"], equivalence) == [1.0]


def test_an_embedder_that_fails_costs_nothing():
    assert shares(TEXT, [TEXT], Equivalence(FakeEmbedder(fails=True))) == [1.0] * 3


def test_the_judge_is_not_asked():
    judge = FakeJudge()
    sentence_support(TEXT, ["The lighthouse is old.", TEXT], Equivalence(FakeEmbedder(), judge))
    assert judge.pairs == []


def test_nothing_to_say():
    equivalence = Equivalence(None)
    assert (
        sentence_support(TEXT, [], equivalence)
        == sentence_support("", ["a"], equivalence)
        == sentence_support("---\n👍", ["a"], equivalence)
        == ()
    )
    assert shares("Paris.", ["", "  \n"], equivalence) == [0.0]


answers = st.lists(st.sampled_from([*split(TEXT), *POOL[:-3]]), max_size=3).map(" ".join)


@settings(deadline=None, max_examples=60)
@given(answers, st.lists(answers, min_size=1, max_size=4).flatmap(lambda s: st.tuples(st.just(s), st.permutations(s))))
def test_the_order_of_the_samples_plays_no_part(text, orders):
    equivalence = Equivalence(FakeEmbedder())
    one, other = (sentence_support(text, samples, equivalence) for samples in orders)
    assert one == other
    assert all(0 <= s.share <= 1 and text[s.start : s.end] == s.text for s in one)
    # Each sample counts for itself.
    alone = [sentence_support(text, [sample], equivalence) for sample in orders[0]]
    means = [sum(part.share for part in parts) / len(alone) for parts in zip(*alone, strict=True)]
    assert [s.share for s in one] == pytest.approx(means)


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=80), st.lists(st.text(max_size=80), max_size=3))
def test_any_text(text, samples):
    for one in sentence_support(text, samples, Equivalence(None)):
        assert one.share in {i / len(samples) for i in range(len(samples) + 1)}


@settings(deadline=None, max_examples=60)
@given(answers)
def test_an_answer_supports_itself(text):
    assert all(s.share == 1.0 for s in sentence_support(text, [text], Equivalence(None)))
