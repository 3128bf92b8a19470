"""Export and import: each format gives back what was stored, and nothing that operators must not learn."""

import csv
import json
from datetime import timedelta

import pytest

from tests.review.conftest import REVIEW, submit
from thermolang import Confidence, Decision, Policy, ReviewStore
from thermolang.errors import InvalidInputError, TaskFormatError
from thermolang.review import Audit, LeadService, ReviewService, TaskSettings, purge, transfer
from thermolang.review.records import utc_now

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "\n@x"]


@pytest.fixture
def store():
    with ReviewStore("sqlite://", audit=Audit(1.0)) as store:
        yield store


@pytest.fixture
def decided(store):
    item = submit(store, 0.3, "Capital of Australia?", "Sydney", task="capitals", context="Atlas", model="m")
    return store.decide(item.id, "correct", operator="ann", corrected_answer="Canberra", note="no")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_an_item_is_exported_with_its_verdict(store, decided, tmp_path):
    assert transfer.export_file(store, tmp_path / "out.jsonl") == 1
    (found,) = lines(tmp_path / "out.jsonl")
    assert list(found) == list(transfer.COLUMNS)
    assert found["id"] == decided.id and found["created_at"] == decided.created_at.isoformat()
    assert (found["question"], found["answer"], found["context"]) == ("Capital of Australia?", "Sydney", "Atlas")
    assert (found["confidence"], found["threshold"], found["status"]) == (0.3, 0.8, "corrected")
    assert (found["verdict"], found["corrected_answer"], found["operator"]) == ("correct", "Canberra", "ann")
    assert found["reject_reason"] is None and found["purged"] is False


def test_all_formats_say_the_same(store, decided, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    submit(store, None, "Why?", '日本語, "quoted"\nand so on')
    for ending in ("jsonl", "csv", "parquet"):
        assert transfer.export_file(store, tmp_path / f"out.{ending}") == 2
    expected = lines(tmp_path / "out.jsonl")
    assert parquet.read_table(tmp_path / "out.parquet").to_pylist() == expected
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{name: "" if cell is None else str(cell) for name, cell in row.items()} for row in expected]


def test_an_empty_store_gives_a_file_with_columns(store, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert transfer.export_file(store, tmp_path / "out.parquet") == 0
    assert parquet.read_table(tmp_path / "out.parquet").column_names == list(transfer.COLUMNS)


def test_a_dataset_is_read_by_its_library(store, decided, tmp_path):
    datasets = pytest.importorskip("datasets")
    assert transfer.export_dataset(store, tmp_path / "set") == 1
    found = datasets.load_from_disk(str(tmp_path / "set"))
    assert found[0]["corrected_answer"] == "Canberra"
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    with pytest.raises(InvalidInputError, match="is there already"):
        transfer.export_dataset(store, tmp_path / "set")


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula(store, tmp_path, formula):
    item = submit(store, 0.3, formula, formula, context=formula)
    store.decide(item.id, "correct", operator="ann", corrected_answer=formula, note=formula)
    transfer.export_file(store, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert [row[n] for n in ("question", "answer", "context", "corrected_answer", "note")] == [f"'{formula}"] * 5
    transfer.export_file(store, tmp_path / "out.jsonl")
    assert lines(tmp_path / "out.jsonl")[0]["answer"] == formula


def test_purged_items_have_no_texts(store, decided, tmp_path):
    purge(store, older_than=timedelta(0), now=utc_now() + timedelta(seconds=1))
    transfer.export_file(store, tmp_path / "out.jsonl")
    told = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert not any(text in told for text in ("Australia", "Sydney", "Canberra", "Atlas", "[purged]"))
    (found,) = lines(tmp_path / "out.jsonl")
    assert (found["purged"], found["verdict"], found["operator"]) == (True, "correct", "ann")


def test_only_leads_learn_what_the_audit_drew(store, tmp_path):
    scored = Confidence(0.93)
    drawn = store.submit_accepted("Why?", "So.", confidence=scored, decision=Policy(0.8).decide(scored))
    assert drawn is not None
    store.submit("Why?", "So.", confidence=scored, decision=Decision("review", "chosen for review", 0.8))
    first, second = transfer.records(store)
    differs = {name for name in first if first[name] != second[name]}
    assert differs == {"id", "created_at"}
    assert [row["audit"] for row in transfer.records(store, for_leads=True)] == [True, False]


def test_copies_are_in_no_export(store, decided):
    LeadService(store).set_settings("*", TaskSettings(probe_share=0.5), operator="lee")
    LeadService(store).mark_probe(decided.id, operator="lee")
    ReviewService(store).prepare("bob")
    assert ReviewService(store).search(operator="bob").total == 1
    assert [row["id"] for row in transfer.records(store)] == [decided.id]


def test_items_are_read_in_parts(any_store, monkeypatch):
    monkeypatch.setattr(transfer, "PART", 2)
    ids = [submit(any_store, n / 10, f"question {n}").id for n in range(5)]
    assert [row["id"] for row in transfer.records(any_store)] == ids
    assert [row["id"] for row in transfer.records(any_store, task="other")] == []


def test_a_failed_export_leaves_the_old_file(store, decided, tmp_path, monkeypatch):
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    monkeypatch.setattr(transfer, "_record", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        transfer.export_file(store, target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_another_ending_is_refused(store, tmp_path):
    with pytest.raises(InvalidInputError, match=r"ends in \.jsonl, \.csv, \.parquet, not '\.xlsx'"):
        transfer.export_file(store, tmp_path / "out.xlsx")


ROWS = [
    {"question": "1+1?", "answer": "3", "confidence": 0.2, "task": "sums", "id": "a", "more": [1]},
    {"question": "2+2?", "answer": "4", "confidence": None},
    {"question": "3+3?", "answer": "7", "confidence": Confidence(0.5, task="six").to_dict()},
]


def test_imported_lines_wait_and_are_not_added_twice(store, tmp_path):
    source = written(tmp_path / "in.jsonl", [*ROWS, ROWS[1]])
    assert transfer.import_items(store, source) == transfer.Imported(lines=4, added=3, known=1, accepted=0)
    assert transfer.import_items(store, source) == transfer.Imported(lines=4, added=0, known=4, accepted=0)
    items = {item.question: item for item in store.list(status="pending")}
    assert {q: (i.task, i.confidence.value) for q, i in items.items()} == {
        "1+1?": ("sums", 0.2),
        "2+2?": ("", None),
        "3+3?": ("six", 0.5),
    }
    # Nobody knows how many answers one that was chosen by hand stands for.
    assert items["1+1?"].reason_code == "chosen"


def test_what_the_policy_accepted_is_offered_to_the_audit(tmp_path):
    low, high = Confidence(0.2), Confidence(0.9)
    rows = [
        {"question": "?", "answer": "a", "confidence": c.to_dict(), "decision": Policy(0.8).decide(c).to_dict()}
        for c in (low, high)
    ]
    source = written(tmp_path / "in.jsonl", rows)
    with ReviewStore("sqlite://", audit=Audit(0)) as store:
        assert transfer.import_items(store, source) == transfer.Imported(2, 1, 0, accepted=1)
        assert [item.confidence.value for item in store.list()] == [0.2]
    with ReviewStore("sqlite://", audit=Audit(1)) as store:
        transfer.import_items(store, source)
        transfer.import_items(store, source)
        assert len(store.list()) == 2


def test_an_export_that_is_imported_again_adds_nothing(store, decided, tmp_path):
    transfer.export_file(store, tmp_path / "out.jsonl")
    assert transfer.import_items(store, tmp_path / "out.jsonl").known == 1
    with ReviewStore("sqlite://") as another:
        assert transfer.import_items(another, tmp_path / "out.jsonl").added == 1
        assert another.get(decided.id).status == "pending"


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("{", "not JSON"),
        ("[1]", "a JSON object is expected, found list"),
        ({"question": "?"}, "`answer`: Field required"),
        ({"question": "?", "answer": 3}, "`answer`: Input should be a valid string"),
        ({"question": " ", "answer": ""}, "question and answer are empty"),
        ({"question": "?", "answer": "a", "confidence": 1.5}, "a confidence lies between 0 and 1, got 1.5"),
        ({"question": "?", "answer": "a", "confidence": {"value": "high"}}, "confidence"),
        ({"question": "?", "answer": "a", "decision": {"action": "guess"}}, "`action`"),
        ({"question": "?", "answer": "a", "model": "x" * 501}, "`model`: String should have at most 500"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(store, tmp_path, row, complaint):
    bad = row if isinstance(row, str) else json.dumps(row)
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps(ROWS[0]) + "\n\n" + bad + "\n", encoding="utf-8")
    with pytest.raises(TaskFormatError, match=r"in\.jsonl, line 3: .*Nothing was written") as caught:
        transfer.import_items(store, source)
    assert complaint in str(caught.value)
    assert store.counts()["pending"] == 0


def test_of_many_bad_lines_the_first_ones_are_named(store, tmp_path):
    source = written(tmp_path / "in.jsonl", [{}] * 8)
    with pytest.raises(TaskFormatError, match=r"line 5: .*; and 3 more"):
        transfer.import_items(store, source)


def test_a_key_names_an_occurrence(any_store):
    first = submit(any_store, key="request 1")
    assert submit(any_store, answer="another", key="request 1") == first
    assert submit(any_store, key="request 2").id != first.id
    assert submit(any_store).id != submit(any_store).id
    assert any_store.submit("?", "a", confidence=Confidence(0.1), decision=REVIEW, key="0" * 32).id == "0" * 32
