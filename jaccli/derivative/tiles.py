"""The unit vectors of an array in tiles: boxes of its indices, all of one shape.

Boundary: shapes and integers; no arrays, no JAX.
"""

from __future__ import annotations

import itertools
import math

Shape = tuple[int, ...]


def tile(shape: Shape, count: int) -> Shape:
    """Return the box of at most `count` (at least 1) indices whose trailing dims are whole.

    >>> tile((5, 4), 8), tile((5, 4), 3)
    ((2, 4), (1, 3))
    """
    sizes: list[int] = []
    for n in reversed(shape):
        sizes.insert(0, max(1, min(n, count // math.prod(sizes))))
    return tuple(sizes)


def parts(shape: Shape, box: Shape) -> int:
    """Return how many tiles there are.

    >>> parts((5, 4), (2, 4))
    3
    """
    return math.prod(math.ceil(n / size) for n, size in zip(shape, box, strict=True))


def share(shape: Shape, among: int) -> int:
    """Return the least count of indices that cuts an array in at most so many tiles.

    >>> share((5, 4), 1), share((5, 4), 2), share((2, 4), 4)
    (20, 12, 2)
    """
    counts = []
    for dim, n in enumerate(shape):
        leading = math.prod(shape[:dim])
        if 0 < leading <= among:
            counts.append(math.ceil(n / (among // leading)) * math.prod(shape[dim + 1 :]))
    return max(1, min(counts, default=1))


def corners(shape: Shape, box: Shape) -> list[tuple[Shape, int]]:
    """Return where each tile begins, and how many indices it is the first to have.

    The last tile of a dim reaches back, so that all are as large.

    >>> corners((5,), (2,))
    [((0,), 2), ((2,), 2), ((3,), 1)]
    """
    if math.prod(shape) == 0:
        return []
    dims = [
        [(min(done, n - size), min(size, n - done)) for done in range(0, n, size)]
        for n, size in zip(shape, box, strict=True)
    ]
    return [
        (tuple(start for start, _ in steps), math.prod(fresh for _, fresh in steps))
        for steps in itertools.product(*dims)
    ]
