"""Tasks from folders, files and the hub: what is recognised, how it is named, and what is drawn of it."""

import csv
import itertools
import json
import sys
import types

import pytest

from thermolang.errors import InvalidInputError, MissingExtraError, TaskFormatError
from thermolang.tasks.readers import drawn, load_tasks
from thermolang.types import Example

ROWS = [("What is 1 + 1?", "1", "2", "3", "4", "B"), ('Say "so", or\nnot?', "so", "no", "None", "a, b", "D")]
SUMS = (
    Example("What is 1 + 1?", choices=("1", "2", "3", "4"), label=1),
    Example('Say "so", or\nnot?', choices=("so", "no", "None", "a, b"), label=3),
)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    return path


def write_lines(path, rows):
    return write(path, "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def write_table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def refused(source, **settings):
    with pytest.raises(TaskFormatError) as caught:
        load_tasks(source, **settings)
    assert str(source) in str(caught.value)
    return str(caught.value)


def summary(found):
    return [(task.name, len(task.examples)) for task in found]


# MMLU


def test_a_folder_of_mmlu_and_its_parent(tmp_path):
    write_table(tmp_path / "mmlu" / "test" / "abstract_algebra_test.csv", ROWS)
    write_table(tmp_path / "mmlu" / "test" / "world_religions_test.csv", ROWS[:1])
    write_table(tmp_path / "mmlu" / "val" / "abstract_algebra_val.csv", ROWS[1:])
    found = load_tasks(tmp_path / "mmlu")
    assert summary(found) == [("abstract_algebra", 2), ("world_religions", 1)]
    assert found[0].examples == SUMS
    assert load_tasks(str(tmp_path / "mmlu" / "test")) == found
    assert load_tasks(tmp_path / "mmlu" / "val")[0].examples == SUMS[1:]
    assert load_tasks(tmp_path / "mmlu" / "test" / "abstract_algebra_test.csv") == found[:1]


@pytest.mark.parametrize(
    "row", [("question", "answers"), ("q?", "1", "2", "3", "4", ""), ("q?", "1", "2", "3", "4", "E"), ("q?",) * 7]
)
def test_a_bad_row_of_mmlu_is_named(tmp_path, row):
    write_table(tmp_path / "sums_test.csv", [*ROWS, row])
    message = refused(tmp_path)
    assert "sums_test.csv, line 4: MMLU's question, 4 options and A, B, C or D are expected" in message
    assert str(list(row)) in message


def test_an_empty_table_and_a_broken_one(tmp_path):
    write(tmp_path / "a" / "sums_test.csv", "\n")
    assert "holds no questions" in refused(tmp_path / "a")
    write(tmp_path / "b" / "sums_test.csv", '"q?"x,1,2,3,4,A')
    assert "sums_test.csv, line 1: not CSV" in refused(tmp_path / "b")


# BIG-bench


def bigbench(*scores, **settings):
    examples = [
        {"input": f"Is it {i}? ", "target_scores": dict(zip("abc", s, strict=False))} for i, s in enumerate(scores)
    ]
    return {"name": "internal", "examples": examples, **settings}


def test_a_file_and_folders_of_bigbench(tmp_path):
    one, two = bigbench([1, 0], [0, 1]), bigbench([0, 1, 0], [1, 0, 0], [0, 1])
    write(tmp_path / "flat" / "color.json", one)
    write(tmp_path / "flat" / "timedial.json", two)
    write(tmp_path / "deep" / "color" / "task.json", one)
    write(tmp_path / "deep" / "timedial" / "task.json", two)
    found = load_tasks(tmp_path / "flat")
    assert summary(found) == [("color", 2), ("timedial", 2)]
    assert found[0].examples[1] == Example("Is it 1?", choices=("a", "b"), label=1)
    assert load_tasks(tmp_path / "deep") == found
    assert load_tasks(tmp_path / "deep" / "timedial" / "task.json") == found[1:]


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, "Is it 0?"),
        ({"task_prefix": "Choose.\n\n", "example_input_prefix": "\n"}, "Choose.\nIs it 0?"),
        # Labels of a prompt are no part of the question; words that make it one are.
        ({"example_input_prefix": "\nPassage: ", "example_output_prefix": "\nAnswer: "}, "Is it 0?"),
        ({"example_input_prefix": "What comes out?:"}, "What comes out?:\nIs it 0?"),
        ({"example_output_prefix": "\nThat was "}, "Is it 0?\nThat was"),
        ({"example_output_prefix": "said by one or two?\nAnswer: "}, "Is it 0? said by one or two?"),
    ],
)
def test_instructions_of_bigbench(tmp_path, settings, asked):
    path = write(tmp_path / "color.json", bigbench([1, 0], [0, 1], **settings))
    assert load_tasks(path)[0].examples[0].question == asked


def test_two_right_options_are_an_error_with_file_and_number(tmp_path):
    path = write(tmp_path / "color.json", bigbench([1, 0], [1, 1]))
    assert f"{path}, example 2: not as BIG-bench" in refused(path)
    assert f"{path}, example 2: not as BIG-bench" in refused(tmp_path)


@pytest.mark.parametrize("examples", [[3], "text", {"input": "a"}])
def test_examples_that_are_no_list_of_objects(tmp_path, examples):
    assert "a list of objects is expected" in refused(write(tmp_path / "color.json", {"examples": examples}))


def test_a_task_without_options_is_named(tmp_path):
    path = write(tmp_path / "color.json", {"examples": [{"input": "1 + 1", "output": "2"}]})
    assert "example 1: found the columns ['input', 'output']" in refused(path)


@pytest.mark.parametrize("content", [[{"qText": "who?", "answers": ["Ada"]}], {"data": []}])
def test_another_json_in_a_folder_is_named(tmp_path, content):
    write(tmp_path / "a.json", bigbench([1, 0]))
    write(tmp_path / "b.json", content)
    assert "b.json: a folder holds MMLU's .csv files or BIG-bench's" in refused(tmp_path)


def test_a_folder_without_tasks(tmp_path):
    write(tmp_path / "mine.jsonl", "")
    assert "name any other file itself" in refused(tmp_path)


# JSON and JSONL

WHO = {"question": "who", "answer": ["Ada"]}
ADA = Example("who", ("Ada",))


@pytest.mark.parametrize("name", ["NQ-open.dev.jsonl", "NQ-open.dev.json"])
def test_json_lines_whatever_the_ending(tmp_path, name):
    (task,) = load_tasks(write_lines(tmp_path / name, [WHO, WHO]))
    assert (task.name, task.examples) == ("NQ-open", (ADA, ADA))


@pytest.mark.parametrize("content", [[WHO], {"data": [WHO]}, WHO])
def test_json_as_a_list_as_data_and_alone(tmp_path, content):
    assert load_tasks(write(tmp_path / "nq.json", content))[0].examples == (ADA,)


def test_squad_as_published(tmp_path):
    qas = [{"question": f"{c}?", "answers": [{"text": c}] if c != "x" else []} for c in "axb"]
    article = {"title": "t", "paragraphs": [{"context": "a b", "qas": qas}, {"context": "c", "qas": qas[:1]}]}
    (task,) = load_tasks(write(tmp_path / "squad" / "dev-v2.0.json", {"version": "v2.0", "data": [article]}))
    assert task.name == "squad"
    assert [(e.context, e.question, e.answers) for e in task.examples] == [
        ("a b", "a?", ("a",)),
        ("a b", "b?", ("b",)),
        ("c", "a?", ("a",)),
    ]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("squad/dev-v2.0.rebuilt.json", "squad"),
        ("coqa/dev.grouped.jsonl", "coqa"),
        ("boolq/validation.jsonl", "boolq"),
        ("x/ARC-Challenge-Test.jsonl", "ARC-Challenge"),
        ("jglue/jsquad-v1.3/valid-v1.3.json", "jsquad"),
        ("x/olmo_drop_1000.jsonl", "drop"),
        ("truthfulqa/v1/mc_task.json", "truthfulqa"),
        ("x/real_or_fake_text.json", "real_or_fake_text"),
        ("x/latest news.json", "latest news"),
    ],
)
def test_names_for_people(tmp_path, path, name):
    assert load_tasks(write_lines(tmp_path / path, [WHO, WHO]))[0].name == name


def test_ones_own_file_has_its_whole_name_and_all_its_rows(tmp_path):
    rows = [{"question": "Who?", "answers": ["Ada"], "context": "Ada."}, {"question": "Is it?", "answers": ["no"]}]
    path = write_lines(tmp_path / "my-task-test.jsonl", rows)
    table = write(tmp_path / "mine.csv", "question,choices,answer\nWhich?,a|b,b\nWhat?,a|b|c,a\n")
    assert summary(load_tasks(path)) == [("my-task-test", 2)]
    assert summary(load_tasks(table)) == [("mine", 2)]


def test_a_bad_line_is_named(tmp_path):
    path = write_lines(tmp_path / "nq.json", [WHO, WHO, {"question": "who"}])
    assert f"{path}, line 3: expected NQ-open (question, answer) as in the first row" in refused(path)
    path = write(tmp_path / "nq2.json", [WHO, {"question": "who"}])
    assert f"{path}, entry 2: expected NQ-open" in refused(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "{'a'}", "cannot be read as JSON: Expecting property name"),
        ("a.json", '[{"a": 1},\n 2', "cannot be read as JSON: Expecting ',' delimiter: line 2"),
        ("a.json", "[" * 100_000, "cannot be read as JSON"),
        ("a.json", "[]", "holds no questions; the known formats"),
        ("a.jsonl", "", "holds no questions; the known formats"),
        ("a.json", "[1]", "entry 1: a JSON object is expected, found int"),
        ("a.json", "3", "a list of objects is expected"),
        ("a.json", '{"data": 3}', "a list of objects is expected"),
        ("a.json", '{"a": 1}', "entry 1: found the columns ['a']; name yours with --columns"),
        ("a.json", '{"a": 1}\n{"a" 1}', "line 2: not JSON"),
        ("a.jsonl", '{"a": 1}', "line 1: found the columns ['a']; name yours with --columns"),
        ("a.txt", "text", ".csv, .tsv, .xlsx, .parquet, or hf:NAME is expected, not '.txt'"),
    ],
)
def test_what_is_no_task(tmp_path, name, content, said):
    assert said in refused(write(tmp_path / name, content))


@pytest.mark.parametrize("name", ["mmlu", "a.json", "a.jsonl", "a.csv"])
def test_what_does_not_exist(tmp_path, name):
    assert "there is nothing of this name" in refused(tmp_path / name)


# Drawing


def plain(n):
    return tuple(Example(f"{i}?", ("a",)) for i in range(n))


def passages(*sizes):
    return tuple(Example(f"{p}-{i}?", ("a",), context=f"passage {p}") for p, n in enumerate(sizes) for i in range(n))


@pytest.mark.parametrize("examples", [plain(100), passages(*[3] * 20, *[20] * 5)])
@pytest.mark.parametrize("limit", [1, 7, 40])
def test_drawing_is_repeatable_without_repetition_and_nested(examples, limit):
    few = drawn(examples, limit, 3)
    assert len(few) == len(set(few)) == limit
    assert set(few) <= set(examples)
    assert drawn(examples, limit, 3) == few
    assert drawn(examples, limit + 10, 3)[:limit] == few
    assert limit == 1 or drawn(examples, limit, 4) != few


def test_drawing_more_than_there_are():
    assert set(drawn(plain(5), 9, 0)) == set(plain(5))
    assert len(drawn(passages(20, 2), 99, 0)) == 8 + 2


def test_every_item_is_equally_likely():
    counts = dict.fromkeys(plain(10), 0)
    for seed in range(1000):
        for example in drawn(plain(10), 3, seed):
            counts[example] += 1
    # Binomial(1000, 0.3) has a standard deviation of 14.5.
    assert all(abs(count - 300) < 4.5 * 14.5 for count in counts.values())


def test_passages_are_drawn_whole_and_stay_together():
    examples = passages(*[3] * 20, *[20] * 5)
    sizes = {e.context: min(8, sum(x.context == e.context for x in examples)) for e in examples}
    found = drawn(examples, 50, 0)
    runs = [found[0].context] + [b.context for a, b in itertools.pairwise(found) if a.context != b.context]
    assert len(runs) == len(set(runs)) == len({e.context for e in found})
    # Only the last passage is cut, at the limit.
    assert all(sum(e.context == context for e in found) == sizes[context] for context in runs[:-1])
    assert len(runs) < 50 / 2


def test_questions_of_a_passage_need_not_be_neighbours():
    examples = passages(2, 2, 2)
    mixed = examples[::2] + examples[1::2]
    found = drawn(mixed, 6, 1)
    assert [a.context == b.context for a, b in zip(found[::2], found[1::2], strict=True)] == [True] * 3


def test_questions_of_a_long_passage_are_drawn_in_order():
    found = drawn(passages(50), 50, 2)
    numbers = [int(e.question.split("-")[1][:-1]) for e in found]
    assert len(numbers) == 8
    assert numbers == sorted(numbers)
    assert numbers != list(range(8))


def test_the_limit_holds_for_each_task(tmp_path):
    write(tmp_path / "a.json", bigbench(*[[1, 0], [0, 1]] * 10))
    write(tmp_path / "b.json", bigbench([1, 0], [0, 1]))
    assert summary(load_tasks(tmp_path, limit=5)) == [("a", 5), ("b", 2)]
    assert load_tasks(tmp_path, limit=5, seed=1) != load_tasks(tmp_path, limit=5)
    whole = load_tasks(tmp_path)[0].examples
    assert whole[0].question == "Is it 0?"
    assert set(load_tasks(tmp_path, limit=5)[0].examples) <= set(whole)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one(tmp_path, limit):
    with pytest.raises(InvalidInputError, match=f"limit={limit}"):
        load_tasks(tmp_path, limit=limit)


# The hub


@pytest.fixture
def hub(monkeypatch):
    """Stands for ``datasets``; what it was asked for, and what it gives for it."""
    asked = []
    splits = {"train": [WHO] * 3, "test": [WHO] * 2, "validation": [WHO]}

    def load_dataset(name, config=None, *, split=None):
        asked.append((name, config, split))
        if name == "missing/one":
            msg = "Dataset 'missing/one' doesn't exist on the Hub"
            raise FileNotFoundError(msg)
        return splits[split] if split else splits

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return types.SimpleNamespace(asked=asked, splits=splits)


@pytest.mark.parametrize(
    ("source", "asked", "name", "items"),
    [
        ("hf:google-research-datasets/nq_open", ("google-research-datasets/nq_open", None, None), "nq_open", 1),
        ("hf:nq_open:train", ("nq_open", None, "train"), "nq_open", 3),
        ("hf:ai2_arc:ARC-Easy", ("ai2_arc", "ARC-Easy", None), "ai2_arc-ARC-Easy", 1),
        ("hf:ai2_arc:ARC-Easy:test", ("ai2_arc", "ARC-Easy", "test"), "ai2_arc-ARC-Easy", 2),
        ("hf:nq_open::test", ("nq_open", None, "test"), "nq_open", 2),
    ],
)
def test_names_of_the_hub(hub, source, asked, name, items):
    found = load_tasks(source)
    assert hub.asked == [asked]
    assert summary(found) == [(name, items)]
    assert found[0].examples[0] == ADA


def test_the_split_that_is_taken(hub):
    del hub.splits["validation"]
    assert summary(load_tasks("hf:nq_open")) == [("nq_open", 2)]
    del hub.splits["test"]
    assert summary(load_tasks("hf:nq_open")) == [("nq_open", 3)]
    hub.splits["odd"] = hub.splits.pop("train")[:1]
    assert summary(load_tasks("hf:nq_open")) == [("nq_open", 1)]


def test_rows_of_the_hub_are_named(hub):
    hub.splits["test"][1] = {"question": "who"}
    assert "hf:nq_open:test, row 2: expected NQ-open" in refused("hf:nq_open:test")
    hub.splits["test"].clear()
    assert "holds no questions" in refused("hf:nq_open:test")


@pytest.mark.parametrize("source", ["hf:", "hf::test", "hf:a:b:c:d"])
def test_a_name_of_the_hub_that_is_none(hub, source):
    assert "expected hf:NAME, hf:NAME:CONFIG, hf:NAME:SPLIT or hf:NAME:CONFIG:SPLIT" in refused(source)
    assert hub.asked == []


def test_a_data_set_that_is_not_there(hub):
    assert "cannot be loaded: Dataset 'missing/one' doesn't exist on the Hub" in refused("hf:missing/one")


def test_the_hub_without_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="eval"):
        load_tasks("hf:nq_open")


def test_the_real_library_reads_a_local_data_set(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [
        {"question": "What rusts?", "choices": {"text": ["iron", "wood"], "label": ["A", "B"]}, "answerKey": key}
        for key in "ABA"
    ]
    write_lines(tmp_path / "metals" / "validation.jsonl", rows)
    (task,) = load_tasks(f"hf:{tmp_path / 'metals'}")
    assert task.name == "metals"
    assert [(e.question, e.choices, e.label) for e in task.examples] == [
        ("What rusts?", ("iron", "wood"), label) for label in (0, 1, 0)
    ]
