"""Where the values of a sparse derivative stand: positions in one block, patterns of the whole.

Boundary: numpy only; no JAX, no values but those handed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Entries:
    """Where the values of one block of `shape` (`(*out, *in)`) stand in it.

    `where` has one flat position, in C order, for each value as it is computed; values at one
    position are to be added.
    """

    where: Integers
    shape: Shape

    @property
    def size(self) -> int:
        """How many entries the block has, zeros included."""
        return math.prod(self.shape)

    @property
    def nnz(self) -> int:
        """How many entries are stored."""
        return self.positions.size

    @property
    def positions(self) -> Integers:
        """The positions of the stored entries, ascending, each once."""
        return self._sorted[0]

    def collected(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values `(..., computed)` in the order of `positions`: `(..., nnz)`."""
        _, order, starts = self._sorted
        if order is not None:
            values = values[..., order]
        return values if starts is None else np.add.reduceat(values, starts, axis=-1)

    def filled(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the dense block of values `(*batch, computed)`: `(*batch, *out, *in)`."""
        dense = np.zeros((*values.shape[:-1], self.size), values.dtype)
        dense[..., self.positions] = self.collected(values)
        return dense.reshape(*values.shape[:-1], *self.shape)

    @cached_property
    def _sorted(self) -> tuple[Integers, NDArray[np.intp] | None, NDArray[np.intp] | None]:
        """Positions; what sorts the values, where needed; where equal ones begin, if any are."""
        order = None
        where = self.where
        if not (where[1:] > where[:-1]).all():
            # Stable: several ascending runs are merged, and sums have one order.
            order = np.argsort(where, kind="stable")
            where = where[order]
        fresh = np.concatenate([[True], where[1:] != where[:-1]])[: where.size]
        if fresh.all():
            return where, order, None
        starts = np.flatnonzero(fresh)
        return where[starts], order, starts


@dataclass(frozen=True, eq=False)
class Pattern:
    """The places of the entries of an (M, N) matrix that may be non-zero."""

    rows: Integers
    columns: Integers
    shape: tuple[int, int]

    @property
    def nnz(self) -> int:
        """How many entries there are."""
        return self.rows.size

    @property
    def density(self) -> float:
        """The share of entries that may be non-zero; 0 of an empty matrix."""
        return self.nnz / max(math.prod(self.shape), 1)

    def sorted(self) -> Pattern:
        """Return the pattern in C order, each place once."""
        flat = np.unique(self.rows * self.shape[1] + self.columns)
        return Pattern(*divmod(flat, max(self.shape[1], 1)), self.shape)


def joined(blocks: Sequence[Entries], outs: Sequence[int], ins: Sequence[int]) -> Pattern:
    """Return the pattern of blocks (by output, then input) joined to one matrix.

    `outs` and `ins` are the flat sizes of the outputs and inputs.
    """
    rows, columns = [], []
    tops, lefts = _offsets(outs), _offsets(ins)
    for number, block in enumerate(blocks):
        out, wrt = divmod(number, len(ins))
        row, column = divmod(block.positions, max(ins[wrt], 1))
        rows.append(row + tops[out])
        columns.append(column + lefts[wrt])
    if not rows:
        rows = columns = [np.zeros(0, np.int64)]
    return Pattern(np.concatenate(rows), np.concatenate(columns), (sum(outs), sum(ins)))


def split(
    pattern: Pattern, outs: Sequence[Shape], ins: Sequence[Shape]
) -> list[tuple[Entries, NDArray[np.intp]]]:
    """Return the blocks of a pattern, by output, then input: entries, and which they were."""
    tops, lefts = _offsets(map(math.prod, outs)), _offsets(map(math.prod, ins))
    # The last of equal offsets: an array without numbers has no entries.
    out = np.searchsorted(tops, pattern.rows, side="right") - 1
    wrt = np.searchsorted(lefts, pattern.columns, side="right") - 1
    number = out * len(ins) + wrt
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(np.bincount(number, minlength=len(outs) * len(ins)))
    found = []
    for block, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        o, i = divmod(block, len(ins))
        chosen = order[start:end]
        row = pattern.rows[chosen] - tops[o]
        column = pattern.columns[chosen] - lefts[i]
        where = row * math.prod(ins[i]) + column
        found.append((Entries(where, (*outs[o], *ins[i])), chosen))
    return found


def _offsets(sizes: Any) -> Integers:
    """Return where each of consecutive arrays begins."""
    return np.cumsum([0, *sizes], dtype=np.int64)[:-1]
