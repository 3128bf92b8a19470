"""What a calibrator is made from: data sets are told by their files, asked in users' words, and missed by name."""

import sys
import types
from collections import Counter
from pathlib import Path

import pytest

from tests.training.public_files import squad, write_all, write_json, write_lines
from thermolang.answers.grading import is_right
from thermolang.errors import NotEnoughDataError
from thermolang.tasks.starter import Family
from thermolang.training.recipes import (
    DATA_SETS,
    MOST_CHARACTERS,
    NOT_TOLD,
    Style,
    data_set_of,
    files_of,
    in_style,
    ingredients,
)
from thermolang.types import Example, Task

NAMES = [d.name for d in DATA_SETS]


@pytest.fixture
def folder(tmp_path):
    write_all(tmp_path)
    return tmp_path


def made(found):
    return {task.name: task for task in found.tasks}


# The table


def test_every_data_set_is_one_group_with_a_licence_and_a_training_part():
    assert len(set(NAMES)) == len(NAMES) == 12
    for one in DATA_SETS:
        assert one.licence and one.views and one.formats
        assert one.hub.startswith("hf:") and one.hub.rsplit(":", 1)[1] == (
            "validation" if one.name == "truthfulqa" else "train"
        )
        for view in one.views:
            templates = [style.context + style.question for style in one.styles(view)]
            assert len(templates) >= 3 and all("{question}" in t for t in templates)
            assert all(("{context}" in t) == (view in ("passage", "unanswerable")) for t in templates)


def test_the_documentation_has_the_same_table():
    page = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text(encoding="utf-8")
    rows = [row for row in page.splitlines() if row.startswith("| `")]
    for one in DATA_SETS:
        (row,) = (row for row in rows if f"`{one.name}`" in row)
        assert one.licence in row and one.hub.split(":")[1] in row


# Files


def test_files_are_told_by_what_is_in_them(folder):
    found = files_of(folder)
    assert sorted(found) == sorted(NAMES)
    assert found["webquestions"].endswith("trainmodel.json")  # not val.json, not test.json
    assert found["arc"].endswith("ARC-Challenge-Dev.jsonl")
    assert found["jsquad"].endswith("valid-v1.3.json") and found["squad"].endswith("dev-v2.0.json")


def test_a_test_part_is_taken_only_if_it_is_alone(folder):
    (folder / "ARC-Challenge-Dev.jsonl").unlink()
    assert files_of(folder)["arc"].endswith("ARC-Challenge-Test.jsonl")


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"url": "http://x", "question": "who?", "answers": ["Cy"]}, "webquestions"),
        ({"question": "who?", "answers": ["Cy"]}, None),  # a file of the user's own
        ({"question": "Is it?", "mc1_targets": {"no": 1}}, None),  # TruthfulQA with options has no accepted answers
        ({"question": "who?", "best_answer": "Cy", "correct_answers": ["Cy"]}, "truthfulqa"),
        ({"paragraphs": []}, None),
        ({"a": 1}, None),
    ],
)
def test_rows_of_the_hub_and_of_others(row, name):
    found = data_set_of(row)
    assert (found.name if found else None) == name


# Tasks


def test_the_standard_recipe_has_all_views_and_the_starter_tasks(folder):
    found = ingredients("standard", data_folder=folder)
    tasks = made(found)
    assert list(tasks) == [
        *("squad", "squad-unanswerable", "squad-closed-book", "boolq", "coqa", "drop", "nq", "triviaqa"),
        *("webquestions", "truthfulqa", "jsquad", "jsquad-closed-book", "commonsenseqa", "arc", "jcommonsenseqa"),
    ]
    assert found.starter
    assert [one.data_set.name for one in found.found] == NAMES and found.missing == ()
    groups = {task.group for one in found.found for task in one.tasks}
    assert groups == set(NAMES)  # one vote a data set
    assert {tasks[n].group for n in ("squad", "squad-unanswerable", "squad-closed-book")} == {"squad"}
    assert not any(e.choices for t in found.tasks for e in t.examples)


def test_closed_book_asks_the_same_questions_without_their_passages(folder):
    tasks = made(ingredients("standard", data_folder=folder, items=5))
    for name in ("squad", "jsquad"):
        told, alone = tasks[name].examples, tasks[f"{name}-closed-book"].examples
        assert len(told) == len(alone) == 5
        assert [e.answers for e in told] == [e.answers for e in alone]
        assert not any("Rain falls" in e.question or "降った。" in e.question for e in alone)
        assert not any(e.context for e in alone)


def test_where_the_passage_lacks_the_answer_saying_so_is_right(folder):
    for example in made(ingredients("standard", data_folder=folder))["squad-unanswerable"].examples:
        assert example.answers == (NOT_TOLD,)
        assert "Who saw rain" in example.question
        assert is_right("It is not mentioned.", example.answers) and is_right("Unknown", example.answers)
        assert not is_right("Ada", example.answers)


def test_hidden_options_leave_the_right_one_as_the_answer(folder):
    tasks = made(ingredients("standard", data_folder=folder))
    assert {e.answers[0].rstrip("0123456789") for e in tasks["arc"].examples} == {"iron "}
    assert {e.answers[0][0] for e in tasks["jcommonsenseqa"].examples} == {"畑"}
    assert not any("wood" in e.question for e in tasks["commonsenseqa"].examples)


def test_questions_that_point_at_their_options_are_left_out(folder):
    (folder / "ARC-Challenge-Dev.jsonl").unlink()
    found = ingredients("standard", data_folder=folder)
    assert "arc" not in made(found)
    assert found.missing[0].startswith("arc is left out: ") and "has no answered questions" in found.missing[0]


def test_long_passages_are_left_out(folder):
    long = [{"question": "is it", "answer": True, "passage": "x" * (MOST_CHARACTERS + 1)}]
    short = [{"question": f"is it {n}", "answer": True, "passage": "x" * MOST_CHARACTERS} for n in range(2)]
    write_lines(folder / "boolq" / "validation.jsonl", [*long, *short])
    assert len(made(ingredients("standard", data_folder=folder))["boolq"].examples) == 2


def test_the_same_items_every_time_and_more_of_them_only_add(folder):
    few, again, many = (made(ingredients("standard", data_folder=folder, items=n)) for n in (3, 3, 6))
    assert few == again
    assert all(set(few[name].examples) <= set(many[name].examples) for name in few)
    assert len(few["nq"].examples) == 3


# Styles


def test_styles_depend_on_the_text_alone_and_are_all_used():
    examples = [Example(f"Who made {n}?", ("Ada",)) for n in range(200)]
    styles = DATA_SETS[0].styles("closed book")
    written = [in_style(example, styles) for example in examples]
    assert written == [in_style(example, styles) for example in examples]
    counts = Counter(e.question.replace(str(n), "N") for n, e in enumerate(written))
    assert len(counts) == len(styles)
    # Binomial(200, 1/4) has a standard deviation of 6.1.
    assert all(abs(count - 50) < 4.5 * 6.1 for count in counts.values())
    assert all(e.answers == ("Ada",) for e in written)


def test_braces_in_a_question_are_only_text():
    found = in_style(Example("What is {context}?", ("x",), context="{question}"), [Style("", "{context} {question}")])
    assert (found.question, found.context) == ("{question} What is {context}?", "")


# What is missing


def test_a_data_set_without_a_file_is_named_and_the_others_are_used(folder):
    (folder / "drop.jsonl").unlink()
    write_lines(
        folder / "boolq" / "validation.jsonl", [{"question": "is it", "answer": True, "passage": "x"}, {"a": 1}]
    )
    write_json(
        folder / "squad" / "dev-v2.0.json", {"data": [a for a in squad(3)["data"] if a["paragraphs"][0]["qas"].pop()]}
    )
    found = ingredients("standard", data_folder=folder)
    tasks = made(found)
    assert "drop" not in tasks and "boolq" not in tasks and "squad" in tasks and "squad-unanswerable" not in tasks
    assert [sentence.split(":")[0] for sentence in found.missing] == [
        "squad is not asked 'unanswerable'",
        "boolq is left out",
        "drop is left out",
    ]
    assert "line 2: expected BoolQ" in found.missing[1]
    assert found.missing[2] == "drop is left out: there is no file of it"


def test_fewer_than_three_data_sets_are_refused_with_a_remedy(tmp_path):
    write_lines(tmp_path / "nq.jsonl", [{"question": f"who {n}", "answer": ["Ada"]} for n in range(3)])
    with pytest.raises(NotEnoughDataError) as caught:
        ingredients("standard", data_folder=tmp_path)
    said = str(caught.value)
    assert f"{tmp_path} holds 1 of the data sets that the recipe needs 3 of (['nq'])" in said
    assert "put files of more data sets there" in said and "--recipe offline" in said


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(NotEnoughDataError, match="nothing is no folder: --data-folder"):
        ingredients("standard", data_folder=tmp_path / "nothing")


# The hub


@pytest.fixture
def hub(monkeypatch):
    """Stands for ``datasets``: rows by (name, configuration, split)."""
    rows = {
        ("google-research-datasets/nq_open", None, "train"): [{"question": f"{n}", "answer": ["a"]} for n in range(4)],
        ("google/boolq", None, "train"): [{"question": f"{n}", "answer": True, "passage": "p"} for n in range(4)],
        ("stanfordnlp/web_questions", None, "train"): [
            {"url": "u", "question": f"{n}?", "answers": ["Cy"]} for n in range(4)
        ],
        ("truthfulqa/truthful_qa", "generation", "validation"): [
            {"question": f"{n}?", "best_answer": "No", "correct_answers": ["It is not"]} for n in range(4)
        ],
    }

    def load_dataset(name, config=None, *, split=None):
        if (name, config, split) not in rows:
            msg = f"{name} cannot be reached"
            raise ConnectionError(msg)
        return rows[name, config, split]

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return rows


def test_the_hub_gives_training_parts_and_what_it_lacks_is_named(hub):
    found = ingredients("standard")
    assert [one.data_set.name for one in found.found] == ["boolq", "nq", "webquestions", "truthfulqa"]
    assert made(found)["truthfulqa"].examples[0].answers == ("No", "It is not")
    assert len(found.missing) == len(NAMES) - 4
    assert found.missing[0].startswith("squad is left out: hf:rajpurkar/squad_v2:train: cannot be loaded")


def test_without_a_hub_the_remedies_are_named(hub):
    hub.clear()
    with pytest.raises(NotEnoughDataError) as caught:
        ingredients("standard")
    for text in ("the hub gave 0", 'pip install "thermolang[eval]"', "--data-folder", "--recipe offline", "squad_v2"):
        assert text in str(caught.value)


# The other recipes


SUMS = {
    f"{split} {kind}": Family(f"{split} {kind}", f"{split} {kind}", split, kind, "sums", 1, items)
    for split in ("train", "test")
    for kind, items in (
        ("free_form", tuple(Example(f"1 + {i}?", (str(1 + i),)) for i in range(40))),
        ("choice", tuple(Example(f"1 + {i}?", choices=(str(1 + i), "none"), label=0) for i in range(100))),
    )
}


def test_offline_is_the_starter_tasks_and_own_tasks_stand_first(monkeypatch, tiny_model):
    monkeypatch.setattr("thermolang.training.difficulty.families", lambda: SUMS)
    own = [Task("mine", (Example("q?", ("a",)),) * 2)]
    offline, both, alone = ingredients("offline"), ingredients("offline", own=own), ingredients(None, own=own)
    found = [i.gathered(tiny_model, 30, None, lambda _at: None) for i in (offline, both, alone)]
    assert [[t.name for t in g.training] for g in found] == [
        ["train choice", "train free_form"],
        ["mine", "train choice", "train free_form"],
        ["mine"],
    ]
    assert [[(t.name, len(t.examples)) for t in g.testing] for g in found] == [
        [("test choice", 30), ("test free_form", 20)]
    ] * 3
    assert [len(g.levels) for g in found] == [1, 1, 0]
