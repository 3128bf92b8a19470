"""The command that finds a guaranteed threshold: what it says, what it writes, and what it refuses."""

import json

import pytest

from thermolang import Confidence, Policy, ReviewStore
from thermolang.review import Audit
from thermolang.routing import load_certificates

RIGHT, WRONG = '{"confidence": 0.95, "correct": true}', '{"confidence": 0.3, "correct": false}'


@pytest.fixture
def labels(tmp_path):
    def write(right, wrong, name="labels.jsonl"):
        path = tmp_path / name
        path.write_text(f"{RIGHT}\n" * right + f"{WRONG}\n" * wrong)
        return path

    return write


def test_feasibility_comes_first_and_then_the_threshold(run, labels):
    code, said, _ = run("threshold", "--labels", labels(90, 60))
    feasible, found, note = said.splitlines()
    assert code == 0
    assert feasible == (
        "150 labelled answers, 40.0 % of them wrong. For at most 5.0 % at least 36.8 % must be reviewed, "
        "whatever the confidence knows."
    )
    assert found == (
        "accept from 0.31. High probability: the error among accepted answers is at most 5.0 % with a probability of "
        "95.0 %. Of the labels it accepts 90 (60 %), 0 of them wrong."
    )
    assert "name no calibrator" in note


def test_an_expected_error_needs_fewer_labels_and_says_what_it_is(run, labels):
    few = labels(30, 0)
    code, said, _ = run("threshold", "--labels", few)
    assert code == 1
    assert "within the 5.0 % allowed already" in said
    assert "no threshold qualifies. About" in said
    code, said, _ = run("threshold", "--labels", few, "--expected")
    assert code == 0
    assert "Expected error: the error among accepted answers is at most 5.0 % on average over draws" in said
    assert "In single draws the error is larger" in said


def test_policy_and_certificate_are_written(run, labels, tmp_path):
    out = tmp_path / "policy.toml"
    code, said, errors = run("threshold", "--labels", labels(90, 60), "--json", "--out", out)
    record = json.loads(said)
    policy = Policy.load(out)
    (certificate,) = load_certificates(tmp_path / "policy.certificate.json")
    assert code == 0
    assert "in shadow mode" in errors
    assert policy == Policy(0.31, mode="shadow")
    assert certificate.to_dict() == record["certificates"][0]
    assert record["tasks"][""]["threshold"] == 0.31
    assert certificate.valid_for(Confidence(0.5), policy)


@pytest.mark.parametrize("name", ["policy.toml", "policy.certificate.json"])
def test_nothing_is_overwritten(run, labels, tmp_path, name):
    (tmp_path / name).write_text("mine")
    code, _, errors = run("threshold", "--labels", labels(90, 60), "--out", tmp_path / "policy.toml")
    assert code == 1
    assert "is not overwritten" in errors
    assert (tmp_path / name).read_text() == "mine"


def test_without_a_threshold_nothing_is_written(run, labels, tmp_path):
    code, said, _ = run("threshold", "--labels", labels(0, 200), "--out", tmp_path / "policy.toml")
    assert code == 1
    assert "no threshold qualifies, and at the errors seen here more labels would not help" in said
    assert not list(tmp_path.glob("policy*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --labels FILE or --store URL"),
        (("--max-error", 0), "--max-error must lie strictly between 0 and 1"),
        (("--max-error", 1), "--max-error must lie strictly between 0 and 1"),
        (("--certainty", 1), "--certainty must lie strictly between 0 and 1"),
        (("--task", "mail"), "no judged answers of the task 'mail'"),
    ],
)
def test_what_cannot_be_promised_is_refused(run, labels, arguments, said):
    given = ("--labels", labels(9, 1)) if arguments else ()
    code, out, errors = run("threshold", *given, *arguments)
    assert (code, out) == (1, "")
    assert said in errors


def test_a_bad_line_is_named(run, labels, tmp_path):
    path = labels(2, 0)
    path.write_text(f"{path.read_text()}{{}}\n")
    code, _, errors = run("threshold", "--labels", path)
    assert code == 1
    assert "line 3" in errors
    path.write_text("")
    assert "holds no labels" in run("threshold", "--labels", path)[2]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'reviews.db'}"


def judged(url, right, wrong, policy, *, waiting=0):
    """A store with answers that a policy sent to review, judged by a person."""
    with ReviewStore(url) as store:
        for count, value, action in [(right, 0.95, "accept"), (wrong, 0.3, "reject"), (waiting, 0.5, None)]:
            confidence = Confidence(value, task="mail", calibrator="tiny-1")
            for i in range(count):
                item = store.submit(f"q{i}", str(value), confidence=confidence, decision=policy.decide(confidence))
                if action:
                    store.decide(item.id, action, operator="ann")


def test_verdicts_on_a_random_sample_are_labels(run, url):
    judged(url, 60, 20, Policy(review_all=True))
    code, said, _ = run("threshold", "--store", url, "--max-error", 0.1)
    assert code == 0
    assert "mail: accept from 0.31." in said


def test_verdicts_on_doubtful_answers_only_are_none(run, url):
    judged(url, 60, 20, Policy(0.97))
    code, _, errors = run("threshold", "--store", url)
    assert code == 1
    assert "say nothing about those it accepts" in errors


def test_a_sample_that_is_judged_in_part_is_refused(run, url):
    judged(url, 60, 20, Policy(review_all=True), waiting=5)
    assert "5 of the 85 answers of the sample still wait" in run("threshold", "--store", url)[2]


def test_an_empty_store_and_none_are_refused(run, url, tmp_path):
    assert "there is no review database" in run("threshold", "--store", url)[2]
    assert not (tmp_path / "reviews.db").exists()
    judged(url, 0, 0, Policy())
    assert "holds no judged answers" in run("threshold", "--store", url)[2]


def audited(url, right, wrong, *, waiting=0, threshold=0.8):
    """A store with accepted answers that the audit has drawn, and doubtful ones, all judged."""
    policy = Policy(threshold)
    with ReviewStore(url, audit=Audit(1.0)) as store:
        for count, value, action in [(right, 0.95, "accept"), (wrong, 0.85, "reject"), (waiting, 0.9, None)]:
            confidence = Confidence(value, task="mail", calibrator="tiny-1")
            for i in range(count):
                item = store.submit_accepted(
                    f"q{i}", str(value), confidence=confidence, decision=policy.decide(confidence)
                )
                if action:
                    store.decide(item.id, action, operator="ann")


def test_verdicts_of_the_audit_are_labels_and_certify_no_lower_threshold(run, url):
    audited(url, 90, 10)
    judged(url, 30, 50, Policy(0.97))  # doubtful answers, which count for nothing
    code, said, _ = run("threshold", "--store", url)
    assert code == 0
    assert said.startswith("100 labelled answers, 10.0 % of them wrong. Only accepted ones were drawn, so no threshold")
    assert "mail: accept from 0.86." in said
    _, said, _ = run("threshold", "--store", url, "--max-error", 0.4)
    assert "mail: accept from 0.8." in said


def test_an_audit_that_is_judged_in_part_is_refused_but_up_to_a_date(run, url):
    audited(url, 90, 0, waiting=3)
    assert "3 of the 93 answers of the sample still wait" in run("threshold", "--store", url)[2]
    with ReviewStore(url) as store, store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE items SET created_at = '2026-01-01 00:00:00' WHERE status <> 'pending'")
    code, said, _ = run("threshold", "--store", url, "--until", "2026-01-02")
    assert code == 0
    assert "90 labelled answers" in said
    assert (
        "no random sample of answers from before 2025" in run("threshold", "--store", url, "--until", "2025-01-02")[2]
    )


def test_two_people_who_contradict_each_other_are_told_and_certify_nothing_good(run, url):
    policy, scored = Policy(review_all=True), Confidence(0.95, task="mail")
    with ReviewStore(url) as store:
        for operator, action in (("ann", "accept"), ("bob", "reject")):
            for i in range(70):
                item = store.submit(f"q{i}", "a", confidence=scored, decision=policy.decide(scored))
                store.decide(item.id, action, operator=operator)
    code, said, errors = run("threshold", "--store", url, "--max-error", 0.4)
    assert code == 1
    assert "140 verdicts contradict another one on the same answer; they count as wrong" in errors
    assert "140 labelled answers, 100.0 % of them wrong" in said
    assert "no threshold qualifies" in said


def test_ten_labels_are_too_few(run, url):
    audited(url, 10, 0)
    code, said, _ = run("threshold", "--store", url)
    assert code == 1
    assert "no threshold qualifies. About" in said


def test_a_policy_of_another_task_accepts_nothing(run, labels, tmp_path):
    path = labels(90, 60)
    path.write_text(path.read_text().replace('"correct"', '"task": "mail", "correct"'))
    run("threshold", "--labels", path, "--out", tmp_path / "policy.toml")
    decision = Policy.load(tmp_path / "policy.toml").decide(Confidence(0.99, task="contracts"))
    assert (decision.action, decision.code) == ("review", "other_task")
    assert "no threshold for the task 'contracts', only for 'mail'" in decision.reason
