"""Rows to tasks: every format is told from the others, and what cannot be used is left out or named."""

import collections
import logging

import pytest

from thermolang.errors import TaskFormatError
from thermolang.tasks.formats import FORMATS, examples_of, format_of, known_formats, tasks_of
from thermolang.types import Example

LETTERED = {"text": ["iron", "wood", "glass"], "label": ["A", "B", "C"]}
STEM = {"stem": "What rusts?", "choices": [{"text": "iron", "label": "1"}, {"text": "wood", "label": "2"}]}
SQUAD = [{"context": "It rains.", "qas": [{"question": "What?", "answers": [{"text": "It rains"}]}]}]
ABOUT_RAIN = Example("What?", ("It rains",), context="It rains.")
SAMPLES = {
    "MMLU": (
        {"question": "2 + 2?", "subject": "sums", "choices": ["3", "4", "4", "5"], "answer": 3},
        Example("2 + 2?", choices=("3", "4", "4", "5"), label=3),
    ),
    "JMMLU": (
        {"question": "2 + 2?", "A": "3", "B": "4", "C": "5", "D": "6", "answer": "B"},
        Example("2 + 2?", choices=("3", "4", "5", "6"), label=1),
    ),
    "MedMCQA": (
        {"question": "Bone?", "opa": "a", "opb": "b", "opc": "c", "opd": "d", "cop": 2, "exp": "Because."},
        Example("Bone?", choices=("a", "b", "c", "d"), label=2),
    ),
    "BIG-bench": (
        {"input": " Is it? ", "target_scores": {"yes": 0.0, "no": 1.0}},
        Example("Is it?", choices=("yes", "no"), label=1),
    ),
    "BIG-bench of the hub": (
        {"inputs": "Is it?", "multiple_choice_targets": ["yes", "no"], "multiple_choice_scores": [0, 1], "targets": []},
        Example("Is it?", choices=("yes", "no"), label=1),
    ),
    "ARC or CommonsenseQA": (
        {"id": "1", "question": STEM, "answerKey": "2"},
        Example("What rusts?", choices=("iron", "wood"), label=1),
    ),
    "ARC or CommonsenseQA of the hub": (
        {"question": "What breaks?", "choices": LETTERED, "answerKey": "C"},
        Example("What breaks?", choices=("iron", "wood", "glass"), label=2),
    ),
    "JCommonsenseQA": (
        {"q_id": 7, "question": "畑は", "choice0": "海", "choice1": "空", "choice2": "陸", "label": 2},
        Example("畑は", choices=("海", "空", "陸"), label=2),
    ),
    "TruthfulQA": (
        {"question": "Is it?", "mc1_targets": {"choices": ["no", "yes"], "labels": [0, 1]}},
        Example("Is it?", choices=("no", "yes"), label=1),
    ),
    "TruthfulQA, open": (
        {"question": "Is it?", "best_answer": "No", "correct_answers": ["No", "It is not"], "incorrect_answers": []},
        Example("Is it?", ("No", "It is not")),
    ),
    "TruthfulQA, open, as a table": (
        {"Type": "x", "Question": "Is it?", "Best Answer": "No", "Correct Answers": "It is not; No", "Source": "s"},
        Example("Is it?", ("No", "It is not")),
    ),
    "SQuAD": ({"title": "Rain", "paragraphs": SQUAD}, ABOUT_RAIN),
    "SQuAD of the hub": (
        {"id": "1", "title": "Rain", "context": "It rains.", "question": "What?", "answers": {"text": ["It rains"]}},
        ABOUT_RAIN,
    ),
    "SQuAD of OLMo": (
        {
            "title": "Rain",
            "query": "Title: Rain\nBackground: It rains.\nQuestion: What?\nAnswer:",
            "answers_text": ["It rains"],
            "choices": ["It rains"],
        },
        ABOUT_RAIN,
    ),
    "BoolQ": (
        {"question": "is rain wet", "answer": True, "passage": "It rains."},
        Example("is rain wet?", ("yes",), context="It rains."),
    ),
    "CoQA": (
        {"story": "It rains.", "questions": [{"input_text": "What?"}], "answers": [{"input_text": "It rains"}]},
        ABOUT_RAIN,
    ),
    "CoQA of the hub": (
        {"story": "It rains.", "questions": ["What?"], "answers": {"input_text": ["It rains"]}},
        ABOUT_RAIN,
    ),
    "CoQA, grouped": ({"story": "It rains.", "turns": [{"question": "What?", "answers": ["It rains"]}]}, ABOUT_RAIN),
    "DROP of OLMo": (
        {"query": "Passage: ...", "passage": "It rains.", "question": "What?", "answers": [["It rains"]]},
        ABOUT_RAIN,
    ),
    "DROP of the hub": (
        {"passage": "It rains.", "question": "What?", "answers_spans": {"spans": ["It rains"]}},
        ABOUT_RAIN,
    ),
    "TriviaQA": (
        {"question": "Who?", "answer": {"value": "Ada", "aliases": ["Lady Ada", "Ada"]}, "entity_pages": {}},
        Example("Who?", ("Ada", "Lady Ada")),
    ),
    "NQ-open": ({"question": "who", "answer": ["Ada", "Bo"]}, Example("who", ("Ada", "Bo"))),
    "WebQuestions": ({"qId": "1", "qText": "who?", "answers": ["Ada"]}, Example("who?", ("Ada",))),
}


def test_every_format_has_a_sample():
    assert list(SAMPLES) == [known.name for known in FORMATS]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_format_is_recognised_and_converted(name):
    row, example = SAMPLES[name]
    assert [known.name for known in FORMATS if known.fits(row)] == [name]
    (task,) = tasks_of("mine", [("f, line 1", row)])
    assert task.examples == (example,)
    assert task.name == ("sums" if name == "MMLU" else "mine")
    assert task.group == ""


@pytest.mark.parametrize("name", SAMPLES)
def test_a_column_that_is_missing_later_is_named(name):
    row, _ = SAMPLES[name]
    known = next(k for k in FORMATS if k.name == name)
    short = {key: value for key, value in row.items() if key != next(iter(known.columns))}
    with pytest.raises(TaskFormatError) as caught:
        tasks_of("mine", [("f, line 1", row), ("f, line 2", short)])
    assert f"f, line 2: expected {name}" in str(caught.value)
    assert str(sorted(short)) in str(caught.value)


def test_medmcqa_counts_from_one_as_published_and_from_zero_on_the_hub():
    def rows(*options):
        return [(f"f, line {i}", SAMPLES["MedMCQA"][0] | {"cop": cop}) for i, cop in enumerate(options)]

    for published, hub in ([1, 2, 4], [0, 1, 3]), ([4, 4, 1], [3, 3, 0]):
        assert [e.label for e in tasks_of("m", rows(*published))[0].examples] == hub
        assert [e.label for e in tasks_of("m", rows(*hub))[0].examples] == hub
    assert [e.label for e in examples_of(rows(0, -1))] == [0, None]


OWN = [
    {"question": "Who?", "answers": ["Ada"]},
    {"question": "Who?", "context": "Ada.", "answers": "Ada"},
    {"question": "2 + 2?", "choices": ["3", "4"], "answer": 1},
]


@pytest.mark.parametrize("row", OWN)
def test_own_rows_are_no_benchmark(row):
    assert format_of(row) is None
    (task,) = tasks_of("mine", [("f, line 1", row)])
    assert task.examples[0].question == row["question"]


def test_own_rows_are_all_kept_and_never_shuffled():
    rows = [{"question": f"{i}?", "choices": [str(c) for c in range(i)], "answer": 0} for i in range(2, 6)]
    (task,) = tasks_of("mine", [(f"f, line {i}", row) for i, row in enumerate(rows)])
    assert [(len(e.choices), e.label) for e in task.examples] == [(2, 0), (3, 0), (4, 0), (5, 0)]


def test_a_bad_row_of_ones_own_is_named():
    with pytest.raises(TaskFormatError, match="f, line 2: expected `question`"):
        tasks_of("mine", [("f, line 1", OWN[0]), ("f, line 2", {"question": "Who?"})])


@pytest.mark.parametrize("row", [{"question": "Who?", "solution": "Ada"}, {}, {"text": "Ada"}])
def test_an_unknown_format_lists_the_known_ones(row):
    with pytest.raises(TaskFormatError) as caught:
        tasks_of("mine", [("f, line 1", row)])
    assert str(caught.value).startswith(
        f"f, line 1: found the columns {sorted(row)}; name yours with --columns question=NAME"
    )
    assert "the known formats: your own (" in str(caught.value)
    assert all(str(known) in str(caught.value) for known in FORMATS)
    assert "BoolQ (passage, question, answer)" in known_formats()


def scored(question, scores):
    return {"input": question, "target_scores": {f"option {i}": s for i, s in enumerate(scores)}}


def located(rows):
    return [(f"f, example {i}", row) for i, row in enumerate(rows, 1)]


@pytest.mark.parametrize("scores", [[1, 1], [0, 0], [0.5, 0.5], [1, 0, 1]])
def test_one_right_option_is_needed(scores):
    with pytest.raises(TaskFormatError, match=r"f, example 2: not as BIG-bench .*exactly one option .* found"):
        tasks_of("mine", located([scored("a?", [0, 1]), scored("b?", scores)]))


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("ARC or CommonsenseQA of the hub", {"answerKey": "E"}, "'E' is not in list"),
        ("ARC or CommonsenseQA of the hub", {"choices": {"text": ["a"]}}, "KeyError('label')"),
        ("ARC or CommonsenseQA", {"question": {"stem": "a?"}}, "KeyError('choices')"),
        ("JCommonsenseQA", {"label": 3}, "found 3 options, the right one at index 3"),
        ("MMLU", {"answer": 4}, "found 4 options, the right one at index 4"),
        ("TriviaQA", {"answer": {"value": "Ada"}}, "KeyError('aliases')"),
        ("SQuAD", {"paragraphs": [3]}, "TypeError"),
        ("CoQA, grouped", {"turns": [{"question": "a?", "answers": []}]}, "IndexError"),
    ],
)
def test_a_damaged_row_is_named(name, change, said):
    row, _ = SAMPLES[name]
    with pytest.raises(TaskFormatError) as caught:
        tasks_of("mine", located([row, row | change]))
    assert "f, example 2: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("MMLU", {"answer": -1}),
        ("ARC or CommonsenseQA", {"answerKey": ""}),
        ("ARC or CommonsenseQA of the hub", {"answerKey": ""}),
        ("JCommonsenseQA", {"label": -1}),
        ("SQuAD of the hub", {"answers": {"text": []}}),
        ("NQ-open", {"answer": []}),
        ("WebQuestions", {"answers": [" "]}),
    ],
)
def test_rows_without_a_gold_answer_are_left_out(name, hidden, caplog):
    row, example = SAMPLES[name]
    with caplog.at_level(logging.INFO):
        (task,) = tasks_of("mine", located([row | hidden, row, row | hidden]))
    assert task.examples == (example,)
    assert "2 of 3 questions have no gold answer" in caplog.text
    with pytest.raises(TaskFormatError, match=r"f, example 1: no question of .* has a gold answer"):
        tasks_of("mine", located([row | hidden]))


def test_rows_with_another_number_of_options_are_left_out(caplog):
    rows = [scored("a?", [0, 1]), scored("b?", [1, 0, 0]), scored("c?", [1, 0]), scored("d?", [0] * 30 + [1])]
    with caplog.at_level(logging.INFO):
        (task,) = tasks_of("mine", located(rows))
    assert [e.question for e in task.examples] == ["a?", "c?"]
    assert "left out 2 of 4 questions without 2 options" in caplog.text


@pytest.mark.parametrize("options", [1, 27])
def test_too_few_and_too_many_options(options):
    scores = [1] + [0] * (options - 1)
    with pytest.raises(TaskFormatError, match=f"f, example 1: 2 to 26 options .* found {options} options"):
        tasks_of("mine", located([scored("a?", scores)]))


def test_as_many_options_as_letters():
    assert len(tasks_of("mine", located([scored("a?", [1] + [0] * 25)]))[0].examples[0].choices) == 26


# A file whose right option always stands in the same place


def test_options_that_give_the_answer_away_are_shuffled():
    rows = [scored(f"{i}?", [0, 0, 0, 1]) for i in range(400)]
    (task,) = tasks_of("mine", located(rows))
    assert all(e.choices[e.label] == "option 3" for e in task.examples)
    assert all(sorted(e.choices) == [f"option {i}" for i in range(4)] for e in task.examples)
    counts = collections.Counter(e.label for e in task.examples)
    # Binomial(400, 1/4) has a standard deviation of 8.7.
    assert all(abs(counts[place] - 100) < 4 * 8.7 for place in range(4))


def test_the_shuffle_of_a_question_depends_on_nothing_else():
    rows = [scored(f"{i}?", [0, 0, 1]) for i in range(30)]
    whole, part = tasks_of("mine", located(rows))[0].examples, tasks_of("yours", located(rows[9:3:-1]))[0].examples
    assert part == whole[9:3:-1]


def test_options_stay_where_the_right_one_moves():
    rows = [scored(f"{i}?", [0, 0, 1]) for i in range(30)] + [scored("last?", [0, 1, 0])]
    examples = tasks_of("mine", located(rows))[0].examples
    assert {e.choices for e in examples} == {("option 0", "option 1", "option 2")}


def test_subjects_are_tasks():
    row, example = SAMPLES["MMLU"]
    rows = [row | {"subject": subject} for subject in ("sums", "logic", "sums")]
    tasks = tasks_of("mmlu", located([*rows[:2], row | {"answer": 1}]))
    assert [(t.name, len(t.examples)) for t in tasks] == [("sums", 2), ("logic", 1)]
    assert tasks[1].examples == (example,)


def test_the_newer_truthfulqa_is_pairs():
    row = {
        "question": "Is it?",
        "mc0_targets": {"no": 1, "yes": 0},
        "mc1_targets": {"no": 1, "yes": 0, "maybe": 0},
    }
    assert tasks_of("mine", located([row]))[0].examples == (Example("Is it?", choices=("no", "yes"), label=0),)
    del row["mc0_targets"]
    assert len(tasks_of("mine", located([row]))[0].examples[0].choices) == 3
