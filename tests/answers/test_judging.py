"""Judges: a pair is asked once, in both directions; what they say is a probability."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from tests.answers.fakes import install
from thermolang.answers import judging
from thermolang.answers.judging import ChatJudge, EntailmentJudge, judge_for
from thermolang.errors import ModelError

QUESTION = "What is it?"
PAIRS = [("a cat", "a small cat"), ("dog", "hound"), ("猫", "cat")]


@pytest.fixture
def reads(roomy_model, monkeypatch):
    """How many prompts each call of the model's ``read`` had."""
    counted = []
    read = roomy_model.read

    def counting(prompts, *args, **kwargs):
        counted.append(len(prompts))
        return read(prompts, *args, **kwargs)

    monkeypatch.setattr(roomy_model, "read", counting)
    return counted


def test_a_chat_models_verdicts_are_probabilities(roomy_model):
    verdicts = ChatJudge(roomy_model)(QUESTION, PAIRS)
    assert len(verdicts) == len(PAIRS)
    assert all(isinstance(verdict, float) and 0 <= verdict <= 1 for verdict in verdicts)
    assert len(set(verdicts)) > 1


def test_the_order_of_a_pair_plays_no_part(roomy_model):
    turned = [(b, a) for a, b in PAIRS]
    np.testing.assert_allclose(
        ChatJudge(roomy_model)(QUESTION, PAIRS), ChatJudge(roomy_model)(QUESTION, turned), atol=1e-5
    )


def test_other_pairs_beside_it_do_not_change_a_verdict(roomy_model):
    together = ChatJudge(roomy_model)(QUESTION, PAIRS)
    alone = [ChatJudge(roomy_model)(QUESTION, [pair])[0] for pair in PAIRS]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_pair_is_asked_once_in_both_directions(roomy_model, reads):
    judge = ChatJudge(roomy_model)
    first = judge(QUESTION, [PAIRS[0], PAIRS[1], PAIRS[0], PAIRS[0][::-1]])
    assert sum(reads) == 4
    assert first[0] == first[2] == first[3]
    assert judge(QUESTION, [PAIRS[1][::-1], PAIRS[0]]) == [first[1], first[0]]
    assert sum(reads) == 4
    judge("Another question?", [PAIRS[0]])
    assert sum(reads) == 6


def test_a_long_question_is_computed_once_for_all_its_pairs(roomy_model, monkeypatch):
    long = "What is said about the animal? " * 30
    alone = [ChatJudge(roomy_model)(long, [pair])[0] for pair in PAIRS]
    scores, read = [], roomy_model.read
    monkeypatch.setattr(roomy_model, "read", lambda *args, **how: scores.extend(found := read(*args, **how)) or found)
    np.testing.assert_allclose(ChatJudge(roomy_model)(long, PAIRS), alone, atol=1e-5)
    assert max(one.tokens_computed for one in scores) < len(roomy_model.encode(long)) / 2


def test_many_pairs_go_through_the_model_in_parts(roomy_model, reads):
    pairs = [(f"answer {i}", "other") for i in range(judging.PAIRS_AT_ONCE + 1)]
    assert len(ChatJudge(roomy_model)(QUESTION, pairs)) == len(pairs)
    assert reads == [2 * judging.PAIRS_AT_ONCE, 2]


def test_no_pairs_no_reading(roomy_model, reads):
    assert ChatJudge(roomy_model)(QUESTION, []) == []
    assert reads == []


def test_a_conversation_too_long_for_the_model_is_a_model_error(tiny_model):
    with pytest.raises(ModelError, match="tiny takes at most 256"):
        ChatJudge(tiny_model)(QUESTION, PAIRS)


def test_a_reasoning_model_is_asked_to_answer_at_once(roomy_model, monkeypatch):
    how, render = [], roomy_model.render
    monkeypatch.setattr(roomy_model, "render", lambda messages, **given: how.append(given) or render(messages, **given))
    ChatJudge(roomy_model)(QUESTION, PAIRS[:1])
    assert how == [{"at_once": True}] * 4  # two to find what all have in common


def test_only_a_large_model_is_asked_by_default(tiny_model, monkeypatch):
    assert tiny_model.parameters > 1000
    assert judge_for(tiny_model) is None
    assert judge_for(object()) is None
    monkeypatch.setattr(judging, "LEAST", tiny_model.parameters)
    assert isinstance(judge_for(tiny_model), ChatJudge)


def test_certain_models_give_one_and_zero():
    logits = iter([(0.0, -2000.0), (0.0, -2000.0), (-2000.0, 0.0), (-2000.0, 0.0)])
    model = SimpleNamespace(
        option_ids=lambda options, names: [[0], [1]],
        encode=lambda text: [1],
        render=lambda messages, at_once: "",
        context_length=100,
        prefix=lambda prompts, after=None: None,
        read=lambda prompts, *args, **how: [SimpleNamespace(logits=np.array(next(logits))) for _ in prompts],
    )
    assert ChatJudge(model)(QUESTION, PAIRS[:2]) == [1.0, 0.0]


class Counting(judging._Remembering):
    """Says how much longer the second answer is."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def _ask(self, asked):
        self.asked += asked
        time.sleep(0.001)  # lets another thread in, as a model's forward pass does
        return [len(b) / (len(a) + len(b)) for _, a, b in asked]


def test_only_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr(judging, "KEPT", 2)
    judge = Counting()
    assert judge("", [("a", "bbb"), ("a", "bb"), ("a", "b")]) == [0.5, 0.5, 0.5]
    assert len(judge.asked) == 6
    judge("", [("a", "b"), ("a", "bb")])
    assert len(judge.asked) == 6
    judge("", [("a", "bbb")])
    assert len(judge.asked) == 8


def test_long_answers_are_cut():
    judge = Counting()
    judge("", [("x" * 700, "y"), ("x" * 800, "y")])
    assert judge.asked == [("", "x" * 600, "y"), ("", "y", "x" * 600)]


def test_threads_ask_about_a_pair_once():
    judge = Counting()
    pairs = [(str(i), str(i + 1)) for i in range(40)]
    threads = [threading.Thread(target=judge, args=("", pairs)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(judge.asked) == 80


@pytest.fixture
def encoder(monkeypatch):
    """Stands for CrossEncoder: entails if the second text is in the first; labels and errors can be set."""

    class Encoder:
        loaded, pairs, labels, error = [], [], ("contradiction", "entailment", "neutral"), None

        def __init__(self, name):
            Encoder.loaded.append(name)
            if Encoder.error:
                raise Encoder.error
            self.model = SimpleNamespace(config=SimpleNamespace(id2label=dict(enumerate(Encoder.labels))))

        def predict(self, pairs, **how):
            Encoder.pairs += pairs
            place = [label.lower() for label in Encoder.labels].index("entailment")
            logits = np.full((len(pairs), len(Encoder.labels)), -800.0)
            for row, (a, b) in zip(logits, pairs, strict=True):
                row[place if b in a else place - 1] = 800.0
            return logits

    install(monkeypatch, CrossEncoder=Encoder)
    return Encoder


@pytest.mark.parametrize(
    "labels",
    [
        ("contradiction", "entailment", "neutral"),
        ("ENTAILMENT", "NEUTRAL", "CONTRADICTION"),
        ("neutral", "contradiction", "Entailment"),
        ("entailment", "not_entailment"),
    ],
)
def test_entailment_is_found_wherever_its_label_is(encoder, labels):
    encoder.labels = labels
    verdicts = EntailmentJudge("nli")("", [("cat", "cat"), ("cat", "dog"), ("cat", "a cat")])
    assert verdicts[:2] == [1.0, 0.0]
    assert verdicts[2] == EntailmentJudge("nli")("", [("a cat", "cat")])[0] < 1


def test_entailment_is_asked_in_both_directions_with_the_question(encoder):
    EntailmentJudge("nli")("Which?", [("a", "b")])
    assert encoder.pairs == [("Which? a", "Which? b"), ("Which? b", "Which? a")]


def test_an_entailment_judge_is_loaded_at_first_use_and_once(encoder):
    judge = EntailmentJudge("nli")
    assert judge("", []) == []
    assert encoder.loaded == []
    judge("", [("a", "b")])
    judge("", [("a", "c")])
    assert encoder.loaded == ["nli"]


@pytest.mark.parametrize("labels", [("LABEL_0",), ("negative", "positive"), ()])
def test_a_model_for_something_else_is_a_model_error(encoder, labels):
    encoder.labels = labels
    with pytest.raises(ModelError, match="'nli' is no model for natural language inference"):
        EntailmentJudge("nli")("", [("a", "b")])


@pytest.mark.parametrize("error", [OSError("not there"), ValueError("odd"), KeyError("x"), RuntimeError("broken")])
def test_a_cross_encoder_that_cannot_be_loaded_is_a_model_error(encoder, error):
    encoder.error = error
    with pytest.raises(ModelError, match="cannot load the cross-encoder 'nli'") as caught:
        EntailmentJudge("nli")("", [("a", "b")])
    assert caught.value.__cause__ is error
