"""Greedy colorings: which columns share no row, and which columns a symmetric matrix may share.

Sets of colors are bits of Python's integers, so that a column costs one operation for each of its
entries.  After A. Gebremedhin, F. Manne, A. Pothen, "What color is your Jacobian?", SIAM Review 47
(2005), 629–705: partial distance-2 coloring (Algorithm 3.2) and star coloring, largest first.

Boundary: patterns in, colors out; knows nothing of derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jaccli import memory

Colors = NDArray[np.int32]
Indices = NDArray[np.int64]

_COUNTED = 2**24
"""Pairs of entries in a row up to which a column's neighbors are counted once each."""


def color_columns(rows: Indices, columns: Indices, shape: tuple[int, int]) -> tuple[Colors, int]:
    """Return colors `(n,)` such that columns of one color share no row, and how many there are.

    >>> color_columns(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2]), (2, 3))[0].tolist()
    [1, 0, 1]
    """
    matrix = sparse.csc_matrix((np.ones(rows.size, np.bool_), (rows, columns)), shape)
    lengths = np.bincount(matrix.indices, minlength=shape[0])
    if int((lengths.astype(np.int64) ** 2).sum()) <= _COUNTED:
        neighbors = np.diff((matrix.T @ matrix).tocsr().indptr)
    else:
        neighbors = np.bincount(columns, lengths[rows], shape[1])
    order = np.argsort(-neighbors, kind="stable").tolist()
    starts, entries = matrix.indptr.tolist(), matrix.indices.tolist()
    used = [0] * shape[0]  # the colors in each row
    colors = [0] * shape[1]
    for column in order:
        memory.check_growth()
        here = entries[starts[column] : starts[column + 1]]
        taken = 0
        for row in here:
            taken |= used[row]
        bit = ~taken & (taken + 1)  # the lowest that is free
        for row in here:
            used[row] |= bit
        colors[column] = bit
    return _numbered(colors)


def color_symmetric(rows: Indices, columns: Indices, n: int) -> tuple[Colors, int]:
    """Return a star coloring `(n,)` of a symmetric pattern, and how many colors it has.

    Neighbors differ, and every path of four has three colors: each entry is then alone of its
    column's color in its row, or of its row's color in its column.  A color of -1 is of a column
    that no entry has to be read from.
    """
    off = rows != columns
    matrix = sparse.csr_matrix((np.ones(off.sum(), np.bool_), (rows[off], columns[off])), (n, n))
    matrix = (matrix + matrix.T).tocsr()
    degrees = np.diff(matrix.indptr)
    order = np.argsort(-degrees, kind="stable").tolist()
    starts, entries = matrix.indptr.tolist(), matrix.indices.tolist()
    near = [0] * n  # the colors of a vertex's neighbors
    twice = [0] * n  # those that several of them have: the vertex is the middle of a star
    middles = [0] * n  # the colors of neighbors that are the middle of a star with this one in it
    colors = [0] * n
    for vertex in order:
        memory.check_growth()
        here = entries[starts[vertex] : starts[vertex + 1]]
        taken, repeated = near[vertex], twice[vertex]
        for other in here:
            color = colors[other]
            if color:
                taken |= middles[other]
                if color & repeated:
                    taken |= near[other]
        bit = ~taken & (taken + 1)
        colors[vertex] = bit
        for other in here:
            color = colors[other]
            if near[other] & bit:
                if not twice[other] & bit:
                    twice[other] |= bit
                    if color:
                        for third in entries[starts[other] : starts[other + 1]]:
                            if colors[third] == bit:
                                middles[third] |= color
                elif color:
                    middles[vertex] |= color
            near[other] |= bit
            if color & repeated:
                middles[other] |= bit
    found, count = _numbered(colors)
    return _without_unread(found, count, rows, columns, matrix)


def _numbered(bits: list[int]) -> tuple[Colors, int]:
    colors = np.fromiter((bit.bit_length() - 1 for bit in bits), np.int32, len(bits))
    return colors, int(colors.max(initial=-1)) + 1


def _without_unread(
    colors: Colors, count: int, rows: Indices, columns: Indices, matrix: Any
) -> tuple[Colors, int]:
    """Return a star coloring without the colors that no entry has to be read from.

    An entry beside the diagonal is read from its column's color, or from its row's: of a star the
    middle's color serves all of its entries.
    """
    if not count:
        return colors, 0
    needed = np.zeros(count, np.bool_)
    needed[colors[rows[rows == columns]]] = True
    edges = sparse.triu(matrix, 1).tocoo()
    one, other = edges.row, edges.col
    key = one.astype(np.int64) * count + colors[other]
    back = other.astype(np.int64) * count + colors[one]
    # How many neighbors of a vertex have a color: several only of a star's middle.
    seen = np.bincount(np.concatenate([key, back]))
    one_is_middle, other_is_middle = seen[key] > 1, seen[back] > 1
    needed[colors[one[one_is_middle]]] = True
    needed[colors[other[other_is_middle]]] = True
    alone = ~one_is_middle & ~other_is_middle  # an edge by itself: either end's color serves
    left = alone & ~needed[colors[one]] & ~needed[colors[other]]
    needed[colors[one[left]]] = True
    if needed.all():
        return colors, count
    numbers = np.where(needed, np.cumsum(needed) - 1, -1).astype(np.int32)
    return numbers[colors], int(needed.sum())
