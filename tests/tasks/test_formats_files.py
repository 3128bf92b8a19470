"""Reading the user's own questions: what is accepted, and an error with file and line for what is not."""

import csv
import json

import pytest

from thermolang.errors import TaskFormatError
from thermolang.tasks.readers import load_tasks
from thermolang.types import Example


def read_task(path, **options):
    (task,) = load_tasks(path, **options)
    return task


@pytest.fixture
def jsonl(tmp_path):
    def write(*rows, name="my-task.jsonl"):
        path = tmp_path / name
        lines = [r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.fixture
def table(tmp_path):
    def write(text, *, name="my-task.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def refused(path):
    with pytest.raises(TaskFormatError) as caught:
        read_task(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# JSONL


def test_jsonl_free_form_and_choices(jsonl):
    task = read_task(
        jsonl(
            {"question": "Capital of France?", "answers": ["Paris", "paris, France"], "context": "A map.", "id": 7},
            "",
            {"question": "2 + 2?", "choices": ["3", "4", "5"], "answer": "4"},
        )
    )
    assert task.name == "my-task"
    assert task.examples == (
        Example("Capital of France?", ("Paris", "paris, France"), context="A map."),
        Example("2 + 2?", choices=("3", "4", "5"), label=1),
    )


@pytest.mark.parametrize(
    ("choices", "answer", "label"),
    [
        (["red", "green", "blue"], "green", 1),
        (["red", "green", "blue"], " green ", 1),
        (["red", "green", "blue"], 0, 0),
        (["red", "green", "blue"], "2", 2),
        # A text that could be both is one of the texts.
        (["1", "2", "3"], "1", 0),
        (["0", "4", "2", "6"], "2", 2),
        (["3", "0", "7"], "0", 1),
        # A number beside choices that are texts is an index: MMLU's own files.
        (["1", "2", "3", "4"], 2, 2),
        (["2", "1", "0"], 0, 0),
        # Numbers among numbers are values, and indices only if no choice is that number.
        ([1, 2, 3], 1, 0),
        ([10, 20, 30], 1, 1),
        ([1.5, 2.5], 2.5, 1),
        ([True, False], False, 1),
        (["True", "False"], True, 0),
    ],
)
def test_answer_as_index_or_text(jsonl, choices, answer, label):
    (example,) = read_task(jsonl({"question": "Which?", "choices": choices, "answer": answer})).examples
    assert example.label == label
    assert example.choices == tuple(str(c) for c in choices)


def test_unicode_and_text_that_looks_like_markup(jsonl):
    rows = [
        {"question": "日本の首都は、\u2028 🗾", "answers": ["東京", "Tōkyō"]},
        {"question": "<script>alert('x')</script> {0} %s =1+1", "answers": ["=1+1"]},
    ]
    task = read_task(jsonl(*rows, name="質問.jsonl"))
    assert task.name == "質問"
    assert [e.question for e in task.examples] == [r["question"] for r in rows]
    assert task.examples[0].answers == ("東京", "Tōkyō")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_jsonl_line_ends_and_byte_order_mark(tmp_path, newline, mark):
    path = tmp_path / "t.JSONL"
    lines = ['{"question": "a?", "answers": "x"}', '{"question": "b?", "answers": ["", "y "]}', ""]
    path.write_bytes((mark + newline.join(lines)).encode())
    assert read_task(path).examples == (Example("a?", ("x",)), Example("b?", ("y",)))


GOOD = {"question": "q?", "answers": ["a"]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{'question': 'q'}", "not JSON"),
        ('{"question": "q?", "answers": ["a"]', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["q?", "a"]', "a JSON object is expected, found list"),
        ('"text"', "found str"),
        ("null", "found NoneType"),
        ({"answers": ["a"]}, "expected `question`"),
        ({"question": "  ", "answers": ["a"]}, "expected `question`"),
        ({"question": 3, "answers": ["a"]}, "expected `question`"),
        ({"question": "q?"}, "found ['question']"),
        ({"question": "q?", "answers": []}, "either `answers`"),
        ({"question": "q?", "answers": [""]}, "either `answers`"),
        ({"question": "q?", "answers": [None]}, "found null as an answer, which is no text"),
        ({"question": "q?", "answers": [True]}, "found true as an answer, which is no text"),
        ({"question": "q?", "answers": ["a", {"b": 1}]}, 'found {"b": 1} as an answer'),
        ({"question": "q?", "answer": False}, "found false as an answer"),
        ('{"question": "q?", "answers": [NaN]}', "NaN and Infinity are no JSON"),
        ('{"question": "q?", "answers": ["a"], "id": -Infinity}', "NaN and Infinity are no JSON"),
        ('{"question": "q?", "answers": [1e999]}', "NaN and Infinity are no JSON"),
        ({"question": "q?", "answers": [{"text": "a"}]}, "either `answers`"),
        ({"question": "q?", "answers": ["a"], "choices": ["a", "b"], "answer": 0}, "either `answers`"),
        (
            {"question": "q?", "choices": ["a", "b"]},
            "`answer` must be one of the choices, its letter, or an index below 2",
        ),
        ({"question": "q?", "choices": ["a", "b"], "answer": None}, "found None"),
        ({"question": "q?", "choices": ["a", "b"], "answer": 2}, "found 2"),
        ({"question": "q?", "choices": ["a", "b"], "answer": -1}, "found -1"),
        ({"question": "q?", "choices": ["a", "b"], "answer": "c"}, "found 'c'"),
        ({"question": "q?", "choices": ["a", "b"], "answer": "9" * 6000}, "an index below 2"),
        ({"question": "q?", "choices": ["a", "b"], "answer": ["a"]}, "found ['a']"),
        ({"question": "q?", "choices": ["a"], "answer": 0}, "2 to 26 distinct choices"),
        ({"question": "q?", "choices": "a|b", "answer": 0}, "2 to 26 distinct choices"),
        ({"question": "q?", "choices": ["a", "b", "a "], "answer": 0}, "2 to 26 distinct choices"),
        # Left out, the empty one would move every index behind it.
        ({"question": "q?", "choices": ["a", "", "b"], "answer": 2}, "2 to 26 distinct choices"),
        ({"question": "q?", "choices": ["a", None, "b"], "answer": 2}, "either `answers`"),
        ({"question": "q?", "choices": [str(i) for i in range(27)], "answer": "3"}, "2 to 26 distinct choices"),
    ],
)
def test_a_bad_line_of_jsonl_is_named(jsonl, row, said):
    message = refused(jsonl(GOOD, "", row, GOOD))
    assert ", line 3: " in message
    assert said in message


# CSV


def test_csv_free_form_and_choices(table):
    text = "question,context,answers,choices,answer\nCapital of France?,,Paris|paris ,,\n2 + 2?,Sums.,,3|4|5,4\n"
    assert read_task(table(text)).examples == (
        Example("Capital of France?", ("Paris", "paris")),
        Example("2 + 2?", choices=("3", "4", "5"), label=1, context="Sums."),
    )


def test_csv_numbers_are_texts_first(table):
    text = "question,choices,answer\na?,1|2|3,1\nb?,red|green,1\nc?,3|0|7,0\n"
    assert [e.label for e in read_task(table(text)).examples] == [0, 1, 1]


def test_csv_quoting(table):
    text = 'question,answers\n"Which, of these, is ""it""?","yes, it is"\n"two\nlines?",b\n'
    assert read_task(table(text)).examples == (
        Example('Which, of these, is "it"?', ("yes, it is",)),
        Example("two\nlines?", ("b",)),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_csv_line_ends_and_byte_order_mark(table, encoding, newline):
    text = newline.join([" question , answers", "Où ?,Zürich", "", "b?,y", ""])
    assert read_task(table(text, encoding=encoding)).examples == (Example("Où ?", ("Zürich",)), Example("b?", ("y",)))


def test_csv_as_python_writes_it(tmp_path):
    path, question = tmp_path / "t.csv", 'a "quoted", long\nquestion; with | and \t?'
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["question", "answers"], [question, "x|y"]])
    assert read_task(path).examples == (Example(question, ("x", "y")),)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (",a", "expected `question`"),
        ("q?", "found ['question']"),
        ("q?,", "either `answers`"),
        ("q?,|", "either `answers`"),
        ("What is 1, 2 or 3?,a", "2 columns are expected, found 3; a comma inside a text needs quotes"),
        ('"q?"x,a', "not CSV"),
        ('"q?,a\nq?,a\n', "not CSV"),  # a quote that is never closed
        (f"q?,{'a' * 140_000}", "not CSV"),
    ],
)
def test_a_bad_line_of_csv_is_named(table, line, said):
    message = refused(table(f'question,answers\n"two\nlines?",a\n\n{line}\nq?,a\n'))
    assert ", line 5: " in message
    assert said in message


@pytest.mark.parametrize("choices", ["a", "a|a", "a||b", "|".join(map(str, range(27)))])
def test_bad_choices_of_csv(table, choices):
    assert "line 2: 2 to 26 distinct choices" in refused(table(f"question,choices,answer\nq?,{choices},0\n"))


def test_csv_without_a_header(table):
    said = refused(table("Capital of France?,Paris\nOf Italy?,Rome\n"))
    assert "line 2: found the columns ['Capital of France?', 'Paris']; the first line of a table names its" in said


# Files


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_a_file_without_questions(table, name, text):
    assert "holds no questions" in refused(table(text, name=name))


def test_a_header_alone(table):
    assert "holds no questions" in refused(table("question,answers\n"))


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_a_missing_file_and_a_folder(tmp_path, name):
    assert "there is nothing of this name" in refused(tmp_path / name)
    (tmp_path / name).mkdir()
    assert "a folder holds MMLU's .csv files or BIG-bench's .json files" in refused(tmp_path / name)


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_a_file_that_is_not_utf8(table, name):
    text = '{"question": "Où ?", "answers": ["Zürich"]}' if name.endswith("l") else "question,answers\nOù ?,Zürich\n"
    said = refused(table(text, name=name, encoding="latin-1"))
    assert "its letters are neither UTF-8 nor" in said and "save the file as UTF-8" in said


@pytest.mark.parametrize("name", ["t.txt", "t", "t.xls"])
def test_another_ending(table, name):
    assert "a file that ends in .jsonl, .ndjson, .json" in refused(table("q", name=name))
