"""Tiles: boxes of one shape that cover an array, each index counted once."""

from __future__ import annotations

import doctest
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaccli.derivative import tiles
from jaccli.derivative.tiles import Shape, corners, tile

shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
counts = st.integers(1, 700)


@pytest.mark.parametrize(
    ("shape", "count", "box"),
    [
        ((), 1, ()),
        ((), 9, ()),
        ((7,), 3, (3,)),
        ((7,), 99, (7,)),
        ((5, 4), 20, (5, 4)),
        ((5, 4), 19, (4, 4)),
        ((5, 4), 4, (1, 4)),
        ((5, 4), 3, (1, 3)),
        ((2, 3, 4), 13, (1, 3, 4)),
        ((2, 3, 4), 11, (1, 2, 4)),
        ((3, 1, 1), 2, (2, 1, 1)),
    ],
)
def test_trailing_dims_are_whole(shape: Shape, count: int, box: Shape) -> None:
    assert tile(shape, count) == box


@given(shapes, counts)
def test_a_tile_is_a_box_of_at_most_count_indices(shape: Shape, count: int) -> None:
    box = tile(shape, count)
    assert len(box) == len(shape)
    assert 1 <= math.prod(box) <= count
    assert all(b <= max(n, 1) for b, n in zip(box, shape, strict=True))
    cut = [axis for axis, (b, n) in enumerate(zip(box, shape, strict=True)) if b < n]
    if cut:  # what leads the last dim that is cut is taken one at a time
        assert all(b == 1 for b in box[: cut[-1]])


@given(shapes, st.integers(1, 30))
def test_tiles_cover_every_index_and_fresh_ones_add_up(shape: Shape, count: int) -> None:
    box = tile(shape, count)
    seen: set[Shape] = set()
    for corner, fresh in corners(shape, box):
        inside = set(
            itertools.product(*(range(c, c + b) for c, b in zip(corner, box, strict=True)))
        )
        assert all(c + b <= n for c, b, n in zip(corner, box, shape, strict=True))
        assert len(inside - seen) == fresh
        seen |= inside
    assert seen == set(itertools.product(*map(range, shape)))


@given(shapes)
def test_a_large_count_is_one_tile_of_everything(shape: Shape) -> None:
    whole = math.prod(shape)
    found = corners(shape, tile(shape, max(whole, 1)))
    assert found == ([((0,) * len(shape), whole)] if whole else [])


def test_the_examples_of_the_docstrings() -> None:
    results = doctest.testmod(tiles)
    assert (results.failed, results.attempted) == (0, 4)
