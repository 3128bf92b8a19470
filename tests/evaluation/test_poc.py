"""A whole proof of concept with a tiny model: it goes on where it stopped, and what it writes can be used."""

import json

import pytest

from thermolang import Confidence, Decision, ReviewStore
from thermolang.errors import InvalidInputError
from thermolang.estimator import ConfidenceEstimator
from thermolang.evaluation import poc_run
from thermolang.evaluation.poc import Options, run_poc
from thermolang.evaluation.poc_figures import Aim, Prices
from thermolang.evaluation.poc_questions import Labels, read_labels
from thermolang.evaluation.poc_report import page
from thermolang.models.local import LocalModel
from thermolang.routing.certificates import load_certificates
from thermolang.routing.policy import Policy
from thermolang.training.store import text_key
from thermolang.types import Example, Task

PAIRS = Options(pairs=3)


@pytest.fixture(autouse=True)
def _any_mass(monkeypatch):
    """A model of random weights has little to say about options."""
    monkeypatch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)


@pytest.fixture(scope="module")
def calibrator(tiny_model, calibrator_for):
    return calibrator_for(tiny_model)


@pytest.fixture
def estimator(tiny_model, calibrator):
    return ConfidenceEstimator(tiny_model, calibrator, state_dir=None)


@pytest.fixture(scope="module")
def task():
    return Task("faq", tuple(Example(f"What is {i}?", context=f"Note {i // 2}.") for i in range(30)))


@pytest.fixture(scope="module")
def unlabelled(tiny_model, calibrator, task, tmp_path_factory):
    """A finished run without labels: its folder and its numbers."""
    out = tmp_path_factory.mktemp("poc") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("thermolang.estimator.MIN_ANSWER_MASS", 0.0)
        found = run_poc(ConfidenceEstimator(tiny_model, calibrator, state_dir=None), task, out, options=PAIRS)
    return out, found


@pytest.fixture
def out(unlabelled, tmp_path):
    """A copy of the finished run's folder."""
    import shutil

    return shutil.copytree(unlabelled[0], tmp_path / "run")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def no_model(monkeypatch):
    def fail(*_args, **_options):
        raise AssertionError("the model was asked again")

    for name in ("generate_batch", "self_check_batch", "read"):
        monkeypatch.setattr(LocalModel, name, fail)


def test_without_labels_it_prepares_the_labelling(unlabelled, task):
    out, found = unlabelled
    assert found["decision"] == {"code": "no_labels", "threshold": None, "more_labels": 30}
    policy = Policy.load(out / "policy.toml")
    assert policy.review_all and policy.mode == "shadow" and not (out / "policy.certificate.json").exists()
    items = lines(out / "items.jsonl")
    assert sorted(i["question"] for i in items) == sorted(e.question for e in task.examples)
    assert [i["question"] for i in items] != [e.question for e in task.examples]  # in random order
    with ReviewStore("sqlite://") as store:  # as the guide says
        for item in items:
            del item["key"]
            parts = Confidence.from_dict(item.pop("confidence")), Decision.from_dict(item.pop("decision"))
            store.submit(confidence=parts[0], decision=parts[1], **item)
        assert len(store.list()) == 30


def test_what_is_written_is_what_was_found(unlabelled):
    out, found = unlabelled
    answers = lines(out / "answers.jsonl")
    assert len(answers) == 30 and all(a["correct"] is None and a["decision"]["action"] == "review" for a in answers)
    assert {a["confidence"]["calibrator"] for a in answers} == {found["calibrator"]}
    assert len({a["confidence"]["task_version"] for a in answers}) == 1  # all under one state of the task
    saved = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert saved["decision"] == found["decision"] and saved["latency"]["pairs"] == 3
    assert page(saved) == page(json.loads(json.dumps(saved)))


def test_labels_come_later_and_nothing_is_answered_again(unlabelled, out, task, estimator, monkeypatch, tmp_path):
    no_model(monkeypatch)
    judged = [{**a, "correct": i % 3 > 0} for i, a in enumerate(lines(out / "answers.jsonl"))]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(f"{json.dumps(a)}\n" for a in judged), encoding="utf-8")
    labels = read_labels(str(path), task)
    prices = Prices.parse("wrong=9,review=1,minutes=1,volume=10")
    found = run_poc(estimator, task, out, labels=labels, options=Options(aim=Aim(0.2, prices=prices), pairs=3))
    assert found["counts"]["by_people"] == 30 and found["accuracy"]["estimate"] == pytest.approx(2 / 3)
    assert found["latency"] == unlabelled[1]["latency"]
    assert not (out / "items.jsonl").exists()


def test_a_certificate_goes_with_the_policy(out, task, estimator):
    labels = Labels({text_key(e): ("", True) for e in task.examples})
    found = run_poc(estimator, task, out, labels=labels, options=Options(aim=Aim(max_error=0.2), pairs=3))
    policy = Policy.load(out / "policy.toml")
    shown = policy.for_task("faq")
    (certificate,) = load_certificates(out / "policy.certificate.json")
    assert found["decision"]["code"] in ("certified", "expected", "unlike")
    assert shown.mode == policy.mode == "shadow" and shown.threshold == found["decision"]["threshold"]
    scored = Confidence.from_dict(lines(out / "answers.jsonl")[0]["confidence"])
    assert certificate.valid_for(scored, policy)
    assert policy.for_task("another").review_all
    # Without the labels there is nothing to certify, so no certificate stays behind.
    run_poc(estimator, task, out, options=PAIRS)
    assert not (out / "policy.certificate.json").exists() and Policy.load(out / "policy.toml").review_all


def test_a_stopped_run_goes_on(out, task, estimator, unlabelled, monkeypatch):
    (chunk,) = (out / "features").rglob("*.safetensors")
    chunk.unlink()
    latency = out / "latency.jsonl"
    whole = latency.read_text(encoding="utf-8")
    latency.write_text(whole[: len(whole) // 2], encoding="utf-8")  # torn in the middle of a line
    reports = []
    found = run_poc(estimator, task, out, options=PAIRS, report=reports.append)
    assert found["latency"]["pairs"] == 3
    assert found["confidences"] == unlabelled[1]["confidences"]
    assert reports[-1].done == reports[-1].total == 3 and any(r.seconds_left for r in reports)


def test_a_folder_of_another_run_is_refused(out, task, estimator, tmp_path):
    fewer = Task("faq", tuple(Example(f"Other {i}?") for i in range(30)))
    with pytest.raises(InvalidInputError, match=r"holds a run with other questions .*give another --out"):
        run_poc(estimator, fewer, out, options=PAIRS)
    (out / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"run.json is damaged"):
        run_poc(estimator, task, out, options=PAIRS)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="holds other files and no run of thermolang poc"):
        run_poc(estimator, task, tmp_path / "notes", options=PAIRS)
    assert (tmp_path / "notes" / "mine.txt").read_text(encoding="utf-8") == "mine"
    with pytest.raises(InvalidInputError, match="is a file"):
        run_poc(estimator, task, tmp_path / "notes" / "mine.txt", options=PAIRS)


def test_two_runs_in_one_folder_do_not_meet(out, task, estimator):
    asked = poc_run.run_folder(out, task_asked(task), estimator.model)
    with asked, pytest.raises(InvalidInputError, match="another run is writing"):
        run_poc(estimator, task, out, options=PAIRS)


def task_asked(task):
    from thermolang.evaluation.poc_questions import without_gold

    return without_gold(task)


def test_without_a_calibrator_nothing_begins(tiny_model, task, calibrator_for, tmp_path):
    bare = ConfidenceEstimator(tiny_model, state_dir=None)
    with pytest.raises(InvalidInputError, match="no calibrator for this model"):
        run_poc(bare, task, tmp_path / "run")
    choices = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model, sources=("choice",)), state_dir=None)
    with pytest.raises(InvalidInputError, match="knows nothing of self-checks"):
        run_poc(choices, task, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_questions_with_options(tiny_model, calibrator, estimator, tmp_path):
    options = Task(
        "quiz", tuple(Example(f"Is it {i}?", choices=("one", "two", "three", "four"), label=i % 4) for i in range(32))
    )
    found = run_poc(estimator, options, tmp_path / "run", options=PAIRS)
    assert found["counts"]["choices"] and found["counts"]["graded"] == 32
    assert found["latency"]["same"] == 3
    assert {a["answer"] for a in lines(tmp_path / "run" / "answers.jsonl")} <= {"one", "two", "three", "four"}
    assert "mean_logprob" not in {m["name"] for m in found["methods"]}
    assert "own probability of the option" in page(found)
