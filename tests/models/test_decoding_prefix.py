"""Prefixes computed once: the same numbers as without, also of several passages in one batch."""

import numpy as np
import pytest

from thermolang.models.caches import Prefix, fitting_prefixes, shared_length

LETTERS = ("A", "B", "C")


@pytest.fixture(scope="module")
def prompts(tiny_model):
    texts = ["The fox lives in a long story. " * 2 + end for end in ("Who?", "Where does it live?")]
    texts += ["Another passage, about the sea and its whales. " + end for end in ("Why?", "How deep is it then?")]
    return [tiny_model.encode(tiny_model.render([{"role": "user", "content": t}])) for t in texts]


def read(model, prompts, **how):
    ids = model.option_ids([(x,) for x in LETTERS], names=LETTERS)
    return model.read(prompts, [ids] * len(prompts), [LETTERS] * len(prompts), **how)


def test_a_prefix_changes_nothing_but_the_work(tiny_model, prompts):
    first, second = tiny_model.prefix(prompts[:2]), tiny_model.prefix(prompts[2:])
    assert len(first.ids) > 20 and first.ids != second.ids
    shared = read(tiny_model, prompts, prefixes=[first, first, second, second], middle=1)
    for prompt, found in zip(prompts, shared, strict=True):
        (alone,) = read(tiny_model, [prompt], middle=1)
        np.testing.assert_allclose(found.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(found.hidden, alone.hidden, atol=1e-4)
        np.testing.assert_allclose(found.middle, alone.middle, atol=1e-4)
        assert found.tokens_computed < alone.tokens_computed == len(prompt)


def test_a_prefix_goes_on_from_another(tiny_model, prompts):
    short = tiny_model.prefix([prompts[0][:12], prompts[1][:12]])
    before = [layer.keys.clone() for layer in short.values.layers]
    computed = []
    hook = tiny_model.model.register_forward_pre_hook(
        lambda *call: computed.append(call[2]["input_ids"].shape[1]), with_kwargs=True
    )
    many = prompts[:2] * 3
    longer = tiny_model.prefix(many, short)
    hook.remove()
    whole = tiny_model.prefix(many)
    assert longer.ids == whole.ids and computed == [len(whole.ids) - len(short.ids)]
    for found, one in zip(read(tiny_model, many, prefixes=[longer] * 6), read(tiny_model, many), strict=True):
        np.testing.assert_allclose(found.logits, one.logits, atol=1e-4)
    for layer, kept in zip(short.values.layers, before, strict=True):
        assert (layer.keys == kept).all()


def test_hardly_more_than_another_prefix_is_not_computed(tiny_model, prompts):
    short = tiny_model.prefix(prompts[:2])
    assert tiny_model.prefix(prompts[:2], short) is short
    assert tiny_model.prefix([prompts[0]], short) is short


def test_a_prefix_is_never_written(tiny_model, prompts):
    prefix = tiny_model.prefix(prompts[:2])
    before = [layer.keys.clone() for layer in prefix.values.layers]
    read(tiny_model, prompts[:2], prefixes=[prefix, prefix])
    read(tiny_model, prompts[:2], prefixes=[prefix, prefix])
    for layer, kept in zip(prefix.values.layers, before, strict=True):
        assert layer.keys.shape == kept.shape and bool((layer.keys == kept).all())


def test_a_prompt_that_does_not_begin_with_it_is_computed_whole(tiny_model, prompts):
    prefix = tiny_model.prefix(prompts[:2])
    mixed = read(tiny_model, [prompts[0], prompts[2]], prefixes=[prefix, prefix])
    (alone,) = read(tiny_model, [prompts[2]])
    np.testing.assert_allclose(mixed[1].logits, alone.logits, atol=1e-4)
    assert mixed[1].tokens_computed == len(prompts[2])
    assert [p.ids for p in fitting_prefixes([prefix], [list(prefix.ids)])] == [()]  # nothing would be left to compute


def test_an_empty_list_means_no_prefix(prompts):
    assert [p.ids for p in fitting_prefixes((), prompts)] == [()] * 4


def test_several_places_are_read_in_one_pass(tiny_model, prompts):
    ids = tiny_model.option_ids([(x,) for x in LETTERS], names=LETTERS)
    both = tiny_model.read_at(prompts, [ids] * 4, [LETTERS] * 4, ends=(2, 0))
    earlier = read(tiny_model, [p[:-2] for p in prompts])
    for (first, second), alone, whole in zip(both, earlier, read(tiny_model, prompts), strict=True):
        np.testing.assert_allclose(first.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(second.logits, whole.logits, atol=1e-4)


@pytest.mark.parametrize(
    ("lists", "length"),
    [
        ([[*range(20)]], 0),
        ([[*range(20)], [*range(20)]], 19),
        ([[*range(12), 99], [*range(12), 98, 97]], 12),
        ([[*range(12)], [*range(12), 98, 97]], 11),
        ([[0, 1, 2], [0, 1, 3]], 0),
        ([], 0),
    ],
)
def test_what_is_shared(lists, length):
    assert shared_length(lists) == length


def test_nothing_shared_is_an_empty_prefix(tiny_model):
    assert tiny_model.prefix([]).ids == () and tiny_model.prefix([[1, 2], [3, 4]]).ids == ()
    assert Prefix().values is None
