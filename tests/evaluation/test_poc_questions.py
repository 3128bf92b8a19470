"""Questions with and without right answers; labels that come later are found by the question, or refused."""

import json

import pytest

from thermolang import Confidence, Decision, ReviewStore
from thermolang.errors import InvalidInputError, NotEnoughDataError, TaskFormatError
from thermolang.evaluation.poc_questions import Labels, judge, read_labels, read_questions, spoken, without_gold
from thermolang.training.features import is_choice
from thermolang.training.store import text_key


def written(tmp_path, rows, name="faq.jsonl"):
    path = tmp_path / name
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def asked(count=30, **more):
    return [{"question": f"How far is {i}?", **more} for i in range(count)]


@pytest.fixture
def task(tmp_path):
    return read_questions(written(tmp_path, asked(context="A road.")))


def test_questions_without_right_answers_are_read(tmp_path, task):
    assert task.name == "faq" and len(task.examples) == 30
    assert {(e.answers, e.label, e.context) for e in task.examples} == {((), None, "A road.")}
    options = read_questions(written(tmp_path, asked(choices=["1 km", "2 km"])))
    assert {(e.choices, e.label) for e in options.examples} == {(("1 km", "2 km"), None)}


def test_some_right_answers_are_enough(tmp_path):
    rows = [row | ({"answers": ["1 km"]} if i % 2 else {}) for i, row in enumerate(asked())]
    assert [bool(e.answers) for e in read_questions(written(tmp_path, rows)).examples] == [False, True] * 15


def test_a_table_and_other_names_of_columns_are_read(tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("質問;回答\n" + "".join(f"問い{i};答え{i}\n" for i in range(30)), encoding="utf-8")
    assert read_questions(path).examples[3].answers == ("答え3",)
    path.write_text("Frage;Text\n" + "".join(f"Wie weit {i}?;Weg\n" for i in range(30)), encoding="utf-8")
    assert read_questions(path, columns={"question": "Frage", "context": "Text"}).examples[0].context == "Weg"


def test_what_is_asked_does_not_depend_on_the_labels(tmp_path, task):
    labelled = read_questions(written(tmp_path, asked(context="A road.", answers=["1 km"])))
    assert without_gold(task) == without_gold(labelled)
    assert not is_choice(without_gold(task))


@pytest.mark.parametrize(
    ("rows", "error", "said"),
    [
        (asked(29), NotEnoughDataError, "gives 29 questions; a proof of concept works from 30 on"),
        (asked(20) * 2, NotEnoughDataError, r"gives 20 questions \(20 stand there twice\)"),
        ([], TaskFormatError, "holds no questions"),
        ([*asked(30), {"question": ""}], TaskFormatError, "line 31: expected `question`"),
        ([{"text": "x"}] * 30, TaskFormatError, "found the columns"),
        ([*asked(20), *asked(30, choices=["a", "b"])[20:]], TaskFormatError, "20 with no options, 10 with 2 options"),
    ],
)
def test_bad_files_are_named(tmp_path, rows, error, said):
    with pytest.raises(error, match=said):
        read_questions(written(tmp_path, rows))


def test_a_corrupted_line_is_named(tmp_path):
    path = written(tmp_path, asked())
    path.write_text(path.read_text(encoding="utf-8") + '{"question": "half', encoding="utf-8")
    with pytest.raises(TaskFormatError, match="line 31: not JSON"):
        read_questions(path)


def test_verdicts_and_right_answers_are_found_by_the_question(tmp_path, task):
    rows = [
        {"question": "How far is 0?", "correct": True},
        {"question": "  how FAR is 1? ", "context": "A road.", "answer": "1 km", "correct": "誤"},
        {"key": text_key(task.examples[2]), "question": "", "status": "accepted"},
        {"question": "How far is 3?", "answers": ["3 km"]},
        {"question": "How far is the moon?", "correct": True},
        {"question": "How far is 4?", "status": "pending"},
    ]
    found = read_labels(str(written(tmp_path, rows, "labels.jsonl")), task)
    places = {text_key(e): i for i, e in enumerate(task.examples)}
    assert {places[key]: v for key, v in found.verdicts.items()} == {0: ("", True), 1: ("1 km", False), 2: ("", True)}
    assert {places[key]: v for key, v in found.gold.items()} == {3: ("3 km",)}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"question": "Who?", "correct": True}], "none of its 1 lines is about one of the 30 questions"),
        ([{"question": "How far is 1?", "correct": "maybe"}], "line 1: a verdict is true or false, not 'maybe'"),
        ([{"question": "How far is 1?"}], "a label needs `correct`"),
        (
            [{"question": "How far is 1?", "correct": True}, {"question": "How far is 1?", "correct": False}],
            "line 2: this question has two verdicts that contradict each other",
        ),
    ],
)
def test_bad_labels_are_named(tmp_path, task, rows, said):
    with pytest.raises((InvalidInputError, TaskFormatError), match=said):
        read_labels(str(written(tmp_path, rows, "labels.jsonl")), task)


def test_the_verdicts_of_a_review_database_are_labels(tmp_path, task):
    url = f"sqlite:///{tmp_path / 'review.db'}"
    with ReviewStore(url) as store:
        sent = [
            store.submit(
                e.question, "1 km", context=e.context, confidence=Confidence(0.5), decision=Decision("review", "x", 1)
            )
            for e in task.examples[:3]
        ]
        with pytest.raises(NotEnoughDataError, match="none of them is judged yet"):
            read_labels(url, task)
        store.decide(sent[0].id, "accept", operator="ann")
        store.decide(sent[2].id, "correct", operator="ann", corrected_answer="2 km")
    found = read_labels(url, task)
    judged = judge(task, ["1 km"] * 30, found)
    assert judged.right[:4] == (True, None, False, None) and judged.by_people == 2


def test_a_verdict_on_another_answer_does_not_count(tmp_path, task):
    keys = [text_key(e) for e in task.examples]
    labels = Labels({keys[0]: ("1 km", True), keys[1]: ("9 km", True)}, {keys[2]: ("1 km",)})
    judged = judge(task, ["1 km"] * 30, labels, grader="exact_match")
    assert judged.right[:4] == (True, None, True, None)
    assert (judged.by_people, judged.graded, judged.outdated, judged.known) == (1, 1, 1, 2)


def test_how_much_hangs_on_the_grader_is_counted(task):
    gold = {text_key(e): ("1 km",) for e in task.examples}
    judged = judge(task, ["1 km", "It is 1 km.", "9 km"] * 10, Labels({}, gold), grader="exact_match")
    assert (judged.graded, judged.graded_right, judged.other_grader) == (30, 10, "combined")
    assert judged.right_by_other == 20
    assert judge(task, ["1 km"] * 30, Labels({}, gold)).other_grader == "alias_match"


def test_options_are_judged_by_their_letter(tmp_path):
    rows = [row | {"answer": "2 km"} for row in asked(choices=["1 km", "2 km"])]
    options = read_questions(written(tmp_path, rows))
    assert judge(options, ["B"] * 15 + ["A"] * 15, Labels()).right == (True,) * 15 + (False,) * 15
    bare = read_questions(written(tmp_path, asked(choices=["1 km", "2 km"])))
    gold = {text_key(bare.examples[0]): ("2 km",), text_key(bare.examples[1]): ("A",)}
    assert judge(bare, ["B"] * 30, Labels({}, gold)).right[:3] == (True, False, None)
    assert spoken(bare.examples[0], "B") == "2 km"
