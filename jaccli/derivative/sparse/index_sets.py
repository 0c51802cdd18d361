"""Sets of columns, one for each element of an array: what a sparsity pattern is made of.

A boolean CSR matrix has a row for each element, in C order, and a column for each element of the
input.  Operations are unions of rows.

Boundary: numpy and scipy; knows nothing of jaxprs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Rows = Any  # scipy.sparse.csr_array of booleans
Positions = NDArray[np.int64]


MOST = 2**24
"""Entries of the sets of one array, at most."""


class TooDense(Exception):
    """More entries than were allowed, or so many that there is no structure to be used."""


def identity(size: int) -> Rows:
    """Return the rows of the input itself."""
    return sparse.identity(size, np.bool_, "csr")


def empty(size: int, columns: int) -> Rows:
    """Return rows without entries."""
    return _csr(np.zeros(0, np.int32), np.zeros(size + 1, np.int32), (size, columns))


def taken(rows: Rows, positions: Positions) -> Rows:
    """Return the rows at flat positions, none at -1."""
    flat = positions.reshape(-1)
    if flat.size == rows.shape[0] and np.array_equal(flat, np.arange(flat.size)):
        return rows
    counts = np.diff(rows.indptr)
    safe = np.maximum(flat, 0)
    lengths = np.where(flat >= 0, counts[safe] if counts.size else 0, 0)
    ends = np.cumsum(lengths, dtype=np.int64)
    starts = np.concatenate([[0], ends[:-1]]) if ends.size else ends
    total = int(ends[-1]) if ends.size else 0
    if total > MOST:
        raise TooDense(f"{total:,} entries")
    source = np.arange(total) + np.repeat(rows.indptr[safe].astype(np.int64) - starts, lengths)
    indptr = np.concatenate([[0], ends])
    return _csr(rows.indices[source], indptr, (flat.size, rows.shape[1]))


def kept(rows: Rows, keep: NDArray[np.bool_]) -> Rows:
    """Return the rows with those emptied that are not to be kept."""
    return taken(rows, np.where(keep.reshape(-1), np.arange(rows.shape[0]), -1))


def united(parts: Iterable[Rows]) -> Rows:
    """Return the union, row by row: of pairs, then of pairs of those, as each copies entries."""
    found: list[Rows] = []
    count = 0
    for part in parts:  # which may be made one by one
        count += part.nnz
        if count > 4 * MOST:
            raise TooDense("a union of too many entries")
        found.append(part)
    while len(found) > 1:
        pairs = zip_longest(found[::2], found[1::2])
        found = [one if other is None else one + other for one, other in pairs]
    return found[0]


def gathered(rows: Rows, targets: Positions, size: int) -> Rows:
    """Return `size` rows, each the union of those whose target it is; -1 goes nowhere."""
    flat = targets.reshape(-1)
    sources = np.flatnonzero(flat >= 0)
    return combined(rows, flat[sources], sources, size)


def combined(rows: Rows, targets: Positions, sources: Positions, size: int) -> Rows:
    """Return `size` rows: the row `targets[k]` holds the row `sources[k]`, for every k."""
    if int(np.diff(rows.indptr)[sources].sum(dtype=np.int64)) > 4 * MOST:
        raise TooDense("a sum of too many entries")
    ones = np.ones(targets.size, np.bool_)
    product = sparse.csr_matrix((ones, (targets, sources)), (size, rows.shape[0]))
    return product @ rows


def together(rows: Rows) -> Rows:
    """Return the union of all rows, as one."""
    columns = np.unique(rows.indices)
    return _csr(columns, np.array([0, columns.size]), (1, rows.shape[1]))


def stacked(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several arrays, one after another."""
    return parts[0] if len(parts) == 1 else sparse.vstack(parts, "csr")


def _csr(indices: Any, indptr: Any, shape: tuple[int, int]) -> Rows:
    return sparse.csr_matrix((np.ones(indices.size, np.bool_), indices, indptr), shape)
