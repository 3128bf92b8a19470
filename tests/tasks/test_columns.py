"""Which column is what: told by names in any case, or by the user."""

import pytest

from thermolang.errors import InvalidInputError, TaskFormatError
from thermolang.tasks.columns import TableRow, given_columns, listed, named, require_columns, told, values


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["question", "answers"], {"question": "question", "answers": "answers"}),
        (["Problem", " Answer "], {"question": "Problem", "answers": " Answer "}),
        (["質問", "回答"], {"question": "質問", "answers": "回答"}),
        (["input", "target", "id"], {"question": "input", "answers": "target"}),
        (
            ["prompt", "passage", "OPTIONS", "answer"],
            dict(
                zip(
                    ("question", "context", "choices", "answers"),
                    ("prompt", "passage", "OPTIONS", "answer"),
                    strict=True,
                )
            ),
        ),
        # The likelier name, wherever it stands.
        (["input", "question", "target", "answer"], {"question": "question", "answers": "answer"}),
        (["text", "label"], {}),
        ([], {}),
    ],
)
def test_columns_are_told_by_their_names(names, found):
    assert named(names, {}) == found


def test_the_answer_is_one_or_several():
    names = ["question", "answer", "answers", "choices"]
    assert named(names, {})["answers"] == "answers"
    assert named(names, {}, one_answer=True)["answers"] == "answer"


def test_what_the_user_names_comes_first():
    names = ["question", "Q", "A", "answers"]
    assert named(names, {"question": "Q", "answers": "A"}) == {"question": "Q", "answers": "A"}
    assert named(names, {"answer": "A"}) == {"question": "question", "answers": "A"}
    assert "question" not in named(names, {"question": "q"})  # not there, as ``require_columns`` says
    with pytest.raises(TaskFormatError, match=r"f, line 2: there is no column 'q', only \['A', 'Q'"):
        require_columns("f, line 2", names, {"question": "q"})
    require_columns("f, line 2", names, {"question": "Q"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("question=Q,answers=A", {"question": "Q", "answers": "A"}),
        (" answer = the right one , choices=o", {"answer": "the right one", "choices": "o"}),
        ("context=a=b", {"context": "a=b"}),
    ],
)
def test_columns_on_the_command_line(text, found):
    assert given_columns(text) == found


@pytest.mark.parametrize("text", ["", "Q", "question=", "=Q", "questions=Q", "question=Q,", "question=Q,question=R"])
def test_columns_that_cannot_be_are_refused(text):
    with pytest.raises(InvalidInputError, match="pairs such as question=Q,answers=A are expected"):
        given_columns(text)


def test_cells_of_a_table_are_texts_and_lists_of_texts():
    row = TableRow(question=7, answers="5 km|5,000 m", choices="a|b", context=2.5)
    assert values(row, {}) == {"question": "7", "answers": ["5 km", "5,000 m"], "choices": ["a", "b"], "context": "2.5"}
    assert values(row, {}, one_answer=True)["answers"] == "5 km|5,000 m"
    # A bar may belong to a single answer: only what is called answers is cut.
    assert values(TableRow(question="q", answer="|x|"), {})["answers"] == "|x|"
    assert values(TableRow(question="q", A="x|y"), {"answers": "A"})["answers"] == ["x", "y"]
    assert values(TableRow(question="q", A="x|y"), {"answer": "A"})["answers"] == "x|y"
    assert values(TableRow(question="q", answer=True), {})["answers"] is True
    assert values({"question": 7, "answers": "a|b"}, {}) == {"question": 7, "answers": "a|b"}  # JSON has lists


def test_what_was_taken_for_what():
    assert told(["質問", "回答", "id"], {}) == "question: 質問, answers: 回答; not used: id"
    assert told(["Q", "answer"], {"question": "Q"}, one_answer=True) == "question: Q, answers: answer"
    many = [f"c{n}" for n in range(400)]
    assert told([*many, "question"], {}).endswith("c11, ...")
    assert listed(many).endswith("and 388 more") and len(listed(many)) < 200
