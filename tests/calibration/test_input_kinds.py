"""Kinds of input in a stream: found where there are several, one where there is one, in any order."""

import numpy as np
import pytest

from thermolang.calibration.input_kinds import KindSpace
from thermolang.errors import InvalidInputError

RNG = np.random.default_rng(0)
WIDTH = 24


def inputs(center, n=40, rng=RNG):
    return (center + rng.normal(0, 1, (n, WIDTH))).astype(np.float32)


CENTERS = RNG.normal(0, 6, (14, WIDTH))


@pytest.fixture(scope="module")
def space():
    return KindSpace.fit([inputs(c) for c in CENTERS[:10]], [f"g{i}" for i in range(10)])


def test_one_kind_is_one(space):
    for center in CENTERS[10:]:
        assert len(space.split(space.place(inputs(center)))) == 1


def test_kinds_that_were_never_seen_are_told_apart(space):
    mixed = np.concatenate([inputs(c, n) for c, n in zip(CENTERS[10:13], (40, 30, 20), strict=True)])
    places = space.place(mixed)
    centers = space.split(places)
    assert len(centers) == 3
    nearest, near = space.nearest(places, centers)
    np.testing.assert_array_equal(nearest, np.repeat([0, 1, 2], [40, 30, 20]))  # the largest comes first
    assert near.mean() > 0.95


def test_the_order_of_inputs_does_not_matter(space):
    places = space.place(np.concatenate([inputs(c) for c in CENTERS[10:12]]))
    order = np.random.default_rng(1).permutation(len(places))
    one, other = (sorted(tuple(c.round(9)) for c in space.split(p)) for p in (places, places[order]))
    assert one == other


def test_a_few_odd_inputs_are_no_kind(space):
    places = space.place(np.concatenate([inputs(CENTERS[10]), inputs(CENTERS[11], 3)]))
    assert len(space.split(places)) == 1


def test_a_single_input_is_its_own_kind(space):
    (place,) = space.place(inputs(CENTERS[10], 1))
    (center,) = space.split(place[None])
    np.testing.assert_array_equal(center, place)


def test_what_is_far_from_all_kinds_is_of_none(space):
    centers = space.split(space.place(inputs(CENTERS[10])))
    _, near = space.nearest(space.place(inputs(CENTERS[12])), centers)
    assert not near.any()


def test_a_place_does_not_depend_on_the_batch(space):
    hidden = inputs(CENTERS[11])
    np.testing.assert_array_equal(space.place(hidden)[7], space.place(hidden[7:8])[0])


def test_long_streams_are_thinned(space):
    places = space.place(np.concatenate([inputs(CENTERS[10], 700), inputs(CENTERS[11], 500)]))
    assert len(space.split(places)) == 2


def test_axes_must_fit_the_center():
    with pytest.raises(InvalidInputError, match="axes"):
        KindSpace(np.zeros(3), np.zeros((4, 2)), 1.0)
    with pytest.raises(InvalidInputError, match="radius"):
        KindSpace(np.zeros(3), np.zeros((3, 2)), 0.0)
