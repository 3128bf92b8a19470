"""From a question and its answer to a confidence: what it is, that it is pure, and why there may be none."""

import json
import logging
import math
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from tests.fakes import HIDDEN, IDENTITY, FakeModel
from thermolang.calibration import calibrator as registry
from thermolang.calibration.calibrator import Calibrator
from thermolang.calibration.head import Head, Hyperparameters
from thermolang.calibration.kinds import KINDS
from thermolang.calibration.task_state import LOCK, TaskVersion
from thermolang.errors import CalibratorFormatError, CalibratorMismatchError, InvalidInputError
from thermolang.estimator import ConfidenceEstimator, task_of
from thermolang.storage import data_dir
from thermolang.types import Confidence, Generation


def ask(question="Why?"):
    return [{"role": "system", "content": "Be short."}, {"role": "user", "content": question}]


def answer(text="Paris"):
    return Generation(text, (1,), (-0.1,), "stop", 5)


def fixed(*logits):
    return lambda _text, _n: logits


@pytest.fixture(scope="module")
def calibrator(calibrator_for):
    return calibrator_for(FakeModel())


@pytest.fixture
def estimator(fake_model, calibrator):
    return ConfidenceEstimator(fake_model, calibrator, state_dir=None)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def without_seconds(confidence):
    return replace(confidence, seconds=0.0)


# What the number is


@pytest.mark.parametrize("question", ["Why?", "Who?", "日本の首都は?"])
def test_a_free_form_value_is_the_calibrated_log_odds(estimator, question):
    scores = estimator.model.self_check(ask(question), answer())
    confidence = estimator.score(ask(question), answer(), task="t")
    margin = float(scores.logits[0] - scores.logits[1])
    version = estimator.state("t", "self_check").current
    assert confidence.value == pytest.approx(sigmoid(margin * version.inverse_temperature + version.bias))
    assert confidence.raw == pytest.approx(sigmoid(margin))
    assert confidence.temperature == pytest.approx(1 / version.inverse_temperature)
    assert confidence.bias == version.bias != 0
    assert (confidence.source, confidence.task, confidence.task_version) == ("self_check", "t", version.version)
    assert confidence.calibrator == estimator.calibrator.id
    assert "rests on 1 of its inputs so far" in confidence.reason
    assert confidence.seconds > 0


def test_a_task_that_has_settled_carries_no_warning(estimator):
    for i in range(30):
        confidence = estimator.score(ask(f"Question {i}?"), answer(), task="t")
        assert bool(confidence.reason) == (i < 29)
        assert confidence.reason_code == ("few_inputs" if i < 29 else None)


def test_a_choices_value_is_the_softmax_at_the_tasks_temperature(estimator):
    estimator.model.logits = fixed(1.0, 3.0, 0.5)
    confidence = estimator.score(ask(), "B", task="t", choices="ABC")
    version = estimator.state("t", "choice").current
    shares = np.exp(np.array([1.0, 3.0, 0.5]) * version.inverse_temperature)
    shares /= shares.sum()
    assert confidence.value == pytest.approx(shares[1])
    assert confidence.source == "choice" and confidence.bias == 0
    assert [(a.text, a.share) for a in confidence.alternatives] == [
        ("A", pytest.approx(shares[0])),
        ("C", pytest.approx(shares[2])),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_calibration_never_changes_a_choice(calibrator, seed):
    model = FakeModel()
    estimator = ConfidenceEstimator(model, calibrator, state_dir=None)
    scores = model.choice_logits(ask(str(seed)), "ABCD")
    chosen, confidence = estimator.choose(ask(str(seed)), "ABCD")
    assert chosen == "ABCD"[int(np.argmax(scores.logits))]
    assert all(confidence.value >= other.share for other in confidence.alternatives)
    assert without_seconds(confidence) == without_seconds(estimator.score(ask(str(seed)), chosen, choices="ABCD"))


def test_an_answer_that_is_not_the_argmax_gets_its_own_probability(estimator):
    estimator.model.logits = fixed(1.0, 3.0)
    shares = [estimator.score(ask(), given, choices="AB").value for given in "AB"]
    assert shares[0] < shares[1] and sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("margin", [-900.0, -40.0, -3.0, 0.0, 3.0, 40.0, 900.0])
def test_the_interval_holds_the_value(estimator, margin):
    estimator.model.logits = fixed(margin, 0.0)
    for confidence in (estimator.score(ask(), answer()), estimator.score(ask(), "A", choices="AB")):
        low, high = confidence.interval
        assert 0 <= low <= confidence.value <= high <= 1
    assert json.dumps(confidence.to_dict(), allow_nan=False)


def test_unlike_inputs_are_not_supported(estimator):
    estimator.model.hidden = lambda _text: np.zeros(HIDDEN)
    assert estimator.score(ask("usual"), answer()).supported
    estimator.model.hidden = lambda _text: np.full(HIDDEN, 30.0)
    strange = estimator.score(ask("strange"), answer())
    assert not strange.supported and strange.novelty > 1
    assert strange.value is not None


@pytest.mark.parametrize(
    ("text", "choices", "meant"),
    [
        ("B", "ABC", 1),
        (" b. ", "ABC", 1),
        ("B) because", "ABC", 1),
        ("C++", ("C", "C++"), 1),
        ("A", ("a", "A"), 1),
        ("a", ("a", "A"), 0),
        ("no", ("yes", "no"), 1),
    ],
)
def test_which_choice_an_answer_is(estimator, text, choices, meant):
    estimator.model.logits = lambda _text, n: [float(i) for i in range(n)]
    by_name = estimator.score(ask(), choices[meant], choices=choices).value
    assert estimator.score(ask(), text, choices=choices).value == by_name
    assert estimator.score(ask(), answer(text), choices=choices).value == by_name


# Purity


def test_the_same_item_under_the_same_version_is_the_same(fake_model, calibrator):
    questions = [f"question {i}" for i in range(60)] * 3
    random.Random(0).shuffle(questions)
    found = {}
    estimator = ConfidenceEstimator(fake_model, calibrator, state_dir=None)
    with ThreadPoolExecutor(8) as pool:
        for question, c in zip(
            questions, pool.map(lambda q: estimator.score(ask(q), answer()), questions), strict=True
        ):
            found.setdefault((question, c.task_version), set()).add(replace(c, seconds=0.0))
    assert all(len(same) == 1 for same in found.values())
    assert estimator.state(task_of(ask()), "self_check").current.inputs == 30  # 60 inputs; the next version is at 100
    # Alone, in another order, under that version: the same numbers again.
    last = {q: c for (q, version), (c,) in found.items() if version == 4}
    assert last
    for question, confidence in sorted(last.items()):
        assert without_seconds(estimator.score(ask(question), answer())) == confidence


def test_a_version_is_made_of_inputs_not_of_calls(estimator):
    for _ in range(20):
        estimator.score(ask("the same"), answer())
        estimator.score(ask("the same"), answer("another answer"))
    state = estimator.state(task_of(ask()), "self_check")
    assert (state.current.version, state.current.inputs) == (1, 1)
    assert state.refresh() == state.current
    estimator.score(ask("new"), answer())
    assert state.refresh().inputs == 2


def test_a_conversation_is_an_input_not_its_last_message(estimator):
    for topic in ("tea", "rain", "snow"):
        estimator.score([*ask(topic), {"role": "assistant", "content": "The answer is"}], "A", task="t", choices="AB")
    assert estimator.state("t", "choice").current.inputs == 3


def test_tasks_and_sources_have_their_own_states(estimator):
    estimator.score(ask(), answer(), task="a")
    estimator.score(ask(), "A", task="a", choices="AB")
    assert estimator.state("a", "choice") is not estimator.state("a", "self_check")
    assert estimator.state("a", "choice") is estimator.state("a", "choice")
    assert estimator.state("b", "choice").current.inputs == 0


def test_an_unnamed_task_is_its_system_message():
    assert task_of(ask("a")) == task_of(ask("b"))
    other = [{"role": "system", "content": "Be long."}, {"role": "user", "content": "a"}]
    assert task_of(ask("a")) != task_of(other)
    assert task_of([]).startswith("unnamed-")


# Why there is no number


def broken(value):
    return lambda _text, n: [value] * n


NO_VALUE = {
    "empty question": ({}, ask(" \n"), answer(), None, "the question is empty"),
    "no messages": ({}, [], answer(), None, "the question is empty"),
    "empty question with choices": ({}, ask(""), "A", "AB", "the question is empty"),
    "empty answer": ({}, ask(), answer("  "), None, "the answer is empty"),
    "empty text": ({}, ask(), "", None, "the answer is empty"),
    "too long": ({"context": 50}, ask("x" * 99), answer(), None, "has 108 tokens, but fake takes at most 50"),
    "too long with choices": ({"context": 50}, ask("x" * 99), "A", "AB", "takes at most 50"),
    "NaN logits": ({"logits": broken(math.nan)}, ask(), answer(), None, "are not finite"),
    "NaN logits with choices": ({"logits": broken(math.nan)}, ask(), "A", "AB", "are not finite"),
    "infinite logits": ({"logits": broken(math.inf)}, ask(), answer(), None, "are not finite"),
    "NaN hidden state": ({"hidden": lambda _: [math.nan] * HIDDEN}, ask(), answer(), None, "are not finite"),
    "NaN mass": ({"mass": math.nan}, ask(), answer(), None, "are not finite"),
    "low mass": ({"mass": 0.003}, ask(), answer(), None, "only 0.30% of the model's next-token probability"),
    "low mass with choices": ({"mass": 0.003}, ask(), "A", "AB", "is on the options ('A', 'B')"),
    "shared token": ({}, ask(), "A", "AA", "share a token"),
    "none of the choices": ({}, ask(), "Perhaps", ("yes", "no"), "the answer 'Perhaps' is none of the choices"),
    "a word that starts like a choice": ({}, ask(), "Apple", "AB", "is none of the choices"),
    "no temperature": ({"hidden": lambda _: [3e38] * HIDDEN}, ask(), answer(), None, "temperature"),
}


CODES = {
    "empty question": "empty_question",
    "no messages": "empty_question",
    "empty question with choices": "empty_question",
    "empty answer": "empty_answer",
    "empty text": "empty_answer",
    "too long": "model_error",
    "too long with choices": "model_error",
    "NaN logits": "not_finite",
    "NaN logits with choices": "not_finite",
    "infinite logits": "not_finite",
    "NaN hidden state": "not_finite",
    "NaN mass": "not_finite",
    "low mass": "off_options",
    "low mass with choices": "off_options",
    "shared token": "model_error",
    "none of the choices": "not_a_choice",
    "a word that starts like a choice": "not_a_choice",
    "no temperature": "not_finite",
}


@pytest.mark.parametrize("case", NO_VALUE)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_what_cannot_be_computed_has_a_reason(calibrator, case):
    settings, messages, given, choices, reason = NO_VALUE[case]
    estimator = ConfidenceEstimator(FakeModel(**settings), calibrator, state_dir=None)
    confidence = estimator.score(messages, given, choices=choices)
    assert confidence.value is None
    assert reason in confidence.reason
    assert confidence.reason_code == CODES[case]
    assert confidence.source == ("choice" if choices else "self_check")
    assert confidence.task == task_of(messages)
    assert json.dumps(confidence.to_dict(), allow_nan=False)
    # Nothing of it went into the task's state.
    assert estimator.state(confidence.task, confidence.source).refresh().inputs == 0


@pytest.mark.parametrize(
    ("settings", "messages", "choices", "reason"),
    [
        ({"logits": broken(math.nan)}, ask(), "AB", "are not finite"),
        ({"context": 5}, ask(), "AB", "takes at most 5"),
        ({}, ask(), "AA", "share a token"),
        ({}, ask(" "), "AB", "the question is empty"),
        ({}, [], "AB", "the question is empty"),
    ],
)
def test_a_choice_that_cannot_be_made_is_none(calibrator, settings, messages, choices, reason):
    chosen, confidence = ConfidenceEstimator(FakeModel(**settings), calibrator, state_dir=None).choose(
        messages, choices
    )
    assert chosen is None and confidence.value is None
    assert reason in confidence.reason


def test_a_doubtful_choice_is_still_the_answer(calibrator):
    estimator = ConfidenceEstimator(FakeModel(mass=0.001, logits=fixed(1.0, 2.0)), calibrator, state_dir=None)
    chosen, confidence = estimator.choose(ask(), "AB")
    assert chosen == "B" and confidence.value is None


def test_a_long_wrong_answer_is_shown_shortly(estimator):
    reason = estimator.score(ask(), "x" * 5000, choices="AB").reason
    assert len(reason) < 120


def test_without_a_calibrator_the_command_is_given(fake_model):
    estimator = ConfidenceEstimator(fake_model, state_dir=None)
    assert estimator.calibrator is None and estimator.state("t", "choice") is None
    confidence = estimator.score(ask(), answer())
    assert confidence.value is None and confidence.raw is not None
    assert confidence.reason == "no calibrator for this model: thermolang calibrate --model fake"
    chosen, confidence = estimator.choose(ask(), "AB")
    assert chosen in "AB" and confidence.value is None


def test_a_calibrator_without_this_kind_says_so(fake_model, calibrator_for):
    estimator = ConfidenceEstimator(fake_model, calibrator_for(fake_model, sources=("choice",)), state_dir=None)
    assert estimator.score(ask(), "A", choices="AB").value is not None
    estimator.warning = "the model's weights differ slightly"
    reason = estimator.score(ask(), answer()).reason
    assert reason.startswith("this calibrator has no fit for free-form answers: thermolang calibrate")


# Which calibrator


class Probed(FakeModel):
    """A model with a fingerprint of its weights."""

    fingerprint = (np.eye(8, HIDDEN, dtype=np.float32), np.zeros((8, 2), np.float32))

    def probe(self):
        return self.fingerprint


def other_weights(by):
    """A model of the same identity whose hidden states point elsewhere."""
    model = Probed()
    model.fingerprint = (model.fingerprint[0] + by * np.roll(model.fingerprint[0], 1, axis=1), model.fingerprint[1])
    return model


@pytest.fixture(scope="module")
def probed(calibrator_for):
    return calibrator_for(Probed())


def test_another_models_calibrator_is_refused(calibrator):
    other = FakeModel(identity=replace(IDENTITY, template="another"))
    with pytest.raises(CalibratorMismatchError, match="template: 'template' against 'another'"):
        ConfidenceEstimator(other, calibrator)


def test_other_weights_are_refused(probed):
    with pytest.raises(CalibratorMismatchError, match=r"cosine 0\.\d+"):
        ConfidenceEstimator(other_weights(0.5), probed)


@pytest.mark.parametrize(
    "model",
    [other_weights(0.5), FakeModel(identity=replace(IDENTITY, template="another"))],
    ids=["weights", "identity"],
)
def test_a_mismatch_that_is_allowed_says_so(model, probed):
    estimator = ConfidenceEstimator(model, probed, allow_mismatch=True, state_dir=None)
    for confidence in (estimator.score(ask(), answer()), estimator.choose(ask(), "AB")[1]):
        assert confidence.value is not None
        assert confidence.reason.startswith("used against its identity: this calibrator was made for")


def test_another_width_cannot_be_allowed(calibrator):
    wider = FakeModel(identity=replace(IDENTITY, hidden_size=99))
    with pytest.raises(CalibratorMismatchError, match="hidden_size: 16 against 99"):
        ConfidenceEstimator(wider, calibrator, allow_mismatch=True)


def test_weights_that_differ_slightly_are_mentioned(probed):
    estimator = ConfidenceEstimator(other_weights(0.1), probed, state_dir=None)
    confidence = estimator.score(ask(), answer())
    assert confidence.value is not None and "differ slightly" in confidence.reason


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    folder = tmp_path / "pretrained"
    monkeypatch.setattr(registry, "shipped_dir", lambda: folder)
    return folder


def test_the_users_calibrator_comes_before_the_shipped_one(fake_model, calibrator_for, shipped):
    theirs, ours = calibrator_for(fake_model, seed=1), calibrator_for(fake_model, seed=2)
    theirs.save(shipped / "a")
    assert ConfidenceEstimator(fake_model).calibrator.id == theirs.id
    ours.save(registry.folder_for(IDENTITY, "fake"))
    assert ConfidenceEstimator(fake_model).calibrator.id == ours.id
    assert ConfidenceEstimator(fake_model, shipped / "a").calibrator.id == theirs.id


def test_a_calibrator_of_other_weights_is_passed_over(probed, calibrator_for, shipped, caplog):
    calibrator_for(other_weights(0.5)).save(registry.folder_for(IDENTITY, "fake"))
    alone = ConfidenceEstimator(Probed(), state_dir=None)
    assert alone.calibrator is None
    assert "other weights" in alone.score(ask(), answer()).reason
    probed.save(shipped / "a")
    found = ConfidenceEstimator(Probed(), state_dir=None)
    assert found.calibrator.id == probed.id
    assert "other weights" not in found.score(ask(), answer()).reason


def test_a_damaged_calibrator_is_passed_over(fake_model, calibrator, shipped, caplog):
    folder = calibrator.save(registry.folder_for(IDENTITY, "fake"))
    (folder / "model.safetensors").write_bytes(b"torn")
    calibrator.save(shipped / "a")
    assert ConfidenceEstimator(fake_model).calibrator.id == calibrator.id
    assert str(folder) in caplog.text


def test_a_damaged_calibrator_that_was_asked_for_is_an_error(fake_model, tmp_path):
    with pytest.raises(CalibratorFormatError):
        ConfidenceEstimator(fake_model, tmp_path)


def test_saving_changes_no_confidence(fake_model, calibrator, tmp_path):
    calibrator.save(tmp_path / "kept")
    before = ConfidenceEstimator(fake_model, calibrator, state_dir=None).score(ask(), answer())
    after = ConfidenceEstimator(fake_model, Calibrator.load(tmp_path / "kept"), state_dir=None).score(ask(), answer())
    assert without_seconds(after) == without_seconds(before)


def test_a_local_model_fits_the_protocol(tiny_model, calibrator_for):
    estimator = ConfidenceEstimator(tiny_model, calibrator_for(tiny_model), state_dir=None)
    messages = [{"role": "user", "content": "Why?"}]
    generation = tiny_model.generate(messages, max_new_tokens=5)
    check = tiny_model.self_check(messages, generation)
    assert check.cache_reused
    raw = estimator.score(messages, generation).raw
    assert raw == pytest.approx(sigmoid(float(check.logits[0] - check.logits[1])))
    chosen, confidence = estimator.choose(messages, "AB")
    assert chosen in "AB" and (confidence.value is not None or "next-token probability" in confidence.reason)


# The state on disk


def scored(model, calibrator, questions, **settings):
    estimator = ConfidenceEstimator(model, calibrator, **settings)
    return estimator, [estimator.score(ask(q), answer(), task="t") for q in questions]


def test_the_state_is_kept_between_runs(fake_model, calibrator):
    questions = [f"question {i}" for i in range(12)]
    one, before = scored(fake_model, calibrator, questions)
    assert list((data_dir() / "states" / calibrator.id).glob("*.json"))
    two, after = scored(fake_model, calibrator, questions)
    assert two.state("t", "self_check").versions == one.state("t", "self_check").versions
    assert after[-1].task_version == before[-1].task_version == 3
    assert after[-1].value == before[-1].value


def test_runs_of_one_answer_each_add_up(fake_model, calibrator):
    for i in range(10):
        _, [confidence] = scored(fake_model, calibrator, [f"question {i}"])
    assert confidence.task_version == 3


def test_in_memory_nothing_is_written(fake_model, calibrator, tmp_path):
    scored(fake_model, calibrator, ["a", "b", "c"], state_dir=None)
    assert not data_dir().exists() and list(tmp_path.iterdir()) == []


def test_another_folder(fake_model, calibrator, tmp_path):
    scored(fake_model, calibrator, ["a"], state_dir=str(tmp_path / "mine"))
    assert len(list((tmp_path / "mine").rglob("*.json"))) == 1
    assert not data_dir().exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"versions": [], "seen": {}}',
        b'{"versions": [{"version": "x"}], "seen": 3}',
        b"\xff",
    ],
    ids=repr,
)
def test_a_damaged_state_costs_no_answer(fake_model, calibrator, tmp_path, content, caplog):
    _, [before] = scored(fake_model, calibrator, ["a"], state_dir=tmp_path)
    [file] = tmp_path.rglob("*.json")
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        _, [after] = scored(fake_model, calibrator, ["a"], state_dir=tmp_path)
    assert without_seconds(after) == without_seconds(before)  # the state begins anew
    assert str(file) in caplog.text


def test_a_state_that_cannot_be_written_costs_no_answer(fake_model, calibrator, tmp_path, caplog):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be: not even root may write below it")
    questions = [f"question {i}" for i in range(12)]
    estimator, found = scored(fake_model, calibrator, questions, state_dir=blocked)
    assert all(c.value is not None for c in found)
    assert estimator.state("t", "self_check").current.inputs == 10  # in memory
    assert "t" in caplog.text and str(blocked) in caplog.text


def test_a_full_disk_costs_no_answer(fake_model, calibrator, tmp_path, monkeypatch, caplog):
    import errno
    import pathlib

    def full(self, *_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    _, found = scored(fake_model, calibrator, ["a", "b", "c"], state_dir=tmp_path)
    assert all(c.value is not None for c in found)
    assert "No space left on device" in caplog.text
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [LOCK]


# Snapshots


def test_a_snapshot_scores_under_the_versions_of_its_first_question(estimator):
    estimator.score(ask("One?"), answer(), task="t")
    frozen = estimator.snapshot()
    before = without_seconds(frozen.score(ask("Two?"), answer(), task="t"))
    for i in range(20):
        estimator.score(ask(f"Question {i}?"), answer(), task="t")
    assert without_seconds(frozen.score(ask("Two?"), answer(), task="t")) == before
    assert without_seconds(estimator.score(ask("Two?"), answer(), task="t")) != before


def test_a_snapshot_leaves_the_states_alone(fake_model, calibrator, tmp_path):
    estimator = ConfidenceEstimator(fake_model, calibrator, state_dir=tmp_path)
    frozen = estimator.snapshot()
    for i in range(3):
        assert frozen.score(ask(f"Question {i}?"), answer(), task="t").value is not None
    assert not list(tmp_path.rglob("*.json"))
    assert estimator.state("t", "self_check").refresh().inputs == 0
    with pytest.raises(InvalidInputError, match="snapshot"):
        frozen.learn([])


def test_a_snapshot_scores_under_given_versions(estimator):
    version = TaskVersion(7, 0.25, 0.5, 100, 1.0)
    found = estimator.snapshot({("t", "self_check"): version}).score(ask(), answer(), task="t")
    assert (found.task_version, found.temperature, found.bias) == (7, 4.0, 0.5)
    assert found.basis.inputs == 100 and not found.reason


# Verdicts


def with_head(calibrator, *, logprob=4.0):
    """The same calibrator with a head for both kinds of answers."""
    weights = np.linspace(-0.5, 0.5, HIDDEN).astype(np.float32)
    fits = {}
    for source, fit in calibrator.fits.items():
        kind = KINDS[source]
        head = Head(
            np.array([0.1, -0.2, 0.1, 0.1], np.float32),
            weights,
            kind,
            0.8,
            0.5,
            Hyperparameters(4, 0.3, 8, 1.0),
            0.1,
            0.01,
            0.02,
            logprob if kind.has_bias else 0.0,
            0.5,
        )
        fits[source] = replace(fit, head=head)
    return Calibrator(calibrator.identity, fits, calibrator.probe, model_name=calibrator.model_name)


@pytest.fixture(params=["without a head", "with a head"])
def learning(request, fake_model, calibrator):
    known = with_head(calibrator) if request.param == "with a head" else calibrator
    return ConfidenceEstimator(fake_model, known, state_dir=None)


@pytest.mark.parametrize("choices", [None, ["Paris", "Rome", "Oslo"]])
@pytest.mark.parametrize("right", [True, False])
def test_verdicts_move_the_next_confidences(learning, choices, right):
    questions = [f"Question {i}?" for i in range(20)]

    def scored(question):
        given = learning.choose(ask(question), choices)[0] if choices else "Paris"
        return learning.score(ask(question), given, task="t", choices=choices)

    asked = [scored(q) for q in questions]
    before = scored("Another?")
    assert learning.learn([(c, right) for c in asked]) == 20
    after = scored("Another?")
    assert (after.value > before.value) is right
    assert after.task_version > before.task_version
    assert after.basis.half_width <= before.basis.half_width
    assert learning.learn([(c, right) for c in asked]) == 20  # once more: the same
    assert without_seconds(scored("Another?")) == without_seconds(after)


def test_a_confidence_that_was_stored_teaches_as_well(estimator):
    found = estimator.score(ask(), answer(), task="t")
    stored = Confidence.from_dict(json.loads(json.dumps(found.to_dict())))
    assert stored == found
    assert estimator.learn([(stored, False)]) == 1
    assert estimator.state("t", "self_check").current.verdicts == 1


def test_verdicts_that_teach_nothing_are_counted(fake_model, calibrator, caplog):
    estimator = ConfidenceEstimator(FakeModel(logits=fixed(0.0, 3.0, 1.0)), calibrator, state_dir=None)
    second = estimator.score(ask(), "Paris", task="t", choices=["Paris", "Rome", "Oslo"])
    good = estimator.score(ask(), "Rome", task="t", choices=["Paris", "Rome", "Oslo"])
    nothing = Confidence(None, task="t", reason="broken")
    foreign = replace(good, calibrator="another@1")
    with caplog.at_level(logging.WARNING):
        assert estimator.learn([(second, True), (good, True), (nothing, False), (foreign, True)]) == 1
    assert "3 of 4 verdicts" in caplog.text
    assert ConfidenceEstimator(fake_model, calibrator=None, state_dir=None).learn([]) == 0


def test_a_head_counts_how_probable_the_tokens_were(fake_model, calibrator):
    estimator = ConfidenceEstimator(fake_model, with_head(calibrator), state_dir=None)
    sure, unsure = (replace(answer(), logprobs=(x,)) for x in (-0.01, -3.0))
    values = [estimator.score(ask(), given, task="t").value for given in (sure, "Paris", unsure)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[2] > 0.1


def test_with_a_head_the_options_still_add_up(calibrator, fake_model):
    estimator = ConfidenceEstimator(fake_model, with_head(calibrator), state_dir=None)
    names = ["Paris", "Rome", "Oslo"]
    for given in names:
        found = estimator.score(ask(), given, task="t", choices=names)
        assert found.value + sum(a.share for a in found.alternatives) == pytest.approx(1)


def test_the_heads_mean_is_that_of_the_temperature(fake_model, calibrator):
    estimator = ConfidenceEstimator(fake_model, with_head(calibrator), state_dir=None)
    plain = ConfidenceEstimator(fake_model, calibrator, state_dir=None)
    names, questions = ["Paris", "Rome", "Oslo"], [f"Question {i}?" for i in range(30)]
    for one in (estimator, plain):
        for q in questions:
            one.choose(ask(q), names, task="t")
    means = [np.mean([one.choose(ask(q), names, task="t")[1].value for q in questions]) for one in (estimator, plain)]
    assert means[0] == pytest.approx(means[1], abs=1e-6)


@pytest.mark.parametrize("verdict", [float("nan"), None, 0.5, "accept"])
def test_a_verdict_that_is_none_is_refused_and_nothing_learned(estimator, verdict):
    found = estimator.score(ask(), answer(), task="t")
    with pytest.raises(InvalidInputError, match=r"True \(right\) or False"):
        estimator.learn([(found, True), (found, verdict)])
    assert estimator.state("t", "self_check").current.verdicts == 0


def test_a_certain_option_still_gets_the_heads_number(calibrator):
    estimator = ConfidenceEstimator(FakeModel(logits=fixed(800.0, 0.0, 0.0)), with_head(calibrator), state_dir=None)
    found = estimator.score(ask(), "Paris", task="t", choices=["Paris", "Rome", "Oslo"])
    assert found.value < 1
    assert found.value + sum(a.share for a in found.alternatives) == pytest.approx(1)
