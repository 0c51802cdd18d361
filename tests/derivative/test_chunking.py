"""Chunks: as large as each other, they cover an axis, each step counted once."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaccli.derivative import chunking
from jaccli.derivative.chunking import Chunk, Shape, chunk_count, chunk_shape, cut, index_of

shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
sizes = st.integers(1, 700)


@pytest.mark.parametrize(
    ("shape", "size", "found"),
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
def test_trailing_dims_are_whole(shape: Shape, size: int, found: Shape) -> None:
    assert chunk_shape(shape, size) == found


@given(shapes, sizes)
def test_a_chunk_is_a_box_of_at_most_size_steps(shape: Shape, size: int) -> None:
    box = chunk_shape(shape, size)
    assert len(box) == len(shape)
    assert 1 <= math.prod(box) <= size
    assert all(b <= max(n, 1) for b, n in zip(box, shape, strict=True))
    partial = [axis for axis, (b, n) in enumerate(zip(box, shape, strict=True)) if b < n]
    if partial:  # what leads the last dim that is cut is taken one at a time
        assert all(b == 1 for b in box[: partial[-1]])


@given(st.lists(shapes, max_size=3), st.integers(1, 30))
def test_chunks_cover_every_step_and_new_ones_add_up(axes: list[Shape], size: int) -> None:
    seen: list[set[int]] = [set() for _ in axes]
    chunks = cut(axes, size)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert len(chunks) == sum(chunk_count(shape, size) for shape in axes)
    for chunk in chunks:
        steps = range(chunk.offset, chunk.offset + chunk.size)
        assert len(steps) == math.prod(chunk_shape(axes[chunk.axis], size))
        assert {*steps} - seen[chunk.axis] == {*steps[len(steps) - chunk.new :]}
        seen[chunk.axis] |= {*steps}
    assert seen == [set(range(math.prod(shape))) for shape in axes]


@given(shapes, sizes)
def test_a_chunk_is_consecutive_in_its_array(shape: Shape, size: int) -> None:
    steps = np.arange(math.prod(shape)).reshape(shape)
    box = chunk_shape(shape, size)
    for chunk in cut([shape], size):
        start = index_of(shape, chunk.offset)
        inside = steps[tuple(slice(i, i + n) for i, n in zip(start, box, strict=True))]
        assert inside.shape == box
        assert [*inside.flat] == list(range(chunk.offset, chunk.offset + chunk.size))


@given(shapes)
def test_a_large_size_is_one_chunk_of_everything(shape: Shape) -> None:
    whole = math.prod(shape)
    assert cut([shape], max(whole, 1)) == ([Chunk(0, 0, 0, whole, whole)] if whole else [])


def test_the_examples_of_the_docstrings() -> None:
    results = doctest.testmod(chunking)
    assert (results.failed, results.attempted) == (0, 5)
