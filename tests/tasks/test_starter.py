"""The starter questions as they come with the package: levels, split, gold answers, and what seed and size decide."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date
from math import gcd, lcm, log10, prod

import pytest

from thermolang.answers.grading import is_right
from thermolang.answers.rules.replies import is_refusal
from thermolang.answers.rules.spelling import normalize
from thermolang.errors import NotEnoughDataError
from thermolang.tasks.starter import families, starter_tasks

FAMILIES = families()
CHOICE = sorted(name for name, family in FAMILIES.items() if family.kind == "choice")
FREE = sorted(name for name, family in FAMILIES.items() if family.kind == "free_form")
# The answer stands in the question by its nature ("Who is the tallest?").
SHOWS_ANSWER = {
    *("digits_of_words", "first_in_dictionary", "further_north", "ja_is_prime", "ja_tallest", "larger_area"),
    *("larger_number", "more_people", "nth_word", "swapped", "tallest", "who_is_on_day"),
}


def levels(name):
    """Items of each level of a family, the easiest first."""
    found = [family for family in FAMILIES.values() if family.name == name]
    return [family.items for family in sorted(found, key=lambda family: family.level)]


def answers(name, question):
    return next(item.answers for of in levels(name) for item in of if item.question == question)


def test_enough_families_on_both_sides():
    facts = defaultdict(set)
    for family in FAMILIES.values():
        facts[family.split, family.kind].add(family.facts)
    assert len(facts["train", "free_form"]) + len(facts["test", "free_form"]) >= 40
    assert len(facts["test", "free_form"]) == 8
    assert len(CHOICE) == 16
    several = {family.facts for family in FAMILIES.values() if family.split == "test" and family.level > 1}
    assert several == facts["test", "free_form"]


def test_levels_are_numbered_from_one():
    numbers = defaultdict(list)
    for family in FAMILIES.values():
        numbers[family.name].append(family.level)
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
    assert max(map(len, numbers.values())) == 5
    assert all(family.task in (f"{family.name}-{family.level}", family.name) for family in FAMILIES.values())


@pytest.mark.parametrize("name", FREE)
def test_size_of_a_level(name):
    assert 40 <= len(FAMILIES[name].items) <= 60


@pytest.mark.parametrize("name", CHOICE)
def test_size_of_a_choice_family(name):
    assert 100 <= len(FAMILIES[name].items) <= 200


def test_same_facts_stand_on_one_side():
    sides = defaultdict(set)
    for family in FAMILIES.values():
        sides[family.facts].add(family.split)
    assert all(len(split) == 1 for split in sides.values())


def stated(family):
    """Pairs of a gold answer and a telling word of its question: what the items give away."""
    words = [set(normalize(item.question).split()) for item in family.items]
    frequency = Counter(word for own in words for word in own)
    return {
        frozenset({normalize(answer), word})
        for item, own in zip(family.items, words, strict=True)
        for answer in ((item.choices[item.label],) if item.choices else item.answers[:1])
        for word in own
        # What passages tell is made up for each of them.
        if not item.context and frequency[word] < 0.3 * len(words) and len(word) > 2 and not word.isdigit()
    }


def test_no_fact_leaks_between_the_sides():
    facts = {"train": set(), "test": set()}
    for family in FAMILIES.values():
        facts[family.split] |= stated(family)
    assert frozenset({"japan", "osaka"}) in facts["test"]
    assert facts["train"] & facts["test"] == set()


def test_no_question_is_asked_twice():
    asked = Counter((item.question, item.context) for family in FAMILIES.values() for item in family.items)
    assert [question for question, count in asked.items() if count > 1] == []


@pytest.mark.parametrize("name", FREE)
def test_free_form_items(name):
    for item in FAMILIES[name].items:
        assert item.answers
        assert len(set(item.answers)) == len(item.answers)
        assert item.choices == () and item.label is None
        assert all(is_right(answer, item.answers) for answer in item.answers[:5])
        assert all(len(answer) <= 60 for answer in item.answers)


@pytest.mark.parametrize("name", FREE)
def test_an_answer_in_a_sentence_is_right(name):
    japanese = name.startswith("ja_")
    for item in FAMILIES[name].items:
        if item.answers[0] not in ("はい", "いいえ"):
            said = f"答えは{item.answers[0]}です。" if japanese else f"The answer is {item.answers[0]}."
            assert is_right(said, item.answers)


@pytest.mark.parametrize("name", [name for name in FREE if FAMILIES[name].name not in SHOWS_ANSWER])
def test_repeating_the_question_is_no_answer(name):
    assert [i.question for i in FAMILIES[name].items if is_right(i.question, i.answers)] == []


@pytest.mark.parametrize("name", FREE)
def test_another_items_answer_is_wrong(name):
    items = [item for item in FAMILIES[name].items if not is_refusal(item.answers[0])]
    distinct = {item.answers[0]: item for item in items}
    pairs = [(a, b) for a in distinct.values() for b in distinct.values() if not {*a.answers} & {*b.answers}]
    right = [(a.answers[0], b.answers) for a, b in pairs if is_right(a.answers[0], b.answers)]
    assert len(right) <= 0.01 * len(pairs)


@pytest.mark.parametrize("name", [name for name in FREE if FAMILIES[name].items[0].answers[0] in ("yes", "no", "はい")])
def test_yes_and_no_are_equally_often_the_answer(name):
    counts = Counter(item.answers[0] for item in FAMILIES[name].items)
    assert len(counts) == 2 and min(counts.values()) >= 0.4 * counts.total()


LACKING = [name for name in FREE if "_lacking" in name]
REFUSALS = {
    "en": ["The text does not say.", "It is not mentioned in the passage.", "I don't know.", "Unknown", "Not stated"],
    "ja": ["書かれていません。", "不明です。", "わかりません", "文章には記載されていません。"],
}
MADE_UP = ["Viktor Sandrol", "1843", "It is 12.", "In May.", "Brandia", "青木さんです。", "1950年"]


@pytest.mark.parametrize("name", LACKING)
def test_where_the_passage_lacks_the_answer_only_saying_so_is_right(name):
    for item in FAMILIES[name].items:
        assert item.context
        said = REFUSALS["ja" if name.startswith("ja_") else "en"]
        assert all(is_right(refusal, item.answers) for refusal in said)
        assert not any(is_right(answer, item.answers) for answer in MADE_UP)


@pytest.mark.parametrize("name", [LACKING[0], "ja_shops_lacking-1"])
def test_every_accepted_wording_reads_as_a_refusal(name):
    wordings = FAMILIES[name].items[0].answers
    frames = [
        "{}",
        "The text {}.",
        "The text {} us.",
        "It {}.",
        "The answer {}.",
        "The answer is {}.",
        "There is {} of it.",
    ]
    said = {text: [frame.format(text) for frame in frames] for text in wordings}
    assert [text for text, ways in said.items() if not any(map(is_refusal, ways))] == []
    assert len(wordings) >= 20


@pytest.mark.parametrize("name", [name for name in FREE if re.search("_told-[123]$", name)])
def test_the_passage_tells_the_answer(name):
    for item in FAMILIES[name].items:
        assert item.answers[0] in item.context


@pytest.mark.parametrize("name", [name for name in FREE if name.endswith("_unknown")])
def test_what_nobody_can_know_stands_in_no_passage(name):
    facts = FAMILIES[name].facts
    read = {item.context for family in FAMILIES.values() if family.facts == facts for item in family.items}
    named = r"(?:the \w+ (?:finch|shrew|beetle|lizard))|[ァ-ヶ]{3,}屋|[A-Z][a-z]+"
    things = [re.findall(named, item.question)[-1] for item in FAMILIES[name].items]
    assert not any(thing in text for thing in things for text in read)
    assert {item.context for item in FAMILIES[name].items} == {""}


# What computed families say, computed anew.


def numbers_in(text):
    return [int(n) for n in re.findall(r"\d+", text)]


COMPUTED = {
    "addition": sum,
    "subtraction": lambda n: n[0] - n[1],
    "multiplication": prod,
    "division": lambda n: n[0] // n[1],
    "remainder": lambda n: n[0] % n[1],
    "power": lambda n: n[0] ** n[1],
    "greatest_common_divisor": lambda n: gcd(*n),
    "least_common_multiple": lambda n: lcm(*n),
    "average": lambda n: sum(n) // len(n),
    "ja_addition": sum,
    "ja_subtraction": lambda n: n[0] - n[1],
    "ja_multiplication": prod,
}


@pytest.mark.parametrize("name", COMPUTED)
def test_sums_are_right_and_grow_with_the_level(name):
    sizes = []
    for items in levels(name):
        assert all(int(item.answers[0]) == COMPUTED[name](numbers_in(item.question)) for item in items)
        values = [n for item in items for n in numbers_in(f"{item.question} {item.answers[0]}")]
        sizes.append(sum(log10(n + 1) for n in values) / len(items))
    assert sizes == sorted(sizes) and len(set(sizes)) == len(sizes) > 2


DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def dates_in(text):
    return [date(int(y), MONTHS.index(m) + 1, int(d)) for d, m, y in re.findall(r"(\d+) ([A-Z]\w+) (\d{4})", text)]


def test_weekdays_of_dates_are_right():
    for items in levels("weekday_of_date"):
        assert all(item.answers[0] == DAYS[dates_in(item.question)[-1].weekday()] for item in items)


def test_dates_are_right():
    for items in levels("days_between"):
        for item in items:
            first, last = dates_in(item.question)
            assert int(item.answers[0]) == (last - first).days
    for items in levels("date_after"):
        for item in items:
            (start,), (end,) = dates_in(item.question), dates_in(item.answers[0])
            assert (end - start).days == numbers_in(item.question)[0]
            assert end.isoformat() in item.answers


def test_letters_are_right():
    for items in levels("length_of_word"):
        assert all(int(item.answers[0]) == len(item.question.split('"')[1]) for item in items)
    for items in levels("count_of_letter"):
        for item in items:
            _, letter, _, text, _ = item.question.split('"')
            assert int(item.answers[0]) == text.count(letter)
    for items in levels("reversed_word"):
        assert all(item.answers[0] == item.question.split('"')[1][::-1] for item in items)


@pytest.mark.parametrize("name", ["length_of_word", "reversed_word", "shifted_word", "nth_letter"])
def test_words_grow_with_the_level(name):
    means = [sum(len(item.question.split('"')[1]) for item in items) / len(items) for items in levels(name)]
    # The first letter is as easy in a long word.
    assert means[1:] == sorted(means[1:])


def test_primes_are_right():
    for items in levels("is_prime"):
        for item in items:
            (n,) = numbers_in(item.question)
            prime = all(n % d for d in range(2, int(n**0.5) + 1))
            assert item.answers == ("yes" if prime else "no",)


def test_roman_numerals_are_right():
    values = dict(zip("MDCLXVI", (1000, 500, 100, 50, 10, 5, 1), strict=True))
    for items in levels("from_roman"):
        for item in items:
            signs = [values[c] for c in item.question.split()[-1].rstrip("?")]
            total = sum(-v if later > v else v for v, later in zip(signs, [*signs[1:], 0], strict=True))
            assert int(item.answers[0]) == total


@pytest.mark.parametrize(
    ("name", "question", "right"),
    [
        ("weekday_choice", "Which weekday is 3 days after Monday?", "Thursday"),
        ("leap_year_choice", "Is 1900 a leap year?", "No"),
        ("foreign_day_choice", 'The French word "lundi" means which day?', "Monday"),
        ("japanese_country_choice", "「ドイツ」という国は英語で何といいますか。", "Germany"),
        ("element_choice", "The chemical symbol Fe stands for which element?", "iron"),
    ],
)
def test_known_choices(name, question, right):
    found = [item for item in FAMILIES[name].items if item.question == question]
    assert all(item.choices[item.label] == right for item in found)
    assert found or name == "leap_year_choice"


@pytest.mark.parametrize("name", CHOICE)
def test_choice_items(name):
    for item in FAMILIES[name].items:
        right = item.choices[item.label]
        wrong = [option for i, option in enumerate(item.choices) if i != item.label]
        assert item.answers == ()
        assert len({normalize(option) for option in item.choices}) == len(item.choices)
        assert is_right(right, [right])
        assert not any(is_right(option, [right]) for option in wrong)


@pytest.mark.parametrize("seed", [0, 3])
def test_right_option_stands_everywhere_equally_often(seed):
    for task in starter_tasks(seed=seed, per_family=60):
        if task.name in CHOICE:
            sizes = {len(item.choices) for item in task.examples}
            assert len(sizes) == 1 and sizes <= {2, 4}
            counts = Counter(item.label for item in task.examples)
            assert set(counts) == set(range(*sizes))
            assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("name", [name for name in CHOICE if {*FAMILIES[name].items[0].choices} == {"Yes", "No"}])
def test_yes_and_no_are_equally_often_right(name):
    counts = Counter(item.choices[item.label] for item in FAMILIES[name].items)
    assert 0.35 < counts["Yes"] / counts.total() < 0.65


def test_tasks_are_the_families():
    tasks = starter_tasks(per_family=1000)
    assert {task.name: task.examples for task in tasks} == {name: family.items for name, family in FAMILIES.items()}
    assert all(task.group == FAMILIES[task.name].facts for task in tasks)


def test_seed_and_size_decide_everything():
    again = starter_tasks(per_family=30, split="test")
    assert again == [t for t in starter_tasks(per_family=30) if FAMILIES[t.name].split == "test"]
    assert all(task.examples == FAMILIES[task.name].items[:30] for task in again)
    other = starter_tasks(seed=1, per_family=30, split="test")
    assert all(a.examples != b.examples for a, b in zip(again, other, strict=True))
    longer = starter_tasks(seed=1, per_family=40, split="test")
    assert all(a.examples == b.examples[:30] for a, b in zip(other, longer, strict=True))


def test_another_seed_asks_the_same_questions_in_another_order():
    one, other = starter_tasks(per_family=1000), starter_tasks(seed=5, per_family=1000)
    for a, b in zip(one, other, strict=True):
        assert {i.question for i in a.examples} == {i.question for i in b.examples}
        right = [{i.question: i.choices[i.label] for i in t.examples if i.choices} for t in (a, b)]
        assert right[0] == right[1]


def test_other_processes_build_the_same():
    code = (
        "from thermolang.tasks.starter import starter_tasks\n"
        "print([t.examples[:3] for t in starter_tasks(seed=2) if t.name in ('city_choice', 'addition-3')])"
    )
    built = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}, stdout=-1, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(built) == 1
    first = next(t for t in starter_tasks(seed=2) if t.name == "city_choice").examples[0].question
    assert first in built.pop().decode()


def test_no_items_is_refused():
    with pytest.raises(NotEnoughDataError, match="per_family is 0"):
        starter_tasks(per_family=0)


@pytest.mark.parametrize(
    ("name", "question", "answer"),
    [
        ("capital_of_country", "What is the capital of France?", "Paris"),
        ("capital_of_country", "What is the capital of the United States?", "Washington, D.C."),
        ("country_of_capital", "Nairobi is the capital of which country or territory?", "Kenya"),
        ("country_of_city", "In which country is the place called Osaka?", "Japan"),
        ("currency_of_country", "What is the currency of Italy?", "the euro"),
        ("continent_of_country", "On which continent is Zambia?", "Africa"),
        ("official_language", "What is the official language of Turkey?", "Turkish"),
        ("symbol_of_element", "What is the chemical symbol of iron?", "Fe"),
        ("element_of_symbol", "Which chemical element has the symbol Al?", "aluminium"),
        ("past_tense", 'What is the past tense of "creep"?', "crept"),
        ("present_participle", 'What is the present participle of the verb "buy"?', "buying"),
        ("calling_code", "What is the international telephone calling code of Belgium?", "+32"),
        ("ja_capital_of_country", "韓国の首都はどこですか。", "ソウルです"),
    ],
)
def test_known_facts(name, question, answer):
    assert is_right(answer, answers(name, question))


def test_countries_with_several_capitals_are_not_asked():
    asked = " ".join(item.question for of in levels("capital_of_country") for item in of)
    assert not any(country in asked for country in ("South Africa", "Bolivia", "Sri Lanka"))
