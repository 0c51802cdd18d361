"""Vectors of values written to their places in a dense array, without a scatter where one is slow.

XLA adds the updates of a scatter one after another on a CPU (about 0.1 µs each).  Where rows (or
columns) have few values each, an array is written faster as a whole: row by row the value of the
first update where the column is its own, and 0 elsewhere, then the second, and so on.

Boundary: arrays and positions; nothing structured.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

Array = Any
Positions = np.ndarray
PER_UPDATE = 512
"""Numbers of an array that are compared and written in the time of one update of a scatter."""
MAX_ROUNDS = 8
"""Values of a row at most: each takes a pass over the array, and equations to compile."""


def spread_out(
    values: Array, rows: Positions, columns: Positions, shape: tuple[int, int], rest: int = 0
) -> Array:
    """Return the array `(*shape, ...)` of 0 with `values[k]` added at `rows[k]`, `columns[k]`.

    `values` is `(k, ...)` with `rest` more dims.
    """
    n, m = shape
    by_row, by_column = _rounds(rows, n), _rounds(columns, m)
    fewer = min(len(by_row), len(by_column))
    if 0 < fewer <= MAX_ROUNDS and fewer * n * m <= PER_UPDATE * rows.size:
        if len(by_row) <= len(by_column):
            parts = [_pass(values, one, columns, (n, m), 1, rest) for one in by_row]
        else:
            parts = [_pass(values, one, rows, (n, m), 0, rest) for one in by_column]
        return sum(parts[1:], parts[0])
    flat = jnp.zeros((n * m, *values.shape[1:]), values.dtype)
    return flat.at[rows * m + columns].add(values).reshape((n, m, *values.shape[1:]))


def _pass(
    values: Array, which: Positions, other: Positions, shape: tuple[int, int], axis: int, rest: int
) -> Array:
    """Return the array with one value for each index of a dim, at its index of the dim `axis`.

    `which` numbers the value of each index, -1 where there is none.
    """
    safe = np.maximum(which, 0)
    if not np.array_equal(which, np.arange(values.shape[0])):
        values = values.take(safe, axis=0, mode="clip")
    place = np.where(which >= 0, other[safe], -1).astype(np.int32)
    tail = (1,) * rest
    whole = (*shape, *values.shape[1:])
    there = jnp.expand_dims(place, axis).reshape((*_line(place.size, 1 - axis), *tail))
    hit = lax.eq(
        jnp.broadcast_to(there, (*shape, *tail)),
        lax.broadcasted_iota(np.int32, (*shape, *tail), axis),
    )
    column = jnp.broadcast_to(jnp.expand_dims(values, axis), whole)
    return lax.select(jnp.broadcast_to(hit, whole), column, jnp.zeros(whole, values.dtype))


def _line(size: int, axis: int) -> tuple[int, int]:
    return (size, 1) if axis == 0 else (1, size)


def _rounds(index: Positions, size: int) -> list[Positions]:
    """Return for every index its first value, then its second and so on (-1: none).

    One round more than `MAX_ROUNDS` at most: then there are too many.
    """
    order = np.argsort(index, kind="stable")
    cells = index[order]
    counts = np.bincount(cells, minlength=size)
    turn = np.arange(cells.size) - np.repeat(np.cumsum(counts) - counts, counts)
    rounds = []
    for r in range(min(int(counts.max(initial=0)), MAX_ROUNDS + 1)):
        which = np.full(size, -1, np.int64)
        which[cells[turn == r]] = order[turn == r]
        rounds.append(which)
    return rounds
