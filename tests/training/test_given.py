"""Training texts that stand for answers written elsewhere: what they are, how they are graded, read once."""

import numpy as np
import pytest

from tests.training.test_calibrate import FAST
from thermolang.models.prompts import question_messages
from thermolang.training.calibrate import calibrate
from thermolang.training.features import collect
from thermolang.training.given import collect_given
from thermolang.training.store import rows_of
from thermolang.types import Example, Task

NAMES = ("Rome", "Oslo", "Bern", "Lima", "Kyiv", "Riga")
TASK = Task("towns", tuple(Example(f"Which town is {i}?", answers=(name,)) for i, name in enumerate(NAMES)), "places")


@pytest.fixture(scope="module")
def folder(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    collect(tiny_model, TASK, folder)
    return folder


def test_gold_is_right_and_another_items_gold_is_wrong(tiny_model, folder):
    found = collect_given(tiny_model, TASK, folder)
    assert found.group == "places"
    own = [row for row in rows_of(folder, "tiny")["towns"].values() if row.answer.strip()]
    assert len(found.right) == 12 + len(own)
    assert found.right[:12].tolist() == [True, False] * 6
    assert found.right[12:].tolist() == [row.label == 0 for row in sorted(own, key=lambda r: r.key)]
    assert (found.texts.same[12:] == 1).all()  # the own answers mean what they say


def test_numbers_are_the_models(tiny_model, folder):
    found = collect_given(tiny_model, TASK, folder, most=1)
    (key, row), *_ = sorted(rows_of(folder, "tiny")["towns"].items())
    example = next(e for e in TASK.examples if e.question == _question(tiny_model, key))
    (read,) = tiny_model.self_check_batch([(question_messages(example), example.answers[0])])
    assert found.texts.self_check[0] == pytest.approx(read.logits[0] - read.logits[1], abs=1e-3)
    assert found.texts.logprob[0] == pytest.approx(np.log(read.answer_logprob), abs=1e-3)
    assert found.texts.own_logprob[0] == pytest.approx(np.log(row.signals["mean_logprob"]))
    assert found.texts.own_self_check[0] == pytest.approx(row.logits[0] - row.logits[1])


def _question(model, key):
    from thermolang.training.features import item_key

    return next(e.question for e in TASK.examples if item_key(model, e) == key)


def test_texts_are_read_once_and_a_cut_run_goes_on(tiny_model, folder, monkeypatch):
    told = []
    whole = collect_given(tiny_model, TASK, folder, progress=lambda *p: told.append(p))
    assert told[-1] == ("towns", 12, 12)
    monkeypatch.setattr(type(tiny_model), "self_check_batch", lambda *a, **k: pytest.fail("read again"))
    again = collect_given(tiny_model, TASK, folder)
    np.testing.assert_array_equal(again.texts.features, whole.texts.features)


def test_other_texts_are_graded_and_each_stands_once(tiny_model, folder):
    others = {e.question: (e.answers[0], f"It is {e.answers[0]}.", "It is Paris.", " ") for e in TASK.examples}
    found = collect_given(tiny_model, TASK, folder, others=others)
    plain = collect_given(tiny_model, TASK, folder)
    # Of every second item the gold answer stands in a sentence, and the bare one is another text.
    assert len(found.right) == len(plain.right) + 2 * 6 + 3
    assert found.right.sum() == plain.right.sum() + 6 + 3


def test_at_most_so_many_items_the_same_whatever_their_order(tiny_model, folder):
    turned = Task("towns", TASK.examples[::-1], "places")
    few, same = (collect_given(tiny_model, t, folder, most=2) for t in (TASK, turned))
    np.testing.assert_array_equal(few.texts.features, same.texts.features)
    assert len(few.right) <= 6


def test_a_question_that_was_not_collected_has_no_texts(tiny_model, folder):
    more = Task("towns", (*TASK.examples, Example("Which one is new?", answers=("Nuuk",))), "places")
    assert len(collect_given(tiny_model, more, folder).right) == len(collect_given(tiny_model, TASK, folder).right)


def test_calibrate_fits_them_by_default(tiny_model, tmp_path):
    tasks = [Task(f"t{i}", tuple(Example(f"{i} {e.question}", e.answers) for e in TASK.examples)) for i in range(3)]
    found = calibrate(tiny_model, tasks, config=FAST, features=tmp_path).calibrator
    assert found.given is not None and found.given.tasks == 3
    assert calibrate(tiny_model, tasks, config=FAST, features=tmp_path, given=False).calibrator.given is None
