"""Rows of files: every kind and encoding gives the same rows, and what cannot be read is named with its line."""

import csv
import datetime
import decimal
import io
import json
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thermolang.errors import MissingExtraError, TaskFormatError
from thermolang.tasks import rows as reading
from thermolang.tasks.readers import described, load_tasks
from thermolang.tasks.rows import encoding_of, file_rows
from thermolang.types import Example

JAPANESE = [
    {"question": "日本の首都はどこですか。", "answers": "東京"},
    {"question": "カタカナ", "answers": "ひらがな"},
]
WESTERN = [{"question": "Où est le café ?", "answers": "Montréal"}, {"question": "Wie groß?", "answers": "größer"}]
PLAIN = [{"question": "a?", "answers": "b"}, {"question": "c?", "answers": "d"}]


def table(rows, separator=","):
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, rows[0].keys(), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def lines(rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


@pytest.fixture
def write(tmp_path):
    def made(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return made


def read(path, columns=None):
    found = list(file_rows(path, columns))
    assert not any(row.problem for row in found), found
    return [dict(row.row) for row in found]


def problems(path):
    return [(row.number, row.problem) for row in file_rows(path) if row.problem]


def excel(path, rows, *, sheets=("first",)):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in sheets:
        sheet = book.create_sheet(name)
        for row in rows if name == "first" else [["another sheet"]]:
            sheet.append(row)
    book.save(path)
    return path


def parquet(path, rows, *, kept=None):
    module = pytest.importorskip("pyarrow.parquet")
    module.write_table(pytest.importorskip("pyarrow").Table.from_pylist(rows).slice(0, kept), path)
    return path


# Kinds of files


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json", "A.JSONL"])
def test_json_lines(write, name):
    assert read(write(name, lines(PLAIN))) == PLAIN


@pytest.mark.parametrize("content", [PLAIN, {"data": PLAIN}, {"examples": PLAIN, "name": "x"}])
def test_json_as_a_list_or_within_an_object(write, content):
    assert read(write("a.json", json.dumps(content))) == PLAIN
    assert read(write("b.json", json.dumps(content, indent=2))) == PLAIN


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_any_separator(write, name, separator):
    rows = [{"question": "What is it, then; this?", "answers": "x"}, {"question": "two\nlines", "answers": "1,5"}]
    assert read(write(name, table(rows, separator))) == rows


def test_the_separator_is_that_with_which_columns_are_known(write):
    # More commas than semicolons, but only one of them parts names that are known.
    text = "id, old; question ;answers\n1;Paris, France?;yes, it is\n"
    assert read(write("a.csv", text)) == [{"id, old": "1", "question": "Paris, France?", "answers": "yes, it is"}]
    assert read(write("b.csv", "Q, or so;A\nx;y\n"), {"question": "Q, or so", "answers": "A"}) == [
        {"Q, or so": "x", "A": "y"}
    ]


def test_quotes_after_a_space_belong_to_the_table(write):
    assert read(write("a.csv", '"question", "answers"\n"Q, or?", "A"\n')) == [{"question": "Q, or?", "answers": "A"}]


def test_excel(tmp_path):
    day = datetime.datetime(2024, 3, 5, 12, 30)
    path = excel(
        tmp_path / "a.xlsx",
        [["", None], ["質問", "回答", None, "n"], [], ["首都は", "東京", "no name", 1889], ["いつ", day, None, 2.5]],
        sheets=("first", "second"),
    )
    found = list(file_rows(path))
    assert [(row.place, row.number) for row in found] == [(f"{path}, row 4", 4), (f"{path}, row 5", 5)]
    assert [dict(row.row) for row in found] == [
        {"質問": "首都は", "回答": "東京", "n": 1889},
        {"質問": "いつ", "回答": "2024-03-05T12:30:00", "n": 2.5},
    ]


def test_parquet(tmp_path):
    rows = [
        {"question": "a?", "answers": ["b", "c"], "n": float("nan"), "price": decimal.Decimal("1.50")},
        {"question": "d?", "answers": ["e"], "n": 2.0, "price": None},
    ]
    assert read(parquet(tmp_path / "a.parquet", rows)) == [
        {"question": "a?", "answers": ["b", "c"], "price": "1.50"},
        {"question": "d?", "answers": ["e"], "n": 2.0},
    ]


def test_all_kinds_of_files_give_the_same_task(write, tmp_path):
    rows = [{"question": f"{n}?", "choices": ["red", "blue"], "answer": "blue"} for n in range(3)]
    flat = [{**row, "choices": "|".join(row["choices"])} for row in rows]
    paths = [
        write("t.jsonl", lines(rows)),
        write("t.json", json.dumps(rows)),
        write("t.csv", table(flat)),
        write("t.tsv", table(flat, "\t")),
        excel(tmp_path / "t.xlsx", [list(flat[0]), *(list(row.values()) for row in flat)]),
        parquet(tmp_path / "t.parquet", rows),
    ]
    (wanted,) = load_tasks(paths[0])
    assert wanted.examples[0] == Example("0?", choices=("red", "blue"), label=1)
    assert all(load_tasks(path) == [wanted] for path in paths)


@pytest.mark.parametrize("module", ["openpyxl", "pyarrow.parquet"])
def test_excel_and_parquet_without_their_extra(write, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r'pip install "thermolang\[files\]"'):
        read(write("a.xlsx" if module == "openpyxl" else "a.parquet", "x"))


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp932"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_japanese_in_every_encoding_that_its_bytes_tell(write, name, encoding):
    content = table(JAPANESE) if name.endswith("csv") else lines(JAPANESE)
    assert read(write(name, content, encoding)) == JAPANESE


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_western_letters(write, encoding):
    assert read(write("a.csv", table(WESTERN), encoding)) == WESTERN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (table(WESTERN), "cp1252"),
        (table([*PLAIN * 20, {"question": "Where?", "answers": "Montréal"}]), "latin-1"),
        ("question,answers\nкакая столица,Москва\n", "cp1251"),  # noqa: RUF001
        ("question,answers\n中国的首都是哪里？,北京\n", "gb18030"),  # noqa: RUF001
        ("question,answers\n한국의 수도는?,서울\n", "cp949"),
        (table(JAPANESE), "euc_jp"),
        ("question,answers\n東京都,新宿区\n", "cp932"),  # nothing but kanji: Chinese and Korean bytes look like it
        ("question,answers\nIs it “so”?,it’s\n", "cp1252"),  # noqa: RUF001
    ],
)
def test_what_bytes_do_not_tell_is_refused_with_line_and_remedy(write, text, encoding):
    path = write("a.csv", text, encoding)
    found = problems(path)
    assert found and all("save the file as UTF-8" in problem for _, problem in found)
    with pytest.raises(TaskFormatError, match=rf"a\.csv, line {found[0][0]}: its letters are neither UTF-8 nor"):
        load_tasks(path)


def test_a_header_that_cannot_be_read_is_the_files_problem(write):
    with pytest.raises(TaskFormatError, match=r"a\.csv, line 1: its letters are neither"):
        read(write("a.csv", "question,Fußnote\na,b\n", "latin-1"))


def test_one_broken_line_stops_no_other(write):
    raw = b'{"question": "a"}\n{"question": "caf\xe9"}\n{"question": "\xe6\x9d\xb1"}\n'
    found = list(file_rows(write("a.jsonl", raw)))
    assert [row.row for row in found] == [{"question": "a"}, {}, {"question": "東"}]
    assert (found[1].number, found[1].raw) == (2, '{"question": "caf\ufffd"}')


def test_letters_that_come_late_and_in_the_middle_of_a_sample(write, monkeypatch):
    monkeypatch.setattr(reading, "SAMPLE", 64)
    for length in range(60, 70):
        rows = [{"question": "x" * 200, "answers": "y"}, *JAPANESE, {"question": "あ" * length, "answers": "い"}]
        for encoding in ("utf-8", "cp932"):
            assert read(write("a.csv", table(rows), encoding)) == rows
            assert read(write("a.jsonl", lines(rows), encoding)) == rows


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_cp932_that_turns_out_to_be_something_else(write, monkeypatch, name):
    monkeypatch.setattr(reading, "SAMPLE", 256)
    rows = JAPANESE * 20
    content = (table(rows) if name.endswith("csv") else lines(rows)).encode("cp932") + b"\n\x81 \x81 \n"
    with pytest.raises(TaskFormatError, match="save the file as UTF-8"):
        load_tasks(write(name, content))


def test_a_zero_byte_is_no_utf16(write):
    assert encoding_of(write("a.jsonl", lines(PLAIN * 10) + "\0")) == "utf-8-sig"


TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5),
    separator=st.sampled_from(list(reading.SEPARATORS)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_table_that_python_writes_is_read_back(write, rows, separator, encoding):
    written = [{"question": q, "answers": a} for q, a in rows]
    wanted = [{name: cell for name, cell in row.items() if cell} for row in written]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ["question", "answers"], delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(written)
    assert read(write("a.csv", file.getvalue(), encoding)) == [row for row in wanted if row]


# What is wrong with a row


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON (Expecting"),
        ("[" * 100_000, "not JSON (maximum recursion"),
        ('{"a": ' * 500 + "1" + "}" * 500, "recursion"),
        ("[1]", "a JSON object is expected, found list"),
        ('{"a": NaN}', "NaN and Infinity are no JSON"),
        ('{"a": [1, {"b": -Infinity}]}', "NaN and Infinity are no JSON"),
        ('{"a": 1e999}', "NaN and Infinity are no JSON"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON (Exceeds the limit"),
    ],
)
def test_a_bad_line_of_json(write, line, problem):
    found = list(file_rows(write("a.jsonl", "\n".join(['{"a": 1}', "", line, '{"a": 2}']))))
    assert [row.row for row in found] == [{"a": 1}, {}, {"a": 2}]
    assert (found[1].number, found[1].raw) == (3, line)
    assert problem in found[1].problem


def test_a_bad_entry_of_a_json_document(write):
    path = write("a.json", '[{"a": 1},\n{"a": [NaN]},\n"text"]')
    assert problems(path) == [
        (2, "NaN and Infinity are no JSON: write null, or leave them out"),
        (3, "a JSON object is expected, found str"),
    ]


def test_bad_lines_of_a_table(write):
    text = 'question,answers\n"two\nlines",a\nb,c,d\n"e"x,f\n\n,,\ng,h\n"never closed'
    path = write("a.csv", text)
    found = list(file_rows(path))
    assert [row.number for row in found] == [2, 4, 5, 8, 9]
    assert [row.row for row in found] == [
        {"question": "two\nlines", "answers": "a"},
        {},
        {},
        {"question": "g", "answers": "h"},
        {},
    ]
    assert found[1].problem == "2 columns are expected, found 3; a comma inside a text needs quotes around the text"
    assert found[1].raw == "b,c,d"
    assert found[2].problem.startswith("not CSV") and found[4].problem.startswith("not CSV")


def test_a_table_of_400_columns(write, tmp_path):
    header = [f"c{n}" for n in range(400)]
    wide = [dict(zip(header, map(str, range(400)), strict=True)) | {"質問": "q?", "回答": "a"}]
    path = write("a.csv", table(wide))
    assert read(path) == wide
    assert load_tasks(path)[0].examples == (Example("q?", ("a",)),)
    strange = dict.fromkeys(header, "x")
    with pytest.raises(TaskFormatError, match="and 388 more; the first line of a table names its columns") as caught:
        load_tasks(write("b.csv", table([strange])))
    assert len(str(caught.value).split("the known formats")[0]) < 400


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.xlsx", "a.parquet"])
def test_a_file_without_rows(write, tmp_path, name):
    if name == "a.xlsx":
        path = excel(tmp_path / name, [["question", "answers"]])
    elif name == "a.parquet":
        path = parquet(tmp_path / name, [{"question": "a"}], kept=0)
    else:
        path = write(name, "[]" if name == "a.json" else "")
    assert list(file_rows(path)) == []
    with pytest.raises(TaskFormatError, match="holds no questions"):
        load_tasks(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", "no workbook", "cannot be read as Excel"),
        ("a.parquet", "no table", "cannot be read as Parquet"),
        ("a.json", "{", "cannot be read as JSON"),
        ("a.json", "3", "a list of objects is expected"),
        ("a.txt", "text", r"ends in \.jsonl, .*\.xlsx or \.parquet, not '\.txt'"),
        ("a.csv", '"never closed', "a.csv, line 1: not CSV"),
    ],
)
def test_a_file_that_cannot_be_read(write, name, content, said):
    with pytest.raises(TaskFormatError, match=said):
        read(write(name, content))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.xlsx", "a.parquet"])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(TaskFormatError, match=r"a\.\w+: cannot be read"):
        read(tmp_path / name)


# Shapes that people have


@pytest.mark.parametrize(
    ("name", "rows", "example"),
    [
        (
            "GSM8K.jsonl",
            [{"question": "How many?", "answer": "He has 3 * 6 = <<3*6=18>>18.\nSo 18.\n#### 1,018"}],
            Example("How many?", ("1,018",)),
        ),
        (
            "simple_qa_test_set.csv",
            [{"metadata": "{'topic': 'Art'}", "problem": "Who, in 2010?", "answer": "Ada L."}],
            Example("Who, in 2010?", ("Ada L.",)),
        ),
        ("mine.jsonl", [{"question": "Who?", "answer": "Ada"}], Example("Who?", ("Ada",))),
        ("mine.jsonl", [{"prompt": "Who?", "target": ["Ada", "Bo"]}], Example("Who?", ("Ada", "Bo"))),
        ("mine.jsonl", [{"question": "When?", "answer": 1889}], Example("When?", ("1889",))),
        (
            "mine.jsonl",
            [{"question": "Which?", "options": ["red", "blue"], "answer": "B"}],
            Example("Which?", choices=("red", "blue"), label=1),
        ),
        ("質問.csv", [{"質問": "首都は", "回答": "東京"}], Example("首都は", ("東京",))),
        (
            "jmmlu.csv",
            [{"question": "何か", "A": "あ", "B": "い", "C": "う", "D": "え", "answer": "C"}],
            Example("何か", choices=("あ", "い", "う", "え"), label=2),
        ),
        (
            "jsquad.json",
            [
                {
                    "title": "雨",
                    "paragraphs": [
                        {
                            "context": "雨 [SEP] 降る。",
                            "qas": [
                                {
                                    "question": "何が",
                                    "answers": [{"text": "雨", "answer_start": 0}],
                                    "is_impossible": False,
                                }
                            ],
                        }
                    ],
                }
            ],
            Example("何が", ("雨",), context="雨\n降る。"),
        ),
    ],
)
def test_the_shapes_of_public_files(write, name, rows, example):
    content = table(rows) if name.endswith("csv") else lines(rows) if name.endswith("l") else json.dumps({"data": rows})
    assert load_tasks(write(name, content))[0].examples == (example,)


def test_jmmlu_as_published_has_no_header(write):
    path = write("世界史.csv", "最初は？,あ,い,う,え,B\n次は？,あ,い,う,え,D\n", "utf-8-sig")  # noqa: RUF001
    (task,) = load_tasks(path)
    assert (task.name, [e.label for e in task.examples]) == ("世界史", [1, 3])


def test_columns_that_the_user_names(write):
    rows = [{"Frage": f"{n}?", "Antwort": "a|b", "Text": "c", "question": "no"} for n in range(2)]
    path = write("mine.csv", table(rows, ";"))
    columns = {"question": "Frage", "answers": "Antwort", "context": "Text"}
    assert load_tasks(path, columns=columns)[0].examples[0] == Example("0?", ("a", "b"), context="c")
    with pytest.raises(TaskFormatError, match=r"mine\.csv, line 2: there is no column 'Fragen', only"):
        load_tasks(path, columns={"question": "Fragen"})
    # Named columns come before a format that the file has by chance.
    nq = write("nq.jsonl", lines([{"question": "who", "answer": ["Ada"], "gold": "Bo"}]))
    assert load_tasks(nq)[0].examples[0].answers == ("Ada",)
    assert load_tasks(nq, columns={"answers": "gold"})[0].examples[0].answers == ("Bo",)


def test_how_a_file_is_understood(write):
    assert described(write("a.csv", table([{"質問": "q", "回答": "a", "id": "1"}]))) == (
        "question: 質問, answers: 回答; not used: id"
    )
    assert described(write("a.jsonl", lines([{"question": "who", "answer": ["Ada"]}]))) == "read as NQ-open"
    assert described(write("sums_test.csv", "1+1?,1,2,3,4,B\n")) == "read as MMLU"
