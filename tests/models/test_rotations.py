"""Rotated orders of the options: what is moved, what is not, and what the average over orders no longer depends on."""

import itertools
import math

import numpy as np
import pytest

from thermolang.calibration.kinds import choice_probabilities
from thermolang.errors import InvalidInputError, ModelError
from thermolang.models.prompts import choice_messages, question_messages
from thermolang.models.rotations import averaged, rotated, shifts, with_rotated_options
from thermolang.types import Example, OptionScores

OPTIONS = ("Kyoto", "Tokyo", "Osaka (the city)", "A. none of them")


def ask(text):
    return [{"role": "user", "content": text}]


def scores(logits, *, mass=1.0):
    names = tuple("ABCDEFG"[: len(logits)])
    return OptionScores(names, np.array(logits, float), np.zeros(2, np.float32), mass, tokens_computed=3)


def probabilities(of):
    return choice_probabilities(of.logits, 1.0)


# Which orders


@pytest.mark.parametrize("options", range(2, 7))
def test_all_rotations_bring_each_option_behind_each_letter_once(options):
    places = [rotated(range(options), shift) for shift in shifts(options, options)]
    assert all(sorted(column) == list(range(options)) for column in zip(*places, strict=True))


@pytest.mark.parametrize(("options", "rotations"), [(4, 1), (4, 3), (5, 4), (10, 4)])
def test_fewer_orders_are_different_ones_and_begin_with_the_given_one(options, rotations):
    found = shifts(options, rotations)
    assert found[0] == 0 and len(set(found)) == rotations and max(found) < options


@pytest.mark.parametrize("rotations", [0, -1, 5, 2.0, None, "2"])
def test_another_number_of_orders_is_refused(rotations):
    with pytest.raises(InvalidInputError, match="1 to 4 for 4 choices, not"):
        shifts(4, rotations)


# What is moved


@pytest.mark.parametrize("shift", range(4))
def test_the_options_move_as_if_they_had_been_asked_for_in_that_order(shift):
    moved = with_rotated_options(choice_messages("Which is it?", OPTIONS), "ABCD", shift)
    assert moved == choice_messages("Which is it?", rotated(OPTIONS, shift))


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("A) x\nB) y", "A) y\nB) x"),
        ("(A) x\n(B) y\n", "(A) y\n(B) x\n"),
        ("Which?\n\n  A: x  \n\n  B: y\nSay A or B.", "Which?\n\n  A: y  \n\n  B: x\nSay A or B."),
        ("A.x\r\nB.y\r\n", "A.y\r\nB.x\r\n"),
        ("\uff08A\uff09\u3000東京\nB\uff0e京都", "\uff08A\uff09\u3000京都\nB\uff0e東京"),
        ("A. 1\nB. 2\n\nNow:\nA. x\nB. y", "A. 1\nB. 2\n\nNow:\nA. y\nB. x"),
        ("A. B. Goode\nB. A. Einstein", "A. A. Einstein\nB. B. Goode"),
    ],
)
def test_only_the_texts_of_the_last_lines_move(text, moved):
    before = [{"role": "system", "content": "A. s\nB. t"}, *ask("A. u\nB. v"), {"role": "assistant", "content": "A"}]
    begun = {"role": "assistant", "content": "The answer is"}
    found = with_rotated_options([*before, *ask(text), begun], "AB", 1)
    assert found == [*before, *ask(moved), begun]


def test_choices_may_be_any_texts():
    found = with_rotated_options(ask("+. plus\n(1). one\n[x]: x"), ["+", "(1)", "[x]"], 2)
    assert found == ask("+. x\n(1). plus\n[x]: one")


@pytest.mark.parametrize(
    "messages",
    [
        ask("Is it A or B?"),
        ask("A. x\nC. y"),
        ask("B. x\nA. y"),
        ask("A. x\nand\nB. y"),
        ask("A. x, B. y"),
        ask("A.\nB."),
        [{"role": "system", "content": "A. x\nB. y"}],
        [],
    ],
)
def test_options_without_lines_of_their_own_are_refused(messages):
    with pytest.raises(InvalidInputError, match=r"a line for each of them, such as 'A. text'"):
        with_rotated_options(messages, "AB", 1)


# What the average depends on


@pytest.mark.parametrize("options", [2, 3, 5])
def test_a_model_that_always_says_the_same_letter_is_undecided(options):
    always_a = scores([50.0] + [0.0] * (options - 1))
    found = averaged([always_a] * options, shifts(options, options))
    np.testing.assert_allclose(probabilities(found), 1 / options)


@pytest.mark.parametrize("given", list(itertools.permutations(range(4))))
def test_a_liking_for_letters_cancels_in_any_given_order(given):
    content, liking = np.array([0.3, -1.0, 2.0, 0.7]), np.array([4.0, 0.0, -3.0, 1.0])
    shown = content[list(given)]
    orders = [scores(np.array(rotated(shown, shift)) + liking) for shift in shifts(4, 4)]
    found = averaged(orders, shifts(4, 4))
    np.testing.assert_allclose(probabilities(found), choice_probabilities(shown, 1.0))
    # Negative control: one order alone says what the letters say.
    assert not np.allclose(probabilities(orders[0]), choice_probabilities(shown, 1.0), atol=0.1)


def test_the_average_is_the_geometric_mean_of_the_probabilities():
    orders = [scores([1.0, 0.0, -1.0]), scores([0.5, 2.0, 0.0])]  # the second shows options 1, 2, 0
    p, q = (probabilities(s) for s in orders)
    mean = np.sqrt([p[0] * q[2], p[1] * q[0], p[2] * q[1]])
    np.testing.assert_allclose(probabilities(averaged(orders, [0, 1])), mean / mean.sum())


def test_the_rest_is_that_of_the_given_order():
    first, second = scores([1.0, 0.0], mass=0.5), scores([0.0, 0.0], mass=0.1)
    found = averaged([first, second], [0, 1])
    assert found.hidden is first.hidden and found.options == ("A", "B")
    assert found.answer_mass == pytest.approx(0.3) and found.tokens_computed == 6
    assert math.isnan(averaged([first, scores([math.nan, 0.0])], [0, 1]).logits[1])


# With a real forward pass


def asked(options):
    return question_messages(Example("Which?", choices=tuple(options)))


def test_the_scores_are_the_mean_over_prompts_asked_one_by_one(tiny_model):
    alone = [tiny_model.choice_logits(asked(rotated(OPTIONS, shift)), "ABCD") for shift in range(4)]
    found = tiny_model.choice_logits(asked(OPTIONS), "ABCD", rotations=4)
    by_hand = np.mean([[z.logits[(k - shift) % 4] for k in range(4)] for shift, z in enumerate(alone)], axis=0)
    np.testing.assert_allclose(found.logits, by_hand, atol=1e-4)
    np.testing.assert_allclose(found.hidden, alone[0].hidden, atol=1e-4)
    assert found.answer_mass == pytest.approx(np.mean([z.answer_mass for z in alone]), abs=1e-6)
    assert np.ptp([np.roll(z.logits, shift) for shift, z in enumerate(alone)], axis=0).max() > 0.1  # orders differ


@pytest.mark.parametrize("shift", range(1, 4))
def test_with_all_rotations_it_does_not_matter_which_of_them_is_given(tiny_model, shift):
    found = tiny_model.choice_logits(asked(OPTIONS), "ABCD", rotations=4)
    other = tiny_model.choice_logits(asked(rotated(OPTIONS, shift)), "ABCD", rotations=4)
    np.testing.assert_allclose(other.logits, rotated(found.logits, shift), atol=1e-4)


def test_all_orders_are_one_batch_after_one_shared_beginning(tiny_model, monkeypatch):
    forward, shapes = tiny_model._forward, []
    monkeypatch.setattr(
        tiny_model, "_forward", lambda **inputs: shapes.append(tuple(inputs["input_ids"].shape)) or forward(**inputs)
    )
    found = tiny_model.choice_logits(asked(OPTIONS), "ABCD", rotations=3)
    (one, shared), (three, _) = shapes
    assert (one, three) == (1, 3)
    prompts = [tiny_model.encode(tiny_model.render(asked(rotated(OPTIONS, s)))) for s in shifts(4, 3)]
    assert shared > 20
    assert found.tokens_computed == shared + sum(len(p) - shared for p in prompts)


def test_one_order_is_read_as_if_nothing_were_averaged(tiny_model):
    ids = tiny_model.option_ids([(letter,) for letter in "ABCD"], names="ABCD")
    (alone,) = tiny_model.read([tiny_model.encode(tiny_model.render(asked(OPTIONS)))], [ids], [tuple("ABCD")])
    for found in (
        tiny_model.choice_logits(asked(OPTIONS), "ABCD"),
        tiny_model.choice_logits(asked(OPTIONS), "ABCD", rotations=1),
    ):
        np.testing.assert_array_equal(found.logits, alone.logits)
        np.testing.assert_array_equal(found.hidden, alone.hidden)
        assert (found.answer_mass, found.tokens_computed) == (alone.answer_mass, alone.tokens_computed)


def test_an_answer_that_was_generated_is_averaged_as_well(tiny_model):
    generation = tiny_model.generate(asked(OPTIONS), max_new_tokens=1)
    found = tiny_model.choice_logits(asked(OPTIONS), "ABCD", generation, rotations=4)
    np.testing.assert_array_equal(found.logits, tiny_model.choice_logits(asked(OPTIONS), "ABCD", rotations=4).logits)


def test_a_prompt_that_is_too_long_is_an_error_in_any_order(tiny_model):
    with pytest.raises(ModelError, match="at most 256"):
        tiny_model.choice_logits(asked(["x " * 300, "y"]), "AB", rotations=2)
