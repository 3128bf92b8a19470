"""Scoring a file of texts that were written elsewhere: what is compared, and that an interruption leaves no trace."""

import json

import pytest

from tests.test_estimator_given import FIT, Reader, with_fit
from thermolang.bulk.files import score_file
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator

ROWS = [
    *({"question": f"Q{i}?", "answer": "Paris" if i % 2 else "Rome"} for i in range(5)),
    {"question": "2 + 2?", "choices": ["3", "4"], "answer": "4"},
    {"question": "nothing"},
    {"question": "last?", "answer": "yes"},
]


@pytest.fixture
def made(calibrator_for):
    calibrator = with_fit(calibrator_for(Reader()), FIT)
    return lambda model=None: ConfidenceEstimator(model or Reader(), calibrator, state_dir=None)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    return path


def confidences(path):
    # An embedding depends a little on which texts are embedded with it.
    read = json.JSONDecoder(parse_float=lambda number: round(float(number), 6)).decode
    found = [read(line.decode())["confidence"] for line in path.read_bytes().splitlines()]
    return [{key: value for key, value in c.items() if key != "seconds"} for c in found]


def test_texts_are_scored_as_the_estimator_would_and_choices_as_ever(made, source, tmp_path):
    out, estimator = tmp_path / "out.jsonl", made()
    summary = score_file(estimator, source, out, batch_size=3)
    assert (summary.scored, summary.bad) == (7, 1)
    found = confidences(out)
    assert [c["source"] for c in found] == ["given"] * 5 + ["choice", None, "given"]
    for row, confidence in zip(ROWS[:5], found, strict=False):
        messages = [{"role": "system", "content": "Answer in as few words as possible."}]
        messages.append({"role": "user", "content": row["question"]})
        alone = estimator.score(messages, row["answer"], written_elsewhere=True)
        assert confidence["value"] == pytest.approx(alone.value, abs=1e-5)
    assert len({c["value"] for c in found[:5]}) > 1


def test_no_task_is_read_before_it(made, source, tmp_path):
    model = Reader()
    score_file(made(model), source, tmp_path / "out.jsonl")
    checked = [call for call in model.calls if call == "self_check"]
    assert len(checked) == 12  # six texts and six own answers; choices are read once to settle and once to score
    assert model.calls.count("choice_logits") == 2


def test_a_cut_in_any_line_leaves_no_trace(made, source, tmp_path):
    out = tmp_path / "out.jsonl"
    score_file(made(), source, out, batch_size=3)
    lines, wanted = out.read_bytes().splitlines(keepends=True), confidences(out)
    for n in range(len(lines)):
        out.write_bytes(b"".join(lines[:n]) + b'{"que'[: n % 5])
        score_file(made(), source, out, batch_size=3)
        assert confidences(out) == wanted


def test_own_answers_and_texts_from_elsewhere_are_not_mixed_in_one_file(made, source, tmp_path):
    out = tmp_path / "out.jsonl"
    score_file(made(), source, out)
    with pytest.raises(InvalidInputError, match="line 1, was scored with own_answers=False, not True"):
        score_file(made(), source, out, own_answers=True)
    other = tmp_path / "other.jsonl"
    score_file(made(), source, other, own_answers=True)
    with pytest.raises(InvalidInputError, match="own_answers=True, not False"):
        score_file(made(), source, other)
