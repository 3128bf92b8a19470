"""Reading several answers at once gives what reading each alone gives, and one that fails harms no other."""

import numpy as np
import pytest

from tests.fakes import FakeModel
from thermolang.errors import ModelError
from thermolang.readings import read_checks, read_choices
from thermolang.types import Generation, Reason

CHOICES = ("A", "B")


def ask(text):
    return [{"role": "user", "content": text}]


class Batched(FakeModel):
    """Counts how many conversations are read together."""

    def choice_logits_batch(self, conversations, choices):
        found = super().choice_logits_batch(conversations, choices)  # raises before it is noted
        self.calls.append(f"together {len(conversations)}")
        return found


def together(model):
    return [call for call in model.calls if call.startswith("together")]


def test_texts_are_read_together_and_each_as_if_alone():
    model, items = Batched(), [(ask(f"Q{i}?"), "AB"[i % 2]) for i in range(4)]
    found = read_choices(model, items, CHOICES)
    assert together(model) == ["together 4"]
    for (scores, given), (messages, answer) in zip(found, items, strict=True):
        ((alone, same),) = read_choices(FakeModel(), [(messages, answer)], CHOICES)
        assert given == same == "AB".index(answer)
        np.testing.assert_array_equal(scores.logits, alone.logits)


def test_what_cannot_be_read_is_left_out_of_the_batch():
    model = Batched()
    items = [(ask("Q?"), "A"), (ask(""), "A"), (ask("Q?"), "<think>hm"), (ask("R?"), "perhaps"), (ask("S?"), "B")]
    found = read_choices(model, items, CHOICES)
    assert together(model) == ["together 3"]
    assert [one.code if isinstance(one, Reason) else one[1] for one in found] == [
        *(0, "empty_question", "unfinished", "not_a_choice", 1)
    ]


def test_one_that_is_too_long_harms_no_other():
    model = Batched(context=50)
    found = read_choices(model, [(ask("Q?"), "A"), (ask("x" * 99), "A"), (ask("R?"), "B")], CHOICES)
    assert together(model) == []
    assert found[1].code == "model_error" and "at most 50" in found[1].text
    assert [one[1] for one in (found[0], found[2])] == [0, 1]


@pytest.mark.parametrize("rotations", [1, 2])
def test_the_models_own_answers_and_other_orders_are_read_one_by_one(rotations):
    model = Batched()
    own = Generation("A", (1,), (-0.1,), "stop", 1) if rotations == 1 else "A"
    asked = ask("Which?\nA. one\nB. two")
    assert len(read_choices(model, [(asked, own), (asked, own)], CHOICES, rotations)) == 2
    assert together(model) == [] and model.calls.count("choice_logits") == 2


def test_nothing_is_read_of_nothing():
    assert read_choices(FakeModel(), [], CHOICES) == read_checks(FakeModel(), []) == []


def test_options_that_share_a_token_are_the_items_fault():
    found = read_choices(FakeModel(), [(ask("Q?"), "A")] * 2, ("A", "A"))
    assert [one.code for one in found] == ["model_error"] * 2
    with pytest.raises(ModelError):
        FakeModel().choice_logits_batch([ask("Q?")], ("A", "A"))
