"""Labels are read or refused with their line; a certificate names what it rests on and is void when that changes."""

import dataclasses
import json

import pytest

from thermolang.errors import InvalidInputError, NotEnoughDataError
from thermolang.routing.certificates import Label, certify, load_certificates, read_labels, save_certificates
from thermolang.routing.policy import Policy
from thermolang.types import Confidence


def sample(right=90, wrong=60, **named):
    return [Label(0.95, True, **named)] * right + [Label(0.3, False, **named)] * wrong


NAMED = {"task": "mail", "calibrator": "tiny-1", "task_version": 4}


def scored(**changes):
    return dataclasses.replace(Confidence(0.9, task="mail", calibrator="tiny-1", task_version=4), **changes)


def written(tmp_path, *lines):
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_labels_are_read(tmp_path):
    full = {"confidence": 0.5, "correct": False, "supported": False, "note": "x", **NAMED}
    path = written(
        tmp_path, '{"confidence": 0.93, "correct": true}', "", json.dumps(full), '{"confidence": 1, "correct": true}'
    )
    assert read_labels(path) == [Label(0.93, True), Label(0.5, False, False, **NAMED), Label(1.0, True)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"confidence": NaN, "correct": true}', "`confidence`"),
        ('{"confidence": 1.2, "correct": true}', "`confidence`"),
        ('{"confidence": -0.1, "correct": true}', "`confidence`"),
        ('{"confidence": "0.5", "correct": true}', "`confidence`"),
        ('{"confidence": true, "correct": true}', "`confidence`"),
        ('{"correct": true}', "`confidence`: Field required"),
        ('{"confidence": 0.5}', "`correct`: Field required"),
        ('{"confidence": 0.5, "correct": 1}', "`correct`"),
        ("[0.5, true]", "object"),
        ("0.5 true", "Invalid JSON"),
    ],
)
def test_a_line_that_is_no_label_is_named(tmp_path, line, said):
    path = written(tmp_path, '{"confidence": 0.93, "correct": true}', "", line)
    with pytest.raises(InvalidInputError, match=r"line 3: .*a label is") as caught:
        read_labels(path)
    assert said in str(caught.value)


def test_an_empty_file_gives_no_threshold(tmp_path):
    with pytest.raises(NotEnoughDataError, match="holds no labels"):
        read_labels(written(tmp_path))
    with pytest.raises(NotEnoughDataError, match="no labelled answers"):
        certify([], alpha=0.1)


def test_a_certificate_names_what_it_rests_on():
    found = certify(sample(**NAMED), alpha=0.05)
    (certificate,) = found.certificates
    assert (certificate.task, certificate.calibrator, certificate.task_version) == ("mail", "tiny-1", 4)
    assert certificate.found == found.found["mail"]
    assert (certificate.found.kind, certificate.found.alpha, certificate.found.delta) == (
        "high_probability",
        0.05,
        0.05,
    )
    assert (certificate.found.labels, certificate.found.threshold) == (150, 0.31)
    assert found.policy.decide(scored()).action == "accept"
    assert found.policy.decide(scored(task="other")).code == "other_task"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calibrator": "tiny-2"}, "the calibrator is 'tiny-2', not 'tiny-1'"),
        ({"task_version": 5}, "the version of the task's state is 5, not 4"),
        ({"task": "chat"}, "the task is 'chat', not 'mail'"),
    ],
)
def test_it_is_void_when_something_changes(changes, said):
    found = certify(sample(**NAMED), alpha=0.05)
    (certificate,) = found.certificates
    assert certificate.valid_for(scored(), found.policy)
    assert not certificate.valid_for(scored(**changes), found.policy)
    assert said in certificate.void_because(scored(**changes), found.policy)


def test_it_is_void_under_another_policy_but_not_in_shadow():
    found = certify(sample(**NAMED), alpha=0.05)
    (certificate,) = found.certificates
    mail = found.policy.tasks["mail"]
    shadow = dataclasses.replace(found.policy, tasks={"mail": dataclasses.replace(mail, mode="shadow")})
    assert certificate.valid_for(scored(), shadow)
    lower = dataclasses.replace(found.policy, tasks={"mail": dataclasses.replace(mail, threshold=0.3)})
    assert "the policy is" in certificate.void_because(scored(), lower)
    assert not certificate.valid_for(scored(), dataclasses.replace(mail, review_unsupported=False))


def test_labels_that_name_nothing_speak_for_all_tasks():
    found = certify(sample(), alpha=0.05)
    assert found.policy == Policy(0.31)
    assert found.certificates[0].valid_for(scored(), found.policy)


def test_each_task_has_its_threshold_and_they_share_delta():
    found = certify([*sample(right=200, task="a"), *sample(right=50, task="b"), *sample(right=5, task="c")], alpha=0.05)
    assert {task: f.delta for task, f in found.found.items()} == pytest.approx(dict.fromkeys("abc", 0.05 / 3))
    assert [c.task for c in found.certificates] == ["a"]
    assert found.policy.tasks == {"a": Policy(0.31), "b": Policy(review_all=True), "c": Policy(review_all=True)}
    assert found.policy.review_all
    expected = certify([*sample(task="a"), *sample(right=50, task="b")], kind="expected_error", alpha=0.05)
    assert [c.found.delta for c in expected.certificates] == [None, None]


def test_answers_that_would_not_be_accepted_are_not():
    labels = [*sample(), *[Label(0.95, False, supported=False)] * 50, *[Label(None, False)] * 50]
    found = certify(labels, alpha=0.05)
    assert (found.found[""].threshold, found.found[""].accepted, found.found[""].labels) == (0.31, 90, 250)


def test_only_the_newest_version_of_a_task_counts():
    old = [Label(0.95, False, task="mail", task_version=3)] * 20
    found = certify([*old, *sample(**NAMED | {"calibrator": ""})], alpha=0.05)
    assert (found.left_out, found.found["mail"].labels) == (20, 150)
    assert found.certificates[0].task_version == 4


def test_labels_of_several_calibrators_are_refused():
    with pytest.raises(InvalidInputError, match=r"several calibrators \('x', 'y'\)"):
        certify([Label(0.5, True, calibrator="x"), Label(0.5, True, calibrator="y")], alpha=0.05)


def test_certificates_come_back_from_their_file(tmp_path):
    certificates = certify([*sample(task="a"), *sample(task="b")], alpha=0.1).certificates
    path = tmp_path / "policy.certificate.json"
    save_certificates(path, certificates)
    assert load_certificates(path) == list(certificates)
    for wrong in ("[]", "{}", "no", '{"certificates": [{}]}'):
        path.write_text(wrong)
        with pytest.raises(InvalidInputError, match="holds no certificates"):
            load_certificates(path)
