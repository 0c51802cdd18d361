"""Axes of steps (batch rows, unit vectors, colors) cut into chunks that are as large as each other.

The steps of an axis are the indices of an array, in row-major order: the axis is known by the
array's shape.  All chunks of an axis have one shape, so that one program computes them.

Boundary: shapes and integers; no arrays, no JAX.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

Shape = tuple[int, ...]


class Chunk(NamedTuple):
    """`size` steps of an axis from `offset` on, the last `new` of which are in no chunk before.

    `number` is among all chunks, `axis` among the axes.
    """

    number: int
    axis: int
    offset: int
    size: int
    new: int


def chunk_shape(shape: Shape, size: int) -> Shape:
    """Return the shape of at most `size` (at least 1) steps whose trailing dims are whole.

    >>> chunk_shape((5, 4), 8), chunk_shape((5, 4), 3)
    ((2, 4), (1, 3))
    """
    sizes: list[int] = []
    for n in reversed(shape):
        sizes.insert(0, max(1, min(n, size // math.prod(sizes))))
    return tuple(sizes)


def chunk_count(shape: Shape, size: int) -> int:
    """Return how many chunks of at most `size` steps an axis has.

    >>> chunk_count((5, 4), 8)
    3
    """
    return math.prod(math.ceil(n / k) for n, k in zip(shape, chunk_shape(shape, size), strict=True))


def even_size(shape: Shape, among: int) -> int:
    """Return the smallest size of chunks that cuts an axis in at most so many.

    >>> even_size((5, 4), 1), even_size((5, 4), 2), even_size((2, 4), 4)
    (20, 12, 2)
    """
    sizes = []
    for dim, n in enumerate(shape):
        leading = math.prod(shape[:dim])
        if 0 < leading <= among:
            sizes.append(math.ceil(n / (among // leading)) * math.prod(shape[dim + 1 :]))
    return max(1, min(sizes, default=1))


def cut(axes: Sequence[Shape], size: int) -> list[Chunk]:
    """Return the chunks of at most `size` steps of all axes, one axis after another.

    The last chunk of a dim reaches back, so that all are as large.

    >>> [chunk[2:] for chunk in cut([(5,)], 2)]
    [(0, 2, 2), (2, 2, 2), (3, 2, 1)]
    """
    chunks: list[Chunk] = []
    for axis, shape in enumerate(axes):
        if 0 in shape:
            continue
        sizes = chunk_shape(shape, size)
        dims = [
            [(min(done, n - k), min(k, n - done)) for done in range(0, n, k)]
            for n, k in zip(shape, sizes, strict=True)
        ]
        for steps in itertools.product(*dims):
            offset = 0
            for n, (start, _) in zip(shape, steps, strict=True):
                offset = offset * n + start
            new = math.prod(new for _, new in steps)
            chunks.append(Chunk(len(chunks), axis, offset, math.prod(sizes), new))
    return chunks


def index_of(shape: Shape, offset: int) -> Shape:
    """Return the index of a step in each dim of its axis.

    >>> index_of((5, 4), 7)
    (1, 3)
    """
    index: list[int] = []
    for n in reversed(shape):
        offset, last = divmod(offset, max(n, 1))
        index.insert(0, last)
    return tuple(index)
