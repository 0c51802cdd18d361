"""A matrix reduced to the cells of a picture: in each cell its entry of largest absolute value.

A cell is one entry where the matrix is small.  The matrix is read a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from jaccli.result.result import Array
from jaccli.result.sparse import Sparse, Values

_CHUNK = 1 << 22
"""Entries that are looked at at a time, but for a row that is longer by itself."""


@dataclass
class Cells:
    """`values`, `(rows, columns)` of the picture, and what is known of the `shape` matrix.

    A cell with a NaN is NaN; one with an infinity and no NaN is infinite.  `kept` are the cells of
    a sparse matrix with any entry that is kept, None of a dense one.  `counts` are the numbers of
    entries that are not finite, by `NaN`, `inf`, `-inf`, `first` the row and column of the first.
    """

    shape: tuple[int, int]
    values: Array
    kept: Array | None = None
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_reduced(self) -> bool:
        """Whether a cell stands for several entries."""
        return bool(self.values.shape != self.shape)

    @property
    def each(self) -> tuple[int, int]:
        """How many rows and columns of entries a cell stands for, at most."""
        (m, n), (r, c) = self.shape, self.values.shape
        return -(-m // r), -(-n // c)

    @property
    def largest(self) -> float:
        """The greatest finite absolute value of a cell, 0 without one."""
        finite = np.abs(self.values[np.isfinite(self.values)])
        return float(finite.max(initial=0.0))

    def note(self, kind: str, count: int, row: int, column: int) -> None:
        """Take account of entries that are not finite."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        self.first.setdefault(kind, (row, column))


def cells(values: Values, most: int) -> Cells:
    """Return a matrix `(rows, columns)`, neither of them 0, as at most `most` cells either way."""
    shape = (values.shape[0], values.shape[1])
    edges = [_edges(size, most) for size in shape]
    if isinstance(values, Sparse):
        return _of_sparse(values, shape, edges)
    return _of_dense(values, shape, edges)


def _edges(size: int, most: int) -> Array:
    """Return where the cells begin along one side: they differ by one entry at most."""
    each = -(-size // most)
    count = -(-size // each)
    return np.arange(count, dtype=np.int64) * size // count


def _of_dense(values: Array, shape: tuple[int, int], edges: list[Array]) -> Cells:
    rows, columns = edges
    found = Cells(shape, np.empty((len(rows), len(columns))))
    wide = len(columns) < shape[1]
    for first, last, start, stop in _groups(rows, shape):
        piece = values[start:stop]
        starts = rows[first:last] - start
        high, low = piece, piece
        if len(starts) < len(piece):
            high, low = (one.reduceat(piece, starts, axis=0) for one in (np.maximum, np.minimum))
        if wide:
            high = np.maximum.reduceat(high, columns, axis=1)
            low = np.minimum.reduceat(low, columns, axis=1)
        high, low = high.astype(np.float64), low.astype(np.float64)
        if not (np.isfinite(high).all() and np.isfinite(low).all()):
            _count(found, piece, start)
        found.values[first:last] = np.where(np.abs(high) >= np.abs(low), high, low)
        # a NaN compares as false, and is in both
    return found


def _groups(rows: Array, shape: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the first and the last cell, and the first and the last row, of what is read at a time.

    Rows of a cell are not taken apart.
    """
    step = max(1, _CHUNK // max(1, shape[1] * -(-shape[0] // len(rows))))
    for first in range(0, len(rows), step):
        last = min(first + step, len(rows))
        stop = shape[0] if last == len(rows) else int(rows[last])
        yield first, last, int(rows[first]), stop


def _count(found: Cells, piece: Array, start: int) -> None:
    for kind, bad in _bad(piece):
        places = np.flatnonzero(bad)
        if len(places):
            row, column = divmod(int(places[0]), piece.shape[1])
            found.note(kind, len(places), start + row, column)


def _bad(values: Array) -> Iterator[tuple[str, Array]]:
    yield "NaN", np.isnan(values)
    yield "inf", np.isposinf(values)
    yield "-inf", np.isneginf(values)


def _of_sparse(values: Sparse, shape: tuple[int, int], edges: list[Array]) -> Cells:
    picture = (len(edges[0]), len(edges[1]))
    high, low = np.zeros(picture).reshape(-1), np.zeros(picture).reshape(-1)
    kept = np.zeros(high.size, bool)
    found = Cells(shape, high)
    for start in range(0, values.nnz, _CHUNK):
        where, numbers = (part[start : start + _CHUNK] for part in (values.where, values.values))
        row, column = np.divmod(where, shape[1])
        places = [np.searchsorted(edge, index, "right") - 1
                  for edge, index in zip(edges, (row, column), strict=True)]  # fmt: skip
        flat = places[0] * picture[1] + places[1]
        kept[flat] = True
        with np.errstate(invalid="ignore"):
            np.maximum.at(high, flat, numbers.astype(np.float64))
            np.minimum.at(low, flat, numbers.astype(np.float64))
        for kind, bad in _bad(numbers):
            there = np.flatnonzero(bad)
            if len(there):
                found.note(kind, len(there), int(row[there[0]]), int(column[there[0]]))
    found.values = np.where(np.abs(high) >= np.abs(low), high, low).reshape(picture)
    found.kept = kept.reshape(picture)
    return found
