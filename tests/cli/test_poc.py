"""thermolang poc on the command line, with the tiny model."""

import json

import pytest

from thermolang.models.local import LocalModel


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, tiny_model):
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
    monkeypatch.setattr(LocalModel, "load", lambda name: tiny_model)


@pytest.fixture(scope="module")
def calibrator(tiny_model, calibrator_for, tmp_path_factory):
    return calibrator_for(tiny_model).save(tmp_path_factory.mktemp("made") / "calibrator")


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "faq.jsonl"
    rows = [{"question": f"What is {i}?", "context": f"Note {i // 5}."} for i in range(30)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_a_report_in_both_languages_and_labels_afterwards(run, questions, calibrator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--model", "tiny", "--calibrator", calibrator, "--pairs", "2")
    status, said, where = run("poc", questions, *options)
    assert status == 0
    assert f"{questions}: question: question, context: context" in said
    assert "Nothing about errors yet" in said and "Report: poc-faq/report.html" in where
    out = tmp_path / "poc-faq"
    assert '<html lang="en">' in (out / "report.html").read_text(encoding="utf-8")
    labels = tmp_path / "labels.jsonl"
    judged = [{"question": f"What is {i}?", "correct": i % 2 == 0} for i in range(30)]
    labels.write_text("\n".join(map(json.dumps, judged)), encoding="utf-8")
    prices = "wrong=5000,review=300,minutes=3,volume=10000,currency=円"
    status, said, _ = run("poc", questions, *options, "--labels", labels, "--lang", "ja", "--prices", prices)
    assert status == 0
    text = (out / "report.html").read_text(encoding="utf-8")
    assert '<html lang="ja">' in text and "費用対効果" in text and "300 円" in text


def test_sampled_answers_are_compared_where_asked_for(run, tmp_path, calibrator):
    path = tmp_path / "faq.jsonl"
    rows = [{"question": f"What is {i}?", "answers": ["it", "the"]} for i in range(30)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    options = ("--model", "tiny", "--calibrator", calibrator, "--pairs", "2", "--out", tmp_path / "out")
    labels = tmp_path / "labels.jsonl"
    judged = [{"question": f"What is {i}?", "correct": i % 2 == 0} for i in range(30)]
    labels.write_text("\n".join(map(json.dumps, judged)), encoding="utf-8")
    assert run("poc", path, *options, "--labels", labels, "--samples", "8")[0] == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert {"share", "semantic_entropy"} <= {method["name"] for method in results["methods"]}
    assert "Share of samples that agree" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--prices", "wrong=1"), "prices are wrong=50"),
        (("--grader", "guess"), "there is no grader 'guess'"),
        (("--samples", "3"), "at least 8 sampled answers"),
        (("--max-error", "0"), "strictly between 0 and 1"),
        (("--labels", "none.jsonl"), "nothing of this name"),
        (("--limit", "10"), "gives 10 questions"),
        (("--out", "missing/folder"), "the folder missing does not exist"),
    ],
)
def test_a_bad_option_is_one_line_before_the_model_loads(run, questions, monkeypatch, more, said, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalModel, "load", lambda name: pytest.fail("the model was loaded"))
    status, _, wrong = run("poc", questions, "--model", "tiny", *more)
    assert status == 1 and said in " ".join(wrong.split()) and "Traceback" not in wrong


def test_an_unknown_language_is_refused(run, questions):
    status, _, wrong = run("poc", questions, "--model", "tiny", "--lang", "fr")
    assert status == 2 and "fr" in wrong
