"""Scoring a file of answers: what a line may be, what comes back, and that an interruption leaves no trace."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock

from tests.fakes import HIDDEN, FakeModel
from thermolang.bulk import files
from thermolang.bulk.lines import EXPECTED
from thermolang.calibration.task_state import SETTLED
from thermolang.errors import InvalidInputError, TaskFormatError
from thermolang.estimator import ConfidenceEstimator
from thermolang.models.families import Family, ThinkingTags
from thermolang.models.prompts import choice_messages, question_messages
from thermolang.routing.policy import Policy
from thermolang.types import Decision, Example

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "首都は?"}]


def score_file(*arguments, **options):
    """Of the model's own answers; texts from elsewhere have tests of their own."""
    return files.score_file(*arguments, own_answers=True, **options)


def hidden(text):
    """In torch's memory, as a model's are: where other memory begins decides a network's last digit."""
    import torch

    random = np.random.default_rng(list(text.encode()))
    return torch.tensor(random.normal(0, 1, HIDDEN), dtype=torch.float32).numpy()


def fake(**options):
    return FakeModel(hidden=hidden, **options)


@pytest.fixture(scope="module")
def calibrator(calibrator_for):
    return calibrator_for(fake())


@pytest.fixture
def made(calibrator):
    """Makes an estimator over a fake model, with nothing learned about any task."""

    def make(model=None, **options):
        return ConfidenceEstimator(model or fake(), calibrator, state_dir=None, **options)

    return make


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.jsonl"


@pytest.fixture
def source(tmp_path):
    def write(*rows, name="answers.jsonl"):
        path = tmp_path / name
        texts = (json.dumps(r) if isinstance(r, dict) else r for r in rows)
        path.write_bytes(b"\n".join(t.encode() if isinstance(t, str) else t for t in texts))
        return path

    return write


@pytest.fixture
def mixed(source):
    """Every kind of line, some of them bad; consecutive ones make batches of several sizes."""
    return source(
        *({"question": f"Q{i}?", "answer": "東京", "id": i} for i in range(5)),
        {"messages": CHAT, "answer": "Tokyo", "task": "chat"},
        "not json",
        {"question": "2 + 2?", "choices": ["3", "4"], "answer": "4", "task": "sums"},
        {"question": "2 + 3?", "choices": ["4", "5"], "answer": "4", "task": "sums"},
        {"question": "nothing"},
        "",
        {"question": "long " * 300, "answer": "too long for the model"},
        {"question": "last?", "answer": "yes", "decision": "a key of the user's"},
    )


def records(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def timeless(path):
    """The records without the time they took."""
    found = records(path)
    for record in found:
        del record["confidence"]["seconds"]
    return found


# What a line may be, and what comes back


def test_each_line_comes_back_in_its_place_with_its_confidence(made, mixed, out):
    estimator = made()
    summary = score_file(estimator, mixed, out, task="qa")
    rows = [json.loads(line) for line in mixed.read_text().splitlines() if line and line != "not json"]
    found = records(out)
    confidences = [record.pop("confidence") for record in found]
    assert found.pop(6) == {"raw": "not json"}
    assert found == rows
    assert [c["task"] for c in confidences] == ["qa"] * 5 + ["chat", "", "sums", "sums", "", "qa", "qa"]
    assert [c["value"] is None for c in confidences] == [False] * 6 + [True] + [False] * 2 + [True] * 2 + [False]
    assert (summary.lines, summary.new, summary.scored, summary.bad, summary.first_bad) == (12, 12, 9, 2, (7, 10))
    assert summary.reason.endswith("but fake takes at most 1000; shorten it")
    values = [c["value"] for c in confidences if c["value"] is not None]
    assert summary.mean == pytest.approx(sum(values) / 9)
    assert summary.accepted is None


def test_a_line_is_scored_as_the_estimator_would(made, source, out):
    rows = [
        {"question": "Where?", "context": "In Japan.", "answer": "Kyoto", "task": "a"},
        {"messages": CHAT, "answer": "Tokyo", "task": "b"},
        {"question": "2 + 2?", "choices": ["3", "4", "four"], "answer": "4", "task": "c"},
        {"messages": CHAT, "choices": ["A", "B"], "answer": "B) Tokyo", "task": "d"},
    ]
    estimator = made()
    score_file(estimator, source(*rows), out)
    asked = [
        (question_messages(Example("Where?", context="In Japan.")), "Kyoto", None),
        (CHAT, "Tokyo", None),
        (choice_messages("2 + 2?", ["3", "4", "four"]), "B", ["A", "B", "C"]),
        (CHAT, "B", ["A", "B"]),
    ]
    for record, (messages, answer, choices) in zip(records(out), asked, strict=True):
        same = estimator.score(messages, answer, task=record["task"], choices=choices)
        assert record["confidence"]["value"] == pytest.approx(same.value)
        assert record["confidence"]["source"] == ("choice" if choices else "self_check")
    assert {a["text"] for a in records(out)[2]["confidence"]["alternatives"]} == {"3", "four"}
    assert {a["text"] for a in records(out)[3]["confidence"]["alternatives"]} == {"A"}


def test_all_answers_of_a_task_have_one_temperature_wherever_they_stand(made, source, out, tmp_path):
    rows = [{"question": f"Q{i}?", "answer": "a", "id": i} for i in range(25)]
    there, back = source(*rows), source(*rows[::-1], name="back.jsonl")
    score_file(made(), there, out, task="t")
    score_file(made(), back, tmp_path / "back-out.jsonl", task="t")
    assert len({(r["confidence"]["temperature"], r["confidence"]["task_version"]) for r in records(out)}) == 1
    assert timeless(tmp_path / "back-out.jsonl") == timeless(out)[::-1]


def test_a_task_is_settled_on_its_first_distinct_inputs(made, source, out):
    rows = [{"question": f"Q{i // 2}?", "answer": f"{i}", "task": "t"} for i in range(100)]
    model = fake()
    estimator = made(model)
    score_file(estimator, source(*rows), out)
    assert estimator.state("t", "self_check").current.inputs == SETTLED
    assert model.calls.count("self_check") == 100 + SETTLED


def test_batches_are_of_consecutive_lines_and_change_nothing(made, mixed, out, tmp_path):
    class Counting(FakeModel):
        def self_check_batch(self, pairs):
            sizes.append(len(pairs))
            return super().self_check_batch(pairs)

    sizes = []
    score_file(made(), mixed, tmp_path / "one.jsonl", batch_size=1)
    score_file(made(Counting(hidden=hidden)), mixed, out, batch_size=3)
    assert timeless(out) == timeless(tmp_path / "one.jsonl")
    settling = 8  # one by one: six questions, the conversation and the one that is too long
    assert sizes[settling:] == [3, 2, 1, 2, 1, 1]  # the last two after one of two failed
    with pytest.raises(InvalidInputError, match="a batch of at least 1"):
        score_file(made(), mixed, out, batch_size=0)


def test_a_policy_decides_each_line(made, mixed, out):
    summary = score_file(made(), mixed, out, policy=Policy(0.3, review_unsupported=False))
    found = records(out)
    assert all(Decision.from_dict(r["decision"]).threshold == 0.3 for r in found)
    wanted = ["accept" if (r["confidence"]["value"] or 0) >= 0.3 else "review" for r in found]
    assert [r["decision"]["action"] for r in found] == wanted
    assert summary.accepted == wanted.count("accept") > 0
    assert found[6]["decision"]["reason"] == found[6]["confidence"]["reason"]


def test_a_scored_file_can_be_edited_and_scored_again(made, mixed, out, tmp_path):
    score_file(made(), mixed, out, policy=Policy(0.3))
    edited = tmp_path / "edited.jsonl"
    edited.write_text(out.read_text(encoding="utf-8").replace("東京", "京都"), encoding="utf-8")
    score_file(made(), edited, tmp_path / "again.jsonl")
    found = records(tmp_path / "again.jsonl")
    assert [list(r) for r in found[:1]] == [["question", "answer", "id", "confidence"]]
    assert found[0]["answer"] == "京都"
    assert not any("decision" in r for r in found)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("{", "not JSON (Expecting property name"),
        (b'{"question": "caf\xe9", "answer": "a"}', "its letters are neither UTF-8 nor"),
        ('{"question": "q", "answer": "a", "x": NaN}', "NaN and Infinity are no JSON"),
        ('{"question": "q", "answer": "a", "x": [-Infinity]}', "NaN and Infinity are no JSON"),
        ('{"question": "q", "answer": "a", "x": 1e999}', "NaN and Infinity are no JSON"),
        ("[" * 100_000, "recursion"),
        ("[1]", "a JSON object is expected, found list"),
        ("null", "a JSON object is expected, found NoneType"),
        ({}, "`answer`: Field required"),
        ({"question": "q"}, "`answer`: Field required"),
        ({"question": "q", "answer": None}, "`answer`: Field required"),
        ({"question": "q", "answer": 4}, "`answer`: Input should be a valid string"),
        ({"question": 1, "answer": "a"}, "`question`: Input should be a valid string"),
        ({"question": "q", "context": 1, "answer": "a"}, "`context`: Input should be a valid string"),
        ({"question": "q", "task": 1, "answer": "a"}, "`task`: Input should be a valid string"),
        ({"answer": "a"}, "one of `question` and `messages` is needed"),
        ({"answer": "a", "messages": []}, "one of `question` and `messages` is needed"),
        ({"question": "q", "messages": CHAT, "answer": "a"}, "one of `question` and `messages` is needed"),
        ({"messages": "q", "answer": "a"}, "`messages`: Input should be a valid list"),
        ({"messages": ["q"], "answer": "a"}, "`messages.0`: Input should be"),
        ({"messages": [{"role": "user"}], "answer": "a"}, "`messages.0.content`: Field required"),
        ({"messages": [{"role": "user", "content": None}], "answer": "a"}, "`messages.0.content`: Input should be"),
        ({"question": "q", "choices": "ab", "answer": "a"}, "`choices`: Input should be a valid list"),
        ({"question": "q", "choices": [1, 2], "answer": "1"}, "`choices.0`: Input should be a valid string"),
        ({"question": "q", "choices": ["a"], "answer": "a"}, "`choices`: List should have at least 2 items"),
        ({"question": "q", "choices": [*map(str, range(27))], "answer": "1"}, "`choices`: List should have at most 26"),
        ({"question": "q", "choices": ["a", "a"], "answer": "a"}, "two of the `choices` are the same"),
        ({"question": "q", "choices": ["a", "b"], "answer": "c"}, "the `answer` 'c' is none of the `choices`"),
    ],
)
def test_a_bad_line_says_what_was_expected_and_stops_no_other(made, source, out, row, complaint):
    good = {"question": "q", "answer": "a"}
    path = source(good, row, "", good)
    summary = score_file(made(), path, out)
    first, bad, last = records(out)
    reason = bad.pop("confidence")["reason"]
    assert reason.startswith(f"{path}, line 2: ")
    assert complaint in reason
    assert reason.endswith(EXPECTED)
    raw = row if isinstance(row, bytes | str) else b""
    assert bad == ({"raw": raw if isinstance(raw, str) else raw.decode("utf-8", "replace")} if raw else row)
    assert first["confidence"]["value"] == last["confidence"]["value"] is not None
    assert (summary.scored, summary.bad, summary.first_bad, summary.reason) == (2, 1, (2,), "")
    assert score_file(made(), path, out).new == 0  # what it became is known again


@pytest.mark.parametrize("answer", ["", "<think>hm", "  "])
def test_an_answer_that_says_nothing_is_no_bad_line(made, source, out, answer):
    choices = {"choices": ["A", "B"]} if answer.startswith("<") else {}
    summary = score_file(made(), source({"question": "q", "answer": answer, **choices}), out)
    assert (summary.scored, summary.bad, summary.mean) == (0, 0, None)
    assert summary.reason in ("the answer is empty", records(out)[0]["confidence"]["reason"])


def test_half_a_character_stops_no_other(tiny_model, calibrator_for, source, out):
    estimator = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)
    path = source({"question": "half \ud800", "answer": "a"}, {"question": "q", "answer": "a"})
    assert score_file(estimator, path, out).lines == 2
    assert "cannot read this text" in records(out)[0]["confidence"]["reason"]
    assert score_file(estimator, path, out).new == 0


def test_null_and_empty_lists_stand_for_nothing(made, source, out):
    row = {"question": "q", "answer": "a", "messages": None, "choices": [], "context": None, "task": None, "id": None}
    assert score_file(made(), source(row), out, task="t").scored == 1
    record = records(out)[0]
    assert record.pop("confidence")["task"] == "t"
    assert record == row


def test_bom_line_ends_and_odd_letters_are_taken(made, tmp_path, out):
    path = tmp_path / "windows.jsonl"
    line = b'{"question": "q", "answer": "a", "x": 1e300, "y": "\\ud800 \\u6771"}'
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n  \r\n" + line + b"\r\n")
    assert score_file(made(), path, out).scored == 2
    assert records(out)[1]["y"] == "\ud800 東"
    assert score_file(made(), path, out).new == 0


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read"), (b"", "no lines"), (b"\xef\xbb\xbf\n \n", "no lines")]
)
def test_a_source_without_lines_is_refused(made, tmp_path, out, content, said):
    path = tmp_path / "none.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TaskFormatError, match=said):
        score_file(made(), path, out)
    assert not out.exists()


def test_without_a_calibrator_every_reason_names_the_command(mixed, out):
    estimator = ConfidenceEstimator(fake(), state_dir=None)
    summary = score_file(estimator, mixed, out, policy=Policy())
    assert (summary.scored, summary.accepted) == (0, 0)
    assert summary.reason == "no calibrator for this model: thermolang calibrate --model fake"
    assert estimator.why_no_calibrator().text == summary.reason
    assert all(r["confidence"]["value"] is None for r in records(out))


def test_the_most_common_reason_counts_what_differs_by_numbers(made, source, out):
    long = [{"question": "x" * n, "answer": "a"} for n in range(1000, 1010)]
    empty = [{"question": "q", "answer": ""}] * 3
    assert "tokens, but fake takes at most 1000" in score_file(made(), source(*empty, *long), out).reason


def test_the_most_common_reason_is_told_and_bad_lines_are_not_kept(made, source, out):
    rows = [*({"question": "x" * 2000, "answer": "a"} for _ in range(2)), {"question": "", "answer": "a"}, *["{"] * 9]
    summary = score_file(made(), source(*rows), out)
    assert (summary.bad, summary.first_bad) == (9, (4, 5, 6, 7, 8))
    assert "tokens, but fake takes at most" in summary.reason


def test_a_reason_is_the_most_common_only_if_it_is(made, source, out):
    long, empty = {"question": "x" * 2000, "answer": "a"}, {"question": "q", "answer": ""}
    assert score_file(made(), source(long, empty, name="a.jsonl"), out).reason == ""
    assert "empty" in score_file(made(), source(long, empty, empty, name="b.jsonl"), out.with_name("b")).reason


# Other files than JSON lines


ROWS = [{"id": f"{i}", "question": f"Q{i}?", "answer": "東京"} for i in range(3)]
CHOICE = {"id": "3", "question": "2 + 2?", "answer": "4", "choices": "3|4"}


def as_csv(rows, separator):
    header = list(rows[-1])
    cells = [separator.join(row.get(name, "") for name in header) for row in rows]
    return "\n".join([separator.join(header), *cells])


@pytest.mark.parametrize(("separator", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")])
def test_a_table_is_scored_as_json_lines_are(made, source, out, tmp_path, separator, encoding):
    rows = [*ROWS, CHOICE]
    path = tmp_path / "answers.csv"
    path.write_text(as_csv(rows, separator), encoding=encoding)
    lists = [{**row, "choices": row["choices"].split("|")} if "choices" in row else row for row in rows]
    score_file(made(), path, out)
    score_file(made(), source(*lists), tmp_path / "lines.jsonl")
    found = timeless(out)
    assert [r["confidence"] for r in found] == [r["confidence"] for r in timeless(tmp_path / "lines.jsonl")]
    assert [{k: v for k, v in r.items() if k != "confidence"} for r in found] == rows
    assert score_file(made(), path, out).new == 0


def test_excel_and_a_json_list_are_scored_too(made, out, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["question", "answer", "n"], ["When?", 1889, 7], ["Where?", "here", None]):
        book.active.append(row)
    book.save(tmp_path / "answers.xlsx")
    assert score_file(made(), tmp_path / "answers.xlsx", out).scored == 2
    assert [list(r) for r in records(out)] == [
        ["question", "answer", "n", "confidence"],
        ["question", "answer", "confidence"],
    ]
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(ROWS), encoding="utf-8")
    assert score_file(made(), path, tmp_path / "json.jsonl").scored == 3


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"質問": "Q?", "回答": "a"}, {}),
        ({"Prompt": "Q?", "Answer": "a"}, {}),
        ({"input": "Q?", "target": "no", "output": "a"}, {"answer": "output"}),
        ({"question": "no", "Q": "Q?", "A": "a", "answer": "no"}, {"question": "Q", "answer": "A"}),
    ],
)
def test_columns_are_told_by_their_names_or_named(made, source, out, row, columns):
    summary = score_file(made(), source(row), out, columns=columns)
    assert summary.scored == 1
    record = records(out)[0]
    assert record.pop("confidence")["value"] == made().score(question_messages(Example("Q?")), "a").value
    assert record == row


def test_a_column_that_is_not_there_is_refused(made, source, out):
    with pytest.raises(TaskFormatError, match="there is no column 'A', only"):
        score_file(made(), source({"question": "q", "answer": "a"}), out, columns={"answer": "A"})
    assert not out.exists()


def test_a_bad_row_of_a_table_stops_no_other_and_the_output_is_json(made, out, tmp_path):
    path = tmp_path / "answers.csv"
    path.write_bytes(b'question,answer\nq,a\nq,a,b\nq\nq,caf\xe9\n"q"x,a\nq,NaN\n')
    summary = score_file(made(), path, out)
    assert (summary.lines, summary.scored, summary.first_bad) == (6, 2, (3, 4, 5, 6))
    assert [r.get("raw") for r in records(out)] == [None, "q,a,b", None, "q,caf\ufffd", "", None]
    reasons = [r["confidence"]["reason"] for r in records(out)]
    for reason, said in zip(reasons[1:5], ("2 columns", "`answer`: Field required", "UTF-8", "not CSV"), strict=True):
        assert said in reason and reason.endswith(EXPECTED)

    def no_constant(name):
        raise AssertionError(name)

    assert all(json.loads(line, parse_constant=no_constant) for line in out.read_bytes().splitlines())


def test_progress_is_told(made, mixed, out):
    told = []
    score_file(made(), mixed, out, batch_size=4, progress=told.append)
    assert [t.done for t in told if t.done] == [4, 5, 6, 7, 9, 10, 12]
    assert {t.total for t in told} == {12}
    assert told[0].seconds_left is None and told[-1].seconds_left == 0 and told[-1].rate > 0


# Going on


def test_a_cut_at_every_byte_leaves_no_trace(made, source, out):
    path = source("{", {"question": "都?", "answer": "東京", "id": 1})
    score_file(made(), path, out)
    whole, wanted = out.read_bytes(), timeless(out)
    for cut in range(len(whole) + 1):
        out.write_bytes(whole[:cut])
        summary = score_file(made(), path, out)
        assert timeless(out) == wanted, cut
        kept = whole[:cut].rpartition(b"\n")[0]  # with the seconds of the first run: not scored again
        assert out.read_bytes().startswith(kept), cut
        assert (summary.lines, summary.new) == (2, 2 - whole[:cut].count(b"\n"))


def test_a_cut_in_any_line_leaves_no_trace(made, mixed, out):
    policy = Policy(0.5)
    score_file(made(), mixed, out, policy=policy, batch_size=3)
    whole, wanted = out.read_bytes(), timeless(out)
    ends = [i for i, byte in enumerate(whole, 1) if byte == ord("\n")]
    for cut in (max(end - back, 0) for end in ends for back in (0, 1, 2, 20, 150, 400)):
        out.write_bytes(whole[:cut])
        summary = score_file(made(), mixed, out, policy=policy, batch_size=3)
        assert timeless(out) == wanted, cut
        assert (summary.lines, summary.new) == (12, 12 - whole[:cut].count(b"\n"))


def test_with_states_on_disk_a_cut_leaves_no_trace_either(calibrator, mixed, out, tmp_path):
    def fresh(name):
        return ConfidenceEstimator(fake(), calibrator, state_dir=tmp_path / name)

    score_file(fresh("whole"), mixed, out)
    wanted, lines = timeless(out), out.read_bytes().splitlines(keepends=True)
    for n in range(len(lines)):
        out.write_bytes(b"".join(lines[:n]) + b'{"que'[: n % 5])
        score_file(fresh("whole"), mixed, out)
        assert timeless(out) == wanted


def test_the_temperature_of_a_task_is_taken_from_the_file(made, source, out):
    path = source(*({"question": f"Q{i}?", "answer": "a", "task": f"t{i % 100}"} for i in range(200)))
    score_file(made(), path, out)
    wanted, lines = timeless(out), out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:100]))
    model = fake()
    score_file(made(model), path, out)
    assert timeless(out) == wanted  # to the last digit, though the file holds T* and not 1/T*
    assert len(model.calls) == 100  # no task was settled again


def test_a_cut_batch_is_read_again_as_it_was(tiny_model, calibrator_for, source, out, monkeypatch):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    calibrator = calibrator_for(tiny_model)
    rows = [{"question": "Why? " * (1 + i % 3), "answer": "No" * (1 + i)} for i in range(7)]
    rows += [{"question": f"Is it {i}?", "choices": ["yes", "no"], "answer": "no"} for i in range(3)]
    path = source(*rows)
    score_file(ConfidenceEstimator(tiny_model, calibrator, state_dir=None), path, out, batch_size=4)
    whole, wanted = out.read_bytes().splitlines(keepends=True), timeless(out)
    assert sum(r["confidence"]["value"] is not None for r in wanted) == 10
    for kept in (2, 5, 9):
        out.write_bytes(b"".join(whole[:kept]))
        score_file(ConfidenceEstimator(tiny_model, calibrator, state_dir=None), path, out, batch_size=4)
        assert timeless(out) == wanted


def test_a_finished_file_is_left_alone(made, mixed, out):
    first = score_file(made(), mixed, out, policy=Policy(0.5))
    before, model = out.read_bytes(), fake()
    again = score_file(made(model), mixed, out, policy=Policy(0.5))
    assert (out.read_bytes(), model.calls, again.new) == (before, [], 0)
    assert again == replace(first, new=0)


def test_lines_that_were_added_are_scored_under_the_same_temperature(made, source, out):
    rows = [{"question": f"Q{i}?", "answer": "a", "task": "t"} for i in range(9)]
    score_file(made(), source(*rows[:4]), out)
    before = out.read_bytes()
    assert score_file(made(), source(*rows), out).new == 5
    assert out.read_bytes().startswith(before)
    assert len({r["confidence"]["temperature"] for r in records(out)}) == 1


def test_a_process_that_is_killed_loses_nothing(made, mixed, out, tmp_path, calibrator):
    many = tmp_path / "many.jsonl"
    many.write_bytes((mixed.read_bytes() + b"\n") * 20)
    calibrator.save(tmp_path / "calibrator")
    script = """
        import sys, time
        from tests.bulk.test_files import hidden
        from tests.fakes import FakeModel
        from thermolang.estimator import ConfidenceEstimator
        from thermolang.bulk.files import score_file
        class Slow(FakeModel):
            def self_check(self, *pair):
                time.sleep(0.02)
                return super().self_check(*pair)
        folder, source, target = sys.argv[1:]
        estimator = ConfidenceEstimator(Slow(hidden=hidden), folder, state_dir=None)
        score_file(estimator, source, target, task="t", own_answers=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), tmp_path / "calibrator", many, out]
    process = subprocess.Popen(command)
    while process.poll() is None and not (out.exists() and out.read_bytes().count(b"\n") > 50):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    written = out.read_bytes()
    assert 50 < written.count(b"\n") < 240
    score_file(ConfidenceEstimator(fake(), tmp_path / "calibrator", state_dir=None), many, out, task="t")
    score_file(made(), many, tmp_path / "uninterrupted.jsonl", task="t")
    assert out.read_bytes().startswith(written.rpartition(b"\n")[0])
    assert timeless(out) == timeless(tmp_path / "uninterrupted.jsonl")
    assert not out.with_name("out.jsonl.lock").exists()


# What does not go together


@pytest.fixture
def begun(made, source, out):
    """A file that was half written, and what would finish it."""
    path = source(*({"question": f"Q{i}?", "answer": "a", "decision": i} for i in range(6)))
    score_file(made(), path, out, task="t")
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:3]))
    return path


def refused(out, *arguments, **options):
    before = out.read_bytes()
    with pytest.raises(InvalidInputError) as caught:
        score_file(*arguments, out, **options)
    assert out.read_bytes() == before
    assert not out.with_name(out.name + ".lock").exists()
    return str(caught.value)


def test_other_answers_are_refused(made, source, out, begun):
    other = source(
        {"question": "Q0?", "answer": "a", "decision": 0}, {"question": "Q1?", "answer": "b"}, name="b.jsonl"
    )
    said = refused(out, made(), other, task="t")
    assert said.startswith(
        f"{out}, line 2, was not made from line 2 of the answers: give another --out, or delete {out}"
    )
    fewer = source(*({"question": f"Q{i}?", "answer": "a", "decision": i} for i in range(2)), name="c.jsonl")
    assert "has more lines than there are answers" in refused(out, made(), fewer, task="t")
    assert "another file than" in refused(begun, made(), begun, task="t")


@pytest.mark.parametrize(
    "content",
    [b"my notes", b"my notes\n", b"\x00\x01", b'{"question": "Q0?", "answer": "a", "decision": 0}\n', b"{}\n"],
)
def test_a_foreign_file_is_not_touched(made, out, begun, content):
    out.write_bytes(content)
    assert f"{out}, line 1, was not made from line 1" in refused(out, made(), begun, task="t")


def test_a_damaged_line_is_not_skipped(made, out, begun):
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(lines[0] + lines[1][:-9] + b"\n" + lines[2])
    assert f"{out}, line 2, was not made from" in refused(out, made(), begun, task="t")


def test_another_task_or_threshold_is_refused(made, out, begun):
    assert f"{out}, line 1, was scored with the task 't', not 'u'" in refused(out, made(), begun, task="u")
    assert "was scored with the task 't', not 'unnamed-" in refused(out, made(), begun)
    out.unlink()
    score_file(made(), begun, out, task="t", policy=Policy(0.5))
    assert "with the threshold 0.5, not 0.6" in refused(out, made(), begun, task="t", policy=Policy(0.6))


def test_another_calibrator_or_none_is_refused(made, calibrator, calibrator_for, out, begun):
    other = calibrator_for(fake(), seed=1)
    said = refused(out, ConfidenceEstimator(fake(), other, state_dir=None), begun, task="t")
    assert f"was scored with '{calibrator.id}', not with '{other.id}'" in said
    bare = ConfidenceEstimator(fake(), state_dir=None)
    assert f"with '{calibrator.id}', not with 'no calibrator for this model" in refused(out, bare, begun, task="t")
    out.unlink()
    score_file(bare, begun, out, task="t")
    assert (
        f"with 'no calibrator for this model: thermolang calibrate --model fake', not with '{calibrator.id}'"
        in refused(out, made(), begun, task="t")
    )
    elsewhere = ConfidenceEstimator(fake(name="other"), state_dir=None)
    assert "--model fake', not with" in refused(out, elsewhere, begun, task="t")


def test_a_calibrator_without_a_fit_goes_on(calibrator_for, source, out):
    estimator = ConfidenceEstimator(fake(), calibrator_for(fake(), sources=("choice",)), state_dir=None)
    path = source(*({"question": f"Q{i}?", "answer": "a"} for i in range(3)))
    assert "this calibrator has no fit for free-form answers" in score_file(estimator, path, out).reason
    out.write_bytes(out.read_bytes().splitlines(keepends=True)[0])
    assert score_file(estimator, path, out).new == 2


def test_two_runs_at_a_time_are_refused(made, out, begun):
    with FileLock(f"{out}.lock"):
        before = out.read_bytes()
        with pytest.raises(InvalidInputError, match="another run is writing"):
            score_file(made(), begun, out, task="t")
        assert out.read_bytes() == before
    out.with_name("out.jsonl.lock").touch()  # as after kill -9
    assert score_file(made(), begun, out, task="t").new == 3


def test_thoughts_between_the_models_own_tags_are_no_part_of_a_choice(made, source, out):
    estimator = made()
    estimator.model.family = Family("own", thinking=ThinkingTags("[THINK]", "[/THINK]"))
    row = {"question": "Capital?", "choices": ["Rome", "Paris"], "answer": "[THINK]Hm[/THINK] Paris"}
    assert score_file(estimator, source(row), out).bad == 0
    assert score_file(made(), source(row), out.with_name("other.jsonl")).bad == 1
